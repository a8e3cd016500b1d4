//! What earlier versions wrote: snapshots of the first format, which knew no workflow variables, and of the second,
//! which knew no tokens, no Map Runs and no redrive; rows of the first.
//!
//! The layout as it was then, field by field: what is not self-describing must be read as it was written. What has not
//! changed since is the type of today.

use std::collections::BTreeMap;
use std::sync::Arc;

use asl::definition::StateId;
use interpreter::{
    Branch, Execution, Frame, FrameId, MapWait, Payload, Phase, Status, TaskWait, Timestamp, Wait, WaitId,
};
use serde::Deserialize;

use super::{ExecutionStatus, Row};

pub const FIRST: u8 = 1;
pub const SECOND: u8 = 2;
pub const ROW_FIRST: u8 = 1;

#[derive(Deserialize)]
pub struct FirstRow {
    machine: u32,
    revision: u32,
    machine_arn: Arc<str>,
    name: Arc<str>,
    status: ExecutionStatus,
    started_at: Timestamp,
    stopped_at: Option<Timestamp>,
    trace_header: Option<Arc<str>>,
}

impl From<FirstRow> for Row {
    fn from(first: FirstRow) -> Row {
        Row {
            machine: first.machine,
            revision: first.revision,
            machine_arn: first.machine_arn,
            name: first.name,
            status: first.status,
            started_at: first.started_at,
            stopped_at: first.stopped_at,
            trace_header: first.trace_header,
            version: None,
            alias: None,
            parent: None,
            is_express: false,
            redrive_count: 0,
            redriven_at: None,
        }
    }
}

/// An execution of the first or the second format, as its frames tell.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct OldExecution<F> {
    status: Status,
    last_event: u64,
    next_frame: u32,
    next_wait: u64,
    deadline: Option<Timestamp>,
    redrive_count: u32,
    frames: Vec<F>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct FirstFrame {
    id: FrameId,
    parent: Option<(FrameId, u32)>,
    item: Option<Payload>,
    state: StateId,
    input: Payload,
    entered_at: Timestamp,
    entered_event: u64,
    last_event: u64,
    retries: Vec<u32>,
    wait: OldWait,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct SecondFrame {
    first: FirstFrame,
    variables: BTreeMap<Arc<str>, Payload>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
enum OldWait {
    Ready,
    Until { wait: WaitId, at: Timestamp },
    Backoff { wait: WaitId, at: Timestamp },
    Task(OldTaskWait),
    Parallel(Vec<Branch>),
    Map(MapWait),
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct OldTaskWait {
    attempt: WaitId,
    unstarted: Option<Payload>,
    timeout_at: Option<Timestamp>,
    heartbeat_seconds: Option<u64>,
    heartbeat_at: Option<Timestamp>,
}

impl<F: Into<Frame>> From<OldExecution<F>> for Execution {
    fn from(old: OldExecution<F>) -> Execution {
        Execution {
            status: old.status,
            last_event: old.last_event,
            next_frame: old.next_frame,
            next_wait: old.next_wait,
            deadline: old.deadline,
            redrive_count: old.redrive_count,
            frames: old.frames.into_iter().map(F::into).collect(),
            ..Execution::new()
        }
    }
}

impl From<FirstFrame> for Frame {
    fn from(first: FirstFrame) -> Frame {
        Frame {
            id: first.id,
            parent: first.parent,
            item: first.item,
            state: first.state,
            input: first.input,
            entered_at: first.entered_at,
            entered_event: first.entered_event,
            last_event: first.last_event,
            retries: first.retries,
            wait: first.wait.into(),
            variables: BTreeMap::new(),
        }
    }
}

impl From<SecondFrame> for Frame {
    fn from(second: SecondFrame) -> Frame {
        Frame { variables: second.variables, ..second.first.into() }
    }
}

impl From<OldWait> for Wait {
    fn from(old: OldWait) -> Wait {
        match old {
            OldWait::Ready => Wait::Ready,
            OldWait::Until { wait, at } => Wait::Until { wait, at },
            OldWait::Backoff { wait, at } => Wait::Backoff { wait, at },
            OldWait::Task(task) => Wait::Task(TaskWait {
                attempt: task.attempt,
                phase: task.unstarted.map_or(Phase::Started { again: None }, Phase::Scheduled),
                timeout_seconds: None,
                timeout_at: task.timeout_at,
                heartbeat_seconds: task.heartbeat_seconds,
                heartbeat_at: task.heartbeat_at,
                secret: None,
                role_arn: None,
            }),
            OldWait::Parallel(branches) => Wait::Parallel(branches),
            OldWait::Map(map) => Wait::Map(map),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_the_first_format_has_no_variables() {
        let task = OldTaskWait {
            attempt: WaitId(7),
            unstarted: None,
            timeout_at: Some(Timestamp(9)),
            heartbeat_seconds: Some(3),
            heartbeat_at: None,
        };
        let first = OldExecution {
            status: Status::Running,
            last_event: 5,
            next_frame: 1,
            next_wait: 7,
            deadline: None,
            redrive_count: 0,
            frames: vec![FirstFrame {
                id: FrameId(0),
                parent: None,
                item: None,
                state: StateId(2),
                input: Payload::from_checked_text("[1]"),
                entered_at: Timestamp(4),
                entered_event: 3,
                last_event: 5,
                retries: vec![1],
                wait: OldWait::Task(task),
            }],
        };
        let read: OldExecution<FirstFrame> = postcard::from_bytes(&postcard::to_allocvec(&first).unwrap()).unwrap();
        let execution = Execution::from(read);
        let frame = &execution.frames[0];
        assert_eq!((execution.last_event, &execution.status), (5, &Status::Running));
        assert_eq!((frame.state, frame.input.text(), &frame.retries), (StateId(2), "[1]", &vec![1]));
        let Wait::Task(task) = &frame.wait else { panic!("{:?}", frame.wait) };
        assert_eq!((&task.phase, task.timeout_at), (&Phase::Started { again: None }, Some(Timestamp(9))));
        assert!(frame.variables.is_empty());
    }
}

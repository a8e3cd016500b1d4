//! Snapshots of the first format, which knew no workflow variables.
//!
//! The layout of an execution as it was then, field by field: what is not self-describing must be read as it was
//! written. What has not changed since is the type of today.

use std::collections::BTreeMap;

use asl::definition::StateId;
use interpreter::{Execution, Frame, FrameId, Payload, Status, Timestamp, Wait};
use serde::Deserialize;

pub const FORMAT: u8 = 1;

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct FirstExecution {
    status: Status,
    last_event: u64,
    next_frame: u32,
    next_wait: u64,
    deadline: Option<Timestamp>,
    redrive_count: u32,
    frames: Vec<FirstFrame>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct FirstFrame {
    id: FrameId,
    parent: Option<(FrameId, u32)>,
    item: Option<Payload>,
    state: StateId,
    input: Payload,
    entered_at: Timestamp,
    entered_event: u64,
    last_event: u64,
    retries: Vec<u32>,
    wait: Wait,
}

impl From<FirstExecution> for Execution {
    fn from(first: FirstExecution) -> Execution {
        Execution {
            status: first.status,
            last_event: first.last_event,
            next_frame: first.next_frame,
            next_wait: first.next_wait,
            deadline: first.deadline,
            redrive_count: first.redrive_count,
            frames: first.frames.into_iter().map(Frame::from).collect(),
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
            wait: first.wait,
            variables: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interpreter::{TaskWait, WaitId};

    #[test]
    fn a_frame_of_the_first_format_has_no_variables() {
        let task = TaskWait {
            attempt: WaitId(7),
            unstarted: None,
            timeout_at: Some(Timestamp(9)),
            heartbeat_seconds: Some(3),
            heartbeat_at: None,
        };
        let first = FirstExecution {
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
                wait: Wait::Task(task.clone()),
            }],
        };
        let read: FirstExecution = postcard::from_bytes(&postcard::to_allocvec(&first).unwrap()).unwrap();
        let execution = Execution::from(read);
        let frame = &execution.frames[0];
        assert_eq!((execution.last_event, &execution.status), (5, &Status::Running));
        assert_eq!((frame.state, frame.input.text(), &frame.retries), (StateId(2), "[1]", &vec![1]));
        assert_eq!((&frame.wait, frame.variables.len()), (&Wait::Task(task), 0));
    }
}

//! One execution's whole durable state: a tree of values, never a call stack.
//!
//! An execution that ended badly keeps the frames it had, so that a redrive can go on from there.
//!
//! A *frame* is one thread of control: the execution itself, a branch of a Parallel, an iteration of a Map.
//! It stands in exactly one state and waits for exactly one thing. What it waits for is complete: from a
//! snapshot alone one can tell every open task and every open timer (see [`Execution::tasks`] and
//! [`Execution::timers`]), which is all that recovery needs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use asl::Definition;
use asl::definition::{BlockId, StateId};
use asl::scope::Variables;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::{ErrorText, Failure};
use crate::payload::Payload;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Later by so many milliseconds; the end of time instead of an overflow.
    pub fn after_ms(self, ms: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
}

/// What never changes about an execution; the source of its context object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub execution_arn: Arc<str>,
    pub execution_name: Arc<str>,
    pub machine_arn: Arc<str>,
    pub machine_name: Arc<str>,
    pub role_arn: Arc<str>,
    pub started_at: Timestamp,
    pub input: Payload,
    /// How the tokens of its tasks name the execution.
    pub key: u64,
    /// An Express execution: it has five minutes, and its history may be as long as they allow.
    pub is_express: bool,
}

/// Names a frame within its execution, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FrameId(pub u32);

/// Names one wait (one attempt of a task, one pause) within its execution, never used twice: what makes a late
/// answer or a fired timer recognisable as stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WaitId(pub u64);

/// One attempt of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    pub frame: FrameId,
    pub attempt: WaitId,
}

/// One visit of a distributed Map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MapRunId {
    pub frame: FrameId,
    pub run: WaitId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimerId {
    /// `TimeoutSeconds` of the state machine.
    Execution,
    /// A Wait state or the pause before a retry is over.
    Pause(FrameId, WaitId),
    /// `TimeoutSeconds` of a task.
    Timeout(TaskId),
    /// `HeartbeatSeconds` of a task.
    Heartbeat(TaskId),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    pub status: Status,
    /// Id of the newest history event; events are numbered from 1 without gaps.
    pub last_event: u64,
    pub next_frame: u32,
    pub next_wait: u64,
    pub deadline: Option<Timestamp>,
    pub redrive_count: u32,
    /// Ascending by id. Empty before the start and after the end.
    pub frames: Vec<Frame>,
    /// The block that it runs: the state machine, or the processor of the distributed Map whose child it is.
    pub block: BlockId,
    /// After a bad end: the frames as they were when the failure began, or when the execution was ended from outside.
    pub unfinished: Vec<Frame>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Status {
    /// Made, but its Start has not been stepped.
    Fresh,
    Running,
    Succeeded(Payload),
    Failed(Failure),
    TimedOut,
    Aborted(Failure),
}

impl Status {
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Status::Fresh | Status::Running)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    pub id: FrameId,
    /// The Parallel or Map frame this one works for, and which branch or iteration it is.
    pub parent: Option<(FrameId, u32)>,
    /// The item, when this is an iteration of a Map: `$$.Map.Item.Value`.
    pub item: Option<Payload>,
    pub state: StateId,
    /// The state's input as it came, before InputPath.
    pub input: Payload,
    pub entered_at: Timestamp,
    /// Id of the state's `StateEntered` event: AWS names it in error texts.
    pub entered_event: u64,
    /// Id of this thread's newest event: the `previousEventId` of its next.
    pub last_event: u64,
    /// Attempts used per retrier of the state, over one visit. Empty until the first failure.
    pub retries: Vec<u32>,
    pub wait: Wait,
    /// The variables that this thread has assigned. It sees those of the threads around it as well (see
    /// [`Execution::variables`]), and what it has assigned ends with it.
    pub variables: BTreeMap<Arc<str>, Payload>,
}

/// The variables that a thread sees.
pub struct Visible<'e> {
    execution: &'e Execution,
    frame: &'e Frame,
}

impl Variables for Visible<'_> {
    /// Its own first, then those of the threads around it, from the inside out.
    fn get(&self, name: &str) -> Option<&Value> {
        let mut at = Some(self.frame);
        while let Some(frame) = at {
            if let Some(found) = frame.variables.get(name) {
                return Some(found.value());
            }
            at = frame.parent.and_then(|(parent, _)| self.execution.frame(parent));
        }
        None
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Wait {
    /// For nothing: to be entered as soon as the step goes on.
    Ready,
    /// For a Wait state's moment.
    Until {
        wait: WaitId,
        at: Timestamp,
    },
    /// For the pause before the next attempt.
    Backoff {
        wait: WaitId,
        at: Timestamp,
    },
    Task(TaskWait),
    /// For its branches, in the order of the definition.
    Parallel(Vec<Branch>),
    Map(MapWait),
    /// For a Map Run, which is not the interpreter's to carry out.
    MapRun(MapRunWait),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskWait {
    pub attempt: WaitId,
    pub phase: Phase,
    /// Of an activity, whose time begins when a worker takes it.
    pub timeout_seconds: Option<u64>,
    pub timeout_at: Option<Timestamp>,
    pub heartbeat_seconds: Option<u64>,
    pub heartbeat_at: Option<Timestamp>,
    /// What nobody can guess in the task's token; none if it has no token.
    pub secret: Option<u128>,
    /// The role to act in, if not the execution's.
    pub role_arn: Option<Arc<str>>,
}

/// How far an attempt has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    /// Asked for. Kept until the task is started, so that it can be handed over after a crash. Shared with the event.
    Scheduled(Payload),
    /// Handed over. What asked for it is kept where asking twice does no harm.
    Started { again: Option<Payload> },
    /// Started, and its token came back before the call that gave the token away had an answer.
    Answered { again: Option<Payload>, outcome: Result<Payload, Failure> },
    /// The call has its answer; the outcome comes later, for a nested execution from this one.
    Submitted { child: Option<Arc<str>> },
}

impl TaskWait {
    pub fn is_started(&self) -> bool {
        !matches!(self.phase, Phase::Scheduled(_))
    }

    /// Is there a nested execution whose end it waits for, or may there be one by now?
    pub fn has_child(&self) -> bool {
        match &self.phase {
            Phase::Submitted { child } => child.is_some(),
            Phase::Started { again } | Phase::Answered { again, .. } => again.is_some() && self.secret.is_some(),
            Phase::Scheduled(_) => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapRunWait {
    pub run: WaitId,
    pub arn: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Branch {
    Running(FrameId),
    Done(Payload),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapWait {
    /// Items not started yet; the first has the index `results.len() - pending.len()`.
    pub pending: VecDeque<Payload>,
    /// Ascending.
    pub running: Vec<FrameId>,
    pub results: Vec<Option<Payload>>,
    pub concurrency: u32,
}

impl Default for Execution {
    fn default() -> Execution {
        Execution::new()
    }
}

impl Execution {
    pub fn new() -> Execution {
        Execution {
            status: Status::Fresh,
            last_event: 0,
            next_frame: 0,
            next_wait: 0,
            deadline: None,
            redrive_count: 0,
            frames: Vec::new(),
            block: Definition::ROOT,
            unfinished: Vec::new(),
        }
    }

    pub fn frame(&self, id: FrameId) -> Option<&Frame> {
        self.frames.binary_search_by_key(&id, |f| f.id).ok().map(|at| &self.frames[at])
    }

    pub fn frame_mut(&mut self, id: FrameId) -> Option<&mut Frame> {
        self.frames.binary_search_by_key(&id, |f| f.id).ok().map(|at| &mut self.frames[at])
    }

    /// The wait of an attempt that is still open, if this names one.
    pub fn task(&self, task: TaskId) -> Option<(&Frame, &TaskWait)> {
        match self.frame(task.frame) {
            Some(frame @ Frame { wait: Wait::Task(wait), .. }) if wait.attempt == task.attempt => Some((frame, wait)),
            _ => None,
        }
    }

    /// Every task without an outcome.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, &Frame, &TaskWait)> {
        self.frames.iter().filter_map(|frame| match &frame.wait {
            Wait::Task(wait) => Some((TaskId { frame: frame.id, attempt: wait.attempt }, frame, wait)),
            _ => None,
        })
    }

    /// Every Map Run that is open.
    pub fn map_runs(&self) -> impl Iterator<Item = (MapRunId, &MapRunWait)> {
        self.frames.iter().filter_map(|frame| match &frame.wait {
            Wait::MapRun(wait) => Some((MapRunId { frame: frame.id, run: wait.run }, wait)),
            _ => None,
        })
    }

    /// Every timer that is set, with its moment.
    pub fn timers(&self) -> Vec<(TimerId, Timestamp)> {
        let mut timers: Vec<_> = self.deadline.iter().map(|at| (TimerId::Execution, *at)).collect();
        for frame in &self.frames {
            match &frame.wait {
                Wait::Until { wait, at } | Wait::Backoff { wait, at } => {
                    timers.push((TimerId::Pause(frame.id, *wait), *at));
                }
                Wait::Task(task) => {
                    let id = TaskId { frame: frame.id, attempt: task.attempt };
                    timers.extend(task.timeout_at.map(|at| (TimerId::Timeout(id), at)));
                    timers.extend(task.heartbeat_at.map(|at| (TimerId::Heartbeat(id), at)));
                }
                Wait::Ready | Wait::Parallel(_) | Wait::Map(_) | Wait::MapRun(_) => {}
            }
        }
        timers
    }

    /// Was the last step cut short, so that a `Continue` is owed?
    pub fn is_ready(&self) -> bool {
        self.frames.iter().any(|frame| frame.wait == Wait::Ready)
    }

    pub fn variables<'e>(&'e self, frame: &'e Frame) -> Visible<'e> {
        Visible { execution: self, frame }
    }

    /// The size of all variables of all threads.
    pub fn variables_bytes(&self) -> usize {
        self.frames.iter().flat_map(|frame| frame.variables.values()).map(Payload::size).sum()
    }

    /// Drops what can be parsed again, for an execution that is going to wait. `input` is its own, which its first state
    /// shares.
    pub fn settle(&mut self, input: &mut Payload) {
        let shared = input.clone();
        if input.is_parsed() {
            *input = Payload::from_checked_text(shared.text());
        }
        for frame in self.frames.iter_mut().filter(|frame| !matches!(frame.wait, Wait::Map(_))) {
            match frame.input.is(&shared) {
                true => frame.input = input.clone(),
                false => frame.input.settle(),
            }
            frame.variables.values_mut().for_each(Payload::settle);
            // What a task is asked without Parameters is the state's input.
            if let Wait::Task(TaskWait {
                phase: Phase::Scheduled(asked) | Phase::Started { again: Some(asked) }, ..
            }) = &mut frame.wait
            {
                match asked.is(&shared) {
                    true => *asked = input.clone(),
                    false => asked.settle(),
                }
            }
        }
    }

    /// How it ended as an error, if it did.
    pub fn failure(&self) -> Option<(&ErrorText, &ErrorText)> {
        match &self.status {
            Status::Failed(failure) | Status::Aborted(failure) => Some((&failure.error, &failure.cause)),
            _ => None,
        }
    }
}

//! What can happen to an execution, and why an input may be refused.

use std::sync::Arc;

use crate::execution::{About, MapRunId, TaskId, TimerId, Timestamp};
use crate::history::Failure;
use crate::payload::Payload;
use crate::trial::Trial;

/// Something happened. Time and chance come with it, so that `step` is a function of its arguments.
#[derive(Clone, Debug)]
pub struct Input {
    pub at: Timestamp,
    /// Seed of all randomness of this step: ids, jitter, `States.MathRandom`.
    pub entropy: u64,
    pub kind: InputKind,
}

#[derive(Clone, Debug)]
pub enum InputKind {
    /// Accepted by a fresh execution.
    Start,
    /// A runner slot is free for a scheduled task: it counts as handed over once this is committed.
    /// Accepted while that attempt is scheduled and not started.
    TaskStarted(TaskId),
    /// Accepted while that attempt is started.
    TaskSucceeded(TaskId, Payload),
    /// Accepted while that attempt is started.
    TaskFailed(TaskId, Failure),
    /// A sign of life. Accepted while that attempt is started.
    TaskHeartbeat(TaskId),
    /// A worker has asked for an activity's task. Accepted while that attempt is scheduled.
    ActivityStarted(TaskId, Option<Arc<str>>),
    /// The call that starts a longer work has its answer; a nested execution is named. Accepted while that attempt is
    /// started, once.
    TaskSubmitted(TaskId, Payload, Option<Arc<str>>),
    /// The outcome of a longer work: its token came back, or the nested execution has ended. Accepted while that
    /// attempt is started; before the call has its answer it is kept.
    TaskAnswered(TaskId, Result<Payload, Failure>),
    /// Accepted while that Map Run is open.
    MapRunFinished(MapRunId, Result<Payload, Failure>),
    /// Goes on where it ended badly. Accepted after such an end. With the Map Runs that can go on, too, and how often each
    /// was redriven with this; any other begins anew.
    Redrive(Vec<(MapRunId, u32)>),
    /// Accepted while the wait that set this timer is open.
    TimerFired(TimerId),
    /// Accepted while running.
    Stop(Failure),
    /// Goes on where a bounded step stopped. Accepted while a frame is ready.
    Continue,
}

/// An input that changes nothing: an ordinary answer, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The execution has ended (or, for a redrive, it has not, or ended well).
    Terminal,
    /// It had been started before, or has not been started.
    NotNow,
    /// It names a task attempt or timer that is not open: late, repeated or never asked for.
    Stale,
}

/// The surroundings of a step: what does not change from step to step.
pub struct Setting<'a> {
    pub definition: &'a asl::Definition,
    pub about: &'a About,
    /// Only one state is tried.
    pub trial: Option<&'a Trial>,
}

impl<'a> Setting<'a> {
    /// Of an execution.
    pub fn new(definition: &'a asl::Definition, about: &'a About) -> Setting<'a> {
        Setting { definition, about, trial: None }
    }
}

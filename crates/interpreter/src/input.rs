//! What can happen to an execution, and why an input may be refused.

use crate::execution::{About, TaskId, TimerId, Timestamp};
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
    /// The execution has ended.
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

//! What the interpreter wants done, once the transition is durable.

use std::sync::Arc;

use asl::definition::Resource;

use crate::execution::{TaskId, TimerId, Timestamp};
use crate::payload::Payload;

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The task is scheduled. Feed `TaskStarted` when a runner takes it, and hand it over when that is durable.
    RunTask(RunTask),
    /// Nobody waits for this attempt any more; its outcome will be refused as stale.
    CancelTask(TaskId),
    SetTimer(TimerId, Timestamp),
    ClearTimer(TimerId),
    /// The step reached its event limit: feed `Continue`.
    Continue,
    /// The execution has reached its terminal status.
    Finish,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RunTask {
    pub task: TaskId,
    pub state: Arc<str>,
    pub resource: Resource,
    /// Parameters of a service task, the input of a function.
    pub input: Payload,
}

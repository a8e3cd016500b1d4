//! Tasks on their way out, and their outcomes on the way back.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use asl::definition::Resource;
use interpreter::{Failure, Payload, RunTask, TaskId};

use crate::keys::ExecutionId;
use crate::shard::Message;

/// One attempt, handed over once: its Started event is durable.
pub struct Task {
    pub execution_arn: Arc<str>,
    pub state: Arc<str>,
    pub resource: Resource,
    pub input: Payload,
}

/// Does what tasks ask for. Implemented where functions, services and workers are known.
pub trait TaskRunner: Send + Sync {
    /// Takes a task and answers later through `completion`, from any thread. Called on a shard's thread, so it
    /// must not block or wait.
    fn run(&self, task: Task, completion: Completion);
}

/// The right to answer one attempt, once. Dropping it fails the task, so that a lost one cannot hang its saga.
pub struct Completion {
    pub(crate) shard: Sender<Message>,
    pub(crate) execution: ExecutionId,
    pub(crate) task: TaskId,
    pub(crate) answered: bool,
}

impl Completion {
    pub fn succeed(self, output: Payload) {
        self.answer(Ok(output));
    }

    pub fn fail(self, failure: Failure) {
        self.answer(Err(failure));
    }

    fn answer(mut self, outcome: Result<Payload, Failure>) {
        self.answered = true;
        self.send(outcome);
    }

    fn send(&self, outcome: Result<Payload, Failure>) {
        // A shard that is gone has nobody to tell: the next one finds the task started without an outcome.
        let _ = self.shard.send(Message::Outcome { id: self.execution, task: self.task, outcome });
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.answered {
            self.send(Err(lost("The worker gave the task up without an outcome.")));
        }
    }
}

/// How often a task that runs alone is asked whether somebody still waits for it.
const ALONE_PULSE: Duration = Duration::from_secs(1);

/// Hands over a task that belongs to no stored execution and waits for its outcome; none if it does not come in time or
/// nobody waits any more. Its completion knows no difference: what it answers to is a shard of this one task.
pub(crate) fn run_alone(
    runner: &dyn TaskRunner,
    execution_arn: Arc<str>,
    task: RunTask,
    patience: Duration,
    is_given_up: &dyn Fn() -> bool,
) -> Option<Result<Payload, Failure>> {
    let (shard, inbox) = mpsc::channel();
    let completion = Completion { shard, execution: ExecutionId(0), task: task.task, answered: false };
    runner.run(Task { execution_arn, state: task.state, resource: task.resource, input: task.input }, completion);
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match inbox.recv_timeout(left.min(ALONE_PULSE)) {
            Ok(Message::Outcome { outcome, .. }) => return Some(outcome),
            // Whatever else a runner tells a shard, it is not the outcome.
            Ok(_) => {}
            Err(_) if left.is_zero() || is_given_up() => return None,
            Err(RecvTimeoutError::Timeout) => {}
            // INVARIANT: a completion that is dropped tells of it first.
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// The failure of an attempt whose effect is unknown: the name that the usual Retry of AWS definitions names,
/// so that the author's Retry repeats it or Catch compensates.
pub fn lost(cause: &str) -> Failure {
    Failure::new("Lambda.SdkClientException", cause)
}

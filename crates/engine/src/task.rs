//! Tasks on their way out, and their outcomes on the way back; the items and results of Map Runs likewise.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use asl::definition::Resource;
use interpreter::{Failure, Payload, RunTask, TaskId, Token, Writer};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::figures::{Call, ResourceKind};
use crate::keys::ExecutionId;
use crate::map_run::{Counts, RunKey};
use crate::record::Parent;
use crate::shard::Message;

/// One attempt, handed over once: its Started event is durable.
pub struct Task {
    pub execution_arn: Arc<str>,
    /// `X-Amzn-Trace-Id`, as whoever started the execution gave it.
    pub trace_header: Option<Arc<str>>,
    pub state: Arc<str>,
    pub resource: Resource,
    pub input: Payload,
    /// The role to act in, if not the execution's.
    pub role_arn: Option<Arc<str>>,
    /// Names the attempt: for names that are to be the same when it is asked for again after a crash.
    pub id: String,
    /// What gives the outcome of a longer work back.
    pub token: Option<String>,
}

impl Task {
    pub(crate) fn of(
        execution: ExecutionId,
        execution_arn: Arc<str>,
        trace_header: Option<Arc<str>>,
        task: RunTask,
    ) -> Task {
        Task {
            execution_arn,
            trace_header,
            state: task.state,
            resource: task.resource,
            input: task.input,
            role_arn: task.role_arn,
            id: task_id(execution, task.task),
            token: token(execution, task.task, task.secret),
        }
    }
}

/// Does what tasks ask for. Implemented where functions, services and workers are known. Every call comes on a
/// shard's thread, so it must not block or wait.
pub trait TaskRunner: Send + Sync {
    /// Takes a task and answers later through `completion`, from any thread.
    fn run(&self, task: Task, completion: Completion);

    /// Takes all tasks of a batch at once, in their order: for a runner to whom one hand-over costs less than many.
    fn run_all(&self, tasks: Vec<(Task, Completion)>) {
        tasks.into_iter().for_each(|(task, completion)| self.run(task, completion));
    }

    /// Reads the items of a Map Run from where its ItemReader says.
    fn read_items(&self, order: ReadItems, items: Items) {
        items.fail(no_objects("States.ItemReaderFailed", &order.resource));
    }

    /// Puts the results of a Map Run where its ResultWriter says.
    fn write_results(&self, order: WriteResults, written: Written) {
        let resource = order.writer.resource.as_deref().unwrap_or("a ResultWriter");
        written.fail(no_objects("States.ResultWriterFailed", resource));
    }
}

fn no_objects(error: &str, resource: &str) -> Failure {
    Failure::new(error, format!("There are no objects here: {resource} cannot be carried out."))
}

/// What a task came to, as its runner tells.
#[derive(Clone, Debug)]
pub enum Outcome {
    Done(Result<Payload, Failure>),
    /// The call that starts a longer work has its answer; a nested execution is named.
    Submitted {
        output: Payload,
        child: Option<Arc<str>>,
    },
}

/// The right to answer one attempt, once. Dropping it fails the task, so that a lost one cannot hang its saga.
pub struct Completion {
    pub(crate) shard: Sender<Message>,
    pub(crate) execution: ExecutionId,
    pub(crate) task: TaskId,
    pub(crate) answered: bool,
    pub(crate) kind: ResourceKind,
    /// When it was handed over.
    pub(crate) since: Instant,
}

impl Completion {
    pub(crate) fn new(shard: Sender<Message>, execution: ExecutionId, task: &RunTask) -> Completion {
        let (kind, since) = (ResourceKind::of(&task.resource), Instant::now());
        Completion { shard, execution, task: task.task, answered: false, kind, since }
    }

    pub fn succeed(self, output: Payload) {
        self.answer(Outcome::Done(Ok(output)));
    }

    pub fn fail(self, failure: Failure) {
        self.answer(Outcome::Done(Err(failure)));
    }

    /// The call that starts a longer work was answered. From now on the outcome comes by the task's token, or is that of
    /// the nested execution.
    pub fn submit(self, output: Payload, child: Option<Arc<str>>) {
        self.answer(Outcome::Submitted { output, child });
    }

    /// For a nested execution: that this task waits for its end.
    pub fn parent(&self) -> Parent {
        Parent::Task { execution: self.execution, task: self.task }
    }

    fn answer(mut self, outcome: Outcome) {
        self.answered = true;
        self.send(outcome);
    }

    fn send(&self, outcome: Outcome) {
        // A shard that is gone has nobody to tell: the next one finds the task started without an outcome.
        let call = Some(Call { kind: self.kind, took: self.since.elapsed() });
        let _ = self.shard.send(Message::Outcome { id: self.execution, task: self.task, outcome, call });
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.answered {
            self.send(Outcome::Done(Err(lost("The worker gave the task up without an outcome."))));
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
    // Names that are made from the task's are to be nobody else's.
    let execution = ExecutionId(BuildHasherDefault::<DefaultHasher>::default().hash_one(&execution_arn));
    let completion = Completion::new(shard, execution, &task);
    runner.run(Task::of(execution, execution_arn, None, task), completion);
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match inbox.recv_timeout(left.min(ALONE_PULSE)) {
            Ok(Message::Outcome { outcome: Outcome::Done(outcome), .. }) => return Some(outcome),
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

pub(crate) fn task_id(execution: ExecutionId, task: TaskId) -> String {
    format!("{:016x}-{:x}-{:x}", execution.0, task.frame.0, task.attempt.0)
}

pub(crate) fn token(execution: ExecutionId, task: TaskId, secret: Option<u128>) -> Option<String> {
    secret.map(|secret| Token { execution: execution.0, task, secret }.encode())
}

/// What an ItemReader asks for, every setting worked out.
#[derive(Clone, Debug)]
pub struct ReadItems {
    /// `arn:aws:states:::s3:getObject`
    pub resource: Arc<str>,
    pub parameters: Payload,
    /// `ReaderConfig`
    pub config: Map<String, Value>,
    pub max_items: Option<u64>,
}

/// One reading of a run's items, or one writing of its results. A redrive begins another: what this one still tells then
/// is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errand {
    pub run: RunKey,
    pub(crate) number: u64,
}

/// Where read items go. Dropping it fails the Map Run.
pub struct Items {
    pub(crate) shard: Sender<Message>,
    pub(crate) errand: Errand,
    pub(crate) is_told: bool,
}

impl Items {
    /// Gives some items; done when they are durable, so that no more are read than are taken. False if nobody wants more.
    pub async fn give(&self, items: Vec<Payload>) -> bool {
        let (taken, is_wanted) = oneshot::channel();
        let message = Message::Items { errand: self.errand, items, is_last: false, taken: Some(taken) };
        self.shard.send(message).is_ok() && is_wanted.await.unwrap_or(false)
    }

    /// These were the last.
    pub fn end(mut self, items: Vec<Payload>) {
        self.is_told = true;
        // A shard that is gone reads again after the next start.
        let _ = self.shard.send(Message::Items { errand: self.errand, items, is_last: true, taken: None });
    }

    pub fn fail(mut self, failure: Failure) {
        self.is_told = true;
        let _ = self.shard.send(Message::ItemsFailed { errand: self.errand, failure });
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        if !self.is_told {
            let failure = Failure::new("States.ItemReaderFailed", "Reading the items was given up.");
            let _ = self.shard.send(Message::ItemsFailed { errand: self.errand, failure });
        }
    }
}

/// What a ResultWriter asks for; the results themselves are read with [`crate::Reader::map_run_executions`].
#[derive(Clone, Debug)]
pub struct WriteResults {
    pub run: RunKey,
    pub arn: Arc<str>,
    pub counts: Counts,
    pub writer: Writer,
}

/// The right to tell that the results are written, once. Dropping it fails the Map Run.
pub struct Written {
    pub(crate) shard: Sender<Message>,
    pub(crate) errand: Errand,
    pub(crate) is_told: bool,
}

impl Written {
    /// With what the Map state gives as its result.
    pub fn succeed(self, output: Payload) {
        self.tell(Ok(output));
    }

    pub fn fail(self, failure: Failure) {
        self.tell(Err(failure));
    }

    fn tell(mut self, outcome: Result<Payload, Failure>) {
        self.is_told = true;
        let _ = self.shard.send(Message::ResultsWritten { errand: self.errand, outcome });
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.is_told {
            let failure = Failure::new("States.ResultWriterFailed", "Writing the results was given up.");
            let _ = self.shard.send(Message::ResultsWritten { errand: self.errand, outcome: Err(failure) });
        }
    }
}

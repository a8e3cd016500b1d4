//! Outcomes that come from elsewhere than a runner: by a task's token, from a worker of an activity, from a nested
//! execution that has ended.

use std::sync::Arc;

use interpreter::{Execution, Failure, InputKind, Payload, Phase, RunTask, TaskId, Timestamp, Token};
use serde_json::{Value, json};
use store::Space;

use super::{Act, Core};
use crate::activities::Seat;
use crate::error::{Error, TokenError};
use crate::keys::{self, ExecutionId};
use crate::lane::LaneReply;
use crate::record::{self, ExecutionStatus, Parent};

/// What somebody says of a task whose token they hold.
#[derive(Clone, Debug)]
pub enum TokenAnswer {
    Succeeded(Payload),
    Failed(Failure),
    Heartbeat,
}

/// What a worker gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    pub token: String,
    pub input: Payload,
}

/// A worker is about to get a task.
pub(super) struct Taking {
    id: ExecutionId,
    task: TaskId,
    taken: Taken,
    reply: Box<dyn FnOnce(Option<Taken>) + Send>,
}

/// How a nested execution has ended.
#[derive(Clone, Debug)]
pub struct ChildEnd {
    pub execution_arn: Arc<str>,
    pub machine_arn: Arc<str>,
    pub name: Arc<str>,
    pub status: ExecutionStatus,
    pub input: Payload,
    pub output: Option<Payload>,
    pub failure: Option<Failure>,
    pub started_at: Timestamp,
    pub stopped_at: Timestamp,
}

impl Core {
    /// Answered when what comes of it is durable.
    pub fn answer(
        &mut self,
        token: Token,
        answer: TokenAnswer,
        reply: impl FnOnce(Result<(), TokenError>) + Send + 'static,
    ) {
        let outcome = self.try_answer(token, answer);
        self.acts.push(Act::Reply(Box::new(move || reply(outcome))));
    }

    /// The same for what came over a lane.
    pub(crate) fn answer_from_lane(&mut self, token: Token, answer: TokenAnswer, reply: LaneReply) {
        let outcome = self.try_answer(token, answer);
        self.acts.push(Act::Answered(reply, outcome));
    }

    fn try_answer(&mut self, token: Token, answer: TokenAnswer) -> Result<(), TokenError> {
        let id = ExecutionId(token.execution);
        let open = self.active.get(&id).and_then(|active| active.execution.task(token.task));
        if open.is_none_or(|(_, wait)| wait.secret != Some(token.secret)) {
            return Err(self.gone(id, open.is_some())?);
        }
        let kind = match answer {
            TokenAnswer::Heartbeat => InputKind::TaskHeartbeat(token.task),
            TokenAnswer::Succeeded(output) => InputKind::TaskAnswered(token.task, Ok(output)),
            TokenAnswer::Failed(failure) => InputKind::TaskAnswered(token.task, Err(failure)),
        };
        if self.apply(id, kind) { Ok(()) } else { Err(TokenError::TimedOut) }
    }

    /// A token of an execution that is known was good once; any other never was.
    fn gone(&self, id: ExecutionId, is_forged: bool) -> Result<TokenError, Error> {
        let is_known =
            self.active.contains_key(&id) || self.store.get(Space::Executions, &keys::execution(id))?.is_some();
        Ok(if is_known && !is_forged { TokenError::TimedOut } else { TokenError::Invalid })
    }

    /// The activity whose task this is, if no worker has taken it.
    pub fn offered(&self, id: ExecutionId, task: TaskId) -> Option<Arc<str>> {
        self.offered.get(&(id, task)).cloned()
    }

    /// A worker asks for an activity's task that was offered. None if nobody waits for it any more.
    pub fn take(
        &mut self,
        id: ExecutionId,
        task: TaskId,
        worker: Option<Arc<str>>,
        reply: impl FnOnce(Option<Taken>) + Send + 'static,
    ) {
        match self.try_take(id, task, worker) {
            Some(taken) => self.taken.push(Taking { id, task, taken, reply: Box::new(reply) }),
            None => self.acts.push(Act::Reply(Box::new(move || reply(None)))),
        }
    }

    /// What was given up in the batch in which it was taken goes to nobody: its worker might take effect after its
    /// compensation.
    pub(super) fn give_taken(&mut self) {
        for Taking { id, task, taken, reply } in std::mem::take(&mut self.taken) {
            let is_open = self.active.get(&id).is_some_and(|active| active.execution.task(task).is_some());
            self.acts.push(Act::Reply(Box::new(move || reply(is_open.then_some(taken)))));
        }
    }

    /// The same for a worker whose place is kept. It stays free if nobody waits for the task any more.
    pub(crate) fn take_seat(&mut self, id: ExecutionId, task: TaskId, seat: Seat) {
        if let Some(taken) = self.try_take(id, task, seat.worker()) {
            self.acts.push(Act::HandOver { id, task, seat, taken });
        }
    }

    fn try_take(&mut self, id: ExecutionId, task: TaskId, worker: Option<Arc<str>>) -> Option<Taken> {
        self.offered.remove(&(id, task));
        let taken = self.takable(id, task)?;
        self.apply(id, InputKind::ActivityStarted(task, worker)).then_some(taken)
    }

    /// What a worker gets of a task that is scheduled and not started.
    fn takable(&self, id: ExecutionId, task: TaskId) -> Option<Taken> {
        let (_, wait) = self.active.get(&id)?.execution.task(task)?;
        let (Phase::Scheduled(input), Some(secret)) = (&wait.phase, wait.secret) else { return None };
        Some(Taken { token: Token { execution: id.0, task, secret }.encode(), input: input.clone() })
    }

    /// Tasks of activities that are scheduled in the open batch go to workers that wait, in the same batch; others are
    /// offered once they are durable.
    pub(super) fn seat_scheduled(&mut self) {
        while let Some((id, task, activity)) = self.scheduled.pop_front() {
            // One that was given up at once is nobody's.
            let Some(taken) = self.takable(id, task) else { continue };
            let seat = match &self.workers {
                Some(workers) if self.hands_over() && !self.is_full() => workers.claim(&activity),
                _ => None,
            };
            match seat {
                None => {
                    self.offered.insert((id, task), activity.clone());
                    self.acts.push(Act::Offer { activity, id, task });
                }
                Some(seat) => {
                    let Ok(commands) = self.step(id, InputKind::ActivityStarted(task, seat.worker())) else { continue };
                    self.perform(id, commands);
                    // As with tasks of runners, the event may have been one too many and have ended the execution.
                    if self.active[&id].execution.task(task).is_some() {
                        self.acts.push(Act::HandOver { id, task, seat, taken });
                    }
                }
            }
        }
    }

    /// A task that is scheduled and not started, as it was asked for.
    pub fn scheduled(&self, id: ExecutionId, task: TaskId) -> Option<RunTask> {
        let active = self.active.get(&id)?;
        let (frame, wait) = active.execution.task(task)?;
        match &wait.phase {
            Phase::Scheduled(input) => Some(super::run_task(active, task, frame.state, wait, input)),
            _ => None,
        }
    }

    /// The end of a nested execution reaches the task that waits for it. False if none does any more.
    pub fn child_ended(&mut self, id: ExecutionId, task: TaskId, end: &ChildEnd) -> bool {
        let Some(active) = self.active.get(&id) else { return false };
        let Some((frame, _)) = active.execution.task(task) else { return false };
        let definition = active.revision.definition().expect("INVARIANT: a loaded execution's definition can be run");
        let asl::definition::Kind::Task(definition) = &definition.state(frame.state).kind else { return false };
        let as_json = definition.resource.pattern() == asl::definition::Pattern::Sync2;
        self.apply(id, InputKind::TaskAnswered(task, end.outcome(as_json)))
    }

    /// Nobody waits for a nested execution any more. One that is not here is another shard's, or over.
    pub fn stop_child(&mut self, execution: ExecutionId, task: TaskId) {
        if let Some(id) = self.nested.get(&(execution, task)).copied() {
            self.apply(id, InputKind::Stop(Failure::default()));
        }
    }

    /// Is somebody there who wants the end of this execution? It is stopped with the task or the Map Run that waits for it,
    /// but a crash may come between. A nested one that was redriven since goes on for itself.
    pub(super) fn is_awaited(&self, id: ExecutionId) -> Result<bool, Error> {
        let row = &self.active[&id].row;
        match row.parent {
            None => Ok(true),
            Some(Parent::Task { .. }) if row.redrive_count > 0 => Ok(true),
            Some(Parent::Task { execution, task }) => self.waits(execution, |parent| parent.task(task).is_some()),
            Some(Parent::MapRun { execution, run, .. }) => {
                self.waits(execution, |parent| parent.map_runs().any(|(open, _)| open == run))
            }
        }
    }

    fn waits(&self, parent: ExecutionId, is_open: impl Fn(&Execution) -> bool) -> Result<bool, Error> {
        if let Some(parent) = self.active.get(&parent) {
            return Ok(is_open(&parent.execution));
        }
        // It is over, or another shard's.
        match self.store.get(Space::Executions, &keys::execution(parent))? {
            Some(row) if record::decode_row(&row)?.status == ExecutionStatus::Running => {
                Ok(is_open(&super::load(&*self.store, &self.machines, parent)?.0.execution))
            }
            _ => Ok(false),
        }
    }

    /// Nested executions that have ended by now, so that nobody will tell of their end.
    pub(super) fn end_of_child(&self, child_arn: &str) -> Result<Option<ChildEnd>, Error> {
        if let Some((machine_arn, name)) = keys::split_execution_arn(child_arn)
            && let Some(machine) = self.machines.get(&machine_arn)?
            && self.names.contains_key(&(machine.number, name.into()))
        {
            // It is this shard's own, and its end will be told.
            return Ok(None);
        }
        let reader = crate::reader::Reader::new(self.store.clone(), self.machines.clone());
        let Some(found) = reader.describe(child_arn)? else {
            let gone = ChildEnd::missing(child_arn, self.now);
            return Ok(Some(gone));
        };
        let Some(stopped_at) = found.row.stopped_at else { return Ok(None) };
        Ok(Some(ChildEnd {
            execution_arn: child_arn.into(),
            machine_arn: found.row.machine_arn,
            name: found.row.name,
            status: found.row.status,
            input: found.input,
            output: found.output,
            failure: found.failure,
            started_at: found.row.started_at,
            stopped_at,
        }))
    }
}

impl ChildEnd {
    /// Its machine was deleted, and its history with it.
    fn missing(child_arn: &str, now: Timestamp) -> ChildEnd {
        ChildEnd {
            execution_arn: child_arn.into(),
            machine_arn: "".into(),
            name: child_arn.rsplit(':').next().unwrap_or_default().into(),
            status: ExecutionStatus::Aborted,
            input: Payload::from_checked_text("null"),
            output: None,
            failure: Some(Failure::new("States.Runtime", "the nested execution is not there any more")),
            started_at: now,
            stopped_at: now,
        }
    }

    /// What the task that waited for it gets: a description of the execution, as its output or as the cause. Its texts
    /// are parsed for `.sync:2`.
    fn outcome(&self, as_json: bool) -> Result<Payload, Failure> {
        let payload = |payload: &Payload| match as_json {
            true => payload.value().clone(),
            false => Value::from(payload.text()),
        };
        let included = json!({ "Included": true });
        let mut told = serde_json::Map::new();
        let mut tell = |name: &str, value: Value| drop(told.insert(name.to_owned(), value));
        if let Some(failure) = &self.failure {
            failure.cause.iter().for_each(|cause| tell("Cause", Value::from(&**cause)));
            failure.error.iter().for_each(|error| tell("Error", Value::from(&**error)));
        }
        tell("ExecutionArn", (&*self.execution_arn).into());
        // Inside a cause the input stays the text that it is.
        tell("Input", if self.output.is_some() { payload(&self.input) } else { self.input.text().into() });
        tell("InputDetails", included.clone());
        tell("Name", (&*self.name).into());
        if let Some(output) = &self.output {
            tell("Output", payload(output));
            tell("OutputDetails", included);
        }
        tell("StartDate", self.started_at.0.into());
        tell("StateMachineArn", (&*self.machine_arn).into());
        tell("Status", self.status.name().into());
        tell("StopDate", self.stopped_at.0.into());
        let told = Payload::from_value(Value::Object(told));
        match self.status {
            ExecutionStatus::Succeeded => Ok(told),
            _ => Err(Failure::new("States.TaskFailed", told.text())),
        }
    }
}

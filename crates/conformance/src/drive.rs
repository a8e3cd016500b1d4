//! Runs one execution under a virtual clock, from its start until nothing is left to happen.
//!
//! Everything that happens at one moment happens first; then the oldest answer of a task; only when neither is left
//! does the clock jump, to the next timer. So a wait of a day costs nothing and a run is the same each time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use asl::definition::Pattern;
use engine::core::{Act, ChildEnd, Core, Start, TokenAnswer};
use engine::{Errand, ExecutionId, Machine};
use interpreter::{Failure, Payload, RunTask, TaskId, Timestamp, Token};
use serde_json::Value;
use store::commit_and_wait;

use crate::account::Account;
use crate::canonical::without_tokens;
use crate::objects::Objects;
use crate::tasks::{Outcome, Tasks};
use crate::verdict::Reason;

/// More turns than any recorded execution takes: one that takes more does not end.
const TURNS_MAX: usize = 20_000;

pub struct Plan {
    pub machine: Arc<Machine>,
    /// None: a name is made up.
    pub name: Option<Arc<str>>,
    pub input: Payload,
    pub at: Timestamp,
    pub hold: Option<Hold>,
}

/// The recording stops, or was stopped, while the execution was running.
pub struct Hold {
    /// Time stands still once so many events are there and nothing more happens at once.
    pub events: usize,
    /// StopExecution is called then.
    pub stop: Option<Failure>,
}

/// What was seen of an execution while it ran.
pub struct Seen {
    pub execution_arn: String,
    /// Lines of its log.
    pub logged: Vec<Value>,
    /// Status changes as EventBridge would deliver them.
    pub changes: Vec<Value>,
    /// How it ended.
    pub end: Option<ChildEnd>,
}

/// Runs the execution.
pub fn run(account: &Account, plan: &Plan, tasks: &mut Tasks<'_>, objects: Objects) -> Result<Seen, Reason> {
    let mut drive = Drive {
        account,
        core: account.core(plan.at)?,
        now: plan.at,
        tasks,
        objects,
        answers: VecDeque::new(),
        logged: Vec::new(),
        changes: Vec::new(),
        end: Arc::default(),
    };
    let execution_arn = drive.start(plan)?;
    for _ in 0..TURNS_MAX {
        if drive.is_over() || drive.is_held(plan, &execution_arn)? || !drive.turn()? {
            let end = drive.end.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Ok(Seen { execution_arn, logged: drive.logged, changes: drive.changes, end });
        }
    }
    Err(Reason::plain(format!("the execution did not end within {TURNS_MAX} turns")))
}

struct Drive<'a, 't, 'c> {
    account: &'a Account,
    core: Core,
    now: Timestamp,
    tasks: &'t mut Tasks<'c>,
    objects: Objects,
    answers: VecDeque<Answer>,
    end: Arc<Mutex<Option<ChildEnd>>>,
    logged: Vec<Value>,
    changes: Vec<Value>,
}

/// What comes back from outside.
enum Answer {
    Runner(ExecutionId, TaskId, engine::Outcome),
    /// Of a longer work, by its token.
    Token(Token, Outcome),
    /// A worker asks for a task of an activity.
    Worker(ExecutionId, RunTask),
    Items(Errand, Result<Vec<Payload>, Failure>),
    Written(Errand, Result<Payload, Failure>),
}

impl Drive<'_, '_, '_> {
    fn is_over(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn start(&mut self, plan: &Plan) -> Result<String, Reason> {
        let name = plan.name.clone();
        let end = self.end.clone();
        let on_end = Box::new(move |ended| *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended));
        let new = Start::new(plan.machine.revision.clone(), plan.input.clone());
        let start = Start { name, on_end: Some(on_end), ..new };
        let (sender, receiver) = mpsc::channel();
        // The receiver is still there when the commit has answered.
        self.core.start(start, move |reply| drop(sender.send(reply)));
        self.flush()?;
        match receiver.try_recv() {
            Ok(Ok(reply)) => Ok(reply.execution_arn.to_string()),
            Ok(Err(refused)) => Err(Reason::plain(format!("StartExecution was refused: {refused}"))),
            Err(_) => Err(Reason::plain("StartExecution was not answered")),
        }
    }

    /// One answer of a task, or a jump to the next timer; false when there is neither.
    fn turn(&mut self) -> Result<bool, Reason> {
        if let Some(answer) = self.answers.pop_front() {
            self.feed(answer);
        } else if let Some(at) = self.core.next_timer() {
            self.now = self.now.max(at);
            self.core.set_time(self.now);
        } else {
            return Ok(false);
        }
        self.flush()?;
        Ok(true)
    }

    /// Everything that happens at this moment, each batch committed before its acts.
    fn flush(&mut self) -> Result<(), Reason> {
        self.core.go_on();
        while self.core.has_work() {
            let (batch, acts) = self.core.seal();
            commit_and_wait(&*self.account.store, batch).map_err(|error| Reason::plain(error.to_string()))?;
            self.core.committed();
            acts.into_iter().try_for_each(|act| self.act(act))?;
            self.core.go_on();
        }
        Ok(())
    }

    fn feed(&mut self, answer: Answer) {
        match answer {
            Answer::Runner(id, task, outcome) => self.core.outcome(id, task, outcome),
            Answer::Token(token, outcome) => {
                let echoed = |output: Payload| echoed(&output, &token);
                let answer = outcome.map_or_else(TokenAnswer::Failed, |output| TokenAnswer::Succeeded(echoed(output)));
                self.core.answer(token, answer, drop);
            }
            Answer::Worker(id, task) => {
                self.core.take(id, task.task, self.tasks.worker().map(Into::into), drop);
                if let (Some(secret), Some(outcome)) = (task.secret, self.tasks.answer(&task).outcome) {
                    let token = Token { execution: id.0, task: task.task, secret };
                    self.answers.push_front(Answer::Token(token, outcome));
                }
            }
            Answer::Items(run, Ok(items)) => self.core.items_read(run, items, true, drop),
            Answer::Items(run, Err(failure)) => self.core.items_failed(run, failure),
            Answer::Written(run, outcome) => self.core.results_written(run, outcome),
        }
    }

    fn act(&mut self, act: Act) -> Result<(), Reason> {
        match act {
            Act::Reply(reply) => reply(),
            // What a Map Run's executions asked for was not recorded: they get their input back.
            Act::Run { id, execution_arn, task, .. } if execution_arn.contains('/') => {
                let outcome = engine::Outcome::Done(Ok(task.input.clone()));
                self.answers.push_back(Answer::Runner(id, task.task, outcome));
            }
            Act::Run { id, task, .. } => self.answer(id, &task),
            Act::Offer { id, task, .. } => {
                if let Some(task) = self.core.scheduled(id, task) {
                    self.answers.push_back(Answer::Worker(id, task));
                }
            }
            Act::TellParent { execution, task, end } => drop(self.core.child_ended(execution, task, &end)),
            Act::ReadItems(run, order) => self.answers.push_back(Answer::Items(run, self.objects.read(&order))),
            Act::WriteResults(run, order) => self.answers.push_back(Answer::Written(run, self.objects.written(&order))),
            // Nested executions are told of by the recording, and are not there.
            Act::HandOver { .. } | Act::Answered(..) => {
                unreachable!("no worker waits at this core, and none has a lane")
            }
            Act::Withdraw { .. } | Act::StopChild { .. } => {}
            Act::Changed(change) => {
                self.changes.extend(self.account.status_change_event(&change)?);
            }
            Act::Log(logged) => {
                let records = aws_states::log_records(&logged);
                self.logged.extend(records.into_iter().map(|record| record.body));
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: ExecutionId, task: &RunTask) {
        let reply = self.tasks.answer(task);
        let is_longer = task.resource.pattern() != Pattern::RequestResponse;
        match (reply.submitted, task.secret) {
            (Some(output), Some(secret)) if is_longer => {
                let submitted = engine::Outcome::Submitted { output, child: None };
                self.answers.push_back(Answer::Runner(id, task.task, submitted));
                let token = Token { execution: id.0, task: task.task, secret };
                self.answers.extend(reply.outcome.map(|outcome| Answer::Token(token, outcome)));
            }
            _ => self
                .answers
                .extend(reply.outcome.map(|outcome| Answer::Runner(id, task.task, engine::Outcome::Done(outcome)))),
        }
    }

    /// Has the moment come at which the recording ends?
    fn is_held(&mut self, plan: &Plan, execution_arn: &str) -> Result<bool, Reason> {
        let Some(hold) = &plan.hold else { return Ok(false) };
        if !self.answers.is_empty() || self.account.history(execution_arn)?.len() < hold.events {
            return Ok(false);
        }
        if let Some(failure) = &hold.stop {
            let name = execution_arn.rsplit(':').next().unwrap_or_default();
            self.core.stop(plan.machine.number, name, failure.clone(), |_| {});
            self.flush()?;
        }
        Ok(true)
    }
}

/// A worker that gave back what it was sent gave the token back, which is a placeholder in the recording.
fn echoed(output: &Payload, token: &Token) -> Payload {
    let token = token.encode();
    let text = without_tokens(output.text(), |name| match name.starts_with("task_token") {
        true => token.clone(),
        false => format!("<{name}>"),
    });
    Payload::from_checked_text(text)
}

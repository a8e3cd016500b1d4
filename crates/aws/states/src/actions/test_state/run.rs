//! Runs one state: the interpreter's own steps, and what they ask for done on the spot.
//!
//! ```text
//!  step(Start) ── variables, attempts used ── step(Continue): the state is entered
//!      └─> waits for a task ── the mock, or a real call ──┐
//!          waits for a moment ── that time passes ────────┴─> step(outcome) ─> ... ─> left, failed, or to be retried
//! ```
//!
//! Nothing is stored, and no engine is asked but for the call of a task. Time is real time, five minutes of it; a test
//! that nobody waits for any more ends sooner.

use std::sync::Arc;
use std::time::Duration;

use asl::definition::{Pattern, Resource};
use aws_protocol::Error;
use engine::Handle;
use interpreter::{
    About, Command, EventKind, Execution, Failure, HistoryEvent, Input, InputKind, Payload, RunTask, Seen, Setting,
    StartMapRun, Status as ExecutionStatus, TaskId, TaskWait, TimerId, Timestamp, Trial, Wait, step,
};

use super::map_run;
use super::subject::Subject;

/// "The TestState API can run for up to five minutes." Source: "TestState", AWS Step Functions API Reference.
const RUN_MS_MAX: u64 = 5 * 60 * 1000;

/// How often a test that waits looks whether somebody still waits for it.
const PULSE: Duration = Duration::from_secs(1);

/// A state that is tried takes a handful of steps; one that takes more does not end.
const STEPS_MAX: usize = 100;

pub struct Run<'a> {
    pub handle: &'a Handle,
    pub subject: &'a Subject,
    pub about: &'a About,
    /// Never goes back.
    pub now: Timestamp,
    pub is_given_up: &'a dyn Fn() -> bool,
    pub trial: Trial,
    /// What the work of a Task comes to, if it is not really done.
    pub mock: Option<Result<Payload, Failure>>,
    pub map_run: map_run::Given,
    pub variables: Vec<(Arc<str>, Payload)>,
    pub retries_used: u32,
    pub entropy: u64,
}

/// How the test ended.
pub struct Ended {
    pub status: Status,
    pub seen: Seen,
    pub output: Option<Payload>,
    pub failure: Option<Failure>,
    pub next_state: Option<Arc<str>>,
    /// After the state, by name.
    pub variables: Vec<(Arc<str>, Payload)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Succeeded,
    Failed,
    Retriable,
    CaughtError,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Succeeded => "SUCCEEDED",
            Status::Failed => "FAILED",
            Status::Retriable => "RETRIABLE",
            Status::CaughtError => "CAUGHT_ERROR",
        }
    }
}

/// What the state is waiting for.
enum Open {
    Nothing,
    Retry,
    Task(Box<RunTask>, Box<TaskWait>),
    Moment(TimerId, Timestamp),
    MapRun(Box<StartMapRun>),
}

impl Run<'_> {
    /// Blocks.
    pub fn finish(mut self) -> Result<Ended, Error> {
        let until = self.now.after_ms(RUN_MS_MAX);
        let mut progress = Progress { execution: Execution::new(), history: Vec::new(), commands: Vec::new() };
        self.step(&mut progress, InputKind::Start)?;
        self.prepare(&mut progress.execution);
        self.step(&mut progress, InputKind::Continue)?;
        for _ in 0..STEPS_MAX {
            match progress.open() {
                Open::Nothing | Open::Retry => return Ok(self.ended(progress)),
                Open::Moment(timer, at) => {
                    if !self.wait(at, until) {
                        return Ok(self.timed_out());
                    }
                    self.step(&mut progress, InputKind::TimerFired(timer))?;
                }
                Open::MapRun(asked) => {
                    let outcome = self.map_run_outcome(&progress.execution, &asked);
                    self.step(&mut progress, InputKind::MapRunFinished(asked.id, outcome))?;
                }
                Open::Task(task, open) => {
                    let (id, resource) = (task.task, task.resource.clone());
                    self.start(&mut progress, id, &resource)?;
                    let input = match (self.outcome(*task, &open, until), resource.pattern()) {
                        (Some(Ok(output)), Pattern::RequestResponse) => InputKind::TaskSucceeded(id, output),
                        (Some(Err(failure)), Pattern::RequestResponse) => InputKind::TaskFailed(id, failure),
                        (Some(outcome), _) => InputKind::TaskAnswered(id, outcome),
                        (None, _) => match progress.timer() {
                            Some((timer, at)) if self.wait(at, until) => InputKind::TimerFired(timer),
                            _ => return Ok(self.timed_out()),
                        },
                    };
                    self.step(&mut progress, input)?;
                }
            }
        }
        Err(Error::internal(format!("the tested state did not end within {STEPS_MAX} steps")))
    }

    fn step(&mut self, progress: &mut Progress, kind: InputKind) -> Result<(), Error> {
        // Each step has its own seed.
        self.entropy = self.entropy.wrapping_add(1);
        self.now = self.now.max(engine::now());
        let input = Input { at: self.now, entropy: self.entropy, kind };
        let transition = step(&self.setting(), &mut progress.execution, &input)
            .map_err(|rejected| Error::internal(format!("the tested state refused its input: {rejected:?}")))?;
        progress.history.extend(transition.history);
        progress.commands.extend(transition.commands);
        Ok(())
    }

    /// What the execution would have been through when it came to the state.
    fn prepare(&self, execution: &mut Execution) {
        let retriers = self.subject.kind().retriers().len();
        // INVARIANT: an execution that has just started is one frame.
        let frame = &mut execution.frames[0];
        frame.variables.extend(self.variables.iter().cloned());
        if self.retries_used > 0 {
            frame.retries = vec![self.retries_used; retriers];
        }
    }

    /// The task is handed over; the call that begins a longer work has its answer.
    fn start(&mut self, progress: &mut Progress, id: TaskId, resource: &Resource) -> Result<(), Error> {
        match (resource, resource.pattern()) {
            (Resource::Activity { .. }, _) => self.step(progress, InputKind::ActivityStarted(id, None)),
            (_, Pattern::RequestResponse) => self.step(progress, InputKind::TaskStarted(id)),
            (_, Pattern::Sync | Pattern::Sync2 | Pattern::Callback) => {
                self.step(progress, InputKind::TaskStarted(id))?;
                let answer = Payload::from_checked_text("{}");
                self.step(progress, InputKind::TaskSubmitted(id, answer, None))
            }
        }
    }

    fn map_run_outcome(&self, execution: &Execution, asked: &StartMapRun) -> Result<Payload, Failure> {
        let run = map_run::Run {
            setting: &self.setting(),
            trial: &self.trial,
            execution,
            at: self.now,
            entropy: self.entropy,
            has_selector: ["ItemSelector", "Parameters"].iter().any(|field| self.subject.has(field)),
        };
        run.outcome(asked, &self.map_run, self.mock.as_ref())
    }

    fn setting(&self) -> Setting<'_> {
        Setting { trial: Some(&self.trial), ..Setting::new(&self.subject.definition, self.about) }
    }

    /// None if it does not come in time.
    fn outcome(&self, task: RunTask, open: &TaskWait, until: Timestamp) -> Option<Result<Payload, Failure>> {
        if let Some(mock) = &self.mock {
            return Some(mock.clone());
        }
        let heartbeat_at = open.heartbeat_seconds.map(|seconds| self.now.after_ms(seconds.saturating_mul(1000)));
        let at = [open.timeout_at, heartbeat_at].into_iter().flatten().fold(until, Timestamp::min);
        self.handle.run_alone(&self.about.execution_arn, task, time_to(at), self.is_given_up)
    }

    /// Waits for a moment; false if that would take too long, and then it has waited as long as it may.
    fn wait(&mut self, at: Timestamp, until: Timestamp) -> bool {
        let end = at.min(until);
        while !time_to(end).is_zero() && !(self.is_given_up)() {
            std::thread::sleep(time_to(end).min(PULSE));
        }
        self.now = self.now.max(end);
        at <= until
    }

    fn ended(self, progress: Progress) -> Ended {
        let seen = self.trial.seen.into_inner();
        let mut ended = Ended {
            status: Status::Failed,
            output: None,
            failure: seen.failure.clone(),
            next_state: None,
            variables: self.variables,
            seen,
        };
        let exited = progress.history.iter().rev().find_map(|event| match &event.kind {
            EventKind::StateExited { output, .. } | EventKind::StateExitedAssigning { output, .. } => {
                Some((output, event.kind.variables()))
            }
            _ => None,
        });
        match (&progress.execution.status, exited) {
            (_, Some((output, assigned))) => {
                let is_caught = ended.seen.catcher.is_some();
                ended.status = if is_caught { Status::CaughtError } else { Status::Succeeded };
                ended.output = Some(output.clone());
                ended.variables.retain(|(name, _)| !assigned.iter().any(|(other, _)| other == name));
                ended.variables.extend(assigned.iter().cloned());
                // It stands in the next state, if there is one, and has not entered it.
                let next = progress.execution.frames.first();
                ended.next_state = next.map(|frame| self.subject.definition.state(frame.state).name.clone());
            }
            (ExecutionStatus::Failed(failure), None) => ended.failure = Some(failure.clone()),
            _ => ended.status = Status::Retriable,
        }
        ended
    }

    fn timed_out(self) -> Ended {
        Ended {
            status: Status::Failed,
            seen: self.trial.seen.into_inner(),
            output: None,
            failure: Some(Failure::named("States.Timeout")),
            next_state: None,
            variables: self.variables,
        }
    }
}

struct Progress {
    execution: Execution,
    history: Vec<HistoryEvent>,
    commands: Vec<Command>,
}

impl Progress {
    fn open(&mut self) -> Open {
        let has_left = self
            .history
            .iter()
            .any(|event| matches!(event.kind, EventKind::StateExited { .. } | EventKind::StateExitedAssigning { .. }));
        let Some(frame) = self.execution.frames.first().filter(|_| !has_left) else { return Open::Nothing };
        match &frame.wait {
            Wait::Until { wait, at } => Open::Moment(TimerId::Pause(frame.id, *wait), *at),
            Wait::Backoff { .. } => Open::Retry,
            Wait::Task(open) => {
                let asked = self.commands.drain(..).find_map(|command| match command {
                    Command::RunTask(task) => Some(task),
                    _ => None,
                });
                let asked = asked.expect("INVARIANT: an open task has been asked for");
                Open::Task(Box::new(asked), Box::new(open.clone()))
            }
            Wait::MapRun(_) => {
                let asked = self.commands.drain(..).find_map(|command| match command {
                    Command::StartMapRun(asked) => Some(asked),
                    _ => None,
                });
                Open::MapRun(asked.expect("INVARIANT: an open Map Run has been asked for"))
            }
            Wait::Ready | Wait::Parallel(_) | Wait::Map(_) => {
                unreachable!("INVARIANT: the work of a Parallel or a Map is given, and nothing else is ready for long")
            }
        }
    }

    /// The first timer of the open task.
    fn timer(&self) -> Option<(TimerId, Timestamp)> {
        let of_task = |timer: &TimerId| matches!(timer, TimerId::Timeout(_) | TimerId::Heartbeat(_));
        let timers = self.execution.timers().into_iter().filter(|(timer, _)| of_task(timer));
        timers.min_by_key(|(_, at)| *at)
    }
}

fn time_to(at: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.0 - engine::now().0).unwrap_or(0))
}

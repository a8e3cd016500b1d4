//! The smallest surroundings of an execution: a clock that jumps, and a script that answers tasks.
//!
//! What the commands ask for is kept beside what the snapshot says, so a test can hold one against the other.
//! Everything fed is recorded, so a run can be replayed.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use asl::Definition;
use asl::parse::MachineType;
use interpreter::{
    About, Command, EventKind, Execution, Failure, HistoryEvent, Input, InputKind, MapRunId, Payload, Rejected,
    RunTask, Setting, StartMapRun, Status, TaskId, TimerId, Timestamp, Transition, step,
};

/// When every test begins: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// More inputs than any test needs: a run that takes more does not end.
const INPUTS_MAX: usize = 100_000;

/// What becomes of an attempt, so many milliseconds after it was started.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub after_ms: u64,
    pub result: Answer,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Succeed(Payload),
    Fail(Failure),
    Never,
}

pub struct World {
    pub definition: Definition,
    pub about: About,
    pub execution: Execution,
    pub history: Vec<HistoryEvent>,
    pub now: Timestamp,
    /// As the commands have set and cleared them.
    pub timers: BTreeMap<TimerId, Timestamp>,
    /// As the commands have asked for and cancelled them; an outcome that was taken removes one too.
    pub tasks: BTreeMap<TaskId, RunTask>,
    /// Everything fed, the refused included.
    pub inputs: Vec<Input>,
    /// Map Runs that are open, and all that ever were.
    pub map_runs: Vec<StartMapRun>,
    pub ever_run: BTreeMap<MapRunId, StartMapRun>,
    /// A bounded step owes a `Continue`.
    pub owes_continue: bool,
    /// The seed of all randomness.
    pub entropy: u64,
}

impl World {
    pub fn new(definition: &str, input: &str) -> World {
        World::of_type(definition, input, MachineType::Standard).unwrap_or_else(|why| panic!("{why}"))
    }

    /// A world for this definition, or why it is refused.
    pub fn of_type(definition: &str, input: &str, machine: MachineType) -> Result<World, String> {
        let parsed = asl::parse_as(definition, machine)
            .map_err(|diagnostics| diagnostics.iter().map(|d| format!("{d}\n")).collect::<String>())?;
        let machine_arn = "arn:aws:states:us-east-1:111111111111:stateMachine:machine";
        let about = About {
            execution_arn: "arn:aws:states:us-east-1:111111111111:execution:machine:run".into(),
            execution_name: "run".into(),
            machine_arn: machine_arn.into(),
            machine_name: "machine".into(),
            role_arn: "arn:aws:iam::111111111111:role/sfn-role".into(),
            started_at: START,
            input: Payload::parse(input).expect("the input is JSON"),
            key: 1,
            is_express: false,
        };
        Ok(World::with(parsed.definition, about))
    }

    pub fn with(definition: Definition, about: About) -> World {
        World {
            definition,
            now: about.started_at,
            about,
            execution: Execution::new(),
            history: Vec::new(),
            timers: BTreeMap::new(),
            tasks: BTreeMap::new(),
            inputs: Vec::new(),
            map_runs: Vec::new(),
            ever_run: BTreeMap::new(),
            owes_continue: false,
            entropy: 0,
        }
    }

    /// Feeds one input and does what its commands say, but for `Continue`.
    pub fn feed(&mut self, kind: InputKind) -> Result<Transition, Rejected> {
        // Any sequence will do, as long as a replay gets the same.
        self.entropy = self.entropy.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let input = Input { at: self.now, entropy: self.entropy, kind };
        self.inputs.push(input.clone());
        assert!(self.inputs.len() < INPUTS_MAX, "the run does not end");
        let setting = Setting::new(&self.definition, &self.about);
        let transition = step(&setting, &mut self.execution, &input)?;
        match &input.kind {
            InputKind::TaskSucceeded(task, _) | InputKind::TaskFailed(task, _) => drop(self.tasks.remove(task)),
            InputKind::TaskSubmitted(task, ..) | InputKind::TaskAnswered(task, _) => self.may_be_over(*task),
            InputKind::TimerFired(timer) => {
                self.timers.remove(timer);
                if let TimerId::Timeout(task) | TimerId::Heartbeat(task) = timer {
                    self.may_be_over(*task);
                }
            }
            InputKind::MapRunFinished(run, _) => self.map_runs.retain(|open| open.id != *run),
            InputKind::Continue => self.owes_continue = false,
            _ => {}
        }
        self.history.extend(transition.history.iter().cloned());
        for command in &transition.commands {
            self.perform(command.clone());
        }
        Ok(transition)
    }

    /// An outcome ends the attempt, or is kept until the call is answered.
    fn may_be_over(&mut self, task: TaskId) {
        if self.execution.task(task).is_none() {
            self.tasks.remove(&task);
        }
    }

    fn perform(&mut self, command: Command) {
        match command {
            Command::RunTask(task) => drop(self.tasks.insert(task.task, task)),
            Command::CancelTask(task) => drop(self.tasks.remove(&task)),
            Command::StopChild(_) => {}
            Command::SetTimer(timer, at) => drop(self.timers.insert(timer, at)),
            Command::ClearTimer(timer) => drop(self.timers.remove(&timer)),
            Command::Continue => self.owes_continue = true,
            Command::StartMapRun(run) => {
                self.ever_run.insert(run.id, (*run).clone());
                self.map_runs.push(*run);
            }
            Command::RedriveMapRun(run) => self.map_runs.push(self.ever_run[&run].clone()),
            Command::CancelMapRun(run) => self.map_runs.retain(|open| open.id != run),
            Command::Finish => {}
        }
    }

    /// Runs until nothing is left to happen: tasks are answered in the order in which they were asked for,
    /// timers fire when their time has come.
    pub fn run(&mut self, mut answer: impl FnMut(&RunTask) -> Outcome) {
        self.feed(InputKind::Start).expect("a fresh execution starts");
        let mut answers: BTreeMap<(Timestamp, u64), (TaskId, Answer)> = BTreeMap::new();
        let mut number = 0;
        let mut seen = None;
        loop {
            if self.owes_continue {
                self.feed(InputKind::Continue).expect("an owed Continue is taken");
                continue;
            }
            // Attempts are numbered as they are asked for.
            let by_attempt = |task: &&RunTask| seen.is_none_or(|seen| task.task.attempt > seen);
            let next = self.tasks.values().filter(by_attempt).min_by_key(|task| task.task.attempt).cloned();
            if let Some(task) = next {
                seen = Some(task.task.attempt);
                self.feed(InputKind::TaskStarted(task.task)).expect("a scheduled task starts");
                let outcome = answer(&task);
                number += 1;
                answers.insert((self.now.after_ms(outcome.after_ms), number), (task.task, outcome.result));
                continue;
            }
            let timer = self.timers.iter().map(|(timer, at)| (*at, *timer)).min();
            match (answers.first_entry(), timer) {
                (Some(next), timer) if timer.is_none_or(|(at, _)| next.key().0 <= at) => {
                    self.now = self.now.max(next.key().0);
                    let (task, answer) = next.remove();
                    // An answer that comes too late is refused; that is for the tests of staleness.
                    let _ = match answer {
                        Answer::Succeed(output) => self.feed(InputKind::TaskSucceeded(task, output)),
                        Answer::Fail(failure) => self.feed(InputKind::TaskFailed(task, failure)),
                        Answer::Never => continue,
                    };
                }
                (_, Some((at, timer))) => {
                    self.now = self.now.max(at);
                    self.feed(InputKind::TimerFired(timer)).expect("a timer that is set fires");
                }
                (None, None) => return,
                (Some(_), None) => unreachable!("the first arm takes answers when no timer is set"),
            }
        }
    }

    /// Runs with a script: for each state the outcomes of its attempts, in order.
    pub fn run_script(&mut self, script: &[(&str, &[&str])]) {
        let mut left: BTreeMap<&str, VecDeque<&str>> =
            script.iter().map(|(state, outcomes)| (*state, outcomes.iter().copied().collect())).collect();
        self.run(|task| {
            let outcome = left.get_mut(&*task.state).and_then(VecDeque::pop_front);
            parse_outcome(outcome.unwrap_or_else(|| panic!("the script has no outcome left for {}", task.state)))
        });
        left.retain(|_, outcomes| !outcomes.is_empty());
        assert!(left.is_empty(), "not asked for: {left:?}");
    }

    /// Status and output, or error and cause, in one line.
    pub fn end(&self) -> String {
        let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or("-").to_owned();
        match &self.execution.status {
            Status::Fresh | Status::Running => "running".into(),
            Status::Succeeded(output) => format!("succeeded {}", output.text()),
            Status::Failed(failure) => format!("failed {} {}", text(&failure.error), text(&failure.cause)),
            Status::Aborted(failure) => format!("aborted {} {}", text(&failure.error), text(&failure.cause)),
            Status::TimedOut => "timed out".into(),
        }
    }

    /// The history, one short line an event: `id<previous what`.
    pub fn trace(&self) -> Vec<String> {
        self.history.iter().map(|event| format!("{}<{} {}", event.id, event.previous, short(&event.kind))).collect()
    }

    /// The states entered, in order.
    pub fn entered(&self) -> Vec<&str> {
        self.history
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::StateEntered { name, .. } => Some(&**name),
                _ => None,
            })
            .collect()
    }

    /// Milliseconds since the start at which events of this kind happened.
    pub fn times_ms(&self, of: impl Fn(&EventKind) -> bool) -> Vec<i64> {
        self.history.iter().filter(|event| of(&event.kind)).map(|event| event.at.0 - START.0).collect()
    }
}

/// `ok JSON`, `fail ERROR CAUSE…` or `never`, after an optional `@MILLISECONDS`.
pub fn parse_outcome(text: &str) -> Outcome {
    let (after_ms, text) = match text.strip_prefix('@') {
        Some(rest) => {
            let (ms, rest) = rest.split_once(' ').expect("an outcome follows its time");
            (ms.parse().expect("milliseconds"), rest)
        }
        None => (0, text),
    };
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let result = match word {
        "ok" => Answer::Succeed(Payload::parse(rest).expect("an output is JSON")),
        "fail" => {
            let (error, cause) =
                rest.split_once(' ').map_or((rest, None), |(error, cause)| (error, Some(cause.into())));
            Answer::Fail(Failure { error: (!error.is_empty()).then(|| error.into()), cause })
        }
        "never" => Answer::Never,
        other => panic!("no outcome is called {other}"),
    };
    Outcome { after_ms, result }
}

/// What happened, in a few words.
pub fn short(kind: &EventKind) -> String {
    let error = |failure: &Failure| failure.error.as_deref().unwrap_or("-").to_owned();
    match kind {
        EventKind::ExecutionStarted { .. } => "started".into(),
        EventKind::ExecutionSucceeded { output } => format!("succeeded {}", output.text()),
        EventKind::ExecutionFailed(failure) => format!("failed {}", error(failure)),
        EventKind::ExecutionAborted(failure) => format!("aborted {}", error(failure)),
        EventKind::ExecutionTimedOut(_) => "timed out".into(),
        EventKind::StateEntered { name, .. } => format!("-> {name}"),
        EventKind::StateExited { name, .. } => format!("<- {name}"),
        EventKind::StateExitedAssigning { name, variables, .. } => {
            let variables: Vec<String> =
                variables.iter().map(|(name, value)| format!("{name}={}", value.text())).collect();
            format!("<- {name} with {}", variables.join(" "))
        }
        EventKind::EvaluationFailed { location, state, .. } => {
            format!("{state} not evaluated: {}", location.as_deref().unwrap_or("-"))
        }
        EventKind::StateAborted { state } => format!("{} aborted", state.name()),
        EventKind::TaskScheduled { .. } => "task scheduled".into(),
        EventKind::TaskStarted { .. } => "task started".into(),
        EventKind::TaskSucceeded { .. } => "task succeeded".into(),
        EventKind::TaskFailed { failure, .. } => format!("task failed {}", error(failure)),
        EventKind::TaskTimedOut { failure, .. } => format!("task timed out {}", error(failure)),
        EventKind::ParallelStarted => "parallel started".into(),
        EventKind::ParallelSucceeded => "parallel succeeded".into(),
        EventKind::ParallelFailed => "parallel failed".into(),
        EventKind::MapStarted { length } => format!("map of {length} started"),
        EventKind::MapSucceeded => "map succeeded".into(),
        EventKind::MapFailed => "map failed".into(),
        EventKind::IterationStarted { index, .. } => format!("item {index} started"),
        EventKind::IterationSucceeded { index, .. } => format!("item {index} succeeded"),
        EventKind::IterationFailed { index, .. } => format!("item {index} failed"),
        EventKind::IterationAborted { index, .. } => format!("item {index} aborted"),
        EventKind::TaskScheduledInRole { role_arn, .. } => format!("task scheduled as {role_arn}"),
        EventKind::ActivityStarted { worker } => format!("task taken by {}", worker.as_deref().unwrap_or("-")),
        EventKind::TaskSubmitted { output, .. } => format!("task submitted {}", output.text()),
        EventKind::MapRunStarted { .. } => "map run started".into(),
        EventKind::MapRunSucceeded => "map run succeeded".into(),
        EventKind::MapRunFailed(failure) => format!("map run failed {}", error(failure)),
        EventKind::MapRunAborted => "map run aborted".into(),
        EventKind::MapRunRedriven { .. } => "map run redriven".into(),
        EventKind::ExecutionRedriven { count } => format!("redriven {count}"),
    }
}

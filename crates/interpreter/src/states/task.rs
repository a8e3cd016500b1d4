//! Task: asks somebody else to do something, and waits for the outcome.
//!
//! Scheduled when the state is entered; started when a runner takes it; then exactly one of succeeded, failed
//! and timed out. Each attempt has its own [`TaskId`], so an outcome of an earlier attempt is stale.
//!
//! ```text
//!  request and response   Scheduled ── Started ─────────────────────────── outcome, of the runner
//!  .sync, callback        Scheduled ── Started ── Submitted (the runner) ── outcome, of the child or by the token
//!                                         └────── Answered, by the token before the runner ──┘
//!  activity               Scheduled ── Started (by a worker) ───────────── outcome, by the token
//! ```

use std::sync::Arc;

use asl::definition::{Kind, Pattern, Query, Resource, Seconds, State, Task};
use asl::jsonata::Expected;
use serde_json::Value;

use crate::command::{Command, RunTask};
use crate::execution::{FrameId, Phase, TaskId, TaskWait, TimerId, Timestamp, Wait};
use crate::history::{EventKind, Failure, TaskResource};
use crate::input::Rejected;
use crate::io::{Known, check_size, whole};
use crate::limits::TASK_SECONDS_MAX;
use crate::payload::Payload;
use crate::stepper::{Flow, Stepper};
use crate::token::Token;

pub fn enter(step: &mut Stepper<'_>, id: FrameId, state: &State, task: &Task) -> Result<Flow, Failure> {
    let attempt = step.next_wait();
    let task_id = TaskId { frame: id, attempt };
    // Its arguments may give the token away, so it is made first.
    let has_token = task.resource.pattern() != Pattern::RequestResponse;
    let secret = has_token.then(|| u128::from(step.entropy.next()) << 64 | u128::from(step.entropy.next()));
    step.token = secret.map(|secret| Token { execution: step.setting.about.key, task: task_id, secret });
    let asked = arguments(step, id, task);
    step.token = None;
    let Asked { parameters, role_arn, timeout_seconds, heartbeat_seconds } = asked?;
    check_size(&parameters, &state.name)?;

    let (resource, input) = (TaskResource::from(&task.resource), parameters.clone());
    step.emit_on(
        id,
        match role_arn.clone() {
            None => EventKind::TaskScheduled { resource, input, timeout_seconds, heartbeat_seconds },
            Some(role_arn) => {
                EventKind::TaskScheduledInRole { resource, input, timeout_seconds, heartbeat_seconds, role_arn }
            }
        },
    );
    let is_activity = matches!(task.resource, Resource::Activity { .. });
    let timeout_at = timeout_seconds.filter(|_| !is_activity).map(|seconds| moment(step.at, seconds));
    step.frame_mut(id).wait = Wait::Task(TaskWait {
        attempt,
        phase: Phase::Scheduled(parameters.clone()),
        timeout_seconds: timeout_seconds.filter(|_| is_activity),
        timeout_at,
        heartbeat_seconds,
        heartbeat_at: None,
        secret,
        role_arn: role_arn.clone(),
    });
    if let Some(at) = timeout_at {
        step.command(Command::SetTimer(TimerId::Timeout(task_id), at));
    }
    step.command(Command::RunTask(RunTask {
        task: task_id,
        state: state.name.clone(),
        resource: task.resource.clone(),
        input: parameters,
        role_arn,
        secret,
    }));
    Ok(Flow::Waits)
}

/// Everything that a Task state works out before its task is asked for.
struct Asked {
    parameters: Payload,
    role_arn: Option<Arc<str>>,
    timeout_seconds: Option<u64>,
    heartbeat_seconds: Option<u64>,
}

fn arguments(step: &mut Stepper<'_>, id: FrameId, task: &Task) -> Result<Asked, Failure> {
    let input = step.effective_input(id, &task.io)?;
    let timeout_seconds = seconds(step, id, task.timeout.as_ref(), &input, "TimeoutSeconds")?;
    let heartbeat_seconds = seconds(step, id, task.heartbeat.as_ref(), &input, "HeartbeatSeconds")?;
    let parameters = step.arguments(id, &task.io, &input)?;
    if let Some(field) = misshapen(&task.resource, &parameters) {
        let shown = parameters.text();
        let why = format!("[The value of the field '{field}' has an invalid format]");
        let cause = format!("The Parameters '{shown}' could not be used to start the Task: {why}");
        return Err(Failure::new("States.Runtime", step.runtime_cause(id, &cause)));
    }
    let role_arn = role_arn(step, id, task.credentials.as_ref(), &input)?;
    Ok(Asked { parameters, role_arn, timeout_seconds, heartbeat_seconds })
}

/// The first parameter that AWS refuses before the task is scheduled.
fn misshapen(resource: &Resource, parameters: &Payload) -> Option<&'static str> {
    /// Of `apigateway:invoke`: each name has a list of texts.
    const LISTS: [&str; 2] = ["Headers", "QueryParameters"];
    let is_list = |value: &Value| value.as_array().is_some_and(|texts| texts.iter().all(Value::is_string));
    let is_shaped = |value: &Value| value.as_object().is_some_and(|lists| lists.values().all(is_list));
    match resource.call() {
        Some(("apigateway", "invoke")) => {
            LISTS.into_iter().find(|field| parameters.value().get(field).is_some_and(|value| !is_shaped(value)))
        }
        _ => None,
    }
}

/// `RoleArn` of the Credentials.
fn role_arn(
    step: &mut Stepper<'_>,
    id: FrameId,
    credentials: Option<&Query>,
    input: &Payload,
) -> Result<Option<Arc<str>>, Failure> {
    const FIELD: &str = "Credentials";
    let Some(credentials) = credentials else { return Ok(None) };
    match step.query(id, credentials, FIELD, input, Known::default())?.get("RoleArn") {
        Some(Value::String(arn)) => Ok(Some(arn.as_str().into())),
        other => {
            let found = other.map_or_else(|| "absent".to_owned(), Value::to_string);
            let cause = format!("The value of the field 'RoleArn' in '{FIELD}' must be a string but was: {found}");
            Err(Failure::new("States.Runtime", step.runtime_cause(id, &cause)))
        }
    }
}

/// A runner takes the attempt.
pub fn started(step: &mut Stepper<'_>, id: TaskId) {
    let resource = TaskResource::from(&definition(step, id.frame).resource);
    step.emit_on(id.frame, EventKind::TaskStarted { resource });
    start(step, id);
}

/// A worker takes the task of an activity; its time begins now.
pub fn taken(step: &mut Stepper<'_>, id: TaskId, worker: Option<Arc<str>>) {
    step.emit_on(id.frame, EventKind::ActivityStarted { worker });
    start(step, id);
    let at = open(step, id).timeout_seconds.map(|seconds| moment(step.at, seconds));
    if let Some(at) = at {
        open(step, id).timeout_at = Some(at);
        step.command(Command::SetTimer(TimerId::Timeout(id), at));
    }
}

fn start(step: &mut Stepper<'_>, id: TaskId) {
    let resource = &definition(step, id.frame).resource;
    let wait = open(step, id);
    let asked = std::mem::replace(&mut wait.phase, Phase::Started { again: None });
    if let Phase::Scheduled(parameters) = asked
        && is_repeatable(resource, &parameters)
    {
        wait.phase = Phase::Started { again: Some(parameters) };
    }
    heartbeat(step, id);
}

/// Does asking twice do no harm? An execution that is waited for knows the task that waits. One that is not has a name
/// that is made from the task's and nobody else's, unless the author gives it another.
fn is_repeatable(resource: &Resource, parameters: &Payload) -> bool {
    let is_named = || ["Name", "name"].iter().any(|name| !parameters.value()[*name].is_null());
    resource.call() == Some(("states", "startExecution"))
        && match resource.pattern() {
            Pattern::Sync | Pattern::Sync2 => true,
            Pattern::RequestResponse | Pattern::Callback => !is_named(),
        }
}

/// The call that starts a longer work has its answer. Its outcome may be there already.
pub fn submitted(
    step: &mut Stepper<'_>,
    id: TaskId,
    output: &Payload,
    child: Option<Arc<str>>,
) -> Result<Result<Flow, Failure>, Rejected> {
    let resource = &definition(step, id.frame).resource;
    let is_call = matches!(resource, Resource::Service { pattern, .. } if *pattern != Pattern::RequestResponse);
    let early = match &mut open(step, id).phase {
        Phase::Started { .. } if is_call => None,
        Phase::Answered { outcome, .. } => Some(outcome.clone()),
        Phase::Scheduled(_) | Phase::Started { .. } | Phase::Submitted { .. } => return Err(Rejected::Stale),
    };
    if let Err(too_large) = check_size(output, result_owner(resource)) {
        return Ok(failed(step, id, &too_large));
    }
    let (resource, output) = (TaskResource::from(resource), output.clone());
    step.emit_on(id.frame, EventKind::TaskSubmitted { resource, output });
    open(step, id).phase = Phase::Submitted { child };
    Ok(match early {
        None => Ok(Flow::Waits),
        Some(outcome) => over(step, id, &outcome),
    })
}

/// The outcome of a longer work. Before the call has its answer it is kept until then.
pub fn answered(
    step: &mut Stepper<'_>,
    id: TaskId,
    outcome: &Result<Payload, Failure>,
) -> Result<Result<Flow, Failure>, Rejected> {
    match definition(step, id.frame).resource {
        Resource::Activity { .. } => return Ok(over(step, id, outcome)),
        Resource::Function { .. } => return Err(Rejected::Stale),
        Resource::Service { pattern: Pattern::RequestResponse, .. } => return Err(Rejected::Stale),
        Resource::Service { .. } => {}
    }
    let wait = open(step, id);
    match &mut wait.phase {
        Phase::Submitted { .. } => Ok(over(step, id, outcome)),
        Phase::Started { again } => {
            wait.phase = Phase::Answered { again: again.take(), outcome: outcome.clone() };
            // Nobody owes a sign of life any more.
            if wait.heartbeat_at.take().is_some() {
                step.command(Command::ClearTimer(TimerId::Heartbeat(id)));
            }
            Ok(Ok(Flow::Waits))
        }
        // Answered once is answered.
        Phase::Answered { .. } | Phase::Scheduled(_) => Err(Rejected::Stale),
    }
}

fn over(step: &mut Stepper<'_>, id: TaskId, outcome: &Result<Payload, Failure>) -> Result<Flow, Failure> {
    match outcome {
        Ok(output) => succeeded(step, id, output),
        Err(failure) => failed(step, id, failure),
    }
}

/// A sign of life. Answered once is answered.
pub fn lives(step: &mut Stepper<'_>, id: TaskId) -> Result<(), Rejected> {
    if let Phase::Answered { .. } = open(step, id).phase {
        return Err(Rejected::Stale);
    }
    heartbeat(step, id);
    Ok(())
}

/// The time to the next sign of life starts anew.
fn heartbeat(step: &mut Stepper<'_>, id: TaskId) {
    let now = step.at;
    let wait = open(step, id);
    if let Some(seconds) = wait.heartbeat_seconds {
        let at = moment(now, seconds);
        wait.heartbeat_at = Some(at);
        step.command(Command::SetTimer(TimerId::Heartbeat(id), at));
    }
}

pub fn succeeded(step: &mut Stepper<'_>, id: TaskId, output: &Payload) -> Result<Flow, Failure> {
    let task = definition(step, id.frame);
    if let Err(too_large) = check_size(output, result_owner(&task.resource)) {
        return failed(step, id, &too_large);
    }
    close(step, id);
    let succeeded = EventKind::TaskSucceeded { resource: TaskResource::from(&task.resource), output: output.clone() };
    step.emit_on(id.frame, succeeded);
    step.leave(id.frame, &task.io, output.clone(), task.next)
}

/// What asked for it has failed. If its token came back all the same, that is the outcome.
pub fn given_up(step: &mut Stepper<'_>, id: TaskId, failure: &Failure) -> Result<Flow, Failure> {
    match open(step, id).phase.clone() {
        Phase::Answered { outcome, .. } => over(step, id, &outcome),
        _ => failed(step, id, failure),
    }
}

fn failed(step: &mut Stepper<'_>, id: TaskId, failure: &Failure) -> Result<Flow, Failure> {
    let resource = TaskResource::from(&definition(step, id.frame).resource);
    close(step, id);
    step.emit_on(id.frame, EventKind::TaskFailed { resource, failure: failure.clone() });
    Err(failure.clone())
}

/// Its TimeoutSeconds or HeartbeatSeconds are over: `States.Timeout` in both cases, as recorded. If its token came back in
/// time, and only the call that gave it away has no answer, that is the outcome.
pub fn timed_out(step: &mut Stepper<'_>, id: TaskId) -> Result<Flow, Failure> {
    if let Phase::Answered { outcome, .. } = open(step, id).phase.clone() {
        return over(step, id, &outcome);
    }
    let resource = TaskResource::from(&definition(step, id.frame).resource);
    let failure = Failure::named("States.Timeout");
    step.close_wait(id.frame);
    step.emit_on(id.frame, EventKind::TaskTimedOut { resource, failure: failure.clone() });
    Err(failure)
}

/// Takes back the timers of an attempt that has an outcome. (The task itself needs no cancelling.)
fn close(step: &mut Stepper<'_>, id: TaskId) {
    let wait = open(step, id);
    let (timeout, heartbeat) = (wait.timeout_at.take(), wait.heartbeat_at.take());
    if timeout.is_some() {
        step.command(Command::ClearTimer(TimerId::Timeout(id)));
    }
    if heartbeat.is_some() {
        step.command(Command::ClearTimer(TimerId::Heartbeat(id)));
    }
}

fn open<'s>(step: &'s mut Stepper<'_>, id: TaskId) -> &'s mut TaskWait {
    match &mut step.frame_mut(id.frame).wait {
        Wait::Task(wait) if wait.attempt == id.attempt => wait,
        _ => unreachable!("INVARIANT: only an open attempt gets here"),
    }
}

fn definition<'d>(step: &Stepper<'d>, id: FrameId) -> &'d Task {
    match &step.state_of(id).kind {
        Kind::Task(task) => task,
        _ => unreachable!("INVARIANT: only a Task state has a task"),
    }
}

/// Whom AWS names when a result is too large.
fn result_owner(resource: &Resource) -> &str {
    match resource {
        Resource::Function { arn } | Resource::Activity { arn } => arn,
        Resource::Service { service, .. } => service,
    }
}

fn moment(now: Timestamp, seconds: u64) -> Timestamp {
    now.after_ms(seconds.saturating_mul(1000))
}

fn seconds(
    step: &mut Stepper<'_>,
    id: FrameId,
    seconds: Option<&Seconds>,
    input: &Payload,
    field: &str,
) -> Result<Option<u64>, Failure> {
    let must_be = format!("must be a whole number of seconds from 1 to {TASK_SECONDS_MAX}");
    match seconds {
        None => Ok(None),
        Some(Seconds::Fixed(seconds)) => Ok(Some(*seconds)),
        Some(Seconds::Path(path)) => {
            let value = step.evaluate(id, input, |scope| path.evaluate(scope).map(|value| value.into_owned()))?;
            in_range(value.as_u64()).map(Some).ok_or_else(|| {
                let cause = format!("The value of the field '{field}Path' {must_be} but {} is: {value}", path.text());
                Failure::new("States.Runtime", step.runtime_cause(id, &cause))
            })
        }
        Some(Seconds::Jsonata(expression)) => {
            let value = step.jsonata_as(id, expression, Expected::Number, field)?;
            in_range(whole(&value)).map(Some).ok_or_else(|| {
                step.unusable(id, field, &format!("The value of the field '{field}' {must_be} but was: {value}"))
            })
        }
    }
}

fn in_range(seconds: Option<u64>) -> Option<u64> {
    seconds.filter(|seconds| (1..=TASK_SECONDS_MAX).contains(seconds))
}

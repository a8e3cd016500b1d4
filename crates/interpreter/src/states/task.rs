//! Task: asks somebody else to do something, and waits for the outcome.
//!
//! Scheduled when the state is entered; started when a runner takes it; then exactly one of succeeded, failed
//! and timed out. Each attempt has its own [`TaskId`], so an outcome of an earlier attempt is stale.

use asl::definition::{Kind, Resource, Seconds, State, Task};
use asl::jsonata::Expected;

use crate::command::{Command, RunTask};
use crate::execution::{FrameId, TaskId, TaskWait, TimerId, Timestamp, Wait};
use crate::history::{EventKind, Failure, TaskResource};
use crate::io::{check_size, whole};
use crate::limits::TASK_SECONDS_MAX;
use crate::payload::Payload;
use crate::stepper::{Flow, Stepper};

pub fn enter(step: &mut Stepper<'_>, id: FrameId, state: &State, task: &Task) -> Result<Flow, Failure> {
    let input = step.effective_input(id, &task.io)?;
    let timeout_seconds = seconds(step, id, task.timeout.as_ref(), &input, "TimeoutSeconds")?;
    let heartbeat_seconds = seconds(step, id, task.heartbeat.as_ref(), &input, "HeartbeatSeconds")?;
    let parameters = step.arguments(id, &task.io, &input)?;
    check_size(&parameters, &state.name)?;

    let scheduled = EventKind::TaskScheduled {
        resource: TaskResource::from(&task.resource),
        input: parameters.clone(),
        timeout_seconds,
        heartbeat_seconds,
    };
    step.emit_on(id, scheduled);
    let attempt = step.next_wait();
    let task_id = TaskId { frame: id, attempt };
    let timeout_at = timeout_seconds.map(|seconds| moment(step.at, seconds));
    step.frame_mut(id).wait = Wait::Task(TaskWait {
        attempt,
        unstarted: Some(parameters.clone()),
        timeout_at,
        heartbeat_seconds,
        heartbeat_at: None,
    });
    if let Some(at) = timeout_at {
        step.command(Command::SetTimer(TimerId::Timeout(task_id), at));
    }
    step.command(Command::RunTask(RunTask {
        task: task_id,
        state: state.name.clone(),
        resource: task.resource.clone(),
        input: parameters,
    }));
    Ok(Flow::Waits)
}

/// A runner takes the attempt.
pub fn started(step: &mut Stepper<'_>, id: TaskId) {
    let resource = TaskResource::from(&definition(step, id.frame).resource);
    step.emit_on(id.frame, EventKind::TaskStarted { resource });
    open(step, id).unstarted = None;
    heartbeat(step, id);
}

/// A sign of life: the time to the next one starts anew.
pub fn heartbeat(step: &mut Stepper<'_>, id: TaskId) {
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

pub fn failed(step: &mut Stepper<'_>, id: TaskId, failure: &Failure) -> Result<Flow, Failure> {
    let resource = TaskResource::from(&definition(step, id.frame).resource);
    close(step, id);
    step.emit_on(id.frame, EventKind::TaskFailed { resource, failure: failure.clone() });
    Err(failure.clone())
}

/// Its TimeoutSeconds or HeartbeatSeconds are over: `States.Timeout` in both cases, as recorded.
pub fn timed_out(step: &mut Stepper<'_>, id: TaskId) -> Result<Flow, Failure> {
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
        Resource::Function { arn } => arn,
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

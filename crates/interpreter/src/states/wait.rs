//! Wait: pauses its thread until a moment.

use asl::definition::{Kind, Until, Wait as Definition};
use asl::jsonata::Expected;
use asl::path::Path;
use asl::timestamp;
use serde_json::Value;

use crate::command::Command;
use crate::execution::{FrameId, TimerId, Timestamp, Wait};
use crate::history::Failure;
use crate::io::whole;
use crate::limits::WAIT_SECONDS_MAX;
use crate::payload::Payload;
use crate::stepper::{Flow, Stepper};

/// What AWS calls a moment.
const FORM: &str = "ISO-8601 extended offset date-time format string";

pub fn enter(step: &mut Stepper<'_>, id: FrameId, definition: &Definition) -> Result<Flow, Failure> {
    let input = step.effective_input(id, &definition.io)?;
    let at = moment(step, id, definition, &input)?;
    if at.0.saturating_sub(step.at.0) / 1000 > WAIT_SECONDS_MAX {
        return Err(Failure::new("States.Runtime", step.runtime_cause(id, "Wait state delay is too long.")));
    }
    if at <= step.at {
        return over(step, id);
    }
    let wait = step.next_wait();
    step.frame_mut(id).wait = Wait::Until { wait, at };
    step.command(Command::SetTimer(TimerId::Pause(id, wait), at));
    Ok(Flow::Waits)
}

/// The moment has come.
pub fn over(step: &mut Stepper<'_>, id: FrameId) -> Result<Flow, Failure> {
    let Kind::Wait(definition) = &step.state_of(id).kind else {
        unreachable!("INVARIANT: only a Wait state waits for a moment");
    };
    let input = step.effective_input(id, &definition.io)?;
    step.leave(id, &definition.io, input, definition.next)
}

fn moment(step: &mut Stepper<'_>, id: FrameId, definition: &Definition, input: &Payload) -> Result<Timestamp, Failure> {
    match &definition.until {
        Until::Seconds(seconds) => Ok(after(step.at, *seconds)),
        Until::Timestamp(ms) => Ok(Timestamp(*ms)),
        Until::SecondsPath(path) => {
            let value = find(step, id, path, input, "SecondsPath")?;
            value.as_u64().map(|seconds| after(step.at, seconds)).ok_or_else(|| {
                let told = format!("{} == {}", path.text(), plain(&value));
                refused(step, id, &format!("The SecondsPath parameter cannot be parsed as a long value: {told}"))
            })
        }
        Until::TimestampPath(path) => {
            let value = find(step, id, path, input, "TimestampPath")?;
            value.as_str().and_then(timestamp::parse).map(Timestamp).ok_or_else(|| {
                let told = format!("{} == {}", path.text(), plain(&value));
                refused(step, id, &format!("The TimestampPath parameter does not reference a valid {FORM}: {told}"))
            })
        }
        Until::SecondsJsonata(expression) => {
            let value = step.jsonata_as(id, expression, Expected::Number, "Seconds")?;
            whole(&value).map(|seconds| after(step.at, seconds)).ok_or_else(|| {
                step.unusable(id, "Seconds", &format!("The Seconds field cannot be parsed as a long value: {value}"))
            })
        }
        Until::TimestampJsonata(expression) => {
            let value = step.jsonata_as(id, expression, Expected::String, "Timestamp")?;
            value.as_str().and_then(timestamp::parse).map(Timestamp).ok_or_else(|| {
                let cause = format!("The Timestamp field cannot be parsed as an {FORM}: {}", plain(&value));
                step.unusable(id, "Timestamp", &cause)
            })
        }
    }
}

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    now.after_ms(seconds.saturating_mul(1000))
}

fn find(step: &Stepper<'_>, id: FrameId, path: &Path, input: &Payload, field: &str) -> Result<Value, Failure> {
    step.evaluate(id, input, |scope| path.evaluate(scope).map(|value| value.into_owned())).map_err(|_| {
        refused(step, id, &format!("The {field} parameter does not reference an input value: {}", path.text()))
    })
}

fn refused(step: &Stepper<'_>, id: FrameId, cause: &str) -> Failure {
    Failure::new("States.Runtime", step.runtime_cause(id, cause))
}

/// A string without quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

//! Fail: ends its thread with the author's error.

use asl::definition::{Fail, Text};
use asl::jsonata::Expected;
use serde_json::Value;

use crate::execution::FrameId;
use crate::history::{ErrorText, Failure};
use crate::stepper::Stepper;

/// The failure this state stands for, or the failure to work it out.
pub fn failure(step: &mut Stepper<'_>, id: FrameId, fail: &Fail) -> Failure {
    let mut texts = || -> Result<Failure, Failure> {
        let error = text(step, id, fail.error.as_ref(), "Error")?;
        Ok(Failure { error, cause: text(step, id, fail.cause.as_ref(), "Cause")? })
    };
    texts().unwrap_or_else(|failure| failure)
}

fn text(step: &mut Stepper<'_>, id: FrameId, text: Option<&Text>, field: &str) -> Result<ErrorText, Failure> {
    let value = match text {
        None => return Ok(None),
        Some(Text::Fixed(text)) => return Ok(Some(text.as_str().into())),
        Some(Text::Jsonata(expression)) => step.jsonata_as(id, expression, Expected::String, field)?,
        Some(Text::Path(expression)) => {
            let input = step.frame(id).input.clone();
            step.evaluate(id, &input, |scope| expression.evaluate_field(scope, &format!("{field}Path")))?
        }
    };
    match value {
        Value::String(text) => Ok(Some(text.into())),
        other => {
            let cause = format!("The value of the field '{field}Path' must be a string but was: {other}");
            Err(Failure::new("States.Runtime", step.runtime_cause(id, &cause)))
        }
    }
}

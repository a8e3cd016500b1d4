//! Fail: ends its thread with the author's error.

use asl::definition::{Fail, Text};
use serde_json::Value;

use crate::execution::FrameId;
use crate::history::{ErrorText, Failure};
use crate::stepper::Stepper;

/// The failure this state stands for, or the failure to work it out.
pub fn failure(step: &Stepper<'_>, id: FrameId, fail: &Fail) -> Failure {
    let texts = || -> Result<Failure, Failure> {
        Ok(Failure {
            error: text(step, id, fail.error.as_ref(), "ErrorPath")?,
            cause: text(step, id, fail.cause.as_ref(), "CausePath")?,
        })
    };
    texts().unwrap_or_else(|failure| failure)
}

fn text(step: &Stepper<'_>, id: FrameId, text: Option<&Text>, field: &str) -> Result<ErrorText, Failure> {
    match text {
        None => Ok(None),
        Some(Text::Fixed(text)) => Ok(Some(text.as_str().into())),
        Some(Text::Expression(expression)) => {
            let input = step.frame(id).input.clone();
            match step.evaluate(id, &input, |scope| expression.evaluate_field(scope, field))? {
                Value::String(text) => Ok(Some(text.into())),
                other => {
                    let cause = format!("The value of the field '{field}' must be a string but was: {other}");
                    Err(Failure::new("States.Runtime", step.runtime_cause(id, &cause)))
                }
            }
        }
    }
}

//! StopExecution. One that has ended already answers when it did.

use aws_protocol::Error;
use interpreter::Failure;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check::{self, Kind};
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    execution_arn: Option<String>,
    error: Option<String>,
    cause: Option<String>,
}

/// From the service model.
const ERROR_CHARS_MAX: usize = 256;
const CAUSE_CHARS_MAX: usize = 32_768;

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.execution_arn, "executionArn")?;
    check::arn(&arn, Kind::Execution)?;
    check_length(request.error.as_deref(), "error", ERROR_CHARS_MAX)?;
    check_length(request.cause.as_deref(), "cause", CAUSE_CHARS_MAX)?;
    let failure = Failure { error: request.error.map(Into::into), cause: request.cause.map(Into::into) };
    let stopped_at = states.handle.stop(&arn, failure).await.map_err(|error| errors::from_stop(error, &arn))?;
    Ok(json!({ "stopDate": date(stopped_at) }))
}

fn check_length(text: Option<&str>, member: &str, chars_max: usize) -> Result<(), Error> {
    match text.map(|text| text.chars().count()) {
        Some(count) if count > chars_max => Err(errors::constraint(
            &format!("of {count} characters"),
            member,
            &format!("Member must have length less than or equal to {chars_max}"),
        )),
        _ => Ok(()),
    }
}

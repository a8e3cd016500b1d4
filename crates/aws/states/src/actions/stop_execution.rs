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

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.execution_arn, "executionArn")?;
    check::arn(&arn, Kind::Execution)?;
    let failure = Failure { error: request.error.map(Into::into), cause: request.cause.map(Into::into) };
    let stopped_at = states.handle.stop(&arn, failure).await.map_err(|error| errors::from_stop(error, &arn))?;
    Ok(json!({ "stopDate": date(stopped_at) }))
}

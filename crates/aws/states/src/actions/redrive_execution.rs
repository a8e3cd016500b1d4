//! RedriveExecution: an execution that ended badly goes on where it stood.

use aws_protocol::Error;
use engine::RedriveError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::check::{self, Kind};
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    execution_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.execution_arn, "executionArn")?;
    check::arn(&arn, Kind::Execution)?;
    let (reader, of) = (states.reader.clone(), arn.clone());
    let found = blocking(move || reader.find(&of)).await?;
    let id = found.ok_or_else(|| errors::execution_does_not_exist(&arn))?;
    match states.handle.redrive(id).await {
        Ok(at) => Ok(json!({ "redriveDate": date(at) })),
        Err(RedriveError::DoesNotExist) => Err(errors::execution_does_not_exist(&arn)),
        Err(RedriveError::NotRedrivable(why)) => Err(errors::not_redrivable(&why, &arn)),
        Err(RedriveError::Throttled) => Err(errors::throttled()),
        Err(RedriveError::TooManyOpen) => Err(errors::execution_limit()),
        Err(RedriveError::Engine(error)) => Err(errors::from_engine(&error)),
    }
}

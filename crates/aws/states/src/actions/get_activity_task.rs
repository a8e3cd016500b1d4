//! GetActivityTask: a worker asks for a task, and waits up to a minute for one.

use std::time::Duration;

use aws_protocol::Error;
use engine::PollError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check::{self, Kind};
use crate::wire::required;
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    activity_arn: Option<String>,
    worker_name: Option<String>,
}

/// "The maximum time the service holds on to the request before responding is 60 seconds. If no task is available
/// within 60 seconds, the poll returns a taskToken with a null string." Source: API reference, GetActivityTask.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.activity_arn, "activityArn")?;
    check::arn(&arn, Kind::Activity)?;
    match states.handle.poll_activity(&arn, request.worker_name.as_deref(), PATIENCE).await {
        Ok(Some(taken)) => Ok(json!({ "taskToken": taken.token, "input": taken.input.text() })),
        Ok(None) => Ok(json!({ "taskToken": null })),
        Err(PollError::DoesNotExist) => Err(errors::activity_does_not_exist(&arn)),
        Err(PollError::TooManyPollers) => Err(errors::activity_worker_limit()),
        Err(PollError::Engine(error)) => Err(errors::from_engine(&error)),
    }
}

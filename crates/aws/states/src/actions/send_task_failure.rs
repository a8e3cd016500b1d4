//! SendTaskFailure: whoever has a task's token says that it failed.

use aws_protocol::Error;
use engine::core::TokenAnswer;
use interpreter::Failure;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::required;
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    task_token: Option<String>,
    error: Option<String>,
    cause: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let token = required(request.task_token, "taskToken")?;
    let failure = Failure { error: request.error.map(Into::into), cause: request.cause.map(Into::into) };
    states.handle.answer(&token, TokenAnswer::Failed(failure)).await.map_err(errors::from_token)?;
    Ok(json!({}))
}

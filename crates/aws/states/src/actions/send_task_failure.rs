//! SendTaskFailure: whoever has a task's token says that it failed.

use aws_protocol::Error;
use engine::core::TokenAnswer;
use interpreter::Failure;
use interpreter::limits::{CAUSE_CHARS_MAX, ERROR_CHARS_MAX};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::required;
use crate::{States, check, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    task_token: Option<String>,
    error: Option<String>,
    cause: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let token = required(request.task_token, "taskToken")?;
    check::token(&token)?;
    for (text, member, most) in [(&request.error, "error", ERROR_CHARS_MAX), (&request.cause, "cause", CAUSE_CHARS_MAX)]
    {
        text.as_deref().map_or(Ok(()), |text| check::length(text, member, 0, most))?;
    }
    let failure = Failure { error: request.error.map(Into::into), cause: request.cause.map(Into::into) };
    states.handle.answer(&token, TokenAnswer::Failed(failure)).await.map_err(errors::from_token)?;
    Ok(json!({}))
}

//! SendTaskSuccess: whoever has a task's token says that it went well.

use aws_protocol::Error;
use engine::core::TokenAnswer;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::required;
use crate::{States, errors, lane};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    task_token: Option<String>,
    output: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let token = required(request.task_token, "taskToken")?;
    let output = required(request.output, "output")?;
    let output = lane::output(&output)?;
    states.handle.answer(&token, TokenAnswer::Succeeded(output)).await.map_err(errors::from_token)?;
    Ok(json!({}))
}

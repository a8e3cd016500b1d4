//! SendTaskHeartbeat: whoever has a task's token says that the work goes on.

use aws_protocol::Error;
use engine::core::TokenAnswer;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::required;
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    task_token: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let token = required(request.task_token, "taskToken")?;
    states.handle.answer(&token, TokenAnswer::Heartbeat).await.map_err(errors::from_token)?;
    Ok(json!({}))
}

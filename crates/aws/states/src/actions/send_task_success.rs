//! SendTaskSuccess: whoever has a task's token says that it went well.

use aws_protocol::Error;
use engine::core::TokenAnswer;
use interpreter::Payload;
use interpreter::limits::PAYLOAD_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::required;
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    task_token: Option<String>,
    output: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let token = required(request.task_token, "taskToken")?;
    let output = required(request.output, "output")?;
    if output.len() > PAYLOAD_BYTES_MAX {
        return Err(errors::too_long(output.len(), "output", PAYLOAD_BYTES_MAX));
    }
    let output = Payload::parse(&output)
        .map_err(|error| errors::invalid_output(&asl::parse::syntax_message(&output, &error)))?;
    states.handle.answer(&token, TokenAnswer::Succeeded(output)).await.map_err(errors::from_token)?;
    Ok(json!({}))
}

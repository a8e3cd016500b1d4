//! DeleteStateMachine, with its versions and aliases. A machine that is not there is no error; running executions end at
//! their next transition. Versions and aliases have operations of their own, so their ARNs are refused.

use aws_protocol::Error;
use engine::split_machine_arn;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::check;
use crate::wire::required;
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_arn, "stateMachineArn")?;
    check::unlabelled(&arn)?;
    if split_machine_arn(&arn).1.is_some() {
        return Err(errors::invalid_arn(&format!("Resource type not valid in this context: {arn}")));
    }
    let handle = states.handle.clone();
    blocking(move || handle.delete_machine(&arn)).await?;
    Ok(json!({}))
}

//! DeleteStateMachine. A machine that is not there is no error; running executions end at their next transition.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::States;
use crate::check::{self, Kind};
use crate::wire::required;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_arn, "stateMachineArn")?;
    check::arn(&arn, Kind::StateMachine)?;
    let handle = states.handle.clone();
    blocking(move || handle.delete_machine(&arn)).await?;
    Ok(json!({}))
}

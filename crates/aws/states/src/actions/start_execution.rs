//! StartExecution of a machine, a version or an alias: answered when the execution is durable; idempotent by name while
//! it runs.

use aws_protocol::Error;
use engine::{Parent, StartError, Started};
use interpreter::Payload;
use interpreter::limits::PAYLOAD_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check;
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
    name: Option<String>,
    input: Option<String>,
    trace_header: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let (arn, input) = request.checked()?;
    let started = states.handle.start(&arn, request.name.as_deref(), input, request.trace_header.as_deref()).await;
    told(&arn, started)
}

/// For a task that waits for the end of this execution. It must name it, so that it can ask again.
pub async fn nested(states: &States, request: Request, parent: Parent) -> Result<Value, Error> {
    let (arn, input) = request.checked()?;
    let name = required(request.name, "name")?;
    told(&arn, states.handle.start_nested(&arn, &name, input, parent).await)
}

impl Request {
    /// The machine and the input, once everything is as it must be.
    fn checked(&self) -> Result<(String, Payload), Error> {
        let arn = required(self.state_machine_arn.clone(), "stateMachineArn")?;
        check::unlabelled(&arn)?;
        if let Some(name) = &self.name {
            check::name(name)?;
        }
        Ok((arn, input(self.input.as_deref().unwrap_or("{}"))?))
    }
}

fn told(arn: &str, started: Result<Started, StartError>) -> Result<Value, Error> {
    let started = started.map_err(|error| errors::from_start(error, arn))?;
    Ok(json!({ "executionArn": &*started.execution_arn, "startDate": date(started.started_at) }))
}

/// The input of an execution.
pub fn input(text: &str) -> Result<Payload, Error> {
    if text.len() > PAYLOAD_BYTES_MAX {
        return Err(errors::constraint(
            &format!("of {} bytes", text.len()),
            "input",
            &format!("Member must have length less than or equal to {PAYLOAD_BYTES_MAX}"),
        ));
    }
    if text.trim().is_empty() {
        return Err(errors::invalid_execution_input("Invalid execution input."));
    }
    Payload::parse(text).map_err(|error| errors::invalid_execution_input(&asl::parse::syntax_message(text, &error)))
}

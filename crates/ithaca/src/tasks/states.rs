//! Executions that start executions: `states:startExecution` with all its patterns.
//!
//! What is started has a name that belongs to the attempt, unless the author gives one: so the same attempt that asks
//! again finds what it has started.

use std::sync::Arc;

use asl::definition::Pattern;
use aws_protocol::json_1_0;
use engine::{Parent, Task};
use interpreter::Failure;
use serde_json::Value;

use super::json::{self, Call};
use super::sdk::Refusal;
use super::{Answer, Shared, required};
use crate::request_id;

pub async fn start_execution(shared: &Shared, task: &Task, parent: Parent) -> Result<Answer, Failure> {
    let call = json::find("states", "startExecution").expect("INVARIANT: the table has a row for it");
    let parameters = task.input.value();
    required(parameters, "StateMachineArn")?;
    let mut body = call.body(parameters)?;
    body.entry("name").or_insert_with(|| task.id.as_str().into());
    let (answer, is_waited_for) = match task.resource.pattern() {
        Pattern::Sync | Pattern::Sync2 => (nested(shared, &call, Value::Object(body), parent).await?, true),
        Pattern::RequestResponse | Pattern::Callback => (call.send(shared, body).await?, false),
    };
    let members = call.members(&answer)?;
    let child = members.get("ExecutionArn").and_then(Value::as_str).filter(|_| is_waited_for).map(Arc::from);
    Ok(Answer { output: call.output(members, &answer), child })
}

async fn nested(shared: &Shared, call: &Call, body: Value, parent: Parent) -> Result<aws_protocol::Response, Failure> {
    let started = shared.front().await?.states.start_nested(body, parent).await;
    let started = started.map_err(|error| {
        let refusal = Refusal {
            code: error.name.to_owned(),
            message: error.message,
            status: error.status.as_u16(),
            request_id: request_id::text(),
            extended_request_id: None,
        };
        call.sdk.failure(&refusal, &[])
    })?;
    Ok(json_1_0(&started))
}

//! Executions that start executions: `states:startExecution` with all its patterns.
//!
//! What is started has a name that belongs to the attempt, unless the author gives one: so the same attempt that asks
//! again after a crash finds what it has started, also when that has ended. An Express execution has no name that is used
//! once: it may be started twice, which is what AWS promises of asynchronous ones, too ("at least once").

use std::sync::Arc;

use asl::definition::Pattern;
use aws_models::Sent;
use aws_protocol::{Response, json_1_0};
use engine::{Parent, Task, execution_arn, split_machine_arn};
use interpreter::Failure;
use serde_json::{Value, json};

use super::sdk::Refusal;
use super::service::{self, Call};
use super::{Answer, Shared, required};
use crate::request_id;

pub async fn start_execution(shared: &Shared, task: &Task, parent: Parent) -> Result<Answer, Failure> {
    let call = service::find("states", "startExecution").expect("INVARIANT: the table has a row for it");
    let parameters = task.input.value();
    let machine_arn = required(parameters, "StateMachineArn")?;
    let sent = call.request(parameters)?;
    let mut body = service::body(&sent);
    let is_named = body.contains_key("name");
    body.entry("name").or_insert_with(|| task.id.as_str().into());
    let (answer, is_waited_for) = match task.resource.pattern() {
        Pattern::Sync | Pattern::Sync2 => (nested(shared, &call, Value::Object(body), parent).await?, true),
        Pattern::RequestResponse | Pattern::Callback if is_named => {
            (call.send(shared, task, service::with_body(sent, body)).await?, false)
        }
        Pattern::RequestResponse | Pattern::Callback => {
            let own = execution_arn(split_machine_arn(machine_arn).0, &task.id);
            (unawaited(shared, task, &call, service::with_body(sent, body), own).await?, false)
        }
    };
    let members = call.members(&answer)?;
    let child = members.get("ExecutionArn").and_then(Value::as_str).filter(|_| is_waited_for).map(Arc::from);
    Ok(Answer { output: call.output(members, &answer), child })
}

/// Starts an execution of a name that only this task gives. If there is one, the task has started it before a crash.
async fn unawaited(shared: &Shared, task: &Task, call: &Call, sent: Sent, own: String) -> Result<Response, Failure> {
    let answer = call.send(shared, task, sent).await?;
    if answer.status().is_success() || call.refusal(&answer).code != "ExecutionAlreadyExists" {
        return Ok(answer);
    }
    let describe = service::find("aws-sdk:sfn", "describeExecution").expect("INVARIANT: the table has a row for it");
    let found = describe.send(shared, task, describe.request(&json!({ "ExecutionArn": own }))?).await?;
    match serde_json::from_slice::<Value>(found.body()) {
        Ok(earlier) if found.status().is_success() => {
            Ok(json_1_0(&json!({ "executionArn": earlier["executionArn"], "startDate": earlier["startDate"] })))
        }
        _ => Ok(answer),
    }
}

async fn nested(shared: &Shared, call: &Call, body: Value, parent: Parent) -> Result<Response, Failure> {
    let started = shared.front().await?.states.start_nested(body, parent).await;
    let started = started.map_err(|error| {
        let refusal = Refusal {
            code: error.name.to_owned(),
            message: error.message,
            status: error.status.as_u16(),
            request_id: request_id::text(),
            extended_request_id: None,
        };
        call.failure(&refusal)
    })?;
    Ok(json_1_0(&started))
}

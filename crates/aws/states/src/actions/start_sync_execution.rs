//! StartSyncExecution: an Express execution that is waited for. It lives in memory; its answer tells all there is.

use aws_protocol::Error;
use engine::core::ChildEnd;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::describe_state_machine::with_data;
use super::start_execution::input;
use crate::check;
use crate::wire::{date, put, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
    name: Option<String>,
    input: Option<String>,
    trace_header: Option<String>,
    included_data: Option<String>,
}

/// "Duration is ... rounded up to the nearest 100 ms", memory "in 64-MB chunks". Source: "AWS Step Functions pricing".
const BILLED_MS: i64 = 100;
const BILLED_MB: u64 = 64;

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_arn, "stateMachineArn")?;
    check::unlabelled(&arn)?;
    if let Some(name) = &request.name {
        check::name(name)?;
    }
    let with_data = with_data(request.included_data.as_deref())?;
    let input = input(request.input.as_deref().unwrap_or("{}"))?;
    let trace_header = request.trace_header.as_deref();
    let end = states.handle.start_sync(&arn, request.name.as_deref(), input, trace_header).await;
    let end = end.map_err(|error| errors::from_start(error, &arn))?;
    Ok(shape(&end, with_data, trace_header))
}

/// The answer that tells of this end.
pub fn shape(end: &ChildEnd, with_data: bool, trace_header: Option<&str>) -> Value {
    let mut answer = Map::new();
    answer.insert("executionArn".into(), (*end.execution_arn).into());
    answer.insert("stateMachineArn".into(), (*end.machine_arn).into());
    answer.insert("name".into(), (*end.name).into());
    answer.insert("startDate".into(), date(end.started_at));
    answer.insert("stopDate".into(), date(end.stopped_at));
    answer.insert("status".into(), end.status.name().into());
    if let Some(failure) = &end.failure {
        put(&mut answer, "error", failure.error.as_deref());
        put(&mut answer, "cause", failure.cause.as_deref());
    }
    if with_data {
        answer.insert("input".into(), end.input.text().into());
        put(&mut answer, "output", end.output.as_ref().map(|output| output.text()));
    }
    answer.insert("inputDetails".into(), json!({ "included": with_data }));
    if end.output.is_some() {
        answer.insert("outputDetails".into(), json!({ "included": with_data }));
    }
    put(&mut answer, "traceHeader", trace_header);
    let took_ms = end.stopped_at.0.saturating_sub(end.started_at.0);
    let billed_ms = (took_ms / BILLED_MS + 1).saturating_mul(BILLED_MS);
    answer.insert(
        "billingDetails".into(),
        json!({ "billedDurationInMilliseconds": billed_ms, "billedMemoryUsedInMB": BILLED_MB }),
    );
    Value::Object(answer)
}

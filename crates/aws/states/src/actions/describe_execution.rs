//! DescribeExecution.

use aws_protocol::Error;
use engine::Row;
use engine::core::not_redrivable;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocking;
use super::create_state_machine::now;
use super::describe_state_machine::with_data;
use crate::check::{self, Kind};
use crate::wire::{date, put, required, started_through};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    execution_arn: Option<String>,
    included_data: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.execution_arn, "executionArn")?;
    check::arn(&arn, Kind::Execution)?;
    let with_data = with_data(request.included_data.as_deref())?;
    let (reader, of) = (states.reader.clone(), arn.clone());
    let found = blocking(move || reader.describe(&of)).await?.ok_or_else(|| errors::execution_does_not_exist(&arn))?;

    let row = &found.row;
    let mut answer = Map::new();
    answer.insert("executionArn".into(), arn.into());
    answer.insert("stateMachineArn".into(), (*row.machine_arn).into());
    answer.extend(started_through(row));
    answer.insert("name".into(), (*row.name).into());
    answer.insert("status".into(), row.status.name().into());
    answer.insert("startDate".into(), date(row.started_at));
    put(&mut answer, "stopDate", row.stopped_at.map(date));
    if with_data {
        answer.insert("input".into(), found.input.text().into());
        put(&mut answer, "output", found.output.as_ref().map(|output| output.text()));
    }
    answer.insert("inputDetails".into(), json!({ "included": with_data }));
    if found.output.is_some() {
        answer.insert("outputDetails".into(), json!({ "included": with_data }));
    }
    put(&mut answer, "traceHeader", row.trace_header.as_deref());
    if let Some(failure) = &found.failure {
        put(&mut answer, "error", failure.error.as_deref());
        put(&mut answer, "cause", failure.cause.as_deref());
    }
    if let Some(run) = &found.map_run_arn {
        answer.insert("mapRunArn".into(), (**run).into());
    }
    answer.insert("redriveCount".into(), row.redrive_count.into());
    put(&mut answer, "redriveDate", row.redriven_at.map(date));
    let (status, reason) = redrive(row, found.last_event);
    answer.insert("redriveStatus".into(), status.into());
    put(&mut answer, "redriveStatusReason", reason);
    Ok(Value::Object(answer))
}

/// `redriveStatus` of an execution, and the reason if it cannot be redriven.
pub fn redrive(row: &Row, last_event: u64) -> (&'static str, Option<&'static str>) {
    match not_redrivable(row, last_event, now()) {
        // What failed in a Map Run is redriven with it.
        None if row.parent_run().is_some() => ("REDRIVABLE_BY_MAP_RUN", None),
        None => ("REDRIVABLE", None),
        refusal => ("NOT_REDRIVABLE", refusal),
    }
}

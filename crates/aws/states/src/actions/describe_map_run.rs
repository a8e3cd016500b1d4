//! DescribeMapRun.

use aws_protocol::Error;
use engine::{Counts, MapRunRow};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocking;
use crate::check::{self, Kind};
use crate::wire::{date, put, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    map_run_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.map_run_arn, "mapRunArn")?;
    let (_, row) = find(states, &arn).await?;
    Ok(shape(&arn, &row))
}

/// The Map Run of this ARN.
pub async fn find(states: &States, arn: &str) -> Result<(engine::RunKey, MapRunRow), Error> {
    check::arn(arn, Kind::MapRun)?;
    let (reader, of) = (states.reader.clone(), arn.to_owned());
    blocking(move || reader.map_run(&of)).await?.ok_or_else(|| errors::resource_not_found(arn))
}

fn shape(arn: &str, row: &MapRunRow) -> Value {
    let mut answer = Map::new();
    answer.insert("mapRunArn".into(), arn.into());
    answer.insert("executionArn".into(), (*row.execution_arn).into());
    answer.insert("status".into(), row.status.name().into());
    answer.insert("startDate".into(), date(row.started_at));
    put(&mut answer, "stopDate", row.stopped_at.map(date));
    answer.insert("maxConcurrency".into(), row.plan.concurrency.unwrap_or(0).into());
    answer.insert("toleratedFailurePercentage".into(), row.plan.tolerated_failure_percentage.unwrap_or(0.0).into());
    answer.insert("toleratedFailureCount".into(), row.plan.tolerated_failure_count.unwrap_or(0).into());
    answer.insert("itemCounts".into(), counts(&row.items));
    answer.insert("executionCounts".into(), counts(&row.executions));
    answer.insert("redriveCount".into(), row.redrive_count.into());
    put(&mut answer, "redriveDate", row.redriven_at.map(date));
    Value::Object(answer)
}

fn counts(counts: &Counts) -> Value {
    json!({
        "pending": counts.pending(),
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "timedOut": counts.timed_out,
        "aborted": counts.aborted,
        "total": counts.total,
        "resultsWritten": counts.results_written,
        "failuresNotRedrivable": 0,
        "pendingRedrive": counts.pending_redrive,
    })
}

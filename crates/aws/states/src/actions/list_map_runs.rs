//! ListMapRuns of one execution, in the order in which they began.

use aws_protocol::Error;
use engine::MapRunRow;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocking;
use crate::check::{self, Kind};
use crate::page::{self, Page};
use crate::wire::{date, put, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    execution_arn: Option<String>,
    #[serde(flatten)]
    page: Page,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.execution_arn, "executionArn")?;
    check::arn(&arn, Kind::Execution)?;
    let limit = request.page.limit();
    let list = format!("map runs of {arn}");
    let from = request.page.next_token.map(|token| page::number(&token, &list)).transpose()?.unwrap_or(0) as usize;
    let (reader, of) = (states.reader.clone(), arn.clone());
    let found = blocking(move || match reader.find(&of)? {
        Some(id) => reader.map_runs(id).map(Some),
        None => Ok(None),
    });
    let runs = found.await?.ok_or_else(|| errors::execution_does_not_exist(&arn))?;
    let page: Vec<Value> = runs.iter().skip(from).take(limit).map(entry).collect();
    let next = from + page.len();
    let mut answer = json!({ "mapRuns": page });
    if next < runs.len() {
        answer["nextToken"] = page::token(&list, &next.to_string()).into();
    }
    Ok(answer)
}

fn entry(row: &MapRunRow) -> Value {
    let mut entry = Map::new();
    entry.insert("executionArn".into(), (*row.execution_arn).into());
    entry.insert("mapRunArn".into(), (*row.plan.arn).into());
    entry.insert("stateMachineArn".into(), (*row.machine_arn).into());
    entry.insert("startDate".into(), date(row.started_at));
    put(&mut entry, "stopDate", row.stopped_at.map(date));
    Value::Object(entry)
}

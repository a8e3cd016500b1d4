//! DescribeStateMachineForExecution: the definition as this execution runs it, whatever became of the machine.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::blocking;
use super::describe_state_machine::{common, with_data};
use crate::check::{self, Kind};
use crate::wire::{date, put, required, split_label};
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
    let found = blocking(move || {
        let Some(found) = reader.describe(&of)? else { return Ok(None) };
        let revision = reader.revision(&found.row)?;
        Ok(Some((found, revision)))
    });
    let (found, revision) = found.await?.ok_or_else(|| errors::execution_does_not_exist(&arn))?;
    let mut answer = Map::new();
    answer.insert("stateMachineArn".into(), (*revision.machine_arn).into());
    answer.insert("name".into(), (*revision.machine_name).into());
    answer.insert("updateDate".into(), date(revision.created_at));
    put(&mut answer, "mapRunArn", found.map_run_arn.as_deref());
    put(&mut answer, "label", split_label(&found.row.machine_arn).1);
    common(&mut answer, &revision, with_data);
    Ok(Value::Object(answer))
}

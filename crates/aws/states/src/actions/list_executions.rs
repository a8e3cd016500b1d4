//! ListExecutions, newest first: of a machine, or those of it that were started through a version or an alias.

use aws_protocol::Error;
use engine::{ExecutionId, ExecutionStatus, Filter, Machine, Qualifier, Summary, split_machine_arn};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocking;
use super::describe_state_machine::find;
use crate::page::{self, EXECUTIONS_TOKEN_CHARS_MAX, Page};
use crate::wire::{date, put, started_through};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
    map_run_arn: Option<String>,
    status_filter: Option<String>,
    redrive_filter: Option<String>,
    #[serde(flatten)]
    page: Page,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    if request.map_run_arn.is_some() {
        return Err(errors::validation("Ithaca does not serve Map Runs yet: leave 'mapRunArn' out"));
    }
    let Some(arn) = request.state_machine_arn else {
        return Err(errors::validation("Must specify a stateMachineArn or a mapRunArn")
            .detail("reason", "MISSING_REQUIRED_PARAMETER"));
    };
    let status = request.status_filter.as_deref().map(status).transpose()?;
    let limit = request.page.limit_with(EXECUTIONS_TOKEN_CHARS_MAX)?;
    let (of, qualifier) = split_machine_arn(&arn);
    let machine = find(states, of, &arn).await?;
    let filter = filter(&machine, qualifier, status).ok_or_else(|| errors::machine_does_not_exist(&arn))?;
    let list = format!("executions of {arn} {}", request.status_filter.as_deref().unwrap_or("ALL"));
    let from = request.page.next_token.map(|token| page::number(&token, &list)).transpose()?.map(ExecutionId);
    if request.redrive_filter.as_deref() == Some("REDRIVEN") {
        // Nothing can have been redriven.
        return Ok(json!({ "executions": [] }));
    }
    let (reader, number) = (states.reader.clone(), machine.number);
    let found = blocking(move || reader.list(number, &filter, from, limit)).await?;
    let mut answer = json!({ "executions": found.executions.iter().map(entry).collect::<Vec<_>>() });
    if let Some(next) = found.next {
        answer["nextToken"] = page::token(&list, &next.0.to_string()).into();
    }
    Ok(answer)
}

/// None if the machine has no such version or alias.
fn filter(machine: &Machine, qualifier: Option<Qualifier<'_>>, status: Option<ExecutionStatus>) -> Option<Filter> {
    let all = Filter { status, version: None, alias: None };
    match qualifier {
        None => Some(all),
        Some(Qualifier::Version(number)) => {
            machine.version(number).map(|version| Filter { version: Some(version.number), ..all })
        }
        Some(Qualifier::Alias(name)) => {
            machine.aliases.get(name).map(|alias| Filter { alias: Some(alias.name.clone()), ..all })
        }
    }
}

fn status(name: &str) -> Result<ExecutionStatus, Error> {
    ExecutionStatus::parse(name).ok_or_else(|| {
        errors::constraint(
            &format!("'{name}'"),
            "statusFilter",
            "Member must satisfy enum value set: [RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE]",
        )
    })
}

fn entry(summary: &Summary) -> Value {
    let row = &summary.row;
    let mut entry = Map::new();
    entry.insert("executionArn".into(), summary.execution_arn.as_str().into());
    entry.insert("stateMachineArn".into(), (*row.machine_arn).into());
    entry.extend(started_through(row));
    entry.insert("name".into(), (*row.name).into());
    entry.insert("status".into(), row.status.name().into());
    entry.insert("startDate".into(), date(row.started_at));
    put(&mut entry, "stopDate", row.stopped_at.map(date));
    entry.insert("redriveCount".into(), 0.into());
    Value::Object(entry)
}

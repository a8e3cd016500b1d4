//! ListExecutions, newest first: of a machine, or those of it that were started through a version or an alias.

use aws_protocol::Error;
use engine::{ExecutionId, ExecutionStatus, Filter, Machine, Qualifier, Summary, split_machine_arn};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocking;
use super::describe_state_machine::find;
use crate::page::{self, Page};
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

/// The status of an execution whose Map Run is redriven before its own turn comes. Here it has the status of its last end
/// until then, so this filter finds none; how many there are is told by DescribeMapRun.
const PENDING_REDRIVE: &str = "PENDING_REDRIVE";

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let redriven = request.redrive_filter.as_deref().map(redrive_filter).transpose()?;
    if let Some(run) = &request.map_run_arn {
        if request.state_machine_arn.is_some() {
            return Err(errors::validation("Must specify either a stateMachineArn or a mapRunArn, not both"));
        }
        return of_map_run(states, run, &request, redriven).await;
    }
    let Some(arn) = request.state_machine_arn else {
        return Err(errors::validation("Must specify a stateMachineArn or a mapRunArn")
            .detail("reason", "MISSING_REQUIRED_PARAMETER"));
    };
    let status = status(request.status_filter.as_deref())?;
    let limit = request.page.limit();
    let (of, qualifier) = split_machine_arn(&arn);
    let machine = find(states, of, &arn).await?;
    if machine.revision.is_express {
        return Err(errors::not_this_type());
    }
    let filter = filter(&machine, qualifier, status).ok_or_else(|| errors::machine_does_not_exist(&arn))?;
    if request.status_filter.as_deref() == Some(PENDING_REDRIVE) {
        return Ok(json!({ "executions": [] }));
    }
    let list = format!("executions of {arn} {}", request.status_filter.as_deref().unwrap_or("ALL"));
    let from = request.page.next_token.map(|token| page::number(&token, &list)).transpose()?.map(ExecutionId);
    let (reader, number) = (states.reader.clone(), machine.number);
    let found = blocking(move || reader.list(number, &filter, from, limit)).await?;
    // As on AWS a page may hold fewer than asked for, and none of them, and be followed by more.
    let shown = found.executions.iter().filter(|it| redriven.is_none_or(|wanted| wanted == (it.row.redrive_count > 0)));
    let mut answer = json!({ "executions": shown.map(entry).collect::<Vec<_>>() });
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

/// The executions of a Map Run, in the order of their items.
async fn of_map_run(states: &States, run: &str, request: &Request, redriven: Option<bool>) -> Result<Value, Error> {
    let status = status(request.status_filter.as_deref())?;
    let limit = request.page.limit();
    let list = format!("executions of {run} {}", request.status_filter.as_deref().unwrap_or("ALL"));
    let from = request.page.next_token.as_ref().map(|token| page::number(token, &list)).transpose()?.unwrap_or(0);
    let (key, _) = super::describe_map_run::find(states, run).await?;
    if request.status_filter.as_deref() == Some(PENDING_REDRIVE) {
        return Ok(json!({ "executions": [] }));
    }
    let reader = states.reader.clone();
    let (found, next) = blocking(move || reader.map_run_executions(key, status, from as u32, limit)).await?;
    let shown = found.iter().filter(|it| redriven.is_none_or(|wanted| wanted == (it.row.redrive_count > 0)));
    let mut answer = json!({ "executions": shown.map(entry).collect::<Vec<_>>() });
    for entry in answer["executions"].as_array_mut().into_iter().flatten() {
        entry["mapRunArn"] = run.into();
    }
    if let Some(next) = next {
        answer["nextToken"] = page::token(&list, &next.to_string()).into();
    }
    Ok(answer)
}

fn redrive_filter(name: &str) -> Result<bool, Error> {
    match name {
        "REDRIVEN" => Ok(true),
        "NOT_REDRIVEN" => Ok(false),
        other => Err(errors::constraint(
            &format!("'{other}'"),
            "redriveFilter",
            "Member must satisfy enum value set: [REDRIVEN, NOT_REDRIVEN]",
        )),
    }
}

/// None for all, and for what no execution has here.
fn status(filter: Option<&str>) -> Result<Option<ExecutionStatus>, Error> {
    let Some(name) = filter.filter(|name| *name != PENDING_REDRIVE) else { return Ok(None) };
    ExecutionStatus::parse(name).map(Some).ok_or_else(|| {
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
    entry.insert("redriveCount".into(), row.redrive_count.into());
    put(&mut entry, "redriveDate", row.redriven_at.map(date));
    Value::Object(entry)
}

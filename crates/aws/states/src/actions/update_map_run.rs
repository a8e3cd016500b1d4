//! UpdateMapRun: other limits for a run that goes on.

use aws_protocol::Error;
use engine::MapRunError;
use engine::core::MapRunUpdate;
use serde::Deserialize;
use serde_json::{Value, json};

use super::describe_map_run::find;
use crate::wire::required;
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    map_run_arn: Option<String>,
    max_concurrency: Option<i64>,
    tolerated_failure_percentage: Option<f64>,
    tolerated_failure_count: Option<i64>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.map_run_arn, "mapRunArn")?;
    let update = MapRunUpdate {
        max_concurrency: not_negative(request.max_concurrency, "maxConcurrency")?,
        tolerated_failure_count: not_negative(request.tolerated_failure_count, "toleratedFailureCount")?,
        tolerated_failure_percentage: percentage(request.tolerated_failure_percentage)?,
    };
    if update.is_empty() {
        return Err(errors::validation(
            "At least one of maxConcurrency, toleratedFailureCount and toleratedFailurePercentage must be specified",
        )
        .detail("reason", "MISSING_REQUIRED_PARAMETER"));
    }
    let (key, row) = find(states, &arn).await?;
    let completed = || {
        errors::validation(format!("Map Run {arn} has completed and cannot be updated"))
            .detail("reason", "CANNOT_UPDATE_COMPLETED_MAP_RUN")
    };
    if row.stopped_at.is_some() {
        return Err(completed());
    }
    match states.handle.update_map_run(key, update).await {
        Ok(()) => Ok(json!({})),
        Err(MapRunError::Completed) => Err(completed()),
        Err(MapRunError::DoesNotExist) => Err(errors::resource_not_found(&arn)),
        Err(MapRunError::Throttled) => Err(errors::throttled()),
        Err(MapRunError::Engine(error)) => Err(errors::from_engine(&error)),
    }
}

fn not_negative(number: Option<i64>, member: &str) -> Result<Option<u64>, Error> {
    let Some(number) = number else { return Ok(None) };
    u64::try_from(number).map(Some).map_err(|_| {
        errors::constraint(&format!("'{number}'"), member, "Member must have value greater than or equal to 0")
    })
}

fn percentage(number: Option<f64>) -> Result<Option<f64>, Error> {
    let bound = |rule: &str, number: f64| {
        errors::constraint(
            &format!("'{number}'"),
            "toleratedFailurePercentage",
            &format!("Member must have value {rule}"),
        )
    };
    match number {
        Some(number) if number < 0.0 => Err(bound("greater than or equal to 0", number)),
        Some(number) if number > 100.0 => Err(bound("less than or equal to 100", number)),
        other => Ok(other),
    }
}

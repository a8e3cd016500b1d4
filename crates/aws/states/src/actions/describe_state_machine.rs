//! DescribeStateMachine.

use std::sync::Arc;

use aws_protocol::Error;
use engine::{Machine, Revision};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocking;
use crate::check::{self, Kind};
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
    included_data: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_arn, "stateMachineArn")?;
    let machine = find(states, &arn).await?;
    let mut answer = Map::new();
    answer.insert("stateMachineArn".into(), (*machine.arn).into());
    answer.insert("name".into(), (*machine.name).into());
    answer.insert("status".into(), if machine.is_deleting { "DELETING" } else { "ACTIVE" }.into());
    answer.insert("type".into(), "STANDARD".into());
    answer.insert("creationDate".into(), date(machine.created_at));
    common(&mut answer, &machine.revision, &machine.settings, with_data(request.included_data.as_deref())?);
    Ok(Value::Object(answer))
}

/// The machine of this ARN, or AWS's errors for what it may be instead.
pub async fn find(states: &States, arn: &str) -> Result<Arc<Machine>, Error> {
    check::arn(arn, Kind::StateMachine)?;
    let (handle, of) = (states.handle.clone(), arn.to_owned());
    blocking(move || handle.machines().get(&of)).await?.ok_or_else(|| errors::machine_does_not_exist(arn))
}

/// The members that a machine and the machine of an execution share.
pub fn common(answer: &mut Map<String, Value>, revision: &Revision, settings: &Map<String, Value>, with_data: bool) {
    if with_data {
        answer.insert("definition".into(), (*revision.text).into());
        answer.extend(variable_references(revision).map(|found| ("variableReferences".to_owned(), found)));
    }
    answer.insert("roleArn".into(), (*revision.role_arn).into());
    let mut logging = json!({ "level": "OFF", "includeExecutionData": false });
    if let (Some(Value::Object(given)), Some(shown)) = (settings.get("loggingConfiguration"), logging.as_object_mut()) {
        shown.extend(given.clone());
    }
    answer.insert("tracingConfiguration".into(), json!({ "enabled": false }));
    answer.insert("encryptionConfiguration".into(), json!({ "type": "AWS_OWNED_KEY" }));
    answer.extend(settings.clone());
    answer.insert("loggingConfiguration".into(), logging);
    if revision.number > 0 {
        answer.insert("revisionId".into(), revision.id().into());
    }
}

/// Which variables each state reads, if any does. A definition that this version can no longer run is shown all the
/// same, without them.
fn variable_references(revision: &Revision) -> Option<Value> {
    let references = asl::variable_references(revision.definition().ok()?);
    (!references.is_empty()).then(|| json!(references))
}

/// `includedData`: METADATA_ONLY leaves definitions, inputs and outputs out.
pub fn with_data(included_data: Option<&str>) -> Result<bool, Error> {
    match included_data {
        None | Some("ALL_DATA") => Ok(true),
        Some("METADATA_ONLY") => Ok(false),
        Some(other) => Err(errors::constraint(
            &format!("'{other}'"),
            "includedData",
            "Member must satisfy enum value set: [ALL_DATA, METADATA_ONLY]",
        )),
    }
}

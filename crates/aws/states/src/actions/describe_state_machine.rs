//! DescribeStateMachine: a machine as it is now, or one of its versions as it was published.

use std::sync::Arc;

use aws_protocol::Error;
use engine::{Machine, Qualifier, Revision, split_machine_arn};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocking;
use crate::check::{self, Kind};
use crate::wire::{date, put, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
    included_data: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_arn, "stateMachineArn")?;
    check::unlabelled(&arn)?;
    let with_data = with_data(request.included_data.as_deref())?;
    let (of, qualifier) = split_machine_arn(&arn);
    let machine = find(states, of, &arn).await?;
    let version = match qualifier {
        None => None,
        Some(Qualifier::Version(number)) => {
            Some(machine.version(number).cloned().ok_or_else(|| errors::machine_does_not_exist(&arn))?)
        }
        // An alias has an operation of its own.
        Some(Qualifier::Alias(_)) => return Err(errors::machine_does_not_exist(&arn)),
    };
    let revision = match &version {
        None => machine.revision.clone(),
        Some(version) => {
            let (reader, machine, revision) = (states.reader.clone(), machine.number, version.revision);
            blocking(move || reader.machines().revision(machine, revision)).await?
        }
    };
    let mut answer = Map::new();
    answer.insert("stateMachineArn".into(), arn.as_str().into());
    answer.insert("name".into(), (*machine.name).into());
    answer.insert("status".into(), if machine.is_deleting { "DELETING" } else { "ACTIVE" }.into());
    answer.insert("type".into(), type_name(&revision).into());
    let created_at = version.as_ref().map_or(machine.created_at, |version| version.created_at);
    answer.insert("creationDate".into(), date(created_at));
    let description = version.map(|version| version.description).filter(|description| !description.is_empty());
    put(&mut answer, "description", description);
    common(&mut answer, &revision, with_data);
    Ok(Value::Object(answer))
}

/// The machine of this ARN, or AWS's errors for what it may be instead, which name what was asked for.
pub async fn find(states: &States, arn: &str, asked: &str) -> Result<Arc<Machine>, Error> {
    check::arn(arn, Kind::StateMachine)?;
    let (handle, of) = (states.handle.clone(), arn.to_owned());
    blocking(move || handle.machines().get(&of)).await?.ok_or_else(|| errors::machine_does_not_exist(asked))
}

/// The members that a machine and the machine of an execution share.
pub fn common(answer: &mut Map<String, Value>, revision: &Revision, with_data: bool) {
    let settings = &revision.settings;
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
    answer.extend(settings.iter().filter(|(name, _)| *name != "type").map(|(name, it)| (name.clone(), it.clone())));
    answer.insert("loggingConfiguration".into(), logging);
    if revision.number > 0 {
        answer.insert("revisionId".into(), revision.id().into());
    }
}

pub fn type_name(revision: &Revision) -> &'static str {
    if revision.is_express { "EXPRESS" } else { "STANDARD" }
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

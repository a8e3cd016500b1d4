//! UpdateStateMachine. Running executions keep the definition they were started with.

use asl::MachineType;
use aws_protocol::Error;
use engine::Update;
use serde::Deserialize;
use serde_json::{Value, json};

use super::create_state_machine::{Publishing, Settings, check_definition, now};
use super::{blocking, changing};
use crate::check;
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
    definition: Option<String>,
    role_arn: Option<String>,
    #[serde(flatten)]
    publishing: Publishing,
    #[serde(flatten)]
    settings: Settings,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_arn, "stateMachineArn")?;
    check::unlabelled(&arn)?;
    let publish = request.publishing.description()?;
    let settings = request.settings.into_map()?;
    if request.definition.is_none() && request.role_arn.is_none() && settings.is_empty() {
        return Err(errors::missing_parameter(
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
        ));
    }
    if let Some(role_arn) = &request.role_arn {
        check::role(role_arn)?;
    }
    if let Some(definition) = &request.definition {
        check_definition(definition, type_of(states, &arn).await?)?;
    }
    states.declare_log(&settings).await?;
    let update = Update { definition: request.definition, role_arn: request.role_arn, settings, publish };
    let (handle, of) = (states.handle.clone(), arn.clone());
    let updated = changing(move || handle.machines().update(&of, update, now())).await?;
    let updated = updated.map_err(|error| errors::from_change(error, &arn))?;
    let machine = &updated.machine;
    let mut answer = json!({ "updateDate": date(machine.updated_at) });
    if machine.revision.number > 0 {
        answer["revisionId"] = machine.revision.id().into();
    }
    if let Some(version) = &updated.version {
        answer["stateMachineVersionArn"] = format!("{arn}:{}", version.number).into();
    }
    Ok(answer)
}

/// The type of a machine, which an update does not change. One that is not there is refused by the update.
async fn type_of(states: &States, arn: &str) -> Result<MachineType, Error> {
    let (handle, of) = (states.handle.clone(), arn.to_owned());
    let machine = blocking(move || handle.machines().get(&of)).await?;
    let is_express = machine.is_some_and(|machine| machine.revision.is_express);
    Ok(if is_express { MachineType::Express } else { MachineType::Standard })
}

//! UpdateStateMachine. Running executions keep the definition they were started with.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use super::create_state_machine::{Settings, check_definition, now};
use crate::check::{self, Kind};
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
    definition: Option<String>,
    role_arn: Option<String>,
    publish: Option<bool>,
    #[serde(flatten)]
    settings: Settings,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_arn, "stateMachineArn")?;
    check::arn(&arn, Kind::StateMachine)?;
    if request.publish == Some(true) {
        return Err(errors::validation("Ithaca does not serve versions of state machines yet: leave 'publish' out"));
    }
    let settings = request.settings.into_map()?;
    if request.definition.is_none() && request.role_arn.is_none() && settings.is_empty() {
        return Err(errors::missing_parameter(
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
        ));
    }
    if let Some(definition) = &request.definition {
        check_definition(definition)?;
    }
    let (handle, of) = (states.handle.clone(), arn.clone());
    let updated =
        blocking(move || handle.machines().update(&of, request.definition, request.role_arn, settings, now())).await?;
    let machine = updated.ok_or_else(|| errors::machine_does_not_exist(&arn))?;
    let mut answer = json!({ "updateDate": date(machine.updated_at) });
    if machine.revision.number > 0 {
        answer["revisionId"] = machine.revision.id().into();
    }
    Ok(answer)
}

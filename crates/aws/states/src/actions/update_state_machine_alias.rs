//! UpdateStateMachineAlias: other routes, another description, or both.

use aws_protocol::Error;
use engine::AliasUpdate;
use serde::Deserialize;
use serde_json::{Value, json};

use super::changing;
use super::create_state_machine::now;
use super::create_state_machine_alias::{Item, routing};
use crate::check;
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_alias_arn: Option<String>,
    description: Option<String>,
    routing_configuration: Option<Vec<Item>>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_alias_arn, "stateMachineAliasArn")?;
    let (machine, name) = check::alias_arn(&arn)?;
    if request.description.is_none() && request.routing_configuration.is_none() {
        return Err(errors::validation("Either the description or the RoutingConfiguration must be specified")
            .detail("reason", "MISSING_REQUIRED_PARAMETER"));
    }
    let routed = request.routing_configuration.as_deref().map(routing).transpose()?;
    if let Some((of, _)) = routed.as_ref().filter(|(of, _)| of != machine) {
        return Err(errors::invalid_routing(format!(
            "Routing configuration must contain versions of the state machine of the alias. Received: [{of}]"
        )));
    }
    let update = AliasUpdate { description: request.description, routes: routed.map(|(_, routes)| routes) };
    let (handle, machine, name) = (states.handle.clone(), machine.to_owned(), name.to_owned());
    let updated = changing(move || handle.machines().update_alias(&machine, &name, update, now())).await?;
    let alias = updated.map_err(|error| errors::from_change(error, &arn))?;
    Ok(json!({ "updateDate": date(alias.updated_at) }))
}

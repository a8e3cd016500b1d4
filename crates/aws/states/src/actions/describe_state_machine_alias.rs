//! DescribeStateMachineAlias.

use aws_protocol::Error;
use engine::Route;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::check;
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_alias_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_alias_arn, "stateMachineAliasArn")?;
    let (machine, name) = check::alias_arn(&arn)?;
    let (handle, of) = (states.handle.clone(), machine.to_owned());
    let found = blocking(move || handle.machines().get(&of)).await?;
    let alias = found.as_ref().and_then(|machine| machine.aliases.get(name));
    let alias = alias.ok_or_else(|| errors::no_such_resource(&arn))?;
    let route = |route: &Route| json!({ "stateMachineVersionArn": format!("{machine}:{}", route.version), "weight": route.weight });
    let mut answer = json!({
        "stateMachineAliasArn": arn,
        "name": &*alias.name,
        "routingConfiguration": alias.routes.iter().map(route).collect::<Vec<_>>(),
        "creationDate": date(alias.created_at),
        "updateDate": date(alias.updated_at),
    });
    if !alias.description.is_empty() {
        answer["description"] = alias.description.as_str().into();
    }
    Ok(answer)
}

//! CreateStateMachineAlias. Idempotent on name, description and routing.

use aws_protocol::Error;
use engine::{NewAlias, Qualifier, Route, split_machine_arn};
use serde::Deserialize;
use serde_json::{Value, json};

use super::changing;
use super::create_state_machine::now;
use crate::check::{self, Kind};
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    name: Option<String>,
    description: Option<String>,
    routing_configuration: Option<Vec<Item>>,
}

/// One entry of a routing configuration.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    state_machine_version_arn: Option<String>,
    weight: Option<i64>,
}

/// "One or two versions". Source: the service model.
const ROUTES_MAX: usize = 2;
const WEIGHT_MAX: u8 = 100;

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let name = required(request.name, "name")?;
    let (machine, routes) = routing(&required(request.routing_configuration, "routingConfiguration")?)?;
    let arn = format!("{machine}:{name}");
    let new = NewAlias { name, description: request.description.unwrap_or_default(), routes };
    let handle = states.handle.clone();
    let created = changing(move || handle.machines().create_alias(&machine, new, now())).await?;
    let alias = created.map_err(|error| errors::from_change(error, &arn))?;
    Ok(json!({ "creationDate": date(alias.created_at), "stateMachineAliasArn": arn }))
}

/// The machine whose versions share the starts, and their shares.
pub fn routing(items: &[Item]) -> Result<(String, Vec<Route>), Error> {
    let (arns, weights) = members(items)?;
    let is_repeated = arns.len() == ROUTES_MAX && arns[0] == arns[1];
    if is_repeated {
        return Err(routing_error("Routing configuration must contain distinct state machine version ARNs", &arns));
    }
    let mut routes = Vec::new();
    let mut machines = Vec::new();
    for (arn, weight) in arns.iter().zip(&weights) {
        check::arn(arn, Kind::StateMachine)?;
        let (machine, Some(Qualifier::Version(version))) = split_machine_arn(arn) else {
            return Err(routing_error("Routing configuration must contain state machine version ARNs", &arns));
        };
        machines.push(machine);
        routes.push(Route { version, weight: *weight });
    }
    if machines.iter().any(|machine| *machine != machines[0]) {
        return Err(routing_error("Routing configuration must contain versions of one state machine", &arns));
    }
    if weights.iter().map(|weight| u32::from(*weight)).sum::<u32>() != u32::from(WEIGHT_MAX) {
        return Err(routing_error("Sum of routing configuration weights must equal 100", &weights));
    }
    Ok((machines[0].to_owned(), routes))
}

/// The members of the entries, each as the service model wants it.
fn members(items: &[Item]) -> Result<(Vec<&str>, Vec<u8>), Error> {
    let length = |rule: &str| {
        let rule = format!("Member must have length {rule}");
        errors::constraint(&format!("'{}'", shown(items)), "routingConfiguration", &rule)
    };
    match items.len() {
        0 => return Err(length("greater than or equal to 1")),
        count if count > ROUTES_MAX => return Err(length("less than or equal to 2")),
        _ => {}
    }
    let (mut arns, mut weights) = (Vec::new(), Vec::new());
    for (item, n) in items.iter().zip(1..) {
        let place = |name: &str| format!("routingConfiguration.{n}.member.{name}");
        arns.push(required(item.state_machine_version_arn.as_deref(), &place("stateMachineVersionArn"))?);
        let weight = required(item.weight, &place("weight"))?;
        let bound = if weight < 0 { "greater than or equal to 0" } else { "less than or equal to 100" };
        let allowed = u8::try_from(weight).ok().filter(|weight| *weight <= WEIGHT_MAX);
        weights.push(allowed.ok_or_else(|| {
            errors::constraint(&format!("'{weight}'"), &place("weight"), &format!("Member must have value {bound}"))
        })?);
    }
    Ok((arns, weights))
}

fn routing_error(rule: &str, received: &[impl ToString]) -> Error {
    let received: Vec<String> = received.iter().map(ToString::to_string).collect();
    errors::invalid_routing(format!("{rule}. Received: [{}]", received.join(", ")))
}

/// The list as AWS writes it into its texts.
fn shown(items: &[Item]) -> String {
    let item = |item: &Item| {
        format!(
            "RoutingConfigurationListItem(stateMachineVersionArn={}, weight={})",
            item.state_machine_version_arn.as_deref().unwrap_or("null"),
            item.weight.map_or_else(|| "null".to_owned(), |weight| weight.to_string()),
        )
    };
    format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(", "))
}

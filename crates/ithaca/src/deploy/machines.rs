//! What is deployed around state machines: versions of what they are now, then aliases that point at them.

use std::collections::BTreeMap;

use aws_cloudformation::Plan;
use serde_json::{Value, json};

use crate::front::Front;

/// ARNs with a label in the place of the number, and those with the number.
pub type Numbers = BTreeMap<String, String>;

/// Publishes versions and moves aliases.
pub async fn publish(front: &Front, plan: &Plan) -> Result<Numbers, String> {
    let at = |line: u32| format!("{}:{line}", plan.template.display());
    let mut numbers = Numbers::new();
    for version in &plan.machine_versions {
        let mut body = json!({ "stateMachineArn": version.machine_arn });
        if let Some(description) = &version.description {
            body["description"] = description.as_str().into();
        }
        // What has not changed since is published already, and gives the version it is.
        let published = front.states.call("PublishStateMachineVersion", body).await;
        let published =
            published.map_err(|error| format!("{}: version {}: {error}", at(version.at.line), version.logical_id))?;
        let arn = published["stateMachineVersionArn"].as_str().unwrap_or_default().to_owned();
        numbers.insert(version.arn.clone(), arn);
    }
    for alias in &plan.machine_aliases {
        let route = |(arn, weight): &(String, u32)| json!({ "stateMachineVersionArn": numbers.get(arn).unwrap_or(arn), "weight": weight });
        let routing: Vec<Value> = alias.routes.iter().map(route).collect();
        let mut body = json!({ "routingConfiguration": routing });
        if let Some(description) = &alias.description {
            body["description"] = description.as_str().into();
        }
        let (mut create, mut update) = (body.clone(), body);
        create["name"] = alias.name.as_str().into();
        update["stateMachineAliasArn"] = alias.arn.as_str().into();
        let done = match front.states.call("CreateStateMachineAlias", create).await {
            Err(error) if error.name == "ConflictException" => {
                front.states.call("UpdateStateMachineAlias", update).await
            }
            other => other,
        };
        done.map_err(|error| format!("{}: alias {}: {error}", at(alias.at.line), alias.arn))?;
    }
    Ok(numbers)
}

/// A text in which the ARNs of versions have their numbers.
pub fn with_numbers(text: &str, numbers: &Numbers) -> String {
    numbers.iter().fold(text.to_owned(), |text, (label, arn)| text.replace(label, arn))
}

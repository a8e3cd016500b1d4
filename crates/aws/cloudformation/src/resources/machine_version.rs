//! `AWS::StepFunctions::StateMachineVersion` and `AWS::StepFunctions::StateMachineAlias`.
//!
//! A version's number is not known before it is published, so its logical id stands for it in its ARN; whoever deploys puts the
//! number there. A version that is no more in the template stays, since executions may run by it.

use super::{Attribute, Build, Type, state_machine};
use crate::names;
use crate::plan::{self, MachineAlias, MachineVersion};
use crate::properties::{Properties, Property, ignored, served};
use crate::scope::{Identity, Scope, Site};
use crate::template::Resource;

pub(super) const VERSION: Type = Type {
    name: "AWS::StepFunctions::StateMachineVersion",
    summary: "a version of a state machine",
    identify: Some(|scope, version| Some(format!("{}:{}", machine(scope, version, "StateMachineArn")?, version.id))),
    reference: state_machine::arn,
    attributes: ATTRIBUTES,
    properties: &[
        served("StateMachineArn"),
        served("Description"),
        ignored("StateMachineRevisionId", "what is deployed is published"),
    ],
    build: build_version,
    ..Type::PLAIN
};

pub(super) const ALIAS: Type = Type {
    name: "AWS::StepFunctions::StateMachineAlias",
    summary: "a name for one or two versions of a state machine",
    identify: Some(identify_alias),
    reference: state_machine::arn,
    attributes: ATTRIBUTES,
    properties: &[
        served("Name"),
        served("Description"),
        served("RoutingConfiguration"),
        served("DeploymentPreference"),
    ],
    build: build_alias,
    ..Type::PLAIN
};

const ATTRIBUTES: &[Attribute] = &[Attribute { name: "Arn", value: state_machine::arn }];
const ROUTE: &[Property] = &[served("StateMachineVersionArn"), served("Weight")];
const AT_ONCE: &str = "the alias moves to the new version at once";
const PREFERENCE: &[Property] = &[
    served("StateMachineVersionArn"),
    ignored("Type", AT_ONCE),
    ignored("Percentage", AT_ONCE),
    ignored("Interval", AT_ONCE),
    ignored("Alarms", AT_ONCE),
];

/// The name of the machine whose ARN, or the ARN of whose version, a property gives.
fn machine(scope: &Scope<'_>, resource: &Resource, name: &str) -> Option<String> {
    let property = resource.properties.iter().find(|p| p.key == name)?;
    name_of(&scope.text(&property.value, name)?)
}

fn name_of(arn: &str) -> Option<String> {
    arn.split(':').nth(6).map(str::to_owned)
}

fn identify_alias(scope: &Scope<'_>, resource: &Resource) -> Option<String> {
    let text = |name: &str| {
        let property = resource.properties.iter().find(|p| p.key == name)?;
        scope.text(&property.value, name)
    };
    let name = text("Name").unwrap_or_else(|| resource.id.clone());
    let listed = resource.properties.iter().find(|p| p.key == "RoutingConfiguration");
    let preferred = resource.properties.iter().find(|p| p.key == "DeploymentPreference");
    let first = listed.and_then(|p| p.value.list()?.first()?.get("StateMachineVersionArn"));
    let version = first.or_else(|| preferred.and_then(|p| p.value.get("StateMachineVersionArn")))?;
    Some(format!("{}:{name}", name_of(&scope.text(version, "StateMachineVersionArn")?)?))
}

fn build_version(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let Some(machine_arn) = properties.required_text("StateMachineArn") else { return };
    build.plan.machine_versions.push(MachineVersion {
        logical_id: identity.logical_id.clone(),
        machine_arn,
        arn: state_machine::arn(&build.scope.site, identity),
        at: resource.at,
        description: properties.text("Description"),
    });
}

fn build_alias(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let routes = match properties.nested("DeploymentPreference", PREFERENCE) {
        Some(preference) => preference.required_text("StateMachineVersionArn").map(|arn| vec![(arn, 100)]),
        None => {
            properties.require("RoutingConfiguration");
            properties
                .list("RoutingConfiguration")
                .map(|listed| listed.iter().filter_map(|n| route(&properties, n)).collect())
        }
    };
    let (Some(routes), Some((_, name))) = (routes, identity.name.split_once(':')) else { return };
    if routes.iter().map(|(_, weight)| weight).sum::<u32>() != 100 || routes.len() > 2 {
        return properties.error(
            "RoutingConfiguration",
            "the weights do not make 100 of one or two versions",
            "correct them",
        );
    }
    build.plan.machine_aliases.push(MachineAlias {
        logical_id: identity.logical_id.clone(),
        name: name.to_owned(),
        arn: state_machine::arn(&build.scope.site, identity),
        at: resource.at,
        description: properties.text("Description"),
        routes,
    });
}

fn route(of: &Properties<'_>, node: &crate::node::Node) -> Option<(String, u32)> {
    let route = Properties::read(of.scope, "a route", node.at, node.map().unwrap_or_default(), ROUTE);
    let (arn, weight) = (route.required_text("StateMachineVersionArn"), route.number("Weight", 0..=100));
    route.require("Weight");
    Some((arn?, weight?))
}

/// What SAM makes of `AutoPublishAlias`: a version of what is deployed, and the alias that names it. The alias's ARN.
pub(super) fn auto_published(build: &mut Build<'_>, identity: &Identity, resource: &Resource, name: &str) -> String {
    let site: &Site = &build.scope.site;
    let machine_arn = state_machine::arn(site, identity);
    let version_id = format!("{}Version", identity.logical_id);
    let alias_id = format!("{}Alias{name}", identity.logical_id);
    let of = |part: &str| names::arn(site, "states", &format!("stateMachine:{}:{part}", identity.name));
    let (version_arn, arn, at) = (of(&version_id), of(name), resource.at);
    for (logical_id, kind, physical_id) in [(&version_id, VERSION.name, &version_arn), (&alias_id, ALIAS.name, &arn)] {
        build.plan.resources.push(plan::Resource {
            logical_id: logical_id.clone(),
            kind: kind.into(),
            physical_id: physical_id.clone(),
            at,
            retained: false,
        });
    }
    let (routes, description) = (vec![(version_arn.clone(), 100)], None);
    build.plan.machine_versions.push(MachineVersion {
        logical_id: version_id,
        machine_arn,
        arn: version_arn,
        at,
        description: None,
    });
    build.plan.machine_aliases.push(MachineAlias {
        logical_id: alias_id,
        name: name.to_owned(),
        arn: arn.clone(),
        at,
        description,
        routes,
    });
    arn
}

//! `AWS::StepFunctions::StateMachine`, and what SAM's state machine has in common with it.

use serde_json::{Map, Value as Json};

use super::{Attribute, Build, Type, definition};
use crate::plan::{Definition, StateMachine, StateMachineKind};
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served};
use crate::scope::{Identity, Site};
use crate::shape::{self, Shape, renamed};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::StepFunctions::StateMachine",
    summary: "a state machine",
    named_by: Some("StateMachineName"),
    name_max: NAME_MAX,
    reference: arn,
    attributes: ATTRIBUTES,
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

/// AWS's limit of a state machine's name.
pub(super) const NAME_MAX: usize = 80;

pub(super) const ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "Arn", value: arn },
    Attribute { name: "Name", value: |_, machine| machine.name.clone() },
    // Which revision it is is known when it is deployed; what asks for it here is a version, which publishes the newest.
    Attribute { name: "StateMachineRevisionId", value: |_, _| "INITIAL".to_owned() },
];

const PROPERTIES: &[Property] = &[
    served("StateMachineName"),
    served("StateMachineType"),
    served("DefinitionString"),
    served("Definition"),
    served("DefinitionSubstitutions"),
    served("RoleArn"),
    served("LoggingConfiguration"),
    served("TracingConfiguration"),
    ignored("EncryptionConfiguration", NO_EFFECT),
    ignored("Tags", NO_EFFECT),
    served("DefinitionS3Location"),
];

const KINDS: &[(&str, StateMachineKind)] =
    &[("STANDARD", StateMachineKind::Standard), ("EXPRESS", StateMachineKind::Express)];
const TRACING: &[Property] = &[served("Enabled")];

/// `loggingConfiguration` of CreateStateMachine; the API begins names in lower case.
const LOGGING: Shape = Shape::Object(&[
    renamed("Level", "level", Shape::Text),
    renamed("IncludeExecutionData", "includeExecutionData", Shape::Flag),
    renamed(
        "Destinations",
        "destinations",
        Shape::List(&Shape::Object(&[renamed(
            "CloudWatchLogsLogGroup",
            "cloudWatchLogsLogGroup",
            Shape::Object(&[renamed("LogGroupArn", "logGroupArn", Shape::Text)]),
        )])),
    ),
]);

/// The properties that the two types call differently.
pub(super) struct Names {
    pub kind: &'static str,
    pub role: &'static str,
    pub logging: &'static str,
    pub tracing: &'static str,
}

pub(super) fn arn(site: &Site, machine: &Identity) -> String {
    crate::names::arn(site, "states", &format!("stateMachine:{}", machine.name))
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    const NAMES: Names = Names {
        kind: "StateMachineType",
        role: "RoleArn",
        logging: "LoggingConfiguration",
        tracing: "TracingConfiguration",
    };
    let properties = build.properties(identity, resource);
    properties.require("RoleArn");
    let definition = match definition::only(&properties, &["DefinitionString", "Definition", "DefinitionS3Location"]) {
        Some("DefinitionString") => definition::from_string(build, &properties, "DefinitionString"),
        Some("DefinitionS3Location") => definition::from_location(build, &properties, "DefinitionS3Location"),
        Some(_) => definition::from_object(build, &properties, "Definition"),
        None => None,
    };
    push(build, identity, resource, &properties, &NAMES, definition);
}

pub(super) fn push(
    build: &mut Build<'_>,
    identity: &Identity,
    resource: &Resource,
    properties: &Properties<'_>,
    names: &Names,
    definition: Option<Definition>,
) {
    let kind = properties.choice(names.kind, KINDS).unwrap_or_default();
    let logging = properties
        .node(names.logging)
        .and_then(|node| shape::json(properties.scope, node, &LOGGING, names.logging))
        .filter(|logging| *logging != Json::Object(Map::new()));
    let tracing =
        properties.nested(names.tracing, TRACING).and_then(|tracing| tracing.flag("Enabled")).unwrap_or(false);
    let role_arn = build.role(identity, properties.text(names.role));
    let Some(definition) = definition else { return };
    build.plan.state_machines.push(StateMachine {
        logical_id: identity.logical_id.clone(),
        name: identity.name.clone(),
        arn: arn(&build.scope.site, identity),
        at: resource.at,
        kind,
        definition,
        role_arn,
        logging,
        tracing,
    });
}

//! `AWS::Serverless::StateMachine`: a state machine with its role, its definition in a file or in the template.

use super::machine_version::auto_published;
use super::state_machine::{ATTRIBUTES, NAME_MAX, Names, arn, push};
use super::{Build, Type, definition, event, implied_role};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Property, ignored, served};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Serverless::StateMachine",
    becomes: Some("AWS::StepFunctions::StateMachine"),
    summary: "a state machine, its definition in a file or in the template",
    named_by: Some("Name"),
    name_max: NAME_MAX,
    reference: arn,
    attributes: ATTRIBUTES,
    properties: PROPERTIES,
    implied: implied_role,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[
    served("Name"),
    served("Type"),
    served("Definition"),
    served("DefinitionUri"),
    served("DefinitionSubstitutions"),
    served("Role"),
    served("Logging"),
    served("Tracing"),
    served("AutoPublishAlias"),
    served("UseAliasAsEventTarget"),
    ignored("DeploymentPreference", "the alias moves to what is published at once"),
    ignored("PermissionsBoundary", NO_PERMISSIONS),
    ignored("Policies", NO_PERMISSIONS),
    ignored("PropagateTags", NO_EFFECT),
    ignored("RolePath", NO_PERMISSIONS),
    ignored("Tags", NO_EFFECT),
    served("Events"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    const NAMES: Names = Names { kind: "Type", role: "Role", logging: "Logging", tracing: "Tracing" };
    let properties = build.properties(identity, resource);
    let definition = match definition::only(&properties, &["DefinitionUri", "Definition"]) {
        Some("DefinitionUri") => definition::from_location(build, &properties, "DefinitionUri"),
        Some(_) => definition::from_object(build, &properties, "Definition"),
        None => None,
    };
    push(build, identity, resource, &properties, &NAMES, definition);
    let machine_arn = arn(&build.scope.site, identity);
    let alias = properties.text("AutoPublishAlias");
    let alias_arn = alias.map(|name| auto_published(build, identity, resource, &name));
    let is_by_alias = properties.flag("UseAliasAsEventTarget") == Some(true);
    let target = alias_arn.filter(|_| is_by_alias).unwrap_or(machine_arn);
    event::of_machine(build, identity, &properties, &target);
}

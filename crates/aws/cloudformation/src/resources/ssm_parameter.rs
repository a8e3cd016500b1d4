//! `AWS::SSM::Parameter`: a value by name, which templates and functions read.

use super::{Attribute, Build, Type};
use crate::plan::Parameter;
use crate::properties::{NO_EFFECT, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::SSM::Parameter",
    summary: "a parameter",
    named_by: Some("Name"),
    name_max: 1011,
    attributes: &[Attribute { name: "Arn", value: arn }],
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[
    served("Name"),
    served("Type"),
    served("Value"),
    served("Description"),
    ignored("Tags", NO_EFFECT),
    ignored("Tier", NO_EFFECT),
    ignored("DataType", NO_EFFECT),
    unsupported("AllowedPattern", "values are not held against patterns here"),
    unsupported("Policies", "parameters do not expire here"),
];

const TYPES: &[(&str, bool)] = &[("String", false), ("StringList", true)];

fn arn(site: &crate::scope::Site, parameter: &Identity) -> String {
    crate::names::arn(site, "ssm", &format!("parameter/{}", parameter.name.trim_start_matches('/')))
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let is_list = properties.choice("Type", TYPES).unwrap_or(false);
    properties.require("Type");
    let description = properties.text("Description").unwrap_or_default();
    let Some(value) = properties.required_text("Value") else { return };
    build.plan.parameters.push(Parameter {
        logical_id: identity.logical_id.clone(),
        name: identity.name.clone(),
        at: resource.at,
        is_list,
        value,
        description,
    });
}

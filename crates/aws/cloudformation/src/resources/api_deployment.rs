//! `AWS::ApiGateway::Deployment`: what a stage shows. Here every stage shows the API as it is; a deployment that names a
//! stage makes it.

use std::collections::BTreeMap;

use super::{Attribute, Build, Type};
use crate::gateway::{Stage, segment_id};
use crate::properties::{NO_EFFECT, Property, ignored, served, unsupported};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGateway::Deployment",
    summary: "the stage it names, if it names one",
    reference,
    attributes: &[Attribute { name: "DeploymentId", value: reference }],
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[
    served("RestApiId"),
    served("StageName"),
    ignored("Description", NO_EFFECT),
    ignored("StageDescription", NO_EFFECT),
    unsupported("DeploymentCanarySettings", "remove it; there is one deployment here"),
];

fn reference(site: &Site, deployment: &Identity) -> String {
    segment_id(site, &deployment.logical_id)
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let (api, name) = (properties.required_text("RestApiId"), properties.text("StageName"));
    if let (Some(api), Some(name)) = (api, name) {
        let (api_at, at) = (properties.place("RestApiId"), properties.place("StageName"));
        build.gateway.stages.push(Stage { api, api_at, name, variables: BTreeMap::new(), at });
    }
}

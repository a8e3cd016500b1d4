//! `AWS::ApiGatewayV2::Deployment`: what a stage shows. Here every stage shows the API as it is.

use super::{Attribute, Build, Type};
use crate::gateway::segment_id;
use crate::properties::{NO_EFFECT, ignored, served};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGatewayV2::Deployment",
    summary: "a deployment of an HTTP API; its stages show the API as it is",
    reference,
    attributes: &[Attribute { name: "DeploymentId", value: reference }],
    // A stage that it names is one of the template's own.
    properties: &[served("ApiId"), served("StageName"), ignored("Description", NO_EFFECT)],
    build,
    ..Type::PLAIN
};

fn reference(site: &Site, deployment: &Identity) -> String {
    segment_id(site, &deployment.logical_id)
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    build.properties(identity, resource).require("ApiId");
}

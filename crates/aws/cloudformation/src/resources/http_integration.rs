//! `AWS::ApiGatewayV2::Integration`: what a route of an HTTP API leads to.

use super::{Attribute, Build, Type, api_integration};
use crate::gateway::integration_id;
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGatewayV2::Integration",
    summary: "what a route of an HTTP API calls: a function (AWS_PROXY), or StepFunctions-StartExecution and its like",
    reference,
    attributes: &[Attribute { name: "IntegrationId", value: reference }],
    properties: api_integration::HTTP,
    build,
    ..Type::PLAIN
};

fn reference(site: &Site, integration: &Identity) -> String {
    integration_id(site, &integration.logical_id)
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    properties.require("ApiId");
    if let Some(target) = api_integration::of_http(&properties) {
        build.gateway.integrations.insert(reference(&build.scope.site, identity), target);
    }
}

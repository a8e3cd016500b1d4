//! `AWS::ApiGateway::RestApi`: an API whose paths, methods and stages are resources of their own.

use super::{Attribute, Build, Type};
use crate::gateway::{self, api_id, root_id};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Property, ignored, served, unsupported};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGateway::RestApi",
    summary: "a REST API",
    reference,
    attributes: ATTRIBUTES,
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

pub(super) const ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "RootResourceId", value: |site, api| root_id(site, &api.logical_id) },
    Attribute { name: "RestApiId", value: reference },
];

const PROPERTIES: &[Property] = &[
    served("Name"),
    served("BinaryMediaTypes"),
    ignored("Description", NO_EFFECT),
    ignored("EndpointAccessMode", NO_EFFECT),
    ignored("EndpointConfiguration", NO_EFFECT),
    ignored("FailOnWarnings", NO_EFFECT),
    ignored("MinimumCompressionSize", "answers are not compressed here"),
    ignored("Policy", NO_PERMISSIONS),
    ignored("SecurityPolicy", NO_EFFECT),
    ignored("Tags", NO_EFFECT),
    unsupported("ApiKeySourceType", "check the key in the function"),
    unsupported("Body", "declare AWS::ApiGateway::Resource and Method, or use AWS::Serverless::Api"),
    unsupported("BodyS3Location", "declare AWS::ApiGateway::Resource and Method, or use AWS::Serverless::Api"),
    unsupported("CloneFrom", "declare the API's own resources and methods"),
    unsupported("DisableExecuteApiEndpoint", "remove it; the API has no other address here"),
    unsupported("Mode", "remove it; it belongs to Body"),
    unsupported("Parameters", "remove it; it belongs to Body"),
];

pub(super) fn reference(site: &Site, api: &Identity) -> String {
    api_id(site, &api.logical_id)
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    if let Some(name) = properties.required_text("Name") {
        let media_types = properties.texts("BinaryMediaTypes").unwrap_or_default();
        gateway::push_api(build, identity, resource, name, media_types);
    }
}

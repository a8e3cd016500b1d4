//! `AWS::ApiGateway::RestApi`: an API whose paths and methods are resources of their own, or an OpenAPI document.

use super::{Attribute, Build, Type};
use crate::gateway::{self, api_id, root_id};
use crate::openapi;
use crate::plan::ApiKind;
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
    served("Body"),
    served("BodyS3Location"),
    ignored("ApiKeySourceType", "API keys are not asked for here"),
    unsupported("CloneFrom", "declare the API's own resources and methods"),
    unsupported("DisableExecuteApiEndpoint", "remove it; the API has no other address here"),
    ignored("Mode", NO_EFFECT),
    ignored("Parameters", NO_EFFECT),
];

pub(super) fn reference(site: &Site, api: &Identity) -> String {
    api_id(site, &api.logical_id)
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let document = openapi::document(build, &properties, "Body", "BodyS3Location");
    let titled = || document.as_ref().and_then(openapi::title);
    let Some(name) = properties.text("Name").or_else(titled).or_else(|| properties.required_text("Name")) else {
        return;
    };
    gateway::push_api(build, identity, resource, ApiKind::Rest, name);
    let api = build.plan.apis.last_mut().expect("it was pushed just now");
    api.binary_media_types = properties.texts("BinaryMediaTypes").unwrap_or_default();
    if let Some(document) = document {
        openapi::describe(build, &properties, identity, &document);
    }
}

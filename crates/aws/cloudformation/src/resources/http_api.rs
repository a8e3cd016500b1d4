//! `AWS::ApiGatewayV2::Api`: an HTTP API whose routes and integrations are resources of their own, an OpenAPI document, or one
//! route to a function (quick create).

use super::{Attribute, Build, Type, cors};
use crate::gateway::{self, Call, Target, api_id};
use crate::openapi;
use crate::plan::{ApiKind, DEFAULT};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Properties, Property, ignored, served, unsupported};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGatewayV2::Api",
    summary: "an HTTP API",
    reference,
    attributes: ATTRIBUTES,
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

pub(super) const ATTRIBUTES: &[Attribute] =
    &[Attribute { name: "ApiEndpoint", value: endpoint }, Attribute { name: "ApiId", value: reference }];

const PROPERTIES: &[Property] = &[
    served("Name"),
    served("ProtocolType"),
    served("CorsConfiguration"),
    served("Target"),
    served("RouteKey"),
    served("Body"),
    served("BodyS3Location"),
    ignored("CredentialsArn", NO_PERMISSIONS),
    ignored("Description", NO_EFFECT),
    ignored("FailOnWarnings", NO_EFFECT),
    ignored("IpAddressType", NO_EFFECT),
    ignored("Tags", NO_EFFECT),
    ignored("Version", NO_EFFECT),
    ignored("BasePath", NO_EFFECT),
    unsupported("ApiKeySelectionExpression", "it is of WebSocket APIs"),
    unsupported("DisableExecuteApiEndpoint", "remove it; the API has no other address here"),
    unsupported("DisableSchemaValidation", "it is of WebSocket APIs"),
    unsupported("RouteSelectionExpression", "it is of WebSocket APIs"),
];

pub(super) fn reference(site: &Site, api: &Identity) -> String {
    api_id(site, &api.logical_id)
}

/// As AWS would give it; where it is shown, the local address takes its place.
pub(super) fn endpoint(site: &Site, api: &Identity) -> String {
    let (id, region) = (reference(site, api), &site.home.region);
    format!("https://{id}.execute-api.{region}.{}", crate::scope::URL_SUFFIX)
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    if let Some(protocol) = properties.text("ProtocolType").filter(|protocol| protocol != "HTTP") {
        let message = format!("APIs of the protocol {protocol} are not supported");
        return properties.error("ProtocolType", message, "served: HTTP");
    }
    let document = openapi::document(build, &properties, "Body", "BodyS3Location");
    let titled = || document.as_ref().and_then(openapi::title);
    let Some(name) = properties.text("Name").or_else(titled).or_else(|| properties.required_text("Name")) else {
        return;
    };
    gateway::push_api(build, identity, resource, ApiKind::Http, name);
    let configured = cors(&properties, "CorsConfiguration", false);
    build.plan.apis.last_mut().expect("it was pushed just now").cors = configured;
    if let Some(document) = document {
        openapi::describe(build, &properties, identity, &document);
    }
    if properties.node("Target").is_some() {
        quick_create(build, identity, &properties);
    }
}

/// One route, by default `$default`, and the stage `$default`.
fn quick_create(build: &mut Build<'_>, identity: &Identity, properties: &Properties<'_>) {
    let Some(target) = properties.text("Target") else { return };
    if !target.starts_with("arn:") {
        let message = format!("\"{target}\" is no function");
        return properties.error("Target", message, "served: the ARN of a function");
    }
    let key = properties.text("RouteKey").unwrap_or_else(|| DEFAULT.to_owned());
    let Some((method, path)) = super::http_route::split_key(properties, "RouteKey", &key) else { return };
    let target = Target::Function { arn: target, payload_format: "2.0", timeout_ms: None };
    let api = reference(&build.scope.site, identity);
    let (api_at, at) = (properties.at, properties.place("Target"));
    let resource = identity.logical_id.clone();
    let stage = gateway::Stage { api: api.clone(), api_at, name: DEFAULT.into(), variables: Default::default(), at };
    build.gateway.stages.push(stage);
    build.gateway.calls.push(Call { resource, api, api_at, path, method, target, at, is_event: false });
}

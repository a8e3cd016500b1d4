//! `AWS::Serverless::HttpApi`: an HTTP API with one stage; its routes are the events of functions, or an OpenAPI document.

use super::http_api::{ATTRIBUTES, reference};
use super::{Build, Implied, Type, cors, find, http_stage};
use crate::gateway;
use crate::node;
use crate::openapi;
use crate::plan::{ApiKind, DEFAULT};
use crate::properties::{NO_EFFECT, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Serverless::HttpApi",
    summary: "an HTTP API and its stage",
    becomes: Some("AWS::ApiGatewayV2::Api"),
    reference,
    attributes: ATTRIBUTES,
    properties: PROPERTIES,
    implied: stage,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[
    served("Name"),
    served("StageName"),
    served("StageVariables"),
    served("CorsConfiguration"),
    served("DefinitionBody"),
    served("DefinitionUri"),
    ignored("AccessLogSettings", NO_EFFECT),
    ignored("DefaultRouteSettings", NO_EFFECT),
    ignored("Description", NO_EFFECT),
    ignored("Domain", "the API is served under a local address"),
    ignored("FailOnWarnings", NO_EFFECT),
    ignored("PropagateTags", NO_EFFECT),
    ignored("RouteSettings", NO_EFFECT),
    ignored("Tags", NO_EFFECT),
    unsupported("Auth", "check the caller in the function"),
    unsupported("DisableExecuteApiEndpoint", "remove it; the API has no other address here"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let name = properties.text("Name").unwrap_or_else(|| build.scope.site.stack_name.clone());
    let api = reference(&build.scope.site, identity);
    gateway::push_api(build, identity, resource, ApiKind::Http, name);
    let configured = cors(&properties, "CorsConfiguration", true);
    build.plan.apis.last_mut().expect("it was pushed just now").cors = configured;
    let (api_at, at) = (resource.at, properties.place("StageName"));
    let name = properties.text("StageName").unwrap_or_else(|| DEFAULT.to_owned());
    let variables = properties.text_map("StageVariables");
    build.gateway.stages.push(gateway::Stage { api, api_at, name, variables, at });
    if let Some(document) = openapi::document(build, &properties, "DefinitionBody", "DefinitionUri") {
        openapi::describe(build, &properties, identity, &document);
    }
}

/// What SAM calls the stage: `<Api>ApiGatewayDefaultStage`, or `<Api><StageName>Stage`.
fn stage(resource: &Resource) -> Vec<Implied> {
    let name = node::find(&resource.properties, "StageName").and_then(node::Node::text);
    let name = name.unwrap_or_else(|| DEFAULT.to_owned());
    let kind = find(http_stage::TYPE.name).expect("the stage's type is in the table");
    let middle = if name == DEFAULT { "ApiGatewayDefault" } else { name.as_str() };
    vec![Implied { logical_id: format!("{}{middle}Stage", resource.id), kind, name: Some(name) }]
}

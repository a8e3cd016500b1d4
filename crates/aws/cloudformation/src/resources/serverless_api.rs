//! `AWS::Serverless::Api`: an API with one stage; its routes are the events of functions.

use super::rest_api::{ATTRIBUTES, reference};
use super::{Build, Implied, Type, api_stage, find};
use crate::gateway;
use crate::node;
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::Serverless::Api",
    becomes: Some("AWS::ApiGateway::RestApi"),
    summary: "a REST API and its stage",
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
    served("Variables"),
    served("BinaryMediaTypes"),
    ignored("AccessLogSetting", NO_EFFECT),
    ignored("AlwaysDeploy", NO_EFFECT),
    ignored("CacheClusterEnabled", "answers are not cached here"),
    ignored("CacheClusterSize", "answers are not cached here"),
    ignored("Description", NO_EFFECT),
    ignored("EndpointAccessMode", NO_EFFECT),
    ignored("EndpointConfiguration", NO_EFFECT),
    ignored("FailOnWarnings", NO_EFFECT),
    ignored("MethodSettings", NO_EFFECT),
    ignored("MinimumCompressionSize", "answers are not compressed here"),
    ignored("Mode", NO_EFFECT),
    ignored("OpenApiVersion", NO_EFFECT),
    ignored("Policy", NO_PERMISSIONS),
    ignored("PropagateTags", NO_EFFECT),
    ignored("SecurityPolicy", NO_EFFECT),
    ignored("Tags", NO_EFFECT),
    ignored("TracingEnabled", NO_EFFECT),
    unsupported("ApiKeySourceType", "check the key in the function"),
    unsupported("Auth", "check the caller in the function"),
    unsupported("CanarySetting", "remove it; there is one deployment here"),
    unsupported("Cors", "answer OPTIONS and set the headers in the function"),
    unsupported("DefinitionBody", "declare the routes as events of functions"),
    unsupported("DefinitionUri", "declare the routes as events of functions"),
    unsupported("DisableExecuteApiEndpoint", "remove it; the API has no other address here"),
    unsupported("Domain", "remove it; the API is served under a local address"),
    unsupported("GatewayResponses", "answer errors in the function"),
    unsupported("MergeDefinitions", "declare the routes as events of functions"),
    unsupported("Models", "check the body in the function"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let name = properties.text("Name").unwrap_or_else(|| build.scope.site.stack_name.clone());
    let id = reference(&build.scope.site, identity);
    let stage = properties.required_text("StageName");
    gateway::push_api(build, identity, resource, name, properties.texts("BinaryMediaTypes").unwrap_or_default());
    if let Some(stage) = stage {
        let (api_at, at) = (resource.at, properties.place("StageName"));
        let variables = properties.text_map("Variables");
        build.gateway.stages.push(gateway::Stage { api: id, api_at, name: stage, variables, at });
    }
}

/// SAM calls the stage `<Api><StageName>Stage`; one whose name is a function's value cannot be referred to here.
fn stage(resource: &Resource) -> Vec<Implied> {
    let Some(name) = node::find(&resource.properties, "StageName").and_then(node::Node::text) else {
        return Vec::new();
    };
    let kind = find(api_stage::TYPE.name).expect("the stage's type is in the table");
    vec![Implied { logical_id: format!("{}{name}Stage", resource.id), kind, name: Some(name) }]
}

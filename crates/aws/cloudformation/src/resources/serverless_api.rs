//! `AWS::Serverless::Api`: an API with one stage; its routes are the events of functions, or an OpenAPI document.

use std::collections::BTreeMap;

use super::rest_api::{ATTRIBUTES, reference};
use super::{Build, Implied, Type, api_stage, find};
use crate::gateway;
use crate::node;
use crate::openapi;
use crate::plan::{ApiKind, Integration, MappedResponse, Mapping};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, NOT_VALIDATED, Properties, Property, ignored, served, unsupported};
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
    served("Cors"),
    served("DefinitionBody"),
    served("DefinitionUri"),
    ignored("ApiKeySourceType", "API keys are not asked for here"),
    ignored("Domain", "the API is served under a local address"),
    ignored("GatewayResponses", "refusals have AWS's own form here"),
    ignored("MergeDefinitions", NO_EFFECT),
    ignored("Models", NOT_VALIDATED),
    unsupported("Auth", "check the caller in the function"),
    unsupported("CanarySetting", "remove it; there is one deployment here"),
    unsupported("DisableExecuteApiEndpoint", "remove it; the API has no other address here"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let name = properties.text("Name").unwrap_or_else(|| build.scope.site.stack_name.clone());
    let id = reference(&build.scope.site, identity);
    let stage = properties.required_text("StageName");
    gateway::push_api(build, identity, resource, ApiKind::Rest, name);
    let api = build.plan.apis.last_mut().expect("it was pushed just now");
    // SAM writes `image~1png`, since it puts them into a JSON pointer.
    let types = properties.texts("BinaryMediaTypes").unwrap_or_default();
    api.binary_media_types = types.iter().map(|kind| kind.replace("~1", "/")).collect();
    if let Some(answer) = preflight(&properties) {
        build.gateway.preflights.push((id.clone(), properties.place("Cors"), answer));
    }
    if let Some(document) = openapi::document(build, &properties, "DefinitionBody", "DefinitionUri") {
        openapi::describe(build, &properties, identity, &document);
    }
    if let Some(stage) = stage {
        let (api_at, at) = (resource.at, properties.place("StageName"));
        let variables = properties.text_map("Variables");
        build.gateway.stages.push(gateway::Stage { api: id, api_at, name: stage, variables, at });
    }
}

/// What SAM lets each path answer to OPTIONS. Values are mapping expressions, so a text has quotes of its own.
fn preflight(properties: &Properties<'_>) -> Option<Integration> {
    const CORS: &[Property] = &[
        served("AllowOrigin"),
        served("AllowHeaders"),
        served("AllowMethods"),
        served("AllowCredentials"),
        served("MaxAge"),
    ];
    let mut headers = BTreeMap::new();
    match properties.node("Cors")?.map() {
        None => drop(headers.insert("Access-Control-Allow-Origin".to_owned(), properties.text("Cors")?)),
        Some(_) => {
            let cors = properties.nested("Cors", CORS)?;
            let names = [("AllowOrigin", "Allow-Origin"), ("AllowHeaders", "Allow-Headers")];
            for (name, header) in names.into_iter().chain([("AllowMethods", "Allow-Methods"), ("MaxAge", "Max-Age")]) {
                headers.extend(cors.text(name).map(|value| (format!("Access-Control-{header}"), value)));
            }
            if cors.flag("AllowCredentials") == Some(true) {
                headers.insert("Access-Control-Allow-Credentials".into(), "'true'".into());
            }
        }
    }
    let templates = BTreeMap::from([("application/json".to_owned(), "{}\n".to_owned())]);
    let response = MappedResponse { status: 200, pattern: None, headers, templates };
    let requests = BTreeMap::from([("application/json".to_owned(), "{ \"statusCode\": 200 }".to_owned())]);
    Some(Integration::Mock(Mapping { requests, passthrough: "WHEN_NO_MATCH".into(), responses: vec![response] }))
}

/// SAM calls the stage `<Api><StageName>Stage`; one whose name is a function's value cannot be referred to here.
fn stage(resource: &Resource) -> Vec<Implied> {
    let Some(name) = node::find(&resource.properties, "StageName").and_then(node::Node::text) else {
        return Vec::new();
    };
    let kind = find(api_stage::TYPE.name).expect("the stage's type is in the table");
    vec![Implied { logical_id: format!("{}{name}Stage", resource.id), kind, name: Some(name) }]
}

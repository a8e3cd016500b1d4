//! `AWS::ApiGateway::Stage`: a name under which an API is called.

use super::{Build, Type};
use crate::gateway::Stage;
use crate::properties::{NO_EFFECT, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGateway::Stage",
    summary: "a stage of a REST API",
    named_by: Some("StageName"),
    name_max: 128,
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[
    served("RestApiId"),
    served("StageName"),
    served("Variables"),
    ignored("AccessLogSetting", NO_EFFECT),
    ignored("CacheClusterEnabled", "answers are not cached here"),
    ignored("CacheClusterSize", "answers are not cached here"),
    ignored("ClientCertificateId", NO_EFFECT),
    ignored("DeploymentId", "every stage shows the API as it is"),
    ignored("Description", NO_EFFECT),
    ignored("DocumentationVersion", NO_EFFECT),
    ignored("MethodSettings", NO_EFFECT),
    ignored("Tags", NO_EFFECT),
    ignored("TracingEnabled", NO_EFFECT),
    unsupported("CanarySetting", "remove it; there is one deployment here"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let (api, name) = (properties.required_text("RestApiId"), properties.required_text("StageName"));
    if let (Some(api), Some(name)) = (api, name) {
        let (api_at, at) = (properties.place("RestApiId"), properties.place("StageName"));
        build.gateway.stages.push(Stage { api, api_at, name, variables: properties.text_map("Variables"), at });
    }
}

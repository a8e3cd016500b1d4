//! `AWS::ApiGatewayV2::Stage`: a name under which an HTTP API is called; `$default` is none in the path.

use super::{Build, Type};
use crate::gateway::Stage;
use crate::properties::{NO_EFFECT, Property, ignored, served};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGatewayV2::Stage",
    summary: "a stage of an HTTP API",
    named_by: Some("StageName"),
    name_max: 128,
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[
    served("ApiId"),
    served("StageName"),
    served("StageVariables"),
    ignored("AccessLogSettings", NO_EFFECT),
    ignored("AccessPolicyId", NO_EFFECT),
    ignored("AutoDeploy", "every stage shows the API as it is"),
    ignored("ClientCertificateId", NO_EFFECT),
    ignored("DefaultRouteSettings", NO_EFFECT),
    ignored("DeploymentId", "every stage shows the API as it is"),
    ignored("Description", NO_EFFECT),
    ignored("RouteSettings", NO_EFFECT),
    ignored("Tags", NO_EFFECT),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    let (api, name) = (properties.required_text("ApiId"), properties.required_text("StageName"));
    if let (Some(api), Some(name)) = (api, name) {
        let (api_at, at) = (properties.place("ApiId"), properties.place("StageName"));
        build.gateway.stages.push(Stage { api, api_at, name, variables: properties.text_map("StageVariables"), at });
    }
}

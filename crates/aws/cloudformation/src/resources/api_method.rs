//! `AWS::ApiGateway::Method`: a method on a path, and what answers it.

use super::event::known_method;
use super::{Build, Type, api_integration};
use crate::gateway::{Call, Method};
use crate::properties::{NO_EFFECT, NOT_VALIDATED, Properties, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGateway::Method",
    summary: "a method that calls a function (AWS_PROXY) or a service (AWS), or answers itself (MOCK)",
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[
    served("RestApiId"),
    served("ResourceId"),
    served("HttpMethod"),
    served("Integration"),
    served("AuthorizationType"),
    served("ApiKeyRequired"),
    ignored("MethodResponses", NO_EFFECT),
    ignored("OperationName", NO_EFFECT),
    ignored("RequestParameters", NO_EFFECT),
    ignored("RequestModels", NOT_VALIDATED),
    ignored("RequestValidatorId", NOT_VALIDATED),
    unsupported("AuthorizationScopes", "check the caller in the function"),
    unsupported("AuthorizerId", "check the caller in the function"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    refuse_authorization(&properties);
    let api = properties.required_text("RestApiId");
    let segment = properties.required_text("ResourceId");
    let method = properties.required_text("HttpMethod").and_then(|m| known_method(&properties, "HttpMethod", &m));
    properties.require("Integration");
    let integration = properties.nested("Integration", api_integration::REST);
    let target = integration.and_then(|integration| api_integration::of_rest(&integration));
    let (Some(api), Some(segment), Some(method), Some(target)) = (api, segment, method, target) else { return };
    let call = Call {
        resource: identity.logical_id.clone(),
        api,
        api_at: properties.place("RestApiId"),
        path: String::new(),
        method,
        target,
        at: resource.at,
        is_event: false,
    };
    build.gateway.methods.push(Method { segment, segment_at: properties.place("ResourceId"), call });
}

/// Nobody is asked for a signature or a key here; an authorizer would tell the function who calls.
fn refuse_authorization(properties: &Properties<'_>) {
    match properties.text("AuthorizationType").as_deref() {
        None | Some("NONE") => {}
        Some("AWS_IAM") => properties.note("AuthorizationType", "AWS_IAM: signatures are not asked for here"),
        Some(kind) => {
            let message = format!("AuthorizationType {kind} is not supported");
            properties.unsupported("AuthorizationType", message, "use NONE and check the caller in the function");
        }
    }
    if properties.flag("ApiKeyRequired") == Some(true) {
        properties.note("ApiKeyRequired", "API keys are not asked for here");
    }
}

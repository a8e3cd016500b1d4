//! `AWS::ApiGatewayV2::Route`: a method and a path of an HTTP API, or `$default`.

use super::event::known_method;
use super::{Attribute, Build, Type};
use crate::gateway::{Call, Target, segment_id};
use crate::plan::DEFAULT;
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served, unsupported};
use crate::scope::{Identity, Site};
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGatewayV2::Route",
    summary: "a route of an HTTP API",
    reference,
    attributes: &[Attribute { name: "RouteId", value: reference }],
    properties: PROPERTIES,
    build,
    ..Type::PLAIN
};

const PROPERTIES: &[Property] = &[
    served("ApiId"),
    served("RouteKey"),
    served("Target"),
    served("AuthorizationType"),
    ignored("ApiKeyRequired", "API keys are not asked for here"),
    ignored("OperationName", NO_EFFECT),
    unsupported("AuthorizationScopes", "check the caller in the function"),
    unsupported("AuthorizerId", "check the caller in the function"),
    unsupported("ModelSelectionExpression", "it is of WebSocket APIs"),
    unsupported("RequestModels", "it is of WebSocket APIs"),
    unsupported("RequestParameters", "it is of WebSocket APIs"),
    unsupported("RouteResponseSelectionExpression", "it is of WebSocket APIs"),
];

fn reference(site: &Site, route: &Identity) -> String {
    segment_id(site, &route.logical_id)
}

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    match properties.text("AuthorizationType").as_deref() {
        None | Some("NONE") => {}
        Some("AWS_IAM") => properties.note("AuthorizationType", "AWS_IAM: signatures are not asked for here"),
        Some(kind) => {
            let message = format!("AuthorizationType {kind} is not supported");
            properties.unsupported("AuthorizationType", message, "use NONE and check the caller in the function");
        }
    }
    let (api, target) = (properties.required_text("ApiId"), properties.required_text("Target"));
    let key = properties.required_text("RouteKey").and_then(|key| split_key(&properties, "RouteKey", &key));
    let (Some(api), Some(target), Some((method, path))) = (api, target, key) else { return };
    let Some(integration) = target.strip_prefix("integrations/") else {
        let message = format!("\"{target}\" is no integration");
        return properties.error("Target", message, "write integrations/{id of an AWS::ApiGatewayV2::Integration}");
    };
    let (resource_id, at) = (identity.logical_id.clone(), resource.at);
    build.gateway.calls.push(Call {
        resource: resource_id,
        api,
        api_at: properties.place("ApiId"),
        path,
        method,
        target: Target::Integration(integration.to_owned()),
        at,
        is_event: false,
    });
}

/// Method and path of a route key: `GET /trips/{id}`, `ANY /{proxy+}`, `$default`.
pub(super) fn split_key(properties: &Properties<'_>, name: &str, key: &str) -> Option<(String, String)> {
    if key == DEFAULT {
        return Some(("ANY".to_owned(), DEFAULT.to_owned()));
    }
    match key.split_once(' ') {
        Some((method, path)) if path.starts_with('/') => {
            Some((known_method(properties, name, method)?, path.to_owned()))
        }
        _ => {
            let message = format!("\"{key}\" is no route key");
            properties.error(name, message, "write a method and a path (`GET /trips/{id}`), or $default");
            None
        }
    }
}

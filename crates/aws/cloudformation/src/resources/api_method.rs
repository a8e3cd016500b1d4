//! `AWS::ApiGateway::Method`: a method on a path, answered by a function as it is (AWS_PROXY).

use super::event::known_method;
use super::{Build, Type};
use crate::gateway::{Call, Method};
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served, unsupported};
use crate::scope::Identity;
use crate::template::Resource;

pub(super) const TYPE: Type = Type {
    name: "AWS::ApiGateway::Method",
    summary: "a method that calls a function (AWS_PROXY)",
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
    unsupported("AuthorizationScopes", "check the caller in the function"),
    unsupported("AuthorizerId", "check the caller in the function"),
    unsupported("RequestModels", "check the body in the function"),
    unsupported("RequestValidatorId", "check the request in the function"),
];

const INTEGRATION: &[Property] = &[
    served("Type"),
    served("Uri"),
    ignored("CacheKeyParameters", "answers are not cached here"),
    ignored("CacheNamespace", "answers are not cached here"),
    ignored("Credentials", crate::properties::NO_PERMISSIONS),
    ignored("IntegrationHttpMethod", "a function is always called by POST"),
    ignored("IntegrationResponses", NO_EFFECT),
    ignored("PassthroughBehavior", NO_EFFECT),
    unsupported("ConnectionId", "there are no private networks here"),
    unsupported("ConnectionType", "there are no private networks here"),
    unsupported("ContentHandling", "use BinaryMediaTypes of the API"),
    unsupported("IntegrationTarget", "there are no private networks here"),
    unsupported("RequestParameters", "read the request in the function"),
    unsupported("RequestTemplates", "read the request in the function"),
    unsupported("ResponseTransferMode", "remove it; answers are sent whole"),
    unsupported("TimeoutInMillis", "remove it; AWS's default of 29 seconds holds"),
];

fn build(build: &mut Build<'_>, identity: &Identity, resource: &Resource) {
    let properties = build.properties(identity, resource);
    refuse_authorization(&properties);
    let api = properties.required_text("RestApiId");
    let segment = properties.required_text("ResourceId");
    let method = properties.required_text("HttpMethod").and_then(|m| known_method(&properties, "HttpMethod", &m));
    properties.require("Integration");
    let function = properties.nested("Integration", INTEGRATION).and_then(|integration| function(&integration));
    let (Some(api), Some(segment), Some(method), Some(function_arn)) = (api, segment, method, function) else { return };
    let call = Call {
        resource: identity.logical_id.clone(),
        api,
        api_at: properties.place("RestApiId"),
        path: String::new(),
        method,
        function_arn,
        at: resource.at,
    };
    build.gateway.methods.push(Method { segment, segment_at: properties.place("ResourceId"), call });
}

fn refuse_authorization(properties: &Properties<'_>) {
    if let Some(kind) = properties.text("AuthorizationType").filter(|kind| kind != "NONE") {
        let message = format!("AuthorizationType {kind} is not supported");
        properties.error("AuthorizationType", message, "use NONE and check the caller in the function");
    }
    if properties.flag("ApiKeyRequired") == Some(true) {
        properties.error("ApiKeyRequired", "API keys are not supported", "check the key in the function");
    }
}

/// The function an integration calls.
fn function(integration: &Properties<'_>) -> Option<String> {
    let kind = integration.required_text("Type")?;
    if kind != "AWS_PROXY" {
        integration.error(
            "Type",
            format!("integrations of type {kind} are not supported"),
            "served: AWS_PROXY to a function",
        );
        return None;
    }
    let uri = integration.required_text("Uri")?;
    let function = uri.split_once("/functions/").and_then(|(_, rest)| rest.strip_suffix("/invocations"));
    if function.is_none() {
        let form = "arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function arn}/invocations";
        integration.error("Uri", format!("\"{uri}\" does not call a function"), format!("write {form}"));
    }
    // A version or an alias behind the name: here the function itself is called.
    let parts: Vec<&str> = function?.splitn(8, ':').take(7).collect();
    Some(parts.join(":"))
}

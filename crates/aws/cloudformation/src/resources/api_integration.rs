//! What stands behind a method of a REST API or a route of an HTTP API, whether a resource says so or an OpenAPI document.

use std::collections::BTreeMap;

use crate::gateway::Target;
use crate::node::{Entry, Node};
use crate::plan::{Integration, MappedResponse, Mapping};
use crate::properties::{NO_EFFECT, NO_PERMISSIONS, Properties, Property, ignored, served, unsupported};

/// Of REST APIs.
pub(crate) const REST: &[Property] = &[
    served("Type"),
    served("Uri"),
    served("RequestTemplates"),
    served("PassthroughBehavior"),
    served("IntegrationResponses"),
    served("Responses"),
    served("TimeoutInMillis"),
    ignored("CacheKeyParameters", "answers are not cached here"),
    ignored("CacheNamespace", "answers are not cached here"),
    ignored("Credentials", NO_PERMISSIONS),
    ignored("IntegrationHttpMethod", "a function is always called by POST"),
    ignored("HttpMethod", "a function is always called by POST"),
    ignored("RequestParameters", "headers and queries of a call to a service have no effect here"),
    unsupported("ConnectionId", "there are no private networks here"),
    unsupported("ConnectionType", "there are no private networks here"),
    unsupported("ContentHandling", "use BinaryMediaTypes of the API"),
    unsupported("IntegrationTarget", "there are no private networks here"),
    unsupported("ResponseTransferMode", "remove it; answers are sent whole"),
    unsupported("TlsConfig", "there is no other server to call"),
];

/// Of HTTP APIs.
pub(crate) const HTTP: &[Property] = &[
    served("ApiId"),
    served("IntegrationType"),
    served("IntegrationUri"),
    served("IntegrationSubtype"),
    served("PayloadFormatVersion"),
    served("RequestParameters"),
    served("TimeoutInMillis"),
    ignored("ConnectionType", "INTERNET is the only one here"),
    ignored("CredentialsArn", NO_PERMISSIONS),
    ignored("Description", NO_EFFECT),
    ignored("IntegrationMethod", "a function is always called by POST"),
    ignored("PassthroughBehavior", "it is of WebSocket APIs"),
    unsupported("ConnectionId", "there are no private networks here"),
    unsupported("ContentHandlingStrategy", "it is of WebSocket APIs"),
    unsupported("RequestTemplates", "it is of WebSocket APIs"),
    unsupported("ResponseParameters", "set headers and status in the function"),
    unsupported("TemplateSelectionExpression", "it is of WebSocket APIs"),
    unsupported("TlsConfig", "there is no other server to call"),
];

const RESPONSE: &[Property] = &[
    served("StatusCode"),
    served("SelectionPattern"),
    served("ResponseParameters"),
    served("ResponseTemplates"),
    unsupported("ContentHandling", "use BinaryMediaTypes of the API"),
];

/// AWS's least and most of `TimeoutInMillis`; a REST API may have more than 29 seconds by a quota.
const REST_TIMEOUT_MS: std::ops::RangeInclusive<u32> = 50..=300_000;
const HTTP_TIMEOUT_MS: std::ops::RangeInclusive<u32> = 50..=30_000;

/// The integration of a REST API.
pub(crate) fn of_rest(integration: &Properties<'_>) -> Option<Target> {
    let kind = integration.required_text("Type")?.to_ascii_uppercase();
    let timeout_ms = integration.number("TimeoutInMillis", REST_TIMEOUT_MS);
    match kind.as_str() {
        "AWS_PROXY" => {
            let uri = integration.required_text("Uri")?;
            let Some(arn) = function_of(&uri) else {
                let form = "arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function arn}/invocations";
                let message = format!("\"{uri}\" does not call a function");
                integration.error("Uri", message, format!("write {form}"));
                return None;
            };
            Some(Target::Function { arn, payload_format: "1.0", timeout_ms })
        }
        "AWS" => {
            let uri = integration.required_text("Uri")?;
            let Some((service, operation)) = action_of(&uri) else {
                let message = format!("\"{uri}\" is not called by APIs here");
                let help = "served: arn:aws:apigateway:{region}:states:action/{operation} and the same of dynamodb; use AWS_PROXY to call a function";
                integration.unsupported("Uri", message, help);
                return None;
            };
            let mapping = mapping(integration)?;
            Some(Target::Other(Integration::Action { service, operation, mapping, timeout_ms }))
        }
        "MOCK" => Some(Target::Other(Integration::Mock(mapping(integration)?))),
        _ => {
            let message = format!("integrations of type {kind} are not supported");
            integration.unsupported(
                "Type",
                message,
                "served: AWS_PROXY to a function, AWS to states and dynamodb, MOCK",
            );
            None
        }
    }
}

/// The integration of an HTTP API.
pub(crate) fn of_http(integration: &Properties<'_>) -> Option<Target> {
    const FORMATS: &[(&str, &str)] = &[("1.0", "1.0"), ("2.0", "2.0")];
    let kind = integration.required_text("IntegrationType")?.to_ascii_uppercase();
    let timeout_ms = integration.number("TimeoutInMillis", HTTP_TIMEOUT_MS);
    if kind != "AWS_PROXY" {
        let message = format!("integrations of type {kind} are not supported");
        integration.unsupported("IntegrationType", message, "served: AWS_PROXY to a function or by IntegrationSubtype");
        return None;
    }
    if let Some(subtype) = integration.text("IntegrationSubtype") {
        let parameters = integration.text_map("RequestParameters");
        return Some(Target::Other(Integration::Subtype { subtype, parameters, timeout_ms }));
    }
    if integration.node("RequestParameters").is_some() {
        let help = "read the request in the function";
        integration.unsupported("RequestParameters", "mapping the request of a function is not supported", help);
    }
    // AWS's default outside the console.
    let payload_format = match integration.node("PayloadFormatVersion") {
        None => "1.0",
        Some(_) => integration.choice("PayloadFormatVersion", FORMATS)?,
    };
    let uri = integration.required_text("IntegrationUri")?;
    let arn = function_of(&uri).or_else(|| is_function(&uri).then(|| uri.clone()));
    if arn.is_none() {
        let message = format!("\"{uri}\" is no function");
        integration.error(
            "IntegrationUri",
            message,
            "give a function's ARN, or the form with `/functions/{arn}/invocations`",
        );
    }
    Some(Target::Function { arn: arn?, payload_format, timeout_ms })
}

/// The function that a URI of API Gateway's form calls.
fn function_of(uri: &str) -> Option<String> {
    uri.split_once("/functions/").and_then(|(_, rest)| rest.strip_suffix("/invocations")).map(str::to_owned)
}

fn is_function(arn: &str) -> bool {
    arn.starts_with("arn:") && arn.split(':').nth(2) == Some("lambda")
}

/// Service and operation of `arn:aws:apigateway:{region}:{service}:action/{operation}`.
fn action_of(uri: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = uri.splitn(6, ':').collect();
    let [_, _, "apigateway", _, service @ ("states" | "dynamodb"), path] = parts.as_slice() else { return None };
    let operation = path.strip_prefix("action/")?.split('&').next()?;
    Some(((*service).to_owned(), operation.to_owned()))
}

fn mapping(integration: &Properties<'_>) -> Option<Mapping> {
    const PASSTHROUGH: &[&str] = &["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"];
    let passthrough = integration.text("PassthroughBehavior").unwrap_or_else(|| PASSTHROUGH[0].to_owned());
    let passthrough = passthrough.to_ascii_uppercase();
    if !PASSTHROUGH.contains(&passthrough.as_str()) {
        let message = format!("there is no PassthroughBehavior {passthrough}");
        integration.error("PassthroughBehavior", message, format!("use one of {}", PASSTHROUGH.join(", ")));
    }
    let requests = integration.text_map("RequestTemplates");
    let listed = integration.list("IntegrationResponses").unwrap_or_default();
    let mut responses: Vec<MappedResponse> =
        listed.iter().filter_map(|node| response(integration, node, None)).collect();
    // OpenAPI has them by pattern.
    for Entry { key, value, .. } in integration.entries("Responses").unwrap_or_default() {
        let pattern = (key != "default").then_some(key);
        responses.extend(response(integration, &capitalised(&value), Some(pattern)));
    }
    Some(Mapping { requests, passthrough, responses })
}

fn response(of: &Properties<'_>, node: &Node, pattern: Option<Option<String>>) -> Option<MappedResponse> {
    let entries = node.map().unwrap_or_default();
    let response = Properties::read(of.scope, "an integration response", node.at, entries, RESPONSE);
    response.require("StatusCode")?;
    let status = response.number("StatusCode", 100..=599)?;
    let pattern = pattern.unwrap_or_else(|| response.text("SelectionPattern").filter(|pattern| !pattern.is_empty()));
    let mut headers = BTreeMap::new();
    for (name, value) in response.text_map("ResponseParameters") {
        match name.strip_prefix("method.response.header.") {
            Some(name) => drop(headers.insert(name.to_owned(), value)),
            None => {
                let message = format!("\"{name}\" is no header of the answer");
                response.error("ResponseParameters", message, "write method.response.header.{name}");
            }
        }
    }
    Some(MappedResponse { status: status as u16, pattern, headers, templates: response.text_map("ResponseTemplates") })
}

/// The same map with names as resources write them: `requestTemplates` becomes `RequestTemplates`.
pub(crate) fn capitalised(node: &Node) -> Node {
    let Some(entries) = node.map() else { return node.clone() };
    let entry = |entry: &Entry| Entry { key: capital(&entry.key), ..entry.clone() };
    Node::new(node.at, crate::node::Value::Map(entries.iter().map(entry).collect()))
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

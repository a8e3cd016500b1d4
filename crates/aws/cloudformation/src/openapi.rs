//! An API that an OpenAPI document describes: each operation is a route, its `x-amazon-apigateway-integration` what answers.
//!
//! The document is a property of the template, so functions in it are resolved, or a file beside it.

use crate::diagnostic::Report;
use crate::gateway::{Call, Target, api_id};
use crate::node::{Entry, Node};
use crate::plan::{ApiKind, DEFAULT};
use crate::properties::{NOT_VALIDATED, Properties, Property, ignored, served, unsupported};
use crate::resources::api_integration::{self, capitalised};
use crate::resources::{Build, asset, local_path};
use crate::scope::Identity;
use crate::yaml;

const INTEGRATION: &str = "x-amazon-apigateway-integration";
const ANY: &str = "x-amazon-apigateway-any-method";
const METHODS: &[&str] = &["delete", "get", "head", "options", "patch", "post", "put"];
const NO_AUTHORIZERS: &str = "check the caller in the function, or give the operation `security: []`";

/// What a document may say at its top beside what every OpenAPI document says.
const EXTENSIONS: &[Property] = &[
    served("x-amazon-apigateway-binary-media-types"),
    served("x-amazon-apigateway-cors"),
    ignored("x-amazon-apigateway-api-key-source", "API keys are not asked for here"),
    ignored("x-amazon-apigateway-documentation", "documentation is not kept here"),
    ignored("x-amazon-apigateway-endpoint-configuration", "the API is served under a local address"),
    ignored("x-amazon-apigateway-gateway-responses", "refusals have AWS's own form here"),
    ignored("x-amazon-apigateway-importexport-version", "every stage shows the API as it is"),
    ignored("x-amazon-apigateway-minimum-compression-size", "answers are not compressed here"),
    ignored("x-amazon-apigateway-policy", "permissions are not enforced here"),
    ignored("x-amazon-apigateway-request-validator", NOT_VALIDATED),
    ignored("x-amazon-apigateway-request-validators", NOT_VALIDATED),
    unsupported("x-amazon-apigateway-route-selection-expression", "it is of WebSocket APIs"),
];

/// The document that a resource has: written in the template, or in a file that it names.
pub(crate) fn document(build: &Build<'_>, properties: &Properties<'_>, inline: &str, location: &str) -> Option<Node> {
    match (properties.node(inline), properties.node(location)) {
        (Some(document), None) => properties.entries(inline).map(|_| document.clone()),
        (None, Some(place)) => {
            const LOCATION: &[Property] =
                &[served("Bucket"), served("Key"), ignored("Version", "the file is what there is")];
            let path = match place.literal() {
                Some(_) => build.path(&local_path(properties, location, place)?),
                None => match asset(build, &properties.nested(location, LOCATION)?, "Key") {
                    Some(path) => path,
                    None => {
                        properties.error(
                            location,
                            "the document is not on this machine",
                            "name a file beside the template",
                        );
                        return None;
                    }
                },
            };
            let text = build.read(properties, location, &path)?;
            let report = Report::new(&path);
            let node = yaml::read(&text, &report);
            properties.scope.report.absorb(report);
            node
        }
        (Some(_), Some(_)) => {
            properties.error(location, format!("there are both {inline} and {location}"), "keep one of them");
            None
        }
        (None, None) => None,
    }
}

pub(crate) fn title(document: &Node) -> Option<String> {
    document.get("info")?.get("title")?.text()
}

/// Gives the API that was pushed last what the document says.
pub(crate) fn describe(build: &mut Build<'_>, properties: &Properties<'_>, identity: &Identity, document: &Node) {
    let api = api_id(&build.scope.site, &identity.logical_id);
    build.gateway.described.insert(api.clone());
    let extended: Vec<Entry> =
        document.map().unwrap_or_default().iter().filter(|e| e.key.starts_with("x-")).cloned().collect();
    let extended: Vec<Entry> =
        extended.into_iter().filter(|e| EXTENSIONS.iter().any(|known| known.name == e.key)).collect();
    let extensions = Properties::read(properties.scope, "the document", document.at, &extended, EXTENSIONS);
    let binary = extensions.texts("x-amazon-apigateway-binary-media-types").unwrap_or_default();
    let cors = crate::resources::cors(&extensions, "x-amazon-apigateway-cors", true);
    let plan = build.plan.apis.last_mut().expect("the API was pushed before its description");
    plan.binary_media_types.extend(binary);
    plan.cors = plan.cors.take().or(cors);
    let kind = plan.kind;
    let Some(paths) = document.get("paths").and_then(Node::map) else {
        return properties.scope.report.error(document.at, "the document has no paths", "add `paths:`");
    };
    for Entry { key: path, value: operations, .. } in paths {
        for operation in operations.map().unwrap_or_default() {
            let method = match operation.key.as_str() {
                ANY => "ANY".to_owned(),
                method if METHODS.contains(&method.to_ascii_lowercase().as_str()) => method.to_ascii_uppercase(),
                _ => continue,
            };
            refuse_authorizers(properties, document, operation);
            let Some(target) = target(properties, document, operation, kind) else { continue };
            let is_default = path.trim_start_matches('/') == DEFAULT;
            let path = if is_default { DEFAULT.to_owned() } else { path.clone() };
            let (resource, api) = (identity.logical_id.clone(), api.clone());
            let (api_at, at) = (operation.at, operation.at);
            build.gateway.calls.push(Call { resource, api, api_at, path, method, target, at, is_event: false });
        }
    }
}

fn target(properties: &Properties<'_>, document: &Node, operation: &Entry, kind: ApiKind) -> Option<Target> {
    let scope = properties.scope;
    let Some(integration) = operation.value.get(INTEGRATION) else {
        let help = format!("add {INTEGRATION} with type, uri and httpMethod");
        scope.report.error(operation.at, format!("the operation {} has no integration", operation.key), help);
        return None;
    };
    let integration = referred(document, integration);
    let node = capitalised(integration);
    let entries = node.map().unwrap_or_default();
    match kind {
        ApiKind::Rest => {
            let read = Properties::read(scope, INTEGRATION, node.at, entries, api_integration::REST);
            api_integration::of_rest(&read)
        }
        ApiKind::Http | ApiKind::FunctionUrl => {
            let renamed = |entry: &Entry| {
                let key = match entry.key.as_str() {
                    "Type" => "IntegrationType",
                    "Uri" => "IntegrationUri",
                    "HttpMethod" => "IntegrationMethod",
                    "Credentials" => "CredentialsArn",
                    other => other,
                };
                Entry { key: key.to_owned(), ..entry.clone() }
            };
            let entries: Vec<Entry> = entries.iter().map(renamed).collect();
            let read = Properties::read(scope, INTEGRATION, node.at, &entries, api_integration::HTTP);
            api_integration::of_http(&read)
        }
    }
}

/// An integration by reference: `$ref: '#/components/x-amazon-apigateway-integrations/name'`.
fn referred<'n>(document: &'n Node, node: &'n Node) -> &'n Node {
    let Some(pointer) = node.get("$ref").and_then(Node::literal).and_then(|text| text.strip_prefix("#/")) else {
        return node;
    };
    pointer.split('/').try_fold(document, |node, name| node.get(name)).unwrap_or(node)
}

/// Who calls is asked by authorizers, which are not served; signatures and keys are not asked for here.
fn refuse_authorizers(properties: &Properties<'_>, document: &Node, operation: &Entry) {
    let security = operation.value.get("security").or_else(|| document.get("security"));
    let wanted = security.and_then(Node::list).unwrap_or_default().iter().filter_map(Node::only_entry);
    for Entry { key: scheme, at, .. } in wanted {
        let declared = [&["components", "securitySchemes"][..], &["securityDefinitions"]];
        let found = declared.iter().find_map(|path| {
            let schemes = path.iter().try_fold(document, |node, name| node.get(name))?;
            schemes.get(scheme)
        });
        let authorizer = "x-amazon-apigateway-authorizer";
        let is_authorizer = found.is_none_or(|scheme| {
            let kind = scheme.get("x-amazon-apigateway-authtype").and_then(Node::text);
            scheme.get(authorizer).is_some() || kind.is_some_and(|kind| kind != "awsSigv4")
        });
        match is_authorizer {
            true => properties.scope.report.unsupported(
                *at,
                format!("the authorizer {scheme} is not supported"),
                NO_AUTHORIZERS,
            ),
            false => properties.scope.report.note(*at, "signatures and API keys are not asked for here"),
        }
    }
    if let Some(auth) = operation.value.get("x-amazon-apigateway-auth") {
        let kind = auth.get("type").and_then(Node::text).unwrap_or_default();
        if !matches!(kind.as_str(), "NONE" | "AWS_IAM" | "none") {
            properties.scope.report.unsupported(
                auth.at,
                format!("authorization of type {kind} is not supported"),
                NO_AUTHORIZERS,
            );
        }
    }
}

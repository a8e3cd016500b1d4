//! Events of a SAM function: the routes of type `Api`, and the API that SAM makes for those which name none.

use super::Build;
use crate::diagnostic::Position;
use crate::gateway::Call;
use crate::node::{Entry, Node, Value, find};
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served, unsupported};
use crate::scope::{Identity, Scope};
use crate::template::{Resource, Template};

pub(super) const FUNCTION: &str = "AWS::Serverless::Function";
/// The logical id and the stage of the API that SAM makes.
pub(super) const IMPLICIT_API: &str = "ServerlessRestApi";
const IMPLICIT_STAGE: &str = "Prod";

const EVENT: &[Property] = &[served("Type"), served("Properties")];
const PROPERTIES: &[Property] = &[
    served("Path"),
    served("Method"),
    served("RestApiId"),
    ignored("RequestParameters", NO_EFFECT),
    unsupported("Auth", "check the caller in the function"),
    unsupported("RequestModel", "check the body in the function"),
    unsupported("ResponseTransferMode", "remove it; answers are sent whole"),
    unsupported("TimeoutInMillis", "remove it; AWS's default of 29 seconds holds"),
];
/// The methods API Gateway knows.
const METHODS: &[&str] = &["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Notes the route of each event.
pub(super) fn routes(build: &mut Build<'_>, identity: &Identity, properties: &Properties<'_>) {
    for event in properties.entries("Events").unwrap_or_default() {
        if let Some(call) = route(build, identity, properties.scope, &event) {
            build.gateway.calls.push(call);
        }
    }
}

fn route(build: &Build<'_>, identity: &Identity, scope: &Scope<'_>, event: &Entry) -> Option<Call> {
    let what = format!("the event {}", event.key);
    let entries = crate::template::entries_of(event.value.clone(), &what, scope.report);
    let frame = Properties::read(scope, &what, event.at, &entries, EVENT);
    let kind = frame.required_text("Type")?;
    if kind != "Api" {
        frame.error("Type", format!("events of type {kind} are not supported"), "served: Api; or remove the event");
        return None;
    }
    frame.require("Properties")?;
    let properties = frame.nested("Properties", PROPERTIES)?;
    let path = properties.required_text("Path");
    let method = properties.required_text("Method").and_then(|method| known_method(&properties, "Method", &method));
    let api = match properties.node("RestApiId") {
        Some(_) => properties.text("RestApiId")?,
        None => crate::gateway::api_id(&scope.site, IMPLICIT_API),
    };
    Some(Call {
        resource: identity.logical_id.clone(),
        api,
        api_at: properties.place("RestApiId"),
        path: checked_path(&properties, path?)?,
        method: method?,
        function_arn: super::function::called_arn(&build.scope.site, identity),
        at: event.at,
    })
}

/// A method in capitals, if API Gateway knows it. SAM writes `any`, CloudFormation `ANY`.
pub(super) fn known_method(properties: &Properties<'_>, name: &str, method: &str) -> Option<String> {
    let method = method.to_ascii_uppercase();
    if METHODS.contains(&method.as_str()) {
        return Some(method);
    }
    properties.error(name, format!("there is no method {method}"), format!("use one of {}", METHODS.join(", ")));
    None
}

fn checked_path(properties: &Properties<'_>, path: String) -> Option<String> {
    if path.starts_with('/') {
        return Some(path);
    }
    properties.error("Path", format!("the path \"{path}\" does not begin with /"), "write it from the root: /path");
    None
}

/// The API that SAM makes when an event of a function that exists names none.
pub(crate) fn implicit_api(
    scope: &Scope<'_>,
    template: &Template,
    exists: impl Fn(&Resource) -> bool,
) -> Option<Resource> {
    if template.resources.iter().any(|r| r.id == IMPLICIT_API) {
        return None;
    }
    let functions = template.resources.iter().filter(|r| r.kind.0 == FUNCTION && exists(r));
    let at = functions.filter_map(|function| first_event_without_api(scope, function)).next()?;
    Some(Resource {
        id: IMPLICIT_API.into(),
        at,
        kind: ("AWS::Serverless::Api".into(), at),
        condition: None,
        depends_on: Vec::new(),
        metadata: None,
        deletion_policy: None,
        properties: vec![Entry { key: "StageName".into(), at, value: Node::string(at, IMPLICIT_STAGE) }],
        ignore_globals: Vec::new(),
    })
}

fn first_event_without_api(scope: &Scope<'_>, function: &Resource) -> Option<Position> {
    let events = find(&function.properties, "Events").and_then(|events| scope.live(events))?;
    let events = events.map()?.iter().filter(|e| e.value.get("Type").and_then(Node::literal) == Some("Api"));
    let without = |e: &&Entry| {
        let properties = e.value.get("Properties");
        let named = properties.and_then(|p| p.get("RestApiId")).and_then(|node| scope.live(node));
        named.is_none_or(|node| matches!(node.value, Value::Absent))
    };
    events.into_iter().find(without).map(|e| e.at)
}

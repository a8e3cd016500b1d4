//! Events of SAM's functions and state machines: routes of APIs, and the APIs that SAM makes for those which name none.

use super::{Build, event_message, events_rule};
use crate::diagnostic::Position;
use crate::gateway::{Call, Target};
use crate::node::{Entry, Node, Value, find};
use crate::plan::{DEFAULT, Integration, MappedResponse, Mapping};
use crate::properties::{NO_EFFECT, NOT_VALIDATED, Properties, Property, ignored, served, unsupported};
use crate::scope::{Identity, Scope};
use crate::template::{Resource, Template};

pub(super) const FUNCTION: &str = "AWS::Serverless::Function";
/// Whose events can be routes.
const SOURCES: &[&str] = &[FUNCTION, "AWS::Serverless::StateMachine"];

/// An API that SAM makes.
struct Implicit {
    /// The type of event, and its property that would name an API.
    event: &'static str,
    named_by: &'static str,
    id: &'static str,
    kind: &'static str,
    stage: &'static str,
}

const REST: Implicit = Implicit {
    event: "Api",
    named_by: "RestApiId",
    id: "ServerlessRestApi",
    kind: "AWS::Serverless::Api",
    stage: "Prod",
};
const HTTP: Implicit = Implicit {
    event: "HttpApi",
    named_by: "ApiId",
    id: "ServerlessHttpApi",
    kind: "AWS::Serverless::HttpApi",
    stage: DEFAULT,
};
const IMPLICIT: &[Implicit] = &[REST, HTTP];

const EVENT: &[Property] = &[served("Type"), served("Properties")];
const PROPERTIES: &[Property] = &[
    served("Path"),
    served("Method"),
    served("RestApiId"),
    served("TimeoutInMillis"),
    ignored("RequestParameters", NO_EFFECT),
    ignored("RequestModel", NOT_VALIDATED),
    unsupported("Auth", "check the caller in the function"),
    unsupported("ResponseTransferMode", "remove it; answers are sent whole"),
];
const MACHINE_PROPERTIES: &[Property] = &[
    served("Path"),
    served("Method"),
    served("RestApiId"),
    served("UnescapeMappingTemplate"),
    unsupported("Auth", "let a function check the caller and start the execution"),
];
const HTTP_PROPERTIES: &[Property] = &[
    served("Path"),
    served("Method"),
    served("ApiId"),
    served("PayloadFormatVersion"),
    served("TimeoutInMillis"),
    ignored("RouteSettings", NO_EFFECT),
    unsupported("Auth", "check the caller in the function"),
];
const FORMATS: &[(&str, &str)] = &[("1.0", "1.0"), ("2.0", "2.0")];
/// The methods API Gateway knows.
const METHODS: &[&str] = &["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Notes what each event of a function asks for.
pub(super) fn of_function(build: &mut Build<'_>, identity: &Identity, properties: &Properties<'_>) {
    for event in properties.entries("Events").unwrap_or_default() {
        let Some((kind, frame)) = frame(properties.scope, &event) else { continue };
        let call = match kind.as_str() {
            "Api" => rest_route(build, identity, &frame, event.at),
            "HttpApi" => http_route(build, identity, &frame, event.at),
            "SQS" => {
                event_message::of_queue(build, identity, &frame);
                None
            }
            "DynamoDB" => {
                event_message::of_stream(build, identity, &frame);
                None
            }
            "SNS" => {
                event_message::of_topic(build, identity, &frame);
                None
            }
            _ => {
                let (id, arn) = (rule_id(identity, &event), super::function::called_arn(&build.scope.site, identity));
                if !events_rule::of_event(build, (&kind, &frame), &id, &arn, event.at) {
                    let message = format!("events of type {kind} are not supported");
                    frame.unsupported(
                        "Type",
                        message,
                        format!("served: Api, HttpApi, SQS, SNS, DynamoDB, {RULES}; or remove it"),
                    );
                }
                None
            }
        };
        build.gateway.calls.extend(call);
    }
}

/// Notes what each event of a state machine asks for. What it starts is the machine, or an alias of it.
pub(super) fn of_machine(build: &mut Build<'_>, identity: &Identity, properties: &Properties<'_>, arn: &str) {
    for event in properties.entries("Events").unwrap_or_default() {
        let Some((kind, frame)) = frame(properties.scope, &event) else { continue };
        match kind.as_str() {
            "Api" => {
                let call = start_route(build, identity, &frame, arn, event.at);
                build.gateway.calls.extend(call);
            }
            _ if events_rule::of_event(build, (&kind, &frame), &rule_id(identity, &event), arn, event.at) => {}
            _ => {
                let message = format!("events of type {kind} are not supported");
                frame.unsupported("Type", message, format!("served: Api, {RULES}; or remove the event"));
            }
        }
    }
}

const RULES: &str = "Schedule, ScheduleV2, EventBridgeRule, CloudWatchEvent";

/// What SAM calls the rule of an event.
fn rule_id(identity: &Identity, event: &Entry) -> String {
    format!("{}{}", identity.logical_id, event.key)
}

/// A method that starts an execution with the body, as SAM writes it.
fn start_route(
    build: &Build<'_>,
    identity: &Identity,
    frame: &Properties<'_>,
    arn: &str,
    at: Position,
) -> Option<Call> {
    frame.require("Properties")?;
    let properties = frame.nested("Properties", MACHINE_PROPERTIES)?;
    let path = properties.required_text("Path");
    let method = properties.required_text("Method").and_then(|method| known_method(&properties, "Method", &method));
    let unescaped = match properties.flag("UnescapeMappingTemplate") {
        Some(true) => r#".replaceAll("\\'","'")"#,
        _ => "",
    };
    let template =
        format!(r#"{{"input": "$util.escapeJavaScript($input.json('$')){unescaped}", "stateMachineArn": "{arn}"}}"#);
    let response =
        |status: u16| MappedResponse { status, pattern: Some(status.to_string()), ..MappedResponse::default() };
    let mapping = Mapping {
        requests: [("application/json".to_owned(), template)].into(),
        passthrough: "WHEN_NO_MATCH".into(),
        responses: vec![response(200), response(400)],
    };
    let (service, operation) = ("states".to_owned(), "StartExecution".to_owned());
    let target = Target::Other(Integration::Action { service, operation, mapping, timeout_ms: None });
    let path = checked_path(&properties, path?)?;
    call(build, identity, &properties, &REST, (method?, path), target, at)
}

/// The type of an event, and its parts.
fn frame<'a>(scope: &'a Scope<'a>, event: &Entry) -> Option<(String, Properties<'a>)> {
    let what = format!("the event {}", event.key);
    let entries = crate::template::entries_of(event.value.clone(), &what, scope.report);
    let frame = Properties::read(scope, &what, event.at, &entries, EVENT);
    Some((frame.required_text("Type")?, frame))
}

fn rest_route(build: &Build<'_>, identity: &Identity, frame: &Properties<'_>, at: Position) -> Option<Call> {
    frame.require("Properties")?;
    let properties = frame.nested("Properties", PROPERTIES)?;
    let path = properties.required_text("Path");
    let method = properties.required_text("Method").and_then(|method| known_method(&properties, "Method", &method));
    let timeout_ms = properties.number("TimeoutInMillis", 50..=300_000);
    let arn = super::function::called_arn(&build.scope.site, identity);
    let target = Target::Function { arn, payload_format: "1.0", timeout_ms };
    let path = checked_path(&properties, path?)?;
    call(build, identity, &properties, &REST, (method?, path), target, at)
}

/// Without path and method, the route is `$default`.
fn http_route(build: &Build<'_>, identity: &Identity, frame: &Properties<'_>, at: Position) -> Option<Call> {
    let none = Properties::read(frame.scope, "the event", at, &[], HTTP_PROPERTIES);
    let properties = match frame.node("Properties") {
        Some(_) => frame.nested("Properties", HTTP_PROPERTIES)?,
        None => none,
    };
    let key = match (properties.node("Path"), properties.node("Method")) {
        (None, None) => ("ANY".to_owned(), DEFAULT.to_owned()),
        _ => {
            let path = properties.required_text("Path");
            let method = properties.required_text("Method").and_then(|m| known_method(&properties, "Method", &m));
            let path = path?;
            match path == DEFAULT {
                true => (method?, path),
                false => (method?, checked_path(&properties, path)?),
            }
        }
    };
    let timeout_ms = properties.number("TimeoutInMillis", 50..=30_000);
    let payload_format = match properties.node("PayloadFormatVersion") {
        Some(_) => properties.choice("PayloadFormatVersion", FORMATS)?,
        None => "2.0",
    };
    let arn = super::function::called_arn(&build.scope.site, identity);
    call(build, identity, &properties, &HTTP, key, Target::Function { arn, payload_format, timeout_ms }, at)
}

fn call(
    build: &Build<'_>,
    identity: &Identity,
    properties: &Properties<'_>,
    implicit: &Implicit,
    (method, path): (String, String),
    target: Target,
    at: Position,
) -> Option<Call> {
    let api = match properties.node(implicit.named_by) {
        Some(_) => properties.text(implicit.named_by)?,
        None => crate::gateway::api_id(&build.scope.site, implicit.id),
    };
    let (resource, api_at) = (identity.logical_id.clone(), properties.place(implicit.named_by));
    Some(Call { resource, api, api_at, path, method, target, at, is_event: true })
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

/// The APIs that SAM makes when an event of a resource that exists names none: a REST API, an HTTP API.
pub(crate) fn implicit_apis(
    scope: &Scope<'_>,
    template: &Template,
    exists: impl Fn(&Resource) -> bool,
) -> Vec<Resource> {
    let wanted = |implicit: &&Implicit| template.resources.iter().all(|r| r.id != implicit.id);
    let api = |implicit: &Implicit| {
        let sources = template.resources.iter().filter(|r| SOURCES.contains(&r.kind.0.as_str()) && exists(r));
        let at = sources.filter_map(|source| first_event_without_api(scope, source, implicit)).next()?;
        Some(Resource {
            id: implicit.id.into(),
            at,
            kind: (implicit.kind.into(), at),
            condition: None,
            depends_on: Vec::new(),
            metadata: None,
            deletion_policy: None,
            properties: vec![Entry { key: "StageName".into(), at, value: Node::string(at, implicit.stage) }],
            ignore_globals: Vec::new(),
        })
    };
    IMPLICIT.iter().filter(wanted).filter_map(api).collect()
}

fn first_event_without_api(scope: &Scope<'_>, source: &Resource, implicit: &Implicit) -> Option<Position> {
    let events = find(&source.properties, "Events").and_then(|events| scope.live(events))?;
    let events = events.map()?.iter().filter(|e| e.value.get("Type").and_then(Node::literal) == Some(implicit.event));
    let without = |e: &&Entry| {
        let properties = e.value.get("Properties");
        let named = properties.and_then(|p| p.get(implicit.named_by)).and_then(|node| scope.live(node));
        named.is_none_or(|node| matches!(node.value, Value::Absent))
    };
    events.into_iter().find(without).map(|e| e.at)
}

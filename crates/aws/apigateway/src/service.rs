//! An HTTP API that calls a service itself: each parameter of the action is a text, or comes from the request.
//!
//! ```text
//! Input: $request.body            Name: $request.header.order-id            StateMachineArn: arn:aws:states:...
//! ```
//!
//! A value is one reference (`$request.body.trip.id`) or a text with references in braces (`order-${request.path.id}`).
//! What a request does not have is not sent, and the service says what it needs.

use std::net::SocketAddr;

use aws_protocol::Request;
use serde_json::{Map, Value};

use crate::api::{Api, Match};
use crate::event::{Context, Multi, domain_prefix, host, text};
use crate::integration::Action;
use crate::source::request_time;

/// Where references find their values.
pub struct Origin<'a> {
    pub api: &'a Api,
    pub matched: &'a Match<'a>,
    pub path: &'a str,
    pub request: &'a Request,
    pub peer: SocketAddr,
    pub context: &'a Context<'a>,
}

/// The parameters every action needs, and all it takes.
struct Parameters {
    required: &'static [&'static str],
    known: &'static [&'static str],
}

fn parameters(action: Action) -> Parameters {
    match action {
        Action::StartExecution => Parameters {
            required: &["StateMachineArn"],
            known: &["StateMachineArn", "Name", "Input", "TraceHeader", "Region"],
        },
        Action::StartSyncExecution => Parameters {
            required: &["StateMachineArn"],
            known: &["StateMachineArn", "Name", "Input", "TraceHeader", "Region"],
        },
        Action::StopExecution => {
            Parameters { required: &["ExecutionArn"], known: &["ExecutionArn", "Error", "Cause", "Region"] }
        }
    }
}

/// What is wrong with the parameters of an action, if anything.
pub fn fault<'a>(action: Action, given: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let Parameters { required, known } = parameters(action);
    let given: Vec<_> = given.collect();
    let missing = required.iter().find(|name| given.iter().all(|(known, _)| known != *name));
    if let Some(name) = missing {
        return Some(format!("{} needs the parameter {name}", action.name()));
    }
    for (name, value) in given {
        if !known.contains(&name) {
            return Some(format!("{} has no parameter {name}; it has {}", action.name(), known.join(", ")));
        }
        if let Some(reference) = references(value).find(|reference| !is_known(reference)) {
            return Some(format!("${reference} of the parameter {name} is not served"));
        }
    }
    None
}

/// The body of the action's request.
pub fn body(origin: &Origin<'_>, parameters: impl Iterator<Item = (String, String)>) -> Value {
    let member = |(name, value): (String, String)| Some((lower_first(&name), origin.fill(&value)?.into()));
    parameters.filter(|(name, _)| name != "Region").filter_map(member).collect::<Map<_, _>>().into()
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// The references in a value: all of it, or what is in braces.
fn references(value: &str) -> Box<dyn Iterator<Item = &str> + '_> {
    match value.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
        Some(whole) => Box::new(std::iter::once(whole)),
        None => Box::new(value.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))),
    }
}

fn is_known(reference: &str) -> bool {
    const SOURCES: &[&str] =
        &["request.header.", "request.querystring.", "request.path.", "stageVariables.", "request.body."];
    matches!(reference, "request.path" | "request.body")
        || SOURCES.iter().any(|source| reference.starts_with(source))
        || reference.strip_prefix("context.").is_some_and(|name| CONTEXT.iter().any(|(known, _)| *known == name))
}

type FromContext = fn(&Origin<'_>) -> String;

/// The variables of `$context` that a request without an authorizer has.
const CONTEXT: &[(&str, FromContext)] = &[
    ("accountId", |o| o.context.home.account.clone()),
    ("apiId", |o| o.api.id().to_owned()),
    ("domainName", |o| host(o.request)),
    ("domainPrefix", |o| domain_prefix(&host(o.request)).to_owned()),
    ("extendedRequestId", |o| o.context.extended_request_id.clone()),
    ("httpMethod", |o| o.request.method().to_string()),
    ("identity.sourceIp", |o| o.peer.ip().to_string()),
    ("identity.userAgent", |o| o.request.headers().get("user-agent").map(text).unwrap_or_default()),
    ("path", |o| crate::event_v2::shown_path(o.api, o.path)),
    ("protocol", |o| format!("{:?}", o.request.version())),
    ("requestId", |o| o.context.request_id.clone()),
    ("requestTime", |o| request_time(o.context.now_ms)),
    ("requestTimeEpoch", |o| o.context.now_ms.to_string()),
    ("routeKey", |o| o.matched.route.key()),
    ("stage", |o| o.api.stage().to_owned()),
];

impl Origin<'_> {
    /// The value with its references filled in; nothing if it is one reference to nothing.
    fn fill(&self, value: &str) -> Option<String> {
        if let Some(whole) = value.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
            return self.find(whole);
        }
        let mut parts = value.split("${");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match part.split_once('}') {
                Some((name, rest)) => out.extend([self.find(name).unwrap_or_default().as_str(), rest]),
                None => out.extend(["${", part]),
            }
        }
        Some(out)
    }

    fn find(&self, reference: &str) -> Option<String> {
        let request = self.request;
        if let Some((_, value)) =
            reference.strip_prefix("context.").and_then(|name| CONTEXT.iter().find(|(known, _)| *known == name))
        {
            return Some(value(self));
        }
        match reference {
            "request.body" => return std::str::from_utf8(request.body()).ok().map(str::to_owned),
            "request.path" => return Some(crate::event_v2::shown_path(self.api, self.path)),
            _ => {}
        }
        if let Some(name) = reference.strip_prefix("request.header.") {
            let values: Vec<String> = request.headers().get_all(name).iter().map(text).collect();
            return (!values.is_empty()).then(|| values.join(","));
        }
        if let Some(name) = reference.strip_prefix("request.querystring.") {
            let query = Multi::query(request.uri().query().unwrap_or_default());
            return query.0.into_iter().find(|(known, _)| known == name).map(|(_, values)| values.join(","));
        }
        if let Some(name) = reference.strip_prefix("request.path.") {
            let parameters = crate::event::path_parameters(self.api, self.matched);
            return parameters.get(name).and_then(Value::as_str).map(str::to_owned);
        }
        if let Some(name) = reference.strip_prefix("stageVariables.") {
            return self.api.variables().get(name).cloned();
        }
        let path = reference.strip_prefix("request.body.")?;
        let body: Value = serde_json::from_slice(request.body()).ok()?;
        let found = crate::json_path::find(&body, &format!("$.{path}")).ok()??;
        Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
    }
}

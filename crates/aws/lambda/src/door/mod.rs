//! The REST door: what Lambda's clients ask, told apart by method and path, one action a file.
//!
//! Errors are sent as Lambda sends them: the name in a header, `Type` and a message in the body, whose member is
//! called `Message` by some errors and `message` by others.

mod about;
mod aliases;
mod concurrency;
mod create_function;
mod delete_function;
mod get_function;
mod invoke;
mod layers;
mod list_functions;
mod operations;
mod policy;
mod settings;
mod tags;
mod update_function_code;
mod update_function_configuration;
mod versions;

use std::borrow::Cow;

use aws_protocol::{Error as AwsError, REST_JSON, Request, Response, json, respond};
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::error::{Error, constraint, service};
use crate::function::FunctionInfo;
use crate::host::Host;
use operations::{Action, Operation};

/// What an action is given.
struct Call {
    host: Host,
    request: Request,
    /// The decoded variable parts of the path, in order.
    path: Vec<String>,
    query: Vec<(String, String)>,
}

impl Call {
    /// The function named in the path.
    fn function(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    fn body(&self) -> Result<settings::Members, AwsError> {
        settings::Members::parse(self.request.body())
    }
}

pub(crate) async fn handle(host: &Host, request: Request) -> Response {
    let path = request.uri().path().to_string();
    let answer = match operations::find(request.method(), &path) {
        None => Err(unknown_path(request.method(), &path).into()),
        Some((Operation { name, action: None, .. }, _)) => Err(not_served(name).into()),
        Some((Operation { action: Some(action), .. }, variables)) => {
            let path = variables.into_iter().map(|part| decode(part).into_owned()).collect();
            let query = parse_query(request.uri().query().unwrap_or_default());
            act(*action, Call { host: host.clone(), request, path, query }).await
        }
    };
    answer.unwrap_or_else(|error: Error| refuse(&error.to_aws()))
}

async fn act(action: Action, call: Call) -> Result<Response, Error> {
    match action {
        Action::Invoke => Ok(invoke::act(call).await?),
        Action::InvokeAsync => Ok(about::invoke_async(call).await?),
        // Everything else may touch the disk.
        Action::Blocking(act) => {
            let done = tokio::task::spawn_blocking(move || act(&call)).await;
            done.unwrap_or_else(|error| Err(Error::Interrupted(error.to_string())))
        }
    }
}

/// `Publish` of CreateFunction and UpdateFunctionCode: then the answer is the new version.
fn published(call: &Call, members: &settings::Members, info: FunctionInfo) -> Result<FunctionInfo, Error> {
    match members.is_set("Publish")? {
        true => call.host.publish_version(&info.function.name, None, None),
        false => Ok(info),
    }
}

/// Which part of a list a request asks for.
struct Pages {
    limit: usize,
    marker: String,
}

impl Pages {
    /// AWS's largest page.
    const LIMIT: usize = 50;

    fn of(call: &Call) -> Result<Pages, Error> {
        let limit = match call.query("MaxItems").map(str::parse::<usize>) {
            None => Pages::LIMIT,
            Some(Ok(limit)) if (1..=10_000).contains(&limit) => limit.min(Pages::LIMIT),
            Some(_) => {
                let bound = "Member must have value between 1 and 10000";
                return Err(constraint(call.query("MaxItems").unwrap_or_default(), "maxItems", bound).into());
            }
        };
        Ok(Pages { limit, marker: call.query("Marker").unwrap_or_default().to_owned() })
    }

    /// A page of a short list whose marker is how many came before.
    fn by_place(&self, member: &str, all: Vec<Value>) -> Response {
        let before: usize = self.marker.parse().unwrap_or(0);
        let end = before.saturating_add(self.limit);
        let mut shape = serde_json::json!({});
        if end < all.len() {
            shape["NextMarker"] = end.to_string().into();
        }
        shape[member] = all.into_iter().skip(before).take(self.limit).collect();
        ok(&shape)
    }
}

fn not_served(name: &str) -> AwsError {
    let text = format!("Ithaca does not serve Lambda's operation {name} yet.");
    AwsError::with_status(StatusCode::NOT_IMPLEMENTED, "NotImplementedException", text)
}

fn unknown_path(method: &http::Method, path: &str) -> AwsError {
    let text = format!("{method} {path} is not an operation of Lambda that Ithaca knows.");
    AwsError::with_status(StatusCode::NOT_FOUND, "UnknownOperationException", text)
}

/// Errors whose message Lambda spells with a capital; the others say `message`.
const CAPITAL_MESSAGE: &[&str] = &["ResourceNotFoundException", "ServiceException"];

fn refuse(error: &AwsError) -> Response {
    let type_ = if error.status.is_server_error() { "Service" } else { "User" };
    let member = if CAPITAL_MESSAGE.contains(&error.name) { "Message" } else { "message" };
    let mut body = serde_json::Map::new();
    for (name, value) in &error.details {
        body.insert((*name).into(), value.clone());
    }
    body.insert("Type".into(), type_.into());
    body.insert(member.into(), error.message.clone().into());
    let mut answer = json(error.status, REST_JSON, &body);
    answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(error.name));
    answer
}

fn ok(value: &Value) -> Response {
    json(StatusCode::OK, REST_JSON, value)
}

fn created(value: &Value) -> Response {
    json(StatusCode::CREATED, REST_JSON, value)
}

fn no_content() -> Response {
    respond(StatusCode::NO_CONTENT, REST_JSON, "")
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

fn parse_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key).into_owned(), decode(&value.replace('+', " ")).into_owned())
        })
        .collect()
}

/// A header of the answer; a value that cannot be one is our fault, and told.
fn with_header(mut answer: Response, name: &'static str, value: &str) -> Result<Response, AwsError> {
    let value = HeaderValue::from_str(value).map_err(|_| service(format!("{name} cannot be a header")))?;
    answer.headers_mut().insert(name, value);
    Ok(answer)
}

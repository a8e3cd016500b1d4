//! The API Gateway door: an HTTP request in, an event to the function, its answer out.
//!
//! ```text
//!   request ──> cors ──> api (which route) ──> event (payload format 1.0, 2.0) ──> Invoker ──> answer
//!                                          ├─> service (parameters from the request) ──┤
//!                                          └─> mapping (templates) ────────────────────┘
//! ```
//!
//! REST APIs, HTTP APIs and function URLs, which differ in their events, answers and refusals ([`Kind`]). Of AWS's two
//! ways to be called, an API on a port of its own has no stage in its path (the habit of SAM), one on the shared port
//! has (see [`Address`]).
//!
//! Every refusal carries AWS's status, text and `x-amzn-ErrorType`, and beside them, since there is no execution log
//! to look into, an `x-ithaca-reason` header for the person at the terminal.
//!
//! Not known here: sockets, how functions run, authorizers, API keys, WebSocket APIs.

mod address;
mod answer;
mod api;
mod cors;
mod event;
mod event_v2;
mod integration;
mod json_path;
mod mapping;
mod service;
mod source;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use aws_protocol::{Home, Request, Response};
use bytes::Bytes;

pub use address::Address;
pub use api::{Api, DEFAULT, Error, Kind, Method, Route};
pub use cors::Cors;
pub use integration::{Action, Integration, MappedResponse, Mapping, Passthrough, Payload};
pub use mapping::fault as mapping_fault;
pub use service::fault as service_fault;
pub use source::Source;

use answer::Refusal;
use service::Origin;

/// AWS's limit for a request to API Gateway.
pub const REQUEST_BYTES_MAX: usize = 10 * 1024 * 1024;
/// AWS's limit of a body to a function's URL.
pub const URL_REQUEST_BYTES_MAX: usize = 6 * 1024 * 1024;
/// AWS's limit for an integration of a REST API: the client gets 504 while the function goes on.
pub const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);
/// The same for HTTP APIs, whose clients get 503.
pub const HTTP_INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// A function's URL waits for as long as a function may run.
pub const URL_TIMEOUT: Duration = Duration::from_secs(900);

/// Runs functions and calls services: the Lambda host and the other doors, seen from here.
///
/// An implementer owes: one run per call; and a run that goes on when the returned future is dropped, as it is when
/// the time is up or the client goes away (AWS does not stop the function either).
pub trait Invoker: Send + Sync {
    fn invoke(
        &self,
        function_arn: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<InvokeAnswer, InvokeError>> + Send;

    /// Calls an operation of a service (`states`, `StartExecution`) and gives its answer as it is, errors included.
    fn call(
        &self,
        service: &str,
        operation: &str,
        body: Bytes,
    ) -> impl Future<Output = Result<Response, String>> + Send;
}

/// What a function that ran gave back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokeAnswer {
    pub payload: Bytes,
    /// The run ended in an error (`Handled` or `Unhandled`) and the payload describes it.
    pub function_error: bool,
}

/// Why a function was not run. API Gateway answers all of them with 500.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvokeError {
    /// Its concurrency is used up.
    Throttled,
    /// There is no such function, it cannot start, the payload is too large: a text for a person.
    Rejected(String),
}

/// The door. One serves any number of APIs.
pub struct Gateway<I> {
    invoker: I,
    home: Home,
    source: Source,
}

impl<I: Invoker> Gateway<I> {
    /// `source` gives the time and the ids in the events, so that a test can know them.
    pub fn new(invoker: I, home: Home, source: Source) -> Gateway<I> {
        Gateway { invoker, home, source }
    }

    /// Answers a request to the API on its own port: the whole path belongs to the API, without a stage.
    pub async fn handle(&self, api: &Api, request: Request, peer: SocketAddr) -> Response {
        let context = event::Context::new(&self.home, &self.source);
        let path = request.uri().path().to_owned();
        context.mark(api.kind(), self.answer(api, &path, request, peer, &context).await)
    }

    /// Answers a request on the shared port, at the address that [`Address::of`] found in it.
    pub async fn handle_at(&self, apis: &[Api], address: &Address, request: Request, peer: SocketAddr) -> Response {
        let context = event::Context::new(&self.home, &self.source);
        match address.api(apis) {
            Some((api, path)) => context.mark(api.kind(), self.answer(api, path, request, peer, &context).await),
            None => {
                let kind = apis.iter().find(|api| api.id() == address.api_id).map_or(Kind::Rest, Api::kind);
                let refusal = if kind == Kind::Rest { Refusal::Forbidden } else { Refusal::NoRoute };
                context.mark(kind, refusal.response(kind, &unknown(apis, address)))
            }
        }
    }

    async fn answer(
        &self,
        api: &Api,
        path: &str,
        request: Request,
        peer: SocketAddr,
        context: &event::Context<'_>,
    ) -> Response {
        if let Some(preflight) = api.cors().and_then(|cors| cors.preflight(&request)) {
            return preflight;
        }
        let mut response = self.routed(api, path, &request, peer, context).await;
        if let Some(cors) = api.cors() {
            cors.mark(&request, &mut response);
        }
        response
    }

    async fn routed(
        &self,
        api: &Api,
        path: &str,
        request: &Request,
        peer: SocketAddr,
        context: &event::Context<'_>,
    ) -> Response {
        let (kind, method, bytes) = (api.kind(), request.method(), request.body().len());
        let limit = if kind == Kind::FunctionUrl { URL_REQUEST_BYTES_MAX } else { REQUEST_BYTES_MAX };
        if bytes > limit {
            return Refusal::TooLarge.response(kind, &format!("the body has {bytes} bytes, the limit is {limit}"));
        }
        let Some(matched) = api.route(method, path) else {
            return Refusal::NoRoute.response(kind, &format!("{method} {path} is none of {}", api.show_routes()));
        };
        match &matched.route.integration {
            Integration::Function { arn, payload, timeout_ms } => {
                let event = match payload {
                    Payload::V1 => event::build(api, &matched, path, request, peer, context),
                    Payload::V2 => event_v2::build(api, &matched, path, request, peer, context),
                };
                self.run(kind, *payload, arn, event.into(), patience(kind, *timeout_ms)).await
            }
            Integration::Service { action, parameters, timeout_ms } => {
                let origin = Origin { api, matched: &matched, path, request, peer, context };
                let given = parameters.iter().map(|(name, value)| (name.clone(), value.clone()));
                let body = service::body(&origin, given);
                let patience = patience(kind, *timeout_ms);
                self.call(kind, Action::SERVICE, action.name(), body.to_string().into(), patience).await
            }
            Integration::Mapped { service, operation, mapping, timeout_ms } => {
                let origin = Origin { api, matched: &matched, path, request, peer, context };
                let body = match mapping::request(mapping, &origin) {
                    Ok(body) => body,
                    Err(why) => return unmapped(kind, why),
                };
                let answer = self.call(kind, service, operation, body, patience(kind, *timeout_ms)).await;
                if answer.headers().contains_key(answer::REASON) {
                    return answer;
                }
                let (parts, body) = answer.into_parts();
                let made = mapping::response(mapping, &origin, parts.status.as_u16(), &parts.headers, &body);
                made.unwrap_or_else(|why| Refusal::NotRun.response(kind, &why))
            }
            Integration::Mock(mapping) => {
                let origin = Origin { api, matched: &matched, path, request, peer, context };
                let body = match mapping::request(mapping, &origin) {
                    Ok(body) => body,
                    Err(why) => return unmapped(kind, why),
                };
                let Some(status) = mapping::mock_status(&body) else {
                    return Refusal::NotRun.response(kind, "the request template of this MOCK gives no statusCode");
                };
                let made = mapping::response(mapping, &origin, status, &http::HeaderMap::new(), &Bytes::from("{}"));
                made.unwrap_or_else(|why| Refusal::NotRun.response(kind, &why))
            }
        }
    }

    async fn run(&self, kind: Kind, format: Payload, arn: &str, event: Bytes, patience: Duration) -> Response {
        match tokio::time::timeout(patience, self.invoker.invoke(arn, event)).await {
            Ok(Ok(answer)) => answer::respond(kind, format, &answer).unwrap_or_else(|reason| {
                Refusal::BadAnswer.response(kind, &format!("the answer of {arn} cannot be used: {reason}"))
            }),
            Ok(Err(error)) => Refusal::NotRun.response(kind, &not_run(arn, error)),
            Err(_) => Refusal::TimedOut.response(kind, &late(arn, patience)),
        }
    }

    /// Calls a service; its answer is the answer, its errors included.
    async fn call(&self, kind: Kind, service: &str, operation: &str, body: Bytes, patience: Duration) -> Response {
        match tokio::time::timeout(patience, self.invoker.call(service, operation, body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(reason)) => Refusal::NotRun.response(kind, &reason),
            Err(_) => Refusal::TimedOut.response(kind, &late(&format!("{service}:{operation}"), patience)),
        }
    }
}

/// How long a client waits for an integration: AWS's limit, or less by the template.
fn patience(kind: Kind, timeout_ms: Option<u64>) -> Duration {
    let most = match kind {
        Kind::Rest => INTEGRATION_TIMEOUT,
        Kind::Http => HTTP_INTEGRATION_TIMEOUT,
        Kind::FunctionUrl => URL_TIMEOUT,
    };
    timeout_ms.map_or(most, Duration::from_millis)
}

fn unmapped(kind: Kind, why: mapping::NoBody) -> Response {
    match why {
        mapping::NoBody::Unsupported(reason) => Refusal::UnsupportedType.response(kind, &reason),
        mapping::NoBody::Failed(reason) => {
            Refusal::NotRun.response(kind, &format!("the request template cannot be run: {reason}"))
        }
    }
}

fn late(what: &str, patience: Duration) -> String {
    format!("{what} did not answer within {} s and goes on", patience.as_secs_f64())
}

fn not_run(arn: &str, error: InvokeError) -> String {
    match error {
        InvokeError::Throttled => format!("{arn} was not run: as many of it as its concurrency allows run already"),
        InvokeError::Rejected(reason) => format!("{arn} was not run: {reason}"),
    }
}

fn unknown(apis: &[Api], address: &Address) -> String {
    let known: Vec<String> = apis.iter().map(|api| format!("{}/{}", api.id(), api.stage())).collect();
    format!("there is no API {} with a stage {}; there are [{}]", address.api_id, address.stage, known.join(", "))
}

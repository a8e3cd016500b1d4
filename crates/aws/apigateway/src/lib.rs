//! The API Gateway door: an HTTP request in, a Lambda proxy event to the function, its answer out.
//!
//! ```text
//!   request ──> api (which route) ──> event (payload format 1.0) ──> Invoker ──> answer (status, headers, body)
//! ```
//!
//! REST APIs with Lambda proxy integration, because that is what sagas and most SAM and CDK templates put in front
//! of their functions. Of AWS's two ways to be called, an API on a port of its own has no stage in its path (the
//! habit of SAM), one on the shared port has (see [`Address`]).
//!
//! Every refusal carries AWS's status, text and `x-amzn-ErrorType`, and beside them, since there is no execution log
//! to look into, an `x-ithaca-reason` header for the person at the terminal.
//!
//! Not known here: sockets, how functions run, authorizers, API keys, mapping templates, CORS beyond what the
//! function answers, HTTP APIs (payload format 2.0).

mod address;
mod answer;
mod api;
mod event;
mod source;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use aws_protocol::{Home, Request, Response};
use bytes::Bytes;

pub use address::Address;
pub use api::{Api, Error, Method, Route};
pub use source::Source;

use answer::Refusal;

/// AWS's limit for a request to API Gateway.
pub const REQUEST_BYTES_MAX: usize = 10 * 1024 * 1024;
/// AWS's limit for an integration: the client gets 504 while the function goes on.
pub const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

/// Runs functions: the Lambda host, seen from here.
///
/// An implementer owes: one run per call; and a run that goes on when the returned future is dropped, as it is when
/// the time is up or the client goes away (AWS does not stop the function either).
pub trait Invoker: Send + Sync {
    fn invoke(
        &self,
        function_arn: &str,
        payload: Bytes,
    ) -> impl Future<Output = Result<InvokeAnswer, InvokeError>> + Send;
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
        context.mark(self.answer(api, &path, request, peer, &context).await)
    }

    /// Answers a request on the shared port, at the address that [`Address::of`] found in it.
    pub async fn handle_at(&self, apis: &[Api], address: &Address, request: Request, peer: SocketAddr) -> Response {
        let context = event::Context::new(&self.home, &self.source);
        let response = match apis.iter().find(|api| api.id() == address.api_id && api.stage() == address.stage) {
            Some(api) => self.answer(api, &address.path, request, peer, &context).await,
            None => Refusal::Forbidden.response(&unknown(apis, address)),
        };
        context.mark(response)
    }

    async fn answer(
        &self,
        api: &Api,
        path: &str,
        request: Request,
        peer: SocketAddr,
        context: &event::Context<'_>,
    ) -> Response {
        let (method, bytes) = (request.method(), request.body().len());
        if bytes > REQUEST_BYTES_MAX {
            return Refusal::TooLarge
                .response(&format!("the body has {bytes} bytes, the limit is {REQUEST_BYTES_MAX}"));
        }
        let Some(matched) = api.route(method, path) else {
            return Refusal::NoRoute.response(&format!("{method} {path} is none of {}", api.show_routes()));
        };
        let payload = event::build(api, &matched, path, &request, peer, context);
        self.run(&matched.route.function_arn, payload.into()).await
    }

    async fn run(&self, arn: &str, payload: Bytes) -> Response {
        match tokio::time::timeout(INTEGRATION_TIMEOUT, self.invoker.invoke(arn, payload)).await {
            Ok(Ok(answer)) => answer::respond(&answer).unwrap_or_else(|reason| {
                Refusal::BadAnswer.response(&format!("the answer of {arn} cannot be used: {reason}"))
            }),
            Ok(Err(error)) => Refusal::NotRun.response(&not_run(arn, error)),
            Err(_) => Refusal::TimedOut
                .response(&format!("{arn} did not answer within {} s and goes on", INTEGRATION_TIMEOUT.as_secs())),
        }
    }
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

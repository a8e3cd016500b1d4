//! The Step Functions door: AWS JSON 1.0, `X-Amz-Target: AWSStepFunctions.<Operation>`.
//!
//! One file per action in [`actions`]; every error name and text in [`errors`]; history events are rendered to
//! the wire in [`history`]. The door checks requests and shapes answers. What happens is decided by the engine;
//! the door knows no other door and no socket.
//!
//! Source of shapes and names: the service model `stepfunctions` 2016-11-23.

mod actions;
mod check;
mod errors;
mod events;
mod history;
pub mod lane;
mod logging;
mod model;
mod page;
mod wire;

use std::sync::Arc;

use aws_protocol::{Error, Home, Homes, Request, Response, json_1_0, json_1_0_error};
use engine::{Handle, Parent, Reader};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

pub use actions::start_sync_execution::shape as sync_answer;
pub use logging::{LogTarget, Record, Recorder, records as log_records};

/// What comes before the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "AWSStepFunctions.";

/// "Maximum request size": 1 MB per request. Source: "Step Functions service quotas".
const REQUEST_BYTES_MAX: usize = 1024 * 1024 + 64 * 1024;

/// States that are tested at the same time, each on a thread. AWS's quota of TestState is 50 in a burst.
const TESTS_MAX: usize = 50;

#[derive(Clone)]
pub struct States {
    pub(crate) handle: Handle,
    pub(crate) reader: Reader,
    /// Whose names are meant: a request that is signed for elsewhere is answered by a copy with that home.
    homes: Homes,
    /// Places for states that are tested.
    pub(crate) tests: Arc<Semaphore>,
    log: Option<Arc<dyn LogTarget>>,
}

impl States {
    /// `home` is that of requests without a signature. Others say their region, and their account by an access key of
    /// twelve digits: each has its own state machines and activities. An ARN is found from everywhere.
    pub fn new(handle: Handle, reader: Reader, home: Home) -> States {
        let tests = Arc::new(Semaphore::new(TESTS_MAX));
        States { handle, reader, homes: Homes { home, account_is_fixed: false }, tests, log: None }
    }

    /// Everybody has the account of our home.
    pub fn with_fixed_account(self) -> States {
        States { homes: Homes { account_is_fixed: true, ..self.homes }, ..self }
    }

    /// Where names are looked up and made.
    pub fn home(&self) -> &Home {
        &self.homes.home
    }

    /// Log groups that machines name are declared to this target.
    pub fn with_log(self, target: Arc<dyn LogTarget>) -> States {
        States { log: Some(target), ..self }
    }

    /// Tells where log groups live that machines with these settings write to one.
    pub(crate) async fn declare_log(&self, settings: &Map<String, Value>) -> Result<(), Error> {
        let Some((target, group)) = self.log.clone().zip(logging::group(settings)) else { return Ok(()) };
        match tokio::task::spawn_blocking(move || target.declare(&group)).await {
            Ok(declared) => declared.map_err(|why| errors::invalid_logging(&why)),
            Err(error) => Err(Error::internal(format!("the request was given up: {error}"))),
        }
    }

    /// Answers one request. Never fails: every failure is an AWS error.
    pub async fn handle(&self, request: &Request) -> Response {
        let answer = match self.homes.elsewhere(request.headers()) {
            None => self.answer(request).await,
            Some(home) => States { homes: Homes { home, ..self.homes }, ..self.clone() }.answer(request).await,
        };
        match answer {
            Ok(answer) => json_1_0(&answer),
            Err(error) => json_1_0_error("", &error),
        }
    }

    async fn answer(&self, request: &Request) -> Result<Value, Error> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or(target);
        if request.body().len() > REQUEST_BYTES_MAX {
            return Err(errors::request_too_large(request.body().len(), REQUEST_BYTES_MAX));
        }
        let mut body = wire::parse(request.body())?;
        // A trace may be told in either place; the body's word counts.
        if operation == "StartExecution"
            && body["traceHeader"].is_null()
            && let Some(trace) = request.headers().get("x-amzn-trace-id").and_then(|value| value.to_str().ok())
        {
            body["traceHeader"] = trace.into();
        }
        actions::dispatch(self, operation, body).await
    }

    /// Calls an action with a body, as if it had come over the wire: for the command line's own use.
    pub async fn call(&self, operation: &str, body: Value) -> Result<Value, Error> {
        actions::dispatch(self, operation, body).await
    }

    /// StartExecution for a task that waits for the end of what it starts.
    pub async fn start_nested(&self, body: Value, parent: Parent) -> Result<Value, Error> {
        actions::start_nested(self, body, parent).await
    }
}

//! Serving a function: Lambda's Runtime API in front, a plain async fn behind.
//!
//! The runtime's client and its layers are generic over the handler. Here they see one boxed handler and are compiled
//! once, not once for each binary.

use std::error::Error;
use std::pin::Pin;

use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::Failure;

/// What `main` returns: a function that cannot start says why on standard error and leaves with code 1.
pub type Started = Result<(), Box<dyn Error + Send + Sync>>;

type Outcome = Result<Box<RawValue>, Failure>;
type Handler = Box<dyn Fn(Value) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send>;

/// Asks for events and answers them with `handler`, one at a time, until Lambda ends the process.
pub fn serve<E, R, F, Fut>(handler: F) -> Started
where
    E: DeserializeOwned,
    R: Serialize,
    F: Fn(E) -> Fut + Send + 'static,
    Fut: Future<Output = Result<R, Failure>> + Send + 'static,
{
    poll(Box::new(move |event| {
        let called = read(event).map(&handler);
        Box::pin(async move { write(&called?.await?) })
    }))
}

/// One thread is enough: a Lambda process has one event at a time.
fn poll(handler: Handler) -> Started {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let outcome = handler(event.payload);
        async { outcome.await.inspect_err(|failure| eprintln!("{failure}")) }
    })))
}

fn read<E: DeserializeOwned>(event: Value) -> Result<E, Failure> {
    serde_json::from_value(event).map_err(|error| Failure::new("InvalidEvent", error.to_string()))
}

fn write(answer: &impl Serialize) -> Outcome {
    to_raw_value(answer).map_err(|error| Failure::new("InvalidAnswer", error.to_string()))
}

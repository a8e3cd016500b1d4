//! What can go wrong, told apart by whose fault it is: the caller's (AWS's names), the function's (an
//! [`crate::Outcome`], not an error) or the world's.

use std::io;
use std::path::{Path, PathBuf};

use aws_protocol::Error as AwsError;
use http::StatusCode;

/// Why a change to a function was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's fault, in Lambda's words.
    #[error(transparent)]
    Refused(#[from] AwsError),
    #[error("cannot {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// A thread of ours could not finish the work.
    #[error("the change was interrupted: {0}")]
    Interrupted(String),
}

impl Error {
    /// For `map_err`: names what was tried and on what.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { doing, path: path.into(), source }
    }

    /// As Lambda tells it. What the world did is a `ServiceException`.
    pub fn to_aws(&self) -> AwsError {
        match self {
            Error::Refused(error) => error.clone(),
            world => service(chain(world)),
        }
    }
}

/// Why a host did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not a function this version can read: {reason}. Remove it, or create the function again", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error(
        "{count} function processes of an earlier run do not end; end them by hand ({marker} is in their environment)"
    )]
    Survivors { count: usize, marker: String },
    #[error(transparent)]
    Layers(#[from] Error),
    #[error("cannot start the guard process {}", executable.display())]
    Guard { executable: PathBuf, source: io::Error },
    #[error("cannot start a thread of the host")]
    Thread(#[source] io::Error),
}

/// Why an invocation was throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// The function's reserved concurrency is in use (or is zero).
    Reserved,
    /// The queue of the function, or that of events, is full.
    QueueFull,
}

/// Why an invocation did not reach the function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// Names the ARN asked for.
    #[error("Function not found: {0}")]
    NotFound(String),
    /// The name is not one.
    #[error("{0}")]
    InvalidName(AwsError),
    #[error("Rate Exceeded.")]
    TooManyRequests(Throttle),
    #[error("{0}")]
    PayloadTooLarge(String),
    #[error("Could not parse request body into json: Could not parse payload into json: {0}")]
    InvalidJson(String),
    /// The machine did not let us start the process: no memory, no descriptors. Not the function's doing.
    #[error("the function's process could not be started: {0}")]
    CannotStart(String),
    /// The event could not be written down, so it was not accepted.
    #[error("the event could not be kept: {0}")]
    NotKept(String),
    /// The host is shutting down. The invocation may have begun.
    #[error("the host is shutting down")]
    ShutDown,
}

impl InvokeError {
    /// As Lambda tells it.
    pub fn to_aws(&self) -> AwsError {
        let text = self.to_string();
        match self {
            InvokeError::NotFound(_) => not_found(text),
            InvokeError::InvalidName(error) => error.clone(),
            InvokeError::TooManyRequests(throttle) => AwsError::with_status(TOO_MANY, "TooManyRequestsException", text)
                .detail("Reason", throttle_reason(*throttle)),
            InvokeError::PayloadTooLarge(_) => too_large(text),
            InvokeError::InvalidJson(_) => AwsError::client("InvalidRequestContentException", text),
            InvokeError::CannotStart(_) | InvokeError::NotKept(_) | InvokeError::ShutDown => service(text),
        }
    }
}

const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;

fn throttle_reason(throttle: Throttle) -> &'static str {
    match throttle {
        Throttle::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
        Throttle::QueueFull => "ConcurrentInvocationLimitExceeded",
    }
}

pub(crate) fn not_found(text: impl Into<String>) -> AwsError {
    AwsError::with_status(StatusCode::NOT_FOUND, "ResourceNotFoundException", text)
}

pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterValueException", text)
}

pub(crate) fn conflict(text: impl Into<String>) -> AwsError {
    AwsError::with_status(StatusCode::CONFLICT, "ResourceConflictException", text)
}

/// The model calls it `RequestTooLargeException`; what AWS sends, and so what clients see, is this.
pub(crate) fn too_large(text: impl Into<String>) -> AwsError {
    AwsError::with_status(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLargeException", text)
}

pub(crate) fn service(text: impl Into<String>) -> AwsError {
    AwsError::with_status(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", text)
}

/// `1 validation error detected: ...`, as the front of AWS services words it.
pub(crate) fn constraint(value: &str, member: &str, constraint: &str) -> AwsError {
    let text = format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    );
    AwsError::client("ValidationException", text)
}

/// An error and its sources, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

//! How a function fails: a name for machines and a sentence for people.
//!
//! Lambda hands them on as `errorType` and `errorMessage`, and Step Functions as the `Error` that Retry and Catch match.
//! An AWS service's own error keeps the service's name for it.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::Response;
use lambda_runtime::Diagnostic;

pub struct Failure {
    pub error_type: String,
    pub message: String,
}

impl Failure {
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure { error_type: error_type.into(), message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.error_type, self.message)
    }
}

/// The same as `Display`, because this is what Rust prints when `main` returns it.
impl fmt::Debug for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Error for Failure {}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Diagnostic {
        Diagnostic { error_type: failure.error_type, error_message: failure.message }
    }
}

impl<E: ProvideErrorMetadata + Error + 'static> From<SdkError<E, Response>> for Failure {
    fn from(error: SdkError<E, Response>) -> Failure {
        match error.code() {
            Some(code) => Failure::new(code, error.message().unwrap_or("the service gave no reason")),
            None => {
                // The SDK's own words are only "dispatch failure"; what happened is in the causes.
                let causes = successors(Some(&error as &dyn Error), |&error| error.source());
                Failure::new("ServiceUnreachable", causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
            }
        }
    }
}

//! What every AWS door has in common: JSON and XML answers, errors by name, ARNs, and whom a request comes from.
//!
//! Pure: no sockets, no clock. A door takes an [`http::Request<Bytes>`] and gives an [`http::Response<Bytes>`];
//! the composition root owns the sockets. So a door can be tested without a port.

mod caller;
pub mod query;
pub mod time;
pub mod xml;

use std::fmt;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

pub use caller::{Homes, Scope, is_account};

pub type Request = http::Request<Bytes>;
pub type Response = http::Response<Bytes>;

/// The content type of the AWS JSON 1.0 protocol (Step Functions, DynamoDB).
pub const AWS_JSON_1_0: &str = "application/x-amz-json-1.0";
/// The content type of the AWS JSON 1.1 protocol (CloudWatch Logs).
pub const AWS_JSON_1_1: &str = "application/x-amz-json-1.1";
/// The content type of the REST JSON services (Lambda, API Gateway).
pub const REST_JSON: &str = "application/json";

/// An error a caller is told of: AWS's name, AWS's status, a text for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub status: StatusCode,
    /// The exception name, for instance `ExecutionDoesNotExist`.
    pub name: &'static str,
    pub message: String,
    /// Further members of the error's shape, for instance `reason` of a `ValidationException`.
    pub details: Vec<(&'static str, serde_json::Value)>,
}

impl Error {
    /// A caller's error: status 400, as almost all AWS JSON errors have.
    pub fn client(name: &'static str, message: impl Into<String>) -> Error {
        Error::with_status(StatusCode::BAD_REQUEST, name, message)
    }

    /// A fault of ours or of the machine: status 500, `InternalServerError`.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::with_status(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
    }

    pub fn with_status(status: StatusCode, name: &'static str, message: impl Into<String>) -> Error {
        Error { status, name, message: message.into(), details: Vec::new() }
    }

    pub fn detail(mut self, member: &'static str, value: impl Into<serde_json::Value>) -> Error {
        self.details.push((member, value.into()));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

impl std::error::Error for Error {}

/// An AWS JSON 1.0 answer; the body is the serialised value.
pub fn json_1_0(value: &impl Serialize) -> Response {
    json(StatusCode::OK, AWS_JSON_1_0, value)
}

/// An AWS JSON 1.0 error: `{"__type": NAME, "message": TEXT}`.
pub fn json_1_0_error(prefix: &str, error: &Error) -> Response {
    json(error.status, AWS_JSON_1_0, &error_body(prefix, error))
}

/// An AWS JSON 1.1 answer.
pub fn json_1_1(value: &impl Serialize) -> Response {
    json(StatusCode::OK, AWS_JSON_1_1, value)
}

/// An AWS JSON 1.1 error, of the same form as one of 1.0.
pub fn json_1_1_error(error: &Error) -> Response {
    json(error.status, AWS_JSON_1_1, &error_body("", error))
}

fn error_body(prefix: &str, error: &Error) -> serde_json::Map<String, serde_json::Value> {
    let mut body = serde_json::Map::new();
    body.insert("__type".into(), format!("{prefix}{}", error.name).into());
    body.insert("message".into(), error.message.clone().into());
    for (member, value) in &error.details {
        body.insert((*member).into(), value.clone());
    }
    body
}

/// An answer with a JSON body.
pub fn json(status: StatusCode, content_type: &str, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("an answer is plain data, which always serialises");
    respond(status, content_type, body)
}

/// An answer with any body.
pub fn respond(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response {
    http::Response::builder()
        .status(status)
        .header(http::header::CONTENT_TYPE, content_type)
        .body(body.into())
        .expect("a status and a content type make a valid answer")
}

/// The account and region that a resource belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Default for Home {
    fn default() -> Home {
        Home { region: "us-east-1".into(), account: "000000000000".into() }
    }
}

impl Home {
    /// `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }

    /// Is this the ARN of something that belongs here?
    pub fn has(&self, arn: &str) -> bool {
        Arn::parse(arn).is_some_and(|arn| (arn.region, arn.account) == (&*self.region, &*self.account))
    }
}

/// The six parts of an ARN, borrowed from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    /// All that follows the fifth colon, colons included.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    pub fn parse(text: &'a str) -> Option<Arn<'a>> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        Some(Arn {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next().filter(|r| !r.is_empty())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            assert_eq!(Arn::parse(text).map(|a| (a.service, a.resource)), expect, "{text}");
        };
        check("arn:aws:states:us-east-1:1:stateMachine:m", Some(("states", "stateMachine:m")));
        check("arn:aws:lambda:us-east-1:1:function:f:PROD", Some(("lambda", "function:f:PROD")));
        check("arn:aws:states:us-east-1:1:", None);
        check("arn:aws:states", None);
        check("", None);
    }

    #[test]
    fn homes_have_their_own() {
        let check = |arn: &str, expect: bool| assert_eq!(Home::default().has(arn), expect, "{arn}");
        check("arn:aws:states:us-east-1:000000000000:stateMachine:m", true);
        check("arn:aws:states:eu-west-1:000000000000:stateMachine:m", false);
        check("arn:aws:states:us-east-1:111122223333:stateMachine:m", false);
        check("m", false);
    }

    #[test]
    fn errors_carry_type_message_and_details() {
        let error = Error::client("ValidationException", "no").detail("reason", "MISSING_REQUIRED_PARAMETER");
        let answer = json_1_0_error("", &error);
        assert_eq!(answer.status(), 400);
        assert_eq!(
            answer.body().as_ref(),
            br#"{"__type":"ValidationException","message":"no","reason":"MISSING_REQUIRED_PARAMETER"}"#
        );
    }
}

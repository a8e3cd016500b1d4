//! From the function's answer to the HTTP response, and the refusals of the door itself.
//!
//! AWS is strict here, so we are: a function that returns anything but the known members, of the right types, gets the
//! client a 502. No member is required; `{}` is an empty 200. `isBase64Encoded` is always honoured (as if the API
//! named `*/*` as binary). A header in `multiValueHeaders` replaces the same one in `headers`.
//!
//! That is format 1.0 with a REST API. In format 2.0 an answer without `statusCode` is the body itself, and cookies are
//! a list; HTTP APIs care about no member that they do not know.

use aws_protocol::{REST_JSON, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use serde_json::{Map, Value, json};

use crate::api::Kind;
use crate::event::drop_hop_by_hop;
use crate::{InvokeAnswer, Payload};

/// The only members an answer may have.
const MEMBERS: &[&str] = &["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"];
/// Where a refusal of the door itself says why.
pub const REASON: HeaderName = HeaderName::from_static("x-ithaca-reason");
/// A reason is for one line of a terminal.
const REASON_CHARS_MAX: usize = 400;

/// Answers of API Gateway itself, each with its status, exception name and text.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    NoRoute,
    Forbidden,
    TooLarge,
    /// No template is for the content type.
    UnsupportedType,
    /// The function ran, but failed or gave no proxy answer.
    BadAnswer,
    NotRun,
    TimedOut,
}

impl Refusal {
    fn wire(self, kind: Kind) -> (StatusCode, &'static str, &'static str) {
        match kind {
            Kind::Rest => self.of_rest(),
            Kind::Http => self.of_http(),
            Kind::FunctionUrl => self.of_url(),
        }
    }

    fn of_rest(self) -> (StatusCode, &'static str, &'static str) {
        const INTERNAL: &str = "InternalServerErrorException";
        match self {
            Refusal::NoRoute => {
                (StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", "Missing Authentication Token")
            }
            Refusal::Forbidden => (StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"),
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", "Request Too Long"),
            Refusal::UnsupportedType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaTypeException", "Unsupported Media Type")
            }
            Refusal::BadAnswer => (StatusCode::BAD_GATEWAY, INTERNAL, "Internal server error"),
            Refusal::NotRun => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, "Internal server error"),
            Refusal::TimedOut => (StatusCode::GATEWAY_TIMEOUT, INTERNAL, "Endpoint request timed out"),
        }
    }

    /// HTTP APIs name no exception.
    fn of_http(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Refusal::NoRoute => (StatusCode::NOT_FOUND, "", "Not Found"),
            Refusal::Forbidden => (StatusCode::FORBIDDEN, "", "Forbidden"),
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "", "Request Entity Too Large"),
            Refusal::BadAnswer | Refusal::NotRun => (StatusCode::INTERNAL_SERVER_ERROR, "", "Internal Server Error"),
            Refusal::UnsupportedType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "", "Unsupported Media Type"),
            Refusal::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "", "Service Unavailable"),
        }
    }

    fn of_url(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Refusal::BadAnswer => (StatusCode::BAD_GATEWAY, "InternalServerErrorException", "Internal Server Error"),
            other => other.of_http(),
        }
    }

    /// The response; `reason` is for the person who runs the API and goes into a header.
    pub fn response(self, kind: Kind, reason: &str) -> Response {
        let (status, exception, message) = self.wire(kind);
        let mut response = aws_protocol::json(status, REST_JSON, &json!({ "message": message }));
        if !exception.is_empty() {
            response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(exception));
        }
        response.headers_mut().insert(REASON, line(reason));
        response
    }
}

/// A text as a header's value: what does not fit there becomes a question mark.
fn line(text: &str) -> HeaderValue {
    let fit = |letter: char| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' };
    let line: String = text.chars().take(REASON_CHARS_MAX).map(fit).collect();
    HeaderValue::try_from(line).expect("visible ASCII makes a valid header")
}

/// The response that the function's answer describes, or what is wrong with the answer.
pub fn respond(kind: Kind, format: Payload, answer: &InvokeAnswer) -> Result<Response, String> {
    let value = serde_json::from_slice(&answer.payload);
    if answer.function_error {
        return Err(failure(value.ok()));
    }
    if kind == Kind::FunctionUrl
        && let Some(streamed) = streamed(&answer.payload)
    {
        return streamed;
    }
    let value: Value = value.map_err(|error| format!("it is not JSON ({error})"))?;
    let members = match value {
        Value::Object(members) if format == Payload::V1 || members.contains_key("statusCode") => members,
        value if format == Payload::V2 => return Ok(inferred(value, &answer.payload)),
        value => return Err(format!("it is {}, not an object", self::kind(&value))),
    };
    let unknown = members.keys().find(|member| kind == Kind::Rest && !MEMBERS.contains(&member.as_str()));
    if let Some(member) = unknown {
        return Err(format!("it has a member `{member}`; allowed are {}", MEMBERS.join(", ")));
    }
    let mut response = http::Response::new(body(&members)?);
    *response.status_mut() = status(&members)?;
    *response.headers_mut() = headers(format, &members)?;
    let default = match kind {
        Kind::Rest | Kind::FunctionUrl => REST_JSON,
        Kind::Http => "text/plain;charset=UTF-8",
    };
    response.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(default));
    Ok(response)
}

/// What a function has streamed with a prelude: status and headers as JSON, eight zeros, the body as it is. JSON has no zeros.
fn streamed(payload: &Bytes) -> Option<Result<Response, String>> {
    const END: &[u8] = &[0; 8];
    let at = payload.windows(END.len()).position(|window| window == END)?;
    let Ok(Value::Object(mut members)) = serde_json::from_slice(&payload[..at]) else {
        return Some(Err("its prelude is not a JSON object".to_owned()));
    };
    members.entry("statusCode").or_insert(200.into());
    Some((|| {
        let mut response = http::Response::new(payload.slice(at + END.len()..));
        *response.status_mut() = status(&members)?;
        *response.headers_mut() = headers(Payload::V2, &members)?;
        let default = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().entry(CONTENT_TYPE).or_insert(default);
        Ok(response)
    })())
}

/// What is answered in format 2.0 when the function gives but a value: a text as it is, anything else as JSON.
fn inferred(value: Value, payload: &Bytes) -> Response {
    let body = match value {
        Value::String(text) => Bytes::from(text),
        _ => payload.clone(),
    };
    aws_protocol::respond(StatusCode::OK, REST_JSON, body)
}

fn failure(described: Option<Value>) -> String {
    let described = described.unwrap_or_default();
    let text = |member: &str| described[member].as_str().unwrap_or("unknown").to_owned();
    format!("the function failed with {}: {}", text("errorType"), text("errorMessage"))
}

/// A number, or a number in a string, as AWS takes both. Informational codes are not for a final answer.
fn status(members: &Map<String, Value>) -> Result<StatusCode, String> {
    let code = match members.get("statusCode") {
        None | Some(Value::Null) => return Ok(StatusCode::OK),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    code.filter(|code| (200..600).contains(code))
        .and_then(|code| StatusCode::from_u16(code as u16).ok())
        .ok_or_else(|| format!("its statusCode {} is not a number from 200 to 599", members["statusCode"]))
}

fn body(members: &Map<String, Value>) -> Result<Bytes, String> {
    let text = match members.get("body") {
        None | Some(Value::Null) => return Ok(Bytes::new()),
        Some(Value::String(text)) => text,
        Some(other) => return Err(format!("its body is {}, not a string", kind(other))),
    };
    match members.get("isBase64Encoded") {
        None | Some(Value::Null | Value::Bool(false)) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Some(Value::Bool(true)) => {
            STANDARD.decode(text).map(Bytes::from).map_err(|error| format!("its body is not base64 ({error})"))
        }
        Some(other) => Err(format!("its isBase64Encoded is {}, not true or false", kind(other))),
    }
}

fn headers(format: Payload, members: &Map<String, Value>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in object(members, "headers")? {
        headers.insert(header_name(name)?, header_value(name, value)?);
    }
    match format {
        Payload::V1 => put_multi(members, &mut headers)?,
        Payload::V2 => put_cookies(members, &mut headers)?,
    }
    drop_hop_by_hop(&mut headers);
    Ok(headers)
}

fn put_multi(members: &Map<String, Value>, headers: &mut HeaderMap) -> Result<(), String> {
    for (name, values) in object(members, "multiValueHeaders")? {
        let Value::Array(values) = values else {
            return Err(format!("its multiValueHeaders `{name}` is {}, not a list", kind(values)));
        };
        let header = header_name(name)?;
        headers.remove(&header);
        for value in values {
            headers.append(header.clone(), header_value(name, value)?);
        }
    }
    Ok(())
}

fn put_cookies(members: &Map<String, Value>, headers: &mut HeaderMap) -> Result<(), String> {
    let cookies = match members.get("cookies") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(cookies)) => cookies,
        Some(other) => return Err(format!("its cookies are {}, not a list", kind(other))),
    };
    for cookie in cookies {
        headers.append(SET_COOKIE, header_value("set-cookie", cookie)?);
    }
    Ok(())
}

fn object<'a>(
    members: &'a Map<String, Value>,
    member: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, String> {
    match members.get(member) {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(object)) => Ok(Some(object).into_iter().flatten()),
        Some(other) => Err(format!("its {member} is {}, not an object", kind(other))),
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header name"))
}

fn header_value(name: &str, value: &Value) -> Result<HeaderValue, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        other => return Err(format!("its header `{name}` is {}, not a string", kind(other))),
    };
    HeaderValue::try_from(text)
        .map_err(|_| format!("its header `{name}` has a line break or another control character"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

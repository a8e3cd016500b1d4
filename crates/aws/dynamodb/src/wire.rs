//! How answers look on the wire: headers, error bodies, and DynamoDB's words for a request that cannot be read.
//!
//! dynoxide shapes its own errors, but as a library it leaves three things to the caller: the marks it puts before
//! the texts of refused values, the envelope around the validation errors of single writes, and the spelling of
//! a PartiQL condition that failed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_protocol::{AWS_JSON_1_0, Response};
use bytes::Bytes;
use dynoxide::DynoxideError;
use http::{HeaderValue, StatusCode};
use serde_json::json;

/// A successful answer.
pub fn answer(body: Vec<u8>) -> Response {
    respond(StatusCode::OK, body)
}

/// The answer to an operation that dynoxide refused.
pub fn refused(operation: &str, error: DynoxideError) -> Response {
    let error = for_wire(operation, error);
    let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    respond(status, error.to_json().into_bytes())
}

/// An error of this door. `kind` is the whole `__type`.
pub fn refuse(status: StatusCode, kind: &str, message: &str) -> Response {
    respond(status, json!({ "__type": kind, "message": message }).to_string().into_bytes())
}

/// DynamoDB's 500: ours to mend, and an SDK tries again.
pub fn internal(message: &str) -> Response {
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "com.amazonaws.dynamodb.v20120810#InternalServerError", message)
}

fn respond(status: StatusCode, body: Vec<u8>) -> Response {
    let body = Bytes::from(body);
    // SDKs of Python and Java compare this checksum with the body they read.
    let checksum = HeaderValue::from(crc32fast::hash(&body));
    let mut response = aws_protocol::respond(status, AWS_JSON_1_0, body);
    response.headers_mut().insert("x-amz-crc32", checksum);
    response.headers_mut().insert("x-amzn-requestid", request_id());
    response
}

/// Unique in this process and unlikely elsewhere: a random start and a count.
fn request_id() -> HeaderValue {
    static START: LazyLock<[u64; 2]> = LazyLock::new(|| [0, 1].map(|salt| RandomState::new().hash_one(salt)));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let [high, low] = *START;
    let id = format!("{high:016X}{low:016X}{:016X}", COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(id).expect("hexadecimal digits make a valid header")
}

/// Settles what dynoxide leaves open about an error until the operation is known.
fn for_wire(operation: &str, error: DynoxideError) -> DynoxideError {
    use DynoxideError::{
        ConditionalCheckFailedException, EnvelopedValidation, StatementConditionalCheckFailed, ValidationException,
    };
    match (operation, error) {
        ("PutItem" | "UpdateItem" | "DeleteItem", EnvelopedValidation(text)) => {
            ValidationException(format!("1 validation error detected: {text}"))
        }
        (_, EnvelopedValidation(text)) => ValidationException(text),
        ("ExecuteStatement", ConditionalCheckFailedException(text, Some(item))) => {
            StatementConditionalCheckFailed(text, item)
        }
        (_, error) => error,
    }
}

/// What to answer when a body is not JSON, or not of the operation's shape.
pub fn unreadable(error: serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    if !error.is_data() {
        return DynoxideError::SerializationException(format!("The request body is not JSON: {text}"));
    }
    let (text, _position) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
    for (mark, class) in MARKS {
        if let Some(text) = text.strip_prefix(mark) {
            return class(text.to_owned());
        }
    }
    match VALIDATION_SIGNS.iter().any(|sign| text.contains(sign)) {
        true => DynoxideError::ValidationException(text.to_owned()),
        false => DynoxideError::SerializationException(mismatch(text)),
    }
}

type Class = fn(String) -> DynoxideError;

/// The marks before the texts of dynoxide's own readers, and the class each stands for.
const MARKS: &[(&str, Class)] = &[
    ("SERIALIZATION_AS_READ:", DynoxideError::SerializationException),
    ("VALIDATION_AS_READ:", DynoxideError::ValidationException),
    ("SERIALIZATION:", DynoxideError::SerializationException),
    ("VALIDATION_REQUEST:", DynoxideError::EnvelopedValidation),
    ("VALIDATION:", DynoxideError::ValidationException),
];

/// Unmarked texts that DynamoDB counts as invalid, not as unreadable.
const VALIDATION_SIGNS: &[&str] =
    &["missing field", "unknown variant", "invalid type: null", "empty AttributeValue", "Supplied AttributeValue"];

/// What the reader found, in DynamoDB's words.
const FOUND: &[(&str, &str)] = &[
    ("integer ", "NUMBER_VALUE"),
    ("floating point ", "NUMBER_VALUE"),
    ("boolean `true`", "TRUE_VALUE"),
    ("boolean `false`", "FALSE_VALUE"),
    ("string ", "STRING_VALUE"),
];

/// What the reader expected, in DynamoDB's words.
const EXPECTED: &[(&str, &str)] =
    &[("a string", "String"), ("a boolean", "Boolean"), ("i64", "Long"), ("u64", "Long"), ("i32", "Integer")];

/// A type mismatch in DynamoDB's words; any other text as it is.
fn mismatch(text: &str) -> String {
    let Some((found, expected)) = text.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    else {
        return text.to_owned();
    };
    match found {
        "map" => return "Start of structure or map found where not expected".to_owned(),
        "sequence" => return "Unrecognized collection type class java.util.ArrayList".to_owned(),
        _ => {}
    }
    let found = FOUND.iter().find(|(prefix, _)| found.starts_with(prefix));
    let expected = EXPECTED.iter().find(|(name, _)| *name == expected);
    match (found, expected) {
        (Some((_, found)), Some((_, expected))) => format!("{found} cannot be converted to {expected}"),
        (Some(_), None) => "Unexpected field type".to_owned(),
        _ => text.to_owned(),
    }
}

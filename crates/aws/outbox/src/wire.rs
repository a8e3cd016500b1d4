//! The three protocols of the services: what is asked for out of a request, and an answer for it.
//!
//! | | asks | answers |
//! |---|---|---|
//! | SQS, EventBridge | AWS JSON, `X-Amz-Target` | JSON |
//! | SNS, SES, SQS of older SDKs | a form, `Action` and `Version` | XML |
//! | SES v2 | `POST /v2/email/outbound-emails` | JSON |
//!
//! A form is read without its service's model: what is numbered is a list, and a list of names and values is a map.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_protocol::{AWS_JSON_1_0, AWS_JSON_1_1, REST_JSON, Request, Response, json, respond};
use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::messages::{self, Operation, Refusal};

const SQS_TARGET: &str = "AmazonSQS.";
const EVENTS_TARGET: &str = "AWSEvents.";
const EMAILS: &str = "/v2/email/outbound-emails";
const MAILS: &str = "/v2/email/";

/// The versions by which the services of the query protocol are told apart.
const VERSIONS: &[(&str, &str)] = &[("2010-03-31", "sns"), ("2010-12-01", "ses"), ("2012-11-05", "sqs")];

/// Names may nest so deep in a form.
const DEPTH_MAX: usize = 16;

/// What a request asks for.
pub struct Call {
    pub service: &'static str,
    pub name: String,
    /// None if it is not one that is taken.
    pub operation: Option<&'static Operation>,
    pub members: Result<Value, Refusal>,
    pub reply: Reply,
}

/// How the answer is to look.
pub enum Reply {
    Json { content_type: &'static str, service: &'static str },
    Xml { service: &'static str, action: String },
    Rest,
}

fn target(request: &Request) -> &str {
    request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn is_form(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    request.method() == Method::POST && kind.starts_with("application/x-www-form-urlencoded")
}

/// Is this a request for one of the services?
pub fn is_for(request: &Request) -> bool {
    let target = target(request);
    target.starts_with(SQS_TARGET)
        || target.starts_with(EVENTS_TARGET)
        || request.uri().path().starts_with(MAILS)
        || is_form(request) && version(request.body()).is_some()
}

/// The service whose version a form has.
fn version(body: &[u8]) -> Option<&'static str> {
    let version = body.split(|byte| *byte == b'&').find_map(|pair| pair.strip_prefix(b"Version="))?;
    VERSIONS.iter().find(|(known, _)| known.as_bytes() == version).map(|(_, service)| *service)
}

pub fn read(request: &Request) -> Call {
    let target = target(request);
    for (prefix, service, content_type) in [(SQS_TARGET, "sqs", AWS_JSON_1_0), (EVENTS_TARGET, "events", AWS_JSON_1_1)]
    {
        if let Some(name) = target.strip_prefix(prefix) {
            let reply = Reply::Json { content_type, service };
            return call(service, name, members(request.body()), reply);
        }
    }
    if request.uri().path().starts_with(MAILS) {
        let is_mail = request.method() == Method::POST && request.uri().path() == EMAILS;
        let name = match is_mail {
            true => "SendEmail".to_owned(),
            false => format!("{} {}", request.method(), request.uri().path()),
        };
        let body = if is_mail { request.body().as_ref() } else { b"{}" };
        return call("sesv2", &name, members(body), Reply::Rest);
    }
    let mut members = form(request.body());
    let service = version(request.body()).unwrap_or("sqs");
    let action = members["Action"].as_str().unwrap_or_default().to_owned();
    if let Some(members) = members.as_object_mut() {
        members.remove("Action");
        members.remove("Version");
    }
    if service == "sqs" {
        members = as_json_has_it(members, request);
    }
    call(service, &action, Ok(members), Reply::Xml { service, action: action.clone() })
}

fn call(service: &'static str, name: &str, members: Result<Value, Refusal>, reply: Reply) -> Call {
    Call { service, name: name.to_owned(), operation: messages::find(service, name), members, reply }
}

fn members(body: &[u8]) -> Result<Value, Refusal> {
    let members = serde_json::from_slice(body).ok().filter(Value::is_object);
    members.ok_or_else(|| Refusal::malformed("The request body must be a JSON object"))
}

/// SQS's older protocol has other names for lists, and the queue in the path.
fn as_json_has_it(members: Value, request: &Request) -> Value {
    let Value::Object(members) = members else { return members };
    let mut named = Map::new();
    for (name, value) in members {
        let (name, value) = match (name.as_str(), value) {
            ("SendMessageBatchRequestEntry", Value::Array(entries)) => {
                let entries: Vec<Value> = entries.into_iter().map(|entry| as_json_has_it(entry, request)).collect();
                ("Entries".to_owned(), entries.into())
            }
            ("MessageAttribute", value) => ("MessageAttributes".to_owned(), value),
            ("DelaySeconds", Value::String(seconds)) => {
                (name, seconds.parse::<i64>().map_or(Value::String(seconds), Value::from))
            }
            (_, value) => (name, value),
        };
        named.insert(name, value);
    }
    let is_path = request.uri().path().len() > 1 && !named.contains_key("Id");
    if is_path && !named.contains_key("QueueUrl") {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        named.insert("QueueUrl".into(), format!("http://{host}{}", request.uri().path()).into());
    }
    Value::Object(named)
}

/// The members of a form, as JSON would have them.
fn form(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let decoded = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut all = Value::Object(Map::new());
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name);
        if name.split('.').count() <= DEPTH_MAX {
            put(&mut all, &name, decoded(value));
        }
    }
    listed(all)
}

fn put(at: &mut Value, name: &str, value: String) {
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    match name.split_once('.') {
        None => at[name] = value.into(),
        Some((first, rest)) => put(&mut at[first], rest, value),
    }
}

/// What is numbered as a list, what has names and values as a map.
fn listed(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let mut members: Map<String, Value> = members.into_iter().map(|(name, value)| (name, listed(value))).collect();
    for wrapper in ["member", "entry"] {
        if members.len() == 1
            && let Some(inner) = members.remove(wrapper)
        {
            return inner;
        }
    }
    let number = |name: &String| name.parse::<usize>().ok();
    if members.is_empty() || !members.keys().all(|name| number(name).is_some()) {
        return Value::Object(members);
    }
    let mut items: Vec<(Option<usize>, Value)> =
        members.into_iter().map(|(name, value)| (number(&name), value)).collect();
    items.sort_by_key(|(number, _)| *number);
    let items: Vec<Value> = items.into_iter().map(|(_, value)| value).collect();
    let pair = |item: &Value| {
        let item = item.as_object().filter(|item| item.len() == 2)?;
        let name = item.get("Name").or(item.get("key"))?.as_str()?;
        Some((name.to_owned(), item.get("Value").or(item.get("value"))?.clone()))
    };
    match items.iter().map(pair).collect::<Option<Map<String, Value>>>() {
        Some(map) => Value::Object(map),
        None => Value::Array(items),
    }
}

/// The answer as the caller's protocol has it.
pub fn answer(reply: &Reply, result: Result<Value, Refusal>) -> Response {
    let request_id = uuid();
    let mut response = match (reply, result) {
        (Reply::Json { content_type, .. }, Ok(members)) => json(StatusCode::OK, content_type, &members),
        (Reply::Rest, Ok(members)) => json(StatusCode::OK, REST_JSON, &members),
        (Reply::Xml { service, action }, Ok(members)) => {
            let mut text = String::new();
            xml(&mut text, service, &members);
            let id = &request_id;
            let text = format!(
                "<{action}Response xmlns=\"{}\"><{action}Result>{text}</{action}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>",
                namespace(service)
            );
            respond(StatusCode::OK, "text/xml", text)
        }
        (Reply::Json { content_type, service }, Err(refusal)) => {
            let body =
                json!({ "__type": format!("com.amazonaws.{service}#{}", refusal.code), "message": refusal.message });
            let mut response = json(refusal.status, content_type, &body);
            if *service == "sqs" {
                // Under this name its older clients know an error.
                let value = format!("{};{}", refusal.code, fault(&refusal));
                header(&mut response, "x-amzn-query-error", &value);
            }
            response
        }
        (Reply::Rest, Err(refusal)) => {
            let mut response = json(refusal.status, REST_JSON, &json!({ "message": refusal.message }));
            header(&mut response, "x-amzn-errortype", refusal.code);
            response
        }
        (Reply::Xml { service, .. }, Err(refusal)) => {
            let (code, message) = (refusal.code, escaped(&refusal.message));
            let text = format!(
                "<ErrorResponse xmlns=\"{}\"><Error><Type>{}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                namespace(service),
                fault(&refusal)
            );
            respond(refusal.status, "text/xml", text)
        }
    };
    header(&mut response, "x-amzn-requestid", &request_id);
    response
}

fn header(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn fault(refusal: &Refusal) -> &'static str {
    if refusal.status.is_server_error() { "Receiver" } else { "Sender" }
}

fn namespace(service: &str) -> &'static str {
    match service {
        "sns" => "http://sns.amazonaws.com/doc/2010-03-31/",
        "ses" => "http://ses.amazonaws.com/doc/2010-12-01/",
        _ => "http://queue.amazonaws.com/doc/2012-11-05/",
    }
}

fn xml(text: &mut String, service: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                // SQS puts lists down without an element around them.
                let element = match (service, name.as_str()) {
                    ("sqs", "Successful") => "SendMessageBatchResultEntry",
                    ("sqs", "Failed") => "BatchResultErrorEntry",
                    (_, name) => name,
                };
                match value {
                    Value::Array(items) if element != name => {
                        items.iter().for_each(|item| wrapped(text, service, element, item))
                    }
                    Value::Array(items) => {
                        text.push_str(&format!("<{element}>"));
                        items.iter().for_each(|item| wrapped(text, service, "member", item));
                        text.push_str(&format!("</{element}>"));
                    }
                    value => wrapped(text, service, element, value),
                }
            }
        }
        Value::String(value) => text.push_str(&escaped(value)),
        other => text.push_str(&other.to_string()),
    }
}

fn wrapped(text: &mut String, service: &str, element: &str, value: &Value) {
    text.push_str(&format!("<{element}>"));
    xml(text, service, value);
    text.push_str(&format!("</{element}>"));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A UUID of version 4, unique and not secret. The entropy is that of the standard library's hash maps.
pub fn uuid() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    thread_local!(static KEYS: RandomState = RandomState::new());
    let random = || KEYS.with(|keys| keys.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)));
    let (high, low) = (random() & !0xf000 | 0x4000, random() & !(0b11 << 62) | (0b10 << 62));
    let [first, second, third] = [high >> 32, high >> 16 & 0xffff, high & 0xffff];
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let check = |body: &str, expect: Value| assert_eq!(form(body.as_bytes()), expect, "{body}");
        check("A=b%20c+d&E=", json!({ "A": "b c d", "E": "" }));
        check("L.member.2=b&L.member.1=a", json!({ "L": ["a", "b"] }));
        check("M.entry.1.Name=n&M.entry.1.Value.DataType=String", json!({ "M": { "n": { "DataType": "String" } } }));
        check("M.entry.1.key=k&M.entry.1.value=v", json!({ "M": { "k": "v" } }));
        check("E.1.Id=a&E.1.Body=b", json!({ "E": [{ "Id": "a", "Body": "b" }] }));
        check("D.To.member.1=a&D.To.member.2=b", json!({ "D": { "To": ["a", "b"] } }));
        check("A=1&A.b=2", json!({ "A": { "b": "2" } }));
        check("", json!({}));
    }

    #[test]
    fn answers_in_xml() {
        let check = |service: &str, value: Value, expect: &str| {
            let mut text = String::new();
            xml(&mut text, service, &value);
            assert_eq!(text, expect);
        };
        check("sns", json!({ "MessageId": "<a>" }), "<MessageId>&lt;a&gt;</MessageId>");
        check("sns", json!({ "Failed": [{ "Id": "a" }] }), "<Failed><member><Id>a</Id></member></Failed>");
        check("sqs", json!({ "Failed": [{ "Id": "a" }] }), "<BatchResultErrorEntry><Id>a</Id></BatchResultErrorEntry>");
        check("sns", json!({ "Successful": [] }), "<Successful></Successful>");
    }
}

//! The event of a Lambda proxy integration, payload format 1.0: what the function is called with.
//!
//! Compared with recordings of API Gateway:
//! - `path`, `pathParameters` and `requestContext.path` stay percent-encoded; query strings are decoded, `+` as a space;
//! - of repeated headers and query parameters the single-value maps keep the last;
//! - `Content-Length` and the headers of the connection are not passed on;
//! - what is empty is null: body, query, path parameters, stage variables.
//!
//! Where it differs: HTTP libraries forget how a client spelt header names, so they are written `Like-This`, as
//! HTTP/1 clients mostly do (functions should not care about case, and HTTP/2 clients send lower case anyway). A body
//! that is not UTF-8 arrives as base64 with `isBase64Encoded` true, whatever the API's binary media types; text stays
//! text. There are no CloudFront headers.
//!
//! An HTTP API that asks for 1.0 gets the same with `version`, with its paths decoded and the stage before them, and with
//! headers spelt as HTTP APIs do.

use std::net::{IpAddr, SocketAddr};

use aws_protocol::{Home, Request, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::api::{Api, Kind, Match};
use crate::event_v2;
use crate::source::{Source, request_time, trace_root, uuid};

pub(crate) const TRACE_ID: &str = "X-Amzn-Trace-Id";

/// Headers that speak of the connection or of this very message, not to the function.
pub const HOP_BY_HOP: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that only we know to be true.
pub(crate) const FORWARDED: &[&str] = &["x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"];

/// The headers that HTTP APIs write in capitals in this format; all others are in lower case.
const CAPITAL: &[&str] = &["content-length", "host", "user-agent", "x-amzn-trace-id"];

/// What is the same in the event and in the answer of one request.
pub struct Context<'a> {
    pub home: &'a Home,
    pub now_ms: u64,
    pub request_id: String,
    pub extended_request_id: String,
    pub trace_root: String,
}

impl Context<'_> {
    pub fn new<'a>(home: &'a Home, source: &Source) -> Context<'a> {
        let now_ms = (source.now_ms)();
        Context {
            home,
            now_ms,
            request_id: uuid((source.random)()),
            extended_request_id: STANDARD.encode(&(source.random)().to_be_bytes()[..11]),
            trace_root: trace_root(now_ms, (source.random)()),
        }
    }

    /// The answer with the ids that API Gateway puts on every answer.
    pub fn mark(&self, kind: Kind, mut response: Response) -> Response {
        let rest: &[_] = &[
            ("x-amzn-requestid", &self.request_id),
            ("x-amz-apigw-id", &self.extended_request_id),
            ("x-amzn-trace-id", &self.trace_root),
        ];
        let http: &[_] = &[("apigw-requestid", &self.extended_request_id)];
        let url: &[_] = &[("x-amzn-requestid", &self.request_id), ("x-amzn-trace-id", &self.trace_root)];
        let marks = match kind {
            Kind::Rest => rest,
            Kind::Http => http,
            Kind::FunctionUrl => url,
        };
        for (name, value) in marks {
            let value = HeaderValue::try_from(*value).expect("ids are plain ASCII");
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
        response
    }
}

/// The serialised event. `path` is the path within the API.
pub fn build(
    api: &Api,
    matched: &Match<'_>,
    path: &str,
    request: &Request,
    peer: SocketAddr,
    context: &Context<'_>,
) -> Vec<u8> {
    let headers = Multi::headers(api, request, peer, context);
    let query = Multi::query(request.uri().query().unwrap_or_default());
    let (body, is_base64) = body(api, request);
    let path = match api.kind() {
        Kind::Rest => path.to_owned(),
        Kind::Http | Kind::FunctionUrl => event_v2::shown_path(api, path),
    };
    let mut event = json!({
        "resource": matched.route.path,
        "path": path,
        "httpMethod": request.method().as_str(),
        "headers": headers.last(),
        "multiValueHeaders": headers.all(),
        "queryStringParameters": query.last(),
        "multiValueQueryStringParameters": query.all(),
        "pathParameters": path_parameters(api, matched),
        "stageVariables": variables(api),
        "requestContext": request_context(api, matched, &path, request, peer, context),
        "body": body,
        "isBase64Encoded": is_base64,
    });
    if api.kind() != Kind::Rest {
        event["version"] = "1.0".into();
        event["resource"] = matched.route.path.as_str().into();
    }
    event.to_string().into_bytes()
}

fn request_context(
    api: &Api,
    matched: &Match<'_>,
    path: &str,
    request: &Request,
    peer: SocketAddr,
    context: &Context<'_>,
) -> Value {
    let domain = host(request);
    json!({
        "resourceId": short_id(&[api.id(), &matched.route.path]),
        "resourcePath": matched.route.path,
        "httpMethod": request.method().as_str(),
        "extendedRequestId": context.extended_request_id,
        "requestTime": request_time(context.now_ms),
        "path": match api.kind() {
            Kind::Rest => format!("/{}{path}", api.stage()),
            Kind::Http | Kind::FunctionUrl => path.to_owned(),
        },
        "accountId": context.home.account,
        "protocol": format!("{:?}", request.version()),
        "stage": api.stage(),
        "domainPrefix": domain_prefix(&domain),
        "requestTimeEpoch": context.now_ms,
        "requestId": context.request_id,
        "identity": {
            "cognitoIdentityPoolId": null,
            "accountId": null,
            "cognitoIdentityId": null,
            "caller": null,
            "sourceIp": peer.ip().to_string(),
            "principalOrgId": null,
            "accessKey": null,
            "cognitoAuthenticationType": null,
            "cognitoAuthenticationProvider": null,
            "userArn": null,
            "userAgent": request.headers().get(USER_AGENT).map(text),
            "user": null,
        },
        "domainName": domain,
        "deploymentId": short_id(&[api.id(), api.stage()]),
        "apiId": api.id(),
    })
}

/// Names with all their values, in the order of arrival.
pub(crate) struct Multi(pub Vec<(String, Vec<String>)>);

impl Multi {
    pub fn query(query: &str) -> Multi {
        let mut multi = Multi(Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            multi.push(decode(name), decode(value));
        }
        multi
    }

    /// The request's headers, and those that say where it came from.
    fn headers(api: &Api, request: &Request, peer: SocketAddr, context: &Context<'_>) -> Multi {
        let mut multi = Multi(Vec::new());
        let spelt = |name: &str| match api.kind() {
            Kind::Rest => canonical(name),
            _ if CAPITAL.contains(&name) => canonical(name),
            _ => name.to_owned(),
        };
        for (name, value) in request.headers() {
            if !HOP_BY_HOP.contains(&name.as_str()) && !FORWARDED.contains(&name.as_str()) {
                multi.push(spelt(name.as_str()), text(value));
            }
        }
        for (name, value) in forwarded(request, peer) {
            multi.push(name.to_owned(), value);
        }
        if !request.headers().contains_key(TRACE_ID) {
            multi.push(TRACE_ID.to_owned(), context.trace_root.clone());
        }
        multi
    }

    pub fn push(&mut self, name: String, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => self.0.push((name, vec![value])),
        }
    }

    fn last(&self) -> Value {
        self.object(|values| values.last().map(String::as_str).into())
    }

    fn all(&self) -> Value {
        self.object(|values| values.into())
    }

    fn object(&self, value: impl Fn(&[String]) -> Value) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        self.0.iter().map(|(name, values)| (name.clone(), value(values))).collect::<Map<_, _>>().into()
    }
}

pub(crate) fn forwarded(request: &Request, peer: SocketAddr) -> [(&'static str, String); 3] {
    let sender = peer.ip().to_string();
    let chain = match request.headers().get("x-forwarded-for") {
        Some(before) => format!("{}, {sender}", text(before)),
        None => sender,
    };
    let host = host(request);
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok()).unwrap_or("80");
    [("X-Forwarded-For", chain), ("X-Forwarded-Port", port.to_owned()), ("X-Forwarded-Proto", "http".to_owned())]
}

/// What is in the path; HTTP APIs decode it.
pub(crate) fn path_parameters(api: &Api, matched: &Match<'_>) -> Value {
    if matched.parameters.is_empty() {
        return Value::Null;
    }
    let value = |value: &str| match api.kind() {
        Kind::Rest => value.to_owned(),
        Kind::Http | Kind::FunctionUrl => percent_decode_str(value).decode_utf8_lossy().into_owned(),
    };
    let parameters = matched.parameters.iter().map(|(name, text)| ((*name).to_owned(), value(text).into()));
    parameters.collect::<Map<_, _>>().into()
}

/// Stage variables, if there are any.
pub(crate) fn variables(api: &Api) -> Value {
    match api.variables().is_empty() {
        true => Value::Null,
        false => json!(api.variables()),
    }
}

fn body(api: &Api, request: &Request) -> (Option<String>, bool) {
    let body = request.body();
    let is_binary = match api.kind() {
        Kind::Rest => is_binary(api.binary_media_types(), media_type(request)),
        Kind::Http | Kind::FunctionUrl => !event_v2::is_text(media_type(request)),
    };
    match std::str::from_utf8(body) {
        Ok("") => (None, false),
        Ok(text) if !is_binary => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

/// The content type without its parameters.
pub(crate) fn media_type(request: &Request) -> &str {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// A REST API names what is binary: a type each, `image/*`, or `*/*`.
fn is_binary(types: &[String], given: &str) -> bool {
    let fits = |listed: &String| match listed.strip_suffix('*') {
        Some("*/") => true,
        Some(family) => given.len() >= family.len() && given[..family.len()].eq_ignore_ascii_case(family),
        None => listed.eq_ignore_ascii_case(given),
    };
    types.iter().any(fits)
}

pub(crate) fn host(request: &Request) -> String {
    let authority = || request.uri().authority().map(|authority| authority.to_string());
    request.headers().get(HOST).map(text).or_else(authority).unwrap_or_default()
}

/// The first label of a name; a number of an interface has no labels.
pub(crate) fn domain_prefix(domain: &str) -> &str {
    let name = domain.rsplit_once(':').map_or(domain, |(name, _)| name);
    match name.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(_) => name,
        Err(_) => name.split('.').next().unwrap_or(name),
    }
}

/// `user-agent` as `User-Agent`.
pub(crate) fn canonical(name: &str) -> String {
    let mut start = true;
    let mut upper = |letter: char| {
        let written = if start { letter.to_ascii_uppercase() } else { letter };
        start = letter == '-';
        written
    };
    name.chars().map(&mut upper).collect()
}

pub(crate) fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

pub(crate) fn decode(part: &str) -> String {
    percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// An id like AWS's for a resource, the same at every start: six letters and digits from the FNV-1a hash of its name.
fn short_id(parts: &[&str]) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let mut hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let digit = |_| {
        let digit = DIGITS[(hash % 36) as usize];
        hash /= 36;
        char::from(digit)
    };
    (0..6).map(digit).collect()
}

/// Removes the headers that end with the connection.
pub fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
}

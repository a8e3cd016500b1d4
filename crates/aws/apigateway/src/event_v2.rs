//! The event of payload format 2.0: HTTP APIs and function URLs.
//!
//! Compared with recordings:
//! - headers are in lower case, values of one name joined by a comma, query parameters likewise;
//! - cookies are a list of their own; an HTTP API takes them out of the headers, a function's URL leaves them there too;
//! - an HTTP API decodes the path, and its stage stands before it unless that is `$default`; a function's URL leaves the
//!   path as it was sent. The raw query stays as it was sent with both;
//! - a body is text when its content type says so, and base64 otherwise, a form and a missing type included;
//! - what is empty is left out.

use std::net::SocketAddr;

use aws_protocol::Request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{COOKIE, USER_AGENT};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::api::{Api, DEFAULT, Kind, Match};
use crate::event::{
    Context, FORWARDED, HOP_BY_HOP, Multi, TRACE_ID, domain_prefix, forwarded, host, media_type, path_parameters, text,
    variables,
};
use crate::source::request_time;

/// The serialised event. `path` is the path within the API.
pub fn build(
    api: &Api,
    matched: &Match<'_>,
    path: &str,
    request: &Request,
    peer: SocketAddr,
    context: &Context<'_>,
) -> Vec<u8> {
    let query = request.uri().query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": matched.route.key(),
        "rawPath": shown_path(api, path),
        "rawQueryString": query,
    });
    let cookies = cookies(request);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    event["headers"] = joined(headers(api, request, peer, context));
    let further = [
        ("queryStringParameters", joined(Multi::query(query))),
        ("pathParameters", path_parameters(api, matched)),
        ("stageVariables", variables(api)),
        ("requestContext", request_context(api, matched, path, request, peer, context)),
    ];
    for (name, value) in further {
        let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if !is_empty {
            event[name] = value;
        }
    }
    let is_base64 = put_body(&mut event, request);
    event["isBase64Encoded"] = is_base64.into();
    event.to_string().into_bytes()
}

/// The path as HTTP APIs show it, and as function URLs do.
pub fn shown_path(api: &Api, path: &str) -> String {
    let decoded = || percent_decode_str(path).decode_utf8_lossy().into_owned();
    match api.kind() {
        Kind::FunctionUrl => path.to_owned(),
        _ if api.stage() == DEFAULT => decoded(),
        _ => format!("/{}{}", api.stage(), decoded()),
    }
}

/// Whether a body of this media type reaches the function as text.
pub fn is_text(media_type: &str) -> bool {
    const TEXTS: &[&str] = &["application/json", "application/javascript", "application/xml"];
    let media_type = media_type.to_ascii_lowercase();
    media_type.starts_with("text/") || TEXTS.contains(&media_type.as_str())
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
        "accountId": match api.kind() {
            Kind::FunctionUrl => "anonymous",
            _ => &context.home.account,
        },
        "apiId": api.id(),
        "domainName": domain,
        "domainPrefix": domain_prefix(&domain),
        "http": {
            "method": request.method().as_str(),
            "path": shown_path(api, path),
            "protocol": format!("{:?}", request.version()),
            "sourceIp": peer.ip().to_string(),
            "userAgent": request.headers().get(USER_AGENT).map(text).unwrap_or_default(),
        },
        "requestId": match api.kind() {
            Kind::FunctionUrl => &context.request_id,
            _ => &context.extended_request_id,
        },
        "routeKey": matched.route.key(),
        "stage": api.stage(),
        "time": request_time(context.now_ms),
        "timeEpoch": context.now_ms,
    })
}

fn headers(api: &Api, request: &Request, peer: SocketAddr, context: &Context<'_>) -> Multi {
    let mut multi = Multi(Vec::new());
    let is_kept = |name: &str| match name {
        "content-length" => true,
        "cookie" => api.kind() == Kind::FunctionUrl,
        _ => !HOP_BY_HOP.contains(&name) && !FORWARDED.contains(&name),
    };
    for (name, value) in request.headers().iter().filter(|(name, _)| is_kept(name.as_str())) {
        multi.push(name.as_str().to_owned(), text(value));
    }
    for (name, value) in forwarded(request, peer) {
        multi.push(name.to_ascii_lowercase(), value);
    }
    if !request.headers().contains_key(TRACE_ID) {
        multi.push(TRACE_ID.to_ascii_lowercase(), context.trace_root.clone());
    }
    multi
}

fn joined(multi: Multi) -> Value {
    multi.0.into_iter().map(|(name, values)| (name, values.join(",").into())).collect::<Map<_, _>>().into()
}

fn cookies(request: &Request) -> Vec<String> {
    let headers = request.headers().get_all(COOKIE).iter().map(text);
    let cookies = headers.flat_map(|header| header.split(';').map(|part| part.trim().to_owned()).collect::<Vec<_>>());
    cookies.filter(|cookie| !cookie.is_empty()).collect()
}

/// Whether it is in base64.
fn put_body(event: &mut Value, request: &Request) -> bool {
    let body = request.body();
    if body.is_empty() {
        return false;
    }
    match std::str::from_utf8(body) {
        Ok(text) if is_text(media_type(request)) => {
            event["body"] = text.into();
            false
        }
        _ => {
            event["body"] = STANDARD.encode(body).into();
            true
        }
    }
}

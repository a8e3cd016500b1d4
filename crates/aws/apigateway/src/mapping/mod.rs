//! What a REST API makes of requests and answers: templates in a part of Velocity, chosen by content type, and headers.
//!
//! Served is what templates of CDK, SAM and their like say; what is not is found when an API is deployed, by [`fault`].

mod run;
mod syntax;
mod value;

use aws_protocol::{REST_JSON, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::event::{Multi, domain_prefix, host, media_type, text};
use crate::integration::{MappedResponse, Mapping, Passthrough};
use crate::service::Origin;
use crate::source::request_time;

pub use run::Overrides;

/// Why a request has no body for the integration.
#[derive(Debug)]
pub enum NoBody {
    /// No template is for its content type, and it may not pass as it is.
    Unsupported(String),
    Failed(String),
}

/// What is wrong with a mapping, if anything.
pub fn fault(mapping: &Mapping) -> Option<String> {
    let templates = mapping.requests.values().chain(mapping.responses.iter().flat_map(|r| r.templates.values()));
    let broken = templates.filter_map(|template| syntax::parse(template).err()).next();
    let headers = || mapping.responses.iter().flat_map(|response| response.headers.iter());
    broken
        .map(|why| format!("a mapping template cannot be run: {why}"))
        .or_else(|| {
            let mut patterns = mapping.responses.iter().filter_map(|response| response.pattern.as_ref());
            let bad = patterns.find(|pattern| matcher(pattern).is_err())?;
            Some(format!("the pattern {bad} of an integration response is no regular expression that is served"))
        })
        .or_else(|| {
            let (name, value) = headers().find(|(_, value)| !is_expression(value))?;
            Some(format!("{value} for the header {name} is not served"))
        })
}

/// The body for the integration.
pub fn request(mapping: &Mapping, origin: &Origin<'_>) -> Result<Bytes, NoBody> {
    let given = match media_type(origin.request) {
        "" => REST_JSON,
        given => given,
    };
    let template =
        mapping.requests.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(given)).map(|(_, template)| template);
    let passes = match mapping.passthrough {
        Passthrough::WhenNoMatch => true,
        Passthrough::WhenNoTemplates => mapping.requests.is_empty(),
        Passthrough::Never => false,
    };
    match template {
        None if passes => Ok(origin.request.body().clone()),
        None => Err(NoBody::Unsupported(format!("there is no request template for {given}"))),
        Some(template) => {
            let body = std::str::from_utf8(origin.request.body());
            let body = body.map_err(|_| NoBody::Failed("the body is not text".to_owned()))?;
            let scope = run::Scope::new(body, params(origin), context(origin), json!(origin.api.variables()));
            let (made, _) = run::run(template, scope).map_err(NoBody::Failed)?;
            Ok(made.into())
        }
    }
}

/// The status that the template of a MOCK says. Velocity's authors write it as JSON or nearly so.
pub fn mock_status(body: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(body).ok()?;
    let after = text.split_once("statusCode")?.1.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?;
    let digits: String =
        after.trim_start().trim_start_matches(['"', '\'']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|status| (100..600).contains(status))
}

/// The answer that is made of the integration's.
pub fn response(
    mapping: &Mapping,
    origin: &Origin<'_>,
    status: u16,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, String> {
    let chosen = choose(&mapping.responses, status)
        .ok_or_else(|| format!("there is no integration response for the status {status}, and no default"))?;
    let template = chosen.templates.get(REST_JSON).map(|template| (REST_JSON, template));
    let template =
        template.or_else(|| chosen.templates.iter().next().map(|(kind, template)| (kind.as_str(), template)));
    let mut overrides = Overrides::default();
    let (content_type, made) = match template {
        None => (REST_JSON, body.clone()),
        Some((kind, template)) => {
            let text = std::str::from_utf8(body).map_err(|_| "the answer of the integration is not text".to_owned())?;
            let scope = run::Scope::new(text, params(origin), context(origin), json!(origin.api.variables()));
            let (made, said) = run::run(template, scope)?;
            overrides = said;
            (kind, Bytes::from(made))
        }
    };
    let status = overrides.status.unwrap_or(chosen.status);
    let status = StatusCode::from_u16(status).map_err(|_| format!("{status} is no status"))?;
    let mut response = aws_protocol::respond(status, content_type, made);
    let mapped = chosen
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), expression(value, origin, headers, body)?)));
    for (name, value) in mapped.chain(overrides.headers) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(&name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    if response.status() == StatusCode::NO_CONTENT {
        *response.body_mut() = Bytes::new();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    Ok(response)
}

/// The first whose pattern is the status, else the one without a pattern.
fn choose(responses: &[MappedResponse], status: u16) -> Option<&MappedResponse> {
    let status = status.to_string();
    let fits = |response: &&MappedResponse| {
        response.pattern.as_deref().is_some_and(|pattern| matcher(pattern).is_ok_and(|m| m.is_match(&status)))
    };
    responses.iter().find(fits).or_else(|| responses.iter().find(|response| response.pattern.is_none()))
}

/// A pattern is for the whole status.
fn matcher(pattern: &str) -> Result<regex_lite::Regex, regex_lite::Error> {
    regex_lite::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES_MAX).build()
}

/// What a compiled pattern may weigh: those in use have some characters.
const PATTERN_BYTES_MAX: usize = 64 << 10;

fn is_expression(value: &str) -> bool {
    let is_text = value.len() >= 2 && value.starts_with('\'') && value.ends_with('\'');
    let sources = ["integration.response.header.", "integration.response.body", "context.", "stageVariables."];
    is_text || sources.iter().any(|source| value.starts_with(source))
}

/// The value of a header's mapping expression.
fn expression(value: &str, origin: &Origin<'_>, headers: &HeaderMap, body: &Bytes) -> Option<String> {
    if let Some(text) = value.strip_prefix('\'') {
        return Some(text.strip_suffix('\'').unwrap_or(text).to_owned());
    }
    if let Some(name) = value.strip_prefix("integration.response.header.") {
        return headers.get(name).map(text);
    }
    if let Some(path) = value.strip_prefix("integration.response.body") {
        if path.is_empty() {
            return std::str::from_utf8(body).ok().map(str::to_owned);
        }
        let whole: Value = serde_json::from_slice(body).ok()?;
        return crate::json_path::find(&whole, &format!("${path}")).ok()?.map(value::text);
    }
    if let Some(name) = value.strip_prefix("stageVariables.") {
        return origin.api.variables().get(name).cloned();
    }
    let context = context(origin);
    let found = value.strip_prefix("context.")?.split('.').try_fold(&context, |value, name| value.get(name))?;
    Some(value::text(found))
}

/// `$input.params()`: of repeated headers and query parameters the last, as everywhere.
fn params(origin: &Origin<'_>) -> Value {
    let last = |multi: Multi| -> Value {
        multi.0.into_iter().map(|(name, values)| (name, values.last().cloned().into())).collect::<Map<_, _>>().into()
    };
    let mut headers = Multi(Vec::new());
    for (name, value) in origin.request.headers() {
        headers.push(crate::event::canonical(name.as_str()), text(value));
    }
    let path = crate::event::path_parameters(origin.api, origin.matched);
    json!({
        "path": if path.is_null() { json!({}) } else { path },
        "querystring": last(Multi::query(origin.request.uri().query().unwrap_or_default())),
        "header": last(headers),
    })
}

/// `$context` of a request that no authorizer has seen.
fn context(origin: &Origin<'_>) -> Value {
    let (context, request, domain) = (origin.context, origin.request, host(origin.request));
    json!({
        "accountId": context.home.account,
        "apiId": origin.api.id(),
        "domainName": domain,
        "domainPrefix": domain_prefix(&domain),
        "extendedRequestId": context.extended_request_id,
        "httpMethod": request.method().as_str(),
        "identity": {
            "sourceIp": origin.peer.ip().to_string(),
            "userAgent": request.headers().get("user-agent").map(text).unwrap_or_default(),
        },
        "path": format!("/{}{}", origin.api.stage(), origin.path),
        "protocol": format!("{:?}", request.version()),
        "requestId": context.request_id,
        "requestTime": request_time(context.now_ms),
        "requestTimeEpoch": context.now_ms,
        "resourcePath": origin.matched.route.path,
        "stage": origin.api.stage(),
    })
}

//! `apigateway:invoke` and `http:invoke`: a request to an API that is deployed here, or to any URL.
//!
//! An address without a scheme is called by https, as AWS does, unless it is this machine. Https needs the feature `tls`,
//! which is on by default.

use std::net::SocketAddr;

use aws_apigateway::Address;
use aws_client::{Origin, SILENCE_MAX, Service, send};
use aws_protocol::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use interpreter::{Failure, Payload};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::service::as_text;
use super::{Shared, bad_parameters, connection, refused, required, sdk};

/// What may not stand in a path as it is. A percent sign may: whoever writes one has escaped something.
const ESCAPED_IN_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const API_MEMBERS: &[&str] = &[
    "ApiEndpoint",
    "Method",
    "Stage",
    "Path",
    "QueryParameters",
    "Headers",
    "RequestBody",
    "AuthType",
    "AllowNullValues",
];
const HTTP_MEMBERS: &[&str] = &[
    "ApiEndpoint",
    "Method",
    "Authentication",
    "InvocationConfig",
    "QueryParameters",
    "Headers",
    "RequestBody",
    "Transform",
];
const HTTP_METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"];

/// Headers that an HTTP task may not have; a `-` at the end stands for all that begin so.
const NOT_ALLOWED: &[&str] = &[
    "a-im",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-md5",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "referer",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
    "x-amz-",
    "x-amzn-",
    "x-forwarded-",
];

/// The same of calls of API Gateway.
const NOT_ALLOWED_FOR_APIS: &[&str] = &[
    "authorization",
    "connection",
    "content-md5",
    "expect",
    "host",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-amz-",
    "x-amzn-",
    "x-forwarded-",
];

/// Media types of answers that a task cannot have.
const NO_TEXT: &[&str] = &["application/octet-stream", "image/", "video/", "audio/"];

/// A request that is not sent yet.
#[derive(Clone)]
pub struct Asked {
    method: Method,
    /// Path and query, escaped.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

pub async fn api_gateway(shared: &Shared, parameters: &Value) -> Result<Payload, Failure> {
    check_members(parameters, API_MEMBERS)?;
    check_method_and_headers(parameters, NOT_ALLOWED_FOR_APIS)?;
    let parameters = &with_body_for_api(parameters)?;
    let endpoint = required(parameters, "ApiEndpoint")?;
    let parts = [&parameters["Stage"], &parameters["Path"]].map(|part| part.as_str().unwrap_or_default());
    let parts = parts.map(|part| part.trim_matches('/')).into_iter().filter(|part| !part.is_empty());
    let path = format!("/{}", parts.collect::<Vec<_>>().join("/"));
    let asked = Asked::read(parameters, &path)?;
    let is_signed = match parameters["AuthType"].as_str() {
        None | Some("NO_AUTH") => false,
        Some("IAM_ROLE" | "RESOURCE_POLICY") => true,
        Some(other) => return Err(bad_parameters(parameters, &format!("AuthType {other} is not one of AWS's"))),
    };
    let answer = match call_own(shared, endpoint, &asked).await? {
        Some(answer) => answer,
        None => {
            let (origin, base) =
                origin(endpoint).map_err(|why| refused(format!("{endpoint} cannot be called: {why}")))?;
            let asked = asked.below(&base);
            let sent = match is_signed {
                true => send_signed(shared, &origin, asked).await,
                false => asked.send(&origin).await,
            };
            sent.map_err(|why| Failure::new("ApiGateway.SdkClientException", why))?
        }
    };
    match answer.status().as_u16() {
        200..300 => Ok(output(&answer, str::to_owned)),
        status => Err(Failure::new(format!("ApiGateway.{status}"), body_text(&answer))),
    }
}

pub async fn any(shared: &Shared, parameters: &Value) -> Result<Payload, Failure> {
    check_members(parameters, HTTP_MEMBERS)?;
    let url = required(parameters, "ApiEndpoint")?;
    check_method_and_headers(parameters, NOT_ALLOWED)?;
    let connection = connection::find(shared, parameters).await?;
    let (origin, base) = origin(url).map_err(|why| refused(format!("{url} cannot be called: {why}")))?;
    // What the task says itself is told if it is wrong; what the connection adds is secret.
    Asked::of(parameters, "/")?;
    let asked = Asked::of(&connection::merged(parameters, &connection)?, "/");
    let mut asked = asked.map_err(|_| connection::unusable(&connection))?.below(&base);
    let agent = format!("Amazon|StepFunctions|HttpInvoke|{}", shared.elsewhere.region());
    // Only what a payload can hold is wanted.
    for (name, value) in [(header::USER_AGENT, agent.as_str()), (header::RANGE, "bytes=0-262144")] {
        let value = HeaderValue::from_str(value).map_err(|error| refused(error.to_string()))?;
        asked.headers.insert(name, value);
    }
    let socket = |why| Failure::new("States.Http.Socket", why);
    let token = connection::authorize(&mut asked, shared, &connection, None).await?;
    let mut answer = asked.clone().send(&origin).await.map_err(socket)?;
    if token.is_some() && matches!(answer.status().as_u16(), 401 | 407) {
        connection::authorize(&mut asked, shared, &connection, token.as_deref()).await?;
        answer = asked.send(&origin).await.map_err(socket)?;
    }
    match answer.status().as_u16() {
        200..300 if !is_text(&answer) => {
            let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let why = format!("The answer is not text or JSON: its content type is {}", kind.unwrap_or("not given"));
            Err(Failure::new("States.Runtime", why))
        }
        200..300 => Ok(output(&answer, str::to_ascii_lowercase)),
        status => Err(Failure::new(format!("States.Http.StatusCode.{status}"), body_text(&answer))),
    }
}

/// The body of a call of API Gateway: for methods that have one, and without what is null unless that is wanted.
fn with_body_for_api(parameters: &Value) -> Result<Value, Failure> {
    let mut parameters = parameters.clone();
    let keeps_nulls = parameters["AllowNullValues"] == true;
    let has_body = ["PATCH", "POST", "PUT"].contains(&parameters["Method"].as_str().unwrap_or_default());
    match &mut parameters["RequestBody"] {
        Value::Null => {}
        // As a definition has it that was written for any method.
        Value::Object(members) if !has_body && members.is_empty() => parameters["RequestBody"] = Value::Null,
        _ if !has_body => {
            let why = "RequestBody is only supported for the methods PATCH, POST and PUT";
            return Err(bad_parameters(&parameters, why));
        }
        _ if keeps_nulls => {}
        body => without_nulls(body),
    }
    Ok(parameters)
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn check_method_and_headers(parameters: &Value, not_allowed: &[&str]) -> Result<(), Failure> {
    let method = required(parameters, "Method")?;
    if !HTTP_METHODS.contains(&method) {
        let why = format!("Method must be one of {}, not {method}", HTTP_METHODS.join(", "));
        return Err(bad_parameters(parameters, &why));
    }
    let is_refused = |name: &str| {
        let name = name.to_ascii_lowercase();
        not_allowed.iter().any(|known| if known.ends_with('-') { name.starts_with(known) } else { name == *known })
    };
    match parameters["Headers"].as_object().into_iter().flatten().find(|(name, _)| is_refused(name)) {
        Some((name, _)) => Err(bad_parameters(parameters, &format!("The header {name} is not allowed here"))),
        None => Ok(()),
    }
}

fn is_text(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    !NO_TEXT.iter().any(|kinds| kind.starts_with(kinds)) && std::str::from_utf8(answer.body()).is_ok()
}

impl Asked {
    /// Of a request with `Transform`.
    pub fn of(parameters: &Value, path: &str) -> Result<Asked, Failure> {
        let mut asked = Asked::read(parameters, path)?;
        transform(&mut asked, parameters)?;
        Ok(asked)
    }

    fn read(parameters: &Value, path: &str) -> Result<Asked, Failure> {
        let bad = |why: String| bad_parameters(parameters, &why);
        let method = required(parameters, "Method")?;
        let method: Method = method.parse().map_err(|_| bad(format!("{method} is not a method of HTTP")))?;
        let query = pairs(&parameters["QueryParameters"]).map_err(|why| bad(format!("QueryParameters: {why}")))?;
        let query: Vec<String> = query.iter().map(|(name, value)| escaped_pair(name, value)).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in pairs(&parameters["Headers"]).map_err(|why| bad(format!("Headers: {why}")))? {
            let parsed = name.parse::<HeaderName>().ok().zip(value.parse::<HeaderValue>().ok());
            let (name, value) = parsed.ok_or_else(|| bad(format!("{name}: {value} is not a header of HTTP")))?;
            headers.append(name, value);
        }
        let body = match &parameters["RequestBody"] {
            Value::Null => Bytes::new(),
            body => {
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                body.to_string().into()
            }
        };
        let path = utf8_percent_encode(path, ESCAPED_IN_PATH).to_string();
        let target = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        Ok(Asked { method, target, headers, body })
    }

    /// The same below the path of a URL, and with its query.
    pub fn below(mut self, base: &str) -> Asked {
        let (base, base_query) = base.split_once('?').unwrap_or((base, ""));
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let path = match path {
            "/" => base.to_owned(),
            path => format!("{}{path}", base.trim_end_matches('/')),
        };
        let queries: Vec<&str> = [base_query, query].into_iter().filter(|query| !query.is_empty()).collect();
        self.target = if queries.is_empty() { path } else { format!("{path}?{}", queries.join("&")) };
        self
    }

    fn request(self, authority: &str) -> Result<Request<Bytes>, String> {
        let mut request = Request::builder().method(self.method).uri(self.target).body(self.body);
        if let Ok(request) = &mut request {
            *request.headers_mut() = self.headers;
            request.headers_mut().insert(header::HOST, authority.parse().map_err(|_| format!("{authority}: no host"))?);
        }
        request.map_err(|error| error.to_string())
    }

    pub async fn send(self, origin: &Origin) -> Result<Response, String> {
        let request = self.request(origin.authority())?.map(Full::new);
        match timeout(SILENCE_MAX, send(origin, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", SILENCE_MAX.as_secs())),
        }
    }
}

async fn send_signed(shared: &Shared, origin: &Origin, asked: Asked) -> Result<Response, String> {
    let service = Service {
        origin,
        region: shared.elsewhere.region(),
        name: "execute-api",
        credentials: shared.elsewhere.credentials(),
    };
    service.send(asked.method.as_str(), &asked.target, asked.headers, asked.body).await
}

/// The answer of an API that is deployed here, if the endpoint is one's. No port is involved.
async fn call_own(shared: &Shared, endpoint: &str, asked: &Asked) -> Result<Option<Response>, Failure> {
    let copy = Asked {
        method: asked.method.clone(),
        target: asked.target.clone(),
        headers: asked.headers.clone(),
        body: asked.body.clone(),
    };
    let host = endpoint.trim_start_matches("https://").trim_end_matches('/');
    let Ok(request) = copy.request(host) else { return Ok(None) };
    let Some(address) = Address::of(&request) else { return Ok(None) };
    let front = shared.front().await?;
    Ok(match front.has_api(&address.api_id) {
        true => Some(front.call_api(&address, request, SocketAddr::from(([127, 0, 0, 1], 0))).await),
        false => None,
    })
}

/// Where an endpoint is, and the path that it has.
fn origin(endpoint: &str) -> Result<(Origin, String), &'static str> {
    if endpoint.contains("://") {
        return Origin::parse(endpoint);
    }
    let host = endpoint.split(['/', ':']).next().unwrap_or_default();
    let is_here = host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.");
    Origin::parse(&format!("{}://{endpoint}", if is_here { "http" } else { "https" }))
}

/// Names and values of an object whose members are texts, or lists of them. Null is nothing.
fn pairs(members: &Value) -> Result<Vec<(String, String)>, String> {
    let Value::Object(members) = members else {
        return if members.is_null() { Ok(Vec::new()) } else { Err("must be an object".into()) };
    };
    let mut pairs = Vec::new();
    for (name, value) in members {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            Value::Null => &[],
            value => std::slice::from_ref(value),
        };
        for value in values.iter().filter(|value| !value.is_null()) {
            pairs.push((name.clone(), as_text(value).as_str().unwrap_or_default().to_owned()));
        }
    }
    Ok(pairs)
}

fn escaped_pair(name: &str, value: &str) -> String {
    format!("{}={}", utf8_percent_encode(name, ESCAPED), utf8_percent_encode(value, ESCAPED))
}

/// `Transform` of an HTTP task: the body as a form.
fn transform(asked: &mut Asked, parameters: &Value) -> Result<(), Failure> {
    let wanted = &parameters["Transform"];
    let array_format = wanted["RequestEncodingOptions"]["ArrayFormat"].as_str().unwrap_or("INDICES");
    match wanted["RequestBodyEncoding"].as_str() {
        None | Some("NONE") => return Ok(()),
        Some("URL_ENCODED") => {}
        Some(other) => return Err(bad_parameters(parameters, &format!("RequestBodyEncoding {other} is not served"))),
    }
    let mut form = Vec::new();
    for (name, value) in parameters["RequestBody"].as_object().into_iter().flatten() {
        flatten(name, value, array_format, &mut form).map_err(|why| bad_parameters(parameters, &why))?;
    }
    let form: Vec<String> = form.iter().map(|(name, value)| escaped_pair(name, value)).collect();
    asked.body = form.join("&").into();
    asked.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    Ok(())
}

/// One member of a body as pairs of a form.
fn flatten(name: &str, value: &Value, format: &str, form: &mut Vec<(String, String)>) -> Result<(), String> {
    let text = |value: &Value| as_text(value).as_str().unwrap_or_default().to_owned();
    match value {
        Value::Object(members) => {
            members.iter().try_for_each(|(member, value)| flatten(&format!("{name}[{member}]"), value, format, form))
        }
        Value::Array(values) => match format {
            "COMMAS" => {
                form.push((name.to_owned(), values.iter().map(text).collect::<Vec<_>>().join(",")));
                Ok(())
            }
            "INDICES" | "REPEAT" | "BRACKETS" => values.iter().enumerate().try_for_each(|(index, value)| {
                let name = match format {
                    "INDICES" => format!("{name}[{index}]"),
                    "BRACKETS" => format!("{name}[]"),
                    _ => name.to_owned(),
                };
                flatten(&name, value, format, form)
            }),
            other => Err(format!("ArrayFormat {other} is not served")),
        },
        value => {
            form.push((name.to_owned(), text(value)));
            Ok(())
        }
    }
}

fn check_members(parameters: &Value, knows: &[&str]) -> Result<(), Failure> {
    let Value::Object(members) = parameters else {
        return Err(bad_parameters(parameters, "Parameters must be an object"));
    };
    match members.keys().find(|name| !knows.contains(&name.as_str())) {
        Some(unknown) => Err(refused(format!("Ithaca does not serve the parameter {unknown}: leave it out."))),
        None => Ok(()),
    }
}

fn output(answer: &Response, name: fn(&str) -> String) -> Payload {
    let mut headers: Map<String, Value> = Map::new();
    for (header, value) in sdk::headers(answer) {
        let values = headers.entry(name(&header)).or_insert_with(|| json!([]));
        values.as_array_mut().expect("every value was made as a list").push(value.into());
    }
    Payload::from_value(json!({
        "Headers": headers,
        "ResponseBody": body(answer),
        "StatusCode": answer.status().as_u16(),
        "StatusText": answer.status().canonical_reason().unwrap_or_default(),
    }))
}

/// JSON if it is, or else text; what is not text is written in base64.
fn body(answer: &Response) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_else(|_| body_text(answer).into())
}

fn body_text(answer: &Response) -> String {
    match std::str::from_utf8(answer.body()) {
        Ok(text) => text.to_owned(),
        Err(_) => STANDARD.encode(answer.body()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let check = |parameters: Value, path: &str, expect: Result<(&str, &str, &str), &str>| {
            let asked = Asked::of(&parameters, path);
            let shown = asked.as_ref().map_err(|failure| failure.cause.as_deref().unwrap_or_default());
            let headers = |asked: &Asked| {
                let pairs = asked.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
                pairs.collect::<Vec<_>>().join(", ")
            };
            let shown = shown
                .map(|asked| (asked.target.clone(), headers(asked), String::from_utf8_lossy(&asked.body).into_owned()));
            match (shown, expect) {
                (Ok(shown), Ok((target, headers, body))) => {
                    assert_eq!((shown.0.as_str(), shown.1.as_str(), shown.2.as_str()), (target, headers, body));
                }
                (Err(cause), Err(why)) => assert!(cause.contains(why), "{cause}"),
                (shown, expect) => panic!("{shown:?} is not {expect:?}"),
            }
        };
        check(json!({ "Method": "GET" }), "/a b/%20c", Ok(("/a%20b/%20c", "", "")));
        check(
            json!({ "Method": "POST", "RequestBody": "HelloWorld" }),
            "/",
            Ok(("/", "content-type: application/json", "\"HelloWorld\"")),
        );
        check(
            json!({
                "Method": "PUT",
                "QueryParameters": { "one": ["Hello", "World"], "two": 2, "none": null, "a&b": "c=d" },
                "Headers": { "Content-Type": "text/x", "custom": ["a", "b"] },
                "RequestBody": { "a": [1] },
            }),
            "/p",
            Ok((
                "/p?one=Hello&one=World&two=2&a%26b=c%3Dd",
                "content-type: text/x, custom: a, custom: b",
                "{\"a\":[1]}",
            )),
        );
        let form = |format: &str| {
            json!({
                "Method": "POST",
                "RequestBody": { "a": [1, "x y"], "o": { "n": true } },
                "Transform": { "RequestBodyEncoding": "URL_ENCODED", "RequestEncodingOptions": { "ArrayFormat": format } },
            })
        };
        let sent = |body| Ok(("/", "content-type: application/x-www-form-urlencoded", body));
        check(form("INDICES"), "/", sent("a%5B0%5D=1&a%5B1%5D=x%20y&o%5Bn%5D=true"));
        check(form("REPEAT"), "/", sent("a=1&a=x%20y&o%5Bn%5D=true"));
        check(form("COMMAS"), "/", sent("a=1%2Cx%20y&o%5Bn%5D=true"));
        check(form("BRACKETS"), "/", sent("a%5B%5D=1&a%5B%5D=x%20y&o%5Bn%5D=true"));
        check(form("PIPES"), "/", Err("ArrayFormat PIPES is not served"));
        check(json!({ "Method": "B AD" }), "/", Err("B AD is not a method of HTTP"));
        check(json!({}), "/", Err("The field \"Method\" is required but was missing"));
        check(json!({ "Method": "GET", "Headers": { "a b": "c" } }), "/", Err("a b: c is not a header of HTTP"));
        check(json!({ "Method": "GET", "QueryParameters": [] }), "/", Err("QueryParameters: must be an object"));
    }

    #[test]
    fn bodies_for_apis() {
        let check = |method: &str, more: Value, expect: Result<Value, &str>| {
            let mut parameters = json!({ "Method": method });
            parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            match (with_body_for_api(&parameters), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found["RequestBody"], expect),
                (Err(failure), Err(why)) => assert!(failure.cause.as_deref().unwrap().contains(why), "{failure:?}"),
                (found, expect) => panic!("{found:?} is not {expect:?}"),
            }
        };
        let with_null = json!({ "a": null, "b": [{ "c": null, "d": 1 }] });
        check("POST", json!({ "RequestBody": with_null }), Ok(json!({ "b": [{ "d": 1 }] })));
        check("POST", json!({ "RequestBody": with_null, "AllowNullValues": true }), Ok(with_null.clone()));
        check("PUT", json!({ "RequestBody": "text" }), Ok(json!("text")));
        check("GET", json!({ "RequestBody": {} }), Ok(Value::Null));
        check("GET", json!({}), Ok(Value::Null));
        check("DELETE", json!({ "RequestBody": "text" }), Err("only supported for the methods PATCH, POST and PUT"));
    }

    #[test]
    fn targets_below_a_url() {
        let check = |base: &str, target: &str, expect: &str| {
            let asked =
                Asked { method: Method::GET, target: target.into(), headers: HeaderMap::new(), body: Bytes::new() };
            assert_eq!(asked.below(base).target, expect);
        };
        check("/", "/", "/");
        check("/", "/a?b=c", "/a?b=c");
        check("/base/", "/", "/base/");
        check("/base/", "/a", "/base/a");
        check("/base?x=y", "/?b=c", "/base?x=y&b=c");
    }

    #[test]
    fn endpoints() {
        let check = |endpoint: &str, expect: Result<(&str, &str), &str>| {
            let found = origin(endpoint);
            let found = found.as_ref().map(|(origin, path)| (origin.authority(), path.as_str()));
            assert_eq!(found.map_err(|why| *why), expect, "{endpoint}");
        };
        check("localhost:3000", Ok(("localhost:3000", "/")));
        check("127.0.0.1:3000/prod", Ok(("127.0.0.1:3000", "/prod")));
        check("http://example.com/a?b=c", Ok(("example.com", "/a?b=c")));
        if cfg!(not(feature = "tls")) {
            let why = "this program was built without the feature `tls`, which https needs";
            check("example.com", Err(why));
            check("https://example.com", Err(why));
        }
    }

    #[test]
    fn answers() {
        let check = |body: &[u8], expect: Value| {
            let answer = http::Response::builder().header("content-type", "x").body(body.to_vec().into()).unwrap();
            let shown = output(&answer, str::to_ascii_lowercase);
            let length = body.len().to_string();
            let headers = json!({ "content-type": ["x"], "content-length": [length] });
            let expect = json!({ "Headers": headers, "ResponseBody": expect, "StatusCode": 200, "StatusText": "OK" });
            assert_eq!(shown.value(), &expect);
        };
        check(b"{\"a\":1}", json!({ "a": 1 }));
        check(b"plain", json!("plain"));
        check(b"", json!(""));
        check(&[0xff], json!("/w=="));
    }
}

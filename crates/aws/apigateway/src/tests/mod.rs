//! The door as clients and functions see it: requests in, the event the function got and the response as data.

mod http_api;
mod mapping;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_protocol::{Home, Request, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{Address, Api, Gateway, Integration, InvokeAnswer, InvokeError, Invoker, Method, Payload, Route, Source};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:saga";

/// A function that gives a fixed answer and remembers its events; without an answer it never ends.
struct Function {
    answer: Option<Result<InvokeAnswer, InvokeError>>,
    events: Mutex<Vec<(String, Value)>>,
}

impl Invoker for &Function {
    async fn invoke(&self, function_arn: &str, payload: Bytes) -> Result<InvokeAnswer, InvokeError> {
        let event = serde_json::from_slice(&payload).unwrap();
        self.events.lock().unwrap().push((function_arn.to_owned(), event));
        match &self.answer {
            Some(answer) => answer.clone(),
            None => std::future::pending().await,
        }
    }

    async fn call(&self, service: &str, operation: &str, body: Bytes) -> Result<Response, String> {
        let body: Value = serde_json::from_slice(&body).unwrap();
        self.events.lock().unwrap().push((format!("{service}:{operation}"), body));
        let answer = self.answer.clone().unwrap().map_err(|_| "not there".to_owned())?;
        let status = if answer.function_error { http::StatusCode::BAD_REQUEST } else { http::StatusCode::OK };
        Ok(aws_protocol::respond(status, aws_protocol::AWS_JSON_1_0, answer.payload))
    }
}

fn function(answer: Option<Result<InvokeAnswer, InvokeError>>) -> Function {
    Function { answer, events: Mutex::new(Vec::new()) }
}

fn gives(payload: impl Into<Bytes>) -> Function {
    function(Some(Ok(InvokeAnswer { payload: payload.into(), function_error: false })))
}

fn gateway(function: &Function) -> Gateway<&Function> {
    let count = AtomicU64::new(0);
    let source = Source {
        now_ms: Box::new(|| 1_428_582_896_000),
        random: Box::new(move || u128::from(count.fetch_add(1, Ordering::Relaxed) + 1) << 64),
    };
    Gateway::new(function, Home { region: "eu-west-1".into(), account: "123456789012".into() }, source)
}

fn route(text: &str) -> Route {
    let (method, path) = text.split_once(' ').unwrap();
    let method = if method == "ANY" { Method::Any } else { Method::Only(method.parse().unwrap()) };
    Route { method, path: path.into(), integration: Integration::function(ARN, Payload::V1) }
}

fn api(routes: &[&str]) -> Api {
    Api::new("abc123", "saga", "Prod", routes.iter().map(|text| route(text)).collect()).unwrap()
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

fn peer() -> SocketAddr {
    "192.0.2.7:50123".parse().unwrap()
}

async fn handle(function: &Function, api: &Api, request: Request) -> Response {
    gateway(function).handle(api, request, peer()).await
}

/// The event that the request makes of the API's only function.
async fn event(api: &Api, request: Request) -> Value {
    let function = gives("{}");
    assert_eq!(handle(&function, api, request).await.status(), 200);
    let (arn, event) = function.events.lock().unwrap().remove(0);
    assert_eq!(arn, ARN);
    event
}

#[test]
fn routing() {
    let check = |routes: &[&str], asked: &str, expect: Option<(&str, &[(&str, &str)])>| {
        let (method, path) = asked.split_once(' ').unwrap();
        let api = api(routes);
        let found = api.route(&method.parse().unwrap(), path);
        let shown = found.as_ref().map(|found| {
            let at = api.routes().iter().position(|route| route == found.route).unwrap();
            (routes[at], found.parameters.as_slice())
        });
        assert_eq!(shown, expect, "{asked} among {routes:?}");
    };
    let saga = &["ANY /", "ANY /{proxy+}"];
    check(saga, "GET /", Some(("ANY /", &[])));
    check(saga, "POST /a/b", Some(("ANY /{proxy+}", &[("proxy", "a/b")])));
    check(saga, "GET /a/b/", Some(("ANY /{proxy+}", &[("proxy", "a/b")])));
    check(&["ANY /{proxy+}"], "GET /", None);
    check(&["ANY /a/{rest+}"], "GET /a", None);
    check(&["ANY /a/{rest+}"], "GET /a/b/c", Some(("ANY /a/{rest+}", &[("rest", "b/c")])));
    check(
        &["GET /trips/{id}/legs/{leg}"],
        "GET /trips/5/legs/2",
        Some(("GET /trips/{id}/legs/{leg}", &[("id", "5"), ("leg", "2")])),
    );
    check(&["GET /trips/{id}"], "GET /trips/5/legs", None);
    check(&["GET /trips/{id}"], "GET /trips/", None);
    check(&["GET /trips/{id}"], "GET /trips/a%2Fb", Some(("GET /trips/{id}", &[("id", "a%2Fb")])));
    check(&["GET /a"], "GET //a", None);
    check(&["GET /a"], "get /a", None);

    // Text before parameter before greedy, segment by segment; the named method before ANY; the order is no matter.
    let users = &["ANY /{proxy+}", "ANY /users/{id}", "GET /users/{id}", "PATCH /users/me", "GET /{kind}/me/x"];
    check(users, "PATCH /users/me", Some(("PATCH /users/me", &[])));
    check(users, "GET /users/me", Some(("GET /users/{id}", &[("id", "me")])));
    check(users, "POST /users/me", Some(("ANY /users/{id}", &[("id", "me")])));
    check(users, "GET /users/me/x", Some(("GET /{kind}/me/x", &[("kind", "users")])));
    check(users, "POST /users/me/x", Some(("ANY /{proxy+}", &[("proxy", "users/me/x")])));
}

#[test]
fn routes_that_cannot_be() {
    let check = |routes: &[&str], expect: &str| {
        let routes = routes.iter().map(|text| route(text)).collect();
        let error = Api::new("abc123", "saga", "Prod", routes).unwrap_err().to_string();
        assert_eq!(error, expect);
    };
    check(&["ANY trips"], "the route trips of the API saga: a path begins with /");
    check(
        &["ANY /trips/"],
        "the route /trips/ of the API saga: it has an empty segment; a path has no // and no / at its end",
    );
    check(&["ANY /{proxy+}/x"], "the route /{proxy+}/x of the API saga: nothing can follow {name+}");
    check(&["ANY /trip-{id}"], "the route /trip-{id} of the API saga: a parameter is a whole segment: {name}");
    check(&["ANY /{}"], "the route /{} of the API saga: a parameter is written {name} or {name+}");
    check(&["ANY /{a}/{a}"], "the route /{a}/{a} of the API saga: it has two parameters of one name");
    check(&["GET /a", "GET /a"], "the route /a of the API saga: it is declared twice for the same method");
}

#[test]
fn addresses_on_the_shared_port() {
    let check = |host: &str, path: &str, expect: Option<(&str, &str, &str)>| {
        let address = Address::of(&request("GET", path, &[("host", host)], ""));
        let shown = address.as_ref().map(|a| (a.api_id.as_str(), a.stage.as_str(), a.path.as_str()));
        assert_eq!(shown, expect, "{host} {path}");
    };
    let local = "localhost:4566";
    check(local, "/restapis/abc/Prod/_user_request_/a/b?x=1", Some(("abc", "Prod", "/a/b")));
    check(local, "/restapis/abc/Prod/_user_request_/", Some(("abc", "Prod", "/")));
    check(local, "/restapis/abc/Prod/_user_request_", Some(("abc", "Prod", "/")));
    check(local, "/restapis/abc/resources", None);
    check(local, "/restapis/abc/stages/Prod", None);
    check(local, "/_aws/execute-api/abc/Prod/a//b/", Some(("abc", "Prod", "/a//b/")));
    check("abc.execute-api.localhost:4566", "/Prod/a", Some(("abc", "Prod", "/a")));
    check("abc.execute-api.eu-west-1.amazonaws.com", "/Prod", Some(("abc", "Prod", "/")));
    check("abc.s3.localhost:4566", "/Prod/a", None);
    check(local, "/", None);
}

#[tokio::test]
async fn the_whole_event() {
    let headers = [
        ("host", "localhost:3000"),
        ("user-agent", "curl/8.5"),
        ("accept", "*/*"),
        ("x-tag", "one"),
        ("x-tag", "two"),
        ("connection", "keep-alive"),
        ("content-length", "16"),
        ("x-forwarded-for", "198.51.100.1"),
    ];
    let uri = "/book/now?runType=success&tag=a&tag=b%2Bc+d&empty";
    let event = event(&api(&["ANY /{proxy+}"]), request("POST", uri, &headers, r#"{"trip":"Zürich"}"#)).await;
    assert_eq!(
        event,
        json!({
            "resource": "/{proxy+}",
            "path": "/book/now",
            "httpMethod": "POST",
            "headers": {
                "Host": "localhost:3000",
                "User-Agent": "curl/8.5",
                "Accept": "*/*",
                "X-Tag": "two",
                "X-Forwarded-For": "198.51.100.1, 192.0.2.7",
                "X-Forwarded-Port": "3000",
                "X-Forwarded-Proto": "http",
                "X-Amzn-Trace-Id": "Root=1-552671f0-000000000000000300000000",
            },
            "multiValueHeaders": {
                "Host": ["localhost:3000"],
                "User-Agent": ["curl/8.5"],
                "Accept": ["*/*"],
                "X-Tag": ["one", "two"],
                "X-Forwarded-For": ["198.51.100.1, 192.0.2.7"],
                "X-Forwarded-Port": ["3000"],
                "X-Forwarded-Proto": ["http"],
                "X-Amzn-Trace-Id": ["Root=1-552671f0-000000000000000300000000"],
            },
            "queryStringParameters": { "runType": "success", "tag": "b+c d", "empty": "" },
            "multiValueQueryStringParameters": { "runType": ["success"], "tag": ["a", "b+c d"], "empty": [""] },
            "pathParameters": { "proxy": "book/now" },
            "stageVariables": null,
            "requestContext": {
                "resourceId": "piwv2g",
                "resourcePath": "/{proxy+}",
                "httpMethod": "POST",
                "extendedRequestId": "AAAAAAAAAAIAAAA=",
                "requestTime": "09/Apr/2015:12:34:56 +0000",
                "path": "/Prod/book/now",
                "accountId": "123456789012",
                "protocol": "HTTP/1.1",
                "stage": "Prod",
                "domainPrefix": "localhost",
                "requestTimeEpoch": 1_428_582_896_000_u64,
                "requestId": "00000000-0000-0001-0000-000000000000",
                "identity": {
                    "cognitoIdentityPoolId": null,
                    "accountId": null,
                    "cognitoIdentityId": null,
                    "caller": null,
                    "sourceIp": "192.0.2.7",
                    "principalOrgId": null,
                    "accessKey": null,
                    "cognitoAuthenticationType": null,
                    "cognitoAuthenticationProvider": null,
                    "userArn": null,
                    "userAgent": "curl/8.5",
                    "user": null,
                },
                "domainName": "localhost:3000",
                "deploymentId": "mnnfp1",
                "apiId": "abc123",
            },
            "body": r#"{"trip":"Zürich"}"#,
            "isBase64Encoded": false,
        })
    );
}

#[tokio::test]
async fn parts_of_the_event() {
    let proxy = api(&["ANY /", "ANY /{proxy+}"]);
    let check = async |request: Request, pointer: &str, expect: Value| {
        let event = event(&proxy, request).await;
        assert_eq!(event.pointer(pointer).unwrap(), &expect, "{pointer} of {event}");
    };
    let get = |uri: &str| request("GET", uri, &[], "");
    for empty in ["/body", "/pathParameters", "/queryStringParameters", "/multiValueQueryStringParameters"] {
        check(get("/"), empty, Value::Null).await;
    }
    check(get("/?"), "/queryStringParameters", Value::Null).await;
    check(get("/"), "/requestContext/identity/userAgent", Value::Null).await;
    check(get("/"), "/requestContext/path", "/Prod/".into()).await;
    check(get("/"), "/headers/X-Forwarded-Port", "80".into()).await;
    // Paths stay as they were sent; query strings are decoded.
    check(get("/a/test%2Balias@x.com/b+c"), "/path", "/a/test%2Balias@x.com/b+c".into()).await;
    check(get("/a/test%2Balias@x.com/"), "/pathParameters/proxy", "a/test%2Balias@x.com".into()).await;
    check(
        get("/?u=https%3A%2F%2Fx.com%2F&s=f%C3%BCr"),
        "/queryStringParameters",
        json!({
            "u": "https://x.com/",
            "s": "für",
        }),
    )
    .await;

    let binary = || request("POST", "/", &[], &[0xff, 0x00, 0x01][..]);
    check(binary(), "/body", "/wAB".into()).await;
    check(binary(), "/isBase64Encoded", true.into()).await;

    let traced = || request("GET", "/", &[("x-amzn-trace-id", "Root=1-a-b")], "");
    check(traced(), "/headers/X-Amzn-Trace-Id", "Root=1-a-b".into()).await;
    let hosted = |host: &str| request("GET", "/", &[("host", host)], "");
    check(hosted("abc123.execute-api.localhost:4566"), "/requestContext/domainPrefix", "abc123".into()).await;
    check(hosted("127.0.0.1:3000"), "/requestContext/domainPrefix", "127.0.0.1".into()).await;
    check(hosted("[::1]:3000"), "/requestContext/domainPrefix", "[::1]".into()).await;
}

#[tokio::test]
async fn answers_of_functions() {
    let api = api(&["ANY /"]);
    let check = async |answer: Value, status: u16, headers: &[(&str, &str)], body: &str| {
        let response = handle(&gives(answer.to_string()), &api, request("GET", "/", &[], "")).await;
        assert_eq!(response.status(), status, "{answer}");
        assert_eq!(response.body(), body, "{answer}");
        for (name, value) in headers {
            let found: Vec<_> = response.headers().get_all(*name).iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(found.join("|"), *value, "{name} of {answer}");
        }
        assert_eq!(response.headers()["x-amzn-requestid"], "00000000-0000-0001-0000-000000000000");
    };
    let default = ("content-type", "application/json");
    check(json!({}), 200, &[default], "").await;
    check(json!({ "statusCode": 201, "body": "made" }), 201, &[default], "made").await;
    check(json!({ "statusCode": "404", "body": null, "headers": null }), 404, &[default], "").await;
    check(
        json!({ "headers": { "Content-Type": "text/html", "X-On": true, "X-N": 5 } }),
        200,
        &[("content-type", "text/html"), ("x-on", "true"), ("x-n", "5")],
        "",
    )
    .await;
    check(
        json!({ "headers": { "a": "one", "b": "two" }, "multiValueHeaders": { "A": ["x", "y"] } }),
        200,
        &[("a", "x|y"), ("b", "two")],
        "",
    )
    .await;
    check(
        json!({ "headers": { "Connection": "close", "Content-Length": "99", "Transfer-Encoding": "chunked" } }),
        200,
        &[("connection", ""), ("content-length", ""), ("transfer-encoding", "")],
        "",
    )
    .await;
    check(json!({ "body": "dGVzdA==", "isBase64Encoded": true }), 200, &[default], "test").await;
    check(json!({ "body": "dGVzdA==" }), 200, &[default], "dGVzdA==").await;
}

#[tokio::test]
async fn answers_that_cannot_be_used() {
    let api = api(&["ANY /"]);
    let check = async |answer: &str, reason: &str| {
        let response = handle(&gives(answer.to_owned()), &api, request("GET", "/", &[], "")).await;
        refused(&response, 502, "InternalServerErrorException", "Internal server error");
        let expect = format!("the answer of {ARN} cannot be used: {reason}");
        assert_eq!(response.headers()["x-ithaca-reason"], expect.as_str(), "{answer}");
    };
    check("", "it is not JSON (EOF while parsing a value at line 1 column 0)").await;
    check("null", "it is null, not an object").await;
    check(r#""text""#, "it is a string, not an object").await;
    let members = "statusCode, headers, multiValueHeaders, body, isBase64Encoded";
    check(r#"{"cookies":[]}"#, &format!("it has a member `cookies`; allowed are {members}")).await;
    check(r#"{"statusCode":"ok"}"#, "its statusCode \"ok\" is not a number from 200 to 599").await;
    check(r#"{"statusCode":101}"#, "its statusCode 101 is not a number from 200 to 599").await;
    check(r#"{"statusCode":200.5}"#, "its statusCode 200.5 is not a number from 200 to 599").await;
    check(r#"{"body":{"a":1}}"#, "its body is an object, not a string").await;
    check(r#"{"body":"%","isBase64Encoded":true}"#, "its body is not base64 (Invalid symbol 37, offset 0.)").await;
    check(r#"{"headers":[]}"#, "its headers is a list, not an object").await;
    check(r#"{"headers":{"a":null}}"#, "its header `a` is null, not a string").await;
    check(r#"{"headers":{"a b":"c"}}"#, "`a b` is no header name").await;
    check(r#"{"headers":{"a":"b\nc"}}"#, "its header `a` has a line break or another control character").await;
    check(r#"{"multiValueHeaders":{"a":"b"}}"#, "its multiValueHeaders `a` is a string, not a list").await;
}

/// The form that all refusals share.
fn refused(response: &Response, status: u16, kind: &str, message: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["x-amzn-errortype"], kind);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.headers().contains_key("x-amzn-requestid"));
    assert_eq!(serde_json::from_slice::<Value>(response.body()).unwrap(), json!({ "message": message }));
}

// The clock of the runtime stands still and jumps to the next timer, so the 29 seconds cost nothing.
#[tokio::test(start_paused = true)]
async fn refusals() {
    let check = async |function: &Function, request: Request, expect: (u16, &str, &str), reason: &str| {
        let response = handle(function, &api(&["GET /"]), request).await;
        refused(&response, expect.0, expect.1, expect.2);
        let given = response.headers()["x-ithaca-reason"].to_str().unwrap();
        assert!(given.contains(reason), "{given}");
    };
    const INTERNAL: &str = "InternalServerErrorException";
    let get = || request("GET", "/", &[], "");
    let (fine, never) = (gives("{}"), function(None));
    let failed = function(Some(Ok(InvokeAnswer {
        payload: r#"{"errorType":"TypeError","errorMessage":"x is undefined\nat y"}"#.into(),
        function_error: true,
    })));
    let throttled = function(Some(Err(InvokeError::Throttled)));
    let rejected = function(Some(Err(InvokeError::Rejected("no such function".into()))));

    let no_route = (403, "MissingAuthenticationTokenException", "Missing Authentication Token");
    check(&fine, request("POST", "/", &[], ""), no_route, "POST / is none of [GET /]").await;
    check(&fine, request("GET", "/a", &[], ""), no_route, "GET /a is none of [GET /]").await;
    let large = request("GET", "/", &[], vec![0; crate::REQUEST_BYTES_MAX + 1]);
    check(&fine, large, (413, "RequestTooLargeException", "Request Too Long"), "10485761 bytes").await;
    let reason = "the function failed with TypeError: x is undefined?at y";
    check(&failed, get(), (502, INTERNAL, "Internal server error"), reason).await;
    check(&throttled, get(), (500, INTERNAL, "Internal server error"), "its concurrency allows").await;
    check(&rejected, get(), (500, INTERNAL, "Internal server error"), "was not run: no such function").await;
    check(&never, get(), (504, INTERNAL, "Endpoint request timed out"), "did not answer within 29 s").await;
    assert!(fine.events.lock().unwrap().is_empty(), "a refused request runs no function");
}

#[tokio::test]
async fn an_address_leads_to_its_api() {
    let apis = [api(&["ANY /{proxy+}"])];
    let function = gives("{}");
    let send = async |path: &str| {
        let request = request("GET", path, &[], "");
        let address = Address::of(&request).unwrap();
        gateway(&function).handle_at(&apis, &address, request, peer()).await
    };
    assert_eq!(send("/restapis/abc123/Prod/_user_request_/a?b=c").await.status(), 200);
    let (_, event) = function.events.lock().unwrap().remove(0);
    assert_eq!((&event["path"], &event["requestContext"]["path"]), (&json!("/a"), &json!("/Prod/a")));
    let response = send("/restapis/abc123/test/_user_request_/a").await;
    refused(&response, 403, "ForbiddenException", "Forbidden");
    let reason = "there is no API abc123 with a stage test; there are [abc123/Prod]";
    assert_eq!(response.headers()["x-ithaca-reason"], reason);
}

#[test]
fn request_times() {
    let check = |now_ms: u64, expect: &str| assert_eq!(crate::source::request_time(now_ms), expect);
    check(0, "01/Jan/1970:00:00:00 +0000");
    check(951_782_400_000, "29/Feb/2000:00:00:00 +0000");
    check(1_428_582_896_999, "09/Apr/2015:12:34:56 +0000");
    check(1_735_689_599_000, "31/Dec/2024:23:59:59 +0000");
    check(4_107_542_400_000, "01/Mar/2100:00:00:00 +0000");
}

//! HTTP APIs and function URLs, as clients and functions see them.

use std::collections::BTreeMap;

use aws_protocol::{Request, Response};
use http::header;
use serde_json::{Value, json};

use super::{ARN, Function, function, gateway, gives, handle, peer, request, route};
use crate::{
    Action, Address, Api, Cors, DEFAULT, Integration, InvokeAnswer, InvokeError, Kind, Method, Payload, Route,
};

fn http_route(key: &str, payload: Payload) -> Route {
    let key = if key == DEFAULT { "ANY $default" } else { key };
    Route { integration: Integration::function(ARN, payload), ..route(key) }
}

fn staged(stage: &str, payload: Payload, keys: &[&str]) -> Api {
    let routes = keys.iter().map(|key| http_route(key, payload)).collect();
    Api::of(Kind::Http, "abc123", "saga", stage, routes).unwrap()
}

fn http_api(keys: &[&str]) -> Api {
    staged(DEFAULT, Payload::V2, keys)
}

async fn event(api: &Api, request: Request) -> Value {
    let function = gives("{}");
    assert_eq!(handle(&function, api, request).await.status(), 200);
    function.events.lock().unwrap().remove(0).1
}

#[test]
fn routing() {
    let check = |keys: &[&str], asked: &str, expect: Option<&str>| {
        let (method, path) = asked.split_once(' ').unwrap();
        let api = http_api(keys);
        let found = api.route(&method.parse().unwrap(), path).map(|found| found.route.key());
        assert_eq!(found.as_deref(), expect, "{asked} among {keys:?}");
    };
    // The example of AWS's documentation.
    let pets = &["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"];
    check(pets, "GET /pets/dog/1", Some("GET /pets/dog/1"));
    check(pets, "GET /pets/dog/2", Some("GET /pets/dog/{id}"));
    check(pets, "GET /pets/cat/1", Some("GET /pets/{proxy+}"));
    check(pets, "POST /test/5", Some("ANY /{proxy+}"));
    check(pets, "GET /", Some("$default"));
    check(&["GET /pets"], "GET /pets/", None);
    check(&["GET /pets"], "POST /pets", None);
    check(&["GET /"], "GET /", Some("GET /"));
    check(&["$default"], "DELETE /a/b", Some("$default"));
}

#[tokio::test]
async fn the_whole_event_of_format_2() {
    let headers = [
        ("host", "abc123.execute-api.localhost:4566"),
        ("user-agent", "curl/8.5"),
        ("X-Tag", "one"),
        ("x-tag", "two"),
        ("cookie", "a=1; b=2"),
        ("connection", "keep-alive"),
        ("content-length", "17"),
        ("content-type", "application/json; charset=utf-8"),
    ];
    let uri = "/trips/a%20b?tag=a&tag=b%2Bc+d&empty";
    let variables = BTreeMap::from([("table".to_owned(), "trips".to_owned())]);
    let api = http_api(&["POST /trips/{id}"]).with_variables(variables);
    let event = event(&api, request("POST", uri, &headers, r#"{"trip":"Z\u00fc"}"#)).await;
    assert_eq!(
        event,
        json!({
            "version": "2.0",
            "routeKey": "POST /trips/{id}",
            "rawPath": "/trips/a b",
            "rawQueryString": "tag=a&tag=b%2Bc+d&empty",
            "cookies": ["a=1", "b=2"],
            "headers": {
                "host": "abc123.execute-api.localhost:4566",
                "user-agent": "curl/8.5",
                "x-tag": "one,two",
                "content-length": "17",
                "content-type": "application/json; charset=utf-8",
                "x-forwarded-for": "192.0.2.7",
                "x-forwarded-port": "4566",
                "x-forwarded-proto": "http",
                "x-amzn-trace-id": "Root=1-552671f0-000000000000000300000000",
            },
            "queryStringParameters": { "tag": "a,b+c d", "empty": "" },
            "pathParameters": { "id": "a b" },
            "stageVariables": { "table": "trips" },
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abc123",
                "domainName": "abc123.execute-api.localhost:4566",
                "domainPrefix": "abc123",
                "http": {
                    "method": "POST",
                    "path": "/trips/a b",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.7",
                    "userAgent": "curl/8.5",
                },
                "requestId": "AAAAAAAAAAIAAAA=",
                "routeKey": "POST /trips/{id}",
                "stage": "$default",
                "time": "09/Apr/2015:12:34:56 +0000",
                "timeEpoch": 1_428_582_896_000_u64,
            },
            "body": r#"{"trip":"Z\u00fc"}"#,
            "isBase64Encoded": false,
        })
    );
}

#[tokio::test]
async fn parts_of_events() {
    let check = async |api: &Api, request: Request, pointer: &str, expect: Value| {
        let event = event(api, request).await;
        assert_eq!(event.pointer(pointer).unwrap_or(&Value::Null), &expect, "{pointer} of {event}");
    };
    let get = |uri: &str| request("GET", uri, &[], "");
    let api = http_api(&["ANY /{proxy+}", "$default"]);
    for absent in ["/cookies", "/queryStringParameters", "/pathParameters", "/stageVariables", "/body"] {
        check(&api, get("/"), absent, Value::Null).await;
    }
    check(&api, get("/"), "/routeKey", "$default".into()).await;
    check(&api, get("/"), "/rawQueryString", "".into()).await;
    check(&api, get("/a%2Fb"), "/pathParameters/proxy", "a/b".into()).await;
    // A stage with a name is a part of the path.
    let dev = staged("dev", Payload::V2, &["$default"]);
    check(&dev, get("/a"), "/rawPath", "/dev/a".into()).await;
    check(&dev, get("/a"), "/requestContext/http/path", "/dev/a".into()).await;
    check(&dev, get("/a"), "/requestContext/stage", "dev".into()).await;

    // What is text is said by the content type alone.
    for (content_type, expect) in [
        ("text/csv", json!("hi")),
        ("application/json", json!("hi")),
        ("application/xml; charset=utf-8", json!("hi")),
        ("application/x-www-form-urlencoded", json!("aGk=")),
        ("application/octet-stream", json!("aGk=")),
        ("application/cloudevents+json", json!("aGk=")),
    ] {
        check(&api, request("POST", "/", &[("content-type", content_type)], "hi"), "/body", expect).await;
    }
    check(&api, request("POST", "/", &[], "hi"), "/body", "aGk=".into()).await;
    check(&api, request("POST", "/", &[], "hi"), "/isBase64Encoded", true.into()).await;

    // Format 1.0, for whom it is asked.
    let old = staged(DEFAULT, Payload::V1, &["ANY /{proxy+}"]);
    check(&old, get("/a%20b"), "/version", "1.0".into()).await;
    check(&old, get("/a%20b"), "/path", "/a b".into()).await;
    check(&old, get("/a%20b"), "/requestContext/path", "/a b".into()).await;
    check(&old, get("/a%20b"), "/resource", "/{proxy+}".into()).await;
    let headed = || request("GET", "/a", &[("x-tag", "1"), ("user-agent", "u"), ("cookie", "a=1")], "");
    check(&old, headed(), "/headers/x-tag", "1".into()).await;
    check(&old, headed(), "/headers/User-Agent", "u".into()).await;
    check(&old, headed(), "/multiValueHeaders/cookie", json!(["a=1"])).await;

    // A function's URL keeps the path and the cookies where they were.
    let url = Api::function_url("abc", ARN, None);
    let sent = || request("GET", "/a%20b", &[("cookie", "a=1")], "");
    check(&url, sent(), "/rawPath", "/a%20b".into()).await;
    check(&url, sent(), "/cookies", json!(["a=1"])).await;
    check(&url, sent(), "/headers/cookie", "a=1".into()).await;
    check(&url, sent(), "/requestContext/accountId", "anonymous".into()).await;
    check(&url, sent(), "/requestContext/requestId", "00000000-0000-0001-0000-000000000000".into()).await;
}

#[tokio::test]
async fn answers_of_functions() {
    let check = async |api: &Api, answer: Value, status: u16, headers: &[(&str, &str)], body: &str| {
        let response = handle(&gives(answer.to_string()), api, request("GET", "/", &[], "")).await;
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (status, body.as_bytes()), "{answer}");
        for (name, value) in headers {
            assert_eq!(shown(&response, name), *value, "{name} of {answer}");
        }
    };
    let api = http_api(&["$default"]);
    let (plain, json) = (("content-type", "text/plain;charset=UTF-8"), ("content-type", "application/json"));
    // Without a status the value is the body.
    check(&api, json!({ "message": "hi" }), 200, &[json], r#"{"message":"hi"}"#).await;
    check(&api, json!("hi"), 200, &[json], "hi").await;
    check(&api, json!([1]), 200, &[json], "[1]").await;
    check(&api, json!(null), 200, &[json], "null").await;
    check(&api, json!({ "body": "hi" }), 200, &[json], r#"{"body":"hi"}"#).await;
    // With one it is an answer.
    check(&api, json!({ "statusCode": 201, "body": "made" }), 201, &[plain], "made").await;
    check(&api, json!({ "statusCode": 200, "body": "aGk=", "isBase64Encoded": true }), 200, &[plain], "hi").await;
    let cookies = json!({ "statusCode": 204, "cookies": ["a=1", "b=2; Secure"], "headers": { "X": 1 }, "other": 1 });
    check(&api, cookies.clone(), 204, &[("set-cookie", "a=1|b=2; Secure"), ("x", "1")], "").await;
    check(
        &api,
        json!({ "statusCode": 200, "body": { "a": 1 } }),
        500,
        &[json],
        r#"{"message":"Internal Server Error"}"#,
    )
    .await;
    check(&api, json!({ "statusCode": 200, "multiValueHeaders": { "a": ["b"] } }), 200, &[("a", "")], "").await;

    let url = Api::function_url("abc", ARN, None);
    check(&url, json!({ "statusCode": 200, "body": "hi" }), 200, &[json], "hi").await;
    check(&url, json!({ "statusCode": "no" }), 502, &[json], r#"{"message":"Internal Server Error"}"#).await;

    let old = staged(DEFAULT, Payload::V1, &["$default"]);
    check(&old, json!({ "statusCode": 200, "multiValueHeaders": { "a": ["b", "c"] } }), 200, &[("a", "b|c")], "").await;
    check(&old, json!("hi"), 500, &[json], r#"{"message":"Internal Server Error"}"#).await;
}

fn shown(response: &Response, name: &str) -> String {
    let values = response.headers().get_all(name).iter().map(|value| value.to_str().unwrap());
    values.collect::<Vec<_>>().join("|")
}

// The clock of the runtime stands still and jumps to the next timer, so the seconds cost nothing.
#[tokio::test(start_paused = true)]
async fn refusals() {
    let check = async |function: &Function, api: &Api, request: Request, status: u16, message: &str, reason: &str| {
        let response = handle(function, api, request).await;
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), body), (status, json!({ "message": message })));
        assert!(shown(&response, "x-ithaca-reason").contains(reason), "{:?}", response.headers());
        assert_eq!(shown(&response, "apigw-requestid"), "AAAAAAAAAAIAAAA=");
        assert_eq!(shown(&response, "x-amzn-errortype"), "", "HTTP APIs name no exception");
    };
    let api = http_api(&["GET /"]);
    let get = || request("GET", "/", &[], "");
    let (fine, never) = (gives("{}"), function(None));
    let failed = function(Some(Ok(InvokeAnswer { payload: "{}".into(), function_error: true })));
    let throttled = function(Some(Err(InvokeError::Throttled)));
    check(&fine, &api, request("GET", "/a", &[], ""), 404, "Not Found", "GET /a is none of [GET /]").await;
    let large = request("GET", "/", &[], vec![0; crate::REQUEST_BYTES_MAX + 1]);
    check(&fine, &api, large, 413, "Request Entity Too Large", "10485761 bytes").await;
    check(&failed, &api, get(), 500, "Internal Server Error", "the function failed").await;
    check(&throttled, &api, get(), 500, "Internal Server Error", "concurrency").await;
    check(&never, &api, get(), 503, "Service Unavailable", "did not answer within 30 s").await;
    let integration = Integration::Function { arn: ARN.into(), payload: Payload::V2, timeout_ms: Some(1_500) };
    let hasty = vec![Route { method: Method::Any, path: DEFAULT.into(), integration }];
    let hasty = Api::of(Kind::Http, "abc123", "saga", DEFAULT, hasty).unwrap();
    check(&never, &hasty, get(), 503, "Service Unavailable", "did not answer within 1.5 s").await;
}

#[tokio::test]
async fn cors() {
    let cors = Cors {
        allow_credentials: false,
        allow_headers: vec!["content-type".into(), "x-tag".into()],
        allow_methods: vec!["GET".into(), "POST".into()],
        allow_origins: vec!["https://app.example".into(), "http://*".into()],
        expose_headers: vec!["x-trip".into()],
        max_age_seconds: Some(300),
    };
    let everybody = Cors { allow_origins: vec!["*".into()], ..Cors::default() };
    let signed_in = Cors { allow_credentials: true, ..everybody.clone() };
    let check = async |cors: &Cors, request: Request, status: u16, expect: &[(&str, &str)]| {
        let answer = json!({ "statusCode": 200, "headers": { "Access-Control-Allow-Origin": "of the function" } });
        let function = gives(answer.to_string());
        let api = http_api(&["GET /"]).with_cors(Some(cors.clone()));
        let response = handle(&function, &api, request).await;
        assert_eq!(response.status(), status);
        let names = ["origin", "credentials", "methods", "headers"].map(|name| format!("access-control-allow-{name}"));
        let further = ["access-control-expose-headers", "access-control-max-age"].map(str::to_owned);
        let found: Vec<_> = names.iter().chain(&further).map(|name| (name.as_str(), shown(&response, name))).collect();
        let found: Vec<_> =
            found.iter().map(|(name, value)| (*name, value.as_str())).filter(|(_, v)| !v.is_empty()).collect();
        assert_eq!(found, expect);
    };
    let preflight =
        |origin: &str| request("OPTIONS", "/", &[("origin", origin), ("access-control-request-method", "POST")], "");
    let get = |origin: &str| request("GET", "/", &[("origin", origin)], "");
    let allow = "access-control-allow-origin";
    let whole = [
        (allow, "https://app.example"),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-headers", "content-type,x-tag"),
        ("access-control-expose-headers", "x-trip"),
        ("access-control-max-age", "300"),
    ];
    check(&cors, preflight("https://app.example"), 204, &whole).await;
    check(&cors, preflight("https://other.example"), 204, &[]).await;
    check(&cors, request("OPTIONS", "/", &[("origin", "https://app.example")], ""), 404, &[whole[0], whole[3]]).await;
    check(&cors, get("http://any.example"), 200, &[(allow, "http://any.example"), whole[3]]).await;
    check(&cors, get("https://other.example"), 200, &[]).await;
    check(&cors, request("GET", "/", &[], ""), 200, &[]).await;
    check(&everybody, get("https://a.example"), 200, &[(allow, "*")]).await;
    let credentials = ("access-control-allow-credentials", "true");
    check(&signed_in, get("https://a.example"), 200, &[(allow, "https://a.example"), credentials]).await;
}

#[tokio::test]
async fn an_api_that_starts_an_execution() {
    let check = async |parameters: &[(&str, &str)], request: Request, expect: Value| {
        let function = gives(r#"{"executionArn":"arn","startDate":1.5}"#);
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let integration = Integration::Service { action: Action::StartExecution, parameters, timeout_ms: None };
        let route = Route { method: Method::Any, path: "/trips/{id}".into(), integration };
        let api = Api::of(Kind::Http, "abc123", "saga", DEFAULT, vec![route]).unwrap();
        let response = handle(&function, &api, request).await;
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (200, &br#"{"executionArn":"arn","startDate":1.5}"#[..])
        );
        assert_eq!(shown(&response, header::CONTENT_TYPE.as_str()), "application/x-amz-json-1.0");
        assert_eq!(function.events.lock().unwrap().remove(0), ("states:StartExecution".to_owned(), expect));
    };
    let post = || request("POST", "/trips/7?tag=a", &[("x-key", "k")], r#"{"trip":{"to":"Rome","legs":[1,2]}}"#);
    check(
        &[("StateMachineArn", "arn:m"), ("Input", "$request.body"), ("Name", "$request.header.x-key"), ("Region", "r")],
        post(),
        json!({ "stateMachineArn": "arn:m", "input": r#"{"trip":{"to":"Rome","legs":[1,2]}}"#, "name": "k" }),
    )
    .await;
    check(
        &[("Input", "$request.body.trip"), ("Name", "${request.path.id}-${request.querystring.tag}-${context.stage}")],
        post(),
        json!({ "input": r#"{"to":"Rome","legs":[1,2]}"#, "name": "7-a-$default" }),
    )
    .await;
    check(
        &[("Input", "$request.body.trip.legs[1]"), ("Name", "$request.header.none")],
        post(),
        json!({ "input": "2" }),
    )
    .await;
}

#[test]
fn parameters_that_cannot_be() {
    let check = |given: &[(&str, &str)], expect: &str| {
        let fault = crate::service_fault(Action::StartExecution, given.iter().copied());
        assert_eq!(fault.as_deref().unwrap_or_default(), expect);
    };
    let arn = ("StateMachineArn", "arn");
    check(&[arn, ("Input", "$request.body")], "");
    check(&[("Input", "{}")], "StartExecution needs the parameter StateMachineArn");
    let known = "StateMachineArn, Name, Input, TraceHeader, Region";
    check(&[arn, ("Inputs", "{}")], &format!("StartExecution has no parameter Inputs; it has {known}"));
    let reference = "$context.authorizer.claims.sub of the parameter Name is not served";
    check(&[arn, ("Name", "$context.authorizer.claims.sub")], reference);
}

#[tokio::test]
async fn the_default_stage_needs_no_name_in_an_address() {
    let apis = [http_api(&["$default"]), staged("dev", Payload::V2, &["$default"])];
    let check = async |host: &str, path: &str, expect: &str| {
        let request = request("GET", path, &[("host", host)], "");
        let address = Address::of(&request).unwrap();
        let function = gives("{}");
        gateway(&function).handle_at(&apis, &address, request, peer()).await;
        let event = function.events.lock().unwrap().remove(0).1;
        assert_eq!(event["rawPath"], expect, "{host}{path}");
    };
    let own = "abc123.execute-api.us-east-1.amazonaws.com";
    check(own, "/a/b", "/a/b").await;
    check(own, "/", "/").await;
    check(own, "/dev/b", "/dev/b").await;
    check("localhost", "/_aws/execute-api/abc123/$default/a", "/a").await;
    check("localhost", "/_aws/execute-api/abc123/%24default/a", "/a").await;
    check("localhost", "/_aws/execute-api/abc123/dev/a", "/dev/a").await;
    check("localhost", "/restapis/abc123/dev/_user_request_/a", "/dev/a").await;
}

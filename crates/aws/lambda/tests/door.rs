//! The REST door, as clients of Lambda use it: requests in, whole answers out.

mod support;

use std::io::{Cursor, Write};
use std::time::Duration;

use aws_lambda::Limits;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use support::{Bench, probe, until};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(bench: &Bench, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = bench.host.handle(request.body(body.into()).unwrap()).await;
    let (parts, body) = answer.into_parts();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// Status, error name and a part of the message.
async fn refused(bench: &Bench, method: &str, path: &str, body: Value, expect: (u16, &str, &str)) {
    let answer = ask(bench, method, path, &[], body).await;
    let message = answer.body["message"].as_str().or(answer.body["Message"].as_str()).unwrap_or_default();
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (expect.0, expect.1), "{method} {path}: {message}");
    assert!(message.contains(expect.2), "{method} {path}: {message}");
}

const FUNCTIONS: &str = "/2015-03-31/functions";

fn zip_of(files: &[(&str, &str)]) -> String {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        // No permissions: the host makes a bootstrap executable.
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    BASE64_STANDARD.encode(zip.finish().unwrap().into_inner())
}

fn probe_zip(more: &str) -> String {
    let script = format!("#!/bin/sh\nexec {}\n", probe().display());
    zip_of(&[("bootstrap", &script), ("lib/more.txt", more)])
}

fn creation(zip: &str) -> Value {
    json!({
        "FunctionName": "ReserveHotel",
        "Runtime": "provided.al2023",
        "Role": "arn:aws:iam::000000000000:role/r",
        "Handler": "bootstrap",
        "Timeout": 30,
        "Environment": {"Variables": {"TABLE": "Bookings"}},
        "Tags": {"team": "travel"},
        "Code": {"ZipFile": zip},
    })
}

#[tokio::test]
async fn the_life_of_a_function() {
    let bench = Bench::open(Limits::default());
    let zip = probe_zip("1");
    let created = ask(&bench, "POST", FUNCTIONS, &[], creation(&zip)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let mut shape = created.body.clone();
    for varies in ["LastModified", "RevisionId", "CodeSha256", "CodeSize", "Architectures"] {
        assert!(!shape[varies].take().is_null(), "{varies}");
        shape.as_object_mut().unwrap().remove(varies);
    }
    let expect = json!({
        "FunctionName": "ReserveHotel",
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:ReserveHotel",
        "Runtime": "provided.al2023",
        "Role": "arn:aws:iam::000000000000:role/r",
        "Handler": "bootstrap",
        "Description": "",
        "Timeout": 30,
        "MemorySize": 128,
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/ReserveHotel"},
        "Environment": {"Variables": {"TABLE": "Bookings"}},
    });
    assert_eq!(shape, expect);
    let text = created.body["LastModified"].as_str().unwrap();
    assert!(text.len() == 28 && text.ends_with("+0000"), "{text}");

    let conflict = (409, "ResourceConflictException", "Function already exist: ReserveHotel");
    refused(&bench, "POST", FUNCTIONS, creation(&zip), conflict).await;

    let function = format!("{FUNCTIONS}/ReserveHotel");
    let got = ask(&bench, "GET", &function, &[], Value::Null).await;
    assert_eq!((got.status, &got.body["Configuration"]), (200, &created.body));
    assert_eq!(got.body["Tags"], json!({"team": "travel"}));
    let by_arn = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3AReserveHotel";
    let got = ask(&bench, "GET", &format!("{by_arn}%3A%24LATEST/configuration"), &[], Value::Null).await;
    assert_eq!(got.body, created.body);

    let change = json!({"Timeout": 31, "Environment": {"Variables": {"TABLE": "Other"}}});
    let changed = ask(&bench, "PUT", &format!("{function}/configuration"), &[], change).await;
    assert_eq!((changed.status, &changed.body["Timeout"]), (200, &json!(31)));
    assert_eq!(changed.body["Environment"], json!({"Variables": {"TABLE": "Other"}}));
    assert_eq!(changed.body["Handler"], "bootstrap", "what is not named stays");
    let seen = invoke(&bench, "ReserveHotel", &[], json!({"do": "context"})).await;
    assert_eq!(seen.body["environment"]["TABLE"], "Other");

    let zip = probe_zip("2");
    let code = json!({"ZipFile": zip, "RevisionId": created.body["RevisionId"]});
    let stale = (412, "PreconditionFailedException", "The Revision Id provided does not match");
    refused(&bench, "PUT", &format!("{function}/code"), code, stale).await;
    let dry = ask(&bench, "PUT", &format!("{function}/code"), &[], json!({"ZipFile": zip, "DryRun": true})).await;
    let code = json!({"ZipFile": zip, "RevisionId": changed.body["RevisionId"]});
    let updated = ask(&bench, "PUT", &format!("{function}/code"), &[], code).await;
    assert_eq!((dry.status, updated.status), (200, 200), "{}", updated.body);
    assert_eq!(dry.body["CodeSha256"], updated.body["CodeSha256"]);
    assert_ne!(updated.body["CodeSha256"], created.body["CodeSha256"]);

    let deleted = ask(&bench, "DELETE", &function, &[], Value::Null).await;
    assert_eq!(deleted.status, 204);
    let arn = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:ReserveHotel";
    for method in ["GET", "DELETE"] {
        refused(&bench, method, &function, Value::Null, (404, "ResourceNotFoundException", arn)).await;
    }
    assert!(!bench.scratch.0.join("functions/ReserveHotel").exists());
    bench.host.shut_down().await;
}

async fn invoke(bench: &Bench, name: &str, headers: &[(&str, &str)], body: Value) -> Answer {
    ask(bench, "POST", &format!("{FUNCTIONS}/{name}/invocations"), headers, body).await
}

#[tokio::test]
async fn invocations() {
    let bench = Bench::with(|_| {});
    let answer = invoke(&bench, "f", &[], json!({"a": [1]})).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"a": [1]})));
    assert_eq!(answer.header("x-amz-executed-version"), "$LATEST");
    assert_eq!((answer.header("x-amz-function-error"), answer.header("x-amz-log-result")), ("", ""));
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);

    let answer = invoke(&bench, "f", &[("X-Amz-Log-Type", "Tail")], json!({"do": "error"})).await;
    assert_eq!((answer.status, answer.header("x-amz-function-error")), (200, "Unhandled"));
    assert_eq!(answer.body, json!({"errorMessage": "no rooms", "errorType": "HotelFull", "stackTrace": []}));
    let tail = BASE64_STANDARD.decode(answer.header("x-amz-log-result")).unwrap();
    let start = format!("START RequestId: {} Version: $LATEST\n", answer.header("x-amzn-requestid"));
    assert!(String::from_utf8(tail).unwrap().starts_with(&start));

    let context = BASE64_STANDARD.encode(r#"{"client":{}}"#);
    let answer = invoke(&bench, "f", &[("X-Amz-Client-Context", &context)], json!({"do": "context"})).await;
    assert_eq!(answer.body["headers"]["lambda-runtime-client-context"], r#"{"client":{}}"#);

    let answer = invoke(&bench, "f", &[("X-Amz-Invocation-Type", "DryRun")], json!({"do": "exit"})).await;
    assert_eq!((answer.status, answer.body), (204, Value::Null));
    let answer = invoke(&bench, "f", &[("X-Amz-Invocation-Type", "Event")], json!({"do": "print"})).await;
    assert_eq!((answer.status, &answer.body), (202, &Value::Null));
    let start = format!("START RequestId: {} Version: $LATEST", answer.header("x-amzn-requestid"));
    until("the event runs", || bench.log().contains(&start)).await;

    let answer = invoke(&bench, "f", &[("X-Amz-Invocation-Type", "Later")], json!({})).await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (400, "ValidationException"));
    let path = format!("{FUNCTIONS}/f/invocations?Qualifier=PROD");
    refused(&bench, "POST", &path, json!({}), (404, "ResourceNotFoundException", "function:f:PROD")).await;
    bench.host.shut_down().await;
}

#[tokio::test]
async fn concurrency_and_tags() {
    let bench = Bench::with(|_| {});
    let (put, get) = ("/2017-10-31/functions/f/concurrency", "/2019-09-30/functions/f/concurrency");
    let zero = json!({"ReservedConcurrentExecutions": 0});
    assert_eq!(ask(&bench, "PUT", put, &[], zero.clone()).await.body, zero);
    assert_eq!(ask(&bench, "GET", get, &[], Value::Null).await.body, zero);
    let answer = invoke(&bench, "f", &[], json!({})).await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (429, "TooManyRequestsException"));
    let reason = "ReservedFunctionConcurrentInvocationLimitExceeded";
    assert_eq!(answer.body, json!({"Reason": reason, "Type": "User", "message": "Rate Exceeded."}));
    assert_eq!(ask(&bench, "DELETE", put, &[], Value::Null).await.status, 204);
    assert_eq!(invoke(&bench, "f", &[], json!(1)).await.body, 1);

    let tags = "/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:function:f";
    assert_eq!(ask(&bench, "POST", tags, &[], json!({"Tags": {"a": "1", "b": "2"}})).await.status, 204);
    assert_eq!(ask(&bench, "DELETE", &format!("{tags}?tagKeys=a&tagKeys=c"), &[], Value::Null).await.status, 204);
    assert_eq!(ask(&bench, "GET", tags, &[], Value::Null).await.body, json!({"Tags": {"b": "2"}}));
    bench.host.shut_down().await;
}

#[tokio::test]
async fn pages() {
    let bench = Bench::open(Limits::default());
    for name in ["c", "a", "b"] {
        bench.put(name, |_| {});
    }
    let names = |answer: &Answer| {
        let functions = answer.body["Functions"].as_array().unwrap();
        functions.iter().map(|f| f["FunctionName"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    let page = ask(&bench, "GET", &format!("{FUNCTIONS}/?MaxItems=2"), &[], Value::Null).await;
    assert_eq!((names(&page), &page.body["NextMarker"]), (vec!["a".into(), "b".into()], &json!("b")));
    let page = ask(&bench, "GET", &format!("{FUNCTIONS}?Marker=b&MaxItems=2"), &[], Value::Null).await;
    assert_eq!((names(&page), &page.body["NextMarker"]), (vec!["c".to_string()], &Value::Null));
    refused(&bench, "GET", &format!("{FUNCTIONS}?MaxItems=0"), Value::Null, (400, "ValidationException", "maxItems"))
        .await;
    bench.host.shut_down().await;
}

#[tokio::test]
async fn creations_that_are_refused() {
    let limits =
        Limits { unpacked_bytes_max: 1000, unpacked_entries_max: 4, zip_bytes_max: 10_000, ..Limits::default() };
    let bench = Bench::open(limits);
    let check = async |change: &dyn Fn(&mut Value), expect: (u16, &str, &str)| {
        let mut body = creation(&zip_of(&[("bootstrap", "")]));
        change(&mut body);
        refused(&bench, "POST", FUNCTIONS, body, expect).await;
    };
    let invalid = |part| (400, "InvalidParameterValueException", part);
    let validation = |part| (400, "ValidationException", part);
    check(&|b| b["FunctionName"] = json!("a b"), validation("'a b' at 'functionName'")).await;
    check(&|b| b["FunctionName"] = json!(null), validation("Value null at 'functionName'")).await;
    check(&|b| b["Runtime"] = json!("java21"), invalid("enum value set: [provided.al2023")).await;
    check(&|b| b["Timeout"] = json!(901), validation("'901' at 'timeout'")).await;
    check(&|b| b["Timeout"] = json!("x"), (400, "SerializationException", "Timeout")).await;
    check(&|b| b["Role"] = json!("admin"), validation("'admin' at 'role'")).await;
    check(&|b| b["PackageType"] = json!("Image"), invalid("PackageType Image")).await;
    check(&|b| b["Code"] = json!({"S3Bucket": "b", "S3Key": "k"}), invalid("no objects here")).await;
    check(&|b| b["Code"] = json!({}), invalid("Please provide a source")).await;
    check(&|b| b["Code"]["ZipFile"] = json!("%"), (400, "SerializationException", "base64")).await;

    let zip = async |zip: String, expect: (u16, &str, &str)| {
        check(&|b| b["Code"]["ZipFile"] = json!(zip), expect).await;
    };
    zip(BASE64_STANDARD.encode("no zip"), invalid("Could not unzip uploaded file.")).await;
    zip(zip_of(&[]), invalid("Uploaded file must be a non-empty zip")).await;
    zip(zip_of(&[("../bootstrap", "")]), invalid("leads out of the archive")).await;
    zip(zip_of(&[("a", ""), ("a/b", "")]), invalid("is there twice")).await;
    zip(zip_of(&[("a", &"x".repeat(600)), ("b", &"x".repeat(600))]), invalid("smaller than 1000 bytes")).await;
    zip(zip_of(&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", "")]), invalid("may have 4 files")).await;
    zip(symbolic_link(), invalid("symbolic link")).await;
    zip(damaged(), invalid("Could not unzip uploaded file.")).await;
    let large = BASE64_STANDARD.encode(vec![0; 10_001]);
    zip(large, (413, "RequestEntityTooLargeException", "smaller than 10000 bytes")).await;
    assert_eq!(bench.host.functions(), []);
    let left: Vec<_> = std::fs::read_dir(bench.scratch.0.join("functions/ReserveHotel")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    bench.host.shut_down().await;
}

fn symbolic_link() -> String {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("bootstrap", "/bin/sh", SimpleFileOptions::default()).unwrap();
    BASE64_STANDARD.encode(zip.finish().unwrap().into_inner())
}

/// One bit of the content is wrong, so its checksum is too.
fn damaged() -> String {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("bootstrap", stored).unwrap();
    zip.write_all(b"some content").unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    let at = bytes.windows(12).position(|window| window == b"some content").unwrap();
    bytes[at] ^= 1;
    BASE64_STANDARD.encode(bytes)
}

#[tokio::test]
async fn what_is_not_served_is_named() {
    let bench = Bench::open(Limits { drain_timeout: Duration::ZERO, ..Limits::default() });
    let not_yet = (501, "NotImplementedException", "CreateEventSourceMapping");
    refused(&bench, "POST", "/2015-03-31/event-source-mappings", json!({}), not_yet).await;
    let unknown = (404, "UnknownOperationException", "PATCH /2015-03-31/functions/f");
    refused(&bench, "PATCH", &format!("{FUNCTIONS}/f"), Value::Null, unknown).await;
    let version = (400, "InvalidParameterValueException", "cannot be deleted");
    refused(&bench, "DELETE", &format!("{FUNCTIONS}/f?Qualifier=%24LATEST"), Value::Null, version).await;
    let json = (400, "InvalidRequestContentException", "Could not parse request body into json");
    let path = format!("{FUNCTIONS}/f/configuration");
    refused(&bench, "PUT", &path, json!(["not an object"]), json).await;
    bench.host.shut_down().await;
}

#[tokio::test]
async fn versions_and_aliases() {
    let bench = Bench::open(Limits::default());
    let put = |word: &str| bench.put("f", |f| drop(f.environment.insert("WORD".into(), word.into())));
    let (versions, aliases) = (format!("{FUNCTIONS}/f/versions"), format!("{FUNCTIONS}/f/aliases"));
    let arn = |qualifier: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:f:{qualifier}");
    put("one");
    let publish = async || ask(&bench, "POST", &versions, &[], json!({})).await.body;
    let first = publish().await;
    assert_eq!((&first["Version"], &first["FunctionArn"]), (&json!("1"), &json!(arn("1"))));
    assert_eq!(publish().await["Version"], "1", "nothing has changed since");
    put("two");
    assert_eq!(publish().await["Version"], "2");
    let stale = json!({"CodeSha256": "x"});
    let different = (400, "InvalidParameterValueException", "is different from current CodeSHA256");
    refused(&bench, "POST", &versions, stale, different).await;

    let alias = json!({"Name": "live", "FunctionVersion": "1", "Description": "d"});
    let created = ask(&bench, "POST", &aliases, &[], alias.clone()).await;
    assert_eq!((created.status, &created.body["AliasArn"]), (201, &json!(arn("live"))));
    refused(&bench, "POST", &aliases, alias, (409, "ResourceConflictException", "Alias already exists")).await;
    let absent = json!({"Name": "next", "FunctionVersion": "3"});
    refused(&bench, "POST", &aliases, absent, (404, "ResourceNotFoundException", "function:f:3")).await;

    put("three");
    // Word, version as the function sees it, the ARN it was called by, the version that is told.
    let check = async |name: &str, expect: (&str, &str, &str)| {
        let answer = invoke(&bench, name, &[], json!({"do": "context"})).await;
        let (environment, headers) = (&answer.body["environment"], &answer.body["headers"]);
        let seen = (
            environment["WORD"].as_str().unwrap(),
            environment["AWS_LAMBDA_FUNCTION_VERSION"].as_str().unwrap(),
            headers["lambda-runtime-invoked-function-arn"].as_str().unwrap(),
        );
        assert_eq!(seen, expect, "{name}");
        assert_eq!(answer.header("x-amz-executed-version"), expect.1, "{name}");
    };
    let plain = arn("").trim_end_matches(':').to_owned();
    check("f", ("three", "$LATEST", &plain)).await;
    check("f:1", ("one", "1", &arn("1"))).await;
    check("f:2", ("two", "2", &arn("2"))).await;
    check("f:live", ("one", "1", &arn("live"))).await;
    check(&arn("live").replace(':', "%3A"), ("one", "1", &arn("live"))).await;
    let start = |log: Vec<String>| log.iter().any(|line| line.ends_with(" Version: 2"));
    assert!(start(bench.log()), "one log for all versions");

    let shared = json!({"RoutingConfig": {"AdditionalVersionWeights": {"2": 1.0}}});
    let changed = ask(&bench, "PUT", &format!("{aliases}/live"), &[], shared).await;
    assert_eq!(changed.body["RoutingConfig"], json!({"AdditionalVersionWeights": {"2": 1.0}}));
    assert_eq!((&changed.body["FunctionVersion"], &changed.body["Description"]), (&json!("1"), &json!("d")));
    check("f:live", ("two", "2", &arn("live"))).await;
    let twice = json!({"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}});
    let message = (400, "InvalidParameterValueException", "same function version twice");
    refused(&bench, "PUT", &format!("{aliases}/live"), twice, message).await;

    let listed = ask(&bench, "GET", &format!("{versions}?MaxItems=2"), &[], Value::Null).await.body;
    let names = |list: &Value| list.as_array().unwrap().iter().map(|v| v["Version"].clone()).collect::<Vec<_>>();
    assert_eq!((names(&listed["Versions"]), &listed["NextMarker"]), (vec![json!("$LATEST"), json!("1")], &json!("2")));
    let listed = ask(&bench, "GET", &format!("{versions}?Marker=2"), &[], Value::Null).await.body;
    assert_eq!((names(&listed["Versions"]), &listed["NextMarker"]), (vec![json!("2")], &Value::Null));
    let of_two = ask(&bench, "GET", &format!("{aliases}?FunctionVersion=2"), &[], Value::Null).await.body;
    assert_eq!(of_two, json!({"Aliases": []}));

    let in_use = (409, "ResourceConflictException", "referenced by the alias live");
    refused(&bench, "DELETE", &format!("{FUNCTIONS}/f?Qualifier=1"), Value::Null, in_use).await;
    let frozen = (400, "InvalidParameterValueException", "is published and does not change");
    refused(&bench, "PUT", &format!("{FUNCTIONS}/f%3A1/configuration"), json!({"Timeout": 9}), frozen).await;

    // What was published is there again after a restart, and no number is given twice.
    bench.host.shut_down().await;
    let Bench { host, scratch } = bench;
    drop(host);
    let bench = Bench::open_in(scratch, Limits::default());
    let answer = invoke(&bench, "f:live", &[], json!({"do": "context"})).await;
    assert_eq!(answer.body["environment"]["WORD"], "two");
    assert_eq!(ask(&bench, "DELETE", &format!("{aliases}/live"), &[], Value::Null).await.status, 204);
    let gone = (404, "ResourceNotFoundException", "Cannot find alias arn");
    refused(&bench, "GET", &format!("{aliases}/live"), Value::Null, gone).await;
    assert_eq!(ask(&bench, "DELETE", &format!("{FUNCTIONS}/f%3A2"), &[], Value::Null).await.status, 204);
    let answer = invoke(&bench, "f:2", &[], json!({})).await;
    assert_eq!(answer.status, 404);
    assert_eq!(ask(&bench, "POST", &versions, &[], json!({})).await.body["Version"], "3");
    bench.host.shut_down().await;
}

/// A template's version has an ARN before it has a number.
#[tokio::test]
async fn labels_stand_for_versions() {
    let bench = Bench::with(|_| {});
    let publish = |label: &str| bench.host.publish_version("f", Some(label), None).unwrap().version;
    assert_eq!((&*publish("A"), &*publish("A")), ("1", "1"));
    bench.put("f", |f| f.timeout_seconds = 61);
    assert_eq!((&*publish("A"), &*publish("B")), ("1", "2"), "what has a label stays as it is");
    let alias = aws_lambda::Alias { version: "B".into(), ..Default::default() };
    assert_eq!(bench.host.put_alias("f", "live", &alias, false).unwrap().version, "2");
    let answer = invoke(&bench, "f:A", &[], json!({"do": "context"})).await;
    let arn = &answer.body["headers"]["lambda-runtime-invoked-function-arn"];
    assert_eq!(arn, "arn:aws:lambda:us-east-1:000000000000:function:f:1");
    bench.host.delete_version("f", "A").unwrap();
    assert_eq!(bench.host.function("f:A"), None);
    bench.host.shut_down().await;
}

#[tokio::test]
async fn policies_are_kept() {
    let bench = Bench::with(|_| {});
    let policy = format!("{FUNCTIONS}/f/policy");
    refused(&bench, "GET", &policy, Value::Null, (404, "ResourceNotFoundException", "does not exist")).await;
    let permission = json!({"StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:us-east-1:000000000000:x"});
    let added = ask(&bench, "POST", &policy, &[], permission.clone()).await;
    let expect = json!({"Sid": "api", "Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:000000000000:x"}}});
    let statement = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap();
    assert_eq!((added.status, statement(&added.body["Statement"])), (201, expect.clone()));
    refused(&bench, "POST", &policy, permission, (409, "ResourceConflictException", "(api) provided already")).await;
    let whole = ask(&bench, "GET", &policy, &[], Value::Null).await.body;
    assert_eq!(statement(&whole["Policy"])["Statement"], json!([expect]));
    assert_eq!(ask(&bench, "DELETE", &format!("{policy}/api"), &[], Value::Null).await.status, 204);
    refused(&bench, "DELETE", &format!("{policy}/api"), Value::Null, (404, "ResourceNotFoundException", "api")).await;
    bench.host.shut_down().await;
}

#[tokio::test]
async fn layers() {
    let bench = Bench::open(Limits::default());
    let versions = "/2018-10-31/layers/tools/versions";
    let publish = async |text: &str| {
        let zip = zip_of(&[("bootstrap", &format!("#!/bin/sh\nexec {}\n", probe().display())), ("bin/word", text)]);
        let body = json!({"Content": {"ZipFile": zip}, "CompatibleRuntimes": ["provided.al2023"], "Description": "d"});
        ask(&bench, "POST", versions, &[], body).await.body
    };
    let first = publish("one").await;
    let arn = "arn:aws:lambda:us-east-1:000000000000:layer:tools";
    let arns = (&json!(arn), &json!(format!("{arn}:1")), &json!(1));
    assert_eq!((&first["LayerArn"], &first["LayerVersionArn"], &first["Version"]), arns);
    assert_eq!(publish("two").await["Version"], 2);
    let got = ask(&bench, "GET", &format!("{versions}/1"), &[], Value::Null).await.body;
    assert_eq!(got, first);
    let by_arn = format!("/2018-10-31/layers?find=LayerVersion&Arn={arn}:1").replace(":layer", "%3Alayer");
    assert_eq!(ask(&bench, "GET", &by_arn, &[], Value::Null).await.body, first);
    let listed = ask(&bench, "GET", "/2018-10-31/layers", &[], Value::Null).await.body;
    assert_eq!(listed["Layers"][0]["LatestMatchingVersion"]["Version"], 2);
    let listed = ask(&bench, "GET", &format!("{versions}?CompatibleRuntime=python3.12"), &[], Value::Null).await.body;
    assert_eq!(listed, json!({"LayerVersions": []}));

    // The function has no bootstrap of its own.
    let mut body = creation(&zip_of(&[("data", "")]));
    body["Layers"] = json!([format!("{arn}:2")]);
    let created = ask(&bench, "POST", FUNCTIONS, &[], body.clone()).await.body;
    assert_eq!(created["Layers"][0]["Arn"], format!("{arn}:2"));
    let seen = invoke(&bench, "ReserveHotel", &[], json!({"do": "context"})).await.body;
    let opt = std::path::Path::new(seen["environment"]["LAMBDA_OPT"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(opt.join("bin/word")).unwrap(), "two");
    let path = seen["environment"]["PATH"].as_str().unwrap();
    assert!(path.ends_with(opt.join("bin").to_str().unwrap()), "{path}");

    let mut refuse = async |layers: Value, part: &str| {
        body["FunctionName"] = "g".into();
        body["Layers"] = layers;
        refused(&bench, "POST", FUNCTIONS, body.clone(), (400, "InvalidParameterValueException", part)).await;
    };
    refuse(json!([format!("{arn}:3")]), "Layer version").await;
    refuse(json!([format!("{arn}:1"), format!("{arn}:2")]), "Two different versions").await;
    refuse(json!(vec!["arn:aws:lambda:us-east-1:000000000000:layer:x:1"; 6]), "more than 5 layers").await;
    // Somebody else's layer is left out, and the log says so.
    let foreign = "arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV3:7";
    let change = json!({"Layers": [format!("{arn}:1"), foreign]});
    let changed = ask(&bench, "PUT", &format!("{FUNCTIONS}/ReserveHotel/configuration"), &[], change).await.body;
    assert_eq!(changed["Layers"].as_array().unwrap().len(), 1, "{changed}");
    let log: Vec<String> = bench.host.logs("ReserveHotel").into_iter().map(|line| line.text).collect();
    assert!(log.iter().any(|line| line.contains(foreign) && line.contains("runs without it")), "{log:?}");
    // A layer that is deleted stays with those that have it.
    assert_eq!(ask(&bench, "DELETE", &format!("{versions}/1"), &[], Value::Null).await.status, 204);
    let gone = (404, "ResourceNotFoundException", "layer:tools:1 is not here");
    refused(&bench, "GET", &format!("{versions}/1"), Value::Null, gone).await;
    let configuration = format!("{FUNCTIONS}/ReserveHotel/configuration");
    assert_eq!(ask(&bench, "PUT", &configuration, &[], json!({"Timeout": 31})).await.status, 200);
    let seen = invoke(&bench, "ReserveHotel", &[], json!({"do": "context"})).await.body;
    let opt = std::path::Path::new(seen["environment"]["LAMBDA_OPT"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(opt.join("bin/word")).unwrap(), "one");
    bench.host.shut_down().await;
}

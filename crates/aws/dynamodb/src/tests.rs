//! The door as clients see it: requests through `Dynamo::handle`, answers compared as JSON.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use aws_protocol::{Home, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::operations::{Effect, Names, Operation};
use crate::worker::{Store, Worker};
use crate::{Backend, Dynamo, Error, Place};

fn home() -> Home {
    Home { region: "eu-west-1".into(), account: "123456789012".into() }
}

fn open(backend: Backend) -> Dynamo {
    Dynamo::open(backend, &home()).unwrap()
}

fn request(target: &str, body: impl Into<Bytes>) -> Request {
    http::Request::post("/").header("x-amz-target", target).body(body.into()).unwrap()
}

async fn send(dynamo: &Dynamo, operation: &str, body: &Value) -> Response {
    dynamo.handle(request(&format!("DynamoDB_20120810.{operation}"), body.to_string())).await
}

fn parse(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn trips() -> Value {
    json!({
        "TableName": "trips",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            { "AttributeName": "pk", "AttributeType": "S" }, { "AttributeName": "sk", "AttributeType": "S" },
        ],
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }],
    })
}

fn hotel(n: usize) -> Value {
    json!({ "TableName": "trips", "Item": { "pk": { "S": "trip" }, "sk": { "S": format!("HOTEL#{n}") } } })
}

fn key(n: usize) -> Value {
    json!({ "TableName": "trips", "Key": hotel(n)["Item"] })
}

/// A folder of its own for a test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("ithaca-dynamodb-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn answers() {
    let dynamo = open(Backend::Memory);
    dynamo.ensure_table(&trips()).await.unwrap();
    let items = "DynamoDB_20120810";
    let check = async |service: &str, operation: &str, body: &str, status: u16, expect: Value| {
        let response = dynamo.handle(request(&format!("{service}.{operation}"), body.to_owned())).await;
        assert_eq!(response.status(), status, "{operation} {body}: {:?}", response.body());
        assert_eq!(parse(&response), expect, "{operation} {body}");
        assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.0");
        assert_eq!(response.headers()["x-amz-crc32"], crc32fast::hash(response.body()).to_string().as_str());
        assert!(response.headers().contains_key("x-amzn-requestid"));
    };
    let invalid = |text: &str| json!({ "__type": "com.amazon.coral.validate#ValidationException", "message": text });
    let unreadable =
        |text: &str| json!({ "__type": "com.amazon.coral.service#SerializationException", "Message": text });
    let failed = |name: &str, text: &str| json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": text });

    let one = &hotel(1).to_string();
    check(items, "PutItem", one, 200, json!({})).await;
    check(items, "GetItem", &key(1).to_string(), 200, json!({ "Item": hotel(1)["Item"] })).await;
    check(items, "GetItem", &key(2).to_string(), 200, json!({})).await;
    check(items, "ListTables", "{}", 200, json!({ "TableNames": ["trips"] })).await;

    let mut conditional = hotel(1);
    conditional["ConditionExpression"] = "attribute_not_exists(pk)".into();
    let refusal = failed("ConditionalCheckFailedException", "The conditional request failed");
    check(items, "PutItem", &conditional.to_string(), 400, refusal).await;
    let refusal = failed("ResourceNotFoundException", "Requested resource not found");
    check(items, "PutItem", &one.replace("trips", "other"), 400, refusal).await;

    check(
        items,
        "PutItem",
        "not json",
        400,
        unreadable("The request body is not JSON: expected ident at line 1 column 2"),
    )
    .await;
    check(
        items,
        "PutItem",
        "",
        400,
        unreadable("The request body is not JSON: EOF while parsing a value at line 1 column 0"),
    )
    .await;
    let text = "NUMBER_VALUE cannot be converted to String";
    check(items, "DescribeTable", r#"{"TableName":23}"#, 400, unreadable(text)).await;
    let text = "Start of structure or map found where not expected";
    check(items, "DescribeTable", r#"{"TableName":{}}"#, 400, unreadable(text)).await;

    let text = "One or more parameter values were invalid: Null attribute value types must have the value of true";
    let null = r#"{"pk":{"S":"a"},"sk":{"S":"b"},"n":{"NULL":false}}"#;
    let put = format!(r#"{{"TableName":"trips","Item":{null}}}"#);
    check(items, "PutItem", &put, 400, invalid(&format!("1 validation error detected: {text}"))).await;
    let batch = format!(r#"{{"RequestItems":{{"trips":[{{"PutRequest":{{"Item":{null}}}}}]}}}}"#);
    check(items, "BatchWriteItem", &batch, 400, invalid(text)).await;

    let streams = "DynamoDBStreams_20120810";
    check(streams, "ListStreams", "{}", 200, json!({ "Streams": [] })).await;
    for (service, operation, text) in [
        (items, "CreateBackup", "The operation `DynamoDB_20120810.CreateBackup` is not served."),
        (items, "ListStreams", "The operation `DynamoDB_20120810.ListStreams` is not served."),
        ("AWSStepFunctions", "PutItem", "The operation `AWSStepFunctions.PutItem` is not served."),
    ] {
        let response = dynamo.handle(request(&format!("{service}.{operation}"), "{}")).await;
        assert_eq!(response.status(), 400);
        let answer = parse(&response);
        assert_eq!(answer["__type"], "com.amazon.coral.service#UnknownOperationException");
        assert!(answer["message"].as_str().unwrap().starts_with(text), "{answer}");
    }
}

#[tokio::test]
async fn a_cancelled_transaction_tells_why() {
    let dynamo = open(Backend::Memory);
    dynamo.ensure_table(&trips()).await.unwrap();
    let (mut put, mut check) = (hotel(1), key(2));
    put["ConditionExpression"] = "attribute_not_exists(pk)".into();
    check["ConditionExpression"] = "attribute_exists(pk)".into();
    let body = json!({ "TransactItems": [{ "Put": put }, { "ConditionCheck": check }] });
    let response = send(&dynamo, "TransactWriteItems", &body).await;
    let answer = parse(&response);
    assert_eq!(response.status(), 400);
    assert_eq!(answer["__type"], "com.amazonaws.dynamodb.v20120810#TransactionCanceledException");
    let codes = answer["CancellationReasons"].as_array().unwrap().iter().map(|reason| &reason["Code"]);
    assert_eq!(codes.collect::<Vec<_>>(), ["None", "ConditionalCheckFailed"]);
    assert_eq!(parse(&send(&dynamo, "GetItem", &key(1)).await), json!({}));
}

#[tokio::test]
async fn arns_are_those_of_home_in_both_directions() {
    let dynamo = open(Backend::Memory);
    let created = parse(&send(&dynamo, "CreateTable", &trips()).await);
    let arn = &created["TableDescription"]["TableArn"];
    assert_eq!(arn, "arn:aws:dynamodb:eu-west-1:123456789012:table/trips");
    let tags = json!([{ "Key": "saga", "Value": "travel" }]);
    send(&dynamo, "TagResource", &json!({ "ResourceArn": arn, "Tags": tags })).await;
    let listed = parse(&send(&dynamo, "ListTagsOfResource", &json!({ "ResourceArn": arn })).await);
    assert_eq!(listed["Tags"], tags);
}

#[tokio::test]
async fn nested_input_is_refused_and_does_not_end_the_process() {
    let dynamo = open(Backend::Memory);
    dynamo.ensure_table(&trips()).await.unwrap();
    let mut put = hotel(1);
    put["ConditionExpression"] = format!("{}pk = sk{}", "(".repeat(2_000), ")".repeat(2_000)).into();
    let bodies = [put.to_string(), format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))];
    for body in bodies {
        let response = dynamo.handle(request("DynamoDB_20120810.PutItem", body)).await;
        assert_eq!(response.status(), 400, "{:?}", response.body());
    }
}

#[tokio::test]
async fn too_large_a_request_is_refused() {
    let body = vec![b' '; crate::REQUEST_BYTES_MAX + 1];
    let response = open(Backend::Memory).handle(request("DynamoDB_20120810.PutItem", body)).await;
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn rows_survive_closing_and_crashing() {
    let folder = Folder::new("reopen");
    let (file, image) = (folder.file("dynamodb.sqlite"), folder.file("image.sqlite"));
    let dynamo = open(Backend::Embedded(file.clone()));
    dynamo.ensure_table(&trips()).await.unwrap();
    assert_eq!(send(&dynamo, "PutItem", &hotel(1)).await.status(), 200);
    // What a killed process leaves: the files as they are when the answer is out, nothing closed.
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", file.display());
        std::fs::copy(&from, format!("{}{suffix}", image.display())).expect(&from);
    }
    drop(dynamo);
    for file in [file, image] {
        let dynamo = open(Backend::Embedded(file));
        assert_eq!(parse(&send(&dynamo, "GetItem", &key(1)).await)["Item"], hotel(1)["Item"]);
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_named_and_left_alone() {
    let folder = Folder::new("damaged");
    let damaged = folder.file("dynamodb.sqlite");
    std::fs::write(&damaged, "no database at all, ".repeat(500)).unwrap();
    for (file, reason) in [
        (damaged.clone(), "it is not a SQLite database, or its beginning is damaged"),
        (folder.file("missing/dynamodb.sqlite"), "unable to open database file"),
        (folder.0.clone(), "Is a directory"),
    ] {
        let error = Dynamo::open(Backend::Embedded(file.clone()), &home()).err().expect("it is no database");
        let text = error.to_string();
        assert!(text.starts_with(&format!("cannot open the DynamoDB tables in {}: ", file.display())), "{text}");
        assert!(text.contains(reason) && text.contains("Nothing was deleted"), "{text}");
    }
    assert_eq!(std::fs::read_to_string(&damaged).unwrap(), "no database at all, ".repeat(500));
}

#[tokio::test]
async fn concurrent_updates_are_all_counted() {
    let folder = Folder::new("concurrent");
    let dynamo = Arc::new(open(Backend::Embedded(folder.file("dynamodb.sqlite"))));
    dynamo.ensure_table(&trips()).await.unwrap();
    let mut add = key(1);
    add["UpdateExpression"] = "ADD seats :one".into();
    add["ExpressionAttributeValues"] = json!({ ":one": { "N": "1" } });
    let updates: Vec<_> = (0..100)
        .map(|_| {
            let (dynamo, add) = (dynamo.clone(), add.clone());
            tokio::spawn(async move { send(&dynamo, "UpdateItem", &add).await.status() })
        })
        .collect();
    for update in updates {
        assert_eq!(update.await.unwrap(), 200);
    }
    assert_eq!(parse(&send(&dynamo, "GetItem", &key(1)).await)["Item"]["seats"], json!({ "N": "100" }));
}

/// An operation of the tests: what it runs is all that matters.
const fn test_operation(run: fn(&dynoxide::Database, &[u8]) -> dynoxide::Result<Vec<u8>>) -> Operation {
    Operation::for_test("Test", Effect::Writes, Names::Items, run)
}

#[tokio::test]
async fn a_panic_in_the_database_costs_one_answer() {
    static PANIC: Operation = test_operation(|_, _| panic!("a bug in the database"));
    let folder = Folder::new("panic");
    let worker = Worker::start(Store::File(folder.file("dynamodb.sqlite")), &home()).unwrap();
    let dynamo = Dynamo { place: Place::Here(worker) };
    dynamo.ensure_table(&trips()).await.unwrap();
    send(&dynamo, "PutItem", &hotel(1)).await;
    let Place::Here(worker) = &dynamo.place else { unreachable!("it was put there") };
    assert_eq!(worker.run(&PANIC, Bytes::new()).await.status(), 500);
    assert_eq!(parse(&send(&dynamo, "GetItem", &key(1)).await)["Item"], hotel(1)["Item"]);
}

#[tokio::test]
async fn a_full_inbox_throttles() {
    static GATE: Mutex<()> = Mutex::new(());
    static WAIT: Operation = test_operation(|_, _| {
        drop(GATE.lock());
        Ok(Vec::new())
    });
    let worker = Worker::start(Store::Memory, &home()).unwrap();
    let closed = GATE.lock().unwrap();
    let mut waiting = Vec::new();
    let mut throttled = Vec::new();
    // One is being run and 1024 wait, so at least the last finds no place.
    for _ in 0..1026 {
        let mut call = Box::pin(worker.run(&WAIT, Bytes::new()));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => throttled.push(response),
            Poll::Pending => waiting.push(call),
        }
    }
    drop(closed);
    for response in &throttled {
        assert_eq!(response.status(), 400);
        assert_eq!(parse(response)["__type"], "com.amazonaws.dynamodb.v20120810#ThrottlingException");
    }
    assert!((1..=2).contains(&throttled.len()), "{} of 1026 calls were throttled", throttled.len());
    for call in waiting {
        assert_eq!(call.await.status(), 200);
    }
}

// INVARIANT: a write whose flush failed is never answered as done. No disk is needed to fail: /dev/null cannot flush.
#[cfg(unix)]
#[tokio::test]
async fn a_failed_flush_is_no_success_and_closes_the_tables() {
    let log = std::fs::File::open("/dev/null").unwrap();
    let dynamo = Dynamo { place: Place::Here(Worker::start_with_log(log, &home()).unwrap()) };
    assert_eq!(send(&dynamo, "ListTables", &json!({})).await.status(), 200);
    for operation in ["CreateTable", "ListTables"] {
        let response = send(&dynamo, operation, &trips()).await;
        assert_eq!(response.status(), 500, "{operation}");
        assert!(parse(&response)["message"].as_str().unwrap().contains("could not be flushed"));
    }
    let mut fatal = dynamo.fatal();
    let why = fatal.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert!(why.starts_with("cannot flush ") && why.contains("Mend the cause first"), "{why}");
}

#[tokio::test]
async fn a_table_is_made_once_and_keeps_its_key() {
    let dynamo = open(Backend::Memory);
    dynamo.ensure_table(&trips()).await.unwrap();
    dynamo.ensure_table(&trips()).await.unwrap();

    let check = async |request: Value, expect: &str| {
        let error = dynamo.ensure_table(&request).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let mut other = trips();
    other["AttributeDefinitions"][1]["AttributeType"] = "N".into();
    check(other, "exists with the key pk (S, HASH) and sk (S, RANGE), but pk (S, HASH) and sk (N, RANGE) is asked")
        .await;
    check(json!({ "KeySchema": [] }), "needs `TableName`").await;
    check(json!({ "TableName": "trips" }), "needs `KeySchema`").await;
    let mut bad = trips();
    bad["TableName"] = "a table".into();
    check(bad, "of the DynamoDB table a table was refused").await;
}

#[test]
fn endpoints() {
    let check = |url: &str, expect: Result<(), &str>| {
        let opened = Dynamo::open(Backend::Forward(url.into()), &home());
        match (opened, expect) {
            (Ok(_), Ok(())) => {}
            (Err(error @ Error::Endpoint { .. }), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (opened, _) => panic!("{url}: {:?}", opened.err()),
        }
    };
    check("http://localhost:8000", Ok(()));
    check("http://[::1]:8000/", Ok(()));
    check("https://dynamodb.eu-west-1.amazonaws.com", Err("https is not spoken here"));
    check("localhost:8000", Err("does not begin with http://"));
    check("http://localhost:8000/dynamodb", Err("has a path"));
    check("not a url", Err("not a URL"));
}

/// An upstream on loopback: a DynamoDB in memory that remembers what reached it.
struct Upstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Request>>>,
}

async fn upstream(keep_alive: bool) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dynamo = Arc::new(open(Backend::Memory));
    let (connections, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let upstream = Upstream { address, connections: connections.clone(), seen: seen.clone() };
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.fetch_add(1, Ordering::SeqCst);
            let (dynamo, seen) = (dynamo.clone(), seen.clone());
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let (dynamo, seen) = (dynamo.clone(), seen.clone());
                async move {
                    let (parts, body) = request.into_parts();
                    let request = Request::from_parts(parts, body.collect().await?.to_bytes());
                    seen.lock().unwrap().push(request.clone());
                    hyper::Result::Ok(dynamo.handle(request).await.map(Full::new))
                }
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            server.keep_alive(keep_alive);
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    upstream
}

#[tokio::test]
async fn forwarding_keeps_requests_and_connections() {
    for (keep_alive, connections) in [(true, 1), (false, 4)] {
        let upstream = upstream(keep_alive).await;
        let dynamo = open(Backend::Forward(format!("http://{}", upstream.address)));
        dynamo.ensure_table(&trips()).await.unwrap();
        let mut signed = request("DynamoDB_20120810.PutItem", hotel(1).to_string());
        for (name, value) in
            [("host", "localhost:4566"), ("authorization", "AWS4-HMAC-SHA256 Credential=test"), ("connection", "close")]
        {
            signed.headers_mut().insert(name, value.parse().unwrap());
        }
        assert_eq!(dynamo.handle(signed).await.status(), 200);
        let found = send(&dynamo, "GetItem", &key(1)).await;
        assert_eq!(parse(&found)["Item"], hotel(1)["Item"]);
        assert_eq!(found.headers()["x-amz-crc32"], crc32fast::hash(found.body()).to_string().as_str());

        let seen = upstream.seen.lock().unwrap();
        let put = &seen[2];
        assert_eq!(put.headers()["host"], "localhost:4566");
        assert_eq!(put.headers()["authorization"], "AWS4-HMAC-SHA256 Credential=test");
        assert!(!put.headers().contains_key("connection"));
        assert_eq!(put.body().as_ref(), hotel(1).to_string().as_bytes());
        assert_eq!(upstream.connections.load(Ordering::SeqCst), connections, "keep-alive {keep_alive}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let response = send(&open(Backend::Forward(url.clone())), "ListTables", &json!({})).await;
    assert_eq!(response.status(), 503);
    assert!(parse(&response)["message"].as_str().unwrap().contains(&url));
}

/// A template that changes: what the table has then, in words.
#[tokio::test]
async fn a_table_is_brought_to_what_is_wanted() {
    let dynamo = open(Backend::Memory);
    let attributes = json!([
        { "AttributeName": "pk", "AttributeType": "S" },
        { "AttributeName": "day", "AttributeType": "S" },
        { "AttributeName": "sk", "AttributeType": "S" },
    ]);
    let index = |name: &str, key: &str, projection: &str| {
        json!({ "IndexName": name, "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
            "Projection": { "ProjectionType": projection } })
    };
    let mut wanted = trips();
    wanted["AttributeDefinitions"] = attributes;
    let rows = [
        (json!([index("by-day", "day", "ALL")]), json!(null), "by-day:day:ALL"),
        (
            json!([index("by-day", "day", "ALL"), index("by-sk", "sk", "KEYS_ONLY")]),
            json!(null),
            "by-day:day:ALL by-sk:sk:KEYS_ONLY",
        ),
        (
            json!([index("by-day", "sk", "ALL")]),
            json!({ "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" }),
            "by-day:sk:ALL NEW_IMAGE",
        ),
        (
            json!([index("by-day", "sk", "ALL")]),
            json!({ "StreamEnabled": true, "StreamViewType": "KEYS_ONLY" }),
            "by-day:sk:ALL KEYS_ONLY",
        ),
        (json!(null), json!(null), ""),
    ];
    for (indexes, stream, expect) in rows {
        (wanted["GlobalSecondaryIndexes"], wanted["StreamSpecification"]) = (indexes, stream);
        wanted.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        for _ in 0..2 {
            dynamo.ensure_table(&wanted).await.unwrap();
            let found = send(&dynamo, "DescribeTable", &json!({ "TableName": "trips" })).await;
            assert_eq!(shape(&parse(&found)["Table"]), expect);
        }
    }
    wanted["LocalSecondaryIndexes"] = json!([{ "IndexName": "l" }]);
    let refused = dynamo.ensure_table(&wanted).await.unwrap_err().to_string();
    assert!(refused.contains("other local secondary indexes (none) than wanted (l)"), "{refused}");
    dynamo.remove_table("trips").await.unwrap();
    dynamo.remove_table("trips").await.unwrap();
}

fn shape(table: &Value) -> String {
    let indexes = table["GlobalSecondaryIndexes"].as_array().cloned().unwrap_or_default();
    let mut words: Vec<String> = indexes
        .iter()
        .map(|index| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let key = text(&index["KeySchema"][0]["AttributeName"]);
            format!("{}:{key}:{}", text(&index["IndexName"]), text(&index["Projection"]["ProjectionType"]))
        })
        .collect();
    words.sort();
    words.extend(table["StreamSpecification"]["StreamViewType"].as_str().map(str::to_owned));
    words.join(" ")
}

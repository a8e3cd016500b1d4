//! Requests per second through `Dynamo::handle`, per operation and number of callers.
//!
//! `cargo bench -p aws-dynamodb`; the file goes into the folder named by `TMPDIR`, whose disk is what is measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_dynamodb::{Backend, Dynamo};
use aws_protocol::Home;
use bytes::Bytes;
use serde_json::{Value, json};

const CALLERS: &[usize] = &[1, 16];
const REQUESTS: usize = 8_000;
type Body = fn(usize) -> Value;

const OPERATIONS: &[(&str, Body)] = &[
    ("PutItem", |n| {
        json!({ "TableName": "bench", "Item": {
            "pk": { "S": format!("trip-{}", n % 1000) }, "sk": { "S": format!("HOTEL#{n}") },
            "hotel": { "S": "holiday inn" }, "check_in": { "S": "2021-07-10T12:00:00.000Z" },
            "notes": { "S": "x".repeat(250) }, "transaction_status": { "S": "pending" } } })
    }),
    ("UpdateItem", |n| {
        json!({ "TableName": "bench", "Key": key(n), "UpdateExpression": "SET transaction_status = :s",
                "ConditionExpression": "attribute_exists(pk)",
                "ExpressionAttributeValues": { ":s": { "S": "confirmed" } } })
    }),
    ("GetItem", |n| json!({ "TableName": "bench", "Key": key(n) })),
    ("DeleteItem", |n| json!({ "TableName": "bench", "Key": key(n) })),
];

fn key(n: usize) -> Value {
    json!({ "pk": { "S": format!("trip-{}", n % 1000) }, "sk": { "S": format!("HOTEL#{n}") } })
}

fn main() {
    let file = std::env::temp_dir().join(format!("ithaca-dynamodb-bench-{}.sqlite", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (name, backend) in [("file", Backend::Embedded(file.clone())), ("memory", Backend::Memory)] {
        let dynamo = Arc::new(Dynamo::open(backend, &Home::default()).unwrap());
        runtime.block_on(dynamo.ensure_table(&table())).unwrap();
        for &callers in CALLERS {
            for (operation, body) in OPERATIONS {
                let (took, slowest) = runtime.block_on(run(&dynamo, operation, *body, callers));
                let rate = REQUESTS as f64 / took.as_secs_f64();
                println!("{name:7} {operation:11} {callers:2} callers {rate:8.0}/s  slowest {slowest:?}");
            }
        }
    }
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
    }
}

async fn run(dynamo: &Arc<Dynamo>, operation: &'static str, body: Body, callers: usize) -> (Duration, Duration) {
    let bodies: Vec<Bytes> = (0..REQUESTS).map(|n| Bytes::from(body(n).to_string())).collect();
    let started = Instant::now();
    let tasks = bodies.chunks(REQUESTS / callers).map(|bodies| {
        let (dynamo, bodies) = (dynamo.clone(), bodies.to_vec());
        tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            for body in bodies {
                let sent = Instant::now();
                let response = dynamo.handle(request(operation, body)).await;
                assert_eq!(response.status(), 200, "{:?}", response.body());
                slowest = slowest.max(sent.elapsed());
            }
            slowest
        })
    });
    let mut slowest = Duration::ZERO;
    for task in tasks.collect::<Vec<_>>() {
        slowest = slowest.max(task.await.unwrap());
    }
    (started.elapsed(), slowest)
}

fn request(operation: &str, body: Bytes) -> aws_protocol::Request {
    http::Request::post("/").header("x-amz-target", format!("DynamoDB_20120810.{operation}")).body(body).unwrap()
}

fn table() -> Value {
    json!({ "TableName": "bench", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }, { "AttributeName": "sk", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }] })
}

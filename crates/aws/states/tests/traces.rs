//! A trace that a start belongs to is kept, wherever it was told.

use serde_json::{Value, json};
use support::{Account, MACHINE};

mod support;

const TRACE: &str = "Root=1-67891233-abcdef012345678912345678;Sampled=1";

#[tokio::test]
async fn a_trace_is_told_in_the_body_or_in_a_header() {
    let account = Account::open();
    account.create(json!({})).await;
    let check = async |header: Option<&str>, body: Option<&str>, expect: Option<&str>| {
        let mut request = http::Request::post("/").header("x-amz-target", "AWSStepFunctions.StartExecution");
        if let Some(header) = header {
            request = request.header("x-amzn-trace-id", header);
        }
        let body = json!({ "stateMachineArn": MACHINE, "traceHeader": body }).to_string();
        let response = account.states().handle(&request.body(body.into()).unwrap()).await;
        let started: Value = serde_json::from_slice(response.body()).unwrap();
        let execution = json!({ "executionArn": started["executionArn"] });
        let found = account.ask("DescribeExecution", execution).await.unwrap();
        assert_eq!(found.get("traceHeader").and_then(Value::as_str), expect, "{header:?}");
    };
    check(None, None, None).await;
    check(Some(TRACE), None, Some(TRACE)).await;
    check(None, Some(TRACE), Some(TRACE)).await;
    check(Some("Root=other"), Some(TRACE), Some(TRACE)).await;
    let long = json!({ "stateMachineArn": MACHINE, "traceHeader": "x".repeat(257) });
    let refused = account.ask("StartExecution", long).await.unwrap_err();
    assert!(refused.contains("at 'traceHeader' failed to satisfy constraint"), "{refused}");
    account.close();
}

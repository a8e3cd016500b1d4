//! Executions through the door: what lists filter, what can be redriven, and what is started for a task that waits.

use std::time::{Duration, Instant};

use engine::{ExecutionId, Parent};
use interpreter::{FrameId, TaskId, WaitId};
use serde_json::{Value, json};
use support::{Account, MACHINE, ROLE, pass};

mod support;

/// A distributed Map over three items: the first succeeds, the second fails, the third goes on.
fn map() -> String {
    let is = |item: u32, next: &str| json!({ "Variable": "$", "NumericEquals": item, "Next": next });
    let processor = json!({
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "Which",
        "States": {
            "Which": { "Type": "Choice", "Choices": [is(1, "Good"), is(2, "Bad")], "Default": "Long" },
            "Good": { "Type": "Succeed" },
            "Bad": { "Type": "Fail", "Error": "E" },
            "Long": { "Type": "Wait", "Seconds": 3600, "End": true },
        },
    });
    let map = json!({
        "Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "ToleratedFailurePercentage": 100, "End": true,
    });
    json!({ "StartAt": "M", "States": { "M": map } }).to_string()
}

/// The executions of a list, once they are such.
async fn listed(account: &Account, body: Value, are_such: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = account.ask("ListExecutions", body.clone()).await.unwrap();
        let found = answer["executions"].as_array().unwrap().clone();
        if are_such(&found) {
            return found;
        }
        assert!(Instant::now() < until, "{body}: {found:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_executions_of_a_map_run() {
    let account = Account::open();
    account.create(json!({ "definition": map() })).await;
    let input = json!({ "items": [1, 2, 3] }).to_string();
    let started = account.ask("StartExecution", json!({ "stateMachineArn": MACHINE, "input": input })).await.unwrap();
    let runs = account.ask("ListMapRuns", json!({ "executionArn": started["executionArn"] })).await.unwrap();
    let run = runs["mapRuns"][0]["mapRunArn"].clone();
    let has = |found: &[Value], status: &str| found.iter().any(|it| it["status"] == status);
    let all = listed(&account, json!({ "mapRunArn": run }), |found| {
        ["SUCCEEDED", "FAILED", "RUNNING"].iter().all(|status| has(found, status))
    })
    .await;
    for (status, redrive) in [
        ("SUCCEEDED", ["NOT_REDRIVABLE", "Execution is SUCCEEDED and cannot be redriven"].map(Some)),
        ("FAILED", [Some("REDRIVABLE_BY_MAP_RUN"), None]),
        ("RUNNING", ["NOT_REDRIVABLE", "Execution is RUNNING and cannot be redriven"].map(Some)),
    ] {
        let of = all.iter().find(|it| it["status"] == status).unwrap();
        let about = account.ask("DescribeExecution", json!({ "executionArn": of["executionArn"] })).await.unwrap();
        let told = ["redriveStatus", "redriveStatusReason"].map(|name| about.get(name).and_then(Value::as_str));
        assert_eq!(told, redrive, "{status}");
    }
    for (filter, count) in [("SUCCEEDED", 1), ("FAILED", 1), ("ABORTED", 0), ("PENDING_REDRIVE", 0)] {
        let body = json!({ "mapRunArn": run, "statusFilter": filter });
        assert_eq!(listed(&account, body, |_| true).await.len(), count, "{filter}");
    }
    account.close();
}

#[tokio::test]
async fn filters_of_a_machine() {
    let account = Account::open();
    account.create(json!({})).await;
    let list = |filter: &str| json!({ "stateMachineArn": MACHINE, "statusFilter": filter });
    for filter in ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"] {
        account.check("ListExecutions", list(filter), Ok(json!({ "executions": [] }))).await;
    }
    let unknown = account.ask("ListExecutions", list("DONE")).await.unwrap_err();
    assert!(unknown.contains("Member must satisfy enum value set"), "{unknown}");
    account.close();
}

/// What an Express execution has done is forgotten when it ends, so no task can wait for it.
#[tokio::test]
async fn no_task_waits_for_an_express_execution() {
    let account = Account::open();
    for (name, kind, expect) in [("s", "STANDARD", None), ("e", "EXPRESS", Some("StateMachineTypeNotSupported"))] {
        let body = json!({ "name": name, "definition": pass(0), "roleArn": ROLE, "type": kind });
        let machine = account.ask("CreateStateMachine", body).await.unwrap()["stateMachineArn"].clone();
        let task = TaskId { frame: FrameId(0), attempt: WaitId(1) };
        let parent = Parent::Task { execution: ExecutionId(1), task };
        let started = account.states().start_nested(json!({ "stateMachineArn": machine, "name": "n" }), parent).await;
        assert_eq!(started.err().map(|error| error.name), expect, "{kind}");
    }
    account.close();
}

//! Execution logs in the real binary: written beside the history, read through CloudWatch Logs, and no saga's concern.

mod support;

use serde_json::{Value, json};
use support::client::{Client, ROLE};
use support::ithaca::Up;
use support::scratch::Scratch;
use support::wait::wait_for;

const GROUP: &str = "/aws/vendedlogs/states/m";

fn logs(client: &Client, operation: &str, body: Value) -> Value {
    let answer = client.json(&format!("Logs_20140328.{operation}"), &body.to_string());
    answer.unwrap_or_else(|error| panic!("{operation} {body}: {error:?}"))
}

/// The lines of the group, once there are so many.
fn lines(client: &Client, count: usize) -> Vec<Value> {
    wait_for("the lines of the log", || {
        let found = logs(client, "FilterLogEvents", json!({ "logGroupName": GROUP }));
        let events = found["events"].as_array().unwrap();
        let line = |event: &Value| serde_json::from_str(event["message"].as_str().unwrap()).unwrap();
        (events.len() >= count).then(|| events.iter().map(line).collect())
    })
}

#[test]
fn an_execution_is_logged_and_goes_on_without_its_log() {
    let scratch = Scratch::new("logs");
    let up = Up::new(scratch.join("data"));
    let mut ithaca = up.start();
    let client = ithaca.client();
    let definition = json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } });
    let group = format!("arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}:*");
    let configuration = json!({
        "level": "ALL",
        "includeExecutionData": true,
        "destinations": [{ "cloudWatchLogsLogGroup": { "logGroupArn": group } }],
    });
    let created = client.states(
        "CreateStateMachine",
        json!({
            "name": "m",
            "definition": definition.to_string(),
            "roleArn": ROLE,
            "loggingConfiguration": configuration,
        }),
    );
    let machine = created["stateMachineArn"].as_str().unwrap();
    let execution = client.start(machine, &json!({ "trip": 1 }));
    assert_eq!(client.ended(&execution)["status"], "SUCCEEDED");
    let found = lines(&client, 4);
    let types: Vec<&str> = found.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]);
    assert!(found.iter().all(|line| line["execution_arn"] == execution.as_str()));
    assert_eq!(found[0]["details"]["input"], r#"{"trip":1}"#);
    assert_eq!((&found[1]["id"], &found[1]["previous_event_id"]), (&json!("2"), &json!("0")));

    // The next process has the lines of the one that was killed, and adds its own.
    ithaca.kill();
    let ithaca = up.start();
    let client = ithaca.client();
    client.ended(&client.start(machine, &json!({})));
    assert_eq!(lines(&client, 8).len(), 8);

    // A group that is gone takes nothing and holds nobody up.
    logs(&client, "DeleteLogGroup", json!({ "logGroupName": GROUP }));
    let unlogged = client.start(machine, &json!({}));
    assert_eq!(client.ended(&unlogged)["status"], "SUCCEEDED");
    assert_eq!(logs(&client, "DescribeLogGroups", json!({}))["logGroups"], json!([]));
}

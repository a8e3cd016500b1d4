//! The lane of workers, line by line, over an engine in memory: what is said, what is heard, to whom a task goes.

use std::time::Duration;

use aws_states::lane::{CREDIT_MAX, Lane};
use serde_json::{Value, json};
use support::{Account, ROLE};

mod support;

const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:a";
const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:w";

/// What comes, comes at once; only a failing test waits so long.
const BOUND: Duration = Duration::from_secs(20);

/// So long nothing must come that would come at once.
const QUIET: Duration = Duration::from_millis(30);

/// A worker's end of a lane.
struct Worker {
    lane: Lane,
    heard: Vec<Value>,
}

impl Worker {
    fn of(account: &Account) -> Worker {
        Worker { lane: account.states().open_lane(), heard: Vec::new() }
    }

    async fn with_credit(account: &Account, credit: usize) -> Worker {
        let mut worker = Worker::of(account);
        worker.say(&[json!({ "Subscribe": { "activityArn": ACTIVITY, "credit": credit } })]);
        assert_eq!(worker.hear().await, json!({ "Subscribed": { "activityArn": ACTIVITY, "credit": credit } }));
        worker
    }

    fn say(&self, lines: &[Value]) {
        self.lane.read(lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes());
    }

    /// The next line.
    async fn hear(&mut self) -> Value {
        tokio::time::timeout(BOUND, self.next()).await.expect("something is heard")
    }

    async fn hears_nothing(&mut self) {
        if let Ok(line) = tokio::time::timeout(QUIET, self.next()).await {
            panic!("nothing was to be heard: {line}");
        }
    }

    async fn next(&mut self) -> Value {
        if self.heard.is_empty() {
            let mut text = Vec::new();
            self.lane.write(&mut text).await;
            let lines = String::from_utf8(text).expect("lines are UTF-8");
            self.heard = lines.lines().map(|line| serde_json::from_str(line).expect("lines are JSON")).collect();
        }
        self.heard.remove(0)
    }

    /// The token of the task that comes next, and its input.
    async fn task(&mut self) -> (String, String) {
        let line = self.hear().await;
        let member = |name: &str| line["Task"][name].as_str().unwrap_or_else(|| panic!("no task: {line}")).to_owned();
        assert_eq!(member("activityArn"), ACTIVITY);
        (member("taskToken"), member("input"))
    }

    async fn succeed(&mut self, token: &str) {
        self.say(&[success(token)]);
        assert_eq!(self.hear().await, accepted(token));
    }
}

fn success(token: &str) -> Value {
    json!({ "SendTaskSuccess": { "taskToken": token, "output": "\"done\"" } })
}

fn accepted(token: &str) -> Value {
    json!({ "Accepted": { "taskToken": token } })
}

/// The error in a refusal of a token.
fn refused(line: &Value, token: &str) -> String {
    assert_eq!(line["Refused"]["taskToken"], token, "{line}");
    line["Refused"]["error"].as_str().unwrap_or_default().to_owned()
}

/// An account with the activity and a machine of one task of it.
async fn account() -> Account {
    let account = Account::open();
    account.ask("CreateActivity", json!({ "name": "a" })).await.unwrap();
    let definition =
        json!({ "StartAt": "A", "States": { "A": { "Type": "Task", "Resource": ACTIVITY, "End": true } } });
    let body = json!({ "name": "w", "definition": definition.to_string(), "roleArn": ROLE });
    account.ask("CreateStateMachine", body).await.unwrap();
    account
}

async fn start(account: &Account, input: u32) -> String {
    let body = json!({ "stateMachineArn": MACHINE, "input": input.to_string() });
    account.ask("StartExecution", body).await.unwrap()["executionArn"].as_str().unwrap().to_owned()
}

async fn status(account: &Account, execution: &str) -> String {
    let described = account.ask("DescribeExecution", json!({ "executionArn": execution })).await.unwrap();
    format!("{} {}", described["status"].as_str().unwrap(), described["output"].as_str().unwrap_or("-"))
}

#[tokio::test]
async fn a_task_and_its_outcome() {
    let account = account().await;
    let mut worker = Worker::with_credit(&account, 1).await;
    let execution = start(&account, 7).await;
    let (token, input) = worker.task().await;
    assert_eq!(input, "7");
    // Whoever has a task finds its start in the history.
    let history = account.ask("GetExecutionHistory", json!({ "executionArn": execution })).await.unwrap();
    let types: Vec<&str> = history["events"].as_array().unwrap().iter().filter_map(|it| it["type"].as_str()).collect();
    assert_eq!(types, ["ExecutionStarted", "TaskStateEntered", "ActivityScheduled", "ActivityStarted"]);

    worker.say(&[json!({ "SendTaskHeartbeat": { "taskToken": token } }), success(&token), success(&token)]);
    assert_eq!((worker.hear().await, worker.hear().await), (accepted(&token), accepted(&token)));
    assert_eq!(refused(&worker.hear().await, &token), "TaskTimedOut");
    assert_eq!(status(&account, &execution).await, "SUCCEEDED \"done\"");

    let execution = start(&account, 8).await;
    let (token, _) = worker.task().await;
    worker.say(&[json!({ "SendTaskFailure": { "taskToken": token, "error": "E", "cause": "c" } })]);
    assert_eq!(worker.hear().await, accepted(&token));
    let failed = account.ask("DescribeExecution", json!({ "executionArn": execution })).await.unwrap();
    assert_eq!((&failed["status"], &failed["error"], &failed["cause"]), (&"FAILED".into(), &"E".into(), &"c".into()));
    account.close();
}

#[tokio::test]
async fn both_lanes_mix() {
    let account = account().await;
    let mut worker = Worker::with_credit(&account, 1).await;
    let by_request = start(&account, 1).await;
    let (token, _) = worker.task().await;
    account.ask("SendTaskSuccess", json!({ "taskToken": token, "output": "2" })).await.unwrap();
    assert_eq!(status(&account, &by_request).await, "SUCCEEDED 2");

    // The worker has not answered, so its only place is taken: the next task is for whoever polls.
    let by_lane = start(&account, 2).await;
    let polled = account.ask("GetActivityTask", json!({ "activityArn": ACTIVITY })).await.unwrap();
    worker.succeed(polled["taskToken"].as_str().unwrap()).await;
    assert_eq!(status(&account, &by_lane).await, "SUCCEEDED \"done\"");
    account.close();
}

#[tokio::test]
async fn who_polls_is_given_a_task_in_its_turn() {
    let account = account().await;
    let mut poll = Box::pin(account.ask("GetActivityTask", json!({ "activityArn": ACTIVITY, "workerName": "p" })));
    assert!(tokio::time::timeout(QUIET, &mut poll).await.is_err(), "there is no task yet");
    let execution = start(&account, 1).await;
    let polled = tokio::time::timeout(BOUND, poll).await.expect("a task comes").unwrap();
    assert_eq!(polled["input"], "1");
    let history = account.ask("GetExecutionHistory", json!({ "executionArn": execution })).await.unwrap();
    assert_eq!(history["events"][3]["activityStartedEventDetails"], json!({ "workerName": "p" }));
    account.close();
}

#[tokio::test]
async fn credit_is_what_a_worker_holds_at_once() {
    let account = account().await;
    let mut worker = Worker::with_credit(&account, 2).await;
    for input in 0..5 {
        start(&account, input).await;
    }
    let ((first, _), (second, _)) = (worker.task().await, worker.task().await);
    worker.hears_nothing().await;
    // A heartbeat gives no place free; an outcome does, and the acknowledgement of both comes with the next task.
    worker.say(&[json!({ "SendTaskHeartbeat": { "taskToken": first } })]);
    assert_eq!(worker.hear().await, accepted(&first));
    worker.hears_nothing().await;
    worker.succeed(&first).await;
    let (third, input) = worker.task().await;
    assert_eq!(input, "2");
    worker.hears_nothing().await;

    // More credit; then none, which is acknowledged when nothing is with the worker any more.
    worker.say(&[json!({ "Subscribe": { "activityArn": ACTIVITY, "credit": 3 } })]);
    worker.hear().await;
    let (fourth, _) = worker.task().await;
    worker.hears_nothing().await;
    worker.say(&[json!({ "Subscribe": { "activityArn": ACTIVITY, "credit": 0 } })]);
    for token in [second, third] {
        worker.succeed(&token).await;
    }
    worker.hears_nothing().await;
    worker.say(&[success(&fourth)]);
    let drained = json!({ "Subscribed": { "activityArn": ACTIVITY, "credit": 0 } });
    let mut last = [worker.hear().await, worker.hear().await];
    last.sort_by_key(|line| line.get("Subscribed").is_some());
    assert_eq!(last, [accepted(&fourth), drained]);

    // What is left is there for another.
    assert_eq!(Worker::with_credit(&account, 1).await.task().await.1, "4");
    account.close();
}

#[tokio::test]
async fn a_lost_lane_loses_no_task() {
    let account = account().await;
    let mut worker = Worker::with_credit(&account, 1).await;
    let (first, _second) = (start(&account, 1).await, start(&account, 2).await);
    let (token, _) = worker.task().await;
    drop(worker);
    // The token is as good as before, and its task counts.
    let mut worker = Worker::of(&account);
    worker.say(&[json!({ "Subscribe": { "activityArn": ACTIVITY, "credit": 1, "holding": [token] } })]);
    worker.hear().await;
    worker.hears_nothing().await;
    worker.succeed(&token).await;
    assert_eq!(status(&account, &first).await, "SUCCEEDED \"done\"");
    let (_, input) = worker.task().await;
    assert_eq!(input, "2");

    // Offered, and not taken before the lane was lost.
    drop(worker);
    start(&account, 3).await;
    let hasty = Worker::of(&account);
    hasty.say(&[json!({ "Subscribe": { "activityArn": ACTIVITY, "credit": 5 } })]);
    drop(hasty);
    assert_eq!(Worker::with_credit(&account, 1).await.task().await.1, "3");
    account.close();
}

#[tokio::test]
async fn an_activity_that_is_deleted() {
    let account = account().await;
    let mut worker = Worker::with_credit(&account, 1).await;
    account.ask("DeleteActivity", json!({ "activityArn": ACTIVITY })).await.unwrap();
    let line = worker.hear().await;
    assert_eq!(line["Refused"]["activityArn"], ACTIVITY);
    assert_eq!(line["Refused"]["error"], "ActivityDoesNotExist");
    account.close();
}

#[tokio::test]
async fn what_is_refused() {
    let account = account().await;
    let mut worker = Worker::of(&account);
    let mut number = 0;
    let mut check = async |line: &str, expect: Value| {
        number += 1;
        worker.lane.read(format!("{line}\n").as_bytes());
        let heard = worker.hear().await;
        let mut refused = heard["Refused"].clone();
        let message = refused.as_object_mut().and_then(|it| it.remove("message"));
        assert!(message.is_some_and(|it| it.as_str().is_some_and(|it| it.len() > 10)), "{line}: {heard}");
        let mut expect = expect;
        if expect.get("line").is_some() {
            expect["line"] = number.into();
        }
        assert_eq!(refused, expect, "{line}");
    };
    let not_understood = json!({ "line": 0, "error": "SerializationException" });
    for line in [
        "{",
        "7",
        "null",
        "{}",
        r#"{"Task":{}}"#,
        r#"{"SendTaskSuccess":{"taskToken":"t"}}"#,
        r#"{"SendTaskSuccess":{"taskToken":"t","output":{}}}"#,
        r#"{"SendTaskHeartbeat":{"taskToken":"t"}} {}"#,
        r#"{"Subscribe":{"activityArn":"a","credit":-1}}"#,
        "\u{fffd}\u{0}",
    ] {
        check(line, not_understood.clone()).await;
    }
    let of_token = |token: &str, error: &str| json!({ "taskToken": token, "error": error });
    check(&success("none").to_string(), of_token("none", "InvalidToken")).await;
    check(&success("").to_string(), of_token("", "ValidationException")).await;
    check(r#"{"SendTaskSuccess":{"taskToken":"t","output":"no JSON"}}"#, of_token("t", "InvalidOutput")).await;
    let long = json!({ "SendTaskSuccess": { "taskToken": "t", "output": format!("\"{}\"", "x".repeat(262_143)) } });
    check(&long.to_string(), of_token("t", "ValidationException")).await;
    let long = json!({ "SendTaskFailure": { "taskToken": "t", "error": "x".repeat(257) } });
    check(&long.to_string(), of_token("t", "ValidationException")).await;
    let of_activity = |arn: &str, error: &str| json!({ "activityArn": arn, "error": error });
    let subscribe =
        |arn: &str, credit: usize| json!({ "Subscribe": { "activityArn": arn, "credit": credit } }).to_string();
    check(&subscribe("a", 1), of_activity("a", "InvalidArn")).await;
    check(&subscribe(MACHINE, 1), of_activity(MACHINE, "InvalidArn")).await;
    let other = format!("{ACTIVITY}b");
    check(&subscribe(&other, 1), of_activity(&other, "ActivityDoesNotExist")).await;
    check(&subscribe(ACTIVITY, CREDIT_MAX + 1), of_activity(ACTIVITY, "ValidationException")).await;
    account.close();
}

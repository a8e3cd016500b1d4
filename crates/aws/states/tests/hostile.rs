//! Random and mutated requests to every operation: each answer is one that AWS could give, and nothing falls over.
//!
//! A seed makes a run. `ITHACA_SEED=n cargo test -p aws-states --test hostile` repeats one.

use std::time::Duration;

use aws_states::TARGET_PREFIX;
use serde_json::{Map, Value, json};
use store::testing::Chance;
use support::{Account, MACHINE, ROLE, pass};

mod support;

/// Enough that every operation meets every kind of damage several times.
const REQUESTS: usize = 6_000;

/// Nothing but a worker's long poll takes longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const POLL_WITHIN: Duration = Duration::from_millis(20);

/// A good body for each operation, over things that are there.
fn good() -> Vec<(&'static str, Value)> {
    let version = format!("{MACHINE}:1");
    let alias = format!("{MACHINE}:PROD");
    let execution = format!("{}:x", MACHINE.replace("stateMachine", "execution"));
    let run = format!("{}/map:00000000-0000-4000-8000-000000000000", MACHINE.replace("stateMachine", "mapRun"));
    let activity = MACHINE.replace("stateMachine:m", "activity:a");
    let express = MACHINE.replace("stateMachine:m", "stateMachine:e");
    let routes = json!([{ "stateMachineVersionArn": version, "weight": 100 }]);
    let page = |member: &str, arn: &str| json!({ member: arn, "maxResults": 2, "nextToken": "MQ" });
    let logging = json!({
        "level": "ALL",
        "includeExecutionData": true,
        "destinations": [{ "cloudWatchLogsLogGroup": { "logGroupArn": "arn:aws:logs:us-east-1:000000000000:log-group:g:*" } }],
    });
    vec![
        ("CreateActivity", json!({ "name": "a", "tags": [{ "key": "k", "value": "v" }] })),
        (
            "CreateStateMachine",
            json!({
                "name": "m2", "definition": pass(1), "roleArn": ROLE, "type": "STANDARD", "publish": true,
                "versionDescription": "d", "tags": [{ "key": "k", "value": "v" }], "loggingConfiguration": logging,
                "tracingConfiguration": { "enabled": true }, "encryptionConfiguration": { "type": "AWS_OWNED_KEY" },
            }),
        ),
        ("CreateStateMachineAlias", json!({ "name": "A", "description": "d", "routingConfiguration": routes })),
        ("DeleteActivity", json!({ "activityArn": activity })),
        ("DeleteStateMachine", json!({ "stateMachineArn": format!("{MACHINE}2") })),
        ("DeleteStateMachineAlias", json!({ "stateMachineAliasArn": format!("{MACHINE}:A") })),
        ("DeleteStateMachineVersion", json!({ "stateMachineVersionArn": version })),
        ("DescribeActivity", json!({ "activityArn": activity })),
        ("DescribeExecution", json!({ "executionArn": execution, "includedData": "ALL_DATA" })),
        ("DescribeMapRun", json!({ "mapRunArn": run })),
        ("DescribeStateMachine", json!({ "stateMachineArn": version, "includedData": "METADATA_ONLY" })),
        ("DescribeStateMachineAlias", json!({ "stateMachineAliasArn": alias })),
        ("DescribeStateMachineForExecution", json!({ "executionArn": execution })),
        ("GetActivityTask", json!({ "activityArn": activity, "workerName": "w" })),
        (
            "GetExecutionHistory",
            json!({ "executionArn": execution, "maxResults": 2, "reverseOrder": true, "includeExecutionData": false, "nextToken": "MQ" }),
        ),
        ("ListActivities", json!({ "maxResults": 2 })),
        (
            "ListExecutions",
            json!({ "stateMachineArn": alias, "statusFilter": "FAILED", "redriveFilter": "REDRIVEN", "maxResults": 2 }),
        ),
        ("ListExecutions", json!({ "mapRunArn": run })),
        ("ListMapRuns", page("executionArn", &execution)),
        ("ListStateMachineAliases", page("stateMachineArn", &version)),
        ("ListStateMachineVersions", page("stateMachineArn", MACHINE)),
        ("ListStateMachines", json!({ "maxResults": 2 })),
        ("ListTagsForResource", json!({ "resourceArn": MACHINE })),
        (
            "PublishStateMachineVersion",
            json!({ "stateMachineArn": MACHINE, "revisionId": "INITIAL", "description": "d" }),
        ),
        ("RedriveExecution", json!({ "executionArn": execution, "clientToken": "c" })),
        ("SendTaskFailure", json!({ "taskToken": "t", "error": "e", "cause": "c" })),
        ("SendTaskHeartbeat", json!({ "taskToken": "t" })),
        ("SendTaskSuccess", json!({ "taskToken": "t", "output": "{}" })),
        (
            "StartExecution",
            json!({ "stateMachineArn": alias, "name": "y", "input": "{}", "traceHeader": "Root=1-1-1" }),
        ),
        (
            "StartSyncExecution",
            json!({ "stateMachineArn": express, "name": "y", "input": "{}", "includedData": "ALL_DATA" }),
        ),
        ("StopExecution", json!({ "executionArn": execution, "error": "e", "cause": "c" })),
        ("TagResource", json!({ "resourceArn": MACHINE, "tags": [{ "key": "k", "value": "v" }] })),
        (
            "TestState",
            json!({ "definition": json!({ "Type": "Pass", "End": true }).to_string(), "roleArn": ROLE, "input": "{}", "inspectionLevel": "TRACE", "variables": "{}" }),
        ),
        ("UntagResource", json!({ "resourceArn": MACHINE, "tagKeys": ["k"] })),
        (
            "UpdateMapRun",
            json!({ "mapRunArn": run, "maxConcurrency": 1, "toleratedFailureCount": 1, "toleratedFailurePercentage": 1.5 }),
        ),
        (
            "UpdateStateMachine",
            json!({ "stateMachineArn": MACHINE, "definition": pass(2), "roleArn": ROLE, "publish": true, "loggingConfiguration": logging }),
        ),
        (
            "UpdateStateMachineAlias",
            json!({ "stateMachineAliasArn": alias, "description": "d", "routingConfiguration": routes }),
        ),
        (
            "ValidateStateMachineDefinition",
            json!({ "definition": pass(3), "type": "STANDARD", "severity": "WARNING", "maxResults": 2 }),
        ),
    ]
}

struct Dice(Chance);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }
}

/// What a member may hold that it should not.
fn hostile(chance: &mut Dice) -> Value {
    match chance.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1e300),
        5 => json!(""),
        6 => json!("x".repeat(1 << chance.below(18))),
        7 => json!("\u{0}\u{1f}\u{7f}\u{fffe}\u{10ffff}"),
        8 => json!("\u{e9}\u{1f600}".repeat(100)),
        9 => json!([]),
        10 => json!({}),
        11 => json!([[[{ "a": [null] }]]]),
        12 => json!(MACHINE),
        13 => json!(format!("{MACHINE}{}", ["/label", ":", ":0", ":99999999999", ":PROD:1", ":é"][chance.below(6)])),
        14 => json!("arn:aws:states:::"),
        _ => {
            let depth = 1 << chance.below(12);
            json!(format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
        }
    }
}

/// Damages one member somewhere in the body, or adds or takes one away.
fn damage(value: &mut Value, chance: &mut Dice) {
    match value {
        Value::Object(members) if !members.is_empty() && chance.below(4) > 0 => {
            let at = chance.below(members.len());
            let name = members.keys().nth(at).expect("it is within").clone();
            match chance.below(8) {
                0 => drop(members.remove(&name)),
                1 => drop(members.insert(format!("{name}\u{0}"), json!(1))),
                _ => damage(&mut members[&name], chance),
            }
        }
        Value::Array(items) if !items.is_empty() && chance.below(4) > 0 => {
            let at = chance.below(items.len());
            match chance.below(4) {
                0 => items.extend(vec![items[at].clone(); 60]),
                _ => damage(&mut items[at], chance),
            }
        }
        Value::String(text) if chance.below(2) == 0 => *text = damaged_text(text, chance),
        other => *other = hostile(chance),
    }
}

fn damaged_text(text: &str, chance: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=chance.below(4) {
        let at = chance.below(chars.len() + 1);
        match chance.below(3) {
            0 if at < chars.len() => drop(chars.remove(at)),
            1 => chars.insert(at, ['"', '\\', '\u{0}', '{', ':', '/', '0', '\u{e9}'][chance.below(8)]),
            _ => chars.truncate(at.max(1)),
        }
    }
    chars.into_iter().collect()
}

/// The bytes of a request: mostly JSON, sometimes broken, sometimes nothing of the kind.
fn body(good: &Value, chance: &mut Dice) -> Vec<u8> {
    let mut value = good.clone();
    for _ in 0..chance.below(4) {
        damage(&mut value, chance);
    }
    let mut bytes = value.to_string().into_bytes();
    match chance.below(20) {
        0 => bytes.truncate(chance.below(bytes.len() + 1)),
        1 => bytes = (0..chance.below(64)).map(|_| chance.below(256) as u8).collect(),
        2 => bytes = b"[".repeat(1 << chance.below(17)),
        3 => bytes.extend(vec![b' '; 1 << 21]),
        4 => {
            let at = chance.below(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = chance.below(256) as u8;
            }
        }
        _ => {}
    }
    bytes
}

fn target(operation: &str, chance: &mut Dice) -> Option<String> {
    match chance.below(40) {
        0 => None,
        1 => Some(operation.to_owned()),
        2 => Some(format!("{TARGET_PREFIX}{operation}X")),
        3 => Some(TARGET_PREFIX.to_owned()),
        _ => Some(format!("{TARGET_PREFIX}{operation}")),
    }
}

#[tokio::test]
async fn every_answer_is_one_that_aws_could_give() {
    let seed = std::env::var("ITHACA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut chance = Dice(Chance(seed));
    let account = Account::open();
    account.create(json!({ "publish": true })).await;
    account.create(json!({ "name": "e", "type": "EXPRESS" })).await;
    let routes = json!([{ "stateMachineVersionArn": format!("{MACHINE}:1"), "weight": 100 }]);
    account.ask("CreateStateMachineAlias", json!({ "name": "PROD", "routingConfiguration": routes })).await.unwrap();
    account.ask("StartExecution", json!({ "stateMachineArn": MACHINE, "name": "x" })).await.unwrap();
    let good = good();
    for n in 0..REQUESTS {
        let (operation, good) = &good[chance.below(good.len())];
        let body = body(good, &mut chance);
        let what = || {
            format!("seed {seed}, request {n}, {operation} {}", String::from_utf8_lossy(&body[..body.len().min(2000)]))
        };
        let mut request = http::Request::post("/");
        if let Some(target) = target(operation, &mut chance) {
            request = request.header("x-amz-target", target);
        }
        let request = request.body(body.clone().into()).unwrap();
        let within = if *operation == "GetActivityTask" { POLL_WITHIN } else { ANSWER_WITHIN };
        let response = match tokio::time::timeout(within, account.states().handle(&request)).await {
            Ok(response) => response,
            Err(_) if *operation == "GetActivityTask" => continue,
            Err(_) => panic!("no answer: {}", what()),
        };
        let answer: Map<String, Value> =
            serde_json::from_slice(response.body()).unwrap_or_else(|_| panic!("{}", what()));
        assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.0");
        match response.status().as_u16() {
            200 => assert!(!answer.contains_key("__type"), "{}", what()),
            400..500 => {
                assert!(answer["__type"].as_str().is_some_and(|name| !name.is_empty()), "{}", what());
                assert!(answer["message"].is_string(), "{}", what());
            }
            status => panic!("{status} {answer:?}: {}", what()),
        }
    }
    // Whatever has become of the rest, a new machine works.
    let new = json!({ "name": "after", "definition": pass(9), "roleArn": ROLE });
    let created = account.ask("CreateStateMachine", new).await.unwrap();
    let start = json!({ "stateMachineArn": created["stateMachineArn"] });
    let started = account.ask("StartExecution", start).await.unwrap();
    let found = account.ask("DescribeExecution", json!({ "executionArn": started["executionArn"] })).await.unwrap();
    assert_eq!((&found["status"], &found["output"]), (&json!("SUCCEEDED"), &json!("9")));
    account.close();
}

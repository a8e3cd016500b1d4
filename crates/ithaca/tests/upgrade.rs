//! A data folder that an earlier version has written: everything in it is told as that version told it, and what was open
//! goes on to its end.
//!
//! The folder lies in `fixtures/VERSION.zip`, with `fixtures/VERSION.json` beside it: what its own version answered when
//! it was asked about everything, before it was killed. What a later version adds to an answer is no difference; what it
//! leaves out or tells otherwise is one.
//!
//! A fixture is written once, when its version has been released, by that version:
//!
//! ```sh
//! ITHACA_RELEASED=/path/to/ithaca cargo test -p ithaca --test upgrade -- --ignored write_fixture
//! ```

mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::client::{Client, ROLE, text};
use support::functions;
use support::history::check_whole;
use support::ithaca::Up;
use support::scratch::Scratch;
use support::wait::wait_for;
use zip::write::SimpleFileOptions;

const VERSIONS: [&str; 1] = ["0.1.0"];

/// How long the waits of the fixture take: long enough that they are open when it is written.
const OPEN_SECONDS: u64 = 30;

const GROUP: &str = "/aws/vendedlogs/states/steps";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn what_an_earlier_version_has_written_is_read_and_goes_on() {
    for version in VERSIONS {
        let scratch = Scratch::new(&format!("upgrade-{version}"));
        let data = scratch.join("data");
        unpack(&fixture(&format!("{version}.zip")), &data);
        let golden: Value = serde_json::from_slice(&fs::read(fixture(&format!("{version}.json"))).unwrap()).unwrap();
        // However long ago it was.
        let up = Up::new(data).option("--history-days", "36500");
        let mut ithaca = up.start();
        assert_eq!(ithaca.complaints(), "", "{version}");
        let client = ithaca.client();
        check_told(&client, &golden);
        go_on(&client, &golden);
        ithaca.kill();

        // What has been written by two versions is read as well.
        let ithaca = up.start();
        let client = ithaca.client();
        check_told(&client, &golden);
        for arn in golden["open"].as_object().unwrap().values() {
            let arn = text(arn);
            check_whole(&client.history(&arn));
            assert_eq!(client.ended(&arn)["status"], "SUCCEEDED", "{version}: {arn}");
        }
        assert!(ithaca.stop().success());
    }
}

/// Asks everything that was asked then.
fn check_told(client: &Client, golden: &Value) {
    for asked in golden["asked"].as_array().unwrap() {
        let (target, body) = (text(&asked["target"]), asked["body"].to_string());
        let answer = client.json(&target, &body).unwrap_or_else(|error| panic!("{target} {body}: {error:?}"));
        if let Some(difference) = difference(&asked["answer"], &answer, "") {
            panic!("{target} {body}: {difference}");
        }
    }
    // What is open has done since what it had to do; what it had done by then is told as it was.
    for (name, events) in golden["begun"].as_object().unwrap() {
        let history = client.history(&text(&golden["open"][name]));
        let begun = events.as_array().unwrap();
        let told = history.get(..begun.len()).unwrap_or(&history);
        if let Some(difference) = difference(events, &Value::from(told.to_vec()), "") {
            panic!("the history of {name}: {difference}");
        }
    }
}

/// Where the answer does not hold what was expected.
fn difference(expected: &Value, found: &Value, at: &str) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected.iter().find_map(|(name, value)| {
            difference(value, found.get(name).unwrap_or(&Value::Null), &format!("{at}/{name}"))
        }),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let pairs = expected.iter().zip(found).enumerate();
            pairs
                .into_iter()
                .find_map(|(place, (expected, found))| difference(expected, found, &format!("{at}/{place}")))
        }
        _ => (expected != found).then(|| format!("{at} was {expected} and is {found}")),
    }
}

/// Everybody does what is waited for.
fn go_on(client: &Client, golden: &Value) {
    let answer = |token: &Value| client.states("SendTaskSuccess", json!({ "taskToken": token, "output": "7" }));
    answer(&golden["tokens"]["callback"]);
    answer(&golden["tokens"]["taken"]);
    let open = golden["open"].as_object().unwrap();
    let activity = text(&golden["activity"]);
    wait_for("every open execution ends", || {
        let status = |arn: &Value| client.states("DescribeExecution", json!({ "executionArn": arn }))["status"].clone();
        if open.values().all(|arn| status(arn) != "RUNNING") {
            return Some(());
        }
        // A long poll would wait for a minute: nothing is offered when the last has gone.
        let metrics = client.states("DescribeActivity", json!({ "activityArn": activity }));
        assert_eq!(metrics["name"], "work");
        if open.iter().any(|(name, arn)| ACTIVITIES.contains(&name.as_str()) && status(arn) == "RUNNING") {
            let task = client.states("GetActivityTask", json!({ "activityArn": activity, "workerName": "w" }));
            if !task["taskToken"].is_null() {
                answer(&task["taskToken"]);
            }
        }
        None
    });
}

/// The open executions that wait for a worker: each has tasks that nobody has taken.
const ACTIVITIES: [&str; 3] = ["offered", "map", "nested"];

fn unpack(archive: &Path, data: &Path) {
    let mut archive = zip::ZipArchive::new(File::open(archive).unwrap()).unwrap();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let path = data.join(entry.enclosed_name().expect("a fixture stays in its folder"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(entry.unix_mode().unwrap())).unwrap();
    }
}

fn pack(data: &Path, archive: &Path) {
    let mut zip = zip::ZipWriter::new(File::create(archive).unwrap());
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mode = path.metadata().unwrap().permissions().mode();
            let name = path.strip_prefix(data).unwrap().to_str().unwrap();
            zip.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
            zip.write_all(&fs::read(&path).unwrap()).unwrap();
        }
    }
    zip.finish().unwrap();
}

/// What was asked, and the answers.
struct Asked<'c> {
    client: &'c Client,
    asked: Vec<Value>,
}

impl Asked<'_> {
    fn ask(&mut self, target: &str, body: Value) -> Value {
        let answer = self.client.json(target, &body.to_string());
        let answer = answer.unwrap_or_else(|error| panic!("{target} {body}: {error:?}"));
        self.asked.push(json!({ "target": target, "body": body, "answer": answer }));
        answer
    }

    fn states(&mut self, operation: &str, body: Value) -> Value {
        self.ask(&format!("AWSStepFunctions.{operation}"), body)
    }
}

#[test]
#[ignore = "writes the fixture of a release with its own binary, once"]
fn write_fixture() {
    let program = PathBuf::from(std::env::var_os("ITHACA_RELEASED").expect("ITHACA_RELEASED names the binary"));
    let version = std::process::Command::new(&program).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap().trim().replace("ithaca ", "");
    let scratch = Scratch::new("fixture");
    let up = Up { program: Some(program), ..Up::new(scratch.join("data")) };
    let mut ithaca = up.start();
    let client = ithaca.client();

    let made = make(&client);
    let mut asked = Asked { client: &client, asked: Vec::new() };
    ask_all(&mut asked, &made);
    let begun = made["open"].as_object().unwrap().iter();
    let begun: Value = begun.map(|(name, arn)| (name.clone(), Value::from(client.history(&text(arn))))).collect();
    let golden = json!({
        "asked": asked.asked,
        "open": made["open"],
        "begun": begun,
        "tokens": made["tokens"],
        "activity": made["activity"],
    });
    ithaca.kill();
    pack(&up.data, &fixture(&format!("{version}.zip")));
    let text = serde_json::to_string(&golden).unwrap();
    fs::write(fixture(&format!("{version}.json")), text.replace(r#"{"target""#, "\n{\"target\"") + "\n").unwrap();
}

/// Something of everything.
fn make(client: &Client) -> Value {
    let group = format!("arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}:*");
    let steps = |comment: &str| {
        json!({ "Comment": comment, "StartAt": "Choose", "States": {
            "Choose": { "Type": "Choice", "Choices": [{ "Variable": "$.fail", "BooleanEquals": true, "Next": "Fail" }], "Default": "Store" },
            "Store": { "Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "ResultPath": "$.stored",
                "Parameters": { "TableName": "trips", "Item": { "pk": { "S.$": "$$.Execution.Name" } } }, "Next": "Try" },
            "Try": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:broken",
                "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Both" }], "Next": "Both" },
            "Both": { "Type": "Parallel", "ResultPath": "$.both", "Branches": [
                { "StartAt": "P", "States": { "P": { "Type": "Pass", "Result": "x".repeat(300), "End": true } } },
                { "StartAt": "M", "States": { "M": { "Type": "Map", "ItemsPath": "$.items", "End": true,
                    "ItemProcessor": { "StartAt": "I", "States": { "I": { "Type": "Pass", "End": true } } } } } }], "End": true },
            "Fail": { "Type": "Fail", "Error": "Asked", "Cause": "it was asked for" } } })
    };
    let data = json!({ "StartAt": "A", "QueryLanguage": "JSONata", "States": {
        "A": { "Type": "Pass", "Assign": { "n": "{% $states.input.n + 1 %}" }, "Next": "B" },
        "B": { "Type": "Pass", "Output": "{% $n * 2 %}", "End": true } } });
    client.dynamo(
        "CreateTable",
        json!({ "TableName": "trips", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }] }),
    );
    functions::create(client, "broken", "#!/bin/sh\nexit 1\n", 3);
    let activity = text(&client.states("CreateActivity", json!({ "name": "work" }))["activityArn"]);
    let create = |name: &str, definition: &Value, more: Value| {
        let mut body = json!({ "name": name, "definition": definition.to_string(), "roleArn": ROLE });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        text(&client.states("CreateStateMachine", body)["stateMachineArn"])
    };
    let logging = json!({ "level": "ALL", "includeExecutionData": true,
        "destinations": [{ "cloudWatchLogsLogGroup": { "logGroupArn": group } }] });
    let tags = json!([{ "key": "team", "value": "travel" }, { "key": "stage", "value": "test" }]);
    let machine =
        create("steps", &steps("first"), json!({ "loggingConfiguration": logging, "tags": tags, "publish": true }));
    let second = json!({ "stateMachineArn": machine, "definition": steps("second").to_string(), "publish": true });
    let second = text(&client.states("UpdateStateMachine", second)["stateMachineVersionArn"]);
    let routes = json!([{ "stateMachineVersionArn": format!("{machine}:1"), "weight": 0 }, { "stateMachineVersionArn": second, "weight": 100 }]);
    let alias = json!({ "name": "live", "routingConfiguration": routes });
    let alias = text(&client.states("CreateStateMachineAlias", alias)["stateMachineAliasArn"]);
    let express = create("quick", &data, json!({ "type": "EXPRESS", "loggingConfiguration": logging }));
    let jsonata = create("jsonata", &data, json!({}));
    let deleted = create("deleted", &data, json!({}));

    let run = |machine: &str, name: &str, input: Value| {
        let body = json!({ "stateMachineArn": machine, "name": name, "input": input.to_string() });
        text(&client.states("StartExecution", body)["executionArn"])
    };
    let input = |fail: bool| json!({ "fail": fail, "items": [1, { "two": "zwei" }, null], "text": "ü".repeat(500) });
    let mut ended = vec![
        run(&machine, "good", input(false)),
        run(&machine, "bad", input(true)),
        run(&alias, "routed", input(false)),
        run(&format!("{machine}:1"), "versioned", input(false)),
        run(&jsonata, "sum", json!({ "n": 20 })),
    ];
    client.ended(&run(&deleted, "gone", json!({ "n": 1 })));
    client.states("DeleteStateMachine", json!({ "stateMachineArn": deleted }));
    run(&express, "logged", json!({ "n": 1 }));

    let work = json!({ "Type": "Task", "Resource": activity, "End": true });
    let one = |state: Value| json!({ "StartAt": "A", "States": { "A": state } });
    let worked = create("worked", &one(work.clone()), json!({}));
    let over = |processor: Value| {
        json!({ "Type": "Map", "Label": "L", "ItemsPath": "$.items", "End": true,
        "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" }, "StartAt": "I", "States": { "I": processor } } })
    };
    let mapped = create("mapped", &one(over(work.clone())), json!({}));
    let passed = create("passed", &one(over(json!({ "Type": "Pass", "End": true }))), json!({}));
    let nested = json!({ "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": true,
        "Parameters": { "StateMachineArn": worked, "Input": { "by": "its parent" } } });
    let nested = create("nested", &one(nested), json!({}));
    let callback = json!({ "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:dynamodb:putItem.waitForTaskToken", "End": true,
        "Parameters": { "TableName": "trips", "Item": { "pk": { "S": "token" }, "token": { "S.$": "$$.Task.Token" } } } });
    let callback = create("callback", &one(callback), json!({}));
    let stopped = create("stopped", &one(json!({ "Type": "Wait", "Seconds": 9000, "End": true })), json!({}));
    let later = create("later", &one(json!({ "Type": "Wait", "Seconds": OPEN_SECONDS, "End": true })), json!({}));
    let again = create(
        "again",
        &json!({ "StartAt": "A", "States": {
        "A": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:broken",
            "Retry": [{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": OPEN_SECONDS, "MaxAttempts": 1 }],
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "B" }], "End": true },
        "B": { "Type": "Pass", "Result": "compensated", "End": true } } }),
        json!({}),
    );

    ended.push(run(&passed, "run", json!({ "items": [1, 2, 3] })));
    let aborted = run(&stopped, "stopped", json!({}));
    client.states("StopExecution", json!({ "executionArn": aborted, "error": "E", "cause": "C" }));
    ended.push(aborted);
    ended.iter().for_each(|arn| drop(client.ended(arn)));

    // The one that is taken comes first, so that the worker is given no other.
    let taken = run(&worked, "taken", json!({ "n": 1 }));
    let taken_token = wait_for("a task for the worker", || {
        let task = client.states("GetActivityTask", json!({ "activityArn": activity, "workerName": "old" }));
        (!task["taskToken"].is_null()).then(|| task["taskToken"].clone())
    });
    let open = json!({
        "taken": taken,
        "offered": run(&worked, "offered", json!({ "n": 2 })),
        "map": run(&mapped, "map", json!({ "items": [1, 2, 3] })),
        "nested": run(&nested, "nested", json!({})),
        "callback": run(&callback, "callback", json!({})),
        "later": run(&later, "later", json!({ "text": "y".repeat(2000) })),
        "again": run(&again, "again", json!({})),
    });
    let callback_token = wait_for("the token is in the table", || {
        let key = json!({ "TableName": "trips", "Key": { "pk": { "S": "token" } } });
        client.dynamo("GetItem", key).get("Item").map(|item| item["token"]["S"].clone())
    });
    // Each has come to where it waits.
    for (name, kind) in [
        ("map", "MapRunStarted"),
        ("nested", "TaskSubmitted"),
        ("callback", "TaskSubmitted"),
        ("again", "LambdaFunctionFailed"),
        ("later", "WaitStateEntered"),
        ("offered", "ActivityScheduled"),
    ] {
        wait_for(name, || {
            let history = client.history(&text(&open[name]));
            history.iter().any(|event| event["type"] == kind).then_some(())
        });
    }
    let tokens = json!({ "taken": taken_token, "callback": callback_token });
    json!({ "open": open, "ended": ended, "tokens": tokens, "activity": activity, "machine": machine, "alias": alias,
        "run": ended[5] })
}

fn ask_all(asked: &mut Asked, made: &Value) {
    let machines = asked.states("ListStateMachines", json!({}));
    for machine in machines["stateMachines"].as_array().unwrap() {
        let arn = json!({ "stateMachineArn": machine["stateMachineArn"] });
        asked.states("DescribeStateMachine", arn.clone());
        asked.states("ListStateMachineVersions", arn.clone());
        asked.states("ListStateMachineAliases", arn);
        asked.states("ListTagsForResource", json!({ "resourceArn": machine["stateMachineArn"] }));
    }
    let machine = &made["machine"];
    asked.states("DescribeStateMachine", json!({ "stateMachineArn": format!("{}:1", text(machine)) }));
    asked.states("DescribeStateMachineAlias", json!({ "stateMachineAliasArn": made["alias"] }));
    for status in ["SUCCEEDED", "FAILED"] {
        asked.states("ListExecutions", json!({ "stateMachineArn": machine, "statusFilter": status }));
    }
    for arn in made["ended"].as_array().unwrap() {
        let arn = json!({ "executionArn": arn });
        asked.states("DescribeExecution", arn.clone());
        asked.states("DescribeStateMachineForExecution", arn.clone());
        asked.states("GetExecutionHistory", arn);
    }
    for run in asked.states("ListMapRuns", json!({ "executionArn": made["run"] }))["mapRuns"].as_array().unwrap() {
        asked.states("DescribeMapRun", json!({ "mapRunArn": run["mapRunArn"] }));
        asked.states("ListExecutions", json!({ "mapRunArn": run["mapRunArn"] }));
    }
    asked.states("ListActivities", json!({}));
    asked.states("DescribeActivity", json!({ "activityArn": made["activity"] }));
    asked.ask("DynamoDB_20120810.ListTables", json!({}));
    for key in ["good", "routed", "token"] {
        asked.ask("DynamoDB_20120810.GetItem", json!({ "TableName": "trips", "Key": { "pk": { "S": key } } }));
    }
    asked.ask("Logs_20140328.DescribeLogGroups", json!({}));
    wait_for("the log is on the disk", || {
        let found = asked.client.json("Logs_20140328.FilterLogEvents", &json!({ "logGroupName": GROUP }).to_string());
        found.unwrap()["events"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| text(&event["message"]).contains("logged"))
            .then_some(())
    });
    asked.ask("Logs_20140328.FilterLogEvents", json!({ "logGroupName": GROUP, "filterPattern": "\"logged\"" }));
}

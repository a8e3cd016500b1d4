//! The booking saga as an app of CDK 1 and of CDK 2, as anybody would synthesize it: nine functions in Node.js that ask for version 2 of
//! AWS's SDK without bundling it, and a REST API that proxies every path.
//!
//! What npm brings is installed once, below the target folder, as locked in `cdk/v1` and `cdk/v2`. The app is the same for both
//! (`cdk/stack.js`); what differs are CDK's packages and what they synthesize.

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::history::{check_whole, states_entered};
use support::installed;
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;
use support::travel::{self, BOOKED, DEFAULT_TRIP, FAILURES, RunType, SORRY, SUCCESS, default_rows};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cdk");

/// The folder of the app, synthesized. Its compensations never fail.
fn synthesized(version: &str) -> PathBuf {
    let folder = Path::new(FOLDER);
    let home = installed::node(&format!("cdk-{version}"), &folder.join(version));
    let lambdas = home.join("lambdas");
    fs::create_dir_all(&lambdas).unwrap();
    for file in fs::read_dir(folder.join("lambdas")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, lambdas.join(file.file_name().unwrap())).unwrap();
    }
    fs::copy(folder.join("stack.js"), home.join("stack.js")).unwrap();
    fs::copy(folder.join(version).join("app.js"), home.join("app.js")).unwrap();
    let _ = fs::remove_dir_all(home.join("cdk.out"));
    // CDK 1 warns of every Node.js that is younger than it.
    let mut node = Command::new("node");
    node.arg("app.js")
        .current_dir(&home)
        .env("FAILURE_RATE", "0")
        .env("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1");
    installed::run(&mut node).unwrap_or_else(|reason| panic!("{reason}"));
    home
}

/// All six run types by the API: states, errors and rows.
fn all_run_types_go_as_promised(ithaca: &Ithaca) {
    let (api, client) = (ithaca.api(), ithaca.client());
    for path in ["/", "/any/path?runType=success&tripID=by-path"] {
        book(&api, path);
    }
    for run in &FAILURES {
        book(&api, &format!("/?runType={0}&tripID={0}", run.name));
    }
    let machines = client.all("ListStateMachines", json!({}), "stateMachines");
    let [machine] = machines.as_slice() else { panic!("one state machine: {machines:?}") };
    let tables = client.dynamo("ListTables", json!({}))["TableNames"].take();
    let table = text(&tables[0]);
    assert_eq!(tables, json!([table]));

    let ended = client.executions(&text(&machine["stateMachineArn"]));
    let ended = ended.iter().map(|execution| client.ended(&text(&execution["executionArn"])));
    let trip_of = |execution: &Value| {
        let input: Value = serde_json::from_str(execution["input"].as_str().unwrap()).unwrap();
        text(&input["trip_id"])
    };
    let executions: HashMap<String, Value> = ended.map(|execution| (trip_of(&execution), execution)).collect();
    assert_eq!(executions.len(), FAILURES.len() + 2);
    for trip in [DEFAULT_TRIP, "by-path"] {
        check(&client, &executions[trip], "SUCCEEDED", &SUCCESS, BOOKED);
        assert_eq!(travel::rows_in(&client, &table, trip).len(), 3);
    }
    assert_eq!(travel::rows_in(&client, &table, DEFAULT_TRIP), default_rows());
    for run in &FAILURES {
        check(&client, &executions[run.name], "FAILED", run, SORRY);
        assert_eq!(travel::rows_in(&client, &table, run.name), [Value::Null; 0], "{}", run.name);
    }
}

fn book(api: &Client, path: &str) {
    let answer = api.get(path);
    let processing = r#"{"message":"The holiday booking system is processing your order"}"#;
    assert_eq!((answer.status, answer.text().as_str()), (200, processing), "{path}");
}

fn check(client: &Client, execution: &Value, status: &str, run: &RunType, end: &str) {
    let events = client.history(execution["executionArn"].as_str().unwrap());
    check_whole(&events);
    let expect = [run.steps(), run.compensating(), &[end]].concat();
    assert_eq!((execution["status"].as_str(), states_entered(&events)), (Some(status), expect), "{}", run.name);
}

fn by_up(version: &str) {
    let scratch = Scratch::new(&format!("cdk-{version}-up"));
    let ithaca = Up::new(scratch.join("data")).template(synthesized(version)).start();
    all_run_types_go_as_promised(&ithaca);
    assert!(ithaca.stop().success());
}

#[test]
fn version_1_by_up() {
    by_up("v1");
}

#[test]
fn version_2_by_up() {
    by_up("v2");
}

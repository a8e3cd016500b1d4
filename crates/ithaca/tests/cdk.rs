//! The booking saga as an app of CDK 1 and of CDK 2, as anybody would synthesize it: nine functions in Node.js that ask for version 2 of
//! AWS's SDK without bundling it, and a REST API that proxies every path.
//!
//! What npm brings is installed once, below the target folder, as locked in `cdk/v1` and `cdk/v2`. The app is the same for both
//! (`cdk/stack.js`); what differs are CDK's packages and what they synthesize. Both come here by `ithaca up`, and by `cdk deploy`.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::{Value, json};
use support::client::Client;
use support::installed;
use support::ithaca::Up;
use support::scratch::Scratch;
use support::travel::all_run_types_go_as_promised;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cdk");

/// The folder of the app, synthesized. Its compensations never fail.
fn synthesized(version: &'static str) -> PathBuf {
    static DONE: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    // Held while it is done, so that who comes second waits.
    let mut done = DONE.lock().unwrap();
    let home = installed::node(&format!("cdk-{version}"), &Path::new(FOLDER).join(version));
    if done.insert(version) {
        synthesize(&home, version);
    }
    home
}

fn synthesize(home: &Path, version: &str) {
    let folder = Path::new(FOLDER);
    let lambdas = home.join("lambdas");
    fs::create_dir_all(&lambdas).unwrap();
    for file in fs::read_dir(folder.join("lambdas")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, lambdas.join(file.file_name().unwrap())).unwrap();
    }
    fs::copy(folder.join("stack.js"), home.join("stack.js")).unwrap();
    fs::copy(folder.join(version).join("app.js"), home.join("app.js")).unwrap();
    let _ = fs::remove_dir_all(home.join("cdk.out"));
    let mut node = Command::new("node");
    // CDK 1 warns of every Node.js that is younger than it.
    let settings = [("FAILURE_RATE", "0"), ("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")];
    node.arg("app.js").current_dir(home).envs(settings);
    installed::run(&mut node).unwrap_or_else(|reason| panic!("{reason}"));
}

fn by_up(version: &'static str) {
    let scratch = Scratch::new(&format!("cdk-{version}-up"));
    let ithaca = Up::new(scratch.join("data")).template(synthesized(version)).start();
    all_run_types_go_as_promised(&ithaca.api(), &ithaca.client());
    assert!(ithaca.stop().success());
}

/// By CDK's own command line, which uploads the code and asks CloudFormation for the stack. That of version 2 deploys
/// apps of both.
fn by_cdk_deploy(version: &'static str) {
    let (scratch, app) = (Scratch::new(&format!("cdk-{version}-deploy")), synthesized(version));
    // The SDK that functions ask for lies above where it is started.
    let ithaca = Up::new(scratch.join("data")).folder(&app).start();
    let cdk = |arguments: &[&str]| {
        let mut cdk = Command::new("node");
        cdk.arg(synthesized("v2").join("node_modules/aws-cdk/bin/cdk")).args(arguments);
        cdk.args(["--app", "cdk.out", "--no-notices"]).current_dir(&app).env("AWS_ENDPOINT_URL", ithaca.endpoint());
        cdk.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")]);
        cdk.envs([("CDK_DISABLE_CLI_TELEMETRY", "true"), ("HOME", scratch.path().to_str().unwrap())]);
        installed::run(&mut cdk).unwrap_or_else(|reason| panic!("{reason}"))
    };
    let outputs = scratch.join("outputs.json");
    cdk(&["deploy", "--require-approval", "never", "--outputs-file", outputs.to_str().unwrap()]);
    let outputs: Value = serde_json::from_slice(&fs::read(outputs).unwrap()).unwrap();
    let address = outputs["TheSagaStepfunctionSingleTableStack"].as_object().unwrap().values().next().unwrap();
    let address = address.as_str().unwrap().trim_start_matches("http://").trim_end_matches('/').to_owned();
    all_run_types_go_as_promised(&Client { address }, &ithaca.client());
    cdk(&["destroy", "--force"]);
    assert_eq!(ithaca.client().all("ListStateMachines", json!({}), "stateMachines"), [Value::Null; 0]);
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

#[test]
fn version_1_by_cdk_deploy() {
    by_cdk_deploy("v1");
}

#[test]
fn version_2_by_cdk_deploy() {
    by_cdk_deploy("v2");
}

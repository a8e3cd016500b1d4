//! The booking saga as an app of CDK 1 and of CDK 2, as anybody would synthesize it: nine functions in Node.js that ask for version 2 of
//! AWS's SDK without bundling it, and a REST API that proxies every path.
//!
//! What npm brings is installed once, below the target folder, as locked in `cdk/v1` and `cdk/v2`. The app is the same for both
//! (`cdk/stack.js`); what differs are CDK's packages and what they synthesize.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::installed;
use support::ithaca::Up;
use support::scratch::Scratch;
use support::travel::all_run_types_go_as_promised;

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

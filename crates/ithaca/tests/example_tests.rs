//! Each example is a workspace of its own, as a user's app would be, so `cargo test --workspace` passes them by.
//! This runs their tests too, so that one command tests everything.
//!
//! In release, because that is how `ithaca up` builds it: nothing is compiled twice.

use std::path::Path;
use std::process::Command;

#[test]
fn the_examples_pass_their_own_tests() {
    check("travel");
    check("checkout");
}

fn check(example: &str) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let folder = examples.join(example);
    let cargo = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--release", "--lib"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", examples.join("travel/target"))
        .output()
        .expect("cargo runs this test, so it can be started");
    let output = [cargo.stdout, cargo.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(cargo.status.success(), "{output}");
    // A run that found no tests would succeed as well.
    assert!(output.contains("test result: ok.") && !output.contains("running 0 tests"), "{output}");
}

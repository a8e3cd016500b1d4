//! The travel example is a workspace of its own, as a user's app would be, so `cargo test --workspace` passes it by.
//! This runs its tests too, so that one command tests everything.
//!
//! In release, because that is how `ithaca up` builds it: nothing is compiled twice.

use std::path::Path;
use std::process::Command;

#[test]
fn the_travel_example_passes_its_own_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/travel");
    let cargo = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--release", "--lib"])
        .current_dir(folder)
        .output()
        .expect("cargo runs this test, so it can be started");
    let output = [cargo.stdout, cargo.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(cargo.status.success(), "{output}");
    // A run that found no tests would succeed as well.
    assert!(output.contains("test result: ok.") && !output.contains("running 0 tests"), "{output}");
}

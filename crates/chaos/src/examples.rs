//! The examples, as a user's own apps: each a folder with a template and functions in Rust.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// The folder of an example.
pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples")).join(name)
}

/// Where tests have all examples built: they have the same dependencies, which are compiled once, and where `up` of the
/// first one has them already.
pub fn target() -> PathBuf {
    folder("travel").join("target")
}

/// The folder of an example, once its functions are built: `up` finds them ready, also where they never were built
/// before, which takes minutes and would be no time to wait for a server.
pub fn built(name: &'static str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    // Held while it builds, so that who comes second waits.
    let mut built = BUILT.lock().unwrap();
    if built.insert(name) {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--bins"]).current_dir(folder(name)).env("CARGO_TARGET_DIR", target());
        assert!(cargo.status().expect("cargo is there").success(), "the functions of the example could not be built");
    }
    folder(name)
}

//! Where the programs are: beside the one that runs.
//!
//! ```text
//!   target/debug/deps/some_test-0123   a test of any crate
//!   target/release/chaos               the long run                 -> the `ithaca` of the same folder
//! ```
//!
//! Found when it runs, because Cargo tells the path of a binary only to the tests of its own crate.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the profile, such as `target/debug`.
fn profile() -> PathBuf {
    let own = std::env::current_exe().expect("a program has a path");
    let folder = own.parent().expect("a program lies in a folder");
    match folder.file_name() {
        Some(name) if name == "deps" || name == "examples" => folder.parent().expect("`deps` lies in one").to_owned(),
        _ => folder.to_owned(),
    }
}

/// The `ithaca` that is tried.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| profile().join("ithaca"))
}

/// Where tests may write: `target/tmp`, as Cargo has it for its own.
pub fn temporary() -> PathBuf {
    profile().parent().map_or_else(std::env::temp_dir, |target| target.join("tmp"))
}

/// Builds `ithaca` as it is now, with the profile of this program. The tests of `ithaca` need no call: Cargo has
/// built it for them.
pub fn build_program() {
    let profile = profile();
    let target = profile.parent().expect("a profile lies in a target folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "ithaca", "--bin", "ithaca", "--target-dir"]).arg(target);
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    match profile.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => {}
        Some(name) => drop(cargo.args(["--profile", name])),
    }
    assert!(cargo.status().expect("cargo is there").success(), "ithaca could not be built");
}

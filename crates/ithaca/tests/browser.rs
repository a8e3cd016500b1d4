//! The console in a Chromium without a window, while the examples travel and checkout run below it: what people do, what they
//! see come of it, and every page in every look.
//!
//! The scripts are in `browser/`: `console.mjs` says in which order. What they need of npm is installed once, below
//! the target folder; the Chromium is that of the machine. Where one is missing nothing can be checked, and the test
//! fails and says so. Pictures of all pages are left in `screenshots/` beside; with `ITHACA_PICTURES=FOLDER` those that
//! the documents show are made there too.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::examples;
use support::installed::{self, run};
use support::ithaca::Up;
use support::scratch::Scratch;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
const TARGET: &str = env!("CARGO_TARGET_TMPDIR");
const CHROMIUM: &str = "/usr/bin/chromium";

#[test]
fn the_console_in_a_browser() {
    run(Command::new(CHROMIUM).args(["--no-sandbox", "--version"]))
        .unwrap_or_else(|reason| panic!("nothing was checked: this test needs {CHROMIUM}; install it: {reason}"));
    let modules = installed::node("browser", Path::new(FOLDER));
    let screenshots = Path::new(TARGET).join("screenshots");
    fs::create_dir_all(&screenshots).unwrap();

    // One Ithaca with both examples: what the first template brought stays, but for its API.
    let scratch = Scratch::new("browser");
    let up = Up::new(scratch.join("data"));
    let mut first = up.clone().template(examples::built("checkout")).start();
    first.kill();
    let ithaca = up.template(examples::built("travel")).parameter("FailureRate=0").start();

    let pictures = std::env::var("ITHACA_PICTURES").ok().map(|folder| {
        // A test runs in the folder of its crate, and people name folders of the repository.
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder)
    });
    let told = json!({
        "endpoint": ithaca.endpoint(), "modules": modules, "program": CHROMIUM, "screenshots": screenshots, "pictures": pictures,
    });
    let said = run(Command::new("node").arg("console.mjs").arg(told.to_string()).current_dir(FOLDER));
    println!("{}", said.unwrap_or_else(|reason| panic!("{reason}\nPictures of it: {}", screenshots.display())));
    assert!(ithaca.stop().success());
}

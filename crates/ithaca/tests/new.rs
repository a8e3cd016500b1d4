//! `ithaca new`: every app it writes is valid, and passes its own tests on the real binary; what it refuses is left alone.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::ithaca::Said;
use support::scratch::Scratch;

const ITHACA: &str = env!("CARGO_BIN_EXE_ithaca");

fn ithaca(folder: &Path, arguments: &[&str]) -> Said {
    Said::of(support::ithaca::command(arguments).current_dir(folder))
}

/// Writes an app and has it checked by `ithaca validate`.
fn written(scratch: &Scratch, template: &str, language: &str) {
    let folder = scratch.join("");
    let said = ithaca(&folder, &["new", "my-app", "--template", template, "--language", language]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let app = folder.join("my-app");
    let definitions = fs::read_dir(&app).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let definitions: Vec<String> = definitions.filter(|name| name.ends_with(".asl.json")).collect();
    let files: Vec<&str> = ["validate", "."].into_iter().chain(definitions.iter().map(String::as_str)).collect();
    let said = ithaca(&app, &files);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines.len() == files.len() - 1 && lines.iter().all(|line| line.ends_with(": valid")), "{said:?}");
    let readme = fs::read_to_string(app.join("README.md")).unwrap();
    let (manual, others) = (readme.contains("ithaca up ."), ["examples-", "travel-B", "payment-P", "approval-A"]);
    assert!(manual && !others.iter().any(|other| readme.contains(other)), "{readme}");
}

/// The app in this language passes its own tests, which it says by a line that begins so.
fn passes(template: &str, language: &str, tests: &[&str], says: &str) {
    let scratch = Scratch::new(&format!("new-{template}-{language}"));
    written(&scratch, template, language);
    let mut run = Command::new(tests[0]);
    // No word of a test that may have started this one.
    run.args(&tests[1..]).env("ITHACA", ITHACA).env_remove("NODE_TEST_CONTEXT").env("PYTHONDONTWRITEBYTECODE", "1");
    let output = run.current_dir(scratch.join("my-app")).output().expect("the interpreter is there");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{template}: {said}");
    // A run that found no tests would succeed as well.
    let ran = said.lines().find_map(|line| line.strip_prefix(says)?.split(' ').next()?.parse::<u32>().ok());
    assert!(ran.is_some_and(|ran| ran > 0), "{template}: {said}");
}

fn passes_in_node(template: &str) {
    // A reporter that says the same in every version.
    passes(template, "node", &["node", "--test", "--test-reporter=tap"], "# pass ");
}

fn passes_in_python(template: &str) {
    passes(template, "python", &["python3", "-m", "unittest", "discover", "tests"], "Ran ");
}

#[test]
fn travel() {
    passes_in_node("travel");
}

#[test]
fn checkout() {
    passes_in_node("checkout");
}

#[test]
fn payment() {
    passes_in_node("payment");
}

#[test]
fn payment_in_python() {
    passes_in_python("payment");
}

#[test]
fn approval() {
    passes_in_node("approval");
}

#[test]
fn order_fulfilment() {
    passes_in_node("order-fulfilment");
}

#[test]
fn order_fulfilment_in_python() {
    passes_in_python("order-fulfilment");
}

/// Those in Rust are the examples, which have tests of their own (`example_tests.rs`).
#[test]
fn apps_in_rust_are_written() {
    for template in ["travel", "checkout"] {
        written(&Scratch::new(&format!("new-rust-{template}")), template, "rust");
    }
}

#[test]
fn every_template_has_a_test_here() {
    let scratch = Scratch::new("new-list");
    let said = ithaca(&scratch.join(""), &["new", "--list", "--json"]);
    let list: Value = serde_json::from_str(&said.out).unwrap();
    let rows = list.as_array().unwrap().iter().map(|row| (row["template"].as_str().unwrap(), &row["languages"]));
    let (node_rust, node_python, node) = (json!(["node", "rust"]), json!(["node", "python"]), json!(["node"]));
    let expect = [
        ("travel", &node_rust),
        ("checkout", &node_rust),
        ("payment", &node_python),
        ("approval", &node),
        ("order-fulfilment", &node_python),
    ];
    assert_eq!(rows.collect::<Vec<_>>(), expect);
    let names = expect.map(|(name, _)| name);
    let said = ithaca(&scratch.join(""), &["new", "--list"]);
    assert!(names.iter().all(|name| said.out.contains(name)), "{said:?}");
}

#[test]
fn what_cannot_be_is_refused() {
    let scratch = Scratch::new("new-refused");
    let folder = scratch.join("");
    fs::create_dir_all(folder.join("full")).unwrap();
    fs::write(folder.join("full/mine.txt"), "mine").unwrap();
    fs::write(folder.join("file"), "mine").unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    let check = |arguments: &[&str], expect: &str| {
        let said = ithaca(&folder, &[&["new"], arguments].concat());
        assert!(said.code != Some(0) && said.err.contains(expect), "{arguments:?}: {said:?}");
    };
    check(&["full", "--template", "payment"], "full is there already and not empty");
    check(&["file", "--template", "payment"], "file: Not a directory");
    check(&["2shop", "--template", "payment"], "2shop cannot be the name of a stack");
    check(&["my_shop", "--template", "payment"], "my_shop cannot be the name of a stack");
    check(&["shop"], "name a template with --template: travel, checkout, payment, approval, order-fulfilment");
    check(&["shop", "--template", "sales"], "there is no template sales: there are travel, checkout");
    check(&["shop", "--template", "payment", "--language", "rust"], "not there in this language");
    check(&["shop", "--template", "payment", "--language", "cobol"], "possible values: node, python, rust");
    check(&[], "<NAME>");
    assert_eq!(fs::read_dir(folder.join("full")).unwrap().count(), 1);
    assert!(!folder.join("shop").exists());
    assert_eq!(ithaca(&folder, &["new", "empty", "--template", "payment"]).code, Some(0));
}

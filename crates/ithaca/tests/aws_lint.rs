//! Every template that we ship, before AWS's own judges: cfn-lint, which translates SAM first, and SAM's translator, whose translation
//! is then what Ithaca itself can deploy.
//!
//! `sam validate --lint` asks the same two; the SAM CLI itself would be some hundred packages more.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::installed;
use support::ithaca::Up;
use support::scratch::Scratch;
use support::travel::all_run_types_go_as_promised;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws_lint");

fn program(name: &str) -> Command {
    let mut program = Command::new(installed::python("aws-lint", Path::new(FOLDER)).join(name));
    program.env("AWS_DEFAULT_REGION", "us-east-1").env_remove("PYTHONPATH").current_dir(ROOT);
    program
}

/// The templates of the examples, as seen from the root of the repository.
fn templates() -> Vec<PathBuf> {
    let folders = fs::read_dir(Path::new(ROOT).join("examples")).unwrap();
    let templates = folders.map(|folder| Path::new("examples").join(folder.unwrap().file_name()).join("template.yaml"));
    let mut templates: Vec<PathBuf> = templates.filter(|template| Path::new(ROOT).join(template).is_file()).collect();
    templates.sort();
    assert!(templates.len() >= 7, "{templates:?}");
    templates
}

#[test]
fn cfn_lint_finds_nothing() {
    // W2531 goes by the calendar: a runtime is warned of from a day on.
    let mut lint = program("cfn-lint");
    lint.args(["--ignore-checks", "W2531", "--regions", "us-east-1", "--"]).args(templates());
    installed::run(&mut lint).unwrap_or_else(|reason| panic!("{reason}"));
}

/// A check that finds nothing could be one that does not look.
#[test]
fn cfn_lint_would_find_something() {
    let scratch = Scratch::new("lint-bad");
    let template = "Transform: AWS::Serverless-2016-10-31\nResources: { Table: { Type: AWS::Serverless::SimpleTable, Properties: { PrimaryKey: 1 } } }";
    let reason =
        installed::run(program("cfn-lint").arg("--").arg(scratch.write("template.yaml", template))).unwrap_err();
    assert!(reason.contains("E3012"), "{reason}");
}

/// What SAM makes of a template, with code and definition on this machine again.
fn translated(templates: &[PathBuf], code: &str, definition: &str) -> Vec<Value> {
    let mut python = program("python");
    let output = python.args(["-B", "crates/ithaca/tests/aws_lint/translate.py"]).args(templates).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let translated: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(translated.len(), templates.len());
    translated.into_iter().map(|template| local(template, code, definition)).collect()
}

fn local(mut template: Value, code: &str, definition: &str) -> Value {
    for resource in template["Resources"].as_object_mut().unwrap().values_mut() {
        match resource["Type"].as_str() {
            Some("AWS::Lambda::Function") => resource["Properties"]["Code"] = json!(code),
            Some("AWS::StepFunctions::StateMachine") => {
                resource["Properties"]["DefinitionS3Location"] = json!(definition);
            }
            _ => {}
        }
    }
    template
}

#[test]
fn what_sam_translates_is_valid_here_as_well() {
    let scratch = Scratch::new("lint-translated");
    scratch.write("saga.asl.json", r#"{"StartAt": "Only", "States": {"Only": {"Type": "Succeed"}}}"#);
    let translated = translated(&templates(), ".", "saga.asl.json");
    let files = translated.iter().enumerate();
    let files = files.map(|(number, template)| scratch.write(&format!("{number}.template"), template.to_string()));
    let mut ithaca = Command::new(env!("CARGO_BIN_EXE_ithaca"));
    installed::run(ithaca.arg("validate").args(files)).unwrap_or_else(|reason| panic!("{reason}"));
}

#[test]
fn what_sam_translates_does_the_same() {
    let scratch = Scratch::new("lint-travel");
    let app = Path::new(ROOT).join("examples/travel-node");
    std::os::unix::fs::symlink(app.join("src"), scratch.join("src")).unwrap();
    fs::copy(app.join("saga.asl.json"), scratch.join("saga.asl.json")).unwrap();
    let template = translated(&["examples/travel-node/template.yaml".into()], "src", "saga.asl.json").remove(0);
    let template = scratch.write("travel.template", template.to_string());
    let ithaca = Up::new(scratch.join("data")).template(template).parameter("FailureRate=0").start();
    all_run_types_go_as_promised(&ithaca.api(), &ithaca.client());
    assert!(ithaca.stop().success());
}

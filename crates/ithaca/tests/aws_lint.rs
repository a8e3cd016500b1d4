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
use support::scratch::Scratch;

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

#[test]
fn what_sam_translates_is_valid_here_as_well() {
    let output =
        program("python").args(["-B", "crates/ithaca/tests/aws_lint/translate.py"]).args(templates()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let translated: Value = serde_json::from_slice(&output.stdout).unwrap();
    let scratch = Scratch::new("lint-translated");
    scratch.write("saga.asl.json", r#"{"StartAt": "Only", "States": {"Only": {"Type": "Succeed"}}}"#);
    let mut files = Vec::new();
    for (number, template) in translated.as_object().unwrap().values().enumerate() {
        files.push(scratch.write(&format!("{number}.template"), local(template.clone()).to_string()));
    }
    assert_eq!(files.len(), templates().len());
    installed::run(Command::new(env!("CARGO_BIN_EXE_ithaca")).arg("validate").args(files))
        .unwrap_or_else(|reason| panic!("{reason}"));
}

/// The template with code and definitions on this machine again.
fn local(mut template: Value) -> Value {
    for resource in template["Resources"].as_object_mut().unwrap().values_mut() {
        match resource["Type"].as_str() {
            Some("AWS::Lambda::Function") => resource["Properties"]["Code"] = json!("."),
            Some("AWS::StepFunctions::StateMachine") => {
                resource["Properties"]["DefinitionS3Location"] = json!("saga.asl.json")
            }
            // An API as OpenAPI, which is all that SAM makes of one.
            Some("AWS::ApiGateway::RestApi") => resource["Properties"] = json!({ "Name": "api" }),
            _ => {}
        }
    }
    template
}

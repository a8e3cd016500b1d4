//! Our verdicts against recorded ones: what AWS answered, and what other validators say of definitions in the wild.
//!
//! The recordings are not part of the repository; without them these tests say so and check nothing.
#![allow(clippy::disallowed_methods)] // A test, which reads the recordings.

use std::path::{Path, PathBuf};

use asl::{Diagnostic, Graph, MachineType, Severity, aws_location, aws_message, graph::happy_path, parse_as};
use serde_json::Value;

fn shared(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(folder);
    if path.exists() {
        return Some(path);
    }
    println!("shared/{folder} is not here: skipped, nothing was checked");
    None
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn found(text: &str, machine: MachineType) -> Vec<Diagnostic> {
    match parse_as(text, machine) {
        Ok(parsed) => {
            assert_eq!(Graph::of(&parsed.definition).nodes.len(), parsed.definition.states.len());
            assert!(!happy_path(&parsed.definition, asl::Definition::ROOT).is_empty());
            parsed.warnings
        }
        Err(diagnostics) => diagnostics,
    }
}

/// Is it an error that AWS would report, too?
fn is_aws(found: &Diagnostic) -> bool {
    found.severity == Severity::Error
        && !found.code.starts_with("ITHACA_")
        && !found.message.contains("was not filled in")
}

fn cases() -> Vec<(String, Value)> {
    let Some(root) = shared("conformance/open") else { return Vec::new() };
    let mut cases = Vec::new();
    for area in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in std::fs::read_dir(&area).unwrap().map(|entry| entry.unwrap().path()) {
            cases.push((file.strip_prefix(area.parent().unwrap()).unwrap().display().to_string(), json(&file)));
        }
    }
    cases.sort_by(|left, right| left.0.cmp(&right.0));
    cases
}

fn machine(params: &Value) -> MachineType {
    if params["type"] == "EXPRESS" { MachineType::Express } else { MachineType::Standard }
}

/// AWS accepted and ran these definitions: whatever else we refuse in them is not served yet.
#[test]
fn definitions_that_aws_ran_are_not_refused_in_its_name() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for (name, case) in cases() {
        let rows = case["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let ran = ["execution", "execution-table"].contains(&case["kind"].as_str().unwrap());
        let definitions = std::iter::once(&case["definition"]).chain(rows.iter().map(|row| &row["definition"]));
        for definition in definitions.filter(|definition| ran && !definition.is_null()) {
            checked += 1;
            let text = definition.as_str().map_or_else(|| definition.to_string(), str::to_owned);
            // The recording's word for an account, which has digits on AWS.
            let text = text.replace(":test_aws_account_id:", ":222222222222:");
            let machine = machine(&case);
            let refused: Vec<String> =
                found(&text, machine).iter().filter(|found| is_aws(found)).map(Diagnostic::to_string).collect();
            if !refused.is_empty() {
                wrong.push(format!("{name}: {}", refused.join("; ")));
            }
        }
    }
    println!("{} of {checked} definitions that AWS ran are free of errors of AWS", checked - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What AWS refused, and what ValidateStateMachineDefinition answered, in full.
#[test]
fn refusals_of_aws() {
    let (mut checked, mut verdicts, mut exact, mut others) = (0, 0, 0, Vec::new());
    for (name, case) in cases() {
        for step in case["steps"].as_array().map_or(&[][..], Vec::as_slice) {
            let Some((verdict, words)) = answer(step) else { continue };
            checked += 1;
            verdicts += usize::from(verdict);
            exact += usize::from(words);
            if !words {
                others.push(format!("{} {name}", if verdict { "other words" } else { "other verdict" }));
            }
        }
    }
    println!("{checked} recorded answers: verdict equal in {verdicts}, every word in {exact}\n{}", others.join("\n"));
    assert_eq!((verdicts, exact), (checked, checked));
}

/// Is our verdict the recorded one, and are our words?
fn answer(step: &Value) -> Option<(bool, bool)> {
    let params = &step["params"];
    let text = params["definition"].as_str()?;
    let found = found(text, machine(params));
    let refused = found.iter().any(|found| found.severity == Severity::Error);
    match step["op"].as_str()? {
        "CreateStateMachine" | "UpdateStateMachine" if step["expect_error"]["code"] == "InvalidDefinition" => {
            let message = step["expect_error"]["message"].as_str();
            Some((refused, message.is_none_or(|message| message == aws_message(&found))))
        }
        "ValidateStateMachineDefinition" => {
            let expected: Vec<Value> = step["expect"]["diagnostics"].as_array()?.clone();
            let ours: Vec<Value> = found.iter().filter(|found| is_aws(found)).map(wire).collect();
            Some((refused == (step["expect"]["result"] == "FAIL"), ours == expected))
        }
        _ => None,
    }
}

fn wire(found: &Diagnostic) -> Value {
    let mut wire = serde_json::json!({"code": found.code, "message": found.message, "severity": "ERROR"});
    if let Some(location) = aws_location(found) {
        wire["location"] = location.into();
    }
    wire
}

/// The verdict of others on a definition, where they agree with each other.
fn consensus(entry: &Value) -> Option<bool> {
    match entry["source_says"].as_str() {
        Some(word) => Some(word == "valid"),
        None => {
            let validator = entry["asl_validator_4_0_0"]["filled"]["accepts"].as_bool()?;
            let lint = entry["statelint_3_1_0"]["filled_ignoring_float_and_uri"]["accepts"].as_bool()?;
            (validator == lint).then_some(lint)
        }
    }
}

/// Where we differ from the others we do so on purpose; `docs/asl-corpus.md` tells why. A smaller number than this is
/// a new difference.
const AGREED_MIN: usize = 182;

#[test]
fn definitions_in_the_wild() {
    let Some(root) = shared("asl-corpus") else { return };
    let index = json(&root.join("index.json"));
    let (mut not_json, mut served, mut judged, mut agreed, mut others) = (0, 0, 0, 0, Vec::new());
    for entry in index.as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let found = found(&text, MachineType::Standard);
        if found.iter().any(|found| found.code == "INVALID_JSON_DESCRIPTION" && found.pointer.is_empty()) {
            not_json += 1;
            continue;
        }
        served += usize::from(found.iter().all(|found| found.severity == Severity::Warning));
        let Some(expected) = consensus(entry) else { continue };
        judged += 1;
        let first = found.iter().find(|found| is_aws(found));
        if first.is_none() == expected {
            agreed += 1;
        } else {
            others.push(format!(
                "they say {expected}: {file}\n    {}",
                first.map_or_else(String::new, Diagnostic::to_string)
            ));
        }
    }
    println!(
        "{} definitions, {not_json} of them no plain JSON; {served} can be run as they are; \
         our verdict agrees in {agreed} of {judged}\n{}",
        index.as_array().unwrap().len(),
        others.join("\n")
    );
    assert!(agreed >= AGREED_MIN, "only {agreed} of {judged} agree");
}

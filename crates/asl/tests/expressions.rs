//! Paths, templates, intrinsic functions and conditions against what AWS answered in recorded executions.
//!
//! Runs every recording whose states are only Pass, Choice, Succeed and Fail: these need nothing but expressions.
//! The recordings are not part of the repository; without them the test says so and checks nothing.
#![allow(clippy::disallowed_methods)] // A test, which reads the recordings.

use std::path::{Path, PathBuf};

use asl::definition::{Condition, Definition, Filter, Io, Kind, Next, PathIo, ResultPath, StateId, Text};
use asl::scope::{Context, Entropy, EvalError, NoVariables, Scope};
use serde_json::{Value, json};

/// Executions and table rows that agree. It only ever goes up.
const REACHED: usize = 334;

#[test]
fn recorded_expressions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/open");
    if !folder.exists() {
        println!("shared/conformance is not here: skipped, nothing was checked");
        return;
    }
    let mut agreed = 0;
    let mut failures = Vec::new();
    for file in cases(&folder) {
        let case: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for row in rows(&case) {
            match check(row) {
                Ok(()) => agreed += 1,
                Err(difference) => failures.push(format!("{}: {difference}", file.display())),
            }
        }
    }
    println!("{agreed} recorded executions agree, {} do not", failures.len());
    for failure in &failures {
        println!("{failure}");
    }
    assert!(agreed >= REACHED, "{agreed} agree; it were {REACHED}");
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let areas = entries(folder).into_iter().filter(|path| path.is_dir());
    areas.flat_map(|area| entries(&area)).filter(|path| path.extension().is_some_and(|end| end == "json")).collect()
}

/// The executions of a case that this test can run.
fn rows(case: &Value) -> Vec<&Value> {
    let wants = |feature: &str| case["requires"].as_array().is_some_and(|all| all.contains(&json!(feature)));
    let rows = match case["kind"].as_str() {
        Some("execution") => vec![case],
        Some("execution-table") => case["rows"].as_array().unwrap().iter().collect(),
        _ => Vec::new(),
    };
    if wants("jsonata") || wants("variables") {
        return Vec::new();
    }
    rows.into_iter().filter(|row| is_plain(&row["definition"]) && row["expected"]["status"].is_string()).collect()
}

fn is_plain(definition: &Value) -> bool {
    let is_plain = |state: &Value| matches!(state["Type"].as_str(), Some("Pass" | "Choice" | "Succeed" | "Fail"));
    definition["States"].as_object().is_some_and(|states| states.values().all(is_plain))
}

fn check(row: &Value) -> Result<(), String> {
    let definition = asl::parse(&row["definition"].to_string())
        .map_err(|diagnostics| format!("refused: {}", diagnostics[0]))?
        .definition;
    let input = if row["input_omitted"] == true { json!({}) } else { row["input"].clone() };
    let expected = &row["expected"];
    let ended = run(&definition, &input);
    let agrees = match &ended {
        Ok(output) => expected["status"] == "SUCCEEDED" && same_output(output, &expected["output"]),
        Err((error, cause)) => {
            expected["status"] == "FAILED"
                && expected["error"].as_str().unwrap_or_default() == error
                && same_text(cause, without_place(expected["cause"].as_str().unwrap_or_default()))
        }
    };
    if agrees { Ok(()) } else { Err(format!("ended with {ended:?}, on AWS with {expected}")) }
}

/// The output, or error and cause.
fn run(definition: &Definition, input: &Value) -> Result<Value, (String, String)> {
    let mut data = input.clone();
    let mut at = definition.block(Definition::ROOT).start;
    loop {
        let state = definition.state(at);
        let context = Context::new(|| context_object(input, &state.name));
        let entropy = Entropy::new(1);
        let scope = Scope { input: &data, context: &context, variables: &NoVariables, entropy: &entropy };
        let failed = |error: EvalError| (error.error.to_owned(), error.cause);
        let (output, next) = match &state.kind {
            Kind::Pass(pass) => (pass_output(pass, &scope).map_err(failed)?, pass.next),
            Kind::Choice(choice) => {
                let output = filtered(&choice.io, &scope).map_err(failed)?;
                (output, Next::State(chosen(choice, &scope).map_err(failed)?))
            }
            Kind::Succeed(succeed) => (filtered(&succeed.io, &scope).map_err(failed)?, Next::End),
            Kind::Fail(fail) => {
                let error = text(&fail.error, "ErrorPath", &scope).map_err(failed)?;
                return Err((error, text(&fail.cause, "CausePath", &scope).map_err(failed)?));
            }
            other => unreachable!("{other:?} was filtered out"),
        };
        match next {
            Next::State(next) => (data, at) = (output, next),
            Next::End => return Ok(output),
        }
    }
}

fn in_path(io: &Io) -> &PathIo {
    match io {
        Io::Path(io) => io,
        Io::Jsonata(_) => unreachable!("JSONata was filtered out"),
    }
}

fn pass_output(pass: &asl::definition::Pass, scope: &Scope<'_>) -> Result<Value, EvalError> {
    let io = in_path(&pass.io);
    let input = filter(&io.input_path, scope)?;
    let scope = scope.with_input(&input);
    let result = match (&pass.result, &io.parameters) {
        (Some(result), _) => result.clone(),
        (None, Some(parameters)) => parameters.evaluate(&scope)?,
        (None, None) => input.clone(),
    };
    let output = match &io.result_path {
        ResultPath::At(path) => path.set(input.clone(), result)?,
        ResultPath::Discard => input.clone(),
    };
    filter(&io.output_path, &scope.with_input(&output))
}

fn chosen(choice: &asl::definition::Choice, scope: &Scope<'_>) -> Result<StateId, EvalError> {
    let input = filter(&in_path(&choice.io).input_path, scope)?;
    let scope = scope.with_input(&input);
    for rule in &choice.rules {
        let Condition::Path(condition) = &rule.condition else { unreachable!("JSONata was filtered out") };
        if condition.evaluate(&scope)? {
            return Ok(rule.next);
        }
    }
    choice.default.ok_or_else(|| EvalError::new("States.NoChoiceMatched", "no rule matched"))
}

fn filtered(io: &Io, scope: &Scope<'_>) -> Result<Value, EvalError> {
    let input = filter(&in_path(io).input_path, scope)?;
    filter(&in_path(io).output_path, &scope.with_input(&input))
}

fn filter(filter: &Filter, scope: &Scope<'_>) -> Result<Value, EvalError> {
    match filter {
        Filter::Path(path) => path.evaluate(scope).map(|value| value.into_owned()),
        Filter::Empty => Ok(json!({})),
    }
}

fn text(text: &Option<Text>, field: &str, scope: &Scope<'_>) -> Result<String, EvalError> {
    match text {
        None => Ok(String::new()),
        Some(Text::Fixed(text)) => Ok(text.clone()),
        Some(Text::Jsonata(_)) => unreachable!("JSONata was filtered out"),
        Some(Text::Path(expression)) => {
            let value = expression.evaluate_field(scope, field)?;
            Ok(value.as_str().expect("the recordings have texts here").to_owned())
        }
    }
}

fn context_object(input: &Value, state: &str) -> Value {
    let (machine, run, at) = ("machine-name", "run-name", "2026-01-01T00:00:00.000Z");
    let arn = |kind: &str, name: &str| format!("arn:aws:states:us-east-1:111111111111:{kind}:{name}");
    json!({
        "Execution": {
            "Id": arn("execution", &format!("{machine}:{run}")), "Input": input, "StartTime": at, "Name": run,
            "RoleArn": "arn:aws:iam::111111111111:role/role", "RedriveCount": 0
        },
        "StateMachine": {"Id": arn("stateMachine", machine), "Name": machine},
        "State": {"Name": state, "EnteredTime": at}
    })
}

/// Outputs that are objects were recorded as JSON, others as text.
fn same_output(output: &Value, expected: &Value) -> bool {
    match expected {
        Value::String(text) => serde_json::from_str(text).is_ok_and(|expected: Value| same(output, &expected)),
        expected => same(output, expected),
    }
}

/// Equal, but for the places that the recordings left open.
fn same(output: &Value, expected: &Value) -> bool {
    match (output, expected) {
        (Value::Object(output), Value::Object(expected)) => {
            output.len() == expected.len()
                && output.iter().all(|(name, value)| expected.get(name).is_some_and(|expected| same(value, expected)))
        }
        (Value::Array(output), Value::Array(expected)) => {
            output.len() == expected.len()
                && output.iter().zip(expected).all(|(output, expected)| same(output, expected))
        }
        (Value::Number(_), Value::String(expected)) => expected == "RandomNumberGenerated",
        (Value::String(output), Value::String(expected)) => same_text(output, expected),
        (output, expected) => output == expected,
    }
}

const OPEN: [&str; 5] = ["start-time", "entered-time", "date", "snf_role_arn", "sfn_role_arn"];

/// `<name>` in the recording stands for any text; a few words stand for a whole text.
fn same_text(text: &str, expected: &str) -> bool {
    if OPEN.contains(&expected) {
        return true;
    }
    let Some((before, rest)) = expected.split_once('<') else { return text == expected };
    let Some((_, behind)) = rest.split_once('>') else { return text == expected };
    let Some(text) = text.strip_prefix(before) else { return false };
    (0..=text.len()).any(|end| text.get(end..).is_some_and(|rest| same_text(rest, behind)))
}

/// The interpreter adds where the error happened; here it is taken off.
fn without_place(cause: &str) -> &str {
    match cause.split_once("). ") {
        Some((place, rest)) if place.starts_with("An error occurred while executing the state") => rest,
        _ => cause,
    }
}

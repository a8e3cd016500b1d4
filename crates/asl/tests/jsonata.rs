//! JSONata against what AWS answered in recorded executions.
//!
//! Runs every recording whose states all speak JSONata and are only Pass, Choice, Succeed, Fail and a Map that fails
//! over its items: these need nothing but expressions. A machine is read here as plain JSON, since this is about
//! expressions alone. The recordings are not part of the repository; without them the test says so and checks
//! nothing.

#![allow(clippy::disallowed_methods)] // A test, which reads the recordings.

use std::path::{Path, PathBuf};

use asl::jsonata::{Available, Expected, Expression, Failure, Scope, States, Template, inside};
use asl::scope::{Context, Entropy};
use serde_json::{Map, Value, json};

/// Executions that agree. It only ever goes up.
const REACHED: usize = 69;

#[test]
fn recorded_executions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/open");
    if !folder.exists() {
        println!("shared/conformance is not here: skipped, nothing was checked");
        return;
    }
    let mut agreed = 0;
    let mut failures = Vec::new();
    for file in cases(&folder) {
        let case: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        match check(&case) {
            Some(Ok(())) => agreed += 1,
            Some(Err(difference)) => failures.push(format!("{}: {difference}", file.display())),
            None => {}
        }
    }
    println!("{agreed} recorded executions agree, {} do not", failures.len());
    for failure in &failures {
        println!("{failure}");
    }
    assert!(failures.is_empty() && agreed >= REACHED, "{agreed} agree; it were {REACHED}");
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

/// None when the case needs more than expressions.
fn check(case: &Value) -> Option<Result<(), String>> {
    if case["kind"] != "execution" || !case["expected"]["status"].is_string() || !speaks_jsonata(&case["definition"]) {
        return None;
    }
    let input = if case["input_omitted"] == true { json!({}) } else { case["input"].clone() };
    let ended = Machine { definition: &case["definition"], variables: Map::new() }.run(input)?;
    let expected = &case["expected"];
    let agrees = match &ended {
        Ended::Succeeded(output) => expected["status"] == "SUCCEEDED" && same_output(output, &expected["output"]),
        Ended::Failed { error, cause, location } => {
            expected["status"] == "FAILED"
                && expected["error"].as_str() == error.as_deref()
                && expected["cause"].as_str().map(without_place) == cause.as_deref()
                && location_of(&expected["events"]) == location.as_deref()
        }
    };
    Some(if agrees { Ok(()) } else { Err(format!("ended with {ended:?}, on AWS with {expected}")) })
}

fn speaks_jsonata(definition: &Value) -> bool {
    let whole = definition["QueryLanguage"] == "JSONata";
    let speaks = |state: &Value| whole || state["QueryLanguage"] == "JSONata";
    definition["States"].as_object().is_some_and(|states| states.values().all(speaks))
}

#[derive(Debug)]
enum Ended {
    Succeeded(Value),
    Failed { error: Option<String>, cause: Option<String>, location: Option<String> },
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended::Failed { error: Some(failure.error.to_owned()), cause: Some(failure.cause), location: failure.location }
    }
}

struct Machine<'d> {
    definition: &'d Value,
    variables: Map<String, Value>,
}

impl Machine<'_> {
    fn run(&mut self, mut data: Value) -> Option<Ended> {
        let mut name = self.definition["StartAt"].as_str()?;
        loop {
            let state = &self.definition["States"][name];
            let next = match state["Type"].as_str()? {
                "Pass" | "Succeed" => self.leave(state, "", &mut data).map(|()| state["Next"].as_str()),
                "Choice" => match self.chosen(state, &data) {
                    Ok(Some((rule, field))) => self.leave(rule, &field, &mut data).map(|()| rule["Next"].as_str()),
                    Ok(None) => self.leave(state, "", &mut data).map(|()| state["Default"].as_str()),
                    Err(failure) => Err(failure),
                },
                "Fail" => return Some(self.fail(state, &data)),
                "Map" => match self.items(state, &data) {
                    Err(failure) => Err(failure),
                    Ok(()) => return None,
                },
                _ => return None,
            };
            match next {
                Ok(Some(next)) => name = next,
                Ok(None) => return Some(Ended::Succeeded(data)),
                Err(failure) => return Some(failure.into()),
            }
        }
    }

    /// Output and Assign see the same variables.
    fn leave(&mut self, place: &Value, within: &str, data: &mut Value) -> Result<(), Failure> {
        let assigned = self.template(place, within, "Assign", data)?;
        if let Some(output) = self.template(place, within, "Output", data)? {
            *data = output;
        }
        if let Some(Value::Object(assigned)) = assigned {
            self.variables.extend(assigned);
        }
        Ok(())
    }

    fn chosen<'s>(&self, state: &'s Value, data: &Value) -> Result<Option<(&'s Value, String)>, Failure> {
        for (index, rule) in state["Choices"].as_array().unwrap().iter().enumerate() {
            let field = format!("Choices[{index}]/");
            let condition = expression(&rule["Condition"]);
            let scope =
                |scope: &Scope<'_>| condition.evaluate_as(Expected::Boolean, scope, &format!("{field}Condition"));
            if self.with_scope(data, scope)? == true {
                return Ok(Some((rule, field)));
            }
        }
        Ok(None)
    }

    fn fail(&self, state: &Value, data: &Value) -> Ended {
        let text = |name: &str| -> Result<Option<String>, Failure> {
            let value = self.template(state, "", name, data)?;
            Ok(value.map(|value| value.as_str().expect("the recordings have texts here").to_owned()))
        };
        match text("Error").and_then(|error| Ok((error, text("Cause")?))) {
            Ok((error, cause)) => Ended::Failed { error, cause, location: None },
            Err(failure) => failure.into(),
        }
    }

    fn items(&self, state: &Value, data: &Value) -> Result<(), Failure> {
        match inside(state["Items"].as_str().unwrap_or_default()) {
            Some(_) => {
                let items = expression(&state["Items"]);
                self.with_scope(data, |scope| items.evaluate_as(Expected::Array, scope, "Items")).map(drop)
            }
            None => Ok(()),
        }
    }

    fn template(&self, place: &Value, within: &str, name: &str, data: &Value) -> Result<Option<Value>, Failure> {
        let Some(value) = place.get(name) else { return Ok(None) };
        let mut diagnostics = Vec::new();
        let template = Template::parse(value, "/x", Available::default(), &mut diagnostics);
        let template = template.unwrap_or_else(|| panic!("AWS accepted what is refused here: {diagnostics:?}"));
        self.with_scope(data, |scope| template.evaluate(scope, &format!("{within}{name}"))).map(Some)
    }

    fn with_scope<T>(&self, data: &Value, run: impl FnOnce(&Scope<'_>) -> T) -> T {
        let context = Context::new(|| json!({}));
        let states = States { input: data, result: None, error_output: None, context: &context };
        run(&Scope { states, variables: &self.variables, entropy: &Entropy::new(1), now_ms: 0 })
    }
}

fn expression(value: &Value) -> Expression {
    Expression::parse(value.as_str().and_then(inside).expect("an expression")).expect("AWS accepted it")
}

/// Outputs that are objects were recorded as JSON, others as text.
fn same_output(output: &Value, expected: &Value) -> bool {
    match expected {
        Value::String(text) => serde_json::from_str(text).is_ok_and(|expected: Value| *output == expected),
        expected => output == expected,
    }
}

/// What EvaluationFailed told.
fn location_of(events: &Value) -> Option<&str> {
    let events = events.as_array()?;
    events.iter().find_map(|event| event["evaluationFailedEventDetails"]["location"].as_str())
}

/// The interpreter adds where the error happened; here it is taken off.
fn without_place(cause: &str) -> &str {
    match cause.split_once("). ") {
        Some((place, rest)) if place.starts_with("An error occurred while executing the state") => rest,
        _ => cause,
    }
}

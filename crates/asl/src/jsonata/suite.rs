//! The language's own test suite (`tests/data/jsonata`), run through what this module adds: the guarded tree, the
//! replaced functions, the limits, the form of numbers, the texts of errors.

use jsonata_core::evaluator::Context;
use jsonata_core::value::JValue;
use serde_json::{Map, Value};

use super::failure::Reason;
use super::guard::guard;
use super::host::{Host, Named};
use super::parse::parse;
use super::reads::{Part, Reads};
use super::session::Session;
use super::value;

const CASES: &str = include_str!("../../tests/data/jsonata/cases.jsonl");
const DATASETS: &str = include_str!("../../tests/data/jsonata/datasets.json");

/// Errors whose texts agree too. It only ever goes up.
const TEXTS_REACHED: usize = 263;

/// What Step Functions does otherwise.
const OTHERWISE: &[(&str, &str)] = &[
    ("function-eval/", "there is no $eval"),
    ("range-operator/case022", "the limit is lower, and has a sentence of its own"),
    ("range-operator/case023", "the limit is lower, and has a sentence of its own"),
];

#[derive(Debug, PartialEq)]
enum Outcome {
    Value(Value),
    Undefined,
    Function,
    /// Parse errors are told without a code.
    Error {
        code: Option<String>,
        text: String,
    },
}

#[test]
fn the_suite_of_the_language() {
    let datasets: Map<String, Value> = serde_json::from_str(DATASETS).unwrap();
    let (mut cases, mut texts, mut wrong) = (0, 0, Vec::new());
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["name"].as_str().unwrap();
        if OTHERWISE.iter().any(|(group, _)| name.starts_with(group)) {
            continue;
        }
        let input = case.get("data").or_else(|| datasets.get(case["dataset"].as_str()?));
        let (got, expected) = (run(case["expr"].as_str().unwrap(), input, &case["bindings"]), expected(&case));
        cases += 1;
        texts += usize::from(same_text(&got, &expected));
        if !same(&got, &expected) {
            wrong.push(format!("{name}: {} gives {got:?}, not {expected:?}", case["expr"]));
        }
    }
    println!("{} of {cases} cases agree, {texts} texts of errors", cases - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(texts >= TEXTS_REACHED, "{texts} texts agree; it were {TEXTS_REACHED}");
}

fn same(got: &Outcome, expected: &Outcome) -> bool {
    match (got, expected) {
        (Outcome::Error { code: None, .. }, Outcome::Error { .. }) => true,
        (Outcome::Error { code, .. }, Outcome::Error { code: expected, .. }) => code == expected,
        _ => got == expected,
    }
}

fn same_text(got: &Outcome, expected: &Outcome) -> bool {
    match (got, expected) {
        (Outcome::Error { text, .. }, Outcome::Error { text: expected, .. }) => text == expected,
        _ => false,
    }
}

fn expected(case: &Value) -> Outcome {
    let flag = |name: &str| case.get(name).is_some();
    match () {
        () if flag("message") => Outcome::Error {
            code: case["code"].as_str().map(str::to_owned),
            text: case["message"].as_str().unwrap().to_owned(),
        },
        () if flag("undefined") => Outcome::Undefined,
        () if flag("function") => Outcome::Function,
        () => Outcome::Value(case["result"].clone()),
    }
}

fn run(text: &str, input: Option<&Value>, bindings: &Value) -> Outcome {
    let mut tree = match parse(text) {
        Ok(tree) => tree,
        Err(error) => return Outcome::Error { code: None, text: error.message },
    };
    let mut reads = Reads::of(&tree);
    reads.operators = guard(&mut tree, &reads.bound);
    let host = Host::new(1_700_000_000_000);
    let mut context = Context::new();
    for (name, bound) in bindings.as_object().into_iter().flatten() {
        let name = Named::find(name).map_or_else(|| name.clone(), Named::as_value);
        context.bind(name, value::read(bound, &Part::All, &host.wide));
    }
    let input = input.map_or(JValue::Undefined, |input| value::read(input, &Part::All, &host.wide));
    match Session::with(context, host, 1, &reads).and_then(|mut session| session.evaluate(&tree, &reads, &input)) {
        Ok(value) => Outcome::Value(value),
        Err(Reason::Nothing) => Outcome::Undefined,
        Err(Reason::Unsupported) => Outcome::Function,
        Err(Reason::Coded { code, text }) => Outcome::Error { code: Some(code), text },
        Err(other) => Outcome::Error { code: Some(String::new()), text: other.to_string() },
    }
}

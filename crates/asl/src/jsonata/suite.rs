//! The language's own test suite (`tests/data/jsonata`), run through what this module adds: the guarded tree, the
//! replaced functions, the limits, the form of numbers.

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

#[derive(Debug, PartialEq)]
enum Outcome {
    Value(Value),
    Undefined,
    Function,
    Error { code: Option<String>, text: String },
}

#[test]
fn the_suite_of_the_language() {
    let datasets: Map<String, Value> = serde_json::from_str(DATASETS).unwrap();
    let cases: Vec<Value> = CASES.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut agreed = 0;
    let mut texts = 0;
    for case in &cases {
        let input = case.get("data").or_else(|| datasets.get(case["dataset"].as_str()?));
        let got = run(case["expr"].as_str().unwrap(), input, &case["bindings"]);
        let expected = expected(case);
        match (&got, &expected) {
            (Outcome::Error { code, text }, Outcome::Error { code: expected_code, text: expected_text }) => {
                if code.as_ref().is_none_or(|code| Some(code) == expected_code.as_ref()) {
                    agreed += 1;
                } else {
                    println!("CODE {} {got:?} {expected:?}", case["name"]);
                }
                if text == expected_text {
                    texts += 1
                } else {
                    println!("TEXT {} {} | {code:?} {text} | {expected_text}", case["name"], case["expr"]);
                }
            }
            _ if got == expected => agreed += 1,
            _ => println!("DIFF {} {} got {got:?} expected {expected:?}", case["name"], case["expr"]),
        }
    }
    println!("{agreed} of {}, texts {texts}", cases.len());
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
    let reads = Reads::of(&tree);
    guard(&mut tree, &reads.bound);
    let host = Host::new(1, 1_700_000_000_000);
    let mut context = Context::new();
    let none = Map::new();
    for (name, bound) in bindings.as_object().unwrap_or(&none) {
        let name = Named::find(name).map_or_else(|| name.clone(), Named::as_value);
        context.bind(name, value::read(bound, &Part::All, &host.wide));
    }
    let input = input.map_or(JValue::Undefined, |input| value::read(input, &Part::All, &host.wide));
    match Session::with(context, host, &reads).and_then(|mut session| session.evaluate(&tree, &input)) {
        Ok(value) => Outcome::Value(value),
        Err(Reason::Nothing) => Outcome::Undefined,
        Err(Reason::Unsupported) => Outcome::Function,
        Err(Reason::Coded { code, text }) => Outcome::Error { code: Some(code), text },
        Err(other) => Outcome::Error { code: Some(String::new()), text: other.to_string() },
    }
}

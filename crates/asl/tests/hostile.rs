//! Text that means harm, or nothing: it is refused in good time, and never ends the process.
#![allow(clippy::disallowed_methods)] // A test, which measures time.

use std::fmt::Write;
use std::time::{Duration, Instant};

use asl::{Diagnostic, parse};
use proptest::prelude::*;

fn codes(text: &str) -> Vec<&'static str> {
    match parse(text) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.iter().map(|found: &Diagnostic| found.code).collect(),
    }
}

#[test]
fn depth_is_limited() {
    let parallel = |levels: usize| {
        let open = |level: usize| {
            format!(r#"{{"StartAt":"P{level}","States":{{"P{level}":{{"Type":"Parallel","End":true,"Branches":["#)
        };
        let inner = r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}"#;
        (0..levels).map(open).collect::<String>() + inner + &"]}}}".repeat(levels)
    };
    assert_eq!(codes(&parallel(29)), Vec::<&str>::new());
    assert_eq!(codes(&parallel(30)), ["TOO_DEEPLY_NESTED"]);
    assert_eq!(codes(&parallel(8_000)), ["TOO_DEEPLY_NESTED"]);
    assert_eq!(codes(&"[".repeat(1_000_000)), ["TOO_DEEPLY_NESTED"]);
}

#[test]
fn size_and_number_of_diagnostics_are_limited() {
    assert_eq!(codes(&" ".repeat(1_048_577)), ["SCHEMA_VALIDATION_FAILED"]);
    let states: Vec<String> = (0..5_000).map(|index| format!(r#""S{index}":{{}}"#)).collect();
    let codes = codes(&format!(r#"{{"StartAt":"S0","States":{{{}}}}}"#, states.join(",")));
    assert_eq!((codes.len(), codes.last()), (1_001, Some(&"ITHACA_MORE_DIAGNOSTICS")));
}

/// A chain of Choice states, each naming its next and the last.
fn chain(states: usize) -> String {
    let mut text = String::from(r#"{"StartAt":"S0","States":{"#);
    for index in 0..states {
        let next = index + 1;
        write!(text, r#""S{index}":{{"Type":"Choice","Choices":[{{"Variable":"$.a","IsNull":true,"Next":"S{next}"}}],"Default":"S{states}"}},"#).unwrap();
    }
    write!(text, r#""S{states}":{{"Type":"Succeed"}}}}}}"#).unwrap();
    text
}

/// The shorter of two runs, which noise does not lengthen.
fn time(text: &str) -> Duration {
    let run = || {
        let start = Instant::now();
        // A refusal is as good: its cost is what is measured.
        let _ = parse(text);
        start.elapsed()
    };
    (0..2).map(|_| run()).min().unwrap()
}

#[test]
fn time_grows_with_the_text_and_not_with_its_square() {
    let rejected = |states: usize| chain(states).replace("$.a", "a");
    let repeated = |keys: usize| format!(r#"{{"States":{{{}"":1}}}}"#, r#""a":1,"#.repeat(keys));
    let shapes: [(&str, &dyn Fn(usize) -> String); 3] =
        [("accepted", &chain), ("rejected", &rejected), ("repeated keys", &repeated)];
    for (name, text) in shapes {
        let (small, large) = (text(400), text(4_000));
        let (fast, slow) = (time(&small), time(&large));
        println!("{name}: {} KB in {fast:?}, {} KB in {slow:?}", small.len() / 1000, large.len() / 1000);
        // Linear would be 10, the square 100.
        assert!(slow < fast * 40, "{name}: {fast:?} for 400 and {slow:?} for 4,000");
    }
}

/// JSON with the words of definitions in places where they may or may not belong.
fn value() -> impl Strategy<Value = serde_json::Value> {
    const WORDS: &[&str] = &[
        "StartAt",
        "States",
        "Type",
        "Next",
        "End",
        "A",
        "B",
        "Task",
        "Pass",
        "Wait",
        "Choice",
        "Map",
        "Parallel",
        "Fail",
        "Choices",
        "Default",
        "Variable",
        "And",
        "Not",
        "StringEquals",
        "IsNull",
        "Branches",
        "ItemProcessor",
        "Iterator",
        "ProcessorConfig",
        "Mode",
        "DISTRIBUTED",
        "Retry",
        "Catch",
        "ErrorEquals",
        "States.ALL",
        "Resource",
        "Parameters",
        "arn:aws:states:::lambda:invoke",
        "${x}",
        "$.a",
        "$",
        "$$.b",
        "x.$",
        "Comment",
        "compensates: B",
        "Seconds",
        "Timestamp",
        "QueryLanguage",
        "JSONata",
        "Assign",
        "Output",
        "Arguments",
        "Condition",
        "Items",
        "{% $states.input.a + $x %}",
        "{% 1 + %}",
        "{%%}",
        "$x.y",
        "Credentials",
        "InputPath",
        "ResultPath",
        "TimeoutSeconds",
        "Succeed",
        "",
        "~/",
        "é",
    ];
    let word = || proptest::sample::select(WORDS).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        word().prop_map(Into::into),
    ];
    leaf.prop_recursive(8, 80, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((word(), inner.clone()), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            // A block, so that the readers of states are reached.
            prop::collection::vec((word(), inner), 1..4).prop_map(|states| {
                let start = states[0].0.clone();
                let states: serde_json::Map<String, serde_json::Value> = states.into_iter().collect();
                serde_json::json!({"StartAt": start, "States": states})
            }),
        ]
    })
}

const VALID: &str = r#"{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:lambda:eu-west-1:123456789012:function:f","Retry":[{"ErrorEquals":["States.ALL"]}],"Next":"W"},"W":{"Type":"Wait","Seconds":1,"End":true}}}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"F"}],"Next":"M"},"M":{"Type":"Map","ItemProcessor":{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"S"}],"Default":"S"},"S":{"Type":"Succeed"}}},"End":true},"F":{"Type":"Fail","ErrorPath":"$.e"}}}"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn any_json_is_answered(value in value()) {
        let text = value.to_string();
        if let Err(diagnostics) = parse(&text) {
            for found in diagnostics {
                prop_assert!(found.pointer.is_empty() || found.pointer.starts_with('/'));
                prop_assert!(found.line > 0 || found.pointer.is_empty(), "{found} has no line in {text}");
            }
        }
    }

    /// A valid definition with a piece cut out and another put in.
    #[test]
    fn any_change_is_answered(from in 0..VALID.len(), length in 0usize..20, to in 0..VALID.len(), piece in 0usize..20) {
        let end = (from + length).min(VALID.len());
        let put = &VALID[to..(to + piece).min(VALID.len())];
        let _ = parse(&format!("{}{put}{}", &VALID[..from], &VALID[end..]));
    }
}

#[test]
fn the_valid_definition_is_valid() {
    assert_eq!(codes(VALID), Vec::<&str>::new());
}

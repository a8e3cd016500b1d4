//! Tables for conditions that the recordings do not reach.

use serde_json::{Value, json};

use super::*;
use crate::scope::{Context, Entropy, NoVariables};

fn parse(rule: &Value) -> (Option<Condition>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let condition = Condition::parse(rule, "/R", &mut diagnostics, false);
    (condition, diagnostics)
}

fn evaluate(rule: &Value, input: &Value) -> Result<bool, EvalError> {
    let (condition, diagnostics) = parse(rule);
    let condition = condition.unwrap_or_else(|| panic!("{rule}: {diagnostics:?}"));
    let context = Context::new(|| json!({"Execution": {"Input": {"n": 3}}}));
    condition.evaluate(&Scope { input, context: &context, variables: &NoVariables, entropy: &Entropy::new(1) })
}

fn check(input: &Value, rows: &[(Value, bool)]) {
    for (rule, expected) in rows {
        assert_eq!(evaluate(rule, input), Ok(*expected), "{rule}");
    }
}

#[test]
fn operators() {
    let input = json!({
        "s": "abc", "n": 5, "f": 5.0, "t": true, "null": null, "list": [1],
        "at": "2020-01-01T00:00:00Z", "late": "2020-01-01T02:00:00.000000001+02:00", "star": "a*c"
    });
    check(
        &input,
        &[
            (json!({"Variable": "$.s", "StringEquals": "abc"}), true),
            (json!({"Variable": "$.s", "StringLessThan": "abd"}), true),
            (json!({"Variable": "$.s", "StringGreaterThan": "ab"}), true),
            (json!({"Variable": "$.s", "StringGreaterThan": "Z"}), true),
            (json!({"Variable": "$.s", "StringMatches": "a*c"}), true),
            (json!({"Variable": "$.s", "StringMatches": "a\\*c"}), false),
            (json!({"Variable": "$.star", "StringMatches": "a\\*c"}), true),
            (json!({"Variable": "$.n", "StringMatches": "*"}), false),
            (json!({"Variable": "$.n", "NumericEquals": 5.0}), true),
            (json!({"Variable": "$.n", "NumericEqualsPath": "$.f"}), true),
            (json!({"Variable": "$.n", "NumericLessThanEquals": 4.999}), false),
            (json!({"Variable": "$.n", "NumericGreaterThanPath": "$$.Execution.Input.n"}), true),
            (json!({"Variable": "$.s", "NumericEquals": 5}), false),
            (json!({"Variable": "$.n", "NumericEqualsPath": "$.s"}), false),
            (json!({"Variable": "$.t", "BooleanEquals": true}), true),
            (json!({"Variable": "$.at", "TimestampEquals": "2020-01-01T01:00:00+01:00"}), true),
            (json!({"Variable": "$.late", "TimestampGreaterThanPath": "$.at"}), true),
            (json!({"Variable": "$.late", "TimestampEqualsPath": "$.at"}), false),
            (json!({"Variable": "$.s", "TimestampLessThanPath": "$.at"}), false),
            (json!({"Variable": "$.null", "IsNull": true}), true),
            (json!({"Variable": "$.n", "IsNull": true}), false),
            (json!({"Variable": "$.at", "IsTimestamp": true}), true),
            (json!({"Variable": "$.s", "IsTimestamp": false}), true),
            (json!({"Variable": "$.s", "IsString": true}), true),
            (json!({"Variable": "$.t", "IsBoolean": true}), true),
            (json!({"Variable": "$.null", "IsPresent": true}), true),
            (json!({"Variable": "$.none.deep", "IsPresent": false}), true),
            (json!({"Variable": "$.list[1]", "IsPresent": true}), false),
            (json!({"Variable": "$.list[0]", "IsPresent": true}), true),
        ],
    );
}

#[test]
fn combinations_stop_at_the_first_answer() {
    let missing = json!({"Variable": "$.none", "IsNull": true});
    let present = |expected: bool| json!({"Variable": "$.none", "IsPresent": expected});
    check(
        &json!({}),
        &[
            (json!({"And": [present(true), missing]}), false),
            (json!({"Or": [present(false), missing]}), true),
            (json!({"Not": present(true), "Next": "X", "Comment": "kept out"}), true),
            (json!({"Not": {"Or": [present(true), {"Not": {"And": [present(false)]}}]}}), true),
        ],
    );
}

#[test]
fn a_missing_value_fails_the_execution() {
    let rows = [
        (json!({"Variable": "$.x", "StringEquals": "a"}), "$.x"),
        (json!({"Variable": "$.x", "IsNull": true}), "$.x"),
        (json!({"Variable": "$.a", "NumericEqualsPath": "$.b[0]"}), "$.b[0]"),
        (json!({"And": [{"Not": {"Variable": "$.x", "IsString": true}}]}), "$.x"),
    ];
    for (rule, path) in rows {
        let cause = format!("Invalid path '{path}': The choice state's condition path references an invalid value.");
        assert_eq!(evaluate(&rule, &json!({"a": 1})), Err(EvalError::runtime(cause)), "{rule}");
    }
}

#[test]
fn wrong_rules_are_reported_at_their_place() {
    let rows = [
        (json!(1), "/R", "Expected value of type Object"),
        (json!({"Variable": "$.a"}), "/R", "must have one comparison operator"),
        (json!({"StringEquals": "a"}), "/R", "The field 'Variable' is required but was missing"),
        (json!({"Variable": "$.a", "StringEqual": "a"}), "/R", "Field 'StringEqual' is not supported"),
        (json!({"Variable": "$.a", "IsNull": true, "IsString": true}), "/R", "only one comparison operator"),
        (json!({"Variable": "$.a", "StringEquals": 1}), "/R/StringEquals", "Expected value of type String"),
        (json!({"Variable": "$.a", "NumericEquals": "1"}), "/R/NumericEquals", "Expected value of type Number"),
        (json!({"Variable": "$.a", "IsPresent": "yes"}), "/R/IsPresent", "Expected value of type Boolean"),
        (
            json!({"Variable": "$.a", "TimestampEquals": "2020-01-01"}),
            "/R/TimestampEquals",
            "String does not match RFC3339 timestamp",
        ),
        (
            json!({"Variable": "States.ArrayLength($.a)", "NumericEquals": 1}),
            "/R/Variable",
            "Value is not a Reference Path: Reference path didn't start with '$'",
        ),
        (json!({"Variable": "$.a", "StringEqualsPath": "$.["}), "/R/StringEqualsPath", "Value is not a Reference Path"),
        (json!({"And": []}), "/R/And", "non-empty array"),
        (json!({"Or": [{"Variable": "$.a", "IsNull": true, "Next": "X"}]}), "/R/Or/0", "Field 'Next' is not supported"),
    ];
    for (rule, pointer, message) in rows {
        let (condition, diagnostics) = parse(&rule);
        assert!(condition.is_none(), "{rule}");
        let [finding] = &diagnostics[..] else { panic!("one finding for {rule}, not {diagnostics:?}") };
        assert_eq!(finding.pointer, pointer, "{rule}");
        assert!(finding.message.contains(message), "{rule}: {finding}");
    }
}

#[test]
fn every_operator_of_the_language_is_there() {
    let properties = PROPERTIES.len() + ["IsPresent", "StringMatches"].len();
    assert_eq!(COMPARISONS.len() * 2 + properties, 39);
}

#[test]
fn rules_nest_a_hundred_deep() {
    let nested = |depth| (0..depth).fold(json!({"Variable": "$", "IsPresent": true}), |rule, _| json!({"Not": rule}));
    assert_eq!(evaluate(&nested(100), &json!({})), Ok(true));
    let (condition, diagnostics) = parse(&nested(101));
    assert!(condition.is_none());
    assert!(diagnostics[0].message.contains("at most 100 deep"));
}

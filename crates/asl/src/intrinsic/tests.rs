//! Tables for intrinsic functions. Where a row surprises, it was observed on AWS.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::scope::{Context, Entropy, NoVariables};

fn evaluate(text: &str, input: &Value) -> Result<Value, EvalError> {
    let call = Call::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let context = Context::new(|| json!({"Execution": {"Name": "run-1"}}));
    call.evaluate(&Scope { input, context: &context, variables: &NoVariables, entropy: &Entropy::new(7) })
}

fn check(input: &Value, rows: &[(&str, Value)]) {
    for (text, expected) in rows {
        assert_eq!(evaluate(text, input), Ok(expected.clone()), "{text}");
    }
}

fn check_refused(input: &Value, rows: &[(&str, &str)]) {
    for (text, detail) in rows {
        let error = evaluate(text, input).expect_err(text);
        let name = text.split('(').next().unwrap_or_default();
        assert_eq!(error.error, "States.Runtime", "{text}");
        assert!(error.cause.contains(&format!("Invalid arguments in {name}: ")), "{text}: {}", error.cause);
        assert!(error.cause.contains(detail), "{text}: {}", error.cause);
    }
}

#[test]
fn arrays() {
    let input = json!({"a": [1, 2, 3, 4, 5], "e": [], "n": null, "o": [{"a": 1, "b": 2}]});
    check(
        &input,
        &[
            ("States.Array()", json!([])),
            ("States.Array( 1,-2.5 , 'x', true,null,$.e)", json!([1, -2.5, "x", true, null, []])),
            ("States.ArrayPartition($.a, 2)", json!([[1, 2], [3, 4], [5]])),
            ("States.ArrayPartition($.a, 2.6)", json!([[1, 2], [3, 4], [5]])),
            ("States.ArrayPartition($.e, 3)", json!([])),
            ("States.ArrayContains($.a, 3)", json!(true)),
            ("States.ArrayContains($.a, '3')", json!(true)),
            ("States.ArrayContains($.e, $.n)", json!(false)),
            ("States.ArrayContains(States.Array('true'), true)", json!(true)),
            ("States.ArrayContains($.o, States.StringToJson('\\{\"b\":2,\"a\":1\\}'))", json!(false)),
            ("States.ArrayRange(1, 9, 2)", json!([1, 3, 5, 7, 9])),
            ("States.ArrayRange(5, 1, -2)", json!([5, 3, 1])),
            ("States.ArrayRange(5, 1, 1)", json!([])),
            ("States.ArrayRange(1, 0, 2)", json!([])),
            ("States.ArrayRange(3, 3, -1)", json!([3])),
            ("States.ArrayRange(5.4, -0.6, -2.4)", json!([5, 3, 1])),
            ("States.ArrayLength(States.ArrayRange(1, 1000, 1))", json!(1000)),
            ("States.ArrayRange(-2147483648, 2147483647, 2147483647)", json!([-2147483648_i64, -1, 2147483646])),
            ("States.ArrayGetItem($.a, 4)", json!(5)),
            ("States.ArrayGetItem($.a, 1.9)", json!(2)),
            ("States.ArrayGetItem($.e, 999)", json!(null)),
            ("States.ArrayLength($.a)", json!(5)),
            ("States.ArrayUnique(States.Array(1, 2, 2, '1', true, false, true))", json!([1, "1", 2, false, true])),
        ],
    );
    check_refused(
        &input,
        &[
            ("States.ArrayPartition($.a, 0)", "at least 1"),
            ("States.ArrayPartition($.a, -1)", "at least 1"),
            ("States.ArrayPartition('x', 1)", "argument 1 must be an array, but is a string"),
            ("States.ArrayPartition($.a)", "takes 2 arguments, not 1"),
            ("States.ArrayContains($.n, 1)", "must be an array, but is null"),
            ("States.ArrayRange(1, 1001, 1)", "1001 items"),
            ("States.ArrayRange(-2147483648, 2147483647, 1)", "4294967296 items"),
            ("States.ArrayRange(1, 10, 0.49)", "must not be 0"),
            ("States.ArrayRange('a', 5, 1)", "must be a number"),
            ("States.ArrayGetItem($.a, 5)", "has 5 items"),
            ("States.ArrayGetItem($.a, -1)", "has 5 items"),
            ("States.ArrayGetItem($.a, 3000000000)", "range"),
            ("States.ArrayLength(1)", "must be an array, but is 1"),
        ],
    );
}

#[test]
fn encodings() {
    let long = "a".repeat(10_000);
    let input =
        json!({"s": "✓", "long": long, "longer": long.clone() + "a", "wide": "é".repeat(10_000), "o": {"a": 1}});
    check(
        &input,
        &[
            ("States.Base64Encode('Data to encode')", json!("RGF0YSB0byBlbmNvZGU=")),
            ("States.Base64Encode($.s)", json!("4pyT")),
            ("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", json!("Data to encode")),
            ("States.Base64Decode('')", json!("")),
            ("States.Base64Decode('aGVsbG8')", json!("hello")),
            ("States.Base64Decode(' aGVs!!bG8= ')", json!("hello")),
            ("States.Base64Decode('aGVsbG8=aGVsbG8=')", json!("hello")),
            ("States.Base64Decode('a')", json!("")),
            ("States.Base64Decode('/w')", json!("\u{FFFD}")),
            ("States.Hash('hello', 'MD5')", json!("5d41402abc4b2a76b9719d911017c592")),
            ("States.Hash('hello', 'SHA-1')", json!("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")),
            ("States.Hash($.s, 'SHA-256')", json!("1dabba21cdad44541f6b15796f8d22978fc7ea10c46aeceeeeb66c23b3ac7604")),
            (
                "States.Hash('hello', 'SHA-384')",
                json!(
                    "59e1748777448c69de6b800d7a33bbfb9ff1b463e44354c3553bcdb9c666fa90125a3c79f90397bdf5f6a13de828684f"
                ),
            ),
            ("States.Hash('123', 'MD5')", json!("202cb962ac59075b964b07152d234b70")),
            ("States.Hash(123, 'MD5')", json!("202cb962ac59075b964b07152d234b70")),
            ("States.ArrayLength(States.StringSplit(States.UUID(), '-'))", json!(5)),
        ],
    );
    assert!(evaluate("States.Base64Encode($.long)", &input).is_ok());
    assert!(evaluate("States.Base64Encode($.wide)", &input).is_ok(), "characters are counted, not bytes");
    check_refused(
        &input,
        &[
            ("States.Base64Encode($.longer)", "more than 10000 characters"),
            ("States.Base64Decode($.longer)", "more than 10000 characters"),
            ("States.Hash($.longer, 'MD5')", "more than 10000 characters"),
            ("States.Base64Encode(1)", "must be a string, but is 1"),
            ("States.Base64Decode($.o)", "must be a string, but is an object"),
            ("States.Hash('x', 'sha-256')", "no algorithm 'sha-256'"),
            ("States.Hash(null, 'MD5')", "but is null"),
            ("States.UUID(1)", "takes 0 arguments"),
        ],
    );
}

#[test]
fn a_uuid_is_of_version_4_and_of_the_entropy() {
    let uuid = evaluate("States.UUID()", &json!({})).expect("a UUID");
    let text = uuid.as_str().expect("a text");
    assert_eq!((text.len(), &text[14..15]), (36, "4"));
    assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
    assert_eq!(evaluate("States.UUID()", &json!({})), Ok(uuid.clone()), "equal scopes, equal results");
    let two = evaluate("States.Array(States.UUID(), States.UUID())", &json!({})).expect("two UUIDs");
    assert_ne!(two[0], two[1]);
}

#[test]
fn json_and_text() {
    let input = json!({"a": {"x": {"y": 1}, "z": 2}, "b": {"x": {"w": 3}}, "bad": "{", "n": 1.0});
    check(
        &input,
        &[
            ("States.JsonMerge($.a, $.b, false)", json!({"x": {"w": 3}, "z": 2})),
            ("States.JsonMerge($.a, $.b, 'false')", json!({"x": {"w": 3}, "z": 2})),
            ("States.JsonToString($.a)", json!(r#"{"x":{"y":1},"z":2}"#)),
            ("States.JsonToString('x')", json!("\"x\"")),
            ("States.JsonToString($.n)", json!("1.0")),
            ("States.StringToJson(' [1, \"x\"] ')", json!([1, "x"])),
            ("States.StringToJson('')", json!(null)),
            ("States.StringToJson(States.JsonToString($.a))", input["a"].clone()),
            ("States.StringSplit('1+2,,3.4', '.+,')", json!(["1", "2", "3", "4"])),
            ("States.StringSplit(',', ',')", json!([])),
            ("States.StringSplit('', ',')", json!([])),
            ("States.StringSplit('abc', '')", json!(["abc"])),
        ],
    );
    check_refused(
        &input,
        &[
            ("States.JsonMerge($.a, $.b, true)", "deep merging"),
            ("States.JsonMerge($.a, 1, false)", "argument 2 must be an object"),
            ("States.StringToJson($.bad)", "not JSON"),
            ("States.StringToJson($.a)", "must be a string"),
            ("States.StringSplit(1, ',')", "must be a string"),
        ],
    );
}

#[test]
fn format() {
    let input = json!({"s": "x", "o": {"a": [1, null]}, "f": 1.0, "t": "n={}", "wild": [{"v": 1}, {"v": 2}]});
    check(
        &input,
        &[
            ("States.Format('{} {}|{}', $.s, $.f, $.o)", json!("x 1.0|{a=[1, null]}")),
            ("States.Format('no placeholder')", json!("no placeholder")),
            ("States.Format($.t, 1)", json!("n=1")),
            (r"States.Format('\'{}\' \{\} \\', true)", json!(r"'true' {} \")),
            ("States.Format('{}', $$.Execution.Name)", json!("run-1")),
            ("States.Format('{}', $.wild[*].v)", json!("[1, 2]")),
            ("States.Format('{}, {}', $.wild[?(@.v == 2)].v, $['s'])", json!("[2], x")),
            ("States.Format('a\nb')", json!("a\nb")),
        ],
    );
    check_refused(
        &input,
        &[
            ("States.Format('{} {}', $.s)", "number of arguments do not match the occurrences of {}."),
            ("States.Format('{}', 1, 2)", "number of arguments do not match the occurrences of {}."),
            ("States.Format('Hello {', 1)", "matching '}' not found for '{'"),
            ("States.Format('{{}}', 1)", "matching '}' not found for '{'"),
            ("States.Format('}')", "matching '{' not found"),
            ("States.Format(123, 1)", "must be a string"),
        ],
    );
}

#[test]
fn numbers() {
    check(
        &json!({}),
        &[
            ("States.MathAdd(1.5, 1.51)", json!(4)),
            ("States.MathAdd(-1.5, 0)", json!(-1)),
            ("States.MathAdd(2147483646, 1)", json!(2147483647)),
            ("States.MathAdd(-2147483647, -1)", json!(-2147483648_i64)),
            ("States.MathRandom(5, 6)", json!(5)),
            ("States.MathRandom(5, 6, 42)", json!(5)),
        ],
    );
    check_refused(
        &json!({}),
        &[
            ("States.MathAdd(2147483647, 1)", "outside the range"),
            ("States.MathAdd(3000000000, 1)", "within the range"),
            ("States.MathAdd('1', 1)", "must be a number"),
            ("States.MathAdd(true, 1)", "must be a number"),
            ("States.MathRandom(1, 1)", "must be less"),
            ("States.MathRandom(1.4, 1.6)", "must be less"),
            ("States.MathRandom(1, 10, null)", "must be a number"),
        ],
    );
    let seeded = "States.MathRandom(-2147483648, 2147483647, 42)";
    assert_eq!(evaluate(seeded, &json!({})), evaluate(seeded, &json!({})));
}

#[test]
fn a_missing_argument_has_the_text_of_aws() {
    let input = json!({"other": 1, "items": [1, 2]});
    let shown = r#"'{"other":1,"items":[1,2]}'"#;
    let not_found =
        |path: &str| format!("The JsonPath argument for the field '{path}' could not be found in the input {shown}");
    let rows = [
        ("States.Format('{}',$.nope)", not_found("$.nope")),
        ("States.Format('{} {}', $.other, $.a.b)", not_found("$.a.b")),
        ("States.Format('{}', States.Format('{}', $.nope))", not_found("$.nope")),
        ("States.Format('{}', $.items[5])", not_found("$.items[5]")),
        ("States.Format('{}', $$.Nope.Deep)", not_found("$.Nope.Deep")),
        (
            "States.Format('{}', $.other[0])",
            "Filter: [0] can only be applied to arrays. Current context is: 1".to_owned(),
        ),
    ];
    for (text, sentence) in rows {
        let cause = format!("The function '{text}' had the following error: {sentence}");
        assert_eq!(evaluate(text, &input), Err(EvalError::runtime(cause)));
    }
}

#[test]
fn what_is_no_call_is_refused_with_its_place() {
    let rows = [
        ("States.Nope()", "'States.Nope' is no intrinsic function", 0),
        ("States.Array", "expected '('", 12),
        ("States.Array(", "expected an argument", 13),
        ("States.Array(1", "expected ','", 14),
        ("States.Array(1,)", "expected an argument", 15),
        ("States.Array([1])", "expected an argument", 13),
        ("States.Array(1.)", "expected an argument", 13),
        ("States.Array(.5)", "expected an argument", 13),
        ("States.Array('a)", "not closed", 13),
        (r"States.Array('a\nb')", "a backslash escapes only", 15),
        ("States.Array($.a) x", "nothing may follow", 17),
        ("States.Array($.a[)", "after '['", 17),
        ("States.Array($states)", "JSONata only", 14),
        ("States.Array($.a])", "expected '.' or '['", 16),
    ];
    for (text, message, at) in rows {
        let error = Call::parse(text).expect_err(text);
        assert!(error.contains(message), "{text}: {error}");
        assert!(error.ends_with(&format!("(at position {at})")), "{text}: {error}");
    }
}

#[test]
fn calls_nest_ten_deep() {
    let nested = |depth: usize| format!("{}1{}", "States.Array(".repeat(depth), ")".repeat(depth));
    assert!(Call::parse(&nested(10)).is_ok());
    assert!(Call::parse(&nested(11)).expect_err("deep").contains("at most 10 deep"));
    assert!(Call::parse(&nested(100_000)).is_err());
}

#[test]
fn results_are_bounded() {
    let input = json!({"big": vec![0; 100_000]});
    for part in ["States.Array({})", "States.Format('{}', States.Array({}))"] {
        let text = part.replacen("({})", &format!("({})", vec!["$.big"; 100].join(",")), 1);
        let error = evaluate(&text, &input).expect_err("ten million nodes");
        assert!(error.cause.contains("takes more than"), "{}", error.cause);
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = Call::parse(&text);
        let _ = Call::parse(&format!("States.Array({text})"));
    }

    #[test]
    fn no_call_of_the_right_letters_makes_anything_panic(
        index in 0..FUNCTIONS.len(),
        arguments in r#"[$.\[\]'*?@(){}\\,0-9a-b e-]{0,30}"#,
    ) {
        let text = format!("{}({arguments})", FUNCTIONS[index].name);
        if Call::parse(&text).is_ok() {
            let _ = evaluate(&text, &json!({"a": [1, "b", null], "b": "a,b"}));
        }
    }

    #[test]
    fn a_random_number_is_within_its_bounds(start in any::<i32>(), end in any::<i32>(), seed in any::<i32>()) {
        prop_assume!(start < end);
        for text in [format!("States.MathRandom({start}, {end})"), format!("States.MathRandom({start}, {end}, {seed})")] {
            let drawn = evaluate(&text, &json!({})).expect("valid bounds").as_i64().expect("an integer");
            prop_assert!((i64::from(start)..i64::from(end)).contains(&drawn));
        }
    }
}

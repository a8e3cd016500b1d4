//! Tables: what expressions give, the sentences of failures, the functions of Step Functions, the limits. Rows that
//! say "AWS" were measured there by users of other emulators.

use jsonata_core::evaluator::Context as Bindings;
use jsonata_core::value::JValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::failure::{Limit, Reason};
use super::guard::guard;
use super::host::Host;
use super::limit::Budget;
use super::parse::parse;
use super::reads::Reads;
use super::session::Session;
use super::{Available, Expected, Expression, Failure, Scope, States, Template};
use crate::scope::{Context, Entropy};

const INPUT: &str = r#"{
    "orderId": "o-1", "items": [{"id": 1, "price": 2.5}, {"id": 2, "price": 4.0}], "empty": [], "one": [5],
    "wide": 9007199254740993, "float": 1.0, "huge": 9223372036854775808, "null": null, "deep": {"a": {"b": [1, 2]}}
}"#;

/// 2026-03-05T06:07:08.009Z
const NOW_MS: i64 = 1_772_690_828_009;

fn with_scope<T>(seed: u64, run: impl FnOnce(&Scope<'_>) -> T) -> T {
    let input = serde_json::from_str(INPUT).unwrap();
    let variables = json!({"count": 3, "order": {"id": 7}, "hash": "h", "list": [{"v": 1}, {"v": 2}]});
    let result = json!({"ok": true});
    let context = Context::new(|| json!({"Execution": {"Id": "run-1"}}));
    let states = States { input: &input, result: Some(&result), error_output: None, context: &context };
    let (variables, entropy) = (variables.as_object().unwrap(), Entropy::new(seed));
    run(&Scope { states, variables, entropy: &entropy, now_ms: NOW_MS })
}

fn evaluate(text: &str) -> Result<Value, Failure> {
    with_scope(7, |scope| Expression::parse(text).expect(text).evaluate(scope, "Output/v"))
}

/// What follows the sentence's beginning.
fn cause(text: &str) -> String {
    let failure = evaluate(text).expect_err(text);
    assert_eq!((failure.error, failure.location.as_deref()), ("States.QueryEvaluationError", Some("Output/v")));
    let begin = format!("The JSONata expression '{text}' specified for the field 'Output/v' ");
    failure.cause.strip_prefix(&begin).unwrap_or_else(|| panic!("{}", failure.cause)).to_owned()
}

#[test]
fn values() {
    let rows = [
        ("$states.input.orderId", json!("o-1")),
        ("$substring('abc', 1e308)", json!("")),
        ("$substring('abc', 1, 1e308)", json!("bc")),
        ("$substring('abc', -1e308, 1e308)", json!("abc")),
        ("$substring('abcd', -3, 2.9)", json!("bc")),
        ("$states.input.orderId.$substring(1)", json!("-1")),
        ("$states.input.items.price", json!([2.5, 4])),
        ("$states.input.items[id = 2].price", json!(4)),
        ("$states.input.items.id.$string()", json!(["1", "2"])),
        // Lists of the data stay lists.
        ("$states.input.empty", json!([])),
        ("$states.input.one", json!([5])),
        ("$states.input.deep.a.b", json!([1, 2])),
        ("$states.input.`null`", json!(null)),
        ("$exists($states.input.`null`)", json!(true)),
        ("$states.result", json!({"ok": true})),
        ("$states.context.Execution.Id", json!("run-1")),
        ("$keys($states)", json!(["input", "result", "context"])),
        ("$order.id + $count", json!(10)),
        ("$list.v", json!([1, 2])),
        // A variable may have the name of a function, and the function is still there.
        ("$hash", json!("h")),
        ("$hash('Hello', 'MD5')", json!("8b1a9953c4611296a827abf8c47804d7")),
        // A name that the expression binds wins.
        ("($string := function($x){ 'mine' }; $string(1))", json!("mine")),
        ("($order := 1; $order)", json!(1)),
        // AWS: numbers.
        ("$states.input.float", json!(1)),
        ("$states.input.huge", json!(9_223_372_036_854_775_808_f64)),
        ("1/0", json!("Infinity")),
        ("[-1/0]", json!(["-Infinity"])),
        ("{'k': 0/0}", json!({"k": "NaN"})),
        ("$parseInteger('abc', '0')", json!("NaN")),
        ("$string(1e20)", json!("100000000000000000000")),
        ("$string(1e21)", json!("1e+21")),
        ("$string(1e-7)", json!("1e-7")),
        ("$string(1/3)", json!("0.333333333333333")),
        ("-0", json!(0)),
        // Integers of 64 bits come out as they went in, also out of other values.
        ("$states.input.wide", json!(9_007_199_254_740_993_i64)),
        ("$merge([$states.input.deep, {'id': $states.input.wide}]).id", json!(9_007_199_254_740_993_i64)),
        ("$parse('{\"n\":9223372036854775807}').n", json!(i64::MAX)),
        ("$now()", json!("2026-03-05T06:07:08.009Z")),
        ("$now('[Y]-[M01]', '+0100')", json!("2026-03")),
        ("$millis()", json!(NOW_MS)),
        // What a picture leaves out is of the scope's day, month or year.
        ("$toMillis('10:20', '[H]:[m]')", json!(1_772_706_000_000_i64)),
        ("$toMillis('12-24', '[M]-[D]')", json!(1_798_070_400_000_i64)),
        ("$toMillis('2018', '[Y]')", json!(1_514_764_800_000_i64)),
        ("$replace('aba', /a/, function($m){ $m.match & '!' })", json!("a!ba!")),
        ("$map(['a-b', 'c'], $split(?, '-'))", json!([["a", "b"], ["c"]])),
        ("$map(['x'], $uppercase)", json!("X")),
    ];
    for (text, expected) in rows {
        assert_eq!(evaluate(text), Ok(expected), "{text}");
    }
}

#[test]
fn functions_of_step_functions() {
    let rows = [
        // AWS
        ("$partition([1,2,3,4,5], 2.9)", json!([[1, 2], [3, 4], [5]])),
        ("$partition([0], 5)", json!([[0]])),
        ("$partition([1,2,3])", json!([[1, 2, 3]])),
        ("$range(0, 6, 2)", json!([0, 2, 4, 6])),
        ("$range(10, 0, -5)", json!([10, 5, 0])),
        ("$range(-1.7, 2, 1)", json!([-1, 0, 1, 2])),
        ("$range(5, 1, -1.5)", json!([5, 4, 3, 2, 1])),
        ("$range(3, 3, 1)", json!(3)),
        ("$count($range(-9223372036854775808, 9223372036854775807, 9223372036854775807))", json!(3)),
        ("$hash('input', 'SHA-1')", json!("140f86aae51ab9e1cda9b4254fe98a74eb54c1a1")),
        ("$hash('ñ', 'MD5')", json!("94e9342ecbb1458b6043ecd3bfcbc192")),
        ("$random(42)", json!(0.7275636800328681)),
        ("$random(0.9)", json!(0.730967787376657)),
        ("$random(7)", json!(0.7306990420600421)),
        ("$parse('{\"a\":[1.0, 1e2]}').a", json!([1, 100])),
        ("$parse('-0')", json!(0)),
        ("$map(['{\"a\":1}', '{\"a\":2}'], $parse).a", json!([1, 2])),
        ("$exists($parse('null'))", json!(true)),
    ];
    for (text, expected) in rows {
        assert_eq!(evaluate(text), Ok(expected), "{text}");
    }
    let nothing = [
        "$partition([], 2)",
        "$partition([1], 0)",
        "$partition([1,2], -0.5)",
        "$partition($none, 1)",
        "$range(5, 1, 1)",
        "$range(1, 5, 0)",
        "$range(1, 5)",
        "$hash('a')",
        "$hash($none, 'MD5')",
        "$parse()",
        "$parse($none)",
    ];
    for text in nothing {
        assert_eq!(cause(text), "returned nothing (undefined).", "{text}");
    }
}

#[test]
fn sentences_of_failures() {
    let mismatch = |place: u32, function: &str| {
        format!("T0410: Argument {place} of function \"{function}\" does not match function signature")
    };
    let coded = [
        // AWS
        ("$eval('1+1')", "T1006: Attempted to invoke a non-function".to_owned()),
        ("$assert(false, 'boom')", "D3141: boom".to_owned()),
        ("$error('boom')", "D3137: boom".to_owned()),
        ("$sum(['a'])", "T0412: Argument 1 of function \"sum\" must be an array of \"numbers\"".to_owned()),
        ("$abs('a')", mismatch(1, "abs")),
        ("$sqrt(-1)", "D3060: The sqrt function cannot be applied to a negative number: -1".to_owned()),
        (
            "$split('a', 'b', -1)",
            "D3020: Third argument of split function must evaluate to a positive number".to_owned(),
        ),
        ("$parse('1e400')", "D3137: Invalid JSON".to_owned()),
        ("$parse('{\"a\":1,\"a\":2}')", "D3137: Invalid JSON".to_owned()),
        ("$parse('[1] [2]')", "D3137: Invalid JSON".to_owned()),
        ("$parse('')", "D3137: Invalid JSON".to_owned()),
        ("$parse(null)", mismatch(1, "parse")),
        ("$parse('{}', 'x')", mismatch(2, "parse")),
        ("$partition([1,2], -1)", "D3137: Second argument must be zero or greater".to_owned()),
        ("$partition([1,2], 2, 'x')", mismatch(3, "partition")),
        ("$range(1)", mismatch(2, "range")),
        ("$range(1, 5, 1, 'x')", mismatch(4, "range")),
        ("$hash('a', 5)", mismatch(2, "hash")),
        ("$hash(42, 'MD5')", mismatch(1, "hash")),
        ("$uuid('seed')", mismatch(1, "uuid")),
        ("$random(1, 2)", mismatch(2, "random")),
        // The language's
        ("1 + 'a'", "T2002: The right side of the \"+\" operator must evaluate to a number".to_owned()),
        ("-'a'", "D1002: Cannot negate a non-numeric value: \"a\"".to_owned()),
        ("$number('x{}')", "D3030: Unable to cast value to a number: \"x{}\"".to_owned()),
        (
            "1 < 'a'",
            "T2009: The values 1 and \"a\" either side of operator \"<\" must be of the same data type".to_owned(),
        ),
        (
            "null > 1",
            "T2010: The expressions either side of operator \">\" must evaluate to numeric or string values".to_owned(),
        ),
        ("$unknown(1)", "T1006: Attempted to invoke a non-function".to_owned()),
        // An operator is no function, whatever stands for it in the tree that is evaluated.
        (
            "1 ~> 'a' & 'b'",
            "T2006: The right side of the function application operator ~> must be a function".to_owned(),
        ),
        ("1 ~> -'a'", "D1002: Cannot negate a non-numeric value: \"a\"".to_owned()),
        ("$map($states.input.items, function($i){ $uppercase($i.id) })", mismatch(1, "uppercase")),
    ];
    for (text, expected) in coded {
        assert_eq!(cause(text), format!("threw an error during evaluation. {expected}"), "{text}");
    }
    let rows = [
        ("$doesNotExist", "returned nothing (undefined)."),
        ("$states.input.nope", "returned nothing (undefined)."),
        ("$states.errorOutput", "returned nothing (undefined)."),
        ("$states.input.orderId.nope", "returned nothing (undefined)."),
        ("function($x){$x}", "returned an unsupported result type."),
        ("$sum", "returned an unsupported result type."),
        ("/a/", "returned an unsupported result type."),
        ("[$sum]", "returned an unsupported result type."),
    ];
    for (text, expected) in rows {
        assert_eq!(cause(text), expected, "{text}");
    }
}

#[test]
fn types_of_fields() {
    let rows = [
        ("true", Expected::Array, "Expected 'array', but was 'boolean' for value: true"),
        ("{'foo': 'bar'}", Expected::Array, "Expected 'array', but was 'object' for value: {\"foo\":\"bar\"}"),
        ("null", Expected::Number, "Expected 'number', but was 'null' for value: null"),
        ("'x'", Expected::Boolean, "Expected 'boolean', but was 'string' for value: \"x\""),
        ("1", Expected::String, "Expected 'string', but was 'number' for value: 1"),
        ("[1]", Expected::Object, "Expected 'object', but was 'array' for value: [1]"),
    ];
    for (text, expected, told) in rows {
        let expression = Expression::parse(text).unwrap();
        let failure = with_scope(1, |scope| expression.evaluate_as(expected, scope, "Items")).unwrap_err();
        let cause = format!(
            "The JSONata expression '{text}' specified for the field 'Items' returned an unexpected result type. {told}"
        );
        assert_eq!(failure, Failure::new(Some("Items"), cause));
    }
    assert_eq!(
        with_scope(1, |scope| Expression::parse("[1]").unwrap().evaluate_as(Expected::Array, scope, "Items")),
        Ok(json!([1]))
    );
}

#[test]
fn parse_errors() {
    let rows = [
        // AWS
        ("a[1,2)", "Expected \"]\", got \",\""),
        ("\"unterminated", "String literal must be terminated by a matching quote"),
        ("1 +", "Unexpected end of expression"),
        ("{\"a\":}", "The symbol \"}\" cannot be used as a unary operator"),
        ("$x :=", "Unexpected end of expression"),
        ("$match(\"a\", /abc", "No terminating / in regular expression"),
        ("phone %.other", "The symbol \".\" cannot be used as a unary operator"),
        ("", "Unexpected end of expression"),
        // The language's
        ("(1", "Expected \")\" before end of expression"),
        ("1 2", "Syntax error: \"2\""),
        ("a b", "Syntax error: \"b\""),
    ];
    for (text, expected) in rows {
        assert_eq!(Expression::parse(text).expect_err(text).message, expected, "{text}");
    }
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(Expression::parse(&deep).unwrap_err().message, Limit::Depth.sentence());
}

#[test]
fn what_a_definition_may_not_refer_to() {
    let top = |name: &str| format!("Reference to '{name}' at the top level is not supported.");
    let rows = [
        ("phone", Available::default(), vec![top("phone")]),
        ("aaa + bbb + aaa", Available::default(), vec![top("aaa"), top("bbb")]),
        ("$.phone", Available::default(), vec![top("$")]),
        ("$$", Available::default(), vec!["Reference to '$$' is not supported.".to_owned()]),
        ("$map($states.input.a, function($x){ b })", Available::default(), vec![top("b")]),
        ("$states.result", Available::default(), vec!["Field '$states.result' does not exist.".to_owned()]),
        ("$states.result", Available { result: true, error_output: false }, vec![]),
        ("$states.errorOutput.Cause", Available { result: true, error_output: true }, vec![]),
        (
            "[$states.errorOutput]",
            Available { result: true, error_output: false },
            vec!["Field '$states.errorOutput' does not exist.".to_owned()],
        ),
        ("$states.input.items[phone > 3].{'n': name}^(name)", Available::default(), vec![]),
        ("$states.input.items{category: $sum(price)}", Available::default(), vec![]),
        ("$states", Available::default(), vec![]),
    ];
    for (text, available, expected) in rows {
        let found = Expression::parse(text).expect(text).findings(available);
        assert!(found.iter().all(|finding| finding.code == "UNSUPPORTED_JSONATA_EXPRESSION"));
        assert_eq!(found.into_iter().map(|finding| finding.message).collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn variables_that_are_read() {
    let rows: &[(&str, &[&str])] = &[
        ("$states.input.a", &[]),
        ("$b + $a.c + $b", &["a", "b"]),
        ("($x := $y; $x)", &["y"]),
        ("($x := $x + 1; $x)", &["x"]),
        ("$map($list, function($v, $i){ $v * $factor })", &["factor", "list"]),
        ("$sum($list) & $uuid() & $map($list, $string)", &["list"]),
        ("$list@$l.items#$i.{'l': $l, 'i': $i, 'o': $other}", &["list", "other"]),
        ("($f := function($n){ $n = 0 ? $z : $f($n - 1) }; $f(3))", &["z"]),
    ];
    for (text, expected) in rows {
        assert_eq!(Expression::parse(text).expect(text).variables(), *expected, "{text}");
    }
}

#[test]
fn only_what_is_read_is_looked_at() {
    let input = json!({"a": 1, "list": [{"b": 1}, {"b": 2}]});
    let context = Context::new(|| panic!("nobody asked for the context object"));
    let states = States { input: &input, result: None, error_output: None, context: &context };
    let none = serde_json::Map::new();
    let scope = Scope { states, variables: &none, entropy: &Entropy::new(1), now_ms: 0 };
    for text in ["$states.input.a", "$states.input.a + 1", "$sum($states.input.list.b)", "$uppercase('x')"] {
        assert!(Expression::parse(text).unwrap().evaluate(&scope, "Output").is_ok(), "{text}");
    }
}

#[test]
fn templates() {
    let evaluate = |template: &Value, field: &str| {
        let mut diagnostics = Vec::new();
        let available = Available { result: true, error_output: false };
        let template = Template::parse(template, "/States/S/Output", available, &mut diagnostics);
        with_scope(1, |scope| template.unwrap_or_else(|| panic!("{diagnostics:?}")).evaluate(scope, field))
    };
    let rows = [
        (json!("{% $states.input.orderId %}"), json!("o-1")),
        (json!("{%1%}"), json!(1)),
        (json!({"a": "{% $count %}", "b": [true, "{% $order %}", 1.0]}), json!({"a": 3, "b": [true, {"id": 7}, 1.0]})),
        (json!({"list": "{% $list.v %}", "sum": "{% $sum($list.v) %}"}), json!({"list": [1, 2], "sum": 3})),
        // These are texts.
        (json!(" {% 1 %} "), json!(" {% 1 %} ")),
        (json!("Hello {% 1 %}"), json!("Hello {% 1 %}")),
        (json!("{% 1"), json!("{% 1")),
        (json!("{%}"), json!("{%}")),
        (json!({"$states.input": "$x"}), json!({"$states.input": "$x"})),
    ];
    for (template, expected) in rows {
        assert_eq!(evaluate(&template, "Output"), Ok(expected), "{template}");
    }
    let places = [
        (json!("{% $none %}"), "Output", "Output"),
        (json!({"v": "{% $none %}"}), "Output", "Output/v"),
        (json!({"ok": 1, "a": {"b": [[1, "{% $none %}"]]}}), "Output", "Output/a/b[0][1]"),
        (json!({"v": "{% $list.v[9] %}"}), "Choices[1]/Assign", "Choices[1]/Assign/v"),
    ];
    for (template, field, place) in places {
        let failure = evaluate(&template, field).unwrap_err();
        assert_eq!(failure.location.as_deref(), Some(place));
        assert!(failure.cause.ends_with(&format!("the field '{place}' returned nothing (undefined).")), "{failure}");
    }
}

#[test]
fn faults_of_templates_are_reported_at_their_places() {
    let template = json!({"a": ["{% 1 + %}", "{% $states.result %}"], "b/c": "{% phone %}", "ok": "{% 1 %}"});
    let mut diagnostics = Vec::new();
    assert!(Template::parse(&template, "/States/S/Output", Available::default(), &mut diagnostics).is_none());
    let found: Vec<_> = diagnostics.iter().map(|found| (found.code, found.pointer.as_str())).collect();
    let expected = [
        ("INVALID_JSONATA_EXPRESSION", "/States/S/Output/a/0"),
        ("UNSUPPORTED_JSONATA_EXPRESSION", "/States/S/Output/a/1"),
        ("UNSUPPORTED_JSONATA_EXPRESSION", "/States/S/Output/b~1c"),
    ];
    assert_eq!(found, expected);
}

/// Chance comes from the scope alone.
#[test]
fn evaluations_can_be_replayed() {
    let text = "[$uuid(), $random(), $shuffle([1..9]), $now(), $millis()]";
    let run = |seed| with_scope(seed, |scope| Expression::parse(text).unwrap().evaluate(scope, "Output")).unwrap();
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
    let uuid = run(3)[0].as_str().unwrap().to_owned();
    assert!(uuid.len() == 36 && &uuid[14..15] == "4" && "89ab".contains(&uuid[19..20]), "{uuid}");
    assert_eq!(evaluate("$uuid() = $uuid()"), Ok(json!(false)));
}

#[test]
fn limits_of_aws() {
    let sum = |terms: usize| format!("1{}", "+1".repeat(terms - 1));
    let nested = |open: &str, close: &str, levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
    let recursion = |calls: u32| format!("($f := function($x){{ $x <= 0 ? 0 : 1 + $f($x - 1) }}; $f({calls}))");
    let doubling = |times: u32| {
        format!("($f := function($s, $n){{ $n = 0 ? $s : $f($s & $s, $n - 1) }}; $length($f('x', {times})))")
    };
    let rows = [
        (sum(100), sum(101), Limit::Depth),
        (nested("(", ")", 99), nested("(", ")", 100), Limit::Depth),
        (nested("[", "]", 99), nested("[", "]", 100), Limit::Depth),
        (recursion(31), recursion(32), Limit::Depth),
        ("[1..873782] ~> $count()".to_owned(), "[1..873783] ~> $count()".to_owned(), Limit::Memory),
        ("$count($range(1, 360145, 1))".to_owned(), "$count($range(1, 360146, 1))".to_owned(), Limit::Memory),
        (doubling(22), doubling(23), Limit::Memory),
    ];
    for (accepted, refused, limit) in rows {
        assert!(evaluate(&accepted).is_ok(), "{accepted}");
        assert_eq!(cause(&refused), format!("threw an error during evaluation: {}", limit.sentence()));
    }
}

/// With a small budget, so that nothing here takes long; with the whole one they end the same way, later.
fn bounded(text: &str) -> Result<Value, Reason> {
    let mut tree = parse(text).expect(text);
    let mut reads = Reads::of(&tree);
    reads.operators = guard(&mut tree, &reads.bound);
    let host = Host { budget: Budget::of(4_000_000, 20_000), ..Host::new(NOW_MS) };
    Session::with(Bindings::new(), host, 1, &reads)?.evaluate(&tree, &reads, &JValue::Undefined)
}

#[test]
fn hostile_expressions_end() {
    let rows = [
        // For ever.
        ("($f := function($x){ $f($x + 1) }; $f(1))", Limit::Time),
        ("($f := function(){ $f() }; $f())", Limit::Time),
        ("($f := function($x){ $g($x) }; $g := function($x){ $f($x) }; $f(1))", Limit::Time),
        ("(function($x){ $x($x) })(function($x){ $x($x) })", Limit::Time),
        ("$map([1..10000], function($i){ $map([1..10000], function($j){ 1 }) })", Limit::Time),
        ("([1..15000] ~> $map(function($i){ $i })) ~> $filter(function($i){ true })", Limit::Time),
        // Much out of little, at once.
        ("$pad('x', 2000000000)", Limit::Memory),
        ("$pad('x', -2000000000)", Limit::Memory),
        ("['x'].$pad(2000000000)", Limit::Memory),
        ("($p := $pad; $p('x', 2000000000))", Limit::Memory),
        ("$map(['x'], $pad(?, 2000000000))", Limit::Memory),
        ("[1..100000000]", Limit::Memory),
        ("$range(1, 1000000000, 1)", Limit::Memory),
        ("$join([1..5000].('x'), $pad('y', 10000))", Limit::Memory),
        ("$replace($pad('x', 5000, 'x'), /x/, $pad('y', 5000))", Limit::Memory),
        ("($r := $pad('y', 5000); $replace($pad('x', 5000, 'x'), 'x', $r))", Limit::Memory),
        ("$replace($pad('x', 5000, 'x'), /x/, function($m){ $pad('y', 5000) })", Limit::Memory),
        ("$split($pad('x', 1000000, 'x'), '')", Limit::Memory),
        ("$formatInteger(1e300, 'I')", Limit::Memory),
        // Little by little.
        ("$reduce([1..60], function($s, $i){ $s & $s }, 'x')", Limit::Memory),
        ("$reduce([1..60], function($s, $i){ $append($s, $s) }, [1])", Limit::Memory),
        ("$map([1..10000], function($i){ [1..10000] })", Limit::Memory),
        ("[1..10000].([1..10000])", Limit::Memory),
        // Small in memory, endless when written: every part is shared.
        ("($f := function($x, $n){ $n = 0 ? $x : $f({'l': $x, 'r': $x}, $n - 1) }; $f(1, 60))", Limit::Memory),
        ("($f := function($x, $n){ $n = 0 ? $x : $f([[$x], [$x]], $n - 1) }; $string($f(1, 60)))", Limit::Memory),
        // Deep.
        ("$reduce([1..1200], function($x, $i){ [[$x]] })", Limit::Depth),
        ("($f := function($x){ 1 + $f($x) }; $f(1))", Limit::Depth),
    ];
    for (text, limit) in rows {
        assert_eq!(bounded(text), Err(Reason::Limit(limit)), "{text}");
    }
    // A regular expression takes linear time.
    assert_eq!(bounded("$contains($pad('a', 5000, 'a') & 'b', /^(a+)+$/)"), Ok(json!(false)));
    let doubled: String = (1..30).map(|n| format!("$x{n} := [$x{}, $x{}]; ", n - 1, n - 1)).collect();
    assert_eq!(bounded(&format!("($x0 := [1]; {doubled} $count($x29))")), Err(Reason::Limit(Limit::Memory)));
}

/// The evaluator is not ours, and some of its arithmetic is not checked: a fault ends the expression, nothing else.
#[test]
fn a_fault_of_the_evaluator_is_a_failure() {
    if cfg!(debug_assertions) {
        assert_eq!(cause("$fromMillis(0, '[Y,*-9999999999]')"), "threw an internal error during evaluation.");
    }
}

#[test]
fn expressions_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Expression>();
    shared::<Template>();
}

fn texts() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "$states.input",
        ".items",
        ".deep",
        "[0]",
        "[id>1]",
        "$list",
        "$",
        ".v",
        "*",
        "**",
        "%",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        ";",
        "+",
        "-",
        "&",
        "=",
        "<",
        " and ",
        " in ",
        "?",
        "~>",
        ":=",
        "$x",
        "1",
        "0",
        "'a'",
        "null",
        "..",
        "$map(",
        "$sum(",
        "$string(",
        "$reduce(",
        "function($x){",
        "$f(",
        "$replace(",
        "/a/",
        "$pad(",
        "$parse(",
        "$partition(",
        "$sort(",
        "^(",
        "|",
        "@$x",
        "#$x",
        "$uuid()",
        "$split(",
    ]);
    prop::collection::vec(word, 1..14).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn whatever_is_written_ends_and_ends_the_same_again(text in texts()) {
        if let Ok(expression) = Expression::parse(&text) {
            let run = || with_scope(5, |scope| expression.evaluate(scope, "Output"));
            prop_assert_eq!(run(), run());
        }
    }
}

//! Texts that mean harm, and texts that are merely broken: an error each, at once, never a panic or an exhausted stack.

use std::path::Path;

use aws_cloudformation::{Options, Source, plan};
use proptest::prelude::*;

use crate::common::{check_errors, ids, plan_with, read, shown};

const RESOURCE: &str = "Resources: { L: { Type: AWS::Logs::LogGroup } }\n";

#[test]
fn bombs_are_refused() {
    let check = |text: &str, expect: &str| {
        let errors = plan_with(text, &[]).err().map(|errors| shown(&errors)).unwrap_or_default();
        let start: String = text.chars().take(60).collect();
        assert!(errors.iter().any(|e| e.contains(expect)), "{start}: found {errors:?}, wanted {expect}");
    };
    let aliases: String = (1..30).map(|n| format!("  a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1)).collect();
    check(&format!("Metadata:\n  a0: &a0 [x, x, x]\n{aliases}"), "over 250000 values");
    check("Metadata: &a [*a]\n", "this alias stands inside the value it names");
    let tall: String = (1..50).map(|n| format!("  a{n}: &a{n} [[[[[[[[[[*a{}]]]]]]]]]]\n", n - 1)).collect();
    check(&format!("Metadata:\n  a0: &a0 [x]\n{tall}"), "nested deeper than 100 levels");
    check(&"- ".repeat(200_000), "nested deeper than 100 levels");
    check(&"? ".repeat(200_000), "nested deeper than 100 levels");
    check(&"[".repeat(200_000), "recursion limit exceeded");
    check(&format!("{RESOURCE}Metadata: [{}]\n", "1,".repeat(300_000)), "over 250000 values");
    check(&format!("{RESOURCE}Description: {}\n", "x".repeat(1 << 20)), "the limit is 1048576");
    check(&"#".repeat(1 << 21), "the limit is 1048576");
}

#[test]
fn values_that_grow_are_bounded() {
    // Each level of Fn::Sub doubles the one inside it.
    let doubled = (0..24)
        .fold("xxxxxxxxxxxxxxxx".to_owned(), |inner, _| format!("{{'Fn::Sub': ['${{A}}${{A}}', {{A: {inner}}}]}}"));
    check_errors(
        &format!("{RESOURCE}Outputs: {{ X: {{ Value: {doubled} }} }}\n"),
        &[(2, "{'Fn::Sub':", "a string of over 1048576 bytes is made here")],
    );
    // A megabyte, a hundred times over.
    let long = format!("!Join ['', [{}]]", ["!Ref P"; 200].join(","));
    let many: String = (0..150).map(|n| format!("  O{n}: {{ Value: {long} }}\n")).collect();
    let text = format!("Parameters: {{ P: {{ Type: String }} }}\n{RESOURCE}Outputs:\n{many}");
    let errors = plan_with(&text, &[("P", &"x".repeat(4_096))]).expect_err("too much");
    assert!(errors[0].message.contains("resolves to over"), "{}", errors[0]);
    let functions: String = (0..400).map(|n| format!("  F{n}: {{ Type: AWS::Serverless::Function }}\n")).collect();
    let tags: String = (0..1_000).map(|n| format!("T{n}: x, ")).collect();
    let sam = "Transform: AWS::Serverless-2016-10-31\n";
    let text = format!("{sam}Globals: {{ Function: {{ Tags: {{ {tags} }} }} }}\nResources:\n{functions}");
    let errors = plan_with(&text, &[]).expect_err("too much");
    assert!(errors[0].message.contains("Globals written out have over"), "{}", errors[0]);
}

#[test]
fn loops_that_grow_are_bounded() {
    let check = |inner: &str, values: &str, expect: &str| {
        let text = format!("{RESOURCE}Metadata: {{ 'Fn::ForEach::A': [A, [{values}], {{ 'K${{A}}': {inner} }}] }}\n");
        let errors = plan_with(&text, &[]).expect_err("too much");
        assert!(errors.iter().any(|error| error.message.contains(expect)), "{}", errors[0]);
    };
    let long = "x".repeat(100_000);
    check(&format!("'{}'", "${A}".repeat(50_000)), &long, "texts have over");
    // By way of another loop's values.
    let doubled = "${A}".repeat(1000);
    check(
        &format!("{{ 'Fn::ForEach::B': [B, ['{doubled}'], {{ 'L${{B}}': '{}' }}] }}", "${B}".repeat(5000)),
        "xxxxxxxxxx",
        "texts have over",
    );
    check("[x, x, x, x]", &"x,".repeat(100_000), "over 250000 values");
}

#[test]
fn deep_but_allowed_nesting_is_resolved() {
    let deep = (0..45).fold("x".to_owned(), |inner, _| format!("!Join ['', [{inner}]]"));
    let plan = plan_with(&format!("{RESOURCE}Outputs: {{ X: {{ Value: {deep} }} }}\n"), &[]).expect("a plan");
    assert_eq!(plan.outputs[0].value, "x");
}

#[test]
fn bytes_that_are_no_text() {
    let check = |text: &[u8], expect: &str| {
        let source = Source { path: Path::new("app/template.yaml"), text };
        let errors = plan(source, &Options::default(), &read).expect_err("no text");
        assert!(errors[0].to_string().contains(expect), "{}", errors[0]);
    };
    check(b"\xff\xfeR\0e\0", "1:1: error: the file is not text in UTF-8");
    check(b"Resources:\n  L\xc3\xa9\xe9: 1\n", "2:5: error: the file is not text in UTF-8");
    check(b"Resources:\n  L: \0\n", "unprintable character");
}

#[test]
fn a_byte_order_mark_and_merge_keys_are_understood() {
    let text = "\u{feff}Metadata:\n  a: &a { Type: AWS::Logs::LogGroup, DependsOn: M }\nResources:\n  \
                L: { <<: *a, Type: AWS::IAM::Role }\n  M: { DependsOn: [], <<: [*a] }\n";
    let plan = plan_with(text, &[]).expect("a plan");
    assert_eq!(ids(&plan), ["M", "L"]);
    assert!(plan.notes.iter().any(|n| n.message.starts_with("AWS::IAM::Role")), "{:?}", plan.notes);
}

/// A template, or what is left of it after cuts, repetitions and insertions.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        Just(include_str!("templates/travel.yaml").as_bytes().to_vec()),
        Just(include_str!("templates/cdk.json").as_bytes().to_vec()),
    ];
    let scraps = prop::sample::select(vec![
        "!Sub",
        "!Ref ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "&a ",
        "*a",
        "<<: ",
        "${",
        "'",
        "\"",
        "|\n",
        "~",
        "\u{0}",
        "é",
        "99999999999999999999",
        "!If [a, b, c]",
        "!Ref AWS::NoValue",
        "{Fn::Sub: x}",
        "Type: ",
    ]);
    let edit = (any::<prop::sample::Index>(), 0usize..40, prop::option::of(scraps));
    (whole, prop::collection::vec(edit, 1..6)).prop_map(|(mut text, edits)| {
        for (at, cut, scrap) in edits {
            let at = at.index(text.len().max(1)).min(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, scrap.unwrap_or_default().bytes());
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_text_there_is_a_plan_or_an_error(text in damaged()) {
        let source = Source { path: Path::new("app/template.yaml"), text: &text };
        match plan(source, &Options::default(), &read) {
            Ok(plan) => prop_assert!(serde_json::to_string(&plan).is_ok()),
            Err(errors) => prop_assert!(!errors.is_empty() && errors.iter().all(|e| !e.help.is_empty() && e.at.line > 0)),
        }
    }
}

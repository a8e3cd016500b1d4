//! What is refused, and with which words: one line per rule.

use asl::{Diagnostic, MachineType, Severity, aws_message, parse_as};

fn describe(diagnostics: &[Diagnostic]) -> String {
    let line = |found: &Diagnostic| {
        let severity = if found.severity == Severity::Warning { "warning " } else { "" };
        let message = found.message.lines().next().unwrap_or_default();
        format!("{severity}{} {} | {message}", found.code, found.pointer)
    };
    diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn found(text: &str) -> Vec<Diagnostic> {
    found_as(text, MachineType::Standard)
}

fn found_as(text: &str, machine: MachineType) -> Vec<Diagnostic> {
    match parse_as(text, machine) {
        Ok(parsed) => parsed.warnings,
        Err(diagnostics) => diagnostics,
    }
}

/// `expected`: `CODE pointer | beginning of the message` for each diagnostic.
fn check(text: &str, expected: &[&str]) {
    let found = describe(&found(text));
    let lines: Vec<&str> = found.lines().collect();
    let equal =
        lines.len() == expected.len() && lines.iter().zip(expected).all(|(line, start)| line.starts_with(start));
    assert!(equal, "{text}\n  found\n{found}\n  expected\n{}", expected.join("\n"));
}

/// A machine of one state `S`, whose fields are these, and a state `Z` that ends.
fn check_state(fields: &str, expected: &[&str]) {
    let to_z = format!(
        r#"{{"StartAt":"A","States":{{"A":{{"Type":"Choice","Choices":[{{"Variable":"$.a","IsNull":true,"Next":"Z"}}],"Default":"S"}},"S":{{{fields}}},"Z":{{"Type":"Succeed"}}}}}}"#
    );
    check(&to_z, expected);
}

const LAMBDA: &str = r#""Type":"Task","Resource":"arn:aws:lambda:eu-west-1:123456789012:function:f""#;

#[test]
fn machines() {
    let z = r#"{"Z":{"Type":"Succeed"}}"#;
    for (text, expected) in [
        (format!(r#"{{"StartAt":"Z","States":{z}}}"#), &[][..]),
        (
            format!(
                r#"{{"StartAt":"Z","States":{z},"Version":"1.0","Comment":"c","TimeoutSeconds":0,"QueryLanguage":"JSONPath"}}"#
            ),
            &[],
        ),
        ("".into(), &["SCHEMA_VALIDATION_FAILED  | Definition must be a valid JSON object"]),
        ("[]".into(), &["SCHEMA_VALIDATION_FAILED  | Definition must be a valid JSON object"]),
        ("{\"a\":}".into(), &["INVALID_JSON_DESCRIPTION  | expected value"]),
        ("{}".into(), &["SCHEMA_VALIDATION_FAILED  | These fields are required: [StartAt, States]"]),
        (format!(r#"{{"States":{z}}}"#), &["SCHEMA_VALIDATION_FAILED  | These fields are required: [StartAt]"]),
        (r#"{"StartAt":"Z"}"#.into(), &["SCHEMA_VALIDATION_FAILED  | These fields are required: [States]"]),
        (
            r#"{"StartAt":"Z","States":[]}"#.into(),
            &["SCHEMA_VALIDATION_FAILED /States | Expected value of type [OBJECT]"],
        ),
        (r#"{"StartAt":"Z","States":{}}"#.into(), &["SCHEMA_VALIDATION_FAILED /States | Value cannot be empty"]),
        (
            format!(r#"{{"StartAt":1,"States":{z}}}"#),
            &["SCHEMA_VALIDATION_FAILED /StartAt | Expected value of type [STRING]"],
        ),
        (
            format!(r#"{{"StartAt":"X","States":{z}}}"#),
            &[
                "MISSING_TRANSITION_TARGET /StartAt | Missing 'Next' target: X",
                "MISSING_TRANSITION_TARGET /States/Z | State \"Z\" is not reachable.",
            ],
        ),
        (
            format!(r#"{{"StartAt":"Z","States":{z},"Version":"2.0"}}"#),
            &["SCHEMA_VALIDATION_FAILED /Version | Value should be one of the following: [1.0]"],
        ),
        (
            format!(r#"{{"StartAt":"Z","States":{z},"startAt":"Z"}}"#),
            &["SCHEMA_VALIDATION_FAILED  | Field 'startAt' is not supported"],
        ),
        (
            format!(r#"{{"StartAt":"Z","States":{z},"TimeoutSeconds":-1}}"#),
            &["SCHEMA_VALIDATION_FAILED /TimeoutSeconds | Minimum value is 0"],
        ),
        (format!(r#"{{"StartAt":"Z","States":{z},"QueryLanguage":"JSONata"}}"#), &[]),
        (
            format!(r#"{{"StartAt":"Z","States":{z},"QueryLanguage":5}}"#),
            &["SCHEMA_VALIDATION_FAILED /QueryLanguage | Expected value of type [STRING]"],
        ),
        (
            format!(r#"{{"StartAt":"Z","StartAt":"Z","States":{z}}}"#),
            &["INVALID_JSON_DESCRIPTION /StartAt | Duplicate field 'StartAt'"],
        ),
        (
            r#"{"StartAt":"Z","States":{"Z":{"Type":"Pass","End":true},"Z":{"Type":"Succeed"}}}"#.into(),
            &["DUPLICATE_STATE_NAME /States/Z | Duplicate State name: Z"],
        ),
    ] {
        check(&text, expected);
    }
}

#[test]
fn transitions() {
    for (text, expected) in [
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}"#,
            &["MISSING_END_STATE /States | Workflow has no terminal state"][..],
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"},"C":{"Type":"Pass","Next":"A"}}}"#,
            &["MISSING_END_STATE"],
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"},"C":{"Type":"Pass","End":true}}}"#,
            &["MISSING_TRANSITION_TARGET /States/C | State \"C\" is not reachable."],
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"X"}}}"#,
            &["MISSING_TRANSITION_TARGET /States/A/Next | Missing 'Next' target: X", "MISSING_END_STATE"],
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true},"B":{"Type":"Pass","Next":"C"},"C":{"Type":"Pass","Next":"B"}}}"#,
            &["warning ITHACA_UNREACHABLE_STATE /States/B |", "warning ITHACA_UNREACHABLE_STATE /States/C |"],
        ),
        // A loop inside a branch is accepted, as AWS does.
        (
            r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}}}}"#,
            &[],
        ),
        (
            r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"M"}}}}}}"#,
            &["MISSING_TRANSITION_TARGET /States/M/ItemProcessor/States/A/Next | Missing 'Next' target: M"],
        ),
        (
            r#"{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"A","States":{"A":{"Type":"Pass","End":true},"G/h":{"Type":"Pass","End":true}}}]}}}"#,
            &["MISSING_TRANSITION_TARGET /States/P/Branches/0/States/G~1h | State \"G/h\" is not reachable."],
        ),
        (
            r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"M","States":{"M":{"Type":"Pass","End":true}}}}}}"#,
            &["DUPLICATE_STATE_NAME /States/M/ItemProcessor/States/M | Duplicate State name: M"],
        ),
        // An unknown type might lead anywhere: nothing is said of what it might reach.
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Jump","Next":"B"},"B":{"Type":"Succeed"}}}"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/A/Type | The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]",
            ],
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_all_states_share() {
    let long = "x".repeat(81);
    check(
        &format!(r#"{{"StartAt":"{long}","States":{{"{long}":{{"Type":"Succeed"}},"":{{}}}}}}"#),
        &[&format!("INVALID_STATE_NAME /States/{long} |"), "INVALID_STATE_NAME /States/ |"],
    );
    let fits = "é".repeat(80);
    check(&format!(r#"{{"StartAt":"{fits}","States":{{"{fits}":{{"Type":"Succeed"}}}}}}"#), &[]);
    for (fields, expected) in [
        (r#""Type":"Pass","Next":"Z""#, &[][..]),
        (r#""Type":"Pass","Next":"Z","End":false"#, &[]),
        (r#""Next":"Z""#, &["SCHEMA_VALIDATION_FAILED /States/S | These fields are required: [Type]"]),
        (r#""Type":7"#, &["SCHEMA_VALIDATION_FAILED /States/S/Type | Expected value of type [STRING]"]),
        (
            r#""Type":"Pass""#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S | This object should have only one of the following fields: [Next, End]",
            ],
        ),
        (
            r#""Type":"Pass","End":false"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S | This object should have only one of the following fields: [Next, End]",
            ],
        ),
        (
            r#""Type":"Pass","Next":"Z","End":true"#,
            &["SCHEMA_VALIDATION_FAILED /States/S | There should only be one of the following fields: [Next, End]"],
        ),
        (
            r#""Type":"Pass","End":"yes""#,
            &["SCHEMA_VALIDATION_FAILED /States/S/End | Expected value of type [BOOLEAN]"],
        ),
        (
            r#""Type":"Pass","End":true,"Comment":1"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Comment | Expected value of type [STRING]"],
        ),
        (
            r#""Type":"Pass","End":true,"comment":"x""#,
            &["SCHEMA_VALIDATION_FAILED /States/S | Field 'comment' is not supported"],
        ),
        (r#""Type":"Succeed","Next":"Z""#, &["SCHEMA_VALIDATION_FAILED /States/S | Field 'Next' is not supported"]),
        (
            r#""Type":"Pass","End":true,"Retry":[],"TimeoutSeconds":3"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S | Field 'Retry' is not supported",
                "SCHEMA_VALIDATION_FAILED /States/S | Field 'TimeoutSeconds' is not supported",
            ],
        ),
        (r#""Type":"Pass","End":true,"InputPath":null,"OutputPath":null,"ResultPath":null"#, &[]),
        (
            r#""Type":"Pass","End":true,"InputPath":"a","OutputPath":1"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/InputPath | Value must be a valid JSONPath.",
                "SCHEMA_VALIDATION_FAILED /States/S/OutputPath | Expected value of type [STRING]",
            ],
        ),
        (
            r#""Type":"Pass","End":true,"ResultPath":"a""#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/ResultPath | Value is not a Reference Path: Reference path didn't start with '$'",
            ],
        ),
        (
            r#""Type":"Pass","End":true,"Output":1"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S | The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage",
            ],
        ),
        (r#""Type":"Pass","End":true,"Comment":"compensates: Z""#, &[]),
        (
            r#""Type":"Pass","End":true,"Comment":"compensates: Y""#,
            &["warning ITHACA_COMPENSATES_NOTHING /States/S/Comment |"],
        ),
    ] {
        check_state(fields, expected);
    }
}

#[test]
fn tasks() {
    for (fields, expected) in [
        (r#""End":true"#, &[][..]),
        (r#""End":true,"TimeoutSeconds":60,"HeartbeatSeconds":59"#, &[]),
        (
            r#""End":true,"TimeoutSeconds":60,"HeartbeatSeconds":60"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/HeartbeatSeconds | HeartbeatSeconds must be smaller"],
        ),
        (
            r#""End":true,"TimeoutSeconds":0"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/TimeoutSeconds | Minimum value is 1"],
        ),
        (
            r#""End":true,"TimeoutSeconds":100000000"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/TimeoutSeconds | Maximum value is 99999999"],
        ),
        (
            r#""End":true,"TimeoutSeconds":1e30"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/TimeoutSeconds | Maximum value is 99999999"],
        ),
        (
            r#""End":true,"TimeoutSeconds":1.5"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/TimeoutSeconds | Expected value of type Integer"],
        ),
        (
            r#""End":true,"TimeoutSeconds":1,"TimeoutSecondsPath":"$.t""#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S | There should only be one of the following fields: [TimeoutSeconds, TimeoutSecondsPath]",
            ],
        ),
        (
            r#""End":true,"HeartbeatSecondsPath":"t""#,
            &["SCHEMA_VALIDATION_FAILED /States/S/HeartbeatSecondsPath | Value must be a valid JSONPath."],
        ),
        (
            r#""End":true,"Arguments":{}"#,
            &["SCHEMA_VALIDATION_FAILED /States/S | The QueryLanguage is set to 'JSONPath', but field 'Arguments'"],
        ),
        (r#""End":true,"Credentials":{"RoleArn":"r"}"#, &[]),
        (
            r#""End":true,"Credentials":{}"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Credentials | The field 'RoleArn' is required but was missing"],
        ),
        (r#""End":true,"Assign":{"a":1,"b.$":"$.b","größe":{"c.$":"$a.x"}},"InputPath":"$a.b""#, &[]),
        (r#""End":true,"Assign":1"#, &["SCHEMA_VALIDATION_FAILED /States/S/Assign | Expected value of type [OBJECT]"]),
        (
            r#""End":true,"Assign":{"a.b":1,"states.$":"$","x[2]":1,"y.$":"x"}"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/Assign/a.b | 'a.b' is not a valid variable name",
                "SCHEMA_VALIDATION_FAILED /States/S/Assign/states.$ | 'states' is not a valid variable name",
                "SCHEMA_VALIDATION_FAILED /States/S/Assign/x[2] | 'x[2]' is not a valid variable name",
                "SCHEMA_VALIDATION_FAILED /States/S/Assign/y.$ | The value for the field 'y.$' must be a valid JSONPath",
            ],
        ),
        (
            r#""End":true,"ResultPath":"$a""#,
            &["SCHEMA_VALIDATION_FAILED /States/S/ResultPath | Value is not a Reference Path"],
        ),
    ] {
        check_state(&format!("{LAMBDA},{fields}"), expected);
    }
    check_state(
        r#""Type":"Task","End":true"#,
        &["SCHEMA_VALIDATION_FAILED /States/S | These fields are required: [Resource]"],
    );
}

#[test]
fn resources() {
    let not_arn = &["SCHEMA_VALIDATION_FAILED /States/S/Resource | Value is not a valid resource ARN"][..];
    let unknown = &["SCHEMA_VALIDATION_FAILED /States/S/Resource | The resource provided"][..];
    for (resource, expected) in [
        ("arn:aws:lambda:eu-west-1:123456789012:function:f", &[][..]),
        ("arn:aws-cn:lambda:cn-north-1:123456789012:function:f:$LATEST", &[]),
        ("arn:aws:lambda:eu-west-1:123456789012:function:f:live", &[]),
        ("arn:aws:lambda:your-region:your-account-id:function:f", &[]),
        ("arn:aws:lambda:eu-west-1:123456789012:function:f:live:x", not_arn),
        ("arn:aws:lambda:eu-west-1:123456789012:function:", not_arn),
        ("arn:aws:lambda:eu-west-1::function:f", not_arn),
        ("arn:aws:lambda:eu-west-1:123456789012:layer:f", not_arn),
        ("f", not_arn),
        ("arn:aws:s3:::bucket", not_arn),
        (
            "arn:aws:lambda:eu-west-1:123456789012:function:${Name}",
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/Resource | Value is not a valid resource ARN: the substitution ${Name} was not filled in",
            ],
        ),
        ("arn:aws:states:eu-west-1:123456789012:activity:a", &[]),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", &[]),
        ("arn:aws:states:::aws-sdk:s3", unknown),
        ("arn:aws:states:::states:startExecution.sync:2", &[]),
        ("arn:aws:states:::ecs:runTask.sync", &[]),
        ("arn:aws:states:::sqs:sendMessage", &[]),
        ("arn:aws:states:::aws-sdk:s3:getObject", &[]),
        ("arn:aws:states:::dynamodb:query", unknown),
        ("arn:aws:states:::lambda:invoke.sync", unknown),
    ] {
        check_state(&format!(r#""Type":"Task","Resource":"{resource}","End":true"#), expected);
    }
    let invoke = r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true"#;
    check_state(&format!(r#"{invoke},"Parameters":{{"FunctionName.$":"$.f"}}"#), &[]);
    check_state(
        &format!(r#"{invoke},"Parameters":{{}}"#),
        &["SCHEMA_VALIDATION_FAILED /States/S/Parameters | The field 'FunctionName' is required but was missing"],
    );
    check_state(
        invoke,
        &[
            "SCHEMA_VALIDATION_FAILED /States/S | Parameters field is required for resource ARN: arn:aws:states:::lambda:invoke",
        ],
    );
}

#[test]
fn retry_and_catch() {
    for (fields, expected) in [
        (r#""Retry":[],"Catch":[]"#, &[][..]),
        (
            r#""Retry":[{"ErrorEquals":["A"],"IntervalSeconds":0,"MaxAttempts":0,"BackoffRate":1,"MaxDelaySeconds":1,"JitterStrategy":"FULL","Comment":"c"},{"ErrorEquals":["States.ALL"]}]"#,
            &[],
        ),
        (r#""Retry":{}"#, &["SCHEMA_VALIDATION_FAILED /States/S/Retry | Expected value of type [ARRAY]"]),
        (r#""Retry":[7]"#, &["SCHEMA_VALIDATION_FAILED /States/S/Retry/0 | Expected value of type [OBJECT]"]),
        (r#""Retry":[{}]"#, &["SCHEMA_VALIDATION_FAILED /States/S/Retry/0 | These fields are required: [ErrorEquals]"]),
        (
            r#""Retry":[{"ErrorEquals":[]}]"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Retry/0/ErrorEquals | Value cannot be empty"],
        ),
        (
            r#""Retry":[{"ErrorEquals":["A",1]}]"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Retry/0/ErrorEquals/1 | Expected value of type [STRING]"],
        ),
        (
            r#""Retry":[{"ErrorEquals":["A","States.ALL"]}]"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/Retry/0/ErrorEquals/1 | States.ALL must appear alone and at end of list",
            ],
        ),
        (
            r#""Retry":[{"ErrorEquals":["States.ALL"]},{"ErrorEquals":["A"]}]"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/Retry/0/ErrorEquals/0 | States.ALL must appear alone and at end of list",
            ],
        ),
        (
            r#""Retry":[{"ErrorEquals":["A"],"IntervalSeconds":-1,"MaxAttempts":100000000,"BackoffRate":0.5,"MaxDelaySeconds":31622401,"JitterStrategy":"HALF","X":1}]"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/Retry/0 | Field 'X' is not supported",
                "SCHEMA_VALIDATION_FAILED /States/S/Retry/0/IntervalSeconds | Minimum value is 0",
                "SCHEMA_VALIDATION_FAILED /States/S/Retry/0/MaxAttempts | Maximum value is 99999999",
                "SCHEMA_VALIDATION_FAILED /States/S/Retry/0/BackoffRate | Minimum value is 1",
                "SCHEMA_VALIDATION_FAILED /States/S/Retry/0/MaxDelaySeconds | Maximum value is 31622400",
                "SCHEMA_VALIDATION_FAILED /States/S/Retry/0/JitterStrategy | Value should be one of the following: [NONE, FULL]",
            ],
        ),
        (r#""Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z","ResultPath":"$.e"}]"#, &[]),
        (
            r#""Catch":[{"ErrorEquals":["States.ALL"]}]"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Catch/0 | These fields are required: [Next]"],
        ),
        (
            r#""Catch":[{"ErrorEquals":["States.ALL"],"Next":"Q"}]"#,
            &["MISSING_TRANSITION_TARGET /States/S/Catch/0/Next | Missing 'Next' target: Q"],
        ),
        (
            r#""Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z","Assign":{"a-b":1}}]"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Catch/0/Assign/a-b | 'a-b' is not a valid variable name"],
        ),
        (
            r#""Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z","Output":{}}]"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/Catch/0 | The QueryLanguage is set to 'JSONPath', but field 'Output'",
            ],
        ),
    ] {
        check_state(&format!(r#"{LAMBDA},"End":true,{fields}"#), expected);
    }
}

#[test]
fn choice_wait_and_fail() {
    for (fields, expected) in [
        (r#""Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"Z","Comment":"c"}]"#, &[][..]),
        (r#""Type":"Choice""#, &["SCHEMA_VALIDATION_FAILED /States/S | These fields are required: [Choices]"]),
        (r#""Type":"Choice","Choices":[]"#, &["SCHEMA_VALIDATION_FAILED /States/S/Choices | Value cannot be empty"]),
        (
            r#""Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true}]"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Choices/0 | These fields are required: [Next]"],
        ),
        (
            r#""Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"Q"}],"Default":"R""#,
            &[
                "MISSING_TRANSITION_TARGET /States/S/Choices/0/Next | Missing 'Next' target: Q",
                "MISSING_TRANSITION_TARGET /States/S/Default | Missing 'Next' target: R",
            ],
        ),
        (
            r#""Type":"Choice","Choices":[{"Variable":"$a","StringEqualsPath":"$b.c","Next":"Z","Assign":[]}]"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Choices/0/Assign | Expected value of type [OBJECT]"],
        ),
        (
            r#""Type":"Choice","Choices":[{"Condition":"{% true %}","Next":"Z"}]"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/Choices/0 | The QueryLanguage is set to 'JSONPath', but field 'Condition'",
            ],
        ),
        (
            r#""Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"Z"}],"End":true"#,
            &["SCHEMA_VALIDATION_FAILED /States/S | Field 'End' is not supported"],
        ),
        (r#""Type":"Wait","Next":"Z","Seconds":0"#, &[]),
        (r#""Type":"Wait","Next":"Z","TimestampPath":"$.t""#, &[]),
        (r#""Type":"Wait","Next":"Z","Timestamp":"2026-11-21T21:28:00Z""#, &[]),
        (
            r#""Type":"Wait","Next":"Z","Timestamp":"2026-11-21 21:28:00Z""#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Timestamp | String does not match RFC3339 timestamp"],
        ),
        (
            r#""Type":"Wait","Next":"Z","Seconds":100000000"#,
            &["SCHEMA_VALIDATION_FAILED /States/S/Seconds | Maximum value is 99999999"],
        ),
        (
            r#""Type":"Wait","Next":"Z""#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S | This object should have only one of the following fields: [SecondsPath, Seconds, TimestampPath, Timestamp]",
            ],
        ),
        (
            r#""Type":"Wait","Next":"Z","Seconds":1,"SecondsPath":"$.s""#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S | There should only be one of the following fields: [SecondsPath, Seconds, TimestampPath, Timestamp]",
            ],
        ),
        (r#""Type":"Fail""#, &[]),
        (r#""Type":"Fail","ErrorPath":"$.e","CausePath":"States.Format('{}', $.c)""#, &[]),
        (
            r#""Type":"Fail","Error":"e","ErrorPath":"$.e""#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/S | There should only be one of the following fields: [Error, ErrorPath]",
            ],
        ),
        (
            r#""Type":"Fail","CausePath":"States.MathRandom(1, 2)""#,
            &["SCHEMA_VALIDATION_FAILED /States/S/CausePath | Value must be a valid JSONPath."],
        ),
        (r#""Type":"Fail","End":true"#, &["SCHEMA_VALIDATION_FAILED /States/S | Field 'End' is not supported"]),
    ] {
        check_state(fields, expected);
    }
}

#[test]
fn parallel_and_map() {
    let block = r#"{"StartAt":"B","States":{"B":{"Type":"Succeed"}}}"#;
    let processor = |config: &str| {
        format!(
            r#""Type":"Map","End":true,"ItemProcessor":{{"ProcessorConfig":{config},"StartAt":"B","States":{{"B":{{"Type":"Succeed"}}}}}}"#
        )
    };
    for (fields, expected) in [
        (format!(r#""Type":"Parallel","End":true,"Branches":[{block}]"#), &[][..]),
        (r#""Type":"Parallel","End":true"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S | These fields are required: [Branches]"]),
        (r#""Type":"Parallel","End":true,"Branches":[]"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S/Branches | Value cannot be empty"]),
        (format!(r#""Type":"Parallel","End":true,"Branches":[1,{block}]"#), &["SCHEMA_VALIDATION_FAILED /States/S/Branches/0 | Expected value of type [OBJECT]"]),
        (r#""Type":"Parallel","End":true,"Branches":[{"StartAt":"B","States":{"B":{"Type":"Succeed"}},"QueryLanguage":"JSONata"}]"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S/Branches/0 | Field 'QueryLanguage' is not supported"]),
        (r#""Type":"Parallel","End":true,"Branches":[{}]"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S/Branches/0 | These fields are required: [StartAt, States]"]),
        (format!(r#""Type":"Map","End":true,"Iterator":{block},"Parameters":{{}},"MaxConcurrency":2,"ItemsPath":"$$.a[0]""#), &[]),
        (r#""Type":"Map","End":true"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S | This object should have only one of the following fields: [ItemProcessor, Iterator]"]),
        (format!(r#""Type":"Map","End":true,"Iterator":{block},"ItemProcessor":{block}"#), &["SCHEMA_VALIDATION_FAILED /States/S | There should only be one of the following fields: [ItemProcessor, Iterator]"]),
        (format!(r#""Type":"Map","End":true,"Iterator":{block},"ItemSelector":{{}},"Parameters":{{}}"#), &["SCHEMA_VALIDATION_FAILED /States/S | There should only be one of the following fields: [ItemSelector, Parameters]"]),
        (format!(r#""Type":"Map","End":true,"Iterator":{block},"MaxConcurrency":-1,"ItemsPath":"$.a[*]","ToleratedFailurePercentage":101"#), &[
            "SCHEMA_VALIDATION_FAILED /States/S/ItemsPath | Value is not a Reference Path",
            "SCHEMA_VALIDATION_FAILED /States/S/MaxConcurrency | Minimum value is 0",
            "SCHEMA_VALIDATION_FAILED /States/S/ToleratedFailurePercentage | Maximum value is 100",
        ]),
        (format!(r#""Type":"Map","End":true,"Iterator":{block},"TimeoutSeconds":1"#), &["SCHEMA_VALIDATION_FAILED /States/S | Field 'TimeoutSeconds' is not supported"]),
        (processor(r#"{"Mode":"INLINE"}"#), &[]),
        (processor("{}"), &[]),
        (processor(r#"{"Mode":"INLINE","ExecutionType":"STANDARD"}"#), &["SCHEMA_VALIDATION_FAILED /States/S/ItemProcessor/ProcessorConfig | Field 'ExecutionType' is not supported"]),
        (processor(r#"{"Mode":"inline"}"#), &["SCHEMA_VALIDATION_FAILED /States/S/ItemProcessor/ProcessorConfig/Mode | Value should be one of the following: [INLINE, DISTRIBUTED]"]),
        (processor(r#"{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}"#), &[]),
        (processor(r#"{"Mode":"DISTRIBUTED"}"#), &["SCHEMA_VALIDATION_FAILED /States/S/ItemProcessor/ProcessorConfig | These fields are required: [ExecutionType]"]),
        (format!(r#""Type":"Map","End":true,"Iterator":{block},"Label":"l","ItemReader":{{}}"#), &["warning ITHACA_INLINE_MAP /States/S/Label |", "warning ITHACA_INLINE_MAP /States/S/ItemReader |"]),
    ] {
        check_state(&fields, expected);
    }
}

/// What only a Standard machine may have.
#[test]
fn express_machines() {
    let map = |config: &str| {
        format!(
            r#""Type":"Map","ItemProcessor":{{"ProcessorConfig":{config},"StartAt":"B","States":{{"B":{{"Type":"Succeed"}}}}}}"#
        )
    };
    let task = |resource: &str| {
        format!(
            r#""Type":"Task","Resource":"arn:aws:states:{resource}","Parameters":{{"FunctionName":"f","Payload.$":"$$.Task.Token"}}"#
        )
    };
    for (fields, expected) in [
        (map(r#"{"Mode":"INLINE"}"#), None),
        (
            map(r#"{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"}"#),
            Some(
                "/States/S/ItemProcessor/ProcessorConfig/Mode | Express state machine does not support Map state in 'DISTRIBUTED' mode",
            ),
        ),
        (task("::lambda:invoke"), None),
        (
            task("::lambda:invoke.waitForTaskToken"),
            Some(
                "/States/S/Resource | Express state machine does not support '.waitForTaskToken' service integration ",
            ),
        ),
        (
            task("us-east-1:000000000000:activity:a"),
            Some("/States/S/Resource | Express state machine does not support Activity ARN"),
        ),
    ] {
        let text = format!(r#"{{"StartAt":"S","States":{{"S":{{{fields},"End":true}}}}}}"#);
        check(&text, &[]);
        let expected = expected.map(|expected| format!("SCHEMA_VALIDATION_FAILED {expected}")).unwrap_or_default();
        assert_eq!(describe(&found_as(&text, MachineType::Express)), expected, "{text}");
    }
}

#[test]
fn query_languages() {
    for (text, expected) in [
        (
            r#"{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","Output":"{% 1 %}","Next":"X"},"C":{"Type":"Succeed"}}}"#,
            &["MISSING_TRANSITION_TARGET /States/A/Next |", "MISSING_TRANSITION_TARGET /States/C |"][..],
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","QueryLanguage":"JSONata","Output":1,"InputPath":"$","End":true}}}"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/A | The QueryLanguage is set to 'JSONata', but field 'InputPath' is only supported for the 'JSONPath' QueryLanguage",
            ],
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","QueryLanguage":"jsonata","End":true}}}"#,
            &[
                "SCHEMA_VALIDATION_FAILED /States/A/QueryLanguage | Value should be one of the following: [JSONPath, JSONata]",
            ],
        ),
        (
            r#"{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","QueryLanguage":"JSONPath","Output":1,"End":true}}}"#,
            &["SCHEMA_VALIDATION_FAILED /States/A | 'QueryLanguage' can not be 'JSONPath'"],
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Assign":{"x":1},"Next":"P"},"P":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"C","States":{"C":{"Type":"Pass","Assign":{"x.$":"$","y":1},"End":true}}}]}}}"#,
            &[
                "warning ITHACA_SHADOWED_VARIABLE /States/P/Branches/0/States/C | The variable 'x' has the name of one outside",
            ],
        ),
    ] {
        check(text, expected);
    }
}

/// A machine in JSONata of one state `S`, whose fields are these, and a state `Z` that ends.
fn check_jsonata(fields: &str, expected: &[&str]) {
    let to_z = format!(
        r#"{{"QueryLanguage":"JSONata","StartAt":"A","States":{{"A":{{"Type":"Choice","Choices":[{{"Condition":true,"Next":"Z"}}],"Default":"S"}},"S":{{{fields}}},"Z":{{"Type":"Succeed"}}}}}}"#
    );
    check(&to_z, expected);
}

#[test]
fn states_in_jsonata() {
    let inner = r#"{"StartAt":"B","States":{"B":{"Type":"Succeed"}}}"#;
    for (fields, expected) in [
        (format!(r#"{LAMBDA},"End":true,"Arguments":[1,{{"a":"{{% $states.input.a %}}"}}],"Output":{{"r":"{{% $states.result %}}"}},"Assign":{{"x":"{{% $states.result.x %}}"}},"TimeoutSeconds":"{{% $x %}}","HeartbeatSeconds":5"#), &[][..]),
        (format!(r#"{LAMBDA},"End":true,"Catch":[{{"ErrorEquals":["States.ALL"],"Output":"{{% $states.errorOutput %}}","Assign":{{"x":"{{% $states.errorOutput.Error %}}"}},"Next":"Z"}}]"#), &[]),
        (
            format!(r#"{LAMBDA},"End":true,"Arguments":"{{% 1 + %}}","Output":{{"a":["{{% phone %}}"]}},"TimeoutSeconds":"{{% $states.errorOutput %}}""#),
            &[
                "INVALID_JSONATA_EXPRESSION /States/S/Arguments | Unexpected end of expression",
                "UNSUPPORTED_JSONATA_EXPRESSION /States/S/Output/a/0 | Reference to 'phone' at the top level is not supported.",
                "UNSUPPORTED_JSONATA_EXPRESSION /States/S/TimeoutSeconds | Field '$states.errorOutput' does not exist.",
            ],
        ),
        (
            r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true"#.into(),
            &["SCHEMA_VALIDATION_FAILED /States/S | Arguments field is required for resource ARN: arn:aws:states:::lambda:invoke"],
        ),
        (
            r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true,"Arguments":{"FunctionName.$":"f"}"#.into(),
            &["SCHEMA_VALIDATION_FAILED /States/S/Arguments | The field 'FunctionName' is required but was missing"],
        ),
        (r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true,"Arguments":"{% $x %}""#.into(), &[]),
        (format!(r#"{LAMBDA},"End":true,"TimeoutSeconds":"5""#), &["SCHEMA_VALIDATION_FAILED /States/S/TimeoutSeconds | Expected value of type Integer"]),
        (r#""Type":"Choice","Choices":[{"Condition":"{% $x = 1 %}","Assign":{"y":1},"Output":"{% $x %}","Next":"Z"}]"#.into(), &[]),
        (r#""Type":"Choice","Choices":[{"Next":"Z"}]"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S/Choices/0 | These fields are required: [Condition]"]),
        (r#""Type":"Choice","Choices":[{"Condition":"$x","Next":"Z"}]"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S/Choices/0/Condition | Expected value of type [BOOLEAN] or a JSONata expression"]),
        (
            r#""Type":"Choice","Choices":[{"Condition":true,"Variable":"$.a","IsNull":true,"condition":1,"Next":"Z"}]"#.into(),
            &[
                "SCHEMA_VALIDATION_FAILED /States/S/Choices/0 | The QueryLanguage is set to 'JSONata', but field 'Variable' is only supported for the 'JSONPath' QueryLanguage",
                "SCHEMA_VALIDATION_FAILED /States/S/Choices/0 | The QueryLanguage is set to 'JSONata', but field 'IsNull'",
                "SCHEMA_VALIDATION_FAILED /States/S/Choices/0 | Field 'condition' is not supported",
            ],
        ),
        (r#""Type":"Wait","Seconds":"{% 1 %}","Output":1,"End":true"#.into(), &[]),
        (r#""Type":"Wait","Timestamp":"{% $now() %}","End":true"#.into(), &[]),
        (r#""Type":"Wait","Timestamp":"soon","End":true"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S/Timestamp | String does not match RFC3339 timestamp"]),
        (r#""Type":"Wait","End":true"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S | This object should have only one of the following fields: [Seconds, Timestamp]"]),
        (r#""Type":"Fail","Error":"{% $x %}","Cause":"{% fixed""#.into(), &[]),
        (r#""Type":"Fail","Error":5"#.into(), &["SCHEMA_VALIDATION_FAILED /States/S/Error | Expected value of type [STRING]"]),
        (format!(r#""Type":"Parallel","End":true,"Arguments":"{{% $x %}}","Branches":[{inner}],"Output":"{{% $states.result[0] %}}""#), &[]),
        (format!(r#""Type":"Map","End":true,"Items":[1,"{{% 2 %}}"],"ItemSelector":"{{% $states.context.Map.Item.Value %}}","MaxConcurrency":"{{% 1 %}}","ToleratedFailureCount":"{{% 1 %}}","ToleratedFailurePercentage":"{{% 1 %}}","ItemProcessor":{inner}"#), &[]),
        (format!(r#""Type":"Map","End":true,"Items":"$.a","ItemProcessor":{inner}"#), &["SCHEMA_VALIDATION_FAILED /States/S/Items | Expected value of type [ARRAY] or a JSONata expression"]),
        (format!(r#""Type":"Map","End":true,"ItemsPath":"$.a","ItemProcessor":{inner}"#), &["SCHEMA_VALIDATION_FAILED /States/S | The QueryLanguage is set to 'JSONata', but field 'ItemsPath'"]),
    ] {
        check_jsonata(&fields, expected);
    }
}

#[test]
fn which_states_read_which_variables() {
    let text = r#"{"StartAt":"A","States":{
        "A":{"Type":"Pass","Assign":{"x":1,"y.$":"$a","z.$":"States.Format('{}{}', $b.c, States.Array($a))"},"InputPath":"$in","OutputPath":"$$.Execution","Next":"C"},
        "C":{"Type":"Choice","Choices":[{"And":[{"Variable":"$v","NumericEqualsPath":"$w"},{"Not":{"Variable":"$.x","IsNull":true}}],"Assign":{"x.$":"$u"},"Next":"M"}],"Default":"J"},
        "M":{"Type":"Map","ItemsPath":"$items","MaxConcurrencyPath":"$most","ToleratedFailureCountPath":"$some","ItemProcessor":{"StartAt":"W","States":{"W":{"Type":"Wait","SecondsPath":"$s","End":true}}},"Catch":[{"ErrorEquals":["E"],"Assign":{"x.$":"$caught"},"Next":"F"}],"Next":"J"},
        "J":{"Type":"Map","QueryLanguage":"JSONata","Items":["{% $i %}"],"ItemSelector":{"a":"{% $sum($j.k) + ($own := 1; $own) %}"},"MaxConcurrency":"{% $most %}","Output":"{% $states.result[$o] %}","ItemProcessor":{"StartAt":"K","States":{"K":{"Type":"Pass","End":true}}},"End":true},
        "F":{"Type":"Fail","ErrorPath":"$e","Cause":"$no"}}}"#;
    let parsed = parse_as(text, MachineType::Standard).unwrap();
    let told: Vec<String> = asl::variable_references(&parsed.definition)
        .iter()
        .map(|(state, names)| format!("{state}: {}", names.iter().cloned().collect::<Vec<_>>().join(" ")))
        .collect();
    assert_eq!(told, ["A: a b in", "C: u v w", "F: e", "J: i j most o", "M: caught items most some", "W: s"]);
}

#[test]
fn messages_are_those_of_aws() {
    let prefix = "Invalid State Machine Definition: ";
    for (text, expected) in [
        ("", "'SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object at null'"),
        (r#"{"StartAt":"A"}"#, "'SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /'"),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"A"}}}"#,
            "'MISSING_END_STATE: Workflow has no terminal state at null'",
        ),
        (
            r#"{"StartAt":"pass1","States":{"pass1":{"Type":"Pass","Next":"pass3"},"pass2":{"Type":"Pass","End":true}}}"#,
            "'MISSING_TRANSITION_TARGET: Missing 'Next' target: pass3 at /States/pass1/Next, MISSING_TRANSITION_TARGET: State \"pass2\" is not reachable. at /States/pass2'",
        ),
        // The state that only an unreachable one leads to is not told.
        (
            r#"{"StartAt":"Not sure","States":{"Pass One":{"Type":"Pass","Next":"Success"},"Success":{"Type":"Succeed"}}}"#,
            "'MISSING_TRANSITION_TARGET: Missing 'Next' target: Not sure at /StartAt, MISSING_TRANSITION_TARGET: State \"Pass One\" is not reachable. at /States/Pass One'",
        ),
        (
            r#"{"StartAt":"0/1","States":{"0/1":{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"0"}],"Default":"B"},"B":{"Type":"Succeed"}}}"#,
            "'MISSING_TRANSITION_TARGET: Missing 'Next' target: 0 at /States/0/1/Choices[0]/Next'",
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"v.$":"Test"},"End":true}}}"#,
            "'SCHEMA_VALIDATION_FAILED: The value for the field 'v.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters'",
        ),
        // What AWS refuses comes alone; what only Ithaca refuses comes when nothing else is left.
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Credentials":{},"End":true}}}"#,
            "'SCHEMA_VALIDATION_FAILED: The field 'RoleArn' is required but was missing at /States/A/Credentials'",
        ),
        (
            r#"{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"Condition":"{% phone = 1 %}","Next":"B"}],"Default":"B"},"B":{"Type":"Pass","Output":{"a":{"b":["{% $$ %}"]}},"End":true}}}"#,
            "'UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. at /States/A/Choices[0]/Condition, UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$$' is not supported. at /States/B/Output/a/b[0]'",
        ),
    ] {
        assert_eq!(aws_message(&found(text)), format!("{prefix}{expected}"), "{text}");
    }
    let parts = [r#"{"a":{"#, "\n", r#""b": nope }}"#].concat();
    let found = found(&parts);
    assert_eq!((found[0].line, found[0].column), (2, 10));
    assert_eq!(asl::aws_location(&found[0]).unwrap(), format!("[Source: (String)\"{parts}\"; line: 2, column: 10]"));
}

#[test]
fn diagnostics_have_lines() {
    let text = "{\n  \"StartAt\": \"A\",\n  \"States\": {\n    \"A\": {\n      \"Type\": \"Pass\",\n      \"Retry\": [],\n      \"End\": true\n    }\n  }\n}";
    let found = found(text);
    // AWS names the state; the line is that of the field.
    assert_eq!((found[0].pointer.as_str(), found[0].line, found[0].column), ("/States/A", 6, 7));
}

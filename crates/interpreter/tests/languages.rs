//! JSONata, and workflow variables in both query languages: one row a case. `check` compares the whole history.

mod support;

use interpreter::{EventKind, InputKind, limits};
use support::World;

type Script<'s> = &'s [(&'s str, &'s [&'s str])];

const FUNCTION: &str = r#""Type":"Task","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f""#;

/// Each state's name stands before its fields; the first is the start, the last one ends.
fn machine(language: &str, states: &[(&str, &str)]) -> String {
    let states = states.iter().enumerate().map(|(at, (name, fields))| {
        let go = match states.get(at + 1) {
            _ if fields.contains(r#""Type":"Choice""#) || fields.contains(r#""Type":"Fail""#) => String::new(),
            Some((next, _)) => format!(r#","Next":"{next}""#),
            None => r#","End":true"#.to_owned(),
        };
        format!(r#""{name}":{{{fields}{go}}}"#)
    });
    let (start, states) = (r#""StartAt":"A""#, states.collect::<Vec<_>>().join(","));
    format!(r#"{{"QueryLanguage":"{language}",{start},"States":{{{states}}}}}"#)
}

fn run(definition: &str, input: &str, script: Script) -> World {
    let mut world = World::new(definition, input);
    world.run_script(script);
    world
}

fn check_end(definition: &str, input: &str, script: Script, end: &str) {
    assert_eq!(run(definition, input, script).end(), end, "{definition} of {input}");
}

/// `trace` has a line an event; see `support::short`.
fn check(definition: &str, input: &str, script: Script, trace: &str) {
    let world = run(definition, input, script);
    let expected: Vec<&str> = trace.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(world.trace(), expected, "{definition} of {input}\n{:#?}", world.trace());
}

const PLACE: &str = "An error occurred while executing the state 'A' (entered at the event id #2).";

#[test]
fn what_a_dollar_is_in_assign() {
    let check = |fields: &str, script: Script, sees: &str| {
        let definition = machine("JSONPath", &[("A", fields), ("Z", r#""Type":"Pass","Parameters":{"x.$":"$x"}"#)]);
        check_end(&definition, r#"{"in":{"a":1,"list":[7]}}"#, script, &format!(r#"succeeded {{"x":{sees}}}"#));
    };
    check(r#""Type":"Pass","InputPath":"$.in","Assign":{"x.$":"$"}"#, &[], r#"{"a":1,"list":[7]}"#);
    check(r#""Type":"Pass","Result":[2],"ResultPath":"$.r","Assign":{"x.$":"$"}"#, &[], "[2]");
    check(r#""Type":"Pass","Parameters":{"p.$":"$.in.a"},"ResultPath":null,"Assign":{"x.$":"$.p"}"#, &[], "1");
    check(
        r#""Type":"Wait","Seconds":1,"InputPath":"$.in","OutputPath":null,"Assign":{"x.$":"$"}"#,
        &[],
        r#"{"a":1,"list":[7]}"#,
    );
    check(
        &format!(r#"{FUNCTION},"ResultSelector":{{"s.$":"$.r"}},"OutputPath":"$.s","Assign":{{"x.$":"$"}}"#),
        &[("A", &[r#"ok {"r":3}"#])],
        r#"{"r":3}"#,
    );
    check(
        &format!(
            r#"{FUNCTION},"Catch":[{{"ErrorEquals":["E"],"ResultPath":"$.e","Assign":{{"x.$":"$.Error"}},"Next":"Z"}}],"Assign":{{"x":"fine"}}"#
        ),
        &[("A", &["fail E"])],
        r#""E""#,
    );
    check(
        r#""Type":"Map","ItemsPath":"$.in.list","Assign":{"x.$":"$[0]"},"ResultPath":null,"ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}}"#,
        &[],
        "7",
    );
}

#[test]
fn values_are_those_of_the_entry() {
    // Neither Output nor Assign itself sees what Assign sets.
    let definition = machine(
        "JSONata",
        &[
            ("A", r#""Type":"Pass","Assign":{"x":3,"a":6}"#),
            ("B", r#""Type":"Pass","Assign":{"x":"{% $a %}","next":"{% $x %}"},"Output":"{% $x %}""#),
            ("C", r#""Type":"Pass","Output":["{% $states.input %}","{% $x %}","{% $next %}"]"#),
        ],
    );
    check(
        &definition,
        "{}",
        &[],
        r#"
        1<0 started
        2<0 -> A
        3<2 <- A with x=3 a=6
        4<3 -> B
        5<4 <- B with x=6 next=3
        6<5 -> C
        7<6 <- C
        8<7 succeeded [3,6,3]
    "#,
    );
    let definition = machine(
        "JSONPath",
        &[
            ("A", r#""Type":"Pass","Assign":{"x":[1,{"y":"v"}]}"#),
            ("B", r#""Type":"Pass","Assign":{"x.$":"$x[1].y"},"Parameters":{"was.$":"$x"}"#),
            ("C", r#""Type":"Pass","ResultPath":"$.is","InputPath":"$x""#),
        ],
    );
    check_end(&definition, "{}", &[], r#"succeeded {"was":[1,{"y":"v"}],"is":"v"}"#);
}

#[test]
fn a_thread_keeps_what_it_assigns() {
    let branch = |name: &str, value: u8| {
        format!(
            r#"{{"StartAt":"{name}","States":{{"{name}":{{"Type":"Pass","Assign":{{"own":{value}}},"Next":"{name}2"}},"{name}2":{{"Type":"Pass","Output":"{{% $own + $outer %}}","End":true}}}}}}"#
        )
    };
    let parallel = format!(
        r#""Type":"Parallel","Branches":[{},{}],"Assign":{{"outer":"{{% $sum($states.result) %}}"}}"#,
        branch("X", 1),
        branch("Y", 2)
    );
    let last = r#""Type":"Pass","Output":"{% [$outer, $exists($own)] %}""#;
    let definition =
        machine("JSONata", &[("A", r#""Type":"Pass","Assign":{"outer":10}"#), ("P", &parallel), ("Z", last)]);
    check_end(&definition, "{}", &[], "succeeded [23,false]");

    // Two deep; the inner Map sees what its iteration of the outer one has set.
    let inner = r#"{"Type":"Map","Items":[1,2],"ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Pass","Output":"{% $outer & $mine & $states.input %}","End":true}}},"End":true}"#;
    let outer = format!(
        r#""Type":"Map","Items":"{{% $list %}}","ItemProcessor":{{"StartAt":"S","States":{{"S":{{"Type":"Pass","Assign":{{"mine":"{{% $states.input %}}"}},"Next":"M"}},"M":{inner}}}}}"#
    );
    let definition =
        machine("JSONata", &[("A", r#""Type":"Pass","Assign":{"outer":"o","list":["a","b"]}"#), ("B", &outer)]);
    check_end(&definition, "{}", &[], r#"succeeded [["oa1","oa2"],["ob1","ob2"]]"#);
}

#[test]
fn tasks_in_jsonata() {
    let fields = format!(
        r#"{FUNCTION},"Arguments":{{"n":"{{% $states.input.n + 1 %}}"}},"TimeoutSeconds":"{{% $states.input.n %}}","Output":{{"in":"{{% $states.input.n %}}","out":"{{% $states.result.r %}}"}},"Assign":{{"x":"{{% $states.result.r %}}"}}"#
    );
    let world = run(&machine("JSONata", &[("A", &fields)]), r#"{"n":6}"#, &[("A", &[r#"ok {"r":"done"}"#])]);
    assert_eq!(world.end(), r#"succeeded {"in":6,"out":"done"}"#);
    let scheduled = world.history.iter().find_map(|event| match &event.kind {
        EventKind::TaskScheduled { input, timeout_seconds, .. } => Some((input.text().to_owned(), *timeout_seconds)),
        _ => None,
    });
    assert_eq!(scheduled, Some((r#"{"n":7}"#.to_owned(), Some(6))));
    // Without Arguments and Output: the input goes in, the result comes out.
    check_end(&machine("JSONata", &[("A", FUNCTION)]), "[1]", &[("A", &["ok 2"])], "succeeded 2");
}

#[test]
fn caught_in_jsonata() {
    let task = |catch: &str| {
        let fields = format!(
            r#"{FUNCTION},"Retry":[{{"ErrorEquals":["X"],"MaxAttempts":1}}],"Catch":[{{"ErrorEquals":["Y"],"Next":"Z"}},{{"ErrorEquals":["States.ALL"]{catch},"Next":"Z"}}],"Output":"{{% $states.result.a %}}""#
        );
        machine("JSONata", &[("A", &fields), ("Z", r#""Type":"Pass""#)])
    };
    check_end(&task(""), "{}", &[("A", &["fail E why"])], r#"succeeded {"Error":"E","Cause":"why"}"#);
    check_end(
        &task(r#","Output":["{% $states.input %}","{% $states.errorOutput.Error %}"]"#),
        "1",
        &[("A", &["fail X", "fail X"])],
        r#"succeeded [1,"X"]"#,
    );
    // What cannot be evaluated is an error like others.
    check(
        &task(r#","Assign":{"e":"{% $states.errorOutput.Error %}"},"Output":1"#),
        "{}",
        &[("A", &["ok {}"])],
        r#"
        1<0 started
        2<0 -> A
        3<2 task scheduled
        4<3 task started
        5<4 task succeeded
        6<5 A not evaluated: Output
        7<6 <- A with e="States.QueryEvaluationError"
        8<7 -> Z
        9<8 <- Z
        10<9 succeeded 1
    "#,
    );
    // A catcher whose own fields fail catches nothing.
    check(
        &task(r#","Output":{"a":["{% $none %}"]}"#),
        "{}",
        &[("A", &["fail E"])],
        "
        1<0 started
        2<0 -> A
        3<2 task scheduled
        4<3 task started
        5<4 task failed E
        6<5 A not evaluated: Catch[1]/Output/a[0]
        7<6 failed States.QueryEvaluationError
    ",
    );
}

#[test]
fn a_failed_evaluation_is_tried_again() {
    let fields = format!(
        r#"{FUNCTION},"Arguments":"{{% $none %}}","Retry":[{{"ErrorEquals":["States.QueryEvaluationError"],"MaxAttempts":1}}]"#
    );
    check(
        &machine("JSONata", &[("A", &fields)]),
        "{}",
        &[],
        "
        1<0 started
        2<0 -> A
        3<0 A not evaluated: Arguments
        4<3 A not evaluated: Arguments
        5<4 failed States.QueryEvaluationError
    ",
    );
}

#[test]
fn choice_in_jsonata() {
    let rules = r#""Type":"Choice","Choices":[
        {"Condition":false,"Next":"Z","Output":"never"},
        {"Condition":"{% $states.input.n > 5 %}","Next":"Z","Assign":{"x":"big"},"Output":{"n":"{% $states.input.n %}"}},
        {"Condition":"{% $states.input.n > 0 %}","Next":"Z"}],
        "Default":"Z","Assign":{"x":"none"},"Output":"default""#;
    let definition = machine(
        "JSONata",
        &[("A", rules), ("Z", r#""Type":"Pass","Output":["{% $states.input %}","{% $exists($x) ? $x : null %}"]"#)],
    );
    let check_n =
        |n: &str, output: &str| check_end(&definition, &format!(r#"{{"n":{n}}}"#), &[], &format!("succeeded {output}"));
    check_n("6", r#"[{"n":6},"big"]"#);
    check_n("1", r#"[{"n":1},null]"#);
    check_n("0", r#"["default","none"]"#);
    let only = |condition: &str| {
        let rules = format!(r#""Type":"Choice","Choices":[{{"Condition":"{{% {condition} %}}","Next":"Z"}}]"#);
        machine("JSONata", &[("A", &rules), ("Z", r#""Type":"Pass""#)])
    };
    let fails = |condition: &str, error: &str, cause: &str| {
        check_end(&only(condition), "{}", &[], &format!("failed States.{error} {PLACE} {cause}"));
    };
    fails(
        "false",
        "NoChoiceMatched",
        "Failed to transition out of the state. The state's input matches none of its Choices and it has no Default.",
    );
    fails(
        "'yes'",
        "QueryEvaluationError",
        "The JSONata expression ''yes'' specified for the field 'Choices[0]/Condition' returned an unexpected result type. Expected 'boolean', but was 'string' for value: \"yes\"",
    );
    fails(
        "$none",
        "QueryEvaluationError",
        "The JSONata expression '$none' specified for the field 'Choices[0]/Condition' returned nothing (undefined).",
    );
}

#[test]
fn wait_and_fail_in_jsonata() {
    let wait =
        |fields: &str| machine("JSONata", &[("A", &format!(r#""Type":"Wait",{fields},"Output":"{{% $millis() %}}""#))]);
    let check = |fields: &str, ms: i64| {
        check_end(&wait(fields), "{}", &[], &format!("succeeded {}", support::START.0 + ms));
    };
    check(r#""Seconds":"{% 1 + 2 %}""#, 3000);
    check(r#""Seconds":2"#, 2000);
    check(r#""Timestamp":"{% '2026-01-01T00:00:05' & 'Z' %}""#, 5000);
    let fails = |fields: &str, cause: &str| {
        check_end(&wait(fields), "{}", &[], &format!("failed States.QueryEvaluationError {PLACE} {cause}"));
    };
    fails(r#""Seconds":"{% 1.5 %}""#, "The Seconds field cannot be parsed as a long value: 1.5");
    fails(
        r#""Seconds":"{% '1' %}""#,
        "The JSONata expression ''1'' specified for the field 'Seconds' returned an unexpected result type. Expected 'number', but was 'string' for value: \"1\"",
    );
    let soon = wait(r#""Timestamp":"{% 'soon' %}""#);
    assert_eq!(run(&soon, "{}", &[]).trace()[2], "3<2 A not evaluated: Timestamp");
    let fail = |fields: &str| machine("JSONata", &[("A", &format!(r#""Type":"Fail",{fields}"#))]);
    check_end(&fail(r#""Error":"{% 'E' & $states.input %}","Cause":"{% 'c' %}""#), "1", &[], "failed E1 c");
    check_end(
        &fail(r#""Error":"E","Cause":"{% 5 %}""#),
        "1",
        &[],
        &format!(
            "failed States.QueryEvaluationError {PLACE} The JSONata expression '5' specified for the field 'Cause' returned an unexpected result type. Expected 'string', but was 'number' for value: 5"
        ),
    );
}

#[test]
fn maps_in_jsonata() {
    let map = |fields: &str, inner: &str| {
        machine(
            "JSONata",
            &[(
                "A",
                &format!(
                    r#""Type":"Map",{fields},"ItemProcessor":{{"StartAt":"I","States":{{"I":{{"Type":"Pass"{inner},"End":true}}}}}}"#
                ),
            )],
        )
    };
    check_end(&map(r#""MaxConcurrency":1"#, ""), "[1,2]", &[], "succeeded [1,2]");
    check_end(
        &map(
            r#""Items":[1,"{% $states.input.n %}"],"ItemSelector":{"i":"{% $states.context.Map.Item.Index %}","v":"{% $states.context.Map.Item.Value %}","n":"{% $states.input.n %}"},"Output":"{% $states.result.(i + v + n) %}""#,
            "",
        ),
        r#"{"n":5}"#,
        &[],
        "succeeded [6,11]",
    );
    // A Map that cannot be evaluated has failed without having started.
    check(
        &map(r#""Items":"{% 1 %}""#, ""),
        "{}",
        &[],
        "
        1<0 started
        2<0 -> A
        3<0 A not evaluated: Items
        4<3 map failed
        5<4 failed States.QueryEvaluationError
    ",
    );
    check(
        &map(r#""MaxConcurrency":1"#, ""),
        "{}",
        &[],
        "
        1<0 started
        2<0 -> A
        3<0 A not evaluated: -
        4<3 map failed
        5<4 failed States.QueryEvaluationError
    ",
    );
    check(
        &map(r#""Items":[7],"MaxConcurrency":"{% -1 %}""#, ""),
        "{}",
        &[],
        "
        1<0 started
        2<0 -> A
        3<2 A not evaluated: MaxConcurrency
        4<3 map failed
        5<4 failed States.QueryEvaluationError
    ",
    );
}

#[test]
fn variables_are_bounded() {
    let input = |bytes: usize| format!(r#"{{"big":"{}"}}"#, "x".repeat(bytes));
    let half = limits::ASSIGN_BYTES_MAX / 2;
    let both = machine(
        "JSONata",
        &[("A", r#""Type":"Pass","Assign":{"a":"{% $states.input.big %}","b":"{% $states.input.big %}"},"Output":1"#)],
    );
    check_end(&both, &input(half - 2), &[], "succeeded 1");
    let cause =
        format!("The variables assigned by the state 'A' exceed the maximum of {} bytes.", limits::ASSIGN_BYTES_MAX);
    check_end(&both, &input(half), &[], &format!("failed States.DataLimitExceeded {cause}"));

    // One after another, until the execution has too many.
    let most = limits::VARIABLES_BYTES_MAX / limits::ASSIGN_BYTES_MAX + 1;
    let names: Vec<String> = (0..most).map(|at| if at == 0 { "A".into() } else { format!("A{at}") }).collect();
    let fields: Vec<String> =
        (0..most).map(|at| format!(r#""Type":"Pass","Assign":{{"v{at}":"{{% $states.input.big %}}"}}"#)).collect();
    let states: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(fields.iter().map(String::as_str)).collect();
    let input = input(limits::ASSIGN_BYTES_MAX - 20);
    let fits = run(&machine("JSONata", &states[..most - 1]), &input, &[]);
    assert!(fits.end().starts_with("succeeded"));
    let cause = format!("The variables of the execution exceed the maximum of {} bytes.", limits::VARIABLES_BYTES_MAX);
    check_end(&machine("JSONata", &states), &input, &[], &format!("failed States.DataLimitExceeded {cause}"));
}

#[test]
fn variables_survive_a_snapshot() {
    let definition = machine(
        "JSONPath",
        &[
            ("A", r#""Type":"Pass","Assign":{"x":{"y":1}}"#),
            ("B", r#""Type":"Wait","Seconds":1"#),
            ("C", r#""Type":"Pass","Parameters":{"x.$":"$x.y"}"#),
        ],
    );
    let mut world = World::new(&definition, "{}");
    world.feed(InputKind::Start).unwrap();
    world.execution.settle(&mut world.about.input);
    let text = serde_json::to_string(&world.execution).unwrap();
    world.execution = serde_json::from_str(&text).unwrap();
    let (timer, at) = world.execution.timers()[0];
    world.now = at;
    world.feed(InputKind::TimerFired(timer)).unwrap();
    assert_eq!(world.end(), r#"succeeded {"x":1}"#);
}

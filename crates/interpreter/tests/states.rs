//! What each type of state does, alone and in the arms of another: one row a case.

mod support;

use interpreter::{Command, EventKind, Failure, InputKind, Payload, Phase, Rejected, TaskId, TimerId};
use support::{START, World};

type Script<'s> = &'s [(&'s str, &'s [&'s str])];

const FUNCTION: &str = r#""Type":"Task","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f""#;

fn run(definition: &str, input: &str, script: Script) -> World {
    let mut world = World::new(definition, input);
    world.run_script(script);
    world
}

/// A machine of one state that ends.
fn alone(state: &str) -> String {
    format!(r#"{{"StartAt":"A","States":{{"A":{{{state}}}}}}}"#)
}

/// A machine whose state A is a function with these further fields, and goes on to the given states.
fn task(fields: &str, further: &str) -> String {
    format!(r#"{{"StartAt":"A","States":{{"A":{{{FUNCTION},{fields}}}{further}}}}}"#)
}

fn check_end(definition: &str, input: &str, script: Script, end: &str) {
    let world = run(definition, input, script);
    assert_eq!(world.end(), end, "{definition} of {input}");
}

/// `trace` has a line an event; see `support::short`.
fn check(definition: &str, input: &str, script: Script, trace: &str) {
    let world = run(definition, input, script);
    let expected: Vec<&str> = trace.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(world.trace(), expected, "{definition} of {input}\n{:#?}", world.trace());
}

#[test]
fn pass() {
    let check = |fields: &str, input: &str, output: &str| {
        check_end(&alone(&format!(r#""Type":"Pass",{fields}"End":true"#)), input, &[], &format!("succeeded {output}"));
    };
    check("", r#"{ "a": 1.0 }"#, r#"{ "a": 1.0 }"#);
    check(r#""Result":[1],"#, "{}", "[1]");
    check(r#""Result":[1],"ResultPath":"$.b.c","#, r#"{"a":0}"#, r#"{"a":0,"b":{"c":[1]}}"#);
    check(r#""Result":[1],"ResultPath":null,"#, r#"{"a":0}"#, r#"{"a":0}"#);
    check(r#""InputPath":"$.a","#, r#"{"a":{"b":2}}"#, r#"{"b":2}"#);
    check(r#""InputPath":null,"#, r#"{"a":1}"#, "{}");
    check(r#""OutputPath":null,"#, r#"{"a":1}"#, "{}");
    check(r#""InputPath":"$.a","ResultPath":"$.r","OutputPath":"$.r.b","#, r#"{"a":{"b":2}}"#, "2");
    check(r#""Parameters":{"x.$":"$.a","y":[true]},"#, r#"{"a":"v"}"#, r#"{"x":"v","y":[true]}"#);
}

#[test]
fn texts_are_joined_as_values_are_written() {
    // What is asked for and what comes out. A space before a text sends it on the way by values; it stays where the text is
    // passed on as it is.
    let made = |fields: &str, input: &str, answer: &str| -> Vec<String> {
        let world = run(&task(&format!("{fields}\"End\":true"), ""), input, &[("A", &[&format!("ok {answer}")])]);
        let text = |kind: &EventKind| match kind {
            EventKind::TaskScheduled { input: made, .. } | EventKind::StateExited { output: made, .. } => {
                Some(made.text().trim().to_owned())
            }
            _ => None,
        };
        world.history.iter().filter_map(|event| text(&event.kind)).chain([world.end()]).collect()
    };
    let check = |fields: &str, input: &str, answer: &str, output: &str| {
        let joined = made(fields, input, answer);
        assert_eq!(joined, made(fields, &format!(" {input}"), &format!(" {answer}")), "{fields} of {input}");
        assert_eq!(joined.last().map(String::as_str), Some(output), "{fields} of {input}");
    };
    let invoke = r#""Parameters":{"FunctionName":"f","Payload.$":"$"},"ResultSelector":{"Payload.$":"$.Payload"},"#;
    let answer = r#"{"ExecutedVersion":"$LATEST","Payload":{"ok":[1.5,"x\n"]},"StatusCode":200}"#;
    let at = |path: &str| format!(r#"{invoke}"ResultPath":"{path}","#);
    check(&at("$.b"), r#"{"a":{}}"#, answer, r#"succeeded {"a":{},"b":{"Payload":{"ok":[1.5,"x\n"]}}}"#);
    check(&at("$.a"), r#"{"a":1,"b":[]}"#, answer, r#"succeeded {"a":{"Payload":{"ok":[1.5,"x\n"]}},"b":[]}"#);
    check(&at("$.a.b"), r#"{"a":{}}"#, answer, r#"succeeded {"a":{"b":{"Payload":{"ok":[1.5,"x\n"]}}}}"#);
    check(&at("$"), "{}", answer, r#"succeeded {"Payload":{"ok":[1.5,"x\n"]}}"#);
    check(&at("$['é']"), "{}", answer, r#"succeeded {"é":{"Payload":{"ok":[1.5,"x\n"]}}}"#);
    let conflict = r#"failed States.ReferencePathConflict An error occurred while executing the state 'A' (entered at the event id #2). Unable to apply step "a" to input [1]"#;
    check(&at("$.a"), "[1]", answer, conflict);
    check(
        r#""ResultPath":"$.r","#,
        r#"{"a":1}"#,
        r#"{"n":1e2,"m":10.0}"#,
        r#"succeeded {"a":1,"r":{"n":100.0,"m":10.0}}"#,
    );
    check(r#""ResultPath":"$.r","#, r#"{"a":-0,"a":2}"#, r#""A""#, r#"succeeded {"a":2,"r":"A"}"#);
    check(r#""ResultPath":"$.r","OutputPath":"$.r","#, "{}", "[null]", "succeeded [null]");
}

#[test]
fn an_expression_that_fails_ends_the_execution() {
    let check = |fields: &str, end: &str| {
        check_end(&alone(&format!(r#""Type":"Pass",{fields},"End":true"#)), r#"{"a":1}"#, &[], end);
    };
    check(
        r#""InputPath":"$.b""#,
        "failed States.Runtime An error occurred while executing the state 'A' (entered at the event id #2). Invalid path '$.b' : No results for path: $['b']",
    );
    check(
        r#""ResultPath":"$.a.b""#,
        "failed States.ReferencePathConflict An error occurred while executing the state 'A' (entered at the event id #2). Unable to apply step \"b\" to input 1",
    );
}

#[test]
fn the_context_object() {
    let machine = r#"{"StartAt":"A","States":{
        "A":{"Type":"Pass","Parameters":{"c.$":"$$"},"End":true}}}"#;
    check_end(
        machine,
        r#"{"k":[1]}"#,
        &[],
        concat!(
            r#"succeeded {"c":{"Execution":{"Id":"arn:aws:states:us-east-1:111111111111:execution:machine:run","#,
            r#""Input":{"k":[1]},"StartTime":"2026-01-01T00:00:00.000Z","Name":"run","#,
            r#""RoleArn":"arn:aws:iam::111111111111:role/sfn-role","RedriveCount":0},"#,
            r#""StateMachine":{"Id":"arn:aws:states:us-east-1:111111111111:stateMachine:machine","Name":"machine"},"#,
            r#""State":{"Name":"A","EnteredTime":"2026-01-01T00:00:00.000Z"}}}"#,
        ),
    );
    // After two retries, a second and two seconds later.
    let retried = task(
        r#""Parameters":{"n.$":"$$.State.RetryCount","at.$":"$$.State.EnteredTime"},
           "Retry":[{"ErrorEquals":["X"],"MaxAttempts":1},{"ErrorEquals":["States.ALL"]}],"End":true"#,
        "",
    );
    let world = run(&retried, "{}", &[("A", &["fail X", "fail Y", "ok 0"])]);
    let sent: Vec<String> = world
        .history
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::TaskScheduled { input, .. } => Some(input.text().to_owned()),
            _ => None,
        })
        .collect();
    let expected = [0, 1, 2].map(|n| format!(r#"{{"n":{n},"at":"2026-01-01T00:00:00.000Z"}}"#));
    assert_eq!(sent, expected);
}

#[test]
fn choice() {
    let machine = |default: &str| {
        format!(
            r#"{{"StartAt":"A","States":{{"A":{{"Type":"Choice","InputPath":"$.in","OutputPath":"$.n","Choices":[
            {{"Variable":"$.n","NumericGreaterThan":5,"Next":"Big"}},
            {{"Variable":"$.n","NumericGreaterThan":0,"Next":"Small"}}]{default}}},
            "Big":{{"Type":"Succeed"}},"Small":{{"Type":"Succeed"}},"None":{{"Type":"Succeed"}}}}}}"#
        )
    };
    let default = machine(r#","Default":"None""#);
    let check = |n: i64, state: &str| {
        let world = run(&default, &format!(r#"{{"in":{{"n":{n}}}}}"#), &[]);
        assert_eq!((world.entered(), world.end()), (vec!["A", state], format!("succeeded {n}")));
    };
    check(6, "Big");
    check(1, "Small");
    check(0, "None");
    check_end(
        &machine(r#","Default":"None""#)
            .replace(r#","None":{"Type":"Succeed"}"#, r#","None":{"Type":"Fail","Error":"E"}"#),
        r#"{"in":{"n":0}}"#,
        &[],
        "failed E -",
    );
    let only = r#"{"StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"Variable":"$.n","IsNull":true,"Next":"B"}]},"B":{"Type":"Succeed"}}}"#;
    check_end(
        only,
        r#"{"n":0}"#,
        &[],
        "failed States.NoChoiceMatched An error occurred while executing the state 'A' (entered at the event id #2). Failed to transition out of the state. The state's input matches none of its Choices and it has no Default.",
    );
}

#[test]
fn wait() {
    let check = |fields: &str, input: &str, ms: i64| {
        let world = run(&alone(&format!(r#""Type":"Wait",{fields},"End":true"#)), input, &[]);
        let left = world.times_ms(|kind| matches!(kind, EventKind::StateExited { .. }));
        assert_eq!((left, world.timers.len()), (vec![ms], 0), "{fields} of {input}");
    };
    check(r#""Seconds":3"#, "{}", 3000);
    check(r#""SecondsPath":"$.s""#, r#"{"s":7}"#, 7000);
    check(r#""SecondsPath":"$.s""#, r#"{"s":0}"#, 0);
    check(r#""Timestamp":"2026-01-01T00:01:00Z""#, "{}", 60_000);
    check(r#""Timestamp":"2025-01-01T00:00:00Z""#, "{}", 0);
    check(r#""TimestampPath":"$.t""#, r#"{"t":"2026-01-01T01:00:00.500+01:00"}"#, 500);
    let refused = |fields: &str, input: &str, cause: &str| {
        let end = format!(
            "failed States.Runtime An error occurred while executing the state 'A' (entered at the event id #2). {cause}"
        );
        check_end(&alone(&format!(r#""Type":"Wait",{fields},"End":true"#)), input, &[], &end);
    };
    refused(
        r#""SecondsPath":"$.s""#,
        r#"{"s":-1}"#,
        "The SecondsPath parameter cannot be parsed as a long value: $.s == -1",
    );
    refused(r#""SecondsPath":"$.t""#, r#"{"s":1}"#, "The SecondsPath parameter does not reference an input value: $.t");
    refused(
        r#""TimestampPath":"$.s""#,
        r#"{"s":"soon"}"#,
        "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: $.s == soon",
    );
    refused(r#""SecondsPath":"$.s""#, r#"{"s":9999999999}"#, "Wait state delay is too long.");
}

#[test]
fn succeed_and_fail() {
    check_end(&alone(r#""Type":"Succeed","InputPath":"$.a""#), r#"{"a":[1]}"#, &[], "succeeded [1]");
    let check = |fields: &str, end: &str| {
        check_end(&alone(&format!(r#""Type":"Fail"{fields}"#)), r#"{"e":"E","c":"why","n":1}"#, &[], end);
    };
    check("", "failed - -");
    check(r#","Error":"E","Cause":"c""#, "failed E c");
    check(r#","ErrorPath":"$.e","CausePath":"States.Format('{}!', $.c)""#, "failed E why!");
    check(
        r#","ErrorPath":"$.n""#,
        "failed States.Runtime An error occurred while executing the state 'A' (entered at the event id #2). The value of the field 'ErrorPath' must be a string but was: 1",
    );
}

#[test]
fn a_task_from_schedule_to_outcome() {
    let once = task(r#""ResultSelector":{"id.$":"$.x"},"ResultPath":"$.r","End":true"#, "");
    check(
        &once,
        r#"{"in":1}"#,
        &[("A", &[r#"@1500 ok {"x":7,"y":8}"#])],
        r#"
        1<0 started
        2<0 -> A
        3<2 task scheduled
        4<3 task started
        5<4 task succeeded
        6<5 <- A
        7<6 succeeded {"in":1,"r":{"id":7}}"#,
    );
    check(
        &once,
        "{}",
        &[("A", &["fail Boom it did"])],
        "
        1<0 started
        2<0 -> A
        3<2 task scheduled
        4<3 task started
        5<4 task failed Boom
        6<5 failed Boom",
    );
    check_end(&once, "{}", &[("A", &["fail Boom it did"])], "failed Boom it did");
    check_end(&once, "{}", &[("A", &["fail"])], "failed - -");
}

/// Milliseconds between the attempts of A.
fn pauses(world: &World) -> Vec<i64> {
    let times = world.times_ms(|kind| matches!(kind, EventKind::TaskScheduled { .. }));
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn retry_pauses() {
    let check = |retriers: &str, errors: &[&str], expected: &[i64]| {
        let machine = task(&format!(r#""Retry":[{retriers}],"End":true"#), "");
        let world = run(&machine, "{}", &[("A", errors)]);
        assert_eq!(pauses(&world), expected, "{retriers}");
        assert!(world.end().starts_with("failed"), "{}", world.end());
    };
    let x = "fail X";
    check(r#"{"ErrorEquals":["X"]}"#, &[x; 4], &[1000, 2000, 4000]);
    check(
        r#"{"ErrorEquals":["X"],"IntervalSeconds":2,"BackoffRate":1.5,"MaxAttempts":3}"#,
        &[x; 4],
        &[2000, 3000, 4500],
    );
    check(
        r#"{"ErrorEquals":["X"],"BackoffRate":10,"MaxDelaySeconds":25,"MaxAttempts":4}"#,
        &[x; 5],
        &[1000, 10_000, 25_000, 25_000],
    );
    check(r#"{"ErrorEquals":["X"],"MaxAttempts":0}"#, &[x], &[]);
    check(r#"{"ErrorEquals":["Y"]}"#, &[x], &[]);
    // Each retrier counts for itself; the first that matches decides, even when it is used up.
    let both =
        r#"{"ErrorEquals":["X"],"MaxAttempts":1},{"ErrorEquals":["States.ALL"],"IntervalSeconds":5,"MaxAttempts":2}"#;
    check(both, &[x, "fail Y", x], &[1000, 5000]);
    check(both, &["fail Y", x, "fail Y", "fail Y"], &[5000, 1000, 10_000]);
    check(r#"{"ErrorEquals":["States.TaskFailed"],"MaxAttempts":1}"#, &[x, x], &[1000]);
    check(r#"{"ErrorEquals":["States.TaskFailed"]}"#, &["fail States.Timeout"], &[]);
    check(r#"{"ErrorEquals":["States.ALL"]}"#, &["fail States.Runtime"], &[]);
}

#[test]
fn full_jitter_stays_within_the_pause_and_varies() {
    let machine = task(
        r#""Retry":[{"ErrorEquals":["X"],"IntervalSeconds":4,"MaxAttempts":1,"JitterStrategy":"FULL"}],"End":true"#,
        "",
    );
    let drawn: Vec<i64> = (0..200)
        .map(|seed| {
            let mut world = World::new(&machine, "{}");
            world.entropy = seed;
            world.run_script(&[("A", &["fail X", "ok 1"])]);
            pauses(&world)[0]
        })
        .collect();
    assert!(drawn.iter().all(|pause| (0..=4000).contains(pause)), "{drawn:?}");
    assert!(drawn.iter().any(|pause| *pause < 1000) && drawn.iter().any(|pause| *pause > 3000), "{drawn:?}");
}

#[test]
fn attempts_are_counted_anew_on_each_visit() {
    let machine = task(
        r#""Retry":[{"ErrorEquals":["X"],"MaxAttempts":1}],"Next":"Again?""#,
        r#","Again?":{"Type":"Choice","Choices":[{"Variable":"$","NumericEquals":1,"Next":"A"}],"Default":"End"},"End":{"Type":"Succeed"}"#,
    );
    let world = run(&machine, "{}", &[("A", &["fail X", "ok 1", "fail X", "ok 2"])]);
    assert_eq!(world.end(), "succeeded 2");
    check_end(&machine, "{}", &[("A", &["fail X", "ok 1", "fail X", "fail X"])], "failed X -");
}

#[test]
fn catch() {
    let machine = task(
        r#""Retry":[{"ErrorEquals":["R"],"MaxAttempts":1}],
           "Catch":[{"ErrorEquals":["X","R"],"ResultPath":"$.e","Next":"B"},{"ErrorEquals":["States.Timeout"],"ResultPath":null,"Next":"B"},
                    {"ErrorEquals":["States.ALL"],"Next":"C"}],"End":true"#,
        r#","B":{"Type":"Succeed"},"C":{"Type":"Succeed"}"#,
    );
    let check_catch = |outcomes: &[&str], state: &str, end: &str| {
        let world = run(&machine, r#"{"a":1}"#, &[("A", outcomes)]);
        assert_eq!((world.entered(), world.end().as_str()), (vec!["A", state], end), "{outcomes:?}");
    };
    check_catch(&["fail X some why"], "B", r#"succeeded {"a":1,"e":{"Error":"X","Cause":"some why"}}"#);
    check_catch(&["fail R", "fail R"], "B", r#"succeeded {"a":1,"e":{"Error":"R","Cause":null}}"#);
    check_catch(&["fail States.Timeout"], "B", r#"succeeded {"a":1}"#);
    check_catch(&["fail"], "C", "succeeded {\"Error\":null,\"Cause\":null}");
    check_end(&machine, "{}", &[("A", &["fail States.Runtime"])], "failed States.Runtime -");
    check(
        &machine,
        "{}",
        &[("A", &["fail Q"])],
        r#"
        1<0 started
        2<0 -> A
        3<2 task scheduled
        4<3 task started
        5<4 task failed Q
        6<5 <- A
        7<6 -> C
        8<7 <- C
        9<8 succeeded {"Error":"Q","Cause":null}"#,
    );
}

/// A Parallel P of these branches with these further fields, which may name B as the next state.
fn parallel(branches: &[&str], fields: &str) -> String {
    let branches = branches.join(",");
    let after = after(fields);
    format!(r#"{{"StartAt":"P","States":{{"P":{{"Type":"Parallel","Branches":[{branches}],{fields}}}{after}}}}}"#)
}

fn after(fields: &str) -> &'static str {
    if fields.contains(r#""Next":"B""#) { r#","B":{"Type":"Succeed"}"# } else { "" }
}

fn branch(name: &str, fields: &str) -> String {
    format!(r#"{{"StartAt":"{name}","States":{{"{name}":{{{FUNCTION},{fields}"End":true}}}}}}"#)
}

#[test]
fn parallel_joins_in_the_order_of_its_branches() {
    let machine = parallel(&[&branch("X", ""), &branch("Y", "")], r#""ResultPath":"$.r","End":true"#);
    check(
        &machine,
        r#"{"i":0}"#,
        &[("X", &["@20 ok 1"]), ("Y", &["@10 ok 2"])],
        r#"
        1<0 started
        2<0 -> P
        3<2 parallel started
        4<3 -> X
        5<4 task scheduled
        6<3 -> Y
        7<6 task scheduled
        8<5 task started
        9<7 task started
        10<9 task succeeded
        11<10 <- Y
        12<8 task succeeded
        13<12 <- X
        14<13 parallel succeeded
        15<13 <- P
        16<15 succeeded {"i":0,"r":[1,2]}"#,
    );
}

#[test]
fn a_failing_branch_takes_its_siblings_down() {
    let waiting = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":9,"End":true}}}"#;
    let machine = parallel(
        &[&branch("X", ""), &branch("Y", r#""TimeoutSeconds":60,"#), waiting],
        r#""Catch":[{"ErrorEquals":["E"],"Next":"B"}],"End":true"#,
    );
    let mut world = World::new(&machine, "{}");
    world.run_script(&[("X", &["@5 fail E c"]), ("Y", &["never"])]);
    assert_eq!((world.tasks.len(), world.timers.len(), world.now.0), (0, 0, START.0 + 5));
    check(
        &machine,
        "{}",
        &[("X", &["@5 fail E c"]), ("Y", &["never"])],
        r#"
        1<0 started
        2<0 -> P
        3<2 parallel started
        4<3 -> X
        5<4 task scheduled
        6<3 -> Y
        7<6 task scheduled
        8<3 -> W
        9<5 task started
        10<7 task started
        11<9 task failed E
        12<11 Task aborted
        13<10 Task aborted
        14<8 Wait aborted
        15<11 parallel failed
        16<15 <- P
        17<16 -> B
        18<17 <- B
        19<18 succeeded {"Error":"E","Cause":"c"}"#,
    );
}

#[test]
fn parallel_is_retried_as_a_whole() {
    let machine = parallel(
        &[&branch("X", ""), &branch("Y", "")],
        r#""Retry":[{"ErrorEquals":["E"],"MaxAttempts":1}],"End":true"#,
    );
    let world = run(&machine, "{}", &[("X", &["ok 1", "ok 3"]), ("Y", &["@10 fail E", "ok 4"])]);
    assert_eq!(world.end(), "succeeded [3,4]");
    assert_eq!(world.times_ms(|kind| *kind == EventKind::ParallelStarted), [0, 1010]);
    check_end(&machine, "{}", &[("X", &["ok 1", "ok 3"]), ("Y", &["@10 fail E", "@10 fail E"])], "failed E -");
}

#[test]
fn parallel_within_parallel() {
    let inner = r#"{"StartAt":"Q","States":{"Q":{"Type":"Parallel","End":true,"Branches":[
        {"StartAt":"X","States":{"X":{"Type":"Wait","Seconds":1,"End":true}}},
        {"StartAt":"Y","States":{"Y":{"Type":"Pass","Result":"y","End":true}}}]}}}"#;
    let machine = parallel(&[inner, &branch("Z", "")], r#""End":true"#);
    check_end(&machine, "0", &[("Z", &["ok 1"])], r#"succeeded [[0,"y"],1]"#);
    check(
        &machine,
        "0",
        &[("Z", &["@10 fail E"])],
        "
        1<0 started
        2<0 -> P
        3<2 parallel started
        4<3 -> Q
        5<4 parallel started
        6<3 -> Z
        7<6 task scheduled
        8<5 -> X
        9<5 -> Y
        10<9 <- Y
        11<7 task started
        12<11 task failed E
        13<12 Task aborted
        14<8 Wait aborted
        15<10 Parallel aborted
        16<12 parallel failed
        17<16 failed E",
    );
}

/// A Map M with these fields over one state; the fields may name B as the next state.
fn map(fields: &str, state: &str) -> String {
    let processor = format!(r#"{{"StartAt":"I","States":{{"I":{{{state},"End":true}}}}}}"#);
    let after = after(fields);
    format!(r#"{{"StartAt":"M","States":{{"M":{{"Type":"Map","ItemProcessor":{processor},{fields}}}{after}}}}}"#)
}

#[test]
fn map_over_nothing_and_over_something() {
    let pass = r#""Type":"Pass""#;
    check(
        &map(r#""End":true"#, pass),
        "[]",
        &[],
        "
        1<0 started
        2<0 -> M
        3<2 map of 0 started
        4<3 map succeeded
        5<3 <- M
        6<5 succeeded []",
    );
    check_end(
        &map(r#""End":true"#, pass),
        "{}",
        &[],
        "failed States.Runtime An error occurred while executing the state 'M' (entered at the event id #2). Map state input must be an array but was: {}",
    );
    check_end(
        &map(
            r#""ItemsPath":"$.in","ItemSelector":{"n.$":"$$.Map.Item.Index","v.$":"$$.Map.Item.Value","of.$":"$.k"},"ResultPath":"$.out","OutputPath":"$.out","End":true"#,
            pass,
        ),
        r#"{"in":["a","b"],"k":7}"#,
        &[],
        r#"succeeded [{"n":0,"v":"a","of":7},{"n":1,"v":"b","of":7}]"#,
    );
    // The item is in the context of every state of the iteration.
    let looks =
        r#""Type":"Pass","Parameters":{"i.$":"$$.Map.Item.Index","v.$":"$$.Map.Item.Value","name.$":"$$.State.Name"}"#;
    check_end(&map(r#""End":true"#, looks), "[[1]]", &[], r#"succeeded [{"i":0,"v":[1],"name":"I"}]"#);
    check_end(&map(r#""ResultSelector":{"all.$":"$"},"End":true"#, pass), "[1,2]", &[], r#"succeeded {"all":[1,2]}"#);
}

#[test]
fn map_runs_so_many_at_a_time() {
    let check = |fields: &str, items: usize, expected: usize| {
        let input = format!("{:?}", (0..items).collect::<Vec<_>>());
        let mut world = World::new(&map(&format!(r#"{fields}"End":true"#), FUNCTION), &input);
        let mut most = 0;
        world.feed(InputKind::Start).unwrap();
        while let Some(id) = world.tasks.keys().next_back().copied() {
            most = most.max(world.tasks.len());
            let output = world.tasks[&id].input.clone();
            world.feed(InputKind::TaskStarted(id)).unwrap();
            world.feed(InputKind::TaskSucceeded(id, output)).unwrap();
        }
        assert_eq!(most, expected, "{fields}");
        assert_eq!(world.end(), format!("succeeded {}", input.replace(' ', "")));
    };
    check(r#""MaxConcurrency":2,"#, 7, 2);
    check(r#""MaxConcurrency":1,"#, 3, 1);
    check("", 100, 40);
    check(r#""MaxConcurrency":1000,"#, 50, 40);
}

#[test]
fn a_failing_item_takes_the_others_down() {
    let machine = map(
        r#""MaxConcurrency":2,"Catch":[{"ErrorEquals":["E"],"ResultPath":"$[0]","Next":"B"}],"End":true"#,
        FUNCTION,
    );
    check(
        &machine,
        "[1,2,3]",
        &[("I", &["@20 never", "@10 fail E"])],
        r#"
        1<0 started
        2<0 -> M
        3<2 map of 3 started
        4<3 item 0 started
        5<3 item 1 started
        6<4 -> I
        7<6 task scheduled
        8<5 -> I
        9<8 task scheduled
        10<7 task started
        11<9 task started
        12<11 task failed E
        13<12 item 1 failed
        14<10 Task aborted
        15<14 item 0 aborted
        16<12 map failed
        17<16 <- M
        18<17 -> B
        19<18 <- B
        20<19 succeeded [{"Error":"E","Cause":null},2,3]"#,
    );
    let retried = map(r#""Retry":[{"ErrorEquals":["E"],"MaxAttempts":1}],"End":true"#, FUNCTION);
    check_end(&retried, "[1,2]", &[("I", &["ok 1", "fail E", "ok 3", "ok 4"])], "succeeded [3,4]");
}

#[test]
fn map_within_map() {
    let inner = r#""Type":"Map","ItemProcessor":{"StartAt":"J","States":{"J":{"Type":"Pass","Parameters":{"v.$":"$$.Map.Item.Value"},"OutputPath":"$.v","End":true}}}"#;
    check_end(&map(r#""End":true"#, inner), "[[1,2],[],[3]]", &[], "succeeded [[1,2],[],[3]]");
}

#[test]
fn a_task_times_out() {
    let check_at = |fields: &str, input: &str, ms: i64| {
        let world = run(&task(&format!(r#"{fields},"End":true"#), ""), input, &[("A", &["never"])]);
        let at = world.times_ms(|kind| matches!(kind, EventKind::TaskTimedOut { .. }));
        assert_eq!((at, world.end().as_str()), (vec![ms], "failed States.Timeout -"), "{fields}");
        assert!(world.tasks.is_empty() && world.timers.is_empty());
    };
    check_at(r#""TimeoutSeconds":5"#, "{}", 5000);
    check_at(r#""TimeoutSecondsPath":"$.t""#, r#"{"t":7}"#, 7000);
    check_at(r#""TimeoutSeconds":60,"HeartbeatSeconds":3"#, "{}", 3000);
    check_at(r#""TimeoutSeconds":60,"HeartbeatSecondsPath":"$.h""#, r#"{"h":2}"#, 2000);
    check_end(
        &task(r#""TimeoutSecondsPath":"$.t","End":true"#, ""),
        r#"{"t":0}"#,
        &[],
        "failed States.Runtime An error occurred while executing the state 'A' (entered at the event id #2). The value of the field 'TimeoutSecondsPath' must be a whole number of seconds from 1 to 99999999 but $.t is: 0",
    );
    // A late answer is stale; the retry has a time of its own.
    let retried = task(r#""TimeoutSeconds":5,"Retry":[{"ErrorEquals":["States.Timeout"]}],"End":true"#, "");
    let world = run(&retried, "{}", &[("A", &["@5500 ok 1", "@4000 ok 2"])]);
    assert_eq!(world.end(), "succeeded 2");
}

/// What keeps its parameters once it has started is asked for again after a crash.
#[test]
fn only_starts_of_executions_with_a_name_of_their_own_are_repeated() {
    for (resource, parameters, expected) in [
        ("lambda:invoke", r#""FunctionName":"f""#, false),
        ("states:startExecution", r#""StateMachineArn":"m""#, true),
        ("states:startExecution", r#""StateMachineArn":"m","Name":null"#, true),
        ("states:startExecution", r#""StateMachineArn":"m","Name":"n""#, false),
        ("states:startExecution.waitForTaskToken", r#""StateMachineArn":"m","Input.$":"$$.Task.Token""#, true),
        ("states:startExecution.waitForTaskToken", r#""StateMachineArn":"m","Name.$":"$$.Execution.Name""#, false),
        ("states:startExecution.sync", r#""StateMachineArn":"m","Name":"n""#, true),
        ("states:startExecution.sync:2", r#""StateMachineArn":"m""#, true),
    ] {
        let state = format!(
            r#""Type":"Task","Resource":"arn:aws:states:::{resource}","Parameters":{{{parameters}}},"End":true"#
        );
        let mut world = World::new(&alone(&state), "{}");
        world.feed(InputKind::Start).unwrap();
        let task = *world.tasks.keys().next().unwrap();
        world.feed(InputKind::TaskStarted(task)).unwrap();
        let (_, wait) = world.execution.task(task).unwrap();
        let is_kept = matches!(wait.phase, Phase::Started { again: Some(_) });
        assert_eq!(is_kept, expected, "{resource} of {parameters}");
    }
}

#[test]
fn signs_of_life_put_the_heartbeat_off() {
    let mut world = World::new(&task(r#""TimeoutSeconds":60,"HeartbeatSeconds":3,"End":true"#, ""), "{}");
    world.feed(InputKind::Start).unwrap();
    let id = *world.tasks.keys().next().unwrap();
    assert_eq!(world.feed(InputKind::TaskHeartbeat(id)), Err(Rejected::Stale), "it is not started");
    assert_eq!(world.timers.len(), 1, "the heartbeat is waited for from the start of the task on");
    world.feed(InputKind::TaskStarted(id)).unwrap();
    world.now = START.after_ms(2000);
    world.feed(InputKind::TaskHeartbeat(id)).unwrap();
    world.now = START.after_ms(3000);
    assert_eq!(world.feed(InputKind::TimerFired(TimerId::Heartbeat(id))), Err(Rejected::Stale));
    world.now = START.after_ms(5000);
    world.feed(InputKind::TimerFired(TimerId::Heartbeat(id))).unwrap();
    assert_eq!(world.end(), "failed States.Timeout -");
}

#[test]
fn the_machine_times_out() {
    let machine = task(r#""End":true"#, "").replacen('{', r#"{"TimeoutSeconds":10,"#, 1);
    check(
        &machine,
        "{}",
        &[("A", &["never"])],
        "
        1<0 started
        2<0 -> A
        3<2 task scheduled
        4<3 task started
        5<4 timed out",
    );
    let world = run(&machine, "{}", &[("A", &["@9999 ok 1"])]);
    assert_eq!((world.end().as_str(), world.timers.len()), ("succeeded 1", 0));
}

#[test]
fn stop_ends_everything_at_once() {
    let machine = parallel(
        &[&branch("X", ""), &branch("Y", r#""TimeoutSeconds":9,"#)],
        r#""Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"}],"End":true"#,
    );
    let mut world = World::new(&machine, "{}");
    world.feed(InputKind::Start).unwrap();
    let transition = world.feed(InputKind::Stop(Failure::new("E", "why"))).unwrap();
    assert_eq!(transition.commands.last(), Some(&Command::Finish));
    assert_eq!((world.tasks.len(), world.timers.len()), (0, 0));
    assert_eq!(world.end(), "aborted E why");
    assert_eq!(world.feed(InputKind::Stop(Failure::default())), Err(Rejected::Terminal));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let machine = task(r#""Retry":[{"ErrorEquals":["States.ALL"]}],"TimeoutSeconds":9,"End":true"#, "");
    let mut world = World::new(&machine, "{}");
    let nobody = TaskId { frame: interpreter::FrameId(0), attempt: interpreter::WaitId(1) };
    assert_eq!(world.feed(InputKind::TaskStarted(nobody)), Err(Rejected::NotNow));
    world.feed(InputKind::Start).unwrap();
    assert_eq!(world.feed(InputKind::Start), Err(Rejected::NotNow));
    assert_eq!(world.feed(InputKind::Continue), Err(Rejected::NotNow));
    let id = *world.tasks.keys().next().unwrap();
    let done = || InputKind::TaskSucceeded(id, Payload::parse("1").unwrap());
    assert_eq!(world.feed(done()), Err(Rejected::Stale), "it is not started");
    world.feed(InputKind::TaskStarted(id)).unwrap();
    assert_eq!(world.feed(InputKind::TaskStarted(id)), Err(Rejected::Stale));
    world.feed(InputKind::TaskFailed(id, Failure::named("E"))).unwrap();
    for late in [
        done(),
        InputKind::TaskStarted(id),
        InputKind::TaskHeartbeat(id),
        InputKind::TimerFired(TimerId::Timeout(id)),
        InputKind::TimerFired(TimerId::Execution),
    ] {
        assert_eq!(world.feed(late), Err(Rejected::Stale));
    }
}

#[test]
fn payloads_over_the_quota_fail_where_they_arise() {
    let bytes = interpreter::limits::PAYLOAD_BYTES_MAX;
    let text = |bytes: usize| format!("ok \"{}\"", "x".repeat(bytes - 2));
    let once = task(r#""End":true"#, "");
    assert!(run(&once, "{}", &[("A", &[&text(bytes)])]).end().starts_with("succeeded"));
    let too_large = |whose: &str| {
        format!(
            "failed States.DataLimitExceeded The state/task '{whose}' returned a result with a size exceeding the maximum number of bytes service limit."
        )
    };
    check_end(
        &once,
        "{}",
        &[("A", &[&text(bytes + 1)])],
        &too_large("arn:aws:lambda:us-east-1:111111111111:function:f"),
    );
    // Each fits, together they do not.
    let caught = task(r#""ResultPath":"$.r","End":true"#, "");
    check_end(&caught, r#"{"a":1}"#, &[("A", &[&text(bytes)])], &too_large("A"));
    let both = parallel(
        &[&branch("X", ""), &branch("Y", "")],
        r#""Catch":[{"ErrorEquals":["States.DataLimitExceeded"],"ResultPath":null,"Next":"B"}],"End":true"#,
    );
    check_end(&both, "0", &[("X", &[&text(bytes)]), ("Y", &[&text(bytes)])], "succeeded 0");
}

/// The state L goes on to A for ever. (A machine must have an end somewhere.)
const FOR_EVER: &str = r#""L":{"Type":"Choice","Choices":[{"Variable":"$$.Execution.Name","StringEquals":"never","Next":"End"}],"Default":"A"},"End":{"Type":"Succeed"}"#;

#[test]
fn a_long_step_is_cut_and_goes_on() {
    let machine = format!(r#"{{"StartAt":"A","States":{{"A":{{"Type":"Pass","Next":"L"}},{FOR_EVER}}}}}"#);
    let mut world = World::new(&machine, "{}");
    let first = world.feed(InputKind::Start).unwrap();
    assert_eq!(first.commands, [Command::Continue]);
    assert!(world.execution.is_ready());
    assert!(first.history.len() <= interpreter::limits::STEP_EVENTS_MAX + 2, "{}", first.history.len());
    while world.owes_continue {
        let next = world.feed(InputKind::Continue).unwrap();
        assert!(next.history.len() <= interpreter::limits::STEP_EVENTS_MAX + 2, "{}", next.history.len());
    }
    check_cap(&world);
}

#[test]
fn inputs_may_come_between_a_cut_step_and_its_continuation() {
    // One branch is a task, the other goes through more states than a step takes.
    let mut long: Vec<String> = (0..400).map(|n| format!(r#""L{n}":{{"Type":"Pass","Next":"L{}"}}"#, n + 1)).collect();
    long.push(r#""L400":{"Type":"Pass","End":true}"#.into());
    let long = format!(r#"{{"StartAt":"L0","States":{{{}}}}}"#, long.join(","));
    let machine = parallel(
        &[&branch("X", ""), &long],
        r#""Catch":[{"ErrorEquals":["E"],"ResultPath":null,"Next":"B"}],"End":true"#,
    );
    let between = |outcome: fn(TaskId) -> InputKind, end: &str| {
        let mut world = World::new(&machine, "0");
        world.feed(InputKind::Start).unwrap();
        assert!(world.owes_continue);
        let id = *world.tasks.keys().next().unwrap();
        world.feed(InputKind::TaskStarted(id)).unwrap();
        world.feed(outcome(id)).unwrap();
        while world.execution.is_ready() {
            world.feed(InputKind::Continue).unwrap();
        }
        assert_eq!(world.end(), end);
    };
    between(|id| InputKind::TaskSucceeded(id, Payload::parse("1").unwrap()), "succeeded [1,0]");
    between(|id| InputKind::TaskFailed(id, Failure::named("E")), "succeeded 0");
    between(|id| InputKind::TaskFailed(id, Failure::named("F")), "failed F -");
    between(|_| InputKind::Stop(Failure::named("S")), "aborted S -");
}

#[test]
fn the_history_is_capped_wherever_the_cap_falls() {
    // Rounds of different lengths, so that the last event meets every kind of event.
    let rounds = [
        r#""A":{"Type":"Pass","Next":"T"},"T":{TASK,"Next":"L"}"#,
        r#""A":{TASK,"Next":"P"},"P":{"Type":"Parallel","Branches":[{"StartAt":"X","States":{"X":{TASK,"End":true}}},{"StartAt":"Y","States":{"Y":{"Type":"Pass","End":true}}}],"Next":"L"}"#,
        r#""A":{"Type":"Map","ItemsPath":"$$.Execution.Input","ItemProcessor":{"StartAt":"X","States":{"X":{TASK,"End":true}}},"Next":"L"}"#,
        r#""A":{TASK,"Retry":[{"ErrorEquals":["E"],"MaxAttempts":99999999,"BackoffRate":1}],"Next":"L"}"#,
    ];
    for round in rounds {
        let machine = format!(
            r#"{{"StartAt":"A","TimeoutSeconds":99999999,"States":{{{},{FOR_EVER}}}}}"#,
            round.replace("TASK", FUNCTION)
        );
        let inputs = if round.contains("Map") { &["[0]", "[0,0]", "[0,0,0]"][..] } else { &["[]"] };
        for items in inputs {
            let mut world = World::new(&machine, items);
            let fails = round.contains("Retry");
            world.run(|_| support::parse_outcome(if fails { "fail E" } else { "ok {}" }));
            check_cap(&world);
        }
    }
}

#[test]
fn an_execution_that_ends_with_the_last_event_ends_as_it_should() {
    // A chain of Pass states whose own end comes at, before or after the cap.
    let chain = |passes: usize| {
        let mut states: Vec<String> =
            (0..passes - 1).map(|n| format!(r#""S{n}":{{"Type":"Pass","Next":"S{}"}}"#, n + 1)).collect();
        states.push(format!(r#""S{}":{{"Type":"Pass","End":true}}"#, passes - 1));
        format!(r#"{{"StartAt":"S0","States":{{{}}}}}"#, states.join(","))
    };
    // 1 + 2 n + 1 events: 12,499 states are 25,000 events.
    let mut fits = World::new(&chain(12_499), "{}");
    fits.run(|_| unreachable!("there are no tasks"));
    assert_eq!((fits.end().as_str(), fits.history.len()), ("succeeded {}", 25_000));
    let mut too_long = World::new(&chain(12_500), "{}");
    too_long.run(|_| unreachable!("there are no tasks"));
    check_cap(&too_long);
}

fn check_cap(world: &World) {
    assert_eq!(world.history.len(), 25_000);
    assert_eq!(world.history.last().unwrap().id, 25_000);
    assert_eq!(
        world.end(),
        "failed States.Runtime The execution reached the maximum number of history events (25000)."
    );
    assert_eq!((world.tasks.len(), world.timers.len(), world.execution.frames.len()), (0, 0, 0));
}

//! What the next process makes of what a crash has left, for every kind of wait; and what a shard answers about
//! executions that are not durable yet.
//!
//! Drives [`engine::core::Core`] itself, without threads and under a virtual clock.

mod support;

use std::sync::Arc;

use engine::{Machine, Outcome, StartError, StopError};
use interpreter::Timestamp;
use store::Memory;
use support::{Answer, Bench, FUNCTION, START, check_history, entered, machine, payload};

const LOST: &str =
    "Lambda.SdkClientException Ithaca stopped while this task was running; whether it took effect is not known.";

fn fresh(running_tasks_max: usize) -> Bench {
    Bench::open(Arc::new(Memory::new()), START, running_tasks_max)
}

/// Starts one execution of these states over an empty store, lets it settle, and crashes.
fn crashed(states: &str, running_tasks_max: usize) -> (Bench, Arc<Machine>) {
    let mut bench = fresh(running_tasks_max);
    let machine = bench.create("m", &machine(states));
    bench.start(&machine, "x", "{}");
    bench.settle();
    assert!(matches!(bench.answer("x"), Some(Answer::Started(Ok(_)))));
    (bench.crash(running_tasks_max), machine)
}

#[test]
fn timers_fire() {
    let check = |states: &str, seconds: i64, end: &str| {
        let (mut bench, machine) = crashed(states, 10);
        bench.settle();
        assert_eq!(bench.end(&machine, "x"), "RUNNING");
        assert_eq!(bench.core.next_timer(), Some(Timestamp(START.0 + seconds * 1000)), "{states}");
        assert!(bench.advance());
        bench.settle();
        assert_eq!(bench.end(&machine, "x"), end);
        check_history(&bench.history(&machine, "x"));
    };
    check(r#""A":{"Type":"Wait","Seconds":60,"End":true}"#, 60, "SUCCEEDED {}");
    check(r#""A":{"Type":"Wait","Timestamp":"2026-01-01T01:00:00Z","End":true}"#, 3600, "SUCCEEDED {}");
    let branches = r#"{"StartAt":"B","States":{"B":{"Type":"Wait","Seconds":5,"End":true}}},
        {"StartAt":"C","States":{"C":{"Type":"Pass","Result":1,"End":true}}}"#;
    check(&format!(r#""A":{{"Type":"Parallel","Branches":[{branches}],"End":true}}"#), 5, "SUCCEEDED [{},1]");
    let items = r#""A":{"Type":"Pass","Result":[1,2],"Next":"M"},"M":{"Type":"Map","End":true,"ItemProcessor":
        {"StartAt":"B","States":{"B":{"Type":"Wait","Seconds":5,"End":true}}}}"#;
    check(items, 5, "SUCCEEDED [1,2]");
}

/// The clock is set back while nothing runs: what was written stays in the past, and no pause grows by the jump.
#[test]
fn a_clock_that_was_set_back_moves_no_time() {
    let check = |states: &str, waits_until: i64| {
        let (mut bench, machine) = crashed(states, 10);
        assert!(bench.advance());
        bench.settle();
        bench.now = Timestamp(START.0 - 3_600_000);
        let mut bench = bench.crash(10);
        assert_eq!(bench.core.time(), START.after_ms(5000), "{states}");
        bench.settle();
        let due = bench.core.next_timer();
        assert_eq!(due, (waits_until > 0).then(|| Timestamp(START.0 + waits_until * 1000)), "{states}");
        bench.advance();
        bench.settle();
        assert_ne!(bench.end(&machine, "x"), "RUNNING");
        check_history(&bench.history(&machine, "x"));
    };
    let after_five =
        |states: &str| format!(r#""A":{{"Type":"Wait","Seconds":5,"Next":"B"}},"B":{{{states},"End":true}}"#);
    check(&after_five(r#""Type":"Wait","Seconds":60"#), 65);
    check(&after_five(FUNCTION), 0);
}

#[test]
fn a_map_goes_on_with_its_next_item() {
    let items = r#""A":{"Type":"Pass","Result":[1,2,3],"Next":"M"},"M":{"Type":"Map","MaxConcurrency":1,"End":true,
        "ItemProcessor":{"StartAt":"B","States":{"B":{"Type":"Wait","Seconds":5,"End":true}}}}"#;
    let (mut bench, machine) = crashed(items, 10);
    for _ in 0..3 {
        bench = bench.crash(10);
        assert!(bench.advance());
        bench.settle();
    }
    assert_eq!(bench.end(&machine, "x"), "SUCCEEDED [1,2,3]");
}

#[test]
fn a_pause_before_a_retry_is_kept() {
    let states = format!(r#""A":{{{FUNCTION},"Retry":[{{"ErrorEquals":["E"],"IntervalSeconds":30}}],"End":true}}"#);
    let (mut bench, machine) = crashed(&states, 0);
    // With no slot the task was not handed over; the next process has one.
    bench = bench.crash(1);
    bench.settle();
    bench.answer_task("A", Err("E"));
    bench.settle();
    bench = bench.crash(1);
    assert_eq!(bench.core.next_timer(), Some(START.after_ms(30_000)));
    assert!(bench.advance());
    bench.settle();
    bench.answer_task("A", Ok("7"));
    bench.settle();
    assert_eq!(bench.end(&machine, "x"), "SUCCEEDED 7");
    check_history(&bench.history(&machine, "x"));
}

#[test]
fn a_task_that_was_not_handed_over_is_handed_over() {
    let (mut bench, machine) = crashed(&format!(r#""A":{{{FUNCTION},"TimeoutSeconds":60,"End":true}}"#), 0);
    assert!(bench.handed.lock().unwrap().is_empty());
    bench = bench.crash(1);
    bench.settle();
    bench.answer_task("A", Ok("1"));
    bench.settle();
    assert_eq!(bench.end(&machine, "x"), "SUCCEEDED 1");
}

#[test]
fn a_task_that_was_handed_over_fails_as_lost() {
    let check = |fields: &str, after: &str, end: &str, states: &[&str]| {
        let (mut bench, machine) = crashed(&format!(r#""A":{{{FUNCTION},{fields}}}{after}"#), 10);
        bench.settle();
        while bench.end(&machine, "x") == "RUNNING" {
            match bench.running.is_empty() {
                false => bench.answer_task("A", Ok("2")),
                true => assert!(bench.advance()),
            }
            bench.settle();
        }
        assert_eq!(bench.end(&machine, "x"), end, "{fields}");
        let history = bench.history(&machine, "x");
        assert_eq!(entered(&history), states);
        check_history(&history);
    };
    check(r#""End":true"#, "", &format!("FAILED {LOST}"), &["A"]);
    check(r#""Retry":[{"ErrorEquals":["Lambda.SdkClientException"]}],"End":true"#, "", "SUCCEEDED 2", &["A"]);
    let catch = r#""Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"B"}],"End":true"#;
    check(catch, r#","B":{"Type":"Succeed"}"#, "SUCCEEDED {}", &["A", "B"]);
    // Two in one Parallel: the first brings the other down.
    let branch = |name: &str| format!(r#"{{"StartAt":"{name}","States":{{"{name}":{{{FUNCTION},"End":true}}}}}}"#);
    let both = format!(r#""A":{{"Type":"Parallel","Branches":[{},{}],"End":true}}"#, branch("X"), branch("Y"));
    let (mut bench, machine) = crashed(&both, 10);
    bench.settle();
    assert_eq!(bench.end(&machine, "x"), format!("FAILED {LOST}"));
}

#[test]
fn a_late_answer_of_an_earlier_term_is_dropped() {
    let states = format!(r#""A":{{{FUNCTION},"Retry":[{{"ErrorEquals":["States.ALL"]}}],"End":true}}"#);
    let (mut bench, machine) = crashed(&states, 1);
    let handed = bench.handed.lock().unwrap().first().cloned().unwrap();
    let id = bench.reader.find(&handed.0).unwrap().unwrap();
    bench.core.outcome(id, handed.1, Outcome::Done(Ok(payload("\"late\""))));
    bench.settle();
    assert_eq!(bench.core.gauges().running_tasks, 0);
    assert!(bench.advance());
    bench.settle();
    assert_eq!(bench.core.gauges().running_tasks, 1);
    bench.core.outcome(id, handed.1, Outcome::Done(Ok(payload("\"late\""))));
    assert_eq!(bench.core.gauges().running_tasks, 1, "a stranger's answer frees no slot");
    bench.answer_task("A", Ok("\"in time\""));
    bench.settle();
    assert_eq!(bench.end(&machine, "x"), "SUCCEEDED \"in time\"");
}

#[test]
fn names_are_still_taken() {
    let (mut bench, machine) = crashed(r#""A":{"Type":"Wait","Seconds":60,"End":true}"#, 10);
    let ask = |bench: &mut Bench, input: &str| {
        bench.start(&machine, "x", input);
        bench.settle();
        match bench.answer("x") {
            Some(Answer::Started(answer)) => answer.map(|started| started.started_at),
            other => panic!("{other:?}"),
        }
    };
    bench.now = START.after_ms(5);
    assert_eq!(ask(&mut bench, "{}").unwrap(), START, "the same request is answered as it was");
    assert!(matches!(ask(&mut bench, "[]"), Err(StartError::AlreadyExists { .. })));
    assert!(bench.advance());
    bench.settle();
    assert!(matches!(ask(&mut bench, "{}"), Err(StartError::AlreadyExists { .. })), "it has ended");
    let mut bench = bench.crash(10);
    assert!(matches!(ask(&mut bench, "{}"), Err(StartError::AlreadyExists { .. })));
}

#[test]
fn an_execution_that_could_go_on_for_long_lets_others_in_and_survives_a_crash() {
    // A round makes a new payload of 70 KB and four events, so one bounded step fills a batch, and there are two.
    let states = r#""A":{"Type":"Pass","Parameters":{"n.$":"States.MathAdd($.n, 1)","x.$":"$.x"},"Next":"B"},
        "B":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericGreaterThan":150,"Next":"C"}],"Default":"A"},
        "C":{"Type":"Pass","OutputPath":"$.n","End":true}"#;
    let mut bench = fresh(1);
    let long = bench.create("long", &machine(states));
    let short = bench.create("short", &machine(r#""A":{"Type":"Pass","End":true}"#));
    bench.start(&long, "x", &format!(r#"{{"n":0,"x":"{}"}}"#, "y".repeat(70_000)));
    bench.start(&short, "z", "{}");
    assert!(bench.core.is_full());
    bench.turn();
    assert_eq!((bench.end(&short, "z").as_str(), bench.end(&long, "x").as_str()), ("SUCCEEDED {}", "RUNNING"));
    let mut bench = bench.crash(1);
    bench.settle();
    assert_eq!(bench.end(&long, "x"), "SUCCEEDED 151");
    check_history(&bench.history(&long, "x"));
}

#[test]
fn an_execution_whose_history_is_full_when_its_task_starts_ends() {
    // Events: started, then 12,498 Pass states of two each, entered and scheduled: the start of the task would be
    // number 25,000, which only an end may take.
    let mut states: Vec<String> =
        (1..12_498).map(|n| format!(r#""P{n}":{{"Type":"Pass","Next":"P{}"}}"#, n + 1)).collect();
    states.push(r#""A":{"Type":"Pass","Next":"P1"}"#.into());
    states.push(format!(r#""P12498":{{{FUNCTION},"End":true}}"#));
    let mut bench = fresh(1);
    let machine = bench.create("m", &machine(&states.join(",")));
    bench.start(&machine, "x", "{}");
    bench.settle();
    let cause = "The execution reached the maximum number of history events (25000).";
    assert_eq!(bench.end(&machine, "x"), format!("FAILED States.Runtime {cause}"));
    assert_eq!(bench.history(&machine, "x").len(), 25_000);
    assert!(bench.handed.lock().unwrap().is_empty());
    assert_eq!(bench.core.gauges(), Default::default());
}

#[test]
fn a_request_about_what_is_on_its_way_to_the_disk() {
    let mut bench = fresh(1);
    let quick = bench.create("quick", &machine(r#""A":{"Type":"Pass","End":true}"#));
    let slow = bench.create("slow", &machine(r#""A":{"Type":"Wait","Seconds":9,"End":true}"#));
    let stopped = |bench: &mut Bench, name: &str| match bench.answer(name) {
        Some(Answer::Stopped(answer)) => answer,
        other => panic!("{name}: {other:?}"),
    };
    // Started and ended in the batch on its way; and started before, ended in it.
    bench.start(&slow, "old", "{}");
    bench.settle();
    bench.now = START.after_ms(7);
    bench.core.set_time(bench.now);
    bench.start(&quick, "new", "{}");
    bench.stop(&slow, "old");
    let (batch, acts) = bench.core.seal();
    bench.core.set_time(START.after_ms(9));
    bench.stop(&slow, "old");
    bench.stop(&quick, "new");
    bench.stop(&quick, "never");
    bench.start(&quick, "new", "[]");
    assert!(
        bench.answer("old").is_some_and(|answer| matches!(answer, Answer::Started(_))),
        "only the first is answered"
    );
    assert!(bench.answer("new").is_none() && bench.answer("never").is_none(), "nothing is told before its commit");
    store::commit_and_wait(&*bench.store, batch).unwrap();
    bench.core.committed();
    drop(acts);
    bench.settle();
    assert_eq!(stopped(&mut bench, "old").unwrap(), START.after_ms(7));
    assert!(matches!(stopped(&mut bench, "never"), Err(StopError::DoesNotExist)));
    assert!(matches!(bench.answer("new"), Some(Answer::Started(Err(StartError::AlreadyExists { .. })))));
    bench.stop(&quick, "new");
    bench.settle();
    assert_eq!(stopped(&mut bench, "new").unwrap(), START.after_ms(7), "durable by now");
}

#[test]
fn a_slot_is_used_again_when_its_task_was_given_up_before_it_was_handed_over() {
    let mut bench = fresh(1);
    let machine = bench.create("m", &machine(&format!(r#""A":{{{FUNCTION},"End":true}}"#)));
    bench.start(&machine, "x", "1");
    bench.start(&machine, "y", "2");
    // In the same batch, so x's task has its slot but is not handed over.
    bench.stop(&machine, "x");
    bench.settle();
    assert_eq!(bench.handed.lock().unwrap().len(), 1);
    bench.answer_task("A", Ok("3"));
    bench.settle();
    assert_eq!(
        (bench.end(&machine, "x").as_str(), bench.end(&machine, "y").as_str()),
        ("ABORTED Stopped", "SUCCEEDED 3")
    );
    assert_eq!(bench.core.gauges(), Default::default());
}

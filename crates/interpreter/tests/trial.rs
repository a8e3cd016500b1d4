//! A trial: one state, and no more, with its data seen.

mod support;

use interpreter::{EventKind, Execution, Failure, Input, InputKind, Payload, Seen, Setting, Status, Trial, step};
use serde_json::{Value, json};
use support::{START, World};

fn pass(next: &str) -> String {
    format!(r#"{{"Type":"Pass","Parameters":{{"was.$":"$"}},"ResultPath":"$.p","Next":"{next}"}}"#)
}

fn machine(first: &str) -> String {
    format!(
        r#"{{"StartAt":"First","States":{{"First":{first},"Second":{},"Last":{{"Type":"Succeed"}}}}}}"#,
        pass("Last")
    )
}

/// Starts the machine and lets its first state be tried.
fn tried(first: &str, trial: &Trial) -> (Execution, Vec<&'static str>) {
    let world = World::new(&machine(first), r#"{"a":1}"#);
    let setting = Setting { trial: Some(trial), ..Setting::new(&world.definition, &world.about) };
    let mut execution = Execution::new();
    let mut feed = |kind| step(&setting, &mut execution, &Input { at: START, entropy: 1, kind }).unwrap();
    assert_eq!(feed(InputKind::Start).history.len(), 1, "a trial stops before its state is entered");
    let history = feed(InputKind::Continue).history;
    let names = history.iter().map(|event| match event.kind {
        EventKind::StateEntered { .. } => "entered",
        EventKind::StateExited { .. } => "exited",
        EventKind::ParallelStarted | EventKind::MapStarted { .. } => "started",
        EventKind::ParallelSucceeded | EventKind::MapSucceeded => "succeeded",
        EventKind::ParallelFailed | EventKind::MapFailed => "failed",
        _ => "other",
    });
    (execution, names.collect())
}

fn value(seen: &Option<Payload>) -> Value {
    seen.as_ref().map_or(Value::Null, |payload| payload.value().clone())
}

#[test]
fn it_ends_with_its_state() {
    let trial = Trial::default();
    let (execution, events) = tried(&pass("Second"), &trial);
    assert_eq!(events, ["entered", "exited"]);
    assert_eq!(execution.status, Status::Running);
    assert_eq!(execution.frames[0].input.value(), &json!({ "a": 1, "p": { "was": { "a": 1 } } }));
    let seen = trial.seen.borrow();
    assert_eq!(value(&seen.after_input_path), json!({ "a": 1 }));
    assert_eq!(value(&seen.after_parameters), json!({ "was": { "a": 1 } }));
    assert_eq!(value(&seen.after_result_path), json!({ "a": 1, "p": { "was": { "a": 1 } } }));
    assert_eq!((&seen.after_arguments, &seen.after_items_path, &seen.failure), (&None, &None, &None));
}

#[test]
fn the_context_object_may_be_given() {
    let trial = Trial { context: Some(json!({ "x": 7 })), ..Trial::default() };
    tried(r#"{"Type":"Pass","Parameters":{"c.$":"$$"},"Next":"Second"}"#, &trial);
    assert_eq!(value(&trial.seen.borrow().after_parameters), json!({ "c": { "x": 7 } }));
}

#[test]
fn the_work_of_branches_and_iterations_is_given() {
    let inside = r#"{"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}}"#;
    let states = [
        format!(r#"{{"Type":"Parallel","Branches":[{inside}],"Next":"Second"}}"#),
        format!(r#"{{"Type":"Map","ItemsPath":"$$.list","ItemProcessor":{inside},"Next":"Second"}}"#),
    ];
    for state in states {
        let given = |work| Trial { context: Some(json!({ "list": [1] })), work: Some(work), ..Trial::default() };
        let (execution, events) = tried(&state, &given(Ok(Payload::from_value(json!([5])))));
        assert_eq!(events, ["entered", "started", "succeeded", "exited"], "{state}");
        assert_eq!(execution.frames[0].input.value(), &json!([5]));
        let trial = given(Err(Failure::new("Boom", "it went off")));
        let (execution, events) = tried(&state, &trial);
        assert_eq!(events, ["entered", "started", "failed", "other"], "{state}");
        assert_eq!(execution.status, Status::Failed(Failure::new("Boom", "it went off")));
        assert_eq!(trial.seen.borrow().failure, Some(Failure::new("Boom", "it went off")));
    }
}

#[test]
fn what_the_state_does_not_come_to_is_not_seen() {
    let trial = Trial::default();
    tried(r#"{"Type":"Pass","InputPath":"$.absent","Next":"Second"}"#, &trial);
    let seen = trial.seen.into_inner();
    assert!(seen.failure.is_some());
    assert_eq!(Seen { failure: None, ..seen }, Seen::default());
}

//! The travel saga over HTTP, with the real functions: what the article promises, run type by run type.
//!
//! One test has compensations that never fail, the other ones that always do. Both run all six run types at once, so
//! the waits of Retry (1, 2 and 4 seconds) are waited for once.

mod support;

use std::collections::HashMap;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::history::{Attempt, attempts, check_whole, states_entered};
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;
use support::travel::{
    self, BOOKED, DEFAULT_TRIP, FAILURES, MACHINE, RunType, SORRY, SUCCESS, built_example, default_rows, row_states,
};
use support::wait::wait_for;

const PROCESSING: &str = r#"{"message":"The holiday booking system is processing your order"}"#;
const ERROR: &str = r#"{"message":"There was an error"}"#;

fn up(name: &str, failure_rate: &str) -> (Scratch, Ithaca) {
    let scratch = Scratch::new(name);
    let up = Up::new(scratch.join("data")).template(built_example()).parameter(&format!("FailureRate={failure_rate}"));
    let ithaca = up.start();
    (scratch, ithaca)
}

/// Sends a request and checks the answer, which does not wait for the trip.
fn book(api: &Client, method: &str, path: &str, expect: (u16, &str)) {
    let answer = api.send(method, path, &[], b"").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), expect, "{method} {path}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{method} {path}");
}

/// Books one trip for each run type; its id is the run type.
fn book_failures(api: &Client) {
    for run in &FAILURES {
        book(api, "GET", &format!("/?runType={0}&tripID={0}", run.name), (200, PROCESSING));
    }
}

/// The executions that ended, by trip; there are `count` of them.
fn executions_by_trip(client: &Client, count: usize) -> HashMap<String, Value> {
    let executions = client.executions(MACHINE);
    assert_eq!(executions.len(), count, "one execution for each request: {executions:?}");
    let ended = executions.iter().map(|execution| client.ended(&text(&execution["executionArn"])));
    let trip = |execution: &Value| {
        let input: Value = serde_json::from_str(execution["input"].as_str().unwrap()).unwrap();
        text(&input["trip_id"])
    };
    ended.map(|execution| (trip(&execution), execution)).collect()
}

/// Checks status and states of one execution, and returns its attempts.
fn check(client: &Client, execution: &Value, status: &str, expect: &[&str]) -> Vec<Attempt> {
    assert_eq!(execution["status"], status, "{expect:?}");
    let events = client.history(execution["executionArn"].as_str().unwrap());
    check_whole(&events);
    assert_eq!(states_entered(&events), expect);
    attempts(&events)
}

#[test]
fn compensations_that_never_fail_leave_nothing() {
    let (_scratch, ithaca) = up("travel-rate-0", "0");
    let (api, client) = (ithaca.api(), ithaca.client());
    book(&api, "GET", "/", (200, PROCESSING));
    book(&api, "POST", "/any/path?runType=success&tripID=posted%20to%20a%20path", (200, PROCESSING));
    book_failures(&api);
    let executions = executions_by_trip(&client, FAILURES.len() + 2);

    let booked = [SUCCESS.steps(), &[BOOKED]].concat();
    for trip_id in [DEFAULT_TRIP, "posted to a path"] {
        let execution = &executions[trip_id];
        let input: Value = serde_json::from_str(execution["input"].as_str().unwrap()).unwrap();
        assert_eq!(input, travel::trip(trip_id, "success"));
        check(&client, execution, "SUCCEEDED", &booked);
        assert_eq!(row_states(&client, trip_id), ["FLIGHT confirmed", "HOTEL confirmed", "PAYMENT confirmed"]);
    }
    assert_eq!(travel::rows(&client, DEFAULT_TRIP), default_rows());

    for run in &FAILURES {
        let expect = [run.steps(), run.compensating(), &[SORRY]].concat();
        let attempts = check(&client, &executions[run.name], "FAILED", &expect);
        assert_eq!(attempts.len(), expect.len() - 1, "no state but the end is entered twice or tried twice");
        assert_eq!(row_states(&client, run.name), [""; 0], "{}", run.name);
    }

    client.states("DeleteStateMachine", json!({ "stateMachineArn": MACHINE }));
    wait_for("the state machine is deleted", || {
        client.try_states("DescribeStateMachine", &json!({ "stateMachineArn": MACHINE })).err()
    });
    book(&api, "GET", "/", (500, ERROR));
    assert!(ithaca.stop().success());
}

/// Which rows are left when the first compensation of a run gives up: what the steps before the failing one did.
fn left_over(run: &RunType) -> &'static [&'static str] {
    match run.name {
        "failHotelReservation" => &[],
        "failFlightsReservation" => &["HOTEL pending"],
        "failPayment" => &["FLIGHT pending", "HOTEL pending"],
        "failHotelConfirmation" => &["FLIGHT pending", "HOTEL pending", "PAYMENT confirmed"],
        "failFlightsConfirmation" => &["FLIGHT pending", "HOTEL confirmed", "PAYMENT confirmed"],
        other => panic!("{other} does not compensate"),
    }
}

#[test]
fn a_compensation_that_always_fails_is_tried_four_times_and_given_up() {
    let (_scratch, ithaca) = up("travel-rate-1", "1");
    let client = ithaca.client();
    book_failures(&ithaca.api());
    book(&ithaca.api(), "GET", "/?tripID=success", (200, PROCESSING));
    let executions = executions_by_trip(&client, FAILURES.len() + 1);
    check(&client, &executions["success"], "SUCCEEDED", &[SUCCESS.steps(), &[BOOKED]].concat());

    for run in &FAILURES {
        let execution = &executions[run.name];
        let expect = [run.steps(), &run.compensating()[..1]].concat();
        let attempts = check(&client, execution, "FAILED", &expect);
        assert_eq!(execution["error"], "InternalServerError");
        assert_eq!(execution["cause"], r#"{"errorType":"InternalServerError","errorMessage":"Internal Server Error"}"#);
        check_waits(&attempts, run.compensating()[0], &[1.0, 2.0, 4.0]);
        assert_eq!(row_states(&client, run.name), left_over(run), "{}", run.name);
    }
}

/// The attempts at a state, each failed, with these waits in seconds between them.
fn check_waits(attempts: &[Attempt], state: &str, expect: &[f64]) {
    let tries: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.state == state).collect();
    assert!(tries.iter().all(|attempt| attempt.error.as_deref() == Some("InternalServerError")), "{tries:?}");
    let waits: Vec<f64> = tries.windows(2).map(|pair| pair[1].scheduled - pair[0].ended).collect();
    assert_eq!(waits.len(), expect.len(), "{state}: {waits:?}");
    for (wait, expect) in waits.iter().zip(expect) {
        // Nothing is tried before its time (told in milliseconds). How much later depends on the machine, but less than
        // twice the wait keeps the three apart.
        assert!((expect - 0.0011..expect * 2.0).contains(wait), "{state} waited {waits:?} and not {expect}");
    }
}

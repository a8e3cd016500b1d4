//! The travel example: which states each kind of trip goes through, and what becomes of compensations that fail.
#![allow(clippy::disallowed_methods)] // A test, which reads the example.

mod support;

use std::path::Path;

use support::{Outcome, World, parse_outcome};

const BOOKED: &str = "We have made your booking!";
const SORRY: &str = "Sorry, We Couldn't make the booking";
const FORWARD: [&str; 5] = ["ReserveHotel", "ReserveFlight", "TakePayment", "ConfirmHotelBooking", "ConfirmFlight"];
const BACK: [&str; 3] = ["RefundPayment", "CancelFlightReservation", "CancelHotelReservation"];

fn world() -> World {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/travel/saga.asl.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    World::new(&text.replace("${", "").replace("Function}", ""), r#"{"trip_id":"t"}"#)
}

/// Runs a trip on which `fails` says which attempts fail; returns the states entered.
fn run(mut fails: impl FnMut(&str) -> bool) -> World {
    let mut world = world();
    world.run(|task| -> Outcome {
        let text =
            if fails(&task.state) { "fail Error no" } else { r#"ok {"StatusCode":200,"Payload":{"status":"ok"}}"# };
        parse_outcome(text)
    });
    world
}

#[test]
fn every_run_type_enters_its_states_in_order() {
    let check = |failing: Option<&str>, forward: usize, back: &[&str]| {
        let world = run(|state| Some(state) == failing);
        let end = if failing.is_some() { SORRY } else { BOOKED };
        let expected: Vec<&str> = FORWARD[..forward].iter().chain(back).copied().chain([end]).collect();
        assert_eq!(world.entered(), expected, "{failing:?}");
        assert_eq!(world.end().split(' ').next(), Some(if failing.is_some() { "failed" } else { "succeeded" }));
        assert!(world.timers.is_empty() && world.tasks.is_empty());
    };
    check(None, 5, &[]);
    check(Some("ReserveHotel"), 1, &BACK[2..]);
    check(Some("ReserveFlight"), 2, &BACK[1..]);
    check(Some("TakePayment"), 3, &BACK);
    check(Some("ConfirmHotelBooking"), 4, &BACK);
    check(Some("ConfirmFlight"), 5, &BACK);
}

#[test]
fn a_compensation_is_retried_three_times_and_then_given_up() {
    let mut attempts = 0;
    let recovers = run(|state| {
        attempts += u32::from(state == "RefundPayment");
        state == "TakePayment" || (state == "RefundPayment" && attempts < 4)
    });
    assert_eq!((attempts, recovers.entered().len()), (4, 3 + 3 + 1));
    assert_eq!(recovers.now.0 - support::START.0, 1000 + 2000 + 4000);
    let given_up = run(|state| state == "TakePayment" || state == "RefundPayment");
    assert_eq!(given_up.end(), "failed Error no");
    assert_eq!(given_up.entered().last(), Some(&"RefundPayment"));
}

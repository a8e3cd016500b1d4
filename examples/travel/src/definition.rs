//! The saga's definition, checked on paper: which states a run enters, and that the template knows every function it calls.
//!
//! It follows `Next` and `Catch` and nothing else; what Step Functions makes of them is not its subject.

use serde_json::Value;

const DEFINITION: &str = include_str!("../saga.asl.json");
const TEMPLATE: &str = include_str!("../template.yaml");
const BOOKED: &str = "We have made your booking!";
const SORRY: &str = "Sorry, We Couldn't make the booking";

/// The states entered when the named state fails and every other does its work.
fn entered(definition: &Value, failing: &str) -> Vec<String> {
    let mut name = definition["StartAt"].as_str();
    let mut entered = Vec::new();
    while let Some(state) = name {
        entered.push(state.to_owned());
        let state = &definition["States"][state];
        let next = if entered.last().is_some_and(|last| last == failing) { &state["Catch"][0] } else { state };
        name = next["Next"].as_str();
    }
    entered
}

#[test]
fn a_run_enters_the_states_of_the_article() {
    let definition: Value = serde_json::from_str(DEFINITION).unwrap();
    let check = |failing, forward: usize, compensations: usize, end: &str| {
        let steps = ["ReserveHotel", "ReserveFlight", "TakePayment", "ConfirmHotelBooking", "ConfirmFlight"];
        let back = ["RefundPayment", "CancelFlightReservation", "CancelHotelReservation"];
        let expect = [&steps[..forward], &back[back.len() - compensations..], &[end]].concat();
        assert_eq!(entered(&definition, failing), expect, "{failing}");
    };
    check("no state", 5, 0, BOOKED);
    check("ReserveHotel", 1, 1, SORRY);
    check("ReserveFlight", 2, 2, SORRY);
    check("TakePayment", 3, 3, SORRY);
    check("ConfirmHotelBooking", 4, 3, SORRY);
    check("ConfirmFlight", 5, 3, SORRY);
}

#[test]
fn a_compensation_says_what_it_compensates() {
    let definition: Value = serde_json::from_str(DEFINITION).unwrap();
    let check = |state: &str, of: &str| {
        assert_eq!(definition["States"][state]["Comment"], format!("compensates: {of}"), "{state}");
        assert!(definition["States"][of].is_object(), "{of}");
    };
    check("RefundPayment", "TakePayment");
    check("CancelFlightReservation", "ReserveFlight");
    check("CancelHotelReservation", "ReserveHotel");
}

#[test]
fn the_template_has_every_function_the_definition_calls() {
    let called: Vec<&str> = DEFINITION.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
    assert_eq!(called.len(), 8);
    for name in called {
        assert!(TEMPLATE.contains(&format!("        {name}: !GetAtt {name}.Arn\n")), "{name} is not substituted");
        assert!(TEMPLATE.contains(&format!("\n  {name}:\n    Type: AWS::Serverless::Function\n")), "{name} is missing");
    }
}

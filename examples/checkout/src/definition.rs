//! The definition, checked on paper: it compensates what it did, and the template knows every function that it calls.

use serde_json::Value;

const DEFINITION: &str = include_str!("../checkout.asl.json");
const TEMPLATE: &str = include_str!("../template.yaml");

fn states() -> Value {
    serde_json::from_str::<Value>(DEFINITION).unwrap()["States"].take()
}

/// The states entered when the named state fails and every other does its work.
fn entered(states: &Value, failing: &str) -> Vec<String> {
    let mut name = Some("RequestApproval");
    let mut entered = Vec::new();
    while let Some(state) = name {
        entered.push(state.to_owned());
        let next = if state == failing { &states[state]["Catch"][0] } else { &states[state] };
        name = next["Next"].as_str();
    }
    entered
}

#[test]
fn what_was_done_is_compensated() {
    let states = states();
    let check = |failing, expect: &[&str]| assert_eq!(entered(&states, failing), expect, "{failing}");
    let (asked, paid) = ("RequestApproval", "ChargeCustomer");
    let cancelled = ["RefundCustomer", "SayCancelled", "Order cancelled"];
    check("no state", &[asked, paid, "RequestShipment", "SayShipped", "Order shipped"]);
    check("RequestApproval", &[asked, "SayDeclined", "Order declined"]);
    check("ChargeCustomer", &[&[asked, paid][..], &cancelled].concat());
    check("RequestShipment", &[&[asked, paid, "RequestShipment", "CancelShipment"][..], &cancelled].concat());
    for (state, of) in [("RefundCustomer", "ChargeCustomer"), ("CancelShipment", "RequestShipment")] {
        assert_eq!(states[state]["Comment"], format!("compensates: {of}"));
    }
}

#[test]
fn who_waits_for_somebody_does_not_wait_for_ever() {
    for (name, state) in states().as_object().unwrap() {
        let is_waiting = state["Resource"].as_str().is_some_and(|resource| resource.ends_with(".waitForTaskToken"));
        assert_eq!(is_waiting, state.get("TimeoutSeconds").is_some(), "{name}");
    }
}

#[test]
fn the_template_has_every_function_the_definition_calls() {
    let mut called: Vec<&str> = DEFINITION.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
    called.sort_unstable();
    called.dedup();
    assert_eq!(called.len(), 6);
    for name in called {
        assert!(TEMPLATE.contains(&format!("        {name}: !GetAtt {name}.Arn\n")), "{name} is not substituted");
        assert!(TEMPLATE.contains(&format!("\n  {name}:\n    Type: AWS::Serverless::Function\n")), "{name} is missing");
    }
}

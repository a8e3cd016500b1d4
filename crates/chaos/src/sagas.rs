//! The load: two kinds of executions whose every effect is in the ledger.
//!
//! ```text
//!   till    Reserve -> Pay -> Confirm                          functions that crash, hang, flood and fail;
//!             \ Catch  \        \                              every saga is all done or all compensated
//!              `--------`--------`-> UndoConfirm -> UndoPay -> UndoReserve -> Undone
//!
//!   relay   +-> Left (activity) ----------------+-> Stamp, a Map over three items (function) -> done, always
//!           +-> a second passes -> Right (activity) +
//! ```
//!
//! A step is told by the context object who it is, so the ledger has the name of the execution, the state and the
//! attempt as the engine counts it.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::client::{CallError, Client};
use crate::wait::wait_for;

pub const STEPS: [&str; 3] = ["Reserve", "Pay", "Confirm"];

/// The steps of a relay, as the ledger has them.
pub const RELAY_STEPS: [&str; 5] = ["Left", "Right", "Stamp1", "Stamp2", "Stamp3"];

/// More attempts than a run has faults.
const ATTEMPTS: u32 = 1_000_000;

/// An attempt that a worker never got, because the answer to its poll was lost, ends after this.
const ACTIVITY_SECONDS: u32 = 6;

/// Of functions: less than most instances live, so that one that hangs is ended by its timeout as well as by a kill.
pub const FUNCTION_SECONDS: u32 = 1;

/// What a function or worker is told.
fn order(step: &str, undo: bool, seed: Option<u64>) -> Value {
    json!({
        "saga.$": "$$.Execution.Name",
        "attempt.$": "$$.State.RetryCount",
        "step": step,
        "undo": undo,
        "seed": seed,
    })
}

/// Retry until it has worked.
fn persistent() -> Value {
    // What States.ALL does not mean has to be named.
    let retry = |error: &str| json!({ "ErrorEquals": [error], "IntervalSeconds": 1, "MaxAttempts": ATTEMPTS, "BackoffRate": 1 });
    json!([retry("States.DataLimitExceeded"), retry("States.ALL")])
}

/// Steps forward, and the way back for each: what an attempt may have done is undone, its own step included.
pub fn till(function: &str, seed: u64) -> Value {
    let mut states = json!({
        "Done": { "Type": "Succeed" },
        "Undone": { "Type": "Fail", "Error": "Undone", "Cause": "every step was compensated" },
    });
    for (at, step) in STEPS.iter().enumerate() {
        let next = STEPS.get(at + 1).copied().unwrap_or("Done");
        // A second try for what a crash cut off; then the way back.
        let retry = json!([{ "ErrorEquals": ["Lambda.SdkClientException", "Lambda.Unknown"], "IntervalSeconds": 1,
                             "MaxAttempts": 2, "BackoffRate": 1 }]);
        let catch = json!([{ "ErrorEquals": ["States.DataLimitExceeded"], "Next": format!("Undo{step}") },
                           { "ErrorEquals": ["States.ALL"], "Next": format!("Undo{step}") }]);
        states[*step] = json!({
            "Type": "Task", "Resource": function, "Parameters": order(step, false, Some(seed)), "ResultPath": null,
            "Retry": retry, "Catch": catch, "Next": next,
        });
        let before = at.checked_sub(1).map_or("Undone".to_owned(), |before| format!("Undo{}", STEPS[before]));
        states[format!("Undo{step}")] = json!({
            "Type": "Task", "Resource": function, "Parameters": order(step, true, Some(seed)), "ResultPath": null,
            "Retry": persistent(), "Next": before,
        });
    }
    json!({ "StartAt": STEPS[0], "States": states })
}

pub fn relay(activity: &str, function: &str) -> Value {
    let leg = |step: &str| {
        json!({ "Type": "Task", "Resource": activity, "Parameters": order(step, false, None),
                "TimeoutSeconds": ACTIVITY_SECONDS, "Retry": persistent(), "End": true })
    };
    let mut stamp = order("Stamp", false, None);
    stamp["item.$"] = json!("$.item");
    json!({
        "StartAt": "Both",
        "States": {
            "Both": {
                "Type": "Parallel",
                "ResultPath": null,
                "Next": "Stamps",
                "Branches": [
                    { "StartAt": "Left", "States": { "Left": leg("Left") } },
                    { "StartAt": "Pause", "States": { "Pause": { "Type": "Wait", "Seconds": 1, "Next": "Right" },
                                                      "Right": leg("Right") } },
                ],
            },
            "Stamps": {
                "Type": "Map",
                "ItemsPath": "$.items",
                "ItemSelector": { "item.$": "$$.Map.Item.Value" },
                "ItemProcessor": {
                    "StartAt": "Stamp",
                    "States": { "Stamp": { "Type": "Task", "Resource": function, "Parameters": stamp,
                                           "Retry": persistent(), "End": true } },
                },
                "End": true,
            },
        },
    })
}

/// What both kinds are started with.
pub fn input() -> Value {
    json!({ "items": [1, 2, 3] })
}

/// The sagas to start: even numbers are of the first machine, odd ones of the second. They are released bit by bit, so
/// that there are some at every kill.
pub struct Sagas {
    pub machines: [String; 2],
    next: AtomicUsize,
    released: AtomicUsize,
    pub acknowledged: AtomicUsize,
    total: usize,
}

impl Sagas {
    pub fn new(machines: [String; 2], total: usize) -> Sagas {
        let [next, released, acknowledged] = [const { AtomicUsize::new(0) }; 3];
        Sagas { machines, next, released, acknowledged, total }
    }

    /// So many may be started by now.
    pub fn release(&self, count: usize) {
        self.released.fetch_max(count.min(self.total), Ordering::SeqCst);
    }

    /// Takes saga after saga and starts each, until there is none left.
    pub fn start_all(&self, client: &Client) {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.total {
                return;
            }
            let is_released = || (number < self.released.load(Ordering::SeqCst)).then_some(());
            wait_for(&format!("{} is released", self.name(number)), is_released);
            start_by_name(client, &self.machines[number % 2], &self.name(number), &input());
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub fn name(&self, number: usize) -> String {
        format!("saga-{number:05}")
    }

    /// The names of all sagas of a machine.
    pub fn names(&self, machine: usize) -> impl Iterator<Item = String> {
        (0..self.total).filter(move |number| number % 2 == machine).map(|number| self.name(number))
    }
}

/// Asks until it is answered: the name makes it one execution, however often the answer was lost.
pub fn start_by_name(client: &Client, machine: &str, name: &str, input: &Value) {
    let body = json!({ "stateMachineArn": machine, "name": name, "input": input.to_string() });
    wait_for(&format!("{name} is acknowledged"), || match client.try_states("StartExecution", &body) {
        Ok(answer) => answer["executionArn"].is_string().then_some(()),
        Err(CallError::Refused(refusal)) => match refusal.name.as_str() {
            // It was started by a request whose answer was lost, and has ended since.
            "ExecutionAlreadyExists" => Some(()),
            // What every AWS SDK sends again.
            "ThrottlingException" => None,
            _ if refusal.status >= 500 => None,
            _ => panic!("{name}: {refusal:?}"),
        },
        Err(CallError::NoAnswer(_)) => None,
    });
}

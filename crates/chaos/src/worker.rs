//! Workers of activities: outside of the engine, and alive through all its deaths.
//!
//! A worker polls, appends to the ledger, and sends its success until that is answered. What was acknowledged is kept:
//! a history that does not have it has lost it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{CallError, Client};
use crate::function::entry_of;
use crate::ledger::Ledger;

/// Before the next try at an engine that does not answer.
const PAUSE: Duration = Duration::from_millis(20);

/// By nonce: the saga whose task was acknowledged to have succeeded with it.
pub type Acknowledged = Mutex<BTreeMap<u64, String>>;

/// Works until it is told to stop.
pub fn work(client: &Client, activity: &str, ledger: &Path, acknowledged: &Acknowledged, is_over: &AtomicBool) {
    let ledger = Ledger::open(ledger).expect("the ledger is there");
    while !is_over.load(Ordering::SeqCst) {
        match client.try_states("GetActivityTask", &json!({ "activityArn": activity })) {
            Ok(task) if task["taskToken"].is_string() => serve(client, &task, &ledger, acknowledged),
            Ok(_) => {}
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn serve(client: &Client, task: &Value, ledger: &Ledger, acknowledged: &Acknowledged) {
    let input = serde_json::from_str(task["input"].as_str().expect("a task has an input")).expect("an input is JSON");
    let entry = entry_of(&input);
    ledger.append(&entry).expect("the ledger takes it");
    let output = json!({ "nonce": entry.nonce }).to_string();
    let body = json!({ "taskToken": task["taskToken"], "output": output });
    loop {
        match client.try_states("SendTaskSuccess", &body) {
            Ok(_) => {
                acknowledged.lock().expect("no worker panicked").insert(entry.nonce, entry.saga);
                return;
            }
            // Too late: the engine has given this attempt up, or took the answer of a connection that broke.
            Err(CallError::Refused(refusal)) if refusal.name == "TaskTimedOut" => return,
            Err(CallError::Refused(refusal)) if refusal.status < 500 && refusal.name != "ThrottlingException" => {
                panic!("{}: {refusal:?}", entry.saga)
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

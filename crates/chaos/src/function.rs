//! The functions of the sagas: one program that does what its event says, and often does it badly.
//!
//! How an attempt misbehaves is drawn from the event alone, so a seed has the same faults at every run. What a function
//! did stands in the ledger; that it did is told to the engine after that, or never.

use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http;
use crate::ledger::{Deed, Entry, Ledger, nonce};
use crate::random::Random;

/// Longer than every function's timeout.
const FOREVER: Duration = Duration::from_secs(3600);

/// More than a state's payload may have (256 KiB), less than Lambda takes as an answer (6 MB).
const FLOOD_BYTES: usize = 400 << 10;

/// More than Lambda takes.
const DELUGE_BYTES: usize = 7 << 20;

/// Of what it prints: the log of a function is bounded, and nobody waits for it.
const FLOOD_LINES: usize = 4000;

/// What an attempt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    Good,
    /// Ends without an answer before it did anything.
    CrashBefore,
    /// Ends without an answer after it did its work.
    CrashAfter,
    /// Does its work and never answers.
    Hang,
    /// Does its work, prints a flood of lines and answers with more than a state may hold.
    Flood,
    /// The same, with more than Lambda takes.
    Deluge,
    /// Does its work and answers that it failed.
    Fail,
}

/// Of a hundred attempts of a step forward; the rest is good.
const FORWARD: [(u64, Conduct); 6] = [
    (4, Conduct::CrashBefore),
    (4, Conduct::CrashAfter),
    (2, Conduct::Hang),
    (2, Conduct::Flood),
    (1, Conduct::Deluge),
    (4, Conduct::Fail),
];

/// Of a hundred attempts of a compensation, which has all the attempts it needs.
const BACKWARD: [(u64, Conduct); 4] =
    [(10, Conduct::CrashBefore), (10, Conduct::CrashAfter), (2, Conduct::Hang), (2, Conduct::Flood)];

/// What this attempt does.
pub fn conduct(seed: u64, entry: &Entry) -> Conduct {
    let text = format!("{} {} {}", entry.saga, entry.step, entry.attempt);
    let mixed = text.bytes().fold(seed, |mixed, byte| Random::new(mixed ^ u64::from(byte)).draw());
    let table = if entry.deed == Deed::Do { &FORWARD[..] } else { &BACKWARD };
    let mut drawn = Random::new(mixed).below(100);
    for (share, conduct) in table {
        if drawn < *share {
            return *conduct;
        }
        drawn -= share;
    }
    Conduct::Good
}

/// What an event asks for. The nonce is new.
pub fn entry_of(event: &Value) -> Entry {
    let deed = if event["undo"] == true { Deed::Undo } else { Deed::Do };
    Entry {
        saga: crate::client::text(&event["saga"]),
        step: step_of(event),
        attempt: event["attempt"].as_u64().expect("an attempt has a number"),
        deed,
        nonce: nonce(),
    }
}

/// The step's name, with the number of its item in a Map.
pub fn step_of(event: &Value) -> String {
    let step = crate::client::text(&event["step"]);
    event["item"].as_u64().map_or(step.clone(), |item| format!("{step}{item}"))
}

/// The bootstrap that runs [`serve`] in this program.
pub fn bootstrap(program: &Path, ledger: &Path) -> String {
    format!("#!/bin/sh\nexec '{}' --function '{}'\n", program.display(), ledger.display())
}

/// Speaks the Runtime API until the host ends the process.
pub fn serve(ledger: &Path) {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").expect("a function runs in a host of functions");
    let ledger = Ledger::open(ledger).expect("the ledger is there");
    loop {
        let event =
            http::send(&api, "GET", "/2018-06-01/runtime/invocation/next", &[], b"").expect("the host is there");
        let id = event.header("lambda-runtime-aws-request-id").expect("an event has an id");
        let (kind, answer) = act(&event.json(), &ledger);
        let path = format!("/2018-06-01/runtime/invocation/{id}/{kind}");
        // The host's answer to an answer, which may be too large, is no matter of the function's.
        let _ = http::send(&api, "POST", &path, &[], &answer);
    }
}

/// Does what is asked for, more or less; what comes back is the answer and its kind.
fn act(event: &Value, ledger: &Ledger) -> (&'static str, Vec<u8>) {
    let entry = entry_of(event);
    let conduct = match event["seed"].as_u64() {
        Some(seed) => conduct(seed, &entry),
        None => Conduct::Good,
    };
    if conduct == Conduct::CrashBefore {
        std::process::exit(3);
    }
    ledger.append(&entry).expect("the ledger takes it");
    let answer = |padding: usize| json!({ "nonce": entry.nonce, "padding": "x".repeat(padding) }).to_string().into();
    match conduct {
        Conduct::CrashAfter => std::process::abort(),
        Conduct::Hang => {
            thread::sleep(FOREVER);
            unreachable!("its host ends it")
        }
        Conduct::Flood => {
            print_flood();
            ("response", answer(FLOOD_BYTES))
        }
        Conduct::Deluge => ("response", answer(DELUGE_BYTES)),
        Conduct::Fail => {
            ("error", json!({ "errorType": "Declined", "errorMessage": "the till is closed" }).to_string().into())
        }
        Conduct::Good | Conduct::CrashBefore => ("response", answer(0)),
    }
}

fn print_flood() {
    let mut out = std::io::stdout().lock();
    for number in 0..FLOOD_LINES {
        // A host that does not read is the host's affair.
        let _ = writeln!(out, "{number} all work and no play makes a function a dull one");
    }
}

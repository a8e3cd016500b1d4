//! Compares what the engine says with what was done: histories against the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::function::step_of;
use crate::history::{Attempt, attempts, check_whole};
use crate::ledger::{self, Deed, Entry};
use crate::sagas::{RELAY_STEPS, STEPS, Sagas};
use crate::wait::wait_for_long;

/// What became of all sagas.
#[derive(Debug, Default)]
pub struct Tally {
    pub sagas: usize,
    pub done: usize,
    pub undone: usize,
    pub attempts: usize,
    pub failed: usize,
    /// Attempts that did their work and were told to have failed: what a compensation is for.
    pub unknown: usize,
    pub effects: usize,
    /// Errors of attempts, by name.
    pub errors: BTreeMap<String, usize>,
    /// Every contradiction, in words.
    pub problems: Vec<String>,
}

/// Judges every saga once none is running. `acknowledged` are the successes that workers were acknowledged.
pub fn judge(client: &Client, sagas: &Sagas, ledger: &Path, acknowledged: &BTreeMap<u64, String>) -> Tally {
    let mut tally = Tally::default();
    let ends: Vec<_> = sagas.machines.iter().map(|machine| wait_for_ends(client, machine)).collect();
    let mut entries = ledger::read(ledger);
    let mut nonces = BTreeMap::new();
    for (machine, executions) in ends.iter().enumerate() {
        let expect: BTreeSet<String> = sagas.names(machine).collect();
        let found: BTreeSet<String> = executions.keys().cloned().collect();
        for lost in expect.difference(&found) {
            tally.problems.push(format!("{lost} was acknowledged and does not exist"));
        }
        for surplus in found.difference(&expect) {
            tally.problems.push(format!("{surplus} exists and was never asked for"));
        }
        for (name, execution) in executions {
            let done = entries.remove(name).unwrap_or_default();
            judge_saga(client, machine, execution, &done, &mut tally, &mut nonces);
        }
    }
    for saga in entries.keys() {
        tally.problems.push(format!("tasks of {saga} ran, and it does not exist"));
    }
    for (nonce, saga) in acknowledged {
        if nonces.get(nonce) != Some(saga) {
            tally.problems.push(format!("{saga}: success {nonce} was acknowledged and is in no history"));
        }
    }
    tally
}

/// All executions of a machine by name, once none is running.
fn wait_for_ends(client: &Client, machine: &str) -> BTreeMap<String, Value> {
    let running = json!({ "stateMachineArn": machine, "statusFilter": "RUNNING" });
    wait_for_long("all executions end", || {
        client.states("ListExecutions", running.clone())["executions"]
            .as_array()
            .expect("a list")
            .is_empty()
            .then_some(())
    });
    client.executions(machine).into_iter().map(|execution| (text(&execution["name"]), execution)).collect()
}

/// Names an attempt: its step, its number, and whether it does or undoes.
type Key = (String, u64, bool);

fn key_of(attempt: &Attempt) -> Key {
    let number = attempt.input["attempt"].as_u64().expect("an attempt has a number");
    (step_of(&attempt.input), number, attempt.input["undo"] == true)
}

fn judge_saga(
    client: &Client,
    machine: usize,
    execution: &Value,
    entries: &[Entry],
    tally: &mut Tally,
    nonces: &mut BTreeMap<u64, String>,
) {
    let name = text(&execution["name"]);
    let events = client.history(&text(&execution["executionArn"]));
    check_whole(&events);
    let attempts = attempts(&events);
    tally.sagas += 1;
    tally.attempts += attempts.len();
    tally.effects += entries.len();
    let mut by_key = BTreeMap::<Key, &Attempt>::new();
    for attempt in &attempts {
        if by_key.insert(key_of(attempt), attempt).is_some() {
            tally.problems.push(format!("{name}: two attempts are called {:?}", key_of(attempt)));
        }
        if let Some(error) = &attempt.error {
            tally.failed += 1;
            *tally.errors.entry(error.clone()).or_default() += 1;
        }
    }
    let mut done = BTreeMap::<Key, &Entry>::new();
    for entry in entries {
        let key = (entry.step.clone(), entry.attempt, entry.deed == Deed::Undo);
        match by_key.get(&key) {
            None => tally.problems.push(format!("{name}: {key:?} ran, and its history does not know it")),
            Some(attempt) => tally.unknown += usize::from(attempt.error.is_some()),
        }
        if done.insert(key.clone(), entry).is_some() {
            tally.problems.push(format!("{name}: {key:?} ran twice"));
        }
    }
    for (key, attempt) in &by_key {
        let Some(output) = &attempt.output else { continue };
        let nonce = output["nonce"].as_u64();
        match done.get(key) {
            Some(entry) if Some(entry.nonce) == nonce => drop(nonces.insert(entry.nonce, name.clone())),
            entry => tally.problems.push(format!("{name}: {key:?} succeeded with {nonce:?}, but did {entry:?}")),
        }
    }
    let end = execution["status"].as_str().expect("an execution has a status");
    let judged = if machine == 0 { judge_till(end, entries) } else { judge_relay(end, entries) };
    match judged {
        Ok(true) => tally.done += 1,
        Ok(false) => tally.undone += 1,
        Err(why) => tally.problems.push(format!("{name} ended as {end}: {why}: {entries:?}")),
    }
}

/// True if all is done, false if all is undone.
fn judge_till(end: &str, entries: &[Entry]) -> Result<bool, String> {
    let last = |step: &str| entries.iter().rev().find(|entry| entry.step == step).map(|entry| entry.deed);
    let left = STEPS.map(last);
    match end {
        "SUCCEEDED" if left == [Some(Deed::Do); 3] => Ok(true),
        "FAILED" if left.iter().all(|deed| *deed != Some(Deed::Do)) => Ok(false),
        _ => Err(format!("the last effects of its steps are {left:?}")),
    }
}

fn judge_relay(end: &str, entries: &[Entry]) -> Result<bool, String> {
    let missing: Vec<_> = RELAY_STEPS.iter().filter(|step| !entries.iter().any(|entry| entry.step == **step)).collect();
    match end {
        "SUCCEEDED" if missing.is_empty() => Ok(true),
        _ => Err(format!("these steps were not done: {missing:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_saga_is_none() {
        let check = |end: &str, effects: &[&str], expect: Option<bool>| {
            let entry = |effect: &&str| format!("saga {effect} 7").parse().expect("a line of the ledger");
            let entries: Vec<Entry> = effects.iter().map(entry).collect();
            assert_eq!(judge_till(end, &entries).ok(), expect, "{end} {effects:?}");
        };
        check("SUCCEEDED", &["Reserve 0 do", "Pay 0 do", "Confirm 0 do"], Some(true));
        check("SUCCEEDED", &["Reserve 0 do", "Reserve 1 do", "Pay 0 do", "Confirm 0 do"], Some(true));
        check("SUCCEEDED", &["Reserve 0 do", "Confirm 0 do"], None);
        check("SUCCEEDED", &["Reserve 0 do", "Pay 0 do", "Confirm 0 do", "Pay 0 undo"], None);
        check("FAILED", &[], Some(false));
        check("FAILED", &["Reserve 0 undo"], Some(false));
        check("FAILED", &["Reserve 0 do", "Pay 0 do", "Pay 0 undo", "Reserve 0 undo"], Some(false));
        check("FAILED", &["Reserve 0 do", "Pay 0 do", "Pay 0 undo"], None);
        check("FAILED", &["Reserve 0 do", "Reserve 0 undo", "Reserve 1 do"], None);
        check("ABORTED", &[], None);
    }
}

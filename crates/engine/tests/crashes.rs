//! The travel saga with a crash before and after every commit of a seeded run.
//!
//! Every run starts the six kinds of trip, answers tasks in an order that the seed decides, and crashes where it
//! is told to. A caller that got no answer asks again, as a person would. In the end everything that was accepted has
//! ended, and nothing that anybody was told has become untrue.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Machine, Outcome, Started};
use interpreter::HistoryEvent;
use store::Memory;
use store::testing::Chance;
use support::{Answer, Bench, Crash, START, check_history, entered, travel};

/// The kinds of trip, and the state that fails in each.
const TRIPS: [(&str, &str); 6] = [
    ("success", ""),
    ("failHotelReservation", "ReserveHotel"),
    ("failFlightsReservation", "ReserveFlight"),
    ("failPayment", "TakePayment"),
    ("failHotelConfirmation", "ConfirmHotelBooking"),
    ("failFlightsConfirmation", "ConfirmFlight"),
];

const FORWARD: [&str; 5] = ["ReserveHotel", "ReserveFlight", "TakePayment", "ConfirmHotelBooking", "ConfirmFlight"];
const BACK: [&str; 3] = ["RefundPayment", "CancelFlightReservation", "CancelHotelReservation"];

struct Run {
    bench: Bench,
    machine: Arc<Machine>,
    chance: Chance,
    commits: usize,
    crashes: usize,
    accepted: BTreeMap<&'static str, Started>,
    /// Histories as they were durable at the last crash.
    durable: BTreeMap<&'static str, Vec<HistoryEvent>>,
}

/// Few slots, so that tasks wait for one.
const SLOTS: usize = 4;

fn run(seed: u64, crash: Option<Crash>) -> Run {
    let bench = Bench::open(Arc::new(Memory::new()), START, SLOTS);
    let machine = bench.create("travel", &travel());
    let mut run = Run {
        bench,
        machine,
        chance: Chance(seed),
        commits: 0,
        crashes: 0,
        accepted: BTreeMap::new(),
        durable: BTreeMap::new(),
    };
    for _ in 0..10_000 {
        if !run.act() {
            return run;
        }
        run.commit(crash);
    }
    panic!("seed {seed}, {crash:?}: the run does not end");
}

impl Run {
    /// Feeds one to three inputs; false when nothing is left to do.
    fn act(&mut self) -> bool {
        let mut did = self.bench.core.has_work();
        for _ in 0..=self.chance.below(3) {
            let asked = |name: &str| self.accepted.contains_key(name);
            let open: Vec<&'static str> = TRIPS.iter().map(|(name, _)| *name).filter(|name| !asked(name)).collect();
            let running = self.bench.running.len() as u64;
            let drawn = self.chance.below(open.len() as u64 + running + 1);
            if let Some(name) = open.get(drawn as usize) {
                let machine = self.machine.clone();
                self.bench.start(&machine, name, &format!(r#"{{"run_type":"{name}"}}"#));
                did = true;
            } else if running > 0 {
                let at = self.chance.below(running) as usize;
                let (id, arn, task) = self.bench.running.remove(at).unwrap();
                let kind = TRIPS.iter().find(|(name, _)| arn.ends_with(&format!(":{name}"))).unwrap();
                let outcome = match *task.state == *kind.1 {
                    true => Err(interpreter::Failure::named("Error")),
                    false => Ok(support::payload(r#"{"Payload":{"status":"ok"}}"#)),
                };
                self.bench.core.outcome(id, task.task, Outcome::Done(outcome));
                did = true;
            } else if open.is_empty() && running == 0 && !self.bench.core.has_work() {
                // Only time is waited for.
                did |= self.bench.advance();
            } else {
                self.bench.now = self.bench.now.after_ms(100);
                did = true;
            }
            self.bench.core.set_time(self.bench.now);
            self.bench.core.go_on();
        }
        did
    }

    fn commit(&mut self, crash: Option<Crash>) {
        if !self.bench.core.has_work() {
            return;
        }
        self.commits += 1;
        let (before, after) = crash.map_or((false, false), |crash| crash.sides(self.commits, &mut self.chance));
        if before {
            return self.crash();
        }
        if after {
            self.bench.commit();
            return self.crash();
        }
        self.bench.turn();
        for (name, _) in TRIPS {
            match self.bench.answer(name) {
                None => {}
                Some(Answer::Started(Ok(started))) => {
                    let known = self.accepted.entry(name).or_insert_with(|| started.clone());
                    assert_eq!(*known, started, "the same request is answered alike");
                }
                // It was started before a crash, has ended since, and so the name is taken.
                Some(Answer::Started(Err(engine::StartError::AlreadyExists { execution_arn }))) => {
                    assert!(self.crashes > 0 && self.bench.end(&self.machine, name) != "RUNNING");
                    self.accepted.insert(name, Started { execution_arn: execution_arn.into(), started_at: START });
                }
                Some(other) => panic!("{name}: {other:?}"),
            }
        }
    }

    fn crash(&mut self) {
        self.crashes += 1;
        for (name, _) in TRIPS {
            self.durable.insert(name, self.bench.history(&self.machine, name));
        }
        let empty = Bench::open(Arc::new(Memory::new()), START, SLOTS);
        self.bench = std::mem::replace(&mut self.bench, empty).crash(SLOTS);
    }

    /// What must hold at the end; `what` names the run.
    fn check(&self, what: &str) {
        for (name, failing) in TRIPS {
            let history = self.bench.history(&self.machine, name);
            check_history(&history);
            assert!(history.last().is_some_and(|event| event.kind.is_terminal()), "{what}: {name} has not ended");
            if let Some(durable) = self.durable.get(name) {
                assert!(history.starts_with(durable), "{what}: the history of {name} has changed");
            }
            let states = entered(&history);
            let booked = self.bench.end(&self.machine, name).starts_with("SUCCEEDED");
            assert!(!booked || failing.is_empty(), "{what}: {name} was booked");
            assert!(is_whole(&states, booked), "{what}: {name} ended after {states:?}");
        }
        assert_eq!(self.bench.core.gauges(), Default::default(), "{what}: something is left over");
    }
}

/// All five steps and the booking; or some steps, and after them the compensation of each, the failed one included.
fn is_whole(states: &[&str], booked: bool) -> bool {
    let steps = states.iter().take_while(|state| FORWARD.contains(state)).count();
    let undone = &BACK[3usize.saturating_sub(steps)..];
    let rest = &states[steps..];
    states[..steps] == FORWARD[..steps]
        && match booked {
            true => steps == 5 && rest == ["We have made your booking!"],
            false => rest.split_last().is_some_and(|(end, rest)| end.starts_with("Sorry") && rest == undone),
        }
}

#[test]
fn without_a_crash_every_trip_ends_as_its_kind_says() {
    let run = run(1, None);
    run.check("no crash");
    assert!(run.commits > 20, "{}", run.commits);
    assert!(run.bench.end(&run.machine, "success").starts_with("SUCCEEDED"));
}

#[test]
fn a_crash_at_any_commit_leaves_every_trip_booked_or_compensated() {
    for seed in 1..=3 {
        let commits = run(seed, None).commits;
        for at in 1..=commits {
            for crash in [Crash::Before(at), Crash::After(at)] {
                let run = run(seed, Some(crash));
                assert_eq!(run.crashes, 1);
                run.check(&format!("seed {seed}, {crash:?}"));
            }
        }
    }
}

#[test]
fn crash_after_crash_everything_still_ends() {
    for seed in 1..=40 {
        let run = run(seed, Some(Crash::Often(12)));
        let gave_up =
            |name| entered(&run.bench.history(&run.machine, name)).last().is_some_and(|state| BACK.contains(state));
        // Four lost attempts of one compensation are more than its Retry allows.
        match TRIPS.iter().any(|(name, _)| gave_up(name)) {
            true => assert!(run.crashes >= 4, "seed {seed}"),
            false => run.check(&format!("seed {seed}, crash after crash")),
        }
    }
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let histories = |run: Run| TRIPS.map(|(name, _)| run.bench.history(&run.machine, name));
    for crash in [None, Some(Crash::Often(12))] {
        assert_eq!(histories(run(5, crash)), histories(run(5, crash)));
    }
}

//! Anything that may happen to a shard, in any order: starts, stops, answers good and bad and never, timers,
//! crashes before and after a commit, with few slots. However it went, in the end everything has ended and nothing
//! is left over.
//!
//! What may happen to one execution is drawn by the interpreter's own properties; here it is what happens between
//! them, and between them and the disk.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{ExecutionStatus, Filter, Machine, Outcome};
use interpreter::{EventKind, Failure, HistoryEvent};
use store::Memory;
use store::testing::Chance;
use support::{Bench, FUNCTION, START, check_history, machine};

/// A Parallel of a slow task with Retry, a Wait and a Map of tasks two at a time; its failure is caught.
fn definition() -> String {
    // Only the items time out, so that whatever else is forgotten is never ended by a timer.
    let (task, item) = (format!("{FUNCTION},"), format!(r#"{FUNCTION},"TimeoutSeconds":5,"#));
    let retry = r#""Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":2}],"#;
    let map = format!(
        r#""M":{{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":2,"ItemProcessor":{{"StartAt":"I","States":{{"I":{{{item}"End":true}}}}}},"End":true}}"#
    );
    machine(&format!(
        r#""A":{{"Type":"Parallel","Branches":[
            {{"StartAt":"X","States":{{"X":{{{task}{retry}"End":true}}}}}},
            {{"StartAt":"W","States":{{"W":{{"Type":"Wait","Seconds":3,"End":true}}}}}},
            {{"StartAt":"M","States":{{{map}}}}}],
          "Catch":[{{"ErrorEquals":["States.ALL"],"Next":"B"}}],"Next":"B"}},
          "B":{{{task}{retry}"End":true}}"#
    ))
}

struct Run {
    bench: Bench,
    machine: Arc<Machine>,
    chance: Chance,
    slots: usize,
    started: u64,
    crashes: usize,
}

const EXECUTIONS: u64 = 6;

impl Run {
    fn new(seed: u64) -> Run {
        let mut chance = Chance(seed);
        let slots = 1 + chance.below(4) as usize;
        let bench = Bench::open(Arc::new(Memory::new()), START, slots);
        let machine = bench.create("m", &definition());
        Run { bench, machine, chance, slots, started: 0, crashes: 0 }
    }

    fn act(&mut self) {
        let running = self.bench.running.len() as u64;
        match self.chance.below(12) {
            0..=2 if self.started < EXECUTIONS => {
                let machine = self.machine.clone();
                self.bench.start(&machine, &self.started.to_string(), r#"{"items":[1,2,3]}"#);
                self.started += 1;
            }
            3 if self.started > 0 && self.chance.below(4) == 0 => {
                let (machine, name) = (self.machine.clone(), self.chance.below(self.started).to_string());
                self.bench.stop(&machine, &name);
            }
            4..=7 if running > 0 => {
                let (id, _, task) = self.bench.running.remove(self.chance.below(running) as usize).unwrap();
                match self.chance.below(5) {
                    0 => self.bench.core.outcome(id, task.task, Outcome::Done(Err(Failure::named("E")))),
                    // Never: its slot is not free again until it is answered after all, which comes too late.
                    1 => self.bench.running.push_back((id, "late".into(), task)),
                    _ => self.bench.core.outcome(id, task.task, Outcome::Done(Ok(task.input))),
                }
            }
            8 => drop(self.bench.advance()),
            9 => self.bench.now = self.bench.now.after_ms(self.chance.below(2000)),
            _ => {}
        }
        self.bench.core.set_time(self.bench.now);
        if self.chance.below(2) == 0 {
            self.bench.core.go_on();
        }
        match self.chance.below(20) {
            0 => self.crash(false),
            1 => self.crash(true),
            2..=12 => self.bench.turn(),
            _ => {}
        }
    }

    fn crash(&mut self, is_committed: bool) {
        if is_committed {
            drop(self.bench.commit());
        }
        self.crashes += 1;
        let before = self.histories();
        let empty = Bench::open(Arc::new(Memory::new()), START, self.slots);
        self.bench = std::mem::replace(&mut self.bench, empty).crash(self.slots);
        self.bench.settle();
        for (name, history) in self.histories() {
            assert!(
                history.starts_with(before.get(&name).map_or(&[], Vec::as_slice)),
                "{name}: its history has changed"
            );
        }
    }

    fn histories(&self) -> BTreeMap<u64, Vec<HistoryEvent>> {
        (0..self.started).map(|name| (name, self.bench.history(&self.machine, &name.to_string()))).collect()
    }

    /// Answers everything and lets time pass until nothing is left to happen.
    fn drain(&mut self) {
        for _ in 0..10_000 {
            self.bench.settle();
            if let Some((id, _, task)) = self.bench.running.pop_front() {
                self.bench.core.outcome(id, task.task, Outcome::Done(Ok(task.input)));
            } else if !self.bench.advance() {
                return;
            }
        }
        panic!("it does not end");
    }
}

#[test]
fn whatever_happens_everything_ends_and_nothing_is_left_over() {
    let (mut crashes, mut ends) = (0, BTreeMap::new());
    for seed in 1..=100 {
        let mut run = Run::new(seed);
        (0..150).for_each(|_| run.act());
        run.drain();
        assert_eq!(run.bench.core.gauges(), Default::default(), "seed {seed}");
        let listed = |status| {
            run.bench
                .reader
                .list(run.machine.number, &Filter { status, ..Filter::default() }, None, 100)
                .unwrap()
                .executions
        };
        assert!(listed(Some(ExecutionStatus::Running)).is_empty(), "seed {seed}");
        let rows: BTreeMap<String, ExecutionStatus> =
            listed(None).into_iter().map(|listed| (listed.row.name.to_string(), listed.row.status)).collect();
        for (name, history) in run.histories() {
            check_history(&history);
            let end = history.last().map(|event| status(&event.kind));
            // A start that a crash has undone was not acknowledged, so it need not be there.
            assert_eq!(rows.get(&name.to_string()).copied(), end, "seed {seed}: {name}");
            *ends.entry(end.map(ExecutionStatus::name)).or_insert(0) += 1;
        }
        crashes += run.crashes;
    }
    // The draw is wide enough: every end was met often.
    assert!(crashes > 300 && ends.len() == 4 && ends.values().all(|count| *count > 5), "{crashes} crashes, {ends:?}");
}

fn status(last: &EventKind) -> ExecutionStatus {
    match last {
        EventKind::ExecutionSucceeded { .. } => ExecutionStatus::Succeeded,
        EventKind::ExecutionFailed(_) => ExecutionStatus::Failed,
        EventKind::ExecutionAborted(_) => ExecutionStatus::Aborted,
        other => panic!("it has not ended: {other:?}"),
    }
}

//! Longer work in any order: answers by tokens good and bad and twice, workers, nested executions, Map Runs whose limits
//! change, stops, redrives, a machine that is deleted, crashes before and after a commit. However it went, in the end
//! everything has ended and nothing is left over.

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use asl::definition::Pattern;
use engine::core::{MapRunUpdate, Start, Taken, TokenAnswer};
use engine::{ExecutionId, Machine, Outcome, Parent, RunKey, StartError, Started, TokenError};
use interpreter::{EventKind, Failure, HistoryEvent, Payload, TaskId, Token};
use store::Memory;
use store::testing::Chance;
use support::{ARN, Bench, FUNCTION, START, machine, payload};

/// In one Parallel a callback, an activity, a nested execution, and a Map Run with a reader; its failure is caught, or not.
fn definition() -> String {
    let retry = r#""Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":2,"IntervalSeconds":1}]"#;
    let callback = format!(
        r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","HeartbeatSeconds":5,"TimeoutSeconds":20,
           "Parameters":{{"FunctionName":"f","Payload":{{"t.$":"$$.Task.Token"}}}},{retry}"#
    );
    let activity = format!(
        r#""Type":"Task","Resource":"arn:aws:states:us-east-1:000000000000:activity:a","TimeoutSeconds":8,{retry}"#
    );
    let nested = r#""Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","TimeoutSeconds":30,
        "Parameters":{"StateMachineArn":"c"}"#;
    let run = format!(
        r#""Type":"Map","MaxConcurrency":2,"ToleratedFailureCount":1,
           "ItemReader":{{"Resource":"arn:aws:states:::s3:getObject","Parameters":{{"Bucket":"b","Key":"k"}}}},
           "ItemBatcher":{{"MaxItemsPerBatch":2}},
           "ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
             "StartAt":"I","States":{{"I":{{{FUNCTION},"TimeoutSeconds":5,"End":true}}}}}}"#
    );
    let branch =
        |name: &str, fields: &str| format!(r#"{{"StartAt":"{name}","States":{{"{name}":{{{fields},"End":true}}}}}}"#);
    let branches = [branch("K", &callback), branch("W", &activity), branch("N", nested), branch("M", &run)].join(",");
    machine(&format!(
        r#""A":{{"Type":"Parallel","Branches":[{branches}],"Catch":[{{"ErrorEquals":["Caught"],"Next":"B"}}],"Next":"B"}},
           "B":{{{FUNCTION},"End":true}}"#
    ))
}

enum Told {
    Answered(usize, bool, Result<(), TokenError>),
    Taken(Option<Taken>),
    Nested(ExecutionId, TaskId, Result<Started, StartError>),
}

struct Holder {
    token: String,
    output: String,
    /// Was told that an answer was taken, and that it was a success.
    is_used: bool,
    succeeded: bool,
}

struct Run {
    bench: Bench,
    machine: Arc<Machine>,
    chance: Chance,
    told: Arc<Mutex<VecDeque<Told>>>,
    holders: Vec<Holder>,
    calls: VecDeque<(ExecutionId, TaskId, Option<Arc<str>>)>,
    started: u64,
    is_deleted: bool,
    crashes: usize,
    redrives: usize,
}

const EXECUTIONS: u64 = 4;
const SLOTS: usize = 3;

impl Run {
    fn new(seed: u64) -> Run {
        let bench = Bench::open(Arc::new(Memory::new()), START, SLOTS);
        let child = format!(r#""A":{{{FUNCTION},"End":true}}"#);
        bench.create("c", &machine(&child).replacen('{', r#"{"TimeoutSeconds":7,"#, 1));
        let machine = bench.create("m", &definition());
        Run {
            bench,
            machine,
            chance: Chance(seed),
            told: Arc::default(),
            holders: Vec::new(),
            calls: VecDeque::new(),
            started: 0,
            is_deleted: false,
            crashes: 0,
            redrives: 0,
        }
    }

    fn below(&mut self, most: usize) -> usize {
        self.chance.below(most as u64) as usize
    }

    fn act(&mut self) {
        match self.chance.below(24) {
            0..=2 if self.started < EXECUTIONS && !self.is_deleted => {
                let machine = self.machine.clone();
                self.bench.start(&machine, &self.started.to_string(), "{}");
                self.started += 1;
            }
            3 if self.started > 0 && self.chance.below(5) == 0 => {
                let (machine, name) = (self.machine.clone(), self.chance.below(self.started).to_string());
                self.bench.stop(&machine, &name);
            }
            4..=9 if !self.bench.running.is_empty() => self.run_task(),
            10..=11 if !self.holders.is_empty() => self.answer(),
            12 if !self.bench.offered.is_empty() => self.take(),
            13 if !self.calls.is_empty() => self.submit(),
            14 => self.read(),
            15..=16 => self.redrive(),
            17 => self.update(),
            18 if self.chance.below(60) == 0 => self.delete(),
            19 => drop(self.bench.advance()),
            20 => self.bench.now = self.bench.now.after_ms(self.chance.below(2000)),
            _ => {}
        }
        self.bench.core.set_time(self.bench.now);
        if self.chance.below(2) == 0 {
            self.bench.core.go_on();
        }
        match self.chance.below(60) {
            0 => self.crash(false),
            1 => self.crash(true),
            2..=40 => self.turn(),
            _ => {}
        }
    }

    fn turn(&mut self) {
        self.bench.turn();
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        told.into_iter().for_each(|told| self.hear(told));
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Answered(at, succeeded, Ok(())) => {
                assert!(!self.holders[at].is_used, "a token works once");
                (self.holders[at].is_used, self.holders[at].succeeded) = (true, succeeded);
            }
            Told::Answered(_, _, Err(TokenError::TimedOut)) => {}
            Told::Answered(_, _, Err(error)) => panic!("{error}"),
            Told::Taken(taken) => self.hold(taken.map(|taken| taken.token)),
            Told::Nested(id, task, Ok(reply)) => self.calls.push_back((id, task, Some(reply.execution_arn))),
            Told::Nested(id, task, Err(error)) => {
                self.bench.core.outcome(id, task, Outcome::Done(Err(Failure::named(error.to_string()))));
            }
        }
    }

    fn hold(&mut self, token: Option<String>) {
        let output = format!("{{\"holder\":{}}}", self.holders.len());
        self.holders.extend(token.map(|token| Holder { token, output, is_used: false, succeeded: false }));
    }

    fn run_task(&mut self) {
        let at = self.below(self.bench.running.len());
        let (id, arn, task) = self.bench.running.remove(at).unwrap();
        let fails = self.chance.below(6) == 0;
        match task.resource.pattern() {
            _ if self.chance.below(8) == 0 => self.bench.running.push_back((id, arn, task)),
            _ if fails => {
                let failure = Failure::named(if self.chance.below(2) == 0 { "Caught" } else { "E" });
                self.bench.core.outcome(id, task.task, Outcome::Done(Err(failure)));
            }
            Pattern::Callback => {
                let token = Token { execution: id.0, task: task.task, secret: task.secret.unwrap() };
                self.hold(Some(token.encode()));
                self.calls.push_back((id, task.task, None));
            }
            Pattern::Sync2 => self.start_nested(id, task.task),
            _ => self.bench.core.outcome(id, task.task, Outcome::Done(Ok(task.input))),
        }
    }

    fn start_nested(&mut self, id: ExecutionId, task: TaskId) {
        let nested = self.bench.machines.get(&format!("{ARN}c")).unwrap().unwrap();
        let start = Start {
            name: Some(format!("{:x}-{}-{}", id.0, task.frame.0, task.attempt.0).into()),
            parent: Some(Parent::Task { execution: id, task }),
            ..Start::new(nested.revision.clone(), payload("{}"))
        };
        let told = self.told.clone();
        self.bench.core.start(start, move |answer| told.lock().unwrap().push_back(Told::Nested(id, task, answer)));
    }

    fn answer(&mut self) {
        let at = self.below(self.holders.len());
        let holder = &self.holders[at];
        let token = Token::decode(&holder.token).unwrap();
        let (answer, succeeded) = match self.chance.below(6) {
            0 => (TokenAnswer::Failed(Failure::named("E")), false),
            1 | 2 => return self.bench.core.answer(token, TokenAnswer::Heartbeat, drop),
            _ => (TokenAnswer::Succeeded(payload(&holder.output)), true),
        };
        let told = self.told.clone();
        self.bench.core.answer(token, answer, move |answer| {
            told.lock().unwrap().push_back(Told::Answered(at, succeeded, answer));
        });
    }

    fn take(&mut self) {
        let (id, task) = self.bench.offered.pop_front().unwrap();
        let told = self.told.clone();
        self.bench.core.take(id, task, None, move |taken| told.lock().unwrap().push_back(Told::Taken(taken)));
    }

    fn submit(&mut self) {
        let (id, task, child) = self.calls.pop_front().unwrap();
        self.bench.core.outcome(id, task, Outcome::Submitted { output: payload("{}"), child });
    }

    /// Some items of the first run that waits for some, or none.
    fn read(&mut self) {
        let Some((run, order)) = self.bench.reads.pop_front() else { return };
        let items: Vec<Payload> = (0..self.chance.below(4)).map(|n| payload(&n.to_string())).collect();
        match self.chance.below(8) {
            0 => self.bench.core.items_failed(run, Failure::named("Caught")),
            1..=4 => self.bench.core.items_read(run, items, true, drop),
            _ => {
                self.bench.core.items_read(run, items, false, drop);
                self.bench.reads.push_back((run, order));
            }
        }
    }

    fn redrive(&mut self) {
        let rows = self.bench.rows();
        if rows.is_empty() {
            return;
        }
        let (id, _) = rows[self.below(rows.len())];
        self.redrives += 1;
        self.bench.core.redrive(id, drop);
    }

    fn update(&mut self) {
        let rows = self.bench.rows();
        let runs: Vec<RunKey> = rows
            .iter()
            .flat_map(|(id, _)| self.bench.reader.map_runs(*id).unwrap())
            .map(|run| self.bench.reader.map_run(&run.plan.arn).unwrap().unwrap().0)
            .collect();
        if runs.is_empty() {
            return;
        }
        let run = runs[self.below(runs.len())];
        let update = MapRunUpdate {
            max_concurrency: Some(self.chance.below(5)),
            tolerated_failure_count: (self.chance.below(2) == 0).then(|| self.chance.below(3)),
            tolerated_failure_percentage: None,
        };
        self.bench.core.update_map_run(run, update, drop);
    }

    fn delete(&mut self) {
        self.is_deleted = true;
        self.bench.machines.delete(&self.machine.arn).unwrap();
        self.bench.core.machine_deleted(self.machine.number);
    }

    fn crash(&mut self, is_committed: bool) {
        if is_committed {
            drop(self.bench.commit());
        }
        self.crashes += 1;
        let before = self.bench.histories();
        let empty = Bench::open(Arc::new(Memory::new()), START, SLOTS);
        self.bench = std::mem::replace(&mut self.bench, empty).crash(SLOTS);
        self.told = Arc::default();
        self.calls.clear();
        let after = self.bench.histories();
        assert_eq!(before, after, "nothing is lost, and nothing comes, before the next commit");
    }

    /// Answers everything and lets time pass until nothing is left to happen.
    fn drain(&mut self) {
        for _ in 0..20_000 {
            self.bench.core.set_time(self.bench.now);
            self.bench.core.go_on();
            while self.bench.core.has_work() {
                self.turn();
                self.bench.core.go_on();
            }
            if let Some((id, _, task)) = self.bench.running.pop_front() {
                match task.resource.pattern() {
                    Pattern::Sync2 => self.start_nested(id, task.task),
                    _ => self.bench.core.outcome(id, task.task, Outcome::Done(Ok(task.input))),
                }
            } else if !self.bench.offered.is_empty() {
                self.take();
            } else if !self.calls.is_empty() {
                self.submit();
            } else if let Some((run, _)) = self.bench.reads.pop_front() {
                self.bench.core.items_read(run, vec![payload("1")], true, drop);
            } else if !self.bench.advance() {
                return;
            }
        }
        panic!("it does not end");
    }

    fn check(&mut self, what: &str) {
        self.bench.check_all(what);
        for holder in self.holders.iter().filter(|holder| holder.succeeded) {
            let id = ExecutionId(Token::decode(&holder.token).unwrap().execution);
            let history = self.bench.history_of(id);
            // What was given up meanwhile has no outcome.
            let is_given_up =
                |event: &HistoryEvent| matches!(event.kind, EventKind::ParallelFailed | EventKind::ExecutionAborted(_));
            let is_outcome = |event: &HistoryEvent| matches!(&event.kind, EventKind::TaskSucceeded { output, .. } if *output.text() == holder.output);
            let is_kept = history.iter().any(|event| is_outcome(event) || is_given_up(event));
            assert!(is_kept, "{what}: an answer that was taken is lost: {}", holder.output);
        }
    }
}

/// `LONGER_SEEDS=1000` tries more of them.
fn seeds() -> std::ops::RangeInclusive<u64> {
    1..=std::env::var("LONGER_SEEDS").ok().and_then(|most| most.parse().ok()).unwrap_or(80)
}

#[test]
fn whatever_happens_longer_work_ends_and_nothing_is_left_over() {
    let (mut crashes, mut redrives, mut ends) = (0, 0, std::collections::BTreeMap::new());
    for seed in seeds() {
        let mut run = Run::new(seed);
        (0..400).for_each(|_| run.act());
        run.drain();
        run.check(&format!("seed {seed}"));
        for (_, row) in run.bench.rows() {
            *ends.entry((row.parent.is_some(), row.status.name())).or_insert(0) += 1;
            redrives += row.redrive_count;
        }
        crashes += run.crashes;
    }
    // The draw is wide enough.
    assert!(crashes > 500 && redrives > 100 && ends.len() == 7, "{crashes} crashes, {redrives} redrives, {ends:?}");
}

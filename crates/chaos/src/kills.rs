//! kill -9 of the real binary at moments chosen by chance, while sagas run, with other misfortune in between.
//!
//! ```text
//!   starters   StartExecution by name until acknowledged, through every outage ----+
//!   workers    GetActivityTask, ledger, SendTaskSuccess until acknowledged         |
//!   clerk      PutItem until acknowledged                                          +--> judge: engine against ledger
//!   killer     spawn, [ready,] [SIGSTOP, SIGCONT | clock | disk,] kill -9 ... -----+
//! ```
//!
//! A seed chooses fates and moments, and how functions misbehave; what runs at a moment depends on the machine. So a seed
//! plays the moments again, not the whole run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{CallError, Client, text};
use crate::faults::{Fault, Faults, Files, What};
use crate::ithaca::{Ithaca, Up, functions_of, processes_of};
use crate::judge::{Tally, judge};
use crate::random::Random;
use crate::sagas::{self, Sagas, relay, till};
use crate::scratch::Scratch;
use crate::verdict::Verdict;
use crate::wait::wait_for;
use crate::{function, functions, worker};

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Plan {
    pub kills: usize,
    pub seed: u64,
    /// Started for each kill, of both kinds in turn.
    pub sagas_per_kill: usize,
    /// How long an instance lives at most once it is ready.
    pub life_max: Duration,
    /// The program that runs the functions: this one's `chaos`.
    pub program: PathBuf,
    /// Shown as it goes, every so many kills.
    pub progress: Option<usize>,
}

const STARTERS: usize = 4;
const WORKERS: usize = 3;

/// One instance in four is killed this early, which may be before it is ready: while it recovers.
const YOUTH: Duration = Duration::from_millis(150);

/// How long it stands still between SIGSTOP and SIGCONT, at most.
const STILLNESS_MAX: Duration = Duration::from_millis(400);

/// How far the wall clock jumps, in seconds. No timer waits longer for it, and no history goes back.
const JUMPS: [i64; 6] = [-3600, -60, -1, 1, 60, 3600];

/// An instance whose disk has failed has to end by itself within this.
const END_BOUND: Duration = Duration::from_secs(20);

const TABLE: &str = "clerk";

/// What becomes of an instance, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// Just killed.
    Killed,
    /// Stopped and continued, then killed.
    StoodStill,
    /// The clock jumps, then it is killed.
    ClockJumped,
    /// The disk refuses: it ends by itself.
    DiskFailed,
}

const FATES: [(u64, Fate); 4] =
    [(66, Fate::Killed), (12, Fate::StoodStill), (14, Fate::ClockJumped), (8, Fate::DiskFailed)];

/// What a disk does; each ends the program, which says why.
pub const DISK_FAULTS: [(Files, What, i32); 6] = [
    (Files::Engine, What::Sync, libc::EIO),
    (Files::Engine, What::Write, libc::ENOSPC),
    (Files::Engine, What::TornWrite, libc::EIO),
    (Files::Tables, What::Sync, libc::EIO),
    (Files::Tables, What::Sync, libc::ENOSPC),
    (Files::Engine, What::Sync, libc::EDQUOT),
];

/// Runs it and says what was found.
pub fn run(plan: &Plan) -> Verdict {
    let scratch = Scratch::new("chaos-kills");
    let data = scratch.join("data");
    std::fs::create_dir_all(&data).expect("a data folder can be made");
    let data = data.canonicalize().expect("it is there");
    let ledger = scratch.join("ledger");
    let faults = Faults::new(scratch.join("faults"), &data);
    let up = faults.under(Up::new(&data));
    let first = up.start();
    let client = first.client();
    let activity = text(&client.states("CreateActivity", json!({ "name": "relay" }))["activityArn"]);
    let bootstrap = function::bootstrap(&plan.program, &ledger);
    let step = functions::create(&client, "step", &bootstrap, sagas::FUNCTION_SECONDS);
    create_table(&client);
    let machines = [
        client.create_machine("till", &till(&step, plan.seed)),
        client.create_machine("relay", &relay(&activity, &step)),
    ];
    let sagas = Sagas::new(machines, plan.kills * plan.sagas_per_kill);
    let acknowledged = worker::Acknowledged::default();
    let clerk = Clerk::default();
    let is_over = AtomicBool::new(false);

    let (lives, tally, rows) = thread::scope(|scope| {
        let over = Over(&is_over);
        let starters: Vec<_> = (0..STARTERS).map(|_| scope.spawn(|| sagas.start_all(&client))).collect();
        for _ in 0..WORKERS {
            scope.spawn(|| worker::work(&client, &activity, &ledger, &acknowledged, &is_over));
        }
        scope.spawn(|| clerk.work(&client, &is_over));
        let mut killer = Killer {
            up: up.clone().port(first.port()),
            faults: &faults,
            sagas: &sagas,
            lives: Lives::default(),
            shift: 0,
        };
        killer.kill_often(first, plan);
        let last = killer.up.start();
        for starter in starters {
            starter.join().expect("a starter started all");
        }
        let sent = acknowledged.lock().expect("no worker panicked").clone();
        let mut tally = judge(&client, &sagas, &ledger, &sent);
        let sent = acknowledged.lock().expect("no worker panicked").clone();
        tally.problems.extend(clerk.problems(&client));
        drop(over);
        let lives = killer.lives;
        assert!(last.stop().success(), "it stops when it is asked to");
        (lives, tally, sent.len())
    });
    let mut verdict = lives.verdict(plan);
    report(&mut verdict, &tally, rows, clerk.count.load(Ordering::SeqCst));
    verdict.claim("processes left behind", processes_of(&data).len(), |left| *left == 0);
    verdict
}

fn report(verdict: &mut Verdict, tally: &Tally, successes: usize, rows: u64) {
    verdict.claim("sagas acknowledged and judged", tally.sagas, |sagas| *sagas > 0);
    verdict.claim("  all done", tally.done, |done| *done > 0);
    verdict.claim("  all compensated", tally.undone, |undone| *undone > 0);
    verdict.say("attempts in histories", tally.attempts);
    verdict.say("  failed", format!("{} {:?}", tally.failed, tally.errors));
    verdict.say("  of these had done their work", tally.unknown);
    verdict.say("effects in the ledger", tally.effects);
    verdict.claim("successes acknowledged to workers", successes, |successes| *successes > 0);
    verdict.claim("rows acknowledged by PutItem", rows, |rows| *rows > 0);
    verdict.claim("contradictions", tally.problems.len(), |problems| *problems == 0);
    verdict.problems.extend(tally.problems.iter().cloned());
}

/// Tells the workers to go home, also when something panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What became of the instances.
#[derive(Default)]
struct Lives {
    kills: usize,
    young: usize,
    fates: BTreeMap<Fate, usize>,
    /// What a program said whose disk failed, shortened to what differs.
    last_words: BTreeMap<String, usize>,
    longest_start: Duration,
    with_functions: usize,
    problems: Vec<String>,
}

impl Lives {
    fn verdict(self, plan: &Plan) -> Verdict {
        let mut verdict = Verdict::new("kills");
        verdict.claim("kill -9", self.kills, |kills| *kills == plan.kills);
        verdict.say("  of these before or just after it was ready", self.young);
        verdict.say("  after SIGSTOP and SIGCONT", self.fates.get(&Fate::StoodStill).copied().unwrap_or(0));
        verdict.say("  after the clock jumped", self.fates.get(&Fate::ClockJumped).copied().unwrap_or(0));
        verdict.say("  with function processes", self.with_functions);
        verdict.say("ended by itself after the disk failed", self.fates.get(&Fate::DiskFailed).copied().unwrap_or(0));
        for (words, count) in &self.last_words {
            verdict.say(&format!("  {count} times"), words);
        }
        verdict.say("longest restart", format!("{:.2?}", self.longest_start));
        verdict.claim("instances that misbehaved", self.problems.len(), |problems| *problems == 0);
        verdict.problems = self.problems;
        verdict
    }
}

struct Killer<'a> {
    /// Starts the next instance.
    up: Up,
    faults: &'a Faults,
    sagas: &'a Sagas,
    lives: Lives,
    /// Of the wall clock, in seconds.
    shift: i64,
}

impl Killer<'_> {
    /// Kills the running instance, starts the next and kills that, and so on.
    fn kill_often(&mut self, first: Ithaca, plan: &Plan) {
        let mut random = Random::new(plan.seed);
        let mut running = Some(first);
        let mut killed = None;
        while self.lives.kills < plan.kills {
            let fate = drawn(&mut random);
            let dies_young = fate == Fate::Killed && running.is_none() && random.below(4) == 0;
            let spawned = Instant::now();
            let mut ithaca = running.take().unwrap_or_else(|| self.up.spawn());
            self.sagas.release((self.lives.kills + 1) * plan.sagas_per_kill);
            if !dies_young && ithaca.said() == &Value::Null {
                if let Err(status) = ithaca.wait_ready() {
                    self.lives.problems.push(format!("no restart, but {status}: {}", ithaca.complaints()));
                    continue;
                }
                self.lives.longest_start = self.lives.longest_start.max(spawned.elapsed());
                // The new instance is there, so nothing of the old one may be: it could do what is being compensated.
                if let Some(host) = killed.take() {
                    self.expect_no_survivors(host);
                }
            }
            // The moment is the matter of this test; there is no condition to wait for.
            thread::sleep(random.duration_below(if dies_young { YOUTH } else { plan.life_max }));
            let host = ithaca.id();
            self.lives.with_functions += usize::from(!functions_of(&self.up.data, host).is_empty());
            match fate {
                Fate::Killed => {}
                Fate::StoodStill => {
                    signal(host, libc::SIGSTOP);
                    thread::sleep(random.duration_below(STILLNESS_MAX));
                    signal(host, libc::SIGCONT);
                    thread::sleep(random.duration_below(STILLNESS_MAX));
                }
                Fate::ClockJumped => {
                    self.shift += JUMPS[random.below(JUMPS.len() as u64) as usize];
                    self.faults.shift_clock(self.shift);
                    thread::sleep(random.duration_below(STILLNESS_MAX));
                }
                Fate::DiskFailed => self.fail_disk(&mut ithaca, &mut random),
            }
            if fate != Fate::DiskFailed {
                ithaca.kill();
                self.lives.kills += 1;
                self.lives.young += usize::from(dies_young);
                self.expect_no_panic(&mut ithaca);
            }
            *self.lives.fates.entry(fate).or_default() += 1;
            killed = Some(host);
            if let Some(every) = plan.progress
                && fate != Fate::DiskFailed
                && self.lives.kills.is_multiple_of(every)
            {
                let started = self.sagas.acknowledged.load(Ordering::SeqCst);
                println!(
                    "{:>5} kills, {started} sagas started, {} problems",
                    self.lives.kills,
                    self.lives.problems.len()
                );
            }
        }
    }

    /// The disk refuses once; whether it would work again does not matter, since its word is not taken.
    fn fail_disk(&mut self, ithaca: &mut Ithaca, random: &mut Random) {
        let (files, what, error) = DISK_FAULTS[random.below(DISK_FAULTS.len() as u64) as usize];
        let times = [None, Some(1)][random.below(2) as usize];
        let fault = Fault { files, what, error, times };
        self.faults.set(fault);
        let ended = ithaca.ends_within(END_BOUND);
        self.faults.mend();
        let said = ithaca.complaints();
        match ended {
            Some(status) if status.code() == Some(1) && said.contains("Start Ithaca again") => {
                let line = said.lines().last().unwrap_or_default();
                // Without the moment, or every one would be alone.
                let words = line
                    .split_once(" UTC ")
                    .map_or(line, |(_, words)| words)
                    .replace(&*self.up.data.to_string_lossy(), "DATA");
                *self.lives.last_words.entry(words).or_default() += 1;
            }
            Some(status) => self.lives.problems.push(format!("{fault:?}: it ended with {status}: {said}")),
            // It had nothing to write all that time: then it is killed like any other.
            None if self.faults.hits() == 0 => ithaca.kill(),
            None => {
                self.lives.problems.push(format!("{fault:?}, met {} times: it went on: {said}", self.faults.hits()));
                ithaca.kill();
            }
        }
    }

    fn expect_no_survivors(&mut self, host: u32) {
        let left = functions_of(&self.up.data, host);
        if !left.is_empty() {
            self.lives.problems.push(format!("function processes {left:?} outlived their host {host}"));
        }
    }

    fn expect_no_panic(&mut self, ithaca: &mut Ithaca) {
        let said = ithaca.complaints();
        if said.contains("panicked") {
            self.lives.problems.push(format!("it panicked: {said}"));
        }
    }
}

fn drawn(random: &mut Random) -> Fate {
    let mut drawn = random.below(100);
    for (share, fate) in FATES {
        if drawn < share {
            return fate;
        }
        drawn -= share;
    }
    unreachable!("the shares are a hundred")
}

fn signal(process: u32, signal: i32) {
    // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
    unsafe { libc::kill(process as i32, signal) };
}

/// Puts rows into a table, one after the other, until each is acknowledged.
#[derive(Default)]
struct Clerk {
    count: AtomicU64,
    refusals: Mutex<Vec<String>>,
}

impl Clerk {
    fn work(&self, client: &Client, is_over: &AtomicBool) {
        const PAUSE: Duration = Duration::from_millis(20);
        while !is_over.load(Ordering::SeqCst) {
            let number = self.count.load(Ordering::SeqCst);
            let row = json!({ "TableName": TABLE, "Item": { "pk": { "N": number.to_string() } } });
            match client.json("DynamoDB_20120810.PutItem", &row.to_string()) {
                Ok(_) => drop(self.count.fetch_add(1, Ordering::SeqCst)),
                Err(CallError::Refused(refusal)) if refusal.status < 500 && refusal.name != "ThrottlingException" => {
                    self.refusals.lock().expect("nobody panicked").push(format!("PutItem: {refusal:?}"));
                    return;
                }
                Err(_) => {}
            }
            thread::sleep(PAUSE);
        }
    }

    /// Every acknowledged row that is not there.
    fn problems(&self, client: &Client) -> Vec<String> {
        let mut problems = self.refusals.lock().expect("nobody panicked").clone();
        for number in 0..self.count.load(Ordering::SeqCst) {
            let key =
                json!({ "TableName": TABLE, "Key": { "pk": { "N": number.to_string() } }, "ConsistentRead": true });
            if client.dynamo("GetItem", key)["Item"].is_null() {
                problems.push(format!("row {number} was acknowledged and is not there"));
            }
        }
        problems
    }
}

fn create_table(client: &Client) {
    client.dynamo(
        "CreateTable",
        json!({
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "N" }],
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
        }),
    );
    wait_for("the table is there", || {
        (client.dynamo("DescribeTable", json!({ "TableName": TABLE }))["Table"]["TableStatus"] == "ACTIVE")
            .then_some(())
    });
}

/// Of the program that runs the functions of tests: the `chaos` beside them.
pub fn own_program() -> PathBuf {
    crate::place::program().with_file_name("chaos")
}

//! The world around the engine: callers, workers, functions, clock, disk and the processes that die, all in one thread.
//!
//! Every choice comes from the seed. The engine is the real one ([`engine::Assembly`]): its handle, shards, queues and
//! recovery; only time, chance, store and runner are the world's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use asl::definition::Pattern;
use engine::core::{ChildEnd, MapRunUpdate, Taken, TokenAnswer};
use engine::{
    Assembly, Completion, Config, Created, ExecutionId, ExecutionStatus, Handle, Items, MapRunRow, MapRunStatus,
    NewMachine, Outcome, Parent, PollError, ReadItems, Reader, RedriveError, StartError, Started, StatusChange,
    StopError, Surroundings, Task, TokenError, Update, WriteResults, Written,
};
use interpreter::{Failure, Payload, Phase, Status, TaskId, Timestamp, Token, Wait};
use store::ShardId;
use store::testing::Chance;
use tokio::sync::broadcast;

use crate::auditor::{Audited, Auditor, Counts, Watcher};
use crate::clock::{Seeds, VirtualClock};
use crate::disk::{Disk, Door, Fate};
use crate::grammar::{self, INPUTS, Kind};
use crate::journal::{Journal, Keep};
use crate::ledger::{End, Ledger};
use crate::runner::{Handed, Table};
use crate::scenario::{self, ACTIONS, Action};

const PREFIX: &str = "arn:aws:states:us-east-1:000000000000:";
const ACTIVITIES: [&str; 2] = ["a", "b"];

/// Requests of one flood: more than one batch takes while another is on its way, so that the inbox has to wait.
const FLOOD: usize = 2 * engine::limits::BATCH_INPUTS_MAX + 100;

/// Turns that everything left may take when the faults are over.
const DRAIN_TURNS: usize = 50_000;

/// Virtual time that it may take: the longest that a definition may wait, retries included, is a fraction of it.
const DRAIN_MS: i64 = 6 * 3600 * 1000;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub scenario: &'static str,
    pub audited: Counts,
    pub crashes: u64,
    pub takeovers: u64,
    pub failed_commits: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub ends: BTreeMap<&'static str, u64>,
    pub sagas: BTreeMap<End, u64>,
    pub redrives: u64,
}

/// What a caller waits for.
type Ask = Pin<Box<dyn Future<Output = Told>>>;

/// What it was told.
enum Told {
    Started {
        machine: usize,
        name: Option<String>,
        answer: Result<Started, StartError>,
    },
    Ended(Result<ChildEnd, StartError>),
    Stopped(ExecutionId, Result<Timestamp, StopError>),
    Redriven(ExecutionId, Result<Timestamp, RedriveError>),
    Answered {
        holder: usize,
        settles: bool,
        answer: Result<(), TokenError>,
    },
    Forged(Result<(), TokenError>),
    Polled(Result<Option<Taken>, PollError>),
    /// A task that starts an execution has its answer.
    Nested {
        task: Task,
        completion: Completion,
        is_awaited: bool,
        answer: Result<Started, StartError>,
    },
    Given(ReadItems, Items, bool),
    Updated,
}

struct Asking {
    ask: Ask,
    waits: Waits,
}

/// What for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// It comes with the next commits.
    Answer,
    /// The end of an execution.
    End,
    /// A task, for as long as there is none.
    Task,
}

/// One process.
struct Live {
    number: u32,
    assembly: Assembly,
    table: Arc<Table>,
    changes: broadcast::Receiver<StatusChange>,
    asking: Vec<Asking>,
}

/// A task that runs.
struct Running {
    task: Task,
    completion: Completion,
    has_effect: bool,
}

/// Somebody who has a token.
struct Holder {
    token: String,
    id: ExecutionId,
    task: TaskId,
    /// Was told that its answer was taken.
    is_used: bool,
}

struct Machine {
    arn: String,
    kind: Kind,
}

pub struct World {
    seed: u64,
    chance: Chance,
    scenario: usize,
    clock: Arc<VirtualClock>,
    journal: Arc<Journal>,
    auditor: Arc<Auditor>,
    disk: Arc<Disk>,
    seeds: Arc<Seeds>,
    /// For the long polls of workers.
    runtime: tokio::runtime::Runtime,
    shards: u16,
    tasks_max: usize,
    open_max: usize,
    retention: Duration,
    live: Live,
    zombie: Option<Live>,
    machines: Vec<Machine>,
    requests: Vec<(usize, Option<String>, usize)>,
    running: Vec<Running>,
    reads: VecDeque<(ReadItems, Items)>,
    writes: VecDeque<(WriteResults, Written)>,
    /// Outcomes that were told.
    told: Vec<(ExecutionId, TaskId, Outcome)>,
    holders: Vec<Holder>,
    ledger: Ledger,
    report: Report,
    /// No fault is drawn any more.
    is_draining: bool,
}

/// Runs a seed; a violation is a panic.
pub fn run(seed: u64, scenario: Option<usize>, keep: Keep) -> (Report, String) {
    let mut world = World::new(seed, scenario, keep);
    let steps = 150 + world.below(450);
    for _ in 0..steps {
        world.act();
    }
    world.drain();
    (world.finish(), world.journal.text())
}

fn open(
    number: u32,
    config: (u16, usize, usize, Duration),
    disk: &Arc<Disk>,
    auditor: &Arc<Auditor>,
    journal: &Arc<Journal>,
    clock: &Arc<VirtualClock>,
    seeds: &Arc<Seeds>,
) -> Live {
    let (shards, running_tasks_max, open_executions_max, retention) = config;
    auditor.owner(number);
    let (sender, changes) = broadcast::channel(engine::limits::WATCH_BUFFER);
    let config =
        Config { shards, running_tasks_max, open_executions_max, retention, changes: sender, ..Config::default() };
    let table = Arc::new(Table::new(auditor.clone(), journal.clone(), number, ExecutionId::SHARDS_MAX - 1));
    let watcher = Watcher { auditor: auditor.clone(), process: number, volatile: ShardId(ExecutionId::SHARDS_MAX - 1) };
    let surroundings = Surroundings { time: clock.clone(), chance: seeds.clone(), witness: Some(Arc::new(watcher)) };
    let door = Arc::new(Door { disk: disk.clone(), process: number });
    let assembly = Assembly::open(door, table.clone(), &config, &surroundings)
        .unwrap_or_else(|error| panic!("process {number} does not open: {error}"));
    assert!(assembly.unreadable().is_empty(), "invariant 5: {:?}", assembly.unreadable());
    Live { number, assembly, table, changes, asking: Vec::new() }
}

impl World {
    fn new(seed: u64, scenario: Option<usize>, keep: Keep) -> World {
        let mut chance = Chance(seed);
        let drawn = chance.below(scenario::NAMES.len() as u64) as usize;
        let scenario = scenario.unwrap_or(drawn);
        let (clock, journal) = (Arc::new(VirtualClock::default()), Arc::new(Journal::new(keep)));
        let retention = match scenario::NAMES[scenario] {
            "retention" => Duration::from_secs(3600 * (1 + chance.below(48))),
            _ => Duration::from_millis(engine::limits::RETENTION_MS),
        };
        let auditor = Arc::new(Auditor::new(clock.clone(), journal.clone(), retention.as_millis() as u64));
        let disk = Arc::new(Disk::new(auditor.clone(), journal.clone()));
        let seeds = Arc::new(Seeds::new(seed));
        let (mut shards, mut open_max) = (1 + chance.below(3) as u16, [30, 100, 100_000][chance.below(3) as usize]);
        let tasks_max = [3, 6, 20, 1000][chance.below(4) as usize];
        if scenario::NAMES[scenario] == "overload" {
            // The flood is to come through one door, and to be let in.
            (shards, open_max) = (1, 100_000);
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be built");
        let live = open(1, (shards, tasks_max, open_max, retention), &disk, &auditor, &journal, &clock, &seeds);
        let mut world = World {
            seed,
            chance,
            scenario,
            clock,
            journal,
            auditor,
            disk,
            seeds,
            runtime,
            shards,
            tasks_max,
            open_max,
            retention,
            live,
            zombie: None,
            machines: Vec::new(),
            requests: Vec::new(),
            running: Vec::new(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            told: Vec::new(),
            holders: Vec::new(),
            ledger: Ledger::default(),
            report: Report { scenario: scenario::NAMES[scenario], ..Report::default() },
            is_draining: false,
        };
        world.furnish();
        world
    }

    /// Machines and activities.
    fn furnish(&mut self) {
        for name in ACTIVITIES {
            let arn = format!("{PREFIX}activity:{name}");
            let created = self.handle().activities().create(&arn, name, BTreeMap::new(), None, self.clock.latest());
            created.expect("an activity can be created");
        }
        let text = grammar::definition(Kind::Nested, &mut self.chance);
        self.create("c", Kind::Nested, text);
        self.create("travel", Kind::Standard, travel());
        if scenario::NAMES[self.scenario] != "saga" {
            for name in ["m", "n", "o"] {
                let text = grammar::definition(Kind::Standard, &mut self.chance);
                self.create(name, Kind::Standard, text);
            }
            let text = grammar::definition(Kind::Express, &mut self.chance);
            self.create("x", Kind::Express, text);
            self.create("p", Kind::Nested, r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#.into());
        }
    }

    fn create(&mut self, name: &str, kind: Kind, definition: String) {
        let arn = format!("{PREFIX}stateMachine:{name}");
        self.journal.note(|| format!("machine {name}: {definition}"));
        let mut settings = serde_json::Map::new();
        if kind == Kind::Express {
            settings.insert("type".into(), "EXPRESS".into());
        }
        let new = NewMachine {
            arn: arn.clone(),
            name: name.to_owned(),
            role_arn: "arn:aws:iam::000000000000:role/r".to_owned(),
            definition,
            tags: BTreeMap::new(),
            settings,
        };
        match self.handle().machines().create(new, self.clock.latest()).expect("a machine can be created") {
            Created::New(_) => self.machines.push(Machine { arn, kind }),
            // The old one of this name still has something to do.
            Created::Deleting => {}
            other => panic!("{other:?}"),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.chance.below(bound as u64) as usize
    }

    /// Once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.chance.below(times) == 0
    }

    fn handle(&self) -> Handle {
        self.live.assembly.handle()
    }

    fn reader(&self) -> Reader {
        self.live.assembly.reader()
    }

    fn act(&mut self) {
        let all: u64 = ACTIONS.iter().map(|(_, weights)| weights[self.scenario]).sum();
        let mut drawn = self.chance.below(all);
        let action = ACTIONS.iter().find(|(_, weights)| {
            let is_it = drawn < weights[self.scenario];
            drawn = drawn.saturating_sub(weights[self.scenario]);
            is_it
        });
        let (action, _) = action.expect("the weights add up");
        self.journal.note(|| format!("-- {action:?}"));
        self.perform(*action);
        if let Some(zombie) = self.zombie.take() {
            self.haunt(zombie);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Start => self.start(),
            Action::StartAgain => self.start_again(),
            Action::StartSync => self.start_sync(),
            Action::Flood => self.flood(),
            Action::Stop => self.stop(),
            Action::Redrive => self.redrive(),
            Action::Outcome if !self.running.is_empty() => {
                let at = self.below(self.running.len());
                self.outcome(at);
            }
            Action::Repeat => self.repeat(),
            Action::Answer if !self.holders.is_empty() => {
                let at = self.below(self.holders.len());
                let answer = self.token_answer();
                self.answer(at, answer);
            }
            Action::Forge => self.forge(),
            Action::Poll => {
                let at = self.below(ACTIVITIES.len());
                self.poll(at);
            }
            Action::Hang => self.hang(),
            Action::Objects => self.objects(),
            Action::UpdateRun => self.update_run(),
            Action::Update => self.update(),
            Action::Delete => self.delete(),
            Action::Pass => {
                let ms = self.chance.below(3000);
                self.clock.pass(ms);
            }
            Action::Timer => {
                self.wait_for_timer();
            }
            Action::SetClock => {
                let ms = self.chance.below(120_000) as i64 - 60_000;
                self.journal.note(|| format!("clock   set by {ms} ms"));
                self.clock.set_by(ms);
            }
            Action::Days => {
                let ms = self.chance.below(3 * 24 * 3600 * 1000);
                self.journal.note(|| format!("clock   {ms} ms pass"));
                self.clock.pass(ms);
            }
            Action::Turn => self.turn(),
            Action::Arrive => {
                let batches = 1 + self.below(3);
                for _ in 0..batches {
                    self.disk.arrive(Fate::Durable);
                }
            }
            Action::FailCommit => {
                let fate = if self.once_in(2) { Fate::Fails } else { Fate::LosesReply };
                self.report.failed_commits += u64::from(self.disk.arrive(fate));
            }
            Action::Refuse => {
                let commits = 1 + self.chance.below(3);
                self.disk.refuse(commits);
            }
            Action::FailDisk => {
                let written = self.below(self.disk.queued() + 1);
                self.disk.fail(written, self.live.number);
                self.report.failed_commits += 1;
            }
            Action::Crash => self.crash(),
            Action::TakeOver => self.take_over(),
            Action::Outcome | Action::Answer => {}
        }
    }

    // Processes.

    /// All shards take a turn, and whoever was answered hears of it.
    fn turn(&mut self) {
        for shard in 0..self.live.assembly.shards() {
            if let Err(why) = self.live.assembly.turn(shard) {
                self.journal.note(|| format!("shard   {shard} cannot go on: {why}"));
                return self.crash();
            }
            let gauges = self.live.assembly.core(shard).gauges();
            let most = self.open_max.div_ceil(usize::from(self.shards));
            assert!(gauges.open_executions <= most, "invariant 9: {gauges:?}");
        }
        self.take_from_table();
        self.hear();
    }

    fn take_from_table(&mut self) {
        for handed in self.live.table.clear() {
            match handed {
                Handed::Task(task, completion) => self.begin(task, completion),
                Handed::Read(order, items) => self.reads.push_back((order, items)),
                Handed::Write(order, written) => self.writes.push_back((order, written)),
            }
        }
    }

    fn hear(&mut self) {
        let told = listen(&mut self.live.asking, &self.runtime);
        told.into_iter().for_each(|told| self.told(told, true));
        loop {
            match self.live.changes.try_recv() {
                Ok(change) => self.auditor.told(&change),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => break,
            }
        }
    }

    fn ask(&mut self, ask: impl Future<Output = Told> + 'static) {
        self.live.asking.push(Asking { ask: Box::pin(ask), waits: Waits::Answer });
    }

    fn config(&self) -> (u16, usize, usize, Duration) {
        (self.shards, self.tasks_max, self.open_max, self.retention)
    }

    fn next_process(&mut self) -> Live {
        let number = self.live.number + 1;
        open(number, self.config(), &self.disk, &self.auditor, &self.journal, &self.clock, &self.seeds)
    }

    /// Everything in memory is gone, and any first part of what was on its way is there.
    fn crash(&mut self) {
        self.end_zombie();
        let written = self.below(self.disk.queued() + 1);
        self.journal.note(|| format!("crash   of process {}", self.live.number));
        self.report.crashes += 1;
        self.disk.crash(self.live.number, written);
        self.forget_hands();
        // Another process may have more shards, or fewer, and other limits for tasks.
        if self.once_in(3) {
            self.shards = 1 + self.chance.below(3) as u16;
            self.tasks_max = [3, 6, 20, 1000][self.below(4)];
        }
        // Room for what is open must be there, however it is shared out.
        self.open_max = self.open_max.max(3 * 4 * self.auditor.all(|_, _| ()).len());
        self.live.asking.clear();
        self.live = self.next_process();
        self.take_from_table();
    }

    /// What ran, ran in the process that is gone.
    fn forget_hands(&mut self) {
        self.running.clear();
        self.reads.clear();
        self.writes.clear();
    }

    /// Another process takes over what this one still believes to own.
    fn take_over(&mut self) {
        if self.zombie.is_some() {
            return;
        }
        self.journal.note(|| format!("takeover from process {}", self.live.number));
        self.report.takeovers += 1;
        let arriving = self.below(self.disk.queued() + 1);
        for _ in 0..arriving {
            self.disk.arrive(Fate::Durable);
        }
        self.forget_hands();
        let next = self.next_process();
        self.zombie = Some(std::mem::replace(&mut self.live, next));
        self.take_from_table();
    }

    /// The older process goes on for a while: nothing of what it does may become durable.
    fn haunt(&mut self, mut zombie: Live) {
        let is_dead = (0..zombie.assembly.shards()).any(|shard| zombie.assembly.turn(shard).is_err());
        let told = listen(&mut zombie.asking, &self.runtime);
        told.into_iter().for_each(|told| self.told(told, false));
        if is_dead || self.once_in(20) {
            self.zombie = Some(zombie);
            return self.end_zombie();
        }
        if self.once_in(4) {
            let handle = zombie.assembly.handle();
            let (machine, name, input) = self.request();
            let ask = start(handle, self.machines[machine].arn.clone(), machine, name, input);
            zombie.asking.push(Asking { ask: Box::pin(ask), waits: Waits::Answer });
        }
        self.zombie = Some(zombie);
    }

    fn end_zombie(&mut self) {
        if let Some(zombie) = self.zombie.take() {
            self.journal.note(|| format!("end     of process {}", zombie.number));
            self.disk.crash(zombie.number, 0);
        }
    }

    // Callers.

    fn request(&mut self) -> (usize, Option<String>, usize) {
        let machine = self.below(self.machines.len());
        let name = (!self.once_in(5)).then(|| format!("e{}", self.requests.len()));
        (machine, name, self.below(INPUTS.len()))
    }

    fn start(&mut self) {
        let request = self.request();
        self.requests.push(request.clone());
        self.send_start(request);
    }

    fn send_start(&mut self, (machine, name, input): (usize, Option<String>, usize)) {
        let arn = self.machines[machine].arn.clone();
        self.ask(start(self.handle(), arn, machine, name, input));
    }

    /// The same again, or the same name with another input.
    fn start_again(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let at = self.below(self.requests.len());
        let (machine, name, mut input) = self.requests[at].clone();
        if self.once_in(3) {
            input = (input + 1) % INPUTS.len();
        }
        self.send_start((machine, name, input));
    }

    fn start_sync(&mut self) {
        let Some(machine) = self.machines.iter().find(|machine| machine.kind == Kind::Express) else { return };
        let (handle, arn) = (self.handle(), machine.arn.clone());
        let ask = Box::pin(async move { Told::Ended(handle.start_sync(&arn, None, payload(INPUTS[0]), None).await) });
        self.live.asking.push(Asking { ask, waits: Waits::End });
    }

    fn flood(&mut self) {
        let Some(machine) = self.machines.iter().position(|machine| machine.arn.ends_with(":p")) else { return };
        for number in 0..FLOOD {
            self.send_start((machine, Some(format!("flood-{number}")), 0));
        }
        // They are in the inbox before the shard looks at any.
        self.hear();
    }

    /// One that is durable and of this kind.
    fn any_execution(&mut self, is_it: impl Fn(&Audited) -> bool) -> Option<ExecutionId> {
        let found = self.auditor.all(|id, audited| is_it(audited).then_some(id));
        let found: Vec<ExecutionId> = found.into_iter().flatten().collect();
        if found.is_empty() { None } else { Some(found[self.below(found.len())]) }
    }

    fn stop(&mut self) {
        let id = self.any_execution(|audited| {
            audited.row.as_ref().is_some_and(|row| !row.is_express && (row.status == ExecutionStatus::Running))
        });
        if let Some(id) = id {
            self.send_stop(id);
        }
    }

    fn send_stop(&mut self, id: ExecutionId) {
        let arn = self.auditor.look(id, |audited| audited.row.as_ref().map(|row| row.arn(id))).flatten();
        let (handle, arn) = (self.handle(), arn.expect("it is durable"));
        self.journal.note(|| format!("stop    {arn}"));
        self.ask(async move { Told::Stopped(id, handle.stop(&arn, Failure::named("Stopped")).await) });
    }

    fn redrive(&mut self) {
        let has_failed = |audited: &Audited| audited.row.as_ref().is_some_and(|row| row.stopped_at.is_some());
        let Some(id) = self.any_execution(has_failed) else { return };
        let handle = self.handle();
        self.ask(async move { Told::Redriven(id, handle.redrive(id).await) });
    }

    fn told(&mut self, told: Told, is_live: bool) {
        match told {
            Told::Started { machine, name, answer } => self.started(machine, name, answer),
            Told::Ended(Ok(_)) | Told::Updated => {}
            Told::Ended(Err(_)) => self.report.refused += 1,
            Told::Stopped(id, Ok(_)) => {
                // It may have been redriven in the same batch.
                let has_ended = |audited: &Audited| audited.history.iter().any(|event| event.kind.is_terminal());
                let has_ended = self.auditor.look(id, has_ended);
                assert!(has_ended.unwrap_or(true), "invariant 2: told that {id:?} is stopped, and it runs");
            }
            Told::Redriven(id, Ok(_)) => {
                self.report.redrives += 1;
                let is_redriven =
                    self.auditor.look(id, |audited| audited.row.as_ref().is_some_and(|row| row.redrive_count > 0));
                assert_eq!(is_redriven, Some(true), "invariant 2: told that {id:?} was redriven, and it was not");
            }
            Told::Stopped(_, Err(_)) | Told::Redriven(_, Err(_)) => self.report.refused += 1,
            Told::Answered { holder, settles, answer } => self.answered(holder, settles, answer),
            Told::Forged(answer) => assert!(answer.is_err(), "a token that nobody was given was taken"),
            Told::Polled(Ok(Some(taken))) => self.taken(taken, is_live),
            Told::Polled(_) => {}
            // The process that waited for these is not the one that runs.
            Told::Nested { .. } | Told::Given(..) if !is_live => {}
            Told::Nested { task, completion, is_awaited, answer } => self.nested(task, completion, is_awaited, answer),
            Told::Given(order, items, true) => self.reads.push_back((order, items)),
            Told::Given(_, items, false) => items.end(Vec::new()),
        }
    }

    /// INVARIANT 2: what anybody is told is durable.
    fn started(&mut self, machine: usize, name: Option<String>, answer: Result<Started, StartError>) {
        let is_express = self.machines[machine].kind == Kind::Express;
        match answer {
            Ok(_) if is_express => self.report.acknowledged += 1,
            Ok(started) => {
                self.report.acknowledged += 1;
                let own = |name: &str| started.execution_arn.ends_with(&format!(":{name}"));
                assert!(name.is_none_or(|name| own(&name)), "told of another execution");
                let at = self
                    .auditor
                    .of_arn(&started.execution_arn, |audited| audited.row.as_ref().map(|row| row.started_at));
                assert_eq!(
                    at.flatten(),
                    Some(started.started_at),
                    "invariant 2: the start of {} was acknowledged",
                    started.execution_arn
                );
            }
            Err(StartError::AlreadyExists { execution_arn }) => {
                self.report.refused += 1;
                let is_known = self.auditor.is_known(&execution_arn);
                assert!(is_known, "invariant 2: told of an execution that is not durable: {execution_arn}");
            }
            Err(_) => self.report.refused += 1,
        }
    }

    // Tasks.

    fn begin(&mut self, task: Task, completion: Completion) {
        let (id, attempt) = attempt_of(&completion);
        if let Some(token) = &task.token
            && task.resource.pattern() == Pattern::Callback
        {
            self.holders.push(Holder { token: token.clone(), id, task: attempt, is_used: false });
        }
        // A function has its effect at once, or just before it answers.
        let has_effect = self.once_in(2);
        if has_effect {
            self.ledger.effect(id, &task.state);
        }
        self.running.push(Running { task, completion, has_effect });
    }

    fn outcome(&mut self, at: usize) {
        // It takes long.
        if !self.is_draining && self.once_in(6) {
            return;
        }
        let Running { task, completion, has_effect } = self.running.remove(at);
        if task.resource.call() == Some(("states", "startExecution")) {
            return self.start_nested(task, completion);
        }
        let is_bad = !self.is_draining && self.once_in(5);
        // The effect of a bad one may be there all the same.
        let (id, attempt) = attempt_of(&completion);
        if !has_effect && (!is_bad || self.once_in(2)) {
            self.ledger.effect(id, &task.state);
        }
        match self.chance.below(3) {
            0 if is_bad => drop(completion),
            drawn if is_bad => {
                let failure = Failure::named(if drawn == 1 { "E" } else { "Other" });
                self.remember(id, attempt, Outcome::Done(Err(failure.clone())));
                completion.fail(failure);
            }
            _ => {
                let output = payload(&format!(r#"{{"by":"{}"}}"#, task.id));
                match task.resource.pattern() {
                    Pattern::RequestResponse => {
                        self.remember(id, attempt, Outcome::Done(Ok(output.clone())));
                        completion.succeed(output);
                    }
                    _ => completion.submit(output, None),
                }
            }
        }
    }

    fn remember(&mut self, id: ExecutionId, task: TaskId, outcome: Outcome) {
        // Executions that write nothing have ids of a shard that outcomes are not repeated to.
        if self.auditor.look(id, |_| ()).is_some() {
            self.told.push((id, task, outcome));
        }
    }

    /// An outcome comes again, as it was or as another.
    fn repeat(&mut self) {
        if self.told.is_empty() {
            return;
        }
        let at = self.below(self.told.len());
        let (id, task, mut outcome) = self.told[at].clone();
        if self.once_in(2) {
            outcome = Outcome::Done(Ok(payload(r#"{"by":"nobody"}"#)));
        }
        self.journal.note(|| format!("repeat  {task:?} of {id:?}"));
        self.live.assembly.tell_outcome(id, task, outcome);
    }

    /// As the composition root does it: the name belongs to the attempt.
    fn start_nested(&mut self, task: Task, completion: Completion) {
        let (handle, arn, name) = (self.handle(), format!("{PREFIX}stateMachine:c"), task.id.clone());
        let is_awaited = matches!(task.resource.pattern(), Pattern::Sync | Pattern::Sync2);
        let parent = completion.parent();
        self.ask(async move {
            let input = payload(INPUTS[0]);
            let answer = match is_awaited {
                true => handle.start_nested(&arn, &name, input, parent).await,
                false => handle.start(&arn, Some(&name), input, None).await,
            };
            Told::Nested { task, completion, is_awaited, answer }
        });
    }

    fn nested(&mut self, task: Task, completion: Completion, is_awaited: bool, answer: Result<Started, StartError>) {
        match answer {
            Ok(started) if is_awaited => completion.submit(payload("{}"), Some(started.execution_arn)),
            Ok(_) => completion.succeed(payload("{}")),
            // It was started before a crash, and has ended.
            Err(StartError::AlreadyExists { .. }) if !is_awaited => completion.succeed(payload("{}")),
            Err(StartError::Engine(_) | StartError::Throttled) if !self.is_draining => {
                // It asks again.
                self.running.push(Running { task, completion, has_effect: true });
            }
            Err(error) => completion.fail(Failure::named(error.to_string())),
        }
    }

    // Tokens and workers.

    fn token_answer(&mut self) -> TokenAnswer {
        match self.chance.below(6) {
            0 => TokenAnswer::Failed(Failure::named("E")),
            1 | 2 => TokenAnswer::Heartbeat,
            _ => TokenAnswer::Succeeded(payload(r#"{"by":"token"}"#)),
        }
    }

    fn answer(&mut self, holder: usize, answer: TokenAnswer) {
        let (handle, token) = (self.handle(), self.holders[holder].token.clone());
        let settles = !matches!(answer, TokenAnswer::Heartbeat);
        self.ask(async move { Told::Answered { holder, settles, answer: handle.answer(&token, answer).await } });
    }

    fn answered(&mut self, holder: usize, settles: bool, answer: Result<(), TokenError>) {
        let holder = &mut self.holders[holder];
        match answer {
            Ok(()) if settles => {
                assert!(!holder.is_used, "a token worked twice: {:?} of {:?}", holder.task, holder.id);
                holder.is_used = true;
                self.auditor.answered(holder.id, holder.task);
            }
            Err(TokenError::Invalid) => {
                let is_there = self.auditor.look(holder.id, |_| ()).is_some();
                assert!(!is_there, "a good token is called none: {:?} of {:?}", holder.task, holder.id);
            }
            _ => {}
        }
    }

    fn forge(&mut self) {
        if self.holders.is_empty() {
            return;
        }
        let at = self.below(self.holders.len());
        let token = Token::decode(&self.holders[at].token).expect("a token that was given is one");
        let forged = Token { secret: token.secret ^ 1, ..token }.encode();
        let handle = self.handle();
        self.ask(async move { Told::Forged(handle.answer(&forged, TokenAnswer::Succeeded(payload("{}"))).await) });
    }

    fn poll(&mut self, activity: usize) {
        let (handle, arn) = (self.handle(), format!("{PREFIX}activity:{}", ACTIVITIES[activity]));
        // Nobody's patience ends by itself here: see `hang`.
        let patience = Duration::from_secs(24 * 3600);
        let ask = Box::pin(async move { Told::Polled(handle.poll_activity(&arn, None, patience).await) });
        self.live.asking.push(Asking { ask, waits: Waits::Task });
        self.hear();
    }

    /// A worker that waits goes away.
    fn hang(&mut self) {
        if let Some(at) = self.live.asking.iter().position(|asking| asking.waits == Waits::Task) {
            drop(self.live.asking.remove(at));
        }
    }

    fn taken(&mut self, taken: Taken, is_live: bool) {
        let token = Token::decode(&taken.token).expect("a token that was given is one");
        let id = ExecutionId(token.execution);
        if is_live {
            self.auditor.taken_by_worker(id, token.task);
        }
        self.holders.push(Holder { token: taken.token, id, task: token.task, is_used: false });
    }

    // Map Runs.

    fn objects(&mut self) {
        if let Some((order, items)) = self.reads.pop_front() {
            return self.read(order, items);
        }
        let Some((order, written)) = self.writes.pop_front() else { return };
        match self.is_draining || !self.once_in(5) {
            true => written.succeed(payload(&format!(r#"{{"written":"{}"}}"#, order.arn))),
            false => written.fail(Failure::named("States.ResultWriterFailed")),
        }
    }

    fn read(&mut self, order: ReadItems, items: Items) {
        let some: Vec<Payload> = (0..self.below(4)).map(|n| payload(&n.to_string())).collect();
        match self.chance.below(8) {
            0 if !self.is_draining => items.fail(Failure::named("E")),
            1 | 2 if !self.is_draining => self.ask(async move {
                let is_wanted = items.give(some).await;
                Told::Given(order, items, is_wanted)
            }),
            _ => items.end(some),
        }
    }

    fn update_run(&mut self) {
        let Some(id) = self.any_execution(has_run) else { return };
        let reader = self.reader();
        let runs: Vec<MapRunRow> = reader.map_runs(id).expect("Map Runs can be read");
        if runs.is_empty() {
            return;
        }
        let run = &runs[self.below(runs.len())];
        let (key, _) = reader.map_run(&run.plan.arn).expect("Map Runs can be read").expect("it is found by its ARN");
        let update = MapRunUpdate {
            max_concurrency: Some(self.chance.below(5)),
            tolerated_failure_count: self.once_in(2).then(|| self.chance.below(3)),
            tolerated_failure_percentage: None,
        };
        let handle = self.handle();
        self.ask(async move {
            drop(handle.update_map_run(key, update).await);
            Told::Updated
        });
    }

    // Machines.

    fn update(&mut self) {
        let machine = self.below(self.machines.len());
        let Machine { arn, kind } = &self.machines[machine];
        if arn.ends_with(":travel") {
            return;
        }
        let definition = grammar::definition(*kind, &mut self.chance);
        self.journal.note(|| format!("update  {arn}: {definition}"));
        let update = Update { definition: Some(definition), publish: Some(String::new()), ..Update::default() };
        // It may be on its way out.
        drop(self.handle().machines().update(arn, update, self.clock.latest()));
    }

    /// Its executions end at their next transition; another of its name may come.
    fn delete(&mut self) {
        let at = self.below(self.machines.len());
        if self.machines[at].kind != Kind::Standard || self.machines[at].arn.ends_with(":travel") {
            return;
        }
        let arn = self.machines[at].arn.clone();
        self.journal.note(|| format!("delete  {arn}"));
        // The disk may have failed.
        drop(self.handle().delete_machine(&arn));
    }

    fn next_timer(&self) -> Option<Timestamp> {
        (0..self.live.assembly.shards()).filter_map(|shard| self.live.assembly.core(shard).next_timer()).min()
    }

    /// False if there is none.
    fn wait_for_timer(&mut self) -> bool {
        let Some(at) = self.next_timer() else { return false };
        let wall = engine::Time::wall(&*self.clock);
        self.clock.pass(u64::try_from(at.0 - wall.0).unwrap_or(0));
        true
    }

    // The end.

    /// Faults stop: everything is answered and time passes until nothing is left to happen.
    fn drain(&mut self) {
        self.journal.note(|| "-- the faults are over".into());
        self.end_zombie();
        self.disk.heal();
        self.is_draining = true;
        // First nobody answers tokens: only what waits for one may still run.
        self.settle(false);
        self.check_waiting(|_, wait, is_activity| is_activity || wait.secret.is_some());
        self.settle(true);
        // A worker that took a task and was never told of it is like one that died.
        let holders: BTreeSet<(ExecutionId, TaskId)> =
            self.holders.iter().map(|holder| (holder.id, holder.task)).collect();
        self.check_waiting(|attempt, wait, is_activity| {
            is_activity && !holders.contains(&attempt) && !matches!(wait.phase, Phase::Scheduled(_))
        });
        let left = self.auditor.all(|id, audited| is_running(audited).then_some(id));
        left.into_iter().flatten().for_each(|id| self.send_stop(id));
        self.settle(true);
    }

    fn settle(&mut self, with_tokens: bool) {
        let begun = self.clock.latest();
        for _ in 0..DRAIN_TURNS {
            self.turn();
            let mut did = false;
            while self.disk.arrive(Fate::Durable) {
                self.turn();
                did = true;
            }
            while !self.running.is_empty() {
                self.outcome(0);
                did = true;
            }
            while !self.reads.is_empty() || !self.writes.is_empty() {
                self.objects();
                did = true;
            }
            if with_tokens {
                did |= self.answer_all();
            }
            did |= self.live.asking.iter().any(|asking| asking.waits == Waits::Answer);
            if did || !self.is_quiet() {
                continue;
            }
            // What a shard has to itself, such as the word that its store has failed, comes with its next turns.
            let process = self.live.number;
            self.turn();
            self.turn();
            // Another process has found what nobody has asked it for yet.
            if !self.is_quiet() || self.live.number != process {
                continue;
            }
            self.check_timers();
            if !self.wait_for_timer() {
                let spent = self.clock.latest().0 - begun.0;
                assert!(spent < DRAIN_MS, "liveness: it took {spent} ms");
                return;
            }
        }
        panic!("liveness: it does not end");
    }

    /// Nothing is on its way, and nobody has anything to do.
    fn is_quiet(&self) -> bool {
        let mut shards = 0..self.live.assembly.shards();
        self.disk.queued() == 0
            && self.running.is_empty()
            && self.reads.is_empty()
            && self.writes.is_empty()
            && !shards.any(|shard| self.live.assembly.core(shard).has_work())
    }

    /// Every timer in a snapshot is one that a shard knows of.
    fn check_timers(&self) {
        let due = self.auditor.all(|id, audited| {
            let execution = audited.execution.as_ref().filter(|_| is_running(audited))?;
            execution.timers().into_iter().map(|(timer, at)| (at, id, timer)).min()
        });
        if let Some((at, id, timer)) = due.into_iter().flatten().min() {
            let known = self.next_timer();
            assert!(known.is_some_and(|known| known <= at), "invariant 5: {timer:?} of {id:?} was forgotten");
        }
    }

    /// Workers ask for what there is, and whoever has a token answers once more.
    fn answer_all(&mut self) -> bool {
        let mut did = false;
        let (waiting, _) = self.handle().activities().waiting();
        for _ in 0..waiting {
            (0..ACTIVITIES.len()).for_each(|at| self.poll(at));
            did = true;
        }
        for at in 0..self.holders.len() {
            let Holder { id, task, is_used, .. } = self.holders[at];
            let is_open = |audited: &Audited| {
                let tasks = audited.execution.iter().flat_map(|execution| execution.tasks());
                tasks.into_iter().any(|(open, _, wait)| open == task && !matches!(wait.phase, Phase::Answered { .. }))
            };
            if !is_used && self.auditor.look(id, is_open) == Some(true) {
                self.answer(at, TokenAnswer::Succeeded(payload(r#"{"by":"token"}"#)));
                did = true;
            }
        }
        did
    }

    /// Only what waits like this still runs, and what waits for that.
    fn check_waiting(&self, may_wait: impl Fn((ExecutionId, TaskId), &interpreter::TaskWait, bool) -> bool) {
        let mut excused = BTreeSet::new();
        let mut open = Vec::new();
        self.auditor.all(|id, audited| {
            if !is_running(audited) {
                return;
            }
            let row = audited.row.as_ref().expect("it is durable");
            open.push((id, row.parent.clone()));
            let execution = audited.execution.as_ref().expect("it is durable");
            for frame in &execution.frames {
                let Wait::Task(wait) = &frame.wait else { continue };
                let task = TaskId { frame: frame.id, attempt: wait.attempt };
                // An activity's attempt has a secret from the beginning, and a nested execution's has a child.
                let is_activity = wait.secret.is_some() && self.is_activity(row, frame.state);
                if !wait.has_child() && wait.timeout_at.is_none() && may_wait((id, task), wait, is_activity) {
                    excused.insert(id);
                }
            }
        });
        loop {
            let parents = open.iter().filter(|(id, _)| excused.contains(id)).filter_map(|(_, parent)| match parent {
                Some(Parent::Task { execution, .. } | Parent::MapRun { execution, .. }) => Some(*execution),
                None => None,
            });
            let parents: Vec<_> = parents.filter(|parent| !excused.contains(parent)).collect();
            if parents.is_empty() {
                break;
            }
            excused.extend(parents);
        }
        for (id, _) in open {
            let shown = self.auditor.look(id, |audited| format!("{:?} {:?}", audited.row, audited.execution));
            assert!(excused.contains(&id), "liveness: {id:?} waits for nothing that anybody could do: {shown:?}");
        }
    }

    fn is_activity(&self, row: &engine::Row, state: asl::definition::StateId) -> bool {
        let revision = self.reader().revision(row).expect("a revision can be read");
        let definition = revision.definition().expect("a definition can be parsed");
        match &definition.state(state).kind {
            asl::definition::Kind::Task(task) => matches!(task.resource, asl::definition::Resource::Activity { .. }),
            _ => false,
        }
    }

    /// What must hold when everything is over.
    fn finish(&mut self) -> Report {
        for shard in 0..self.live.assembly.shards() {
            let gauges = self.live.assembly.core(shard).gauges();
            assert_eq!(gauges, Default::default(), "liveness: something is left over in shard {shard}");
        }
        let left = self.live.asking.iter().filter(|asking| asking.waits != Waits::Task).count();
        assert_eq!(left, 0, "liveness: callers that nobody answers");
        let mut parents = BTreeSet::new();
        let (mut ends, mut sagas) = (BTreeMap::new(), BTreeMap::new());
        self.auditor.all(|id, audited| {
            let row = audited.row.as_ref().expect("it has a row");
            assert!(!is_running(audited), "liveness: {} still runs", row.arn(id));
            *ends.entry(row.status.name()).or_insert(0) += 1;
            // An Express execution of a Map Run is started anew when the run is redriven.
            if let Some(parent) = row.parent.as_ref().filter(|_| !row.is_express) {
                assert!(parents.insert(format!("{parent:?}")), "two executions for {parent:?}");
            }
            if row.machine_arn.ends_with(":travel") {
                *sagas.entry(self.ledger.check(id, &row.arn(id), &audited.history)).or_insert(0) += 1;
            }
        });
        let reader = self.reader();
        // One that is being swept has lost its name first, and then its runs, some at a time.
        let is_kept = |id, row: &engine::Row| reader.find(&row.arn(id)).expect("a name can be read") == Some(id);
        let kept = |id, audited: &Audited| {
            (has_run(audited) && audited.row.as_ref().is_some_and(|row| is_kept(id, row))).then_some(id)
        };
        for id in self.auditor.all(kept).into_iter().flatten() {
            reader.map_runs(id).expect("Map Runs can be read").iter().for_each(|run| check_run(&reader, run));
        }
        (self.report.ends, self.report.sagas) = (ends, sagas);
        self.report.audited = self.auditor.counts();
        self.journal.note(|| format!("seed {}: {:?}", self.seed, self.report));
        self.report.clone()
    }
}

async fn start(handle: Handle, arn: String, machine: usize, name: Option<String>, input: usize) -> Told {
    let answer = handle.start(&arn, name.as_deref(), payload(INPUTS[input]), None).await;
    Told::Started { machine, name, answer }
}

/// Everybody who waits looks whether there is an answer.
fn listen(asking: &mut Vec<Asking>, runtime: &tokio::runtime::Runtime) -> Vec<Told> {
    let _entered = runtime.enter();
    let mut context = Context::from_waker(Waker::noop());
    let mut told = Vec::new();
    asking.retain_mut(|asking| match asking.ask.as_mut().poll(&mut context) {
        Poll::Ready(answer) => {
            told.push(answer);
            false
        }
        Poll::Pending => true,
    });
    told
}

fn attempt_of(completion: &Completion) -> (ExecutionId, TaskId) {
    match completion.parent() {
        Parent::Task { execution, task } => (execution, task),
        Parent::MapRun { .. } => unreachable!("a task has a task's parent"),
    }
}

fn is_running(audited: &Audited) -> bool {
    audited.execution.as_ref().is_some_and(|execution| execution.status == Status::Running)
}

fn has_run(audited: &Audited) -> bool {
    audited.history.iter().any(|event| matches!(event.kind, interpreter::EventKind::MapRunStarted { .. }))
}

/// A Map Run has counted each of its executions once, and is over.
fn check_run(reader: &Reader, run: &MapRunRow) {
    let found = reader.map_run(&run.plan.arn).expect("Map Runs can be read");
    let (key, _) = found.expect("a Map Run is found by its ARN");
    let (children, _) = reader.map_run_executions(key, None, 0, usize::MAX).expect("its executions can be read");
    let counts = run.executions;
    for (status, count) in [
        (ExecutionStatus::Succeeded, counts.succeeded),
        (ExecutionStatus::Failed, counts.failed),
        (ExecutionStatus::Aborted, counts.aborted),
        (ExecutionStatus::TimedOut, counts.timed_out),
        (ExecutionStatus::Running, counts.running),
    ] {
        let found = children.iter().filter(|child| child.row.status == status).count() as u64;
        assert_eq!(found, count, "{status:?} in {run:?}");
    }
    assert!(run.status != MapRunStatus::Running && run.stopped_at.is_some(), "{run:?}");
    let items = run.items;
    let counted = items.succeeded + items.failed + items.aborted + items.timed_out;
    assert_eq!((counted + items.pending(), items.running), (items.total, 0), "{run:?}");
    assert!(run.status != MapRunStatus::Succeeded || counted == items.total, "{run:?}");
}

/// The travel example's machine.
fn travel() -> String {
    include_str!("../../../examples/travel/saga.asl.json").replace("${", "").replace("Function}", "")
}

fn payload(text: &str) -> Payload {
    Payload::parse(text).expect("the simulator writes JSON")
}

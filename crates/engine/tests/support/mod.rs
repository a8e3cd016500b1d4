//! What the tests of the engine share: the travel machine, and a shard without thread or clock whose store,
//! runner and callers are lists.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::core::{Act, Core, Limits, Start, StartReply};
use engine::{
    Created, Errand, ExecutionId, ExecutionStatus, Machine, Machines, MapRunRow, MapRunStatus, NewMachine, Outcome,
    ReadItems, Reader, StartError, StopError, WriteResults,
};
use interpreter::{EventKind, Failure, HistoryEvent, Payload, RunTask, TaskId, Timestamp};
use store::testing::Chance;
use store::{Order, ShardId, Space, Store, commit_and_wait, prefix_end};

/// When every test begins: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

pub const ARN: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:";
pub const FUNCTION: &str = r#""Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f""#;

pub fn new_machine(name: &str, definition: &str) -> NewMachine {
    if let Err(diagnostics) = asl::parse(definition) {
        panic!("{definition}: {diagnostics:?}");
    }
    NewMachine {
        arn: format!("{ARN}{name}"),
        name: name.to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/r".to_owned(),
        definition: definition.to_owned(),
        tags: BTreeMap::new(),
        settings: serde_json::Map::new(),
    }
}

/// The travel example's machine.
pub fn travel() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/travel/saga.asl.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.replace("${", "").replace("Function}", "")
}

/// A machine of states, of which the first is A.
pub fn machine(states: &str) -> String {
    format!(r#"{{"StartAt":"A","States":{{{states}}}}}"#)
}

pub fn payload(text: &str) -> Payload {
    Payload::parse(text).unwrap()
}

/// An execution, and one of its attempts.
pub type Attempt = (Arc<str>, TaskId);

/// A shard under a virtual clock. Dropping it is a crash: only the store remains.
pub struct Bench {
    pub store: Arc<dyn Store>,
    pub machines: Arc<Machines>,
    pub reader: Reader,
    pub core: Core,
    pub now: Timestamp,
    term: u64,
    /// Handed over and not answered.
    pub running: VecDeque<(ExecutionId, Arc<str>, RunTask)>,
    /// Every attempt that was ever handed over, by execution.
    pub handed: Arc<Mutex<BTreeSet<Attempt>>>,
    /// Tasks of activities that nobody has taken.
    pub offered: VecDeque<(ExecutionId, TaskId)>,
    /// Items that were asked for, and results that are to be written.
    pub reads: VecDeque<(Errand, ReadItems)>,
    pub writes: VecDeque<(Errand, WriteResults)>,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
}

/// When the process of a test dies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crash {
    /// The batch is lost with everything in memory.
    Before(usize),
    /// The batch is durable, and nobody was told.
    After(usize),
    /// At each commit, once in so many times, on either side.
    Often(u64),
}

impl Crash {
    /// Before this commit, or after it?
    pub fn sides(self, commits: usize, chance: &mut Chance) -> (bool, bool) {
        match self {
            Crash::Before(at) => (at == commits, false),
            Crash::After(at) => (false, at == commits),
            Crash::Often(share) => (chance.below(share) == 0, chance.below(share) == 0),
        }
    }
}

#[derive(Clone, Debug)]
pub enum Answer {
    Started(Result<StartReply, StartError>),
    Stopped(Result<Timestamp, StopError>),
}

impl Bench {
    pub fn open(store: Arc<dyn Store>, now: Timestamp, running_tasks_max: usize) -> Bench {
        Bench::open_term(store, now, running_tasks_max, 7)
    }

    /// Chance is another in every term, so that no made-up name comes twice.
    fn open_term(store: Arc<dyn Store>, now: Timestamp, running_tasks_max: usize, term: u64) -> Bench {
        Bench::open_with(store, now, running_tasks_max, 1000, term)
    }

    /// With room for so many open executions.
    pub fn with_room(store: Arc<dyn Store>, now: Timestamp, running_tasks_max: usize, room: usize) -> Bench {
        Bench::open_with(store, now, running_tasks_max, room, 7)
    }

    fn open_with(
        store: Arc<dyn Store>,
        now: Timestamp,
        running_tasks_max: usize,
        open_executions_max: usize,
        term: u64,
    ) -> Bench {
        let machines = Arc::new(Machines::open(store.clone()).unwrap());
        let limits = Limits {
            running_tasks_max,
            open_executions_max,
            shards: 1,
            is_volatile: false,
            retention_ms: engine::limits::RETENTION_MS,
        };
        let core = Core::recover(ShardId(0), store.clone(), machines.clone(), limits, now, term).unwrap();
        Bench {
            reader: Reader::new(store.clone(), machines.clone()),
            store,
            machines,
            core,
            now,
            term,
            running: VecDeque::new(),
            handed: Arc::default(),
            offered: VecDeque::new(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            answers: Arc::default(),
        }
    }

    /// What the next process finds: the same store, and the list of what was ever handed over.
    pub fn crash(self, running_tasks_max: usize) -> Bench {
        let (store, now, term, handed) = (self.store.clone(), self.now, self.term + 1, self.handed.clone());
        drop(self);
        Bench { handed, ..Bench::open_term(store, now, running_tasks_max, term) }
    }

    pub fn create(&self, name: &str, definition: &str) -> Arc<Machine> {
        match self.machines.create(new_machine(name, definition), self.now).unwrap() {
            Created::New(machine) | Created::Same(machine) => machine,
            other => panic!("{other:?}"),
        }
    }

    pub fn start(&mut self, machine: &Machine, name: &str, input: &str) {
        let start = Start { name: Some(name.into()), ..Start::new(machine.revision.clone(), payload(input)) };
        let (answers, name) = (self.answers.clone(), name.to_owned());
        self.core.start(start, move |answer| drop(answers.lock().unwrap().insert(name, Answer::Started(answer))));
    }

    pub fn stop(&mut self, machine: &Machine, name: &str) {
        let (answers, key) = (self.answers.clone(), name.to_owned());
        self.core.stop(machine.number, name, Failure::named("Stopped"), move |answer| {
            drop(answers.lock().unwrap().insert(key, Answer::Stopped(answer)));
        });
    }

    /// The answer to the last request about this name, once it was given.
    pub fn answer(&self, name: &str) -> Option<Answer> {
        self.answers.lock().unwrap().remove(name)
    }

    /// The batch reaches the store and nothing more is done: what a crash after a commit leaves.
    pub fn commit(&mut self) -> Vec<Act> {
        let (batch, acts) = self.core.seal();
        if !batch.writes.is_empty() {
            commit_and_wait(&*self.store, batch).unwrap();
        }
        acts
    }

    /// One turn of the shard's loop: commit what is there, then act.
    pub fn turn(&mut self) {
        let acts = self.commit();
        self.core.committed();
        self.perform(acts);
    }

    pub fn perform(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Reply(reply) => reply(),
                Act::Run { id, execution_arn, task, .. } => {
                    let mut handed = self.handed.lock().unwrap();
                    let first = handed.insert((execution_arn.clone(), task.task));
                    let is_repeatable = task.resource.call() == Some(("states", "startExecution"));
                    assert!(
                        first || is_repeatable,
                        "an attempt is handed over once: {:?} of {execution_arn}",
                        task.task
                    );
                    let attempts = handed.iter().filter(|(arn, _)| *arn == execution_arn).count();
                    drop(handed);
                    assert!(self.starts(id) >= attempts, "a task is handed over when its start is durable");
                    self.running.push_back((id, execution_arn, task));
                }
                Act::Offer { id, task, .. } => self.offered.push_back((id, task)),
                Act::HandOver { .. } | Act::Answered(..) => {
                    unreachable!("no worker waits at this core, and none has a lane")
                }
                Act::Withdraw { id, task, .. } => self.offered.retain(|offered| *offered != (id, task)),
                Act::TellParent { execution, task, end } => drop(self.core.child_ended(execution, task, &end)),
                Act::StopChild { execution, task } => self.core.stop_child(execution, task),
                Act::ReadItems(run, order) => self.reads.push_back((run, order)),
                Act::WriteResults(run, order) => self.writes.push_back((run, order)),
                Act::Changed(_) | Act::Log(_) => {}
            }
        }
    }

    /// Turns until nothing is left to commit.
    pub fn settle(&mut self) {
        self.core.set_time(self.now);
        self.core.go_on();
        while self.core.has_work() {
            self.turn();
            self.core.go_on();
        }
    }

    /// TaskStarted events that are durable.
    fn starts(&self, id: ExecutionId) -> usize {
        let history = self.reader.history(id, None, Order::Ascending, usize::MAX).unwrap().events;
        history.iter().filter(|event| matches!(event.kind, EventKind::TaskStarted { .. })).count()
    }

    /// Answers the oldest task that is running in this state.
    pub fn answer_task(&mut self, state: &str, outcome: Result<&str, &str>) {
        let at = self.running.iter().position(|(_, _, task)| *task.state == *state);
        let at = at.unwrap_or_else(|| panic!("no task of {state} is running"));
        let (id, _, task) = self.running.remove(at).unwrap();
        self.core.outcome(id, task.task, Outcome::Done(outcome.map(payload).map_err(Failure::named)));
    }

    /// Moves the clock to the next timer.
    pub fn advance(&mut self) -> bool {
        let Some(at) = self.core.next_timer() else { return false };
        self.now = Timestamp(self.now.0.max(at.0));
        true
    }

    pub fn history(&self, machine: &Machine, name: &str) -> Vec<HistoryEvent> {
        let arn = engine::execution_arn(&machine.arn, name);
        let Some(id) = self.reader.find(&arn).unwrap() else { return Vec::new() };
        self.reader.history(id, None, Order::Ascending, usize::MAX).unwrap().events
    }

    /// Every execution there is.
    pub fn rows(&self) -> Vec<(ExecutionId, engine::Row)> {
        let rows = self.store.scan(Space::Executions, &[]..&prefix_end(&[]), Order::Ascending, usize::MAX);
        let ids = rows.unwrap().into_iter().map(|(key, _)| ExecutionId(u64::from_be_bytes(key.try_into().unwrap())));
        ids.map(|id| (id, self.reader.row(id).unwrap())).collect()
    }

    pub fn histories(&self) -> BTreeMap<ExecutionId, Vec<HistoryEvent>> {
        self.rows().into_iter().map(|(id, _)| (id, self.history_of(id))).collect()
    }

    pub fn history_of(&self, id: ExecutionId) -> Vec<HistoryEvent> {
        self.reader.history(id, None, Order::Ascending, usize::MAX).unwrap().events
    }

    /// What must hold when everything is over: every execution has ended, once for its start and once for each redrive;
    /// no two work for the same task or item; lists and Map Runs tell the same; nothing is left in memory.
    pub fn check_all(&self, what: &str) {
        let mut parents = BTreeSet::new();
        for (id, row) in self.rows() {
            let history = self.history_of(id);
            check_history(&history);
            let last = history.last().unwrap_or_else(|| panic!("{what}: {} has no history", row.name));
            assert_eq!(Some(row.status), status_of(&last.kind), "{what}: {}", row.name);
            let redrives = history.iter().filter(|event| matches!(event.kind, EventKind::ExecutionRedriven { .. }));
            assert_eq!(redrives.count() as u32, row.redrive_count, "{what}");
            // An Express execution of a Map Run is started anew when the run is redriven.
            if let Some(parent) = row.parent.as_ref().filter(|_| !row.is_express) {
                assert!(parents.insert(format!("{parent:?}")), "{what}: two executions for {parent:?}");
            }
            assert_eq!(self.listings(id), 1, "{what}: {}", row.name);
            let snapshot = [&id.0.to_be_bytes()[..], &[0xff; 4]].concat();
            let is_apart = self.store.get(Space::Records, &snapshot).unwrap().is_some();
            assert!(!is_apart || row.status != ExecutionStatus::Succeeded, "{what}: a snapshot is left over");
            self.reader.map_runs(id).unwrap().iter().for_each(|run| self.check_run(run, what));
        }
        assert!(!self.core.has_work(), "{what}");
        assert_eq!(self.core.gauges(), Default::default(), "{what}: something is left over");
    }

    /// In how many lists it stands.
    fn listings(&self, id: ExecutionId) -> usize {
        let rows = self.store.scan(Space::Listing, &[]..&prefix_end(&[]), Order::Ascending, usize::MAX).unwrap();
        rows.iter().filter(|(key, _)| key.ends_with(&id.0.to_be_bytes())).count()
    }

    /// A Map Run has counted each of its executions once, and is over.
    fn check_run(&self, run: &MapRunRow, what: &str) {
        let (key, _) = self.reader.map_run(&run.plan.arn).unwrap().expect("it is found by its ARN");
        let (children, _) = self.reader.map_run_executions(key, None, 0, usize::MAX).unwrap();
        let counts = run.executions;
        for (status, count) in [
            (ExecutionStatus::Succeeded, counts.succeeded),
            (ExecutionStatus::Failed, counts.failed),
            (ExecutionStatus::Aborted, counts.aborted),
            (ExecutionStatus::TimedOut, counts.timed_out),
            (ExecutionStatus::Running, counts.running),
        ] {
            let found = children.iter().filter(|child| child.row.status == status).count() as u64;
            assert_eq!(found, count, "{what}: {status:?} in {run:?}");
        }
        assert!(run.status != MapRunStatus::Running && run.stopped_at.is_some(), "{what}: {run:?}");
        let items = run.items;
        let counted = items.succeeded + items.failed + items.aborted + items.timed_out;
        assert_eq!((counted + items.pending(), items.running), (items.total, 0), "{what}: {run:?}");
        assert!(run.status != MapRunStatus::Succeeded || counted == items.total, "{what}: {run:?}");
    }

    /// Status by AWS's word, and output, or error and cause.
    pub fn end(&self, machine: &Machine, name: &str) -> String {
        let found = self.reader.describe(&engine::execution_arn(&machine.arn, name)).unwrap();
        let Some(found) = found else { return "none".into() };
        let failure = found.failure.unwrap_or_default();
        let rest = [found.output.as_ref().map(Payload::text), failure.error.as_deref(), failure.cause.as_deref()];
        rest.into_iter().flatten().fold(found.row.status.name().to_owned(), |text, part| format!("{text} {part}"))
    }
}

/// The states entered, in order.
pub fn entered(history: &[HistoryEvent]) -> Vec<&str> {
    history
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StateEntered { name, .. } => Some(&**name),
            _ => None,
        })
        .collect()
}

pub fn status_of(last: &EventKind) -> Option<ExecutionStatus> {
    match last {
        EventKind::ExecutionSucceeded { .. } => Some(ExecutionStatus::Succeeded),
        EventKind::ExecutionFailed(_) => Some(ExecutionStatus::Failed),
        EventKind::ExecutionAborted(_) => Some(ExecutionStatus::Aborted),
        EventKind::ExecutionTimedOut(_) => Some(ExecutionStatus::TimedOut),
        _ => None,
    }
}

pub fn check_history(history: &[HistoryEvent]) {
    for (at, event) in history.iter().enumerate() {
        assert_eq!(event.id, at as u64 + 1, "ids have no gaps");
        assert!(event.previous < event.id);
    }
    for pair in history.windows(2) {
        let is_redriven = matches!(pair[1].kind, EventKind::ExecutionRedriven { .. });
        assert_eq!(pair[0].kind.is_terminal(), is_redriven, "only a redrive follows an end: {pair:?}");
        assert!(pair[0].at <= pair[1].at, "time does not go back: {pair:?}");
    }
}

//! What must hold after every commit, from the durable image alone and from what left the engine.
//!
//! The auditor sees every input on its way into an execution ([`engine::Witness`]), every batch when it becomes durable,
//! and everything that leaves: tasks, replies, status changes. It keeps a second copy of each execution, made by
//! replaying the inputs of a batch over what was durable before. The numbers are those of ARCHITECTURE.md's invariants.
//!
//! It knows nothing of how the engine decides, only what must be true afterwards; a violation is a panic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{ExecutionId, ExecutionStatus, Fed, Parent, Revision, Row, StatusChange, Task, Witness, image};
use interpreter::{
    About, EventKind, Execution, HistoryEvent, Input, InputKind, Phase, Setting, Status, TaskId, TaskWait, Wait, step,
};
use store::{Batch, ShardId, Space, Store, Write};

use crate::clock::VirtualClock;
use crate::journal::Journal;

pub struct Auditor {
    clock: Arc<VirtualClock>,
    journal: Arc<Journal>,
    retention_ms: u64,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// The process whose inputs count: an older one cannot make anything durable any more.
    process: u32,
    shards: BTreeMap<ShardId, Term>,
    executions: BTreeMap<ExecutionId, Audited>,
    names: BTreeMap<Vec<u8>, ExecutionId>,
    arns: BTreeMap<String, ExecutionId>,
    /// Those that were old enough to go.
    gone: BTreeSet<String>,
    /// Attempts that were handed over, whatever process did it.
    handed: BTreeSet<(ExecutionId, TaskId)>,
    /// Attempts that have their outcome.
    settled: BTreeSet<(ExecutionId, TaskId)>,
    counts: Counts,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub batches: u64,
    pub records: u64,
    pub events: u64,
    pub replayed: u64,
    pub handed: u64,
    pub deleted: u64,
}

/// What a shard has been fed since its last batch.
#[derive(Default)]
struct Term {
    open: Vec<Given>,
    sealed: Vec<Given>,
    seen: BTreeSet<ExecutionId>,
}

struct Given {
    id: ExecutionId,
    input: Input,
    about: About,
    revision: Arc<Revision>,
    /// The execution as it was, when this term feeds it for the first time.
    before: Option<Execution>,
}

/// One execution as it is durable.
#[derive(Default)]
pub struct Audited {
    pub execution: Option<Execution>,
    pub row: Option<Row>,
    pub history: Vec<HistoryEvent>,
    /// Number of the next record.
    next: u32,
    listings: BTreeSet<Vec<u8>>,
}

/// Sees the inputs of one process.
pub struct Watcher {
    pub auditor: Arc<Auditor>,
    pub process: u32,
    /// The shard that writes nothing.
    pub volatile: ShardId,
}

impl Witness for Watcher {
    fn feeding(&self, of: &Fed<'_>, before: &Execution, input: &Input) {
        if of.shard != self.volatile {
            self.auditor.given(self.process, of, before, input);
        }
    }

    fn sealed(&self, shard: ShardId) {
        let mut books = self.auditor.books();
        if shard != self.volatile && books.process == self.process {
            let term = books.shards.entry(shard).or_default();
            term.sealed.append(&mut term.open);
        }
    }
}

impl Auditor {
    pub fn new(clock: Arc<VirtualClock>, journal: Arc<Journal>, retention_ms: u64) -> Auditor {
        Auditor { clock, journal, retention_ms, books: Mutex::default() }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this process owns everything.
    pub fn owner(&self, process: u32) {
        let mut books = self.books();
        books.process = process;
        books.shards.clear();
    }

    pub fn is_owner(&self, process: u32) -> bool {
        self.books().process == process
    }

    /// A term begins: what was fed and is not durable is forgotten.
    pub fn taken(&self, shard: ShardId) {
        drop(self.books().shards.remove(&shard));
    }

    fn given(&self, process: u32, of: &Fed<'_>, before: &Execution, input: &Input) {
        let mut books = self.books();
        if books.process != process {
            return;
        }
        self.journal.note(|| format!("input   {}: {:?}", of.about.execution_name, input));
        let term = books.shards.entry(of.shard).or_default();
        let is_first = term.seen.insert(of.id) || before.status == Status::Fresh;
        term.open.push(Given {
            id: of.id,
            input: input.clone(),
            about: of.about.clone(),
            revision: of.revision.clone(),
            before: is_first.then(|| before.clone()),
        });
    }

    pub fn counts(&self) -> Counts {
        self.books().counts
    }

    /// Looks at an execution as it is durable.
    pub fn look<R>(&self, id: ExecutionId, at: impl FnOnce(&Audited) -> R) -> Option<R> {
        self.books().executions.get(&id).map(at)
    }

    /// Looks at all that are durable.
    pub fn all<R>(&self, mut at: impl FnMut(ExecutionId, &Audited) -> R) -> Vec<R> {
        self.books().executions.iter().map(|(id, audited)| at(*id, audited)).collect()
    }

    pub fn of_arn<R>(&self, arn: &str, at: impl FnOnce(&Audited) -> R) -> Option<R> {
        let books = self.books();
        books.arns.get(arn).and_then(|id| books.executions.get(id)).map(at)
    }

    /// It is durable, or was until it was old enough to go.
    pub fn is_known(&self, arn: &str) -> bool {
        self.of_arn(arn, |_| ()).is_some() || self.books().gone.contains(arn)
    }

    /// A batch is in the image.
    pub fn durable(&self, store: &dyn Store, batch: &Batch) {
        let mut books = self.books();
        books.counts.batches += 1;
        let sealed =
            books.shards.get_mut(&batch.shard).map(|term| std::mem::take(&mut term.sealed)).unwrap_or_default();
        let replayed = self.replay(&mut books, sealed);
        let mut change = Change { replayed, ..Change::default() };
        for write in &batch.writes {
            self.written(&mut books, store, write, &mut change);
        }
        let Change { replayed, touched, mut snapshots } = change;
        for (id, replay) in replayed {
            match snapshots.remove(&id) {
                Some(snapshot) if replay.accepted > 0 => self.settle(&mut books, id, replay, snapshot),
                Some(_) => panic!("invariant 7: a record of {id:?} was written without an input"),
                // An Express execution that has ended leaves nothing.
                None => assert!(
                    replay.accepted == 0 || replay.is_express && replay.execution.status.is_terminal(),
                    "invariant 3: {} inputs of {id:?} are in no record",
                    replay.accepted
                ),
            }
        }
        assert!(snapshots.is_empty(), "invariant 7: written without an input: {:?}", snapshots.keys());
        touched.iter().for_each(|id| self.consistent(&books, *id));
    }

    /// Feeds the inputs of a batch to what was durable before.
    fn replay(&self, books: &mut Books, sealed: Vec<Given>) -> BTreeMap<ExecutionId, Replay> {
        let mut replayed: BTreeMap<ExecutionId, Replay> = BTreeMap::new();
        for given in sealed {
            let known = books.executions.get(&given.id).and_then(|audited| audited.execution.as_ref());
            let replay = replayed.entry(given.id).or_insert_with(|| {
                let before = given.before.as_ref();
                if let (Some(known), Some(before)) = (known, before) {
                    assert_eq!(known, before, "invariant 5: {:?} was loaded as another than it is durable", given.id);
                }
                let execution = known.or(before).expect("an execution that is fed was started or loaded").clone();
                Replay {
                    execution,
                    events: Vec::new(),
                    accepted: 0,
                    is_express: given.about.is_express,
                    settled: Vec::new(),
                }
            });
            books.counts.replayed += 1;
            let definition = given.revision.definition().expect("what runs can be parsed");
            let outcome_of = settles(&given.input.kind);
            let was_open = outcome_of.is_none_or(|task| open_task(&replay.execution, task).is_some());
            let setting = Setting::new(definition, &given.about);
            if let Ok(transition) = step(&setting, &mut replay.execution, &given.input) {
                assert!(was_open, "invariant 5: nobody waits for {outcome_of:?} of {:?}, and it was taken", given.id);
                replay.accepted += 1;
                replay.events.extend(transition.history);
                // An answer that was faster than the call is kept until that has its own.
                replay.settled.extend(outcome_of.filter(|task| open_task(&replay.execution, *task).is_none()));
            }
        }
        for (id, replay) in &replayed {
            for task in &replay.settled {
                assert!(books.settled.insert((*id, *task)), "invariant 5: {task:?} of {id:?} has two outcomes");
            }
        }
        replayed
    }

    /// One write of a batch.
    fn written(&self, books: &mut Books, store: &dyn Store, write: &Write, change: &mut Change) {
        match write {
            Write::Put { space: Space::Executions, key, value } => {
                let id = id_of(key);
                let row = image::decode_row(value).expect("a row that was written can be read");
                let audited = books.executions.entry(id).or_default();
                if let Some(before) = &audited.row {
                    same_identity(before, &row);
                }
                books.arns.insert(row.arn(id), id);
                audited.row = Some(row);
                change.touched.insert(id);
            }
            Write::Put { space: Space::Names, key, value } => {
                let before = books.names.insert(key.clone(), id_of(value));
                assert!(before.is_none(), "a name that was taken was given again");
            }
            Write::Put { space: Space::Listing, key, .. } => {
                let id = image::listing_id(key).expect("a list entry ends with an id");
                books.executions.entry(id).or_default().listings.insert(key.clone());
                change.touched.insert(id);
            }
            Write::Put { space: Space::Records, key, value } => {
                let id = id_of(&key[..8]);
                change.touched.insert(id);
                if *key == image::snapshot(id) {
                    let snapshot = image::decode_snapshot(value).expect("a snapshot that was written can be read");
                    assert!(snapshot.is_some(), "a snapshot apart is one");
                    change.snapshots.insert(id, snapshot);
                    return;
                }
                let number = image::record_seq(key).expect("a record's key has its number");
                let record = image::decode_record(store, id, number, value);
                let (events, snapshot) = record.expect("a record that was written can be read");
                change.snapshots.entry(id).or_insert(snapshot);
                let audited = books.executions.entry(id).or_default();
                assert_eq!(number, audited.next, "invariant 4: records follow each other");
                audited.next += 1;
                let replay = change.replayed.get(&id);
                assert_eq!(
                    replay.map(|it| &it.events),
                    Some(&events),
                    "invariant 7: the events of {id:?} follow from its inputs"
                );
                history_goes_on(&audited.history, &events);
                self.journal.note(|| format!("events  {id:?}: {events:?}"));
                books.counts.records += 1;
                books.counts.events += events.len() as u64;
                audited.history.extend(events);
            }
            Write::Put { .. } => {}
            Write::Delete { space, key } => self.deleted(books, *space, key, &mut change.touched),
        }
    }

    /// Only what is old enough, an Express execution, or what is written elsewhere at the same moment goes.
    fn deleted(&self, books: &mut Books, space: Space, key: &[u8], touched: &mut BTreeSet<ExecutionId>) {
        books.counts.deleted += 1;
        match space {
            Space::Listing => {
                let id = image::listing_id(key).expect("a list entry ends with an id");
                let audited = books.executions.entry(id).or_default();
                audited.listings.remove(key);
                touched.insert(id);
            }
            Space::Names => {
                let id = books.names.remove(key);
                let id = id.expect("a name that was deleted was there");
                assert!(self.may_go(&books.executions[&id]), "an execution has lost its name: {id:?}");
            }
            Space::Executions => {
                let id = id_of(key);
                let gone = books.executions.remove(&id);
                let gone = gone.filter(|gone| self.may_go(gone)).and_then(|gone| gone.row);
                let row = gone.unwrap_or_else(|| panic!("an execution was lost: {id:?}"));
                books.gone.insert(row.arn(id));
                // After a restart with a clock that was set back its id may be another's.
                books.handed.retain(|(of, _)| *of != id);
                books.settled.retain(|(of, _)| *of != id);
                touched.remove(&id);
            }
            Space::Records if *key == *image::snapshot(id_of(&key[..8])) => {}
            Space::Records => {
                let id = id_of(&key[..8]);
                // Deletes of one that is gone already, in the same batch, are no loss.
                if let Some(audited) = books.executions.get(&id) {
                    assert!(self.may_go(audited), "invariant 4: events of {id:?} were deleted");
                }
            }
            _ => {}
        }
    }

    fn may_go(&self, audited: &Audited) -> bool {
        let Some(row) = &audited.row else { return false };
        let is_express = row.is_express && row.parent.is_none();
        let kept_from = self.clock.latest().0 - i64::try_from(self.retention_ms).unwrap_or(i64::MAX);
        is_express || row.stopped_at.is_some_and(|at| at.0 < kept_from)
    }

    /// An execution after a batch: its record holds what its inputs made of it.
    fn settle(&self, books: &mut Books, id: ExecutionId, replay: Replay, written: Option<Execution>) {
        let execution = replay.execution;
        let is_kept = !execution.status.is_terminal() || !execution.unfinished.is_empty();
        match written {
            Some(written) => {
                assert_eq!(written, execution, "invariant 7: the snapshot of {id:?} follows from its inputs")
            }
            None => assert!(!is_kept, "invariant 3: a record of {id:?} came without its snapshot"),
        }
        let audited = books.executions.get_mut(&id).expect("it has a record");
        assert_eq!(execution.last_event, audited.history.len() as u64, "invariant 4: no event of {id:?} is missing");
        audited.execution = Some(execution);
    }

    /// Row, list, history and snapshot of one execution tell the same.
    fn consistent(&self, books: &Books, id: ExecutionId) {
        let Some(audited) = books.executions.get(&id) else { return };
        if self.may_go(audited) && audited.listings.is_empty() {
            return;
        }
        let row = audited.row.as_ref().unwrap_or_else(|| panic!("{id:?} has no row"));
        let execution = audited.execution.as_ref().unwrap_or_else(|| panic!("{id:?} has no record"));
        assert_eq!(row.status, ExecutionStatus::from(&execution.status), "the row of {id:?} tells its status");
        let end = audited.history.last().and_then(|event| status_of(&event.kind));
        assert_eq!(end.unwrap_or(ExecutionStatus::Running), row.status, "invariant 4: {id:?} ends with its last event");
        assert_eq!(row.stopped_at.is_some(), end.is_some(), "what has ended has an end: {id:?}");
        assert_eq!(row.redrive_count, execution.redrive_count, "{id:?}");
        let codes: Vec<u8> = audited.listings.iter().map(|key| key[4]).collect();
        assert_eq!(codes, [code_of(row.status)], "{id:?} stands in one list, that of its status");
    }

    /// A task leaves the engine.
    pub fn handed(&self, task: &Task, parent: &Parent) {
        let Parent::Task { execution: id, task: attempt } = *parent else { unreachable!("a task has a task's parent") };
        let mut books = self.books();
        books.counts.handed += 1;
        let is_repeatable = task.resource.call() == Some(("states", "startExecution"));
        let is_first = books.handed.insert((id, attempt));
        assert!(is_first || is_repeatable, "invariant 6: {} was handed over twice", task.id);
        let audited =
            books.executions.get(&id).unwrap_or_else(|| panic!("invariant 6: {} is of nothing durable", task.id));
        let wait = audited.execution.as_ref().and_then(|execution| open_task(execution, attempt));
        assert!(
            wait.is_some_and(TaskWait::is_started),
            "invariant 6: {} was handed over before it was durable that it starts",
            task.id
        );
    }

    /// A worker gets an activity's task.
    pub fn taken_by_worker(&self, id: ExecutionId, attempt: TaskId) {
        let is_started = |audited: &Audited| {
            let wait = audited.execution.as_ref().and_then(|execution| open_task(execution, attempt));
            wait.is_some_and(TaskWait::is_started)
        };
        let mut books = self.books();
        assert!(books.handed.insert((id, attempt)), "invariant 6: {attempt:?} of {id:?} was given to two workers");
        assert!(
            books.executions.get(&id).is_some_and(is_started),
            "invariant 6: an activity was given before it started"
        );
    }

    /// Somebody is told that a token was taken.
    pub fn answered(&self, id: ExecutionId, attempt: TaskId) {
        let books = self.books();
        let is_open = |audited: &Audited| {
            let wait = audited.execution.as_ref().and_then(|execution| open_task(execution, attempt));
            wait.is_some_and(|wait| !matches!(wait.phase, Phase::Answered { .. }))
        };
        let audited = books.executions.get(&id);
        assert!(!audited.is_some_and(is_open), "invariant 2: an answer was acknowledged and {attempt:?} still waits");
    }

    /// Watchers are told that an execution starts or ends.
    pub fn told(&self, change: &StatusChange) {
        let books = self.books();
        // It may have ended, or have been redriven, since.
        let has_had = |audited: &Audited| {
            change.status == ExecutionStatus::Running
                || audited.history.iter().any(|event| status_of(&event.kind) == Some(change.status))
        };
        let audited = books.arns.get(&*change.execution_arn).and_then(|id| books.executions.get(id));
        assert!(audited.is_some_and(has_had), "invariant 2: told, and not durable: {change:?}");
    }
}

/// What a batch does.
#[derive(Default)]
struct Change {
    replayed: BTreeMap<ExecutionId, Replay>,
    touched: BTreeSet<ExecutionId>,
    /// In records and beside them.
    snapshots: BTreeMap<ExecutionId, Option<Execution>>,
}

/// An execution after the inputs of a batch.
struct Replay {
    execution: Execution,
    events: Vec<HistoryEvent>,
    accepted: usize,
    is_express: bool,
    settled: Vec<TaskId>,
}

/// The attempt whose outcome this input is.
fn settles(kind: &InputKind) -> Option<TaskId> {
    match kind {
        InputKind::TaskSucceeded(task, _) | InputKind::TaskFailed(task, _) | InputKind::TaskAnswered(task, _) => {
            Some(*task)
        }
        _ => None,
    }
}

/// An attempt that waits for its outcome, found without the help of what is tested.
fn open_task(execution: &Execution, task: TaskId) -> Option<&TaskWait> {
    execution.frames.iter().find_map(|frame| match &frame.wait {
        Wait::Task(wait) if frame.id == task.frame && wait.attempt == task.attempt => Some(wait),
        _ => None,
    })
}

/// Events have ids without gaps and follow earlier ones; only a redrive follows an end.
fn history_goes_on(before: &[HistoryEvent], events: &[HistoryEvent]) {
    let mut last = before.last();
    for event in events {
        assert_eq!(event.id, last.map_or(0, |last| last.id) + 1, "invariant 4: ids have no gaps");
        assert!(event.previous < event.id, "invariant 4: an event follows an earlier one");
        let is_redriven = matches!(event.kind, EventKind::ExecutionRedriven { .. });
        let is_over = last.is_some_and(|last| last.kind.is_terminal());
        assert_eq!(is_over, is_redriven, "invariant 4: only a redrive follows an end: {event:?}");
        last = Some(event);
    }
}

fn same_identity(before: &Row, after: &Row) {
    let identity = |row: &Row| (row.machine, row.revision, row.name.clone(), row.started_at, row.is_express);
    assert_eq!(identity(before), identity(after), "invariant 8: an execution keeps its definition");
    assert_eq!(before.parent, after.parent, "an execution keeps its parent");
}

pub fn status_of(kind: &EventKind) -> Option<ExecutionStatus> {
    match kind {
        EventKind::ExecutionSucceeded { .. } => Some(ExecutionStatus::Succeeded),
        EventKind::ExecutionFailed(_) => Some(ExecutionStatus::Failed),
        EventKind::ExecutionAborted(_) => Some(ExecutionStatus::Aborted),
        EventKind::ExecutionTimedOut(_) => Some(ExecutionStatus::TimedOut),
        _ => None,
    }
}

fn code_of(status: ExecutionStatus) -> u8 {
    match status {
        ExecutionStatus::TimedOut => b'T',
        other => other.name().as_bytes()[0],
    }
}

fn id_of(key: &[u8]) -> ExecutionId {
    ExecutionId(u64::from_be_bytes(key.try_into().expect("an id has eight bytes")))
}

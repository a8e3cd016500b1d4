//! One shard without thread or clock: takes inputs, steps executions, seals batches, hands back acts.
//!
//! The caller (a thread, a simulator) owes this order: feed inputs; [`Core::seal`] a batch and commit it; when
//! the store has it, perform the acts of that batch with [`Core::committed`]. While a commit is on its way
//! inputs may be fed already; their acts belong to the next batch.
//!
//! A failed commit ends the term: the caller drops the core and recovers a new one from the store. There is no
//! other error path.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use asl::definition::{Kind, Resource, StateId};
use asl::scope::Entropy;
use interpreter::{
    About, Branch, Command, EventKind, Execution, Failure, Frame, HistoryEvent, Input, InputKind, Payload, Phase,
    Rejected, RunTask, Setting, Status, TaskId, TaskWait, Timestamp, Wait, step,
};
use store::{Batch, Epoch, Order, ShardId, Space, Store, Write, prefix_end};

use crate::activities::{Activities, Seat};
use crate::error::{Error, StartError, StopError};
use crate::figures::{Figures, Moved, Tally};
use crate::keys::{self, ExecutionId, IdMap, IdSet};
use crate::limits::{BATCH_ACTS_MAX, BATCH_BYTES_MAX, BATCH_INPUTS_MAX};
use crate::log::Logged;
use crate::machines::{Machines, Revision};
use crate::map_run::RunKey;
use crate::record::{self, ExecutionStatus, Packer, Parent, Row, unreadable};
use crate::surroundings::{Fed, Witness};
use crate::task::{Errand, Outcome, ReadItems, WriteResults, lost};
use crate::timers::Timers;
use crate::watch::StatusChange;

mod answers;
mod loading;
mod map_runs;
mod redrive;
mod retention;
mod warm;

pub use answers::{ChildEnd, Taken, TokenAnswer};
pub(crate) use loading::snapshot;
use loading::{Loading, load};
use map_runs::MapRun;
pub use map_runs::MapRunUpdate;
pub use redrive::not_redrivable;
use retention::Sweep;
use warm::Warm;

/// About what an event takes without its payload.
const EVENT_BYTES: usize = 64;

/// A larger snapshot has a row of its own, which the next overwrites: a Map of a thousand items has a thousand of them, each
/// with all items and results, and beside their events they would stay for as long as the history. A smaller one costs
/// less in the record, whose payloads it shares.
const SNAPSHOT_APART_BYTES: usize = 16 * 1024;

/// What a start request asks for.
pub struct Start {
    pub revision: Arc<Revision>,
    /// None: a name is made up.
    pub name: Option<Arc<str>>,
    pub input: Payload,
    pub trace_header: Option<Arc<str>>,
    /// The version of the machine and the alias that the request names.
    pub version: Option<u32>,
    pub alias: Option<Arc<str>>,
    /// Who waits for its end.
    pub parent: Option<Parent>,
    /// Called with its end, if this process lives to see it.
    pub on_end: Option<OnEnd>,
}

/// Waits for the end of an execution.
pub type OnEnd = Box<dyn FnOnce(ChildEnd) + Send>;

impl Start {
    pub fn new(revision: Arc<Revision>, input: Payload) -> Start {
        Start {
            revision,
            name: None,
            input,
            trace_header: None,
            version: None,
            alias: None,
            parent: None,
            on_end: None,
        }
    }
}

/// The answer to a start, once durable.
#[derive(Clone, Debug, PartialEq)]
pub struct StartReply {
    pub execution_arn: Arc<str>,
    pub started_at: Timestamp,
}

/// Done after the commit that holds it.
pub enum Act {
    /// Calls the closure that answers a request.
    Reply(Box<dyn FnOnce() + Send>),
    Run {
        id: ExecutionId,
        execution_arn: Arc<str>,
        trace_header: Option<Arc<str>>,
        task: RunTask,
    },
    /// An activity's task is there to be taken by a worker.
    Offer {
        activity: Arc<str>,
        id: ExecutionId,
        task: TaskId,
    },
    /// A worker that has waited gets it.
    HandOver {
        id: ExecutionId,
        task: TaskId,
        seat: Seat,
        taken: Taken,
    },
    /// Acknowledges what came over a lane.
    Answered(crate::lane::LaneReply, Result<(), crate::error::TokenError>),
    /// It was given up before a worker has taken it.
    Withdraw {
        activity: Arc<str>,
        id: ExecutionId,
        task: TaskId,
    },
    /// A nested execution has ended: tells the task that waits for it.
    TellParent {
        execution: ExecutionId,
        task: TaskId,
        end: Box<ChildEnd>,
    },
    /// Stops the nested execution of a task that does not wait for it any more, in whatever shard it is.
    StopChild {
        execution: ExecutionId,
        task: TaskId,
    },
    ReadItems(Errand, ReadItems),
    WriteResults(Errand, WriteResults),
    Changed(StatusChange),
    /// Only of machines that log.
    Log(Box<Logged>),
}

/// How much of everything the shard holds, for people and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    pub open_executions: usize,
    pub running_tasks: usize,
    pub waiting_tasks: usize,
    /// Tasks of activities that no worker has taken.
    pub offered_tasks: usize,
    pub map_runs: usize,
    /// Names that are taken by what has no durable end yet.
    pub names: usize,
    pub nested: usize,
    pub timers: usize,
}

impl Gauges {
    pub(crate) fn add(&mut self, other: &Gauges) {
        self.open_executions += other.open_executions;
        self.running_tasks += other.running_tasks;
        self.waiting_tasks += other.waiting_tasks;
        self.offered_tasks += other.offered_tasks;
        self.map_runs += other.map_runs;
        self.names += other.names;
        self.nested += other.nested;
        self.timers += other.timers;
    }
}

pub struct Limits {
    /// Tasks this shard hands out at the same time.
    pub running_tasks_max: usize,
    pub open_executions_max: usize,
    /// How many shards there are: open executions of a shard that is no more go to the others.
    pub shards: u16,
    /// Nothing of its executions is written: they end with the process.
    pub is_volatile: bool,
    /// How long the history of an execution is kept after its end.
    pub retention_ms: u64,
}

pub struct Core {
    shard: ShardId,
    epoch: Epoch,
    limits: Limits,
    witness: Option<Arc<dyn Witness>>,
    store: Arc<dyn Store>,
    machines: Arc<Machines>,
    active: IdMap<ExecutionId, Active>,
    /// Executions that have no durable end yet, by machine and name: what makes a start idempotent.
    names: HashMap<(u32, Arc<str>), ExecutionId>,
    /// Open nested executions, by the task that has started them.
    nested: IdMap<(ExecutionId, TaskId), ExecutionId>,
    /// Machines whose executions end at their next transition.
    deleting: HashSet<u32>,
    timers: Timers,
    waiting_tasks: VecDeque<(ExecutionId, RunTask)>,
    /// Attempts handed over in this term that have not been answered.
    running_tasks: IdSet<(ExecutionId, TaskId)>,
    /// Executions whose step was cut short when the batch was full: they go on in the next.
    unfinished: VecDeque<ExecutionId>,
    /// What executions get as soon as a batch has room for it.
    owed: VecDeque<Owed>,
    /// The batch that holds the last of it.
    owed_in: u64,
    unreadable: Vec<String>,
    /// Executions with something to write, in the order in which they got it.
    dirty: Vec<ExecutionId>,
    dirty_bytes: usize,
    packer: Packer,
    warm: Warm,
    /// Inputs fed since the last batch was sealed.
    inputs: usize,
    acts: Vec<Act>,
    /// Activities' tasks that go to workers with the open batch.
    taken: Vec<answers::Taking>,
    /// Rows beside those of the executions, for the open batch.
    writes: Vec<Write>,
    /// Tasks of activities that wait for a worker.
    offered: IdMap<(ExecutionId, TaskId), Arc<str>>,
    map_runs: IdMap<RunKey, MapRun>,
    /// Runs whose rows are to be written.
    changed_runs: BTreeSet<RunKey>,
    /// Runs that have to begin, or to go on with reading, before they start anything.
    beginning: VecDeque<RunKey>,
    /// Runs that may have something to start.
    pumping: BTreeSet<RunKey>,
    /// Runs that could start more if fewer executions were open.
    starved: BTreeSet<RunKey>,
    /// Runs whose next inputs are not durable yet.
    unreadable_yet: BTreeSet<RunKey>,
    /// Number of the open batch, and of the last that is durable.
    batch: u64,
    durable_batch: u64,
    /// What ends in the open batch, and in the sealed one: there to be asked for until that is durable.
    ending: Vec<Ending>,
    sealed_ending: Vec<Ending>,
    sweep: Sweep,
    /// What the open batch does, and the sealed one.
    tally: Tally,
    sealed_tally: Tally,
    /// Of what is durable, in this term and those before.
    pub(crate) figures: Figures,
    last_id: ExecutionId,
    now: Timestamp,
    entropy: Entropy,
    /// Tasks of activities that were scheduled in this batch, to be handed to who waits or offered.
    scheduled: VecDeque<(ExecutionId, TaskId, Arc<str>)>,
    /// Who waits for such tasks; without it all are offered.
    workers: Option<Arc<Activities>>,
}

/// What a term of a shard has from the process that it is in.
#[derive(Default)]
pub(crate) struct Inheritance {
    pub witness: Option<Arc<dyn Witness>>,
    /// Tasks that an earlier term has handed over and that have not been answered: they run, so their outcome is to come.
    pub running: IdSet<(ExecutionId, TaskId)>,
    /// The last id that was given: the store does not know those of Express executions that have ended.
    pub last_id: ExecutionId,
}

/// What the engine itself has to tell an execution. There may be so much of it at once that it does not fit in one batch.
enum Owed {
    Input(ExecutionId, InputKind),
    /// The nested execution of this task may have ended before anybody listened.
    EndOfChild(ExecutionId, TaskId, Arc<str>),
}

struct Ending {
    id: ExecutionId,
    machine: u32,
    name: Arc<str>,
    at: Timestamp,
}

struct Active {
    about: About,
    row: Row,
    revision: Arc<Revision>,
    execution: Execution,
    /// Number of the next record.
    seq: u32,
    /// Events since the last record.
    events: Vec<HistoryEvent>,
    is_dirty: bool,
    /// Its row has not been written yet.
    is_new: bool,
    /// It was redriven in the open batch.
    is_redriven: bool,
    /// Its snapshot has a row of its own.
    is_apart: bool,
    /// How many items of a Map Run are in its input.
    items: u32,
    on_end: Option<OnEnd>,
}

impl Active {
    /// What the open batch counts of it: only starts and ends.
    fn moved(&self) -> Option<Moved> {
        let is_over = self.execution.status.is_terminal();
        (self.is_new || self.is_redriven || is_over).then(|| Moved {
            machine: self.row.machine,
            machine_arn: self.row.machine_arn.clone(),
            is_of_map_run: matches!(self.row.parent, Some(Parent::MapRun { .. })),
            is_started: self.is_new,
            is_redriven: self.is_redriven,
            ended: self.row.stopped_at.filter(|_| is_over).map(|at| {
                let ms = at.0.saturating_sub(self.row.started_at.0);
                (self.row.status, u64::try_from(ms).unwrap_or(0))
            }),
        })
    }

    fn logged(&self, events: Vec<HistoryEvent>) -> Logged {
        Logged {
            execution_arn: self.about.execution_arn.clone(),
            revision: self.revision.clone(),
            row: self.row.clone(),
            events,
        }
    }
}

impl Core {
    /// Takes the shard over and loads what is open in it. Timers that are due fire at the first
    /// [`Core::fire_due`]; outcomes that were lost are fed here already.
    pub fn recover(
        shard: ShardId,
        store: Arc<dyn Store>,
        machines: Arc<Machines>,
        limits: Limits,
        now: Timestamp,
        seed: u64,
    ) -> Result<Core, Error> {
        Core::inherit(Inheritance::default(), shard, store, machines, limits, now, seed)
    }

    /// The same in a process that has had the shard before.
    pub(crate) fn inherit(
        Inheritance { witness, running, last_id }: Inheritance,
        shard: ShardId,
        store: Arc<dyn Store>,
        machines: Arc<Machines>,
        limits: Limits,
        now: Timestamp,
        seed: u64,
    ) -> Result<Core, Error> {
        let epoch = store.take(shard)?;
        let mut core = Core {
            shard,
            epoch,
            limits,
            witness,
            store,
            machines,
            active: IdMap::default(),
            names: HashMap::new(),
            nested: IdMap::default(),
            deleting: HashSet::new(),
            timers: Timers::default(),
            waiting_tasks: VecDeque::new(),
            running_tasks: running,
            unfinished: VecDeque::new(),
            owed: VecDeque::new(),
            owed_in: 0,
            unreadable: Vec::new(),
            dirty: Vec::new(),
            dirty_bytes: 0,
            packer: Packer::default(),
            warm: Warm::default(),
            inputs: 0,
            acts: Vec::new(),
            taken: Vec::new(),
            writes: Vec::new(),
            offered: IdMap::default(),
            map_runs: IdMap::default(),
            changed_runs: BTreeSet::new(),
            beginning: VecDeque::new(),
            pumping: BTreeSet::new(),
            starved: BTreeSet::new(),
            unreadable_yet: BTreeSet::new(),
            batch: 1,
            durable_batch: 0,
            ending: Vec::new(),
            sealed_ending: Vec::new(),
            sweep: Sweep::new(now),
            tally: Tally::default(),
            sealed_tally: Tally::default(),
            figures: Figures::default(),
            last_id: ExecutionId(0),
            now,
            entropy: Entropy::new(seed),
            scheduled: VecDeque::new(),
            workers: None,
        };
        let live = core.machines.live_numbers();
        for number in 1..=core.machines.last_number() {
            if !live.contains(&number) {
                core.deleting.insert(number);
            }
            // Also of machines that are gone: a start may have been on its way when its machine was deleted.
            core.load_open(number)?;
            core.load_open(keys::CHILDREN | number)?;
        }
        core.last_id = core.newest_id()?.max(last_id);
        core.take_up()?;
        core.pay();
        core.begin_runs();
        core.pump();
        Ok(core)
    }

    fn load_open(&mut self, machine: u32) -> Result<(), Error> {
        let prefix = keys::listing_prefix(machine, ExecutionStatus::Running);
        let (mut from, to) = (prefix.clone(), prefix_end(&prefix));
        let mut loading = Loading::default();
        loop {
            let page = self.store.scan(Space::Listing, &from..&to, Order::Ascending, loading::PAGE)?;
            let id = |(key, _): &store::Row| {
                keys::listing_id(key).ok_or_else(|| unreadable("a list entry", &"its key is too short"))
            };
            let mut ids = page.iter().map(id).collect::<Result<Vec<_>, _>>()?;
            ids.retain(|id| id.shard() % self.limits.shards == self.shard.0);
            loading.look_ahead(&*self.store, &ids)?;
            for id in ids {
                match loading.load(&*self.store, &self.machines, id) {
                    Ok((active, at)) => {
                        // The clock may have been set back since: what happens next is not before what is written.
                        self.set_time(at);
                        self.take_in(id, active);
                    }
                    // One execution that cannot be read stays as it is; it must not keep all others from going on.
                    Err(error) => self.note(error, || format!("execution {} stays where it is", id.0))?,
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == loading::PAGE => from = [&key[..], &[0]].concat(),
                _ => return Ok(()),
            }
        }
    }

    /// Keeps what cannot be read in mind, for people; other errors are the caller's.
    fn note(&mut self, error: Error, what_of_it: impl FnOnce() -> String) -> Result<(), Error> {
        let Error::Unreadable { what, why } = error else { return Err(error) };
        self.unreadable.push(format!("{}: {what} cannot be read: {why}", what_of_it()));
        Ok(())
    }

    /// From now on it is found by its name, and by the task that waits for it.
    fn take_in(&mut self, id: ExecutionId, active: Active) {
        // The name of an Express execution is not its own alone.
        if !active.row.is_express || active.row.parent.is_some() {
            self.names.insert((active.row.machine, active.row.name.clone()), id);
        }
        if let Some(Parent::Task { execution, task }) = active.row.parent {
            self.nested.insert((execution, task), id);
        }
        self.active.insert(id, active);
    }

    /// What could not be loaded, for people.
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// Where this shard's ids go on, even if the clock has been set back since.
    fn newest_id(&self) -> Result<ExecutionId, Error> {
        let newest = self.store.scan(Space::Executions, &[]..&prefix_end(&[]), Order::Descending, 1)?;
        match newest.first() {
            None => Ok(ExecutionId(0)),
            Some((key, _)) => Ok(ExecutionId::after(decode_id(key)?)),
        }
    }

    /// Takes up what was open: timers are set again, tasks that were never handed over wait for a slot, and
    /// tasks that were handed over without an outcome are failed as lost.
    fn take_up(&mut self) -> Result<(), Error> {
        let mut ids: Vec<ExecutionId> = self.active.keys().copied().collect();
        ids.sort_unstable();
        // All runs are there, with their executions, before anything happens that might end them.
        for id in &ids {
            let runs = self.active[id].execution.map_runs();
            let runs: Vec<_> = runs.map(|(run, _)| RunKey { execution: *id, id: run }).collect();
            for run in runs {
                if let Err(error) = self.load_run(run) {
                    self.note(error, || format!("a Map Run of execution {} fails", id.0))?;
                }
                self.beginning.push_back(run);
            }
        }
        for id in &ids {
            self.join_run(*id);
        }
        for id in ids {
            let active = &self.active[&id];
            for (timer, at) in active.execution.timers() {
                self.timers.set(id, timer, at);
            }
            let is_ready = active.execution.is_ready();
            let mut lost_tasks = Vec::new();
            let mut children = Vec::new();
            for (task, frame, wait) in active.execution.tasks() {
                match &wait.phase {
                    Phase::Scheduled(input) => {
                        let task = run_task(active, task, frame.state, wait, input);
                        match &task.resource {
                            Resource::Activity { arn } => {
                                self.offered.insert((id, task.task), arn.clone());
                                let activity = arn.clone();
                                self.acts.push(Act::Offer { activity, id, task: task.task });
                            }
                            _ => self.waiting_tasks.push_back((id, task)),
                        }
                    }
                    // It is lost with its process only.
                    _ if self.running_tasks.contains(&(id, task)) => {}
                    // Asking twice does no harm.
                    Phase::Started { again: Some(input) } | Phase::Answered { again: Some(input), .. } => {
                        let execution_arn = active.about.execution_arn.clone();
                        let run = run_task(active, task, frame.state, wait, input);
                        self.running_tasks.insert((id, task));
                        let trace_header = active.row.trace_header.clone();
                        self.acts.push(Act::Run { id, execution_arn, trace_header, task: run });
                    }
                    // A worker has it, and its token.
                    Phase::Started { .. } if is_activity(active, frame) => {}
                    Phase::Started { .. } | Phase::Answered { .. } => lost_tasks.push(task),
                    Phase::Submitted { child: Some(child) } => children.push((task, child.clone())),
                    Phase::Submitted { child: None } => {}
                }
            }
            let is_awaited = self.is_awaited(id).or_else(|error| {
                self.note(error, || format!("execution {} goes on, whoever waits for it", id.0)).map(|()| true)
            })?;
            if !is_awaited {
                self.owed.push_back(Owed::Input(id, InputKind::Stop(Failure::default())));
                continue;
            }
            let children = children.into_iter().map(|(task, child)| Owed::EndOfChild(id, task, child));
            self.owed.extend(children);
            let lost_tasks = lost_tasks.into_iter().map(|task| {
                let cause = "Ithaca stopped while this task was running; whether it took effect is not known.";
                Owed::Input(id, InputKind::TaskFailed(task, lost(cause)))
            });
            self.owed.extend(lost_tasks);
            if is_ready {
                self.owed.push_back(Owed::Input(id, InputKind::Continue));
            }
        }
        self.start_waiting_tasks();
        Ok(())
    }

    /// Workers that wait for tasks of activities get them in the batch in which they are scheduled.
    pub(crate) fn with_workers(self, workers: Arc<Activities>) -> Core {
        Core { workers: Some(workers), ..self }
    }

    /// What the next term has from this one, whose last batch with these acts has failed. Tasks that start in that batch,
    /// or in the open one, were not handed over.
    pub(crate) fn bequeath(&self, flying: &[Act]) -> Inheritance {
        let mut handed = self.running_tasks.clone();
        for act in flying.iter().chain(&self.acts) {
            if let Act::Run { id, task, .. } = act {
                handed.remove(&(*id, task.task));
            }
        }
        Inheritance { witness: self.witness.clone(), running: handed, last_id: self.last_id }
    }

    /// Hands no more tasks over: those that are scheduled wait for the next start.
    pub fn drain(&mut self) {
        self.limits.running_tasks_max = 0;
    }

    fn hands_over(&self) -> bool {
        self.limits.running_tasks_max > 0
    }

    /// The shard's time: of the newest input, or after a recovery of the newest that is written.
    pub fn time(&self) -> Timestamp {
        self.now
    }

    /// Moves the shard's time on. It never goes back, whatever the clock does.
    pub fn set_time(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    pub fn gauges(&self) -> Gauges {
        Gauges {
            open_executions: self.active.len(),
            running_tasks: self.running_tasks.len(),
            waiting_tasks: self.waiting_tasks.len(),
            offered_tasks: self.offered.len(),
            map_runs: self.map_runs.len(),
            names: self.names.len(),
            nested: self.nested.len(),
            timers: self.timers.len(),
        }
    }

    /// Starts an execution, or finds the one that the same request has started before.
    pub fn start(&mut self, start: Start, reply: impl FnOnce(Result<StartReply, StartError>) + Send + 'static) {
        // A refusal waits for the commit too: it may tell of an execution that is not durable yet.
        let answer = self.try_start(start);
        self.acts.push(Act::Reply(Box::new(move || reply(answer))));
    }

    fn try_start(&mut self, start: Start) -> Result<StartReply, StartError> {
        let revision = start.revision;
        if self.deleting.contains(&revision.machine) {
            return Err(StartError::MachineDeleting);
        }
        // INVARIANT: an execution is accepted only with a definition that can be run.
        revision.definition()?;
        // The name of an Express execution may be used again at once.
        if let Some(name) = start.name.as_ref().filter(|_| !revision.is_express)
            && let Some(existing) = self.existing(&revision, name, &start.input, start.parent.as_ref())?
        {
            return existing;
        }
        if self.active.len() >= self.limits.open_executions_max {
            return Err(StartError::TooManyOpen);
        }
        let id = self.next_id(self.shard.0);
        let name = start.name.unwrap_or_else(|| self.make_name());
        let row = Row {
            machine: revision.machine,
            revision: revision.number,
            machine_arn: revision.machine_arn.clone(),
            name: name.clone(),
            status: ExecutionStatus::Running,
            started_at: self.now,
            stopped_at: None,
            trace_header: start.trace_header,
            version: start.version,
            alias: start.alias,
            parent: start.parent,
            is_express: revision.is_express,
            redrive_count: 0,
            redriven_at: None,
        };
        let execution_arn: Arc<str> = row.arn(id).into();
        let active = Active {
            about: about(id, &revision, &row, execution_arn.clone(), start.input),
            row,
            revision,
            execution: Execution::new(),
            seq: 0,
            events: Vec::new(),
            is_dirty: false,
            is_new: true,
            is_redriven: false,
            is_apart: false,
            items: 0,
            on_end: start.on_end,
        };
        self.take_in(id, active);
        self.changed(id);
        self.apply(id, InputKind::Start);
        Ok(StartReply { execution_arn, started_at: self.now })
    }

    fn next_id(&mut self, shard: u16) -> ExecutionId {
        self.last_id = ExecutionId::next(self.last_id, self.now.0, shard);
        self.last_id
    }

    /// What a start with the name of an earlier execution is answered; none if the name is free.
    fn existing(
        &self,
        revision: &Revision,
        name: &Arc<str>,
        input: &Payload,
        parent: Option<&Parent>,
    ) -> Result<Option<Result<StartReply, StartError>>, Error> {
        // A task that asks again after a crash gets the execution that it has started before.
        let is_own = |row: &Row| parent.is_some() && row.parent.as_ref() == parent;
        let execution_arn = keys::execution_arn(&revision.machine_arn, name);
        if let Some(id) = self.names.get(&(revision.machine, name.clone())) {
            return Ok(Some(match self.active.get(id) {
                Some(active)
                    if is_own(&active.row)
                        || (active.about.input == *input && !active.execution.status.is_terminal()) =>
                {
                    Ok(StartReply { execution_arn: execution_arn.into(), started_at: active.row.started_at })
                }
                _ => Err(StartError::AlreadyExists { execution_arn }),
            }));
        }
        let Some(id) = self.store.get(Space::Names, &keys::name(revision.machine, name))? else { return Ok(None) };
        // It has ended, or it is another shard's since their number has changed.
        let other = self.stored_start(decode_id(&id)?)?;
        Ok(Some(match other {
            Some((row, started)) if is_own(&row) || (row.status == ExecutionStatus::Running && started == *input) => {
                Ok(StartReply { execution_arn: execution_arn.into(), started_at: row.started_at })
            }
            _ => Err(StartError::AlreadyExists { execution_arn }),
        }))
    }

    fn stored_start(&self, id: ExecutionId) -> Result<Option<(Row, Payload)>, Error> {
        let Some(row) = self.store.get(Space::Executions, &keys::execution(id))? else { return Ok(None) };
        let row = record::decode_row(&row)?;
        let Some(first) = self.store.get(Space::Records, &keys::record(id, 0))? else { return Ok(None) };
        Ok(started_input(&first)?.map(|input| (row, input)))
    }

    /// A UUID whose first digits grow with time, so that the index of names grows at its end.
    fn make_name(&self) -> Arc<str> {
        let (ms, high, low) = (self.now.0 as u64, self.entropy.next(), self.entropy.next());
        format!(
            "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
            (ms >> 16) & 0xffff_ffff,
            ms & 0xffff,
            high & 0xfff,
            0x8000 | ((high >> 12) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
        .into()
    }

    /// Stops an execution; one that has ended answers when it did.
    pub fn stop(
        &mut self,
        machine: u32,
        name: &str,
        failure: Failure,
        reply: impl FnOnce(Result<Timestamp, StopError>) + Send + 'static,
    ) {
        let answer = self.try_stop(machine, name, failure);
        self.acts.push(Act::Reply(Box::new(move || reply(answer))));
    }

    fn try_stop(&mut self, machine: u32, name: &str, failure: Failure) -> Result<Timestamp, StopError> {
        if let Some(id) = self.names.get(&(machine, name.into())).copied()
            && self.active.contains_key(&id)
        {
            self.apply(id, InputKind::Stop(failure));
            return Ok(self.active[&id].row.stopped_at.unwrap_or(self.now));
        }
        // Its end is in the batch that is being written, so the store does not know of it yet.
        if let Some(ending) = self.sealed_ending.iter().find(|it| it.machine == machine && *it.name == *name) {
            return Ok(ending.at);
        }
        let stored = self.store.get(Space::Names, &keys::name(machine, name)).map_err(Error::from)?;
        let id = decode_id(&stored.ok_or(StopError::DoesNotExist)?)?;
        let row = self.store.get(Space::Executions, &keys::execution(id)).map_err(Error::from)?;
        let row = record::decode_row(&row.ok_or(StopError::DoesNotExist)?)?;
        // One that runs and is not known here is another shard's.
        row.stopped_at.ok_or(StopError::DoesNotExist)
    }

    /// The outcome of a task that was handed over. One that nobody waits for any more frees its slot all the
    /// same; a repeated one, or one of an earlier term, has none and is dropped.
    pub fn outcome(&mut self, id: ExecutionId, task: TaskId, outcome: Outcome) {
        if !self.running_tasks.remove(&(id, task)) {
            return;
        }
        match outcome {
            Outcome::Done(Ok(output)) => drop(self.apply(id, InputKind::TaskSucceeded(task, output))),
            Outcome::Done(Err(failure)) => drop(self.apply(id, InputKind::TaskFailed(task, failure))),
            Outcome::Submitted { output, child } => {
                let is_open = self.apply(id, InputKind::TaskSubmitted(task, output, child.clone()));
                match child {
                    None => {}
                    // The task was given up while the call was on its way.
                    Some(_) if !is_open => self.acts.push(Act::StopChild { execution: id, task }),
                    // A nested execution that was started before a crash may be over already.
                    Some(child) => self.owed.push_back(Owed::EndOfChild(id, task, child)),
                }
            }
        }
        self.start_waiting_tasks();
    }

    /// Does what needs no input from outside, until the batch is full: each execution that was cut short goes on by
    /// one step, and timers that are due fire. The inbox has its turn before the next round.
    pub fn go_on(&mut self) {
        self.pay();
        for _ in 0..self.unfinished.len() {
            if self.is_full() {
                break;
            }
            let Some(id) = self.unfinished.pop_front() else { break };
            self.apply(id, InputKind::Continue);
        }
        while !self.is_full()
            && let Some((id, timer)) = self.timers.pop_due(self.now)
        {
            self.apply(id, InputKind::TimerFired(timer));
        }
        self.begin_runs();
        self.pump();
        self.sweep();
    }

    /// Tells executions what they are owed, until the batch is full.
    fn pay(&mut self) {
        while !self.is_full()
            && let Some(owed) = self.owed.pop_front()
        {
            self.inputs += 1;
            match owed {
                Owed::Input(id, kind) => {
                    self.apply(id, kind);
                    // One that has ended by itself did so in the batch that is on its way, at the latest, or in the open one.
                    let ended_in = match self.active.get(&id) {
                        Some(active) if active.is_dirty => self.batch,
                        Some(_) => self.owed_in,
                        None => self.batch - 1,
                    };
                    self.owed_in = self.owed_in.max(ended_in);
                }
                Owed::EndOfChild(id, task, child) => match self.end_of_child(&child) {
                    Ok(Some(end)) => drop(self.child_ended(id, task, &end)),
                    Ok(None) => {}
                    Err(Error::Unreadable { what, why }) => {
                        let failure = Failure::new("States.Runtime", format!("{what} cannot be read: {why}"));
                        self.apply(id, InputKind::TaskAnswered(task, Err(failure)));
                    }
                    // The store may be able to tell a little later.
                    Err(_) => return self.owed.push_front(Owed::EndOfChild(id, task, child)),
                },
            }
        }
    }

    /// The machine's executions end at their next transition.
    pub fn machine_deleted(&mut self, machine: u32) {
        self.deleting.insert(machine);
    }

    /// Feeds one input, and what the engine itself owes in reply to its commands. False if the input was refused.
    fn apply(&mut self, id: ExecutionId, kind: InputKind) -> bool {
        self.inputs += 1;
        let Ok(commands) = self.step(id, kind) else { return false };
        if self.perform(id, commands) {
            // INVARIANT: one execution takes one bounded step at a time, however far it could go.
            self.unfinished.push_back(id);
        }
        if self.timers.is_littered() {
            self.sweep_timers();
        }
        let active = &self.active[&id];
        if self.deleting.contains(&active.row.machine) && !active.execution.status.is_terminal() {
            self.apply(id, InputKind::Stop(machine_deleted()));
            return true;
        }
        self.start_waiting_tasks();
        true
    }

    /// Does what can be done before the commit; says whether the step was cut short.
    fn perform(&mut self, id: ExecutionId, commands: Vec<Command>) -> bool {
        let mut is_cut_short = false;
        for command in commands {
            match command {
                Command::RunTask(task) => match &task.resource {
                    Resource::Activity { arn } => self.scheduled.push_back((id, task.task, arn.clone())),
                    _ => self.waiting_tasks.push_back((id, task)),
                },
                Command::SetTimer(timer, at) => self.timers.set(id, timer, at),
                Command::ClearTimer(_) => self.timers.clear(),
                Command::Continue => is_cut_short = true,
                // A runner is not interrupted: its outcome will be stale, and frees its slot.
                Command::CancelTask(task) => {
                    if let Some(activity) = self.offered.remove(&(id, task)) {
                        self.acts.push(Act::Withdraw { activity, id, task });
                    }
                }
                Command::StopChild(task) => self.acts.push(Act::StopChild { execution: id, task }),
                Command::StartMapRun(plan) => self.start_map_run(id, *plan),
                Command::RedriveMapRun(run) => self.redrive_map_run(RunKey { execution: id, id: run }),
                Command::CancelMapRun(run) => self.cancel_map_run(id, run),
                Command::Finish => self.finish(id),
            }
        }
        is_cut_short
    }

    fn step(&mut self, id: ExecutionId, kind: InputKind) -> Result<Vec<Command>, Rejected> {
        let active = self.active.get_mut(&id).ok_or(Rejected::Terminal)?;
        let definition = active.revision.definition().expect("INVARIANT: a loaded execution's definition can be run");
        let setting = Setting::new(definition, &active.about);
        let input = Input { at: self.now, entropy: self.entropy.next(), kind };
        if let Some(witness) = &self.witness {
            let of = Fed { shard: self.shard, id, revision: &active.revision, about: &active.about };
            witness.feeding(&of, &active.execution, &input);
        }
        let transition = step(&setting, &mut active.execution, &input)?;
        self.dirty_bytes += written_bytes(&transition.history);
        self.tally.transitions += states_entered(&transition.history);
        self.tally.history_events += transition.history.len() as u64;
        active.events.extend(transition.history);
        if !active.is_dirty {
            active.is_dirty = true;
            self.dirty.push(id);
            self.dirty_bytes += snapshot_bytes(&active.execution) + asked_bytes(&active.execution);
        }
        Ok(transition.commands)
    }

    /// Hands over as many scheduled tasks as there are slots: their Started is in the batch that is open now.
    fn start_waiting_tasks(&mut self) {
        self.seat_scheduled();
        while self.running_tasks.len() < self.limits.running_tasks_max && self.dirty_bytes < BATCH_BYTES_MAX {
            let Some((id, task)) = self.waiting_tasks.pop_front() else { return };
            // One that was given up while it waited for its slot is stale.
            let Ok(commands) = self.step(id, InputKind::TaskStarted(task.task)) else { continue };
            self.perform(id, commands);
            let active = &self.active[&id];
            // The event may have been one too many for the history, and have ended the execution.
            if active.execution.task(task.task).is_some() {
                self.running_tasks.insert((id, task.task));
                let execution_arn = active.about.execution_arn.clone();
                let trace_header = active.row.trace_header.clone();
                self.acts.push(Act::Run { id, execution_arn, trace_header, task });
            }
        }
    }

    fn finish(&mut self, id: ExecutionId) {
        let now = self.now;
        let Some(active) = self.active.get_mut(&id) else { return };
        active.row.status = ExecutionStatus::from(&active.execution.status);
        active.row.stopped_at = Some(now);
        self.ending.push(Ending { id, machine: active.row.machine, name: active.row.name.clone(), at: now });
        if let Some(on_end) = active.on_end.take() {
            let end = child_end(active, now);
            self.acts.push(Act::Reply(Box::new(move || on_end(end))));
        }
        match active.row.parent.clone() {
            // Nobody watches the executions of a Map Run one by one.
            Some(Parent::MapRun { execution, run, .. }) => self.child_finished(id, RunKey { execution, id: run }),
            Some(Parent::Task { execution, task }) => {
                let end = Box::new(child_end(active, now));
                self.nested.remove(&(execution, task));
                self.acts.push(Act::TellParent { execution, task, end });
                self.changed(id);
            }
            None => self.changed(id),
        }
    }

    fn changed(&mut self, id: ExecutionId) {
        // AWS tells nobody of Express executions.
        let Some(active) = self.active.get(&id).filter(|active| !active.row.is_express) else { return };
        self.acts.push(Act::Changed(StatusChange {
            execution_arn: active.about.execution_arn.clone(),
            machine_arn: active.row.machine_arn.clone(),
            status: active.row.status,
            started_at: active.row.started_at,
            stopped_at: active.row.stopped_at,
            failure: match &active.execution.status {
                Status::Failed(failure) | Status::Aborted(failure) => Some(failure.clone()),
                _ => None,
            },
        }));
    }

    fn sweep_timers(&mut self) {
        let active = &self.active;
        self.timers.sweep(|id, timer, at| {
            active.get(&id).is_some_and(|active| active.execution.timers().contains(&(timer, at)))
        });
    }

    /// Is there anything to commit or to answer?
    pub fn has_work(&self) -> bool {
        // A batch that is full of inputs which changed nothing is sealed too: only that makes room for more.
        !self.dirty.is_empty()
            || !self.acts.is_empty()
            || !self.writes.is_empty()
            || !self.changed_runs.is_empty()
            || self.is_full()
    }

    /// Has the open batch reached one of its limits?
    pub fn is_full(&self) -> bool {
        self.dirty_bytes >= BATCH_BYTES_MAX || self.inputs >= BATCH_INPUTS_MAX || self.acts.len() >= BATCH_ACTS_MAX
    }

    /// Closes the open batch: the writes to commit, and the acts to perform once that is done.
    pub fn seal(&mut self) -> (Batch, Vec<Act>) {
        let mut writes = std::mem::take(&mut self.writes);
        let beside = writes.len();
        writes.reserve(self.dirty.len() + 8);
        self.write_runs(&mut writes);
        for id in std::mem::take(&mut self.dirty) {
            if let Some(active) = self.active.get_mut(&id) {
                self.tally.moved.extend(active.moved());
                let events = match self.limits.is_volatile {
                    true => written(active),
                    false => write(id, active, &mut self.packer, &mut writes),
                };
                if active.revision.is_logged {
                    self.acts.push(Act::Log(Box::new(active.logged(events))));
                }
                if active.execution.status.is_terminal() {
                    self.active.remove(&id);
                    // There is room for another.
                    self.pumping.append(&mut self.starved);
                } else {
                    self.warm.add(id, active);
                }
            }
        }
        self.sweep.note_written(writes.len() - beside);
        self.warm.cool(&mut self.active);
        self.give_taken();
        let acts = self.still_wanted();
        self.dirty_bytes = 0;
        self.inputs = 0;
        self.sealed_ending = std::mem::take(&mut self.ending);
        // INVARIANT: one batch is on its way at a time, so what is sealed was counted, and is empty.
        std::mem::swap(&mut self.tally, &mut self.sealed_tally);
        self.batch += 1;
        if let Some(witness) = &self.witness {
            witness.sealed(self.shard);
        }
        // What was given up has freed its slot, and no other input need come to use it.
        self.start_waiting_tasks();
        (Batch { shard: self.shard, epoch: self.epoch, writes }, acts)
    }

    /// The acts of the batch, but for tasks that were given up in the same batch: nobody waits for those, and they
    /// might take effect after their compensation.
    fn still_wanted(&mut self) -> Vec<Act> {
        let mut acts = std::mem::take(&mut self.acts);
        acts.retain(|act| {
            let (id, task) = match act {
                Act::Run { id, task, .. } => (*id, task.task),
                Act::HandOver { id, task, .. } => (*id, *task),
                _ => return true,
            };
            let is_open = self.active.get(&id).is_some_and(|active| active.execution.task(task).is_some());
            if !is_open {
                self.running_tasks.remove(&(id, task));
            }
            is_open
        });
        acts
    }

    /// The sealed batch is durable: the names of what it ended are found in the store from now on.
    pub fn committed(&mut self) {
        for ending in std::mem::take(&mut self.sealed_ending) {
            self.names.remove(&(ending.machine, ending.name));
        }
        self.figures.count(&mut self.sealed_tally);
        // One batch is on its way at a time.
        self.durable_batch = self.batch - 1;
        self.pumping.append(&mut self.unreadable_yet);
    }
}

fn machine_deleted() -> Failure {
    Failure::named("States.StateMachineDeleted")
}

fn is_activity(active: &Active, frame: &Frame) -> bool {
    let definition = active.revision.definition().expect("INVARIANT: a loaded execution's definition can be run");
    match &definition.state(frame.state).kind {
        Kind::Task(task) => matches!(task.resource, Resource::Activity { .. }),
        _ => false,
    }
}

fn child_end(active: &Active, now: Timestamp) -> ChildEnd {
    let (output, failure) = match &active.execution.status {
        Status::Succeeded(output) => (Some(output.clone()), None),
        Status::Failed(failure) | Status::Aborted(failure) => (None, Some(failure.clone())),
        Status::Fresh | Status::Running | Status::TimedOut => (None, None),
    };
    ChildEnd {
        execution_arn: active.about.execution_arn.clone(),
        machine_arn: active.row.machine_arn.clone(),
        name: active.row.name.clone(),
        status: active.row.status,
        input: active.about.input.clone(),
        output,
        failure,
        started_at: active.row.started_at,
        stopped_at: now,
    }
}

/// About what these events add to a record: each payload once, when it follows itself.
fn written_bytes(events: &[HistoryEvent]) -> usize {
    let mut last: Option<&Payload> = None;
    let mut bytes = 0;
    for event in events {
        bytes += EVENT_BYTES;
        if let Some(payload) = event.kind.payload() {
            bytes += if last.is_some_and(|last| last.is(payload)) { 0 } else { payload.size() };
            last = Some(payload);
        }
        bytes += event.kind.variables().iter().map(|(_, value)| value.size()).sum::<usize>();
    }
    bytes
}

fn states_entered(events: &[HistoryEvent]) -> u64 {
    events.iter().filter(|event| matches!(event.kind, EventKind::StateEntered { .. })).count() as u64
}

/// About how large the snapshot of an execution is.
fn snapshot_bytes(execution: &Execution) -> usize {
    let of_frame = |frame: &Frame| {
        let item = frame.item.as_ref().map_or(0, Payload::size);
        frame.input.size()
            + item
            + frame.variables.values().map(Payload::size).sum::<usize>()
            + match &frame.wait {
                Wait::Map(map) => map.pending.iter().chain(map.results.iter().flatten()).map(Payload::size).sum(),
                Wait::Parallel(branches) => branches.iter().map(branch_bytes).sum(),
                _ => 0,
            }
    };
    execution.frames.iter().chain(&execution.unfinished).map(of_frame).sum()
}

/// What its tasks were asked, which its snapshot holds as well.
fn asked_bytes(execution: &Execution) -> usize {
    let asked = |frame: &Frame| match &frame.wait {
        Wait::Task(task) => match &task.phase {
            Phase::Scheduled(input) | Phase::Started { again: Some(input) } => input.size(),
            Phase::Answered { again, outcome } => again.iter().chain(outcome.as_ref().ok()).map(Payload::size).sum(),
            Phase::Started { again: None } | Phase::Submitted { .. } => 0,
        },
        _ => 0,
    };
    execution.frames.iter().chain(&execution.unfinished).map(asked).sum()
}

fn branch_bytes(branch: &Branch) -> usize {
    match branch {
        Branch::Done(output) => output.size(),
        Branch::Running(_) => 0,
    }
}

/// The writes of one execution: its record, and its row and list entry when it starts or ends. Gives the events that
/// are in the record.
fn write(id: ExecutionId, active: &mut Active, packer: &mut Packer, writes: &mut Vec<Write>) -> Vec<HistoryEvent> {
    let is_over = active.execution.status.is_terminal();
    if active.row.is_express && active.row.parent.is_none() && is_over {
        forget(id, active, writes);
        return written(active);
    }
    let (row, machine) = (&active.row, active.row.machine);
    let listed = listed_under(row);
    if active.is_new && !(row.is_express && row.parent.is_none()) {
        let value = keys::execution(id);
        writes.push(Write::Put { space: Space::Names, key: keys::name(machine, &row.name), value });
    }
    if active.is_new || is_over {
        let value = record::encode_row(row);
        writes.push(Write::Put { space: Space::Executions, key: keys::execution(id), value });
        writes.push(Write::Put {
            space: Space::Listing,
            key: keys::listing(listed, row.status, id),
            value: Vec::new(),
        });
    }
    if is_over && !active.is_new {
        let key = keys::listing(listed, ExecutionStatus::Running, id);
        writes.push(Write::Delete { space: Space::Listing, key });
    }
    // One that ended badly may be redriven, which needs what it was about to do.
    let snapshot = (!is_over || !active.execution.unfinished.is_empty()).then_some(&active.execution);
    let apart = snapshot.filter(|execution| snapshot_bytes(execution) > SNAPSHOT_APART_BYTES);
    let plain = record::encode_record(&active.events, if apart.is_none() { snapshot } else { None });
    let value = packer.pack(id, active.seq, plain, is_over);
    writes.push(Write::Put { space: Space::Records, key: keys::record(id, active.seq), value });
    let key = keys::snapshot(id);
    match apart {
        Some(execution) => {
            let value = record::encode_apart(execution);
            writes.push(Write::Put { space: Space::Records, key, value });
        }
        None if active.is_apart => writes.push(Write::Delete { space: Space::Records, key }),
        None => {}
    }
    active.is_apart = apart.is_some();
    active.seq += 1;
    written(active)
}

/// The events of the open batch are where they belong.
fn written(active: &mut Active) -> Vec<HistoryEvent> {
    active.is_dirty = false;
    active.is_new = false;
    active.is_redriven = false;
    std::mem::take(&mut active.events)
}

/// Nobody can ask for an Express execution that has ended: its history is its log.
fn forget(id: ExecutionId, active: &Active, writes: &mut Vec<Write>) {
    if active.is_new {
        return;
    }
    let listed = keys::listing(listed_under(&active.row), ExecutionStatus::Running, id);
    writes.push(Write::Delete { space: Space::Listing, key: listed });
    writes.push(Write::Delete { space: Space::Executions, key: keys::execution(id) });
    for seq in 0..active.seq {
        writes.push(Write::Delete { space: Space::Records, key: keys::record(id, seq) });
    }
    if active.is_apart {
        writes.push(Write::Delete { space: Space::Records, key: keys::snapshot(id) });
    }
}

/// The list of a machine's executions shows neither those of its Map Runs nor Express executions; they have one of
/// their own.
fn listed_under(row: &Row) -> u32 {
    match row.parent {
        Some(Parent::MapRun { .. }) => keys::CHILDREN | row.machine,
        _ if row.is_express => keys::CHILDREN | row.machine,
        _ => row.machine,
    }
}

fn about(id: ExecutionId, revision: &Revision, row: &Row, execution_arn: Arc<str>, input: Payload) -> About {
    About {
        execution_arn,
        execution_name: row.name.clone(),
        machine_arn: row.machine_arn.clone(),
        machine_name: revision.machine_name.clone(),
        role_arn: revision.role_arn.clone(),
        started_at: row.started_at,
        input,
        key: id.0,
        is_express: row.is_express,
    }
}

fn run_task(active: &Active, task: TaskId, state: StateId, wait: &TaskWait, input: &Payload) -> RunTask {
    let definition = active.revision.definition().expect("INVARIANT: a loaded execution's definition can be run");
    let state = definition.state(state);
    let Kind::Task(definition) = &state.kind else {
        unreachable!("INVARIANT: only a Task state waits for a task");
    };
    RunTask {
        task,
        state: state.name.clone(),
        resource: definition.resource.clone(),
        input: input.clone(),
        role_arn: wait.role_arn.clone(),
        secret: wait.secret,
    }
}

/// The input in an execution's first record.
pub(crate) fn started_input(first_record: &[u8]) -> Result<Option<Payload>, Error> {
    Ok(input_in(record::decode_events(first_record)?))
}

fn input_in(events: Vec<HistoryEvent>) -> Option<Payload> {
    events.into_iter().find_map(|event| match event.kind {
        interpreter::EventKind::ExecutionStarted { input } => Some(input),
        _ => None,
    })
}

pub(crate) fn decode_id(value: &[u8]) -> Result<ExecutionId, Error> {
    let bytes = value.try_into().map_err(|_| unreadable("a name's entry", &"it is not an execution id"))?;
    Ok(ExecutionId(u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{Created, NewMachine};

    #[test]
    fn an_execution_whose_machine_is_gone_is_not_forgotten() {
        let store: Arc<dyn Store> = Arc::new(store::Memory::new());
        let machines = Arc::new(Machines::open(store.clone()).unwrap());
        let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
        let create = || {
            let new = NewMachine {
                arn: arn.into(),
                name: "m".into(),
                role_arn: "role".into(),
                definition: r#"{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":9,"End":true}}}"#.into(),
                tags: Default::default(),
                settings: Default::default(),
            };
            match machines.create(new, Timestamp(0)).unwrap() {
                Created::New(machine) => machine,
                other => panic!("{other:?}"),
            }
        };
        let recover = || {
            let limits = Limits {
                running_tasks_max: 1,
                open_executions_max: 9,
                shards: 1,
                is_volatile: false,
                retention_ms: crate::limits::RETENTION_MS,
            };
            Core::recover(ShardId(0), store.clone(), machines.clone(), limits, Timestamp(0), 1).unwrap()
        };
        // Its start is on its way while its machine is deleted and made anew.
        let mut core = recover();
        let start = Start::new(create().revision.clone(), Payload::parse("1").unwrap());
        core.start(start, drop);
        let (batch, _) = core.seal();
        machines.delete(arn).unwrap();
        assert_eq!(create().number, 2);
        store::commit_and_wait(&*store, batch).unwrap();

        let mut core = recover();
        assert_eq!(core.gauges().open_executions, 1);
        core.set_time(Timestamp(9000));
        core.go_on();
        core.seal();
        assert_eq!(core.gauges().open_executions, 0, "it ends at its next transition");
    }
}

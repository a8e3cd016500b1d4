//! Map Runs carried out: items come in, executions start, so many at a time, and what becomes of them is counted.
//!
//! ```text
//!  StartMapRun ─> items (from the input, or read by the runner) ─> inputs, durable ─> executions ─> counted
//!                                                                                        │
//!  MapRunFinished <─ results (gathered, or written by the runner) <─ all over ───────────┘
//! ```
//!
//! A run belongs to the shard of its execution, and so do its executions: their ends and the run's progress are in
//! one batch. Whatever there may be much of is done from [`Core::go_on`] only, one bounded batch after another: items that
//! came in, executions to start, those of an earlier round to count, those to stop.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use asl::definition::Kind;
use interpreter::{Execution, Failure, InputKind, ItemInputs, MapRunId, Payload, Setting, Source, StartMapRun, Status};
use store::{Order, Write, prefix_end};

use super::{Act, Active, Core, Owed, about, machine_deleted, not_redrivable};
use crate::error::{Error, MapRunError};
use crate::keys::{self, ExecutionId};
use crate::limits::{BATCH_BYTES_MAX, MAP_RUN_CONCURRENCY_MAX};
use crate::map_run::{self, Batching, CHUNK_BYTES, ChildInput, Counts, MapRunRow, MapRunStatus, RunKey, SPACE};
use crate::record::{ExecutionStatus, Parent, Row, unreadable};
use crate::task::{Errand, ReadItems, WriteResults};

/// Results that are kept until the end: an array over the limit of a payload fails in any case.
const RESULTS_BYTES_MAX: usize = interpreter::limits::PAYLOAD_BYTES_MAX;

pub(super) struct MapRun {
    row: MapRunRow,
    stage: Stage,
    /// Inputs of the executions that start next.
    inputs: VecDeque<ChildInput>,
    /// Number of the next execution to start.
    next: u32,
    running: HashMap<ExecutionId, u32>,
    /// Those that were loaded with the run: they count themselves, also if they end before all are counted again.
    joined: HashSet<u32>,
    /// Outputs by number, unless a writer takes them from the store.
    results: BTreeMap<u32, Payload>,
    results_bytes: usize,
    /// The batch that holds the last of its inputs: they can be read when it is durable.
    written_in: u64,
    /// Executions that did not succeed before the run was redriven, and go on when there is room.
    redriving: VecDeque<ToRedrive>,
}

enum Stage {
    /// It was asked for, or loaded.
    New,
    /// Its executions are counted again, from this row on.
    TakingUp {
        from: Vec<u8>,
    },
    Reading(Reading),
    /// Executions start and end.
    Open,
    /// The writer is at work: nothing else is left to do.
    Writing(Errand),
}

#[derive(Clone, Copy)]
struct ToRedrive {
    number: u32,
    id: ExecutionId,
    items: u32,
    /// How it ended before.
    status: ExecutionStatus,
}

/// Items that come in.
struct Reading {
    errand: Errand,
    /// Those of the last portion that have not been looked at.
    rest: VecDeque<Payload>,
    is_last: bool,
    /// Called when they are durable.
    reply: Option<Taken>,
    batching: Batching,
    items: u32,
    first: u32,
    chunk: Vec<ChildInput>,
    chunk_bytes: usize,
    /// Inputs that were made since this was looked at.
    made_bytes: usize,
}

/// Is told whether more items are wanted.
type Taken = Box<dyn FnOnce(bool) + Send>;

/// What an update may change.
#[derive(Clone, Copy, Debug, Default)]
pub struct MapRunUpdate {
    pub max_concurrency: Option<u64>,
    pub tolerated_failure_count: Option<u64>,
    pub tolerated_failure_percentage: Option<f64>,
}

impl MapRunUpdate {
    pub fn is_empty(&self) -> bool {
        self.max_concurrency.is_none()
            && self.tolerated_failure_count.is_none()
            && self.tolerated_failure_percentage.is_none()
    }
}

impl Core {
    /// It is there from now on, and begins with the next [`Core::go_on`].
    pub(super) fn start_map_run(&mut self, id: ExecutionId, plan: StartMapRun) {
        let key = RunKey { execution: id, id: plan.id };
        let active = &self.active[&id];
        let state = active.execution.frame(plan.id.frame).map(|frame| frame.state);
        let definition = active.revision.definition().expect("INVARIANT: a loaded execution's definition can be run");
        let state = state.map_or_else(|| Arc::from(""), |state| definition.state(state).name.clone());
        let machine_arn = labelled(&plan.arn);
        let (arn, execution_arn) = (plan.arn.clone(), active.about.execution_arn.clone());
        let row = MapRunRow::new(plan, execution_arn, machine_arn, state, self.now);
        self.writes.push(Write::Put { space: SPACE, key: map_run::by_arn(&arn), value: key.value() });
        self.map_runs.insert(key, MapRun::new(row));
        self.run_changed(key);
        self.beginning.push_back(key);
    }

    /// Likewise, for one that has ended.
    pub(super) fn redrive_map_run(&mut self, key: RunKey) {
        // One that cannot be read is missed when it is to begin.
        if let Ok(Some(mut row)) = self.stored_run(key) {
            row.status = MapRunStatus::Running;
            row.stopped_at = None;
            row.redrive_count += 1;
            row.redriven_at = Some(self.now);
            self.map_runs.insert(key, MapRun::new(row));
            self.run_changed(key);
        }
        self.beginning.push_back(key);
    }

    pub(super) fn stored_run(&self, key: RunKey) -> Result<Option<MapRunRow>, Error> {
        self.store.get(SPACE, &key.row())?.map(|row| MapRunRow::decode(&row)).transpose()
    }

    /// Goes on with what comes before a run starts anything, one portion of each until the batch is full.
    pub(super) fn begin_runs(&mut self) {
        // How an execution of an earlier round was stopped is known when that is durable.
        if !self.owed.is_empty() || self.owed_in > self.durable_batch {
            return;
        }
        for _ in 0..self.beginning.len() {
            if self.is_full() {
                return;
            }
            let Some(key) = self.beginning.pop_front() else { return };
            if let Err(error) = self.begin_run(key) {
                self.end_run(key, Err(cannot_go_on(&error.to_string())));
            }
        }
    }

    /// Reads the items, or goes on with what was made of them.
    fn begin_run(&mut self, key: RunKey) -> Result<(), Error> {
        let Some(run) = self.map_runs.get_mut(&key) else {
            // If it was cancelled meanwhile, nobody waits for it, and this is refused.
            self.apply(key.execution, InputKind::MapRunFinished(key.id, Err(cannot_go_on("it is not there any more"))));
            return Ok(());
        };
        match run.stage {
            Stage::New if run.row.is_read => run.take_up(key),
            Stage::New => {
                self.forget_inputs(key)?;
                self.begin_reading(key);
                return Ok(());
            }
            Stage::Reading(_) => {
                self.read_on(key);
                return Ok(());
            }
            Stage::TakingUp { .. } => {}
            Stage::Open | Stage::Writing(_) => return Ok(()),
        }
        let mut run = self.map_runs.remove(&key).expect("INVARIANT: it was there a moment ago");
        let is_over = self.take_up_some(key, &mut run);
        self.map_runs.insert(key, run);
        // The shard goes on after this batch.
        self.run_changed(key);
        match is_over? {
            true => drop(self.pumping.insert(key)),
            false => self.beginning.push_back(key),
        }
        Ok(())
    }

    /// What an earlier reading has left, which the next need not overwrite.
    fn forget_inputs(&mut self, key: RunKey) -> Result<(), Error> {
        let prefix = key.chunks();
        let (mut from, to) = (prefix.clone(), prefix_end(&prefix));
        // A chunk is large, so one after another.
        while let Some((chunk, _)) = self.store.scan(SPACE, &from..&to, Order::Ascending, 1)?.pop() {
            from = [&chunk[..], &[0]].concat();
            self.writes.push(Write::Delete { space: SPACE, key: chunk });
        }
        Ok(())
    }

    fn begin_reading(&mut self, key: RunKey) {
        let errand = self.errand(key);
        let Some(run) = self.map_runs.get_mut(&key) else { return };
        let mut reading = Reading::new(errand, &run.row.plan);
        (run.row.executions, run.row.items) = Default::default();
        let source = run.row.plan.source.clone();
        match source {
            Source::Items(items) => {
                let items = items.value().as_array().into_iter().flatten();
                reading.rest = items.cloned().map(Payload::from_value).collect();
                reading.is_last = true;
                run.stage = Stage::Reading(reading);
                self.run_changed(key);
                self.read_on(key);
            }
            Source::Reader { resource, parameters, config, max_items } => {
                run.stage = Stage::Reading(reading);
                self.run_changed(key);
                self.acts.push(Act::ReadItems(errand, ReadItems { resource, parameters, config, max_items }));
            }
            Source::Unusable(failure) => self.end_run(key, Err(failure)),
        }
    }

    /// The number is not one of an earlier term either.
    fn errand(&self, run: RunKey) -> Errand {
        Errand { run, number: self.entropy.next() }
    }

    /// Items that were read; `reply` is called when they are durable. False if nobody wants more of them.
    pub fn items_read(
        &mut self,
        errand: Errand,
        items: Vec<Payload>,
        is_last: bool,
        reply: impl FnOnce(bool) + Send + 'static,
    ) {
        self.inputs += 1;
        let Some(reading) = self.reading_of(errand) else {
            return self.acts.push(Act::Reply(Box::new(move || reply(false))));
        };
        reading.rest.extend(items);
        reading.is_last = is_last;
        reading.reply = Some(Box::new(reply));
        self.read_on(errand.run);
    }

    fn reading_of(&mut self, errand: Errand) -> Option<&mut Reading> {
        match &mut self.map_runs.get_mut(&errand.run)?.stage {
            Stage::Reading(reading) if reading.errand == errand => Some(reading),
            _ => None,
        }
    }

    /// The items cannot be read.
    pub fn items_failed(&mut self, errand: Errand, failure: Failure) {
        self.inputs += 1;
        if self.reading_of(errand).is_some() {
            self.end_run(errand.run, Err(failure));
        }
    }

    /// Makes inputs of items that came in, until the batch is full.
    fn read_on(&mut self, key: RunKey) {
        let (now, entropy) = (self.now, self.entropy.next());
        let Some(active) = self.active.get(&key.execution) else { return };
        let Some(run) = self.map_runs.get_mut(&key) else { return };
        let Stage::Reading(reading) = &mut run.stage else { return };
        let definition = active.revision.definition().expect("INVARIANT: a loaded execution's definition can be run");
        let setting = Setting::new(definition, &active.about);
        let mut inputs = ItemInputs::new(&setting, &active.execution, key.id);
        while self.dirty_bytes < BATCH_BYTES_MAX
            && let Some(item) = reading.rest.pop_front()
        {
            let index = reading.items;
            let input = inputs
                .select(now, entropy.wrapping_add(u64::from(index)), index, &item)
                .and_then(|input| reading.push(input, &mut run.row, &mut run.inputs, key, &mut self.writes));
            self.dirty_bytes += std::mem::take(&mut reading.made_bytes);
            if let Err(failure) = input {
                return self.end_run(key, Err(failure));
            }
        }
        if !reading.rest.is_empty() {
            return self.beginning.push_back(key);
        }
        let reply = reading.reply.take();
        if reading.is_last {
            if let Err(failure) = reading.finish(&mut run.row, &mut run.inputs, key, &mut self.writes) {
                return self.end_run(key, Err(failure));
            }
            run.stage = Stage::Open;
            run.row.is_read = true;
            run.written_in = self.batch;
            if let Source::Items(items) = &mut run.row.plan.source {
                // They are in the inputs now; the row is written often, and need not carry them along.
                *items = Payload::from_checked_text("[]");
            }
            // Only as many as one chunk stay in memory; the rest is read again when its turn comes.
            run.forget_far_inputs();
            self.run_changed(key);
            self.pumping.insert(key);
        }
        self.acts.extend(reply.map(|reply| Act::Reply(Box::new(move || reply(true)))));
    }

    /// Starts what may be started, of every run that has something to start, until the batch is full.
    pub(super) fn pump(&mut self) {
        while !self.is_full() {
            let Some(key) = self.pumping.pop_first() else { return };
            if let Err(error) = self.pump_run(key) {
                self.end_run(key, Err(cannot_go_on(&error.to_string())));
            }
        }
    }

    fn pump_run(&mut self, key: RunKey) -> Result<(), Error> {
        loop {
            let is_full = self.is_full();
            let Some(run) = self.map_runs.get_mut(&key) else { return Ok(()) };
            if !matches!(run.stage, Stage::Open) {
                return Ok(());
            }
            if run.row.is_exceeded() {
                self.end_run(key, Err(exceeded()));
                return Ok(());
            }
            if run.is_over() {
                self.finish_run(key);
                return Ok(());
            }
            if run.running.len() >= run.concurrency() || !run.has_more() {
                return Ok(());
            }
            // Rather than to start executions which end at once.
            if self.deleting.contains(&self.active[&key.execution].row.machine) {
                self.apply(key.execution, InputKind::Stop(machine_deleted()));
                return Ok(());
            }
            if self.active.len() >= self.limits.open_executions_max {
                self.starved.insert(key);
                return Ok(());
            }
            if is_full {
                self.pumping.insert(key);
                return Ok(());
            }
            if let Some(child) = run.next_to_redrive() {
                self.redrive_child(key, child)?;
                continue;
            }
            if run.inputs.is_empty() {
                if run.written_in > self.durable_batch {
                    self.unreadable_yet.insert(key);
                    return Ok(());
                }
                run.inputs = load_inputs(&*self.store, key, run.next)?;
            }
            let number = run.next;
            let input = run.inputs.pop_front().ok_or_else(|| missing_input(number))?;
            run.next += 1;
            self.start_child(key, number, input);
        }
    }

    fn start_child(&mut self, key: RunKey, number: u32, input: ChildInput) {
        self.run_changed(key);
        let parent = &self.active[&key.execution];
        let (revision, parent_row) = (parent.revision.clone(), &parent.row);
        let definition = revision.definition().expect("INVARIANT: a loaded execution's definition can be run");
        let block = parent.execution.frame(key.id.frame).map(|frame| match &definition.state(frame.state).kind {
            Kind::Map(map) => map.processor,
            _ => unreachable!("INVARIANT: only a Map state waits for a Map Run"),
        });
        let Some(block) = block else { return };
        let row = Row {
            machine: parent_row.machine,
            revision: parent_row.revision,
            version: parent_row.version,
            alias: parent_row.alias.clone(),
            trace_header: parent_row.trace_header.clone(),
            machine_arn: self.map_runs[&key].row.machine_arn.clone(),
            name: self.make_name(),
            status: ExecutionStatus::Running,
            started_at: self.now,
            stopped_at: None,
            parent: Some(Parent::MapRun { execution: key.execution, run: key.id, index: number }),
            is_express: self.map_runs[&key].row.plan.is_express,
            redrive_count: 0,
            redriven_at: None,
        };
        // They stay together however the number of shards changes.
        let id = self.next_id(key.execution.shard());
        let execution_arn: Arc<str> = keys::execution_arn(&row.machine_arn, &row.name).into();
        let value = map_run::child_value(id, self.map_runs[&key].row.redrive_count);
        self.writes.push(Write::Put { space: SPACE, key: key.child(number), value });
        let mut execution = Execution::new();
        execution.block = block;
        let active = Active {
            about: about(id, &revision, &row, execution_arn, input.input),
            row,
            revision,
            execution,
            seq: 0,
            events: Vec::new(),
            is_dirty: false,
            is_new: true,
            is_redriven: false,
            is_apart: false,
            items: input.items,
            on_end: None,
        };
        self.take_in(id, active);
        let run = self.map_runs.get_mut(&key).expect("INVARIANT: a run that starts something is there");
        run.running.insert(id, number);
        run.row.executions.running += 1;
        run.row.items.running += u64::from(input.items);
        self.apply(id, InputKind::Start);
    }

    /// An execution of a run has ended, in the batch that is open.
    pub(super) fn child_finished(&mut self, id: ExecutionId, key: RunKey) {
        let Some(active) = self.active.get(&id) else { return };
        let (items, status) = (u64::from(active.items), active.execution.status.clone());
        let Some(run) = self.map_runs.get_mut(&key) else { return };
        let Some(number) = run.running.remove(&id) else { return };
        run.count(items, ExecutionStatus::from(&status), true);
        if let Status::Succeeded(output) = status {
            run.keep(number, output);
        }
        // Before all are counted again nothing can be said of them together.
        let is_exceeded = run.row.is_exceeded() && matches!(run.stage, Stage::Open);
        self.run_changed(key);
        if is_exceeded {
            return self.end_run(key, Err(exceeded()));
        }
        self.pumping.insert(key);
    }

    /// Every execution is over: the results are the outcome.
    fn finish_run(&mut self, key: RunKey) {
        let errand = self.errand(key);
        let Some(run) = self.map_runs.get_mut(&key) else { return };
        if let Some(writer) = run.row.plan.writer.clone() {
            run.stage = Stage::Writing(errand);
            let (arn, counts) = (run.row.plan.arn.clone(), run.row.executions);
            self.acts.push(Act::WriteResults(errand, WriteResults { run: key, arn, counts, writer }));
            return;
        }
        run.row.executions.results_written = run.row.executions.succeeded;
        run.row.items.results_written = run.row.items.succeeded;
        let outcome = match run.results_bytes > RESULTS_BYTES_MAX {
            true => Err(interpreter::too_large(&run.row.state)),
            false => Ok(Payload::array(run.results.values())),
        };
        self.end_run(key, outcome);
    }

    /// The results are where the author wants them, or cannot be put there.
    pub fn results_written(&mut self, errand: Errand, outcome: Result<Payload, Failure>) {
        self.inputs += 1;
        let is_its = |run: &&mut MapRun| matches!(run.stage, Stage::Writing(writing) if writing == errand);
        let Some(run) = self.map_runs.get_mut(&errand.run).filter(is_its) else { return };
        if outcome.is_ok() {
            run.row.executions.results_written = run.row.executions.total;
            run.row.items.results_written = run.row.items.total;
        }
        self.end_run(errand.run, outcome);
    }

    fn end_run(&mut self, key: RunKey, outcome: Result<Payload, Failure>) {
        let status = if outcome.is_ok() { MapRunStatus::Succeeded } else { MapRunStatus::Failed };
        self.close_run(key, status);
        self.apply(key.execution, InputKind::MapRunFinished(key.id, outcome));
    }

    /// Nobody waits for the run any more.
    pub(super) fn cancel_map_run(&mut self, id: ExecutionId, run: MapRunId) {
        self.close_run(RunKey { execution: id, id: run }, MapRunStatus::Aborted);
    }

    /// The run is over; what still runs of it is stopped, as soon as there is room for all of that.
    fn close_run(&mut self, key: RunKey, status: MapRunStatus) {
        let Some(mut run) = self.map_runs.remove(&key) else { return };
        if matches!(run.stage, Stage::New) && run.row.is_read {
            run.take_up(key);
        }
        // What cannot be read is not counted.
        while matches!(run.stage, Stage::TakingUp { .. }) && self.take_up_some(key, &mut run).is_ok() {}
        if let Stage::Reading(Reading { reply: Some(reply), .. }) = std::mem::replace(&mut run.stage, Stage::Open) {
            self.acts.push(Act::Reply(Box::new(move || reply(false))));
        }
        let mut running: Vec<ExecutionId> = run.running.keys().copied().collect();
        running.sort_unstable();
        for id in running {
            let items = self.active.get(&id).map_or(0, |active| u64::from(active.items));
            run.count(items, ExecutionStatus::Aborted, true);
            let stop = InputKind::Stop(Failure::default());
            match self.is_full() {
                true => self.owed.push_back(Owed::Input(id, stop)),
                false => drop(self.apply(id, stop)),
            }
        }
        // What was to be redriven stays as it ended.
        while let Some(child) = run.next_to_redrive() {
            let status = match child.status {
                // It is still to be stopped.
                ExecutionStatus::Running => ExecutionStatus::Aborted,
                other => other,
            };
            run.count(u64::from(child.items), status, false);
        }
        run.row.status = status;
        run.row.stopped_at = Some(self.now);
        self.changed_runs.remove(&key);
        self.dirty_bytes += run.row_bytes();
        self.writes.push(Write::Put { space: SPACE, key: key.row(), value: run.row.encode() });
    }

    /// Changes the limits of a run that goes on.
    pub fn update_map_run(
        &mut self,
        key: RunKey,
        update: MapRunUpdate,
        reply: impl FnOnce(Result<(), MapRunError>) + Send + 'static,
    ) {
        let answer = self.try_update_map_run(key, update);
        self.acts.push(Act::Reply(Box::new(move || reply(answer))));
    }

    fn try_update_map_run(&mut self, key: RunKey, update: MapRunUpdate) -> Result<(), MapRunError> {
        let run = self.map_runs.get_mut(&key).ok_or(MapRunError::Completed)?;
        let plan = &mut run.row.plan;
        if let Some(most) = update.max_concurrency {
            plan.concurrency = (most > 0).then_some(most);
        }
        plan.tolerated_failure_count = update.tolerated_failure_count.or(plan.tolerated_failure_count);
        plan.tolerated_failure_percentage = update.tolerated_failure_percentage.or(plan.tolerated_failure_percentage);
        self.run_changed(key);
        self.pumping.insert(key);
        Ok(())
    }

    /// Its row is to be written with the open batch.
    fn run_changed(&mut self, key: RunKey) {
        if self.changed_runs.insert(key) {
            self.dirty_bytes += self.map_runs.get(&key).map_or(0, MapRun::row_bytes);
        }
    }

    /// The rows of the runs that have changed, for the batch that is being sealed.
    pub(super) fn write_runs(&mut self, writes: &mut Vec<Write>) {
        for key in std::mem::take(&mut self.changed_runs) {
            if let Some(run) = self.map_runs.get(&key) {
                writes.push(Write::Put { space: SPACE, key: key.row(), value: run.row.encode() });
            }
        }
    }

    /// Loads a run that was open.
    pub(super) fn load_run(&mut self, key: RunKey) -> Result<(), Error> {
        let row = self.stored_run(key)?.ok_or_else(|| unreadable("a Map Run", &"its row is missing"))?;
        self.map_runs.insert(key, MapRun::new(row));
        Ok(())
    }

    /// An execution of a run was loaded: it counts as running.
    pub(super) fn join_run(&mut self, id: ExecutionId) {
        let Some(active) = self.active.get_mut(&id) else { return };
        let Some(Parent::MapRun { execution, run: run_id, index }) = active.row.parent else { return };
        let Some(run) = self.map_runs.get_mut(&RunKey { execution, id: run_id }) else { return };
        active.items = items_of(&active.about.input, run.row.plan.batcher.is_some());
        run.running.insert(id, index);
        run.joined.insert(index);
        let round = run.row.redrive_count;
        if round > 0 {
            // Its stop may have been on its way when the run was redriven: it goes on, and counts for this round.
            let value = map_run::child_value(id, round);
            let key = RunKey { execution, id: run_id }.child(index);
            self.writes.push(Write::Put { space: SPACE, key, value });
        }
        run.count(u64::from(active.items), ExecutionStatus::Running, false);
    }

    /// Counts some executions of a run that was loaded. True when all are counted.
    fn take_up_some(&mut self, key: RunKey, run: &mut MapRun) -> Result<bool, Error> {
        const PAGE: usize = 200;
        let from = match std::mem::replace(&mut run.stage, Stage::Open) {
            Stage::TakingUp { from } => from,
            other => {
                run.stage = other;
                return Ok(true);
            }
        };
        let page = self.store.scan(SPACE, &from..&prefix_end(&key.children()), Order::Ascending, PAGE)?;
        for (row_key, value) in &page {
            let number = map_run::number(row_key).ok_or_else(|| unreadable("a Map Run", &"a key is too short"))?;
            let (id, round) = map_run::read_child(value)?;
            run.next = run.next.max(number + 1);
            if !run.joined.contains(&number) {
                self.take_up_child(run, number, id, round)?;
            }
        }
        run.stage = match page.last() {
            Some((key, _)) if page.len() == PAGE => Stage::TakingUp { from: [&key[..], &[0]].concat() },
            _ => {
                run.joined = HashSet::new();
                Stage::Open
            }
        };
        Ok(matches!(run.stage, Stage::Open))
    }

    fn take_up_child(&mut self, run: &mut MapRun, number: u32, id: ExecutionId, round: u32) -> Result<(), Error> {
        let reader = crate::reader::Reader::new(self.store.clone(), self.machines.clone());
        let row = reader.row(id)?;
        let items = match run.row.plan.batcher {
            Some(_) => items_of(&reader.input(id)?, true),
            None => 1,
        };
        if row.status != ExecutionStatus::Succeeded && round < run.row.redrive_count {
            run.put_back(ToRedrive { number, id, items, status: row.status });
            return Ok(());
        }
        run.count(u64::from(items), row.status, false);
        if row.status == ExecutionStatus::Succeeded && run.row.plan.writer.is_none() {
            let output = reader.outcome(id)?.0;
            run.keep(number, output.unwrap_or_else(|| Payload::from_checked_text("null")));
        }
        Ok(())
    }

    /// An execution that did not succeed goes on, or is started anew if it is an Express one.
    fn redrive_child(&mut self, key: RunKey, child: ToRedrive) -> Result<(), Error> {
        self.run_changed(key);
        if self.map_runs[&key].row.plan.is_express {
            let input = load_inputs(&*self.store, key, child.number)?.pop_front();
            let input = input.ok_or_else(|| missing_input(child.number))?;
            self.start_child(key, child.number, input);
            return Ok(());
        }
        let loaded = super::load(&*self.store, &self.machines, child.id).and_then(|(active, ended_at)| {
            self.set_time(ended_at);
            let map_runs = self.unfinished_runs(child.id, &active)?;
            Ok((active, map_runs))
        });
        let is_redrivable = |active: &Active| {
            not_redrivable(&active.row, active.execution.last_event, self.now).is_none()
                && !active.execution.unfinished.is_empty()
        };
        let loaded = match loaded {
            Ok(loaded) => Some(loaded).filter(|(active, _)| is_redrivable(active)),
            // It has nothing to go on with: its history was too long, or an older version has written it.
            Err(Error::Unreadable { .. }) => None,
            Err(error) => return Err(error),
        };
        let run = self.map_runs.get_mut(&key).expect("INVARIANT: a run that redrives something is there");
        let Some((mut active, map_runs)) = loaded else {
            // It stays as it is, and counts.
            run.count(u64::from(child.items), child.status, false);
            return Ok(());
        };
        run.running.insert(child.id, child.number);
        run.count(u64::from(child.items), ExecutionStatus::Running, false);
        let value = map_run::child_value(child.id, run.row.redrive_count);
        self.writes.push(Write::Put { space: SPACE, key: key.child(child.number), value });
        active.items = child.items;
        self.take_back(child.id, &mut active);
        self.take_in(child.id, active);
        self.go_on_with(child.id, map_runs);
        Ok(())
    }
}

/// How many items are in the input of an execution: a batch holds its own under `Items`.
pub(super) fn items_of(input: &Payload, is_batch: bool) -> u32 {
    match is_batch {
        true => input.value()["Items"].as_array().map_or(1, |items| items.len() as u32),
        false => 1,
    }
}

/// `…:stateMachine:MACHINE/LABEL` of `…:mapRun:MACHINE/LABEL:ID`
fn labelled(run_arn: &str) -> Arc<str> {
    let without_id = run_arn.rsplit_once(':').map_or(run_arn, |(rest, _)| rest);
    without_id.replacen(":mapRun:", ":stateMachine:", 1).into()
}

fn cannot_go_on(why: &str) -> Failure {
    Failure::new("States.Runtime", format!("The Map Run cannot go on: {why}"))
}

fn exceeded() -> Failure {
    Failure::new("States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded")
}

fn missing_input(number: u32) -> Error {
    unreadable("the inputs of a Map Run", &format!("number {number} is missing"))
}

fn load_inputs(store: &dyn store::Store, key: RunKey, next: u32) -> Result<VecDeque<ChildInput>, Error> {
    let (from, to) = (key.chunk(0), [&key.chunk(next)[..], &[0]].concat());
    let mut rows = store.scan(SPACE, &from..&to, Order::Descending, 1)?;
    let Some((row_key, value)) = rows.pop() else { return Ok(VecDeque::new()) };
    let first = map_run::number(&row_key).ok_or_else(|| unreadable("a Map Run", &"a key is too short"))?;
    let mut inputs = VecDeque::from(map_run::decode_chunk(&value)?);
    inputs.drain(..inputs.len().min((next - first) as usize));
    Ok(inputs)
}

impl MapRun {
    /// Its executions count again: the row may be older than the last end.
    fn new(mut row: MapRunRow) -> MapRun {
        for counts in [&mut row.executions, &mut row.items] {
            *counts = Counts { total: counts.total, ..Counts::default() };
        }
        MapRun {
            row,
            stage: Stage::New,
            inputs: VecDeque::new(),
            next: 0,
            running: HashMap::new(),
            joined: HashSet::new(),
            results: BTreeMap::new(),
            results_bytes: 0,
            written_in: 0,
            redriving: VecDeque::new(),
        }
    }

    fn take_up(&mut self, key: RunKey) {
        self.stage = Stage::TakingUp { from: key.children() };
    }

    /// About what its row takes beside its numbers.
    fn row_bytes(&self) -> usize {
        let plan = &self.row.plan;
        let source = match &plan.source {
            Source::Items(items) => items.size(),
            Source::Reader { parameters, .. } => parameters.size(),
            Source::Unusable(_) => 0,
        };
        let batch_input =
            plan.batcher.as_ref().and_then(|batcher| batcher.batch_input.as_ref()).map_or(0, Payload::size);
        source + batch_input + plan.writer.as_ref().map_or(0, |writer| writer.parameters.size())
    }

    fn concurrency(&self) -> usize {
        let most = self.row.plan.concurrency.unwrap_or(MAP_RUN_CONCURRENCY_MAX as u64);
        usize::try_from(most).unwrap_or(usize::MAX).min(MAP_RUN_CONCURRENCY_MAX)
    }

    fn is_over(&self) -> bool {
        self.row.is_read && self.running.is_empty() && !self.has_more()
    }

    fn has_more(&self) -> bool {
        !self.redriving.is_empty() || u64::from(self.next) < self.row.executions.total
    }

    fn put_back(&mut self, child: ToRedrive) {
        self.redriving.push_back(child);
        self.row.executions.pending_redrive += 1;
        self.row.items.pending_redrive += u64::from(child.items);
    }

    fn next_to_redrive(&mut self) -> Option<ToRedrive> {
        let child = self.redriving.pop_front()?;
        self.row.executions.pending_redrive -= 1;
        self.row.items.pending_redrive -= u64::from(child.items);
        Some(child)
    }

    fn count(&mut self, items: u64, status: ExecutionStatus, was_running: bool) {
        for (counts, by) in [(&mut self.row.executions, 1), (&mut self.row.items, items)] {
            if was_running {
                counts.running = counts.running.saturating_sub(by);
            }
            match status {
                ExecutionStatus::Running => counts.running += by,
                ExecutionStatus::Succeeded => counts.succeeded += by,
                ExecutionStatus::Failed => counts.failed += by,
                ExecutionStatus::TimedOut => counts.timed_out += by,
                ExecutionStatus::Aborted => counts.aborted += by,
            }
        }
    }

    /// Keeps a result until the end, as long as all of them can be the outcome.
    fn keep(&mut self, number: u32, output: Payload) {
        if self.row.plan.writer.is_some() {
            return;
        }
        self.results_bytes += output.size() + 1;
        match self.results_bytes > RESULTS_BYTES_MAX {
            true => self.results.clear(),
            false => drop(self.results.insert(number, output)),
        }
    }

    fn forget_far_inputs(&mut self) {
        let mut bytes = 0;
        let near = self.inputs.iter().take_while(|input| {
            bytes += input.input.size();
            bytes <= CHUNK_BYTES
        });
        let near = near.count().max(1);
        self.inputs.truncate(near);
    }
}

impl Reading {
    fn new(errand: Errand, plan: &StartMapRun) -> Reading {
        Reading {
            errand,
            rest: VecDeque::new(),
            is_last: false,
            reply: None,
            batching: Batching::new(plan.batcher.clone()),
            items: 0,
            first: 0,
            chunk: Vec::new(),
            chunk_bytes: 0,
            made_bytes: 0,
        }
    }

    fn push(
        &mut self,
        input: Payload,
        row: &mut MapRunRow,
        ready: &mut VecDeque<ChildInput>,
        key: RunKey,
        writes: &mut Vec<Write>,
    ) -> Result<(), Failure> {
        self.items += 1;
        row.items.total += 1;
        match self.batching.push(input) {
            Some(full) => self.add(full, row, ready, key, writes),
            None => Ok(()),
        }
    }

    fn finish(
        &mut self,
        row: &mut MapRunRow,
        ready: &mut VecDeque<ChildInput>,
        key: RunKey,
        writes: &mut Vec<Write>,
    ) -> Result<(), Failure> {
        if let Some(rest) = self.batching.take() {
            self.add(rest, row, ready, key, writes)?;
        }
        self.flush(row, key, writes);
        Ok(())
    }

    fn add(
        &mut self,
        input: ChildInput,
        row: &mut MapRunRow,
        ready: &mut VecDeque<ChildInput>,
        key: RunKey,
        writes: &mut Vec<Write>,
    ) -> Result<(), Failure> {
        // Deeper ones could be stored, but not be worked with.
        interpreter::check_depth(&input.input, &row.state)?;
        row.executions.total += 1;
        self.chunk_bytes += input.input.size();
        self.made_bytes += input.input.size();
        // The first chunk is started from memory.
        if self.first == 0 {
            ready.push_back(input.clone());
        }
        self.chunk.push(input);
        if self.chunk_bytes >= CHUNK_BYTES {
            self.flush(row, key, writes);
        }
        Ok(())
    }

    fn flush(&mut self, row: &MapRunRow, key: RunKey, writes: &mut Vec<Write>) {
        if self.chunk.is_empty() {
            return;
        }
        let value = map_run::encode_chunk(&self.chunk);
        writes.push(Write::Put { space: SPACE, key: key.chunk(self.first), value });
        self.first = row.executions.total as u32;
        self.chunk.clear();
        self.chunk_bytes = 0;
    }
}

//! Retention: what ended long ago is deleted, a little at a time.
//!
//! Executions lie in the order of their start, so a pass walks over those that were started before the moment from which
//! on everything is kept, and deletes what had ended by then as well. An execution first loses its name and its place in
//! the lists, so that nobody finds it, then its Map Runs and records, and last its row: a crash in between leaves
//! something that the next pass goes on with. Behind the executions a pass looks at state machines that are no more: the
//! revisions of one without executions go too.
//!
//! **Pace.** In a quiet shard there is a go every 50 ms. In a busy one the load itself sets the pace: what is written is
//! what will have to be deleted one day, so the sweep may delete half as much again as was written since its last go. So
//! it keeps up with any load, and a batch is never made more than a few times as large as it is by itself.
//!
//! Source: "Step Functions service quotas", AWS Step Functions Developer Guide: "Execution history retention time: 90 days".

use std::collections::{BTreeSet, VecDeque};

use interpreter::Timestamp;
use store::{Order, Space, Write, prefix_end};

use super::{Core, decode_id, listed_under};
use crate::error::Error;
use crate::keys::{self, ExecutionId};
use crate::map_run::{self, MapRunRow, RunKey};
use crate::record::{self, Parent, Row};

/// Rows that are looked at, and about as many that are deleted, in one go of a quiet shard: a millisecond of its time.
const ROWS: usize = 200;

/// Rows that are deleted in one go at most, however much was written: no more than a full batch has by itself.
const ROWS_MAX: usize = 4096;

/// Executions that are read at once: when all of them are to go, few suffice for one go.
const ROWS_PER_SCAN: usize = 50;

/// Map Runs, chunks of their inputs, and definitions, in one go: they are large, and reading a key reads its value.
const RUNS: usize = 16;
const CHUNKS: usize = 4;
const REVISIONS: usize = 16;

/// The pause between two goes, in which the disk is everybody else's.
const PAUSE_MS: u64 = 50;

/// The pause between two passes, and before the first: nothing is hurt by being kept for an hour more, and a start of the
/// process has other things to do.
const PASS_MS: u64 = 3_600_000;
const FIRST_PASS_MS: u64 = 60_000;

/// Until the store is asked again.
const OWED_PAUSE_MS: u64 = 1000;

pub(super) struct Sweep {
    /// When it goes on.
    at: Timestamp,
    /// A pass is over, and the next has not begun.
    is_resting: bool,
    from: ExecutionId,
    /// The batch that holds its last deletes: what is left is known when that is durable.
    written_in: u64,
    /// Rows of executions that were written since its last go.
    written: usize,
    /// The machines that are no more and have still to be looked at, once the executions are done with.
    gone: Option<VecDeque<u32>>,
    /// Those that had no execution in this pass, and in the one before. A start that was on its way when its machine was
    /// deleted has long been written an hour later, so who is among both is left for good.
    empty: BTreeSet<u32>,
    empty_before: BTreeSet<u32>,
}

impl Sweep {
    pub fn new(now: Timestamp) -> Sweep {
        Sweep {
            at: now.after_ms(FIRST_PASS_MS),
            is_resting: true,
            from: ExecutionId(0),
            written_in: 0,
            written: 0,
            gone: None,
            empty: BTreeSet::new(),
            empty_before: BTreeSet::new(),
        }
    }

    /// So many rows of executions are in the batch that is sealed now. Between two passes nothing is saved up: the next
    /// would begin with one great batch.
    pub fn note_written(&mut self, rows: usize) {
        if !self.is_resting {
            self.written = self.written.saturating_add(rows);
        }
    }

    /// What one go may delete.
    fn allowance(&self) -> usize {
        (self.written + self.written / 2).clamp(ROWS, ROWS_MAX)
    }

    /// When the next go is due; at once, when as much was written as a go deletes.
    fn due(&self, now: Timestamp) -> Timestamp {
        if !self.is_resting && self.written >= ROWS { self.at.min(now) } else { self.at }
    }

    fn rest(&mut self, now: Timestamp) {
        self.is_resting = true;
        self.from = ExecutionId(0);
        self.gone = None;
        self.at = now.after_ms(PASS_MS);
    }
}

impl Core {
    /// When [`Core::go_on`] is to be called, if nothing else happens.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let sweep = Some(self.sweep.due(self.now)).filter(|_| self.may_sweep());
        // What could not be told because the store was not able to.
        let owed = (!self.owed.is_empty()).then(|| self.now.after_ms(OWED_PAUSE_MS));
        self.next_timer().into_iter().chain(sweep).chain(owed).min()
    }

    /// Nothing is left of a volatile shard's executions, and what the last go has deleted may still be there.
    fn may_sweep(&self) -> bool {
        !self.limits.is_volatile && self.sweep.written_in <= self.durable_batch
    }

    /// One go, if it is due.
    pub(super) fn sweep(&mut self) {
        if !self.may_sweep() || self.sweep.due(self.now) > self.now || self.is_full() {
            return;
        }
        let is_over = match self.sweep.gone {
            None => self.sweep_some(self.sweep.allowance()),
            Some(_) => self.sweep_machines(),
        };
        self.sweep.is_resting = false;
        self.sweep.written = 0;
        self.sweep.at = self.now.after_ms(PAUSE_MS);
        match is_over {
            Ok(false) => {}
            Ok(true) if self.sweep.gone.is_none() => self.sweep.gone = Some(self.machines_gone()),
            Ok(true) => {
                self.sweep.empty_before = std::mem::take(&mut self.sweep.empty);
                self.sweep.rest(self.now);
            }
            // What cannot be read stays, and the next pass meets it again.
            Err(Error::Unreadable { .. }) => self.sweep.from = ExecutionId(self.sweep.from.0 + 1),
            // A store that fails fails the next commit.
            Err(_) => self.sweep.rest(self.now),
        }
    }

    /// Has its history been kept for as long as it is to be?
    pub(super) fn is_expired(&self, row: &Row) -> bool {
        row.stopped_at.is_some_and(|at| at < self.kept_from())
    }

    fn kept_from(&self) -> Timestamp {
        Timestamp(self.now.0.saturating_sub(i64::try_from(self.limits.retention_ms).unwrap_or(i64::MAX)))
    }

    /// Looks at some executions, and deletes about so many rows. True when all have been looked at.
    fn sweep_some(&mut self, mut left: usize) -> Result<bool, Error> {
        for _ in 0..left / ROWS_PER_SCAN {
            let to = keys::execution(ExecutionId::first_at(self.kept_from().0));
            let from = keys::execution(self.sweep.from);
            if from >= to {
                return Ok(true);
            }
            let rows = self.store.scan(Space::Executions, &from..&to, Order::Ascending, ROWS_PER_SCAN)?;
            for (key, row) in &rows {
                let id = decode_id(key)?;
                self.sweep.from = id;
                let row = record::decode_row(row)?;
                if self.is_mine(id) && !self.active.contains_key(&id) && self.is_to_go(&row)? {
                    self.sweep.written_in = self.batch;
                    if left == 0 || !self.delete_some(id, &row, &mut left)? {
                        return Ok(false);
                    }
                }
                self.sweep.from = ExecutionId(id.0 + 1);
            }
            if rows.len() < ROWS_PER_SCAN {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_mine(&self, id: ExecutionId) -> bool {
        id.shard() % self.limits.shards == self.shard.0
    }

    /// The executions of a Map Run are kept as long as the one that it belongs to: it may need their results.
    fn is_to_go(&self, row: &Row) -> Result<bool, Error> {
        if !self.is_expired(row) {
            return Ok(false);
        }
        let Some(Parent::MapRun { execution, .. }) = row.parent else { return Ok(true) };
        // It was redriven, which may not be durable yet.
        if self.active.contains_key(&execution) {
            return Ok(false);
        }
        match self.store.get(Space::Executions, &keys::execution(execution))? {
            None => Ok(true),
            Some(parent) => Ok(self.is_expired(&record::decode_row(&parent)?)),
        }
    }

    /// Deletes an execution, or some of it. True when nothing is left.
    fn delete_some(&mut self, id: ExecutionId, row: &Row, left: &mut usize) -> Result<bool, Error> {
        let name = keys::name(row.machine, &row.name);
        // Its name may be another's by now.
        if self.store.get(Space::Names, &name)?.as_deref() == Some(&keys::execution(id)) {
            self.delete(Space::Names, name, left);
        }
        self.delete(Space::Listing, keys::listing(listed_under(row), row.status, id), left);
        self.delete(Space::Records, keys::snapshot(id), left);
        if !self.delete_runs(id, left)? || !self.delete_records(id, left)? {
            return Ok(false);
        }
        self.delete(Space::Executions, keys::execution(id), left);
        Ok(true)
    }

    fn delete_runs(&mut self, id: ExecutionId, left: &mut usize) -> Result<bool, Error> {
        let prefix = map_run::of_execution(id);
        let runs = self.store.scan(map_run::SPACE, &prefix..&prefix_end(&prefix), Order::Ascending, RUNS)?;
        let is_last = runs.len() < RUNS;
        for (row_key, row) in runs {
            let row = MapRunRow::decode(&row)?;
            let key = RunKey { execution: id, id: row.plan.id };
            self.delete(map_run::SPACE, map_run::by_arn(&row.plan.arn), left);
            if !self.delete_below(&key.children(), ROWS, left)? || !self.delete_below(&key.chunks(), CHUNKS, left)? {
                return Ok(false);
            }
            self.delete(map_run::SPACE, row_key, left);
        }
        Ok(is_last)
    }

    /// Rows of Map Runs with this prefix, so many at most. True when none is left.
    fn delete_below(&mut self, prefix: &[u8], most: usize, left: &mut usize) -> Result<bool, Error> {
        let most = most.min(*left);
        let rows = self.store.scan(map_run::SPACE, prefix..&prefix_end(prefix), Order::Ascending, most)?;
        let is_last = rows.len() < most;
        rows.into_iter().for_each(|(key, _)| self.delete(map_run::SPACE, key, left));
        Ok(is_last)
    }

    /// From the last to the first, since the last tells how many there are.
    fn delete_records(&mut self, id: ExecutionId, left: &mut usize) -> Result<bool, Error> {
        let (from, to) = (keys::record(id, 0), keys::record(id, u32::MAX));
        let last = self.store.scan(Space::Records, &from..&to, Order::Descending, 1)?;
        let Some(last) = last.first().and_then(|(key, _)| keys::record_seq(key)) else { return Ok(true) };
        let first = (last + 1).saturating_sub(u32::try_from(*left).unwrap_or(u32::MAX));
        (first..=last).for_each(|seq| self.delete(Space::Records, keys::record(id, seq), left));
        Ok(first == 0)
    }

    /// Machines that take no executions any more, of which one shard takes care.
    fn machines_gone(&self) -> VecDeque<u32> {
        if self.shard.0 != 0 {
            return VecDeque::new();
        }
        let live = self.machines.live_numbers();
        (1..=self.machines.last_number()).filter(|number| !live.contains(number)).collect()
    }

    /// Looks at some machines that are no more. True when all have been looked at.
    fn sweep_machines(&mut self) -> Result<bool, Error> {
        let mut left = REVISIONS;
        for _ in 0..REVISIONS {
            let Some(machine) = self.next_with_revisions()? else { return Ok(true) };
            if self.has_executions(machine)? {
                continue;
            }
            self.sweep.empty.insert(machine);
            if self.sweep.empty_before.contains(&machine) && !self.delete_revisions(machine, &mut left)? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Takes the next machine that is no more, but has revisions, off the list.
    fn next_with_revisions(&mut self) -> Result<Option<u32>, Error> {
        loop {
            let first = self.sweep.gone.as_ref().and_then(|gone| gone.front().copied());
            let Some(first) = first else { return Ok(None) };
            // The next machine of any kind tells how many of the list have nothing left.
            let from = keys::definition(first, 0);
            let found = self.store.scan(Space::Definitions, &from..&prefix_end(&[]), Order::Ascending, 1)?;
            let found = found.first().and_then(|(key, _)| keys::definition_machine(key));
            let Some(list) = &mut self.sweep.gone else { return Ok(None) };
            list.retain(|number| found.is_some_and(|found| *number >= found));
            if list.front().copied() == found {
                return Ok(list.pop_front());
            }
        }
    }

    fn has_executions(&self, machine: u32) -> Result<bool, Error> {
        for listed in [machine, keys::CHILDREN | machine] {
            let prefix = listed.to_be_bytes();
            if !self.store.scan(Space::Listing, &prefix..&prefix_end(&prefix), Order::Ascending, 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Some revisions of a machine. True when none is left; otherwise it is looked at again.
    fn delete_revisions(&mut self, machine: u32, left: &mut usize) -> Result<bool, Error> {
        let prefix = machine.to_be_bytes();
        let most = (*left).max(1);
        let rows = self.store.scan(Space::Definitions, &prefix..&prefix_end(&prefix), Order::Ascending, most)?;
        let is_last = rows.len() < most;
        self.sweep.written_in = self.batch;
        rows.into_iter().for_each(|(key, _)| self.delete(Space::Definitions, key, left));
        if !is_last && let Some(gone) = &mut self.sweep.gone {
            gone.push_front(machine);
        }
        Ok(is_last)
    }

    fn delete(&mut self, space: Space, key: Vec<u8>, left: &mut usize) {
        *left = left.saturating_sub(1);
        self.writes.push(Write::Delete { space, key });
    }
}

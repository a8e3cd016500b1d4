//! Retention: what ended long ago is deleted, a little at a time.
//!
//! Executions lie in the order of their start, so a pass walks over those that were started before the moment from which
//! on everything is kept, and deletes what had ended by then as well. An execution first loses its name and its place in
//! the lists, so that nobody finds it, then its Map Runs and records, and last its row: a crash in between leaves
//! something that the next pass goes on with.
//!
//! Source: "Step Functions service quotas", AWS Step Functions Developer Guide: "Execution history retention time: 90 days".

use interpreter::Timestamp;
use store::{Order, Space, Write, prefix_end};

use super::{Core, decode_id, listed_under};
use crate::error::Error;
use crate::keys::{self, ExecutionId};
use crate::map_run::{self, MapRunRow, RunKey};
use crate::record::{self, Parent, Row};

/// Rows that are looked at, and about as many that are deleted, in one go: a few milliseconds of the shard's time.
const ROWS: usize = 200;

/// Map Runs, and chunks of their inputs, in one go: they are large, and reading a key reads its value.
const RUNS: usize = 16;
const CHUNKS: usize = 4;

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
    from: ExecutionId,
    /// The batch that holds its last deletes: what is left is known when that is durable.
    written_in: u64,
}

impl Sweep {
    pub fn new(now: Timestamp) -> Sweep {
        Sweep { at: now.after_ms(FIRST_PASS_MS), from: ExecutionId(0), written_in: 0 }
    }
}

impl Core {
    /// When [`Core::go_on`] is to be called, if nothing else happens.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let sweep =
            Some(self.sweep.at).filter(|_| !self.limits.is_volatile && self.sweep.written_in <= self.durable_batch);
        // What could not be told because the store was not able to.
        let owed = (!self.owed.is_empty()).then(|| self.now.after_ms(OWED_PAUSE_MS));
        self.next_timer().into_iter().chain(sweep).chain(owed).min()
    }

    /// One go, if it is due.
    pub(super) fn sweep(&mut self) {
        if self.next_wake().is_none_or(|at| at > self.now) || self.now < self.sweep.at || self.is_full() {
            return;
        }
        let pause_ms = match self.sweep_some() {
            Ok(false) => PAUSE_MS,
            Ok(true) => PASS_MS,
            // What cannot be read stays, and the next pass meets it again.
            Err(Error::Unreadable { .. }) => {
                self.sweep.from = ExecutionId(self.sweep.from.0 + 1);
                PAUSE_MS
            }
            // A store that fails fails the next commit.
            Err(_) => PASS_MS,
        };
        if pause_ms == PASS_MS {
            self.sweep.from = ExecutionId(0);
        }
        self.sweep.at = self.now.after_ms(pause_ms);
    }

    /// Has its history been kept for as long as it is to be?
    pub(super) fn is_expired(&self, row: &Row) -> bool {
        row.stopped_at.is_some_and(|at| at < self.kept_from())
    }

    fn kept_from(&self) -> Timestamp {
        Timestamp(self.now.0.saturating_sub(i64::try_from(self.limits.retention_ms).unwrap_or(i64::MAX)))
    }

    /// Looks at some executions. True when the pass is over.
    fn sweep_some(&mut self) -> Result<bool, Error> {
        let (from, to) = (keys::execution(self.sweep.from), keys::execution(ExecutionId::first_at(self.kept_from().0)));
        if from >= to {
            return Ok(true);
        }
        let rows = self.store.scan(Space::Executions, &from..&to, Order::Ascending, ROWS)?;
        let mut left = ROWS;
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
        Ok(rows.len() < ROWS)
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

    fn delete(&mut self, space: Space, key: Vec<u8>, left: &mut usize) {
        *left = left.saturating_sub(1);
        self.writes.push(Write::Delete { space, key });
    }
}

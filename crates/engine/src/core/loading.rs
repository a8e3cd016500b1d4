//! Open executions out of the store: their row, their first record for the input, their last for the snapshot.
//!
//! At a start there may be a million of them. Those that were started one after another lie side by side, so a page of
//! them is read in two scans; what the scans did not bring is read one by one.

use std::collections::HashMap;
use std::sync::Arc;

use interpreter::{Execution, Timestamp};
use store::{Order, Space, Store};

use super::{Active, about, input_in, started_input};
use crate::error::Error;
use crate::keys::{self, ExecutionId};
use crate::machines::Machines;
use crate::record::{self, Records, unreadable};

/// Executions looked at together. Their records are in memory at once, each up to some hundred KiB.
pub const PAGE: usize = 64;

/// Rows that a scan may bring for each execution that is wanted: ended ones may lie between, and one has several records.
const ROWS_EACH: usize = 2;
const RECORDS_EACH: usize = 4;

/// An execution, and when it was moved on last.
pub type Moved = (Active, Timestamp);

/// What was read ahead.
pub struct Loading {
    rows: HashMap<ExecutionId, Vec<u8>>,
    /// All records of an execution: number and written form.
    records: HashMap<ExecutionId, Vec<(u32, Vec<u8>)>>,
    /// The last scans brought much of what was wanted. Open executions far apart are better read one by one.
    is_worth_it: bool,
}

impl Default for Loading {
    fn default() -> Loading {
        Loading { rows: HashMap::new(), records: HashMap::new(), is_worth_it: true }
    }
}

impl Loading {
    /// Reads what lies in the range of these ids, which ascend.
    pub fn look_ahead(&mut self, store: &dyn Store, ids: &[ExecutionId]) -> Result<(), Error> {
        self.rows.clear();
        self.records.clear();
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(()) };
        if !self.is_worth_it {
            return Ok(());
        }
        let (from, to) = (keys::execution(*first), keys::record(*last, u32::MAX));
        let rows = store.scan(Space::Executions, &from..&to, Order::Ascending, ids.len() * ROWS_EACH)?;
        self.rows = rows.into_iter().filter_map(|(key, row)| Some((keys::execution_id(&key)?, row))).collect();
        self.is_worth_it = ids.iter().filter(|id| self.rows.contains_key(id)).count() > ids.len() / 2;
        if !self.is_worth_it {
            return Ok(());
        }
        let most = ids.len() * RECORDS_EACH;
        let mut rows = store.scan(Space::Records, &from..&to, Order::Ascending, most)?;
        if rows.len() == most {
            // The last of them may have more.
            let last = rows.last().and_then(|(key, _)| keys::execution_id(key));
            rows.retain(|(key, _)| keys::execution_id(key) != last);
        }
        for (key, written) in rows {
            if let Some((id, seq)) = keys::execution_id(&key).zip(keys::record_seq(&key)) {
                self.records.entry(id).or_default().push((seq, written));
            }
        }
        Ok(())
    }

    pub fn load(&mut self, store: &dyn Store, machines: &Machines, id: ExecutionId) -> Result<Moved, Error> {
        let row = match self.rows.remove(&id) {
            Some(row) => row,
            None => read_row(store, id)?,
        };
        let newest = match self.records.remove(&id) {
            Some(mut records) => {
                records.retain(|(seq, _)| *seq != u32::MAX);
                Records::of(store, id).newest_of(&records)?
            }
            None => Records::of(store, id).newest()?,
        };
        open(store, machines, id, &row, &newest)
    }
}

/// One open execution.
pub fn load(store: &dyn Store, machines: &Machines, id: ExecutionId) -> Result<Moved, Error> {
    open(store, machines, id, &read_row(store, id)?, &Records::of(store, id).newest()?)
}

/// The snapshot that goes with the last record of an execution, and whether it has a row of its own.
pub fn snapshot(store: &dyn Store, id: ExecutionId, last_record: &[u8]) -> Result<(Option<Execution>, bool), Error> {
    if let Some(inside) = record::decode_snapshot(last_record)? {
        return Ok((Some(inside), false));
    }
    let apart = store.get(Space::Records, &keys::snapshot(id))?;
    Ok((apart.map_or(Ok(None), |apart| record::decode_snapshot(&apart))?, true))
}

fn read_row(store: &dyn Store, id: ExecutionId) -> Result<Vec<u8>, Error> {
    store.get(Space::Executions, &keys::execution(id))?.ok_or_else(|| incomplete(id, "its row is missing"))
}

fn incomplete(id: ExecutionId, why: &str) -> Error {
    unreadable(&format!("execution {}", id.0), &why)
}

/// `newest` are its newest records in their plain form, with the first if it is among them.
fn open(
    store: &dyn Store,
    machines: &Machines,
    id: ExecutionId,
    row: &[u8],
    newest: &[(u32, Vec<u8>)],
) -> Result<Moved, Error> {
    let row = record::decode_row(row)?;
    let (seq, last) = newest.last().ok_or_else(|| incomplete(id, "its last record is missing"))?;
    let (snapshot, is_apart) = snapshot(store, id, last)?;
    let execution = snapshot.ok_or_else(|| incomplete(id, "its last record has no snapshot"))?;
    let events = record::decode_events(last)?;
    let moved_at = events.last().map_or(row.started_at, |event| event.at);
    let input = match newest.first() {
        _ if *seq == 0 => input_in(events),
        Some((0, first)) => started_input(first)?,
        _ => store.get(Space::Records, &keys::record(id, 0))?.map_or(Ok(None), |first| started_input(&first))?,
    };
    let input = input.ok_or_else(|| incomplete(id, "it does not begin with its start"))?;
    let revision = machines.revision(row.machine, row.revision)?;
    revision.definition()?;
    let execution_arn: Arc<str> = row.arn(id).into();
    let active = Active {
        about: about(id, &revision, &row, execution_arn, input),
        row,
        revision,
        execution,
        seq: seq + 1,
        events: Vec::new(),
        is_dirty: false,
        is_new: false,
        is_redriven: false,
        is_apart,
        items: 0,
        on_end: None,
    };
    Ok((active, moved_at))
}

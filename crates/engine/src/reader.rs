//! The read side: what is durable, straight from the store, never through a shard.
//!
//! Replies follow commits, so everyone reads what they were told has happened.

use std::sync::Arc;

use asl::definition::StateId;
use interpreter::{EventKind, Failure, HistoryEvent, Payload, TaskId, Timestamp, Token};
use store::{Order, Space, Store, prefix_end};

use crate::core::snapshot;
use crate::core::{decode_id, started_input};
use crate::error::Error;
use crate::keys::{self, ExecutionId};
use crate::machines::{Machines, Revision};
use crate::map_run::{self, MapRunRow, RunKey};
use crate::record::{self, ExecutionStatus, Records, Row, unreadable};

#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn Store>,
    machines: Arc<Machines>,
}

/// One execution as `DescribeExecution` shows it.
#[derive(Clone, Debug)]
pub struct Description {
    pub execution_arn: String,
    pub row: Row,
    pub input: Payload,
    pub output: Option<Payload>,
    pub failure: Option<Failure>,
    /// The id of its newest event.
    pub last_event: u64,
    /// The Map Run that it works for.
    pub map_run_arn: Option<Arc<str>>,
}

/// One entry of a list.
#[derive(Clone, Debug)]
pub struct Summary {
    pub id: ExecutionId,
    pub execution_arn: String,
    pub row: Row,
}

/// A task that has been asked for and has no outcome.
#[derive(Clone, Debug)]
pub struct OpenTask {
    pub task: TaskId,
    pub state: StateId,
    /// The event of the visit that it belongs to.
    pub entered_event: u64,
    /// It has been handed over.
    pub is_started: bool,
    /// What its outcome is told with, if somebody else than its runner tells it.
    pub token: Option<String>,
    pub timeout_at: Option<Timestamp>,
    pub heartbeat_at: Option<Timestamp>,
}

pub struct ListPage {
    /// Newest first. A page may be short, or even empty, though more follow.
    pub executions: Vec<Summary>,
    /// Give it to the next call; none at the end.
    pub next: Option<ExecutionId>,
}

/// Which executions of a machine a list is of.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<ExecutionStatus>,
    /// Only those that were started through this version, by its own ARN or by an alias.
    pub version: Option<u32>,
    /// Only those that were started through this alias.
    pub alias: Option<Arc<str>>,
}

impl Filter {
    fn accepts(&self, row: &Row) -> bool {
        self.version.is_none_or(|version| row.version == Some(version))
            && self.alias.as_ref().is_none_or(|alias| row.alias.as_ref() == Some(alias))
    }

    /// Do the lists of the store answer it alone?
    fn is_by_status(&self) -> bool {
        self.version.is_none() && self.alias.is_none()
    }
}

/// A place in a history: the event to go on with, and the record to look for it from on, which may be an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub seq: u32,
    pub event: u64,
}

pub struct HistoryPage {
    pub events: Vec<HistoryEvent>,
    pub next: Option<Cursor>,
    /// Where an ascending history goes on when there are more events, also if there are none yet; none if nothing was
    /// read.
    pub end: Option<Cursor>,
}

/// Records read at once, at most, while a page is put together.
const RECORDS_PER_SCAN: usize = 64;

/// Payloads in a page of a history, besides the one that goes beyond: a thousand events of 256 KiB would be an answer of
/// 256 MiB.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// Rows read at once while a filtered list is put together.
const ROWS_PER_SCAN: usize = 500;

/// Rows looked at, at most, for one page of a filtered list: no request reads the executions of years, or of a Map Run
/// of millions.
const ROWS_PER_PAGE: usize = 10_000;

impl Reader {
    pub fn new(store: Arc<dyn Store>, machines: Arc<Machines>) -> Reader {
        Reader { store, machines }
    }

    pub fn machines(&self) -> &Arc<Machines> {
        &self.machines
    }

    /// The execution of this ARN, if there is one.
    pub fn find(&self, execution_arn: &str) -> Result<Option<ExecutionId>, Error> {
        let Some((machine_arn, name)) = keys::split_execution_arn(execution_arn) else { return Ok(None) };
        let Some(machine) = self.machines.get(&machine_arn)? else { return Ok(None) };
        match self.store.get(Space::Names, &keys::name(machine.number, name))? {
            None => Ok(None),
            Some(id) => decode_id(&id).map(Some),
        }
    }

    pub fn row(&self, id: ExecutionId) -> Result<Row, Error> {
        self.stored_row(id)?.ok_or_else(|| missing(id, "its row"))
    }

    fn stored_row(&self, id: ExecutionId) -> Result<Option<Row>, Error> {
        self.store.get(Space::Executions, &keys::execution(id))?.map(|row| record::decode_row(&row)).transpose()
    }

    pub fn describe(&self, execution_arn: &str) -> Result<Option<Description>, Error> {
        let Some(id) = self.find(execution_arn)? else { return Ok(None) };
        // It may have been deleted since: its history is kept for so long.
        let Some(row) = self.stored_row(id)? else { return Ok(None) };
        let input = self.input(id)?;
        let last = self.history(id, None, Order::Descending, 1)?.events.pop();
        let last_event = last.as_ref().map_or(0, |event| event.id);
        let (output, failure) = match row.status {
            ExecutionStatus::Running => (None, None),
            _ => outcome(last),
        };
        let map_run_arn = match row.parent_run() {
            None => None,
            Some(key) => self.map_run_of(key)?.map(|row| row.plan.arn),
        };
        let execution_arn = execution_arn.to_owned();
        Ok(Some(Description { execution_arn, row, input, output, failure, last_event, map_run_arn }))
    }

    /// The Map Run of this ARN.
    pub fn map_run(&self, arn: &str) -> Result<Option<(RunKey, MapRunRow)>, Error> {
        let Some(key) = self.store.get(map_run::SPACE, &map_run::by_arn(arn))? else { return Ok(None) };
        let key = RunKey::read(&key).ok_or_else(|| unreadable("a Map Run", &"its entry is too short"))?;
        Ok(self.map_run_of(key)?.map(|row| (key, row)))
    }

    fn map_run_of(&self, key: RunKey) -> Result<Option<MapRunRow>, Error> {
        self.store.get(map_run::SPACE, &key.row())?.map(|row| MapRunRow::decode(&row)).transpose()
    }

    /// The Map Runs of an execution, in the order in which they began.
    pub fn map_runs(&self, id: ExecutionId) -> Result<Vec<MapRunRow>, Error> {
        let prefix = map_run::of_execution(id);
        let rows = self.store.scan(map_run::SPACE, &prefix..&prefix_end(&prefix), Order::Ascending, usize::MAX)?;
        let mut runs = rows.iter().map(|(_, row)| MapRunRow::decode(row)).collect::<Result<Vec<_>, _>>()?;
        runs.sort_by_key(|run| run.started_at);
        Ok(runs)
    }

    /// Executions of a Map Run from this number on, and the number to go on with. A page may be short, or even empty,
    /// though more follow.
    pub fn map_run_executions(
        &self,
        key: RunKey,
        status: Option<ExecutionStatus>,
        from: u32,
        limit: usize,
    ) -> Result<(Vec<Summary>, Option<u32>), Error> {
        let (mut found, mut looked_at) = (Vec::new(), 0);
        let (mut low, high) = (key.child(from), prefix_end(&key.children()));
        loop {
            let rows = self.store.scan(map_run::SPACE, &low..&high, Order::Ascending, RECORDS_PER_SCAN)?;
            for (row_key, id) in &rows {
                if looked_at == ROWS_PER_PAGE.max(limit) {
                    return Ok((found, map_run::number(row_key)));
                }
                looked_at += 1;
                let Some(summary) = self.summary(map_run::read_child(id)?.0)? else { continue };
                if status.is_some_and(|status| status != summary.row.status) {
                    continue;
                }
                if found.len() == limit {
                    return Ok((found, map_run::number(row_key)));
                }
                found.push(summary);
            }
            match rows.last() {
                Some((key, _)) if rows.len() == RECORDS_PER_SCAN => low = [&key[..], &[0]].concat(),
                _ => return Ok((found, None)),
            }
        }
    }

    /// The input of an execution.
    pub fn input(&self, id: ExecutionId) -> Result<Payload, Error> {
        let first =
            self.store.get(Space::Records, &keys::record(id, 0))?.ok_or_else(|| missing(id, "its first record"))?;
        started_input(&first)?.ok_or_else(|| missing(id, "its start"))
    }

    /// Tasks of an execution that have no outcome yet.
    pub fn open_tasks(&self, id: ExecutionId) -> Result<Vec<OpenTask>, Error> {
        let newest = Records::of(&*self.store, id).newest()?;
        let Some((_, last)) = newest.last() else { return Ok(Vec::new()) };
        let (Some(execution), _) = snapshot(&*self.store, id, last)? else { return Ok(Vec::new()) };
        let open = execution.tasks().map(|(task, frame, wait)| OpenTask {
            task,
            state: frame.state,
            entered_event: frame.entered_event,
            is_started: wait.is_started(),
            token: wait.secret.map(|secret| Token { execution: id.0, task, secret }.encode()),
            timeout_at: wait.timeout_at,
            heartbeat_at: wait.heartbeat_at,
        });
        Ok(open.collect())
    }

    /// What came of an execution that has ended.
    pub fn outcome(&self, id: ExecutionId) -> Result<(Option<Payload>, Option<Failure>), Error> {
        Ok(outcome(self.history(id, None, Order::Descending, 1)?.events.pop()))
    }

    /// The definition an execution runs.
    pub fn revision(&self, row: &Row) -> Result<Arc<Revision>, Error> {
        self.machines.revision(row.machine, row.revision)
    }

    /// A page of a history, from `from` on or from its beginning (its end, when descending).
    pub fn history(
        &self,
        id: ExecutionId,
        from: Option<Cursor>,
        order: Order,
        limit: usize,
    ) -> Result<HistoryPage, Error> {
        let (mut low, mut high) = (keys::record(id, 0), keys::record(id, u32::MAX));
        let event_from = from.map(|cursor| cursor.event);
        match (from, order) {
            (Some(cursor), Order::Ascending) => low = keys::record(id, cursor.seq),
            (Some(cursor), Order::Descending) => high = keys::record(id, cursor.seq.saturating_add(1)),
            (None, _) => {}
        }
        let (mut events, mut end) = (Vec::new(), from);
        let mut bytes = 0;
        let mut known = Records::of(&*self.store, id);
        // Almost every record has an event, and a record may be large: no more are read than are likely to be shown.
        let records = RECORDS_PER_SCAN.min(limit.saturating_add(1));
        loop {
            let rows = self.store.scan(Space::Records, &low..&high, order, records)?;
            for (key, value) in &rows {
                let seq = keys::record_seq(key).ok_or_else(|| missing(id, "a record's number"))?;
                let plain = known.plain(seq, value)?;
                for event in in_order(record::decode_events(&plain)?, order, event_from) {
                    // Without a limit it is all of them that are wanted.
                    let is_full = bytes >= PAGE_BYTES_MAX && limit < usize::MAX;
                    if events.len() == limit || is_full {
                        let next = Some(Cursor { seq, event: event.id });
                        return Ok(HistoryPage { events, next, end: next });
                    }
                    end = Some(Cursor { seq: seq.saturating_add(1), event: event.id + 1 });
                    bytes += event.kind.payload().map_or(0, Payload::size);
                    events.push(event);
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == records => match order {
                    Order::Ascending => low = [&key[..], &[0]].concat(),
                    Order::Descending => high = key.clone(),
                },
                _ => return Ok(HistoryPage { events, next: None, end }),
            }
        }
    }

    /// A page of a machine's executions, newest first, from `from` on.
    pub fn list(
        &self,
        machine: u32,
        filter: &Filter,
        from: Option<ExecutionId>,
        limit: usize,
    ) -> Result<ListPage, Error> {
        let (mut executions, mut from, mut rows) = (Vec::new(), from, 0);
        loop {
            let wanted = if filter.is_by_status() { limit } else { ROWS_PER_SCAN };
            let (ids, next) = self.ids(machine, filter.status, from, wanted)?;
            rows += ids.len();
            for id in ids {
                if executions.len() == limit {
                    return Ok(ListPage { executions, next: Some(id) });
                }
                // One that was deleted since its list was read is left out.
                executions.extend(self.summary(id)?.filter(|summary| filter.accepts(&summary.row)));
            }
            if next.is_none() || executions.len() == limit || rows >= ROWS_PER_PAGE {
                return Ok(ListPage { executions, next });
            }
            from = next;
        }
    }

    /// How many executions of a machine have this status; at most so many are counted.
    pub fn count(&self, machine: u32, status: ExecutionStatus, most: usize) -> Result<usize, Error> {
        let prefix = keys::listing_prefix(machine, status);
        Ok(self.store.scan(Space::Listing, &prefix..&prefix_end(&prefix), Order::Descending, most)?.len())
    }

    /// The executions of a machine that have had this status for longest, by their start.
    pub fn oldest(&self, machine: u32, status: ExecutionStatus, limit: usize) -> Result<Vec<Summary>, Error> {
        let prefix = keys::listing_prefix(machine, status);
        let rows = self.store.scan(Space::Listing, &prefix..&prefix_end(&prefix), Order::Ascending, limit)?;
        let ids = rows.iter().filter_map(|(key, _)| keys::listing_id(key));
        Ok(ids.map(|id| self.summary(id)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The ids of a machine's executions, newest first, and where to go on.
    fn ids(
        &self,
        machine: u32,
        status: Option<ExecutionStatus>,
        from: Option<ExecutionId>,
        limit: usize,
    ) -> Result<(Vec<ExecutionId>, Option<ExecutionId>), Error> {
        let statuses: &[ExecutionStatus] = match &status {
            Some(status) => std::slice::from_ref(status),
            None => &ExecutionStatus::ALL,
        };
        let mut ids = Vec::new();
        for status in statuses {
            let prefix = keys::listing_prefix(machine, *status);
            let high = match from {
                Some(id) => [keys::listing(machine, *status, id), vec![0]].concat(),
                None => prefix_end(&prefix),
            };
            let rows = self.store.scan(Space::Listing, &prefix..&high, Order::Descending, limit + 1)?;
            ids.extend(rows.iter().filter_map(|(key, _)| keys::listing_id(key)));
        }
        // The lists are read one after another, so an execution that ends meanwhile may stand in two.
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        let next = ids.get(limit).copied();
        ids.truncate(limit);
        Ok((ids, next))
    }

    fn summary(&self, id: ExecutionId) -> Result<Option<Summary>, Error> {
        let row = self.stored_row(id)?;
        Ok(row.map(|row| Summary { id, execution_arn: row.arn(id), row }))
    }

    pub fn figures(&self) -> store::Figures {
        self.store.figures()
    }
}

/// What the last event of an execution tells.
fn outcome(last: Option<HistoryEvent>) -> (Option<Payload>, Option<Failure>) {
    match last.map(|event| event.kind) {
        Some(EventKind::ExecutionSucceeded { output }) => (Some(output), None),
        Some(
            EventKind::ExecutionFailed(failure)
            | EventKind::ExecutionAborted(failure)
            | EventKind::ExecutionTimedOut(failure),
        ) => (None, Some(failure)),
        _ => (None, None),
    }
}

fn in_order(mut events: Vec<HistoryEvent>, order: Order, from: Option<u64>) -> Vec<HistoryEvent> {
    match order {
        Order::Ascending => events.retain(|event| from.is_none_or(|from| event.id >= from)),
        Order::Descending => {
            events.retain(|event| from.is_none_or(|from| event.id <= from));
            events.reverse();
        }
    }
    events
}

fn missing(id: ExecutionId, what: &str) -> Error {
    unreadable(&format!("execution {}", id.0), &format!("{what} is missing"))
}

#[cfg(test)]
mod tests {
    use interpreter::Timestamp;
    use store::{Batch, Memory, ShardId, Write, commit_and_wait};

    use super::*;

    /// A list of a Map Run that has hardly one of what is wanted ends its pages all the same.
    #[test]
    fn a_filtered_page_of_a_map_run_is_bounded() {
        const CHILDREN: u32 = ROWS_PER_PAGE as u32 + 10;
        let key = RunKey::read(&[1; 20]).unwrap();
        let row = |number: u32| Row {
            machine: 1,
            revision: 1,
            machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:m".into(),
            name: number.to_string().into(),
            status: if number == CHILDREN - 1 { ExecutionStatus::Failed } else { ExecutionStatus::Succeeded },
            started_at: Timestamp(0),
            stopped_at: None,
            trace_header: None,
            version: None,
            alias: None,
            parent: None,
            is_express: false,
            redrive_count: 0,
            redriven_at: None,
        };
        let put = |space, key, value| Write::Put { space, key, value };
        let writes = (0..CHILDREN).flat_map(|number| {
            let id = ExecutionId(u64::from(number));
            [
                put(map_run::SPACE, key.child(number), map_run::child_value(id, 0)),
                put(Space::Executions, keys::execution(id), record::encode_row(&row(number))),
            ]
        });
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let epoch = store.take(ShardId(0)).unwrap();
        commit_and_wait(&*store, Batch { shard: ShardId(0), epoch, writes: writes.collect() }).unwrap();
        let reader = Reader::new(store.clone(), Arc::new(Machines::open(store).unwrap()));
        let check = |status, from, limit, expect: (usize, Option<u32>)| {
            let (found, next) = reader.map_run_executions(key, status, from, limit).unwrap();
            assert_eq!((found.len(), next), expect, "{status:?} from {from}");
        };
        check(None, 0, 5, (5, Some(5)));
        check(None, 0, usize::MAX, (CHILDREN as usize, None));
        check(Some(ExecutionStatus::Failed), 0, 5, (0, Some(ROWS_PER_PAGE as u32)));
        check(Some(ExecutionStatus::Failed), ROWS_PER_PAGE as u32, 5, (1, None));
    }
}

//! Map Runs as they are stored: the run itself, the inputs of its executions, and which execution works on which.
//!
//! | key | value |
//! |---|---|
//! | `A`, ARN | the run's key: execution u64, frame u32, wait u64 |
//! | `R`, run's key | the run: JSON |
//! | `C`, run's key, number of the first u32 | inputs of executions, in order: JSON, so many as fit in a chunk |
//! | `E`, run's key, number u32 | the execution that works on this input: its id u64, and after a redrive its round u32 |
//!
//! Inputs are worked out once, when the items are read, and are durable before the first execution starts: what an
//! expression gave or an object held then is what the run works on, whatever crashes.

use std::sync::Arc;

use interpreter::{Batcher, FrameId, MapRunId, Payload, StartMapRun, Timestamp, WaitId};
use serde::{Deserialize, Serialize};
use store::Space;

use crate::error::Error;
use crate::keys::ExecutionId;
use crate::record::unreadable;

pub(crate) const SPACE: Space = Space::MapRuns;
const FORMAT: u32 = 1;

/// Bytes of inputs in one chunk, about: large enough that few rows are written, small enough to be read at once.
pub(crate) const CHUNK_BYTES: usize = 512 * 1024;

/// Which Map Run: the execution it belongs to, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey {
    pub execution: ExecutionId,
    pub id: MapRunId,
}

impl RunKey {
    fn bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.execution.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.id.frame.0.to_be_bytes());
        bytes[12..].copy_from_slice(&self.id.run.0.to_be_bytes());
        bytes
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<RunKey> {
        let (execution, rest) = bytes.split_first_chunk::<8>()?;
        let (frame, rest) = rest.split_first_chunk::<4>()?;
        let (run, _) = rest.split_first_chunk::<8>()?;
        Some(RunKey {
            execution: ExecutionId(u64::from_be_bytes(*execution)),
            id: MapRunId { frame: FrameId(u32::from_be_bytes(*frame)), run: WaitId(u64::from_be_bytes(*run)) },
        })
    }

    pub(crate) fn value(self) -> Vec<u8> {
        self.bytes().to_vec()
    }

    pub(crate) fn row(self) -> Vec<u8> {
        [&b"R"[..], &self.bytes()].concat()
    }

    pub(crate) fn chunk(self, first: u32) -> Vec<u8> {
        [&b"C"[..], &self.bytes(), &first.to_be_bytes()].concat()
    }

    pub(crate) fn child(self, number: u32) -> Vec<u8> {
        [&b"E"[..], &self.bytes(), &number.to_be_bytes()].concat()
    }

    pub(crate) fn chunks(self) -> Vec<u8> {
        [&b"C"[..], &self.bytes()].concat()
    }

    pub(crate) fn children(self) -> Vec<u8> {
        [&b"E"[..], &self.bytes()].concat()
    }
}

pub(crate) fn by_arn(arn: &str) -> Vec<u8> {
    [b"A", arn.as_bytes()].concat()
}

/// An execution of a run, and with which redrive of the run it has begun to work, or gone on: the round.
pub(crate) fn child_value(execution: ExecutionId, round: u32) -> Vec<u8> {
    let id = execution.0.to_be_bytes();
    match round {
        0 => id.to_vec(),
        _ => [&id[..], &round.to_be_bytes()].concat(),
    }
}

pub(crate) fn read_child(value: &[u8]) -> Result<(ExecutionId, u32), Error> {
    let read = value.split_first_chunk::<8>().and_then(|(id, round)| match round {
        [] => Some((ExecutionId(u64::from_be_bytes(*id)), 0)),
        _ => Some((ExecutionId(u64::from_be_bytes(*id)), u32::from_be_bytes(round.try_into().ok()?))),
    });
    read.ok_or_else(|| unreadable("an execution of a Map Run", &"its entry has another length"))
}

/// The rows of all runs of one execution.
pub(crate) fn of_execution(execution: ExecutionId) -> Vec<u8> {
    [&b"R"[..], &execution.0.to_be_bytes()].concat()
}

/// The last four bytes of a key of a chunk or an execution.
pub(crate) fn number(key: &[u8]) -> Option<u32> {
    key.last_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MapRunStatus {
    Running,
    Succeeded,
    Failed,
    Aborted,
}

impl MapRunStatus {
    pub fn name(self) -> &'static str {
        match self {
            MapRunStatus::Running => "RUNNING",
            MapRunStatus::Succeeded => "SUCCEEDED",
            MapRunStatus::Failed => "FAILED",
            MapRunStatus::Aborted => "ABORTED",
        }
    }
}

/// How many there are of each kind, of executions or of items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub total: u64,
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub aborted: u64,
    pub results_written: u64,
    /// Did not succeed, and will be redriven when there is room.
    #[serde(default)]
    pub pending_redrive: u64,
}

impl Counts {
    pub fn pending(&self) -> u64 {
        let begun = self.running + self.succeeded + self.failed + self.timed_out + self.aborted + self.pending_redrive;
        self.total.saturating_sub(begun)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MapRunRow {
    format: u32,
    /// As the interpreter has asked for it; an update of the limits changes it.
    pub plan: StartMapRun,
    pub execution_arn: Arc<str>,
    /// `…:stateMachine:MACHINE/LABEL`
    pub machine_arn: Arc<str>,
    pub state: Arc<str>,
    pub status: MapRunStatus,
    pub started_at: Timestamp,
    pub stopped_at: Option<Timestamp>,
    /// All items have been read and their inputs are durable.
    pub is_read: bool,
    pub executions: Counts,
    pub items: Counts,
    pub redrive_count: u32,
    pub redriven_at: Option<Timestamp>,
}

impl MapRunRow {
    pub(crate) fn new(
        plan: StartMapRun,
        execution_arn: Arc<str>,
        machine_arn: Arc<str>,
        state: Arc<str>,
        now: Timestamp,
    ) -> MapRunRow {
        MapRunRow {
            format: FORMAT,
            plan,
            execution_arn,
            machine_arn,
            state,
            status: MapRunStatus::Running,
            started_at: now,
            stopped_at: None,
            is_read: false,
            executions: Counts::default(),
            items: Counts::default(),
            redrive_count: 0,
            redriven_at: None,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a Map Run's row is plain data, which always serialises")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<MapRunRow, Error> {
        let row: MapRunRow = serde_json::from_slice(bytes).map_err(|error| unreadable("a Map Run", &error))?;
        if row.format != FORMAT {
            let why = format!("its format is {}, this version knows {FORMAT}", row.format);
            return Err(unreadable("a Map Run", &why));
        }
        Ok(row)
    }

    /// Have more items failed than the author tolerates?
    pub(crate) fn is_exceeded(&self) -> bool {
        let failed = self.items.failed + self.items.timed_out;
        let is_over_count = |most: u64| failed > most;
        let is_over_percentage = |most: f64| failed as f64 * 100.0 > most * self.items.total as f64;
        match (self.plan.tolerated_failure_count, self.plan.tolerated_failure_percentage) {
            (None, None) => is_over_count(0),
            (Some(count), None) => is_over_count(count),
            (None, Some(percentage)) => is_over_percentage(percentage),
            (Some(count), Some(percentage)) => is_over_count(count) || is_over_percentage(percentage),
        }
    }
}

/// The input of one execution, and how many items are in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChildInput {
    pub items: u32,
    pub input: Payload,
}

pub(crate) fn encode_chunk(inputs: &[ChildInput]) -> Vec<u8> {
    serde_json::to_vec(inputs).expect("inputs are plain data, which always serialises")
}

pub(crate) fn decode_chunk(bytes: &[u8]) -> Result<Vec<ChildInput>, Error> {
    serde_json::from_slice(bytes).map_err(|error| unreadable("the inputs of a Map Run", &error))
}

/// Puts items together into the inputs of executions.
pub(crate) struct Batching {
    batcher: Option<Batcher>,
    items: Vec<Payload>,
    bytes: usize,
}

/// `{"Items":[]}`
const FRAME_BYTES: usize = 12;

impl Batching {
    pub fn new(batcher: Option<Batcher>) -> Batching {
        Batching { batcher, items: Vec::new(), bytes: 0 }
    }

    /// Takes an item; gives a batch that is full without it.
    pub fn push(&mut self, item: Payload) -> Option<ChildInput> {
        let Some(batcher) = &self.batcher else { return Some(ChildInput { items: 1, input: item }) };
        let size = item.size() + 1;
        let most_items = batcher.max_items.unwrap_or(u64::MAX);
        // The limit of a payload holds for a batch, too.
        let most_bytes = batcher.max_bytes.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let most_bytes = most_bytes.min(interpreter::limits::PAYLOAD_BYTES_MAX);
        let own = FRAME_BYTES + batcher.batch_input.as_ref().map_or(0, |input| input.size() + 16);
        let is_full = self.items.len() as u64 >= most_items || own + self.bytes + size > most_bytes;
        let full = if is_full { self.take() } else { None };
        self.bytes += size;
        self.items.push(item);
        full
    }

    /// What is left.
    pub fn take(&mut self) -> Option<ChildInput> {
        if self.items.is_empty() {
            return None;
        }
        let input = self.batcher.as_ref()?.together(&self.items);
        let count = self.items.len() as u32;
        self.items.clear();
        self.bytes = 0;
        Some(ChildInput { items: count, input })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(text: &str) -> Payload {
        Payload::from_checked_text(text)
    }

    #[test]
    fn batches() {
        let check = |max_items: Option<u64>, max_bytes: Option<u64>, input: Option<&str>, expect: &[&str]| {
            let batcher = Batcher { max_items, max_bytes, batch_input: input.map(payload) };
            let mut batching = Batching::new(Some(batcher));
            let mut batches: Vec<ChildInput> =
                ["1", "22", "333"].iter().filter_map(|it| batching.push(payload(it))).collect();
            batches.extend(batching.take());
            assert_eq!(batches.iter().map(|batch| batch.input.text()).collect::<Vec<_>>(), expect);
            assert_eq!(batches.iter().map(|batch| batch.items).sum::<u32>(), 3);
        };
        check(Some(2), None, None, &[r#"{"Items":[1,22]}"#, r#"{"Items":[333]}"#]);
        check(Some(9), None, Some("{}"), &[r#"{"BatchInput":{},"Items":[1,22,333]}"#]);
        check(None, Some(17), None, &[r#"{"Items":[1,22]}"#, r#"{"Items":[333]}"#]);
        // An item that is too large alone is a batch all the same: its execution tells what is wrong.
        check(None, Some(1), None, &[r#"{"Items":[1]}"#, r#"{"Items":[22]}"#, r#"{"Items":[333]}"#]);
    }

    #[test]
    fn keys_there_and_back() {
        let key = RunKey { execution: ExecutionId(7 << 40), id: MapRunId { frame: FrameId(3), run: WaitId(9) } };
        assert_eq!(RunKey::read(&key.value()), Some(key));
        assert_eq!(number(&key.child(258)), Some(258));
        assert!(key.child(258).starts_with(&key.children()));
        assert!(key.row().starts_with(&of_execution(key.execution)));
        for round in [0, 1, 700] {
            assert_eq!(read_child(&child_value(key.execution, round)).unwrap(), (key.execution, round));
        }
        assert!(read_child(&[0; 7]).is_err() && read_child(&[0; 9]).is_err());
    }
}

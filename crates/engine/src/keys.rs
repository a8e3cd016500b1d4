//! Keys of the store and names of executions.
//!
//! Numbers are big-endian, so that the store's byte order is their order. An execution's id grows with its
//! start time, so the newest executions share pages, and "newest first" is a backward scan.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::record::ExecutionStatus;

/// By ids that the engine has made: no caller can choose them so that they meet.
pub(crate) type IdMap<K, V> = HashMap<K, V, FixedState>;
pub(crate) type IdSet<K> = HashSet<K, FixedState>;

/// 42 bits of milliseconds since 1970, 6 bits of shard, 16 bits of counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExecutionId(pub u64);

impl ExecutionId {
    pub const SHARDS_MAX: u16 = 64;
    const COUNTER_BITS: u32 = 16;
    const SHARD_BITS: u32 = 6;

    /// The next id of a shard: never one at or before `last`, however the clock jumps.
    pub fn next(last: ExecutionId, now_ms: i64, shard: u16) -> ExecutionId {
        let fresh = ExecutionId::new(u64::try_from(now_ms).unwrap_or(0), shard, 0);
        if fresh > last {
            return fresh;
        }
        let counter = last.0 & ((1 << Self::COUNTER_BITS) - 1);
        if last.shard() == shard && counter + 1 < 1 << Self::COUNTER_BITS {
            ExecutionId(last.0 + 1)
        } else {
            ExecutionId::new((last.0 >> (Self::COUNTER_BITS + Self::SHARD_BITS)) + 1, shard, 0)
        }
    }

    fn new(ms: u64, shard: u16, counter: u64) -> ExecutionId {
        debug_assert!(shard < Self::SHARDS_MAX);
        ExecutionId(
            (ms << (Self::COUNTER_BITS + Self::SHARD_BITS)) | (u64::from(shard) << Self::COUNTER_BITS) | counter,
        )
    }

    /// The last id that any shard could have given in the millisecond of `newest`: what comes next, for whatever shard, is not
    /// taken. Ids of several shards are given here when their number has changed.
    pub fn after(newest: ExecutionId) -> ExecutionId {
        let ms = newest.0 >> (Self::COUNTER_BITS + Self::SHARD_BITS);
        ExecutionId::new(ms, Self::SHARDS_MAX - 1, (1 << Self::COUNTER_BITS) - 1)
    }

    /// No execution that was started before this millisecond has this id or a greater one.
    pub fn first_at(ms: i64) -> ExecutionId {
        ExecutionId::new(u64::try_from(ms).unwrap_or(0), 0, 0)
    }

    pub fn shard(self) -> u16 {
        ((self.0 >> Self::COUNTER_BITS) & ((1 << Self::SHARD_BITS) - 1)) as u16
    }
}

pub fn execution(id: ExecutionId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// Whose row or record it is.
pub fn execution_id(key: &[u8]) -> Option<ExecutionId> {
    key.first_chunk().map(|bytes| ExecutionId(u64::from_be_bytes(*bytes)))
}

pub fn record(id: ExecutionId, seq: u32) -> Vec<u8> {
    [&id.0.to_be_bytes()[..], &seq.to_be_bytes()].concat()
}

/// A snapshot that has a row of its own: beyond all records, where no scan of them comes.
pub fn snapshot(id: ExecutionId) -> Vec<u8> {
    record(id, u32::MAX)
}

pub fn record_seq(key: &[u8]) -> Option<u32> {
    key.get(8..12)?.try_into().ok().map(u32::from_be_bytes)
}

/// The execution of this name: machine number, name.
pub fn name(machine: u32, name: &str) -> Vec<u8> {
    [&machine.to_be_bytes()[..], name.as_bytes()].concat()
}

/// The lists: machine number, status, id.
pub fn listing(machine: u32, status: ExecutionStatus, id: ExecutionId) -> Vec<u8> {
    [&listing_prefix(machine, status)[..], &id.0.to_be_bytes()].concat()
}

pub fn listing_prefix(machine: u32, status: ExecutionStatus) -> Vec<u8> {
    [&machine.to_be_bytes()[..], &[status.code()]].concat()
}

pub fn listing_id(key: &[u8]) -> Option<ExecutionId> {
    key.get(5..13)?.try_into().ok().map(|bytes| ExecutionId(u64::from_be_bytes(bytes)))
}

/// A machine's definition as of one revision.
pub fn definition(machine: u32, revision: u32) -> Vec<u8> {
    [machine.to_be_bytes(), revision.to_be_bytes()].concat()
}

pub fn definition_machine(key: &[u8]) -> Option<u32> {
    key.get(..4)?.try_into().ok().map(u32::from_be_bytes)
}

/// What follows the name in a state machine's ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier<'a> {
    Version(u32),
    Alias(&'a str),
}

/// Parts of an ARN up to and with the machine's name.
const MACHINE_ARN_PARTS: usize = 7;

/// The ARN of the machine, and what qualifies it. A qualifier of digits alone is a version, and one that no version
/// can have is version 0, which there is not.
pub fn split_machine_arn(arn: &str) -> (&str, Option<Qualifier<'_>>) {
    let Some((end, _)) = arn.match_indices(':').nth(MACHINE_ARN_PARTS - 1) else { return (arn, None) };
    let (machine, qualifier) = (&arn[..end], &arn[end + 1..]);
    if !qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
        return (machine, Some(Qualifier::Alias(qualifier)));
    }
    let number = qualifier.parse().ok().filter(|number: &u32| number.to_string() == qualifier);
    (machine, Some(Qualifier::Version(number.unwrap_or(0))))
}

/// Set in the number of a machine: the list of the executions of its Map Runs.
pub const CHILDREN: u32 = 1 << 31;

/// `…:stateMachine:NAME` and an execution's name make `…:execution:NAME:EXECUTION`.
pub fn execution_arn(machine_arn: &str, execution_name: &str) -> String {
    format!("{}:{execution_name}", machine_arn.replacen(":stateMachine:", ":execution:", 1))
}

/// `…:express:NAME:EXECUTION:ID`: the name of an Express execution is not its own alone.
pub fn express_arn(machine_arn: &str, execution_name: &str, id: ExecutionId) -> String {
    let (high, mid, low) = (id.0 >> 32, (id.0 >> 16) & 0xffff, id.0 & 0xffff_ffff_ffff);
    let machine_arn = machine_arn.replacen(":stateMachine:", ":express:", 1);
    format!("{machine_arn}:{execution_name}:{high:08x}-{mid:04x}-4000-8000-{low:012x}")
}

/// The machine's ARN and the execution's name in an execution's ARN. That of a Map Run's execution has the label of the
/// Map behind the machine's name.
pub fn split_execution_arn(arn: &str) -> Option<(String, &str)> {
    let (machine, name) = arn.rsplit_once(':')?;
    if !machine.contains(":execution:") || name.is_empty() {
        return None;
    }
    let machine = machine.split_once('/').map_or(machine, |(machine, _)| machine);
    Some((machine.replacen(":execution:", ":stateMachine:", 1), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_only_grow() {
        let first = ExecutionId::next(ExecutionId(0), 1_000, 3);
        assert_eq!(first.shard(), 3);
        let mut last = first;
        for _ in 0..70_000 {
            let next = ExecutionId::next(last, 500, 3);
            assert!(next > last && next.shard() == 3);
            last = next;
        }
        for shard in [0, 3, 63] {
            let next = ExecutionId::next(ExecutionId::after(first), 1_000, shard);
            assert!(next.shard() == shard && next > ExecutionId::new(1_000, 63, 0xffff), "{next:?}");
        }
        // A shard may give ids of another that is its own since their number has changed.
        for shard in [5, 3, 3, 0] {
            let next = ExecutionId::next(last, 500, shard);
            assert!(next > last && next.shard() == shard);
            last = next;
        }
    }

    #[test]
    fn qualified_arns() {
        let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:travel";
        let check = |after: &str, expected: Option<Qualifier<'_>>| {
            assert_eq!(split_machine_arn(&format!("{machine}{after}")), (machine, expected), "{after}");
        };
        check("", None);
        check(":1", Some(Qualifier::Version(1)));
        check(":PROD", Some(Qualifier::Alias("PROD")));
        check(":1a", Some(Qualifier::Alias("1a")));
        check(":a:b", Some(Qualifier::Alias("a:b")));
        for none in [":01", ":0", ":", ":99999999999"] {
            check(none, Some(Qualifier::Version(0)));
        }
        assert_eq!(split_machine_arn("nonsense"), ("nonsense", None));
    }

    #[test]
    fn execution_arns_there_and_back() {
        let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:travel";
        let arn = execution_arn(machine, "trip-1");
        assert_eq!(arn, "arn:aws:states:us-east-1:000000000000:execution:travel:trip-1");
        assert_eq!(split_execution_arn(&arn), Some((machine.to_owned(), "trip-1")));
        assert_eq!(split_execution_arn(machine), None);
    }
}

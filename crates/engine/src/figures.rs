//! What the engine did since it was opened, for metrics and the console.
//!
//! Each shard counts in plain fields of its own: no lock, no atomic, nothing shared. Who wants the figures asks every
//! shard with a message and adds up the copies, so only the asking costs. Executions are counted when the batch that
//! holds them is durable, like everything else that leaves a shard.
//!
//! Does not know what a figure is called outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use asl::definition::Resource;
use store::Histogram;

use crate::core::Gauges;
use crate::record::ExecutionStatus;

/// State machines that are counted apart. Those that come later share one entry, so that no caller can make the
/// figures grow by creating machines.
pub const MACHINES_APART_MAX: usize = 100;

/// The upper bounds of [`Durations`] in milliseconds, from a saga of local functions to one that waits for a week.
pub const DURATION_BOUNDS_MS: [u64; 15] = [
    10,
    50,
    100,
    500,
    1_000,
    5_000,
    10_000,
    30_000,
    60_000,
    300_000,
    1_800_000,
    3_600_000,
    6 * 3_600_000,
    24 * 3_600_000,
    7 * 24 * 3_600_000,
];

/// What a task calls, as far as latencies are told apart. A service that is not here counts as `other`: definitions
/// may name anything.
pub const RESOURCE_KINDS: [&str; 12] = [
    "function",
    "lambda",
    "dynamodb",
    "states",
    "apigateway",
    "http",
    "sqs",
    "sns",
    "events",
    "activity",
    "aws-sdk",
    "other",
];

const OTHER: u8 = RESOURCE_KINDS.len() as u8 - 1;

/// A place in [`RESOURCE_KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceKind(u8);

impl ResourceKind {
    pub fn of(resource: &Resource) -> ResourceKind {
        let name = match resource {
            Resource::Function { .. } => "function",
            Resource::Activity { .. } => "activity",
            Resource::Service { service, .. } if service.starts_with("aws-sdk:") => "aws-sdk",
            Resource::Service { service, .. } => service,
        };
        let place = RESOURCE_KINDS.iter().position(|kind| *kind == name);
        ResourceKind(place.map_or(OTHER, |place| place as u8))
    }

    pub fn name(self) -> &'static str {
        RESOURCE_KINDS[usize::from(self.0)]
    }
}

/// One call of a runner: what it called, and how long until it answered.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub kind: ResourceKind,
    pub took: Duration,
}

/// Sums since the engine was opened, except for the gauges and the inbox.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub gauges: Gauges,
    /// Requests that wait for a shard.
    pub inbox: usize,
    /// Shards that answered; one that has stopped for good does not.
    pub shards: usize,
    /// States entered.
    pub transitions: u64,
    pub history_events: u64,
    /// By the number of the machine, which is never given twice.
    pub machines: BTreeMap<u32, MachineFigures>,
    /// Of all machines beyond [`MACHINES_APART_MAX`].
    pub other_machines: Ends,
    /// Of the executions that Map Runs have started; they are counted here only.
    pub map_runs: Ends,
    /// By the places of [`ENDS`].
    pub durations: [Durations; ENDS.len()],
    /// From the hand-over of a task to the answer of its call, by the places of [`RESOURCE_KINDS`]. What comes by a
    /// token later is not in it.
    pub calls: [Calls; RESOURCE_KINDS.len()],
}

#[derive(Clone, Debug)]
pub struct MachineFigures {
    pub arn: Arc<str>,
    pub ends: Ends,
}

/// How an execution may have ended.
pub const ENDS: [ExecutionStatus; 4] =
    [ExecutionStatus::Succeeded, ExecutionStatus::Failed, ExecutionStatus::TimedOut, ExecutionStatus::Aborted];

fn place_of(status: ExecutionStatus) -> Option<usize> {
    ENDS.iter().position(|end| *end == status)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    pub started: u64,
    /// Taken up again after a bad end: each of them ends once more.
    pub redriven: u64,
    /// By the places of [`ENDS`].
    pub ended: [u64; ENDS.len()],
}

impl Ends {
    pub fn add(&mut self, other: &Ends) {
        self.started += other.started;
        self.redriven += other.redriven;
        self.ended.iter_mut().zip(other.ended).for_each(|(sum, more)| *sum += more);
    }
}

/// Durations of executions, by [`DURATION_BOUNDS_MS`]; the last bucket is for all that took longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    pub counts: [u64; DURATION_BOUNDS_MS.len() + 1],
    pub total_ms: u64,
}

impl Durations {
    fn record(&mut self, ms: u64) {
        self.counts[DURATION_BOUNDS_MS.partition_point(|bound| *bound < ms)] += 1;
        self.total_ms += ms;
    }

    fn add(&mut self, other: &Durations) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, more)| *sum += more);
        self.total_ms += other.total_ms;
    }
}

/// Calls of one kind of resource.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    pub latency: Histogram,
    /// How many of them failed.
    pub failed: u64,
}

/// What happened to an execution within a batch.
#[derive(Debug)]
pub(crate) struct Moved {
    pub machine: u32,
    pub machine_arn: Arc<str>,
    pub is_of_map_run: bool,
    pub is_started: bool,
    pub is_redriven: bool,
    /// How it ended, after so many milliseconds.
    pub ended: Option<(ExecutionStatus, u64)>,
}

/// What one batch has done, once it is durable.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub transitions: u64,
    pub history_events: u64,
    pub moved: Vec<Moved>,
}

impl Figures {
    /// Counts a batch that became durable, and empties its tally for the next.
    pub(crate) fn count(&mut self, tally: &mut Tally) {
        self.transitions += std::mem::take(&mut tally.transitions);
        self.history_events += std::mem::take(&mut tally.history_events);
        for moved in tally.moved.drain(..) {
            if let Some((status, ms)) = moved.ended
                && let Some(place) = place_of(status)
            {
                self.durations[place].record(ms);
            }
            let ends = match moved.is_of_map_run {
                true => &mut self.map_runs,
                false => self.ends_of(moved.machine, &moved.machine_arn),
            };
            ends.started += u64::from(moved.is_started);
            ends.redriven += u64::from(moved.is_redriven);
            if let Some(place) = moved.ended.and_then(|(status, _)| place_of(status)) {
                ends.ended[place] += 1;
            }
        }
    }

    pub(crate) fn called(&mut self, call: Call, is_failed: bool) {
        let calls = &mut self.calls[usize::from(call.kind.0)];
        calls.latency.record(call.took);
        calls.failed += u64::from(is_failed);
    }

    fn ends_of(&mut self, machine: u32, arn: &Arc<str>) -> &mut Ends {
        if self.machines.len() >= MACHINES_APART_MAX && !self.machines.contains_key(&machine) {
            return &mut self.other_machines;
        }
        let new = || MachineFigures { arn: arn.clone(), ends: Ends::default() };
        &mut self.machines.entry(machine).or_insert_with(new).ends
    }

    /// Adds those of another shard.
    pub(crate) fn add(&mut self, other: &Figures) {
        self.gauges.add(&other.gauges);
        self.inbox += other.inbox;
        self.shards += other.shards;
        self.transitions += other.transitions;
        self.history_events += other.history_events;
        for (machine, figures) in &other.machines {
            self.ends_of(*machine, &figures.arn).add(&figures.ends);
        }
        self.other_machines.add(&other.other_machines);
        self.map_runs.add(&other.map_runs);
        self.durations.iter_mut().zip(&other.durations).for_each(|(sum, more)| sum.add(more));
        for (sum, more) in self.calls.iter_mut().zip(&other.calls) {
            sum.latency.add(&more.latency);
            sum.failed += more.failed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(machine: u32, ended: Option<(ExecutionStatus, u64)>) -> Moved {
        let machine_arn = format!("arn:{machine}").into();
        let is_started = ended.is_none();
        Moved { machine, machine_arn, is_of_map_run: false, is_started, is_redriven: false, ended }
    }

    fn counted(moved: Vec<Moved>) -> Figures {
        let mut figures = Figures::default();
        figures.count(&mut Tally { transitions: 3, history_events: 5, moved });
        figures
    }

    #[test]
    fn machines_beyond_the_bound_share_one_entry() {
        let all = MACHINES_APART_MAX as u32 + 20;
        let figures = counted((0..all).map(|machine| moved(machine, None)).collect());
        assert_eq!((figures.machines.len(), figures.other_machines.started), (MACHINES_APART_MAX, 20));
        // Of two shards that each know others, the sum keeps the bound and loses nothing.
        let others = counted((50..50 + all).map(|machine| moved(machine, None)).collect());
        let mut sum = Figures::default();
        [figures, others].iter().for_each(|shard| sum.add(shard));
        let apart: u64 = sum.machines.values().map(|machine| machine.ends.started).sum();
        assert_eq!(sum.machines.len(), MACHINES_APART_MAX);
        assert_eq!(apart + sum.other_machines.started, 2 * u64::from(all));
        assert_eq!((sum.transitions, sum.history_events), (6, 10));
    }

    #[test]
    fn ends_are_told_apart_with_their_durations() {
        let ends =
            [(ExecutionStatus::Succeeded, 10), (ExecutionStatus::Failed, 11), (ExecutionStatus::Aborted, u64::MAX / 2)];
        let figures = counted(ends.into_iter().map(|end| moved(1, Some(end))).collect());
        assert_eq!(figures.machines[&1].ends.ended, [1, 1, 0, 1]);
        let bucket = |place: usize| figures.durations[place].counts.iter().position(|count| *count == 1);
        assert_eq!([bucket(0), bucket(1), bucket(2), bucket(3)], [Some(0), Some(1), None, Some(15)]);
    }

    #[test]
    fn a_kind_for_every_resource() {
        let service = |service: &str| Resource::Service {
            arn: "arn".into(),
            service: service.into(),
            action: "a".into(),
            pattern: asl::definition::Pattern::RequestResponse,
        };
        let check = |resource: &Resource, expect: &str| assert_eq!(ResourceKind::of(resource).name(), expect);
        check(&Resource::Function { arn: "arn".into() }, "function");
        check(&Resource::Activity { arn: "arn".into() }, "activity");
        check(&service("lambda"), "lambda");
        check(&service("aws-sdk:s3"), "aws-sdk");
        check(&service("of the author's making"), "other");
    }
}

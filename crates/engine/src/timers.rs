//! Moments to come, soonest first.
//!
//! Clearing a timer only counts it: the entry stays until it fires, is found stale and dropped, or until the
//! stale ones outnumber the others and all are swept. So setting costs a heap push and clearing almost nothing,
//! and memory stays in line with the timers that are really set.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use interpreter::{TimerId, Timestamp};

use crate::keys::ExecutionId;

type Entry = (Timestamp, ExecutionId, TimerId);

#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    cleared: usize,
}

/// Sweeping fewer entries than this is not worth the walk.
const SWEEP_MIN: usize = 1024;

impl Timers {
    pub fn set(&mut self, id: ExecutionId, timer: TimerId, at: Timestamp) {
        self.heap.push(Reverse((at, id, timer)));
    }

    /// Counts one entry as stale.
    pub fn clear(&mut self) {
        self.cleared += 1;
    }

    pub fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The next timer that is due, if there is one. It may be stale.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(ExecutionId, TimerId)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, id, timer))| (id, timer))
    }

    /// Should [`Timers::sweep`] be called?
    pub fn is_littered(&self) -> bool {
        self.cleared > SWEEP_MIN && self.cleared * 2 > self.heap.len()
    }

    /// Keeps what is still set.
    pub fn sweep(&mut self, is_set: impl Fn(ExecutionId, TimerId, Timestamp) -> bool) {
        self.heap.retain(|Reverse((at, id, timer))| is_set(*id, *timer, *at));
        self.cleared = 0;
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }
}

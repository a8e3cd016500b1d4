//! The store that forgets: ordered maps behind one lock.
//!
//! For Express executions, tests and the simulator, and as the plain statement of what a store does,
//! against which the others are compared. It needs no IO, so a batch is applied, and its `done` called,
//! within `commit` on the calling thread.

use std::{
    collections::{BTreeMap, HashMap},
    ops::{Bound, Range},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Instant,
};

use crate::{
    Batch, Done, Epoch, Error, Figures, Order, Row, ShardId, Space, Store, Write,
    figures::{Counters, Tally},
};

/// A [`Store`] in memory. See the module.
#[derive(Default)]
pub struct Memory {
    state: RwLock<State>,
    counters: Counters,
}

#[derive(Default)]
struct State {
    spaces: [BTreeMap<Vec<u8>, Vec<u8>>; Space::COUNT],
    epochs: HashMap<ShardId, Epoch>,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    // The maps are changed only by steps that cannot panic half-way, so a poisoned lock guards nothing.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, batch: Batch) -> Result<(), Error> {
        batch.checked_bytes()?;
        let since = Instant::now();
        let mut tally = Tally::default();
        let mut state = self.write();
        let fence = batch.fence(state.epoch(batch.shard));
        match fence {
            Ok(()) => {
                tally.add(&batch, since.elapsed());
                batch.writes.into_iter().for_each(|write| state.change(write));
            }
            Err(_) => tally.fenced += 1,
        }
        drop(state);
        self.counters.committed(tally);
        fence
    }
}

impl State {
    fn epoch(&self, shard: ShardId) -> Epoch {
        self.epochs.get(&shard).copied().unwrap_or(Epoch(0))
    }

    fn change(&mut self, write: Write) {
        match write {
            Write::Put { space, key, value } => drop(self.spaces[space.index()].insert(key, value)),
            Write::Delete { space, key } => drop(self.spaces[space.index()].remove(&key)),
        }
    }
}

impl Store for Memory {
    fn take(&self, shard: ShardId) -> Result<Epoch, Error> {
        let mut state = self.write();
        let raised = Epoch(state.epoch(shard).0 + 1);
        state.epochs.insert(shard, raised);
        Ok(raised)
    }

    fn commit(&self, batch: Batch, done: Done) {
        done(self.apply(batch));
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.read().spaces[space.index()].get(key).cloned())
    }

    fn scan(&self, space: Space, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Row>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let state = self.read();
        let bounds = (Bound::Included(range.start), Bound::Excluded(range.end));
        let rows = state.spaces[space.index()].range::<[u8], _>(bounds);
        let copy = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        Ok(match order {
            Order::Ascending => rows.take(limit).map(copy).collect(),
            Order::Descending => rows.rev().take(limit).map(copy).collect(),
        })
    }

    fn figures(&self) -> Figures {
        self.counters.snapshot()
    }
}

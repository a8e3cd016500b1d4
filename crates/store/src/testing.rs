//! What tests of this crate and of those above it need: faults on demand, a folder to throw away, and
//! chance that a seed repeats.

use std::{
    collections::HashMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{Batch, Done, Epoch, Error, Figures, Order, Row, ShardId, Space, Store};

/// What happens to a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing is written, and `done` is told of a failure.
    Fail,
    /// The batch is written, and `done` is told of a failure: the acknowledgement was lost.
    LoseReply,
    /// This commit and all after it wait for [`Faulty::release`].
    Hold,
}

/// A store whose nth commit, counted from 1, meets a fault. Everything else goes to the store within.
pub struct Faulty {
    inner: Arc<dyn Store>,
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    faults: HashMap<u64, Fault>,
    commits: u64,
    holding: bool,
    held: Vec<(Batch, Done)>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Store>) -> Faulty {
        Faulty { inner, plan: Mutex::default() }
    }

    /// Plans a fault for the nth commit from the start, which is number 1.
    pub fn on(self, nth: u64, fault: Fault) -> Faulty {
        self.plan().faults.insert(nth, fault);
        self
    }

    /// Plans a fault for the next commit.
    pub fn on_next(&self, fault: Fault) {
        let mut plan = self.plan();
        let next = plan.commits + 1;
        plan.faults.insert(next, fault);
    }

    /// How many commits were asked for.
    pub fn commits(&self) -> u64 {
        self.plan().commits
    }

    /// Lets what is held go on, in its order.
    pub fn release(&self) {
        let mut plan = self.plan();
        plan.holding = false;
        let held = std::mem::take(&mut plan.held);
        drop(plan);
        held.into_iter().for_each(|(batch, done)| self.inner.commit(batch, done));
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn injected() -> Error {
        Error::Failed { cause: "a test asked for this failure".into() }
    }
}

impl Store for Faulty {
    fn take(&self, shard: ShardId) -> Result<Epoch, Error> {
        self.inner.take(shard)
    }

    fn commit(&self, batch: Batch, done: Done) {
        let mut plan = self.plan();
        plan.commits += 1;
        let nth = plan.commits;
        let fault = plan.faults.remove(&nth);
        plan.holding |= fault == Some(Fault::Hold);
        if plan.holding {
            plan.held.push((batch, done));
            return;
        }
        // `done` may commit again, so the plan must be free.
        drop(plan);
        match fault {
            Some(Fault::Fail) => done(Err(Faulty::injected())),
            Some(Fault::LoseReply) => self.inner.commit(batch, Box::new(|_| done(Err(Faulty::injected())))),
            Some(Fault::Hold) | None => self.inner.commit(batch, done),
        }
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.inner.get(space, key)
    }

    fn scan(&self, space: Space, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Row>, Error> {
        self.inner.scan(space, range, order, limit)
    }

    fn figures(&self) -> Figures {
        self.inner.figures()
    }
}

/// A new folder below the system's temporary one, removed with everything in it when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    #[expect(clippy::new_without_default, reason = "creating a folder is no default")]
    pub fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ithaca-test-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        // Lock errors name the canonical path.
        Scratch(path.canonicalize().expect("a folder just made has a path"))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left-overs in a temporary folder are not worth failing a test for.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Numbers that look random and follow from the seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.draw() as u8).collect()
    }
}

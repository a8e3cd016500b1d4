//! The store of the simulator: what is durable, and the batches that are on their way to it.
//!
//! ```text
//!  process 1 ── Door ──┐                      ┌─ done(Ok)
//!                      ├─> queue, in order ──>┼─ done(an error), applied or not   ──> the image
//!  process 2 ── Door ──┘                      └─ dropped with its process
//! ```
//!
//! Nothing becomes durable until the world lets it. A crash leaves the image and any first part of the queue. The image
//! itself is [`store::Memory`], whose fence is the one that is tested.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::{Batch, Done, Epoch, Error, Figures, Memory, Order, Row, ShardId, Space, Store, commit_and_wait};

use crate::auditor::Auditor;
use crate::journal::Journal;

/// Machines and activities are written under the highest numbers, by calls that wait: those are not delayed.
const FIRST_REGISTRY: u16 = u16::MAX - 1;

pub struct Disk {
    image: Memory,
    way: Mutex<Way>,
    auditor: Arc<Auditor>,
    journal: Arc<Journal>,
}

#[derive(Default)]
struct Way {
    queue: VecDeque<Queued>,
    epochs: BTreeMap<ShardId, Epoch>,
    /// Processes up to this one are told that the store has failed.
    broken: Option<u32>,
    /// The newest process that has opened the disk.
    owner: u32,
    /// So many commits are refused at the door.
    refusals: u64,
}

struct Queued {
    process: u32,
    batch: Batch,
    done: Done,
}

/// What the next batch on its way meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Durable,
    /// Nothing is written, and its owner is told of a failure.
    Fails,
    /// It is written, and its owner is told of a failure.
    LosesReply,
}

impl Disk {
    pub fn new(auditor: Arc<Auditor>, journal: Arc<Journal>) -> Disk {
        Disk { image: Memory::new(), way: Mutex::default(), auditor, journal }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn queued(&self) -> usize {
        self.way().queue.len()
    }

    /// Lets the oldest batch arrive. False if none is on its way.
    pub fn arrive(&self, fate: Fate) -> bool {
        let Some(Queued { process, batch, done }) = self.way().queue.pop_front() else { return false };
        self.journal.note(|| format!("disk    {fate:?}: {} of process {process}", shown(&batch)));
        let failed = || Error::Failed { cause: "the simulator asked for it".into() };
        let outcome = match fate {
            Fate::Durable => self.write(batch),
            Fate::Fails => Err(failed()),
            Fate::LosesReply => self.write(batch).and(Err(failed())),
        };
        done(outcome);
        true
    }

    /// A write fails: the first `written` batches are there, and no process that is open now is told anything but that.
    pub fn fail(&self, written: usize, process: u32) {
        self.journal.note(|| format!("disk    fails for good, {written} batches are there"));
        self.way().broken = Some(process);
        let queue = std::mem::take(&mut self.way().queue);
        for (at, Queued { batch, done, .. }) in queue.into_iter().enumerate() {
            if at < written {
                // Whether it is there is not told.
                drop(self.write(batch));
            }
            done(Err(Error::Failed { cause: "the simulator asked for it".into() }));
        }
    }

    /// The next commits are refused at the door.
    pub fn refuse(&self, commits: u64) {
        self.journal.note(|| format!("disk    refuses {commits} commits"));
        self.way().refusals = commits;
    }

    /// A process dies: the first `written` of the batches that are on their way arrive, and nobody is told.
    pub fn crash(&self, process: u32, written: usize) {
        let (dying, others) =
            std::mem::take(&mut self.way().queue).into_iter().partition::<VecDeque<_>, _>(|it| it.process == process);
        self.way().queue = others;
        for Queued { batch, .. } in dying.into_iter().take(written) {
            self.journal.note(|| format!("disk    arrives unseen: {}", shown(&batch)));
            drop(self.write(batch));
        }
    }

    /// All faults are over.
    pub fn heal(&self) {
        self.way().refusals = 0;
    }

    /// Takes a batch into the image, and has it audited.
    fn write(&self, batch: Batch) -> Result<(), Error> {
        let is_owner = self.way().epochs.get(&batch.shard) == Some(&batch.epoch);
        let outcome = commit_and_wait(&self.image, batch.clone());
        match &outcome {
            Ok(()) => {
                assert!(is_owner, "invariant 1: a batch of epoch {} came after a takeover and was taken", batch.epoch);
                self.auditor.durable(&self.image, &batch);
            }
            Err(Error::Fenced { .. }) => assert!(!is_owner, "the owner of shard {} was fenced", batch.shard),
            Err(error) => panic!("the image refused a batch: {error}"),
        }
        outcome
    }
}

/// The disk as one process has it open.
pub struct Door {
    pub disk: Arc<Disk>,
    pub process: u32,
}

impl Door {
    fn is_broken(&self) -> bool {
        self.disk.way().broken.is_some_and(|last| self.process <= last)
    }
}

impl Store for Door {
    fn take(&self, shard: ShardId) -> Result<Epoch, Error> {
        if self.is_broken() {
            return Err(Error::Failed { cause: "an earlier write failed".into() });
        }
        // The lock of the folder is the newer process's: an older one can still write, and cannot take anything back.
        if self.process < self.disk.way().owner {
            return Err(Error::Closed);
        }
        self.disk.way().owner = self.process;
        let epoch = self.disk.image.take(shard)?;
        let before = self.disk.way().epochs.insert(shard, epoch);
        assert!(before.is_none_or(|before| epoch > before), "epochs only grow");
        self.disk.auditor.taken(shard);
        self.disk.journal.note(|| format!("take    shard {shard}, epoch {epoch}, by process {}", self.process));
        Ok(epoch)
    }

    fn commit(&self, batch: Batch, done: Done) {
        if self.is_broken() {
            return done(Err(Error::Failed { cause: "an earlier write failed".into() }));
        }
        if batch.shard.0 >= FIRST_REGISTRY {
            return done(self.disk.write(batch));
        }
        self.disk.journal.note(|| format!("commit  {} by process {}", shown(&batch), self.process));
        let mut way = self.disk.way();
        if way.refusals > 0 {
            way.refusals -= 1;
            drop(way);
            return done(Err(Error::Overloaded { batches: 0, bytes: 0 }));
        }
        way.queue.push_back(Queued { process: self.process, batch, done });
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.disk.image.get(space, key)
    }

    fn scan(&self, space: Space, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Row>, Error> {
        self.disk.image.scan(space, range, order, limit)
    }

    fn figures(&self) -> Figures {
        self.disk.image.figures()
    }
}

/// A batch in a line: its size, and a number that another content would not have.
fn shown(batch: &Batch) -> String {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut add =
        |bytes: &[u8]| bytes.iter().for_each(|byte| sum = (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    for write in &batch.writes {
        add(write.key());
        if let store::Write::Put { value, .. } = write {
            add(value);
        }
    }
    let (shard, epoch, writes, bytes) = (batch.shard, batch.epoch, batch.writes.len(), batch.bytes());
    format!("shard {shard}, epoch {epoch}: {writes} rows, {bytes} bytes, {sum:016x}")
}

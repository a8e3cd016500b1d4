//! Ordered, fenced, atomic, durable batches over bytes.
//!
//! The engine decides, the store remembers. A shard of the engine commits one [`Batch`] at a time; the
//! store makes it durable as a whole or not at all, and refuses it if the shard has been taken over since.
//! That refusal is the *fence*: the epoch lies in the data, beside what it protects, so no clock, lease or
//! notification has to be trusted.
//!
//! ```text
//!   shard 0 ─┐ commit                    ┌─ done(Ok)       readers ── get, scan
//!   shard 1 ─┼───────► queue ─► writer ──┼─ done(Ok)          ▲ committed rows only
//!   shard 2 ─┘      one transaction,     └─ done(Fenced)      │
//!                   one fsync for all ─────────────────► the file
//! ```
//!
//! Two implementations stand under one test suite and a seeded differential run: [`Memory`] and [`Sqlite`].
//! Both are plain threads and callbacks, so that the store asks nothing of its caller's runtime.
//!
//! The store knows bytes, keys and epochs. It does not know what an execution is, which keys belong to
//! which shard, or what time it is; it never retries and never repairs.

mod batch;
mod error;
mod figures;
mod folder;
mod memory;
mod space;
mod sqlite;
pub mod testing;

use std::{ops::Range, sync::mpsc};

pub use batch::{BATCH_BYTES_MAX, Batch, Epoch, KEY_BYTES_MAX, ShardId, Write};
pub use error::Error;
pub use figures::{Figures, Histogram, Sizes};
pub use folder::Folder;
pub use memory::Memory;
pub use space::{Layout, Space};
pub use sqlite::{Copied, FORMAT, Options, Snapshot, Sqlite};

/// What becomes of a batch: called exactly once, with `Ok` only after the batch is durable.
pub type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The direction of a [`Store::scan`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Ascending,
    Descending,
}

/// Where everything durable lives.
///
/// An implementer owes, and the suite in `tests/suite.rs` checks:
///
/// - *atomic*: the writes of a batch appear together or not at all, to readers and after any crash;
/// - *ordered*: batches of one caller take effect in the order of their `commit` calls, and the writes of a
///   batch in their order in it;
/// - *durable*: `Ok` means that power may fail now;
/// - *fenced*: a batch whose epoch is not the shard's current one changes nothing;
/// - *visible*: once `done` was called with `Ok`, every later `get` and `scan` sees the batch.
pub trait Store: Send + Sync {
    /// Takes a shard over: durably raises its epoch by one and returns it. From then on a commit under
    /// an older epoch is refused with [`Error::Fenced`]. The first epoch of a shard is 1.
    ///
    /// Blocks until durable, so it must not be called from within a [`Done`].
    fn take(&self, shard: ShardId) -> Result<Epoch, Error>;

    /// Queues one batch and returns without waiting for IO. `done` is called exactly once: on the store's
    /// writing thread, after the batch is durable or has failed; or within this call, if the batch is refused
    /// at the door (too large, queue full, store failed or closed) or the store needs no IO. So `done`
    /// should be short, must not block and must not need a lock that the caller of `commit` holds; it may
    /// call `commit`.
    ///
    /// After [`Error::Fenced`], [`Error::TooLarge`] and [`Error::Overloaded`] nothing of the batch was
    /// written. After any other error the outcome is unknown: the batch is there as a whole or not at all
    /// once the store was reopened. A caller with several batches on the way must expect a later one to
    /// succeed after an earlier one was overloaded; the engine has one batch of a shard on the way at a time.
    fn commit(&self, batch: Batch, done: Done);

    /// The value of a key, as of the last durable batch.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// The first `limit` rows with `from <= key < to`, in the order asked for, all from one moment.
    /// See [`prefix_end`] for scanning everything below a prefix.
    fn scan(&self, space: Space, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Row>, Error>;

    /// What the store did since it was opened.
    fn figures(&self) -> Figures;
}

/// Commits and waits until the batch is durable. Not to be called from within a [`Done`].
pub fn commit_and_wait(store: &dyn Store, batch: Batch) -> Result<(), Error> {
    let (sender, receiver) = mpsc::channel();
    // The receiver outlives the call, so the send cannot fail.
    store.commit(batch, Box::new(move |outcome| drop(sender.send(outcome))));
    receiver.recv().unwrap_or(Err(Error::Closed))
}

/// The end of the range that holds exactly the keys which begin with `prefix`:
/// `scan(space, prefix..&prefix_end(prefix), ..)`. The empty prefix gives the whole space.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    match prefix.iter().rposition(|byte| *byte != u8::MAX) {
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            end
        }
        // Above every key that a batch may hold.
        None => vec![u8::MAX; KEY_BYTES_MAX + 1],
    }
}

//! The store in one SQLite file, which `sqlite3 -readonly` can open.
//!
//! ```text
//!   commit, take ──► queue ──► writer thread ──► the one connection that writes and checkpoints
//!   get, scan ─────► readers: a few read-only connections, each call its own snapshot
//! ```
//!
//! **Why one connection does all the writing.** It is what group commit wants anyway: whoever waits shares
//! one transaction and one fsync. And it is what the linked SQLite needs: versions before 3.51.3 can lose
//! pages if one connection resets the write-ahead log while *another* starts a checkpoint. Here commits and
//! checkpoints are steps of one thread on one connection, so the two cannot overlap. Readers are opened
//! read-only and told to query only, never to checkpoint, not even on closing, and the writer closes last.
//! `docs/decisions/0002-one-sqlite.md` has the whole story.
//!
//! **Durability.** `synchronous=FULL` with a write-ahead log: a commit returns after the log is on disk. After
//! a failed write or fsync the kernel may have dropped what it could not write, so nothing that follows can be trusted:
//! the store refuses all further commits until it is opened, and thereby read, again.

mod failure;
mod gate;
mod open;
mod queue;
mod readers;
mod schema;
mod snapshot;
mod statements;
mod writer;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicUsize, mpsc},
    thread::{self, JoinHandle},
    time::Instant,
};

use rusqlite::{Connection, OptionalExtension};

use self::{
    failure::classify,
    gate::Gate,
    queue::{Job, Queue, Reply},
    readers::Readers,
    snapshot::Counted,
    statements::{SQL, read_row},
};
use crate::{Batch, Done, Epoch, Error, Figures, Folder, Order, Row, ShardId, Space, Store, figures::Counters};

pub use schema::FORMAT;
pub use snapshot::{Copied, Snapshot};

/// The name of the file in the data folder. SQLite adds `-wal` and `-shm` beside it.
const FILE_NAME: &str = "ithaca.db";

/// What may be set when opening.
#[derive(Clone, Debug)]
pub struct Options {
    /// Reads at the same time; further ones wait. Each costs a connection with a small cache of its own.
    pub readers_max: usize,
    /// Writes fail with [`Error::Full`] when the file would grow beyond; `None` leaves it to the disk.
    pub file_bytes_max: Option<u64>,
    /// A file up to this size is checked when it is opened after a crash. A larger one would delay the start
    /// too much; see [`Sqlite::check`].
    pub check_bytes_max: u64,
    /// A new file gives the space of what was deleted back to the file system, a portion at a time: see the writer.
    /// Without it, as in files of 0.1, the space is only used again.
    pub returns_space: bool,
}

impl Default for Options {
    fn default() -> Self {
        // The check reads 0.3 to 1 GB a second from a warm cache, so it adds a quarter of a second at most.
        Options { readers_max: 4, file_bytes_max: None, check_bytes_max: 64 << 20, returns_space: true }
    }
}

/// A [`Store`] in a SQLite file. See the module.
///
/// Dropping it commits what is queued, closes the readers, then the writer, then gives up the folder's lock.
pub struct Sqlite {
    readers: Readers,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// What the writer's thread has in common with everyone else.
struct Shared {
    queue: Queue,
    counters: Counters,
    file: PathBuf,
    /// Before every transaction.
    gate: Gate,
    /// Snapshots that are being copied: long reads, for which the writer is not to wait.
    snapshots: Arc<AtomicUsize>,
}

impl Sqlite {
    /// Opens or creates the store of a locked data folder. The store holds the lock too, until it is closed.
    ///
    /// A file that is newer than this program, damaged, or not ours is refused and left as it is.
    pub fn open(folder: &Folder, options: Options) -> Result<Sqlite, Error> {
        let file = folder.path().join(FILE_NAME);
        let connection = open::writer(&file, &options)?;
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            counters: Counters::default(),
            file: file.clone(),
            gate: Gate::default(),
            snapshots: Arc::default(),
        });
        let (held, for_writer) = (folder.share()?, shared.clone());
        let writer = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                writer::run(connection, &for_writer);
                // Only now may another process open the file.
                drop(held);
            })
            .map_err(|cause| Error::file("start a thread to write", &file, &cause))?;
        Ok(Sqlite { readers: Readers::new(file, options.readers_max), shared, writer: Some(writer) })
    }

    /// The file that holds everything.
    pub fn file(&self) -> &Path {
        &self.shared.file
    }

    /// Reads the whole file and reports the first damage: 1 to 3 seconds for a gigabyte. Commits go on
    /// meanwhile, but the write-ahead log cannot be reused, as with any long read.
    pub fn check(&self) -> Result<(), Error> {
        self.readers.with(|connection| open::quick_check(connection, self.file()))?
    }

    /// A snapshot of the file at a moment at which no commit is under way and none becomes durable before `meanwhile`
    /// has returned: what that looks at belongs to the snapshot. It has to be short, since every commit waits for it.
    pub fn snapshot<T>(&self, meanwhile: impl FnOnce() -> T) -> Result<(Snapshot, T), Error> {
        let snapshot = Snapshot::open(self.file())?.counted(Counted::new(&self.shared.snapshots));
        let _held = self.shared.gate.hold();
        snapshot.begin()?;
        Ok((snapshot, meanwhile()))
    }

    fn on_writer_thread(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.thread().id() == thread::current().id())
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        self.readers.with(read)?.map_err(|cause| classify("read", self.file(), &cause))
    }
}

impl Store for Sqlite {
    fn take(&self, shard: ShardId) -> Result<Epoch, Error> {
        assert!(!self.on_writer_thread(), "`take` from within a `Done` would wait for itself");
        let (reply, taken) = mpsc::channel();
        self.shared.queue.push(Job::Take { shard, reply });
        taken.recv().unwrap_or(Err(Error::Closed))
    }

    fn commit(&self, batch: Batch, done: Done) {
        let reply = Reply::new(done);
        match batch.checked_bytes() {
            Ok(bytes) => self.shared.queue.push(Job::Commit { batch, bytes, since: Instant::now(), reply }),
            Err(error) => reply.send(Err(error)),
        }
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&SQL[space.index()].get)?;
            statement.query_row([key], |row| row.get(0)).optional()
        })
    }

    fn scan(&self, space: Space, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Row>, Error> {
        let sql = match order {
            Order::Ascending => &SQL[space.index()].ascending,
            Order::Descending => &SQL[space.index()].descending,
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_map((range.start, range.end, limit), read_row)?.collect()
        })
    }

    fn figures(&self) -> Figures {
        let files = ["", "-wal", "-shm"].map(|suffix| open::beside(&self.shared.file, suffix));
        // A log that is not there has no bytes.
        let [file, wal, index] = files.map(|file| fs::metadata(file).map_or(0, |file| file.len()));
        Figures {
            queued: self.shared.queue.waiting() as u64,
            file_bytes: file + wal + index,
            wal_bytes: wal,
            ..self.shared.counters.snapshot()
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.readers.close();
        self.shared.queue.close();
        // The last holder may be a `Done`; the writer then ends by itself once that returns.
        let on_writer_thread = self.on_writer_thread();
        if let Some(writer) = self.writer.take().filter(|_| !on_writer_thread) {
            // A writer that panicked has said so on its way, and has answered everyone.
            let _ = writer.join();
        }
    }
}

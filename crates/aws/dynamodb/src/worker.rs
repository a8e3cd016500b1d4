//! One thread that owns the database, and the group commit.
//!
//! dynoxide's calls are synchronous and serialised by one lock, so a thread of their own costs no parallelism and
//! keeps the async workers free. The thread runs requests as long as one waits (a batch), flushes SQLite's write-ahead
//! log once for all of them, and only then answers:
//!
//! ```text
//!   inbox ──> run each that waits, up to BATCH_MAX (SQLite commits, no flush) ──> one fdatasync of FILE-wal ──> replies
//! ```
//!
//! With one caller that is one flush per write as before; with many it is one flush for many writes. Reads wait for
//! the flush of their batch too, so nobody is shown what a power cut could still take back. SQLite itself keeps the
//! file consistent: it flushes the log before and the file after each checkpoint.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aws_protocol::{Home, Response};
use bytes::Bytes;
use dynoxide::Database;
use http::StatusCode;
use tokio::sync::{oneshot, watch};

use crate::Error;
use crate::operations::{Effect, Names, Operation};
use crate::wire;

/// Requests that may wait; beyond, DynamoDB's throttling answer makes the SDK come back later.
const INBOX_MAX: usize = 1024;
/// Requests that share a flush. The first of them waits for the last, so about 10 ms at 150 us each.
const BATCH_MAX: usize = 64;
/// How often expired items are looked for. AWS promises "within a few days".
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// Room for the recursive descent of dynoxide's expression parser; only what is used is committed.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// The beginning of the ARNs that dynoxide writes.
const DYNOXIDE_ARN: &str = "arn:aws:dynamodb:dynoxide:000000000000:";

#[derive(Clone, Debug)]
pub enum Store {
    File(PathBuf),
    Memory,
}

/// The handle of the thread. Dropping it lets the thread finish what is in the inbox and close the file.
pub struct Worker {
    inbox: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Becomes a text when the thread has ended before it was asked to.
    pub fatal: watch::Receiver<Option<String>>,
}

struct Job {
    operation: &'static Operation,
    body: Bytes,
    reply: oneshot::Sender<Response>,
}

impl Worker {
    /// Opens the store on the calling thread, so that its errors are the caller's, and starts the worker thread.
    pub fn start(store: Store, home: &Home) -> Result<Worker, Error> {
        let open = Open::new(&store)?;
        Worker::spawn(Keeper { open, store, arn: home.arn("dynamodb", ""), panicked: false })
    }

    /// Tables in memory whose writes are flushed to another file.
    #[cfg(test)]
    pub fn start_with_log(log: File, home: &Home) -> Result<Worker, Error> {
        let open = Open { log: Some(log), ..Open::new(&Store::Memory)? };
        Worker::spawn(Keeper { open, store: Store::Memory, arn: home.arn("dynamodb", ""), panicked: false })
    }

    fn spawn(keeper: Keeper) -> Result<Worker, Error> {
        let (inbox, jobs) = sync_channel(INBOX_MAX);
        let (tell, fatal) = watch::channel(None);
        let thread = std::thread::Builder::new()
            .name("dynamodb".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                if let Err(why) = keeper.work(&jobs) {
                    tell.send_replace(Some(why.to_string()));
                }
            })
            .map_err(Error::Thread)?;
        Ok(Worker { inbox: Some(inbox), thread: Some(thread), fatal })
    }

    /// Runs an operation and gives its answer, which is durable when it is given.
    pub async fn run(&self, operation: &'static Operation, body: Bytes) -> Response {
        let (reply, answer) = oneshot::channel();
        let inbox = self.inbox.as_ref().expect("the inbox is there until the worker is dropped");
        match inbox.try_send(Job { operation, body, reply }) {
            Ok(()) => answer.await.unwrap_or_else(|_| wire::internal(STOPPED)),
            Err(TrySendError::Full(_)) => throttled(),
            Err(TrySendError::Disconnected(_)) => wire::internal(STOPPED),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.inbox = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been answered with STOPPED already.
            let _ = thread.join();
        }
    }
}

const STOPPED: &str = "The DynamoDB tables were closed because their file could not be flushed or opened again; this \
                       write may be lost. Check the disk and start the process again.";

fn throttled() -> Response {
    wire::refuse(
        StatusCode::BAD_REQUEST,
        "com.amazonaws.dynamodb.v20120810#ThrottlingException",
        &format!("{INBOX_MAX} requests are waiting for the DynamoDB tables already. Try again later."),
    )
}

/// What the thread owns.
struct Keeper {
    store: Store,
    open: Open,
    /// The beginning of the ARNs of our home.
    arn: String,
    /// A call panicked, so the database's lock is poisoned.
    panicked: bool,
}

struct Open {
    database: Database,
    /// SQLite's log; none when SQLite flushes by itself or there is nothing to flush.
    log: Option<File>,
}

impl Keeper {
    /// Works until the inbox is closed. The error is why it cannot go on before that.
    fn work(mut self, jobs: &Receiver<Job>) -> Result<(), Error> {
        let mut swept = Instant::now();
        loop {
            match jobs.recv_timeout(SWEEP_INTERVAL.saturating_sub(swept.elapsed())) {
                // What SQLite believes and what the disk holds may differ after a failed flush, and a second one would not
                // tell: the next start reads the truth from the file.
                Ok(first) => self.settle(first, jobs).map_err(|cause| self.not_flushed(cause))?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.panicked {
                self.reopen()?;
            }
            if swept.elapsed() >= SWEEP_INTERVAL {
                self.sweep();
                swept = Instant::now();
            }
        }
    }

    /// Runs a job and those that arrive meanwhile, flushes once, answers all. After a failed flush every answer of
    /// the batch is a 500.
    fn settle(&mut self, first: Job, jobs: &Receiver<Job>) -> io::Result<()> {
        let mut wrote = false;
        let batch = std::iter::once(first).chain(jobs.try_iter()).take(BATCH_MAX);
        let done: Vec<_> = batch
            .map(|job| {
                wrote |= job.operation.effect == Effect::Writes;
                (job.reply, self.run(job.operation, &job.body))
            })
            .collect();
        let flushed = if wrote { self.open.flush() } else { Ok(()) };
        for (reply, response) in done {
            let response = if flushed.is_ok() { response } else { wire::internal(STOPPED) };
            // A caller that went away needs no answer.
            let _ = reply.send(response);
        }
        flushed
    }

    fn not_flushed(&self, cause: io::Error) -> Error {
        let path = match &self.store {
            Store::File(path) => path.clone(),
            Store::Memory => PathBuf::new(),
        };
        Error::Flush { path, cause }
    }

    fn run(&mut self, operation: &Operation, body: &[u8]) -> Response {
        match catch_unwind(AssertUnwindSafe(|| (operation.run)(&self.open.database, body))) {
            Ok(Ok(answer)) => wire::answer(self.at_home(operation, answer)),
            Ok(Err(error)) => wire::refused(operation.name, error),
            Err(_) => {
                self.panicked = true;
                wire::internal(&format!("{} failed inside the database; nothing of it was written.", operation.name))
            }
        }
    }

    /// Opens the file again, which rolls back what a panic left half done. Tables in memory would come back empty,
    /// so they stay as they are, and refuse.
    fn reopen(&mut self) -> Result<(), Error> {
        self.panicked = false;
        if let Store::File(_) = self.store {
            // Closed before it is opened again: an open transaction would lock the file.
            self.open = Open::new(&Store::Memory)?;
            self.open = Open::new(&self.store)?;
        }
        Ok(())
    }

    /// The answer with our own account and region in its ARNs.
    fn at_home(&self, operation: &Operation, answer: Vec<u8>) -> Vec<u8> {
        match operation.names {
            Names::Items => answer,
            Names::Arns => match String::from_utf8(answer) {
                Ok(text) => text.replace(DYNOXIDE_ARN, &self.arn).into_bytes(),
                Err(bytes) => bytes.into_bytes(),
            },
        }
    }

    /// Deletes expired items. Nobody was promised when, so a failure is left to the next round.
    fn sweep(&self) {
        let _ = self.open.database.sweep_ttl();
    }
}

impl Open {
    fn new(store: &Store) -> Result<Open, Error> {
        match store {
            Store::Memory => Database::memory()
                .map(|database| Open { database, log: None })
                .map_err(|error| Error::OpenMemory { reason: error.to_string() }),
            Store::File(path) => {
                Open::file(path).map_err(|reason| Error::Open { path: path.clone(), reason: reason.to_string() })
            }
        }
    }

    fn file(path: &Path) -> Result<Open, Box<dyn std::error::Error>> {
        let text = path.to_str().ok_or("the path is not valid UTF-8")?;
        refuse_other_files(path)?;
        let database = Database::new(text)?;
        let log = match File::open(format!("{text}-wal")) {
            Ok(log) => log,
            // Without a log (a file system that cannot share memory) SQLite goes on flushing every write by itself.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Open { database, log: None }),
            Err(error) => return Err(error.into()),
        };
        // The names of the new files must survive a power cut as well.
        File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
            .sync_all()?;
        // This sets `PRAGMA synchronous = NORMAL`: SQLite flushes at checkpoints, we flush before each answer.
        // INVARIANT: `settle` flushes before it answers a write; were the pragma not set, we would flush twice.
        database.disable_bulk_loading()?;
        Ok(Open { database, log: Some(log) })
    }

    fn flush(&self) -> io::Result<()> {
        // Every descriptor of a file flushes the whole file, not only what went through it.
        self.log.as_ref().map_or(Ok(()), File::sync_data)
    }
}

/// dynoxide's own words for such a file speak of its build features.
fn refuse_other_files(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    const SQLITE: &[u8; 16] = b"SQLite format 3\0";
    let mut start = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(SQLITE.len() as u64).read_to_end(&mut start)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match start.is_empty() || start == SQLITE {
        true => Ok(()),
        false => Err("it is not a SQLite database, or its beginning is damaged".into()),
    }
}

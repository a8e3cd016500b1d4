//! The writer: the only thread that writes to the file, and that copies its log back.
//!
//! ```text
//!   loop  take everything that waits ─► one transaction ─► fsync ─► answer everyone
//!         the log is long, or nobody has come for a while ─► checkpoint ─► much is free ─► give some of it back
//! ```
//!
//! A fenced batch is refused alone: its epoch is looked at, in the transaction, before any of its
//! writes is applied. Every other failure is of the disk, so it ends the whole transaction and the
//! writer's career with it: all that waits, and all that comes, is refused until the store is opened again.

use std::{cell::Cell, ffi::c_int, sync::atomic::Ordering, thread, time::Duration};

use rusqlite::{Connection, hooks::Wal};

use super::{
    Shared,
    failure::classify,
    open::keep_log_on_close,
    queue::{Job, Next},
    statements::Writing,
};
use crate::{Batch, Epoch, Error, figures::Tally};

/// After this long without a commit the log is copied back: long against the pause between two commits of
/// a busy engine, short against a person's.
const IDLE_AFTER: Duration = Duration::from_millis(100);

/// Frames of the log, a page each, at which it is copied back although commits wait. A longer log writes
/// less in all, because a page changed twice is copied once, but makes a longer pause and recovery.
const LOG_FRAMES_MAX: u32 = 4096;

/// If readers kept the log from being reused up to here, the writer waits for those that read now. None can
/// starve it: later ones find everything in the database file.
const LOG_FRAMES_STOP: u32 = 4 * LOG_FRAMES_MAX;

/// What is free in the file stays there for what comes next, up to this share of the file and at least so much: giving
/// space back and asking for it again would be two moves for nothing.
const FREE_SHARE_KEPT: i64 = 8;
const FREE_BYTES_KEPT: i64 = 4 << 20;

/// Given back at once, in a transaction of its own behind a checkpoint: a few milliseconds, for which a commit that
/// comes just then waits.
const RETURNED_BYTES: i64 = 1 << 20;

thread_local! {
    /// Length of the log, as SQLite tells it at each commit of this thread's connection.
    static LOG_FRAMES: Cell<u32> = const { Cell::new(0) };
}

/// Works until the queue is closed, then closes the connection.
pub fn run(connection: Connection, shared: &Shared) {
    let alarm = Alarm(shared);
    if let Err(failure) = serve(&connection, shared) {
        stop(&connection, shared, failure);
    }
    drop(connection);
    drop(alarm);
}

/// Refuses everything if the thread unwinds, so that nobody waits for it.
struct Alarm<'s>(&'s Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let cause = "the writer's thread panicked; its message is on standard error".into();
            drop(self.0.queue.fail(Error::Failed { cause }));
        }
    }
}

/// Why the writer stops, and the jobs that were in the failed transaction.
struct Failure {
    cause: rusqlite::Error,
    jobs: Vec<Job>,
}

impl From<rusqlite::Error> for Failure {
    fn from(cause: rusqlite::Error) -> Self {
        Failure { cause, jobs: Vec::new() }
    }
}

/// Serves until the queue is closed or something has failed.
fn serve(connection: &Connection, shared: &Shared) -> Result<(), Failure> {
    // Taking the hook also turns SQLite's own checkpointing off.
    connection.wal_hook(Some(note_log_length));
    let mut writing = Writing::prepare(connection)?;
    let mut log = Log::default();
    let surplus = Surplus::of(connection)?;
    loop {
        match shared.queue.next(log.is_dirty.then_some(IDLE_AFTER)) {
            Next::Group(jobs) => {
                let _passing = shared.gate.pass();
                commit(&mut writing, jobs, shared)?;
                log.note_commit(LOG_FRAMES.get());
            }
            Next::Idle => copy_back(connection, shared, &mut log, &surplus)?,
            Next::Close => return Ok(()),
        }
        if log.is_due(LOG_FRAMES.get()) {
            copy_back(connection, shared, &mut log, &surplus)?;
        }
    }
}

/// The log goes into the file, and then some of what is free in the file goes back to the file system.
fn copy_back(connection: &Connection, shared: &Shared, log: &mut Log, surplus: &Surplus) -> rusqlite::Result<()> {
    checkpoint(connection, shared, log)?;
    // Under a long read the log could not be written from its start again.
    if shared.snapshots.load(Ordering::SeqCst) == 0 && surplus.give_back(connection)? {
        // However long the log is now, it is not in the file.
        log.copied = 0;
        log.is_due(LOG_FRAMES.get());
    }
    Ok(())
}

fn note_log_length(_: &Wal, frames: c_int) -> rusqlite::Result<()> {
    LOG_FRAMES.set(frames.unsigned_abs());
    Ok(())
}

/// What became of a job in a transaction that is now durable.
enum Verdict {
    Committed,
    Fenced(Error),
    Taken(Epoch),
}

fn commit(writing: &mut Writing<'_>, jobs: Vec<Job>, shared: &Shared) -> Result<(), Failure> {
    match transact(writing, &jobs) {
        Ok(verdicts) => {
            shared.counters.committed(tally(&jobs, &verdicts));
            jobs.into_iter().zip(verdicts).for_each(|(job, verdict)| answer(job, verdict));
            Ok(())
        }
        Err(cause) => Err(Failure { cause, jobs }),
    }
}

fn transact(writing: &mut Writing<'_>, jobs: &[Job]) -> rusqlite::Result<Vec<Verdict>> {
    writing.begin()?;
    let verdicts = jobs.iter().map(|job| apply(writing, job)).collect::<Result<_, _>>()?;
    writing.commit()?;
    Ok(verdicts)
}

fn apply(writing: &mut Writing<'_>, job: &Job) -> rusqlite::Result<Verdict> {
    match job {
        Job::Take { shard, .. } => writing.take(*shard).map(Verdict::Taken),
        Job::Commit { batch, .. } => apply_batch(writing, batch),
    }
}

fn apply_batch(writing: &mut Writing<'_>, batch: &Batch) -> rusqlite::Result<Verdict> {
    // INVARIANT: no write of a batch is applied before its epoch was compared in the same transaction.
    if let Err(fenced) = batch.fence(writing.epoch(batch.shard)?) {
        return Ok(Verdict::Fenced(fenced));
    }
    batch.writes.iter().try_for_each(|write| writing.write(write))?;
    Ok(Verdict::Committed)
}

fn answer(job: Job, verdict: Verdict) {
    match (job, verdict) {
        (Job::Commit { reply, .. }, Verdict::Committed) => reply.send(Ok(())),
        (Job::Commit { reply, .. }, Verdict::Fenced(error)) => reply.send(Err(error)),
        // A taker waits for its reply, so somebody receives it.
        (Job::Take { reply, .. }, Verdict::Taken(epoch)) => drop(reply.send(Ok(epoch))),
        (Job::Commit { .. }, Verdict::Taken(_)) | (Job::Take { .. }, _) => unreachable!("a verdict of another job"),
    }
}

fn tally(jobs: &[Job], verdicts: &[Verdict]) -> Tally {
    let mut tally = Tally::default();
    for (job, verdict) in jobs.iter().zip(verdicts) {
        match (job, verdict) {
            (Job::Commit { batch, since, .. }, Verdict::Committed) => tally.add(batch, since.elapsed()),
            (_, Verdict::Fenced(_)) => tally.fenced += 1,
            _ => {}
        }
    }
    tally
}

/// What is in the log and not yet in the database file, in frames.
#[derive(Default)]
struct Log {
    frames: u32,
    copied: u32,
    is_dirty: bool,
}

impl Log {
    /// A commit makes the log longer, unless it was written from the start again: then it may be as long as before.
    fn note_commit(&mut self, frames: u32) {
        if frames <= self.frames {
            self.copied = 0;
        }
    }

    /// Takes note of the log's length and says whether so much was added that it should be copied now.
    fn is_due(&mut self, frames: u32) -> bool {
        if frames < self.frames {
            // It was written from the start again.
            self.copied = 0;
        }
        self.frames = frames;
        self.is_dirty = frames != self.copied;
        frames.saturating_sub(self.copied) >= LOG_FRAMES_MAX
    }
}

/// Copies the log into the database file, so that the next commit may write it from the start again.
fn checkpoint(connection: &Connection, shared: &Shared, log: &mut Log) -> rusqlite::Result<()> {
    // A copy of the file reads for as long as it takes: the log grows meanwhile, and nobody waits. None may begin between
    // the look and the checkpoint.
    let _passing = shared.gate.pass();
    let waits = log.frames >= LOG_FRAMES_STOP && shared.snapshots.load(Ordering::SeqCst) == 0;
    let sql = if waits { "PRAGMA wal_checkpoint(RESTART)" } else { "PRAGMA wal_checkpoint(PASSIVE)" };
    // The row tells how far it came; what readers held up is copied next time.
    connection.query_row(sql, [], |_| Ok(()))?;
    log.copied = log.frames;
    log.is_dirty = false;
    shared.counters.checkpointed();
    Ok(())
}

/// What is free in the file beyond what it may need again, in pages.
struct Surplus {
    /// None: the file keeps what it has, since it was made so.
    portion: Option<i64>,
    kept_min: i64,
}

impl Surplus {
    fn of(connection: &Connection) -> rusqlite::Result<Surplus> {
        const INCREMENTAL: i64 = 2;
        let page = pragma(connection, "page_size")?.max(1);
        let returns = pragma(connection, "auto_vacuum")? == INCREMENTAL;
        Ok(Surplus { portion: returns.then_some(RETURNED_BYTES / page), kept_min: FREE_BYTES_KEPT / page })
    }

    /// The next checkpoint makes the file shorter by what is given back, if it is anything.
    fn give_back(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let Some(portion) = self.portion else { return Ok(false) };
        let kept = (pragma(connection, "page_count")? / FREE_SHARE_KEPT).max(self.kept_min);
        let surplus = pragma(connection, "freelist_count")? - kept;
        if surplus <= 0 {
            return Ok(false);
        }
        let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({})", surplus.min(portion)))?;
        // It gives a row for each page.
        let mut pages = statement.query([])?;
        while pages.next()?.is_some() {}
        Ok(true)
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Refuses everyone, then keeps the connection until the readers are closed: the writer closes last.
fn stop(connection: &Connection, shared: &Shared, failure: Failure) {
    let error = classify("write", &shared.file, &failure.cause);
    // The store stops either way; a rollback that fails too adds nothing.
    let _ = connection.execute_batch("ROLLBACK");
    // Newcomers are refused before anybody is told, so that nobody is told and then let in.
    let waiting = shared.queue.fail(error.clone().into_failed());
    failure.jobs.into_iter().chain(waiting).for_each(|job| job.fail(&error));
    // Closing must not copy a log that could not be written. It cannot fail on an open connection.
    let _ = keep_log_on_close(connection, true);
    while !matches!(shared.queue.next(None), Next::Close) {}
}

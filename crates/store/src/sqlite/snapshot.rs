//! A file as it is at one moment, to be copied while commits go on.
//!
//! ```text
//!   open ──► begin ─► the moment: what is committed now is in the copy, nothing else ──► copy ─► check ─► flush
//! ```
//!
//! A snapshot is a read transaction, so it costs its holder nothing but a log that cannot be written from its start
//! again until the copy is there. It reads and never checkpoints, like every reader here, and so it may stand beside the
//! one writer of any SQLite file: `aws-dynamodb`'s too. It does not know what is in the file.

use std::{
    fs::File,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use super::{failure::classify, open, readers};
use crate::{Error, folder::open_private};

/// Pages between two calls of the caller's: a few milliseconds of work.
const PAGES_AT_ONCE: i32 = 1024;

/// See the module.
pub struct Snapshot {
    connection: Connection,
    file: PathBuf,
    /// Its writer, if that is ours, knows how many there are.
    _counted: Option<Counted>,
}

/// How many bytes of how many are copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copied {
    pub bytes: u64,
    pub of: u64,
}

/// One of those that keep the log from being written from its start again.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub fn new(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Snapshot {
    /// Opens any SQLite file that is in use with a write-ahead log. The moment is that of [`Snapshot::begin`].
    pub fn open(file: &Path) -> Result<Snapshot, Error> {
        let connection = readers::open(file).map_err(|cause| classify("open", file, &cause))?;
        Ok(Snapshot { connection, file: file.to_owned(), _counted: None })
    }

    pub(super) fn counted(self, counted: Counted) -> Snapshot {
        Snapshot { _counted: Some(counted), ..self }
    }

    /// What is committed now is what will be copied.
    pub fn begin(&self) -> Result<(), Error> {
        // A transaction begins to see at its first read.
        let begun = self.connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_master");
        begun.map_err(|cause| classify("read", &self.file, &cause))
    }

    /// Copies the file to a new one, checks that and flushes it. Calls `told` now and then, which may end it: then there
    /// is no answer, and what was written is of no use. `compact` leaves out what is free, and writes everything once more.
    pub fn copy(
        self,
        to: &Path,
        compact: bool,
        told: &mut dyn FnMut(Copied) -> ControlFlow<()>,
    ) -> Result<Option<u64>, Error> {
        open_private(to)?;
        let failed = |tried| move |cause: rusqlite::Error| classify(tried, to, &cause);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut copy = Connection::open_with_flags(to, flags).map_err(failed("open"))?;
        // A copy that is not finished is thrown away: it needs neither a journal nor flushes but the last.
        copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(failed("write"))?;
        if self.copy_pages(&mut copy, told).map_err(failed("write"))?.is_break() {
            return Ok(None);
        }
        drop(self);
        if compact {
            copy.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM").map_err(failed("compact"))?;
        }
        open::quick_check(&copy, to)?;
        copy.close().map_err(|(_, cause)| classify("close", to, &cause))?;
        let file = File::open(to).map_err(|cause| Error::file("open", to, &cause))?;
        file.sync_all().map_err(|cause| Error::file("flush", to, &cause))?;
        Ok(Some(file.metadata().map_err(|cause| Error::file("read", to, &cause))?.len()))
    }

    fn copy_pages(
        &self,
        copy: &mut Connection,
        told: &mut dyn FnMut(Copied) -> ControlFlow<()>,
    ) -> rusqlite::Result<ControlFlow<()>> {
        let page: u64 = self.connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let backup = Backup::new(&self.connection, copy)?;
        loop {
            let step = backup.step(PAGES_AT_ONCE)?;
            let progress = backup.progress();
            let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * page;
            let of = bytes(progress.pagecount);
            if told(Copied { bytes: of - bytes(progress.remaining), of }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if matches!(step, StepResult::Done) {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }
}

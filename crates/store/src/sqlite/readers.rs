//! A small pool of read-only connections.
//!
//! A read borrows one connection for one statement: its snapshot is as short-lived as the call, so readers never
//! hold up the reuse of the write-ahead log for long. Connections are opened when first needed and kept.
//!
//! Everything here is arranged so that a reader can neither write nor checkpoint; why is in the
//! module above.

use std::{
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, OpenFlags};

use super::{
    failure::classify,
    open::{BUSY_WAIT, keep_log_on_close, plan_once},
    statements::SQL,
};
use crate::Error;

/// Reads go through the system's page cache anyway; this holds the upper pages of the trees.
const CACHE_KIB: i64 = 4 << 10;

/// Statements a reader may use: three for each space.
const STATEMENTS_OF_A_SPACE: usize = 3;

pub struct Readers {
    file: PathBuf,
    open_max: usize,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    /// Idle and lent.
    open: usize,
}

impl Readers {
    pub fn new(file: PathBuf, open_max: usize) -> Readers {
        Readers { file, open_max: open_max.max(1), pool: Mutex::default(), returned: Condvar::new() }
    }

    /// Runs `read` on a connection, after waiting for one if all are lent. Fails only if none can be opened.
    pub fn with<T>(&self, read: impl FnOnce(&Connection) -> T) -> Result<T, Error> {
        let lent = self.lend()?;
        Ok(read(lent.connection()))
    }

    /// Closes what is idle: everything, when nobody reads any more.
    pub fn close(&self) {
        let mut pool = self.pool();
        pool.open -= pool.idle.len();
        pool.idle.clear();
    }

    fn lend(&self) -> Result<Lent<'_>, Error> {
        let mut pool = self.pool();
        loop {
            if let Some(connection) = pool.idle.pop() {
                return Ok(Lent { readers: self, connection: Some(connection) });
            }
            if pool.open < self.open_max {
                pool.open += 1;
                drop(pool);
                // If opening fails, dropping the empty loan gives the place back.
                let mut lent = Lent { readers: self, connection: None };
                lent.connection = Some(open(&self.file).map_err(|cause| classify("open", &self.file, &cause))?);
                return Ok(lent);
            }
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No step under the lock can panic half-way, so a poisoned lock guards nothing.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection on loan; dropping it, also by a panic of the reader, gives it back.
struct Lent<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
}

impl Lent<'_> {
    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("a loan is handed out with its connection")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool();
        match self.connection.take() {
            Some(connection) => pool.idle.push(connection),
            None => pool.open -= 1,
        }
        drop(pool);
        self.readers.returned.notify_one();
    }
}

/// A connection that can neither write nor checkpoint.
pub fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    plan_once(&connection)?;
    // Read-only is not enough: a reader that closed last would still begin a checkpoint.
    keep_log_on_close(&connection, true)?;
    // A negative size is in KiB. No memory mapping: an IO error would be a signal that ends the process.
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(SQL.len() * STATEMENTS_OF_A_SPACE);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use rusqlite::{ErrorCode, config::DbConfig};

    use super::*;
    use crate::{Folder, Options, ShardId, Sqlite, Store, testing::Scratch};

    #[test]
    fn a_reader_cannot_write_or_checkpoint() {
        let scratch = Scratch::new();
        let store = Sqlite::open(&Folder::lock(scratch.path()).unwrap(), Options::default()).unwrap();
        let reader = open(store.file()).unwrap();
        store.take(ShardId(0)).unwrap();
        for (sql, code) in [
            ("DELETE FROM meta", ErrorCode::ReadOnly),
            // It tries, on a descriptor that cannot be written: so no reader is ever asked to.
            ("PRAGMA wal_checkpoint(PASSIVE)", ErrorCode::SystemIoFailure),
        ] {
            let refused = reader.query_row(sql, [], |_| Ok(())).unwrap_err();
            assert_eq!(refused.sqlite_error_code(), Some(code), "{sql}: {refused}");
        }
        assert!(reader.db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE).unwrap());
    }

    #[test]
    fn a_loan_that_could_not_be_filled_is_given_back() {
        let scratch = Scratch::new();
        let readers = Readers::new(scratch.path().join("absent/ithaca.db"), 1);
        for _ in 0..2 {
            let refused = readers.with(|_| ()).unwrap_err();
            assert!(matches!(refused, Error::File { tried: "open", .. }), "{refused}");
        }
    }
}

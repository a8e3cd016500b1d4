//! Opening the file: who may, is it ours, is it whole, is it current.
//!
//! The order matters. Nothing is written before the file is known to be ours, and nothing of a damaged
//! file is changed, so that the owner can still do with it whatever seems best.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{Options, failure::classify, schema};
use crate::{Error, folder::open_private};

/// How long to wait for another program that holds the file, such as a `sqlite3` at work on it.
pub const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Of a new file. Larger pages write more bytes for each small commit, smaller ones are slower for large ones.
const PAGE_BYTES: u64 = 4096;

/// The writer's cache. Above the pages of the largest group, so that no page is written twice for one
/// commit, and enough for the inner pages of every tree.
const CACHE_KIB: i64 = 64 << 10;

/// Opens the file for the one writer, and leaves it ready.
pub fn writer(file: &Path, options: &Options) -> Result<Connection, Error> {
    // A log that was not folded in at closing means that the last owner did not get to close.
    let crashed = fs::metadata(beside(file, "-wal")).is_ok_and(|log| log.len() > 0);
    // Creates the file so that only this user may read it; SQLite gives its other files the same mode.
    let bytes = open_private(file)?.metadata().map_err(|cause| Error::file("read", file, &cause))?.len();
    let failed = |tried| move |cause: rusqlite::Error| classify(tried, file, &cause);

    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags).map_err(failed("open"))?;
    connection.busy_timeout(BUSY_WAIT).map_err(failed("open"))?;
    // A refused file stays as it is: closing must not copy the log into it.
    keep_log_on_close(&connection, true).map_err(failed("open"))?;
    schema::identify(&connection, file)?;
    if crashed && bytes <= options.check_bytes_max {
        quick_check(&connection, file)?;
    }
    configure(&connection, options).map_err(failed("open for writing"))?;
    schema::migrate(&mut connection, file)?;
    keep_log_on_close(&connection, false).map_err(failed("open"))?;
    Ok(connection)
}

/// Whether closing the last connection leaves the log, instead of copying it into the database file.
pub fn keep_log_on_close(connection: &Connection, keep: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(drop)
}

/// Reads the whole file and reports the first damage found.
pub fn quick_check(connection: &Connection, file: &Path) -> Result<(), Error> {
    let found = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        .map_err(|cause| classify("check", file, &cause))?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(Error::Damaged { file: file.into(), found }),
    }
}

/// The file that SQLite keeps beside the database under the same name with a suffix.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// A statement is planned once. SQLite would else plan each scan anew for the keys it is given, which takes longer than
/// the scan.
pub fn plan_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn configure(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    plan_once(connection)?;
    // Both have an effect on an empty file only.
    connection.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
    if options.returns_space {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS an ordinary fsync stops at the drive's cache. Elsewhere this has no effect.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // A negative size is in KiB.
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // The log is overwritten from its start again and again; cutting it would make the next commits grow
    // the file anew, and a growing file makes a slower fsync.
    connection.pragma_update(None, "journal_size_limit", -1)?;
    if let Some(bytes) = options.file_bytes_max {
        let pages = i64::try_from(bytes / PAGE_BYTES).unwrap_or(i64::MAX).max(1);
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

//! The format of the file, as numbered steps from an empty one.
//!
//! `user_version` holds how many steps the file has seen, `application_id` that it is ours. A step, once
//! released, is never changed: the next format is the next step. All missing steps run in one transaction.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::failure::classify;
use crate::{Error, Space};

/// The format that this program writes.
pub const FORMAT: u32 = STEPS.len() as u32;

/// "ITHC"
const APPLICATION_ID: i32 = 0x4954_4843;

/// Each step leads from the format of its index to the next one.
const STEPS: &[&str] = &[
    // 1: Rows are sorted by their key. Records are appended in the order of arrival, beside an index on the key.
    "CREATE TABLE shards (shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL);
     CREATE TABLE machines (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE definitions (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE executions (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE names (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE listing (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE records (lsn INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB NOT NULL);
     CREATE UNIQUE INDEX records_key ON records (key);
     CREATE TABLE tags (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE tokens (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE activities (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE map_runs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE meta (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
];

/// Refuses a file that is not ours or too new. Reads only.
pub fn identify(connection: &Connection, file: &Path) -> Result<(), Error> {
    let (application, format, tables) = read_identity(connection).map_err(|cause| classify("read", file, &cause))?;
    let file = file.to_path_buf();
    match (application, format) {
        (0, 0) if tables == 0 => Ok(()),
        (APPLICATION_ID, 1..=FORMAT) => Ok(()),
        (APPLICATION_ID, 0) => Err(Error::Damaged { file, found: "it names no format".into() }),
        (APPLICATION_ID, found) => Err(Error::Newer { file, found, known: FORMAT }),
        (other, _) => Err(Error::Foreign { file, found: format!("application_id {other}, {tables} tables") }),
    }
}

fn read_identity(connection: &Connection) -> rusqlite::Result<(i32, u32, u64)> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let tables = number("SELECT count(*) FROM sqlite_master")?;
    // Both are 32 bits in the file's header.
    Ok((number("PRAGMA application_id")? as i32, number("PRAGMA user_version")? as u32, tables as u64))
}

/// Brings the file to this program's format, as a whole or not at all.
pub fn migrate(connection: &mut Connection, file: &Path) -> Result<(), Error> {
    run_steps(connection, STEPS).map_err(|cause| classify("bring to this format", file, &cause))?;
    let missing = missing_tables(connection).map_err(|cause| classify("read", file, &cause))?;
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(Error::Damaged { file: file.into(), found: format!("it has no table {}", missing.join(", ")) }),
    }
}

fn run_steps(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let seen: usize = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if seen == steps.len() {
        return Ok(());
    }
    steps[seen..].iter().try_for_each(|step| transaction.execute_batch(step))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", steps.len() as u32)?;
    transaction.commit()
}

fn missing_tables(connection: &Connection) -> rusqlite::Result<Vec<&'static str>> {
    let mut statement = connection.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1")?;
    let names = Space::all().map(Space::name).chain(["shards"]);
    names.filter_map(|name| statement.exists([name]).map(|there| (!there).then_some(name)).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;

    fn empty() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    /// What `identify` says of a file after these statements.
    fn check(sql: &str, expected: &str) {
        let connection = empty();
        connection.execute_batch(sql).unwrap();
        let found = identify(&connection, Path::new("/f")).map_or_else(|error| error.to_string(), |()| "ours".into());
        assert!(found.starts_with(expected), "{sql}: {found}");
    }

    #[test]
    fn files_are_told_apart() {
        check("", "ours");
        check("PRAGMA application_id = 0x49544843; PRAGMA user_version = 1", "ours");
        check(
            "PRAGMA application_id = 0x49544843; PRAGMA user_version = 2",
            "/f was written by a newer Ithaca: its format is 2",
        );
        check("PRAGMA application_id = 0x49544843", "/f is damaged: it names no format");
        check("CREATE TABLE a (b)", "/f is a SQLite database, but not one of Ithaca (application_id 0, 1 tables)");
        check("PRAGMA application_id = 7", "/f is a SQLite database, but not one of Ithaca (application_id 7");
    }

    #[test]
    fn every_space_has_a_table_in_its_layout() {
        let mut connection = empty();
        migrate(&mut connection, Path::new("/f")).unwrap();
        for space in Space::all() {
            let sql = "SELECT wr FROM pragma_table_list WHERE name = ?1";
            let without_rowid: bool = connection.query_row(sql, [space.name()], |row| row.get(0)).unwrap();
            assert_eq!(without_rowid, space.layout() == Layout::Rows, "{}", space.name());
        }
        connection.execute_batch("DROP TABLE names").unwrap();
        let text = migrate(&mut connection, Path::new("/f")).unwrap_err().to_string();
        assert!(text.starts_with("/f is damaged: it has no table names"), "{text}");
    }

    #[test]
    fn an_older_file_gets_the_missing_steps_only_and_a_failed_step_leaves_it_as_it_was() {
        let mut connection = empty();
        let steps = ["CREATE TABLE one (a)", "CREATE TABLE two (a)", "nonsense"];
        run_steps(&mut connection, &steps[..1]).unwrap();
        run_steps(&mut connection, &steps[..2]).unwrap();
        run_steps(&mut connection, &steps).unwrap_err();
        assert_eq!(read_identity(&connection).unwrap(), (APPLICATION_ID, 2, 2));
    }
}

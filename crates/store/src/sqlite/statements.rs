//! Every SQL statement that the running store uses, one set for each space.

use std::sync::LazyLock;

use rusqlite::{Connection, Statement, params};

use crate::{Epoch, Row, ShardId, Space, Write};

/// The statements of one space. They are alike for both layouts: only the table's definition differs.
pub struct Texts {
    put: String,
    delete: String,
    pub get: String,
    pub ascending: String,
    pub descending: String,
}

pub static SQL: LazyLock<[Texts; Space::COUNT]> = LazyLock::new(|| {
    let mut spaces = Space::all();
    std::array::from_fn(|_| spaces.next().map(texts).expect("the array has one element per space"))
});

fn texts(space: Space) -> Texts {
    let table = space.name();
    let range = format!("SELECT key, value FROM {table} WHERE key >= ?1 AND key < ?2 ORDER BY key");
    Texts {
        put: format!(
            "INSERT INTO {table} (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        ),
        delete: format!("DELETE FROM {table} WHERE key = ?1"),
        get: format!("SELECT value FROM {table} WHERE key = ?1"),
        ascending: format!("{range} ASC LIMIT ?3"),
        descending: format!("{range} DESC LIMIT ?3"),
    }
}

pub fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((row.get(0)?, row.get(1)?))
}

/// What the writer executes, prepared once.
pub struct Writing<'c> {
    puts: Vec<Statement<'c>>,
    deletes: Vec<Statement<'c>>,
    epoch: Statement<'c>,
    take: Statement<'c>,
    begin: Statement<'c>,
    commit: Statement<'c>,
}

impl<'c> Writing<'c> {
    pub fn prepare(connection: &'c Connection) -> rusqlite::Result<Writing<'c>> {
        Ok(Writing {
            puts: SQL.iter().map(|texts| connection.prepare(&texts.put)).collect::<Result<_, _>>()?,
            deletes: SQL.iter().map(|texts| connection.prepare(&texts.delete)).collect::<Result<_, _>>()?,
            epoch: connection.prepare("SELECT epoch FROM shards WHERE shard = ?1")?,
            take: connection.prepare(
                "INSERT INTO shards (shard, epoch) VALUES (?1, 1)
                 ON CONFLICT (shard) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
            )?,
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
        })
    }

    /// IMMEDIATE takes the write lock at once: what the transaction reads, the epochs above all, holds
    /// until it commits.
    pub fn begin(&mut self) -> rusqlite::Result<()> {
        self.begin.execute([]).map(drop)
    }

    /// Returns when the transaction is durable.
    pub fn commit(&mut self) -> rusqlite::Result<()> {
        self.commit.execute([]).map(drop)
    }

    /// The epoch that a shard is held under; 0 if it was never taken.
    pub fn epoch(&mut self, shard: ShardId) -> rusqlite::Result<Epoch> {
        let mut rows = self.epoch.query([shard.0])?;
        Ok(Epoch(rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or(0)))
    }

    pub fn take(&mut self, shard: ShardId) -> rusqlite::Result<Epoch> {
        self.take.query_row([shard.0], |row| row.get(0)).map(Epoch)
    }

    pub fn write(&mut self, write: &Write) -> rusqlite::Result<()> {
        match write {
            Write::Put { space, key, value } => self.puts[space.index()].execute(params![key, value]),
            Write::Delete { space, key } => self.deletes[space.index()].execute(params![key]),
        }
        .map(drop)
    }
}

//! Why DynamoDB could not be opened or a table not be made: for the person who started the process.
//!
//! What goes wrong with a client's request is an answer on the wire (`wire`), never one of these.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no database, is damaged, was written by a newer version, or cannot be read or written.
    #[error(
        "cannot open the DynamoDB tables in {path}: {reason}. Nothing was deleted. \
         Check the file's permissions and the free space; if the file is damaged, move it and its `-wal` and `-shm` \
         neighbours away (then the tables start empty) or put a copy back in its place"
    )]
    Open { path: PathBuf, reason: String },

    /// A flush failed, and after that the disk's word is not taken for anything until the file is read again.
    #[error(
        "cannot flush {path}: {cause}. What was answered is safe; what was on its way is there as a whole or not at \
         all. Mend the cause first: free space on its disk, or look at the system's log and the disk's health"
    )]
    Flush { path: PathBuf, cause: std::io::Error },

    /// The memory database could not be made.
    #[error("cannot make the DynamoDB tables in memory: {reason}")]
    OpenMemory { reason: String },

    #[error("cannot start the DynamoDB thread")]
    Thread(#[source] std::io::Error),

    #[error(
        "the DynamoDB endpoint `{url}` is not usable: {reason}. Write it as http://HOST:PORT, \
         for instance http://localhost:8000"
    )]
    Endpoint { url: String, reason: &'static str },

    /// The request given to `ensure_table` lacks its name or key.
    #[error("a CreateTable request needs `{member}`: {request}")]
    TableRequest { member: &'static str, request: String },

    #[error(
        "the DynamoDB table {table} exists with the key {found}, but {wanted} is asked for. A key cannot be changed: \
         use another table name, or delete the table if its items are not needed (aws dynamodb delete-table \
         --table-name {table})"
    )]
    OtherKey { table: String, found: String, wanted: String },

    #[error(
        "the DynamoDB table {table} has other local secondary indexes ({found}) than wanted ({wanted}), which only a \
         new table can get: use another table name, or delete the table if its items are not needed"
    )]
    OtherLocalIndexes { table: String, found: String, wanted: String },

    /// DynamoDB said no, in its own words.
    #[error("{operation} of the DynamoDB table {table} was refused: {reason}")]
    Refused { operation: &'static str, table: String, reason: String },
}

//! What can go wrong with the store, each with the place and the way out.
//!
//! An error of a transaction is handed to every batch in it, so errors are `Clone` and hold their cause as
//! text instead of as a `#[source]`: neither an IO error nor one of SQLite can be cloned.
//!
//! The store never deletes or repairs anything; that is the owner's decision, so the texts say what to do.

use std::{io, path::PathBuf};

use crate::{Epoch, ShardId};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was written. The caller's term over the shard has ended.
    #[error("shard {shard} is held under epoch {held}, but the batch came under epoch {came}: its owner has lost it")]
    Fenced { shard: ShardId, held: Epoch, came: Epoch },

    /// Nothing was written.
    #[error("a {what} of {bytes} bytes was refused: the most is {bytes_max}")]
    TooLarge { what: &'static str, bytes: usize, bytes_max: usize },

    /// Nothing was written.
    #[error("the store's queue is full: {batches} batches of {bytes} bytes wait for the disk")]
    Overloaded { batches: usize, bytes: usize },

    /// A write failed, and after that the disk's word is not taken for anything until the file is read again.
    #[error(
        "the store takes no more commits after a failed write: {cause}. What was acknowledged is safe; what was \
         on its way is there as a whole or not at all. Mend the cause first"
    )]
    Failed { cause: String },

    #[error("the store is closed")]
    Closed,

    #[error(
        "{folder} is in use by another Ithaca ({}). Stop it, or choose another data folder",
        describe_holder(*.holder)
    )]
    InUse { folder: PathBuf, holder: Option<u32> },

    #[error("no space is left for {file}: {cause}. Free space on its disk, or raise the file's limit if one is set")]
    Full { file: PathBuf, cause: String },

    #[error(
        "{file} is damaged: {found}. Nothing was changed or deleted. Keep a copy of its folder, then restore a backup, \
         or save what is readable with `sqlite3 {file} .recover`"
    )]
    Damaged { file: PathBuf, found: String },

    #[error(
        "{file} is a SQLite database, but not one of Ithaca ({found}). Nothing was changed. Choose another data folder"
    )]
    Foreign { file: PathBuf, found: String },

    #[error(
        "{file} was written by a newer Ithaca: its format is {found}, this one knows up to {known}. Nothing was \
         changed. Use the newer version, or another data folder"
    )]
    Newer { file: PathBuf, found: u32, known: u32 },

    /// Any other failure of a file: what was tried, on what, why, and what to look at.
    #[error("cannot {tried} {path}: {cause}. {mend}")]
    File { tried: &'static str, path: PathBuf, cause: String, mend: &'static str },
}

impl Error {
    /// The state of a store whose write failed for this reason.
    pub(crate) fn into_failed(self) -> Error {
        match self {
            Error::Failed { .. } => self,
            other => Error::Failed { cause: other.to_string() },
        }
    }

    /// An operating system's failure, with the mend that its kind suggests.
    pub(crate) fn file(tried: &'static str, path: impl Into<PathBuf>, cause: &io::Error) -> Error {
        let mend = match cause.kind() {
            io::ErrorKind::PermissionDenied => MEND_PERMISSION,
            io::ErrorKind::ReadOnlyFilesystem => MEND_READ_ONLY,
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "The path must be a folder",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Free space on its disk",
            _ => MEND_OTHER,
        };
        Error::File { tried, path: path.into(), cause: cause.to_string(), mend }
    }
}

pub(crate) const MEND_PERMISSION: &str = "Let this user read and write the folder and the files in it";
pub(crate) const MEND_READ_ONLY: &str = "Make it and its folder writable, or choose another data folder";
pub(crate) const MEND_OTHER: &str = "Check the disk and its folder; nothing was deleted";

fn describe_holder(holder: Option<u32>) -> String {
    match holder {
        Some(pid) => format!("process {pid}, or a guard that it left to clear up"),
        None => "its process is not known".into(),
    }
}

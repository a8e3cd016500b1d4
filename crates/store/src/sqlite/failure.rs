//! From SQLite's result codes to errors that say what to do.

use std::path::Path;

use rusqlite::{ErrorCode, ffi};

use crate::{
    Error,
    error::{MEND_OTHER, MEND_PERMISSION, MEND_READ_ONLY},
};

pub fn classify(tried: &'static str, file: &Path, cause: &rusqlite::Error) -> Error {
    let (path, text) = (file.to_path_buf(), cause.to_string());
    let failed = |mend| Error::File { tried, path: path.clone(), cause: text.clone(), mend };
    let extended = cause.sqlite_error().map(|error| error.extended_code);
    match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full { file: path, cause: text },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::Damaged { file: path, found: text },
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => failed(MEND_PERMISSION),
        Some(ErrorCode::ReadOnly) => failed(MEND_READ_ONLY),
        // Of all that can be meant, SQLite tells a full disk alone.
        Some(ErrorCode::SystemIoFailure) if extended == Some(ffi::SQLITE_IOERR_WRITE) => failed(
            "The disk refused: look at the system's log and the disk's health, at quotas, and at a limit on the size of \
             files (`ulimit -f`)",
        ),
        Some(ErrorCode::SystemIoFailure) => failed("The disk refused: look at the system's log and the disk's health"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            failed("Another program holds the file, such as `sqlite3` without `-readonly`: close it")
        }
        _ => failed(MEND_OTHER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_names_the_file_and_a_mend() {
        for (code, says) in [
            (ffi::SQLITE_FULL, "no space is left for /data/ithaca.db"),
            (ffi::SQLITE_NOTADB, "/data/ithaca.db is damaged"),
            (ffi::SQLITE_CORRUPT, "Nothing was changed or deleted"),
            (ffi::SQLITE_CANTOPEN, "cannot write /data/ithaca.db"),
            (ffi::SQLITE_PERM, "Let this user read and write"),
            (ffi::SQLITE_READONLY, "Make it and its folder writable"),
            (ffi::SQLITE_IOERR_FSYNC, "The disk refused"),
            (ffi::SQLITE_IOERR_WRITE, "`ulimit -f`"),
            (ffi::SQLITE_BUSY, "close it"),
            (ffi::SQLITE_NOMEM, "Check the disk and its folder"),
        ] {
            let cause = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let text = classify("write", Path::new("/data/ithaca.db"), &cause).to_string();
            assert!(text.contains(says) && text.contains("/data/ithaca.db"), "{code}: {text}");
        }
    }
}

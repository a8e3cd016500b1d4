//! The data folder, and the lock that makes it one instance's own.
//!
//! The lock is `flock` on the file `lock`: the kernel gives it up when the last holder of the *open file*
//! is gone, however it went, so there is no stale lock to explain. A child process that inherits the
//! descriptor ([`AsFd`]) holds it too. That is how a guard keeps a successor out until it has cleared up,
//! and why taking the lock may be given some time ([`Folder::lock_within`]).
//!
//! The process id in the file is for people to read; nothing is decided by it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use crate::Error;

/// Payloads hold whatever the user's functions are given: only the user may read them.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// How often a held lock is tried again: short against a start, long against a system call.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// A data folder held by this process until this value, and every process that inherited the lock's
/// descriptor, is gone.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Creates the folder if need be and takes its lock, or says who has it.
    pub fn lock(path: impl AsRef<Path>) -> Result<Folder, Error> {
        Self::lock_within(path, Duration::ZERO)
    }

    /// Like [`Folder::lock`], but waits up to `wait` for the holder to go.
    pub fn lock_within(path: impl AsRef<Path>, wait: Duration) -> Result<Folder, Error> {
        let path = create(path.as_ref())?;
        let mut lock = open_private(&path.join("lock"))?;
        let deadline = Instant::now() + wait;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(RETRY_AFTER),
                Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut lock)),
                Err(TryLockError::Error(cause)) => return Err(Error::file("lock", path.join("lock"), &cause)),
            }
        }
        sign(&mut lock).map_err(|cause| Error::file("write", path.join("lock"), &cause))?;
        Ok(Folder { path, lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A second holder of the same lock.
    pub(crate) fn share(&self) -> Result<Folder, Error> {
        let lock = self.lock.try_clone().map_err(|cause| Error::file("share", self.path.join("lock"), &cause))?;
        Ok(Folder { path: self.path.clone(), lock })
    }
}

impl AsFd for Folder {
    /// The descriptor of the lock. It is closed on exec, as all of Rust's; a process that is to inherit it must be
    /// given a duplicate.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

/// Opens a file for reading and writing that only this user may read, and creates it if need be.
pub(crate) fn open_private(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
        .map_err(|cause| Error::file("open", path, &cause))
}

/// The absolute path of the folder, so that a later change of the working directory is harmless.
fn create(path: &Path) -> Result<PathBuf, Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
        .and_then(|()| fs::canonicalize(path))
        .map_err(|cause| Error::file("create the data folder", path, &cause))
}

fn sign(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", process::id())
}

/// The holder may be about to write its id, or write more than that one day: what cannot be read is not told.
fn in_use(folder: PathBuf, lock: &mut File) -> Error {
    let mut text = String::new();
    let holder = lock.read_to_string(&mut text).ok().and_then(|_| text.lines().next()?.trim().parse().ok());
    Error::InUse { folder, holder }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn a_folder_has_one_holder_at_a_time() {
        let scratch = Scratch::new();
        let path = scratch.path().join("new/data");
        let folder = Folder::lock(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FOLDER_MODE);

        let refused = Folder::lock(&path).unwrap_err();
        assert_eq!(refused, Error::InUse { folder: path.clone(), holder: Some(process::id()) });
        let text = refused.to_string();
        assert!(text.contains(&format!("process {}", process::id())), "{text}");

        let shared = folder.share().unwrap();
        drop(folder);
        assert!(matches!(Folder::lock(&path), Err(Error::InUse { .. })), "a sharer holds the lock too");
        drop(shared);
        Folder::lock(&path).unwrap();
    }

    #[test]
    fn a_lock_is_waited_for() {
        let scratch = Scratch::new();
        let folder = Folder::lock(scratch.path()).unwrap();
        let path = scratch.path().to_path_buf();
        let waiter = thread::spawn(move || Folder::lock_within(path, Duration::from_secs(60)));
        drop(folder);
        waiter.join().unwrap().unwrap();
    }

    #[test]
    fn a_file_is_no_folder() {
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        fs::write(&path, "").unwrap();
        let text = Folder::lock(&path).unwrap_err().to_string();
        assert!(text.contains("/file: ") && text.ends_with("The path must be a folder"), "{text}");
    }
}

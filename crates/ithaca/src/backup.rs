//! A copy of the data folder at one moment, while the instance goes on.
//!
//! ```text
//!   commits of the engine wait ──┬─ snapshot of ithaca.db ── what is done ── snapshot of dynamodb.db ──┬── commits go on
//!                                └──────────────────────── some milliseconds ─────────────────────────┘
//!   copy both, check them ──► copy the plain files ──► flush ──► rename FOLDER.part to FOLDER
//! ```
//!
//! **Why commits wait.** The copy has to be what a crash could have left. Were the tables older than the executions, a
//! task's success could be there without what it wrote. Were they younger, what it wrote could be there and no execution
//! would know that it had been asked, so nobody would ever compensate it. While no commit becomes durable no task is
//! handed over and none is a success: what the tables hold at that moment was asked for by what the engine holds, and what
//! the engine has for done is in the tables. What was under way is unknown, as after a crash, and goes to Retry or Catch.
//! `docs/decisions/0012-backup.md` has the whole story.
//!
//! **What is done** of messages and events ([`AT_THE_MOMENT`]) is read before the tables, or what a function wrote could be
//! missing and nobody would invoke it again; and the outbox ends there, or it would tell of what nobody has done yet.
//!
//! Other plain files are copied after that moment: objects and function code are written under another name and renamed, so
//! each is whole, and logs are best effort anyway. What is copied is everything but the lock, what SQLite keeps beside its
//! files, and what somebody is about to write.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use store::{Copied, Snapshot, Sqlite};

/// The engine's own file, and the tables'.
const ENGINE: &str = "ithaca.db";
const TABLES: &str = "dynamodb.db";

/// Not to be copied as files: the databases with what SQLite keeps beside them, and who holds the folder.
const LEFT: [&str; 7] =
    [ENGINE, "ithaca.db-wal", "ithaca.db-shm", TABLES, "dynamodb.db-wal", "dynamodb.db-shm", "lock"];

/// Files that say what was handed over, and are small.
const AT_THE_MOMENT: [&str; 3] = ["deliveries.json", "rules.json", "functions/.events.jsonl"];
/// A folder of files that only grow.
const GROWING: &str = "outbox";

/// Between two lines about the same file.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// What is asked for.
#[derive(Deserialize)]
pub struct Order {
    /// Absolute; made by the backup, so it must not be there yet.
    pub folder: PathBuf,
    /// Leave out what is free in the databases: smaller, and it takes longer.
    #[serde(default)]
    pub compact: bool,
}

/// Makes backups, one at a time.
pub struct Backups {
    data: PathBuf,
    store: Arc<Sqlite>,
    /// What is elsewhere, for people.
    left_out: Vec<String>,
    has_tables: bool,
    running: Mutex<()>,
}

impl Backups {
    pub fn new(data: PathBuf, store: Arc<Sqlite>, has_tables: bool, left_out: Vec<String>) -> Backups {
        Backups { data, store, left_out, has_tables, running: Mutex::new(()) }
    }

    /// A path is one of this machine, so it is asked for here.
    pub fn may_ask(peer: IpAddr) -> bool {
        peer.to_canonical().is_loopback()
    }

    /// Blocks until it is done. `told` gets a line now and then, and the last one in any case; it may end it.
    pub fn run(&self, order: &Order, told: &mut dyn FnMut(Value) -> ControlFlow<()>) {
        let outcome = match self.running.try_lock() {
            Err(TryLockError::WouldBlock) => Err("a backup is under way: wait for its end".into()),
            // One that panicked has left nothing but its folder.
            _running => self.make(order, told),
        };
        // Who has gone is not told.
        let _ = match outcome {
            Ok(Some(said)) => told(said),
            Ok(None) => ControlFlow::Break(()),
            Err(text) => told(json!({ "error": text })),
        };
    }

    /// Nothing, if nobody wants it any more. What is not finished is removed.
    fn make(&self, order: &Order, told: &mut dyn FnMut(Value) -> ControlFlow<()>) -> Result<Option<Value>, String> {
        let since = Instant::now();
        let part = self.prepare(&order.folder)?;
        let made = self.fill(&part, order.compact, told).and_then(|made| match made {
            None => Ok(None),
            Some(made) => publish(&part, &order.folder).map(|()| Some(made)),
        });
        if !matches!(made, Ok(Some(_))) {
            // What cannot be removed says itself what it is, by its name.
            let _ = fs::remove_dir_all(&part);
        }
        Ok(made?.map(|(bytes, held)| {
            let ms = |time: Duration| time.as_millis() as u64;
            let (took, held) = (ms(since.elapsed()), ms(held));
            json!({ "done": true, "folder": order.folder, "bytes": bytes, "tookMs": took, "heldMs": held, "leftOut": self.left_out })
        }))
    }

    /// Makes the folder under its first name, beside the last.
    fn prepare(&self, folder: &Path) -> Result<PathBuf, String> {
        let name = folder.file_name().filter(|_| folder.is_absolute());
        let (Some(name), Some(parent)) = (name, folder.parent()) else {
            return Err(format!("{}: a backup needs the absolute path of a folder to make", folder.display()));
        };
        let parent = parent.canonicalize().map_err(|error| {
            format!("{}: {error}. The folder that is to hold the backup must be there", parent.display())
        })?;
        if parent.starts_with(&self.data) {
            return Err(format!("{} lies in the data folder: choose a place outside", folder.display()));
        }
        if fs::symlink_metadata(folder).is_ok() {
            return Err(format!(
                "{} is there already: a backup makes its folder and overwrites nothing",
                folder.display()
            ));
        }
        let mut part = name.to_owned();
        part.push(".part");
        let part = parent.join(part);
        let made = DirBuilder::new().mode(0o700).create(&part);
        made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{} is there already: a backup that was cut off has left it. Remove it", part.display())
            }
            _ => format!("{}: {error}", part.display()),
        })?;
        Ok(part)
    }

    fn fill(
        &self,
        part: &Path,
        compact: bool,
        told: &mut dyn FnMut(Value) -> ControlFlow<()>,
    ) -> Result<Option<(u64, Duration)>, String> {
        let tables = match self.has_tables {
            true => Some(Snapshot::open(&self.data.join(TABLES)).map_err(|error| error.to_string())?),
            false => None,
        };
        let mut held = Duration::ZERO;
        let meanwhile = || {
            let since = Instant::now();
            let moment = Moment::read(&self.data)?;
            let begun = tables.as_ref().map_or(Ok(()), Snapshot::begin).map_err(|error| error.to_string());
            held = since.elapsed();
            begun.map(|()| moment)
        };
        let (engine, begun) = self.store.snapshot(meanwhile).map_err(|error| error.to_string())?;
        let moment = begun?;
        let mut bytes = 0;
        for (name, snapshot) in [(ENGINE, Some(engine)), (TABLES, tables)] {
            let Some(snapshot) = snapshot else { continue };
            let mut teller = Teller { name, at: Instant::now(), told };
            let copied = snapshot.copy(&part.join(name), compact, &mut |copied| teller.tell(copied));
            match copied.map_err(|error| error.to_string())? {
                Some(more) => bytes += more,
                None => return Ok(None),
            }
        }
        let mut plain = Plain { bytes: 0, moment: &moment, teller: Teller { name: "files", at: Instant::now(), told } };
        if plain.copy_folder(&self.data, part, Path::new(""))?.is_break() {
            return Ok(None);
        }
        Ok(Some((bytes + plain.bytes, held)))
    }
}

/// What has to be as it was at the moment of the backup, by its way from the data folder.
struct Moment {
    /// None: there was no such file.
    texts: BTreeMap<PathBuf, Option<Vec<u8>>>,
    /// How long the files were in the folder of those that only grow.
    lengths: BTreeMap<PathBuf, u64>,
}

impl Moment {
    /// The texts first: they tell of what is in the others.
    fn read(data: &Path) -> Result<Moment, String> {
        let failed = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
        let read = |name: &str| {
            let path = data.join(name);
            match fs::read(&path) {
                Ok(text) => Ok((PathBuf::from(name), Some(text))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((PathBuf::from(name), None)),
                Err(error) => Err(failed(&path, &error)),
            }
        };
        let texts = AT_THE_MOMENT.into_iter().map(read).collect::<Result<_, _>>()?;
        let mut lengths = BTreeMap::new();
        let folder = data.join(GROWING);
        for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, &error))? {
            let entry = entry.map_err(|error| failed(&folder, &error))?;
            match entry.metadata() {
                Ok(meta) => drop(lengths.insert(Path::new(GROWING).join(entry.file_name()), meta.len())),
                // Swept meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&entry.path(), &error)),
            }
        }
        Ok(Moment { texts, lengths })
    }

    /// What to copy of a file: all, so many bytes, or nothing.
    fn length_of(&self, at: &Path) -> Option<u64> {
        match at.starts_with(GROWING) {
            true => self.lengths.get(at).copied(),
            false => Some(u64::MAX),
        }
    }
}

/// Tells how far a file is, not too often, and always when it is done.
struct Teller<'t> {
    name: &'static str,
    at: Instant,
    told: &'t mut dyn FnMut(Value) -> ControlFlow<()>,
}

impl Teller<'_> {
    fn tell(&mut self, copied: Copied) -> ControlFlow<()> {
        if copied.bytes < copied.of && self.at.elapsed() < TOLD_EVERY {
            return ControlFlow::Continue(());
        }
        self.at = Instant::now();
        (self.told)(json!({ "file": self.name, "bytes": copied.bytes, "of": copied.of }))
    }
}

/// Copies files as they are.
struct Plain<'t> {
    bytes: u64,
    moment: &'t Moment,
    teller: Teller<'t>,
}

impl Plain<'_> {
    /// `at` is the way from the data folder to here.
    fn copy_folder(&mut self, from: &Path, to: &Path, at: &Path) -> Result<ControlFlow<()>, String> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |error: io::Error| format!("{path}: {error}")
        };
        let entries = match fs::read_dir(from) {
            Ok(entries) => entries,
            // A log group, or an old version of a function's code, may go meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ControlFlow::Continue(())),
            Err(error) => return Err(failed(from)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed(from))?;
            let (path, target, at) = (entry.path(), to.join(entry.file_name()), at.join(entry.file_name()));
            if is_left(&at) {
                continue;
            }
            let kind = entry.file_type().map_err(failed(&path))?;
            if kind.is_dir() {
                DirBuilder::new().mode(0o700).create(&target).map_err(failed(&target))?;
                if self.copy_folder(&path, &target, &at)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            } else if kind.is_symlink() {
                let leads_to = fs::read_link(&path).map_err(failed(&path))?;
                std::os::unix::fs::symlink(leads_to, &target).map_err(failed(&target))?;
            } else if kind.is_file() {
                match self.moment.texts.get(&at) {
                    Some(Some(text)) => self.write_file(text, &target)?,
                    Some(None) => continue,
                    None => self.copy_file(&path, &target, self.moment.length_of(&at))?,
                }
                let copied = Copied { bytes: self.bytes, of: self.bytes + 1 };
                if self.teller.tell(copied).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            // A socket or a pipe is of the process that made it.
        }
        File::open(to).and_then(|folder| folder.sync_all()).map_err(failed(to))?;
        Ok(ControlFlow::Continue(()))
    }

    /// `length` is how much of it there was at the moment of the backup.
    fn copy_file(&mut self, from: &Path, to: &Path, length: Option<u64>) -> Result<(), String> {
        let Some(length) = length else { return Ok(()) };
        match fs::copy(from, to) {
            Ok(bytes) => self.bytes += bytes.min(length),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => return Ok(()),
            Err(error) => return Err(format!("{} cannot be copied to {}: {error}", from.display(), to.display())),
        }
        let end = |file: File| {
            if file.metadata()?.len() > length {
                file.set_len(length)?;
            }
            file.sync_all()
        };
        let opened = File::options().write(length != u64::MAX).read(true).open(to);
        opened.and_then(end).map_err(|error| format!("{}: {error}", to.display()))
    }

    fn write_file(&mut self, text: &[u8], to: &Path) -> Result<(), String> {
        self.bytes += text.len() as u64;
        let made = File::options().write(true).create_new(true).mode(0o600).open(to);
        let written = made.and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()));
        written.map_err(|error| format!("{}: {error}", to.display()))
    }
}

/// Is what lies here, seen from the data folder, not to be copied as a file? The `/tmp` of a function is nobody's data.
fn is_left(at: &Path) -> bool {
    let parts: Vec<&OsStr> = at.iter().collect();
    match parts[..] {
        [name] => LEFT.iter().any(|left| name == *left),
        [top, _, name] => top == "functions" && name == "tmp",
        _ => false,
    }
}

/// The folder gets its name when everything in it is on the disk. A rename would replace an empty folder that somebody
/// has made meanwhile, and nothing else.
fn publish(part: &Path, folder: &Path) -> Result<(), String> {
    let renamed = fs::rename(part, folder).and_then(|()| File::open(folder.parent().unwrap_or(folder))?.sync_all());
    renamed.map_err(|error| format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was there at the moment, what is there when it is copied, and what the copy has.
    #[test]
    fn what_belongs_to_the_moment() {
        let scratch = store::testing::Scratch::new();
        let (data, copy) = (scratch.path().join("data"), scratch.path().join("copy"));
        for folder in ["outbox", "functions"] {
            fs::create_dir_all(data.join(folder)).unwrap();
        }
        fs::create_dir(&copy).unwrap();
        let rows = [
            ("deliveries.json", Some("1"), Some("2"), Some("1")),
            ("rules.json", None, Some("2"), None),
            ("functions/.events.jsonl", Some("1\n"), Some("1\n2\n"), Some("1\n")),
            ("outbox/2026-11-26.0.jsonl", Some("1\n"), Some("1\n2\n"), Some("1\n")),
            ("outbox/2026-11-26.1.jsonl", None, Some("3\n"), None),
            ("outbox/2026-11-25.0.jsonl", Some("0\n"), None, None),
            ("stack.json", Some("1"), Some("22"), Some("22")),
        ];
        let write = |path: &Path, text: Option<&str>| match text {
            Some(text) => fs::write(path, text).unwrap(),
            None => drop(fs::remove_file(path)),
        };
        rows.iter().for_each(|(name, before, _, _)| write(&data.join(name), *before));
        let moment = Moment::read(&data).unwrap();
        rows.iter().for_each(|(name, _, after, _)| write(&data.join(name), *after));
        let told = &mut |_| ControlFlow::Continue(());
        let mut plain = Plain { bytes: 0, moment: &moment, teller: Teller { name: "files", at: Instant::now(), told } };
        assert!(plain.copy_folder(&data, &copy, Path::new("")).unwrap().is_continue());
        for (name, _, _, expect) in rows {
            assert_eq!(fs::read_to_string(copy.join(name)).ok().as_deref(), expect, "{name}");
        }
    }
}

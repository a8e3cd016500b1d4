//! What tasks really did: a file beside the engine, to which functions and workers append before they answer.
//!
//! A line is one effect, `SAGA STEP ATTEMPT do|undo NONCE`, appended with one write and flushed before the task answers.
//! So the order of lines is the order of effects, a line is whole or missing, and what a task answered was done. The nonce goes into the
//! answer too, which ties a history to the line that it is about.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Do,
    /// The compensation of the step.
    Undo,
}

/// One effect of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The execution's name.
    pub saga: String,
    pub step: String,
    /// From 0, as the context object's RetryCount counts.
    pub attempt: u64,
    pub deed: Deed,
    /// No two effects have the same.
    pub nonce: u64,
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(line: &str) -> Result<Entry, String> {
        let broken = || format!("not a line of the ledger: {line:?}");
        let words: Vec<&str> = line.split(' ').collect();
        let [saga, step, attempt, deed, nonce] = words[..] else { return Err(broken()) };
        let deed = match deed {
            "do" => Deed::Do,
            "undo" => Deed::Undo,
            _ => return Err(broken()),
        };
        let number = |text: &str| text.parse().map_err(|_| broken());
        Ok(Entry { saga: saga.into(), step: step.into(), attempt: number(attempt)?, deed, nonce: number(nonce)? })
    }
}

/// Appends to a ledger.
#[derive(Debug)]
pub struct Ledger(File);

impl Ledger {
    pub fn open(path: &Path) -> io::Result<Ledger> {
        OpenOptions::new().append(true).create(true).open(path).map(Ledger)
    }

    /// Returns when the effect is on the disk.
    pub fn append(&self, entry: &Entry) -> io::Result<()> {
        let deed = match entry.deed {
            Deed::Do => "do",
            Deed::Undo => "undo",
        };
        let line = format!("{} {} {} {deed} {}\n", entry.saga, entry.step, entry.attempt, entry.nonce);
        // One write: appends of a few bytes do not mix.
        (&self.0).write_all(line.as_bytes())?;
        self.0.sync_data()
    }
}

/// All effects by saga, each in the order in which they happened.
pub fn read(path: &Path) -> BTreeMap<String, Vec<Entry>> {
    let text = std::fs::read_to_string(path).expect("the ledger can be read");
    let mut sagas = BTreeMap::<String, Vec<Entry>>::new();
    for line in text.lines() {
        let entry: Entry = line.parse().expect("the ledger is whole");
        sagas.entry(entry.saga.clone()).or_default().push(entry);
    }
    sagas
}

/// A number that nothing else has: the process, and a count in it, above what the clock says.
pub fn nonce() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
    let mixed = nanos ^ (u64::from(std::process::id()) << 40) ^ COUNT.fetch_add(1, Ordering::Relaxed);
    // Below 2^53: JSON readers keep it exact.
    crate::random::Random::new(mixed).draw() >> 11
}

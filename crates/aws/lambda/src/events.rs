//! Events that were accepted and are not done: invocations of type `Event`, which nobody waits for.
//!
//! ```text
//!  invoke_event ──> inbox ──> all that wait ──> one write, one flush ──> 202
//!  run_event: succeeded, or failed for the last time ──> a line that says so, not flushed
//! ```
//!
//! One file of lines, appended to by one thread. After a crash the events without their second line run again, so an event may arrive
//! twice, as on AWS. The file is made anew from what is open when most of it is done, and after a failed write, when nobody knows what
//! its end holds.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// The name of no function begins with a dot.
const FILE: &str = ".events.jsonl";

/// Lines that wait for the disk; beyond, the caller is throttled.
const INBOX_MAX: usize = 4096;
/// Lines that share a flush.
const BATCH_MAX: usize = 512;
/// A file of so many bytes is made anew when less than a quarter of it is open.
const FILE_BYTES_MIN: u64 = 4 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The request id, which stays the same in every try.
    pub id: String,
    /// As the caller named it.
    pub function: String,
    pub payload: Bytes,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line<'a> {
    /// The payload is JSON in a text of its own, so that it comes back byte by byte.
    Event {
        id: &'a str,
        function: std::borrow::Cow<'a, str>,
        payload: std::borrow::Cow<'a, str>,
    },
    Done {
        done: &'a str,
    },
}

enum Job {
    Keep(Event, oneshot::Sender<io::Result<()>>),
    Done(String),
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal(SyncSender<Job>);

/// Why an event was not accepted.
pub(crate) enum NotKept {
    Full,
    Disk(String),
}

impl Journal {
    /// Opens the journal of a folder, and tells what is not done, the oldest first.
    pub fn open(folder: &Path) -> io::Result<(Journal, Vec<Event>)> {
        let path = folder.join(FILE);
        let open = read(&path)?;
        let mut writer =
            Writer { path, file: None, bytes: 0, open: BTreeMap::new(), next: 0, numbers: BTreeMap::new() };
        open.iter().for_each(|event| writer.remember(event.clone()));
        if !open.is_empty() {
            writer.renew()?;
        }
        let (inbox, jobs) = sync_channel(INBOX_MAX);
        std::thread::Builder::new().name("events".into()).spawn(move || writer.work(&jobs))?;
        Ok((Journal(inbox), open))
    }

    /// Durable when it returns.
    pub async fn keep(&self, event: Event) -> Result<(), NotKept> {
        let (reply, answer) = oneshot::channel();
        match self.0.try_send(Job::Keep(event, reply)) {
            Err(TrySendError::Full(_)) => return Err(NotKept::Full),
            Err(TrySendError::Disconnected(_)) => return Err(NotKept::Disk("the journal was closed".into())),
            Ok(()) => {}
        }
        match answer.await {
            Ok(kept) => kept.map_err(|error| NotKept::Disk(error.to_string())),
            Err(_) => Err(NotKept::Disk("the journal was closed".into())),
        }
    }

    /// It need not run again. If that does not reach the disk, it does.
    pub fn done(&self, id: &str) {
        // A full inbox means a disk that does not keep up: the event runs again after a crash, as it may.
        let _ = self.0.try_send(Job::Done(id.to_owned()));
    }
}

struct Writer {
    path: PathBuf,
    /// None after a failed write, and before the first.
    file: Option<File>,
    bytes: u64,
    /// What is not done, in the order in which it came.
    open: BTreeMap<u64, Event>,
    next: u64,
    numbers: BTreeMap<String, u64>,
}

impl Writer {
    fn work(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).take(BATCH_MAX).collect();
            self.settle(batch);
        }
    }

    fn settle(&mut self, batch: Vec<Job>) {
        let mut text = Vec::new();
        let mut waiting = Vec::new();
        for job in batch {
            match job {
                Job::Keep(event, reply) => {
                    push(&mut text, &line_of(&event));
                    waiting.push((event.id.clone(), reply));
                    self.remember(event);
                }
                Job::Done(id) => {
                    push(&mut text, &Line::Done { done: &id });
                    self.forget(&id);
                }
            }
        }
        let written = self.write(&text, !waiting.is_empty());
        for (id, reply) in waiting {
            let answer = match &written {
                Ok(()) => Ok(()),
                // Nobody was told that it was accepted.
                Err(error) => {
                    self.forget(&id);
                    Err(io::Error::new(error.kind(), error.to_string()))
                }
            };
            // Who went away needs no answer.
            let _ = reply.send(answer);
        }
    }

    fn remember(&mut self, event: Event) {
        self.numbers.insert(event.id.clone(), self.next);
        self.open.insert(self.next, event);
        self.next += 1;
    }

    fn forget(&mut self, id: &str) {
        if let Some(number) = self.numbers.remove(id) {
            self.open.remove(&number);
        }
    }

    fn write(&mut self, text: &[u8], durably: bool) -> io::Result<()> {
        let done = self.append(text, durably);
        if done.is_err() {
            self.file = None;
        }
        done
    }

    fn append(&mut self, text: &[u8], durably: bool) -> io::Result<()> {
        let open_bytes = || self.open.values().map(|event| event.payload.len() as u64 + 128).sum::<u64>();
        if self.file.is_none() || (self.bytes > FILE_BYTES_MIN && self.bytes / 4 > open_bytes()) {
            // What is to be written is in what is open already, or done.
            return self.renew();
        }
        let file = self.file.as_mut().expect("INVARIANT: it was looked at above");
        file.write_all(text)?;
        self.bytes += text.len() as u64;
        if durably { file.sync_data() } else { Ok(()) }
    }

    /// A new file with what is open, in the place of the old one.
    fn renew(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        self.open.values().for_each(|event| push(&mut text, &line_of(event)));
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        file.sync_data()?;
        fs::rename(&fresh, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
        (self.file, self.bytes) = (Some(file), text.len() as u64);
        Ok(())
    }
}

fn line_of(event: &Event) -> Line<'_> {
    let (function, payload) = (event.function.as_str().into(), String::from_utf8_lossy(&event.payload));
    Line::Event { id: &event.id, function, payload }
}

fn push(text: &mut Vec<u8>, line: &Line<'_>) {
    serde_json::to_writer(&mut *text, line).expect("INVARIANT: a line is plain data");
    text.push(b'\n');
}

/// What is not done. The end of a file may be half a line after a crash: nobody was told that it was accepted.
fn read(path: &Path) -> io::Result<Vec<Event>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let mut open: Vec<Event> = Vec::new();
    for line in text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line<'_>>(line).ok()) {
        match line {
            Line::Event { id, function, payload } => open.push(Event {
                id: id.to_owned(),
                function: function.into_owned(),
                payload: payload.into_owned().into_bytes().into(),
            }),
            Line::Done { done } => open.retain(|event| event.id != done),
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: usize) -> Event {
        Event { id: format!("id-{id}"), function: "book".into(), payload: format!(r#"{{"n":{id},"é":"\n"}}"#).into() }
    }

    /// Events that are kept, those that are done, and what a start finds: `None` of what is cut off at the end.
    #[tokio::test]
    async fn what_is_not_done_is_found_again() {
        let folder = std::env::temp_dir().join(format!("ithaca-events-{}", std::process::id()));
        for (kept, done, cut) in [(0, 0, 0), (1, 0, 0), (3, 1, 0), (3, 3, 0), (3, 0, 5), (40, 38, 0)] {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            let (journal, open) = Journal::open(&folder).unwrap();
            assert_eq!(open, []);
            for id in 0..kept {
                if journal.keep(event(id)).await.is_err() {
                    panic!("{id} was not kept");
                }
                if id < done {
                    journal.done(&event(id).id);
                }
            }
            // One more, so that all before it was written.
            if journal.keep(event(kept)).await.is_err() {
                panic!("the last one was not kept");
            }
            drop(journal);
            let path = folder.join(FILE);
            let text = fs::read(&path).unwrap();
            fs::write(&path, &text[..text.len() - cut]).unwrap();
            let expect: Vec<Event> = (done..=kept).take(kept - done + usize::from(cut == 0)).map(event).collect();
            let (_journal, open) = Journal::open(&folder).unwrap();
            assert_eq!(open, expect, "{kept} kept, {done} done, {cut} cut off");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_long_file_is_made_anew() {
        let folder = std::env::temp_dir().join(format!("ithaca-events-long-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(FILE);
        let (file, open, numbers) = (None, BTreeMap::new(), BTreeMap::new());
        let mut writer = Writer { path: path.clone(), file, bytes: 0, open, next: 0, numbers };
        let large = Event { payload: vec![b' '; 1 << 20].into(), ..event(1) };
        for id in 0..10 {
            let event = Event { id: format!("{id}"), ..large.clone() };
            writer.settle(vec![Job::Keep(event, oneshot::channel().0)]);
            writer.settle(vec![Job::Done(format!("{id}"))]);
            assert!(fs::metadata(&path).unwrap().len() < FILE_BYTES_MIN + (2 << 20));
        }
        assert_eq!(read(&path).unwrap(), []);
        fs::remove_dir_all(&folder).unwrap();
    }
}

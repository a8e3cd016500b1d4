//! Files of lines, appended to by one thread, and read by whoever looks.
//!
//! ```text
//!   inbox ──> all that wait, up to BATCH_MAX ──> one write ──> one fdatasync ──> the listener, then the answers
//! ```
//!
//! A day has a file, and another when that has grown; what is older than 14 days goes, as the longest that SQS keeps a
//! message, and beyond 256 MiB in all the oldest file goes first. What is no whole line, after a crash or a full disk, is
//! no message: nobody was told that it was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_client::time;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::messages::{Drafted, Operation, Refusal};
use crate::{Listener, Message, Sender};

/// Requests that share a flush.
const BATCH_MAX: usize = 256;
/// A file that reaches this is followed by another, so that reading one is never much work.
const FILE_BYTES_MAX: u64 = 16 << 20;
const BYTES_MAX: u64 = 256 << 20;
const DAYS_MAX: i64 = 14;
const DAY_MS: i64 = 86_400_000;

/// The outbox cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the outbox {}", path.display())]
pub struct OpenError {
    pub doing: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// What was sent, and who waits for it to be durable.
pub struct Job {
    pub operation: &'static Operation,
    pub drafted: Drafted,
    pub sender: Sender,
    pub reply: oneshot::Sender<Result<Value, Refusal>>,
}

/// A file's name: `2026-11-26.0.jsonl`; the day is counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    day: i64,
    number: u32,
}

impl Name {
    fn parse(name: &str) -> Option<Name> {
        let (date, number) = name.strip_suffix(".jsonl")?.split_once('.')?;
        let seconds = time::parse_iso(&format!("{date}T00:00:00Z"))?;
        Some(Name { day: seconds.div_euclid(DAY_MS / 1000), number: number.parse().ok()? })
    }

    fn path(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.{}.jsonl", &time::iso(self.day * DAY_MS)[..10], self.number))
    }
}

/// The files of the folder, the oldest first, and how long they are. Others are left alone.
fn files(folder: &Path) -> io::Result<BTreeMap<Name, u64>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(Name::parse) {
            match entry.metadata() {
                Ok(meta) => drop(found.insert(name, meta.len())),
                // Swept meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

pub struct Writer {
    folder: PathBuf,
    files: BTreeMap<Name, u64>,
    /// The newest of the files, while it can be appended to.
    open: Option<(Name, File)>,
    /// The number of the newest message.
    number: u64,
    listener: Arc<OnceLock<Listener>>,
}

impl Writer {
    pub fn open(folder: &Path, listener: Arc<OnceLock<Listener>>) -> Result<Writer, OpenError> {
        let failed = |doing| move |source| OpenError { doing, path: folder.to_owned(), source };
        // What is sent may be anybody's business but others' of this machine.
        let mut made = fs::DirBuilder::new();
        made.recursive(true).mode(0o700).create(folder).map_err(failed("make"))?;
        let files = files(folder).map_err(failed("read"))?;
        let mut number = 0;
        for name in files.keys().rev() {
            let last = lines(&name.path(folder)).map_err(failed("read"))?.pop();
            if let Some(last) = last {
                number = last.number;
                break;
            }
        }
        Ok(Writer { folder: folder.to_owned(), files, open: None, number, listener })
    }

    /// Until nobody can send any more.
    pub fn work(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).take(BATCH_MAX).collect();
            self.settle(batch, now_ms());
        }
    }

    fn settle(&mut self, batch: Vec<Job>, now: i64) {
        let mut told: Vec<Message> = Vec::new();
        let mut answers = Vec::new();
        for Job { operation, drafted, sender, reply } in batch {
            let first = told.len();
            for draft in drafted.messages {
                // Behind the last one, and behind what was swept or is on another disk.
                self.number = (self.number + 1).max((now.max(0) as u64) << 10);
                told.push(Message {
                    number: self.number,
                    at: now,
                    service: operation.service.to_owned(),
                    operation: operation.name.to_owned(),
                    destination: draft.destination,
                    message_id: draft.message_id,
                    sender: sender.clone(),
                    message: draft.message,
                });
            }
            let numbers: Vec<u64> = told[first..].iter().map(|message| message.number).collect();
            answers.push((reply, (drafted.numbered)(drafted.answer, &numbers)));
        }
        let written = self.write(&told, now);
        if let (Ok(()), Some(listener)) = (&written, self.listener.get()) {
            listener(&told);
        }
        for (reply, answer) in answers {
            let answer = match &written {
                Ok(()) => Ok(answer),
                Err(error) => Err(Refusal::internal(&format!("the outbox could not be written: {error}"))),
            };
            // Who went away needs no answer.
            let _ = reply.send(answer);
        }
    }

    /// Durable when it returns. After a failure the file is not appended to any more: what its end holds is not known.
    fn write(&mut self, messages: &[Message], now: i64) -> io::Result<()> {
        let mut text = Vec::new();
        for message in messages {
            serde_json::to_writer(&mut text, message)?;
            text.push(b'\n');
        }
        let done = self.append(&text, now);
        if done.is_err() {
            self.open = None;
        }
        done
    }

    fn append(&mut self, text: &[u8], now: i64) -> io::Result<()> {
        let (name, mut file) = self.file(now)?;
        file.write_all(text)?;
        file.sync_data()?;
        *self.files.entry(name).or_default() += text.len() as u64;
        self.open = Some((name, file));
        Ok(())
    }

    /// The file to append to: today's, or a new one.
    fn file(&mut self, now: i64) -> io::Result<(Name, File)> {
        let day = now.div_euclid(DAY_MS);
        if let Some((name, file)) = self.open.take()
            && name.day >= day
            && self.files.get(&name).is_none_or(|bytes| *bytes < FILE_BYTES_MAX)
        {
            return Ok((name, file));
        }
        self.sweep(day)?;
        // Never a file that is there: its last line may be half one.
        let next = self.files.keys().next_back().filter(|last| last.day >= day);
        let name = next.map_or(Name { day, number: 0 }, |last| Name { day: last.day, number: last.number + 1 });
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(name.path(&self.folder));
        // A file that a failed write has left.
        self.files.entry(name).or_default();
        let file = file?;
        // Its name must survive a power cut as well.
        File::open(&self.folder)?.sync_all()?;
        Ok((name, file))
    }

    fn sweep(&mut self, day: i64) -> io::Result<()> {
        let old: Vec<Name> = swept(&self.files, day);
        for name in old {
            match fs::remove_file(name.path(&self.folder)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => drop(self.files.remove(&name)),
            }
        }
        Ok(())
    }
}

/// Which files go: the old ones, and the oldest of too many bytes.
fn swept(files: &BTreeMap<Name, u64>, day: i64) -> Vec<Name> {
    let mut bytes: u64 = files.values().sum();
    let mut gone = Vec::new();
    for (name, length) in files {
        // Another file's worth is to come.
        if name.day + DAYS_MAX >= day && bytes + FILE_BYTES_MAX <= BYTES_MAX {
            break;
        }
        bytes -= length;
        gone.push(*name);
    }
    gone
}

/// Which messages are wanted. Without anything: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub service: Option<String>,
    /// A part of the destination.
    pub destination: Option<String>,
    /// The ARN, or the name, of the execution.
    pub execution: Option<String>,
    /// Of a number above this one.
    pub after: u64,
    /// Of this number.
    pub number: Option<u64>,
}

impl Filter {
    fn takes(&self, message: &Message) -> bool {
        let is = |wanted: &Option<String>, test: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(test);
        let execution = message.sender.execution.as_deref().unwrap_or_default();
        message.number > self.after
            && self.number.is_none_or(|number| number == message.number)
            && is(&self.service, &|service| service == message.service)
            && is(&self.destination, &|part| message.destination.contains(part))
            && is(&self.execution, &|wanted| {
                execution == wanted || execution.rsplit(':').next().is_some_and(|name| name == wanted)
            })
    }
}

pub struct Reader {
    folder: PathBuf,
}

impl Reader {
    pub fn new(folder: &Path) -> Reader {
        Reader { folder: folder.to_owned() }
    }

    /// The newest first.
    pub fn list(&self, filter: &Filter, limit: usize) -> io::Result<Vec<Message>> {
        let mut found = Vec::new();
        for name in files(&self.folder)?.into_keys().rev() {
            let all = match lines(&name.path(&self.folder)) {
                // Swept meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                all => all?,
            };
            let is_end = all.first().is_some_and(|first| first.number <= filter.after);
            found.extend(all.into_iter().rev().filter(|message| filter.takes(message)));
            if found.len() >= limit || is_end {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Those of these numbers that are there, the oldest first: each file is read once, and none before the first number.
    pub fn numbered(&self, numbers: &BTreeSet<u64>) -> io::Result<Vec<Message>> {
        let Some(first) = numbers.first() else { return Ok(Vec::new()) };
        let mut found =
            self.after(first.saturating_sub(1), usize::MAX, &|message| numbers.contains(&message.number))?;
        found.truncate(numbers.len());
        Ok(found)
    }

    /// What came after a number and is wanted, the oldest first.
    pub fn after(&self, number: u64, limit: usize, is_wanted: &dyn Fn(&Message) -> bool) -> io::Result<Vec<Message>> {
        let mut found = Vec::new();
        let names: Vec<Name> = files(&self.folder)?.into_keys().collect();
        for (place, name) in names.iter().enumerate() {
            // A file whose successor begins at or before the number holds nothing that is wanted.
            let next = names.get(place + 1).map(|next| first_number(&next.path(&self.folder))).transpose()?.flatten();
            if next.is_some_and(|next| next <= number) {
                continue;
            }
            match lines(&name.path(&self.folder)) {
                // Swept meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                all => {
                    found.extend(all?.into_iter().filter(|message| message.number > number && is_wanted(message)));
                }
            }
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }
}

/// The number of the first message of a file, if it has one.
fn first_number(path: &Path) -> io::Result<Option<u64>> {
    let mut line = Vec::new();
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    BufReader::new(file).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice::<Message>(&line).ok().map(|message| message.number))
}

fn lines(path: &Path) -> io::Result<Vec<Message>> {
    let bytes = fs::read(path)?;
    Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_swept() {
        let check = |files: &[(i64, u64)], expect: &[i64]| {
            let files = files.iter().map(|(day, mib)| (Name { day: *day, number: 0 }, mib << 20)).collect();
            let gone: Vec<i64> = swept(&files, 100).iter().map(|name| name.day).collect();
            assert_eq!(gone, expect, "{files:?}");
        };
        check(&[], &[]);
        check(&[(85, 1), (86, 1), (100, 1)], &[85]);
        check(&[(98, 100), (99, 100), (100, 40)], &[]);
        check(&[(98, 100), (99, 100), (100, 41)], &[98]);
        check(&[(98, 200), (99, 300), (100, 1)], &[98, 99]);
    }

    /// Messages by number, over two files of which one ends in half a line.
    #[test]
    fn messages_by_number() {
        let folder = std::env::temp_dir().join(format!("ithaca-outbox-numbered-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let line = |number: &u64| {
            format!(
                r#"{{"number":{number},"at":0,"service":"sqs","operation":"SendMessage","destination":"q","messageId":"m","message":{{}}}}"#
            )
        };
        let lines = |numbers: &[u64]| numbers.iter().map(line).collect::<Vec<_>>().join("\n");
        fs::write(folder.join("2026-11-26.0.jsonl"), lines(&[3, 5, 7]) + "\n{\"numb").unwrap();
        fs::write(folder.join("2026-11-26.1.jsonl"), lines(&[9, 11]) + "\n").unwrap();
        let check = |numbers: &[u64], expect: &[u64]| {
            let found = Reader::new(&folder).numbered(&numbers.iter().copied().collect()).unwrap();
            let found: Vec<u64> = found.iter().map(|message| message.number).collect();
            assert_eq!(found, expect, "{numbers:?}");
        };
        check(&[], &[]);
        check(&[3], &[3]);
        check(&[11, 5, 6], &[5, 11]);
        check(&[0, 7, 9, 12], &[7, 9]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn names_of_files() {
        let check = |name: &str, expect: Option<(i64, u32)>| {
            assert_eq!(Name::parse(name), expect.map(|(day, number)| Name { day, number }), "{name}");
        };
        check("2026-11-26.0.jsonl", Some((20_783, 0)));
        check("2026-11-26.12.jsonl", Some((20_783, 12)));
        check("2026-11-26.jsonl", None);
        check("x.0.jsonl", None);
        assert_eq!(Name { day: 1, number: 2 }.path(Path::new("a")), Path::new("a/1970-01-02.2.jsonl"));
    }
}

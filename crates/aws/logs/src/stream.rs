//! One stream: a file of lines, appended to and read from.
//!
//! A place in a stream is a number of bytes into its file. Lines are whole, but for the last one after a crash: what is
//! no line is passed over.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A file that reaches this is followed by another, so that reading one is never much work.
pub const STREAM_BYTES_MAX: u64 = 16 << 20;

/// What is read of either end of a file to learn its first and last event: more than the longest line.
const END_BYTES: u64 = 1 << 20;

/// One event, as the file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub timestamp: i64,
    pub ingestion_time: i64,
    pub message: String,
}

/// An event, where it begins, and where the next one does.
#[derive(Clone, Debug)]
pub struct Placed {
    pub at: u64,
    pub end: u64,
    pub event: Event,
}

/// The first line of a file whose name is too short for the stream's. It is no event, and passed over as such.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Heading {
    log_stream_name: String,
}

pub struct Stream {
    path: PathBuf,
    /// Its name, if the file's name does not hold it.
    pub long_name: Option<String>,
    pub created_at: i64,
    pub first_event: Option<i64>,
    pub last_event: Option<i64>,
    pub last_ingestion: Option<i64>,
    pub bytes: u64,
    writer: Option<BufWriter<File>>,
}

impl Stream {
    pub fn new(path: PathBuf, created_at: i64) -> Stream {
        Stream {
            path,
            long_name: None,
            created_at,
            first_event: None,
            last_event: None,
            last_ingestion: None,
            bytes: 0,
            writer: None,
        }
    }

    /// A stream that an earlier run has left.
    pub fn open(path: &Path) -> io::Result<Stream> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(END_BYTES).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(bytes.saturating_sub(END_BYTES)))?;
        let mut tail = Vec::new();
        file.take(END_BYTES).read_to_end(&mut tail)?;
        let first = placed(&head, 0).into_iter().next().map(|placed| placed.event);
        let last = placed(&tail, 0).pop().map(|placed| placed.event);
        let heading = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(Stream {
            long_name: serde_json::from_slice(heading).ok().map(|heading: Heading| heading.log_stream_name),
            bytes,
            first_event: first.as_ref().map(|event| event.timestamp),
            last_event: last.as_ref().map(|event| event.timestamp),
            last_ingestion: last.as_ref().map(|event| event.ingestion_time),
            ..Stream::new(path.to_owned(), first.map_or(0, |event| event.ingestion_time))
        })
    }

    pub fn is_full(&self) -> bool {
        self.bytes >= STREAM_BYTES_MAX
    }

    pub fn is_open(&self) -> bool {
        self.writer.is_some()
    }

    pub fn append(&mut self, timestamp: i64, message: &str, now: i64) -> io::Result<()> {
        let event = Event { timestamp, ingestion_time: now, message: message.to_owned() };
        let mut line = serde_json::to_vec(&event).expect("an event is plain data, which always serialises");
        line.push(b'\n');
        self.writer()?.write_all(&line)?;
        self.bytes += line.len() as u64;
        self.first_event = Some(self.first_event.map_or(timestamp, |first| first.min(timestamp)));
        self.last_event = Some(self.last_event.map_or(timestamp, |last| last.max(timestamp)));
        self.last_ingestion = Some(now);
        Ok(())
    }

    fn writer(&mut self) -> io::Result<&mut BufWriter<File>> {
        if self.writer.is_none() {
            let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            let is_empty = file.metadata()?.len() == 0;
            // What a crash has cut off must not run into the next line.
            let is_cut = !is_empty && !ends_with_newline(&self.path)?;
            let mut writer = BufWriter::new(file);
            if is_cut {
                writer.write_all(b"\n")?;
                self.bytes += 1;
            }
            if let Some(name) = self.long_name.as_ref().filter(|_| is_empty) {
                let heading = Heading { log_stream_name: name.clone() };
                let mut line = serde_json::to_vec(&heading).expect("a name is plain data, which always serialises");
                line.push(b'\n');
                writer.write_all(&line)?;
                self.bytes += line.len() as u64;
            }
            self.writer = Some(writer);
        }
        Ok(self.writer.as_mut().expect("it was just opened"))
    }

    /// Writes what waits and closes the file until the next event.
    pub fn rest(&mut self) -> io::Result<()> {
        match self.writer.take() {
            Some(mut writer) => writer.flush(),
            None => Ok(()),
        }
    }

    /// All events from a place on.
    pub fn read(&mut self, from: u64) -> io::Result<Vec<Placed>> {
        if let Some(writer) = &mut self.writer {
            writer.flush()?;
        }
        let bytes = match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            bytes => bytes?,
        };
        Ok(placed(&bytes, from))
    }

    pub fn delete(self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The lines that begin at a place or after it.
fn placed(bytes: &[u8], from: u64) -> Vec<Placed> {
    let mut events = Vec::new();
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = at + line.len() as u64;
        if at >= from
            && let Ok(event) = serde_json::from_slice(line)
        {
            events.push(Placed { at, end, event });
        }
        at = end;
    }
    events
}

fn ends_with_newline(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0] == b'\n')
}

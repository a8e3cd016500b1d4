//! The log of a function: recent lines in memory, all lines in a bounded file, every line to whoever listens.
//!
//! Functions log on the hot path (three lines an invocation at least), so a line costs one short lock and no system
//! call: a thread writes to the files what has gathered since it last looked. A disk that cannot keep up loses lines
//! and the log says how many; a function is never held up by its log.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use crate::config::{Limits, LogSink};
use crate::time;

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The host: START, END, REPORT, and what went wrong with a process.
    Platform,
    Stdout,
    Stderr,
}

#[derive(Clone, Debug)]
pub struct LogLine {
    pub at: SystemTime,
    /// The function's name.
    pub function: Arc<str>,
    pub source: Source,
    /// Without its line end. What is not UTF-8 has been replaced.
    pub text: String,
}

/// Between two writes. Without it a busy function would wake the writing thread for every line, which costs more than
/// the line.
const GATHER: Duration = Duration::from_millis(10);

/// Lines that wait for the disk. More than this are dropped, with a note.
const PENDING_BYTES_MAX: usize = 4 << 20;

pub(crate) struct Log {
    function: Arc<str>,
    path: PathBuf,
    ring_bytes_max: usize,
    file_bytes_max: u64,
    sink: Option<LogSink>,
    writer: Writer,
    recent: Mutex<Recent>,
    file: Mutex<LogFile>,
}

#[derive(Default)]
struct Recent {
    lines: VecDeque<LogLine>,
    bytes: usize,
    pending: Vec<u8>,
    dropped: usize,
}

/// The file as the writing thread knows it.
#[derive(Default)]
struct LogFile {
    open: Option<(File, u64)>,
    /// Told once; and then nothing is written until the host opens again.
    failed: bool,
}

impl Log {
    pub fn new(function: &str, folder: &Path, limits: &Limits, sink: Option<LogSink>, writer: Writer) -> Arc<Log> {
        Arc::new(Log {
            function: function.into(),
            path: folder.join("log"),
            ring_bytes_max: limits.log_ring_bytes_max,
            file_bytes_max: limits.log_file_bytes_max,
            sink,
            writer,
            recent: Mutex::default(),
            file: Mutex::default(),
        })
    }

    pub fn push(self: &Arc<Log>, source: Source, text: impl Into<String>) {
        self.push_all(source, [text.into()]);
    }

    /// Lines of one moment, which nothing comes between.
    pub fn push_all(self: &Arc<Log>, source: Source, texts: impl IntoIterator<Item = String>) {
        let at = SystemTime::now();
        let line = |text| LogLine { at, function: self.function.clone(), source, text };
        let lines: Vec<LogLine> = texts.into_iter().map(line).collect();
        // The listener is foreign code: it is called without our lock.
        if let Some(sink) = &self.sink {
            lines.iter().for_each(|line| sink(line));
        }
        let stamp = time::log_time(at);
        let mut recent = lock(&self.recent);
        let was_empty = recent.pending.is_empty() && recent.dropped == 0;
        for line in lines {
            recent.gather(&stamp, &line.text);
            recent.keep(line, self.ring_bytes_max);
        }
        drop(recent);
        if was_empty {
            self.writer.wake(self.clone());
        }
    }

    pub fn recent(&self) -> Vec<LogLine> {
        lock(&self.recent).lines.iter().cloned().collect()
    }

    /// The function is being deleted: its folder must not come back.
    pub fn end(&self) {
        *lock(&self.file) = LogFile { open: None, failed: true };
    }

    /// Called by the writing thread alone.
    fn write_pending(&self) {
        let (pending, dropped) = {
            let mut recent = lock(&self.recent);
            (std::mem::take(&mut recent.pending), std::mem::take(&mut recent.dropped))
        };
        let mut file = lock(&self.file);
        if file.failed {
            return;
        }
        if let Err(error) = self.append(&mut file, &pending, dropped) {
            file.failed = true;
            // In memory and to the listener, not to the file.
            let text = format!("The log file {} cannot be written: {error}", self.path.display());
            let line =
                LogLine { at: SystemTime::now(), function: self.function.clone(), source: Source::Platform, text };
            if let Some(sink) = &self.sink {
                sink(&line);
            }
            lock(&self.recent).keep(line, self.ring_bytes_max);
        }
    }

    fn append(&self, file: &mut LogFile, pending: &[u8], dropped: usize) -> io::Result<()> {
        let (mut open, mut size) = match file.open.take() {
            Some((_, size)) if size >= self.file_bytes_max => self.rotate()?,
            Some(open) => open,
            None => self.open()?,
        };
        open.write_all(pending)?;
        size += pending.len() as u64;
        if dropped > 0 {
            writeln!(
                open,
                "{} {dropped} lines are missing here: the disk was too slow",
                time::log_time(SystemTime::now())
            )?;
        }
        file.open = Some((open, size));
        Ok(())
    }

    fn open(&self) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    fn rotate(&self) -> io::Result<(File, u64)> {
        fs::rename(&self.path, self.path.with_extension("1"))?;
        self.open()
    }
}

impl Recent {
    fn gather(&mut self, stamp: &str, text: &str) {
        if self.pending.len() > PENDING_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        for part in [stamp, " ", text, "\n"] {
            self.pending.extend_from_slice(part.as_bytes());
        }
    }

    fn keep(&mut self, line: LogLine, bytes_max: usize) {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.bytes > bytes_max
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= oldest.text.len();
        }
    }
}

/// A handle on the thread that writes; it ends with its last handle.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::Sender<Order>);

enum Order {
    Write(Arc<Log>),
    Tell(oneshot::Sender<()>),
}

impl Order {
    fn carry_out(self) {
        match self {
            Order::Write(log) => log.write_pending(),
            // Whoever asked may have given up.
            Order::Tell(written) => drop(written.send(())),
        }
    }
}

impl Writer {
    pub fn start() -> io::Result<Writer> {
        let (orders, inbox) = mpsc::channel();
        thread::Builder::new().name("function-logs".into()).spawn(move || {
            while let Ok(first) = inbox.recv() {
                std::iter::once(first).chain(inbox.try_iter()).for_each(Order::carry_out);
                thread::sleep(GATHER);
            }
        })?;
        Ok(Writer(orders))
    }

    fn wake(&self, log: Arc<Log>) {
        // The thread outlives every log, since a log holds a handle on it.
        let _ = self.0.send(Order::Write(log));
    }

    /// Returns when everything pushed so far is in the files.
    pub async fn written(&self) {
        let (tell, written) = oneshot::channel();
        if self.0.send(Order::Tell(tell)).is_ok() {
            let _ = written.await;
        }
    }
}

/// Cuts a stream of bytes into lines.
pub(crate) struct Lines {
    partial: Vec<u8>,
    line_bytes_max: usize,
}

impl Lines {
    pub fn new(line_bytes_max: usize) -> Lines {
        Lines { partial: Vec::new(), line_bytes_max }
    }

    pub fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while !bytes.is_empty() {
            let room = self.line_bytes_max - self.partial.len();
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (taken, skip) = match end {
                Some(end) if end <= room => (end, end + 1),
                _ => (bytes.len().min(room), bytes.len().min(room)),
            };
            self.partial.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[skip..];
            if skip > taken || self.partial.len() == self.line_bytes_max {
                line(self.take());
            }
        }
    }

    /// What there is of a line that has not ended yet.
    pub fn flush(&mut self, mut line: impl FnMut(String)) {
        if !self.partial.is_empty() {
            line(self.take());
        }
    }

    fn take(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.partial).trim_end_matches('\r').to_string();
        self.partial.clear();
        text
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let check = |chunks: &[&str], expect: &[&str]| {
            let mut lines = Lines::new(8);
            let mut got = Vec::new();
            for chunk in chunks {
                lines.feed(chunk.as_bytes(), |line| got.push(line));
            }
            lines.flush(|line| got.push(line));
            assert_eq!(got, expect, "{chunks:?}");
        };
        check(&["a\nb\n"], &["a", "b"]);
        check(&["a", "b\r\n\nc"], &["ab", "", "c"]);
        check(&["12345678"], &["12345678"]);
        check(&["1234567\n1234"], &["1234567", "1234"]);
        check(&["1234567890\nx\n"], &["12345678", "90", "x"]);
        check(&[], &[]);
    }

    #[test]
    fn the_ring_is_bounded_by_bytes() {
        let mut recent = Recent::default();
        for n in 0..10 {
            let text = format!("{n}{}", "x".repeat(9));
            recent.keep(LogLine { at: SystemTime::now(), function: "f".into(), source: Source::Stdout, text }, 35);
        }
        let kept: Vec<&str> = recent.lines.iter().map(|line| &line.text[..1]).collect();
        assert_eq!((kept, recent.bytes), (vec!["7", "8", "9"], 30));
    }
}

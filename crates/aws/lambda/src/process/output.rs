//! What a process writes to its standard output and standard error, a pipe each.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Process, lock};
use crate::log::{Lines, Source};

/// A chunk of output, and how many are read in one go before others get their turn.
const CHUNK_BYTES: usize = 16 << 10;
const CHUNKS_MAX: usize = 64;

/// One of the two pipes of a process.
pub(super) struct Output {
    pub source: Source,
    pipe: AsyncFd<File>,
    buffer: Mutex<(Lines, Vec<u8>)>,
}

#[derive(PartialEq)]
pub(super) enum Found {
    Empty,
    More,
    End,
}

impl Output {
    pub fn new(source: Source, pipe: File, line_bytes_max: usize) -> io::Result<Output> {
        let buffer = Mutex::new((Lines::new(line_bytes_max), vec![0; CHUNK_BYTES]));
        // SAFETY: a file keeps one descriptor as long as it lives, and it is only ever read from.
        let pipe = unsafe { AsyncFd::register_with_interest(pipe, Interest::READABLE)? };
        Ok(Output { source, pipe, buffer })
    }

    /// Reads without waiting, and without asking the reactor, which may not know yet what is in the pipe.
    pub fn read(&self, flush: bool, line: &mut dyn FnMut(String)) -> Found {
        let (lines, chunk) = &mut *lock(&self.buffer);
        let mut result = Found::More;
        for _ in 0..CHUNKS_MAX {
            match self.pipe.get_ref().read(chunk) {
                Ok(0) => result = Found::End,
                Ok(count) => {
                    lines.feed(&chunk[..count], &mut *line);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => result = Found::Empty,
                Err(_) => result = Found::End,
            }
            break;
        }
        if flush || result == Found::End {
            lines.flush(line);
        }
        result
    }
}

/// Until its end, which comes when the last process that has it open has ended.
pub(super) async fn read_all(process: Arc<Process>, which: usize) {
    let Some(output) = process.output.get().map(|both| &both[which]) else { return };
    while let Ok(mut ready) = output.pipe.readable().await {
        match output.read(false, &mut |line| process.line(output.source, line)) {
            Found::Empty => ready.clear_ready(),
            Found::More => tokio::task::yield_now().await,
            Found::End => return,
        }
    }
}

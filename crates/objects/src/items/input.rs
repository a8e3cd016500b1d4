//! The bytes of an object on their way to a decoder: decompressed, counted, and looked at one by one.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::Error;
use crate::limits::{CHUNK_BYTES, OBJECT_BYTES_MAX};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// As many bytes as the longest of these.
const HEAD_BYTES: usize = 4;

pub(super) struct Input {
    reader: Box<dyn BufRead + Send>,
    pub source: Arc<str>,
    /// Bytes that were given out, after decompression.
    given: u64,
    /// Of the byte that comes next, for messages: the first is 1.
    pub line: u64,
}

/// Compressed is what says so: by its encoding, its name, or its first bytes, since neither JSON nor CSV begins like that.
pub(super) fn open(body: Box<dyn Read + Send>, encoding: Option<&str>, source: &str) -> Result<Input, Error> {
    let mut raw = Input::new(Box::new(BufReader::with_capacity(CHUNK_BYTES, body)), source);
    let head = raw.head()?;
    let named = |endings: &[&str]| endings.iter().any(|ending| source.ends_with(ending));
    let Input { reader, .. } = raw;
    let whole = Cursor::new(head.clone()).chain(reader);
    let mut input = if head.starts_with(GZIP) || named(&[".gz"]) || encoding == Some("gzip") {
        if head.is_empty() {
            return Err(Error::data(source, "it is empty, so it is not gzip"));
        }
        let plain = MultiGzDecoder::new(whole);
        Input::new(Box::new(BufReader::with_capacity(CHUNK_BYTES, plain)), source)
    } else if head.starts_with(ZSTD) || named(&[".zst", ".zstd"]) || encoding == Some("zstd") {
        return Err(Error::data(source, "ZSTD is not read here: compress it with gzip, or not at all"));
    } else {
        Input::new(Box::new(whole), source)
    };
    input.skip_byte_order_mark()?;
    Ok(input)
}

impl Input {
    fn new(reader: Box<dyn BufRead + Send>, source: &str) -> Input {
        Input { reader, source: source.into(), given: 0, line: 1 }
    }

    /// The next bytes, without taking them; none at the end.
    pub fn chunk(&mut self) -> Result<&[u8], Error> {
        if self.given > OBJECT_BYTES_MAX {
            return Err(self.broken(format!("it has more than the {OBJECT_BYTES_MAX} bytes that an object may have")));
        }
        // Asked twice, since the first answer cannot be kept when it is an error.
        loop {
            match self.reader.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(format!("it cannot be read: {error}"))),
            }
        }
        Ok(self.reader.fill_buf().unwrap_or_default())
    }

    /// Takes so many of the bytes that `chunk` gave.
    pub fn take(&mut self, length: usize) {
        self.given += length as u64;
        self.reader.consume(length);
    }

    pub fn peek(&mut self) -> Result<Option<u8>, Error> {
        Ok(self.chunk()?.first().copied())
    }

    pub fn next(&mut self) -> Result<Option<u8>, Error> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.take(1);
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }

    pub fn broken(&self, reason: impl Into<String>) -> Error {
        Error::data(&self.source, reason)
    }

    fn head(&mut self) -> Result<Vec<u8>, Error> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        while head.len() < HEAD_BYTES
            && let Some(byte) = self.next()?
        {
            head.push(byte);
        }
        Ok(head)
    }

    fn skip_byte_order_mark(&mut self) -> Result<(), Error> {
        // A chunk that ends within the mark would be as short as no reader here gives.
        if self.chunk()?.starts_with(BYTE_ORDER_MARK) {
            self.take(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }
}

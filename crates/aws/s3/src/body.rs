//! Bodies of objects on their way to the disk: decoded, counted, held against what was said of them.
//!
//! ```text
//!   frames of the socket ── bounded channel ──> a thread: Chunked (if it is encoded so) ── checksums ── Unfinished
//! ```
//!
//! `aws-chunked` is what SDKs send when they do not know a checksum beforehand: pieces with their length before them,
//! and the checksum in a trailer. Signatures of pieces are not verified, as none is.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use objects::{Folder, Unfinished};
use tokio::sync::mpsc;

use crate::ask::Ask;
use crate::checksum::{Checksum, HEADERS};
use crate::error::Error;

/// One PutObject, and one part (S3, *Uploading objects*).
pub const OBJECT_BYTES_MAX: u64 = 5 << 30;

/// Pieces of a body between socket and disk, each as large as a read of the socket.
const PIECES: usize = 16;

/// The wait for the next piece.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A line that is longer is no length of a piece, and no trailer.
const LINE_BYTES_MAX: usize = 4096;

/// There is one for a checksum, and its signature.
const TRAILERS_MAX: usize = 16;

/// A body that is on the disk.
pub struct Received {
    pub object: Unfinished,
    /// By header; what was said and holds.
    pub checksums: BTreeMap<String, String>,
}

/// Takes a body to the disk.
pub async fn receive<B>(folder: std::sync::Arc<Folder>, ask: &Ask, mut body: B) -> Result<Received, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (sender, pieces) = mpsc::channel(PIECES);
    let expect = Expected::of(ask)?;
    let bucket = ask.bucket.clone();
    let written = tokio::task::spawn_blocking(move || expect.write(folder.begin(&bucket)?, pieces));
    loop {
        let frame = match tokio::time::timeout(SILENCE_MAX, body.frame()).await {
            Err(_) => return Err(Error::of("RequestTimeout")),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Error::of("IncompleteBody")),
            Ok(Some(Ok(frame))) => frame,
        };
        // Who writes has given up: it says why.
        if let Ok(data) = frame.into_data()
            && sender.send(Some(data)).await.is_err()
        {
            break;
        }
    }
    // The end is told, so that one that broke off is not taken for it.
    let _ = sender.send(None).await;
    drop(sender);
    written.await.map_err(|error| Error::internal(format!("the body was given up: {error}")))?
}

/// What a request says of its body.
struct Expected {
    is_chunked: bool,
    bytes: Option<u64>,
    md5: Option<String>,
    sha256: Option<String>,
    checksums: BTreeMap<String, String>,
    /// What a trailer will hold.
    algorithms: Vec<Checksum>,
}

impl Expected {
    fn of(ask: &Ask) -> Result<Expected, Error> {
        let payload = ask.header("x-amz-content-sha256").unwrap_or_default();
        let encoding = ask.header("content-encoding").unwrap_or_default();
        let checksums: BTreeMap<String, String> =
            HEADERS.iter().filter_map(|name| Some(((*name).to_owned(), ask.header(name)?.to_owned()))).collect();
        let trailers = ask.header("x-amz-trailer").unwrap_or_default().split(',').map(str::trim);
        let names = checksums.keys().map(String::as_str).chain(trailers);
        let algorithms: Vec<Checksum> = names.filter_map(Checksum::find).collect();
        let is_digest = |text: &str| STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 16);
        let md5 = ask.header("content-md5").map(str::to_owned);
        if md5.as_deref().is_some_and(|text| !is_digest(text)) {
            return Err(Error::of("InvalidDigest"));
        }
        Ok(Expected {
            is_chunked: payload.starts_with("STREAMING-") || encoding.split(',').any(|it| it.trim() == "aws-chunked"),
            bytes: ask.header("x-amz-decoded-content-length").and_then(|text| text.parse().ok()),
            md5,
            sha256: (payload.len() == 64).then(|| payload.to_owned()),
            checksums,
            algorithms,
        })
    }

    /// Blocks until the body has ended.
    fn write(mut self, mut object: Unfinished, mut pieces: mpsc::Receiver<Option<Bytes>>) -> Result<Received, Error> {
        let mut chunked = self.is_chunked.then(Chunked::default);
        let mut sha256 = self.sha256.as_ref().and_then(|_| Checksum::find("SHA256"));
        let mut ended = false;
        while let Some(piece) = pieces.blocking_recv() {
            let Some(piece) = piece else {
                ended = true;
                break;
            };
            let mut take = |data: &[u8]| -> Result<(), Error> {
                self.algorithms.iter_mut().for_each(|sum| sum.update(data));
                if let Some(sum) = &mut sha256 {
                    sum.update(data);
                }
                object.write(data)?;
                if object.size() > OBJECT_BYTES_MAX { Err(Error::of("EntityTooLarge")) } else { Ok(()) }
            };
            match &mut chunked {
                Some(chunked) => chunked.feed(&piece, &mut take)?,
                None => take(&piece)?,
            }
        }
        let is_whole = chunked.as_ref().is_none_or(Chunked::is_over);
        if !ended || !is_whole || self.bytes.is_some_and(|bytes| bytes != object.size()) {
            return Err(Error::of("IncompleteBody"));
        }
        self.checksums.extend(chunked.map(|chunked| chunked.trailers).unwrap_or_default());
        if let (Some(sum), Some(said)) = (sha256, &self.sha256)
            && sum.hex() != *said
        {
            return Err(Error::of("XAmzContentSHA256Mismatch"));
        }
        if let Some(said) = &self.md5 {
            let bytes = STANDARD.decode(said).unwrap_or_default();
            if aws_client::sigv4::hex(&bytes) != object.md5() {
                return Err(Error::of("BadDigest"));
            }
        }
        let mut checksums = BTreeMap::new();
        for sum in self.algorithms {
            let header = sum.header;
            let found = sum.finish();
            match self.checksums.get(header) {
                Some(said) if *said != found => return Err(Error::of("BadDigest")),
                Some(_) => drop(checksums.insert(header.to_owned(), found)),
                // A trailer that was promised and did not come.
                None => return Err(Error::of("IncompleteBody")),
            }
        }
        Ok(Received { object, checksums })
    }
}

/// `LENGTH[;chunk-signature=…]\r\n` bytes `\r\n` … `0\r\n` trailers `\r\n`, as it comes in.
#[derive(Default)]
struct Chunked {
    line: Vec<u8>,
    at: At,
    trailers: BTreeMap<String, String>,
}

#[derive(Default)]
enum At {
    #[default]
    Length,
    Data(u64),
    /// The line's end after a piece.
    End,
    Trailer,
    Over,
}

impl Chunked {
    fn is_over(&self) -> bool {
        // A client may leave the last empty line out.
        matches!(self.at, At::Over | At::Trailer)
    }

    fn feed(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        while !bytes.is_empty() {
            if let At::Data(left) = &mut self.at {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                take(&bytes[..length])?;
                bytes = &bytes[length..];
                *left -= length as u64;
                if *left == 0 {
                    self.at = At::End;
                }
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(bytes.len(), |end| end + 1);
            self.line.extend_from_slice(&bytes[..length]);
            bytes = &bytes[length..];
            if self.line.len() > LINE_BYTES_MAX {
                return Err(Error::of("IncompleteBody"));
            }
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                self.line(String::from_utf8_lossy(&line).trim())?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        self.at = match &self.at {
            At::Length => {
                let length = line.split(';').next().unwrap_or_default();
                match u64::from_str_radix(length, 16) {
                    Ok(0) => At::Trailer,
                    Ok(length) => At::Data(length),
                    Err(_) => return Err(Error::of("IncompleteBody")),
                }
            }
            At::End if line.is_empty() => At::Length,
            At::Trailer if line.is_empty() => At::Over,
            At::Trailer if self.trailers.len() == TRAILERS_MAX => return Err(Error::of("IncompleteBody")),
            At::Trailer => {
                if let Some((name, value)) = line.split_once(':') {
                    self.trailers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
                }
                At::Trailer
            }
            _ => return Err(Error::of("IncompleteBody")),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks() {
        let check = |text: &str, expect: Option<(&str, Option<&str>)>| {
            for size in [1, 3, 1000] {
                let mut chunked = Chunked::default();
                let mut data = Vec::new();
                let mut take = |bytes: &[u8]| -> Result<(), Error> {
                    data.extend_from_slice(bytes);
                    Ok(())
                };
                let fed = text.as_bytes().chunks(size).try_for_each(|bytes| chunked.feed(bytes, &mut take));
                let done = fed.is_ok() && chunked.is_over();
                let found = done.then(|| {
                    let sum = chunked.trailers.get("x-amz-checksum-crc32").map(String::as_str);
                    (std::str::from_utf8(&data).unwrap(), sum)
                });
                assert_eq!(found, expect, "{text:?} by {size}");
            }
        };
        check("3\r\nabc\r\n0\r\n\r\n", Some(("abc", None)));
        check(
            "1;chunk-signature=0\r\na\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:sum=\r\n\r\n",
            Some(("a0123456789", Some("sum="))),
        );
        check("0\r\n\r\n", Some(("", None)));
        check("3\r\nab", None);
        check("x\r\n", None);
        check("1\r\nab\r\n0\r\n", None);
        check(&"1".repeat(5000), None);
        let trailers = |count: usize| (0..count).map(|at| format!("x-{at}:1\r\n")).collect::<String>();
        check(&format!("0\r\n{}\r\n", trailers(16)), Some(("", None)));
        check(&format!("0\r\n{}\r\n", trailers(17)), None);
    }
}

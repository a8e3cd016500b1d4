//! Data that is broken or made to do harm: an error, with bounded memory and without waiting.

use std::io::{Read, repeat};

use objects::items::{Format, Headers, decode};

use crate::support::gzip;

fn formats() -> [Format; 3] {
    let headers = Headers::Given(vec!["a".into()]);
    [Format::Json { pointer: String::new() }, Format::JsonLines, Format::Csv { delimiter: b',', headers }]
}

/// The last thing that is said about an endless text.
fn last_error(begin: &'static str, byte: u8, format: &Format) -> String {
    let body = begin.as_bytes().chain(repeat(byte));
    let items = match decode(Box::new(body), None, "S3://b/k", format) {
        Ok(items) => items,
        Err(error) => return error.to_string(),
    };
    let mut items = items.skip_while(Result::is_ok);
    items.next().unwrap().unwrap_err().to_string()
}

#[test]
fn endless_items() {
    for (begin, byte) in [("[\"", b'x'), ("[", b'1'), ("[", b'['), ("[{\"a\":\"", b'\\')] {
        let error = last_error(begin, byte, &formats()[0]);
        assert_eq!(error, "S3://b/k: line 1: an item has more than the 8388608 bytes that one may have");
    }
    let error = last_error("1\n\"", b'x', &formats()[1]);
    assert_eq!(error, "S3://b/k: line 2 has more than the 8388608 bytes that an item may have");
    for byte in [b'x', b',', b'\\'] {
        let error = last_error("1\n\"2\n", byte, &formats()[2]);
        assert_eq!(error, "S3://b/k: the record in line 2 has more than 8388608 bytes");
    }
}

#[test]
fn bombs() {
    // A quarter of a gigabyte in a quarter of a megabyte.
    let piece = gzip(&vec![b'x'; 16 * 1024 * 1024]);
    let bomb: Vec<u8> = (0..16).flat_map(|_| piece.clone()).collect();
    for format in formats() {
        let items = decode(Box::new(std::io::Cursor::new(bomb.clone())), None, "S3://b/k", &format);
        let error = items.and_then(|mut items| items.next().unwrap().map(|_| ())).unwrap_err();
        assert!(error.to_string().len() < 200, "{error}");
    }
}

#[test]
fn broken_gzip() {
    let whole = gzip("[\"a long enough text to be compressed\",2,3]".as_bytes());
    for length in 2..whole.len() {
        for format in formats() {
            let cut = whole[..length].to_vec();
            let items = decode(Box::new(std::io::Cursor::new(cut)), None, "S3://b/k", &format);
            let is_error = items.map_or(true, |mut items| items.any(|item| item.is_err()));
            assert!(is_error, "{length}");
        }
    }
}

/// Every cut and every changed byte of a text gives items or an error, and the same in any pieces.
#[test]
fn mutations() {
    let texts: [&[u8]; 3] = [
        "[{\"a\": \"\\u00e9\\n\", \"b\": [1, -2.5e3, null]}, \"x\\\\\", true, {}]".as_bytes(),
        "{\"a\":1}\n\n[2]\r\n\"\u{e9}\"\n".as_bytes(),
        "a,\"b \"\"c\"\"\",\\\\d\n\"e\nf\",\"\",{\"\"g\"\":1}\r\n,,\n".as_bytes(),
    ];
    let outcome = |bytes: &[u8], format: &Format, pieces: usize| {
        let body = Pieces { bytes: bytes.to_vec(), at: 0, pieces };
        let items = match decode(Box::new(body), None, "k", format) {
            Ok(items) => items.map(|item| item.map_err(|error| error.to_string())).collect::<Vec<_>>(),
            Err(error) => vec![Err(error.to_string())],
        };
        assert!(items.len() <= bytes.len() + 1);
        for item in items.iter().flatten() {
            serde_json::from_str::<serde_json::Value>(&item.value).unwrap();
        }
        items
    };
    for text in texts {
        for format in formats() {
            for at in 0..text.len() {
                for change in [None, Some(b'"'), Some(b'\\'), Some(b']'), Some(b','), Some(0), Some(0xff)] {
                    let mut bytes = text.to_vec();
                    match change {
                        None => bytes.truncate(at),
                        Some(byte) => bytes[at] = byte,
                    }
                    assert_eq!(
                        outcome(&bytes, &format, 1),
                        outcome(&bytes, &format, usize::MAX),
                        "{}",
                        bytes.escape_ascii()
                    );
                }
            }
        }
    }
}

/// Gives its bytes a few at a time.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    pieces: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let length = rest.len().min(buffer.len()).min(self.pieces);
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }
}

//! What a folder of objects keeps beside the files, in `.ithaca` of its root: no bucket's name begins with a dot.
//!
//! ```text
//!   about/BUCKET/HASH.json    type, metadata, tags, checksums and ETag of an object that S3's protocol has written
//!   odd/BUCKET/HASH           an object whose key cannot be a path: `a//b`, `a/`, `..`, or `a/b` where `a` is a file
//!   uploads/BUCKET/ID/        a multipart upload: upload.json, and its parts as NUMBER-MD5
//!   settings/BUCKET.json      what was said of a bucket
//! ```
//!
//! HASH is of the key. A note holds for the very content it was written with: a file that somebody has changed by hand
//! is read as if there were none, and one that was copied elsewhere is known by its MD5.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use aws_client::sigv4;
use md5::{Digest, Md5};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::CHUNK_BYTES;

/// Where it lies, in the root of a folder of objects.
pub const KEPT: &str = ".ithaca";

/// What is said of an object when it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Headers that go back to who reads it, in lower case: `content-type`, `cache-control`, `x-amz-meta-*`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// By header: `x-amz-checksum-crc32`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checksums: BTreeMap<String, String>,
}

/// An object without its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// In bytes.
    pub size: u64,
    /// With the quotation marks that belong to it.
    pub etag: String,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    pub said: Said,
}

/// A note on the disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub key: String,
    pub size: u64,
    modified_ns: u64,
    /// Of the content.
    pub md5: String,
    /// Where it is not the MD5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(flatten)]
    pub said: Said,
}

#[derive(Clone, Debug)]
pub(super) struct Kept {
    root: PathBuf,
}

impl Kept {
    pub fn new(objects: &Path) -> Kept {
        Kept { root: objects.join(KEPT) }
    }

    pub fn odd_folder(&self, bucket: &str) -> PathBuf {
        self.root.join("odd").join(bucket)
    }

    pub fn odd(&self, bucket: &str, key: &str) -> PathBuf {
        self.odd_folder(bucket).join(hash(key))
    }

    pub fn uploads(&self, bucket: &str) -> PathBuf {
        self.root.join("uploads").join(bucket)
    }

    pub fn settings(&self, bucket: &str) -> PathBuf {
        self.root.join("settings").join(format!("{bucket}.json"))
    }

    pub fn notes(&self, bucket: &str) -> PathBuf {
        self.root.join("about").join(bucket)
    }

    fn note_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.notes(bucket).join(format!("{}.json", hash(key)))
    }

    /// The note that was written for a file with this name in the folder of odd objects.
    pub fn note_of_odd(&self, bucket: &str, name: &str) -> Option<Note> {
        read_json(&self.notes(bucket).join(format!("{name}.json")))
    }

    pub fn write_note(&self, bucket: &str, note: &Note) -> io::Result<()> {
        write_json(&self.note_path(bucket, &note.key), note)
    }

    pub fn forget_note(&self, bucket: &str, key: &str) -> io::Result<()> {
        gone(fs::remove_file(self.note_path(bucket, key)))
    }

    /// What is known of a file that holds the object of a key.
    pub fn about(&self, bucket: &str, key: &str, path: &Path, file: &Metadata) -> io::Result<About> {
        let modified_ns = modified_ns(file);
        let plain = |etag: &str, said| About {
            size: file.len(),
            etag: format!("\"{etag}\""),
            modified_ms: i64::try_from(modified_ns / 1_000_000).unwrap_or(i64::MAX),
            said,
        };
        let note = read_json::<Note>(&self.note_path(bucket, key)).filter(|it| it.key == key && it.size == file.len());
        let Some(note) = note else { return Ok(plain(&md5_of(path)?, Said::default())) };
        if note.modified_ns != modified_ns {
            let md5 = md5_of(path)?;
            if md5 != note.md5 {
                return Ok(plain(&md5, Said::default()));
            }
            // It came by a copy: known at once from now on. A folder that cannot be written is asked again.
            let _ = self.write_note(bucket, &Note { modified_ns, ..note.clone() });
        }
        Ok(plain(note.etag.as_deref().unwrap_or(&note.md5), note.said))
    }
}

impl Note {
    pub fn new(key: &str, file: &Metadata, md5: String, etag: Option<String>, said: Said) -> Note {
        Note { key: key.to_owned(), size: file.len(), modified_ns: modified_ns(file), md5, etag, said }
    }
}

fn modified_ns(file: &Metadata) -> u64 {
    let since = file.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn hash(key: &str) -> String {
    let mut hash = sigv4::sha256_hex(key.as_bytes());
    hash.truncate(40);
    hash
}

pub(super) fn md5_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut md5 = Md5::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(sigv4::hex(&md5.finalize())),
            length => md5.update(&chunk[..length]),
        }
    }
}

/// What is not there, or is not ours, is none.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Whole or not at all, and durable.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let folder = path.parent().expect("what is kept lies in a folder");
    fs::create_dir_all(folder)?;
    let unfinished = path.with_extension("part");
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

/// What is not there is gone already.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

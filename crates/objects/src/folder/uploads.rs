//! Multipart uploads: parts as files, which become one object at once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::io::Read;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_client::sigv4;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::kept::{self, Said};
use super::{Folder, Unfinished, disk};
use crate::error::refused;
use crate::limits::{CHUNK_BYTES, PART_BYTES_MIN, PART_NUMBER_MAX, UPLOADS_MAX};
use crate::{Address, Error};

const ABOUT: &str = "upload.json";

/// An upload that was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub key: String,
    #[serde(skip)]
    pub id: String,
    /// Milliseconds since 1970.
    pub began_ms: i64,
    #[serde(flatten)]
    pub said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub number: u32,
    /// In bytes.
    pub size: u64,
    /// Without quotation marks: the MD5.
    pub etag: String,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    path: PathBuf,
}

impl Folder {
    pub fn begin_upload(&self, address: &Address, said: Said) -> Result<Upload, Error> {
        self.bucket(&address.bucket)?;
        self.check_key(&address.key)?;
        let uploads = self.kept.uploads(&address.bucket);
        if fs::read_dir(&uploads).is_ok_and(|open| open.count() >= UPLOADS_MAX) {
            return Err(refused("TooManyUploads"));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let draw = std::hash::RandomState::new();
        let id = format!("{:016x}{:016x}", draw.hash_one(since.as_nanos()), draw.hash_one(&address.key));
        let began_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let upload = Upload { key: address.key.clone(), id, began_ms, said };
        let path = uploads.join(&upload.id).join(ABOUT);
        kept::write_json(&path, &upload).map_err(|error| disk("begin the upload", &path, error))?;
        Ok(upload)
    }

    pub fn upload(&self, address: &Address, id: &str) -> Result<Upload, Error> {
        let about = kept::read_json::<Upload>(&self.upload_folder(address, id)?.join(ABOUT));
        let upload = about.filter(|upload| upload.key == address.key).ok_or_else(|| refused("NoSuchUpload"))?;
        Ok(Upload { id: id.to_owned(), ..upload })
    }

    fn upload_folder(&self, address: &Address, id: &str) -> Result<PathBuf, Error> {
        self.bucket(&address.bucket)?;
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let path = self.kept.uploads(&address.bucket).join(if is_id { id } else { "none" });
        if is_id && path.is_dir() { Ok(path) } else { Err(refused("NoSuchUpload")) }
    }

    /// Uploads that are open, by key.
    pub fn uploads(&self, bucket: &str) -> Result<Vec<Upload>, Error> {
        self.bucket(bucket)?;
        let Ok(entries) = fs::read_dir(self.kept.uploads(bucket)) else { return Ok(Vec::new()) };
        let read = |entry: fs::DirEntry| {
            let upload = kept::read_json::<Upload>(&entry.path().join(ABOUT))?;
            Some(Upload { id: entry.file_name().into_string().ok()?, ..upload })
        };
        let mut uploads: Vec<Upload> = entries.filter_map(|entry| read(entry.ok()?)).collect();
        uploads.sort_by(|a, b| (&a.key, a.began_ms, &a.id).cmp(&(&b.key, b.began_ms, &b.id)));
        Ok(uploads)
    }

    /// Writes a part, or writes over one; gives its MD5.
    pub fn put_part(&self, address: &Address, id: &str, number: u32, part: Unfinished) -> Result<String, Error> {
        if !(1..=PART_NUMBER_MAX).contains(&number) {
            return Err(refused("InvalidPartNumber"));
        }
        let folder = self.upload_folder(address, id)?;
        let before = self.parts(address, id)?.into_iter().find(|it| it.number == number);
        let md5 = part.md5();
        let path = folder.join(format!("{number:05}-{md5}"));
        part.keep_as(&path).map_err(|error| disk("write", &path, error))?;
        if let Some(before) = before.filter(|before| before.path != path) {
            kept::gone(fs::remove_file(&before.path)).map_err(|error| disk("delete", &before.path, error))?;
        }
        Ok(md5)
    }

    pub fn parts(&self, address: &Address, id: &str) -> Result<Vec<Part>, Error> {
        let folder = self.upload_folder(address, id)?;
        let entries = fs::read_dir(&folder).map_err(|error| disk("list", &folder, error))?;
        let read = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let (number, etag) = name.split_once('-')?;
            let about = entry.metadata().ok()?;
            let modified = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some(Part {
                number: number.parse().ok()?,
                size: about.len(),
                etag: etag.to_owned(),
                modified_ms: i64::try_from(modified.as_millis()).ok()?,
                path: entry.path(),
            })
        };
        let parts = entries.filter_map(|entry| read(entry.ok()?)).map(|part| (part.number, part));
        Ok(parts.collect::<BTreeMap<_, _>>().into_values().collect())
    }

    /// Puts the parts of an upload one after the other; `seen` gets every piece. Gives the ETag of the whole. The parts
    /// stay until the upload is forgotten.
    pub fn assemble(
        &self,
        address: &Address,
        id: &str,
        wanted: &[(u32, String)],
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<(Unfinished, String), Error> {
        let known = self.parts(address, id)?;
        if wanted.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(refused("InvalidPartOrder"));
        }
        let mut chosen = Vec::new();
        for (at, (number, etag)) in wanted.iter().enumerate() {
            let part = known.iter().find(|part| part.number == *number && part.etag == etag.trim_matches('"'));
            let part = part.ok_or_else(|| refused("InvalidPart"))?;
            if part.size < PART_BYTES_MIN && at + 1 < wanted.len() {
                return Err(refused("EntityTooSmall"));
            }
            chosen.push(part);
        }
        let mut whole = self.begin(&address.bucket)?;
        let mut digests = Md5::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        for part in &chosen {
            let failed = |error| disk("read", &part.path, error);
            digests.update(
                (0..16)
                    .filter_map(|n| u8::from_str_radix(part.etag.get(2 * n..2 * n + 2)?, 16).ok())
                    .collect::<Vec<_>>(),
            );
            let mut file = File::open(&part.path).map_err(failed)?;
            loop {
                match file.read(&mut chunk).map_err(failed)? {
                    0 => break,
                    length => {
                        seen(&chunk[..length]);
                        whole.write(&chunk[..length])?;
                    }
                }
            }
        }
        Ok((whole, format!("{}-{}", sigv4::hex(&digests.finalize()), chosen.len())))
    }

    /// Ends an upload and takes its parts away.
    pub fn forget_upload(&self, address: &Address, id: &str) -> Result<(), Error> {
        self.upload(address, id)?;
        let folder = self.upload_folder(address, id)?;
        kept::gone(fs::remove_dir_all(&folder)).map_err(|error| disk("delete", &folder, error))
    }
}

//! Objects as files: a bucket is a folder in the root, a key is a path in it.
//!
//! For whoever develops without S3: files are put there by hand, results are looked at with an editor. So nothing is
//! kept beside the files: the ETag of a listing is the MD5 of the content, computed when it is listed.
//!
//! No key leaves its bucket: `.`, `..` and empty parts are refused, as are names that this module uses for what is not
//! finished. Links are followed where they are asked for by name, since only the folder's owner can make them; a
//! listing does not go through links to folders, so it ends.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use aws_client::sigv4;
use bytes::Bytes;
use md5::{Digest, Md5};

use crate::error::refused;
use crate::limits::{CHUNK_BYTES, FOLDER_DEPTH_MAX, KEY_BYTES_MAX};
use crate::{Address, Entries, Entry, Error, Listing, Object, ObjectStore};

/// Begins the name of a file that is being written.
const UNFINISHED: &str = ".ithaca-unfinished-";

pub struct Folder {
    root: PathBuf,
    /// Drawn when it is opened: what a killed process has left under the same process id is in nobody's way.
    draw: u64,
}

impl Folder {
    /// The folder must exist; its buckets may be added at any time.
    pub fn open(root: impl Into<PathBuf>) -> Result<Folder, Error> {
        let root = root.into();
        match fs::read_dir(&root) {
            Ok(_) => Ok(Folder { root, draw: RandomState::new().hash_one(std::process::id()) }),
            Err(error) => Err(disk("read the folder of objects", &root, error)),
        }
    }

    fn bucket(&self, name: &str) -> Result<PathBuf, Error> {
        if !is_safe(name) || name.contains('/') {
            return Err(refused("InvalidBucketName"));
        }
        let path = self.root.join(name);
        if path.is_dir() { Ok(path) } else { Err(refused("NoSuchBucket")) }
    }

    fn path(&self, address: &Address) -> Result<PathBuf, Error> {
        let bucket = self.bucket(&address.bucket)?;
        match &address.key {
            key if key.len() > KEY_BYTES_MAX => Err(refused("KeyTooLongError")),
            key if !key.split('/').all(is_safe) => {
                Err(Error::configuration(format!("the key `{key}` cannot be a path in a folder of objects")))
            }
            key => Ok(bucket.join(key)),
        }
    }
}

impl ObjectStore for Folder {
    fn get(&self, address: &Address) -> Result<Object, Error> {
        if address.version_id.is_some() {
            return Err(Error::configuration("a folder of objects keeps no versions: leave VersionId out"));
        }
        let path = self.path(address)?;
        let file = File::open(&path).map_err(|error| missing(error, &path))?;
        let about = file.metadata().map_err(|error| disk("read", &path, error))?;
        if !about.is_file() {
            return Err(refused("NoSuchKey"));
        }
        Ok(Object { size: about.len(), encoding: None, body: Box::new(file) })
    }

    fn list(&self, listing: &Listing) -> Result<Entries, Error> {
        let bucket = self.bucket(&listing.bucket)?;
        let mut walk = Walk {
            bucket,
            prefix: listing.prefix.clone(),
            start_after: listing.start_after.clone(),
            folders: Vec::new(),
        };
        walk.enter(String::new())?;
        Ok(Box::new(walk))
    }

    fn put(&self, address: &Address, body: Bytes, _content_type: &str) -> Result<(), Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let path = self.path(address)?;
        let folder = path.parent().expect("a key is a path below its bucket");
        make_synced(folder).map_err(|error| disk("make the folder", folder, error))?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let unfinished = folder.join(format!("{UNFINISHED}{}-{:x}-{number}", std::process::id(), self.draw));
        let written = write_synced(&unfinished, &body)
            .and_then(|()| fs::rename(&unfinished, &path))
            .and_then(|()| File::open(folder)?.sync_all());
        written.map_err(|error| {
            // The first error is the one to tell; what is left has a name that no listing shows.
            let _ = fs::remove_file(&unfinished);
            disk("write", &path, error)
        })
    }

    fn create_bucket(&self, name: &str) -> Result<(), Error> {
        if !is_safe(name) || name.contains('/') {
            return Err(refused("InvalidBucketName"));
        }
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(|error| disk("make the bucket", &path, error))
    }

    fn delete(&self, address: &Address) -> Result<(), Error> {
        use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
        let path = self.path(address)?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory | IsADirectory) => Ok(()),
            Err(error) => Err(disk("delete", &path, error)),
        }
    }
}

/// Makes a folder of a bucket and those above it, each as durable as the file that it is for.
fn make_synced(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
            // Another writer was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            made => made?,
        }
        let above = folder.parent().expect("a folder of a bucket is below it");
        File::open(above)?.sync_all()?;
    }
    Ok(())
}

fn write_synced(path: &Path, body: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(body)?;
    file.sync_all()
}

/// May this be one part of a path?
fn is_safe(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains('\0') && !part.starts_with(UNFINISHED)
}

fn missing(error: io::Error, path: &Path) -> Error {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound | NotADirectory => refused("NoSuchKey"),
        PermissionDenied => refused("AccessDenied"),
        _ => disk("read", path, error),
    }
}

fn disk(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Disk { doing, path: path.display().to_string(), source }
}

/// Goes through a bucket, folder by folder, in the order of the keys' bytes.
///
/// A folder's name counts with the `/` that follows it in its keys, so that sorting each folder sorts all keys.
struct Walk {
    bucket: PathBuf,
    prefix: String,
    start_after: String,
    /// From the bucket inwards; each holds what is still to visit, the next one last. Names are whole keys.
    folders: Vec<Vec<String>>,
}

impl Walk {
    fn enter(&mut self, folder: String) -> Result<(), Error> {
        let path = self.bucket.join(&folder);
        if self.folders.len() >= FOLDER_DEPTH_MAX {
            return Err(Error::configuration(format!("{}: folders are nested too deep", path.display())));
        }
        let failed = |error| disk("list", &path, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                let reason = format!("{}: a key is UTF-8, which the name of this file is not", entry.path().display());
                return Err(Error::configuration(reason));
            };
            let key = format!("{folder}{name}{}", if kind.is_dir() { "/" } else { "" });
            if !name.starts_with(UNFINISHED) && self.is_wanted(&key) {
                names.push(key);
            }
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        self.folders.push(names);
        Ok(())
    }

    /// Is this key, or may a key in this folder be, one to list?
    fn is_wanted(&self, key: &str) -> bool {
        let (prefix, after) = (self.prefix.as_str(), self.start_after.as_str());
        if key.ends_with('/') {
            (key.starts_with(prefix) || prefix.starts_with(key)) && (key > after || after.starts_with(key))
        } else {
            key.starts_with(prefix) && key > after
        }
    }

    /// `None` if the file has gone meanwhile, or is a link to something that is not a file.
    fn entry(&self, key: String) -> Result<Option<Entry>, Error> {
        let path = self.bucket.join(&key);
        let failed = |error| disk("read", &path, error);
        let about = match fs::metadata(&path) {
            Ok(about) if about.is_file() => about,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let etag = format!("\"{}\"", md5_of(&path).map_err(failed)?);
        let modified = about.modified().map_err(failed)?;
        let last_modified = modified.duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs() as i64);
        Ok(Some(Entry { key, etag, size: about.len(), last_modified, storage_class: "STANDARD".into() }))
    }
}

impl Iterator for Walk {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Result<Entry, Error>> {
        loop {
            let Some(key) = self.folders.last_mut()?.pop() else {
                self.folders.pop();
                continue;
            };
            let found = if key.ends_with('/') { self.enter(key).map(|()| None) } else { self.entry(key) };
            match found {
                Ok(None) => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Err(error) => {
                    self.folders.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

fn md5_of(path: &Path) -> io::Result<String> {
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

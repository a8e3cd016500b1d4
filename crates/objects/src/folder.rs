//! Objects as files: a bucket is a folder in the root, a key is a path in it.
//!
//! For whoever develops without S3: files are put there by hand, results are looked at with an editor. What S3's
//! protocol keeps of an object beside its content lies apart (`kept.rs`), and an object whose key cannot be a path lies
//! there too: so every key that S3 takes is taken, and none leaves its bucket.
//!
//! Links are followed where they are asked for by name, since only the folder's owner can make them; a listing does not
//! go through links to folders, so it ends.

mod kept;
mod uploads;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use aws_client::sigv4;
use bytes::Bytes;
use md5::{Digest, Md5};

pub use kept::{About, KEPT, Said};
use kept::{Kept, Note, gone};
pub use uploads::{Part, Upload};

use crate::error::refused;
use crate::limits::{FOLDER_DEPTH_MAX, KEY_BYTES_MAX, NAME_BYTES_MAX};
use crate::{Address, Entries, Entry, Error, Listing, Object, ObjectStore};

/// Begins the name of a file that is being written.
const UNFINISHED: &str = ".ithaca-unfinished-";

/// Nobody who still writes a file lets it stand for so long.
const UNFINISHED_FOR: Duration = Duration::from_secs(3600);

pub struct Folder {
    root: PathBuf,
    kept: Kept,
    /// Drawn when it is opened: what a killed process has left under the same process id is in nobody's way.
    draw: u64,
    /// A file and its note change together.
    change: Mutex<()>,
}

/// A bucket as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub name: String,
    /// Milliseconds since 1970.
    pub created_ms: i64,
}

/// An object that is being written: a file that no listing shows, and that goes if it is dropped.
pub struct Unfinished {
    path: PathBuf,
    file: File,
    md5: Md5,
    size: u64,
}

impl Unfinished {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.md5.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| disk("write", &self.path, error))
    }

    /// MD5 of what was written so far.
    pub fn md5(&self) -> String {
        sigv4::hex(&self.md5.clone().finalize())
    }

    /// Bytes that were written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Durable, under its name from now on.
    fn keep_as(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        let folder = path.parent().expect("an object lies in a folder");
        match fs::rename(&self.path, path) {
            // A link leads to another disk.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let beside = folder.join(self.path.file_name().unwrap_or_default());
                fs::copy(&self.path, &beside)?;
                File::open(&beside)?.sync_all()?;
                fs::rename(&beside, path)?;
            }
            renamed => renamed?,
        }
        File::open(folder)?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is gone already if it was kept.
        let _ = fs::remove_file(&self.path);
    }
}

impl Folder {
    /// The folder must exist; its buckets may be added at any time.
    pub fn open(root: impl Into<PathBuf>) -> Result<Folder, Error> {
        let root = root.into();
        match fs::read_dir(&root) {
            Ok(_) => Ok(Folder {
                kept: Kept::new(&root),
                root,
                draw: RandomState::new().hash_one(std::process::id()),
                change: Mutex::default(),
            }),
            Err(error) => Err(disk("read the folder of objects", &root, error)),
        }
    }

    /// Removes what a killed process has begun to write.
    pub fn sweep(&self) {
        for bucket in self.buckets().unwrap_or_default() {
            let files = fs::read_dir(self.root.join(&bucket.name)).into_iter().flatten().flatten();
            for file in files.filter(|file| file.file_name().to_string_lossy().starts_with(UNFINISHED)) {
                let written = file.metadata().and_then(|about| about.modified());
                if written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > UNFINISHED_FOR)) {
                    // What cannot be removed is tried again with the next start.
                    let _ = fs::remove_file(file.path());
                }
            }
        }
    }

    fn bucket(&self, name: &str) -> Result<PathBuf, Error> {
        if !is_bucket(name) {
            return Err(refused("InvalidBucketName"));
        }
        let path = self.root.join(name);
        if path.is_dir() { Ok(path) } else { Err(refused("NoSuchBucket")) }
    }

    fn check_key(&self, key: &str) -> Result<(), Error> {
        match key {
            "" => Err(Error::configuration("an object has a key: it is empty")),
            key if key.len() > KEY_BYTES_MAX => Err(refused("KeyTooLongError")),
            _ => Ok(()),
        }
    }

    /// Could there be such an object?
    pub fn check(&self, address: &Address) -> Result<(), Error> {
        self.path(address).map(drop)
    }

    /// In the bucket; nothing if the key cannot be a path.
    fn path(&self, address: &Address) -> Result<Option<PathBuf>, Error> {
        let bucket = self.bucket(&address.bucket)?;
        self.check_key(&address.key)?;
        Ok(address.key.split('/').all(is_safe).then(|| bucket.join(&address.key)))
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All buckets, by name.
    pub fn buckets(&self) -> Result<Vec<Bucket>, Error> {
        let failed = |error| disk("list", &self.root, error);
        let mut buckets = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(about) = fs::metadata(entry.path()) else { continue };
            if about.is_dir() && is_bucket(&name) {
                let created = about.created().or_else(|_| about.modified()).map_err(failed)?;
                buckets.push(Bucket { name, created_ms: millis(created) });
            }
        }
        buckets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(buckets)
    }

    pub fn has_bucket(&self, name: &str) -> bool {
        self.bucket(name).is_ok()
    }

    /// Only one without objects goes; open uploads into it end.
    pub fn delete_bucket(&self, name: &str) -> Result<(), Error> {
        let path = self.bucket(name)?;
        let _change = self.lock();
        let listing = Listing { bucket: name.to_owned(), ..Listing::default() };
        if self.list(&listing)?.next().transpose()?.is_some() {
            return Err(refused("BucketNotEmpty"));
        }
        fs::remove_dir_all(&path).map_err(|error| disk("delete", &path, error))?;
        for folder in [self.kept.odd_folder(name), self.kept.notes(name), self.kept.uploads(name)] {
            gone(fs::remove_dir_all(&folder)).map_err(|error| disk("delete", &folder, error))?;
        }
        let settings = self.kept.settings(name);
        gone(fs::remove_file(&settings)).map_err(|error| disk("delete", &settings, error))
    }

    /// What was said of a bucket, by subject.
    pub fn settings(&self, bucket: &str) -> Result<BTreeMap<String, String>, Error> {
        self.bucket(bucket)?;
        Ok(kept::read_json(&self.kept.settings(bucket)).unwrap_or_default())
    }

    /// Says something of a bucket, or takes it back.
    pub fn set(&self, bucket: &str, subject: &str, text: Option<String>) -> Result<(), Error> {
        let _change = self.lock();
        let mut settings = self.settings(bucket)?;
        match text {
            Some(text) => settings.insert(subject.to_owned(), text),
            None => settings.remove(subject),
        };
        let path = self.kept.settings(bucket);
        kept::write_json(&path, &settings).map_err(|error| disk("write", &path, error))
    }

    /// Begins an object of a bucket.
    pub fn begin(&self, bucket: &str) -> Result<Unfinished, Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{UNFINISHED}{}-{:x}-{number}", std::process::id(), self.draw);
        let path = self.bucket(bucket)?.join(name);
        let file = File::create_new(&path).map_err(|error| disk("write", &path, error))?;
        Ok(Unfinished { path, file, md5: Md5::new(), size: 0 })
    }

    /// Gives an object its name, over what was there unless that is forbidden. `etag` is for one that came in parts.
    pub fn finish(
        &self,
        address: &Address,
        object: Unfinished,
        etag: Option<String>,
        said: Said,
        only_if_new: bool,
    ) -> Result<About, Error> {
        let plain = self.path(address)?;
        let (bucket, key) = (&address.bucket, &address.key);
        let odd = self.kept.odd(bucket, key);
        let _change = self.lock();
        if only_if_new && (plain.as_ref().is_some_and(|path| path.is_file()) || odd.is_file()) {
            return Err(refused("PreconditionFailed"));
        }
        let about = object.file.metadata().map_err(|error| disk("write", &object.path, error))?;
        let note = Note::new(key, &about, object.md5(), etag, said);
        // A file and a folder cannot have one name, and objects can: the one that came later lies apart.
        let plain = plain.filter(|path| !path.is_dir() && make_synced(path.parent().unwrap_or(path)).is_ok());
        let path = plain.as_deref().unwrap_or(&odd);
        let failed = |error| disk("write", path, error);
        match plain {
            Some(_) => {
                object.keep_as(path).map_err(failed)?;
                self.kept.write_note(bucket, &note).map_err(failed)?;
                gone(fs::remove_file(&odd)).map_err(failed)?;
            }
            None => {
                // Only its note knows its key.
                self.kept.write_note(bucket, &note).map_err(failed)?;
                fs::create_dir_all(self.kept.odd_folder(bucket)).map_err(failed)?;
                object.keep_as(path).map_err(failed)?;
            }
        }
        let about = fs::metadata(path).map_err(failed)?;
        self.kept.about(bucket, key, path, &about).map_err(failed)
    }

    /// The file of an object, and what is known of it.
    pub fn read(&self, address: &Address) -> Result<(File, About), Error> {
        if address.version_id.as_deref().is_some_and(|version| version != "null") {
            return Err(Error::configuration("a folder of objects keeps no versions: leave VersionId out"));
        }
        let plain = self.path(address)?;
        let odd = self.kept.odd(&address.bucket, &address.key);
        let _change = self.lock();
        let mut first = None;
        for path in plain.iter().chain([&odd]) {
            let opened = File::open(path).and_then(|file| file.metadata().map(|about| (file, about)));
            match opened {
                Ok((file, about)) if about.is_file() => {
                    let about = self.kept.about(&address.bucket, &address.key, path, &about);
                    return about.map(|about| (file, about)).map_err(|error| disk("read", path, error));
                }
                Ok(_) => {}
                Err(error) => drop(first.get_or_insert(missing(error, path))),
            }
        }
        Err(first.unwrap_or_else(|| refused("NoSuchKey")))
    }

    /// Where the content of an object lies.
    pub fn file_of(&self, address: &Address) -> Result<PathBuf, Error> {
        self.read(address)?;
        self.file_of_locked(address)
    }

    fn file_of_locked(&self, address: &Address) -> Result<PathBuf, Error> {
        let plain = self.path(address)?.filter(|path| path.is_file());
        Ok(plain.unwrap_or_else(|| self.kept.odd(&address.bucket, &address.key)))
    }

    /// Says something else of an object that is there.
    pub fn retag(&self, address: &Address, tags: BTreeMap<String, String>) -> Result<(), Error> {
        let (file, about) = self.read(address)?;
        let _change = self.lock();
        let path = self.file_of_locked(address)?;
        let failed = |error| disk("write", &path, error);
        let said = Said { tags, ..about.said };
        let etag = about.etag.trim_matches('"').to_owned();
        let md5 = if etag.contains('-') { kept::md5_of(&path).map_err(failed)? } else { etag.clone() };
        let note = Note::new(&address.key, &file.metadata().map_err(failed)?, md5, Some(etag), said);
        self.kept.write_note(&address.bucket, &note).map_err(failed)
    }

    /// Objects whose keys are no paths, by key.
    fn odd_entries(&self, listing: &Listing) -> Vec<Entry> {
        let Ok(files) = fs::read_dir(self.kept.odd_folder(&listing.bucket)) else { return Vec::new() };
        let entry = |file: fs::DirEntry| {
            let name = file.file_name().into_string().ok()?;
            let note = self.kept.note_of_odd(&listing.bucket, &name)?;
            let about = self.kept.about(&listing.bucket, &note.key, &file.path(), &file.metadata().ok()?).ok()?;
            Some(entry_of(note.key, &about))
        };
        let mut entries: Vec<Entry> = files.filter_map(|file| entry(file.ok()?)).collect();
        entries.retain(|entry| entry.key.starts_with(&listing.prefix) && entry.key > listing.start_after);
        entries.sort_by(|a, b| b.key.cmp(&a.key));
        entries
    }
}

impl ObjectStore for Folder {
    fn get(&self, address: &Address) -> Result<Object, Error> {
        let (file, mut about) = self.read(address)?;
        let encoding = about.said.headers.remove("content-encoding");
        Ok(Object { size: about.size, encoding, body: Box::new(file) })
    }

    fn list(&self, listing: &Listing) -> Result<Entries, Error> {
        let bucket = self.bucket(&listing.bucket)?;
        let mut walk = Walk {
            bucket,
            name: listing.bucket.clone(),
            kept: self.kept.clone(),
            prefix: listing.prefix.clone(),
            start_after: listing.start_after.clone(),
            folders: Vec::new(),
            odd: self.odd_entries(listing),
            next: None,
        };
        walk.enter(String::new())?;
        Ok(Box::new(walk))
    }

    fn put(&self, address: &Address, body: Bytes, content_type: &str) -> Result<(), Error> {
        let mut object = self.begin(&address.bucket)?;
        object.write(&body)?;
        let mut said = Said::default();
        if !content_type.is_empty() {
            said.headers.insert("content-type".into(), content_type.into());
        }
        self.finish(address, object, None, said, false).map(drop)
    }

    fn create_bucket(&self, name: &str) -> Result<(), Error> {
        if !is_bucket(name) {
            return Err(refused("InvalidBucketName"));
        }
        let path = self.root.join(name);
        make_synced(&path).map_err(|error| disk("make the bucket", &path, error))
    }

    fn delete(&self, address: &Address) -> Result<(), Error> {
        use io::ErrorKind::{InvalidFilename, IsADirectory, NotADirectory, NotFound};
        let plain = self.path(address)?;
        let odd = self.kept.odd(&address.bucket, &address.key);
        let _change = self.lock();
        for path in plain.iter().chain([&odd]) {
            match fs::remove_file(path) {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), NotFound | NotADirectory | IsADirectory | InvalidFilename) => {}
                Err(error) => return Err(disk("delete", path, error)),
            }
        }
        // Folders are there for their objects; one that is not empty stays.
        let bucket = self.root.join(&address.bucket);
        let above = plain.iter().flat_map(|path| path.ancestors().skip(1)).take_while(|folder| *folder != bucket);
        above.map(fs::remove_dir).take_while(Result::is_ok).for_each(drop);
        let forgotten = self.kept.forget_note(&address.bucket, &address.key);
        forgotten.map_err(|error| disk("delete", &odd, error))
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

/// May this be one part of a path?
fn is_safe(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
        && part.len() <= NAME_BYTES_MAX
        && !part.contains('\0')
        && !part.starts_with(UNFINISHED)
}

fn is_bucket(name: &str) -> bool {
    is_safe(name) && !name.contains('/') && !name.starts_with('.')
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

fn millis(at: std::time::SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |passed| i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
}

fn entry_of(key: String, about: &About) -> Entry {
    Entry {
        key,
        etag: about.etag.clone(),
        size: about.size,
        last_modified: about.modified_ms.div_euclid(1000),
        storage_class: "STANDARD".into(),
    }
}

/// Goes through a bucket, folder by folder, in the order of the keys' bytes.
///
/// A folder's name counts with the `/` that follows it in its keys, so that sorting each folder sorts all keys.
struct Walk {
    bucket: PathBuf,
    name: String,
    kept: Kept,
    prefix: String,
    start_after: String,
    /// From the bucket inwards; each holds what is still to visit, the next one last. Names are whole keys.
    folders: Vec<Vec<String>>,
    /// Objects that lie apart, the next one last.
    odd: Vec<Entry>,
    /// Found in the folders, and not given yet.
    next: Option<Entry>,
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
        let about = self.kept.about(&self.name, &key, &path, &about).map_err(failed)?;
        Ok(Some(entry_of(key, &about)))
    }
}

impl Walk {
    /// The next one in the folders.
    fn walk(&mut self) -> Option<Result<Entry, Error>> {
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
                    self.odd.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Result<Entry, Error>> {
        if self.next.is_none() {
            self.next = match self.walk() {
                Some(Err(error)) => return Some(Err(error)),
                found => found.transpose().ok().flatten(),
            };
        }
        let is_odd = match (&self.next, self.odd.last()) {
            (Some(plain), Some(odd)) => odd.key < plain.key,
            (None, odd) => odd.is_some(),
            (_, None) => false,
        };
        if is_odd { self.odd.pop() } else { self.next.take() }.map(Ok)
    }
}

//! Log groups: a folder each, with `group.json` and a file for each stream.
//!
//! ```text
//!  logs/%2Faws%2Fstates%2Ftravel/group.json
//!                               /states%2Ftravel%2F2026-01-01-10-00%2F6955b900.jsonl
//! ```
//!
//! A name becomes a file's name by percent signs, so that no name leaves the folder. One that would be too long is cut
//! and told apart by a hash; a group's name stands in `group.json` anyway, and that of such a stream in its first line.
//! A group is bounded: its oldest streams make room, and those that its retention has outlived go too.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::stream::Stream;

/// Bytes of a group, at most.
pub const GROUP_BYTES_MAX: u64 = 256 << 20;
/// Streams of a group, at most: each is looked at when its group is opened.
pub const STREAMS_MAX: usize = 10_000;
/// Groups, at most. AWS allows 1,000,000 in a region; here each is a folder.
pub const GROUPS_MAX: usize = 10_000;
/// Files that are open at the same time, at most.
const OPEN_MAX: usize = 64;
/// The longest name of a file, escaped, that leaves room for its ending and for a counter.
const FILE_NAME_BYTES_MAX: usize = 200;

const FORMAT: u32 = 1;
const GROUP_FILE: &str = "group.json";
const STREAM_ENDING: &str = ".jsonl";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// All but what every file system takes as it is. A dot is escaped too: `..` is no name.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{what} {}: {cause}", path.display())]
    File { what: &'static str, path: PathBuf, cause: io::Error },
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("there are {GROUPS_MAX} log groups, which is the most")]
    TooManyGroups,
}

pub struct Groups {
    folder: PathBuf,
    groups: BTreeMap<String, Group>,
    /// Distinguishes the streams of this run from those of earlier ones.
    run: u32,
    /// Groups that stay where they are: a log that cannot be read stops nobody.
    pub unreadable: Vec<Failure>,
}

pub struct Group {
    folder: PathBuf,
    pub about: About,
    pub streams: BTreeMap<String, Stream>,
    /// The stream that is written to, by what its name begins with, and how many of this run came before it.
    current: HashMap<String, (String, u32)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    format: u32,
    pub name: String,
    pub created_at: i64,
    pub retention_days: Option<u32>,
}

fn file<T>(what: &'static str, path: &Path, done: io::Result<T>) -> Result<T, Failure> {
    done.map_err(|cause| Failure::File { what, path: path.to_owned(), cause })
}

/// The file's name of a group or a stream, without its ending.
fn file_name(name: &str) -> String {
    let escaped = utf8_percent_encode(name, ESCAPED).to_string();
    if escaped.len() <= FILE_NAME_BYTES_MAX {
        return escaped;
    }
    // No other name has a `~` in its file's name.
    let hash = format!("~{:016x}", fnv_1a(name));
    format!("{}{hash}", &escaped[..FILE_NAME_BYTES_MAX - hash.len()])
}

fn is_cut(name: &str) -> bool {
    utf8_percent_encode(name, ESCAPED).map(str::len).sum::<usize>() > FILE_NAME_BYTES_MAX
}

/// The 64 bits of FNV-1a: the same in every version, as file names must be.
fn fnv_1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Groups {
    pub fn open(folder: &Path, now: i64) -> Result<Groups, Failure> {
        let (mut groups, mut unreadable) = (BTreeMap::new(), Vec::new());
        if folder.is_dir() {
            for entry in file("reading", folder, std::fs::read_dir(folder))? {
                let path = file("reading", folder, entry)?.path();
                // A folder without this file was being made or deleted when the process died.
                if path.join(GROUP_FILE).is_file() {
                    match Group::open(&path) {
                        Ok(group) => drop(groups.insert(group.about.name.clone(), group)),
                        Err(failure) => unreadable.push(failure),
                    }
                }
            }
        }
        // Seconds will do: a folder has one process at a time.
        let run = u32::try_from(now / 1000).unwrap_or_default();
        Ok(Groups { folder: folder.to_owned(), groups, run, unreadable })
    }

    pub fn get(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// All groups in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    pub fn create(&mut self, name: &str, now: i64) -> Result<(), Failure> {
        if self.groups.len() >= GROUPS_MAX {
            return Err(Failure::TooManyGroups);
        }
        let folder = self.folder.join(file_name(name));
        if folder.join(GROUP_FILE).exists() {
            let why = "it is of a group that could not be opened: move it away to make this one".to_owned();
            return Err(Failure::Unreadable { path: folder, why });
        }
        // What a crash has left of a group of this name is not part of the new one.
        remove(&folder)?;
        file("making", &folder, std::fs::create_dir_all(&folder))?;
        let about = About { format: FORMAT, name: name.to_owned(), created_at: now, retention_days: None };
        let group = Group { folder, about, streams: BTreeMap::new(), current: HashMap::new() };
        group.write()?;
        self.groups.insert(name.to_owned(), group);
        Ok(())
    }

    /// False if there is no such group.
    pub fn delete(&mut self, name: &str) -> Result<bool, Failure> {
        let Some(group) = self.groups.remove(name) else { return Ok(false) };
        // First what makes it a group, so that half of one does not come back.
        let about = group.folder.join(GROUP_FILE);
        file("deleting", &about, std::fs::remove_file(&about))?;
        remove(&group.folder)?;
        Ok(true)
    }

    pub fn put(&mut self, name: &str, stream: &str, events: &[(i64, &str)], now: i64) -> Result<bool, Failure> {
        let run = self.run;
        let Some(group) = self.groups.get_mut(name) else { return Ok(false) };
        for (timestamp, message) in events {
            let stream = group.stream(stream, run, now)?;
            let done = stream.append(*timestamp, message, now);
            file("writing to", &group.folder, done)?;
        }
        if self.groups.values().flat_map(|group| group.streams.values()).filter(|stream| stream.is_open()).count()
            > OPEN_MAX
        {
            self.flush()?;
        }
        Ok(true)
    }

    pub fn flush(&mut self) -> Result<(), Failure> {
        for group in self.groups.values_mut() {
            for stream in group.streams.values_mut() {
                file("writing to", &group.folder, stream.rest())?;
            }
        }
        Ok(())
    }
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => file("deleting", folder, done),
    }
}

impl Group {
    fn open(folder: &Path) -> Result<Group, Failure> {
        let path = folder.join(GROUP_FILE);
        let unreadable = |why: String| Failure::Unreadable { path: path.clone(), why };
        let about = file("reading", &path, std::fs::read(&path))?;
        let about: About = serde_json::from_slice(&about).map_err(|error| unreadable(error.to_string()))?;
        if about.format != FORMAT {
            return Err(unreadable(format!("its format is {}, this version knows {FORMAT}", about.format)));
        }
        let mut streams = BTreeMap::new();
        for entry in file("reading", folder, std::fs::read_dir(folder))? {
            let path = file("reading", folder, entry)?.path();
            let Some(escaped) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(STREAM_ENDING)) else {
                continue;
            };
            let stream = file("reading", &path, Stream::open(&path))?;
            let name = match &stream.long_name {
                Some(name) => name.clone(),
                None => percent_decode_str(escaped).decode_utf8_lossy().into_owned(),
            };
            streams.insert(name, stream);
        }
        Ok(Group { folder: folder.to_owned(), about, streams, current: HashMap::new() })
    }

    /// Written aside and renamed, so that it is whole whenever it is there.
    fn write(&self) -> Result<(), Failure> {
        let path = self.folder.join(GROUP_FILE);
        let aside = self.folder.join("group.json.new");
        let bytes = serde_json::to_vec(&self.about).expect("a group is plain data, which always serialises");
        file("writing", &aside, std::fs::write(&aside, bytes))?;
        file("writing", &path, std::fs::rename(&aside, &path))
    }

    pub fn set_retention(&mut self, days: Option<u32>, now: i64) -> Result<(), Failure> {
        self.about.retention_days = days;
        self.write()?;
        self.make_room(now)
    }

    pub fn bytes(&self) -> u64 {
        self.streams.values().map(|stream| stream.bytes).sum()
    }

    /// The stream to write to: the current one, or one that follows it.
    fn stream(&mut self, prefix: &str, run: u32, now: i64) -> Result<&mut Stream, Failure> {
        let current = self.current.get(prefix);
        let is_usable = |name: &str| self.streams.get(name).is_some_and(|stream| !stream.is_full());
        let name = match current {
            Some((name, _)) if is_usable(name) => name.clone(),
            _ => {
                let count = current.map_or(0, |(_, count)| count + 1);
                let name = match count {
                    0 => format!("{prefix}/{run:08x}"),
                    count => format!("{prefix}/{run:08x}-{count}"),
                };
                let path = self.folder.join(format!("{}{STREAM_ENDING}", file_name(&name)));
                self.make_room(now)?;
                self.current.insert(prefix.to_owned(), (name.clone(), count));
                let stream = self.streams.entry(name.clone()).or_insert_with(|| Stream::new(path, now));
                stream.long_name = is_cut(&name).then(|| name.clone());
                name
            }
        };
        Ok(self.streams.get_mut(&name).expect("INVARIANT: the current stream is there"))
    }

    /// Deletes the oldest streams until the group is within its bounds.
    fn make_room(&mut self, now: i64) -> Result<(), Failure> {
        let outlived = self.about.retention_days.map(|days| now - i64::from(days) * DAY_MS);
        let mut by_age: Vec<(i64, String)> =
            self.streams.iter().map(|(name, stream)| (stream.last_event.unwrap_or(now), name.clone())).collect();
        by_age.sort();
        let mut bytes = self.bytes();
        for (last, name) in by_age {
            let is_over = bytes > GROUP_BYTES_MAX || self.streams.len() >= STREAMS_MAX;
            if !is_over && outlived.is_none_or(|moment| last >= moment) {
                break;
            }
            if let Some(stream) = self.streams.remove(&name) {
                bytes -= stream.bytes;
                file("deleting", &self.folder, stream.delete())?;
            }
        }
        let streams = &self.streams;
        self.current.retain(|_, (name, _)| streams.contains_key(name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::STREAM_BYTES_MAX;

    /// Names of 80 letters, as machines may have, written and found by the next process.
    #[test]
    fn long_names() {
        let folder = std::env::temp_dir().join(format!("aws-logs-names-{}", std::process::id()));
        for letter in ["a", ".", "é", "寿", "🧳"] {
            let group = format!("/aws/vendedlogs/states/{}", letter.repeat(80));
            let streams = [1, 2].map(|hour| format!("states/{}/2026-01-01-0{hour}-00", letter.repeat(80)));
            let mut groups = Groups::open(&folder, 0).unwrap();
            groups.create(&group, 0).unwrap();
            for (at, stream) in [(1, &streams[0]), (2, &streams[1]), (3, &streams[0])] {
                assert!(groups.put(&group, stream, &[(at, "m")], at).unwrap());
            }
            groups.flush().unwrap();
            let mut groups = Groups::open(&folder, 0).unwrap();
            assert!(groups.unreadable.is_empty());
            let group = groups.get_mut(&group).unwrap();
            let found = group.streams.iter_mut().map(|(name, stream)| {
                let events = stream.read(0).unwrap().into_iter().map(|placed| placed.event.timestamp);
                (name.clone(), stream.first_event, stream.last_event, events.collect::<Vec<_>>())
            });
            let expect = [
                (format!("{}/00000000", streams[0]), Some(1), Some(3), vec![1, 3]),
                (format!("{}/00000000", streams[1]), Some(2), Some(2), vec![2]),
            ];
            assert_eq!(found.collect::<Vec<_>>(), expect);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn full_streams_are_followed_and_the_oldest_make_room() {
        let folder = std::env::temp_dir().join(format!("aws-logs-room-{}", std::process::id()));
        let mut groups = Groups::open(&folder, 0).unwrap();
        groups.create("g", 0).unwrap();
        let full = GROUP_BYTES_MAX / STREAM_BYTES_MAX;
        for at in 0..3 * full as i64 {
            assert!(groups.put("g", "s", &[(at, "m")], at).unwrap());
            // As if it were full.
            for stream in groups.get_mut("g").unwrap().streams.values_mut() {
                stream.bytes = STREAM_BYTES_MAX;
            }
        }
        let streams = || -> Vec<&Stream> { groups.get("g").unwrap().streams.values().collect() };
        assert_eq!(streams().len() as u64, full + 1);
        let newest = streams().iter().filter_map(|stream| stream.last_event).max();
        assert_eq!(newest, Some(3 * full as i64 - 1));
        let oldest = streams().iter().filter_map(|stream| stream.last_event).min();
        assert_eq!(oldest, Some(2 * full as i64 - 1), "the oldest have gone");

        // Retention takes what it has outlived.
        let group = groups.get_mut("g").unwrap();
        group.set_retention(Some(1), DAY_MS + 3 * full as i64).unwrap();
        assert!(group.streams.is_empty());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

//! Files of the data folder that are replaced whole; and noticing that files have changed, by what the system knows of them: nothing
//! is read.

use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// More than an app has. What lies beyond is not looked at, so that a mistaken path does not read a whole disk.
const FILES_MAX: usize = 100_000;

/// Puts a text in the place of a file, which is the old one or the new one after a crash. `durably`: the new one, once this
/// returns. The error is text for a person.
pub fn replace(path: &Path, text: &[u8], durably: bool) -> Result<(), String> {
    let fresh = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(text)?;
        // Also where it need not be durable: after a power cut the file must not be half of one.
        file.sync_data()?;
        fs::rename(&fresh, path)?;
        match path.parent() {
            Some(folder) if durably => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

/// A number that is another one when a file below the path was written, made, removed or renamed. `enters` is asked before a
/// folder is looked into.
pub fn fingerprint(path: &Path, enters: &dyn Fn(&Path) -> bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut left = FILES_MAX;
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    look(&path, enters, &mut left, &mut hasher);
    hasher.finish()
}

fn look(path: &Path, enters: &dyn Fn(&Path) -> bool, left: &mut usize, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    let Ok(found) = fs::metadata(path) else { return };
    if *left == 0 {
        return;
    }
    *left -= 1;
    if !found.is_dir() {
        return stamp(&found).hash(hasher);
    }
    if !enters(path) || is_link(path) {
        return;
    }
    let Ok(entries) = fs::read_dir(path) else { return };
    let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.iter().for_each(|entry| look(entry, enters, left, hasher));
}

/// A link to a folder could lead round in a circle. Its target is watched where it is, if it belongs to the app.
fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

fn stamp(found: &Metadata) -> (u64, u64, i64, i64, u32) {
    (found.ino(), found.len(), found.mtime(), found.mtime_nsec(), found.mode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_noticed() {
        let scratch = store::testing::Scratch::new();
        let (root, file) = (scratch.path(), scratch.path().join("src/a.js"));
        let changes: [(&str, &dyn Fn()); 5] = [
            ("a folder", &|| fs::create_dir_all(root.join("src")).unwrap()),
            ("a file", &|| fs::write(&file, "1").unwrap()),
            ("another length", &|| fs::write(&file, "12").unwrap()),
            ("another name", &|| fs::rename(&file, root.join("src/b.js")).unwrap()),
            ("none", &|| fs::remove_file(root.join("src/b.js")).unwrap()),
        ];
        let mut before = fingerprint(root, &|_| true);
        for (what, change) in changes {
            change();
            let after = fingerprint(root, &|_| true);
            assert_ne!(before, after, "{what}");
            assert_eq!(after, fingerprint(root, &|_| true), "{what}");
            before = after;
        }
    }

    #[test]
    fn what_is_not_entered_does_not_count() {
        let scratch = store::testing::Scratch::new();
        let root = scratch.path();
        fs::create_dir(root.join("target")).unwrap();
        std::os::unix::fs::symlink(root, root.join("round")).unwrap();
        let look = || fingerprint(root, &|folder| !folder.ends_with("target"));
        let before = look();
        fs::write(root.join("target/a"), "").unwrap();
        assert_eq!(before, look());
    }
}

//! A function's code: where it comes from, and how it gets into the data folder without doing harm.
//!
//! Code lands in `<function>/<sha256>/`: unpacked beside it under a temporary name, synced, then renamed, so a folder
//! with the final name is always whole. An archive is hostile until proven otherwise: no path or symbolic link leaves the folder,
//! and sizes are counted as they are written, whatever the archive's directory claims.

use std::fs::{self, File};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::config::Limits;
use crate::error::{Error, invalid, too_large};
use crate::ids;

#[derive(Clone, Debug)]
pub enum Code {
    /// An archive with `bootstrap` at its top.
    Zip(Bytes),
    /// An archive out of a store of objects, which may be as large as what is in it.
    Object(Bytes),
    /// A folder with `bootstrap` in it; it is copied.
    Folder(PathBuf),
    /// A folder whose files are to lie below a folder of this name; it is copied.
    FolderBelow(String, PathBuf),
    /// One executable that becomes `bootstrap`; it is copied.
    Bootstrap(PathBuf),
    /// The source of the only file: its name and its text, as a template has it inline.
    Inline(String, String),
}

/// Code that is in place.
pub(crate) struct Installed {
    pub sha256: [u8; 32],
    pub size: u64,
    pub folder: PathBuf,
}

/// The folder name of code with this hash.
pub(crate) fn folder_name(sha256: &[u8]) -> String {
    sha256.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Temporary folders of an interrupted installation begin with this; they may be removed at any time.
pub(crate) const TEMPORARY: &str = ".unpacking-";

/// Puts the code under `home` (the function's folder). Code that is there already is not written again.
pub(crate) fn install(code: &Code, home: &Path, limits: &Limits) -> Result<Installed, Error> {
    let (sha256, size) = measure(code, limits)?;
    let folder = home.join(folder_name(&sha256));
    if !folder.exists() {
        let temporary = home.join(format!("{TEMPORARY}{}", ids::hex32()));
        let result = unpack(code, &temporary, limits).and_then(|()| settle(&temporary, &folder));
        if let Err(error) = result {
            // The first error is the one to tell; what is left here goes when the host opens again.
            let _ = fs::remove_dir_all(&temporary);
            return Err(error);
        }
    }
    Ok(Installed { sha256, size, folder })
}

/// Checks the code as an installation would, and leaves nothing behind.
pub(crate) fn try_out(code: &Code, home: &Path, limits: &Limits) -> Result<Installed, Error> {
    let (sha256, size) = measure(code, limits)?;
    let temporary = home.join(format!("{TEMPORARY}{}", ids::hex32()));
    let result = unpack(code, &temporary, limits);
    fs::remove_dir_all(&temporary).map_err(Error::io("remove", &temporary))?;
    result.map(|()| Installed { sha256, size, folder: home.join(folder_name(&sha256)) })
}

/// Makes the unpacked files durable before their name says that they are whole.
fn settle(temporary: &Path, folder: &Path) -> Result<(), Error> {
    let opened = File::open(temporary).map_err(Error::io("open", temporary))?;
    sync_all_files(&opened).map_err(Error::io("sync", temporary))?;
    fs::rename(temporary, folder).map_err(Error::io("rename", temporary))
}

/// One call for all files: a package may have thousands, and an `fsync` of each takes minutes on a slow disk.
#[cfg(target_os = "linux")]
fn sync_all_files(within: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: a call on an open descriptor.
    match unsafe { libc::syncfs(within.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
fn sync_all_files(_within: &File) -> io::Result<()> {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::sync() };
    Ok(())
}

fn measure(code: &Code, limits: &Limits) -> Result<([u8; 32], u64), Error> {
    match code {
        Code::Zip(bytes) => {
            let max = limits.zip_bytes_max;
            if bytes.len() > max {
                return Err(too_large(format!("Request must be smaller than {max} bytes for the zip file")).into());
            }
            Ok((Sha256::digest(bytes).into(), bytes.len() as u64))
        }
        Code::Object(bytes) if bytes.len() as u64 > limits.unpacked_bytes_max => Err(unpacked_too_large(limits).into()),
        Code::Object(bytes) => Ok((Sha256::digest(bytes).into(), bytes.len() as u64)),
        Code::Bootstrap(file) => measure_files(&[(PathBuf::from("bootstrap"), file.clone())]),
        Code::Inline(name, text) => Ok((Sha256::digest(format!("{name}\0{text}")).into(), text.len() as u64)),
        Code::Folder(folder) | Code::FolderBelow(_, folder) => {
            let mut files = Vec::new();
            list(folder, Path::new(""), limits, &mut files)?;
            if let Code::FolderBelow(below, _) = code {
                files.iter_mut().for_each(|(name, _)| *name = Path::new(below).join(&name));
            }
            measure_files(&files)
        }
    }
}

/// A hash over names, lengths, executable bits and contents, in the order of names.
fn measure_files(files: &[(PathBuf, PathBuf)]) -> Result<([u8; 32], u64), Error> {
    let mut hash = Sha256::new();
    let mut size = 0;
    for (name, source) in files {
        let mut file = File::open(source).map_err(Error::io("open", source))?;
        let meta = file.metadata().map_err(Error::io("read", source))?;
        let executable = meta.permissions().mode() & 0o100 != 0;
        hash.update(format!("{}\0{}\0{executable}\0", name.display(), meta.len()));
        size += io::copy(&mut file, &mut hash).map_err(Error::io("read", source))?;
    }
    Ok((hash.finalize().into(), size))
}

/// All files below `folder`, sorted by name, as (name inside, real path).
///
/// A symbolic link counts as what it points to, as long as that is inside: `node_modules/.bin` is full of them.
fn list(folder: &Path, below: &Path, limits: &Limits, files: &mut Vec<(PathBuf, PathBuf)>) -> Result<(), Error> {
    let here = folder.join(below);
    let mut names = Vec::new();
    for entry in fs::read_dir(&here).map_err(Error::io("list", &here))? {
        names.push(entry.map_err(Error::io("list", &here))?.file_name());
    }
    names.sort();
    for name in names {
        let name = below.join(name);
        let path = folder.join(&name);
        let kind = fs::symlink_metadata(&path).map_err(Error::io("read", &path))?.file_type();
        if kind.is_symlink() && !points_inside(folder, &path)? {
            let text =
                format!("{} is a link that leads out of the code folder. Copy what it points to.", path.display());
            return Err(invalid(text).into());
        }
        match fs::metadata(&path).map_err(Error::io("read", &path))?.is_dir() {
            true if kind.is_symlink() => {
                let text = format!("{} is a link to a folder. Copy what it points to.", path.display());
                return Err(invalid(text).into());
            }
            true => list(folder, &name, limits, files)?,
            false => files.push((name, path)),
        }
        if files.len() > limits.unpacked_entries_max {
            return Err(too_many_files(limits).into());
        }
    }
    Ok(())
}

fn points_inside(folder: &Path, link: &Path) -> Result<bool, Error> {
    let target = fs::canonicalize(link).map_err(Error::io("follow", link))?;
    let folder = fs::canonicalize(folder).map_err(Error::io("follow", folder))?;
    Ok(target.starts_with(folder))
}

fn unpack(code: &Code, into: &Path, limits: &Limits) -> Result<(), Error> {
    fs::create_dir_all(into).map_err(Error::io("create", into))?;
    match code {
        Code::Zip(bytes) | Code::Object(bytes) => unzip(bytes, into, limits)?,
        Code::Bootstrap(file) => copy_file(file, &into.join("bootstrap"))?,
        Code::Inline(name, text) => {
            let Some(path) = path_inside(name) else {
                return Err(invalid(format!("{name} is not a file's name")).into());
            };
            let target = into.join(path);
            fs::write(&target, text).map_err(Error::io("write", &target))?;
        }
        Code::Folder(folder) => copy_folder(folder, into, limits)?,
        Code::FolderBelow(name, folder) => copy_folder(folder, &into.join(name), limits)?,
    }
    let bootstrap = into.join("bootstrap");
    match fs::metadata(&bootstrap) {
        Ok(meta) if meta.is_file() => make_executable(&bootstrap, meta.permissions().mode()),
        // Told when the function is invoked, as on AWS: `Runtime.InvalidEntrypoint`.
        _ => Ok(()),
    }
}

fn make_executable(file: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(file, fs::Permissions::from_mode(mode | 0o755)).map_err(Error::io("make executable", file))
}

fn copy_folder(folder: &Path, into: &Path, limits: &Limits) -> Result<(), Error> {
    let mut files = Vec::new();
    list(folder, Path::new(""), limits, &mut files)?;
    let mut total = 0;
    for (name, source) in files {
        total += fs::metadata(&source).map_err(Error::io("read", &source))?.len();
        if total > limits.unpacked_bytes_max {
            return Err(unpacked_too_large(limits).into());
        }
        let target = into.join(name);
        let parent = target.parent().unwrap_or(into);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        copy_file(&source, &target)?;
    }
    Ok(())
}

fn copy_file(source: &Path, target: &Path) -> Result<(), Error> {
    fs::copy(source, target).map(drop).map_err(Error::io("copy", source))
}

fn unzip(bytes: &Bytes, into: &Path, limits: &Limits) -> Result<(), Error> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| bad_zip(None))?;
    if archive.is_empty() {
        return Err(invalid("Uploaded file must be a non-empty zip").into());
    }
    if archive.len() > limits.unpacked_entries_max {
        return Err(too_many_files(limits).into());
    }
    let mut left = limits.unpacked_bytes_max;
    let mut links = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| bad_zip(Some(&e.to_string())))?;
        let name = entry.name().map_err(|e| bad_zip(Some(&e.to_string())))?.into_owned();
        let Some(path) = path_inside(&name) else {
            return Err(bad_zip(Some(&format!("{name} leads out of the archive"))).into());
        };
        if entry.is_symlink() {
            let mut target = String::new();
            let read = entry.by_ref().take(LINK_BYTES_MAX).read_to_string(&mut target);
            read.map_err(|e| bad_zip(Some(&format!("{name}: {e}"))))?;
            links.push((name, path, target));
            continue;
        }
        let target = into.join(path);
        let folder = if entry.is_dir() { Some(target.as_path()) } else { target.parent() };
        fs::create_dir_all(folder.unwrap_or(into)).map_err(|e| clash(e, &name, &target))?;
        if !entry.is_dir() {
            let mode = entry.unix_mode().unwrap_or(0o644) & 0o777 | 0o600;
            left -= write_entry(&mut entry, &name, &target, mode, left)?.ok_or_else(|| unpacked_too_large(limits))?;
        }
    }
    make_links(&links, into)
}

/// The longest path that Linux takes.
const LINK_BYTES_MAX: u64 = 4096;

/// Symbolic links of an archive, made when all files are there, so that nothing is written through one; and none is where another
/// one leads to. What one leads to has to be in the archive.
fn make_links(links: &[(String, PathBuf, String)], into: &Path) -> Result<(), Error> {
    let root = fs::canonicalize(into).map_err(Error::io("follow", into))?;
    for (name, path, _) in links {
        let folder = root.join(path);
        let folder = folder.parent().unwrap_or(&root);
        fs::create_dir_all(folder).map_err(|e| clash(e, name, folder))?;
    }
    for (name, path, target) in links {
        let link = root.join(path);
        let parent = link.parent().unwrap_or(&root);
        if fs::canonicalize(parent).map_err(Error::io("follow", parent))? != parent {
            return Err(bad_zip(Some(&format!("{name} is behind another symbolic link"))).into());
        }
        std::os::unix::fs::symlink(target, &link).map_err(|e| clash(e, name, &link))?;
    }
    for (name, path, target) in links {
        if !fs::canonicalize(root.join(path)).is_ok_and(|leads_to| leads_to.starts_with(&root)) {
            let text = format!("{name} is a symbolic link to {target}, which is not in the archive");
            return Err(bad_zip(Some(&text)).into());
        }
    }
    Ok(())
}

/// The path of an entry, if it stays inside. Stricter than it needs to be, so that it can be seen to be right: nothing
/// absolute, no step upwards even if another step comes back, no backslash for those who take it for a slash.
fn path_inside(name: &str) -> Option<PathBuf> {
    let name = name.strip_suffix('/').unwrap_or(name);
    let fits = |part: &str| !part.is_empty() && part != ".." && !part.contains(['\\', '\0']);
    name.split('/').all(fits).then(|| name.split('/').filter(|part| *part != ".").collect())
}

/// How many bytes were written; `None` if they would be more than `left`.
fn write_entry(entry: &mut impl Read, name: &str, target: &Path, mode: u32, left: u64) -> Result<Option<u64>, Error> {
    let open = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(target);
    let mut file = open.map_err(|e| clash(e, name, target))?;
    let mut buffer = vec![0; 64 << 10];
    let mut written = 0;
    loop {
        // What fails here is the archive (a bad checksum, a method we do not know), not the disk.
        let count = entry.read(&mut buffer).map_err(|e| bad_zip(Some(&format!("{name}: {e}"))))?;
        if count == 0 {
            return Ok(Some(written));
        }
        written += count as u64;
        if written > left {
            return Ok(None);
        }
        file.write_all(&buffer[..count]).map_err(Error::io("write", target))?;
    }
}

/// Two entries of one name, or a file where another entry needs a folder, are the archive's fault; the rest is ours.
fn clash(error: io::Error, name: &str, target: &Path) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            bad_zip(Some(&format!("{name} is there twice"))).into()
        }
        _ => Error::Io { doing: "write", path: target.into(), source: error },
    }
}

fn bad_zip(reason: Option<&str>) -> aws_protocol::Error {
    const TEXT: &str = "Could not unzip uploaded file. Please check your file, then try to upload again.";
    match reason {
        Some(reason) => invalid(format!("{TEXT} ({reason})")),
        None => invalid(TEXT),
    }
}

fn unpacked_too_large(limits: &Limits) -> aws_protocol::Error {
    invalid(format!("Unzipped size must be smaller than {} bytes", limits.unpacked_bytes_max))
}

fn too_many_files(limits: &Limits) -> aws_protocol::Error {
    invalid(format!("A code package may have {} files and folders", limits.unpacked_entries_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_an_archive() {
        let check =
            |name: &str, expect: Option<&str>| assert_eq!(path_inside(name), expect.map(PathBuf::from), "{name}");
        check("bootstrap", Some("bootstrap"));
        check("lib/a.so", Some("lib/a.so"));
        check("lib/", Some("lib"));
        check("./bootstrap", Some("bootstrap"));
        check("..hidden", Some("..hidden"));
        check("/etc/passwd", None);
        check("..", None);
        check("../bootstrap", None);
        check("lib/../../bootstrap", None);
        check("lib/..", None);
        check("lib//a", None);
        check("a\\..\\b", None);
        check("a\0b", None);
        check("", None);
    }
}

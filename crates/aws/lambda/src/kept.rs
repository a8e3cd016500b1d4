//! What the host keeps on disk: `<data folder>/<function>/function.json`, written whole or not at all.
//!
//! ```text
//! <data folder>/<function>/function.json      settings, and which code is current
//!                          <sha256>/          code, unpacked
//!                          published.json     versions and aliases: see [`crate::published`]
//!                          log, log.1         the function's log
//!                          tmp/               HOME and TMPDIR of its processes
//! ```
//!
//! A folder without `function.json` is a creation that did not finish: it is not a function.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_protocol::Home;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::code::{self, TEMPORARY};
use crate::error::{Error, OpenError};
use crate::function::{Function, FunctionInfo, UsedLayer};
use crate::layers::{Layers, write_whole};
use crate::name::{self, LATEST};
use crate::{
    ids,
    published::{self, Loaded},
};

/// Raise it with every change of [`Kept`], and teach [`read`] the older forms.
const FORMAT: u32 = 2;

const FILE: &str = "function.json";

/// The folder of a deleted function that could not be emptied at once. No function's name begins with a dot.
const DELETED: &str = ".deleted-";

#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    format: u32,
    function: Function,
    code_sha256: String,
    code_size: u64,
    last_modified: String,
    revision_id: String,
    /// Where its layers are one folder. Since format 2.
    #[serde(default)]
    opt: Option<String>,
}

/// Every function below `folder`, by name.
pub(crate) fn load(folder: &Path, home: &Home, layers: &Layers) -> Result<Vec<(FunctionInfo, Loaded)>, OpenError> {
    let unlisted = |source| OpenError::Io { doing: "list", path: folder.into(), source };
    let mut functions = Vec::new();
    for entry in fs::read_dir(folder).map_err(unlisted)? {
        let path = entry.map_err(unlisted)?.path();
        if path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(DELETED)) {
            let _ = fs::remove_dir_all(&path);
            continue;
        }
        if let Some(function) = read(&path, home, layers)? {
            let loaded = published::load(&path, home, layers)?;
            let versions = loaded.versions.values().map(|version| version.code_folder.clone());
            sweep(&path, &versions.chain([function.code_folder.clone()]).collect::<Vec<_>>());
            functions.push((function, loaded));
        }
    }
    functions.sort_by(|(a, _), (b, _)| a.function.name.cmp(&b.function.name));
    Ok(functions)
}

fn read(folder: &Path, home: &Home, layers: &Layers) -> Result<Option<FunctionInfo>, OpenError> {
    let path = folder.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(source) => return Err(OpenError::Io { doing: "read", path, source }),
    };
    parse(&text, folder, home, layers).map(Some).map_err(|reason| OpenError::Unreadable { path, reason })
}

fn parse(text: &[u8], folder: &Path, home: &Home, layers: &Layers) -> Result<FunctionInfo, String> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let format: Format = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    if !(1..=FORMAT).contains(&format.format) {
        return Err(format!("its format is {}, this version knows {FORMAT}", format.format));
    }
    let kept: Kept = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    info(kept, None, folder, home, layers)
}

/// What was kept of a function, or of one of its versions.
pub(crate) fn info(
    kept: Kept,
    version: Option<u64>,
    folder: &Path,
    home: &Home,
    layers: &Layers,
) -> Result<FunctionInfo, String> {
    if folder.file_name() != Some(OsStr::new(&kept.function.name)) {
        return Err(format!("it belongs to the function {}, not to this folder", kept.function.name));
    }
    let sha256 = BASE64_STANDARD.decode(&kept.code_sha256).map_err(|e| format!("code_sha256: {e}"))?;
    let arn = name::arn(&kept.function.name, home);
    let used = kept.function.layers.iter().map(|arn| UsedLayer { arn: arn.clone(), code_size: layers.size_of(arn) });
    Ok(FunctionInfo {
        arn: version.map_or(arn.clone(), |version| format!("{arn}:{version}")),
        version: version.map_or(LATEST.into(), |version| version.to_string().into()),
        layers: used.collect(),
        opt: kept.opt.map(|name| layers.merged(&name)),
        code_folder: folder.join(code::folder_name(&sha256)),
        function: kept.function,
        code_sha256: kept.code_sha256,
        code_size: kept.code_size,
        last_modified: kept.last_modified,
        revision_id: kept.revision_id,
    })
}

pub(crate) fn save(info: &FunctionInfo, folder: &Path) -> Result<(), Error> {
    write_whole(folder, FILE, &serde_json::to_vec_pretty(&form(info)).expect("plain data always serialises"))
}

pub(crate) fn form(info: &FunctionInfo) -> Kept {
    let opt = info.opt.as_deref().and_then(Path::file_name);
    Kept {
        format: FORMAT,
        function: info.function.clone(),
        code_sha256: info.code_sha256.clone(),
        code_size: info.code_size,
        last_modified: info.last_modified.clone(),
        revision_id: info.revision_id.clone(),
        opt: opt.map(|name| name.to_string_lossy().into_owned()),
    }
}

/// The folder gets a name that no function has, so the function is gone at once, whatever still writes into it.
pub(crate) fn remove(folder: &Path) -> Result<(), Error> {
    let buried = folder.with_file_name(format!("{DELETED}{}", ids::hex32()));
    fs::rename(folder, &buried).map_err(Error::io("remove", folder))?;
    // What cannot be removed now goes when the host opens again.
    let _ = fs::remove_dir_all(&buried);
    Ok(())
}

/// Removes what no process can be using: code that is not current, and unfinished installations.
///
/// Only for a function none of whose processes run. What cannot be removed does no harm and is tried again next time.
pub(crate) fn sweep(folder: &Path, current: &[PathBuf]) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let is_code = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        if name.starts_with(TEMPORARY) || (is_code && !current.contains(&path)) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first version wrote it. It must stay readable for ever.
    const FORMAT_1: &str = r#"{"format":1,"function":{"name":"ReserveHotel","runtime":"provided.al2023",
        "handler":"bootstrap","role":"arn:aws:iam::000000000000:role/r","description":"d","timeout_seconds":30,
        "memory_mb":256,"environment":{"TABLE":"Bookings"},"architecture":"arm64","ephemeral_storage_mb":512,
        "tracing":"Active","tags":{"a":"b"},"reserved_concurrency":7},"code_sha256":"AQI=","code_size":9,
        "last_modified":"2026-11-21T21:39:07.123+0000","revision_id":"r"}"#;

    #[test]
    fn the_old_form_is_read() {
        let home = Home::default();
        let layers = Layers::empty(&home);
        let info = parse(FORMAT_1.as_bytes(), Path::new("/data/ReserveHotel"), &home, &layers).unwrap();
        assert_eq!(info.function.environment["TABLE"], "Bookings");
        assert_eq!((info.function.timeout_seconds, info.function.reserved_concurrency), (30, Some(7)));
        assert_eq!(info.code_folder, Path::new("/data/ReserveHotel/0102"));
        assert_eq!(info.arn, "arn:aws:lambda:us-east-1:000000000000:function:ReserveHotel");
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let check = |text: &str, folder: &str, expect: &str| {
            let reason = parse(text.as_bytes(), Path::new(folder), &Home::default(), &Layers::empty(&Home::default()))
                .unwrap_err();
            assert!(reason.contains(expect), "{reason}");
        };
        check("{", "/data/f", "EOF");
        check(r#"{"format":3}"#, "/data/f", "its format is 3, this version knows 2");
        check(FORMAT_1, "/data/other", "belongs to the function ReserveHotel");
    }
}

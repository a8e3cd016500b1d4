//! Layers: what they are on the disk, and how those of a function become one folder, its `/opt`.
//!
//! ```text
//! <data folder>/.layers/<name>/layer.json      its versions
//!                              <sha256>/       the content of one, unpacked
//!               .layers/.merged/<hash>/        the contents of some versions, in order, later files over earlier ones
//! ```
//!
//! On AWS the contents lie at `/opt`. Nothing can be mounted there without privileges, so functions with the same layers share
//! a folder that `LAMBDA_OPT` names, and [`crate::environment`] puts its parts where runtimes look for them. Files in it are hard
//! links: it costs names, not bytes, and must not be written to, as `/opt` on AWS.
//!
//! A version of the API never changes. What a template describes is always version 1, whose content follows the template.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_protocol::{Arn, Error as AwsError, Home};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::code::{self, Code};
use crate::config::Limits;
use crate::error::{Error, OpenError, constraint, invalid, not_found};
use crate::function::UsedLayer;
use crate::{ids, time};

/// Beside the functions' folders. No function's name begins with a dot.
const FOLDER: &str = ".layers";
const MERGED: &str = ".merged";
const FILE: &str = "layer.json";

/// Raise it with every change of [`Kept`], and teach [`read`] the older forms.
const FORMAT: u32 = 1;

/// "Lambda quotas", AWS Lambda Developer Guide.
const LAYERS_PER_FUNCTION: usize = 5;
const NAME_CHARACTERS_MAX: usize = 140;
const RUNTIMES_MAX: usize = 15;

/// The version that a template's layer has.
const OF_TEMPLATE: u64 = 1;

/// What a layer says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSettings {
    pub description: String,
    pub runtimes: Vec<String>,
    pub architectures: Vec<String>,
    pub license: String,
}

/// A version of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    pub name: String,
    pub version: u64,
    pub settings: LayerSettings,
    /// `2026-11-21T21:39:07.123+0000`
    pub created: String,
    /// Base64, as of a function's code.
    pub code_sha256: String,
    pub code_size: u64,
    /// Bytes of all files.
    pub unpacked_size: u64,
    /// Functions that have it keep it; nobody else finds it.
    pub deleted: bool,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    /// No number is given twice.
    next: u64,
    versions: Vec<Layer>,
}

#[derive(Default)]
struct Named {
    next: u64,
    versions: BTreeMap<u64, Layer>,
}

impl Named {
    fn live(&self) -> impl DoubleEndedIterator<Item = &Layer> {
        self.versions.values().filter(|layer| !layer.deleted)
    }
}

pub(crate) struct Layers {
    folder: PathBuf,
    home: Home,
    /// By name.
    all: Mutex<BTreeMap<String, Named>>,
}

/// The layers of a function as one.
#[derive(Default)]
pub(crate) struct Opt {
    pub folder: Option<PathBuf>,
    pub layers: Vec<UsedLayer>,
    pub unpacked_size: u64,
}

impl Layers {
    pub fn open(functions: &Path, home: &Home) -> Result<Layers, OpenError> {
        let folder = functions.join(FOLDER);
        let io = |doing, path: &Path| {
            let path = path.to_path_buf();
            move |source| OpenError::Io { doing, path, source }
        };
        fs::create_dir_all(folder.join(MERGED)).map_err(io("create", &folder))?;
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(io("list", &folder))? {
            let path = entry.map_err(io("list", &folder))?.path();
            if let Some((name, named)) = read(&path)? {
                all.insert(name, named);
            }
        }
        Ok(Layers { folder, home: home.clone(), all: Mutex::new(all) })
    }

    /// Puts a layer's content in place, as the next version, or as the template's.
    pub fn put(
        &self,
        name: &str,
        settings: LayerSettings,
        code: &Code,
        of_template: bool,
        limits: &Limits,
    ) -> Result<Layer, Error> {
        check(name, &settings)?;
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let installed = code::install(code, &folder, limits)?;
        let mut all = self.all();
        let next = all.get(name).map_or(1, |named| named.next);
        let layer = Layer {
            name: name.to_owned(),
            version: if of_template { OF_TEMPLATE } else { next },
            settings,
            created: time::last_modified(SystemTime::now()),
            code_sha256: BASE64_STANDARD.encode(installed.sha256),
            code_size: installed.size,
            deleted: false,
            unpacked_size: size_of(&installed.folder).map_err(Error::io("read", &installed.folder))?,
        };
        let old = all.get(name).and_then(|named| named.versions.get(&layer.version));
        if let Some(old) = old.filter(|old| Layer { created: layer.created.clone(), ..(*old).clone() } == layer) {
            return Ok(old.clone());
        }
        let mut versions: Vec<Layer> = all.get(name).into_iter().flat_map(|n| n.versions.values()).cloned().collect();
        versions.retain(|known| known.version != layer.version);
        versions.push(layer.clone());
        let next = next.max(layer.version + 1);
        save(&folder, next, &versions)?;
        all.insert(name.to_owned(), Named { next, versions: versions.into_iter().map(|l| (l.version, l)).collect() });
        sweep(&folder, all.get(name));
        Ok(layer)
    }

    /// AWS answers as if there had been one.
    pub fn delete(&self, name: &str, version: u64) -> Result<(), Error> {
        let mut all = self.all();
        let Some(named) = all.get_mut(name) else { return Ok(()) };
        let mut left = named.versions.clone();
        let Some(layer) = left.get_mut(&version) else { return Ok(()) };
        layer.deleted = true;
        save(&self.folder.join(name), named.next, &left.values().cloned().collect::<Vec<_>>())?;
        named.versions = left;
        Ok(())
    }

    /// Removes what was deleted and no function has. `held` are ARNs.
    pub fn purge(&self, held: &[String]) -> Result<(), Error> {
        for (name, named) in self.all().iter_mut() {
            let before = named.versions.len();
            named.versions.retain(|number, layer| !layer.deleted || held.contains(&self.arn(name, *number)));
            if named.versions.len() < before {
                let folder = self.folder.join(name);
                save(&folder, named.next, &named.versions.values().cloned().collect::<Vec<_>>())?;
                sweep(&folder, Some(named));
            }
        }
        Ok(())
    }

    /// A version by its layer's name and number. `Err` is Lambda's.
    pub fn version(&self, name: &str, version: u64) -> Result<Layer, AwsError> {
        self.find(name, version).filter(|layer| !layer.deleted).ok_or_else(|| {
            not_found(format!(
                "The resource you requested does not exist. Layer version {} is not here.",
                self.arn(name, version)
            ))
        })
    }

    fn find(&self, name: &str, version: u64) -> Option<Layer> {
        self.all().get(name).and_then(|named| named.versions.get(&version)).cloned()
    }

    /// Newest first.
    pub fn versions(&self, name: &str) -> Vec<Layer> {
        self.all().get(name).map(|named| named.live().rev().cloned().collect()).unwrap_or_default()
    }

    /// The newest version of each layer, by name.
    pub fn newest(&self) -> Vec<Layer> {
        self.all().values().filter_map(|named| named.live().next_back()).cloned().collect()
    }

    /// Of a layer.
    pub fn layer_arn(&self, name: &str) -> String {
        self.home.arn("lambda", &format!("layer:{name}"))
    }

    /// Of a version.
    pub fn arn(&self, name: &str, version: u64) -> String {
        format!("{}:{version}", self.layer_arn(name))
    }

    /// Where the content of a version lies.
    pub fn content(&self, layer: &Layer) -> PathBuf {
        let sha256 = BASE64_STANDARD.decode(&layer.code_sha256).unwrap_or_default();
        self.folder.join(&layer.name).join(code::folder_name(&sha256))
    }

    /// A layer's name out of its name or ARN.
    pub fn name_of(text: &str) -> String {
        text.rsplit(':').next().filter(|_| text.starts_with("arn:")).unwrap_or(text).to_owned()
    }

    /// The layers of a function, first those that the next ones lie over. One of another account counts if a layer of its name
    /// is here; else it is left out, and `absent` is told. `held` are those that the function has already.
    pub fn resolve(&self, arns: &[String], held: &[String], mut absent: impl FnMut(&str)) -> Result<Opt, Error> {
        if arns.len() > LAYERS_PER_FUNCTION {
            return Err(invalid(format!("Cannot reference more than {LAYERS_PER_FUNCTION} layers.")).into());
        }
        let mut found = Vec::new();
        for (at, arn) in arns.iter().enumerate() {
            let named = Reference::parse(arn).ok_or_else(|| bad_arn(arn))?;
            if arns[..at].iter().any(|before| before.rsplit_once(':').map(|b| b.0) == arn.rsplit_once(':').map(|a| a.0))
            {
                return Err(invalid(format!("Two different versions of the same layer are not allowed to be referenced in the same function. {arn} is not the first.")).into());
            }
            let is_own = named.region == self.home.region && named.account == self.home.account;
            let is_there = |layer: &Layer| !layer.deleted || held.contains(arn);
            match self.find(named.name, named.version).filter(is_there) {
                Some(layer) => found.push((arn, layer)),
                None if is_own => return Err(invalid(format!("Layer version {arn} does not exist.")).into()),
                None => match self.versions(named.name).into_iter().next() {
                    Some(layer) => found.push((arn, layer)),
                    None => absent(arn),
                },
            }
        }
        let layers = found.iter().map(|(arn, layer)| UsedLayer { arn: arn.to_string(), code_size: layer.code_size });
        let contents: Vec<PathBuf> = found.iter().map(|(_, layer)| self.content(layer)).collect();
        Ok(Opt {
            layers: layers.collect(),
            unpacked_size: found.iter().map(|(_, layer)| layer.unpacked_size).sum(),
            folder: if contents.is_empty() { None } else { Some(self.merge(&contents)?) },
        })
    }

    /// Of the archive or the files that an ARN means; 0 if it is not here.
    pub fn size_of(&self, arn: &str) -> u64 {
        let named = Reference::parse(arn);
        named.and_then(|named| self.find(named.name, named.version)).map_or(0, |layer| layer.code_size)
    }

    #[cfg(test)]
    pub fn empty(home: &Home) -> Layers {
        Layers { folder: PathBuf::new(), home: home.clone(), all: Mutex::default() }
    }

    /// Where merged contents are, by the name that [`Layers::merge`] has given.
    pub fn merged(&self, name: &str) -> PathBuf {
        self.folder.join(MERGED).join(name)
    }

    fn merge(&self, contents: &[PathBuf]) -> Result<PathBuf, Error> {
        let mut hash = Sha256::new();
        contents.iter().filter_map(|content| content.file_name()).for_each(|sha| hash.update(sha.as_encoded_bytes()));
        let merged = self.merged(&code::folder_name(&hash.finalize()));
        if merged.exists() {
            return Ok(merged);
        }
        let temporary = self.merged(&format!("{}{}", code::TEMPORARY, ids::hex32()));
        let make = || {
            contents.iter().try_for_each(|content| lay(content, &temporary))?;
            fs::rename(&temporary, &merged)
        };
        make().map_err(|error| {
            // The first error is the one to tell; what is left here goes when the host opens again.
            let _ = fs::remove_dir_all(&temporary);
            Error::Io { doing: "merge layers into", path: merged.clone(), source: error }
        })?;
        Ok(merged)
    }

    /// Removes merged contents that no function has, and unfinished ones. Only while no process runs.
    pub fn sweep_merged(&self, in_use: &[PathBuf]) {
        let entries = fs::read_dir(self.folder.join(MERGED)).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| !in_use.contains(path)) {
            // What cannot be removed does no harm and is tried again next time.
            let _ = fs::remove_dir_all(&path);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Named>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION`
struct Reference<'a> {
    region: &'a str,
    account: &'a str,
    name: &'a str,
    version: u64,
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Option<Reference<'a>> {
        let arn = Arn::parse(text).filter(|arn| arn.service == "lambda")?;
        let (name, version) = arn.resource.strip_prefix("layer:")?.rsplit_once(':')?;
        let version = version.parse().ok()?;
        is_name(name).then_some(Reference { region: arn.region, account: arn.account, name, version })
    }
}

/// The name and the number of the version of a layer that an ARN means.
pub(crate) fn named(arn: &str) -> Option<(&str, u64)> {
    Reference::parse(arn).map(|reference| (reference.name, reference.version))
}

fn bad_arn(arn: &str) -> AwsError {
    let pattern = "Member must satisfy regular expression pattern: \
                   arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+";
    constraint(arn, "layers", pattern)
}

/// Also what makes a name safe as a folder.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_CHARACTERS_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn check(name: &str, settings: &LayerSettings) -> Result<(), AwsError> {
    if !is_name(name) {
        let pattern = "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+, and have at most 140 characters";
        return Err(constraint(name, "layerName", pattern));
    }
    if settings.description.chars().count() > 256 {
        return Err(constraint(
            &settings.description,
            "description",
            "Member must have length less than or equal to 256",
        ));
    }
    if settings.runtimes.len() > RUNTIMES_MAX {
        let bound = format!("Member must have length less than or equal to {RUNTIMES_MAX}");
        return Err(constraint(&settings.runtimes.join(", "), "compatibleRuntimes", &bound));
    }
    Ok(())
}

fn read(folder: &Path) -> Result<Option<(String, Named)>, OpenError> {
    let path = folder.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(source) => return Err(OpenError::Io { doing: "read", path, source }),
    };
    let unreadable = |reason: String| OpenError::Unreadable { path: path.clone(), reason };
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    if kept.format != FORMAT {
        return Err(unreadable(format!("its format is {}, this version knows {FORMAT}", kept.format)));
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some((name, Named { next: kept.next, versions: kept.versions.into_iter().map(|l| (l.version, l)).collect() })))
}

fn save(folder: &Path, next: u64, versions: &[Layer]) -> Result<(), Error> {
    let kept = Kept { format: FORMAT, next, versions: versions.to_vec() };
    write_whole(folder, FILE, &serde_json::to_vec_pretty(&kept).expect("plain data always serialises"))
}

/// Write, sync, rename, sync the folder: after a crash the file is the old one or the new one.
pub(crate) fn write_whole(folder: &Path, file: &str, text: &[u8]) -> Result<(), Error> {
    let (temporary, path) = (folder.join(format!(".{file}")), folder.join(file));
    let write = || {
        let mut open = File::create(&temporary)?;
        open.write_all(text)?;
        open.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(Error::io("write", &path))
}

/// Removes contents that no version has. Processes hold hard links to what they use.
fn sweep(folder: &Path, named: Option<&Named>) {
    let shas = named.into_iter().flat_map(|named| named.versions.values());
    let shas: Vec<Vec<u8>> = shas.filter_map(|layer| BASE64_STANDARD.decode(&layer.code_sha256).ok()).collect();
    let current: Vec<PathBuf> = shas.iter().map(|sha| folder.join(code::folder_name(sha))).collect();
    crate::kept::sweep(folder, &current);
}

pub(crate) fn size_of(folder: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        size += if meta.is_dir() { size_of(&entry.path())? } else { meta.len() };
    }
    Ok(size)
}

/// Lays one content over what is there: folders become one, a later file takes the place of an earlier one.
fn lay(content: &Path, over: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(over).is_ok_and(|meta| meta.is_dir()) {
        let _ = fs::remove_file(over);
        fs::create_dir_all(over)?;
    }
    for entry in fs::read_dir(content)? {
        let entry = entry?;
        let (source, target) = (entry.path(), over.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            lay(&source, &target)?;
            continue;
        }
        match fs::symlink_metadata(&target) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&target)?,
            Ok(_) => fs::remove_file(&target)?,
            Err(_) => {}
        }
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if fs::hard_link(&source, &target).is_err() {
            // A file system without hard links, or with too many of them.
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let check = |text: &str, expect: Option<(&str, u64)>| {
            assert_eq!(Reference::parse(text).map(|r| (r.name, r.version)), expect, "{text}");
        };
        check("arn:aws:lambda:us-east-1:000000000000:layer:deps:3", Some(("deps", 3)));
        check("arn:aws:lambda:us-east-1:000000000000:layer:deps", None);
        check("arn:aws:lambda:us-east-1:000000000000:layer:../deps:3", None);
        check("arn:aws:lambda:us-east-1:000000000000:function:deps:3", None);
        check("deps:3", None);
    }

    #[test]
    fn later_layers_lie_over_earlier_ones() {
        let scratch = std::env::temp_dir().join(format!("layers-{}", ids::hex32()));
        let write = |path: &str, text: &str| {
            let path = scratch.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/python/m/__init__.py", "a");
        write("a/python/m/one.py", "a");
        write("a/bin/tool", "a");
        write("a/lib", "a file where the next has a folder");
        write("b/python/m/one.py", "b");
        write("b/lib/x.so", "b");
        let merged = scratch.join("merged");
        lay(&scratch.join("a"), &merged).unwrap();
        lay(&scratch.join("b"), &merged).unwrap();
        let read = |path: &str| fs::read_to_string(merged.join(path)).unwrap();
        let expect = [("python/m/__init__.py", "a"), ("python/m/one.py", "b"), ("bin/tool", "a"), ("lib/x.so", "b")];
        expect.iter().for_each(|(path, text)| assert_eq!(read(path), *text, "{path}"));
        assert_eq!(fs::read_to_string(scratch.join("a/python/m/one.py")).unwrap(), "a", "a layer stays as it is");
        fs::remove_dir_all(scratch).unwrap();
    }
}

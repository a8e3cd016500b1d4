//! Parameters with their versions: in memory, and each a file of JSON.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// "Maximum number of past values for a parameter: the 100 past values" (AWS general reference, *Systems Manager*).
pub const VERSIONS_MAX: usize = 100;

/// Standard parameters of an account and region.
pub const PARAMETERS_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    String,
    StringList,
    SecureString,
}

impl Kind {
    pub fn parse(text: &str) -> Option<Kind> {
        match text {
            "String" => Some(Kind::String),
            "StringList" => Some(Kind::StringList),
            "SecureString" => Some(Kind::SecureString),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "String",
            Kind::StringList => "StringList",
            Kind::SecureString => "SecureString",
        }
    }
}

/// One value that a parameter has, or has had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// From 1.
    pub number: u64,
    pub kind: Kind,
    pub value: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub allowed_pattern: String,
    #[serde(default = "text")]
    pub data_type: String,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

fn text() -> String {
    "text".into()
}

impl Version {
    pub fn new(kind: Kind, value: &str, description: &str, modified_ms: i64) -> Version {
        Version {
            number: 0,
            kind,
            value: value.to_owned(),
            description: description.to_owned(),
            allowed_pattern: String::new(),
            data_type: text(),
            modified_ms,
            labels: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    /// The newest last; never empty.
    pub versions: Vec<Version>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Parameter {
    pub fn newest(&self) -> &Version {
        self.versions.last().expect("a parameter has a version")
    }

    pub fn version(&self, number: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    pub fn labelled(&self, label: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.labels.iter().any(|known| known == label))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("cannot {doing} {path}: {source}")]
    Disk { doing: &'static str, path: String, source: io::Error },
    #[error("there are {PARAMETERS_MAX} parameters already")]
    Full,
}

#[derive(Debug)]
pub struct Parameters {
    folder: PathBuf,
    by_name: BTreeMap<String, Parameter>,
    pub unreadable: Vec<String>,
}

impl Parameters {
    pub fn open(folder: &Path) -> Result<Parameters, Failure> {
        let mut parameters = Parameters { folder: folder.to_owned(), by_name: BTreeMap::new(), unreadable: Vec::new() };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(parameters),
            Err(error) => return Err(disk("list", folder, error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| disk("list", folder, error))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let read = fs::read(&path).map_err(|error| error.to_string());
            let parsed =
                read.and_then(|text| serde_json::from_slice::<Parameter>(&text).map_err(|error| error.to_string()));
            match parsed {
                Ok(parameter) if !parameter.versions.is_empty() => {
                    parameters.by_name.insert(parameter.name.clone(), parameter);
                }
                Ok(_) => parameters.unreadable.push(format!("{}: it has no version", path.display())),
                Err(why) => parameters.unreadable.push(format!("{}: {why}", path.display())),
            }
        }
        Ok(parameters)
    }

    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.by_name.get(name)
    }

    /// By name.
    pub fn all(&self) -> impl Iterator<Item = &Parameter> {
        self.by_name.values()
    }

    pub fn value(&self, name: &str, version: Option<u64>) -> Option<(Kind, String)> {
        let parameter = self.get(name)?;
        let version = version.map_or(Some(parameter.newest()), |number| parameter.version(number))?;
        Some((version.kind, version.value.clone()))
    }

    /// Adds a version, and forgets the oldest if there are too many. Its number is the next one.
    pub fn put(&mut self, name: &str, version: Version) -> Result<u64, Failure> {
        let mut parameter = match self.by_name.get(name) {
            Some(parameter) => parameter.clone(),
            None if self.by_name.len() >= PARAMETERS_MAX => return Err(Failure::Full),
            None => Parameter { name: name.to_owned(), versions: Vec::new(), tags: BTreeMap::new() },
        };
        let number = parameter.versions.last().map_or(1, |version| version.number + 1);
        parameter.versions.push(Version { number, ..version });
        let excess = parameter.versions.len().saturating_sub(VERSIONS_MAX);
        parameter.versions.drain(..excess);
        self.save(parameter).map(|()| number)
    }

    /// Writes a parameter as it shall be.
    pub fn save(&mut self, parameter: Parameter) -> Result<(), Failure> {
        let path = self.path(&parameter.name);
        self.write(&path, &parameter).map_err(|error| disk("write", &path, error))?;
        self.by_name.insert(parameter.name.clone(), parameter);
        Ok(())
    }

    /// False: there is none.
    pub fn delete(&mut self, name: &str) -> Result<bool, Failure> {
        if !self.by_name.contains_key(name) {
            return Ok(false);
        }
        let path = self.path(name);
        let removed = fs::remove_file(&path).and_then(|()| File::open(&self.folder)?.sync_all());
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(disk("delete", &path, error)),
            _ => {}
        }
        self.by_name.remove(name);
        Ok(true)
    }

    /// A name has slashes, and may be longer than a file's.
    fn path(&self, name: &str) -> PathBuf {
        let hash: String = Sha256::digest(name.as_bytes()).iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{hash}.json"))
    }

    /// Whole or not at all, durable, and for its owner's eyes.
    fn write(&self, path: &Path, parameter: &Parameter) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let unfinished = path.with_extension("part");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&serde_json::to_vec_pretty(parameter)?)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(&self.folder)?.sync_all()
    }
}

fn disk(doing: &'static str, path: &Path, source: io::Error) -> Failure {
    Failure::Disk { doing, path: path.display().to_string(), source }
}

//! What belongs to a function beside `$LATEST`: its versions, its aliases, the policy that others may call it by.
//!
//! A version is a function of its own to the host: settings and code that never change, a pool, processes. With `$LATEST` it shares log,
//! reserved concurrency and folder. An alias is a name for one version, or for two by weight; who calls it gets the version
//! that chance picks.
//!
//! A template's `AWS::Lambda::Version` has to have an ARN before its number is known. So a version may have a *label* too, the logical
//! id it was published under, which is as good as its number wherever a qualifier may stand.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_protocol::{Error as AwsError, Home};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, OpenError, constraint, invalid};
use crate::function::FunctionInfo;
use crate::hosted::Hosted;
use crate::ids;
use crate::kept::{self, Kept};
use crate::layers::{Layers, write_whole};
use crate::name::LATEST;

/// Raise it with every change of [`KeptPublished`], and teach [`load`] the older forms.
const FORMAT: u32 = 1;
const FILE: &str = "published.json";

/// Ours: AWS bounds the storage of all versions instead, 75 GB.
const VERSIONS_MAX: usize = 1_000;
const ALIASES_MAX: usize = 1_000;

/// AWS: 20 KB.
const POLICY_BYTES_MAX: usize = 20 << 10;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// A number, a label that stands for one, or `$LATEST`.
    pub version: String,
    pub description: String,
    /// Other versions, and which share of the calls each gets.
    pub weights: BTreeMap<String, f64>,
    /// A new one with every change.
    #[serde(default)]
    pub revision_id: String,
}

/// Kept and shown, and without effect: everybody may call everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub revision_id: String,
    pub statements: Vec<Map<String, Value>>,
}

#[derive(Default)]
pub(crate) struct Published {
    /// The number of the next version; none is given twice.
    next: u64,
    pub versions: BTreeMap<u64, Arc<Hosted>>,
    labels: BTreeMap<String, u64>,
    pub aliases: BTreeMap<String, Alias>,
    /// By qualifier; the function's own has none.
    pub policies: BTreeMap<String, Policy>,
}

#[derive(Serialize, Deserialize)]
struct KeptPublished {
    format: u32,
    next: u64,
    versions: BTreeMap<u64, Kept>,
    labels: BTreeMap<String, u64>,
    aliases: BTreeMap<String, Alias>,
    policies: BTreeMap<String, Policy>,
}

impl Published {
    /// The version that a qualifier means: its number, a label, or what an alias leads to. `chance` is from 0 to below 1.
    pub fn target(&self, qualifier: &str, chance: f64) -> Option<Target> {
        match self.aliases.get(qualifier) {
            Some(alias) => self.picked(alias, chance),
            None => self.version(qualifier).cloned().map(Target::Version),
        }
    }

    fn picked(&self, alias: &Alias, chance: f64) -> Option<Target> {
        let mut left = chance;
        for (version, weight) in &alias.weights {
            if left < *weight {
                return self.version(version).cloned().map(Target::Version);
            }
            left -= weight;
        }
        match alias.version.as_str() {
            LATEST => Some(Target::Latest),
            version => self.version(version).cloned().map(Target::Version),
        }
    }

    /// By number or label.
    pub fn version(&self, text: &str) -> Option<&Arc<Hosted>> {
        self.versions.get(&self.number(text)?)
    }

    pub fn number(&self, text: &str) -> Option<u64> {
        text.parse().ok().or_else(|| self.labels.get(text).copied())
    }

    /// Whether a qualifier means anything.
    pub fn has(&self, qualifier: &str) -> bool {
        self.aliases.contains_key(qualifier) || self.version(qualifier).is_some()
    }

    pub fn newest(&self) -> Option<&Arc<Hosted>> {
        self.versions.values().next_back()
    }

    /// The number that the next version is to have.
    pub fn next_number(&self) -> Result<u64, AwsError> {
        if self.versions.len() >= VERSIONS_MAX {
            return Err(invalid(format!(
                "A function may have {VERSIONS_MAX} versions here: delete those that nobody calls."
            )));
        }
        Ok(self.next.max(1))
    }

    pub fn insert(&mut self, number: u64, version: Arc<Hosted>) {
        self.next = number + 1;
        self.versions.insert(number, version);
    }

    pub fn label(&mut self, label: &str, number: u64) {
        self.labels.insert(label.to_owned(), number);
    }

    /// Aliases that lead to a version.
    pub fn aliases_of(&self, number: u64) -> Vec<&str> {
        let leads = |alias: &Alias| {
            let versions = alias.weights.keys().chain([&alias.version]);
            versions.into_iter().any(|version| self.number(version) == Some(number))
        };
        self.aliases.iter().filter(|(_, alias)| leads(alias)).map(|(name, _)| name.as_str()).collect()
    }

    pub fn remove(&mut self, number: u64) -> Option<Arc<Hosted>> {
        self.labels.retain(|_, labelled| *labelled != number);
        self.policies.remove(&number.to_string());
        self.versions.remove(&number)
    }

    /// An alias as it is to be kept: versions as numbers, a new revision. `Err` is Lambda's.
    pub fn checked(&self, function_arn: &str, name: &str, alias: &Alias) -> Result<Alias, AwsError> {
        let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if name.is_empty() || name.len() > 128 || !is_word || name.bytes().all(|b| b.is_ascii_digit()) {
            let pattern = "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)";
            return Err(constraint(name, "name", pattern));
        }
        if !self.aliases.contains_key(name) && self.aliases.len() >= ALIASES_MAX {
            return Err(invalid(format!("A function may have {ALIASES_MAX} aliases here.")));
        }
        if alias.description.chars().count() > 256 {
            return Err(constraint(
                &alias.description,
                "description",
                "Member must have length less than or equal to 256",
            ));
        }
        let number = |version: &str| {
            let number = self.number(version).filter(|number| self.versions.contains_key(number));
            let gone = || crate::error::not_found(format!("Function not found: {function_arn}:{version}"));
            number.map(|number| number.to_string()).ok_or_else(gone)
        };
        let version = if alias.version == LATEST { LATEST.to_owned() } else { number(&alias.version)? };
        if !alias.weights.is_empty() {
            check_weights(&version, alias)?;
        }
        let weights = alias.weights.iter().map(|(version, weight)| Ok((number(version)?, *weight)));
        let weights: BTreeMap<String, f64> = weights.collect::<Result<_, AwsError>>()?;
        if weights.contains_key(&version) {
            return Err(invalid("An alias cannot route traffic to the same function version twice"));
        }
        Ok(Alias { version, weights, description: alias.description.clone(), revision_id: ids::uuid() })
    }
}

fn check_weights(version: &str, alias: &Alias) -> Result<(), AwsError> {
    if version == LATEST {
        return Err(invalid("$LATEST is not supported for an alias pointing to more than 1 version"));
    }
    if alias.weights.len() > 1 {
        return Err(invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    match alias.weights.values().find(|weight| !(0.0..=1.0).contains(*weight)) {
        Some(weight) => {
            let bound = "Member must have value between 0.0 and 1.0";
            Err(constraint(&weight.to_string(), "routingConfig.additionalVersionWeights", bound))
        }
        None => Ok(()),
    }
}

/// What a qualifier leads to.
pub(crate) enum Target {
    Latest,
    Version(Arc<Hosted>),
}

impl Policy {
    /// `Err` is Lambda's.
    pub fn check_size(&self) -> Result<(), AwsError> {
        let bytes = serde_json::to_vec(&self.statements).map_or(0, |text| text.len());
        if bytes <= POLICY_BYTES_MAX {
            return Ok(());
        }
        let text = format!("The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES_MAX}).");
        Err(AwsError::client("PolicyLengthExceededException", text))
    }
}

/// What is kept of a function's versions, to be made into [`Published`] when there is a host for them.
pub(crate) struct Loaded {
    published: Published,
    pub versions: BTreeMap<u64, FunctionInfo>,
}

impl Loaded {
    pub fn published(self, versions: BTreeMap<u64, Arc<Hosted>>) -> Published {
        Published { versions, ..self.published }
    }
}

pub(crate) fn load(folder: &Path, home: &Home, layers: &Layers) -> Result<Loaded, OpenError> {
    let path = folder.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok(Loaded { published: Published::default(), versions: BTreeMap::new() });
        }
        Err(source) => return Err(OpenError::Io { doing: "read", path, source }),
    };
    parse(&text, folder, home, layers).map_err(|reason| OpenError::Unreadable { path, reason })
}

fn parse(text: &[u8], folder: &Path, home: &Home, layers: &Layers) -> Result<Loaded, String> {
    let kept: KeptPublished = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if kept.format != FORMAT {
        return Err(format!("its format is {}, this version knows {FORMAT}", kept.format));
    }
    let KeptPublished { next, versions, labels, aliases, policies, .. } = kept;
    let info = |(number, kept): (u64, Kept)| Ok((number, kept::info(kept, Some(number), folder, home, layers)?));
    Ok(Loaded {
        versions: versions.into_iter().map(info).collect::<Result<_, String>>()?,
        published: Published { next, labels, aliases, policies, versions: BTreeMap::new() },
    })
}

pub(crate) fn save(published: &Published, folder: &Path) -> Result<(), Error> {
    let kept = KeptPublished {
        format: FORMAT,
        next: published.next,
        versions: published.versions.iter().map(|(number, version)| (*number, kept::form(&version.info()))).collect(),
        labels: published.labels.clone(),
        aliases: published.aliases.clone(),
        policies: published.policies.clone(),
    };
    write_whole(folder, FILE, &serde_json::to_vec_pretty(&kept).expect("plain data always serialises"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_share_calls_by_weight() {
        let alias = |version: &str, weights: &[(&str, f64)]| Alias {
            version: version.into(),
            weights: weights.iter().map(|(version, weight)| (version.to_string(), *weight)).collect(),
            ..Alias::default()
        };
        let published = Published::default();
        let check = |alias: Alias, expect: &str| {
            let error = published.checked("arn", "live", &alias).unwrap_err();
            assert!(error.message.contains(expect), "{}", error.message);
        };
        check(alias("7", &[]), "Function not found: arn:7");
        check(alias("$LATEST", &[("1", 0.5)]), "$LATEST is not supported");
        assert!(published.checked("arn", "live", &alias("$LATEST", &[])).is_ok());
        assert!(published.checked("arn", "12", &alias("$LATEST", &[])).is_err(), "a number is a version");
        let picked = |chance: f64| match published.picked(&alias("$LATEST", &[("1", 0.25)]), chance) {
            Some(Target::Latest) => "latest",
            Some(Target::Version(_)) => "version",
            None => "a version that is not there",
        };
        assert_eq!((picked(0.25), picked(0.24)), ("latest", "a version that is not there"));
    }
}

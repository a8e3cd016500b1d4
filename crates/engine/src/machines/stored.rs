//! State machines and revisions as the store keeps them: JSON, each with the number of its format.
//!
//! In the first format a machine had no versions and no aliases, and its settings lay in the machine; since the second
//! they are part of the revision. What the first format did not know is empty.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use interpreter::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::versions::{Alias, Version};
use super::{Machine, Revision};
use crate::error::Error;
use crate::log;
use crate::record::unreadable;

const FIRST_FORMAT: u32 = 1;
const FORMAT: u32 = 2;

#[derive(Serialize, Deserialize)]
pub struct StoredMachine {
    format: u32,
    pub number: u32,
    name: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    pub is_deleting: bool,
    tags: BTreeMap<String, String>,
    pub revision: u32,
    /// Of the machine's current revision; only in the first format.
    #[serde(default, skip_serializing)]
    pub settings: Map<String, Value>,
    #[serde(default)]
    versions: Vec<Version>,
    #[serde(default)]
    last_version: u32,
    #[serde(default)]
    aliases: Vec<Alias>,
}

#[derive(Serialize, Deserialize)]
struct StoredRevision {
    format: u32,
    machine_arn: String,
    machine_name: String,
    role_arn: String,
    created_at: Timestamp,
    definition: String,
    #[serde(default)]
    settings: Map<String, Value>,
}

impl StoredMachine {
    pub fn loaded(self, arn: Arc<str>, revision: Arc<Revision>) -> Machine {
        Machine {
            number: self.number,
            arn,
            name: self.name.into(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            is_deleting: self.is_deleting,
            tags: self.tags,
            revision,
            versions: self.versions,
            last_version: self.last_version,
            aliases: self.aliases.into_iter().map(|alias| (alias.name.clone(), alias)).collect(),
        }
    }
}

pub fn machine(arn: &str, bytes: &[u8]) -> Result<StoredMachine, Error> {
    read(&format!("state machine {arn}"), bytes)
}

pub fn machine_bytes(machine: &Machine) -> Vec<u8> {
    json(&StoredMachine {
        format: FORMAT,
        number: machine.number,
        name: machine.name.to_string(),
        created_at: machine.created_at,
        updated_at: machine.updated_at,
        is_deleting: machine.is_deleting,
        tags: machine.tags.clone(),
        revision: machine.revision.number,
        settings: Map::new(),
        versions: machine.versions.clone(),
        last_version: machine.last_version,
        aliases: machine.aliases.values().cloned().collect(),
    })
}

pub fn revision(what: &str, machine: u32, number: u32, bytes: &[u8]) -> Result<Revision, Error> {
    let stored: StoredRevision = read(what, bytes)?;
    Ok(Revision {
        machine,
        number,
        machine_arn: stored.machine_arn.into(),
        machine_name: stored.machine_name.into(),
        role_arn: stored.role_arn.into(),
        text: stored.definition.into(),
        is_logged: log::is_on(&stored.settings),
        is_express: super::is_express(&stored.settings),
        settings: stored.settings,
        created_at: stored.created_at,
        parsed: OnceLock::new(),
    })
}

pub fn revision_bytes(revision: &Revision) -> Vec<u8> {
    json(&StoredRevision {
        format: FORMAT,
        machine_arn: revision.machine_arn.to_string(),
        machine_name: revision.machine_name.to_string(),
        role_arn: revision.role_arn.to_string(),
        created_at: revision.created_at,
        definition: revision.text.to_string(),
        settings: revision.settings.clone(),
    })
}

/// The format first: a later one may have any members.
fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Form {
        format: u32,
    }
    let failed = |why: &dyn Display| unreadable(what, &why.to_string());
    let form: Form = serde_json::from_slice(bytes).map_err(|error| failed(&error))?;
    if !(FIRST_FORMAT..=FORMAT).contains(&form.format) {
        return Err(failed(&format!("its format is {}, this version knows {FIRST_FORMAT} to {FORMAT}", form.format)));
    }
    serde_json::from_slice(bytes).map_err(|error| failed(&error))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a state machine is plain data, which always serialises")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first format wrote them.
    const FIRST_MACHINE: &str = r#"{"format":1,"number":7,"name":"m","created_at":5,"updated_at":6,"is_deleting":false,
        "tags":{"k":"v"},"settings":{"tracingConfiguration":{"enabled":true}},"revision":2}"#;
    const FIRST_REVISION: &str = r#"{"format":1,"machine_arn":"arn:m","machine_name":"m","role_arn":"role",
        "created_at":6,"definition":"{}"}"#;

    #[test]
    fn the_first_format_is_read() {
        let revision = Arc::new(revision("r", 7, 2, FIRST_REVISION.as_bytes()).unwrap());
        assert_eq!((&*revision.text, revision.settings.len()), ("{}", 0));
        let stored = machine("arn:m", FIRST_MACHINE.as_bytes()).unwrap();
        assert_eq!(stored.settings.len(), 1);
        let machine = stored.loaded("arn:m".into(), revision);
        assert_eq!((machine.number, machine.updated_at, machine.last_version), (7, Timestamp(6), 0));
        assert!(machine.versions.is_empty() && machine.aliases.is_empty());
    }

    #[test]
    fn what_is_written_is_read() {
        let revision = Arc::new(revision("r", 7, 2, FIRST_REVISION.as_bytes()).unwrap());
        let mut machine = machine("arn:m", FIRST_MACHINE.as_bytes()).unwrap().loaded("arn:m".into(), revision.clone());
        machine.publish("first".into(), Timestamp(8)).unwrap();
        let bytes = machine_bytes(&machine);
        let again = super::machine("arn:m", &bytes).unwrap().loaded("arn:m".into(), revision);
        assert_eq!((again.versions, again.last_version), (machine.versions, 1));
    }

    #[test]
    fn another_format_is_refused() {
        for (bytes, why) in [
            (&br#"{"format":3,"what":[]}"#[..], "its format is 3, this version knows 1 to 2"),
            (br#"{"format":2}"#, "missing field"),
            (b"", "EOF"),
        ] {
            let refused = machine("arn:m", bytes).err().unwrap().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}

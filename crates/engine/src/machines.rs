//! State machines: the AWS resource that names definitions.
//!
//! A definition is kept as a *revision* of its own, written once, with the role and the settings that belong to it:
//! an execution names its revision and keeps it, whatever becomes of the machine (invariant 8 of the design). A
//! [version](versions) is a revision that was published; an alias shares starts out among versions. Machines are few
//! and change rarely, so they are held in memory and written through, one commit per change, under an epoch of their
//! own.
//!
//! The calls here wait for the disk; async callers use a blocking thread.

mod stored;
mod versions;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use interpreter::Timestamp;
use store::{Batch, Epoch, Order, ShardId, Space, Store, Write, commit_and_wait, prefix_end};

use crate::error::{ChangeError, Error};
use crate::keys;
use crate::limits::MACHINES_MAX;
use crate::log;
use crate::record::{ExecutionStatus, unreadable};

pub use versions::{Alias, AliasUpdate, NewAlias, Route, Target, Version};

/// The shard id under which machines are written. Executions use small ones.
const REGISTRY: ShardId = ShardId(u16::MAX);

/// What a caller gives to create a state machine. The definition has been validated.
#[derive(Clone, Debug)]
pub struct NewMachine {
    pub arn: String,
    pub name: String,
    pub role_arn: String,
    pub definition: String,
    pub tags: BTreeMap<String, String>,
    /// Members that are stored and shown as they came: logging, tracing, encryption.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug)]
pub struct Machine {
    /// Never used twice, so that executions of a deleted machine do not come back with a new one of its name.
    pub number: u32,
    pub arn: Arc<str>,
    pub name: Arc<str>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub is_deleting: bool,
    pub tags: BTreeMap<String, String>,
    pub revision: Arc<Revision>,
    /// In the order of their numbers.
    pub versions: Vec<Version>,
    /// The number of the newest version there was. Numbers are used once.
    pub last_version: u32,
    pub aliases: BTreeMap<Arc<str>, Alias>,
}

/// What a caller changes of a state machine. The definition has been validated.
#[derive(Clone, Debug, Default)]
pub struct Update {
    pub definition: Option<String>,
    pub role_arn: Option<String>,
    /// Members that are set anew; others stay.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Publish the outcome as a version with this description.
    pub publish: Option<String>,
}

/// A machine after a change, and the version that was published with it.
#[derive(Clone, Debug)]
pub struct Updated {
    pub machine: Arc<Machine>,
    pub version: Option<Version>,
}

/// A definition as some executions run it. Immutable.
#[derive(Debug)]
pub struct Revision {
    pub machine: u32,
    pub number: u32,
    pub machine_arn: Arc<str>,
    pub machine_name: Arc<str>,
    pub role_arn: Arc<str>,
    pub text: Arc<str>,
    /// Members that are stored and shown as they came: logging, tracing, encryption.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Are the events of its executions logged? Told by the settings.
    pub is_logged: bool,
    /// Its executions are Express executions. Told by the settings.
    pub is_express: bool,
    pub created_at: Timestamp,
    parsed: OnceLock<Result<asl::Definition, String>>,
}

impl Revision {
    /// The definition, parsed at the first use. It was valid when it was stored; a later version that no longer
    /// accepts it says so here.
    pub fn definition(&self) -> Result<&asl::Definition, Error> {
        self.parsed
            .get_or_init(|| match asl::parse::parse(&self.text) {
                Ok(parsed) => Ok(parsed.definition),
                Err(diagnostics) => Err(diagnostics.iter().map(|d| d.to_string()).collect::<Vec<_>>().join("; ")),
            })
            .as_ref()
            .map_err(|why| unreadable(&format!("revision {} of {}", self.number, self.machine_arn), why))
    }

    fn with_settings(&self, settings: serde_json::Map<String, serde_json::Value>) -> Revision {
        Revision {
            machine: self.machine,
            number: self.number,
            machine_arn: self.machine_arn.clone(),
            machine_name: self.machine_name.clone(),
            role_arn: self.role_arn.clone(),
            text: self.text.clone(),
            is_logged: log::is_on(&settings),
            is_express: is_express(&settings),
            settings,
            created_at: self.created_at,
            parsed: OnceLock::new(),
        }
    }

    /// AWS's `revisionId`: `INITIAL` until the first update.
    pub fn id(&self) -> String {
        match self.number {
            0 => "INITIAL".to_owned(),
            number => format!("00000000-0000-4000-8000-{:08x}{number:04x}", self.machine),
        }
    }
}

/// The type of a machine is kept among its settings, and it is there only if it is not the usual one.
pub(crate) fn is_express(settings: &serde_json::Map<String, serde_json::Value>) -> bool {
    settings.get("type").is_some_and(|name| name == "EXPRESS")
}

/// The outcome of a create, which is idempotent.
#[derive(Debug)]
pub enum Created {
    New(Arc<Machine>),
    /// The same machine is there already.
    Same(Arc<Machine>),
    /// Another definition or other settings are there under this name.
    Conflict(Arc<Machine>),
    /// The machine of this name is on its way out.
    Deleting,
    TooMany,
}

/// All state machines. Cheap to clone through its `Arc`.
pub struct Machines {
    store: Arc<dyn Store>,
    epoch: Epoch,
    by_arn: RwLock<BTreeMap<Arc<str>, Arc<Machine>>>,
    /// Held while a change is written, so that changes are one after another.
    writing: Mutex<u32>,
    revisions: Mutex<HashMap<(u32, u32), Weak<Revision>>>,
}

impl Machines {
    pub fn open(store: Arc<dyn Store>) -> Result<Machines, Error> {
        let epoch = store.take(REGISTRY)?;
        let machines =
            Machines { store, epoch, by_arn: RwLock::default(), writing: Mutex::new(0), revisions: Mutex::default() };
        let rows = machines.store.scan(Space::Machines, &[]..&prefix_end(&[]), Order::Ascending, usize::MAX)?;
        let mut loaded = BTreeMap::new();
        let mut last = 0;
        let mut swept = Vec::new();
        for (key, value) in rows {
            let arn: Arc<str> = String::from_utf8_lossy(&key).into();
            let mut stored = stored::machine(&arn, &value)?;
            last = last.max(stored.number);
            if stored.is_deleting && machines.is_swept(&stored)? {
                swept.push((stored.number, key));
                continue;
            }
            let mut revision = machines.revision(stored.number, stored.revision)?;
            if !stored.settings.is_empty() {
                revision = machines.keep(revision.with_settings(std::mem::take(&mut stored.settings)));
            }
            loaded.insert(arn.clone(), Arc::new(stored.loaded(arn, revision)));
        }
        machines.forget(swept.into_iter().filter(|(number, _)| *number != last).map(|(_, key)| key))?;
        *machines.by_arn.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        *machines.writing.lock().unwrap_or_else(PoisonError::into_inner) = last;
        Ok(machines)
    }

    /// Has retention taken the revisions of a deleted machine away, and so all that there was of it?
    fn is_swept(&self, stored: &stored::StoredMachine) -> Result<bool, Error> {
        Ok(self.store.get(Space::Definitions, &keys::definition(stored.number, stored.revision))?.is_none())
    }

    /// Deletes the rows of machines of which nothing else is left. The newest of all stays, for its number. Only while
    /// nothing runs: a machine of the same name would have its row in the same place.
    fn forget(&self, keys: impl Iterator<Item = Vec<u8>>) -> Result<(), Error> {
        let writes: Vec<Write> = keys.map(|key| Write::Delete { space: Space::Machines, key }).collect();
        if writes.is_empty() {
            return Ok(());
        }
        Ok(commit_and_wait(&*self.store, Batch { shard: REGISTRY, epoch: self.epoch, writes })?)
    }

    /// The machine of this ARN. One that is being deleted is there until its last execution has ended.
    pub fn get(&self, arn: &str) -> Result<Option<Arc<Machine>>, Error> {
        let Some(machine) = self.read().get(arn).cloned() else { return Ok(None) };
        if machine.is_deleting && !self.has_running(machine.number)? {
            return Ok(None);
        }
        Ok(Some(machine))
    }

    /// All machines in the order of their ARNs.
    pub fn list(&self) -> Vec<Arc<Machine>> {
        self.read().values().filter(|machine| !machine.is_deleting).cloned().collect()
    }

    /// The numbers of the machines that take executions.
    pub(crate) fn live_numbers(&self) -> HashSet<u32> {
        self.read().values().filter(|machine| !machine.is_deleting).map(|machine| machine.number).collect()
    }

    /// The number of the newest machine. Numbers begin at 1 and are used once.
    pub(crate) fn last_number(&self) -> u32 {
        *self.lock()
    }

    pub fn create(&self, new: NewMachine, now: Timestamp) -> Result<Created, Error> {
        self.create_and_publish(new, None, now)
    }

    /// Creates a machine; with a description, its first revision is published as version 1 in the same commit.
    pub fn create_and_publish(
        &self,
        new: NewMachine,
        publish: Option<String>,
        now: Timestamp,
    ) -> Result<Created, Error> {
        let mut last = self.lock();
        if let Some(there) = self.get(&new.arn)? {
            return Ok(match () {
                () if there.is_deleting => Created::Deleting,
                () if there.is_made_from(&new, publish.as_deref()) => Created::Same(there),
                () => Created::Conflict(there),
            });
        }
        if self.list().len() >= MACHINES_MAX {
            return Ok(Created::TooMany);
        }
        let number = *last + 1;
        // Used up even if the commit fails: its outcome may be unknown.
        *last = number;
        let revision = Revision {
            machine: number,
            number: 0,
            machine_arn: new.arn.as_str().into(),
            machine_name: new.name.as_str().into(),
            role_arn: new.role_arn.into(),
            text: new.definition.into(),
            is_logged: log::is_on(&new.settings),
            is_express: is_express(&new.settings),
            settings: new.settings,
            created_at: now,
            parsed: OnceLock::new(),
        };
        let versions: Vec<Version> = publish
            .map(|description| Version { number: 1, revision: 0, created_at: now, description })
            .into_iter()
            .collect();
        let machine = Machine {
            number,
            arn: new.arn.into(),
            name: new.name.into(),
            created_at: now,
            updated_at: now,
            is_deleting: false,
            tags: new.tags,
            revision: self.keep(revision),
            last_version: versions.len() as u32,
            versions,
            aliases: BTreeMap::new(),
        };
        self.write(machine, true).map(Created::New)
    }

    /// A new revision, unless nothing of it is new; running executions keep theirs.
    pub fn update(&self, arn: &str, update: Update, now: Timestamp) -> Result<Updated, ChangeError> {
        let _writing = self.lock();
        let there = self.changeable(arn)?;
        let mut machine = Machine::clone(&there);
        machine.updated_at = now;
        let revision = there.revised(&update, now);
        let is_revised = revision.is_some();
        if let Some(revision) = revision {
            machine.revision = self.keep(revision);
        }
        let version = update.publish.map(|description| machine.publish(description, now)).transpose()?;
        Ok(Updated { machine: self.write(machine, is_revised)?, version })
    }

    /// Changes the tags as one step: nobody else changes them meanwhile. The refusal of `edit` changes nothing.
    pub fn edit_tags<R>(
        &self,
        arn: &str,
        edit: impl FnOnce(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, R>,
    ) -> Result<Option<Result<(), R>>, Error> {
        let _writing = self.lock();
        let Some(there) = self.get(arn)?.filter(|machine| !machine.is_deleting) else { return Ok(None) };
        let tags = match edit(there.tags.clone()) {
            Ok(tags) => tags,
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        self.write(Machine { tags, ..Machine::clone(&there) }, false)?;
        Ok(Some(Ok(())))
    }

    /// Marks the machine and takes its versions and aliases away; its executions end at their next transition.
    pub fn delete(&self, arn: &str) -> Result<Option<Arc<Machine>>, Error> {
        let _writing = self.lock();
        let Some(there) = self.get(arn)?.filter(|machine| !machine.is_deleting) else { return Ok(None) };
        let machine =
            Machine { is_deleting: true, versions: Vec::new(), aliases: BTreeMap::new(), ..Machine::clone(&there) };
        self.write(machine, false).map(Some)
    }

    /// A revision by its numbers, for executions that keep an older one.
    pub fn revision(&self, machine: u32, number: u32) -> Result<Arc<Revision>, Error> {
        if let Some(revision) = self.cached(machine, number) {
            return Ok(revision);
        }
        let what = || format!("revision {number} of state machine {machine}");
        let bytes = self
            .store
            .get(Space::Definitions, &keys::definition(machine, number))?
            .ok_or_else(|| unreadable(&what(), &"it is not there"))?;
        Ok(self.keep(stored::revision(&what(), machine, number, &bytes)?))
    }

    /// The machine, if it can be changed.
    fn changeable(&self, arn: &str) -> Result<Arc<Machine>, ChangeError> {
        let there = self.get(arn)?.ok_or(ChangeError::MachineDoesNotExist)?;
        if there.is_deleting {
            return Err(ChangeError::MachineDeleting);
        }
        Ok(there)
    }

    fn cached(&self, machine: u32, number: u32) -> Option<Arc<Revision>> {
        let revisions = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
        revisions.get(&(machine, number)).and_then(Weak::upgrade)
    }

    /// Shares a revision with everybody who asks for it later.
    fn keep(&self, revision: Revision) -> Arc<Revision> {
        let revision = Arc::new(revision);
        let mut revisions = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
        revisions.retain(|_, kept| kept.strong_count() > 0);
        revisions.insert((revision.machine, revision.number), Arc::downgrade(&revision));
        revision
    }

    fn write(&self, machine: Machine, with_revision: bool) -> Result<Arc<Machine>, Error> {
        let key = machine.arn.as_bytes().to_vec();
        let mut writes = vec![Write::Put { space: Space::Machines, key, value: stored::machine_bytes(&machine) }];
        if with_revision {
            let revision = &machine.revision;
            let key = keys::definition(machine.number, revision.number);
            writes.push(Write::Put { space: Space::Definitions, key, value: stored::revision_bytes(revision) });
        }
        commit_and_wait(&*self.store, Batch { shard: REGISTRY, epoch: self.epoch, writes })?;
        let machine = Arc::new(machine);
        let mut by_arn = self.by_arn.write().unwrap_or_else(PoisonError::into_inner);
        by_arn.insert(machine.arn.clone(), machine.clone());
        Ok(machine)
    }

    fn has_running(&self, machine: u32) -> Result<bool, Error> {
        for listed in [machine, keys::CHILDREN | machine] {
            let prefix = keys::listing_prefix(listed, ExecutionStatus::Running);
            if !self.store.scan(Space::Listing, &prefix..&prefix_end(&prefix), Order::Ascending, 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Arc<str>, Arc<Machine>>> {
        self.by_arn.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the newest machine, and the right to change one.
    fn lock(&self) -> std::sync::MutexGuard<'_, u32> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    /// Would this request have made this machine? The role and the tags are not looked at, as on AWS.
    fn is_made_from(&self, new: &NewMachine, publish: Option<&str>) -> bool {
        let first =
            self.versions.first().filter(|version| version.revision == 0 && version.created_at == self.created_at);
        *self.revision.text == *new.definition
            && self.revision.settings == new.settings
            && first.map(|version| version.description.as_str()) == publish
    }

    /// The revision that an update makes; none if nothing would be new in it.
    fn revised(&self, update: &Update, now: Timestamp) -> Option<Revision> {
        let there = &self.revision;
        let text: Arc<str> = update.definition.as_deref().map_or_else(|| there.text.clone(), Into::into);
        let role_arn: Arc<str> = update.role_arn.as_deref().map_or_else(|| there.role_arn.clone(), Into::into);
        let mut settings = there.settings.clone();
        settings.extend(update.settings.clone());
        // The first update that names a role gives the machine a revision id in any case: so recorded.
        let is_first_role = there.number == 0 && update.role_arn.is_some();
        let is_same = text == there.text && role_arn == there.role_arn && settings == there.settings;
        if is_same && !is_first_role {
            return None;
        }
        Some(Revision {
            machine: self.number,
            number: there.number + 1,
            machine_arn: self.arn.clone(),
            machine_name: self.name.clone(),
            role_arn,
            text,
            is_logged: log::is_on(&settings),
            is_express: is_express(&settings),
            settings,
            created_at: now,
            parsed: OnceLock::new(),
        })
    }
}

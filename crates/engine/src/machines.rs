//! State machines: the AWS resource that names definitions.
//!
//! A definition is kept as a *revision* of its own, written once: an execution names its revision and keeps it,
//! whatever becomes of the machine (invariant 8 of the design). Machines are few and change rarely, so they are
//! held in memory and written through, one commit per change, under an epoch of their own.
//!
//! The calls here wait for the disk; async callers use a blocking thread.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use interpreter::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Batch, Epoch, Order, ShardId, Space, Store, Write, commit_and_wait, prefix_end};

use crate::error::Error;
use crate::keys;
use crate::limits::MACHINES_MAX;
use crate::record::{ExecutionStatus, unreadable};

/// The shard id under which machines are written. Executions use small ones.
const REGISTRY: ShardId = ShardId(u16::MAX);
const FORMAT: u32 = 1;

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
    pub settings: serde_json::Map<String, serde_json::Value>,
    pub revision: Arc<Revision>,
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

    /// AWS's `revisionId`: `INITIAL` until the first update.
    pub fn id(&self) -> String {
        match self.number {
            0 => "INITIAL".to_owned(),
            number => format!("00000000-0000-4000-8000-{:08x}{number:04x}", self.machine),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredMachine {
    format: u32,
    number: u32,
    name: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    is_deleting: bool,
    tags: BTreeMap<String, String>,
    settings: serde_json::Map<String, serde_json::Value>,
    revision: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredRevision {
    format: u32,
    machine_arn: String,
    machine_name: String,
    role_arn: String,
    created_at: Timestamp,
    definition: String,
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
        for (key, value) in rows {
            let arn: Arc<str> = String::from_utf8_lossy(&key).into();
            let stored: StoredMachine =
                serde_json::from_slice(&value).map_err(|error| unreadable(&format!("state machine {arn}"), &error))?;
            last = last.max(stored.number);
            let revision = machines.revision(stored.number, stored.revision)?;
            loaded.insert(arn.clone(), Arc::new(load(arn, stored, revision)));
        }
        *machines.by_arn.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        *machines.writing.lock().unwrap_or_else(PoisonError::into_inner) = last;
        Ok(machines)
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
        let mut last = self.lock();
        if let Some(there) = self.get(&new.arn)? {
            return Ok(match () {
                () if there.is_deleting => Created::Deleting,
                () if *there.revision.text == *new.definition && there.settings == new.settings => Created::Same(there),
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
            created_at: now,
            parsed: OnceLock::new(),
        };
        let machine = Machine {
            number,
            arn: new.arn.into(),
            name: new.name.into(),
            created_at: now,
            updated_at: now,
            is_deleting: false,
            tags: new.tags,
            settings: new.settings,
            revision: self.keep(revision),
        };
        self.write(machine, true).map(Created::New)
    }

    /// A new revision; running executions keep theirs. Without a change of definition or role the revision stays.
    pub fn update(
        &self,
        arn: &str,
        definition: Option<String>,
        role_arn: Option<String>,
        settings: serde_json::Map<String, serde_json::Value>,
        now: Timestamp,
    ) -> Result<Option<Arc<Machine>>, Error> {
        let _writing = self.lock();
        let Some(there) = self.get(arn)?.filter(|machine| !machine.is_deleting) else { return Ok(None) };
        let text: Arc<str> = definition.map_or_else(|| there.revision.text.clone(), Into::into);
        let role_arn: Arc<str> = role_arn.map_or_else(|| there.revision.role_arn.clone(), Into::into);
        // The first update gives the machine a revision id in any case: so recorded.
        let changed = there.revision.number == 0 || text != there.revision.text || role_arn != there.revision.role_arn;
        let mut machine = Machine::clone(&there);
        machine.updated_at = now;
        machine.settings.extend(settings);
        if changed {
            machine.revision = self.keep(Revision {
                machine: there.number,
                number: there.revision.number + 1,
                machine_arn: there.arn.clone(),
                machine_name: there.name.clone(),
                role_arn,
                text,
                created_at: now,
                parsed: OnceLock::new(),
            });
        }
        self.write(machine, changed).map(Some)
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

    /// Marks the machine; its executions end at their next transition.
    pub(crate) fn delete(&self, arn: &str) -> Result<Option<Arc<Machine>>, Error> {
        let _writing = self.lock();
        let Some(there) = self.get(arn)?.filter(|machine| !machine.is_deleting) else { return Ok(None) };
        self.write(Machine { is_deleting: true, ..Machine::clone(&there) }, false).map(Some)
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
        let stored: StoredRevision = serde_json::from_slice(&bytes).map_err(|error| unreadable(&what(), &error))?;
        check_format(stored.format, &what())?;
        Ok(self.keep(Revision {
            machine,
            number,
            machine_arn: stored.machine_arn.into(),
            machine_name: stored.machine_name.into(),
            role_arn: stored.role_arn.into(),
            text: stored.definition.into(),
            created_at: stored.created_at,
            parsed: OnceLock::new(),
        }))
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
        let revision = &machine.revision;
        let stored = StoredMachine {
            format: FORMAT,
            number: machine.number,
            name: machine.name.to_string(),
            created_at: machine.created_at,
            updated_at: machine.updated_at,
            is_deleting: machine.is_deleting,
            tags: machine.tags.clone(),
            settings: machine.settings.clone(),
            revision: revision.number,
        };
        let mut writes =
            vec![Write::Put { space: Space::Machines, key: machine.arn.as_bytes().to_vec(), value: json(&stored) }];
        if with_revision {
            let stored = StoredRevision {
                format: FORMAT,
                machine_arn: machine.arn.to_string(),
                machine_name: machine.name.to_string(),
                role_arn: revision.role_arn.to_string(),
                created_at: revision.created_at,
                definition: revision.text.to_string(),
            };
            let key = keys::definition(machine.number, revision.number);
            writes.push(Write::Put { space: Space::Definitions, key, value: json(&stored) });
        }
        commit_and_wait(&*self.store, Batch { shard: REGISTRY, epoch: self.epoch, writes })?;
        let machine = Arc::new(machine);
        let mut by_arn = self.by_arn.write().unwrap_or_else(PoisonError::into_inner);
        by_arn.insert(machine.arn.clone(), machine.clone());
        Ok(machine)
    }

    fn has_running(&self, machine: u32) -> Result<bool, Error> {
        let prefix = keys::listing_prefix(machine, ExecutionStatus::Running);
        let rows = self.store.scan(Space::Listing, &prefix..&prefix_end(&prefix), Order::Ascending, 1)?;
        Ok(!rows.is_empty())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Arc<str>, Arc<Machine>>> {
        self.by_arn.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the newest machine, and the right to change one.
    fn lock(&self) -> std::sync::MutexGuard<'_, u32> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(arn: Arc<str>, stored: StoredMachine, revision: Arc<Revision>) -> Machine {
    Machine {
        number: stored.number,
        arn,
        name: stored.name.into(),
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        is_deleting: stored.is_deleting,
        tags: stored.tags,
        settings: stored.settings,
        revision,
    }
}

fn check_format(found: u32, what: &str) -> Result<(), Error> {
    if found == FORMAT {
        return Ok(());
    }
    Err(unreadable(what, &format!("its format is {found}, this version knows {FORMAT}")))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a state machine is plain data, which always serialises")
}

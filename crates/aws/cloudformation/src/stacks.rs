//! The stacks of a data folder: what each was made from, what belongs to it, and what happened to it.
//!
//! ```text
//! stacks/NAME.json    a stack, written whole or not at all
//! ```
//!
//! A stack is written down as *in progress*, with everything that it had and everything that it is to have, before anything is made,
//! and again when all is done. So whatever a crash leaves behind belongs to a stack, and the next deployment or deletion
//! finds it. Whoever makes and removes things ([`Stack::begin`], [`Stack::end`]) is not known here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::plan::{Output, Plan, Resource};

/// Raise it with every change that older versions cannot read.
const FORMAT: u32 = 1;

/// The newest events of a stack; what is older goes.
const EVENTS_MAX: usize = 1000;

/// AWS's limit of an account and region.
pub const STACKS_MAX: usize = 2000;

/// Ours, where AWS keeps them for 90 days: deleted stacks that are still told of; the oldest go first.
const DELETED_MAX: usize = 200;

/// AWS's names of what a stack, or one of its resources, is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    ReviewInProgress,
    CreateInProgress,
    CreateComplete,
    CreateFailed,
    UpdateInProgress,
    UpdateComplete,
    UpdateFailed,
    RollbackInProgress,
    RollbackComplete,
    RollbackFailed,
    UpdateRollbackInProgress,
    UpdateRollbackComplete,
    UpdateRollbackFailed,
    DeleteInProgress,
    DeleteComplete,
    DeleteFailed,
    DeleteSkipped,
}

impl Status {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Status::ReviewInProgress => "REVIEW_IN_PROGRESS",
            Status::CreateInProgress => "CREATE_IN_PROGRESS",
            Status::CreateComplete => "CREATE_COMPLETE",
            Status::CreateFailed => "CREATE_FAILED",
            Status::UpdateInProgress => "UPDATE_IN_PROGRESS",
            Status::UpdateComplete => "UPDATE_COMPLETE",
            Status::UpdateFailed => "UPDATE_FAILED",
            Status::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Status::RollbackComplete => "ROLLBACK_COMPLETE",
            Status::RollbackFailed => "ROLLBACK_FAILED",
            Status::UpdateRollbackInProgress => "UPDATE_ROLLBACK_IN_PROGRESS",
            Status::UpdateRollbackComplete => "UPDATE_ROLLBACK_COMPLETE",
            Status::UpdateRollbackFailed => "UPDATE_ROLLBACK_FAILED",
            Status::DeleteInProgress => "DELETE_IN_PROGRESS",
            Status::DeleteComplete => "DELETE_COMPLETE",
            Status::DeleteFailed => "DELETE_FAILED",
            Status::DeleteSkipped => "DELETE_SKIPPED",
        }
    }

    pub fn is_in_progress(self) -> bool {
        self.name().ends_with("_IN_PROGRESS")
    }
}

/// One stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    pub id: String,
    pub name: String,
    pub status: Status,
    pub reason: Option<String>,
    pub description: Option<String>,
    /// The text it was deployed from.
    pub template: String,
    /// What was given, not the defaults.
    pub parameters: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub outputs: Vec<StackOutput>,
    /// In the order in which they are made.
    pub resources: Vec<StackResource>,
    /// Oldest first.
    pub events: Vec<Event>,
    pub created_ms: u64,
    pub updated_ms: Option<u64>,
    pub deleted_ms: Option<u64>,
    /// What CloudFormation's clients said of it.
    #[serde(default)]
    pub said: Said,
}

/// What is kept of a stack for those who ask for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    pub capabilities: Vec<String>,
    pub notification_arns: Vec<String>,
    pub role_arn: Option<String>,
    pub disable_rollback: bool,
    /// It may not be deleted.
    pub is_protected: bool,
    /// The change set that was executed last.
    pub change_set_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackOutput {
    pub key: String,
    pub value: String,
    pub description: Option<String>,
    pub export_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackResource {
    pub logical_id: String,
    pub kind: String,
    pub physical_id: String,
    pub status: Status,
    pub reason: Option<String>,
    pub updated_ms: u64,
    /// It stays when the stack lets it go.
    pub retained: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at_ms: u64,
    pub logical_id: String,
    pub kind: String,
    pub physical_id: String,
    pub status: Status,
    pub reason: Option<String>,
}

/// The type of the events that are about the stack itself.
pub const STACK: &str = "AWS::CloudFormation::Stack";

impl Stack {
    /// A stack of which nothing is there yet.
    pub fn new(id: String, name: String, at_ms: u64) -> Stack {
        Stack {
            id,
            name,
            status: Status::ReviewInProgress,
            reason: None,
            description: None,
            template: String::new(),
            parameters: BTreeMap::new(),
            tags: BTreeMap::new(),
            outputs: Vec::new(),
            resources: Vec::new(),
            events: Vec::new(),
            created_ms: at_ms,
            updated_ms: None,
            deleted_ms: None,
            said: Said::default(),
        }
    }

    /// Whether something was ever deployed and is there.
    pub fn is_there(&self) -> bool {
        self.status != Status::DeleteComplete
    }

    /// Sets the status, and says so in an event.
    pub fn set(&mut self, status: Status, reason: Option<String>, at_ms: u64) {
        (self.status, self.reason) = (status, reason.clone());
        let (logical_id, physical_id) = (self.name.clone(), self.id.clone());
        self.tell(Event { at_ms, logical_id, kind: STACK.to_owned(), physical_id, status, reason });
    }

    /// From now on it is to be what the plan says. What it had and the plan does not name stays listed until [`Stack::end`], and is what
    /// this gives back: what the deployment has to remove, in that order.
    pub fn begin(&mut self, plan: &Plan, at_ms: u64) -> Vec<StackResource> {
        let is_new = matches!(
            self.status,
            Status::ReviewInProgress
                | Status::CreateInProgress
                | Status::CreateFailed
                | Status::RollbackComplete
                | Status::DeleteComplete
        );
        let status = match self.status {
            Status::UpdateRollbackInProgress => self.status,
            _ if is_new => Status::CreateInProgress,
            _ => Status::UpdateInProgress,
        };
        if is_new {
            (self.created_ms, self.updated_ms, self.deleted_ms) = (at_ms, None, None);
        } else {
            self.updated_ms = Some(at_ms);
        }
        self.description = plan.description.clone();
        self.set(status, None, at_ms);
        let is_planned = |old: &StackResource| plan.resources.iter().any(|new| is_same(old, new));
        let gone: Vec<StackResource> = self.resources.iter().rev().filter(|old| !is_planned(old)).cloned().collect();
        for planned in &plan.resources {
            match self.resources.iter_mut().find(|old| is_same(old, planned)) {
                Some(old) => {
                    old.logical_id.clone_from(&planned.logical_id);
                    old.retained = planned.retained;
                }
                None => self.resources.push(StackResource {
                    logical_id: planned.logical_id.clone(),
                    kind: planned.kind.clone(),
                    physical_id: planned.physical_id.clone(),
                    status: Status::CreateInProgress,
                    reason: None,
                    updated_ms: at_ms,
                    retained: planned.retained,
                }),
            }
        }
        gone
    }

    /// Everything of the plan is there, and what it does not name is gone.
    ///
    /// `left` could not be removed: it stays a part of the stack, and the next deployment tries again.
    pub fn end(&mut self, plan: &Plan, left: &[StackResource], outputs: Vec<StackOutput>, at_ms: u64) {
        let was_new = self.status == Status::CreateInProgress;
        let is_left = |resource: &StackResource| {
            left.iter().any(|other| (&other.kind, &other.physical_id) == (&resource.kind, &resource.physical_id))
        };
        let place = |resource: &StackResource| plan.resources.iter().position(|planned| is_same(resource, planned));
        self.resources.retain(|resource| place(resource).is_some() || is_left(resource));
        // What is left comes last, in the order that it had.
        self.resources.sort_by_key(|resource| place(resource).unwrap_or(usize::MAX));
        let mut events = Vec::new();
        for resource in &mut self.resources {
            if resource.status != Status::CreateInProgress {
                continue;
            }
            (resource.status, resource.reason, resource.updated_ms) = (Status::CreateComplete, None, at_ms);
            events.push(Event::of(resource));
        }
        events.into_iter().for_each(|event| self.tell(event));
        self.outputs = outputs;
        let status = match self.status {
            Status::UpdateRollbackInProgress => Status::UpdateRollbackComplete,
            _ if was_new => Status::CreateComplete,
            _ => Status::UpdateComplete,
        };
        self.set(status, None, at_ms);
    }

    pub fn tell(&mut self, event: Event) {
        self.events.push(event);
        let too_many = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..too_many);
    }
}

impl Event {
    /// What has become of a resource.
    pub fn of(resource: &StackResource) -> Event {
        Event {
            at_ms: resource.updated_ms,
            logical_id: resource.logical_id.clone(),
            kind: resource.kind.clone(),
            physical_id: resource.physical_id.clone(),
            status: resource.status,
            reason: resource.reason.clone(),
        }
    }
}

impl From<&Output> for StackOutput {
    fn from(output: &Output) -> StackOutput {
        StackOutput {
            key: output.logical_id.clone(),
            value: output.value.clone(),
            description: output.description.clone(),
            export_name: output.export_name.clone(),
        }
    }
}

/// Whether both are the same thing; only a name in the template may differ.
fn is_same(there: &StackResource, planned: &Resource) -> bool {
    there.kind == planned.kind && there.physical_id == planned.physical_id
}

/// All stacks of a data folder; cheap to clone.
#[derive(Clone)]
pub struct Stacks(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    stacks: Mutex<BTreeMap<String, Stack>>,
}

#[derive(Serialize, Deserialize)]
struct Kept<S> {
    format: u32,
    stack: S,
}

impl Stacks {
    /// Reads the stacks of a folder, which is made if it is not there.
    ///
    /// # Errors
    /// Text for a person, naming the file that cannot be read.
    pub fn open(folder: &Path) -> Result<Stacks, String> {
        let wrong = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        fs::create_dir_all(folder).map_err(|error| wrong(folder, &error))?;
        let mut stacks = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(|error| wrong(folder, &error))? {
            let path = entry.map_err(|error| wrong(folder, &error))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let stack = fs::read(&path).map_err(|error| wrong(&path, &error)).and_then(|text| {
                parse(&text).map_err(|why| {
                    format!("{}: {why}. Move the file away and deploy the template again", path.display())
                })
            })?;
            stacks.insert(stack.name.clone(), stack);
        }
        Ok(Stacks(Arc::new(Inner { folder: folder.to_owned(), stacks: Mutex::new(stacks) })))
    }

    /// Also one that was deleted.
    pub fn get(&self, name: &str) -> Option<Stack> {
        self.all().get(name).cloned()
    }

    /// In the order of their names, also those that were deleted.
    pub fn list(&self) -> Vec<Stack> {
        self.all().values().cloned().collect()
    }

    /// The stack that a thing belongs to.
    pub fn owner(&self, kind: &str, physical_id: &str) -> Option<String> {
        let has = |resource: &StackResource| resource.kind == kind && resource.physical_id == physical_id;
        let stacks = self.all();
        let owner = stacks.values().find(|stack| stack.is_there() && stack.resources.iter().any(has));
        owner.map(|stack| stack.name.clone())
    }

    /// What all stacks but this one export, by name.
    pub fn exports_without(&self, name: &str) -> BTreeMap<String, String> {
        let stacks = self.all();
        let others = stacks.values().filter(|stack| stack.is_there() && stack.name != name);
        let outputs = others.flat_map(|stack| &stack.outputs);
        outputs.filter_map(|output| Some((output.export_name.clone()?, output.value.clone()))).collect()
    }

    /// Keeps the stack as it is now; it is on the disk when this returns. Blocks.
    pub fn put(&self, stack: &Stack) -> io::Result<()> {
        let mut stacks = self.all();
        let (fresh, path) = (self.file(&stack.name, "new"), self.file(&stack.name, "json"));
        let text = serde_json::to_vec_pretty(&Kept { format: FORMAT, stack })?;
        let mut file = File::create(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.0.folder)?.sync_all()?;
        stacks.insert(stack.name.clone(), stack.clone());
        let mut deleted: Vec<(u64, String)> = stacks
            .values()
            .filter(|stack| !stack.is_there())
            .map(|stack| (stack.deleted_ms.unwrap_or_default(), stack.name.clone()))
            .collect();
        deleted.sort_unstable();
        for (_, name) in &deleted[..deleted.len().saturating_sub(DELETED_MAX)] {
            fs::remove_file(self.file(name, "json"))?;
            stacks.remove(name);
        }
        Ok(())
    }

    /// Can there be no further stack?
    pub fn is_full(&self) -> bool {
        self.all().values().filter(|stack| stack.is_there()).count() >= STACKS_MAX
    }

    /// Forgets the stack; what belongs to it stays. Blocks.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        let mut stacks = self.all();
        if stacks.remove(name).is_some() {
            fs::remove_file(self.file(name, "json"))?;
        }
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Stack>> {
        self.0.stacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stack's name has letters, digits and hyphens only.
    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.0.folder.join(format!("{name}.{extension}"))
    }
}

fn parse(text: &[u8]) -> Result<Stack, String> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } = serde_json::from_slice(text).map_err(|error| format!("it is damaged: {error}"))?;
    if format != FORMAT {
        return Err(format!("its format is {format}, this version knows {FORMAT}"));
    }
    let kept: Kept<Stack> = serde_json::from_slice(text).map_err(|error| format!("it is damaged: {error}"))?;
    match crate::names::is_stack_name(&kept.stack.name) {
        true => Ok(kept.stack),
        false => Err(format!("\"{}\" is not a stack's name", kept.stack.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Position;

    fn planned(names: &[&str]) -> Plan {
        let resource = |name: &&str| Resource {
            logical_id: name.to_uppercase(),
            kind: "AWS::DynamoDB::Table".into(),
            physical_id: (*name).into(),
            at: Position::START,
            retained: name.starts_with("kept"),
        };
        Plan { resources: names.iter().map(resource).collect(), ..Plan::default() }
    }

    fn ids(resources: &[StackResource]) -> Vec<&str> {
        resources.iter().map(|resource| resource.physical_id.as_str()).collect()
    }

    #[test]
    fn an_update_removes_what_is_no_longer_named() {
        let mut stack = Stack::new("id".into(), "trip".into(), 1);
        type Names = &'static [&'static str];
        // The resources of a plan; what is to be removed; what is listed meanwhile; what the stack is then.
        let rows: [(Names, Names, Names, Status); 4] = [
            (&["a", "b", "c"], &[], &["a", "b", "c"], Status::CreateComplete),
            (&["a", "b", "c"], &[], &["a", "b", "c"], Status::UpdateComplete),
            (&["d", "b"], &["c", "a"], &["a", "b", "c", "d"], Status::UpdateComplete),
            (&[], &["b", "d"], &["d", "b"], Status::UpdateComplete),
        ];
        for (at_ms, (names, removed, meanwhile, status)) in rows.into_iter().enumerate() {
            let plan = planned(names);
            let gone = stack.begin(&plan, at_ms as u64);
            assert_eq!(ids(&gone), removed);
            assert_eq!(ids(&stack.resources), meanwhile);
            assert!(stack.status.is_in_progress());
            stack.end(&plan, &[], Vec::new(), at_ms as u64);
            assert_eq!((ids(&stack.resources), stack.status), (names.to_vec(), status));
        }
    }

    #[test]
    fn what_could_not_be_removed_is_tried_again() {
        let mut stack = Stack::new("id".into(), "trip".into(), 1);
        for (names, left, expect) in [(["a", "b"], 0, vec!["a", "b"]), (["c", "d"], 1, vec!["c", "d", "b"])] {
            let plan = planned(&names);
            let gone = stack.begin(&plan, 2);
            stack.end(&plan, &gone[..left], Vec::new(), 3);
            assert_eq!(ids(&stack.resources), expect);
        }
        assert_eq!(ids(&stack.begin(&planned(&["c", "d"]), 4)), ["b"]);
    }

    #[test]
    fn stacks_are_kept() {
        let folder = std::env::temp_dir().join(format!("ithaca-stacks-{}", std::process::id()));
        let stacks = Stacks::open(&folder).unwrap();
        let mut stack = Stack::new("id".into(), "trip".into(), 1);
        let plan = planned(&["a"]);
        stack.begin(&plan, 2);
        stacks.put(&stack).unwrap();
        stack.end(&plan, &[], Vec::new(), 3);
        stacks.put(&stack).unwrap();
        let again = Stacks::open(&folder).unwrap();
        assert_eq!(again.list(), [stack]);
        assert_eq!(again.owner("AWS::DynamoDB::Table", "a").as_deref(), Some("trip"));
        assert_eq!(again.owner("AWS::DynamoDB::Table", "b"), None);
        fs::write(folder.join("other.json"), r#"{"format":9}"#).unwrap();
        let refused = Stacks::open(&folder).err().unwrap();
        assert!(refused.contains("other.json: its format is 9"), "{refused}");
        again.forget("trip").unwrap();
        assert!(!folder.join("trip.json").exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn deleted_stacks_are_bounded() {
        let folder = std::env::temp_dir().join(format!("ithaca-stacks-deleted-{}", std::process::id()));
        let stacks = Stacks::open(&folder).unwrap();
        stacks.put(&Stack::new("id".into(), "alive".into(), 0)).unwrap();
        for at_ms in 0..DELETED_MAX as u64 + 3 {
            let mut stack = Stack::new("id".into(), format!("trip{at_ms}"), at_ms);
            stack.set(Status::DeleteComplete, None, at_ms);
            stack.deleted_ms = Some(at_ms);
            stacks.put(&stack).unwrap();
        }
        for all in [&stacks, &Stacks::open(&folder).unwrap()] {
            assert_eq!(all.list().len(), DELETED_MAX + 1);
            assert!(all.get("alive").is_some() && all.get("trip2").is_none() && all.get("trip3").is_some());
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn events_are_bounded() {
        let mut stack = Stack::new("id".into(), "trip".into(), 0);
        (0..EVENTS_MAX as u64 + 5).for_each(|at_ms| stack.set(Status::UpdateComplete, None, at_ms));
        assert_eq!((stack.events.len(), stack.events[0].at_ms), (EVENTS_MAX, 5));
    }
}

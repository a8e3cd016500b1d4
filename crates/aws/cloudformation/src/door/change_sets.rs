//! Change sets: what a stack would become, looked at before it does. A file of JSON each.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_protocol::Error;
use aws_protocol::query::Form;
use aws_protocol::xml::Xml;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::act::{self, OnFailure};
use super::describe::iso;
use super::request::{self, Asked};
use super::{CloudFormation, PAGE_MAX, Wanted, invalid, page};
use crate::Plan;
use crate::stacks::{Said, Stack, Status};
use crate::summary::summary;

/// Ours, of one stack: AWS names none.
const SETS_MAX: usize = 100;

/// AWS's words for a change set without changes.
const NOTHING: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

/// What would happen to one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `Add`, `Modify`, `Remove`
    action: String,
    logical_id: String,
    physical_id: Option<String>,
    kind: String,
    /// It would be another thing afterwards.
    is_replaced: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeSet {
    id: String,
    name: String,
    stack_id: String,
    #[serde(with = "Kept")]
    pub wanted: Wanted,
    said: Said,
    description: Option<String>,
    is_create: bool,
    rolls_back: bool,
    created_ms: u64,
    changes: Vec<Change>,
    /// Why it cannot be executed.
    failure: Option<String>,
    #[serde(default)]
    execution: Execution,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Execution {
    #[default]
    Available,
    Executed,
}

/// The form of what is wanted on the disk.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Wanted")]
struct Kept {
    stack_name: String,
    template: String,
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

pub struct ChangeSets {
    folder: PathBuf,
    /// By the name of the stack and their own.
    sets: Mutex<BTreeMap<(String, String), ChangeSet>>,
}

impl ChangeSets {
    pub fn open(folder: &Path) -> Result<ChangeSets, String> {
        let mut sets = BTreeMap::new();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        for entry in entries.map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let wrong = |why: &dyn std::fmt::Display| {
                format!("{}: {why}. Remove the file: the change set is lost", path.display())
            };
            let text = fs::read(&path).map_err(|error| wrong(&error))?;
            let set: ChangeSet = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
            sets.insert((set.wanted.stack_name.clone(), set.name.clone()), set);
        }
        Ok(ChangeSets { folder: folder.to_owned(), sets: Mutex::new(sets) })
    }

    fn all<T>(&self, look: impl FnOnce(&mut BTreeMap<(String, String), ChangeSet>) -> T) -> T {
        look(&mut self.sets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(&self, stack: &str) -> Vec<ChangeSet> {
        let mut found: Vec<ChangeSet> =
            self.all(|sets| sets.values().filter(|set| set.wanted.stack_name == stack).cloned().collect());
        found.sort_by_key(|set| set.created_ms);
        found
    }

    /// By name and stack, or by its id.
    fn find(&self, stack: Option<&str>, name: &str) -> Option<ChangeSet> {
        self.all(|sets| {
            let is_it = |set: &&ChangeSet| {
                set.id == name || set.name == name && stack.is_some_and(|stack| set.wanted.stack_name == stack)
            };
            sets.values().find(is_it).cloned()
        })
    }

    fn put(&self, set: ChangeSet) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.path(&set.wanted.stack_name, &set.name);
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(&set)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.folder)?.sync_all()?;
        self.all(|sets| sets.insert((set.wanted.stack_name.clone(), set.name.clone()), set));
        Ok(())
    }

    fn forget(&self, set: &ChangeSet) {
        self.all(|sets| sets.remove(&(set.wanted.stack_name.clone(), set.name.clone())));
        // One that comes back after a crash is deleted again.
        let _ = fs::remove_file(self.path(&set.wanted.stack_name, &set.name));
    }

    pub fn forget_of(&self, stack: &str) {
        self.of(stack).iter().for_each(|set| self.forget(set));
    }

    /// Both names together may be longer than a file's.
    fn path(&self, stack: &str, name: &str) -> PathBuf {
        self.folder.join(format!("{:016x}.json", crate::names::hash(&format!("{stack}/{name}"))))
    }
}

impl CloudFormation {
    pub(super) fn change_set(&self, form: &Form) -> Result<ChangeSet, Error> {
        let name = form.required("ChangeSetName")?;
        let stack = form.get("StackName").map(super::name_of);
        self.0.change_sets.find(stack, name).ok_or_else(|| {
            Error::with_status(
                http::StatusCode::NOT_FOUND,
                "ChangeSetNotFound",
                format!("ChangeSet [{name}] does not exist"),
            )
        })
    }
}

impl CloudFormation {
    pub(super) fn newest_change_set(&self, stack: &str) -> Option<ChangeSet> {
        self.0.change_sets.of(stack).pop()
    }
}

/// What a template would change of a stack; empty if nothing.
pub fn changes(door: &CloudFormation, stack: &Stack, wanted: &Wanted, plan: &Plan) -> Vec<Change> {
    let before = Wanted {
        stack_name: stack.name.clone(),
        template: stack.template.clone(),
        parameters: stack.parameters.clone(),
        tags: stack.tags.clone(),
    };
    // What was cannot always be read again: then everything may be different.
    let old = door.0.deploys.read(&before).ok();
    let (old_parts, new_parts) = (old.as_ref().map(parts), parts(plan));
    let written = |text: &str| summary(text).map(|summary| summary.resources).unwrap_or_default();
    let (old_written, new_written) = (written(&before.template), written(&wanted.template));
    let mut found = Vec::new();
    for resource in &plan.resources {
        let id = &resource.logical_id;
        let change = |action: &str, physical_id: Option<&String>| Change {
            action: action.into(),
            logical_id: id.clone(),
            physical_id: physical_id.cloned(),
            kind: resource.kind.clone(),
            is_replaced: physical_id.is_some_and(|known| *known != resource.physical_id),
        };
        match stack.resources.iter().find(|known| known.logical_id == *id) {
            None => found.push(change("Add", None)),
            Some(known) => {
                let is_same = known.physical_id == resource.physical_id
                    && old_written.get(id) == new_written.get(id)
                    && old_parts.as_ref().is_some_and(|old| old.get(id) == new_parts.get(id));
                if !is_same {
                    found.push(change("Modify", Some(&known.physical_id)));
                }
            }
        }
    }
    for known in stack.resources.iter().rev() {
        if plan.resources.iter().all(|resource| resource.logical_id != known.logical_id) {
            found.push(Change {
                action: "Remove".into(),
                logical_id: known.logical_id.clone(),
                physical_id: Some(known.physical_id.clone()),
                kind: known.kind.clone(),
                is_replaced: false,
            });
        }
    }
    // Outputs and tags are changes of the stack itself.
    let outputs = |plan: &Plan| -> Vec<(String, String, Option<String>)> {
        plan.outputs.iter().map(|it| (it.logical_id.clone(), it.value.clone(), it.export_name.clone())).collect()
    };
    let is_other = before.tags != wanted.tags || old.as_ref().is_none_or(|old| outputs(old) != outputs(plan));
    if found.is_empty() && is_other {
        found.push(Change {
            action: "Modify".into(),
            logical_id: stack.name.clone(),
            physical_id: Some(stack.id.clone()),
            kind: crate::stacks::STACK.into(),
            is_replaced: false,
        });
    }
    found
}

/// What a plan holds of each logical id, without the places in its text.
fn parts(plan: &Plan) -> BTreeMap<String, Vec<Json>> {
    let mut found: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    let Ok(Json::Object(lists)) = serde_json::to_value(plan) else { return found };
    for (name, list) in lists {
        if matches!(name.as_str(), "notes" | "outputs") {
            continue;
        }
        for mut part in list.as_array().cloned().unwrap_or_default() {
            without_places(&mut part);
            if let Some(id) = part["logical_id"].as_str().map(str::to_owned) {
                found.entry(id).or_default().push(part);
            }
        }
    }
    found
}

fn without_places(value: &mut Json) {
    match value {
        Json::Object(members) => {
            members.remove("at");
            members.values_mut().for_each(without_places);
        }
        Json::Array(items) => items.iter_mut().for_each(without_places),
        _ => {}
    }
}

pub fn create(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let name = form.required("ChangeSetName")?.to_owned();
    if !crate::names::is_stack_name(&name) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'changeSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )));
    }
    let stack_name = super::name_of(form.required("StackName")?).to_owned();
    request::check_stack_name(&stack_name)?;
    let known = door.find(&stack_name);
    let is_new = known.as_ref().is_none_or(|stack| stack.status == Status::ReviewInProgress);
    let is_create = match form.get("ChangeSetType").unwrap_or("UPDATE") {
        "CREATE" if !is_new => {
            let status = known.map(|stack| stack.status.name()).unwrap_or_default();
            let message = format!(
                "Stack [{stack_name}] already exists and cannot be created again with the changeSet [{name}]. It is in {status}"
            );
            return Err(invalid(message));
        }
        "CREATE" => true,
        "UPDATE" if is_new => return Err(invalid(format!("Stack [{stack_name}] does not exist"))),
        "UPDATE" => false,
        "IMPORT" => return Err(invalid("Ithaca does not serve change sets of the type IMPORT: deploy the template")),
        other => {
            return Err(invalid(format!(
                "1 validation error detected: Value '{other}' at 'changeSetType' failed to satisfy constraint: Member must satisfy enum value set: [CREATE, UPDATE, IMPORT]"
            )));
        }
    };
    let before = known.as_ref().filter(|_| !is_create);
    if let Some(stack) = before {
        act::check_updatable(stack)?;
    }
    let Asked { wanted, said, .. } = request::read(door, form, before, true)?;
    let plan = door.0.deploys.read(&wanted).map_err(invalid)?;
    let sets = &door.0.change_sets;
    // One that was executed is gone on AWS. The command line names its own after the second, so two fast deployments have one name.
    if sets.find(Some(&stack_name), &name).is_some_and(|set| set.execution == Execution::Available) {
        let message = format!(
            "ChangeSet {name} cannot be created due to a mismatch with existing attribute(s): it is there already"
        );
        return Err(Error::client("AlreadyExistsException", message));
    }
    if sets.of(&stack_name).len() >= SETS_MAX {
        return Err(Error::client("LimitExceededException", format!("The stack has {SETS_MAX} change sets already")));
    }
    let _change = door.lock();
    let now = door.0.deploys.now_ms();
    let stack = match known {
        Some(stack) => stack,
        None => {
            door.check_room(None)?;
            let mut stack = Stack::new(plan.stack_id.clone(), plan.stack_name.clone(), now);
            stack.set(Status::ReviewInProgress, Some("User Initiated".into()), now);
            door.put(&stack)?;
            stack
        }
    };
    let changes = if is_create { changes_of_new(&plan) } else { changes(door, &stack, &wanted, &plan) };
    let is_empty = changes.is_empty() && !act::is_failed(&stack) && !is_create;
    let id = door.0.home.arn("cloudformation", &format!("changeSet/{name}/{:08x}-{now:012x}", stack.events.len()));
    let set = ChangeSet {
        id: id.clone(),
        name,
        stack_id: stack.id.clone(),
        wanted,
        said,
        description: form.get("Description").map(str::to_owned),
        is_create,
        rolls_back: OnFailure::of(form)? != OnFailure::DoNothing,
        created_ms: now,
        changes,
        failure: is_empty.then(|| NOTHING.to_owned()),
        execution: Execution::Available,
    };
    sets.put(set).map_err(|error| Error::internal(format!("the change set cannot be written down: {error}")))?;
    let mut xml = Xml::default();
    xml.text("Id", id).text("StackId", stack.id);
    Ok(xml)
}

fn changes_of_new(plan: &Plan) -> Vec<Change> {
    let added = |resource: &crate::Resource| Change {
        action: "Add".into(),
        logical_id: resource.logical_id.clone(),
        physical_id: None,
        kind: resource.kind.clone(),
        is_replaced: false,
    };
    plan.resources.iter().map(added).collect()
}

impl ChangeSet {
    fn status(&self) -> &'static str {
        if self.failure.is_some() { "FAILED" } else { "CREATE_COMPLETE" }
    }

    fn execution_status(&self) -> &'static str {
        match (self.execution, &self.failure) {
            (_, Some(_)) => "UNAVAILABLE",
            (Execution::Available, None) => "AVAILABLE",
            (Execution::Executed, None) => "EXECUTE_COMPLETE",
        }
    }

    fn members(&self, xml: &mut Xml) {
        xml.text("StackId", &self.stack_id).text("StackName", &self.wanted.stack_name);
        xml.text("ChangeSetId", &self.id).text("ChangeSetName", &self.name);
        xml.text("ExecutionStatus", self.execution_status()).text("Status", self.status());
        xml.optional("StatusReason", self.failure.as_ref()).text("CreationTime", iso(self.created_ms));
        xml.optional("Description", self.description.as_ref()).text("IncludeNestedStacks", false);
    }
}

pub fn describe(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let set = door.change_set(form)?;
    let (changes, next) = page(form, set.changes.iter().collect(), PAGE_MAX)?;
    let hidden = summary(&set.wanted.template).map(|summary| summary.parameters).unwrap_or_default();
    let mut xml = Xml::default();
    set.members(&mut xml);
    xml.members("Parameters", &set.wanted.parameters, |xml, (name, value)| {
        let is_hidden = hidden.iter().any(|declared| declared.name == *name && declared.is_hidden);
        xml.text("ParameterKey", name).text("ParameterValue", if is_hidden { "****" } else { value });
    });
    xml.texts("NotificationARNs", &set.said.notification_arns).texts("Capabilities", &set.said.capabilities);
    xml.element("RollbackConfiguration", |_| {});
    xml.members("Tags", &set.wanted.tags, |xml, (key, value)| {
        xml.text("Key", key).text("Value", value);
    });
    xml.members("Changes", changes, |xml, change| {
        xml.text("Type", "Resource").element("ResourceChange", |xml| {
            xml.text("Action", &change.action).text("LogicalResourceId", &change.logical_id);
            xml.optional("PhysicalResourceId", change.physical_id.as_ref()).text("ResourceType", &change.kind);
            if change.action == "Modify" {
                xml.text("Replacement", if change.is_replaced { "True" } else { "False" });
            }
            xml.texts("Scope", (change.action == "Modify").then_some("Properties")).element("Details", |_| {});
        });
    });
    xml.optional("NextToken", next);
    Ok(xml)
}

pub fn execute(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let mut set = door.change_set(form)?;
    let not_now = |why: &str| {
        let message = format!("ChangeSet [{}] cannot be executed in its current status of [{why}]", set.id);
        Error::client("InvalidChangeSetStatus", message)
    };
    if set.failure.is_some() {
        return Err(not_now(set.status()));
    }
    if set.execution == Execution::Executed {
        return Err(not_now(set.execution_status()));
    }
    // What it says was looked at when it was made; objects may have gone since.
    let plan = door.0.deploys.read(&set.wanted).map_err(invalid)?;
    let status = if set.is_create { Status::CreateInProgress } else { Status::UpdateInProgress };
    let rolls_back = set.rolls_back && !form.is_true("DisableRollback");
    let on_failure = if rolls_back { OnFailure::Rollback } else { OnFailure::DoNothing };
    let said = Said { change_set_id: Some(set.id.clone()), disable_rollback: !rolls_back, ..set.said.clone() };
    door.begin(plan, set.wanted.clone(), said, on_failure, status)?;
    set.execution = Execution::Executed;
    // All others were about what the stack was before.
    door.0.change_sets.of(&set.wanted.stack_name).iter().filter(|other| other.name != set.name).for_each(|other| {
        door.0.change_sets.forget(other);
    });
    let put = door.0.change_sets.put(set);
    put.map_err(|error| Error::internal(format!("the change set cannot be written down: {error}")))?;
    Ok(Xml::default())
}

pub fn delete(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let name = form.required("ChangeSetName")?;
    // One that is not there is deleted already.
    if let Some(set) = door.0.change_sets.find(form.get("StackName").map(super::name_of), name) {
        door.0.change_sets.forget(&set);
    }
    Ok(Xml::default())
}

pub fn list(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let stack = door.named(form)?;
    let (sets, next) = page(form, door.0.change_sets.of(&stack.name), PAGE_MAX)?;
    let mut xml = Xml::default();
    xml.members("Summaries", &sets, |xml, set| set.members(xml));
    xml.optional("NextToken", next);
    Ok(xml)
}

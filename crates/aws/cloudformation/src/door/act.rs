//! What changes a stack: checked and written down before the answer, carried out after it.

use aws_protocol::Error;
use aws_protocol::query::Form;
use aws_protocol::xml::Xml;

use super::request::{self, Asked};
use super::{CloudFormation, Removal, Wanted, invalid};
use crate::Plan;
use crate::stacks::{STACKS_MAX, Said, Stack, Status};
use crate::summary::summary;

/// AWS's words for an update that would change nothing.
pub const NO_UPDATES: &str = "No updates are to be performed.";

/// What becomes of a create that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    Rollback,
    Delete,
    DoNothing,
}

impl OnFailure {
    pub fn of(form: &Form) -> Result<OnFailure, Error> {
        let named = form.get("OnFailure").or_else(|| form.get("OnStackFailure"));
        match (named, form.is_true("DisableRollback")) {
            (Some(_), true) => Err(invalid("Specify only one of OnFailure and DisableRollback")),
            (Some("DELETE"), _) => Ok(OnFailure::Delete),
            (Some("DO_NOTHING"), _) | (None, true) => Ok(OnFailure::DoNothing),
            (Some("ROLLBACK") | None, _) => Ok(OnFailure::Rollback),
            (Some(other), _) => Err(invalid(format!(
                "1 validation error detected: Value '{other}' at 'onFailure' failed to satisfy constraint: Member must satisfy enum value set: [ROLLBACK, DELETE, DO_NOTHING]"
            ))),
        }
    }
}

/// A deployment that is begun.
pub struct Job {
    pub plan: Plan,
    pub wanted: Wanted,
    /// What the stack was made of before, if there was something.
    pub before: Option<Wanted>,
    pub on_failure: OnFailure,
    /// Logical ids of what was there before the stack, which a rollback leaves alone.
    found: Vec<String>,
}

pub fn create(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let on_failure = OnFailure::of(form)?;
    let Asked { wanted, said, .. } = request::read(door, form, None, false)?;
    let plan = door.0.deploys.read(&wanted).map_err(invalid)?;
    let id = door.begin(plan, wanted, said, on_failure, Status::CreateInProgress)?;
    Ok(stack_id(&id))
}

pub fn update(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let before = door.named(form)?;
    check_updatable(&before)?;
    let Asked { wanted, said, .. } = request::read(door, form, Some(&before), false)?;
    let plan = door.0.deploys.read(&wanted).map_err(invalid)?;
    if super::change_sets::changes(door, &before, &wanted, &plan).is_empty() && !is_failed(&before) {
        return Err(invalid(NO_UPDATES));
    }
    let on_failure = OnFailure::of(form)?;
    let id = door.begin(plan, wanted, said, on_failure, Status::UpdateInProgress)?;
    Ok(stack_id(&id))
}

/// Something of it may not be there, so the same template is an update.
pub fn is_failed(stack: &Stack) -> bool {
    matches!(stack.status, Status::CreateFailed | Status::UpdateFailed | Status::UpdateRollbackFailed)
}

fn stack_id(id: &str) -> Xml {
    let mut xml = Xml::default();
    xml.text("StackId", id);
    xml
}

pub fn check_updatable(stack: &Stack) -> Result<(), Error> {
    match stack.status {
        Status::CreateComplete
        | Status::CreateFailed
        | Status::UpdateComplete
        | Status::UpdateFailed
        | Status::UpdateRollbackComplete
        | Status::UpdateRollbackFailed => Ok(()),
        status => Err(invalid(format!("Stack:{} is in {} state and can not be updated.", stack.id, status.name()))),
    }
}

pub fn delete(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    let name = form.required("StackName")?;
    let retained = form.texts("RetainResources");
    let _change = door.lock();
    // One that is not there is deleted already.
    let Some(mut stack) = door.find(name).filter(Stack::is_there) else { return Ok(Xml::default()) };
    if stack.said.is_protected {
        return Err(invalid(format!(
            "Stack [{}] cannot be deleted while TerminationProtection is enabled",
            stack.name
        )));
    }
    if stack.status.is_in_progress() && stack.status != Status::ReviewInProgress {
        let status = stack.status.name();
        return Err(invalid(format!("Stack:{} is in {status} state and can not be deleted now", stack.id)));
    }
    let unknown = retained.iter().find(|id| stack.resources.iter().all(|it| it.logical_id != **id));
    if let Some(unknown) = unknown {
        return Err(invalid(format!("The stack {} has no resource {unknown} to retain", stack.name)));
    }
    check_exports(door, &stack)?;
    stack.status = Status::DeleteInProgress;
    door.put(&stack)?;
    door.0.change_sets.forget_of(&stack.name);
    let removed = door.0.deploys.remove(stack.name.clone(), retained, Removal::Deletion);
    // What it could not remove is in its status.
    door.spawn(async move { drop(removed.await) });
    Ok(Xml::default())
}

/// What others import stays.
fn check_exports(door: &CloudFormation, stack: &Stack) -> Result<(), Error> {
    let exports: Vec<&str> = stack.outputs.iter().filter_map(|output| output.export_name.as_deref()).collect();
    if exports.is_empty() {
        return Ok(());
    }
    for other in door.stacks().list().iter().filter(|other| other.is_there() && other.name != stack.name) {
        let imports = summary(&other.template).map(|summary| summary.imports).unwrap_or_default();
        if let Some(used) = exports.iter().find(|export| imports.iter().any(|import| import == **export)) {
            let message = format!("Export {used} cannot be deleted as it is in use by {}", other.name);
            return Err(invalid(message));
        }
    }
    Ok(())
}

pub fn protect(door: &CloudFormation, form: &Form) -> Result<Xml, Error> {
    form.required("EnableTerminationProtection")?;
    let _change = door.lock();
    let mut stack = door.named(form)?;
    stack.said.is_protected = form.is_true("EnableTerminationProtection");
    door.put(&stack)?;
    Ok(stack_id(&stack.id))
}

impl CloudFormation {
    /// Is there room for a stack, unless it is there?
    pub(super) fn check_room(&self, known: Option<&Stack>) -> Result<(), Error> {
        if known.is_some_and(Stack::is_there) || !self.stacks().is_full() {
            return Ok(());
        }
        let message = format!("Limit for stack has been exceeded: there are {STACKS_MAX} already");
        Err(Error::client("LimitExceededException", message))
    }

    /// Writes a stack down as in progress and lets the work begin. Gives its id.
    pub(super) fn begin(
        &self,
        plan: Plan,
        wanted: Wanted,
        said: Said,
        on_failure: OnFailure,
        status: Status,
    ) -> Result<String, Error> {
        let change = self.lock();
        let known = self.stacks().get(&wanted.stack_name);
        self.check_room(known.as_ref())?;
        let (mut stack, before) = match known {
            Some(stack) if status == Status::CreateInProgress => match stack.status {
                Status::DeleteComplete => {
                    (Stack::new(plan.stack_id.clone(), plan.stack_name.clone(), self.0.deploys.now_ms()), None)
                }
                Status::ReviewInProgress => (stack, None),
                _ => {
                    let message = format!("Stack [{}] already exists", stack.name);
                    return Err(Error::client("AlreadyExistsException", message));
                }
            },
            Some(stack) => {
                check_updatable(&stack)?;
                let before = Wanted {
                    stack_name: stack.name.clone(),
                    template: stack.template.clone(),
                    parameters: stack.parameters.clone(),
                    tags: stack.tags.clone(),
                };
                (stack, Some(before))
            }
            None => (Stack::new(plan.stack_id.clone(), plan.stack_name.clone(), self.0.deploys.now_ms()), None),
        };
        let found = match before {
            None => self.0.deploys.found(&plan),
            Some(_) => Vec::new(),
        };
        stack.status = status;
        stack.reason = None;
        stack.said = said;
        // Who looks before the work has its turn sees what it will be.
        stack.template.clone_from(&wanted.template);
        stack.parameters.clone_from(&wanted.parameters);
        stack.tags.clone_from(&wanted.tags);
        self.put(&stack)?;
        drop(change);
        let door = self.clone();
        let job = Job { plan, wanted, before, on_failure, found };
        self.spawn(async move { door.carry_out(job).await });
        Ok(stack.id)
    }

    async fn carry_out(self, job: Job) {
        let Job { plan, wanted, before, on_failure, found } = job;
        let name = wanted.stack_name.clone();
        let Err(why) = self.0.deploys.apply(plan, wanted).await else { return };
        match (before, on_failure) {
            (_, OnFailure::DoNothing) => self.fail(&name, &why, None),
            (None, OnFailure::Delete) => drop(self.0.deploys.remove(name, found, Removal::Deletion).await),
            (None, OnFailure::Rollback) => {
                self.fail(&name, &why, Some(Status::RollbackInProgress));
                // What it could not remove is in its status.
                drop(self.0.deploys.remove(name, found, Removal::Rollback).await);
            }
            (Some(before), _) => {
                self.fail(&name, &why, Some(Status::UpdateRollbackInProgress));
                let door = self.clone();
                let read = tokio::task::spawn_blocking(move || door.0.deploys.read(&before).map(|plan| (plan, before)));
                let read = read.await.unwrap_or_else(|error| Err(error.to_string()));
                let rolled_back = match read {
                    Ok((plan, before)) => self.0.deploys.apply(plan, before).await,
                    Err(why) => Err(why),
                };
                if let Err(why) = rolled_back {
                    self.end(&name, Status::UpdateRollbackFailed, Some(&why));
                }
            }
        }
    }

    /// A deployment that failed before it said so itself says it, and what follows is begun.
    fn fail(&self, name: &str, why: &str, next: Option<Status>) {
        let Some(stack) = self.stacks().get(name) else { return };
        match stack.status {
            Status::CreateInProgress => self.end(name, Status::CreateFailed, Some(why)),
            Status::UpdateInProgress => self.end(name, Status::UpdateFailed, Some(why)),
            _ => {}
        }
        if let Some(next) = next {
            self.end(name, next, Some(why));
        }
    }

    fn end(&self, name: &str, status: Status, why: Option<&str>) {
        let Some(mut stack) = self.stacks().get(name) else { return };
        stack.set(status, why.map(str::to_owned), self.0.deploys.now_ms());
        // A disk that takes nothing is found by whoever writes next; the status is right at the next start.
        let _ = self.stacks().put(&stack);
    }
}

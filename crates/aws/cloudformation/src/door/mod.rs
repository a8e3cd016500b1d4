//! The CloudFormation door: AWS's query protocol over the registry of stacks.
//!
//! ```text
//!   request ── form ── ACTIONS ─┬─ what is: describe.rs ───────────────> answer
//!                               └─ what shall be: read into a plan, checked, written down as in progress ──> answer
//!                                        └─ a job: Deploys::apply, undo, delete ──> the stack's next status
//! ```
//!
//! A template that cannot be deployed is refused when it comes, with every error and its line: nothing is begun. What
//! fails later is rolled back: what a create made goes, an update is followed by the template before it. Statuses and
//! events are AWS's. All of it is on the disk before an answer leaves; what a crash cuts off is found as failed at the
//! next start ([`CloudFormation::open`]).
//!
//! How things are made is behind [`Deploys`]. Stack sets, drift, types, hooks and imports of resources are not served.

mod act;
mod change_sets;
mod describe;
mod request;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_protocol::query::{self, Form};
use aws_protocol::xml::Xml;
use aws_protocol::{Error, Home, Request, Response};
use tokio::sync::watch;

use crate::Plan;
use crate::stacks::{Stack, Stacks, Status};
use change_sets::ChangeSets;

/// The version of the protocol, which no other service has.
pub const VERSION: &str = "2010-05-15";

const SPACE: &str = "http://cloudformation.amazonaws.com/doc/2010-05-15/";

/// What templates that came over the wire are called in errors.
pub const TEMPLATE: &str = "template";

/// How long an answer waits for the work that it begins. Clients look at once and then again after half a minute, and most
/// stacks are there in a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// What begins work.
const WORKS: [&str; 4] = ["CreateStack", "DeleteStack", "ExecuteChangeSet", "UpdateStack"];

/// Entries of one page.
const PAGE_MAX: usize = 100;

pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a stack is to be made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    pub stack_name: String,
    /// The template's text.
    pub template: String,
    /// What was given, not the defaults.
    pub parameters: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// Who makes and removes things. Errors are text for a person. Calls of the first kind block.
pub trait Deploys: Send + Sync {
    fn stacks(&self) -> &Stacks;
    /// The text of an object that an address names.
    fn text_at(&self, url: &str) -> Result<String, String>;
    /// Reads a template and checks all that can be checked before anything is made.
    fn read(&self, wanted: &Wanted) -> Result<Plan, String>;
    /// What a plan would find that no stack has: logical ids of what holds data already.
    fn found(&self, plan: &Plan) -> Vec<String>;
    /// A text with the addresses at which its APIs are served here.
    fn localise(&self, text: &str) -> String;
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// Creates or updates a stack.
    fn apply(&self, plan: Plan, wanted: Wanted) -> Later<Result<(), String>>;
    /// Removes a stack and all that belongs to it but for these logical ids. Its status is `to` and what follows it.
    fn remove(&self, stack: String, retained: Vec<String>, to: Removal) -> Later<Result<(), String>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// `DELETE_IN_PROGRESS`
    Deletion,
    /// `ROLLBACK_IN_PROGRESS`, after a create that failed.
    Rollback,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct CloudFormation(Arc<Inner>);

struct Inner {
    deploys: Box<dyn Deploys>,
    change_sets: ChangeSets,
    home: Home,
    runtime: tokio::runtime::Handle,
    /// Statuses are looked at and changed together.
    change: Mutex<()>,
    /// Rung whenever work has ended.
    ended: watch::Sender<()>,
}

type Action = fn(&CloudFormation, &Form) -> Result<Xml, Error>;

const ACTIONS: &[(&str, Action)] = &[
    ("CreateChangeSet", change_sets::create),
    ("CreateStack", act::create),
    ("DeleteChangeSet", change_sets::delete),
    ("DeleteStack", act::delete),
    ("DescribeChangeSet", change_sets::describe),
    ("DescribeStackEvents", describe::events),
    ("DescribeEvents", describe::operation_events),
    ("DescribeStackResource", describe::resource),
    ("DescribeStackResources", describe::resources),
    ("DescribeStacks", describe::stacks),
    ("ExecuteChangeSet", change_sets::execute),
    ("GetTemplate", describe::template),
    ("GetTemplateSummary", describe::summary),
    ("ListChangeSets", change_sets::list),
    ("ListExports", describe::exports),
    ("ListImports", describe::imports),
    ("ListStackResources", describe::list_resources),
    ("ListStacks", describe::list),
    ("UpdateStack", act::update),
    ("UpdateTerminationProtection", act::protect),
    ("ValidateTemplate", describe::validate),
];

impl CloudFormation {
    /// Opens the change sets of a folder, and tells of the stacks that a crash has left in the middle of something. To be called
    /// within a runtime.
    pub fn open(deploys: impl Deploys + 'static, folder: &Path, home: &Home) -> Result<CloudFormation, String> {
        let inner = Inner {
            deploys: Box::new(deploys),
            change_sets: ChangeSets::open(folder)?,
            home: home.clone(),
            runtime: tokio::runtime::Handle::current(),
            change: Mutex::default(),
            ended: watch::Sender::new(()),
        };
        let door = CloudFormation(Arc::new(inner));
        door.end_what_was_cut_off()?;
        Ok(door)
    }

    /// Answers one request. Never fails: every failure is an AWS error.
    pub async fn handle(&self, request: Request) -> Response {
        let (form, door) = (Form::of(&request), self.clone());
        let headers = request.into_parts().0.headers;
        let action = form.action().to_owned();
        let ended = self.0.ended.subscribe();
        // Files are read and written.
        let answered = tokio::task::spawn_blocking(move || (door.answer(&form), form)).await;
        let answered = match answered {
            Ok((Ok(inside), form)) => {
                if WORKS.contains(&action.as_str()) {
                    let _ = tokio::time::timeout(PATIENCE, self.work_of(&form, ended)).await;
                }
                Ok(Ok(inside))
            }
            other => other.map(|(answered, _)| answered),
        };
        match answered.unwrap_or_else(|error| Err(Error::internal(format!("the request was given up: {error}")))) {
            Ok(inside) => query::answer(&headers, SPACE, &action, |xml| {
                xml.raw(&inside.finish());
            }),
            Err(error) => query::error_answer(&headers, SPACE, &error),
        }
    }

    /// Waits for the end of what a request began.
    async fn work_of(&self, form: &Form, mut ended: watch::Receiver<()>) {
        let set = || self.change_set(form).ok().map(|set| set.wanted.stack_name);
        let Some(name) = set().or_else(|| form.get("StackName").map(|name| name_of(name).to_owned())) else { return };
        while self.stacks().get(&name).is_some_and(|stack| stack.status.is_in_progress()) {
            if ended.changed().await.is_err() {
                return;
            }
        }
    }

    /// Lets work go on after its answer.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let door = self.clone();
        self.0.runtime.spawn(async move {
            work.await;
            door.0.ended.send_replace(());
        });
    }

    fn answer(&self, form: &Form) -> Result<Xml, Error> {
        let action = form.action();
        match ACTIONS.iter().find(|(name, _)| *name == action) {
            Some((_, run)) => run(self, form),
            None => {
                let served: Vec<&str> = ACTIONS.iter().map(|(name, _)| *name).collect();
                let message = format!(
                    "Ithaca does not serve the action '{action}' of CloudFormation. It serves {}",
                    served.join(", ")
                );
                Err(Error::client("InvalidAction", message))
            }
        }
    }

    fn end_what_was_cut_off(&self) -> Result<(), String> {
        for mut stack in self.stacks().list() {
            let status = match stack.status {
                Status::CreateInProgress => Status::CreateFailed,
                Status::UpdateInProgress => Status::UpdateFailed,
                Status::RollbackInProgress => Status::RollbackFailed,
                Status::UpdateRollbackInProgress => Status::UpdateRollbackFailed,
                Status::DeleteInProgress => Status::DeleteFailed,
                _ => continue,
            };
            let reason = format!(
                "Ithaca ended in the middle of this. What is listed as a resource may be there or not: {}",
                if stack.status == Status::DeleteInProgress {
                    "delete the stack again"
                } else {
                    "deploy it again, or delete it"
                }
            );
            stack.set(status, Some(reason), self.0.deploys.now_ms());
            self.stacks().put(&stack).map_err(|error| format!("the stack {}: {error}", stack.name))?;
        }
        Ok(())
    }

    fn stacks(&self) -> &Stacks {
        self.0.deploys.stacks()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, stack: &Stack) -> Result<(), Error> {
        let kept = self.stacks().put(stack);
        kept.map_err(|error| Error::internal(format!("the stack {} cannot be written down: {error}", stack.name)))
    }

    /// The stack of a name, or of an id: one that was deleted is found by its id alone.
    fn find(&self, name_or_id: &str) -> Option<Stack> {
        let name = name_of(name_or_id);
        let stack = self.stacks().get(name)?;
        let is_id = name_or_id.starts_with("arn:");
        (if is_id { stack.id == name_or_id } else { stack.is_there() }).then_some(stack)
    }

    fn named(&self, form: &Form) -> Result<Stack, Error> {
        let name = form.required("StackName")?;
        self.find(name).ok_or_else(|| none(name))
    }
}

/// The name in the id of a stack: `arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/UUID`.
fn name_of(name_or_id: &str) -> &str {
    match name_or_id.split_once(":stack/") {
        Some((_, rest)) => rest.split('/').next().unwrap_or_default(),
        None => name_or_id,
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::client("ValidationError", message)
}

fn none(name: &str) -> Error {
    invalid(format!("Stack with id {} does not exist", name_of(name)))
}

/// A page of a list, from what its token says, and the next token.
fn page<T>(form: &Form, all: Vec<T>, most: usize) -> Result<(Vec<T>, Option<String>), Error> {
    let from = match form.get("NextToken") {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| invalid("NextToken is invalid"))?,
    };
    let next = from.saturating_add(most);
    let token = (all.len() > next).then(|| next.to_string());
    Ok((all.into_iter().skip(from).take(most).collect(), token))
}

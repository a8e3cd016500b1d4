//! A template's plan becomes tables, functions, state machines and APIs; what it no longer names goes.
//!
//! ```text
//! Plan -> prepare   checks and builds, changes nothing
//!      -> apply     stack written down as in progress -> steps, in order -> removals, in reverse -> stack written down as complete
//! ```
//!
//! Applying a plan again is an update: tables keep their items, functions and definitions that are the same stay, running
//! executions keep the definition they have. Order: what is referred to comes first. Every step may be done again, so
//! after a failure or a crash the next deployment goes on from whatever there is.
//!
//! It serves clients meanwhile, and deployments go one after the other.

mod build;
mod machines;
mod published;
mod remove;
mod sdk;
mod steps;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_cloudformation::Plan;
use aws_cloudformation::stacks::{Event, STACK, Stack, StackOutput, StackResource, Stacks, Status};

use serde_json::json;

use crate::deliveries::Deliveries;
use crate::findings;
use crate::front::Front;
use crate::log;
use crate::ports::Apis;
use build::Executables;
pub use build::end_builds;
pub use remove::{is_data, leaves_something};

/// What was deployed, for people.
#[derive(Debug, Default)]
pub struct Deployed {
    pub tables: Vec<String>,
    pub functions: Vec<String>,
    pub buckets: Vec<String>,
    pub activities: Vec<String>,
    pub state_machines: Vec<String>,
    /// Name and address of each API.
    pub apis: Vec<(String, SocketAddr)>,
    pub outputs: Vec<(String, String)>,
    /// Names of what is other code or another definition than this process deployed before.
    pub changed: Vec<String>,
    /// Names of what the template does not name any more.
    pub removed: Vec<String>,
    /// What was to be removed and is still there, and why.
    pub kept: Vec<String>,
}

impl Deployed {
    /// Whether there is nothing that a client could use.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.functions.is_empty() && self.state_machines.is_empty() && self.apis.is_empty()
    }

    /// Adds what another stack has.
    pub fn extend(&mut self, other: Deployed) {
        self.tables.extend(other.tables);
        self.functions.extend(other.functions);
        self.buckets.extend(other.buckets);
        self.activities.extend(other.activities);
        self.state_machines.extend(other.state_machines);
        self.apis.extend(other.apis);
        self.outputs.extend(other.outputs);
        self.changed.extend(other.changed);
        self.removed.extend(other.removed);
        self.kept.extend(other.kept);
    }
}

/// What a plan needs before anything is changed: definitions that are valid, functions that are built.
pub struct Prepared {
    executables: Executables,
    /// Of the stacks in the plan.
    nested: Vec<Prepared>,
}

/// What a stack remembers of the request that it was made by.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The template's text.
    pub template: String,
    pub parameters: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub data: Data,
}

/// What becomes of tables and buckets that a stack lets go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Data {
    /// They stay with what is in them, and belong to nobody then. A state machine with running executions stays too, until they
    /// have ended.
    #[default]
    Stays,
    /// As AWS does it: they go, unless their DeletionPolicy says otherwise.
    Goes,
}

/// Checks and builds, which needs no server: what cannot be deployed disturbs nothing that is running. The error is
/// text for a person. `say` is told of steps that take time.
pub fn prepare(plan: &Plan, say: &dyn Fn(&str)) -> Result<Prepared, String> {
    let found = findings::in_plan(plan);
    let errors: Vec<String> = found.iter().filter(|finding| finding.is_error()).map(ToString::to_string).collect();
    found.iter().filter(|finding| finding.is_not_served()).for_each(|finding| say(&finding.to_string()));
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    sdk::missing(plan).iter().for_each(|sentence| say(sentence));
    let nested = plan.nested.iter().map(|nested| prepare(&nested.plan, say)).collect::<Result<_, _>>()?;
    Ok(Prepared { executables: build::build(plan, say)?, nested })
}

/// Deploys into a running Ithaca; cheap to clone.
#[derive(Clone)]
pub struct Deployer(Arc<Inner>);

struct Inner {
    front: Arc<Front>,
    apis: Apis,
    deliveries: Deliveries,
    stacks: Stacks,
    /// One deployment at a time.
    turn: tokio::sync::Mutex<()>,
    /// What this process deployed, so that what is the same is not done again, by function name and machine ARN.
    marks: Mutex<HashMap<String, Mark>>,
}

/// What was deployed.
#[derive(Clone, Debug, PartialEq)]
struct Mark {
    /// A hash of all that matters in the template and the files.
    wanted: u64,
    /// What it was there after that, which changes with every change: also with those that others make.
    revision: String,
}

impl Deployer {
    pub fn new(front: Arc<Front>, apis: Apis, deliveries: Deliveries, stacks: Stacks) -> Deployer {
        Deployer(Arc::new(Inner {
            front,
            apis,
            deliveries,
            stacks,
            turn: tokio::sync::Mutex::default(),
            marks: Mutex::default(),
        }))
    }

    pub fn stacks(&self) -> &Stacks {
        &self.0.stacks
    }

    /// Creates or updates the plan's stack, and before it the stacks in it; the error is text for a person.
    pub async fn apply(&self, plan: &Plan, prepared: &Prepared, request: Request) -> Result<Deployed, String> {
        let _turn = self.0.turn.lock().await;
        self.apply_all(plan, prepared, request).await
    }

    /// For whoever has the turn.
    async fn apply_all(&self, plan: &Plan, prepared: &Prepared, request: Request) -> Result<Deployed, String> {
        let mut all = Deployed::default();
        for (nested, prepared) in plan.nested.iter().zip(&prepared.nested) {
            let (template, parameters) = (nested.template.clone(), nested.parameters.clone());
            let request = Request { template, parameters, tags: request.tags.clone(), data: request.data };
            all.extend(Box::pin(self.apply_all(&nested.plan, prepared, request)).await?);
        }
        // Its outputs are the outer stack's affair.
        all.outputs.clear();
        all.extend(self.apply_one(plan, prepared, request).await?);
        Ok(all)
    }

    async fn apply_one(&self, plan: &Plan, prepared: &Prepared, request: Request) -> Result<Deployed, String> {
        let before = self.0.stacks.get(&plan.stack_name);
        self.check_owners(plan)?;
        let mut stack =
            before.clone().unwrap_or_else(|| Stack::new(plan.stack_id.clone(), plan.stack_name.clone(), now_ms()));
        let Request { template, parameters, tags, data } = request;
        (stack.template, stack.parameters, stack.tags) = (template, parameters, tags);
        let gone = stack.begin(plan, now_ms());
        let is_as_it_was = before.as_ref().is_some_and(|before| is_same(before, &stack) && gone.is_empty());
        if !is_as_it_was {
            self.keep(&stack).await?;
        }
        let mut done = match self.make(plan, prepared).await {
            Ok(done) => done,
            Err(why) => {
                let is_new = stack.status == Status::CreateInProgress;
                let status = if is_new { Status::CreateFailed } else { Status::UpdateFailed };
                stack.set(status, Some(why.clone()), now_ms());
                self.keep(&stack).await?;
                return Err(why);
            }
        };
        let mut left = Vec::new();
        for resource in gone {
            if !self.let_go(&mut stack, resource.clone(), data, &mut done).await {
                left.push(resource);
            }
        }
        if !is_as_it_was {
            stack.end(plan, &left, plan.outputs.iter().map(StackOutput::from).collect(), now_ms());
            self.keep(&stack).await?;
        }
        Ok(done)
    }

    /// Removes a stack and what belongs to it, but for the resources whose logical ids are in `retained`. What cannot be removed stays
    /// listed, and the error says why.
    pub async fn delete(&self, name: &str, data: Data, retained: &[String]) -> Result<Deployed, String> {
        self.take_away(name, data, retained, DELETION).await
    }

    /// Removes what a create made that failed, but for what was there before it.
    pub async fn undo(&self, name: &str, retained: &[String]) -> Result<Deployed, String> {
        let statuses = [Status::RollbackInProgress, Status::RollbackComplete, Status::RollbackFailed];
        self.take_away(name, Data::Goes, retained, statuses).await
    }

    /// The statuses are those of the stack meanwhile, when all is gone, and when something is not.
    async fn take_away(
        &self,
        name: &str,
        data: Data,
        retained: &[String],
        [meanwhile, gone, failed]: [Status; 3],
    ) -> Result<Deployed, String> {
        let _turn = self.0.turn.lock().await;
        self.take_one_away(name, data, retained, [meanwhile, gone, failed]).await
    }

    /// For whoever has the turn.
    async fn take_one_away(
        &self,
        name: &str,
        data: Data,
        retained: &[String],
        [meanwhile, gone, failed]: [Status; 3],
    ) -> Result<Deployed, String> {
        let stack = self.0.stacks.get(name).filter(Stack::is_there);
        let mut stack = stack.ok_or_else(|| format!("there is no stack {name}"))?;
        if (stack.status, meanwhile) != (Status::RollbackInProgress, Status::RollbackInProgress) {
            stack.set(meanwhile, None, now_ms());
            self.keep(&stack).await?;
        }
        let mut done = Deployed::default();
        self.0.deliveries.put(name, Vec::new()).await?;
        let mut left = Vec::new();
        for mut resource in stack.resources.clone().into_iter().rev() {
            resource.retained |= retained.contains(&resource.logical_id);
            if !self.let_go(&mut stack, resource.clone(), data, &mut done).await {
                left.push(resource.logical_id);
            }
        }
        stack.resources.retain(|resource| left.contains(&resource.logical_id));
        stack.outputs.clear();
        if meanwhile == Status::DeleteInProgress {
            stack.deleted_ms = Some(now_ms());
        }
        let why = (!left.is_empty()).then(|| format!("could not delete {}", left.join(", ")));
        stack.set(if why.is_some() { failed } else { gone }, why.clone(), now_ms());
        self.keep(&stack).await?;
        match why {
            None => Ok(done),
            Some(why) => Err(format!("{why}: {}", done.kept.join("; "))),
        }
    }

    /// The logical ids of what a plan would find that no stack has made. Blocks.
    pub fn found(&self, plan: &Plan) -> Vec<String> {
        let (front, runtime) = (&self.0.front, tokio::runtime::Handle::current());
        let asked = |action: &str, body: serde_json::Value| runtime.block_on(front.states.call(action, body)).is_ok();
        let is_there = |kind: &str, id: &str| match kind {
            "AWS::DynamoDB::Table" => runtime.block_on(steps::has_table(front, id)),
            "AWS::S3::Bucket" => front.s3.has_bucket(id),
            "AWS::Lambda::Function" => front.lambda.function(id).is_some(),
            "AWS::StepFunctions::StateMachine" => {
                asked("DescribeStateMachine", serde_json::json!({ "stateMachineArn": id }))
            }
            "AWS::StepFunctions::Activity" => asked("DescribeActivity", serde_json::json!({ "activityArn": id })),
            "AWS::SSM::Parameter" => front.ssm.value(id, None).is_some(),
            _ => false,
        };
        let there = plan.resources.iter().filter(|resource| is_there(&resource.kind, &resource.physical_id));
        there.map(|resource| resource.logical_id.clone()).collect()
    }

    /// Where each API is served, by its id and stage.
    pub fn stages(&self) -> BTreeMap<(String, String), String> {
        self.0.apis.stages()
    }

    /// Serves the APIs that were deployed into the data folder before.
    pub async fn serve_again(&self) -> Result<Deployed, String> {
        self.0.apis.serve_kept().await?;
        let front = &self.0.front;
        Ok(Deployed {
            apis: self.0.apis.addresses(),
            functions: front.lambda.functions().into_iter().map(|info| info.function.name).collect(),
            state_machines: front.handle.machines().list().iter().map(|machine| machine.name.to_string()).collect(),
            ..Deployed::default()
        })
    }

    /// No two stacks have the same thing. Of what nothing is made the names may be the same, as of stages.
    pub fn check_owners(&self, plan: &Plan) -> Result<(), String> {
        let made = plan.resources.iter().filter(|resource| remove::leaves_something(&resource.kind));
        let taken = made.filter_map(|resource| {
            let owner = self.0.stacks.owner(&resource.kind, &resource.physical_id)?;
            (owner != plan.stack_name).then(|| {
                format!(
                    "{}:{}: error: {}: {} belongs to the stack {owner}\n  help: give it another name, or delete that stack",
                    plan.template.display(),
                    resource.at,
                    resource.logical_id,
                    resource.physical_id
                )
            })
        });
        let taken: Vec<String> = taken.collect();
        if taken.is_empty() { Ok(()) } else { Err(taken.join("\n")) }
    }

    /// Removes one thing, unless it is to stay. Whether the stack is rid of it.
    async fn let_go(&self, stack: &mut Stack, mut resource: StackResource, data: Data, done: &mut Deployed) -> bool {
        let name = format!("{} ({})", resource.physical_id, resource.kind);
        let stays = resource.retained || (data == Data::Stays && remove::is_data(&resource.kind));
        let removed = match resource.kind.as_str() {
            _ if stays => Ok(()),
            STACK => self.let_stack_go(&resource.physical_id, data, done).await,
            MACHINE if data == Data::Stays && self.runs(&resource.physical_id).await => {
                Err("it has running executions; the next deployment after they have ended removes it".to_owned())
            }
            kind => remove::remove(&self.0.front, &self.0.apis, kind, &resource.physical_id).await,
        };
        resource.updated_ms = now_ms();
        (resource.status, resource.reason) = match &removed {
            Ok(()) if stays => (Status::DeleteSkipped, None),
            Ok(()) => (Status::DeleteComplete, None),
            Err(why) => (Status::DeleteFailed, Some(why.clone())),
        };
        stack.tell(Event::of(&resource));
        match removed {
            Ok(()) if stays && remove::is_data(&resource.kind) => done.kept.push(name),
            Ok(()) if remove::leaves_something(&resource.kind) => done.removed.push(name),
            Ok(()) => {}
            Err(why) => {
                log::warn(
                    "deploy",
                    "something could not be removed",
                    &[("what", (&name).into()), ("why", (&why).into())],
                );
                done.kept.push(format!("{name}: {why}"));
                return false;
            }
        }
        self.unmark(&resource.physical_id);
        true
    }

    /// Whether executions of a state machine run: deleting it would abort them, and nothing would compensate what they did.
    async fn runs(&self, machine_arn: &str) -> bool {
        let asked = json!({ "stateMachineArn": machine_arn, "statusFilter": "RUNNING", "maxResults": 1 });
        let running = self.0.front.states.call("ListExecutions", asked).await;
        running.is_ok_and(|running| running["executions"].as_array().is_some_and(|list| !list.is_empty()))
    }

    /// A stack in a stack, by its ARN. One that is not there is gone already.
    async fn let_stack_go(&self, id: &str, data: Data, done: &mut Deployed) -> Result<(), String> {
        let name = id.split('/').nth(1).unwrap_or_default();
        if self.0.stacks.get(name).filter(Stack::is_there).is_none() {
            return Ok(());
        }
        done.extend(Box::pin(self.take_one_away(name, data, &[], DELETION)).await?);
        Ok(())
    }

    async fn keep(&self, stack: &Stack) -> Result<(), String> {
        let (stacks, stack) = (self.0.stacks.clone(), stack.clone());
        let name = stack.name.clone();
        let kept = tokio::task::spawn_blocking(move || stacks.put(&stack)).await;
        kept.map_err(|error| error.to_string())
            .and_then(|kept| kept.map_err(|error| error.to_string()))
            .map_err(|error| format!("the stack {name} cannot be written down: {error}"))
    }

    /// Whether this process deployed exactly this, and nobody has changed or removed it since. `revision` is what is there.
    fn is_marked(&self, id: &str, wanted: u64, revision: Option<String>) -> bool {
        let marks = self.0.marks.lock().unwrap_or_else(PoisonError::into_inner);
        revision.is_some_and(|revision| marks.get(id) == Some(&Mark { wanted, revision }))
    }

    fn mark(&self, id: &str, wanted: u64, revision: Option<String>) {
        let mut marks = self.0.marks.lock().unwrap_or_else(PoisonError::into_inner);
        match revision {
            Some(revision) => drop(marks.insert(id.to_owned(), Mark { wanted, revision })),
            None => drop(marks.remove(id)),
        }
    }

    /// Whether this is another than this process deployed before; only told, of what is put again in any case.
    fn is_other(&self, id: &str, wanted: u64) -> bool {
        let is_other = !self.is_marked(id, wanted, Some(String::new()));
        self.mark(id, wanted, Some(String::new()));
        is_other
    }

    fn unmark(&self, id: &str) {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

const MACHINE: &str = "AWS::StepFunctions::StateMachine";

/// What a stack is at meanwhile, when all is gone, and when something is not.
const DELETION: [Status; 3] = [Status::DeleteInProgress, Status::DeleteComplete, Status::DeleteFailed];

/// Whether a deployment changes nothing of what is written down.
fn is_same(before: &Stack, after: &Stack) -> bool {
    let is_whole = matches!(before.status, Status::CreateComplete | Status::UpdateComplete);
    is_whole
        && before.template == after.template
        && before.parameters == after.parameters
        && before.tags == after.tags
        && before.resources == after.resources
}

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

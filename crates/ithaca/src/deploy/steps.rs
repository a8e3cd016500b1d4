//! The steps of a deployment: one for each kind of thing, and each may be done again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::Path;

use aws_cloudformation::{Code, Function, Plan, StateMachine, StateMachineKind, Table};
use serde_json::{Value, json};

use super::build::Executables;
use super::machines;
use super::{Deployed, Deployer, Prepared, published};
use crate::apis;
use crate::deliveries::{Delivery, Source, Target, queue_url};
use crate::files;
use crate::front::Front;

impl Deployer {
    /// Everything of a plan, in the order in which one thing needs another.
    pub(super) async fn make(&self, plan: &Plan, prepared: &Prepared) -> Result<Deployed, String> {
        let mut done = Deployed::default();
        let front = &*self.0.front;
        for table in &plan.tables {
            let at = |error: &dyn std::fmt::Display| format!("table {}: {error}", table.name);
            front.dynamo.ensure_table(&table.create).await.map_err(|error| at(&error))?;
            set_time_to_live(front, table).await.map_err(|error| at(&error))?;
            if self.is_other(&format!("table {}", table.name), hash(&table.create.to_string())) {
                done.changed.push(table.name.clone());
            }
            done.tables.push(table.name.clone());
        }
        for bucket in &plan.buckets {
            let (objects, name) = (front.objects.clone(), bucket.name.clone());
            let made = tokio::task::spawn_blocking(move || objects.create_bucket(&name)).await;
            made.map_err(|error| error.to_string())
                .and_then(|made| made.map_err(|error| error.to_string()))
                .map_err(|error| format!("bucket {}: {error}", bucket.name))?;
            done.buckets.push(bucket.name.clone());
        }
        for parameter in &plan.parameters {
            let kind = if parameter.is_list { aws_ssm::Kind::StringList } else { aws_ssm::Kind::String };
            let (ssm, parameter) = (front.ssm.clone(), parameter.clone());
            let name = parameter.name.clone();
            let put = move || ssm.declare(&parameter.name, kind, &parameter.value, &parameter.description);
            let put = tokio::task::spawn_blocking(put).await.map_err(|error| error.to_string());
            put.and_then(|put| put.map_err(|error| error.to_string()))
                .map_err(|error| format!("parameter {name}: {error}"))?;
        }
        for (layer, content) in published::put_layers(front, plan).await? {
            if self.is_other(&format!("layer {layer}"), hash(&content)) {
                done.changed.push(layer);
            }
        }
        for function in &plan.functions {
            self.put_function(plan, function, &prepared.executables, &mut done).await?;
        }
        published::put_versions(front, plan).await?;
        for activity in &plan.activities {
            // One that is there already is the same: it has nothing but its name.
            let created = front.states.call("CreateActivity", json!({ "name": activity.name })).await;
            created.map_err(|error| format!("activity {}: {error}", activity.name))?;
            done.activities.push(activity.name.clone());
        }
        for connection in &plan.connections {
            let (connections, arn, create) =
                (front.connections.clone(), connection.arn.clone(), connection.create.clone());
            let put = tokio::task::spawn_blocking(move || connections.put(&arn, &create)).await;
            put.map_err(|error| error.to_string()).and_then(|put| put.map_err(|error| error.message)).map_err(
                |error| {
                    format!(
                        "{}:{}: connection {}: {error}",
                        plan.template.display(),
                        connection.at.line,
                        connection.name
                    )
                },
            )?;
        }
        for machine in &plan.state_machines {
            self.put_machine(machine, &mut done).await?;
        }
        let numbers = machines::publish(front, plan).await?;
        self.0.deliveries.put(&plan.stack_name, deliveries(plan)).await?;
        self.0.front.rules.put(plan).await?;
        done.changed.extend(self.0.apis.put(apis::of_plan(plan)).await?);
        let addresses = self.0.apis.addresses_by_id();
        done.apis = self.0.apis.addresses_of(plan);
        for output in &plan.outputs {
            let url = |api: &aws_cloudformation::Api, _: &str| match addresses.get(api.id.as_str()) {
                Some(address) => format!("http://{address}"),
                None => String::new(),
            };
            done.outputs.push((
                output.logical_id.clone(),
                plan.localise(
                    &machines::with_numbers(&published::with_numbers(front, plan, &output.value), &numbers),
                    &url,
                ),
            ));
        }
        Ok(done)
    }

    async fn put_function(
        &self,
        plan: &Plan,
        function: &Function,
        executables: &Executables,
        done: &mut Deployed,
    ) -> Result<(), String> {
        done.functions.push(function.name.clone());
        let settings = settings(function, &plan.template);
        let wanted = mark_of(function, &settings, executables);
        let revision = || self.0.front.lambda.function(&function.name).map(|info| info.revision_id);
        if self.is_marked(&function.name, wanted, revision()) {
            return Ok(());
        }
        let code = code(function, executables, &plan.template)?;
        let host = self.0.front.lambda.clone();
        let put = tokio::task::spawn_blocking(move || host.put_function(settings, code)).await;
        let put = put.map_err(|error| error.to_string()).and_then(|put| put.map_err(|error| error.to_aws().message));
        if let Err(why) = put {
            return Err(format!("{}:{}: function {}: {why}", plan.template.display(), function.at.line, function.name));
        }
        self.mark(&function.name, wanted, revision());
        done.changed.push(function.name.clone());
        Ok(())
    }

    /// Creates the state machine, or brings the one of this name to the template's definition.
    async fn put_machine(&self, machine: &StateMachine, done: &mut Deployed) -> Result<(), String> {
        done.state_machines.push(machine.name.clone());
        let body = machine_body(machine);
        let wanted = hash(&body.to_string());
        if self.is_marked(&machine.arn, wanted, self.machine_revision(&machine.arn)) {
            return Ok(());
        }
        let put = put_machine(&self.0.front, machine, body).await;
        put.map_err(|error| format!("state machine {}: {error}", machine.name))?;
        self.mark(&machine.arn, wanted, self.machine_revision(&machine.arn));
        done.changed.push(machine.name.clone());
        Ok(())
    }

    /// Which machine of this name it is, and what of it.
    fn machine_revision(&self, arn: &str) -> Option<String> {
        let machines = self.0.front.handle.machines();
        let machine = machines.get(arn).ok().flatten().filter(|machine| !machine.is_deleting)?;
        Some(format!("{}.{}", machine.number, machine.revision.number))
    }
}

/// From queues and topics to what takes their messages. A subscription of another kind, such as a mail, has none.
fn deliveries(plan: &Plan) -> Vec<Delivery> {
    let of_sources = plan.event_sources.iter().map(|source| {
        let queue = plan.queues.iter().find(|queue| queue.arn == source.source_arn);
        let is_queue = source.source_arn.split(':').nth(2) == Some("sqs");
        let arn = source.source_arn.clone();
        Delivery {
            source: if is_queue { Source::Queue(arn) } else { Source::Stream(arn) },
            target: Target::Function { arn: source.function_arn.clone(), reports_failures: source.reports_failures },
            batch_max: source.batch_max as usize,
            // A queue that keeps an order has one batch under way.
            batches_max: if source.source_arn.ends_with(".fifo") { 1 } else { usize::MAX },
            receives_max: queue.map_or(source.tries_max, |queue| queue.receives_max),
            dead_letters: queue.and_then(|queue| queue.dead_letters.as_deref()).and_then(queue_url),
            retry_ms: u64::from(queue.map_or(VISIBILITY_SECONDS, |queue| queue.visibility_seconds)) * 1000,
            filters: source.filters.clone(),
            from_the_oldest: source.from_the_oldest,
            ..Delivery::of(&plan.stack_name)
        }
    });
    let of_topics = plan.subscriptions.iter().filter_map(|subscription| {
        let target = match subscription.protocol.as_str() {
            "lambda" => Target::Function { arn: subscription.endpoint.clone(), reports_failures: false },
            "sqs" => Target::Queue { url: queue_url(&subscription.endpoint)?, raw: subscription.raw },
            _ => return None,
        };
        Some(Delivery {
            source: Source::Topic(subscription.topic_arn.clone()),
            target,
            batches_max: if subscription.topic_arn.ends_with(".fifo") { 1 } else { usize::MAX },
            receives_max: Some(TRIES_OF_A_TOPIC),
            retry_ms: RETRY_OF_A_TOPIC_MS,
            filters: subscription.filter.iter().cloned().collect(),
            filters_body: subscription.filters_body,
            ..Delivery::of(&plan.stack_name)
        })
    });
    of_sources.chain(of_topics).collect()
}

/// What AWS gives a queue that says nothing.
const VISIBILITY_SECONDS: u32 = 30;
/// So often is a function or a queue offered a topic's message that it does not take at all, with a minute between.
const TRIES_OF_A_TOPIC: u32 = 3;
const RETRY_OF_A_TOPIC_MS: u64 = 60_000;

/// All that decides whether a function is to be put again: its settings, and the files of its code as they are now.
fn mark_of(function: &Function, settings: &aws_lambda::Function, executables: &Executables) -> u64 {
    let code = match (executables.get(&function.logical_id), &function.code) {
        (Some(executable), _) => files::fingerprint(executable, &|_| true),
        (None, Code::Path(path)) => files::fingerprint(path, &|_| true),
        (None, Code::Inline(text)) => hash(text),
    };
    hash(&(format!("{settings:?}"), code))
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn settings(function: &Function, template: &Path) -> aws_lambda::Function {
    let mut settings = aws_lambda::Function::new(&function.name);
    settings.runtime = function.runtime.clone();
    settings.handler = function.handler.clone();
    settings.role = function.role_arn.clone();
    settings.description = function.description.clone();
    settings.timeout_seconds = function.timeout_seconds;
    settings.memory_mb = function.memory_mb;
    settings.environment = function.environment.clone();
    settings.layers = function.layers.clone();
    settings.reserved_concurrency = function.reserved_concurrency;
    settings.origin = match &function.code {
        Code::Path(path) => Some(path.clone()),
        Code::Inline(_) => template.parent().map(Path::to_path_buf),
    };
    settings
}

fn code(function: &Function, executables: &Executables, template: &Path) -> Result<aws_lambda::Code, String> {
    let wrong =
        |what: String| format!("{}:{}: function {}: {what}", template.display(), function.at.line, function.name);
    match executables.get(&function.logical_id) {
        Some(folder) if folder.is_dir() => return Ok(aws_lambda::Code::Folder(folder.clone())),
        Some(executable) => return Ok(aws_lambda::Code::Bootstrap(executable.clone())),
        None => {}
    }
    match &function.code {
        Code::Path(path) => packed(path).map_err(|error| wrong(format!("its code {error}"))),
        Code::Inline(text) => match aws_lambda::runtimes::inline_file(&function.runtime) {
            Some(file) => Ok(aws_lambda::Code::Inline(file.into(), text.clone())),
            None => Err(wrong(format!(
                "the runtime {} has no inline code: name one of Node.js or Python, or put the code into a folder",
                function.runtime
            ))),
        },
    }
}

/// An object may be larger than the memory. What is longer than all that may be in it is refused by its length.
fn read_archive(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = aws_lambda::Limits::default().unpacked_bytes_max;
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A folder or an archive.
pub(super) fn packed(path: &Path) -> Result<aws_lambda::Code, String> {
    match path.is_dir() {
        true => Ok(aws_lambda::Code::Folder(path.to_owned())),
        false => match read_archive(path) {
            Ok(bytes) => Ok(aws_lambda::Code::Object(bytes.into())),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        },
    }
}

fn machine_body(machine: &StateMachine) -> Value {
    let mut body = json!({
        "name": machine.name,
        "definition": machine.definition.text,
        "roleArn": machine.role_arn,
        "tracingConfiguration": { "enabled": machine.tracing },
    });
    if machine.kind == StateMachineKind::Express {
        body["type"] = "EXPRESS".into();
    }
    if let Some(logging) = &machine.logging {
        body["loggingConfiguration"] = logging.clone();
    }
    body
}

async fn put_machine(front: &Front, machine: &StateMachine, mut body: Value) -> Result<(), String> {
    let created = front.states.call("CreateStateMachine", body.clone()).await;
    let done = match created {
        Err(error) if error.name == "StateMachineAlreadyExists" => {
            let members = body.as_object_mut().expect("the body was made as an object");
            // An update changes neither.
            members.remove("name");
            members.remove("type");
            members.insert("stateMachineArn".into(), machine.arn.as_str().into());
            front.states.call("UpdateStateMachine", body).await
        }
        other => other,
    };
    done.map(drop).map_err(|error| error.to_string())
}

/// `TimeToLiveSpecification` of a table, if it is not what is there already.
async fn set_time_to_live(front: &Front, table: &Table) -> Result<(), String> {
    let Some(wanted) = &table.time_to_live else { return Ok(()) };
    let described = dynamo(front, "DescribeTimeToLive", json!({ "TableName": table.name })).await?;
    let is_on = described["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED";
    if is_on == (wanted["Enabled"] == true) {
        return Ok(());
    }
    let body = json!({ "TableName": table.name, "TimeToLiveSpecification": wanted });
    dynamo(front, "UpdateTimeToLive", body).await.map(drop)
}

pub(super) async fn has_table(front: &Front, name: &str) -> bool {
    dynamo(front, "DescribeTable", json!({ "TableName": name })).await.is_ok()
}

/// Calls an operation of DynamoDB as a client would.
async fn dynamo(front: &Front, operation: &str, body: Value) -> Result<Value, String> {
    let request = http::Request::post("/")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .body(body.to_string().into())
        .map_err(|error| error.to_string())?;
    let answer = front.dynamo.handle(request).await;
    let value: Value = serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
    match answer.status().is_success() {
        true => Ok(value),
        false => Err(format!("{operation}: {value}")),
    }
}

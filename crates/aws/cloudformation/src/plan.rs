//! The plan: what a template asks for, resolved and typed, in the order a deployer may create it.
//!
//! Every physical name, ARN and id is decided here, before anything exists, so no value in a plan waits for a running
//! service. A name is the one the template gives, else `<stack>-<LogicalId>` without AWS's random suffix: the same
//! template gives the same names each time, so applying it again finds what it made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value as Json;

use crate::diagnostic::{Diagnostic, Position};
use crate::node::Node;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    pub stack_name: String,
    /// The stack's ARN.
    pub stack_id: String,
    /// The template, as it was named to [`plan`](crate::plan); positions in the plan are in this file.
    pub template: PathBuf,
    /// What the template says of itself.
    pub description: Option<String>,
    /// All resources that exist in this stack, each after what it depends on. The lists below keep this order.
    pub resources: Vec<Resource>,
    pub tables: Vec<Table>,
    pub buckets: Vec<Bucket>,
    pub layers: Vec<Layer>,
    pub functions: Vec<Function>,
    /// Of functions; after all of them.
    pub versions: Vec<Version>,
    pub aliases: Vec<Alias>,
    pub activities: Vec<Activity>,
    pub topics: Vec<Topic>,
    pub subscriptions: Vec<Subscription>,
    pub queues: Vec<Queue>,
    pub parameters: Vec<Parameter>,
    pub connections: Vec<Connection>,
    pub event_sources: Vec<EventSource>,
    pub state_machines: Vec<StateMachine>,
    pub apis: Vec<Api>,
    pub rules: Vec<Rule>,
    pub machine_versions: Vec<MachineVersion>,
    pub machine_aliases: Vec<MachineAlias>,
    pub outputs: Vec<Output>,
    /// The stacks in this one; those are deployed first.
    pub nested: Vec<Nested>,
    /// What the template says and what has no effect here.
    pub notes: Vec<Diagnostic>,
}

/// A stack in a stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nested {
    pub plan: Plan,
    /// Its text.
    pub template: String,
    pub parameters: BTreeMap<String, String>,
}

/// A resource as its stack lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resource {
    pub logical_id: String,
    /// The type as CloudFormation has it: what SAM makes of its own.
    pub kind: String,
    /// What `Ref` gives.
    pub physical_id: String,
    pub at: Position,
    /// Its DeletionPolicy says that it stays when its stack lets it go.
    pub retained: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    pub at: Position,
    /// The body of DynamoDB's CreateTable.
    pub create: Json,
    /// The `TimeToLiveSpecification` of UpdateTimeToLive, to be sent after the table is made.
    pub time_to_live: Option<Json>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Function {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    pub at: Position,
    pub runtime: String,
    pub handler: String,
    pub code: Code,
    /// How to make `code` runnable, when the template says so; else the runtime decides.
    pub build: Option<Build>,
    pub environment: BTreeMap<String, String>,
    pub timeout_seconds: u32,
    pub memory_mb: u32,
    pub reserved_concurrency: Option<u32>,
    pub architecture: Architecture,
    /// ARNs of versions of layers.
    pub layers: Vec<String>,
    pub role_arn: String,
    pub description: String,
}

/// Version 1 of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    pub logical_id: String,
    pub name: String,
    /// Of the version.
    pub arn: String,
    pub at: Position,
    /// A folder or archive.
    pub content: PathBuf,
    /// `Metadata: BuildMethod`: what `sam build` would make the content with.
    pub build_method: Option<String>,
    pub description: String,
    pub runtimes: Vec<String>,
    pub architectures: Vec<String>,
    pub license: String,
}

/// What is published of a function under a label, its logical id.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Version {
    pub logical_id: String,
    /// The function's physical name.
    pub function: String,
    /// With the label in the place of the number.
    pub arn: String,
    pub at: Position,
    pub description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alias {
    pub logical_id: String,
    /// The function's physical name.
    pub function: String,
    pub name: String,
    pub arn: String,
    pub at: Position,
    /// A number, a label or `$LATEST`; none for the function as it is deployed, to be published first.
    pub version: Option<String>,
    /// Other versions, and which share of the calls each gets.
    pub weights: BTreeMap<String, f64>,
    pub description: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A folder or archive; a relative path is joined to the template's folder already.
    Path(PathBuf),
    /// The source itself, to be saved as the file the handler names (`index.handler` is in `index.js` or `index.py`).
    Inline(String),
}

/// `Metadata: BuildMethod`, as `sam build` reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Build {
    /// `rust-cargolambda`; `binary` where the package has several.
    CargoLambda { binary: Option<String> },
    /// `makefile`: the target `build-<LogicalId>` of the Makefile in the code folder. The folder to run in, if not that one.
    Makefile { working_directory: Option<PathBuf> },
    /// `esbuild`: files of the code folder, and what else is said to it.
    Esbuild { entry_points: Vec<String>, arguments: Vec<String> },
    /// `go1.x`: the package in the code folder becomes the bootstrap.
    Go,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    #[default]
    X86_64,
    Arm64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    pub logical_id: String,
    pub name: String,
    pub at: Position,
}

/// A parameter of the Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    pub logical_id: String,
    pub name: String,
    pub at: Position,
    /// `StringList`
    pub is_list: bool,
    pub value: String,
    pub description: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activity {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    pub at: Position,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topic {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    pub at: Position,
}

/// Who is told of a topic's messages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Subscription {
    pub topic_arn: String,
    /// `lambda`, `sqs`, `email` and so on.
    pub protocol: String,
    pub endpoint: String,
    /// A queue gets the message itself, not SNS's envelope.
    pub raw: bool,
    /// The pattern of the messages that are meant.
    pub filter: Option<Json>,
    /// The pattern is about the message itself, which is JSON then, and not about its attributes.
    pub filters_body: bool,
    pub at: Position,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Queue {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    pub url: String,
    pub at: Position,
    /// The ARN of the queue that takes what was received too often.
    pub dead_letters: Option<String>,
    pub receives_max: Option<u32>,
    /// How long a message that a function did not take waits for the next try.
    pub visibility_seconds: u32,
}

/// A queue or a table's stream whose messages a function gets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventSource {
    pub source_arn: String,
    pub function_arn: String,
    /// Messages of one invocation, at most.
    pub batch_max: u32,
    /// The function answers with those that it did not take.
    pub reports_failures: bool,
    /// Patterns of which one must match; without any, all messages are meant.
    pub filters: Vec<Json>,
    /// Of a stream: what was written before, too.
    pub from_the_oldest: bool,
    /// Of a stream: tries before a batch is given up.
    pub tries_max: Option<u32>,
    pub at: Position,
}

/// A connection of EventBridge.
#[derive(Clone, PartialEq, Serialize)]
pub struct Connection {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    pub at: Position,
    /// The body of CreateConnection. It holds secrets, so it is not shown with the plan.
    #[serde(skip)]
    pub create: Json,
}

/// Without the secrets.
impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("name", &self.name).field("arn", &self.arn).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StateMachine {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    pub at: Position,
    pub kind: StateMachineKind,
    pub definition: Definition,
    pub role_arn: String,
    /// `loggingConfiguration` of CreateStateMachine.
    pub logging: Option<Json>,
    pub tracing: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StateMachineKind {
    #[default]
    Standard,
    Express,
}

/// An ASL definition, substitutions made, and the way back to the text its author wrote.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Definition {
    /// JSON. A definition file in JSON keeps its lines, so line and column in `text` are those in `file`.
    pub text: String,
    /// The file of `DefinitionUri`, or the template.
    pub file: PathBuf,
    /// Where the definition begins in `file`.
    pub at: Position,
    /// What `file` says there, for finding places in it; none if it is not well formed.
    #[serde(skip)]
    pub(crate) tree: Option<Node>,
}

impl Definition {
    /// The place in `file` of what a JSON pointer (`/States/Pay/Next`) names, or of the nearest thing around it.
    pub fn locate(&self, pointer: &str) -> Position {
        let Some(mut node) = self.tree.as_ref() else { return self.at };
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            let item = || node.list()?.get(segment.parse::<usize>().ok()?);
            match node.get(&segment).or_else(item) {
                Some(child) => node = child,
                None => break,
            }
        }
        node.at
    }
}

/// An API with its stages and its routes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Api {
    pub logical_id: String,
    /// Ten lower-case letters and digits, as AWS gives.
    pub id: String,
    pub name: String,
    pub at: Position,
    pub kind: ApiKind,
    pub stages: Vec<Stage>,
    pub routes: Vec<Route>,
    /// Media types whose bodies reach the function in base64.
    pub binary_media_types: Vec<String>,
    pub cors: Option<Cors>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKind {
    #[default]
    Rest,
    Http,
    /// Not API Gateway's: the address of one function.
    FunctionUrl,
}

/// What is published of a state machine. AWS numbers versions when it makes them, so in an ARN the logical id stands for the number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MachineVersion {
    pub logical_id: String,
    pub machine_arn: String,
    pub arn: String,
    pub at: Position,
    pub description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MachineAlias {
    pub logical_id: String,
    pub name: String,
    pub arn: String,
    pub at: Position,
    pub description: Option<String>,
    /// ARNs of one or two versions, and the share of each in a hundred.
    pub routes: Vec<(String, u32)>,
}

/// A rule of EventBridge, or a schedule of EventBridge Scheduler. Whether what it says can be carried out is not known here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    pub logical_id: String,
    pub arn: String,
    pub at: Position,
    pub is_schedule: bool,
    /// The body of PutRule, or of CreateSchedule.
    pub body: Json,
    /// `Targets` of PutTargets.
    pub targets: Vec<Json>,
}

/// `CorsConfiguration` of an HTTP API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cors {
    pub allow_credentials: bool,
    pub allow_headers: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_origins: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age_seconds: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    pub name: String,
    /// Stage variables, `stageVariables` in the event.
    pub variables: BTreeMap<String, String>,
}

/// The stage and the route that an HTTP API has for everything else.
pub const DEFAULT: &str = "$default";

/// One method on one path, and what answers it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Route {
    /// `ANY`, or an HTTP method in capitals.
    pub method: String,
    /// As API Gateway writes it: `/trips/{id}`, `/{proxy+}`, `$default`.
    pub path: String,
    pub integration: Integration,
    pub at: Position,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Integration {
    /// A function gets the request as it is (AWS_PROXY).
    Function {
        /// The function's physical name, perhaps with a version or an alias behind a colon.
        function: String,
        arn: String,
        /// `1.0` or `2.0`.
        payload_format: &'static str,
        timeout_ms: Option<u32>,
    },
    /// An HTTP API calls a service: `StepFunctions-StartExecution` and its like, with parameters from the request.
    Subtype { subtype: String, parameters: BTreeMap<String, String>, timeout_ms: Option<u32> },
    /// A REST API calls an action of a service with what a template makes (AWS).
    Action { service: String, operation: String, mapping: Mapping, timeout_ms: Option<u32> },
    /// A REST API answers itself (MOCK).
    Mock(Mapping),
}

/// How a REST API maps requests and answers. Whether the templates can be run is not known here.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mapping {
    pub requests: BTreeMap<String, String>,
    /// `WHEN_NO_MATCH`, `WHEN_NO_TEMPLATES` or `NEVER`.
    pub passthrough: String,
    pub responses: Vec<MappedResponse>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MappedResponse {
    pub status: u16,
    pub pattern: Option<String>,
    /// Headers of the answer, each with its mapping expression: `'*'`, `integration.response.header.x`.
    pub headers: BTreeMap<String, String>,
    pub templates: BTreeMap<String, String>,
}

impl Route {
    /// The physical name of the function that it calls, if it calls one.
    pub fn function(&self) -> Option<&str> {
        match &self.integration {
            Integration::Function { function, .. } => Some(function),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    pub logical_id: String,
    pub value: String,
    pub description: Option<String>,
    pub export_name: Option<String>,
    pub at: Position,
}

impl Plan {
    /// This plan and those of the stacks in it.
    pub fn all(&self) -> Vec<&Plan> {
        let nested = self.nested.iter().flat_map(|nested| nested.plan.all());
        std::iter::once(self).chain(nested).collect()
    }

    /// Replaces AWS's address of each API of this plan (`https://{id}.execute-api.{region}.amazonaws.com/{stage}`) in a
    /// text by the one that `url` gives for the API and the stage, without a final slash. Outputs keep what the
    /// template says; this is for showing them, and for functions which are given an address in their environment.
    pub fn localise(&self, text: &str, url: &dyn Fn(&Api, &str) -> String) -> String {
        self.apis.iter().fold(text.to_owned(), |text, api| localise(&text, api, url))
    }
}

fn localise(text: &str, api: &Api, url: &dyn Fn(&Api, &str) -> String) -> String {
    let service = if api.kind == ApiKind::FunctionUrl { "lambda-url" } else { "execute-api" };
    let host = format!("https://{}.{service}.", api.id);
    let is_default = |stage: &&Stage| stage.name == DEFAULT;
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(&host) {
        out.push_str(&rest[..start]);
        let address = &rest[start..];
        let path = address[host.len()..].find('/').map(|slash| &address[host.len() + slash + 1..]);
        let stage = api.stages.iter().find(|s| path.is_some_and(|path| begins_with_segment(path, &s.name)));
        rest = match (stage, path) {
            (Some(stage), Some(path)) => {
                out.push_str(&url(api, &stage.name));
                &path[stage.name.len()..]
            }
            _ if api.stages.iter().any(|stage| is_default(&stage)) => {
                out.push_str(&url(api, DEFAULT));
                let end = address[host.len()..].find(|c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c)));
                &address[end.map_or(address.len(), |end| host.len() + end)..]
            }
            _ => {
                out.push_str(&host);
                &address[host.len()..]
            }
        };
    }
    out + rest
}

fn begins_with_segment(path: &str, segment: &str) -> bool {
    path.strip_prefix(segment).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "-_.".contains(c)))
}

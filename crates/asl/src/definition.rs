//! A parsed state machine: everything the interpreter needs, nothing it would have to parse again.
//!
//! States of all nesting levels stand in one vector and name each other by index, so a running thread is
//! described by one [`StateId`] however deep it is, a snapshot of it is four bytes, and no reference counting
//! is needed. A *block* is one `StartAt` + `States` object: the state machine itself, a branch of a Parallel,
//! the processor of a Map.
//!
//! Knows nothing of text: [`crate::parse`] makes it, [`crate::validate`] has already refused what is wrong,
//! so every `StateId` here points at a state of the same block.

use std::sync::Arc;

use serde_json::Value;

use crate::jsonata;
use crate::path::{Path, ReferencePath};
use crate::template::Template;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct StateId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct BlockId(pub u32);

#[derive(Debug)]
pub struct Definition {
    /// The text it was parsed from, byte for byte.
    pub text: Arc<str>,
    pub comment: Option<String>,
    pub timeout_seconds: Option<u64>,
    /// States of all blocks; the order carries no meaning.
    pub states: Vec<State>,
    /// `blocks[0]` is the state machine itself.
    pub blocks: Vec<Block>,
}

impl Definition {
    pub const ROOT: BlockId = BlockId(0);

    pub fn state(&self, id: StateId) -> &State {
        &self.states[id.0 as usize]
    }

    pub fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.0 as usize]
    }
}

#[derive(Debug)]
pub struct Block {
    pub start: StateId,
    /// In document order.
    pub states: Vec<StateId>,
    /// The Parallel or Map this block belongs to; none for the state machine itself.
    pub owner: Option<StateId>,
}

#[derive(Debug)]
pub struct State {
    pub id: StateId,
    pub block: BlockId,
    pub name: Arc<str>,
    pub comment: Option<String>,
    /// Of a Choice: for the case that no rule holds.
    pub assign: Option<Query>,
    pub kind: Kind,
}

impl State {
    /// The word AWS uses in event types: `Task` in `TaskStateEntered`.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Task(_) => "Task",
            Kind::Pass(_) => "Pass",
            Kind::Choice(_) => "Choice",
            Kind::Wait(_) => "Wait",
            Kind::Succeed(_) => "Succeed",
            Kind::Fail(_) => "Fail",
            Kind::Parallel(_) => "Parallel",
            Kind::Map(_) => "Map",
        }
    }

    /// The state whose effect this one reverses: `compensates: ReserveHotel` in its Comment.
    pub fn compensates(&self) -> Option<&str> {
        compensated(self.comment.as_deref()?)
    }
}

/// The name in `compensates: ReserveHotel`.
pub(crate) fn compensated(comment: &str) -> Option<&str> {
    let rest = comment.trim().strip_prefix("compensates:")?.trim();
    (!rest.is_empty()).then_some(rest)
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a definition has few states, and each is there once")]
pub enum Kind {
    Task(Task),
    Pass(Pass),
    Choice(Choice),
    Wait(Wait),
    Succeed(Succeed),
    Fail(Fail),
    Parallel(Parallel),
    Map(Map),
}

impl Kind {
    /// Only Task, Parallel and Map have any.
    pub fn retriers(&self) -> &[Retrier] {
        match self {
            Kind::Task(task) => &task.retry,
            Kind::Parallel(parallel) => &parallel.retry,
            Kind::Map(map) => &map.retry,
            _ => &[],
        }
    }

    /// Only Task, Parallel and Map have any.
    pub fn catchers(&self) -> &[Catcher] {
        match self {
            Kind::Task(task) => &task.catch,
            Kind::Parallel(parallel) => &parallel.catch,
            Kind::Map(map) => &map.catch,
            _ => &[],
        }
    }
}

/// Where a thread goes when a state is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    State(StateId),
    End,
}

/// Values to work out, in the query language of the state they belong to: `Assign`, `ItemSelector`.
#[derive(Debug)]
pub enum Query {
    Path(Template),
    Jsonata(jsonata::Template),
}

/// The fields around a state's work, in the state's query language.
#[derive(Debug)]
pub enum Io {
    Path(PathIo),
    Jsonata(JsonataIo),
}

/// Fields that a type of state does not have are absent, and what is absent changes nothing.
#[derive(Debug)]
pub struct PathIo {
    pub input_path: Filter,
    /// `Parameters`; not those of a Map, which are its item selector.
    pub parameters: Option<Template>,
    pub result_selector: Option<Template>,
    pub result_path: ResultPath,
    pub output_path: Filter,
}

#[derive(Debug)]
pub struct JsonataIo {
    pub arguments: Option<jsonata::Template>,
    /// Of a Choice: for the case that no rule holds.
    pub output: Option<jsonata::Template>,
}

impl Io {
    pub fn is_jsonata(&self) -> bool {
        matches!(self, Io::Jsonata(_))
    }
}

/// `InputPath` and `OutputPath`: absent means `$`, JSON `null` means `{}`.
#[derive(Debug)]
pub enum Filter {
    Path(Path),
    Empty,
}

/// `ResultPath`: absent means `$` (the result replaces the input), JSON `null` discards the result.
#[derive(Debug)]
pub enum ResultPath {
    At(ReferencePath),
    Discard,
}

#[derive(Debug)]
pub struct Task {
    pub io: Io,
    pub resource: Resource,
    /// `Credentials`: the role to act in, an object with `RoleArn`.
    pub credentials: Option<Query>,
    pub timeout: Option<Seconds>,
    pub heartbeat: Option<Seconds>,
    pub retry: Vec<Retrier>,
    pub catch: Vec<Catcher>,
    pub next: Next,
}

/// What a Task asks for, with the parts that the history shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A Lambda function named by its own ARN; events `LambdaFunction...`.
    Function { arn: Arc<str> },
    /// `arn:aws:states:::sqs:sendMessage.waitForTaskToken`: service `sqs`, action `sendMessage.waitForTaskToken`;
    /// events `Task...`. Of `aws-sdk:s3:getObject` the service is `aws-sdk:s3`.
    Service { arn: Arc<str>, service: Arc<str>, action: Arc<str>, pattern: Pattern },
    /// Work that a worker asks for; events `Activity...`.
    Activity { arn: Arc<str> },
}

/// When a call of a service is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// When the service has answered.
    RequestResponse,
    /// When the job that the call has started is over: `.sync`.
    Sync,
    /// The same, and the job's output is JSON instead of text: `.sync:2`.
    Sync2,
    /// When somebody gives the task's token back: `.waitForTaskToken`.
    Callback,
}

impl Pattern {
    /// How the action's name ends.
    pub fn suffix(self) -> &'static str {
        match self {
            Pattern::RequestResponse => "",
            Pattern::Sync => ".sync",
            Pattern::Sync2 => ".sync:2",
            Pattern::Callback => ".waitForTaskToken",
        }
    }
}

impl Resource {
    pub fn arn(&self) -> &Arc<str> {
        match self {
            Resource::Function { arn } | Resource::Service { arn, .. } | Resource::Activity { arn } => arn,
        }
    }

    /// When it is over. An activity is, like a callback, when its worker gives the token back.
    pub fn pattern(&self) -> Pattern {
        match self {
            Resource::Function { .. } => Pattern::RequestResponse,
            Resource::Service { pattern, .. } => *pattern,
            Resource::Activity { .. } => Pattern::Callback,
        }
    }

    /// The service and its action without the pattern, if it is an integration.
    pub fn call(&self) -> Option<(&str, &str)> {
        match self {
            Resource::Service { service, action, pattern, .. } => {
                Some((service, action.strip_suffix(pattern.suffix()).unwrap_or(action)))
            }
            Resource::Function { .. } | Resource::Activity { .. } => None,
        }
    }
}

/// A whole number of seconds, fixed or worked out.
#[derive(Debug)]
pub enum Seconds {
    Fixed(u64),
    Path(Path),
    Jsonata(jsonata::Expression),
}

#[derive(Debug)]
pub struct Pass {
    pub io: Io,
    pub result: Option<Value>,
    pub next: Next,
}

#[derive(Debug)]
pub struct Choice {
    pub io: Io,
    pub rules: Vec<Rule>,
    pub default: Option<StateId>,
}

#[derive(Debug)]
pub struct Rule {
    pub condition: Condition,
    pub assign: Option<Query>,
    /// `Output`, in JSONata only.
    pub output: Option<jsonata::Template>,
    pub next: StateId,
    /// The condition in a few words, for a drawing: `$.status == "ok"`.
    pub label: String,
}

/// When a rule of a Choice holds.
#[derive(Debug)]
pub enum Condition {
    Path(crate::choice::Condition),
    Fixed(bool),
    Jsonata(jsonata::Expression),
}

#[derive(Debug)]
pub struct Wait {
    pub io: Io,
    pub until: Until,
    pub next: Next,
}

#[derive(Debug)]
pub enum Until {
    Seconds(u64),
    SecondsPath(Path),
    SecondsJsonata(jsonata::Expression),
    /// An RFC 3339 moment in milliseconds since 1970.
    Timestamp(i64),
    TimestampPath(Path),
    TimestampJsonata(jsonata::Expression),
}

#[derive(Debug)]
pub struct Succeed {
    pub io: Io,
}

#[derive(Debug)]
pub struct Fail {
    pub error: Option<Text>,
    pub cause: Option<Text>,
}

/// `Error`/`ErrorPath` and `Cause`/`CausePath`: fixed, or what gives a string.
#[derive(Debug)]
pub enum Text {
    Fixed(String),
    /// A path or an intrinsic function.
    Path(crate::template::Expression),
    Jsonata(jsonata::Expression),
}

#[derive(Debug)]
pub struct Parallel {
    pub io: Io,
    pub branches: Vec<BlockId>,
    pub retry: Vec<Retrier>,
    pub catch: Vec<Catcher>,
    pub next: Next,
}

#[derive(Debug)]
pub struct Map {
    pub io: Io,
    /// Absent means the state's input.
    pub items: Option<Items>,
    /// `ItemSelector`, or `Parameters` of the legacy form.
    pub item_selector: Option<Query>,
    pub processor: BlockId,
    /// 0 means no limit of the author's.
    pub max_concurrency: Count,
    pub tolerated_failure_count: Option<Tolerance>,
    pub tolerated_failure_percentage: Option<Tolerance>,
    pub retry: Vec<Retrier>,
    pub catch: Vec<Catcher>,
    pub next: Next,
    /// What only a distributed Map has; none for an inline one.
    pub distributed: Option<Distributed>,
    /// An inline one with fields that only a distributed one has: it fails when it is entered, as on AWS.
    pub is_misplaced: bool,
}

/// `ProcessorConfig.Mode: DISTRIBUTED`: each item is an execution of its own, all together a Map Run.
#[derive(Debug)]
pub struct Distributed {
    pub label: Option<Arc<str>>,
    /// `ExecutionType: EXPRESS`
    pub is_express: bool,
    pub reader: Option<ItemReader>,
    pub batcher: Option<ItemBatcher>,
    pub writer: Option<ResultWriter>,
}

/// Where a distributed Map reads its items from, if not from its input.
#[derive(Debug)]
pub struct ItemReader {
    /// `arn:aws:states:::s3:getObject`
    pub resource: Arc<str>,
    pub parameters: Option<Query>,
    /// `ReaderConfig` as it is written, without MaxItems and MaxItemsPath.
    pub config: Settings,
    pub max_items: Option<Count>,
}

#[derive(Debug)]
pub struct ItemBatcher {
    pub max_items: Option<Count>,
    pub max_bytes: Option<Count>,
    pub batch_input: Option<Query>,
}

#[derive(Debug)]
pub struct ResultWriter {
    /// Absent where the results are only shaped, not exported.
    pub resource: Option<Arc<str>>,
    pub parameters: Option<Query>,
    /// `WriterConfig` as it is written.
    pub config: Settings,
}

/// An object of plain settings; in JSONata their values may be expressions.
#[derive(Debug)]
pub enum Settings {
    Fixed(serde_json::Map<String, Value>),
    Jsonata(jsonata::Template),
}

/// Where a Map takes its items from.
#[derive(Debug)]
pub enum Items {
    /// `ItemsPath`
    Path(Path),
    /// `Items`, written as an expression.
    Jsonata(jsonata::Expression),
    /// `Items`, written as an array whose elements may be expressions.
    Listed(jsonata::Template),
}

/// A whole number, fixed or worked out.
#[derive(Debug)]
pub enum Count {
    Fixed(u64),
    Path(Path),
    Jsonata(jsonata::Expression),
}

#[derive(Debug)]
pub enum Tolerance {
    Fixed(f64),
    Path(Path),
    Jsonata(jsonata::Expression),
}

#[derive(Debug)]
pub struct Retrier {
    pub error_equals: Vec<String>,
    pub interval_seconds: u64,
    pub max_attempts: u64,
    pub backoff_rate: f64,
    pub max_delay_seconds: Option<u64>,
    pub jitter: Jitter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    None,
    /// Uniform from zero to the computed delay.
    Full,
}

#[derive(Debug)]
pub struct Catcher {
    pub error_equals: Vec<String>,
    pub output: CaughtOutput,
    pub assign: Option<Query>,
    pub next: StateId,
}

/// What becomes of the error output (`{"Error": ..., "Cause": ...}`).
#[derive(Debug)]
pub enum CaughtOutput {
    /// `ResultPath`
    Path(ResultPath),
    /// `Output`; absent means the error output itself.
    Jsonata(Option<jsonata::Template>),
}

/// Does one name in `ErrorEquals` match this error?
///
/// `States.ALL` matches everything but `States.Runtime`, which ends the execution. (The guide excludes
/// `States.DataLimitExceeded` too, but recorded executions show it caught.) `States.TaskFailed` matches any
/// error but a timeout.
/// Source: "Handling errors in Step Functions workflows", AWS Step Functions Developer Guide.
pub fn error_matches(error_equals: &[String], error: &str) -> bool {
    error_equals.iter().any(|name| match name.as_str() {
        "States.ALL" => error != "States.Runtime",
        "States.TaskFailed" => !matches!(error, "States.Timeout" | "States.HeartbeatTimeout" | "States.Runtime"),
        "States.Timeout" => matches!(error, "States.Timeout" | "States.HeartbeatTimeout"),
        other => other == error,
    })
}

//! What AWS shows of an execution, in the compact form that is stored.
//!
//! One variant per event type we emit; payloads are shared, names are the state's own. The wire form
//! (`GetExecutionHistory`) is rendered from this where it is asked for. States are named by name, not by index,
//! so a history can be read without its definition.
//!
//! This is written to disk: variants and fields are only ever added at the end.

use std::borrow::Cow;
use std::sync::Arc;

use asl::definition::Resource;
use serde::{Deserialize, Serialize};

use crate::execution::Timestamp;
use crate::limits::{CAUSE_CHARS_MAX, ERROR_CHARS_MAX};
use crate::payload::Payload;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEvent {
    pub id: u64,
    pub previous: u64,
    pub at: Timestamp,
    pub kind: EventKind,
}

/// An error name or a cause; AWS leaves the member out when it is absent.
pub type ErrorText = Option<Arc<str>>;

/// How something failed: an error name for Retry and Catch to match, and a cause for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub error: ErrorText,
    pub cause: ErrorText,
}

impl Failure {
    /// Longer texts are cut: a cause that does not fit into a payload must not keep its catcher from being entered.
    pub fn new(error: impl Into<Arc<str>>, cause: impl Into<Arc<str>>) -> Failure {
        Failure { error: Some(cut(error.into(), ERROR_CHARS_MAX)), cause: Some(cut(cause.into(), CAUSE_CHARS_MAX)) }
    }

    pub fn named(error: impl Into<Arc<str>>) -> Failure {
        Failure { error: Some(cut(error.into(), ERROR_CHARS_MAX)), cause: None }
    }

    /// The name that Retry and Catch compare: an error without a name has the empty one.
    pub fn name(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }
}

fn cut(text: Arc<str>, chars_max: usize) -> Arc<str> {
    match text.char_indices().nth(chars_max) {
        None => text,
        Some((end, _)) => text[..end].into(),
    }
}

/// The word in `…StateEntered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateType {
    Task,
    Pass,
    Choice,
    Wait,
    Succeed,
    Fail,
    Parallel,
    Map,
}

impl StateType {
    pub fn of(kind: &asl::definition::Kind) -> StateType {
        use asl::definition::Kind;
        match kind {
            Kind::Task(_) => StateType::Task,
            Kind::Pass(_) => StateType::Pass,
            Kind::Choice(_) => StateType::Choice,
            Kind::Wait(_) => StateType::Wait,
            Kind::Succeed(_) => StateType::Succeed,
            Kind::Fail(_) => StateType::Fail,
            Kind::Parallel(_) => StateType::Parallel,
            Kind::Map(_) => StateType::Map,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            StateType::Task => "Task",
            StateType::Pass => "Pass",
            StateType::Choice => "Choice",
            StateType::Wait => "Wait",
            StateType::Succeed => "Succeed",
            StateType::Fail => "Fail",
            StateType::Parallel => "Parallel",
            StateType::Map => "Map",
        }
    }
}

/// What a task's events say of its resource, and so which family of events it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskResource {
    /// `LambdaFunction…`
    Function { arn: Arc<str> },
    /// `Task…`
    Service { service: Arc<str>, action: Arc<str> },
    /// `Activity…`
    Activity { arn: Arc<str> },
}

impl From<&Resource> for TaskResource {
    fn from(resource: &Resource) -> TaskResource {
        match resource {
            Resource::Function { arn } => TaskResource::Function { arn: arn.clone() },
            Resource::Service { service, action, .. } => {
                TaskResource::Service { service: service.clone(), action: action.clone() }
            }
            Resource::Activity { arn } => TaskResource::Activity { arn: arn.clone() },
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventKind {
    ExecutionStarted {
        input: Payload,
    },
    ExecutionSucceeded {
        output: Payload,
    },
    ExecutionFailed(Failure),
    ExecutionAborted(Failure),
    ExecutionTimedOut(Failure),
    StateEntered {
        state: StateType,
        name: Arc<str>,
        input: Payload,
    },
    StateExited {
        state: StateType,
        name: Arc<str>,
        output: Payload,
    },
    /// Only Task, Wait, Parallel and Map have such an event on AWS.
    StateAborted {
        state: StateType,
    },
    TaskScheduled {
        resource: TaskResource,
        input: Payload,
        timeout_seconds: Option<u64>,
        heartbeat_seconds: Option<u64>,
    },
    TaskStarted {
        resource: TaskResource,
    },
    TaskSucceeded {
        resource: TaskResource,
        output: Payload,
    },
    TaskFailed {
        resource: TaskResource,
        failure: Failure,
    },
    TaskTimedOut {
        resource: TaskResource,
        failure: Failure,
    },
    ParallelStarted,
    ParallelSucceeded,
    ParallelFailed,
    MapStarted {
        length: u32,
    },
    MapSucceeded,
    MapFailed,
    IterationStarted {
        name: Arc<str>,
        index: u32,
    },
    IterationSucceeded {
        name: Arc<str>,
        index: u32,
    },
    IterationFailed {
        name: Arc<str>,
        index: u32,
    },
    IterationAborted {
        name: Arc<str>,
        index: u32,
    },
    /// A `StateExited` that has assigned variables.
    StateExitedAssigning {
        state: StateType,
        name: Arc<str>,
        output: Payload,
        variables: Vec<(Arc<str>, Payload)>,
    },
    /// An expression in JSONata has no usable value. `location` is its field: `Output/total`.
    EvaluationFailed {
        failure: Failure,
        location: Option<Arc<str>>,
        state: Arc<str>,
    },
    /// A `TaskScheduled` with Credentials.
    TaskScheduledInRole {
        resource: TaskResource,
        input: Payload,
        timeout_seconds: Option<u64>,
        heartbeat_seconds: Option<u64>,
        role_arn: Arc<str>,
    },
    /// A worker has taken an activity's task.
    ActivityStarted {
        worker: Option<Arc<str>>,
    },
    /// The call that starts a longer work has its answer.
    TaskSubmitted {
        resource: TaskResource,
        output: Payload,
    },
    MapRunStarted {
        arn: Arc<str>,
    },
    MapRunSucceeded,
    MapRunFailed(Failure),
    MapRunAborted,
    /// The execution goes on after a bad end, for the n-th time.
    ExecutionRedriven {
        count: u32,
    },
    MapRunRedriven {
        arn: Arc<str>,
        count: u32,
    },
}

impl EventKind {
    /// AWS's name of its type.
    pub fn type_name(&self) -> Cow<'static, str> {
        use EventKind::*;
        let of_task = |resource: &TaskResource, what: &str| match resource {
            TaskResource::Function { .. } => format!("LambdaFunction{what}").into(),
            TaskResource::Service { .. } => format!("Task{what}").into(),
            TaskResource::Activity { .. } => format!("Activity{what}").into(),
        };
        match self {
            ExecutionStarted { .. } => "ExecutionStarted".into(),
            ExecutionSucceeded { .. } => "ExecutionSucceeded".into(),
            ExecutionFailed(_) => "ExecutionFailed".into(),
            ExecutionAborted(_) => "ExecutionAborted".into(),
            ExecutionTimedOut(_) => "ExecutionTimedOut".into(),
            ExecutionRedriven { .. } => "ExecutionRedriven".into(),
            StateEntered { state, .. } => format!("{}StateEntered", state.name()).into(),
            StateExited { state, .. } | StateExitedAssigning { state, .. } => {
                format!("{}StateExited", state.name()).into()
            }
            StateAborted { state } => format!("{}StateAborted", state.name()).into(),
            EvaluationFailed { .. } => "EvaluationFailed".into(),
            TaskScheduled { resource, .. } | TaskScheduledInRole { resource, .. } => of_task(resource, "Scheduled"),
            TaskStarted { resource } => of_task(resource, "Started"),
            ActivityStarted { .. } => "ActivityStarted".into(),
            TaskSubmitted { .. } => "TaskSubmitted".into(),
            TaskSucceeded { resource, .. } => of_task(resource, "Succeeded"),
            TaskFailed { resource, .. } => of_task(resource, "Failed"),
            TaskTimedOut { resource, .. } => of_task(resource, "TimedOut"),
            ParallelStarted => "ParallelStateStarted".into(),
            ParallelSucceeded => "ParallelStateSucceeded".into(),
            ParallelFailed => "ParallelStateFailed".into(),
            MapStarted { .. } => "MapStateStarted".into(),
            MapSucceeded => "MapStateSucceeded".into(),
            MapFailed => "MapStateFailed".into(),
            IterationStarted { .. } => "MapIterationStarted".into(),
            IterationSucceeded { .. } => "MapIterationSucceeded".into(),
            IterationFailed { .. } => "MapIterationFailed".into(),
            IterationAborted { .. } => "MapIterationAborted".into(),
            MapRunStarted { .. } => "MapRunStarted".into(),
            MapRunSucceeded => "MapRunSucceeded".into(),
            MapRunFailed(_) => "MapRunFailed".into(),
            MapRunAborted => "MapRunAborted".into(),
            MapRunRedriven { .. } => "MapRunRedriven".into(),
        }
    }

    /// How it failed, if it is a failure.
    pub fn failure(&self) -> Option<&Failure> {
        use EventKind::*;
        match self {
            ExecutionFailed(failure)
            | ExecutionAborted(failure)
            | ExecutionTimedOut(failure)
            | MapRunFailed(failure)
            | TaskFailed { failure, .. }
            | TaskTimedOut { failure, .. }
            | EvaluationFailed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    /// The input or output that it holds.
    pub fn payload(&self) -> Option<&Payload> {
        use EventKind::*;
        match self {
            ExecutionStarted { input }
            | StateEntered { input, .. }
            | TaskScheduled { input, .. }
            | TaskScheduledInRole { input, .. } => Some(input),
            ExecutionSucceeded { output }
            | StateExited { output, .. }
            | StateExitedAssigning { output, .. }
            | TaskSucceeded { output, .. }
            | TaskSubmitted { output, .. } => Some(output),
            _ => None,
        }
    }

    /// The variables that it tells of, with their new values.
    pub fn variables(&self) -> &[(Arc<str>, Payload)] {
        match self {
            EventKind::StateExitedAssigning { variables, .. } => variables,
            _ => &[],
        }
    }

    /// Does this event end the execution?
    pub fn is_terminal(&self) -> bool {
        use EventKind::*;
        matches!(self, ExecutionSucceeded { .. } | ExecutionFailed(_) | ExecutionAborted(_) | ExecutionTimedOut(_))
    }
}

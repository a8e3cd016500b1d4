//! What the interpreter wants done, once the transition is durable.

use std::sync::Arc;

use asl::definition::Resource;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::execution::{MapRunId, TaskId, TimerId, Timestamp};
use crate::history::Failure;
use crate::payload::Payload;

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The task is scheduled. Feed `TaskStarted` when a runner takes it, and hand it over when that is durable.
    RunTask(RunTask),
    /// Nobody waits for this attempt any more; its outcome will be refused as stale.
    CancelTask(TaskId),
    /// Nobody waits any more for the nested execution that this attempt has started, or is about to: it is to be stopped.
    StopChild(TaskId),
    SetTimer(TimerId, Timestamp),
    ClearTimer(TimerId),
    /// Feed `MapRunFinished` when it is over.
    StartMapRun(Box<StartMapRun>),
    /// What did not succeed of this Map Run is done again. Feed `MapRunFinished` when it is over.
    RedriveMapRun(MapRunId),
    /// Nobody waits for this Map Run any more: its executions are to be stopped.
    CancelMapRun(MapRunId),
    /// The step reached its event limit: feed `Continue`.
    Continue,
    /// The execution has reached its terminal status.
    Finish,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RunTask {
    pub task: TaskId,
    pub state: Arc<str>,
    pub resource: Resource,
    /// Parameters of a service task, the input of a function or an activity.
    pub input: Payload,
    /// The role to act in, if not the execution's: `Credentials`.
    pub role_arn: Option<Arc<str>>,
    /// What makes its token, if it has one.
    pub secret: Option<u128>,
}

/// What a Map Run has to do, every setting worked out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartMapRun {
    pub id: MapRunId,
    pub arn: Arc<str>,
    pub source: Source,
    /// None: no limit of the author's.
    pub concurrency: Option<u64>,
    pub tolerated_failure_count: Option<u64>,
    pub tolerated_failure_percentage: Option<f64>,
    pub batcher: Option<Batcher>,
    pub writer: Option<Writer>,
    pub is_express: bool,
}

/// Where the items come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// A JSON array.
    Items(Payload),
    Reader {
        resource: Arc<str>,
        parameters: Payload,
        config: Map<String, Value>,
        max_items: Option<u64>,
    },
    /// The settings of the reader cannot be used, which is found when the run has begun.
    Unusable(Failure),
}

/// Items that travel together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batcher {
    pub max_items: Option<u64>,
    pub max_bytes: Option<u64>,
    pub batch_input: Option<Payload>,
}

impl Batcher {
    /// The input of the execution that these items share.
    pub fn together(&self, items: &[Payload]) -> Payload {
        let items = Payload::array(items.iter());
        Payload::from_checked_text(match &self.batch_input {
            None => format!(r#"{{"Items":{}}}"#, items.text()),
            Some(input) => format!(r#"{{"BatchInput":{},"Items":{}}}"#, input.text(), items.text()),
        })
    }
}

/// Where the results go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Writer {
    pub resource: Option<Arc<str>>,
    pub parameters: Payload,
    pub config: Map<String, Value>,
}

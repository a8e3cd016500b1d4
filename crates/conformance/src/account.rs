//! One empty AWS account for one case: a store in memory, an engine over it, and the Step Functions door.
//!
//! ```text
//!  request ──> aws_states::States ──> engine::Engine (shard 0, a thread, real time)
//!                     │ reads              │
//!                     └────────────> store::Memory <── engine::core::Core (shard 1, no thread, virtual time)
//! ```
//!
//! Requests go through the door as they would from a socket, headers and body included. Executions whose history is
//! compared run in a [`Core`] of their own beside the engine, because only that can be handed its time; they are
//! described by the same door, from the same store.

use std::sync::Arc;
use std::time::Duration;

use aws_protocol::Home;
use aws_states::{States, TARGET_PREFIX};
use engine::core::{Core, Limits};
use engine::{Completion, Config, Engine, Items, Machine, ReadItems, Reader, StatusChange, Task, TaskRunner};
use interpreter::{Payload, Timestamp};
use serde_json::Value;
use store::{Memory, ShardId, Store};
use tokio::runtime::{Builder, Runtime};

use crate::verdict::Reason;

/// The role that every state machine may use.
pub const ROLE: &str = "arn:aws:iam::111111111111:role/sfn-role";
pub const ACCOUNT: &str = "111111111111";
pub const REGION: &str = "us-east-1";

/// The shard of the engine is 0.
const VIRTUAL_SHARD: ShardId = ShardId(1);
const SHARDS: u16 = 2;

pub struct Account {
    runtime: Runtime,
    engine: Engine,
    states: States,
    pub store: Arc<dyn Store>,
}

/// What came back over the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Account {
    /// An account whose tasks, but for those of executions with a history, are answered with their input. Objects that
    /// were not recorded hold so many items.
    pub fn open(items: usize) -> Result<Account, Reason> {
        Account::with(Arc::new(Echo { items }))
    }

    pub fn with(runner: Arc<dyn TaskRunner>) -> Result<Account, Reason> {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let failed = |what: &str, error: &dyn std::fmt::Display| Reason::plain(format!("{what}: {error}"));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed("the runtime could not be started", &error))?;
        let engine = Engine::open(store.clone(), runner, &Config::default())
            .map_err(|error| failed("the engine could not be opened", &error))?;
        let home = Home { region: REGION.into(), account: ACCOUNT.into() };
        let states = States::new(engine.handle(), engine.reader(), home);
        Ok(Account { runtime, engine, states, store })
    }

    /// Sends a request, as an AWS client would.
    pub fn request(&self, operation: &str, params: &Value) -> Answer {
        let request = http::Request::post("/")
            .header("content-type", aws_protocol::AWS_JSON_1_0)
            .header("x-amz-target", format!("{TARGET_PREFIX}{operation}"))
            .body(params.to_string().into())
            .expect("INVARIANT: the name of an operation is a valid header");
        let response = self.runtime.block_on(self.states.handle(&request));
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        Answer { status: response.status().as_u16(), body }
    }

    /// All events of an execution, as the door shows them.
    pub fn history(&self, execution_arn: &str) -> Result<Vec<Value>, Reason> {
        let mut params = serde_json::json!({ "executionArn": execution_arn, "maxResults": 1000 });
        let mut events = Vec::new();
        loop {
            let answer = self.request("GetExecutionHistory", &params);
            let page = answer.body["events"].as_array();
            events.extend(page.ok_or_else(|| Reason::refused("GetExecutionHistory", &answer, None))?.iter().cloned());
            match &answer.body["nextToken"] {
                Value::Null => return Ok(events),
                token => params["nextToken"] = token.clone(),
            }
        }
    }

    pub fn machine(&self, arn: &str) -> Result<Arc<Machine>, Reason> {
        let found = self.engine.handle().machines().get(arn).map_err(|error| Reason::plain(error.to_string()))?;
        found.ok_or_else(|| Reason::plain("a state machine that was created is not there"))
    }

    /// A status change as EventBridge would deliver it.
    pub fn status_change_event(&self, change: &StatusChange) -> Result<Option<Value>, Reason> {
        self.states.status_change_event(change).map_err(|error| Reason::plain(error.to_string()))
    }

    /// A shard that is handed its time.
    pub fn core(&self, now: Timestamp) -> Result<Core, Reason> {
        let machines = self.engine.handle().machines().clone();
        let limits = Limits {
            running_tasks_max: usize::MAX,
            open_executions_max: usize::MAX,
            shards: SHARDS,
            is_volatile: false,
            retention_ms: engine::limits::RETENTION_MS,
        };
        // Any seed will do, as long as a run can be repeated.
        Core::recover(VIRTUAL_SHARD, self.store.clone(), machines, limits, now, 0)
            .map_err(|error| Reason::plain(error.to_string()))
    }

    pub fn reader(&self) -> Reader {
        self.engine.reader()
    }

    /// Does the engine run anything?
    pub fn is_busy(&self) -> bool {
        self.runtime.block_on(self.engine.handle().gauges()).open_executions > 0
    }

    pub fn close(self) {
        // Nobody waits for what still runs.
        self.engine.shut_down(Duration::ZERO);
    }
}

impl Answer {
    pub fn is_error(&self) -> bool {
        self.status >= 400
    }

    /// The error's name, without the prefix that some services write.
    pub fn error_code(&self) -> Option<String> {
        let code = self.body["__type"].as_str()?;
        Some(code.rsplit('#').next().unwrap_or(code).to_owned())
    }

    pub fn error_message(&self) -> String {
        self.body["message"].as_str().unwrap_or_default().to_owned()
    }

    pub fn error_text(&self) -> String {
        format!("{}: {}", self.error_code().unwrap_or_default(), self.error_message())
    }
}

/// Answers every task with its input: work for which nothing was recorded. Of objects that were not recorded it is told
/// how many items they held.
struct Echo {
    items: usize,
}

impl TaskRunner for Echo {
    fn run(&self, task: Task, completion: Completion) {
        completion.succeed(task.input);
    }

    fn read_items(&self, _: ReadItems, items: Items) {
        items.end(vec![Payload::from_checked_text("{}"); self.items]);
    }
}

//! Executions through the door: what is started for a task that waits.

use engine::{ExecutionId, Parent};
use interpreter::{FrameId, TaskId, WaitId};
use serde_json::json;
use support::{Account, ROLE, pass};

mod support;

/// What an Express execution has done is forgotten when it ends, so no task can wait for it.
#[tokio::test]
async fn no_task_waits_for_an_express_execution() {
    let account = Account::open();
    for (name, kind, expect) in [("s", "STANDARD", None), ("e", "EXPRESS", Some("StateMachineTypeNotSupported"))] {
        let body = json!({ "name": name, "definition": pass(0), "roleArn": ROLE, "type": kind });
        let machine = account.ask("CreateStateMachine", body).await.unwrap()["stateMachineArn"].clone();
        let task = TaskId { frame: FrameId(0), attempt: WaitId(1) };
        let parent = Parent::Task { execution: ExecutionId(1), task };
        let started = account.states().start_nested(json!({ "stateMachineArn": machine, "name": "n" }), parent).await;
        assert_eq!(started.err().map(|error| error.name), expect, "{kind}");
    }
    account.close();
}

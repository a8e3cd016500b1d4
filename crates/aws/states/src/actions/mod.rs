//! One file per action, and the table that finds it.
//!
//! An action takes the request's body and gives the answer's. Members it does not know are ignored, as AWS
//! does; a member it knows and cannot honour is refused by name.

mod create_activity;
mod create_state_machine;
mod create_state_machine_alias;
mod delete_activity;
mod delete_state_machine;
mod delete_state_machine_alias;
mod delete_state_machine_version;
mod describe_activity;
mod describe_execution;
mod describe_map_run;
mod describe_state_machine;
mod describe_state_machine_alias;
mod describe_state_machine_for_execution;
mod get_activity_task;
mod get_execution_history;
mod list_activities;
mod list_executions;
mod list_map_runs;
mod list_state_machine_aliases;
mod list_state_machine_versions;
mod list_state_machines;
mod list_tags_for_resource;
mod publish_state_machine_version;
mod redrive_execution;
mod send_task_failure;
mod send_task_heartbeat;
mod send_task_success;
mod start_execution;
pub mod start_sync_execution;
mod stop_execution;
mod tag_resource;
mod test_state;
mod untag_resource;
mod update_map_run;
mod update_state_machine;
mod update_state_machine_alias;
mod validate_state_machine_definition;

use aws_protocol::Error;
use engine::ChangeError;
use serde_json::Value;

pub use describe_execution::redrive;

use crate::States;
use crate::errors;
use crate::model;
use crate::wire::members;

/// Makes the dispatcher and the list of what it serves from one table.
macro_rules! actions {
    ($($operation:literal => $module:ident,)*) => {
        pub async fn dispatch(states: &States, operation: &str, body: Value) -> Result<Value, Error> {
            model::check(operation, &body)?;
            match operation {
                $($operation => $module::run(states, members(body)?).await,)*
                other => Err(errors::unknown_operation(other, concat!($($operation, " "),*).trim_end())),
            }
        }
    };
}

actions! {
    "CreateActivity" => create_activity,
    "CreateStateMachine" => create_state_machine,
    "CreateStateMachineAlias" => create_state_machine_alias,
    "DeleteActivity" => delete_activity,
    "DeleteStateMachine" => delete_state_machine,
    "DeleteStateMachineAlias" => delete_state_machine_alias,
    "DeleteStateMachineVersion" => delete_state_machine_version,
    "DescribeActivity" => describe_activity,
    "DescribeExecution" => describe_execution,
    "DescribeMapRun" => describe_map_run,
    "DescribeStateMachine" => describe_state_machine,
    "DescribeStateMachineAlias" => describe_state_machine_alias,
    "DescribeStateMachineForExecution" => describe_state_machine_for_execution,
    "GetActivityTask" => get_activity_task,
    "GetExecutionHistory" => get_execution_history,
    "ListActivities" => list_activities,
    "ListExecutions" => list_executions,
    "ListMapRuns" => list_map_runs,
    "ListStateMachineAliases" => list_state_machine_aliases,
    "ListStateMachineVersions" => list_state_machine_versions,
    "ListStateMachines" => list_state_machines,
    "ListTagsForResource" => list_tags_for_resource,
    "PublishStateMachineVersion" => publish_state_machine_version,
    "RedriveExecution" => redrive_execution,
    "SendTaskFailure" => send_task_failure,
    "SendTaskHeartbeat" => send_task_heartbeat,
    "SendTaskSuccess" => send_task_success,
    "StartExecution" => start_execution,
    "StartSyncExecution" => start_sync_execution,
    "StopExecution" => stop_execution,
    "TagResource" => tag_resource,
    "TestState" => test_state,
    "UntagResource" => untag_resource,
    "UpdateMapRun" => update_map_run,
    "UpdateStateMachine" => update_state_machine,
    "UpdateStateMachineAlias" => update_state_machine_alias,
    "ValidateStateMachineDefinition" => validate_state_machine_definition,
}

/// StartExecution for a task that waits for the end.
pub async fn start_nested(states: &States, body: Value, parent: engine::Parent) -> Result<Value, Error> {
    model::check("StartExecution", &body)?;
    start_execution::nested(states, members(body)?, parent).await
}

/// Runs what waits for the disk where it may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, engine::Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| errors::from_engine(&error)),
        Err(error) => Err(Error::internal(format!("the request was given up: {error}"))),
    }
}

/// A change of the registry, where it may wait for the disk; its refusal is an answer.
async fn changing<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ChangeError> + Send + 'static,
) -> Result<Result<T, ChangeError>, Error> {
    blocking(move || Ok(work())).await
}

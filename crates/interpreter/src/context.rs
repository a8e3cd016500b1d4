//! The context object, `$$`: what an expression may know of its surroundings.
//!
//! Source: "Accessing execution data from the Context object in Step Functions", AWS Step Functions Developer
//! Guide.

use asl::definition::Kind;
use asl::timestamp;
use serde_json::{Value, json};

use crate::execution::{Execution, Frame, TaskId, Wait};
use crate::input::Setting;
use crate::payload::Payload;
use crate::token::Token;

/// `item` is the Map item of an iteration that has no frame yet, `token` that of an attempt that is not asked for yet.
pub fn object(
    setting: &Setting<'_>,
    execution: &Execution,
    frame: &Frame,
    item: Option<(u32, &Payload)>,
    token: Option<Token>,
) -> Value {
    let given = setting.trial.and_then(|trial| trial.context.clone());
    let mut object = given.unwrap_or_else(|| of_execution(setting, execution, frame, token));
    if let Some((index, item)) = item.or_else(|| current_item(execution, frame)) {
        object["Map"] = json!({ "Item": { "Index": index, "Value": item.value() } });
    }
    object
}

fn of_execution(setting: &Setting<'_>, execution: &Execution, frame: &Frame, token: Option<Token>) -> Value {
    let about = setting.about;
    let state = setting.definition.state(frame.state);
    let mut object = json!({
        "Execution": {
            "Id": &*about.execution_arn,
            "Input": about.input.value(),
            "StartTime": timestamp::format(about.started_at.0),
            "Name": &*about.execution_name,
            "RoleArn": &*about.role_arn,
            "RedriveCount": execution.redrive_count,
        },
        "StateMachine": { "Id": &*about.machine_arn, "Name": &*about.machine_name },
        "State": { "Name": &*state.name, "EnteredTime": timestamp::format(frame.entered_at.0) },
    });
    if matches!(state.kind, Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_)) {
        object["State"]["RetryCount"] = frame.retries.iter().sum::<u32>().into();
    }
    if let Some(token) = token.or_else(|| open_token(setting, frame)) {
        object["Task"] = json!({ "Token": token.encode() });
    }
    object
}

/// The token of the attempt that the frame waits for, if it has one.
fn open_token(setting: &Setting<'_>, frame: &Frame) -> Option<Token> {
    let Wait::Task(wait) = &frame.wait else { return None };
    let task = TaskId { frame: frame.id, attempt: wait.attempt };
    wait.secret.map(|secret| Token { execution: setting.about.key, task, secret })
}

/// The item of the innermost Map iteration this frame works in.
fn current_item<'e>(execution: &'e Execution, frame: &'e Frame) -> Option<(u32, &'e Payload)> {
    let mut at = Some(frame);
    while let Some(frame) = at {
        let (parent, index) = frame.parent?;
        if let Some(item) = &frame.item {
            return Some((index, item));
        }
        at = execution.frame(parent);
    }
    None
}

//! The context object of a tested state: the one that the caller gives, or one as an execution would have it.

use asl::definition::{Kind, Pattern};
use asl::timestamp;
use aws_protocol::Error;
use interpreter::{About, FrameId, TaskId, Timestamp, Token, WaitId};
use serde_json::{Map, Value, json};

use super::subject::Subject;
use crate::errors;

/// What may stand in a given context object. The item of a Map is what the Map makes of its own items.
const FIELDS: &[(&str, &[&str])] = &[
    ("Execution", &["Id", "Input", "Name", "RoleArn", "StartTime", "RedriveCount", "RedriveTime"]),
    ("State", &["EnteredTime", "Name", "RetryCount"]),
    ("StateMachine", &["Id", "Name"]),
    ("Task", &["Token"]),
];

/// The context object in a request.
pub fn given(text: &str) -> Result<Value, Error> {
    let refused = |why: &str| Err(errors::validation(format!("Invalid Context object provided: {why}")));
    let Ok(context) = serde_json::from_str::<Value>(text) else { return refused("it must be valid JSON") };
    let Some(members) = context.as_object() else { return refused("it must be a JSON object") };
    for (name, value) in members {
        if name == "Map" {
            return refused("'Map' field is not supported when mocking a Context object");
        }
        let Some((_, allowed)) = FIELDS.iter().find(|(field, _)| field == name) else {
            return refused(&format!("Field '{name}' is not allowed"));
        };
        let Some(members) = value.as_object() else { return refused(&format!("Field '{name}' must be an object")) };
        if let Some(wrong) = members.keys().find(|member| !allowed.contains(&member.as_str())) {
            return refused(&format!("Field '{wrong}' is not allowed"));
        }
    }
    Ok(context)
}

/// As an Express execution has it, which a test is on AWS. `secret` makes the token of a task that has one.
pub fn of_execution(about: &About, subject: &Subject, now: Timestamp, retry_count: u32, secret: u64) -> Value {
    let moment = timestamp::format(now.0);
    let mut execution = json!({ "Id": &*about.execution_arn, "Input": about.input.value() });
    execution["Name"] = (*about.execution_name).into();
    if !about.role_arn.is_empty() {
        execution["RoleArn"] = (*about.role_arn).into();
    }
    execution["StartTime"] = moment.clone().into();
    let mut state = json!({ "Name": &*subject.state().name, "EnteredTime": moment });
    if matches!(subject.kind(), Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_)) {
        state["RetryCount"] = retry_count.into();
    }
    let mut context = Map::new();
    context.insert("Execution".into(), execution);
    context.insert("StateMachine".into(), json!({ "Id": &*about.machine_arn, "Name": &*about.machine_name }));
    context.insert("State".into(), state);
    if matches!(subject.kind(), Kind::Task(task) if task.resource.pattern() == Pattern::Callback) {
        let task = TaskId { frame: FrameId(0), attempt: WaitId(1) };
        let token = Token { execution: about.key, task, secret: secret.into() };
        context.insert("Task".into(), json!({ "Token": token.encode() }));
    }
    Value::Object(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_objects() {
        let check = |text: &str, expect: Option<&str>| {
            let found = given(text).err().map(|error| error.message);
            let why = found.as_deref().map(|text| text.strip_prefix("Invalid Context object provided: ").unwrap());
            assert_eq!(why, expect, "{text}");
        };
        check("{}", None);
        check(r#"{"Execution":{"Input":[1]},"State":{"RetryCount":2},"Task":{"Token":"t"}}"#, None);
        check("x", Some("it must be valid JSON"));
        check("[]", Some("it must be a JSON object"));
        check(r#"{"Execution":1}"#, Some("Field 'Execution' must be an object"));
        check(r#"{"StateMachine":{"Arn":"a"}}"#, Some("Field 'Arn' is not allowed"));
    }
}

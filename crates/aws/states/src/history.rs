//! History events as `GetExecutionHistory` shows them.
//!
//! Every type has its own details member, named after a family of types. One flat match over [`EventKind`], which
//! knows the names of types itself.

use std::sync::Arc;

use interpreter::{EventKind, Failure, HistoryEvent, Payload, TaskResource};
use serde_json::{Map, Value, json};

use crate::wire::{date, put};

/// What the stored events do not repeat.
pub struct Surroundings<'a> {
    pub role_arn: &'a str,
    pub region: &'a str,
    /// The ARNs of the version and the alias that the execution was started through.
    pub through: &'a Map<String, Value>,
    /// `includeExecutionData`: without it inputs and outputs are left out.
    pub with_data: bool,
    /// Texts of inputs and outputs that are longer, escaped as they will be, are cut.
    pub text_bytes_max: usize,
}

pub fn render(event: &HistoryEvent, around: &Surroundings<'_>) -> Value {
    let mut object = Map::new();
    object.insert("timestamp".into(), date(event.at));
    object.insert("type".into(), event.kind.type_name().into());
    object.insert("id".into(), event.id.into());
    object.insert("previousEventId".into(), event.previous.into());
    if let Some((member, details)) = details(&event.kind, around) {
        object.insert(member.into(), Value::Object(details));
    }
    Value::Object(object)
}

/// The type of an event, and what its details member holds.
pub fn record(event: &HistoryEvent, around: &Surroundings<'_>) -> (String, Map<String, Value>) {
    let details = details(&event.kind, around).map(|(_, details)| details).unwrap_or_default();
    (event.kind.type_name().into_owned(), details)
}

type Details = Option<(&'static str, Map<String, Value>)>;

fn details(kind: &EventKind, around: &Surroundings<'_>) -> Details {
    match kind {
        EventKind::ExecutionStarted { input } => {
            let mut details = data(around, "input", input);
            details.insert("roleArn".into(), around.role_arn.into());
            details.extend(around.through.clone());
            Some(("executionStartedEventDetails", details))
        }
        EventKind::ExecutionSucceeded { output } => {
            Some(("executionSucceededEventDetails", data(around, "output", output)))
        }
        EventKind::ExecutionFailed(it) => Some(("executionFailedEventDetails", failure(it))),
        EventKind::ExecutionAborted(it) => Some(("executionAbortedEventDetails", failure(it))),
        EventKind::ExecutionTimedOut(it) => Some(("executionTimedOutEventDetails", failure(it))),
        EventKind::StateEntered { name, input, .. } => {
            let mut details = named(name);
            details.extend(data(around, "input", input));
            Some(("stateEnteredEventDetails", details))
        }
        EventKind::StateExited { name, output, .. } => {
            let mut details = named(name);
            details.extend(data(around, "output", output));
            Some(("stateExitedEventDetails", details))
        }
        EventKind::StateExitedAssigning { name, output, variables, .. } => {
            let mut details = named(name);
            details.extend(data(around, "output", output));
            details.extend(assigned(around, variables));
            Some(("stateExitedEventDetails", details))
        }
        EventKind::EvaluationFailed { failure: it, location, state } => {
            let mut details = failure(it);
            put(&mut details, "location", location.as_deref());
            details.insert("state".into(), state.as_ref().into());
            Some(("evaluationFailedEventDetails", details))
        }
        EventKind::StateAborted { .. } => None,
        EventKind::TaskScheduled { resource, input, timeout_seconds, heartbeat_seconds } => {
            scheduled(resource, input, *timeout_seconds, *heartbeat_seconds, None, around)
        }
        EventKind::TaskScheduledInRole { resource, input, timeout_seconds, heartbeat_seconds, role_arn } => {
            scheduled(resource, input, *timeout_seconds, *heartbeat_seconds, Some(role_arn), around)
        }
        EventKind::TaskStarted { resource } => match resource {
            TaskResource::Function { .. } | TaskResource::Activity { .. } => None,
            TaskResource::Service { .. } => Some(("taskStartedEventDetails", of(resource))),
        },
        EventKind::ActivityStarted { worker } => {
            let details = worker.iter().map(|worker| ("workerName".to_owned(), Value::from(&**worker))).collect();
            Some(("activityStartedEventDetails", details))
        }
        EventKind::TaskSubmitted { resource, output } => {
            let mut details = data(around, "output", output);
            details.extend(of(resource));
            Some(("taskSubmittedEventDetails", details))
        }
        EventKind::TaskSucceeded { resource, output } => {
            let mut details = data(around, "output", output);
            details.extend(of(resource));
            let member = match resource {
                TaskResource::Function { .. } => "lambdaFunctionSucceededEventDetails",
                TaskResource::Activity { .. } => "activitySucceededEventDetails",
                TaskResource::Service { .. } => "taskSucceededEventDetails",
            };
            Some((member, details))
        }
        EventKind::TaskFailed { resource, failure } => ended(
            resource,
            failure,
            "lambdaFunctionFailedEventDetails",
            "activityFailedEventDetails",
            "taskFailedEventDetails",
        ),
        EventKind::TaskTimedOut { resource, failure } => ended(
            resource,
            failure,
            "lambdaFunctionTimedOutEventDetails",
            "activityTimedOutEventDetails",
            "taskTimedOutEventDetails",
        ),
        EventKind::MapStarted { length } => {
            let details = Map::from_iter([("length".to_owned(), Value::from(*length))]);
            Some(("mapStateStartedEventDetails", details))
        }
        EventKind::IterationStarted { name, index } => {
            Some(("mapIterationStartedEventDetails", iteration(name, *index)))
        }
        EventKind::IterationSucceeded { name, index } => {
            Some(("mapIterationSucceededEventDetails", iteration(name, *index)))
        }
        EventKind::IterationFailed { name, index } => Some(("mapIterationFailedEventDetails", iteration(name, *index))),
        EventKind::IterationAborted { name, index } => {
            Some(("mapIterationAbortedEventDetails", iteration(name, *index)))
        }
        EventKind::MapRunStarted { arn } => {
            let details = Map::from_iter([("mapRunArn".to_owned(), Value::from(&**arn))]);
            Some(("mapRunStartedEventDetails", details))
        }
        EventKind::MapRunFailed(it) => Some(("mapRunFailedEventDetails", failure(it))),
        EventKind::MapRunRedriven { arn, count } => {
            let arn = ("mapRunArn".to_owned(), Value::from(&**arn));
            let details = Map::from_iter([arn, ("redriveCount".to_owned(), Value::from(*count))]);
            Some(("mapRunRedrivenEventDetails", details))
        }
        EventKind::ExecutionRedriven { count } => {
            let details = Map::from_iter([("redriveCount".to_owned(), Value::from(*count))]);
            Some(("executionRedrivenEventDetails", details))
        }
        EventKind::ParallelStarted
        | EventKind::ParallelSucceeded
        | EventKind::ParallelFailed
        | EventKind::MapSucceeded
        | EventKind::MapFailed
        | EventKind::MapRunSucceeded
        | EventKind::MapRunAborted => None,
    }
}

fn scheduled(
    resource: &TaskResource,
    input: &Payload,
    timeout_seconds: Option<u64>,
    heartbeat_seconds: Option<u64>,
    role_arn: Option<&Arc<str>>,
    around: &Surroundings<'_>,
) -> Details {
    let credentials = role_arn.map(|arn| json!({ "roleArn": &**arn }));
    match resource {
        TaskResource::Function { arn } => {
            let mut details = data(around, "input", input);
            details.insert("resource".into(), arn.as_ref().into());
            put(&mut details, "timeoutInSeconds", timeout_seconds);
            put(&mut details, "taskCredentials", credentials);
            Some(("lambdaFunctionScheduledEventDetails", details))
        }
        TaskResource::Activity { arn } => {
            let mut details = data(around, "input", input);
            details.insert("resource".into(), arn.as_ref().into());
            put(&mut details, "timeoutInSeconds", timeout_seconds);
            put(&mut details, "heartbeatInSeconds", heartbeat_seconds);
            Some(("activityScheduledEventDetails", details))
        }
        TaskResource::Service { .. } => {
            let mut details = of(resource);
            details.insert("region".into(), around.region.into());
            if around.with_data {
                details.insert("parameters".into(), cut(input.text(), around.text_bytes_max).into());
            }
            put(&mut details, "timeoutInSeconds", timeout_seconds);
            put(&mut details, "heartbeatInSeconds", heartbeat_seconds);
            put(&mut details, "taskCredentials", credentials);
            Some(("taskScheduledEventDetails", details))
        }
    }
}

fn ended(
    resource: &TaskResource,
    it: &Failure,
    function: &'static str,
    activity: &'static str,
    service: &'static str,
) -> Details {
    let mut details = failure(it);
    details.extend(of(resource));
    let member = match resource {
        TaskResource::Function { .. } => function,
        TaskResource::Activity { .. } => activity,
        TaskResource::Service { .. } => service,
    };
    Some((member, details))
}

fn data(around: &Surroundings<'_>, member: &str, payload: &Payload) -> Map<String, Value> {
    let mut details = Map::new();
    if around.with_data {
        let text = cut(payload.text(), around.text_bytes_max);
        let is_cut = text.len() < payload.text().len();
        details.insert(member.to_owned(), text.into());
        details.insert(format!("{member}Details"), json!({ "truncated": is_cut }));
    }
    details
}

/// As much of a text as takes so many bytes when it is a string of JSON.
fn cut(text: &str, bytes_max: usize) -> &str {
    // Nothing takes more than six bytes for one.
    if text.len() <= bytes_max / 6 {
        return text;
    }
    let mut bytes = 0;
    for (at, c) in text.char_indices() {
        bytes += match c {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            c if c < ' ' => 6,
            c => c.len_utf8(),
        };
        if bytes > bytes_max {
            return &text[..at];
        }
    }
    text
}

/// `assignedVariables`: the text of each variable's new value.
fn assigned(around: &Surroundings<'_>, variables: &[(Arc<str>, Payload)]) -> Map<String, Value> {
    let mut details = Map::new();
    if around.with_data {
        let texts = variables.iter().map(|(name, value)| (name.to_string(), Value::from(value.text())));
        details.insert("assignedVariables".into(), texts.collect::<Map<_, _>>().into());
        details.insert("assignedVariablesDetails".into(), json!({ "truncated": false }));
    }
    details
}

fn failure(failure: &Failure) -> Map<String, Value> {
    let mut details = Map::new();
    put(&mut details, "error", failure.error.as_deref());
    put(&mut details, "cause", failure.cause.as_deref());
    details
}

fn named(name: &str) -> Map<String, Value> {
    Map::from_iter([("name".to_owned(), Value::from(name))])
}

fn iteration(name: &str, index: u32) -> Map<String, Value> {
    Map::from_iter([("name".to_owned(), Value::from(name)), ("index".to_owned(), Value::from(index))])
}

/// `resourceType` and `resource` of a service task.
fn of(resource: &TaskResource) -> Map<String, Value> {
    match resource {
        TaskResource::Service { service, action } => Map::from_iter([
            ("resourceType".to_owned(), Value::from(&**service)),
            ("resource".to_owned(), Value::from(&**action)),
        ]),
        TaskResource::Function { .. } | TaskResource::Activity { .. } => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interpreter::{StateType, Timestamp};

    #[test]
    fn long_texts_are_cut() {
        let check = |text: &str, bytes_max: usize, expect: &str| assert_eq!(cut(text, bytes_max), expect, "{text}");
        check("abc", 3, "abc");
        check("abcd", 3, "abc");
        check(r#"{"a":1}"#, 9, r#"{"a":1}"#);
        check(r#"{"a":1}"#, 8, r#"{"a":1"#);
        check("\u{e9}\u{e9}", 3, "\u{e9}");
    }

    #[test]
    fn types_and_details() {
        let around = Surroundings {
            role_arn: "role",
            region: "us-east-1",
            through: &Map::new(),
            with_data: true,
            text_bytes_max: usize::MAX,
        };
        let service = TaskResource::Service { service: "lambda".into(), action: "invoke".into() };
        let function = TaskResource::Function { arn: "arn:f".into() };
        let payload = Payload::from_checked_text("{}");
        let check = |kind: EventKind, expect: &str| {
            let event = HistoryEvent { id: 2, previous: 1, at: Timestamp(1500), kind };
            let shown = render(&event, &around).to_string();
            assert_eq!(shown, format!(r#"{{"timestamp":1.5,{expect}}}"#));
        };
        check(
            EventKind::StateEntered { state: StateType::Pass, name: "A".into(), input: payload.clone() },
            r#""type":"PassStateEntered","id":2,"previousEventId":1,"stateEnteredEventDetails":{"name":"A","input":"{}","inputDetails":{"truncated":false}}"#,
        );
        check(
            EventKind::TaskFailed { resource: service, failure: Failure::named("E") },
            r#""type":"TaskFailed","id":2,"previousEventId":1,"taskFailedEventDetails":{"error":"E","resourceType":"lambda","resource":"invoke"}"#,
        );
        check(
            EventKind::TaskStarted { resource: function },
            r#""type":"LambdaFunctionStarted","id":2,"previousEventId":1"#,
        );
        check(
            EventKind::StateExitedAssigning {
                state: StateType::Choice,
                name: "A".into(),
                output: payload,
                variables: vec![("x".into(), Payload::from_checked_text(r#"[1,"y"]"#))],
            },
            r#""type":"ChoiceStateExited","id":2,"previousEventId":1,"stateExitedEventDetails":{"name":"A","output":"{}","outputDetails":{"truncated":false},"assignedVariables":{"x":"[1,\"y\"]"},"assignedVariablesDetails":{"truncated":false}}"#,
        );
        check(
            EventKind::EvaluationFailed {
                failure: Failure::new("E", "why"),
                location: Some("Items".into()),
                state: "A".into(),
            },
            r#""type":"EvaluationFailed","id":2,"previousEventId":1,"evaluationFailedEventDetails":{"error":"E","cause":"why","location":"Items","state":"A"}"#,
        );
        check(
            EventKind::StateAborted { state: StateType::Wait },
            r#""type":"WaitStateAborted","id":2,"previousEventId":1"#,
        );
    }
}

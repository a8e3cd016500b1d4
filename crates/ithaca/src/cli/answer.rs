//! `ithaca answer` and `ithaca redrive`: what a person does for an execution that waits, or has ended badly.
//!
//! A task is answered by its token. Who has none names the execution: the token was handed to the task, so it stands in
//! what the history says the task was asked.

use std::process::ExitCode;

use console::story::Tale;
use interpreter::Token;
use serde_json::{Value, json};

use super::client::Client;
use super::show::{self, details, told};
use super::start::input;
use super::terminal::print_line;
use super::{AnswerArgs, Context, Outcome, RedriveArgs};

pub async fn run(args: AnswerArgs, context: &Context) -> Outcome {
    let mut client = Client::connect(&context.endpoint).await?;
    let token = match Token::decode(&args.task) {
        Some(_) => args.task.clone(),
        None => {
            let arn = client.execution(Some(&args.task)).await?;
            let events = show::events(&mut client, &arn).await?;
            let state = args.state.as_deref();
            one_of(waiting(&events), state, &arn).map_err(|why| how_to_take(&events, state, context).unwrap_or(why))?
        }
    };
    match (&args.output, &args.error) {
        (Some(output), _) => {
            client.call("SendTaskSuccess", json!({ "taskToken": token, "output": input(output, "--output")? })).await?;
        }
        (None, error) => {
            let mut body = json!({ "taskToken": token });
            for (member, value) in [("error", error), ("cause", &args.cause)] {
                if let Some(value) = value {
                    body[member] = value.as_str().into();
                }
            }
            client.call("SendTaskFailure", body).await?;
        }
    }
    print_line!("{}", if context.json { "{}" } else { "answered" });
    Ok(ExitCode::SUCCESS)
}

pub async fn redrive(args: RedriveArgs, context: &Context) -> Outcome {
    let mut client = Client::connect(&context.endpoint).await?;
    let arn = client.execution(Some(&args.execution)).await?;
    let redriven = client.call("RedriveExecution", json!({ "executionArn": arn })).await?;
    match context.json {
        true => print_line!("{redriven}"),
        false => print_line!("redriven {arn}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The states whose tasks wait, each with the token that its task was given.
fn waiting(events: &[Value]) -> Vec<(String, String)> {
    let mut tale = Tale::default();
    events.iter().for_each(|event| tale.tell(&told(event)));
    let mut waiting: Vec<(usize, String)> = Vec::new();
    for event in events.iter().filter(|event| event["type"].as_str().is_some_and(|it| it.ends_with("Scheduled"))) {
        let Some(visit) = event["id"].as_u64().and_then(|id| tale.visit_of_event(id)) else { continue };
        if !tale.visits[visit].is_asked() {
            continue;
        }
        let details = details(event);
        let asked = details["parameters"].as_str().or(details["input"].as_str()).unwrap_or_default();
        let asked: Value = serde_json::from_str(asked).unwrap_or_default();
        // A later attempt has another token.
        waiting.retain(|(known, _)| *known != visit);
        waiting.extend(token_in(&asked).map(|token| (visit, token.to_owned())));
    }
    waiting.into_iter().map(|(visit, token)| (tale.visits[visit].name.clone(), token)).collect()
}

/// If a task lies there that no worker has taken: that, and how it is taken. Only who takes it gets its token.
fn how_to_take(events: &[Value], state: Option<&str>, context: &Context) -> Option<String> {
    let (name, activity) = untaken(events).into_iter().find(|(name, _)| state.is_none_or(|state| state == name))?;
    Some(format!(
        "no worker has taken the task of {name} yet, so it cannot be answered. Take it, and answer with the taskToken that you get: \
         aws stepfunctions get-activity-task --endpoint-url {} --activity-arn {activity}",
        context.endpoint
    ))
}

/// The states whose tasks wait for a worker, each with its activity.
fn untaken(events: &[Value]) -> Vec<(String, String)> {
    let mut tale = Tale::default();
    events.iter().for_each(|event| tale.tell(&told(event)));
    let mut untaken: Vec<(usize, String)> = Vec::new();
    for event in events {
        let Some(visit) = event["id"].as_u64().and_then(|id| tale.visit_of_event(id)) else { continue };
        match event["type"].as_str() {
            Some("ActivityScheduled") if tale.visits[visit].is_asked() => {
                let activity = details(event)["resource"].as_str().unwrap_or_default().to_owned();
                untaken.push((visit, activity));
            }
            Some("ActivityStarted" | "ActivityFailed" | "ActivityTimedOut") => {
                untaken.retain(|(known, _)| *known != visit)
            }
            _ => {}
        }
    }
    untaken.into_iter().map(|(visit, activity)| (tale.visits[visit].name.clone(), activity)).collect()
}

fn token_in(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Token::decode(text).map(|_| text.as_str()),
        Value::Array(items) => items.iter().find_map(token_in),
        Value::Object(members) => members.values().find_map(token_in),
        _ => None,
    }
}

fn one_of(waiting: Vec<(String, String)>, state: Option<&str>, arn: &str) -> Result<String, String> {
    let mut matching: Vec<_> = waiting.iter().filter(|(name, _)| state.is_none_or(|state| state == name)).collect();
    match (matching.pop(), matching.is_empty()) {
        (Some((_, token)), true) => Ok(token.clone()),
        (Some(_), false) => {
            let names: Vec<&str> = waiting.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!(
                "several tasks of {arn} wait: {}. Name a state with --state, or give a token",
                names.join(", ")
            ))
        }
        (None, _) => Err(format!(
            "no task of {arn} waits with a token in what it was asked. A worker has the token of an activity's task"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interpreter::{FrameId, TaskId, WaitId};

    #[test]
    fn tasks_that_no_worker_has_taken() {
        let event = |id: u64, kind: &str, details: Value| json!({ "id": id, "previousEventId": id - 1, "type": kind, "timestamp": id as f64, "xEventDetails": details });
        let scheduled = |id: u64| event(id, "ActivityScheduled", json!({ "resource": "arn:ship" }));
        let mut events = vec![
            event(1, "ExecutionStarted", json!({})),
            event(2, "TaskStateEntered", json!({ "name": "Ship" })),
            scheduled(3),
        ];
        let lies = [("Ship".to_owned(), "arn:ship".to_owned())];
        assert_eq!(untaken(&events), lies);
        let context = Context { endpoint: "http://127.0.0.1:4600".into(), json: false };
        let told = how_to_take(&events, None, &context).unwrap();
        assert!(told.ends_with("--endpoint-url http://127.0.0.1:4600 --activity-arn arn:ship"), "{told}");
        assert_eq!(how_to_take(&events, Some("Other"), &context), None);
        events.push(event(4, "ActivityStarted", json!({ "workerName": "w" })));
        assert_eq!(untaken(&events), []);
        events.extend([event(5, "ActivityFailed", json!({ "error": "E" })), scheduled(6)]);
        assert_eq!(untaken(&events), lies);
    }

    #[test]
    fn tokens_in_histories() {
        let token = |attempt: u64| {
            let task = TaskId { frame: FrameId(0), attempt: WaitId(attempt) };
            Token { execution: 7, task, secret: 9 }.encode()
        };
        let event = |id: u64, kind: &str, details: Value| json!({ "id": id, "previousEventId": id - 1, "type": kind, "timestamp": id as f64, "xEventDetails": details });
        let asked =
            |attempt: u64| json!({ "parameters": json!({ "Payload": { "deep": [1, token(attempt)] } }).to_string() });
        let mut events = vec![
            event(1, "ExecutionStarted", json!({})),
            event(2, "TaskStateEntered", json!({ "name": "Ask" })),
            event(3, "TaskScheduled", asked(1)),
        ];
        assert_eq!(waiting(&events), [("Ask".to_owned(), token(1))]);
        events.push(event(4, "TaskFailed", json!({ "error": "E" })));
        assert_eq!(waiting(&events), []);
        events.push(event(5, "TaskScheduled", asked(2)));
        assert_eq!(waiting(&events), [("Ask".to_owned(), token(2))]);
        assert_eq!(one_of(waiting(&events), None, "arn"), Ok(token(2)));
        assert_eq!(one_of(waiting(&events), Some("Ask"), "arn"), Ok(token(2)));
        assert!(one_of(waiting(&events), Some("Other"), "arn").is_err());
        assert!(one_of(Vec::new(), None, "arn").is_err());
    }
}

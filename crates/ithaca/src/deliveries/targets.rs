//! What a rule's targets are given: a function its payload, a state machine an execution, a queue or a topic a message.
//!
//! An execution is named after the event and the target, so that an event that is told twice starts one.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use aws_client::time;
use aws_events::{About, Input};
use aws_outbox::{Message, Sender};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::kept::Source;
use super::{envelope, send};
use crate::front::Front;

/// Gives one event to one target; the error is why it did not take it.
pub async fn hand_over(
    front: &Arc<Front>,
    source: &Source,
    (id, arn, input): (&str, &str, &Input),
    message: &Message,
) -> Result<(), String> {
    let Source::Rule(rule) = source else { return Err("only rules have such targets".to_owned()) };
    let ingestion_time = time::iso(message.at).replace(".000", "");
    let about = About { name: &rule.name, arn: &rule.arn, ingestion_time: &ingestion_time };
    let payload = input.of(&envelope::event(message), &about);
    let payload = scheduled(&payload, &rule.arn, message);
    match arn.split(':').nth(2) {
        Some("lambda") => invoke(front, arn, payload).await,
        Some("states") => start(front, arn, id, message, payload).await,
        Some("sqs") => {
            let url = queue_url(arn).ok_or("it is no ARN of a queue")?;
            send(front, &url, json!({ "MessageBody": text_of(&payload) }), Sender::default()).await
        }
        Some("sns") => publish(front, arn, &text_of(&payload)).await,
        _ => Err("it is nothing that is served".to_owned()),
    }
}

/// EventBridge Scheduler's words for itself in an input.
fn scheduled(payload: &str, arn: &str, message: &Message) -> String {
    if !payload.contains("<aws.scheduler.") {
        return payload.to_owned();
    }
    let at = time::iso(message.at - message.at.rem_euclid(1000)).replace(".000", "");
    payload
        .replace("<aws.scheduler.schedule-arn>", arn)
        .replace("<aws.scheduler.scheduled-time>", &at)
        .replace("<aws.scheduler.execution-id>", &message.message_id)
        .replace("<aws.scheduler.attempt-number>", "1")
}

/// As an event, which the Lambda host keeps and tries again by itself.
async fn invoke(front: &Front, arn: &str, payload: String) -> Result<(), String> {
    front.lambda.invoke_event(arn, Bytes::from(payload)).await.map(drop).map_err(|error| error.to_string())
}

async fn start(front: &Front, arn: &str, id: &str, message: &Message, input: String) -> Result<(), String> {
    let mut hasher = DefaultHasher::new();
    (arn, id).hash(&mut hasher);
    let name = format!("{}_{:016x}", message.message_id, hasher.finish());
    let body = json!({ "stateMachineArn": arn, "name": name, "input": input });
    match front.states.call("StartExecution", body).await {
        Ok(_) => Ok(()),
        // By this very event, before a crash.
        Err(error) if error.name == "ExecutionAlreadyExists" => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

async fn publish(front: &Front, arn: &str, text: &str) -> Result<(), String> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let body = format!("Action=Publish&Version=2010-03-31&TopicArn={}&Message={}", encoded(arn), encoded(text));
    let request = http::Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(Bytes::from(body)).map_err(|error| error.to_string())?;
    let answer = front.outbox.handle(&request).await;
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(answer.body()).into_owned()),
    }
}

/// A message is a text: one that is JSON's text is sent without its quotes.
fn text_of(payload: &str) -> String {
    match serde_json::from_str(payload) {
        Ok(Value::String(text)) => text,
        _ => payload.to_owned(),
    }
}

/// `https://sqs.{region}.amazonaws.com/{account}/{name}`
pub fn queue_url(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.split(':').collect();
    let [_, _, "sqs", region, account, name] = parts.as_slice() else { return None };
    Some(format!("https://sqs.{region}.amazonaws.com/{account}/{name}"))
}

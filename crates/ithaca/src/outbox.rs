//! `GET /ithaca/outbox`: what was sent and is kept, as JSON, the newest first. `ithaca outbox` asks here.

use aws_outbox::{Filter, Message, Outbox};
use aws_protocol::{REST_JSON, Request, Response, json, respond};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::json;

/// Messages of one answer, unless fewer are asked for.
pub const MESSAGES_MAX: usize = 1000;

pub const PATH: &str = "/ithaca/outbox";

/// Messages, read on a thread that may block.
pub async fn read(outbox: &Outbox, filter: Filter, limit: usize) -> Result<Vec<Message>, String> {
    let outbox = outbox.clone();
    let read = tokio::task::spawn_blocking(move || outbox.list(&filter, limit)).await;
    read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

pub async fn list(outbox: &Outbox, request: &Request) -> Response {
    let plain = |status, text: String| respond(status, "text/plain; charset=utf-8", text + "\n");
    let (filter, limit) = match asked(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return plain(StatusCode::BAD_REQUEST, why),
    };
    match read(outbox, filter, limit).await {
        Ok(messages) => json(StatusCode::OK, REST_JSON, &json!({ "messages": messages })),
        Err(why) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("the outbox cannot be read: {why}")),
    }
}

fn asked(query: &str) -> Result<(Filter, usize), String> {
    let (mut filter, mut limit) = (Filter::default(), MESSAGES_MAX);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned();
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{name} must be a number, not {text}"));
        match name {
            "service" => filter.service = Some(value),
            "destination" => filter.destination = Some(value),
            "execution" => filter.execution = Some(value),
            "after" => filter.after = number(&value)?,
            "number" => filter.number = Some(number(&value)?),
            "limit" => limit = usize::try_from(number(&value)?).unwrap_or(MESSAGES_MAX).min(MESSAGES_MAX),
            _ => {
                return Err(format!(
                    "{PATH} has no filter {name}: service, destination, execution, after, number, limit"
                ));
            }
        }
    }
    Ok((filter, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(asked(""), Ok((Filter::default(), MESSAGES_MAX)));
        let filter = Filter { service: some("sqs"), destination: some("a/b c"), after: 7, ..Filter::default() };
        assert_eq!(asked("service=sqs&destination=a%2Fb+c&after=7&limit=3"), Ok((filter, 3)));
        assert_eq!(asked("limit=99999"), Ok((Filter::default(), MESSAGES_MAX)));
        assert!(asked("after=x").is_err() && asked("colour=red").is_err());
    }
}

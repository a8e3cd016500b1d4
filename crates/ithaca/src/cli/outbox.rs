//! `ithaca outbox`: what tasks and functions have sent by SQS, SNS, EventBridge and SES and nobody else has got.

use std::process::ExitCode;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::Full;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::Client;
use super::terminal::{Tone, moment, paint, print_line, shorten};
use super::{Context, OutboxArgs, Outcome};
use crate::outbox::{MESSAGES_MAX, PATH};

/// Between two looks of `--follow`.
const PAUSE: Duration = Duration::from_millis(300);

pub async fn run(args: OutboxArgs, context: &Context) -> Outcome {
    let mut client = Client::connect(&context.endpoint).await?;
    let mut messages = ask(&mut client, &args, 0, args.limit.min(MESSAGES_MAX)).await?;
    messages.reverse();
    if !args.follow {
        print(&messages, &args, context);
        return Ok(ExitCode::SUCCESS);
    }
    let mut last = 0;
    loop {
        // A line each, so that a program can read them as they come.
        for message in &messages {
            match context.json {
                true => print_line!("{message}"),
                false => print_line!("{}", line(message)),
            }
            last = message["number"].as_u64().unwrap_or(last);
        }
        tokio::time::sleep(PAUSE).await;
        messages = ask(&mut client, &args, last, MESSAGES_MAX).await?;
        messages.reverse();
    }
}

async fn ask(client: &mut Client, args: &OutboxArgs, after: u64, limit: usize) -> Result<Vec<Value>, String> {
    let filters = [("service", &args.service), ("destination", &args.destination), ("execution", &args.execution)];
    let filters = filters.iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let filters: String =
        filters.map(|(name, value)| format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))).collect();
    let request = Request::get(format!("{PATH}?limit={limit}&after={after}{filters}"))
        .header(header::HOST, client.authority())
        .body(Full::default())
        .map_err(|error| error.to_string())?;
    let (status, body) = client.send(request).await?;
    if status != StatusCode::OK {
        return Err(format!("the outbox cannot be read: {status}: {}", String::from_utf8_lossy(&body).trim()));
    }
    let mut answer: Value =
        serde_json::from_slice(&body).map_err(|error| format!("no answer of an outbox: {error}"))?;
    match answer["messages"].take() {
        Value::Array(messages) => Ok(messages),
        _ => Err("no answer of an outbox".to_owned()),
    }
}

fn print(messages: &[Value], args: &OutboxArgs, context: &Context) {
    if context.json {
        print_line!("{}", Value::from(messages));
        return;
    }
    if messages.is_empty() {
        let is_all = args.service.is_none() && args.destination.is_none() && args.execution.is_none();
        print_line!("{}", if is_all { "the outbox is empty" } else { "the outbox has nothing of the kind" });
        return;
    }
    let head = format!("{:<27} {:<7} {:<30} {:<28} MESSAGE", "SENT", "SERVICE", "TO", "BY");
    print_line!("{}", paint(Tone::Quiet, &head));
    for message in messages {
        print_line!("{}", line(message));
    }
}

fn line(message: &Value) -> String {
    let text = |member: &str| message[member].as_str().unwrap_or_default();
    let to = text("destination");
    // The end of an ARN or a URL is what tells queues apart.
    let to = if to.contains('@') { to } else { to.rsplit(['/', ':']).next().unwrap_or(to) };
    let execution = text("execution").rsplit(':').next().unwrap_or_default();
    let by = [text("state"), execution].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" of ");
    let at = moment(message["at"].as_f64().map(|ms| ms / 1000.0));
    let service = paint(Tone::Good, &format!("{:<7}", text("service")));
    let (to, by) = (shorten(to, 30), shorten(if by.is_empty() { "-" } else { &by }, 28));
    format!("{at:<27} {service} {to:<30} {by:<28} {}", shorten(&body(&message["message"]), 100))
}

/// What a message says, without what is around it.
fn body(message: &Value) -> String {
    let says = ["/MessageBody", "/Message", "/Detail", "/Message/Subject/Data", "/Content/Simple/Subject/Data"];
    let says = says.iter().find_map(|path| message.pointer(path)?.as_str());
    says.map_or_else(|| message.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_messages_say() {
        let check = |message: Value, expect: &str| assert_eq!(body(&message), expect);
        check(json!({ "MessageBody": "m" }), "m");
        check(json!({ "Message": "m", "Subject": "s" }), "m");
        check(json!({ "Message": { "Subject": { "Data": "s" } } }), "s");
        check(json!({ "Source": "s", "Detail": "{}" }), "{}");
        check(json!({ "RawMessage": 1 }), "{\"RawMessage\":1}");
    }
}

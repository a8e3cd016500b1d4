//! Lambda: a function's own ARN as `Resource` gives its answer bare; `arn:aws:states:::lambda:invoke` is a call of
//! Lambda's Invoke and gives its answer with Lambda's metadata around it.

use std::sync::Arc;

use asl::compact;
use asl::definition::{Pattern, Resource};
use aws_lambda::{Host, InvokeError, InvokeOptions, Invoked, Outcome};
use bytes::Bytes;
use engine::{Completion, Task};
use interpreter::limits::PAYLOAD_BYTES_MAX;
use interpreter::{Failure, Payload};
use serde_json::{Value, json};

use super::{Answer, bad_parameters, required, tell, unknown_outcome};

/// Begins an invocation that nobody has to wait for: of a function by its ARN, or by a `lambda:invoke` with a name and an
/// event and no more. Gives any other task back.
pub fn begin(host: &Host, task: Task, completion: Completion) -> Option<(Task, Completion)> {
    let pattern = task.resource.pattern();
    let (name, event, is_call) = match &task.resource {
        Resource::Function { arn } => (&**arn, task.input.text(), false),
        resource if is_invocation(resource) => match plain_request(&task.input) {
            Some((name, event)) => (name, event, true),
            None => return Some((task, completion)),
        },
        _ => return Some((task, completion)),
    };
    let payload = Bytes::copy_from_slice(event.as_bytes());
    host.invoke_then(name, payload, options(&task), move |invoked| {
        let answer = answer(invoked).map(|(run, answer)| match is_call {
            true => with_metadata(200, &run, Some(&answer)),
            false => answer,
        });
        tell(completion, pattern, answer.map(Answer::of));
    });
    None
}

fn is_invocation(resource: &Resource) -> bool {
    resource.call() == Some(("lambda", "invoke"))
        && matches!(resource.pattern(), Pattern::RequestResponse | Pattern::Callback)
}

/// Name and event of a request that has nothing else. The event is known to be JSON; the request is not read.
fn plain_request(parameters: &Payload) -> Option<(&str, &str)> {
    if !parameters.is_compact() {
        return None;
    }
    let (mut name, mut event) = (None, None);
    for (member, value) in compact::members(parameters.text()) {
        match member {
            r#""FunctionName""# => {
                name = value.strip_prefix('"')?.strip_suffix('"').filter(|name| !name.contains('\\'))
            }
            r#""Payload""# => event = Some(value),
            _ => return None,
        }
    }
    name.zip(event)
}

/// `lambda:invoke`: the members of Lambda's Invoke request as Parameters.
pub async fn invoke_action(host: &Host, task: &Task) -> Result<Payload, Failure> {
    let parameters = task.input.value();
    let (name, payload, options) = request(task)?;
    match parameters["InvocationType"].as_str() {
        None | Some("RequestResponse") => {
            let (run, answer) = invoke(host, &name, payload, options).await?;
            Ok(with_metadata(200, &run, Some(&answer)))
        }
        Some("Event") => {
            let request_id = host.invoke_event(&name, payload).await.map_err(|error| not_invoked(&error))?;
            Ok(with_metadata(202, &Run::without_version(request_id), None))
        }
        Some("DryRun") => match host.function(&name) {
            Some(_) => Ok(with_metadata(204, &Run::without_version(String::new()), None)),
            None => Err(not_invoked(&InvokeError::NotFound(name))),
        },
        Some(other) => {
            let why = format!("InvocationType must be RequestResponse, Event or DryRun, not {other}");
            Err(bad_parameters(parameters, &why))
        }
    }
}

/// `aws-sdk:lambda:invoke`: the answer's payload stays text, and a function that fails is an answer like others.
pub async fn invoke_by_sdk(host: &Host, task: &Task) -> Result<Payload, Failure> {
    let parameters = task.input.value();
    let (name, payload, options) = request(task)?;
    match parameters["InvocationType"].as_str() {
        None | Some("RequestResponse") => {
            let invoked = host.invoke(&name, payload, options).await.map_err(|error| not_invoked(&error))?;
            let (error, payload) = match invoked.outcome {
                Outcome::Succeeded(payload) => (None, payload),
                Outcome::FunctionError { payload, .. } => (Some("Unhandled"), payload),
            };
            let mut answer = json!({ "ExecutedVersion": &*invoked.version });
            if let Some(error) = error {
                answer["FunctionError"] = error.into();
            }
            answer["Payload"] = String::from_utf8_lossy(&payload).into();
            answer["StatusCode"] = 200.into();
            Ok(Payload::from_value(answer))
        }
        Some("Event") => {
            host.invoke_event(&name, payload).await.map_err(|error| not_invoked(&error))?;
            Ok(Payload::from_value(json!({ "StatusCode": 202 })))
        }
        Some(other) => {
            let why = format!("InvocationType must be RequestResponse or Event, not {other}");
            Err(bad_parameters(parameters, &why))
        }
    }
}

fn bytes(payload: &Value) -> Bytes {
    // Several times as fast as `to_string`, which goes through a formatter.
    serde_json::to_vec(payload).expect("INVARIANT: a value always serialises").into()
}

/// The function, its qualifier behind a colon; its event; and the rest.
fn request(task: &Task) -> Result<(String, Bytes, InvokeOptions), Failure> {
    let parameters = task.input.value();
    let name = required(parameters, "FunctionName")?;
    let name = match parameters["Qualifier"].as_str() {
        Some(qualifier) => format!("{name}:{qualifier}"),
        None => name.to_owned(),
    };
    let payload = parameters.get("Payload").map_or_else(Bytes::new, bytes);
    let client_context = parameters["ClientContext"].as_str().map(str::to_owned);
    Ok((name, payload, InvokeOptions { client_context, ..options(task) }))
}

/// The execution's trace goes on in the function, unless no header can carry it.
fn options(task: &Task) -> InvokeOptions {
    let is_header = |trace: &&std::sync::Arc<str>| trace.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let trace_id = task.trace_header.as_ref().filter(is_header).map(|trace| trace.to_string());
    InvokeOptions { trace_id, ..InvokeOptions::default() }
}

async fn invoke(host: &Host, name: &str, payload: Bytes, options: InvokeOptions) -> Result<(Run, Payload), Failure> {
    answer(host.invoke(name, payload, options).await)
}

/// Which invocation has answered.
struct Run {
    request_id: String,
    version: Arc<str>,
}

impl Run {
    /// Nobody has waited to know it.
    fn without_version(request_id: String) -> Run {
        Run { request_id, version: "$LATEST".into() }
    }
}

/// The invocation, and what the function has answered.
fn answer(invoked: Result<Invoked, InvokeError>) -> Result<(Run, Payload), Failure> {
    let invoked = invoked.map_err(|error| not_invoked(&error))?;
    match invoked.outcome {
        Outcome::Succeeded(answer) => {
            let answer = as_json(&answer).ok_or_else(|| not_json(&answer))?;
            Ok((Run { request_id: invoked.request_id, version: invoked.version }, answer))
        }
        Outcome::FunctionError { error_type, payload, .. } => {
            let cause = String::from_utf8_lossy(&payload).into_owned();
            Err(Failure::new(if error_type.is_empty() { "Lambda.Unknown".to_owned() } else { error_type }, cause))
        }
    }
}

/// The answer, if it is JSON; an empty answer is null, as for a function that returns nothing. One that is too large
/// is passed on unread: its size is what is wrong with it.
fn as_json(answer: &[u8]) -> Option<Payload> {
    let text = if answer.is_empty() { "null" } else { std::str::from_utf8(answer).ok()? };
    match text.len() > PAYLOAD_BYTES_MAX {
        true => Some(Payload::from_checked_text(text)),
        false => Payload::parse(text).ok(),
    }
}

/// How much of an unusable answer is shown.
const SHOWN_CHARS_MAX: usize = 256;

fn not_json(answer: &[u8]) -> Failure {
    let shown: String = String::from_utf8_lossy(answer).chars().take(SHOWN_CHARS_MAX).collect();
    let cause = format!(
        "The cause could not be determined because Lambda did not return an error type. Returned payload is not JSON: {shown}"
    );
    Failure::new("Lambda.Unknown", cause)
}

/// Lambda's own refusals, named as Step Functions names them: `Lambda.` and the exception.
fn not_invoked(error: &InvokeError) -> Failure {
    // What was under way when the host went is as unknown as after a crash.
    if matches!(error, InvokeError::ShutDown) {
        return unknown_outcome(&error.to_string());
    }
    let aws = error.to_aws();
    let cause = format!("{} (Service: Lambda, Status Code: {})", aws.message, aws.status.as_u16());
    Failure::new(format!("Lambda.{}", aws.name), cause)
}

/// Lambda's answer as the AWS SDK for Java shows it, which is what Step Functions passes on.
fn with_metadata(status: u16, run: &Run, payload: Option<&Payload>) -> Payload {
    let Run { request_id, version } = run;
    let executed =
        if payload.is_some() { [r#""ExecutedVersion":""#, version, r#"","#].concat() } else { String::new() };
    let length = payload.map_or(0, Payload::size).to_string();
    let code = status.to_string();
    let (before, text, after) = payload.map_or(("", "", ""), |payload| (r#""Payload":"#, payload.text(), ","));
    let answer = [
        "{",
        &executed,
        before,
        text,
        after,
        r#""SdkHttpMetadata":{"AllHttpHeaders":{"X-Amz-Executed-Version":[""#,
        version,
        r#""],"x-amzn-RequestId":[""#,
        request_id,
        r#""],"Content-Length":[""#,
        &length,
        r#""],"Content-Type":["application/json"]},"HttpHeaders":{"Content-Length":""#,
        &length,
        r#"","Content-Type":"application/json","X-Amz-Executed-Version":""#,
        version,
        r#"","x-amzn-RequestId":""#,
        request_id,
        r#""},"HttpStatusCode":"#,
        &code,
        r#"},"SdkResponseMetadata":{"RequestId":""#,
        request_id,
        r#""},"StatusCode":"#,
        &code,
        "}",
    ]
    .concat();
    // Around a compact answer it is compact itself. One that is too large is not looked at.
    match payload.is_none_or(|payload| payload.size() <= PAYLOAD_BYTES_MAX && payload.is_compact()) {
        true => Payload::from_compact_text(answer),
        false => Payload::from_checked_text(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_json() {
        let check = |answer: &[u8], expect: Option<&str>| {
            assert_eq!(as_json(answer).as_ref().map(Payload::text), expect);
        };
        check(b"{\"a\":1}", Some("{\"a\":1}"));
        check(b"", Some("null"));
        check(b"garbage", None);
        check(b"{\"a\":1} trailing", None);
        check(&[0xff, 0xfe], None);
        // Grammatical, but not a value: a number beyond a double, half of a surrogate pair.
        check(b"{\"n\":1e999}", None);
        check(br#""ab\ud83d""#, None);
    }

    #[test]
    fn requests_that_are_not_read() {
        let check = |parameters: Value, expect: Option<(&str, &str)>| {
            assert_eq!(plain_request(&Payload::from_value(parameters.clone())), expect, "{parameters}");
        };
        check(json!({"FunctionName": "f:1", "Payload": {"a": [1]}}), Some(("f:1", r#"{"a":[1]}"#)));
        check(json!({"Payload": null, "FunctionName": "f"}), Some(("f", "null")));
        check(json!({"FunctionName": "f"}), None);
        check(json!({"FunctionName": 7, "Payload": 1}), None);
        check(json!({"FunctionName": "a\"b", "Payload": 1}), None);
        check(json!({"FunctionName": "f", "Payload": 1, "InvocationType": "RequestResponse"}), None);
        check(json!({"FunctionName": "f", "Payload": 1, "Qualifier": "1"}), None);
        check(json!([]), None);
        assert_eq!(plain_request(&Payload::from_checked_text(r#"{"FunctionName":"f","Payload": 1}"#)), None);
    }

    #[test]
    fn metadata_is_json_with_the_payload_inside() {
        let run = Run::without_version("id".into());
        let with = with_metadata(200, &run, Some(&Payload::parse(r#"{"ok":true}"#).unwrap()));
        assert!(with.is_compact() && compact::is_compact(with.text()), "{with:?}");
        let spaced = with_metadata(200, &run, Some(&Payload::parse(r#"{"ok": true}"#).unwrap()));
        assert!(!spaced.is_compact() && spaced.value()["Payload"]["ok"] == true, "{spaced:?}");
        let value: Value = serde_json::from_str(with.text()).unwrap();
        assert_eq!(value["Payload"]["ok"], true);
        assert_eq!(value["StatusCode"], 200);
        assert_eq!(value["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"], "11");
        let without: Value = serde_json::from_str(with_metadata(202, &run, None).text()).unwrap();
        assert!(compact::is_compact(with_metadata(202, &run, None).text()));
        assert_eq!((without.get("Payload"), &without["StatusCode"]), (None, &Value::from(202)));
    }
}

//! Lambda: a function's own ARN as `Resource` gives its answer bare; `arn:aws:states:::lambda:invoke` is a call of
//! Lambda's Invoke and gives its answer with Lambda's metadata around it.

use aws_lambda::{Host, InvokeError, InvokeOptions, Outcome};
use bytes::Bytes;
use engine::Task;
use interpreter::limits::PAYLOAD_BYTES_MAX;
use interpreter::{Failure, Payload};
use serde_json::{Value, json};

use super::{bad_parameters, required, unknown_outcome};

/// A function by its ARN.
pub async fn function(host: &Host, arn: &str, task: &Task) -> Result<Payload, Failure> {
    let payload = Bytes::copy_from_slice(task.input.text().as_bytes());
    invoke(host, arn, payload, options(task)).await.map(|(_, answer)| answer)
}

/// `lambda:invoke`: the members of Lambda's Invoke request as Parameters.
pub async fn invoke_action(host: &Host, task: &Task) -> Result<Payload, Failure> {
    let parameters = task.input.value();
    let (name, payload, options) = request(task)?;
    match parameters["InvocationType"].as_str() {
        None | Some("RequestResponse") => {
            let (request_id, answer) = invoke(host, &name, payload, options).await?;
            Ok(with_metadata(200, &request_id, Some(answer.text())))
        }
        Some("Event") => {
            let request_id = host.invoke_event(&name, payload).await.map_err(|error| not_invoked(&error))?;
            Ok(with_metadata(202, &request_id, None))
        }
        Some("DryRun") => match host.function(&name) {
            Some(_) => Ok(with_metadata(204, "", None)),
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
            let mut answer = json!({ "ExecutedVersion": "$LATEST" });
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

async fn invoke(host: &Host, name: &str, payload: Bytes, options: InvokeOptions) -> Result<(String, Payload), Failure> {
    let invoked = host.invoke(name, payload, options).await.map_err(|error| not_invoked(&error))?;
    match invoked.outcome {
        Outcome::Succeeded(answer) => {
            let answer = as_json(&answer).ok_or_else(|| not_json(&answer))?;
            Ok((invoked.request_id, answer))
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
fn with_metadata(status: u16, request_id: &str, payload: Option<&str>) -> Payload {
    let executed = if payload.is_some() { r#""ExecutedVersion":"$LATEST","# } else { "" };
    let length = payload.map_or(0, str::len);
    let payload = payload.map_or_else(String::new, |text| format!(r#""Payload":{text},"#));
    let (headers_all, headers) = (
        format!(
            r#"{{"X-Amz-Executed-Version":["$LATEST"],"x-amzn-RequestId":["{request_id}"],"Content-Length":["{length}"],"Content-Type":["application/json"]}}"#
        ),
        format!(
            r#"{{"Content-Length":"{length}","Content-Type":"application/json","X-Amz-Executed-Version":"$LATEST","x-amzn-RequestId":"{request_id}"}}"#
        ),
    );
    Payload::from_checked_text(format!(
        r#"{{{executed}{payload}"SdkHttpMetadata":{{"AllHttpHeaders":{headers_all},"HttpHeaders":{headers},"HttpStatusCode":{status}}},"SdkResponseMetadata":{{"RequestId":"{request_id}"}},"StatusCode":{status}}}"#
    ))
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
    fn metadata_is_json_with_the_payload_inside() {
        let with = with_metadata(200, "id", Some(r#"{"ok":true}"#));
        let value: Value = serde_json::from_str(with.text()).unwrap();
        assert_eq!(value["Payload"]["ok"], true);
        assert_eq!(value["StatusCode"], 200);
        assert_eq!(value["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"], "11");
        let without: Value = serde_json::from_str(with_metadata(202, "id", None).text()).unwrap();
        assert_eq!((without.get("Payload"), &without["StatusCode"]), (None, &Value::from(202)));
    }
}

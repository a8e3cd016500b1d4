//! Invoke: wait for the outcome, hand over an event, or only ask whether it would be possible.

use aws_protocol::{Error as AwsError, REST_JSON, Response, respond};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;

use super::{Call, no_content, with_header};
use crate::error::{InvokeError, constraint};
use crate::job::{InvokeOptions, Invoked};
use crate::name;
use crate::outcome::Outcome;

pub(super) async fn act(call: Call) -> Result<Response, AwsError> {
    let (name, qualifier) = name::resolve(call.function(), call.query("Qualifier"), &call.host.config().home)?;
    let name = qualifier.map_or(name.clone(), |qualifier| format!("{name}:{qualifier}"));
    let (name, info) = (name.as_str(), call.host.find(&name, None)?);
    let payload = call.request.body().clone();
    let answer = match call.header("x-amz-invocation-type").unwrap_or("RequestResponse") {
        "RequestResponse" => {
            let invoked = call.host.invoke(name, payload, options(&call)?).await;
            return answer(invoked.map_err(|error| error.to_aws())?);
        }
        "Event" => {
            let request_id = call.host.invoke_event(name, payload).await.map_err(|error| error.to_aws())?;
            with_header(respond(StatusCode::ACCEPTED, REST_JSON, ""), "x-amzn-requestid", &request_id)?
        }
        "DryRun" => no_content(),
        other => {
            let set = "Member must satisfy enum value set: [Event, RequestResponse, DryRun]";
            return Err(constraint(other, "invocationType", set));
        }
    };
    with_header(answer, "x-amz-executed-version", &info.version)
}

fn options(call: &Call) -> Result<InvokeOptions, AwsError> {
    Ok(InvokeOptions {
        client_context: call.header("x-amz-client-context").map(client_context).transpose()?,
        trace_id: call.header("x-amzn-trace-id").map(String::from),
        log_tail: call.header("x-amz-log-type") == Some("Tail"),
        request_id: None,
    })
}

/// Base64 of JSON on this side, JSON in a header on the function's side.
fn client_context(text: &str) -> Result<String, AwsError> {
    let json = BASE64_STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    json.filter(|json| serde_json::from_str::<serde_json::Value>(json).is_ok()).ok_or_else(|| {
        let text = "Client context must be a valid Base64-encoded JSON object.";
        InvokeError::InvalidJson(text.into()).to_aws()
    })
}

fn answer(invoked: Invoked) -> Result<Response, AwsError> {
    let mut answer = match invoked.outcome {
        Outcome::Succeeded(payload) => respond(StatusCode::OK, REST_JSON, payload),
        Outcome::FunctionError { payload, .. } => {
            with_header(respond(StatusCode::OK, REST_JSON, payload), "x-amz-function-error", "Unhandled")?
        }
    };
    if let Some(tail) = invoked.log_tail {
        answer = with_header(answer, "x-amz-log-result", &BASE64_STANDARD.encode(tail))?;
    }
    answer = with_header(answer, "x-amz-executed-version", &invoked.version)?;
    with_header(answer, "x-amzn-requestid", &invoked.request_id)
}

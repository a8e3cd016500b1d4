//! What tools ask of a function, or of the account, before and after they change one, and where the answer never differs here.

use aws_protocol::{Error as AwsError, Response};
use serde_json::json;

use super::{Call, ok};
use crate::error::{Error, constraint};

/// GetFunctionCodeSigningConfig: code is not signed.
pub(super) fn code_signing(call: &Call) -> Result<Response, Error> {
    let info = call.host.find(call.function(), None)?;
    Ok(ok(&json!({"FunctionName": info.function.name})))
}

/// GetRuntimeManagementConfig: the interpreter is the machine's.
pub(super) fn runtime_management(call: &Call) -> Result<Response, Error> {
    let info = call.host.find(call.function(), call.query("Qualifier"))?;
    Ok(ok(&json!({"FunctionArn": info.arn, "UpdateRuntimeOn": "Auto"})))
}

/// GetFunctionRecursionConfig. Loops are not looked for.
pub(super) fn recursion(call: &Call) -> Result<Response, Error> {
    call.host.find(call.function(), None)?;
    Ok(ok(&json!({"RecursiveLoop": "Allow"})))
}

/// PutFunctionRecursionConfig: only what holds anyhow.
pub(super) fn put_recursion(call: &Call) -> Result<Response, Error> {
    match call.body()?.require::<String>("RecursiveLoop")?.as_str() {
        "Allow" => recursion(call),
        other => {
            let text = "Ithaca does not look for loops of functions: the only value here is Allow";
            Err(constraint(other, "recursiveLoop", text).into())
        }
    }
}

/// GetAccountSettings: the bounds that hold here.
pub(super) fn account(call: &Call) -> Result<Response, Error> {
    let (limits, functions) = (&call.host.config().limits, call.host.functions());
    let concurrency = limits.processes_total;
    let reserved: usize =
        functions.iter().filter_map(|info| info.function.reserved_concurrency).map(|number| number as usize).sum();
    Ok(ok(&json!({
        "AccountLimit": {
            "TotalCodeSize": 80_530_636_800u64,
            "CodeSizeUnzipped": limits.unpacked_bytes_max,
            "CodeSizeZipped": limits.zip_bytes_max,
            "ConcurrentExecutions": concurrency,
            "UnreservedConcurrentExecutions": concurrency.saturating_sub(reserved),
        },
        "AccountUsage": {
            "TotalCodeSize": functions.iter().map(|info| info.code_size).sum::<u64>(),
            "FunctionCount": functions.len(),
        },
    })))
}

/// InvokeAsync, which AWS has given up and old tools still call: an event.
pub(super) async fn invoke_async(call: Call) -> Result<Response, AwsError> {
    let payload = call.request.body().clone();
    call.host.invoke_event(call.function(), payload).await.map_err(|error| error.to_aws())?;
    Ok(aws_protocol::json(http::StatusCode::ACCEPTED, aws_protocol::REST_JSON, &json!({"Status": 202})))
}

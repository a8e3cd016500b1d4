//! PutFunctionConcurrency, GetFunctionConcurrency, DeleteFunctionConcurrency.

use aws_protocol::Response;
use serde_json::{Value, json};

use super::{Call, no_content, ok};
use crate::error::Error;

pub(super) fn put(call: &Call) -> Result<Response, Error> {
    let reserved: u32 = call.body()?.require("ReservedConcurrentExecutions")?;
    reserve(call, Some(reserved))?;
    Ok(ok(&shape(Some(reserved))))
}

pub(super) fn get(call: &Call) -> Result<Response, Error> {
    let info = call.host.find(call.function(), None)?;
    Ok(ok(&shape(info.function.reserved_concurrency)))
}

pub(super) fn delete(call: &Call) -> Result<Response, Error> {
    reserve(call, None)?;
    Ok(no_content())
}

fn reserve(call: &Call, reserved: Option<u32>) -> Result<(), Error> {
    call.host.change_function(call.function(), None, None, |function| {
        function.reserved_concurrency = reserved;
        Ok(())
    })?;
    Ok(())
}

fn shape(reserved: Option<u32>) -> Value {
    match reserved {
        Some(reserved) => json!({"ReservedConcurrentExecutions": reserved}),
        None => json!({}),
    }
}

//! DeleteFunction.

use aws_protocol::Response;

use super::{Call, no_content};
use crate::error::{Error, invalid};

pub(super) fn act(call: &Call) -> Result<Response, Error> {
    if call.query("Qualifier").is_some_and(|qualifier| !qualifier.is_empty()) || call.function().ends_with(":$LATEST") {
        return Err(invalid("$LATEST version cannot be deleted without deleting the function.").into());
    }
    call.host.delete_function(call.function())?;
    Ok(no_content())
}

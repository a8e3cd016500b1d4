//! DeleteFunction: all of it, or one version.

use aws_protocol::Response;

use super::{Call, no_content};
use crate::error::{Error, invalid};
use crate::name::{self, LATEST};

pub(super) fn act(call: &Call) -> Result<Response, Error> {
    if call.query("Qualifier") == Some(LATEST) || call.function().ends_with(":$LATEST") {
        return Err(invalid("$LATEST version cannot be deleted without deleting the function.").into());
    }
    match name::resolve(call.function(), call.query("Qualifier"), &call.host.config().home)? {
        (function, None) => call.host.delete_function(&function)?,
        (_, Some(alias)) if alias.parse::<u64>().is_err() => {
            return Err(invalid(format!("{alias} is no version: an alias is deleted by DeleteAlias.")).into());
        }
        (function, Some(version)) => call.host.delete_version(&function, &version)?,
    }
    Ok(no_content())
}

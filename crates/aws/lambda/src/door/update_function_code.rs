//! UpdateFunctionCode. Invocations that run keep the code they began with.

use aws_protocol::Response;

use super::{Call, ok, published, settings};
use crate::error::Error;

pub(super) fn act(call: &Call) -> Result<Response, Error> {
    let members = call.body()?;
    call.host.find(call.function(), None)?;
    members.refuse_unserved()?;
    let code = members.code(&call.host)?;
    let info = match members.is_set("DryRun")? {
        true => call.host.try_code(call.function(), &code)?,
        false => {
            let (revision, architecture) = (members.get::<String>("RevisionId")?, members.architecture()?);
            let info = call.host.change_function(call.function(), revision.as_deref(), Some(code), |function| {
                function.architecture = architecture.unwrap_or(function.architecture);
                Ok(())
            })?;
            published(call, &members, info)?
        }
    };
    Ok(ok(&settings::configuration(&info)))
}

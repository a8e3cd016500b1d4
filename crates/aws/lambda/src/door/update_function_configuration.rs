//! UpdateFunctionConfiguration: what the request does not name stays as it is.

use aws_protocol::Response;

use super::{Call, ok, settings};
use crate::error::Error;

pub(super) fn act(call: &Call) -> Result<Response, Error> {
    let members = call.body()?;
    call.host.find(call.function(), None)?;
    members.refuse_unserved()?;
    let revision = members.get::<String>("RevisionId")?;
    let edit = |function: &mut _| members.apply(function);
    let info = call.host.change_function(call.function(), revision.as_deref(), None, edit)?;
    Ok(ok(&settings::configuration(&info)))
}

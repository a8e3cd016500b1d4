//! CreateFunction.

use aws_protocol::Response;

use super::{Call, created, published, settings};
use crate::error::Error;
use crate::function::Function;
use crate::name;

pub(super) fn act(call: &Call) -> Result<Response, Error> {
    let members = call.body()?;
    let name: String = members.require("FunctionName")?;
    let (name, _) = name::resolve(&name, None, &call.host.config().home)?;
    members.refuse_unserved()?;
    let code = members.within("Code")?.code(&call.host)?;
    // What the request must name has no default of ours.
    let mut function = Function { role: members.require("Role")?, ..Function::new(name) };
    function.runtime = members.require("Runtime")?;
    members.apply(&mut function)?;
    function.architecture = members.architecture()?.unwrap_or(function.architecture);
    function.tags = members.tags()?.unwrap_or_default();
    let info = call.host.create_function(function, code)?;
    let info = published(call, &members, info)?;
    Ok(created(&settings::configuration(&info)))
}

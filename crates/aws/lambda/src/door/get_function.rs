//! GetFunction and GetFunctionConfiguration.

use aws_protocol::Response;
use serde_json::json;

use super::{Call, ok, settings};
use crate::error::Error;

pub(super) fn act(call: &Call) -> Result<Response, Error> {
    let info = call.host.find(call.function(), call.query("Qualifier"))?;
    let mut shape = json!({
        "Configuration": settings::configuration(&info),
        // On AWS a link to the zip; here the code is a folder of this machine.
        "Code": {"RepositoryType": "FileSystem", "Location": format!("file://{}", info.code_folder.display())},
    });
    if !info.function.tags.is_empty() {
        shape["Tags"] = json!(info.function.tags);
    }
    if let Some(reserved) = info.function.reserved_concurrency {
        shape["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
    }
    Ok(ok(&shape))
}

pub(super) fn configuration(call: &Call) -> Result<Response, Error> {
    let info = call.host.find(call.function(), call.query("Qualifier"))?;
    Ok(ok(&settings::configuration(&info)))
}

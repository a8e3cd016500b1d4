//! PublishVersion and ListVersionsByFunction.

use aws_protocol::Response;

use super::{Call, Pages, created, settings};
use crate::error::{Error, invalid};
use crate::host::stale_revision;
use crate::name::LATEST;

pub(super) fn publish(call: &Call) -> Result<Response, Error> {
    let members = call.body()?;
    let latest = call.host.find(call.function(), None)?;
    if let Some(sha256) = members.get::<String>("CodeSha256")?.filter(|sha256| *sha256 != latest.code_sha256) {
        let text = format!(
            "CodeSHA256 ({sha256}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the \
             CodeSHA256 in $LATEST.",
            latest.code_sha256
        );
        return Err(invalid(text).into());
    }
    if members.get::<String>("RevisionId")?.is_some_and(|id| id != latest.revision_id) {
        return Err(stale_revision().into());
    }
    let description = members.get::<String>("Description")?.filter(|text| !text.is_empty());
    let version = call.host.publish_version(call.function(), None, description)?;
    Ok(created(&settings::configuration(&version)))
}

pub(super) fn list(call: &Call) -> Result<Response, Error> {
    let pages = Pages::of(call)?;
    let versions = call.host.versions(call.function())?;
    let shapes = versions.iter().map(|version| {
        let mut shape = settings::configuration(version);
        if &*version.version == LATEST {
            shape["FunctionArn"] = format!("{}:{LATEST}", version.arn).into();
        }
        shape
    });
    // By number, `$LATEST` first; the marker is how many came before.
    Ok(pages.by_place("Versions", shapes.collect()))
}

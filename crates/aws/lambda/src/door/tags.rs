//! ListTags, TagResource, UntagResource. The resource is a function's ARN.

use std::collections::BTreeMap;

use aws_protocol::Response;
use serde_json::json;

use super::{Call, no_content, ok};
use crate::error::Error;

pub(super) fn list(call: &Call) -> Result<Response, Error> {
    let info = call.host.find(call.function(), None)?;
    Ok(ok(&json!({"Tags": info.function.tags})))
}

pub(super) fn tag(call: &Call) -> Result<Response, Error> {
    let tags: BTreeMap<String, String> = call.body()?.require("Tags")?;
    call.host.change_function(call.function(), None, None, |function| {
        function.tags.extend(tags);
        Ok(())
    })?;
    Ok(no_content())
}

pub(super) fn untag(call: &Call) -> Result<Response, Error> {
    let keys: Vec<&str> =
        call.query.iter().filter(|(key, _)| key == "tagKeys").map(|(_, value)| value.as_str()).collect();
    call.host.change_function(call.function(), None, None, |function| {
        function.tags.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(())
    })?;
    Ok(no_content())
}

//! UntagResource. A key that is not there is no error.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::Value;

use super::tag_resource::change;
use crate::States;
use crate::wire::required;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.resource_arn, "resourceArn")?;
    let keys = required(request.tag_keys, "tagKeys")?;
    change(states, &arn, move |_, mut tags| {
        tags.retain(|key, _| !keys.contains(key));
        Ok(tags)
    })
    .await
}

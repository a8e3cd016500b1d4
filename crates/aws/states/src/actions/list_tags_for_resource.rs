//! ListTagsForResource.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tag_resource::tags;
use crate::States;
use crate::wire::required;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    resource_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.resource_arn, "resourceArn")?;
    let tags = tags(states, &arn).await?;
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    Ok(json!({ "tags": tags }))
}

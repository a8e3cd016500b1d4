//! DescribeActivity.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check::{self, Kind};
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    activity_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.activity_arn, "activityArn")?;
    check::arn(&arn, Kind::Activity)?;
    let activity = states.handle.activities().get(&arn).ok_or_else(|| errors::activity_does_not_exist(&arn))?;
    Ok(json!({
        "activityArn": &*activity.arn,
        "name": activity.name,
        "creationDate": date(activity.created_at),
        "encryptionConfiguration": activity.encryption.unwrap_or_else(|| json!({ "type": "AWS_OWNED_KEY" })),
    }))
}

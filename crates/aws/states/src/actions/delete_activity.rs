//! DeleteActivity. One that is not there is deleted already.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::States;
use crate::check::{self, Kind};
use crate::wire::required;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    activity_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.activity_arn, "activityArn")?;
    check::arn(&arn, Kind::Activity)?;
    let activities = states.handle.activities().clone();
    blocking(move || activities.delete(&arn)).await?;
    Ok(json!({}))
}

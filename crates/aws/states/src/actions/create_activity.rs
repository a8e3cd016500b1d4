//! CreateActivity. Idempotent by name; other tags are ignored then.

use std::collections::BTreeMap;

use aws_protocol::Error;
use engine::ActivityCreated;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use super::create_state_machine::{check_encryption, now};
use super::tag_resource::{Tag, checked_tags};
use crate::check;
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    name: Option<String>,
    tags: Option<Vec<Tag>>,
    encryption_configuration: Option<Value>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let name = required(request.name, "name")?;
    check::name(&name)?;
    check_encryption(request.encryption_configuration.as_ref())?;
    let arn = states.home().arn("states", &format!("activity:{name}"));
    let tags = checked_tags(&arn, BTreeMap::new(), request.tags.unwrap_or_default())?;
    let (activities, of) = (states.handle.activities().clone(), arn.clone());
    let create = move || activities.create(&of, &name, tags, request.encryption_configuration, now());
    match blocking(create).await? {
        ActivityCreated::Done(activity) => {
            Ok(json!({ "activityArn": &*activity.arn, "creationDate": date(activity.created_at) }))
        }
        ActivityCreated::Conflict => Err(errors::activity_exists(&arn)),
        ActivityCreated::TooMany => Err(errors::activity_limit()),
    }
}

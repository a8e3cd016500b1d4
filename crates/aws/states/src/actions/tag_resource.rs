//! TagResource: adds tags or replaces their values.

use std::collections::BTreeMap;

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blocking;
use crate::check;
use crate::wire::required;
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    resource_arn: Option<String>,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
pub struct Tag {
    pub key: Option<String>,
    pub value: Option<String>,
}

/// "Tags: 50; key 128, value 256 characters". Source: "Step Functions service quotas".
const TAGS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.resource_arn, "resourceArn")?;
    let tags = required(request.tags, "tags")?;
    change(states, &arn, move |arn, old| checked_tags(arn, old, tags)).await
}

/// Changes the tags of a taggable resource.
pub async fn change(
    states: &States,
    arn: &str,
    change: impl FnOnce(&str, BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error> + Send + 'static,
) -> Result<Value, Error> {
    let is_activity = check::taggable(arn)?;
    let (handle, of) = (states.handle.clone(), arn.to_owned());
    let edit = move || match is_activity {
        true => handle.activities().edit_tags(&of, |old| change(&of, old)),
        false => handle.machines().edit_tags(&of, |old| change(&of, old)),
    };
    let changed = blocking(edit).await?;
    changed.ok_or_else(|| errors::resource_not_found(arn))?.map(|()| json!({}))
}

pub async fn tags(states: &States, arn: &str) -> Result<BTreeMap<String, String>, Error> {
    if check::taggable(arn)? {
        let activity = states.handle.activities().get(arn);
        return activity.map(|activity| activity.tags).ok_or_else(|| errors::resource_not_found(arn));
    }
    let (handle, of) = (states.handle.clone(), arn.to_owned());
    let machine = blocking(move || handle.machines().get(&of)).await?;
    machine.map(|machine| machine.tags.clone()).ok_or_else(|| errors::resource_not_found(arn))
}

/// The tags after adding, within AWS's limits.
pub fn checked_tags(
    arn: &str,
    mut tags: BTreeMap<String, String>,
    new: Vec<Tag>,
) -> Result<BTreeMap<String, String>, Error> {
    for tag in new {
        let key = tag.key.unwrap_or_default();
        let value = tag.value.unwrap_or_default();
        if key.chars().count() > KEY_CHARS_MAX {
            return Err(errors::constraint(
                &format!("'{key}'"),
                "tags",
                "Member must have length less than or equal to 128",
            ));
        }
        if value.chars().count() > VALUE_CHARS_MAX {
            return Err(errors::constraint(
                &format!("'{value}'"),
                "tags",
                "Member must have length less than or equal to 256",
            ));
        }
        tags.insert(key, value);
    }
    if tags.len() > TAGS_MAX {
        return Err(errors::too_many_tags(arn));
    }
    Ok(tags)
}

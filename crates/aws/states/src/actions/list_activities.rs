//! ListActivities, in the order of their names.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::States;
use crate::page::{self, Page};
use crate::wire::date;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    #[serde(flatten)]
    page: Page,
}

const LIST: &str = "activities";

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let limit = request.page.limit();
    let after = request.page.next_token.map(|token| page::place(&token, LIST)).transpose()?;
    let mut found = states.handle.activities().list();
    found.retain(|activity| states.home().has(&activity.arn));
    found.retain(|activity| after.as_ref().is_none_or(|after| *activity.arn > **after));
    let is_more = found.len() > limit;
    found.truncate(limit);
    let entry = |activity: &engine::Activity| {
        json!({
            "activityArn": &*activity.arn,
            "name": activity.name,
            "creationDate": date(activity.created_at),
        })
    };
    let mut answer = json!({ "activities": found.iter().map(entry).collect::<Vec<_>>() });
    if let Some(last) = found.last().filter(|_| is_more) {
        answer["nextToken"] = page::token(LIST, &last.arn).into();
    }
    Ok(answer)
}

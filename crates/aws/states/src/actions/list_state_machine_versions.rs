//! ListStateMachineVersions, newest first.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::describe_state_machine::find;
use crate::page::{self, Page};
use crate::wire::{date, required};
use crate::{States, check};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
    #[serde(flatten)]
    page: Page,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_arn, "stateMachineArn")?;
    let limit = request.page.limit();
    check::unlabelled(&arn)?;
    let list = format!("versions of {arn}");
    let before = request.page.next_token.map(|token| page::number(&token, &list)).transpose()?;
    let machine = find(states, &arn, &arn).await?;
    let mut rest =
        machine.versions.iter().rev().filter(|version| before.is_none_or(|before| u64::from(version.number) < before));
    let shown: Vec<_> = rest.by_ref().take(limit).collect();
    let entry =
        |number: u32, at| json!({ "creationDate": date(at), "stateMachineVersionArn": format!("{arn}:{number}") });
    let entries: Vec<Value> = shown.iter().map(|version| entry(version.number, version.created_at)).collect();
    let mut answer = json!({ "stateMachineVersions": entries });
    if let (Some(last), Some(_)) = (shown.last(), rest.next()) {
        answer["nextToken"] = page::token(&list, &last.number.to_string()).into();
    }
    Ok(answer)
}

//! ListStateMachines, in the order of names.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::describe_state_machine::type_name;
use crate::States;
use crate::page::{self, Page};
use crate::wire::date;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    #[serde(flatten)]
    page: Page,
}

const LIST: &str = "state machines";

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let limit = request.page.limit();
    let after = request.page.next_token.map(|token| page::place(&token, LIST)).transpose()?;
    let machines = states.handle.machines().list();
    let is_shown = |arn: &str| states.home().has(arn) && after.as_deref().is_none_or(|after| arn > after);
    let mut rest = machines.iter().filter(|machine| is_shown(&machine.arn));
    let shown: Vec<_> = rest.by_ref().take(limit).collect();
    let entries: Vec<Value> = shown
        .iter()
        .map(|machine| {
            json!({
                "stateMachineArn": &*machine.arn,
                "name": &*machine.name,
                "type": type_name(&machine.revision),
                "creationDate": date(machine.created_at),
            })
        })
        .collect();
    let mut answer = json!({ "stateMachines": entries });
    if let (Some(last), Some(_)) = (shown.last(), rest.next()) {
        answer["nextToken"] = page::token(LIST, &last.arn).into();
    }
    Ok(answer)
}

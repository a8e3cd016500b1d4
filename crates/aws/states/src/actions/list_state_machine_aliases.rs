//! ListStateMachineAliases, in the order of names: all of a machine, or those that lead to one of its versions.

use aws_protocol::Error;
use engine::{Qualifier, split_machine_arn};
use serde::Deserialize;
use serde_json::{Value, json};

use super::describe_state_machine::find;
use crate::page::{self, Page};
use crate::wire::{date, required};
use crate::{States, check, errors};

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
    let list = format!("aliases of {arn}");
    let after = request.page.next_token.map(|token| page::place(&token, &list)).transpose()?;
    let (machine_arn, qualifier) = split_machine_arn(&arn);
    let machine = find(states, machine_arn, &arn).await?;
    if machine.is_deleting {
        return Err(errors::machine_deleting(machine_arn));
    }
    let version = match qualifier {
        None => None,
        Some(Qualifier::Version(number)) if machine.version(number).is_some() => Some(number),
        Some(Qualifier::Version(_)) => return Err(errors::no_such_resource(&arn)),
        Some(Qualifier::Alias(_)) => {
            return Err(errors::invalid_arn(&format!("Resource type not valid in this context: {arn}")));
        }
    };
    let mut rest = machine
        .aliases
        .values()
        .filter(|alias| version.is_none_or(|version| alias.leads_to(version)))
        .filter(|alias| after.as_deref().is_none_or(|after| *alias.name > *after));
    let shown: Vec<_> = rest.by_ref().take(limit).collect();
    let entry =
        |name: &str, at| json!({ "creationDate": date(at), "stateMachineAliasArn": format!("{machine_arn}:{name}") });
    let entries: Vec<Value> = shown.iter().map(|alias| entry(&alias.name, alias.created_at)).collect();
    let mut answer = json!({ "stateMachineAliases": entries });
    if let (Some(last), Some(_)) = (shown.last(), rest.next()) {
        answer["nextToken"] = page::token(&list, &last.name).into();
    }
    Ok(answer)
}

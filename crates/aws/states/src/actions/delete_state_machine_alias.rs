//! DeleteStateMachineAlias. One that is not there is no error; executions that it has started go on.

use aws_protocol::Error;
use engine::ChangeError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::changing;
use crate::check;
use crate::wire::required;
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_alias_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_alias_arn, "stateMachineAliasArn")?;
    let (machine, name) = check::alias_arn(&arn)?;
    let (handle, machine, name) = (states.handle.clone(), machine.to_owned(), name.to_owned());
    match changing(move || handle.machines().delete_alias(&machine, &name)).await? {
        // Deleting a machine has deleted its aliases.
        Ok(())
        | Err(ChangeError::AliasDoesNotExist | ChangeError::MachineDoesNotExist | ChangeError::MachineDeleting) => {
            Ok(json!({}))
        }
        Err(error) => Err(errors::from_change(error, &arn)),
    }
}

//! DeleteStateMachineVersion. One that is not there is no error; one that an alias leads to is refused.

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
    state_machine_version_arn: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_version_arn, "stateMachineVersionArn")?;
    let (machine, number) = check::version_arn(&arn)?;
    let (handle, machine) = (states.handle.clone(), machine.to_owned());
    match changing(move || handle.machines().delete_version(&machine, number)).await? {
        // Deleting a machine has deleted its versions.
        Ok(())
        | Err(ChangeError::VersionDoesNotExist | ChangeError::MachineDoesNotExist | ChangeError::MachineDeleting) => {
            Ok(json!({}))
        }
        Err(error) => Err(errors::from_change(error, &arn)),
    }
}

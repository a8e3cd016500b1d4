//! PublishStateMachineVersion. Idempotent: a revision that is published already keeps its version.

use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::changing;
use super::create_state_machine::now;
use crate::check;
use crate::wire::{date, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    state_machine_arn: Option<String>,
    revision_id: Option<String>,
    description: Option<String>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let arn = required(request.state_machine_arn, "stateMachineArn")?;
    check::unlabelled(&arn)?;
    let (handle, of, meant) = (states.handle.clone(), arn.clone(), request.revision_id.clone());
    let description = request.description.unwrap_or_default();
    let published = changing(move || handle.machines().publish(&of, meant.as_deref(), description, now())).await?;
    let version = published.map_err(|error| match (error, request.revision_id) {
        (engine::ChangeError::OtherRevision { current }, Some(meant)) => errors::conflict(format!(
            "Failed to publish the State Machine version for revision {meant}. The current State Machine revision is {current}."
        )),
        (error, _) => errors::from_change(error, &arn),
    })?;
    Ok(json!({
        "creationDate": date(version.created_at),
        "stateMachineVersionArn": format!("{arn}:{}", version.number),
    }))
}

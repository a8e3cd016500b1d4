//! CreateStateMachine. Idempotent on name, definition, settings and publishing; another role or other tags are ignored
//! then.

use std::collections::BTreeMap;

use asl::MachineType;
use aws_protocol::Error;
use engine::{Created, NewMachine};
use interpreter::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::blocking;
use super::tag_resource::{Tag, checked_tags};
use crate::check;
use crate::wire::{date, required};
use crate::{States, errors, logging};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    name: Option<String>,
    definition: Option<String>,
    role_arn: Option<String>,
    #[serde(rename = "type")]
    machine_type: Option<String>,
    tags: Option<Vec<Tag>>,
    #[serde(flatten)]
    publishing: Publishing,
    #[serde(flatten)]
    settings: Settings,
}

/// Whether the outcome becomes a version at once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publishing {
    publish: Option<bool>,
    version_description: Option<String>,
}

impl Publishing {
    /// The description of the version, if there is to be one.
    pub fn description(self) -> Result<Option<String>, Error> {
        match self.publish {
            Some(true) => Ok(Some(self.version_description.unwrap_or_default())),
            _ if self.version_description.is_some() => {
                Err(errors::validation("Version description can only be set when publish is true"))
            }
            _ => Ok(None),
        }
    }
}

/// Members that are kept and shown as they came.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    pub logging_configuration: Option<Value>,
    pub tracing_configuration: Option<Value>,
    pub encryption_configuration: Option<Value>,
}

impl Settings {
    pub fn into_map(self) -> Result<Map<String, Value>, Error> {
        logging::check(self.logging_configuration.as_ref())?;
        check_encryption(self.encryption_configuration.as_ref())?;
        let all = [
            ("loggingConfiguration", self.logging_configuration),
            ("tracingConfiguration", self.tracing_configuration),
            ("encryptionConfiguration", self.encryption_configuration),
        ];
        Ok(all.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect())
    }
}

/// A customer's key would promise an encryption that is not done.
pub fn check_encryption(encryption: Option<&Value>) -> Result<(), Error> {
    match encryption.and_then(|encryption| encryption["type"].as_str()) {
        None | Some("AWS_OWNED_KEY") => Ok(()),
        Some(kind) => Err(Error::client(
            "InvalidEncryptionConfiguration",
            format!(
                "Invalid Encryption Configuration: Ithaca has no customer managed keys, so the type must be AWS_OWNED_KEY, not {kind}"
            ),
        )),
    }
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let name = required(request.name, "name")?;
    let definition = required(request.definition, "definition")?;
    let role_arn = required(request.role_arn, "roleArn")?;
    check::name(&name)?;
    check::role(&role_arn)?;
    let machine_type = machine_type(request.machine_type.as_deref())?;
    check_definition(&definition, machine_type)?;
    let publish = request.publishing.description()?;
    let arn = states.home().arn("states", &format!("stateMachine:{name}"));
    let tags = checked_tags(&arn, BTreeMap::new(), request.tags.unwrap_or_default())?;
    let mut settings = request.settings.into_map()?;
    if machine_type == MachineType::Express {
        settings.insert("type".into(), "EXPRESS".into());
    }
    let new = NewMachine { arn: arn.clone(), name, role_arn, definition, tags, settings };
    states.declare_log(&new.settings).await?;
    let handle = states.handle.clone();
    let is_published = publish.is_some();
    match blocking(move || handle.machines().create_and_publish(new, publish, now())).await? {
        Created::New(machine) | Created::Same(machine) => {
            let mut answer = json!({ "stateMachineArn": &*machine.arn, "creationDate": date(machine.created_at) });
            if is_published {
                answer["stateMachineVersionArn"] = format!("{}:1", machine.arn).into();
            }
            Ok(answer)
        }
        Created::Conflict(machine) => Err(errors::machine_exists(&machine.arn)),
        Created::Deleting => Err(errors::machine_deleting(&arn)),
        Created::TooMany => Err(errors::machine_limit()),
    }
}

pub fn machine_type(name: Option<&str>) -> Result<MachineType, Error> {
    match name {
        None | Some("STANDARD") => Ok(MachineType::Standard),
        Some("EXPRESS") => Ok(MachineType::Express),
        Some(other) => Err(errors::constraint(
            &format!("'{other}'"),
            "type",
            "Member must satisfy enum value set: [STANDARD, EXPRESS]",
        )),
    }
}

pub fn check_definition(definition: &str, machine_type: MachineType) -> Result<(), Error> {
    check::definition_size(definition)?;
    match asl::parse_as(definition, machine_type) {
        Ok(_) => Ok(()),
        Err(diagnostics) => Err(errors::invalid_definition(asl::aws_message(&diagnostics))),
    }
}

pub fn now() -> Timestamp {
    engine::now()
}

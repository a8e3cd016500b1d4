//! What stands behind a route.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What answers the requests of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Integration {
    /// A function gets the request as it is and says what is answered (`AWS_PROXY`).
    Function { arn: String, payload: Payload, timeout_ms: Option<u64> },
    /// An HTTP API's own way to call a service: an action whose parameters are mapped from the request.
    Service { action: Action, parameters: BTreeMap<String, String>, timeout_ms: Option<u64> },
    /// A REST API's way (`AWS`): the body is made by a template, and so is the answer.
    Mapped { service: String, operation: String, mapping: Mapping, timeout_ms: Option<u64> },
    /// Nothing is called (`MOCK`): the template says the status, the answer is made of it.
    Mock(Mapping),
}

/// Which event a function gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    #[serde(rename = "1.0")]
    V1,
    #[serde(rename = "2.0")]
    V2,
}

/// The subtypes of HTTP APIs that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    StartExecution,
    StartSyncExecution,
    StopExecution,
}

/// How a REST API maps a request and an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// Templates by content type.
    pub requests: BTreeMap<String, String>,
    pub passthrough: Passthrough,
    /// In the order of the template. One without a pattern is the default.
    pub responses: Vec<MappedResponse>,
}

/// What happens to a body whose content type has no template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Passthrough {
    #[default]
    WhenNoMatch,
    WhenNoTemplates,
    Never,
}

/// An answer of the integration, by its status, and what is made of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MappedResponse {
    pub status: u16,
    /// `SelectionPattern`: a regular expression for the status that the service answered.
    pub pattern: Option<String>,
    /// Headers by name, each with its mapping expression: `'*'`, `integration.response.header.x`.
    pub headers: BTreeMap<String, String>,
    pub templates: BTreeMap<String, String>,
}

impl Integration {
    pub fn function(arn: impl Into<String>, payload: Payload) -> Integration {
        Integration::Function { arn: arn.into(), payload, timeout_ms: None }
    }

    /// What is called, for people: a function's ARN, or `states:StartExecution`.
    pub fn target(&self) -> String {
        match self {
            Integration::Function { arn, .. } => arn.clone(),
            Integration::Service { action, .. } => format!("states:{}", action.name()),
            Integration::Mapped { service, operation, .. } => format!("{service}:{operation}"),
            Integration::Mock(_) => "mock".to_owned(),
        }
    }
}

impl Action {
    /// The service that has it, as in `states:StartExecution`.
    pub const SERVICE: &'static str = "states";

    pub fn name(self) -> &'static str {
        match self {
            Action::StartExecution => "StartExecution",
            Action::StartSyncExecution => "StartSyncExecution",
            Action::StopExecution => "StopExecution",
        }
    }

    /// `StepFunctions-StartExecution` and its like.
    pub fn of_subtype(subtype: &str) -> Option<Action> {
        let name = subtype.strip_prefix("StepFunctions-")?;
        [Action::StartExecution, Action::StartSyncExecution, Action::StopExecution]
            .into_iter()
            .find(|action| action.name() == name)
    }
}

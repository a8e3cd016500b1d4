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

impl Integration {
    pub fn function(arn: impl Into<String>, payload: Payload) -> Integration {
        Integration::Function { arn: arn.into(), payload, timeout_ms: None }
    }

    /// What is called, for people: a function's ARN, or `states:StartExecution`.
    pub fn target(&self) -> String {
        match self {
            Integration::Function { arn, .. } => arn.clone(),
            Integration::Service { action, .. } => format!("states:{}", action.name()),
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

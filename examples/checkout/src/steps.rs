//! Step Functions as the functions need it: starting the saga, and giving a task's token back.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::Response;
use serde_json::Value;

use crate::Failure;
use crate::aws::{config, setting};

/// A cheap handle: its clones share one client and its connections.
#[derive(Clone)]
pub struct Steps {
    client: Client,
    state_machine_arn: String,
}

/// Whether somebody was still waiting for what a token brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    Yes,
    /// The wait is over: answered, timed out, or its execution has ended.
    TooLate,
}

impl Steps {
    pub fn from_env() -> Result<Steps, Failure> {
        Ok(Steps { client: Client::new(&config("SFN")?), state_machine_arn: setting("STATE_MACHINE_ARN")? })
    }

    /// Starts an execution with this name. The same name with the same input is the same execution while it runs; false
    /// if the name is taken.
    pub async fn start(&self, name: &str, input: &Value) -> Result<bool, Failure> {
        let start = self.client.start_execution().state_machine_arn(&self.state_machine_arn);
        match start.name(name).input(input.to_string()).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn succeed(&self, token: &str, output: &Value) -> Result<Heard, Failure> {
        heard(self.client.send_task_success().task_token(token).output(output.to_string()).send().await)
    }

    pub async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Heard, Failure> {
        heard(self.client.send_task_failure().task_token(token).error(error).cause(cause).send().await)
    }

    pub async fn heartbeat(&self, token: &str) -> Result<Heard, Failure> {
        heard(self.client.send_task_heartbeat().task_token(token).send().await)
    }
}

fn heard<T, E>(sent: Result<T, SdkError<E, Response>>) -> Result<Heard, Failure>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match sent {
        Ok(_) => Ok(Heard::Yes),
        Err(error) if matches!(error.code(), Some("TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken")) => {
            Ok(Heard::TooLate)
        }
        Err(error) => Err(error.into()),
    }
}

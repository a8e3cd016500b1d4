//! Starting the saga: one call to Step Functions.

use aws_sdk_sfn::Client;

use crate::settings::{STATE_MACHINE_ARN, invalid, required};
use crate::{Failure, Trip, aws};

/// A cheap handle: its clones share one client and its connections.
#[derive(Clone)]
pub struct Starter {
    client: Client,
    state_machine_arn: String,
}

impl Starter {
    /// Reads the environment; once in a process, before the first event.
    pub fn from_env() -> Result<Starter, Failure> {
        Ok(Starter { client: Client::new(&aws::config("SFN")?), state_machine_arn: required(STATE_MACHINE_ARN)? })
    }

    /// Starts an execution for the trip and returns its ARN. It has no name of its own, so two requests for one trip
    /// are two executions, as in the article.
    pub async fn start(&self, trip: &Trip) -> Result<String, Failure> {
        let input = serde_json::to_string(trip).map_err(|error| invalid(error.to_string()))?;
        let start = self.client.start_execution().state_machine_arn(&self.state_machine_arn).input(input);
        Ok(start.send().await?.execution_arn)
    }
}

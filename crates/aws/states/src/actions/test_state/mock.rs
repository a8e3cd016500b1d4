//! What a tested state's work is said to have come to: the mock and what belongs to it, checked against the state.
//!
//! A mock of a service's answer is held against that service's model ([`super::schema`]); the results of a Parallel and
//! of a Map against the number of branches and iterations.

use asl::definition::{Kind, Resource};
use aws_protocol::Error;
use interpreter::{Failure, Payload};
use serde::Deserialize;
use serde_json::Value;

use super::schema::{self, Mode};
use super::subject::Subject;
use crate::errors;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Mock {
    result: Option<String>,
    error_output: Option<ErrorOutput>,
    field_validation_mode: Option<String>,
}

#[derive(Deserialize)]
struct ErrorOutput {
    error: Option<String>,
    cause: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    pub retrier_retry_count: Option<i64>,
    error_caused_by_state: Option<String>,
    pub map_iteration_failure_count: Option<i64>,
    pub map_item_reader_data: Option<String>,
}

impl Configuration {
    /// What can be told without the state.
    pub fn check(&self, is_mocked: bool) -> Result<(), Error> {
        let counts = [
            ("stateConfiguration.retrierRetryCount", self.retrier_retry_count),
            ("stateConfiguration.mapIterationFailureCount", self.map_iteration_failure_count),
        ];
        for (member, count) in counts {
            if let Some(count) = count.filter(|count| *count < 0) {
                let rule = "Member must have value greater than or equal to 0";
                return Err(errors::constraint(&format!("'{count}'"), member, rule));
            }
        }
        let given = [
            ("RetrierRetryCount", self.retrier_retry_count.is_some()),
            ("ErrorCausedByState", self.error_caused_by_state.is_some()),
            ("MapIterationFailureCount", self.map_iteration_failure_count.is_some()),
            ("MapItemReaderData", self.map_item_reader_data.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given && !is_mocked) {
            Some((what, _)) => Err(needs_mock(what)),
            None => Ok(()),
        }
    }

    /// Does it fit the state?
    pub fn check_state(&self, subject: &Subject) -> Result<(), Error> {
        let is_map = matches!(subject.kind(), Kind::Map(_));
        let only =
            |what: &str, whose: &str| Err(errors::validation(format!("TestState supports {what} only for {whose}")));
        match &self.error_caused_by_state {
            Some(_) if !is_map && !matches!(subject.kind(), Kind::Parallel(_)) => {
                return only("ErrorCausedByState", "Map and Parallel states");
            }
            Some(name) if !subject.contains(name) => {
                return Err(errors::validation(format!("ErrorCausedByState names '{name}', which is no state inside")));
            }
            _ => {}
        }
        if !is_map && self.map_iteration_failure_count.is_some() {
            return only("MapIterationFailureCount", "Map states");
        }
        if self.map_item_reader_data.is_some() && !subject.has("ItemReader") {
            return only("MapItemReaderData", "Map states with an ItemReader");
        }
        Ok(())
    }
}

pub fn needs_mock(what: &str) -> Error {
    errors::validation(format!("TestState does not support {what} when a mock is not specified."))
}

impl Mock {
    /// What the work comes to, if this state may be mocked so.
    pub fn work(self, subject: &Subject, configuration: &Configuration) -> Result<Result<Payload, Failure>, Error> {
        let mode = mode(self.field_validation_mode.as_deref())?;
        let kind = subject.kind();
        if !matches!(kind, Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_)) {
            let name = subject.state().type_name();
            return Err(errors::validation(format!("State type '{name}' is not supported when a mock is specified")));
        }
        configuration.check_state(subject)?;
        match (self.result, self.error_output) {
            (Some(text), None) => checked_result(&text, subject, configuration, mode).map(Ok),
            (None, Some(output)) => failure(output).map(Err),
            _ => Err(errors::validation(
                "A test mock should have only one of the following fields: [result, errorOutput].",
            )),
        }
    }
}

fn mode(name: Option<&str>) -> Result<Mode, Error> {
    match name {
        None | Some("STRICT") => Ok(Mode::Strict),
        Some("PRESENT") => Ok(Mode::Present),
        Some("NONE") => Ok(Mode::None),
        Some(other) => Err(errors::constraint(
            &format!("'{other}'"),
            "mock.fieldValidationMode",
            "Member must satisfy enum value set: [STRICT, PRESENT, NONE]",
        )),
    }
}

fn failure(output: ErrorOutput) -> Result<Failure, Error> {
    match (output.error, output.cause) {
        (None, _) => Err(errors::constraint("null", "mock.errorOutput.error", "Member must not be null")),
        (Some(error), None) => Ok(Failure::named(error)),
        (Some(error), Some(cause)) => Ok(Failure::new(error, cause)),
    }
}

fn checked_result(text: &str, subject: &Subject, configuration: &Configuration, mode: Mode) -> Result<Payload, Error> {
    let Ok(result) = Payload::parse(text) else {
        return Err(errors::validation("Mocked result must be valid JSON"));
    };
    let misfit = match subject.kind() {
        Kind::Task(task) => answer_misfit(&task.resource, result.value(), mode),
        Kind::Parallel(parallel) => branches_misfit(result.value(), parallel.branches.len()),
        _ => iterations_misfit(result.value(), subject, configuration),
    };
    misfit.map_or(Ok(result), |why| Err(errors::validation(why)))
}

fn answer_misfit(resource: &Resource, result: &Value, mode: Mode) -> Option<String> {
    schema::misfit(resource.arn(), result, mode)
}

const NO_ARRAY: &str = "Mocked result must be an array.";

fn branches_misfit(result: &Value, branches: usize) -> Option<String> {
    match result.as_array().map(Vec::len) {
        None => Some(NO_ARRAY.into()),
        Some(length) if length != branches => {
            Some("Mocked result must contain the same number of items as number of Parallel branches.".into())
        }
        Some(_) => None,
    }
}

/// With a ResultWriter a Map comes to where its results were written.
fn iterations_misfit(result: &Value, subject: &Subject, configuration: &Configuration) -> Option<String> {
    if subject.has("ResultWriter") {
        return (!result.is_object()).then(|| "Mocked result must be a JSON object.".into());
    }
    let Some(items) = result.as_array() else { return Some(NO_ARRAY.into()) };
    let is_more = configuration.map_iteration_failure_count.is_some_and(|failed| failed > items.len() as i64);
    is_more.then(|| "Map iteration failure count must be less than or equal to the number of Map iterations".into())
}

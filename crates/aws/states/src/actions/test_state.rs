//! TestState: runs one state, alone or within its state machine, and tells what became of its data.
//!
//! ```text
//!  request ─> subject (the definition, made to start at the state)   ─┐
//!          ─> mock, context (held against the state and AWS's models) ─┼─> run (interpreter::step) ─> answer
//! ```
//!
//! It is the interpreter's own code that runs, so a test tells what an execution would do. What is missing: the data of
//! HTTP tasks, request and response, are not told, and so `revealSecrets` has nothing to reveal.

mod answer;
mod context;
mod map_run;
mod mock;
mod run;
mod schema;
mod subject;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use asl::definition::{Kind, Pattern, Resource};
use aws_protocol::{Error, Home};
use interpreter::limits::PAYLOAD_BYTES_MAX;
use interpreter::{About, Payload, Trial};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;

use self::answer::Level;
use self::mock::{Configuration, Mock};
use self::run::Run;
use self::subject::Subject;
use super::start_execution;
use crate::check;
use crate::wire::required;
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    definition: Option<String>,
    role_arn: Option<String>,
    input: Option<String>,
    inspection_level: Option<String>,
    reveal_secrets: Option<bool>,
    variables: Option<String>,
    state_name: Option<String>,
    mock: Option<Mock>,
    context: Option<String>,
    state_configuration: Option<Configuration>,
}

pub async fn run(states: &States, request: Request) -> Result<Value, Error> {
    let level = level(request.inspection_level.as_deref())?;
    check(&request)?;
    let text = required(request.definition, "definition")?;
    let configuration = request.state_configuration.unwrap_or_default();
    let context = request.context.as_deref().map(context::given).transpose()?;
    let variables = request.variables.as_deref().map_or(Ok(Vec::new()), variables)?;
    let subject = Subject::read(&text, request.state_name.as_deref())?;
    let work = match request.mock {
        Some(mock) => Some(mock.work(&subject, &configuration)?),
        None => runnable(&subject, request.role_arn.as_deref()).map(|()| None)?,
    };
    let input = start_execution::input(request.input.as_deref().unwrap_or("{}"))?;

    let entropy = RandomState::new().hash_one(&text);
    let about = about(states.home(), entropy, request.role_arn.as_deref().unwrap_or_default(), &input);
    let retries_used = u32::try_from(configuration.retrier_retry_count.unwrap_or(0)).unwrap_or(u32::MAX);
    let context =
        context.unwrap_or_else(|| context::of_execution(&about, &subject, about.started_at, retries_used, entropy));
    let failed_items = configuration.map_iteration_failure_count.unwrap_or(0).unsigned_abs();
    let handle = states.handle.clone();
    on_a_thread(states, move |is_given_up| {
        let run = Run {
            handle: &handle,
            subject: &subject,
            about: &about,
            now: about.started_at,
            is_given_up,
            trial: Trial { context: Some(context), work: work.clone(), ..Trial::default() },
            mock: work,
            map_run: map_run::Given { read: configuration.map_item_reader_data, failed_items },
            variables,
            retries_used,
            entropy,
        };
        Ok(answer::render(&subject, &input, run.finish()?, level))
    })
    .await
}

/// What can be told without the state.
fn check(request: &Request) -> Result<(), Error> {
    if let Some(role_arn) = &request.role_arn {
        check::role(role_arn)?;
    }
    if let Some(configuration) = &request.state_configuration {
        configuration.check(request.mock.is_some())?;
    }
    match (&request.mock, &request.context, request.reveal_secrets) {
        (None, Some(_), _) => Err(mock::needs_mock("Context")),
        (Some(_), _, Some(true)) => {
            Err(errors::validation("TestState does not support RevealSecrets when a mock is specified."))
        }
        _ => Ok(()),
    }
}

/// A test blocks, and its expressions may take their time, so it has a thread to itself; it holds its place for as long
/// as it runs. The thread is nobody's to join: when the process ends, a test is no loss.
async fn on_a_thread(
    states: &States,
    work: impl FnOnce(&dyn Fn() -> bool) -> Result<Value, Error> + Send + 'static,
) -> Result<Value, Error> {
    let place = states.tests.clone().try_acquire_owned().map_err(|_| errors::throttled())?;
    let (reply, answer) = oneshot::channel();
    let run = move || {
        let _place = place;
        let done = work(&|| reply.is_closed());
        // A caller who has gone needs no answer.
        let _ = reply.send(done);
    };
    let started = std::thread::Builder::new().name("test-state".into()).spawn(run);
    started.map_err(|error| Error::internal(format!("the test could not be started: {error}")))?;
    answer.await.unwrap_or_else(|_| Err(Error::internal("the test panicked: its message is on standard error")))
}

fn level(name: Option<&str>) -> Result<Level, Error> {
    match name {
        None | Some("INFO") => Ok(Level::Info),
        Some("DEBUG" | "TRACE") => Ok(Level::Debug),
        Some(other) => Err(errors::constraint(
            &format!("'{other}'"),
            "inspectionLevel",
            "Member must satisfy enum value set: [INFO, DEBUG, TRACE]",
        )),
    }
}

/// The values of variables: a JSON object.
fn variables(text: &str) -> Result<Vec<(Arc<str>, Payload)>, Error> {
    match serde_json::from_str(text) {
        Ok(Value::Object(values)) if text.len() <= PAYLOAD_BYTES_MAX => {
            let payload = |(name, value): (String, Value)| (Arc::from(name), Payload::from_value(value));
            Ok(values.into_iter().map(payload).collect())
        }
        Ok(_) => {
            Err(errors::validation(format!("Variables must be a JSON object of at most {PAYLOAD_BYTES_MAX} bytes")))
        }
        Err(error) => Err(errors::validation(format!("Variables must be valid JSON: {error}"))),
    }
}

/// May this state be tested without a mock?
fn runnable(subject: &Subject, role_arn: Option<&str>) -> Result<(), Error> {
    let refused = |what: &str| Err(errors::invalid_definition(format!("TestState API does not support {what}")));
    match subject.kind() {
        Kind::Map(_) | Kind::Parallel(_) => {
            refused("Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]")
        }
        Kind::Task(task) => match unsupported(&task.resource) {
            Some(what) => refused(what),
            None if role_arn.is_none() => {
                Err(errors::validation("RoleArn must be specified when testing a Task state"))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Work whose end somebody else tells, later.
fn unsupported(resource: &Resource) -> Option<&'static str> {
    match (resource, resource.pattern()) {
        (Resource::Activity { .. }, _) => Some("Activity tasks when a mock is not specified"),
        (_, Pattern::Callback) => Some("the .waitForTaskToken pattern when a mock is not specified"),
        (_, Pattern::Sync | Pattern::Sync2) => Some("the .sync pattern when a mock is not specified"),
        (_, Pattern::RequestResponse) => None,
    }
}

/// The execution that the state believes to be in: one of an Express state machine, as on AWS.
fn about(home: &Home, entropy: u64, role_arn: &str, input: &Payload) -> About {
    let (machine, execution) = (uuid(entropy, 0), uuid(entropy, 1));
    About {
        execution_arn: home.arn("states", &format!("express:{machine}:{execution}")).into(),
        execution_name: execution.into(),
        machine_arn: home.arn("states", &format!("stateMachine:{machine}")).into(),
        machine_name: machine.into(),
        role_arn: role_arn.into(),
        started_at: engine::now(),
        input: input.clone(),
        // Nobody can give a token back to a test, so it names nothing.
        key: 0,
        is_express: false,
    }
}

/// A name that nobody else has.
fn uuid(entropy: u64, number: u64) -> String {
    let stream = asl::scope::Entropy::new(entropy ^ number.rotate_right(1));
    let (high, low) = (stream.next(), stream.next());
    let (time, clock) = (high >> 16, low >> 48 & 0x3fff | 0x8000);
    format!(
        "{:08x}-{:04x}-4{:03x}-{clock:04x}-{:012x}",
        time >> 16,
        time & 0xffff,
        high & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

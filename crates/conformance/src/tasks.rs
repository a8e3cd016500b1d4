//! The mock executor: answers each attempt from what the task did on AWS.
//!
//! An attempt takes the first unused entry with its state, resource and parameters; else the first unused entry of its
//! state, and then what it was sent differs from what AWS sent, which is kept as a complaint; else nothing was
//! recorded, and the case has failed. Entries whose state was not recorded count for every state.

use std::collections::VecDeque;

use interpreter::{Failure, Payload, RunTask};
use serde_json::Value;

use crate::canonical::{Difference, Matcher, text};
use crate::case::Case;
use crate::verdict::Reason;

pub type Outcome = Result<Payload, Failure>;

/// What becomes of an attempt.
#[derive(Default)]
pub struct Reply {
    /// The first answer of a longer work.
    pub submitted: Option<Payload>,
    /// None if it never comes.
    pub outcome: Option<Outcome>,
}

pub struct Tasks<'c> {
    entries: Vec<Entry<'c>>,
    /// Outcomes of which the recording does not tell whose they are, in its order.
    unowned: Vec<Outcome>,
    /// Names of the workers that asked for tasks, in their order.
    workers: VecDeque<Option<String>>,
    matcher: Matcher,
    /// The first attempt that was sent something else than on AWS.
    pub sent_otherwise: Option<Reason>,
    /// The first attempt for which nothing was recorded.
    pub unanswered: Option<Reason>,
}

struct Entry<'c> {
    recorded: &'c Value,
    is_used: bool,
}

impl<'c> Tasks<'c> {
    pub fn new(case: &'c Case, matcher: Matcher) -> Tasks<'c> {
        let entries = case.task_results.iter().map(|recorded| Entry { recorded, is_used: false }).collect();
        let unowned = if case.task_results_order_uncertain { unowned(case) } else { Vec::new() };
        let started = |event: &&Value| event["type"] == "ActivityStarted";
        let name = |event: &Value| event["activityStartedEventDetails"]["workerName"].as_str().map(str::to_owned);
        let workers = case.expected["events"].as_array().into_iter().flatten().filter(started).map(name).collect();
        Tasks { entries, unowned, workers, matcher, sent_otherwise: None, unanswered: None }
    }

    /// What becomes of an attempt.
    pub fn answer(&mut self, task: &RunTask) -> Reply {
        let of_state = |entry: &Entry<'_>| !entry.is_used && is_of_state(entry.recorded, &task.state);
        let is_same = |entry: &Entry<'_>| {
            of_state(entry)
                && is_of_resource(entry.recorded, task.resource.arn())
                && sent(&self.matcher, entry.recorded, task).is_ok()
        };
        let exact = self.entries.iter().position(is_same);
        let Some(at) = exact.or_else(|| self.entries.iter().position(of_state)) else {
            let why = format!("nothing is recorded for a further attempt of {} with {}", task.state, task.input.text());
            self.unanswered.get_or_insert(Reason::new("no recorded answer is left for a task", why));
            return Reply::default();
        };
        self.entries[at].is_used = true;
        let recorded = self.entries[at].recorded;
        if exact.is_none() && self.sent_otherwise.is_none() {
            self.sent_otherwise = Some(otherwise(&self.matcher, recorded, task));
        }
        let outcome = match &recorded["result"] {
            Value::Null if !self.unowned.is_empty() => Some(self.unowned.remove(0)),
            Value::Null => None,
            result => outcome(result),
        };
        let submitted = match &recorded["submitted"] {
            Value::Null => None,
            // Of some only the whole event was kept.
            told => Some(told.get("output").filter(|_| told.get("resource").is_some()).unwrap_or(told).clone()),
        };
        Reply { submitted: submitted.map(Payload::from_value), outcome }
    }

    /// The name under which the next worker asked for a task of an activity, if it told one.
    pub fn worker(&mut self) -> Option<String> {
        self.workers.pop_front().flatten()
    }
}

fn is_of_state(recorded: &Value, state: &str) -> bool {
    recorded["state"].as_str().is_none_or(|name| name == state)
}

/// A service task is recorded as service and action, a function and an activity by their ARN.
fn is_of_resource(recorded: &Value, arn: &str) -> bool {
    let resource = recorded["resource"].as_str().unwrap_or_default();
    match recorded["resourceType"].as_str() {
        Some(service) => arn.splitn(6, ':').nth(5) == Some(&format!("{service}:{resource}")),
        None => Matcher::new(Vec::new(), Vec::new()).compare(&recorded["resource"], &arn.into()).is_ok(),
    }
}

/// Was the attempt sent what was recorded? Entries tell it as a value.
fn sent(matcher: &Matcher, recorded: &Value, task: &RunTask) -> Result<(), Difference> {
    let recorded = recorded.get("input").unwrap_or(&recorded["parameters"]);
    matcher.clone().compare(recorded, task.input.value())
}

fn otherwise(matcher: &Matcher, recorded: &Value, task: &RunTask) -> Reason {
    match sent(matcher, recorded, task) {
        Err(difference) => Reason::differs("task", &difference.within(&task.state)),
        Ok(()) => Reason::new(
            "task differs: resource",
            format!("task: {} asked for {}, recorded {}", task.state, task.resource.arn(), recorded["resource"]),
        ),
    }
}

/// An output, a failure, or no answer at all.
fn outcome(result: &Value) -> Option<Outcome> {
    if result.get("timed_out").is_some() {
        return None;
    }
    if let Some(output) = result.get("output") {
        return Some(Ok(Payload::from_value(output.clone())));
    }
    Some(Err(failure(result)))
}

fn failure(details: &Value) -> Failure {
    let text = |member: &str| match &details[member] {
        Value::Null => None,
        Value::String(text) => Some(text.as_str().into()),
        // Inside an event the text of a cause has been parsed.
        parsed => Some(parsed.to_string().into()),
    };
    Failure { error: text("error"), cause: text("cause") }
}

/// Outcomes in the recorded history beyond those that the entries tell.
fn unowned(case: &Case) -> Vec<Outcome> {
    let events = case.expected["events"].as_array();
    let all = events.into_iter().flatten().filter_map(event_outcome);
    let told = case.task_results.iter().filter(|entry| !entry["result"].is_null()).count();
    all.skip(told).collect()
}

fn event_outcome(event: &Value) -> Option<Outcome> {
    let (details, is_success) = match event["type"].as_str()? {
        "TaskSucceeded" => (&event["taskSucceededEventDetails"], true),
        "LambdaFunctionSucceeded" => (&event["lambdaFunctionSucceededEventDetails"], true),
        "TaskFailed" => (&event["taskFailedEventDetails"], false),
        "LambdaFunctionFailed" => (&event["lambdaFunctionFailedEventDetails"], false),
        _ => return None,
    };
    Some(match is_success {
        true => Ok(output(&details["output"])),
        false => Err(failure(details)),
    })
}

/// What a recorded answer holds as an output is text, unless it is an object.
pub fn output(details: &Value) -> Payload {
    let parsed = details.as_str().and_then(text::parse);
    Payload::from_value(parsed.unwrap_or_else(|| details.clone()))
}

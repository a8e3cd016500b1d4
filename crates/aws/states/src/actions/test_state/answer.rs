//! What TestState tells of a state that was run: the answer's members, and which of its data AWS shows.
//!
//! The interpreter sees all of a state's data; which of it is told depends on the state's type and query language in
//! ways that only the recorded answers explain. They are a table here.

use asl::definition::Kind;
use interpreter::{Payload, Seen};
use serde_json::{Map, Value, json};

use super::run::Ended;
use super::subject::Subject;
use crate::wire::put;

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    #[default]
    Info,
    /// The data on its way too. TRACE tells what an HTTP task sent and got on top.
    Debug,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    AfterArguments,
    AfterInputPath,
    AfterParameters,
    AfterItemsPath,
    AfterItemsPointer,
    AfterItemSelector,
    AfterItemBatcher,
    Result,
    AfterResultSelector,
    AfterResultPath,
}

impl Data {
    fn member(self) -> &'static str {
        match self {
            Data::AfterArguments => "afterArguments",
            Data::AfterInputPath => "afterInputPath",
            Data::AfterParameters => "afterParameters",
            Data::AfterItemsPath => "afterItemsPath",
            Data::AfterItemsPointer => "afterItemsPointer",
            Data::AfterItemSelector => "afterItemSelector",
            Data::AfterItemBatcher => "afterItemBatcher",
            Data::Result => "result",
            Data::AfterResultSelector => "afterResultSelector",
            Data::AfterResultPath => "afterResultPath",
        }
    }

    fn of(self, seen: &Seen) -> Option<&Payload> {
        match self {
            Data::AfterArguments => &seen.after_arguments,
            Data::AfterInputPath => &seen.after_input_path,
            Data::AfterParameters => &seen.after_parameters,
            Data::AfterItemsPath => &seen.after_items_path,
            Data::AfterItemsPointer => &seen.after_items_pointer,
            Data::AfterItemSelector => &seen.after_item_selector,
            Data::AfterItemBatcher => &seen.after_item_batcher,
            Data::Result => &seen.result,
            Data::AfterResultSelector => &seen.after_result_selector,
            Data::AfterResultPath => &seen.after_result_path,
        }
        .as_ref()
    }
}

/// What AWS tells of each type of state.
fn told(subject: &Subject) -> &'static [Data] {
    use Data::*;
    match (subject.kind(), subject.is_jsonata) {
        (Kind::Task(_), true) => &[AfterArguments, Result],
        (Kind::Map(_), true) => &[AfterItemSelector, AfterItemBatcher],
        (_, true) => &[],
        (Kind::Task(_), false) => &[AfterInputPath, AfterParameters, Result, AfterResultSelector, AfterResultPath],
        (Kind::Pass(pass), false) if pass.result.is_some() => &[Result, AfterResultSelector, AfterResultPath],
        (Kind::Pass(_), false) => &[AfterInputPath, AfterParameters, AfterResultSelector, AfterResultPath],
        (Kind::Parallel(_), false) => &[AfterResultSelector, AfterResultPath],
        (Kind::Map(_), false) => &[
            AfterInputPath,
            AfterItemsPath,
            AfterItemsPointer,
            AfterItemSelector,
            AfterItemBatcher,
            AfterResultSelector,
            AfterResultPath,
        ],
        (Kind::Choice(_) | Kind::Wait(_) | Kind::Succeed(_) | Kind::Fail(_), false) => &[AfterInputPath],
    }
}

pub fn render(subject: &Subject, input: &Payload, mut ended: Ended, level: Level) -> Value {
    let mut answer = Map::new();
    let failure = ended.failure.take().unwrap_or_default();
    put(&mut answer, "output", ended.output.as_ref().map(Payload::text));
    put(&mut answer, "error", failure.error.as_deref());
    put(&mut answer, "cause", failure.cause.as_deref());
    if level == Level::Debug {
        answer.insert("inspectionData".into(), inspection(subject, input, &ended));
    }
    put(&mut answer, "nextState", ended.next_state.as_deref());
    answer.insert("status".into(), ended.status.name().into());
    Value::Object(answer)
}

fn inspection(subject: &Subject, input: &Payload, ended: &Ended) -> Value {
    let seen = &ended.seen;
    let mut data = Map::new();
    data.insert("input".into(), input.text().into());
    for told in told(subject) {
        // A Fail has no InputPath, and AWS tells of one.
        let is_whole = *told == Data::AfterInputPath && matches!(subject.kind(), Kind::Fail(_));
        let found = if is_whole { Some(input) } else { told.of(seen) };
        put(&mut data, told.member(), found.map(|payload| text(*told, payload)));
    }
    put(&mut data, "maxConcurrency", seen.max_concurrency);
    put(&mut data, "toleratedFailureCount", seen.tolerated_failure_count);
    put(&mut data, "toleratedFailurePercentage", seen.tolerated_failure_percentage);
    if !ended.variables.is_empty() {
        let variables = ended.variables.iter().map(|(name, value)| (name.to_string(), value.value().clone()));
        data.insert("variables".into(), Value::Object(variables.collect()).to_string().into());
    }
    let details = error_details(seen);
    if !details.is_empty() {
        data.insert("errorDetails".into(), Value::Object(details));
    }
    Value::Object(data)
}

fn text(told: Data, payload: &Payload) -> String {
    match (told, payload.value()) {
        // AWS spells this list with a blank after each comma, as recorded, and no other.
        (Data::AfterItemsPath, Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        _ => payload.text().to_owned(),
    }
}

fn error_details(seen: &Seen) -> Map<String, Value> {
    let mut details = Map::new();
    put(&mut details, "catchIndex", seen.catcher);
    put(&mut details, "retryIndex", seen.retrier);
    put(&mut details, "retryBackoffIntervalSeconds", seen.backoff_ms.map(|ms| json!(ms / 1000)));
    details
}

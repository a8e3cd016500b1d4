//! `ithaca show` and `ithaca history`: one execution as a timeline, or as its events.
//!
//! A *visit* is one stay in one state. Events belong to visits through their `previousEventId`, so the branches of
//! a Parallel and the iterations of a Map stay apart however they interleave; a visit inside one is drawn deeper.

use std::collections::HashMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::client::Client;
use super::terminal::{Tone, duration, moment, paint, print_line, shorten, status_tone};
use super::{Context, OneArgs, Outcome};

pub async fn run(args: OneArgs, context: &Context) -> Outcome {
    let mut client = Client::connect(&context.endpoint).await?;
    let arn = client.execution(args.execution.as_deref()).await?;
    print(&mut client, &arn, context).await?;
    Ok(ExitCode::SUCCESS)
}

pub async fn history(args: OneArgs, context: &Context) -> Outcome {
    let mut client = Client::connect(&context.endpoint).await?;
    let arn = client.execution(args.execution.as_deref()).await?;
    let events = events(&mut client, &arn).await?;
    if context.json {
        print_line!("{}", Value::from(events));
        return Ok(ExitCode::SUCCESS);
    }
    for event in &events {
        print_line!(
            "{:>6} {:>6}  {}  {:<26} {}",
            event["id"].as_u64().unwrap_or(0),
            event["previousEventId"].as_u64().unwrap_or(0),
            moment(event["timestamp"].as_f64()),
            text(&event["type"]),
            shorten(&details(event).to_string(), 110)
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn events(client: &mut Client, arn: &str) -> Result<Vec<Value>, String> {
    client.all("GetExecutionHistory", json!({ "executionArn": arn }), "events", usize::MAX).await
}

/// Prints the timeline of an execution, or its description, visits and story as JSON.
pub async fn print(client: &mut Client, arn: &str, context: &Context) -> Result<(), String> {
    let description = client.call("DescribeExecution", json!({ "executionArn": arn })).await?;
    let machine = client.call("DescribeStateMachineForExecution", json!({ "executionArn": arn })).await?;
    let visits = visits(&events(client, arn).await?, &compensations(text(&machine["definition"])));
    if context.json {
        let visits: Vec<Value> = visits.iter().map(Visit::to_json).collect();
        print_line!("{}", json!({ "execution": description, "visits": visits }));
        return Ok(());
    }
    print_head(&description);
    let width = visits.iter().map(|visit| visit.depth * 2 + visit.name.chars().count()).max().unwrap_or(0).min(60);
    for visit in &visits {
        print_line!("{}", line(visit, width));
        for attempt in visit.attempts.iter().filter(|attempt| attempt.failure.is_some()) {
            print_line!("{}", attempt_line(visit, attempt));
        }
    }
    for sentence in story(&description, &visits) {
        print_line!("\n{sentence}");
    }
    Ok(())
}

/// The states that compensate another, by name.
fn compensations(definition: &str) -> HashMap<String, String> {
    let Ok(parsed) = asl::parse::parse(definition) else { return HashMap::new() };
    let states = parsed.definition.states.iter();
    states.filter_map(|state| Some((state.name.to_string(), state.compensates()?.to_owned()))).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Running,
    Done,
    /// The state failed and a catcher took over.
    Caught,
    Failed,
    Aborted,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            End::Running => "RUNNING",
            End::Done => "SUCCEEDED",
            End::Caught => "CAUGHT",
            End::Failed => "FAILED",
            End::Aborted => "ABORTED",
        }
    }
}

#[derive(Debug)]
struct Visit {
    name: String,
    kind: String,
    depth: usize,
    compensates: Option<String>,
    entered: f64,
    left: Option<f64>,
    end: End,
    attempts: Vec<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    scheduled: f64,
    ended: Option<f64>,
    failure: Option<String>,
}

impl Visit {
    fn to_json(&self) -> Value {
        let attempts: Vec<Value> = self
            .attempts
            .iter()
            .map(
                |attempt| json!({ "scheduled": attempt.scheduled, "ended": attempt.ended, "failure": attempt.failure }),
            )
            .collect();
        json!({
            "state": self.name,
            "type": self.kind,
            "depth": self.depth,
            "compensates": self.compensates,
            "entered": self.entered,
            "left": self.left,
            "result": self.end.name(),
            "attempts": attempts,
        })
    }

    fn last_failure(&self) -> Option<&str> {
        self.attempts.last().and_then(|attempt| attempt.failure.as_deref())
    }
}

/// The visits of a history, in the order in which they were entered.
fn visits(events: &[Value], compensations: &HashMap<String, String>) -> Vec<Visit> {
    let mut visits: Vec<Visit> = Vec::new();
    // The visit and the depth of each event, by id.
    let mut of: HashMap<u64, (Option<usize>, usize)> = HashMap::new();
    for event in events {
        let (id, previous) = (event["id"].as_u64().unwrap_or(0), event["previousEventId"].as_u64().unwrap_or(0));
        let (visit, depth) = of.get(&previous).copied().unwrap_or((None, 0));
        let (kind, at) = (text(&event["type"]), event["timestamp"].as_f64().unwrap_or(0.0));
        let mut place = (visit, depth);
        if let Some(state_type) = kind.strip_suffix("StateEntered") {
            let name = text(&details(event)["name"]).to_owned();
            place = (Some(visits.len()), depth);
            visits.push(Visit {
                compensates: compensations.get(&name).cloned(),
                name,
                kind: state_type.to_owned(),
                depth,
                entered: at,
                left: None,
                end: End::Running,
                attempts: Vec::new(),
            });
        } else if matches!(kind, "ParallelStateStarted" | "MapIterationStarted") {
            // The threads inside begin here; what follows the state as a whole is hung elsewhere.
            place = (visit, visit.map_or(depth, |visit| visits[visit].depth) + 1);
        } else if kind.starts_with("Execution") {
            end_open(&mut visits, kind, at, visit);
        } else if let Some(index) = visit_of(&visits, visit, kind, event) {
            update(&mut visits[index], kind, at, event);
            place = (Some(index), visits[index].depth);
        }
        of.insert(id, place);
    }
    visits
}

/// Whose event it is. The end of a Parallel or Map follows the last event *inside* it, so it is found by name.
fn visit_of(visits: &[Visit], visit: Option<usize>, kind: &str, event: &Value) -> Option<usize> {
    if let Some(state_type) = kind.strip_suffix("StateExited") {
        let name = text(&details(event)["name"]);
        let is_it = |visit: &Visit| visit.name == name && visit.kind == state_type && visit.left.is_none();
        return visit.filter(|index| is_it(&visits[*index])).or_else(|| visits.iter().rposition(is_it));
    }
    visit
}

fn update(visit: &mut Visit, kind: &str, at: f64, event: &Value) {
    let kind = kind
        .strip_prefix("LambdaFunction")
        .or(kind.strip_prefix("Activity"))
        .or(kind.strip_prefix("Task"))
        .unwrap_or(kind);
    match kind {
        "Scheduled" => visit.attempts.push(Attempt { scheduled: at, ended: None, failure: None }),
        "Succeeded" => end_attempt(visit, at, None),
        "Failed" | "TimedOut" => end_attempt(visit, at, Some(failure(details(event)))),
        "StateAborted" => {
            visit.left = Some(at);
            visit.end = End::Aborted;
        }
        _ if kind.ends_with("StateExited") => {
            visit.left = Some(at);
            visit.end = if visit.last_failure().is_some() { End::Caught } else { End::Done };
        }
        _ if kind.ends_with("StateAborted") => {
            visit.left = Some(at);
            visit.end = End::Aborted;
        }
        _ => {}
    }
}

fn end_attempt(visit: &mut Visit, at: f64, failure: Option<String>) {
    if let Some(attempt) = visit.attempts.last_mut() {
        attempt.ended = Some(at);
        attempt.failure = failure;
    }
}

/// The execution has ended: what is still open ended with it.
fn end_open(visits: &mut [Visit], kind: &str, at: f64, last: Option<usize>) {
    let is_failure = kind == "ExecutionFailed";
    if kind == "ExecutionStarted" {
        return;
    }
    for (index, visit) in visits.iter_mut().enumerate().filter(|(_, visit)| visit.left.is_none()) {
        visit.left = Some(at);
        visit.end = match is_failure {
            true if Some(index) == last || visit.kind == "Fail" || visit.last_failure().is_some() => End::Failed,
            _ if kind == "ExecutionSucceeded" => End::Done,
            _ => End::Aborted,
        };
    }
}

/// The member that holds an event's details, whatever its type.
fn details(event: &Value) -> &Value {
    let members = event.as_object();
    members
        .and_then(|members| members.iter().find(|(name, _)| name.ends_with("EventDetails")))
        .map_or(&Value::Null, |(_, it)| it)
}

/// `Error: cause`, the cause without its JSON where it has a message inside.
fn failure(details: &Value) -> String {
    let cause = text(&details["cause"]);
    let inner: Option<Value> = serde_json::from_str(cause).ok();
    let message = inner.as_ref().and_then(|inner| inner["errorMessage"].as_str()).unwrap_or(cause);
    match (text(&details["error"]), message) {
        ("", message) => message.to_owned(),
        (error, "") => error.to_owned(),
        (error, message) => format!("{error}: {message}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn print_head(description: &Value) {
    let status = text(&description["status"]);
    let machine = text(&description["stateMachineArn"]).rsplit(':').next().unwrap_or_default();
    let took = match (description["startDate"].as_f64(), description["stopDate"].as_f64()) {
        (Some(start), Some(stop)) => format!(" in {}", duration((stop - start) * 1000.0)),
        _ => String::new(),
    };
    print_line!(
        "{}  {machine}  {}{took}",
        paint(status_tone(status), status),
        paint(Tone::Strong, text(&description["name"]))
    );
    print_line!("{}", paint(Tone::Quiet, &format!("started {}", moment(description["startDate"].as_f64()))));
    print_line!("{}\n", paint(Tone::Quiet, &format!("input   {}", shorten(text(&description["input"]), 110))));
}

fn line(visit: &Visit, width: usize) -> String {
    let (mark, tone) = match (visit.end, &visit.compensates) {
        (End::Running, _) => ("▸", Tone::Busy),
        (End::Done, Some(_)) => ("↩", Tone::Undone),
        (End::Done, None) => ("✓", Tone::Good),
        (End::Caught, _) => ("!", Tone::Warn),
        (End::Failed, _) => ("✗", Tone::Bad),
        (End::Aborted, _) => ("-", Tone::Quiet),
    };
    let name = format!("{}{}", "  ".repeat(visit.depth), visit.name);
    let took = visit.left.map_or_else(|| "running".to_owned(), |left| duration((left - visit.entered) * 1000.0));
    let mut notes = Vec::new();
    if visit.attempts.len() > 1 {
        notes.push(format!("{} attempts", visit.attempts.len()));
    }
    if let Some(compensated) = &visit.compensates {
        notes.push(format!("compensates {compensated}"));
    }
    if visit.end == End::Caught {
        notes.push("caught".to_owned());
    }
    format!("  {} {name:<width$}  {took:>10}  {}", paint(tone, mark), paint(Tone::Quiet, &notes.join(", ")))
        .trim_end()
        .to_owned()
}

fn attempt_line(visit: &Visit, attempt: &Attempt) -> String {
    let number = visit.attempts.iter().position(|it| std::ptr::eq(it, attempt)).map_or(0, |at| at + 1);
    let which = if visit.attempts.len() > 1 { format!("attempt {number}: ") } else { String::new() };
    let failure = attempt.failure.as_deref().unwrap_or_default();
    format!("    {}{}", "  ".repeat(visit.depth), paint(Tone::Warn, &format!("{which}{}", shorten(failure, 100))))
}

/// What happened, in words: where it failed, what was compensated, what was not.
fn story(description: &Value, visits: &[Visit]) -> Vec<String> {
    let mut story = Vec::new();
    let status = text(&description["status"]);
    if let Some(origin) = visits.iter().find(|visit| {
        matches!(visit.end, End::Caught | End::Failed) && visit.compensates.is_none() && visit.last_failure().is_some()
    }) {
        story.push(format!(
            "{} failed: {}.",
            origin.name,
            origin.last_failure().unwrap_or_default().trim_end_matches('.')
        ));
    }
    let done: Vec<&str> =
        visits.iter().filter(|v| v.compensates.is_some() && v.end == End::Done).map(|v| v.name.as_str()).collect();
    if !done.is_empty() {
        story.push(format!("{} compensated.", join(&done)));
    }
    let stuck: Vec<String> = visits
        .iter()
        .filter(|visit| matches!(visit.end, End::Failed | End::Caught | End::Aborted))
        .filter_map(|visit| Some(format!("{} did not compensate {}", visit.name, visit.compensates.as_ref()?)))
        .collect();
    if !stuck.is_empty() {
        story.push(paint(Tone::Bad, &format!("{}: its effect is left over.", stuck.join("; "))));
    }
    match status {
        "RUNNING" => story.push("It is still running.".to_owned()),
        "SUCCEEDED" | "FAILED" => {}
        _ => story.push(format!("It ended as {status}: {}", failure(description))),
    }
    story
}

fn join(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, previous: u64, kind: &str, details: Value) -> Value {
        json!({ "id": id, "previousEventId": previous, "type": kind, "timestamp": id as f64, "xEventDetails": details })
    }

    fn check(events: &[Value], expect: &[(&str, usize, &str, usize)]) {
        let compensations = HashMap::from([("Cancel".to_owned(), "Book".to_owned())]);
        let visits = visits(events, &compensations);
        let shown: Vec<_> = visits.iter().map(|v| (v.name.as_str(), v.depth, v.end.name(), v.attempts.len())).collect();
        assert_eq!(shown, expect);
    }

    #[test]
    fn a_caught_failure_and_its_compensation() {
        let name = |name: &str| json!({ "name": name });
        check(
            &[
                event(1, 0, "ExecutionStarted", Value::Null),
                event(2, 0, "TaskStateEntered", name("Book")),
                event(3, 2, "TaskScheduled", Value::Null),
                event(4, 3, "TaskFailed", json!({ "error": "Full" })),
                event(5, 4, "TaskStateExited", name("Book")),
                event(6, 5, "TaskStateEntered", name("Cancel")),
                event(7, 6, "TaskScheduled", Value::Null),
                event(8, 7, "TaskFailed", json!({ "error": "E" })),
                event(9, 8, "TaskScheduled", Value::Null),
                event(10, 9, "TaskSucceeded", Value::Null),
                event(11, 10, "TaskStateExited", name("Cancel")),
                event(12, 11, "FailStateEntered", name("Sorry")),
                event(13, 12, "ExecutionFailed", Value::Null),
            ],
            &[("Book", 0, "CAUGHT", 1), ("Cancel", 0, "SUCCEEDED", 2), ("Sorry", 0, "FAILED", 0)],
        );
    }

    #[test]
    fn branches_are_deeper_and_interleave() {
        let name = |name: &str| json!({ "name": name });
        check(
            &[
                event(1, 0, "ExecutionStarted", Value::Null),
                event(2, 0, "ParallelStateEntered", name("Both")),
                event(3, 2, "ParallelStateStarted", Value::Null),
                event(4, 3, "PassStateEntered", name("A")),
                event(5, 3, "WaitStateEntered", name("B")),
                event(6, 4, "PassStateExited", name("A")),
                event(7, 5, "WaitStateExited", name("B")),
                event(8, 7, "ParallelStateSucceeded", Value::Null),
                event(9, 7, "ParallelStateExited", name("Both")),
                event(10, 9, "PassStateEntered", name("After")),
            ],
            &[
                ("Both", 0, "SUCCEEDED", 0),
                ("A", 1, "SUCCEEDED", 0),
                ("B", 1, "SUCCEEDED", 0),
                ("After", 0, "RUNNING", 0),
            ],
        );
    }

    #[test]
    fn causes_are_shortened_to_their_message() {
        let check = |details: Value, expect: &str| assert_eq!(failure(&details), expect);
        check(json!({ "error": "E", "cause": "{\"errorMessage\":\"no\",\"errorType\":\"E\"}" }), "E: no");
        check(json!({ "error": "E", "cause": "plain" }), "E: plain");
        check(json!({ "error": "States.Timeout" }), "States.Timeout");
        check(json!({}), "");
    }
}

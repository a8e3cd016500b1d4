//! `ithaca show` and `ithaca history`: one execution as a timeline, or as its events.
//!
//! What happened is told by `console::story`, as on the page of the execution.

use std::process::ExitCode;

use console::story::{Attempt, End, Event, Items, Mood, Over, Story, Tale, Visit, What, error_text};
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

pub async fn events(client: &mut Client, arn: &str) -> Result<Vec<Value>, String> {
    client.all("GetExecutionHistory", json!({ "executionArn": arn }), "events", usize::MAX).await
}

/// Prints the timeline of an execution, or its description, visits and story as JSON.
pub async fn print(client: &mut Client, arn: &str, context: &Context) -> Result<(), String> {
    let description = client.call("DescribeExecution", json!({ "executionArn": arn })).await?;
    let machine = client.call("DescribeStateMachineForExecution", json!({ "executionArn": arn })).await?;
    let events = events(client, arn).await?;
    let mut tale = knowing(text(&machine["definition"]));
    events.iter().for_each(|event| tale.tell(&told(event)));
    let visits = &tale.visits;
    if context.json {
        let visits: Vec<Value> = visits.iter().map(visit_json).collect();
        print_line!("{}", json!({ "execution": description, "visits": visits }));
        return Ok(());
    }
    print_head(&description);
    let shown: Vec<usize> = (0..visits.len()).filter(|index| is_shown(&tale, *index)).collect();
    let width = shown
        .iter()
        .map(|index| &visits[*index])
        .map(|visit| visit.depth * 2 + visit.name.chars().count())
        .max()
        .unwrap_or(0)
        .min(60);
    for visit in shown.iter().map(|index| &visits[*index]) {
        let items = match &visit.map_run {
            Some(run) => Some(items_of_run(&client.call("DescribeMapRun", json!({ "mapRunArn": run })).await?)),
            None => visit.items.map(items),
        };
        print_line!("{}", line(&tale, visit, items, width));
        // What a Fail state says; a Parallel or Map says what is said inside.
        if let Some(trouble) = visit.trouble.as_deref().filter(|_| visit.brought_down_by.is_none()) {
            print_line!("{}", trouble_line(visit, trouble));
        }
        for attempt in visit.attempts.iter().filter(|attempt| attempt.failure.is_some()) {
            print_line!("{}", attempt_line(visit, attempt));
        }
    }
    for sentence in Story::of(&tale).sentences(&tale, &failure(&description)) {
        let text = if sentence.mood == Mood::Bad { paint(Tone::Bad, &sentence.text) } else { sentence.text };
        print_line!("\n{text}");
    }
    Ok(())
}

/// Iterations of a Map that are printed, and as many of those that failed. The others are counted: nobody reads thousands.
const ITERATIONS_SHOWN: usize = 5;

/// Is no iteration around it one of those that are only counted?
fn is_shown(tale: &Tale, index: usize) -> bool {
    let mut around = std::iter::successors(Some(index), |index| tale.visits[*index].inside);
    around.all(|index| {
        let visit = &tale.visits[index];
        let (Some(map), Some(iteration)) = (visit.inside, visit.iteration) else { return true };
        let failed = &tale.visits[map].failed_items;
        (iteration as usize) < ITERATIONS_SHOWN || failed.iter().take(ITERATIONS_SHOWN).any(|it| *it == iteration)
    })
}

/// How far a Map is.
fn items(items: Items) -> String {
    let all = [("succeeded", items.done), ("failed", items.failed), ("aborted", items.aborted)];
    counted(items.total.into(), &all.map(|(words, count)| (words, count.into())))
}

/// How far the Map Run of a distributed Map is: its items have histories of their own.
fn items_of_run(run: &Value) -> String {
    let count = |name: &str| run["itemCounts"][name].as_u64().unwrap_or(0);
    let all = [("succeeded", "succeeded"), ("failed", "failed"), ("timed out", "timedOut"), ("aborted", "aborted")];
    counted(count("total"), &all.map(|(words, name)| (words, count(name))))
}

fn counted(total: u64, all: &[(&str, u64)]) -> String {
    let some: Vec<String> = all.iter().filter(|(_, n)| *n > 0).map(|(words, n)| format!("{n} {words}")).collect();
    let total = if total == 1 { "1 item".to_owned() } else { format!("{total} items") };
    if some.is_empty() { total } else { format!("{total}: {}", some.join(", ")) }
}

/// A definition that this program cannot read tells nothing before the events do.
fn knowing(definition: &str) -> Tale {
    asl::parse::parse(definition).map(|parsed| Tale::knowing(&parsed.definition)).unwrap_or_default()
}

/// An event of `GetExecutionHistory` as the story takes it.
pub fn told(event: &Value) -> Event<'_> {
    let seconds = event["timestamp"].as_f64().unwrap_or(0.0);
    Event {
        id: event["id"].as_u64().unwrap_or(0),
        previous: event["previousEventId"].as_u64().unwrap_or(0),
        at: (seconds * 1000.0).round() as i64,
        what: what(text(&event["type"]), details(event)),
    }
}

fn what<'e>(kind: &'e str, details: &'e Value) -> What<'e> {
    let name = text(&details["name"]);
    if let Some(kind) = kind.strip_suffix("StateEntered") {
        return What::Entered { kind, name };
    }
    if let Some(kind) = kind.strip_suffix("StateExited") {
        return What::Exited { kind, name };
    }
    let of_task = ["LambdaFunction", "Activity", "Task"].iter().find_map(|family| kind.strip_prefix(family));
    match of_task.unwrap_or(kind) {
        "Scheduled" => What::Scheduled,
        "Started" => What::Started,
        "Submitted" => What::Submitted,
        "Succeeded" => What::Succeeded,
        "Failed" | "TimedOut" | "ScheduleFailed" | "StartFailed" | "SubmitFailed" => What::Failed(failure(details)),
        "EvaluationFailed" => What::Unusable(failure(details)),
        "ParallelStateStarted" => What::BranchesBegan,
        "ParallelStateFailed" => What::BranchesFailed,
        "MapStateStarted" => What::MapBegan { length: details["length"].as_u64().unwrap_or(0) as u32 },
        "MapStateFailed" => What::MapFailed,
        "MapIterationStarted" => What::IterationBegan { name, index: details["index"].as_u64().unwrap_or(0) as u32 },
        "MapIterationSucceeded" => What::IterationEnded { name, end: End::Done },
        "MapIterationFailed" => What::IterationEnded { name, end: End::Failed },
        "MapIterationAborted" => What::IterationEnded { name, end: End::Aborted },
        "MapRunStarted" | "MapRunRedriven" => What::MapRunBegan { arn: text(&details["mapRunArn"]) },
        "MapRunFailed" => What::MapRunFailed(failure(details)),
        "ExecutionRedriven" => What::Redriven,
        "ExecutionSucceeded" => What::Over(Over::Succeeded),
        "ExecutionFailed" => What::Over(Over::Failed),
        "ExecutionTimedOut" => What::Over(Over::TimedOut),
        "ExecutionAborted" => What::Over(Over::Aborted),
        other if other.ends_with("StateAborted") || other == "MapRunAborted" => What::StateAborted,
        _ => What::Other,
    }
}

fn visit_json(visit: &Visit) -> Value {
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let attempt = |attempt: &Attempt| {
        let (scheduled, ended) = (seconds(attempt.scheduled), attempt.ended.map(seconds));
        json!({ "scheduled": scheduled, "ended": ended, "failure": attempt.failure })
    };
    json!({
        "state": visit.name,
        "type": visit.kind,
        "depth": visit.depth,
        "compensates": visit.compensates,
        "entered": seconds(visit.entered),
        "left": visit.left.map(seconds),
        "result": visit.end.name(),
        "attempts": visit.attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

/// The member that holds an event's details, whatever its type.
pub fn details(event: &Value) -> &Value {
    let members = event.as_object();
    members
        .and_then(|members| members.iter().find(|(name, _)| name.ends_with("EventDetails")))
        .map_or(&Value::Null, |(_, it)| it)
}

fn failure(details: &Value) -> String {
    error_text(text(&details["error"]), text(&details["cause"]))
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

fn line(tale: &Tale, visit: &Visit, items: Option<String>, width: usize) -> String {
    let (mark, tone) = match (visit.end, &visit.compensates) {
        (End::Running, _) => ("▸", Tone::Busy),
        (End::Done, Some(_)) => ("↩", Tone::Undone),
        (End::Done, None) => ("✓", Tone::Good),
        (End::Caught, _) => ("!", Tone::Warn),
        (End::Failed, _) => ("✗", Tone::Bad),
        (End::Aborted, _) => ("-", Tone::Quiet),
    };
    let name = format!("{}{}", "  ".repeat(visit.depth), visit.name);
    let took =
        visit.left.map_or_else(|| "running".to_owned(), |left| duration(tale.worked(visit.entered, left) as f64));
    let mut notes: Vec<String> = items.into_iter().collect();
    if visit.items.is_some_and(|items| items.begun as usize > ITERATIONS_SHOWN) {
        notes.push(format!("the first {ITERATIONS_SHOWN} and some that failed are shown"));
    }
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
    trouble_line(visit, &format!("{which}{}", shorten(attempt.failure.as_deref().unwrap_or_default(), 100)))
}

fn trouble_line(visit: &Visit, trouble: &str) -> String {
    format!("    {}{}", "  ".repeat(visit.depth), paint(Tone::Warn, &shorten(trouble, 120)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_events() {
        let check = |kind: &str, details: Value, expect: What<'_>| assert_eq!(what(kind, &details), expect);
        check("TaskStateEntered", json!({ "name": "Book" }), What::Entered { kind: "Task", name: "Book" });
        check("LambdaFunctionScheduled", Value::Null, What::Scheduled);
        check("ActivityTimedOut", json!({ "error": "States.Timeout" }), What::Failed("States.Timeout".into()));
        check("WaitStateAborted", Value::Null, What::StateAborted);
        check("MapIterationStarted", json!({ "name": "M", "index": 3 }), What::IterationBegan { name: "M", index: 3 });
        check("ExecutionTimedOut", Value::Null, What::Over(Over::TimedOut));
        check("ExecutionStarted", Value::Null, What::Other);
    }

    #[test]
    fn of_a_large_map_some_iterations_are_shown() {
        let mut all = vec![(0, What::Other), (0, What::Entered { kind: "Map", name: "Each" })];
        all.push((2, What::MapBegan { length: 50 }));
        for index in 0..50 {
            let begun = all.len() as u64 + 1;
            all.push((3, What::IterationBegan { name: "Each", index }));
            all.push((begun, What::Entered { kind: "Task", name: "In" }));
            let end = if index >= 40 { End::Failed } else { End::Done };
            all.push((begun + 1, What::IterationEnded { name: "Each", end }));
        }
        let mut tale = Tale::default();
        for ((previous, what), id) in all.into_iter().zip(1..) {
            tale.tell(&Event { id, previous, at: 0, what });
        }
        let shown: Vec<Option<u32>> =
            (0..tale.visits.len()).filter(|at| is_shown(&tale, *at)).map(|at| tale.visits[at].iteration).collect();
        let expect: Vec<Option<u32>> = std::iter::once(None).chain((0..5).chain(40..45).map(Some)).collect();
        assert_eq!(shown, expect);
        let each = &tale.visits[0];
        let told = line(&tale, each, each.items.map(items), 4);
        assert!(told.contains("50 items: 40 succeeded, 10 failed, the first 5"), "{told}");
    }

    #[test]
    fn items_of_a_map_run_are_counted() {
        let check = |counts: Value, expect: &str| assert_eq!(items_of_run(&json!({ "itemCounts": counts })), expect);
        check(json!({ "total": 3, "succeeded": 1, "timedOut": 1 }), "3 items: 1 succeeded, 1 timed out");
        check(json!({ "total": 1 }), "1 item");
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

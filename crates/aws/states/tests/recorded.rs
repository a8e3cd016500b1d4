//! Recorded executions of AWS: the same definition, input and task answers must give the same history.
//!
//! Runs every case of kind `execution` that today's parser accepts against the bare interpreter under a virtual
//! clock, and renders events as `GetExecutionHistory` does. How the cases are written, and how histories with
//! branches are compared, is told in their README. The number that agree may only grow: [`AGREE_MIN`].
//!
//! `RECORDED=1 cargo test -p aws-states --test recorded -- --nocapture` names those that differ, and where;
//! `RECORDED=part-of-a-name` shows only these.

#[path = "../../../interpreter/tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use asl::parse::MachineType;
use aws_states::history::{Surroundings, render};
use interpreter::{Failure, InputKind, Payload, RunTask, Status, Timestamp};
use serde_json::{Map, Value, json};
use support::{Answer, Outcome, World};

/// Cases that agreed when this was last looked at.
const AGREE_MIN: usize = 0;

#[test]
fn recorded_executions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/conformance/open");
    if !folder.is_dir() {
        println!("skipped: there are no recorded cases at {}", folder.display());
        return;
    }
    let asked = std::env::var("RECORDED").unwrap_or_default();
    let (mut refused, mut agree, mut differ) = (0, 0, 0);
    for path in files(&folder) {
        let case: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if case["kind"] != "execution"
            || !(case["expected"]["events"].is_array() || case["expected"]["status"].is_string())
        {
            continue;
        }
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let shown = |outcome: &str| {
            if !asked.is_empty() && (asked == "1" || name.contains(&asked)) {
                println!("{name}: {outcome}");
            }
        };
        match check(&case) {
            _ if skipped(&case) => {}
            None => refused += 1,
            Some(Ok(())) => agree += 1,
            Some(Err(why)) => {
                differ += 1;
                shown(&why);
            }
        }
    }
    println!("recorded executions: {agree} agree, {differ} differ, {refused} use what is not served yet");
    assert!(agree >= AGREE_MIN, "{agree} cases agree, it were {AGREE_MIN}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let areas = entries(folder).into_iter().filter(|path| path.is_dir());
    areas.flat_map(|area| entries(&area)).filter(|path| path.extension().is_some_and(|name| name == "json")).collect()
}

/// Express recordings tell no tasks' answers, so those with tasks cannot be run.
fn skipped(case: &Value) -> bool {
    case["type"] == "EXPRESS" && case["definition"].to_string().contains(r#""Type":"Task""#)
}

/// None when the definition is not accepted.
fn check(case: &Value) -> Option<Result<(), String>> {
    let definition = case["definition"].as_str().map_or_else(|| case["definition"].to_string(), str::to_owned);
    let machine = if case["type"] == "EXPRESS" { MachineType::Express } else { MachineType::Standard };
    let omitted = case["input_omitted"] == true;
    let input = if omitted { "{}".to_owned() } else { case["input"].to_string() };
    let mut world = World::of_type(&definition, &input, machine).ok()?;
    if machine == MachineType::Express {
        world.about.execution_arn = "arn:aws:states:us-east-1:111111111111:express:machine:run:1".into();
    }
    if let Some(at) = case["clock_start"].as_str() {
        world.now = Timestamp(asl::timestamp::parse(at).unwrap());
        world.about.started_at = world.now;
    }
    let mut tasks = Tasks::new(&case["task_results"]);
    world.run(|task| tasks.answer(task));
    let expected = &case["expected"];
    if !world.execution.status.is_terminal() && expected["status"] == "ABORTED" {
        let text = |member: &str| expected[member].as_str().map(Into::into);
        let failure = Failure { error: text("error"), cause: text("cause") };
        world.feed(InputKind::Stop(failure)).unwrap();
    }
    Some(tasks.verdict().and_then(|()| compare(&world, expected)))
}

/// The mock executor: answers attempts from what was recorded.
struct Tasks<'c> {
    entries: Vec<(&'c Value, bool)>,
    wrong: Option<String>,
}

impl<'c> Tasks<'c> {
    fn new(results: &'c Value) -> Tasks<'c> {
        let entries = results.as_array().into_iter().flatten().map(|entry| (entry, false)).collect();
        Tasks { entries, wrong: None }
    }

    /// The first unused entry of the state with the same input, else the first unused one of the state.
    fn answer(&mut self, task: &RunTask) -> Outcome {
        let state = |entry: &Value| entry["state"] == *task.state;
        let sent = task.input.value();
        let same = |entry: &Value| state(entry) && Matcher::default().check("", input_of(entry), sent).is_ok();
        let found = self.entries.iter().position(|(entry, used)| !used && same(entry));
        let at = found.or_else(|| self.entries.iter().position(|(entry, used)| !used && state(entry)));
        let Some(at) = at else {
            self.wrong.get_or_insert(format!(
                "no recorded answer is left for {} with {}",
                task.state,
                task.input.text()
            ));
            return Outcome { after_ms: 0, result: Answer::Never };
        };
        self.entries[at].1 = true;
        let entry = self.entries[at].0;
        if found.is_none() {
            let why = format!("{} was sent {}, recorded {}", task.state, task.input.text(), input_of(entry));
            self.wrong.get_or_insert(why);
        }
        let result = &entry["result"];
        let text = |member: &str| result[member].as_str().map(Into::into);
        let result = match result {
            Value::Object(members) if members.contains_key("output") => {
                Answer::Succeed(Payload::from_value(members["output"].clone()))
            }
            Value::Object(members) if members.contains_key("timed_out") => Answer::Never,
            Value::Object(_) => Answer::Fail(Failure { error: text("error"), cause: text("cause") }),
            _ => Answer::Never,
        };
        Outcome { after_ms: 0, result }
    }

    fn verdict(&self) -> Result<(), String> {
        self.wrong.clone().map_or(Ok(()), Err)
    }
}

fn input_of(entry: &Value) -> &Value {
    entry.get("parameters").or(entry.get("input")).unwrap_or(&Value::Null)
}

fn compare(world: &World, expected: &Value) -> Result<(), String> {
    if let Some(status) = expected["status"].as_str() {
        let (found, output, failure) = match &world.execution.status {
            Status::Fresh | Status::Running => ("RUNNING", None, Failure::default()),
            Status::Succeeded(output) => ("SUCCEEDED", Some(output.text()), Failure::default()),
            Status::Failed(failure) => ("FAILED", None, failure.clone()),
            Status::TimedOut => ("TIMED_OUT", None, Failure::default()),
            Status::Aborted(failure) => ("ABORTED", None, failure.clone()),
        };
        let actual = json!({
            "status": found, "output": output, "error": failure.error.as_deref(), "cause": failure.cause.as_deref()
        });
        let expected = json!({
            "status": status, "output": expected["output"], "error": expected["error"], "cause": expected["cause"]
        });
        Matcher::default().check("end", &expected, &plain(&actual))?;
    }
    let Some(mut events) = expected["events"].as_array().cloned() else { return Ok(()) };
    // Some were recorded newest first.
    events.sort_by_key(|event| event["id"].as_u64());
    let around = Surroundings { role_arn: &world.about.role_arn, region: "us-east-1", with_data: true };
    let mut actual: Vec<Value> = world.history.iter().map(|event| plain(&render(event, &around))).collect();
    if expected["status"].is_null() {
        // Recorded while it was running.
        actual.truncate(events.len());
    }
    compare_events(&events, &actual)
}

/// The recordings' rewriting: a string that is the text of a JSON object becomes that object, once.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let parsed = match value {
                    Value::String(text) if text.starts_with('{') => serde_json::from_str(text).ok(),
                    _ => None,
                };
                (name.clone(), parsed.unwrap_or_else(|| plain(value)))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        other => other.clone(),
    }
}

fn compare_events(expected: &[Value], actual: &[Value]) -> Result<(), String> {
    let branches = |events: &[Value]| {
        let names = events.iter().filter_map(|event| event["type"].as_str());
        names.into_iter().any(|name| name == "ParallelStateStarted" || name == "MapStateStarted")
    };
    if expected.iter().any(|event| event["id"].is_array()) {
        // The recording itself gave up the order, and the ends of Parallels in the span: as a multiset, without ids.
        let same = |a: &Value, b: &Value| {
            a["type"] == b["type"] && a["stateExitedEventDetails"]["name"] == b["stateExitedEventDetails"]["name"]
        };
        let is_end =
            |event: &Value| event["type"] == "ParallelStateSucceeded" || event["type"] == "ParallelStateExited";
        let kept = |event: &&Value| !is_end(event) || expected.iter().any(|recorded| same(recorded, event));
        let actual: Vec<Value> = actual.iter().filter(kept).cloned().collect();
        return compare_lists(&sorted(expected), &sorted(&actual));
    }
    if branches(expected) {
        return compare_lists(&[tree(expected)], &[tree(actual)]);
    }
    compare_lists(expected, actual)
}

fn compare_lists(expected: &[Value], actual: &[Value]) -> Result<(), String> {
    let mut matcher = Matcher::default();
    for (at, (expected, actual)) in expected.iter().zip(actual).enumerate() {
        matcher.check(&format!("[{at}]"), expected, actual)?;
    }
    match expected.len() == actual.len() {
        true => Ok(()),
        false => Err(format!("{} events, recorded {}: {}", actual.len(), expected.len(), rest(expected, actual))),
    }
}

fn rest(expected: &[Value], actual: &[Value]) -> String {
    let longer = if expected.len() > actual.len() { &expected[actual.len()..] } else { &actual[expected.len()..] };
    longer.iter().map(|event| event["type"].as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
}

fn bare(event: &Value) -> Value {
    let mut event = event.as_object().unwrap().clone();
    for member in ["id", "previousEventId", "timestamp"] {
        event.remove(member);
    }
    Value::Object(event)
}

fn sorted(events: &[Value]) -> Vec<Value> {
    let mut events: Vec<Value> = events.iter().map(bare).collect();
    events.sort_by_cached_key(order);
    events
}

/// Type, then canonical text (members sorted).
fn order(value: &Value) -> (String, String) {
    (value["type"].as_str().unwrap_or_default().to_owned(), canonical(value).to_string())
}

fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().map(|(name, value)| (name.clone(), canonical(value))).collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(sorted))
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}

/// The canonical form of a history with branches: a tree by `previousEventId`, with the ends of a Map or Parallel
/// below their own start, without ids and times, children sorted.
fn tree(events: &[Value]) -> Value {
    let by_id: HashMap<u64, &Value> = events.iter().filter_map(|event| Some((event["id"].as_u64()?, event))).collect();
    let mut children: HashMap<u64, Vec<&Value>> = HashMap::new();
    for event in events {
        children.entry(parent(event, &by_id)).or_default().push(event);
    }
    grow(0, &Value::Null, &children)
}

/// The event after which this one hangs.
fn parent(event: &Value, by_id: &HashMap<u64, &Value>) -> u64 {
    let previous = event["previousEventId"].as_u64().unwrap_or_default();
    let opening = match event["type"].as_str().unwrap_or_default() {
        "MapStateSucceeded" | "MapStateFailed" => "MapStateStarted",
        "ParallelStateSucceeded" | "ParallelStateFailed" | "ParallelStateAborted" => "ParallelStateStarted",
        _ => return previous,
    };
    let closes =
        |name: &str| name.starts_with(&opening[..opening.len() - "Started".len()]) && !name.ends_with("Started");
    let (mut at, mut depth) = (previous, 0);
    while let Some(event) = by_id.get(&at) {
        match event["type"].as_str().unwrap_or_default() {
            name if name == opening && depth == 0 => return at,
            name if name == opening => depth -= 1,
            name if closes(name) && name.ends_with("Exited") => depth += 1,
            _ => {}
        }
        at = event["previousEventId"].as_u64().unwrap_or_default();
    }
    previous
}

fn grow(id: u64, event: &Value, children: &HashMap<u64, Vec<&Value>>) -> Value {
    let mut below: Vec<Value> = children
        .get(&id)
        .into_iter()
        .flatten()
        .map(|child| grow(child["id"].as_u64().unwrap_or_default(), &bare(child), children))
        .collect();
    below.sort_by_cached_key(order);
    match event {
        Value::Null => json!({ "children": below }),
        event => {
            let mut event = event.as_object().unwrap().clone();
            event.insert("then".into(), below.into());
            Value::Object(event)
        }
    }
}

/// Compares with the recordings' placeholders.
#[derive(Default)]
struct Matcher {
    tokens: HashMap<String, String>,
}

/// Whole strings that stand for a moment.
const MOMENTS: &[&str] = &[
    "timestamp",
    "datetime",
    "date",
    "start-date",
    "stop-date",
    "creation-date",
    "start-time",
    "entered-time",
    "time",
];

impl Matcher {
    fn check(&mut self, at: &str, expected: &Value, actual: &Value) -> Result<(), String> {
        let differ = || Err(format!("{at}: found {actual}, recorded {expected}"));
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => {
                let mut names: Vec<&String> = expected.keys().chain(actual.keys()).collect();
                names.sort();
                names.dedup();
                for name in names {
                    if name == "RedriveCount" && !expected.contains_key(name) {
                        // Older recordings have no such member.
                        continue;
                    }
                    let (left, right) = (expected.get(name), actual.get(name));
                    let (left, right) = (left.unwrap_or(&Value::Null), right.unwrap_or(&Value::Null));
                    self.check(&format!("{at}/{name}"), left, right)?;
                }
                Ok(())
            }
            (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
                let pairs = expected.iter().zip(actual).enumerate();
                pairs
                    .into_iter()
                    .try_for_each(|(index, (left, right))| self.check(&format!("{at}[{index}]"), left, right))
            }
            (Value::String(expected), Value::Number(_)) if expected == "RandomNumberGenerated" => Ok(()),
            (Value::String(expected), actual) if is_moment(expected) && (actual.is_number() || actual.is_string()) => {
                Ok(())
            }
            (Value::String(expected), Value::String(actual)) => match self.text(expected, actual) {
                true => Ok(()),
                false => match (serde_json::from_str(expected), serde_json::from_str(actual)) {
                    (Ok(left @ (Value::Array(_) | Value::Object(_))), Ok(right)) => self.check(at, &left, &right),
                    _ => differ(),
                },
            },
            (expected, actual) if expected == actual => Ok(()),
            _ => differ(),
        }
    }

    fn text(&mut self, expected: &str, actual: &str) -> bool {
        let is_role = |text: &str| {
            text.starts_with("snf_role_arn") || text.starts_with("sfn_role_arn") || text.contains(":role/")
        };
        if expected == actual || (is_role(expected) && is_role(actual)) {
            return true;
        }
        let mut tokens = self.tokens.clone();
        let matches = fits(&pieces(expected), actual, &mut tokens);
        if matches {
            self.tokens = tokens;
        }
        matches
    }
}

fn is_moment(text: &str) -> bool {
    MOMENTS.contains(&text.trim_start_matches('<').trim_end_matches('>'))
}

enum Piece<'t> {
    Text(&'t str),
    /// Any text, the same for the same token.
    Token(&'t str),
    /// Any ISO-8601 time.
    Date,
}

fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        let token = rest.find('<').and_then(|from| Some((from, from + rest[from..].find('>')? + 1)));
        let token = token.filter(|(from, to)| {
            rest[from + 1..to - 1].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-{}()".contains(&byte))
        });
        let date = rest.find("date");
        match (token, date) {
            (Some((from, to)), date) if date.is_none_or(|date| from < date) => {
                pieces.extend([Piece::Text(&rest[..from]), Piece::Token(&rest[from..to])]);
                rest = &rest[to..];
            }
            (_, Some(date)) => {
                pieces.extend([Piece::Text(&rest[..date]), Piece::Date]);
                rest = &rest[date + 4..];
            }
            _ => {
                pieces.push(Piece::Text(rest));
                rest = "";
            }
        }
    }
    pieces
}

fn fits(pieces: &[Piece<'_>], text: &str, tokens: &mut HashMap<String, String>) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    match first {
        Piece::Text(literal) => text.strip_prefix(literal).is_some_and(|text| fits(rest, text, tokens)),
        Piece::Date => {
            let word = text.strip_prefix("date").is_some_and(|text| fits(rest, text, tokens));
            let is_time = |text: &str| asl::timestamp::parse(text).is_some();
            word || ends(text).any(|end| is_time(&text[..end]) && fits(rest, &text[end..], tokens))
        }
        Piece::Token(token) => match tokens.get(*token).cloned() {
            Some(known) => text.strip_prefix(&*known).is_some_and(|text| fits(rest, text, tokens)),
            None => ends(text).any(|end| {
                let mut tried = tokens.clone();
                tried.insert((*token).to_owned(), text[..end].to_owned());
                let matches = fits(rest, &text[end..], &mut tried);
                if matches {
                    *tokens = tried;
                }
                matches
            }),
        },
    }
}

/// The ends of the non-empty prefixes.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(at, char)| at + char.len_utf8())
}

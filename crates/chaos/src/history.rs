//! What a history says: states, attempts and their outcomes; and the rules that every history keeps.

use std::collections::HashMap;

use serde_json::Value;

const ENDS: [&str; 4] = ["ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"];

/// One try at a task.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub state: String,
    /// Seconds since 1970.
    pub scheduled: f64,
    pub ended: f64,
    /// `None` if it succeeded.
    pub error: Option<String>,
    /// What the task was given.
    pub input: Value,
    /// What it answered, if it succeeded.
    pub output: Option<Value>,
}

/// How the events of a task begin: an integration's, a function's, an activity's.
const FAMILIES: [&str; 3] = ["Task", "LambdaFunction", "Activity"];

/// Is it an event of a task, of one of these kinds?
fn is_of_task(kind: &str, kinds: &[&str]) -> bool {
    FAMILIES.iter().filter_map(|family| kind.strip_prefix(family)).any(|rest| kinds.contains(&rest))
}

const OUTCOMES: [&str; 3] = ["Succeeded", "Failed", "TimedOut"];

/// What is particular to an event, such as its `taskFailedEventDetails`.
fn details(event: &Value) -> &Value {
    let kind = kind(event);
    &event[format!("{}{}EventDetails", kind[..1].to_ascii_lowercase(), &kind[1..])]
}

/// A member that is JSON in a text; null if it is not there.
fn json_in(member: &Value) -> Value {
    member.as_str().map_or(Value::Null, |text| serde_json::from_str(text).expect("payloads are JSON"))
}

fn kind(event: &Value) -> &str {
    event["type"].as_str().expect("every event has a type")
}

fn id(event: &Value) -> u64 {
    event["id"].as_u64().expect("every event has an id")
}

fn at(event: &Value) -> f64 {
    event["timestamp"].as_f64().expect("every event has a timestamp in seconds")
}

/// The names of the states, in the order in which they were entered.
pub fn states_entered(events: &[Value]) -> Vec<&str> {
    let entered = events.iter().filter(|event| kind(event).ends_with("StateEntered"));
    entered.map(|event| event["stateEnteredEventDetails"]["name"].as_str().expect("a state has a name")).collect()
}

/// The attempts at tasks, in the order in which they were scheduled. Panics unless each has exactly one outcome.
pub fn attempts(events: &[Value]) -> Vec<Attempt> {
    let by_id: HashMap<u64, &Value> = events.iter().map(|event| (id(event), event)).collect();
    let outcomes = outcomes(events, &by_id);
    let scheduled = events.iter().filter(|event| is_of_task(kind(event), &["Scheduled"]));
    let attempt = |event: &Value| {
        let state = before(event, &by_id, |kind| kind == "TaskStateEntered");
        let [outcome] = outcomes.get(&id(event)).map_or(&[][..], Vec::as_slice) else {
            panic!("attempt {} has not one outcome but these: {:?}", id(event), outcomes.get(&id(event)));
        };
        let (given, answered) = (details(event), details(outcome));
        let has_succeeded = kind(outcome).ends_with("Succeeded");
        Attempt {
            state: crate::client::text(&state["stateEnteredEventDetails"]["name"]),
            scheduled: at(event),
            ended: at(outcome),
            error: (!has_succeeded).then(|| answered["error"].as_str().unwrap_or(kind(outcome)).to_owned()),
            input: json_in(if given["input"].is_null() { &given["parameters"] } else { &given["input"] }),
            output: has_succeeded.then(|| json_in(&answered["output"])),
        }
    };
    scheduled.map(attempt).collect()
}

/// All outcomes of each attempt, by the id of the event that scheduled it.
fn outcomes<'e>(events: &'e [Value], by_id: &HashMap<u64, &'e Value>) -> HashMap<u64, Vec<&'e Value>> {
    let mut outcomes = HashMap::<u64, Vec<&Value>>::new();
    for event in events.iter().filter(|event| is_of_task(kind(event), &OUTCOMES)) {
        let scheduled = before(event, by_id, |kind| is_of_task(kind, &["Scheduled"]));
        outcomes.entry(id(scheduled)).or_default().push(event);
    }
    outcomes
}

/// The nearest event before this one, by `previousEventId`, that is of a kind.
fn before<'e>(event: &Value, by_id: &HashMap<u64, &'e Value>, is_it: impl Fn(&str) -> bool) -> &'e Value {
    let mut previous = event["previousEventId"].as_u64().expect("every event has a previous one");
    loop {
        let event = by_id.get(&previous).unwrap_or_else(|| panic!("event {} hangs in the air", id(event)));
        if is_it(kind(event)) {
            return event;
        }
        previous = event["previousEventId"].as_u64().expect("every event has a previous one");
    }
}

/// Panics unless this is a whole history of an execution that has ended: ids without a gap, causes before effects,
/// time that does not run backwards, one start, one end, one outcome for each attempt.
pub fn check_whole(events: &[Value]) {
    for (index, event) in events.iter().enumerate() {
        assert_eq!(id(event), index as u64 + 1, "ids are 1..n: {event}");
        assert!(event["previousEventId"].as_u64().unwrap() < id(event), "a cause comes first: {event}");
    }
    for pair in events.windows(2) {
        assert!(at(&pair[0]) <= at(&pair[1]), "time runs backwards: {} then {}", pair[0], pair[1]);
    }
    let starts = events.iter().filter(|event| kind(event) == "ExecutionStarted").count();
    let ends = events.iter().filter(|event| ENDS.contains(&kind(event))).count();
    assert_eq!((starts, ends), (1, 1), "one start and one end: {events:?}");
    assert_eq!(kind(&events[0]), "ExecutionStarted");
    assert!(ENDS.contains(&kind(&events[events.len() - 1])), "nothing follows the end: {events:?}");
    attempts(events);
}

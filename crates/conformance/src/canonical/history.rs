//! Order and ids of events: histories that differ only by chance are equal.
//!
//! A history of one thread must match exactly. With a Map or a Parallel the branches interleave freely, so such
//! histories are compared as trees by `previousEventId`: the end of a Map or Parallel hangs below its own start,
//! ids and times are dropped, and the order of siblings does not count. In some recordings a Parallel's events have
//! lost their ids (`"id": [0]`); these are compared as a multiset.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::matcher::{Difference, Matcher};
use super::pattern::has_token;
use super::text::sorted;

/// Compares whole histories, given in either order.
pub fn compare(matcher: &mut Matcher, recorded: &[Value], found: &[Value]) -> Result<(), Difference> {
    let (recorded, found) = (in_order(recorded), in_order(found));
    let is_span = recorded.iter().any(|event| event["id"].is_array());
    let has_branches = recorded.iter().chain(&found).any(|event| BRANCHING.contains(&type_of(event)));
    match (is_span, has_branches) {
        (true, _) => compare_span(matcher, &recorded, &found),
        (false, true) => compare_trees(matcher, &recorded, &found),
        (false, false) => compare_sequences(matcher, &recorded, &found),
    }
}

/// An event that begins something with branches, and those that end it.
struct Branching {
    entered: &'static str,
    started: &'static str,
    ends: &'static [&'static str],
}

const BRANCHING_KINDS: &[Branching] = &[
    Branching {
        entered: "MapStateEntered",
        started: "MapStateStarted",
        ends: &["MapStateSucceeded", "MapStateFailed"],
    },
    Branching {
        entered: "ParallelStateEntered",
        started: "ParallelStateStarted",
        ends: &["ParallelStateSucceeded", "ParallelStateFailed", "ParallelStateAborted"],
    },
    Branching { entered: "MapStateStarted", started: "MapRunStarted", ends: &["MapRunSucceeded", "MapRunFailed"] },
];

const BRANCHING: &[&str] = &["MapStateStarted", "ParallelStateStarted", "MapRunStarted"];

/// What a recording that has lost the ids of a span has lost altogether: the ends of the Parallels in it.
const LOST_IN_SPANS: &[&str] =
    &["ParallelStateSucceeded", "ParallelStateFailed", "ParallelStateAborted", "ParallelStateExited"];

fn type_of(event: &Value) -> &str {
    event["type"].as_str().unwrap_or_default()
}

fn id_of(event: &Value) -> u64 {
    event["id"].as_u64().unwrap_or_default()
}

fn previous_of(event: &Value) -> u64 {
    event["previousEventId"].as_u64().unwrap_or_default()
}

/// Oldest first; some were recorded newest first. A span without ids is left where it stands.
fn in_order(events: &[Value]) -> Vec<&Value> {
    let mut events: Vec<&Value> = events.iter().collect();
    if events.iter().all(|event| event["id"].is_u64()) {
        events.sort_by_key(|event| id_of(event));
    }
    events
}

fn compare_sequences(matcher: &mut Matcher, recorded: &[&Value], found: &[&Value]) -> Result<(), Difference> {
    for (at, left) in recorded.iter().enumerate() {
        match found.get(at) {
            Some(right) => compare_event(matcher, left, right)?,
            None => return Err(missing(left)),
        }
    }
    found.get(recorded.len()).map_or(Ok(()), |right| Err(unasked(right)))
}

fn compare_event(matcher: &mut Matcher, recorded: &Value, found: &Value) -> Result<(), Difference> {
    if type_of(recorded) != type_of(found) {
        return Err(other_type(recorded, found));
    }
    matcher.compare(recorded, found).map_err(|difference| difference.within(&label(recorded)))
}

fn other_type(recorded: &Value, found: &Value) -> Difference {
    let path = vec![format!("event {}", found["id"])];
    Difference { path, recorded: type_of(recorded).to_owned(), found: summary(found) }
}

fn missing(recorded: &Value) -> Difference {
    Difference { path: vec!["events".into()], recorded: summary(recorded), found: "no such event".into() }
}

fn unasked(found: &Value) -> Difference {
    Difference { path: vec!["events".into()], recorded: "no such event".into(), found: summary(found) }
}

fn label(event: &Value) -> String {
    format!("event {} {}", event["id"], type_of(event))
}

/// The type, and the error if it tells one.
fn summary(event: &Value) -> String {
    let details = event.as_object().into_iter().flatten().find(|(name, _)| name.ends_with("EventDetails"));
    let member = |name: &str| details.and_then(|(_, details)| details.get(name)).map(plain);
    let told = ["error", "cause", "name"].into_iter().filter_map(member).collect::<Vec<_>>().join(": ");
    format!("{} {told}", type_of(event)).trim_end().to_owned()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Without what the order of branches decides.
fn bare(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.retain(|name, _| !matches!(&**name, "id" | "previousEventId" | "timestamp"));
    }
    event
}

fn compare_span(matcher: &mut Matcher, recorded: &[&Value], found: &[&Value]) -> Result<(), Difference> {
    let (loose, fixed): (Vec<&Value>, Vec<&Value>) = recorded.iter().partition(|event| event["id"].is_array());
    let mut left_over: Vec<&Value> = found.to_vec();
    for event in fixed {
        let at = left_over.iter().position(|other| other["id"] == event["id"]).ok_or_else(|| missing(event))?;
        compare_event(matcher, event, left_over.remove(at))?;
    }
    for event in loose {
        let same = |other: &&Value| matcher.clone().compare(&bare(event), &bare(other)).is_ok();
        let at = left_over.iter().position(same).ok_or_else(|| closest(matcher, event, &left_over))?;
        matcher.compare(&bare(event), &bare(left_over.remove(at)))?;
    }
    let extra = left_over.into_iter().find(|event| !LOST_IN_SPANS.contains(&type_of(event)));
    extra.map_or(Ok(()), |event| Err(unasked(event)))
}

/// How an event that was not found differs from the first of its type.
fn closest(matcher: &Matcher, event: &Value, among: &[&Value]) -> Difference {
    let same_type = among.iter().find(|other| type_of(other) == type_of(event));
    let difference = same_type.and_then(|other| matcher.clone().compare(&bare(event), &bare(other)).err());
    difference.map_or_else(|| missing(event), |difference| difference.within(&label(event)))
}

fn compare_trees(matcher: &mut Matcher, recorded: &[&Value], found: &[&Value]) -> Result<(), Difference> {
    let (recorded, found) = (grow(0, &children(recorded)), grow(0, &children(found)));
    forests(matcher, &recorded, &found).map_err(|(_, difference)| difference)
}

/// An event and what follows it.
struct Node<'e> {
    event: &'e Value,
    bare: Value,
    /// What siblings are sorted by; those with placeholders come last, so that they take what the others leave.
    order: (bool, String, String),
    then: Vec<Node<'e>>,
}

/// The events that hang below each id.
type Children<'e> = BTreeMap<u64, Vec<&'e Value>>;

fn children<'e>(events: &[&'e Value]) -> Children<'e> {
    let by_id: BTreeMap<u64, &Value> = events.iter().map(|event| (id_of(event), *event)).collect();
    let mut open = BTreeSet::new();
    let mut children = Children::new();
    for event in events {
        let ended = BRANCHING_KINDS.iter().find(|kind| kind.ends.contains(&type_of(event)));
        let started = BRANCHING_KINDS.iter().find(|kind| kind.started == type_of(event));
        let above = match (ended, started) {
            (Some(kind), _) => close(event, kind, &by_id, &mut open),
            (None, Some(kind)) => {
                supersede(event, kind, &by_id, &mut open);
                open.insert(id_of(event));
                previous_of(event)
            }
            // Until the end of 2024 AWS let this event follow the end of the Map Run, since then its start.
            (None, None) => match by_id.get(&previous_of(event)) {
                Some(end) if type_of(event) == "MapStateExited" && type_of(end) == "MapRunSucceeded" => {
                    previous_of(end)
                }
                _ => previous_of(event),
            },
        };
        children.entry(above).or_default().push(event);
    }
    children
}

/// The start that this end belongs to: the nearest one before it that is still open.
fn close(end: &Value, kind: &Branching, by_id: &BTreeMap<u64, &Value>, open: &mut BTreeSet<u64>) -> u64 {
    let mut chain = chain(end, by_id);
    let start = chain.find(|event| type_of(event) == kind.started && open.remove(&id_of(event)));
    start.map_or_else(|| previous_of(end), id_of)
}

/// A retried Map or Parallel starts anew without having ended.
fn supersede(start: &Value, kind: &Branching, by_id: &BTreeMap<u64, &Value>, open: &mut BTreeSet<u64>) {
    let is_near = |event: &&Value| type_of(event) != kind.entered;
    let earlier = chain(start, by_id).take_while(is_near).find(|event| type_of(event) == kind.started);
    if let Some(earlier) = earlier {
        open.remove(&id_of(earlier));
    }
}

/// The events before this one in its thread, nearest first.
fn chain<'e>(event: &Value, by_id: &'e BTreeMap<u64, &'e Value>) -> impl Iterator<Item = &'e Value> {
    let step = |event: &Value| by_id.get(&previous_of(event)).filter(|before| id_of(before) < id_of(event)).copied();
    std::iter::successors(step(event), move |event| step(event))
}

fn grow<'e>(id: u64, children: &Children<'e>) -> Vec<Node<'e>> {
    let node = |event: &&'e Value| {
        let (bare, then) = (bare(event), grow(id_of(event), children));
        let is_vague = is_vague(&bare) || then.iter().any(|node| node.order.0);
        let order = (is_vague, type_of(event).to_owned(), sorted(&bare).to_string());
        Node { event, bare, order, then }
    };
    let mut nodes: Vec<Node<'_>> = children.get(&id).into_iter().flatten().map(node).collect();
    nodes.sort_by(|a, b| a.order.cmp(&b.order));
    nodes
}

fn is_vague(value: &Value) -> bool {
    match value {
        Value::String(text) => has_token(text),
        Value::Array(items) => items.iter().any(is_vague),
        Value::Object(members) => members.values().any(is_vague),
        _ => false,
    }
}

/// A difference, and how far below the first event it was met: of several the deepest tells most.
type Deep = (usize, Difference);

/// Every recorded node takes the first found one that is equal to it and still free.
fn forests(matcher: &mut Matcher, recorded: &[Node<'_>], found: &[Node<'_>]) -> Result<(), Deep> {
    let mut free: Vec<&Node<'_>> = found.iter().collect();
    for node in recorded {
        let mut deepest: Option<Deep> = None;
        let taken = free.iter().position(|other| {
            let mut trial = matcher.clone();
            match trees(&mut trial, node, other) {
                Ok(()) => {
                    *matcher = trial;
                    true
                }
                Err(difference) => {
                    if deepest.as_ref().is_none_or(|deepest| difference.0 > deepest.0) {
                        deepest = Some(difference);
                    }
                    false
                }
            }
        });
        match taken {
            Some(at) => drop(free.remove(at)),
            None => return Err(deepest.unwrap_or_else(|| (0, missing(node.event)))),
        }
    }
    free.first().map_or(Ok(()), |node| Err((0, unasked(node.event))))
}

fn trees(matcher: &mut Matcher, recorded: &Node<'_>, found: &Node<'_>) -> Result<(), Deep> {
    if recorded.order.1 != found.order.1 {
        return Err((0, other_type(recorded.event, found.event)));
    }
    let compared = matcher.compare(&recorded.bare, &found.bare);
    compared.map_err(|difference| (1, difference.within(&label(recorded.event))))?;
    forests(matcher, &recorded.then, &found.then).map_err(|(depth, difference)| (depth + 2, difference))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `ID<PREVIOUS TYPE [NAME]`, comma separated; an id of 0 is one that the recording has lost.
    fn events(text: &str) -> Vec<Value> {
        let event = |line: &str| {
            let (ids, rest) = line.trim().split_once(' ').unwrap();
            let (id, previous) = ids.split_once('<').unwrap();
            let (kind, name) = rest.split_once(' ').unwrap_or((rest, "-"));
            let id = if id == "0" { json!([0]) } else { id.parse::<u64>().unwrap().into() };
            json!({
                "timestamp": 1.0, "type": kind, "id": id, "previousEventId": previous.parse::<u64>().unwrap(),
                "stateEnteredEventDetails": { "name": name }
            })
        };
        text.split(',').map(event).collect()
    }

    fn check(recorded: &str, found: &str, expect: Option<&str>) {
        let mut matcher = Matcher::new(vec![], vec![]);
        let difference = compare(&mut matcher, &events(recorded), &events(found)).err();
        assert_eq!(difference.map(|difference| difference.path.join("/")).as_deref(), expect, "{recorded} | {found}");
    }

    #[test]
    fn one_thread_matches_exactly() {
        check("1<0 A, 2<0 B", "1<0 A, 2<0 B", None);
        check("2<0 B, 1<0 A", "1<0 A, 2<0 B", None);
        check("1<0 A, 2<0 B", "1<0 A, 2<1 B", Some("event 2 B/previousEventId"));
        check("1<0 A, 2<0 B", "1<0 A", Some("events"));
        check("1<0 A", "1<0 A, 2<0 B", Some("events"));
        check("1<0 A", "1<0 B", Some("event 1"));
    }

    #[test]
    fn branches_interleave() {
        let recorded = "1<0 ParallelStateStarted, 2<1 A x, 3<1 B y, 4<2 C x, 5<4 ParallelStateSucceeded";
        check(recorded, "1<0 ParallelStateStarted, 2<1 B y, 3<1 A x, 4<3 C x, 5<2 ParallelStateSucceeded", None);
        let swapped = "1<0 ParallelStateStarted, 2<1 B y, 3<1 A x, 4<2 C x, 5<2 ParallelStateSucceeded";
        check(recorded, swapped, Some("events"));
    }

    #[test]
    fn nested_and_retried_branches_end_below_their_own_start() {
        let nested = |last: u64| {
            format!(
                "1<0 MapStateStarted, 2<1 MapStateEntered, 3<2 MapStateStarted, 4<3 A, 5<4 MapStateFailed, \
                 6<{last} MapStateFailed"
            )
        };
        check(&nested(5), &nested(4), None);
        let retried = |last: u64| {
            format!(
                "1<0 MapStateEntered, 2<1 MapStateStarted, 3<2 A, 4<3 MapStateStarted, 5<4 A, 6<{last} MapStateFailed"
            )
        };
        check(&retried(5), &retried(4), None);
        check(&retried(5), &retried(3), Some("events"));
    }

    #[test]
    fn spans_without_ids_are_multisets() {
        let recorded = "1<0 ParallelStateStarted, 0<0 A x, 0<0 A y, 5<3 B";
        let found = |first: &str| {
            format!("1<0 ParallelStateStarted, 2<1 A {first}, 3<1 A x, 4<3 ParallelStateSucceeded, 5<3 B")
        };
        check(recorded, &found("y"), None);
        check(recorded, &found("z"), Some("event [0] A/stateEnteredEventDetails/name"));
    }
}

//! What colour each state of the drawing has, from the visits of the execution.
//!
//! The newest visit of a state decides; of a state inside a Map, which has many at once, the one that people should
//! know of first: a failure, then what is waited for, then what goes on.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use asl::definition::{Definition, Kind, State, StateId};
use engine::MapRunRow;
use serde_json::{Value, json};

use super::items_of;
use crate::graph::{Overlay, Status};
use crate::story::{End, Tale, Visit};

/// The state of every state of a drawing.
#[derive(Debug, Default, PartialEq)]
pub struct Statuses {
    /// By name of state, for those that were entered.
    pub nodes: HashMap<String, NodeStatus>,
    /// Ways that were taken, from and to by name; none for the start or the end of a block.
    pub ways: BTreeSet<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NodeStatus {
    pub status: Status,
    pub attempts: u32,
    /// How often it was entered.
    pub visits: u32,
    pub note: Option<String>,
}

impl Statuses {
    /// `runs` are the Map Runs of the execution, which tell how far their states are.
    pub fn of(tale: &Tale, definition: &Definition, runs: &[MapRunRow]) -> Statuses {
        let by_name: HashMap<&str, &State> = definition.states.iter().map(|state| (&*state.name, state)).collect();
        let reversed: HashSet<&str> = (tale.visits.iter())
            .filter(|visit| visit.end == End::Done)
            .filter_map(|visit| visit.compensates.as_deref())
            .collect();
        let mut nodes: HashMap<String, NodeStatus> = HashMap::new();
        for visit in &tale.visits {
            let status = of_visit(visit, by_name.get(visit.name.as_str()).copied(), &reversed);
            let attempts = visit.attempts.len() as u32;
            let note = items_of(visit, runs).map(|(done, total, failed)| note(done, total, failed));
            match nodes.get_mut(visit.name.as_str()) {
                Some(node) if visit.iteration.is_some() => {
                    node.visits += 1;
                    node.attempts = node.attempts.max(attempts);
                    if urgency(status) > urgency(node.status) {
                        node.status = status;
                    }
                }
                Some(node) => *node = NodeStatus { status, attempts, visits: node.visits + 1, note },
                None => {
                    nodes.insert(visit.name.clone(), NodeStatus { status, attempts, visits: 1, note });
                }
            }
        }
        let ways = ways(tale, definition, &by_name, &nodes);
        Statuses { nodes, ways }
    }

    pub fn overlay(&self, definition: &Definition) -> Overlay {
        let mut overlay = Overlay::default();
        let ids: HashMap<&str, StateId> = definition.states.iter().map(|state| (&*state.name, state.id)).collect();
        for (name, node) in &self.nodes {
            let Some(id) = ids.get(name.as_str()) else { continue };
            overlay.mark(*id, node.status, node.attempts);
            if let Some(note) = &node.note {
                overlay.note(*id, note.clone());
            }
        }
        for (from, to) in &self.ways {
            if let (Some(from), Some(to)) = (ids.get(from.as_str()), ids.get(to.as_str())) {
                overlay.take(*from, *to);
            }
        }
        overlay
    }

    /// For the script that paints the drawing.
    pub fn json(&self) -> Value {
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_by_key(|(name, _)| name.as_str());
        let nodes = nodes.into_iter().map(|(name, node)| {
            let (status, words) = (node.status.class(), node.status.words());
            let value = json!({ "status": status, "words": words, "attempts": node.attempts, "note": node.note });
            (name.clone(), value)
        });
        let ways: Vec<[&str; 2]> = self.ways.iter().map(|(from, to)| [from.as_str(), to.as_str()]).collect();
        json!({ "nodes": nodes.collect::<serde_json::Map<_, _>>(), "ways": ways })
    }
}

fn of_visit(visit: &Visit, state: Option<&State>, reversed: &HashSet<&str>) -> Status {
    match visit.end {
        End::Running if visit.is_asked() && state.is_some_and(waits_for_an_answer) => Status::Waiting,
        End::Running => Status::InProgress,
        End::Done if visit.compensates.is_some() => Status::Compensated,
        End::Done if reversed.contains(visit.name.as_str()) => Status::Compensated,
        End::Done => Status::Succeeded,
        End::Caught => Status::Caught,
        End::Failed => Status::Failed,
        End::Aborted => Status::Cancelled,
    }
}

/// Its outcome comes from somebody else: a token that comes back, a worker.
pub fn waits_for_an_answer(state: &State) -> bool {
    match &state.kind {
        Kind::Task(task) => {
            let arn = task.resource.arn();
            arn.ends_with(".waitForTaskToken") || arn.contains(":activity:")
        }
        _ => false,
    }
}

fn urgency(status: Status) -> u8 {
    match status {
        Status::Failed => 6,
        Status::Waiting => 5,
        Status::InProgress => 4,
        Status::Caught => 3,
        Status::Compensated => 2,
        Status::Succeeded => 1,
        Status::Cancelled => 0,
    }
}

/// How many items are done, of how many, and how many have failed if any.
fn note(done: u64, total: u64, failed: u64) -> String {
    use crate::ui::number;
    let mut note = format!("{} of {}", number(done), number(total));
    if failed > 0 {
        let _ = write!(note, ", {} failed", number(failed));
    }
    note
}

/// From one visit to the next of the same thread, where the definition has a line; and to the end of a block.
fn ways(
    tale: &Tale,
    definition: &Definition,
    by_name: &HashMap<&str, &State>,
    nodes: &HashMap<String, NodeStatus>,
) -> BTreeSet<(String, String)> {
    let mut ways = BTreeSet::new();
    let mut seen: HashSet<(StateId, StateId)> = HashSet::new();
    // The newest visit that was left, by thread: the visit around it, the iteration, and the block of the branch.
    let mut last: HashMap<(Option<usize>, Option<u32>, u32), StateId> = HashMap::new();
    for visit in &tale.visits {
        let Some(state) = by_name.get(visit.name.as_str()) else { continue };
        let thread = (visit.inside, visit.iteration, state.block.0);
        match last.insert(thread, state.id) {
            Some(before) => {
                if seen.insert((before, state.id)) {
                    ways.insert((definition.state(before).name.to_string(), visit.name.clone()));
                }
            }
            None => {
                ways.insert((String::new(), visit.name.clone()));
            }
        }
    }
    let graph = asl::Graph::of(definition);
    for node in graph.nodes.iter().filter(|node| node.end) {
        let state = definition.state(node.id);
        let is_over = nodes.get(&*state.name).is_some_and(|node| node.status.is_over());
        if is_over && last.values().any(|last| *last == node.id) {
            ways.insert((state.name.to_string(), String::new()));
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{Event, Over, What};

    const TRAVEL: &str = r#"{"StartAt":"Book","States":{
        "Book":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f","Next":"Ask",
          "Catch":[{"ErrorEquals":["States.ALL"],"Next":"Cancel"}]},
        "Ask":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"f","Payload.$":"$$.Task.Token"},"Next":"Each",
          "Catch":[{"ErrorEquals":["States.ALL"],"Next":"Cancel"}]},
        "Each":{"Type":"Map","ItemProcessor":{"StartAt":"In","States":{"In":{"Type":"Pass","End":true}}},"End":true},
        "Cancel":{"Type":"Task","Comment":"compensates: Book","Resource":"arn:aws:lambda:us-east-1:0:function:f","Next":"Sorry"},
        "Sorry":{"Type":"Fail"}}}"#;

    fn statuses(events: &[(u64, What<'static>)]) -> Statuses {
        let definition = asl::parse(TRAVEL).map(|parsed| parsed.definition);
        let definition = definition.unwrap_or_else(|all| panic!("{all:?}"));
        let events = events.iter().zip(1..);
        let told = events.map(|((previous, what), id)| Event { id, previous: *previous, at: 0, what: what.clone() });
        Statuses::of(&Tale::of(Tale::compensations(&definition), told), &definition, &[])
    }

    #[track_caller]
    fn check(events: &[(u64, What<'static>)], nodes: &[(&str, &str, u32)], ways: &[(&str, &str)]) {
        let statuses = statuses(events);
        let mut shown: Vec<_> =
            statuses.nodes.iter().map(|(name, node)| (name.as_str(), node.status.class(), node.attempts)).collect();
        shown.sort_unstable();
        assert_eq!(shown, nodes);
        let taken: Vec<_> = statuses.ways.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        assert_eq!(taken, ways);
    }

    fn entered(kind: &'static str, name: &'static str) -> What<'static> {
        What::Entered { kind, name }
    }

    fn exited(kind: &'static str, name: &'static str) -> What<'static> {
        What::Exited { kind, name }
    }

    fn booked() -> Vec<(u64, What<'static>)> {
        vec![
            (0, What::Other),
            (0, entered("Task", "Book")),
            (2, What::Scheduled),
            (3, What::Succeeded),
            (4, exited("Task", "Book")),
            (5, entered("Task", "Ask")),
            (6, What::Scheduled),
        ]
    }

    #[test]
    fn a_task_that_waits_for_its_token() {
        check(&booked(), &[("Ask", "waiting", 1), ("Book", "succeeded", 1)], &[("", "Book"), ("Book", "Ask")]);
    }

    #[test]
    fn a_compensation_reverses() {
        let mut events = booked();
        events.extend([
            (7, What::Failed("no".into())),
            (8, exited("Task", "Ask")),
            (9, entered("Task", "Cancel")),
            (10, What::Scheduled),
            (11, What::Failed("E".into())),
            (12, What::Scheduled),
            (13, What::Succeeded),
            (14, exited("Task", "Cancel")),
            (15, entered("Fail", "Sorry")),
            (16, What::Over(Over::Failed)),
        ]);
        check(
            &events,
            &[("Ask", "caught", 1), ("Book", "compensated", 1), ("Cancel", "compensated", 2), ("Sorry", "failed", 0)],
            &[("", "Book"), ("Ask", "Cancel"), ("Book", "Ask"), ("Cancel", "Sorry"), ("Sorry", "")],
        );
    }

    #[test]
    fn iterations_are_one_node() {
        let mut events = booked();
        events.extend([
            (7, What::Succeeded),
            (8, exited("Task", "Ask")),
            (9, entered("Map", "Each")),
            (10, What::MapBegan { length: 2 }),
            (11, What::IterationBegan { name: "Each", index: 0 }),
            (12, entered("Pass", "In")),
            (11, What::IterationBegan { name: "Each", index: 1 }),
            (14, entered("Pass", "In")),
            (15, exited("Pass", "In")),
            (16, What::IterationEnded { name: "Each", end: End::Done }),
        ]);
        let statuses = statuses(&events);
        assert_eq!(statuses.nodes["In"].status, Status::InProgress);
        assert_eq!(statuses.nodes["In"].visits, 2);
        assert_eq!(statuses.nodes["Each"].note.as_deref(), Some("1 of 2"));
        assert!(!statuses.ways.contains(&("In".to_owned(), "In".to_owned())));
    }
}

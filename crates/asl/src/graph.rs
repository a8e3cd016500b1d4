//! The states of a definition as a graph: what leads where, and why.
//!
//! Pure and plain: for checks, for drawings, for whoever wants to walk. States of inner blocks are nodes like the
//! others; no edge leaves a block, and the block's owner is its only tie to the outside.

use crate::definition::{BlockId, Definition, Kind, Next, StateId};

#[derive(Debug)]
pub struct Graph {
    /// By [`StateId`].
    pub nodes: Vec<Node>,
    /// Grouped by where they come from, in the order in which they are tried there.
    pub edges: Vec<Edge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: StateId,
    pub block: BlockId,
    /// The block's `StartAt`.
    pub start: bool,
    /// Its block may end here: `End`, Succeed or Fail.
    pub end: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: StateId,
    pub to: StateId,
    pub kind: EdgeKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeKind {
    Next,
    /// A rule of a Choice, in a few words.
    Choice(String),
    Default,
    /// The names of the errors.
    Catch(Vec<String>),
}

impl Graph {
    pub fn of(definition: &Definition) -> Graph {
        let nodes = definition.states.iter().map(|state| Node {
            id: state.id,
            block: state.block,
            start: definition.block(state.block).start == state.id,
            end: ends(&state.kind),
        });
        let mut edges = Vec::new();
        for state in &definition.states {
            leave(&state.kind, |to, kind| edges.push(Edge { from: state.id, to, kind }));
        }
        Graph { nodes: nodes.collect(), edges }
    }

    /// The edges out of a state.
    pub fn from(&self, state: StateId) -> &[Edge] {
        let start = self.edges.partition_point(|edge| edge.from < state);
        let end = self.edges.partition_point(|edge| edge.from <= state);
        &self.edges[start..end]
    }
}

/// The way through a block when nothing goes wrong: from `StartAt` by `Next`, at a Choice by `Default` or else by
/// the first rule, to an end that is no Fail. Where every way ends in Fail, to that; where none ends, until it
/// would come to a state again. No state comes twice.
pub fn happy_path(definition: &Definition, block: BlockId) -> Vec<StateId> {
    let graph = Graph::of(definition);
    let start = definition.block(block).start;
    let end = |id: StateId| graph.nodes[id.0 as usize].end;
    let good = |id: StateId| end(id) && !matches!(definition.state(id).kind, Kind::Fail(_));
    graph.way(start, good).or_else(|| graph.way(start, end)).unwrap_or_else(|| graph.longest(start))
}

impl Graph {
    /// The edges that need no error, in the order of preference.
    fn onward(&self, state: StateId) -> Vec<StateId> {
        let by = |kinds: fn(&EdgeKind) -> bool| {
            self.from(state).iter().filter(move |edge| kinds(&edge.kind)).map(|edge| edge.to)
        };
        by(|kind| matches!(kind, EdgeKind::Next | EdgeKind::Default))
            .chain(by(|kind| matches!(kind, EdgeKind::Choice(_))))
            .collect()
    }

    /// The first way to a goal, depth first; each state is tried once.
    fn way(&self, start: StateId, goal: impl Fn(StateId) -> bool) -> Option<Vec<StateId>> {
        let mut tried = vec![false; self.nodes.len()];
        tried[start.0 as usize] = true;
        // The way so far, each state with what has not been tried after it.
        let mut way = vec![(start, self.onward(start).into_iter())];
        while let Some((state, rest)) = way.last_mut() {
            if goal(*state) {
                return Some(way.into_iter().map(|(state, _)| state).collect());
            }
            match rest.find(|to| !tried[to.0 as usize]) {
                Some(to) => {
                    tried[to.0 as usize] = true;
                    way.push((to, self.onward(to).into_iter()));
                }
                None => drop(way.pop()),
            }
        }
        None
    }

    /// On by the best edge, until there is nothing new.
    fn longest(&self, start: StateId) -> Vec<StateId> {
        let mut seen = vec![false; self.nodes.len()];
        let mut way = Vec::new();
        let mut at = Some(start);
        while let Some(state) = at {
            seen[state.0 as usize] = true;
            way.push(state);
            at = self.onward(state).into_iter().find(|to| !seen[to.0 as usize]);
        }
        way
    }
}

/// Which of so many states can be reached along the edges, the starts included.
pub(crate) fn reach(
    states: usize,
    edges: &[(StateId, StateId)],
    starts: impl IntoIterator<Item = StateId>,
) -> Vec<bool> {
    let mut after: Vec<Vec<StateId>> = vec![Vec::new(); states];
    for (from, to) in edges {
        after[from.0 as usize].push(*to);
    }
    let mut reached = vec![false; states];
    let mut open: Vec<StateId> = starts.into_iter().collect();
    while let Some(state) = open.pop() {
        if !std::mem::replace(&mut reached[state.0 as usize], true) {
            open.extend(&after[state.0 as usize]);
        }
    }
    reached
}

fn ends(kind: &Kind) -> bool {
    matches!(kind, Kind::Succeed(_) | Kind::Fail(_)) || next(kind) == Some(Next::End)
}

fn next(kind: &Kind) -> Option<Next> {
    match kind {
        Kind::Task(task) => Some(task.next),
        Kind::Pass(pass) => Some(pass.next),
        Kind::Wait(wait) => Some(wait.next),
        Kind::Parallel(parallel) => Some(parallel.next),
        Kind::Map(map) => Some(map.next),
        Kind::Choice(_) | Kind::Succeed(_) | Kind::Fail(_) => None,
    }
}

fn leave(kind: &Kind, mut to: impl FnMut(StateId, EdgeKind)) {
    if let Some(Next::State(state)) = next(kind) {
        to(state, EdgeKind::Next);
    }
    if let Kind::Choice(choice) = kind {
        for rule in &choice.rules {
            to(rule.next, EdgeKind::Choice(rule.label.clone()));
        }
        if let Some(state) = choice.default {
            to(state, EdgeKind::Default);
        }
    }
    for catcher in kind.catchers() {
        to(catcher.next, EdgeKind::Catch(catcher.error_equals.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    const TRIP: &str = r#"{"StartAt":"Book","States":{
        "Book":{"Type":"Parallel","Next":"Paid?","Catch":[{"ErrorEquals":["Full","Late"],"Next":"Undo"}],"Branches":[
            {"StartAt":"Hotel","States":{"Hotel":{"Type":"Pass","Next":"Room"},"Room":{"Type":"Pass","End":true}}}]},
        "Paid?":{"Type":"Choice","Default":"Undo","Choices":[
            {"Variable":"$.paid","BooleanEquals":false,"Next":"Wait"},
            {"Variable":"$.paid","BooleanEquals":true,"Next":"Done"}]},
        "Wait":{"Type":"Wait","Seconds":1,"Next":"Paid?"},
        "Done":{"Type":"Succeed"},
        "Undo":{"Type":"Pass","Next":"Failed"},
        "Failed":{"Type":"Fail"}}}"#;

    #[test]
    fn edges_say_where_and_why() {
        let definition = parse(TRIP).unwrap().definition;
        let graph = Graph::of(&definition);
        let name = |id: StateId| definition.state(id).name.to_string();
        let edges: Vec<String> =
            graph.edges.iter().map(|edge| format!("{} {:?} {}", name(edge.from), edge.kind, name(edge.to))).collect();
        assert_eq!(
            edges,
            [
                "Book Next Paid?",
                "Book Catch([\"Full\", \"Late\"]) Undo",
                "Paid? Choice(\"$.paid == false\") Wait",
                "Paid? Choice(\"$.paid == true\") Done",
                "Paid? Default Undo",
                "Wait Next Paid?",
                "Undo Next Failed",
                "Hotel Next Room",
            ]
        );
        let marked = |mark: fn(&Node) -> bool| -> Vec<String> {
            graph.nodes.iter().filter(|node| mark(node)).map(|node| name(node.id)).collect()
        };
        assert_eq!(marked(|node| node.start), ["Book", "Hotel"]);
        assert_eq!(marked(|node| node.end), ["Done", "Failed", "Room"]);
        assert_eq!(graph.from(StateId(1)).len(), 3);
    }

    #[test]
    fn the_happy_path_neither_fails_nor_turns_back() {
        for (text, block, expected) in [
            (TRIP, 0, "Book, Paid?, Done"),
            (TRIP, 1, "Hotel, Room"),
            (r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Fail"}}}"#, 0, "A, B"),
            (
                r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"A","States":{
                    "A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}}}}"#,
                1,
                "A, B",
            ),
        ] {
            let parsed = parse(text).unwrap();
            let path = happy_path(&parsed.definition, BlockId(block));
            let names: Vec<&str> = path.iter().map(|id| &*parsed.definition.state(*id).name).collect();
            assert_eq!(names.join(", "), expected, "{text}");
        }
    }
}

//! The states of a definition as a graph: what leads where, and why.
//!
//! Pure and plain: for checks, for drawings, for whoever wants to walk. States of inner blocks are nodes like the
//! others; no edge leaves a block, and the block's owner is its only tie to the outside.

use crate::definition::{BlockId, Catcher, Definition, Kind, Next, StateId};

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

/// The way through a block when nothing goes wrong: from `StartAt` by `Next`; at a Choice by `Default` or else by
/// the first rule that leads on without ending in Fail. It stops where it would come to a state again.
pub fn happy_path(definition: &Definition, block: BlockId) -> Vec<StateId> {
    let graph = Graph::of(definition);
    let hopeful = leads_to_success(definition, &graph);
    let mut seen = vec![false; graph.nodes.len()];
    let mut path = Vec::new();
    let mut at = Some(definition.block(block).start);
    while let Some(state) = at {
        seen[state.0 as usize] = true;
        path.push(state);
        at = happiest(graph.from(state), |to| hopeful[to.0 as usize], |to| seen[to.0 as usize]);
    }
    path
}

fn happiest(edges: &[Edge], hopeful: impl Fn(StateId) -> bool, seen: impl Fn(StateId) -> bool) -> Option<StateId> {
    let preference = |edge: &&Edge| match edge.kind {
        EdgeKind::Next | EdgeKind::Default => 0,
        _ => 1,
    };
    let mut onward: Vec<&Edge> =
        edges.iter().filter(|edge| !matches!(edge.kind, EdgeKind::Catch(_)) && !seen(edge.to)).collect();
    onward.sort_by_key(preference);
    onward.iter().find(|edge| hopeful(edge.to)).or(onward.first()).map(|edge| edge.to)
}

/// Which states may come to an end that is no Fail, without an error on the way.
fn leads_to_success(definition: &Definition, graph: &Graph) -> Vec<bool> {
    let good = |node: &&Node| node.end && !matches!(definition.state(node.id).kind, Kind::Fail(_));
    let ends: Vec<StateId> = graph.nodes.iter().filter(good).map(|node| node.id).collect();
    let backwards: Vec<(StateId, StateId)> = graph
        .edges
        .iter()
        .filter(|edge| !matches!(edge.kind, EdgeKind::Catch(_)))
        .map(|edge| (edge.to, edge.from))
        .collect();
    reach(graph.nodes.len(), &backwards, ends)
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

fn catchers(kind: &Kind) -> &[Catcher] {
    match kind {
        Kind::Task(task) => &task.catch,
        Kind::Parallel(parallel) => &parallel.catch,
        Kind::Map(map) => &map.catch,
        _ => &[],
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
    for catcher in catchers(kind) {
        to(catcher.next, EdgeKind::Catch(catcher.error_equals.clone()));
    }
}

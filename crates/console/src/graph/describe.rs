//! From a [`Definition`] to a [`Picture`].
//!
//! Decides what a reader should see: which states form the happy path, which stand in the compensation lane
//! (those that say so, and those that only an error leads to), what the lines are called.

use asl::definition::{BlockId, Count, Definition, Kind, Resource, Retrier, State, StateId};
use asl::graph::{EdgeKind as AslEdge, Graph, happy_path};

use super::layout::Lane;
use super::overlay::Overlay;
use super::picture::{Block, END, Edge, EdgeKind, Node, Picture, START, Symbol};

pub fn picture(definition: &Definition, overlay: &Overlay) -> Picture {
    let describer = Describer::new(definition, overlay);
    Picture {
        title: title(definition),
        description: describer.description(),
        root: describer.block(Definition::ROOT),
        marked: !overlay.is_empty(),
    }
}

fn title(definition: &Definition) -> String {
    match definition.comment.as_deref().map(str::trim) {
        Some(comment) if !comment.is_empty() => comment.to_owned(),
        _ => "State machine".to_owned(),
    }
}

struct Describer<'a> {
    definition: &'a Definition,
    overlay: &'a Overlay,
    graph: Graph,
    /// By state: its node's index in its block's picture. Document order, so that the drawing follows the author
    /// where nothing else decides.
    index: Vec<usize>,
    /// By state: only an error leads there.
    by_error_only: Vec<bool>,
}

impl<'a> Describer<'a> {
    fn new(definition: &'a Definition, overlay: &'a Overlay) -> Describer<'a> {
        let graph = Graph::of(definition);
        let mut index = vec![START; definition.states.len()];
        for block in &definition.blocks {
            block.states.iter().enumerate().for_each(|(at, state)| index[state.0 as usize] = END + 1 + at);
        }
        let at_all = reached(definition, &graph, |_| true);
        let without_error = reached(definition, &graph, |kind| !matches!(kind, AslEdge::Catch(_)));
        let by_error_only = at_all.iter().zip(&without_error).map(|(at_all, without)| *at_all && !without).collect();
        Describer { definition, overlay, graph, index, by_error_only }
    }

    fn block(&self, id: BlockId) -> Block {
        let block = self.definition.block(id);
        let mut spine = vec![START];
        let happy = happy_path(self.definition, id);
        spine.extend(happy.iter().map(|&state| self.index(state)));
        spine.extend(happy.last().filter(|&&last| self.graph.nodes[last.0 as usize].end).map(|_| END));
        let mut nodes = vec![place("Start", Symbol::Start), place("End", Symbol::End)];
        nodes.extend(block.states.iter().map(|&state| self.node(self.definition.state(state))));
        for &node in &spine {
            nodes[node].lane = Lane::Forward;
        }
        let mut edges = vec![Edge {
            from: START,
            to: self.index(block.start),
            kind: EdgeKind::Next,
            labels: Vec::new(),
            taken: self.overlay.mark_of(block.start).is_some(),
        }];
        block.states.iter().for_each(|&state| self.edges(state, &mut edges));
        Block { nodes, edges, spine }
    }

    fn index(&self, state: StateId) -> usize {
        self.index[state.0 as usize]
    }

    fn node(&self, state: &State) -> Node {
        let compensation = self.by_error_only[state.id.0 as usize] || state.compensates().is_some();
        Node {
            name: state.name.to_string(),
            symbol: symbol(&state.kind),
            lane: if compensation { Lane::Compensation } else { Lane::Forward },
            facts: facts(state),
            retried: !retry(&state.kind).is_empty(),
            mark: self.overlay.mark_of(state.id),
            remark: remark(&state.kind),
            note: self.overlay.note_of(state.id),
            blocks: self.blocks(state),
        }
    }

    fn blocks(&self, state: &State) -> Vec<Block> {
        match &state.kind {
            Kind::Parallel(parallel) => parallel.branches.iter().map(|&branch| self.block(branch)).collect(),
            Kind::Map(map) => vec![self.block(map.processor)],
            _ => Vec::new(),
        }
    }

    /// The lines out of a state; those of one kind to one target become one line with all their labels.
    fn edges(&self, state: StateId, edges: &mut Vec<Edge>) {
        let first = edges.len();
        for edge in self.graph.from(state) {
            let (kind, labels) = match &edge.kind {
                AslEdge::Next => (EdgeKind::Next, Vec::new()),
                AslEdge::Choice(rule) => (EdgeKind::Choice, vec![rule.clone()]),
                AslEdge::Default => (EdgeKind::Choice, vec!["Default".to_owned()]),
                AslEdge::Catch(errors) => (EdgeKind::Catch, errors.clone()),
            };
            let to = self.index(edge.to);
            match edges[first..].iter_mut().find(|known| known.to == to && known.kind == kind) {
                Some(known) => known.labels.extend(labels),
                None => {
                    let taken = self.overlay.took(state, edge.to);
                    edges.push(Edge { from: self.index(state), to, kind, labels, taken });
                }
            }
        }
        if self.graph.nodes[state.0 as usize].end {
            let done = self.overlay.mark_of(state).is_some_and(|mark| mark.status.is_over());
            edges.push(Edge {
                from: self.index(state),
                to: END,
                kind: EdgeKind::Next,
                labels: Vec::new(),
                taken: done,
            });
        }
    }

    fn description(&self) -> String {
        let name = |id: &StateId| self.definition.state(*id).name.to_string();
        let happy: Vec<String> = happy_path(self.definition, Definition::ROOT).iter().map(name).collect();
        let reversals: Vec<String> = self
            .definition
            .states
            .iter()
            .filter_map(|state| Some(format!("{} compensates {}", state.name, state.compensates()?)))
            .collect();
        let mut text = format!("{} states. If nothing goes wrong: {}.", self.definition.states.len(), happy.join(", "));
        if !reversals.is_empty() {
            text.push_str(&format!(" {}.", reversals.join(", ")));
        }
        text
    }
}

/// By state: whether its block's start leads there along such edges.
fn reached(definition: &Definition, graph: &Graph, follow: impl Fn(&AslEdge) -> bool) -> Vec<bool> {
    let mut reached = vec![false; graph.nodes.len()];
    let mut open: Vec<StateId> = definition.blocks.iter().map(|block| block.start).collect();
    while let Some(state) = open.pop() {
        if !std::mem::replace(&mut reached[state.0 as usize], true) {
            open.extend(graph.from(state).iter().filter(|edge| follow(&edge.kind)).map(|edge| edge.to));
        }
    }
    reached
}

fn place(name: &str, symbol: Symbol) -> Node {
    Node {
        name: name.to_owned(),
        symbol,
        lane: Lane::Forward,
        facts: Vec::new(),
        retried: false,
        mark: None,
        remark: None,
        note: None,
        blocks: Vec::new(),
    }
}

fn symbol(kind: &Kind) -> Symbol {
    match kind {
        Kind::Task(task) => task_symbol(&task.resource),
        Kind::Pass(_) => Symbol::Pass,
        Kind::Choice(_) => Symbol::Choice,
        Kind::Wait(_) => Symbol::Wait,
        Kind::Succeed(_) => Symbol::Succeed,
        Kind::Fail(_) => Symbol::Fail,
        Kind::Parallel(_) => Symbol::Parallel,
        Kind::Map(_) => Symbol::Map,
    }
}

fn task_symbol(resource: &Resource) -> Symbol {
    let arn = resource.arn();
    let is_lambda = matches!(resource, Resource::Function { .. }) || arn.contains(":::lambda:");
    match () {
        () if arn.ends_with(".waitForTaskToken") => Symbol::Callback,
        () if arn.contains(":activity:") => Symbol::Activity,
        () if is_lambda => Symbol::Function,
        () => Symbol::Service,
    }
}

fn facts(state: &State) -> Vec<String> {
    let mut facts = vec![state.type_name().to_owned()];
    if let Kind::Task(task) = &state.kind {
        facts.push(task.resource.arn().to_string());
    }
    facts.extend(state.comment.clone());
    let retries = retry(&state.kind);
    facts
        .extend(retries.iter().map(|r| format!("Retry {}: up to {} times", r.error_equals.join(", "), r.max_attempts)));
    facts
}

fn retry(kind: &Kind) -> &[Retrier] {
    match kind {
        Kind::Task(task) => &task.retry,
        Kind::Parallel(parallel) => &parallel.retry,
        Kind::Map(map) => &map.retry,
        _ => &[],
    }
}

fn remark(kind: &Kind) -> Option<String> {
    match kind {
        Kind::Map(map) => match &map.max_concurrency {
            Count::Fixed(0) => Some("each item".to_owned()),
            Count::Fixed(1) => Some("each item, one at a time".to_owned()),
            Count::Fixed(most) => Some(format!("each item, {most} at a time")),
            Count::Path(_) | Count::Jsonata(_) => Some("each item, some at a time".to_owned()),
        },
        _ => None,
    }
}

//! From a [`Definition`] to a [`Picture`].
//!
//! Decides what a reader should see: which states form the happy path, which stand in the compensation lane
//! (those that say so, and those that only an error leads to), what the lines are called.

use asl::definition::{BlockId, Concurrency, Definition, Kind, Resource, Retrier, State, StateId};
use asl::graph::{EdgeKind as AslEdge, Graph, happy_path};

use super::layout::Lane;
use super::overlay::Overlay;
use super::picture::{Block, END, Edge, EdgeKind, Node, Picture, START, Symbol};

pub fn picture(definition: &Definition, overlay: &Overlay) -> Picture {
    let describer = Describer { definition, overlay, graph: Graph::of(definition) };
    let start = definition.state(definition.block(Definition::ROOT).start);
    Picture {
        title: title(definition),
        description: describer.description(),
        root: describer.block(Definition::ROOT, overlay.mark_of(start.id).is_some()),
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
}

impl Describer<'_> {
    fn block(&self, id: BlockId, entered: bool) -> Block {
        let block = self.definition.block(id);
        let spine = happy_path(self.definition, id);
        let lanes = self.lanes(id, &spine);
        // Document order decides ties, so the drawing follows the author.
        let index = |state: StateId| END + 1 + block.states.iter().position(|&s| s == state).unwrap_or_default();
        let mut nodes = vec![place("Start", Symbol::Start), place("End", Symbol::End)];
        for (&state, &lane) in block.states.iter().zip(&lanes) {
            nodes.push(self.node(self.definition.state(state), lane));
        }
        let mut edges =
            vec![Edge { from: START, to: index(block.start), kind: EdgeKind::Next, label: None, taken: entered }];
        for &state in &block.states {
            self.edges(state, &index, &mut edges);
        }
        let ends_well = spine.last().is_some_and(|last| self.graph.nodes[last.0 as usize].end);
        let mut spine: Vec<usize> = std::iter::once(START).chain(spine.into_iter().map(index)).collect();
        spine.extend(ends_well.then_some(END));
        Block { nodes, edges, spine }
    }

    fn node(&self, state: &State, lane: Lane) -> Node {
        let mark = self.overlay.mark_of(state.id);
        Node {
            name: state.name.to_string(),
            symbol: symbol(&state.kind),
            lane,
            facts: facts(state),
            retried: !retry(&state.kind).is_empty(),
            mark,
            remark: remark(&state.kind),
            blocks: self.blocks(state, mark.is_some()),
        }
    }

    fn blocks(&self, state: &State, entered: bool) -> Vec<Block> {
        match &state.kind {
            Kind::Parallel(parallel) => parallel.branches.iter().map(|&branch| self.block(branch, entered)).collect(),
            Kind::Map(map) => vec![self.block(map.processor, entered)],
            _ => Vec::new(),
        }
    }

    /// The lines out of a state; those of one kind to one target become one line with all their labels.
    fn edges(&self, state: StateId, index: &impl Fn(StateId) -> usize, edges: &mut Vec<Edge>) {
        let first = edges.len();
        for edge in self.graph.from(state) {
            let (kind, label) = match &edge.kind {
                AslEdge::Next => (EdgeKind::Next, None),
                AslEdge::Choice(rule) => (EdgeKind::Choice, Some(rule.clone())),
                AslEdge::Default => (EdgeKind::Choice, Some("Default".to_owned())),
                AslEdge::Catch(errors) => (EdgeKind::Catch, Some(errors.join(", "))),
            };
            let to = index(edge.to);
            match edges[first..].iter_mut().find(|known| known.to == to && known.kind == kind) {
                Some(known) => known.label = joined(known.label.take(), label),
                None => {
                    let taken = self.overlay.took(state, edge.to);
                    edges.push(Edge { from: index(state), to, kind, label, taken });
                }
            }
        }
        if self.graph.nodes[state.0 as usize].end {
            let done = self.overlay.mark_of(state).is_some_and(|mark| mark.status.is_over());
            edges.push(Edge { from: index(state), to: END, kind: EdgeKind::Next, label: None, taken: done });
        }
    }

    /// In the order of the block's states.
    fn lanes(&self, id: BlockId, spine: &[StateId]) -> Vec<Lane> {
        let block = self.definition.block(id);
        let without_error = self.reached(block.start, |kind| !matches!(kind, AslEdge::Catch(_)));
        let at_all = self.reached(block.start, |_| true);
        let lane = |&state: &StateId| {
            let at = state.0 as usize;
            let by_error_only = at_all[at] && !without_error[at];
            let compensation = by_error_only || self.definition.state(state).compensates().is_some();
            if compensation && !spine.contains(&state) { Lane::Compensation } else { Lane::Forward }
        };
        block.states.iter().map(lane).collect()
    }

    fn reached(&self, start: StateId, follow: impl Fn(&AslEdge) -> bool) -> Vec<bool> {
        let mut reached = vec![false; self.graph.nodes.len()];
        let mut open = vec![start];
        while let Some(state) = open.pop() {
            if !std::mem::replace(&mut reached[state.0 as usize], true) {
                open.extend(self.graph.from(state).iter().filter(|edge| follow(&edge.kind)).map(|edge| edge.to));
            }
        }
        reached
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

fn place(name: &str, symbol: Symbol) -> Node {
    Node {
        name: name.to_owned(),
        symbol,
        lane: Lane::Forward,
        facts: Vec::new(),
        retried: false,
        mark: None,
        remark: None,
        blocks: Vec::new(),
    }
}

fn joined(a: Option<String>, b: Option<String>) -> Option<String> {
    match (a, b) {
        (Some(a), Some(b)) => Some(format!("{a} | {b}")),
        (a, b) => a.or(b),
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
            Concurrency::Fixed(0) => Some("each item".to_owned()),
            Concurrency::Fixed(1) => Some("each item, one at a time".to_owned()),
            Concurrency::Fixed(most) => Some(format!("each item, {most} at a time")),
            Concurrency::Path(_) => Some("each item, some at a time".to_owned()),
        },
        _ => None,
    }
}

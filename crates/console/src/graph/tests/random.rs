//! Pictures of machines that nobody would write: loops, loose ends, many lines into one state, nested blocks;
//! and sagas of any size.

use crate::graph::layout::Lane;
use crate::graph::picture::{Block, END, Edge, EdgeKind, Node, Picture, START, Symbol};
use asl::scope::Entropy;

/// Equal seeds give equal pictures.
pub fn picture(seed: u64) -> Picture {
    Picture { root: block(&Entropy::new(seed), 2), ..Picture::default() }
}

/// So many steps in a row, each with a catch; the compensations are shared out evenly and chained.
pub fn saga(steps: usize, compensations: usize) -> Picture {
    let edge = |from: usize, to: usize, kind: EdgeKind| Edge { from, to, kind, labels: Vec::new(), taken: false };
    let (first, compensation) = (END + 1, |at: usize| END + 1 + steps + at);
    let mut nodes = vec![terminal(Symbol::Start), terminal(Symbol::End)];
    nodes.extend((0..steps).map(|at| state(&format!("Step{at}"), Lane::Forward)));
    nodes.extend((0..compensations).map(|at| state(&format!("Compensation{at}"), Lane::Compensation)));
    let mut edges = vec![edge(START, first, EdgeKind::Next)];
    for at in 0..steps {
        let next = if at + 1 < steps { first + at + 1 } else { END };
        edges.push(edge(first + at, next, EdgeKind::Next));
        edges.push(edge(first + at, compensation((steps - 1 - at) * compensations / steps), EdgeKind::Catch));
    }
    for at in 0..compensations {
        let next = if at + 1 < compensations { compensation(at + 1) } else { END };
        edges.push(edge(compensation(at), next, EdgeKind::Next));
    }
    let spine = std::iter::once(START).chain(first..first + steps).chain([END]).collect();
    Picture { root: Block { nodes, edges, spine }, ..Picture::default() }
}

fn terminal(symbol: Symbol) -> Node {
    let name = if symbol == Symbol::Start { "Start" } else { "End" };
    Node { symbol, ..state(name, Lane::Forward) }
}

fn state(name: &str, lane: Lane) -> Node {
    Node {
        name: name.to_owned(),
        symbol: Symbol::Function,
        lane,
        facts: Vec::new(),
        retried: false,
        mark: None,
        remark: None,
        note: None,
        blocks: Vec::new(),
    }
}

fn below(entropy: &Entropy, limit: usize) -> usize {
    (entropy.next() % limit as u64) as usize
}

fn block(entropy: &Entropy, depth: usize) -> Block {
    let count = 1 + below(entropy, if depth == 2 { 14 } else { 5 });
    let mut block = Block { nodes: vec![terminal(Symbol::Start), terminal(Symbol::End)], ..Block::default() };
    for index in 0..count {
        let lane = if below(entropy, 3) == 0 { Lane::Compensation } else { Lane::Forward };
        let name = "AnyStateName ".repeat(1 + below(entropy, 3));
        let mut node = state(&format!("{name}{index}"), lane);
        if depth > 0 && below(entropy, 8) == 0 {
            node.symbol = Symbol::Parallel;
            node.blocks = (0..=below(entropy, 2)).map(|_| self::block(entropy, depth - 1)).collect();
        }
        block.nodes.push(node);
    }
    block.edges.push(Edge { from: START, to: 2, kind: EdgeKind::Next, labels: Vec::new(), taken: false });
    for from in 2..count + 2 {
        add_edges(entropy, from, count, &mut block.edges);
    }
    block.spine = spine(&block);
    for &node in &block.spine {
        block.nodes[node].lane = Lane::Forward;
    }
    block
}

fn add_edges(entropy: &Entropy, from: usize, count: usize, edges: &mut Vec<Edge>) {
    let first = edges.len();
    for _ in 0..=below(entropy, 3) {
        let kind = [EdgeKind::Next, EdgeKind::Choice, EdgeKind::Catch][below(entropy, 3)];
        let onward = from + 1 + below(entropy, 2);
        let to = if below(entropy, 2) == 0 && onward < count + 2 { onward } else { END + below(entropy, count + 1) };
        let labelled = kind != EdgeKind::Next && to != END && below(entropy, 2) == 0;
        let labels = if labelled { vec!["some label".to_owned()] } else { Vec::new() };
        if !edges[first..].iter().any(|edge| edge.to == to || (kind == EdgeKind::Next && edge.kind == kind)) {
            edges.push(Edge { from, to, kind, labels, taken: false });
        }
    }
}

/// Ahead by the first line that is no Catch, until it would come back.
fn spine(block: &Block) -> Vec<usize> {
    let mut spine = vec![START];
    while let Some(&at) = spine.last() {
        let onward = |edge: &&Edge| edge.from == at && edge.kind != EdgeKind::Catch && !spine.contains(&edge.to);
        match block.edges.iter().find(onward) {
            Some(edge) => spine.push(edge.to),
            None => break,
        }
    }
    spine
}

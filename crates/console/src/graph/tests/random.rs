//! Pictures of machines that nobody would write: loops, loose ends, many lines into one state, nested blocks.

use crate::graph::layout::Lane;
use crate::graph::picture::{Block, END, Edge, EdgeKind, Node, Picture, START, Symbol};
use asl::scope::Entropy;

/// Equal seeds give equal pictures.
pub fn picture(seed: u64) -> Picture {
    Picture { root: block(&Entropy::new(seed), 2), ..Picture::default() }
}

pub fn terminal(symbol: Symbol) -> Node {
    let name = if symbol == Symbol::Start { "Start" } else { "End" };
    Node { symbol, ..state(name, Lane::Forward) }
}

pub fn state(name: &str, lane: Lane) -> Node {
    Node {
        name: name.to_owned(),
        symbol: Symbol::Function,
        lane,
        facts: Vec::new(),
        retried: false,
        mark: None,
        remark: None,
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
    block.edges.push(Edge { from: START, to: 2, kind: EdgeKind::Next, label: None, taken: false });
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
        let label = (kind != EdgeKind::Next && to != END && below(entropy, 2) == 0).then(|| "some label".to_owned());
        if !edges[first..].iter().any(|edge| edge.to == to || (kind == EdgeKind::Next && edge.kind == kind)) {
            edges.push(Edge { from, to, kind, label, taken: false });
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

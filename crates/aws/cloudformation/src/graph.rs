//! The order of resources: each after what it depends on, otherwise as the template has them.

use std::collections::HashMap;

/// Sorts the nodes `0..edges.len()`, where `edges[n]` are what `n` depends on. The error is every cycle met, as the
/// path from a node back to itself.
pub(crate) fn order(edges: &[Vec<usize>]) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    let mut walk = Walk { edges, state: HashMap::new(), path: Vec::new(), order: Vec::new(), cycles: Vec::new() };
    (0..edges.len()).for_each(|node| walk.visit(node));
    if walk.cycles.is_empty() { Ok(walk.order) } else { Err(walk.cycles) }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Done,
}

struct Walk<'a> {
    edges: &'a [Vec<usize>],
    state: HashMap<usize, State>,
    path: Vec<usize>,
    order: Vec<usize>,
    cycles: Vec<Vec<usize>>,
}

impl Walk<'_> {
    /// Depth first; as deep as there are resources, of which a template has 500 at most.
    fn visit(&mut self, node: usize) {
        match self.state.get(&node) {
            Some(State::Done) => return,
            Some(State::Open) => return self.cycle(node),
            None => {}
        }
        self.state.insert(node, State::Open);
        self.path.push(node);
        for dependency in &self.edges[node] {
            self.visit(*dependency);
        }
        self.path.pop();
        self.state.insert(node, State::Done);
        self.order.push(node);
    }

    fn cycle(&mut self, node: usize) {
        let start = self.path.iter().position(|n| *n == node).expect("an open node is on the path");
        self.cycles.push([&self.path[start..], &[node]].concat());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_first_and_cycles_are_named() {
        let check = |edges: &[&[usize]], expect: Result<Vec<usize>, Vec<Vec<usize>>>| {
            let edges: Vec<Vec<usize>> = edges.iter().map(|e| e.to_vec()).collect();
            assert_eq!(order(&edges), expect, "{edges:?}");
        };
        check(&[&[], &[], &[]], Ok(vec![0, 1, 2]));
        check(&[&[2], &[], &[1]], Ok(vec![1, 2, 0]));
        check(&[&[0]], Err(vec![vec![0, 0]]));
        check(&[&[1], &[2], &[0], &[0]], Err(vec![vec![0, 1, 2, 0]]));
        check(&[&[1], &[0], &[3], &[2]], Err(vec![vec![0, 1, 0], vec![2, 3, 2]]));
    }
}

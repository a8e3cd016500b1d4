//! Which row each box stands in, and which links go back up.
//!
//! A link that closes a circle (found depth first from the beginning) goes back; over the others a box stands
//! one row below the lowest box that leads to it. Depth first follows the spine first, so the happy path never
//! holds a link that goes back unless the machine itself does.

use super::Graph;

pub struct Ranked {
    pub row: Vec<usize>,
    /// Per link.
    pub back: Vec<bool>,
    /// The box's place in the depth-first walk: a first left-to-right order.
    pub visit: Vec<usize>,
}

pub fn assign(graph: &Graph) -> Ranked {
    let walk = walk(graph);
    let mut row = vec![0; graph.boxes.len()];
    let out = outgoing(graph);
    for &node in walk.finished.iter().rev() {
        // What nothing leads to (the author's dead state) still stands below the beginning.
        if node != 0 && row[node] == 0 {
            row[node] = 1;
        }
        for &link in out[node].iter().filter(|&&link| !walk.back[link]) {
            let to = graph.links[link].to;
            row[to] = row[to].max(row[node] + 1);
        }
    }
    if let Some(last) = graph.last {
        row[last] = 1 + row.iter().enumerate().filter(|&(node, _)| node != last).map(|(_, &r)| r).max().unwrap_or(0);
    }
    Ranked { row, back: walk.back, visit: walk.visit }
}

struct Walk {
    back: Vec<bool>,
    visit: Vec<usize>,
    /// Each box after all it leads to.
    finished: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Colour {
    New,
    Open,
    Done,
}

/// Depth first with a stack of our own: a chain may be thousands of boxes long.
fn walk(graph: &Graph) -> Walk {
    let out = outgoing(graph);
    let count = graph.boxes.len();
    let mut colour = vec![Colour::New; count];
    let mut walk = Walk { back: vec![false; graph.links.len()], visit: vec![0; count], finished: Vec::new() };
    let mut visited = 0;
    for begin in 0..count {
        if colour[begin] != Colour::New {
            continue;
        }
        let mut stack = vec![(begin, 0)];
        while let Some((node, next)) = stack.pop() {
            if next == 0 {
                colour[node] = Colour::Open;
                walk.visit[node] = visited;
                visited += 1;
            }
            let Some(&link) = out[node].get(next) else {
                colour[node] = Colour::Done;
                walk.finished.push(node);
                continue;
            };
            stack.push((node, next + 1));
            let to = graph.links[link].to;
            match colour[to] {
                Colour::New => stack.push((to, 0)),
                Colour::Open => walk.back[link] = true,
                Colour::Done => {}
            }
        }
    }
    walk
}

/// The links of each box, the spine's first.
fn outgoing(graph: &Graph) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); graph.boxes.len()];
    for (index, link) in graph.links.iter().enumerate() {
        out[link.from].push(index);
    }
    for pair in graph.spine.windows(2) {
        out[pair[0]].sort_by_key(|&link| graph.links[link].to != pair[1]);
    }
    out
}

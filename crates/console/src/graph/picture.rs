//! The plain model that all drawings are made from: boxes, lines, nested blocks, words.
//!
//! It exists so that drawing knows nothing of the Amazon States Language and a test can draw without it.

use super::layout::Lane;
use super::overlay::{Mark, Status};

#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub title: String,
    /// The machine in one or two sentences, for those who cannot see it.
    pub description: String,
    pub root: Block,
    /// An execution is shown: what bears no mark was not entered.
    pub marked: bool,
}

impl Picture {
    /// The statuses that occur, for the legend.
    pub fn statuses(&self) -> Vec<Status> {
        let mut found = Vec::new();
        self.root.walk(&mut |node| found.extend(node.mark.map(|mark| mark.status)));
        Status::ALL.into_iter().filter(|status| found.contains(status)).collect()
    }
}

/// `nodes[START]` is its beginning, `nodes[END]` its end; both are there even if nothing leads to the end.
#[derive(Clone, Debug, Default)]
pub struct Block {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    /// Indices of nodes, from the start on.
    pub spine: Vec<usize>,
}

pub const START: usize = 0;
pub const END: usize = 1;

impl Block {
    fn walk(&self, visit: &mut impl FnMut(&Node)) {
        for node in &self.nodes {
            visit(node);
            node.blocks.iter().for_each(|block| block.walk(visit));
        }
    }
}

#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub symbol: Symbol,
    pub lane: Lane,
    /// What a pointer resting on it is told, a fact a line.
    pub facts: Vec<String>,
    /// A Retry is declared.
    pub retried: bool,
    pub mark: Option<Mark>,
    /// A remark in the corner of a Map: how many at a time.
    pub remark: Option<String>,
    /// Instead of the remark, when an execution is shown: how far its iterations are.
    pub note: Option<String>,
    /// The branches of a Parallel, the processor of a Map.
    pub blocks: Vec<Block>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    Start,
    End,
    Function,
    Service,
    Callback,
    Activity,
    Pass,
    Choice,
    Wait,
    Succeed,
    Fail,
    Parallel,
    Map,
}

#[derive(Clone, Debug)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub kind: EdgeKind,
    /// What must hold for it to be taken, any of these: rules of a Choice, names of errors. In full; drawings
    /// shorten them.
    pub labels: Vec<String>,
    pub taken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    Next,
    Choice,
    Catch,
}

impl Edge {
    /// All labels as one text, if there are any.
    pub fn label(&self) -> Option<String> {
        let between = if self.kind == EdgeKind::Catch { ", " } else { " or " };
        (!self.labels.is_empty()).then(|| self.labels.join(between))
    }
}

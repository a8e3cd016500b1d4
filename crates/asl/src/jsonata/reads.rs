//! What an expression reads: found once, when it is parsed, so that evaluating converts and binds nothing else.
//!
//! `$states.input.order.id` reads one path of one variable; data beside that path is never converted. Where a path
//! goes on in a way that is not a plain name (a filter, a wildcard, a step back with `%`), everything below is read.

use std::collections::{BTreeMap, BTreeSet};

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::value::with_stack;

/// The part of a value that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    All,
    /// Of an object only these members. Of anything else all.
    Members(BTreeMap<String, Part>),
}

impl Part {
    fn nothing() -> Part {
        Part::Members(BTreeMap::new())
    }

    fn add(&mut self, path: &[&str]) {
        let Part::Members(members) = self else { return };
        match path {
            [] => *self = Part::All,
            [name, rest @ ..] => members.entry((*name).to_owned()).or_insert_with(Part::nothing).add(rest),
        }
    }

    pub(super) fn join(&mut self, other: &Part) {
        match (&mut *self, other) {
            (Part::All, _) => {}
            (_, Part::All) => *self = Part::All,
            (Part::Members(members), Part::Members(others)) => {
                for (name, part) in others {
                    members.entry(name.clone()).or_insert_with(Part::nothing).join(part);
                }
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    /// By name without `$`; `states` is one of them. Built-in functions used as values are here too: a variable may
    /// have such a name.
    pub(super) variables: BTreeMap<String, Part>,
    /// The names that are called or used as values: what of the host the evaluator needs.
    pub(super) functions: BTreeSet<String>,
    /// Whether the guarded tree has operators of the host; set when it was guarded.
    pub(super) operators: bool,
    /// Bound by the expression itself, anywhere: `:=`, parameters, `@$x`, `#$i`.
    pub(super) bound: BTreeSet<String>,
    /// What reads the context item, which there is none of: `phone`, `$`, `$$`.
    pub(super) contextual: Vec<String>,
    /// `%` reaches what no path names.
    reaches_back: bool,
}

impl Reads {
    pub(super) fn of(tree: &AstNode) -> Reads {
        let mut walk = Walk { reads: Reads::default(), frames: vec![BTreeSet::new()] };
        walk.node(tree, true);
        let mut reads = walk.reads;
        if reads.reaches_back {
            reads.variables.values_mut().for_each(|part| *part = Part::All);
        }
        reads
    }

    /// For several expressions that are evaluated together.
    pub(super) fn join(&mut self, other: &Reads) {
        for (name, part) in &other.variables {
            self.variables.entry(name.clone()).or_insert_with(Part::nothing).join(part);
        }
        self.functions.extend(other.functions.iter().cloned());
        self.operators |= other.operators;
    }
}

struct Walk {
    reads: Reads,
    /// What is bound where the walk is.
    frames: Vec<BTreeSet<String>>,
}

impl Walk {
    /// `at_top`: the context item here is that of the whole expression.
    fn node(&mut self, node: &AstNode, at_top: bool) {
        with_stack(|| self.node_here(node, at_top));
    }

    fn all<'n>(&mut self, nodes: impl IntoIterator<Item = &'n AstNode>, at_top: bool) {
        nodes.into_iter().for_each(|node| self.node(node, at_top));
    }

    fn node_here(&mut self, node: &AstNode, at_top: bool) {
        match node {
            AstNode::Name(name) => self.contextual(at_top, name),
            AstNode::Wildcard => self.contextual(at_top, "*"),
            AstNode::Descendant => self.contextual(at_top, "**"),
            AstNode::ParentVariable(_) => self.contextual(true, "$$"),
            AstNode::Parent(_) => self.reads.reaches_back = true,
            AstNode::Variable(name) if name.is_empty() => self.contextual(at_top, "$"),
            AstNode::Variable(name) => self.variable(name, &[]),
            AstNode::Path { steps } => self.path(steps, at_top),
            AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } => self.assignment(lhs, rhs, at_top),
            AstNode::Binary { lhs, rhs, .. } => self.all([&**lhs, &**rhs], at_top),
            AstNode::Unary { operand, .. } => self.node(operand, at_top),
            AstNode::Function { name, args, .. } => {
                self.reads.functions.insert(name.clone());
                self.all(args, at_top);
            }
            AstNode::Call { procedure, args } => {
                self.node(procedure, at_top);
                self.all(args, at_top);
            }
            AstNode::Lambda { params, body, .. } => self.frame(|walk| {
                params.iter().for_each(|name| walk.bind(name));
                walk.node(body, at_top);
            }),
            AstNode::Array(items) | AstNode::ArrayGroup(items) => self.all(items, at_top),
            AstNode::Block(items) => self.frame(|walk| walk.all(items, at_top)),
            AstNode::Object(pairs) => self.pairs(pairs, at_top),
            AstNode::ObjectTransform { input, pattern } => {
                self.node(input, at_top);
                self.pairs(pattern, false);
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.all([&**condition, &**then_branch], at_top);
                self.all(else_branch.as_deref(), at_top);
            }
            AstNode::FunctionApplication(inner) => self.node(inner, at_top),
            AstNode::Sort { input, terms } => {
                self.node(input, at_top);
                self.all(terms.iter().map(|(term, _)| term), false);
            }
            AstNode::Transform { location, update, delete } => {
                self.all([&**location, &**update], false);
                self.all(delete.as_deref(), false);
            }
            AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. } => {}
        }
    }

    fn pairs(&mut self, pairs: &[(AstNode, AstNode)], at_top: bool) {
        self.all(pairs.iter().flat_map(|(key, value)| [key, value]), at_top);
    }

    fn assignment(&mut self, target: &AstNode, value: &AstNode, at_top: bool) {
        let AstNode::Variable(name) = target else { return self.all([target, value], at_top) };
        // A function may call itself; any other value is there before the name is.
        if matches!(value, AstNode::Lambda { .. }) {
            self.bind(name);
            self.node(value, at_top);
        } else {
            self.node(value, at_top);
            self.bind(name);
        }
    }

    fn path(&mut self, steps: &[PathStep], at_top: bool) {
        let Some((first, rest)) = steps.split_first() else { return };
        match (&first.node, plain_names(first, rest)) {
            (AstNode::Variable(name), Some(names)) if !name.is_empty() => self.variable(name, &names),
            _ => self.node(&first.node, at_top),
        }
        self.step(first);
        for step in rest {
            self.node(&step.node, false);
            self.step(step);
        }
    }

    fn step(&mut self, step: &PathStep) {
        step.focus.iter().chain(&step.index_var).for_each(|name| self.bind(name));
        for stage in &step.stages {
            match stage {
                Stage::Filter(predicate) => self.node(predicate, false),
                Stage::Index(name) => self.bind(name),
                Stage::KeepArray => {}
            }
        }
    }

    fn variable(&mut self, name: &str, path: &[&str]) {
        self.reads.functions.insert(name.to_owned());
        if !self.frames.iter().any(|frame| frame.contains(name)) {
            self.reads.variables.entry(name.to_owned()).or_insert_with(Part::nothing).add(path);
        }
    }

    fn contextual(&mut self, counts: bool, name: &str) {
        if counts && !self.reads.contextual.iter().any(|known| known == name) {
            self.reads.contextual.push(name.to_owned());
        }
    }

    fn bind(&mut self, name: &str) {
        self.reads.bound.insert(name.to_owned());
        self.frames.last_mut().expect("the outermost frame stays").insert(name.to_owned());
    }

    fn frame(&mut self, inside: impl FnOnce(&mut Walk)) {
        self.frames.push(BTreeSet::new());
        inside(self);
        self.frames.pop();
    }
}

/// The names that follow the first step up to, and with, the first one that does more than name. None when the
/// first step itself does more.
fn plain_names<'p>(first: &PathStep, rest: &'p [PathStep]) -> Option<Vec<&'p str>> {
    let mut names = Vec::new();
    if !first.stages.is_empty() {
        return Some(names);
    }
    if binds(first) {
        return None;
    }
    for step in rest {
        let AstNode::Name(name) = &step.node else { break };
        if binds(step) {
            break;
        }
        names.push(name.as_str());
        if !step.stages.is_empty() {
            break;
        }
    }
    Some(names)
}

/// `@$x` looks at the next step from where this one began, so nothing behind it narrows what is read.
fn binds(step: &PathStep) -> bool {
    step.focus.is_some() || step.index_var.is_some() || step.ancestor_label.is_some() || step.is_tuple
}

//! Puts counters into a tree: whatever can multiply data, or run for ever, becomes a call of a host function that
//! asks the budget first.
//!
//! The evaluator has no hook for that, but it lets the host add functions. So `a & b` becomes a call of the function
//! `&`, `$pad(s, n)` a call of `pad()`, which is no name that an expression could spell. What is replaced takes the
//! same level of nesting as before, so that the limit of the depth means what it means on AWS; the exceptions are
//! [`HELD`] and [`LOOP`], which add one level to the operand they are put around.
//!
//! Functions given directly to `$map` and its kin are left as they are, since the evaluator compiles those: their
//! calls are counted by the length of what they run over.

use std::collections::BTreeSet;
use std::mem;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::value::with_stack;

use super::host::{CONCATENATE, ENTER, HELD, KEPT, LOOP, Named, RANGE};

/// Functions that call a function for each item of their first argument.
const LOOPS: &[&str] = &["map", "filter", "single", "reduce", "each", "sift", "sort"];

/// `bound`: the names that the expression binds itself, which are no built-in functions then.
pub(super) fn guard(tree: &mut AstNode, bound: &BTreeSet<String>) {
    Guard { bound }.node(tree);
}

struct Guard<'b> {
    bound: &'b BTreeSet<String>,
}

impl Guard<'_> {
    fn node(&self, node: &mut AstNode) {
        with_stack(|| self.node_here(node));
    }

    fn all<'n>(&self, nodes: impl IntoIterator<Item = &'n mut AstNode>) {
        nodes.into_iter().for_each(|node| self.node(node));
    }

    fn node_here(&self, node: &mut AstNode) {
        match node {
            AstNode::Lambda { params, body, .. } => {
                self.node(body);
                enter(params, body);
            }
            AstNode::Binary { op: BinaryOp::ColonEqual, rhs, .. } => {
                self.node(rhs);
                if builds(rhs) {
                    wrap(HELD, rhs);
                }
            }
            AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs } => {
                self.all([&mut **lhs, &mut **rhs]);
                if matches!(&**rhs, AstNode::Function { name, .. } if self.is_loop(name)) {
                    wrap(LOOP, lhs);
                }
            }
            AstNode::Binary { op, lhs, rhs } => {
                let op = *op;
                self.all([&mut **lhs, &mut **rhs]);
                if let BinaryOp::Concatenate | BinaryOp::Range = op {
                    let name = if op == BinaryOp::Range { RANGE } else { CONCATENATE };
                    *node = call(name, vec![take(lhs), take(rhs)]);
                }
            }
            AstNode::Function { name, args, is_builtin: true } => self.call(name, args),
            AstNode::Variable(name) => {
                if let Some(named) = self.named(name) {
                    *name = named.as_value();
                }
            }
            other => self.children(other),
        }
    }

    fn call(&self, name: &mut String, args: &mut Vec<AstNode>) {
        let loops = self.is_loop(name);
        let replaces = name == "replace" && !self.bound.contains(name);
        for arg in args.iter_mut() {
            match arg {
                AstNode::Lambda { body, .. } if loops && name != "reduce" => self.node(body),
                AstNode::Lambda { body, .. } if replaces => {
                    self.node(body);
                    wrap(KEPT, body);
                }
                other => self.node(other),
            }
        }
        if loops && args.len() > 1 {
            wrap(LOOP, &mut args[0]);
        }
        if let Some(named) = self.named(name) {
            *name = named.as_call();
            // The context item, which takes the place of an argument that is missing.
            args.push(AstNode::Variable(String::new()));
        }
    }

    fn is_loop(&self, name: &str) -> bool {
        LOOPS.contains(&name) && !self.bound.contains(name)
    }

    fn named(&self, name: &str) -> Option<&'static Named> {
        Named::find(name).filter(|_| !self.bound.contains(name))
    }

    fn children(&self, node: &mut AstNode) {
        match node {
            AstNode::Path { steps } => steps.iter_mut().for_each(|step| self.step(step)),
            AstNode::Unary { operand, .. } => self.node(operand),
            AstNode::Function { args, .. } => self.all(args),
            AstNode::Call { procedure, args } => {
                self.node(procedure);
                self.all(args);
            }
            AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => self.all(items),
            AstNode::Object(pairs) => self.pairs(pairs),
            AstNode::ObjectTransform { input, pattern } => {
                self.node(input);
                self.pairs(pattern);
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.all([&mut **condition, &mut **then_branch]);
                self.all(else_branch.as_deref_mut());
            }
            AstNode::FunctionApplication(inner) => self.node(inner),
            AstNode::Sort { input, terms } => {
                self.node(input);
                self.all(terms.iter_mut().map(|(term, _)| term));
            }
            AstNode::Transform { location, update, delete } => {
                self.all([&mut **location, &mut **update]);
                self.all(delete.as_deref_mut());
            }
            _ => {}
        }
    }

    fn pairs(&self, pairs: &mut [(AstNode, AstNode)]) {
        self.all(pairs.iter_mut().flat_map(|(key, value)| [key, value]));
    }

    fn step(&self, step: &mut PathStep) {
        self.node(&mut step.node);
        for stage in &mut step.stages {
            if let Stage::Filter(predicate) = stage {
                self.node(predicate);
            }
        }
    }
}

/// Counts a call of a function and measures what it was given, before its body runs. Put where it neither deepens
/// the way to an inner call nor makes a tail call something else.
fn enter(params: &[String], body: &mut AstNode) {
    let params = params.iter().map(|name| AstNode::Variable(name.clone()));
    match body {
        AstNode::Conditional { condition, .. } => {
            let condition_first = [take(condition)].into_iter().chain(params).collect();
            **condition = call(ENTER, condition_first);
        }
        AstNode::Block(items) => items.insert(0, enter_alone(params)),
        other => *other = AstNode::Block(vec![enter_alone(params), take(other)]),
    }
}

fn enter_alone(params: impl Iterator<Item = AstNode>) -> AstNode {
    call(ENTER, [AstNode::Undefined].into_iter().chain(params).collect())
}

/// Whether its value may be bigger than what it was made from.
fn builds(node: &AstNode) -> bool {
    match node {
        AstNode::Path { steps } => {
            steps.iter().any(|step| !matches!(step.node, AstNode::Name(_) | AstNode::Variable(_)))
        }
        AstNode::Array(_)
        | AstNode::ArrayGroup(_)
        | AstNode::Object(_)
        | AstNode::ObjectTransform { .. }
        | AstNode::Function { .. }
        | AstNode::Call { .. }
        | AstNode::Block(_)
        | AstNode::Conditional { .. }
        | AstNode::Binary { op: BinaryOp::ChainPipe, .. } => true,
        _ => false,
    }
}

fn wrap(name: &str, node: &mut AstNode) {
    // A `?` says that a call makes a new function; around it there must be nothing.
    if !matches!(node, AstNode::Placeholder) {
        *node = call(name, vec![take(node)]);
    }
}

fn call(name: &str, args: Vec<AstNode>) -> AstNode {
    AstNode::Function { name: name.to_owned(), args, is_builtin: true }
}

fn take(node: &mut AstNode) -> AstNode {
    mem::replace(node, AstNode::Undefined)
}

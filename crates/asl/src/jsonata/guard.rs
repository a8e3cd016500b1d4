//! Puts counters into a tree: whatever can multiply data, or run for ever, becomes a call of a host function that
//! asks the budget first.
//!
//! The evaluator has no hook for that, but it lets the host add functions. So `a & b` becomes a call of the function
//! `&`, `$pad(s, n)` a call of `pad()`, which is no name that an expression could spell. What is replaced takes the
//! same level of nesting as before, so that the limit of the depth means what it means on AWS; [`HELD`] and [`LOOP`]
//! add one level to the operand that they are put around, and nothing to what is beside it.
//!
//! Functions given directly to `$map` and its kin are left as they are, since the evaluator compiles those: their
//! calls are counted by the length of what they run over.

use std::cell::Cell;
use std::collections::BTreeSet;

use jsonata_core::ast::{AstNode, BinaryOp};
use jsonata_core::value::with_stack;

use super::host::{CONCATENATE, ENTER, HELD, IS_FUNCTION, KEPT, LOOP, Named, RANGE};
use super::tree::{call, children, context_item, take, variable, wrap};

/// Functions that call a function for each item of their first argument. What is given to `$reduce` is guarded like
/// any other function, since it may build up its result: its calls are counted one by one.
const LOOPS: &[&str] = &["map", "filter", "single", "reduce", "each", "sift", "sort"];

/// `bound`: the names that the expression binds itself, which are no built-in functions then. Gives whether the tree
/// has operators of the host now.
pub(super) fn guard(tree: &mut AstNode, bound: &BTreeSet<String>) -> bool {
    let guard = Guard { bound, has_operators: Cell::new(false) };
    guard.node(tree);
    guard.has_operators.get()
}

struct Guard<'b> {
    bound: &'b BTreeSet<String>,
    has_operators: Cell<bool>,
}

impl Guard<'_> {
    fn node(&self, node: &mut AstNode) {
        with_stack(|| self.node_here(node));
    }

    fn node_here(&self, node: &mut AstNode) {
        if let AstNode::Binary { op: BinaryOp::ChainPipe, rhs, .. } = node
            && is_operator(rhs)
        {
            // A call on the right side of `~>` gets the left side as an argument more; an operator is no function,
            // and must not look like a call because the host, or the tree that tells, puts one in its place.
            **rhs = AstNode::Block(vec![take(rhs)]);
        }
        if let AstNode::Function { name, args, is_builtin: true } = node {
            self.arguments(name, args);
        } else {
            children(node, &mut |child| self.node(child));
        }
        match node {
            AstNode::Lambda { params, body, .. } => self.operator(|| enter(params, body)),
            AstNode::Binary { op: BinaryOp::ColonEqual, rhs, .. } if builds(rhs) => self.operator(|| wrap(HELD, rhs)),
            AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs } if self.calls_loop(rhs) => {
                self.operator(|| wrap(LOOP, lhs));
            }
            AstNode::Binary { op: BinaryOp::Concatenate, lhs, rhs } => {
                let operands = vec![take(lhs), take(rhs)];
                self.operator(|| *node = call(CONCATENATE, operands));
            }
            AstNode::Binary { op: BinaryOp::Range, lhs, rhs } => {
                let operands = vec![take(lhs), take(rhs)];
                self.operator(|| *node = call(RANGE, operands));
            }
            AstNode::Function { name, args, is_builtin: true } => {
                if let Some(named) = self.named(name) {
                    *node = self.guarded_call(named, std::mem::take(args));
                }
            }
            AstNode::Variable(name) => {
                if let Some(named) = self.named(name) {
                    *node = self.operator(|| guarded_value(named));
                }
            }
            _ => {}
        }
    }

    fn arguments(&self, name: &str, args: &mut [AstNode]) {
        let loops = self.is_loop(name);
        for arg in args.iter_mut() {
            match arg {
                AstNode::Lambda { body, .. } if loops && name != "reduce" => self.node(body),
                AstNode::Lambda { body, .. } if name == "replace" => {
                    self.node(body);
                    self.operator(|| wrap(KEPT, body));
                }
                other => self.node(other),
            }
        }
        // A `?` says that a call makes a function; nothing may be put around it.
        if let [first, _, ..] = args
            && loops
            && name != "reduce"
            && !matches!(first, AstNode::Placeholder)
        {
            self.operator(|| wrap(LOOP, first));
        }
    }

    fn guarded_call(&self, named: &'static Named, args: Vec<AstNode>) -> AstNode {
        let partial = args.iter().any(|arg| matches!(arg, AstNode::Placeholder));
        match named.may_take_functions() && !partial && args.iter().any(|arg| self.may_be_function(arg)) {
            true => self.operator(|| either(named, args)),
            false => call(named.as_call(), args.into_iter().chain([context_item()]).collect()),
        }
    }

    fn operator<T>(&self, put: impl FnOnce() -> T) -> T {
        self.has_operators.set(true);
        put()
    }

    fn may_be_function(&self, node: &AstNode) -> bool {
        match node {
            AstNode::Variable(name) => self.bound.contains(name) || !name.is_empty(),
            AstNode::Function { name, .. } => self.bound.contains(name),
            AstNode::Lambda { .. } | AstNode::Call { .. } | AstNode::Block(_) | AstNode::Conditional { .. } => true,
            AstNode::Binary { op, .. } => matches!(op, BinaryOp::ChainPipe | BinaryOp::Coalesce | BinaryOp::Default),
            AstNode::Path { steps } => steps.iter().any(|step| !matches!(step.node, AstNode::Name(_))),
            _ => false,
        }
    }

    fn calls_loop(&self, node: &AstNode) -> bool {
        matches!(node, AstNode::Function { name, .. } if self.is_loop(name))
    }

    fn is_loop(&self, name: &str) -> bool {
        LOOPS.contains(&name) && !self.bound.contains(name)
    }

    fn named(&self, name: &str) -> Option<&'static Named> {
        Named::find(name).filter(|_| !self.bound.contains(name))
    }
}

/// The host cannot call functions of the expression. So where an argument may be one, it is looked at first: with a
/// function the language's own is called, else the guarded one.
fn either(named: &'static Named, args: Vec<AstNode>) -> AstNode {
    let names: Vec<_> = (0..args.len()).map(|index| format!("argument {index} of {}", named.name())).collect();
    let variables = || names.iter().map(variable).collect::<Vec<_>>();
    let bindings = names.iter().zip(args).map(|(name, arg)| AstNode::Binary {
        op: BinaryOp::ColonEqual,
        lhs: Box::new(variable(name)),
        rhs: Box::new(arg),
    });
    let choice = AstNode::Conditional {
        condition: Box::new(call(IS_FUNCTION, variables())),
        then_branch: Box::new(call(named.name(), variables())),
        else_branch: Some(Box::new(call(named.as_call(), variables().into_iter().chain([context_item()]).collect()))),
    };
    AstNode::Block(bindings.chain([choice]).collect())
}

fn is_operator(node: &AstNode) -> bool {
    match node {
        AstNode::Unary { .. } => true,
        AstNode::Binary { op, .. } => !matches!(op, BinaryOp::ChainPipe | BinaryOp::ColonEqual),
        _ => false,
    }
}

/// A function that is not called here but passed on.
fn guarded_value(named: &'static Named) -> AstNode {
    if !named.may_take_functions() {
        return variable(named.as_value());
    }
    let params: Vec<_> = (0..named.arity()).map(|index| format!("parameter {index}")).collect();
    let body = Box::new(either(named, params.iter().map(variable).collect()));
    AstNode::Lambda { params, body, signature: None, thunk: false }
}

/// Counts a call of a function and measures what it was given, before its body runs. Put where it neither deepens
/// the way to an inner call nor makes a tail call something else.
fn enter(params: &[String], body: &mut AstNode) {
    let params = params.iter().map(variable);
    match body {
        AstNode::Conditional { condition, .. } => {
            let args = [take(condition)].into_iter().chain(params).collect();
            **condition = call(ENTER, args);
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

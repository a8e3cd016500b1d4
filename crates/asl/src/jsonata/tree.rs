//! Walking and building trees of the evaluator.

use jsonata_core::ast::{AstNode, Stage};

/// Visits what is directly below a node. Everything is named here, so that a new kind of node must be placed.
pub(super) fn children(node: &mut AstNode, visit: &mut dyn FnMut(&mut AstNode)) {
    match node {
        AstNode::Path { steps } => {
            for step in steps {
                visit(&mut step.node);
                for stage in &mut step.stages {
                    match stage {
                        Stage::Filter(predicate) => visit(predicate),
                        Stage::KeepArray | Stage::Index(_) => {}
                    }
                }
            }
        }
        AstNode::Binary { lhs, rhs, .. } => {
            visit(lhs);
            visit(rhs);
        }
        AstNode::Unary { operand, .. } => visit(operand),
        AstNode::Function { args, .. } => args.iter_mut().for_each(visit),
        AstNode::Call { procedure, args } => {
            visit(procedure);
            args.iter_mut().for_each(visit);
        }
        AstNode::Lambda { body, .. } => visit(body),
        AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => items.iter_mut().for_each(visit),
        AstNode::Object(pairs) => visit_pairs(pairs, visit),
        AstNode::ObjectTransform { input, pattern } => {
            visit(input);
            visit_pairs(pattern, visit);
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            visit(condition);
            visit(then_branch);
            else_branch.as_deref_mut().into_iter().for_each(visit);
        }
        AstNode::FunctionApplication(inner) => visit(inner),
        AstNode::Sort { input, terms } => {
            visit(input);
            terms.iter_mut().for_each(|(term, _)| visit(term));
        }
        AstNode::Transform { location, update, delete } => {
            visit(location);
            visit(update);
            delete.as_deref_mut().into_iter().for_each(visit);
        }
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
    }
}

fn visit_pairs(pairs: &mut [(AstNode, AstNode)], visit: &mut dyn FnMut(&mut AstNode)) {
    for (key, value) in pairs {
        visit(key);
        visit(value);
    }
}

pub(super) fn call(name: impl Into<String>, args: Vec<AstNode>) -> AstNode {
    AstNode::Function { name: name.into(), args, is_builtin: true }
}

pub(super) fn variable(name: impl Into<String>) -> AstNode {
    AstNode::Variable(name.into())
}

/// The context item, `$`.
pub(super) fn context_item() -> AstNode {
    variable("")
}

pub(super) fn take(node: &mut AstNode) -> AstNode {
    std::mem::replace(node, AstNode::Undefined)
}

pub(super) fn wrap(name: &str, node: &mut AstNode) {
    *node = call(name, vec![take(node)]);
}

//! Everything a path with wildcards, slices, filters or `..` selects, in document order.
//!
//! Works step by step over a list of nodes, never recursively, so a deep document cannot exhaust the stack; every
//! node looked at is paid from the budget.

use serde_json::Value;

use super::{Miss, Step, Work, item};

pub(super) fn all<'v>(steps: &[Step], start: &'v Value, root: &'v Value, work: &Work) -> Result<Vec<&'v Value>, Miss> {
    let mut nodes = vec![start];
    for step in steps {
        let mut next = Vec::new();
        for node in nodes {
            apply(step, node, root, work, &mut next)?;
        }
        nodes = next;
    }
    Ok(nodes)
}

fn apply<'v>(step: &Step, node: &'v Value, root: &'v Value, work: &Work, out: &mut Vec<&'v Value>) -> Result<(), Miss> {
    let before = out.len();
    match step {
        Step::Name(_) | Step::Index(_) => out.extend(step.child(node)),
        Step::Names(names) => {
            let members = node.as_object();
            out.extend(names.iter().filter_map(|name| members?.get(&**name)));
        }
        Step::Indexes(indexes) => {
            let items = node.as_array();
            out.extend(indexes.iter().filter_map(|index| item(items?, *index)));
        }
        Step::Slice { from, to } => {
            if let Value::Array(items) = node {
                slice(items, *from, *to, out);
            }
        }
        Step::Wildcard => children(node, out),
        Step::Filter(filter) => match node {
            Value::Object(_) => keep(filter, node, root, work, out)?,
            Value::Array(items) => {
                items.iter().try_for_each(|item| keep(filter, item, root, work, out))?;
            }
            _ => {}
        },
        Step::Descend(step) => descend(step, node, root, work, out)?,
    }
    work.spend(1 + (out.len() - before) as u64)
}

/// The node itself, then its children in order, each with its own before the next.
fn descend<'v>(
    step: &Step,
    node: &'v Value,
    root: &'v Value,
    work: &Work,
    out: &mut Vec<&'v Value>,
) -> Result<(), Miss> {
    let mut pending = vec![node];
    let mut below = Vec::new();
    while let Some(node) = pending.pop() {
        match (step, node) {
            // Elements are met as nodes of their own: testing them here would list them twice.
            (Step::Filter(_), Value::Array(_)) => work.spend(1)?,
            _ => apply(step, node, root, work, out)?,
        }
        children(node, &mut below);
        pending.extend(below.drain(..).rev());
    }
    Ok(())
}

fn keep<'v>(
    filter: &super::Filter,
    candidate: &'v Value,
    root: &'v Value,
    work: &Work,
    out: &mut Vec<&'v Value>,
) -> Result<(), Miss> {
    if filter.accepts(candidate, root, work)? {
        out.push(candidate);
    }
    Ok(())
}

fn children<'v>(node: &'v Value, out: &mut Vec<&'v Value>) {
    match node {
        Value::Array(items) => out.extend(items),
        Value::Object(members) => out.extend(members.values()),
        _ => {}
    }
}

/// The library's three kinds of slice. With both ends given it counts from `from` up to `to` as they are written,
/// so `[1:-1]` is empty and `[-2:1]` runs across the end.
fn slice<'v>(items: &'v [Value], from: Option<i64>, to: Option<i64>, out: &mut Vec<&'v Value>) {
    let len = items.len() as i64;
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) => (from.max(-len), to.min(len)),
        (Some(from), None) => (from_end(from, len).max(0), len),
        (None, Some(to)) => (0, from_end(to, len).min(len)),
        (None, None) => (0, len),
    };
    out.extend((from..to).filter_map(|index| item(items, index)));
}

fn from_end(index: i64, len: i64) -> i64 {
    if index < 0 { index.saturating_add(len) } else { index }
}

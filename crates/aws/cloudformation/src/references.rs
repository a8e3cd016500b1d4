//! Who refers to whom, read from the text alone: every `Ref`, `Fn::GetAtt` and `${...}` of the branches that count.
//!
//! This walk also sees what is never resolved (the policies of a role, say), since AWS refuses a template for a name
//! that does not exist wherever it stands.

use crate::diagnostic::Position;
use crate::intrinsics::{self, Part, get_att_target, parts};
use crate::node::{Entry, Node, Value};
use crate::scope::Scope;

/// Calls `found` with every name of a parameter or resource in the node, and where it stands.
pub(crate) fn each(scope: &Scope<'_>, node: &Node, found: &mut dyn FnMut(&str, Position)) {
    let Some(node) = scope.live(node) else { return };
    if let Some(call) = intrinsics::call(node) {
        return in_call(scope, call, node.at, found);
    }
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| each(scope, item, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| each(scope, &entry.value, found)),
        Value::Text { .. } | Value::Invalid | Value::Absent => {}
    }
}

fn in_call(scope: &Scope<'_>, call: &Entry, at: Position, found: &mut dyn FnMut(&str, Position)) {
    let argument = &call.value;
    match call.key.as_str() {
        "Ref" => argument.literal().into_iter().for_each(|name| name_of(scope, name, at, found)),
        "Fn::GetAtt" => get_att_target(argument).into_iter().for_each(|name| found(name, at)),
        "Fn::Sub" => in_sub(scope, argument, at, found),
        "Fn::If" => in_if(scope, argument, found),
        _ => each(scope, argument, found),
    }
}

/// A choice whose condition is not known; one that does not exist is an error wherever it is asked for.
fn in_if(scope: &Scope<'_>, argument: &Node, found: &mut dyn FnMut(&str, Position)) {
    let items = argument.list().unwrap_or_default();
    if let Some((name, at)) = items.first().and_then(|item| Some((item.literal()?, item.at))) {
        scope.condition(name, at);
    }
    items.iter().skip(1).for_each(|item| each(scope, item, found));
}

fn in_sub(scope: &Scope<'_>, argument: &Node, at: Position, found: &mut dyn FnMut(&str, Position)) {
    let (text, variables) = match argument.list() {
        Some([text, variables]) => (text, variables.map().unwrap_or_default()),
        _ => (argument, Default::default()),
    };
    let own: std::collections::HashSet<&str> = variables.iter().map(|v| v.key.as_str()).collect();
    for part in text.literal().and_then(|text| parts(text).ok()).unwrap_or_default() {
        if let Part::Variable(name) = part
            && !own.contains(name)
        {
            name_of(scope, name, at, found);
        }
    }
    variables.iter().for_each(|variable| each(scope, &variable.value, found));
}

/// `Name`, or `Name.Attribute`; pseudo parameters and parameters are no resources.
fn name_of(scope: &Scope<'_>, name: &str, at: Position, found: &mut dyn FnMut(&str, Position)) {
    if name.starts_with("AWS::") || scope.parameters.contains_key(name) {
        return;
    }
    let resource = name.split_once('.').map_or(name, |(resource, _)| resource);
    found(resource, at);
}

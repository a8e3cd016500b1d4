//! `Fn::Join`, `Fn::Split`, `Fn::Select` and `Fn::Base64`: plain functions over strings and lists.

use base64::Engine;

use super::Call;
use crate::node::{Node, Value};
use crate::scope::Scope;

pub(super) fn join(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let Some([delimiter, values]) = call.items(scope) else { return Node::invalid(call.at) };
    let Some(delimiter) = scope.text(delimiter, "the delimiter of Fn::Join") else { return Node::invalid(call.at) };
    let Some(items) = list(scope, call, values) else { return Node::invalid(call.at) };
    let mut texts = Vec::new();
    for item in &items {
        match item.text() {
            Some(text) => texts.push(text),
            None => return refuse_item(scope, call, item),
        }
    }
    let bytes = texts.iter().map(|t| t.len() + delimiter.len()).fold(0, usize::saturating_add);
    match scope.fits(bytes, call.at) {
        true => Node::string(call.at, texts.join(&delimiter)),
        false => Node::invalid(call.at),
    }
}

pub(super) fn split(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let Some([delimiter, source]) = call.items(scope) else { return Node::invalid(call.at) };
    let delimiter = scope.text(delimiter, "the delimiter of Fn::Split");
    let source = scope.text(source, "the source of Fn::Split");
    match (delimiter, source) {
        (Some(delimiter), Some(_)) if delimiter.is_empty() => call.refuse(scope),
        (Some(delimiter), Some(source)) => {
            Node::new(call.at, Value::List(source.split(&delimiter).map(|t| Node::string(call.at, t)).collect()))
        }
        _ => Node::invalid(call.at),
    }
}

pub(super) fn select(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let Some([index, values]) = call.items(scope) else { return Node::invalid(call.at) };
    let Some(index) = scope.text(index, "the index of Fn::Select") else { return Node::invalid(call.at) };
    let Some(items) = list(scope, call, values) else { return Node::invalid(call.at) };
    match index.parse::<usize>().ok().and_then(|index| items.get(index)) {
        Some(item) => item.clone(),
        None => {
            let message = format!("Fn::Select has no item {index} in a list of {}", items.len());
            scope.report.error(call.at, message, "indices begin at 0");
            Node::invalid(call.at)
        }
    }
}

pub(super) fn base64(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    match scope.text(call.argument, "the argument of Fn::Base64") {
        Some(text) => Node::string(call.at, base64::engine::general_purpose::STANDARD.encode(text)),
        None => Node::invalid(call.at),
    }
}

/// The list an argument resolves to.
fn list(scope: &Scope<'_>, call: &Call<'_>, node: &Node) -> Option<Vec<Node>> {
    let resolved = scope.resolve(node);
    match resolved.value {
        Value::List(items) => Some(items),
        Value::Invalid => None,
        _ => {
            call.refuse(scope);
            None
        }
    }
}

fn refuse_item(scope: &Scope<'_>, call: &Call<'_>, item: &Node) -> Node {
    if !item.is_invalid() {
        let message = format!("Fn::Join takes strings, one of its values is {}", item.kind());
        scope.report.error(item.at, message, "join inner lists first");
    }
    Node::invalid(call.at)
}

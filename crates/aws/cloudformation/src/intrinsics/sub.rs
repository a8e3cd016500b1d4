//! `Fn::Sub`: `${Name}` and `${Resource.Attribute}` in a string; `${!Literal}` stands for `${Literal}`.

use std::collections::HashMap;

use super::Call;
use crate::node::{Entry, Node};
use crate::scope::Scope;

/// A piece of a template string.
#[derive(Debug, PartialEq)]
pub(crate) enum Part<'a> {
    Text(&'a str),
    /// Written `${!Literal}`, meant as `${Literal}`.
    Literal(&'a str),
    Variable(&'a str),
}

/// Cuts a template string; the error is the text of a variable that does not end.
pub(crate) fn parts(text: &str) -> Result<Vec<Part<'_>>, &str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        parts.push(Part::Text(&rest[..start]));
        let inner = &rest[start + 2..];
        let Some(end) = inner.find('}') else { return Err(&rest[start..]) };
        parts.push(match inner[..end].strip_prefix('!') {
            Some(literal) => Part::Literal(literal),
            None => Part::Variable(inner[..end].trim()),
        });
        rest = &inner[end + 1..];
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

pub(super) fn sub(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let (text, variables): (_, &[Entry]) = match call.argument.list() {
        Some([text, variables]) => match variables.map() {
            Some(entries) => (text, entries),
            None => return call.refuse(scope),
        },
        Some(_) => return call.refuse(scope),
        None => (call.argument, &[]),
    };
    let Some(text) = text.literal() else { return call.refuse(scope) };
    let variables: HashMap<&str, &Node> = variables.iter().map(|e| (e.key.as_str(), &e.value)).collect();
    match parts(text) {
        Ok(parts) => fill(scope, call, &parts, &variables),
        Err(open) => {
            let shown: String = open.chars().take(20).collect();
            scope.report.error(call.at, format!("\"{shown}\" has no closing brace"), "add }, or write ${!Literal}");
            Node::invalid(call.at)
        }
    }
}

fn fill(scope: &Scope<'_>, call: &Call<'_>, parts: &[Part<'_>], variables: &HashMap<&str, &Node>) -> Node {
    let mut values: HashMap<&str, Node> = HashMap::new();
    let mut out = String::new();
    let mut complete = true;
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Literal(text) => out.extend(["${", text, "}"]),
            Part::Variable(name) => {
                let value = values.entry(name).or_insert_with(|| match variables.get(name) {
                    Some(node) => scope.resolve(node),
                    None => scope.value_of(name, call.at),
                });
                match value.text() {
                    Some(value) => out.push_str(&value),
                    None => complete = refuse_value(scope, call, name, value),
                }
            }
        }
        if !scope.fits(out.len(), call.at) {
            return Node::invalid(call.at);
        }
    }
    if complete { Node::string(call.at, out) } else { Node::invalid(call.at) }
}

/// Always false: the string is not complete.
fn refuse_value(scope: &Scope<'_>, call: &Call<'_>, name: &str, value: &Node) -> bool {
    if !value.is_invalid() {
        let message = format!("${{{name}}} is {}, Fn::Sub takes strings", value.kind());
        scope.report.error(call.at, message, "join a list with Fn::Join first");
    }
    false
}

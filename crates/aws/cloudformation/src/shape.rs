//! Shapes: tables that turn a property into the JSON an AWS API takes.
//!
//! CloudFormation takes `"5"` for 5 and passes most structures on by name. A shape says which members there are and
//! what type each has, so that the request has the types the API wants and an unknown member is an error with a line.

use serde_json::{Map, Value as Json};

use crate::node::{Entry, Node};
use crate::scope::Scope;

pub(crate) enum Shape {
    Text,
    Integer,
    Flag,
    List(&'static Shape),
    Object(&'static [Member]),
    /// Accepted, and left out of the request.
    Dropped,
}

pub(crate) struct Member {
    /// CloudFormation's name.
    pub name: &'static str,
    /// The API's name.
    pub api: &'static str,
    pub shape: Shape,
}

/// A member that has the same name on both sides.
pub(crate) const fn same(name: &'static str, shape: Shape) -> Member {
    Member { name, api: name, shape }
}

pub(crate) const fn renamed(name: &'static str, api: &'static str, shape: Shape) -> Member {
    Member { name, api, shape }
}

/// The JSON of a resolved node; `what` is the path to it, for messages. `None` after an error, and for what is dropped.
pub(crate) fn json(scope: &Scope<'_>, node: &Node, shape: &Shape, what: &str) -> Option<Json> {
    if node.is_invalid() {
        return None;
    }
    let (value, expected) = match shape {
        Shape::Dropped => return None,
        Shape::Text => (node.text().map(Json::from), "a string"),
        Shape::Integer => (node.integer().map(Json::from), "a whole number"),
        Shape::Flag => (node.flag().map(Json::from), "true or false"),
        Shape::List(item) => (node.list().map(|items| list(scope, items, item, what)), "a list"),
        Shape::Object(members) => (node.map().map(|entries| object(scope, entries, members, what)), "a map"),
    };
    if value.is_none() {
        scope.report.error(
            node.at,
            format!("{what} must be {expected}, this is {}", node.kind()),
            format!("give {expected}"),
        );
    }
    value
}

fn list(scope: &Scope<'_>, items: &[Node], shape: &Shape, what: &str) -> Json {
    items.iter().filter_map(|item| json(scope, item, shape, what)).collect()
}

fn object(scope: &Scope<'_>, entries: &[Entry], members: &[Member], what: &str) -> Json {
    let mut out = Map::new();
    for entry in entries {
        let Some(member) = members.iter().find(|m| m.name == entry.key) else {
            let known: Vec<&str> = members.iter().map(|m| m.name).collect();
            let message = format!("{what} has no member \"{}\"", entry.key);
            scope.report.error(entry.at, message, format!("it has {}", known.join(", ")));
            continue;
        };
        if let Some(value) = json(scope, &entry.value, &member.shape, &format!("{what}.{}", entry.key)) {
            out.insert(member.api.to_owned(), value);
        }
    }
    Json::Object(out)
}

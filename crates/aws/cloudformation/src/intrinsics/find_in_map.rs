//! `Fn::FindInMap`: a value by two keys from the Mappings section, or a default where it is given.

use super::Call;
use crate::node::{Node, find};
use crate::scope::Scope;

pub(super) fn find_in_map(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let Some((keys, default)) = parts(call) else { return call.refuse(scope) };
    let names = keys.map(|node| scope.text(node, "a key of Fn::FindInMap"));
    let [Some(map), Some(first), Some(second)] = names else { return Node::invalid(call.at) };
    let rows = scope.mappings.get(&map).and_then(Node::map);
    let row = rows.and_then(|rows| find(rows, &first)).and_then(Node::map);
    if let Some(value) = row.and_then(|row| find(row, &second)) {
        return value.clone();
    }
    if let Some(default) = default {
        return scope.resolve(default);
    }
    let missing = match (rows, row) {
        (None, _) => format!("no map \"{map}\""),
        (_, None) => format!("no key \"{first}\" in the map \"{map}\""),
        _ => format!("no key \"{second}\" under \"{first}\" in the map \"{map}\""),
    };
    scope.report.error(call.at, format!("Fn::FindInMap: there is {missing}"), "add it under Mappings");
    Node::invalid(call.at)
}

/// The map's name and its two keys; the default, if there is one.
fn parts<'a>(call: &Call<'a>) -> Option<([&'a Node; 3], Option<&'a Node>)> {
    match call.argument.list()? {
        [map, first, second] => Some(([map, first, second], None)),
        [map, first, second, last] => Some(([map, first, second], Some(last.get("DefaultValue")?))),
        _ => None,
    }
}

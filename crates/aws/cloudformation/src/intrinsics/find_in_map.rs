//! `Fn::FindInMap`: a value by two keys from the Mappings section.

use super::Call;
use crate::node::{Node, find};
use crate::scope::Scope;

pub(super) fn find_in_map(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let Some([map, first, second]) = call.items(scope) else { return Node::invalid(call.at) };
    let names = [map, first, second].map(|node| scope.text(node, "a key of Fn::FindInMap"));
    let [Some(map), Some(first), Some(second)] = names else { return Node::invalid(call.at) };
    let rows = scope.mappings.get(&map).and_then(Node::map);
    let row = rows.and_then(|rows| find(rows, &first)).and_then(Node::map);
    if let Some(value) = row.and_then(|row| find(row, &second)) {
        return value.clone();
    }
    let missing = match (rows, row) {
        (None, _) => format!("no map \"{map}\""),
        (_, None) => format!("no key \"{first}\" in the map \"{map}\""),
        _ => format!("no key \"{second}\" under \"{first}\" in the map \"{map}\""),
    };
    scope.report.error(call.at, format!("Fn::FindInMap: there is {missing}"), "add it under Mappings");
    Node::invalid(call.at)
}

//! `Fn::Length`, `Fn::ToJsonString`, `Fn::Cidr` and `Fn::GetAZs`: functions that take or give a list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Call;
use crate::node::{Node, Value};
use crate::scope::Scope;

/// AWS's limit of `Fn::Cidr`.
const BLOCKS_MAX: u32 = 256;
/// The zones of a region, of which there are three or more everywhere.
const ZONES: &[char] = &['a', 'b', 'c'];

pub(super) fn length(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let resolved = scope.resolve(call.argument);
    match resolved.list() {
        Some(items) => Node::new(call.at, Value::Text { text: items.len().to_string(), plain: true }),
        None if resolved.is_invalid() => resolved,
        None => call.refuse(scope),
    }
}

pub(super) fn to_json_string(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let resolved = scope.resolve(call.argument);
    match &resolved.value {
        Value::Map(_) | Value::List(_) => {
            let text = resolved.json().to_string();
            if scope.fits(text.len(), call.at) { Node::string(call.at, text) } else { Node::invalid(call.at) }
        }
        Value::Invalid => resolved,
        _ => call.refuse(scope),
    }
}

pub(super) fn zones(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let Some(region) = scope.text(call.argument, "the region of Fn::GetAZs") else { return Node::invalid(call.at) };
    let region = if region.is_empty() { scope.site.home.region.clone() } else { region };
    let zones = ZONES.iter().map(|zone| Node::string(call.at, format!("{region}{zone}"))).collect();
    Node::new(call.at, Value::List(zones))
}

pub(super) fn cidr(scope: &Scope<'_>, call: &Call<'_>) -> Node {
    let arguments = match call.argument.list() {
        Some([block, count]) => [Some(block), Some(count), None],
        Some([block, count, bits]) => [Some(block), Some(count), Some(bits)],
        _ => return call.refuse(scope),
    };
    let [block, count, bits] = arguments.map(|node| node.and_then(|node| scope.text(node, "an argument of Fn::Cidr")));
    let Some((block, count)) = block.zip(count) else { return Node::invalid(call.at) };
    // AWS's default.
    let bits = bits.unwrap_or_else(|| "8".to_owned());
    match count.parse().ok().zip(bits.parse().ok()).and_then(|(count, bits)| blocks(&block, count, bits)) {
        Some(blocks) => Node::new(call.at, Value::List(blocks.iter().map(|b| Node::string(call.at, b)).collect())),
        None => {
            let message = format!("Fn::Cidr cannot make {count} blocks with {bits} host bits of {block}");
            scope.report.error(
                call.at,
                message,
                "give a block with its prefix, such as 10.0.0.0/16, that has room for them",
            );
            Node::invalid(call.at)
        }
    }
}

/// So many blocks with so many bits for hosts, from the beginning of a block.
fn blocks(block: &str, count: u32, bits: u32) -> Option<Vec<String>> {
    let (address, prefix) = block.split_once('/')?;
    let (address, prefix): (IpAddr, u32) = (address.parse().ok()?, prefix.parse().ok()?);
    let width = if address.is_ipv4() { 32 } else { 128 };
    let room = width - prefix.min(width);
    let is_good = (1..=BLOCKS_MAX).contains(&count) && prefix <= width && (1..=room).contains(&bits);
    let is_enough = is_good && (room - bits >= 9 || count <= 1 << (room - bits));
    if !is_enough {
        return None;
    }
    let first = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    // A block begins where its prefix ends.
    let first = if room == 128 { 0 } else { (first >> room) << room };
    let at = |index: u32| first + (u128::from(index) << bits);
    let shown = |number: u128| match address {
        IpAddr::V4(_) => Ipv4Addr::from(number as u32).to_string(),
        IpAddr::V6(_) => Ipv6Addr::from(number).to_string(),
    };
    Some((0..count).map(|index| format!("{}/{}", shown(at(index)), width - bits)).collect())
}

//! A difference for people: lines that are only recorded, lines that were only found, and a little around them.
//!
//! Where a found value agrees with a placeholder the placeholder is shown for both, so that only what differs stands
//! out. Members are sorted, as their order never matters.

use serde_json::Value;

use crate::canonical::{Matcher, text};

/// Lines of agreement shown around a difference.
const CONTEXT: usize = 3;
/// Longer sides are not aligned, only shown: the table of the alignment would take too much room.
const ALIGNED_CELLS_MAX: usize = 16_000_000;

/// Nothing when the sides agree.
pub fn lines(recorded: &Value, found: &Value) -> Vec<String> {
    let mut matcher = Matcher::new(Vec::new(), Vec::new());
    let found = masked(recorded, found, &mut matcher);
    let (left, right) = (pretty(recorded), pretty(&found));
    if left == right { Vec::new() } else { shortened(&aligned(&left, &right)) }
}

/// The found value with the recording's placeholder wherever the two agree.
fn masked(recorded: &Value, found: &Value, matcher: &mut Matcher) -> Value {
    match (recorded, found) {
        (Value::Object(left), Value::Object(right)) => {
            let member = |(name, value): (&String, &Value)| {
                (
                    name.clone(),
                    left.get(name).map_or_else(|| value.clone(), |recorded| masked(recorded, value, matcher)),
                )
            };
            Value::Object(right.iter().map(member).collect())
        }
        (Value::Array(left), Value::Array(right)) => {
            let item = |(index, value): (usize, &Value)| {
                left.get(index).map_or_else(|| value.clone(), |recorded| masked(recorded, value, matcher))
            };
            Value::Array(right.iter().enumerate().map(item).collect())
        }
        _ if matcher.try_compare(recorded, found).is_ok() => recorded.clone(),
        _ => found.clone(),
    }
}

fn pretty(value: &Value) -> Vec<String> {
    let text = serde_json::to_string_pretty(&text::sorted(value)).expect("a value always serialises");
    text.lines().map(str::to_owned).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Both,
    Recorded,
    Found,
}

type Line<'l> = (Side, &'l str);

/// A longest common subsequence, between what both begin and end with.
fn aligned<'l>(left: &'l [String], right: &'l [String]) -> Vec<Line<'l>> {
    let before = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let rest = left.len().min(right.len()) - before;
    let after = left.iter().rev().zip(right.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (a, b) = (&left[before..left.len() - after], &right[before..right.len() - after]);
    let both = |lines: &'l [String]| lines.iter().map(|line| (Side::Both, line.as_str())).collect::<Vec<_>>();
    let mut all = both(&left[..before]);
    match (a.len() + 1).saturating_mul(b.len() + 1) > ALIGNED_CELLS_MAX {
        true => all.extend(apart(a, b)),
        false => all.extend(common(a, b)),
    }
    all.extend(both(&left[left.len() - after..]));
    all
}

fn apart<'l>(a: &'l [String], b: &'l [String]) -> Vec<Line<'l>> {
    let side = |side, lines: &'l [String]| lines.iter().map(move |line| (side, line.as_str()));
    side(Side::Recorded, a).chain(side(Side::Found, b)).collect()
}

fn common<'l>(a: &'l [String], b: &'l [String]) -> Vec<Line<'l>> {
    // lengths[i][j]: the longest common subsequence of a[i..] and b[j..].
    let mut lengths = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i][j] = match a[i] == b[j] {
                true => lengths[i + 1][j + 1] + 1,
                false => lengths[i + 1][j].max(lengths[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            lines.push((Side::Both, a[i].as_str()));
            (i, j) = (i + 1, j + 1);
        } else if lengths[i + 1][j] >= lengths[i][j + 1] {
            lines.push((Side::Recorded, a[i].as_str()));
            i += 1;
        } else {
            lines.push((Side::Found, b[j].as_str()));
            j += 1;
        }
    }
    lines.extend(apart(&a[i..], &b[j..]));
    lines
}

/// Differences with a few lines around them.
fn shortened(lines: &[Line<'_>]) -> Vec<String> {
    let is_near = |at: usize| {
        let around = &lines[at.saturating_sub(CONTEXT)..lines.len().min(at + CONTEXT + 1)];
        around.iter().any(|(side, _)| *side != Side::Both)
    };
    let mut shown = Vec::new();
    let mut is_gap = false;
    for (at, (side, line)) in lines.iter().enumerate() {
        let sign = match side {
            Side::Both => ' ',
            Side::Recorded => '-',
            Side::Found => '+',
        };
        match is_near(at) {
            true => shown.push(format!("{sign} {line}")),
            false if !is_gap => shown.push("  …".to_owned()),
            false => {}
        }
        is_gap = !is_near(at);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_shown() {
        let check = |recorded: Value, found: Value, expect: &[&str]| {
            let shown = lines(&recorded, &found);
            let signed: Vec<&str> =
                shown.iter().filter(|line| !line.starts_with(' ')).map(|line| line.as_str()).collect();
            assert_eq!(signed, expect, "{recorded} {found}");
        };
        check(json!({ "b": 1, "a": "<id>" }), json!({ "a": "x", "b": 1 }), &[]);
        check(json!({ "a": 1 }), json!({ "a": 2 }), &["-   \"a\": 1", "+   \"a\": 2"]);
        check(json!([1, 2, 3]), json!([1, 3]), &["-   2,"]);
    }
}

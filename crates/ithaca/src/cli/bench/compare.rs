//! A result against a stored one: what got better and what got worse.

use std::collections::BTreeMap;

use serde_json::Value;

use super::figures::{Better, Figure, OF_RUNS, OF_STARTS, OF_WAITING};

/// What changes by less is noise on most machines.
const NOTABLE: f64 = 0.10;

#[derive(Debug, PartialEq)]
pub struct Change {
    /// Such as `lambda travel, 64 in flight: p50 ms`.
    pub what: String,
    pub before: f64,
    pub after: f64,
    pub is_better: bool,
}

/// What changed notably, and how many figures were compared.
pub fn compare(before: &Value, after: &Value) -> (Vec<Change>, usize) {
    let (before, after) = (medians(before), medians(after));
    let mut compared = 0;
    let mut changes = Vec::new();
    for (what, (value, better)) in after {
        let Some((earlier, _)) = before.get(&what).copied().filter(|(earlier, _)| *earlier > 0.0) else { continue };
        compared += 1;
        if (value / earlier - 1.0).abs() > NOTABLE {
            let is_better = (value > earlier) == (better == Better::More);
            changes.push(Change { what, before: earlier, after: value, is_better });
        }
    }
    (changes, compared)
}

/// A line for people.
pub fn line(change: &Change) -> String {
    let word = if change.is_better { "better" } else { "worse" };
    let (before, after) = (round(change.before), round(change.after));
    format!("{word:<6}  x{:.2}  {}: {before} -> {after}", change.after / change.before, change.what)
}

/// To three digits, as much as a measurement is worth.
fn round(value: f64) -> String {
    match value.abs() {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// Every median of a result that has a better and a worse, by what it is of.
fn medians(result: &Value) -> BTreeMap<String, (f64, Better)> {
    let mut all = BTreeMap::new();
    let mut note = |of: String, folded: &Value, figures: &[Figure]| {
        for figure in figures.iter().filter(|figure| figure.better != Better::Neither) {
            if let Some(value) = folded[figure.name]["median"].as_f64() {
                all.insert(format!("{of}: {}", figure.name), (value, figure.better));
            }
        }
    };
    for saga in entries(&result["sagas"]) {
        let name = format!("{} {}", text(&saga["tasks"]), text(&saga["shape"]));
        note(name.clone(), &saga["figures"], &OF_STARTS);
        for run in entries(&saga["runs"]) {
            note(format!("{name}, {} in flight", run["inFlight"]), &run["figures"], &OF_RUNS);
        }
    }
    for waiting in entries(&result["waiting"]) {
        let of = format!("{} waiting {}", waiting["executions"], text(&waiting["for"]));
        note(of, &waiting["figures"], &OF_WAITING);
    }
    all
}

fn entries(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changed() {
        let result = |rate: f64, p50: f64, load: f64| {
            let median = |value: f64| json!({ "median": value, "min": value, "max": value });
            let figures = json!({ "sagasPerSecond": median(rate), "p50Ms": median(p50), "loadCpuMs": median(load) });
            let runs = json!([{ "inFlight": 64, "figures": figures }]);
            json!({ "sagas": [{ "tasks": "lambda", "shape": "travel", "runs": runs }] })
        };
        let check = |after: (f64, f64, f64), expect: &[(&str, bool)]| {
            let (changes, compared) = compare(&result(100.0, 10.0, 1.0), &result(after.0, after.1, after.2));
            let found: Vec<_> = changes.iter().map(|change| (change.what.as_str(), change.is_better)).collect();
            // What the load generator uses is not the engine's to better.
            assert_eq!((found.as_slice(), compared), (expect, 2), "{after:?}");
        };
        let (rate, p50) = ("lambda travel, 64 in flight: sagasPerSecond", "lambda travel, 64 in flight: p50Ms");
        check((100.0, 10.0, 9.0), &[]);
        check((109.0, 9.5, 1.0), &[]);
        check((120.0, 12.0, 1.0), &[(p50, false), (rate, true)]);
        check((80.0, 8.0, 1.0), &[(p50, true), (rate, false)]);
        assert_eq!(compare(&json!({}), &result(1.0, 1.0, 1.0)), (vec![], 0));
    }

    #[test]
    fn lines() {
        let change = Change { what: "w".into(), before: 100.0, after: 250.0, is_better: true };
        assert_eq!(line(&change), "better  x2.50  w: 100 -> 250");
    }
}

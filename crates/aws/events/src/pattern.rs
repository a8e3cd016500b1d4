//! Event patterns: what of an event must be how for a rule to fire.
//!
//! A pattern is an object of the event's shape whose leaves are lists of conditions: a value, or one of `prefix`, `suffix`,
//! `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `exists`, `cidr`. A list in the event matches if one of its
//! items does. `$or` takes whole patterns.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// AWS's limit of a pattern's text.
const BYTES_MAX: usize = 4096;
/// Levels of a pattern; reading and matching recurse.
const DEPTH_MAX: usize = 20;

#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Field(String, Rest),
    Or(Vec<Pattern>),
}

#[derive(Clone, Debug, PartialEq)]
enum Rest {
    Inner(Pattern),
    AnyOf(Vec<Condition>),
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Equals(Value),
    Text(Text),
    Not(Vec<Value>),
    NotText(Vec<Text>),
    /// All of these comparisons with a number hold.
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
    Cidr(IpAddr, u32),
}

#[derive(Clone, Debug, PartialEq)]
enum Text {
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
    IgnoreCase(String),
    /// The parts between the stars.
    Wildcard(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub fn parse(value: &Value) -> Result<Pattern, String> {
        if value.to_string().len() > BYTES_MAX {
            return Err(format!("an event pattern has {BYTES_MAX} bytes at most"));
        }
        pattern(value, 0)
    }

    pub fn matches(&self, event: &Value) -> bool {
        self.0.iter().all(|part| match part {
            Part::Or(patterns) => patterns.iter().any(|pattern| pattern.matches(event)),
            Part::Field(name, rest) => rest.matches(event.get(name)),
        })
    }
}

fn pattern(value: &Value, depth: usize) -> Result<Pattern, String> {
    let Value::Object(members) = value else { return Err("a pattern is an object of fields".to_owned()) };
    if depth > DEPTH_MAX {
        return Err(format!("a pattern is nested {DEPTH_MAX} deep at most"));
    }
    if members.is_empty() {
        return Err("an empty pattern is not allowed".to_owned());
    }
    let part = |(name, value): (&String, &Value)| match (name.as_str(), value) {
        ("$or", Value::Array(patterns)) if patterns.len() > 1 => {
            let patterns: Result<_, _> = patterns.iter().map(|value| pattern(value, depth + 1)).collect();
            patterns.map(Part::Or)
        }
        ("$or", _) => Err("$or takes a list of two patterns or more".to_owned()),
        (_, Value::Object(_)) => Ok(Part::Field(name.clone(), Rest::Inner(pattern(value, depth + 1)?))),
        (_, Value::Array(conditions)) if conditions.is_empty() => Err(format!("the list of \"{name}\" is empty")),
        (_, Value::Array(conditions)) => {
            let conditions: Result<_, _> = conditions.iter().map(condition).collect();
            Ok(Part::Field(name.clone(), Rest::AnyOf(conditions?)))
        }
        _ => Err(format!("\"{name}\" must be an object or a list of values")),
    };
    members.iter().map(part).collect::<Result<_, _>>().map(Pattern)
}

fn condition(value: &Value) -> Result<Condition, String> {
    let Value::Object(members) = value else {
        return match value {
            Value::Array(_) => Err("a list in a list matches nothing".to_owned()),
            value => Ok(Condition::Equals(value.clone())),
        };
    };
    let (name, argument) = only(members)?;
    match (name, argument) {
        ("exists", Value::Bool(flag)) => Ok(Condition::Exists(*flag)),
        ("numeric", Value::Array(parts)) => numeric(parts).map(Condition::Numeric),
        ("cidr", Value::String(block)) => cidr(block).ok_or_else(|| format!("\"{block}\" is no block of addresses")),
        ("anything-but", Value::Object(inner)) => {
            let (name, argument) = only(inner)?;
            let listed = argument.as_array().cloned().unwrap_or_else(|| vec![argument.clone()]);
            let texts: Result<Vec<Text>, String> = listed.iter().map(|item| text(name, item)).collect();
            texts.map(Condition::NotText)
        }
        ("anything-but", Value::Array(values)) if !values.is_empty() => Ok(Condition::Not(values.clone())),
        ("anything-but", Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null) => {
            Ok(Condition::Not(vec![argument.clone()]))
        }
        _ => text(name, argument).map(Condition::Text),
    }
}

fn only(members: &Map<String, Value>) -> Result<(&str, &Value), String> {
    let mut all = members.iter();
    match (all.next(), all.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        _ => Err("a condition has one name".to_owned()),
    }
}

fn text(name: &str, argument: &Value) -> Result<Text, String> {
    if let (Value::Object(inner), "prefix" | "suffix") = (argument, name) {
        return match (only(inner)?, name) {
            (("equals-ignore-case", Value::String(text)), "prefix") => Ok(Text::PrefixIgnoreCase(text.to_lowercase())),
            (("equals-ignore-case", Value::String(text)), _) => Ok(Text::SuffixIgnoreCase(text.to_lowercase())),
            ((inner, _), _) => Err(format!("{name} has no {inner}")),
        };
    }
    let Value::String(given) = argument else { return Err(format!("{name} does not take {argument}")) };
    match name {
        "prefix" => Ok(Text::Prefix(given.clone())),
        "suffix" => Ok(Text::Suffix(given.clone())),
        "equals-ignore-case" => Ok(Text::IgnoreCase(given.to_lowercase())),
        "wildcard" if given.contains("**") => Err("a wildcard has no two stars in a row".to_owned()),
        "wildcard" => Ok(Text::Wildcard(wildcard(given))),
        _ => Err(format!("there is no condition {name}")),
    }
}

/// The parts between stars; `\*` is a star itself, `\\` a backslash.
fn wildcard(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let last = parts.last_mut().expect("there is always one part");
        match letter {
            '*' => parts.push(String::new()),
            '\\' => last.extend(letters.next()),
            other => last.push(other),
        }
    }
    parts
}

fn numeric(parts: &[Value]) -> Result<Vec<(Comparison, f64)>, String> {
    let refuse = || "numeric takes comparisons: [\"<\", 10], [\">=\", 0, \"<\", 5]".to_owned();
    let pair = |pair: &[Value]| {
        let comparison = match pair.first()?.as_str()? {
            "=" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        Some((comparison, pair.get(1)?.as_f64()?))
    };
    let pairs: Option<Vec<_>> = parts.chunks(2).map(pair).collect();
    pairs.filter(|pairs| (1..=2).contains(&pairs.len())).ok_or_else(refuse)
}

fn cidr(block: &str) -> Option<Condition> {
    let (address, prefix) = block.split_once('/')?;
    let (address, prefix): (IpAddr, u32) = (address.parse().ok()?, prefix.parse().ok()?);
    let width = if address.is_ipv4() { 32 } else { 128 };
    (prefix <= width).then_some(Condition::Cidr(address, prefix))
}

impl Rest {
    fn matches(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Rest::Inner(pattern), Some(Value::Array(items))) => items.iter().any(|item| pattern.matches(item)),
            // Below nothing there is nothing: a condition that something is not there may hold.
            (Rest::Inner(pattern), value) => pattern.matches(value.unwrap_or(&Value::Null)),
            (Rest::AnyOf(conditions), value) => conditions.iter().any(|condition| condition.matches(value)),
        }
    }
}

impl Condition {
    fn matches(&self, value: Option<&Value>) -> bool {
        let is_there = value.is_some_and(|value| !value.is_object());
        match (self, value) {
            (Condition::Exists(wanted), _) => *wanted == is_there,
            (_, None | Some(Value::Object(_))) => false,
            (_, Some(Value::Array(items))) => items.iter().any(|item| self.matches(Some(item))),
            (Condition::Equals(wanted), Some(value)) => is_same(wanted, value),
            (Condition::Not(refused), Some(value)) => !refused.iter().any(|refused| is_same(refused, value)),
            (Condition::Numeric(comparisons), Some(value)) => value
                .as_f64()
                .is_some_and(|number| comparisons.iter().all(|(comparison, bound)| comparison.holds(number, *bound))),
            (Condition::Text(text), Some(value)) => value.as_str().is_some_and(|value| text.matches(value)),
            (Condition::NotText(refused), Some(value)) => {
                value.as_str().is_some_and(|value| !refused.iter().any(|text| text.matches(value)))
            }
            (Condition::Cidr(block, prefix), Some(value)) => {
                let address = value.as_str().and_then(|text| text.parse().ok());
                address.is_some_and(|address| is_within(*block, *prefix, address))
            }
        }
    }
}

/// `1` and `1.0` are one number.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

fn is_within(block: IpAddr, prefix: u32, address: IpAddr) -> bool {
    let same = |a: u128, b: u128, width: u32| prefix == 0 || (a ^ b) >> (width - prefix) == 0;
    match (block, address) {
        (IpAddr::V4(block), IpAddr::V4(address)) => same(u32::from(block).into(), u32::from(address).into(), 32),
        (IpAddr::V6(block), IpAddr::V6(address)) => same(block.into(), address.into(), 128),
        _ => false,
    }
}

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Comparison::Equal => number == bound,
            Comparison::Less => number < bound,
            Comparison::LessOrEqual => number <= bound,
            Comparison::Greater => number > bound,
            Comparison::GreaterOrEqual => number >= bound,
        }
    }
}

impl Text {
    fn matches(&self, value: &str) -> bool {
        match self {
            Text::Prefix(text) => value.starts_with(text),
            Text::PrefixIgnoreCase(text) => value.to_lowercase().starts_with(text),
            Text::Suffix(text) => value.ends_with(text),
            Text::SuffixIgnoreCase(text) => value.to_lowercase().ends_with(text),
            Text::IgnoreCase(text) => value.to_lowercase() == *text,
            Text::Wildcard(parts) => is_wild(parts, value),
        }
    }
}

/// The first part begins the text, the last ends it, those between follow each other.
fn is_wild(parts: &[String], value: &str) -> bool {
    let [first, between @ .., last] = parts else { return parts.first().is_some_and(|only| only == value) };
    let Some(mut rest) = value.strip_prefix(first.as_str()) else { return false };
    for part in between {
        match rest.find(part.as_str()) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ended() -> Value {
        json!({
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "region": "us-east-1",
            "resources": ["arn:aws:states:us-east-1:1:execution:trip:7"],
            "detail": {
                "status": "FAILED", "stateMachineArn": "arn:aws:states:us-east-1:1:stateMachine:trip", "stopDate": 1500,
                "output": null, "tries": [1, 2], "address": "10.0.0.7", "is": true,
                "legs": [{ "to": "Rome", "km": 5 }, { "to": "Oslo", "km": 900 }],
            },
        })
    }

    #[test]
    fn patterns_match_events() {
        let check = |pattern: Value, expect: bool| {
            let found = Pattern::parse(&pattern).unwrap().matches(&ended());
            assert_eq!(found, expect, "{pattern}");
        };
        let detail = |conditions: Value| json!({ "detail": conditions });
        check(json!({ "source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"] }), true);
        check(json!({ "source": ["aws.states"], "detail": { "status": ["FAILED", "TIMED_OUT"] } }), true);
        check(json!({ "source": ["aws.ec2"] }), false);
        check(json!({ "missing": ["x"] }), false);
        check(json!({ "resources": ["arn:aws:states:us-east-1:1:execution:trip:7"] }), true);
        check(detail(json!({ "stateMachineArn": [{ "suffix": ":trip" }] })), true);
        check(detail(json!({ "stateMachineArn": [{ "prefix": "arn:aws:lambda" }] })), false);
        check(detail(json!({ "status": [{ "prefix": { "equals-ignore-case": "fai" } }] })), true);
        check(detail(json!({ "status": [{ "suffix": { "equals-ignore-case": "led" } }] })), true);
        check(detail(json!({ "status": [{ "equals-ignore-case": "failed" }] })), true);
        check(detail(json!({ "status": [{ "anything-but": "FAILED" }] })), false);
        check(detail(json!({ "status": [{ "anything-but": ["SUCCEEDED", "RUNNING"] }] })), true);
        check(detail(json!({ "status": [{ "anything-but": { "prefix": "FA" } }] })), false);
        check(detail(json!({ "status": [{ "anything-but": { "suffix": ["X", "Y"] } }] })), true);
        check(detail(json!({ "status": [{ "anything-but": { "wildcard": "*ED" } }] })), false);
        check(detail(json!({ "nothing": [{ "anything-but": "x" }] })), false);
        check(detail(json!({ "stopDate": [{ "numeric": [">", 1000, "<=", 1500] }] })), true);
        check(detail(json!({ "stopDate": [{ "numeric": ["=", 1500.0] }] })), true);
        check(detail(json!({ "stopDate": [{ "numeric": ["<", 1500] }] })), false);
        check(detail(json!({ "status": [{ "numeric": ["<", 1500] }] })), false);
        check(detail(json!({ "stopDate": [1500.0] })), true);
        check(detail(json!({ "output": [null], "is": [true] })), true);
        check(detail(json!({ "output": [""] })), false);
        check(detail(json!({ "error": [{ "exists": false }], "status": [{ "exists": true }] })), true);
        check(detail(json!({ "error": { "code": [{ "exists": false }] } })), true);
        check(detail(json!({ "error": { "code": [1] } })), false);
        check(detail(json!({ "tries": [2] })), true);
        check(detail(json!({ "tries": [3] })), false);
        check(detail(json!({ "address": [{ "cidr": "10.0.0.0/24" }] })), true);
        check(detail(json!({ "address": [{ "cidr": "10.0.1.0/24" }] })), false);
        check(detail(json!({ "legs": { "to": ["Oslo"], "km": [{ "numeric": [">", 100] }] } })), true);
        // Both must hold of one item.
        check(detail(json!({ "legs": { "to": ["Rome"], "km": [{ "numeric": [">", 100] }] } })), false);
        check(
            json!({ "$or": [{ "source": ["x"] }, { "detail": { "status": ["FAILED"] } }], "region": ["us-east-1"] }),
            true,
        );
        check(detail(json!({ "$or": [{ "status": ["RUNNING"] }, { "is": [false] }] })), false);
    }

    #[test]
    fn wildcards() {
        let check = |wildcard: &str, value: &str, expect: bool| {
            let pattern = Pattern::parse(&json!({ "a": [{ "wildcard": wildcard }] })).unwrap();
            assert_eq!(pattern.matches(&json!({ "a": value })), expect, "{wildcard} {value}");
        };
        check("a*c", "abc", true);
        check("a*c", "ac", true);
        check("a*c", "abcd", false);
        check("*b*", "abc", true);
        check("a*b*a", "aba", true);
        check("ab*ba", "aba", false);
        check("*", "", true);
        check(r"a\*b", "a*b", true);
        check(r"a\*b", "axb", false);
        check("abc", "abc", true);
    }

    #[test]
    fn patterns_that_cannot_be() {
        let check = |pattern: Value, expect: &str| assert_eq!(Pattern::parse(&pattern).unwrap_err(), expect);
        check(json!([]), "a pattern is an object of fields");
        check(json!({}), "an empty pattern is not allowed");
        check(json!({ "a": "b" }), "\"a\" must be an object or a list of values");
        check(json!({ "a": [] }), "the list of \"a\" is empty");
        check(json!({ "a": [{ "regex": "b" }] }), "there is no condition regex");
        check(json!({ "a": [{ "prefix": 1 }] }), "prefix does not take 1");
        check(json!({ "a": [{ "prefix": "a", "suffix": "b" }] }), "a condition has one name");
        check(json!({ "a": [{ "wildcard": "a**b" }] }), "a wildcard has no two stars in a row");
        check(json!({ "a": [{ "numeric": ["<"] }] }), "numeric takes comparisons: [\"<\", 10], [\">=\", 0, \"<\", 5]");
        check(json!({ "$or": [{ "a": [1] }] }), "$or takes a list of two patterns or more");
        check(json!({ "a": ["x".repeat(5000)] }), "an event pattern has 4096 bytes at most");
        let deep = (0..30).fold(json!([1]), |inner, _| json!({ "a": inner }));
        check(deep, "a pattern is nested 20 deep at most");
    }
}

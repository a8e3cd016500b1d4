//! Which events are meant: the patterns of EventBridge's rules, Lambda's filters and SNS's filter policies, which are one language
//! ("Amazon EventBridge event patterns", "Comparison operators for use in event patterns").
//!
//! ```text
//! {"source": ["aws.states"], "detail": {"status": ["FAILED", {"prefix": "TIMED"}], "n": [{"numeric": [">", 5]}]}}
//!  every field must match               one of these must match
//! ```
//!
//! A pattern is read once and refused with the place of what is wrong with it. Matching is a function of pattern and event, without a
//! limit of its own: both are bounded by whoever keeps them.

use serde_json::{Map, Value};

/// Deeper than any event that somebody wrote by hand; so that neither reading nor matching can exhaust the stack.
const DEPTH_MAX: usize = 64;

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(Fields);

/// All must match, and of each list of alternatives one.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fields {
    fields: Vec<(String, Field)>,
    one_of: Vec<Vec<Fields>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Field {
    Inside(Fields),
    /// One of them must match.
    Tests(Vec<Test>),
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Is(Value),
    Text(Text),
    Numeric(Vec<(Order, f64)>),
    Exists(bool),
    /// An address block: network and bits.
    Cidr(std::net::IpAddr, u8),
    Not(Vec<Test>),
}

/// What a string is like. `folded`: in lower case, and so is what it is compared with.
#[derive(Clone, Debug, PartialEq)]
struct Text {
    like: Like,
    folded: bool,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Like {
    Whole,
    Prefix,
    Suffix,
    Wildcard,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Pattern {
    /// Reads a pattern; the error names the place, as `detail.status`, and what may stand there.
    pub fn parse(pattern: &Value) -> Result<Pattern, String> {
        let members = pattern.as_object().ok_or("a pattern is an object")?;
        if members.is_empty() {
            return Err("a pattern names at least one field".to_owned());
        }
        Ok(Pattern(fields(members, "", 0)?))
    }

    pub fn matches(&self, event: &Value) -> bool {
        self.0.match_in(event)
    }
}

fn fields(members: &Map<String, Value>, path: &str, depth: usize) -> Result<Fields, String> {
    if depth > DEPTH_MAX {
        return Err(format!("{path}: a pattern has {DEPTH_MAX} levels at most"));
    }
    let mut read = Fields::default();
    for (name, value) in members {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Array(items) if name == "$or" && items.iter().any(Value::is_object) => {
                let alternatives = items.iter().map(|item| {
                    let members = item.as_object().ok_or_else(|| format!("{path}: $or is a list of patterns"))?;
                    fields(members, &path, depth + 1)
                });
                read.one_of.push(alternatives.collect::<Result<_, _>>()?);
            }
            Value::Array(items) if items.is_empty() => {
                return Err(format!("{path}: a list of values may not be empty"));
            }
            Value::Array(items) => {
                let tests = items.iter().map(|item| test(item, &path)).collect::<Result<_, _>>()?;
                read.fields.push((name.clone(), Field::Tests(tests)));
            }
            Value::Object(members) if members.is_empty() => return Err(format!("{path}: an object may not be empty")),
            Value::Object(members) => {
                read.fields.push((name.clone(), Field::Inside(fields(members, &path, depth + 1)?)));
            }
            _ => return Err(format!("{path}: a value stands in a list, as in [\"value\"]")),
        }
    }
    Ok(read)
}

fn test(item: &Value, path: &str) -> Result<Test, String> {
    let Value::Object(members) = item else {
        return match item {
            Value::Array(_) => Err(format!("{path}: a list stands in no other list")),
            scalar => Ok(Test::Is(scalar.clone())),
        };
    };
    let (Some((name, operand)), 1) = (members.iter().next(), members.len()) else {
        return Err(format!("{path}: a comparison is an object with one member"));
    };
    let path = &format!("{path}.{name}");
    match name.as_str() {
        "exists" => operand.as_bool().map(Test::Exists).ok_or_else(|| format!("{path}: it is true or false")),
        "numeric" => numeric(operand, path).map(Test::Numeric),
        "cidr" => cidr(operand, path),
        "anything-but" => anything_but(operand, path).map(Test::Not),
        _ => text_test(name, operand, path).map(Test::Text),
    }
}

fn text_test(name: &str, operand: &Value, path: &str) -> Result<Text, String> {
    let like = match name {
        "prefix" => Like::Prefix,
        "suffix" => Like::Suffix,
        "wildcard" => Like::Wildcard,
        "equals-ignore-case" => Like::Whole,
        _ => {
            return Err(format!(
                "{path}: there is no such comparison; there are prefix, suffix, equals-ignore-case, wildcard, \
                 anything-but, numeric, exists, cidr"
            ));
        }
    };
    let folded_inside = operand.get("equals-ignore-case").filter(|_| matches!(like, Like::Prefix | Like::Suffix));
    let folded = folded_inside.is_some() || like == Like::Whole;
    let text = folded_inside.unwrap_or(operand).as_str().ok_or_else(|| format!("{path}: it takes a string"))?;
    if like == Like::Wildcard && text.contains("**") {
        return Err(format!("{path}: one * after another means nothing more"));
    }
    Ok(Text { like, folded, text: if folded { text.to_lowercase() } else { text.to_owned() } })
}

fn anything_but(operand: &Value, path: &str) -> Result<Vec<Test>, String> {
    match operand {
        Value::Array(items) if items.is_empty() => Err(format!("{path}: a list of values may not be empty")),
        Value::Array(items) if items.iter().all(|item| item.is_string() || item.is_number()) => {
            Ok(items.iter().cloned().map(Test::Is).collect())
        }
        Value::String(_) | Value::Number(_) => Ok(vec![Test::Is(operand.clone())]),
        Value::Object(members) if members.len() == 1 => {
            let (name, operand) = members.iter().next().expect("it has one");
            let path = &format!("{path}.{name}");
            let one_or_more = operand.as_array().map_or(std::slice::from_ref(operand), Vec::as_slice);
            one_or_more.iter().map(|operand| text_test(name, operand, path).map(Test::Text)).collect()
        }
        _ => Err(format!("{path}: it takes a string, a number, a list of them, or one comparison of strings")),
    }
}

fn numeric(operand: &Value, path: &str) -> Result<Vec<(Order, f64)>, String> {
    let wrong = || format!("{path}: it is [operator, number] or [operator, number, operator, number]");
    let items = operand.as_array().filter(|items| matches!(items.len(), 2 | 4)).ok_or_else(wrong)?;
    items
        .chunks(2)
        .map(|pair| {
            let order = match pair[0].as_str() {
                Some("=") => Order::Equal,
                Some("<") => Order::Less,
                Some("<=") => Order::LessOrEqual,
                Some(">") => Order::Greater,
                Some(">=") => Order::GreaterOrEqual,
                _ => return Err(wrong()),
            };
            Ok((order, pair[1].as_f64().ok_or_else(wrong)?))
        })
        .collect()
}

fn cidr(operand: &Value, path: &str) -> Result<Test, String> {
    let wrong = || format!("{path}: it is an address block, as 10.0.0.0/24");
    let (address, bits) = operand.as_str().and_then(|text| text.split_once('/')).ok_or_else(wrong)?;
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits: u8 = bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?;
    Ok(Test::Cidr(address, bits))
}

impl Fields {
    fn match_in(&self, event: &Value) -> bool {
        let all = self.fields.iter().all(|(name, field)| match field {
            Field::Inside(inside) => match event.get(name) {
                // A list of objects matches if one of them does.
                Some(Value::Array(items)) => items.iter().any(|item| inside.match_in(item)),
                Some(value) => inside.match_in(value),
                None => inside.match_in(&Value::Null),
            },
            Field::Tests(tests) => tests.iter().any(|test| test.match_field(event.get(name))),
        });
        all && self.one_of.iter().all(|alternatives| alternatives.iter().any(|fields| fields.match_in(event)))
    }
}

impl Test {
    /// Of a list in the event one element must match; what is excluded must not be in it.
    fn match_field(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Test::Exists(wanted), value) => *wanted == value.is_some_and(|value| !value.is_object()),
            (_, None) => false,
            (Test::Not(tests), Some(Value::Array(items))) => {
                items.iter().any(|item| !tests.iter().any(|test| test.match_one(item)))
            }
            (test, Some(Value::Array(items))) => items.iter().any(|item| test.match_one(item)),
            (test, Some(value)) => test.match_one(value),
        }
    }

    fn match_one(&self, value: &Value) -> bool {
        match self {
            Test::Is(wanted) => match (wanted.as_f64(), value.as_f64()) {
                (Some(wanted), Some(value)) => wanted == value,
                _ => wanted == value,
            },
            Test::Text(text) => value.as_str().is_some_and(|value| text.matches(value)),
            Test::Numeric(bounds) => {
                value.as_f64().is_some_and(|value| bounds.iter().all(|(order, bound)| order.holds(value, *bound)))
            }
            Test::Exists(wanted) => *wanted,
            Test::Cidr(network, bits) => {
                let address = value.as_str().and_then(|text| text.parse().ok());
                address.is_some_and(|address| is_in(*network, *bits, address))
            }
            Test::Not(tests) => !tests.iter().any(|test| test.match_one(value)),
        }
    }
}

impl Text {
    fn matches(&self, value: &str) -> bool {
        let folded = self.folded.then(|| value.to_lowercase());
        let value = folded.as_deref().unwrap_or(value);
        match self.like {
            Like::Whole => value == self.text,
            Like::Prefix => value.starts_with(&self.text),
            Like::Suffix => value.ends_with(&self.text),
            Like::Wildcard => wild(&tokens(&self.text), value),
        }
    }
}

impl Order {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Order::Equal => value == bound,
            Order::Less => value < bound,
            Order::LessOrEqual => value <= bound,
            Order::Greater => value > bound,
            Order::GreaterOrEqual => value >= bound,
        }
    }
}

/// The pieces between stars; `\*` and `\\` are themselves.
fn tokens(pattern: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => pieces.push(String::new()),
            '\\' => pieces.last_mut().expect("there is one").extend(letters.next()),
            other => pieces.last_mut().expect("there is one").push(other),
        }
    }
    pieces
}

/// Each piece at its earliest place, the last one at the end: what fits at all fits so.
fn wild(pieces: &[String], value: &str) -> bool {
    let [first, middle @ .., last] = pieces else { return pieces[0] == value };
    let Some(mut rest) = value.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        match rest.find(piece.as_str()) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

fn is_in(network: std::net::IpAddr, bits: u8, address: std::net::IpAddr) -> bool {
    use std::net::IpAddr::{V4, V6};
    let shift = |width: u8| u32::from(width - bits);
    match (network, address) {
        (V4(network), V4(address)) => (network.to_bits() ^ address.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0,
        (V6(network), V6(address)) => (network.to_bits() ^ address.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(pattern: Value, event: Value, expect: bool) {
        let read = Pattern::parse(&pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
        assert_eq!(read.matches(&event), expect, "{pattern} and {event}");
    }

    #[test]
    fn fields() {
        let event = json!({ "source": "aws.states", "detail": { "status": "FAILED", "n": 5, "tags": ["a", "b"], "none": null } });
        for (pattern, expect) in [
            (json!({ "source": ["aws.states"] }), true),
            (json!({ "source": ["aws.s3", "aws.states"] }), true),
            (json!({ "source": ["aws.s3"] }), false),
            (json!({ "source": ["aws.states"], "detail": { "status": ["SUCCEEDED"] } }), false),
            (json!({ "detail": { "status": ["FAILED"], "n": [5] } }), true),
            (json!({ "detail": { "n": [5.0] } }), true),
            (json!({ "detail": { "n": ["5"] } }), false),
            (json!({ "detail": { "tags": ["b"] } }), true),
            (json!({ "detail": { "tags": ["c"] } }), false),
            (json!({ "detail": { "none": [null] } }), true),
            (json!({ "detail": { "other": [null] } }), false),
            (json!({ "detail": { "other": ["x"] } }), false),
            (json!({ "$or": [{ "source": ["x"] }, { "detail": { "n": [5] } }] }), true),
            (json!({ "$or": [{ "source": ["x"] }, { "detail": { "n": [6] } }] }), false),
            (json!({ "source": ["aws.states"], "$or": [{ "source": ["x"] }, { "detail": { "n": [6] } }] }), false),
        ] {
            check(pattern, event.clone(), expect);
        }
        check(json!({ "a": { "b": [1] } }), json!({ "a": [{ "b": 2 }, { "b": 1 }] }), true);
    }

    #[test]
    fn comparisons() {
        for (test, value, expect) in [
            (json!({ "prefix": "ab" }), json!("abc"), true),
            (json!({ "prefix": "ab" }), json!("cab"), false),
            (json!({ "prefix": { "equals-ignore-case": "AB" } }), json!("aBc"), true),
            (json!({ "suffix": ".png" }), json!("x.png"), true),
            (json!({ "suffix": ".png" }), json!(5), false),
            (json!({ "equals-ignore-case": "Trip" }), json!("tRIP"), true),
            (json!({ "wildcard": "a*c" }), json!("abbc"), true),
            (json!({ "wildcard": "a*c" }), json!("abbcd"), false),
            (json!({ "wildcard": "*b*" }), json!("abc"), true),
            (json!({ "wildcard": "a*bc*c" }), json!("abc"), false),
            (json!({ "wildcard": "a\\*c" }), json!("a*c"), true),
            (json!({ "wildcard": "a\\*c" }), json!("abc"), false),
            (json!({ "numeric": [">", 5] }), json!(6), true),
            (json!({ "numeric": [">", 5, "<=", 7] }), json!(7), true),
            (json!({ "numeric": [">", 5, "<=", 7] }), json!(7.5), false),
            (json!({ "numeric": ["=", 5] }), json!("5"), false),
            (json!({ "anything-but": "a" }), json!("b"), true),
            (json!({ "anything-but": ["a", "b"] }), json!("b"), false),
            (json!({ "anything-but": [1, 2] }), json!(3), true),
            (json!({ "anything-but": { "prefix": "a" } }), json!("ab"), false),
            (json!({ "anything-but": { "suffix": ["x", "y"] } }), json!("ay"), false),
            (json!({ "anything-but": { "wildcard": "*x*" } }), json!("ayz"), true),
            (json!({ "anything-but": { "equals-ignore-case": ["A"] } }), json!("a"), false),
            (json!({ "exists": true }), json!(null), true),
            (json!({ "exists": true }), json!({ "b": 1 }), false),
            (json!({ "exists": false }), json!(1), false),
            (json!({ "cidr": "10.0.0.0/24" }), json!("10.0.0.255"), true),
            (json!({ "cidr": "10.0.0.0/24" }), json!("10.0.1.0"), false),
            (json!({ "cidr": "0.0.0.0/0" }), json!("1.2.3.4"), true),
            (json!({ "cidr": "2001:db8::/32" }), json!("2001:db8::1"), true),
            (json!({ "cidr": "2001:db8::/32" }), json!("10.0.0.1"), false),
        ] {
            check(json!({ "a": [test] }), json!({ "a": value }), expect);
        }
        check(json!({ "a": [{ "exists": false }] }), json!({}), true);
        check(json!({ "a": { "b": [{ "exists": false }] } }), json!({ "c": 1 }), true);
        check(json!({ "a": [{ "anything-but": "x" }] }), json!({}), false);
    }

    #[test]
    fn what_is_no_pattern() {
        let deep = (0..100).fold(json!({ "a": [1] }), |inner, _| json!({ "a": inner }));
        for (pattern, expect) in [
            (json!("x"), "a pattern is an object"),
            (json!({}), "at least one field"),
            (json!({ "a": "x" }), "a: a value stands in a list"),
            (json!({ "a": [] }), "a: a list of values may not be empty"),
            (json!({ "a": { "b": {} } }), "a.b: an object may not be empty"),
            (json!({ "a": [{ "like": "x" }] }), "a.like: there is no such comparison"),
            (json!({ "a": [{ "prefix": 5 }] }), "a.prefix: it takes a string"),
            (json!({ "a": [{ "prefix": "x", "suffix": "y" }] }), "a: a comparison is an object with one member"),
            (json!({ "a": [{ "numeric": [5] }] }), "a.numeric: it is [operator, number]"),
            (json!({ "a": [{ "numeric": ["!", 5] }] }), "a.numeric: it is [operator, number]"),
            (json!({ "a": [{ "exists": "yes" }] }), "a.exists: it is true or false"),
            (json!({ "a": [{ "anything-but": [] }] }), "a.anything-but: a list"),
            (json!({ "a": [{ "cidr": "10.0.0.0/33" }] }), "a.cidr: it is an address block"),
            (json!({ "a": [{ "wildcard": "a**b" }] }), "a.wildcard: one * after another"),
            (deep, "a pattern has 64 levels at most"),
        ] {
            let why = Pattern::parse(&pattern).unwrap_err();
            assert!(why.contains(expect), "{why}");
        }
    }
}

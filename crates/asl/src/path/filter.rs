//! Filters: `[?(@.age >= 5 && @.species == 'cat')]`, with the operators and the comparisons of the JSONPath
//! library that AWS uses.
//!
//! A number equals a string that spells it (`==`; `===` is strict). What a path does not find equals nothing, so
//! `!=` holds for it. `=~` must match the whole text. Regular expressions are matched in linear time, so
//! look-around and back-references of Java's are not understood.

use std::borrow::Cow;
use std::cmp::Ordering;

use regex_lite::{Regex, RegexBuilder};
use serde_json::{Number, Value};

use super::parse::Parser;
use super::{Miss, MissKind, Path, PathError, Root, Work};
use crate::{jvm, number};

/// Ours: nobody writes longer ones by hand, and matching costs pattern times text.
const PATTERN_BYTES_MAX: usize = 1_000;

#[derive(Clone, Debug)]
pub(super) enum Filter {
    Or(Vec<Filter>),
    And(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Path),
    Compare { left: Operand, operator: Operator, right: Operand },
}

#[derive(Clone, Debug)]
pub(super) enum Operand {
    Path(Path),
    Literal(Value),
    Pattern(Regex),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Same,
    NotSame,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    SubsetOf,
    AnyOf,
    NoneOf,
    All,
    Size,
    Empty,
}

/// Longer signs stand before their beginnings.
const SIGNS: [(&str, Operator); 9] = [
    ("===", Operator::Same),
    ("!==", Operator::NotSame),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("=~", Operator::Matches),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

const WORDS: [(&str, Operator); 9] = [
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("contains", Operator::Contains),
    ("subsetof", Operator::SubsetOf),
    ("anyof", Operator::AnyOf),
    ("noneof", Operator::NoneOf),
    ("all", Operator::All),
    ("size", Operator::Size),
    ("empty", Operator::Empty),
];

impl Filter {
    /// From `(` to its `)`.
    pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Filter, PathError> {
        parser.nested(|parser| {
            parser.skip(1);
            let filter = any(parser)?;
            parser.skip_blanks();
            if !parser.take(b')') {
                return Err(parser.error("expected '&&', '||' or ')' in the filter"));
            }
            Ok(filter)
        })
    }

    /// Does `@` = `current` pass? `root` is `$`.
    pub(super) fn accepts(&self, current: &Value, root: &Value, work: &Work) -> Result<bool, Miss> {
        work.spend(1)?;
        match self {
            Filter::Or(parts) => {
                for part in parts {
                    if part.accepts(current, root, work)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::And(parts) => {
                for part in parts {
                    if !part.accepts(current, root, work)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Not(part) => part.accepts(current, root, work).map(|accepted| !accepted),
            Filter::Exists(path) => Ok(match find(path, current, root, work)? {
                Some(value) => path.is_definite() || value.as_array().is_some_and(|found| !found.is_empty()),
                None => false,
            }),
            Filter::Compare { left, operator, right } => {
                let left = left.value(current, root, work)?;
                let right = right.value(current, root, work)?;
                work.spend(operator.cost(left.weight(), right.weight()))?;
                Ok(operator.holds(&left, &right))
            }
        }
    }
}

fn any(parser: &mut Parser<'_>) -> Result<Filter, PathError> {
    chain(parser, "||", Filter::Or, |parser| chain(parser, "&&", Filter::And, single))
}

fn chain(
    parser: &mut Parser<'_>,
    sign: &str,
    join: fn(Vec<Filter>) -> Filter,
    part: fn(&mut Parser<'_>) -> Result<Filter, PathError>,
) -> Result<Filter, PathError> {
    let first = part(parser)?;
    let mut parts = vec![first];
    loop {
        parser.skip_blanks();
        if !parser.rest().starts_with(sign) {
            break;
        }
        parser.skip(sign.len());
        parts.push(part(parser)?);
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { join(parts) })
}

fn single(parser: &mut Parser<'_>) -> Result<Filter, PathError> {
    parser.skip_blanks();
    match parser.peek() {
        Some(b'!') => {
            parser.skip(1);
            let filter = parser.nested(single)?;
            Ok(Filter::Not(Box::new(filter)))
        }
        Some(b'(') => Filter::parse(parser),
        _ => comparison(parser),
    }
}

fn comparison(parser: &mut Parser<'_>) -> Result<Filter, PathError> {
    let left = operand(parser)?;
    parser.skip_blanks();
    let Some(operator) = operator(parser) else {
        return match left {
            Operand::Path(path) => Ok(Filter::Exists(path)),
            _ => Err(parser.error("expected an operator")),
        };
    };
    parser.skip_blanks();
    let right = operand(parser)?;
    Ok(Filter::Compare { left, operator, right })
}

fn operator(parser: &mut Parser<'_>) -> Option<Operator> {
    let rest = parser.rest();
    if let Some((sign, operator)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        parser.skip(sign.len());
        return Some(*operator);
    }
    let len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (word, operator) = WORDS.iter().find(|(word, _)| rest[..len].eq_ignore_ascii_case(word))?;
    parser.skip(word.len());
    Some(*operator)
}

fn operand(parser: &mut Parser<'_>) -> Result<Operand, PathError> {
    match parser.peek() {
        Some(b'@') => {
            parser.skip(1);
            parser.steps(Root::Current).map(Operand::Path)
        }
        Some(b'$') => {
            parser.skip(1);
            if parser.peek() == Some(b'$') {
                return Err(parser.error("the context object cannot be named in a filter"));
            }
            parser.steps(Root::Input).map(Operand::Path)
        }
        Some(b'/') => pattern(parser).map(Operand::Pattern),
        _ => literal(parser).map(Operand::Literal),
    }
}

fn literal(parser: &mut Parser<'_>) -> Result<Value, PathError> {
    match parser.peek() {
        Some(b'\'' | b'"') => parser.quoted().map(Value::String),
        Some(b'[') => parser.nested(list),
        Some(b'{') => object(parser),
        _ => scalar(parser),
    }
}

fn list(parser: &mut Parser<'_>) -> Result<Value, PathError> {
    parser.skip(1);
    let mut items = Vec::new();
    parser.skip_blanks();
    if parser.take(b']') {
        return Ok(Value::Array(items));
    }
    loop {
        parser.skip_blanks();
        items.push(literal(parser)?);
        parser.skip_blanks();
        if parser.take(b']') {
            return Ok(Value::Array(items));
        }
        if !parser.take(b',') {
            return Err(parser.error("expected ',' or ']' in the list"));
        }
    }
}

fn object(parser: &mut Parser<'_>) -> Result<Value, PathError> {
    let mut values = serde_json::Deserializer::from_str(parser.rest()).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => {
            parser.skip(values.byte_offset());
            Ok(value)
        }
        _ => Err(parser.error("expected a JSON object")),
    }
}

/// A number, `true`, `false`, `null`, or a text without quotes: published definitions that run on AWS leave them
/// out (`[?(@.Name==Receipt)]`).
fn scalar(parser: &mut Parser<'_>) -> Result<Value, PathError> {
    let rest = parser.rest();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
    let word = &rest[..rest.bytes().take_while(|byte| is_part(byte)).count()];
    let value = match serde_json::from_str::<Value>(word) {
        Ok(value) => value,
        Err(_) if word.starts_with(|first: char| first.is_ascii_alphabetic()) => Value::from(word),
        Err(_) => return Err(parser.error("expected '@', '$', a text, a number, true, false, null or a list")),
    };
    parser.skip(word.len());
    Ok(value)
}

fn pattern(parser: &mut Parser<'_>) -> Result<Regex, PathError> {
    let body = &parser.rest()[1..];
    let mut escaped = false;
    let end = body.bytes().position(|byte| {
        let closes = byte == b'/' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    let Some(end) = end.filter(|end| *end <= PATTERN_BYTES_MAX) else {
        return Err(parser.error(format!("the pattern has no closing '/' within {PATTERN_BYTES_MAX} bytes")));
    };
    let flags = &body[end + 1..];
    let flags = &flags[..flags.bytes().take_while(u8::is_ascii_alphabetic).count()];
    let has = |flag| flags.contains(flag);
    let regex = RegexBuilder::new(&format!("\\A(?:{})\\z", &body[..end]))
        .case_insensitive(has('i'))
        .multi_line(has('m'))
        .dot_matches_new_line(has('s'))
        .ignore_whitespace(has('x'))
        .build()
        .map_err(|error| parser.error(format!("the pattern is not understood: {error}")))?;
    parser.skip(1 + end + 1 + flags.len());
    Ok(regex)
}

/// What an operand stands for.
enum Term<'v> {
    Missing,
    Value(Cow<'v, Value>),
    Pattern(&'v Regex),
}

impl Operand {
    fn value<'v>(&'v self, current: &'v Value, root: &'v Value, work: &Work) -> Result<Term<'v>, Miss> {
        Ok(match self {
            Operand::Path(path) => find(path, current, root, work)?.map_or(Term::Missing, Term::Value),
            Operand::Literal(value) => Term::Value(Cow::Borrowed(value)),
            Operand::Pattern(regex) => Term::Pattern(regex),
        })
    }
}

fn find<'v>(path: &Path, current: &'v Value, root: &'v Value, work: &Work) -> Result<Option<Cow<'v, Value>>, Miss> {
    let start = if path.root == Root::Current { current } else { root };
    match path.find_from(start, root, work) {
        Ok(value) => Ok(Some(value)),
        Err(miss) if miss.kind == MissKind::TooMuchWork => Err(miss),
        Err(_) => Ok(None),
    }
}

impl Term<'_> {
    fn json(&self) -> Option<&Value> {
        match self {
            Term::Value(value) => Some(value),
            Term::Missing | Term::Pattern(_) => None,
        }
    }

    fn weight(&self) -> u64 {
        self.json().map_or(0, super::weight)
    }
}

impl Operator {
    /// Operators on two lists compare every item with every other.
    fn cost(self, left: u64, right: u64) -> u64 {
        match self {
            Operator::SubsetOf | Operator::AnyOf | Operator::NoneOf | Operator::All => left.saturating_mul(right),
            _ => left.saturating_add(right),
        }
    }

    fn holds(self, left: &Term<'_>, right: &Term<'_>) -> bool {
        match self {
            Operator::Equal => equal(left, right),
            Operator::NotEqual => !equal(left, right),
            Operator::Same => same(left, right),
            Operator::NotSame => !same(left, right),
            Operator::Less => order(left, right).is_some_and(Ordering::is_lt),
            Operator::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
            Operator::Greater => order(left, right).is_some_and(Ordering::is_gt),
            Operator::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
            Operator::Matches => matches(left, right),
            Operator::In => within(left, right),
            Operator::NotIn => !within(left, right),
            Operator::Contains => contains(left, right),
            Operator::SubsetOf => lists(left, right).is_some_and(|(left, right)| every(left, right)),
            Operator::AnyOf => lists(left, right).is_some_and(|(left, right)| some(left, right)),
            Operator::NoneOf => lists(left, right).is_some_and(|(left, right)| !some(left, right)),
            Operator::All => lists(left, right).is_some_and(|(left, right)| every(right, left)),
            Operator::Size => size(left).is_some_and(|size| right.json().and_then(Value::as_u64) == Some(size)),
            Operator::Empty => empty(left).is_some_and(|empty| right.json().and_then(Value::as_bool) == Some(empty)),
        }
    }
}

fn equal(left: &Term<'_>, right: &Term<'_>) -> bool {
    matches!((left.json(), right.json()), (Some(left), Some(right)) if equal_values(left, right))
}

fn equal_values(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => number::compare(left, right).is_eq(),
        (Value::Number(left), Value::String(right)) => {
            right.parse::<Number>().is_ok_and(|right| number::compare(left, &right).is_eq())
        }
        (Value::String(left), Value::Number(_)) => *left == jvm::text(right),
        _ => left == right,
    }
}

fn same(left: &Term<'_>, right: &Term<'_>) -> bool {
    let kinds = left.json().zip(right.json());
    kinds.is_some_and(|(left, right)| left.is_number() == right.is_number()) && equal(left, right)
}

fn order(left: &Term<'_>, right: &Term<'_>) -> Option<Ordering> {
    Some(match (left.json()?, right.json()?) {
        (Value::Number(left), Value::Number(right)) => number::compare(left, right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::String(left), right @ Value::Number(_)) => left.cmp(&jvm::text(right)),
        (left @ Value::Number(_), Value::String(right)) => jvm::text(left).cmp(right),
        _ => return None,
    })
}

fn matches(left: &Term<'_>, right: &Term<'_>) -> bool {
    let (regex, value) = match (left, right) {
        (Term::Pattern(regex), Term::Value(value)) | (Term::Value(value), Term::Pattern(regex)) => (regex, value),
        _ => return false,
    };
    match &**value {
        Value::Array(items) => items.iter().any(|item| regex.is_match(&matched_text(item))),
        value => regex.is_match(&matched_text(value)),
    }
}

fn matched_text(value: &Value) -> String {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => jvm::text(value),
        _ => String::new(),
    }
}

fn within(left: &Term<'_>, right: &Term<'_>) -> bool {
    let list = right.json().and_then(Value::as_array);
    list.zip(left.json()).is_some_and(|(list, value)| has(list, value))
}

fn contains(left: &Term<'_>, right: &Term<'_>) -> bool {
    match (left.json(), right.json()) {
        (Some(Value::String(text)), Some(Value::String(part))) => text.contains(&**part),
        (Some(Value::Array(list)), Some(value)) => has(list, value),
        _ => false,
    }
}

fn lists<'t>(left: &'t Term<'_>, right: &'t Term<'_>) -> Option<(&'t [Value], &'t [Value])> {
    Some((left.json()?.as_array()?, right.json()?.as_array()?))
}

fn every(values: &[Value], list: &[Value]) -> bool {
    values.iter().all(|value| has(list, value))
}

fn some(values: &[Value], list: &[Value]) -> bool {
    values.iter().any(|value| has(list, value))
}

fn has(list: &[Value], value: &Value) -> bool {
    list.iter().any(|item| equal_values(item, value))
}

fn size(term: &Term<'_>) -> Option<u64> {
    match term.json()? {
        Value::String(text) => Some(text.encode_utf16().count() as u64),
        Value::Array(items) => Some(items.len() as u64),
        _ => None,
    }
}

fn empty(term: &Term<'_>) -> Option<bool> {
    match term.json()? {
        Value::String(text) => Some(text.is_empty()),
        Value::Array(items) => Some(items.is_empty()),
        Value::Object(members) => Some(members.is_empty()),
        _ => None,
    }
}

//! The conditions of a Choice state: 39 operators, their combination by `And`, `Or` and `Not`.
//!
//! A rule whose value is of another type than its operator does not hold; a rule whose path finds nothing fails
//! the execution, except `IsPresent`. Strings compare by their UTF-8 bytes, numbers by value, moments to the
//! nanosecond.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use crate::diagnostic::{Diagnostic, Severity};
use crate::number;
use crate::path::{MissKind, Path, Work};
use crate::scope::{EvalError, Scope};
use crate::timestamp::{self, Moment};

mod pattern;

use pattern::Pattern;

/// Ours: `And`, `Or` and `Not` inside one another; evaluation recurses once for each.
const NESTING_MAX: usize = 100;

/// A parsed rule, without its `Next`.
#[derive(Clone, Debug)]
pub enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Test(Test),
}

/// One comparison of one value.
#[derive(Clone, Debug)]
pub struct Test {
    variable: Path,
    check: Check,
}

impl Condition {
    /// `pointer` is the JSON pointer of the rule. A `nested` rule stands inside `And`, `Or` or `Not` and has no
    /// `Next`; that a top rule has one is the caller's to check. None when there was an error.
    pub fn parse(value: &Value, pointer: &str, diagnostics: &mut Vec<Diagnostic>, nested: bool) -> Option<Condition> {
        let mut reader = Reader { diagnostics, depth: 0 };
        reader.rule(value, pointer, nested)
    }

    /// The paths of the variables and values that are compared.
    pub(crate) fn paths<'c>(&'c self, each: &mut impl FnMut(&'c Path)) {
        match self {
            Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|part| part.paths(each)),
            Condition::Not(inner) => inner.paths(each),
            Condition::Test(test) => {
                each(&test.variable);
                if let Check::Compare { with: Operand::Path(path), .. } = &test.check {
                    each(path);
                }
            }
        }
    }

    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        match self {
            Condition::Test(test) => test.holds(scope),
            Condition::Not(inner) => inner.evaluate(scope).map(|holds| !holds),
            Condition::And(parts) => {
                for part in parts {
                    if !part.evaluate(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Or(parts) => {
                for part in parts {
                    if part.evaluate(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Check {
    Compare { kind: Kind, relation: Relation, with: Operand },
    Matches(Pattern),
    Is { what: Property, expected: bool },
    IsPresent(bool),
}

#[derive(Clone, Debug)]
enum Operand {
    String(String),
    Number(Number),
    Boolean(bool),
    Moment(Moment),
    Path(Path),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    String,
    Numeric,
    Boolean,
    Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equals,
    LessThan,
    GreaterThan,
    LessThanEquals,
    GreaterThanEquals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    Null,
    Numeric,
    String,
    Boolean,
    Timestamp,
}

/// Comparisons; each has a twin with `Path` behind its name.
const COMPARISONS: [(&str, Kind, Relation); 16] = [
    ("StringEquals", Kind::String, Relation::Equals),
    ("StringLessThan", Kind::String, Relation::LessThan),
    ("StringGreaterThan", Kind::String, Relation::GreaterThan),
    ("StringLessThanEquals", Kind::String, Relation::LessThanEquals),
    ("StringGreaterThanEquals", Kind::String, Relation::GreaterThanEquals),
    ("NumericEquals", Kind::Numeric, Relation::Equals),
    ("NumericLessThan", Kind::Numeric, Relation::LessThan),
    ("NumericGreaterThan", Kind::Numeric, Relation::GreaterThan),
    ("NumericLessThanEquals", Kind::Numeric, Relation::LessThanEquals),
    ("NumericGreaterThanEquals", Kind::Numeric, Relation::GreaterThanEquals),
    ("BooleanEquals", Kind::Boolean, Relation::Equals),
    ("TimestampEquals", Kind::Timestamp, Relation::Equals),
    ("TimestampLessThan", Kind::Timestamp, Relation::LessThan),
    ("TimestampGreaterThan", Kind::Timestamp, Relation::GreaterThan),
    ("TimestampLessThanEquals", Kind::Timestamp, Relation::LessThanEquals),
    ("TimestampGreaterThanEquals", Kind::Timestamp, Relation::GreaterThanEquals),
];

const PROPERTIES: [(&str, Property); 5] = [
    ("IsNull", Property::Null),
    ("IsNumeric", Property::Numeric),
    ("IsString", Property::String),
    ("IsBoolean", Property::Boolean),
    ("IsTimestamp", Property::Timestamp),
];

impl Test {
    fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        if let Check::IsPresent(expected) = self.check {
            return self.is_present(scope).map(|present| present == expected);
        }
        let value = find(&self.variable, scope)?;
        Ok(match &self.check {
            Check::Compare { kind, relation, with } => {
                let ordering = match with {
                    Operand::Path(path) => {
                        let other = find(path, scope)?;
                        kind.compare_values(&value, &other)
                    }
                    fixed => fixed.compare_with(&value),
                };
                ordering.is_some_and(|ordering| relation.holds(ordering))
            }
            Check::Matches(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
            Check::Is { what, expected } => what.holds(&value) == *expected,
            Check::IsPresent(expected) => *expected,
        })
    }

    fn is_present(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        match self.variable.find_in(scope, &Work::new()) {
            Ok(_) => Ok(true),
            Err(miss) if miss.kind == MissKind::TooMuchWork => Err(EvalError::runtime(miss.reason)),
            Err(_) => Ok(false),
        }
    }
}

fn find<'s>(path: &Path, scope: &'s Scope<'_>) -> Result<std::borrow::Cow<'s, Value>, EvalError> {
    path.find_in(scope, &Work::new()).map_err(|miss| match miss.kind {
        MissKind::TooMuchWork => EvalError::runtime(format!("Invalid path '{}': {}", path.text(), miss.reason)),
        _ => EvalError::runtime(format!(
            "Invalid path '{}': The choice state's condition path references an invalid value.",
            path.text()
        )),
    })
}

impl Operand {
    /// The value's order to this fixed operand; none when it is of another type.
    fn compare_with(&self, value: &Value) -> Option<Ordering> {
        match self {
            Operand::String(text) => value.as_str().map(|value| value.cmp(text)),
            Operand::Number(fixed) => value.as_number().map(|value| number::compare(value, fixed)),
            Operand::Boolean(fixed) => value.as_bool().map(|value| value.cmp(fixed)),
            Operand::Moment(fixed) => timestamp::moment(value.as_str()?).map(|value| value.cmp(fixed)),
            Operand::Path(_) => None,
        }
    }
}

impl Kind {
    fn compare_values(self, left: &Value, right: &Value) -> Option<Ordering> {
        match self {
            Kind::String => Some(left.as_str()?.cmp(right.as_str()?)),
            Kind::Numeric => Some(number::compare(left.as_number()?, right.as_number()?)),
            Kind::Boolean => Some(left.as_bool()?.cmp(&right.as_bool()?)),
            Kind::Timestamp => Some(timestamp::moment(left.as_str()?)?.cmp(&timestamp::moment(right.as_str()?)?)),
        }
    }

    /// The fixed value of an operator, or what it should have been.
    fn operand(self, value: &Value) -> Result<Operand, &'static str> {
        match self {
            Kind::String => {
                let text = value.as_str().ok_or("Expected value of type String")?;
                Ok(Operand::String(text.to_owned()))
            }
            Kind::Numeric => value.as_number().cloned().map(Operand::Number).ok_or("Expected value of type Number"),
            Kind::Boolean => value.as_bool().map(Operand::Boolean).ok_or("Expected value of type Boolean"),
            Kind::Timestamp => {
                let moment = value.as_str().and_then(timestamp::moment);
                moment.map(Operand::Moment).ok_or("String does not match RFC3339 timestamp")
            }
        }
    }
}

impl Relation {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Relation::Equals => ordering.is_eq(),
            Relation::LessThan => ordering.is_lt(),
            Relation::GreaterThan => ordering.is_gt(),
            Relation::LessThanEquals => ordering.is_le(),
            Relation::GreaterThanEquals => ordering.is_ge(),
        }
    }
}

impl Property {
    fn holds(self, value: &Value) -> bool {
        match self {
            Property::Null => value.is_null(),
            Property::Numeric => value.is_number(),
            Property::String => value.is_string(),
            Property::Boolean => value.is_boolean(),
            Property::Timestamp => value.as_str().is_some_and(|text| timestamp::moment(text).is_some()),
        }
    }
}

/// Members of a rule that say nothing about when it holds.
const OTHER_MEMBERS: [&str; 3] = ["Variable", "Comment", "Assign"];

struct Reader<'d> {
    diagnostics: &'d mut Vec<Diagnostic>,
    depth: usize,
}

impl Reader<'_> {
    fn rule(&mut self, value: &Value, pointer: &str, nested: bool) -> Option<Condition> {
        let Value::Object(rule) = value else {
            return self.refuse(pointer, "Expected value of type Object", "a choice rule is an object");
        };
        let says_when = |name: &str| !OTHER_MEMBERS.contains(&name) && (nested || name != "Next");
        let operators: Vec<(&String, &Value)> = rule.iter().filter(|(name, _)| says_when(name)).collect();
        match operators[..] {
            [(name, value)] => self.operator(rule, name, value, pointer),
            [] => self.refuse(
                pointer,
                "A choice rule must have one comparison operator or one of And, Or, Not",
                "add an operator, for instance \"StringEquals\": \"yes\"",
            ),
            [..] => {
                for (name, _) in &operators {
                    if !is_operator(name) {
                        self.unsupported(pointer, name);
                    }
                }
                let known = operators.iter().filter(|(name, _)| is_operator(name)).count();
                if known > 1 {
                    self.report(
                        pointer,
                        "A choice rule must have only one comparison operator",
                        "combine several comparisons with And or Or",
                    );
                }
                None
            }
        }
    }

    fn operator(&mut self, rule: &Map<String, Value>, name: &str, value: &Value, pointer: &str) -> Option<Condition> {
        let at = format!("{pointer}/{name}");
        match name {
            "And" => self.several(value, &at).map(Condition::And),
            "Or" => self.several(value, &at).map(Condition::Or),
            "Not" => {
                let inner = self.deeper(&at, |reader| reader.rule(value, &at, true))?;
                Some(Condition::Not(Box::new(inner)))
            }
            _ if !is_operator(name) => {
                self.unsupported(pointer, name);
                None
            }
            _ => {
                let variable = self.variable(rule, pointer);
                let check = self.check(name, value, &at);
                Some(Condition::Test(Test { variable: variable?, check: check? }))
            }
        }
    }

    fn several(&mut self, value: &Value, at: &str) -> Option<Vec<Condition>> {
        let Some(rules) = value.as_array().filter(|rules| !rules.is_empty()) else {
            return self.refuse(at, "Expected a non-empty array of choice rules", "list the rules to combine");
        };
        self.deeper(at, |reader| {
            let parsed: Vec<Option<Condition>> = rules
                .iter()
                .enumerate()
                .map(|(index, rule)| reader.rule(rule, &format!("{at}/{index}"), true))
                .collect();
            parsed.into_iter().collect()
        })
    }

    fn deeper<T>(&mut self, at: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth == NESTING_MAX {
            let message = format!("Choice rules nest at most {NESTING_MAX} deep");
            return self.refuse(at, message, "split the choice into several states");
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn variable(&mut self, rule: &Map<String, Value>, pointer: &str) -> Option<Path> {
        match rule.get("Variable") {
            Some(value) => self.path(value, &format!("{pointer}/Variable")),
            None => {
                let help = "name the value to test, for instance \"Variable\": \"$.status\"";
                self.refuse(pointer, "The field 'Variable' is required but was missing", help)
            }
        }
    }

    fn check(&mut self, name: &str, value: &Value, at: &str) -> Option<Check> {
        if let Some((_, kind, relation)) = COMPARISONS.iter().find(|(known, ..)| *known == name) {
            let with = kind.operand(value);
            let with = with.map_err(|message| self.report(at, message, "the operator's name says its type")).ok()?;
            return Some(Check::Compare { kind: *kind, relation: *relation, with });
        }
        let twin = name.strip_suffix("Path");
        if let Some((_, kind, relation)) = COMPARISONS.iter().find(|(known, ..)| Some(*known) == twin) {
            let with = Operand::Path(self.path(value, at)?);
            return Some(Check::Compare { kind: *kind, relation: *relation, with });
        }
        if name == "StringMatches" {
            return match value.as_str() {
                Some(text) => Some(Check::Matches(Pattern::parse(text))),
                None => self.refuse(at, "Expected value of type String", "a pattern is a text with '*'"),
            };
        }
        let Some(expected) = value.as_bool() else {
            return self.refuse(at, "Expected value of type Boolean", "write true or false");
        };
        match PROPERTIES.iter().find(|(known, _)| *known == name) {
            Some((_, what)) => Some(Check::Is { what: *what, expected }),
            None => Some(Check::IsPresent(expected)),
        }
    }

    fn path(&mut self, value: &Value, at: &str) -> Option<Path> {
        let Some(text) = value.as_str() else {
            return self.refuse(at, "Expected value of type String", "write a path, for instance \"$.status\"");
        };
        match Path::parse(text) {
            Ok(path) => Some(path),
            Err(error) if !text.trim_start().starts_with('$') => {
                let message = "Value is not a Reference Path: Reference path didn't start with '$'";
                self.refuse(at, message, error.to_string())
            }
            Err(error) => self.refuse(at, "Value is not a Reference Path", error.to_string()),
        }
    }

    fn unsupported(&mut self, pointer: &str, name: &str) {
        let help = match name {
            "Next" => "only the outermost rule has a Next".to_owned(),
            _ => format!("'{name}' is no comparison operator; capital letters count"),
        };
        self.report(pointer, format!("Field '{name}' is not supported"), help);
    }

    fn refuse<T>(&mut self, at: &str, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.report(at, message, help);
        None
    }

    fn report(&mut self, at: &str, message: impl Into<String>, help: impl Into<String>) {
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            code: "SCHEMA_VALIDATION_FAILED",
            message: message.into(),
            pointer: at.to_owned(),
            line: 0,
            column: 0,
            help: Some(help.into()),
        });
    }
}

/// Is it the name of an operator?
pub(crate) fn is_operator(name: &str) -> bool {
    let bare = name.strip_suffix("Path").unwrap_or(name);
    matches!(name, "And" | "Or" | "Not" | "StringMatches" | "IsPresent")
        || COMPARISONS.iter().any(|(known, ..)| *known == bare)
        || PROPERTIES.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
mod tests;

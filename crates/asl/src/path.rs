//! JSONPath as AWS Step Functions reads it: `$.a.b[0]` on the input, `$$.Execution.Id` on the context object.
//!
//! AWS evaluates paths with the Jayway library, whose rules are older than RFC 9535, so no crate has them:
//!
//! - A *definite* path (names and single indexes) gives the value itself; without a match it is an error.
//!   Any other path gives an array, and an empty one without a match.
//! - Dot names may hold nearly everything (`$.detail-type`), a slice ignores its step, `$['a','b']` at the end
//!   gives one object with both members, a filter on an object tests the object itself.
//! - Error texts are the library's, since authors see them as causes.
//!
//! A path is parsed once. A definite path borrows its result; everything else works on a budget ([`Work`]), so
//! no path on no document takes unbounded time or memory.
//!
//! `$name` reads a workflow variable, and `$name.a[0]` a part of it; not inside a filter, where only `@` and `$` are.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde_json::{Map, Value};

use crate::jvm;
use crate::scope::{EvalError, Scope};

mod filter;
mod function;
mod parse;
mod reference;
mod select;

pub use reference::ReferencePath;

use filter::Filter;
use function::Function;

/// More steps cannot match anything: a document nested deeper than this cannot be read (`serde_json` refuses it).
const STEPS_MAX: usize = 128;

/// A parsed path.
#[derive(Clone, Debug)]
pub struct Path {
    text: Box<str>,
    root: Root,
    steps: Vec<Step>,
    tail: Option<Tail>,
    definite: bool,
}

/// Why a text is not a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    pub message: String,
    /// In bytes from the start of the text.
    pub offset: usize,
}

impl Path {
    pub fn parse(text: &str) -> Result<Path, PathError> {
        parse::path(text)
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A definite path gives the value it names, any other an array of all matches.
    pub fn is_definite(&self) -> bool {
        self.definite
    }

    /// Does it start at the context object (`$$`)?
    pub fn is_context(&self) -> bool {
        matches!(self.root, Root::Context)
    }

    /// The variable at which it starts, if it starts at one.
    pub fn variable(&self) -> Option<&str> {
        match &self.root {
            Root::Variable(name) => Some(name),
            Root::Input | Root::Context | Root::Current => None,
        }
    }

    /// The names of which it consists, if it starts at the input and nothing else is in it.
    pub(crate) fn names(&self) -> Option<Vec<Box<str>>> {
        let is_plain = self.root == Root::Input && self.tail.is_none();
        let name = |step: &Step| match step {
            Step::Name(name) => Some(name.clone()),
            _ => None,
        };
        is_plain.then(|| self.steps.iter().map(name).collect()).flatten()
    }

    /// Applied to `root`, wherever the path starts. Without a match a definite path is a
    /// `States.Runtime` with the text that AWS gives for `InputPath` and its like.
    pub fn get<'v>(&self, root: &'v Value) -> Result<Cow<'v, Value>, EvalError> {
        self.find(root, &Work::new()).map_err(|miss| self.invalid(&miss))
    }

    /// Applied to the input, to the context object or to a variable, as the path says.
    pub fn evaluate<'s>(&self, scope: &'s Scope<'_>) -> Result<Cow<'s, Value>, EvalError> {
        self.find_in(scope, &Work::new()).map_err(|miss| self.invalid(&miss))
    }

    pub(crate) fn find_in<'s>(&self, scope: &'s Scope<'_>, work: &Work) -> Result<Cow<'s, Value>, Miss> {
        self.find(self.root_in(scope)?, work)
    }

    /// A variable that nothing was assigned to is missing.
    pub(crate) fn root_in<'s>(&self, scope: &'s Scope<'_>) -> Result<&'s Value, Miss> {
        match &self.root {
            Root::Context => Ok(scope.context.object()),
            Root::Input | Root::Current => Ok(scope.input),
            Root::Variable(name) => scope.variables.get(name).ok_or_else(|| {
                Miss::new(MissKind::Absent, format!("The variable '{name}' has not been assigned a value"))
            }),
        }
    }

    pub(crate) fn find<'v>(&self, root: &'v Value, work: &Work) -> Result<Cow<'v, Value>, Miss> {
        self.find_from(root, root, work)
    }

    /// `current` is `@` for a path inside a filter, else it is `root`.
    fn find_from<'v>(&self, current: &'v Value, root: &'v Value, work: &Work) -> Result<Cow<'v, Value>, Miss> {
        let found = if self.steps.iter().all(Step::is_definite) {
            Found::One(self.follow(current)?)
        } else {
            Found::Many(select::all(&self.steps, current, root, work)?)
        };
        match (&self.tail, found) {
            (None, Found::One(value)) => Ok(Cow::Borrowed(value)),
            (None, Found::Many(values)) => work.copies(&values).map(Cow::Owned),
            (Some(Tail::Merge(names)), Found::One(value)) => self.merge(names, value, work).map(Cow::Owned),
            (Some(Tail::Merge(names)), Found::Many(values)) => {
                let objects = values.into_iter().filter(|value| value.is_object());
                let merged: Result<_, Miss> = objects.map(|value| self.merge(names, value, work)).collect();
                merged.map(|values| Cow::Owned(Value::Array(values)))
            }
            (Some(Tail::Function(function)), Found::One(value)) => function.apply(value).map(Cow::Owned),
            (Some(Tail::Function(function)), Found::Many(values)) => {
                function.apply(&work.copies(&values)?).map(Cow::Owned)
            }
        }
    }

    /// The hot path: no copy, no allocation unless it fails.
    fn follow<'v>(&self, start: &'v Value) -> Result<&'v Value, Miss> {
        let mut node = start;
        for (index, step) in self.steps.iter().enumerate() {
            node = step.child(node).ok_or_else(|| self.miss(index, node))?;
        }
        Ok(node)
    }

    fn merge(&self, names: &[Box<str>], value: &Value, work: &Work) -> Result<Value, Miss> {
        let Value::Object(members) = value else {
            let fragment = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(",");
            return Err(self.not_an_object(&format!("[{fragment}]"), self.steps.len(), value));
        };
        let mut merged = Map::new();
        for name in names {
            if let Some(member) = members.get(&**name) {
                work.copy_of(member)?;
                merged.insert(name.to_string(), member.clone());
            }
        }
        Ok(Value::Object(merged))
    }

    /// What the library says when the step at `index` does not apply to `node`.
    fn miss(&self, index: usize, node: &Value) -> Miss {
        let is_last = index + 1 == self.steps.len() && self.tail.is_none();
        match (&self.steps[index], node) {
            (Step::Name(name), Value::Object(_)) if !is_last => {
                let before = self.canonical(0..index);
                Miss::new(MissKind::Absent, format!("Missing property in path {before}['{name}']"))
            }
            (Step::Name(_), Value::Object(_)) => Miss::new(MissKind::Absent, self.no_results()),
            (Step::Name(name), _) => self.not_an_object(&format!("['{name}']"), index, node),
            (_, Value::Array(_)) => {
                let kind = if is_last { MissKind::PastEnd } else { MissKind::Absent };
                Miss::new(kind, self.no_results())
            }
            (_, Value::Null) => Miss::new(MissKind::Absent, format!("The path {} is null", self.canonical(0..index))),
            _ => Miss::new(
                MissKind::NotAnArray,
                format!(
                    "Filter: {} can only be applied to arrays. Current context is: {}",
                    &self.canonical(index..self.steps.len())[1..],
                    jvm::text(node)
                ),
            ),
        }
    }

    fn no_results(&self) -> String {
        format!("No results for path: {}", self.canonical(0..self.steps.len()))
    }

    fn not_an_object(&self, fragment: &str, index: usize, node: &Value) -> Miss {
        let reason = format!(
            "Expected to find an object with property {fragment} in path {} but found '{}'. This is not a json \
             object according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonProvider'.",
            self.canonical(0..index),
            jvm::class(node)
        );
        Miss::new(MissKind::Absent, reason)
    }

    /// `$['a'][0]`, the library's spelling.
    fn canonical(&self, steps: std::ops::Range<usize>) -> String {
        self.steps[steps].iter().fold(String::from("$"), |text, step| match step {
            Step::Name(name) => text + "['" + name + "']",
            Step::Index(index) => text + "[" + &index.to_string() + "]",
            _ => text,
        })
    }

    fn invalid(&self, miss: &Miss) -> EvalError {
        EvalError::runtime(format!("Invalid path '{}' : {}", self.text, miss.reason))
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at position {})", self.message, self.offset)
    }
}

impl std::error::Error for PathError {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    /// `$`
    Input,
    /// `$$`
    Context,
    /// `$name`
    Variable(Box<str>),
    /// `@`, inside a filter only.
    Current,
}

#[derive(Clone, Debug)]
enum Step {
    Name(Box<str>),
    /// Negative counts from the end.
    Index(i64),
    Names(Vec<Box<str>>),
    Indexes(Vec<i64>),
    Slice {
        from: Option<i64>,
        to: Option<i64>,
    },
    Wildcard,
    Filter(Filter),
    /// `..` before a step: the step is applied at every depth.
    Descend(Box<Step>),
}

impl Step {
    fn is_definite(&self) -> bool {
        matches!(self, Step::Name(_) | Step::Index(_))
    }

    /// The one child that a definite step names.
    fn child<'v>(&self, node: &'v Value) -> Option<&'v Value> {
        match self {
            Step::Name(name) => node.as_object()?.get(&**name),
            Step::Index(index) => item(node.as_array()?, *index),
            _ => None,
        }
    }
}

/// What may only stand at the end of a path.
#[derive(Clone, Debug)]
enum Tail {
    /// `['a','b']`: one object with these members.
    Merge(Vec<Box<str>>),
    Function(Function),
}

enum Found<'v> {
    One(&'v Value),
    Many(Vec<&'v Value>),
}

fn item(items: &[Value], index: i64) -> Option<&Value> {
    let len = i64::try_from(items.len()).ok()?;
    let index = if index < 0 { index.checked_add(len)? } else { index };
    items.get(usize::try_from(index).ok()?)
}

/// A path found nothing, or more than an evaluation may hold.
#[derive(Clone, Debug)]
pub(crate) struct Miss {
    pub(crate) kind: MissKind,
    /// The library's text.
    pub(crate) reason: String,
}

impl Miss {
    fn new(kind: MissKind, reason: impl Into<String>) -> Miss {
        Miss { kind, reason: reason.into() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissKind {
    Absent,
    /// The last step is an index behind the end of an array: `null` in a payload template.
    PastEnd,
    /// An index on something that is no array.
    NotAnArray,
    TooMuchWork,
}

/// The budget of one evaluation, shared by everything it evaluates: a visited node costs one, a copied value one
/// per node and one per eight bytes of text. Without it `$..*..*`, a filter with a deep scan inside, or a template
/// that names `$` ten thousand times would hold a shard for minutes.
pub(crate) struct Work {
    left: Cell<u64>,
}

impl Work {
    /// A payload of AWS's size limit (256 KiB) has at most 131,072 nodes: room to visit or copy it fifteen times.
    const MAX: u64 = 2_000_000;

    pub(crate) fn new() -> Work {
        Work { left: Cell::new(Work::MAX) }
    }

    pub(crate) fn spend(&self, amount: u64) -> Result<(), Miss> {
        let left = self.left.get().checked_sub(amount).ok_or_else(|| {
            let reason = format!("the evaluation takes more than {} steps; select less at once", Work::MAX);
            Miss::new(MissKind::TooMuchWork, reason)
        })?;
        self.left.set(left);
        Ok(())
    }

    /// To be called before a value is copied.
    pub(crate) fn copy_of(&self, value: &Value) -> Result<(), Miss> {
        self.spend(weight(value))
    }

    fn copies(&self, values: &[&Value]) -> Result<Value, Miss> {
        values.iter().try_for_each(|value| self.copy_of(value))?;
        Ok(Value::Array(values.iter().map(|value| (*value).clone()).collect()))
    }
}

fn weight(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => text_weight(text),
        Value::Array(items) => 1 + items.iter().map(weight).sum::<u64>(),
        Value::Object(members) => {
            1 + members.iter().map(|(name, member)| text_weight(name) + weight(member)).sum::<u64>()
        }
    }
}

fn text_weight(text: &str) -> u64 {
    1 + text.len() as u64 / 8
}

#[cfg(test)]
mod tests;

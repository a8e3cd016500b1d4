//! One expression: parsed once, evaluated often.

use std::sync::Arc;

use jsonata_core::ast::AstNode;
use jsonata_core::value::JValue;
use serde_json::Value;

use super::failure::{Expected, Failure, Reason};
use super::guard::guard;
use super::host::Named;
use super::parse::{ParseError, parse};
use super::reads::Reads;
use super::session::{STATES, Session};
use super::{Scope, blame, value};

/// A parsed expression. Cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    text: Box<str>,
    tree: AstNode,
    reads: Reads,
    references: Vec<String>,
    path: Option<Path>,
}

impl Expression {
    /// `text` is what stands between `{%` and `%}`; see [`super::inside`].
    pub fn parse(text: &str) -> Result<Expression, ParseError> {
        let text = text.trim();
        let mut tree = parse(text)?;
        let mut reads = Reads::of(&tree);
        let path = Path::of(&tree);
        reads.operators = guard(&mut tree, &reads.bound);
        let references = references(&reads);
        Ok(Expression(Arc::new(Parsed { text: text.into(), tree, reads, references, path })))
    }

    /// Without the delimiters and the space inside them, as AWS tells it in a cause.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The variables that it reads, sorted, without `$`: not `$states`, not what it binds itself, not functions.
    pub fn variables(&self) -> &[String] {
        &self.0.references
    }

    /// What AWS refuses in a definition although it can be parsed.
    pub fn findings(&self, available: Available) -> Vec<Finding> {
        let contextual = self.0.reads.contextual.iter().map(|name| match name.as_str() {
            "$$" => "Reference to '$$' is not supported.".to_owned(),
            name => format!("Reference to '{name}' at the top level is not supported."),
        });
        let absent = available.absent().filter(|name| self.reads_of_states(name));
        let absent = absent.map(|name| format!("Field '$states.{name}' does not exist."));
        contextual.chain(absent).map(|message| Finding { code: Finding::UNSUPPORTED, message }).collect()
    }

    /// `field` is the name of the field in AWS's cause: `Items`, `Output/total`.
    pub fn evaluate(&self, scope: &Scope<'_>, field: &str) -> Result<Value, Failure> {
        self.value(scope).map_err(|reason| self.failure(field, &reason))
    }

    /// For a field that takes values of one type only.
    pub fn evaluate_as(&self, expected: Expected, scope: &Scope<'_>, field: &str) -> Result<Value, Failure> {
        let value = self.evaluate(scope, field)?;
        if expected.holds(&value) { Ok(value) } else { Err(self.unexpected(expected, value, field)) }
    }

    /// How AWS refuses a value that this expression gave; for fields that take values of several types.
    pub fn unexpected(&self, expected: Expected, value: Value, field: &str) -> Failure {
        self.failure(field, &Reason::Unexpected { expected, value })
    }

    fn value(&self, scope: &Scope<'_>) -> Result<Value, Reason> {
        match self.at_once(scope) {
            Some(result) => result,
            None => self.evaluate_in(&mut Session::new(scope, self.reads())?),
        }
    }

    /// Without an evaluator, when it is a plain path of plain objects.
    pub(super) fn at_once(&self, scope: &Scope<'_>) -> Option<Result<Value, Reason>> {
        self.0.path.as_ref().and_then(|path| path.follow(scope))
    }

    pub(super) fn is_path(&self) -> bool {
        self.0.path.is_some()
    }

    pub(super) fn evaluate_in(&self, session: &mut Session) -> Result<Value, Reason> {
        session.evaluate(&self.0.tree, self.reads(), &JValue::Undefined)
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.0.reads
    }

    pub(super) fn failure(&self, field: &str, reason: &Reason) -> Failure {
        Failure::told(&self.0.text, field, reason)
    }

    fn reads_of_states(&self, member: &str) -> bool {
        match self.0.reads.variables.get(STATES) {
            Some(super::reads::Part::Members(members)) => members.contains_key(member),
            _ => false,
        }
    }
}

/// Which members of `$states` there are beside `input` and `context`, where an expression stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Available {
    pub result: bool,
    pub error_output: bool,
}

impl Available {
    fn absent(self) -> impl Iterator<Item = &'static str> {
        [("result", self.result), ("errorOutput", self.error_output)]
            .into_iter()
            .filter(|(_, available)| !available)
            .map(|(name, _)| name)
    }
}

/// A reason to refuse a definition, as AWS codes and words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: &'static str,
    pub message: String,
}

impl Finding {
    pub const UNSUPPORTED: &'static str = "UNSUPPORTED_JSONATA_EXPRESSION";
}

fn references(reads: &Reads) -> Vec<String> {
    let names = reads.variables.keys();
    names.filter(|name| *name != STATES && Named::find(name).is_none() && !blame::is_builtin(name)).cloned().collect()
}

/// `$states.input.order.id`: what most expressions are.
#[derive(Debug)]
struct Path {
    variable: String,
    names: Vec<String>,
}

impl Path {
    fn of(tree: &AstNode) -> Option<Path> {
        let path = |variable: &String, names| Some(Path { variable: variable.clone(), names });
        match tree {
            AstNode::Variable(name) if !name.is_empty() => path(name, Vec::new()),
            AstNode::Path { steps } => {
                let (first, rest) = steps.split_first()?;
                let plain = |step: &jsonata_core::ast::PathStep| {
                    step.stages.is_empty() && step.focus.is_none() && step.index_var.is_none() && !step.is_tuple
                };
                let AstNode::Variable(variable) = &first.node else { return None };
                if variable.is_empty() || !steps.iter().all(plain) {
                    return None;
                }
                let names = rest.iter().map(|step| match &step.node {
                    AstNode::Name(name) => Some(name.clone()),
                    _ => None,
                });
                path(variable, names.collect::<Option<_>>()?)
            }
            _ => None,
        }
    }

    /// None when the path meets an array, which it would go through, or is no value but a function or all of
    /// `$states`: the evaluator knows.
    fn follow(&self, scope: &Scope<'_>) -> Option<Result<Value, Reason>> {
        let (mut value, names) = match (self.variable.as_str(), &self.names[..]) {
            (STATES, []) => return None,
            (STATES, [member, names @ ..]) => match scope.states.member(member) {
                Some(value) => (value, names),
                None => return Some(Err(Reason::Nothing)),
            },
            (name, names) => (scope.variables.get(name)?, names),
        };
        for name in names {
            match value {
                Value::Object(members) => match members.get(name) {
                    Some(member) => value = member,
                    None => return Some(Err(Reason::Nothing)),
                },
                Value::Array(_) => return None,
                _ => return Some(Err(Reason::Nothing)),
            }
        }
        Some(Ok(value::copy(value)))
    }
}

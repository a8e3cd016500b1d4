//! How an evaluation fails: one table of AWS's sentences.

use std::fmt;

use serde_json::Value;

/// An evaluation failed. `An error occurred while executing the state ...` is for the caller to put in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub error: &'static str,
    pub cause: String,
    /// The field, as EvaluationFailed events tell it: `Output/total`, `Arguments/ids[0]`, `Items`. Without one when
    /// it is not a field that is wrong.
    pub location: Option<String>,
}

impl Failure {
    pub const ERROR: &'static str = "States.QueryEvaluationError";

    /// For what has no sentence here: a `Timestamp` that is none, the input of a Map that is no array.
    pub fn new(field: Option<&str>, cause: impl Into<String>) -> Failure {
        Failure { error: Failure::ERROR, cause: cause.into(), location: field.map(str::to_owned) }
    }

    pub(super) fn told(expression: &str, field: &str, reason: &Reason) -> Failure {
        Failure::new(
            Some(field),
            format!("The JSONata expression '{expression}' specified for the field '{field}' {reason}"),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.cause)
    }
}

impl std::error::Error for Failure {}

/// The type that a field wants of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Array,
    Boolean,
    Number,
    Object,
    String,
}

impl Expected {
    pub(super) fn holds(self, value: &Value) -> bool {
        kind(value) == self.name()
    }

    fn name(self) -> &'static str {
        match self {
            Expected::Array => "array",
            Expected::Boolean => "boolean",
            Expected::Number => "number",
            Expected::Object => "object",
            Expected::String => "string",
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A limit of `limit` was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Memory,
    Depth,
    Time,
}

impl Limit {
    pub(super) const ALL: [Limit; 3] = [Limit::Memory, Limit::Depth, Limit::Time];

    pub(super) fn sentence(self) -> &'static str {
        match self {
            Limit::Memory => "Expression evaluation memory limit exceeded: Check for excessive memory usage",
            Limit::Depth => {
                "Stack overflow error: Check for non-terminating recursive function. \
                 Consider rewriting as tail-recursive"
            }
            Limit::Time => "Expression evaluation timeout: Check for infinite loop",
        }
    }
}

/// Why an expression has no usable value, as AWS ends the sentence.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reason {
    Nothing,
    /// A function or a regular expression.
    Unsupported,
    Unexpected {
        expected: Expected,
        value: Value,
    },
    /// An error of the language: `T2001` and its text.
    Coded {
        code: String,
        text: String,
    },
    /// An error of the language without a code.
    Plain(String),
    Limit(Limit),
    /// A fault of the evaluator. AWS adds an id for its support.
    Internal,
}

impl From<Limit> for Reason {
    fn from(limit: Limit) -> Reason {
        Reason::Limit(limit)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Nothing => f.write_str("returned nothing (undefined)."),
            Reason::Unsupported => f.write_str("returned an unsupported result type."),
            Reason::Unexpected { expected, value } => write!(
                f,
                "returned an unexpected result type. Expected '{}', but was '{}' for value: {value}",
                expected.name(),
                kind(value)
            ),
            Reason::Coded { code, text } => write!(f, "threw an error during evaluation. {code}: {text}"),
            Reason::Plain(text) => write!(f, "threw an error during evaluation: {text}"),
            Reason::Internal => f.write_str("threw an internal error during evaluation."),
            Reason::Limit(limit) => write!(f, "threw an error during evaluation: {}", limit.sentence()),
        }
    }
}

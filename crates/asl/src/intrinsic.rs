//! Intrinsic functions: `States.Format('Hello {}', $.name)` and its seventeen siblings.
//!
//! A call is parsed once into a tree of literals, paths and calls. The table `FUNCTIONS` says what there is; each
//! family has its file. What AWS was observed to do wins over what its guide says: see the single functions.
//!
//! Every failure is a `States.Runtime`: see `FAILED`.

use std::borrow::Cow;

use serde_json::Value;

use crate::path::{Miss, MissKind, Path, Work};
use crate::scope::{EvalError, Scope};

mod array;
mod encoding;
mod json;
mod math;
mod parse;
mod text;

/// What executions on AWS show. The guide lists `States.IntrinsicFailure`, which no observed execution had; the
/// difference matters, because `States.ALL` does not catch this one.
const FAILED: &str = "States.Runtime";

/// AWS's quota: so many intrinsic functions inside one another in one field.
const NESTING_MAX: usize = 10;

/// A parsed call.
#[derive(Clone, Debug)]
pub struct Call {
    text: Box<str>,
    function: &'static Function,
    arguments: Vec<Argument>,
}

impl Call {
    /// The message says what is wrong and where.
    pub fn parse(text: &str) -> Result<Call, String> {
        parse::call(text)
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What AWS accepts in a definition and fails at run time: a wrong number of arguments, here or in an inner call.
    pub fn warnings(&self) -> Vec<String> {
        let inner = self.arguments.iter().flat_map(|argument| match argument {
            Argument::Call(call) => call.warnings(),
            _ => Vec::new(),
        });
        self.arity_problem().into_iter().chain(inner).collect()
    }

    /// The paths among the arguments, those of inner calls too.
    pub(crate) fn paths<'c>(&'c self, each: &mut impl FnMut(&'c Path)) {
        for argument in &self.arguments {
            match argument {
                Argument::Path(path) => each(path),
                Argument::Call(call) => call.paths(each),
                Argument::Literal(_) | Argument::Text { .. } => {}
            }
        }
    }

    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        self.evaluate_within(scope, &Work::new())
    }

    pub(crate) fn evaluate_within(&self, scope: &Scope<'_>, work: &Work) -> Result<Value, EvalError> {
        self.run(scope, work).map_err(|failure| failure.tell(self, scope))
    }

    fn run(&self, scope: &Scope<'_>, work: &Work) -> Result<Value, Failure> {
        if let Some(problem) = self.arity_problem() {
            return Err(self.failure(problem));
        }
        let mut arguments = Vec::with_capacity(self.arguments.len());
        for (index, argument) in self.arguments.iter().enumerate() {
            let as_template = index == 0 && self.function.takes_template;
            arguments.push(argument.value(scope, work, as_template)?);
        }
        (self.function.run)(&arguments, scope, work).map_err(|problem| match problem {
            Problem::Arguments(detail) => self.failure(detail),
            Problem::TooMuch(miss) => Failure::TooMuch(miss),
        })
    }

    fn failure(&self, detail: impl Into<String>) -> Failure {
        Failure::Arguments { call: self.text.clone(), name: self.function.name, detail: detail.into() }
    }

    fn arity_problem(&self) -> Option<String> {
        let Function { name, at_least, at_most, .. } = self.function;
        let given = self.arguments.len();
        if (*at_least..=*at_most).contains(&given) {
            return None;
        }
        let takes = match (at_least, at_most) {
            (least, &usize::MAX) => format!("at least {least}"),
            (least, most) if least == most => most.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        Some(format!("{name} takes {takes} arguments, not {given}"))
    }
}

#[derive(Clone, Debug)]
enum Argument {
    /// A number, `true`, `false`, `null`.
    Literal(Value),
    /// A quoted text: what it stands for, and as it is written, for the escaped braces of a template.
    Text {
        value: Value,
        written: Value,
    },
    Path(Path),
    Call(Call),
}

impl Argument {
    fn value<'s>(&'s self, scope: &'s Scope<'_>, work: &Work, as_template: bool) -> Result<Cow<'s, Value>, Failure> {
        match self {
            Argument::Literal(value) => Ok(Cow::Borrowed(value)),
            Argument::Text { written, .. } if as_template => Ok(Cow::Borrowed(written)),
            Argument::Text { value, .. } => Ok(Cow::Borrowed(value)),
            Argument::Path(path) => path.find_in(scope, work).map_err(|miss| Failure::argument(path, miss)),
            Argument::Call(call) => call.run(scope, work).map(Cow::Owned),
        }
    }
}

/// One intrinsic function.
struct Function {
    name: &'static str,
    at_least: usize,
    at_most: usize,
    /// The first argument is a text with `{}`.
    takes_template: bool,
    run: Run,
}

type Run = fn(&Arguments<'_>, &Scope<'_>, &Work) -> Result<Value, Problem>;

/// As many as the function takes: that is checked before.
type Arguments<'v> = [Cow<'v, Value>];

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn function(name: &'static str, at_least: usize, at_most: usize, run: Run) -> Function {
    Function { name, at_least, at_most, takes_template: false, run }
}

static FUNCTIONS: [Function; 18] = [
    function("States.Array", 0, usize::MAX, array::array),
    function("States.ArrayContains", 2, 2, array::contains),
    function("States.ArrayGetItem", 2, 2, array::get_item),
    function("States.ArrayLength", 1, 1, array::length),
    function("States.ArrayPartition", 2, 2, array::partition),
    function("States.ArrayRange", 3, 3, array::range),
    function("States.ArrayUnique", 1, 1, array::unique),
    function("States.Base64Decode", 1, 1, encoding::base64_decode),
    function("States.Base64Encode", 1, 1, encoding::base64_encode),
    Function { takes_template: true, ..function("States.Format", 1, usize::MAX, text::format) },
    function("States.Hash", 2, 2, encoding::hash),
    function("States.JsonMerge", 3, 3, json::merge),
    function("States.JsonToString", 1, 1, json::to_string),
    function("States.MathAdd", 2, 2, math::add),
    function("States.MathRandom", 2, 3, math::random),
    function("States.StringSplit", 2, 2, text::split),
    function("States.StringToJson", 1, 1, json::from_string),
    function("States.UUID", 0, 0, encoding::uuid),
];

/// Why a function refuses its arguments.
enum Problem {
    Arguments(String),
    TooMuch(Miss),
}

impl Problem {
    fn new(detail: impl Into<String>) -> Problem {
        Problem::Arguments(detail.into())
    }
}

impl From<Miss> for Problem {
    fn from(miss: Miss) -> Problem {
        Problem::TooMuch(miss)
    }
}

/// Why a tree of calls has no value. Told at the outermost call, whose text AWS quotes.
enum Failure {
    Arguments { call: Box<str>, name: &'static str, detail: String },
    Missing { sentence: String, names_input: bool },
    TooMuch(Miss),
}

impl Failure {
    /// AWS names a context path by its part behind the first `$`, and shows the state's input all the same.
    fn argument(path: &Path, miss: Miss) -> Failure {
        let text = if path.is_context() { &path.text().trim_start()[1..] } else { path.text() };
        match miss.kind {
            MissKind::TooMuchWork => Failure::TooMuch(miss),
            MissKind::NotAnArray => Failure::Missing { sentence: miss.reason, names_input: false },
            MissKind::Absent | MissKind::PastEnd => Failure::Missing {
                sentence: format!("The JsonPath argument for the field '{text}' could not be found in the input"),
                names_input: true,
            },
        }
    }

    fn tell(self, outermost: &Call, scope: &Scope<'_>) -> EvalError {
        let cause = match self {
            Failure::Arguments { call, name, detail } => format!(
                "There was an error while evaluating the intrinsic function: {call}. Invalid arguments in {name}: \
                 {detail}"
            ),
            Failure::Missing { sentence, names_input } => {
                let input = if names_input { format!(" '{}'", scope.input) } else { String::new() };
                format!("The function '{}' had the following error: {sentence}{input}", outermost.text)
            }
            Failure::TooMuch(miss) => {
                format!("The function '{}' had the following error: {}", outermost.text, miss.reason)
            }
        };
        EvalError::new(FAILED, cause)
    }
}

/// The kinds of arguments that functions take, with the sentence for what is none.
fn string<'v>(arguments: &'v Arguments<'_>, index: usize) -> Result<&'v str, Problem> {
    let value = &*arguments[index];
    value.as_str().ok_or_else(|| expected(index, "a string", value))
}

fn items<'v>(arguments: &'v Arguments<'_>, index: usize) -> Result<&'v [Value], Problem> {
    let value = &*arguments[index];
    value.as_array().map(Vec::as_slice).ok_or_else(|| expected(index, "an array", value))
}

fn integer(
    arguments: &Arguments<'_>,
    index: usize,
    convert: fn(&serde_json::Number) -> Option<i32>,
) -> Result<i32, Problem> {
    let value = &*arguments[index];
    let number = value.as_number().ok_or_else(|| expected(index, "a number", value))?;
    convert(number).ok_or_else(|| expected(index, "within the range -2147483648 to 2147483647", value))
}

fn expected(index: usize, what: &str, value: &Value) -> Problem {
    let kind = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    Problem::new(format!("argument {} must be {what}, but is {kind}", index + 1))
}

#[cfg(test)]
mod tests;

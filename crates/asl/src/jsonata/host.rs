//! What the evaluator calls back: the functions of `function` and the operators of `guard`.

use std::cell::RefCell;
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::value::JValue;

use super::blame;
use super::failure::Limit;
use super::function;
use super::limit::{Budget, WALK_BYTES};
use super::reads::Reads;
use super::value::{Size, Wide, measure};
use crate::scope::Entropy;

/// Operators as functions; no expression can spell these names.
pub(super) const CONCATENATE: &str = "&";
pub(super) const RANGE: &str = "..";
/// Measures what is about to be bound to a name.
pub(super) const HELD: &str = ":=";
/// Counts the items of what a function is about to be called for.
pub(super) const LOOP: &str = "()*";
/// Counts a call and measures its arguments; gives its first argument.
pub(super) const ENTER: &str = "{}";
/// Charges what a replacement function gives.
pub(super) const KEPT: &str = "=>";
/// Whether one of the arguments is a function.
pub(super) const IS_FUNCTION: &str = "?()";

pub(super) type Outcome = Result<JValue, EvaluatorError>;

/// For the length of one call of `Expression::evaluate` or `Template::evaluate`.
pub(super) struct Host {
    /// One for each expression.
    pub(super) entropy: RefCell<Entropy>,
    pub(super) now_ms: i64,
    pub(super) wide: Wide,
    pub(super) budget: Budget,
}

impl Host {
    pub(super) fn work(&self, bytes: u64) -> Result<(), EvaluatorError> {
        self.budget.work(bytes).map_err(refused)
    }

    /// Measures, and charges for the walk: a value that is measured again and again costs again and again.
    pub(super) fn measure(&self, value: &JValue) -> Result<Size, EvaluatorError> {
        if !matches!(value, JValue::Array(_) | JValue::Object(_) | JValue::String(_)) {
            return Ok(Size::default());
        }
        let size = measure(value).map_err(refused)?;
        self.work(size.nodes * WALK_BYTES)?;
        Ok(size)
    }

    /// Calls what the language has under that name.
    pub(super) fn builtin(name: &str, args: &[JValue], context: &JValue) -> Outcome {
        let mut bindings = Context::new();
        let args = args.iter().enumerate().map(|(index, arg)| {
            let name = format!("argument {index}");
            bindings.bind(name.clone(), arg.clone());
            AstNode::Variable(name)
        });
        let call = AstNode::Function { name: name.to_owned(), args: args.collect(), is_builtin: true };
        Evaluator::with_context(bindings).evaluate(&call, context)
    }
}

/// A limit as an error of the evaluator; `message` knows it again by its sentence.
pub(super) fn refused(limit: Limit) -> EvaluatorError {
    EvaluatorError::EvaluationError(limit.sentence().to_owned())
}

/// An error of the language: `T0410: ...`.
pub(super) fn coded(code: &str, text: impl AsRef<str>) -> EvaluatorError {
    EvaluatorError::EvaluationError(format!("{code}: {}", text.as_ref()))
}

/// A function of Step Functions, or one that replaces one of the language.
pub(super) struct Named {
    name: &'static str,
    parameters: usize,
    /// How many arguments `$map` and its kin give it.
    arity: usize,
    run: Run,
}

impl Named {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn arity(&self) -> usize {
        self.arity
    }

    /// A matcher or a replacement may be a function, which the host cannot call.
    pub(super) fn may_take_functions(&self) -> bool {
        matches!(self.name, "replace" | "split")
    }

    pub(super) fn find(name: &str) -> Option<&'static Named> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }

    /// Its name in a guarded tree where it is called: the last argument is the context item.
    pub(super) fn as_call(&self) -> String {
        format!("{}()", self.name)
    }

    /// Its name in a guarded tree where it is a value: it is given what the function that calls it has to give.
    pub(super) fn as_value(&self) -> String {
        format!("{} ", self.name)
    }

    fn call(&self, host: &Host, args: &[JValue], context: &JValue) -> Outcome {
        (self.run)(host, args, context).map_err(|error| blame::named(error, Some(self.name), self.parameters))
    }
}

type Run = fn(&Host, &[JValue], &JValue) -> Outcome;

const fn named(name: &'static str, parameters: usize, run: Run) -> Named {
    Named { name, parameters, arity: parameters, run }
}

static FUNCTIONS: [Named; 18] = [
    // Step Functions' own.
    named("partition", 2, function::partition),
    named("range", 3, function::range),
    named("hash", 2, function::hash),
    named("random", 1, function::random),
    named("uuid", 0, function::uuid),
    named("parse", 1, function::parse),
    named("eval", 2, function::eval),
    // Of the moment, or of chance.
    named("now", 2, function::now),
    named("millis", 0, function::millis),
    named("toMillis", 2, function::to_millis),
    named("shuffle", 1, function::shuffle),
    // What makes much out of little.
    Named { arity: 1, ..named("string", 2, function::string) },
    named("join", 2, function::join),
    named("pad", 3, function::pad),
    named("replace", 4, function::replace),
    named("split", 3, function::split),
    named("formatInteger", 2, function::format_integer),
    // Whose arithmetic is not checked.
    named("substring", 3, function::substring),
];

/// Gives an evaluator what a guarded tree calls.
pub(super) fn register(evaluator: &mut Evaluator, host: &Rc<Host>, reads: &Reads) -> Result<(), EvaluatorError> {
    for (name, run) in OPERATORS.iter().filter(|_| reads.operators) {
        let host = Rc::clone(host);
        evaluator.register_fn(*name, move |args: &[JValue]| run(&host, args))?;
    }
    for function in reads.functions.iter().filter_map(|name| Named::find(name)) {
        let of_call = Rc::clone(host);
        evaluator.register_fn(function.as_call(), move |args: &[JValue]| match args.split_last() {
            Some((context, args)) => function.call(&of_call, args, context),
            None => function.call(&of_call, &[], &JValue::Undefined),
        })?;
        let of_value = Rc::clone(host);
        evaluator.register_fn(function.as_value(), move |args: &[JValue]| {
            let args = &args[..args.len().min(function.arity)];
            function.call(&of_value, args, &JValue::Null)
        })?;
    }
    Ok(())
}

type Operator = fn(&Host, &[JValue]) -> Outcome;

static OPERATORS: [(&str, Operator); 7] = [
    (CONCATENATE, function::concatenate),
    (RANGE, function::up_to),
    (HELD, held),
    (LOOP, looped),
    (ENTER, enter),
    (KEPT, kept),
    (IS_FUNCTION, is_function),
];

fn held(host: &Host, args: &[JValue]) -> Outcome {
    args.iter().try_for_each(|value| host.measure(value).map(drop))?;
    Ok(first(args))
}

fn looped(host: &Host, args: &[JValue]) -> Outcome {
    let items = match args {
        [JValue::Array(items), ..] => items.len(),
        [JValue::Object(members), ..] => members.len(),
        _ => 1,
    };
    host.budget.steps(items as u64).map_err(refused)?;
    Ok(first(args))
}

fn enter(host: &Host, args: &[JValue]) -> Outcome {
    host.budget.steps(1).map_err(refused)?;
    // The first is the condition of the body, or nothing.
    args.iter().skip(1).try_for_each(|value| host.measure(value).map(drop))?;
    Ok(first(args))
}

fn kept(host: &Host, args: &[JValue]) -> Outcome {
    host.budget.steps(1).map_err(refused)?;
    if let [JValue::String(text), ..] = args {
        host.work(text.len() as u64)?;
    }
    Ok(first(args))
}

fn is_function(_: &Host, args: &[JValue]) -> Outcome {
    Ok(JValue::Bool(args.iter().any(|arg| arg.is_lambda() || arg.is_builtin())))
}

fn first(args: &[JValue]) -> JValue {
    args.first().cloned().unwrap_or(JValue::Undefined)
}

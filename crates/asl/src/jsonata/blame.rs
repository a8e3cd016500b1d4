//! Finds what an error text of the language names and the evaluator does not tell: which function refused its
//! arguments, which operator which values.
//!
//! An expression that failed so is evaluated once more, with every call of a function and every comparison made
//! through the host, which knows both. The outcome is the same, only the text of the error is better; failing is
//! rare, and evaluating twice then is cheaper than going through the host always.

use jsonata_core::ast::{AstNode, BinaryOp, UnaryOp};
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, error_code_prefix};
use jsonata_core::value::{JValue, with_stack};

use super::host::{Host, Outcome, coded};
use super::reads::Reads;
use super::tree::{call, children, context_item, take};
use super::value::Wide;

/// The language's functions that call no functions, with the number of their parameters.
const FUNCTIONS: &[(&str, usize)] = &[
    ("abs", 1),
    ("append", 2),
    ("assert", 2),
    ("average", 1),
    ("base64decode", 1),
    ("base64encode", 1),
    ("boolean", 1),
    ("ceil", 1),
    ("count", 1),
    ("decodeUrl", 1),
    ("decodeUrlComponent", 1),
    ("distinct", 1),
    ("encodeUrl", 1),
    ("encodeUrlComponent", 1),
    ("error", 1),
    ("exists", 1),
    ("floor", 1),
    ("formatBase", 2),
    ("formatNumber", 3),
    ("fromMillis", 3),
    ("keys", 1),
    ("length", 1),
    ("lookup", 2),
    ("lowercase", 1),
    ("max", 1),
    ("merge", 1),
    ("min", 1),
    ("not", 1),
    ("number", 1),
    ("parseInteger", 2),
    ("power", 2),
    ("reverse", 1),
    ("round", 2),
    ("spread", 1),
    ("sqrt", 1),
    ("substringAfter", 2),
    ("substringBefore", 2),
    ("sum", 1),
    ("trim", 1),
    ("type", 1),
    ("uppercase", 1),
];

/// Those that call functions: they stay the evaluator's.
const CALLING: &[(&str, usize)] = &[
    ("contains", 2),
    ("each", 2),
    ("filter", 2),
    ("map", 2),
    ("match", 3),
    ("reduce", 3),
    ("replace", 4),
    ("sift", 2),
    ("single", 2),
    ("sort", 2),
    ("split", 3),
    ("zip", usize::MAX),
];

/// The operators whose errors tell the operands.
const COMPARISONS: &[(BinaryOp, &str)] = &[
    (BinaryOp::LessThan, "<"),
    (BinaryOp::LessThanOrEqual, "<="),
    (BinaryOp::GreaterThan, ">"),
    (BinaryOp::GreaterThanOrEqual, ">="),
];

const NEGATE: &str = "-";

pub(super) fn is_builtin(name: &str) -> bool {
    FUNCTIONS.iter().chain(CALLING).any(|(known, _)| *known == name)
}

/// Whether a second evaluation could tell more.
pub(super) fn could_tell_more(error: &EvaluatorError) -> bool {
    let message = error.message();
    let message = message.strip_prefix("Signature validation failed: ").unwrap_or(message);
    matches!(error_code_prefix(message), Some("T0410" | "T0411" | "T0412" | "T2009" | "T2010" | "D1002"))
}

/// The error of a function that the evaluator calls itself: there is one that may have been it, or it is unknown, as
/// it is when a function of the expression declares what it takes.
pub(super) fn unnamed(error: EvaluatorError, reads: &Reads) -> EvaluatorError {
    let mut calling = CALLING.iter().filter(|(name, _)| reads.functions.contains(*name));
    match (calling.next(), calling.next()) {
        (Some((name, parameters)), None) => named(error, Some(name), *parameters),
        _ => named(error, None, usize::MAX),
    }
}

/// Says which function an error is about, in the words of the language.
pub(super) fn named(error: EvaluatorError, function: Option<&str>, parameters: usize) -> EvaluatorError {
    let message = error.message();
    let message = message.strip_prefix("Signature validation failed: ").unwrap_or(message);
    let function = function.map_or("undefined".to_owned(), |name| format!("\"{name}\""));
    let text = message.get(7..).unwrap_or_default();
    // What was told before is not told again.
    if text.contains(" of function \"") {
        return error;
    }
    match error_code_prefix(message) {
        Some("T0410") => {
            let place = place(text, parameters);
            coded("T0410", format!("Argument {place} of function {function} does not match function signature"))
        }
        Some("T0411") => {
            coded("T0411", format!("Context value is not a compatible type with argument 1 of function {function}"))
        }
        Some("T0412") => {
            let kind = text.rsplit(' ').next().unwrap_or_default().to_lowercase();
            let place = place(text, parameters);
            coded("T0412", format!("Argument {place} of function {function} must be an array of \"{kind}s\""))
        }
        _ => error,
    }
}

/// Which argument the evaluator complains about: `Argument 2 must be ...`, or how many there are.
fn place(text: &str, parameters: usize) -> usize {
    let numbers: Vec<usize> =
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    match (text.contains("count mismatch"), &numbers[..]) {
        (true, [_, given]) if *given > parameters => parameters + 1,
        (true, [expected, given]) if parameters == usize::MAX => expected.min(given) + 1,
        (true, [_, given]) => given + 1,
        (_, [place, ..]) => *place,
        _ => 1,
    }
}

/// Makes a guarded tree into one that tells.
pub(super) fn telling(node: &mut AstNode, reads: &Reads) {
    with_stack(|| telling_here(node, reads));
}

fn telling_here(node: &mut AstNode, reads: &Reads) {
    children(node, &mut |child| telling(child, reads));
    match node {
        AstNode::Function { name, args, .. } => {
            let known = FUNCTIONS.iter().any(|(known, _)| known == name);
            let partial = args.iter().any(|arg| matches!(arg, AstNode::Placeholder));
            if known && !partial && !reads.bound.contains(name) {
                *name = told(name);
                args.push(context_item());
            }
        }
        AstNode::Binary { op, lhs, rhs } => {
            if let Some((_, name)) = COMPARISONS.iter().find(|(known, _)| known == op) {
                *node = call(told(name), vec![take(lhs), take(rhs)]);
            }
        }
        AstNode::Unary { op: UnaryOp::Negate, operand } => *node = call(told(NEGATE), vec![take(operand)]),
        _ => {}
    }
}

fn told(name: &str) -> String {
    format!("{name}?")
}

/// Gives an evaluator what a telling tree calls.
pub(super) fn register(evaluator: &mut Evaluator, reads: &Reads) -> Result<(), EvaluatorError> {
    for (name, parameters) in FUNCTIONS.iter().filter(|(name, _)| reads.functions.contains(*name)) {
        evaluator.register_fn(told(name), move |args: &[JValue]| {
            let (context, args) = args.split_last().expect("the context item is always given");
            Host::builtin(name, args, context).map_err(|error| named(error, Some(name), *parameters))
        })?;
    }
    for (op, name) in COMPARISONS {
        evaluator.register_fn(told(name), move |args: &[JValue]| compare(*op, name, args))?;
    }
    evaluator.register_fn(told(NEGATE), negate)
}

fn compare(op: BinaryOp, name: &str, args: &[JValue]) -> Outcome {
    let [left, right] = args else { unreachable!("a comparison has two operands") };
    let operand = |name: &str| Box::new(AstNode::Variable(name.to_owned()));
    let comparison = AstNode::Binary { op, lhs: operand("left"), rhs: operand("right") };
    let mut bindings = Context::new();
    bindings.bind("left".to_owned(), left.clone());
    bindings.bind("right".to_owned(), right.clone());
    let result = Evaluator::with_context(bindings).evaluate(&comparison, &JValue::Undefined);
    result.map_err(|error| match error.code() {
        Some("T2009") => coded(
            "T2009",
            format!(
                "The values {} and {} either side of operator \"{name}\" must be of the same data type",
                shown(left),
                shown(right)
            ),
        ),
        Some("T2010") => coded(
            "T2010",
            format!("The expressions either side of operator \"{name}\" must evaluate to numeric or string values"),
        ),
        _ => error,
    })
}

fn negate(args: &[JValue]) -> Outcome {
    let [operand] = args else { unreachable!("the operator has one operand") };
    let mut bindings = Context::new();
    bindings.bind("operand".to_owned(), operand.clone());
    let negation = AstNode::Unary { op: UnaryOp::Negate, operand: Box::new(AstNode::Variable("operand".to_owned())) };
    let result = Evaluator::with_context(bindings).evaluate(&negation, &JValue::Undefined);
    result.map_err(|error| match error.code() {
        Some("D1002") => coded("D1002", format!("Cannot negate a non-numeric value: {}", shown(operand))),
        _ => error,
    })
}

fn shown(value: &JValue) -> String {
    super::value::write(value, &Wide::default()).map_or_else(|_| String::new(), |value| value.to_string())
}

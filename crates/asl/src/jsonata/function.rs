//! The functions that Step Functions adds to JSONata or replaces, and the guarded ones that pass on what is small.
//!
//! Arguments come as they were given: a missing one is absent, one without a value is undefined. What AWS does with
//! wrong ones is not documented; where it was measured by users the text says so, and the rest follows the language:
//! undefined in the first place gives undefined, another type is a T0410.

mod chance;
mod list;
mod moment;
mod text;

use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::value::JValue;

use super::host::{Host, Outcome, coded};

pub(super) use chance::{random, shuffle, uuid};
pub(super) use list::{partition, range, up_to};
pub(super) use moment::{millis, now, to_millis};
pub(super) use text::{concatenate, format_integer, hash, join, pad, parse, replace, split, string, substring};

/// Not available in Step Functions; so AWS says it.
pub(super) fn eval(_: &Host, _: &[JValue], _: &JValue) -> Outcome {
    Err(coded("T1006", "Attempted to invoke a non-function"))
}

/// The argument at the place (counted from one) is none that the function takes.
fn mismatch(place: usize, function: &str) -> EvaluatorError {
    coded("T0410", format!("Argument {place} of function \"{function}\" does not match function signature"))
}

/// More arguments than the function has parameters.
fn at_most(parameters: usize, args: &[JValue], function: &str) -> Result<(), EvaluatorError> {
    if args.len() > parameters { Err(mismatch(parameters + 1, function)) } else { Ok(()) }
}

/// The number at the place, towards zero; undefined when there is none.
fn integer(args: &[JValue], index: usize, function: &str) -> Result<Option<i64>, EvaluatorError> {
    match args.get(index) {
        None | Some(JValue::Undefined) => Ok(None),
        // A cast of a float ends at the bounds of the integer, as Java's does.
        Some(JValue::Number(number)) => Ok(Some(number.trunc() as i64)),
        Some(_) => Err(mismatch(index + 1, function)),
    }
}

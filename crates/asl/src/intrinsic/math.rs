//! Intrinsic functions on numbers. They know 32-bit integers only.

use serde_json::{Value, json};

use super::{Arguments, Problem, integer};
use crate::number;
use crate::path::Work;
use crate::scope::{Entropy, Scope};

/// Each operand is rounded by itself (`1.5 + 1.51` is 4), halves upwards.
pub(super) fn add(arguments: &Arguments<'_>, _: &Scope<'_>, _: &Work) -> Result<Value, Problem> {
    let left = integer(arguments, 0, number::round)?;
    let right = integer(arguments, 1, number::round)?;
    let sum = left.checked_add(right);
    sum.map(Value::from)
        .ok_or_else(|| Problem::new(format!("{left} + {right} is outside the range -2147483648 to 2147483647")))
}

/// From the first number up to, not including, the second. With a seed the same number every time, though not
/// AWS's number: which generator AWS uses is not known.
pub(super) fn random(arguments: &Arguments<'_>, scope: &Scope<'_>, _: &Work) -> Result<Value, Problem> {
    let start = i64::from(integer(arguments, 0, number::truncate)?);
    let end = i64::from(integer(arguments, 1, number::truncate)?);
    if start >= end {
        return Err(Problem::new(format!("the start {start} must be less than the end {end}")));
    }
    let drawn = match arguments.len() {
        2 => scope.entropy.unit(),
        _ => Entropy::new(i64::from(integer(arguments, 2, number::truncate)?) as u64).unit(),
    };
    let offset = (drawn * (end - start) as f64) as i64;
    Ok(json!(start + offset.min(end - start - 1)))
}

//! Functions that make lists.

use jsonata_core::ast::{AstNode, BinaryOp};
use jsonata_core::evaluator::{Context, Evaluator};
use jsonata_core::value::JValue;

use super::super::failure::Limit;
use super::super::host::{Host, Outcome, coded, refused};
use super::super::limit::{ITEM_BYTES, RANGE_ITEMS_MAX, SEQUENCE_ITEMS_MAX};
use super::super::value;
use super::{at_most, integer, mismatch};

/// `$partition([1, 2, 3], 2)` is `[[1, 2], [3]]`. As measured on AWS: without a size one part, with the size 0
/// nothing, and what is less is an error. The list of parts stays a list, also of one part.
pub(in super::super) fn partition(host: &Host, args: &[JValue], _: &JValue) -> Outcome {
    at_most(2, args, "partition")?;
    let items = match args.first() {
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(JValue::Array(items)) => items.to_vec(),
        Some(JValue::Null | JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. }) => {
            return Err(coded("T0412", "Argument 1 of function \"partition\" must be an array"));
        }
        Some(single) => vec![single.clone()],
    };
    let size = integer(args, 1, "partition")?;
    if size.is_some_and(|size| size < 0) {
        return Err(coded("D3137", "Second argument must be zero or greater"));
    }
    let size = size.map_or(items.len(), |size| usize::try_from(size).unwrap_or(usize::MAX));
    if items.is_empty() || size == 0 {
        return Ok(JValue::Undefined);
    }
    host.work(items.len() as u64 * ITEM_BYTES)?;
    Ok(value::array(items.chunks(size).map(|part| value::array(part.to_vec())).collect()))
}

/// `$range(0, 10, 3)` is `[0, 3, 6, 9]`: the end belongs to it when the step meets it. A list of one item is that
/// item, as AWS was recorded to give it, and an empty one is nothing.
pub(in super::super) fn range(host: &Host, args: &[JValue], _: &JValue) -> Outcome {
    at_most(3, args, "range")?;
    if args.len() < 2 {
        return Err(mismatch(args.len() + 1, "range"));
    }
    let of = |index| integer(args, index, "range");
    let (Some(first), Some(last), Some(step)) = (of(0)?, of(1)?, of(2)?) else { return Ok(JValue::Undefined) };
    let (first, last, step) = (i128::from(first), i128::from(last), i128::from(step));
    let leads_away = step == 0 || (last - first).signum() * step.signum() < 0;
    let count = if leads_away { 0 } else { (last - first) / step + 1 };
    if count > RANGE_ITEMS_MAX {
        return Err(refused(Limit::Memory));
    }
    host.work(count as u64 * ITEM_BYTES)?;
    Ok(JValue::sequence((0..count).map(|index| JValue::Number((first + index * step) as f64)).collect()))
}

/// `first..last`.
pub(in super::super) fn up_to(host: &Host, args: &[JValue]) -> Outcome {
    let [first, last] = args else { unreachable!("the operator has two operands") };
    if let (JValue::Number(first), JValue::Number(last)) = (first, last) {
        let count = (last - first + 1.0).max(0.0);
        if count > SEQUENCE_ITEMS_MAX as f64 {
            return Err(refused(Limit::Memory));
        }
        host.work(count as u64 * ITEM_BYTES)?;
    }
    let operand = |name: &str| Box::new(AstNode::Variable(name.to_owned()));
    let range = AstNode::Binary { op: BinaryOp::Range, lhs: operand("first"), rhs: operand("last") };
    let mut bindings = Context::new();
    bindings.bind("first".to_owned(), first.clone());
    bindings.bind("last".to_owned(), last.clone());
    Evaluator::with_context(bindings).evaluate(&range, &JValue::Undefined).map(sequence)
}

/// The evaluator unwraps a sequence of one on its way out; `[5..5]` is a list all the same.
fn sequence(value: JValue) -> JValue {
    match value {
        JValue::Number(_) => JValue::sequence(vec![value]),
        other => other,
    }
}

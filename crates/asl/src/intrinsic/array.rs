//! Intrinsic functions on arrays.
//!
//! Numbers with a fraction are cut off towards zero here: the guide says they are rounded, executions on AWS show
//! them cut off (`ArrayPartition(list, 2.6)` makes pairs).

use serde_json::{Value, json};

use super::{Arguments, Problem, integer, items};
use crate::path::Work;
use crate::scope::Scope;
use crate::{jvm, number};

/// AWS's limit for `States.ArrayRange`.
const RANGE_ITEMS_MAX: i64 = 1_000;

pub(super) fn array(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    copies(arguments.iter().map(|argument| &**argument), work)
}

/// AWS compares the texts of the values: `true` is found in `["true"]`, and the order of members counts.
pub(super) fn contains(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    let items = items(arguments, 0)?;
    work.copy_of(&arguments[0])?;
    work.copy_of(&arguments[1])?;
    let wanted = jvm::text(&arguments[1]);
    let mut text = String::new();
    let found = items.iter().any(|item| {
        text.clear();
        jvm::write_text(item, &mut text);
        text == wanted
    });
    Ok(Value::Bool(found))
}

/// Any index on an empty array gives null, as on AWS.
pub(super) fn get_item(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    let items = items(arguments, 0)?;
    let index = integer(arguments, 1, number::truncate)?;
    if items.is_empty() {
        return Ok(Value::Null);
    }
    let item = usize::try_from(index).ok().and_then(|index| items.get(index));
    let item = item
        .ok_or_else(|| Problem::new(format!("index {index} is not in the array, which has {} items", items.len())))?;
    work.copy_of(item)?;
    Ok(item.clone())
}

pub(super) fn length(arguments: &Arguments<'_>, _: &Scope<'_>, _: &Work) -> Result<Value, Problem> {
    Ok(json!(items(arguments, 0)?.len()))
}

pub(super) fn partition(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    let items = items(arguments, 0)?;
    let size = integer(arguments, 1, number::truncate)?;
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
        return Err(Problem::new(format!("the size of a part must be at least 1, but is {size}")));
    };
    items.chunks(size).map(|part| copies(part, work)).collect()
}

/// Both ends belong to the range; a step away from the end gives an empty one.
pub(super) fn range(arguments: &Arguments<'_>, _: &Scope<'_>, _: &Work) -> Result<Value, Problem> {
    let first = i64::from(integer(arguments, 0, number::truncate)?);
    let last = i64::from(integer(arguments, 1, number::truncate)?);
    let step = i64::from(integer(arguments, 2, number::truncate)?);
    if step == 0 {
        return Err(Problem::new("the step must not be 0"));
    }
    let leads_away = (last - first).signum() * step.signum() < 0;
    let count = if leads_away { 0 } else { (last - first) / step + 1 };
    if count > RANGE_ITEMS_MAX {
        return Err(Problem::new(format!("the range would have {count} items; {RANGE_ITEMS_MAX} is the most")));
    }
    Ok((0..count).map(|index| json!(first + index * step)).collect())
}

/// The order is that of a Java set, as on AWS: see [`jvm::distinct`].
pub(super) fn unique(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    let items = items(arguments, 0)?;
    work.copy_of(&arguments[0])?;
    Ok(jvm::distinct(items).into_iter().cloned().collect())
}

fn copies<'v>(values: impl IntoIterator<Item = &'v Value>, work: &Work) -> Result<Value, Problem> {
    values
        .into_iter()
        .map(|value| {
            work.copy_of(value)?;
            Ok(value.clone())
        })
        .collect()
}

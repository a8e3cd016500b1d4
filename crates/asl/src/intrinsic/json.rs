//! Intrinsic functions between JSON and text, and the merge of objects.

use serde_json::{Map, Value};

use super::{Arguments, Problem, expected, string};
use crate::path::Work;
use crate::scope::Scope;

/// An empty text gives null, as on AWS.
pub(super) fn from_string(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    let text = string(arguments, 0)?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    // A text has at most one node per byte.
    work.spend(text.len() as u64 / 2)?;
    serde_json::from_str(text).map_err(|error| Problem::new(format!("the text is not JSON: {error}")))
}

pub(super) fn to_string(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    work.copy_of(&arguments[0])?;
    Ok(Value::String(arguments[0].to_string()))
}

/// Shallow: members of the second object win. AWS has no deep merge; it takes anything but `true` for `false`.
pub(super) fn merge(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    let (first, second) = (object(arguments, 0)?, object(arguments, 1)?);
    if *arguments[2] == Value::Bool(true) {
        return Err(Problem::new("deep merging is not supported: the third argument must be false"));
    }
    work.copy_of(&arguments[0])?;
    work.copy_of(&arguments[1])?;
    let mut merged = first.clone();
    merged.extend(second.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(Value::Object(merged))
}

fn object<'v>(arguments: &'v Arguments<'_>, index: usize) -> Result<&'v Map<String, Value>, Problem> {
    let value = &*arguments[index];
    value.as_object().ok_or_else(|| expected(index, "an object", value))
}

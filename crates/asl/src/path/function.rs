//! Functions at the end of a path: `$.items.length()`.
//!
//! They are the library's, not AWS's intrinsic functions; they work on the result of the path before them.

use serde_json::{Value, json};

use super::{Miss, MissKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Length,
    Keys,
    Min,
    Max,
    Sum,
    Avg,
    StdDev,
}

const NAMES: [(&str, Function); 8] = [
    ("length", Function::Length),
    ("size", Function::Length),
    ("keys", Function::Keys),
    ("min", Function::Min),
    ("max", Function::Max),
    ("sum", Function::Sum),
    ("avg", Function::Avg),
    ("stddev", Function::StdDev),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Function> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    pub(super) fn names() -> String {
        NAMES.map(|(name, _)| name).join("(), ") + "()"
    }

    pub(super) fn apply(self, value: &Value) -> Result<Value, Miss> {
        match self {
            Function::Length => Ok(match value {
                Value::Array(items) => json!(items.len()),
                Value::Object(members) => json!(members.len()),
                _ => Value::Null,
            }),
            Function::Keys => Ok(match value {
                Value::Object(members) => members.keys().map(|name| json!(name)).collect(),
                _ => Value::Null,
            }),
            Function::Min | Function::Max | Function::Sum | Function::Avg | Function::StdDev => {
                let numbers = numbers(value)?;
                Ok(json!(self.aggregate(&numbers)))
            }
        }
    }

    /// `numbers` is not empty.
    fn aggregate(self, numbers: &[f64]) -> f64 {
        let count = numbers.len() as f64;
        let sum: f64 = numbers.iter().sum();
        match self {
            Function::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
            Function::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Function::Avg => sum / count,
            Function::StdDev => {
                let mean = sum / count;
                (numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count).sqrt()
            }
            Function::Sum | Function::Length | Function::Keys => sum,
        }
    }
}

/// Items that are no numbers do not count.
fn numbers(value: &Value) -> Result<Vec<f64>, Miss> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    let numbers: Vec<f64> = items.iter().filter_map(Value::as_f64).collect();
    if numbers.is_empty() {
        let reason = "Aggregation function attempted to calculate value using empty array";
        return Err(Miss::new(MissKind::Absent, reason));
    }
    Ok(numbers)
}

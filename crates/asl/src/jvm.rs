//! Where the Java virtual machine behind AWS Step Functions shows through: how it writes a value as text and
//! in which order it walks a set.
//!
//! `States.Format` writes an object as `{a=1, b=[x, null]}`, `States.ArrayContains` finds `true` in `["true"]`,
//! and `States.ArrayUnique` answers `[false, true]` for `[true, false]`. These are `toString` and `hashCode` of
//! Java's collections; authors see the results, so they are reproduced.

use std::collections::HashSet;
use std::fmt::Write;

use serde_json::{Number, Value};

/// Java's `toString`: strings bare, objects as `{key=value, ...}`.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write_text(value, &mut out);
    out
}

/// As [`text`], appended.
pub(crate) fn write_text(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => out.push_str(text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                write_text(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                separate(index, out);
                out.push_str(name);
                out.push('=');
                write_text(member, out);
            }
            out.push('}');
        }
    }
}

/// The Java class of a value, as error texts of the JSONPath library name it.
pub(crate) fn class(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "java.lang.Boolean",
        Value::String(_) => "java.lang.String",
        Value::Array(_) => "java.util.ArrayList",
        Value::Object(_) => "java.util.LinkedHashMap",
        Value::Number(number) => match number.as_i64() {
            Some(value) if i32::try_from(value).is_ok() => "java.lang.Integer",
            Some(_) => "java.lang.Long",
            None if number.is_u64() => "java.math.BigInteger",
            None => "java.lang.Double",
        },
    }
}

/// The distinct values in the order in which a `java.util.HashSet` gives them back: by bucket, within a bucket
/// by first appearance.
pub(crate) fn distinct(values: &[Value]) -> Vec<&Value> {
    let mut seen = HashSet::new();
    let mut found: Vec<&Value> = values.iter().filter(|value| seen.insert(*value)).collect();
    let buckets = bucket_count(found.len());
    found.sort_by_key(|value| {
        let hash = hash(value) as u32;
        (hash ^ (hash >> 16)) & (buckets - 1)
    });
    found
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push_str(", ");
    }
}

fn write_number(number: &Number, out: &mut String) {
    match number.as_f64() {
        Some(value) if number.is_f64() => write_double(value, out),
        _ => write!(out, "{number}").expect("a String takes every write"),
    }
}

/// `Double.toString`: plain from 0.001 up to ten million, else with an exponent; always one decimal at least.
fn write_double(value: f64, out: &mut String) {
    let magnitude = value.abs();
    let written = if value == 0.0 || (1e-3..1e7).contains(&magnitude) {
        write!(out, "{value:?}")
    } else {
        let scientific = format!("{value:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let decimals = if digits.contains('.') { "" } else { ".0" };
        write!(out, "{digits}{decimals}E{exponent}")
    };
    written.expect("a String takes every write");
}

/// The table starts at 16 and doubles when it is more than three quarters full.
fn bucket_count(len: usize) -> u32 {
    let mut buckets: u32 = 16;
    while len > (buckets / 4 * 3) as usize && buckets < 1 << 30 {
        buckets *= 2;
    }
    buckets
}

fn hash(value: &Value) -> i32 {
    match value {
        Value::Null => 0,
        Value::Bool(true) => 1231,
        Value::Bool(false) => 1237,
        Value::Number(number) => hash_number(number),
        Value::String(text) => hash_text(text),
        Value::Array(items) => items.iter().fold(1, |sum: i32, item| sum.wrapping_mul(31).wrapping_add(hash(item))),
        Value::Object(members) => {
            members.iter().fold(0, |sum: i32, (name, member)| sum.wrapping_add(hash_text(name) ^ hash(member)))
        }
    }
}

fn hash_text(text: &str) -> i32 {
    text.encode_utf16().fold(0, |sum: i32, unit| sum.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

fn hash_number(number: &Number) -> i32 {
    match number.as_i64() {
        Some(value) => match i32::try_from(value) {
            Ok(small) => small,
            Err(_) => fold_bits(value as u64),
        },
        None => fold_bits(number.as_f64().unwrap_or_default().to_bits()),
    }
}

fn fold_bits(bits: u64) -> i32 {
    (bits ^ (bits >> 32)) as i32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_java_writes_them() {
        let rows = [
            (json!({"Arg1": 1, "Arg2": []}), "{Arg1=1, Arg2=[]}"),
            (json!([null, true, "x", {"a": "b c"}]), "[null, true, x, {a=b c}]"),
            (json!(1.0), "1.0"),
            (json!(1.1), "1.1"),
            (json!(0.001), "0.001"),
            (json!(0.0001), "1.0E-4"),
            (json!(9_999_999.5), "9999999.5"),
            (json!(12_345_678.9), "1.23456789E7"),
            (json!(-1e21), "-1.0E21"),
            (json!(9_007_199_254_740_991_i64), "9007199254740991"),
        ];
        for (value, expected) in rows {
            assert_eq!(text(&value), expected);
        }
    }

    #[test]
    fn a_set_is_walked_by_bucket() {
        let rows = [
            // Observed on AWS.
            (json!([true, false, true, false]), json!([false, true])),
            (json!([[1, 2], [1, 2], [2, 1]]), json!([[2, 1], [1, 2]])),
            (json!([1, 2, 3, 3, 3, 4]), json!([1, 2, 3, 4])),
            (json!([null, null, 1, null]), json!([null, 1])),
            (json!([1, "1", "01"]), json!([1, "1", "01"])),
            (json!([{"a": 1, "b": 2}, {"b": 2, "a": 1}]), json!([{"a": 1, "b": 2}])),
        ];
        for (values, expected) in rows {
            let found: Vec<Value> = distinct(values.as_array().expect("an array")).into_iter().cloned().collect();
            assert_eq!(Value::Array(found), expected, "{values}");
        }
    }
}

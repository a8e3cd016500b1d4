//! Between JSON and the evaluator's values.
//!
//! On the way in only what is read is converted. On the way out numbers take the form that AWS gives them: an
//! integral number is an integer (`1.0` comes out as `1`), and what JSON has no number for is text (`"Infinity"`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use jsonata_core::value::{JArray, JMap, JValue, with_stack};
use serde_json::{Map, Number, Value};

use super::failure::{Limit, Reason};
use super::limit::{VALUE_BYTES_MAX, VALUE_DEPTH_MAX, VALUE_NODES_MAX};
use super::reads::Part;

/// Integers up to here have a floating-point number of their own.
const EXACT_MAX: u64 = 1 << 53;

/// 2^63: integral numbers below it are integers on AWS, from there on they are written with an exponent.
const INTEGERS_END: f64 = 9_223_372_036_854_775_808.0;

/// What a number, `true`, `false` or `null` takes of a value's bytes, as AWS was seen to count numbers.
const SCALAR_BYTES: u64 = 8;

/// Integers of the data that floating point cannot hold, by the number they are rounded to. A number of the result
/// that equals one of them is taken to be it: that is so unless it was computed. Two integers that round to the
/// same number cannot be told apart, and neither comes back.
#[derive(Default)]
pub(super) struct Wide(RefCell<HashMap<u64, Option<i64>>>);

impl Wide {
    fn note(&self, integer: i64) {
        let mut known = self.0.borrow_mut();
        let entry = known.entry((integer as f64).to_bits()).or_insert(Some(integer));
        if *entry != Some(integer) {
            *entry = None;
        }
    }

    fn get(&self, number: f64) -> Option<i64> {
        self.0.borrow().get(&number.to_bits()).copied().flatten()
    }

    pub(super) fn number(&self, number: &Number) -> JValue {
        if let Some(integer) = number.as_i64().filter(|integer| integer.unsigned_abs() > EXACT_MAX) {
            self.note(integer);
        }
        JValue::Number(number.as_f64().unwrap_or(f64::NAN))
    }
}

/// The part of a value that is read, for the evaluator.
pub(super) fn read(value: &Value, part: &Part, wide: &Wide) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(value) => JValue::Bool(*value),
        Value::Number(number) => wide.number(number),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => array(items.iter().map(|item| read(item, part, wide)).collect()),
        Value::Object(members) => {
            match part {
                Part::All => object(members.iter().map(|(name, member)| (name.clone(), read(member, part, wide)))),
                Part::Members(wanted) => object(wanted.iter().filter_map(|(name, part)| {
                    members.get(name).map(|member| (name.clone(), read(member, part, wide)))
                })),
            }
        }
    }
}

pub(super) fn object(members: impl Iterator<Item = (String, JValue)>) -> JValue {
    JValue::Object(Rc::new(members.collect::<JMap>()))
}

pub(super) fn array(items: Vec<JValue>) -> JValue {
    let flat = !items.iter().any(JValue::is_array);
    JValue::Array(JArray::new_flat(items, flat))
}

/// A value of the data as an expression gives it when it changes nothing: only the numbers take AWS's form.
pub(super) fn copy(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_i64() => value.clone(),
        Value::Number(number) => finite(number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(items) => items.iter().map(copy).collect(),
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), copy(member))).collect(),
        scalar => scalar.clone(),
    }
}

fn finite(number: f64) -> Value {
    if number.fract() == 0.0 && (-INTEGERS_END..INTEGERS_END).contains(&number) {
        return Value::from(number as i64);
    }
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => Value::from("NaN"),
        None if number > 0.0 => Value::from("Infinity"),
        None => Value::from("-Infinity"),
    }
}

/// The value of an expression.
pub(super) fn write(value: &JValue, wide: &Wide) -> Result<Value, Reason> {
    if value.is_undefined() {
        return Err(Reason::Nothing);
    }
    measure(value)?;
    written(value, wide, VALUE_DEPTH_MAX)
}

fn written(value: &JValue, wide: &Wide, depth_left: usize) -> Result<Value, Reason> {
    let Some(depth_left) = depth_left.checked_sub(1) else { return Err(Limit::Depth.into()) };
    Ok(match value {
        JValue::Null => Value::Null,
        JValue::Bool(value) => Value::Bool(*value),
        JValue::Number(number) => wide.get(*number).map_or_else(|| finite(*number), Value::from),
        JValue::String(text) => Value::from(&**text),
        JValue::Array(items) => {
            let items = items.iter().filter(|item| !item.is_undefined());
            with_stack(|| items.map(|item| written(item, wide, depth_left)).collect::<Result<_, _>>())?
        }
        JValue::Object(members) => {
            let members = members.iter().filter(|(_, member)| !member.is_undefined());
            let members = members.map(|(name, member)| Ok((name.clone(), written(member, wide, depth_left)?)));
            Value::Object(with_stack(|| members.collect::<Result<Map<_, _>, Reason>>())?)
        }
        // Functions and regular expressions; what is undefined was left out.
        _ => return Err(Reason::Unsupported),
    })
}

/// How big a value is when it is written out. Values share their parts, so that a small one may be endless when it
/// is; the walk ends at the limit.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) nodes: u64,
    /// The nodes by how deep they are: what indentation costs.
    pub(super) levels: u64,
}

pub(super) fn measure(value: &JValue) -> Result<Size, Limit> {
    let mut size = Size::default();
    size.add(value, 0)?;
    Ok(size)
}

impl Size {
    fn add(&mut self, value: &JValue, depth: u64) -> Result<(), Limit> {
        self.nodes += 1;
        self.levels += depth;
        match value {
            JValue::String(text) => self.bytes += text.len() as u64,
            JValue::Array(items) => with_stack(|| items.iter().try_for_each(|item| self.add(item, depth + 1)))?,
            JValue::Object(members) => with_stack(|| {
                members.iter().try_for_each(|(name, member)| {
                    self.bytes += name.len() as u64;
                    self.add(member, depth + 1)
                })
            })?,
            _ => self.bytes += SCALAR_BYTES,
        }
        let fits = self.bytes <= VALUE_BYTES_MAX && self.nodes <= VALUE_NODES_MAX;
        if fits { Ok(()) } else { Err(Limit::Memory) }
    }
}

//! Functions on texts: the two that Step Functions adds, and those that make long texts out of short ones, which
//! are passed on to the language once their results are known to be within the limits.

use std::fmt;

use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::functions::string as language;
use jsonata_core::value::JValue;
use md5::Md5;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};

use super::super::failure::Limit;
use super::super::host::{Host, Outcome, coded, refused};
use super::super::limit::{SEQUENCE_ITEMS_MAX, VALUE_BYTES_MAX};
use super::super::value::{self, Wide};
use super::{at_most, mismatch};

/// What one part of a split text takes in memory beside its bytes.
const PART_BYTES: u64 = 48;

/// `left & right`.
pub(in super::super) fn concatenate(host: &Host, args: &[JValue]) -> Outcome {
    let [left, right] = args else { unreachable!("the operator has two operands") };
    let (left, right) = (shown(host, left)?, shown(host, right)?);
    fits(host, (left.len() + right.len()) as u64)?;
    Ok(JValue::string([&*left, &*right].concat()))
}

fn shown(host: &Host, value: &JValue) -> Result<std::rc::Rc<str>, EvaluatorError> {
    match value {
        JValue::String(text) => Ok(text.clone()),
        JValue::Undefined => Ok("".into()),
        other => {
            host.measure(other)?;
            Ok(language::string(other, None)?.as_rc_str().cloned().unwrap_or_else(|| "".into()))
        }
    }
}

pub(in super::super) fn string(host: &Host, args: &[JValue], context: &JValue) -> Outcome {
    let value = args.first().unwrap_or(context);
    let size = host.measure(value)?;
    // Two more for each level: the indentation of the pretty form, which only a second argument asks for.
    let indented = if args.len() > 1 { 2 * size.levels } else { 0 };
    fits(host, size.bytes + indented)?;
    match args {
        [value] => Ok(language::string(value, None)?),
        _ => Host::builtin("string", args, context),
    }
}

pub(in super::super) fn join(host: &Host, args: &[JValue], context: &JValue) -> Outcome {
    if let Some(JValue::Array(items)) = args.first() {
        let separator = args.get(1).and_then(JValue::as_str).map_or(0, str::len);
        let texts = items.iter().map(|item| item.as_str().map_or(0, str::len) + separator);
        fits(host, texts.map(|length| length as u64).sum())?;
    }
    Host::builtin("join", args, context)
}

/// The language's adds places and lengths as 64-bit integers, unchecked; beyond any text one is as good as another.
pub(in super::super) fn substring(_: &Host, args: &[JValue], context: &JValue) -> Outcome {
    const FAR: f64 = VALUE_BYTES_MAX as f64;
    let near = |arg: &JValue| match arg {
        JValue::Number(number) => JValue::Number(number.clamp(-FAR, FAR)),
        other => other.clone(),
    };
    let args: Vec<JValue> = args.iter().map(near).collect();
    match &args[..] {
        [JValue::String(text), JValue::Number(start)] => Ok(language::substring(text, *start as i64, None)?),
        [JValue::String(text), JValue::Number(start), JValue::Number(length)] => {
            Ok(language::substring(text, *start as i64, Some(*length as i64))?)
        }
        _ => Host::builtin("substring", &args, context),
    }
}

pub(in super::super) fn pad(host: &Host, args: &[JValue], context: &JValue) -> Outcome {
    // The width is the second argument, or the first when the text is the context item.
    let width = args.iter().find_map(JValue::as_f64).map_or(0.0, f64::abs);
    // The cast ends at the bounds of the integer.
    fits(host, width as u64)?;
    Host::builtin("pad", args, context)
}

/// Every match may be replaced by all of the replacement. Functions as replacements are charged where they are
/// called: see `guard`.
pub(in super::super) fn replace(host: &Host, args: &[JValue], context: &JValue) -> Outcome {
    let text = args.first().and_then(JValue::as_str).unwrap_or_default();
    let replacement = args.get(2).and_then(JValue::as_str).unwrap_or_default();
    let at_worst = (text.len() as u64 + 1).saturating_mul(replacement.len() as u64 + 1);
    if at_worst > VALUE_BYTES_MAX {
        let matches = args.get(1).map_or(0, |pattern| matches(text, pattern));
        fits(host, text.len() as u64 + matches.saturating_mul(replacement.len() as u64))?;
    } else {
        fits(host, at_worst)?;
    }
    Host::builtin("replace", args, context)
}

fn separates(text: &str, separator: &JValue) -> u64 {
    match separator.as_str() {
        Some("") => text.chars().count() as u64,
        _ => matches(text, separator),
    }
}

fn matches(text: &str, pattern: &JValue) -> u64 {
    let count = match pattern {
        JValue::String(pattern) if !pattern.is_empty() => text.matches(&**pattern).count(),
        // A regular expression that is none is refused where it is used.
        JValue::Regex { pattern, flags } => {
            language::build_regex(pattern, flags).map_or(0, |regex| regex.find_iter(text).count())
        }
        _ => 0,
    };
    count as u64
}

pub(in super::super) fn split(host: &Host, args: &[JValue], context: &JValue) -> Outcome {
    let (text, separator) = match args {
        [JValue::String(text), separator, ..] => (&**text, separator),
        [separator, ..] => (context.as_str().unwrap_or_default(), separator),
        [] => return Host::builtin("split", args, context),
    };
    if text.len() > SEQUENCE_ITEMS_MAX && separates(text, separator) >= SEQUENCE_ITEMS_MAX as u64 {
        return Err(refused(Limit::Memory));
    }
    host.work(text.len() as u64 * PART_BYTES)?;
    Host::builtin("split", args, context)
}

/// Roman numbers have a letter for each thousand.
pub(in super::super) fn format_integer(host: &Host, args: &[JValue], context: &JValue) -> Outcome {
    let number = args.first().and_then(JValue::as_f64).or(context.as_f64()).unwrap_or(0.0);
    let picture = args.iter().rev().find_map(JValue::as_str).unwrap_or_default();
    if picture.starts_with(['i', 'I']) {
        fits(host, (number.abs() / 1_000.0) as u64)?;
    }
    Host::builtin("formatInteger", args, context)
}

fn fits(host: &Host, bytes: u64) -> Result<(), EvaluatorError> {
    if bytes > VALUE_BYTES_MAX {
        return Err(refused(Limit::Memory));
    }
    host.work(bytes)
}

type Digester = fn(&[u8]) -> String;

const HASHES: [(&str, Digester); 5] = [
    ("MD5", hex_digest::<Md5>),
    ("SHA-1", hex_digest::<Sha1>),
    ("SHA-256", hex_digest::<Sha256>),
    ("SHA-384", hex_digest::<Sha384>),
    ("SHA-512", hex_digest::<Sha512>),
];

/// Of the bytes in UTF-8. Names of algorithms are matched exactly; which text AWS has for another is not known.
pub(in super::super) fn hash(host: &Host, args: &[JValue], _: &JValue) -> Outcome {
    at_most(2, args, "hash")?;
    let (text, wanted) = match args {
        [] | [JValue::Undefined, ..] | [JValue::String(_)] | [JValue::String(_), JValue::Undefined] => {
            return Ok(JValue::Undefined);
        }
        [JValue::String(text), JValue::String(wanted)] => (text, wanted),
        [JValue::String(_), ..] => return Err(mismatch(2, "hash")),
        _ => return Err(mismatch(1, "hash")),
    };
    host.work(text.len() as u64)?;
    match HASHES.iter().find(|(name, _)| *name == &**wanted) {
        Some((_, digest)) => Ok(JValue::string(digest(text.as_bytes()))),
        None => Err(coded("D3137", format!("Unsupported hashing algorithm: {wanted}"))),
    }
}

fn hex_digest<D: Digest>(data: &[u8]) -> String {
    D::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON from text. Measured on AWS: a name twice in an object, a number too large for floating point, and anything
/// behind the value are errors.
pub(in super::super) fn parse(host: &Host, args: &[JValue], _: &JValue) -> Outcome {
    at_most(1, args, "parse")?;
    let text = match args {
        [] | [JValue::Undefined] => return Ok(JValue::Undefined),
        [JValue::String(text)] => text,
        _ => return Err(mismatch(1, "parse")),
    };
    host.work(text.len() as u64)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Json(&host.wide).deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|_| coded("D3137", "Invalid JSON"))
}

/// Reads JSON into the evaluator's values.
#[derive(Clone, Copy)]
struct Json<'w>(&'w Wide);

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = JValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JValue, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = JValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<JValue, E> {
        Ok(JValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<JValue, E> {
        Ok(JValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JValue, E> {
        Ok(self.0.number(&value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<JValue, E> {
        Ok(self.0.number(&value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<JValue, E> {
        Ok(JValue::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<JValue, E> {
        Ok(JValue::string(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<JValue, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            all.push(item);
        }
        Ok(value::array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<JValue, A::Error> {
        let mut all = jsonata_core::value::JMap::from_iter([]);
        while let Some(name) = members.next_key::<String>()? {
            let member = members.next_value_seed(self)?;
            if all.insert(name, member).is_some() {
                return Err(A::Error::custom("a name twice"));
            }
        }
        Ok(JValue::Object(all.into()))
    }
}

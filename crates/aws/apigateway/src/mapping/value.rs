//! Values of a template, which are JSON, and the methods that templates call on them as if they were Java's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

/// As it is written into the output: a text without quotes, nothing for null.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // As API Gateway shows an object that is put into a text.
        other => other.to_string(),
    }
}

pub fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

/// A number and its text are the same to `==`, as Velocity compares by text what is not of one kind.
pub fn is_equal(left: &Value, right: &Value) -> bool {
    left == right || (left.is_string() != right.is_string() && text(left) == text(right))
}

/// A property: of a map its entry, of a text or a list whether it is empty.
pub fn property(value: &Value, name: &str) -> Value {
    match (value, name) {
        (Value::Object(map), _) if map.contains_key(name) => map[name].clone(),
        (Value::Object(map), "empty") => map.is_empty().into(),
        (Value::Array(list), "empty") => list.is_empty().into(),
        (Value::String(text), "empty") => text.is_empty().into(),
        _ => Value::Null,
    }
}

/// The methods that are served, with the number of their arguments.
pub const METHODS: &[(&str, usize)] = &[
    ("contains", 1),
    ("containsKey", 1),
    ("endsWith", 1),
    ("entrySet", 0),
    ("equals", 1),
    ("equalsIgnoreCase", 1),
    ("get", 1),
    ("indexOf", 1),
    ("isEmpty", 0),
    ("keySet", 0),
    ("length", 0),
    ("matches", 1),
    ("replace", 2),
    ("replaceAll", 2),
    ("size", 0),
    ("split", 1),
    ("startsWith", 1),
    ("substring", 1),
    ("substring", 2),
    ("toLowerCase", 0),
    ("toString", 0),
    ("toUpperCase", 0),
    ("trim", 0),
    ("values", 0),
];

/// Calls a method. A method of nothing is nothing, as Velocity has it.
pub fn call(value: &Value, name: &str, arguments: &[Value]) -> Result<Value, String> {
    let argument = |at: usize| arguments.get(at).map(text).unwrap_or_default();
    Ok(match (value, name) {
        (Value::Null, _) => Value::Null,
        (_, "equals") => is_equal(value, &arguments[0]).into(),
        (_, "equalsIgnoreCase") => text(value).eq_ignore_ascii_case(&argument(0)).into(),
        (_, "toString") => text(value).into(),
        (Value::Object(map), "keySet") => map.keys().cloned().map(Value::from).collect(),
        (Value::Object(map), "values") => map.values().cloned().collect(),
        (Value::Object(map), "entrySet") => map.iter().map(entry).collect(),
        (Value::Object(map), "get") => map.get(&argument(0)).cloned().unwrap_or_default(),
        (Value::Object(map), "containsKey") => map.contains_key(&argument(0)).into(),
        (Value::Object(map), "size") => map.len().into(),
        (Value::Object(map), "isEmpty") => map.is_empty().into(),
        (Value::Array(list), "size") => list.len().into(),
        (Value::Array(list), "isEmpty") => list.is_empty().into(),
        (Value::Array(list), "contains") => list.iter().any(|item| is_equal(item, &arguments[0])).into(),
        (Value::Array(list), "get") => {
            argument(0).parse::<usize>().ok().and_then(|at| list.get(at)).cloned().unwrap_or_default()
        }
        (Value::String(text), _) => of_text(text, name, &argument)?,
        _ => return Err(format!("{name}() is not served on this value")),
    })
}

fn entry((key, value): (&String, &Value)) -> Value {
    Map::from_iter([("key".to_owned(), key.as_str().into()), ("value".to_owned(), value.clone())]).into()
}

fn of_text(text: &str, name: &str, argument: &dyn Fn(usize) -> String) -> Result<Value, String> {
    Ok(match name {
        "contains" => text.contains(&argument(0)).into(),
        "endsWith" => text.ends_with(&argument(0)).into(),
        "startsWith" => text.starts_with(&argument(0)).into(),
        "isEmpty" => text.is_empty().into(),
        "indexOf" => match text.find(&argument(0)) {
            Some(byte) => text[..byte].encode_utf16().count().into(),
            None => (-1).into(),
        },
        // Java counts in UTF-16.
        "length" | "size" => text.encode_utf16().count().into(),
        "matches" => pattern(&format!("^(?:{})$", argument(0)))?.is_match(text).into(),
        "replace" => text.replace(&argument(0), &argument(1)).into(),
        "replaceAll" => pattern(&argument(0))?.replace_all(text, replacement(&argument(1))).into_owned().into(),
        "split" => {
            let pattern = pattern(&argument(0))?;
            let mut parts: Vec<&str> = pattern.split(text).collect();
            while parts.len() > 1 && parts.last() == Some(&"") {
                parts.pop();
            }
            parts.into()
        }
        "substring" => substring(text, &argument(0), &argument(1))?.into(),
        "toLowerCase" => text.to_lowercase().into(),
        "toUpperCase" => text.to_uppercase().into(),
        "trim" => text.trim().into(),
        _ => return Err(format!("{name}() is not served on a text")),
    })
}

fn pattern(pattern: &str) -> Result<regex_lite::Regex, String> {
    let built = regex_lite::RegexBuilder::new(pattern).size_limit(super::PATTERN_BYTES_MAX).build();
    built.map_err(|error| format!("\"{pattern}\" is no regular expression that is served: {error}"))
}

/// Java's `\x` in a replacement is `x`, and `$1` a group.
fn replacement(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('$') => out.push_str("$$"),
                Some(next) => out.push(next),
                None => {}
            },
            '$' => {
                let digits: String = letters.clone().take_while(char::is_ascii_digit).collect();
                letters.by_ref().take(digits.len()).for_each(drop);
                out.push_str(&if digits.is_empty() { "$$".to_owned() } else { format!("${{{digits}}}") });
            }
            other => out.push(other),
        }
    }
    out
}

fn substring(text: &str, from: &str, to: &str) -> Result<String, String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let from: Option<usize> = from.parse().ok();
    let to: Option<usize> = if to.is_empty() { Some(units.len()) } else { to.parse().ok() };
    match (from, to) {
        (Some(from), Some(to)) if from <= to && to <= units.len() => Ok(String::from_utf16_lossy(&units[from..to])),
        _ => Err("substring() is asked for what is not in the text".to_owned()),
    }
}

/// `$util`.
pub fn util(name: &str, argument: &Value) -> Result<Value, String> {
    let given = text(argument);
    Ok(match name {
        "escapeJavaScript" => escape_javascript(&given).into(),
        "parseJson" => serde_json::from_str(&given).map_err(|error| format!("$util.parseJson: {error}"))?,
        "base64Encode" => STANDARD.encode(given).into(),
        "base64Decode" => {
            let bytes = STANDARD.decode(given).map_err(|error| format!("$util.base64Decode: {error}"))?;
            String::from_utf8_lossy(&bytes).into_owned().into()
        }
        "urlEncode" => utf8_percent_encode(&given, NON_ALPHANUMERIC).to_string().replace("%20", "+").into(),
        "urlDecode" => percent_decode_str(&given.replace('+', " ")).decode_utf8_lossy().into_owned().into(),
        _ => return Err(format!("$util.{name} is not served")),
    })
}

/// As AWS's: quotes, backslashes, slashes and what is not visible ASCII.
fn escape_javascript(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some('"') => out.push_str("\\\""),
            Some('\'') => out.push_str("\\'"),
            Some('\\') => out.push_str("\\\\"),
            Some('/') => out.push_str("\\/"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\u{c}') => out.push_str("\\f"),
            Some(letter) if (' '..='~').contains(&letter) => out.push(letter),
            _ => out.push_str(&format!("\\u{unit:04X}")),
        }
    }
    out
}

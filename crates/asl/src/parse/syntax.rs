//! The JSON under the definition: its size, its depth, its grammar; refused in the words of AWS's JSON parser.

use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Severity};
use crate::locate;

use super::report::code;
use super::{DEFINITION_CHARS_MAX, DEPTH_MAX};

/// AWS tells no location with it.
pub(crate) const NOT_AN_OBJECT: &str = "Definition must be a valid JSON object";

/// How much of the text AWS repeats in a message about its syntax.
const EXCERPT_CHARS_MAX: usize = 500;

/// The object that the text holds.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, Diagnostic> {
    // The count of bytes is known, and never smaller than the count of characters.
    if text.len() > DEFINITION_CHARS_MAX && text.chars().count() > DEFINITION_CHARS_MAX {
        let message = format!("Definition exceeds the maximum length of {DEFINITION_CHARS_MAX} characters");
        return Err(diagnostic(code::SCHEMA, message, (0, 0)));
    }
    if text.trim().is_empty() {
        return Err(diagnostic(code::SCHEMA, NOT_AN_OBJECT.to_owned(), (0, 0)));
    }
    if let Some(offset) = locate::deeper_than(text, DEPTH_MAX) {
        let message = format!("Objects and arrays are nested more than {DEPTH_MAX} levels deep");
        return Err(diagnostic(code::TOO_DEEP, message, locate::line_and_column(text, offset)));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(diagnostic(code::SCHEMA, NOT_AN_OBJECT.to_owned(), (1, 1))),
        Err(error) => Err(syntax_error(text, &error)),
    }
}

fn diagnostic(code: &'static str, message: String, (line, column): (u32, u32)) -> Diagnostic {
    Diagnostic { severity: Severity::Error, code, message, pointer: String::new(), line, column, help: None }
}

fn syntax_error(text: &str, error: &serde_json::Error) -> Diagnostic {
    let (what, place) = explain(text, error);
    let (line, column) = place;
    let message = format!("{what}\n at [Source: (String){}; line: {line}, column: {column}]", excerpt(text));
    diagnostic(code::INVALID_JSON, message, place)
}

/// What AWS's JSON parser says about a text that is not JSON, without the place.
pub fn syntax_message(text: &str, error: &serde_json::Error) -> String {
    explain(text, error).0
}

fn explain(text: &str, error: &serde_json::Error) -> (String, (u32, u32)) {
    let offset = offset_of(text, error.line(), error.column());
    if let Some((word, end)) = unknown_word(text, offset) {
        let what = format!(
            "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' \
             or 'false')"
        );
        return (what, locate::line_and_column(text, end));
    }
    let what = match text[offset..].chars().next() {
        Some(found) if error.to_string().starts_with("key must be a string") => {
            let code = u32::from(found);
            format!("Unexpected character ('{found}' (code {code})): was expecting double-quote to start field name")
        }
        _ => reason(error),
    };
    (what, locate::line_and_column(text, offset))
}

/// What serde_json says, without its own words for the place.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The byte offset of a one-based line and a one-based column in bytes.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    text.floor_char_boundary((start + column.saturating_sub(1)).min(text.len()))
}

/// The bare word around an offset, such as `not` or `undefined`, and where it ends.
fn unknown_word(text: &str, offset: usize) -> Option<(&str, usize)> {
    let part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '$');
    let start = offset - text[..offset].chars().rev().take_while(|c| part(*c)).count();
    let end = offset + text[offset..].chars().take_while(|c| part(*c)).count();
    let word = &text[start..end];
    let bare = word.starts_with(|c: char| c.is_ascii_alphabetic()) && !matches!(word, "true" | "false" | "null");
    let value = text[..start].trim_end().ends_with([':', ',', '[']) || text[..start].trim().is_empty();
    (bare && value).then_some((word, end))
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        None => format!("\"{text}\""),
        Some((end, _)) => {
            let rest = text[end..].chars().count();
            format!("\"{}\"[truncated {rest} chars]", &text[..end])
        }
    }
}

//! Diagnostics as AWS words them on the wire.
//!
//! AWS writes places not quite as JSON pointers: `/States/Pick a/b/Choices[0]/Next`, with indexes in brackets and
//! names as they are.

use crate::diagnostic::{Diagnostic, Severity};
use crate::parse::{NOT_AN_OBJECT, code};

/// Fields that hold arrays in which a diagnostic may point at an element.
const ARRAYS: &[&str] = &["Branches", "Choices", "Retry", "Catch", "ErrorEquals", "And", "Or"];

/// The prefix of the codes that AWS does not have.
pub const OURS: &str = "ITHACA_";

/// The message of the `InvalidDefinition` error of CreateStateMachine and UpdateStateMachine.
///
/// While AWS itself would refuse the definition, it says what AWS says and nothing else; what only Ithaca refuses
/// comes when the rest is mended. Warnings are left out.
pub fn aws_message(diagnostics: &[Diagnostic]) -> String {
    let errors = || diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let aws = errors().any(|found| !found.code.starts_with(OURS));
    let told = errors().filter(|found| !aws || !found.code.starts_with(OURS)).map(|found| {
        let location = aws_location(found);
        format!("{}: {} at {}", found.code, found.message, location.as_deref().unwrap_or("null"))
    });
    format!("Invalid State Machine Definition: '{}'", told.collect::<Vec<_>>().join(", "))
}

/// The `location` that ValidateStateMachineDefinition tells; it has none for a few.
pub fn aws_location(diagnostic: &Diagnostic) -> Option<String> {
    if diagnostic.code == code::MISSING_END || diagnostic.message == NOT_AN_OBJECT {
        return None;
    }
    if let Some((_, source)) = diagnostic.message.split_once("\n at [Source: ") {
        return Some(format!("[Source: {source}"));
    }
    Some(location(place(diagnostic), diagnostic.code.ends_with("_JSONATA_EXPRESSION")))
}

/// Of a member of a template AWS names the object that holds it.
fn place(diagnostic: &Diagnostic) -> &str {
    let pointer = diagnostic.pointer.as_str();
    match diagnostic.message.starts_with("The value for the field '") {
        true => pointer.rsplit_once('/').map_or(pointer, |(object, _)| object),
        false => pointer,
    }
}

/// `in_template`: the place may be deep inside JSON, where every array is written in this way.
fn location(pointer: &str, in_template: bool) -> String {
    let mut text = String::new();
    let mut parent = "";
    for token in pointer.split('/').skip(1) {
        let is_array = ARRAYS.contains(&parent) || (in_template && parent != "States");
        if is_array && token.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str(&format!("[{token}]"));
        } else {
            text.push('/');
            text.push_str(&token.replace("~1", "/").replace("~0", "~"));
        }
        parent = token;
    }
    if text.is_empty() { "/".to_owned() } else { text }
}

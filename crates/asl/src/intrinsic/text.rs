//! Intrinsic functions on text.

use std::collections::HashSet;

use serde_json::Value;

use super::{Arguments, Problem, string};
use crate::jvm;
use crate::path::Work;
use crate::scope::Scope;

/// Each `{}` takes the next argument, written as Java writes it. `\{`, `\}`, `\'` and `\\` stand for themselves.
pub(super) fn format(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    let template = string(arguments, 0)?;
    let mut values = arguments[1..].iter();
    let mut out = String::with_capacity(template.len());
    let mut chars = template.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next_if(|next| matches!(next, '\'' | '\\' | '{' | '}')) {
                Some(escaped) => out.push(escaped),
                None => out.push('\\'),
            },
            '{' if chars.next_if_eq(&'}').is_some() => {
                let value = values.next().ok_or_else(|| mismatch(arguments.len() - 1))?;
                work.copy_of(value)?;
                jvm::write_text(value, &mut out);
            }
            '{' => return Err(Problem::new("matching '}' not found for '{'; write '\\{' for a brace")),
            '}' => return Err(Problem::new("matching '{' not found for '}'; write '\\}' for a brace")),
            char => out.push(char),
        }
    }
    if values.next().is_some() {
        return Err(mismatch(arguments.len() - 1));
    }
    Ok(Value::String(out))
}

/// Every character of the second argument divides; empty parts are left out, as on AWS.
pub(super) fn split(arguments: &Arguments<'_>, _: &Scope<'_>, work: &Work) -> Result<Value, Problem> {
    let text = string(arguments, 0)?;
    let delimiters = string(arguments, 1)?;
    work.spend((text.len() + delimiters.len()) as u64)?;
    let delimiters: HashSet<char> = delimiters.chars().collect();
    let parts = text.split(|char| delimiters.contains(&char)).filter(|part| !part.is_empty());
    Ok(parts.map(Value::from).collect())
}

fn mismatch(given: usize) -> Problem {
    Problem::new(format!("number of arguments do not match the occurrences of {{}}. ({given} were given)"))
}

//! The paths that API Gateway's mappings take out of a body: names and indices. Anything more is told apart, not guessed.

use serde_json::Value;

/// What the path leads to. The error is the part of it that is not served.
pub fn find<'v>(value: &'v Value, path: &str) -> Result<Option<&'v Value>, String> {
    let mut found = Some(value);
    for step in steps(path)? {
        found = found.and_then(|value| match &step {
            Step::Name(name) => value.get(name),
            Step::Index(index) => value.get(index),
        });
    }
    Ok(found)
}

#[derive(Debug, PartialEq)]
pub enum Step {
    Name(String),
    Index(usize),
}

pub fn steps(path: &str) -> Result<Vec<Step>, String> {
    let mut rest = path.strip_prefix('$').ok_or_else(|| format!("the path {path} does not begin with $"))?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = step(rest).ok_or_else(|| format!("{rest} of the path {path} is not served"))?;
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

fn step(rest: &str) -> Option<(Step, &str)> {
    if let Some(name) = rest.strip_prefix('.') {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (name, after) = name.split_at(end);
        let is_plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-$".contains(c));
        return is_plain.then(|| (Step::Name(name.to_owned()), after));
    }
    let inner = rest.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(name) = inner.strip_prefix(quote) {
            let (name, after) = name.split_once(quote)?;
            return Some((Step::Name(name.to_owned()), after.strip_prefix(']')?));
        }
    }
    let (index, after) = inner.split_once(']')?;
    Some((Step::Index(index.parse().ok()?), after))
}

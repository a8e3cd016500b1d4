//! Choice, and the short form of its rules that a drawing shows.

use serde_json::{Map, Value};

use crate::choice::Condition;
use crate::definition::{Choice, Rule, StateId};

use super::At;
use super::fields::Fields;
use super::language::Language;
use super::report::{Read, Refused};
use super::schema;
use super::state::{Here, Parser};

/// What fits on an arrow; the rest of a longer rule is cut off.
const LABEL_CHARS_MAX: usize = 60;

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Choice> {
    let required = here.fields.require(&["Choices"], p.report);
    let io = p.io(here);
    let rules = rules(p, here);
    let default = default(p, here);
    required?;
    Ok(Choice { io: io?, rules: rules?, default: default? })
}

fn rules(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Vec<Rule>> {
    let Ok(Some(items)) = here.fields.filled_array("Choices", p.report) else { return Err(p.unsure(here)) };
    let list = here.fields.at.key("Choices");
    let rules: Vec<Read<Rule>> =
        items.iter().enumerate().map(|(index, item)| rule(p, here, item, list.index(index))).collect();
    rules.into_iter().collect()
}

fn rule(p: &mut Parser<'_>, here: &Here<'_>, item: &Value, at: At<'_>) -> Read<Rule> {
    let Ok(fields) = Fields::of(item, at, p.report) else { return Err(p.unsure(here)) };
    let language = schema::check_inner(&fields, Language::JsonPath, p.report);
    let required = fields.require(&["Next"], p.report);
    let condition = match language {
        Ok(()) => Condition::parse(item, &at.pointer(), &mut p.report.diagnostics, false).ok_or(Refused),
        Err(refused) => Err(refused),
    };
    let next = p.inner_target(here, &fields);
    required?;
    Ok(Rule { condition: condition?, next: next?, label: label(item) })
}

/// `Default`.
pub(crate) fn default(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<StateId>> {
    match here.fields.string("Default", p.report) {
        Ok(None) => Ok(None),
        Ok(Some(name)) => p.target(here, name, &here.fields.at.key("Default")).map(Some),
        Err(_) => Err(p.unsure(here)),
    }
}

/// A rule in a few words: `$.status == "ok"`.
fn label(rule: &Value) -> String {
    let text = describe(rule);
    match text.char_indices().nth(LABEL_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn describe(rule: &Value) -> String {
    let Value::Object(rule) = rule else { return String::new() };
    if let Some(Value::Array(parts)) = rule.get("And") {
        return join(parts, " and ");
    }
    if let Some(Value::Array(parts)) = rule.get("Or") {
        return join(parts, " or ");
    }
    match rule.get("Not") {
        Some(inner) => format!("not ({})", describe(inner)),
        None => comparison(rule),
    }
}

fn join(parts: &[Value], with: &str) -> String {
    let part = |part: &Value| match part.get("And").or(part.get("Or")) {
        Some(_) => format!("({})", describe(part)),
        None => describe(part),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(with)
}

fn comparison(rule: &Map<String, Value>) -> String {
    let variable = rule.get("Variable").and_then(Value::as_str).unwrap_or_default();
    let operator = rule.iter().find_map(|(name, operand)| Some((symbol(name)?, name, operand)));
    match operator {
        None => variable.to_owned(),
        Some((test, name, operand)) if name.starts_with("Is") => {
            let not = if operand == &Value::Bool(false) { "not " } else { "" };
            format!("{variable} is {not}{test}")
        }
        Some((symbol, name, Value::String(path))) if name.ends_with("Path") => format!("{variable} {symbol} {path}"),
        Some((symbol, _, operand)) => format!("{variable} {symbol} {operand}"),
    }
}

/// How an operator reads; none for a field that is no operator.
fn symbol(name: &str) -> Option<&'static str> {
    const TESTS: &[(&str, &str)] = &[
        ("IsPresent", "present"),
        ("IsNull", "null"),
        ("IsNumeric", "a number"),
        ("IsString", "a string"),
        ("IsBoolean", "a boolean"),
        ("IsTimestamp", "a timestamp"),
        ("StringMatches", "matches"),
    ];
    const COMPARISONS: &[(&str, &str)] = &[
        ("Equals", "=="),
        ("LessThan", "<"),
        ("LessThanEquals", "<="),
        ("GreaterThan", ">"),
        ("GreaterThanEquals", ">="),
    ];
    let find = |table: &[(&str, &'static str)], name: &str| {
        table.iter().find(|(known, _)| *known == name).map(|(_, symbol)| *symbol)
    };
    let of_type = ["String", "Numeric", "Boolean", "Timestamp"].iter().find_map(|kind| name.strip_prefix(kind));
    let comparison = of_type.map(|rest| rest.strip_suffix("Path").unwrap_or(rest));
    find(TESTS, name).or_else(|| find(COMPARISONS, comparison?))
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_are_short_and_human() {
        for (rule, expected) in [
            (r#"{"Variable":"$.status","StringEquals":"ok","Next":"A"}"#, r#"$.status == "ok""#),
            (r#"{"Variable":"$.a","NumericLessThanEqualsPath":"$.b"}"#, "$.a <= $.b"),
            (r#"{"Variable":"$.a","IsPresent":false}"#, "$.a is not present"),
            (r#"{"Comment":"x","Variable":"$.a","StringMatches":"log-*"}"#, r#"$.a matches "log-*""#),
            (
                r#"{"Not":{"Or":[{"Variable":"$.a","IsNull":true},{"And":[{"Variable":"$.b","BooleanEquals":true}]}]}}"#,
                "not ($.a is null or ($.b == true))",
            ),
            ("[]", ""),
        ] {
            assert_eq!(label(&serde_json::from_str(rule).unwrap()), expected, "{rule}");
        }
        let long = format!(r#"{{"Variable":"$.a","StringEquals":"{}"}}"#, "é".repeat(100));
        assert_eq!(label(&serde_json::from_str(&long).unwrap()).chars().count(), 61);
    }
}

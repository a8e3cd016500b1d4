//! Choice, and the short form of its rules that a drawing shows.

use serde_json::{Map, Value};

use crate::definition::{Choice, Condition, Rule, StateId};
use crate::{choice, jsonata};

use super::At;
use super::fields::Fields;
use super::language::Language;
use super::query::Moment;
use super::report::{Problem, Read, Refused};
use super::schema;
use super::state::{Here, Parser};

/// What fits on an arrow; the rest of a longer rule is cut off.
const LABEL_CHARS_MAX: usize = 60;

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Choice> {
    let required = here.fields.require(&["Choices"], p.report);
    let io = p.io(here, Moment::Before);
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
    let (condition, label) = match here.language {
        Language::JsonPath => (path_condition(p, &fields, item), label(&describe(item))),
        Language::Jsonata => (jsonata_condition(p, &fields), label(&expression(&fields))),
    };
    let assign = fields.assign(here.language, Moment::Before, p.report);
    let output = match here.language {
        Language::JsonPath => Ok(None),
        Language::Jsonata => fields.jsonata("Output", Moment::Before, p.report),
    };
    let next = p.inner_target(here, &fields);
    Ok(Rule { condition: condition?, assign: assign?, output: output?, next: next?, label })
}

fn path_condition(p: &mut Parser<'_>, fields: &Fields<'_>, item: &Value) -> Read<Condition> {
    let language = schema::check_inner(fields, Language::JsonPath, p.report);
    let required = fields.require(&["Next"], p.report);
    language?;
    let condition = choice::Condition::parse(item, &fields.at.pointer(), &mut p.report.diagnostics, false);
    required?;
    condition.map(Condition::Path).ok_or(Refused)
}

fn jsonata_condition(p: &mut Parser<'_>, fields: &Fields<'_>) -> Read<Condition> {
    const NAME: &str = "Condition";
    schema::check_jsonata_rule(fields, p.report);
    fields.require(&[NAME, "Next"], p.report)?;
    if let Some(Value::Bool(fixed)) = fields.get(NAME) {
        return Ok(Condition::Fixed(*fixed));
    }
    match fields.expression(NAME, Moment::Before, p.report)? {
        Some(expression) => Ok(Condition::Jsonata(expression)),
        None => {
            let problem =
                Problem::schema(&fields.at.key(NAME), "Expected value of type [BOOLEAN] or a JSONata expression");
            Err(p.report.add(problem.help("write the expression between '{%' and '%}'")))
        }
    }
}

/// The text of a rule's expression.
fn expression(fields: &Fields<'_>) -> String {
    match fields.get("Condition") {
        Some(Value::String(text)) => jsonata::inside(text).unwrap_or(text).trim().to_owned(),
        Some(fixed) => fixed.to_string(),
        None => String::new(),
    }
}

/// `Default`.
fn default(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<StateId>> {
    match here.fields.string("Default", p.report) {
        Ok(None) => Ok(None),
        Ok(Some(name)) => p.target(here, name, &here.fields.at.key("Default")).map(Some),
        Err(_) => Err(p.unsure(here)),
    }
}

fn label(text: &str) -> String {
    match text.char_indices().nth(LABEL_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A rule in a few words: `$.status == "ok"`.
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
    use super::{describe, label};

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
            assert_eq!(label(&describe(&serde_json::from_str(rule).unwrap())), expected, "{rule}");
        }
        let long = format!(r#"{{"Variable":"$.a","StringEquals":"{}"}}"#, "é".repeat(100));
        assert_eq!(label(&describe(&serde_json::from_str(&long).unwrap())).chars().count(), 61);
    }
}

//! What a target gets: the event, a part of it, a constant, or a text made of parts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// AWS's limit of variables of a transformer.
const PATHS_MAX: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    #[default]
    Event,
    /// `Input`: JSON.
    Constant(String),
    /// `InputPath`: `$.detail`.
    Path(String),
    Transformed(Transformer),
}

/// `InputTransformer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transformer {
    /// Names and paths.
    pub paths: Vec<(String, String)>,
    pub template: String,
}

/// What a transformer's template can say of the rule.
pub struct About<'a> {
    pub name: &'a str,
    pub arn: &'a str,
    /// ISO 8601.
    pub ingestion_time: &'a str,
}

impl Input {
    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<String> {
        match self {
            Input::Event => None,
            Input::Constant(text) => {
                serde_json::from_str::<Value>(text).err().map(|error| format!("Input is not JSON: {error}"))
            }
            Input::Path(path) => steps(path).err(),
            Input::Transformed(Transformer { paths, .. }) if paths.len() > PATHS_MAX => {
                Some(format!("an InputTransformer has {PATHS_MAX} paths at most"))
            }
            Input::Transformed(transformer) => transformer.paths.iter().find_map(|(_, path)| steps(path).err()),
        }
    }

    /// The payload for an event, as JSON.
    pub fn of(&self, event: &Value, rule: &About<'_>) -> String {
        match self {
            Input::Event => event.to_string(),
            Input::Constant(text) => text.clone(),
            Input::Path(path) => find(event, path).cloned().unwrap_or_default().to_string(),
            Input::Transformed(transformer) => transformer.fill(event, rule),
        }
    }
}

impl Transformer {
    /// The template with its variables. In quotes a value is put as a text, elsewhere as JSON.
    fn fill(&self, event: &Value, rule: &About<'_>) -> String {
        let mut out = String::new();
        let mut rest = self.template.as_str();
        let mut is_quoted = false;
        while let Some(start) = rest.find(['<', '"', '\\']) {
            let (before, after) = rest.split_at(start);
            out.push_str(before);
            let mark = after.as_bytes()[0];
            let value = (mark == b'<')
                .then(|| after.find('>').and_then(|end| Some((end, self.value(&after[1..end], event, rule)?))));
            rest = match (mark, value.flatten()) {
                (_, Some((end, value))) => {
                    out.push_str(&if is_quoted { unquoted(&value) } else { value.to_string() });
                    &after[end + 1..]
                }
                (b'\\', _) => {
                    let length = 1 + after[1..].chars().next().map_or(0, char::len_utf8);
                    out.push_str(&after[..length]);
                    &after[length..]
                }
                _ => {
                    is_quoted ^= mark == b'"';
                    out.push_str(&after[..1]);
                    &after[1..]
                }
            };
        }
        out.push_str(rest);
        // A template need not be JSON: then it is a text.
        match serde_json::from_str::<Value>(&out) {
            Ok(_) => out,
            Err(_) => Value::from(out).to_string(),
        }
    }

    /// A variable's value; nothing if there is no such variable. A path that leads nowhere gives an empty text.
    fn value(&self, name: &str, event: &Value, rule: &About<'_>) -> Option<Value> {
        match name {
            "aws.events.rule-arn" => return Some(rule.arn.into()),
            "aws.events.rule-name" => return Some(rule.name.into()),
            "aws.events.event.ingestion-time" => return Some(rule.ingestion_time.into()),
            "aws.events.event" | "aws.events.event.json" => return Some(event.clone()),
            _ => {}
        }
        let (_, path) = self.paths.iter().find(|(known, _)| known == name)?;
        Some(find(event, path).cloned().unwrap_or_else(|| "".into()))
    }
}

/// As it stands between quotes: a text's inside, anything else as the inside of its text.
fn unquoted(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// `$.detail.name`, `$.resources[0]`, `$.detail['a-b']`.
fn find<'v>(event: &'v Value, path: &str) -> Option<&'v Value> {
    steps(path).ok()?.iter().try_fold(event, |value, step| match step {
        Step::Name(name) => value.get(name),
        Step::Index(index) => value.get(index),
    })
}

enum Step {
    Name(String),
    Index(usize),
}

fn steps(path: &str) -> Result<Vec<Step>, String> {
    let refuse = || format!("the path {path} is not served: write $.detail.name or $.resources[0]");
    let mut rest = path.strip_prefix('$').ok_or_else(refuse)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, after) = inner.split_once(']').ok_or_else(refuse)?;
            let name = inside.strip_prefix(['\'', '"']).and_then(|name| name.strip_suffix(['\'', '"']));
            steps.push(match (name, inside.parse()) {
                (Some(name), _) => Step::Name(name.to_owned()),
                (None, Ok(index)) => Step::Index(index),
                (None, Err(_)) => return Err(refuse()),
            });
            rest = after;
            continue;
        }
        let inner = rest.strip_prefix('.').ok_or_else(refuse)?;
        let end = inner.find(['.', '[']).unwrap_or(inner.len());
        let (name, after) = inner.split_at(end);
        if name.is_empty() || name.contains('*') {
            return Err(refuse());
        }
        steps.push(Step::Name(name.to_owned()));
        rest = after;
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_target_gets() {
        let event =
            json!({ "detail": { "status": "FAILED", "a-b": { "n": 1 }, "say": "\"hi\"" }, "resources": ["r0", "r1"] });
        let rule = About { name: "ended", arn: "arn:rule", ingestion_time: "2026-01-01T00:00:00Z" };
        let check = |input: Input, expect: &str| {
            assert_eq!(input.fault(), None);
            assert_eq!(input.of(&event, &rule), expect, "{input:?}");
        };
        check(Input::Event, &event.to_string());
        check(Input::Constant(r#"{"a":1}"#.into()), r#"{"a":1}"#);
        check(Input::Path("$.detail.status".into()), "\"FAILED\"");
        check(Input::Path("$.resources[1]".into()), "\"r1\"");
        check(Input::Path("$.none".into()), "null");
        let paths = [("s", "$.detail.status"), ("o", "$.detail['a-b']"), ("q", "$.detail.say"), ("none", "$.x")];
        let transformed = |template: &str| {
            let paths = paths.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect();
            Input::Transformed(Transformer { paths, template: template.to_owned() })
        };
        check(
            transformed(r#"{"a": <s>, "b": <o>, "c": "it <s>, <q>"}"#),
            r#"{"a": "FAILED", "b": {"n":1}, "c": "it FAILED, \"hi\""}"#,
        );
        check(
            transformed(r#""<aws.events.rule-name> <aws.events.rule-arn> <unknown>""#),
            r#""ended arn:rule <unknown>""#,
        );
        check(transformed(r#"{"a": <none>, "b": "<none>", "c": "\"<s>"}"#), r#"{"a": "", "b": "", "c": "\"FAILED"}"#);
        check(transformed("it is <s>"), r#""it is \"FAILED\"""#);
        check(transformed("<aws.events.event.json>"), &event.to_string());
    }

    #[test]
    fn inputs_that_cannot_be() {
        assert!(Input::Constant("{".into()).fault().unwrap().starts_with("Input is not JSON"));
        for path in ["detail", "$..a", "$.a[*]", "$.*", "$.a[b]"] {
            assert!(Input::Path(path.into()).fault().unwrap().contains("is not served"), "{path}");
        }
    }
}

//! JSON text in answers: the rewriting that the recordings went through.
//!
//! On the wire `input`, `output`, `cause`, `definition` are strings of JSON text. In the recordings every string
//! member of an object that begins with `{` and parses was replaced by what it says, once: strings inside a parsed
//! value stay text, and so do strings directly inside an array.

use serde_json::{Map, Value};

/// The same rewriting for a found answer.
pub fn rewrite(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value)| (name, rewrite_member(value));
            Value::Object(members.into_iter().map(member).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(rewrite).collect()),
        other => other,
    }
}

fn rewrite_member(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('{') => parse(&text).unwrap_or(Value::String(text)),
        other => rewrite(other),
    }
}

/// What a text says, if it is JSON.
pub fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// Members sorted at every level, so that equal values have equal texts.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            Value::Object(members.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_of_objects_become_objects_once() {
        let check = |found: Value, expect: Value| assert_eq!(rewrite(found), expect);
        check(json!({ "input": r#"{"a":1}"# }), json!({ "input": { "a": 1 } }));
        check(json!({ "input": r#"{"a":"{\"b\":1}"}"# }), json!({ "input": { "a": r#"{"b":1}"# } }));
        check(json!({ "input": "[1,2]" }), json!({ "input": "[1,2]" }));
        check(json!({ "input": "{no json" }), json!({ "input": "{no json" }));
        check(json!(["{}"]), json!(["{}"]));
        check(json!([{ "a": "{}" }]), json!([{ "a": {} }]));
    }
}

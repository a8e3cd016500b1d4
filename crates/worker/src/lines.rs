//! The lines of the protocol: what is said, made; what is heard, told apart. Knows no connection.

use serde_json::{Value, json};

use crate::{Failure, Refused};

/// AWS's limits: longer texts would be refused, and the task would never end.
const ERROR_CHARS_MAX: usize = 256;
const CAUSE_CHARS_MAX: usize = 32_768;

pub fn subscribe(activity: &str, name: Option<&str>, credit: usize, holding: &[&str]) -> String {
    let mut body = json!({ "activityArn": activity, "credit": credit });
    if let Some(name) = name {
        body["workerName"] = name.into();
    }
    if !holding.is_empty() {
        body["holding"] = holding.into();
    }
    line("Subscribe", &body)
}

pub fn success(token: &str, output: &Value) -> String {
    line("SendTaskSuccess", &json!({ "taskToken": token, "output": text(output) }))
}

pub fn failure(token: &str, failure: &Failure) -> String {
    let (error, cause) = (cut(&failure.error, ERROR_CHARS_MAX), cut(&failure.cause, CAUSE_CHARS_MAX));
    line("SendTaskFailure", &json!({ "taskToken": token, "error": error, "cause": cause }))
}

pub fn heartbeat(token: &str) -> String {
    line("SendTaskHeartbeat", &json!({ "taskToken": token }))
}

fn line(name: &str, body: &Value) -> String {
    format!("{{\"{name}\":{}}}\n", text(body))
}

fn text(value: &Value) -> String {
    serde_json::to_string(value).expect("a JSON value always serialises")
}

fn cut(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(at, _)| &text[..at])
}

#[derive(Debug, PartialEq)]
pub enum Heard {
    Subscribed {
        activity: String,
    },
    Task {
        activity: String,
        token: String,
        input: String,
    },
    Accepted {
        token: String,
    },
    RefusedAnswer {
        token: String,
        refused: Refused,
    },
    RefusedActivity {
        activity: String,
        refused: Refused,
    },
    /// A line of ours was not understood.
    RefusedLine(Refused),
    /// A sign of life, or something that a newer Ithaca says.
    Nothing,
}

/// What a line says; none if it is not of this protocol.
pub fn heard(line: &[u8]) -> Option<Heard> {
    if line.trim_ascii().is_empty() {
        return Some(Heard::Nothing);
    }
    let Value::Object(said) = serde_json::from_slice(line).ok()? else { return None };
    let (name, Value::Object(mut members)) = said.into_iter().next()? else { return None };
    let mut take = |member: &str| match members.remove(member) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    Some(match name.as_str() {
        "Subscribed" => Heard::Subscribed { activity: take("activityArn")? },
        "Task" => Heard::Task { activity: take("activityArn")?, token: take("taskToken")?, input: take("input")? },
        "Accepted" => Heard::Accepted { token: take("taskToken")? },
        "Refused" => {
            let refused = Refused { error: take("error")?, message: take("message")? };
            match (take("taskToken"), take("activityArn")) {
                (Some(token), _) => Heard::RefusedAnswer { token, refused },
                (None, Some(activity)) => Heard::RefusedActivity { activity, refused },
                (None, None) => Heard::RefusedLine(refused),
            }
        }
        _ => Heard::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let check = |said: String, expect: &str| assert_eq!(said, format!("{expect}\n"));
        check(subscribe("a", None, 3, &[]), r#"{"Subscribe":{"activityArn":"a","credit":3}}"#);
        check(
            subscribe("a", Some("w"), 3, &["t"]),
            r#"{"Subscribe":{"activityArn":"a","credit":3,"workerName":"w","holding":["t"]}}"#,
        );
        check(
            success("t", &json!({ "a": "\n" })),
            r#"{"SendTaskSuccess":{"taskToken":"t","output":"{\"a\":\"\\n\"}"}}"#,
        );
        check(heartbeat("t"), r#"{"SendTaskHeartbeat":{"taskToken":"t"}}"#);
        let long = failure("t", &Failure::new("é".repeat(300), "c"));
        check(long, &format!(r#"{{"SendTaskFailure":{{"taskToken":"t","error":"{}","cause":"c"}}}}"#, "é".repeat(256)));
    }

    #[test]
    fn what_is_heard() {
        let check = |line: &str, expect: Option<Heard>| assert_eq!(heard(line.as_bytes()), expect, "{line}");
        let refused = || Refused { error: "E".into(), message: "m".into() };
        check("\n", Some(Heard::Nothing));
        check(r#"{"News":{}}"#, Some(Heard::Nothing));
        check("no", None);
        check(r#"{"Task":{"activityArn":"a","taskToken":"t"}}"#, None);
        check(
            r#"{"Task":{"activityArn":"a","taskToken":"t","input":"1"}}"#,
            Some(Heard::Task { activity: "a".into(), token: "t".into(), input: "1".into() }),
        );
        check(r#"{"Accepted":{"taskToken":"t"}}"#, Some(Heard::Accepted { token: "t".into() }));
        check(
            r#"{"Refused":{"taskToken":"t","error":"E","message":"m"}}"#,
            Some(Heard::RefusedAnswer { token: "t".into(), refused: refused() }),
        );
        check(
            r#"{"Refused":{"activityArn":"a","error":"E","message":"m"}}"#,
            Some(Heard::RefusedActivity { activity: "a".into(), refused: refused() }),
        );
        check(r#"{"Refused":{"line":7,"error":"E","message":"m"}}"#, Some(Heard::RefusedLine(refused())));
    }
}

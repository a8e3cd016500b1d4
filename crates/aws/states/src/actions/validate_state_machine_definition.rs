//! ValidateStateMachineDefinition: every diagnostic at once, and whether the definition could be created.

use asl::aws_location;
use asl::{Diagnostic, Severity};
use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::create_state_machine::machine_type;
use crate::check;
use crate::wire::{put, required};
use crate::{States, errors};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    definition: Option<String>,
    #[serde(rename = "type")]
    machine_type: Option<String>,
    severity: Option<String>,
    max_results: Option<i64>,
}

/// "The default value is 100"; the service model allows no more.
const RESULTS_MAX: usize = 100;

pub async fn run(_: &States, request: Request) -> Result<Value, Error> {
    validated(request)
}

fn validated(request: Request) -> Result<Value, Error> {
    let definition = required(request.definition, "definition")?;
    check::definition_size(&definition)?;
    let machine_type = machine_type(request.machine_type.as_deref())?;
    let with_warnings = with_warnings(request.severity.as_deref())?;
    let limit = limit(request.max_results)?;
    let (is_ok, diagnostics) = match asl::parse::parse_as(&definition, machine_type) {
        Ok(parsed) => (true, parsed.warnings),
        Err(diagnostics) => (false, diagnostics),
    };
    // What only Ithaca refuses is told when AWS's own errors are mended, as in CreateStateMachine.
    let is_ours = |diagnostic: &Diagnostic| diagnostic.code.starts_with(asl::aws_message::OURS);
    let has_aws = diagnostics.iter().any(|it| it.severity == Severity::Error && !is_ours(it));
    let shown: Vec<Value> = diagnostics
        .iter()
        .filter(|diagnostic| with_warnings || diagnostic.severity == Severity::Error)
        .filter(|diagnostic| !(has_aws && is_ours(diagnostic)))
        .map(entry)
        .collect();
    Ok(json!({
        "result": if is_ok { "OK" } else { "FAIL" },
        "truncated": shown.len() > limit,
        "diagnostics": shown.into_iter().take(limit).collect::<Vec<_>>(),
    }))
}

fn with_warnings(severity: Option<&str>) -> Result<bool, Error> {
    match severity {
        None | Some("ERROR") => Ok(false),
        Some("WARNING") => Ok(true),
        Some(other) => Err(errors::constraint(
            &format!("'{other}'"),
            "severity",
            "Member must satisfy enum value set: [ERROR, WARNING]",
        )),
    }
}

fn limit(max_results: Option<i64>) -> Result<usize, Error> {
    let refused = |count: i64, rule: &str| Err(errors::constraint(&format!("'{count}'"), "maxResults", rule));
    match max_results {
        None | Some(0) => Ok(RESULTS_MAX),
        Some(count) => match usize::try_from(count) {
            Ok(count) if count <= RESULTS_MAX => Ok(count),
            Ok(_) => refused(count, "Member must have value less than or equal to 100"),
            Err(_) => refused(count, "Member must have value greater than or equal to 0"),
        },
    }
}

fn entry(diagnostic: &Diagnostic) -> Value {
    let mut entry = Map::new();
    let severity = if diagnostic.severity == Severity::Error { "ERROR" } else { "WARNING" };
    entry.insert("severity".into(), severity.into());
    entry.insert("code".into(), diagnostic.code.into());
    entry.insert("message".into(), diagnostic.message.as_str().into());
    put(&mut entry, "location", aws_location(diagnostic));
    Value::Object(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expect`: the result, whether it is truncated, and severity and location of each diagnostic; or the error.
    #[track_caller]
    fn check(request: Value, expect: Value) {
        let found = match validated(serde_json::from_value(request.clone()).unwrap()) {
            Err(error) => Value::from(error.message),
            Ok(answer) => {
                let place = |it: &Value| json!([it["severity"], it["location"]]);
                let places: Vec<Value> = answer["diagnostics"].as_array().unwrap().iter().map(place).collect();
                json!([answer["result"], answer["truncated"], places])
            }
        };
        assert_eq!(found, expect, "{request}");
    }

    #[test]
    fn severities_and_limits() {
        let pass = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#;
        check(json!({ "definition": pass, "severity": "WARNING" }), json!(["OK", false, []]));
        // Two states that only name each other.
        let island = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true},"B":{"Type":"Pass","Next":"C"},
            "C":{"Type":"Pass","Next":"B"}}}"#;
        let (b, c) = (json!(["WARNING", "/States/B"]), json!(["WARNING", "/States/C"]));
        let request =
            |severity: &str, most: i64| json!({ "definition": island, "severity": severity, "maxResults": most });
        check(json!({ "definition": island }), json!(["OK", false, []]));
        check(request("ERROR", 1), json!(["OK", false, []]));
        check(request("WARNING", 0), json!(["OK", false, [b, c]]));
        check(request("WARNING", 2), json!(["OK", false, [b, c]]));
        check(request("WARNING", 1), json!(["OK", true, [b]]));
        let wrong = |value: &str, member: &str, rule: &str| {
            json!(format!(
                "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
            ))
        };
        let (least, most) = ("greater than or equal to 0", "less than or equal to 100");
        check(request("ERROR", -1), wrong("-1", "maxResults", &format!("Member must have value {least}")));
        check(request("ERROR", 101), wrong("101", "maxResults", &format!("Member must have value {most}")));
        let words = "Member must satisfy enum value set: [ERROR, WARNING]";
        check(request("HINT", 1), wrong("HINT", "severity", words));
        let two = r#"{"StartAt":"A","States":{"A":{"Type":"Pass"},"B":{"Type":"Fail","Colour":"red"}}}"#;
        let request = json!({ "definition": two, "maxResults": 1 });
        check(request, json!(["FAIL", true, [["ERROR", "/States/A"]]]));
    }
}

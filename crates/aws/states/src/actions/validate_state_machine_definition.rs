//! ValidateStateMachineDefinition: every diagnostic at once, and whether the definition could be created.

use asl::{Diagnostic, Severity};
use asl::{MachineType, aws_location};
use aws_protocol::Error;
use serde::Deserialize;
use serde_json::{Map, Value, json};

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

fn machine_type(name: Option<&str>) -> Result<MachineType, Error> {
    match name {
        None | Some("STANDARD") => Ok(MachineType::Standard),
        Some("EXPRESS") => Ok(MachineType::Express),
        Some(other) => Err(errors::constraint(
            &format!("'{other}'"),
            "type",
            "Member must satisfy enum value set: [STANDARD, EXPRESS]",
        )),
    }
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

//! Bodies in, members out.

use aws_protocol::{Arn, Error};
use engine::Row;
use interpreter::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::errors;

/// A request's body: a JSON object, and an empty body is an empty one.
pub fn parse(body: &[u8]) -> Result<Value, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(errors::serialization("The request body must be a JSON object")),
        Err(error) => Err(errors::serialization(format!("The request body is not JSON: {error}"))),
    }
}

/// The members an action knows; others are ignored, as AWS does.
pub fn members<T: DeserializeOwned>(body: Value) -> Result<T, Error> {
    serde_json::from_value(body).map_err(|error| errors::serialization(format!("A member has the wrong type: {error}")))
}

/// A member that must be there.
pub fn required<T>(member: Option<T>, name: &str) -> Result<T, Error> {
    member.ok_or_else(|| errors::constraint("null", name, "Member must not be null"))
}

/// Seconds since 1970 with milliseconds, as the protocol wants it.
pub fn date(at: Timestamp) -> Value {
    Value::from(at.0 as f64 / 1000.0)
}

/// The region that an execution runs in, by its ARN.
pub fn region(execution_arn: &str) -> &str {
    Arn::parse(execution_arn).map_or("", |arn| arn.region)
}

/// The ARNs of the version and the alias that an execution was started through.
pub fn started_through(row: &Row) -> Map<String, Value> {
    // The ARN of a Map Run's executions names their Map state too, which has no versions.
    let (machine, _) = split_label(&row.machine_arn);
    let qualified = |qualifier: &dyn std::fmt::Display| format!("{machine}:{qualifier}");
    let mut members = Map::new();
    put(&mut members, "stateMachineVersionArn", row.version.map(|version| qualified(&version)));
    put(&mut members, "stateMachineAliasArn", row.alias.as_ref().map(|alias| qualified(alias)));
    members
}

/// The ARN of a machine, and the label of its Map state that the ARN names.
pub fn split_label(arn: &str) -> (&str, Option<&str>) {
    arn.split_once('/').map_or((arn, None), |(machine, label)| (machine, Some(label)))
}

/// Puts a member in if there is something to put.
pub fn put(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

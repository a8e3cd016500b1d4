//! Status changes as EventBridge delivers them: "Step Functions Execution Status Change".
//!
//! An event is put together from the change and from what is durable about its execution, when somebody wants it: the
//! engine carries no payloads around for nobody.
//!
//! Source: "Step Functions execution status change events", AWS Step Functions Developer Guide, and a recorded event.

use std::hash::{BuildHasher, RandomState};

use aws_protocol::Arn;
use engine::{Description, ExecutionStatus, Row, StatusChange};
use interpreter::{Payload, Timestamp};
use serde_json::{Map, Value, json};

use crate::States;
use crate::actions::redrive;
use crate::wire::started_through;

/// "If the combined escaped input and escaped output exceeds 248 KB, the input is left out; likewise the output."
const PAYLOAD_BYTES_MAX: usize = 248 * 1024;

impl States {
    /// The event for a change; none if the execution is not there any more. Waits for the disk.
    pub fn status_change_event(&self, change: &StatusChange) -> Result<Option<Value>, engine::Error> {
        let Some(found) = self.reader.describe(&change.execution_arn)? else { return Ok(None) };
        let Some(arn) = Arn::parse(&change.execution_arn) else { return Ok(None) };
        let at = change.stopped_at.unwrap_or(change.started_at);
        Ok(Some(json!({
            "version": "0",
            "id": new_id(),
            "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states",
            "account": arn.account,
            "time": seconds(at),
            "region": arn.region,
            "resources": [&*change.execution_arn],
            "detail": detail(change, &found),
        })))
    }
}

/// All members, those that there is nothing to tell about with null.
fn detail(change: &StatusChange, found: &Description) -> Value {
    let row = &found.row;
    let is_over = change.status != ExecutionStatus::Running;
    // It may have ended since.
    let output = found.output.as_ref().filter(|_| is_over);
    let failure = found.failure.as_ref().filter(|_| is_over);
    let (input_bytes, output_bytes) = (escaped(&found.input), output.map_or(0, escaped));
    let has_input = input_bytes + output_bytes <= PAYLOAD_BYTES_MAX;
    let has_output = output_bytes <= PAYLOAD_BYTES_MAX;
    let then = Row { status: change.status, stopped_at: change.stopped_at, ..row.clone() };
    let (redrive_status, redrive_reason) = redrive(&then, found.last_event);
    let mut through = started_through(row);
    let mut detail = Map::new();
    let members = [
        ("executionArn", (*change.execution_arn).into()),
        ("stateMachineArn", (*row.machine_arn).into()),
        ("name", (*row.name).into()),
        ("status", change.status.name().into()),
        ("startDate", change.started_at.0.into()),
        ("stopDate", change.stopped_at.map(|at| at.0).into()),
        ("input", if has_input { found.input.text().into() } else { Value::Null }),
        ("output", output.filter(|_| has_output).map(|output| output.text()).into()),
        ("stateMachineVersionArn", through.remove("stateMachineVersionArn").unwrap_or_default()),
        ("stateMachineAliasArn", through.remove("stateMachineAliasArn").unwrap_or_default()),
        ("redriveCount", row.redrive_count.into()),
        ("redriveDate", row.redriven_at.map(|at| at.0).into()),
        ("redriveStatus", redrive_status.into()),
        ("redriveStatusReason", redrive_reason.into()),
        ("inputDetails", json!({ "included": has_input })),
        ("outputDetails", output.map_or(Value::Null, |_| json!({ "included": has_output }))),
        ("error", failure.and_then(|failure| failure.error.as_deref()).into()),
        ("cause", failure.and_then(|failure| failure.cause.as_deref()).into()),
    ];
    detail.extend(members.map(|(name, value): (&str, Value)| (name.to_owned(), value)));
    Value::Object(detail)
}

/// What a payload takes as a string of JSON.
fn escaped(payload: &Payload) -> usize {
    let text = payload.text();
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// ISO 8601 without milliseconds.
fn seconds(at: Timestamp) -> String {
    asl::timestamp::format(at.0 - at.0.rem_euclid(1000)).replace(".000", "")
}

/// A random UUID.
fn new_id() -> String {
    let (high, low) = (RandomState::new().hash_one(0), RandomState::new().hash_one(1));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 50),
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ids() {
        assert_eq!(seconds(Timestamp(1_767_225_600_999)), "2026-01-01T00:00:00Z");
        assert_ne!(new_id(), new_id());
        assert_eq!(new_id().len(), 36);
    }

    #[test]
    fn payloads_count_as_they_are_written() {
        let text = r#"{"a":"\"x"}"#;
        let written = serde_json::to_string(text).unwrap().len() - 2;
        assert_eq!(escaped(&Payload::from_checked_text(text)), written);
    }
}

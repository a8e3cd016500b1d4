//! `Retry`.

use serde_json::Value;

use crate::definition::{Jitter, Retrier};

use super::At;
use super::errors::error_equals;
use super::fields::Fields;
use super::report::{Read, Report};
use super::schema;
use super::state::SECONDS_MAX;

const ATTEMPTS_MAX: u64 = 99_999_999;
/// 366 days.
const DELAY_SECONDS_MAX: u64 = 31_622_400;

pub(crate) fn parse(fields: &Fields<'_>, report: &mut Report) -> Read<Vec<Retrier>> {
    let Some(items) = fields.array("Retry", report)? else { return Ok(Vec::new()) };
    let list = fields.at.key("Retry");
    let retriers: Vec<Read<Retrier>> = items
        .iter()
        .enumerate()
        .map(|(index, item)| retrier(item, list.index(index), index + 1 == items.len(), report))
        .collect();
    retriers.into_iter().collect()
}

fn retrier(item: &Value, at: At<'_>, last: bool, report: &mut Report) -> Read<Retrier> {
    let fields = Fields::of(item, at, report)?;
    schema::check(&fields, schema::RETRIER, report);
    let required = fields.require(&["ErrorEquals"], report);
    let comment = fields.string("Comment", report);
    let error_equals = error_equals(&fields, last, report);
    // The guide says a positive integer; AWS takes zero as well.
    let interval = fields.integer("IntervalSeconds", 0, SECONDS_MAX, report);
    let attempts = fields.integer("MaxAttempts", 0, ATTEMPTS_MAX, report);
    let backoff = fields.number("BackoffRate", 1.0, f64::MAX, report);
    let max_delay_seconds = fields.integer("MaxDelaySeconds", 1, DELAY_SECONDS_MAX, report);
    let jitter = fields.word("JitterStrategy", &["NONE", "FULL"], report);
    required?;
    comment?;
    Ok(Retrier {
        error_equals: error_equals?,
        interval_seconds: interval?.unwrap_or(1),
        max_attempts: attempts?.unwrap_or(3),
        backoff_rate: backoff?.unwrap_or(2.0),
        max_delay_seconds: max_delay_seconds?,
        jitter: if jitter? == Some("FULL") { Jitter::Full } else { Jitter::None },
    })
}

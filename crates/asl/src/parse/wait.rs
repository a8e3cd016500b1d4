//! Wait: exactly one of four ways to say until when.

use crate::definition::{Until, Wait};
use crate::timestamp;

use super::report::Read;
use super::state::{Here, Parser, SECONDS_MAX};

const WAYS: &[&str] = &["SecondsPath", "Seconds", "TimestampPath", "Timestamp"];

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Wait> {
    let io = p.io(here);
    let until = until(p, here);
    let next = p.next(here);
    Ok(Wait { io: io?, until: until?, next: next? })
}

fn until(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Until> {
    let fields = &here.fields;
    let one = fields.exactly_one(WAYS, p.report);
    let seconds = fields.integer("Seconds", 0, SECONDS_MAX, p.report);
    let seconds_path = fields.path("SecondsPath", p.report);
    let timestamp = moment(p, here);
    let timestamp_path = fields.path("TimestampPath", p.report);
    one?;
    let until = seconds?
        .map(Until::Seconds)
        .or(seconds_path?.map(Until::SecondsPath))
        .or(timestamp?.map(Until::Timestamp))
        .or(timestamp_path?.map(Until::TimestampPath));
    Ok(until.expect("one of the four fields is there and was read"))
}

fn moment(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<i64>> {
    let Some(text) = here.fields.string("Timestamp", p.report)? else { return Ok(None) };
    match timestamp::parse(text) {
        Some(moment) => Ok(Some(moment)),
        None => Err(here.fields.refuse("Timestamp", "String does not match RFC3339 timestamp", p.report)),
    }
}

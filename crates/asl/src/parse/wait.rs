//! Wait: exactly one way to say until when.

use crate::definition::{Until, Wait};
use crate::timestamp;

use super::language::Language;
use super::query::Moment;
use super::report::Read;
use super::state::{Here, Parser, SECONDS_MAX};

const PATH_WAYS: &[&str] = &["SecondsPath", "Seconds", "TimestampPath", "Timestamp"];
const JSONATA_WAYS: &[&str] = &["Seconds", "Timestamp"];

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Wait> {
    let io = p.io(here, Moment::Before);
    let until = match here.language {
        Language::JsonPath => path_until(p, here),
        Language::Jsonata => jsonata_until(p, here),
    };
    let next = p.next(here);
    Ok(Wait { io: io?, until: until?, next: next? })
}

fn path_until(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Until> {
    let fields = &here.fields;
    let one = fields.exactly_one(PATH_WAYS, p.report);
    let fixed = fixed(p, here);
    let seconds_path = fields.path("SecondsPath", p.report);
    let timestamp_path = fields.path("TimestampPath", p.report);
    one?;
    let until = fixed?.or(seconds_path?.map(Until::SecondsPath)).or(timestamp_path?.map(Until::TimestampPath));
    Ok(until.expect("one of the four fields is there and was read"))
}

fn jsonata_until(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Until> {
    here.fields.exactly_one(JSONATA_WAYS, p.report)?;
    if let Some(expression) = p.expression(here, "Seconds")? {
        return Ok(Until::SecondsJsonata(expression));
    }
    if let Some(expression) = p.expression(here, "Timestamp")? {
        return Ok(Until::TimestampJsonata(expression));
    }
    Ok(fixed(p, here)?.expect("one of the two fields is there and was read"))
}

fn fixed(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<Until>> {
    let seconds = here.fields.integer("Seconds", 0, SECONDS_MAX, p.report);
    let timestamp = moment(p, here);
    Ok(seconds?.map(Until::Seconds).or(timestamp?.map(Until::Timestamp)))
}

fn moment(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<i64>> {
    let Some(text) = here.fields.string("Timestamp", p.report)? else { return Ok(None) };
    match timestamp::parse(text) {
        Some(moment) => Ok(Some(moment)),
        None => Err(here.fields.refuse("Timestamp", "String does not match RFC3339 timestamp", p.report)),
    }
}

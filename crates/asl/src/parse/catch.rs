//! `Catch`.

use serde_json::Value;

use crate::definition::Catcher;

use super::At;
use super::errors::error_equals;
use super::fields::Fields;
use super::query::Moment;
use super::report::Read;
use super::schema;
use super::state::{Here, Parser};

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Vec<Catcher>> {
    let Ok(items) = here.fields.array("Catch", p.report) else { return Err(p.unsure(here)) };
    let Some(items) = items else { return Ok(Vec::new()) };
    let list = here.fields.at.key("Catch");
    let catchers: Vec<Read<Catcher>> = items
        .iter()
        .enumerate()
        .map(|(index, item)| catcher(p, here, item, list.index(index), index + 1 == items.len()))
        .collect();
    catchers.into_iter().collect()
}

fn catcher(p: &mut Parser<'_>, here: &Here<'_>, item: &Value, at: At<'_>, last: bool) -> Read<Catcher> {
    let Ok(fields) = Fields::of(item, at, p.report) else { return Err(p.unsure(here)) };
    schema::check(&fields, schema::CATCHER, p.report);
    let language = schema::check_inner(&fields, here.language, p.report);
    let required = fields.require(&["ErrorEquals", "Next"], p.report);
    let comment = fields.string("Comment", p.report);
    let error_equals = error_equals(&fields, last, p.report);
    let output = fields.caught_output(here.language, p.report);
    let assign = fields.assign(here.language, Moment::Caught, p.report);
    let next = p.inner_target(here, &fields);
    language?;
    required?;
    comment?;
    Ok(Catcher { error_equals: error_equals?, output: output?, assign: assign?, next: next? })
}

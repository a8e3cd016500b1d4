//! Parallel.

use crate::definition::{BlockId, Parallel};

use super::fields::Fields;
use super::report::{Read, Refused};
use super::schema;
use super::state::{Here, Parser};

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Parallel> {
    let fields = &here.fields;
    let io = p.io(here);
    let branches = branches(p, here);
    let parameters = fields.template("Parameters", p.report);
    let result_selector = fields.template("ResultSelector", p.report);
    let result_path = fields.result_path(p.report);
    let errors = p.errors(here);
    let next = p.next(here);
    let (retry, catch) = errors?;
    Ok(Parallel {
        io: io?,
        parameters: parameters?,
        result_selector: result_selector?,
        result_path: result_path?,
        branches: branches?,
        retry,
        catch,
        next: next?,
    })
}

/// The branches; what is inside them is read with their own blocks.
pub(crate) fn branches(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Vec<BlockId>> {
    here.fields.require(&["Branches"], p.report)?;
    let Some(items) = here.fields.filled_array("Branches", p.report)? else { return Err(Refused) };
    let list = here.fields.at.key("Branches");
    let branches: Vec<Read<BlockId>> = items
        .iter()
        .zip(here.inner)
        .enumerate()
        .map(|(index, (item, block))| {
            let fields = Fields::of(item, list.index(index), p.report)?;
            schema::check(&fields, schema::BRANCH, p.report);
            block.ok_or(Refused)
        })
        .collect();
    branches.into_iter().collect()
}

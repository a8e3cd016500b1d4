//! Parallel.

use crate::definition::{BlockId, Parallel};

use super::fields::Fields;
use super::query::Moment;
use super::report::{Read, Refused};
use super::schema;
use super::state::{Here, Parser};

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Parallel> {
    let io = p.io(here, Moment::After);
    let branches = branches(p, here);
    let errors = p.errors(here);
    let next = p.next(here);
    let (retry, catch) = errors?;
    Ok(Parallel { io: io?, branches: branches?, retry, catch, next: next? })
}

/// The branches; what is inside them is read with their own blocks.
fn branches(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Vec<BlockId>> {
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

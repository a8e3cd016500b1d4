//! Pass.

use crate::definition::Pass;

use super::query::Moment;
use super::report::Read;
use super::state::{Here, Parser};

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Pass> {
    let io = p.io(here, Moment::Before);
    let result = here.fields.get("Result").cloned();
    let next = p.next(here);
    Ok(Pass { io: io?, result, next: next? })
}

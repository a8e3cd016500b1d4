//! Pass.

use crate::definition::Pass;

use super::report::Read;
use super::state::{Here, Parser};

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Pass> {
    let io = p.io(here);
    let parameters = here.fields.template("Parameters", p.report);
    let result = here.fields.get("Result").cloned();
    let result_path = here.fields.result_path(p.report);
    let next = p.next(here);
    Ok(Pass { io: io?, parameters: parameters?, result, result_path: result_path?, next: next? })
}

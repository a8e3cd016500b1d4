//! Succeed.

use crate::definition::Succeed;

use super::query::Moment;
use super::report::Read;
use super::state::{Here, Parser};

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Succeed> {
    p.ends(here);
    Ok(Succeed { io: p.io(here, Moment::Before)? })
}

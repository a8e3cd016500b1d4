//! Succeed: ends its thread well.

use asl::definition::{Next, Succeed};

use crate::execution::FrameId;
use crate::history::Failure;
use crate::stepper::{Flow, Stepper};

pub fn enter(step: &mut Stepper<'_>, id: FrameId, succeed: &Succeed) -> Result<Flow, Failure> {
    let input = step.effective_input(id, &succeed.io)?;
    step.leave(id, &succeed.io, input, Next::End)
}

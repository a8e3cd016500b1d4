//! Pass: gives on its input, a fixed result, or what its Parameters make of the input.

use asl::definition::Pass;

use crate::execution::FrameId;
use crate::history::Failure;
use crate::payload::Payload;
use crate::stepper::{Flow, Stepper};

pub fn enter(step: &mut Stepper<'_>, id: FrameId, pass: &Pass) -> Result<Flow, Failure> {
    let input = step.effective_input(id, &pass.io)?;
    let result = match &pass.result {
        Some(value) => Payload::from_value(value.clone()),
        None => step.arguments(id, &pass.io, &input)?,
    };
    step.leave(id, &pass.io, result, pass.next)
}

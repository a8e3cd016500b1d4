//! Choice: the first rule that holds decides where to go.

use asl::definition::{Choice, Next};

use crate::execution::FrameId;
use crate::history::Failure;
use crate::stepper::{Flow, Stepper};

pub fn enter(step: &mut Stepper<'_>, id: FrameId, choice: &Choice) -> Result<Flow, Failure> {
    let input = step.effective_input(id, &choice.io)?;
    let chosen = step.evaluate(id, &input, |scope| {
        for rule in &choice.rules {
            if rule.condition.evaluate(scope)? {
                return Ok(Some(rule.next));
            }
        }
        Ok(choice.default)
    })?;
    let Some(next) = chosen else {
        let cause = "Failed to transition out of the state. The state's input matches none of its Choices and it has no Default.";
        return Err(Failure::new("States.NoChoiceMatched", step.runtime_cause(id, cause)));
    };
    let output = step.output(id, &choice.io, &input)?;
    Ok(Flow::Done(output, Next::State(next)))
}

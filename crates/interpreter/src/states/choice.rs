//! Choice: the first rule that holds decides where to go.

use asl::definition::{Choice, Condition, Next};
use asl::jsonata::Expected;
use serde_json::Value;

use crate::execution::FrameId;
use crate::history::Failure;
use crate::io::Leaving;
use crate::payload::Payload;
use crate::stepper::{Flow, Stepper};

const NO_MATCH: &str =
    "Failed to transition out of the state. The state's input matches none of its Choices and it has no Default.";

pub fn enter(step: &mut Stepper<'_>, id: FrameId, choice: &Choice) -> Result<Flow, Failure> {
    let input = step.effective_input(id, &choice.io)?;
    for (index, rule) in choice.rules.iter().enumerate() {
        let place = format!("Choices[{index}]/");
        if holds(step, id, &rule.condition, &input, &place)? {
            let leaving = Leaving { assign: rule.assign.as_ref(), output: rule.output.as_ref(), place };
            return step.leave_by(id, &choice.io, leaving, input, Next::State(rule.next));
        }
    }
    match choice.default {
        Some(next) => step.leave(id, &choice.io, input, Next::State(next)),
        None => Err(Failure::new("States.NoChoiceMatched", step.runtime_cause(id, NO_MATCH))),
    }
}

fn holds(
    step: &mut Stepper<'_>,
    id: FrameId,
    condition: &Condition,
    input: &Payload,
    place: &str,
) -> Result<bool, Failure> {
    match condition {
        Condition::Fixed(holds) => Ok(*holds),
        Condition::Path(condition) => step.evaluate(id, input, |scope| condition.evaluate(scope)),
        Condition::Jsonata(expression) => {
            let value = step.jsonata_as(id, expression, Expected::Boolean, &format!("{place}Condition"))?;
            Ok(value == Value::Bool(true))
        }
    }
}

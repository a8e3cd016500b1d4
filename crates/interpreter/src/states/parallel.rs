//! Parallel: every branch runs with the same input; the outputs become one array in the branches' order.

use asl::definition::Parallel;

use crate::execution::{Branch, FrameId, Wait};
use crate::history::{EventKind, Failure};
use crate::payload::Payload;
use crate::stepper::{Flow, Stepper};

pub fn enter(step: &mut Stepper<'_>, id: FrameId, parallel: &Parallel) -> Result<Flow, Failure> {
    if parallel.io.is_jsonata() {
        // As with a Map.
        step.frame_mut(id).wait = Wait::Parallel(Vec::new());
    }
    let input = step.effective_input(id, &parallel.io)?;
    let input = step.arguments(id, &parallel.io, &input)?;
    step.within_limit(id, &input)?;
    let started = step.emit_on(id, EventKind::ParallelStarted);
    if let Some(work) = step.given_work() {
        step.frame_mut(id).wait = Wait::Parallel(Vec::new());
        return done(step, id, parallel, work?);
    }
    let mut branches = Vec::with_capacity(parallel.branches.len());
    for (index, block) in parallel.branches.iter().enumerate() {
        let start = step.setting.definition.block(*block).start;
        let child = step.spawn(Some((id, index as u32)), None, start, input.clone(), started);
        branches.push(Branch::Running(child));
    }
    step.frame_mut(id).wait = Wait::Parallel(branches);
    Ok(Flow::Waits)
}

/// One branch is done.
pub fn completed(
    step: &mut Stepper<'_>,
    id: FrameId,
    parallel: &Parallel,
    index: u32,
    output: Payload,
) -> Result<Flow, Failure> {
    let Wait::Parallel(branches) = &mut step.frame_mut(id).wait else {
        unreachable!("INVARIANT: a Parallel with branches waits for them");
    };
    branches[index as usize] = Branch::Done(output);
    let outputs: Option<Vec<&Payload>> = branches
        .iter()
        .map(|branch| match branch {
            Branch::Done(output) => Some(output),
            Branch::Running(_) => None,
        })
        .collect();
    let Some(outputs) = outputs else { return Ok(Flow::Waits) };
    let result = Payload::array(outputs.into_iter());
    done(step, id, parallel, result)
}

/// All branches are done.
fn done(step: &mut Stepper<'_>, id: FrameId, parallel: &Parallel, result: Payload) -> Result<Flow, Failure> {
    // StateExited follows the last branch, beside ParallelStateSucceeded: so recorded.
    step.emit(step.frame(id).last_event, EventKind::ParallelSucceeded);
    step.frame_mut(id).wait = Wait::Ready;
    step.leave(id, &parallel.io, result, parallel.next)
}

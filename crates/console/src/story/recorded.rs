//! Stored events as the story takes them.

use interpreter::{EventKind, HistoryEvent};

use super::{End, Event, Over, What, error_text};

impl<'a> From<&'a HistoryEvent> for Event<'a> {
    fn from(event: &'a HistoryEvent) -> Event<'a> {
        Event { id: event.id, previous: event.previous, at: event.at.0, what: what(&event.kind) }
    }
}

fn what(kind: &EventKind) -> What<'_> {
    use EventKind as K;
    match kind {
        K::ExecutionStarted { .. } => What::Other,
        K::ExecutionSucceeded { .. } => What::Over(Over::Succeeded),
        K::ExecutionFailed(_) => What::Over(Over::Failed),
        K::ExecutionAborted(_) => What::Over(Over::Aborted),
        K::ExecutionTimedOut(_) => What::Over(Over::TimedOut),
        K::StateEntered { state, name, .. } => What::Entered { kind: state.name(), name },
        K::StateExited { state, name, .. } | K::StateExitedAssigning { state, name, .. } => {
            What::Exited { kind: state.name(), name }
        }
        K::StateAborted { .. } | K::MapRunAborted => What::StateAborted,
        K::TaskScheduled { .. } | K::TaskScheduledInRole { .. } => What::Scheduled,
        K::TaskStarted { .. } | K::ActivityStarted { .. } => What::Started,
        K::TaskSubmitted { .. } => What::Submitted,
        K::TaskSucceeded { .. } => What::Succeeded,
        K::TaskFailed { failure, .. } | K::TaskTimedOut { failure, .. } => What::Failed(text(failure)),
        K::EvaluationFailed { failure, .. } => What::Unusable(text(failure)),
        K::ParallelStarted => What::BranchesBegan,
        K::ParallelFailed => What::BranchesFailed,
        K::MapStarted { length } => What::MapBegan { length: *length },
        K::MapFailed => What::MapFailed,
        K::ParallelSucceeded | K::MapSucceeded | K::MapRunSucceeded => What::Other,
        K::IterationStarted { name, index } => What::IterationBegan { name, index: *index },
        K::IterationSucceeded { name, .. } => What::IterationEnded { name, end: End::Done },
        K::IterationFailed { name, .. } => What::IterationEnded { name, end: End::Failed },
        K::IterationAborted { name, .. } => What::IterationEnded { name, end: End::Aborted },
        K::MapRunStarted { arn } | K::MapRunRedriven { arn, .. } => What::MapRunBegan { arn },
        K::MapRunFailed(failure) => What::MapRunFailed(text(failure)),
        K::ExecutionRedriven { .. } => What::Redriven,
    }
}

fn text(failure: &interpreter::Failure) -> String {
    error_text(failure.error.as_deref().unwrap_or_default(), failure.cause.as_deref().unwrap_or_default())
}

//! The pure core: one execution advanced by one input.
//!
//! ```text
//!   Input  ──>  step(setting, &mut execution)  ──>  Transition { commands, history }
//! ```
//!
//! [`step`] is synchronous, total and deterministic: time and chance are part of the input, everything wanted
//! is a [`Command`], everything AWS would show is a [`HistoryEvent`]. So real time, virtual time, replay,
//! exhaustive verification and `TestState` are the same function called by somebody else.
//!
//! Knows neither clock, store, network nor threads. A failure inside a state machine is a value that goes to
//! Retry, Catch or `ExecutionFailed`; [`Rejected`] is only for inputs that change nothing.

mod command;
mod context;
mod execution;
mod history;
mod input;
mod io;
pub mod limits;
mod payload;
mod retry;
mod states;
mod stepper;
mod token;
mod trial;

pub use command::{Batcher, Command, RunTask, Source, StartMapRun, Writer};
pub use execution::{
    About, Branch, Execution, Frame, FrameId, MapRunId, MapRunWait, MapWait, Phase, Status, TaskId, TaskWait, TimerId,
    Timestamp, Visible, Wait, WaitId,
};
pub use history::{ErrorText, EventKind, Failure, HistoryEvent, StateType, TaskResource};
pub use input::{Input, InputKind, Rejected, Setting};
pub use io::{check_depth, too_large};
pub use payload::{Payload, Table};
pub use states::map_run::ItemInputs;
pub use token::Token;
pub use trial::{Seen, Trial, shown};

/// What one input did: things to do, things to show. Both in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition {
    pub commands: Vec<Command>,
    pub history: Vec<HistoryEvent>,
}

/// Advances one execution by one input until every frame waits again (or the event limit of one step is
/// reached and a [`Command::Continue`] asks for more).
///
/// Total and deterministic. A rejected input leaves the execution as it was.
pub fn step(setting: &Setting<'_>, execution: &mut Execution, input: &Input) -> Result<Transition, Rejected> {
    stepper::Stepper::new(setting, execution, input).apply(&input.kind)
}

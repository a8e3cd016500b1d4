//! The durable engine: shards that take inputs, step executions, commit once, and only then act.
//!
//! ```text
//!  Handle ──┐                 ┌────────── one shard, one thread ──────────┐
//!  runners ─┼─> bounded inbox │ take -> step -> seal ──> store.commit     │──> replies
//!  timers ──┘                 │   ^                          │            │──> TaskRunner
//!                             │   └── gathers meanwhile      └─> act ─────│──> status changes
//!                             └────────────────────────────────────────────┘
//!  Reader ────────────────────────────> store (committed rows only)
//! ```
//!
//! Order is decided in one place, [`core::Core`], which has neither thread nor clock: it is handed the time, so
//! tests can drive it. [`shard`] is the thread around it, and all its turns can be taken by one thread: [`Assembly`]. Time and
//! chance come through [`Surroundings`].
//!
//! INVARIANT: nothing leaves a shard before the commit that holds it. Replies, tasks and status changes are
//! *acts*, kept beside the batch and done when the store has answered.
//!
//! Knows a [`TaskRunner`] and a [`store::Store`]; knows neither HTTP, processes nor AWS's wire forms.

mod activities;
pub mod core;
mod engine;
mod error;
pub mod figures;
mod handle;
pub mod image;
mod keys;
mod lane;
pub mod limits;
mod log;
mod machines;
mod map_run;
mod reader;
mod record;
mod shard;
mod surroundings;
mod task;
mod timers;
mod watch;

pub use crate::core::Gauges;
pub use activities::{Activities, Activity, ActivityCreated};
pub use engine::{Assembly, Config, Engine};
pub use error::{ChangeError, Error, MapRunError, PollError, RedriveError, StartError, StopError, TokenError};
pub use figures::Figures;
pub use handle::{Handle, Started};
pub use keys::{ExecutionId, Qualifier, execution_arn, split_execution_arn, split_machine_arn};
pub use lane::{Lane, Told};
pub use log::{LogSink, Logged, NoLog};
pub use machines::{
    Alias, AliasUpdate, Created, Machine, Machines, NewAlias, NewMachine, Revision, Route, Target, Update, Updated,
    Version,
};
pub use map_run::{Counts, MapRunRow, MapRunStatus, RunKey};
pub use reader::{Cursor, Description, Filter, HistoryPage, ListPage, OpenTask, Reader, Summary};
pub use record::{ExecutionStatus, Parent, Row};
pub use surroundings::{Chance, Fed, Surroundings, Time, Witness, now};
pub use task::{Completion, Errand, Items, Outcome, ReadItems, Task, TaskRunner, WriteResults, Written};
pub use watch::StatusChange;

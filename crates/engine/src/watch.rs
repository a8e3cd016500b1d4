//! Status changes for whoever watches: the command line's live lines, later the console and event targets.

use std::sync::Arc;

use interpreter::{Failure, Timestamp};

use crate::record::ExecutionStatus;

/// An execution has started or ended; durable when this is sent.
#[derive(Clone, Debug)]
pub struct StatusChange {
    pub execution_arn: Arc<str>,
    pub machine_arn: Arc<str>,
    pub status: ExecutionStatus,
    pub started_at: Timestamp,
    pub stopped_at: Option<Timestamp>,
    pub failure: Option<Failure>,
}

//! Execution logs: the history events of machines that ask for them, for whoever writes them down.
//!
//! A sink is told after the commit, so it never tells of what did not happen. It is told once: what it has not written
//! when the process dies is not logged, and the history has it all the same. Machines that do not log cost nothing.
//!
//! What a line looks like and which events a level holds is the door's business.

use std::sync::Arc;

use interpreter::HistoryEvent;
use serde_json::{Map, Value};

use crate::machines::Revision;
use crate::record::Row;

/// New history events of one execution, in their order.
#[derive(Clone, Debug)]
pub struct Logged {
    pub execution_arn: Arc<str>,
    pub revision: Arc<Revision>,
    pub row: Row,
    pub events: Vec<HistoryEvent>,
}

/// Takes what is to be logged.
pub trait LogSink: Send + Sync {
    /// Called on a shard's thread, so it must not wait: neither for a disk nor for a lock that is held for long.
    fn log(&self, logged: Box<Logged>);
}

/// Writes nothing down.
pub struct NoLog;

impl LogSink for NoLog {
    fn log(&self, _: Box<Logged>) {}
}

/// Does a machine with these settings want its events logged?
pub(crate) fn is_on(settings: &Map<String, Value>) -> bool {
    let level = settings.get("loggingConfiguration").and_then(|logging| logging["level"].as_str());
    level.is_some_and(|level| level != "OFF")
}

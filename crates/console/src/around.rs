//! What lies around the engine and is shown all the same: functions, tables, APIs, the process itself.
//!
//! The console knows none of the doors. Each page says in a trait what it needs, and the composition root answers. All
//! calls may block: pages are made by threads that may.

use std::sync::Arc;
use std::time::Duration;

use crate::pages::{Apis, Functions, Health, Outbox, Tables};

#[derive(Clone)]
pub struct Around {
    pub functions: Arc<dyn Functions>,
    pub tables: Arc<dyn Tables>,
    pub apis: Arc<dyn Apis>,
    pub outbox: Arc<dyn Outbox>,
    pub health: Arc<dyn Health>,
    /// How long executions are kept after their end.
    pub history: Duration,
}

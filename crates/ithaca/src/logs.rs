//! Execution logs go to the log groups of the CloudWatch Logs door.

use std::sync::Arc;

use aws_logs::Logs;
use aws_states::LogTarget;
use interpreter::Timestamp;

use crate::log;
use crate::metrics::{Counters, count};

pub struct LogGroups {
    pub logs: Logs,
    pub counters: Arc<Counters>,
}

impl LogTarget for LogGroups {
    fn declare(&self, group: &str) -> Result<(), String> {
        self.logs.declare(group).map_err(|error| error.to_string())
    }

    fn put(&self, group: &str, stream: &str, lines: &[(Timestamp, String)]) -> Result<bool, String> {
        let events: Vec<(i64, &str)> = lines.iter().map(|(at, line)| (at.0, line.as_str())).collect();
        self.logs.put(group, stream, &events).map_err(|error| error.to_string())
    }

    fn flush(&self) {
        if let Err(error) = self.logs.flush() {
            log::warn("logs", "execution logs could not be written", &[("why", (&error.to_string()).into())]);
        }
    }

    fn lost(&self, events: u64, why: &str) {
        count(&self.counters.log_events_dropped, events);
        log::warn("logs", "events of execution logs were dropped", &[("count", events.into()), ("why", why.into())]);
    }
}

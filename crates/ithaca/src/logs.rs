//! Execution logs go to the log groups of the CloudWatch Logs door.

use aws_logs::Logs;
use aws_states::LogTarget;
use interpreter::Timestamp;

pub struct LogGroups(pub Logs);

impl LogTarget for LogGroups {
    fn declare(&self, group: &str) -> Result<(), String> {
        self.0.declare(group).map_err(|error| error.to_string())
    }

    fn put(&self, group: &str, stream: &str, lines: &[(Timestamp, String)]) -> Result<bool, String> {
        let events: Vec<(i64, &str)> = lines.iter().map(|(at, line)| (at.0, line.as_str())).collect();
        self.0.put(group, stream, &events).map_err(|error| error.to_string())
    }

    fn flush(&self) {
        if let Err(error) = self.0.flush() {
            eprintln!("warning: execution logs: {error}");
        }
    }

    fn lost(&self, events: u64, why: &str) {
        eprintln!("warning: {events} events of execution logs were dropped: {why}");
    }
}

//! The CloudWatch Logs door: AWS JSON 1.1, `X-Amz-Target: Logs_20140328.<Operation>`; and the log groups behind it.
//!
//! ```text
//!  who logs ──> Logs::put ──> groups: logs/GROUP/STREAM.jsonl <── door <── AWS clients
//! ```
//!
//! Logs are for looking at, so they are plain files: one line an event, appended, never synced, bounded in size. What is
//! lost with a machine that loses its power is lost; nothing else stands on them. Whoever logs may be slow here, and
//! brings a thread of its own.
//!
//! The crate knows neither state machines nor sockets. Metrics, subscriptions, Insights and tags are not served.

mod door;
mod filter;
mod groups;
mod stream;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_protocol::{Error, Home, Request, Response, json_1_1, json_1_1_error};

pub use groups::{Failure, Groups};

/// What comes before the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "Logs_20140328.";

/// Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    groups: Arc<Mutex<Groups>>,
    home: Home,
}

impl Logs {
    /// Opens the groups of a folder, which need not be there yet.
    pub fn open(folder: &Path, home: &Home) -> Result<Logs, Failure> {
        Ok(Logs { groups: Arc::new(Mutex::new(Groups::open(folder, now_ms())?)), home: home.clone() })
    }

    /// Groups that could not be opened, each with the reason. They stay as they are.
    pub fn unreadable(&self) -> Vec<String> {
        self.lock().unreadable.iter().map(Failure::to_string).collect()
    }

    /// Makes a group, if there is none of this name.
    pub fn declare(&self, group: &str) -> Result<(), Failure> {
        let mut groups = self.lock();
        if groups.get(group).is_some() { Ok(()) } else { groups.create(group, now_ms()) }
    }

    /// Appends events, each with its moment in milliseconds since 1970, to the newest stream whose name begins with this
    /// one; a stream that is full is followed by another. False: there is no such group.
    pub fn put(&self, group: &str, stream: &str, events: &[(i64, &str)]) -> Result<bool, Failure> {
        self.lock().put(group, stream, events, now_ms())
    }

    /// Writes what waits in buffers.
    pub fn flush(&self) -> Result<(), Failure> {
        self.lock().flush()
    }

    /// Answers one request. Never fails: every failure is an AWS error.
    pub async fn handle(&self, request: Request) -> Response {
        let logs = self.clone();
        // Files are read and written, and a writer may be at it.
        let answered = tokio::task::spawn_blocking(move || door::answer(&logs, &request)).await;
        match answered.unwrap_or_else(|error| Err(Error::internal(format!("the request was given up: {error}")))) {
            Ok(answer) => json_1_1(&answer),
            Err(error) => json_1_1_error(&error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

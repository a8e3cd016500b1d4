//! One invocation on its way: what the caller gave, and where the answer goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::error::InvokeError;
use crate::outcome::Outcome;
use crate::pool::Waiter;

/// What a caller may add to a payload.
#[derive(Clone, Debug, Default)]
pub struct InvokeOptions {
    /// `Lambda-Runtime-Client-Context`: JSON, passed to the function as it is.
    pub client_context: Option<String>,
    /// `Lambda-Runtime-Trace-Id`; made up if absent.
    pub trace_id: Option<String>,
    /// Keep the last 4 KB of the invocation's log in [`Invoked::log_tail`].
    pub log_tail: bool,
    /// A UUID that names this invocation in logs and in the function's context; made up if absent.
    pub request_id: Option<String>,
}

/// An invocation that reached the function and has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    pub request_id: String,
    pub outcome: Outcome,
    /// If it was asked for.
    pub log_tail: Option<String>,
}

pub(crate) type Reply = Result<Invoked, InvokeError>;

pub(crate) struct Job {
    pub request_id: String,
    pub payload: Bytes,
    pub options: InvokeOptions,
    pub queued_at: Instant,
    pub reply: oneshot::Sender<Reply>,
    /// Held until the job is gone, however it goes.
    pub _in_flight: InFlight,
}

impl Waiter for Box<Job> {
    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn queued_at(&self) -> Instant {
        self.queued_at
    }
}

/// Counts one invocation as long as it lives.
pub(crate) struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    /// `None` if `limit` are counted already. Callers hold the pool's lock, so that the check and the count are one.
    pub fn begin(count: &Arc<AtomicUsize>, limit: Option<usize>) -> Option<InFlight> {
        if limit.is_some_and(|limit| count.load(Ordering::Acquire) >= limit) {
            return None;
        }
        count.fetch_add(1, Ordering::AcqRel);
        Some(InFlight(count.clone()))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

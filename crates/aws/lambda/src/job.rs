//! One invocation on its way: what the caller gave, and where the answer goes.
//!
//! Whoever waits for an answer has a channel. Whoever has many under way gives a function for each instead, which is called
//! where the answer comes in: nobody has to be woken for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
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
    /// The version that ran: `$LATEST`, or a number.
    pub version: Arc<str>,
    pub outcome: Outcome,
    /// If it was asked for.
    pub log_tail: Option<String>,
}

pub(crate) type Reply = Result<Invoked, InvokeError>;

pub(crate) struct Job {
    pub request_id: String,
    /// What the function was called by, if not its own ARN.
    pub arn: Option<HeaderValue>,
    pub payload: Bytes,
    pub options: InvokeOptions,
    pub queued_at: Instant,
    pub reply: ReplyTo,
    /// Held until the job is gone, however it goes.
    pub _in_flight: InFlight,
}

/// Where the answer goes. One that is dropped tells that the host is shutting down.
pub(crate) enum ReplyTo {
    Waiter(oneshot::Sender<Reply>),
    Told(Told),
}

pub(crate) struct Told(Option<Box<dyn FnOnce(Reply) + Send>>);

impl ReplyTo {
    /// `told` is called once, from any thread.
    pub fn told(told: impl FnOnce(Reply) + Send + 'static) -> ReplyTo {
        ReplyTo::Told(Told(Some(Box::new(told))))
    }

    pub fn send(self, reply: Reply) {
        match self {
            // Nobody listens if the caller has gone.
            ReplyTo::Waiter(waiter) => drop(waiter.send(reply)),
            ReplyTo::Told(mut told) => told.tell(reply),
        }
    }

    fn is_abandoned(&self) -> bool {
        match self {
            ReplyTo::Waiter(waiter) => waiter.is_closed(),
            ReplyTo::Told(_) => false,
        }
    }
}

impl Told {
    fn tell(&mut self, reply: Reply) {
        if let Some(told) = self.0.take() {
            told(reply);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.tell(Err(InvokeError::ShutDown));
    }
}

impl Waiter for Box<Job> {
    fn abandoned(&self) -> bool {
        self.reply.is_abandoned()
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn each_invocation_is_told_of_once() {
        let (sender, told) = mpsc::channel();
        let reply_to = || {
            let sender = sender.clone();
            ReplyTo::told(move |reply| sender.send(reply).expect("the test listens"))
        };
        let invoked = Invoked {
            request_id: "id".into(),
            version: "1".into(),
            outcome: Outcome::Succeeded(Bytes::new()),
            log_tail: None,
        };
        reply_to().send(Ok(invoked.clone()));
        drop(reply_to());
        assert!(matches!(told.try_recv(), Ok(Ok(reply)) if reply == invoked));
        assert!(matches!(told.try_recv(), Ok(Err(InvokeError::ShutDown))));
        assert!(told.try_recv().is_err());
    }
}

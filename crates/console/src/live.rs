//! Server-sent events: how an open page learns that something changed.
//!
//! A stream says *that*, seldom *what*: the page asks for its live parts anew, and gets them from the same function that
//! made them first. Streams are slowed down here, so that a busy Ithaca does not make browsers busy.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::mpsc;

use crate::console::Console;

/// Between two words of a stream of the whole: nobody reads faster.
const PACE: Duration = Duration::from_secs(1);

/// A comment is sent after so long, so that a connection whose other end has gone is noticed.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Words on their way to one page.
pub const BUFFER: usize = 16;

/// `changed` once a second, for what is cheap to read and tells nobody when it changes.
pub fn ticks() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        // A page that has gone ends the stream.
        while sender.send(event("changed", "{}")).await.is_ok() {
            tokio::time::sleep(PACE).await;
        }
    });
    receiver
}

/// One event: a name and a line of data.
pub fn event(name: &str, data: &str) -> Bytes {
    debug_assert!(!data.contains('\n'), "data of an event is one line");
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

pub fn comment() -> Bytes {
    Bytes::from_static(b": still here\n\n")
}

/// `changed` whenever executions have started or ended, once a second at most.
pub fn changes(console: &Console) -> mpsc::Receiver<Bytes> {
    let mut watched = console.handle.watch();
    let (sender, receiver) = mpsc::channel(BUFFER);
    tokio::spawn(async move {
        loop {
            let word = match tokio::time::timeout(KEEP_ALIVE, watched.recv()).await {
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => event("changed", "{}"),
                Ok(Err(RecvError::Closed)) => return,
                Err(_) => comment(),
            };
            // A page that has gone ends the stream.
            if sender.send(word).await.is_err() {
                return;
            }
            tokio::time::sleep(PACE).await;
            // What happened meanwhile is one more change, not many.
            let mut is_more = false;
            while matches!(watched.try_recv(), Ok(_) | Err(TryRecvError::Lagged(_))) {
                is_more = true;
            }
            if is_more && sender.send(event("changed", "{}")).await.is_err() {
                return;
            }
        }
    });
    receiver
}

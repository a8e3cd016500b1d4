//! A worker for activities of an Ithaca: one connection, many tasks at once.
//!
//! A state machine names an activity as the `Resource` of a task, as on AWS. A worker takes such tasks and answers them. This
//! one does it over Ithaca's own *lane* (docs/workers.md) instead of a request for each: tasks come as they are scheduled,
//! answers go together, and what was not acknowledged is sent again after a lost connection.
//!
//! ```no_run
//! use ithaca_worker::{Failure, Worker};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), ithaca_worker::Error> {
//! let book = "arn:aws:states:us-east-1:000000000000:activity:book";
//! let worker = Worker::connect("http://127.0.0.1:4566")
//!     .activity(book, 8, |task| {
//!         let seats = task.input["seats"].as_u64();
//!         let seats = seats.ok_or_else(|| Failure::new("BadOrder", "it does not say how many seats"))?;
//!         Ok(json!({ "booked": seats }))
//!     })
//!     .start()?;
//! // ... until the program is told to end:
//! worker.stop()
//! # }
//! ```
//!
//! `cargo run -p ithaca-worker --example greeter` is a whole program.
//!
//! # What is guaranteed
//!
//! What AWS guarantees for activities. A task is handed over once per attempt, after its start is durable. An outcome that was
//! acknowledged is durable. A worker that dies with a task, or never got it, is found out by the task's `HeartbeatSeconds` or
//! `TimeoutSeconds` alone: a state that has neither waits for ever. So give tasks a timeout and a Retry of
//! `States.Timeout`, and expect that a task of which nobody knows the outcome is done again.
//!
//! # Threads
//!
//! Each activity has as many threads as its concurrency; a handler may block. Two more threads read and write. A handler that
//! panics fails its task with `Worker.Panicked`.

mod desk;
mod lines;
mod link;
mod worker;

use std::fmt;
use std::io;

pub use worker::{Answers, Running, Task, Worker};

/// How a task fails: what Retry and Catch of the state machine look at, and a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A name such as `NoSeats`; at most 256 characters.
    pub error: String,
    /// At most 32,768 characters; what is longer is cut.
    pub cause: String,
}

impl Failure {
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Failure {
        Failure { error: error.into(), cause: cause.into() }
    }
}

/// So that `?` works in a handler. The name is the one Step Functions has for a task that failed without giving one.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::new("States.TaskFailed", error.to_string())
    }
}

/// What Ithaca refuses, by AWS's name: `TaskTimedOut`, `InvalidToken`, `ActivityDoesNotExist` and their like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub error: String,
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.message)
    }
}

impl std::error::Error for Refused {}

#[derive(Debug)]
pub enum Error {
    /// It has not the form `http://HOST:PORT`.
    Endpoint(String),
    /// Nobody answers there.
    Connect {
        endpoint: String,
        cause: io::Error,
    },
    /// Somebody answers, but has no lane for workers.
    NoLane {
        endpoint: String,
        answer: String,
    },
    /// An activity cannot be worked for.
    Refused {
        activity: String,
        refused: Refused,
    },
    /// So many tasks had no outcome, or no acknowledgement of it, when the worker was stopped.
    Unfinished(usize),
    Thread(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Endpoint(endpoint) => write!(f, "the endpoint {endpoint} must have the form http://HOST:PORT"),
            Error::Connect { endpoint, cause } => write!(f, "no Ithaca answers at {endpoint}: {cause}"),
            Error::NoLane { endpoint, answer } => write!(f, "{endpoint} has no lane for workers: it answered {answer}"),
            Error::Refused { activity, refused } => write!(f, "{activity}: {refused}"),
            Error::Unfinished(tasks) => write!(f, "the worker was stopped with {tasks} tasks unfinished"),
            Error::Thread(cause) => write!(f, "a thread could not be started: {cause}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Connect { cause, .. } | Error::Thread(cause) => Some(cause),
            Error::Refused { refused, .. } => Some(refused),
            Error::Endpoint(_) | Error::NoLane { .. } | Error::Unfinished(_) => None,
        }
    }
}

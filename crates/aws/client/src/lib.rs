//! Calls to services elsewhere: one request over HTTP/1.1, signed as AWS wants it.
//!
//! ```text
//!   Origin (where) ── connect ──> Connection ── send ──> Response<Incoming>   whoever streams a body
//!   Service (who signs what) ── post ──────────────────> Response<Bytes>      whoever wants it whole
//! ```
//!
//! Every call has its own connection. It follows no redirects and does not retry: what the other side answers is what
//! the caller gets, and whether to ask again is decided by the Retry of a state. Https needs the feature `tls`.
//!
//! Not known here: what the services mean, how they name their errors, where they are.

mod origin;
mod service;
pub mod sigv4;
pub mod time;
pub mod xml;

pub use origin::{Connection, Origin};
pub use service::{Service, send};
pub use sigv4::Credentials;

use std::time::Duration;

/// A machine that is there accepts a connection at once.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The wait for an answer and for each piece of a body: what AWS's SDKs wait by default, and the most that Step
/// Functions gives an HTTP task.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);

/// An answer that is wanted whole. What a task may give back is far smaller; this leaves room for what is around it.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why there is no answer: a text that can follow "the endpoint does not answer: ".
pub type Failure = String;

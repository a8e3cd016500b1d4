//! The Lambda door and the host behind it: real functions, as processes, on the real Runtime API.
//!
//! ```text
//!   Host::invoke          Host::handle (REST: /2015-03-31/functions ...)
//!        |                      |
//!        v                      v
//!   Pool (one per function: idle processes, a bounded queue, growth)
//!        |  hands a Job over a channel
//!        v
//!   Process (one loopback listener each) <-- GET next, POST response --> bootstrap
//!        |                                                                  |
//!   keeper: deadline, exit, idle                              stdout, stderr -> Log
//! ```
//!
//! **The port is the identity of a process.** `AWS_LAMBDA_RUNTIME_API` is only `host:port`, and the runtimes of
//! other languages allow no path in it; so every process gets a listener of its own on an ephemeral loopback port,
//! and nothing has to be guessed about who is asking.
//!
//! **No process outlives its host**, however the host ends ([`guard`] has the means): a function that wrote after
//! its compensation ran would leave a saga half done. For the same reason the outcome of an invocation whose
//! process was killed is told only when no process of that tree is left.
//!
//! What this crate does not know: state machines, executions, other doors. It is given bytes and gives bytes back.
//!
//! Two decisions worth knowing:
//! - What a runtime posts as a response is passed back as it is, JSON or not, as AWS does for an invocation by API.
//! - `MemorySize` bounds the *data segment* of a process (`RLIMIT_DATA`: heap and private writable mappings), with
//!   generous headroom ([`Limits::memory_headroom_mb`]). It stops a runaway without the cost of watching resident
//!   memory; `RLIMIT_AS` would break runtimes that reserve address space they never touch.

mod code;
mod config;
mod door;
mod environment;
mod error;
mod events;
mod function;
pub mod guard;
mod host;
mod hosted;
mod ids;
mod job;
mod kept;
mod layers;
mod log;
mod name;
mod outcome;
mod pool;
mod process;
mod published;
mod runtime_api;
pub mod runtimes;
mod spawn;
mod survivors;
mod time;

pub use code::Code;
pub use config::{Config, Guard, Limits, LogSink, Objects};
pub use error::{Error, InvokeError, OpenError, Throttle};
pub use function::{Architecture, Function, FunctionInfo, UsedLayer};
pub use host::{Figures, Host};
pub use job::{InvokeOptions, Invoked};
pub use layers::{Layer, LayerSettings};
pub use log::{LogLine, Source};
pub use outcome::Outcome;
pub use published::Alias;

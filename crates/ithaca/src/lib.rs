//! Ithaca as a program and as a library: the composition root, the only place that names concrete parts.
//!
//! ```text
//!   cli ──> server ──> store, engine, doors        one process, one data folder
//!              │
//!              ├─ front    sockets; which door a request is for
//!              ├─ console  what the console shows of the doors
//!              ├─ phase    is it ready; holds requests back until it is
//!              ├─ metrics  what all parts count, for Prometheus
//!              ├─ log      what the server says of itself
//!              ├─ otel     ended executions as traces, for a collector
//!              ├─ tasks    a task of the engine becomes an invocation of the Lambda host
//!              ├─ ports    the APIs, each on its own port
//!              └─ deploy   a template's plan becomes tables, functions, state machines and APIs; what it no longer names goes
//! ```

mod addresses;
mod apis;
mod backup;
pub mod cli;
mod console;
mod deliveries;
mod deploy;
mod events;
mod files;
mod findings;
mod formation;
mod front;
mod lane;
pub mod log;
mod logs;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod outbox;
mod phase;
mod ports;
mod pressure;
mod process;
mod request_id;
mod rules;
mod server;
mod tasks;
mod template;
mod webhook;

pub use deploy::{Data, Deployed, Deployer, Prepared, Request, prepare};
pub use server::{Options, Server, StartError};

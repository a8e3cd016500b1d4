//! Ithaca as a program and as a library: the composition root, the only place that names concrete parts.
//!
//! ```text
//!   cli ──> server ──> store, engine, doors        one process, one data folder
//!              │
//!              ├─ front    sockets; which door a request is for
//!              ├─ tasks    a task of the engine becomes an invocation of the Lambda host
//!              └─ deploy   a template's plan becomes tables, functions, state machines and APIs
//! ```

mod apis;
mod backup;
pub mod cli;
mod deploy;
mod events;
mod findings;
mod front;
mod lane;
mod logs;
mod pressure;
mod process;
mod request_id;
mod server;
mod tasks;
mod template;

pub use deploy::{Deployed, Prepared, deploy, prepare};
pub use server::{Options, Server, StartError};

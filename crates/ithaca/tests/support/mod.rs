//! What the end-to-end tests share: the real binary as a process, clients of its ports, and what a history says.
//!
//! Everything here goes through what a user has: the command line, the sockets, the data folder. Nothing links the
//! code under test, so a test can kill it at any moment. All waiting is on a condition with a bound ([`wait`]).
#![allow(dead_code)] // Each test file is a program of its own that uses a part of this.

pub mod client;
pub mod examples;
pub mod functions;
pub mod history;
pub mod http;
pub mod ithaca;
pub mod random;
pub mod scratch;
pub mod server;
pub mod travel;
pub mod wait;

//! What the end-to-end tests share: the real binary as a process, clients of its ports, and what a history says.
//!
//! Everything here goes through what a user has: the command line, the sockets, the data folder. Nothing links the
//! code under test, so a test can kill it at any moment. All waiting is on a condition with a bound ([`wait`]).
//!
//! Most of it is `chaos`, which needs the same outside of tests.
#![allow(dead_code, unused_imports)] // Each test file is a program of its own that uses a part of this.

pub use chaos::{client, examples, functions, history, http, ithaca, random, scratch, wait};

pub mod installed;
pub mod server;
pub mod travel;

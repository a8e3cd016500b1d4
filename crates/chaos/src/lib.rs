//! The real `ithaca` under everything that can happen to a process and its machine; and what the end-to-end tests need
//! for less.
//!
//! ```text
//!   ithaca, client, http, history     the program, the protocols, what a history says
//!   faults                            a disk that refuses, a clock that jumps
//!   ledger <- function, worker        what tasks really did
//!   sagas -> kills -> judge           the load, the misfortune, the comparison
//!   disks                             full, read-only, failing
//!   flood -> overload                 too much of everything
//!   verdict                           what was found
//! ```
//!
//! Everything goes through what a user has: the command line, the sockets, the data folder. Nothing links the code under
//! test, so it can be killed at any moment, and nothing of it is believed that the ledger contradicts. Failures of tests
//! and runs are panics or rows of a [`verdict::Verdict`].

pub mod client;
pub mod disks;
pub mod examples;
pub mod faults;
pub mod flood;
pub mod function;
pub mod functions;
pub mod history;
pub mod http;
pub mod ithaca;
pub mod judge;
pub mod kills;
pub mod ledger;
pub mod overload;
pub mod place;
pub mod random;
pub mod sagas;
pub mod scratch;
pub mod verdict;
pub mod wait;
pub mod worker;

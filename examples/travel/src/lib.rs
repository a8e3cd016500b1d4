//! The travel-booking saga: what its nine functions share.
//!
//! ```text
//!  saga ── StartExecution ──> reserve-hotel  reserve-flight  take-payment  confirm-hotel  confirm-flight
//!                                   ^               ^              ^
//!                             cancel-hotel    cancel-flight  refund-payment        when a later step fails
//! ```
//!
//! Each function is one file in `src/bin` and does one thing to one row of one table. What it does is there; *how* it is
//! asked ([`function`]), where rows are kept ([`Table`]) and what a trip is ([`Trip`]) is here. No function knows the
//! order of the steps: that is the state machine's, in `saga.asl.json`.

mod answer;
mod aws;
mod booking;
mod chance;
#[cfg(test)]
mod definition;
mod failure;
pub mod function;
mod gateway;
mod settings;
mod starter;
mod step;
mod table;
mod trip;

pub use answer::Answer;
pub use booking::Booking;
pub use chance::fail_at_random;
pub use failure::Failure;
pub use gateway::{Request, Response};
pub use starter::Starter;
pub use step::Step;
pub use table::{Status, Table};
pub use trip::Trip;

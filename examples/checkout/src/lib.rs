//! The checkout saga's Lambda functions, and what they share.
//!
//! ```text
//!  POST /orders ──> web ──> SendApprovalRequest ──> ChargeCustomer ──> RequestShipment ──> SendMail
//!                              |  ^                     ^              |  ^    ^
//!            a mail with a link|  |token   refund-customer              |  |    cancel-shipment
//!                              v  |                                    v  |token
//!                  /approvals/{link}: web                  /shipments/{order}: web
//! ```
//!
//! Two steps wait for somebody outside: a human who approves, and a warehouse that ships. Each gets a *task token*, which
//! a function keeps in the table; whoever answers later goes through `web`, which looks the token up and gives it back.
//! No function waits, and none knows the order of the steps: that is the state machine's, in `checkout.asl.json`.

mod approval;
mod aws;
#[cfg(test)]
mod definition;
mod failure;
pub mod function;
mod mail;
mod order;
mod page;
mod request;
mod steps;
mod table;

pub use approval::Approval;
pub use aws::setting;
pub use failure::Failure;
pub use mail::{About, Mail, Outbox};
pub use order::{Order, Rules};
pub use page::Response;
pub use request::{Asked, Request, ShipmentEvent};
pub use steps::{Heard, Steps};
pub use table::{Row, Table, shipment_key};

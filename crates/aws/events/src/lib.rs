//! EventBridge's rules, as far as they are functions of their arguments: which there are and what AWS clients ask of them,
//! when a schedule fires next, what a target gets of an event. Patterns are read by [`aws_patterns`].
//!
//! Nothing here knows a clock, a file or a target: who fires rules gives the time and carries the events.

mod book;
mod input;
mod schedule;

pub use book::{Book, Rule, TARGET_PREFIX, Target, is_served};
pub use input::{About, Input, Transformer};
pub use schedule::Schedule;

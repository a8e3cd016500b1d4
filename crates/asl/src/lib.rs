//! The Amazon States Language with both its query languages: text in, a [`Definition`] or every diagnostic out.
//!
//! Pure: no clock, no randomness, no files; a moment and entropy are arguments wherever an expression needs
//! them. It does not run anything: `interpreter` does.

pub mod aws_message;
pub mod choice;
pub mod compact;
pub mod definition;
pub mod diagnostic;
pub mod graph;
pub mod intrinsic;
pub mod jsonata;
mod jvm;
mod locate;
mod number;
pub mod parse;
pub mod path;
pub mod scope;
pub mod template;
pub mod timestamp;
mod validate;
mod variables;

pub use aws_message::{aws_location, aws_message};
pub use definition::Definition;
pub use diagnostic::{Diagnostic, Severity};
pub use graph::Graph;
pub use locate::places;
pub use parse::{MachineType, Parsed, parse, parse_as};
pub use scope::{EvalError, Scope};
pub use variables::references as variable_references;

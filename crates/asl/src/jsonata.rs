//! JSONata as Step Functions speaks it: the text between `{%` and `%}`, and JSON that holds such texts.
//!
//! The language itself is `jsonata-core`'s. This module is what AWS puts around it:
//!
//! ```text
//! text ── parse ──> tree ── reads ──> which parts of $states and of variables, which functions
//!                     └──── guard ──> the same tree, in which whatever can grow asks the budget first
//! scope ── value ──> what is read ── evaluator and host ──> value ──> JSON, or a Failure in AWS's words
//! ```
//!
//! An expression has no context item: it reads `$states` and variables, and nothing else. Its value is a function
//! of the [`Scope`]: the moment and the entropy are in it, and what the language has of its own (`$now`, `$random`,
//! `$shuffle`, `$toMillis` of a bare time) is replaced by functions that use those. A clock is looked at for one
//! reason: to stop, far beyond every counted limit, an expression that the counts do not see (`limit`).
//!
//! A tree is `Send` and `Sync` and shared; values are not, and live inside one call.
//!
//! Numbers are 64-bit floating point, as in JavaScript. AWS keeps integers of 64 bits: such an integer of the data
//! comes out again as it went in (`value`), but `$string` and arithmetic round it.

use serde_json::Value;

use crate::scope::{Context, Entropy, Variables};

mod blame;
mod expression;
mod failure;
mod function;
mod guard;
mod host;
mod limit;
mod message;
mod parse;
mod reads;
mod session;
mod template;
mod tree;
mod value;

pub use expression::{Available, Expression, Finding};
pub use failure::{Expected, Failure};
pub use parse::{ParseError, inside};
pub use template::Template;

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;

/// Everything an expression may depend on. Equal scopes give equal results.
pub struct Scope<'a> {
    pub states: States<'a>,
    pub variables: &'a dyn Variables,
    /// For `$random()`, `$uuid()` and `$shuffle`.
    pub entropy: &'a Entropy,
    /// For `$now()` and `$millis()`: milliseconds since 1970.
    pub now_ms: i64,
}

/// `$states`.
#[derive(Clone, Copy)]
pub struct States<'a> {
    pub input: &'a Value,
    /// Only where a state has one: in its `Output` and `Assign`.
    pub result: Option<&'a Value>,
    /// Only in a catcher.
    pub error_output: Option<&'a Value>,
    pub context: &'a Context<'a>,
}

impl<'a> States<'a> {
    pub(crate) const MEMBERS: [&'static str; 4] = ["input", "result", "errorOutput", "context"];

    pub(crate) fn member(&self, name: &str) -> Option<&'a Value> {
        match name {
            "input" => Some(self.input),
            "result" => self.result,
            "errorOutput" => self.error_output,
            "context" => Some(self.context.object()),
            _ => None,
        }
    }
}

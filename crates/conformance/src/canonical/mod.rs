//! The comparison that the recordings ask for: what is noise in them, and what is not.
//!
//! ```text
//!  found answer ─> text::rewrite ─┐
//!                                 ├─> Matcher ─> the first Difference, or none
//!  recorded answer ───────────────┘     ├ pattern   placeholders inside strings
//!                                       └ history   order and ids of events
//! ```
//!
//! The recorded side holds placeholders, the found side is plain data. A difference is told by the place where it
//! was met, so that one line is enough to see what is wrong. Nothing here knows the engine.

pub mod history;
mod matcher;
mod pattern;
pub mod text;

pub use matcher::{Difference, Matcher, Texts};
pub use pattern::without_tokens;

//! What people look at: for now the drawing of a state machine, later the live pages.
//!
//! Reads, never decides: nothing here changes an execution.

pub mod graph;

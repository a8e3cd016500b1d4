//! interpreter.

//! The crate seen from outside: templates in, plans or errors out. One program, since linking is most of a test's time.

mod apis;
mod common;
mod errors;
mod hostile;
mod intrinsics;
mod outside;
mod rules;
mod state_machines;
mod templates;

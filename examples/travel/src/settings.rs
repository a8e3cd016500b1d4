//! What the environment says, and a clear word when it does not.
//!
//! Lambda (or Ithaca in its place) sets the `AWS_` ones, `template.yaml` the others.

use std::env;

use crate::Failure;

pub const TABLE_NAME: &str = "TABLE_NAME";
pub const STATE_MACHINE_ARN: &str = "STATE_MACHINE_ARN";
/// From 0 (never) to 1 (always): how often a compensation fails on purpose.
pub const FAILURE_RATE: &str = "FAILURE_RATE";

/// The value of a variable; one that is empty counts as not set.
pub fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub fn required(name: &str) -> Result<String, Failure> {
    optional(name).ok_or_else(|| invalid(format!("the environment variable {name} is not set")))
}

pub fn invalid(why: String) -> Failure {
    Failure::new("InvalidConfiguration", why)
}

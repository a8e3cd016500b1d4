//! Waiting for a condition, never longer than a bound, and never blindly.

use std::thread;
use std::time::{Duration, Instant};

/// Between two looks: short against what is waited for, long against the cost of looking.
const PAUSE: Duration = Duration::from_millis(10);

/// Generous, since a busy machine is no failure; a test that is right hardly ever comes near it.
pub const BOUND: Duration = Duration::from_secs(60);

/// For what follows from many faults, one after the other.
const LONG_BOUND: Duration = Duration::from_secs(300);

/// Looks until there is something, and panics with `what` when the bound has passed.
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(BOUND, look).unwrap_or_else(|| panic!("not within {} s: {what}", BOUND.as_secs()))
}

/// The same, for what comes of many faults.
pub fn wait_for_long<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(LONG_BOUND, look).unwrap_or_else(|| panic!("not within {} s: {what}", LONG_BOUND.as_secs()))
}

/// Looks until there is something or the bound has passed.
pub fn wait_within<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + bound;
    loop {
        match look() {
            Some(found) => return Some(found),
            None if Instant::now() >= deadline => return None,
            None => thread::sleep(PAUSE),
        }
    }
}

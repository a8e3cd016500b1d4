//! The gate before the writer: whoever holds it keeps commits waiting.
//!
//! A copy of several files that belong together needs one moment in which nothing becomes durable. A lock would do, but
//! the writer of a busy store takes its lock again at once and a waiter might never come to it: here the writer lets
//! through who waits. It knows nothing of what is done while it is held, so that has to be short.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Who holds it or waits for that.
    holders: usize,
    is_passing: bool,
}

/// The writer is in a transaction. Dropped, also by a panic, when that is over.
pub struct Passing<'g>(&'g Gate);

/// No transaction begins until this is dropped.
pub struct Held<'g>(&'g Gate);

impl Gate {
    /// Waits until nobody holds the gate.
    pub fn pass(&self) -> Passing<'_> {
        let mut state = self.state();
        while state.holders > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_passing = true;
        Passing(self)
    }

    /// Waits for the transaction that is under way, if one is.
    pub fn hold(&self) -> Held<'_> {
        let mut state = self.state();
        state.holders += 1;
        while state.is_passing {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Held(self)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let is_awaited = {
            let mut state = self.state();
            let is_held = state.holders > 0;
            change(&mut state);
            is_held
        };
        if is_awaited {
            self.changed.notify_all();
        }
    }

    /// No step under the lock can panic half-way, so a poisoned lock guards nothing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.is_passing = false);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.holders -= 1);
    }
}

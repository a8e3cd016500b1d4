//! What one expression may take, and the counters that hold it to that.
//!
//! The limits named as AWS's were measured on AWS by users of other emulators; the others are ours, and far above
//! what an expression of that size can usefully do. All but one are counts, so that the same expression over the
//! same data ends the same way on every machine. What the counts do not see is a loop that is no function call: a
//! filter inside a filter, or one comparison of huge values. `TIME_MAX_MS` stops the former; the latter ends by
//! itself, as its operands are limited.

use std::cell::Cell;

use super::failure::Limit;

/// AWS: 100 levels of evaluation. The evaluator does not count the leaf at the bottom, which AWS does.
pub(super) const DEPTH_MAX: usize = 99;

/// AWS: `[1..873782]` is accepted, one more is not.
pub(super) const SEQUENCE_ITEMS_MAX: usize = 873_782;

/// AWS: the bytes of one value, at eight bytes a number.
pub(super) const VALUE_BYTES_MAX: u64 = 6_990_256;

/// AWS: items that `$range` makes.
pub(super) const RANGE_ITEMS_MAX: i128 = 360_145;

/// Ours: nodes of one value, since empty arrays and objects have no bytes.
pub(super) const VALUE_NODES_MAX: u64 = 2_000_000;

/// Ours: levels of nesting of a result. What reads it afterwards recurses.
pub(super) const VALUE_DEPTH_MAX: usize = 1_000;

/// Ours: bytes built or walked in one evaluation, whether they are kept or not.
const WORK_BYTES_MAX: u64 = 1 << 30;

/// Ours: calls of the expression's own functions and items of its loops. Enough for `$reduce` over the longest
/// sequence; a function that calls itself for ever ends within a second or two.
const STEPS_MAX: u64 = 1_000_000;

/// Ours, the last resort: see above.
pub(super) const TIME_MAX_MS: u64 = 20_000;

/// What is left for one evaluation.
pub(super) struct Budget {
    bytes: Cell<u64>,
    steps: Cell<u64>,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget { bytes: Cell::new(WORK_BYTES_MAX), steps: Cell::new(STEPS_MAX) }
    }

    pub(super) fn refill(&self) {
        self.bytes.set(WORK_BYTES_MAX);
        self.steps.set(STEPS_MAX);
    }

    pub(super) fn work(&self, bytes: u64) -> Result<(), Limit> {
        spend(&self.bytes, bytes).ok_or(Limit::Memory)
    }

    pub(super) fn steps(&self, steps: u64) -> Result<(), Limit> {
        spend(&self.steps, steps).ok_or(Limit::Time)
    }
}

fn spend(left: &Cell<u64>, amount: u64) -> Option<()> {
    left.set(left.get().checked_sub(amount)?);
    Some(())
}

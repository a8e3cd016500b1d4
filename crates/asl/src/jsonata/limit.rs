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

/// Ours: bytes built or walked in one evaluation, whether they are kept or not. More than seventy of the largest
/// values, built in about a second.
const WORK_BYTES_MAX: u64 = 1 << 29;

/// Ours: calls of the expression's own functions and items of its loops. Enough for `$reduce` over the longest
/// sequence; a function that calls itself for ever ends within about a second.
const STEPS_MAX: u64 = 1_000_000;

/// Ours, the last resort: see above.
pub(super) const TIME_MAX_MS: u64 = 20_000;

/// Ours: what a node costs when a value is measured.
pub(super) const WALK_BYTES: u64 = 4;

/// Ours: what one item of a list takes in memory, about.
pub(super) const ITEM_BYTES: u64 = 32;

/// What is left for one evaluation.
pub(super) struct Budget {
    full: (u64, u64),
    bytes: Cell<u64>,
    steps: Cell<u64>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::of(WORK_BYTES_MAX, STEPS_MAX)
    }
}

impl Budget {
    pub(super) fn of(bytes: u64, steps: u64) -> Budget {
        Budget { full: (bytes, steps), bytes: Cell::new(bytes), steps: Cell::new(steps) }
    }

    /// For the next expression.
    pub(super) fn refill(&self) {
        self.bytes.set(self.full.0);
        self.steps.set(self.full.1);
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

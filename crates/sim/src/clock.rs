//! Time and chance as an engine in the simulator sees them: both move only when the world says so.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Chance, Time};
use interpreter::Timestamp;

/// When every run begins: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

pub struct VirtualClock(Mutex<Hands>);

struct Hands {
    wall: Timestamp,
    steady: Duration,
    /// No shard believes that it is later than this.
    latest: Timestamp,
}

impl Default for VirtualClock {
    fn default() -> VirtualClock {
        VirtualClock(Mutex::new(Hands { wall: START, steady: Duration::ZERO, latest: START }))
    }
}

impl VirtualClock {
    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time passes.
    pub fn pass(&self, ms: u64) {
        let mut hands = self.hands();
        hands.steady += Duration::from_millis(ms);
        hands.wall = hands.wall.after_ms(ms);
        hands.latest = hands.latest.after_ms(ms).max(hands.wall);
    }

    /// Somebody sets the clock: forward, or back.
    pub fn set_by(&self, ms: i64) {
        let mut hands = self.hands();
        hands.wall = Timestamp(hands.wall.0 + ms);
        hands.latest = hands.latest.max(hands.wall);
    }

    pub fn latest(&self) -> Timestamp {
        self.hands().latest
    }
}

impl Time for VirtualClock {
    fn wall(&self) -> Timestamp {
        self.hands().wall
    }

    fn steady(&self) -> Duration {
        self.hands().steady
    }
}

/// Seeds of terms, one after another from the seed of the run.
pub struct Seeds(Mutex<store::testing::Chance>);

impl Seeds {
    pub fn new(seed: u64) -> Seeds {
        Seeds(Mutex::new(store::testing::Chance(seed ^ 0x5eed)))
    }
}

impl Chance for Seeds {
    fn seed(&self, _: Timestamp) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).draw()
    }
}

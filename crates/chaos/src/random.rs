//! Chance from a seed, so that a failure can be played again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use store::testing::Chance;

/// What draws, with what a test needs around it.
pub struct Random(Chance);

impl Random {
    /// The seed is `ITHACA_TEST_SEED`, or a new one; it is printed, and shown when the test fails.
    pub fn from_env(test: &str) -> Random {
        let seed = match std::env::var("ITHACA_TEST_SEED") {
            Ok(text) => text.parse().expect("ITHACA_TEST_SEED is a number"),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64),
        };
        println!("to play this again: ITHACA_TEST_SEED={seed} cargo test -p ithaca --test {test}");
        Random::new(seed)
    }

    pub fn new(seed: u64) -> Random {
        Random(Chance(seed))
    }

    pub fn draw(&mut self) -> u64 {
        self.0.draw()
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    pub fn duration_below(&mut self, bound: Duration) -> Duration {
        Duration::from_micros(self.below(bound.as_micros() as u64))
    }
}

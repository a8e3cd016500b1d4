//! What comes into an engine from outside: time, chance, and who looks on.
//!
//! Everything else follows from the inputs. So a simulator that gives these three sees the same run again for the same
//! seed. [`Surroundings::real`] is what every process has.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use interpreter::{About, Execution, Input, Timestamp};
use store::ShardId;

use crate::keys::ExecutionId;
use crate::machines::Revision;

#[derive(Clone)]
pub struct Surroundings {
    pub time: Arc<dyn Time>,
    pub chance: Arc<dyn Chance>,
    pub witness: Option<Arc<dyn Witness>>,
}

impl Surroundings {
    pub fn real() -> Surroundings {
        Surroundings { time: Arc::new(SystemClock(Instant::now())), chance: Arc::new(SystemChance), witness: None }
    }
}

pub trait Time: Send + Sync {
    /// What the clock on the wall says. It may be set forward and back.
    fn wall(&self) -> Timestamp;
    /// How long it has been since some moment. It only grows.
    fn steady(&self) -> Duration;
}

pub trait Chance: Send + Sync {
    /// For a term of a shard that begins now, another one each time.
    fn seed(&self, now: Timestamp) -> u64;
}

/// Sees every input that is fed to an execution, one that will be refused too, on the shard's thread.
pub trait Witness: Send + Sync {
    /// `before` is the execution as the input finds it.
    fn feeding(&self, of: &Fed<'_>, before: &Execution, input: &Input);
    /// All inputs fed so far are in batches that are sealed; the next ones are in another.
    fn sealed(&self, shard: ShardId);
}

/// The execution that an input is fed to.
pub struct Fed<'a> {
    pub shard: ShardId,
    pub id: ExecutionId,
    pub revision: &'a Arc<Revision>,
    pub about: &'a About,
}

struct SystemClock(Instant);

impl Time for SystemClock {
    fn wall(&self) -> Timestamp {
        now()
    }

    fn steady(&self) -> Duration {
        self.0.elapsed()
    }
}

struct SystemChance;

impl Chance for SystemChance {
    fn seed(&self, now: Timestamp) -> u64 {
        // Randomness enters here and only here.
        RandomState::new().hash_one(now.0)
    }
}

/// Milliseconds since 1970 by the system's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Wall-clock time that never goes back and never stands still: set back, the system's clock is not followed until
/// it has caught up, so that no pause grows by the jump. That it was set back between two runs the executions that
/// are open tell.
pub struct Clock {
    time: Arc<dyn Time>,
    from: Timestamp,
    at: Duration,
}

impl Clock {
    pub fn new(time: Arc<dyn Time>) -> Clock {
        Clock { from: time.wall(), at: time.steady(), time }
    }

    /// It goes on from this moment, if it has not come so far.
    pub fn reach(&mut self, moment: Timestamp) {
        if moment > self.now() {
            (self.from, self.at) = (moment, self.time.steady());
        }
    }

    pub fn now(&mut self) -> Timestamp {
        let (wall, at) = (self.time.wall(), self.time.steady());
        let since = at.saturating_sub(self.at).as_millis();
        let steady = self.from.after_ms(u64::try_from(since).unwrap_or(u64::MAX));
        if wall > steady {
            (self.from, self.at) = (wall, at);
        }
        steady.max(wall)
    }
}

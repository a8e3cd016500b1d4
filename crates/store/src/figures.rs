//! What a store did since it was opened, for metrics, the console and the benchmark.
//!
//! Counted once per transaction under one short lock, so the figures of a snapshot belong together.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::Batch;

/// Counters since the store was opened, except where a field says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Transactions made durable, one fsync each; the batches of all shards that waited share one.
    pub commits: u64,
    /// Batches that became durable.
    pub batches: u64,
    /// Batches refused because their shard was taken over.
    pub fenced: u64,
    /// Rows put or deleted.
    pub rows: u64,
    /// Bytes of the values put.
    pub value_bytes: u64,
    /// Times the write-ahead log was copied into the database file; each costs another one or two fsyncs.
    pub checkpoints: u64,
    /// From the call of `commit` to just before its `done`, for each durable batch.
    pub commit_latency: Histogram,
    /// Bytes of the values put, for each transaction.
    pub commit_bytes: Sizes,
    /// Batches waiting now.
    pub queued: u64,
    /// Size of all files now.
    pub file_bytes: u64,
    /// Size of the write-ahead log among them.
    pub wal_bytes: u64,
}

/// Steps within each doubling: a bucket's bounds are at most 25 % apart.
const STEPS: u64 = 4;
/// The last bucket holds everything above 2^27 microseconds, about two minutes.
const BUCKETS: usize = 27 * STEPS as usize;

/// Durations in buckets that grow with the duration, so that microseconds and seconds are told equally well.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    total: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: [0; BUCKETS], total: Duration::ZERO }
    }
}

impl Histogram {
    pub fn record(&mut self, duration: Duration) {
        self.counts[bucket_of(duration)] += 1;
        self.total += duration;
    }

    /// Adds what another has recorded.
    pub fn add(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, more)| *sum += more);
        self.total += other.total;
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all durations.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// An upper bound, at most 25 % too high, for the given share (0.5 is the median) of the durations.
    pub fn percentile(&self, share: f64) -> Duration {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bound, count) in self.buckets() {
            seen += count;
            if seen >= wanted {
                return bound;
            }
        }
        bound_of(BUCKETS - 1)
    }

    /// Each bucket's upper bound and how many durations fell into it. The last bound stands for infinity.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.counts.iter().enumerate().map(|(bucket, count)| (bound_of(bucket), *count))
    }
}

/// The first bucket of [`Sizes`] holds what is below this.
const SMALLEST: u64 = 256;
/// The last bucket holds everything above 16 MiB, which is more than a batch may hold.
const SIZES: usize = 18;

/// Sizes in buckets that double.
#[derive(Clone, Debug, Default)]
pub struct Sizes {
    counts: [u64; SIZES],
    total: u64,
}

impl Sizes {
    pub fn record(&mut self, bytes: u64) {
        let bucket = (bytes / SMALLEST).checked_ilog2().map_or(0, |doubling| doubling as usize + 1);
        self.counts[bucket.min(SIZES - 1)] += 1;
        self.total += bytes;
    }

    /// The sum of all sizes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Each bucket's bound, which it does not reach, and how many sizes fell into it. The last bound stands for infinity.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().enumerate().map(|(bucket, count)| (SMALLEST << bucket, *count))
    }
}

/// Below 4 microseconds a bucket is one microsecond; above, a quarter of a doubling.
fn bucket_of(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros < STEPS {
        return micros as usize;
    }
    let doubling = micros.ilog2() as u64;
    let step = (micros >> (doubling - STEPS.ilog2() as u64)) - STEPS;
    (((doubling - 1) * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The first duration above the bucket.
fn bound_of(bucket: usize) -> Duration {
    let next = bucket as u64 + 1;
    if next < STEPS {
        return Duration::from_micros(next);
    }
    let (doubling, step) = (next / STEPS + 1, next % STEPS);
    Duration::from_micros((STEPS + step) << (doubling - STEPS.ilog2() as u64))
}

/// One transaction, for the counters.
#[derive(Default)]
pub(crate) struct Tally {
    pub fenced: u64,
    rows: u64,
    value_bytes: u64,
    latencies: Vec<Duration>,
}

impl Tally {
    /// Counts a batch that became durable.
    pub fn add(&mut self, batch: &Batch, latency: Duration) {
        self.rows += batch.writes.len() as u64;
        self.value_bytes += batch.writes.iter().map(|write| write.value_bytes() as u64).sum::<u64>();
        self.latencies.push(latency);
    }
}

/// Where a store counts.
#[derive(Default)]
pub(crate) struct Counters(Mutex<Figures>);

impl Counters {
    pub fn committed(&self, tally: Tally) {
        let mut figures = self.figures();
        figures.commits += 1;
        figures.batches += tally.latencies.len() as u64;
        figures.fenced += tally.fenced;
        figures.rows += tally.rows;
        figures.value_bytes += tally.value_bytes;
        figures.commit_bytes.record(tally.value_bytes);
        tally.latencies.into_iter().for_each(|latency| figures.commit_latency.record(latency));
    }

    pub fn checkpointed(&self) {
        self.figures().checkpoints += 1;
    }

    pub fn snapshot(&self) -> Figures {
        self.figures().clone()
    }

    /// A panic elsewhere cannot leave a counter in a state worth refusing.
    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_below_the_bound_of_its_bucket_and_not_below_the_one_before() {
        for micros in (0..5_000).chain([65_535, 65_536, 1_000_000, 60_000_000]) {
            let duration = Duration::from_micros(micros);
            let bucket = bucket_of(duration);
            assert!(duration < bound_of(bucket), "{micros} in bucket {bucket}");
            assert!(bucket == 0 || duration >= bound_of(bucket - 1), "{micros} in bucket {bucket}");
        }
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn every_size_lies_below_the_bound_of_its_bucket() {
        let check = |bytes: u64, bound: u64| {
            let mut sizes = Sizes::default();
            sizes.record(bytes);
            assert_eq!(sizes.buckets().find(|(_, count)| *count == 1), Some((bound, 1)), "{bytes}");
            assert_eq!(sizes.total(), bytes);
        };
        check(0, 256);
        check(255, 256);
        check(256, 512);
        check(511, 512);
        check(512, 1024);
        check((16 << 20) - 1, 16 << 20);
        check(u64::MAX, 32 << 20);
    }

    #[test]
    fn percentiles_are_upper_bounds() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.5), Duration::from_micros(1));
        (1..=100).for_each(|millis| histogram.record(Duration::from_millis(millis)));
        for (share, millis) in [(0.5, 50), (0.99, 99), (1.0, 100)] {
            let exact = Duration::from_millis(millis);
            let told = histogram.percentile(share);
            assert!(exact <= told && told <= exact.mul_f64(1.26), "{share}: {told:?} for {exact:?}");
        }
    }
}

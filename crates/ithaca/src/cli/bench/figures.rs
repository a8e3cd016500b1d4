//! The figures: their names in JSON and for people, which way is better, and several measurements as one.

use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    More,
    Less,
    /// It tells of the run, not of the engine.
    Neither,
}

pub struct Figure {
    pub name: &'static str,
    pub title: &'static str,
    pub digits: usize,
    pub better: Better,
}

const fn figure(name: &'static str, title: &'static str, digits: usize, better: Better) -> Figure {
    Figure { name, title, digits, better }
}

/// Of a number of sagas in flight; the first of them are the columns of the table, in their order.
pub const OF_RUNS: [Figure; 17] = [
    figure("sagasPerSecond", "sagas/s", 0, Better::More),
    figure("p50Ms", "p50 ms", 2, Better::Less),
    figure("p90Ms", "p90 ms", 2, Better::Less),
    figure("p99Ms", "p99 ms", 2, Better::Less),
    figure("maxMs", "max ms", 1, Better::Less),
    figure("engineCpuMs", "engine", 3, Better::Less),
    figure("workerCpuMs", "workers", 3, Better::Less),
    figure("loadCpuMs", "load", 3, Better::Neither),
    figure("writtenKiB", "written", 1, Better::Less),
    figure("deviceKiB", "device", 1, Better::Less),
    figure("flushesPerSecond", "flushes/s", 0, Better::Neither),
    figure("sagasPerFlush", "per flush", 2, Better::More),
    figure("peakMiB", "peak MiB", 0, Better::Less),
    figure("memoryMiB", "MiB", 0, Better::Less),
    figure("commitsPerSecond", "commits/s", 0, Better::Neither),
    figure("sagas", "counted", 0, Better::Neither),
    figure("missedChanges", "missed", 0, Better::Neither),
];

pub const COLUMNS: usize = 13;

/// Of an empty engine.
pub const OF_STARTS: [Figure; 2] =
    [figure("startMs", "ready in ms", 0, Better::Less), figure("idleMiB", "idle MiB", 1, Better::Less)];

/// Of executions that wait.
pub const OF_WAITING: [Figure; 6] = [
    figure("startedPerSecond", "started/s", 0, Better::More),
    figure("bytesPerExecution", "bytes each", 0, Better::Less),
    figure("diskBytesPerExecution", "on disk", 0, Better::Less),
    figure("idleCpuMsPerSecond", "idle ms/s", 2, Better::Less),
    figure("restartMs", "restart ms", 0, Better::Less),
    figure("bytesPerExecutionRestarted", "after it", 0, Better::Less),
];

/// One measurement: what could be read, by name.
pub type Reading = Vec<(&'static str, f64)>;

/// Repeated measurements as `{NAME: {median, min, max}}`. A figure that one of them lacks is told of the others.
pub fn fold(readings: &[Reading], figures: &[Figure]) -> Value {
    let mut folded = Map::new();
    for figure in figures {
        let named = |reading: &Reading| reading.iter().find(|(name, _)| *name == figure.name).map(|(_, value)| *value);
        let mut values: Vec<f64> = readings.iter().filter_map(named).filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        if let (Some(min), Some(max)) = (values.first(), values.last()) {
            folded.insert(figure.name.into(), json!({ "median": median(&values), "min": min, "max": max }));
        }
    }
    folded.into()
}

/// Of sorted values; there must be one.
fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => (sorted[half - 1] + sorted[half]) / 2.0,
        _ => sorted[half],
    }
}

/// The value below which a part of sorted values lies.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The median of a figure in what [`fold`] has given, as text.
pub fn shown(folded: &Value, figure: &Figure) -> String {
    match folded[figure.name]["median"].as_f64() {
        Some(value) => format!("{value:.0$}", figure.digits),
        None => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_measurements_as_one() {
        let check = |values: &[f64], expect: Value| {
            let readings: Vec<Reading> = values.iter().map(|value| vec![("startMs", *value)]).collect();
            assert_eq!(fold(&readings, &OF_STARTS), expect, "{values:?}");
        };
        check(&[], json!({}));
        check(&[3.0], json!({ "startMs": { "median": 3.0, "min": 3.0, "max": 3.0 } }));
        check(&[9.0, 1.0, 2.0], json!({ "startMs": { "median": 2.0, "min": 1.0, "max": 9.0 } }));
        check(&[1.0, f64::NAN, 2.0], json!({ "startMs": { "median": 1.5, "min": 1.0, "max": 2.0 } }));
    }

    #[test]
    fn quantiles() {
        let check = |part: f64, expect: f64| assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], part), expect);
        check(0.0, 1.0);
        check(0.5, 3.0);
        check(0.99, 4.0);
        check(1.0, 4.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}

//! How figures are written for Prometheus: the text format 0.0.4, and OpenMetrics 1.0 for who asks for it.
//!
//! Names and units follow Prometheus' conventions: base units (seconds, bytes), `_total` behind counters. Knows no
//! figure of ours.

use std::fmt::{Display, Write};
use std::time::Duration;

use engine::figures::{DURATION_BOUNDS_MS, Durations};
use store::{Histogram, Sizes};

/// Which of the two is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Prometheus,
    OpenMetrics,
}

impl Dialect {
    /// What a client's `Accept` asks for.
    pub fn asked(accept: &str) -> Dialect {
        match accept.contains("application/openmetrics-text") {
            true => Dialect::OpenMetrics,
            false => Dialect::Prometheus,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Dialect::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Dialect::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A name and its value.
pub type Label<'a> = (&'a str, &'a str);

pub struct Text {
    out: String,
    dialect: Dialect,
}

/// One metric: its samples differ in their labels.
pub struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
    suffix: &'static str,
}

impl Text {
    pub fn new(dialect: Dialect) -> Text {
        Text { out: String::with_capacity(32 * 1024), dialect }
    }

    /// `name` is without `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        // OpenMetrics names the family, Prometheus its samples.
        let suffix = if self.dialect == Dialect::OpenMetrics { "" } else { "_total" };
        self.family(name, suffix, "counter", help, "_total")
    }

    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "", "gauge", help, "")
    }

    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "", "histogram", help, "")
    }

    fn family(
        &mut self,
        name: &'static str,
        declared: &str,
        kind: &str,
        help: &str,
        suffix: &'static str,
    ) -> Family<'_> {
        put(&mut self.out, format_args!("# HELP {name}{declared} {help}\n# TYPE {name}{declared} {kind}\n"));
        Family { out: &mut self.out, name, suffix }
    }

    pub fn finish(mut self) -> String {
        if self.dialect == Dialect::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

impl Family<'_> {
    pub fn is(mut self, value: impl Display) {
        self.add(&[], value);
    }

    pub fn add(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.sample(self.suffix, labels, None, value);
    }

    /// Latencies, from 64 microseconds up to two minutes: a bucket for each doubling.
    pub fn latency(&mut self, labels: &[Label<'_>], histogram: &Histogram) {
        /// Bounds that are doublings are every fourth, from 4 microseconds on.
        const EVERY: usize = 4;
        const FIRST: usize = 19;
        let buckets: Vec<(Duration, u64)> = histogram.buckets().collect();
        let mut sum = 0;
        for (place, (bound, count)) in buckets.iter().enumerate() {
            sum += count;
            let is_shown = place >= FIRST && place % EVERY == EVERY - 1 && place + 1 < buckets.len();
            if is_shown {
                self.bucket(labels, &bound.as_secs_f64().to_string(), sum);
            }
        }
        self.end(labels, sum, histogram.total().as_secs_f64());
    }

    pub fn durations(&mut self, labels: &[Label<'_>], durations: &Durations) {
        let mut sum = 0;
        for (bound_ms, count) in DURATION_BOUNDS_MS.iter().zip(durations.counts) {
            sum += count;
            self.bucket(labels, &(*bound_ms as f64 / 1000.0).to_string(), sum);
        }
        sum += durations.counts[DURATION_BOUNDS_MS.len()];
        self.end(labels, sum, durations.total_ms as f64 / 1000.0);
    }

    pub fn sizes(&mut self, labels: &[Label<'_>], sizes: &Sizes) {
        let buckets: Vec<(u64, u64)> = sizes.buckets().collect();
        let mut sum = 0;
        for (place, (bound, count)) in buckets.iter().enumerate() {
            sum += count;
            if place + 1 < buckets.len() {
                self.bucket(labels, &bound.to_string(), sum);
            }
        }
        self.end(labels, sum, sizes.total() as f64);
    }

    fn bucket(&mut self, labels: &[Label<'_>], bound: &str, count: u64) {
        self.sample("_bucket", labels, Some(bound), count);
    }

    fn end(&mut self, labels: &[Label<'_>], count: u64, total: f64) {
        self.bucket(labels, "+Inf", count);
        self.sample("_sum", labels, None, total);
        self.sample("_count", labels, None, count);
    }

    fn sample(&mut self, suffix: &str, labels: &[Label<'_>], bound: Option<&str>, value: impl Display) {
        put(self.out, format_args!("{}{suffix}", self.name));
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut opening = '{';
        for (name, text) in labels {
            put(self.out, format_args!("{opening}{name}=\"{}\"", escaped(text)));
            opening = ',';
        }
        if opening == ',' {
            self.out.push('}');
        }
        put(self.out, format_args!(" {value}\n"));
    }
}

/// Writing to a string cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dialect: Dialect, write: impl Fn(&mut Text)) -> String {
        let mut text = Text::new(dialect);
        write(&mut text);
        text.finish()
    }

    #[test]
    fn counters_in_both_dialects() {
        let write = |text: &mut Text| {
            let mut family = text.counter("x", "Things.");
            family.add(&[("a", "1\"\\\n"), ("b", "2")], 3);
        };
        let sample = r#"x_total{a="1\"\\\n",b="2"} 3"#;
        let expect = format!("# HELP x_total Things.\n# TYPE x_total counter\n{sample}\n");
        assert_eq!(written(Dialect::Prometheus, write), expect);
        let expect = format!("# HELP x Things.\n# TYPE x counter\n{sample}\n# EOF\n");
        assert_eq!(written(Dialect::OpenMetrics, write), expect);
    }

    #[test]
    fn latencies_have_a_bucket_for_each_doubling() {
        let mut histogram = Histogram::default();
        for micros in [1, 63, 64, 1000, 200_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let text = written(Dialect::Prometheus, |text| text.histogram("x_seconds", "h").latency(&[], &histogram));
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines[0], r#"x_seconds_bucket{le="0.000064"} 2"#);
        assert_eq!(lines[1], r#"x_seconds_bucket{le="0.000128"} 3"#);
        assert_eq!(lines[lines.len() - 4], r#"x_seconds_bucket{le="134.217728"} 4"#);
        assert_eq!(lines[lines.len() - 3], r#"x_seconds_bucket{le="+Inf"} 5"#);
        assert_eq!(lines[lines.len() - 1], "x_seconds_count 5");
        let bounds = lines.iter().filter_map(|line| line.split('"').nth(1)?.parse::<f64>().ok());
        let bounds: Vec<f64> = bounds.filter(|bound| bound.is_finite()).collect();
        assert!(bounds.windows(2).all(|pair| (pair[1] / pair[0] - 2.0).abs() < 1e-9), "{bounds:?}");
    }
}

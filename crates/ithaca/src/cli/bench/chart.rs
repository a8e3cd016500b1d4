//! The growth chart: for each series its throughput, the processor time of a unit and the time of a saga, as SVG.
//!
//! What is of a unit is drawn from zero, so that a level line is one to the eye. The time of a saga is drawn over both
//! logarithms, beside a dashed line of what is in line with the work.

use std::fmt::Write;

use super::growth::{Point, Series};

const WIDTH: f64 = 280.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 64.0;
const GAP: f64 = 72.0;
const TOP: f64 = 64.0;
const ROW: f64 = 236.0;

const STYLE: &str = "text{font:11px system-ui,sans-serif;fill:#57606a}.title{font-size:14px;font-weight:600;fill:#1f2328}\
    .grid{stroke:#d8dee4}.line{fill:none;stroke:#0969da;stroke-width:2}.dot{fill:#0969da}\
    .even{fill:none;stroke:#8c959f;stroke-dasharray:4 4}";

pub fn svg(series: &[Series], caption: &str) -> String {
    let (width, height) = (LEFT + 3.0 * WIDTH + 2.0 * GAP + 24.0, TOP + ROW * series.len() as f64);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"><title>How cost grows with work</title><style>{STYLE}</style><rect width="100%" height="100%" fill="#ffffff"/>"##
    );
    text(&mut svg, "", LEFT, 24.0, "start", caption);
    for (row, one) in series.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        text(&mut svg, "title", LEFT, y, "start", one.title);
        for (column, panel) in PANELS.iter().enumerate() {
            draw(&mut svg, one, *panel, LEFT + (WIDTH + GAP) * column as f64, y + 34.0);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

#[derive(Clone, Copy, PartialEq)]
enum Panel {
    Throughput,
    Processor,
    Time,
}

const PANELS: [Panel; 3] = [Panel::Throughput, Panel::Processor, Panel::Time];

impl Panel {
    fn value(self, point: &Point) -> f64 {
        match self {
            Panel::Throughput => point.per_second,
            Panel::Processor => point.cpu_us,
            Panel::Time => point.p50_ms,
        }
    }

    fn axis(self, values: &[f64]) -> Option<Axis> {
        match self {
            Panel::Throughput | Panel::Processor => Axis::from_zero(values),
            Panel::Time => Axis::log(values),
        }
    }

    fn heading(self, series: &Series) -> String {
        match self {
            Panel::Throughput => format!("{} per second", series.unit),
            Panel::Processor => "processor time of the engine for each, µs".to_owned(),
            Panel::Time => "median time of a saga, ms".to_owned(),
        }
    }
}

/// One panel with its axes; `left` and `top` are where its area begins. Nothing without a point.
fn draw(svg: &mut String, series: &Series, panel: Panel, left: f64, top: f64) {
    let works: Vec<f64> = series.points.iter().map(|point| point.work).collect();
    let values: Vec<f64> = series.points.iter().map(|point| panel.value(point)).collect();
    let (Some(x), Some(y)) = (Axis::log(&works), panel.axis(&values)) else { return };
    text(svg, "", left, top - 10.0, "start", &panel.heading(series));
    text(svg, "", left + WIDTH, top + HEIGHT + 34.0, "end", series.work);
    let place = |work: f64, value: f64| (left + WIDTH * x.part(work), top + HEIGHT * (1.0 - y.part(value)));
    for tick in y.ticks() {
        let (_, at) = place(x.from, tick);
        let _ = write!(svg, r#"<path class="grid" d="M{left:.1} {at:.1}h{WIDTH}"/>"#);
        text(svg, "", left - 6.0, at + 4.0, "end", &short(tick));
    }
    for tick in x.ticks() {
        let (at, _) = place(tick, y.from);
        text(svg, "", at, top + HEIGHT + 16.0, "middle", &short(tick));
    }
    if let (Panel::Time, Some(last)) = (panel, series.points.last()) {
        let even = |work: f64| last.p50_ms * if series.is_in_saga { work / last.work } else { 1.0 };
        // Below the panel it is of no use.
        let from = if series.is_in_saga { x.from.max(last.work * y.from / last.p50_ms) } else { x.from };
        let ((x1, y1), (x2, y2)) = (place(from, even(from)), place(last.work, last.p50_ms));
        let _ = write!(svg, r#"<path class="even" d="M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}"/>"#);
    }
    let places: Vec<(f64, f64)> = series.points.iter().map(|point| place(point.work, panel.value(point))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    let _ = write!(svg, r#"<path class="line" d="M{}"/>"#, path.join("L"));
    for ((x, y), point) in places.iter().zip(&series.points) {
        let label = format!("{}: {}", short(point.work), short(panel.value(point)));
        let _ = write!(svg, r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="3"><title>{label}</title></circle>"#);
    }
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = write!(svg, r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#);
}

/// From where to where, and how.
struct Axis {
    from: f64,
    to: f64,
    is_log: bool,
}

impl Axis {
    /// Between powers of ten. None without a value.
    fn log(values: &[f64]) -> Option<Axis> {
        let (least, most) = (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
        let (from, to) = (10f64.powf(least.max(1e-6).log10().floor()), 10f64.powf(most.max(1e-6).log10().ceil()));
        Some(Axis { from, to: if to > from { to } else { from * 10.0 }, is_log: true })
    }

    fn from_zero(values: &[f64]) -> Option<Axis> {
        let most = values.iter().copied().reduce(f64::max)?;
        Some(Axis { from: 0.0, to: nice_above(most), is_log: false })
    }

    /// Where between 0 and 1 a value lies.
    fn part(&self, value: f64) -> f64 {
        match self.is_log {
            true => (value.max(self.from) / self.from).log10() / (self.to / self.from).log10(),
            false => (value - self.from) / (self.to - self.from),
        }
    }

    fn ticks(&self) -> Vec<f64> {
        match self.is_log {
            true => {
                (0..).map(|power| self.from * 10f64.powi(power)).take_while(|tick| *tick <= self.to * 1.01).collect()
            }
            false => (0..=4).map(|quarter| self.to * f64::from(quarter) / 4.0).collect(),
        }
    }
}

/// The next of 1, 2, 4 and 8 times a power of ten.
fn nice_above(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-6).log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0].map(|times| times * power).into_iter().find(|nice| *nice >= value).unwrap_or(value)
}

/// `250`, `1.5k`, `64k`, `2M`.
fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        value_abs if value_abs >= 1e6 => (value / 1e6, "M"),
        value_abs if value_abs >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = if scaled.abs() >= 10.0 || scaled.fract().abs() < 0.05 { 0 } else { 1 };
    match value.abs() {
        small if small > 0.0 && small < 0.95 => format!("{value:.2}").trim_end_matches('0').to_owned(),
        _ => format!("{scaled:.digits$}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes() {
        let log = Axis::log(&[3.0, 2000.0]).unwrap();
        assert_eq!((log.ticks(), log.part(1.0), log.part(100.0)), (vec![1.0, 10.0, 100.0, 1000.0, 10_000.0], 0.0, 0.5));
        let level = Axis::from_zero(&[900.0, 1500.0]).unwrap();
        assert_eq!((level.ticks(), level.part(500.0)), (vec![0.0, 500.0, 1000.0, 1500.0, 2000.0], 0.25));
        assert!(Axis::log(&[]).is_none() && Axis::from_zero(&[]).is_none());
    }

    #[test]
    fn numbers() {
        let check = |value: f64, expect: &str| assert_eq!(short(value), expect);
        check(0.0, "0");
        check(0.1, "0.1");
        check(7.25, "7.2");
        check(250.0, "250");
        check(1500.0, "1.5k");
        check(64_000.0, "64k");
        check(2e6, "2M");
    }

    #[test]
    fn a_chart_is_drawn() {
        let point = |work: f64| Point { work, per_second: 100.0, p50_ms: work / 10.0, cpu_us: 5.0 };
        let points = [1.0, 10.0, 100.0].map(point).to_vec();
        let series = Series { title: "A < B", work: "items", unit: "items", is_in_saga: true, points };
        let svg = svg(&[series], "here");
        assert!(svg.contains("A &lt; B") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 9);
    }
}

//! The result for people.

use serde_json::Value;

use super::compare;
use super::figures::{COLUMNS, Figure, OF_RUNS, OF_STARTS, OF_WAITING, shown};
use super::machine;
use crate::cli::terminal::{Tone, paint, print_line};

/// Columns that stand under a common heading, by the names of the first and the last.
const GROUPS: [(&str, &str, &str); 2] =
    [("engineCpuMs", "loadCpuMs", "processor ms a saga"), ("writtenKiB", "deviceKiB", "KiB a saga")];

const COLUMN: usize = 9;

pub fn print(result: &Value) {
    print_line!("{}", paint(Tone::Quiet, &machine::line(&result["machine"])));
    for saga in entries(&result["sagas"]) {
        print_saga(saga);
    }
    let waiting = entries(&result["waiting"]);
    if !waiting.is_empty() {
        print_waiting(waiting);
    }
}

pub fn print_comparison(before: &Value, after: &Value) {
    let (changes, compared) = compare::compare(before, after);
    print_line!("");
    print_line!("{}", paint(Tone::Strong, "Against the stored result"));
    print_line!("{}", paint(Tone::Quiet, &machine::line(&before["machine"])));
    for change in &changes {
        let tone = if change.is_better { Tone::Good } else { Tone::Bad };
        print_line!("  {}", paint(tone, &compare::line(change)));
    }
    print_line!("  {} of {compared} figures changed by more than 10 %", changes.len());
}

fn print_saga(saga: &Value) {
    let text = |member: &str| saga[member].as_str().unwrap_or("?").to_owned();
    let starts: Vec<String> =
        OF_STARTS.iter().map(|figure| format!("{} {}", figure.title, shown(&saga["figures"], figure))).collect();
    print_line!("");
    print_line!(
        "{}  {}",
        paint(Tone::Strong, &title(&text("shape"), &text("tasks"))),
        paint(Tone::Quiet, &format!("{} steps; {}", saga["stepsPerSaga"], starts.join(", ")))
    );
    print_line!("{}", paint(Tone::Quiet, &headings()));
    print_line!("{}", row("in flight", OF_RUNS[..COLUMNS].iter().map(|figure| figure.title.to_owned())));
    for run in entries(&saga["runs"]) {
        let in_flight = run["inFlight"].to_string();
        print_line!("{}", row(&in_flight, OF_RUNS[..COLUMNS].iter().map(|figure| shown(&run["figures"], figure))));
        if let Some(range) = range(&run["figures"], &OF_RUNS[0]) {
            print_line!("{}", paint(Tone::Quiet, &row("", [range].into_iter())));
        }
    }
}

fn title(shape: &str, tasks: &str) -> String {
    match tasks {
        "pass" => "Pass states".to_owned(),
        _ => format!("{shape}, tasks: {tasks}"),
    }
}

fn print_waiting(waiting: &[Value]) {
    print_line!("");
    print_line!("{}", paint(Tone::Strong, "Executions that wait"));
    print_line!("{}", row("", OF_WAITING.iter().map(|figure| figure.title.to_owned())));
    for one in waiting {
        print_line!("{} {}", one["executions"], one["for"].as_str().unwrap_or("?"));
        print_line!("{}", row("", OF_WAITING.iter().map(|figure| shown(&one["figures"], figure))));
    }
}

fn row(first: &str, others: impl Iterator<Item = String>) -> String {
    others.fold(format!("{first:>COLUMN$}"), |line, text| format!("{line} {text:>COLUMN$}"))
}

/// What is common to several columns, over the last of them.
fn headings() -> String {
    let mut line = String::new();
    for (first, last, title) in GROUPS {
        let at = |name: &str| OF_RUNS.iter().position(|figure| figure.name == name).unwrap_or(0) + 1;
        let (from, to) = (at(first) * (COLUMN + 1), (at(last) + 1) * (COLUMN + 1) - 1);
        line = format!("{line:<from$}{title:>0$}", to - from);
    }
    line
}

/// The least and the most, when there was more than one measurement.
fn range(folded: &Value, figure: &Figure) -> Option<String> {
    let of = |member: &str| folded[figure.name][member].as_f64();
    let (min, max) = (of("min")?, of("max")?);
    (min < max).then(|| format!("{min:.0}-{max:.0}"))
}

fn entries(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

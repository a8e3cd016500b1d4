//! What is printed: failures, a table by area, causes, the count.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::case::Case;
use crate::diff;
use crate::verdict::{Reason, Sides, Verdict};

/// How many cases of an area passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    pub cases: usize,
    /// The whole history, texts that are JSON by value.
    pub strict: usize,
    /// The whole history, texts letter by letter.
    pub verbatim: usize,
    /// Status, output and error name.
    pub lenient: usize,
    /// False for answers that were not AWS's.
    pub is_counted: bool,
}

pub struct Report {
    entries: Vec<Entry>,
}

struct Entry {
    place: String,
    area: String,
    is_counted: bool,
    verdict: Verdict,
}

impl Report {
    pub(crate) fn new(verdicts: Vec<(&Case, Verdict)>) -> Report {
        let entry = |(case, verdict): (&Case, Verdict)| Entry {
            place: case.place.clone(),
            area: case.area.clone(),
            is_counted: case.is_counted(),
            verdict,
        };
        let mut entries: Vec<Entry> = verdicts.into_iter().map(entry).collect();
        entries.sort_by(|a, b| a.place.cmp(&b.place));
        Report { entries }
    }

    pub fn by_area(&self) -> BTreeMap<String, Score> {
        let mut areas: BTreeMap<String, Score> = BTreeMap::new();
        for entry in &self.entries {
            let score = areas.entry(entry.area.clone()).or_default();
            score.is_counted |= entry.is_counted;
            score.add(&entry.verdict);
        }
        areas
    }

    /// All cases that count.
    pub fn total(&self) -> Score {
        let mut total = Score { is_counted: true, ..Score::default() };
        self.entries.iter().filter(|entry| entry.is_counted).for_each(|entry| total.add(&entry.verdict));
        total
    }

    /// The cases that count and do not pass strictly, in the order of their names.
    pub fn failed(&self) -> Vec<&str> {
        let failed = self.entries.iter().filter(|entry| entry.is_counted && entry.verdict.strict.is_err());
        failed.map(|entry| entry.place.as_str()).collect()
    }

    /// How many cases that count failed for the same cause; the most frequent first.
    pub fn causes(&self) -> Vec<(usize, String)> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in self.entries.iter().filter(|entry| entry.is_counted).filter_map(Entry::failure) {
            *counts.entry(&reason.cause).or_default() += 1;
        }
        let mut causes: Vec<_> = counts.into_iter().map(|(cause, count)| (count, cause.to_owned())).collect();
        causes.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        causes
    }

    /// `fails`: not even the outcome agrees. `differs`: the outcome does. `spells`: all does, but for the letters of
    /// texts that say the same; that is no failure.
    pub fn text(&self, with_diff: bool) -> String {
        let mut text = String::new();
        self.write(&mut text, with_diff).expect("writing to a string does not fail");
        text
    }

    fn write(&self, out: &mut String, with_diff: bool) -> std::fmt::Result {
        for entry in &self.entries {
            let Some((word, reason)) = entry.finding() else { continue };
            writeln!(out, "{word:<9}{}\n         {}", entry.place, reason.text)?;
            if with_diff {
                entry.verdict.sides.iter().try_for_each(|sides| write_sides(out, sides))?;
            }
        }
        writeln!(out, "\n{:<22}{:>7}{:>8}{:>10}{:>9}", "area", "cases", "strict", "verbatim", "lenient")?;
        for (area, score) in self.by_area() {
            let note = if score.is_counted { "" } else { "  not counted" };
            writeln!(out, "{area:<22}{}{note}", score.columns())?;
        }
        let total = self.total();
        writeln!(out, "{:<22}{}\n", "all", total.columns())?;
        for (count, cause) in self.causes() {
            writeln!(out, "{count:>5}  {cause}")?;
        }
        writeln!(out, "\n{} passed, {} failed", total.strict, total.cases - total.strict)
    }
}

fn write_sides(out: &mut String, sides: &Sides) -> std::fmt::Result {
    let lines = diff::lines(&sides.recorded, &sides.found);
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "         {}: - recorded, + found", sides.title)?;
    lines.iter().try_for_each(|line| writeln!(out, "           {line}"))
}

impl Entry {
    fn failure(&self) -> Option<&Reason> {
        self.verdict.strict.as_ref().err()
    }

    /// How far the case got, and why no further.
    fn finding(&self) -> Option<(&'static str, &Reason)> {
        let Verdict { strict, verbatim, lenient, .. } = &self.verdict;
        let word = match (lenient, strict) {
            (Err(_), _) => "fails",
            (Ok(()), Err(_)) => "differs",
            (Ok(()), Ok(())) => "spells",
        };
        strict.as_ref().err().or(verbatim.as_ref().err()).map(|reason| (word, reason))
    }
}

impl Score {
    fn add(&mut self, verdict: &Verdict) {
        self.cases += 1;
        self.strict += usize::from(verdict.strict.is_ok());
        self.verbatim += usize::from(verdict.verbatim.is_ok());
        self.lenient += usize::from(verdict.lenient.is_ok());
    }

    fn columns(&self) -> String {
        format!("{:>7}{:>8}{:>10}{:>9}", self.cases, self.strict, self.verbatim, self.lenient)
    }
}

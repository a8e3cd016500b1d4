//! When an execution was where: a bar for each visit, with its attempts and waits.
//!
//! Iterations of a Map are not listed one by one, unless one is chosen: ten thousand bars tell nobody anything.

use maud::{Markup, html};

use super::state;
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::execution::Seen;
use crate::story::{End, Tale, Visit};
use crate::ui;

/// Bars on one page.
const BARS: usize = 100;

/// The width of the scale in units of the drawing.
const SCALE: f64 = 1000.0;

pub fn address(ask: &Ask, execution: &str) -> String {
    let from = ask.query("from").map(|from| format!("?from={}", ui::part(from)));
    from.map_or_else(|| execution.to_owned(), |from| format!("{execution}{from}"))
}

/// From when to when, in milliseconds since 1970.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
}

impl Span {
    fn place(self, at: i64) -> f64 {
        let length = (self.end - self.start).max(1) as f64;
        ((at - self.start) as f64 / length * SCALE).clamp(0.0, SCALE)
    }
}

pub fn timeline(ask: &Ask, seen: &Seen) -> Result<Markup, Trouble> {
    let base = super::execution::address(seen);
    let row = &seen.about.row;
    let now = engine::now().0;
    let end = row.stopped_at.map_or(now, |at| at.0).max(row.started_at.0 + 1);
    let span = Span { start: row.started_at.0, end };
    let from = ask.query_number("from").unwrap_or(0) as usize;
    let (rows, total) = seen.with(|tale| {
        // Visits inside a Map are told by its counts.
        let shown: Vec<usize> = (0..tale.visits.len()).filter(|index| !is_in_map(tale, *index)).collect();
        let rows: Vec<Markup> = shown
            .iter()
            .skip(from)
            .take(BARS)
            .map(|index| bar(&tale.visits[*index], *index, span, now, seen, &base))
            .collect();
        (rows, shown.len())
    });
    let count = format!("{}, {}", ui::plural(total as u64, "visit", "visits"), ui::duration(end - span.start));
    Ok(ui::section(
        "timeline",
        "Timeline",
        Some(count),
        html! {
            @if rows.is_empty() {
                (ui::empty("Nothing has happened yet", html! { p { "Bars appear as states are entered." } }))
            } @else {
                ol.timeline { @for row in &rows { (row) } }
                (scale(span))
            }
            @if total > BARS { (pager(&base, from, total)) }
        },
    ))
}

fn is_in_map(tale: &Tale, index: usize) -> bool {
    let around = std::iter::successors(Some(index), |index| tale.visits[*index].inside);
    around.into_iter().any(|index| tale.visits[index].iteration.is_some())
}

fn bar(visit: &Visit, index: usize, span: Span, now: i64, seen: &Seen, base: &str) -> Markup {
    let items = seen.items_of(visit).map(|(done, total, _)| (done, total));
    let left = visit.left.unwrap_or(now);
    let class = match (visit.end, &visit.compensates) {
        (End::Running, _) => "in-progress",
        (End::Done, Some(_)) => "compensated",
        (End::Done, None) => "succeeded",
        (End::Caught, _) => "caught",
        (End::Failed, _) => "failed",
        (End::Aborted, _) => "cancelled",
    };
    let (x, right) = (span.place(visit.entered), span.place(left));
    let took = if visit.left.is_some() {
        ui::duration(left - visit.entered)
    } else {
        "so far ".to_owned() + &ui::duration(left - visit.entered)
    };
    let href = state::address(base, Some(&visit.name), Some(&index.to_string())) + "#state";
    html! {
        li class=(class) data-visit=(visit.name) {
            a class={ "name depth" (visit.depth.min(6)) } href=(href) data-choose=(visit.name) data-visit=(index) {
                (visit.name)
                @if let Some(of) = &visit.compensates { span.quiet { " compensates " (of) } }
            }
            svg.bar viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true" {
                rect.stay x=(format!("{x:.1}")) y="7" width=(format!("{:.1}", (right - x).max(2.0))) height="6" {}
                @for attempt in &visit.attempts {
                    @let (from, to) = (span.place(attempt.scheduled), span.place(attempt.ended.or(visit.left).unwrap_or(now)));
                    rect.attempt.broken[attempt.failure.is_some()] x=(format!("{from:.1}")) y="3" width=(format!("{:.1}", (to - from).max(2.0))) height="14" rx="2" {}
                }
            }
            span.took {
                (took)
                @if visit.attempts.len() > 1 { span.quiet { " · " (visit.attempts.len()) " attempts" } }
                @if let Some((done, total)) = items { span.quiet { " · " (ui::number(done)) " of " (ui::plural(total, "item", "items")) } }
            }
        }
    }
}

fn scale(span: Span) -> Markup {
    let length = span.end - span.start;
    html! {
        p.scale aria-hidden="true" {
            @for quarter in 0..=4 { span { (ui::duration(length * quarter / 4)) } }
        }
    }
}

fn pager(base: &str, from: usize, total: usize) -> Markup {
    html! {
        nav.pager aria-label="Pages of the timeline" {
            @if from > 0 { a.button.quiet href={ (base) "?from=" (from.saturating_sub(BARS)) "#timeline" } { "Earlier" } }
            span { (ui::number(from as u64 + 1)) " to " (ui::number((from + BARS).min(total) as u64)) " of " (ui::number(total as u64)) }
            @if from + BARS < total { a.button.quiet href={ (base) "?from=" (from + BARS) "#timeline" } { "Later" } }
        }
    }
}

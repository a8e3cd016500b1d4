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
    let given = ["from", "map", "iteration"].iter();
    let query: Vec<String> = given.filter_map(|name| Some(format!("{name}={}", ui::part(ask.query(name)?)))).collect();
    if query.is_empty() { execution.to_owned() } else { format!("{execution}?{}", query.join("&")) }
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
    let chosen = chosen(ask);
    let (rows, total) = seen.with(|tale| {
        // Visits inside a Map are told by its counts, but for the iteration that is chosen.
        let is_shown = |index: &usize| match iterations_around(tale, *index).as_slice() {
            [] => true,
            [only] => Some(*only) == chosen,
            _ => false,
        };
        let shown: Vec<usize> = (0..tale.visits.len()).filter(is_shown).collect();
        let rows: Vec<Markup> = shown
            .iter()
            .skip(from)
            .take(BARS)
            .map(|index| bar(&tale.visits[*index], *index, span, now, seen, chosen, &base))
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

/// The visit of a Map, and one of its iterations.
type Iteration = (usize, u32);

fn chosen(ask: &Ask) -> Option<Iteration> {
    let (map, iteration) = (ask.query_number("map")?, ask.query_number("iteration")?);
    Some((usize::try_from(map).ok()?, u32::try_from(iteration).ok()?))
}

/// The iterations that a visit is in, from the inside out.
fn iterations_around(tale: &Tale, index: usize) -> Vec<Iteration> {
    let around = std::iter::successors(Some(index), |index| tale.visits[*index].inside);
    around.filter_map(|index| Some((tale.visits[index].inside?, tale.visits[index].iteration?))).collect()
}

/// One iteration of a Map to be listed: any, or one of those that failed.
fn pick(visit: &Visit, index: usize, chosen: Option<Iteration>, base: &str) -> Markup {
    let first = visit.failed_items.first().copied().unwrap_or(0);
    let shown = chosen.filter(|(map, _)| *map == index).map_or(first, |(_, iteration)| iteration);
    let Some(items) = visit.items.filter(|items| items.begun > 0) else { return html! {} };
    let id = format!("iteration-{index}");
    html! {
        li.pick {
            form.inline method="get" action={ (base) "#timeline" } {
                input type="hidden" name="map" value=(index);
                label for=(id) { "Iteration of " (visit.name) }
                input #(id) type="number" name="iteration" min="0" max=(items.total.saturating_sub(1)) value=(shown);
                button.quiet type="submit" { "Show" }
            }
            @if !visit.failed_items.is_empty() {
                span.quiet { "failed: " @for item in &visit.failed_items { a href={ (base) "?map=" (index) "&iteration=" (item) "#timeline" } { (item) } " " } }
            }
        }
    }
}

fn bar(
    visit: &Visit,
    index: usize,
    span: Span,
    now: i64,
    seen: &Seen,
    chosen: Option<Iteration>,
    base: &str,
) -> Markup {
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
    let pick = if visit.map_run.is_none() && visit.iteration.is_none() {
        pick(visit, index, chosen, base)
    } else {
        html! {}
    };
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
        (pick)
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

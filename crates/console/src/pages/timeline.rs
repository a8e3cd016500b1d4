//! When an execution was where: a bar for each visit, with its attempts and waits.
//!
//! Iterations of a Map are not listed one by one, unless one is chosen: ten thousand bars tell nobody anything.

use interpreter::Timestamp;
use maud::{Markup, html};

use super::state;
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::execution::Seen;
use crate::story::{End, Tale, Visit, join};
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

/// What the scale shows: the time in which the execution ran, without the pauses before its redrives.
#[derive(Clone, Copy)]
struct Span<'a> {
    tale: &'a Tale,
    /// Milliseconds since 1970.
    start: i64,
    /// Milliseconds of work.
    length: i64,
    now: i64,
}

impl Span<'_> {
    fn of(tale: &Tale, start: i64, stopped: Option<i64>, now: i64) -> Span<'_> {
        let length = tale.worked(start, stopped.unwrap_or(now)).max(1);
        Span { tale, start, length, now }
    }

    fn place(self, at: i64) -> f64 {
        (self.tale.worked(self.start, at) as f64 / self.length as f64 * SCALE).clamp(0.0, SCALE)
    }
}

/// Seconds until the drawing of a running execution has grown enough to be drawn anew. A bar of a thousand units shows
/// no less than a thousandth; a minute is as long as anybody should look at an old one.
fn pace(length: i64) -> i64 {
    (length / SCALE as i64 / 1000).clamp(1, 60)
}

pub fn timeline(ask: &Ask, seen: &Seen) -> Result<Markup, Trouble> {
    let base = super::execution::address(seen);
    let row = &seen.about.row;
    let now = engine::now().0;
    let stopped = row.stopped_at.map(|at| at.0);
    let from = ask.query_number("from").unwrap_or(0) as usize;
    let chosen = chosen(ask);
    let (rows, total, length, notes) = seen.with(|tale| {
        // Visits inside a Map are told by its counts, but for the iteration that is chosen.
        let is_shown = |index: &usize| match iterations_around(tale, *index).as_slice() {
            [] => true,
            [only] => Some(*only) == chosen,
            _ => false,
        };
        let shown: Vec<usize> = (0..tale.visits.len()).filter(is_shown).collect();
        let span = Span::of(tale, row.started_at.0, stopped, now);
        let rows: Vec<Markup> = shown
            .iter()
            .skip(from)
            .take(BARS)
            .map(|index| bar(&tale.visits[*index], *index, span, seen, chosen, &base))
            .collect();
        (rows, shown.len(), span.length, pauses(tale))
    });
    let count = format!("{}, {}", ui::plural(total as u64, "visit", "visits"), ui::duration(length));
    let ticks = stopped.is_none().then(|| pace(length));
    Ok(ui::section(
        "timeline",
        "Timeline",
        Some(count),
        html! {
            @if rows.is_empty() {
                (ui::empty("Nothing has happened yet", html! { p { "Bars appear as states are entered." } }))
            } @else {
                ol.timeline data-ticks=[ticks] { @for row in &rows { (row) } }
                (scale(length))
                (notes)
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

fn bar(visit: &Visit, index: usize, span: Span<'_>, seen: &Seen, chosen: Option<Iteration>, base: &str) -> Markup {
    let items = seen.items_of(visit).map(|(done, total, _)| (done, total));
    let left = visit.left.unwrap_or(span.now);
    let worked = span.tale.worked(visit.entered, left);
    let class = match (visit.end, &visit.compensates) {
        (End::Running, _) => "in-progress",
        (End::Done, Some(_)) => "compensated",
        (End::Done, None) => "succeeded",
        (End::Caught, _) => "caught",
        (End::Failed, _) => "failed",
        (End::Aborted, _) => "cancelled",
    };
    let (x, right) = (span.place(visit.entered), span.place(left));
    let took = match visit.left {
        Some(_) => html! { (ui::duration(worked)) },
        None => html! { "so far " (ui::running_since(Timestamp(span.now - worked))) },
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
                    @let (from, to) = (span.place(attempt.scheduled), span.place(attempt.ended.or(attempt.given_up).unwrap_or(left)));
                    rect.attempt.broken[attempt.failure.is_some()] x=(format!("{from:.1}")) y="3" width=(format!("{:.1}", (to - from).max(2.0))) height="14" rx="2" {}
                }
                @for (_, redriven) in &span.tale.pauses {
                    rect.pause x=(format!("{:.1}", span.place(*redriven))) y="0" width="2" height="20" {}
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

/// Says what the marks in the bars are.
fn pauses(tale: &Tale) -> Markup {
    if tale.pauses.is_empty() {
        return html! {};
    }
    let long: Vec<String> = tale.pauses.iter().map(|(end, redriven)| ui::duration(redriven - end)).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let line = if long.len() == 1 { "The upright line is a redrive" } else { "Each upright line is a redrive" };
    html! { p.quiet data-pauses=(long.len()) { (line) "; the pause before it, " (join(&long)) ", is left out." } }
}

fn scale(length: i64) -> Markup {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{Event, What};

    fn redriven() -> Tale {
        let events = [(1_000, What::Other), (3_000, What::Over(crate::story::Over::Failed)), (60_000, What::Redriven)];
        let mut tale = Tale::default();
        for ((at, what), id) in events.into_iter().zip(1..) {
            tale.tell(&Event { id, previous: id - 1, at, what });
        }
        tale
    }

    #[test]
    fn the_scale_leaves_pauses_out() {
        let tale = redriven();
        let check = |stopped, now, at, place: f64| {
            let span = Span::of(&tale, 1_000, stopped, now);
            assert_eq!(span.place(at), place, "{at} of {stopped:?} at {now}");
        };
        // Two seconds before the pause, two after it.
        check(Some(62_000), 99_000, 3_000, 500.0);
        check(Some(62_000), 99_000, 60_000, 500.0);
        check(Some(62_000), 99_000, 61_000, 750.0);
        check(None, 62_000, 61_000, 750.0);
        // What still runs grows.
        check(None, 68_000, 61_000, 300.0);
        assert!(pauses(&tale).into_string().contains("57"), "{}", pauses(&tale).into_string());
        assert_eq!(pauses(&Tale::default()).into_string(), "");
    }

    #[test]
    fn a_drawing_is_drawn_anew_when_it_has_grown() {
        for (length, seconds) in [(1, 1), (5_000, 1), (10_000_000, 10), (i64::MAX, 60)] {
            assert_eq!(pace(length), seconds, "{length}");
        }
    }
}

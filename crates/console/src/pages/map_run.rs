//! A Map Run: how far it is, and its executions, which are found nowhere else.

use engine::{Counts, ExecutionStatus, MapRunRow, MapRunStatus};
use maud::{Markup, html};

use super::{Section, machine};
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::layout::Page;
use crate::ui;

/// Executions on one page.
const PAGE: usize = 50;

pub fn page(ask: &Ask) -> Outcome {
    let arn = ask.name(0);
    let found = ask.console.reader.map_run(arn)?;
    let (key, row) = found.ok_or_else(|| {
        Trouble::not_found("There is no such Map Run", arn).next("/console/machines", "See all state machines")
    })?;
    let status = ask.query("status").and_then(ExecutionStatus::parse);
    let from = ask.query_number("from").and_then(|from| u32::try_from(from).ok()).unwrap_or(0);
    let (executions, next) = ask.console.reader.map_run_executions(key, status, from, PAGE)?;
    let address = ui::path(&["map-runs", arn]);
    let rows = html! {
        @for summary in &executions {
            tr {
                td { a href=(ui::path(&["executions", &summary.execution_arn])) { (summary.row.name) } }
                td { (ui::status(summary.row.status)) }
                td { (ui::moment(summary.row.started_at)) }
                td.number { (machine::took(&summary.row)) }
            }
        }
    };
    let query = ask.query("status").map(|status| format!("status={}&", ui::part(status))).unwrap_or_default();
    let part = html! {
        (head(&row))
        (ui::section("executions", "Executions", Some(ui::number(row.executions.total)), html! {
            nav.filter aria-label="Executions by status" {
                a href=(address) aria-current=[status.is_none().then_some("true")] { "All" }
                @for known in ExecutionStatus::ALL {
                    a href={ (address) "?status=" (known.name()) } aria-current=[(status == Some(known)).then_some("true")] {
                        (ui::status_words(known).1) " " span.count { (ui::number(count(&row.executions, known))) }
                    }
                }
            }
            @if executions.is_empty() {
                (ui::empty("No execution is here", html! { p { "Choose another status above, or wait: executions begin as there is room." } }))
            } @else {
                (ui::table("Executions", &["Name", "Status", "Started", "Duration"], rows))
            }
            nav.pager aria-label="Pages of executions" {
                @if from > 0 { a.button.quiet href={ (address) "?" (query.trim_end_matches('&')) } { "First" } }
                @if let Some(next) = next { a.button.quiet rel="next" href={ (address) "?" (query) "from=" (next) } { "Next" } }
            }
        }))
    };
    if ask.part().is_some() {
        return Ok(Answer::Part(part));
    }
    let query = format!("{address}?{query}from={from}");
    let name = arn.rsplit(':').next().unwrap_or(arn);
    let body = html! {
        header.title { h1 { "Map Run " (name) } p.facts { "of " (row.state) (ui::copy("Copy ARN", arn)) } }
        (ui::live("run", &query, &part))
    };
    let page = Page::new(Section::Machines, format!("Map Run {name}"), body)
        .crumb("/console/machines", "State machines")
        .crumb(ui::path(&["executions", &row.execution_arn]), ui::name_of(&row.execution_arn))
        .stream("/console/live");
    Ok(Answer::Page(page))
}

fn count(counts: &Counts, status: ExecutionStatus) -> u64 {
    match status {
        ExecutionStatus::Running => counts.running,
        ExecutionStatus::Succeeded => counts.succeeded,
        ExecutionStatus::Failed => counts.failed,
        ExecutionStatus::TimedOut => counts.timed_out,
        ExecutionStatus::Aborted => counts.aborted,
    }
}

pub fn pill(status: MapRunStatus) -> Markup {
    match status {
        MapRunStatus::Running => ui::pill("in-progress", "Running"),
        MapRunStatus::Succeeded => ui::pill("succeeded", "Succeeded"),
        MapRunStatus::Failed => ui::pill("failed", "Failed"),
        MapRunStatus::Aborted => ui::pill("cancelled", "Stopped"),
    }
}

fn head(row: &MapRunRow) -> Markup {
    let items = &row.items;
    html! {
        section aria-label="Progress" {
            p.facts {
                (pill(row.status))
                span { "started " (ui::moment(row.started_at)) }
                @match row.stopped_at {
                    Some(stopped_at) => span { "took " (ui::duration(stopped_at.0 - row.started_at.0)) },
                    None => span { "running for " (ui::running_since(row.started_at)) },
                }
                @if !row.is_read { span { "items are still being read" } }
            }
            (progress(items))
        }
    }
}

/// Counts of items, and a bar of them.
pub fn progress(items: &Counts) -> Markup {
    let parts = [
        ("succeeded", "succeeded", items.succeeded),
        ("failed", "failed", items.failed + items.timed_out),
        ("cancelled", "stopped", items.aborted),
        ("in-progress", "running", items.running),
        ("none", "waiting", items.pending() + items.pending_redrive),
    ];
    // One that failed among ten thousand is to be seen.
    let shares = parts.map(|(.., count)| if count > 0 { (count as f64).max(items.total as f64 / 200.0) } else { 0.0 });
    let all = shares.iter().sum::<f64>().max(1.0);
    let widths = shares.map(|share| share / all * 1000.0);
    let bars = parts
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(at, ((class, ..), width))| (*class, widths[..at].iter().sum::<f64>(), width));
    html! {
        svg.bar.whole viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true" {
            @for (class, x, width) in bars {
                g class=(class) { rect.attempt x=(format!("{x:.1}")) y="3" width=(format!("{width:.1}")) height="14" {} }
            }
        }
        p.facts {
            span { strong { (ui::plural(items.total, "item", "items")) } }
            @for (class, words, count) in parts {
                @if count > 0 { span { span class={ "dot " (class) } {} (ui::number(count)) " " (words) } }
            }
        }
    }
}

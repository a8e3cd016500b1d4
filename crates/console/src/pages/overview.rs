//! The first page: how it stands, what waits longest, what happened last.

use engine::{ExecutionStatus, Summary};
use maud::{Markup, html};

use super::Section;
use super::machines::{Counted, count_all};
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::console::Console;
use crate::layout::Page;
use crate::pulse::{Ends, MINUTES};
use crate::ui;

/// Executions in each of the short lists.
const LISTED: usize = 10;

/// Something runs for this long before it is said to wait.
const LONG_MS: i64 = 10_000;

pub fn page(ask: &Ask) -> Outcome {
    let body = html! {
        h1 { "Overview" }
        (ui::live("overview", "/console", &overview(ask)?))
    };
    if ask.part().is_some() {
        return Ok(Answer::Part(overview(ask)?));
    }
    Ok(Answer::Page(Page::new(Section::Overview, "Overview", body).stream("/console/live")))
}

fn overview(ask: &Ask) -> Result<Markup, Trouble> {
    let console = &ask.console;
    let counted = count_all(console)?;
    if counted.machines.is_empty() {
        return Ok(ui::empty(
            "Nothing is deployed yet",
            html! {
                p { "Deploy a SAM or CloudFormation template, and its state machines stand here:" }
                (ui::command("ithaca up PATH-OF-A-TEMPLATE"))
                p { "Or create one with any AWS client:" }
                (ui::command(&format!("aws stepfunctions create-state-machine --endpoint-url {} --name hello --role-arn arn:aws:iam::000000000000:role/any --definition file://hello.asl.json", console.endpoint)))
            },
        ));
    }
    let longest = longest(console, &counted)?;
    let newest = newest(console, &counted)?;
    Ok(html! {
        (cards(&counted))
        (hour(console))
        div.columns {
            (ui::section("longest", "Waiting longest", Some(format!("{} of {}", longest.len(), counted.words(ExecutionStatus::Running))), waiting(&longest)))
            (ui::section("machines", "State machines", Some(ui::number(counted.machines.len() as u64)), super::machines::short_table(&counted)))
        }
        (ui::section("newest", "Newest executions", Some(format!("the last {}", newest.len())), list(ask, &newest)))
    })
}

fn cards(counted: &Counted) -> Markup {
    html! {
        ul.cards aria-label="Executions by status" {
            @for status in ExecutionStatus::ALL {
                @let (class, words) = ui::status_words(status);
                li class={ "card " (class) } data-count=(status.name()) {
                    span.label { (words) }
                    strong { (counted.words(status)) }
                }
            }
        }
    }
}

/// The height of the drawing in its own units.
const HEIGHT: f64 = 100.0;

/// Class, words, and how many of a minute.
type KindOfEnd = (&'static str, &'static str, fn(&Ends) -> u32);

/// From the bottom of a bar to its top.
const KINDS: [KindOfEnd; 4] = [
    ("succeeded", "succeeded", |ends| ends.succeeded),
    ("compensated", "failed and compensated", |ends| ends.compensated),
    ("failed", "failed", |ends| ends.failed),
    ("cancelled", "stopped", |ends| ends.stopped),
];

/// Those that compensated have failed too, so beside them the failed are the others.
fn legend(words: &'static str, compensated: u64) -> &'static str {
    if words == "failed" && compensated > 0 { "otherwise failed" } else { words }
}

/// How executions ended, a bar for each minute of the last hour.
fn hour(console: &Console) -> Markup {
    let minutes = console.pulse.look(console);
    let most = minutes.iter().map(Ends::total).max().unwrap_or(0);
    let sum = |of: fn(&Ends) -> u32| minutes.iter().map(|ends| u64::from(of(ends))).sum::<u64>();
    let total: u64 = minutes.iter().map(|ends| u64::from(ends.total())).sum();
    let words = format!("{} in the last hour", ui::plural(total, "execution", "executions"));
    let scale = HEIGHT / f64::from(most.max(1));
    ui::section(
        "hour",
        "Ended",
        Some(words),
        html! {
            @if total == 0 {
                p.quiet { "Nothing has ended in the last hour. Each minute will be a bar here." }
            } @else {
                svg.chart viewBox={ "0 0 " (MINUTES * 10) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label={ "Executions that ended, by minute; at most " (most) " in one" } {
                    @for (at, ends) in minutes.iter().enumerate() {
                        @let heights = KINDS.map(|(_, _, of)| f64::from(of(ends)) * scale);
                        @for (kind, (class, _, _)) in KINDS.iter().enumerate() {
                            @if heights[kind] > 0.0 {
                                @let below: f64 = heights[..kind].iter().sum();
                                g class=(class) {
                                    rect.attempt x=(at * 10 + 1) width="8" y=(format!("{:.1}", HEIGHT - below - heights[kind])) height=(format!("{:.1}", heights[kind])) {
                                        title { (ui::plural(ends.total().into(), "execution", "executions")) ", " (MINUTES - 1 - at) " min ago" }
                                    }
                                }
                            }
                        }
                    }
                }
                p.scale.plain aria-hidden="true" { span { "60 min ago" } span { "30 min ago" } span { "now" } }
                p.facts {
                    @for (class, words, of) in KINDS { span data-ended=(class) { span class={ "dot " (class) } {} (ui::number(sum(of))) " " (legend(words, sum(|ends| ends.compensated))) } }
                    span { "at most " (ui::number(most.into())) " a minute" }
                }
            }
        },
    )
}

/// Running for long, the longest first.
fn longest(console: &Console, counted: &Counted) -> Result<Vec<Summary>, Trouble> {
    let mut found = Vec::new();
    for machine in counted.with(ExecutionStatus::Running) {
        found.extend(console.reader.oldest(machine, ExecutionStatus::Running, LISTED)?);
    }
    let now = engine::now().0;
    found.retain(|summary| now - summary.row.started_at.0 >= LONG_MS);
    found.sort_by_key(|summary| summary.id);
    found.truncate(LISTED);
    Ok(found)
}

fn newest(console: &Console, counted: &Counted) -> Result<Vec<Summary>, Trouble> {
    let mut found = Vec::new();
    for (machine, _) in counted.machines.iter().filter(|(_, counts)| counts.iter().any(|(count, _)| *count > 0)) {
        found.extend(console.reader.list(machine.number, &Default::default(), None, LISTED)?.executions);
    }
    found.sort_by_key(|summary| std::cmp::Reverse(summary.id));
    found.truncate(LISTED);
    Ok(found)
}

fn waiting(longest: &[Summary]) -> Markup {
    if longest.is_empty() {
        return ui::empty(
            "Nothing waits",
            html! { p { "An execution that runs for more than " (LONG_MS / 1000) " s is shown here." } },
        );
    }
    let rows = html! {
        @for summary in longest {
            tr {
                td { a href=(ui::path(&["executions", &summary.execution_arn])) { (summary.row.name) } }
                td { (ui::name_of(&summary.row.machine_arn)) }
                td.number { (ui::running_since(summary.row.started_at)) }
            }
        }
    };
    ui::table("Waiting longest", &["Execution", "State machine", "Running for"], rows)
}

/// Executions of any machine.
fn list(ask: &Ask, executions: &[Summary]) -> Markup {
    if executions.is_empty() {
        return ui::empty(
            "Nothing was started yet",
            html! { p { "Choose a state machine above and start an execution, or:" } (ui::command("ithaca start MACHINE")) },
        );
    }
    let rows = html! {
        @for summary in executions {
            tr {
                td { a href=(ui::path(&["executions", &summary.execution_arn])) { (summary.row.name) } }
                td { (ui::status(summary.row.status)) (ui::aftermath(super::machine::aftermath(ask, summary))) }
                td { a href=(ui::path(&["machines", &summary.row.machine_arn])) { (ui::name_of(&summary.row.machine_arn)) } }
                td { (ui::moment(summary.row.started_at)) }
                td.number { (super::machine::took(&summary.row)) }
            }
        }
    };
    ui::table("Newest executions", &["Execution", "Status", "State machine", "Started", "Duration"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card counts all that failed: no kind of end may seem to be all of them when it is not.
    #[test]
    fn the_compensated_are_among_the_failed() {
        let check = |compensated, expect: [&str; 4]| {
            assert_eq!(KINDS.map(|(_, words, _)| legend(words, compensated)), expect);
        };
        check(4, ["succeeded", "failed and compensated", "otherwise failed", "stopped"]);
        check(0, ["succeeded", "failed and compensated", "failed", "stopped"]);
    }
}

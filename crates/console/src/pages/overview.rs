//! The first page: how it stands, what waits longest, what happened last.

use engine::{ExecutionStatus, Summary};
use maud::{Markup, html};

use super::Section;
use super::machines::{Counted, count_all};
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::console::Console;
use crate::layout::Page;
use crate::ui;

/// Executions in each of the short lists.
const LISTED: usize = 10;

/// Something runs for this long before it is said to wait.
const LONG_MS: i64 = 10_000;

pub fn page(ask: &Ask) -> Outcome {
    let body = html! {
        h1 { "Overview" }
        (ui::live("overview", "/console", &overview(&ask.console)?))
    };
    if ask.part().is_some() {
        return Ok(Answer::Part(overview(&ask.console)?));
    }
    Ok(Answer::Page(Page::new(Section::Overview, "Overview", body).stream("/console/live")))
}

fn overview(console: &Console) -> Result<Markup, Trouble> {
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
        div.columns {
            (ui::section("longest", "Waiting longest", Some(format!("{} of {}", longest.len(), counted.words(ExecutionStatus::Running))), waiting(&longest)))
            (ui::section("machines", "State machines", Some(ui::number(counted.machines.len() as u64)), super::machines::table(&counted)))
        }
        (ui::section("newest", "Newest executions", Some(format!("the last {}", newest.len())), list(&newest)))
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
fn list(executions: &[Summary]) -> Markup {
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
                td { (ui::status(summary.row.status)) }
                td { a href=(ui::path(&["machines", &summary.row.machine_arn])) { (ui::name_of(&summary.row.machine_arn)) } }
                td { (ui::moment(summary.row.started_at)) }
                td.number { (super::machine::took(&summary.row)) }
            }
        }
    };
    ui::table("Newest executions", &["Execution", "Status", "State machine", "Started", "Duration"], rows)
}

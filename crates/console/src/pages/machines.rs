//! All state machines, with how their executions stand.

use std::sync::Arc;

use engine::{ExecutionStatus, Machine};
use maud::{Markup, html};

use super::Section;
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::console::Console;
use crate::layout::Page;
use crate::ui;

/// Executions of one status and machine are counted up to here: no page reads millions of keys to show a number.
pub const COUNTED_MAX: usize = 10_000;

/// Machines on one page. There may be ten thousand.
const MACHINES_MAX: usize = 500;

/// Executions by status, in the order of [`ExecutionStatus::ALL`]: the count, and whether there are more.
pub type Counts = [(u64, bool); 5];

/// Machines with their executions counted.
pub struct Counted {
    pub machines: Vec<(Arc<Machine>, Counts)>,
    /// Machines that are not shown.
    pub left_out: usize,
}

impl Counted {
    pub fn words(&self, status: ExecutionStatus) -> String {
        let of = self.machines.iter().map(|(_, counts)| counts[place(status)]);
        let (sum, is_more) = of.fold((0, false), |(sum, more), (count, is_more)| (sum + count, more || is_more));
        ui::at_least(sum, is_more)
    }

    /// Numbers of machines that have executions of this status.
    pub fn with(&self, status: ExecutionStatus) -> impl Iterator<Item = u32> {
        let has = move |counts: &Counts| counts[place(status)].0 > 0;
        self.machines.iter().filter(move |(_, counts)| has(counts)).map(|(machine, _)| machine.number)
    }
}

fn place(status: ExecutionStatus) -> usize {
    ExecutionStatus::ALL.iter().position(|known| *known == status).expect("INVARIANT: ALL holds every status")
}

pub fn count_all(console: &Console) -> Result<Counted, Trouble> {
    let mut machines = console.reader.machines().list();
    let left_out = machines.len().saturating_sub(MACHINES_MAX);
    machines.truncate(MACHINES_MAX);
    let counted = machines.into_iter().map(|machine| {
        let counts = counts(console, machine.number)?;
        Ok((machine, counts))
    });
    Ok(Counted { machines: counted.collect::<Result<_, engine::Error>>()?, left_out })
}

pub fn counts(console: &Console, machine: u32) -> Result<Counts, engine::Error> {
    let mut counts = [(0, false); 5];
    for (count, status) in counts.iter_mut().zip(ExecutionStatus::ALL) {
        let found = console.reader.count(machine, status, COUNTED_MAX + 1)?;
        *count = (found.min(COUNTED_MAX) as u64, found > COUNTED_MAX);
    }
    Ok(counts)
}

pub fn page(ask: &Ask) -> Outcome {
    let counted = count_all(&ask.console)?;
    let part = match counted.machines.is_empty() {
        true => ui::empty(
            "There is no state machine yet",
            html! { p { "Deploy a template:" } (ui::command("ithaca up PATH-OF-A-TEMPLATE")) },
        ),
        false => table(&counted),
    };
    if ask.part().is_some() {
        return Ok(Answer::Part(part));
    }
    let body = html! {
        h1 { "State machines" span.count { (ui::number((counted.machines.len() + counted.left_out) as u64)) } }
        (ui::live("machines", "/console/machines", &part))
    };
    Ok(Answer::Page(Page::new(Section::Machines, "State machines", body).stream("/console/live")))
}

pub fn table(counted: &Counted) -> Markup {
    let rows = html! {
        @for (machine, counts) in &counted.machines {
            tr data-machine=(machine.name) {
                td { a href=(ui::path(&["machines", &machine.arn])) { (machine.name) } }
                td { @if machine.revision.is_express { "Express" } @else { "Standard" } }
                @for (count, is_more) in counts {
                    td.number.zero[*count == 0] { (ui::at_least(*count, *is_more)) }
                }
                td { (ui::moment(machine.updated_at)) }
            }
        }
    };
    html! {
        section aria-label="All state machines" {
            (ui::table(
                "State machines",
                &["Name", "Type", "Running", "Succeeded", "Failed", "Timed out", "Stopped", "Changed"],
                rows,
            ))
            (left_out(counted))
        }
    }
}

/// The same for a narrow place.
pub fn short_table(counted: &Counted) -> Markup {
    let shown = [ExecutionStatus::Running, ExecutionStatus::Succeeded, ExecutionStatus::Failed];
    let rows = html! {
        @for (machine, counts) in &counted.machines {
            tr data-machine=(machine.name) {
                td { a href=(ui::path(&["machines", &machine.arn])) { (machine.name) } }
                @for status in shown {
                    @let (count, is_more) = counts[place(status)];
                    td.number.zero[count == 0] { (ui::at_least(count, is_more)) }
                }
            }
        }
    };
    html! {
        (ui::table("State machines", &["Name", "Running", "Succeeded", "Failed"], rows))
        (left_out(counted))
    }
}

fn left_out(counted: &Counted) -> Markup {
    html! {
        @if counted.left_out > 0 {
            p.quiet { (ui::plural(counted.left_out as u64, "more state machine is", "more state machines are")) " not shown; " code { "aws stepfunctions list-state-machines" } " lists all." }
        }
    }
}

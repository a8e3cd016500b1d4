//! What waits for somebody outside, of all executions: tasks whose token has been given away, and activities that want
//! a worker.

use asl::definition::Definition;
use engine::{ExecutionStatus, OpenTask, Reader, Summary};
use maud::{Markup, html};

use super::{Section, waiting};
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::execution::waits_for_an_answer;
use crate::layout::Page;
use crate::ui;

/// Running executions that are looked into, the oldest of each machine: each costs the reading of its snapshot.
const LOOKED_INTO: usize = 200;
/// Tasks on the page.
const SHOWN: usize = 50;

struct Waiting {
    summary: Summary,
    state: String,
    task: OpenTask,
}

pub fn page(ask: &Ask) -> Outcome {
    match ask.part() {
        Some("tasks") => return Ok(Answer::Part(tasks(ask)?)),
        Some("activities") => return Ok(Answer::Part(activities(ask))),
        Some(other) => return Err(Trouble::not_found("There is no such part", other.to_owned())),
        None => {}
    }
    let body = html! {
        h1 { "Waiting for an answer" }
        (ui::live("tasks", "/console/waiting", &tasks(ask)?))
        (ui::live("activities", "/console/waiting", &activities(ask)))
    };
    Ok(Answer::Page(Page::new(Section::Waiting, "Waiting for an answer", body).stream("/console/ticks")))
}

/// The tasks, the longest first, and whether there may be more.
fn find(reader: &Reader) -> Result<(Vec<Waiting>, bool), Trouble> {
    let (mut found, mut looked) = (Vec::new(), 0);
    for machine in reader.machines().list() {
        if looked == LOOKED_INTO {
            break;
        }
        let open = reader.oldest(machine.number, ExecutionStatus::Running, LOOKED_INTO - looked)?;
        looked += open.len();
        for summary in open {
            let revision = reader.revision(&summary.row)?;
            // One that cannot be read is no reason to hide all others; its own page says why.
            let Ok(definition) = revision.definition() else { continue };
            let Ok(tasks) = reader.open_tasks(summary.id) else { continue };
            found.extend(those_that_wait(&summary, definition, tasks));
        }
    }
    found.sort_by_key(|waiting| waiting.summary.id);
    let is_more = looked == LOOKED_INTO || found.len() > SHOWN;
    found.truncate(SHOWN);
    Ok((found, is_more))
}

fn those_that_wait(summary: &Summary, definition: &Definition, tasks: Vec<OpenTask>) -> Vec<Waiting> {
    let waiting = tasks.into_iter().filter_map(|task| {
        let state = definition.states.get(task.state.0 as usize).filter(|state| waits_for_an_answer(state))?;
        Some(Waiting { summary: summary.clone(), state: state.name.to_string(), task })
    });
    waiting.collect()
}

fn tasks(ask: &Ask) -> Result<Markup, Trouble> {
    let (found, is_more) = find(&ask.console.reader)?;
    let body = html! {
        @if found.is_empty() {
            (ui::empty("Nothing waits for an answer", html! {
                p { "A task with " code { ".waitForTaskToken" } ", or of an activity, stands here until somebody answers it. To see one, serve the example of a checkout:" }
                (ui::command("ithaca up examples/checkout"))
            }))
        }
        @for waiting in &found { (one(ask, waiting)) }
        @if is_more { p.quiet { "Only the " (LOOKED_INTO) " oldest running executions were looked into, and " (SHOWN) " tasks are shown; each execution's page has its own." } }
    };
    Ok(ui::section("tasks", "Waiting tasks", Some(ui::at_least(found.len() as u64, is_more)), body))
}

fn one(ask: &Ask, waiting: &Waiting) -> Markup {
    let row = &waiting.summary.row;
    let address = ui::path(&["executions", &waiting.summary.execution_arn]);
    let more = html! {
        a href=(address) { (row.name) }
        span { (ui::name_of(&row.machine_arn)) }
        span { "started " (ui::moment(row.started_at)) }
    };
    waiting::one(ask, &address, &waiting.task, &waiting.state, more)
}

fn activities(ask: &Ask) -> Markup {
    let known = ask.console.handle.activities().clone();
    let all = known.list();
    let rows = html! {
        @for activity in &all {
            @let (tasks, workers) = known.waiting_of(&activity.arn);
            tr data-activity=(activity.name) {
                td { (activity.name) " " (ui::copy("Copy ARN", &activity.arn)) }
                td.number.zero[tasks == 0] { (ui::number(tasks as u64)) }
                td.number.zero[workers == 0] { (ui::number(workers as u64)) }
                td { (ui::moment(activity.created_at)) }
            }
        }
    };
    let body = match all.is_empty() {
        true => ui::empty(
            "There is no activity",
            html! {
                p { "An activity is work that a worker of yours asks for:" }
                (ui::command(&ask.aws("stepfunctions create-activity", "--name ship")))
            },
        ),
        false => html! {
            (ui::table("Activities", &["Name", "Tasks that wait", "Workers that wait", "Made"], rows))
            (ui::twin(&ask.aws("stepfunctions list-activities", "")))
        },
    };
    ui::section("activities", "Activities", Some(ui::number(all.len() as u64)), body)
}

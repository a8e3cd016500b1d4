//! One execution: its drawing as it goes, its story, a state's details, a timeline, what went in and out.
//!
//! The drawing is laid out once. A stream of the statuses of its states paints it while the execution goes on; the other
//! live parts are asked for anew when the stream says `changed`.

use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use engine::core::not_redrivable;
use engine::{ExecutionStatus, Parent, RedriveError, StopError};
use interpreter::Failure;
use maud::{Markup, html};
use tokio::sync::mpsc;

use super::{Section, machine, map_run, state, timeline, waiting};
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::console::Console;
use crate::execution::{Seen, Statuses, runs};
use crate::graph::{self, Status};
use crate::layout::Page;
use crate::live;
use crate::story::{Aftermath, End, Mood, error_text};
use crate::ui;

/// How often a stream looks whether its execution has gone on. A step is on the page within this time and a little.
const LOOK: Duration = Duration::from_millis(150);

pub fn page(ask: &Ask) -> Outcome {
    let seen = see(ask)?;
    let address = address(&seen);
    match ask.part() {
        Some("head") => return Ok(Answer::Part(head(ask, &seen))),
        Some("story") => return Ok(Answer::Part(story(&seen))),
        Some("state") => return Ok(Answer::Part(state::details(ask, &seen)?)),
        Some("timeline") => return Ok(Answer::Part(timeline::timeline(ask, &seen)?)),
        Some("waiting") => return Ok(Answer::Part(waiting::part(ask, &seen)?)),
        Some("family") => return Ok(Answer::Part(family(ask, &seen)?)),
        Some("data") => return Ok(Answer::Part(data(&seen))),
        Some(other) => return Err(Trouble::not_found("There is no such part", other.to_owned())),
        None => {}
    }
    let of_state = state::address(&address, ask.query("state"), ask.query("visit"));
    let body = html! {
        (ui::live("head", &address, &head(ask, &seen)))
        (tabs(&seen, "execution"))
        (ui::announced("story", &address, &story(&seen)))
        (ui::live("waiting", &address, &waiting::part(ask, &seen)?))
        div.split.wide {
            (drawing_of(&seen, &address)?)
            aside #state aria-label="The chosen state" { (ui::live("state", &of_state, &state::details(ask, &seen)?)) }
        }
        (ui::live("timeline", &timeline::address(ask, &address), &timeline::timeline(ask, &seen)?))
        (ui::live("family", &address, &family(ask, &seen)?))
        (ui::live("data", &address, &data(&seen)))
    };
    let machine_arn = ui::machine_of(&seen.about.row.machine_arn);
    let page = Page::new(Section::Machines, &*seen.about.row.name, body)
        .crumb("/console/machines", "State machines")
        .crumb(ui::path(&["machines", machine_arn]), ui::name_of(machine_arn))
        .stream(format!("{address}/live"))
        .script("graph.js");
    Ok(Answer::Page(page))
}

/// The frame of another page of this execution.
pub fn within(seen: &Seen, title: &str, body: Markup) -> Page {
    let (name, machine_arn) = (&seen.about.row.name, ui::machine_of(&seen.about.row.machine_arn));
    Page::new(Section::Machines, format!("{title} · {name}"), body)
        .crumb("/console/machines", "State machines")
        .crumb(ui::path(&["machines", machine_arn]), ui::name_of(machine_arn))
        .crumb(address(seen), &**name)
}

/// The head of a page that is not the first of an execution.
pub fn title(seen: &Seen) -> Markup {
    html! { header.title { h1 { (seen.about.row.name) " " (ui::status(seen.about.row.status)) } } }
}

/// The pages of an execution.
pub fn tabs(seen: &Seen, current: &str) -> Markup {
    let address = address(seen);
    let tabs = [("execution", address.clone(), "Execution"), ("events", format!("{address}/events"), "Events")];
    html! {
        nav.tabs aria-label="Of this execution" {
            @for (name, address, words) in &tabs {
                a href=(address) aria-current=[(*name == current).then_some("page")] { (words) }
            }
        }
    }
}

/// Who has started it, and what it has started.
fn family(ask: &Ask, seen: &Seen) -> Result<Markup, Trouble> {
    let reader = &ask.console.reader;
    let parent = match (&seen.about.row.parent, &seen.about.map_run_arn) {
        (Some(Parent::Task { execution, .. }), _) => {
            let row = reader.row(*execution)?;
            Some(("Started by", ui::path(&["executions", &row.arn(*execution)]), row.name.to_string()))
        }
        (_, Some(run)) => Some(("Works for", ui::path(&["map-runs", run]), format!("Map Run {}", ui::name_of(run)))),
        _ => None,
    };
    let children = seen.told.lock().unwrap_or_else(PoisonError::into_inner).children.clone();
    if parent.is_none() && children.is_empty() && seen.runs.is_empty() {
        return Ok(html! {});
    }
    let count = children.len() + seen.runs.len() + usize::from(parent.is_some());
    Ok(ui::section(
        "family",
        "Related",
        Some(ui::number(count as u64)),
        html! {
            dl {
                @if let Some((term, address, words)) = &parent { dt { (term) } dd { a href=(address) { (words) } } }
                @for (state, arn) in &children {
                    dt { (state) " started" } dd { a href=(ui::path(&["executions", arn])) { (ui::name_of(arn)) } }
                }
            }
            @for run in &seen.runs {
                div.run {
                    p.facts {
                        a href=(ui::path(&["map-runs", &run.plan.arn])) { "Map Run of " (run.state) }
                        (map_run::pill(run.status))
                    }
                    (map_run::progress(&run.items))
                }
            }
        },
    ))
}

pub fn see(ask: &Ask) -> Result<Seen, Trouble> {
    let arn = ask.name(0);
    ask.console.executions.see(arn)?.ok_or_else(|| {
        Trouble::not_found(
            "There is no such execution",
            format!(
                "{arn} does not exist. Histories are kept for {} after the end; those of Express executions are not kept.",
                ui::plural(ask.console.around.history.as_secs() / 86_400, "day", "days")
            ),
        )
        .next("/console/machines", "See all state machines")
    })
}

pub fn address(seen: &Seen) -> String {
    ui::path(&["executions", &seen.about.execution_arn])
}

/// An SVG of how it stands, to be kept or shown elsewhere.
pub fn drawing(ask: &Ask) -> Outcome {
    let seen = see(ask)?;
    let definition = seen.definition()?;
    let svg = graph::draw(definition, &seen.statuses()?.overlay(definition)).svg();
    Ok(Answer::file("image/svg+xml", svg))
}

fn drawing_of(seen: &Seen, address: &str) -> Result<Markup, Trouble> {
    let definition = seen.definition()?;
    let statuses = seen.statuses()?;
    let link = |name: &str| state::address(address, Some(name), None) + "#state";
    let svg = ui::svg(graph::draw(definition, &statuses.overlay(definition)).svg_in_page(&link));
    Ok(html! {
        div.drawing {
            (machine::figure("The execution as a drawing", svg, &format!("{address}/graph.svg"), &seen.about.row.name))
            ul.legend aria-label="What the colours mean" {
                @for status in Status::ALL { li { span class={ "dot " (status.class()) } {} (status.words()) } }
                li { span.dot.none {} "Not entered" }
            }
        }
    })
}

fn head(ask: &Ask, seen: &Seen) -> Markup {
    let row = &seen.about.row;
    let arn = &seen.about.execution_arn;
    let address = address(seen);
    let refusal = not_redrivable(row, seen.about.last_event, engine::now());
    html! {
        header.title {
            h1 { (row.name) " " (ui::status(row.status)) @if row.status != ExecutionStatus::Running { (ui::aftermath(seen.story().aftermath())) } }
            p.facts {
                span { "started " (ui::moment(row.started_at)) }
                @match row.stopped_at {
                    Some(stopped_at) => span { "took " (ui::duration(stopped_at.0 - row.started_at.0)) },
                    None => span { "running for " (ui::running_since(row.started_at)) },
                }
                span { (ui::plural(seen.about.last_event, "event", "events")) }
                @if row.redrive_count > 0 { span { "redriven " (ui::plural(row.redrive_count.into(), "time", "times")) } }
                @if row.version.is_some() || row.alias.is_some() { span { "through " (machine::through(row)) } }
            }
            div.actions {
                @if row.status == ExecutionStatus::Running {
                    (stop_form(ask, arn, &address))
                } @else {
                    @if refusal.is_none() && row.parent_run().is_none() {
                        (ui::form(ask, &format!("{address}/redrive"), html! {
                            button type="submit" title="Go on from the state that failed, with what was done before" { "Redrive" }
                        }))
                        (ui::copy("Copy redrive command", &ask.ithaca(&format!("redrive {}", ui::quoted(arn)))))
                    }
                }
                @if can_start_again(seen) { a.button href=(start_again(seen)) { "Start again…" } }
                (ui::copy("Copy ARN", arn))
                @let called = if row.parent_run().is_some() { arn } else { &*row.name };
                (ui::copy("Copy command", &ask.ithaca(&format!("show {}", ui::quoted(called)))))
            }
        }
    }
}

/// An execution of a Map Run is none that anybody starts.
fn can_start_again(seen: &Seen) -> bool {
    seen.about.row.parent_run().is_none()
}

/// The form of the machine, with this execution's input in it.
fn start_again(seen: &Seen) -> String {
    let (machine, execution) = (&seen.about.row.machine_arn, &seen.about.execution_arn);
    format!("{}?again={}#start", ui::path(&["machines", machine]), ui::part(execution))
}

fn stop_form(ask: &Ask, arn: &str, address: &str) -> Markup {
    html! {
        details.menu {
            summary.button { "Stop…" }
            (ui::form(ask, &format!("{address}/stop"), html! {
                p { "It ends at once. Its compensations do " strong { "not" } " run, as on AWS." }
                label for="cause" { "Why " span.quiet { "(may be left out)" } }
                input #cause name="cause" autocomplete="off" maxlength="256";
                button.danger type="submit" { "Stop the execution" }
            }))
            (ui::twin(&ask.ithaca(&format!("stop {}", ui::quoted(arn)))))
        }
    }
}

fn story(seen: &Seen) -> Markup {
    let failure = failure_text(seen);
    let sentences = seen.with(|tale| crate::story::Story::of(tale).sentences(tale, &failure));
    // Told here and not in the story: the history of the execution has nothing of it.
    let tolerated: Vec<_> = seen.runs.iter().filter(|run| run.items.failed + run.items.timed_out > 0).collect();
    let is_good = seen.about.row.status == ExecutionStatus::Succeeded && sentences.is_empty();
    html! {
        section.story aria-label="What happened" {
            @if is_good && tolerated.is_empty() { p { "Everything went well." } }
            @if is_good && !tolerated.is_empty() { p { "It succeeded." } }
            @for run in &tolerated {
                p {
                    (ui::plural(run.items.failed + run.items.timed_out, "item", "items")) " of " (ui::number(run.items.total)) " failed in "
                    a href={ (ui::path(&["map-runs", &run.plan.arn])) "?status=FAILED" } { (run.state) } "."
                }
            }
            @for sentence in &sentences {
                p.bad[sentence.mood == Mood::Bad].good[sentence.mood == Mood::Good] { (ui::shorten(&sentence.text, 600)) }
            }
            @if let Some(advice) = advice(seen) { p.quiet { (advice) } }
        }
    }
}

/// What a person can do about a bad end.
fn advice(seen: &Seen) -> Option<&'static str> {
    let row = &seen.about.row;
    if matches!(row.status, ExecutionStatus::Running | ExecutionStatus::Succeeded) || row.parent_run().is_some() {
        return None;
    }
    let ended_in_fail = seen.with(|tale| {
        let last = tale.visits.iter().rev().find(|visit| visit.end == End::Failed);
        last.is_some_and(|visit| visit.kind == "Fail")
    });
    let can_be_redriven = not_redrivable(row, seen.about.last_event, engine::now()).is_none();
    match (seen.story().aftermath(), ended_in_fail, can_be_redriven) {
        (Some(Aftermath::Compensated), ..) => None,
        (_, false, true) => Some("A redrive goes on from where it ended, with what was done before."),
        (_, true, _) => {
            Some("It ended in a Fail state, and a redrive would end there again. Mend the cause and start it again.")
        }
        (_, false, false) => Some("It cannot be redriven any more. Mend the cause and start it again."),
    }
}

pub fn failure_text(seen: &Seen) -> String {
    seen.about.failure.as_ref().map(text_of).unwrap_or_default()
}

fn text_of(failure: &Failure) -> String {
    error_text(failure.error.as_deref().unwrap_or_default(), failure.cause.as_deref().unwrap_or_default())
}

/// Where the data of an event is as a file.
pub fn data_address(seen: &Seen, event: u64) -> String {
    format!("{}/events/{event}/data.json", address(seen))
}

fn data(seen: &Seen) -> Markup {
    let about = &seen.about;
    html! {
        div.columns {
            (ui::section("input", "Input", Some(ui::bytes(about.input.size())), ui::json(about.input.text(), Some(&data_address(seen, 1)))))
            @match (&about.output, &about.failure) {
                (Some(output), _) => (ui::section("output", "Output", Some(ui::bytes(output.size())), ui::json(output.text(), Some(&data_address(seen, about.last_event))))),
                (None, Some(failure)) => (ui::section("error", "It ended with", None, html! {
                    dl {
                        dt { "Error" } dd { (failure.error.as_deref().unwrap_or("none given")) }
                        dt { "Cause" } dd { (failure.cause.as_deref().unwrap_or("none given")) }
                    }
                })),
                (None, None) => (ui::section("output", "Output", None, ui::empty("There is none yet", html! { p { "It is shown when the execution has ended." } }))),
            }
        }
    }
}

pub fn stop(ask: &Ask) -> Outcome {
    let arn = ask.name(0);
    let address = ui::path(&["executions", arn]);
    let before = see(ask)?.about.row.status;
    if before != ExecutionStatus::Running {
        return Err(ended_before(before).next(address, "Back to the execution"));
    }
    let failure = Failure { error: ask.field("error").map(Into::into), cause: ask.field("cause").map(Into::into) };
    match tokio::runtime::Handle::current().block_on(ask.console.handle.stop(arn, failure)) {
        // The engine answers as well if there was nothing to stop: it may have ended on the way here.
        Ok(_) => match see(ask)?.about.row.status {
            ExecutionStatus::Aborted => Ok(Answer::SeeOther(address)),
            other => Err(ended_before(other).next(address, "Back to the execution")),
        },
        Err(StopError::DoesNotExist) => {
            Err(Trouble::not_found("There is no such execution", arn)
                .next("/console/machines", "See all state machines"))
        }
        Err(error) => {
            Err(Trouble::refused("It was not stopped", error.to_string()).next(address, "Back to the execution"))
        }
    }
}

fn ended_before(status: ExecutionStatus) -> Trouble {
    let text = format!("It had already ended as {}. Nothing was changed.", status.name());
    Trouble::refused("There is nothing to stop", text)
}

pub fn redrive(ask: &Ask) -> Outcome {
    let arn = ask.name(0);
    let address = ui::path(&["executions", arn]);
    let seen = see(ask)?;
    match tokio::runtime::Handle::current().block_on(ask.console.handle.redrive(seen.id)) {
        Ok(_) => Ok(Answer::SeeOther(address)),
        Err(RedriveError::DoesNotExist) => {
            Err(Trouble::not_found("There is no such execution", arn)
                .next("/console/machines", "See all state machines"))
        }
        Err(error) => {
            Err(Trouble::refused("It cannot be redriven", error.to_string()).next(address, "Back to the execution"))
        }
    }
}

/// `status` with the statuses of the states and `changed`, as often as the execution has gone on.
pub fn stream(ask: &Ask) -> Outcome {
    let seen = see(ask)?;
    let (sender, receiver) = mpsc::channel(live::BUFFER);
    let (console, arn) = (ask.console.clone(), seen.about.execution_arn.clone());
    tokio::spawn(async move { follow(console, arn, sender).await });
    Ok(Answer::Events(receiver))
}

async fn follow(console: Console, arn: String, sender: mpsc::Sender<Bytes>) {
    // None so far: a page may be older than its stream, so the first look is always told.
    let mut told = None;
    let mut quiet = Duration::ZERO;
    loop {
        let (looking, of) = (console.clone(), arn.clone());
        let before = told;
        let looked = tokio::task::spawn_blocking(move || look(&looking, &of, before)).await;
        let Ok(Ok(Some((mark, words)))) = looked else {
            // It was deleted, or cannot be read: loading the page says which.
            let _ = sender.send(live::event("changed", "{}")).await;
            return;
        };
        told = Some(mark);
        let is_over = mark.1 != ExecutionStatus::Running;
        if words.is_empty() {
            quiet += LOOK;
        }
        let words = match () {
            () if !words.is_empty() => words,
            () if quiet >= live::KEEP_ALIVE => vec![live::comment()],
            () => Vec::new(),
        };
        for word in words {
            quiet = Duration::ZERO;
            if sender.send(word).await.is_err() {
                return;
            }
        }
        if sender.is_closed() {
            return;
        }
        // One that has ended may be redriven: looked at seldom.
        tokio::time::sleep(if is_over { LOOK * 10 } else { LOOK }).await;
    }
}

/// How far an execution is: its newest event, its status, and how many items its Map Runs are through with.
type Mark = (u64, ExecutionStatus, u64);

/// Looks whether it has gone on; what is to be said about it.
fn look(console: &Console, arn: &str, before: Option<Mark>) -> Result<Option<(Mark, Vec<Bytes>)>, Trouble> {
    let Some(id) = console.reader.find(arn)? else { return Ok(None) };
    let row = console.reader.row(id)?;
    let revision = console.reader.revision(&row)?;
    let told = console.executions.told(id, &revision)?;
    let definition = revision.definition()?;
    let runs = runs(&console.reader, id, &told)?;
    let items = runs.iter().map(|run| run.items.total - run.items.pending() + run.items.succeeded + run.items.failed);
    let told = told.lock().unwrap_or_else(PoisonError::into_inner);
    let mark = (told.tale.last_event(), row.status, items.sum());
    if before == Some(mark) {
        return Ok(Some((mark, Vec::new())));
    }
    let statuses = Statuses::of(&told.tale, definition, &runs).json().to_string();
    Ok(Some((mark, vec![live::event("status", &statuses), live::event("changed", "{}")])))
}

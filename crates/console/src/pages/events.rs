//! The history of an execution as a table: a page of it at a time, of all states or of one.

use interpreter::{EventKind, HistoryEvent};
use maud::{Markup, html};

use super::execution;
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::execution::Seen;
use crate::story::error_text;
use crate::ui;

/// Events on one page.
const EVENTS: usize = 100;

/// Characters of a payload in the table; the event's own page has all.
const SHOWN_CHARS: usize = 160;

pub fn page(ask: &Ask) -> Outcome {
    let seen = execution::see(ask)?;
    let part = table(ask, &seen)?;
    if ask.part().is_some() {
        return Ok(Answer::Part(part));
    }
    let address = execution::address(&seen);
    let body = html! {
        (execution::title(&seen))
        (execution::tabs(&seen, "events"))
        (ui::live("events", &own_address(ask, &address), &part))
    };
    Ok(Answer::Page(execution::within(&seen, "Events", body).stream(format!("{address}/live"))))
}

fn own_address(ask: &Ask, address: &str) -> String {
    let given = ["from", "state"].iter().filter_map(|name| Some(format!("{name}={}", ui::part(ask.query(name)?))));
    let query: Vec<String> = given.collect();
    format!("{address}/events{}{}", if query.is_empty() { "" } else { "?" }, query.join("&"))
}

fn table(ask: &Ask, seen: &Seen) -> Result<Markup, Trouble> {
    let from = ask.query_number("from").unwrap_or(1).max(1);
    let state = ask.query("state");
    let (total, ids) = ids(seen, state, from);
    let more = ids.get(EVENTS).copied();
    let events = read(ask, seen, &ids[..ids.len().min(EVENTS)])?;
    let start = seen.about.row.started_at.0;
    let address = execution::address(seen);
    let rows = html! {
        @for event in &events {
            @let state = state_of(seen, event);
            tr data-event=(event.id) {
                td.number { a href={ (address) "/events/" (event.id) } { (event.id) } }
                td.number title=(ui::exact_words(event.at)) { "+" (ui::duration(event.at.0 - start)) }
                td { (event.kind.type_name()) }
                td { @if let Some(state) = &state { a href={ (address) "/events?state=" (ui::part(state)) } { (state) } } }
                td.what { (what(event)) }
            }
        }
    };
    let of_state = state.map(|state| format!("state={}&", ui::part(state))).unwrap_or_default();
    Ok(ui::section(
        "events",
        "Events",
        Some(match state {
            Some(state) => format!("{} of {state}, of {}", ui::number(total as u64), ui::number(seen.about.last_event)),
            None => ui::number(total as u64),
        }),
        html! {
            (pick(ask, seen, &address))
            @if events.is_empty() {
                (ui::empty("No event is here", html! { p { a href={ (address) "/events" } { "See all events" } } }))
            } @else {
                (ui::table("Events", &["Event", "After", "Type", "State", "What"], rows))
            }
            nav.pager aria-label="Pages of events" {
                @if from > 1 { a.button.quiet href={ (address) "/events?" (of_state.trim_end_matches('&')) } { "First" } }
                @if let Some(more) = more { a.button.quiet rel="next" href={ (address) "/events?" (of_state) "from=" (more) } { "Next" } }
                @if more.is_some() && state.is_none() {
                    a.button.quiet href={ (address) "/events?from=" (seen.about.last_event.saturating_sub(EVENTS as u64 - 1).max(1)) } { "Last" }
                }
            }
        },
    ))
}

/// How many events there are in all, and the ids of those from `from` on: a page of them and one more.
fn ids(seen: &Seen, state: Option<&str>, from: u64) -> (usize, Vec<u64>) {
    let last = seen.about.last_event;
    let Some(state) = state else { return (last as usize, (from..=last).take(EVENTS + 1).collect()) };
    seen.with(|tale| {
        let is_its = |id: &u64| tale.visit_of_event(*id).is_some_and(|index| tale.visits[index].name == state);
        let all: Vec<u64> = (1..=last).filter(is_its).collect();
        let total = all.len();
        (total, all.into_iter().filter(|id| *id >= from).take(EVENTS + 1).collect())
    })
}

/// Reads these events; those that lie together are read together.
fn read(ask: &Ask, seen: &Seen, ids: &[u64]) -> Result<Vec<HistoryEvent>, Trouble> {
    let (mut found, mut read): (Vec<HistoryEvent>, Vec<HistoryEvent>) = (Vec::new(), Vec::new());
    for id in ids {
        if !read.iter().any(|event| event.id == *id) {
            read = seen.events(&ask.console.reader, *id, EVENTS)?;
        }
        found.extend(read.iter().find(|event| event.id == *id).cloned());
    }
    Ok(found)
}

fn state_of(seen: &Seen, event: &HistoryEvent) -> Option<String> {
    if event.kind.is_terminal() || matches!(event.kind, EventKind::ExecutionStarted { .. }) {
        return None;
    }
    seen.with(|tale| tale.visit_of_event(event.id).map(|index| tale.visits[index].name.clone()))
}

fn pick(ask: &Ask, seen: &Seen, address: &str) -> Markup {
    let names: Vec<String> =
        seen.definition().map(|it| it.states.iter().map(|state| state.name.to_string()).collect()).unwrap_or_default();
    html! {
        form.inline method="get" action={ (address) "/events" } {
            label for="of-state" { "State" }
            select #of-state name="state" {
                option value="" { "all" }
                @for name in &names { option value=(name) selected[ask.query("state") == Some(name)] { (name) } }
            }
            button type="submit" { "Show" }
        }
    }
}

/// The heart of an event in a few words.
fn what(event: &HistoryEvent) -> Markup {
    let text = match &event.kind {
        EventKind::MapStarted { length } => ui::plural((*length).into(), "item", "items"),
        EventKind::IterationStarted { index, .. }
        | EventKind::IterationSucceeded { index, .. }
        | EventKind::IterationFailed { index, .. }
        | EventKind::IterationAborted { index, .. } => format!("iteration {}", ui::number((*index).into())),
        EventKind::MapRunStarted { arn } | EventKind::MapRunRedriven { arn, .. } => arn.to_string(),
        EventKind::ActivityStarted { worker: Some(worker) } => format!("worker {worker}"),
        EventKind::ExecutionRedriven { count } => format!("redrive {count}"),
        kind => match (kind.failure(), kind.payload()) {
            (Some(failure), _) => {
                let (error, cause) = (failure.error.as_deref(), failure.cause.as_deref());
                return html! { span.bad { (ui::shorten(&error_text(error.unwrap_or_default(), cause.unwrap_or_default()), SHOWN_CHARS)) } };
            }
            (None, Some(payload)) => {
                return html! { code title=(ui::bytes(payload.size())) { (ui::shorten(&head(payload.text()), SHOWN_CHARS)) } };
            }
            (None, None) => String::new(),
        },
    };
    html! { (text) }
}

/// No more of a payload than can be shown.
fn head(text: &str) -> String {
    text[..ui::floor_char(text, text.len().min(SHOWN_CHARS * 4 + 4))].to_owned()
}

/// The data of an event as a file, however large.
pub fn data(ask: &Ask) -> Outcome {
    let seen = execution::see(ask)?;
    let id = ask.name(1).parse().unwrap_or(0);
    let event = seen.events(&ask.console.reader, id, 1)?.pop().filter(|event| event.id == id);
    let text = event.and_then(|event| event.kind.payload().map(|payload| payload.text().to_owned()));
    let text = text.ok_or_else(|| {
        Trouble::not_found("There is no such data", "This event has none, or is not there.")
            .next(format!("{}/events", execution::address(&seen)), "See all events")
    })?;
    Ok(Answer::file("application/json", text))
}

/// One event with all that it holds.
pub fn event(ask: &Ask) -> Outcome {
    let seen = execution::see(ask)?;
    let address = execution::address(&seen);
    let id: Option<u64> = ask.name(1).parse().ok().filter(|id| (1..=seen.about.last_event).contains(id));
    let found = match id {
        Some(id) => seen.events(&ask.console.reader, id, 1)?.pop(),
        None => None,
    };
    let Some(event) = found else {
        return Err(Trouble::not_found(
            "There is no such event",
            format!("The execution has {}.", ui::plural(seen.about.last_event, "event", "events")),
        )
        .next(format!("{address}/events"), "See all events"));
    };
    let state = state_of(&seen, &event);
    let body = html! {
        (execution::title(&seen))
        (execution::tabs(&seen, "events"))
        (ui::section("event", &format!("Event {}: {}", event.id, event.kind.type_name()), None, html! {
            dl.facts {
                dt { "At" } dd { (ui::exact_words(event.at)) ", " (ui::duration(event.at.0 - seen.about.row.started_at.0)) " after the start" }
                @if event.previous > 0 { dt { "Follows" } dd { a href={ (address) "/events/" (event.previous) } { "event " (event.previous) } } }
                @if let Some(state) = &state { dt { "State" } dd { a href=(super::state::address(&address, Some(state), None)) { (state) } } }
                @if let Some(failure) = event.kind.failure() {
                    dt { "Error" } dd { (failure.error.as_deref().unwrap_or("none given")) }
                    dt { "Cause" } dd { (failure.cause.as_deref().unwrap_or("none given")) }
                }
                @for (name, value) in event.kind.variables() { dt { "$" (name) } dd { code { (ui::shorten(value.text(), 2000)) } } }
            }
            @if let Some(payload) = event.kind.payload() { h3 { "Data" span.count { (ui::bytes(payload.size())) } } (ui::json(payload.text(), Some(&execution::data_address(&seen, event.id)))) }
            nav.pager aria-label="Events" {
                @if event.id > 1 { a.button.quiet rel="prev" href={ (address) "/events/" (event.id - 1) } { "Before" } }
                @if event.id < seen.about.last_event { a.button.quiet rel="next" href={ (address) "/events/" (event.id + 1) } { "After" } }
            }
        }))
    };
    Ok(Answer::Page(
        execution::within(&seen, &format!("Event {}", event.id), body).crumb(format!("{address}/events"), "Events"),
    ))
}

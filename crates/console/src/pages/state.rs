//! The details of one state of an execution: what came in, what it tried, what went out, and what changed.

use interpreter::{EventKind, HistoryEvent};
use maud::{Markup, html};
use serde_json::Value;

use super::execution::data_address;
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::execution::Seen;
use crate::story::{Attempt, End, Over, Tale, Visit};
use crate::ui;

/// Events of a visit that are looked through for its task: it has three of each attempt.
const EVENTS_MAX: usize = 200;

/// Visits of one state that can be chosen; a Map has thousands.
const VISITS_SHOWN: usize = 20;

/// The page with this state chosen.
pub fn address(execution: &str, state: Option<&str>, visit: Option<&str>) -> String {
    let state = state.map(|state| format!("?state={}", ui::part(state))).unwrap_or_default();
    let visit = visit.map(|visit| format!("&visit={}", ui::part(visit))).unwrap_or_default();
    if state.is_empty() { execution.to_owned() } else { format!("{execution}{state}{visit}") }
}

/// What is shown of a visit, taken out of the tale.
struct Chosen {
    index: usize,
    visits: Vec<usize>,
    name: String,
    kind: String,
    end: End,
    facts: Vec<(&'static str, String)>,
    attempts: Vec<(usize, String, Option<String>, &'static str)>,
    failure: Option<String>,
    entered_event: u64,
    left_event: Option<u64>,
    map_run: Option<String>,
}

pub fn details(ask: &Ask, seen: &Seen) -> Result<Markup, Trouble> {
    let Some(chosen) = choose(ask, seen) else { return not_entered(ask, seen) };
    let events = seen.events(&ask.console.reader, chosen.entered_event, EVENTS_MAX)?;
    let input = events.first().and_then(|event| event.kind.payload()).map(|payload| payload.text().to_owned());
    let output = match chosen.left_event {
        None => None,
        Some(left) => {
            let events = seen.events(&ask.console.reader, left, 1)?;
            events.first().and_then(|event| event.kind.payload()).map(|payload| payload.text().to_owned())
        }
    };
    let of_task = task_of(seen, &chosen, &events);
    let base = super::execution::address(seen);
    Ok(html! {
        section.details aria-labelledby="state-title" data-chosen=(chosen.name) {
            h2 #state-title { (chosen.name) " " (shown_as(seen, &chosen)?) }
            dl.facts {
                @for (term, text) in &chosen.facts { dt { (term) } dd { (text) } }
            }
            @if let Some(run) = &chosen.map_run {
                p { a href=(ui::path(&["map-runs", run])) { "Its Map Run, with its executions" } }
            }
            (others(&chosen, &base))
            @if let Some(failure) = &chosen.failure {
                div.failure { strong { "Error" } p { (ui::shorten(failure, 2000)) } }
            }
            @if chosen.attempts.len() > 1 {
                h3 { "Attempts" span.count { (chosen.attempts.len()) } }
                ol.attempts {
                    @for (_, took, failure, class) in &chosen.attempts {
                        li class=(class) { (took) @if let Some(failure) = failure { " · " (ui::shorten(failure, 300)) } }
                    }
                }
            }
            @if let Some((asked, answered)) = &of_task {
                details { summary { "Asked of the task" span.count { (ui::bytes(asked.1.len())) } } (ui::json(&asked.1, Some(&data_address(seen, asked.0)))) }
                @if let Some(answered) = answered {
                    details { summary { "Answered by the task" span.count { (ui::bytes(answered.1.len())) } } (ui::json(&answered.1, Some(&data_address(seen, answered.0)))) }
                }
            }
            @if let (Some(input), Some(output)) = (&input, &output) { (changes(input, output)) }
            @if let Some(input) = &input {
                details open[output.is_none()] {
                    summary { "Input" span.count { (ui::bytes(input.len())) } }
                    (ui::json(input, Some(&data_address(seen, chosen.entered_event))))
                }
            }
            @if let (Some(output), Some(left)) = (&output, chosen.left_event) {
                details { summary { "Output" span.count { (ui::bytes(output.len())) } } (ui::json(output, Some(&data_address(seen, left)))) }
            }
        }
    })
}

/// The visit that is asked for; or else the state's newest; or the one that people should see first.
fn choose(ask: &Ask, seen: &Seen) -> Option<Chosen> {
    let story = seen.story();
    let (wanted, at) = (ask.query("state"), ask.query_number("visit"));
    seen.with(|tale| {
        let name = match wanted {
            Some(name) => name.to_owned(),
            None => {
                let first = story.stuck.first().or(story.origin.as_ref()).copied();
                let running = tale.visits.iter().rposition(|visit| visit.end == End::Running && visit.items.is_none());
                let index = if tale.over.is_none() { running.or(first) } else { first };
                tale.visits.get(index.or(tale.visits.len().checked_sub(1))?)?.name.clone()
            }
        };
        let visits: Vec<usize> = (0..tale.visits.len()).filter(|index| tale.visits[*index].name == name).collect();
        let asked = at.and_then(|at| usize::try_from(at).ok()).filter(|at| visits.contains(at));
        let failed = visits.iter().copied().find(|index| tale.visits[*index].end == End::Failed);
        let index = asked.or(failed).or(visits.last().copied())?;
        let visit = &tale.visits[index];
        // What ended the execution has the reason that the execution has.
        let is_the_end = tale.over == Some(Over::Failed)
            && visit.end == End::Failed
            && (visit.inside.is_none() || (story.origin == Some(index) && story.caught_by.is_none()));
        let of_all = || is_the_end.then(|| super::execution::failure_text(seen)).filter(|text| !text.is_empty());
        Some(Chosen {
            index,
            facts: facts(tale, visit, seen),
            attempts: attempts(visit),
            failure: visit.last_failure().map(str::to_owned).or_else(of_all),
            name,
            kind: visit.kind.clone(),
            end: visit.end,
            entered_event: visit.entered_event,
            left_event: visit.left_event,
            map_run: visit.map_run.clone(),
            visits,
        })
    })
}

fn facts(tale: &Tale, visit: &Visit, seen: &Seen) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Type", visit.kind.clone())];
    let resource = seen.definition().ok().and_then(|definition| {
        let state = definition.states.iter().find(|state| *state.name == *visit.name)?;
        match &state.kind {
            asl::definition::Kind::Task(task) => Some(task.resource.arn().to_string()),
            _ => None,
        }
    });
    facts.extend(resource.map(|arn| ("Resource", arn)));
    facts.extend(visit.compensates.as_ref().map(|of| ("Compensates", of.clone())));
    facts.push(("Entered", ui::exact_words(interpreter::Timestamp(visit.entered))));
    if let Some(left) = visit.left {
        facts.push(("Took", ui::duration(tale.worked(visit.entered, left))));
    }
    facts.extend(visit.iteration.map(|index| ("Iteration", ui::number(index.into()))));
    if visit.map_run.is_some()
        && let Some((done, total, failed)) = seen.items_of(visit)
    {
        let (done, total, failed) = (ui::number(done), ui::number(total), ui::number(failed));
        facts.push(("Items", format!("{total}: {done} succeeded, {failed} failed")));
    } else if let Some(items) = visit.items {
        let number = |count: u32| ui::number(count.into());
        facts.push(("Items", number(items.total)));
        facts.push((
            "Iterations",
            format!(
                "{} succeeded, {} failed, {} cancelled, {} running, {} not begun",
                number(items.done),
                number(items.failed),
                number(items.aborted),
                number(items.running()),
                number(items.total.saturating_sub(items.begun)),
            ),
        ));
    }
    facts
}

fn attempts(visit: &Visit) -> Vec<(usize, String, Option<String>, &'static str)> {
    let one = |(at, attempt): (usize, &Attempt)| {
        let (took, class) = match (attempt.ended, &attempt.failure) {
            (None, _) if visit.left.is_none() && attempt.given_up.is_none() => ("under way".to_owned(), "in-progress"),
            (None, _) => ("without an answer".to_owned(), "cancelled"),
            (Some(ended), Some(_)) => (ui::duration(ended - attempt.scheduled), "failed"),
            (Some(ended), None) => (ui::duration(ended - attempt.scheduled), "succeeded"),
        };
        (at, took, attempt.failure.clone(), class)
    };
    visit.attempts.iter().enumerate().map(one).collect()
}

/// As the drawing shows it, if this visit is the one that the drawing shows.
fn shown_as(seen: &Seen, chosen: &Chosen) -> Result<Markup, Trouble> {
    let statuses = seen.statuses()?;
    Ok(match statuses.nodes.get(&chosen.name) {
        Some(node) if chosen.visits.len() == 1 => ui::pill(node.status.class(), node.status.words()),
        _ => pill(chosen.end),
    })
}

pub fn pill(end: End) -> Markup {
    let (class, words) = match end {
        End::Running => ("in-progress", "In progress"),
        End::Done => ("succeeded", "Succeeded"),
        End::Caught => ("caught", "Caught error"),
        End::Failed => ("failed", "Failed"),
        End::Aborted => ("cancelled", "Cancelled"),
    };
    ui::pill(class, words)
}

/// Other visits of the same state.
fn others(chosen: &Chosen, base: &str) -> Markup {
    if chosen.visits.len() < 2 {
        return html! {};
    }
    let place = chosen.visits.iter().position(|index| *index == chosen.index).unwrap_or(0);
    let from = place.saturating_sub(VISITS_SHOWN / 2);
    html! {
        nav.visits aria-label="Visits of this state" {
            span { "Visit " (ui::number(place as u64 + 1)) " of " (ui::number(chosen.visits.len() as u64)) }
            @for (at, index) in chosen.visits.iter().enumerate().skip(from).take(VISITS_SHOWN) {
                a href={ (address(base, Some(&chosen.name), Some(&index.to_string()))) "#state" }
                  aria-current=[(at == place).then_some("true")] data-choose=(chosen.name) data-visit=(index) { (at + 1) }
            }
        }
    }
}

/// The event that holds a text, and the text.
type Data = (u64, String);

/// What the newest attempt of a task was asked, and what it answered.
fn task_of(seen: &Seen, chosen: &Chosen, events: &[HistoryEvent]) -> Option<(Data, Option<Data>)> {
    if chosen.kind != "Task" {
        return None;
    }
    let own = |event: &&HistoryEvent| seen.with(|tale| tale.visit_of_event(event.id)) == Some(chosen.index);
    let (mut asked, mut answered) = (None, None);
    for event in events.iter().filter(own) {
        match &event.kind {
            EventKind::TaskScheduled { input, .. } | EventKind::TaskScheduledInRole { input, .. } => {
                asked = Some((event.id, input.text().to_owned()));
            }
            EventKind::TaskSucceeded { output, .. } => answered = Some((event.id, output.text().to_owned())),
            _ => {}
        }
    }
    asked.map(|asked| (asked, answered))
}

/// Characters of a changed value that are shown beside its name.
const CHANGE_CHARS: usize = 400;

/// Top-level members that differ between input and output, with their new values.
fn changes(input: &str, output: &str) -> Markup {
    if input == output {
        return html! { h3 { "What changed" } p.quiet { "Nothing: the output is the input." } };
    }
    let both = (serde_json::from_str::<Value>(input), serde_json::from_str::<Value>(output));
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) = both else { return html! {} };
    let added = after.iter().filter(|(name, _)| !before.contains_key(*name)).map(|(n, v)| ("added", "+", n, Some(v)));
    let is_changed = |name: &String, value: &Value| before.get(name).is_some_and(|old| old != value);
    let changed = after.iter().filter(|(name, v)| is_changed(name, v)).map(|(n, v)| ("changed", "~", n, Some(v)));
    let removed = before.keys().filter(|name| !after.contains_key(*name)).map(|name| ("removed", "−", name, None));
    let all: Vec<_> = added.chain(changed).chain(removed).collect();
    html! {
        h3 { "What changed" span.count { (all.len()) } }
        ul.changes {
            @for (class, sign, name, value) in &all {
                li class=(class) {
                    span aria-hidden="true" { (sign) " " } span.unseen { (class) " " } strong { (name) }
                    @if let Some(value) = value { " " code { (ui::shorten(&value.to_string(), CHANGE_CHARS)) } }
                }
            }
        }
    }
}

fn not_entered(ask: &Ask, seen: &Seen) -> Result<Markup, Trouble> {
    let Some(name) = ask.query("state") else {
        return Ok(ui::empty("Nothing has happened yet", html! { p { "States are shown as they are entered." } }));
    };
    let is_known = seen.definition()?.states.iter().any(|state| *state.name == *name);
    Ok(match is_known {
        true => html! {
            section.details aria-labelledby="state-title" data-chosen=(name) {
                h2 #state-title { (name) " " (ui::pill("none", "Not entered")) }
                @match seen.runs.as_slice() {
                    [] => p.quiet { "The execution has not come here." },
                    runs => p.quiet {
                        "The execution itself has not come here. If it belongs to a Map Run, it is in the executions of that: "
                        @for run in runs { a href=(ui::path(&["map-runs", &run.plan.arn])) { "Map Run of " (run.state) } " " }
                    },
                }
            }
        },
        false => ui::empty("There is no such state", html! { p { (name) } }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed() {
        let check = |input: &str, output: &str, expect: &[&str]| {
            let shown = changes(input, output).into_string();
            for part in expect {
                assert!(shown.contains(part), "{part} is not in {shown}");
            }
            assert_eq!(shown.matches("<li").count(), expect.iter().filter(|part| part.starts_with("<li")).count());
        };
        check(
            r#"{"a":1,"b":2,"c":3}"#,
            r#"{"a":1,"b":4,"d":[5]}"#,
            &[
                "<li class=\"added\"",
                "<li class=\"changed\"",
                "<li class=\"removed\"",
                "<code>[5]</code>",
                "<code>4</code>",
            ],
        );
        check("{}", "{}", &["Nothing: the output is the input."]);
        check("1", r#"{"a":1}"#, &[]);
        check("{}", r#"{"<b>":"<i>"}"#, &["<li class=\"added\"", "&lt;b&gt;", "&lt;i&gt;"]);
    }

    #[test]
    fn addresses() {
        let check = |state, visit, expect: &str| assert_eq!(address("/x", state, visit), expect);
        check(None, None, "/x");
        check(Some("We have made your booking!"), None, "/x?state=We%20have%20made%20your%20booking%21");
        check(Some("A&B"), Some("3"), "/x?state=A%26B&visit=3");
    }
}

//! Tasks that wait for an answer from outside: who or what is waited for, until when, and forms to answer in their place.

use engine::core::TokenAnswer;
use engine::{OpenTask, TokenError};
use interpreter::{Failure, Payload, Timestamp};
use maud::{Markup, html};

use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::execution::{Seen, waits_for_an_answer};
use crate::ui;

/// Tasks with a form on one page. A Map may wait for thousands at once.
const SHOWN: usize = 10;

/// The tasks of an execution that wait for an answer, the longest first.
fn waiting(ask: &Ask, seen: &Seen) -> Result<Vec<(OpenTask, String)>, Trouble> {
    if seen.about.row.stopped_at.is_some() {
        return Ok(Vec::new());
    }
    let definition = seen.definition()?;
    let open = ask.console.reader.open_tasks(seen.id)?;
    let waiting = open.into_iter().filter_map(|task| {
        let state = definition.states.get(task.state.0 as usize)?;
        waits_for_an_answer(state).then(|| (task, state.name.to_string()))
    });
    Ok(waiting.collect())
}

pub fn part(ask: &Ask, seen: &Seen) -> Result<Markup, Trouble> {
    let waiting = waiting(ask, seen)?;
    if waiting.is_empty() {
        return Ok(html! {});
    }
    let count = ui::plural(waiting.len() as u64, "task", "tasks");
    let shown = waiting.iter().take(SHOWN);
    Ok(ui::section(
        "waiting",
        "Waiting for an answer",
        Some(count),
        html! {
            @for (task, state) in shown { (one(ask, &super::execution::address(seen), task, state, html! {})) }
            @if waiting.len() > SHOWN { p.quiet { "The first " (SHOWN) " are shown." } }
        },
    ))
}

/// One task of the execution at this address; `more` stands with what is known of it.
pub fn one(ask: &Ask, execution: &str, task: &OpenTask, state: &str, more: Markup) -> Markup {
    let address = format!("{execution}/answer");
    let number = format!("{}-{}", task.task.frame.0, task.task.attempt.0);
    let hidden = html! { input type="hidden" name="task" value=(number); };
    // Several executions may have a task of this number on one page.
    let number = format!("{number}-{}", ui::file_name(ui::name_of(execution)));
    html! {
        article.waiting data-waiting=(state) {
            h3 { (state) " " (ui::pill("waiting", if task.is_started { "Waiting for callback" } else { "Wants a worker" })) }
            p.facts {
                (more)
                @if let Some(at) = task.heartbeat_at { span { "a heartbeat is due " (until(at)) } }
                @if let Some(at) = task.timeout_at { span { "times out " (until(at)) } }
                @if task.heartbeat_at.is_none() && task.timeout_at.is_none() { span { "waits for as long as it takes" } }
            }
            // A task that was not handed over cannot be answered, though its token is known.
            @match task.token.as_ref().filter(|_| task.is_started) {
                None => p { "No worker has taken it yet. A worker that polls its activity gets it." },
                Some(token) => {
                    div.columns {
                        (ui::form(ask, &address, html! {
                            (hidden)
                            label for={ "output-" (number) } { "Output (JSON)" }
                            textarea #{ "output-" (number) } name="output" rows="3" spellcheck="false" data-json { "{}" }
                            p.hint data-json-message={ "output-" (number) } aria-live="polite" {}
                            button.primary type="submit" name="verdict" value="success" { "Answer with success" }
                        }))
                        (ui::form(ask, &address, html! {
                            (hidden)
                            label for={ "error-" (number) } { "Error" }
                            input #{ "error-" (number) } name="error" maxlength="256" autocomplete="off";
                            label for={ "cause-" (number) } { "Cause" }
                            input #{ "cause-" (number) } name="cause" maxlength="32768" autocomplete="off";
                            button.danger type="submit" name="verdict" value="failure" { "Answer with failure" }
                        }))
                    }
                    details {
                        summary { "The same from a terminal" }
                        (ui::command(&ask.ithaca(&format!("answer {} --output '{{}}'", ui::quoted(token)))))
                        (ui::command(&ask.ithaca(&format!("answer {} --error Declined --cause 'Not this time'", ui::quoted(token)))))
                    }
                },
            }
        }
    }
}

fn until(at: Timestamp) -> Markup {
    ui::moment(at)
}

/// The form of [`one`], sent.
pub fn answer(ask: &Ask) -> Outcome {
    let seen = super::execution::see(ask)?;
    let address = super::execution::address(&seen);
    let refused = |title: &str, text: String| Trouble::refused(title, text).next(&address, "Back to the execution");
    let wanted = ask.field("task").unwrap_or_default();
    let open = ask.console.reader.open_tasks(seen.id)?;
    let found = open.into_iter().find(|open| format!("{}-{}", open.task.frame.0, open.task.attempt.0) == wanted);
    let token = found.and_then(|open| open.token).ok_or_else(|| {
        refused(
            "Nobody waits for this any more",
            "It was answered by somebody else, has timed out, or was stopped.".to_owned(),
        )
    })?;
    let verdict = match ask.field("verdict") {
        Some("success") => {
            let text = ask.field("output").unwrap_or("{}");
            let output = Payload::parse(text).map_err(|error| {
                Trouble::bad("The output is not JSON", error.to_string()).next(&address, "Back to the execution")
            })?;
            TokenAnswer::Succeeded(output)
        }
        Some("failure") => TokenAnswer::Failed(Failure {
            error: ask.field("error").map(Into::into),
            cause: ask.field("cause").map(Into::into),
        }),
        _ => {
            return Err(Trouble::bad("The form is incomplete", "It says neither success nor failure.")
                .next(&address, "Back to the execution"));
        }
    };
    match tokio::runtime::Handle::current().block_on(ask.console.handle.answer(&token, verdict)) {
        Ok(()) => Ok(Answer::SeeOther(address)),
        Err(error @ TokenError::TimedOut) => Err(refused("Nobody waits for this any more", error.to_string())),
        Err(error) => Err(refused("The answer was not taken", error.to_string())),
    }
}

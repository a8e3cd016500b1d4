//! The outbox: messages, notices, events and mails that were sent, and what each of them says.

use interpreter::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::Section;
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::layout::Page;
use crate::ui;

/// Messages on the page.
const MESSAGES: usize = 50;
const SAID_CHARS: usize = 60;

/// What keeps messages.
pub trait Outbox: Send + Sync {
    /// The newest; with a text only those whose service, destination, execution or state has it.
    fn list(&self, wanted: &str, limit: usize) -> Result<Vec<Sent>, String>;

    fn get(&self, number: u64) -> Result<Option<Sent>, String>;
}

#[derive(Clone, Debug)]
pub struct Sent {
    pub number: u64,
    pub at: Timestamp,
    pub service: String,
    pub operation: String,
    pub destination: String,
    pub message_id: String,
    /// An ARN; none if a function or a client sent it.
    pub execution: Option<String>,
    pub state: Option<String>,
    /// JSON.
    pub message: String,
}

fn unreadable(why: String) -> Trouble {
    Trouble::refused("The outbox cannot be read", why).next("/console/health", "See the health")
}

pub fn page(ask: &Ask) -> Outcome {
    let wanted = ask.query("of").unwrap_or_default();
    let sent = ask.console.around.outbox.list(wanted, MESSAGES + 1).map_err(unreadable)?;
    let part = match (sent.is_empty(), wanted) {
        (true, "") => ui::empty(
            "Nothing was sent yet",
            html! {
                p { "What tasks and functions send by SQS, SNS, EventBridge and SES stands here when no other endpoint is named:" }
                (ui::command(&ask.aws("sns publish", "--topic-arn arn:aws:sns:us-east-1:000000000000:hello --message Hello")))
            },
        ),
        (true, wanted) => ui::empty(
            &format!("Nothing was sent that has {wanted}"),
            html! { p { "Service, destination, execution and state are looked through. Leave the field empty to see all." } },
        ),
        _ => list(&sent),
    };
    if ask.part().is_some() {
        return Ok(Answer::Part(part));
    }
    let count = ui::at_least(sent.len().min(MESSAGES) as u64, sent.len() > MESSAGES);
    let here = match wanted {
        "" => "/console/outbox".to_owned(),
        wanted => format!("/console/outbox?of={}", ui::part(wanted)),
    };
    let body = html! {
        h1 { "Outbox" span.count { (count) } }
        form method="get" action="/console/outbox" role="search" {
            div.row {
                div {
                    label for="of" { "Sent to, or by" }
                    input #of name="of" value=(wanted) placeholder="left empty: all messages" autocomplete="off";
                }
                button.primary type="submit" { "Find" }
            }
        }
        section aria-label="All messages" {
            (ui::live("outbox", &here, &part))
            (ui::twin(&ask.ithaca("outbox")))
        }
    };
    Ok(Answer::Page(Page::new(Section::Outbox, "Outbox", body).stream("/console/ticks")))
}

fn list(sent: &[Sent]) -> Markup {
    let rows = html! {
        @for one in sent.iter().take(MESSAGES) {
            tr data-sent=(one.number) {
                td { a href=(address(one)) { (end_of(&one.destination)) } }
                td { (one.service) }
                td { (by(one)) }
                td { (ui::shorten(&said(&one.message), SAID_CHARS)) }
                td { (ui::moment(one.at)) }
            }
        }
    };
    ui::table("Messages", &["To", "Service", "By", "Message", "Sent"], rows)
}

fn address(one: &Sent) -> String {
    ui::path(&["outbox", &one.number.to_string()])
}

/// What tells queues and topics apart.
fn end_of(destination: &str) -> &str {
    match destination.contains('@') {
        true => destination,
        false => destination.rsplit(['/', ':']).next().unwrap_or(destination),
    }
}

fn by(one: &Sent) -> Markup {
    html! {
        @match &one.execution {
            None => span.quiet { "–" },
            Some(arn) => {
                @if let Some(state) = &one.state { (state) " of " }
                a href=(ui::path(&["executions", arn])) { (ui::name_of(arn)) }
            }
        }
    }
}

/// What a message says, without what is around it.
fn said(message: &str) -> String {
    let value: Value = serde_json::from_str(message).unwrap_or_default();
    let paths = ["/MessageBody", "/Message", "/Detail", "/Message/Subject/Data", "/Content/Simple/Subject/Data"];
    paths.iter().find_map(|path| value.pointer(path)?.as_str()).unwrap_or(message).to_owned()
}

pub fn one(ask: &Ask) -> Outcome {
    let gone = || {
        Trouble::not_found("There is no such message", "It may have been kept for long enough.")
            .next("/console/outbox", "See all messages")
    };
    let number = ask.name(0).parse().map_err(|_| gone())?;
    let sent = ask.console.around.outbox.get(number).map_err(unreadable)?.ok_or_else(gone)?;
    let body = html! {
        header.title {
            h1 { (end_of(&sent.destination)) }
            p.facts {
                span { (sent.service) " " (sent.operation) }
                span { (ui::moment(sent.at)) }
                span { "by " (by(&sent)) }
                (ui::copy("Copy message ID", &sent.message_id))
                (ui::copy("Copy destination", &sent.destination))
            }
        }
        (ui::section("message", "Message", None, html! {
            p.quiet { "To " (sent.destination) }
            (ui::json(&sent.message, None))
        }))
    };
    let page =
        Page::new(Section::Outbox, end_of(&sent.destination).to_owned(), body).crumb("/console/outbox", "Outbox");
    Ok(Answer::Page(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_messages_say() {
        let check = |message: &str, expect: &str| assert_eq!(said(message), expect);
        check(r#"{"MessageBody":"m"}"#, "m");
        check(r#"{"Message":{"Subject":{"Data":"s"}}}"#, "s");
        check(r#"{"RawMessage":1}"#, r#"{"RawMessage":1}"#);
    }

    #[test]
    fn ends_of_destinations() {
        let check = |destination: &str, expect: &str| assert_eq!(end_of(destination), expect);
        check("http://localhost:4566/1/orders", "orders");
        check("arn:aws:sns:us-east-1:1:told", "told");
        check("a@x, b@x", "a@x, b@x");
    }
}

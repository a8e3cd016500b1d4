//! One state machine: its drawing, its executions, a form to start one, its definition, versions and aliases.

use std::sync::Arc;

use engine::{ExecutionId, ExecutionStatus, Filter, Machine, Row, StartError, Summary};
use interpreter::Payload;
use maud::{Markup, html};

use super::Section;
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::graph::{self, Overlay};
use crate::layout::Page;
use crate::ui;

/// Executions on one page of the list.
const PAGE: usize = 50;

pub fn page(ask: &Ask) -> Outcome {
    let machine = find(ask)?;
    if ask.part() == Some("executions") {
        return Ok(Answer::Part(executions(ask, &machine)?));
    }
    let address = ui::path(&["machines", &machine.arn]);
    let body = html! {
        header.title {
            h1 { (machine.name) }
            p.facts {
                span { @if machine.revision.is_express { "Express" } @else { "Standard" } }
                span { "changed " (ui::moment(machine.updated_at)) }
                (ui::copy("Copy ARN", &machine.arn))
            }
        }
        div.split {
            div {
                @if machine.revision.is_express {
                    (ui::section("executions", "Executions", None, express()))
                } @else {
                    (ui::live("executions", &list_address(ask, &address), &executions(ask, &machine)?))
                }
                (ui::section("start", "Start an execution", None, start_form(ask, &machine, &address, again(ask)?)))
            }
            (drawing_of(&machine, &address))
        }
        (ui::section("definition", "Definition", None, definition(&machine)))
        (ui::section("versions", "Versions and aliases", Some(ui::plural(machine.versions.len() as u64, "version", "versions") + ", " + &ui::plural(machine.aliases.len() as u64, "alias", "aliases")), versions(&machine)))
    };
    let page = Page::new(Section::Machines, &*machine.name, body)
        .crumb("/console/machines", "State machines")
        .stream("/console/live")
        .script("graph.js");
    Ok(Answer::Page(page))
}

fn find(ask: &Ask) -> Result<Arc<Machine>, Trouble> {
    let arn = ask.name(0);
    ask.console.reader.machines().get(arn)?.ok_or_else(|| {
        Trouble::not_found("There is no such state machine", format!("{arn} does not exist, or was deleted."))
            .next("/console/machines", "See all state machines")
    })
}

/// An SVG to stand in other pages and documents.
pub fn drawing(ask: &Ask) -> Outcome {
    let machine = find(ask)?;
    let svg = graph::draw(machine.revision.definition()?, &Overlay::default()).svg();
    Ok(Answer::file("image/svg+xml", svg))
}

fn drawing_of(machine: &Machine, address: &str) -> Markup {
    let inner = match machine.revision.definition() {
        Ok(definition) => {
            let link = |_: &str| "#definition".to_owned();
            ui::svg(graph::draw(definition, &Overlay::default()).svg_in_page(&link))
        }
        Err(error) => html! { p { (error.to_string()) } },
    };
    figure("State machine", inner, &format!("{address}/graph.svg"), &machine.name)
}

/// A drawing with its tools.
pub fn figure(label: &str, svg: Markup, address: &str, name: &str) -> Markup {
    html! {
        figure.graph data-graph=(name) aria-label=(label) {
            div.tools {
                button.quiet type="button" hidden data-zoom="in" title="Zoom in" aria-label="Zoom in" { "+" }
                button.quiet type="button" hidden data-zoom="out" title="Zoom out" aria-label="Zoom out" { "−" }
                button.quiet type="button" hidden data-zoom="fit" title="Show all of it" { "Fit" }
                a.button.quiet href=(address) download={ (ui::file_name(name)) ".svg" } { "SVG" }
                button.quiet type="button" hidden data-png { "PNG" }
            }
            div.canvas { (svg) }
        }
    }
}

fn list_address(ask: &Ask, address: &str) -> String {
    let given = ["status", "name", "before"]
        .iter()
        .filter_map(|name| ask.query(name).map(|value| format!("{name}={}", ui::part(value))));
    let query: Vec<String> = given.collect();
    if query.is_empty() { address.to_owned() } else { format!("{address}?{}", query.join("&")) }
}

fn executions(ask: &Ask, machine: &Machine) -> Result<Markup, Trouble> {
    let address = ui::path(&["machines", &machine.arn]);
    let status = ask.query("status").and_then(ExecutionStatus::parse);
    let counts = super::machines::counts(&ask.console, machine.number)?;
    let (sum, is_more) =
        counts.iter().fold((0, false), |(sum, more), (count, is_more)| (sum + count, more || *is_more));
    let wanted = ask.query("name").unwrap_or_default();
    let filter = html! {
        nav.filter aria-label="Executions by status" {
            a href=(address) aria-current=[status.is_none().then_some("true")] { "All " span.count { (ui::at_least(sum, is_more)) } }
            @for (known, (count, is_more)) in ExecutionStatus::ALL.into_iter().zip(counts) {
                a href={ (address) "?status=" (known.name()) } aria-current=[(status == Some(known)).then_some("true")] {
                    (ui::status_words(known).1) " " span.count { (ui::at_least(count, is_more)) }
                }
            }
            form.inline method="get" action=(address) role="search" {
                label for="by-name" { "Name" }
                input #by-name type="search" name="name" value=(wanted) placeholder="whole name" autocomplete="off";
                button type="submit" { "Find" }
            }
        }
    };
    let (rows, next) = match wanted {
        "" => {
            let before = ask.query_number("before").map(ExecutionId);
            let page =
                ask.console.reader.list(machine.number, &Filter { status, ..Filter::default() }, before, PAGE)?;
            (page.executions, page.next)
        }
        name => (by_name(ask, machine, name)?, None),
    };
    let count = Some(ui::plural(rows.len() as u64, "execution", "executions") + " shown");
    let body = html! {
        (filter)
        @if rows.is_empty() { (none(wanted, status)) } @else { (table(&rows)) }
        (pager(ask, &address, next))
    };
    Ok(ui::section("executions", "Executions", count, body))
}

/// The execution of this name: a name is found at once among millions, a piece of one is not.
fn by_name(ask: &Ask, machine: &Machine, name: &str) -> Result<Vec<Summary>, Trouble> {
    let reader = &ask.console.reader;
    let execution_arn = engine::execution_arn(&machine.arn, name);
    let Some(id) = reader.find(&execution_arn)? else { return Ok(Vec::new()) };
    Ok(vec![Summary { id, row: reader.row(id)?, execution_arn }])
}

fn none(wanted: &str, status: Option<ExecutionStatus>) -> Markup {
    match (wanted, status) {
        ("", None) => ui::empty("Nothing was started yet", html! { p { a href="#start" { "Start an execution" } } }),
        ("", Some(status)) => ui::empty(
            &format!("No execution is {}", ui::status_words(status).1.to_lowercase()),
            html! { p { "Choose another status above." } },
        ),
        (name, _) => ui::empty(
            &format!("No execution has the name {name}"),
            html! { p { "Names are compared as a whole. " code { "ithaca show" } " takes the beginning of one." } },
        ),
    }
}

fn table(rows: &[Summary]) -> Markup {
    let body = html! {
        @for summary in rows {
            tr data-execution=(summary.row.name) {
                td { a href=(ui::path(&["executions", &summary.execution_arn])) { (summary.row.name) } }
                td { (ui::status(summary.row.status)) }
                td { (ui::moment(summary.row.started_at)) }
                td.number { (took(&summary.row)) }
                td { (through(&summary.row)) }
            }
        }
    };
    ui::table("Executions", &["Name", "Status", "Started", "Duration", "Started through"], body)
}

pub fn took(row: &Row) -> Markup {
    match row.stopped_at {
        Some(stopped_at) => html! { (ui::duration(stopped_at.0 - row.started_at.0)) },
        None => ui::running_since(row.started_at),
    }
}

pub fn through(row: &Row) -> Markup {
    html! {
        @match (&row.alias, row.version) {
            (Some(alias), Some(version)) => { "alias " (alias) ", version " (version) },
            (Some(alias), None) => { "alias " (alias) },
            (None, Some(version)) => { "version " (version) },
            (None, None) => {},
        }
    }
}

fn pager(ask: &Ask, address: &str, next: Option<ExecutionId>) -> Markup {
    let status = ask.query("status").map(|status| format!("status={}&", ui::part(status))).unwrap_or_default();
    html! {
        nav.pager aria-label="Pages of executions" {
            @if ask.query("before").is_some() {
                a.button.quiet href={ (address) "?" (status.trim_end_matches('&')) } { "Newest" }
            }
            @if let Some(next) = next {
                a.button.quiet rel="next" href={ (address) "?" (status) "before=" (next.0) } { "Older" }
            }
        }
    }
}

fn express() -> Markup {
    ui::empty(
        "Express executions are not listed",
        html! { p { "As on AWS: what they did is in their log, if the state machine has one." } },
    )
}

/// The input of an execution that is to be started again.
fn again(ask: &Ask) -> Result<Option<Payload>, Trouble> {
    let Some(arn) = ask.query("again") else { return Ok(None) };
    match ask.console.reader.find(arn)? {
        Some(id) => Ok(Some(ask.console.reader.input(id)?)),
        None => Ok(None),
    }
}

fn start_form(ask: &Ask, machine: &Machine, address: &str, again: Option<Payload>) -> Markup {
    let input = again.map_or("{}".to_owned(), |input| ui::indented(input.text()));
    let inside = html! {
        label for="input" { "Input (JSON)" }
        textarea #input name="input" rows="8" spellcheck="false" data-json data-remember=(machine.arn) { (input) }
        @if ask.query("again").is_some() { p.quiet { "This is the input of " (ui::name_of(ask.query("again").unwrap_or_default())) "." } }
        p.hint data-json-message="input" aria-live="polite" {}
        div.row {
            div {
                label for="name" { "Name " span.quiet { "(may be left out)" } }
                input #name name="name" autocomplete="off" maxlength="80" placeholder="made up by Ithaca";
            }
            button.primary type="submit" { "Start" }
        }
        details {
            summary { "The same from a terminal" }
            (ui::command(&format!("ithaca start {} --input '{{}}'", ui::quoted(&machine.name))))
        }
    };
    ui::form(ask, &format!("{address}/start"), inside)
}

pub fn start(ask: &Ask) -> Outcome {
    let machine = find(ask)?;
    let back = ui::path(&["machines", &machine.arn]) + "#start";
    let refused = |title: &str, text: String| Trouble::refused(title, text).next(&back, "Back to the form");
    let input = Payload::parse(ask.field("input").unwrap_or("{}"))
        .map_err(|error| Trouble::bad("The input is not JSON", error.to_string()).next(&back, "Back to the form"))?;
    if input.size() > interpreter::limits::PAYLOAD_BYTES_MAX {
        let most = ui::bytes(interpreter::limits::PAYLOAD_BYTES_MAX);
        return Err(refused(
            "The input is too large",
            format!("It has {}, and at most {most} are taken.", ui::bytes(input.size())),
        ));
    }
    let name = ask.field("name");
    if let Some(name) = name.filter(|name| !is_name(name)) {
        let text = format!(
            "'{name}' is not taken: a name has at most 80 characters, and no spaces, brackets, wildcards or other special characters."
        );
        return Err(Trouble::bad("That cannot be the name of an execution", text).next(&back, "Back to the form"));
    }
    let runtime = tokio::runtime::Handle::current();
    if machine.revision.is_express {
        let end = runtime.block_on(ask.console.handle.start_sync(&machine.arn, name, input, None));
        return match end {
            Ok(_) => Ok(Answer::SeeOther(back)),
            Err(error) => Err(refused("It was not started", error.to_string())),
        };
    }
    match runtime.block_on(ask.console.handle.start(&machine.arn, name, input, None)) {
        Ok(started) => Ok(Answer::SeeOther(ui::path(&["executions", &started.execution_arn]))),
        Err(StartError::AlreadyExists { execution_arn }) => {
            let text = "An execution of this name has another input, or has ended.".to_owned();
            Err(Trouble::refused("The name is taken", text)
                .next(ui::path(&["executions", &execution_arn]), "See that execution"))
        }
        Err(error) => Err(refused("It was not started", error.to_string())),
    }
}

/// As AWS has it.
fn is_name(name: &str) -> bool {
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    (1..=80).contains(&name.chars().count()) && !name.contains(is_bad)
}

fn definition(machine: &Machine) -> Markup {
    let text = &machine.revision.text;
    let diagnostics = match asl::parse(text) {
        Ok(parsed) => parsed.warnings,
        Err(all) => all,
    };
    html! {
        @if diagnostics.is_empty() {
            p.quiet { (ui::plural(machine.revision.definition().map_or(0, |it| it.states.len()) as u64, "state", "states")) ", nothing to complain about." }
        } @else {
            ul.diagnostics { @for diagnostic in &diagnostics { li { (diagnostic.to_string()) } } }
        }
        details {
            summary { "Show " (ui::plural(text.lines().count() as u64, "line", "lines")) }
            (numbered(text))
        }
    }
}

/// A text with the numbers of its lines, each to be linked to.
pub fn numbered(text: &str) -> Markup {
    html! {
        pre.lines tabindex="0" {
            code { @for (line, number) in text.lines().zip(1..) { span.line #{ "L" (number) } data-line=(number) { (line) "\n" } } }
        }
    }
}

fn versions(machine: &Machine) -> Markup {
    if machine.versions.is_empty() && machine.aliases.is_empty() {
        return ui::empty(
            "No version was published",
            html! {
                p { "A version keeps this definition; an alias shares starts out among versions." }
                (ui::command(&format!("aws stepfunctions publish-state-machine-version --state-machine-arn {}", machine.arn)))
            },
        );
    }
    let versions = html! {
        @for version in machine.versions.iter().rev() {
            tr { td.number { (version.number) } td { (version.description) } td { (ui::moment(version.created_at)) } }
        }
    };
    let aliases = html! {
        @for alias in machine.aliases.values() {
            tr {
                td { (alias.name) }
                td { @for route in &alias.routes { (route.weight) " % to version " (route.version) " " } }
                td { (ui::moment(alias.updated_at)) }
            }
        }
    };
    html! {
        (ui::table("Versions", &["Version", "Description", "Published"], versions))
        @if !machine.aliases.is_empty() { (ui::table("Aliases", &["Alias", "Starts go to", "Changed"], aliases)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expect: bool| assert_eq!(is_name(name), expect, "{name}");
        check("trip-7", true);
        check("a b", false);
        check("a/b", false);
        check("", false);
        check(&"x".repeat(81), false);
    }
}

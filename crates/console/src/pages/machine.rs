//! One state machine: its drawing, its executions, a form to start one, its definition, versions and aliases.

use std::collections::HashMap;
use std::sync::Arc;

use asl::definition::{BlockId, Kind};

use engine::core::ChildEnd;
use engine::{ExecutionId, ExecutionStatus, Filter, Machine, Row, StartError, Summary};
use interpreter::Payload;
use maud::{Markup, html};

use super::Section;
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::graph::{self, Overlay};
use crate::layout::Page;
use crate::pulse;
use crate::story::Aftermath;
use crate::ui;

/// Executions on one page of the list.
const PAGE: usize = 50;

pub fn page(ask: &Ask) -> Outcome {
    let machine = find(ask)?;
    if ask.part() == Some("executions") {
        return Ok(Answer::Part(executions(ask, &machine)?));
    }
    Ok(Answer::Page(whole(ask, &machine, again(ask)?.as_deref(), None)?))
}

/// The page with this input in its form, and what is wrong with it.
fn whole(ask: &Ask, machine: &Machine, input: Option<&str>, trouble: Option<&Trouble>) -> Result<Page, Trouble> {
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
        div.split.wide {
            div {
                @if machine.revision.is_express {
                    (ui::section("executions", "Executions", None, express()))
                } @else {
                    (ui::live("executions", &list_address(ask, &address), &executions(ask, machine)?))
                }
                (ui::section("start", "Start an execution", None, start_form(ask, machine, &address, input, trouble)?))
            }
            (drawing_of(machine, &address))
        }
        (ui::section("definition", "Definition", Some(ui::plural(machine.revision.text.lines().count() as u64, "line", "lines")), definition(machine, &address)))
        (ui::section("versions", "Versions and aliases", Some(ui::plural(machine.versions.len() as u64, "version", "versions") + ", " + &ui::plural(machine.aliases.len() as u64, "alias", "aliases")), versions(machine)))
    };
    let page = Page::new(Section::Machines, &*machine.name, body)
        .crumb("/console/machines", "State machines")
        .stream("/console/live")
        .script("graph.js");
    Ok(match trouble {
        Some(trouble) => page.status(trouble.status),
        None => page,
    })
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
            let lines = lines_of_states(definition);
            let link = |name: &str| lines.get(name).map_or("#definition".to_owned(), |line| format!("#L{line}"));
            ui::svg(graph::draw(definition, &Overlay::default()).svg_in_page(&link))
        }
        Err(error) => html! { p { (error.to_string()) } },
    };
    figure("State machine", inner, &format!("{address}/graph.svg"), &machine.name)
}

/// A drawing with its tools.
pub fn figure(label: &str, svg: Markup, address: &str, name: &str) -> Markup {
    html! {
        figure.graph data-graph=(name) {
            div.tools {
                button.quiet type="button" hidden data-zoom="in" title="Zoom in" aria-label="Zoom in" { "+" }
                button.quiet type="button" hidden data-zoom="out" title="Zoom out" aria-label="Zoom out" { "−" }
                button.quiet type="button" hidden data-zoom="fit" title="Show all of it" { "Fit" }
                a.button.quiet href=(address) download={ (ui::file_name(name)) ".svg" } { "SVG" }
                button.quiet type="button" hidden data-png { "PNG" }
            }
            div.canvas tabindex="0" role="region" aria-label={ (label) ", to be scrolled" } { (svg) }
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
        @if rows.is_empty() { (none(wanted, status)) } @else { (table(ask, &rows)) }
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

/// Told from the history, so only of what ended badly.
pub fn aftermath(ask: &Ask, summary: &Summary) -> Option<Aftermath> {
    let is_bad = !matches!(summary.row.status, ExecutionStatus::Running | ExecutionStatus::Succeeded);
    is_bad.then(|| pulse::aftermath(&ask.console.reader, &summary.execution_arn)).flatten()
}

fn table(ask: &Ask, rows: &[Summary]) -> Markup {
    let has_any = rows.iter().any(|summary| summary.row.version.is_some() || summary.row.alias.is_some());
    let body = html! {
        @for summary in rows {
            tr data-execution=(summary.row.name) {
                td { a href=(ui::path(&["executions", &summary.execution_arn])) { (summary.row.name) } }
                td {
                    (ui::status(summary.row.status))
                    (ui::aftermath(aftermath(ask, summary)))
                }
                td { (ui::moment(summary.row.started_at)) }
                td.number { (took(&summary.row)) }
                @if has_any { td { (through(&summary.row)) } }
            }
        }
    };
    let head = ["Name", "Status", "Started", "Duration", "Started through"];
    ui::table("Executions", &head[..if has_any { 5 } else { 4 }], body)
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
fn again(ask: &Ask) -> Result<Option<String>, Trouble> {
    let Some(arn) = ask.query("again") else { return Ok(None) };
    match ask.console.reader.find(arn)? {
        Some(id) => Ok(Some(ui::indented(ask.console.reader.input(id)?.text()))),
        None => Ok(None),
    }
}

fn start_form(
    ask: &Ask,
    machine: &Machine,
    address: &str,
    input: Option<&str>,
    trouble: Option<&Trouble>,
) -> Result<Markup, Trouble> {
    let inside = html! {
        @if let Some(trouble) = trouble {
            div.failure role="alert" {
                strong { (trouble.title) }
                p { (trouble.text) @if let Some((address, words)) = &trouble.next { " " a href=(address) { (words) } } }
            }
        }
        label for="input" { "Input (JSON)" }
        textarea #input name="input" rows="8" spellcheck="false" data-json data-remember=(machine.arn) { (input.unwrap_or("{}")) }
        @match ask.query("again") {
            Some(of) => p.quiet { "This is the input of " (ui::name_of(of)) "." },
            None => (examples(ask, machine, address)?),
        }
        p.hint data-json-message="input" aria-live="polite" {}
        div.row {
            div {
                label for="name" { "Name " span.quiet { "(may be left out)" } }
                input #name name="name" value=(ask.field("name").unwrap_or_default()) autocomplete="off" maxlength="80" placeholder="made up by Ithaca";
            }
            button.primary type="submit" { "Start" }
        }
        details {
            summary { "The same from a terminal" }
            (ui::command(&format!("ithaca start {} --input '{{}}'", ui::quoted(&machine.name))))
        }
    };
    Ok(ui::form(ask, &format!("{address}/start#start"), inside))
}

/// Executions whose inputs are offered as a beginning.
const EXAMPLES: usize = 3;

fn examples(ask: &Ask, machine: &Machine, address: &str) -> Result<Markup, Trouble> {
    let newest = ask.console.reader.list(machine.number, &Filter::default(), None, EXAMPLES)?.executions;
    Ok(html! {
        @if !newest.is_empty() {
            p.quiet {
                "Begin with the input of "
                @for (at, summary) in newest.iter().enumerate() {
                    @if at > 0 { ", " }
                    a href={ (address) "?again=" (ui::part(&summary.execution_arn)) "#start" } { (summary.row.name) }
                }
                "."
            }
        }
    })
}

/// The form, sent. What cannot be started is shown again, with what is wrong.
pub fn start(ask: &Ask) -> Outcome {
    let machine = find(ask)?;
    match try_start(ask, &machine) {
        Ok(Begun::There(address)) => Ok(Answer::SeeOther(address)),
        Ok(Begun::Over(end)) => Ok(Answer::Page(express_end(&machine, &end))),
        Err(trouble) => Ok(Answer::Page(whole(ask, &machine, ask.field("input"), Some(&trouble))?)),
    }
}

enum Begun {
    /// At this address.
    There(String),
    /// An Express execution: it is in no list, so what came of it is told at once.
    Over(Box<ChildEnd>),
}

fn try_start(ask: &Ask, machine: &Machine) -> Result<Begun, Trouble> {
    let input = Payload::parse(ask.field("input").unwrap_or("{}"))
        .map_err(|error| Trouble::bad("The input is not JSON", error.to_string()))?;
    if input.size() > interpreter::limits::PAYLOAD_BYTES_MAX {
        let (size, most) = (ui::bytes(input.size()), ui::bytes(interpreter::limits::PAYLOAD_BYTES_MAX));
        return Err(Trouble::bad("The input is too large", format!("It has {size}, and at most {most} are taken.")));
    }
    let name = ask.field("name");
    if let Some(name) = name.filter(|name| !is_name(name)) {
        let text = format!(
            "'{name}' is not taken: a name has at most 80 characters, and no spaces, brackets, wildcards or other special characters."
        );
        return Err(Trouble::bad("That cannot be the name of an execution", text));
    }
    let refused = |error: StartError| match error {
        StartError::AlreadyExists { execution_arn } => {
            Trouble::refused("The name is taken", "An execution of this name has another input, or has ended.")
                .next(ui::path(&["executions", &execution_arn]), "See that execution")
        }
        error => Trouble::refused("It was not started", error.to_string()),
    };
    let runtime = tokio::runtime::Handle::current();
    if machine.revision.is_express {
        let end = runtime.block_on(ask.console.handle.start_sync(&machine.arn, name, input, None)).map_err(refused)?;
        return Ok(Begun::Over(Box::new(end)));
    }
    let started = runtime.block_on(ask.console.handle.start(&machine.arn, name, input, None)).map_err(refused)?;
    Ok(Begun::There(ui::path(&["executions", &started.execution_arn])))
}

fn express_end(machine: &Machine, end: &ChildEnd) -> Page {
    let address = ui::path(&["machines", &machine.arn]);
    let body = html! {
        header.title {
            h1 { (end.name) " " (ui::status(end.status)) }
            p.facts {
                span { "took " (ui::duration(end.stopped_at.0 - end.started_at.0)) }
                span { "An Express execution is not kept: this is all there is of it." }
            }
            div.actions { a.button href={ (address) "#start" } { "Start another" } }
        }
        @if let Some(failure) = &end.failure {
            div.failure {
                strong { (failure.error.as_deref().unwrap_or("It failed without an error")) }
                p { (failure.cause.as_deref().unwrap_or_default()) }
            }
        }
        @if let Some(output) = &end.output {
            (ui::section("output", "Output", Some(ui::bytes(output.size())), ui::json(output.text(), None)))
        }
        (ui::section("given", "Input", Some(ui::bytes(end.input.size())), ui::json(end.input.text(), None)))
    };
    Page::new(Section::Machines, &*end.name, body)
        .crumb("/console/machines", "State machines")
        .crumb(address, &*machine.name)
}

/// As AWS has it.
fn is_name(name: &str) -> bool {
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    (1..=80).contains(&name.chars().count()) && !name.contains(is_bad)
}

/// Lines of a definition that are shown; the whole is a file.
const LINES_MAX: usize = 2000;

fn definition(machine: &Machine, address: &str) -> Markup {
    let text = &machine.revision.text;
    let diagnostics = match asl::parse(text) {
        Ok(parsed) => parsed.warnings,
        Err(all) => all,
    };
    html! {
        @if diagnostics.is_empty() {
            p.quiet { (ui::plural(machine.revision.definition().map_or(0, |it| it.states.len()) as u64, "state", "states")) ", nothing to complain about. " a href={ (address) "/definition.json" } { "As a file" } }
        } @else {
            p { (ui::plural(diagnostics.len() as u64, "remark", "remarks")) ". " a href={ (address) "/definition.json" } { "As a file" } }
            ul.diagnostics { @for diagnostic in &diagnostics { li { a href={ "#L" (diagnostic.line) } { "line " (diagnostic.line) } " " (diagnostic.message) @if let Some(help) = &diagnostic.help { span.quiet { " " (help) } } } } }
        }
        (numbered(text))
        @if text.lines().count() > LINES_MAX { p.quiet { "The first " (ui::number(LINES_MAX as u64)) " lines are shown." } }
    }
}

pub fn definition_file(ask: &Ask) -> Outcome {
    Ok(Answer::file("application/json", find(ask)?.revision.text.to_string()))
}

/// A text with the numbers of its lines, each to be linked to.
pub fn numbered(text: &str) -> Markup {
    html! {
        pre.lines tabindex="0" {
            code { @for (line, number) in text.lines().take(LINES_MAX).zip(1..) { span.line #{ "L" (number) } data-line=(number) { (line) "\n" } } }
        }
    }
}

/// The line on which each state begins, by name.
fn lines_of_states(definition: &asl::Definition) -> HashMap<String, u32> {
    // A Map's processor may be called by its older name: the pointer that leads nowhere gives a place further up.
    let mut pointers: Vec<(String, String)> = Vec::new();
    let mut prefixes: Vec<(BlockId, String)> = vec![(asl::Definition::ROOT, String::new())];
    while let Some((block, prefix)) = prefixes.pop() {
        for id in &definition.block(block).states {
            let state = definition.state(*id);
            let pointer = format!("{prefix}/States/{}", state.name.replace('~', "~0").replace('/', "~1"));
            match &state.kind {
                Kind::Parallel(parallel) => {
                    let branches = parallel.branches.iter().enumerate();
                    prefixes.extend(branches.map(|(at, block)| (*block, format!("{pointer}/Branches/{at}"))));
                }
                Kind::Map(map) => {
                    let names = ["ItemProcessor", "Iterator"];
                    prefixes.extend(names.map(|name| (map.processor, format!("{pointer}/{name}"))));
                }
                _ => {}
            }
            pointers.push((state.name.to_string(), pointer));
        }
    }
    let wanted: Vec<&str> = pointers.iter().map(|(_, pointer)| pointer.as_str()).collect();
    let places = asl::places(&definition.text, &wanted);
    let mut lines = HashMap::new();
    for ((name, _), place) in pointers.iter().zip(places) {
        let line = lines.entry(name.clone()).or_insert(0);
        *line = place.map_or(*line, |(found, _)| found.max(*line));
    }
    lines
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
    fn lines() {
        let text = r#"{"StartAt":"A","States":{
            "A":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"B/1","States":{
                "B/1":{"Type":"Map","End":true,
                    "Iterator":{"StartAt":"C","States":{
                        "C":{"Type":"Succeed"}}}}}}]}}}"#;
        let definition = asl::parse(text).map(|parsed| parsed.definition).expect("it is a good definition");
        let mut found: Vec<_> = lines_of_states(&definition).into_iter().collect();
        found.sort();
        assert_eq!(found, [("A".to_owned(), 2), ("B/1".to_owned(), 3), ("C".to_owned(), 5)]);
    }

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

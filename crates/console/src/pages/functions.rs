//! Functions: how they are set, what they did lately, what they logged, and a form that invokes one.

use std::collections::BTreeMap;

use interpreter::{Payload, Timestamp};
use maud::{Markup, html};

use super::Section;
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::layout::Page;
use crate::ui;

/// Invocations and lines on a page, the newest.
const INVOCATIONS: usize = 20;
const LINES: usize = 200;

/// What the Lambda host knows.
pub trait Functions: Send + Sync {
    /// By name.
    fn list(&self) -> Vec<Function>;

    fn get(&self, name: &str) -> Option<Function>;

    /// What it logged lately, the oldest first.
    fn logs(&self, name: &str) -> Vec<LogLine>;

    /// Runs it and waits for its answer; the error is why it was not run.
    fn invoke(&self, name: &str, payload: &str) -> Result<Invoked, String>;
}

#[derive(Clone, Debug, Default)]
pub struct Function {
    pub name: String,
    pub arn: String,
    pub description: String,
    pub runtime: String,
    pub handler: String,
    pub architecture: String,
    pub memory_mb: u32,
    pub timeout_seconds: u32,
    pub reserved_concurrency: Option<u32>,
    pub environment: Vec<(String, String)>,
    /// The ARNs of its layers' versions.
    pub layers: Vec<String>,
    /// The newest last.
    pub versions: Vec<String>,
    /// Each with the version it stands for.
    pub aliases: Vec<(String, String)>,
    pub code_bytes: u64,
    /// As Lambda tells it.
    pub changed_at: String,
    /// Processes that live, those of them that wait for work, and invocations that wait for a process.
    pub processes: usize,
    pub idle: usize,
    pub waiting: usize,
}

#[derive(Clone, Debug)]
pub struct LogLine {
    pub at: Timestamp,
    /// The host, not the function, wrote it: START, END, REPORT.
    pub is_platform: bool,
    pub text: String,
}

#[derive(Clone, Debug)]
pub struct Invoked {
    pub payload: String,
    /// It ran and failed.
    pub error: Option<String>,
    pub took_ms: i64,
}

pub fn page(ask: &Ask) -> Outcome {
    let functions = ask.console.around.functions.list();
    let part = match functions.is_empty() {
        true => ui::empty(
            "There is no function yet",
            html! { p { "A template with functions brings them:" } (ui::command("ithaca up PATH-OF-A-TEMPLATE")) },
        ),
        false => table(&functions),
    };
    if ask.part().is_some() {
        return Ok(Answer::Part(part));
    }
    let body = html! {
        h1 { "Functions" span.count { (ui::number(functions.len() as u64)) } }
        section aria-label="All functions" {
            (ui::live("functions", "/console/functions", &part))
            (ui::twin(&ask.aws("lambda list-functions", "")))
        }
    };
    Ok(Answer::Page(Page::new(Section::Functions, "Functions", body).stream("/console/live")))
}

/// AWS writes the moment of a change with a zone of four digits.
fn changed(at: &str) -> Markup {
    match asl::timestamp::parse(&at.replace("+0000", "Z")) {
        Some(ms) => ui::moment(Timestamp(ms)),
        None => html! { (at) },
    }
}

fn table(functions: &[Function]) -> Markup {
    let rows = html! {
        @for function in functions {
            tr data-function=(function.name) {
                td { a href=(address(&function.name)) { (function.name) } }
                td { (function.runtime) }
                td.number { (function.memory_mb) " MB" }
                td.number { (function.timeout_seconds) " s" }
                td.number.zero[function.processes == 0] { (function.processes) }
                td.number.zero[function.waiting == 0] { (function.waiting) }
                td.number { (ui::bytes(function.code_bytes as usize)) }
            }
        }
    };
    ui::table("Functions", &["Name", "Runtime", "Memory", "Timeout", "Processes", "Waiting", "Code"], rows)
}

fn address(name: &str) -> String {
    ui::path(&["functions", name])
}

fn find(ask: &Ask) -> Result<Function, Trouble> {
    let name = ask.name(0);
    ask.console.around.functions.get(name).ok_or_else(|| {
        Trouble::not_found("There is no such function", format!("{name} does not exist, or was deleted."))
            .next("/console/functions", "See all functions")
    })
}

pub fn one(ask: &Ask) -> Outcome {
    let function = find(ask)?;
    match ask.part() {
        Some("work") => Ok(Answer::Part(work(ask, &function))),
        Some(other) => Err(Trouble::not_found("There is no such part", other.to_owned())),
        None => Ok(Answer::Page(detail(ask, &function, None))),
    }
}

fn detail(ask: &Ask, function: &Function, told: Option<Markup>) -> Page {
    let address = address(&function.name);
    let body = html! {
        header.title {
            h1 { (function.name) }
            p.facts {
                span { (function.runtime) }
                @if !function.description.is_empty() { span { (function.description) } }
                span { "changed " (changed(&function.changed_at)) }
                (ui::copy("Copy ARN", &function.arn))
            }
        }
        div.columns {
            (ui::section("invoke", "Invoke it", None, html! {
                @if let Some(told) = told { (told) }
                (invoke_form(ask, function, &address))
            }))
            (ui::section("settings", "Configuration", None, settings(ask, function)))
        }
        (ui::live("work", &address, &work(ask, function)))
    };
    Page::new(Section::Functions, &*function.name, body)
        .crumb("/console/functions", "Functions")
        .stream("/console/ticks")
}

fn settings(ask: &Ask, function: &Function) -> Markup {
    html! {
        dl {
            dt { "ARN" } dd { (function.arn) }
            dt { "Handler" } dd { (function.handler) }
            dt { "Architecture" } dd { (function.architecture) }
            dt { "Memory" } dd { (function.memory_mb) " MB" }
            dt { "Timeout" } dd { (function.timeout_seconds) " s" }
            dt { "Concurrency" } dd {
                @match function.reserved_concurrency {
                    Some(limit) => { (limit) " at most" },
                    None => "as many as the host has room for",
                }
            }
            dt { "Code" } dd { (ui::bytes(function.code_bytes as usize)) }
            @if !function.layers.is_empty() {
                dt { "Layers" } dd { @for arn in &function.layers { div { (layer(arn)) } } }
            }
            @if !function.versions.is_empty() {
                dt { "Versions" } dd { (function.versions.join(", ")) }
            }
            @if !function.aliases.is_empty() {
                dt { "Aliases" } dd { @for (name, version) in &function.aliases { div { (name) " → " (version) } } }
            }
        }
        details {
            summary { (ui::plural(function.environment.len() as u64, "variable", "variables")) " of its environment" }
            // They may hold secrets, so they stand here only when somebody opens them.
            dl { @for (name, value) in &function.environment { dt { code { (name) } } dd { code { (value) } } } }
        }
        (ui::twin(&ask.aws("lambda get-function-configuration", &format!("--function-name {}", ui::quoted(&function.name)))))
    }
}

/// Its name and version.
fn layer(arn: &str) -> &str {
    arn.split_once(":layer:").map_or(arn, |(_, name)| name)
}

fn invoke_form(ask: &Ask, function: &Function, address: &str) -> Markup {
    let payload = ask.field("payload").unwrap_or("{}");
    let inside = html! {
        label for="payload" { "Payload (JSON)" }
        textarea #payload name="payload" rows="6" spellcheck="false" data-json data-remember=(function.arn) { (payload) }
        p.hint data-json-message="payload" aria-live="polite" {}
        div.actions { button.primary type="submit" { "Invoke" } }
    };
    html! {
        (ui::form(ask, &format!("{address}/invoke"), inside))
        (ui::following("payload", |payload| ask.aws("lambda invoke", &format!(
            "--function-name {} --cli-binary-format raw-in-base64-out --payload {payload} answer.json",
            ui::quoted(&function.name),
        )), payload))
    }
}

/// An action: the page again, with the answer on it.
pub fn invoke(ask: &Ask) -> Outcome {
    let function = find(ask)?;
    let back = address(&function.name);
    let payload = ask.field("payload").unwrap_or("{}");
    Payload::parse(payload)
        .map_err(|error| Trouble::bad("The payload is not JSON", error.to_string()).next(&back, "Back to the form"))?;
    let invoked = ask.console.around.functions.invoke(&function.name, payload);
    let invoked = invoked.map_err(|why| Trouble::refused("It was not run", why).next(&back, "Back to the form"))?;
    let told = html! {
        div role="status" data-answer {
            p {
                @match &invoked.error {
                    None => (ui::pill("succeeded", "Answered")),
                    Some(error) => { (ui::pill("failed", "Failed")) " " (error) },
                }
                " after " (ui::duration(invoked.took_ms))
            }
            (ui::json(&invoked.payload, None))
        }
    };
    Ok(Answer::Page(detail(ask, &function, Some(told))))
}

/// What changes by itself: processes, invocations, lines.
fn work(ask: &Ask, function: &Function) -> Markup {
    let lines = ask.console.around.functions.logs(&function.name);
    let invocations = invocations(&lines);
    let shown: Vec<&Invocation> = invocations.iter().rev().take(INVOCATIONS).collect();
    let count = format!("the last {} of {} in the log's memory", shown.len(), ui::number(invocations.len() as u64));
    let newest = &lines[lines.len().saturating_sub(LINES)..];
    html! {
        ul.cards aria-label="Now" {
            (ui::card("in-progress", "Processes", &ui::number(function.processes as u64)))
            (ui::card("none", "Wait for work", &ui::number(function.idle as u64)))
            (ui::card("waiting", "Invocations that wait", &ui::number(function.waiting as u64)))
        }
        (ui::section("invocations", "Recent invocations", Some(count), list(&shown)))
        (ui::section("log", "Log", Some(format!("the last {} of {}", ui::plural(newest.len() as u64, "line", "lines"), ui::number(lines.len() as u64))), log(newest, &function.name)))
    }
}

fn list(invocations: &[&Invocation]) -> Markup {
    if invocations.is_empty() {
        return ui::empty("It has not run since Ithaca was started", html! { p { a href="#invoke" { "Invoke it" } } });
    }
    let rows = html! {
        @for invocation in invocations {
            tr {
                td { code { (invocation.request_id) } }
                td { (invocation.pill()) }
                td { (ui::moment(invocation.at)) }
                td.number { (invocation.duration) }
                td.number { (invocation.memory) }
            }
        }
    };
    ui::table("Recent invocations", &["Request", "Status", "Started", "Duration", "Memory, most"], rows)
}

fn log(lines: &[LogLine], name: &str) -> Markup {
    if lines.is_empty() {
        return ui::empty(
            "Nothing was logged yet",
            html! { p { "What the function writes to standard output and error stands here, and in " code { "functions/" (name) "/log" } " of the data folder." } },
        );
    }
    html! {
        pre.log tabindex="0" aria-label="Log lines" {
            code {
                @for line in lines {
                    span.line.platform[line.is_platform] { time datetime=(asl::timestamp::format(line.at.0)) { (&asl::timestamp::format(line.at.0)[11..23]) } " " (line.text) "\n" }
                }
            }
        }
        (ui::twin("ithaca up --logs"))
    }
}

/// What the log's START and REPORT lines say of one.
#[derive(Debug, PartialEq)]
struct Invocation {
    request_id: String,
    at: Timestamp,
    /// Empty while it runs.
    duration: String,
    memory: String,
    error: Option<String>,
}

impl Invocation {
    fn pill(&self) -> Markup {
        match &self.error {
            _ if self.duration.is_empty() => ui::pill("in-progress", "Running"),
            Some(error) => ui::pill("failed", &format!("Failed: {error}")),
            None => ui::pill("succeeded", "Ended"),
        }
    }
}

/// The oldest first.
fn invocations(lines: &[LogLine]) -> Vec<Invocation> {
    let mut found: Vec<Invocation> = Vec::new();
    let mut places = BTreeMap::new();
    for line in lines.iter().filter(|line| line.is_platform) {
        if let Some(rest) = line.text.strip_prefix("START RequestId: ") {
            let request_id = rest.split(' ').next().unwrap_or_default().to_owned();
            places.insert(request_id.clone(), found.len());
            let (duration, memory) = (String::new(), String::new());
            found.push(Invocation { request_id, at: line.at, duration, memory, error: None });
        } else if let Some(rest) = line.text.strip_prefix("REPORT RequestId: ") {
            let mut fields = rest.split('\t');
            let Some(place) = fields.next().and_then(|id| places.get(id)) else { continue };
            for (name, value) in fields.filter_map(|field| field.split_once(": ")) {
                match name {
                    "Duration" => found[*place].duration = value.to_owned(),
                    "Max Memory Used" => found[*place].memory = value.to_owned(),
                    "Status" => found[*place].error = Some(value.to_owned()),
                    // It comes after the status and says more.
                    "Error Type" => found[*place].error = Some(value.to_owned()),
                    _ => {}
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invocations_out_of_a_log() {
        let line = |at: i64, text: &str| LogLine { at: Timestamp(at), is_platform: true, text: text.to_owned() };
        let lines = [
            line(1, "START RequestId: a Version: $LATEST"),
            line(2, "START RequestId: b Version: $LATEST"),
            LogLine { at: Timestamp(3), is_platform: false, text: "START RequestId: c".to_owned() },
            line(
                4,
                "REPORT RequestId: b\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 9 MB\tStatus: timeout",
            ),
            line(5, "REPORT RequestId: before\tDuration: 1.50 ms"),
            line(6, "START RequestId: d Version: $LATEST"),
            line(7, "REPORT RequestId: d\tDuration: 2 ms\tMax Memory Used: 9 MB\tStatus: error\tError Type: NoRoom"),
        ];
        let expect = |id: &str, at: i64, duration: &str, memory: &str, error: Option<&str>| Invocation {
            request_id: id.to_owned(),
            at: Timestamp(at),
            duration: duration.to_owned(),
            memory: memory.to_owned(),
            error: error.map(str::to_owned),
        };
        let all = [
            expect("a", 1, "", "", None),
            expect("b", 2, "1.50 ms", "9 MB", Some("timeout")),
            expect("d", 6, "2 ms", "9 MB", Some("NoRoom")),
        ];
        assert_eq!(invocations(&lines), all);
    }
}

//! APIs: where they listen, where their routes lead, and a form that calls one.
//!
//! A call goes in memory to what the API's own port would answer. What it starts is shown below its answer, since a saga
//! is usually started by a request that says nothing of it. The travel example's six ways are a button each.

use engine::{Summary, execution_arn};
use interpreter::Timestamp;
use maud::{Markup, html};

use super::Section;
use super::machines::count_all;
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::layout::Page;
use crate::ui;

/// Executions that a call may have started, as many as are shown.
const STARTED: usize = 5;

/// What API Gateway's door knows.
pub trait Apis: Send + Sync {
    fn list(&self) -> Vec<Api>;

    /// What the API answers; the error is why it could not be asked.
    fn call(&self, id: &str, method: &str, path: &str, body: &str) -> Result<Called, String>;
}

#[derive(Clone, Debug)]
pub struct Api {
    pub id: String,
    pub name: String,
    pub stage: String,
    /// On a port of its own.
    pub url: Option<String>,
    pub routes: Vec<Route>,
}

#[derive(Clone, Debug)]
pub struct Route {
    pub method: String,
    pub path: String,
    /// What it calls, for people.
    pub target: String,
    /// If that is a function.
    pub function_arn: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Called {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub took_ms: i64,
}

/// The ways of a saga that is known by the name of its machine.
struct Example {
    machine: &'static str,
    what: &'static str,
    /// The word for a way, what people read, and the path that goes it; `{}` is a new trip.
    ways: &'static [(&'static str, &'static str)],
}

const TRAVEL: Example = Example {
    machine: "BookingSaga",
    what: "Six ways to travel",
    ways: &[
        ("success", "All goes well"),
        ("failHotelReservation", "Hotel cannot be reserved"),
        ("failFlightsReservation", "Flight cannot be reserved"),
        ("failPayment", "Payment fails"),
        ("failHotelConfirmation", "Hotel cannot be confirmed"),
        ("failFlightsConfirmation", "Flight cannot be confirmed"),
    ],
};

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

pub fn page(ask: &Ask) -> Outcome {
    let apis = ask.console.around.apis.list();
    let body = html! {
        h1 { "APIs" span.count { (ui::number(apis.len() as u64)) } }
        @if apis.is_empty() {
            (ui::empty("There is no API yet", html! { p { "A template with events of the type Api, or an AWS::ApiGateway::RestApi, brings one:" } (ui::command("ithaca up PATH-OF-A-TEMPLATE")) }))
        }
        @for api in &apis { (shown(ask, api)?) }
    };
    Ok(Answer::Page(Page::new(Section::Apis, "APIs", body)))
}

fn shown(ask: &Ask, api: &Api) -> Result<Markup, Trouble> {
    let id = format!("api-{}", api.id);
    let body = html! {
        p.facts {
            @if let Some(url) = &api.url { a href=(url) rel="noreferrer" { (url) } (ui::copy("Copy URL", url)) }
            span { "stage " (api.stage) }
        }
        (routes(api))
        div.actions { a.button href=(address(&api.id)) { "Try it" } }
    };
    let count = Some(ui::plural(api.routes.len() as u64, "route", "routes"));
    Ok(html! {
        (ui::section(&id, &api.name, count, body))
        @if is_travel(ask, api)? { (ways(ask, api)) }
    })
}

fn routes(api: &Api) -> Markup {
    let rows = html! {
        @for route in &api.routes {
            tr {
                td { code { (route.method) } }
                td { code { (route.path) } }
                td { (target(route)) }
            }
        }
    };
    ui::table("Routes", &["Method", "Path", "Calls"], rows)
}

fn target(route: &Route) -> Markup {
    match &route.function_arn {
        Some(arn) => {
            let (function, called) = function_of(arn);
            html! { a href=(ui::path(&["functions", function])) { (called) } }
        }
        None => html! { code { (route.target) } },
    }
}

/// The function that an ARN names, and the same with the version or alias that is called.
fn function_of(arn: &str) -> (&str, &str) {
    let called = arn.split_once(":function:").map_or(arn, |(_, called)| called);
    (called.split(':').next().unwrap_or(called), called)
}

fn address(id: &str) -> String {
    ui::path(&["apis", id])
}

fn find(ask: &Ask) -> Result<Api, Trouble> {
    let id = ask.name(0);
    ask.console.around.apis.list().into_iter().find(|api| api.id == id).ok_or_else(|| {
        Trouble::not_found("There is no such API", format!("{id} is not deployed."))
            .next("/console/apis", "See all APIs")
    })
}

/// Is there a machine of the example's in the stack that the API is of? Names of a stack begin with its own.
fn is_travel(ask: &Ask, api: &Api) -> Result<bool, Trouble> {
    let machines = ask.console.reader.machines().list();
    let stack = |name: &str| name.split('-').next().unwrap_or_default().to_owned();
    let arns = api.routes.iter().filter_map(|route| route.function_arn.as_deref());
    let functions: Vec<String> = arns.map(|arn| stack(function_of(arn).0)).collect();
    Ok(machines
        .iter()
        .any(|machine| machine.name.ends_with(TRAVEL.machine) && functions.contains(&stack(&machine.name))))
}

fn ways(ask: &Ask, api: &Api) -> Markup {
    let form = |way: &str, words: &str| {
        let path = format!("/?runType={way}&tripID={}", new_trip());
        let inside = html! {
            input type="hidden" name="method" value="GET";
            input type="hidden" name="path" value=(path);
            button type="submit" data-way=(way) title=(way) { (words) }
        };
        ui::form(ask, &format!("{}/call", address(&api.id)), inside)
    };
    let body = html! {
        p { "Each books a new trip. Watch the execution that it starts, and the rows of the trip." }
        div.actions { @for (way, words) in TRAVEL.ways { (form(way, words)) } }
        @if let Some(url) = &api.url { (ui::twin(&format!("curl '{url}/?runType=failPayment&tripID=trip-1'"))) }
    };
    ui::section("ways", TRAVEL.what, Some(format!("{} run types", TRAVEL.ways.len())), body)
}

/// Nobody has gone it before: ids of trips are told apart by chance.
fn new_trip() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("trip-{:08x}", RandomState::new().hash_one(0) as u32)
}

pub fn one(ask: &Ask) -> Outcome {
    let api = find(ask)?;
    Ok(Answer::Page(detail(ask, &api, None)?))
}

fn detail(ask: &Ask, api: &Api, told: Option<Markup>) -> Result<Page, Trouble> {
    let body = html! {
        header.title {
            h1 { (api.name) }
            p.facts {
                @if let Some(url) = &api.url { a href=(url) rel="noreferrer" { (url) } (ui::copy("Copy URL", url)) }
                span { "stage " (api.stage) }
            }
        }
        @if let Some(told) = told { (told) }
        @if is_travel(ask, api)? { (ways(ask, api)) }
        div.columns {
            (ui::section("call", "Call it", None, call_form(ask, api)))
            (ui::section("routes", "Routes", Some(ui::number(api.routes.len() as u64)), routes(api)))
        }
    };
    Ok(Page::new(Section::Apis, &*api.name, body).crumb("/console/apis", "APIs").stream("/console/live"))
}

fn call_form(ask: &Ask, api: &Api) -> Markup {
    let method = ask.field("method").unwrap_or("GET");
    let path = ask.field("path").unwrap_or("/");
    let sent = ask.field("body").unwrap_or_default();
    let inside = html! {
        div.row {
            div.narrow {
                label for="method" { "Method" }
                select #method name="method" { @for known in METHODS { option value=(known) selected[known == method] { (known) } } }
            }
            div {
                label for="path" { "Path and query" }
                input #path name="path" value=(path) autocomplete="off" spellcheck="false";
            }
        }
        label for="body" { "Body " span.quiet { "(may be left out)" } }
        textarea #body name="body" rows="4" spellcheck="false" { (sent) }
        div.actions { button.primary type="submit" { "Call" } }
    };
    let data = if sent.is_empty() { String::new() } else { format!(" --data {}", ui::quoted(sent)) };
    let url = api.url.as_deref().unwrap_or("http://ADDRESS-OF-THE-API");
    html! {
        (ui::form(ask, &format!("{}/call", address(&api.id)), inside))
        (ui::twin(&format!("curl -X {method} {}{data}", ui::quoted(&format!("{url}{path}")))))
    }
}

/// An action: the page again, with the answer on it.
pub fn call(ask: &Ask) -> Outcome {
    let api = find(ask)?;
    let back = address(&api.id);
    let path = ask.field("path").unwrap_or("/");
    let method = ask.field("method").unwrap_or("GET");
    if !path.starts_with('/') {
        return Err(Trouble::bad("That is no path", format!("'{path}' is to begin with a slash."))
            .next(&back, "Back to the form"));
    }
    let since = engine::now();
    let called = ask.console.around.apis.call(&api.id, method, path, ask.field("body").unwrap_or_default());
    let called = called.map_err(|why| Trouble::bad("It could not be called", why).next(&back, "Back to the form"))?;
    let started = started(ask, since)?;
    let told = html! {
        section.answer role="status" aria-label="The answer" data-answer {
            p {
                (ui::pill(if called.status < 400 { "succeeded" } else { "failed" }, &called.status.to_string()))
                " " code { (method) " " (path) } " after " (ui::duration(called.took_ms))
            }
            (ui::json(&called.body, None))
            details {
                summary { (ui::plural(called.headers.len() as u64, "header", "headers")) }
                dl { @for (name, value) in &called.headers { dt { code { (name) } } dd { code { (value) } } } }
            }
            (led_to(ask, &started, path))
        }
    };
    Ok(Answer::Page(detail(ask, &api, Some(told))?))
}

/// Executions that have begun since, the newest first.
fn started(ask: &Ask, since: Timestamp) -> Result<Vec<Summary>, Trouble> {
    let counted = count_all(&ask.console)?;
    let mut found = Vec::new();
    for (machine, _) in &counted.machines {
        found.extend(ask.console.reader.list(machine.number, &Default::default(), None, STARTED)?.executions);
    }
    found.retain(|summary| summary.row.started_at >= since);
    found.sort_by_key(|summary| std::cmp::Reverse(summary.id));
    found.truncate(STARTED);
    Ok(found)
}

fn led_to(ask: &Ask, started: &[Summary], path: &str) -> Markup {
    let trip = path.split("tripID=").nth(1).map(|rest| rest.split('&').next().unwrap_or(rest));
    let table = || {
        let told = ask.console.around.tables.call("ListTables", serde_json::json!({})).ok()?;
        let names = told["TableNames"].as_array()?.iter().filter_map(|name| name.as_str()).collect::<Vec<_>>();
        names.into_iter().find(|name| name.ends_with("BookingsTable")).map(str::to_owned)
    };
    html! {
        @if started.is_empty() {
            p.quiet { "No execution was started meanwhile." }
        } @else {
            p { "Started meanwhile: " (ui::plural(started.len() as u64, "execution", "executions")) }
            ul.links {
                @for summary in started {
                    li {
                        a href=(ui::path(&["executions", &execution_arn(&summary.row.machine_arn, &summary.row.name)])) data-started { (ui::name_of(&summary.row.machine_arn)) " " (summary.row.name) }
                        " " (ui::status(summary.row.status))
                    }
                }
                @if let Some((trip, table)) = trip.and_then(|trip| Some((trip, table()?))) {
                    li { a href={ (ui::path(&["tables", &table])) "?hash=" (ui::part(trip)) } data-rows { "Rows of " (trip) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_routes() {
        let arn = |called: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:{called}");
        for (called, function) in [("app-Web", "app-Web"), ("app-Web:live", "app-Web"), ("app-Web:3", "app-Web")] {
            assert_eq!(function_of(&arn(called)), (function, called));
        }
    }

    #[test]
    fn trips_are_new() {
        let (one, other) = (new_trip(), new_trip());
        assert_ne!(one, other);
        assert_eq!(ui::part(&one), one, "it can stand in a query as it is");
    }
}

//! The pages: one file each, and the two tables that make them known.
//!
//! To add a page: a file here with a function from [`Ask`] to [`Outcome`]; its row in [`ROUTES`]; if it begins a part
//! of the console, a variant of [`Section`] and a row in [`SECTIONS`]. Parts to build it from are in [`crate::ui`].

mod apis;
mod callbacks;
mod events;
mod execution;
mod functions;
mod health;
mod machine;
mod machines;
mod map_run;
mod outbox;
mod overview;
mod state;
mod tables;
mod timeline;
mod waiting;

pub use apis::{Api, Apis, Called, Route as ApiRoute};
pub use functions::{Function, Functions, Invoked, LogLine};
pub use health::{Fact, Group, Health};
pub use outbox::{Outbox, Sent};
pub use tables::{TableError, Tables};

use crate::answer::{Answer, Outcome};
use crate::ask::Ask;
use crate::live;
use crate::route::{Route, get, post};

/// What the navigation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// A page that belongs nowhere, such as an error.
    None,
    Overview,
    Machines,
    Waiting,
    Functions,
    Tables,
    Apis,
    Outbox,
    Health,
}

pub const SECTIONS: &[(Section, &str, &str)] = &[
    (Section::Overview, "/console", "Overview"),
    (Section::Machines, "/console/machines", "State machines"),
    (Section::Waiting, "/console/waiting", "Waiting"),
    (Section::Functions, "/console/functions", "Functions"),
    (Section::Tables, "/console/tables", "Tables"),
    (Section::Apis, "/console/apis", "APIs"),
    (Section::Outbox, "/console/outbox", "Outbox"),
    (Section::Health, "/console/health", "Health"),
];

pub const ROUTES: &[Route] = &[
    get("/", overview::page),
    get("/console", overview::page),
    get("/console/live", changes),
    get("/console/ticks", ticks),
    get("/console/waiting", callbacks::page),
    get("/console/functions", functions::page),
    get("/console/functions/{}", functions::one),
    post("/console/functions/{}/invoke", functions::invoke),
    get("/console/tables", tables::page),
    get("/console/tables/{}", tables::one),
    get("/console/tables/{}/item", tables::item),
    get("/console/apis", apis::page),
    get("/console/apis/{}", apis::one),
    post("/console/apis/{}/call", apis::call),
    get("/console/outbox", outbox::page),
    get("/console/outbox/{}", outbox::one),
    get("/console/health", health::page),
    get("/console/machines", machines::page),
    get("/console/machines/{}", machine::page),
    get("/console/machines/{}/graph.svg", machine::drawing),
    get("/console/machines/{}/definition.json", machine::definition_file),
    post("/console/machines/{}/start", machine::start),
    get("/console/executions/{}", execution::page),
    get("/console/executions/{}/graph.svg", execution::drawing),
    get("/console/executions/{}/live", execution::stream),
    get("/console/executions/{}/events", events::page),
    get("/console/executions/{}/events/{}", events::event),
    get("/console/executions/{}/events/{}/data.json", events::data),
    get("/console/map-runs/{}", map_run::page),
    post("/console/executions/{}/answer", waiting::answer),
    post("/console/executions/{}/stop", execution::stop),
    post("/console/executions/{}/redrive", execution::redrive),
];

/// For pages whose subject tells nobody when it changes.
fn ticks(_: &Ask) -> Outcome {
    Ok(Answer::Events(live::ticks()))
}

/// The stream of the whole: something has started or ended.
fn changes(ask: &Ask) -> Outcome {
    Ok(Answer::Events(live::changes(&ask.console)))
}

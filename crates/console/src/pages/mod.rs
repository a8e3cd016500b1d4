//! The pages: one file each, and the two tables that make them known.
//!
//! To add a page: a file here with a function from [`Ask`] to [`Outcome`]; its row in [`ROUTES`]; if it begins a part
//! of the console, a variant of [`Section`] and a row in [`SECTIONS`]. Parts to build it from are in [`crate::ui`].

mod events;
mod execution;
mod machine;
mod machines;
mod map_run;
mod overview;
mod state;
mod timeline;
mod waiting;

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
}

pub const SECTIONS: &[(Section, &str, &str)] =
    &[(Section::Overview, "/console", "Overview"), (Section::Machines, "/console/machines", "State machines")];

pub const ROUTES: &[Route] = &[
    get("/", overview::page),
    get("/console", overview::page),
    get("/console/live", changes),
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

/// The stream of the whole: something has started or ended.
fn changes(ask: &Ask) -> Outcome {
    Ok(Answer::Events(live::changes(&ask.console)))
}

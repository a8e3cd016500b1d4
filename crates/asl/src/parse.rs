//! Text in; a [`Definition`] or every diagnostic at once out.
//!
//! ```text
//! text -> locate (depth, repeated keys) -> serde_json -> outline (names of all blocks)
//!      -> one file per state type -> validate (the whole graph) -> line and column of what is wrong
//! ```
//!
//! Names are collected before any state is read, so a transition is resolved with one hash lookup and a machine
//! of ten thousand states is read in linear time. Nothing recurses over states: blocks stand in a list, and the
//! depth of the JSON itself is limited before it is parsed, so no hostile text reaches the end of the stack.
//! Places are chains on the stack ([`at::At`]) that are written out only when something is wrong there.
//!
//! The words of the diagnostics are those that AWS answers, where they are known; `help` is ours.
//! Knows nothing of execution, and takes no YAML.

mod at;
mod catch;
mod choice;
mod distributed;
mod errors;
mod fail;
mod fields;
mod language;
mod map;
mod outline;
mod parallel;
mod pass;
mod query;
mod report;
mod resource;
mod retry;
mod schema;
mod state;
mod succeed;
mod syntax;
mod task;
mod wait;

pub(crate) use at::{At, write_token};
pub(crate) use outline::Outline;
pub(crate) use report::{Problem, Report, code};
pub(crate) use state::{Links, Parser};
pub(crate) use syntax::NOT_AN_OBJECT;
pub use syntax::syntax_message;

use serde_json::{Map, Value};

use crate::definition::Definition;
use crate::diagnostic::{Diagnostic, Severity};
use crate::{locate, validate};

/// The quota of AWS on `definition`, in characters.
pub const DEFINITION_CHARS_MAX: usize = 1_048_576;

/// How deep objects and arrays may nest. A level of Parallel takes four, so this is thirty of them; below the
/// 128 at which serde_json stops, so that the answer is ours.
pub const DEPTH_MAX: usize = 120;

/// The length of a state's name, in characters (Amazon States Language specification, "States").
pub const STATE_NAME_CHARS_MAX: usize = 80;

/// AWS answers 100; a person mends no more than this at a time. Bounds what a hostile text costs.
pub const DIAGNOSTICS_MAX: usize = 1000;

/// Which kind of state machine the text is for; a few rules differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MachineType {
    #[default]
    Standard,
    Express,
}

/// A definition that can be run, and what is worth saying about it all the same.
#[derive(Debug)]
pub struct Parsed {
    pub definition: Definition,
    pub warnings: Vec<Diagnostic>,
}

/// Reads the definition of a Standard state machine.
pub fn parse(text: &str) -> Result<Parsed, Vec<Diagnostic>> {
    parse_as(text, MachineType::Standard)
}

/// As [`parse`], for a state machine of this type. The errors hold warnings too, after them.
pub fn parse_as(text: &str, machine: MachineType) -> Result<Parsed, Vec<Diagnostic>> {
    let root = syntax::object(text).map_err(|diagnostic| vec![diagnostic])?;
    let mut report = Report::default();
    let definition = read(text, &root, machine, &mut report);
    let diagnostics = report.finish(text);
    match definition {
        Some(definition) if diagnostics.iter().all(|found| found.severity == Severity::Warning) => {
            Ok(Parsed { definition, warnings: diagnostics })
        }
        _ => {
            // INVARIANT: what could not be read was reported; a refusal without a reason would be a riddle.
            assert!(diagnostics.iter().any(|found| found.severity == Severity::Error));
            Err(diagnostics)
        }
    }
}

fn read(text: &str, root: &Map<String, Value>, machine: MachineType, report: &mut Report) -> Option<Definition> {
    for repeated in locate::repeated_keys(text) {
        report.repeated_key(repeated);
    }
    let outline = Outline::of(root, report);
    let mut parser = Parser::new(&outline, machine, report);
    let definition = parser.definition(text, root);
    let links = parser.links;
    validate::check(&outline, &links, report);
    definition.ok()
}

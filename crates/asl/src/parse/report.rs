//! What is wrong, collected while reading goes on.
//!
//! A reader that finds something wrong reports it and returns [`Refused`]; its caller reads the other fields
//! before it gives up, so that a person sees everything at once.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Severity};
use crate::locate;

use super::{At, DIAGNOSTICS_MAX};

/// The codes that AWS lists for ValidateStateMachineDefinition (API reference,
/// ValidateStateMachineDefinitionDiagnostic), and ours, which begin with `ITHACA_`.
pub(crate) mod code {
    pub const INVALID_JSON: &str = "INVALID_JSON_DESCRIPTION";
    pub const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
    pub const MISSING_TARGET: &str = "MISSING_TRANSITION_TARGET";
    pub const MISSING_END: &str = "MISSING_END_STATE";
    pub const DUPLICATE_NAME: &str = "DUPLICATE_STATE_NAME";
    pub const INVALID_NAME: &str = "INVALID_STATE_NAME";
    pub const TOO_DEEP: &str = "TOO_DEEPLY_NESTED";
    pub const SHADOWED: &str = "ITHACA_SHADOWED_VARIABLE";
    pub const UNREACHABLE: &str = "ITHACA_UNREACHABLE_STATE";
    pub const COMPENSATES_NOTHING: &str = "ITHACA_COMPENSATES_NOTHING";
    pub const INLINE_MAP: &str = "ITHACA_INLINE_MAP";
    pub const MORE: &str = "ITHACA_MORE_DIAGNOSTICS";
}

/// Something was wrong and has been reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused;

pub(crate) type Read<T> = Result<T, Refused>;

/// A diagnostic that does not know its line yet.
pub(crate) struct Problem {
    diagnostic: Diagnostic,
    /// Where to look for line and column, when AWS names a wider place than the field at fault.
    exact: Option<String>,
}

impl Problem {
    pub fn new(code: &'static str, at: &At<'_>, message: impl Into<String>) -> Problem {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            pointer: at.pointer(),
            line: 0,
            column: 0,
            help: None,
        };
        Problem { diagnostic, exact: None }
    }

    pub fn schema(at: &At<'_>, message: impl Into<String>) -> Problem {
        Problem::new(code::SCHEMA, at, message)
    }

    pub fn warning(mut self) -> Problem {
        self.diagnostic.severity = Severity::Warning;
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.diagnostic.help = Some(help.into());
        self
    }

    pub fn exact(mut self, at: &At<'_>) -> Problem {
        self.exact = Some(at.pointer());
        self
    }
}

#[derive(Default)]
pub(crate) struct Report {
    /// Open to the parsers of templates and conditions, which append to it.
    pub diagnostics: Vec<Diagnostic>,
    exact: HashMap<usize, String>,
    dropped: usize,
}

impl Report {
    pub fn add(&mut self, problem: Problem) -> Refused {
        if self.diagnostics.len() >= DIAGNOSTICS_MAX {
            self.dropped += 1;
            return Refused;
        }
        if let Some(exact) = problem.exact {
            self.exact.insert(self.diagnostics.len(), exact);
        }
        self.diagnostics.push(problem.diagnostic);
        Refused
    }

    /// A key that stands twice in one object. Readers of JSON keep the last; no author means that.
    pub fn repeated_key(&mut self, repeated: locate::Repeated) {
        let (code, message) = if repeated.in_states() {
            (code::DUPLICATE_NAME, format!("Duplicate State name: {}", repeated.key))
        } else {
            (code::INVALID_JSON, format!("Duplicate field '{}'", repeated.key))
        };
        let mut problem = Problem::new(code, &At::Root, message).help("rename or remove one of the two");
        problem.diagnostic.pointer = repeated.pointer;
        self.add(problem);
    }

    /// The diagnostics with their lines, errors before warnings, each group in the order of discovery.
    pub fn finish(mut self, text: &str) -> Vec<Diagnostic> {
        if self.diagnostics.is_empty() {
            return Vec::new();
        }
        self.note_dropped();
        let wanted: Vec<&str> = self
            .diagnostics
            .iter()
            .enumerate()
            .map(|(index, found)| self.exact.get(&index).map_or(found.pointer.as_str(), String::as_str))
            .collect();
        let places = locate::places(text, &wanted);
        for (found, place) in self.diagnostics.iter_mut().zip(places) {
            if let Some((line, column)) = place {
                (found.line, found.column) = (line, column);
            }
        }
        self.diagnostics.sort_by_key(|found| std::cmp::Reverse(found.severity));
        self.diagnostics
    }

    fn note_dropped(&mut self) {
        self.dropped += self.diagnostics.len().saturating_sub(DIAGNOSTICS_MAX);
        self.diagnostics.truncate(DIAGNOSTICS_MAX);
        if self.dropped > 0 {
            let message = format!("{} further problems are not shown", self.dropped);
            self.diagnostics.push(Problem::new(code::MORE, &At::Root, message).diagnostic);
        }
    }
}

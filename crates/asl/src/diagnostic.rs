//! What is wrong with a definition, told so that it can be mended: where, which rule, what to do.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// One finding. A definition with an `Error` cannot be run; with a `Warning` it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// AWS's code where it has one, for instance `SCHEMA_VALIDATION_FAILED`, `MISSING_TRANSITION_TARGET`.
    pub code: &'static str,
    /// AWS's words where they are known.
    pub message: String,
    /// A JSON pointer to the field, for instance `/States/Pay/Next`.
    pub pointer: String,
    /// One-based; zero when the text has no such place.
    pub line: u32,
    pub column: u32,
    /// How to mend it, for a person.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}[{}]: {} at {}", self.code, self.message, self.pointer)?;
        if self.line > 0 {
            write!(f, " ({}:{})", self.line, self.column)?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

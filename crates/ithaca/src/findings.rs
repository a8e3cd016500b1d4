//! What is wrong with a definition, told with its place in the file where a person mends it.
//!
//! A template's definition may be inline, in a file of its own, or put together from pieces; the plan knows where each
//! part came from, so that `up` and `validate` point at the same place.

use std::fmt;
use std::path::{Path, PathBuf};

use asl::{Diagnostic, MachineType, Severity};
use aws_cloudformation::{Plan, StateMachine, StateMachineKind};
use serde_json::{Value, json};

/// A diagnostic and the file it is about; its line and column are in that file.
pub struct Finding {
    file: PathBuf,
    diagnostic: Diagnostic,
}

impl Finding {
    pub fn is_error(&self) -> bool {
        self.diagnostic.severity == Severity::Error
    }

    pub fn to_json(&self) -> Value {
        let diagnostic = &self.diagnostic;
        json!({
            "severity": severity(diagnostic).to_uppercase(),
            "code": diagnostic.code,
            "message": diagnostic.message,
            "location": diagnostic.pointer,
            "line": diagnostic.line,
            "column": diagnostic.column,
            "help": diagnostic.help,
            "text": self.to_string(),
        })
    }
}

/// As compilers do: `file:line:column: error: what`, then how to mend it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { line, column, message, code, pointer, help, .. } = &self.diagnostic;
        let severity = severity(&self.diagnostic);
        // AWS repeats the text and the place after a message about its syntax; here the place comes first.
        let message = message.split("\n at [Source:").next().unwrap_or(message);
        write!(f, "{}:{line}:{column}: {severity}: {message} [{code}] at {pointer}", self.file.display())?;
        match help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// What a definition's text deserves to be told: warnings if it can be used, else what is wrong with it.
pub fn in_text(file: &Path, text: &str) -> Vec<Finding> {
    in_text_of(file, text, MachineType::Standard)
}

fn in_text_of(file: &Path, text: &str, machine_type: MachineType) -> Vec<Finding> {
    let found = match asl::parse_as(text, machine_type) {
        Ok(parsed) => parsed.warnings,
        Err(diagnostics) => diagnostics,
    };
    found.into_iter().map(|diagnostic| Finding { file: file.to_owned(), diagnostic }).collect()
}

/// The same for every state machine of a template.
pub fn in_plan(plan: &Plan) -> Vec<Finding> {
    plan.state_machines.iter().flat_map(in_machine).collect()
}

fn in_machine(machine: &StateMachine) -> Vec<Finding> {
    let machine_type = match machine.kind {
        StateMachineKind::Express => MachineType::Express,
        StateMachineKind::Standard => MachineType::Standard,
    };
    let mut found = in_text_of(&machine.definition.file, &machine.definition.text, machine_type);
    for finding in &mut found {
        let at = machine.definition.locate(&finding.diagnostic.pointer);
        (finding.diagnostic.line, finding.diagnostic.column) = (at.line, at.column);
    }
    found
}

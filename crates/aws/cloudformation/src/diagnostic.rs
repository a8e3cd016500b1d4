//! What is wrong with a template, told so that it can be mended: file, line, column, what, and what to do.
//!
//! A person fixes a template in one go or not at all, so nothing here stops at the first finding: every part of the
//! crate writes into one [`Report`] and carries on with [`Value::Invalid`](crate::node::Value::Invalid) in the place
//! of what it could not read. The report drops a finding that it already has (a `Globals` entry is read once for each
//! function that inherits it).

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A place in a text. Both numbers are one-based; columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Position {
    /// The first character of a file.
    pub const START: Position = Position { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The template was understood, but a part of it has no effect here.
    Note,
    /// There is no plan.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// The template, or the definition file it names.
    pub file: PathBuf,
    pub at: Position,
    /// The logical id of the resource it is about.
    pub resource: Option<String>,
    pub message: String,
    /// How to mend it; empty for a note.
    pub help: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Error => "error",
        };
        write!(f, "{}:{}: {severity}: ", self.file.display(), self.at)?;
        if let Some(resource) = &self.resource {
            write!(f, "{resource}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// Where all findings about one file are collected. Interior mutability, because it is a sink which everything that
/// reads a template shares and nothing ever reads back.
pub(crate) struct Report {
    file: PathBuf,
    /// What is not served is a note.
    is_lenient: bool,
    resource: RefCell<Option<String>>,
    found: RefCell<Vec<Diagnostic>>,
    seen: RefCell<HashSet<(PathBuf, Position, String)>>,
}

impl Report {
    pub fn new(file: &Path) -> Report {
        Report {
            file: file.into(),
            is_lenient: false,
            resource: None.into(),
            found: Vec::new().into(),
            seen: HashSet::new().into(),
        }
    }

    pub fn lenient(self) -> Report {
        Report { is_lenient: true, ..self }
    }

    pub fn is_lenient(&self) -> bool {
        self.is_lenient
    }

    /// From now on, findings are about this resource.
    pub fn about(&self, resource: Option<&str>) {
        *self.resource.borrow_mut() = resource.map(str::to_owned);
    }

    /// Records an error: what is wrong, and how to mend it.
    pub fn error(&self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.error_in(&self.file, at, message, help);
    }

    /// Records an error in a file which the template names.
    pub fn error_in(&self, file: &Path, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Error, file, at, message.into(), help.into());
    }

    /// Something that is not served: an error, unless the user goes on without it.
    pub fn unsupported(&self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        match self.is_lenient {
            true => self.note(at, format!("{}; left out", message.into())),
            false => self.error(at, message, help),
        }
    }

    pub fn note(&self, at: Position, message: impl Into<String>) {
        self.push(Severity::Note, &self.file, at, message.into(), String::new());
    }

    /// Takes over what was found in another file, as findings about the present resource.
    pub fn absorb(&self, other: Report) {
        for d in other.found.into_inner() {
            self.push(d.severity, &d.file, d.at, d.message, d.help);
        }
    }

    /// Takes over what was found in the template of a nested stack, which has resources of its own.
    pub fn absorb_nested(&self, other: Report) {
        let stack = self.resource.borrow().clone();
        for d in other.found.into_inner() {
            let names = stack.iter().chain(&d.resource).map(String::as_str).collect::<Vec<_>>();
            let resource = Some(names.join(" / ")).filter(|name| !name.is_empty());
            self.push_about(resource, d.severity, &d.file, d.at, d.message, d.help);
        }
    }

    pub fn failed(&self) -> bool {
        self.found.borrow().iter().any(|d| d.severity == Severity::Error)
    }

    /// All errors in the order of the text, or else all notes, those that say the same gathered into one.
    pub fn finish(self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let failed = self.failed();
        let wanted = if failed { Severity::Error } else { Severity::Note };
        let mut found = self.found.into_inner();
        found.retain(|d| d.severity == wanted);
        // The template comes first, then the files it names.
        found.sort_by_key(|d| (d.file != self.file, d.file.clone(), d.at));
        if failed { Err(found) } else { Ok(gather(found)) }
    }

    fn push(&self, severity: Severity, file: &Path, at: Position, message: String, help: String) {
        let resource = self.resource.borrow().clone();
        self.push_about(resource, severity, file, at, message, help);
    }

    fn push_about(
        &self,
        resource: Option<String>,
        severity: Severity,
        file: &Path,
        at: Position,
        message: String,
        help: String,
    ) {
        if !self.seen.borrow_mut().insert((file.into(), at, message.clone())) {
            return;
        }
        self.found.borrow_mut().push(Diagnostic { severity, file: file.into(), at, resource, message, help });
    }
}

fn gather(notes: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut gathered: Vec<(Diagnostic, usize)> = Vec::new();
    for note in notes {
        match gathered.iter_mut().find(|(first, _)| first.message == note.message) {
            Some((_, more)) => *more += 1,
            None => gathered.push((note, 0)),
        }
    }
    let tell = |(note, more): (Diagnostic, usize)| match more {
        0 => note,
        _ => Diagnostic { message: format!("{} (and {more} more of the kind)", note.message), ..note },
    };
    gathered.into_iter().map(tell).collect()
}

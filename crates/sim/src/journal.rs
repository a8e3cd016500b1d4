//! What happened, line by line: to read, and to compare. Kept only where somebody asks for it.

use std::sync::{Mutex, PoisonError};

/// What becomes of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Nothing,
    /// All lines, in memory.
    All,
    /// They are printed as they come.
    Print,
}

pub struct Journal {
    keep: Keep,
    lines: Mutex<String>,
}

impl Journal {
    pub fn new(keep: Keep) -> Journal {
        Journal { keep, lines: Mutex::default() }
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        match self.keep {
            Keep::Nothing => {}
            Keep::All => {
                let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push_str(&line());
                lines.push('\n');
            }
            Keep::Print => println!("{}", line()),
        }
    }

    pub fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

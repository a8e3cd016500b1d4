//! What an execution has done to a machine so far: painted over its drawing.
//!
//! The caller says it (it knows the history); nothing is guessed here, but for two lines: the one from Start
//! was taken if the first state was entered, the one to End if a last state is done.

use std::collections::{BTreeMap, BTreeSet};

use asl::definition::StateId;

/// Without any mark the drawing is neutral: the machine, no execution.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    marks: BTreeMap<StateId, Mark>,
    taken: BTreeSet<(StateId, StateId)>,
    notes: BTreeMap<StateId, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub status: Status,
    /// Shown from two on.
    pub attempts: u32,
}

/// A state without a mark was not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    InProgress,
    /// For a task token, an activity worker, a person.
    Waiting,
    Succeeded,
    Caught,
    /// What it did has been reversed, or, on a compensation: it has reversed it.
    Compensated,
    Failed,
    Cancelled,
}

impl Status {
    /// In the order in which a reader wants them explained.
    pub const ALL: [Status; 7] = [
        Status::InProgress,
        Status::Waiting,
        Status::Succeeded,
        Status::Caught,
        Status::Compensated,
        Status::Failed,
        Status::Cancelled,
    ];

    pub fn words(self) -> &'static str {
        match self {
            Status::InProgress => "In progress",
            Status::Waiting => "Waiting for callback",
            Status::Succeeded => "Succeeded",
            Status::Caught => "Caught error",
            Status::Compensated => "Compensated",
            Status::Failed => "Failed",
            Status::Cancelled => "Cancelled",
        }
    }

    /// The word in class names and `data-status`.
    pub fn class(self) -> &'static str {
        match self {
            Status::InProgress => "in-progress",
            Status::Waiting => "waiting",
            Status::Succeeded => "succeeded",
            Status::Caught => "caught",
            Status::Compensated => "compensated",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// The state has been left by its `Next` or its end.
    pub fn is_over(self) -> bool {
        matches!(self, Status::Succeeded | Status::Compensated | Status::Failed)
    }
}

impl Overlay {
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// A later mark of the same state replaces the earlier one.
    pub fn mark(&mut self, state: StateId, status: Status, attempts: u32) {
        self.marks.insert(state, Mark { status, attempts });
    }

    /// The execution went this way, by `Next`, by a Choice or by a Catch.
    pub fn take(&mut self, from: StateId, to: StateId) {
        self.taken.insert((from, to));
    }

    /// How far a Map is, in a few characters.
    pub fn note(&mut self, state: StateId, text: String) {
        self.notes.insert(state, text);
    }

    pub fn note_of(&self, state: StateId) -> Option<String> {
        self.notes.get(&state).cloned()
    }

    pub fn mark_of(&self, state: StateId) -> Option<Mark> {
        self.marks.get(&state).copied()
    }

    pub fn took(&self, from: StateId, to: StateId) -> bool {
        self.taken.contains(&(from, to))
    }
}

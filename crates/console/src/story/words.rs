//! The story of an execution in sentences: where it failed, who took over, what was compensated, what is left over.

use serde_json::Value;

use super::{End, Over, Tale, Visit};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Plain,
    Good,
    /// Something is to be done about it.
    Bad,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    pub mood: Mood,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// All that was done was reversed.
    Compensated,
    /// An effect is there that nobody will reverse by itself.
    LeftOver,
}

/// What matters of an execution: visits are named by their index in the tale.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// Where the error came from that changed its course, and not where it was caught.
    pub origin: Option<usize>,
    /// The state that caught it: the same or one around it.
    pub caught_by: Option<usize>,
    /// Compensations that have succeeded.
    pub compensated: Vec<usize>,
    /// Compensations that gave up.
    pub stuck: Vec<usize>,
    /// States with an effect that has a compensation which did not run, though the execution ended badly.
    pub left_over: Vec<usize>,
}

impl Story {
    pub fn of(tale: &Tale) -> Story {
        let visits = &tale.visits;
        let indices = |wanted: &dyn Fn(&Visit) -> bool| -> Vec<usize> {
            (0..visits.len()).filter(|index| wanted(&visits[*index])).collect()
        };
        let origin = origin(tale);
        let caught_by = origin.and_then(|origin| way_out(tale, origin)).flatten();
        let is_compensation = |visit: &Visit| visit.compensates.is_some();
        let compensated = indices(&|visit| is_compensation(visit) && visit.end == End::Done);
        let stuck =
            indices(&|visit| is_compensation(visit) && matches!(visit.end, End::Failed | End::Caught | End::Aborted));
        let reversed: Vec<&str> =
            compensated.iter().chain(&stuck).filter_map(|index| visits[*index].compensates.as_deref()).collect();
        let ended_badly = matches!(tale.over, Some(over) if over != Over::Succeeded);
        let left_over = indices(&|visit| {
            ended_badly
                && visit.end == End::Done
                && tale.reverses().values().any(|reversed| *reversed == visit.name)
                && !reversed.contains(&visit.name.as_str())
        });
        Story { origin, caught_by, compensated, stuck, left_over }
    }

    /// Did compensations do what they are for?
    pub fn is_compensated(&self) -> bool {
        self.aftermath() == Some(Aftermath::Compensated)
    }

    /// What a bad end means for what was done before; none if nothing was, or nothing is known to reverse it.
    pub fn aftermath(&self) -> Option<Aftermath> {
        match () {
            () if !self.stuck.is_empty() || !self.left_over.is_empty() => Some(Aftermath::LeftOver),
            () if !self.compensated.is_empty() => Some(Aftermath::Compensated),
            () => None,
        }
    }

    /// `failure` is what the execution itself ended with, as text.
    pub fn sentences(&self, tale: &Tale, failure: &str) -> Vec<Sentence> {
        let mut told = Vec::new();
        let mut tell = |mood: Mood, text: String| told.push(Sentence { mood, text });
        let visit = |index: &usize| &tale.visits[*index];
        if let Some(origin) = &self.origin {
            // What brought the execution down is what it ended with.
            let of_all = if self.caught_by.is_none() { failure } else { "" };
            let why = visit(origin).last_failure().unwrap_or(of_all);
            tell(Mood::Plain, with_reason(&format!("{} failed", visit(origin).name), why));
            if let Some(caught_by) = self.caught_by.filter(|caught_by| caught_by != origin) {
                tell(Mood::Plain, format!("{} caught it.", visit(&caught_by).name));
            }
        }
        if !self.compensated.is_empty() {
            let names: Vec<&str> = self.compensated.iter().map(|index| visit(index).name.as_str()).collect();
            tell(Mood::Plain, format!("{} compensated.", join(&names)));
        }
        if !self.stuck.is_empty() {
            let failed = |index: &usize| {
                let visit = visit(index);
                format!("{} did not compensate {}", visit.name, visit.compensates.as_deref().unwrap_or_default())
            };
            let all: Vec<String> = self.stuck.iter().map(failed).collect();
            tell(Mood::Bad, format!("{}: its effect is left over.", all.join("; ")));
        }
        if !self.left_over.is_empty() {
            let names: Vec<&str> = self.left_over.iter().map(|index| visit(index).name.as_str()).collect();
            let (verb, whose) = if names.len() == 1 { ("was", "its effect is") } else { ("were", "their effects are") };
            tell(Mood::Bad, format!("{} {verb} not compensated: {whose} left over.", join(&names)));
        }
        match tale.over {
            None => tell(Mood::Plain, where_it_is(tale)),
            Some(Over::Succeeded) => {}
            Some(Over::Failed) if self.is_compensated() => tell(Mood::Good, "Nothing is left over.".to_owned()),
            Some(Over::Failed) if self.origin.is_none() => {
                tell(Mood::Plain, with_reason(&where_it_ended(tale), failure))
            }
            Some(Over::Failed) => {}
            Some(Over::TimedOut) => tell(Mood::Plain, with_reason("It timed out", failure)),
            Some(Over::Aborted) => tell(Mood::Plain, with_reason("It was stopped", failure)),
        }
        told
    }
}

/// Where the error came from that changed the course: the last one before anything was compensated, for what fails
/// later fails on the way back, and what failed earlier was got over. A Fail state that ends the execution is no
/// error of a state but its author's word on one.
fn origin(tale: &Tale) -> Option<usize> {
    let visits = &tale.visits;
    let is_origin = |index: &usize| {
        let visit = &visits[*index];
        let is_last_word = visit.kind == "Fail" && visit.inside.is_none();
        !is_last_word
            && visit.compensates.is_none()
            && visit.brought_down_by.is_none()
            && way_out(tale, *index).is_some()
    };
    let newest = |below: usize| (0..below).filter(is_origin).max_by_key(|index| (visits[*index].left, *index));
    let way_back = visits.iter().position(|visit| visit.compensates.is_some());
    way_back.and_then(newest).or_else(|| newest(visits.len()))
}

/// How far the failure of a visit went: who caught it, or none if the execution failed. Nothing if it changed nothing:
/// it did not fail, or what is around it was tried again.
fn way_out(tale: &Tale, from: usize) -> Option<Option<usize>> {
    let mut index = from;
    loop {
        match (tale.visits[index].end, tale.visits[index].inside) {
            (End::Caught, _) => return Some(Some(index)),
            (End::Failed, None) => return matches!(tale.over, Some(Over::Failed)).then_some(None),
            (End::Failed, Some(around)) if tale.visits[around].brought_down_by == Some(index) => index = around,
            _ => return None,
        }
    }
}

fn where_it_ended(tale: &Tale) -> String {
    let last = tale.visits.iter().rev().find(|visit| visit.end == End::Failed);
    last.map_or("It failed".to_owned(), |visit| format!("It failed in {}", visit.name))
}

/// States named in one sentence; more are counted.
const NAMED_MAX: usize = 3;

/// The states that it is in: the innermost ones, for who is in a Map is in what runs inside.
fn where_it_is(tale: &Tale) -> String {
    let mut names: Vec<&str> = Vec::new();
    let open = tale.visits.iter().filter(|visit| visit.end == End::Running);
    for visit in open.filter(|visit| !matches!(visit.kind.as_str(), "Parallel" | "Map") || visit.map_run.is_some()) {
        if !names.contains(&visit.name.as_str()) {
            names.push(&visit.name);
        }
    }
    match names.len() {
        0 => "It is still running.".to_owned(),
        1..=NAMED_MAX => format!("It is in {}.", join(&names)),
        count => format!("It is in {} and {} more states.", names[..2].join(", "), count - 2),
    }
}

fn with_reason(what: &str, failure: &str) -> String {
    match failure.trim_end_matches('.') {
        "" => format!("{what}."),
        why => format!("{what}: {why}."),
    }
}

/// `Error: cause`, the cause without its JSON where it has a message inside.
pub fn error_text(error: &str, cause: &str) -> String {
    let inner: Option<Value> = if cause.starts_with('{') { serde_json::from_str(cause).ok() } else { None };
    let message = inner.as_ref().and_then(|inner| inner["errorMessage"].as_str()).unwrap_or(cause);
    match (error, message) {
        ("", message) => message.to_owned(),
        (error, "") => error.to_owned(),
        (error, message) => format!("{error}: {message}"),
    }
}

/// `a, b and c`.
pub fn join(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

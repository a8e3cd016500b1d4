//! One execution as people tell it: its stays in states, and what became of them in words.
//!
//! ```text
//! stored events (console) ─┐
//!                          ├─> Event -> Tale: visits -> Story: sentences
//! AWS's JSON (ithaca show) ┘
//! ```
//!
//! A *visit* is one stay in one state. Events belong to visits through their `previous` event, so the branches of a
//! Parallel and the iterations of a Map stay apart however they interleave; a visit inside one is drawn deeper. A tale
//! is told event by event: one that goes on is told further, never again from its beginning.
//!
//! Knows neither the store nor AWS's wire forms; who has events in either form turns them into [`Event`].

mod recorded;
mod words;

use std::collections::HashMap;

pub use words::{Aftermath, Mood, Sentence, Story, error_text, join};

/// What the story needs of a history event.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    pub id: u64,
    pub previous: u64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub what: What<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What<'a> {
    Entered {
        kind: &'a str,
        name: &'a str,
    },
    Exited {
        kind: &'a str,
        name: &'a str,
    },
    StateAborted,
    Scheduled,
    Started,
    /// The call has its answer; the outcome comes later.
    Submitted,
    Succeeded,
    Failed(String),
    /// An expression of the state has no usable value.
    Unusable(String),
    BranchesBegan,
    BranchesFailed,
    MapBegan {
        length: u32,
    },
    MapFailed,
    MapRunBegan {
        arn: &'a str,
    },
    MapRunFailed(String),
    IterationBegan {
        name: &'a str,
        index: u32,
    },
    IterationEnded {
        name: &'a str,
        end: End,
    },
    Redriven,
    Over(Over),
    Other,
}

/// How an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Running,
    Done,
    /// The state failed and a catcher took over.
    Caught,
    Failed,
    Aborted,
}

impl End {
    pub fn name(self) -> &'static str {
        match self {
            End::Running => "RUNNING",
            End::Done => "SUCCEEDED",
            End::Caught => "CAUGHT",
            End::Failed => "FAILED",
            End::Aborted => "ABORTED",
        }
    }
}

#[derive(Debug)]
pub struct Visit {
    pub name: String,
    /// `Task`, `Map` and so on.
    pub kind: String,
    pub depth: usize,
    /// The visit of the Parallel or Map that it is inside of.
    pub inside: Option<usize>,
    /// Which iteration of the Map around it, if one is.
    pub iteration: Option<u32>,
    /// The state whose effect it reverses.
    pub compensates: Option<String>,
    pub entered: i64,
    pub left: Option<i64>,
    pub end: End,
    pub attempts: Vec<Attempt>,
    /// A failure that is no attempt's.
    pub trouble: Option<String>,
    /// The visit inside a Parallel or Map whose failure is its failure.
    pub brought_down_by: Option<usize>,
    pub items: Option<Items>,
    /// The first iterations that failed, so that they can be found among thousands.
    pub failed_items: Vec<u32>,
    pub map_run: Option<String>,
    /// Ids of its events: what came in, and what went out if it did.
    pub entered_event: u64,
    pub left_event: Option<u64>,
}

#[derive(Debug)]
pub struct Attempt {
    pub scheduled: i64,
    pub started: Option<i64>,
    pub submitted: Option<i64>,
    pub ended: Option<i64>,
    /// It had no end when the execution ended; a redrive has begun another.
    pub given_up: Option<i64>,
    pub failure: Option<String>,
}

/// Iterations that failed and are named.
const FAILED_ITEMS_MAX: usize = 20;

/// The iterations of a Map: counted, however many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Items {
    pub total: u32,
    pub begun: u32,
    pub done: u32,
    pub failed: u32,
    pub aborted: u32,
}

impl Items {
    pub fn running(&self) -> u32 {
        self.begun.saturating_sub(self.done + self.failed + self.aborted)
    }
}

impl Attempt {
    fn scheduled(at: i64) -> Attempt {
        Attempt { scheduled: at, started: None, submitted: None, ended: None, given_up: None, failure: None }
    }
}

impl Visit {
    pub fn last_failure(&self) -> Option<&str> {
        let of_attempt = self.attempts.last().and_then(|attempt| attempt.failure.as_deref());
        of_attempt.or(self.trouble.as_deref())
    }

    /// It has been told to do something and there is no outcome yet.
    pub fn is_asked(&self) -> bool {
        self.left.is_none() && self.attempts.last().is_some_and(|attempt| attempt.ended.is_none())
    }

    /// The pause before another attempt.
    pub fn is_between_attempts(&self) -> bool {
        self.left.is_none() && self.attempts.last().is_some_and(|attempt| attempt.failure.is_some())
    }
}

/// Where an event stands: in whose visit, inside which other one, in which iteration.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    visit: Option<usize>,
    inside: Option<usize>,
    iteration: Option<u32>,
}

/// The visits of an execution as far as it was told.
#[derive(Debug, Default)]
pub struct Tale {
    /// In the order in which they were entered.
    pub visits: Vec<Visit>,
    /// By event id less one.
    places: Vec<Place>,
    compensations: HashMap<String, String>,
    /// What Fail states say, by name: no event says it where something around them catches it.
    errors: HashMap<String, String>,
    /// Visits that ended without an exit, by what happened around them: a redrive takes them up again.
    cut_off: Vec<usize>,
    /// The newest redrive, and the visits that go on from it and have not been heard of since.
    redriven: u64,
    to_go_on: Vec<usize>,
    pub over: Option<Over>,
    over_at: Option<i64>,
    pub redrives: u32,
    /// From an end to the redrive after it: nothing ran then.
    pub pauses: Vec<(i64, i64)>,
}

impl Tale {
    /// `compensations` are the states that reverse another, by name.
    pub fn new(compensations: HashMap<String, String>) -> Tale {
        Tale { compensations, ..Tale::default() }
    }

    /// What is known of an execution before its first event.
    pub fn knowing(definition: &asl::Definition) -> Tale {
        Tale { errors: errors(definition), ..Tale::new(Tale::compensations(definition)) }
    }

    pub fn of(compensations: HashMap<String, String>, events: impl IntoIterator<Item = Event<'static>>) -> Tale {
        let mut tale = Tale::new(compensations);
        events.into_iter().for_each(|event| tale.tell(&event));
        tale
    }

    /// What states the definition has that say whom they reverse.
    pub fn compensations(definition: &asl::Definition) -> HashMap<String, String> {
        let states = definition.states.iter();
        states.filter_map(|state| Some((state.name.to_string(), state.compensates()?.to_owned()))).collect()
    }

    /// Milliseconds from one moment to another without the pauses between an end and its redrive.
    pub fn worked(&self, from: i64, to: i64) -> i64 {
        let paused = |(start, end): &(i64, i64)| ((*end).min(to) - (*start).max(from)).max(0);
        to - from - self.pauses.iter().map(paused).sum::<i64>()
    }

    pub fn reverses(&self) -> &HashMap<String, String> {
        &self.compensations
    }

    /// The id of the last event that it was told.
    pub fn last_event(&self) -> u64 {
        self.places.len() as u64
    }

    /// In whose visit this event stands.
    pub fn visit_of_event(&self, id: u64) -> Option<usize> {
        self.places.get(usize::try_from(id).ok()?.checked_sub(1)?)?.visit
    }

    /// Events come in the order of their ids.
    pub fn tell(&mut self, event: &Event<'_>) {
        let before = usize::try_from(event.previous).ok().and_then(|previous| previous.checked_sub(1));
        let from = before.and_then(|at| self.places.get(at)).copied().unwrap_or_default();
        let resumed = if event.previous == self.redriven { self.resumed(event) } else { None };
        let place = self.place(event, resumed.map_or(from, |index| self.place_of(index)));
        self.places.push(place);
    }

    fn place(&mut self, event: &Event<'_>, from: Place) -> Place {
        match &event.what {
            What::Entered { kind, name } => {
                let place = Place { visit: Some(self.visits.len()), ..from };
                self.enter(event, kind, name, from);
                place
            }
            What::Exited { kind, name } => match self.leaving(from.visit, kind, name) {
                None => from,
                Some(index) => {
                    self.leave(index, event);
                    self.place_of(index)
                }
            },
            // The threads inside begin here; what follows the state as a whole hangs on its exit.
            What::BranchesBegan | What::MapBegan { .. } => {
                let kind = if event.what == What::BranchesBegan { "Parallel" } else { "Map" };
                let owner = self.owner(from, kind);
                // What brought the attempt before this one down is where this one follows.
                owner.into_iter().for_each(|owner| self.close_inside(owner, from.visit, event.at));
                // A Parallel or Map that is tried again begins anew inside.
                owner.into_iter().for_each(|owner| self.forget_inside(owner));
                if let Some(visit) = self.visit_mut(owner) {
                    (visit.trouble, visit.brought_down_by) = (None, None);
                    if let What::MapBegan { length } = event.what {
                        visit.items = Some(Items { total: length, ..Items::default() });
                    }
                }
                Place { visit: owner, inside: owner, iteration: None }
            }
            What::IterationBegan { name, index } => {
                let map = self.map_around(from, name);
                if let Some(items) = self.visit_mut(map).and_then(|map| map.items.as_mut()) {
                    items.begun += 1;
                }
                Place { visit: map, inside: map, iteration: Some(*index) }
            }
            What::IterationEnded { name, end } => {
                let map = self.map_around(from, name);
                if let Some(map) = self.visit_mut(map) {
                    let items = map.items.get_or_insert_default();
                    match end {
                        End::Done => items.done += 1,
                        End::Aborted => items.aborted += 1,
                        _ => items.failed += 1,
                    }
                    if *end == End::Failed && map.failed_items.len() < FAILED_ITEMS_MAX {
                        map.failed_items.extend(from.iteration);
                    }
                }
                from
            }
            What::BranchesFailed | What::MapFailed => {
                let owner = self.owner(from, if event.what == What::MapFailed { "Map" } else { "Parallel" });
                match owner {
                    Some(owner) => {
                        self.fail_inside(owner, from.visit, event.at);
                        self.place_of(owner)
                    }
                    None => from,
                }
            }
            What::Over(over) => {
                (self.over, self.over_at) = (Some(*over), Some(event.at));
                self.end_open(*over, event.at, from.visit);
                from
            }
            What::Redriven => {
                self.over = None;
                self.redrives += 1;
                self.pauses.extend(self.over_at.take().map(|over_at| (over_at, event.at)));
                self.redriven = event.id;
                self.take_up_again();
                from
            }
            What::Other => from,
            _ => {
                if event.what == What::StateAborted {
                    self.cut_off.extend(from.visit);
                }
                if let Some(index) = from.visit {
                    update(&mut self.visits[index], event);
                }
                from
            }
        }
    }

    fn visit_mut(&mut self, index: Option<usize>) -> Option<&mut Visit> {
        self.visits.get_mut(index?)
    }

    fn place_of(&self, index: usize) -> Place {
        let visit = &self.visits[index];
        Place { visit: Some(index), inside: visit.inside, iteration: visit.iteration }
    }

    fn enter(&mut self, event: &Event<'_>, kind: &str, name: &str, from: Place) {
        self.visits.push(Visit {
            depth: from.inside.map_or(0, |inside| self.visits[inside].depth + 1),
            inside: from.inside,
            iteration: from.iteration,
            compensates: self.compensations.get(name).cloned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            entered: event.at,
            left: None,
            end: End::Running,
            attempts: Vec::new(),
            trouble: if kind == "Fail" { self.errors.get(name).cloned() } else { None },
            brought_down_by: None,
            items: None,
            failed_items: Vec::new(),
            map_run: None,
            entered_event: event.id,
            left_event: None,
        });
    }

    /// Whose exit it is. That of a Parallel or Map follows the last event *inside* it, so one looks outwards.
    fn leaving(&self, visit: Option<usize>, kind: &str, name: &str) -> Option<usize> {
        let is_it = |visit: &Visit| visit.name == name && visit.kind == kind && visit.left.is_none();
        let outwards = std::iter::successors(visit, |index| self.visits[*index].inside);
        outwards.into_iter().find(|index| is_it(&self.visits[*index])).or_else(|| self.visits.iter().rposition(is_it))
    }

    fn leave(&mut self, index: usize, event: &Event<'_>) {
        self.forget_inside(index);
        let visit = &mut self.visits[index];
        visit.left = Some(event.at);
        visit.left_event = Some(event.id);
        visit.end = if visit.last_failure().is_some() { End::Caught } else { End::Done };
    }

    /// The Map of this name that a place is in or at.
    fn map_around(&self, from: Place, name: &str) -> Option<usize> {
        let is_it = |index: &usize| self.visits[*index].kind == "Map" && self.visits[*index].name == name;
        std::iter::successors(from.visit, |index| self.visits[*index].inside).find(is_it)
    }

    fn owner(&self, from: Place, kind: &str) -> Option<usize> {
        let is_it = |index: &usize| self.visits[*index].kind == kind && self.visits[*index].left.is_none();
        std::iter::successors(from.visit, |index| self.visits[*index].inside).find(is_it)
    }

    fn is_inside(&self, index: usize, owner: usize) -> bool {
        let mut around = std::iter::successors(self.visits[index].inside, |outer| self.visits[*outer].inside);
        around.any(|outer| outer == owner)
    }

    /// What was cut off inside is not taken up again.
    fn forget_inside(&mut self, owner: usize) {
        let cut_off = std::mem::take(&mut self.cut_off);
        self.cut_off = cut_off.into_iter().filter(|index| !self.is_inside(*index, owner)).collect();
    }

    /// A Parallel or Map has failed: what is still open inside has ended with it.
    fn fail_inside(&mut self, owner: usize, culprit: Option<usize>, at: i64) {
        self.close_inside(owner, culprit, at);
        let by = self.visits[owner].brought_down_by;
        let inside = by.map(|by| format!("{} failed inside", self.visits[by].name));
        // Without a culprit it has failed by itself, and may have said why.
        let trouble = inside.or(self.visits[owner].trouble.take());
        self.visits[owner].trouble = Some(trouble.unwrap_or_else(|| "it failed inside".to_owned()));
    }

    /// Ends what is open inside. Its end hangs on the last event of the thread that failed, so it names the culprit, who
    /// is recorded as aborted like those that were cut off because of it.
    fn close_inside(&mut self, owner: usize, culprit: Option<usize>, at: i64) {
        for index in owner + 1..self.visits.len() {
            if self.visits[index].left.is_none() && self.is_inside(index, owner) {
                self.cut_off.push(index);
                (self.visits[index].left, self.visits[index].end) = (Some(at), End::Aborted);
            }
        }
        let culprit =
            culprit.filter(|culprit| self.visits[*culprit].end == End::Aborted && self.is_inside(*culprit, owner));
        if let Some(culprit) = culprit {
            self.visits[culprit].end = End::Failed;
            self.visits[owner].brought_down_by = Some(culprit);
        }
    }

    /// The execution has ended: what is still open ended with it.
    fn end_open(&mut self, over: Over, at: i64, last: Option<usize>) {
        let failed: Vec<usize> = std::iter::successors(last, |index| self.visits[*index].inside).collect();
        for (index, visit) in self.visits.iter_mut().enumerate().filter(|(_, visit)| visit.left.is_none()) {
            visit.left = Some(at);
            visit.end = match over {
                Over::Failed if failed.contains(&index) => End::Failed,
                Over::Succeeded => End::Done,
                _ => End::Aborted,
            };
            self.cut_off.push(index);
        }
    }

    /// All threads go on from the one event of the redrive: whose it is, by what it says, the oldest first.
    fn resumed(&mut self, event: &Event<'_>) -> Option<usize> {
        let is_it = |visit: &Visit| match &event.what {
            What::Entered { kind, name } => visit.kind == *kind && visit.name == *name,
            What::Exited { kind, name } => visit.left.is_none() && visit.kind == *kind && visit.name == *name,
            What::Scheduled => visit.left.is_none() && visit.kind == "Task",
            What::MapRunBegan { .. } => visit.left.is_none() && visit.map_run.is_some(),
            What::StateAborted => visit.left.is_none() && visit.kind != "Parallel" && visit.kind != "Map",
            _ => false,
        };
        let at = self.to_go_on.iter().position(|index| is_it(&self.visits[*index]))?;
        let index = self.to_go_on.remove(at);
        let visit = &mut self.visits[index];
        if matches!(event.what, What::Entered { .. }) && visit.left.is_none() {
            // It had not come to its work: the visit that begins now takes its place.
            (visit.left, visit.end) = (self.pauses.last().map(|(end, _)| *end), End::Failed);
        }
        Some(index)
    }

    /// A redrive: what was cut off goes on. What takes no time is entered once more instead.
    fn take_up_again(&mut self) {
        self.to_go_on = std::mem::take(&mut self.cut_off);
        self.to_go_on.sort_unstable();
        for index in &self.to_go_on {
            let visit = &mut self.visits[*index];
            if matches!(visit.kind.as_str(), "Pass" | "Choice" | "Succeed" | "Fail") {
                continue;
            }
            if let Some(attempt) = visit.attempts.last_mut().filter(|attempt| attempt.ended.is_none()) {
                attempt.given_up = visit.left;
            }
            (visit.left, visit.end) = (None, End::Running);
            (visit.trouble, visit.brought_down_by) = (None, None);
        }
    }
}

/// What Fail states say. One that works it out from its input is not known before.
fn errors(definition: &asl::Definition) -> HashMap<String, String> {
    use asl::definition::{Kind, Text};
    let fixed = |text: &Option<Text>| match text {
        Some(Text::Fixed(text)) => text.clone(),
        _ => String::new(),
    };
    let said = |state: &asl::definition::State| match &state.kind {
        Kind::Fail(fail) => Some(error_text(&fixed(&fail.error), &fixed(&fail.cause))),
        _ => None,
    };
    let all = definition.states.iter().filter_map(|state| Some((state.name.to_string(), said(state)?)));
    all.filter(|(_, said)| !said.is_empty()).collect()
}

fn update(visit: &mut Visit, event: &Event<'_>) {
    let at = event.at;
    match &event.what {
        What::Scheduled => {
            // A redriven state is open again.
            if visit.left_event.is_none() {
                visit.left = None;
                visit.end = End::Running;
            }
            visit.attempts.push(Attempt::scheduled(at));
        }
        What::Started => last_attempt(visit, |attempt| attempt.started = Some(at)),
        What::Submitted => last_attempt(visit, |attempt| attempt.submitted = Some(at)),
        What::Succeeded => last_attempt(visit, |attempt| attempt.ended = Some(at)),
        What::Failed(why) => last_attempt(visit, |attempt| {
            attempt.ended = Some(at);
            attempt.failure = Some(why.clone());
        }),
        What::Unusable(why) | What::MapRunFailed(why) => visit.trouble = Some(why.clone()),
        What::MapRunBegan { arn } => visit.map_run = Some((*arn).to_owned()),
        What::StateAborted => {
            visit.left = Some(at);
            visit.end = End::Aborted;
        }
        _ => {}
    }
}

fn last_attempt(visit: &mut Visit, change: impl FnOnce(&mut Attempt)) {
    if let Some(attempt) = visit.attempts.last_mut() {
        change(attempt);
    }
}

#[cfg(test)]
mod tests;

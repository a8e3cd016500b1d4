//! Executions as pages see them: told from their events once, and told further while they go on.
//!
//! All who look at an execution share what was read of it; an event is read and told once, however long the history and
//! however many look. Payloads are not kept: who wants one reads its event.

mod status;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Cursor, Description, ExecutionId, MapRunRow, Reader, Revision};
use interpreter::{EventKind, HistoryEvent, TaskResource};
use store::Order;

use crate::answer::Trouble;
use crate::story::{Event, Story, Tale, Visit};

pub use status::{Statuses, waits_for_an_answer};

/// Executions kept as told. The least recently looked at makes room; telling it again costs one read of its history.
const KEPT_MAX: usize = 64;

/// Events of all that are kept together. One takes some two hundred bytes.
const EVENTS_KEPT_MAX: u64 = 500_000;

/// Events read at once while a history is told. Also the distance of the places from which a page of events is read.
const EVENTS_PER_READ: usize = 200;

/// Events of an execution that is told only to know how it ended.
const TOLD_ONCE_MAX: usize = 500;

/// Nested executions that are listed for one.
const CHILDREN_MAX: usize = 100;

pub struct Executions {
    reader: Reader,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    told: HashMap<ExecutionId, (u64, Arc<Mutex<Told>>)>,
    /// Counts looks.
    clock: u64,
}

impl Kept {
    /// About: one that is being told right now counts when it is not.
    fn events(&self) -> u64 {
        let told = self.told.values().filter_map(|(_, told)| told.try_lock().ok());
        told.map(|told| told.tale.last_event()).sum()
    }
}

/// An execution as far as it was read.
pub struct Told {
    pub tale: Tale,
    /// Where reading goes on.
    next: Option<Cursor>,
    /// Executions that its tasks have started, with the state that did.
    pub children: Vec<(String, String)>,
    /// Places in the history: the first event that is read from there.
    places: Vec<Cursor>,
}

/// Everything a page of an execution begins with.
pub struct Seen {
    pub id: ExecutionId,
    pub about: Description,
    pub revision: Arc<Revision>,
    pub told: Arc<Mutex<Told>>,
    /// In the order in which they began.
    pub runs: Vec<MapRunRow>,
}

impl Seen {
    /// Works with the tale; short, for others wait.
    pub fn with<T>(&self, work: impl FnOnce(&Tale) -> T) -> T {
        work(&self.told.lock().unwrap_or_else(PoisonError::into_inner).tale)
    }

    pub fn story(&self) -> Story {
        self.with(Story::of)
    }

    pub fn definition(&self) -> Result<&asl::Definition, Trouble> {
        Ok(self.revision.definition()?)
    }

    /// How many items of a Map are done, of how many, and how many have failed.
    pub fn items_of(&self, visit: &Visit) -> Option<(u64, u64, u64)> {
        items_of(visit, &self.runs)
    }

    /// Events from this one on.
    pub fn events(&self, reader: &Reader, from: u64, limit: usize) -> Result<Vec<HistoryEvent>, engine::Error> {
        let place = self.told.lock().unwrap_or_else(PoisonError::into_inner).place_of(from.max(1));
        Ok(reader.history(self.id, Some(place), Order::Ascending, limit)?.events)
    }

    pub fn statuses(&self) -> Result<Statuses, Trouble> {
        let definition = self.definition()?;
        Ok(self.with(|tale| Statuses::of(tale, definition, &self.runs)))
    }
}

impl Executions {
    pub fn new(reader: Reader) -> Executions {
        Executions { reader, kept: Mutex::default() }
    }

    /// The execution of this ARN, told to its newest event.
    pub fn see(&self, arn: &str) -> Result<Option<Seen>, Trouble> {
        let Some(id) = self.reader.find(arn)? else { return Ok(None) };
        let Some(about) = self.reader.describe(arn)? else { return Ok(None) };
        let revision = self.reader.revision(&about.row)?;
        let told = self.told(id, &revision)?;
        let runs = runs(&self.reader, id, &told)?;
        Ok(Some(Seen { id, about, revision, told, runs }))
    }

    /// Tells an execution further. Blocks while it reads.
    pub fn told(&self, id: ExecutionId, revision: &Revision) -> Result<Arc<Mutex<Told>>, Trouble> {
        let told = self.kept(id, revision)?;
        {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.read_on(&self.reader, id)?;
        }
        Ok(told)
    }

    fn kept(&self, id: ExecutionId, revision: &Revision) -> Result<Arc<Mutex<Told>>, Trouble> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        if let Some((looked_at, told)) = kept.told.get_mut(&id) {
            *looked_at = now;
            return Ok(told.clone());
        }
        let told =
            Told { tale: Tale::knowing(revision.definition()?), next: None, children: Vec::new(), places: Vec::new() };
        let told = Arc::new(Mutex::new(told));
        while kept.told.len() >= KEPT_MAX || kept.events() > EVENTS_KEPT_MAX {
            let oldest = kept.told.iter().min_by_key(|(_, (looked_at, _))| *looked_at).map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            kept.told.remove(&oldest);
        }
        kept.told.insert(id, (now, told.clone()));
        Ok(told)
    }
}

/// As its Map Run tells, or the iterations that the history has.
pub fn items_of(visit: &Visit, runs: &[MapRunRow]) -> Option<(u64, u64, u64)> {
    let run = visit.map_run.as_ref().and_then(|arn| runs.iter().find(|run| *run.plan.arn == **arn));
    match (run, visit.items) {
        (Some(run), _) => Some((run.items.succeeded, run.items.total, run.items.failed + run.items.timed_out)),
        (None, Some(items)) => Some((items.done.into(), items.total.into(), items.failed.into())),
        (None, None) => None,
    }
}

/// The Map Runs of an execution; nothing is read where there are none.
pub fn runs(reader: &Reader, id: ExecutionId, told: &Mutex<Told>) -> Result<Vec<MapRunRow>, engine::Error> {
    let has_any = {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.tale.visits.iter().any(|visit| visit.map_run.is_some())
    };
    if has_any { reader.map_runs(id) } else { Ok(Vec::new()) }
}

/// Tells an execution that nobody looks at: nothing of it is kept. None if nothing compensates in it, or if it is long.
pub fn tell_once(reader: &Reader, arn: &str) -> Result<Option<Tale>, engine::Error> {
    let Some(id) = reader.find(arn)? else { return Ok(None) };
    let revision = reader.revision(&reader.row(id)?)?;
    let mut tale = Tale::knowing(revision.definition()?);
    // Where nothing compensates, nothing has to be read.
    if tale.reverses().is_empty() {
        return Ok(None);
    }
    let page = reader.history(id, None, Order::Ascending, TOLD_ONCE_MAX)?;
    page.events.iter().for_each(|event| tale.tell(&Event::from(event)));
    Ok(page.next.is_none().then_some(tale))
}

impl Told {
    fn read_on(&mut self, reader: &Reader, id: ExecutionId) -> Result<(), engine::Error> {
        loop {
            let page = reader.history(id, self.next, Order::Ascending, EVENTS_PER_READ)?;
            if page.events.is_empty() {
                return Ok(());
            }
            self.places.extend(self.next);
            // A record that is read again gives its events again.
            let new = self.tale.last_event();
            for event in page.events.iter().filter(|event| event.id > new) {
                self.tale.tell(&Event::from(event));
                self.note_child(event);
            }
            self.next = page.end;
            if page.next.is_none() {
                return Ok(());
            }
        }
    }

    /// A task that starts an execution answers with its ARN.
    fn note_child(&mut self, event: &HistoryEvent) {
        let output = match &event.kind {
            EventKind::TaskSubmitted { resource: TaskResource::Service { service, .. }, output }
            | EventKind::TaskSucceeded { resource: TaskResource::Service { service, .. }, output }
                if &**service == "states" =>
            {
                output
            }
            _ => return,
        };
        let Some(arn) = output.value()["ExecutionArn"].as_str() else { return };
        if self.children.len() == CHILDREN_MAX || self.children.iter().any(|(_, known)| known == arn) {
            return;
        }
        let visit = self.tale.visit_of_event(event.id);
        let state = visit.map(|index| self.tale.visits[index].name.clone()).unwrap_or_default();
        self.children.push((state, arn.to_owned()));
    }

    /// The place to read this event and those after it from.
    fn place_of(&self, event: u64) -> Cursor {
        let after = self.places.partition_point(|place| place.event <= event);
        let seq = after.checked_sub(1).map_or(0, |at| self.places[at].seq);
        Cursor { seq, event }
    }
}

//! Lanes: workers that take tasks as they come and answer many at a time.
//!
//! ```text
//!  Lane::subscribe ──> Activities: so much credit ──claimed by shards──> Started, durable ──┐
//!  Lane::answer ─────> shards: one message for all of a read                                ├──> inbox, bell ──> Lane::hear
//!                        └── what became of each, durable ──────────────────────────────────┘
//! ```
//!
//! A lane is what GetActivityTask and SendTaskSuccess are, over one connection and without a request for each task. The
//! same tokens, the same commits, the same refusals: a task is told here after its Started is durable, once, and an answer is
//! acknowledged after what comes of it is durable. Only credit is new: how many tasks a worker holds at once, so that
//! whoever is slow is not given more. An answer gives its place free as soon as it is read, so that the next task can be
//! in the commit of the answer.
//!
//! Knows no socket and no form of messages.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interpreter::{Payload, TaskId, Token};
use tokio::sync::Notify;

use crate::activities::{LaneSeat, Seat};
use crate::core::{Taken, TokenAnswer};
use crate::error::{PollError, TokenError};
use crate::handle::{Handle, unavailable};
use crate::keys::ExecutionId;
use crate::shard::{AnswerReply, Message};

/// What a lane hears.
#[derive(Debug)]
pub enum Told {
    Task {
        activity: Arc<str>,
        token: String,
        input: Payload,
    },
    /// What became of an answer. Those of one token come in the order in which they were given.
    Answered {
        token: Box<str>,
        outcome: Result<(), TokenError>,
    },
    /// The credit for this activity is nothing, and no task of it is with the worker or on its way.
    Drained(Arc<str>),
    /// The activity was deleted: no more of its tasks come.
    Gone(Arc<str>),
}

pub struct Lane {
    handle: Handle,
    inbox: Arc<Inbox>,
    held: Mutex<Held>,
}

/// Tasks that one worker holds, of all its activities. It may name as many as it likes, ours or not.
const HELD_TASKS_MAX: usize = 100_000;

/// What the worker has, as far as this lane knows.
#[derive(Default)]
struct Held {
    tasks: HashMap<(ExecutionId, TaskId), Arc<str>>,
    activities: HashSet<Arc<str>>,
}

impl Lane {
    pub(crate) fn new(handle: Handle) -> Lane {
        Lane { handle, inbox: Arc::new(Inbox::new()), held: Mutex::default() }
    }

    /// From now on the worker takes so many tasks of this activity at once. `holding` are the tokens of those that it has
    /// from an earlier lane: they count until they are answered. Asked again, the new number counts; nothing ends it,
    /// and [`Told::Drained`] is heard when no task is on its way any more.
    pub fn subscribe(
        &self,
        activity: &str,
        worker: Option<&str>,
        credit: usize,
        holding: &[impl AsRef<str>],
    ) -> Result<(), PollError> {
        let activities = self.handle.activities();
        let arn: Arc<str> = activities.get(activity).ok_or(PollError::DoesNotExist)?.arn;
        let mut held = self.held();
        let before = held.tasks.len();
        if before + holding.len() > HELD_TASKS_MAX {
            return Err(PollError::TooManyPollers);
        }
        let tokens = holding.iter().filter_map(|token| Token::decode(token.as_ref()));
        held.tasks.extend(tokens.map(|token| ((ExecutionId(token.execution), token.task), arn.clone())));
        let added = held.tasks.len() - before;
        held.activities.insert(arn.clone());
        drop(held);
        let items = activities.subscribe(&arn, &self.inbox, worker.map(Arc::from), credit, added);
        items.ok_or(PollError::TooManyPollers)?.into_iter().for_each(|item| self.inbox.tell_or_give_back(item));
        Ok(())
    }

    /// Says how tasks went, or that they go on, by their tokens. What becomes of each is heard later. Whatever comes in one
    /// call reaches a shard in one message.
    pub fn answer(&self, answers: impl IntoIterator<Item = (Box<str>, TokenAnswer)>) {
        let mut letters: Vec<Vec<Message>> = self.handle.shards.iter().map(|_| Vec::new()).collect();
        let mut freed: HashMap<Arc<str>, usize> = HashMap::new();
        let mut held = self.held();
        for (text, answer) in answers {
            let reply = LaneReply::new(self.inbox.clone(), text);
            let Some(token) = Token::decode(reply.token()) else {
                reply.tell_now(Err(TokenError::Invalid));
                continue;
            };
            let id = ExecutionId(token.execution);
            let shard = self.handle.number_of(id);
            if !self.handle.shards[shard].enter() {
                reply.tell_now(Err(TokenError::Throttled));
                continue;
            }
            if !matches!(answer, TokenAnswer::Heartbeat)
                && let Some(activity) = held.tasks.remove(&(id, token.task))
            {
                *freed.entry(activity).or_default() += 1;
            }
            letters[shard].push(Message::Answer { token, answer, reply: AnswerReply::Lane(reply) });
        }
        drop(held);
        for (activity, tasks) in freed {
            for item in self.handle.activities().free(&activity, self.inbox.number(), tasks) {
                match item {
                    // In the same message as the answers.
                    Item::Offered(offer) => letters[self.handle.number_of(offer.id)].push(Message::TakeForLane(offer)),
                    item => self.inbox.tell_or_give_back(item),
                }
            }
        }
        self.send(letters);
    }

    /// All that there is to hear, as soon as there is something. Nothing is lost when the future is dropped.
    pub async fn hear(&self) -> Vec<Told> {
        loop {
            let items = self.inbox.items();
            let told = self.sort(items);
            if !told.is_empty() {
                return told;
            }
            self.inbox.bell.notified().await;
        }
    }

    /// Offers are taken from their shards; the rest is for the worker.
    fn sort(&self, items: Vec<Item>) -> Vec<Told> {
        let mut told = Vec::with_capacity(items.len());
        let mut letters: Vec<Vec<Message>> = self.handle.shards.iter().map(|_| Vec::new()).collect();
        let mut held = self.held();
        for item in items {
            match item {
                Item::Offered(offer) => {
                    letters[self.handle.number_of(offer.id)].push(Message::TakeForLane(offer));
                }
                Item::Taken { activity, id, task, taken } => {
                    held.tasks.insert((id, task), activity.clone());
                    told.push(Told::Task { activity, token: taken.token, input: taken.input });
                }
                Item::Answered { token, outcome } => told.push(Told::Answered { token, outcome }),
                // It may have been asked for again since, so it is among those that the end of the lane ends.
                Item::Drained(activity) => told.push(Told::Drained(activity)),
                Item::Gone(activity) => told.push(Told::Gone(activity)),
            }
        }
        drop(held);
        self.send(letters);
        told
    }

    fn send(&self, letters: Vec<Vec<Message>>) {
        for (shard, letter) in self.handle.shards.iter().zip(letters) {
            if !letter.is_empty() {
                shard.tell(Message::Many(letter));
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tasks that the worker has stay with it: its tokens are as good as before. What it was only offered goes to another.
impl Drop for Lane {
    fn drop(&mut self) {
        let held = std::mem::take(&mut *self.held());
        for activity in held.activities {
            self.handle.activities().unsubscribe(&activity, self.inbox.number());
        }
        for item in self.inbox.close() {
            if let Item::Offered(offer) = item {
                offer.give_back();
            }
        }
    }
}

/// A task for a lane with a place for it, to be taken from its shard. Dropped, it is asked for no more: only a shard that
/// has come to its end drops one.
pub struct Offer {
    pub(crate) seat: LaneSeat,
    pub(crate) id: ExecutionId,
    pub(crate) task: TaskId,
}

impl Offer {
    /// Puts it into the inbox of its lane, or gives it back when that is closed.
    pub(crate) fn tell(self) {
        let inbox = self.seat.inbox().clone();
        inbox.tell_or_give_back(Item::Offered(self));
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.seat.inbox().is_closed()
    }

    pub(crate) fn give_back(self) {
        self.seat.give_back(self.id, self.task);
    }

    pub(crate) fn into_seat(self) -> (ExecutionId, TaskId, Seat) {
        (self.id, self.task, Seat::of_lane(self.seat))
    }
}

/// What lies between shards and a lane. Bounded by what the lane has asked for: its credit, and its answers.
pub struct Inbox {
    number: u64,
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    items: Vec<Item>,
    is_closed: bool,
}

pub(crate) enum Item {
    Offered(Offer),
    Taken { activity: Arc<str>, id: ExecutionId, task: TaskId, taken: Taken },
    Answered { token: Box<str>, outcome: Result<(), TokenError> },
    Drained(Arc<str>),
    Gone(Arc<str>),
}

impl Inbox {
    fn new() -> Inbox {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Inbox { number, state: Mutex::default(), bell: Notify::new() }
    }

    /// Of this lane, in this process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Puts something in without ringing, so that one bell may do for many. True if it has to be rung.
    pub(crate) fn put(&self, item: Item) -> Result<bool, Item> {
        let mut state = self.state();
        if state.is_closed {
            return Err(item);
        }
        state.items.push(item);
        Ok(state.items.len() == 1)
    }

    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Puts something in and rings, if nobody has; gives it back when the lane is closed.
    pub(crate) fn tell(&self, item: Item) -> Result<(), Item> {
        if self.put(item)? {
            self.ring();
        }
        Ok(())
    }

    /// What was offered to a lane that is closed goes to another; all else is of no use to anybody.
    pub(crate) fn tell_or_give_back(&self, item: Item) {
        if let Err(Item::Offered(offer)) = self.tell(item) {
            offer.give_back();
        }
    }

    fn items(&self) -> Vec<Item> {
        std::mem::take(&mut self.state().items)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    fn close(&self) -> Vec<Item> {
        let mut state = self.state();
        state.is_closed = true;
        std::mem::take(&mut state.items)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Acknowledges one answer. Dropping it tells that the engine could not.
pub struct LaneReply {
    inbox: Arc<Inbox>,
    /// Taken when it is told.
    token: Option<Box<str>>,
}

impl LaneReply {
    fn new(inbox: Arc<Inbox>, token: Box<str>) -> LaneReply {
        LaneReply { inbox, token: Some(token) }
    }

    fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Gives the lane whose bell is to be rung. One that is closed needs no acknowledgement.
    pub(crate) fn tell(mut self, outcome: Result<(), TokenError>) -> Option<Arc<Inbox>> {
        self.put(outcome).then(|| self.inbox.clone())
    }

    pub(crate) fn tell_now(mut self, outcome: Result<(), TokenError>) {
        if self.put(outcome) {
            self.inbox.ring();
        }
    }

    fn put(&mut self, outcome: Result<(), TokenError>) -> bool {
        let Some(token) = self.token.take() else { return false };
        self.inbox.put(Item::Answered { token, outcome }).unwrap_or(false)
    }
}

impl Drop for LaneReply {
    fn drop(&mut self) {
        if self.put(Err(unavailable().into())) {
            self.inbox.ring();
        }
    }
}

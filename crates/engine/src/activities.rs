//! Activities: work that a worker asks for. The AWS resource, and the queues between tasks and workers.
//!
//! ```text
//!  shard ── Offer (its Scheduled is durable) ──> queue ──┐
//!                                                        ├──> a task and a worker meet ──> shard: Started, durable ──> worker
//!  GetActivityTask, lanes ────────────────> who waits ───┘
//!                                               │
//!  shard <── claim: somebody waits already ─────┘   Scheduled and Started are in one commit, and then it is handed over
//! ```
//!
//! The queues are memory only: a shard that recovers offers again what is still scheduled. A task is taken by asking its
//! shard, which refuses one that was given up meanwhile, so a stale entry costs a question and nothing else. Where
//! somebody waits when a task is scheduled, the shard claims the place ([`Seat`]) and the task needs one commit instead of two.
//!
//! Like state machines, activities are few and change rarely: held in memory, written through, under an epoch of their own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use interpreter::{TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Batch, Epoch, Order, ShardId, Space, Store, Write, commit_and_wait, prefix_end};
use tokio::sync::oneshot;

use crate::core::Taken;
use crate::error::Error;
use crate::keys::ExecutionId;
use crate::lane::{Inbox, Item, Offer};
use crate::limits::{ACTIVITIES_MAX, POLLERS_MAX};
use crate::record::unreadable;

/// The shard id under which activities are written.
const REGISTRY: ShardId = ShardId(u16::MAX - 1);
const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    format: u32,
    pub arn: Arc<str>,
    pub name: String,
    pub created_at: Timestamp,
    pub tags: BTreeMap<String, String>,
    /// Kept and shown as it came.
    pub encryption: Option<serde_json::Value>,
}

/// The outcome of a create, which is idempotent by name; other tags are ignored then.
#[derive(Debug)]
pub enum ActivityCreated {
    Done(Activity),
    /// With another encryption.
    Conflict,
    TooMany,
}

pub struct Activities {
    store: Arc<dyn Store>,
    epoch: Epoch,
    known: Mutex<BTreeMap<Arc<str>, Activity>>,
    queues: Mutex<HashMap<Arc<str>, Queue>>,
}

type Offered = (ExecutionId, TaskId);

/// Of one activity. Tasks and workers never wait at the same time.
#[derive(Default)]
struct Queue {
    /// In the order in which they were scheduled.
    tasks: BTreeMap<u64, Offered>,
    places: HashMap<Offered, u64>,
    next: u64,
    /// Who waits, in turn.
    line: VecDeque<Waits>,
    lanes: HashMap<u64, Subscriber>,
}

enum Waits {
    Poller(Poller),
    /// A lane of this number; it stands here once, however many tasks it still takes.
    Lane(u64),
}

struct Poller {
    number: u64,
    worker: Option<Arc<str>>,
    given: oneshot::Sender<Given>,
}

/// A lane that takes tasks of the activity.
struct Subscriber {
    inbox: Arc<Inbox>,
    worker: Option<Arc<str>>,
    /// Tasks it holds at once, at most.
    credit: usize,
    held: usize,
    is_in_line: bool,
}

/// What a poll gets at once.
pub(crate) enum Polled {
    Task(Offered),
    /// It comes through here, if one is scheduled in time.
    Later(Waiting),
    TooMany,
}

/// What a poll that has waited gets.
#[derive(Debug)]
pub(crate) enum Given {
    /// To be taken from its shard.
    Offered(Offered),
    /// Its Started is durable.
    Taken(Taken),
}

/// The place of a worker that waits. What it was offered and has not taken goes to another.
pub(crate) struct Waiting {
    activities: Arc<Activities>,
    activity: Arc<str>,
    number: u64,
    given: oneshot::Receiver<Given>,
}

impl Waiting {
    /// What it gets; none if that is nothing until then. An error: its place is no more, and it may poll again.
    pub async fn given(&mut self, until: Instant) -> Result<Option<Given>, oneshot::error::RecvError> {
        match tokio::time::timeout_at(until.into(), &mut self.given).await {
            Ok(given) => given.map(Some),
            Err(_) if self.activities.leave(&self.activity, self.number) => Ok(None),
            // A shard has claimed the place: the task comes with its commit, and nobody else would do it.
            Err(_) => (&mut self.given).await.map(Some),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.given.close();
        if let Ok(Given::Offered((id, task))) = self.given.try_recv() {
            self.activities.offer(&self.activity, id, task);
        }
    }
}

/// The place of a worker that waits, claimed for one task. Dropped, it is free again.
pub struct Seat(Place);

enum Place {
    Poll { worker: Option<Arc<str>>, given: oneshot::Sender<Given> },
    Lane(LaneSeat),
}

impl Seat {
    pub(crate) fn of_lane(seat: LaneSeat) -> Seat {
        Seat(Place::Lane(seat))
    }

    pub(crate) fn worker(&self) -> Option<Arc<str>> {
        match &self.0 {
            Place::Poll { worker, .. } => worker.clone(),
            Place::Lane(seat) => seat.worker.clone(),
        }
    }

    /// Gives the task, whose Started is durable. A worker that has gone meanwhile does not get it, as if the answer had been
    /// lost on its way: the task's own timeouts decide. Gives the lane whose bell is to be rung.
    pub(crate) fn hand_over(self, id: ExecutionId, task: TaskId, taken: Taken) -> Option<Arc<Inbox>> {
        match self.0 {
            Place::Poll { given, .. } => {
                let _ = given.send(Given::Taken(taken));
                None
            }
            Place::Lane(seat) => {
                let (inbox, activity) = seat.used();
                let needs_bell = inbox.put(Item::Taken { activity, id, task, taken });
                needs_bell.is_ok_and(|it| it).then_some(inbox)
            }
        }
    }
}

/// One task of the credit of a lane. Dropped unused, it is free again.
pub(crate) struct LaneSeat {
    activities: Arc<Activities>,
    activity: Arc<str>,
    worker: Option<Arc<str>>,
    inbox: Arc<Inbox>,
    is_used: bool,
}

impl LaneSeat {
    /// From now on the lane holds a task.
    fn used(mut self) -> (Arc<Inbox>, Arc<str>) {
        self.is_used = true;
        (self.inbox.clone(), self.activity.clone())
    }

    pub fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Gives the place back, and the task to another.
    pub fn give_back(self, id: ExecutionId, task: TaskId) {
        let (activities, activity) = (self.activities.clone(), self.activity.clone());
        drop(self);
        activities.offer(&activity, id, task);
    }
}

impl Drop for LaneSeat {
    fn drop(&mut self) {
        if !self.is_used {
            let items = self.activities.free(&self.activity, self.inbox.number(), 1);
            items.into_iter().for_each(|item| self.inbox.tell_or_give_back(item));
        }
    }
}

impl Activities {
    pub(crate) fn open(store: Arc<dyn Store>) -> Result<Activities, Error> {
        let epoch = store.take(REGISTRY)?;
        let rows = store.scan(Space::Activities, &[]..&prefix_end(&[]), Order::Ascending, usize::MAX)?;
        let mut known = BTreeMap::new();
        for (_, value) in rows {
            let activity: Activity =
                serde_json::from_slice(&value).map_err(|error| unreadable("an activity", &error))?;
            if activity.format != FORMAT {
                let why = format!("its format is {}, this version knows {FORMAT}", activity.format);
                return Err(unreadable("an activity", &why));
            }
            known.insert(activity.arn.clone(), activity);
        }
        Ok(Activities { store, epoch, known: Mutex::new(known), queues: Mutex::default() })
    }

    pub fn get(&self, arn: &str) -> Option<Activity> {
        self.known().get(arn).cloned()
    }

    /// In the order of their ARNs.
    pub fn list(&self) -> Vec<Activity> {
        self.known().values().cloned().collect()
    }

    pub fn create(
        &self,
        arn: &str,
        name: &str,
        tags: BTreeMap<String, String>,
        encryption: Option<serde_json::Value>,
        now: Timestamp,
    ) -> Result<ActivityCreated, Error> {
        let mut known = self.known();
        if let Some(there) = known.get(arn) {
            return Ok(match there.encryption == encryption {
                true => ActivityCreated::Done(there.clone()),
                false => ActivityCreated::Conflict,
            });
        }
        if known.len() >= ACTIVITIES_MAX {
            return Ok(ActivityCreated::TooMany);
        }
        let activity =
            Activity { format: FORMAT, arn: arn.into(), name: name.to_owned(), created_at: now, tags, encryption };
        self.write(&activity)?;
        known.insert(activity.arn.clone(), activity.clone());
        Ok(ActivityCreated::Done(activity))
    }

    /// Its tasks stay scheduled until they time out, as on AWS; workers find it no more.
    pub fn delete(&self, arn: &str) -> Result<(), Error> {
        let mut known = self.known();
        if known.contains_key(arn) {
            self.commit(Write::Delete { space: Space::Activities, key: arn.as_bytes().to_vec() })?;
            known.remove(arn);
        }
        drop(known);
        // Whoever still asks is told at once that there is nothing.
        let mut lanes = Vec::new();
        if let Some(queue) = self.queues().get_mut(arn) {
            queue.line.clear();
            lanes.extend(queue.lanes.drain());
        }
        for (_, lane) in lanes {
            // One that is closing asks for nothing any more.
            let _ = lane.inbox.tell(Item::Gone(arn.into()));
        }
        Ok(())
    }

    /// Changes the tags as one step. The refusal of `edit` changes nothing.
    pub fn edit_tags<R>(
        &self,
        arn: &str,
        edit: impl FnOnce(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, R>,
    ) -> Result<Option<Result<(), R>>, Error> {
        let mut known = self.known();
        let Some(there) = known.get_mut(arn) else { return Ok(None) };
        match edit(there.tags.clone()) {
            Err(refusal) => Ok(Some(Err(refusal))),
            Ok(tags) => {
                let changed = Activity { tags, ..there.clone() };
                self.write(&changed)?;
                *there = changed;
                Ok(Some(Ok(())))
            }
        }
    }

    /// A task is there to be taken. The first worker that waits gets it.
    pub(crate) fn offer(self: &Arc<Activities>, activity: &Arc<str>, id: ExecutionId, task: TaskId) {
        let mut queues = self.queues();
        let queue = queues.entry(activity.clone()).or_default();
        while let Some(place) = self.next_place(queue, activity) {
            match place {
                Place::Poll { given, .. } => {
                    // A poller that is gone takes nothing.
                    if given.send(Given::Offered((id, task))).is_ok() {
                        return;
                    }
                }
                Place::Lane(seat) => {
                    // A lane that is closing gives it back, for which the queues must be free.
                    drop(queues);
                    return Offer { seat, id, task }.tell();
                }
            }
        }
        queue.push((id, task));
    }

    /// The place of a worker that waits for a task of this activity.
    pub(crate) fn claim(self: &Arc<Activities>, activity: &Arc<str>) -> Option<Seat> {
        let mut queues = self.queues();
        let queue = queues.get_mut(activity)?;
        self.next_place(queue, activity).map(Seat)
    }

    fn next_place(self: &Arc<Activities>, queue: &mut Queue, activity: &Arc<str>) -> Option<Place> {
        while let Some(next) = queue.line.pop_front() {
            match next {
                Waits::Poller(poller) if poller.given.is_closed() => {}
                Waits::Poller(poller) => return Some(Place::Poll { worker: poller.worker, given: poller.given }),
                Waits::Lane(number) => {
                    let Some(lane) = queue.lanes.get_mut(&number) else { continue };
                    lane.is_in_line = false;
                    if lane.inbox.is_closed() {
                        // Whoever is gone gets nothing; its tokens stay as good as before.
                        queue.lanes.remove(&number);
                        continue;
                    }
                    if lane.held < lane.credit {
                        return Some(Place::Lane(self.take_seat(queue, activity, number)));
                    }
                }
            }
        }
        None
    }

    /// One of the free places of a lane, which goes to the end of the line if it has more.
    fn take_seat(self: &Arc<Activities>, queue: &mut Queue, activity: &Arc<str>, number: u64) -> LaneSeat {
        let lane = queue.lanes.get_mut(&number).expect("INVARIANT: a place is taken of a lane that is there");
        lane.held += 1;
        let (activities, worker, inbox) = (self.clone(), lane.worker.clone(), lane.inbox.clone());
        queue.line_up(number);
        LaneSeat { activities, activity: activity.clone(), worker, inbox, is_used: false }
    }

    /// From now on this lane takes so many tasks of the activity at once; `held` more of them are with it already. None
    /// if there are too many workers. What comes of it is to be told to the lane.
    pub(crate) fn subscribe(
        self: &Arc<Activities>,
        activity: &Arc<str>,
        inbox: &Arc<Inbox>,
        worker: Option<Arc<str>>,
        credit: usize,
        held: usize,
    ) -> Option<Vec<Item>> {
        let mut queues = self.queues();
        let queue = queues.entry(activity.clone()).or_default();
        let number = inbox.number();
        if !queue.lanes.contains_key(&number) && queue.lanes.len() >= POLLERS_MAX {
            return None;
        }
        let lane = queue.lanes.entry(number).or_insert_with(|| Subscriber {
            inbox: inbox.clone(),
            worker: None,
            credit: 0,
            held: 0,
            is_in_line: false,
        });
        (lane.worker, lane.credit) = (worker, credit);
        lane.held += held;
        Some(self.settle(queue, activity, number))
    }

    /// So many tasks are with the lane no more. What it gets instead is to be told to it.
    pub(crate) fn free(self: &Arc<Activities>, activity: &Arc<str>, number: u64, tasks: usize) -> Vec<Item> {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(activity) else { return Vec::new() };
        let Some(lane) = queue.lanes.get_mut(&number) else { return Vec::new() };
        lane.held = lane.held.saturating_sub(tasks);
        self.settle(queue, activity, number)
    }

    /// What is there already, as far as the lane's credit goes; the lane waits for the rest. One that takes no more is
    /// forgotten when nothing is with it or on its way to it.
    fn settle(self: &Arc<Activities>, queue: &mut Queue, activity: &Arc<str>, number: u64) -> Vec<Item> {
        if queue.lanes.get(&number).is_some_and(|lane| lane.credit == 0 && lane.held == 0) {
            queue.forget(number);
            return vec![Item::Drained(activity.clone())];
        }
        let mut offers = Vec::new();
        while queue.has_credit(number)
            && let Some((id, task)) = queue.pop()
        {
            let seat = self.take_seat(queue, activity, number);
            offers.push(Item::Offered(Offer { seat, id, task }));
        }
        queue.line_up(number);
        offers
    }

    pub(crate) fn unsubscribe(&self, activity: &str, number: u64) {
        if let Some(queue) = self.queues().get_mut(activity) {
            queue.forget(number);
        }
    }

    /// A poller gives up. False if its place was claimed before.
    fn leave(&self, activity: &str, number: u64) -> bool {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(activity) else { return false };
        let before = queue.line.len();
        queue.line.retain(|next| !matches!(next, Waits::Poller(poller) if poller.number == number));
        queue.line.len() < before
    }

    pub(crate) fn withdraw(&self, activity: &str, id: ExecutionId, task: TaskId) {
        if let Some(queue) = self.queues().get_mut(activity)
            && let Some(place) = queue.places.remove(&(id, task))
        {
            queue.tasks.remove(&place);
        }
    }

    pub(crate) fn poll(self: &Arc<Activities>, activity: &str, worker: Option<Arc<str>>) -> Polled {
        let mut queues = self.queues();
        let queue = queues.entry(activity.into()).or_default();
        if let Some(offered) = queue.pop() {
            return Polled::Task(offered);
        }
        queue.line.retain(|next| !matches!(next, Waits::Poller(poller) if poller.given.is_closed()));
        if queue.pollers() >= POLLERS_MAX {
            return Polled::TooMany;
        }
        let (sender, given) = oneshot::channel();
        let number = queue.next;
        queue.next += 1;
        queue.line.push_back(Waits::Poller(Poller { number, worker, given: sender }));
        Polled::Later(Waiting { activities: self.clone(), activity: activity.into(), number, given })
    }

    /// The same of one activity.
    pub fn waiting_of(&self, activity: &str) -> (usize, usize) {
        let queues = self.queues();
        queues.get(activity).map_or((0, 0), |queue| (queue.tasks.len(), queue.pollers() + queue.lanes.len()))
    }

    /// Tasks that wait for a worker, of all activities, and workers that wait for a task.
    pub fn waiting(&self) -> (usize, usize) {
        let queues = self.queues();
        let tasks = queues.values().map(|queue| queue.tasks.len()).sum();
        (tasks, queues.values().map(|queue| queue.pollers() + queue.lanes.len()).sum())
    }

    fn write(&self, activity: &Activity) -> Result<(), Error> {
        let value = serde_json::to_vec(activity).expect("an activity is plain data, which always serialises");
        self.commit(Write::Put { space: Space::Activities, key: activity.arn.as_bytes().to_vec(), value })
    }

    fn commit(&self, write: Write) -> Result<(), Error> {
        let batch = Batch { shard: REGISTRY, epoch: self.epoch, writes: vec![write] };
        Ok(commit_and_wait(&*self.store, batch)?)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Activity>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Arc<str>, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// A shard that has recovered offers again what may be there already.
    fn push(&mut self, offered: Offered) {
        if self.places.contains_key(&offered) {
            return;
        }
        let place = self.next;
        self.next += 1;
        self.tasks.insert(place, offered);
        self.places.insert(offered, place);
    }

    fn pop(&mut self) -> Option<Offered> {
        let (_, offered) = self.tasks.pop_first()?;
        self.places.remove(&offered);
        Some(offered)
    }

    fn pollers(&self) -> usize {
        let waits = |next: &&Waits| matches!(next, Waits::Poller(poller) if !poller.given.is_closed());
        self.line.iter().filter(waits).count()
    }

    fn forget(&mut self, number: u64) {
        self.lanes.remove(&number);
        self.line.retain(|next| !matches!(next, Waits::Lane(other) if *other == number));
    }

    fn has_credit(&self, lane: u64) -> bool {
        self.lanes.get(&lane).is_some_and(|lane| lane.held < lane.credit)
    }

    /// The lane waits, if it takes more and does not wait already.
    fn line_up(&mut self, number: u64) {
        if let Some(lane) = self.lanes.get_mut(&number)
            && lane.held < lane.credit
            && !std::mem::replace(&mut lane.is_in_line, true)
        {
            self.line.push_back(Waits::Lane(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interpreter::{FrameId, WaitId};

    fn task(number: u64) -> Offered {
        (ExecutionId(number), TaskId { frame: FrameId(0), attempt: WaitId(number) })
    }

    fn offered(waiting: &mut Waiting) -> Option<Offered> {
        match waiting.given.try_recv() {
            Ok(Given::Offered(offered)) => Some(offered),
            _ => None,
        }
    }

    fn open() -> Arc<Activities> {
        Arc::new(Activities::open(Arc::new(store::Memory::new())).unwrap())
    }

    #[test]
    fn tasks_go_in_order_to_whoever_asks() {
        let (activities, arn): (_, Arc<str>) = (open(), "arn".into());
        for number in 1..=3 {
            let (id, task) = task(number);
            activities.offer(&arn, id, task);
        }
        let (id, withdrawn) = task(2);
        activities.withdraw(&arn, id, withdrawn);
        let polled = |activities: &Arc<Activities>| match activities.poll("arn", None) {
            Polled::Task(offered) => Some(offered),
            _ => None,
        };
        assert_eq!((polled(&activities), polled(&activities)), (Some(task(1)), Some(task(3))));
        let Polled::Later(mut first) = activities.poll("arn", None) else { panic!("nothing is there") };
        let Polled::Later(gone) = activities.poll("arn", None) else { panic!("nothing is there") };
        let Polled::Later(mut third) = activities.poll("arn", None) else { panic!("nothing is there") };
        drop(gone);
        for number in 4..=6 {
            let (id, task) = task(number);
            activities.offer(&arn, id, task);
        }
        assert_eq!((offered(&mut first), offered(&mut third)), (Some(task(4)), Some(task(5))));
        assert_eq!(activities.waiting(), (1, 0));
    }

    #[test]
    fn what_a_worker_was_given_and_has_not_taken_goes_to_another() {
        let (activities, arn): (_, Arc<str>) = (open(), "arn".into());
        let Polled::Later(first) = activities.poll("arn", None) else { panic!("nothing is there") };
        let Polled::Later(mut second) = activities.poll("arn", None) else { panic!("nothing is there") };
        let (id, one) = task(1);
        activities.offer(&arn, id, one);
        drop(first);
        assert_eq!(offered(&mut second), Some(task(1)));
        drop(second);
        assert_eq!(activities.waiting(), (0, 0), "what was taken is not given again");
        // Offered twice, as by a shard that has recovered, it is there once.
        activities.offer(&arn, id, one);
        activities.offer(&arn, id, one);
        assert_eq!(activities.waiting(), (1, 0));
        activities.withdraw(&arn, id, one);
        assert_eq!(activities.waiting(), (0, 0));
    }

    #[test]
    fn a_place_that_is_claimed_is_waited_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (activities, arn): (_, Arc<str>) = (open(), "arn".into());
            let over = Instant::now();
            let Polled::Later(mut idle) = activities.poll("arn", None) else { panic!("nothing is there") };
            assert!(matches!(idle.given(over).await, Ok(None)), "its time is up, and nobody has claimed it");
            assert!(activities.claim(&arn).is_none());

            let Polled::Later(mut waiting) = activities.poll("arn", Some("w".into())) else {
                panic!("nothing is there")
            };
            let seat = activities.claim(&arn).unwrap();
            assert_eq!(seat.worker().as_deref(), Some("w"));
            let (id, task) = task(1);
            let taken = Taken { token: "t".into(), input: interpreter::Payload::from_checked_text("1") };
            let (given, _) = tokio::join!(waiting.given(over), async { seat.hand_over(id, task, taken.clone()) });
            assert!(matches!(given, Ok(Some(Given::Taken(it))) if it == taken), "although its time is up");

            let Polled::Later(mut waiting) = activities.poll("arn", None) else { panic!("nothing is there") };
            drop(activities.claim(&arn).unwrap());
            assert!(waiting.given(over).await.is_err(), "its place is no more, so that it polls again");
        });
    }

    #[test]
    fn they_are_durable() {
        let store: Arc<dyn Store> = Arc::new(store::Memory::new());
        let activities = Activities::open(store.clone()).unwrap();
        let create = |name: &str| activities.create(name, name, BTreeMap::new(), None, Timestamp(1)).unwrap();
        assert!(matches!(create("a"), ActivityCreated::Done(_)));
        assert!(matches!(create("b"), ActivityCreated::Done(_)));
        activities.delete("a").unwrap();
        let again = Activities::open(store).unwrap();
        assert_eq!(again.list(), activities.list());
        assert_eq!(again.list().len(), 1);
    }
}

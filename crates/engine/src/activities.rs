//! Activities: work that a worker asks for. The AWS resource, and the queues between tasks and workers.
//!
//! ```text
//!  shard ── Offer (its Scheduled is durable) ──> queue ──┐
//!                                                        ├──> a task and a worker meet ──> shard: Started, durable ──> worker
//!  GetActivityTask ───────────────────────────> pollers ─┘
//! ```
//!
//! The queues are memory only: a shard that recovers offers again what is still scheduled. A task is taken by asking its
//! shard, which refuses one that was given up meanwhile, so a stale entry costs a question and nothing else.
//!
//! Like state machines, activities are few and change rarely: held in memory, written through, under an epoch of their own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interpreter::{TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Batch, Epoch, Order, ShardId, Space, Store, Write, commit_and_wait, prefix_end};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::keys::ExecutionId;
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

/// Of one activity. Tasks and pollers never wait at the same time.
#[derive(Default)]
struct Queue {
    /// In the order in which they were scheduled.
    tasks: BTreeMap<u64, Offered>,
    places: HashMap<Offered, u64>,
    next: u64,
    pollers: VecDeque<oneshot::Sender<Offered>>,
}

/// What a poll gets at once.
pub(crate) enum Polled {
    Task(Offered),
    /// It comes through here, if one is scheduled in time.
    Later(Waiting),
    TooMany,
}

/// The place of a worker that waits. What it was given and has not taken goes to another.
pub(crate) struct Waiting {
    activities: Arc<Activities>,
    activity: Arc<str>,
    pub offered: oneshot::Receiver<Offered>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.offered.close();
        if let Ok((id, task)) = self.offered.try_recv() {
            self.activities.offer(&self.activity, id, task);
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
        if let Some(queue) = self.queues().get_mut(arn) {
            queue.pollers.clear();
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
    pub(crate) fn offer(&self, activity: &Arc<str>, id: ExecutionId, task: TaskId) {
        let mut queues = self.queues();
        let queue = queues.entry(activity.clone()).or_default();
        while let Some(poller) = queue.pollers.pop_front() {
            // A poller that is gone takes nothing.
            if poller.send((id, task)).is_ok() {
                return;
            }
        }
        queue.push((id, task));
    }

    pub(crate) fn withdraw(&self, activity: &str, id: ExecutionId, task: TaskId) {
        if let Some(queue) = self.queues().get_mut(activity)
            && let Some(place) = queue.places.remove(&(id, task))
        {
            queue.tasks.remove(&place);
        }
    }

    pub(crate) fn poll(self: &Arc<Activities>, activity: &str) -> Polled {
        let mut queues = self.queues();
        let queue = queues.entry(activity.into()).or_default();
        if let Some(offered) = queue.pop() {
            return Polled::Task(offered);
        }
        queue.pollers.retain(|poller| !poller.is_closed());
        if queue.pollers.len() >= POLLERS_MAX {
            return Polled::TooMany;
        }
        let (sender, offered) = oneshot::channel();
        queue.pollers.push_back(sender);
        Polled::Later(Waiting { activities: self.clone(), activity: activity.into(), offered })
    }

    /// The same of one activity.
    pub fn waiting_of(&self, activity: &str) -> (usize, usize) {
        let queues = self.queues();
        let pollers = |queue: &Queue| queue.pollers.iter().filter(|it| !it.is_closed()).count();
        queues.get(activity).map_or((0, 0), |queue| (queue.tasks.len(), pollers(queue)))
    }

    /// Tasks that wait for a worker, of all activities, and workers that wait for a task.
    pub fn waiting(&self) -> (usize, usize) {
        let queues = self.queues();
        let tasks = queues.values().map(|queue| queue.tasks.len()).sum();
        (tasks, queues.values().map(|queue| queue.pollers.iter().filter(|it| !it.is_closed()).count()).sum())
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use interpreter::{FrameId, WaitId};

    fn task(number: u64) -> Offered {
        (ExecutionId(number), TaskId { frame: FrameId(0), attempt: WaitId(number) })
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
        let polled = |activities: &Arc<Activities>| match activities.poll("arn") {
            Polled::Task(offered) => Some(offered),
            _ => None,
        };
        assert_eq!((polled(&activities), polled(&activities)), (Some(task(1)), Some(task(3))));
        let Polled::Later(mut first) = activities.poll("arn") else { panic!("nothing is there") };
        let Polled::Later(gone) = activities.poll("arn") else { panic!("nothing is there") };
        let Polled::Later(mut third) = activities.poll("arn") else { panic!("nothing is there") };
        drop(gone);
        for number in 4..=6 {
            let (id, task) = task(number);
            activities.offer(&arn, id, task);
        }
        assert_eq!((first.offered.try_recv(), third.offered.try_recv()), (Ok(task(4)), Ok(task(5))));
        assert_eq!(activities.waiting(), (1, 0));
    }

    #[test]
    fn what_a_worker_was_given_and_has_not_taken_goes_to_another() {
        let (activities, arn): (_, Arc<str>) = (open(), "arn".into());
        let Polled::Later(first) = activities.poll("arn") else { panic!("nothing is there") };
        let Polled::Later(mut second) = activities.poll("arn") else { panic!("nothing is there") };
        let (id, one) = task(1);
        activities.offer(&arn, id, one);
        drop(first);
        assert_eq!(second.offered.try_recv(), Ok(task(1)));
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

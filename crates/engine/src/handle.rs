//! The engine's front: requests go in, answers come back when they are durable.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use interpreter::{Failure, Payload, RunTask, Timestamp, Token};
use tokio::sync::{broadcast, oneshot};

use crate::activities::{Activities, Given, Polled};
use crate::core::{ChildEnd, Gauges, MapRunUpdate, Start, Taken, TokenAnswer};
use crate::error::{Error, MapRunError, PollError, RedriveError, StartError, StopError, TokenError};
use crate::figures::Figures;
use crate::keys::{self, ExecutionId};
use crate::lane::Lane;
use crate::limits::INBOX_MAX;
use crate::machines::{Machine, Machines};
use crate::map_run::RunKey;
use crate::record::Parent;
use crate::shard::{AnswerReply, Message};
use crate::task::{TaskRunner, run_alone};
use crate::watch::StatusChange;

/// Cheap to clone; lives as long as anybody holds it.
#[derive(Clone)]
pub struct Handle {
    pub(crate) machines: Arc<Machines>,
    pub(crate) activities: Arc<Activities>,
    pub(crate) shards: Arc<[ShardDoor]>,
    /// Runs what is waited for: nothing of it is written.
    pub(crate) express: Arc<ShardDoor>,
    pub(crate) changes: broadcast::Sender<StatusChange>,
    pub(crate) runner: Arc<dyn TaskRunner>,
}

pub struct ShardDoor {
    pub sender: Sender<Message>,
    pub queued: Arc<AtomicUsize>,
}

pub type Started = crate::core::StartReply;

impl Handle {
    pub fn machines(&self) -> &Arc<Machines> {
        &self.machines
    }

    /// Starts an execution of the machine, version or alias of this ARN. The answer comes when it is durable; a name
    /// that was used is handled as AWS does: the same input while it runs gives the first answer, anything else is
    /// refused.
    pub async fn start(
        &self,
        machine_arn: &str,
        name: Option<&str>,
        input: Payload,
        trace_header: Option<&str>,
    ) -> Result<Started, StartError> {
        self.start_target(machine_arn, name, input, trace_header, None).await
    }

    /// Starts an execution for a task that waits for its end: the same task gets the same execution, however often it
    /// asks. Refused for an Express machine: what it has done is forgotten when it ends.
    pub async fn start_nested(
        &self,
        machine_arn: &str,
        name: &str,
        input: Payload,
        parent: Parent,
    ) -> Result<Started, StartError> {
        self.start_target(machine_arn, Some(name), input, None, Some(parent)).await
    }

    async fn start_target(
        &self,
        machine_arn: &str,
        name: Option<&str>,
        input: Payload,
        trace_header: Option<&str>,
        parent: Option<Parent>,
    ) -> Result<Started, StartError> {
        // The share of an alias that this start falls to.
        let draw = RandomState::new().hash_one(machine_arn);
        let target = self.machines.target(machine_arn, draw)?.ok_or(StartError::MachineDoesNotExist)?;
        let machine = target.machine;
        if machine.is_deleting {
            return Err(StartError::MachineDeleting);
        }
        if parent.is_some() && target.revision.is_express {
            return Err(StartError::OtherType);
        }
        let shard = match name {
            Some(name) => self.shard_of(machine.number, name),
            // A made-up name can be nobody's, so any shard will do: the one with the least to do.
            None => self.least_busy(),
        };
        let start = Start {
            name: name.map(Arc::from),
            trace_header: trace_header.map(Arc::from),
            version: target.version,
            alias: target.alias,
            parent,
            ..Start::new(target.revision, input)
        };
        self.start_on(shard, start).await
    }

    /// Runs an Express execution of the machine, version or alias of this ARN to its end. It lives in memory: when the
    /// process ends, so does it.
    pub async fn start_sync(
        &self,
        machine_arn: &str,
        name: Option<&str>,
        input: Payload,
        trace_header: Option<&str>,
    ) -> Result<ChildEnd, StartError> {
        let draw = RandomState::new().hash_one(machine_arn);
        let target = self.machines.target(machine_arn, draw)?.ok_or(StartError::MachineDoesNotExist)?;
        if target.machine.is_deleting {
            return Err(StartError::MachineDeleting);
        }
        if !target.revision.is_express {
            return Err(StartError::OtherType);
        }
        let (ended, end) = oneshot::channel();
        let start = Start {
            name: name.map(Arc::from),
            trace_header: trace_header.map(Arc::from),
            version: target.version,
            alias: target.alias,
            // A caller that is gone needs no answer.
            on_end: Some(Box::new(move |end| drop(ended.send(end)))),
            ..Start::new(target.revision, input)
        };
        self.start_on(&self.express, start).await?;
        end.await.map_err(|_| unavailable().into())
    }

    async fn start_on(&self, shard: &ShardDoor, start: Start) -> Result<Started, StartError> {
        let (reply, answer) = oneshot::channel();
        match shard.request(Message::Start(start, reply)) {
            Ok(()) => {}
            Err(Refused::Full) => return Err(StartError::Throttled),
            Err(Refused::Gone) => return Err(unavailable().into()),
        }
        answer.await.unwrap_or_else(|_| Err(unavailable().into()))
    }

    /// Stops an execution; answers when it ended, also if that was before.
    pub async fn stop(&self, execution_arn: &str, failure: Failure) -> Result<Timestamp, StopError> {
        let (machine_arn, name) = keys::split_execution_arn(execution_arn).ok_or(StopError::DoesNotExist)?;
        let machine = self.machines.get(&machine_arn)?.ok_or(StopError::DoesNotExist)?;
        // A made-up name may live in any shard, so each is asked until one knows it.
        let mut outcome = Err(StopError::DoesNotExist);
        for shard in self.shards.iter() {
            let (reply, answer) = oneshot::channel();
            let message =
                Message::Stop { machine: machine.number, name: name.to_owned(), failure: failure.clone(), reply };
            match shard.request(message) {
                Ok(()) => {}
                Err(Refused::Full) => return Err(StopError::Throttled),
                Err(Refused::Gone) => return Err(unavailable().into()),
            }
            outcome = answer.await.unwrap_or_else(|_| Err(unavailable().into()));
            if !matches!(outcome, Err(StopError::DoesNotExist)) {
                break;
            }
        }
        outcome
    }

    /// Says how a task went, by its token. Answered when what comes of it is durable.
    pub async fn answer(&self, token: &str, answer: TokenAnswer) -> Result<(), TokenError> {
        let token = Token::decode(token).ok_or(TokenError::Invalid)?;
        let (reply, answered) = oneshot::channel();
        let shard = self.shard_with(ExecutionId(token.execution));
        match shard.request(Message::Answer { token, answer, reply: AnswerReply::Caller(reply) }) {
            Ok(()) => {}
            Err(Refused::Full) => return Err(TokenError::Throttled),
            Err(Refused::Gone) => return Err(unavailable().into()),
        }
        answered.await.unwrap_or_else(|_| Err(unavailable().into()))
    }

    pub fn activities(&self) -> &Arc<Activities> {
        &self.activities
    }

    /// A task of an activity, for a worker; none if none is scheduled for so long. Dropping the future gives nothing up:
    /// what it has not been given goes to another.
    pub async fn poll_activity(
        &self,
        arn: &str,
        worker: Option<&str>,
        patience: Duration,
    ) -> Result<Option<Taken>, PollError> {
        let until = Instant::now() + patience;
        let worker: Option<Arc<str>> = worker.map(Arc::from);
        loop {
            if self.activities.get(arn).is_none() {
                return Err(PollError::DoesNotExist);
            }
            let (id, task) = match self.activities.poll(arn, worker.clone()) {
                Polled::Task(offered) => offered,
                Polled::TooMany => return Err(PollError::TooManyPollers),
                Polled::Later(mut waiting) => match waiting.given(until).await {
                    Ok(Some(Given::Offered(offered))) => offered,
                    Ok(Some(Given::Taken(taken))) => return Ok(Some(taken)),
                    Ok(None) => return Ok(None),
                    // The activity was deleted, or the task was given up before its Started was durable.
                    Err(_) => continue,
                },
            };
            let (reply, taken) = oneshot::channel();
            let worker = worker.clone();
            self.shard_with(id).tell(Message::Take { id, task, worker, reply });
            match taken.await {
                Ok(Some(taken)) => return Ok(Some(taken)),
                // It was given up meanwhile.
                Ok(None) => continue,
                Err(_) => return Err(unavailable().into()),
            }
        }
    }

    /// A worker's own way to tasks and back, for many at a time.
    pub fn open_lane(&self) -> Lane {
        Lane::new(self.clone())
    }

    /// Goes on with an execution that ended badly; answers when it was taken up.
    pub async fn redrive(&self, id: ExecutionId) -> Result<Timestamp, RedriveError> {
        let (reply, answer) = oneshot::channel();
        match self.shard_with(id).request(Message::Redrive { id, reply }) {
            Ok(()) => {}
            Err(Refused::Full) => return Err(RedriveError::Throttled),
            Err(Refused::Gone) => return Err(unavailable().into()),
        }
        answer.await.unwrap_or_else(|_| Err(unavailable().into()))
    }

    pub async fn update_map_run(&self, run: RunKey, update: MapRunUpdate) -> Result<(), MapRunError> {
        let (reply, answer) = oneshot::channel();
        match self.shard_with(run.execution).request(Message::UpdateMapRun { run, update, reply }) {
            Ok(()) => {}
            Err(Refused::Full) => return Err(MapRunError::Throttled),
            Err(Refused::Gone) => return Err(unavailable().into()),
        }
        answer.await.unwrap_or_else(|_| Err(unavailable().into()))
    }

    /// Deletes a state machine: its executions end at their next transition.
    pub fn delete_machine(&self, arn: &str) -> Result<Option<Arc<Machine>>, Error> {
        let deleted = self.machines.delete(arn)?;
        if let Some(machine) = &deleted {
            for shard in self.shards.iter().chain([&*self.express]) {
                shard.tell(Message::MachineDeleted(machine.number));
            }
        }
        Ok(deleted)
    }

    /// Runs a task that no execution asks for, as TestState does; none if it has no outcome in time, or nobody waits for
    /// it any more. Blocks, and a task whose outcome comes later has run all the same.
    pub fn run_alone(
        &self,
        execution_arn: &Arc<str>,
        task: RunTask,
        patience: Duration,
        is_given_up: &dyn Fn() -> bool,
    ) -> Option<Result<Payload, Failure>> {
        run_alone(&*self.runner, execution_arn.clone(), task, patience, is_given_up)
    }

    /// Every start and end of an execution from now on.
    pub fn watch(&self) -> broadcast::Receiver<StatusChange> {
        self.changes.subscribe()
    }

    pub async fn gauges(&self) -> Gauges {
        let mut sum = Gauges::default();
        for shard in self.shards.iter() {
            let (reply, answer) = oneshot::channel();
            shard.tell(Message::Gauges(reply));
            if let Ok(gauges) = answer.await {
                sum.add(&gauges);
            }
        }
        sum
    }

    /// What all shards did, that of the Express executions included. One that does not answer in time is left out, and
    /// [`Figures::shards`] tells how many there are.
    pub async fn figures(&self, patience: Duration) -> Figures {
        let ask = |shard: &ShardDoor| {
            let (reply, answer) = oneshot::channel();
            shard.tell(Message::Figures(reply));
            answer
        };
        // All are asked before the first is waited for.
        let answers: Vec<_> = self.shards.iter().chain([&*self.express]).map(ask).collect();
        let until = tokio::time::Instant::now() + patience;
        let mut sum = Figures::default();
        for answer in answers {
            if let Ok(Ok(figures)) = tokio::time::timeout_at(until, answer).await {
                sum.add(&figures);
            }
        }
        sum
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len() + 1
    }

    fn shard_of(&self, machine: u32, name: &str) -> &ShardDoor {
        let mut hasher = DefaultHasher::new();
        (machine, name).hash(&mut hasher);
        &self.shards[(hasher.finish() % self.shards.len() as u64) as usize]
    }

    /// The shard that holds this execution. (Their number may have changed since it was started.)
    fn shard_with(&self, id: ExecutionId) -> &ShardDoor {
        &self.shards[self.number_of(id)]
    }

    pub(crate) fn number_of(&self, id: ExecutionId) -> usize {
        usize::from(id.shard()) % self.shards.len()
    }

    fn least_busy(&self) -> &ShardDoor {
        self.shards
            .iter()
            .min_by_key(|shard| shard.queued.load(Ordering::Relaxed))
            .expect("INVARIANT: an engine has at least one shard")
    }
}

/// Why a request was not queued.
enum Refused {
    Full,
    /// The engine has been shut down.
    Gone,
}

impl ShardDoor {
    fn request(&self, message: Message) -> Result<(), Refused> {
        if !self.enter() {
            return Err(Refused::Full);
        }
        self.sender.send(message).map_err(|_| {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            Refused::Gone
        })
    }

    /// Counts a request that is going to be sent. False if too many wait.
    pub(crate) fn enter(&self) -> bool {
        let is_full = self.queued.fetch_add(1, Ordering::Relaxed) >= INBOX_MAX;
        if is_full {
            self.queued.fetch_sub(1, Ordering::Relaxed);
        }
        !is_full
    }

    pub(crate) fn tell(&self, message: Message) {
        // A shard that is gone has nothing to be told.
        let _ = self.sender.send(message);
    }
}

pub(crate) fn unavailable() -> Error {
    Error::Unavailable("the shard ended its term before the request was durable".into())
}

//! The loop around a shard's [`Core`]: take, step, commit, act; and gather while a commit is on its way.
//!
//! [`Shard::run`] is the thread that waits; [`Shard::turn`] is one round of it and never waits.
//!
//! One inbox carries everything, the store's answers included, so the thread waits in one place. The inbox is
//! bounded by its senders: [`crate::Handle`] refuses a request when too many wait, runners can only answer
//! what they were handed, and there is one commit on its way at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use interpreter::{Failure, Payload, TaskId, Timestamp, Token};
use tokio::sync::{broadcast, oneshot, watch};

use crate::activities::Activities;
use crate::core::{Act, ChildEnd, Core, Gauges, Inheritance, MapRunUpdate, Start, StartReply, Taken, TokenAnswer};
use crate::error::{Error, MapRunError, RedriveError, StartError, StopError, TokenError};
use crate::figures::{Call, Figures};
use crate::handle::ShardDoor;
use crate::keys::ExecutionId;
use crate::lane::{LaneReply, Offer};
use crate::log::LogSink;
use crate::map_run::RunKey;
use crate::surroundings::Clock;
use crate::task::{Completion, Errand, Items, Outcome, Task, TaskRunner, Written};
use crate::watch::StatusChange;

pub enum Message {
    Start(Start, oneshot::Sender<Result<StartReply, StartError>>),
    Stop {
        machine: u32,
        name: String,
        failure: Failure,
        reply: oneshot::Sender<Result<Timestamp, StopError>>,
    },
    /// Somebody has a task's token.
    Answer {
        token: Token,
        answer: TokenAnswer,
        reply: AnswerReply,
    },
    /// A worker takes an activity's task.
    Take {
        id: ExecutionId,
        task: TaskId,
        worker: Option<Arc<str>>,
        reply: oneshot::Sender<Option<Taken>>,
    },
    /// The same for a lane.
    TakeForLane(Offer),
    /// Taken one after the other, as if each had come by itself: what one read has brought, for one wake.
    Many(Vec<Message>),
    Redrive {
        id: ExecutionId,
        reply: oneshot::Sender<Result<Timestamp, RedriveError>>,
    },
    UpdateMapRun {
        run: RunKey,
        update: MapRunUpdate,
        reply: oneshot::Sender<Result<(), MapRunError>>,
    },
    Outcome {
        id: ExecutionId,
        task: TaskId,
        outcome: Outcome,
        /// None if it is not told by whoever the task was handed to.
        call: Option<Call>,
    },
    /// A nested execution has ended.
    ChildEnded {
        execution: ExecutionId,
        task: TaskId,
        end: Box<ChildEnd>,
    },
    /// Nobody waits for a nested execution any more.
    StopChild {
        execution: ExecutionId,
        task: TaskId,
    },
    Items {
        errand: Errand,
        items: Vec<Payload>,
        is_last: bool,
        taken: Option<oneshot::Sender<bool>>,
    },
    ItemsFailed {
        errand: Errand,
        failure: Failure,
    },
    ResultsWritten {
        errand: Errand,
        outcome: Result<Payload, Failure>,
    },
    MachineDeleted(u32),
    Gauges(oneshot::Sender<Gauges>),
    Figures(oneshot::Sender<Box<Figures>>),
    /// From the store: what became of the batch.
    Committed(Result<(), store::Error>),
    /// Take no more requests and hand no more tasks over; end when the last commit is done and every running task
    /// has its outcome, at this moment at the latest.
    ShutDown(Instant),
}

/// Who has answered by a token.
pub enum AnswerReply {
    Caller(oneshot::Sender<Result<(), TokenError>>),
    Lane(LaneReply),
}

impl AnswerReply {
    fn refuse(self, error: Error) {
        match self {
            AnswerReply::Caller(reply) => drop(reply.send(Err(error.into()))),
            AnswerReply::Lane(reply) => reply.tell_now(Err(error.into())),
        }
    }
}

impl Message {
    /// Does it count against the inbox's bound?
    fn is_request(&self) -> bool {
        matches!(
            self,
            Message::Start(..)
                | Message::Stop { .. }
                | Message::Answer { .. }
                | Message::Redrive { .. }
                | Message::UpdateMapRun { .. }
        )
    }

    /// Does it add to the batch?
    fn is_input(&self) -> bool {
        self.is_request()
            || matches!(
                self,
                Message::Outcome { .. }
                    | Message::Take { .. }
                    | Message::TakeForLane(_)
                    | Message::ChildEnded { .. }
                    | Message::StopChild { .. }
                    | Message::Items { .. }
                    | Message::ItemsFailed { .. }
                    | Message::ResultsWritten { .. }
            )
    }
}

/// Makes a core from what the store holds and from what the term before has left; called at the start and after a failed commit.
pub type Recover = Box<dyn Fn(Timestamp, Inheritance) -> Result<Core, Error> + Send>;

pub struct Shard {
    pub core: Core,
    pub recover: Recover,
    pub store: Arc<dyn store::Store>,
    pub runner: Arc<dyn TaskRunner>,
    pub log: Arc<dyn LogSink>,
    pub inbox: Receiver<Message>,
    /// To hand to completions and to the store.
    pub sender: Sender<Message>,
    pub queued: Arc<AtomicUsize>,
    pub changes: broadcast::Sender<StatusChange>,
    /// All shards, this one included.
    pub peers: Arc<[ShardDoor]>,
    pub activities: Arc<Activities>,
    /// What came while the open batch was full and another was on its way to the disk.
    pub parked: VecDeque<Message>,
    /// The acts of the batch that is on its way to the disk.
    pub flying: Option<Vec<Act>>,
    /// It is shutting down, and ends at this moment at the latest.
    pub closes_at: Option<Instant>,
    pub pace: Pace,
    pub clock: Clock,
    /// Told once, when the shard cannot go on: only a restart, which reads everything again, helps then.
    pub fatal: Arc<watch::Sender<Option<String>>>,
}

/// When many tasks run, their outcomes come in one by one, and a commit for each few of them writes the same pages again and
/// again. Then a batch gathers for a moment more: what is asked of the disk and of the processors falls by a third, and as
/// long as they are what limits the whole, nobody waits longer for it.
pub struct Pace {
    is_kept: bool,
    last: Instant,
}

/// Fewer running tasks than these are not held up.
const PACED_TASKS_MIN: usize = 256;

/// From one commit to the next: what a task of a person's code hardly notices.
const PACE: Duration = Duration::from_millis(2);

impl Pace {
    /// A shard whose turns somebody else takes is never held up.
    pub fn new(is_kept: bool) -> Pace {
        Pace { is_kept, last: Instant::now() }
    }

    /// How long the open batch still gathers.
    fn left(&self, running_tasks: usize) -> Option<Duration> {
        let is_due = !self.is_kept || running_tasks < PACED_TASKS_MIN;
        PACE.checked_sub(self.last.elapsed()).filter(|left| !is_due && !left.is_zero())
    }
}

impl Shard {
    /// Runs until it is told to shut down, or its store fails for good.
    pub fn run(mut self) {
        self.submit();
        while self.goes_on() {
            let next = self.wait();
            if let Err(why) = self.turn(next) {
                return self.refuse_all(&why);
            }
        }
    }

    /// One round of the loop with a message and what waits behind it, or with none when only time has passed. It never waits,
    /// so a simulator can take the turns of all shards. An error says why the shard cannot go on.
    pub fn turn(&mut self, mut next: Option<Message>) -> Result<(), String> {
        while let Some(message) = next {
            match message {
                Message::Committed(Ok(())) => {
                    self.core.committed();
                    let acts = self.flying.take().unwrap_or_default();
                    self.act(acts);
                }
                Message::Committed(Err(error)) => {
                    // Dropped replies tell their callers that the engine is not available.
                    let core = self.next_term(&error)?;
                    let figures = std::mem::take(&mut self.core.figures);
                    self.core = core;
                    self.core.figures = figures;
                    if self.closes_at.is_some() {
                        self.core.drain();
                    }
                }
                Message::ShutDown(at) => {
                    self.closes_at = Some(at);
                    self.core.drain();
                }
                // Nothing is parked, or all that is came before.
                Message::Many(messages) => self.parked.extend(messages),
                message if self.closes_at.is_some() && message.is_request() => self.refuse(message, "it is stopping"),
                message if message.is_input() && self.is_blocked() => self.parked.push_back(message),
                message => self.take(message),
            }
            next = if self.core.is_full() { None } else { self.gathered() };
        }
        let at = self.clock.now();
        self.core.set_time(at);
        // What is due while we close is due at the next start too.
        if self.closes_at.is_none() {
            self.core.go_on();
        }
        self.submit();
        Ok(())
    }

    /// The open batch takes no more, and cannot be handed to the store yet.
    fn is_blocked(&self) -> bool {
        self.flying.is_some() && self.core.is_full()
    }

    /// What a turn begins with, if it is there already.
    pub fn ready(&mut self) -> Option<Message> {
        // Only the answer of the store helps a blocked shard, and it is in the inbox.
        if self.is_blocked() { self.inbox.try_recv().ok() } else { self.gathered() }
    }

    /// What waits already, in the order in which it came.
    fn gathered(&mut self) -> Option<Message> {
        self.parked.pop_front().or_else(|| self.inbox.try_recv().ok())
    }

    /// Something is on its way, or it is open, or it is closing while tasks may still answer in time.
    fn goes_on(&self) -> bool {
        let is_open = || self.closes_at.is_none_or(|at| self.core.gauges().running_tasks > 0 && Instant::now() < at);
        self.flying.is_some() || self.core.has_work() || !self.parked.is_empty() || is_open()
    }

    /// The next message; none when a timer is due or the moment to close has come.
    fn wait(&mut self) -> Option<Message> {
        if self.is_blocked() {
            return self.inbox.recv().ok();
        }
        if let Some(message) = self.gathered() {
            return Some(message);
        }
        let at = self.clock.now();
        let due = self.core.next_wake().filter(|_| self.closes_at.is_none());
        let until_timer = due.map(|due| Duration::from_millis(u64::try_from(due.0.saturating_sub(at.0)).unwrap_or(0)));
        // A commit that is on its way answers soon and wakes us anyway.
        let until_close =
            self.closes_at.filter(|_| self.flying.is_none()).map(|at| at.saturating_duration_since(Instant::now()));
        match until_timer.into_iter().chain(until_close).chain(self.gathers_for()).min() {
            None => self.inbox.recv().ok(),
            Some(timeout) => self.inbox.recv_timeout(timeout).ok(),
        }
    }

    /// After a failed commit everything in memory is forgotten and read again. A shard that another has taken
    /// over is not taken back: two owners would only fence each other. A batch that is too large would be as large
    /// again.
    fn next_term(&mut self, failed: &store::Error) -> Result<Core, String> {
        if let store::Error::Fenced { .. } | store::Error::TooLarge { .. } = failed {
            return Err(failed.to_string());
        }
        // Their outcomes are still to come: to call them lost would compensate what is about to take effect.
        let inheritance = self.core.bequeath(&self.flying.take().unwrap_or_default());
        let core = (self.recover)(self.clock.now(), inheritance).map_err(|error| match error {
            // It names the failure itself.
            Error::Store(stopped @ store::Error::Failed { .. }) => stopped.to_string(),
            error => format!("a commit failed ({failed}) and so did the recovery ({error})"),
        })?;
        self.clock.reach(core.time());
        Ok(core)
    }

    fn take(&mut self, message: Message) {
        if message.is_request() {
            self.queued.fetch_sub(1, Ordering::Relaxed);
        }
        let at = self.clock.now();
        self.core.set_time(at);
        match message {
            // A caller that is gone needs no answer.
            Message::Start(start, reply) => self.core.start(start, move |answer| drop(reply.send(answer))),
            Message::Stop { machine, name, failure, reply } => {
                self.core.stop(machine, &name, failure, move |answer| drop(reply.send(answer)));
            }
            Message::Answer { token, answer, reply } => match reply {
                AnswerReply::Caller(reply) => {
                    self.core.answer(token, answer, move |answer| drop(reply.send(answer)));
                }
                AnswerReply::Lane(reply) => self.core.answer_from_lane(token, answer, reply),
            },
            // A stop hands no more tasks over: this one is scheduled, and offered again by the next start.
            Message::TakeForLane(offer) if self.closes_at.is_some() => drop(offer),
            Message::Take { reply, .. } if self.closes_at.is_some() => drop(reply.send(None)),
            Message::TakeForLane(offer) if offer.is_closed() => offer.give_back(),
            Message::TakeForLane(offer) => {
                let (id, task, seat) = offer.into_seat();
                self.core.take_seat(id, task, seat);
            }
            // Its worker is gone, so it goes to another.
            Message::Take { id, task, reply, .. } if reply.is_closed() => {
                if let Some(activity) = self.core.offered(id, task) {
                    self.activities.offer(&activity, id, task);
                }
            }
            Message::Take { id, task, worker, reply } => {
                self.core.take(id, task, worker, move |taken| drop(reply.send(taken)));
            }
            Message::Redrive { id, reply } => self.core.redrive(id, move |answer| drop(reply.send(answer))),
            Message::UpdateMapRun { run, update, reply } => {
                self.core.update_map_run(run, update, move |answer| drop(reply.send(answer)));
            }
            Message::Outcome { id, task, outcome, call } => {
                if let Some(call) = call {
                    self.core.figures.called(call, matches!(outcome, Outcome::Done(Err(_))));
                }
                self.core.outcome(id, task, outcome);
            }
            Message::ChildEnded { execution, task, end } => drop(self.core.child_ended(execution, task, &end)),
            Message::StopChild { execution, task } => self.core.stop_child(execution, task),
            Message::Items { errand, items, is_last, taken } => {
                self.core.items_read(errand, items, is_last, move |is_wanted| {
                    if let Some(taken) = taken {
                        // A reader that is gone needs no answer.
                        let _ = taken.send(is_wanted);
                    }
                });
            }
            Message::ItemsFailed { errand, failure } => self.core.items_failed(errand, failure),
            Message::ResultsWritten { errand, outcome } => self.core.results_written(errand, outcome),
            Message::MachineDeleted(machine) => self.core.machine_deleted(machine),
            Message::Gauges(reply) => drop(reply.send(self.core.gauges())),
            Message::Figures(reply) => drop(reply.send(self.figures())),
            Message::Many(_) | Message::Committed(_) | Message::ShutDown(_) => unreachable!("handled by the loop"),
        }
    }

    fn figures(&self) -> Box<Figures> {
        let inbox = self.queued.load(Ordering::Relaxed);
        Box::new(Figures { gauges: self.core.gauges(), inbox, shards: 1, ..self.core.figures.clone() })
    }

    /// How long the open batch waits for more, though it could be written.
    fn gathers_for(&self) -> Option<Duration> {
        let may = self.flying.is_none() && self.closes_at.is_none() && self.core.has_work() && !self.core.is_full();
        if may { self.pace.left(self.core.gauges().running_tasks) } else { None }
    }

    /// Hands the open batch to the store, if there is something in it and no other is on its way.
    fn submit(&mut self) {
        if self.flying.is_some() || !self.core.has_work() || self.gathers_for().is_some() {
            return;
        }
        self.pace.last = Instant::now();
        let (batch, acts) = self.core.seal();
        self.flying = Some(acts);
        let sender = self.sender.clone();
        let done = move |outcome| drop(sender.send(Message::Committed(outcome)));
        if batch.writes.is_empty() {
            done(Ok(()));
        } else {
            self.store.commit(batch, Box::new(done));
        }
    }

    fn act(&self, acts: Vec<Act>) {
        // Rung when all is there, so that a lane has one thing to write and not many.
        let mut bells = Vec::new();
        let mut tasks = Vec::new();
        for act in acts {
            match act {
                Act::Reply(reply) => reply(),
                Act::Run { id, execution_arn, trace_header, task } => {
                    let completion = Completion::new(self.sender.clone(), id, &task);
                    tasks.push((Task::of(id, execution_arn, trace_header, task), completion));
                }
                Act::Offer { activity, id, task } => self.activities.offer(&activity, id, task),
                Act::HandOver { id, task, seat, taken } => bells.extend(seat.hand_over(id, task, taken)),
                Act::Answered(reply, outcome) => bells.extend(reply.tell(outcome)),
                Act::Withdraw { activity, id, task } => self.activities.withdraw(&activity, id, task),
                Act::TellParent { execution, task, end } => {
                    self.peer_of(execution).tell(Message::ChildEnded { execution, task, end });
                }
                // A made-up name may live in any shard.
                Act::StopChild { execution, task } => {
                    self.peers.iter().for_each(|peer| peer.tell(Message::StopChild { execution, task }));
                }
                Act::ReadItems(errand, order) => {
                    let items = Items { shard: self.sender.clone(), errand, is_told: false };
                    self.runner.read_items(order, items);
                }
                Act::WriteResults(errand, order) => {
                    let written = Written { shard: self.sender.clone(), errand, is_told: false };
                    self.runner.write_results(order, written);
                }
                // Nobody watching is no error.
                Act::Changed(change) => drop(self.changes.send(change)),
                Act::Log(logged) => self.log.log(logged),
            }
        }
        bells.iter().for_each(|lane| lane.ring());
        if !tasks.is_empty() {
            self.runner.run_all(tasks);
        }
    }

    fn peer_of(&self, execution: ExecutionId) -> &ShardDoor {
        &self.peers[usize::from(execution.shard()) % self.peers.len()]
    }

    /// The shard cannot be taken up again: every request is told so until the process ends.
    fn refuse_all(mut self, why: &str) {
        // What failed and what was gathered meanwhile will not be durable; dropped replies tell their callers.
        drop((self.flying.take(), self.core.seal()));
        self.fatal.send_replace(Some(why.to_owned()));
        while let Some(message) = self.parked.pop_front().or_else(|| self.inbox.recv().ok()) {
            match message {
                Message::ShutDown(_) => return,
                Message::Many(messages) => self.parked.extend(messages),
                message if message.is_request() => self.refuse(message, why),
                _ => {}
            }
        }
    }

    fn refuse(&self, request: Message, why: &str) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
        let error = Error::Unavailable(why.to_owned());
        match request {
            Message::Start(_, reply) => drop(reply.send(Err(error.into()))),
            Message::Stop { reply, .. } => drop(reply.send(Err(error.into()))),
            Message::Answer { reply, .. } => reply.refuse(error),
            Message::Redrive { reply, .. } => drop(reply.send(Err(error.into()))),
            Message::UpdateMapRun { reply, .. } => drop(reply.send(Err(error.into()))),
            _ => unreachable!("only a request is refused"),
        }
    }
}

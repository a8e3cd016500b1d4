//! Who works on what: the idle processes of one function, its waiting jobs, and when to start another process.
//!
//! Pure: no processes, no clock, no IO. The host holds it under a mutex for the length of one call, and does what the
//! answer says. Jobs are handed over through a channel per parked process.
//!
//! Growth. Work for Lambda is often tiny, and a busy process is free again before another one has started. So a job
//! that finds nobody idle waits for as long as the newest start of the function has taken ([`Pool::patience`]); only then, and only if
//! the queue is not draining by itself, the pool grows: by doubling, so that sixteen blocked invocations have sixteen processes
//! after five steps. While processes are still starting it waits longer (`start_patience`): nobody can know yet whether they
//! are enough. How many of all functions start at one time is for the host to say.
//!
//! INVARIANT: a job waits only while a watcher runs (see [`Pool::look`]), so a waiting job always gets its process,
//! whatever happens to the ones before.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// What the pool must know about a job.
pub(crate) trait Waiter {
    /// Nobody waits for the answer any more.
    fn abandoned(&self) -> bool;
    fn queued_at(&self) -> Instant;
}

/// A runtime that starts slower than this grows as if it did not: somebody waits.
const PATIENCE_MAX: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProcessId(pub u64);

/// Names one act of parking, since a process may ask again while its older request is still being dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

pub(crate) struct PoolLimits {
    pub processes_max: usize,
    pub queue_max: usize,
    pub patience: Duration,
    pub start_patience: Duration,
}

/// `J` is a job, `M` a handle on a process.
pub(crate) struct Pool<J, M> {
    limits: PoolLimits,
    /// Raised when code or settings change; processes of an older one get no more work.
    generation: u64,
    closed: bool,
    members: HashMap<ProcessId, Member<M>>,
    /// The most recently used is last and is taken first, so that what is not needed grows old and is stopped.
    idle: Vec<Parked<J>>,
    waiting: VecDeque<J>,
    watched: bool,
    /// Jobs taken from the queue since the last look.
    drained: usize,
    newest_start: Option<Instant>,
    /// What the newest start took that was seen to its end.
    start_took: Duration,
    tickets: u64,
}

struct Member<M> {
    handle: M,
    generation: u64,
    joined: Instant,
    ready: bool,
}

struct Parked<J> {
    process: ProcessId,
    ticket: Ticket,
    since: Instant,
    hand: oneshot::Sender<J>,
}

/// What became of a job that was offered.
pub(crate) enum Offer<J> {
    /// An idle process has it.
    Handed,
    /// It waits. If `watch`, the caller must start a watcher: one that calls [`Pool::look`] until it says `None`.
    Queued {
        watch: bool,
    },
    Full(J),
    Closed(J),
}

/// What a process that asks for work is told.
pub(crate) enum Turn<J> {
    Work(J),
    Wait(Ticket, oneshot::Receiver<J>),
    /// No more work for it: it is to be stopped.
    Retire,
}

impl<J: Waiter, M: Clone> Pool<J, M> {
    pub fn new(limits: PoolLimits) -> Pool<J, M> {
        Pool {
            limits,
            generation: 0,
            closed: false,
            members: HashMap::new(),
            idle: Vec::new(),
            waiting: VecDeque::new(),
            watched: false,
            drained: 0,
            newest_start: None,
            start_took: Duration::ZERO,
            tickets: 0,
        }
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Processes that wait for a job.
    pub fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Jobs that wait for a process, those that nobody waits for any more included.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A job arrives.
    pub fn offer(&mut self, mut job: J) -> Offer<J> {
        if self.closed {
            return Offer::Closed(job);
        }
        while let Some(parked) = self.idle.pop() {
            match parked.hand.send(job) {
                Ok(()) => return Offer::Handed,
                // Its connection is gone; the keeper of that process will find out.
                Err(back) => job = back,
            }
        }
        if self.waiting.len() >= self.limits.queue_max {
            self.waiting.retain(|waiting| !waiting.abandoned());
        }
        if self.waiting.len() >= self.limits.queue_max {
            return Offer::Full(job);
        }
        self.waiting.push_back(job);
        self.queued()
    }

    /// A job comes back: it was handed to a process that went before it could take it.
    pub fn give_back(&mut self, job: J) -> Offer<J> {
        if self.closed {
            return Offer::Closed(job);
        }
        self.waiting.push_front(job);
        self.queued()
    }

    fn queued(&mut self) -> Offer<J> {
        let watch = !self.watched;
        self.watched = true;
        Offer::Queued { watch }
    }

    /// A process asks for work.
    pub fn turn(&mut self, process: ProcessId, now: Instant) -> Turn<J> {
        let current = self.generation;
        let Some(member) = self.members.get_mut(&process).filter(|m| m.generation == current && !self.closed) else {
            return Turn::Retire;
        };
        if !std::mem::replace(&mut member.ready, true) {
            self.start_took = now.saturating_duration_since(member.joined);
        }
        if let Some(job) = self.next_waiting() {
            self.drained += 1;
            return Turn::Work(job);
        }
        self.withdraw(process);
        let (hand, receiver) = oneshot::channel();
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.idle.push(Parked { process, ticket, since: now, hand });
        Turn::Wait(ticket, receiver)
    }

    fn next_waiting(&mut self) -> Option<J> {
        while let Some(job) = self.waiting.pop_front() {
            if !job.abandoned() {
                return Some(job);
            }
        }
        None
    }

    /// Takes an idle process out of reach. False if it was not idle: then it has, or is about to have, a job.
    pub fn withdraw(&mut self, process: ProcessId) -> bool {
        self.withdraw_where(|parked| parked.process == process)
    }

    /// The same for one act of parking.
    pub fn withdraw_ticket(&mut self, ticket: Ticket) -> bool {
        self.withdraw_where(|parked| parked.ticket == ticket)
    }

    fn withdraw_where(&mut self, which: impl Fn(&Parked<J>) -> bool) -> bool {
        let found = self.idle.iter().position(which);
        found.map(|at| self.idle.remove(at)).is_some()
    }

    /// Since when the process waits for work that was not used for longest.
    pub fn idle_since(&self) -> Option<Instant> {
        self.idle.first().map(|parked| parked.since)
    }

    /// The idle process that was not used for longest, out of reach.
    pub fn withdraw_oldest(&mut self) -> Option<M> {
        let parked = (!self.idle.is_empty()).then(|| self.idle.remove(0))?;
        self.members.get(&parked.process).map(|member| member.handle.clone())
    }

    /// A process has been started, for the generation that [`Pool::generation`] told.
    pub fn join(&mut self, process: ProcessId, handle: M, generation: u64, now: Instant) {
        self.members.insert(process, Member { handle, generation, joined: now, ready: false });
        self.newest_start = Some(now);
    }

    /// A process is gone. True if it was the last of an older generation.
    pub fn leave(&mut self, process: ProcessId) -> bool {
        self.withdraw(process);
        let current = self.generation;
        let old = self.members.remove(&process).is_some_and(|member| member.generation != current);
        old && self.members.values().all(|member| member.generation == current)
    }

    /// A process could not start: the job at the front is the one it was started for.
    pub fn take_front(&mut self) -> Option<J> {
        self.next_waiting()
    }

    /// How many processes to start now; `None` if nothing waits, and then the watcher ends.
    pub fn look(&mut self, now: Instant) -> Option<usize> {
        while self.waiting.front().is_some_and(J::abandoned) {
            self.waiting.pop_front();
        }
        let Some(front) = self.waiting.front() else {
            self.watched = false;
            return None;
        };
        let patient = now.saturating_duration_since(front.queued_at()) < self.patience();
        let drained = std::mem::take(&mut self.drained);
        Some(self.growth(patient, drained, now))
    }

    /// How long a job waits before the function grows, and how often the watcher looks: as long as a start takes, within bounds.
    pub fn patience(&self) -> Duration {
        self.start_took.clamp(self.limits.patience, PATIENCE_MAX.max(self.limits.patience))
    }

    /// Whether a start that was decided on some time ago still makes sense: something has waited for too long, and more waits than is starting.
    pub fn still_wants(&self, now: Instant) -> bool {
        let current = || self.members.values().filter(|m| m.generation == self.generation);
        let starting = current().filter(|m| !m.ready).count();
        let front = self.waiting.iter().find(|job| !job.abandoned());
        let waits = |job: &J| now.saturating_duration_since(job.queued_at()) >= self.patience();
        front.is_some_and(|job| current().next().is_none() || (waits(job) && self.waiting.len() > starting))
    }

    fn growth(&self, patient: bool, drained: usize, now: Instant) -> usize {
        let current = || self.members.values().filter(|m| m.generation == self.generation);
        let (live, starting) = (current().count(), current().filter(|m| !m.ready).count());
        let started = self.newest_start.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        let draining = drained * 2 >= self.waiting.len();
        match live {
            0 => 1,
            _ if patient || draining => 0,
            _ if starting > 0 && started < self.limits.start_patience.max(2 * self.start_took) => 0,
            _ => live
                .min(self.waiting.len().saturating_sub(starting))
                .min(self.limits.processes_max.saturating_sub(live)),
        }
    }

    /// Code or settings have changed: idle processes are returned to be stopped, busy ones retire at their next turn.
    pub fn renew(&mut self) -> Vec<M> {
        self.generation += 1;
        self.newest_start = None;
        self.idle.drain(..).filter_map(|parked| self.members.get(&parked.process)).map(|m| m.handle.clone()).collect()
    }

    /// Accepts nothing more. Returns the idle processes and the jobs that waited.
    pub fn close(&mut self) -> (Vec<M>, Vec<J>) {
        self.closed = true;
        (self.renew(), self.waiting.drain(..).collect())
    }

    /// Every process, whatever it does.
    pub fn members(&self) -> Vec<M> {
        self.members.values().map(|member| member.handle.clone()).collect()
    }

    pub fn is_without_process(&self) -> bool {
        self.members.values().all(|member| member.generation != self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct TestJob {
        name: u32,
        queued_at: Instant,
        abandoned: bool,
    }

    impl Waiter for TestJob {
        fn abandoned(&self) -> bool {
            self.abandoned
        }

        fn queued_at(&self) -> Instant {
            self.queued_at
        }
    }

    struct Bench {
        pool: Pool<TestJob, u64>,
        start: Instant,
        /// Of the newest look or join.
        now: Instant,
    }

    impl Bench {
        fn new(processes_max: usize, queue_max: usize) -> Bench {
            let patience = Duration::from_millis(5);
            let start_patience = Duration::from_millis(100);
            let limits = PoolLimits { processes_max, queue_max, patience, start_patience };
            let start = Instant::now();
            Bench { pool: Pool::new(limits), start, now: start }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn offer(&mut self, name: u32, at_ms: u64) -> &'static str {
            let job = TestJob { name, queued_at: self.at(at_ms), abandoned: false };
            match self.pool.offer(job) {
                Offer::Handed => "handed",
                Offer::Queued { watch: true } => "queued, watch",
                Offer::Queued { watch: false } => "queued",
                Offer::Full(_) => "full",
                Offer::Closed(_) => "closed",
            }
        }

        fn join(&mut self, process: u64, at_ms: u64) {
            let (generation, at) = (self.pool.generation(), self.at(at_ms));
            self.now = at;
            self.pool.join(ProcessId(process), process, generation, at);
        }

        fn look(&mut self, at_ms: u64) -> Option<usize> {
            self.now = self.at(at_ms);
            self.pool.look(self.now)
        }

        fn wait(&mut self, process: u64) -> oneshot::Receiver<TestJob> {
            match self.pool.turn(ProcessId(process), self.now) {
                Turn::Wait(_, receiver) => receiver,
                Turn::Work(job) => panic!("{process} was given {job:?}"),
                Turn::Retire => panic!("{process} was retired"),
            }
        }

        fn work(&mut self, process: u64) -> u32 {
            match self.pool.turn(ProcessId(process), self.now) {
                Turn::Work(job) => job.name,
                Turn::Wait(..) => panic!("{process} found no work"),
                Turn::Retire => panic!("{process} was retired"),
            }
        }

        fn retires(&mut self, process: u64) -> bool {
            matches!(self.pool.turn(ProcessId(process), self.now), Turn::Retire)
        }
    }

    #[test]
    fn jobs_go_to_the_last_used_process_and_queue_in_order() {
        let mut b = Bench::new(16, 2);
        assert_eq!(b.offer(1, 0), "queued, watch");
        assert_eq!(b.look(0), Some(1), "the first process starts at once");
        b.join(1, 0);
        assert_eq!(b.work(1), 1);
        assert_eq!(b.offer(2, 1), "queued");
        assert_eq!(b.offer(3, 1), "queued");
        assert_eq!(b.offer(4, 1), "full");
        assert_eq!((b.work(1), b.work(1)), (2, 3));
        assert_eq!(b.look(2), None, "nothing waits");
        b.join(2, 2);
        let (_older, mut newer) = (b.wait(1), b.wait(2));
        assert_eq!(b.offer(5, 3), "handed");
        assert_eq!(newer.try_recv().unwrap().name, 5);
    }

    #[test]
    fn a_process_that_went_away_loses_no_job() {
        let mut b = Bench::new(16, 10);
        b.join(1, 0);
        drop(b.wait(1));
        assert_eq!(b.offer(1, 0), "queued, watch");
        assert!(!b.pool.withdraw(ProcessId(1)), "it was taken out of the idle ones");
        let stale = b.pool.turn(ProcessId(1), b.now);
        let Turn::Work(job) = stale else { panic!("there is work") };
        b.offer(2, 0);
        assert!(matches!(b.pool.give_back(job), Offer::Queued { watch: false }));
        assert_eq!((b.work(1), b.work(1)), (1, 2), "what came back goes first");
    }

    #[test]
    fn asking_again_replaces_the_older_request() {
        let mut b = Bench::new(16, 10);
        b.join(1, 0);
        let (mut older, mut newer) = (b.wait(1), b.wait(1));
        assert_eq!(b.offer(1, 0), "handed");
        assert!(older.try_recv().is_err() && newer.try_recv().is_ok());
        assert_eq!(b.offer(2, 0), "queued, watch");
    }

    #[test]
    fn growth_doubles_when_jobs_are_stuck() {
        let mut b = Bench::new(7, 100);
        for job in 0..20 {
            b.offer(job, 0);
        }
        b.join(1, 0);
        assert_eq!(b.look(5), Some(0), "the first is still starting");
        assert_eq!(b.look(100), Some(1), "and starts for too long");
        b.work(1);
        b.look(101);
        assert_eq!(b.look(106), Some(1), "it is at work and stays there");
        b.join(2, 106);
        b.work(2);
        b.look(107);
        assert_eq!(b.look(112), Some(2));
        for process in 3..=4 {
            b.join(process, 112);
            b.work(process);
        }
        b.look(113);
        assert_eq!(b.look(118), Some(3), "seven at most");
    }

    #[test]
    fn no_growth_while_the_queue_drains_or_the_wait_is_short() {
        let mut b = Bench::new(16, 100);
        b.join(1, 0);
        for job in 0..10 {
            b.offer(job, 0);
        }
        assert_eq!(b.look(4), Some(0), "patience");
        for _ in 0..6 {
            b.work(1);
        }
        assert_eq!(b.look(9), Some(0), "six of ten in one look");
        assert_eq!(b.look(14), Some(1), "none since");
    }

    #[test]
    fn a_runtime_that_starts_slowly_grows_slowly() {
        let mut b = Bench::new(16, 100);
        for job in 0..20 {
            b.offer(job, 0);
        }
        b.join(1, 0);
        assert_eq!(b.look(80), Some(0), "nobody knows yet");
        b.work(1);
        assert_eq!(b.pool.patience(), Duration::from_millis(80));
        b.offer(20, 81);
        b.look(100);
        assert_eq!((b.look(160), b.pool.still_wants(b.at(160))), (Some(1), true));
        b.join(2, 160);
        assert_eq!(b.look(300), Some(0), "it may take as long as the first, and as long again");
        assert_eq!(b.look(321), Some(2));
        for _ in 0..30 {
            b.pool.waiting.pop_front();
        }
        assert!(!b.pool.still_wants(b.at(330)), "nothing waits any more");
    }

    #[test]
    fn never_more_starting_than_waiting() {
        let mut b = Bench::new(16, 100);
        for process in 0..8 {
            b.join(process, 0);
        }
        b.offer(1, 0);
        b.offer(2, 0);
        assert_eq!(b.look(500), Some(0), "eight are starting for two");
    }

    #[test]
    fn new_code_retires_the_old_processes() {
        let mut b = Bench::new(16, 10);
        for process in 1..=3 {
            b.join(process, 0);
        }
        let _idle = b.wait(1);
        assert_eq!(b.pool.renew(), [1]);
        b.offer(1, 0);
        assert_eq!(b.look(0), Some(1), "the old ones do not count");
        assert!(b.retires(2));
        assert!(!b.pool.leave(ProcessId(1)) && !b.pool.leave(ProcessId(2)));
        assert!(b.pool.leave(ProcessId(3)), "the last one of the old code");
        b.join(4, 0);
        assert_eq!(b.work(4), 1);
    }

    #[test]
    fn abandoned_jobs_are_passed_over() {
        let mut b = Bench::new(16, 10);
        let queued_at = b.start;
        b.pool.offer(TestJob { name: 1, queued_at, abandoned: true });
        b.offer(2, 0);
        b.join(1, 0);
        assert_eq!(b.work(1), 2);
        b.pool.offer(TestJob { name: 3, queued_at, abandoned: true });
        assert_eq!(b.look(50), None);
    }

    #[test]
    fn a_closed_pool_takes_nothing() {
        let mut b = Bench::new(16, 10);
        b.join(1, 0);
        b.join(2, 0);
        let _idle = b.wait(1);
        let (idle, jobs) = b.pool.close();
        assert_eq!((idle, jobs.len()), (vec![1], 0));
        assert_eq!(b.offer(1, 0), "closed");
        assert!(b.retires(2));
    }
}

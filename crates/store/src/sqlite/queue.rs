//! The queue between callers and the writer's thread.
//!
//! Callers push and go on; the writer takes everything that waits, up to a limit, for its next
//! transaction. While that transaction waits for the disk, the next group gathers: group commit without
//! a timer. The order of pushes is the order of effect.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use crate::{Batch, Done, Epoch, Error, ShardId};

/// Batches that may wait. The engine has one on the way for each shard, so this is met only by a caller without
/// any such bound.
pub const WAITING_JOBS_MAX: usize = 1 << 16;
/// Bytes that may wait, so that a stalled disk does not end in a process killed for its memory.
pub const WAITING_BYTES_MAX: usize = 512 << 20;
/// Batches in one transaction: those behind it wait for all of it.
pub const GROUP_JOBS_MAX: usize = 1024;
/// Bytes in one transaction: below the writer's page cache, so that nothing spills before the commit.
pub const GROUP_BYTES_MAX: usize = 8 << 20;

/// Something for the writer to do.
pub enum Job {
    Commit { batch: Batch, bytes: usize, since: Instant, reply: Reply },
    Take { shard: ShardId, reply: mpsc::Sender<Result<Epoch, Error>> },
}

impl Job {
    pub fn bytes(&self) -> usize {
        match self {
            Job::Commit { bytes, .. } => *bytes,
            Job::Take { .. } => 0,
        }
    }

    pub fn fail(self, error: &Error) {
        match self {
            Job::Commit { reply, .. } => reply.send(Err(error.clone())),
            // A taker waits for its reply, so somebody receives it.
            Job::Take { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

/// A `Done` that is called exactly once, even when a panic drops it.
pub struct Reply(Option<Done>);

impl Reply {
    pub fn new(done: Done) -> Reply {
        Reply(Some(done))
    }

    pub fn send(mut self, outcome: Result<(), Error>) {
        if let Some(done) = self.0.take() {
            done(outcome);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(Error::Closed));
        }
    }
}

/// What the writer is to do next.
pub enum Next {
    Group(Vec<Job>),
    /// Nobody asked for anything for as long as the writer said.
    Idle,
    Close,
}

#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    pushed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    writer_waits: bool,
    closed: bool,
    failed: Option<Error>,
}

impl Queue {
    /// Queues a job, or answers it with the reason why not.
    pub fn push(&self, job: Job) {
        let mut state = self.state();
        if let Some(error) = state.refusal(&job) {
            // The answer may push again, so the state must be free.
            drop(state);
            return job.fail(&error);
        }
        state.bytes += job.bytes();
        state.jobs.push_back(job);
        let wake = mem::take(&mut state.writer_waits);
        drop(state);
        if wake {
            self.pushed.notify_one();
        }
    }

    /// The next group in order of arrival; waits for one, and gives up after `idle_after`. What is queued
    /// at closing is still handed out.
    pub fn next(&self, idle_after: Option<Duration>) -> Next {
        let mut state = self.state();
        let deadline = idle_after.map(|wait| Instant::now() + wait);
        while state.jobs.is_empty() {
            if state.closed {
                return Next::Close;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Next::Idle;
            }
            state.writer_waits = true;
            state = match left {
                None => self.pushed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.pushed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        state.writer_waits = false;
        Next::Group(state.group())
    }

    /// From now on every push is refused for this reason; what waits is handed back to be answered.
    pub fn fail(&self, error: Error) -> Vec<Job> {
        let mut state = self.state();
        state.failed = Some(error);
        state.bytes = 0;
        mem::take(&mut state.jobs).into()
    }

    pub fn close(&self) {
        self.state().closed = true;
        self.pushed.notify_one();
    }

    /// How many jobs wait.
    pub fn waiting(&self) -> usize {
        self.state().jobs.len()
    }

    /// No step under the lock can panic half-way, so a poisoned lock guards nothing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refusal(&self, job: &Job) -> Option<Error> {
        if let Some(failed) = &self.failed {
            return Some(failed.clone());
        }
        if self.closed {
            return Some(Error::Closed);
        }
        // A batch alone always fits, so that the limit on batches is the only one a lone caller meets.
        let fits = self.jobs.len() < WAITING_JOBS_MAX && self.bytes.saturating_add(job.bytes()) <= WAITING_BYTES_MAX;
        let full = Error::Overloaded { batches: self.jobs.len(), bytes: self.bytes };
        (!fits && !self.jobs.is_empty()).then_some(full)
    }

    /// At least one job, then as many as fit.
    fn group(&mut self) -> Vec<Job> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(job) = self.jobs.front() {
            let fits = group.len() < GROUP_JOBS_MAX && bytes + job.bytes() <= GROUP_BYTES_MAX;
            if !fits && !group.is_empty() {
                break;
            }
            bytes += job.bytes();
            group.extend(self.jobs.pop_front());
        }
        self.bytes -= bytes;
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answers = mpsc::Receiver<Result<(), Error>>;

    fn job(bytes: usize) -> (Job, Answers) {
        let (sender, answers) = mpsc::channel();
        let batch = Batch { shard: ShardId(0), epoch: Epoch(1), writes: Vec::new() };
        let reply = Reply::new(Box::new(move |outcome| drop(sender.send(outcome))));
        (Job::Commit { batch, bytes, since: Instant::now(), reply }, answers)
    }

    fn push(queue: &Queue, bytes: usize) -> Answers {
        let (job, answers) = job(bytes);
        queue.push(job);
        answers
    }

    /// Pushes jobs of these sizes and checks how many are accepted and how they are grouped.
    fn check(sizes: &[usize], accepted: usize, groups: &[usize]) {
        let queue = Queue::default();
        let answers: Vec<_> = sizes.iter().map(|bytes| push(&queue, *bytes)).collect();
        let refused = answers.iter().filter(|answers| answers.try_recv().is_ok()).count();
        assert_eq!(sizes.len() - refused, accepted, "of {}", sizes.len());
        queue.close();
        let mut found = Vec::new();
        while let Next::Group(group) = queue.next(None) {
            found.push(group.len());
        }
        assert_eq!(found, groups);
        assert_eq!(queue.state().bytes, 0);
    }

    #[test]
    fn groups_and_limits() {
        check(&[], 0, &[]);
        check(&[1; 3], 3, &[3]);
        check(&[1; GROUP_JOBS_MAX + 1], GROUP_JOBS_MAX + 1, &[GROUP_JOBS_MAX, 1]);
        check(&[GROUP_BYTES_MAX, 1], 2, &[1, 1]);
        check(&[1, GROUP_BYTES_MAX, 1], 3, &[1, 1, 1]);
        check(&[GROUP_BYTES_MAX * 2, 1], 2, &[1, 1]);
        check(&[WAITING_BYTES_MAX + 1, 1], 1, &[1]);
        check(&[WAITING_BYTES_MAX, 1], 1, &[1]);
    }

    #[test]
    fn a_failed_or_closed_queue_answers_everyone() {
        let failed = Error::Failed { cause: "disk".into() };
        let queue = Queue::default();
        let waiting = push(&queue, 1);
        queue.fail(failed.clone()).into_iter().for_each(|job| job.fail(&failed));
        assert_eq!(waiting.recv().unwrap(), Err(failed.clone()));
        assert_eq!(push(&queue, 1).recv().unwrap(), Err(failed));

        let closed = Queue::default();
        closed.close();
        assert_eq!(push(&closed, 1).recv().unwrap(), Err(Error::Closed));
    }

    #[test]
    fn a_dropped_job_is_answered() {
        let (dropped, answers) = job(1);
        drop(dropped);
        assert_eq!(answers.recv().unwrap(), Err(Error::Closed));
    }

    #[test]
    fn an_idle_writer_is_told_so() {
        assert!(matches!(Queue::default().next(Some(Duration::ZERO)), Next::Idle));
    }
}

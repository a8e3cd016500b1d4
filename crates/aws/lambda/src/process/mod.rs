//! One function process: its life from launch to burial, and the invocation it is working on.
//!
//! ```text
//!            GET next            job                   response or error
//!  Starting ----------> Waiting -------> Running ------------------------> Returned
//!     |                   ^  |              |                                 |
//!     | init error,       |  | idle         | deadline                        | GET next
//!     | too slow          |  v              v                                 |
//!     +-------------> Stopping (killed) <---+--- does not come back ----------+--> Waiting
//! ```
//!
//! The [`keeper`] owns the listener, the connections and the end of the process. Deadlines cost nothing per
//! invocation: no deadline can come earlier than one timeout after the keeper's last look, so it looks again after
//! that long at most, and exactly at the deadline if it finds an invocation running.
//!
//! What is told when: an invocation whose process was killed or has died gets its outcome only when the process, its
//! group, its marked descendants and its connections are gone. A response that was in the socket when the process
//! died still counts.

mod keeper;
mod output;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::function::FunctionInfo;
use crate::host::Inner;
use crate::hosted::Hosted;
use crate::job::{Invoked, Job};
use crate::log::Source;
use crate::outcome::Outcome;
use crate::pool::{ProcessId, Ticket, Turn};
use crate::spawn::Group;

pub(crate) use keeper::run;
use output::Output;

/// How stale "Max Memory Used" may be: reading it costs more than a small invocation.
const MEMORY_READ_EVERY: Duration = Duration::from_secs(1);

/// What `X-Amz-Log-Result` carries. AWS: 4 KB.
const TAIL_BYTES_MAX: usize = 4096;

pub(crate) struct Process {
    pub id: ProcessId,
    pub info: Arc<FunctionInfo>,
    pub host: Arc<Inner>,
    pub hosted: Arc<Hosted>,
    /// Whoever holds it may take the pool's lock, never the other way round.
    state: Mutex<State>,
    group: OnceLock<Arc<Group>>,
    pid: OnceLock<u32>,
    output: OnceLock<[Output; 2]>,
    born: Instant,
    /// From birth to the first request for work; told in the first REPORT.
    init: Mutex<Option<Duration>>,
    memory: Mutex<Option<(Instant, u64)>>,
    /// Its place among those that start, as long as it does.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

enum State {
    Starting,
    Waiting { since: Instant },
    Running(Running),
    Returned { since: Instant },
    Stopping(Why),
}

struct Running {
    job: Box<Job>,
    started: Instant,
    deadline: Instant,
    tail: Option<String>,
}

/// Why a process is being killed, and what it still owes.
enum Why {
    NotNeeded,
    TimedOut(Running),
    ShutDown(Option<Running>),
    InitFailed(Outcome),
    InitTimedOut,
}

/// What a process that asks for work is told.
pub(crate) enum Asked {
    Work(Box<Job>),
    Wait(Ticket, oneshot::Receiver<Box<Job>>),
    /// It has an invocation already.
    Busy,
    /// There will be no answer: it is being killed.
    Never,
}

impl Process {
    pub fn new(
        id: ProcessId,
        host: Arc<Inner>,
        hosted: Arc<Hosted>,
        info: Arc<FunctionInfo>,
        place: OwnedSemaphorePermit,
    ) -> Arc<Process> {
        Arc::new(Process {
            id,
            info,
            host,
            hosted,
            state: Mutex::new(State::Starting),
            group: OnceLock::new(),
            pid: OnceLock::new(),
            output: OnceLock::new(),
            born: Instant::now(),
            init: Mutex::default(),
            memory: Mutex::default(),
            place: Mutex::new(Some(place)),
        })
    }

    /// `GET next`.
    pub fn ask(&self) -> Asked {
        {
            let mut state = lock(&self.state);
            match *state {
                State::Running(_) => return Asked::Busy,
                State::Stopping(_) => return Asked::Never,
                State::Starting => self.started(),
                State::Waiting { .. } | State::Returned { .. } => {}
            }
            *state = State::Waiting { since: Instant::now() };
        }
        let turn = self.hosted.pool().turn(self.id, Instant::now());
        match turn {
            Turn::Work(job) => Asked::Work(job),
            Turn::Wait(ticket, hand) => Asked::Wait(ticket, hand),
            Turn::Retire => {
                self.retire();
                Asked::Never
            }
        }
    }

    fn started(&self) {
        let took = self.born.elapsed();
        *lock(&self.init) = Some(took);
        self.host.figures.count.fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.host.figures.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        self.leave_place();
    }

    /// The next process may start.
    fn leave_place(&self) {
        drop(lock(&self.place).take());
    }

    /// The job is about to be sent to the process. Gives it back if the process is being killed.
    pub fn begin(&self, job: Box<Job>) -> Result<SystemTime, Box<Job>> {
        let timeout = self.info.function.timeout();
        let started = Instant::now();
        let mut state = lock(&self.state);
        if matches!(*state, State::Stopping(_)) {
            return Err(job);
        }
        let start_line = format!("START RequestId: {} Version: {}", job.request_id, self.info.version);
        let tail = job.options.log_tail.then(|| format!("{start_line}\n"));
        *state = State::Running(Running { job, started, deadline: started + timeout, tail });
        // The listener of the log is foreign code: it is called without our lock.
        drop(state);
        self.hosted.note(start_line);
        Ok(SystemTime::now() + timeout)
    }

    pub fn is_running(&self, request_id: &str) -> bool {
        matches!(&*lock(&self.state), State::Running(running) if running.job.request_id == request_id)
    }

    /// `POST response` or `POST error`. False if that is not the invocation it is running.
    pub fn finish(&self, request_id: &str, outcome: Outcome) -> bool {
        // What was written before the answer was posted is in the pipe: so it belongs before END.
        self.drain_output(true);
        let mut state = lock(&self.state);
        let current = matches!(&*state, State::Running(running) if running.job.request_id == request_id);
        if !current {
            return false;
        }
        let previous = std::mem::replace(&mut *state, State::Returned { since: Instant::now() });
        drop(state);
        if let State::Running(running) = previous {
            let status = failure_status(&outcome);
            self.conclude(running, outcome, status.as_deref());
        }
        true
    }

    /// `POST init/error`. False if it had already asked for work.
    pub fn fail_init(&self, outcome: Outcome) -> bool {
        let mut state = lock(&self.state);
        let starting = matches!(*state, State::Starting);
        if starting {
            *state = State::Stopping(Why::InitFailed(outcome));
            self.kill();
        }
        starting
    }

    /// Ends the process unless it is working.
    pub fn retire(&self) {
        let mut state = lock(&self.state);
        if !matches!(*state, State::Running(_) | State::Stopping(_)) {
            *state = State::Stopping(Why::NotNeeded);
            self.kill();
        }
    }

    /// Ends the process whatever it does: the host closes.
    pub fn interrupt(&self) {
        let mut state = lock(&self.state);
        let running = match std::mem::replace(&mut *state, State::Stopping(Why::NotNeeded)) {
            State::Running(running) => Some(running),
            State::Stopping(why) => return *state = State::Stopping(why),
            _ => None,
        };
        *state = State::Stopping(Why::ShutDown(running));
        self.kill();
    }

    /// Does nothing before the process was launched; the keeper looks at the state once it is.
    fn kill(&self) {
        if let Some(group) = self.group.get() {
            group.kill();
        }
    }

    /// Acts on what is overdue; returns when to look again.
    fn look(&self, now: Instant) -> Instant {
        let limits = &self.host.config.limits;
        let timeout = self.info.function.timeout();
        let mut state = lock(&self.state);
        let due = match &*state {
            State::Starting if now < self.born + limits.start_place_held => {
                return (self.born + limits.start_place_held).min(now + timeout);
            }
            State::Starting => {
                self.leave_place();
                self.born + self.init_bound()
            }
            State::Waiting { since } => *since + limits.idle_timeout,
            State::Running(running) => running.deadline,
            State::Returned { since } => *since + timeout,
            State::Stopping(_) => return now + timeout,
        };
        if now < due {
            return due.min(now + timeout);
        }
        let overdue = std::mem::replace(&mut *state, State::Stopping(Why::NotNeeded));
        *state = match overdue {
            State::Starting => State::Stopping(Why::InitTimedOut),
            State::Running(running) => State::Stopping(Why::TimedOut(running)),
            // It was given a job this very moment.
            State::Waiting { since } if !self.hosted.pool().withdraw(self.id) => State::Waiting { since },
            _ => State::Stopping(Why::NotNeeded),
        };
        if matches!(*state, State::Stopping(_)) {
            self.kill();
        }
        now + timeout
    }

    fn init_bound(&self) -> Duration {
        self.host.config.limits.init_timeout.max(self.info.function.timeout())
    }

    /// The last lines of an invocation, and its answer.
    fn conclude(&self, running: Running, outcome: Outcome, status: Option<&str>) {
        let Running { job, started, mut tail, .. } = running;
        let report = self.report(&job.request_id, started.elapsed(), status);
        let lines = [format!("END RequestId: {}", job.request_id), report];
        lines.iter().for_each(|line| append_tail(tail.as_mut(), line));
        self.hosted.log.push_all(Source::Platform, lines);
        let Job { request_id, reply, _in_flight, .. } = *job;
        // First the place, then the answer: whoever invokes again at once must not be throttled by its own past.
        drop(_in_flight);
        reply.send(Ok(Invoked { request_id, version: self.info.version.clone(), outcome, log_tail: tail }));
    }

    fn report(&self, request_id: &str, took: Duration, status: Option<&str>) -> String {
        let billed = took.as_micros().div_ceil(1000);
        let took = Milliseconds(took);
        let (memory, used) = (self.info.function.memory_mb, self.memory_used_mb());
        let init = lock(&self.init).take().map(|init| format!("\tInit Duration: {} ms", Milliseconds(init)));
        let status = status.map(|status| format!("\tStatus: {status}"));
        format!(
            "REPORT RequestId: {request_id}\tDuration: {took} ms\tBilled Duration: {billed} ms\tMemory Size: \
             {memory} MB\tMax Memory Used: {used} MB{}{}",
            init.unwrap_or_default(),
            status.unwrap_or_default()
        )
    }

    /// The peak of resident memory, as it was a moment ago. Zero where the system does not tell.
    fn memory_used_mb(&self) -> u64 {
        let mut memory = lock(&self.memory);
        match *memory {
            Some((at, used)) if at.elapsed() < MEMORY_READ_EVERY => used,
            before => {
                let used =
                    self.pid.get().and_then(|pid| status_of(*pid, "VmHWM:")).map(|bytes| bytes.div_ceil(1 << 20));
                let used = used.or(before.map(|(_, used)| used)).unwrap_or(0);
                *memory = Some((Instant::now(), used));
                used
            }
        }
    }

    /// Memory that is its own, as it is now; none where that is not known.
    pub fn private_memory(&self) -> Option<u64> {
        self.pid.get().and_then(|pid| status_of(*pid, "RssAnon:"))
    }

    /// Reads what the process has written so far. `flush`: a line that has not ended counts as one.
    fn drain_output(&self, flush: bool) {
        for output in self.output.get().into_iter().flatten() {
            output.read(flush, &mut |line| self.line(output.source, line));
        }
    }

    fn line(&self, source: Source, text: String) {
        if let State::Running(running) = &mut *lock(&self.state) {
            append_tail(running.tail.as_mut(), &text);
        }
        self.hosted.log.push(source, text);
    }
}

/// What the report of an invocation says of its end, if it failed.
fn failure_status(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::FunctionError { error_type, .. } => Some(format!("error\tError Type: {error_type}")),
        Outcome::Succeeded(_) => None,
    }
}

/// With two decimals, as in `12.34`; without floating point, which would be the dearest part of a log line.
struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = self.0.as_micros() / 10;
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

fn append_tail(tail: Option<&mut String>, line: &str) {
    let Some(tail) = tail else { return };
    tail.push_str(line);
    tail.push('\n');
    if tail.len() > TAIL_BYTES_MAX {
        let cut = tail.ceil_char_boundary(tail.len() - TAIL_BYTES_MAX);
        tail.drain(..cut);
    }
}

#[cfg(target_os = "linux")]
fn status_of(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(not(target_os = "linux"))]
fn status_of(_pid: u32, _field: &str) -> Option<u64> {
    None
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

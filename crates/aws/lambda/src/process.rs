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
//! The keeper ([`run`]) owns the listener, the connections and the end of the process. Deadlines cost nothing per
//! invocation: no deadline can come earlier than one timeout after the keeper's last look, so it looks again after
//! that long at most, and exactly at the deadline if it finds an invocation running.
//!
//! What is told when: an invocation whose process was killed or has died gets its outcome only when the process, its
//! group, its marked descendants and its connections are gone. A response that was in the socket when the process
//! died still counts.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::environment;
use crate::function::FunctionInfo;
use crate::host::Inner;
use crate::hosted::Hosted;
use crate::job::{Invoked, Job};
use crate::log::{Lines, Source};
use crate::name::LATEST;
use crate::outcome::{Outcome, exit_text};
use crate::pool::{ProcessId, Ticket, Turn};
use crate::runtime_api;
use crate::spawn::{Ended, Group, Launch, Spawned};
use crate::survivors;
use crate::time;

/// Open connections of one process. A runtime needs one or two; more is a mistake that must not cost us descriptors.
const CONNECTIONS_MAX: usize = 32;

/// After a connection could not be accepted: out of descriptors, most likely, and that must not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// After the end of a process, for connections and pipes that somebody unmarked still holds open.
const LEFTOVERS_BOUND: Duration = Duration::from_secs(1);

/// How stale "Max Memory Used" may be: reading it costs more than a small invocation.
const MEMORY_READ_EVERY: Duration = Duration::from_secs(1);

/// What `X-Amz-Log-Result` carries. AWS: 4 KB.
const TAIL_BYTES_MAX: usize = 4096;

/// A chunk of log output, and how many are read in one go before others get their turn.
const LOG_CHUNK_BYTES: usize = 16 << 10;
const LOG_CHUNKS_MAX: usize = 64;

pub(crate) struct Process {
    pub id: ProcessId,
    pub info: Arc<FunctionInfo>,
    pub host: Arc<Inner>,
    pub hosted: Arc<Hosted>,
    /// Whoever holds it may take the pool's lock, never the other way round.
    state: Mutex<State>,
    group: OnceLock<Arc<Group>>,
    pid: OnceLock<u32>,
    output: OnceLock<[Stream; 2]>,
    born: Instant,
    /// From birth to the first request for work; told in the first REPORT.
    init: Mutex<Option<Duration>>,
    memory: Mutex<Option<(Instant, u64)>>,
}

enum State {
    Starting,
    Waiting { since: Instant },
    Running(Running),
    Returned { since: Instant },
    Stopping(Why),
}

struct Running {
    job: Job,
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

/// Why there never was a process.
enum Unstarted {
    /// The function's fault.
    Entrypoint(String),
    /// The machine's.
    Machine(String),
}

/// What a process that asks for work is told.
pub(crate) enum Asked {
    Work(Job),
    Wait(Ticket, oneshot::Receiver<Job>),
    /// It has an invocation already.
    Busy,
    /// There will be no answer: it is being killed.
    Never,
}

impl Process {
    pub fn new(id: ProcessId, host: Arc<Inner>, hosted: Arc<Hosted>, info: Arc<FunctionInfo>) -> Arc<Process> {
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
        })
    }

    /// `GET next`.
    pub fn ask(&self) -> Asked {
        {
            let mut state = lock(&self.state);
            match *state {
                State::Running(_) => return Asked::Busy,
                State::Stopping(_) => return Asked::Never,
                State::Starting => *lock(&self.init) = Some(self.born.elapsed()),
                State::Waiting { .. } | State::Returned { .. } => {}
            }
            *state = State::Waiting { since: Instant::now() };
        }
        let turn = self.hosted.pool().turn(self.id);
        match turn {
            Turn::Work(job) => Asked::Work(job),
            Turn::Wait(ticket, hand) => Asked::Wait(ticket, hand),
            Turn::Retire => {
                self.retire();
                Asked::Never
            }
        }
    }

    /// The job is about to be sent to the process. Gives it back if the process is being killed.
    pub fn begin(&self, job: Job) -> Result<SystemTime, Job> {
        let timeout = self.info.function.timeout();
        let started = Instant::now();
        let mut state = lock(&self.state);
        if matches!(*state, State::Stopping(_)) {
            return Err(job);
        }
        let start_line = format!("START RequestId: {} Version: {LATEST}", job.request_id);
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
            self.conclude(running, outcome, None);
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
            State::Starting => self.born + limits.init_timeout,
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

    /// The last lines of an invocation, and its answer.
    fn conclude(&self, running: Running, outcome: Outcome, status: Option<&str>) {
        let Running { job, started, mut tail, .. } = running;
        let took = started.elapsed().as_secs_f64() * 1000.0;
        let lines = [format!("END RequestId: {}", job.request_id), self.report(&job.request_id, took, status)];
        for line in lines {
            append_tail(tail.as_mut(), &line);
            self.hosted.note(line);
        }
        let Job { request_id, reply, _in_flight, .. } = job;
        // First the place, then the answer: whoever invokes again at once must not be throttled by its own past.
        drop(_in_flight);
        // Nobody listens if the caller has gone.
        let _ = reply.send(Ok(Invoked { request_id, outcome, log_tail: tail }));
    }

    fn report(&self, request_id: &str, took_ms: f64, status: Option<&str>) -> String {
        let billed = took_ms.ceil();
        let (memory, used) = (self.info.function.memory_mb, self.memory_used_mb());
        let init = lock(&self.init).take().map(|d| format!("\tInit Duration: {:.2} ms", d.as_secs_f64() * 1000.0));
        let status = status.map(|status| format!("\tStatus: {status}"));
        format!(
            "REPORT RequestId: {request_id}\tDuration: {took_ms:.2} ms\tBilled Duration: {billed:.0} ms\tMemory Size: \
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
                let used = self.pid.get().and_then(|pid| peak_memory_mb(*pid));
                let used = used.or(before.map(|(_, used)| used)).unwrap_or(0);
                *memory = Some((Instant::now(), used));
                used
            }
        }
    }

    /// Reads what the process has written so far. `flush`: a line that has not ended counts as one.
    fn drain_output(&self, flush: bool) {
        for stream in self.output.get().into_iter().flatten() {
            stream.read(flush, &mut |line| self.line(stream.source, line));
        }
    }

    fn line(&self, source: Source, text: String) {
        if let State::Running(running) = &mut *lock(&self.state) {
            append_tail(running.tail.as_mut(), &text);
        }
        self.hosted.log.push(source, text);
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

/// The keeper: launches the process, serves it, buries it. Started once for each process.
pub(crate) async fn run(process: Arc<Process>) {
    match live(&process).await {
        Ok(ended) => bury(&process, ended),
        Err(unstarted) => never_lived(&process, unstarted),
    }
    process.hosted.gone(&process.host, process.id);
}

async fn live(process: &Arc<Process>) -> Result<Ended, Unstarted> {
    let machine = |what: &str, error: io::Error| Unstarted::Machine(format!("{what}: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|e| machine("no port", e))?;
    let address = listener.local_addr().map_err(|e| machine("no port", e))?;
    let launch = launch(process, address)?;
    let program = launch.program.display().to_string();
    let spawned = process.host.spawner.spawn(launch).await.map_err(|error| unstarted(&program, error))?;
    let Spawned { pid, stdout, stderr, group, ended } = spawned;
    // Each is set once, here.
    let (_, _) = (process.pid.set(pid), process.group.set(group));
    if matches!(*lock(&process.state), State::Stopping(_)) {
        process.kill();
    }
    let line_bytes_max = process.host.config.limits.log_line_bytes_max;
    let streams = Stream::new(Source::Stdout, stdout, line_bytes_max)
        .and_then(|stdout| Ok([stdout, Stream::new(Source::Stderr, stderr, line_bytes_max)?]));
    let readers = match streams {
        Ok(streams) => {
            let _ = process.output.set(streams);
            [tokio::spawn(read_output(process.clone(), 0)), tokio::spawn(read_output(process.clone(), 1))]
        }
        Err(error) => {
            process.kill();
            return Err(machine("cannot read its output", error));
        }
    };
    let mut connections = JoinSet::new();
    let ended = serve(process, &listener, &mut connections, ended).await;
    wait_for_leftovers(&mut connections, readers).await;
    Ok(ended)
}

/// Two quick looks at the disk, once in the life of a process.
fn launch(process: &Process, address: SocketAddr) -> Result<Launch, Unstarted> {
    let (host, info) = (&process.host, &process.info);
    let program = info.code_folder.join("bootstrap");
    if !program.exists() {
        return Err(Unstarted::Entrypoint(format!("Couldn't find valid bootstrap(s): [{}]", program.display())));
    }
    let scratch = process.hosted.folder.join("tmp");
    std::fs::create_dir_all(&scratch)
        .map_err(|e| Unstarted::Machine(format!("cannot create {}: {e}", scratch.display())))?;
    let number = process.id.0;
    let address = address.to_string();
    let environment = environment::of_process(&host.config, info, &host.instance, number, &address, &scratch);
    let memory_mb = u64::from(info.function.memory_mb) + host.config.limits.memory_headroom_mb;
    Ok(Launch {
        program,
        folder: info.code_folder.clone(),
        environment,
        mark: format!("{}={}", survivors::PROCESS, environment::process_name(&host.instance, number)),
        data_bytes_max: memory_mb << 20,
    })
}

/// A file that cannot be executed is the function's fault; everything else is not.
fn unstarted(program: &str, error: io::Error) -> Unstarted {
    let cannot_execute = matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EACCES | libc::ENOEXEC));
    let text = format!("fork/exec {program}: {error}");
    if cannot_execute { Unstarted::Entrypoint(text) } else { Unstarted::Machine(text) }
}

/// Until the process has ended.
async fn serve(
    process: &Arc<Process>,
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
    mut ended: oneshot::Receiver<Ended>,
) -> Ended {
    let mut next_look = process.look(Instant::now());
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve_connection(process.clone(), stream))),
                Err(error) => {
                    process.hosted.note(format!("A connection of a function process failed: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            ended = &mut ended => {
                let lost = || Ended { status: Err(io::Error::other("nobody waited for it")), left: 0 };
                return ended.unwrap_or_else(|_| lost());
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = tokio::time::sleep_until(next_look.into()) => next_look = process.look(Instant::now()),
        }
    }
}

async fn serve_connection(process: Arc<Process>, stream: TcpStream) {
    // Without it small answers would wait for the acknowledgement of the one before. It is a wish, not a need.
    let _ = stream.set_nodelay(true);
    runtime_api::serve_connection(process, stream).await;
}

/// Responses that are still in a socket, lines that are still in a pipe.
async fn wait_for_leftovers(connections: &mut JoinSet<()>, readers: [JoinHandle<()>; 2]) {
    let aborts = readers.each_ref().map(JoinHandle::abort_handle);
    let all = async {
        while connections.join_next().await.is_some() {}
        for reader in readers {
            let _ = reader.await;
        }
    };
    if tokio::time::timeout(LEFTOVERS_BOUND, all).await.is_err() {
        connections.shutdown().await;
        aborts.iter().for_each(|reader| reader.abort());
    }
}

/// The process has ended: settles what it owed.
fn bury(process: &Process, ended: Ended) {
    process.drain_output(true);
    if ended.left > 0 {
        process.hosted.note(format!("{} descendants of a function process do not end", ended.left));
    }
    let status = ended.status;
    let exited = |request_id: &str| match &status {
        Ok(status) => Outcome::exited(request_id, *status),
        Err(_) => Outcome::exited(request_id, std::process::ExitStatus::default()),
    };
    let exit_words = || match &status {
        Ok(status) => exit_text(*status),
        Err(error) => error.to_string(),
    };
    let state = std::mem::replace(&mut *lock(&process.state), State::Stopping(Why::NotNeeded));
    match state {
        State::Running(running) => {
            let outcome = exited(&running.job.request_id);
            let id = running.job.request_id.clone();
            let lines = [format!("RequestId: {id} Error: {}", exit_words()), "Runtime.ExitError".into()];
            conclude_badly(process, running, lines, outcome, "error\tError Type: Runtime.ExitError");
        }
        State::Stopping(Why::TimedOut(running)) => {
            let (id, timeout) = (running.job.request_id.clone(), process.info.function.timeout());
            let outcome = Outcome::timed_out(&id, timeout);
            let now = time::log_time(SystemTime::now());
            let line = format!("{now} {id} Task timed out after {:.2} seconds", timeout.as_secs_f64());
            conclude_badly(process, running, [line], outcome, "timeout");
        }
        State::Stopping(Why::ShutDown(Some(running))) => {
            // Nobody listens if the caller has gone.
            let _ = running.job.reply.send(Err(crate::InvokeError::ShutDown));
        }
        State::Starting => fail_front(process, &exit_words(), exited),
        State::Stopping(Why::InitFailed(outcome)) => {
            fail_front(process, "the runtime reported an error", |_| outcome.clone())
        }
        State::Stopping(Why::InitTimedOut) => {
            let limit = process.host.config.limits.init_timeout;
            fail_front(process, "it did not ask for work in time", |id| Outcome::timed_out(id, limit))
        }
        State::Returned { .. } | State::Waiting { .. } if !process.host.is_closing() => {
            process.hosted.note(format!("An idle process has ended: {}", exit_words()));
        }
        State::Returned { .. } | State::Waiting { .. } | State::Stopping(Why::NotNeeded | Why::ShutDown(None)) => {}
    }
}

fn conclude_badly<const N: usize>(
    process: &Process,
    mut running: Running,
    lines: [String; N],
    outcome: Outcome,
    status: &str,
) {
    for line in lines {
        append_tail(running.tail.as_mut(), &line);
        process.hosted.note(line);
    }
    process.conclude(running, outcome, Some(status));
}

fn never_lived(process: &Process, unstarted: Unstarted) {
    match unstarted {
        Unstarted::Entrypoint(reason) => {
            fail_front(process, &reason, |id| Outcome::invalid_entrypoint(id, &reason));
        }
        Unstarted::Machine(reason) => {
            process.hosted.note(format!("A process could not be started: {reason}"));
            let job = process.hosted.pool().take_front();
            if let Some(job) = job {
                let _ = job.reply.send(Err(crate::InvokeError::CannotStart(reason)));
            }
        }
    }
}

/// A process that did not come to life takes one waiting invocation with it: the one it was started for. So a
/// function that cannot start answers every invocation, and is tried once for each, as on AWS.
fn fail_front(process: &Process, reason: &str, outcome: impl Fn(&str) -> Outcome) {
    let hosted = &process.hosted;
    let took = process.born.elapsed().as_secs_f64() * 1000.0;
    hosted.note(format!("INIT_REPORT Init Duration: {took:.2} ms\tPhase: init\tStatus: error ({reason})"));
    let front = hosted.pool().take_front();
    let Some(job) = front else { return };
    let outcome = outcome(&job.request_id);
    let start_line = format!("START RequestId: {} Version: {LATEST}", job.request_id);
    let tail = job.options.log_tail.then(|| format!("{start_line}\n"));
    hosted.note(start_line);
    let now = Instant::now();
    let status = match &outcome {
        Outcome::FunctionError { error_type, .. } => format!("error\tError Type: {error_type}"),
        Outcome::Succeeded(_) => unreachable!("a process that did not start has not succeeded"),
    };
    process.conclude(Running { job, started: now, deadline: now, tail }, outcome, Some(&status));
}

/// One of the two pipes of a process.
struct Stream {
    source: Source,
    pipe: AsyncFd<File>,
    buffer: Mutex<(Lines, Vec<u8>)>,
}

#[derive(PartialEq)]
enum Found {
    Empty,
    More,
    End,
}

impl Stream {
    fn new(source: Source, pipe: File, line_bytes_max: usize) -> io::Result<Stream> {
        let buffer = Mutex::new((Lines::new(line_bytes_max), vec![0; LOG_CHUNK_BYTES]));
        // SAFETY: a file keeps one descriptor as long as it lives, and it is only ever read from.
        let pipe = unsafe { AsyncFd::register_with_interest(pipe, Interest::READABLE)? };
        Ok(Stream { source, pipe, buffer })
    }

    /// Reads without waiting, and without asking the reactor, which may not know yet what is in the pipe.
    fn read(&self, flush: bool, line: &mut dyn FnMut(String)) -> Found {
        let (lines, chunk) = &mut *lock(&self.buffer);
        let mut result = Found::More;
        for _ in 0..LOG_CHUNKS_MAX {
            match self.pipe.get_ref().read(chunk) {
                Ok(0) => result = Found::End,
                Ok(count) => {
                    lines.feed(&chunk[..count], &mut *line);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => result = Found::Empty,
                Err(_) => result = Found::End,
            }
            break;
        }
        if flush || result == Found::End {
            lines.flush(line);
        }
        result
    }
}

async fn read_output(process: Arc<Process>, which: usize) {
    let Some(stream) = process.output.get().map(|streams| &streams[which]) else { return };
    while let Ok(mut ready) = stream.pipe.readable().await {
        match stream.read(false, &mut |line| process.line(stream.source, line)) {
            Found::Empty => ready.clear_ready(),
            Found::More => tokio::task::yield_now().await,
            Found::End => return,
        }
    }
}

#[cfg(target_os = "linux")]
fn peak_memory_mb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes.div_ceil(1024))
}

#[cfg(not(target_os = "linux"))]
fn peak_memory_mb(_pid: u32) -> Option<u64> {
    None
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The keeper of a process: launches it, serves it, notices its end, settles what it owed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::output::{self, Output};
use super::{Milliseconds, Process, Running, State, Why, append_tail, lock};
use crate::environment;
use crate::error::InvokeError;
use crate::log::Source;
use crate::outcome::{Outcome, exit_text};
use crate::runtime_api;
use crate::runtimes::{self, Start};
use crate::spawn::{Ended, Launch, Spawned};
use crate::survivors;
use crate::time;

/// Open connections of one process. A runtime needs one or two; more is a mistake that must not cost us descriptors.
const CONNECTIONS_MAX: usize = 32;

/// After a connection could not be accepted: out of descriptors, most likely, and that must not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// After the end of a process, for connections and pipes that somebody unmarked still holds open.
const LEFTOVERS_BOUND: Duration = Duration::from_secs(1);

/// Why there never was a process.
enum Unstarted {
    /// The function's fault.
    Entrypoint(String),
    /// The machine's.
    Machine(String),
}

/// The life of a process. Called once for each.
pub(crate) async fn run(process: Arc<Process>) {
    match live(&process).await {
        Ok(ended) => bury(&process, ended),
        Err(unstarted) => never_lived(&process, unstarted),
    }
    process.leave_place();
    process.hosted.gone(&process.host, process.id);
}

async fn live(process: &Arc<Process>) -> Result<Ended, Unstarted> {
    let machine = |what: &str, error: io::Error| Unstarted::Machine(format!("{what}: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|e| machine("no port", e))?;
    let address = listener.local_addr().map_err(|e| machine("no port", e))?;
    let launch = launch_in_background(process.clone(), address).await?;
    let program = launch.program.display().to_string();
    let spawned = process.host.spawner.spawn(launch).await.map_err(|error| unstarted(&program, error))?;
    let Spawned { pid, stdout, stderr, group, ended } = spawned;
    // Each is set once, here.
    let (_, _) = (process.pid.set(pid), process.group.set(group));
    if matches!(*lock(&process.state), State::Stopping(_)) {
        process.kill();
    }
    let line_bytes_max = process.host.config.limits.log_line_bytes_max;
    let streams = Output::new(Source::Stdout, stdout, line_bytes_max)
        .and_then(|stdout| Ok([stdout, Output::new(Source::Stderr, stderr, line_bytes_max)?]));
    let readers = match streams {
        Ok(streams) => {
            let _ = process.output.set(streams);
            [tokio::spawn(output::read_all(process.clone(), 0)), tokio::spawn(output::read_all(process.clone(), 1))]
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

/// Finding an interpreter takes a moment, the first time.
async fn launch_in_background(process: Arc<Process>, address: SocketAddr) -> Result<Launch, Unstarted> {
    if runtimes::family(&process.info.function.runtime) == Some(runtimes::Family::Provided) {
        return launch(&process, address);
    }
    let launched = tokio::task::spawn_blocking(move || launch(&process, address)).await;
    launched.unwrap_or_else(|error| Err(Unstarted::Machine(error.to_string())))
}

/// Two quick looks at the disk, once in the life of a process.
fn launch(process: &Process, address: SocketAddr) -> Result<Launch, Unstarted> {
    let (host, info) = (&process.host, &process.info);
    let function = &info.function;
    let clients = host.config.folder.join(runtimes::FOLDER);
    let start = runtimes::start(info, &process.hosted.folder, &clients);
    let Start { program, arguments } = start.map_err(Unstarted::Entrypoint)?;
    let scratch = process.hosted.folder.join("tmp");
    std::fs::create_dir_all(&scratch)
        .map_err(|e| Unstarted::Machine(format!("cannot create {}: {e}", scratch.display())))?;
    let number = process.id.0;
    let address = address.to_string();
    let environment = environment::of_process(&host.config, info, &host.instance, number, &address, &scratch);
    let memory_mb = u64::from(function.memory_mb) + host.config.limits.memory_headroom_mb;
    Ok(Launch {
        program,
        arguments,
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
        Err(_) => Outcome::exited(request_id, ExitStatus::default()),
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
            running.job.reply.send(Err(InvokeError::ShutDown));
        }
        State::Starting => fail_front(process, &exit_words(), exited),
        State::Stopping(Why::InitFailed(outcome)) => {
            fail_front(process, "the runtime reported an error", |_| outcome.clone())
        }
        State::Stopping(Why::InitTimedOut) => {
            let limit = process.init_bound();
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
                job.reply.send(Err(InvokeError::CannotStart(reason)));
            }
        }
    }
}

/// A process that did not come to life takes one waiting invocation with it: the one it was started for. So a
/// function that cannot start answers every invocation, and is tried once for each, as on AWS.
fn fail_front(process: &Process, reason: &str, outcome: impl Fn(&str) -> Outcome) {
    let hosted = &process.hosted;
    let took = Milliseconds(process.born.elapsed());
    hosted.note(format!("INIT_REPORT Init Duration: {took} ms\tPhase: init\tStatus: error ({reason})"));
    let front = hosted.pool().take_front();
    let Some(job) = front else { return };
    let outcome = outcome(&job.request_id);
    let start_line = format!("START RequestId: {} Version: {}", job.request_id, process.info.version);
    let tail = job.options.log_tail.then(|| format!("{start_line}\n"));
    hosted.note(start_line);
    let now = Instant::now();
    let status = super::failure_status(&outcome);
    process.conclude(Running { job, started: now, deadline: now, tail }, outcome, status.as_deref());
}

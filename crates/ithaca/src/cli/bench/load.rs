//! The load: so many sagas always in flight, each started when another has ended.
//!
//! ```text
//!   warm-up                          window                                 drain
//!   until time has passed and        until time has passed and twice        what is open ends,
//!   all in flight have ended once    as many have ended as are in flight    and is not counted
//! ```
//!
//! Sagas that run together move together, so a window must hold whole turns of all of them; what ends in it counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::{Handle, Reader};
use http_body_util::{BodyExt, Full};
use interpreter::Payload;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::cli::client::Client;

/// Connections for starts and questions. A start holds one for the length of a commit, so that more sagas in flight
/// need no more.
const CONNECTIONS_MAX: usize = 512;

/// When nothing has ended for so long, nothing will.
const STALL: Duration = Duration::from_secs(60);

/// A window is at most so many times as long as was asked for.
const STRETCH_MAX: f64 = 6.0;

/// What is run, and for how long.
#[derive(Clone)]
pub struct Load {
    pub machine_arn: String,
    pub input: Arc<str>,
    /// The status that every execution is to end with.
    pub expected: &'static str,
    pub in_flight: usize,
    pub seconds: f64,
}

/// What ended in the window.
pub struct Ended<R> {
    /// Sorted, in milliseconds, from the request to the word of the end.
    pub latencies_ms: Vec<f64>,
    pub window: Duration,
    /// Ended otherwise than expected, over the whole run.
    pub unexpected: usize,
    /// Ends that the watcher was too slow for, so that they were asked for instead.
    pub missed: u64,
    /// What was read when the window began and when it ended.
    pub before: R,
    pub after: R,
}

/// How the measured engine is reached.
#[derive(Clone)]
pub enum Door {
    Wire(Arc<Pool>),
    Engine(Handle, Reader),
}

/// Connections that are used in turn.
pub struct Pool {
    endpoint: String,
    idle: Mutex<Vec<Client>>,
    places: Semaphore,
}

impl Pool {
    pub fn new(endpoint: &str) -> Pool {
        Pool { endpoint: endpoint.to_owned(), idle: Mutex::default(), places: Semaphore::new(CONNECTIONS_MAX) }
    }

    pub async fn call(&self, operation: &str, body: Value) -> Result<Value, String> {
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let idle = lock(&self.idle).pop();
        let mut client = match idle {
            Some(client) => client,
            None => Client::connect(&self.endpoint).await?,
        };
        let answer = client.call(operation, body).await;
        lock(&self.idle).push(client);
        answer
    }
}

impl Door {
    pub fn wire(endpoint: &str) -> Door {
        Door::Wire(Arc::new(Pool::new(endpoint)))
    }

    /// Starts an execution; its ARN.
    pub async fn start(&self, machine_arn: &str, input: &str) -> Result<String, String> {
        match self {
            Door::Wire(pool) => {
                let answer =
                    pool.call("StartExecution", json!({ "stateMachineArn": machine_arn, "input": input })).await?;
                Ok(answer["executionArn"].as_str().ok_or("a start was answered without an ARN")?.to_owned())
            }
            Door::Engine(handle, _) => {
                let input = Payload::parse(input).map_err(|error| format!("the input is not JSON: {error}"))?;
                let started = handle.start(machine_arn, None, input, None).await;
                started.map(|started| started.execution_arn.to_string()).map_err(|error| error.to_string())
            }
        }
    }

    /// Starts so many executions, `at_once` of them at the same time.
    pub async fn start_all(
        &self,
        machine_arn: &str,
        input: &'static str,
        executions: usize,
        at_once: usize,
    ) -> Result<(), String> {
        let mut starters = JoinSet::new();
        for starter in 0..at_once {
            let (door, machine) = (self.clone(), machine_arn.to_owned());
            let share = executions / at_once + usize::from(starter < executions % at_once);
            starters.spawn(async move {
                for _ in 0..share {
                    door.start(&machine, input).await?;
                }
                Ok::<(), String>(())
            });
        }
        while let Some(done) = starters.join_next().await {
            done.map_err(|error| error.to_string())??;
        }
        Ok(())
    }

    /// Tells every end from now on.
    async fn follow(&self, ends: Arc<Ends>) -> Result<JoinHandle<()>, String> {
        match self {
            Door::Wire(pool) => follow_stream(&pool.endpoint, ends).await,
            Door::Engine(handle, _) => {
                let mut changes = handle.watch();
                Ok(tokio::spawn(async move {
                    loop {
                        match changes.recv().await {
                            Ok(change) if change.stopped_at.is_some() => {
                                ends.come(&change.execution_arn, change.status.name());
                            }
                            Ok(_) => {}
                            Err(RecvError::Lagged(missed)) => ends.miss(missed),
                            Err(RecvError::Closed) => return,
                        }
                    }
                }))
            }
        }
    }

    /// The status of an execution whose end may have been missed.
    async fn status(&self, execution: &str) -> Result<String, String> {
        match self {
            Door::Wire(pool) => {
                let answer = pool.call("DescribeExecution", json!({ "executionArn": execution })).await?;
                Ok(answer["status"].as_str().unwrap_or_default().to_owned())
            }
            Door::Engine(_, reader) => match reader.describe(execution) {
                Ok(found) => Ok(found.map_or("", |found| found.row.status.name()).to_owned()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// Runs the load; `read` is called when the window begins and when it ends.
pub async fn run<R>(door: &Door, load: &Load, mut read: impl FnMut() -> R) -> Result<Ended<R>, String> {
    let ends = Arc::new(Ends::default());
    let following = door.follow(ends.clone()).await?;
    let (sender, mut ended) = mpsc::unbounded_channel();
    let over = Arc::new(AtomicBool::new(false));
    let unexpected = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..load.in_flight)
        .map(|_| {
            let (door, load, ends, over) = (door.clone(), load.clone(), ends.clone(), over.clone());
            let (sender, unexpected) = (sender.clone(), unexpected.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    let status = saga(&door, &load, &ends).await?;
                    if status != load.expected {
                        unexpected.fetch_add(1, Ordering::Relaxed);
                    }
                    // The receiver is gone when the window is over.
                    let _ = sender.send(asked.elapsed());
                }
                Ok::<(), String>(())
            })
        })
        .collect();
    drop(sender);
    let outcome = watch_window(load, &mut ended, &mut read).await;
    over.store(true, Ordering::Relaxed);
    drop(ended);
    if outcome.is_none() {
        workers.iter().for_each(|worker| worker.abort());
    }
    for worker in workers {
        match worker.await {
            Ok(done) => done?,
            Err(error) if error.is_cancelled() => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    following.abort();
    let (mut latencies_ms, window, before, after) =
        outcome.ok_or_else(|| format!("no execution has ended for {} s", STALL.as_secs()))?;
    latencies_ms.sort_by(f64::total_cmp);
    let (unexpected, missed) = (unexpected.load(Ordering::Relaxed), *ends.missed.borrow());
    Ok(Ended { latencies_ms, window, unexpected, missed, before, after })
}

/// One saga, from its start to the word of its end; the status it ended with.
async fn saga(door: &Door, load: &Load, ends: &Ends) -> Result<String, String> {
    let mut missed = ends.missed.subscribe();
    let execution = door.start(&load.machine_arn, &load.input).await?;
    let mut end = ends.of(&execution);
    loop {
        tokio::select! {
            status = &mut end => return status.map_err(|_| format!("nobody tells of the end of {execution}")),
            _ = missed.changed() => {
                let status = door.status(&execution).await?;
                if status != "RUNNING" {
                    return Ok(status);
                }
            }
        }
    }
}

/// Takes what ends until the window is over. None if nothing ends any more.
async fn watch_window<R>(
    load: &Load,
    ended: &mut mpsc::UnboundedReceiver<Duration>,
    read: &mut impl FnMut() -> R,
) -> Option<(Vec<f64>, Duration, R, R)> {
    let warm = Duration::from_secs_f64(load.seconds / 4.0);
    let (asked, stretched) =
        (Duration::from_secs_f64(load.seconds), Duration::from_secs_f64(load.seconds * STRETCH_MAX));
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < stretched && (began.elapsed() < warm || count < load.in_flight) {
        next_end(ended, warm.saturating_sub(began.elapsed())).await?;
        count += 1;
    }
    let (from, before, mut latencies) = (Instant::now(), read(), Vec::new());
    while from.elapsed() < stretched && (from.elapsed() < asked || latencies.len() < 2 * load.in_flight) {
        if let Some(took) = next_end(ended, asked.saturating_sub(from.elapsed())).await? {
            latencies.push(took.as_secs_f64() * 1000.0);
        }
    }
    Some((latencies, from.elapsed(), before, read()))
}

/// The next end. `Some(None)` if it did not come in `time`, which, once it is up, is not kept to.
async fn next_end(ended: &mut mpsc::UnboundedReceiver<Duration>, time: Duration) -> Option<Option<Duration>> {
    let patience = if time.is_zero() { STALL } else { time };
    match tokio::time::timeout(patience, ended.recv()).await {
        // Every worker has failed.
        Ok(None) => None,
        Ok(took) => Some(took),
        Err(_) if time.is_zero() => None,
        Err(_) => Some(None),
    }
}

/// Who waits for which end, and which ends came before anybody asked.
struct Ends {
    meetings: Mutex<HashMap<String, Meeting>>,
    /// How many were missed so far.
    missed: watch::Sender<u64>,
}

impl Default for Ends {
    fn default() -> Ends {
        Ends { meetings: Mutex::default(), missed: watch::Sender::new(0) }
    }
}

enum Meeting {
    Waits(oneshot::Sender<String>),
    Came(String),
}

impl Ends {
    /// The end comes over the channel, also when it was reported before the start's answer.
    fn of(&self, execution: &str) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        let mut meetings = lock(&self.meetings);
        match meetings.remove(execution) {
            // The receiver is right here.
            Some(Meeting::Came(status)) => drop(sender.send(status)),
            _ => drop(meetings.insert(execution.to_owned(), Meeting::Waits(sender))),
        }
        receiver
    }

    fn come(&self, execution: &str, status: &str) {
        let mut meetings = lock(&self.meetings);
        match meetings.remove(execution) {
            // A worker that has given up wants no answer.
            Some(Meeting::Waits(sender)) => drop(sender.send(status.to_owned())),
            _ => drop(meetings.insert(execution.to_owned(), Meeting::Came(status.to_owned()))),
        }
    }

    fn miss(&self, missed: u64) {
        self.missed.send_modify(|all| *all += missed);
    }
}

/// Reads the stream of status changes.
async fn follow_stream(endpoint: &str, ends: Arc<Ends>) -> Result<JoinHandle<()>, String> {
    let mut client = Client::connect(endpoint).await?;
    let request = http::Request::get("/ithaca/changes")
        .header(http::header::HOST, client.authority())
        .body(Full::default())
        .map_err(|error| error.to_string())?;
    let mut body = client.open(request).await?.into_body();
    Ok(tokio::spawn(async move {
        let _connection = client;
        let mut text = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            let mut at = 0;
            while let Some(length) = text[at..].windows(2).position(|two| two == b"\n\n") {
                hear(&ends, &text[at..at + length]);
                at += length + 2;
            }
            text.drain(..at);
        }
    }))
}

/// One event of the stream: `data: {...}`, or `: 7 changes were missed`.
fn hear(ends: &Ends, event: &[u8]) {
    if let Some(comment) = event.strip_prefix(b": ") {
        let text = String::from_utf8_lossy(comment);
        ends.miss(text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0));
        return;
    }
    let change = event.strip_prefix(b"data: ").and_then(|data| serde_json::from_slice::<Value>(data).ok());
    let Some(change) = change else { return };
    if let (Some(execution), Some(status)) = (change["executionArn"].as_str(), change["status"].as_str())
        && status != "RUNNING"
    {
        ends.come(execution, status);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_met_in_either_order() {
        let ends = Ends::default();
        let mut first = ends.of("a");
        hear(&ends, br#"data: {"executionArn":"a","status":"RUNNING"}"#);
        assert!(first.try_recv().is_err());
        hear(&ends, br#"data: {"executionArn":"a","status":"SUCCEEDED"}"#);
        hear(&ends, br#"data: {"executionArn":"b","status":"FAILED"}"#);
        assert_eq!(first.try_recv().as_deref(), Ok("SUCCEEDED"));
        assert_eq!(ends.of("b").try_recv().as_deref(), Ok("FAILED"));
        hear(&ends, b": 7 changes were missed");
        assert_eq!(*ends.missed.borrow(), 7);
    }
}

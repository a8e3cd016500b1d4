//! Status changes for others: each as an EventBridge event, one line in a file or one POST to a URL.
//!
//! ```text
//!  shards ──broadcast, bounded──> Follower ──reads what is durable──> lines ──> File | Webhook
//! ```
//!
//! Nobody waits for a follower. One that is too slow misses events, and says how many: like EventBridge's own, these
//! are delivered as well as can be, and whoever needs all of them asks ListExecutions. Events of one follower come in
//! the order in which they happened. Without followers nothing here runs.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_states::States;
use bytes::Bytes;
use engine::StatusChange;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::log;
use crate::metrics::{Counters, count};
use crate::webhook::{Address, Webhook};

/// Events that are put together and written at once.
const BATCH_MAX: usize = 256;

/// Tries of one event; with the pauses between them a receiver has about a quarter of a minute to come back.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long a stop waits for what has happened to be told.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    File(PathBuf),
    Webhook(Address),
}

impl Target {
    /// Can it be written to? A webhook may come later.
    pub fn check(&self) -> io::Result<()> {
        match self {
            Target::File(path) => append(path, b""),
            Target::Webhook(_) => Ok(()),
        }
    }

    /// A URL, or else a path.
    pub fn parse(text: &str) -> Result<Target, String> {
        let Some((scheme, _)) = text.split_once("://") else { return Ok(Target::File(PathBuf::from(text))) };
        if scheme != "http" {
            return Err(format!("--events {text}: events go to a file or to an http:// URL; a proxy can add TLS"));
        }
        Address::parse("--events", text).map(Target::Webhook)
    }
}

/// The followers of one server.
pub struct Followers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Followers {
    /// A follower for each target. What they are told came from before the engine was opened on, or what it did first
    /// would be missed.
    pub fn start(
        targets: Vec<(Target, Receiver<StatusChange>)>,
        states: &States,
        counters: &Arc<Counters>,
    ) -> Followers {
        let stop = watch::Sender::new(false);
        let follow = |(target, changes)| {
            let (states, counters) = (states.clone(), counters.clone());
            let webhook = match &target {
                Target::Webhook(address) => Some(Webhook::new(address.clone())),
                Target::File(_) => None,
            };
            let follower = Follower { target, states, webhook, counters };
            tokio::spawn(follower.run(changes, stop.subscribe()))
        };
        let tasks = targets.into_iter().map(follow).collect();
        Followers { stop, tasks }
    }

    /// Lets what has happened be told, within a bound.
    pub async fn shut_down(self) {
        self.stop.send_replace(true);
        let all = async {
            for task in self.tasks {
                // One that panicked has said why.
                let _ = task.await;
            }
        };
        if timeout(STOP_WITHIN, all).await.is_err() {
            let seconds = STOP_WITHIN.as_secs();
            log::warn("events", "status change events were not delivered in time", &[("seconds", seconds.into())]);
        }
    }
}

struct Follower {
    target: Target,
    states: States,
    /// Of a target that is one.
    webhook: Option<Webhook>,
    counters: Arc<Counters>,
}

impl Follower {
    async fn run(mut self, mut changes: Receiver<StatusChange>, mut stop: watch::Receiver<bool>) {
        loop {
            let next = tokio::select! {
                // What has happened is told before a stop is heard.
                biased;
                next = changes.recv() => next,
                _ = stop.changed() => return,
            };
            match next {
                Ok(change) => {
                    let (batch, missed) = gathered(change, &mut changes);
                    self.tell(batch).await;
                    self.missed(missed);
                }
                Err(RecvError::Lagged(missed)) => self.missed(missed),
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn tell(&mut self, changes: Vec<StatusChange>) {
        let (states, count) = (self.states.clone(), changes.len() as u64);
        let Ok(events) = spawn_blocking(move || events(&states, &changes)).await else {
            return self.warn(count, "they could not be put together");
        };
        let lines = match events {
            Ok(lines) => lines,
            Err(error) => return self.warn(count, &error.to_string()),
        };
        match self.target.clone() {
            Target::File(path) => {
                let text = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
                let written = spawn_blocking(move || append(&path, text.as_bytes())).await;
                if let Ok(Err(error)) = written {
                    self.warn(lines.len() as u64, &error.to_string());
                }
            }
            Target::Webhook(_) => {
                for line in lines {
                    if let Err(why) = self.deliver(&Bytes::from(line)).await {
                        self.warn(1, &why);
                    }
                }
            }
        }
    }

    /// Sends an event until it is taken, a bounded number of times with growing pauses.
    async fn deliver(&mut self, event: &Bytes) -> Result<(), String> {
        let Some(webhook) = &mut self.webhook else { return Ok(()) };
        let mut pause = FIRST_PAUSE;
        let mut why = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                sleep(pause).await;
                pause *= 2;
            }
            match webhook.send(event.clone()).await {
                Ok(()) => return Ok(()),
                Err(because) => why = because,
            }
        }
        Err(why)
    }

    fn missed(&self, count: u64) {
        if count > 0 {
            self.warn(count, "they came faster than they could be delivered");
        }
    }

    fn warn(&self, lost: u64, why: &str) {
        let target = match &self.target {
            Target::File(path) => path.display().to_string(),
            // Its path or query may be a secret.
            Target::Webhook(Address { host, port, .. }) => format!("{host}:{port}"),
        };
        count(&self.counters.events_dropped, lost);
        let fields = [("count", lost.into()), ("to", (&target).into()), ("why", why.into())];
        log::warn("events", "status change events were dropped", &fields);
    }
}

/// This change and those that wait behind it; and how many have been missed after them.
fn gathered(first: StatusChange, changes: &mut Receiver<StatusChange>) -> (Vec<StatusChange>, u64) {
    let mut batch = vec![first];
    while batch.len() < BATCH_MAX {
        match changes.try_recv() {
            Ok(change) => batch.push(change),
            Err(TryRecvError::Lagged(missed)) => return (batch, missed),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    (batch, 0)
}

/// The events as lines of JSON. An execution that is no more has none.
fn events(states: &States, changes: &[StatusChange]) -> Result<Vec<String>, engine::Error> {
    let lines = changes.iter().map(|change| states.status_change_event(change));
    lines.filter_map(Result::transpose).map(|event| event.map(|event| event.to_string())).collect()
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        assert_eq!(Target::parse("a/b.jsonl"), Ok(Target::File("a/b.jsonl".into())));
        let check = |text: &str, host: &str, port: u16| match Target::parse(text) {
            Ok(Target::Webhook(Address { host: found, port: at, .. })) => assert_eq!((&*found, at), (host, port)),
            other => panic!("{text}: {other:?}"),
        };
        check("http://localhost:9/x?y", "localhost", 9);
        check("http://[::1]/", "::1", 80);
        for bad in ["https://h/", "ftp://h/", "http://", "http://a b/"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}

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
use std::time::Duration;

use aws_states::States;
use bytes::Bytes;
use engine::StatusChange;
use http::{Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

/// Events that are put together and written at once.
const BATCH_MAX: usize = 256;

/// Tries of one event; with the pauses between them a receiver has about a quarter of a minute to come back.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A receiver that takes longer to answer has not got it.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What a receiver answers is not looked at, and not kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long a stop waits for what has happened to be told.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    File(PathBuf),
    Webhook { host: String, port: u16, uri: Uri },
}

impl Target {
    /// Can it be written to? A webhook may come later.
    pub fn check(&self) -> io::Result<()> {
        match self {
            Target::File(path) => append(path, b""),
            Target::Webhook { .. } => Ok(()),
        }
    }

    /// A URL, or else a path.
    pub fn parse(text: &str) -> Result<Target, String> {
        let Some((scheme, _)) = text.split_once("://") else { return Ok(Target::File(PathBuf::from(text))) };
        if scheme != "http" {
            return Err(format!("--events {text}: events go to a file or to an http:// URL; a proxy can add TLS"));
        }
        let uri: Uri = text.parse().map_err(|error| format!("--events {text}: {error}"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| format!("--events {text}: no host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Target::Webhook { host, port: uri.port_u16().unwrap_or(80), uri })
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
    pub fn start(targets: Vec<(Target, Receiver<StatusChange>)>, states: &States) -> Followers {
        let stop = watch::Sender::new(false);
        let follow = |(target, changes)| {
            let follower = Follower { target, states: states.clone(), connection: None };
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
            eprintln!("warning: status change events that were not delivered within {STOP_WITHIN:?} are given up");
        }
    }
}

struct Follower {
    target: Target,
    states: States,
    connection: Option<SendRequest<Full<Bytes>>>,
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
            Target::Webhook { host, port, uri } => {
                for line in lines {
                    if let Err(why) = self.deliver(&host, port, &uri, &Bytes::from(line)).await {
                        self.warn(1, &why);
                    }
                }
            }
        }
    }

    /// Sends an event until it is taken, a bounded number of times with growing pauses.
    async fn deliver(&mut self, host: &str, port: u16, uri: &Uri, event: &Bytes) -> Result<(), String> {
        let mut pause = FIRST_PAUSE;
        let mut why = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                sleep(pause).await;
                pause *= 2;
            }
            why = match timeout(ANSWER_WITHIN, self.post(host, port, uri, event)).await {
                Ok(Ok(status)) if status.is_success() => return Ok(()),
                Ok(Ok(status)) => format!("the answer was {status}"),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {ANSWER_WITHIN:?}"),
            };
            self.connection = None;
        }
        Err(why)
    }

    async fn post(&mut self, host: &str, port: u16, uri: &Uri, event: &Bytes) -> Result<http::StatusCode, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => connect(host, port).await?,
        };
        connection.ready().await?;
        let request = http::Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, uri.authority().map_or(host, |authority| authority.as_str()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(event.clone()))?;
        let response = connection.send_request(request).await?;
        let status = response.status();
        Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?;
        self.connection = Some(connection);
        Ok(status)
    }

    fn missed(&self, count: u64) {
        if count > 0 {
            self.warn(count, "they came faster than they could be delivered");
        }
    }

    fn warn(&self, lost: u64, why: &str) {
        let target = match &self.target {
            Target::File(path) => path.display().to_string(),
            Target::Webhook { uri, .. } => uri.to_string(),
        };
        eprintln!("warning: {lost} status change events for {target} were dropped: {why}");
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connect(host: &str, port: u16) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let (connection, driver) = handshake(TokioIo::new(stream)).await?;
    // Its errors reach the request that is under way.
    tokio::spawn(driver);
    Ok(connection)
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
            Ok(Target::Webhook { host: found, port: at, .. }) => assert_eq!((&*found, at), (host, port)),
            other => panic!("{text}: {other:?}"),
        };
        check("http://localhost:9/x?y", "localhost", 9);
        check("http://[::1]/", "::1", 80);
        for bad in ["https://h/", "ftp://h/", "http://", "http://a b/"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}

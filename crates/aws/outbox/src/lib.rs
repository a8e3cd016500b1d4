//! The outbox: what tasks and functions send by SQS, SNS, EventBridge and SES, kept where one can look at it.
//!
//! ```text
//!  AWS clients, tasks ──> Outbox::handle ── wire ──> Job ──bounded──> writer ── outbox/DAY.N.jsonl, one fsync a batch ──> answer
//!                                                                       └────> whoever listens: the place for rules of EventBridge
//!  who looks ───────────> Outbox::list  <── the files, newest first
//! ```
//!
//! A message has an answer of AWS's shape when it is on the disk, and not before. Nobody takes it away: there are no
//! queues, subscriptions or mail servers behind this, and it is forgotten when it is old or there are too many
//! ([`store`]). Every queue, topic, bus and address exists.
//!
//! The crate knows neither state machines nor sockets. Who has sent a message is told to it with the request: [`Sender`].

mod messages;
mod store;
mod wire;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use aws_protocol::{Home, Request, Response};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

pub use store::{Filter, OpenError};
pub use wire::is_for;

use messages::{Operation, Refusal};
use store::{Job, Reader, Writer};

/// Requests that wait for the disk; beyond, the service's throttling error makes the SDK come back later.
const INBOX_MAX: usize = 1024;

/// A message as the outbox keeps it: a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Grows from message to message, also over restarts.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// `sqs`, `sns`, `events` or `ses`.
    pub service: String,
    pub operation: String,
    /// The queue's URL, the topic's ARN, the bus's name, the addresses of a mail.
    pub destination: String,
    /// What the sender was told.
    pub message_id: String,
    #[serde(flatten)]
    pub sender: Sender,
    /// The members of the request that are about this message, as the API names them.
    pub message: Value,
}

/// Who sends, as far as it is known. A request brings it in its extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    /// The ARN of the execution, if a task sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// Is told of messages when they are durable, in their order, before who sent them is; on the writer's thread, so it
/// must not wait. A rule of EventBridge would look here for events: `service` is `events`.
pub type Listener = Arc<dyn Fn(&[Message]) + Send + Sync>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

struct Shared {
    inbox: SyncSender<Job>,
    reader: Reader,
    home: Home,
    listener: Arc<std::sync::OnceLock<Listener>>,
}

impl Outbox {
    /// Opens the outbox in a folder, which need not be there yet.
    pub fn open(folder: &Path, home: &Home) -> Result<Outbox, OpenError> {
        let listener = Arc::<std::sync::OnceLock<Listener>>::default();
        let writer = Writer::open(folder, listener.clone())?;
        let (inbox, jobs) = sync_channel(INBOX_MAX);
        std::thread::Builder::new()
            .name("outbox".into())
            .spawn(move || writer.work(&jobs))
            .map_err(|source| OpenError { doing: "start the thread of", path: folder.to_owned(), source })?;
        let shared = Shared { inbox, reader: Reader::new(folder), home: home.clone(), listener };
        Ok(Outbox(Arc::new(shared)))
    }

    /// Tells of every message from now on. Once.
    pub fn listen(&self, listener: Listener) {
        // INVARIANT: there is one listener, which tells others if there are several.
        assert!(self.0.listener.set(listener).is_ok(), "the outbox has a listener already");
    }

    /// Is this an operation that the outbox takes? Names as botocore has them: `sqs`, `SendMessage`.
    pub fn takes(service: &str, operation: &str) -> bool {
        messages::find(service, operation).is_some()
    }

    /// Answers one request. Never fails: every failure is an AWS error.
    pub async fn handle(&self, request: &Request) -> Response {
        let call = wire::read(request);
        let sender = request.extensions().get::<Sender>().cloned().unwrap_or_default();
        let result = match (call.operation, call.members) {
            (Some(operation), Ok(members)) => self.run(operation, members, sender, request.headers()).await,
            (Some(_), Err(refusal)) => Err(refusal),
            (None, _) => Err(Refusal::unknown(call.service, &call.name)),
        };
        wire::answer(&call.reply, result)
    }

    async fn run(
        &self,
        operation: &'static Operation,
        members: Value,
        sender: Sender,
        headers: &HeaderMap,
    ) -> Result<Value, Refusal> {
        let drafted = (operation.draft)(&members, &self.place(headers))?;
        if drafted.messages.is_empty() {
            return Ok(drafted.answer);
        }
        let (reply, answer) = oneshot::channel();
        match self.0.inbox.try_send(Job { operation, drafted, sender, reply }) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(Refusal::internal("the outbox was closed"))),
            Err(TrySendError::Full(_)) => Err(Refusal::throttled(operation.service)),
            Err(TrySendError::Disconnected(_)) => Err(Refusal::internal("the outbox was closed")),
        }
    }

    /// Keeps an event that this machine has to tell, of a source or to a place that no client may name. Its id.
    pub async fn put_event(&self, destination: String, event: Value) -> Result<String, String> {
        let operation = messages::find("events", "PutEvents").expect("the table has it");
        let drafted = messages::own_event(destination, event);
        let (reply, answer) = oneshot::channel();
        let job = Job { operation, drafted, sender: Sender::default(), reply };
        let inbox = self.0.clone();
        // Nobody can be told to come back later.
        let sent = tokio::task::spawn_blocking(move || inbox.inbox.send(job).is_ok()).await;
        if !sent.map_err(|error| error.to_string())? {
            return Err("the outbox was closed".to_owned());
        }
        let answer =
            answer.await.map_err(|_| "the outbox was closed".to_owned())?.map_err(|refusal| refusal.message)?;
        Ok(answer["Entries"][0]["EventId"].as_str().unwrap_or_default().to_owned())
    }

    /// Whose names are meant, and by which address we were called.
    fn place(&self, headers: &HeaderMap) -> messages::Place {
        let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let homes = aws_protocol::Homes { home: self.0.home.clone(), account_is_fixed: false };
        messages::Place { home: homes.elsewhere(headers).unwrap_or(homes.home), host: host.to_owned() }
    }

    /// Messages, the newest first; reads files.
    pub fn list(&self, filter: &Filter, limit: usize) -> std::io::Result<Vec<Message>> {
        self.0.reader.list(filter, limit)
    }

    /// Those of these numbers that are there, the oldest first; reads files.
    pub fn numbered(&self, numbers: &BTreeSet<u64>) -> std::io::Result<Vec<Message>> {
        self.0.reader.numbered(numbers)
    }

    /// What came after a number, the oldest first; reads files.
    pub fn after(&self, number: u64, limit: usize) -> std::io::Result<Vec<Message>> {
        self.0.reader.after(number, limit, &|_| true)
    }
}

/// A status and what AWS calls it.
pub(crate) type Name = (StatusCode, &'static str);

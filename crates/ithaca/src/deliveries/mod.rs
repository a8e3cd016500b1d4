//! Messages of queues and topics, events, and what is written to tables, on their way to functions, state machines and queues of
//! this machine.
//!
//! ```text
//!   outbox ── listener ──> feed ──> one loop a delivery ── batch ──> function      failed: again after the queue's visibility timeout,
//!      └──── files, for who fell behind ──┘     │                                  at last to its dead-letter queue
//!                                               └─> deliveries.json: how far it is, and what is under way
//! ```
//!
//! A message is in the outbox before anybody is told of it, and stays there: a delivery is a place in that order, and the numbers before it that
//! are not done yet. That is written now and then, whole; after a crash what was done since is done again. So every message arrives at least
//! once, as SQS and SNS promise. What was sent before a delivery was made is not delivered.

mod envelope;
mod kept;
mod stream;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda::{InvokeOptions, Outcome};
use aws_outbox::{Message, Outbox, Sender};
use aws_patterns::Pattern;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

pub use kept::{Delivery, RuleSource, Source, Target};
pub use targets::queue_url;

use crate::front::Front;
use crate::log;
use stream::StreamCourier;

/// Messages of a delivery that are under way or wait for another try; more wait in the outbox.
const OPEN_MAX: usize = 1000;
/// Batches of a delivery at the same time. A queue that keeps an order has one.
const BATCHES_MAX: usize = 10;
/// Batches of new messages that a loop may fall behind before it reads the files.
const FEED_MAX: usize = 256;
/// Messages that are read from the files at once.
const READ_MAX: usize = 1000;
/// How often what has changed is written.
const SAVE_PAUSE: Duration = Duration::from_millis(250);
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// After files that could not be read or written.
const TRY_AGAIN: Duration = Duration::from_secs(1);

type Feed = broadcast::Sender<Arc<[Message]>>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Deliveries(Arc<Inner>);

struct Inner {
    file: PathBuf,
    feed: Feed,
    outbox: Outbox,
    front: std::sync::OnceLock<Weak<Front>>,
    running: Mutex<Vec<Running>>,
    /// Something is to be written.
    changed: Arc<Notify>,
    /// Held while the file is written, so that the newest is written last and no two write at once.
    writing: tokio::sync::Mutex<()>,
}

struct Running {
    /// How far it is.
    state: Arc<Mutex<Delivery>>,
    work: AbortHandle,
}

impl Deliveries {
    /// Nothing is delivered before [`Deliveries::open`].
    pub fn new(data: &Path, outbox: Outbox) -> Deliveries {
        let (feed, _) = broadcast::channel(FEED_MAX);
        let (file, front, running) = (data.join(kept::FILE), std::sync::OnceLock::new(), Mutex::default());
        let (changed, writing) = (Arc::default(), tokio::sync::Mutex::default());
        Deliveries(Arc::new(Inner { file, feed, outbox, front, running, changed, writing }))
    }

    /// What the outbox is to tell of every message.
    pub fn listener(&self) -> aws_outbox::Listener {
        let feed = self.0.feed.clone();
        // Nobody may listen.
        Arc::new(move |messages| drop(feed.send(messages.into())))
    }

    /// Goes on with what the data folder knows.
    pub fn open(&self, front: &Arc<Front>) -> Result<(), String> {
        let _ = self.0.front.set(Arc::downgrade(front));
        for delivery in kept::load(&self.0.file)? {
            self.start(delivery);
        }
        let (deliveries, changed) = (Arc::downgrade(&self.0), self.0.changed.clone());
        tokio::spawn(async move {
            loop {
                // Looks again now and then, so that it ends with the server.
                let has_changed = tokio::time::timeout(LOOK_AGAIN, changed.notified()).await.is_ok();
                tokio::time::sleep(SAVE_PAUSE).await;
                let Some(deliveries) = deliveries.upgrade().map(Deliveries) else { return };
                if has_changed && !deliveries.save_progress().await {
                    changed.notify_one();
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        });
        Ok(())
    }

    /// These are the deliveries of a stack from now on. Those that are there already go on from where they are.
    pub async fn put(&self, stack: &str, fresh: Vec<Delivery>) -> Result<(), String> {
        let is_there = |delivery: &Delivery| self.running().iter().any(|running| running.state().is_same(delivery));
        let newest = if fresh.iter().all(is_there) { 0 } else { self.newest().await? };
        let mut gone = Vec::new();
        {
            let mut all = self.running();
            let is_meant = |running: &Running| {
                let state = running.state();
                state.stack != stack || fresh.iter().any(|delivery| state.is_same(delivery))
            };
            let (stay, go): (Vec<Running>, Vec<Running>) = std::mem::take(&mut *all).into_iter().partition(is_meant);
            *all = stay;
            for running in go {
                running.work.abort();
                gone.push(running.state().clone());
            }
        }
        let mut changed = !gone.is_empty();
        for mut delivery in fresh {
            if is_there(&delivery) {
                continue;
            }
            match gone.iter().find(|old| old.source == delivery.source && old.target.name() == delivery.target.name()) {
                Some(old) => {
                    (delivery.cursor, delivery.open, delivery.sequence) =
                        (old.cursor, old.open.clone(), old.sequence.clone());
                }
                None => delivery.cursor = newest,
            }
            self.start(delivery);
            changed = true;
        }
        if changed { self.save(true).await } else { Ok(()) }
    }

    /// How many messages are under way or wait for another try.
    pub fn open_messages(&self) -> usize {
        self.running().iter().map(|running| running.state().open.len()).sum()
    }

    async fn newest(&self) -> Result<u64, String> {
        let outbox = self.0.outbox.clone();
        let read = tokio::task::spawn_blocking(move || outbox.list(&aws_outbox::Filter::default(), 1)).await;
        let newest = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(newest.first().map_or(0, |message| message.number))
    }

    fn start(&self, delivery: Delivery) {
        let state = Arc::new(Mutex::new(delivery));
        if matches!(state.lock().unwrap_or_else(PoisonError::into_inner).source, Source::Stream(_)) {
            let courier = StreamCourier { deliveries: Arc::downgrade(&self.0), state: state.clone() };
            let work = tokio::spawn(courier.work()).abort_handle();
            return self.running().push(Running { state, work });
        }
        let courier = Courier {
            deliveries: Arc::downgrade(&self.0),
            outbox: self.0.outbox.clone(),
            state: state.clone(),
            feed: self.0.feed.subscribe(),
            patterns: state.lock().unwrap_or_else(PoisonError::into_inner).patterns(),
            waiting: BTreeMap::new(),
            later: BTreeMap::new(),
            is_behind: true,
        };
        let work = tokio::spawn(courier.work()).abort_handle();
        self.running().push(Running { state, work });
    }

    /// Ends all deliveries, and writes down how far they are: a start after a stop in good order does nothing again that is done.
    pub async fn shut_down(&self) {
        let all: Vec<AbortHandle> = self.running().iter().map(|running| running.work.clone()).collect();
        all.iter().for_each(AbortHandle::abort);
        self.save_progress().await;
    }

    async fn save_progress(&self) -> bool {
        let saved = self.save(false).await;
        if let Err(why) = &saved {
            log::warn("deliveries", "how far they are cannot be written", &[("why", why.into())]);
        }
        saved.is_ok()
    }

    async fn save(&self, durably: bool) -> Result<(), String> {
        let _turn = self.0.writing.lock().await;
        let all: Vec<Delivery> = self.running().iter().map(|running| running.state().clone()).collect();
        let file = self.0.file.clone();
        let saved = tokio::task::spawn_blocking(move || kept::save(&file, &all, durably)).await;
        saved.map_err(|error| error.to_string())?
    }

    fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn state(&self) -> MutexGuard<'_, Delivery> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that is not done, and how often it was tried.
#[derive(Clone)]
struct Parcel {
    message: Message,
    receives: u32,
}

/// The loop of one delivery.
struct Courier {
    deliveries: Weak<Inner>,
    outbox: Outbox,
    state: Arc<Mutex<Delivery>>,
    feed: broadcast::Receiver<Arc<[Message]>>,
    patterns: Vec<Pattern>,
    /// To be handed over now, the oldest first.
    waiting: BTreeMap<u64, Parcel>,
    /// To be tried again, by when.
    later: BTreeMap<Instant, Vec<Parcel>>,
    /// Messages are in the files that the feed has not told of, or that were let pass because there were too many.
    is_behind: bool,
}

impl Courier {
    async fn work(mut self) {
        while !self.take_up().await {
            tokio::time::sleep(TRY_AGAIN).await;
        }
        let mut flying: JoinSet<Vec<Parcel>> = JoinSet::new();
        let Delivery { batch_max, batches_max, .. } = self.state().clone();
        let retry = self.state().retry();
        loop {
            if self.is_behind && self.open() < OPEN_MAX && !self.catch_up().await {
                tokio::time::sleep(TRY_AGAIN).await;
                continue;
            }
            while flying.len() < batches_max.min(BATCHES_MAX) {
                let batch = self.next_batch(batch_max);
                if batch.is_empty() {
                    break;
                }
                let (deliveries, state) = (self.deliveries.clone(), self.state().clone());
                flying.spawn(async move { hand_over(&deliveries, &state, batch).await });
            }
            let due = self.later.keys().next().copied();
            tokio::select! {
                told = self.feed.recv() => match told {
                    Ok(messages) => self.take(&messages),
                    Err(broadcast::error::RecvError::Lagged(_)) => self.is_behind = true,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                Some(done) = flying.join_next() => match done {
                    Ok(outcomes) => self.settle(outcomes, retry).await,
                    // A panic of ours: the server's log has it, and what it held is tried again at the next start.
                    Err(error) => log::error("deliveries", "a batch was lost until the next start", &[("why", (&error.to_string()).into())]),
                },
                () = sleep_until(due) => {
                    let now = Instant::now();
                    while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now) {
                        let due = entry.remove();
                        self.waiting.extend(due.into_iter().map(|parcel| (parcel.message.number, parcel)));
                    }
                }
            }
        }
    }

    /// The oldest that may go now. Where an order is kept, no message passes one of its group that is to be tried again.
    fn next_batch(&mut self, batch_max: usize) -> Vec<Parcel> {
        let held: BTreeSet<&str> = match self.state().source.keeps_order() {
            true => self.later.values().flatten().map(group).collect(),
            false => BTreeSet::new(),
        };
        let may_go = self.waiting.values().filter(|parcel| held.is_empty() || !held.contains(group(parcel)));
        let numbers: Vec<u64> = may_go.take(batch_max).map(|parcel| parcel.message.number).collect();
        numbers.iter().filter_map(|number| self.waiting.remove(number)).collect()
    }

    /// After a start: what was under way before it. False if it has to be tried again.
    async fn take_up(&mut self) -> bool {
        let open = self.state().open.clone();
        if open.is_empty() {
            return true;
        }
        let numbers: BTreeSet<u64> = open.keys().copied().collect();
        let Some(found) = self.read(move |outbox| outbox.numbered(&numbers)).await else { return false };
        let parcel = |message: Message| Parcel { receives: open[&message.number], message };
        self.waiting = found.into_iter().map(|message| (message.number, parcel(message))).collect();
        // Too old: the outbox has forgotten it.
        self.state().open.retain(|number, _| self.waiting.contains_key(number));
        true
    }

    /// Reads from the files what comes next. False if it has to be tried again.
    async fn catch_up(&mut self) -> bool {
        let cursor = self.state().cursor;
        let Some(messages) = self.read(move |outbox| outbox.after(cursor, READ_MAX)).await else { return false };
        self.is_behind = messages.len() == READ_MAX;
        self.take(&messages);
        true
    }

    /// Puts new messages in line, as many as there is room for; the rest is read when there is.
    fn take(&mut self, messages: &[Message]) {
        let state = self.state.clone();
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.cursor;
        for message in messages.iter() {
            if message.number <= state.cursor {
                continue;
            }
            if state.open.len() >= OPEN_MAX {
                self.is_behind = true;
                break;
            }
            state.cursor = message.number;
            if state.source.has(message) && envelope::is_meant(&state, &self.patterns, message) {
                state.open.insert(message.number, 0);
                self.waiting.insert(message.number, Parcel { message: message.clone(), receives: 0 });
            }
        }
        let is_further = state.cursor != before;
        drop(state);
        if is_further {
            self.tell();
        }
    }

    /// What has come of a batch: parcels that are done are not among the failed.
    async fn settle(&mut self, outcomes: Vec<Parcel>, retry: Duration) {
        let mut again = Vec::new();
        for mut parcel in outcomes {
            let number = parcel.message.number;
            if parcel.receives == DONE {
                self.state().open.remove(&number);
                continue;
            }
            let Delivery { receives_max, dead_letters, target, .. } = self.state().clone();
            if receives_max.is_some_and(|most| parcel.receives >= most) {
                let what = [("message", number.into()), ("target", target.name().into())];
                match dead_letters {
                    Some(queue) => match bury(&self.deliveries, &queue, &parcel.message).await {
                        Ok(()) => log::warn("deliveries", "a message went to the dead-letter queue", &what),
                        Err(_) => {
                            parcel.receives -= 1;
                            again.push(parcel);
                            continue;
                        }
                    },
                    None => log::warn("deliveries", "a message was given up; it is in the outbox", &what),
                }
                self.state().open.remove(&number);
                continue;
            }
            self.state().open.insert(number, parcel.receives);
            again.push(parcel);
        }
        if !again.is_empty() {
            self.later.entry(Instant::now() + retry).or_default().extend(again);
        }
        self.tell();
    }

    fn open(&self) -> usize {
        self.state().open.len()
    }

    /// Reads files. Nothing if they cannot be read, which is told: what is not known must not be passed.
    async fn read(
        &mut self,
        read: impl FnOnce(&Outbox) -> std::io::Result<Vec<Message>> + Send + 'static,
    ) -> Option<Vec<Message>> {
        let outbox = self.outbox.clone();
        let found = tokio::task::spawn_blocking(move || read(&outbox)).await;
        match found.map_err(std::io::Error::other).flatten() {
            Ok(found) => Some(found),
            Err(error) => {
                log::warn("deliveries", "the outbox cannot be read", &[("why", (&error.to_string()).into())]);
                None
            }
        }
    }

    fn tell(&self) {
        if let Some(deliveries) = self.deliveries.upgrade() {
            deliveries.changed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, Delivery> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages of a group keep their order.
fn group(parcel: &Parcel) -> &str {
    parcel.message.message["MessageGroupId"].as_str().unwrap_or_default()
}

/// In place of a count of tries: it has arrived.
const DONE: u32 = u32::MAX;

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Hands a batch over. Gives it back with those that arrived marked, and the others' tries counted.
async fn hand_over(deliveries: &Weak<Inner>, delivery: &Delivery, mut batch: Vec<Parcel>) -> Vec<Parcel> {
    let Some(front) = front(deliveries) else { return batch };
    batch.iter_mut().for_each(|parcel| parcel.receives += 1);
    let failed: Vec<String> = match &delivery.target {
        Target::Function { arn, .. } => invoke(&front, delivery, arn, &batch).await,
        Target::Queue { url, raw } => {
            let mut failed = Vec::new();
            for parcel in &batch {
                let body = envelope::for_queue(&delivery.source, &parcel.message, *raw);
                if send(&front, url, body, parcel.message.sender.clone()).await.is_err() {
                    failed.push(parcel.message.message_id.clone());
                }
            }
            failed
        }
        Target::OfRule { id, arn, input } => {
            let mut failed = Vec::new();
            for parcel in &batch {
                if let Err(why) = targets::hand_over(&front, &delivery.source, (id, arn, input), &parcel.message).await
                {
                    let fields =
                        [("rule", delivery.source.arn().into()), ("target", arn.into()), ("why", (&why).into())];
                    log::warn("rules", "a target did not take an event", &fields);
                    failed.push(parcel.message.message_id.clone());
                }
            }
            failed
        }
    };
    for parcel in batch.iter_mut().filter(|parcel| !failed.contains(&parcel.message.message_id)) {
        parcel.receives = DONE;
    }
    batch
}

/// Which messages the function did not take.
async fn invoke(front: &Arc<Front>, delivery: &Delivery, arn: &str, batch: &[Parcel]) -> Vec<String> {
    let messages: Vec<(&Message, u32)> = batch.iter().map(|parcel| (&parcel.message, parcel.receives)).collect();
    let event = envelope::for_function(&delivery.source, &messages);
    // A topic does not wait for the function: the Lambda host keeps the event and tries again by itself.
    if let Source::Topic(_) = delivery.source {
        let kept = front.lambda.invoke_event(arn, Bytes::from(event.to_string())).await;
        return match kept {
            Ok(_) => Vec::new(),
            Err(error) => {
                tell_untaken(arn, batch.len(), &error.to_string());
                batch.iter().map(|parcel| parcel.message.message_id.clone()).collect()
            }
        };
    }
    let failed = match call(front, arn, event.to_string(), batch.len()).await {
        Some(answer) if delivery.reports_failures() => envelope::failures(&answer),
        Some(_) => Some(Vec::new()),
        None => None,
    };
    failed.unwrap_or_else(|| batch.iter().map(|parcel| parcel.message.message_id.clone()).collect())
}

/// What the function answers to so many messages; none if it failed, which is told.
async fn call(front: &Arc<Front>, arn: &str, event: String, messages: usize) -> Option<Bytes> {
    let invoked = front.lambda.invoke(arn, Bytes::from(event), InvokeOptions::default()).await;
    let why = match invoked.map(|invoked| invoked.outcome) {
        Ok(Outcome::Succeeded(answer)) => return Some(answer),
        Ok(Outcome::FunctionError { error_type, .. }) => error_type,
        Err(error) => error.to_string(),
    };
    tell_untaken(arn, messages, &why);
    None
}

fn tell_untaken(arn: &str, messages: usize, why: &str) {
    let fields = [("function", arn.into()), ("messages", (messages as u64).into()), ("why", why.into())];
    log::warn("deliveries", "a function did not take its messages", &fields);
}

async fn bury(deliveries: &Weak<Inner>, queue_url: &str, message: &Message) -> Result<(), String> {
    let front = front(deliveries).ok_or("Ithaca is stopping")?;
    let mut body = message.message.clone();
    if let (Some(text), None) = (body["Message"].as_str().map(str::to_owned), body.get("MessageBody")) {
        body = json!({ "MessageBody": text });
    }
    send(&front, queue_url, body, message.sender.clone()).await
}

/// Sends as a client would.
async fn send(front: &Arc<Front>, queue_url: &str, mut body: Value, sender: Sender) -> Result<(), String> {
    body["QueueUrl"] = queue_url.into();
    if queue_url.ends_with(".fifo") && body.get("MessageGroupId").is_none() {
        body["MessageGroupId"] = "ithaca".into();
    }
    let request = http::Request::post("/").header("x-amz-target", "AmazonSQS.SendMessage");
    let mut request = request.body(Bytes::from(body.to_string())).map_err(|error| error.to_string())?;
    request.extensions_mut().insert(sender);
    let answer = front.outbox.handle(&request).await;
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(answer.body()).into_owned()),
    }
}

fn front(deliveries: &Weak<Inner>) -> Option<Arc<Front>> {
    deliveries.upgrade()?.front.get()?.upgrade()
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

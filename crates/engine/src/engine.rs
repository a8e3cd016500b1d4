//! Puts the parts together: the registry, the shards and their threads.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use interpreter::Timestamp;
use store::{Memory, ShardId, Store};
use tokio::sync::{broadcast, watch};

use crate::activities::Activities;
use crate::core::{Core, Limits};
use crate::error::Error;
use crate::handle::{Handle, ShardDoor};
use crate::keys::ExecutionId;
use crate::limits::{OPEN_EXECUTIONS_MAX, RETENTION_MS, RUNNING_TASKS_MAX, WATCH_BUFFER};
use crate::log::{LogSink, NoLog};
use crate::machines::Machines;
use crate::reader::Reader;
use crate::shard::{Clock, Message, Shard, now};
use crate::task::TaskRunner;
use crate::watch::StatusChange;

pub struct Config {
    /// 1 to 64. It may differ from run to run.
    pub shards: u16,
    pub running_tasks_max: usize,
    pub open_executions_max: usize,
    /// How long the history of an execution is kept after its end, and its name taken.
    pub retention: Duration,
    pub log: Arc<dyn LogSink>,
    /// Every start and end of an execution. Who subscribes before the engine is opened misses none.
    pub changes: broadcast::Sender<StatusChange>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            shards: 1,
            running_tasks_max: RUNNING_TASKS_MAX,
            open_executions_max: OPEN_EXECUTIONS_MAX,
            retention: Duration::from_millis(RETENTION_MS),
            log: Arc::new(NoLog),
            changes: broadcast::Sender::new(WATCH_BUFFER),
        }
    }
}

pub struct Engine {
    handle: Handle,
    reader: Reader,
    fatal: Arc<watch::Sender<Option<String>>>,
    unreadable: Vec<String>,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Opens the engine over a store: takes the shards over, recovers what is open, and starts.
    pub fn open(store: Arc<dyn Store>, runner: Arc<dyn TaskRunner>, config: &Config) -> Result<Engine, Error> {
        // One number is left for the Express executions that are not kept.
        assert!((1..ExecutionId::SHARDS_MAX).contains(&config.shards), "an engine has 1 to 63 shards");
        let machines = Arc::new(Machines::open(store.clone())?);
        let changes = config.changes.clone();
        let fatal = Arc::new(watch::Sender::new(None));
        let mut unreadable = Vec::new();
        let activities = Arc::new(Activities::open(store.clone())?);
        let mut inboxes = Vec::new();
        let mut door = || {
            let (sender, inbox) = mpsc::channel();
            inboxes.push(inbox);
            ShardDoor { sender, queued: Arc::new(AtomicUsize::new(0)) }
        };
        let doors: Arc<[ShardDoor]> = (0..config.shards).map(|_| door()).collect();
        let express = Arc::new(door());
        let volatile: Arc<dyn Store> = Arc::new(Memory::new());
        let mut threads = Vec::new();
        let all = doors.iter().chain([&*express]).zip(inboxes).enumerate();
        for (number, (door, inbox)) in all {
            // The last keeps its executions in memory.
            let is_volatile = number == doors.len();
            let store = if is_volatile { &volatile } else { &store };
            let recover = recovery(number as u16, is_volatile, config, store, &machines, &activities);
            let core = recover(now())?;
            unreadable.extend_from_slice(core.unreadable());
            let shard_loop = Shard {
                core,
                recover,
                store: store.clone(),
                runner: runner.clone(),
                log: config.log.clone(),
                inbox,
                sender: door.sender.clone(),
                queued: door.queued.clone(),
                changes: changes.clone(),
                peers: doors.clone(),
                activities: activities.clone(),
                parked: VecDeque::new(),
                clock: Clock::new(),
                fatal: fatal.clone(),
            };
            let name = if is_volatile { "express".to_owned() } else { format!("shard-{number}") };
            let thread = std::thread::Builder::new()
                .name(name)
                .spawn(move || run_to_the_end(shard_loop))
                .map_err(|error| Error::Unavailable(format!("a shard's thread could not be started: {error}")))?;
            threads.push(thread);
        }
        let handle = Handle { machines: machines.clone(), activities, shards: doors, express, changes, runner };
        Ok(Engine { handle, reader: Reader::new(store, machines), fatal, unreadable, threads })
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Becomes a text when a shard cannot go on. The engine is of no use then: end the process and start again, which
    /// reads everything from the store.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.subscribe()
    }

    /// Open executions that could not be read and so do not go on, each with the reason.
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Ends every shard: no further task is handed over, and those that run have until `patience` is over to answer;
    /// what comes later finds nobody and is lost, as in a crash. Requests are told that the engine is stopping.
    pub fn shut_down(self, patience: Duration) {
        let at = Instant::now() + patience;
        for shard in self.handle.shards.iter().chain([&*self.handle.express]) {
            shard.tell(Message::ShutDown(at));
        }
        for thread in self.threads {
            // A shard that panicked has said why on standard error; the others still end well.
            let _ = thread.join();
        }
    }
}

/// A shard that panics has broken an invariant: nothing it holds can be trusted, and the store has all that was
/// acknowledged.
fn run_to_the_end(shard: Shard) {
    let fatal = shard.fatal.clone();
    if std::panic::catch_unwind(AssertUnwindSafe(|| shard.run())).is_err() {
        fatal.send_replace(Some("a shard of the engine panicked: its message is above".to_owned()));
    }
}

fn recovery(
    shard: u16,
    is_volatile: bool,
    config: &Config,
    store: &Arc<dyn Store>,
    machines: &Arc<Machines>,
    activities: &Arc<Activities>,
) -> Box<dyn Fn(Timestamp) -> Result<Core, Error> + Send> {
    let (store, machines, activities) = (store.clone(), machines.clone(), activities.clone());
    let running_tasks_max = (config.running_tasks_max / usize::from(config.shards)).max(1);
    let shards = config.shards;
    let retention_ms = u64::try_from(config.retention.as_millis()).unwrap_or(u64::MAX);
    let open_executions_max = (config.open_executions_max / usize::from(config.shards)).max(1);
    Box::new(move |now| {
        let limits = Limits { running_tasks_max, open_executions_max, shards, is_volatile, retention_ms };
        // Randomness enters here and only here; from the seed on everything is a function of its inputs.
        let seed = RandomState::new().hash_one(now.0);
        let core = Core::recover(ShardId(shard), store.clone(), machines.clone(), limits, now, seed)?;
        Ok(core.with_workers(activities.clone()))
    })
}

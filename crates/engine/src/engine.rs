//! Puts the parts together: the registry, the shards and their threads.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use interpreter::TaskId;
use store::{Memory, ShardId, Store};
use tokio::sync::{broadcast, watch};

use crate::activities::Activities;
use crate::core::{Core, Inheritance, Limits};
use crate::error::Error;
use crate::handle::{Handle, ShardDoor};
use crate::keys::ExecutionId;
use crate::limits::{OPEN_EXECUTIONS_MAX, RETENTION_MS, RUNNING_TASKS_MAX, WATCH_BUFFER};
use crate::log::{LogSink, NoLog};
use crate::machines::Machines;
use crate::reader::Reader;
use crate::shard::{Message, Pace, Recover, Shard};
use crate::surroundings::{Clock, Surroundings};
use crate::task::{Outcome, TaskRunner};
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

/// The parts of an engine, put together and not running: [`Engine`] gives each shard a thread, a simulator takes their
/// turns itself.
pub struct Assembly {
    handle: Handle,
    reader: Reader,
    fatal: Arc<watch::Sender<Option<String>>>,
    unreadable: Vec<String>,
    /// The last keeps its executions in memory.
    shards: Vec<Shard>,
}

impl Engine {
    /// Opens the engine over a store: takes the shards over, recovers what is open, and starts.
    pub fn open(store: Arc<dyn Store>, runner: Arc<dyn TaskRunner>, config: &Config) -> Result<Engine, Error> {
        let Assembly { handle, reader, fatal, unreadable, shards } =
            Assembly::open(store, runner, config, &Surroundings::real())?;
        let mut threads = Vec::new();
        let volatile = shards.len() - 1;
        for (number, mut shard) in shards.into_iter().enumerate() {
            shard.pace = Pace::new(true);
            let name = if number == volatile { "express".to_owned() } else { format!("shard-{number}") };
            let thread = std::thread::Builder::new()
                .name(name)
                .spawn(move || run_to_the_end(shard))
                .map_err(|error| Error::Unavailable(format!("a shard's thread could not be started: {error}")))?;
            threads.push(thread);
        }
        Ok(Engine { handle, reader, fatal, unreadable, threads })
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

impl Assembly {
    /// Takes the shards over and recovers what is open.
    pub fn open(
        store: Arc<dyn Store>,
        runner: Arc<dyn TaskRunner>,
        config: &Config,
        surroundings: &Surroundings,
    ) -> Result<Assembly, Error> {
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
        let mut shards = Vec::new();
        let all = doors.iter().chain([&*express]).zip(inboxes).enumerate();
        for (number, (door, inbox)) in all {
            let is_volatile = number == doors.len();
            let store = if is_volatile { &volatile } else { &store };
            // Its number is the same however many shards there are: what it numbers is never taken for what is written.
            let number = if is_volatile { ExecutionId::SHARDS_MAX - 1 } else { number as u16 };
            let recover = recovery(number, is_volatile, config, store, &machines, &activities, surroundings);
            let mut clock = Clock::new(surroundings.time.clone());
            let inheritance = Inheritance { witness: surroundings.witness.clone(), ..Inheritance::default() };
            let core = recover(clock.now(), inheritance)?;
            clock.reach(core.time());
            unreadable.extend_from_slice(core.unreadable());
            shards.push(Shard {
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
                flying: None,
                closes_at: None,
                pace: Pace::new(false),
                clock,
                fatal: fatal.clone(),
            });
        }
        let handle = Handle { machines: machines.clone(), activities, shards: doors, express, changes, runner };
        Ok(Assembly { handle, reader: Reader::new(store, machines), fatal, unreadable, shards })
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// See [`Engine::unreadable`].
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// How many there are, with the one that keeps its executions in memory: that is the last.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// One turn of a shard with what waits for it. It never waits. An error says why the shard cannot go on: only another
    /// assembly over the same store helps then.
    pub fn turn(&mut self, shard: usize) -> Result<(), String> {
        let shard = &mut self.shards[shard];
        let next = shard.ready();
        shard.turn(next)
    }

    /// What a shard holds, and when it has something to do by itself.
    pub fn core(&self, shard: usize) -> &Core {
        &self.shards[shard].core
    }

    /// What a runner tells that is out of its mind: the outcome of a task for which it has no [`crate::Completion`] any more.
    pub fn tell_outcome(&self, execution: ExecutionId, task: TaskId, outcome: Outcome) {
        let shards = self.handle.shards.len();
        self.handle.shards[usize::from(execution.shard()) % shards].tell(Message::Outcome {
            id: execution,
            task,
            outcome,
            call: None,
        });
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
    surroundings: &Surroundings,
) -> Recover {
    let (store, machines, surroundings) = (store.clone(), machines.clone(), surroundings.clone());
    let activities = activities.clone();
    let running_tasks_max = (config.running_tasks_max / usize::from(config.shards)).max(1);
    let shards = config.shards;
    let retention_ms = u64::try_from(config.retention.as_millis()).unwrap_or(u64::MAX);
    let open_executions_max = (config.open_executions_max / usize::from(config.shards)).max(1);
    Box::new(move |now, inheritance| {
        let limits = Limits { running_tasks_max, open_executions_max, shards, is_volatile, retention_ms };
        // From the seed on everything is a function of its inputs.
        let seed = surroundings.chance.seed(now);
        let core = Core::inherit(inheritance, ShardId(shard), store.clone(), machines.clone(), limits, now, seed)?;
        Ok(core.with_workers(activities.clone()))
    })
}

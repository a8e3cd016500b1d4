//! One function, or one of its versions, while the host is open: its settings, its pool, its log. And how its pool gets processes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::code::Installed;
use crate::error::{InvokeError, Throttle};
use crate::function::FunctionInfo;
use crate::host::Inner;
use crate::job::{InFlight, InvokeOptions, Job, ReplyTo};
use crate::layers::Opt;
use crate::log::{Log, Source};
use crate::pool::{Offer, Pool, PoolLimits, ProcessId};
use crate::process::{self, Process};
use crate::published::Published;
use crate::{ids, kept};

pub(crate) struct Hosted {
    pub name: String,
    pub arn: HeaderValue,
    pub folder: PathBuf,
    pub log: Arc<Log>,
    /// What `$LATEST` and all versions share.
    family: Arc<Family>,
    info: RwLock<Arc<FunctionInfo>>,
    /// Held for one call at a time, never across IO or an await.
    pool: Mutex<Pool<Box<Job>, Arc<Process>>>,
}

struct Family {
    published: RwLock<Published>,
    in_flight: Arc<AtomicUsize>,
    /// Of all invocations together; [`UNRESERVED`]: without a bound of its own.
    reserved: AtomicU32,
}

const UNRESERVED: u32 = u32::MAX;

impl Hosted {
    /// `$LATEST`.
    pub fn new(host: &Inner, info: FunctionInfo) -> Arc<Hosted> {
        let limits = &host.config.limits;
        let folder = host.folder_of(&info.function.name);
        let log = Log::new(&info.function.name, &folder, limits, host.config.log_sink.clone(), host.log_writer.clone());
        let family = Family {
            published: RwLock::default(),
            in_flight: Arc::default(),
            reserved: AtomicU32::new(info.function.reserved_concurrency.unwrap_or(UNRESERVED)),
        };
        Hosted::of(host, info, log, Arc::new(family))
    }

    /// A version of this function.
    pub fn version(&self, host: &Inner, info: FunctionInfo) -> Arc<Hosted> {
        Hosted::of(host, info, self.log.clone(), self.family.clone())
    }

    fn of(host: &Inner, info: FunctionInfo, log: Arc<Log>, family: Arc<Family>) -> Arc<Hosted> {
        let limits = &host.config.limits;
        let pool_limits = PoolLimits {
            processes_max: limits.processes_per_function,
            queue_max: limits.queue_max,
            patience: limits.patience,
            start_patience: limits.start_patience,
        };
        Arc::new(Hosted {
            name: info.function.name.clone(),
            arn: HeaderValue::from_str(&info.arn).expect("an ARN of a checked name is visible ASCII"),
            log,
            folder: host.folder_of(&info.function.name),
            family,
            info: RwLock::new(Arc::new(info)),
            pool: Mutex::new(Pool::new(pool_limits)),
        })
    }

    pub fn published(&self) -> RwLockReadGuard<'_, Published> {
        self.family.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn published_mut(&self) -> RwLockWriteGuard<'_, Published> {
        self.family.published.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn versions(&self) -> Vec<Arc<Hosted>> {
        self.published().versions.values().cloned().collect()
    }

    pub fn info(&self) -> Arc<FunctionInfo> {
        self.info.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn pool(&self) -> MutexGuard<'_, Pool<Box<Job>, Arc<Process>>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Running invocations end on the code they began with; later ones get new processes if they could tell.
    pub fn replace(&self, info: FunctionInfo) {
        let old = self.info();
        let same_code = old.code_folder == info.code_folder && old.opt == info.opt;
        let same = same_code && old.function.same_process(&info.function);
        let reserved = info.function.reserved_concurrency.unwrap_or(UNRESERVED);
        self.family.reserved.store(reserved, Ordering::Release);
        // INVARIANT: settings first, then the generation: a process reads them in the opposite order, so it never
        // counts as current with settings that are not.
        *self.info.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(info);
        if !same {
            let idle = self.pool().renew();
            idle.iter().for_each(|process| process.retire());
        }
    }

    /// No more invocations, and no process longer than its current one. Jobs that waited are told `why`.
    pub fn close(&self, why: &InvokeError) {
        let (_, jobs) = self.pool().close();
        for job in jobs {
            job.reply.send(Err(why.clone()));
        }
        self.processes().iter().for_each(|process| process.retire());
    }

    pub fn processes(&self) -> Vec<Arc<Process>> {
        self.pool().members()
    }

    /// `reply` is told in any case, also of a refusal. `arn` is what the function is told to be called by, if not its own.
    pub fn submit(
        self: &Arc<Hosted>,
        host: &Arc<Inner>,
        arn: Option<HeaderValue>,
        payload: Bytes,
        mut options: InvokeOptions,
        reply: ReplyTo,
    ) {
        let limit = match self.family.reserved.load(Ordering::Acquire) {
            UNRESERVED => None,
            limit => Some(limit as usize),
        };
        let request_id = options.request_id.take().unwrap_or_else(ids::uuid);
        let queued_at = Instant::now();
        let offer = {
            let mut pool = self.pool();
            match InFlight::begin(&self.family.in_flight, limit) {
                None => Err(reply),
                Some(_in_flight) => {
                    Ok(pool.offer(Box::new(Job { request_id, arn, payload, options, queued_at, reply, _in_flight })))
                }
            }
        };
        match offer {
            Err(reply) => reply.send(Err(InvokeError::TooManyRequests(Throttle::Reserved))),
            Ok(offer) => self.settle(host, offer),
        }
    }

    /// A job that a process was given and could not take goes back to the front.
    pub fn give_back(self: &Arc<Hosted>, host: &Arc<Inner>, job: Box<Job>) {
        let offer = self.pool().give_back(job);
        self.settle(host, offer);
    }

    fn settle(self: &Arc<Hosted>, host: &Arc<Inner>, offer: Offer<Box<Job>>) {
        match offer {
            Offer::Handed | Offer::Queued { watch: false } => {}
            Offer::Queued { watch: true } => drop(tokio::spawn(watch(self.clone(), host.clone()))),
            Offer::Full(job) => job.reply.send(Err(InvokeError::TooManyRequests(Throttle::QueueFull))),
            Offer::Closed(job) if host.is_closing() => job.reply.send(Err(InvokeError::ShutDown)),
            Offer::Closed(job) => job.reply.send(Err(InvokeError::NotFound(self.info().arn.clone()))),
        }
    }

    /// False if the host has no room for another process. `place` is the process's until it has started.
    fn start_process(self: &Arc<Hosted>, host: &Arc<Inner>, place: OwnedSemaphorePermit) -> bool {
        let (siblings, first) = {
            let pool = self.pool();
            (pool.members(), pool.is_without_process())
        };
        if !host.admit(first, &siblings) {
            return false;
        }
        let mut pool = self.pool();
        // See the invariant in `replace`: first the generation, then the settings.
        let generation = pool.generation();
        let id = ProcessId(host.next_number());
        let process = Process::new(id, host.clone(), self.clone(), self.info(), place);
        pool.join(id, process.clone(), generation, Instant::now());
        drop(pool);
        tokio::spawn(process::run(process));
        true
    }

    /// A process is gone: its place is free, and with the last of an old generation its code can go too.
    pub fn gone(self: &Arc<Hosted>, host: &Arc<Inner>, process: ProcessId) {
        let was_last_of_old = self.pool().leave(process);
        host.dismiss();
        if was_last_of_old && !host.is_closing() {
            let (hosted, host) = (self.clone(), host.clone());
            tokio::task::spawn_blocking(move || hosted.remove_old_code(&host));
        }
    }

    fn remove_old_code(&self, host: &Inner) {
        let _changing = host.changing();
        // Of a function that was deleted nothing is left to be swept.
        let Some(latest) = host.function(&self.name) else { return };
        let all = || std::iter::once(latest.clone()).chain(latest.versions());
        let current = all().map(|hosted| hosted.info().code_folder.clone());
        let running = all().flat_map(|hosted| hosted.processes()).map(|process| process.info.code_folder.clone());
        kept::sweep(&self.folder, &current.chain(running).collect::<Vec<_>>());
    }

    pub fn note(&self, text: impl Into<String>) {
        self.log.push(Source::Platform, text);
    }
}

impl FunctionInfo {
    /// The same function with other code.
    pub(crate) fn with_code(mut self, installed: &Installed) -> FunctionInfo {
        use base64::Engine;
        self.code_sha256 = base64::prelude::BASE64_STANDARD.encode(installed.sha256);
        self.code_size = installed.size;
        self.code_folder = installed.folder.clone();
        self
    }

    /// The same function with these layers.
    pub(crate) fn with_opt(mut self, opt: Opt) -> FunctionInfo {
        self.layers = opt.layers;
        self.opt = opt.folder;
        self
    }
}

/// Runs as long as something waits, and starts processes when the pool says so.
async fn watch(hosted: Arc<Hosted>, host: Arc<Inner>) {
    loop {
        let Some(wanted) = hosted.pool().look(Instant::now()) else { return };
        for _ in 0..wanted {
            // In line with all other functions: a herd of starts would only slow itself down.
            let place = host.starts.clone().acquire_owned().await.expect("INVARIANT: the semaphore is never closed");
            if !hosted.pool().still_wants(Instant::now()) {
                break;
            }
            if !hosted.start_process(&host, place) {
                // The place of an idle process of another function is free when that process has ended: at a later look.
                host.reclaim(&hosted);
                break;
            }
        }
        let patience = hosted.pool().patience();
        tokio::time::sleep(patience).await;
    }
}

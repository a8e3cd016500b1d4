//! The host: all functions of one data folder, their changes, and the way in for invocations.
//!
//! Changes are made one after another under one lock and may block on the disk; invocations never take that lock.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use aws_protocol::{Error as AwsError, Request, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::code::{self, Code};
use crate::config::Config;
use crate::error::{Error, InvokeError, OpenError, Throttle, conflict, invalid, not_found};
use crate::events::{Event, Journal, NotKept};
use crate::function::{Function, FunctionInfo};
use crate::guard::{self, Watch};
use crate::hosted::Hosted;
use crate::job::{InvokeOptions, Invoked, ReplyTo};
use crate::layers::{self, Layer, LayerSettings, Layers};
use crate::log::{LogLine, Writer};
use crate::outcome::Outcome;
use crate::process::Process;
use crate::published::{self, Alias, Published, Target};
use crate::spawn::Spawner;
use crate::{door, ids, kept, name, survivors, time};

/// How long opening waits for function processes of an earlier run to be gone.
const SURVIVORS_BOUND: Duration = Duration::from_secs(10);

/// How long shutting down waits for processes that were killed. Longer, they are stuck in the kernel.
const KILL_BOUND: Duration = Duration::from_secs(10);

/// A handle on the host; clones are the same host.
///
/// [`Host::shut_down`] ends it in order. Without that the functions still end with the process: see [`crate::guard`].
#[derive(Clone)]
pub struct Host(Arc<Inner>);

/// How much of everything there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub functions: usize,
    /// Processes that live, or are about to.
    pub processes: usize,
    /// Those that wait for work.
    pub idle: usize,
    /// Invocations that wait for a process.
    pub waiting: usize,
    /// Private memory of the processes that live.
    pub memory_bytes: u64,
}

/// Cold starts so far.
#[derive(Default)]
pub(crate) struct Starts {
    pub count: AtomicU64,
    pub microseconds: AtomicU64,
    /// That a start was put off for lack of memory.
    pub short_of_memory: AtomicU64,
}

pub(crate) struct Inner {
    pub config: Config,
    /// Names the data folder in the environment of every process.
    pub instance: String,
    pub spawner: Spawner,
    pub log_writer: Writer,
    functions: RwLock<BTreeMap<String, Arc<Hosted>>>,
    pub layers: Layers,
    changing: Mutex<()>,
    /// Processes that live, or are about to.
    processes: watch::Sender<usize>,
    /// Whoever holds a permit may start a process; in order of asking.
    pub starts: Arc<Semaphore>,
    pub figures: Starts,
    closing: watch::Sender<bool>,
    numbers: AtomicU64,
    events: AtomicUsize,
    events_bytes: AtomicUsize,
    journal: Journal,
    /// What the journal had when it was opened.
    left_events: Mutex<Vec<Event>>,
    guard: Option<Watch>,
}

impl Host {
    /// Ends what an earlier run left behind, then loads the functions of the data folder.
    ///
    /// Blocks for a moment (at most ten seconds, if processes of an earlier run resist). Must be called within a tokio
    /// runtime, by whoever holds the lock of the data folder.
    pub fn open(mut config: Config) -> Result<Host, OpenError> {
        let io = |doing, path: &Path| {
            let path = path.to_path_buf();
            move |source| OpenError::Io { doing, path, source }
        };
        fs::create_dir_all(&config.folder).map_err(io("create", &config.folder))?;
        config.folder = fs::canonicalize(&config.folder).map_err(io("resolve", &config.folder))?;
        let instance = instance_of(&config.folder);
        let marker = guard::mark(&instance);
        survivors::sweep(&marker, SURVIVORS_BOUND).map_err(|count| OpenError::Survivors { count, marker })?;
        let guard = config.guard.as_ref().map(|guard| {
            let start = Watch::start(guard, &instance);
            start.map_err(|source| OpenError::Guard { executable: guard.executable.clone(), source })
        });
        let layers = Layers::open(&config.folder, &config.home)?;
        let loaded = kept::load(&config.folder, &config.home, &layers)?;
        let (journal, left) = Journal::open(&config.folder).map_err(io("open the events of", &config.folder))?;
        let inner = Arc::new(Inner {
            guard: guard.transpose()?,
            spawner: Spawner::start().map_err(OpenError::Thread)?,
            log_writer: Writer::start().map_err(OpenError::Thread)?,
            functions: RwLock::default(),
            layers,
            changing: Mutex::default(),
            processes: watch::Sender::new(0),
            starts: Arc::new(Semaphore::new(config.limits.starts_at_once.max(1))),
            figures: Starts::default(),
            closing: watch::Sender::new(false),
            numbers: AtomicU64::new(0),
            events: AtomicUsize::new(0),
            events_bytes: AtomicUsize::new(0),
            journal,
            left_events: Mutex::new(left),
            instance,
            config,
        });
        for (info, loaded) in loaded {
            let hosted = Hosted::new(&inner, info);
            let versions = loaded.versions.iter().map(|(number, info)| (*number, hosted.version(&inner, info.clone())));
            let versions = versions.collect();
            *hosted.published_mut() = loaded.published(versions);
            inner.functions_mut().insert(hosted.name.clone(), hosted);
        }
        let in_use: Vec<PathBuf> = inner.everything().iter().filter_map(|hosted| hosted.info().opt.clone()).collect();
        inner.layers.sweep_merged(&in_use);
        let held: Vec<String> =
            inner.everything().iter().flat_map(|hosted| hosted.info().function.layers.clone()).collect();
        inner.layers.purge(&held)?;
        Ok(Host(inner))
    }

    /// Creates the function, or brings it to this state. Nothing happens, and no process ends, if it is in it already.
    ///
    /// Blocks on the disk.
    pub fn put_function(&self, function: Function, code: Code) -> Result<FunctionInfo, Error> {
        let _changing = self.0.changing();
        match self.0.function(&function.name) {
            None => self.create_locked(function, code),
            Some(hosted) => self.change_locked(&hosted, None, Some(code), |settings| {
                *settings = function;
                Ok(())
            }),
        }
    }

    /// Like [`Host::put_function`], but refuses a name that is taken.
    pub fn create_function(&self, function: Function, code: Code) -> Result<FunctionInfo, Error> {
        let _changing = self.0.changing();
        self.create_locked(function, code)
    }

    /// Those of one function.
    pub fn figures_of(&self, name_or_arn: &str) -> Option<Figures> {
        let latest = self.0.latest(name_or_arn, None).ok()?;
        let mut figures = Figures { functions: 1, ..Figures::default() };
        for hosted in std::iter::once(latest.clone()).chain(latest.versions()) {
            let pool = hosted.pool();
            figures.processes += pool.members().len();
            figures.idle += pool.idle();
            figures.waiting += pool.waiting();
            let processes = pool.members();
            drop(pool);
            figures.memory_bytes += processes.iter().filter_map(|process| process.private_memory()).sum::<u64>();
        }
        Some(figures)
    }

    /// Processes that have started so far, how long that took together, and how often one was put off for lack of memory.
    pub fn starts(&self) -> (u64, Duration, u64) {
        let Starts { count, microseconds, short_of_memory } = &self.0.figures;
        let told = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        (told(count), Duration::from_micros(told(microseconds)), told(short_of_memory))
    }

    pub fn figures(&self) -> Figures {
        let functions = self.0.functions.read().unwrap_or_else(PoisonError::into_inner).len();
        let mut figures = Figures { functions, processes: *self.0.processes.borrow(), ..Figures::default() };
        for hosted in self.0.everything() {
            let pool = hosted.pool();
            figures.idle += pool.idle();
            figures.waiting += pool.waiting();
            let processes = pool.members();
            drop(pool);
            figures.memory_bytes += processes.iter().filter_map(|process| process.private_memory()).sum::<u64>();
        }
        figures
    }

    /// Changes settings, code or both. With `revision_id`, only if that is still the current one. Blocks on the disk.
    pub fn change_function(
        &self,
        name_or_arn: &str,
        revision_id: Option<&str>,
        code: Option<Code>,
        edit: impl FnOnce(&mut Function) -> Result<(), AwsError>,
    ) -> Result<FunctionInfo, Error> {
        let _changing = self.0.changing();
        let hosted = self.0.latest(name_or_arn, None)?;
        self.change_locked(&hosted, revision_id, code, edit)
    }

    /// Checks code as [`Host::change_function`] would, and changes nothing. Blocks on the disk.
    pub fn try_code(&self, name_or_arn: &str, code: &Code) -> Result<FunctionInfo, Error> {
        let _changing = self.0.changing();
        let hosted = self.0.latest(name_or_arn, None)?;
        let installed = code::try_out(code, &hosted.folder, &self.0.config.limits)?;
        Ok(FunctionInfo::clone(&hosted.info()).with_code(&installed))
    }

    /// Invocations that run may end; those that wait are told that there is no such function. Blocks on the disk.
    pub fn delete_function(&self, name_or_arn: &str) -> Result<(), Error> {
        let _changing = self.0.changing();
        let hosted = self.0.latest(name_or_arn, None)?;
        kept::remove(&hosted.folder)?;
        hosted.log.end();
        self.0.functions_mut().remove(&hosted.name);
        for hosted in std::iter::once(hosted.clone()).chain(hosted.versions()) {
            hosted.close(&InvokeError::NotFound(hosted.info().arn.clone()));
        }
        Ok(())
    }

    /// The function, or the version of it that is named; of an alias the one that it leads to.
    pub fn function(&self, name_or_arn: &str) -> Option<FunctionInfo> {
        self.0.find(name_or_arn, None).ok().map(|found| FunctionInfo::clone(&found.hosted.info()))
    }

    /// Publishes `$LATEST`, unless its newest version is the same. With a label, once for that label: see [`crate::published`].
    /// Blocks on the disk.
    pub fn publish_version(
        &self,
        name_or_arn: &str,
        label: Option<&str>,
        description: Option<String>,
    ) -> Result<FunctionInfo, Error> {
        let _changing = self.0.changing();
        let latest = self.0.latest(name_or_arn, None)?;
        let mut published = latest.published_mut();
        if let Some(known) = label.and_then(|label| published.version(label)) {
            return Ok(FunctionInfo::clone(&known.info()));
        }
        let mut info = FunctionInfo::clone(&latest.info());
        info.function.description = description.unwrap_or(info.function.description);
        let same = published.newest().filter(|newest| is_same(&newest.info(), &info)).cloned();
        let number = match &same {
            Some(newest) => newest.info().version.parse().expect("INVARIANT: a version's name is its number"),
            None => {
                let number = published.next_number()?;
                info.arn = format!("{}:{number}", info.arn);
                info.version = number.to_string().into();
                published.insert(number, latest.version(&self.0, info.clone()));
                number
            }
        };
        if let Some(label) = label {
            published.label(label, number);
        }
        published::save(&published, &latest.folder)?;
        Ok(same.map_or(info, |newest| FunctionInfo::clone(&newest.info())))
    }

    /// `$LATEST`, then its versions.
    pub(crate) fn versions(&self, name_or_arn: &str) -> Result<Vec<Arc<FunctionInfo>>, AwsError> {
        let latest = self.0.latest(name_or_arn, None)?;
        Ok(std::iter::once(latest.info()).chain(latest.versions().iter().map(|version| version.info())).collect())
    }

    /// By number or label. One that is not there is gone already. Blocks on the disk.
    pub fn delete_version(&self, name_or_arn: &str, version: &str) -> Result<(), Error> {
        let _changing = self.0.changing();
        let latest = self.0.latest(name_or_arn, None)?;
        let mut published = latest.published_mut();
        let Some(number) = published.number(version) else { return Ok(()) };
        if let [alias, ..] = published.aliases_of(number).as_slice() {
            let text = format!("Version {number} is referenced by the alias {alias}: change or delete that first.");
            return Err(conflict(text).into());
        }
        let removed = published.remove(number);
        published::save(&published, &latest.folder)?;
        if let Some(hosted) = removed {
            hosted.close(&InvokeError::NotFound(hosted.info().arn.clone()));
        }
        Ok(())
    }

    /// Creates the alias, or makes it this. With `new`, refuses a name that is taken. Blocks on the disk.
    pub fn put_alias(&self, function: &str, name: &str, alias: &Alias, new: bool) -> Result<Alias, Error> {
        self.edit_published(function, |published, info| {
            if new && published.aliases.contains_key(name) {
                return Err(conflict(format!("Alias already exists: {}:{name}", info.arn)));
            }
            let checked = published.checked(&info.arn, name, alias)?;
            let old = published.aliases.get(name);
            // The same again is no change.
            let kept =
                old.filter(|old| Alias { revision_id: checked.revision_id.clone(), ..(*old).clone() } == checked);
            let kept = kept.cloned().unwrap_or(checked);
            published.aliases.insert(name.to_owned(), kept.clone());
            Ok(kept)
        })
    }

    /// The numbers of a function's versions, and its aliases.
    pub fn published(&self, function: &str) -> Option<(Vec<u64>, BTreeMap<String, Alias>)> {
        let read = |published: &Published, _: &FunctionInfo| {
            Ok((published.versions.keys().copied().collect(), published.aliases.clone()))
        };
        self.read_published(function, read).ok()
    }

    /// One that is not there is gone already. Blocks on the disk.
    pub fn delete_alias(&self, function: &str, name: &str) -> Result<(), Error> {
        self.edit_published(function, |published, _| {
            published.policies.remove(name);
            published.aliases.remove(name);
            Ok(())
        })
    }

    /// Changes what belongs to a function beside `$LATEST`, and keeps it.
    pub(crate) fn edit_published<T>(
        &self,
        name_or_arn: &str,
        edit: impl FnOnce(&mut Published, &FunctionInfo) -> Result<T, AwsError>,
    ) -> Result<T, Error> {
        let _changing = self.0.changing();
        let latest = self.0.latest(name_or_arn, None)?;
        let mut published = latest.published_mut();
        let done = edit(&mut published, &latest.info())?;
        published::save(&published, &latest.folder)?;
        Ok(done)
    }

    /// Reads what belongs to a function beside `$LATEST`.
    pub(crate) fn read_published<T>(
        &self,
        name_or_arn: &str,
        read: impl FnOnce(&Published, &FunctionInfo) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let latest = self.0.latest(name_or_arn, None)?;
        let published = latest.published();
        read(&published, &latest.info())
    }

    /// Creates version 1 of a layer, or makes it this; functions that have it get the new content. For templates. Blocks on the disk.
    pub fn put_layer(&self, name: &str, settings: LayerSettings, code: &Code) -> Result<Layer, Error> {
        let _changing = self.0.changing();
        let layer = self.0.layers.put(name, settings, code, true, &self.0.config.limits)?;
        let arn = self.0.layers.arn(name, layer.version);
        let users: Vec<Arc<Hosted>> =
            self.0.functions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for hosted in users.iter().filter(|hosted| hosted.info().function.layers.contains(&arn)) {
            self.change_locked(hosted, None, None, |_| Ok(()))?;
        }
        Ok(layer)
    }

    /// The next version of a layer, and its ARN. Blocks on the disk.
    pub fn publish_layer(&self, name: &str, settings: LayerSettings, code: &Code) -> Result<Layer, Error> {
        let _changing = self.0.changing();
        self.0.layers.put(name, settings, code, false, &self.0.config.limits)
    }

    /// Functions that have it keep it. Blocks on the disk.
    pub fn delete_layer(&self, name: &str, version: u64) -> Result<(), Error> {
        let _changing = self.0.changing();
        self.0.layers.delete(name, version)
    }

    /// A version, an alias, or a version of a layer, by its ARN. One that is not there is gone already. Blocks on the disk.
    pub fn delete_published(&self, arn: &str) -> Result<(), Error> {
        if let Some((name, version)) = layers::named(arn) {
            return self.delete_layer(name, version);
        }
        let (function, qualifier) = name::resolve(arn, None, &self.0.config.home)?;
        if self.0.function(&function).is_none() {
            return Ok(());
        }
        let qualifier = qualifier.ok_or_else(|| invalid(format!("{arn} is neither a version nor an alias")))?;
        let is_alias = self.read_published(&function, |published, _| Ok(published.aliases.contains_key(&qualifier)))?;
        match is_alias {
            true => self.delete_alias(&function, &qualifier),
            false => self.delete_version(&function, &qualifier),
        }
    }

    pub(crate) fn layers(&self) -> &Layers {
        &self.0.layers
    }

    /// All functions, by name.
    pub fn functions(&self) -> Vec<FunctionInfo> {
        let functions = self.0.functions.read().unwrap_or_else(PoisonError::into_inner);
        functions.values().map(|hosted| FunctionInfo::clone(&hosted.info())).collect()
    }

    /// Invokes a function and waits for its end.
    ///
    /// Dropping the future abandons the invocation: if it waits for a process it never runs, if it runs it runs to its
    /// end and nobody is told.
    pub async fn invoke(
        &self,
        name_or_arn: &str,
        payload: Bytes,
        options: InvokeOptions,
    ) -> Result<Invoked, InvokeError> {
        self.0.check_size(&payload)?;
        self.0.invoke(name_or_arn, checked(payload)?, checked_options(options)?).await
    }

    /// Invokes a function; `told` is called once, when it has ended or cannot begin, in a loop of the host: it must not
    /// wait. `payload` is known to be JSON. To be called within the runtime of the host.
    pub fn invoke_then(
        &self,
        name_or_arn: &str,
        payload: Bytes,
        options: InvokeOptions,
        told: impl FnOnce(Result<Invoked, InvokeError>) + Send + 'static,
    ) {
        let options = self.0.check_size(&payload).and_then(|()| checked_options(options));
        match options.and_then(|options| Ok((self.0.find(name_or_arn, None).map_err(unknown)?, options))) {
            Ok((found, options)) => found.submit(&self.0, payload, options, ReplyTo::told(told)),
            Err(error) => told(Err(error)),
        }
    }

    /// Invokes a function and returns, with the request id, when the event is on the disk. As on AWS, a function that fails is tried
    /// twice more, after one minute and then two, and an event may arrive twice: what is not done runs again after
    /// [`Host::resume_events`].
    pub async fn invoke_event(&self, name_or_arn: &str, payload: Bytes) -> Result<String, InvokeError> {
        let limits = &self.0.config.limits;
        let (size, limit) = (payload.len(), limits.event_bytes_max);
        if size > limit {
            let text = format!("{size} byte payload is too large for the Event invocation type (limit {limit} bytes)");
            return Err(InvokeError::PayloadTooLarge(text));
        }
        let payload = checked(payload)?;
        self.0.find(name_or_arn, None).map_err(unknown)?;
        let name = name_or_arn.to_owned();
        let place = EventPlace::take(&self.0, size).ok_or(InvokeError::TooManyRequests(Throttle::QueueFull))?;
        let event = Event { id: ids::uuid(), function: name, payload };
        self.0.journal.keep(event.clone()).await.map_err(|error| match error {
            NotKept::Full => InvokeError::TooManyRequests(Throttle::QueueFull),
            NotKept::Disk(why) => InvokeError::NotKept(why),
        })?;
        let request_id = event.id.clone();
        tokio::spawn(run_event(place, event));
        Ok(request_id)
    }

    /// Runs the events that were accepted before the last end of the host. To be called once, when functions can be served.
    pub fn resume_events(&self) {
        let left = std::mem::take(&mut *self.0.left_events.lock().unwrap_or_else(PoisonError::into_inner));
        for event in left {
            tokio::spawn(run_event(EventPlace::new(&self.0, event.payload.len()), event));
        }
    }

    /// Answers a request of an AWS client. Never fails: an error is an answer.
    pub async fn handle(&self, request: Request) -> Response {
        let mut answer = door::handle(self, request).await;
        let id = HeaderValue::from_str(&ids::uuid()).expect("hexadecimal digits make a header");
        answer.headers_mut().entry("x-amzn-requestid").or_insert(id);
        answer
    }

    /// The recent lines of a function's log; empty if there is no such function.
    pub fn logs(&self, name_or_arn: &str) -> Vec<LogLine> {
        self.0.find(name_or_arn, None).map(|found| found.hosted.log.recent()).unwrap_or_default()
    }

    /// Accepts nothing more, gives running invocations a moment ([`crate::Limits::drain_timeout`]), ends every process,
    /// writes the logs, lets the guard go. Whoever still waits is told [`InvokeError::ShutDown`].
    pub async fn shut_down(&self) {
        self.0.closing.send_replace(true);
        let all = self.0.everything();
        all.iter().for_each(|hosted| hosted.close(&InvokeError::ShutDown));
        if !self.0.all_ended_within(self.0.config.limits.drain_timeout).await {
            all.iter().flat_map(|hosted| hosted.processes()).for_each(|process| process.interrupt());
            // What is left after this is the guard's.
            self.0.all_ended_within(KILL_BOUND).await;
        }
        self.0.log_writer.written().await;
        let inner = self.0.clone();
        let finish = tokio::task::spawn_blocking(move || inner.guard.as_ref().map(Watch::finish));
        // Only a runtime that is itself ending cancels it, and then the guard goes its own way.
        let _ = finish.await;
    }

    /// With a qualifier beside the name, as the door has it. `Err` is Lambda's.
    pub(crate) fn find(&self, name: &str, qualifier: Option<&str>) -> Result<Arc<FunctionInfo>, AwsError> {
        self.0.find(name, qualifier).map(|found| found.hosted.info())
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    fn create_locked(&self, function: Function, code: Code) -> Result<FunctionInfo, Error> {
        let inner = &self.0;
        let home = &inner.config.home;
        if !name::is_name(&function.name) {
            return Err(name::bad_name(&function.name).into());
        }
        function.validate()?;
        if inner.function(&function.name).is_some() {
            return Err(conflict(format!("Function already exist: {}", function.name)).into());
        }
        let folder = inner.folder_of(&function.name);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let installed = code::install(&code, &folder, &inner.config.limits)?;
        let info = FunctionInfo {
            arn: name::arn(&function.name, home),
            function,
            code_sha256: String::new(),
            code_size: 0,
            code_folder: PathBuf::new(),
            version: name::LATEST.into(),
            layers: Vec::new(),
            opt: None,
            last_modified: time::last_modified(SystemTime::now()),
            revision_id: ids::uuid(),
        };
        let (info, absent) = inner.with_layers(info.with_code(&installed), &[])?;
        kept::save(&info, &folder)?;
        let hosted = Hosted::new(inner, info.clone());
        absent.into_iter().for_each(|text| hosted.note(text));
        inner.functions_mut().insert(info.function.name.clone(), hosted);
        Ok(info)
    }

    fn change_locked(
        &self,
        hosted: &Hosted,
        revision_id: Option<&str>,
        code: Option<Code>,
        edit: impl FnOnce(&mut Function) -> Result<(), AwsError>,
    ) -> Result<FunctionInfo, Error> {
        let old = hosted.info();
        if revision_id.is_some_and(|id| id != old.revision_id) {
            return Err(stale_revision().into());
        }
        let mut info = FunctionInfo::clone(&old);
        edit(&mut info.function)?;
        info.function.validate()?;
        assert_eq!(info.function.name, hosted.name, "a change keeps the function's name");
        if let Some(code) = code {
            info = info.with_code(&code::install(&code, &hosted.folder, &self.0.config.limits)?);
        }
        let (mut info, absent) = self.0.with_layers(info, &old.function.layers)?;
        if info != *old {
            absent.into_iter().for_each(|text| hosted.note(text));
            info.last_modified = time::last_modified(SystemTime::now());
            info.revision_id = ids::uuid();
            kept::save(&info, &hosted.folder)?;
            hosted.replace(info.clone());
        }
        Ok(info)
    }
}

fn size_of_code(folder: &Path) -> Result<u64, Error> {
    layers::size_of(folder).map_err(Error::io("read", folder))
}

/// Whether a version is what would be published again.
fn is_same(version: &FunctionInfo, latest: &FunctionInfo) -> bool {
    let seen = |info: &FunctionInfo| FunctionInfo {
        arn: String::new(),
        version: name::LATEST.into(),
        last_modified: String::new(),
        revision_id: String::new(),
        function: Function { tags: BTreeMap::new(), reserved_concurrency: None, ..info.function.clone() },
        ..info.clone()
    };
    seen(version) == seen(latest)
}

pub(crate) fn stale_revision() -> AwsError {
    let text = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
                retrieve the latest Revision Id";
    AwsError::with_status(StatusCode::PRECONDITION_FAILED, "PreconditionFailedException", text)
}

/// 16 hexadecimal digits that stay the same as long as the folder is in its place.
fn instance_of(folder: &Path) -> String {
    code::folder_name(&Sha256::digest(folder.as_os_str().as_encoded_bytes())[..8])
}

/// JSON, as Lambda demands; nothing at all is an empty object.
fn checked(payload: Bytes) -> Result<Bytes, InvokeError> {
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(error) => Err(InvokeError::InvalidJson(error.to_string())),
    }
}

/// What will be a header of the Runtime API must be able to be one.
fn checked_options(options: InvokeOptions) -> Result<InvokeOptions, InvokeError> {
    let texts = [
        ("client context", &options.client_context),
        ("trace id", &options.trace_id),
        ("request id", &options.request_id),
    ];
    for (what, text) in texts {
        if text.as_ref().is_some_and(|text| HeaderValue::from_str(text).is_err()) {
            return Err(InvokeError::InvalidJson(format!("the {what} has characters that no header can have")));
        }
    }
    Ok(options)
}

fn unknown(error: AwsError) -> InvokeError {
    match error.message.strip_prefix("Function not found: ") {
        Some(arn) => InvokeError::NotFound(arn.into()),
        None => InvokeError::InvalidName(error),
    }
}

impl Inner {
    pub fn folder_of(&self, function: &str) -> PathBuf {
        self.config.folder.join(function)
    }

    pub fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    pub fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A place for one more process of a function whose others are `siblings`. The first of a function always has one: see
    /// [`crate::Limits::processes_total`].
    pub fn admit(&self, first: bool, siblings: &[Arc<Process>]) -> bool {
        let total = self.config.limits.processes_total;
        let closing = self.is_closing();
        if !first && !self.has_memory_for(siblings) {
            self.figures.short_of_memory.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.processes.send_if_modified(|count| {
            let admitted = !closing && (first || *count < total);
            *count += usize::from(admitted);
            admitted
        })
    }

    /// Whether one more like these fits. What is unknown counts nothing.
    fn has_memory_for(&self, siblings: &[Arc<Process>]) -> bool {
        let max = self.config.limits.memory_bytes_max;
        let of = |processes: &[Arc<Process>]| -> u64 { processes.iter().filter_map(|p| p.private_memory()).sum() };
        let one = of(siblings) / (siblings.len() as u64).max(1);
        let all = self.everything();
        max == u64::MAX || all.iter().map(|hosted| of(&hosted.processes())).sum::<u64>() + one <= max
    }

    pub fn dismiss(&self) {
        self.processes.send_modify(|count| *count -= 1);
    }

    async fn all_ended_within(&self, bound: Duration) -> bool {
        let mut processes = self.processes.subscribe();
        tokio::time::timeout(bound, processes.wait_for(|count| *count == 0)).await.is_ok()
    }

    /// Ends the process of another function that has had nothing to do for longest, if it is long enough.
    pub fn reclaim(&self, for_whom: &Arc<Hosted>) {
        let others = self.everything().into_iter().filter(|other| !Arc::ptr_eq(other, for_whom));
        let idle = others.filter_map(|other| {
            let since = other.pool().idle_since();
            since.map(|since| (since, other))
        });
        let (since, oldest) = match idle.min_by_key(|(since, _)| *since) {
            Some((since, oldest)) => (since, oldest),
            None => return,
        };
        if since.elapsed() < self.config.limits.reclaim_after {
            return;
        }
        let idle = oldest.pool().withdraw_oldest();
        if let Some(process) = idle {
            process.retire();
        }
    }

    async fn invoke(
        self: &Arc<Inner>,
        name: &str,
        payload: Bytes,
        options: InvokeOptions,
    ) -> Result<Invoked, InvokeError> {
        let found = self.find(name, None).map_err(unknown)?;
        let (reply, answer) = oneshot::channel();
        found.submit(self, payload, options, ReplyTo::Waiter(reply));
        answer.await.unwrap_or(Err(InvokeError::ShutDown))
    }

    fn check_size(&self, payload: &Bytes) -> Result<(), InvokeError> {
        let limit = self.config.limits.request_bytes_max;
        if payload.len() <= limit {
            return Ok(());
        }
        let text = format!("Request must be smaller than {limit} bytes for the InvokeFunction operation");
        Err(InvokeError::PayloadTooLarge(text))
    }

    /// `$LATEST`.
    pub fn function(&self, name: &str) -> Option<Arc<Hosted>> {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn functions_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Arc<Hosted>>> {
        self.functions.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every function and every version.
    fn everything(&self) -> Vec<Arc<Hosted>> {
        let latest: Vec<Arc<Hosted>> =
            self.functions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        latest.iter().flat_map(|hosted| std::iter::once(hosted.clone()).chain(hosted.versions())).collect()
    }

    fn find(&self, text: &str, qualifier: Option<&str>) -> Result<Found, AwsError> {
        // A plain name, the usual case, needs no parsing.
        if let (Some(hosted), None) = (self.function(text), qualifier) {
            return Ok(Found { hosted, arn: None });
        }
        let (name, qualifier) = name::resolve(text, qualifier, &self.config.home)?;
        let arn = || name::arn(&name, &self.config.home);
        let gone = |arn: String| not_found(format!("Function not found: {arn}"));
        let hosted = self.function(&name).ok_or_else(|| gone(arn()))?;
        let Some(qualifier) = qualifier else { return Ok(Found { hosted, arn: None }) };
        let is_alias = hosted.published().aliases.contains_key(&qualifier);
        let qualified = || format!("{}:{qualifier}", arn());
        let target = hosted.published().target(&qualifier, ids::chance());
        let hosted = match target.ok_or_else(|| gone(qualified()))? {
            Target::Latest => hosted,
            Target::Version(version) => version,
        };
        let arn = is_alias.then(|| HeaderValue::from_str(&qualified()).expect("a checked name is visible ASCII"));
        Ok(Found { hosted, arn })
    }

    /// The function itself, to be changed: what is published does not change.
    fn latest(&self, text: &str, qualifier: Option<&str>) -> Result<Arc<Hosted>, AwsError> {
        let found = self.find(text, qualifier)?;
        let is_latest = &*found.hosted.info().version == name::LATEST && found.arn.is_none();
        match is_latest {
            true => Ok(found.hosted),
            false => {
                Err(invalid(format!("{text} is published and does not change: name the function without a qualifier.")))
            }
        }
    }

    /// With its layers as one folder; and what to say of those that are not here.
    fn with_layers(&self, info: FunctionInfo, held: &[String]) -> Result<(FunctionInfo, Vec<String>), Error> {
        let mut absent = Vec::new();
        let opt = self.layers.resolve(&info.function.layers, held, |arn| {
            absent.push(format!(
                "The layer {arn} belongs to somebody else and is not on this machine: the function runs without it. If it needs it, \
                 download it and publish it here under the same name (aws lambda publish-layer-version)."
            ));
        })?;
        let max = self.config.limits.unpacked_bytes_max;
        let size = opt.unpacked_size + if opt.folder.is_some() { size_of_code(&info.code_folder)? } else { 0 };
        if size > max {
            return Err(invalid(format!(
                "Function code combined with layers exceeds the maximum allowed size of {max} bytes. The actual size is {size} bytes."
            ))
            .into());
        }
        Ok((info.with_opt(opt), absent))
    }
}

/// What a name leads to.
pub(crate) struct Found {
    pub hosted: Arc<Hosted>,
    /// As the function is told, if that is not its own.
    arn: Option<HeaderValue>,
}

impl Found {
    fn submit(self, host: &Arc<Inner>, payload: Bytes, options: InvokeOptions, reply: ReplyTo) {
        self.hosted.submit(host, self.arn, payload, options, reply);
    }
}

/// One of a bounded number of events, which have a bounded number of bytes.
struct EventPlace {
    host: Arc<Inner>,
    bytes: usize,
}

impl EventPlace {
    /// In any case.
    fn new(host: &Arc<Inner>, bytes: usize) -> EventPlace {
        host.events.fetch_add(1, Ordering::AcqRel);
        host.events_bytes.fetch_add(bytes, Ordering::AcqRel);
        EventPlace { host: host.clone(), bytes }
    }

    /// None if there are too many; what was taken for it is given back.
    fn take(host: &Arc<Inner>, bytes: usize) -> Option<EventPlace> {
        let place = EventPlace::new(host, bytes);
        let (limits, at) = (&host.config.limits, Ordering::Acquire);
        let fits = host.events.load(at) <= limits.events_max && host.events_bytes.load(at) <= limits.events_bytes_max;
        fits.then_some(place)
    }
}

impl Drop for EventPlace {
    fn drop(&mut self) {
        self.host.events.fetch_sub(1, Ordering::AcqRel);
        self.host.events_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// "Maximum age of event" unless it is configured (AWS Lambda's guide, asynchronous invocation): how long a throttled event waits, and
/// from which pause to which.
const EVENT_AGE_MAX: Duration = Duration::from_secs(6 * 3600);
const EVENT_THROTTLED_MIN: Duration = Duration::from_secs(1);
const EVENT_THROTTLED_MAX: Duration = Duration::from_secs(300);

/// Until it is done. What a closing host leaves runs at the next start.
async fn run_event(place: EventPlace, event: Event) {
    let host = &place.host;
    if run_event_to_its_end(host, &event).await {
        host.journal.done(&event.id);
    }
}

/// Whether it came to its end.
async fn run_event_to_its_end(host: &Arc<Inner>, event: &Event) -> bool {
    let Event { id: request_id, function: name, payload } = event;
    let mut closing = host.closing.subscribe();
    let mut pauses = host.config.limits.event_retries.iter();
    let (since, mut throttled) = (Instant::now(), EVENT_THROTTLED_MIN);
    loop {
        let options = InvokeOptions { request_id: Some(request_id.clone()), ..InvokeOptions::default() };
        match host.invoke(name, payload.clone(), options).await {
            Ok(Invoked { outcome: Outcome::Succeeded(_), .. }) => return true,
            // A stop has ended its process.
            Ok(Invoked { outcome: Outcome::FunctionError { .. }, .. }) if *closing.borrow() => return false,
            Ok(Invoked { outcome: Outcome::FunctionError { .. }, .. }) | Err(InvokeError::CannotStart(_)) => {}
            // It has not run, so that is no try.
            Err(InvokeError::TooManyRequests(_)) if since.elapsed() < EVENT_AGE_MAX => {
                tokio::select! {
                    () = tokio::time::sleep(throttled) => {}
                    _ = closing.wait_for(|closing| *closing) => return false,
                }
                throttled = (throttled * 2).min(EVENT_THROTTLED_MAX);
                continue;
            }
            Err(InvokeError::TooManyRequests(_)) => {
                note_lost_event(host, name, request_id);
                return true;
            }
            Err(InvokeError::ShutDown) => return false,
            Err(_) => return true,
        }
        let Some(pause) = pauses.next() else {
            note_lost_event(host, name, request_id);
            return true;
        };
        tokio::select! {
            () = tokio::time::sleep(*pause) => {}
            _ = closing.wait_for(|closing| *closing) => return false,
        }
    }
}

fn note_lost_event(host: &Inner, name: &str, request_id: &str) {
    if let Ok(found) = host.find(name, None) {
        found.hosted.note(format!("RequestId: {request_id} The event failed for the last time and is dropped"));
    }
}

//! What a host is told when it opens, and every limit it keeps to.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_protocol::Home;
use bytes::Bytes;

use crate::log::LogLine;

/// Called with every log line, from the thread that produced it: it must be quick and must not block.
pub type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;

#[derive(Clone)]
pub struct Config {
    pub home: Home,
    /// The data folder for functions: one folder per function. One host at a time may have it; whoever opens the
    /// host holds the lock.
    pub folder: PathBuf,
    /// What functions see as `AWS_ENDPOINT_URL`.
    pub endpoint_url: String,
    /// What a variable of the user's means here, where it holds addresses of AWS. Asked when a process starts.
    pub localise: Option<Localise>,
    /// Where code is that a request names by bucket and key. `None`: nowhere.
    pub objects: Option<Objects>,
    /// `None` leaves functions without a guard process: they still die with the host by the parent-death signal, but
    /// their own children would not. Only for tests and embedding.
    pub guard: Option<Guard>,
    pub log_sink: Option<LogSink>,
    pub limits: Limits,
}

impl Config {
    pub fn new(folder: impl Into<PathBuf>, endpoint_url: impl Into<String>) -> Config {
        Config {
            home: Home::default(),
            folder: folder.into(),
            endpoint_url: endpoint_url.into(),
            localise: None,
            objects: None,
            guard: None,
            log_sink: None,
            limits: Limits::default(),
        }
    }
}

/// From a text to the text with other addresses in it.
pub type Localise = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// From a bucket, a key and the most bytes that are of use to the object, or why there is none. It may block.
pub type Objects = Arc<dyn Fn(&str, &str, usize) -> Result<Bytes, String> + Send + Sync>;

/// How to start the guard process; see [`crate::guard`].
#[derive(Clone)]
pub struct Guard {
    /// Usually `std::env::current_exe()`.
    pub executable: PathBuf,
    /// What makes the executable call [`crate::guard::run`]; the instance name follows as the last argument.
    pub arguments: Vec<String>,
    /// The locked file of the data folder. The guard inherits it, so that a restarted host cannot have the lock
    /// before the guard has finished. Function processes never inherit it.
    pub lock: Option<Arc<File>>,
}

/// Every bound of the host. The defaults are AWS's quotas where AWS has one.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Processes of one function. AWS has no such number (its bound is the account's); ours keeps one busy function
    /// from taking the machine.
    pub processes_per_function: usize,
    /// Processes of all functions. The first process of a function is always granted, so that a function can call
    /// another one while everything else is taken; growth beyond the first stops here.
    pub processes_total: usize,
    /// Invocations of one function that wait for a process; the next is throttled.
    pub queue_max: usize,
    /// Invocations of type `Event` that are not finished yet, of all functions; each is also in a file.
    pub events_max: usize,
    /// What all of them hold together: they are in memory, and are read again at the next start.
    pub events_bytes_max: usize,
    /// How long an invocation waits for a busy process before the function grows, at least: a start that takes longer is waited for that long.
    /// Waiting less would start processes that find nothing to do.
    pub patience: Duration,
    /// How long growth waits for processes that are still starting before it starts more, at least.
    pub start_patience: Duration,
    /// Processes of all functions that start at one time; the next ones stand in line. More than the machine has processors would
    /// only make each of them slow.
    pub starts_at_once: usize,
    /// A process that has not asked for work by then no longer counts as starting: it is not computing but waiting for something.
    pub start_place_held: Duration,
    /// Memory of all function processes together. As with their number, the first of a function is always granted.
    pub memory_bytes_max: u64,
    /// A process may be taken from another function when it has had no work for this long.
    pub reclaim_after: Duration,
    /// From the start of a process to its first request for work; longer if the function's timeout is. On AWS a start that takes over
    /// 10 s is done again, within the timeout.
    pub init_timeout: Duration,
    /// An idle process is stopped after this.
    pub idle_timeout: Duration,
    /// How long [`crate::Host::shut_down`] waits for running invocations.
    pub drain_timeout: Duration,
    /// Before each further attempt of an `Event` invocation that failed. AWS: one minute, then two.
    pub event_retries: Vec<Duration>,
    /// Payload of a synchronous invocation. AWS: 6 MB.
    pub request_bytes_max: usize,
    /// Payload of an `Event` invocation. AWS: 1 MB.
    pub event_bytes_max: usize,
    /// What a function may answer. AWS: 6 MB and 100 bytes.
    pub response_bytes_max: usize,
    /// An uploaded zip. AWS: 50 MB.
    pub zip_bytes_max: usize,
    /// Code once unpacked. AWS: 250 MB.
    pub unpacked_bytes_max: u64,
    /// Files and folders in a code package: what keeps an archive of empty files from eating the inodes.
    pub unpacked_entries_max: usize,
    /// Added to `MemorySize` before it becomes the bound of the data segment: thread stacks and allocator arenas are
    /// counted there though they are hardly touched.
    pub memory_headroom_mb: u64,
    /// A line of a function's log; longer ones are cut into several. Memory per open stream is bounded by it.
    pub log_line_bytes_max: usize,
    /// Recent lines of one function in memory.
    pub log_ring_bytes_max: usize,
    /// A log file; it is renamed to `log.1` and begun anew, so a function keeps at most twice this.
    pub log_file_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            processes_per_function: 16,
            processes_total: 64,
            queue_max: 10_000,
            events_max: 10_000,
            events_bytes_max: 256 << 20,
            patience: Duration::from_millis(5),
            start_patience: Duration::from_secs(1),
            starts_at_once: std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)),
            start_place_held: Duration::from_secs(2),
            memory_bytes_max: u64::MAX,
            reclaim_after: Duration::from_millis(100),
            init_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(10 * 60),
            drain_timeout: Duration::from_secs(2),
            event_retries: vec![Duration::from_secs(60), Duration::from_secs(120)],
            request_bytes_max: 6_291_456,
            event_bytes_max: 1_048_576,
            response_bytes_max: 6_291_556,
            zip_bytes_max: 50 << 20,
            unpacked_bytes_max: 262_144_000,
            unpacked_entries_max: 50_000,
            memory_headroom_mb: 512,
            log_line_bytes_max: 64 << 10,
            log_ring_bytes_max: 256 << 10,
            log_file_bytes_max: 10 << 20,
        }
    }
}

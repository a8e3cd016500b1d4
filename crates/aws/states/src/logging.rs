//! Execution logs: what a machine asks for, which events that is, and the line of each.
//!
//! ```text
//!  shard ──LogSink──> Recorder: bounded queue ──> its thread: records ──LogTarget──> wherever log groups live
//! ```
//!
//! A shard never waits for a log. When the queue is full, events are dropped and counted: logs are delivered as well as
//! can be, as on AWS, and the history has everything.
//!
//! Source of levels and limits: "Using CloudWatch Logs to log execution history", AWS Step Functions Developer Guide.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aws_protocol::{Arn, Error};
use engine::{LogSink, Logged};
use interpreter::{HistoryEvent, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::errors;
use crate::history::{Surroundings, record};
use crate::wire::{region, started_through};

/// "If escaped input or escaped output exceeds 248 KB, it will be truncated".
const TEXT_BYTES_MAX: usize = 248 * 1024;

/// Bytes of events that wait for the log's thread, at most: more would only hide a disk that does not keep up.
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Batches of events that wait, at most. Small ones cost more than their bytes.
const QUEUE_MAX: usize = 16_384;
/// About what an event takes without its payload.
const EVENT_BYTES: usize = 128;

/// How long what was written may stay in a buffer.
const FLUSH_AFTER: Duration = Duration::from_millis(200);
/// The same when there is always something to write, which is when it matters that losses are told.
const REST_AFTER: Duration = Duration::from_secs(1);

/// How much is logged: each level holds what the ones before it hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Off,
    Fatal,
    Error,
    All,
}

const LEVELS: [(&str, Level); 4] =
    [("ALL", Level::All), ("ERROR", Level::Error), ("FATAL", Level::Fatal), ("OFF", Level::Off)];

/// A machine's `loggingConfiguration`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    level: Option<String>,
    #[serde(default)]
    include_execution_data: bool,
    #[serde(default)]
    destinations: Vec<Destination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    cloud_watch_logs_log_group: Option<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    log_group_arn: Option<String>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub at: Timestamp,
    pub body: Value,
}

impl Configuration {
    fn read(value: &Value) -> Result<Configuration, Error> {
        Configuration::deserialize(value)
            .map_err(|error| errors::serialization(format!("loggingConfiguration has the wrong type: {error}")))
    }

    fn level(&self) -> Result<Level, Error> {
        let Some(name) = &self.level else { return Ok(Level::Off) };
        LEVELS.iter().find(|(known, _)| known == name).map(|(_, level)| *level).ok_or_else(|| {
            errors::constraint(
                &format!("'{name}'"),
                "loggingConfiguration.level",
                "Member must satisfy enum value set: [ALL, ERROR, FATAL, OFF]",
            )
        })
    }

    /// The name of the log group, if there is one destination and it is one.
    fn group(&self) -> Option<&str> {
        let [destination] = &self.destinations[..] else { return None };
        group_name(destination.cloud_watch_logs_log_group.as_ref()?.log_group_arn.as_deref()?)
    }
}

/// The name in `arn:aws:logs:REGION:ACCOUNT:log-group:NAME:*`.
fn group_name(arn: &str) -> Option<&str> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "logs")?;
    let name = arn.resource.strip_prefix("log-group:")?.strip_suffix(":*")?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    (!name.is_empty() && name.chars().all(is_allowed)).then_some(name)
}

/// Refuses what cannot be logged to. The group need not exist: a log that nobody keeps stops no saga.
pub fn check(configuration: Option<&Value>) -> Result<(), Error> {
    let Some(value) = configuration else { return Ok(()) };
    let configuration = Configuration::read(value)?;
    let level = configuration.level()?;
    let count = configuration.destinations.len();
    if count > 1 || (count == 0 && level > Level::Off) {
        return Err(errors::invalid_logging("Must specify exactly one Log Destination."));
    }
    if count == 1 && configuration.group().is_none() {
        return Err(errors::invalid_logging(
            "The Log Destination must be a CloudWatch Logs log group whose ARN ends with ':*'.",
        ));
    }
    Ok(())
}

/// The log group that machines with these settings write to.
pub fn group(settings: &Map<String, Value>) -> Option<String> {
    let configuration = Configuration::read(settings.get("loggingConfiguration")?).ok()?;
    let is_on = configuration.level().is_ok_and(|level| level > Level::Off);
    configuration.group().filter(|_| is_on).map(str::to_owned)
}

/// The least level that a type of event is logged at.
fn level_of(type_name: &str) -> Level {
    const ENDS: [&str; 3] = ["ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"];
    const FAILURES: [&str; 4] = ["Aborted", "Failed", "TimedOut", "FailStateEntered"];
    match type_name {
        name if ENDS.contains(&name) => Level::Fatal,
        name if FAILURES.iter().any(|end| name.ends_with(end)) => Level::Error,
        _ => Level::All,
    }
}

/// The lines of these events, as far as their machine's level holds them.
pub fn records(logged: &Logged) -> Vec<Record> {
    let settings = &logged.revision.settings;
    let Some(Ok(configuration)) = settings.get("loggingConfiguration").map(Configuration::read) else {
        return Vec::new();
    };
    let Ok(level) = configuration.level() else { return Vec::new() };
    let through = started_through(&logged.row);
    let around = Surroundings {
        role_arn: &logged.revision.role_arn,
        region: region(&logged.execution_arn),
        through: &through,
        with_data: configuration.include_execution_data,
        text_bytes_max: TEXT_BYTES_MAX,
    };
    let line = |event: &HistoryEvent| {
        let (type_name, details) = record(event, &around);
        (level_of(&type_name) <= level).then(|| Record {
            at: event.at,
            body: json!({
                "id": event.id.to_string(),
                "type": type_name,
                "details": details,
                "redrive_count": logged.row.redrive_count.to_string(),
                "previous_event_id": event.previous.to_string(),
                "event_timestamp": event.at.0.to_string(),
                "execution_arn": &*logged.execution_arn,
            }),
        })
    };
    logged.events.iter().filter_map(line).collect()
}

/// Where log groups live.
pub trait LogTarget: Send + Sync {
    /// A machine writes to this group from now on. It may be made if it is not there.
    fn declare(&self, group: &str) -> Result<(), String>;

    /// Appends lines to a stream; waits for the disk if it must. False: there is no such group.
    fn put(&self, group: &str, stream: &str, lines: &[(Timestamp, String)]) -> Result<bool, String>;

    /// Nothing was put for a moment: what waits in buffers may be written.
    fn flush(&self);

    /// So many events have not been logged since the last call, and why.
    fn lost(&self, events: u64, why: &str);
}

/// The engine's sink: a bounded queue and the thread that empties it.
pub struct Recorder {
    queue: SyncSender<Message>,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Logged(Box<Logged>, usize),
    Close,
}

impl Recorder {
    pub fn start(target: Arc<dyn LogTarget>) -> std::io::Result<Recorder> {
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        let (waiting_bytes, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let writer = Writer { waiting, waiting_bytes: waiting_bytes.clone(), dropped: dropped.clone(), target };
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || writer.run())?;
        Ok(Recorder { queue, waiting_bytes, dropped, thread: Mutex::new(Some(thread)) })
    }

    /// Writes what waits and ends the thread. Waits for both.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that is gone has nothing to be told, and one that panicked has said why.
            let _ = self.queue.send(Message::Close);
            let _ = thread.join();
        }
    }
}

impl LogSink for Recorder {
    fn log(&self, logged: Box<Logged>) {
        let (events, bytes) = (logged.events.len() as u64, bytes(&logged));
        let is_full = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_BYTES_MAX;
        let refused = match is_full {
            true => true,
            false => match self.queue.try_send(Message::Logged(logged, bytes)) {
                Ok(()) => false,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => true,
            },
        };
        if refused {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.fetch_add(events, Ordering::Relaxed);
        }
    }
}

fn bytes(logged: &Logged) -> usize {
    let of_event = |event: &HistoryEvent| EVENT_BYTES + event.kind.payload().map_or(0, |payload| payload.size());
    logged.events.iter().map(of_event).sum()
}

struct Writer {
    waiting: Receiver<Message>,
    waiting_bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    target: Arc<dyn LogTarget>,
}

impl Writer {
    fn run(self) {
        let mut rested = Instant::now();
        loop {
            if rested.elapsed() > REST_AFTER {
                self.rest();
                rested = Instant::now();
            }
            match self.waiting.recv_timeout(FLUSH_AFTER) {
                Ok(Message::Logged(logged, bytes)) => {
                    self.write(&logged);
                    self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => self.rest(),
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => return self.rest(),
            }
        }
    }

    fn write(&self, logged: &Logged) {
        let Some(group) = group(&logged.revision.settings) else { return };
        let lines: Vec<(Timestamp, String)> =
            records(logged).into_iter().map(|record| (record.at, record.body.to_string())).collect();
        let Some((first, _)) = lines.first() else { return };
        let stream = stream(&logged.revision.machine_name, *first);
        match self.target.put(&group, &stream, &lines) {
            Ok(true) => {}
            Ok(false) => self.target.lost(lines.len() as u64, &format!("there is no log group {group}")),
            Err(why) => self.target.lost(lines.len() as u64, &why),
        }
    }

    fn rest(&self) {
        self.target.flush();
        match self.dropped.swap(0, Ordering::Relaxed) {
            0 => {}
            events => self.target.lost(events, "they came faster than they could be written"),
        }
    }
}

/// A machine has a new stream every hour, named as AWS names them.
fn stream(machine_name: &str, at: Timestamp) -> String {
    let hour = asl::timestamp::format(at.0).get(..13).unwrap_or_default().replace('T', "-");
    format!("states/{machine_name}/{hour}-00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations() {
        let group = |arn: &str| json!({ "cloudWatchLogsLogGroup": { "logGroupArn": arn } });
        let good = || group("arn:aws:logs:us-east-1:000000000000:log-group:/aws/states/m:*");
        let check = |configuration: Value, expect: Option<&str>| {
            let found = check(Some(&configuration)).err().map(|error| error.to_string());
            let is_met = match (&found, expect) {
                (Some(found), Some(expect)) => found.contains(expect),
                (found, expect) => found.is_none() && expect.is_none(),
            };
            assert!(is_met, "{configuration}: {found:?}");
        };
        let one = Some(
            "InvalidLoggingConfiguration: Invalid Logging Configuration: Must specify exactly one Log Destination.",
        );
        check(json!({}), None);
        check(json!({ "destinations": [] }), None);
        check(json!({ "level": "OFF" }), None);
        check(json!({ "level": "OFF", "destinations": [good()] }), None);
        check(json!({ "level": "FATAL", "destinations": [good()] }), None);
        check(json!({ "level": "ALL" }), one);
        check(json!({ "level": "ERROR", "destinations": [] }), one);
        check(json!({ "level": "ALL", "destinations": [good(), good()] }), one);
        check(json!({ "level": "all", "destinations": [good()] }), Some("at 'loggingConfiguration.level'"));
        check(json!({ "level": "ALL", "destinations": [{}] }), Some("must be a CloudWatch Logs log group"));
        for bad in
            ["x", "arn:aws:logs:r:1:log-group:g", "arn:aws:logs:r:1:log-group::*", "arn:aws:s3:r:1:log-group:g:*"]
        {
            check(json!({ "level": "ALL", "destinations": [group(bad)] }), Some("ends with ':*'"));
        }
        check(json!({ "level": 1 }), Some("SerializationException"));
        check(json!("ALL"), Some("SerializationException"));
    }

    #[test]
    fn levels() {
        let check = |level: Level, names: &[&str]| {
            for name in names {
                assert_eq!(level_of(name), level, "{name}");
            }
        };
        check(Level::Fatal, &["ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"]);
        check(
            Level::Error,
            &[
                "ActivityScheduleFailed",
                "EvaluationFailed",
                "FailStateEntered",
                "LambdaFunctionFailed",
                "LambdaFunctionTimedOut",
                "MapIterationAborted",
                "MapRunFailed",
                "ParallelStateFailed",
                "TaskStartFailed",
                "TaskStateAborted",
                "TaskSubmitFailed",
                "TaskTimedOut",
                "WaitStateAborted",
            ],
        );
        check(
            Level::All,
            &["ExecutionStarted", "ExecutionSucceeded", "TaskScheduled", "PassStateExited", "MapRunStarted"],
        );
    }

    /// A target that takes nothing until it is let go.
    struct Stuck {
        gate: Mutex<Receiver<()>>,
        put: AtomicU64,
        lost: AtomicU64,
    }

    impl LogTarget for Stuck {
        fn declare(&self, _: &str) -> Result<(), String> {
            Ok(())
        }

        fn put(&self, _: &str, _: &str, lines: &[(Timestamp, String)]) -> Result<bool, String> {
            // Open for good once the sender is gone.
            let _ = self.gate.lock().unwrap().recv();
            self.put.fetch_add(lines.len() as u64, Ordering::Relaxed);
            Ok(true)
        }

        fn flush(&self) {}

        fn lost(&self, events: u64, _: &str) {
            self.lost.fetch_add(events, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_slow_log_drops_and_counts_and_nobody_waits() {
        let logged = logged("a".repeat(1 << 20));
        let (gate, stuck) = sync_channel(0);
        let target = Arc::new(Stuck { gate: Mutex::new(stuck), put: AtomicU64::new(0), lost: AtomicU64::new(0) });
        let recorder = Recorder::start(target.clone()).unwrap();
        for _ in 0..200 {
            recorder.log(Box::new(logged.clone()));
        }
        drop(gate);
        recorder.close();
        let (put, lost) = (target.put.load(Ordering::Relaxed), target.lost.load(Ordering::Relaxed));
        assert_eq!(put + lost, 200);
        assert!((60..=66).contains(&put), "{put} of a megabyte each were kept");
    }

    #[test]
    fn long_inputs_are_cut() {
        let record = records(&logged("\"".repeat(1 << 18))).remove(0);
        assert_eq!(record.body["details"]["inputDetails"]["truncated"], true);
        assert!(record.body.to_string().len() < 256 * 1024);
    }

    /// The start of an execution of a machine that logs everything, with this text as its input.
    fn logged(text: String) -> Logged {
        let machines = engine::Machines::open(Arc::new(store::Memory::new())).unwrap();
        let group = json!({ "logGroupArn": "arn:aws:logs:us-east-1:000000000000:log-group:g:*" });
        let logging = json!({
            "level": "ALL",
            "includeExecutionData": true,
            "destinations": [{ "cloudWatchLogsLogGroup": group }],
        });
        let new = engine::NewMachine {
            arn: "arn:aws:states:us-east-1:000000000000:stateMachine:m".into(),
            name: "m".into(),
            role_arn: "role".into(),
            definition: r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}"#.into(),
            tags: Default::default(),
            settings: Map::from_iter([("loggingConfiguration".to_owned(), logging)]),
        };
        let engine::Created::New(machine) = machines.create(new, Timestamp(0)).unwrap() else { panic!("it is new") };
        let input = interpreter::Payload::parse(&Value::from(text).to_string()).unwrap();
        let kind = interpreter::EventKind::ExecutionStarted { input };
        Logged {
            execution_arn: "arn".into(),
            revision: machine.revision.clone(),
            row: engine::Row {
                machine: machine.number,
                revision: 0,
                machine_arn: machine.arn.clone(),
                name: "x".into(),
                status: engine::ExecutionStatus::Running,
                started_at: Timestamp(0),
                stopped_at: None,
                trace_header: None,
                version: None,
                alias: None,
                parent: None,
                is_express: false,
                redrive_count: 0,
                redriven_at: None,
            },
            events: vec![HistoryEvent { id: 1, previous: 0, at: Timestamp(0), kind }],
        }
    }

    #[test]
    fn streams() {
        assert_eq!(stream("m", Timestamp(1_767_225_600_000)), "states/m/2026-01-01-00-00");
    }
}

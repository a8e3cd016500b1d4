//! `/metrics`: everything that is counted anywhere, for Prometheus.
//!
//! Nothing is kept here but a few counters of this crate's own: the engine, the store and the Lambda host are asked
//! when somebody scrapes, and what they count costs them no lock. The number of series is bounded: labels come from
//! fixed tables, but for the machine's, of which there are at most [`MACHINES_APART_MAX`] and one for all others.
//!
//! `docs/grafana.json` is a dashboard of these; a test compares the two.

mod process;
mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_protocol::Home;
use engine::Figures;
use engine::figures::{ENDS, Ends, MACHINES_APART_MAX, RESOURCE_KINDS};
use http::StatusCode;

use crate::front::Front;
pub use process::resident_bytes;
pub use text::Dialect;
use text::{Family, Text};

/// A shard that has not told its figures by then is left out; Prometheus waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The machine that stands for all which are not counted apart; no name of a machine may hold a `*`.
const OTHERS: &str = "*";

/// Where a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    States,
    Dynamo,
    Logs,
    Outbox,
    Events,
    Lambda,
    ApiGateway,
    S3,
    Ssm,
    Sts,
    CloudFormation,
    Console,
    /// The server's own pages, and what no door wants.
    Other,
}

impl Door {
    const ALL: [(Door, &str); 13] = [
        (Door::States, "states"),
        (Door::Dynamo, "dynamodb"),
        (Door::Logs, "logs"),
        (Door::Outbox, "outbox"),
        (Door::Events, "events"),
        (Door::Lambda, "lambda"),
        (Door::ApiGateway, "apigateway"),
        (Door::S3, "s3"),
        (Door::Ssm, "ssm"),
        (Door::Sts, "sts"),
        (Door::CloudFormation, "cloudformation"),
        (Door::Console, "console"),
        (Door::Other, "other"),
    ];

    pub fn name(self) -> &'static str {
        Door::ALL[self as usize].1
    }
}

/// The classes of status codes: the first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What this crate counts itself.
#[derive(Default)]
pub struct Counters {
    requests: [[AtomicU64; CLASSES.len()]; Door::ALL.len()],
    /// Status change events for files and webhooks.
    pub events_dropped: AtomicU64,
    pub log_events_dropped: AtomicU64,
    pub spans_exported: AtomicU64,
    /// Executions whose trace was not exported, or not whole.
    pub traces_dropped: AtomicU64,
}

impl Counters {
    pub fn answered(&self, door: Door, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[door as usize][class].fetch_add(1, Ordering::Relaxed);
    }
}

/// Adds to a counter that nobody orders anything by.
pub fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn told(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// All of it, as it stands now.
pub async fn scrape(front: &Front, is_ready: bool, dialect: Dialect) -> String {
    let figures = front.handle.figures(PATIENCE).await;
    let mut text = Text::new(dialect);
    let build = [("version", env!("CARGO_PKG_VERSION"))];
    text.gauge("ithaca_build_info", "The version that runs.").add(&build, 1);
    text.gauge("ithaca_ready", "1 when requests are served, as /readyz tells.").is(u8::from(is_ready));
    text.gauge("ithaca_shards", "Shards, with the one of Express executions.").is(front.handle.shards());
    text.gauge("ithaca_shards_answering", "Shards that told their figures.").is(figures.shards);
    executions(&mut text, &figures, front.states.home());
    tasks(&mut text, &figures);
    store(&mut text, &front.reader.figures());
    functions(&mut text, &front.lambda);
    sockets(&mut text, &front.counters);
    process::write(&mut text);
    text.finish()
}

fn executions(text: &mut Text, figures: &Figures, home: &Home) {
    let machines = labelled(figures, home);
    let mut family = text.counter(
        "ithaca_executions_started",
        "Executions started, but for those of Map Runs. Machines beyond the first hundred are one: *.",
    );
    machines.iter().for_each(|(machine, ends)| family.add(&[("machine", machine)], ends.started));
    let mut family = text.counter("ithaca_executions_redriven", "Executions taken up again after a bad end.");
    machines.iter().for_each(|(machine, ends)| family.add(&[("machine", machine)], ends.redriven));
    let mut family = text.counter("ithaca_executions_ended", "Executions ended, but for those of Map Runs.");
    machines.iter().for_each(|(machine, ends)| ended(&mut family, ends, Some(machine)));
    let name = "ithaca_map_run_executions_started";
    text.counter(name, "Executions started by Map Runs.").is(figures.map_runs.started);
    let mut family = text.counter("ithaca_map_run_executions_ended", "Executions of Map Runs ended.");
    ended(&mut family, &figures.map_runs, None);
    let mut family = text.histogram("ithaca_execution_duration_seconds", "From the start of an execution to its end.");
    for (end, durations) in ENDS.iter().zip(&figures.durations) {
        family.durations(&[("status", end.name())], durations);
    }
    let gauges = &figures.gauges;
    text.gauge("ithaca_executions_open", "Executions that have not ended.").is(gauges.open_executions);
    text.gauge("ithaca_map_runs_open", "Map Runs that have not ended.").is(gauges.map_runs);
    text.gauge("ithaca_timers", "Timers in the queue, with cleared ones that were not swept out yet.")
        .is(gauges.timers);
    text.counter("ithaca_state_transitions", "States entered.").is(figures.transitions);
    text.counter("ithaca_history_events", "Events written to histories.").is(figures.history_events);
}

/// The machines that are counted apart, by the name people know them by: in another region or account the ARN.
fn labelled<'a>(figures: &'a Figures, home: &Home) -> BTreeMap<&'a str, Ends> {
    let prefix = format!("arn:aws:states:{}:{}:stateMachine:", home.region, home.account);
    let mut all = BTreeMap::from([(OTHERS, figures.other_machines)]);
    for machine in figures.machines.values() {
        let name = machine.arn.strip_prefix(&prefix).unwrap_or(&machine.arn);
        // A machine that was deleted and made anew has another number and the same name.
        all.entry(name).or_default().add(&machine.ends);
    }
    all
}

fn ended(family: &mut Family<'_>, ends: &Ends, machine: Option<&str>) {
    for (end, count) in ENDS.iter().zip(ends.ended) {
        let labels = [machine.map(|machine| ("machine", machine)), Some(("status", end.name()))];
        family.add(&labels.into_iter().flatten().collect::<Vec<_>>(), count);
    }
}

fn tasks(text: &mut Text, figures: &Figures) {
    let called = || RESOURCE_KINDS.iter().zip(&figures.calls).filter(|(_, calls)| calls.latency.count() > 0);
    let help = "From the hand-over of a task to the answer of its call; what a token brings later is not in it.";
    let mut family = text.histogram("ithaca_task_call_duration_seconds", help);
    called().for_each(|(kind, calls)| family.latency(&[("resource", kind)], &calls.latency));
    let mut family = text.counter("ithaca_task_call_failures", "Calls of tasks that failed, before any Retry.");
    called().for_each(|(kind, calls)| family.add(&[("resource", kind)], calls.failed));
    let gauges = &figures.gauges;
    text.gauge("ithaca_tasks_running", "Tasks handed over and not answered.").is(gauges.running_tasks);
    text.gauge("ithaca_tasks_waiting", "Tasks that wait for a free slot.").is(gauges.waiting_tasks);
    let name = "ithaca_activity_tasks_waiting";
    text.gauge(name, "Tasks of activities that no worker has taken.").is(gauges.offered_tasks);
    text.gauge("ithaca_inbox_requests", "Requests that wait for a shard.").is(figures.inbox);
    let limit = engine::limits::INBOX_MAX;
    text.gauge("ithaca_inbox_limit_requests", "Requests a shard lets wait; more are throttled.").is(limit);
}

fn store(text: &mut Text, figures: &store::Figures) {
    let mut counter = |name, help, value| text.counter(name, help).is(value);
    counter("ithaca_store_commits", "Transactions made durable, one fsync each.", figures.commits);
    counter("ithaca_store_batches", "Batches of shards made durable.", figures.batches);
    counter("ithaca_store_fenced_batches", "Batches refused: another owner has the shard.", figures.fenced);
    counter("ithaca_store_rows", "Rows put or deleted.", figures.rows);
    counter("ithaca_store_checkpoints", "Copies of the write-ahead log into the file.", figures.checkpoints);
    let help = "From the call of a batch's commit to its being durable.";
    text.histogram("ithaca_store_commit_duration_seconds", help).latency(&[], &figures.commit_latency);
    let help = "Bytes of the values that one transaction puts.";
    text.histogram("ithaca_store_commit_size_bytes", help).sizes(&[], &figures.commit_bytes);
    text.gauge("ithaca_store_queue_batches", "Batches that wait to be committed.").is(figures.queued);
    text.gauge("ithaca_store_size_bytes", "All files of the store.").is(figures.file_bytes);
    text.gauge("ithaca_store_wal_size_bytes", "The write-ahead log among them.").is(figures.wal_bytes);
}

fn functions(text: &mut Text, host: &aws_lambda::Host) {
    let figures = host.figures();
    text.gauge("ithaca_functions", "Functions.").is(figures.functions);
    text.gauge("ithaca_function_processes", "Processes of functions.").is(figures.processes);
    text.gauge("ithaca_function_processes_idle", "Those that wait for work.").is(figures.idle);
    text.gauge("ithaca_function_queue_invocations", "Invocations that wait for a process.").is(figures.waiting);
    let help = "Private memory of the processes of functions.";
    text.gauge("ithaca_function_memory_bytes", help).is(figures.memory_bytes);
    let (starts, took, short_of_memory) = host.starts();
    text.counter("ithaca_function_cold_starts", "Processes of functions that have started.").is(starts);
    let help = "From the start of a process to its first request for work, all together.";
    text.counter("ithaca_function_cold_start_seconds", help).is(took.as_secs_f64());
    let help = "Starts of processes put off because those that run have the memory.";
    text.counter("ithaca_function_starts_without_memory", help).is(short_of_memory);
}

fn sockets(text: &mut Text, counters: &Counters) {
    let (open, limit) = crate::front::connections();
    text.gauge("ithaca_connections", "Connections, over all ports.").is(open);
    text.gauge("ithaca_connections_limit", "The most there may be; more wait in the kernel.").is(limit);
    let lanes = crate::lane::open_lanes();
    text.gauge("ithaca_worker_lanes", "Connections of workers that have a lane.").is(lanes);
    let mut family = text.counter("ithaca_http_requests", "Requests answered, by door and class of status.");
    for (door, name) in Door::ALL {
        for (class, count) in CLASSES.iter().zip(&counters.requests[door as usize]) {
            family.add(&[("door", name), ("code", class)], told(count));
        }
    }
    let mut counter = |name, help, value| text.counter(name, help).is(told(value));
    let help = "Status change events that --events could not deliver.";
    counter("ithaca_status_events_dropped", help, &counters.events_dropped);
    counter("ithaca_log_events_dropped", "Events of execution logs that were lost.", &counters.log_events_dropped);
    counter("ithaca_trace_spans_exported", "Spans taken by the collector.", &counters.spans_exported);
    let help = "Executions whose trace was not exported, or not whole.";
    counter("ithaca_traces_dropped", help, &counters.traces_dropped);
}

/// For the bound in the module's words.
const _: () = assert!(MACHINES_APART_MAX == 100);

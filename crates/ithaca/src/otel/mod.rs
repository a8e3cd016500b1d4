//! Traces for an OpenTelemetry collector: one for each execution that ends, sent as OTLP over HTTP in JSON.
//!
//! ```text
//!  shards ──broadcast, bounded──> Exporter ──reads what is durable──> spans ──> POST {endpoint}/v1/traces
//! ```
//!
//! A trace is made from the history, so the executions themselves pay nothing, and one that lived through a crash has
//! its whole trace. Best effort: each batch is sent once; what the collector does not take, or what came faster than
//! it does, is dropped and counted. No payload, cause or header leaves with a span: names, times and error names do.
//!
//! Express executions leave no history and so no trace.
//!
//! Own encoding and no SDK: a trace that is over needs no context, sampler or propagator, only this JSON.

mod spans;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{Cursor, ExecutionId, Reader, StatusChange};
use interpreter::HistoryEvent;
use serde_json::{Value, json};
use store::Order;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use crate::log;
use crate::metrics::{Counters, count};
use crate::webhook::{Address, Webhook};
use spans::{Span, Trace};

/// Executions in one request, so that a request stays well below the 4 MB that collectors take.
const BATCH_MAX: usize = 32;
/// Spans of one request; the rest of its executions come in the next.
const SPANS_MAX: usize = 4_000;
/// Events read at once.
const PAGE: usize = 1_000;
/// How long a stop waits for what has ended to be told.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A collector's endpoint, as the option has it: `/v1/traces` is added, as OTLP says.
pub fn parse(text: &str) -> Result<Address, String> {
    let base = text.trim_end_matches('/');
    let url = if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") };
    Address::parse("--otlp-endpoint", &url)
}

pub struct Exporter {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Exporter {
    pub fn start(
        address: Address,
        changes: Receiver<StatusChange>,
        reader: Reader,
        counters: Arc<Counters>,
    ) -> Exporter {
        let stop = watch::Sender::new(false);
        let worker = Worker { reader, counters, webhook: Webhook::new(address), is_failing: false };
        let task = tokio::spawn(worker.run(changes, stop.subscribe()));
        Exporter { stop, task }
    }

    /// Lets what has ended be told, within a bound.
    pub async fn shut_down(self) {
        self.stop.send_replace(true);
        if timeout(STOP_WITHIN, self.task).await.is_err() {
            log::warn("otel", "traces were not delivered in time", &[("seconds", STOP_WITHIN.as_secs().into())]);
        }
    }
}

struct Worker {
    reader: Reader,
    counters: Arc<Counters>,
    webhook: Webhook,
    /// Said once, until it goes well again.
    is_failing: bool,
}

impl Worker {
    async fn run(mut self, mut changes: Receiver<StatusChange>, mut stop: watch::Receiver<bool>) {
        loop {
            let next = tokio::select! {
                // What has ended is told before a stop is heard.
                biased;
                next = changes.recv() => next,
                _ = stop.changed() => return,
            };
            match next {
                Ok(change) => {
                    let (ended, missed) = gathered(change, &mut changes);
                    self.dropped(missed, "they came faster than they were delivered");
                    self.tell(ended).await;
                }
                Err(RecvError::Lagged(missed)) => {
                    self.dropped(missed, "they came faster than they were delivered");
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn tell(&mut self, ended: Vec<Arc<str>>) {
        let mut left = ended;
        while !left.is_empty() {
            let (reader, asked) = (self.reader.clone(), left.len() as u64);
            let read = move || read(&reader, left);
            let (told, rest) = match spawn_blocking(read).await {
                Ok(read) => read,
                Err(_) => return self.dropped(asked, "they could not be put together"),
            };
            left = rest;
            self.dropped(told.unreadable, "their history could not be read");
            self.dropped(told.cut, "they have too many spans, and are cut");
            if told.spans.is_empty() {
                continue;
            }
            let sent = self.webhook.send(Bytes::from(request(&told.spans).to_string())).await;
            match sent {
                Ok(()) => {
                    count(&self.counters.spans_exported, told.spans.len() as u64);
                    self.is_failing = false;
                }
                Err(why) => self.dropped(told.traces, &why),
            }
        }
    }

    fn dropped(&mut self, traces: u64, why: &str) {
        if traces == 0 {
            return;
        }
        count(&self.counters.traces_dropped, traces);
        if !self.is_failing {
            self.is_failing = true;
            log::warn("otel", "traces were dropped", &[("count", traces.into()), ("why", why.into())]);
        }
    }
}

/// The ended ones among this change and those that wait behind it; and how many have been missed.
fn gathered(first: StatusChange, changes: &mut Receiver<StatusChange>) -> (Vec<Arc<str>>, u64) {
    let mut ended = Vec::new();
    let mut next = Some(first);
    let mut missed = 0;
    while let Some(change) = next.take() {
        if change.stopped_at.is_some() {
            ended.push(change.execution_arn);
        }
        if ended.len() < BATCH_MAX {
            match changes.try_recv() {
                Ok(change) => next = Some(change),
                Err(TryRecvError::Lagged(more)) => missed += more,
                Err(TryRecvError::Empty | TryRecvError::Closed) => {}
            }
        }
    }
    (ended, missed)
}

#[derive(Default)]
struct Told {
    spans: Vec<Span>,
    traces: u64,
    /// Traces that are not whole.
    cut: u64,
    unreadable: u64,
}

/// The spans of as many executions as fit into a request, and the executions that are left.
fn read(reader: &Reader, mut executions: Vec<Arc<str>>) -> (Told, Vec<Arc<str>>) {
    let mut told = Told::default();
    executions.reverse();
    while told.spans.len() < SPANS_MAX
        && let Some(arn) = executions.pop()
    {
        match trace(reader, &arn) {
            Ok(Some(trace)) => {
                told.traces += 1;
                told.cut += u64::from(trace.is_cut);
                told.spans.extend(trace.spans);
            }
            // It is no more.
            Ok(None) => {}
            Err(_) => told.unreadable += 1,
        }
    }
    executions.reverse();
    (told, executions)
}

fn trace(reader: &Reader, arn: &str) -> Result<Option<Trace>, engine::Error> {
    let Some(id) = reader.find(arn)? else { return Ok(None) };
    let row = reader.row(id)?;
    let mut trace = Trace::begin(arn, &row.machine_arn, row.trace_header.as_deref());
    let mut from = None;
    loop {
        let (events, next) = page(reader, id, from)?;
        events.iter().for_each(|event| trace.see(event));
        match next {
            Some(_) => from = next,
            None => return Ok(Some(trace.end(row.status, row.started_at, row.stopped_at))),
        }
    }
}

fn page(
    reader: &Reader,
    id: ExecutionId,
    from: Option<Cursor>,
) -> Result<(Vec<HistoryEvent>, Option<Cursor>), engine::Error> {
    let page = reader.history(id, from, Order::Ascending, PAGE)?;
    Ok((page.events, page.next))
}

/// `ExportTraceServiceRequest`.
fn request(spans: &[Span]) -> Value {
    let resource = json!({ "attributes": [spans::attribute("service.name", "ithaca")] });
    let scope = json!({ "name": "ithaca", "version": env!("CARGO_PKG_VERSION") });
    let spans: Vec<Value> = spans.iter().map(Span::json).collect();
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": scope, "spans": spans }] }] })
}

//! A history becomes spans: the execution, in it its states, in them their attempts.
//!
//! Events name the one before them, so branches and iterations that run side by side are told apart: each event lives
//! in the span that its predecessor left it in. Ids are made from names, so the same history gives the same trace.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use engine::ExecutionStatus;
use interpreter::{EventKind, HistoryEvent, TaskResource, Timestamp};
use serde_json::{Value, json};

/// Spans of one trace: more would be of no use to anybody who looks at it, and fill a collector.
const SPANS_MAX: usize = 2_000;

/// In the protocol's numbers.
const KIND_INTERNAL: u8 = 1;
const KIND_CLIENT: u8 = 3;
const STATUS_OK: u8 = 1;
const STATUS_ERROR: u8 = 2;

/// Where a span is among those of its trace.
type Place = usize;

const ROOT: Place = 0;

pub struct Span {
    trace_id: Arc<str>,
    id: u64,
    parent: Option<String>,
    name: String,
    kind: u8,
    began: i64,
    ended: Option<i64>,
    status: u8,
    /// The name of an error.
    error: Option<Arc<str>>,
    attributes: Vec<Value>,
    /// The one around it.
    around: Place,
    is_state: bool,
}

impl Span {
    pub fn json(&self) -> Value {
        let nanos = |ms: i64| format!("{}", i128::from(ms) * 1_000_000);
        let mut status = json!({ "code": self.status });
        if let Some(error) = &self.error {
            status["message"] = json!(&**error);
        }
        let mut span = json!({
            "traceId": &*self.trace_id,
            "spanId": format!("{:016x}", self.id),
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": nanos(self.began),
            "endTimeUnixNano": nanos(self.ended.unwrap_or(self.began)),
            "attributes": self.attributes,
            "status": status,
        });
        if let Some(parent) = &self.parent {
            span["parentSpanId"] = json!(parent);
        }
        span
    }
}

pub fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// The trace of one execution.
pub struct Trace {
    pub spans: Vec<Span>,
    /// There were more than [`SPANS_MAX`].
    pub is_cut: bool,
    trace_id: Arc<str>,
    /// Where whatever follows an event lives, by the event's id.
    places: Vec<Place>,
}

impl Trace {
    /// `X-Amzn-Trace-Id` gives the trace, and the span, that the execution belongs to.
    pub fn begin(arn: &str, machine_arn: &str, trace_header: Option<&str>) -> Trace {
        let caller = Caller::of(trace_header.unwrap_or_default());
        let trace_id: Arc<str> = match caller.trace_id {
            Some(id) => id.into(),
            None => format!("{:016x}{:016x}", hash((arn, 1)), hash((arn, 2))).into(),
        };
        let name = |arn: &str| arn.rsplit(':').next().unwrap_or_default().to_owned();
        let attributes =
            vec![attribute("aws.sfn.execution.arn", arn), attribute("aws.sfn.state_machine.arn", machine_arn)];
        let root = Span {
            trace_id: trace_id.clone(),
            id: hash((arn, 0)),
            parent: caller.parent,
            name: name(machine_arn),
            kind: KIND_INTERNAL,
            began: 0,
            ended: None,
            status: 0,
            error: None,
            attributes,
            around: ROOT,
            is_state: false,
        };
        Trace { spans: vec![root], is_cut: false, trace_id, places: vec![ROOT] }
    }

    /// Events come in the order of their ids.
    pub fn see(&mut self, event: &HistoryEvent) {
        let here = self.places.get(event.previous as usize).copied().unwrap_or(ROOT);
        let at = event.at.0;
        let then = match &event.kind {
            EventKind::StateEntered { state, name, .. } => {
                let around = self.state_around(here);
                let attributes = vec![attribute("aws.sfn.state.type", state.name())];
                self.add(event.id, around, name, KIND_INTERNAL, at, attributes, true)
            }
            EventKind::StateExited { name, .. } | EventKind::StateExitedAssigning { name, .. } => {
                self.leave(here, Some(name), at)
            }
            EventKind::StateAborted { .. } => {
                let around = self.leave(here, None, at);
                // It did not do what it was to do.
                self.fail(here, Some("aborted".into()), at);
                around
            }
            EventKind::TaskScheduled { resource, .. } | EventKind::TaskScheduledInRole { resource, .. } => {
                let name = named(resource);
                let attributes = vec![attribute("aws.sfn.resource", &name)];
                self.add(event.id, self.state_around(here), &name, KIND_CLIENT, at, attributes, false)
            }
            EventKind::TaskSucceeded { .. } => self.answered(here, at),
            EventKind::TaskFailed { failure, .. } | EventKind::TaskTimedOut { failure, .. } => {
                let around = self.spans[here].around;
                self.fail(here, failure.error.clone(), at);
                if self.spans[here].is_state { here } else { around }
            }
            EventKind::EvaluationFailed { failure, .. } | EventKind::MapRunFailed(failure) => {
                self.spans[here].error = failure.error.clone();
                here
            }
            _ => here,
        };
        self.places.resize(event.id as usize + 1, ROOT);
        self.places[event.id as usize] = then;
    }

    /// What is open ends with the execution.
    pub fn end(mut self, status: ExecutionStatus, started_at: Timestamp, stopped_at: Option<Timestamp>) -> Trace {
        let at = stopped_at.unwrap_or(started_at).0;
        for span in self.spans.iter_mut().skip(1).filter(|span| span.ended.is_none()) {
            (span.ended, span.status) = (Some(at), STATUS_ERROR);
        }
        let root = &mut self.spans[ROOT];
        (root.began, root.ended) = (started_at.0, Some(at));
        root.status = if status == ExecutionStatus::Succeeded { STATUS_OK } else { STATUS_ERROR };
        root.attributes.push(attribute("aws.sfn.execution.status", status.name()));
        self
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a span, from one place")]
    fn add(
        &mut self,
        event: u64,
        around: Place,
        name: &str,
        kind: u8,
        began: i64,
        attributes: Vec<Value>,
        is_state: bool,
    ) -> Place {
        if self.spans.len() >= SPANS_MAX {
            self.is_cut = true;
            return around;
        }
        self.spans.push(Span {
            trace_id: self.trace_id.clone(),
            id: hash((&*self.trace_id, self.spans[ROOT].id, event)),
            parent: Some(format!("{:016x}", self.spans[around].id)),
            name: name.to_owned(),
            kind,
            began,
            ended: None,
            status: 0,
            error: None,
            attributes,
            around,
            is_state,
        });
        self.spans.len() - 1
    }

    /// The state that a place is in, or the execution.
    fn state_around(&self, place: Place) -> Place {
        let span = &self.spans[place];
        if span.is_state || place == ROOT { place } else { span.around }
    }

    /// Leaves the innermost state, or the one of this name: the exit of a Parallel follows the last event of a branch.
    fn leave(&mut self, here: Place, name: Option<&str>, at: i64) -> Place {
        let mut place = self.state_around(here);
        while place != ROOT && name.is_some_and(|name| self.spans[place].name != name) {
            place = self.state_around(self.spans[place].around);
        }
        if place == ROOT {
            return ROOT;
        }
        let span = &mut self.spans[place];
        span.ended = Some(at);
        if span.status == 0 && span.error.is_none() {
            span.status = STATUS_OK;
        } else {
            span.status = STATUS_ERROR;
        }
        self.state_around(self.spans[place].around)
    }

    fn answered(&mut self, here: Place, at: i64) -> Place {
        let span = &mut self.spans[here];
        if span.is_state || here == ROOT {
            return here;
        }
        (span.ended, span.status) = (Some(at), STATUS_OK);
        let around = span.around;
        // An attempt before this one may have failed: the state has not.
        self.spans[around].error = None;
        around
    }

    /// An attempt fails, and with it, until another succeeds, its state.
    fn fail(&mut self, here: Place, error: Option<Arc<str>>, at: i64) {
        if here == ROOT {
            return;
        }
        let around = self.spans[here].around;
        let span = &mut self.spans[here];
        (span.ended, span.status, span.error) = (Some(at), STATUS_ERROR, error.clone());
        if !span.is_state && around != ROOT {
            self.spans[around].error = error;
        }
    }
}

fn named(resource: &TaskResource) -> String {
    match resource {
        TaskResource::Function { arn } | TaskResource::Activity { arn } => arn.to_string(),
        TaskResource::Service { service, action } => format!("{service}:{action}"),
    }
}

fn hash(of: impl std::hash::Hash) -> u64 {
    // Zero is no id.
    BuildHasherDefault::<DefaultHasher>::default().hash_one(of).max(1)
}

/// What `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1` says. With `Sampled=0` (so says
/// every function here to what it calls) no span of the caller's is kept anywhere: then there is a trace and no parent.
#[derive(Debug, Default, PartialEq)]
struct Caller {
    trace_id: Option<String>,
    parent: Option<String>,
}

impl Caller {
    fn of(header: &str) -> Caller {
        let mut caller = Caller::default();
        let mut is_kept = true;
        for (key, value) in header.split(';').filter_map(|part| part.trim().split_once('=')) {
            match key {
                "Root" => {
                    let parts: Vec<&str> = value.split('-').collect();
                    if let ["1", seconds, rest] = parts[..] {
                        caller.trace_id = hex(&format!("{seconds}{rest}"), 32);
                    }
                }
                "Parent" => caller.parent = hex(value, 16),
                "Sampled" => is_kept = value != "0",
                _ => {}
            }
        }
        // A span's parent is of its trace.
        caller.parent = caller.parent.filter(|_| is_kept && caller.trace_id.is_some());
        caller
    }
}

fn hex(text: &str, digits: usize) -> Option<String> {
    let is_id = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && text.bytes().any(|byte| byte != b'0')).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_headers() {
        let check = |header: &str, trace_id: Option<&str>, parent: Option<&str>| {
            let expect = Caller { trace_id: trace_id.map(str::to_owned), parent: parent.map(str::to_owned) };
            assert_eq!(Caller::of(header), expect, "{header}");
        };
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let trace = Some("5759e988bd862e3fe1be46a994272793");
        check(root, trace, None);
        check(&format!("{root};Parent=53995C3f42cd8ad8;Sampled=1"), trace, Some("53995c3f42cd8ad8"));
        check(&format!("{root};Parent=53995c3f42cd8ad8; Sampled=0"), trace, None);
        check("Parent=53995c3f42cd8ad8", None, None);
        check("Root=1-00000000-000000000000000000000000", None, None);
        check("Root=1-xyz", None, None);
        check("", None, None);
    }
}

//! Status changes of executions as events for rules.
//!
//! The engine tells of changes when they are durable, and keeps none for who was not there. So this follower writes down how
//! far it is, and after a start, or when it fell behind, looks through the lists for what ended since. An end may be
//! told twice then, as EventBridge may, and is never lost. Where no rule has a pattern, nothing is read or written.

use std::sync::Weak;
use std::time::Duration;

use aws_states::States;
use engine::{ExecutionStatus, Filter, Reader, StatusChange};
use interpreter::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::{Inner, Rules};
use crate::log;

/// Shards do not commit in the order of their clocks: so far back it is looked again.
const MARGIN_MS: i64 = 10_000;
/// Executions that are read at once.
const PAGE: usize = 500;
/// How often how far it is is written, at most.
const SAVE_PAUSE: Duration = Duration::from_millis(500);
/// After a look that failed.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How far ends were told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Whatever ended well before this was told; none before there was any rule.
    until_ms: Option<i64>,
    /// What was told near that moment: ARNs, and when they ended.
    told: Vec<(String, i64)>,
}

impl Progress {
    fn has(&self, change: &StatusChange) -> bool {
        let stopped = change.stopped_at.map(|at| at.0);
        self.told.iter().any(|(arn, at)| **arn == *change.execution_arn && Some(*at) == stopped)
    }

    /// What nobody wanted need not be remembered: it would not be wanted again.
    fn note(&mut self, change: &StatusChange, is_wanted: bool) {
        let Some(stopped) = change.stopped_at.map(|at| at.0) else { return };
        let until = self.until_ms.map_or(stopped, |until| until.max(stopped));
        self.until_ms = Some(until);
        if is_wanted {
            self.told.retain(|(_, at)| *at >= until - MARGIN_MS);
            self.told.push((change.execution_arn.to_string(), stopped));
        }
    }

    /// From the first rule on, no end is forgotten.
    pub fn begin(&mut self, now_ms: i64) {
        self.until_ms.get_or_insert(now_ms);
    }
}

impl Rules {
    /// Follows changes until the server is gone. They are those from before the engine was opened on.
    pub(super) async fn follow(
        inner: Weak<Inner>,
        states: States,
        reader: Reader,
        mut changes: Receiver<StatusChange>,
    ) {
        let mut is_behind = true;
        // When what is not written yet has to be.
        let mut due: Option<Instant> = None;
        loop {
            if is_behind {
                let Some(rules) = inner.upgrade().map(Rules) else { return };
                is_behind = !rules.catch_up(&states, &reader).await;
                if is_behind {
                    tokio::time::sleep(TRY_AGAIN).await;
                    continue;
                }
            }
            let next = match due {
                Some(due) => tokio::time::timeout_at(due, changes.recv()).await.ok(),
                None => Some(changes.recv().await),
            };
            let Some(rules) = inner.upgrade().map(Rules) else { return };
            match next {
                Some(Ok(change)) => {
                    is_behind = !rules.tell(&states, change).await;
                    due = due.or(rules.has_patterns().then(|| Instant::now() + SAVE_PAUSE));
                }
                Some(Err(RecvError::Lagged(_))) => is_behind = true,
                Some(Err(RecvError::Closed)) => return rules.save_progress().await,
                None => {}
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                rules.save_progress().await;
                due = None;
            }
        }
    }

    /// Whether any rule could be fired by an event of the default bus.
    fn has_patterns(&self) -> bool {
        self.kept().book.rules().iter().any(|rule| rule.is_enabled && rule.pattern.is_some())
    }

    /// Makes an event of a change, if a rule wants it. False if it could not be kept, so that it has to be looked for again.
    async fn tell(&self, states: &States, change: StatusChange) -> bool {
        if !self.has_patterns() || self.kept().progress.has(&change) {
            return true;
        }
        let (states, asked) = (states.clone(), change.clone());
        let event = tokio::task::spawn_blocking(move || states.status_change_event(&asked)).await;
        let event = match event.map_err(|error| error.to_string()).and_then(|event| event.map_err(|e| e.to_string())) {
            Ok(Some(event)) => event,
            // It is not there any more.
            Ok(None) => return true,
            Err(why) => return failed(&why),
        };
        let is_wanted = {
            let kept = self.kept();
            let at = change.stopped_at.unwrap_or(change.started_at).0;
            kept.book.rules().iter().any(|rule| rule.created_ms <= at && rule.matches(&event))
        };
        if is_wanted && let Err(why) = self.keep(&event).await {
            return failed(&why);
        }
        self.kept().progress.note(&change, is_wanted);
        true
    }

    async fn keep(&self, event: &Value) -> Result<(), String> {
        let (region, account) = (&event["region"], &event["account"]);
        let home = aws_protocol::Home {
            region: region.as_str().unwrap_or_default().to_owned(),
            account: account.as_str().unwrap_or_default().to_owned(),
        };
        let sent = json!({
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": event["detail"].to_string(),
            "Resources": event["resources"],
            "Time": event["time"],
        });
        self.0.outbox.put_event(home.arn("events", "event-bus/default"), sent).await.map(drop)
    }

    /// Tells of all that ended since, in its order. False if it has to be tried again.
    async fn catch_up(&self, states: &States, reader: &Reader) -> bool {
        if !self.has_patterns() {
            return true;
        }
        let until = self.kept().progress.until_ms;
        let Some(until) = until else { return true };
        let reader = reader.clone();
        let ended = tokio::task::spawn_blocking(move || ended_since(&reader, until - MARGIN_MS)).await;
        match ended.map_err(|error| error.to_string()).and_then(|ended| ended.map_err(|error| error.to_string())) {
            Ok(ended) => {
                for change in ended {
                    if !self.tell(states, change).await {
                        return false;
                    }
                }
                self.save_progress().await;
                true
            }
            Err(why) => failed(&why),
        }
    }

    async fn save_progress(&self) {
        if !self.has_patterns() {
            return;
        }
        if let Err(why) = self.save().await {
            log::error("rules", "how far events were told cannot be written", &[("why", (&why).into())]);
        }
    }
}

/// Always false.
fn failed(why: &str) -> bool {
    log::error("rules", "an event of an execution could not be told, and is tried again", &[("why", why.into())]);
    false
}

/// All executions that ended at or after a moment, the first end first. Lists are by start, so all of them are read.
fn ended_since(reader: &Reader, since_ms: i64) -> Result<Vec<StatusChange>, engine::Error> {
    const ENDED: [ExecutionStatus; 4] =
        [ExecutionStatus::Succeeded, ExecutionStatus::Failed, ExecutionStatus::TimedOut, ExecutionStatus::Aborted];
    let mut found = Vec::new();
    for machine in reader.machines().list() {
        for status in ENDED {
            let filter = Filter { status: Some(status), ..Filter::default() };
            let mut from = None;
            loop {
                let page = reader.list(machine.number, &filter, from, PAGE)?;
                for summary in page.executions {
                    let Some(stopped_at) = summary.row.stopped_at.filter(|at| at.0 >= since_ms) else { continue };
                    found.push(StatusChange {
                        execution_arn: summary.execution_arn.into(),
                        machine_arn: summary.row.machine_arn.clone(),
                        status,
                        started_at: summary.row.started_at,
                        stopped_at: Some(stopped_at),
                        failure: None,
                    });
                }
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
        }
    }
    found.sort_by_key(|change| change.stopped_at.unwrap_or(Timestamp(0)));
    Ok(found)
}

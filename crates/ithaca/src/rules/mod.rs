//! Rules of EventBridge, and schedules: which there are, what fires them, and where their events go.
//!
//! ```text
//!   AWS clients, templates ──> book ──> rules.json
//!   clock ────────> a schedule is due ─────────┐
//!   engine ───────> an execution has changed ──┼──> outbox (durable) ──> deliveries, one a target ──> functions, executions, queues
//!   AWS clients ──> PutEvents ─────────────────┘
//! ```
//!
//! Whatever fires a rule is a message in the outbox first, so no crash loses it, and a delivery brings it to its target at
//! least once ([`crate::deliveries`]). A schedule's firing that nobody was there for is not made up. That an execution has
//! ended is in its history; how far ends were told is in `rules.json`, and what ended since is looked for at a start. Of
//! executions that began just before a crash, the event of the beginning may be missing.

mod fire;
mod follow;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_cloudformation::Plan;
use aws_events::{Book, Rule, TARGET_PREFIX};
use aws_outbox::Outbox;
use aws_protocol::{AWS_JSON_1_1, Error, Home, Request, Response};
use engine::StatusChange;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;

use crate::deliveries::{Deliveries, Delivery, RuleSource, Source, Target, now_ms, queue_url};
use crate::files;
use crate::front::Front;

const FILE: &str = "rules.json";
const FORMAT: u32 = 1;
/// Tries of an event, the first included, unless the target says otherwise: what Lambda gives an asynchronous invocation.
const TRIES: u32 = 3;
/// From one try to the next, as Lambda waits first.
const RETRY_MS: u64 = 60_000;
/// The type of a schedule of EventBridge Scheduler in a template.
pub const SCHEDULE: &str = "AWS::Scheduler::Schedule";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Stored {
    format: u32,
    book: Book,
    progress: follow::Progress,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Rules(Arc<Inner>);

struct Inner {
    file: PathBuf,
    home: Home,
    kept: Mutex<Stored>,
    /// Held while the file is written, so that the newest is written last.
    writing: tokio::sync::Mutex<()>,
    /// Held from when rules are looked at until the deliveries are theirs.
    taking_effect: tokio::sync::Mutex<()>,
    deliveries: Deliveries,
    outbox: Outbox,
    /// A schedule may be due earlier than before.
    changed: Notify,
}

impl Rules {
    pub fn open(data: &Path, home: &Home, deliveries: Deliveries, outbox: Outbox) -> Result<Rules, String> {
        let file = data.join(FILE);
        let kept = Mutex::new(load(&file)?);
        let (writing, taking_effect) = (tokio::sync::Mutex::default(), tokio::sync::Mutex::default());
        let (home, changed) = (home.clone(), Notify::new());
        Ok(Rules(Arc::new(Inner { file, home, kept, writing, taking_effect, deliveries, outbox, changed })))
    }

    /// Begins to fire schedules and to follow executions.
    pub fn start(&self, front: &Front, changes: Receiver<StatusChange>) {
        tokio::spawn(Rules::fire_schedules(Arc::downgrade(&self.0)));
        let (states, reader) = (front.states.clone(), front.reader.clone());
        tokio::spawn(Rules::follow(Arc::downgrade(&self.0), states, reader, changes));
    }

    /// Is this a request for an operation of rules?
    pub fn is_for(request: &Request) -> bool {
        operation(request).is_some_and(aws_events::is_served)
    }

    /// Answers a client.
    pub async fn handle(&self, request: &Request) -> Response {
        let called = match serde_json::from_slice(request.body()) {
            Ok(body) => self.call(operation(request).unwrap_or_default(), &body).await,
            Err(_) => Err(Error::client("SerializationException", "the request is no JSON")),
        };
        match called {
            Ok(value) => aws_protocol::json_1_1(&value),
            Err(error) => {
                let body = serde_json::json!({ "__type": error.name, "message": error.message });
                aws_protocol::json(error.status, AWS_JSON_1_1, &body)
            }
        }
    }

    /// Carries an operation out, and lets what it changed have its effect before it is answered.
    pub async fn call(&self, operation: &str, body: &Value) -> Result<Value, Error> {
        let (value, is_other) = {
            let mut kept = self.kept();
            // A refusal changes nothing.
            let mut book = kept.book.clone();
            let value = book.call(operation, body, &self.0.home, now_ms())?;
            let is_other = book != kept.book;
            kept.book = book;
            (value, is_other)
        };
        if is_other {
            self.take_effect().await.map_err(Error::internal)?;
        }
        Ok(value)
    }

    /// A template's rules, with their targets; those of one that it had before and has no more go.
    pub async fn put(&self, plan: &Plan) -> Result<(), String> {
        let is_other = {
            let mut kept = self.kept();
            let before = kept.book.clone();
            put(&mut kept.book, plan, &self.0.home, now_ms())?;
            kept.book != before
        };
        if is_other { self.take_effect().await } else { Ok(()) }
    }

    /// Removes a rule or a schedule by its type and what `Ref` gives.
    pub async fn remove(&self, kind: &str, physical_id: &str) -> Result<(), String> {
        {
            let mut kept = self.kept();
            let is_meant = |rule: &&Rule| match rule.bus.as_deref() {
                None => kind == SCHEDULE && rule.name == physical_id,
                Some("default") => kind != SCHEDULE && rule.name == physical_id,
                Some(bus) => physical_id.split_once('|') == Some((bus, &rule.name)),
            };
            let Some(arn) = kept.book.rules().iter().find(is_meant).map(|rule| rule.arn.clone()) else { return Ok(()) };
            kept.book.remove(&arn);
        }
        self.take_effect().await
    }

    /// Writes the rules down, and lets deliveries and schedules follow them. Who comes last sees all that was changed before.
    async fn take_effect(&self) -> Result<(), String> {
        let _turn = self.0.taking_effect.lock().await;
        self.kept().progress.begin(now_ms());
        self.save().await?;
        self.0.changed.notify_one();
        let all: Vec<Rule> = self.kept().book.rules().to_vec();
        self.0.deliveries.put(DELIVERIES, all.iter().flat_map(|rule| deliveries(rule, &self.0.home)).collect()).await
    }

    async fn save(&self) -> Result<(), String> {
        let _turn = self.0.writing.lock().await;
        let (kept, file) = (self.kept().clone(), self.0.file.clone());
        let saved = tokio::task::spawn_blocking(move || save(&file, &Stored { format: FORMAT, ..kept })).await;
        saved.map_err(|error| error.to_string())?
    }

    fn kept(&self) -> MutexGuard<'_, Stored> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose the deliveries of rules are: no stack has a space in its name.
const DELIVERIES: &str = "EventBridge rules";

/// What a plan says of rules and cannot be: where, of which, and why.
pub fn refusals(plan: &Plan) -> Vec<(aws_cloudformation::Position, String, String)> {
    let home = Home::default();
    let refusal = |rule: &aws_cloudformation::Rule| {
        let why = put_one(&mut Book::default(), rule, &home, 0).err()?;
        Some((rule.at, rule.logical_id.clone(), why))
    };
    plan.rules.iter().filter_map(refusal).collect()
}

fn put(book: &mut Book, plan: &Plan, home: &Home, now_ms: i64) -> Result<(), String> {
    plan.rules.iter().try_for_each(|rule| put_one(book, rule, home, now_ms))
}

fn put_one(book: &mut Book, rule: &aws_cloudformation::Rule, home: &Home, now_ms: i64) -> Result<(), String> {
    let told = |error: Error| error.message;
    if rule.is_schedule {
        return book.put_schedule(&rule.arn, &rule.body, now_ms).map_err(told);
    }
    book.call("PutRule", &rule.body, home, now_ms).map_err(told)?;
    let name = |more: Value| {
        let mut body = more;
        body["Rule"] = rule.body["Name"].clone();
        body["EventBusName"] = rule.body["EventBusName"].clone();
        body
    };
    // Targets that the template does not name any more go.
    let known = book.call("ListTargetsByRule", &name(serde_json::json!({})), home, now_ms).map_err(told)?;
    let ids = known["Targets"].as_array().into_iter().flatten().map(|target| &target["Id"]);
    let wanted: Vec<&Value> = rule.targets.iter().map(|target| &target["Id"]).collect();
    let gone: Vec<Value> = ids.filter(|id| !wanted.contains(id)).cloned().collect();
    book.call("RemoveTargets", &name(serde_json::json!({ "Ids": gone })), home, now_ms).map_err(told)?;
    let body = name(serde_json::json!({ "Targets": rule.targets }));
    book.call("PutTargets", &body, home, now_ms).map(drop).map_err(told)
}

/// One delivery for each target of a rule. A rule that is off has none.
fn deliveries(rule: &Rule, home: &Home) -> Vec<Delivery> {
    if !rule.is_enabled {
        return Vec::new();
    }
    let of = |(bus, filters): (Option<String>, Vec<Value>)| {
        let source = RuleSource { arn: rule.arn.clone(), name: rule.name.clone(), bus };
        rule.targets.iter().map(move |target| Delivery {
            source: Source::Rule(source.clone()),
            target: Target::OfRule { id: target.id.clone(), arn: target.arn.clone(), input: target.input.clone() },
            receives_max: Some(target.retries.map_or(TRIES, |retries| retries.saturating_add(1))),
            dead_letters: target.dead_letters.as_deref().and_then(queue_url),
            retry_ms: RETRY_MS,
            filters: filters.clone(),
            ..Delivery::of(DELIVERIES)
        })
    };
    let bus = home.arn("events", &format!("event-bus/{}", rule.bus.as_deref().unwrap_or_default()));
    let pattern = rule.pattern.as_deref().and_then(|pattern| serde_json::from_str(pattern).ok());
    let by_events = pattern.map(|pattern: Value| (Some(bus), vec![pattern]));
    // A rule may have both: then its schedule fires it beside the events.
    let by_schedule = rule.schedule.is_some().then(|| (None, Vec::new()));
    by_events.into_iter().chain(by_schedule).flat_map(of).collect()
}

fn operation(request: &Request) -> Option<&str> {
    request.headers().get("x-amz-target")?.to_str().ok()?.strip_prefix(TARGET_PREFIX)
}

fn load(file: &Path) -> Result<Stored, String> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Stored::default()),
        Err(error) => return Err(format!("{}: {error}", file.display())),
    };
    match serde_json::from_slice::<Stored>(&text) {
        Ok(stored) if stored.format == FORMAT => Ok(stored),
        Ok(stored) => Err(format!("{} has the format {}, this version knows {FORMAT}", file.display(), stored.format)),
        Err(error) => {
            Err(format!("{} is damaged: {error}. Move it away and deploy the template again", file.display()))
        }
    }
}

/// On the disk when this returns.
fn save(file: &Path, stored: &Stored) -> Result<(), String> {
    let text = serde_json::to_vec(stored).map_err(|error| error.to_string())?;
    files::replace(file, &text, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let scratch = store::testing::Scratch::new();
        let file = scratch.path().join(FILE);
        assert_eq!(load(&file), Ok(Stored::default()));
        let mut stored = Stored { format: FORMAT, ..Stored::default() };
        let body = serde_json::json!({ "Name": "r", "ScheduleExpression": "rate(1 minute)" });
        stored.book.call("PutRule", &body, &Home::default(), 5).unwrap();
        save(&file, &stored).unwrap();
        assert_eq!(load(&file), Ok(stored));
        fs::write(&file, "{").unwrap();
        assert!(load(&file).unwrap_err().contains("is damaged"));
    }
}

//! The lane: GetActivityTask and the three answers by token over one connection, many in one read and one write.
//!
//! Lines of JSON, each an object with one member that says what it is. What AWS has a name for has AWS's name and members:
//!
//! ```text
//! worker                                                       Ithaca
//! {"Subscribe":{"activityArn":A,"credit":64}}             -->
//!                                                         <--  {"Subscribed":{"activityArn":A,"credit":64}}
//!                                                         <--  {"Task":{"activityArn":A,"taskToken":T,"input":"{...}"}}
//! {"SendTaskHeartbeat":{"taskToken":T}}                   -->
//!                                                         <--  {"Accepted":{"taskToken":T}}
//! {"SendTaskSuccess":{"taskToken":T,"output":"{...}"}}    -->
//!                                                         <--  {"Accepted":{"taskToken":T}}
//! {"SendTaskFailure":{"taskToken":U,"error":E,"cause":C}} -->
//!                                                         <--  {"Refused":{"taskToken":U,"error":"TaskTimedOut","message":...}}
//! an empty line: a sign of life                           <->
//! ```
//!
//! It takes bytes and gives bytes; whose socket they come from it does not know. What may be told before it is durable, and to
//! whom a task goes, is the engine's business ([`engine::Lane`]). The whole protocol is told in docs/workers.md.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_protocol::Error;
use engine::core::TokenAnswer;
use engine::{PollError, Told};
use interpreter::limits::PAYLOAD_BYTES_MAX;
use interpreter::{Failure, Payload};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;

use crate::check::{self, Kind};
use crate::{States, errors, model};

/// The longest line: the largest output with every byte of it escaped would be longer, but AWS takes no request of more
/// than 1 MB either.
pub const LINE_BYTES_MAX: usize = 1024 * 1024 + 64 * 1024;

/// Tasks that a worker holds at once, of one activity: as many as are handed to all functions together.
pub const CREDIT_MAX: usize = 10_000;

/// Activities of one lane. A worker does one thing or a few.
pub const SUBSCRIPTIONS_MAX: usize = 1000;

/// Lines whose acknowledgement has not been sent. While there are more, nothing is read: a worker that does not read what it
/// is told waits in its own socket.
pub const UNACKNOWLEDGED_MAX: usize = 4096;

/// About so much is rendered for one write; tasks beyond it stay shared with the engine until the socket has room.
const WRITE_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
enum Line<'l> {
    #[serde(borrow)]
    Subscribe(Subscribe<'l>),
    #[serde(borrow)]
    SendTaskSuccess(Success<'l>),
    #[serde(borrow)]
    SendTaskFailure(Fail<'l>),
    #[serde(borrow)]
    SendTaskHeartbeat(Heartbeat<'l>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscribe<'l> {
    #[serde(borrow)]
    activity_arn: Cow<'l, str>,
    worker_name: Option<String>,
    credit: usize,
    /// Tokens of its tasks that the worker has from an earlier connection.
    #[serde(default)]
    holding: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Success<'l> {
    #[serde(borrow)]
    task_token: Cow<'l, str>,
    #[serde(borrow)]
    output: Cow<'l, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fail<'l> {
    #[serde(borrow)]
    task_token: Cow<'l, str>,
    error: Option<String>,
    cause: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Heartbeat<'l> {
    #[serde(borrow)]
    task_token: Cow<'l, str>,
}

#[derive(Serialize)]
enum Said<'s> {
    Subscribed {
        #[serde(rename = "activityArn")]
        activity_arn: &'s str,
        credit: usize,
    },
    Task {
        #[serde(rename = "activityArn")]
        activity_arn: &'s str,
        #[serde(rename = "taskToken")]
        task_token: &'s str,
        input: &'s str,
    },
    Accepted {
        #[serde(rename = "taskToken")]
        task_token: &'s str,
    },
    Refused(Refused<'s>),
}

/// Names what was refused: a token, an activity, or the number of the line, which begins with 1.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Refused<'s> {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_token: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    activity_arn: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    error: &'s str,
    message: &'s str,
}

/// One worker's connection. Dropping it takes no task away from the worker: its tokens stay good.
pub struct Lane {
    engine: engine::Lane,
    state: Mutex<State>,
    /// Rung when something is said at once.
    bell: Notify,
    /// Lines that have not been acknowledged.
    pending: AtomicUsize,
    /// Rung when there is room for more of them.
    room: Notify,
}

#[derive(Default)]
struct State {
    /// Lines read so far.
    lines: u64,
    /// What is said without asking a shard, and how many lines that is.
    at_once: Vec<u8>,
    at_once_lines: usize,
    /// What the engine has told and was not written yet.
    told: VecDeque<Told>,
    activities: HashSet<String>,
    /// Those of them that end once no task of them is on its way; each is acknowledged once.
    ending: HashSet<String>,
    /// Nothing more is read.
    is_closing: bool,
}

impl States {
    pub fn open_lane(&self) -> Lane {
        Lane {
            engine: self.handle.open_lane(),
            state: Mutex::default(),
            bell: Notify::new(),
            pending: AtomicUsize::new(0),
            room: Notify::new(),
        }
    }
}

impl Lane {
    /// Takes whole lines. All answers in them are handed on together.
    pub fn read(&self, lines: &[u8]) {
        let mut answers = Vec::new();
        for line in lines.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            let number = self.state().next_line();
            if !line.is_empty() {
                self.read_line(line, number, &mut answers);
            }
        }
        // What lies behind the last line break is not a line.
        self.state().lines -= 1;
        if !answers.is_empty() {
            self.pending.fetch_add(answers.len(), Ordering::Relaxed);
            self.engine.answer(answers);
        }
    }

    fn read_line(&self, line: &[u8], number: u64, answers: &mut Vec<(Box<str>, TokenAnswer)>) {
        let line = match serde_json::from_slice(line) {
            Ok(line) => line,
            Err(error) => {
                let error = errors::serialization(format!("This line is no message of a worker: {error}"));
                return self.refuse(&error, |refused| refused.line = Some(number));
            }
        };
        let (token, answer) = match line {
            Line::Subscribe(asked) => return self.subscribe(&asked),
            Line::SendTaskHeartbeat(of) => {
                let checked = checked_token("SendTaskHeartbeat", &of.task_token);
                (of.task_token, checked.map(|()| TokenAnswer::Heartbeat))
            }
            Line::SendTaskSuccess(of) => {
                let checked = checked_token("SendTaskSuccess", &of.task_token).and_then(|()| output(&of.output));
                (of.task_token, checked.map(TokenAnswer::Succeeded))
            }
            Line::SendTaskFailure(of) => {
                let body = json!({ "taskToken": of.task_token, "error": of.error, "cause": of.cause });
                let failure = Failure { error: of.error.map(Into::into), cause: of.cause.map(Into::into) };
                (of.task_token, model::check("SendTaskFailure", &body).map(|()| TokenAnswer::Failed(failure)))
            }
        };
        match answer {
            Ok(answer) => answers.push((token.into_owned().into(), answer)),
            Err(error) => self.refuse(&error, |refused| refused.task_token = Some(&token)),
        }
    }

    fn subscribe(&self, asked: &Subscribe<'_>) {
        match self.try_subscribe(asked) {
            Ok(()) if asked.credit == 0 => {}
            Ok(()) => self.say(&Said::Subscribed { activity_arn: &asked.activity_arn, credit: asked.credit }),
            Err(error) => self.refuse(&error, |refused| refused.activity_arn = Some(&asked.activity_arn)),
        }
    }

    fn try_subscribe(&self, asked: &Subscribe<'_>) -> Result<(), Error> {
        let arn = &*asked.activity_arn;
        model::check("GetActivityTask", &json!({ "activityArn": arn, "workerName": asked.worker_name }))?;
        check::arn(arn, Kind::Activity)?;
        if asked.credit > CREDIT_MAX || asked.holding.len() > CREDIT_MAX {
            let rule = format!("Member must have value less than or equal to {CREDIT_MAX}");
            return Err(errors::constraint(&asked.credit.max(asked.holding.len()).to_string(), "credit", &rule));
        }
        let mut state = self.state();
        if state.activities.len() >= SUBSCRIPTIONS_MAX && !state.activities.contains(arn) {
            return Err(errors::activity_worker_limit());
        }
        state.activities.insert(arn.to_owned());
        // Acknowledged later, when nothing is on its way any more.
        let ends = usize::from(asked.credit == 0 && state.ending.insert(arn.to_owned()));
        if asked.credit > 0 && state.ending.remove(arn) {
            // It goes on after all.
            self.pending.fetch_sub(1, Ordering::Relaxed);
        }
        drop(state);
        self.pending.fetch_add(ends, Ordering::Relaxed);
        let subscribed = self.engine.subscribe(arn, asked.worker_name.as_deref(), asked.credit, &asked.holding);
        subscribed.map_err(|error| {
            self.pending.fetch_sub(ends, Ordering::Relaxed);
            self.state().forget(arn);
            match error {
                PollError::DoesNotExist => errors::activity_does_not_exist(arn),
                PollError::TooManyPollers => errors::activity_worker_limit(),
                PollError::Engine(error) => errors::from_engine(&error),
            }
        })
    }

    /// The line that began here is longer than any may be; it cannot be read over, and the lane ends.
    pub fn refuse_long_line(&self) {
        let number = self.state().next_line();
        self.state().is_closing = true;
        let error = errors::request_too_large(LINE_BYTES_MAX + 1, LINE_BYTES_MAX);
        self.refuse(&error, |refused| refused.line = Some(number));
    }

    /// Is all said that will be?
    pub fn is_over(&self) -> bool {
        let state = self.state();
        state.is_closing && state.at_once.is_empty()
    }

    /// Done when the worker may be read from.
    pub async fn has_room(&self) {
        while self.pending.load(Ordering::Relaxed) >= UNACKNOWLEDGED_MAX {
            self.room.notified().await;
        }
    }

    /// Waits until there is something to tell the worker, and appends it. Nothing is lost when the future is dropped.
    pub async fn write(&self, out: &mut Vec<u8>) {
        loop {
            let is_waiting = {
                let mut state = self.state();
                out.append(&mut state.at_once);
                let acknowledged = std::mem::take(&mut state.at_once_lines) + render(&mut state, out);
                if acknowledged > 0 {
                    self.pending.fetch_sub(acknowledged, Ordering::Relaxed);
                    self.room.notify_one();
                }
                out.is_empty()
            };
            if !is_waiting {
                return;
            }
            tokio::select! {
                told = self.engine.hear() => self.state().told.extend(told),
                () = self.bell.notified() => {}
            }
        }
    }

    fn refuse<'s>(&self, error: &'s Error, name: impl FnOnce(&mut Refused<'s>)) {
        let mut refused = Refused { error: error.name, message: &error.message, ..Refused::default() };
        name(&mut refused);
        self.say(&Said::Refused(refused));
    }

    fn say(&self, said: &Said<'_>) {
        let mut state = self.state();
        write_line(&mut state.at_once, said);
        state.at_once_lines += 1;
        self.pending.fetch_add(1, Ordering::Relaxed);
        drop(state);
        self.bell.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_line(&mut self) -> u64 {
        self.lines += 1;
        self.lines
    }

    /// This activity is none of the lane's any more; how many acknowledgements that is.
    fn forget(&mut self, activity: &str) -> usize {
        self.activities.remove(activity);
        usize::from(self.ending.remove(activity))
    }
}

/// Writes what was told, as far as one write goes; how many acknowledgements are in it.
fn render(state: &mut State, out: &mut Vec<u8>) -> usize {
    let mut acknowledged = 0;
    while out.len() < WRITE_BYTES
        && let Some(next) = state.told.pop_front()
    {
        match next {
            Told::Task { activity, token, input } => {
                write_line(out, &Said::Task { activity_arn: &activity, task_token: &token, input: input.text() });
            }
            Told::Answered { token, outcome } => {
                acknowledged += 1;
                match outcome {
                    Ok(()) => write_line(out, &Said::Accepted { task_token: &token }),
                    Err(error) => {
                        let error = errors::from_token(error);
                        write_refused(out, &error, |refused| refused.task_token = Some(&token));
                    }
                }
            }
            Told::Drained(activity) => {
                acknowledged += state.forget(&activity);
                write_line(out, &Said::Subscribed { activity_arn: &activity, credit: 0 });
            }
            Told::Gone(activity) => {
                acknowledged += state.forget(&activity);
                let error = errors::activity_does_not_exist(&activity);
                write_refused(out, &error, |refused| refused.activity_arn = Some(&activity));
            }
        }
    }
    acknowledged
}

/// What AWS's front would refuse of a token; most are good, and then nothing is built to find out.
fn checked_token(operation: &str, token: &str) -> Result<(), Error> {
    /// The service model's.
    const TOKEN_BYTES_MAX: usize = 2048;
    match token.len() {
        1..=TOKEN_BYTES_MAX => Ok(()),
        _ => model::check(operation, &json!({ "taskToken": token, "output": "" })),
    }
}

/// What a task gives, if it may.
pub fn output(text: &str) -> Result<Payload, Error> {
    if text.len() > PAYLOAD_BYTES_MAX {
        return Err(errors::too_long(text.len(), "output", PAYLOAD_BYTES_MAX));
    }
    Payload::parse(text).map_err(|error| errors::invalid_output(&asl::parse::syntax_message(text, &error)))
}

fn write_refused<'s>(out: &mut Vec<u8>, error: &'s Error, name: impl FnOnce(&mut Refused<'s>)) {
    let mut refused = Refused { error: error.name, message: &error.message, ..Refused::default() };
    name(&mut refused);
    write_line(out, &Said::Refused(refused));
}

fn write_line(out: &mut Vec<u8>, said: &Said<'_>) {
    serde_json::to_writer(&mut *out, said).expect("a message is plain data, which always serialises");
    out.push(b'\n');
}

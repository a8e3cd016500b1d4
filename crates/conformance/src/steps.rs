//! Kinds with steps: requests one after another, each answer compared.
//!
//! The engine runs in real time here, so an answer that is not there yet is asked for again while the engine is busy,
//! up to a bound. Only requests that read are repeated.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::account::{Account, Answer};
use crate::canonical::{Matcher, Texts, text};
use crate::case::{Case, Step, machine_type, named};
use crate::told;
use crate::verdict::{Reason, Sides, Verdict};

/// The longest that an answer is waited for. The longest wait that was recorded takes five seconds.
const POLL_MAX: Duration = Duration::from_secs(7);
/// How long an answer is waited for though the engine is idle: a thread may not have come to it yet.
const POLL_IDLE: Duration = Duration::from_millis(20);
const POLL_PAUSE: Duration = Duration::from_millis(5);

/// Members of an answer that the lenient comparison looks at.
const LENIENT: &[&str] = &["status", "output", "error", "nextState", "result"];

pub fn check(case: &Case) -> Verdict {
    let opened = match case.kind.as_str() {
        "test-state" => Account::with(Arc::new(told::Told::by(&case.steps))),
        _ => Account::open(items(case)),
    };
    let account = match opened {
        Ok(account) => account,
        Err(reason) => return Verdict::failed(reason),
    };
    let run = Run { account: &account, case, answers: Vec::new(), sides: Vec::new() };
    let verdict = run.all();
    account.close();
    verdict
}

/// How many items a Map Run was recorded to have.
fn items(case: &Case) -> usize {
    let told = |step: &Step| step.expect.as_ref().and_then(|expect| expect["itemCounts"]["total"].as_u64());
    case.steps.iter().find_map(told).unwrap_or(0) as usize
}

struct Run<'a> {
    account: &'a Account,
    case: &'a Case,
    /// Actual answers, in the order of the steps.
    answers: Vec<Answer>,
    sides: Vec<Sides>,
}

impl Run<'_> {
    fn all(mut self) -> Verdict {
        let mut matcher = Matcher::new(self.case.masked(), self.case.later_members());
        let mut verbatim = matcher.with(Texts::Verbatim);
        let mut verdict = Verdict::passed();
        for step in &self.case.steps {
            let answer = match self.params(&step.params) {
                Ok(params) => self.ask(step, &params, &matcher),
                Err(reason) => {
                    verdict.strict = verdict.strict.and(Err(reason.clone()));
                    verdict.lenient = verdict.lenient.and(Err(reason));
                    break;
                }
            };
            let compared = compare(step, &answer, &mut matcher);
            if compared.is_err() {
                self.show(step, &answer);
            }
            verdict.verbatim = verdict.verbatim.and(compare(step, &answer, &mut verbatim));
            verdict.strict = verdict.strict.and(compared);
            verdict.lenient = verdict.lenient.and(compare_leniently(step, &answer, &matcher));
            self.answers.push(answer);
        }
        verdict.verbatim = verdict.strict.clone().and(verdict.verbatim);
        Verdict { sides: self.sides, ..verdict }
    }

    /// Asks until the answer is as recorded, or will not become so any more.
    fn ask(&self, step: &Step, params: &Value, matcher: &Matcher) -> Answer {
        let began = Instant::now();
        loop {
            let was_busy = self.account.is_busy();
            let answer = self.account.request(&step.op, params);
            let is_late = began.elapsed() > if was_busy { POLL_MAX } else { POLL_IDLE };
            if is_late || !is_reading(&step.op) || is_there(step, &answer, matcher) {
                return answer;
            }
            std::thread::sleep(POLL_PAUSE);
        }
    }

    /// The parameters with what earlier answers told filled in.
    fn params(&self, params: &Value) -> Result<Value, Reason> {
        Ok(match params {
            Value::String(text) => self.filled(text)?,
            Value::Array(items) => Value::Array(items.iter().map(|item| self.params(item)).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| Ok((name.clone(), self.params(value)?));
                Value::Object(members.iter().map(member).collect::<Result<Map<_, _>, Reason>>()?)
            }
            other => other.clone(),
        })
    }

    /// `${N.a.b.0}` alone is the value itself; inside a longer text it is that value's text.
    fn filled(&self, text: &str) -> Result<Value, Reason> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, path, after)) = reference(rest) {
            let value = self.earlier(path)?;
            if before.is_empty() && after.is_empty() && filled.is_empty() {
                return Ok(value.clone());
            }
            filled.push_str(&named(before));
            filled.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            rest = after;
        }
        filled.push_str(&named(rest));
        Ok(Value::String(filled))
    }

    fn earlier(&self, path: &str) -> Result<&Value, Reason> {
        let (number, path) = path.split_once('.').unwrap_or((path, ""));
        let missing = || Reason::new("an earlier answer lacks a member", format!("step {number} answered no {path}"));
        let at = self.case.steps.iter().position(|step| step.n.to_string() == number).ok_or_else(missing)?;
        let answer = self.answers.get(self.watched(at)).ok_or_else(missing)?;
        member(&answer.body, path).ok_or_else(missing)
    }

    /// A list that nobody looked at was asked for until a change showed, and on AWS its first answer was older than the
    /// change: what it told is what the last list that was looked at told.
    fn watched(&self, at: usize) -> usize {
        let steps = &self.case.steps;
        let is_watched = |step: &Step| step.op == steps[at].op && step.expect.is_some();
        match steps[at].op.starts_with("List") && steps[at].expect.is_none() {
            true => steps[..at].iter().rposition(is_watched).unwrap_or(at),
            false => at,
        }
    }

    fn show(&mut self, step: &Step, answer: &Answer) {
        let recorded = step.expect.as_ref().or(step.expect_error.as_ref()).cloned().unwrap_or(Value::Null);
        let title = format!("step {} {}", step.n, step.op);
        self.sides.push(Sides { title, recorded, found: text::rewrite(answer.body.clone()) });
    }
}

fn is_reading(operation: &str) -> bool {
    ["Describe", "Get", "List"].iter().any(|verb| operation.starts_with(verb))
}

/// Is the answer the one that was waited for? A history that was asked for without a look at it was watched for the
/// execution's end.
fn is_there(step: &Step, answer: &Answer, matcher: &Matcher) -> bool {
    if step.op == "GetExecutionHistory" && step.expect.is_none() && step.expect_error.is_none() {
        let last = answer.body["events"].as_array().and_then(|events| events.last());
        let kind = last.and_then(|event| event["type"].as_str()).unwrap_or_default();
        return answer.is_error() || (kind.starts_with("Execution") && kind != "ExecutionStarted");
    }
    compare(step, answer, &mut matcher.clone()).is_ok()
}

/// The text before a `${…}`, what it names, and the text after.
fn reference(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (path, after) = rest.split_once('}')?;
    path.starts_with(|c: char| c.is_ascii_digit()).then_some((before, path, after))
}

/// The value at `a.b.0`.
fn member<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

fn compare(step: &Step, answer: &Answer, matcher: &mut Matcher) -> Result<(), Reason> {
    compare_kind(step, answer)?;
    if let Some(status) = step.http_status.filter(|status| *status != answer.status) {
        let text = format!("{}: HTTP status {}, recorded {status}", of(step), answer.status);
        return Err(Reason::new(format!("{} differs: HTTP status", step.op), text));
    }
    let differs = |difference| {
        let reason = Reason::differs(&step.op, &difference);
        Reason { text: format!("step {} {}", step.n, reason.text), ..reason }
    };
    if let Some(expect) = &step.expect {
        let body = text::rewrite(answer.body.clone());
        let found = step.expect_path.as_deref().map_or(Some(&body), |path| member(&body, path)).unwrap_or(&Value::Null);
        let compared = match step.expect_subset {
            true => matcher.compare_subset(expect, found),
            false => matcher.compare(expect, found),
        };
        compared.map_err(differs)?;
    }
    if let Some(message) = step.expect_error.as_ref().and_then(|error| error.get("message")) {
        let found = Value::String(answer.error_message());
        matcher.compare(message, &found).map_err(|difference| differs(difference.within("message")))?;
    }
    Ok(())
}

/// An answer or an error, and which error.
fn compare_kind(step: &Step, answer: &Answer) -> Result<(), Reason> {
    let recorded = step.expect_error.as_ref();
    match (recorded, answer.is_error()) {
        (None, false) => Ok(()),
        (None, true) => Err(refused(step, answer)),
        (Some(error), false) => {
            let code = error["code"].as_str().unwrap_or("an error");
            let text = format!(
                "{}: recorded {code}: {}, found success",
                of(step),
                error["message"].as_str().unwrap_or_default()
            );
            Err(Reason::new(format!("{} accepts what AWS refuses with {code}", step.op), text))
        }
        (Some(error), true) => match error["code"].as_str() {
            Some(code) if answer.error_code().as_deref() != Some(code) => {
                let text = format!("{}: recorded {code}, found {}", of(step), answer.error_text());
                let cause = match is_unserved(answer) {
                    true => refused(step, answer).cause,
                    false => format!("{} differs: {code}, found {}", step.op, answer.error_code().unwrap_or_default()),
                };
                Err(Reason::new(cause, text))
            }
            _ => Ok(()),
        },
    }
}

fn of(step: &Step) -> String {
    format!("step {} {}", step.n, step.op)
}

fn is_unserved(answer: &Answer) -> bool {
    answer.error_code().as_deref() == Some("UnknownOperationException")
}

fn refused(step: &Step, answer: &Answer) -> Reason {
    if is_unserved(answer) {
        return Reason::new(format!("not served: {}", step.op), format!("step {}: {} is not served", step.n, step.op));
    }
    let machine = machine_type(step.params["type"].as_str());
    let definition = step.params["definition"].as_str().map(|definition| (definition, machine));
    Reason::refused(&of(step), answer, definition)
}

/// Answer or error, the error's name, and the members that tell how something ended.
fn compare_leniently(step: &Step, answer: &Answer, matcher: &Matcher) -> Result<(), Reason> {
    compare_kind(step, answer)?;
    let found = text::rewrite(answer.body.clone());
    for name in LENIENT {
        if let Some(recorded) = step.expect.as_ref().and_then(|expect| expect.get(*name)) {
            let compared = matcher.clone().compare(recorded, found.get(*name).unwrap_or(&Value::Null));
            compared.map_err(|difference| Reason::differs(&step.op, &difference.within(name)))?;
        }
    }
    Ok(())
}

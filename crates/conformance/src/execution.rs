//! Kinds `execution` and `execution-table`: create, start, answer tasks, compare.
//!
//! The outcome (status, output, error, cause) is the first level, the whole history and whatever else was recorded the
//! second. What the recording holds of other services (messages that a topic delivered, events that a task put on a
//! bus) is not the engine's and is left alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use asl::MachineType;
use interpreter::{Failure, Payload};
use serde_json::{Map, Value, json};

use crate::account::{Account, Answer, ROLE};
use crate::canonical::{Matcher, Texts, history, text};
use crate::case::{Case, definition_text, input_text, machine_type, named};
use crate::drive::{self, Hold, Plan};
use crate::objects::Objects;
use crate::tasks::Tasks;
use crate::verdict::{Reason, Sides, Verdict};

/// The name of the state machine under test; recordings have placeholders for it.
const MACHINE: &str = "conformance";

/// What of an execution is recorded and what was found of it.
struct Found {
    events: Vec<Value>,
    description: Answer,
    logged: Vec<Value>,
    changes: Vec<Value>,
}

pub fn check(case: &Case) -> Verdict {
    check_one(case, &case.definition, (!case.input_omitted).then_some(&case.input), &case.expected)
}

/// A table passes if every row does; the first that fails speaks for it.
pub fn check_table(case: &Case) -> Verdict {
    let mut all = Verdict::passed();
    for (index, row) in case.rows.iter().enumerate() {
        let one = check_one(case, &row.definition, Some(&row.input), &row.expected);
        let in_row = |reason: Reason| Reason { text: format!("row {index}: {}", reason.text), ..reason };
        all.strict = all.strict.and(one.strict.map_err(in_row));
        all.lenient = all.lenient.and(one.lenient.map_err(in_row));
        all.verbatim = all.verbatim.and(one.verbatim.map_err(in_row));
        all.sides.extend(one.sides);
    }
    all
}

fn check_one(case: &Case, definition: &Value, input: Option<&Value>, expected: &Value) -> Verdict {
    match judge(case, definition, input, expected) {
        Ok(verdict) => verdict,
        Err(reason) => Verdict::failed(reason),
    }
}

fn judge(case: &Case, definition: &Value, input: Option<&Value>, expected: &Value) -> Result<Verdict, Reason> {
    let account = Account::open(0)?;
    let matcher = Matcher::new(case.masked(), case.later_members());
    let mut tasks = Tasks::new(case, matcher.clone());
    let found = run(case, &account, definition, input, expected, &mut tasks);
    account.close();
    let found = found?;
    if let Some(reason) = tasks.unanswered {
        return Ok(Verdict { sides: found.sides(expected), ..Verdict::failed(reason) });
    }
    let everything = |texts| compare(&mut matcher.with(texts), expected, &found);
    let sent = tasks.sent_otherwise.map_or(Ok(()), Err);
    let strict = sent.and_then(|()| everything(Texts::Values));
    let verbatim = strict.clone().and_then(|()| everything(Texts::Verbatim));
    let lenient = match expected["status"].is_string() {
        true => outcome(&mut matcher.clone(), expected, &found.description.body, LENIENT),
        false => strict.clone(),
    };
    let sides = if strict.is_err() { found.sides(expected) } else { Vec::new() };
    Ok(Verdict { strict, verbatim, lenient, sides })
}

fn run(
    case: &Case,
    account: &Account,
    definition: &Value,
    input: Option<&Value>,
    expected: &Value,
    tasks: &mut Tasks<'_>,
) -> Result<Found, Reason> {
    for other in &case.other_state_machines {
        let machine = machine_type(other.machine_type.as_deref());
        create(account, &named(&other.name), &other.definition, machine, None)?;
    }
    // Whose end was read in a log had one that told everything.
    let everything = json!({ "level": "ALL", "includeExecutionData": true });
    let logging = case.logging.as_ref().or_else(|| expected.get("end_event").map(|_| &everything));
    let arn = create(account, MACHINE, definition, case.machine_type(), logging)?;
    let plan = Plan {
        machine: account.machine(&arn)?,
        name: name(expected),
        input: Payload::from_checked_text(input.map_or_else(|| "{}".to_owned(), |input| input_text(input, expected))),
        at: case.start(),
        hold: hold(case, expected)?,
    };
    let mut logged = Vec::new();
    for _ in 1..runs(expected) {
        logged.extend(drive::run(account, &plan, tasks, Objects::new(case, account.reader()))?.logged);
    }
    let seen = drive::run(account, &plan, tasks, Objects::new(case, account.reader()))?;
    logged.extend(seen.logged);
    if case.machine_type() == MachineType::Express {
        // It can be asked for nothing more: its caller and its log have been told everything.
        let end = seen.end.ok_or_else(|| Reason::plain("an Express execution did not end"))?;
        let description = Answer { status: 200, body: aws_states::sync_answer(&end, true, None) };
        return Ok(Found { events: Vec::new(), description, logged, changes: seen.changes });
    }
    let events = account.history(&seen.execution_arn)?;
    let description = account.request("DescribeExecution", &json!({ "executionArn": seen.execution_arn }));
    match description.is_error() {
        true => Err(Reason::refused("DescribeExecution", &description, None)),
        false => Ok(Found { events, description, logged, changes: seen.changes }),
    }
}

/// The execution's name, where the recording tells it.
fn name(expected: &Value) -> Option<Arc<str>> {
    let name = expected["stepfunctions_events"][0]["detail"]["name"].as_str()?;
    (!name.starts_with('<')).then(|| name.into())
}

/// A recorded log may hold several executions of the machine, one after another.
fn runs(expected: &Value) -> usize {
    let recorded = expected["logged_execution_events"].as_array().into_iter().flatten();
    let arns: BTreeSet<&str> = recorded.filter_map(|record| record["execution_arn"].as_str()).collect();
    arns.len().max(1)
}

fn create(
    account: &Account,
    name: &str,
    definition: &Value,
    machine: MachineType,
    logging: Option<&Value>,
) -> Result<String, Reason> {
    let definition = definition_text(definition);
    let type_name = if machine == MachineType::Express { "EXPRESS" } else { "STANDARD" };
    let mut params = json!({ "name": name, "definition": definition, "roleArn": ROLE, "type": type_name });
    if let Some(logging) = logging {
        params["loggingConfiguration"] = logging_configuration(logging);
    }
    let answer = account.request("CreateStateMachine", &params);
    match answer.body["stateMachineArn"].as_str() {
        Some(arn) if !answer.is_error() => Ok(arn.to_owned()),
        _ => Err(Reason::refused("CreateStateMachine", &answer, Some((&definition, machine)))),
    }
}

/// AWS wants to be told where the logs go.
fn logging_configuration(logging: &Value) -> Value {
    let mut logging = logging.clone();
    let group = "arn:aws:logs:us-east-1:111111111111:log-group:conformance:*";
    logging["destinations"] = json!([{ "cloudWatchLogsLogGroup": { "logGroupArn": group } }]);
    logging
}

/// Calls that the task results tell already, and calls that change nothing.
const REPLAYED: &[&str] = &[
    "SendTaskSuccess",
    "SendTaskFailure",
    "SendTaskHeartbeat",
    "GetActivityTask",
    "DescribeExecution",
    "GetExecutionHistory",
];

/// When the recording ends before the execution does.
fn hold(case: &Case, expected: &Value) -> Result<Option<Hold>, Reason> {
    let recorded = expected["events"].as_array().map_or(0, Vec::len);
    let operation = |call: &Value| call["op"].as_str().unwrap_or_default().to_owned();
    let calls = case.external_calls.iter().map(|call| (operation(call), call));
    let (stops, others): (Vec<_>, Vec<_>) = calls.partition(|(operation, _)| operation == "StopExecution");
    if let Some((operation, _)) = others.iter().find(|(operation, _)| !REPLAYED.contains(&operation.as_str())) {
        return Err(Reason::plain(format!("this runner does not replay the outside call {operation}")));
    }
    if stops.is_empty() && expected["status"] != "ABORTED" {
        if ["logged_execution_events", "stepfunctions_events"].iter().any(|member| expected.get(member).is_some()) {
            return Ok(None);
        }
        return Ok(expected["status"].is_null().then_some(Hold { events: recorded, stop: None }));
    }
    let given = |member: &str| {
        let told = stops.first().map_or(&Value::Null, |(_, call)| &call["params"][member]);
        told.as_str().or(expected[member].as_str()).map(Into::into)
    };
    let failure = Failure { error: given("error"), cause: given("cause") };
    // What the stop itself adds: ExecutionAborted, and what it aborts.
    let is_abort = |event: &&Value| event["type"].as_str().is_some_and(|name| name.ends_with("Aborted"));
    let aborts = expected["events"].as_array().into_iter().flatten().filter(is_abort).count();
    Ok(Some(Hold { events: recorded.saturating_sub(aborts), stop: Some(failure) }))
}

const STRICT: &[&str] = &["status", "output", "error", "cause"];
const LENIENT: &[&str] = &["status", "output", "error"];

fn compare(matcher: &mut Matcher, expected: &Value, found: &Found) -> Result<(), Reason> {
    if let Some(events) = expected["events"].as_array() {
        let found: Vec<Value> = found.events.iter().cloned().map(text::rewrite).collect();
        history::compare(matcher, events, &found).map_err(|difference| Reason::differs("history", &difference))?;
    }
    if expected["status"].is_string() {
        outcome(matcher, expected, &found.description.body, STRICT)?;
    }
    if let Some(recorded) = expected.get("describe_execution") {
        let compared = matcher.compare(recorded, &text::rewrite(found.description.body.clone()));
        compared.map_err(|difference| Reason::differs("DescribeExecution", &difference))?;
    }
    let found_end = found.logged.last().cloned().unwrap_or_default();
    for (member, found, what) in [
        ("logged_execution_events", Value::Array(found.logged.clone()), "execution log"),
        ("end_event", found_end, "end of the execution log"),
        ("stepfunctions_events", Value::Array(found.changes.clone()), "status change events"),
    ] {
        let Some(recorded) = expected.get(member).filter(|recorded| is_ours(member, recorded)) else { continue };
        let compared = matcher.compare(&unmasked(recorded), &text::rewrite(found));
        compared.map_err(|difference| Reason::differs(what, &difference))?;
    }
    if let Some(recorded) = expected.get("sync_execution") {
        let mut found = text::rewrite(found.description.body.clone());
        as_long_as(&mut found, recorded);
        let compared = matcher.compare(recorded, &found);
        compared.map_err(|difference| Reason::differs("StartSyncExecution", &difference))?;
    }
    Ok(())
}

/// How long an execution took on AWS is not ours to repeat; that it is told in steps of 100 ms is.
fn as_long_as(found: &mut Value, recorded: &Value) {
    const BILLED: &str = "/billingDetails/billedDurationInMilliseconds";
    let is_stepped = |value: &Value| value.as_u64().is_some_and(|ms| ms > 0 && ms % 100 == 0);
    if let (Some(found), Some(recorded)) = (found.pointer_mut(BILLED), recorded.pointer(BILLED))
        && is_stepped(found)
        && is_stepped(recorded)
    {
        *found = recorded.clone();
    }
}

/// The recording masks when an execution stopped also while it is running, where AWS documents null.
fn unmasked(recorded: &Value) -> Value {
    let mut recorded = recorded.clone();
    for event in recorded.as_array_mut().into_iter().flatten() {
        if event["detail"]["status"] == "RUNNING" {
            event["detail"]["stopDate"] = Value::Null;
        }
    }
    recorded
}

/// What tasks put on a bus is not the engine's.
fn is_ours(member: &str, recorded: &Value) -> bool {
    let is_status_change = |event: &Value| event["detail-type"] == "Step Functions Execution Status Change";
    member != "stepfunctions_events" || recorded.as_array().is_some_and(|all| all.iter().any(is_status_change))
}

fn outcome(matcher: &mut Matcher, expected: &Value, description: &Value, members: &[&str]) -> Result<(), Reason> {
    let recorded = pick(expected, members);
    let mut found = text::rewrite(pick(description, members));
    // Some outputs that are arrays were recorded as values.
    if recorded["output"].is_array()
        && let Some(parsed) = found["output"].as_str().and_then(text::parse)
    {
        found["output"] = parsed;
    }
    matcher.compare(&recorded, &found).map_err(|difference| {
        let told = ["error", "cause"].iter().filter_map(|member| description[*member].as_str()).collect::<Vec<_>>();
        let mut reason = Reason::differs("outcome", &difference);
        if difference.path == ["status"] {
            reason = Reason::new(reason.cause, format!("{} {}", reason.text, told.join(": ")).trim_end().to_owned());
        }
        reason
    })
}

fn pick(value: &Value, members: &[&str]) -> Value {
    let member = |name: &&str| value.get(*name).map(|member| ((*name).to_owned(), member.clone()));
    Value::Object(members.iter().filter_map(member).collect::<Map<_, _>>())
}

impl Found {
    fn sides(&self, expected: &Value) -> Vec<Sides> {
        let side = |title: &str, recorded: Value, found: Value| Sides {
            title: title.into(),
            recorded,
            found: text::rewrite(found),
        };
        let mut sides = vec![side("outcome", pick(expected, STRICT), pick(&self.description.body, STRICT))];
        if let Some(events) = expected.get("events") {
            sides.push(side("history", events.clone(), Value::Array(self.events.clone())));
        }
        sides
    }
}

//! The rules there are, and EventBridge's operations on them. Schedules of EventBridge Scheduler are kept here too: each is a
//! rule with one target that nobody's event fires.
//!
//! A rule belongs to a bus, and every bus exists. What is said of a rule is checked when it is said: a rule that is kept can
//! be carried out.

use aws_patterns::Pattern;
use aws_protocol::{Error, Home};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::input::{Input, Transformer};
use crate::schedule::{self, Schedule};

/// What `X-Amz-Target` begins with.
pub const TARGET_PREFIX: &str = "AWSEvents.";
/// AWS's quotas.
const RULES_MAX: usize = 300;
const TARGETS_MAX: usize = 5;
const NAME_MAX: usize = 64;
const DEFAULT_BUS: &str = "default";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub name: String,
    pub arn: String,
    /// The bus's name; none for a schedule of EventBridge Scheduler.
    pub bus: Option<String>,
    pub description: Option<String>,
    pub role_arn: Option<String>,
    /// JSON.
    pub pattern: Option<String>,
    pub schedule: Option<String>,
    pub is_enabled: bool,
    /// Milliseconds since 1970. Rates count from here, and no earlier event fires the rule.
    pub created_ms: i64,
    pub last_fired_ms: Option<i64>,
    /// Of a schedule: it fires neither before nor after.
    pub start_ms: Option<i64>,
    pub end_ms: Option<i64>,
    pub targets: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub id: String,
    pub arn: String,
    pub input: Input,
    /// Tries after the first.
    pub retries: Option<u32>,
    /// The ARN of a queue.
    pub dead_letters: Option<String>,
    /// As it was put, for who asks.
    said: Value,
}

type Run = fn(&mut Book, &Value, &Home, i64) -> Result<Value, Error>;

const OPERATIONS: &[(&str, Run)] = &[
    ("DeleteRule", Book::delete_rule),
    ("DescribeRule", Book::describe_rule),
    ("DisableRule", |book, body, _, _| book.set_enabled(body, false)),
    ("EnableRule", |book, body, _, _| book.set_enabled(body, true)),
    ("ListRuleNamesByTarget", Book::names_by_target),
    ("ListRules", Book::list_rules),
    ("ListTargetsByRule", Book::list_targets),
    ("PutRule", Book::put_rule),
    ("PutTargets", Book::put_targets),
    ("RemoveTargets", Book::remove_targets),
    ("TestEventPattern", Book::test_pattern),
];

/// Whether this is an operation of rules.
pub fn is_served(operation: &str) -> bool {
    OPERATIONS.iter().any(|(name, _)| *name == operation)
}

impl Book {
    /// Carries an operation out.
    pub fn call(&mut self, operation: &str, body: &Value, home: &Home, now_ms: i64) -> Result<Value, Error> {
        match OPERATIONS.iter().find(|(name, _)| *name == operation) {
            Some((_, run)) => run(self, body, home, now_ms),
            None => Err(Error::client("UnknownOperationException", format!("{operation} is not served"))),
        }
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub fn get(&self, arn: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.arn == arn)
    }

    pub fn remove(&mut self, arn: &str) {
        self.rules.retain(|rule| rule.arn != arn);
    }

    /// Puts a schedule of EventBridge Scheduler, by CreateSchedule's members.
    pub fn put_schedule(&mut self, arn: &str, body: &Value, now_ms: i64) -> Result<(), Error> {
        let name = text(body, "Name")?.ok_or_else(|| invalid("Name is missing"))?;
        let expression = text(body, "ScheduleExpression")?.ok_or_else(|| invalid("ScheduleExpression is missing"))?;
        Schedule::parse(&expression).map_err(invalid)?;
        if let Some(zone) = text(body, "ScheduleExpressionTimezone")?.filter(|zone| !is_utc(zone)) {
            return Err(invalid(format!("the time zone {zone} is not served: write the schedule in UTC")));
        }
        let moment = |member: &str| match text(body, member)? {
            None => Ok(None),
            Some(text) => {
                let plain = text.trim_end_matches('Z').split('.').next().unwrap_or_default().to_owned();
                schedule::at(&plain).map(Some).ok_or_else(|| invalid(format!("{member} {text} is no moment in UTC")))
            }
        };
        let (start_ms, end_ms) = (moment("StartDate")?, moment("EndDate")?);
        let mut said = body["Target"].clone();
        said["Id"] = "schedule".into();
        let targets = vec![target(&said)?];
        let before = self.get(arn).cloned();
        let is_as_it_was = before.as_ref().is_some_and(|rule| rule.schedule.as_deref() == Some(&expression));
        let rule = Rule {
            name,
            arn: arn.to_owned(),
            bus: None,
            description: text(body, "Description")?,
            role_arn: None,
            pattern: None,
            schedule: Some(expression),
            is_enabled: text(body, "State")?.as_deref() != Some("DISABLED"),
            created_ms: before.as_ref().filter(|_| is_as_it_was).map_or(now_ms, |rule| rule.created_ms),
            last_fired_ms: before.and_then(|rule| rule.last_fired_ms),
            start_ms,
            end_ms,
            targets,
        };
        self.keep(rule)
    }

    /// Notes a firing.
    pub fn fired(&mut self, arn: &str, at_ms: i64) {
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule.arn == arn) {
            rule.last_fired_ms = Some(at_ms);
        }
    }

    /// The schedules' next moment after one, with the rules that fire then.
    pub fn next(&self, after_ms: i64) -> Option<(i64, Vec<&Rule>)> {
        let due = |rule: &Rule| rule.next(after_ms);
        let first = self.rules.iter().filter_map(due).min()?;
        Some((first, self.rules.iter().filter(|rule| due(rule) == Some(first)).collect()))
    }

    fn keep(&mut self, rule: Rule) -> Result<(), Error> {
        let count = self.rules.len();
        match self.rules.iter_mut().find(|known| known.arn == rule.arn) {
            Some(known) => *known = rule,
            None if count >= RULES_MAX => {
                return Err(Error::client("LimitExceededException", format!("there are {RULES_MAX} rules already")));
            }
            None => self.rules.push(rule),
        }
        Ok(())
    }

    fn put_rule(&mut self, body: &Value, home: &Home, now_ms: i64) -> Result<Value, Error> {
        let name = text(body, "Name")?.ok_or_else(|| invalid("1 validation error detected: Value null at 'name'"))?;
        let is_good = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(is_good) {
            return Err(invalid(format!(
                "\"{name}\" is no name of a rule: letters, digits, . - _, at most {NAME_MAX}"
            )));
        }
        let (pattern, schedule) = (text(body, "EventPattern")?, text(body, "ScheduleExpression")?);
        if pattern.is_none() && schedule.is_none() {
            return Err(invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."));
        }
        if let Some(pattern) = &pattern {
            parse_pattern(pattern)?;
        }
        let bus = bus(body)?;
        if let Some(schedule) = &schedule {
            let is_at = matches!(Schedule::parse(schedule).map_err(invalid)?, Schedule::At(_));
            if is_at {
                return Err(invalid("Parameter ScheduleExpression is not valid."));
            }
            if bus != DEFAULT_BUS {
                return Err(invalid("ScheduleExpression is supported only on the default event bus."));
            }
        }
        let arn = arn(home, &bus, &name);
        let before = self.get(&arn).cloned();
        let is_as_it_was = before.as_ref().is_some_and(|rule| rule.schedule == schedule && rule.pattern == pattern);
        let rule = Rule {
            name,
            arn: arn.clone(),
            bus: Some(bus),
            description: text(body, "Description")?,
            role_arn: text(body, "RoleArn")?,
            pattern,
            schedule,
            is_enabled: text(body, "State")?.as_deref() != Some("DISABLED"),
            created_ms: before.as_ref().filter(|_| is_as_it_was).map_or(now_ms, |rule| rule.created_ms),
            last_fired_ms: before.as_ref().and_then(|rule| rule.last_fired_ms),
            start_ms: None,
            end_ms: None,
            targets: before.map_or(Vec::new(), |rule| rule.targets),
        };
        self.keep(rule)?;
        Ok(json!({ "RuleArn": arn }))
    }

    /// The rule that a request names.
    fn named(&mut self, body: &Value, member: &str) -> Result<&mut Rule, Error> {
        let (name, bus) = (text(body, member)?.unwrap_or_default(), bus(body)?);
        let is_meant = |rule: &&mut Rule| rule.name == name && rule.bus.as_ref() == Some(&bus);
        let missing = format!("Rule {name} does not exist on EventBus {bus}.");
        self.rules.iter_mut().find(is_meant).ok_or_else(|| Error::client("ResourceNotFoundException", missing))
    }

    fn describe_rule(&mut self, body: &Value, home: &Home, _: i64) -> Result<Value, Error> {
        let rule = self.named(body, "Name")?;
        let mut shown = rule.shown();
        shown["CreatedBy"] = home.account.as_str().into();
        Ok(shown)
    }

    fn list_rules(&mut self, body: &Value, _: &Home, _: i64) -> Result<Value, Error> {
        let (prefix, bus) = (text(body, "NamePrefix")?.unwrap_or_default(), bus(body)?);
        let is_meant = |rule: &&Rule| rule.name.starts_with(&prefix) && rule.bus.as_ref() == Some(&bus);
        let mut rules: Vec<&Rule> = self.rules.iter().filter(is_meant).collect();
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(json!({ "Rules": rules.into_iter().map(Rule::shown).collect::<Vec<_>>() }))
    }

    fn set_enabled(&mut self, body: &Value, is_enabled: bool) -> Result<Value, Error> {
        self.named(body, "Name")?.is_enabled = is_enabled;
        Ok(json!({}))
    }

    /// One that is not there is deleted already.
    fn delete_rule(&mut self, body: &Value, _: &Home, _: i64) -> Result<Value, Error> {
        let Ok(rule) = self.named(body, "Name") else { return Ok(json!({})) };
        if !rule.targets.is_empty() {
            return Err(invalid("Rule can't be deleted since it has targets."));
        }
        let arn = rule.arn.clone();
        self.remove(&arn);
        Ok(json!({}))
    }

    fn put_targets(&mut self, body: &Value, _: &Home, _: i64) -> Result<Value, Error> {
        let listed = body["Targets"].as_array().cloned().unwrap_or_default();
        let targets = listed.iter().map(target).collect::<Result<Vec<_>, _>>()?;
        let rule = self.named(body, "Rule")?;
        let mut all = rule.targets.clone();
        for target in targets {
            match all.iter_mut().find(|known| known.id == target.id) {
                Some(known) => *known = target,
                None => all.push(target),
            }
        }
        if all.len() > TARGETS_MAX {
            let message = "The requested resource exceeds the maximum number allowed.";
            return Err(Error::client("LimitExceededException", message));
        }
        rule.targets = all;
        Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
    }

    fn remove_targets(&mut self, body: &Value, _: &Home, _: i64) -> Result<Value, Error> {
        let ids: Vec<String> =
            body["Ids"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        self.named(body, "Rule")?.targets.retain(|target| !ids.contains(&target.id));
        Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
    }

    fn list_targets(&mut self, body: &Value, _: &Home, _: i64) -> Result<Value, Error> {
        let rule = self.named(body, "Rule")?;
        Ok(json!({ "Targets": rule.targets.iter().map(|target| target.said.clone()).collect::<Vec<_>>() }))
    }

    fn names_by_target(&mut self, body: &Value, _: &Home, _: i64) -> Result<Value, Error> {
        let (arn, bus) = (text(body, "TargetArn")?.unwrap_or_default(), bus(body)?);
        let has = |rule: &&Rule| rule.bus.as_ref() == Some(&bus) && rule.targets.iter().any(|target| target.arn == arn);
        Ok(json!({ "RuleNames": self.rules.iter().filter(has).map(|rule| rule.name.clone()).collect::<Vec<_>>() }))
    }

    fn test_pattern(&mut self, body: &Value, _: &Home, _: i64) -> Result<Value, Error> {
        let pattern = parse_pattern(&text(body, "EventPattern")?.unwrap_or_default())?;
        let event = text(body, "Event")?.unwrap_or_default();
        let event: Value = serde_json::from_str(&event).map_err(|_| invalid("Parameter Event is not valid."))?;
        Ok(json!({ "Result": pattern.matches(&event) }))
    }
}

impl Rule {
    /// When it fires next after a moment, if it is a schedule.
    pub fn next(&self, after_ms: i64) -> Option<i64> {
        let schedule = Schedule::parse(self.schedule.as_deref()?).ok().filter(|_| self.is_enabled)?;
        let after = self.start_ms.map_or(after_ms, |start| after_ms.max(start - 1));
        schedule.next(after, self.created_ms).filter(|at| self.end_ms.is_none_or(|end| *at <= end))
    }

    /// Whether an event fires it.
    pub fn matches(&self, event: &Value) -> bool {
        let pattern = self.pattern.as_deref().filter(|_| self.is_enabled).and_then(|text| parse_pattern(text).ok());
        pattern.is_some_and(|pattern| pattern.matches(event))
    }

    fn shown(&self) -> Value {
        let members = [
            ("Name", Some(self.name.as_str())),
            ("Arn", Some(self.arn.as_str())),
            ("EventPattern", self.pattern.as_deref()),
            ("ScheduleExpression", self.schedule.as_deref()),
            ("State", Some(if self.is_enabled { "ENABLED" } else { "DISABLED" })),
            ("Description", self.description.as_deref()),
            ("RoleArn", self.role_arn.as_deref()),
            ("EventBusName", self.bus.as_deref()),
        ];
        members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// Services whose things a rule can have as a target.
const TARGETS: &[&str] = &["lambda", "states", "sqs", "sns"];

fn target(said: &Value) -> Result<Target, Error> {
    let member = |name: &str| text(said, name)?.ok_or_else(|| invalid(format!("a target needs {name}")));
    let (id, arn) = (member("Id")?, member("Arn")?);
    let service = arn.split(':').nth(2).unwrap_or_default();
    if !arn.starts_with("arn:") || !TARGETS.contains(&service) || arn.contains(":::") {
        let help = "served: functions, state machines, queues and topics";
        return Err(invalid(format!("the target {arn} is not served; {help}")));
    }
    let transformer = &said["InputTransformer"];
    let input = match (text(said, "Input")?, text(said, "InputPath")?, transformer.is_null()) {
        (None, None, true) => Input::Event,
        (Some(text), None, true) => Input::Constant(text),
        (None, Some(path), true) => Input::Path(path),
        (None, None, false) => Input::Transformed(Transformer {
            paths: transformer["InputPathsMap"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, path)| (name.clone(), path.as_str().unwrap_or_default().to_owned()))
                .collect(),
            template: text(transformer, "InputTemplate")?
                .ok_or_else(|| invalid("InputTransformer needs InputTemplate"))?,
        }),
        _ => {
            return Err(invalid(format!(
                "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
            )));
        }
    };
    if let Some(fault) = input.fault() {
        return Err(invalid(format!("the target {id}: {fault}")));
    }
    let retries = said["RetryPolicy"]["MaximumRetryAttempts"].as_u64().and_then(|count| u32::try_from(count).ok());
    let dead_letters = text(&said["DeadLetterConfig"], "Arn")?;
    Ok(Target { id, arn, input, retries, dead_letters, said: said.clone() })
}

fn parse_pattern(text: &str) -> Result<Pattern, Error> {
    let refuse = |why: String| {
        Error::client("InvalidEventPatternException", format!("Event pattern is not valid. Reason: {why}"))
    };
    let value: Value = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    Pattern::parse(&value).map_err(refuse)
}

fn arn(home: &Home, bus: &str, name: &str) -> String {
    match bus {
        DEFAULT_BUS => home.arn("events", &format!("rule/{name}")),
        _ => home.arn("events", &format!("rule/{bus}/{name}")),
    }
}

/// The name of the bus that is meant: by its name or its ARN.
fn bus(body: &Value) -> Result<String, Error> {
    let given = text(body, "EventBusName")?.unwrap_or_else(|| DEFAULT_BUS.to_owned());
    Ok(given.rsplit_once("event-bus/").map_or(given.clone(), |(_, name)| name.to_owned()))
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Etc/UTC" | "Etc/GMT" | "GMT" | "Universal" | "Zulu")
}

/// A member that is a text, if it is there.
fn text(body: &Value, member: &str) -> Result<Option<String>, Error> {
    match &body[member] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(Error::client("SerializationException", format!("{member} must be a string"))),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::client("ValidationException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    /// Calls in their order, each with the answer, or the error's name and text.
    fn check(calls: &[(&str, Value, Result<Value, &str>)]) {
        let (mut book, home) = (Book::default(), Home::default());
        for (operation, body, expect) in calls {
            let found = book.call(operation, body, &home, 1_000);
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found.as_ref().map_err(String::as_str), expect.as_ref().map_err(|e| *e), "{operation} {body}");
            let kept: Book = serde_json::from_value(serde_json::to_value(&book).unwrap()).unwrap();
            assert_eq!(kept, book);
        }
    }

    #[test]
    fn the_life_of_a_rule() {
        let arn = "arn:aws:events:us-east-1:000000000000:rule/ended";
        let pattern = r#"{"source":["aws.states"]}"#;
        let put = json!({ "Name": "ended", "EventPattern": pattern, "Description": "d" });
        let shown = |state: &str| json!({ "Name": "ended", "Arn": arn, "EventPattern": pattern, "State": state, "Description": "d", "EventBusName": "default" });
        let mut described = shown("ENABLED");
        described["CreatedBy"] = "000000000000".into();
        let target = json!({ "Id": "1", "Arn": FUNCTION, "InputPath": "$.detail" });
        let fine = json!({ "FailedEntryCount": 0, "FailedEntries": [] });
        let name = json!({ "Name": "ended" });
        check(&[
            ("PutRule", put.clone(), Ok(json!({ "RuleArn": arn }))),
            ("DescribeRule", name.clone(), Ok(described)),
            ("DisableRule", name.clone(), Ok(json!({}))),
            ("ListRules", json!({ "NamePrefix": "en" }), Ok(json!({ "Rules": [shown("DISABLED")] }))),
            ("ListRules", json!({ "NamePrefix": "x" }), Ok(json!({ "Rules": [] }))),
            ("PutTargets", json!({ "Rule": "ended", "Targets": [target] }), Ok(fine.clone())),
            ("PutRule", put, Ok(json!({ "RuleArn": arn }))),
            ("ListTargetsByRule", json!({ "Rule": "ended" }), Ok(json!({ "Targets": [target] }))),
            ("ListRuleNamesByTarget", json!({ "TargetArn": FUNCTION }), Ok(json!({ "RuleNames": ["ended"] }))),
            ("DeleteRule", name.clone(), Err("ValidationException: Rule can't be deleted since it has targets.")),
            ("RemoveTargets", json!({ "Rule": "ended", "Ids": ["1"] }), Ok(fine)),
            ("DeleteRule", name.clone(), Ok(json!({}))),
            ("DeleteRule", name.clone(), Ok(json!({}))),
            ("DescribeRule", name, Err("ResourceNotFoundException: Rule ended does not exist on EventBus default.")),
        ]);
    }

    #[test]
    fn what_is_said_of_a_rule_is_checked() {
        let rule = |more: Value| {
            let mut body = json!({ "Name": "r", "ScheduleExpression": "rate(1 minute)" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let target = |more: Value| {
            let mut target = json!({ "Id": "1", "Arn": FUNCTION });
            target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "Rule": "r", "Targets": [target] })
        };
        check(&[
            (
                "PutRule",
                json!({ "Name": "r" }),
                Err("ValidationException: Parameter(s) EventPattern or ScheduleExpression must be specified."),
            ),
            (
                "PutRule",
                rule(json!({ "Name": "a b" })),
                Err("ValidationException: \"a b\" is no name of a rule: letters, digits, . - _, at most 64"),
            ),
            (
                "PutRule",
                rule(json!({ "ScheduleExpression": "rate(1 minutes)" })),
                Err(
                    "ValidationException: rate(1 minutes): write rate(1 minute), rate(5 minutes), of minutes, hours or days",
                ),
            ),
            (
                "PutRule",
                rule(json!({ "ScheduleExpression": "at(2030-01-01T00:00:00)" })),
                Err("ValidationException: Parameter ScheduleExpression is not valid."),
            ),
            (
                "PutRule",
                rule(json!({ "EventBusName": "own" })),
                Err("ValidationException: ScheduleExpression is supported only on the default event bus."),
            ),
            (
                "PutRule",
                rule(json!({ "EventPattern": "{}" })),
                Err(
                    "InvalidEventPatternException: Event pattern is not valid. Reason: a pattern names at least one field",
                ),
            ),
            (
                "PutTargets",
                target(json!({})),
                Err("ResourceNotFoundException: Rule r does not exist on EventBus default."),
            ),
            ("PutRule", rule(json!({})), Ok(json!({ "RuleArn": "arn:aws:events:us-east-1:000000000000:rule/r" }))),
            (
                "PutTargets",
                target(json!({ "Arn": "arn:aws:ecs:r:1:cluster/c" })),
                Err(
                    "ValidationException: the target arn:aws:ecs:r:1:cluster/c is not served; served: functions, state machines, queues and topics",
                ),
            ),
            (
                "PutTargets",
                target(json!({ "Input": "{}", "InputPath": "$" })),
                Err(
                    "ValidationException: Only one of Input, InputPath, or InputTransformer must be provided for target 1.",
                ),
            ),
            (
                "PutTargets",
                target(json!({ "InputPath": "detail" })),
                Err(
                    "ValidationException: the target 1: the path detail is not served: write $.detail.name or $.resources[0]",
                ),
            ),
            (
                "TestEventPattern",
                json!({ "EventPattern": r#"{"a":[1]}"#, "Event": r#"{"a":1}"# }),
                Ok(json!({ "Result": true })),
            ),
            ("PutPermission", json!({}), Err("UnknownOperationException: PutPermission is not served")),
        ]);
    }

    #[test]
    fn the_next_firing_of_all() {
        let (mut book, home) = (Book::default(), Home::default());
        let mut rule = |name: &str, schedule: &str, state: &str| {
            let body = json!({ "Name": name, "ScheduleExpression": schedule, "State": state });
            book.call("PutRule", &body, &home, 0).unwrap();
        };
        rule("five", "rate(5 minutes)", "ENABLED");
        rule("two", "rate(2 minutes)", "ENABLED");
        rule("off", "rate(1 minute)", "DISABLED");
        let target = json!({ "Arn": FUNCTION });
        let body = json!({ "Name": "once", "ScheduleExpression": "at(1970-01-01T00:04:00)", "Target": target });
        book.put_schedule("arn:once", &body, 0).unwrap();
        let body = json!({ "Name": "span", "ScheduleExpression": "rate(1 minute)", "Target": target, "StartDate": "1970-01-01T00:09:00Z", "EndDate": "1970-01-01T00:10:00Z" });
        book.put_schedule("arn:span", &body, 0).unwrap();
        let check = |after_minutes: i64, expect: Option<(i64, &[&str])>| {
            let found = book.next(after_minutes * 60_000);
            let found =
                found.map(|(at, rules)| (at / 60_000, rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>()));
            assert_eq!(found, expect.map(|(at, names)| (at, names.to_vec())));
        };
        check(0, Some((2, &["two"])));
        check(2, Some((4, &["two", "once"])));
        check(4, Some((5, &["five"])));
        check(8, Some((9, &["span"])));
        check(9, Some((10, &["five", "two", "span"])));
        check(10, Some((12, &["two"])));
        let body = json!({ "Name": "z", "ScheduleExpression": "rate(1 minute)", "ScheduleExpressionTimezone": "Europe/Rome", "Target": target });
        let refused = book.clone().put_schedule("arn:z", &body, 0).unwrap_err().message;
        assert_eq!(refused, "the time zone Europe/Rome is not served: write the schedule in UTC");
    }
}

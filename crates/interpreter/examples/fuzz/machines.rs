//! Definitions: read when they are damaged, run when they are not.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use asl::definition::{Kind, Pattern, Resource};
use asl::{Definition, Graph, MachineType, Severity};
use interpreter::{
    About, Command, Execution, Failure, Input, InputKind, Payload, Phase, Rejected, Setting, TaskId, TimerId,
    Timestamp, step,
};
use serde_json::{Map, Value, json};

use crate::Corpus;
use crate::documents;
use crate::expressions::{call_text, jsonata_text, path_text};
use crate::random::Random;

/// Inputs of one run. What is left open then is answered until it ends.
const ACTS_MAX: usize = 40;
/// More than any drawn machine needs to end when everything is answered.
const ANSWERS_MAX: usize = 20_000;

const PIECES: &str = "{ } [ ] , : \" \"States\":{ \"Type\": \"Next\": \"End\":true \"Choices\":[ \"QueryLanguage\":\"JSONata\" \
     \"{%_$states.input_%}\" \"$.a\" \"x.$\" null true 1e999 -1 99999999999999999999 \"Retry\":[{}] \"Catch\": \"\\ud800\" \
     \"Parameters\":{} \"Assign\":{ \"Comment\": \\ é";

/// A text is answered with a definition or with reasons that have a place in it.
pub fn parser(random: &mut Random, corpus: &Corpus) -> Result<&'static str, String> {
    let text = if !corpus.texts.is_empty() && random.is(60) {
        random.of_list(&corpus.texts).clone()
    } else {
        drawn(random).to_string()
    };
    let text = if random.is(85) { random.mutated(&text, PIECES) } else { text };
    crate::show(&text);
    let machine = if random.is(80) { MachineType::Standard } else { MachineType::Express };
    match asl::parse_as(&text, machine) {
        Ok(parsed) => {
            if parsed.definition.states.len() != Graph::of(&parsed.definition).nodes.len() {
                return Err(format!("the graph has other states than {text}"));
            }
            asl::variable_references(&parsed.definition);
            Ok("accepted")
        }
        Err(found) => {
            let is_sound = |it: &asl::Diagnostic| {
                (it.pointer.is_empty() || it.pointer.starts_with('/')) && (it.line > 0 || it.pointer.is_empty())
            };
            if !found.iter().any(|it| it.severity == Severity::Error) || !found.iter().all(is_sound) {
                return Err(format!("{found:?} of {text}"));
            }
            asl::aws_message(&found);
            Ok("refused")
        }
    }
}

/// A run of a legal definition keeps the rules whatever happens to it, and ends when all is answered.
pub fn steps(random: &mut Random, corpus: &Corpus) -> Result<&'static str, String> {
    let drawn_text;
    let drawn_definition;
    let (definition, text) = if random.is(30) && !runnable(corpus).is_empty() {
        let definition = random.of_list(runnable(corpus));
        (definition, &*definition.text)
    } else {
        drawn_text = drawn(random).to_string();
        match asl::parse(&drawn_text) {
            Ok(parsed) => drawn_definition = parsed.definition,
            // An expression was drawn that is refused where it stands.
            Err(_) => return Ok("refused"),
        }
        (&drawn_definition, &*drawn_text)
    };
    crate::show(text);
    let mut run = Run::of(definition, Payload::from_value(documents::document(random)), random.number());
    let outcome = run.whole(random);
    outcome.map_err(|broken| format!("{broken}, with the input {} of {text}", run.about.input.text()))
}

fn runnable(corpus: &Corpus) -> &'static [Definition] {
    static RUNNABLE: OnceLock<Vec<Definition>> = OnceLock::new();
    RUNNABLE.get_or_init(|| {
        let parsed = corpus.texts.iter().filter_map(|text| asl::parse(text).ok());
        parsed.map(|parsed| parsed.definition).filter(|definition| !may_go_round(definition)).collect()
    })
}

/// Could it go on for ever, however it is answered?
fn may_go_round(definition: &Definition) -> bool {
    let graph = Graph::of(definition);
    let mut left: Vec<usize> = vec![0; graph.nodes.len()];
    graph.edges.iter().for_each(|edge| left[edge.to.0 as usize] += 1);
    let mut free: Vec<usize> = (0..left.len()).filter(|at| left[*at] == 0).collect();
    let mut taken = 0;
    while let Some(at) = free.pop() {
        taken += 1;
        for edge in graph.edges.iter().filter(|edge| edge.from.0 as usize == at) {
            let to = edge.to.0 as usize;
            left[to] -= 1;
            if left[to] == 0 {
                free.push(to);
            }
        }
    }
    taken < left.len()
}

struct Run<'d> {
    definition: &'d Definition,
    about: About,
    execution: Execution,
    now: Timestamp,
    entropy: u64,
    events: u64,
    /// As commands have set and cleared them.
    timers: BTreeMap<TimerId, Timestamp>,
    /// Every attempt that ever was open.
    seen: Vec<TaskId>,
}

impl<'d> Run<'d> {
    fn of(definition: &'d Definition, input: Payload, entropy: u64) -> Run<'d> {
        let started_at = Timestamp(1_767_225_600_000);
        let about = About {
            execution_arn: "arn:aws:states:us-east-1:111111111111:execution:machine:run".into(),
            execution_name: "run".into(),
            machine_arn: "arn:aws:states:us-east-1:111111111111:stateMachine:machine".into(),
            machine_name: "machine".into(),
            role_arn: "arn:aws:iam::111111111111:role/role".into(),
            started_at,
            input,
            key: 1,
            is_express: false,
        };
        Run {
            definition,
            about,
            execution: Execution::new(),
            now: started_at,
            entropy,
            events: 0,
            timers: BTreeMap::new(),
            seen: Vec::new(),
        }
    }

    fn whole(&mut self, random: &mut Random) -> Result<&'static str, String> {
        self.feed(InputKind::Start, false)?.map_err(|rejected| format!("the start is refused: {rejected:?}"))?;
        for _ in 0..random.below(ACTS_MAX) {
            let (kind, checks) = (self.act(random), random.is(10));
            // Refusals are answers like others.
            let _ = self.feed(kind, checks)?;
            self.now = self.now.after_ms(random.below(3_000) as u64);
            if random.is(5) {
                self.through_a_snapshot()?;
            }
        }
        for _ in 0..ANSWERS_MAX {
            if self.execution.status.is_terminal() {
                return Ok(match &self.execution.status {
                    interpreter::Status::Succeeded(_) => "succeeded",
                    interpreter::Status::Failed(_) => "failed",
                    _ => "stopped",
                });
            }
            let kind = self.fitting()?;
            if self.feed(kind.clone(), false)? == Err(Rejected::Stale) {
                return Err(format!("what fits is refused: {kind:?}"));
            }
        }
        Err("it does not end".into())
    }

    fn feed(&mut self, kind: InputKind, checks_refusal: bool) -> Result<Result<(), Rejected>, String> {
        self.entropy = self.entropy.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let input = Input { at: self.now, entropy: self.entropy, kind };
        let before = checks_refusal.then(|| self.execution.clone());
        let was_terminal = self.execution.status.is_terminal();
        let setting = Setting::new(self.definition, &self.about);
        let transition = match step(&setting, &mut self.execution, &input) {
            Ok(transition) => transition,
            Err(rejected) => {
                return match before {
                    Some(before) if before != self.execution => {
                        Err(format!("{:?} was refused and changed the execution", input.kind))
                    }
                    _ => Ok(Err(rejected)),
                };
            }
        };
        if was_terminal && !matches!(input.kind, InputKind::Redrive(_)) {
            return Err(format!("{:?} was taken after the end", input.kind));
        }
        if let InputKind::TimerFired(timer) = input.kind {
            self.timers.remove(&timer);
        }
        for command in &transition.commands {
            match command {
                Command::SetTimer(timer, at) => drop(self.timers.insert(*timer, *at)),
                Command::ClearTimer(timer) => drop(self.timers.remove(timer)),
                Command::RunTask(task) => self.seen.push(task.task),
                _ => {}
            }
        }
        for event in &transition.history {
            self.events += 1;
            if event.id != self.events || event.previous >= event.id {
                return Err(format!("event {} is {event:?}", self.events));
            }
        }
        let mut timers = self.execution.timers();
        timers.sort();
        if !timers.iter().copied().eq(self.timers.iter().map(|(timer, at)| (*timer, *at))) {
            return Err(format!("timers are {timers:?}, but {:?} were asked for by {:?}", self.timers, input.kind));
        }
        if self.execution.status.is_terminal() && !self.execution.frames.is_empty() && self.execution.is_ready() {
            return Err("an execution that has ended is ready to go on".into());
        }
        Ok(Ok(()))
    }

    /// What a restart does.
    fn through_a_snapshot(&mut self) -> Result<(), String> {
        self.execution.settle(&mut self.about.input);
        let text = serde_json::to_string(&self.execution).map_err(|error| error.to_string())?;
        let again: Execution =
            serde_json::from_str(&text).map_err(|error| format!("a snapshot is unreadable: {error}"))?;
        if again != self.execution {
            return Err(format!("a snapshot is read as something else: {text}"));
        }
        self.execution = again;
        Ok(())
    }

    /// Often something that fits, sometimes something that does not.
    fn act(&mut self, random: &mut Random) -> InputKind {
        let any = |random: &mut Random, seen: &[TaskId]| (!seen.is_empty()).then(|| *random.of_list(seen));
        let open: Vec<TaskId> = self.execution.tasks().map(|(task, _, _)| task).collect();
        let task = if random.is(90) { any(random, &open) } else { any(random, &self.seen) };
        let output = || Payload::from_value(documents::value(&mut Random::of(self.entropy, 9, 9), 3));
        let (kind, failure) = (random.below(16), drawn_failure(random));
        match (kind, task) {
            (0..=3, Some(task)) => InputKind::TaskStarted(task),
            (4..=6, Some(task)) => InputKind::TaskSucceeded(task, output()),
            (7, Some(task)) => InputKind::TaskFailed(task, failure),
            (8, Some(task)) => InputKind::TaskHeartbeat(task),
            (9, Some(task)) => InputKind::ActivityStarted(task, random.is(50).then(|| "worker".into())),
            (10, Some(task)) => InputKind::TaskSubmitted(task, output(), random.is(50).then(|| "arn:child".into())),
            (11, Some(task)) => InputKind::TaskAnswered(task, if random.is(70) { Ok(output()) } else { Err(failure) }),
            (12, _) if random.is(10) => InputKind::Stop(failure),
            (13, _) if random.is(30) => InputKind::Redrive(Vec::new()),
            (14, _) => match self.execution.map_runs().next() {
                Some((run, _)) => {
                    InputKind::MapRunFinished(run, if random.is(70) { Ok(output()) } else { Err(failure) })
                }
                None => InputKind::Continue,
            },
            (15, Some(task)) if random.is(30) => InputKind::TimerFired(TimerId::Timeout(task)),
            _ => self.first_timer().map_or(InputKind::Continue, |timer| timer),
        }
    }

    /// The next timer, at its time.
    fn first_timer(&mut self) -> Option<InputKind> {
        let (at, timer) = self.timers.iter().map(|(timer, at)| (*at, *timer)).min()?;
        self.now = self.now.max(at);
        Some(InputKind::TimerFired(timer))
    }

    /// Something that the execution waits for.
    fn fitting(&mut self) -> Result<InputKind, String> {
        if self.execution.is_ready() {
            return Ok(InputKind::Continue);
        }
        let output = || Payload::from_checked_text("{\"items\":[],\"total\":1}");
        if let Some((run, _)) = self.execution.map_runs().next() {
            return Ok(InputKind::MapRunFinished(run, Ok(output())));
        }
        let open = self.execution.tasks().next().map(|(task, _, wait)| (task, wait.phase.clone()));
        match open {
            Some((task, Phase::Scheduled(_))) if self.is_activity(task) => Ok(InputKind::ActivityStarted(task, None)),
            Some((task, Phase::Scheduled(_))) => Ok(InputKind::TaskStarted(task)),
            Some((task, Phase::Started { .. })) if self.is_long(task) => {
                Ok(InputKind::TaskSubmitted(task, output(), Some("arn:child".into())))
            }
            Some((task, Phase::Started { .. })) => Ok(InputKind::TaskSucceeded(task, output())),
            Some((task, Phase::Answered { .. })) => Ok(InputKind::TaskSubmitted(task, output(), None)),
            Some((task, Phase::Submitted { .. })) => Ok(InputKind::TaskAnswered(task, Ok(output()))),
            None => self.first_timer().ok_or_else(|| "it waits for nothing, and has not ended".to_owned()),
        }
    }

    fn resource(&self, task: TaskId) -> Option<&Resource> {
        let frame = self.execution.frame(task.frame)?;
        match &self.definition.state(frame.state).kind {
            Kind::Task(task) => Some(&task.resource),
            _ => None,
        }
    }

    fn is_activity(&self, task: TaskId) -> bool {
        matches!(self.resource(task), Some(Resource::Activity { .. }))
    }

    /// Does its outcome come after its call's answer?
    fn is_long(&self, task: TaskId) -> bool {
        let short = Pattern::RequestResponse;
        self.resource(task).is_some_and(|it| matches!(it, Resource::Service { pattern, .. } if *pattern != short))
    }
}

fn drawn_failure(random: &mut Random) -> Failure {
    let error = random.word("E Other States.Timeout States.TaskFailed States.Runtime States.DataLimitExceeded");
    let cause: Option<Arc<str>> = random.is(50).then(|| documents::text(random).into());
    Failure { error: random.is(90).then(|| error.into()), cause }
}

/// A machine of a few states of every kind, nested. Most draws are legal.
fn drawn(random: &mut Random) -> Value {
    let mut names = 0;
    let mut machine = block(random, 2, &mut names);
    if random.is(20) {
        machine.insert("TimeoutSeconds".into(), json!(99_999_999));
    }
    if random.is(20) {
        machine.insert("Comment".into(), json!("drawn"));
    }
    Value::Object(machine)
}

fn block(random: &mut Random, depth: usize, names: &mut usize) -> Map<String, Value> {
    let count = 1 + random.below(4);
    let first = *names;
    *names += count;
    let name = |at: usize| format!("S{at}");
    let mut states = Map::new();
    for at in first..first + count {
        let next = (at + 1 < first + count).then(|| name(at + 1));
        let state = if random.is(40) { jsonata(random, depth, names, next) } else { paths(random, depth, names, next) };
        states.insert(name(at), Value::Object(state));
    }
    let mut block = Map::new();
    block.insert("StartAt".into(), name(first).into());
    block.insert("States".into(), states.into());
    block
}

fn put(state: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    state.insert(name.into(), value.into());
}

/// Puts it in so many of a hundred cases.
fn maybe(state: &mut Map<String, Value>, random: &mut Random, percent: usize, name: &str, value: impl Into<Value>) {
    if random.is(percent) {
        put(state, name, value);
    }
}

const RESOURCES: &[&str] = &[
    "arn:aws:lambda:us-east-1:111111111111:function:f",
    "arn:aws:states:::lambda:invoke",
    "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "arn:aws:states:us-east-1:111111111111:activity:a",
    "arn:aws:states:::states:startExecution.sync:2",
    "arn:aws:states:::aws-sdk:dynamodb:getItem",
];

fn template(random: &mut Random) -> Value {
    let call = if random.is(50) {
        "States.Format('{} {}', $$.State.Name, States.UUID())".into()
    } else {
        call_text(random, 1)
    };
    json!({ "a.$": safe_path(random), "b.$": call, "c": documents::value(random, 1), "items.$": "$.items" })
}

fn safe_path(random: &mut Random) -> String {
    if random.is(85) { random.word("$ $.items $ $$.Execution.Input $$.State.Name") } else { path_text(random) }
}

fn expression(random: &mut Random, depth: usize) -> String {
    let usual = random.word("$states.input $states.input.items $count($states.input.items) $states.context.State.Name");
    let text = if random.is(60) { usual } else { jsonata_text(random, depth) };
    format!("{{% {text} %}}")
}

fn go(state: &mut Map<String, Value>, next: Option<String>) {
    match next {
        Some(next) => put(state, "Next", next),
        None => put(state, "End", true),
    }
}

/// Retry and Catch.
fn guard(state: &mut Map<String, Value>, random: &mut Random, next: Option<&String>, catcher: &Value) {
    let errors = random.word("States.ALL States.TaskFailed E States.Timeout");
    let jitter = random.word("FULL NONE");
    let retry = json!([{ "ErrorEquals": [errors], "MaxAttempts": random.below(4), "IntervalSeconds": 1 + random.below(5),
                         "BackoffRate": 2.5, "MaxDelaySeconds": 20, "JitterStrategy": jitter }]);
    maybe(state, random, 40, "Retry", retry);
    if let Some(next) = next {
        let mut catcher = catcher.clone();
        catcher["Next"] = next.clone().into();
        catcher["ErrorEquals"] = json!(["States.ALL"]);
        maybe(state, random, 40, "Catch", json!([catcher]));
    }
}

fn paths(random: &mut Random, depth: usize, names: &mut usize, next: Option<String>) -> Map<String, Value> {
    let mut state = Map::new();
    let s = &mut state;
    let in_and_out = |s: &mut Map<String, Value>, random: &mut Random| {
        let (input, output) = (safe_path(random), random.word("$ $ $.a $.items null"));
        maybe(s, random, 20, "InputPath", input);
        maybe(s, random, 10, "OutputPath", if output == "null" { Value::Null } else { output.into() });
    };
    let result = |s: &mut Map<String, Value>, random: &mut Random| {
        let (template, path) = (template(random), random.word("$.r $.r.s $.items[0] $"));
        maybe(s, random, 20, "ResultSelector", template);
        maybe(s, random, 40, "ResultPath", path);
    };
    let assigned = json!({ "x": documents::value(random, 1), "y.$": safe_path(random) });
    match random.below(if depth == 0 { 8 } else { 11 }) {
        0 | 1 => {
            put(s, "Type", "Pass");
            in_and_out(s, random);
            let template = template(random);
            maybe(s, random, 50, "Parameters", template);
            maybe(s, random, 30, "ResultPath", "$.p");
            maybe(s, random, 30, "Assign", assigned);
            go(s, next);
        }
        2 | 3 => {
            put(s, "Type", "Task");
            let resource = *random.of_list(RESOURCES);
            put(s, "Resource", resource);
            in_and_out(s, random);
            let mut parameters = json!({ "FunctionName": "f", "Payload.$": "$" });
            if resource.contains("Token") {
                parameters = json!({ "QueueUrl": "q", "MessageBody": { "t.$": "$$.Task.Token" } });
            } else if resource.contains("startExecution") {
                parameters = json!({ "StateMachineArn": "arn:aws:states:us-east-1:111111111111:stateMachine:m" });
            }
            put(s, "Parameters", parameters);
            result(s, random);
            let (seconds, path) = (5 + random.below(50), safe_path(random));
            maybe(s, random, 40, "TimeoutSeconds", seconds);
            if s.contains_key("TimeoutSeconds") {
                maybe(s, random, 40, "HeartbeatSeconds", 2);
            } else {
                maybe(s, random, 10, "TimeoutSecondsPath", path);
            }
            guard(s, random, next.as_ref(), &json!({ "ResultPath": "$.error" }));
            maybe(s, random, 20, "Assign", assigned);
            go(s, next);
        }
        4 => match next {
            Some(next) => {
                put(s, "Type", "Choice");
                let mut rule = comparison(random, 2);
                rule.insert("Next".into(), next.clone().into());
                put(s, "Choices", json!([rule]));
                maybe(s, random, 80, "Default", next);
            }
            None => put(s, "Type", "Succeed"),
        },
        5 => {
            put(s, "Type", "Wait");
            match random.below(4) {
                0 => put(s, "SecondsPath", "$.total"),
                1 => put(s, "TimestampPath", safe_path(random)),
                2 => put(s, "Timestamp", "2026-03-05T06:07:08Z"),
                _ => put(s, "Seconds", random.below(100)),
            }
            go(s, next);
        }
        6 if next.is_none() => {
            put(s, "Type", "Fail");
            let text = call_text(random, 1);
            maybe(s, random, 40, "CausePath", text);
            maybe(s, random, 40, "Error", "E");
        }
        6 | 7 => {
            put(s, "Type", "Pass");
            let (value, path) = (documents::value(random, 2), random.word("$.r $"));
            put(s, "Result", value);
            put(s, "ResultPath", path);
            go(s, next);
        }
        8 => {
            put(s, "Type", "Parallel");
            let branches: Vec<Value> =
                (0..1 + random.below(3)).map(|_| block(random, depth - 1, names).into()).collect();
            put(s, "Branches", branches);
            result(s, random);
            guard(s, random, next.as_ref(), &json!({}));
            go(s, next);
        }
        kind => {
            put(s, "Type", "Map");
            let path = if random.is(80) { "$.items".to_owned() } else { safe_path(random) };
            put(s, "ItemsPath", path);
            let mut processor = block(random, depth - 1, names);
            if kind == 10 {
                processor
                    .insert("ProcessorConfig".into(), json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" }));
                maybe(
                    s,
                    random,
                    30,
                    "ItemBatcher",
                    json!({ "MaxItemsPerBatch": 2, "BatchInput": { "b.$": "$.total" } }),
                );
                maybe(s, random, 30, "ToleratedFailurePercentagePath", "$.total");
            }
            put(s, "ItemProcessor", processor);
            let concurrency = random.below(3);
            maybe(s, random, 50, "MaxConcurrency", concurrency);
            let selector = json!({ "v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index", "items.$": "$.items" });
            maybe(s, random, 40, "ItemSelector", selector);
            result(s, random);
            guard(s, random, next.as_ref(), &json!({ "ResultPath": "$.error" }));
            go(s, next);
        }
    }
    state
}

fn comparison(random: &mut Random, depth: usize) -> Map<String, Value> {
    let mut rule = Map::new();
    match random.below(if depth == 0 { 4 } else { 6 }) {
        4 => put(&mut rule, "Not", comparison(random, depth - 1)),
        5 => {
            let name = random.word("And Or");
            put(
                &mut rule,
                &name,
                vec![Value::Object(comparison(random, depth - 1)), comparison(random, depth - 1).into()],
            );
        }
        kind => {
            put(&mut rule, "Variable", safe_path(random));
            let (name, value) = match kind {
                0 => (random.word("IsNull IsPresent IsNumeric IsString IsBoolean IsTimestamp"), random.is(50).into()),
                1 => (random.word("NumericEquals NumericLessThan NumericGreaterThanEquals"), documents::number(random)),
                2 => (
                    random.word("StringEquals StringMatches StringLessThan StringGreaterThanEquals"),
                    documents::text(random).into(),
                ),
                _ => (random.word("NumericEqualsPath StringEqualsPath BooleanEqualsPath"), safe_path(random).into()),
            };
            put(&mut rule, &name, value);
        }
    }
    rule
}

fn jsonata(random: &mut Random, depth: usize, names: &mut usize, next: Option<String>) -> Map<String, Value> {
    let mut state = Map::new();
    let s = &mut state;
    put(s, "QueryLanguage", "JSONata");
    let output =
        json!({ "items": expression(random, 1), "total": expression(random, 2), "r": documents::value(random, 1) });
    let output = if random.is(70) { output } else { expression(random, 2).into() };
    let assigned = json!({ "x": expression(random, 1), "z": [1, expression(random, 1)] });
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 | 1 => put(s, "Type", "Pass"),
        2 => {
            put(s, "Type", "Task");
            put(s, "Resource", "arn:aws:states:::lambda:invoke");
            put(s, "Arguments", json!({ "FunctionName": "f", "Payload": expression(random, 2) }));
            let seconds = if random.is(50) { json!(10) } else { "{% $count($states.input.items) + 1 %}".into() };
            maybe(s, random, 40, "TimeoutSeconds", seconds);
            guard(s, random, next.as_ref(), &json!({ "Output": "{% $states.errorOutput %}" }));
        }
        3 => match next {
            Some(next) => {
                put(s, "Type", "Choice");
                let condition =
                    if random.is(60) { "$exists($states.input.items)".into() } else { jsonata_text(random, 2) };
                put(s, "Choices", json!([{ "Condition": format!("{{% {condition} %}}"), "Next": next }]));
                maybe(s, random, 80, "Default", next);
                return state;
            }
            None => {
                put(s, "Type", "Succeed");
                maybe(s, random, 50, "Output", output);
                return state;
            }
        },
        4 => {
            put(s, "Type", "Wait");
            let seconds = if random.is(50) { json!(3) } else { expression(random, 1).into() };
            put(s, "Seconds", seconds);
        }
        5 if next.is_none() => {
            put(s, "Type", "Fail");
            let cause = expression(random, 1);
            maybe(s, random, 50, "Cause", cause);
            return state;
        }
        5 => put(s, "Type", "Pass"),
        6 => {
            put(s, "Type", "Parallel");
            let arguments = expression(random, 1);
            maybe(s, random, 30, "Arguments", arguments);
            put(s, "Branches", vec![Value::Object(block(random, depth - 1, names))]);
            guard(s, random, next.as_ref(), &json!({}));
        }
        _ => {
            put(s, "Type", "Map");
            let items = if random.is(70) { "{% $states.input.items %}".to_owned() } else { expression(random, 2) };
            put(s, "Items", items);
            put(s, "ItemProcessor", block(random, depth - 1, names));
            let selector = json!({ "v": "{% $states.context.Map.Item.Value %}", "items": [1] });
            maybe(s, random, 40, "ItemSelector", selector);
            guard(s, random, next.as_ref(), &json!({}));
        }
    }
    maybe(s, random, 50, "Output", output);
    maybe(s, random, 30, "Assign", assigned);
    go(s, next);
    state
}

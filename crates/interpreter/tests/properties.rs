//! What holds for every definition and every order of inputs.
//!
//! Definitions are drawn at random (sequences of every kind of state, nested, with Retry, Catch and timeouts),
//! and so is what happens to them: outcomes, repeated and late ones, timers, signs of life, stops; tokens that come back
//! before and after their call, workers, ends of Map Runs; and redrives after a bad end.

mod support;

use std::sync::Arc;

use asl::definition::{Pattern, Resource};
use interpreter::{Execution, Failure, Frame, InputKind, MapRunId, Payload, Phase, Rejected, TaskId, TimerId, Wait};
use proptest::prelude::*;
use support::World;

/// A state of a drawn definition.
#[derive(Clone, Debug)]
enum Drawn {
    Pass,
    /// Assigns a variable, in the one language or the other.
    Assign {
        jsonata: bool,
    },
    /// An expression that gives nothing, unless an earlier state of its thread assigned the variable.
    Read,
    Wait(u8),
    Fail,
    Task {
        resource: usize,
        guard: Guard,
        timeout: bool,
        heartbeat: bool,
    },
    /// A distributed Map.
    MapRun {
        guard: Guard,
    },
    Parallel {
        branches: Vec<Vec<Drawn>>,
        guard: Guard,
    },
    Map {
        items: u8,
        concurrency: u8,
        states: Vec<Drawn>,
        guard: Guard,
    },
}

/// Its Retry and Catch.
#[derive(Clone, Debug)]
struct Guard {
    attempts: u8,
    jitter: bool,
    catches: bool,
}

fn guard() -> impl Strategy<Value = Guard> {
    (0..3u8, any::<bool>(), any::<bool>()).prop_map(|(attempts, jitter, catches)| Guard { attempts, jitter, catches })
}

fn states() -> impl Strategy<Value = Vec<Drawn>> {
    let leaf = prop_oneof![
        2 => Just(Drawn::Pass),
        2 => any::<bool>().prop_map(|jsonata| Drawn::Assign { jsonata }),
        1 => Just(Drawn::Read),
        1 => (0..3u8).prop_map(Drawn::Wait),
        1 => Just(Drawn::Fail),
        5 => (0..RESOURCES.len(), guard(), any::<bool>(), any::<bool>())
            .prop_map(|(resource, guard, timeout, heartbeat)| Drawn::Task { resource, guard, timeout, heartbeat }),
        1 => guard().prop_map(|guard| Drawn::MapRun { guard }),
    ];
    let state = leaf.prop_recursive(3, 16, 3, |inner| {
        let block = prop::collection::vec(inner, 1..3);
        prop_oneof![
            (prop::collection::vec(block.clone(), 1..4), guard())
                .prop_map(|(branches, guard)| Drawn::Parallel { branches, guard }),
            (0..4u8, 0..3u8, block, guard()).prop_map(|(items, concurrency, states, guard)| Drawn::Map {
                items,
                concurrency,
                states,
                guard
            }),
        ]
    });
    prop::collection::vec(state, 1..4)
}

/// What a task may be: a call, one that gives its token away, a nested execution, an activity.
const RESOURCES: [(&str, &str); 4] = [
    ("arn:aws:states:::lambda:invoke", r#""FunctionName":"f","Payload.$":"$""#),
    ("arn:aws:states:::lambda:invoke.waitForTaskToken", r#""FunctionName":"f","Payload":{"t.$":"$$.Task.Token"}"#),
    ("arn:aws:states:::states:startExecution.sync", r#""StateMachineArn":"m""#),
    ("arn:aws:states:us-east-1:111111111111:activity:a", r#""in.$":"$""#),
];

/// The text of a definition: the states one after another, caught errors going on as if nothing had happened.
struct Writer {
    names: u32,
}

impl Writer {
    fn block(&mut self, states: &[Drawn]) -> String {
        let names: Vec<String> = states.iter().map(|_| self.name()).collect();
        let mut texts = Vec::new();
        for (at, state) in states.iter().enumerate() {
            let next = names.get(at + 1).cloned();
            let (name, text) = (&names[at], self.state(state, next.as_deref()));
            texts.push(format!(r#""{name}":{{{text}}}"#));
            if matches!(state, Drawn::Fail) {
                // What comes after it would be out of reach.
                break;
            }
        }
        format!(r#""StartAt":"{}","States":{{{}}}"#, names[0], texts.join(","))
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("S{}", self.names)
    }

    fn state(&mut self, state: &Drawn, next: Option<&str>) -> String {
        let go = next.map_or(r#""End":true"#.to_owned(), |next| format!(r#""Next":"{next}""#));
        match state {
            Drawn::Pass => format!(r#""Type":"Pass",{go}"#),
            Drawn::Assign { jsonata: false } => format!(r#""Type":"Pass","Assign":{{"v.$":"States.UUID()"}},{go}"#),
            Drawn::Assign { jsonata: true } => {
                format!(r#""Type":"Pass","QueryLanguage":"JSONata","Assign":{{"v":"{{% $uuid() %}}"}},{go}"#)
            }
            Drawn::Read => format!(r#""Type":"Pass","QueryLanguage":"JSONata","Assign":{{"w":"{{% $v %}}"}},{go}"#),
            Drawn::Wait(seconds) => format!(r#""Type":"Wait","Seconds":{seconds},{go}"#),
            Drawn::Fail => r#""Type":"Fail","Error":"E""#.into(),
            Drawn::Task { resource, guard, timeout, heartbeat } => {
                let (resource, parameters) = RESOURCES[*resource];
                let timeout = if *timeout { r#","TimeoutSeconds":20"# } else { "" };
                let heartbeat = if *heartbeat && !timeout.is_empty() { r#","HeartbeatSeconds":5"# } else { "" };
                let guard = self.guard(guard, next);
                format!(
                    r#""Type":"Task","Resource":"{resource}","Parameters":{{{parameters}}}{timeout}{heartbeat}{guard},{go}"#
                )
            }
            Drawn::MapRun { guard } => {
                let (name, guard) = (self.name(), self.guard(guard, next));
                format!(
                    r#""Type":"Map","ItemsPath":"$$.Execution.Input.two","ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
                        "StartAt":"{name}","States":{{"{name}":{{"Type":"Pass","End":true}}}}}}{guard},{go}"#
                )
            }
            Drawn::Parallel { branches, guard } => {
                let branches: Vec<String> =
                    branches.iter().map(|states| format!("{{{}}}", self.block(states))).collect();
                let guard = self.guard(guard, next);
                format!(r#""Type":"Parallel","Branches":[{}]{guard},{go}"#, branches.join(","))
            }
            Drawn::Map { items, concurrency, states, guard } => {
                let processor = self.block(states);
                let guard = self.guard(guard, next);
                let items = ["none", "one", "two", "three"][usize::from(*items)];
                format!(
                    r#""Type":"Map","ItemsPath":"$$.Execution.Input.{items}","MaxConcurrency":{concurrency},"ItemProcessor":{{{processor}}}{guard},{go}"#
                )
            }
        }
    }

    fn guard(&mut self, guard: &Guard, next: Option<&str>) -> String {
        let jitter = if guard.jitter { r#","JitterStrategy":"FULL""# } else { "" };
        let retry = format!(r#","Retry":[{{"ErrorEquals":["States.ALL"],"MaxAttempts":{}{jitter}}}]"#, guard.attempts);
        let retry = if guard.attempts > 0 { retry } else { String::new() };
        // Without a next state there is none to catch to in this block.
        let catch = next
            .filter(|_| guard.catches)
            .map(|next| format!(r#","Catch":[{{"ErrorEquals":["E","States.Timeout"],"Next":"{next}"}}]"#));
        retry + &catch.unwrap_or_default()
    }
}

const INPUT: &str = r#"{"none":[],"one":[1],"two":[1,2],"three":[1,2,3]}"#;

fn definition(states: &[Drawn]) -> String {
    format!(r#"{{"TimeoutSeconds":99999999,{}}}"#, Writer { names: 0 }.block(states))
}

fn bytes(execution: &Execution) -> String {
    serde_json::to_string(execution).unwrap()
}

/// Feeds, and checks what holds after every single input.
fn feed(world: &mut World, kind: InputKind) -> Result<(), Rejected> {
    let was_terminal = world.execution.status.is_terminal();
    let before = bytes(&world.execution);
    let events = world.history.len();
    let is_redrive = matches!(kind, InputKind::Redrive(_));
    let outcome = world.feed(kind);
    match &outcome {
        Err(rejected) => {
            assert_eq!(bytes(&world.execution), before, "a refused input changes nothing");
            assert!(!was_terminal || matches!(rejected, Rejected::Terminal | Rejected::NotNow));
        }
        Ok(_) => assert!(!was_terminal || is_redrive, "nothing but a redrive is accepted after the end"),
    }
    for (at, event) in world.history.iter().enumerate().skip(events) {
        assert_eq!(event.id, at as u64 + 1, "ids have no gaps");
        assert!(event.previous < event.id);
        assert_eq!(event.at, world.now);
    }
    assert_eq!(world.execution.last_event, world.history.len() as u64);
    let tasks: Vec<TaskId> = world.execution.tasks().map(|(task, _, _)| task).collect();
    assert_eq!(tasks, world.tasks.keys().copied().collect::<Vec<_>>(), "open tasks are those that were asked for");
    let mut timers = world.execution.timers();
    timers.sort();
    assert_eq!(timers, world.timers.iter().map(|(timer, at)| (*timer, *at)).collect::<Vec<_>>(), "and so are timers");
    let ends = world.history.iter().filter(|event| event.kind.is_terminal()).count();
    let is_over = world.execution.status.is_terminal();
    let redrives = world.execution.redrive_count as usize;
    assert_eq!(ends, redrives + usize::from(is_over), "one end, one more for each redrive, and only then");
    let mut runs: Vec<MapRunId> = world.map_runs.iter().map(|run| run.id).collect();
    runs.sort();
    assert_eq!(runs, world.execution.map_runs().map(|(run, _)| run).collect::<Vec<_>>(), "and so are Map Runs");
    assert!(!is_over || (world.execution.frames.is_empty() && world.history.last().unwrap().kind.is_terminal()));
    assert_eq!(world.execution.is_ready(), world.owes_continue && !is_over);
    outcome.map(drop)
}

/// One thing that may happen, chosen by numbers: often something that fits, sometimes something that does not.
fn act(world: &mut World, seen: &mut Vec<TaskId>, what: u8, which: u8) {
    seen.extend(world.tasks.keys().copied());
    seen.sort_unstable();
    seen.dedup();
    let started = |world: &World, task: &TaskId| world.execution.task(*task).is_some_and(|(_, wait)| wait.is_started());
    let pick = |tasks: Vec<TaskId>| (!tasks.is_empty()).then(|| tasks[usize::from(which) % tasks.len()]);
    let open: Vec<TaskId> = world.tasks.keys().copied().collect();
    let output = || Payload::parse(&format!("{{\"r\":{which}}}")).unwrap();
    let kind = match what {
        0..=9 => pick(open.into_iter().filter(|task| !started(world, task)).collect()).map(InputKind::TaskStarted),
        10..=16 => pick(open.into_iter().filter(|task| started(world, task)).collect())
            .map(|task| InputKind::TaskSucceeded(task, output())),
        17..=20 => {
            let failure = Failure::named(["E", "Other", "States.Timeout", "States.Runtime"][usize::from(which) % 4]);
            pick(open.into_iter().filter(|task| started(world, task)).collect())
                .map(|task| InputKind::TaskFailed(task, failure))
        }
        21..=24 => {
            let timer = world.timers.iter().map(|(timer, at)| (*at, *timer)).min();
            timer.map(|(at, timer)| {
                world.now = world.now.max(at);
                InputKind::TimerFired(timer)
            })
        }
        25 => pick(open).map(InputKind::TaskHeartbeat),
        // From here on: repeated, late, never asked for.
        26 => pick(seen.clone()).map(InputKind::TaskStarted),
        27 => pick(seen.clone()).map(|task| InputKind::TaskSucceeded(task, output())),
        28 => pick(seen.clone()).map(|task| InputKind::TaskFailed(task, Failure::default())),
        29 => pick(seen.clone()).map(|task| InputKind::TimerFired(TimerId::Timeout(task))),
        30 => pick(seen.clone()).map(|task| InputKind::TimerFired(TimerId::Pause(task.frame, task.attempt))),
        31 if which < 8 => Some(InputKind::Stop(Failure::named("Stopped"))),
        31 => Some(InputKind::Start),
        // Longer work.
        32..=34 => pick(open).map(|task| InputKind::ActivityStarted(task, None)),
        35..=38 => pick(open).map(|task| InputKind::TaskSubmitted(task, output(), child(which))),
        39..=42 => pick(open).map(|task| InputKind::TaskAnswered(task, Ok(output()))),
        43 => pick(open).map(|task| InputKind::TaskAnswered(task, Err(Failure::named("E")))),
        44 => pick(seen.clone()).map(|task| InputKind::TaskSubmitted(task, output(), child(which))),
        45 => pick(seen.clone()).map(|task| InputKind::TaskAnswered(task, Ok(output()))),
        46 => world.map_runs.first().map(|run| InputKind::MapRunFinished(run.id, Ok(output()))),
        47 => {
            let failure = Failure::named("E");
            world.ever_run.keys().next_back().map(|run| InputKind::MapRunFinished(*run, Err(failure)))
        }
        48..=52 => Some(InputKind::Redrive(redriven(world, which))),
        _ => Some(InputKind::Continue),
    };
    if let Some(kind) = kind {
        let _ = feed(world, kind);
    }
    world.now = world.now.after_ms(u64::from(which) * 10);
}

fn child(which: u8) -> Option<Arc<str>> {
    which.is_multiple_of(2).then(|| "child".into())
}

/// The Map Runs that can go on: all that it was waiting for, or none.
fn redriven(world: &World, which: u8) -> Vec<(MapRunId, u32)> {
    let of = |frame: &Frame| match &frame.wait {
        Wait::MapRun(wait) if !which.is_multiple_of(4) => Some((MapRunId { frame: frame.id, run: wait.run }, 1)),
        _ => None,
    };
    world.execution.unfinished.iter().filter_map(of).collect()
}

/// Answers everything that is open until the execution has ended.
fn drain(world: &mut World) {
    for _ in 0..10_000 {
        if world.execution.status.is_terminal() {
            return;
        }
        let kind = match (world.owes_continue, world.tasks.keys().next().copied()) {
            (true, _) => InputKind::Continue,
            (_, Some(task)) => next(world, task),
            (_, None) if !world.map_runs.is_empty() => {
                InputKind::MapRunFinished(world.map_runs[0].id, Ok(Payload::parse("[]").unwrap()))
            }
            (_, None) => {
                let (at, timer) =
                    world.timers.iter().map(|(timer, at)| (*at, *timer)).min().expect("something is waited for");
                assert_ne!(timer, TimerId::Execution, "it waits for nothing but the machine's own timeout");
                world.now = world.now.max(at);
                InputKind::TimerFired(timer)
            }
        };
        feed(world, kind).expect("what fits is taken");
    }
    panic!("it does not end: {:?}", world.execution);
}

/// What brings a task nearer to its end.
fn next(world: &World, task: TaskId) -> InputKind {
    let output = || Payload::parse("{}").unwrap();
    let resource = &world.tasks[&task].resource;
    let is_long = resource.pattern() != Pattern::RequestResponse;
    match (&world.execution.task(task).unwrap().1.phase, resource) {
        (Phase::Scheduled(_), Resource::Activity { .. }) => InputKind::ActivityStarted(task, None),
        (Phase::Scheduled(_), _) => InputKind::TaskStarted(task),
        (Phase::Started { .. }, Resource::Activity { .. }) => InputKind::TaskAnswered(task, Ok(output())),
        (Phase::Started { .. } | Phase::Answered { .. }, _) if is_long => {
            InputKind::TaskSubmitted(task, output(), None)
        }
        (Phase::Submitted { .. }, _) => InputKind::TaskAnswered(task, Ok(output())),
        _ => InputKind::TaskSucceeded(task, output()),
    }
}

/// The same inputs again, with a snapshot written and read between any two of them.
fn replay(first: &World, definition: &str) {
    let mut again = World::new(definition, INPUT);
    again.entropy = first.entropy;
    let mut history = Vec::new();
    for input in &first.inputs {
        let setting = interpreter::Setting::new(&again.definition, &again.about);
        if let Ok(transition) = interpreter::step(&setting, &mut again.execution, input) {
            history.extend(transition.history);
        }
        again.execution.settle(&mut again.about.input);
        again.execution = serde_json::from_str(&bytes(&again.execution)).unwrap();
    }
    assert_eq!(bytes(&again.execution), bytes(&first.execution));
    assert_eq!(serde_json::to_string(&history).unwrap(), serde_json::to_string(&first.history).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_inputs(states in states(), acts in prop::collection::vec((0..54u8, any::<u8>()), 0..80), entropy: u64) {
        let definition = definition(&states);
        let mut world = World::new(&definition, INPUT);
        world.entropy = entropy;
        feed(&mut world, InputKind::Start).unwrap();
        let mut seen = Vec::new();
        for (what, which) in acts {
            act(&mut world, &mut seen, what, which);
        }
        drain(&mut world);
        for late in [InputKind::Continue, InputKind::Stop(Failure::default()), InputKind::TimerFired(TimerId::Execution)] {
            prop_assert_eq!(feed(&mut world, late), Err(Rejected::Terminal));
        }
        replay(&world, &definition);
    }
}

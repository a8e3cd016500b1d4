//! The whole engine, threads and all, over each store.

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use engine::core::TokenAnswer;
use engine::{
    ChangeError, Completion, Config, Created, Description, Engine, Error, ExecutionStatus, Filter, Handle, LogSink,
    Logged, NewAlias, RedriveError, Route, StartError, Started, StatusChange, StopError, Task, TaskRunner, TokenError,
    Told, Update,
};
use interpreter::{EventKind, Failure};
use store::testing::{Fault, Faulty, Scratch};
use store::{Folder, Memory, Options, Order, Sqlite, Store};
use support::{ARN, FUNCTION, check_history, machine, new_machine, payload};
use tokio::sync::broadcast;

/// Longer than anything here takes, so that a hang fails a test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test over every store.
fn each(test: impl AsyncFn(Arc<dyn Store>)) {
    let scratch = Scratch::new();
    let folder = Folder::lock(scratch.path()).unwrap();
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(Memory::new()), Arc::new(Sqlite::open(&folder, Options::default()).unwrap())];
    for store in stores {
        block_on(test(store));
    }
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("it takes too long") });
}

/// Keeps tasks until the test answers them; or answers at once with their input.
#[derive(Default)]
struct Runner {
    echoes: bool,
    tasks: Mutex<VecDeque<(Task, Completion)>>,
    came: Condvar,
}

impl TaskRunner for Runner {
    fn run(&self, task: Task, completion: Completion) {
        if self.echoes {
            return completion.succeed(task.input);
        }
        self.tasks.lock().unwrap().push_back((task, completion));
        self.came.notify_all();
    }
}

impl Runner {
    fn next(&self) -> (Task, Completion) {
        let tasks = self.tasks.lock().unwrap();
        let (mut tasks, _) = self.came.wait_timeout_while(tasks, PATIENCE, |tasks| tasks.is_empty()).unwrap();
        tasks.pop_front().expect("a task is handed over")
    }

    fn waiting(&self) -> usize {
        self.tasks.lock().unwrap().len()
    }
}

struct World {
    engine: Engine,
    handle: Handle,
    runner: Arc<Runner>,
    changes: broadcast::Receiver<StatusChange>,
}

fn open(store: &Arc<dyn Store>, config: &Config) -> World {
    open_with(store, config, Runner::default())
}

fn open_with(store: &Arc<dyn Store>, config: &Config, runner: Runner) -> World {
    let runner = Arc::new(runner);
    let engine = Engine::open(store.clone(), runner.clone(), config).unwrap();
    let handle = engine.handle();
    let changes = handle.watch();
    World { engine, handle, runner, changes }
}

impl World {
    fn create(&self, name: &str, states: &str) -> Created {
        self.handle.machines().create(new_machine(name, &machine(states)), engine::now()).unwrap()
    }

    async fn start(&self, machine: &str, name: &str, input: &str) -> Result<Started, StartError> {
        self.handle.start(&format!("{ARN}{machine}"), Some(name), payload(input), None).await
    }

    /// Waits until the execution has ended; status, and output or error.
    async fn end(&mut self, machine: &str, name: &str) -> String {
        // It may have ended before this world began to watch, so each change only says that it is time to look.
        loop {
            let found = self.describe(machine, name);
            if let Some(found) = found.filter(|found| found.row.status != ExecutionStatus::Running) {
                let failure = found.failure.unwrap_or_default();
                let rest = [found.output.as_ref().map(|output| output.text()), failure.error.as_deref()];
                return rest
                    .into_iter()
                    .flatten()
                    .fold(found.row.status.name().to_owned(), |text, part| format!("{text} {part}"));
            }
            self.changes.recv().await.unwrap();
        }
    }

    fn describe(&self, machine: &str, name: &str) -> Option<Description> {
        let arn = engine::execution_arn(&format!("{ARN}{machine}"), name);
        self.engine.reader().describe(&arn).unwrap()
    }

    async fn stop(&self, machine: &str, name: &str) -> Result<interpreter::Timestamp, StopError> {
        let arn = engine::execution_arn(&format!("{ARN}{machine}"), name);
        self.handle.stop(&arn, Failure::named("Stopped")).await
    }
}

const PASS: &str = r#""A":{"Type":"Pass","End":true}"#;
const HOUR: &str = r#""A":{"Type":"Wait","Seconds":3600,"End":true}"#;

fn task(fields: &str) -> String {
    format!(r#""A":{{{FUNCTION},{fields}"End":true}}"#)
}

#[test]
fn an_execution_from_start_to_end() {
    each(async |store| {
        let mut world = open(&store, &Config::default());
        world.create("m", PASS);
        world.create("hour", HOUR);
        let started = world.start("m", "x", r#"{"a": 1}"#).await.unwrap();
        assert_eq!(&*started.execution_arn, "arn:aws:states:us-east-1:000000000000:execution:m:x");
        assert_eq!(world.end("m", "x").await, r#"SUCCEEDED {"a": 1}"#);
        let found = world.describe("m", "x").unwrap();
        assert_eq!((found.input.text(), found.row.started_at), (r#"{"a": 1}"#, started.started_at));
        assert!(found.row.stopped_at >= Some(started.started_at));

        let id = world.engine.reader().find(&started.execution_arn).unwrap().unwrap();
        let history = world.engine.reader().history(id, None, Order::Ascending, 100).unwrap();
        check_history(&history.events);
        assert_eq!((history.events.len(), history.next), (4, None));

        world.start("hour", "y", "{}").await.unwrap();
        assert!(world.describe("hour", "y").unwrap().output.is_none(), "whoever was answered can read it");
        let stopped = world.stop("hour", "y").await.unwrap();
        assert_eq!(world.end("hour", "y").await, "ABORTED Stopped");
        assert_eq!(world.stop("hour", "y").await.unwrap(), stopped, "it ended when it ended");
        assert!(matches!(world.stop("hour", "never").await, Err(StopError::DoesNotExist)));
        assert!(matches!(world.start("none", "x", "{}").await, Err(StartError::MachineDoesNotExist)));
        assert!(world.describe("m", "never").is_none());
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn a_start_is_idempotent_by_name_and_input() {
    each(async |store| {
        let mut world = open(&store, &Config::default());
        world.create("m", &task(""));
        let (first, second) = tokio::join!(world.start("m", "x", "1"), world.start("m", "x", "1"));
        assert_eq!(first.unwrap(), second.unwrap());
        assert!(matches!(world.start("m", "x", "2").await, Err(StartError::AlreadyExists { .. })));
        let (_, completion) = world.runner.next();
        completion.succeed(payload("0"));
        world.end("m", "x").await;
        assert!(matches!(world.start("m", "x", "1").await, Err(StartError::AlreadyExists { .. })));
        assert_eq!(world.runner.waiting(), 0);
        // Without a name each is another.
        let anonymous = async || world.handle.start(&format!("{ARN}m"), None, payload("1"), None).await.unwrap();
        assert_ne!(anonymous().await.execution_arn, anonymous().await.execution_arn);
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn a_page_of_large_events_is_short() {
    each(async |store| {
        let mut world = open(&store, &Config::default());
        let further: String = (1..60).map(|n| format!(r#""S{n}":{{"Type":"Pass","Next":"S{}"}},"#, n + 1)).collect();
        world.create("m", &format!(r#""A":{{"Type":"Pass","Next":"S1"}},{further}"S60":{{"Type":"Succeed"}}"#));
        let input = format!(r#""{}""#, "x".repeat(250_000));
        world.start("m", "x", &input).await.unwrap();
        world.end("m", "x").await;
        let reader = world.engine.reader();
        let id = reader.find(&engine::execution_arn(&format!("{ARN}m"), "x")).unwrap().unwrap();
        let (mut events, mut from) = (Vec::new(), None);
        loop {
            let page = reader.history(id, from, Order::Ascending, 1000).unwrap();
            assert!(page.events.len() <= (8 << 20) / 250_000 + 1, "{} events", page.events.len());
            events.extend(page.events);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        check_history(&events);
        assert_eq!(events.len(), 2 + 2 * 61);
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn a_history_in_pages() {
    each(async |store| {
        let mut world = open(&store, &Config::default());
        let further: String = (1..80).map(|n| format!(r#""S{n}":{{{FUNCTION},"Next":"S{}"}},"#, n + 1)).collect();
        let states = format!(r#""A":{{{FUNCTION},"Next":"S1"}},{further}"S80":{{"Type":"Succeed"}}"#);
        world.create("m", &states);
        world.start("m", "x", "{}").await.unwrap();
        for n in 0..80 {
            // Each answer is a batch, so the history has more records than one scan reads.
            world.runner.next().1.succeed(payload(&n.to_string()));
        }
        world.end("m", "x").await;
        let reader = world.engine.reader();
        let id = reader.find(&engine::execution_arn(&format!("{ARN}m"), "x")).unwrap().unwrap();
        let whole = reader.history(id, None, Order::Ascending, 10_000).unwrap().events;
        check_history(&whole);
        assert_eq!(whole.len(), 1 + 80 * 5 + 2 + 1);
        for order in [Order::Ascending, Order::Descending] {
            for limit in [1, 7, 64, 1000] {
                let (mut events, mut from) = (Vec::new(), None);
                loop {
                    let page = reader.history(id, from, order, limit).unwrap();
                    assert!(page.events.len() <= limit);
                    assert!(page.events.len() == limit || page.next.is_none(), "only the last page is short");
                    events.extend(page.events);
                    from = page.next;
                    if from.is_none() {
                        break;
                    }
                }
                if order == Order::Descending {
                    events.reverse();
                }
                assert_eq!(events, whole, "{order:?} by {limit}");
            }
        }
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn lists_in_pages_newest_first() {
    each(async |store| {
        let mut world = open(&store, &Config::default());
        world.create("hour", HOUR);
        world.create("other", PASS);
        world.start("other", "x", "{}").await.unwrap();
        for n in 0..7 {
            world.start("hour", &format!("x{n}"), "{}").await.unwrap();
        }
        for n in [1, 4] {
            world.stop("hour", &format!("x{n}")).await.unwrap();
        }
        world.end("other", "x").await;
        let Ok(Some(machine)) = world.handle.machines().get(&format!("{ARN}hour")) else { panic!("it is there") };
        let check = |status: Option<ExecutionStatus>, limit: usize, expected: &[&str]| {
            let (mut names, mut from) = (Vec::new(), None);
            loop {
                let page = world
                    .engine
                    .reader()
                    .list(machine.number, &Filter { status, ..Filter::default() }, from, limit)
                    .unwrap();
                assert!(page.executions.len() <= limit);
                names.extend(page.executions.iter().map(|summary| summary.row.name.to_string()));
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(names, expected, "{status:?} by {limit}");
        };
        for limit in [1, 2, 3, 100] {
            check(None, limit, &["x6", "x5", "x4", "x3", "x2", "x1", "x0"]);
            check(Some(ExecutionStatus::Running), limit, &["x6", "x5", "x3", "x2", "x0"]);
            check(Some(ExecutionStatus::Aborted), limit, &["x4", "x1"]);
            check(Some(ExecutionStatus::Failed), limit, &[]);
        }
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn machines_are_created_updated_and_deleted() {
    each(async |store| {
        let mut world = open(&store, &Config::default());
        let arn = format!("{ARN}m");
        let Created::New(first) = world.create("m", &task("")) else { panic!("it is new") };
        assert!(matches!(world.create("m", &task("")), Created::Same(same) if same.number == first.number));
        assert!(matches!(world.create("m", PASS), Created::Conflict(_)));
        assert_eq!(first.revision.id(), "INITIAL");

        // An execution keeps its definition.
        world.start("m", "x", "1").await.unwrap();
        let machines = world.handle.machines().clone();
        let update = |definition: Option<&str>| {
            machines
                .update(&arn, Update { definition: definition.map(machine), ..Update::default() }, engine::now())
                .unwrap()
                .machine
        };
        let second = update(Some(r#""A":{"Type":"Pass","Result":2,"End":true}"#));
        assert_eq!((second.number, second.revision.number), (first.number, 1));
        assert_eq!(update(None).revision.number, 1, "nothing to revise");
        world.start("m", "y", "1").await.unwrap();
        assert_eq!(world.end("m", "y").await, "SUCCEEDED 2");
        world.runner.next().1.succeed(payload("1"));
        assert_eq!(world.end("m", "x").await, "SUCCEEDED 1");
        let tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        machines.edit_tags(&arn, |_| Ok::<_, ()>(tags.clone())).unwrap().unwrap().unwrap();
        assert_eq!(machines.edit_tags(&arn, |_| Err("no")).unwrap(), Some(Err("no")));
        assert!(machines.edit_tags(&format!("{ARN}none"), |_| Err(())).unwrap().is_none());

        // All of it is there after a restart.
        world.engine.shut_down(Duration::ZERO);
        let mut world = open(&store, &Config::default());
        let machines = world.handle.machines().clone();
        let found = machines.get(&arn).unwrap().unwrap();
        assert_eq!((found.revision.number, &*found.revision.text, &found.tags), (1, &*second.revision.text, &tags));
        assert_eq!(machines.list().len(), 1);

        // On its way out it takes nothing new, and what runs ends at its next transition.
        let longer =
            machine(&format!(r#""A":{{{FUNCTION},"Next":"B"}},"B":{{"Type":"Wait","Seconds":3600,"End":true}}"#));
        machines.update(&arn, Update { definition: Some(longer), ..Update::default() }, engine::now()).unwrap();
        world.start("m", "z", "1").await.unwrap();
        let (_, completion) = world.runner.next();
        assert!(world.handle.delete_machine(&arn).unwrap().unwrap().is_deleting);
        assert!(world.handle.delete_machine(&arn).unwrap().is_none());
        assert!(matches!(world.start("m", "late", "1").await, Err(StartError::MachineDeleting)));
        assert!(matches!(world.create("m", PASS), Created::Deleting));
        assert!(machines.list().is_empty());
        completion.succeed(payload("1"));
        while machines.get(&arn).unwrap().is_some() {
            let change = world.changes.recv().await.unwrap();
            assert!(matches!(change.status, ExecutionStatus::Running | ExecutionStatus::Aborted), "{change:?}");
        }
        assert!(matches!(world.start("m", "late", "1").await, Err(StartError::MachineDoesNotExist)));

        // A new one of the same name knows nothing of the old one's executions.
        let Created::New(third) = world.create("m", PASS) else { panic!("it is new") };
        assert_ne!(third.number, first.number);
        assert!(world.describe("m", "x").is_none());
        world.start("m", "x", "3").await.unwrap();
        assert_eq!(world.end("m", "x").await, "SUCCEEDED 3");
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn tasks_are_answered_at_once_later_or_never() {
    each(async |store| {
        let mut world = open_with(&store, &Config::default(), Runner { echoes: true, ..Runner::default() });
        world.create("m", &task(""));
        world.start("m", "x", "[1]").await.unwrap();
        assert_eq!(world.end("m", "x").await, "SUCCEEDED [1]");
        world.engine.shut_down(Duration::ZERO);

        let mut world = open(&store, &Config::default());
        for name in ["later", "fails", "dropped"] {
            world.start("m", name, &format!("\"{name}\"")).await.unwrap();
        }
        for _ in 0..3 {
            let (task, completion) = world.runner.next();
            assert_eq!(&*task.state, "A");
            match task.input.text() {
                "\"later\"" => completion.succeed(payload("2")),
                "\"fails\"" => completion.fail(Failure::named("E")),
                _ => drop(completion),
            }
        }
        assert_eq!(world.end("m", "later").await, "SUCCEEDED 2");
        assert_eq!(world.end("m", "fails").await, "FAILED E");
        assert_eq!(world.end("m", "dropped").await, "FAILED Lambda.SdkClientException");
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn a_timeout_is_a_timer_of_the_clock() {
    each(async |store| {
        let mut world = open(&store, &Config::default());
        world.create("m", &task(r#""TimeoutSeconds":1,"#));
        world.start("m", "x", "1").await.unwrap();
        let (_, completion) = world.runner.next();
        assert_eq!(world.end("m", "x").await, "FAILED States.Timeout");
        completion.succeed(payload("\"too late\""));
        world.start("m", "y", "1").await.unwrap();
        world.runner.next().1.succeed(payload("1"));
        assert_eq!(world.end("m", "y").await, "SUCCEEDED 1");
        assert_eq!(world.describe("m", "x").unwrap().row.status, ExecutionStatus::Failed);
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn tasks_wait_for_a_slot() {
    each(async |store| {
        let mut world = open(&store, &Config { running_tasks_max: 2, ..Config::default() });
        world.create("m", &task(""));
        for n in 0..5 {
            world.start("m", &format!("x{n}"), &n.to_string()).await.unwrap();
        }
        let gauges = world.handle.gauges().await;
        assert_eq!((gauges.running_tasks, gauges.waiting_tasks, gauges.open_executions), (2, 3, 5));
        assert_eq!(world.runner.waiting(), 2);
        // One that is stopped while it waits is never handed over.
        world.stop("m", "x2").await.unwrap();
        for n in [0, 1, 3, 4] {
            let (task, completion) = world.runner.next();
            assert_eq!(task.input.text(), n.to_string());
            completion.succeed(task.input);
            assert_eq!(world.end("m", &format!("x{n}")).await, format!("SUCCEEDED {n}"));
        }
        assert_eq!(world.runner.waiting(), 0);
        assert_eq!(world.handle.gauges().await, Default::default());
        let figures = world.handle.figures(Duration::from_secs(60)).await;
        assert_eq!((figures.shards, figures.inbox, figures.gauges), (2, 0, Default::default()));
        let machine = figures.machines.values().next().expect("a machine has run");
        assert_eq!(*machine.arn, *format!("{ARN}m"));
        assert_eq!((machine.ends.started, machine.ends.ended), (5, [4, 0, 0, 1]));
        assert_eq!(figures.transitions, 5, "each has entered its one state");
        let calls: u64 = figures.calls.iter().map(|calls| calls.latency.count()).sum();
        assert_eq!((calls, figures.calls[0].failed), (4, 0));
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn what_was_running_at_a_shutdown_goes_on_at_the_next_start() {
    each(async |store| {
        let world = open(&store, &Config::default());
        world.create("m", &task(r#""Retry":[{"ErrorEquals":["Lambda.SdkClientException"],"MaxDelaySeconds":1}],"#));
        world.create("wait", r#""A":{"Type":"Wait","Seconds":1,"End":true}"#);
        world.start("m", "x", "1").await.unwrap();
        world.start("wait", "y", "1").await.unwrap();
        let (_, completion) = world.runner.next();
        let handle = world.handle.clone();
        world.engine.shut_down(Duration::ZERO);
        let late = handle.start(&format!("{ARN}m"), Some("late"), payload("1"), None).await;
        assert!(matches!(late, Err(StartError::Engine(Error::Unavailable(_)))), "{late:?}");
        completion.succeed(payload("\"nobody is there\""));

        let mut world = open(&store, &Config::default());
        world.runner.next().1.succeed(payload("2"));
        assert_eq!(world.end("m", "x").await, "SUCCEEDED 2");
        assert_eq!(world.end("wait", "y").await, "SUCCEEDED 1");
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn a_shutdown_waits_for_tasks_that_run_and_hands_no_more_over() {
    each(async |store| {
        let world = open(&store, &Config { running_tasks_max: 1, ..Config::default() });
        let states = format!(r#""A":{{{FUNCTION},"Next":"B"}},"B":{{{FUNCTION},"End":true}}"#);
        world.create("m", &states);
        world.start("m", "x", "1").await.unwrap();
        world.start("m", "y", "2").await.unwrap();
        let (_, completion) = world.runner.next();
        let (runner, handle) = (world.runner.clone(), world.handle.clone());
        let closing = std::thread::spawn(move || world.engine.shut_down(PATIENCE));
        // Until it refuses; only then is the task answered.
        while handle.start(&format!("{ARN}m"), None, payload("0"), None).await.is_ok() {}
        completion.succeed(payload("3"));
        closing.join().unwrap();
        assert_eq!(runner.waiting(), 0);

        // The answer was kept: x goes on with its second task, y with its first.
        let world = open(&store, &Config::default());
        let states: Vec<String> =
            (0..2).map(|_| world.runner.next().0).map(|task| format!("{} {}", task.state, task.input.text())).collect();
        assert!(states.contains(&"B 3".into()) && states.contains(&"A 2".into()), "{states:?}");
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn shards_share_the_work_and_their_number_may_change() {
    each(async |store| {
        let shards = |shards| Config { shards, ..Config::default() };
        let world = open(&store, &shards(5));
        world.create("hour", HOUR);
        let mut made_up = Vec::new();
        for n in 0..12 {
            world.start("hour", &format!("x{n}"), "{}").await.unwrap();
            made_up.push(world.handle.start(&format!("{ARN}hour"), None, payload("{}"), None).await.unwrap());
        }
        assert_eq!(world.handle.gauges().await.open_executions, 24);
        world.engine.shut_down(Duration::ZERO);
        let world = open(&store, &shards(3));
        assert_eq!(world.handle.gauges().await.open_executions, 24);
        for n in 0..12 {
            let again = world.start("hour", &format!("x{n}"), "{}").await;
            assert!(again.is_ok(), "x{n}: {again:?}");
            assert!(matches!(world.start("hour", &format!("x{n}"), "1").await, Err(StartError::AlreadyExists { .. })));
            world.stop("hour", &format!("x{n}")).await.unwrap();
        }
        for started in &made_up {
            world.handle.stop(&started.execution_arn, Failure::default()).await.unwrap();
        }
        assert_eq!(world.handle.gauges().await.open_executions, 0);
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn nested_executions_in_other_shards() {
    const SYNC: &str = r#""A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2",
        "Parameters":{"StateMachineArn":"c"},"OutputPath":"$.Output","End":true}"#;
    each(async |store| {
        let shards = |shards| Config { shards, ..Config::default() };
        let mut world = open(&store, &shards(5));
        world.create("m", SYNC);
        world.create("pass", PASS);
        world.create("hour", HOUR);
        let names: Vec<String> = (0..8).map(|n| format!("x{n}")).collect();
        for (n, name) in names.iter().enumerate() {
            world.start("m", name, "{}").await.unwrap();
            let (task, completion) = world.runner.next();
            let (child, parent) = (["pass", "hour"][n % 2], completion.parent());
            let start =
                async || world.handle.start_nested(&format!("{ARN}{child}"), name, payload("7"), parent.clone()).await;
            let (first, again) = (start().await.unwrap(), start().await.unwrap());
            assert_eq!((first, task.resource.call()), (again.clone(), Some(("states", "startExecution"))));
            completion.submit(payload("{}"), Some(again.execution_arn));
        }
        for name in names.iter().step_by(2) {
            assert_eq!(world.end("m", name).await, "SUCCEEDED 7");
        }
        world.engine.shut_down(Duration::ZERO);

        // Wherever the parents are now, their children are stopped with them.
        let mut world = open(&store, &shards(2));
        for name in names.iter().skip(1).step_by(2) {
            world.stop("m", name).await.unwrap();
            assert_eq!(world.end("hour", name).await, "ABORTED");
            assert_eq!(world.end("m", name).await, "ABORTED Stopped");
        }
        let left = world.handle.gauges().await;
        assert_eq!((left.open_executions, left.nested, left.names), (0, 0, 0));
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn a_worker_a_token_and_a_redrive() {
    const WORK: &str =
        r#""A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:000000000000:activity:a","End":true}"#;
    const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:a";
    each(async |store| {
        let mut world = open(&store, &Config::default());
        world.handle.activities().create(ACTIVITY, "a", BTreeMap::new(), None, engine::now()).unwrap();
        world.create("m", WORK);
        let poll = async || world.handle.poll_activity(ACTIVITY, Some("w"), Duration::from_secs(30)).await.unwrap();
        let start = world.start("m", "x", "[1]");
        // Whoever waits gets it as soon as it is there.
        let (taken, started) = tokio::join!(poll(), start);
        let taken = taken.unwrap();
        assert_eq!(taken.input.text(), "[1]");
        let fails = || TokenAnswer::Failed(Failure::named("E"));
        world.handle.answer(&taken.token, fails()).await.unwrap();
        assert!(matches!(world.handle.answer(&taken.token, fails()).await, Err(TokenError::TimedOut)));
        assert!(matches!(world.handle.answer("no token", fails()).await, Err(TokenError::Invalid)));
        let id = world.engine.reader().find(&started.unwrap().execution_arn).unwrap().unwrap();
        world.handle.redrive(id).await.unwrap();
        assert!(matches!(world.handle.redrive(id).await, Err(RedriveError::NotRedrivable(_))));
        let again = poll().await.unwrap();
        assert_ne!(again.token, taken.token);
        assert!(matches!(world.handle.answer(&taken.token, fails()).await, Err(TokenError::TimedOut)));
        world.handle.answer(&again.token, TokenAnswer::Succeeded(payload("2"))).await.unwrap();
        assert_eq!(world.end("m", "x").await, "SUCCEEDED 2");
        assert_eq!(world.handle.gauges().await, Default::default());
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn a_failed_commit_ends_the_term() {
    let check = |fault: Fault, end: &str, handed: usize| {
        block_on(async {
            let faulty = Arc::new(Faulty::new(Arc::new(Memory::new())));
            let store: Arc<dyn Store> = faulty.clone();
            let mut world = open(&store, &Config::default());
            world.create("m", &task(""));
            world.start("m", "before", "1").await.unwrap();
            let (_, before) = world.runner.next();
            assert_eq!(world.changes.recv().await.unwrap().status, ExecutionStatus::Running);

            faulty.on_next(fault);
            let failed = world.start("m", "x", "1").await;
            assert!(matches!(failed, Err(StartError::Engine(Error::Unavailable(_)))), "{failed:?}");
            // What ran before runs on: the process has not ended, and its answer counts in the next term.
            before.succeed(payload("1"));
            assert_eq!(world.end("m", "before").await, "SUCCEEDED 1", "{fault:?}");
            assert_eq!(world.describe("m", "x").is_some(), fault == Fault::LoseReply);

            let again = world.start("m", "x", "1").await;
            assert_eq!(again.is_ok(), fault == Fault::Fail, "{again:?}");
            for _ in 0..handed {
                world.runner.next().1.succeed(payload("2"));
            }
            assert_eq!(world.end("m", "x").await, end, "{fault:?}");
            assert_eq!((world.runner.waiting(), world.handle.gauges().await), (0, Default::default()));
            world.engine.shut_down(Duration::ZERO);
        });
    };
    check(Fault::Fail, "SUCCEEDED 2", 1);
    // It was durable, task and all, but nobody was told, and so the task was never handed over.
    check(Fault::LoseReply, "FAILED Lambda.SdkClientException", 0);
}

/// It pauses and goes on before it has heard that nothing is on its way. When it ends, nothing of it is left in line.
#[test]
fn a_lane_that_paused_leaves_nobody_in_line() {
    const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:a";
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let mut world = open(&store, &Config::default());
        world.handle.activities().create(ACTIVITY, "a", BTreeMap::new(), None, engine::now()).unwrap();
        world.create("m", &format!(r#""A":{{"Type":"Task","Resource":"{ACTIVITY}","End":true}}"#));
        let gone = world.handle.open_lane();
        for credit in [5, 0, 5] {
            gone.subscribe(ACTIVITY, None, credit, &[""; 0]).unwrap();
        }
        assert!(matches!(&gone.hear().await[..], [Told::Drained(_)]));
        drop(gone);
        world.start("m", "x", "1").await.unwrap();
        let lane = world.handle.open_lane();
        lane.subscribe(ACTIVITY, None, 1, &[""; 0]).unwrap();
        let [Told::Task { token, .. }] = &lane.hear().await[..] else { panic!("the task waits for who is there") };
        lane.answer([(Box::<str>::from(&**token), TokenAnswer::Succeeded(payload("2")))]);
        assert_eq!(world.end("m", "x").await, "SUCCEEDED 2");
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn a_lane_and_a_commit_that_fails() {
    const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:a";
    block_on(async {
        let faulty = Arc::new(Faulty::new(Arc::new(Memory::new())));
        let store: Arc<dyn Store> = faulty.clone();
        let mut world = open(&store, &Config::default());
        world.handle.activities().create(ACTIVITY, "a", BTreeMap::new(), None, engine::now()).unwrap();
        let first = format!(r#""A":{{"Type":"Task","Resource":"{ACTIVITY}","Next":"B"}}"#);
        world.create("m", &format!(r#"{first},"B":{{"Type":"Task","Resource":"{ACTIVITY}","End":true}}"#));
        let lane = world.handle.open_lane();
        lane.subscribe(ACTIVITY, None, 1, &[""; 0]).unwrap();
        let task = |told: Vec<Told>| match &told[..] {
            [Told::Task { token, input, .. }] => (Box::<str>::from(&**token), input.text().to_owned()),
            other => panic!("one task was expected: {other:?}"),
        };
        let success = |token: &str| [(Box::<str>::from(token), TokenAnswer::Succeeded(payload("2")))];

        // The place that was claimed in the batch that failed is free again, or the next task would not come.
        faulty.on_next(Fault::Fail);
        let failed = world.start("m", "x", "1").await;
        assert!(matches!(failed, Err(StartError::Engine(Error::Unavailable(_)))), "{failed:?}");
        let before = faulty.commits();
        world.start("m", "x", "1").await.unwrap();
        let (token, input) = task(lane.hear().await);
        assert_eq!((input.as_str(), faulty.commits() - before), ("1", 1), "scheduled and started are one commit");

        faulty.on_next(Fault::Fail);
        lane.answer(success(&token));
        match &lane.hear().await[..] {
            [Told::Answered { token: of, outcome: Err(TokenError::Engine(Error::Unavailable(_))) }] => {
                assert_eq!(*of, token)
            }
            other => panic!("{other:?}"),
        }
        // Its place was given free with the answer, and so the next task may be here before that one is answered again.
        let before = faulty.commits();
        lane.answer(success(&token));
        let mut told = Vec::new();
        while told.len() < 2 {
            told.extend(lane.hear().await);
        }
        assert!(told.iter().any(|it| matches!(it, Told::Answered { outcome: Ok(()), .. })), "{told:?}");
        assert_eq!(faulty.commits() - before, 1, "so are the outcome and the next task");
        told.retain(|it| matches!(it, Told::Task { .. }));
        let (token, input) = task(told);
        assert_eq!(input, "2");
        lane.answer(success(&token));
        assert_eq!(world.end("m", "x").await, "SUCCEEDED 2");
        assert_eq!(world.handle.gauges().await, Default::default());
        drop(lane);
        assert_eq!(world.handle.activities().waiting(), (0, 0));
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn an_engine_that_was_taken_over_answers_nobody() {
    each(async |store| {
        let old = open(&store, &Config::default());
        old.create("m", &task(""));
        old.start("m", "x", "1").await.unwrap();
        let (_, completion) = old.runner.next();
        let mut new = open(&store, &Config::default());
        assert_eq!(new.end("m", "x").await, "FAILED Lambda.SdkClientException");
        completion.succeed(payload("1"));
        for _ in 0..2 {
            let refused = old.start("m", "y", "1").await;
            assert!(matches!(refused, Err(StartError::Engine(Error::Unavailable(_)))), "{refused:?}");
        }
        assert!(matches!(old.stop("m", "y").await, Err(StopError::Engine(Error::Unavailable(_)))));
        new.start("m", "y", "1").await.unwrap();
        new.runner.next().1.succeed(payload("2"));
        assert_eq!(new.end("m", "y").await, "SUCCEEDED 2");
        old.engine.shut_down(Duration::ZERO);
        new.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn a_disk_that_stands_still_throttles() {
    block_on(async {
        let faulty = Arc::new(Faulty::new(Arc::new(Memory::new())));
        let store: Arc<dyn Store> = faulty.clone();
        let world = open(&store, &Config::default());
        world.create("m", PASS);
        faulty.on_next(Fault::Hold);
        let commits = faulty.commits();
        let asked = 13_000;
        let starts: Vec<_> = (0..asked)
            .map(|n| {
                let handle = world.handle.clone();
                let start =
                    async move { handle.start(&format!("{ARN}m"), Some(&n.to_string()), payload("1"), None).await };
                Box::pin(start)
            })
            .collect();
        // Poll each once, so that all are sent, before the disk goes on.
        let mut starts: Vec<_> = starts.into_iter().map(Some).collect();
        let mut refused = 0;
        let waker = std::task::Waker::noop();
        for start in &mut starts {
            let mut context = std::task::Context::from_waker(waker);
            if let std::task::Poll::Ready(answer) = start.as_mut().unwrap().as_mut().poll(&mut context) {
                assert!(matches!(answer, Err(StartError::Throttled)), "{answer:?}");
                refused += 1;
                *start = None;
            }
        }
        let taken_max = engine::limits::INBOX_MAX + 2 * engine::limits::BATCH_INPUTS_MAX;
        assert!(asked - refused <= taken_max, "{} of {asked} were taken", asked - refused);
        while faulty.commits() == commits {
            // Until the commit to be held is there.
            std::thread::yield_now();
        }
        faulty.release();
        for start in starts.into_iter().flatten() {
            start.await.unwrap();
        }
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn watchers_see_each_start_and_end_once() {
    each(async |store| {
        let mut world = open_with(&store, &Config::default(), Runner { echoes: true, ..Runner::default() });
        world.create("m", &task(""));
        for n in 0..20 {
            world.start("m", &format!("x{n}"), "1").await.unwrap();
        }
        let mut seen: BTreeMap<Arc<str>, Vec<ExecutionStatus>> = BTreeMap::new();
        for _ in 0..40 {
            let change = world.changes.recv().await.unwrap();
            seen.entry(change.execution_arn).or_default().push(change.status);
        }
        assert_eq!(seen.len(), 20);
        assert!(seen.values().all(|seen| *seen == [ExecutionStatus::Running, ExecutionStatus::Succeeded]), "{seen:?}");
        let reader = world.engine.reader();
        for arn in seen.keys() {
            let id = reader.find(arn).unwrap().unwrap();
            let history = reader.history(id, None, Order::Ascending, 100).unwrap().events;
            check_history(&history);
            assert!(matches!(history.last().unwrap().kind, EventKind::ExecutionSucceeded { .. }));
        }
        world.engine.shut_down(Duration::ZERO);
    });
}

#[test]
fn versions_and_aliases_are_kept() {
    each(async |store| {
        let mut world = open(&store, &Config::default());
        let arn = format!("{ARN}m");
        world.create("m", r#""A":{"Type":"Pass","Result":1,"End":true}"#);
        let machines = world.handle.machines().clone();
        let update = |result: u32| Update {
            definition: Some(machine(&format!(r#""A":{{"Type":"Pass","Result":{result},"End":true}}"#))),
            publish: Some(format!("answers {result}")),
            ..Update::default()
        };
        assert_eq!(machines.publish(&arn, None, "first".into(), engine::now()).unwrap().number, 1);
        assert_eq!(machines.update(&arn, update(2), engine::now()).unwrap().version.unwrap().number, 2);
        let routes = vec![Route { version: 1, weight: 0 }, Route { version: 2, weight: 100 }];
        let alias = NewAlias { name: "live".into(), description: String::new(), routes };
        machines.create_alias(&arn, alias, engine::now()).unwrap();
        machines.update(&arn, update(3), engine::now()).unwrap();
        machines.delete_version(&arn, 3).unwrap();
        assert!(matches!(machines.delete_version(&arn, 2), Err(ChangeError::VersionInUse { .. })));

        // All of it is there after a restart, and numbers go on.
        world.engine.shut_down(Duration::ZERO);
        world = open(&store, &Config::default());
        let machines = world.handle.machines().clone();
        for (name, qualifier, output) in [("a", ":1", "1"), ("b", ":2", "2"), ("c", ":live", "2"), ("d", "", "3")] {
            let input = payload("0");
            world.handle.start(&format!("{arn}{qualifier}"), Some(name), input, None).await.unwrap();
            assert_eq!(world.end("m", name).await, format!("SUCCEEDED {output}"), "{qualifier}");
        }
        let row = world.engine.reader().describe(&engine::execution_arn(&arn, "c")).unwrap().unwrap().row;
        assert_eq!((row.version, row.alias.as_deref()), (Some(2), Some("live")));
        assert_eq!(machines.publish(&arn, None, "again".into(), engine::now()).unwrap().number, 4);
        let gone = world.handle.start(&format!("{arn}:3"), None, payload("0"), None).await;
        assert!(matches!(gone, Err(StartError::MachineDoesNotExist)));
        world.engine.shut_down(Duration::ZERO);
    });
}

/// Keeps what it is told.
#[derive(Default)]
struct Kept(Mutex<Vec<Logged>>);

impl LogSink for Kept {
    fn log(&self, logged: Box<Logged>) {
        self.0.lock().unwrap().push(*logged);
    }
}

#[test]
fn machines_that_log_tell_their_events_once_and_others_none() {
    each(async |store| {
        let kept = Arc::new(Kept::default());
        let mut world = open(&store, &Config { log: kept.clone(), ..Config::default() });
        world.create("quiet", PASS);
        world.create("loud", PASS);
        let level = |level: &str| Update {
            settings: serde_json::Map::from_iter([(
                "loggingConfiguration".to_owned(),
                serde_json::json!({ "level": level }),
            )]),
            ..Update::default()
        };
        let machines = world.handle.machines().clone();
        machines.update(&format!("{ARN}quiet"), level("OFF"), engine::now()).unwrap();
        machines.update(&format!("{ARN}loud"), level("ALL"), engine::now()).unwrap();
        for name in ["quiet", "loud"] {
            world.start(name, "x", "{}").await.unwrap();
            world.end(name, "x").await;
        }
        world.engine.shut_down(Duration::ZERO);
        let kept = kept.0.lock().unwrap();
        assert!(kept.iter().all(|logged| logged.execution_arn.contains(":loud:")));
        let ids: Vec<u64> = kept.iter().flat_map(|logged| logged.events.iter().map(|event| event.id)).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
    });
}

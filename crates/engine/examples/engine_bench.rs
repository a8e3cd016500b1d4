//! How fast the engine is: in process, tasks answered at once, one SQLite file.
//!
//! `cargo run --release -p engine --example engine_bench [SECONDS [IN_FLIGHT...]]`
//! `cargo run --release -p engine --example engine_bench count EXECUTIONS [IN_FLIGHT]`
//! `cargo run --release -p engine --example engine_bench sweep [SECONDS [IN_FLIGHT...]]`
//!
//! First `step` alone, then executions of a machine like the travel saga's (five tasks and a Succeed) with 1, 64
//! and 512 in flight, or only as many as asked for. Steps are history events. With `count` so many executions and not
//! one more: what a tool that counts instructions tells of two counts differs by what the executions cost, however
//! busy the machine is. With `sweep` the same load twice over a store full of what has ended: kept, and then swept.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Completion, Config, Created, Engine, NewMachine, Task, TaskRunner};
use interpreter::{About, Command, Execution, Input, InputKind, Payload, Setting, Timestamp, step};
use store::testing::Scratch;
use store::{Folder, Options, Sqlite, Store};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ARN: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:travel";

/// Events of one execution of [`travel`]: start, five tasks of five, Succeed of two, end.
const STEPS: u64 = 1 + 5 * 5 + 2 + 1;

/// When to start no more.
#[derive(Clone, Copy)]
enum Until {
    Over(Duration),
    Started(usize),
}

fn main() {
    let is_counted = std::env::args().nth(1).is_some_and(|word| word == "count");
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse().ok());
    if is_counted {
        let executions = numbers.next().unwrap_or(1000) as usize;
        return whole_engine(numbers.next().unwrap_or(64) as usize, Until::Started(executions));
    }
    let whole_engine = match std::env::args().nth(1).is_some_and(|word| word == "sweep") {
        true => swept_engine,
        false => whole_engine,
    };
    let until = Until::Over(Duration::from_secs(numbers.next().unwrap_or(5)));
    let in_flight: Vec<usize> = numbers.map(|number| number as usize).collect();
    if in_flight.is_empty() {
        step_alone();
        [1, 64, 512].into_iter().for_each(|in_flight| whole_engine(in_flight, until));
    }
    in_flight.into_iter().for_each(|in_flight| whole_engine(in_flight, until));
}

fn travel() -> String {
    let names = ["ReserveHotel", "ReserveFlight", "TakePayment", "ConfirmHotelBooking", "ConfirmFlight", "Booked"];
    let task = |at: usize| {
        let (name, next) = (names[at], names[at + 1]);
        format!(
            r#""{name}":{{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{{"FunctionName":"{name}","Payload.$":"$"}},
            "ResultPath":"$.{name}Result","Catch":[{{"ErrorEquals":["States.ALL"],"ResultPath":"$.{name}Error","Next":"Failed"}}],"Next":"{next}"}}"#
        )
    };
    let tasks: Vec<String> = (0..5).map(task).collect();
    format!(
        r#"{{"StartAt":"ReserveHotel","TimeoutSeconds":300,"States":{{{},"Booked":{{"Type":"Succeed"}},"Failed":{{"Type":"Fail"}}}}}}"#,
        tasks.join(",")
    )
}

fn trip() -> Payload {
    let text = r#"{"trip_id":"5c12d94a-ee6a-40d9-889b-1d49142248b7","depart":"London","depart_at":"2021-07-10T06:00:00.000Z","arrive":"Dublin","arrive_at":"2021-07-12T08:00:00.000Z","hotel":"holiday inn","check_in":"2021-07-10T12:00:00.000Z","check_out":"2021-07-12T14:00:00.000Z","rental":"Volvo","rental_from":"2021-07-10T00:00:00.000Z","rental_to":"2021-07-12T00:00:00.000Z","run_type":"success"}"#;
    Payload::parse(text).expect("the input is JSON")
}

/// What `lambda:invoke` gives back.
fn answer() -> Payload {
    Payload::parse(
        r#"{"ExecutedVersion":"$LATEST","Payload":{"status":"ok","booking_id":"265846601"},"StatusCode":200}"#,
    )
    .expect("the answer is JSON")
}

/// Answers at once, with a new payload as from a wire.
struct Echo(String);

impl TaskRunner for Echo {
    fn run(&self, _: Task, completion: Completion) {
        completion.succeed(Payload::parse(&self.0).expect("the answer is JSON"));
    }
}

fn whole_engine(in_flight: usize, until: Until) {
    let scratch = Scratch::new();
    let folder = Folder::lock(scratch.path()).expect("a new folder can be locked");
    let store = Arc::new(Sqlite::open(&folder, Options::default()).expect("a new store opens"));
    let engine = open(&store, &Config::default());
    measure(&engine, &store, in_flight, until);
    engine.shut_down(Duration::ZERO);
}

/// The same load over a store full of what has ended: while all of it is kept, and while all of it is to go.
fn swept_engine(in_flight: usize, until: Until) {
    /// Until the first pass of the sweep begins.
    const FIRST_PASS: Duration = Duration::from_secs(60);
    let scratch = Scratch::new();
    let folder = Folder::lock(scratch.path()).expect("a new folder can be locked");
    let store = Arc::new(Sqlite::open(&folder, Options::default()).expect("a new store opens"));
    let engine = open(&store, &Config::default());
    println!("to fill the store, and then with everything kept:");
    let mut done = measure(&engine, &store, in_flight, until);
    done += measure(&engine, &store, in_flight, until);
    engine.shut_down(Duration::ZERO);
    let engine = open(&store, &Config { retention: Duration::ZERO, ..Config::default() });
    std::thread::sleep(FIRST_PASS);
    println!("with the sweep at work:");
    done += measure(&engine, &store, in_flight, until);
    let rows = store.scan(store::Space::Executions, &[]..&store::prefix_end(&[]), store::Order::Ascending, usize::MAX);
    println!("{} of {done} executions are left", rows.expect("the store can be read").len());
    engine.shut_down(Duration::ZERO);
}

fn open(store: &Arc<Sqlite>, config: &Config) -> Engine {
    let runner = Arc::new(Echo(answer().text().to_owned()));
    let engine = Engine::open(store.clone(), runner, config).expect("an engine opens");
    let new = NewMachine {
        arn: ARN.into(),
        name: "travel".into(),
        role_arn: "role".into(),
        definition: travel(),
        tags: Default::default(),
        settings: Default::default(),
    };
    let created = engine.handle().machines().create(new, engine::now()).expect("the machine is written");
    assert!(matches!(created, Created::New(_) | Created::Same(_)));
    engine
}

/// Tells what the load came to; how many executions that were.
fn measure(engine: &Engine, store: &Sqlite, in_flight: usize, until: Until) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    let (before, cpu_before) = (store.figures(), cpu_ms());
    let (done, mut latencies, taken) = runtime.block_on(load(engine, in_flight, until));
    let (after, cpu_after) = (store.figures(), cpu_ms());
    latencies.sort_unstable();
    let rate = done as f64 / taken.as_secs_f64();
    let commits = after.commits - before.commits;
    println!(
        "{in_flight:>4} in flight: {done} executions, {rate:>5.0}/s {:>9.0} steps/s  p50 {:>7.2?} p99 {:>7.2?}  {:>6.0} commits/s  {:>5} bytes of file ({} of values) and {:.0} us of CPU an execution",
        rate * STEPS as f64,
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
        commits as f64 / taken.as_secs_f64(),
        after.file_bytes.saturating_sub(before.file_bytes) / done,
        (after.value_bytes - before.value_bytes) / done,
        (cpu_after - cpu_before) * 1000.0 / done as f64,
    );
    done
}

/// Milliseconds of CPU that this process has used, all threads together. Not a number where there is no `/proc`.
fn cpu_ms() -> f64 {
    // After the name in parentheses: state is field 3, user and system time are fields 14 and 15, in ticks of 10 ms.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) * 10.0
}

/// Keeps so many executions in flight; how many ended, how long each took, and how long all.
async fn load(engine: &Engine, in_flight: usize, until: Until) -> (u64, Vec<Duration>, Duration) {
    let (handle, mut changes) = (engine.handle(), engine.handle().watch());
    let input = trip();
    let since = Instant::now();
    let mut open = std::collections::HashMap::new();
    let mut latencies = Vec::new();
    let mut starting = Vec::new();
    let (mut wanted, mut started) = (in_flight, 0);
    loop {
        match until {
            Until::Over(time) if since.elapsed() > time => wanted = 0,
            Until::Over(_) => {}
            Until::Started(executions) => wanted = wanted.min(executions - started),
        }
        started += wanted;
        if wanted == 0 && open.is_empty() {
            return (latencies.len() as u64, latencies, since.elapsed());
        }
        for _ in 0..wanted {
            let (handle, input, asked) = (handle.clone(), input.clone(), Instant::now());
            let start = async move { (handle.start(ARN, None, input, None).await.expect("it starts"), asked) };
            starting.push(start);
        }
        for start in join(std::mem::take(&mut starting)).await {
            open.insert(start.0.execution_arn, start.1);
        }
        wanted = 0;
        while wanted == 0 {
            let mut next = Some(changes.recv().await.expect("the watcher keeps up"));
            while let Some(change) = next {
                if change.stopped_at.is_some() {
                    let asked = open.remove(&change.execution_arn).expect("it was started here");
                    latencies.push(asked.elapsed());
                    wanted += 1;
                }
                next = changes.try_recv().ok();
            }
        }
    }
}

/// Polls all to their end.
async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        let mut is_ready = true;
        for (future, output) in &mut pinned {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(done) => *output = Some(done),
                    std::task::Poll::Pending => is_ready = false,
                }
            }
        }
        match is_ready {
            true => std::task::Poll::Ready(pinned.iter_mut().filter_map(|(_, output)| output.take()).collect()),
            false => std::task::Poll::Pending,
        }
    })
    .await
}

fn step_alone() {
    // A loop of Pass states: 12,499 rounds fill a history.
    let pass = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericEquals":1,"Next":"C"}],"Default":"A"},"C":{"Type":"Succeed"}}}"#;
    let (events, spent) = run(pass, r#"{"n":0}"#, None, 40);
    println!("step: {:>6.0} ns a Pass or Choice", spent.as_nanos() as f64 / (events / 2) as f64);
    let task = r#"{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:0:function:f","Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericEquals":1,"Next":"C"}],"Default":"A"},"C":{"Type":"Succeed"}}}"#;
    let kilobyte = format!(r#"{{"n":0,"text":"{}"}}"#, "x".repeat(1000));
    let (events, spent) = run(task, &kilobyte, Some(&kilobyte), 40);
    // A round is a task (entered, scheduled, started, succeeded, exited) and a Choice of two events.
    println!(
        "step: {:>6.0} ns a task of 1 KB and the Choice after it, from start to the next",
        spent.as_nanos() as f64 / (events / 7) as f64
    );
}

/// Runs to the end of the history, so often; events made and time spent in `step` and in parsing the answers.
fn run(definition: &str, input: &str, answer: Option<&str>, times: usize) -> (u64, Duration) {
    let definition = asl::parse(definition).expect("the definition is valid").definition;
    let about = About {
        execution_arn: "arn:aws:states:us-east-1:0:execution:m:x".into(),
        execution_name: "x".into(),
        machine_arn: "arn:aws:states:us-east-1:0:stateMachine:m".into(),
        machine_name: "m".into(),
        role_arn: "role".into(),
        started_at: Timestamp(0),
        input: Payload::parse(input).expect("the input is JSON"),
        key: 1,
        is_express: false,
    };
    let setting = Setting::new(&definition, &about);
    let since = Instant::now();
    let mut events = 0;
    for _ in 0..times {
        let mut execution = Execution::new();
        let mut next = Some(InputKind::Start);
        while let Some(kind) = next.take() {
            let input = Input { at: Timestamp(0), entropy: 1, kind };
            let transition = step(&setting, &mut execution, &input).expect("what fits is taken");
            events += transition.history.len() as u64;
            for command in &transition.commands {
                match command {
                    Command::Continue => next = Some(InputKind::Continue),
                    Command::RunTask(task) => {
                        let started = Input { at: Timestamp(0), entropy: 1, kind: InputKind::TaskStarted(task.task) };
                        events += step(&setting, &mut execution, &started).map_or(0, |it| it.history.len() as u64);
                        let output = Payload::parse(answer.expect("tasks have an answer")).expect("the answer is JSON");
                        next = Some(InputKind::TaskSucceeded(task.task, output));
                    }
                    _ => {}
                }
            }
            black_box(&transition);
            if execution.status.is_terminal() {
                next = None;
            }
        }
    }
    (events, since.elapsed())
}

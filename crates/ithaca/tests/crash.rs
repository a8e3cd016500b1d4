//! kill -9 of the real binary, again and again, at chosen-by-chance moments, while sagas run: nothing acknowledged
//! is lost, and every saga gets home.
//!
//! ```text
//!   starters (4 threads)   StartExecution by name until acknowledged, through every outage ----+
//!   killer                 spawn, [ready,] a moment, kill -9; 22 times; then start to stay     | 200 sagas, 200 patient
//!   judge                  every execution, its whole history, and every row of the table <----+
//! ```
//!
//! Two state machines take the same kills. The *saga* is that of the example: a step that a kill cut off has an unknown
//! outcome and is compensated. The *patient* saga has a Retry on the steps forward as well, so it is always booked.
//! In both a compensation is tried more often than in the example, whose four attempts so many kills could use up.
//!
//! A moment is chosen by a seed, but what runs at it depends on the machine, so a seed plays the moments again, not
//! the whole run.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use support::client::{CallError, Client, text};
use support::history::{attempts, check_whole, states_entered};
use support::ithaca::{Ithaca, Up, functions_of, processes_of};
use support::random::Random;
use support::scratch::Scratch;
use support::travel::{BOOKED, COMPENSATIONS, FORWARD, MACHINE, SORRY, TABLE, built_example, trip};
use support::wait::wait_for;

const KILLS: usize = 22;
/// Of each kind of saga.
const SAGAS: usize = 200;
/// Clients at the same time; with the waits of Retry this keeps some tens of sagas under way.
const STARTERS: usize = 4;
/// How long an instance lives at most once it is ready; long enough for a few hundred steps.
const LIFE_MAX: Duration = Duration::from_millis(1200);
/// How long its newest sagas have been under way at most when it is killed: less than one takes.
const PULSE: Duration = Duration::from_millis(60);
/// One instance in four is killed this early, which may be before it is ready: while it recovers.
const YOUTH: Duration = Duration::from_millis(150);
const CUT_OFF: &str = "Lambda.SdkClientException";

#[test]
fn every_saga_gets_home_through_many_kills() {
    let mut random = Random::from_env("crash");
    let scratch = Scratch::new("crash");
    let template = Up::new(scratch.join("data")).template(built_example()).parameter("FailureRate=0");
    let first = template.start();
    let (port, client) = (first.port(), first.client());
    let patient = [&FORWARD[..], &COMPENSATIONS].concat();
    let machines =
        [create_with_retry(&client, "saga", &COMPENSATIONS), create_with_retry(&client, "patient", &patient)];
    let sagas = Sagas::new(&machines);

    let (kills, last) = thread::scope(|scope| {
        for _ in 0..STARTERS {
            scope.spawn(|| sagas.start_all(&client));
        }
        let kills = kill_often(first, &template.clone().without_template().port(port), &sagas, &mut random);
        sagas.release(2 * SAGAS);
        // The last one deploys the example again, as a user would, while its executions run.
        (kills, template.clone().port(port).start())
    });
    kills.iter().for_each(|kill| assert_none_survived(&template, kill.host));
    let ends = machines.iter().map(|machine| wait_for_ends(&client, machine)).collect::<Vec<_>>();
    judge(&client, &ends, &kills);
    assert!(last.stop().success());
    assert_eq!(processes_of(&template.data), [0; 0], "an Ithaca that stopped leaves no process");
}

/// The example's definition with a Retry, of what a kill cuts off, on these states.
fn create_with_retry(client: &Client, name: &str, states: &[&str]) -> String {
    let described = client.states("DescribeStateMachine", json!({ "stateMachineArn": MACHINE }));
    let mut definition: Value = serde_json::from_str(described["definition"].as_str().unwrap()).unwrap();
    // More attempts than there are kills, so that no run of bad luck uses them up.
    let retry = json!([{ "ErrorEquals": [CUT_OFF], "IntervalSeconds": 1, "MaxAttempts": 2 * KILLS, "BackoffRate": 1 }]);
    for state in states {
        definition["States"][state]["Retry"] = retry.clone();
    }
    client.create_machine(name, &definition)
}

/// The sagas to start: even numbers are of the first machine, odd ones of the second.
struct Sagas<'m> {
    machines: &'m [String; 2],
    next: AtomicUsize,
    acknowledged: AtomicUsize,
    /// So many may be started by now; they are released bit by bit, so that there are some at every kill.
    released: AtomicUsize,
}

impl Sagas<'_> {
    fn new(machines: &[String; 2]) -> Sagas<'_> {
        let [next, acknowledged, released] = [const { AtomicUsize::new(0) }; 3];
        Sagas { machines, next, acknowledged, released }
    }

    fn release(&self, count: usize) {
        self.released.store(count, Ordering::SeqCst);
    }

    /// Takes saga after saga and starts each, until there is none left.
    fn start_all(&self, client: &Client) {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= 2 * SAGAS {
                return;
            }
            wait_for("the next sagas are released", || (number < self.released.load(Ordering::SeqCst)).then_some(()));
            start_by_name(client, &self.machines[number % 2], &name(number));
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Name of the execution and of its trip.
fn name(number: usize) -> String {
    format!("saga-{number:03}")
}

/// Asks until it is answered: the name makes it one execution, however often the answer was lost.
fn start_by_name(client: &Client, machine: &str, name: &str) {
    let body = json!({ "stateMachineArn": machine, "name": name, "input": trip(name, "success").to_string() });
    wait_for(&format!("{name} is acknowledged"), || match client.try_states("StartExecution", &body) {
        Ok(_) => Some(()),
        // It was started by a request whose answer was lost, and has ended since.
        Err(CallError::Refused(refusal)) if refusal.name == "ExecutionAlreadyExists" => Some(()),
        Err(CallError::NoAnswer(_)) => None,
        Err(error) => panic!("{name}: {error:?}"),
    });
}

struct Kill {
    /// Seconds since 1970.
    at: f64,
    /// The process that was killed.
    host: u32,
    /// How many function processes it had.
    functions: usize,
}

/// Kills the running instance, starts the next and kills that, and so on.
fn kill_often(first: Ithaca, again: &Up, sagas: &Sagas, random: &mut Random) -> Vec<Kill> {
    let mut kills: Vec<Kill> = Vec::new();
    let mut running = Some(first);
    while kills.len() < KILLS {
        let released = (kills.len() + 1) * 2 * SAGAS / KILLS;
        let dies_young = running.is_none() && random.below(4) == 0;
        let mut ithaca = running.take().unwrap_or_else(|| again.spawn());
        let life = if dies_young { random.duration_below(YOUTH) } else { random.duration_below(LIFE_MAX) };
        if !dies_young && ithaca.said().is_null() {
            ithaca.wait_ready().unwrap_or_else(|status| panic!("no restart, but {status}: {}", ithaca.complaints()));
            // The new instance is there, so nothing of the old one may be: it could undo what a compensation did.
            kills.last().inspect(|kill| assert_none_survived(again, kill.host));
        }
        // The moment is the matter of this test; there is no condition to wait for.
        thread::sleep(life);
        let acknowledged = sagas.acknowledged.load(Ordering::SeqCst);
        sagas.release(released);
        if !dies_young {
            // However fast the machine is, some sagas are under way at this kill.
            let begun = || (sagas.acknowledged.load(Ordering::SeqCst) > acknowledged).then_some(());
            wait_for("a saga of this life", begun);
            thread::sleep(random.duration_below(PULSE));
        }
        let host = ithaca.id();
        let functions = functions_of(&again.data, host).len();
        ithaca.kill();
        kills.push(Kill { at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64(), host, functions });
    }
    kills
}

fn assert_none_survived(up: &Up, host: u32) {
    assert_eq!(functions_of(&up.data, host), [0; 0], "function processes outlived their host {host}");
}

/// All executions of a machine by name, once none is running.
fn wait_for_ends(client: &Client, machine: &str) -> BTreeMap<String, Value> {
    let running = json!({ "stateMachineArn": machine, "statusFilter": "RUNNING" });
    wait_for("all executions end", || {
        client.states("ListExecutions", running.clone())["executions"].as_array().unwrap().is_empty().then_some(())
    });
    client.executions(machine).into_iter().map(|execution| (text(&execution["name"]), execution)).collect()
}

/// What became of the sagas of one machine.
#[derive(Debug, Default)]
struct Tally {
    booked: usize,
    compensated: usize,
    cut_off: usize,
}

fn judge(client: &Client, ends: &[BTreeMap<String, Value>], kills: &[Kill]) {
    let rows = all_rows(client);
    let mut tallies = [Tally::default(), Tally::default()];
    for (machine, executions) in ends.iter().enumerate() {
        let expect: BTreeSet<String> = (0..2 * SAGAS).filter(|number| number % 2 == machine).map(name).collect();
        assert_eq!(executions.keys().cloned().collect::<BTreeSet<_>>(), expect, "exactly what was acknowledged exists");
        for (name, execution) in executions {
            let left = rows.get(name).map_or(&[][..], Vec::as_slice);
            judge_saga(client, execution, left, &mut tallies[machine]);
        }
    }
    let of_known_trips = rows.keys().all(|trip| ends.iter().any(|executions| executions.contains_key(trip)));
    assert!(of_known_trips, "rows of trips that nobody booked: {:?}", rows.keys());

    let [sagas, patient] = &tallies;
    let hits = kills.iter().map(|kill| running_at(ends, kill.at)).collect::<Vec<_>>();
    println!("sagas under way at each kill: {hits:?}\nsagas: {sagas:?}\npatient sagas: {patient:?}");
    assert_eq!((patient.booked, patient.compensated), (SAGAS, 0), "Retry carries them through");
    assert_eq!(sagas.booked + sagas.compensated, SAGAS, "each is booked or compensated as a whole");
    assert!(hits.iter().filter(|running| **running > 0).count() >= 20, "too few kills hit a saga: {hits:?}");
    // Else the search for survivors does not know what to look for.
    assert!(!cfg!(target_os = "linux") || kills.iter().any(|kill| kill.functions > 0), "no kill met a function");
    assert!(
        sagas.cut_off > 0 && patient.cut_off > 0 && sagas.compensated > 0,
        "no kill cut an attempt off: {tallies:?}"
    );
}

fn running_at(ends: &[BTreeMap<String, Value>], at: f64) -> usize {
    let is_running = |execution: &&Value| {
        execution["startDate"].as_f64().unwrap() < at && at < execution["stopDate"].as_f64().unwrap()
    };
    ends.iter().flat_map(BTreeMap::values).filter(is_running).count()
}

/// Kind and status of all rows, by trip.
fn all_rows(client: &Client) -> BTreeMap<String, Vec<(String, String)>> {
    let mut rows = BTreeMap::<String, Vec<(String, String)>>::new();
    let mut scan = json!({ "TableName": TABLE, "ConsistentRead": true });
    loop {
        let mut page = client.dynamo("Scan", scan.clone());
        for row in page["Items"].as_array().unwrap() {
            let kind = text(&row["sk"]["S"]).split('#').next().unwrap().to_owned();
            rows.entry(text(&row["pk"]["S"])).or_default().push((kind, text(&row["transaction_status"]["S"])));
        }
        match page["LastEvaluatedKey"].take() {
            Value::Null => return rows,
            key => scan["ExclusiveStartKey"] = key,
        }
    }
}

fn judge_saga(client: &Client, execution: &Value, rows: &[(String, String)], tally: &mut Tally) {
    let arn = text(&execution["executionArn"]);
    let events = client.history(&arn);
    check_whole(&events);
    let attempts = attempts(&events);
    let entered = states_entered(&events);
    for error in attempts.iter().filter_map(|attempt| attempt.error.as_deref()) {
        assert_eq!(error, CUT_OFF, "{arn}: nothing but a kill makes an attempt fail: {attempts:?}");
        tally.cut_off += 1;
    }
    match (execution["status"].as_str().unwrap(), *entered.last().unwrap()) {
        ("SUCCEEDED", BOOKED) => {
            let confirmed = ["FLIGHT", "HOTEL", "PAYMENT"].map(|kind| (kind.to_owned(), "confirmed".to_owned()));
            assert_eq!(rows, confirmed, "{arn} is booked");
            tally.booked += 1;
        }
        ("FAILED", SORRY) => {
            assert_eq!(rows, [], "{arn} is compensated: {entered:?}");
            tally.compensated += 1;
        }
        end => panic!("{arn} ended as {end:?}: {entered:?}"),
    }
}

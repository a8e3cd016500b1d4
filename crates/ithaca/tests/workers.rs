//! Workers with a lane, against the real binary: who may open one, what a slow or mad worker does to others, the client crate,
//! and kill -9 of Ithaca while it works. The ledger of what was done is the test's own.

mod support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use ithaca_worker::{Answers, Error, Failure, Running, Worker};
use serde_json::{Value, json};
use support::client::{Client, text};
use support::ithaca::{Ithaca, Up};
use support::random::Random;
use support::scratch::Scratch;
use support::wait::{BOUND, wait_for};

const OPEN: [(&str, &str); 2] = [("connection", "upgrade"), ("upgrade", "ithaca-worker/1")];
const PATH: &str = "/ithaca/worker";

fn up(name: &str) -> (Scratch, Ithaca) {
    let scratch = Scratch::new(name);
    let ithaca = Up::new(scratch.join("data")).start();
    (scratch, ithaca)
}

fn create_activity(client: &Client, name: &str) -> String {
    text(&client.states("CreateActivity", json!({ "name": name }))["activityArn"])
}

/// A machine of one task of an activity, with further fields.
fn create_machine(client: &Client, name: &str, activity: &str, fields: Value) -> String {
    let mut task = json!({ "Type": "Task", "Resource": activity, "End": true });
    task.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    client.create_machine(name, &json!({ "StartAt": "Work", "States": { "Work": task } }))
}

fn statuses(client: &Client, machine: &str, status: &str) -> usize {
    client.executions(machine).iter().filter(|execution| execution["status"] == status).count()
}

/// A lane without the client crate.
struct Raw {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Raw {
    fn open(client: &Client) -> Raw {
        let mut stream = TcpStream::connect(&client.address).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let head = format!("GET {PATH} HTTP/1.1\r\nhost: {}\r\n", client.address);
        let headers: String = OPEN.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        stream.write_all(format!("{head}{headers}\r\n").as_bytes()).unwrap();
        let mut raw = Raw { reader: BufReader::new(stream.try_clone().unwrap()), stream };
        assert!(raw.line().starts_with("HTTP/1.1 101"), "the lane is opened");
        while !raw.line().trim().is_empty() {}
        raw
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line
    }

    fn say(&mut self, line: &Value) {
        self.stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn subscribe(&mut self, activity: &str, credit: usize) {
        self.say(&json!({ "Subscribe": { "activityArn": activity, "credit": credit } }));
        assert_eq!(self.hear(), json!({ "Subscribed": { "activityArn": activity, "credit": credit } }));
    }
}

#[test]
fn who_may_open_a_lane() {
    let (_scratch, ithaca) = up("lane-open");
    let client = ithaca.client();
    let check = |method: &str, headers: &[(&str, &str)], expect: u16| {
        let answer = client.send(method, PATH, headers, b"").unwrap();
        assert_eq!(answer.status, expect, "{method} {headers:?}: {}", answer.text());
    };
    check("GET", &[], 426);
    check("GET", &[OPEN[0], ("upgrade", "websocket")], 426);
    check("POST", &OPEN, 405);
    check("GET", &[OPEN[0], OPEN[1], ("origin", "http://evil.example")], 403);
    check("GET", &[OPEN[0], OPEN[1], ("sec-fetch-site", "cross-site")], 403);
    check("GET", &[OPEN[0], OPEN[1], ("host", "evil.example")], 403);
    // In one packet with the request, as the first lines may be.
    let mut stream = TcpStream::connect(&client.address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    let head = format!(
        "GET {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: ithaca-worker/1\r\n\r\n{{}}\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap).skip_while(|line| !line.is_empty()).skip(1);
    assert!(lines.next().unwrap().contains("SerializationException"));
}

#[test]
fn a_slow_worker_and_a_mad_one_harm_nobody_else() {
    let (_scratch, ithaca) = up("lane-slow");
    let client = ithaca.client();
    let activity = create_activity(&client, "a");
    let machine = create_machine(&client, "m", &activity, json!({}));
    // It takes three and does not even read them.
    let mut slow = Raw::open(&client);
    slow.subscribe(&activity, 3);
    for input in 0..10 {
        client.start(&machine, &json!(input));
    }
    let quick =
        Worker::connect(ithaca.endpoint()).activity(&*activity, 2, |task| Ok(task.input.clone())).start().unwrap();
    wait_for("the others are done", || (statuses(&client, &machine, "SUCCEEDED") == 7).then_some(()));

    // Lines that are none, and one that has no end.
    let mut mad = Raw::open(&client);
    mad.stream.write_all(b"\xff\xfe\n[1]\n").unwrap();
    for line in [1, 2] {
        let refused = mad.hear();
        assert_eq!(
            (&refused["Refused"]["line"], &refused["Refused"]["error"]),
            (&json!(line), &json!("SerializationException"))
        );
    }
    mad.stream.write_all(&vec![b'x'; 2 << 20]).unwrap();
    assert_eq!(mad.hear()["Refused"]["error"], "RequestEntityTooLargeException");
    mad.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    mad.reader.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "the lane is ended");

    // What the slow one has stays its own until it answers.
    let tokens: Vec<String> = (0..3).map(|_| text(&slow.hear()["Task"]["taskToken"])).collect();
    for token in &tokens {
        slow.say(&json!({ "SendTaskSuccess": { "taskToken": token, "output": "0" } }));
    }
    wait_for("all are done", || (statuses(&client, &machine, "SUCCEEDED") == 10).then_some(()));
    quick.stop().unwrap();
}

#[test]
fn a_worker_that_dies_is_found_out_by_the_heartbeat() {
    let (_scratch, ithaca) = up("lane-dies");
    let client = ithaca.client();
    let activity = create_activity(&client, "a");
    let retry = json!([{ "ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 2 }]);
    let machine = create_machine(&client, "m", &activity, json!({ "HeartbeatSeconds": 2, "Retry": retry }));
    let mut first = Raw::open(&client);
    first.subscribe(&activity, 1);
    let execution = client.start(&machine, &json!(7));
    let lost = text(&first.hear()["Task"]["taskToken"]);
    // As the kernel does for a process that is killed.
    drop(first);
    let second = Worker::connect(ithaca.endpoint())
        .named("second")
        .heartbeats(Duration::from_millis(300))
        .activity(&*activity, 1, |task| Ok(task.input.clone()))
        .start()
        .unwrap();
    assert_eq!(client.ended(&execution)["output"], "7");
    let late = second.answers().succeed(&lost, &json!(8)).unwrap_err();
    assert_eq!(late.error, "TaskTimedOut");
    let history = client.history(&execution);
    let count = |kind: &str| history.iter().filter(|event| event["type"] == kind).count();
    assert_eq!((count("ActivityStarted"), count("ActivityTimedOut"), count("ActivitySucceeded")), (2, 1, 1));
    second.stop().unwrap();
}

#[test]
fn what_handlers_give_is_what_executions_get() {
    let (_scratch, ithaca) = up("lane-crate");
    let client = ithaca.client();
    let activity = create_activity(&client, "a");
    let machine = create_machine(&client, "m", &activity, json!({}));
    let worker = Worker::connect(ithaca.endpoint())
        .activity(&*activity, 2, |task| match task.input.as_str() {
            Some("fail") => Err(Failure::new("Full", "no seat is left")),
            Some("panic") => panic!("out of paper"),
            Some("large") => Ok(json!("x".repeat(300_000))),
            Some("text") => Ok(serde_json::from_str::<Value>("no JSON")?),
            Some("beat") => Ok(json!(task.heartbeat().is_ok())),
            _ => Ok(json!({ "got": task.input })),
        })
        .start()
        .unwrap();
    let check = |input: Value, expect: &str| {
        let ended = client.ended(&client.start(&machine, &input));
        let told = match ended["status"].as_str() {
            Some("SUCCEEDED") => text(&ended["output"]),
            _ => format!("{}: {}", text(&ended["error"]), text(&ended["cause"])),
        };
        assert_eq!(told, expect, "{input}");
    };
    check(json!({ "a": "\"\n" }), r#"{"got":{"a":"\"\n"}}"#);
    check(json!("fail"), "Full: no seat is left");
    check(json!("panic"), "Worker.Panicked: out of paper");
    check(json!("large"), "States.DataLimitExceeded: The output has 300002 bytes; the most is 262144.");
    check(json!("text"), "States.TaskFailed: expected ident at line 1 column 2");
    check(json!("beat"), "true");
    worker.stop().unwrap();

    let refused = |arn: &str| match Worker::connect(ithaca.endpoint()).activity(arn, 1, |_| Ok(json!(0))).start() {
        Err(Error::Refused { refused, .. }) => refused.error,
        other => panic!("{arn}: {:?}", other.err()),
    };
    assert_eq!(refused(&format!("{activity}b")), "ActivityDoesNotExist");
    assert_eq!(refused("a"), "InvalidArn");
    let nobody = Worker::connect("http://127.0.0.1:1").start().err().unwrap();
    assert!(matches!(nobody, Error::Connect { .. }), "{nobody}");
}

#[test]
fn tokens_of_callbacks_are_answered_too() {
    let (_scratch, ithaca) = up("lane-tokens");
    let client = ithaca.client();
    let activity = create_activity(&client, "a");
    // The token reaches whoever answers as the input of a task of the activity: nothing but the test carries it.
    let child = create_machine(&client, "tell", &activity, json!({}));
    let parameters = json!({ "StateMachineArn": child, "Input": { "token.$": "$$.Task.Token" } });
    let wait = json!({ "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.waitForTaskToken",
        "Parameters": parameters, "End": true });
    let machine = client.create_machine("m", &json!({ "StartAt": "Wait", "States": { "Wait": wait } }));
    let (sender, tokens) = mpsc::channel();
    let sender = Mutex::new(sender);
    let worker = Worker::connect(ithaca.endpoint())
        .activity(&*activity, 1, move |task| {
            sender.lock().unwrap().send(text(&task.input["token"])).unwrap();
            Ok(json!(0))
        })
        .start()
        .unwrap();
    let answers: Answers = worker.answers();
    let run = |answer: &dyn Fn(&str)| {
        let execution = client.start(&machine, &json!({}));
        answer(&tokens.recv_timeout(BOUND).unwrap());
        client.ended(&execution)
    };
    let done = run(&|token| {
        answers.heartbeat(token).unwrap();
        answers.succeed(token, &json!([1])).unwrap();
        assert_eq!(answers.succeed(token, &json!([2])).unwrap_err().error, "TaskTimedOut");
    });
    assert_eq!(done["output"], "[1]");
    let failed = run(&|token| answers.fail(token, &Failure::new("No", "not today")).unwrap());
    assert_eq!((&failed["error"], &failed["cause"]), (&json!("No"), &json!("not today")));
    assert_eq!(answers.heartbeat("none").unwrap_err().error, "InvalidToken");
    worker.stop().unwrap();
    assert_eq!(answers.heartbeat("none").unwrap_err().error, "Worker.Stopped");
}

/// So often is it killed, each time after a moment of at most so long.
const KILLS: usize = 6;
const LIFE_MAX_MS: u64 = 700;
const SAGAS: usize = 120;
const STEPS: [&str; 3] = ["hotel", "flight", "payment"];

/// What was done: how often each step of each saga.
type Ledger = Arc<Mutex<HashMap<(u64, String), usize>>>;

#[test]
fn nothing_is_lost_or_done_twice_through_kills() {
    let mut random = Random::from_env("workers");
    let scratch = Scratch::new("lane-kills");
    let template = Up::new(scratch.join("data"));
    let mut ithaca = template.start();
    let (port, client) = (ithaca.port(), ithaca.client());
    let activity = create_activity(&client, "a");
    let machine = client.create_machine("saga", &saga(&activity));
    let ledger = Ledger::default();
    let worker = worker(&ithaca.endpoint(), &activity, &ledger);
    thread::scope(|scope| {
        scope.spawn(|| start_all(&client, &machine));
        for _ in 0..KILLS {
            thread::sleep(Duration::from_millis(random.below(LIFE_MAX_MS)));
            ithaca.kill();
            ithaca = template.clone().port(port).start();
        }
    });
    wait_for("every saga has ended", || (statuses(&client, &machine, "RUNNING") == 0).then_some(()));
    assert_eq!(statuses(&client, &machine, "SUCCEEDED"), SAGAS);
    let done = ledger.lock().unwrap();
    assert_eq!(done.len(), SAGAS * STEPS.len(), "every step of every saga was done");
    let twice: Vec<_> = done.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "done more than once: {twice:?}");
    worker.stop().unwrap();
}

/// A task that never reached the worker is given up when no heartbeat came, and only then is it handed over again.
fn saga(activity: &str) -> Value {
    let retry = json!([{ "ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 2 * KILLS, "BackoffRate": 1 }]);
    let mut states = serde_json::Map::new();
    for (at, step) in STEPS.into_iter().enumerate() {
        let mut task = json!({
            "Type": "Task", "Resource": activity, "HeartbeatSeconds": 12, "Retry": retry, "ResultPath": null,
            "Parameters": { "saga.$": "$.saga", "step": step },
        });
        match STEPS.get(at + 1) {
            Some(next) => task["Next"] = (*next).into(),
            None => task["End"] = true.into(),
        }
        states.insert(step.into(), task);
    }
    json!({ "StartAt": STEPS[0], "States": states })
}

fn worker(endpoint: &str, activity: &str, ledger: &Ledger) -> Running {
    let ledger = ledger.clone();
    let worker = Worker::connect(endpoint).ahead(8).heartbeats(Duration::from_secs(1));
    let worker = worker.activity(activity, 4, move |task| {
        let key = (task.input["saga"].as_u64().unwrap(), text(&task.input["step"]));
        *ledger.lock().unwrap().entry(key).or_default() += 1;
        // The effect is there and its acknowledgement is not: the moment that a kill should meet.
        thread::sleep(Duration::from_millis(15));
        Ok(json!("done"))
    });
    worker.start().unwrap()
}

/// Starts each saga by its name until that is acknowledged.
fn start_all(client: &Client, machine: &str) {
    for saga in 0..SAGAS {
        let input = json!({ "saga": saga }).to_string();
        let body = json!({ "stateMachineArn": machine, "name": format!("saga-{saga}"), "input": input });
        wait_for("a start is acknowledged", || match client.try_states("StartExecution", &body) {
            Ok(_) => Some(()),
            // It had been started, and has ended.
            Err(support::client::CallError::Refused(refusal)) if refusal.name == "ExecutionAlreadyExists" => Some(()),
            Err(_) => None,
        });
    }
}

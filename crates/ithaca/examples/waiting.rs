//! What it costs to wait: long polls of idle workers, and executions whose task is with a worker that takes its time.
//!
//! ```sh
//! cargo build --release -p ithaca && cargo run --release -p ithaca --example waiting -- target/release/ithaca 100000
//! ```
//!
//! An Ithaca of its own is started in an empty folder below the system's temporary folder, or in the folder that a third
//! argument names, and is driven over its public port. Then it is killed with `kill -9` and started again.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Workers that poll an activity without tasks: AWS's quota.
const POLLS: usize = 1000;

/// Connections that start executions and take tasks.
const CLIENTS: usize = 64;

/// How long the idle CPU is measured.
const IDLE: Duration = Duration::from_secs(30);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, count, folder @ ..] = &arguments[..] else {
        panic!("usage: waiting PROGRAM EXECUTIONS [FOLDER]");
    };
    let count: usize = count.parse().expect("EXECUTIONS is a number");
    let own = std::env::temp_dir().join(format!("ithaca-waiting-{}", std::process::id()));
    let data = folder.first().map_or_else(|| own.clone(), PathBuf::from);

    let (mut server, took) = Server::start(program, &data);
    let empty = server.memory_kib();
    println!("ready in {took:.1?}, {:.1} MiB", empty as f64 / 1024.0);
    long_polls(&server);
    let tokens = waiting_executions(&server, count);
    let bytes = disk_bytes(&data);
    println!("on disk: {:.1} MiB, {:.0} bytes each", bytes as f64 / f64::from(1 << 20), bytes as f64 / count as f64);

    server.process.kill().expect("it can be killed");
    server.process.wait().expect("it ends");
    let (server, took) = Server::start(program, &data);
    let begun = Instant::now();
    let body = json!({ "taskToken": tokens[0], "output": "{}" });
    server.client().call("SendTaskSuccess", &body);
    let answered = begun.elapsed();
    println!("after kill -9: serves again in {took:.2?}, the first token is answered {answered:.1?} later");
    server.report("recovered", count, empty);
    end_all(&server, &tokens[1..]);
    drop(server);
    if folder.is_empty() {
        // What cannot be removed is for the system to remove.
        let _ = fs::remove_dir_all(own);
    }
}

fn long_polls(server: &Server) {
    let activity = server.client().call("CreateActivity", &json!({ "name": "idle" }))["activityArn"].clone();
    let before = server.memory_kib();
    let polls: Vec<Client> = (0..POLLS)
        .map(|_| {
            let mut client = server.client();
            client.send("GetActivityTask", &json!({ "activityArn": activity }));
            client
        })
        .collect();
    server.report("long polls", POLLS, before);
    drop(polls);
}

/// The tokens of executions that wait for their workers.
fn waiting_executions(server: &Server, count: usize) -> Vec<String> {
    let mut client = server.client();
    let activity = client.call("CreateActivity", &json!({ "name": "slow" }))["activityArn"].clone();
    let task = json!({ "Type": "Task", "Resource": activity, "TimeoutSeconds": 864_000, "End": true });
    let definition = json!({ "StartAt": "Ask", "States": { "Ask": task } }).to_string();
    let create = json!({ "name": "waits", "roleArn": "arn:aws:iam::000000000000:role/r", "definition": definition });
    let machine = client.call("CreateStateMachine", &create)["stateMachineArn"].clone();
    let before = server.memory_kib();
    let begun = Instant::now();
    in_parallel(server, count, |client, number| {
        let input = json!({ "trip": number, "from": "London", "to": "Dublin" }).to_string();
        client.call("StartExecution", &json!({ "stateMachineArn": machine, "input": input }));
    });
    println!("started {count} executions in {:.1?}", begun.elapsed());
    server.report("tasks that are scheduled", count, before);
    let tokens = Mutex::new(Vec::with_capacity(count));
    let begun = Instant::now();
    in_parallel(server, count, |client, _| {
        let taken = client.call("GetActivityTask", &json!({ "activityArn": activity }));
        let token = taken["taskToken"].as_str().expect("there are as many tasks as polls").to_owned();
        tokens.lock().expect("no client has panicked").push(token);
    });
    println!("took {count} tasks in {:.1?}", begun.elapsed());
    server.report("tasks that are taken", count, before);
    tokens.into_inner().expect("no client has panicked")
}

fn end_all(server: &Server, tokens: &[String]) {
    let begun = Instant::now();
    in_parallel(server, tokens.len(), |client, number| {
        client.call("SendTaskSuccess", &json!({ "taskToken": tokens[number], "output": "{}" }));
    });
    println!(
        "ended {} executions in {:.1?}, {:.1} MiB",
        tokens.len(),
        begun.elapsed(),
        server.memory_kib() as f64 / 1024.0
    );
}

fn in_parallel(server: &Server, count: usize, work: impl Fn(&mut Client, usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS.min(count) {
            scope.spawn(|| {
                let mut client = server.client();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    work(&mut client, number);
                }
            });
        }
    });
}

fn disk_bytes(data: &Path) -> u64 {
    let files = fs::read_dir(data).expect("the data folder can be read").flatten();
    files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(program: &str, data: &Path) -> (Server, Duration) {
        let begun = Instant::now();
        let mut process = Command::new(program)
            .args(["up", "--json", "--port", "0", "--api-port", "0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let first = lines.next().expect("it says that it is ready").expect("it can be read");
        let took = begun.elapsed();
        // The rest must be read, or it waits for a reader.
        thread::spawn(move || lines.for_each(drop));
        let first: Value = serde_json::from_str(&first).expect("up --json writes JSON");
        let endpoint = first["endpoint"].as_str().expect("it says where it is");
        (Server { process, address: endpoint.trim_start_matches("http://").to_owned() }, took)
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_nodelay(true).expect("the option is known");
        Client { stream: BufReader::new(stream) }
    }

    fn proc_file(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.process.id())).expect("it runs")
    }

    fn memory_kib(&self) -> u64 {
        let status = self.proc_file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse().expect("it is a number")
    }

    fn cpu(&self) -> Duration {
        let stat = self.proc_file("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // Of utime and stime, in the hundredths of a second that Linux shows everywhere.
        let ticks: u64 = fields[11..13].iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    fn report(&self, what: &str, count: usize, before_kib: u64) {
        // What has just happened is written first.
        thread::sleep(Duration::from_secs(2));
        let (memory, cpu) = (self.memory_kib(), self.cpu());
        thread::sleep(IDLE);
        let busy = (self.cpu() - cpu).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
        let each = (memory.saturating_sub(before_kib) * 1024) as f64 / count as f64;
        println!("{count} {what}: {:.1} MiB, {each:.0} bytes each, {busy:.2} % of a CPU idle", memory as f64 / 1024.0);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn send(&mut self, operation: &str, body: &Value) {
        let body = body.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: AWSStepFunctions.{operation}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("it takes the request");
    }

    /// An operation that must succeed.
    fn call(&mut self, operation: &str, body: &Value) -> Value {
        self.send(operation, body);
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("it answers");
        let is_good = line.contains(" 200 ");
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).expect("it answers");
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("it is a number");
            }
        }
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("the answer is whole");
        let answer = serde_json::from_slice(&bytes).expect("the answer is JSON");
        assert!(is_good, "{operation} {body}: {answer}");
        answer
    }
}

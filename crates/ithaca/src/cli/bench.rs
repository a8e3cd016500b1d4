//! `ithaca bench`: how fast is it here, with the travel saga's shape (five tasks in a row).
//!
//! A second Ithaca is started in an empty folder as its own process, and driven over its public port, so nothing is
//! measured from the inside: requests, function processes, disk and load generator share the machine. The functions
//! are this program in another role: they answer at once over the real Runtime API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::client::Client;
use super::terminal::{Tone, paint, print_line};
use super::{Context, Outcome, runtime};

/// The hidden subcommand that is the benchmark's function.
pub const FUNCTION: &str = "bench-function";

#[derive(Args)]
pub struct BenchArgs {
    /// Sagas in flight, one measurement each.
    #[arg(long, value_delimiter = ',', default_value = "1,64,512")]
    concurrency: Vec<usize>,
    /// Seconds of each measurement, after a warm-up of a quarter of it.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Where the data of the measured Ithaca lies; the kind of disk decides much.
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
}

const MACHINE: &str = "bench";
const TASKS: usize = 5;

pub fn run(args: &BenchArgs, context: &Context) -> Outcome {
    let scratch = Scratch::make(args.scratch.as_deref())?;
    runtime()?.block_on(measure_all(args, context, &scratch))
}

async fn measure_all(args: &BenchArgs, context: &Context, scratch: &Scratch) -> Outcome {
    let server = Measured::start(&scratch.0)?;
    let idle_kib = server.resident_kib();
    let mut report = json!({
        "machine": machine_line(),
        "startMs": server.started_in.as_secs_f64() * 1000.0,
        "idleMemoryMiB": idle_kib as f64 / 1024.0,
        "runs": [],
    });
    set_up(&server).await?;
    if !context.json {
        print_line!(
            "{}",
            paint(
                Tone::Quiet,
                &format!(
                    "{}; five tasks, Lambda functions on the Runtime API, every step synced",
                    report["machine"].as_str().unwrap_or_default()
                )
            )
        );
        print_line!(
            "ready in {:.0} ms, {:.0} MiB idle",
            report["startMs"].as_f64().unwrap_or(0.0),
            idle_kib as f64 / 1024.0
        );
        print_line!(
            "{:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>11} {:>9} {:>12} {:>9}",
            "in flight",
            "sagas/s",
            "steps/s",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "max ms",
            "cpu ms",
            "bytes/saga",
            "MiB"
        );
    }
    for &concurrency in &args.concurrency {
        let run = measure(&server, concurrency.max(1), args.seconds).await?;
        if !context.json {
            print_line!(
                "{:>9} {:>9.0} {:>9.0} {:>9.2} {:>9.2} {:>9.2} {:>11.2} {:>9.2} {:>12.0} {:>9.0}",
                concurrency,
                number(&run, "sagasPerSecond"),
                number(&run, "stepsPerSecond"),
                number(&run, "p50Ms"),
                number(&run, "p90Ms"),
                number(&run, "p99Ms"),
                number(&run, "maxMs"),
                number(&run, "serverCpuMsPerSaga"),
                number(&run, "fileBytesPerSaga"),
                number(&run, "memoryMiB"),
            );
        }
        report["runs"].as_array_mut().expect("runs is a list").push(run);
    }
    if context.json {
        print_line!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

fn number(run: &Value, member: &str) -> f64 {
    run[member].as_f64().unwrap_or(f64::NAN)
}

/// A folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn make(parent: Option<&Path>) -> Result<Scratch, String> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let folder = parent.join(format!("ithaca-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the user's to look at; it is in the temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The Ithaca that is measured.
struct Measured {
    process: Child,
    endpoint: String,
    data: PathBuf,
    started_in: Duration,
}

impl Measured {
    fn start(scratch: &Path) -> Result<Measured, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let data = scratch.join("data");
        let began = Instant::now();
        let mut process = Command::new(program)
            .args(["up", "--json", "--port", "0", "--data"])
            .arg(&data)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the Ithaca to be measured could not be started: {error}"))?;
        let output = process.stdout.take().ok_or("its output is not there")?;
        let mut lines = BufReader::new(output).lines();
        let ready: Value = lines
            .next()
            .and_then(Result::ok)
            .and_then(|line| serde_json::from_str(&line).ok())
            .ok_or("the Ithaca to be measured did not start: see its message above")?;
        let started_in = began.elapsed();
        // A line for each execution that ends must be read by somebody.
        std::thread::spawn(move || lines.for_each(drop));
        let endpoint = ready["endpoint"].as_str().unwrap_or_default().to_owned();
        Ok(Measured { process, endpoint, data, started_in })
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
    }

    /// User and system time of the server alone, without its functions.
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        // SAFETY: sysconf reads a constant of the system.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        ticks as f64 / per_second.max(1) as f64
    }

    /// What the execution store takes on the disk, its log included.
    fn file_bytes(&self) -> u64 {
        ["ithaca.db", "ithaca.db-wal"]
            .iter()
            .filter_map(|name| std::fs::metadata(self.data.join(name)).ok())
            .map(|it| it.len())
            .sum()
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn set_up(server: &Measured) -> Result<(), String> {
    let mut client = Client::connect(&server.endpoint).await?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let script = format!("#!/bin/sh\nexec '{}' {FUNCTION}\n", program.display());
    let body = json!({
        "FunctionName": MACHINE,
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Role": "arn:aws:iam::000000000000:role/bench",
        "Timeout": 60,
        "Code": { "ZipFile": STANDARD.encode(zip_of("bootstrap", script.as_bytes())?) },
    });
    let request = http::Request::post("/2015-03-31/functions")
        .header(http::header::HOST, client.authority())
        .body(Full::from(Bytes::from(body.to_string())))
        .map_err(|error| error.to_string())?;
    let (status, answer) = client.send(request).await?;
    if !status.is_success() {
        return Err(format!("the function could not be created: {}", String::from_utf8_lossy(&answer)));
    }
    let created =
        json!({ "name": MACHINE, "roleArn": "arn:aws:iam::000000000000:role/bench", "definition": definition() });
    client.call("CreateStateMachine", created).await.map(drop)
}

/// A zip with one file.
fn zip_of(name: &str, content: &[u8]) -> Result<Vec<u8>, String> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default()).map_err(|error| error.to_string())?;
    zip.write_all(content).map_err(|error| error.to_string())?;
    zip.finish().map(std::io::Cursor::into_inner).map_err(|error| error.to_string())
}

/// The travel saga's shape: each task gets the whole state and adds its result.
fn definition() -> String {
    let mut states = serde_json::Map::new();
    for step in 1..=TASKS {
        let mut state = json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": { "FunctionName": MACHINE, "Payload.$": "$" },
            "ResultPath": format!("$.Step{step}Result"),
            "ResultSelector": { "Payload.$": "$.Payload" },
            "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.Error", "Next": "Failed" }],
        });
        state["Next"] = if step == TASKS { "Done".into() } else { format!("Step{}", step + 1).into() };
        states.insert(format!("Step{step}"), state);
    }
    states.insert("Done".into(), json!({ "Type": "Succeed" }));
    states.insert("Failed".into(), json!({ "Type": "Fail" }));
    json!({ "StartAt": "Step1", "TimeoutSeconds": 300, "States": states }).to_string()
}

/// Runs sagas for a while, always so many in flight, and sums up.
async fn measure(server: &Measured, concurrency: usize, seconds: f64) -> Result<Value, String> {
    let ends = Arc::new(Ends::default());
    let listening = listen(server, ends.clone()).await?;
    let began = Instant::now();
    let (warm, over) = (Duration::from_secs_f64(seconds / 4.0), Duration::from_secs_f64(seconds * 1.25));
    let (sender, mut latencies) = mpsc::unbounded_channel();
    let failed = Arc::new(AtomicUsize::new(0));
    let mut workers = Vec::new();
    for _ in 0..concurrency {
        let (ends, sender, failed, endpoint) = (ends.clone(), sender.clone(), failed.clone(), server.endpoint.clone());
        workers.push(tokio::spawn(async move {
            let mut client = Client::connect(&endpoint).await?;
            while began.elapsed() < over {
                let asked = Instant::now();
                let (arn, end) = start(&mut client, &ends).await?;
                let status = end.await.map_err(|_| format!("{arn} ended unseen"))?;
                if status != "SUCCEEDED" {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
                // The receiver lives until all workers have ended.
                let _ = sender.send((asked.duration_since(began), asked.elapsed()));
            }
            Ok::<(), String>(())
        }));
    }
    drop(sender);
    tokio::time::sleep(warm.saturating_sub(began.elapsed())).await;
    let (cpu_before, bytes_before, from) = (server.cpu_seconds(), server.file_bytes(), began.elapsed());
    let mut before = 0usize;
    let mut all = Vec::new();
    while let Some((asked, took)) = latencies.recv().await {
        if asked + took < from { before += 1 } else { all.push(took.as_secs_f64() * 1000.0) }
    }
    let window = (began.elapsed() - from).as_secs_f64();
    for worker in workers {
        worker.await.map_err(|error| error.to_string())??;
    }
    listening.abort();
    all.sort_by(f64::total_cmp);
    let sagas = all.len().max(1) as f64;
    let at = |part: f64| all.get(((all.len() as f64 * part) as usize).min(all.len().saturating_sub(1))).copied();
    Ok(json!({
        "inFlight": concurrency,
        "sagas": all.len(),
        "warmUpSagas": before,
        "notSucceeded": failed.load(Ordering::Relaxed),
        "sagasPerSecond": sagas / window,
        "stepsPerSecond": sagas / window * TASKS as f64,
        "p50Ms": at(0.5),
        "p90Ms": at(0.9),
        "p99Ms": at(0.99),
        "maxMs": all.last(),
        "serverCpuMsPerSaga": (server.cpu_seconds() - cpu_before) * 1000.0 / sagas,
        "fileBytesPerSaga": server.file_bytes().saturating_sub(bytes_before) as f64 / sagas,
        "memoryMiB": server.resident_kib() as f64 / 1024.0,
    }))
}

/// Starts a saga; its end comes over the channel, also when it is reported before the start's answer.
async fn start(client: &mut Client, ends: &Ends) -> Result<(String, oneshot::Receiver<String>), String> {
    let arn = format!("arn:aws:states:us-east-1:000000000000:stateMachine:{MACHINE}");
    let input = r#"{"trip_id":"5c12d94a-ee6a-40d9-889b-1d49142248b7","depart":"London","depart_at":"2021-07-10T06:00:00.000Z","arrive":"Dublin","arrive_at":"2021-07-12T08:00:00.000Z","hotel":"holiday inn","check_in":"2021-07-10T12:00:00.000Z","check_out":"2021-07-12T14:00:00.000Z","rental":"Volvo","run_type":"success"}"#;
    let answer = client.call("StartExecution", json!({ "stateMachineArn": arn, "input": input })).await?;
    let execution = answer["executionArn"].as_str().ok_or("a start was answered without an ARN")?.to_owned();
    let end = ends.of(&execution).await;
    Ok((execution, end))
}

/// Who waits for which end, and which ends came before anybody asked.
#[derive(Default)]
struct Ends(Mutex<std::collections::HashMap<String, Meeting>>);

enum Meeting {
    Waits(oneshot::Sender<String>),
    Came(String),
}

impl Ends {
    async fn of(&self, execution: &str) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        let mut ends = self.0.lock().await;
        match ends.remove(execution) {
            // The receiver is right here.
            Some(Meeting::Came(status)) => drop(sender.send(status)),
            _ => drop(ends.insert(execution.to_owned(), Meeting::Waits(sender))),
        }
        receiver
    }

    async fn come(&self, execution: &str, status: &str) {
        let mut ends = self.0.lock().await;
        match ends.remove(execution) {
            // A worker that has given up wants no answer.
            Some(Meeting::Waits(sender)) => drop(sender.send(status.to_owned())),
            _ => drop(ends.insert(execution.to_owned(), Meeting::Came(status.to_owned()))),
        }
    }
}

/// Reads the stream of status changes.
async fn listen(server: &Measured, ends: Arc<Ends>) -> Result<tokio::task::JoinHandle<()>, String> {
    let mut client = Client::connect(&server.endpoint).await?;
    let request = http::Request::get("/ithaca/changes")
        .header(http::header::HOST, client.authority())
        .body(Full::default())
        .map_err(|error| error.to_string())?;
    let mut body = client.open(request).await?.into_body();
    Ok(tokio::spawn(async move {
        let _connection = client;
        let mut text = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = text.drain(..end + 2).collect();
                let change: Value = match event.strip_prefix(b"data: ").map(serde_json::from_slice) {
                    Some(Ok(change)) => change,
                    _ => continue,
                };
                if let (Some(arn), Some(status)) = (change["executionArn"].as_str(), change["status"].as_str())
                    && status != "RUNNING"
                {
                    ends.come(arn, status).await;
                }
            }
        }
    }))
}

fn machine_line() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let memory = read("/proc/meminfo");
    let kib: f64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let load = read("/proc/loadavg");
    format!("{model}, {cores} cores, {:.0} GiB, load {}", kib / 1_048_576.0, load.split(' ').next().unwrap_or("?"))
}

/// The benchmark's function: answers every invocation at once, over one connection to the Runtime API.
pub fn function() -> Outcome {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API")
        .map_err(|_| "this is a function: it runs under a Lambda host".to_owned())?;
    let broken = |error: std::io::Error| format!("the Runtime API: {error}");
    let stream = TcpStream::connect(&api).map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    let mut reader = BufReader::new(stream.try_clone().map_err(broken)?);
    let mut writer = stream;
    let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n");
    loop {
        writer.write_all(next.as_bytes()).map_err(broken)?;
        let request_id = read_answer(&mut reader).map_err(broken)?;
        let answer = r#"{"status":"ok","booking_id":"2039533926"}"#;
        let post = format!(
            "POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\nHost: {api}\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        writer.write_all(post.as_bytes()).map_err(broken)?;
        read_answer(&mut reader).map_err(broken)?;
    }
}

/// Reads one HTTP answer and gives the request id in its headers, if there is one.
fn read_answer(reader: &mut impl BufRead) -> std::io::Result<String> {
    let (mut request_id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "lambda-runtime-aws-request-id" => request_id = value.to_owned(),
            "content-length" => length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    Ok(request_id)
}

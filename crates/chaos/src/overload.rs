//! More than can be served, and clients that misbehave by the thousand: memory stays bounded, nothing that was
//! acknowledged is lost, an ordinary client is served all the while, and afterwards all is as before.
//!
//! The disk is made slow by [`crate::faults`], so that "more than can be served" means the same on every machine.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::faults::Faults;
use crate::flood::{Connection, request};
use crate::ithaca::{Ithaca, Up};
use crate::scratch::Scratch;
use crate::verdict::Verdict;
use crate::wait::{wait_for, wait_within};

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Clients that start executions as fast as they are answered.
    pub clients: usize,
    pub lasts: Duration,
    /// Connections that do nothing.
    pub idle: usize,
    /// Of each kind of client that misbehaves.
    pub bad: usize,
}

pub const LONG: Size = Size { clients: 13_000, lasts: Duration::from_secs(20), idle: 10_000, bad: 1000 };

/// For every change.
pub const SHORT: Size = Size { clients: 400, lasts: Duration::from_secs(2), idle: 1000, bad: 80 };

/// Each flush, while there is too much to do: with 1024 inputs in a batch that is some thousand starts a second.
const SLOW: Duration = Duration::from_millis(400);

/// An ordinary client waits no longer than this, whatever others do.
const LATENCY_MAX: Duration = Duration::from_secs(5);

/// And back at its old pace after this.
const CALM_MAX: Duration = Duration::from_secs(10);

/// Beyond what it has at rest: 10,000 requests that wait, the batches on their way, and the buffers of connections.
const GROWTH_MIB_MAX: u64 = 1500;

/// Descriptors of ours that are no connections.
const OWN_FILES: u64 = 500;

/// As many descriptors as the system allows, and how many connections that makes.
fn connections() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit into memory that is ours, then reads it.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
    }
    // Ithaca keeps 4096 of its own, or half.
    let theirs = limit.rlim_cur - 4096.min(limit.rlim_cur / 2);
    usize::try_from(theirs.min(limit.rlim_cur - OWN_FILES.min(limit.rlim_cur))).unwrap_or(usize::MAX)
}

struct Bench {
    _scratch: Scratch,
    faults: Faults,
    ithaca: Mutex<Ithaca>,
    process: u32,
    client: Client,
    machine: String,
    memory_kib: u64,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let scratch = Scratch::new(name);
        std::fs::create_dir_all(scratch.join("data")).expect("it can be made");
        let data = scratch.join("data").canonicalize().expect("it is there");
        let faults = Faults::new(scratch.join("faults"), &data);
        let ithaca = faults.under(Up::new(&data)).start();
        let client = ithaca.client();
        let pass = json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } });
        let machine = client.create_machine("pass", &pass);
        let memory_kib = memory_kib(ithaca.id());
        Bench {
            _scratch: scratch,
            faults,
            process: ithaca.id(),
            ithaca: Mutex::new(ithaca),
            client,
            machine,
            memory_kib,
        }
    }

    /// What every scenario promises at its end.
    fn close(self, verdict: &mut Verdict, peak_kib: u64) {
        let growth = peak_kib.saturating_sub(self.memory_kib) / 1024;
        verdict.say("memory at rest", format!("{} MiB", self.memory_kib / 1024));
        verdict.claim("  at most more, in MiB", growth, |mib| *mib <= GROWTH_MIB_MAX);
        verdict.claim("healthy", self.client.get("/healthz").status, |status| *status == 200);
        let mut ithaca = self.ithaca.into_inner().expect("nobody panicked");
        if ithaca.complaints().contains("panicked") {
            verdict.problems.push(ithaca.complaints());
        }
        ithaca.kill();
    }
}

/// Resident memory of a process.
fn memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// An ordinary client, and a look at the memory, beside everything else.
#[derive(Default)]
struct Watch {
    is_over: AtomicBool,
    worst: Mutex<Duration>,
    calls: AtomicUsize,
    peak_kib: Mutex<u64>,
    troubles: Mutex<BTreeSet<String>>,
}

impl Watch {
    /// Calls until it is over: each a question and a start.
    fn keep(&self, bench: &Bench) {
        const PAUSE: Duration = Duration::from_millis(50);
        while !self.is_over.load(Ordering::SeqCst) {
            let begun = Instant::now();
            let asked = bench.client.try_states("DescribeStateMachine", &json!({ "stateMachineArn": bench.machine }));
            let started = bench.client.try_states("StartExecution", &json!({ "stateMachineArn": bench.machine }));
            if let Some(error) = asked.err().or(started.err()) {
                self.troubles.lock().expect("nobody panicked").insert(format!("{error:?}"));
            }
            let mut worst = self.worst.lock().expect("nobody panicked");
            *worst = begun.elapsed().max(*worst);
            drop(worst);
            self.calls.fetch_add(1, Ordering::Relaxed);
            let mut peak = self.peak_kib.lock().expect("nobody panicked");
            *peak = memory_kib(bench.process).max(*peak);
            drop(peak);
            thread::sleep(PAUSE);
        }
    }

    fn report(&self, verdict: &mut Verdict) -> u64 {
        let worst = *self.worst.lock().expect("nobody panicked");
        verdict.say("calls of an ordinary client", self.calls.load(Ordering::Relaxed));
        verdict.claim("  the slowest, in ms", worst.as_millis(), |ms| *ms <= LATENCY_MAX.as_millis());
        let troubles = self.troubles.lock().expect("nobody panicked").clone();
        verdict.claim("  refused", troubles.len(), |refused| *refused == 0);
        verdict.problems.extend(troubles);
        *self.peak_kib.lock().expect("nobody panicked")
    }
}

/// Runs `misbehave` while an ordinary client is served.
fn beside_an_ordinary_client(bench: &Bench, verdict: &mut Verdict, misbehave: impl FnOnce(&mut Verdict)) -> u64 {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let watch = Watch::default();
    thread::scope(|scope| {
        let over = Over(&watch.is_over);
        scope.spawn(|| watch.keep(bench));
        misbehave(verdict);
        wait_for("the ordinary client has called", || (watch.calls.load(Ordering::Relaxed) > 2).then_some(()));
        drop(over);
    });
    watch.report(verdict)
}

/// Each kind of client that misbehaves.
pub fn bad_clients(size: Size) -> Vec<Verdict> {
    vec![idle(size), slow_loris(size), slow_readers(size), huge_heads(size), large_bodies(size)]
}

/// What a flood of starts was answered with.
#[derive(Default)]
struct Flood {
    acknowledged: Mutex<Vec<String>>,
    throttled: AtomicUsize,
    others: Mutex<BTreeSet<String>>,
}

/// More clients than the engine's inbox has places, over a slow disk.
pub fn starts(size: Size) -> Verdict {
    let mut verdict = Verdict::new("overload");
    let clients = size.clients.min(connections().saturating_sub(100));
    let bench = Bench::new("chaos-overload");
    let before = pace(&bench);
    verdict.say("an ordinary start takes", format!("{before:.1?}"));
    verdict.say("clients that start without a pause", clients);
    bench.faults.slow(SLOW);
    let flood = Arc::new(Flood::default());
    let is_over = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let mut peak = 0;
    for number in 0..clients {
        let (flood, is_over) = (flood.clone(), is_over.clone());
        let (address, machine) = (bench.client.address.clone(), bench.machine.clone());
        runtime.spawn(async move { flood.start(number, &address, &machine, &is_over).await });
    }
    let begun = Instant::now();
    wait_within(size.lasts, || {
        peak = memory_kib(bench.process).max(peak);
        None::<()>
    });
    is_over.store(true, Ordering::SeqCst);
    bench.faults.mend();
    let calm =
        wait_within(CALM_MAX, || (pace(&bench) <= 3 * before.max(Duration::from_millis(5))).then(|| begun.elapsed()));
    let took = calm.map(|at| at.saturating_sub(size.lasts));
    runtime.shutdown_timeout(Duration::from_secs(5));

    let acknowledged = flood.acknowledged.lock().expect("nobody panicked").clone();
    verdict.claim("acknowledged", acknowledged.len(), |count| *count > 0);
    let throttled = flood.throttled.load(Ordering::Relaxed);
    let is_more = clients > 11_000;
    verdict.claim("throttled with ThrottlingException", throttled, |count| *count > 0 || !is_more);
    let others = flood.others.lock().expect("nobody panicked").clone();
    verdict.claim("other answers", others.len(), |count| *count == 0);
    verdict.problems.extend(others);
    verdict.claim("at its old pace after", format!("{took:.1?}"), |_| took.is_some());
    let there: BTreeSet<String> =
        bench.client.executions(&bench.machine).iter().map(|execution| text(&execution["name"])).collect();
    let lost = acknowledged.iter().filter(|name| !there.contains(*name)).count();
    verdict.claim("acknowledged and lost", lost, |lost| *lost == 0);
    bench.close(&mut verdict, peak);
    verdict
}

impl Flood {
    async fn start(&self, client: usize, address: &str, machine: &str, is_over: &AtomicBool) {
        let mut connection = Connection::new(address);
        for number in 0.. {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let name = format!("c{client}-{number}");
            let body = json!({ "stateMachineArn": machine, "name": name, "input": "{}" }).to_string();
            match connection.call(&request("StartExecution", &body)).await {
                Ok(answer) if answer.status == 200 => self.acknowledged.lock().expect("nobody panicked").push(name),
                Ok(answer) if answer.names("ThrottlingException") => {
                    self.throttled.fetch_add(1, Ordering::Relaxed);
                }
                Ok(answer) => {
                    let text = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
                    self.others.lock().expect("nobody panicked").insert(text);
                }
                // The run is over, or the queue of the kernel was full.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// How long one start takes now: the median of a few.
fn pace(bench: &Bench) -> Duration {
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let begun = Instant::now();
            // One that is throttled was no start.
            match bench.client.try_states("StartExecution", &json!({ "stateMachineArn": bench.machine })) {
                Ok(_) => begun.elapsed(),
                Err(_) => Duration::MAX,
            }
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Connections that send nothing, or a request and then nothing.
pub fn idle(size: Size) -> Verdict {
    let mut verdict = Verdict::new("idle connections");
    let count = size.idle.min(connections().saturating_sub(100));
    let bench = Bench::new("chaos-idle");
    let peak = beside_an_ordinary_client(&bench, &mut verdict, |verdict| {
        let question = request("ListActivities", "{}");
        let open: Vec<TcpStream> = (0..count)
            .map(|number| {
                let mut stream = TcpStream::connect(&bench.client.address).expect("a connection is taken");
                if number % 2 == 0 {
                    stream.write_all(&question).expect("a request is taken");
                    // As much of the answer as tells that it came.
                    stream.read_exact(&mut [0; 12]).expect("it is answered");
                }
                stream
            })
            .collect();
        verdict.claim("open at the same time", open.len(), |open| *open == size.idle);
    });
    bench.close(&mut verdict, peak);
    verdict
}

/// Heads and bodies that come a byte at a time.
pub fn slow_loris(size: Size) -> Verdict {
    let mut verdict = Verdict::new("heads and bodies a byte at a time");
    let bench = Bench::new("chaos-loris");
    let peak = beside_an_ordinary_client(&bench, &mut verdict, |verdict| {
        let whole = request("StartExecution", &json!({ "stateMachineArn": bench.machine }).to_string());
        let head = whole.windows(4).position(|window| window == b"\r\n\r\n").expect("a request has a head") + 4;
        let mut streams: Vec<(TcpStream, usize)> = (0..2 * size.bad)
            .map(|number| {
                let mut stream = TcpStream::connect(&bench.client.address).expect("a connection is taken");
                // Half of them have sent their head already.
                let sent = if number % 2 == 0 { 1 } else { head };
                stream.write_all(&whole[..sent]).expect("it is taken");
                (stream, sent)
            })
            .collect();
        let until = Instant::now() + size.lasts;
        let mut bytes = 0;
        while Instant::now() < until {
            for (stream, sent) in &mut streams {
                // One that was given up takes no more, which is what it is for.
                if *sent + 1 < whole.len() && stream.write_all(&whole[*sent..=*sent]).is_ok() {
                    *sent += 1;
                    bytes += 1;
                }
            }
            thread::sleep(Duration::from_millis(200));
        }
        verdict.say("connections", streams.len());
        verdict.say("bytes sent by them, one by one", bytes);
    });
    bench.close(&mut verdict, peak);
    verdict
}

/// Clients that ask for much and take nothing of it.
pub fn slow_readers(size: Size) -> Verdict {
    let mut verdict = Verdict::new("clients that do not read their answers");
    let bench = Bench::new("chaos-readers");
    // A history of some 3 MB.
    let noise = "x".repeat(200_000);
    let states: Vec<String> = (0..8)
        .map(|at| {
            let next = if at == 7 { r#""End":true"#.to_owned() } else { format!(r#""Next":"S{}""#, at + 1) };
            format!(r#""S{at}":{{"Type":"Pass",{next}}}"#)
        })
        .collect();
    let definition: Value =
        serde_json::from_str(&format!(r#"{{"StartAt":"S0","States":{{{}}}}}"#, states.join(","))).expect("it is JSON");
    let machine = bench.client.create_machine("large", &definition);
    let execution = bench.client.start(&machine, &json!({ "noise": noise }));
    bench.client.ended(&execution);
    let peak = beside_an_ordinary_client(&bench, &mut verdict, |verdict| {
        let question =
            request("GetExecutionHistory", &json!({ "executionArn": execution, "maxResults": 1000 }).to_string());
        let mut streams: Vec<TcpStream> = (0..size.bad / 3)
            .map(|_| {
                let mut stream = TcpStream::connect(&bench.client.address).expect("a connection is taken");
                stream.write_all(&question).expect("it is taken");
                stream
            })
            .collect();
        thread::sleep(size.lasts);
        verdict.say("connections", streams.len());
        // Whoever reads after all has the whole answer, or the connection was closed.
        let mut stream = streams.pop().expect("there is one");
        stream.set_read_timeout(Some(LATENCY_MAX)).expect("it can be set");
        let mut answer = Vec::new();
        let mut buffer = [0; 1 << 16];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..read]);
        }
        verdict.say("one of them reads after all, in bytes", answer.len());
    });
    bench.close(&mut verdict, peak);
    verdict
}

/// Heads that are too large: many headers, long headers, a long path.
pub fn huge_heads(size: Size) -> Verdict {
    let mut verdict = Verdict::new("huge heads");
    let bench = Bench::new("chaos-heads");
    let peak = beside_an_ordinary_client(&bench, &mut verdict, |verdict| {
        let long = "h".repeat(2 << 20);
        let many: String = (0..2000).map(|number| format!("x-{number}: v\r\n")).collect();
        let heads = [
            format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {long}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"),
            format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        ];
        let statuses: Vec<u16> = (0..size.bad)
            .map(|number| {
                let mut stream = TcpStream::connect(&bench.client.address).expect("a connection is taken");
                stream.set_read_timeout(Some(LATENCY_MAX)).expect("it can be set");
                // It is refused before all was sent, so a write may fail.
                let _ = stream.write_all(heads[number % heads.len()].as_bytes());
                let mut answer = [0; 12];
                match stream.read_exact(&mut answer) {
                    Ok(()) => String::from_utf8_lossy(&answer[9..]).parse().unwrap_or(0),
                    Err(_) => 0,
                }
            })
            .collect();
        let refused = statuses.iter().filter(|status| matches!(status, 414 | 431)).count();
        let answered = statuses.iter().filter(|status| (200..300).contains(*status)).count();
        verdict.say("refused with 414 or 431", refused);
        verdict.say("closed before the answer was read", statuses.iter().filter(|status| **status == 0).count());
        verdict.claim("taken for good", answered, |answered| *answered == 0);
    });
    bench.close(&mut verdict, peak);
    verdict
}

/// Bodies of the largest size, all at once, and never quite finished.
pub fn large_bodies(size: Size) -> Verdict {
    let mut verdict = Verdict::new("large bodies that never end");
    let bench = Bench::new("chaos-bodies");
    let peak = beside_an_ordinary_client(&bench, &mut verdict, |verdict| {
        const BODY: usize = 8 << 20;
        let head = format!(
            "POST /2015-03-31/functions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {BODY}\r\n\r\n"
        );
        let piece = vec![b' '; BODY - 1];
        let mut refused = 0;
        let mut held = Vec::new();
        for _ in 0..size.bad {
            let mut stream = TcpStream::connect(&bench.client.address).expect("a connection is taken");
            stream.set_read_timeout(Some(Duration::from_millis(1))).expect("it can be set");
            let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&piece));
            let mut answer = [0; 12];
            let is_throttled = stream.read_exact(&mut answer).is_ok() && answer.ends_with(b"429");
            if is_throttled || sent.is_err() {
                refused += 1;
            } else {
                held.push(stream);
            }
        }
        verdict.say("bodies of 8 MiB", size.bad);
        let is_more = size.bad * BODY > 600 << 20;
        verdict.claim("refused with 429", refused, |refused| *refused > 0 || !is_more);
    });
    bench.close(&mut verdict, peak);
    verdict
}

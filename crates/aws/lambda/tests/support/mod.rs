//! A host in a folder of its own, and the probe as its functions.

// Every test program uses its own part of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_lambda::{Code, Config, Function, Host, InvokeError, InvokeOptions, Invoked, Limits, Outcome};
use bytes::Bytes;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

/// For conditions that come about in milliseconds; on a machine that is busy they may take longer.
pub const BOUND: Duration = Duration::from_secs(60);

pub fn probe() -> PathBuf {
    env!("CARGO_BIN_EXE_lambda-probe").into()
}

/// A folder that is removed at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("lambda-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct Bench {
    pub host: Host,
    pub scratch: Scratch,
}

impl Bench {
    pub fn open(limits: Limits) -> Bench {
        Bench::open_in(Scratch::new(), limits)
    }

    pub fn open_in(scratch: Scratch, limits: Limits) -> Bench {
        let mut config = Config::new(scratch.0.join("functions"), "http://127.0.0.1:4566");
        config.limits = limits;
        Bench { host: Host::open(config).unwrap(), scratch }
    }

    /// With the function `f` in it.
    pub fn with(change: impl FnOnce(&mut Function)) -> Bench {
        let bench = Bench::open(Limits::default());
        bench.put("f", change);
        bench
    }

    pub fn put(&self, name: &str, change: impl FnOnce(&mut Function)) {
        let mut function = Function { timeout_seconds: 60, ..Function::new(name) };
        change(&mut function);
        self.host.put_function(function, self.probe_code()).unwrap();
    }

    /// A script that becomes the probe: the probe itself is too large to copy and hash for every test.
    pub fn probe_code(&self) -> Code {
        let script = self.scratch.0.join("script");
        std::fs::write(&script, format!("#!/bin/sh\nexec {}\n", probe().display())).unwrap();
        Code::Bootstrap(script)
    }

    pub async fn invoke(&self, name: &str, payload: Value) -> Result<Invoked, InvokeError> {
        self.host.invoke(name, payload.to_string().into(), InvokeOptions::default()).await
    }

    /// The answer of `f`, which must be JSON.
    pub async fn ok(&self, payload: Value) -> Value {
        let invoked = self.invoke("f", payload).await.unwrap();
        serde_json::from_slice(&succeeded(&invoked)).unwrap()
    }

    /// The error type and message of `f`.
    pub async fn error(&self, payload: Value) -> (String, String) {
        let invoked = self.invoke("f", payload).await.unwrap();
        match invoked.outcome {
            Outcome::FunctionError { error_type, message, .. } => {
                (error_type, message.replace(&invoked.request_id, "ID"))
            }
            Outcome::Succeeded(body) => panic!("{body:?} is no error"),
        }
    }

    pub fn log(&self) -> Vec<String> {
        self.host.logs("f").into_iter().map(|line| line.text).collect()
    }
}

pub fn succeeded(invoked: &Invoked) -> Bytes {
    match &invoked.outcome {
        Outcome::Succeeded(body) => body.clone(),
        error => panic!("{error:?}"),
    }
}

/// Invocations that stop at a gate: the test knows how many are running, and lets them go.
pub struct Gate {
    listener: TcpListener,
    pub payload: Value,
}

impl Gate {
    pub async fn new() -> Gate {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Gate { listener, payload: serde_json::json!({"do": "gate", "port": port}) }
    }

    /// Waits until `count` invocations are at the gate at the same time.
    pub async fn arrived(&self, count: usize) -> Vec<TcpStream> {
        let mut streams = Vec::new();
        for _ in 0..count {
            let accepted = tokio::time::timeout(BOUND, self.listener.accept()).await;
            streams.push(accepted.expect("an invocation comes to the gate").unwrap().0);
        }
        streams
    }
}

pub async fn let_go(streams: Vec<TcpStream>) {
    for mut stream in streams {
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"!").await.unwrap();
    }
}

/// Waits for something that will come about by itself.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {BOUND:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The process can still do something: it has memory. One that is being torn down has none, nor has a zombie.
pub fn is_alive(pid: u64) -> bool {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    statm.split(' ').next().is_some_and(|pages| !pages.is_empty() && pages != "0")
}

//! Sagas per second: a fresh engine for each repetition, and one measurement for each number in flight.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::figures::{OF_RUNS, OF_STARTS, Reading, fold, quantile};
use super::load::{Door, Ended, Load, run};
use super::local::{Local, is_engine_thread};
use super::machine::{Device, DeviceCounts};
use super::server::{Helper, Scratch, Server};
use super::shape::{INPUT, NAME, Saga, Tasks, machine_arn};
use super::usage;

/// How the sagas are measured.
pub struct Plan {
    pub concurrency: Vec<usize>,
    pub seconds: f64,
    pub repeat: usize,
}

/// One saga, all numbers in flight: `{tasks, shape, figures, runs: [{inFlight, figures}]}`. `told` hears of each
/// measurement as it comes.
pub async fn saga(saga: Saga, plan: &Plan, scratch: &Scratch, told: &dyn Fn(&str)) -> Result<Value, String> {
    let mut starts: Vec<Reading> = Vec::new();
    let mut runs: Vec<Vec<Reading>> = vec![Vec::new(); plan.concurrency.len()];
    for repetition in 1..=plan.repeat.max(1) {
        let data = scratch.fresh("data")?;
        let (subject, start) = Subject::start(saga, plan, &data).await?;
        starts.push(start);
        for (of_number, in_flight) in runs.iter_mut().zip(&plan.concurrency) {
            told(&format!("{} {}: {in_flight} in flight, run {repetition}", tasks_name(saga), saga.name()));
            of_number.push(subject.measure(saga, (*in_flight).max(1), plan.seconds).await?);
        }
    }
    let runs: Vec<Value> = plan
        .concurrency
        .iter()
        .zip(&runs)
        .map(|(in_flight, readings)| json!({ "inFlight": in_flight, "figures": fold(readings, &OF_RUNS) }))
        .collect();
    Ok(json!({
        "tasks": tasks_name(saga),
        "shape": saga.name(),
        "stepsPerSaga": saga.steps(),
        "figures": fold(&starts, &OF_STARTS),
        "runs": runs,
    }))
}

fn tasks_name(saga: Saga) -> &'static str {
    match saga.tasks {
        Tasks::Lambda => "lambda",
        Tasks::Node => "node",
        Tasks::Activity => "activity",
        Tasks::Stream => "stream",
        Tasks::Local => "local",
        Tasks::Pass => "pass",
    }
}

/// What is measured.
enum Subject {
    /// The workers end first.
    Apart {
        workers: Vec<Helper>,
        server: Server,
        device: Device,
    },
    Within {
        local: Local,
        device: Device,
    },
}

/// What has been used so far.
struct Used {
    engine_cpu: f64,
    worker_cpu: f64,
    load_cpu: f64,
    written: Option<u64>,
    device: Option<DeviceCounts>,
    /// What the store itself counts; only in this process.
    commits: Option<u64>,
}

impl Subject {
    async fn start(saga: Saga, plan: &Plan, data: &Path) -> Result<(Subject, Reading), String> {
        let in_flight_max = plan.concurrency.iter().copied().max().unwrap_or(1);
        if saga.tasks == Tasks::Local {
            let local = Local::open(data)?;
            local.create(NAME, saga.definition())?;
            // The memory is the generator's too, so it is not told.
            let start = vec![("startMs", local.started_in.as_secs_f64() * 1000.0)];
            return Ok((Subject::Within { local, device: Device::below(data) }, start));
        }
        let server = Server::start(data)?;
        let idle_mib = usage::resident_mib(server.id());
        let start = vec![("startMs", server.started_in.as_secs_f64() * 1000.0), ("idleMiB", idle_mib)];
        let workers = server.deploy(saga, in_flight_max).await?;
        Ok((Subject::Apart { workers, server, device: Device::below(data) }, start))
    }

    fn door(&self) -> Door {
        match self {
            Subject::Apart { server, .. } => Door::wire(&server.endpoint),
            Subject::Within { local, .. } => local.door(),
        }
    }

    /// The process of the engine.
    fn id(&self) -> u32 {
        match self {
            Subject::Apart { server, .. } => server.id(),
            Subject::Within { .. } => std::process::id(),
        }
    }

    fn used(&self) -> Used {
        let (this, id) = (std::process::id(), self.id());
        let written = usage::written_bytes(id);
        match self {
            Subject::Apart { workers, device, .. } => Used {
                engine_cpu: usage::cpu_seconds(id),
                worker_cpu: usage::cpu_seconds_below(id)
                    + workers.iter().map(|worker| usage::cpu_seconds(worker.id())).sum::<f64>(),
                load_cpu: usage::cpu_seconds(this),
                written,
                device: device.counts(),
                commits: None,
            },
            Subject::Within { local, device } => Used {
                engine_cpu: usage::cpu_seconds_of_threads(is_engine_thread),
                // They are functions that the engine's thread calls.
                worker_cpu: 0.0,
                load_cpu: usage::cpu_seconds_of_threads(|name| !is_engine_thread(name)),
                written,
                device: device.counts(),
                commits: Some(local.figures().commits),
            },
        }
    }

    async fn measure(&self, saga: Saga, in_flight: usize, seconds: f64) -> Result<Reading, String> {
        let load = Load {
            machine_arn: machine_arn(NAME),
            input: Arc::from(INPUT),
            expected: saga.expected(),
            in_flight,
            seconds,
        };
        let ended = run(&self.door(), &load, || self.used()).await?;
        if ended.unexpected > 0 {
            return Err(format!(
                "{} of the sagas did not end with {}: nothing of this run can be trusted",
                ended.unexpected, load.expected
            ));
        }
        let mut reading = reading(&ended);
        if let Subject::Apart { server, .. } = self {
            reading.push(("memoryMiB", usage::resident_mib(server.id())));
            reading.push(("peakMiB", usage::peak_mib(server.id())));
        }
        Ok(reading)
    }
}

/// The figures of what ended in a window. What could not be read is left out.
fn reading(ended: &Ended<Used>) -> Reading {
    let (all, before, after) = (&ended.latencies_ms, &ended.before, &ended.after);
    let (sagas, seconds) = (all.len().max(1) as f64, ended.window.as_secs_f64());
    let cpu_ms = |of: fn(&Used) -> f64| (of(after) - of(before)) * 1000.0 / sagas;
    let mut reading = vec![
        ("sagas", all.len() as f64),
        ("missedChanges", ended.missed as f64),
        ("sagasPerSecond", all.len() as f64 / seconds),
        ("p50Ms", quantile(all, 0.5)),
        ("p90Ms", quantile(all, 0.9)),
        ("p99Ms", quantile(all, 0.99)),
        ("maxMs", quantile(all, 1.0)),
        ("engineCpuMs", cpu_ms(|used| used.engine_cpu)),
        ("workerCpuMs", cpu_ms(|used| used.worker_cpu)),
        ("loadCpuMs", cpu_ms(|used| used.load_cpu)),
    ];
    let kib_per_saga = |bytes: u64| bytes as f64 / 1024.0 / sagas;
    if let (Some(before), Some(after)) = (before.written, after.written) {
        reading.push(("writtenKiB", kib_per_saga(after - before)));
    }
    if let (Some(before), Some(after)) = (before.device, after.device) {
        let flushes = (after.flushes - before.flushes) as f64;
        reading.push(("deviceKiB", kib_per_saga(after.written_bytes - before.written_bytes)));
        reading.extend([("flushesPerSecond", flushes / seconds), ("sagasPerFlush", sagas / flushes)]);
    }
    if let (Some(before), Some(after)) = (before.commits, after.commits) {
        reading.push(("commitsPerSecond", (after - before) as f64 / seconds));
    }
    reading
}

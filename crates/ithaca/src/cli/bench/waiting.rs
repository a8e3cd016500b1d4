//! What an execution costs that only waits: memory, bytes on the disk, processor time, and the restart after a crash.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::figures::{OF_WAITING, Reading, fold};
use super::load::Door;
use super::server::{Scratch, Server, create_function, create_machine};
use super::shape::{INPUT, NAME};
use super::usage;
use crate::cli::client::Client;

/// What they wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// A Wait state of a day.
    Time,
    /// The token of a task whose function has been called.
    Token,
}

impl For {
    pub const ALL: [For; 2] = [For::Time, For::Token];

    pub fn name(self) -> &'static str {
        match self {
            For::Time => "for time",
            For::Token => "for a token",
        }
    }

    fn definition(self) -> String {
        let state = match self {
            For::Time => json!({ "Type": "Wait", "Seconds": 86_400, "End": true }),
            For::Token => json!({
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Parameters": { "FunctionName": NAME, "Payload": { "token.$": "$$.Task.Token" } },
                "End": true,
            }),
        };
        json!({ "StartAt": "Wait", "States": { "Wait": state } }).to_string()
    }
}

/// Starts at the same time.
const STARTERS: usize = 64;

/// How long processor time is watched while nothing is to be done.
const IDLE: Duration = Duration::from_secs(10);

/// How long the engine may take to come to rest, and the processor time in a look that is rest.
const REST_WITHIN: Duration = Duration::from_secs(120);
const REST_LOOK: Duration = Duration::from_secs(1);
const REST_CPU_SECONDS: f64 = 0.02;

/// `{executions, for, figures}`.
pub async fn measure(waits_for: For, executions: usize, scratch: &Scratch) -> Result<Value, String> {
    let executions = executions.max(1);
    let data = scratch.fresh("data")?;
    let server = Server::start(&data)?;
    let mut client = Client::connect(&server.endpoint).await?;
    if waits_for == For::Token {
        create_function(&mut client, NAME, false).await?;
    }
    let machine = create_machine(&mut client, NAME, &waits_for.definition()).await?;
    rest(&server).await?;
    let (empty_mib, empty_bytes) = (usage::resident_mib(server.id()), folder_bytes(&data));
    let began = Instant::now();
    Door::wire(&server.endpoint).start_all(&machine, INPUT, executions, STARTERS).await?;
    let started_in = began.elapsed();
    rest(&server).await?;
    let full_mib = usage::resident_mib(server.id());
    let full_bytes = folder_bytes(&data);
    let cpu = usage::cpu_seconds(server.id());
    tokio::time::sleep(IDLE).await;
    let idle_cpu_ms = (usage::cpu_seconds(server.id()) - cpu) * 1000.0;
    // Dropping it kills it, as a crash would.
    drop((client, server));
    let server = Server::start(&data)?;
    expect_running(&server.endpoint, &machine, executions).await?;
    rest(&server).await?;
    let restarted_mib = usage::resident_mib(server.id());
    let each = |mib: f64| mib * 1_048_576.0 / executions as f64;
    let reading: Reading = vec![
        ("startedPerSecond", executions as f64 / started_in.as_secs_f64()),
        ("bytesPerExecution", each(full_mib - empty_mib)),
        ("diskBytesPerExecution", full_bytes.saturating_sub(empty_bytes) as f64 / executions as f64),
        ("idleCpuMsPerSecond", idle_cpu_ms / IDLE.as_secs_f64()),
        ("restartMs", server.started_in.as_secs_f64() * 1000.0),
        ("bytesPerExecutionRestarted", each(restarted_mib - empty_mib)),
    ];
    Ok(json!({ "executions": executions, "for": waits_for.name(), "figures": fold(&[reading], &OF_WAITING) }))
}

/// Waits until the engine has nothing to do.
async fn rest(server: &Server) -> Result<(), String> {
    let began = Instant::now();
    let mut before = usage::cpu_seconds(server.id());
    while began.elapsed() < REST_WITHIN {
        tokio::time::sleep(REST_LOOK).await;
        let now = usage::cpu_seconds(server.id());
        if now - before <= REST_CPU_SECONDS {
            return Ok(());
        }
        before = now;
    }
    Err(format!("the engine did not come to rest within {} s", REST_WITHIN.as_secs()))
}

/// A restart that is quick because it has lost something is no good.
async fn expect_running(endpoint: &str, machine: &str, expected: usize) -> Result<(), String> {
    let mut client = Client::connect(endpoint).await?;
    let body = json!({ "stateMachineArn": machine, "statusFilter": "RUNNING" });
    let found = client.all("ListExecutions", body, "executions", expected + 1).await?.len();
    match found == expected {
        true => Ok(()),
        false => Err(format!("{expected} executions were waiting, and {found} after the restart")),
    }
}

/// Of all files directly in the data folder: the stores.
fn folder_bytes(data: &Path) -> u64 {
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(|it| it.is_file()).map(|it| it.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_valid() {
        for waits_for in For::ALL {
            let parsed = asl::parse(&waits_for.definition());
            assert!(parsed.is_ok(), "{waits_for:?}: {:?}", parsed.err());
        }
    }
}

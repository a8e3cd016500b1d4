//! The Ithaca that is measured: another process of this program over an empty folder, driven by its public port alone.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::roles::{FAILS, FUNCTION, WORKER};
use super::shape::{ANSWER, ERROR, FAILING, NAME, ROLE, Saga, Tasks, activity_arn, machine_arn, node_functions};
use crate::cli::client::Client;

/// Pollers of one worker: they answer at once, so that more of them would only wait longer.
const POLLERS_MAX: usize = 64;

/// Tasks that a worker with a lane holds at once: those of all sagas in flight, up to where more in one message gain nothing.
const AHEAD_MAX: usize = 1024;

/// A folder that is removed at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn make(parent: Option<&Path>) -> Result<Scratch, String> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let folder = parent.join(format!("ithaca-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Scratch(folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// An empty folder in it.
    pub fn fresh(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.0.join(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", folder.display())),
            _ => Ok(folder),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the user's to look at; it is in the temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that has nothing to lose.
pub struct Helper(Child);

impl Helper {
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Server {
    process: Helper,
    pub endpoint: String,
    /// From the start of the process to the line that says it serves.
    pub started_in: Duration,
}

impl Server {
    pub fn start(data: &Path) -> Result<Server, String> {
        let began = Instant::now();
        let mut process = Command::new(program()?)
            .args(["up", "--json", "--port", "0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the Ithaca to be measured could not be started: {error}"))?;
        let output = process.stdout.take().ok_or("its output is not there")?;
        let process = Helper(process);
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
        Ok(Server { process, endpoint, started_in })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Makes the machine and what its tasks need. Gives the workers that are processes of their own.
    pub async fn deploy(&self, saga: Saga, in_flight_max: usize) -> Result<Vec<Helper>, String> {
        let mut client = Client::connect(&self.endpoint).await?;
        let mut workers = Vec::new();
        match saga.tasks {
            Tasks::Lambda => {
                create_function(&mut client, NAME, false).await?;
                create_function(&mut client, FAILING, true).await?;
            }
            Tasks::Node => {
                for (name, fails) in node_functions() {
                    create_node_function(&mut client, &name, fails).await?;
                }
            }
            Tasks::Activity | Tasks::Stream => {
                let how = match saga.tasks {
                    Tasks::Stream => ("--ahead", in_flight_max.min(AHEAD_MAX)),
                    _ => ("--pollers", in_flight_max.clamp(1, POLLERS_MAX)),
                };
                for (name, fails) in [(NAME, false), (FAILING, true)] {
                    client.call("CreateActivity", json!({ "name": name })).await?;
                    workers.push(worker(client.authority(), name, how, fails)?);
                }
            }
            Tasks::Local | Tasks::Pass => {}
        }
        create_machine(&mut client, NAME, &saga.definition()).await?;
        Ok(workers)
    }
}

/// Makes a machine; its ARN.
pub async fn create_machine(client: &mut Client, name: &str, definition: &str) -> Result<String, String> {
    let body = json!({ "name": name, "roleArn": ROLE, "definition": definition });
    client.call("CreateStateMachine", body).await?;
    Ok(machine_arn(name))
}

/// Makes a function that is this program.
pub async fn create_function(client: &mut Client, name: &str, fails: bool) -> Result<(), String> {
    let option = if fails { FAILS } else { "" };
    let script = format!("#!/bin/sh\nexec '{}' {FUNCTION} {option}\n", program()?.display());
    put_function(client, name, ("provided.al2023", "bootstrap"), ("bootstrap", &script)).await
}

/// A function in Node.js that does what it does in memory.
async fn create_node_function(client: &mut Client, name: &str, fails: bool) -> Result<(), String> {
    let answers = format!(
        "const rows = new Map();\nexports.handler = async (trip) => {{ rows.set(trip.trip_id, trip); return {ANSWER}; }};\n"
    );
    let throws = format!(
        "class {ERROR} extends Error {{ constructor(m) {{ super(m); this.name = '{ERROR}'; }} }}\n\
         exports.handler = async () => {{ throw new {ERROR}('no seat is left'); }};\n"
    );
    let text = if fails { throws } else { answers };
    put_function(client, name, ("nodejs22.x", "index.handler"), ("index.js", &text)).await
}

async fn put_function(
    client: &mut Client,
    name: &str,
    (runtime, handler): (&str, &str),
    (file, text): (&str, &str),
) -> Result<(), String> {
    let body = json!({
        "FunctionName": name,
        "Runtime": runtime,
        "Handler": handler,
        "Role": ROLE,
        "Timeout": 60,
        "Code": { "ZipFile": STANDARD.encode(zip_of(file, text.as_bytes())?) },
    });
    let request = http::Request::post("/2015-03-31/functions")
        .header(http::header::HOST, client.authority())
        .body(Full::from(Bytes::from(body.to_string())))
        .map_err(|error| error.to_string())?;
    let (status, answer) = client.send(request).await?;
    match status.is_success() {
        true => Ok(()),
        false => Err(format!("the function could not be created: {}", String::from_utf8_lossy(&answer))),
    }
}

fn worker(address: &str, activity: &str, how: (&str, usize), fails: bool) -> Result<Helper, String> {
    let mut command = Command::new(program()?);
    command.args([WORKER, "--address", address, "--activity", &activity_arn(activity)]);
    command.args([how.0, &how.1.to_string()]).args(fails.then_some(FAILS));
    command.spawn().map(Helper).map_err(|error| format!("a worker could not be started: {error}"))
}

fn program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("the path of this program cannot be found: {error}"))
}

/// A zip with one file.
fn zip_of(name: &str, content: &[u8]) -> Result<Vec<u8>, String> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default()).map_err(|error| error.to_string())?;
    zip.write_all(content).map_err(|error| error.to_string())?;
    zip.finish().map(std::io::Cursor::into_inner).map_err(|error| error.to_string())
}

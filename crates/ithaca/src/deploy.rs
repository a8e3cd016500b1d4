//! A template's plan becomes tables, functions, state machines and APIs.
//!
//! Applying a plan again is an update: tables are left alone, functions and definitions that are the same stay,
//! running executions keep the definition they have. Order: what is referred to comes first.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_cloudformation::{Build, Code, Function, Plan, StateMachine, StateMachineKind, Table};
use serde_json::{Value, json};

use crate::apis::{self, StoredApi};
use crate::findings;
use crate::server::Server;

/// What was deployed, for people.
#[derive(Debug, Default)]
pub struct Deployed {
    pub tables: Vec<String>,
    pub functions: Vec<String>,
    pub buckets: Vec<String>,
    pub activities: Vec<String>,
    pub state_machines: Vec<String>,
    /// Name and address of each API.
    pub apis: Vec<(String, SocketAddr)>,
    pub outputs: Vec<(String, String)>,
}

/// What a plan needs before anything is changed: definitions that are valid, functions that are built.
pub struct Prepared {
    executables: Executables,
}

/// Checks and builds, which needs no server: what cannot be deployed disturbs nothing that is running. The error is
/// text for a person. `say` is told of steps that take time.
pub fn prepare(plan: &Plan, say: &dyn Fn(&str)) -> Result<Prepared, String> {
    let found = findings::in_plan(plan);
    let errors: Vec<String> = found.iter().filter(|finding| finding.is_error()).map(ToString::to_string).collect();
    found.iter().filter(|finding| finding.is_not_served()).for_each(|finding| say(&finding.to_string()));
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    Ok(Prepared { executables: build(plan, say)? })
}

/// Applies the plan; the error is text for a person.
pub async fn deploy(server: &mut Server, plan: &Plan, prepared: &Prepared) -> Result<Deployed, String> {
    let mut done = Deployed::default();
    for table in &plan.tables {
        server
            .front
            .dynamo
            .ensure_table(&table.create)
            .await
            .map_err(|error| format!("table {}: {error}", table.name))?;
        set_time_to_live(server, table).await.map_err(|error| format!("table {}: {error}", table.name))?;
        done.tables.push(table.name.clone());
    }
    for bucket in &plan.buckets {
        let (objects, name) = (server.front.objects.clone(), bucket.name.clone());
        let made = tokio::task::spawn_blocking(move || objects.create_bucket(&name)).await;
        made.map_err(|error| error.to_string())
            .and_then(|made| made.map_err(|error| error.to_string()))
            .map_err(|error| format!("bucket {}: {error}", bucket.name))?;
        done.buckets.push(bucket.name.clone());
    }
    for function in &plan.functions {
        let code = code(function, &prepared.executables)?;
        let (host, settings) = (server.lambda().clone(), settings(function, &plan.template));
        let put = tokio::task::spawn_blocking(move || host.put_function(settings, code)).await;
        put.map_err(|error| error.to_string()).and_then(|put| put.map_err(|error| error.to_aws().message)).map_err(
            |error| format!("{}:{}: function {}: {error}", plan.template.display(), function.at.line, function.name),
        )?;
        done.functions.push(function.name.clone());
    }
    for activity in &plan.activities {
        // One that is there already is the same: it has nothing but its name.
        let created = server.front.states.call("CreateActivity", json!({ "name": activity.name })).await;
        created.map_err(|error| format!("activity {}: {error}", activity.name))?;
        done.activities.push(activity.name.clone());
    }
    for machine in &plan.state_machines {
        put_machine(server, machine).await?;
        done.state_machines.push(machine.name.clone());
    }
    let served = serve_plan_apis(server, plan).await?;
    let addresses: BTreeMap<&str, SocketAddr> = served.iter().map(|api| (api.id.as_str(), api.address)).collect();
    done.apis = served.iter().map(|api| (api.name.clone(), api.address)).collect();
    for output in &plan.outputs {
        let url = |api: &aws_cloudformation::Api, _: &str| match addresses.get(api.id.as_str()) {
            Some(address) => format!("http://{address}"),
            None => String::new(),
        };
        done.outputs.push((output.logical_id.clone(), plan.localise(&output.value, &url)));
    }
    Ok(done)
}

fn settings(function: &Function, template: &Path) -> aws_lambda::Function {
    let mut settings = aws_lambda::Function::new(&function.name);
    settings.runtime = function.runtime.clone();
    settings.handler = function.handler.clone();
    settings.role = function.role_arn.clone();
    settings.description = function.description.clone();
    settings.timeout_seconds = function.timeout_seconds;
    settings.memory_mb = function.memory_mb;
    settings.environment = function.environment.clone();
    settings.reserved_concurrency = function.reserved_concurrency;
    settings.origin = match &function.code {
        Code::Path(path) => Some(path.clone()),
        Code::Inline(_) => template.parent().map(Path::to_path_buf),
    };
    settings
}

/// The executables built for each function, by logical id.
type Executables = BTreeMap<String, PathBuf>;

/// Builds what the template says is to be built: one cargo run for each folder, so that all share their work.
fn build(plan: &Plan, say: &dyn Fn(&str)) -> Result<Executables, String> {
    let mut folders: BTreeMap<&Path, Vec<(&str, &str)>> = BTreeMap::new();
    for function in &plan.functions {
        match (&function.build, &function.code) {
            (Some(Build::CargoLambda { binary }), Code::Path(folder)) => {
                let binary = binary.as_deref().unwrap_or_default();
                folders.entry(folder).or_default().push((&function.logical_id, binary));
            }
            (Some(Build::Makefile { .. }), _) => {
                return Err(format!(
                    "{}:{}: function {}: Ithaca does not run BuildMethod makefile yet: build the code first and point CodeUri at the folder with its bootstrap",
                    plan.template.display(),
                    function.at.line,
                    function.logical_id
                ));
            }
            (Some(Build::CargoLambda { .. }), Code::Inline(_)) | (None, _) => {}
        }
    }
    let mut executables = Executables::new();
    for (folder, functions) in folders {
        say(&format!("building {} ({} functions)", folder.display(), functions.len()));
        let built = cargo_build(folder, functions.iter().map(|(_, binary)| *binary))?;
        for (logical_id, binary) in functions {
            let found = match binary {
                "" if built.len() == 1 => built.values().next(),
                "" => None,
                name => built.get(name),
            };
            let path = found.ok_or_else(|| match binary {
                "" => format!(
                    "{logical_id}: {} has several binaries: name one in Metadata, BuildProperties, Binary",
                    folder.display()
                ),
                name => format!("{logical_id}: {} has no binary {name}", folder.display()),
            })?;
            executables.insert(logical_id.to_owned(), path.clone());
        }
    }
    Ok(executables)
}

/// Builds the binaries (all, if one has no name) and returns where each is. Cargo's progress goes to the terminal.
fn cargo_build<'b>(
    folder: &Path,
    binaries: impl Iterator<Item = &'b str>,
) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut names: Vec<&str> = binaries.collect();
    names.sort_unstable();
    names.dedup();
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--message-format=json-render-diagnostics"]).current_dir(folder);
    match names.contains(&"") {
        true => command.arg("--bins"),
        false => command.args(names.iter().flat_map(|name| ["--bin", name])),
    };
    let mut cargo = command.stdout(Stdio::piped()).spawn().map_err(|error| {
        format!(
            "cargo could not be started to build {}: {error}. Is Rust installed? See https://rustup.rs",
            folder.display()
        )
    })?;
    let mut built = BTreeMap::new();
    let output = cargo.stdout.take().ok_or("cargo's output is not there")?;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| format!("cargo's output cannot be read: {error}"))?;
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        if let (Some("compiler-artifact"), Some(path), Some(name)) =
            (message["reason"].as_str(), message["executable"].as_str(), message["target"]["name"].as_str())
        {
            built.insert(name.to_owned(), PathBuf::from(path));
        }
    }
    let status = cargo.wait().map_err(|error| format!("cargo did not end: {error}"))?;
    if status.success() {
        Ok(built)
    } else {
        Err(format!("{} could not be built: see cargo's messages above", folder.display()))
    }
}

fn code(function: &Function, executables: &Executables) -> Result<aws_lambda::Code, String> {
    if let Some(executable) = executables.get(&function.logical_id) {
        return Ok(aws_lambda::Code::Bootstrap(executable.clone()));
    }
    match &function.code {
        Code::Path(path) if path.is_dir() => Ok(aws_lambda::Code::Folder(path.clone())),
        Code::Path(path) => match std::fs::read(path) {
            Ok(bytes) => Ok(aws_lambda::Code::Zip(bytes.into())),
            Err(error) => {
                Err(format!("function {}: its code {} cannot be read: {error}", function.name, path.display()))
            }
        },
        Code::Inline(text) => match aws_lambda::runtimes::inline_file(&function.runtime) {
            Some(file) => Ok(aws_lambda::Code::Inline(file.into(), text.clone())),
            None => Err(format!(
                "function {}: there is no inline code for the runtime {}: put it into a folder and point CodeUri at it",
                function.name, function.runtime
            )),
        },
    }
}

/// Creates the state machine, or brings the one of this name to the template's definition.
async fn put_machine(server: &Server, machine: &StateMachine) -> Result<(), String> {
    let states = &server.front.states;
    let mut body = json!({
        "name": machine.name,
        "definition": machine.definition.text,
        "roleArn": machine.role_arn,
        "tracingConfiguration": { "enabled": machine.tracing },
    });
    if machine.kind == StateMachineKind::Express {
        body["type"] = "EXPRESS".into();
    }
    if let Some(logging) = &machine.logging {
        body["loggingConfiguration"] = logging.clone();
    }
    let created = states.call("CreateStateMachine", body.clone()).await;
    let done = match created {
        Err(error) if error.name == "StateMachineAlreadyExists" => {
            let members = body.as_object_mut().expect("the body was made as an object");
            // An update changes neither.
            members.remove("name");
            members.remove("type");
            members.insert("stateMachineArn".into(), machine.arn.as_str().into());
            states.call("UpdateStateMachine", body).await
        }
        other => other,
    };
    done.map(drop).map_err(|error| format!("state machine {}: {error}", machine.name))
}

/// Serves the plan's APIs and remembers them, so that a start without the template serves them again.
async fn serve_plan_apis(server: &mut Server, plan: &Plan) -> Result<Vec<Served>, String> {
    let stored = apis::of_plan(plan);
    let served = serve_apis(server, &stored).await?;
    apis::save(&server.options.data, stored)?;
    Ok(served)
}

/// An API that is served: its id, its name, its address.
pub struct Served {
    id: String,
    name: String,
    address: SocketAddr,
}

async fn serve_apis(server: &mut Server, apis: &[StoredApi]) -> Result<Vec<Served>, String> {
    let mut served = Vec::new();
    for api in apis {
        let address = server.serve_api(api.to_api()?).await.map_err(|error| error.to_string())?;
        served.push(Served { id: api.id().to_owned(), name: api.name.clone(), address });
    }
    Ok(served)
}

/// Serves what was deployed into the data folder before.
pub async fn serve_again(server: &mut Server) -> Result<Deployed, String> {
    let served = serve_apis(server, &apis::load(&server.options.data)?).await?;
    Ok(Deployed {
        apis: served.into_iter().map(|api| (api.name, api.address)).collect(),
        functions: server.lambda().functions().into_iter().map(|info| info.function.name).collect(),
        state_machines: server.handle().machines().list().iter().map(|machine| machine.name.to_string()).collect(),
        ..Deployed::default()
    })
}

/// `TimeToLiveSpecification` of a table, if it is not what is there already.
async fn set_time_to_live(server: &Server, table: &Table) -> Result<(), String> {
    let Some(wanted) = &table.time_to_live else { return Ok(()) };
    let described = dynamo(server, "DescribeTimeToLive", json!({ "TableName": table.name })).await?;
    let is_on = described["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED";
    if is_on == (wanted["Enabled"] == true) {
        return Ok(());
    }
    let body = json!({ "TableName": table.name, "TimeToLiveSpecification": wanted });
    dynamo(server, "UpdateTimeToLive", body).await.map(drop)
}

/// Calls an operation of DynamoDB as a client would.
async fn dynamo(server: &Server, operation: &str, body: Value) -> Result<Value, String> {
    let request = http::Request::post("/")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .body(body.to_string().into())
        .map_err(|error| error.to_string())?;
    let answer = server.front.dynamo.handle(request).await;
    let value: Value = serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
    match answer.status().is_success() {
        true => Ok(value),
        false => Err(format!("{operation}: {value}")),
    }
}

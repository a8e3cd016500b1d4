//! A template's plan becomes tables, functions, state machines and APIs.
//!
//! Applying a plan again is an update: tables are left alone, functions and definitions that are the same stay,
//! running executions keep the definition they have. Order: what is referred to comes first.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_cloudformation::{Build, Code, Function, Layer, Plan, StateMachine, StateMachineKind, Table};
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
    let mut errors: Vec<String> = found.iter().filter(|finding| finding.is_error()).map(ToString::to_string).collect();
    found.iter().filter(|finding| finding.is_not_served()).for_each(|finding| say(&finding.to_string()));
    errors.extend(apis::refusals(plan));
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
    put_layers(server, plan).await?;
    for function in &plan.functions {
        let code = code(function, &prepared.executables)?;
        let (host, settings) = (server.lambda().clone(), settings(function, &plan.template));
        let put = tokio::task::spawn_blocking(move || host.put_function(settings, code)).await;
        put.map_err(|error| error.to_string()).and_then(|put| put.map_err(|error| error.to_aws().message)).map_err(
            |error| format!("{}:{}: function {}: {error}", plan.template.display(), function.at.line, function.name),
        )?;
        done.functions.push(function.name.clone());
    }
    put_versions(server, plan).await?;
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
        let value = plan.localise(&with_numbers(server, plan, &output.value), &url);
        done.outputs.push((output.logical_id.clone(), value));
    }
    Ok(done)
}

async fn put_layers(server: &Server, plan: &Plan) -> Result<(), String> {
    for layer in &plan.layers {
        let what = format!("{}:{}: layer {}", plan.template.display(), layer.at.line, layer.name);
        let code = packed(&layer.content).map_err(|error| format!("{what}: its content {error}"))?;
        let code = match code {
            aws_lambda::Code::Folder(folder) => in_place(folder, layer).map_err(|error| format!("{what}: {error}"))?,
            zip => zip,
        };
        let settings = aws_lambda::LayerSettings {
            description: layer.description.clone(),
            runtimes: layer.runtimes.clone(),
            architectures: layer.architectures.clone(),
            license: layer.license.clone(),
        };
        let (host, name) = (server.lambda().clone(), layer.name.clone());
        blocking(move || host.put_layer(&name, settings, &code)).await.map_err(|error| format!("{what}: {error}"))?;
    }
    Ok(())
}

/// A layer that `sam build` would build: what the runtime's package manager would install has to be there already; the author's own
/// files go where the runtime looks.
fn in_place(folder: PathBuf, layer: &Layer) -> Result<aws_lambda::Code, String> {
    let method = layer.build_method.as_deref().unwrap_or_default();
    let (below, packages) = match method {
        _ if method.starts_with("python") => ("python", "requirements.txt"),
        _ if method.starts_with("nodejs") => ("nodejs", "package.json"),
        "" => return Ok(aws_lambda::Code::Folder(folder)),
        _ => return Err(format!("Ithaca does not run BuildMethod {method}: run `sam build` first")),
    };
    if folder.join(below).is_dir() {
        return Ok(aws_lambda::Code::Folder(folder));
    }
    let installed = below == "nodejs" && folder.join("node_modules").is_dir();
    let text = std::fs::read_to_string(folder.join(packages)).unwrap_or_default();
    let is_comment = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
    let wants = match below {
        "python" => !text.lines().all(is_comment),
        _ => serde_json::from_str::<Value>(&text).is_ok_and(|package| package["dependencies"].is_object()),
    };
    match wants && !installed {
        true => Err(format!(
            "its packages ({packages}) are not installed: run `sam build` first, and `ithaca up` with what it built"
        )),
        false => Ok(aws_lambda::Code::FolderBelow(below.into(), folder)),
    }
}

/// Publishes versions, then points aliases at them.
async fn put_versions(server: &Server, plan: &Plan) -> Result<(), String> {
    let at = |line: u32| format!("{}:{line}", plan.template.display());
    for version in plan.versions.iter().cloned() {
        let (host, what) =
            (server.lambda().clone(), format!("{}: version {}", at(version.at.line), version.logical_id));
        let publish = move || host.publish_version(&version.function, Some(&version.logical_id), version.description);
        blocking(publish).await.map_err(|error| format!("{what}: {error}"))?;
    }
    for alias in plan.aliases.iter().cloned() {
        let (host, what) = (server.lambda().clone(), format!("{}: alias {}", at(alias.at.line), alias.arn));
        let put = move || {
            let version = match alias.version {
                Some(version) => version,
                None => host.publish_version(&alias.function, None, None)?.version.to_string(),
            };
            let (weights, description) = (alias.weights, alias.description);
            let settings = aws_lambda::Alias { version, weights, description, ..Default::default() };
            host.put_alias(&alias.function, &alias.name, &settings, false)
        };
        blocking(put).await.map_err(|error| format!("{what}: {error}"))?;
    }
    Ok(())
}

/// A text in which the ARNs of versions have their numbers, as they are known by now.
fn with_numbers(server: &Server, plan: &Plan, text: &str) -> String {
    plan.versions.iter().fold(text.to_owned(), |text, version| match server.lambda().function(&version.arn) {
        Some(info) => text.replace(&version.arn, &info.arn),
        None => text,
    })
}

/// A change of the functions' host, which blocks on the disk.
async fn blocking<T: Send + 'static>(
    change: impl FnOnce() -> Result<T, aws_lambda::Error> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(change).await.map_err(|error| error.to_string())?;
    done.map_err(|error| error.to_aws().message)
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
    settings.layers = function.layers.clone();
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
        Code::Path(path) => packed(path).map_err(|error| format!("function {}: its code {error}", function.name)),
        Code::Inline(text) => match aws_lambda::runtimes::inline_file(&function.runtime) {
            Some(file) => Ok(aws_lambda::Code::Inline(file.into(), text.clone())),
            None => Err(format!(
                "function {}: there is no inline code for the runtime {}: put it into a folder and point CodeUri at it",
                function.name, function.runtime
            )),
        },
    }
}

/// A folder or an archive.
fn packed(path: &Path) -> Result<aws_lambda::Code, String> {
    match path.is_dir() {
        true => Ok(aws_lambda::Code::Folder(path.to_owned())),
        false => match std::fs::read(path) {
            Ok(bytes) => Ok(aws_lambda::Code::Zip(bytes.into())),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
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

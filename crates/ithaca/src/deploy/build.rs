//! Making code runnable, where the template says that it has to be built first.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use aws_cloudformation::{Build, Code, Plan};
use serde_json::Value;

/// The executables built for each function, by logical id.
pub type Executables = BTreeMap<String, PathBuf>;

/// Builds what the template says is to be built: one cargo run for each folder, so that all share their work.
pub fn build(plan: &Plan, say: &dyn Fn(&str)) -> Result<Executables, String> {
    let mut folders: BTreeMap<&Path, Vec<(&str, &str)>> = BTreeMap::new();
    let mut into_folder = Vec::new();
    for function in &plan.functions {
        match (&function.build, &function.code) {
            (Some(Build::CargoLambda { binary }), Code::Path(folder)) => {
                let binary = binary.as_deref().unwrap_or_default();
                folders.entry(folder).or_default().push((&function.logical_id, binary));
            }
            (Some(how), Code::Path(folder)) => into_folder.push((function, how, folder)),
            (Some(_), Code::Inline(_)) | (None, _) => {}
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
    for (function, how, folder) in into_folder {
        say(&format!("building {}", function.logical_id));
        let place = format!("{}:{}: {}", plan.template.display(), function.at.line, function.logical_id);
        let made = artifacts(plan, &function.logical_id)
            .and_then(|out| run(how, &function.logical_id, folder, &out).map(|()| out))
            .map_err(|why| format!("{place}: {why}"))?;
        executables.insert(function.logical_id.clone(), made);
    }
    Ok(executables)
}

/// What is being built, by the numbers of the processes; `None` when nothing is to be built any more.
static RUNNING: Mutex<Option<Vec<u32>>> = Mutex::new(Some(Vec::new()));

/// Ends what is being built, as Ctrl-C in a terminal would: a stop does not wait for it, and leaves nothing behind.
pub fn end_builds() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();
    running.into_iter().flatten().for_each(end);
}

/// Tools pass this on to what they have started.
fn end(process: u32) {
    // SAFETY: plain numbers; the process is a child of ours that nobody has waited for yet.
    unsafe { libc::kill(process as libc::pid_t, libc::SIGTERM) };
}

/// A tool at work.
struct Building {
    child: Child,
}

impl Building {
    fn of(child: Child) -> Building {
        match &mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(running) => running.push(child.id()),
            None => end(child.id()),
        }
        Building { child }
    }

    fn wait(mut self) -> std::io::Result<ExitStatus> {
        let ended = self.child.wait();
        if let Some(running) = &mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) {
            running.retain(|process| *process != self.child.id());
        }
        ended
    }
}

/// An empty folder for what is built, beside what `sam build` makes.
fn artifacts(plan: &Plan, logical_id: &str) -> Result<PathBuf, String> {
    let beside = plan.template.parent().unwrap_or(Path::new(""));
    let folder = beside.join(".aws-sam/ithaca").join(logical_id);
    let make = || -> std::io::Result<PathBuf> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        folder.canonicalize()
    };
    make().map_err(|error| format!("the folder {} cannot be made: {error}", folder.display()))
}

/// Builds code into a folder, as `sam build` does. What the tools say goes to the terminal, all of it to standard error.
fn run(how: &Build, logical_id: &str, folder: &Path, out: &Path) -> Result<(), String> {
    let (tool, mut command) = match how {
        Build::Makefile { working_directory } => {
            let mut make = Command::new("make");
            make.arg(format!("build-{logical_id}")).env("ARTIFACTS_DIR", out);
            // The Makefile is in the code's folder, wherever it is run.
            let makefile = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
            make.arg("--makefile").arg(makefile.join("Makefile"));
            make.current_dir(working_directory.as_deref().unwrap_or(folder));
            ("make", make)
        }
        Build::Esbuild { entry_points, arguments } => {
            let mut esbuild = Command::new(find_esbuild(folder)?);
            esbuild.args(entry_points).args(["--bundle", "--platform=node"]).args(arguments);
            esbuild.arg(format!("--outdir={}", out.display())).current_dir(folder);
            ("esbuild", esbuild)
        }
        Build::Go => {
            let mut go = Command::new("go");
            go.args(["build", "-tags", "lambda.norpc", "-o"]).arg(out.join("bootstrap")).arg(".");
            go.env("GOOS", "linux").env("CGO_ENABLED", "0").current_dir(folder);
            ("go", go)
        }
        Build::CargoLambda { .. } => return Err("cargo builds all functions of a folder at once".to_owned()),
    };
    let child = command.stdout(std::io::stderr()).spawn();
    match child.and_then(|child| Building::of(child).wait()) {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{} could not be built: see the messages of {tool} above", folder.display())),
        Err(error) => Err(format!("{tool} could not be started: {error}. Is it installed?")),
    }
}

/// The esbuild that the app has installed: in its folder, or one above.
fn find_esbuild(folder: &Path) -> Result<PathBuf, String> {
    let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    let found = folder.ancestors().map(|above| above.join("node_modules/.bin/esbuild")).find(|path| path.exists());
    found.ok_or_else(|| {
        format!(
            "esbuild is not in {}: run `npm install --save-dev esbuild` there",
            folder.join("node_modules").display()
        )
    })
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
    let cargo = command.stdout(Stdio::piped()).spawn().map_err(|error| {
        format!(
            "cargo could not be started to build {}: {error}. Is Rust installed? See https://rustup.rs",
            folder.display()
        )
    })?;
    let mut built = BTreeMap::new();
    let mut cargo = Building::of(cargo);
    let output = cargo.child.stdout.take().ok_or("cargo's output is not there")?;
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

//! Making code runnable, where the template says that it has to be built first.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_cloudformation::{Build, Code, Plan};
use serde_json::Value;

/// The executables built for each function, by logical id.
pub type Executables = BTreeMap<String, PathBuf>;

/// Builds what the template says is to be built: one cargo run for each folder, so that all share their work.
pub fn build(plan: &Plan, say: &dyn Fn(&str)) -> Result<Executables, String> {
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

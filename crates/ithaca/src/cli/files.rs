//! `ithaca validate` and `ithaca graph`: work on files, need no running Ithaca.

use std::path::Path;
use std::process::ExitCode;

use asl::{Diagnostic, Severity};
use serde_json::{Value, json};

use super::terminal::{Tone, paint};
use super::up::{home, read_plan};
use super::{Context, GraphArgs, GraphFormat, Outcome, ValidateArgs};

pub fn validate(args: &ValidateArgs, context: &Context) -> Outcome {
    let mut reports = Vec::new();
    let mut is_good = true;
    for file in &args.files {
        let (diagnostics, is_ok) = check(file)?;
        is_good &= is_ok;
        if context.json {
            reports.push(json!({ "file": file, "result": if is_ok { "OK" } else { "FAIL" }, "diagnostics": diagnostics }));
            continue;
        }
        for diagnostic in &diagnostics {
            println!("{}", diagnostic["text"].as_str().unwrap_or_default());
        }
        match is_ok {
            true => println!("{}: {}", file.display(), paint(Tone::Good, "valid")),
            false => println!("{}: {}", file.display(), paint(Tone::Bad, "not valid")),
        }
    }
    if context.json {
        println!("{}", Value::from(reports));
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The diagnostics of a definition or a template, and whether it could be used.
fn check(file: &Path) -> Result<(Vec<Value>, bool), String> {
    if is_template(file) {
        return Ok(check_template(file));
    }
    let text = read(file)?;
    let (diagnostics, is_ok) = match asl::parse::parse(&text) {
        Ok(parsed) => (parsed.warnings, true),
        Err(diagnostics) => (diagnostics, false),
    };
    Ok((diagnostics.iter().map(|diagnostic| entry(file, diagnostic)).collect(), is_ok))
}

/// Templates are folders and YAML files; definitions are JSON.
fn is_template(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    file.is_dir() || matches!(extension, Some("yaml" | "yml" | "template"))
}

fn check_template(file: &Path) -> (Vec<Value>, bool) {
    match read_plan(file, &[], &home("us-east-1", "000000000000")) {
        Ok(plan) => {
            let mut diagnostics = Vec::new();
            let mut is_ok = true;
            for machine in &plan.state_machines {
                if let Err(found) = asl::parse::parse(&machine.definition.text) {
                    is_ok = false;
                    diagnostics.extend(found.iter().map(|diagnostic| entry(&machine.definition.file, diagnostic)));
                }
            }
            (diagnostics, is_ok)
        }
        Err(text) => (vec![json!({ "severity": "ERROR", "text": text })], false),
    }
}

fn entry(file: &Path, diagnostic: &Diagnostic) -> Value {
    let severity = match diagnostic.severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
    };
    let place = format!("{}:{}:{}", file.display(), diagnostic.line, diagnostic.column);
    let mut text = format!("{place}: {}: {} [{}] at {}", severity.to_lowercase(), diagnostic.message, diagnostic.code, diagnostic.pointer);
    if let Some(help) = &diagnostic.help {
        text.push_str(&format!("\n  help: {help}"));
    }
    json!({
        "severity": severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "location": diagnostic.pointer,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "help": diagnostic.help,
        "text": text,
    })
}

pub fn graph(args: &GraphArgs) -> Outcome {
    let text = read(&args.file)?;
    let parsed = asl::parse::parse(&text).map_err(|diagnostics| {
        let lines: Vec<String> = diagnostics
            .iter()
            .map(|diagnostic| entry(&args.file, diagnostic)["text"].as_str().unwrap_or_default().to_owned())
            .collect();
        lines.join("\n")
    })?;
    let drawn = match args.format {
        GraphFormat::Svg => console::graph::draw(&parsed.definition, &console::graph::Overlay::default()).svg(),
        GraphFormat::Mermaid => console::graph::mermaid(&parsed.definition),
        GraphFormat::Dot => console::graph::dot(&parsed.definition),
    };
    match &args.output {
        None => println!("{drawn}"),
        Some(path) => std::fs::write(path, drawn).map_err(|error| format!("{}: {error}", path.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

//! `ithaca validate` and `ithaca graph`: work on files, need no running Ithaca.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::reading::Reading;
use super::terminal::{Tone, paint, print_line};
use super::{Context, GraphArgs, GraphFormat, Outcome, ValidateArgs};
use crate::findings::{self, Finding};

pub fn validate(args: &ValidateArgs, context: &Context) -> Outcome {
    let mut reports = Vec::new();
    let mut is_good = true;
    for file in &args.files {
        let (diagnostics, is_ok) = check(file)?;
        is_good &= is_ok;
        if context.json {
            reports
                .push(json!({ "file": file, "result": if is_ok { "OK" } else { "FAIL" }, "diagnostics": diagnostics }));
            continue;
        }
        for diagnostic in &diagnostics {
            print_line!("{}", diagnostic["text"].as_str().unwrap_or_default());
        }
        match is_ok {
            true => print_line!("{}: {}", file.display(), paint(Tone::Good, "valid")),
            false => print_line!("{}: {}", file.display(), paint(Tone::Bad, "not valid")),
        }
    }
    if context.json {
        print_line!("{}", Value::from(reports));
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a definition or a template is told, and whether it could be used.
fn check(file: &Path) -> Result<(Vec<Value>, bool), String> {
    let findings = match kind_of(file)? {
        File::Definition(text) => findings::in_text(file, &text),
        File::YamlDefinition => return Ok((vec![json!({ "severity": "ERROR", "text": in_yaml(file) })], false)),
        File::Template => match Reading::of(file).read() {
            Ok(plans) => plans.iter().flat_map(|(plan, _)| plan.all()).flat_map(findings::in_plan).collect(),
            Err(text) => return Ok((vec![json!({ "severity": "ERROR", "text": text })], false)),
        },
    };
    Ok((findings.iter().map(Finding::to_json).collect(), !findings.iter().any(Finding::is_error)))
}

enum File {
    Template,
    Definition(String),
    YamlDefinition,
}

/// By what is in it, since a template may be JSON too and a definition YAML.
fn kind_of(file: &Path) -> Result<File, String> {
    if file.is_dir() {
        return Ok(File::Template);
    }
    let text = read(file)?;
    let is_json = text.trim_start().starts_with('{');
    let has = |key: &str| match (is_json, serde_json::from_str::<Value>(&text)) {
        (true, Ok(object)) => object.get(key).is_some(),
        (true, Err(_)) => text.contains(&format!("\"{key}\"")),
        (false, _) => text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))),
    };
    let extension = file.extension().and_then(|extension| extension.to_str());
    let is_yaml = matches!(extension, Some("yaml" | "yml" | "template"));
    Ok(match (is_json, has("Resources"), has("States")) {
        (_, true, _) => File::Template,
        (false, false, true) => File::YamlDefinition,
        (false, ..) if is_yaml => File::Template,
        _ => File::Definition(text),
    })
}

fn in_yaml(file: &Path) -> String {
    format!("{}: a definition in YAML is checked with the template that names it: name that one", file.display())
}

pub fn graph(args: &GraphArgs) -> Outcome {
    let text = match kind_of(&args.file)? {
        File::Definition(text) => text,
        File::Template => {
            return Err(format!("{} is a template: name the definition of a state machine", args.file.display()));
        }
        File::YamlDefinition => {
            return Err(format!("{}: a definition in YAML is drawn when it is JSON", args.file.display()));
        }
    };
    let Ok(parsed) = asl::parse::parse(&text) else {
        let lines: Vec<String> = findings::in_text(&args.file, &text).iter().map(ToString::to_string).collect();
        return Err(lines.join("\n"));
    };
    let drawn = match args.format {
        GraphFormat::Svg => console::graph::draw(&parsed.definition, &console::graph::Overlay::default()).svg(),
        GraphFormat::Mermaid => console::graph::mermaid(&parsed.definition),
        GraphFormat::Dot => console::graph::dot(&parsed.definition),
    };
    match &args.output {
        None => print_line!("{drawn}"),
        Some(path) => std::fs::write(path, drawn).map_err(|error| format!("{}: {error}", path.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

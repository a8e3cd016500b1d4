//! `ithaca bench`: the yardstick. How fast is it here, what does it use, and how does that grow?
//!
//! ```text
//!   bench ── load ──── public port ───> measured Ithaca ──> SQLite in an empty folder
//!    (generator)       status changes <──┘   │      └────── Runtime API ──> function processes
//!                                            ├── long polls ─────────────── activity workers
//!                                            └── a lane ─────────────────── a worker of `ithaca-worker`
//! ```
//!
//! A second Ithaca is started in an empty folder as its own process and driven over its public port, so nothing is
//! measured from the inside: requests, workers, disk and load generator share the machine, and what each of them uses
//! is told apart by the kernel. Functions and workers are this program in other roles; they answer at once. Only
//! `--tasks local` and `--growth` have the engine in this process.
//!
//! What the figures mean and what limits them is told in docs/performance.md.

mod chart;
mod compare;
mod figures;
mod growth;
mod load;
mod local;
mod machine;
mod measure;
mod report;
mod roles;
mod server;
mod shape;
mod usage;
mod waiting;

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::terminal::print_line;
use super::{Context, Outcome, runtime};
use measure::Plan;
pub use roles::{FUNCTION, FunctionArgs, WORKER, WorkerArgs, function, worker};
use server::Scratch;
use shape::{Saga, Shape, Tasks};

/// Of a stored result; another is not compared with.
const FORMAT: u64 = 1;

/// Of nothing there is nothing to measure.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}

fn more_than_none(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
        Ok(_) => Err("it must be more than 0".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[derive(Args)]
pub struct BenchArgs {
    /// Who does the tasks; several are measured one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "lambda")]
    tasks: Vec<Tasks>,
    /// What a saga looks like; without meaning for pass.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "travel")]
    shape: Vec<Shape>,
    /// Sagas in flight, one measurement each.
    #[arg(long, value_delimiter = ',', default_value = "1,64,512", value_parser = at_least_one)]
    concurrency: Vec<usize>,
    /// Seconds of each measurement, after a warm-up of a quarter of it; longer if sagas need longer.
    #[arg(long, default_value_t = 5.0, value_parser = more_than_none)]
    seconds: f64,
    /// Measure so often, each time with a new engine, and tell the median.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    repeat: usize,
    /// Measure executions that wait instead, so many: memory, processor time, restart after a crash.
    #[arg(long, value_name = "EXECUTIONS", conflicts_with = "growth", value_parser = at_least_one)]
    waiting: Option<usize>,
    /// Measure how cost grows with work instead, and draw it here.
    #[arg(long, value_name = "SVG")]
    growth: Option<PathBuf>,
    /// Where the data of the measured Ithaca lies; the kind of disk decides much.
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
    /// Write the whole result here, as JSON.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compare with a result that --output has written.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

pub fn run(args: &BenchArgs, context: &Context) -> Outcome {
    // What it is to be compared with is read first: a mistake should not cost minutes.
    let stored = args.compare.as_deref().map(read).transpose()?;
    let scratch = Scratch::make(args.scratch.as_deref())?;
    let result = runtime()?.block_on(measure_all(args, &scratch))?;
    if let Some(file) = &args.output {
        write(file, &format!("{result:#}\n"))?;
    }
    match context.json {
        true => print_line!("{result}"),
        false => report::print(&result),
    }
    if let (Some(stored), false) = (&stored, context.json) {
        report::print_comparison(stored, &result);
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure_all(args: &BenchArgs, scratch: &Scratch) -> Result<Value, String> {
    let mut result = json!({
        "format": FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "machine": machine::describe(scratch.path()),
        "seconds": args.seconds,
        "repeat": args.repeat,
    });
    // Progress is for somebody who waits.
    let is_watched = std::io::stderr().is_terminal();
    let told = |text: &str| {
        if is_watched {
            eprintln!("{text}");
        }
    };
    if let Some(file) = &args.growth {
        let series = growth::all(args.seconds, scratch, &told).await?;
        write(file, &chart::svg(&series, &machine::line(&result["machine"])))?;
        result["growth"] = series.iter().map(|series| series.to_json()).collect();
    } else if let Some(executions) = args.waiting {
        let mut all = Vec::new();
        for waits_for in waiting::For::ALL {
            told(&format!("{executions} executions waiting {}", waits_for.name()));
            all.push(waiting::measure(waits_for, executions, scratch).await?);
        }
        result["waiting"] = all.into();
    } else {
        let plan = Plan { concurrency: args.concurrency.clone(), seconds: args.seconds, repeat: args.repeat };
        let mut all = Vec::new();
        for saga in sagas(&args.tasks, &args.shape) {
            all.push(measure::saga(saga, &plan, scratch, &told).await?);
        }
        result["sagas"] = all.into();
    }
    Ok(result)
}

/// Every kind with every shape; Pass states have but one.
fn sagas(tasks: &[Tasks], shapes: &[Shape]) -> Vec<Saga> {
    let mut sagas = Vec::new();
    for tasks in tasks.iter().copied() {
        let shapes = if tasks == Tasks::Pass { &[Shape::Travel][..] } else { shapes };
        sagas.extend(shapes.iter().map(|shape| Saga { shape: *shape, tasks }));
    }
    sagas
}

fn read(file: &Path) -> Result<Value, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| told(&error))?;
    let stored: Value = serde_json::from_str(&text).map_err(|error| told(&error))?;
    match stored["format"].as_u64() {
        Some(FORMAT) => Ok(stored),
        _ => Err(told(&"this is not a result that `ithaca bench --output` of this version has written")),
    }
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

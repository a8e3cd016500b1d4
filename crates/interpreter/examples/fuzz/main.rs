//! Texts and inputs at random, to see that nothing panics, overflows or takes for ever.
//!
//! `cargo run --profile fuzz -p interpreter --example fuzz -- [--inputs N] [--seed S] [--only TARGET] [--from CASE]`
//!
//! The profile has the speed of a release and the checks of a debug build. Each case is drawn from the seed, the
//! target and its number alone, so `--only TARGET --from CASE --inputs 1` repeats it, and shows it. Definitions are read from
//! `../shared/asl-corpus` too, if that folder is there.
//!
//! | target | what is drawn |
//! |---|---|
//! | parser | definitions, whole and damaged |
//! | path | JSONPaths, applied to drawn documents |
//! | jsonata | expressions, evaluated on drawn documents |
//! | intrinsic | calls of intrinsic functions and payload templates |
//! | step | definitions that are legal, driven by drawn outcomes, late ones, timers, stops and redrives |
//!
//! It ends with code 1 if a case broke a rule, and at once if one does not come back.
#![allow(clippy::disallowed_methods)] // It reads the corpus, watches the clock and has a thread.

mod documents;
mod expressions;
mod machines;
mod random;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use random::Random;

/// A case may take this long. An expression in JSONata has counted limits that end within about a second each, and
/// a Choice may have several.
const SLOW: Duration = Duration::from_secs(10);
/// After so long it is taken for endless.
const ENDLESS: Duration = Duration::from_secs(120);
/// What a thread of the engine has.
const STACK_BYTES: usize = 2 * 1024 * 1024;
/// So many failures of one target are shown.
const SHOWN_MAX: usize = 5;

/// What a case did, in a few words: counted, so that one sees whether the draws reach anything.
type Case = fn(&mut Random, &Corpus) -> Result<&'static str, String>;

const TARGETS: &[(&str, Case)] = &[
    ("parser", machines::parser),
    ("path", expressions::path),
    ("jsonata", expressions::jsonata),
    ("intrinsic", expressions::intrinsic),
    ("step", machines::steps),
];

/// Definitions that somebody wrote.
pub struct Corpus {
    pub texts: Vec<String>,
}

/// Says what was drawn, when it is the only case that was asked for.
pub fn show(drawn: &str) {
    if SHOWS.load(Ordering::Relaxed) {
        println!("{drawn}");
    }
}

static SHOWS: AtomicBool = AtomicBool::new(false);
/// The case at hand, and when it began: milliseconds since the start of all, 0 between cases.
static BEGAN: AtomicU64 = AtomicU64::new(0);
static CASE: AtomicU64 = AtomicU64::new(0);
/// Where the newest panic was. Some are caught below, where the evaluator of JSONata is guarded.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

struct Options {
    inputs: u64,
    seed: u64,
    only: Option<String>,
    from: u64,
}

fn main() {
    let options = options().unwrap_or_else(|why| {
        eprintln!("{why}");
        std::process::exit(2)
    });
    let corpus = corpus();
    SHOWS.store(options.inputs == 1, Ordering::Relaxed);
    println!("seed {}, {} definitions from the corpus", options.seed, corpus.texts.len());
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("a panic without text");
        *PANIC.lock().unwrap_or_else(|broken| broken.into_inner()) = Some(format!("{place}: {message}"));
    }));
    let chosen: Vec<(usize, &(&str, Case))> = TARGETS
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| options.only.as_deref().is_none_or(|only| only == *name))
        .collect();
    let share = options.inputs.div_ceil(chosen.len().max(1) as u64);
    let mut failures = 0;
    for (index, (name, case)) in chosen {
        failures += run(index as u64, name, *case, &options, share, &corpus);
    }
    std::process::exit(i32::from(failures > 0));
}

fn options() -> Result<Options, String> {
    let mut options = Options { inputs: 100_000, seed: 1, only: None, from: 0 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{name} needs a number, not {value}"));
        match name.as_str() {
            "--inputs" => options.inputs = number()?,
            "--seed" => options.seed = number()?,
            "--from" => options.from = number()?,
            "--only" if TARGETS.iter().any(|(target, _)| *target == value) => options.only = Some(value),
            "--only" => return Err(format!("there is no target {value}")),
            _ => return Err(format!("there is no option {name}")),
        }
    }
    Ok(options)
}

fn corpus() -> Corpus {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/asl-corpus");
    let mut files: Vec<_> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    // The order of a folder is chance, and cases have to be the same everywhere.
    files.sort();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json") && !path.ends_with("index.json"));
    Corpus { texts: files.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect() }
}

/// Runs a target on a thread whose stack is the engine's, and tells how it went.
fn run(index: u64, name: &str, case: Case, options: &Options, inputs: u64, corpus: &Corpus) -> usize {
    let start = Instant::now();
    let mut tally = Tally::default();
    std::thread::scope(|threads| {
        let worker = std::thread::Builder::new().stack_size(STACK_BYTES);
        let worker = worker.spawn_scoped(threads, || {
            for number in options.from..options.from + inputs {
                let now = start.elapsed();
                CASE.store(number, Ordering::Relaxed);
                BEGAN.store(now.as_millis() as u64 + 1, Ordering::Relaxed);
                tally.case(name, number, start, || case(&mut Random::of(options.seed, index, number), corpus));
                BEGAN.store(0, Ordering::Relaxed);
            }
        });
        let worker = worker.expect("a thread can be started");
        while !worker.is_finished() {
            std::thread::park_timeout(Duration::from_millis(100));
            let began = BEGAN.load(Ordering::Relaxed);
            let passed = start.elapsed().saturating_sub(Duration::from_millis(began));
            if began > 0 && passed > ENDLESS {
                let number = CASE.load(Ordering::Relaxed);
                println!("{name}: case {number} of seed {} does not end", options.seed);
                std::process::exit(1);
            }
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let outcomes: Vec<String> = tally.outcomes.iter().map(|(what, count)| format!("{what} {count}")).collect();
    println!(
        "{name:<10} {inputs:>9} inputs {:>9.0}/s  slowest {:?} (case {})  {}",
        inputs as f64 / seconds,
        tally.slowest.0,
        tally.slowest.1,
        outcomes.join(", ")
    );
    for (place, (count, first)) in &tally.caught {
        println!("           {count} panics that were answered for (first in case {first}): {place}");
    }
    if tally.failures > 0 {
        println!("           {} FAILURES", tally.failures);
    }
    tally.failures
}

#[derive(Default)]
struct Tally {
    outcomes: std::collections::BTreeMap<&'static str, u64>,
    /// Panics that never came out: how many, and the first case.
    caught: std::collections::BTreeMap<String, (u64, u64)>,
    failures: usize,
    slowest: (Duration, u64),
}

impl Tally {
    fn case(&mut self, name: &str, number: u64, since: Instant, run: impl FnOnce() -> Result<&'static str, String>) {
        let began = since.elapsed();
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let took = since.elapsed() - began;
        self.slowest = self.slowest.max((took, number));
        let panic = PANIC.lock().unwrap_or_else(|broken| broken.into_inner()).take();
        let failure = match outcome {
            Ok(Ok(what)) => {
                *self.outcomes.entry(what).or_default() += 1;
                if let Some(place) = panic {
                    self.caught.entry(place).or_insert((0, number)).0 += 1;
                }
                (took > SLOW).then(|| format!("it took {took:?}"))
            }
            Ok(Err(broken)) => Some(broken),
            Err(_) => Some(format!("it panicked at {}", panic.unwrap_or_default())),
        };
        if let Some(failure) = failure {
            self.failures += 1;
            if self.failures <= SHOWN_MAX {
                println!("{name}: case {number}: {failure}");
            }
        }
    }
}

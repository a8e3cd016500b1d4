//! `sim`: runs seeds, or shows one of them line by line.

use std::ops::Range;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use sim::{Keep, Verdict, scenario};

/// Runs the whole engine in one thread from a seed, and checks what must hold after every commit.
#[derive(Parser)]
struct Args {
    /// Seeds to run: FROM..TO
    #[arg(long, value_parser = seeds, default_value = "0..1000")]
    seeds: Range<u64>,
    /// Show this one, line by line: inputs, events, batches, tasks, crashes
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Only this scenario; else each seed draws its own
    #[arg(long, value_parser = known)]
    scenario: Option<usize>,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("say FROM..TO, as in 0..1000")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    Ok(number(from)?..number(to)?)
}

fn known(name: &str) -> Result<usize, String> {
    scenario::find(name).ok_or_else(|| format!("there is none of this name; there are {}", scenario::NAMES.join(", ")))
}

fn main() -> ExitCode {
    // Panics on this thread are verdicts.
    let run = std::thread::Builder::new().name("sim".into()).spawn(|| work(&Args::parse()));
    let is_well = run.map(|run| run.join().unwrap_or(false)).unwrap_or(false);
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn work(args: &Args) -> bool {
    if let Some(seed) = args.seed {
        return tell(&sim::run(seed, args.scenario, Keep::Print), args.scenario);
    }
    let (begun, mut sum, mut failures) = (Instant::now(), Sum::default(), 0);
    for seed in args.seeds.clone() {
        let since = Instant::now();
        let verdict = sim::run(seed, args.scenario, Keep::Nothing);
        sum.add(&verdict);
        sum.slowest = sum.slowest.max((since.elapsed(), seed));
        if verdict.outcome.is_err() {
            tell(&verdict, args.scenario);
            failures += 1;
            if !args.keep_going {
                break;
            }
        }
    }
    println!("{} seeds in {:.1} s, {failures} failed: {}", sum.seeds, begun.elapsed().as_secs_f64(), sum.shown());
    failures == 0
}

fn tell(verdict: &Verdict, scenario: Option<usize>) -> bool {
    match &verdict.outcome {
        Ok(_) => true,
        Err(why) => {
            println!("seed {} failed: {why}\n  again: {}", verdict.seed, sim::replay(verdict.seed, scenario));
            false
        }
    }
}

/// What all runs came to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    commits: u64,
    events: u64,
    tasks: u64,
    crashes: u64,
    takeovers: u64,
    failed_commits: u64,
    acknowledged: u64,
    ends: std::collections::BTreeMap<&'static str, u64>,
    sagas: std::collections::BTreeMap<sim::End, u64>,
    slowest: (Duration, u64),
}

impl Sum {
    fn add(&mut self, verdict: &Verdict) {
        self.seeds += 1;
        let Ok(report) = &verdict.outcome else { return };
        self.commits += report.audited.batches;
        self.events += report.audited.events;
        self.tasks += report.audited.handed;
        self.crashes += report.crashes;
        self.takeovers += report.takeovers;
        self.failed_commits += report.failed_commits;
        self.acknowledged += report.acknowledged;
        report.ends.iter().for_each(|(end, count)| *self.ends.entry(end).or_default() += count);
        report.sagas.iter().for_each(|(end, count)| *self.sagas.entry(*end).or_default() += count);
    }

    fn shown(&self) -> String {
        format!(
            "{} commits, {} events, {} tasks, {} crashes, {} takeovers, {} failed commits, {} starts acknowledged, {:?}, sagas {:?}; the slowest is {} with {} ms",
            self.commits,
            self.events,
            self.tasks,
            self.crashes,
            self.takeovers,
            self.failed_commits,
            self.acknowledged,
            self.ends,
            self.sagas,
            self.slowest.1,
            self.slowest.0.as_millis()
        )
    }
}

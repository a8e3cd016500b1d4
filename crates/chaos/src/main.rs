//! `cargo run --release -p chaos -- --kills 500 --seed N`: the long runs, and the function that they deploy.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chaos::verdict::Verdict;
use chaos::{disks, function, kills, overload, place};
use clap::Parser;

/// Kills, starves and floods the real ithaca, and compares what it says with what was done.
#[derive(Parser)]
struct Arguments {
    /// What to do to it.
    #[arg(long, value_enum, default_value_t = Scenario::Kills)]
    scenario: Scenario,
    /// How often it is killed.
    #[arg(long, default_value_t = 100)]
    kills: usize,
    /// Chooses fates and moments; a new one each time if it is left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Take the ithaca that lies beside this program as it is.
    #[arg(long)]
    no_build: bool,
    /// Be a function of the sagas and write to this ledger.
    #[arg(long, hide = true)]
    function: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Scenario {
    /// kill -9 and other misfortune while sagas run.
    Kills,
    /// A disk that fills up, and a limit on the size of files.
    FullDisk,
    /// A folder that cannot be written.
    ReadOnly,
    /// Flushes and writes that fail, once and for good.
    FailingDisk,
    /// More starts than can be served.
    Overload,
    /// Clients that misbehave by the thousand: idle, slow, huge.
    BadClients,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(ledger) = &arguments.function {
        function::serve(ledger);
    }
    if !arguments.no_build {
        place::build_program();
    }
    let seed = arguments.seed.unwrap_or_else(new_seed);
    let name = clap::ValueEnum::to_possible_value(&arguments.scenario).expect("every scenario has a name");
    println!(
        "to play this again: cargo run --release -p chaos -- --scenario {} --kills {} --seed {seed}",
        name.get_name(),
        arguments.kills
    );
    let verdicts = run(&arguments, seed);
    for verdict in &verdicts {
        println!("{}", verdict.text());
    }
    if verdicts.iter().all(Verdict::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments, seed: u64) -> Vec<Verdict> {
    match arguments.scenario {
        Scenario::Overload => vec![overload::starts(overload::LONG)],
        Scenario::BadClients => overload::bad_clients(overload::LONG),
        Scenario::FullDisk => disks::full(),
        Scenario::ReadOnly => vec![disks::read_only()],
        Scenario::FailingDisk => disks::failing(),
        Scenario::Kills => vec![kills::run(&kills::Plan {
            kills: arguments.kills,
            seed,
            sagas_per_kill: 6,
            life_max: Duration::from_millis(1200),
            program: std::env::current_exe().expect("a program has a path"),
            progress: Some(25),
        })],
    }
}

fn new_seed() -> u64 {
    // Small enough to be typed.
    std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64 % 1_000_000)
}

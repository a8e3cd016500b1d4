#![doc = include_str!("../README.md")]

mod auditor;
mod clock;
mod disk;
mod grammar;
mod journal;
mod ledger;
mod runner;
pub mod scenario;
mod world;

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

pub use journal::Keep;
pub use ledger::End;
pub use world::Report;

/// What became of a seed.
pub struct Verdict {
    pub seed: u64,
    /// Or what was violated, and where.
    pub outcome: Result<Report, String>,
    /// What happened, if it was to be kept.
    pub journal: String,
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs one seed, in a scenario of its own or in this one.
pub fn run(seed: u64, scenario: Option<usize>, keep: Keep) -> Verdict {
    note_panics();
    match panic::catch_unwind(AssertUnwindSafe(|| world::run(seed, scenario, keep))) {
        Ok((report, journal)) => Verdict { seed, outcome: Ok(report), journal },
        Err(_) => {
            let why = PANIC.with(|panic| panic.borrow_mut().take());
            Verdict {
                seed,
                outcome: Err(why.unwrap_or_else(|| "a panic without a word".into())),
                journal: String::new(),
            }
        }
    }
}

/// The command that shows a run again.
pub fn replay(seed: u64, scenario: Option<usize>) -> String {
    let scenario = scenario.map(|at| format!(" --scenario {}", scenario::NAMES[at])).unwrap_or_default();
    format!("cargo run --release -p sim -- --seed {seed}{scenario}")
}

/// A violation is a panic, of the simulator or of the engine: its words are kept instead of printed.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or("a panic without a word");
            let at = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
            if std::thread::current().name() == Some("sim") {
                PANIC.with(|panic| *panic.borrow_mut() = Some(format!("{text}\n  at {at}")));
            } else {
                usual(info);
            }
        }));
    });
}

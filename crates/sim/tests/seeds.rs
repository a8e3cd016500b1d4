//! A bounded number of seeds in every scenario, the seeds that once found something, and the simulator against itself.

use std::collections::BTreeMap;

use sim::{End, Keep, Report, Verdict, replay, run, scenario};

/// Seeds per scenario: all together take some seconds in a debug build. The long run is `cargo run --release -p sim`.
const SEEDS: u64 = 4;

fn report(Verdict { seed, outcome, .. }: Verdict, scenario: Option<usize>) -> Report {
    outcome.unwrap_or_else(|why| panic!("seed {seed} failed: {why}\n  again: {}", replay(seed, scenario)))
}

#[test]
fn whatever_happens_the_invariants_hold_and_everything_ends() {
    let (mut sum, mut ends, mut sagas) = ([0; 5], BTreeMap::new(), BTreeMap::new());
    for at in 0..scenario::NAMES.len() {
        for seed in 0..SEEDS {
            let report = report(run(seed, Some(at), Keep::Nothing), Some(at));
            let counts =
                [report.crashes, report.takeovers, report.failed_commits, report.redrives, report.audited.deleted];
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            report.ends.into_iter().for_each(|(end, count)| *ends.entry(end).or_insert(0) += count);
            report.sagas.into_iter().for_each(|(end, count)| *sagas.entry(end).or_insert(0) += count);
        }
    }
    // The draw is wide enough: everything was met often.
    assert!(sum.iter().all(|count| *count > 5), "{sum:?}");
    assert!(ends.len() == 4 && ends.values().all(|count| *count > 5), "{ends:?}");
    assert!(sagas[&End::AllDone] > 5 && sagas[&End::AllCompensated] > 5, "{sagas:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for at in 0..scenario::NAMES.len() {
        let journal = |seed: u64| {
            let verdict = run(seed, Some(at), Keep::All);
            let journal = verdict.journal.clone();
            report(verdict, Some(at));
            assert!(journal.lines().count() > 500, "{} lines", journal.lines().count());
            journal
        };
        let first = journal(3);
        assert!(first == journal(3), "seed 3 of {} is two runs", scenario::NAMES[at]);
        assert!(first != journal(4));
    }
}

#[test]
fn seeds_that_found_something() {
    let check = |seed: u64, scenario: Option<&str>, _found: &str| {
        let at = scenario.map(|name| scenario::find(name).expect("a scenario has its name"));
        report(run(seed, at, Keep::Nothing), at);
    };
    check(15, Some("overload"), "a commit was refused, and tasks that ran were called lost and took effect after that");
    check(75, None, "a worker got a task that had timed out in the batch in which it was taken");
    check(757, None, "the executions of a Map Run were in another shard than it, after their number had changed twice");
    check(821, None, "an id was given again after an Express execution that had it was forgotten");
    check(91, None, "an Express execution that is not written had the id of one that is");
    check(2870, None, "an execution was given an id of a shard that is no more, in the millisecond of the restart");
}

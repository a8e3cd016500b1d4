//! Holds Ithaca against recorded answers of AWS Step Functions.
//!
//! ```text
//!  FOLDER/area/case.json ─> case ─┬─> execution ─> drive (virtual clock, tasks answered as recorded) ─┐
//!                                 └─> steps (requests one after another) ─────────────────────────────┤
//!                                        both: account (door, engine, store in memory)                v
//!                                                                 report <─ verdict <─ canonical comparison
//! ```
//!
//! The README beside the cases is the specification of what is sent, answered and compared. Everything is driven in
//! process through the door that AWS clients use, so a case passes only if a client would see what AWS showed. What
//! is not served yet fails with the words of the refusal; nothing is skipped.
//!
//! The interpreter's and the engine's own tests say what they should do; this says what AWS did.

mod account;
mod canonical;
mod case;
mod diff;
mod drive;
mod execution;
mod objects;
mod report;
mod steps;
mod tasks;
mod told;
mod verdict;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use case::Case;
use verdict::{Reason, Verdict};

pub use report::{Report, Score};

/// Which cases to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub area: Option<String>,
    /// A part of the name: several cases may match.
    pub case: Option<String>,
}

/// Cases that run at the same time. Some wait for real time to pass, so more than one even on one core.
const WORKERS: usize = 4;

/// Histories are compared as trees that are as deep as they are long.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// Runs the selected cases of a folder.
pub fn run(folder: &Path, selection: &Selection) -> Result<Report, String> {
    let mut cases = case::read_all(folder)?;
    cases.retain(|case| selection.area.as_ref().is_none_or(|area| case.area == *area));
    cases.retain(|case| selection.case.as_ref().is_none_or(|part| case.place.contains(part.as_str())));
    if cases.is_empty() {
        return Err(format!("no case in {} is selected by {selection:?}", folder.display()));
    }
    // Those that may wait first, so that the others run meanwhile.
    cases.sort_by_key(|case| (case.kind != "api", case.place.clone()));
    catch_panics();
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            let work = || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = check(case);
                    verdicts.lock().unwrap_or_else(PoisonError::into_inner).push((case, verdict));
                }
            };
            let worker = std::thread::Builder::new().name(WORKER.into()).stack_size(STACK_BYTES);
            worker.spawn_scoped(scope, work).map_err(|error| format!("a worker could not be started: {error}"))?;
        }
        Ok::<(), String>(())
    })?;
    Ok(Report::new(verdicts.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

fn check(case: &Case) -> Verdict {
    guarded(|| match case.kind.as_str() {
        "execution" => execution::check(case),
        "execution-table" => execution::check_table(case),
        "api" | "validation" | "validation-error" | "test-state" => steps::check(case),
        other => Verdict::failed(Reason::plain(format!("this runner does not know the kind {other}"))),
    })
}

/// A case that makes Ithaca panic has failed, and the others go on.
fn guarded(work: impl FnOnce() -> Verdict) -> Verdict {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let told = PANIC.take().unwrap_or_else(|| "without words".to_owned());
        Verdict::failed(Reason::plain(format!("panicked: {told}")))
    })
}

const WORKER: &str = "case";

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A worker's panic becomes the reason of its case, instead of a page on standard error.
fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match std::thread::current().name() {
            Some(WORKER) => PANIC.set(Some(info.to_string().replace('\n', " "))),
            _ => usual(info),
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_fails_its_case_only() {
        catch_panics();
        let worker = std::thread::Builder::new().name(WORKER.into());
        let verdict = worker.spawn(|| guarded(|| panic!("out of paper"))).unwrap().join().unwrap();
        let told = verdict.strict.unwrap_err().cause;
        assert!(told.starts_with("panicked: ") && told.ends_with("out of paper"), "{told}");
    }
}

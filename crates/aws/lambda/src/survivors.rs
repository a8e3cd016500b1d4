//! Finds and ends every process that carries a mark in its environment: function processes and whatever they started.
//!
//! A mark is an environment variable set by the host. Children inherit it, whatever session or group they move to,
//! unless they take trouble to clear it; the kernel shows it in `/proc/<pid>/environ`. The environment goes with the
//! memory, so what is found can still do something, and what is not found (a zombie, a process being torn down) cannot.
//!
//! Outside Linux nothing is found: there only process groups are ended.

use std::thread;
use std::time::{Duration, Instant};

/// Every process of a host carries `ITHACA_INSTANCE=<hash of the data folder>` ...
pub(crate) const INSTANCE: &str = "ITHACA_INSTANCE";
/// ... and `ITHACA_PROCESS=<instance>.<number>`, the same for all descendants of one function process.
pub(crate) const PROCESS: &str = "ITHACA_PROCESS";

/// Ends all processes that carry `NAME=value`, and looks again until none is left, since they may have been forking
/// meanwhile. Blocks. `Err` is how many were left when `bound` had passed.
pub(crate) fn sweep(mark: &str, bound: Duration) -> Result<(), usize> {
    let deadline = Instant::now() + bound;
    let mut pause = Duration::from_micros(200);
    loop {
        let found = marked(mark);
        if found.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(found.len());
        }
        for pid in found {
            // SAFETY: a system call on numbers. A process that is gone already is what we want.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        // A killed process needs a moment to be gone, one that is stuck in the kernel a longer one.
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The processes that carry the mark, ourselves excepted.
#[cfg(target_os = "linux")]
pub(crate) fn marked(mark: &str) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id() as i32;
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own && carries(*pid, mark))
        .collect()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn marked(_mark: &str) -> Vec<i32> {
    Vec::new()
}

/// A process whose environment cannot be read is another user's, or gone: not one of ours.
#[cfg(target_os = "linux")]
fn carries(pid: i32, mark: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}

//! What the system knows of this process, under the names that Prometheus' own libraries use.
//!
//! Read from `/proc` when somebody asks. What cannot be read is left out.

use std::fs;

use super::text::Text;

/// The fields of `/proc/self/stat` behind the name, which may hold anything: the first is the state.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const THREADS: usize = 17;
const START_TICKS: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

pub fn write(text: &mut Text) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect();
    let field = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
    let ticks = system(libc::_SC_CLK_TCK) as f64;
    if let Some((user, kernel)) = field(USER_TICKS).zip(field(SYSTEM_TICKS)) {
        let name = "process_cpu_seconds";
        text.counter(name, "User and system processor time.").is((user + kernel) as f64 / ticks);
    }
    if let Some(bytes) = field(RESIDENT_PAGES).map(|pages| pages * system(libc::_SC_PAGESIZE)) {
        text.gauge("process_resident_memory_bytes", "Resident memory.").is(bytes);
    }
    if let Some(bytes) = field(VIRTUAL_BYTES) {
        text.gauge("process_virtual_memory_bytes", "Virtual memory.").is(bytes);
    }
    if let Some(threads) = field(THREADS) {
        text.gauge("process_threads", "Threads.").is(threads);
    }
    if let Some((booted, started)) = booted_at().zip(field(START_TICKS)) {
        let name = "process_start_time_seconds";
        text.gauge(name, "When it started, since 1970.").is(booted as f64 + started as f64 / ticks);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        text.gauge("process_open_fds", "Open file descriptors.").is(open.count());
    }
    if let Some(most) = descriptors_max() {
        text.gauge("process_max_fds", "The most file descriptors it may open.").is(most);
    }
}

/// Memory that is really in use.
pub fn resident_bytes() -> Option<u64> {
    let told = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = told.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * system(libc::_SC_PAGESIZE))
}

fn system(name: libc::c_int) -> u64 {
    // SAFETY: sysconf only reads a setting of the system.
    u64::try_from(unsafe { libc::sysconf(name) }).unwrap_or(1)
}

/// Seconds since 1970.
fn booted_at() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

fn descriptors_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

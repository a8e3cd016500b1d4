//! What processes use, as the kernel counts it: processor time, memory, bytes written.

use std::collections::{HashMap, HashSet};
use std::fs;

/// User and system time of a process, all its threads together, in seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    stat(&format!("/proc/{pid}/stat")).map_or(0.0, |stat| stat.cpu_seconds)
}

/// The same of the processes that a process has started and of those that they have started.
pub fn cpu_seconds_below(pid: u32) -> f64 {
    let all: HashMap<u32, Stat> = numbers("/proc")
        .into_iter()
        .filter_map(|pid| stat(&format!("/proc/{pid}/stat")).map(|stat| (pid, stat)))
        .collect();
    let mut family = HashSet::from([pid]);
    // A child has mostly a higher number than its parent, but numbers begin anew: look until nobody is added.
    loop {
        let before = family.len();
        family.extend(
            all.iter().filter(|(_, stat)| family.contains(&stat.parent)).map(|(pid, _)| *pid).collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    family.remove(&pid);
    family.iter().map(|pid| all[pid].cpu_seconds).sum()
}

/// User and system time of those threads of this process whose name is told, in seconds.
pub fn cpu_seconds_of_threads(is_meant: impl Fn(&str) -> bool) -> f64 {
    let threads = numbers("/proc/self/task").into_iter().filter_map(|id| stat(&format!("/proc/self/task/{id}/stat")));
    threads.filter(|thread| is_meant(&thread.name)).map(|thread| thread.cpu_seconds).sum()
}

/// Bytes that a process has caused to be sent to a disk.
pub fn written_bytes(pid: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}

/// What a process has in memory now, in MiB.
pub fn resident_mib(pid: u32) -> f64 {
    memory_mib(pid, "VmRSS:")
}

/// The most it ever had.
pub fn peak_mib(pid: u32) -> f64 {
    memory_mib(pid, "VmHWM:")
}

fn memory_mib(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

#[derive(Debug, PartialEq)]
struct Stat {
    name: String,
    parent: u32,
    cpu_seconds: f64,
}

/// None if it has ended meanwhile.
fn stat(path: &str) -> Option<Stat> {
    // SAFETY: sysconf reads a constant of the system.
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    parse_stat(&fs::read_to_string(path).ok()?, ticks_per_second.max(1) as f64)
}

/// `pid (name) state ppid ...`; user and system time are the fields 14 and 15, in ticks. The name may hold anything.
fn parse_stat(text: &str, ticks_per_second: f64) -> Option<Stat> {
    let (before, after) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        name: before.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        cpu_seconds: (ticks(11)? + ticks(12)?) as f64 / ticks_per_second,
    })
}

/// The entries of a folder whose names are numbers.
fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let line = "7 (a) b) S 3 7 7 0 -1 4 1 2 3 4 150 50 9 9 20 0 1 0 5";
        let expect = Stat { name: "a) b".into(), parent: 3, cpu_seconds: 2.0 };
        assert_eq!(parse_stat(line, 100.0), Some(expect));
        assert_eq!(parse_stat("7 (a) S", 100.0), None);
    }

    #[test]
    fn this_process() {
        let pid = std::process::id();
        assert!(resident_mib(pid) > 0.0 && peak_mib(pid) >= resident_mib(pid) - 1.0);
        assert!(cpu_seconds(pid) >= 0.0 && cpu_seconds_below(pid) >= 0.0);
    }
}

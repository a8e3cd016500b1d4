//! What the system lets this process do, set once at its start.
//!
//! A program that links Ithaca as a library sets its own limits; only the command line calls this.

use std::io;

/// Open files that stay for everything but connections: the store's, pipes of functions, objects.
const FILES_KEPT: u64 = 4096;

/// Takes as many open files as the system allows and returns how many connections that makes.
///
/// A soft limit of 1024, which is usual, is for programs that use `select`. Functions are given theirs back.
pub fn raise_open_files() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit into memory that is ours, then reads it.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) < 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(connections(limit.rlim_cur))
}

fn connections(files: u64) -> usize {
    usize::try_from(files - FILES_KEPT.min(files / 2)).unwrap_or(usize::MAX)
}

/// A write beyond a limit on the size of files (`ulimit -f`) becomes a failed write, which has words, instead of the end
/// of the process, which has none.
pub fn survive_file_limit() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: the handler does nothing. A handler and not "ignore", because functions would inherit that.
    unsafe { libc::signal(libc::SIGXFSZ, nothing as extern "C" fn(libc::c_int) as libc::sighandler_t) };
}

/// Memory of the machine, or of the container where that has less. None where the system does not tell.
pub fn memory_bytes() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total: u64 = total.trim().trim_end_matches("kB").trim().parse().ok()?;
    let container = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let container = container.iter().filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok());
    Some(container.fold(total << 10, u64::min))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        for (files, expect) in [(0, 0), (256, 128), (1024, 512), (20_000, 15_904), (1 << 20, (1 << 20) - 4096)] {
            assert_eq!(connections(files), expect, "{files}");
        }
    }
}

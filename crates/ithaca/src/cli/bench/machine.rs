//! The machine that is measured: what a figure means nothing without.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The processor, the memory, the kernel, the disk under the scratch folder, and what else was going on at the start.
pub fn describe(scratch: &Path) -> Value {
    let (info, memory, load) = (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/loadavg"));
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let kib: f64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(f64::NAN);
    let load: Option<f64> = load.split(' ').next().and_then(|load| load.parse().ok());
    json!({
        "cpu": model.unwrap_or("unknown processor"),
        "cores": std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        "memoryGiB": (kib / 1_048_576.0 * 10.0).round() / 10.0,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "disk": disk(scratch),
        "load": load,
    })
}

/// The same as a line for people.
pub fn line(machine: &Value) -> String {
    let text = |member: &str| machine[member].as_str().unwrap_or("?").to_owned();
    format!(
        "{}, {} cores, {} GiB, Linux {}, {}, load {}",
        text("cpu"),
        machine["cores"],
        machine["memoryGiB"],
        text("kernel"),
        text("disk"),
        machine["load"],
    )
}

/// The file system of a folder and the device below it, as `ext4 on /dev/vda`.
fn disk(folder: &Path) -> String {
    let Some((major, minor)) = device_number(folder) else { return "an unknown disk".into() };
    let mounts = read("/proc/self/mountinfo");
    // Fields: id, parent, major:minor, root, mount point, options ..., "-", type, source.
    let of_device = |line: &&str| line.split(' ').nth(2) == Some(&format!("{major}:{minor}"));
    let line = mounts.lines().find(of_device).unwrap_or_default();
    let mut after = line.split(" - ").nth(1).unwrap_or("unknown").split(' ');
    format!("{} on {}", after.next().unwrap_or("?"), after.next().unwrap_or("?"))
}

fn device_number(folder: &Path) -> Option<(u32, u32)> {
    let device = fs::metadata(folder).ok()?.dev();
    Some((libc::major(device), libc::minor(device)))
}

/// The counters of the block device below a folder: everything that reaches it, whoever wrote it.
pub struct Device(Option<PathBuf>);

/// Since the machine started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceCounts {
    pub written_bytes: u64,
    /// Commands to make what was written durable. An fsync of a file is one, sometimes two.
    pub flushes: u64,
}

impl Device {
    pub fn below(folder: &Path) -> Device {
        Device(device_number(folder).map(|(major, minor)| format!("/sys/dev/block/{major}:{minor}/stat").into()))
    }

    /// None where the system does not tell, as for a folder in memory.
    pub fn counts(&self) -> Option<DeviceCounts> {
        parse_counts(&fs::read_to_string(self.0.as_ref()?).ok()?)
    }
}

/// Fields as in the kernel's `Documentation/block/stat.rst`: sectors written is the seventh, flushes the sixteenth.
fn parse_counts(stat: &str) -> Option<DeviceCounts> {
    const SECTOR_BYTES: u64 = 512;
    let field = |at: usize| stat.split_whitespace().nth(at)?.parse::<u64>().ok();
    Some(DeviceCounts { written_bytes: field(6)? * SECTOR_BYTES, flushes: field(15)? })
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_device() {
        let check = |stat: &str, expect: Option<(u64, u64)>| {
            let expect = expect.map(|(written_bytes, flushes)| DeviceCounts { written_bytes, flushes });
            assert_eq!(parse_counts(stat), expect, "{stat}");
        };
        check("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", Some((7 * 512, 16)));
        // Before Linux 5.5 flushes were not counted.
        check("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", None);
        check("", None);
    }
}

//! How output looks: colours only where somebody looks at a terminal, durations and moments for people.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// `println!` for an output whose reader may go, as in `ithaca history | head`: nobody misses the rest, and a server
/// must not end for it.
macro_rules! print_line {
    ($($text:tt)*) => { $crate::cli::terminal::write_line(format_args!($($text)*)) };
}
pub(crate) use print_line;

/// Whether some output could not be written; then the command has not succeeded, whatever else it did.
static IS_OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

/// Told once: what is wrong with standard output stays wrong.
pub fn write_line(line: fmt::Arguments<'_>) {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe && !IS_OUTPUT_LOST.swap(true, Ordering::Relaxed) => {
            eprintln!("error: standard output cannot be written: {error}");
        }
        _ => {}
    }
}

pub fn is_output_lost() -> bool {
    IS_OUTPUT_LOST.load(Ordering::Relaxed)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Warn,
    Busy,
    Undone,
    Quiet,
    Strong,
}

/// Colours the text if standard output is a terminal and `NO_COLOR` is not set.
pub fn paint(tone: Tone, text: &str) -> String {
    let is_wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if !is_wanted {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Warn => "33",
        Tone::Busy => "34",
        Tone::Undone => "35",
        Tone::Quiet => "2",
        Tone::Strong => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

pub fn status_tone(status: &str) -> Tone {
    match status {
        "SUCCEEDED" => Tone::Good,
        "RUNNING" => Tone::Busy,
        "ABORTED" => Tone::Quiet,
        _ => Tone::Bad,
    }
}

/// `850 µs` is below what history events tell, so: `0 ms`, `42 ms`, `1.24 s`, `2 min 5 s`, `3 h 20 min`.
pub fn duration(ms: f64) -> String {
    let seconds = ms / 1000.0;
    match ms {
        _ if ms < 1000.0 => format!("{} ms", ms.round()),
        _ if seconds < 60.0 => format!("{seconds:.2} s"),
        _ if seconds < 3600.0 => format!("{} min {} s", (seconds / 60.0) as u64, (seconds % 60.0) as u64),
        _ => format!("{} h {} min", (seconds / 3600.0) as u64, (seconds % 3600.0 / 60.0) as u64),
    }
}

/// `2026-11-21 21:28:00.123 UTC` from seconds since 1970.
pub fn moment(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "-".into() };
    let text = asl::timestamp::format((seconds * 1000.0).round() as i64);
    format!("{} UTC", text.trim_end_matches('Z').replace('T', " "))
}

/// Cuts text that would not fit on a line.
pub fn shorten(text: &str, chars_max: usize) -> String {
    let line = text.replace(['\n', '\r'], " ");
    if line.chars().count() <= chars_max {
        return line;
    }
    line.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |ms: f64, expect: &str| assert_eq!(duration(ms), expect);
        check(0.0, "0 ms");
        check(42.4, "42 ms");
        check(1240.0, "1.24 s");
        check(125_000.0, "2 min 5 s");
        check(12_000_000.0, "3 h 20 min");
    }

    #[test]
    fn moments_and_lines() {
        assert_eq!(moment(Some(1.5)), "1970-01-01 00:00:01.500 UTC");
        assert_eq!(moment(None), "-");
        assert_eq!(shorten("abc\ndef", 5), "abc …");
        assert_eq!(shorten("abc", 3), "abc");
    }
}

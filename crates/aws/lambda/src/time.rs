//! Points in time as Lambda writes them. No time zones: everything is UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2026-11-21T21:39:07.123+0000`, the form of `LastModified`.
pub(crate) fn last_modified(at: SystemTime) -> String {
    let c = Civil::of(at);
    let Civil { year, month, day, hour, minute, second, milli } = c;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}+0000")
}

/// `2026-11-21T21:39:07.123Z`, the form of log lines.
pub(crate) fn log_time(at: SystemTime) -> String {
    let Civil { year, month, day, hour, minute, second, milli } = Civil::of(at);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let numbers = [
        (0..4, year),
        (5..7, month),
        (8..10, day),
        (11..13, hour),
        (14..16, minute),
        (17..19, second),
        (20..23, milli),
    ];
    for (place, number) in numbers {
        put_decimal(&mut text[place], number);
    }
    text.into_iter().map(char::from).collect()
}

/// The last digits of a number. Not by the formatter: this is written twice for each invocation.
fn put_decimal(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// `2026/11/21`, the beginning of a log stream's name.
pub(crate) fn stream_date(at: SystemTime) -> String {
    let Civil { year, month, day, .. } = Civil::of(at);
    format!("{year:04}/{month:02}/{day:02}")
}

/// Milliseconds since 1970. A clock before 1970 counts as 1970.
pub(crate) fn epoch_ms(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    milli: u64,
}

impl Civil {
    /// Days to date by eras of 400 years that begin on the first of March.
    fn of(at: SystemTime) -> Civil {
        let ms = epoch_ms(at);
        let seconds = ms / 1000;
        let days = seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Civil {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            milli: ms % 1000,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates() {
        let check = |ms: u64, expect: &str| assert_eq!(log_time(UNIX_EPOCH + Duration::from_millis(ms)), expect);
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_399_999, "2000-02-28T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_709_251_200_000, "2024-03-01T00:00:00.000Z");
        check(1_798_761_599_001, "2026-12-31T23:59:59.001Z");
        check(4_102_444_800_000, "2100-01-01T00:00:00.000Z");
    }
}

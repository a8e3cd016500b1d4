//! Time and chance, given to the door from outside, and the forms in which API Gateway shows them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the time and the ids in the events come from.
pub struct Source {
    /// Milliseconds since 1970.
    pub now_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Anything; two equal values make two requests look like one.
    pub random: Box<dyn Fn() -> u128 + Send + Sync>,
}

impl Source {
    /// The machine's clock and the standard library's random seeds.
    pub fn system() -> Source {
        Source { now_ms: Box::new(now_ms), random: Box::new(random) }
    }
}

fn now_ms() -> u64 {
    // A clock before 1970 is a broken clock; the epoch is as good a time as any.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn random() -> u128 {
    let half = |salt: u8| u128::from(RandomState::new().hash_one(salt));
    (half(0) << 64) | half(1)
}

/// `c6af9ac6-7b61-11e6-9a41-93e8deadbeef`: 32 hexadecimal digits in five groups.
pub fn uuid(value: u128) -> String {
    let digits = format!("{value:032x}");
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    groups.join("-")
}

/// `Root=1-5759e988-bd862e3fe1be46a994272793`: the second and 24 hexadecimal digits.
pub fn trace_root(now_ms: u64, value: u128) -> String {
    format!("Root=1-{:08x}-{:024x}", now_ms / 1000, value >> 32)
}

/// `09/Apr/2015:12:34:56 +0000`
pub fn request_time(now_ms: u64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = now_ms / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{day:02}/{}/{year}:{hour:02}:{minute:02}:{second:02} +0000", MONTHS[month])
}

/// Year, month (0 to 11) and day (from 1) of a day since 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, usize, u64) {
    // Counted from 1 March of the year 0, so that the leap day is the last of its year, and in eras of 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    (era * 400 + year_of_era + u64::from(month < 2), month as usize, day)
}

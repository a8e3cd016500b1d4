//! Points in time as the query protocol writes them. UTC only, and no clock: moments come from who asks.

/// `2025-02-04T01:49:50Z`, of seconds since 1970.
pub fn iso_seconds(seconds: u64) -> String {
    let ((year, month, day), second) = (date(seconds / 86_400), seconds % 86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// `2025-02-04T01:49:50.099Z`, of milliseconds since 1970; earlier moments count as the first.
pub fn iso(millis: i64) -> String {
    let millis = u64::try_from(millis).unwrap_or(0);
    let seconds = iso_seconds(millis / 1000);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), millis % 1000)
}

/// Years are counted from 1 March, so that the leap day is the last of its year; 146,097 days are 400 years.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |seconds: u64, text: &str| assert_eq!(iso_seconds(seconds), text);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_738_633_790, "2025-02-04T01:49:50Z");
        assert_eq!(iso(1_738_633_790_099), "2025-02-04T01:49:50.099Z");
        assert_eq!(iso(-1), "1970-01-01T00:00:00.000Z");
    }
}

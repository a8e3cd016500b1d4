//! Points in time as texts and back, UTC only: the forms that AWS's protocols, signatures and result files have.

/// A day of the proleptic Gregorian calendar and the time in it.
struct Civil {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

/// `20130524T000000Z`, the form of `x-amz-date`.
pub fn basic(seconds: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `2025-02-04T01:49:50.099Z`, the form of `StartDate` in a result file.
pub fn iso(millis: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil(millis.div_euclid(1000));
    let milli = millis.rem_euclid(1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Seconds since 1970 of `2009-10-12T17:50:30.000Z`, the form of `LastModified` in a listing; fractions are dropped.
pub fn parse_iso(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let shape = text.bytes().zip(b"dddd-dd-ddTdd:dd:dd").all(|(byte, shape)| match shape {
        b'd' => byte.is_ascii_digit(),
        _ => byte == *shape,
    });
    if !shape || text.len() < 20 || !text.ends_with('Z') {
        return None;
    }
    let days = days_from_civil(number(0, 4)?.into(), number(5, 7)?, number(8, 10)?)?;
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    Some(days * 86_400 + i64::from(seconds))
}

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Fri, 24 May 2013 00:00:00 GMT`, as HTTP's headers have it.
pub fn http_date(seconds: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil(seconds);
    // 1970 began on a Thursday.
    let weekday = WEEKDAYS[seconds.div_euclid(86_400).rem_euclid(7) as usize];
    let month = MONTHS[usize::from(month) - 1];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Seconds since 1970 of HTTP's form.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split([' ', ':']).filter(|word| !word.is_empty()).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u32 + 1;
    let days = days_from_civil(year.parse().ok()?, month, day.parse().ok()?)?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| (0..=60).contains(number));
    Some(days * 86_400 + number(hour)? * 3600 + number(minute)? * 60 + number(second)?)
}

/// Years are counted from 1 March, so that the leap day is the last of its year; 146,097 days are 400 years.
fn civil(seconds: i64) -> Civil {
    let (days, second) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month: month as u8,
        day: (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8,
        hour: (second / 3600) as u8,
        minute: (second / 60 % 60) as u8,
        second: (second % 60) as u8,
    }
}

fn days_from_civil(year: i64, month: u32, day: u32) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted_year = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |seconds: i64, text: &str| {
            assert_eq!(iso(seconds * 1000 + 99), text.replace("Z", ".099Z"));
            assert_eq!(basic(seconds), text.replace(['-', ':'], ""));
            assert_eq!(parse_iso(text), Some(seconds), "{text}");
            assert_eq!(parse_iso(&text.replace("Z", ".000Z")), Some(seconds), "{text}");
        };
        check(0, "1970-01-01T00:00:00Z");
        for (seconds, text) in [(0, "Thu, 01 Jan 1970 00:00:00 GMT"), (1_369_353_600, "Fri, 24 May 2013 00:00:00 GMT")]
        {
            assert_eq!((http_date(seconds).as_str(), parse_http_date(text)), (text, Some(seconds)));
        }
        assert_eq!(parse_http_date("yesterday"), None);
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_369_353_600, "2013-05-24T00:00:00Z");
        check(1_668_699_881, "2022-11-17T15:44:41Z");
        for text in ["", "2022-11-17", "2022-13-17T15:44:41Z", "2022-11-17T15:44:41+01:00", "zzzz-11-17T15:44:41Z"] {
            assert_eq!(parse_iso(text), None, "{text}");
        }
    }
}

//! RFC 3339 moments, as Wait and Choice take them: `2026-11-21T21:28:00.123Z`.
//!
//! Strict, because AWS refuses at creation what is not of this form: capital `T` and `Z`, seconds always, a
//! fraction of one to nine digits at most, an offset of `Z` or `+hh:mm`. Days that do not exist are refused.

/// Milliseconds since 1970, the fraction cut off; none when the text is not such a moment.
pub fn parse(text: &str) -> Option<i64> {
    let moment = moment(text)?;
    Some(moment.seconds * 1_000 + i64::from(moment.nanos / 1_000_000))
}

/// `2026-11-21T21:28:00.123Z`: always UTC, always three decimals.
pub fn format(ms: i64) -> String {
    let (days, ms_of_day) = (ms.div_euclid(MS_PER_DAY), ms.rem_euclid(MS_PER_DAY));
    let (year, month, day) = civil(days);
    let (seconds, ms) = (ms_of_day / 1_000, ms_of_day % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// A moment with all its digits: comparisons in a Choice must not lose nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// Since 1970, may be negative.
    seconds: i64,
    nanos: u32,
}

pub(crate) fn moment(text: &str) -> Option<Moment> {
    let mut digits = Digits { rest: text.as_bytes() };
    let year = digits.number(4)?;
    digits.expect(b'-')?;
    let month = digits.number(2)?;
    digits.expect(b'-')?;
    let day = digits.number(2)?;
    digits.expect(b'T')?;
    let hour = digits.number(2)?;
    digits.expect(b':')?;
    let minute = digits.number(2)?;
    digits.expect(b':')?;
    let second = digits.number(2)?;
    let nanos = digits.fraction()?;
    let offset_minutes = digits.offset()?;
    let exists = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    if !exists || hour > 23 || minute > 59 || second > 59 || !digits.rest.is_empty() {
        return None;
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute - offset_minutes) * 60 + second;
    Some(Moment { seconds, nanos })
}

const MS_PER_DAY: i64 = 86_400_000;
const NANO_DIGITS: usize = 9;
/// The widest offset that the JVM's time library takes.
const OFFSET_MINUTES_MAX: i64 = 18 * 60;

struct Digits<'t> {
    rest: &'t [u8],
}

impl Digits<'_> {
    fn number(&mut self, len: usize) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    /// None when there is a point without digits, or more digits than nanoseconds.
    fn fraction(&mut self) -> Option<u32> {
        if self.expect(b'.').is_none() {
            return Some(0);
        }
        let len = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 || len > NANO_DIGITS {
            return None;
        }
        let value = self.number(len)?;
        u32::try_from(value * 10_i64.pow((NANO_DIGITS - len) as u32)).ok()
    }

    fn offset(&mut self) -> Option<i64> {
        let sign = match self.rest.split_first()? {
            (b'Z', rest) => {
                self.rest = rest;
                return Some(0);
            }
            (b'+', rest) => {
                self.rest = rest;
                1
            }
            (b'-', rest) => {
                self.rest = rest;
                -1
            }
            _ => return None,
        };
        let hours = self.number(2)?;
        self.expect(b':')?;
        let minutes = self.number(2)?;
        let total = hours * 60 + minutes;
        (minutes <= 59 && total <= OFFSET_MINUTES_MAX).then_some(sign * total)
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 in the proleptic Gregorian calendar; years are counted from March so that the leap day is
/// the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_and_what_is_none() {
        let rows = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-21T21:28:00.123Z", Some(1_795_296_480_123)),
            ("2016-03-05T21:29:29.243167252Z", Some(1_457_213_369_243)),
            ("2012-10-09T19:00:55+01:00", Some(1_349_805_655_000)),
            ("2012-10-09T19:00:55-01:30", Some(1_349_814_655_000)),
            ("2000-02-29T00:00:00Z", Some(951_782_400_000)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("0000-01-01T00:00:00Z", Some(-62_167_219_200_000)),
            ("1900-02-29T00:00:00Z", None),
            ("2016-13-05T21:29:29Z", None),
            ("2016-12-05T25:29:29Z", None),
            ("2016-12-05T24:00:00Z", None),
            ("2016-12-05T21:29:60Z", None),
            ("05-12-2016T21:29:29Z", None),
            ("2016-12-05 21:29:29Z", None),
            ("2016-12-05T21:29:29", None),
            ("2016-12-05T21:29Z", None),
            ("2016-12-05t21:29:29z", None),
            ("2016-12-05T21:29:29.Z", None),
            ("2016-12-05T21:29:29.1234567890Z", None),
            ("2016-12-05T21:29:29+0100", None),
            ("2016-12-05T21:29:29+19:00", None),
            ("2016-12-05T21:29:29Z ", None),
            ("2023-02-24", None),
            ("", None),
            ("²016-12-05T21:29:29Z", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn nanoseconds_are_kept_for_comparison() {
        assert!(moment("2016-03-05T21:29:29.000000001Z") > moment("2016-03-05T21:29:29Z"));
        assert_eq!(moment("2016-03-05T21:29:29.10Z"), moment("2016-03-05T22:29:29.1+01:00"));
    }

    proptest! {
        #[test]
        fn what_is_formatted_parses_back(ms in -62_167_219_200_000_i64..253_402_300_800_000) {
            prop_assert_eq!(parse(&format(ms)), Some(ms));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}

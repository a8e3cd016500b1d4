//! Schedule expressions: `rate(5 minutes)`, `cron(0 10 * * ? *)` in AWS's six fields, `at(2030-01-02T03:04:05)`. All in UTC.
//!
//! The next firing is a function of the moment before it, so a test needs no clock. A firing that nobody was there for is
//! not made up: who asks for the next one after now never hears of it.

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// The years that AWS's expressions have.
const YEARS: std::ops::RangeInclusive<u32> = 1970..=2199;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Milliseconds from one firing to the next, counted from the moment at which the rule was made.
    Rate(i64),
    Cron(Box<Cron>),
    /// Milliseconds since 1970.
    At(i64),
}

/// The values that each field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Days,
    months: Vec<u32>,
    years: Vec<u32>,
}

/// One of the two fields for days says nothing (`?`).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<u32>),
    /// `L`, or so many days before it.
    Last(u32),
    /// `15W`: the weekday nearest to it.
    Weekday(u32),
    /// `LW`: the last weekday.
    LastWeekday,
    /// 1 is Sunday.
    OfWeek(Vec<u32>),
    /// `6#3`: the third Friday.
    Nth(u32, u32),
    /// `6L`: the last Friday.
    LastOfWeek(u32),
}

impl Schedule {
    /// Reads an expression; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Schedule, String> {
        let (kind, inner) = text
            .trim()
            .strip_suffix(')')
            .and_then(|text| text.split_once('('))
            .ok_or_else(|| format!("\"{text}\" is none of rate(...), cron(...), at(...)"))?;
        match kind {
            "rate" => rate(inner),
            "cron" => cron(inner),
            "at" => at(inner).map(Schedule::At).ok_or_else(|| format!("at({inner}): write at(yyyy-mm-ddThh:mm:ss)")),
            _ => Err(format!("\"{text}\" is none of rate(...), cron(...), at(...)")),
        }
    }

    /// The first firing after a moment, in milliseconds since 1970. `anchor` is when the schedule was made.
    pub fn next(&self, after_ms: i64, anchor_ms: i64) -> Option<i64> {
        match self {
            Schedule::Rate(period) => {
                let passed = (after_ms - anchor_ms).max(0) / period;
                Some(anchor_ms + (passed + 1) * period)
            }
            Schedule::At(at) => (*at > after_ms).then_some(*at),
            Schedule::Cron(cron) => cron.next(after_ms),
        }
    }
}

fn rate(text: &str) -> Result<Schedule, String> {
    const UNITS: &[(&str, i64)] = &[("minute", MINUTE_MS), ("hour", 60 * MINUTE_MS), ("day", DAY_MS)];
    let refuse = || format!("rate({text}): write rate(1 minute), rate(5 minutes), of minutes, hours or days");
    let (count, unit) = text.split_once(' ').ok_or_else(refuse)?;
    let count: i64 = count.parse().ok().filter(|count| (1..=10_000_000).contains(count)).ok_or_else(refuse)?;
    // One has no plural, as AWS has it.
    let name = if count == 1 { Some(unit) } else { unit.strip_suffix('s') };
    let (_, unit_ms) = UNITS.iter().find(|(known, _)| Some(*known) == name).ok_or_else(refuse)?;
    Ok(Schedule::Rate(count * unit_ms))
}

fn cron(text: &str) -> Result<Schedule, String> {
    const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, day, month, week, year] = fields.as_slice() else {
        return Err(format!(
            "cron({text}) has {} fields, AWS's has six: minutes hours day month weekday year",
            fields.len()
        ));
    };
    let days = match (*day, *week) {
        ("?", "?") => Err("one of the two fields for days must say something".to_owned()),
        (day, "?") => of_month(day),
        ("?", week) => of_week(week),
        // Each day of the month, whatever the weekday, is what AWS refuses too.
        _ => Err("one of the two fields for days must be ?".to_owned()),
    };
    let read = || -> Result<Cron, String> {
        Ok(Cron {
            minutes: field(minutes, 0..=59, 0, &[])?,
            hours: field(hours, 0..=23, 0, &[])?,
            days: days?,
            months: field(month, 1..=12, 1, MONTHS)?,
            years: field(year, YEARS, 0, &[])?,
        })
    };
    read().map(|cron| Schedule::Cron(Box::new(cron))).map_err(|why| format!("cron({text}): {why}"))
}

/// The values of a field: `*`, `5`, `1-5`, `0/15`, `*/2`, names, and lists of them.
fn field(text: &str, range: std::ops::RangeInclusive<u32>, first: u32, names: &[&str]) -> Result<Vec<u32>, String> {
    let (least, most) = (*range.start(), *range.end());
    let number = |word: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(word)).map(|at| at as u32 + first);
        named.or_else(|| word.parse().ok()).filter(|number| range.contains(number))
    };
    let refuse = || format!("\"{text}\" is no value from {least} to {most}");
    let mut values = Vec::new();
    for part in text.split(',') {
        let (span, step) = match part.split_once('/') {
            Some((span, step)) => (span, step.parse::<u32>().ok().filter(|step| *step > 0).ok_or_else(refuse)?),
            None => (part, 1),
        };
        let (from, to) = match span.split_once('-') {
            _ if span == "*" => (least, most),
            Some((from, to)) => (number(from).ok_or_else(refuse)?, number(to).ok_or_else(refuse)?),
            None => {
                let from = number(span).ok_or_else(refuse)?;
                (from, if part.contains('/') { most } else { from })
            }
        };
        // `FRI-MON` goes over the end.
        let wraps = from > to && !names.is_empty();
        let spans = if wraps { vec![(from, most), (least, to)] } else { vec![(from, to)] };
        values.extend(spans.into_iter().flat_map(|(from, to)| (from..=to).step_by(step as usize)));
    }
    values.sort_unstable();
    values.dedup();
    if values.is_empty() { Err(refuse()) } else { Ok(values) }
}

fn of_month(text: &str) -> Result<Days, String> {
    if text == "LW" {
        return Ok(Days::LastWeekday);
    }
    if let Some(rest) = text.strip_prefix('L') {
        let before = rest.strip_prefix('-').map_or(rest.is_empty().then_some(0), |days| days.parse().ok());
        return before.filter(|days| *days < 31).map(Days::Last).ok_or_else(|| format!("\"{text}\" is no last day"));
    }
    if let Some(day) = text.strip_suffix('W') {
        let day = day.parse().ok().filter(|day| (1..=31).contains(day));
        return day.map(Days::Weekday).ok_or_else(|| format!("\"{text}\" is no weekday near a day from 1 to 31"));
    }
    field(text, 1..=31, 0, &[]).map(Days::OfMonth)
}

fn of_week(text: &str) -> Result<Days, String> {
    const NAMES: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let day = |text: &str| field(text, 1..=7, 1, NAMES).ok().filter(|days| days.len() == 1).map(|days| days[0]);
    if let Some((weekday, nth)) = text.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
        return day(weekday)
            .zip(nth)
            .map(|(day, nth)| Days::Nth(day, nth))
            .ok_or_else(|| format!("\"{text}\" is no weekday of a month"));
    }
    if text == "L" {
        return Ok(Days::OfWeek(vec![7]));
    }
    if let Some(weekday) = text.strip_suffix('L') {
        return day(weekday).map(Days::LastOfWeek).ok_or_else(|| format!("\"{text}\" is no last weekday"));
    }
    field(text, 1..=7, 1, NAMES).map(Days::OfWeek)
}

impl Cron {
    fn next(&self, after_ms: i64) -> Option<i64> {
        // Firings are at whole minutes.
        let minute = after_ms.div_euclid(MINUTE_MS) + 1;
        let (day, of_day) = (minute.div_euclid(24 * 60), minute.rem_euclid(24 * 60));
        let (year, month, date) = civil(day);
        for y in self.years.iter().copied().filter(|y| i64::from(*y) >= year) {
            for m in self.months.iter().copied().filter(|m| i64::from(y) > year || *m >= month) {
                let is_first = i64::from(y) == year && m == month;
                for d in self.days.of(y, m).into_iter().filter(|d| !is_first || *d >= date) {
                    let from = if is_first && d == date { of_day } else { 0 };
                    if let Some(at) = self.minute_of_day(from) {
                        return Some((days_from_civil(i64::from(y), m, d) * 24 * 60 + at) * MINUTE_MS);
                    }
                }
            }
        }
        None
    }

    fn minute_of_day(&self, from: i64) -> Option<i64> {
        let all =
            self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| i64::from(hour * 60 + minute)));
        all.filter(|at| *at >= from).min()
    }
}

impl Days {
    /// The days of a month, in their order.
    fn of(&self, year: u32, month: u32) -> Vec<u32> {
        let length = days_in(year, month);
        let weekday = |day: u32| weekday(days_from_civil(i64::from(year), month, day));
        let all = || 1..=length;
        match self {
            Days::OfMonth(days) => days.iter().copied().filter(|day| *day <= length).collect(),
            Days::Last(before) => length.checked_sub(*before).filter(|day| *day > 0).into_iter().collect(),
            Days::LastWeekday => all().rev().find(|day| (2..=6).contains(&weekday(*day))).into_iter().collect(),
            Days::Weekday(near) if *near > length => Vec::new(),
            // Within the month: a Saturday the 1st goes to Monday the 3rd.
            Days::Weekday(near) => {
                let mut candidates: Vec<u32> = all().filter(|day| (2..=6).contains(&weekday(*day))).collect();
                candidates.sort_by_key(|day| (day.abs_diff(*near), *day));
                candidates.into_iter().take(1).collect()
            }
            Days::OfWeek(days) => all().filter(|day| days.contains(&weekday(*day))).collect(),
            Days::Nth(day, nth) => {
                all().filter(|date| weekday(*date) == *day).nth(*nth as usize - 1).into_iter().collect()
            }
            Days::LastOfWeek(day) => all().rfind(|date| weekday(*date) == *day).into_iter().collect(),
        }
    }
}

/// 1 is Sunday. The first of January 1970 was a Thursday.
fn weekday(day: i64) -> u32 {
    (day + 4).rem_euclid(7) as u32 + 1
}

fn days_in(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date in the Gregorian calendar, counted from March so that the leap day is the last of its year.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

/// `2030-01-02T03:04:05`
pub(crate) fn at(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let numbers = |text: &str, mark: char| -> Option<[u32; 3]> {
        let parts: Option<Vec<u32>> = text.split(mark).map(|part| part.parse().ok()).collect();
        parts?.try_into().ok()
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(time, ':')?);
    let is_good = YEARS.contains(&year) && (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    let is_date = is_good && (1..=days_in(year, month)).contains(&day);
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    is_date.then(|| days_from_civil(i64::from(year), month, day) * DAY_MS + seconds * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ms: i64) -> String {
        let (year, month, day) = civil(ms.div_euclid(DAY_MS));
        let seconds = ms.rem_euclid(DAY_MS) / 1000;
        format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    /// The firings after a moment.
    fn check(expression: &str, after: &str, expect: &[&str]) {
        let schedule = Schedule::parse(expression).unwrap();
        let anchor = at("2026-01-01T00:00:30").unwrap();
        let mut now = at(after).unwrap();
        let mut found = Vec::new();
        for _ in expect {
            let Some(next) = schedule.next(now, anchor) else { break };
            assert!(next > now, "{expression}");
            now = next;
            found.push(shown(next));
        }
        assert_eq!(found, expect, "{expression} after {after}");
    }

    #[test]
    fn rates_count_from_when_the_rule_was_made() {
        check("rate(5 minutes)", "2026-01-01T00:00:30", &["2026-01-01T00:05:30", "2026-01-01T00:10:30"]);
        check("rate(1 hour)", "2026-01-02T10:00:00", &["2026-01-02T10:00:30", "2026-01-02T11:00:30"]);
        check("rate(2 days)", "2025-01-01T00:00:00", &["2026-01-03T00:00:30"]);
        // What was missed is not made up.
        check("rate(1 minute)", "2026-03-01T00:00:30", &["2026-03-01T00:01:30"]);
    }

    #[test]
    fn cron_in_six_fields() {
        let after = "2026-11-26T20:15:10";
        // Rows of AWS's documentation, and the corners of each field.
        check("cron(0 10 * * ? *)", after, &["2026-11-27T10:00:00", "2026-11-28T10:00:00"]);
        check("cron(15 12 * * ? *)", after, &["2026-11-27T12:15:00"]);
        check("cron(0 18 ? * MON-FRI *)", after, &["2026-11-27T18:00:00", "2026-11-30T18:00:00"]);
        check("cron(0 8 1 * ? *)", after, &["2026-12-01T08:00:00", "2027-01-01T08:00:00"]);
        check("cron(0/15 * * * ? *)", after, &["2026-11-26T20:30:00", "2026-11-26T20:45:00", "2026-11-26T21:00:00"]);
        check("cron(0/10 * ? * MON-FRI *)", after, &["2026-11-26T20:20:00"]);
        check("cron(0/5 8-17 ? * MON-FRI *)", after, &["2026-11-27T08:00:00", "2026-11-27T08:05:00"]);
        check("cron(*/30 20 * * ? *)", after, &["2026-11-26T20:30:00", "2026-11-27T20:00:00"]);
        check("cron(0 9 ? * 2#1 *)", after, &["2026-12-07T09:00:00", "2027-01-04T09:00:00"]);
        check("cron(0 0 ? * 6L *)", after, &["2026-11-27T00:00:00", "2026-12-25T00:00:00"]);
        check("cron(0 0 L * ? *)", after, &["2026-11-30T00:00:00", "2026-12-31T00:00:00", "2027-01-31T00:00:00"]);
        check("cron(0 0 L-2 2 ? *)", after, &["2027-02-26T00:00:00", "2028-02-27T00:00:00"]);
        // The 15th of August 2027 is a Sunday, the 1st of May 2027 a Saturday.
        check("cron(0 0 15W 8 ? *)", after, &["2027-08-16T00:00:00"]);
        check("cron(0 0 1W 5 ? *)", after, &["2027-05-03T00:00:00"]);
        check("cron(0 0 LW 5 ? *)", after, &["2027-05-31T00:00:00"]);
        check("cron(30 6 29 2 ? *)", after, &["2028-02-29T06:30:00", "2032-02-29T06:30:00"]);
        check(
            "cron(0 0 1 JAN,jul ? 2030-2031)",
            after,
            &["2030-01-01T00:00:00", "2030-07-01T00:00:00", "2031-01-01T00:00:00"],
        );
        check("cron(0 0 ? * SAT-SUN *)", after, &["2026-11-28T00:00:00", "2026-11-29T00:00:00", "2026-12-05T00:00:00"]);
        check("cron(0 0 ? * L *)", after, &["2026-11-28T00:00:00"]);
        check("cron(15 20 26 11 ? *)", "2026-11-26T20:14:59", &["2026-11-26T20:15:00", "2027-11-26T20:15:00"]);
        assert_eq!(Schedule::parse("cron(0 0 1 1 ? 2020)").unwrap().next(at(after).unwrap(), 0), None);
        assert_eq!(Schedule::parse("cron(0 0 31 2 ? *)").unwrap().next(at(after).unwrap(), 0), None);
    }

    #[test]
    fn once() {
        check("at(2030-02-28T23:59:59)", "2026-01-01T00:00:00", &["2030-02-28T23:59:59"]);
        assert_eq!(
            Schedule::parse("at(2020-01-01T00:00:00)").unwrap().next(at("2026-01-01T00:00:00").unwrap(), 0),
            None
        );
    }

    #[test]
    fn expressions_that_cannot_be() {
        for (text, expect) in [
            ("5 minutes", "\"5 minutes\" is none of rate(...), cron(...), at(...)"),
            ("every(1)", "\"every(1)\" is none of"),
            ("rate(5 minute)", "rate(5 minute): write rate(1 minute)"),
            ("rate(1 minutes)", "rate(1 minutes): write"),
            ("rate(0 minutes)", "rate(0 minutes): write"),
            ("rate(5 seconds)", "rate(5 seconds): write"),
            ("cron(0 10 * * *)", "has 5 fields, AWS's has six"),
            ("cron(0 10 * * * *)", "one of the two fields for days must be ?"),
            ("cron(0 10 ? * ? *)", "one of the two fields for days must say something"),
            ("cron(60 10 * * ? *)", "\"60\" is no value from 0 to 59"),
            ("cron(0/0 10 * * ? *)", "\"0/0\" is no value from 0 to 59"),
            ("cron(5-1 10 * * ? *)", "\"5-1\" is no value from 0 to 59"),
            ("cron(0 10 ? * MONDAY *)", "\"MONDAY\" is no value from 1 to 7"),
            ("cron(0 10 ? * 2#6 *)", "\"2#6\" is no weekday of a month"),
            ("cron(0 10 * * ? 2200)", "\"2200\" is no value from 1970 to 2199"),
            ("at(2026-02-30T00:00:00)", "write at(yyyy-mm-ddThh:mm:ss)"),
        ] {
            let found = Schedule::parse(text).unwrap_err();
            assert!(found.contains(expect), "{text}: {found}");
        }
    }

    #[test]
    fn days_and_dates() {
        for day in (-1000..200_000).step_by(37) {
            let (year, month, date) = civil(day);
            assert_eq!(days_from_civil(year, month, date), day);
        }
        assert_eq!(weekday(0), 5, "a Thursday");
    }
}

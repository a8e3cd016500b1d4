//! Failing by chance: what shows that a compensation recovers by Retry.
//!
//! The rate is a setting, so that a test can ask for never (0) or always (1).

use crate::Failure;
use crate::settings::{FAILURE_RATE, invalid, optional};

const DEFAULT_RATE: f64 = 0.4;

/// Fails as often as `FAILURE_RATE` says, 4 times out of 10 if it says nothing.
pub fn fail_at_random() -> Result<(), Failure> {
    decide(rate(optional(FAILURE_RATE).as_deref())?, fastrand::f64())
}

/// `chance` is at least 0 and less than 1, so that the rates 0 and 1 are certain.
fn decide(rate: f64, chance: f64) -> Result<(), Failure> {
    if chance < rate { Err(Failure::new("InternalServerError", "Internal Server Error")) } else { Ok(()) }
}

fn rate(setting: Option<&str>) -> Result<f64, Failure> {
    let Some(text) = setting else { return Ok(DEFAULT_RATE) };
    match text.parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err(invalid(format!("{FAILURE_RATE} is {text:?}: it must be a number from 0 to 1"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_a_number_from_0_to_1() {
        let check = |setting, expect: Option<f64>| assert_eq!(rate(setting).ok(), expect, "{setting:?}");
        check(None, Some(0.4));
        check(Some("0"), Some(0.0));
        check(Some("0.25"), Some(0.25));
        check(Some("1"), Some(1.0));
        check(Some("1.5"), None);
        check(Some("-0.1"), None);
        check(Some("NaN"), None);
        check(Some("often"), None);
    }

    #[test]
    fn the_rate_decides_how_often() {
        let check = |rate, chance, fails| assert_eq!(decide(rate, chance).is_err(), fails, "{rate} {chance}");
        check(0.0, 0.0, false);
        check(0.4, 0.39, true);
        check(0.4, 0.4, false);
        check(1.0, 0.999_999, true);
    }
}

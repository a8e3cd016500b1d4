//! JSON numbers by value: how they compare and how they become the 32-bit integers of intrinsic functions.
//!
//! A JSON number keeps its spelling (`1` is not `1.0` on output), so equality of `serde_json` values is not
//! equality of numbers; everything that compares by value goes through here.

use std::cmp::Ordering;

use serde_json::Number;

/// By value, whatever the spelling: `1` equals `1.0`.
pub(crate) fn compare(left: &Number, right: &Number) -> Ordering {
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => float(left).total_cmp(&float(right)),
    }
}

/// To the nearest 32-bit integer, halves upwards (`-1.5` becomes `-1`), as `States.MathAdd` was recorded to do.
pub(crate) fn round(number: &Number) -> Option<i32> {
    match integer(number) {
        Some(integer) => i32::try_from(integer).ok(),
        None => whole((float(number) + 0.5).floor()),
    }
}

/// Towards zero, as the array functions and `States.MathRandom` were observed to do on AWS.
pub(crate) fn truncate(number: &Number) -> Option<i32> {
    match integer(number) {
        Some(integer) => i32::try_from(integer).ok(),
        None => whole(float(number).trunc()),
    }
}

/// The value as an integer when it is one, also when it is written `2.0` or `1e3`.
fn integer(number: &Number) -> Option<i128> {
    if let Some(value) = number.as_i64() {
        return Some(i128::from(value));
    }
    if let Some(value) = number.as_u64() {
        return Some(i128::from(value));
    }
    let value = number.as_f64()?;
    // 2^100 is far above every 64-bit integer and far below where the cast would saturate.
    (value.fract() == 0.0 && value.abs() < 2f64.powi(100)).then_some(value as i128)
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

fn whole(value: f64) -> Option<i32> {
    (value >= f64::from(i32::MIN) && value <= f64::from(i32::MAX)).then_some(value as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).expect("a JSON number")
    }

    #[test]
    fn comparison_is_by_value() {
        let rows = [
            ("1", "1.0", Ordering::Equal),
            ("0", "-0.0", Ordering::Equal),
            ("1e3", "1000", Ordering::Equal),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("18446744073709551615", "-1", Ordering::Greater),
            ("1.1", "1.2", Ordering::Less),
            ("1e300", "1", Ordering::Greater),
        ];
        for (left, right, expected) in rows {
            assert_eq!(compare(&number(left), &number(right)), expected, "{left} against {right}");
        }
    }

    #[test]
    fn rounding_and_truncation() {
        let rows = [
            ("1.49", Some(1), Some(1)),
            ("1.5", Some(2), Some(1)),
            ("2.5", Some(3), Some(2)),
            ("-1.49", Some(-1), Some(-1)),
            ("-1.5", Some(-1), Some(-1)),
            ("-1.51", Some(-2), Some(-1)),
            ("-0.5", Some(0), Some(0)),
            ("2147483647", Some(i32::MAX), Some(i32::MAX)),
            ("2147483648", None, None),
            ("2147483647.5", None, Some(i32::MAX)),
            ("-2147483648.4", Some(i32::MIN), Some(i32::MIN)),
            ("1e300", None, None),
        ];
        for (text, rounded, truncated) in rows {
            assert_eq!(round(&number(text)), rounded, "round {text}");
            assert_eq!(truncate(&number(text)), truncated, "truncate {text}");
        }
    }
}

//! JSON at random, with names that drawn paths know and numbers at the ends of what there is.

use serde_json::{Map, Value};

use crate::random::Random;

pub const NAMES: &str = "a b c id items list order total state when name x_y a.b 0 Größe States Payload Error Cause";

const TEXTS: &[&str] = &[
    "",
    "a",
    "open",
    "265846601",
    "-1.5e3",
    "2026-03-05T06:07:08Z",
    "2016-02-29T25:61:00Z",
    "+292278994-08-17T07:12:55.807Z",
    "{\"a\":[1,2]}",
    "{}",
    "x,y,,z",
    "aGVsbG8=",
    "\u{0}\u{1f}\\\"'",
    "é\u{1F600}\u{202e}",
    "$.a",
    "{% 1 %}",
    "SHA-256",
    "*a*",
    "true",
];

pub fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 8 } else { 14 }) {
        0 => Value::Null,
        1 => random.is(50).into(),
        2 | 3 => number(random),
        4 => (random.below(10) as i64).into(),
        5..8 => text(random).into(),
        8..11 => (0..random.below(5)).map(|_| value(random, depth - 1)).collect(),
        _ => object(random, depth - 1).into(),
    }
}

pub fn object(random: &mut Random, depth: usize) -> Map<String, Value> {
    (0..random.below(6)).map(|_| (random.word(NAMES), value(random, depth))).collect()
}

/// An object in which common paths find something.
pub fn document(random: &mut Random) -> Value {
    let mut document = object(random, 3);
    document.insert("items".into(), (0..random.below(4)).map(|_| value(random, 2)).collect());
    document.insert("total".into(), number(random));
    Value::Object(document)
}

pub fn number(random: &mut Random) -> Value {
    match random.below(9) {
        0 => i64::MIN.into(),
        1 => i64::MAX.into(),
        2 => u64::MAX.into(),
        3 => (random.number() as i64).into(),
        4 => (random.below(1000) as i64 - 500).into(),
        5 => 1.7976931348623157e308.into(),
        6 => 5e-324.into(),
        7 => (-0.0).into(),
        _ => ((random.number() as i32) as f64 / 64.0).into(),
    }
}

pub fn text(random: &mut Random) -> String {
    match random.below(10) {
        0 => "ab".repeat(random.below(2_000)),
        1 => random.word(NAMES),
        _ => (*random.of_list(TEXTS)).to_owned(),
    }
}

//! Compares a recorded value with a found one, placeholder by placeholder.

use std::fmt;

use serde_json::{Number, Value};

use super::pattern::{self, Tokens};
use super::text;

/// How texts that are JSON on both sides are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// By what they say.
    Values,
    /// Letter by letter: AWS writes compact JSON in the order of origin.
    Verbatim,
}

/// Where a recorded value and a found one part, and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Member names and indexes, from the outside in.
    pub path: Vec<String>,
    pub recorded: String,
    pub found: String,
}

/// What is known of a case while it is compared. Cloned for a trial, taken over when the trial succeeds.
#[derive(Clone)]
pub struct Matcher {
    texts: Texts,
    tokens: Tokens,
    /// Strings of the input that the recording has masked: they stand where a moment is recorded.
    masked: Vec<String>,
    /// The beginnings of the names of members that AWS has added since the recording: they are missing there.
    later: Vec<&'static str>,
}

/// Whole strings that stand for a moment, with or without angle brackets.
const MOMENTS: &[&str] = &[
    "timestamp",
    "datetime",
    "date",
    "start-date",
    "stop-date",
    "creation-date",
    "start-time",
    "entered-time",
    "time",
];

/// Whole strings that stand for a role, beside role ARNs with a placeholder.
const ROLES: &[&str] = &["snf_role_arn", "sfn_role_arn"];

/// A whole string that stands for the ARN of a Map Run.
const MAP_RUN: &str = "map_run_arn";

/// What the recordings of `States.MathRandom` hold in place of its number.
const RANDOM_NUMBER: &str = "RandomNumberGenerated";

const ABSENT: &str = "nothing";

impl Matcher {
    pub fn new(masked: Vec<String>, later: Vec<&'static str>) -> Matcher {
        Matcher { texts: Texts::Values, tokens: Tokens::default(), masked, later }
    }

    /// A copy that compares texts in this way.
    pub fn with(&self, texts: Texts) -> Matcher {
        Matcher { texts, ..self.clone() }
    }

    /// The first difference, or none. Placeholders that were met are remembered in either case.
    pub fn compare(&mut self, recorded: &Value, found: &Value) -> Result<(), Difference> {
        match (recorded, found) {
            (Value::Object(_), Value::Object(_)) => self.objects(recorded, found, false),
            (Value::Array(left), Value::Array(right)) => self.arrays(left, right),
            (Value::String(left), _) => match self.string(left, found) {
                true => Ok(()),
                false => self.json_texts(left, found),
            },
            (Value::Number(left), Value::Number(right)) if same_number(left, right) => Ok(()),
            // Some recordings have rewritten a list, too.
            (Value::Array(_), Value::String(text)) => match text::parse(text) {
                Some(right @ Value::Array(_)) => self.compare(recorded, &right),
                _ => Err(Difference::of(recorded, found)),
            },
            (left, right) if left == right && !left.is_number() => Ok(()),
            (left, right) => Err(Difference::of(left, right)),
        }
    }

    /// As [`Matcher::compare`]; the found object may have further members.
    pub fn compare_subset(&mut self, recorded: &Value, found: &Value) -> Result<(), Difference> {
        match (recorded, found) {
            (Value::Object(_), Value::Object(_)) => self.objects(recorded, found, true),
            _ => self.compare(recorded, found),
        }
    }

    /// Compares on trial: what is learned counts only if nothing differs.
    pub fn try_compare(&mut self, recorded: &Value, found: &Value) -> Result<(), Difference> {
        let mut trial = self.clone();
        trial.compare(recorded, found)?;
        *self = trial;
        Ok(())
    }

    fn objects(&mut self, recorded: &Value, found: &Value, more_allowed: bool) -> Result<(), Difference> {
        for (name, left) in recorded.as_object().into_iter().flatten() {
            match found.get(name) {
                Some(right) => self.compare(left, right).map_err(|difference| difference.within(name))?,
                None => return Err(Difference::missing(left).within(name)),
            }
        }
        let is_more = |(name, _): &(&String, &Value)| recorded.get(name).is_none() && !self.is_later(name);
        match found.as_object().into_iter().flatten().find(is_more) {
            Some((name, right)) if !more_allowed => Err(Difference::unasked(right).within(name)),
            _ => Ok(()),
        }
    }

    /// A member that AWS has added since the recording.
    fn is_later(&self, name: &str) -> bool {
        let begins = |added: &&str| name.get(..added.len()).is_some_and(|start| start.eq_ignore_ascii_case(added));
        self.later.iter().any(begins)
    }

    fn arrays(&mut self, recorded: &[Value], found: &[Value]) -> Result<(), Difference> {
        for (index, left) in recorded.iter().enumerate() {
            let place = index.to_string();
            match found.get(index) {
                Some(right) => self.compare(left, right).map_err(|difference| difference.within(&place))?,
                None => return Err(Difference::missing(left).within(&place)),
            }
        }
        match found.get(recorded.len()) {
            Some(right) => Err(Difference::unasked(right).within(&recorded.len().to_string())),
            None => Ok(()),
        }
    }

    fn string(&mut self, recorded: &str, found: &Value) -> bool {
        let word = recorded.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(recorded);
        match found {
            Value::Number(_) => MOMENTS.contains(&word) || recorded == RANDOM_NUMBER,
            Value::String(found) if MOMENTS.contains(&word) => found == recorded || self.is_moment(found),
            Value::String(found) if is_role_pattern(recorded) => found == recorded || is_role(found),
            Value::String(found) if recorded == MAP_RUN => found.contains(":mapRun:"),
            Value::String(found) => {
                let masked = &self.masked;
                let is_time = |text: &str| asl::timestamp::parse(text).is_some() || masked.iter().any(|it| it == text);
                pattern::fits(recorded, found, &mut self.tokens, &is_time)
            }
            // A placeholder may stand for a whole text that the rewriting has parsed.
            Value::Object(_) if pattern::has_token(recorded) => {
                pattern::fits(recorded, &found.to_string(), &mut self.tokens, &|_| false)
            }
            _ => false,
        }
    }

    fn is_moment(&self, text: &str) -> bool {
        asl::timestamp::parse(text).is_some()
            // A test that mocks an answer may write its time without an offset.
            || asl::timestamp::parse(&format!("{text}Z")).is_some()
            || is_http_date(text)
            || is_epoch(text)
            || self.masked.iter().any(|it| it == text)
    }

    /// Two texts that differ may be the same JSON.
    fn json_texts(&mut self, recorded: &str, found: &Value) -> Result<(), Difference> {
        let differ = || Difference::of(&Value::from(recorded), found);
        let Value::String(found) = found else { return Err(differ()) };
        match (text::parse(recorded), text::parse(found)) {
            (Some(left), Some(right)) if self.texts == Texts::Values => self.compare(&left, &right),
            _ => Err(differ()),
        }
    }
}

/// By value, and by the spelling as an integer or a decimal: AWS keeps `1.0` and `1` apart.
fn same_number(left: &Number, right: &Number) -> bool {
    left.is_f64() == right.is_f64() && left == right
}

fn is_role_pattern(text: &str) -> bool {
    let is_numbered = |rest: &str| rest.strip_prefix("_t").is_some_and(|digits| digits.parse::<u32>().is_ok());
    let stands_for_role =
        |word: &&str| text.strip_prefix(*word).is_some_and(|rest| rest.is_empty() || is_numbered(rest));
    ROLES.iter().any(stands_for_role) || (is_role(text) && pattern::has_token(text))
}

fn is_role(text: &str) -> bool {
    let account_and_role = text.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
    account_and_role
        .is_some_and(|(account, role)| account.bytes().all(|byte| byte.is_ascii_digit()) && !role.is_empty())
}

/// `Sat, 09 Mar 2024 12:00:00 GMT`
fn is_http_date(text: &str) -> bool {
    const DAYS: &[&str] = &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    text.split_once(", ").is_some_and(|(day, rest)| DAYS.contains(&day) && rest.split(' ').count() == 5)
}

/// Seconds or milliseconds since 1970, as log records write them.
fn is_epoch(text: &str) -> bool {
    (10..=13).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Difference {
    pub fn of(recorded: &Value, found: &Value) -> Difference {
        Difference { path: Vec::new(), recorded: recorded.to_string(), found: found.to_string() }
    }

    pub fn missing(recorded: &Value) -> Difference {
        Difference { path: Vec::new(), recorded: recorded.to_string(), found: ABSENT.to_owned() }
    }

    pub fn unasked(found: &Value) -> Difference {
        Difference { path: Vec::new(), recorded: ABSENT.to_owned(), found: found.to_string() }
    }

    /// The same difference, seen from the object or array around it.
    pub fn within(mut self, name: &str) -> Difference {
        self.path.insert(0, name.to_owned());
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (recorded, found) = around(&self.recorded, &self.found);
        write!(f, "/{}: recorded {recorded}, found {found}", self.path.join("/"))
    }
}

/// As much of a value as one line may show.
const SHOWN_CHARS: usize = 160;
/// What is shown before the place where two long texts part.
const CONTEXT_CHARS: usize = 30;

/// Two texts cut to the surroundings of their first difference.
fn around(left: &str, right: &str) -> (String, String) {
    let common = left.chars().zip(right.chars()).take_while(|(a, b)| a == b).count();
    let from = match left.chars().count().max(right.chars().count()) > SHOWN_CHARS {
        true => common.saturating_sub(CONTEXT_CHARS),
        false => 0,
    };
    (cut(left, from), cut(right, from))
}

fn cut(text: &str, from: usize) -> String {
    let shown: String = text.chars().skip(from).take(SHOWN_CHARS).collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if text.chars().count() > from + SHOWN_CHARS { "…" } else { "" };
    format!("{before}{shown}{after}").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(recorded: Value, found: Value, expect: Option<&str>) {
        let mut matcher = Matcher::new(vec!["2016-13-05".into()], vec!["redrive"]);
        let place = matcher.compare(&recorded, &found).err().map(|difference| difference.path.join("/"));
        assert_eq!(place.as_deref(), expect, "{recorded} and {found}");
    }

    #[test]
    fn values() {
        check(json!({ "a": 1, "b": [2] }), json!({ "b": [2], "a": 1 }), None);
        check(json!({ "a": { "b": [1, 2] } }), json!({ "a": { "b": [1, 3] } }), Some("a/b/1"));
        check(json!({ "a": 1 }), json!({}), Some("a"));
        check(json!({}), json!({ "a": 1 }), Some("a"));
        check(json!([1]), json!([1, 2]), Some("1"));
        check(json!(1), json!(1.0), Some(""));
        check(json!(10.0), json!(1e1), None);
        check(json!(null), json!(null), None);
        check(json!({}), json!({ "redriveCount": 0, "RedriveStatus": "x" }), None);
    }

    #[test]
    fn moments_roles_and_chance() {
        check(json!("timestamp"), json!(1.5), None);
        check(json!("<start-date>"), json!("2024-01-02T03:04:05.678Z"), None);
        check(json!("date"), json!("Sat, 09 Mar 2024 12:00:00 GMT"), None);
        check(json!("date"), json!("2016-13-05"), None);
        check(json!("start-date"), json!("2026-11-21T19:56:38.032812"), None);
        check(json!("date"), json!("soon"), Some(""));
        check(json!("snf_role_arn_t1"), json!("arn:aws:iam::111111111111:role/r"), None);
        check(json!("snf_role_arn"), json!("arn:aws:lambda:r"), Some(""));
        check(json!("arn:aws:iam::111111111111:role/<resource:1>"), json!("arn:aws:iam::111111111111:role/r"), None);
        check(json!("RandomNumberGenerated"), json!(0.5), None);
    }

    #[test]
    fn json_texts() {
        check(json!("[1, {\"a\": 2}]"), json!("[1,{\"a\":2}]"), None);
        check(json!("[1]"), json!("[1.0]"), Some("0"));
        check(json!("<json-input:1>"), json!({ "a": 1 }), None);
        let mut matcher = Matcher::new(vec![], vec![]).with(Texts::Verbatim);
        assert!(matcher.compare(&json!("[1, 2]"), &json!("[1,2]")).is_err());
        assert!(matcher.compare(&json!("[1,2]"), &json!("[1,2]")).is_ok());
    }
}

//! Which query language a state speaks.
//!
//! As AWS resolves it: an absent field is inherited from the machine (never from the Map or Parallel around),
//! exactly `JSONPath` is JSONPath, and anything else is JSONata, besides being reported when it is no known word.

use serde_json::Value;

use super::fields::Fields;
use super::report::{Problem, Report};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    JsonPath,
    Jsonata,
}

const NAME: &str = "QueryLanguage";

/// What the field itself says; none when it is absent.
pub(crate) fn declared(fields: &Fields<'_>, report: &mut Report) -> Option<Language> {
    // What it reports does not change what the field resolves to.
    let _ = fields.word(NAME, &["JSONPath", "JSONata"], report);
    match fields.get(NAME)? {
        Value::String(text) if text == "JSONPath" => Some(Language::JsonPath),
        _ => Some(Language::Jsonata),
    }
}

/// A machine in JSONata has no state in JSONPath.
pub(crate) fn downgraded(fields: &Fields<'_>, report: &mut Report) {
    let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
    report.add(Problem::schema(&fields.at, message).exact(&fields.at.key(NAME)));
}

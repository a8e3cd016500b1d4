//! The evaluator's errors in the words of the language, which AWS gives on.
//!
//! The words are those of the reference implementation; the evaluator has its codes, but not always its words.

use jsonata_core::evaluator::{EvaluatorError, error_code_prefix};

use super::failure::{Limit, Reason};

pub(super) fn reason(error: &EvaluatorError) -> Reason {
    let message = error.message();
    if let Some(limit) = Limit::ALL.into_iter().find(|limit| limit.sentence() == message) {
        return limit.into();
    }
    let Some(code) = error_code_prefix(message) else { return Reason::Plain(message.to_owned()) };
    match LIMITS.iter().find(|(known, _)| *known == code) {
        Some((_, limit)) => (*limit).into(),
        None => Reason::Coded { code: code.to_owned(), text: text(code, message) },
    }
}

/// The codes with which the evaluator tells that it reached a limit.
const LIMITS: [(&str, Limit); 6] = [
    ("D1011", Limit::Depth),
    ("U1001", Limit::Depth),
    ("U1002", Limit::Depth),
    ("D1012", Limit::Time),
    ("D2014", Limit::Memory),
    ("D2015", Limit::Memory),
];

fn text(_code: &str, message: &str) -> String {
    without_code(message)
}

pub(super) fn without_code(message: &str) -> String {
    match error_code_prefix(message) {
        Some(code) => message[code.len() + 1..].trim_start().to_owned(),
        None => message.to_owned(),
    }
}

/// A token of the evaluator's parser as it is written.
pub(super) fn symbol(token: &str) -> &str {
    token
}

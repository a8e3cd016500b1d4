//! What became of a case, and why, in words that can be counted.

use asl::{Diagnostic, MachineType};
use serde_json::Value;

use crate::account::Answer;
use crate::canonical::Difference;

/// Why a case failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The same for all cases that fail alike.
    pub cause: String,
    /// One line about this case.
    pub text: String,
}

/// What was recorded and what was found, whole, for people.
#[derive(Clone, Debug)]
pub struct Sides {
    pub title: String,
    pub recorded: Value,
    pub found: Value,
}

#[derive(Clone, Debug)]
pub struct Verdict {
    /// Everything that was recorded, with texts that are JSON compared by value.
    pub strict: Result<(), Reason>,
    /// The same, and the texts letter by letter.
    pub verbatim: Result<(), Reason>,
    /// Status, output and error name.
    pub lenient: Result<(), Reason>,
    pub sides: Vec<Sides>,
}

impl Verdict {
    /// What a case begins with.
    pub fn passed() -> Verdict {
        Verdict { strict: Ok(()), verbatim: Ok(()), lenient: Ok(()), sides: Vec::new() }
    }

    /// The case could not even be begun.
    pub fn failed(reason: Reason) -> Verdict {
        Verdict { strict: Err(reason.clone()), verbatim: Err(reason.clone()), lenient: Err(reason), sides: Vec::new() }
    }
}

impl Reason {
    pub fn new(cause: impl Into<String>, text: impl Into<String>) -> Reason {
        Reason { cause: cause.into(), text: text.into().replace('\n', "\\n") }
    }

    /// The same words for the case and for the count.
    pub fn plain(text: impl Into<String>) -> Reason {
        let text = text.into();
        Reason::new(text.clone(), text)
    }

    /// A difference in `what`, for instance `history`.
    pub fn differs(what: &str, difference: &Difference) -> Reason {
        let recorded = first_word(&difference.recorded);
        let place = match &difference.path[..] {
            [only] if only.starts_with("event") => format!("{recorded}, found {}", first_word(&difference.found)),
            path => path.iter().take(CAUSE_DEPTH).map(|name| general(name)).collect::<Vec<_>>().join("/"),
        };
        Reason::new(format!("{what} differs: {place}"), format!("{what}: {difference}"))
    }

    /// A request was refused that AWS takes. `definition` is what it held, if it held one.
    pub fn refused(operation: &str, answer: &Answer, definition: Option<(&str, MachineType)>) -> Reason {
        let text = format!("{operation} was refused: {}", answer.error_text());
        let diagnostics = definition.and_then(|(text, machine)| asl::parse_as(text, machine).err()).unwrap_or_default();
        match answer.error_code().as_deref() {
            Some("InvalidDefinition") if !diagnostics.is_empty() => Reason::new(cause_of(&diagnostics), text),
            code => {
                let message = answer.error_message();
                let sentence = message.split(". ").next().unwrap_or_default();
                Reason::new(format!("refused: {}: {sentence}", code.unwrap_or("an error")), text)
            }
        }
    }
}

/// Members of a path that are told in a cause.
const CAUSE_DEPTH: usize = 3;

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// `event 5 TaskScheduled` without its number, an index as a star.
fn general(name: &str) -> String {
    match name.strip_prefix("event ").and_then(|rest| rest.split_once(' ')) {
        Some((_, kind)) => kind.to_owned(),
        None if name.bytes().all(|byte| byte.is_ascii_digit()) => "*".to_owned(),
        None => name.to_owned(),
    }
}

/// The first rule that seems to be broken.
fn cause_of(diagnostics: &[Diagnostic]) -> String {
    let rule = diagnostics.iter().find(|found| found.severity == asl::Severity::Error);
    rule.map_or_else(String::new, |rule| format!("refused: {}: {}", rule.code, rule.message.replace('\n', " ")))
}

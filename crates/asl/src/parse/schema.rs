//! Which field belongs to which object, and to which query language.
//!
//! AWS refuses every other field. The table for states agrees with what ValidateStateMachineDefinition
//! answers for each pair of state type and field.

use crate::choice::is_operator;

use super::fields::Fields;
use super::language::Language;
use super::report::{Problem, Read, Report};

/// The types of state, in the order in which AWS lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateType {
    Task,
    Wait,
    Pass,
    Succeed,
    Fail,
    Choice,
    Parallel,
    Map,
}

pub(crate) const STATE_TYPES: &[(&str, StateType)] = &[
    ("Task", StateType::Task),
    ("Wait", StateType::Wait),
    ("Pass", StateType::Pass),
    ("Succeed", StateType::Succeed),
    ("Fail", StateType::Fail),
    ("Choice", StateType::Choice),
    ("Parallel", StateType::Parallel),
    ("Map", StateType::Map),
];

use Use::{Both, JsonPath, Jsonata};

/// The query language in which a field exists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Both,
    JsonPath,
    Jsonata,
}

type Table = &'static [(&'static str, Use)];

const COMMON: Table = &[("Type", Both), ("Comment", Both), ("QueryLanguage", Both)];
const IO: Table = &[("InputPath", JsonPath), ("OutputPath", JsonPath), ("Output", Jsonata)];
const ASSIGN: Table = &[("Assign", Both)];
const NEXT: Table = &[("Next", Both), ("End", Both)];
const RESULT: Table = &[("ResultPath", JsonPath), ("ResultSelector", JsonPath)];
const ERRORS: Table = &[("Retry", Both), ("Catch", Both)];
const CALL: Table = &[("Parameters", JsonPath), ("Arguments", Jsonata)];

const TASK: Table = &[
    ("Resource", Both),
    ("Credentials", Both),
    ("TimeoutSeconds", Both),
    ("TimeoutSecondsPath", JsonPath),
    ("HeartbeatSeconds", Both),
    ("HeartbeatSecondsPath", JsonPath),
];
const PASS: Table = &[("Result", JsonPath), ("ResultPath", JsonPath), ("Parameters", JsonPath)];
const WAIT: Table = &[("Seconds", Both), ("Timestamp", Both), ("SecondsPath", JsonPath), ("TimestampPath", JsonPath)];
const CHOICE: Table = &[("Choices", Both), ("Default", Both)];
const FAIL: Table = &[("Error", Both), ("Cause", Both), ("ErrorPath", JsonPath), ("CausePath", JsonPath)];
const PARALLEL: Table = &[("Branches", Both)];
const MAP: Table = &[
    ("Parameters", JsonPath),
    ("ItemProcessor", Both),
    ("Iterator", Both),
    ("ItemsPath", JsonPath),
    ("Items", Jsonata),
    ("ItemSelector", Both),
    ("ItemReader", Both),
    ("ItemBatcher", Both),
    ("ResultWriter", Both),
    ("MaxConcurrency", Both),
    ("MaxConcurrencyPath", JsonPath),
    ("ToleratedFailurePercentage", Both),
    ("ToleratedFailurePercentagePath", JsonPath),
    ("ToleratedFailureCount", Both),
    ("ToleratedFailureCountPath", JsonPath),
    ("Label", Both),
];

fn tables(state: StateType) -> &'static [Table] {
    match state {
        StateType::Task => &[COMMON, IO, ASSIGN, NEXT, RESULT, ERRORS, CALL, TASK],
        StateType::Wait => &[COMMON, IO, ASSIGN, NEXT, WAIT],
        StateType::Pass => &[COMMON, IO, ASSIGN, NEXT, PASS],
        StateType::Succeed => &[COMMON, IO],
        StateType::Fail => &[COMMON, FAIL],
        StateType::Choice => &[COMMON, IO, ASSIGN, CHOICE],
        StateType::Parallel => &[COMMON, IO, ASSIGN, NEXT, RESULT, ERRORS, CALL, PARALLEL],
        StateType::Map => &[COMMON, IO, ASSIGN, NEXT, RESULT, ERRORS, MAP],
    }
}

pub(crate) const ROOT: &[&str] = &["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"];
pub(crate) const BRANCH: &[&str] = &["Comment", "StartAt", "States"];
pub(crate) const PROCESSOR: &[&str] = &["Comment", "StartAt", "States", "ProcessorConfig"];
pub(crate) const PROCESSOR_CONFIG: &[&str] = &["Mode", "ExecutionType"];
pub(crate) const RETRIER: &[&str] =
    &["Comment", "ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy"];
pub(crate) const CATCHER: &[&str] = &["Comment", "ErrorEquals", "Next", "ResultPath", "Assign", "Output"];

/// Reports the fields that no object of this kind has.
pub(crate) fn check(fields: &Fields<'_>, known: &[&str], report: &mut Report) {
    for name in fields.object.keys().filter(|name| !known.contains(&name.as_str())) {
        let similar = known.iter().find(|field| field.eq_ignore_ascii_case(name)).copied();
        unsupported(fields, name, similar, report);
    }
}

/// Reports the fields that this type of state has not, or not in this query language.
pub(crate) fn check_state(fields: &Fields<'_>, state: StateType, language: Option<Language>, report: &mut Report) {
    for name in fields.object.keys() {
        match find(state, |field| field == name) {
            None => {
                let similar = find(state, |field| field.eq_ignore_ascii_case(name)).map(|(field, _)| field);
                unsupported(fields, name, similar, report);
            }
            Some((_, of)) => {
                // The state is refused by the report itself; the other fields are looked at all the same.
                let _ = check_language(fields, name, of, language, report);
            }
        }
    }
}

/// Checks the fields of a choice rule or a catcher that depend on the query language.
pub(crate) fn check_inner(fields: &Fields<'_>, language: Language, report: &mut Report) -> Read<()> {
    const USES: Table = &[("Output", Jsonata), ("Condition", Jsonata), ("ResultPath", JsonPath)];
    let mut result = Ok(());
    for (name, of) in USES.iter().filter(|(name, _)| fields.has(name)) {
        result = result.and(check_language(fields, name, *of, Some(language), report));
    }
    result
}

/// Checks the fields of a choice rule in JSONata. (In JSONPath they are the condition's.)
pub(crate) fn check_jsonata_rule(fields: &Fields<'_>, report: &mut Report) {
    const KNOWN: &[&str] = &["Comment", "Condition", "Next", "Assign", "Output"];
    for name in fields.object.keys().filter(|name| !KNOWN.contains(&name.as_str())) {
        if name == "Variable" || is_operator(name) {
            // The rule is refused by the report itself.
            let _ = check_language(fields, name, JsonPath, Some(Language::Jsonata), report);
        } else {
            let similar = KNOWN.iter().find(|field| field.eq_ignore_ascii_case(name)).copied();
            unsupported(fields, name, similar, report);
        }
    }
}

fn find(state: StateType, is: impl Fn(&str) -> bool) -> Option<(&'static str, Use)> {
    tables(state).iter().flat_map(|table| table.iter()).copied().find(|(field, _)| is(field))
}

fn unsupported(fields: &Fields<'_>, name: &str, similar: Option<&str>, report: &mut Report) {
    let message = format!("Field '{name}' is not supported");
    let help = match similar {
        Some(similar) => format!("field names are case-sensitive: write '{similar}'"),
        None => "remove the field, or move it to where it belongs".to_owned(),
    };
    report.add(Problem::schema(&fields.at, message).exact(&fields.at.key(name)).help(help));
}

fn check_language(
    fields: &Fields<'_>,
    name: &str,
    of: Use,
    language: Option<Language>,
    report: &mut Report,
) -> Read<()> {
    let (set, other) = match (language, of) {
        (Some(Language::JsonPath), Jsonata) => ("JSONPath", "JSONata"),
        (Some(Language::Jsonata), JsonPath) => ("JSONata", "JSONPath"),
        _ => return Ok(()),
    };
    let message = format!(
        "The QueryLanguage is set to '{set}', but field '{name}' is only supported for the '{other}' QueryLanguage"
    );
    Err(report.add(Problem::schema(&fields.at, message).exact(&fields.at.key(name))))
}

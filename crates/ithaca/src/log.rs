//! What the server says of itself, on standard error: lines of text for people or of JSON for programs.
//!
//! A line has a time, a level, a target (which part speaks), a message and fields. No line holds a payload, a header
//! or a token: whoever reads a log need not be allowed to read what the executions carry.
//!
//! Own code and no framework ([decision 14](../../../docs/decisions/0014-own-log-lines.md)): only this crate speaks,
//! in some twenty places. Asking whether a level is wanted is one load of an atomic; who wants to say something that
//! costs anything asks first.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::cli::terminal;

/// How much is said: all lines of this level and above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    /// Ithaca cannot go on, or an execution does not.
    Error,
    /// Something was lost or left alone; the rest goes on.
    Warn,
    /// Starts, recoveries, deployments, stops.
    Info,
    /// Every request.
    Debug,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Warn as u8);
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// For the whole process: lines come from everywhere.
pub fn set(level: Level, format: Format) {
    LEVEL.store(level as u8, Ordering::Relaxed);
    IS_JSON.store(format == Format::Json, Ordering::Relaxed);
}

pub fn is_on(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// The value of a field.
pub enum Field<'a> {
    Text(&'a str),
    Number(u64),
}

impl<'a> From<&'a str> for Field<'a> {
    fn from(text: &'a str) -> Field<'a> {
        Field::Text(text)
    }
}

impl<'a> From<&'a String> for Field<'a> {
    fn from(text: &'a String) -> Field<'a> {
        Field::Text(text)
    }
}

impl From<u64> for Field<'_> {
    fn from(number: u64) -> Field<'static> {
        Field::Number(number)
    }
}

impl From<usize> for Field<'_> {
    fn from(number: usize) -> Field<'static> {
        Field::Number(number as u64)
    }
}

pub type Fields<'a> = &'a [(&'a str, Field<'a>)];

pub fn error(target: &str, message: &str, fields: Fields<'_>) {
    say(Level::Error, target, message, fields);
}

pub fn warn(target: &str, message: &str, fields: Fields<'_>) {
    say(Level::Warn, target, message, fields);
}

pub fn info(target: &str, message: &str, fields: Fields<'_>) {
    say(Level::Info, target, message, fields);
}

pub fn debug(target: &str, message: &str, fields: Fields<'_>) {
    say(Level::Debug, target, message, fields);
}

/// A line that a function has written: it is wanted by an option of its own, and may hold anything.
pub fn function_line(function: &str, text: &str) {
    match IS_JSON.load(Ordering::Relaxed) {
        true => write(&json_line(engine::now().0, Level::Info, "function", text, &[("function", function.into())])),
        false => write(&format!("  {function} | {text}")),
    }
}

fn say(level: Level, target: &str, message: &str, fields: Fields<'_>) {
    if !is_on(level) {
        return;
    }
    let at = engine::now().0;
    match IS_JSON.load(Ordering::Relaxed) {
        true => write(&json_line(at, level, target, message, fields)),
        false => write(&text_line(at, level, target, message, fields)),
    }
}

/// One call for a whole line, so that lines of several threads do not mix. Nobody can be told that it failed.
fn write(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}

/// `2026-11-26 16:20:00.123 UTC warn  events: status change events were dropped count=3 why="no answer"`
fn text_line(at: i64, level: Level, target: &str, message: &str, fields: Fields<'_>) -> String {
    let moment = terminal::moment(Some(at as f64 / 1000.0));
    let mut line = format!("{moment} {} {target}: {message}", painted(level));
    for (key, value) in fields {
        // Writing to a string cannot fail.
        let _ = match value {
            Field::Number(number) => write!(line, " {key}={number}"),
            // Quoted like JSON, so that what others have written stays on its line.
            Field::Text(text) => write!(line, " {key}={}", Value::from(*text)),
        };
    }
    line
}

fn painted(level: Level) -> String {
    let word = format!("{:<5}", name(level));
    let code = match level {
        Level::Error => "31",
        Level::Warn => "33",
        Level::Info | Level::Debug => return word,
    };
    let is_wanted = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if is_wanted { format!("\x1b[{code}m{word}\x1b[0m") } else { word }
}

fn json_line(at: i64, level: Level, target: &str, message: &str, fields: Fields<'_>) -> String {
    let mut line = Map::new();
    line.insert("time".to_owned(), json!(asl::timestamp::format(at)));
    line.insert("level".to_owned(), json!(name(level)));
    line.insert("target".to_owned(), json!(target));
    line.insert("message".to_owned(), json!(message));
    for (key, value) in fields {
        let value = match value {
            Field::Number(number) => json!(number),
            Field::Text(text) => json!(text),
        };
        line.insert((*key).to_owned(), value);
    }
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[(&str, Field<'static>)] = &[("count", Field::Number(3)), ("why", Field::Text("a\n\"b\""))];
    /// 2026-01-01T00:00:00.005Z
    const AT: i64 = 1_767_225_600_005;

    #[test]
    fn a_line_is_one_line() {
        let text = text_line(AT, Level::Info, "events", "dropped", FIELDS);
        assert_eq!(text, r#"2026-01-01 00:00:00.005 UTC info  events: dropped count=3 why="a\n\"b\"""#);
        let line = json_line(AT, Level::Warn, "events", "dropped", FIELDS);
        let expect = r#"{"time":"2026-01-01T00:00:00.005Z","level":"warn","target":"events","message":"dropped","count":3,"why":"a\n\"b\""}"#;
        assert_eq!(line, expect);
    }

    #[test]
    fn levels() {
        assert!(Level::Error < Level::Warn && Level::Warn < Level::Info && Level::Info < Level::Debug);
        assert!(is_on(Level::Warn) && !is_on(Level::Info), "what is said without any option");
    }
}

//! The fields of one object, read by name and type. Each reader reports what is wrong, in AWS's words.

use serde_json::{Map, Value};

use crate::definition::{Filter, ResultPath};
use crate::path::{Path, ReferencePath};
use crate::template::Template;

use super::At;
use super::report::{Problem, Read, Refused, Report};

#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub object: &'a Map<String, Value>,
    pub at: At<'a>,
}

impl<'a> Fields<'a> {
    /// The fields of a value that has to be an object.
    pub fn of(value: &'a Value, at: At<'a>, report: &mut Report) -> Read<Fields<'a>> {
        match value {
            Value::Object(object) => Ok(Fields { object, at }),
            _ => Err(expected("[OBJECT]", &at, report)),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name)
    }

    /// Reports a problem of this field.
    pub fn refuse(&self, name: &str, message: impl Into<String>, report: &mut Report) -> Refused {
        report.add(Problem::schema(&self.at.key(name), message))
    }

    /// `These fields are required: [A, B]`, at the object.
    pub fn require(&self, names: &[&str], report: &mut Report) -> Read<()> {
        let missing: Vec<&str> = names.iter().copied().filter(|name| !self.has(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("These fields are required: [{}]", missing.join(", "));
        Err(report.add(Problem::schema(&self.at, message)))
    }

    pub fn at_most_one(&self, names: &[&str], report: &mut Report) -> Read<()> {
        let present = names.iter().filter(|name| self.has(name)).count();
        if present <= 1 {
            return Ok(());
        }
        let message = format!("There should only be one of the following fields: [{}]", names.join(", "));
        Err(report.add(Problem::schema(&self.at, message)))
    }

    pub fn exactly_one(&self, names: &[&str], report: &mut Report) -> Read<()> {
        if names.iter().any(|name| self.has(name)) {
            return self.at_most_one(names, report);
        }
        let message = format!("This object should have only one of the following fields: [{}]", names.join(", "));
        Err(report.add(Problem::schema(&self.at, message)))
    }

    pub fn string(&self, name: &str, report: &mut Report) -> Read<Option<&'a str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(expected("[STRING]", &self.at.key(name), report)),
        }
    }

    pub fn boolean(&self, name: &str, report: &mut Report) -> Read<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(expected("[BOOLEAN]", &self.at.key(name), report)),
        }
    }

    pub fn array(&self, name: &str, report: &mut Report) -> Read<Option<&'a [Value]>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(expected("[ARRAY]", &self.at.key(name), report)),
        }
    }

    /// As [`Fields::array`], with at least one element.
    pub fn filled_array(&self, name: &str, report: &mut Report) -> Read<Option<&'a [Value]>> {
        match self.array(name, report)? {
            Some([]) => Err(self.refuse(name, "Value cannot be empty", report)),
            other => Ok(other),
        }
    }

    /// One of a few words.
    pub fn word(&self, name: &str, words: &[&str], report: &mut Report) -> Read<Option<&'a str>> {
        let Some(text) = self.string(name, report)? else { return Ok(None) };
        if words.contains(&text) {
            return Ok(Some(text));
        }
        let message = format!("Value should be one of the following: [{}]", words.join(", "));
        Err(self.refuse(name, message, report))
    }

    pub fn integer(&self, name: &str, min: u64, max: u64, report: &mut Report) -> Read<Option<u64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Some(value) = value.as_u64() else {
            return Err(self.not_unsigned(name, value, min, max, report));
        };
        match value {
            _ if value < min => Err(self.refuse(name, format!("Minimum value is {min}"), report)),
            _ if value > max => Err(self.refuse(name, format!("Maximum value is {max}"), report)),
            _ => Ok(Some(value)),
        }
    }

    /// A negative number is below the minimum, one beyond 64 bits above the maximum; the rest is no integer.
    fn not_unsigned(&self, name: &str, value: &Value, min: u64, max: u64, report: &mut Report) -> Refused {
        match value.as_f64() {
            _ if value.is_i64() => self.refuse(name, format!("Minimum value is {min}"), report),
            Some(number) if number >= u64::MAX as f64 => self.refuse(name, format!("Maximum value is {max}"), report),
            _ => expected("Integer", &self.at.key(name), report),
        }
    }

    pub fn number(&self, name: &str, min: f64, max: f64, report: &mut Report) -> Read<Option<f64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_f64() {
            None => Err(expected("Number", &self.at.key(name), report)),
            Some(number) if number < min => Err(self.refuse(name, format!("Minimum value is {min}"), report)),
            Some(number) if number > max => Err(self.refuse(name, format!("Maximum value is {max}"), report)),
            Some(number) => Ok(Some(number)),
        }
    }

    pub fn path(&self, name: &str, report: &mut Report) -> Read<Option<Path>> {
        let Some(text) = self.string(name, report)? else { return Ok(None) };
        Path::parse(text).map(Some).map_err(|error| {
            let problem = Problem::schema(&self.at.key(name), "Value must be a valid JSONPath.");
            report.add(problem.help(format!("'{text}': {error}")))
        })
    }

    /// A path that names one place.
    pub fn definite_path(&self, name: &str, report: &mut Report) -> Read<Option<Path>> {
        match self.path(name, report)? {
            Some(path) if !path.is_definite() => {
                let problem = Problem::schema(&self.at.key(name), "Value is not a Reference Path");
                Err(report.add(problem.help("'*', '..', '?', ranges and lists name several places")))
            }
            other => Ok(other),
        }
    }

    /// `InputPath` and `OutputPath`.
    pub fn filter(&self, name: &str, report: &mut Report) -> Read<Filter> {
        if self.get(name) == Some(&Value::Null) {
            return Ok(Filter::Empty);
        }
        Ok(Filter::Path(self.path(name, report)?.unwrap_or_else(whole)))
    }

    pub fn result_path(&self, report: &mut Report) -> Read<ResultPath> {
        const NAME: &str = "ResultPath";
        if self.get(NAME) == Some(&Value::Null) {
            return Ok(ResultPath::Discard);
        }
        let text = self.string(NAME, report)?.unwrap_or("$");
        ReferencePath::parse(text).map(ResultPath::At).map_err(|error| {
            let message = match text.starts_with('$') {
                true => "Value is not a Reference Path",
                false => "Value is not a Reference Path: Reference path didn't start with '$'",
            };
            let problem = Problem::schema(&self.at.key(NAME), message);
            report.add(problem.help(format!("'{text}': {error}")))
        })
    }

    /// A payload template.
    pub fn template(&self, name: &str, report: &mut Report) -> Read<Option<Template>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let pointer = self.at.key(name).pointer();
        Template::parse(value, &pointer, &mut report.diagnostics).map(Some).ok_or(Refused)
    }
}

/// `$`, which an absent path stands for.
fn whole() -> Path {
    Path::parse("$").expect("'$' is a path")
}

pub(crate) fn expected(kind: &str, at: &At<'_>, report: &mut Report) -> Refused {
    report.add(Problem::schema(at, format!("Expected value of type {kind}")))
}

//! Parameters: defaults, values given from outside, and the checks a parameter declares.
//!
//! A parameter that AWS would look up in its Parameter Store has no value here unless one is given; since templates
//! made by tools declare such parameters without using them, that is an error only where the value is wanted.

use std::collections::{BTreeMap, HashMap};

use crate::diagnostic::{Position, Report};
use crate::node::{Entry, Node, Value};
use crate::scope::Site;

/// What a `Ref` to a parameter finds.
pub(crate) enum Parameter {
    Text(String),
    List(Vec<String>),
    /// Has its value on AWS: in its Parameter Store, or by CDK's upload of an asset.
    Remote,
    /// Its error is reported.
    Invalid,
}

/// The attributes of a parameter, and whether they say something about values.
const ATTRIBUTES: &[&str] = &[
    "Type",
    "Default",
    "Description",
    "NoEcho",
    "ConstraintDescription",
    "AllowedValues",
    "AllowedPattern",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
];
/// AWS's quota of a parameter's value.
const VALUE_BYTES_MAX: usize = 4_096;

pub(crate) fn values(
    declared: &[Entry],
    given: &BTreeMap<String, String>,
    site: &Site,
    report: &Report,
) -> HashMap<String, Parameter> {
    for name in given.keys().filter(|name| declared.iter().all(|e| e.key != **name)) {
        let help = "give values for declared parameters only, or declare it under Parameters";
        report.error(Position::START, format!("the template declares no parameter \"{name}\""), help);
    }
    declared.iter().map(|entry| (entry.key.clone(), value(entry, given.get(&entry.key), site, report))).collect()
}

fn value(entry: &Entry, given: Option<&String>, site: &Site, report: &Report) -> Parameter {
    let Site { outside, is_remote, .. } = site;
    let declaration = &entry.value;
    if declaration.is_invalid() {
        return Parameter::Invalid;
    }
    let Some(attributes) = declaration.map() else {
        let help = "write at least `Type: String` under it";
        report.error(entry.at, format!("the parameter \"{}\" is not a map", entry.key), help);
        return Parameter::Invalid;
    };
    for unknown in attributes.iter().filter(|a| !ATTRIBUTES.contains(&a.key.as_str())) {
        let help = format!("a parameter has {}", ATTRIBUTES.join(", "));
        report.error(unknown.at, format!("unknown attribute \"{}\" of a parameter", unknown.key), help);
    }
    if let Some(pattern) = declaration.get("AllowedPattern") {
        report.note(pattern.at, format!("AllowedPattern of the parameter \"{}\" is not checked here", entry.key));
    }
    let Some(kind) = declaration.get("Type").and_then(Node::text) else {
        report.error(entry.at, format!("the parameter \"{}\" has no Type", entry.key), "add `Type: String`");
        return Parameter::Invalid;
    };
    let default = declaration.get("Default");
    let is_stored = kind.starts_with("AWS::SSM::Parameter::Value");
    let (at, text) = match (given, default) {
        (Some(given), _) => (entry.at, given.clone()),
        (None, _) if is_stored && !outside.is_known() => return Parameter::Remote,
        (None, Some(default)) => match default.text() {
            Some(text) => (default.at, text),
            None => {
                report.error(default.at, format!("Default is {}", default.kind()), "a default is a string or a number");
                return Parameter::Invalid;
            }
        },
        // CDK's first version declares three for each asset, of which its metadata tells the place on this machine.
        (None, None) if entry.key.starts_with("AssetParameters") => return Parameter::Remote,
        (None, None) => {
            let help = format!("give it a value ({}=...) or a Default", entry.key);
            report.error(entry.at, format!("the parameter \"{}\" has no value", entry.key), help);
            return Parameter::Invalid;
        }
    };
    let check = Check { name: &entry.key, declaration, at, report };
    if is_stored && outside.is_known() {
        return match outside.parameter(&text, None) {
            Some(value) if value.is_secret => {
                check.refuse(format!("names {text}, a SecureString"), "keep it as a String, or read it in the function")
            }
            Some(value) => check.value(&kind, value.text),
            // Who reads a template from a file may give the value itself.
            None if !is_remote && given.is_some() => check.value(&kind, text),
            None if !is_remote => Parameter::Remote,
            None => check.refuse(
                format!("names {text}, which the Parameter Store does not have"),
                "put it first: aws ssm put-parameter",
            ),
        };
    }
    check.value(&kind, text)
}

struct Check<'a> {
    name: &'a str,
    declaration: &'a Node,
    at: Position,
    report: &'a Report,
}

impl Check<'_> {
    fn value(&self, kind: &str, text: String) -> Parameter {
        if text.len() > VALUE_BYTES_MAX {
            return self.refuse(format!("is longer than {VALUE_BYTES_MAX} bytes"), "shorten it");
        }
        let is_list = kind == "CommaDelimitedList" || kind.starts_with("List<") || kind.contains("<List<");
        let items: Vec<String> = match is_list {
            true if text.is_empty() => Vec::new(),
            true => text.split(',').map(|item| item.trim().to_owned()).collect(),
            false => vec![text],
        };
        for item in &items {
            if let Err((message, help)) = self.item(kind, item) {
                return self.refuse(message, &help);
            }
        }
        match is_list {
            true => Parameter::List(items),
            false => Parameter::Text(items.into_iter().next().expect("one item, made above")),
        }
    }

    fn item(&self, kind: &str, item: &str) -> Result<(), (String, String)> {
        if matches!(kind, "Number" | "List<Number>") {
            let number: f64 = match item.parse() {
                Ok(number) => number,
                Err(_) => return Err((format!("is {}, which is no number", self.shown(item)), "give digits".into())),
            };
            self.bounds(number, "MinValue", "MaxValue", item)?;
        } else {
            self.bounds(item.chars().count() as f64, "MinLength", "MaxLength", item)?;
        }
        let Some(allowed) = self.declaration.get("AllowedValues").and_then(Node::list) else { return Ok(()) };
        let allowed: Vec<String> = allowed.iter().filter_map(Node::text).collect();
        if allowed.iter().any(|a| a == item) {
            return Ok(());
        }
        let message = format!("is {}, which AllowedValues does not list", self.shown(item));
        Err((message, format!("use one of {}", allowed.join(", "))))
    }

    /// A value as errors tell it: not at all if it is a secret.
    fn shown(&self, item: &str) -> String {
        match self.declaration.get("NoEcho").and_then(Node::text).as_deref() {
            Some("true") => "****".to_owned(),
            _ => format!("\"{item}\""),
        }
    }

    fn bounds(&self, size: f64, min: &str, max: &str, item: &str) -> Result<(), (String, String)> {
        let bound = |name: &str| self.declaration.get(name)?.literal()?.parse::<f64>().ok();
        match (bound(min), bound(max)) {
            (Some(least), _) if size < least => Err((
                format!("is {}, below its {min} of {least}", self.shown(item)),
                format!("stay at or above {least}"),
            )),
            (_, Some(most)) if size > most => {
                Err((format!("is {}, above its {max} of {most}", self.shown(item)), format!("stay at or below {most}")))
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, message: String, help: &str) -> Parameter {
        self.report.error(self.at, format!("the parameter \"{}\" {message}", self.name), help);
        Parameter::Invalid
    }
}

impl Parameter {
    /// The value as a node at the place that asks for it.
    pub fn node(&self, name: &str, at: Position, report: &Report) -> Node {
        match self {
            Parameter::Text(text) => Node::string(at, text),
            Parameter::List(items) => Node::new(at, Value::List(items.iter().map(|i| Node::string(at, i)).collect())),
            Parameter::Invalid => Node::invalid(at),
            Parameter::Remote => {
                let help = format!("give the value ({name}=...)");
                report.error(at, format!("the parameter \"{name}\" has its value on AWS only"), help);
                Node::invalid(at)
            }
        }
    }
}

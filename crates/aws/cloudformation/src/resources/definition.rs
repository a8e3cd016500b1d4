//! The definition of a state machine: from a file, an object or a string to JSON text with its substitutions made.
//!
//! A definition file in JSON is kept as text, lines and all, so that whoever checks it speaks of the lines its author
//! sees. A file in YAML and an object in the template become JSON, and the positions of their values are kept beside
//! it. Whether the text is a valid definition is not known here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Build, local_path};
use crate::diagnostic::{Position, Report};
use crate::node::{Entry, Node, Value};
use crate::plan::Definition;
use crate::properties::{NO_EFFECT, Properties, Property, ignored, served};
use crate::yaml;

/// AWS's limit of a definition, before and after substitution.
const DEFINITION_BYTES_MAX: usize = 1 << 20;

type Substitutions = BTreeMap<String, String>;

/// The one of the given properties that is there; none or several are an error.
pub(super) fn only<'n>(properties: &Properties<'_>, names: &[&'n str]) -> Option<&'n str> {
    let given: Vec<&str> = names.iter().copied().filter(|name| properties.node(name).is_some()).collect();
    match given.as_slice() {
        [one] => Some(one),
        [] => {
            let message = format!("the state machine has none of {}", names.join(", "));
            properties.scope.report.error(properties.at, message, format!("add {}", names[0]));
            None
        }
        [_, second, ..] => {
            let message = format!("the state machine has {}", given.join(" and "));
            properties.error(second, message, "keep one of them");
            None
        }
    }
}

/// A definition file beside the template.
pub(super) fn from_file(build: &Build<'_>, properties: &Properties<'_>, name: &str) -> Option<Definition> {
    let uri = properties.node(name).filter(|node| !node.is_invalid())?;
    if uri.map().is_some() && build.scope.site.outside.has_objects() {
        return from_location(build, properties, name);
    }
    let path = build.path(&local_path(properties, name, uri)?);
    from_path(build, properties, name, path)
}

/// A definition that AWS would read from S3: a file beside the template, by its path or as an asset of CDK.
pub(super) fn from_location(build: &Build<'_>, properties: &Properties<'_>, name: &str) -> Option<Definition> {
    const LOCATION: &[Property] = &[served("Bucket"), served("Key"), ignored("Version", NO_EFFECT)];
    if properties.node(name).is_some_and(|node| node.literal().is_some()) {
        return from_file(build, properties, name);
    }
    let location = properties.nested(name, LOCATION)?;
    match super::asset(build, &location, "Key") {
        Some(path) => from_path(build, properties, name, path),
        None => {
            let help = match build.scope.site.is_remote {
                true => super::no_object(&build.scope.site),
                false => {
                    "name a file beside the template (`DefinitionS3Location: saga.asl.json`), or use DefinitionString"
                }
            };
            properties.error(name, "the definition is not on this machine", help);
            None
        }
    }
}

fn from_path(build: &Build<'_>, properties: &Properties<'_>, name: &str, path: PathBuf) -> Option<Definition> {
    let text = build.read(properties, name, &path)?;
    let substitutions = properties.text_map("DefinitionSubstitutions");
    if is_json(&path, &text) {
        let text = substitute(&text, &substitutions);
        note_unknown(properties, name, &text);
        return within_limit(properties, name, json_file(path.clone(), text));
    }
    let report = Report::new(&path);
    let node = yaml::read(&text, &report);
    properties.scope.report.absorb(report);
    let definition = in_tree(&path, substituted(node?, &substitutions, &mut (2 * DEFINITION_BYTES_MAX)));
    note_unknown(properties, name, &definition.text);
    within_limit(properties, name, definition)
}

/// A definition written in the template, as an object.
pub(super) fn from_object(build: &Build<'_>, properties: &Properties<'_>, name: &str) -> Option<Definition> {
    properties.entries(name)?;
    let node = properties.node(name)?.clone();
    let definition = {
        let substitutions = properties.text_map("DefinitionSubstitutions");
        in_tree(&build.plan.template, substituted(node, &substitutions, &mut (2 * DEFINITION_BYTES_MAX)))
    };
    note_unknown(properties, name, &definition.text);
    within_limit(properties, name, definition)
}

/// A definition written in the template, as a string of JSON.
pub(super) fn from_string(build: &Build<'_>, properties: &Properties<'_>, name: &str) -> Option<Definition> {
    let text = substitute(&properties.text(name)?, &properties.text_map("DefinitionSubstitutions"));
    note_unknown(properties, name, &text);
    let (file, at) = (build.plan.template.clone(), properties.place(name));
    within_limit(properties, name, Definition { text, file, at, tree: None })
}

fn is_json(path: &Path, text: &str) -> bool {
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    !yaml && text.trim_start().starts_with('{')
}

/// The positions of a JSON file serve [`Definition::locate`] only; a file that is not well formed has none, and the
/// parser of definitions, which reads the same text, says why.
fn json_file(file: std::path::PathBuf, text: String) -> Definition {
    let tree = yaml::read(&text, &Report::new(&file));
    Definition { text, file, at: Position::START, tree }
}

fn in_tree(file: &Path, node: Node) -> Definition {
    let text = serde_json::to_string_pretty(&node.json()).expect("a JSON value always serialises");
    Definition { text, file: file.into(), at: node.at, tree: Some(node) }
}

fn within_limit(properties: &Properties<'_>, name: &str, definition: Definition) -> Option<Definition> {
    if definition.text.len() <= DEFINITION_BYTES_MAX {
        return Some(definition);
    }
    let message = format!("the definition has over {DEFINITION_BYTES_MAX} bytes once substitutions are made");
    properties.error(name, message, "split it into several state machines");
    None
}

/// Replaces each `${Name}` that has a value; others stay, as AWS leaves them. It stops growing past the limit, which is
/// an error of its own.
fn substitute(text: &str, substitutions: &Substitutions) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${")
        && out.len() <= DEFINITION_BYTES_MAX
    {
        let (before, variable) = rest.split_at(start);
        out.push_str(before);
        let value = variable.find('}').and_then(|end| Some((end, substitutions.get(&variable[2..end])?)));
        rest = match value {
            Some((end, value)) => {
                out.push_str(value);
                &variable[end + 1..]
            }
            None => {
                out.push_str("${");
                &variable[2..]
            }
        };
    }
    out + rest
}

/// The same in every key and value of a tree. `budget` bounds what all of it may become: past twice the limit the rest
/// is left alone, since the whole is refused anyway.
fn substituted(node: Node, substitutions: &Substitutions, budget: &mut usize) -> Node {
    let at = node.at;
    match node.value {
        Value::Text { text, .. } if text.contains("${") => Node::string(at, within(budget, text, substitutions)),
        Value::List(items) => {
            Node::new(at, Value::List(items.into_iter().map(|i| substituted(i, substitutions, budget)).collect()))
        }
        Value::Map(entries) => {
            let substituted = |e: Entry| {
                let key = within(budget, e.key, substitutions);
                Entry { key, at: e.at, value: substituted(e.value, substitutions, budget) }
            };
            Node::new(at, Value::Map(entries.into_iter().map(substituted).collect()))
        }
        value => Node::new(at, value),
    }
}

fn within(budget: &mut usize, text: String, substitutions: &Substitutions) -> String {
    if *budget == 0 || !text.contains("${") {
        return text;
    }
    let text = substitute(&text, substitutions);
    *budget = budget.saturating_sub(text.len());
    text
}

/// Says which variables are left: almost always a forgotten substitution, but the text may be meant.
fn note_unknown(properties: &Properties<'_>, name: &str, text: &str) {
    let mut names: Vec<&str> =
        text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(n, _)| n).collect();
    names.retain(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    names.sort_unstable();
    names.dedup();
    for variable in names {
        let message =
            format!("${{{variable}}} in the definition is not among DefinitionSubstitutions and stays as it is");
        properties.scope.report.note(properties.place(name), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_substitution_replaces_known_variables_only() {
        let known = Substitutions::from([("A".into(), "1".into()), ("Fn".into(), "${A}".into())]);
        for (text, expect) in [
            ("${A}", "1"),
            ("x${A}${A}y", "x11y"),
            ("${B} ${A", "${B} ${A"),
            ("${${A}}", "${1}"),
            ("${Fn}", "${A}"),
            ("$${A} {A}", "$1 {A}"),
            ("", ""),
        ] {
            assert_eq!(substitute(text, &known), expect, "{text}");
        }
    }
}

//! `Fn::ForEach`: entries of a map that are written once and meant for each value of a list. It is undone before anything
//! else is read, so that nothing else knows of it.
//!
//! ```yaml
//! Fn::ForEach::Tables: [Name, [Trips, Seats], { '${Name}Table': { Type: AWS::DynamoDB::Table, ... } }]
//! ```
//!
//! The values are a list, or the name of a parameter that is one. `${Name}` and `&{Name}` (letters and digits only) stand
//! for the value in keys and texts, `!Ref Name` in values.

use std::collections::{BTreeMap, HashSet};

use crate::diagnostic::{Position, Report};
use crate::node::{Entry, Node, Value};
use crate::yaml::NODES_MAX;

const FUNCTION: &str = "Fn::ForEach::";
/// AWS's limit of loops in each other.
const DEPTH_MAX: usize = 5;
/// What all texts that are made may have together: a template has a thirtieth of it.
const TEXT_BYTES_MAX: usize = 32 << 20;

/// The template without loops.
pub(crate) fn expand(root: Node, given: &BTreeMap<String, String>, report: &Report) -> Node {
    if !has_loop(&root) {
        return root;
    }
    let parameters = root.get("Parameters").cloned().unwrap_or(Node::invalid(root.at));
    let mut expansion = Expansion { given, parameters, report, nodes: 0, bytes: 0 };
    expansion.node(root, 0)
}

fn has_loop(node: &Node) -> bool {
    match &node.value {
        Value::Map(entries) => entries.iter().any(|e| e.key.starts_with(FUNCTION) || has_loop(&e.value)),
        Value::List(items) => items.iter().any(has_loop),
        _ => false,
    }
}

struct Expansion<'a> {
    given: &'a BTreeMap<String, String>,
    parameters: Node,
    report: &'a Report,
    /// Made so far, since loops multiply.
    nodes: usize,
    /// Of the texts that were made: a value that is a text of many variables multiplies too.
    bytes: usize,
}

impl Expansion<'_> {
    fn node(&mut self, node: Node, depth: usize) -> Node {
        let at = node.at;
        match node.value {
            Value::Map(entries) => Node::new(at, Value::Map(self.entries(entries, depth))),
            Value::List(items) => Node::new(at, Value::List(items.into_iter().map(|i| self.node(i, depth)).collect())),
            value => Node::new(at, value),
        }
    }

    fn entries(&mut self, entries: Vec<Entry>, depth: usize) -> Vec<Entry> {
        let mut out: Vec<Entry> = Vec::new();
        for entry in entries {
            match entry.key.starts_with(FUNCTION) {
                true => out.extend(self.repeat(&entry, depth)),
                false => out.push(Entry { value: self.node(entry.value, depth), ..entry }),
            }
        }
        let mut keys = HashSet::new();
        for entry in &out {
            if !keys.insert(&entry.key) {
                let help = "use the variable of the loop in the key";
                self.report.error(entry.at, format!("\"{}\" is there twice after Fn::ForEach", entry.key), help);
            }
        }
        out
    }

    fn repeat(&mut self, entry: &Entry, depth: usize) -> Vec<Entry> {
        let form = "Fn::ForEach takes [variable, [values], {key: value}]";
        let parts = entry.value.list().unwrap_or_default();
        let variable = parts.first().and_then(Node::literal).map(str::to_owned);
        let body = parts.get(2).and_then(Node::map).map(<[Entry]>::to_vec);
        let (Some(variable), Some(values), Some(body)) = (variable, self.values(parts.get(1)), body) else {
            self.report.error(entry.at, form, "its values are texts, or `!Ref` of a parameter that is a list");
            return Vec::new();
        };
        if depth >= DEPTH_MAX {
            let message = format!("Fn::ForEach is nested deeper than {DEPTH_MAX}");
            self.report.error(entry.at, message, "write the inner ones out");
            return Vec::new();
        }
        let mut out = Vec::new();
        for value in &values {
            self.nodes += body.iter().map(|e| e.value.measure().0 + 1).sum::<usize>();
            if self.nodes > NODES_MAX {
                let message = format!("the template has over {NODES_MAX} values once Fn::ForEach is done");
                self.report.error(entry.at, message, "make the lists shorter");
                return Vec::new();
            }
            let made = body.iter().map(|e| self.replaced_entry(e, &variable, value)).collect();
            if self.bytes > TEXT_BYTES_MAX {
                let message = format!("the template's texts have over {TEXT_BYTES_MAX} bytes once Fn::ForEach is done");
                self.report.error(entry.at, message, "repeat less");
                return Vec::new();
            }
            out.extend(self.entries(made, depth + 1));
        }
        out
    }

    fn values(&self, node: Option<&Node>) -> Option<Vec<String>> {
        let node = node?;
        match (node.list(), node.only_entry()) {
            (Some(items), _) => items.iter().map(Node::text).collect(),
            (None, Some(call)) if call.key == "Ref" => self.parameter(call.value.literal()?),
            _ => None,
        }
    }

    fn parameter(&self, name: &str) -> Option<Vec<String>> {
        let declared = self.parameters.get(name)?;
        let text = self.given.get(name).cloned().or_else(|| declared.get("Default").and_then(Node::text))?;
        Some(text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
    }

    fn replaced_entry(&mut self, entry: &Entry, variable: &str, value: &str) -> Entry {
        Entry {
            key: self.text(&entry.key, variable, value),
            at: entry.at,
            value: self.replaced(&entry.value, variable, value),
        }
    }

    fn replaced(&mut self, node: &Node, variable: &str, value: &str) -> Node {
        let at: Position = node.at;
        match &node.value {
            Value::Map(entries) => match node.only_entry() {
                Some(call) if call.key == "Ref" && call.value.literal() == Some(variable) => Node::string(at, value),
                _ => {
                    Node::new(at, Value::Map(entries.iter().map(|e| self.replaced_entry(e, variable, value)).collect()))
                }
            },
            Value::List(items) => {
                Node::new(at, Value::List(items.iter().map(|item| self.replaced(item, variable, value)).collect()))
            }
            Value::Text { text, plain } => {
                Node::new(at, Value::Text { text: self.text(text, variable, value), plain: *plain })
            }
            _ => node.clone(),
        }
    }

    /// Nothing more is made once there is too much.
    fn text(&mut self, text: &str, variable: &str, value: &str) -> String {
        let variables = text.matches('{').count();
        self.bytes = self.bytes.saturating_add(text.len()).saturating_add(variables.saturating_mul(value.len()));
        if self.bytes > TEXT_BYTES_MAX { String::new() } else { replaced_text(text, variable, value) }
    }
}

fn replaced_text(text: &str, variable: &str, value: &str) -> String {
    if !text.contains('{') {
        return text.to_owned();
    }
    let letters: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    text.replace(&format!("${{{variable}}}"), value).replace(&format!("&{{{variable}}}"), &letters)
}

//! Reading the properties of a resource by a table that says of each whether it is served, ignored or unsupported.
//!
//! The rule: a property that changes what a program sees and is not served is an error, because a system that differs
//! silently is worse than none; one that does not (tags, tracing, permissions) is a note. A property the table does
//! not have is an error, too: it is a typing mistake, or newer than the table.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::diagnostic::Position;
use crate::node::{Entry, Node, find};
use crate::scope::Scope;

/// One property of a type, and what becomes of it.
pub(crate) struct Property {
    pub name: &'static str,
    pub treatment: Treatment,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Treatment {
    Served,
    /// It has no effect here, and why that is harmless.
    Ignored(&'static str),
    /// It would change what a program sees; what to do instead.
    Unsupported(&'static str),
}

pub(crate) const fn served(name: &'static str) -> Property {
    Property { name, treatment: Treatment::Served }
}

pub(crate) const fn ignored(name: &'static str, why: &'static str) -> Property {
    Property { name, treatment: Treatment::Ignored(why) }
}

pub(crate) const fn unsupported(name: &'static str, instead: &'static str) -> Property {
    Property { name, treatment: Treatment::Unsupported(instead) }
}

/// Why most ignored properties are.
pub(crate) const NO_EFFECT: &str = "no effect here";
pub(crate) const NO_PERMISSIONS: &str = "permissions are not enforced here";
pub(crate) const NOT_VALIDATED: &str = "requests are not validated here, so the function sees all of them";

/// The served properties of one thing, resolved.
pub(crate) struct Properties<'a> {
    pub scope: &'a Scope<'a>,
    /// What has these properties, for messages: a resource type or the path in it.
    of: String,
    pub at: Position,
    values: Vec<Entry>,
}

impl<'a> Properties<'a> {
    pub fn read(scope: &'a Scope<'a>, of: &str, at: Position, entries: &[Entry], table: &[Property]) -> Properties<'a> {
        let mut values = Vec::new();
        let mut without_effect: BTreeMap<&str, (Position, Vec<&str>)> = BTreeMap::new();
        for entry in entries {
            let Some(live) = scope.live(&entry.value) else { continue };
            match table.iter().find(|p| p.name == entry.key).map(|p| p.treatment) {
                Some(Treatment::Served) => {
                    let value = scope.resolve(live);
                    if !value.is_absent() {
                        values.push(Entry { key: entry.key.clone(), at: entry.at, value });
                    }
                }
                Some(Treatment::Ignored(why)) => {
                    without_effect.entry(why).or_insert((entry.at, Vec::new())).1.push(&entry.key);
                }
                Some(Treatment::Unsupported(instead)) => {
                    scope.report.unsupported(entry.at, format!("{} of {of} is not supported", entry.key), instead);
                }
                None => {
                    scope.report.error(
                        entry.at,
                        format!("{of} has no property \"{}\"", entry.key),
                        guess(&entry.key, table),
                    );
                }
            }
        }
        for (why, (at, names)) in without_effect {
            scope.report.note(at, format!("{}: {why}", names.join(", ")));
        }
        Properties { scope, of: of.to_owned(), at, values }
    }

    pub fn node(&self, name: &str) -> Option<&Node> {
        find(&self.values, name)
    }

    /// The place of a property, or of the whole when it is not given.
    pub fn place(&self, name: &str) -> Position {
        self.node(name).map_or(self.at, |node| node.at)
    }

    pub fn error(&self, name: &str, message: impl Into<String>, help: impl Into<String>) {
        self.scope.report.error(self.place(name), message, help);
    }

    /// An error that a person may choose to go on without.
    pub fn unsupported(&self, name: &str, message: impl Into<String>, help: impl Into<String>) {
        self.scope.report.unsupported(self.place(name), message, help);
    }

    pub fn note(&self, name: &str, message: impl Into<String>) {
        self.scope.report.note(self.place(name), message);
    }

    pub fn require(&self, name: &str) -> Option<&Node> {
        let node = self.node(name);
        if node.is_none() {
            self.scope.report.error(self.at, format!("{} needs {name}", self.of), format!("add {name}"));
        }
        node
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.typed(self.node(name)?, name, "a string", Node::text)
    }

    pub fn required_text(&self, name: &str) -> Option<String> {
        self.require(name)?;
        self.text(name)
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.typed(self.node(name)?, name, "true or false", Node::flag)
    }

    pub fn number(&self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        let read = |node: &Node| node.integer().and_then(|n| u32::try_from(n).ok()).filter(|n| range.contains(n));
        self.typed(self.node(name)?, name, &what, read)
    }

    pub fn list(&self, name: &str) -> Option<Vec<Node>> {
        self.typed(self.node(name)?, name, "a list", |node| node.list().map(<[Node]>::to_vec))
    }

    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.list(name)?;
        Some(items.iter().filter_map(|item| self.typed(item, name, "a list of strings", Node::text)).collect())
    }

    pub fn entries(&self, name: &str) -> Option<Vec<Entry>> {
        self.typed(self.node(name)?, name, "a map", |node| node.map().map(<[Entry]>::to_vec))
    }

    /// A map of strings; numbers and truth values become strings, as CloudFormation makes them.
    pub fn text_map(&self, name: &str) -> BTreeMap<String, String> {
        let entries = self.entries(name).unwrap_or_default();
        let read = |e: Entry| {
            let text = self.typed(&e.value, &format!("{name}.{}", e.key), "a string", Node::text)?;
            Some((e.key, text))
        };
        entries.into_iter().filter_map(read).collect()
    }

    /// One of some words.
    pub fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let read = |node: &Node| {
            let text = node.text()?;
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        };
        self.typed(self.node(name)?, name, &known.join(" or "), read)
    }

    /// The properties of a map in this one.
    pub fn nested(&self, name: &str, table: &[Property]) -> Option<Properties<'a>> {
        let node = self.node(name)?;
        let entries = self.entries(name)?;
        Some(Properties::read(self.scope, &format!("{}.{name}", self.of), node.at, &entries, table))
    }

    fn typed<T>(&self, node: &Node, name: &str, what: &str, read: impl Fn(&Node) -> Option<T>) -> Option<T> {
        let value = read(node);
        if value.is_none() && !node.is_invalid() {
            let found = match node.literal() {
                Some(text) if !node.is_null() => format!("\"{}\"", shortened(text)),
                _ => node.kind().to_owned(),
            };
            self.scope.report.error(node.at, format!("{name} must be {what}, this is {found}"), format!("give {what}"));
        }
        value
    }
}

fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

/// What the author of an unknown name may have meant.
fn guess(name: &str, table: &[Property]) -> String {
    let nearest = table.iter().map(|p| (distance(name, p.name), p.name)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 1 + name.len() / 4 => format!("did you mean {nearest}?"),
        _ => "remove it, or correct the name".to_owned(),
    }
}

/// Levenshtein's distance, capitals apart; names beyond 60 letters are no near misses of any property.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    if a.len() > 60 {
        return usize::MAX;
    }
    let (a, b) = (a.to_lowercase().into_bytes(), b.to_lowercase().into_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

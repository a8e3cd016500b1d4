//! The tree a template is read into: what the text says and where it says it.
//!
//! Scalars keep their text. Whether `030`, `no` or `2012-10-17` is a number, a truth value or a date depends on who
//! asks: CloudFormation wants a string in most places, and the text is what its author typed. So the reader decides
//! nothing and the consumer asks for [`Node::text`], [`Node::flag`] or [`Node::json`].
//!
//! Intrinsic functions are maps of one entry (`{"Fn::Sub": ..}`), however they were written.

use serde_json::Value as Json;

use crate::diagnostic::Position;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub at: Position,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Something that could not be read or resolved. Its error is in the report, so whoever meets it stays silent.
    Invalid,
    /// `AWS::NoValue`: the property is as good as not written.
    Absent,
    Text {
        text: String,
        /// Written without quotes, so it may also be a number, a truth value or null.
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    pub at: Position,
    pub value: Node,
}

impl Node {
    pub fn new(at: Position, value: Value) -> Node {
        Node { at, value }
    }

    pub fn invalid(at: Position) -> Node {
        Node::new(at, Value::Invalid)
    }

    /// A string that is certainly a string.
    pub fn string(at: Position, text: impl Into<String>) -> Node {
        Node::new(at, Value::Text { text: text.into(), plain: false })
    }

    pub fn is_invalid(&self) -> bool {
        matches!(self.value, Value::Invalid)
    }

    pub fn is_absent(&self) -> bool {
        matches!(self.value, Value::Absent)
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Text { text, plain: true } if is_null(text))
    }

    /// The text as written, whatever it may mean.
    pub fn literal(&self) -> Option<&str> {
        match &self.value {
            Value::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The scalar as CloudFormation's string: text as typed, truth values in lower case, null is no string.
    pub fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text { text, plain: true } if is_null(text) => None,
            Value::Text { text, plain: true } => Some(truth(text).map_or_else(|| text.clone(), |b| b.to_string())),
            Value::Text { text, plain: false } => Some(text.clone()),
            _ => None,
        }
    }

    /// The scalar as a truth value. CloudFormation takes the words in quotes, too.
    pub fn flag(&self) -> Option<bool> {
        self.literal().and_then(truth)
    }

    /// The scalar as a whole number. CloudFormation takes digits in quotes, too.
    pub fn integer(&self) -> Option<i64> {
        self.literal()?.parse().ok()
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn map(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        find(self.map()?, key)
    }

    /// The only entry of a map that has one.
    pub fn only_entry(&self) -> Option<&Entry> {
        match self.map()? {
            [entry] => Some(entry),
            _ => None,
        }
    }

    /// How many nodes the tree has, and how many levels.
    pub fn measure(&self) -> (usize, usize) {
        let children: &mut dyn Iterator<Item = &Node> = match &self.value {
            Value::List(items) => &mut items.iter(),
            Value::Map(entries) => &mut entries.iter().map(|e| &e.value),
            _ => return (1, 1),
        };
        let (nodes, depth) = children.map(Node::measure).fold((0, 0), |a, b| (a.0 + b.0, a.1.max(b.1)));
        (nodes + 1, depth + 1)
    }

    /// The tree as JSON, plain scalars by the core schema of YAML 1.2, numbers by the grammar of JSON: `030` and
    /// `2012-10-17` stay strings.
    pub fn json(&self) -> Json {
        match &self.value {
            Value::Invalid | Value::Absent => Json::Null,
            Value::Text { text, plain: false } => Json::String(text.clone()),
            Value::Text { text, plain: true } => plain_json(text),
            Value::List(items) => items.iter().map(Node::json).collect(),
            Value::Map(entries) => Json::Object(entries.iter().map(|e| (e.key.clone(), e.value.json())).collect()),
        }
    }

    /// What a message calls this value.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Invalid | Value::Absent => "nothing",
            Value::Text { text, plain: true } if is_null(text) => "null",
            Value::Text { .. } => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

pub(crate) fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Node> {
    entries.iter().find(|e| e.key == key).map(|e| &e.value)
}

fn is_null(plain: &str) -> bool {
    matches!(plain, "" | "~" | "null" | "Null" | "NULL")
}

fn truth(word: &str) -> Option<bool> {
    match word {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn plain_json(text: &str) -> Json {
    if is_null(text) {
        return Json::Null;
    }
    if let Some(flag) = truth(text) {
        return Json::Bool(flag);
    }
    let starts_as_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let number = starts_as_number.then(|| serde_json::from_str::<serde_json::Number>(text).ok()).flatten();
    number.map_or_else(|| Json::String(text.to_owned()), Json::Number)
}

//! Text to [`Node`]: YAML, and JSON as the part of YAML that it is.
//!
//! It drives the event parser itself, with a stack of its own instead of recursion, so that a hostile text is refused
//! by a limit and never by the end of the process's stack. Short forms (`!Sub x`) become the long ones
//! (`{"Fn::Sub": "x"}`) here; which functions exist is not known here.
//!
//! ```text
//! events -> open collections (a stack) -> finished node -> tag wrapped around it -> its parent, key or value
//! ```

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use crate::diagnostic::{Position, Report};
use crate::node::{Entry, Node, Value};

/// Collections in collections. Resolving and dropping a tree recurses, and two levels per collection (a tag is a level
/// of its own) fit into the smallest stack a thread gets. Real templates stay under 30.
const DEPTH_MAX: usize = 100;
/// Nodes in one tree, aliases written out. Ordinary text of the largest template has 60,000.
pub(crate) const NODES_MAX: usize = 250_000;
/// The prefix of YAML's own types, written `!!str`.
const CORE_TAGS: &str = "tag:yaml.org,2002:";

/// Reads one document. What is wrong with it goes to the report; `None` means that there is nothing to go on with.
pub(crate) fn read(text: &str, report: &Report) -> Option<Node> {
    let mut reader = Reader { report, open: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0 };
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => reader.take(event, position(&span.start)),
            Err(error) => {
                Err((position(error.marker()), error.info().to_owned(), "correct the YAML or JSON here".into()))
            }
        };
        if let Err((at, message, help)) = step {
            report.error(at, message, help);
            return None;
        }
    }
    if reader.root.is_none() {
        report.error(Position::START, "the file is empty", "a template has at least a Resources section");
    }
    reader.root
}

fn position(marker: &Marker) -> Position {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
}

/// A finding after which the rest of the text cannot be trusted: where, what, how to mend it.
type Fatal = (Position, String, String);

struct Reader<'a> {
    report: &'a Report,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
}

/// A collection whose end has not come.
struct Open {
    at: Position,
    tag: Option<Tag>,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// What `<<` brings; an entry of the map's own beats it, wherever it stands.
    merged: Vec<Entry>,
    seen: HashMap<String, Position>,
    key: Option<Key>,
}

/// A key that waits for its value.
struct Key {
    name: String,
    at: Position,
    /// It was given before, or is no text: its value is dropped.
    refused: bool,
    /// `<<` without quotes.
    merge: bool,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Fatal> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.start_document(at),
            Event::Scalar(text, style, anchor, tag) => {
                let value = Value::Text { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.finish(Node::new(at, value), tag.map(Cow::into_owned), anchor)
            }
            Event::SequenceStart(anchor, tag) => self.push(at, tag, anchor, Items::List(Vec::new())),
            Event::MappingStart(anchor, tag) => self.push(at, tag, anchor, Items::Map(OpenMap::default())),
            Event::SequenceEnd | Event::MappingEnd => self.pop(),
            Event::Alias(anchor) => self.alias(anchor, at),
        }
    }

    fn start_document(&self, at: Position) -> Result<(), Fatal> {
        if self.root.is_none() {
            return Ok(());
        }
        Err((at, "a second document begins here".into(), "keep one document per file, without a further ---".into()))
    }

    fn push(&mut self, at: Position, tag: Option<Cow<'_, Tag>>, anchor: usize, items: Items) -> Result<(), Fatal> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(at));
        }
        self.open.push(Open { at, tag: tag.map(Cow::into_owned), anchor, items });
        Ok(())
    }

    fn pop(&mut self) -> Result<(), Fatal> {
        let Open { at, tag, anchor, items } = self.open.pop().expect("the parser ends only what it has begun");
        let value = match items {
            Items::List(items) => Value::List(items),
            Items::Map(map) => Value::Map(map.finish()),
        };
        self.finish(Node::new(at, value), tag, anchor)
    }

    fn finish(&mut self, node: Node, tag: Option<Tag>, anchor: usize) -> Result<(), Fatal> {
        let node = self.tagged(node, tag);
        if anchor != 0 {
            self.spend(node.measure().0, node.at)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node)
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Fatal> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            let help = "an alias may only name an anchor whose value is complete";
            return Err((at, "this alias stands inside the value it names".into(), help.into()));
        };
        let (nodes, depth) = node.measure();
        if depth + 2 * self.open.len() > 2 * DEPTH_MAX {
            return Err(too_deep(at));
        }
        self.spend(nodes, at)?;
        self.place(node)
    }

    /// Hands a finished node to the collection around it.
    fn place(&mut self, node: Node) -> Result<(), Fatal> {
        self.spend(1, node.at)?;
        let report = self.report;
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map(map)) => map.place(node, report),
        }
        Ok(())
    }

    fn spend(&mut self, nodes: usize, at: Position) -> Result<(), Fatal> {
        self.nodes += nodes;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("the file has over {NODES_MAX} values here, aliases written out");
        Err((at, message, "split the template, or repeat less by aliases".into()))
    }

    fn tagged(&self, node: Node, tag: Option<Tag>) -> Node {
        let Some(tag) = tag else { return node };
        match (tag.handle.as_str(), tag.suffix.as_str(), node.value) {
            (CORE_TAGS, "str", Value::Text { text, .. }) => Node::string(node.at, text),
            ("!", "", Value::Text { text, .. }) => Node::string(node.at, text),
            (CORE_TAGS, "int" | "float" | "bool" | "null", Value::Text { text, .. }) => {
                Node::new(node.at, Value::Text { text, plain: true })
            }
            (CORE_TAGS, "map", value @ Value::Map(_)) | (CORE_TAGS, "seq", value @ Value::List(_)) => {
                Node::new(node.at, value)
            }
            ("!", function, value) if !function.is_empty() => wrap(function, Node::new(node.at, value)),
            _ => {
                let help = "CloudFormation knows its own functions (!Ref, !Sub, ...) and the simple types of YAML";
                let tag = if tag.handle == CORE_TAGS { format!("!!{}", tag.suffix) } else { tag.to_string() };
                self.report.error(node.at, format!("unknown tag {tag}"), help);
                Node::invalid(node.at)
            }
        }
    }
}

fn too_deep(at: Position) -> Fatal {
    (at, format!("nested deeper than {DEPTH_MAX} levels"), "flatten the template here".into())
}

/// The long form of a short one: `!Ref` is `Ref`, `!Condition` is `Condition`, all others are `Fn::`.
fn wrap(function: &str, node: Node) -> Node {
    let key = match function {
        "Ref" | "Condition" => function.to_owned(),
        _ if function.starts_with("Fn::") => function.to_owned(),
        _ => format!("Fn::{function}"),
    };
    let at = node.at;
    Node::new(at, Value::Map(vec![Entry { key, at, value: node }]))
}

impl OpenMap {
    fn place(&mut self, node: Node, report: &Report) {
        match self.key.take() {
            None => self.key = Some(self.read_key(node, report)),
            Some(key) if key.refused => {}
            Some(key) if key.merge => self.merge(node, report),
            Some(key) => self.entries.push(Entry { key: key.name, at: key.at, value: node }),
        }
    }

    fn read_key(&mut self, node: Node, report: &Report) -> Key {
        let at = node.at;
        let Value::Text { text: name, plain } = node.value else {
            report.error(at, format!("a key must be a string, this is {}", node.kind()), "write the key as plain text");
            return Key { name: String::new(), at, refused: true, merge: false };
        };
        let merge = plain && name == "<<";
        let first = self.seen.get(&name).copied();
        if let Some(first) = first {
            report.error(at, format!("\"{name}\" is given twice"), format!("remove one; the first is at {first}"));
        } else {
            self.seen.insert(name.clone(), at);
        }
        Key { name, at, refused: first.is_some(), merge }
    }

    /// `<<: *defaults`, or a list of such.
    fn merge(&mut self, node: Node, report: &Report) {
        let at = node.at;
        let sources = match node.value {
            Value::List(items) => items,
            value => vec![Node::new(at, value)],
        };
        for source in sources {
            match source.value {
                Value::Map(entries) => self.merged.extend(entries),
                _ => report.error(at, "<< takes a map or a list of maps", "name an anchor that stands on a map"),
            }
        }
    }

    fn finish(mut self) -> Vec<Entry> {
        for entry in self.merged {
            if self.seen.insert(entry.key.clone(), entry.at).is_none() {
                self.entries.push(entry);
            }
        }
        self.entries
    }
}

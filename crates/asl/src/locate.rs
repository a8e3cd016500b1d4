//! Where in the text something stands: depth, repeated keys, and the line of a JSON pointer.
//!
//! `serde_json` tells none of these of a parsed value, and keeps only the last of repeated keys. So the text is
//! scanned once more, by a scanner of its own that never recurses: before parsing for the depth, after it for the
//! rest. It relies on the text being valid JSON; on other text it finds odd things, but ends and never panics.
//! Each pass is linear in the text.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The offset of the first bracket that is nested deeper than this.
pub(crate) fn deeper_than(text: &str, max: usize) -> Option<usize> {
    let mut depth = 0usize;
    for event in Scanner::new(text) {
        match event {
            Event::Open { offset, .. } => {
                depth += 1;
                if depth > max {
                    return Some(offset);
                }
            }
            Event::Close => depth = depth.saturating_sub(1),
            Event::Key { .. } | Event::Scalar { .. } => {}
        }
    }
    None
}

/// A key that an object holds more than once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeated {
    pub pointer: String,
    pub key: String,
    /// The steps to the object that holds it.
    path: Vec<String>,
}

impl Repeated {
    /// Is the key the name of a state?
    pub fn in_states(&self) -> bool {
        let mut path = self.path.iter().map(String::as_str);
        loop {
            if path.next() != Some("States") {
                return false;
            }
            // The name of a state, then what leads to a block inside it.
            match (path.next(), path.next()) {
                (None, _) => return true,
                (Some(_), Some("Branches")) => drop(path.next()),
                (Some(_), Some("ItemProcessor" | "Iterator")) => {}
                _ => return false,
            }
        }
    }
}

pub(crate) fn repeated_keys(text: &str) -> Vec<Repeated> {
    let mut found = Vec::new();
    let mut frames: Vec<Frame<HashSet<Cow<'_, str>>>> = Vec::new();
    for event in Scanner::new(text) {
        match event {
            Event::Key { raw, .. } => {
                let Some(frame) = frames.last_mut() else { break };
                let key = unescape(raw);
                frame.step = Step::Key(key.clone());
                if !frame.of.insert(key.clone()) {
                    let steps: Vec<String> = frames.iter().map(|frame| frame.step.token()).collect();
                    let path = steps[..steps.len() - 1].to_vec();
                    found.push(Repeated { pointer: pointer(&steps), key: key.into_owned(), path });
                }
            }
            Event::Open { object, .. } => {
                count(&mut frames);
                frames.push(Frame::new(object, HashSet::new()));
            }
            Event::Scalar { .. } => count(&mut frames),
            Event::Close => drop(frames.pop()),
        }
    }
    found
}

/// Line and column of each pointer, one-based, columns in characters: of the key for a member of an object. Where
/// there is no such place, that of the nearest object or array around it; none if there is nothing at all.
pub fn places(text: &str, pointers: &[&str]) -> Vec<Option<(u32, u32)>> {
    let mut tree = Tree::of(pointers);
    tree.visit(text);
    let offsets: Vec<Option<usize>> = tree.wanted.iter().map(|node| tree.offset(*node)).collect();
    lines_and_columns(text, &offsets)
}

pub(crate) fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    lines_and_columns(text, &[Some(offset)])[0].unwrap_or((0, 0))
}

/// One walk over the text for all offsets, which have to be at the beginning of characters.
fn lines_and_columns(text: &str, offsets: &[Option<usize>]) -> Vec<Option<(u32, u32)>> {
    let mut order: Vec<(usize, usize)> =
        offsets.iter().enumerate().filter_map(|(index, offset)| Some(((*offset)?, index))).collect();
    order.sort_unstable();
    let mut places = vec![None; offsets.len()];
    let (mut line, mut column, mut reached) = (1u32, 1u32, 0usize);
    for (offset, index) in order {
        for character in text[reached..offset].chars() {
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        reached = offset;
        places[index] = Some((line, column));
    }
    places
}

/// The pointers that are looked for, as a tree of their steps: each key of the text is looked up once, and only
/// where something is wanted below.
struct Tree {
    nodes: Vec<Node>,
    /// The node of each pointer.
    wanted: Vec<usize>,
}

#[derive(Default)]
struct Node {
    parent: Option<usize>,
    children: HashMap<String, usize>,
    offset: Option<usize>,
}

impl Tree {
    fn of(pointers: &[&str]) -> Tree {
        let mut tree = Tree { nodes: vec![Node::default()], wanted: Vec::new() };
        for pointer in pointers {
            let node = pointer.split('/').skip(1).fold(0, |parent, token| tree.child(parent, token));
            tree.wanted.push(node);
        }
        tree
    }

    fn child(&mut self, parent: usize, token: &str) -> usize {
        let new = self.nodes.len();
        let step = token.replace("~1", "/").replace("~0", "~");
        let node = *self.nodes[parent].children.entry(step).or_insert(new);
        if node == new {
            self.nodes.push(Node { parent: Some(parent), ..Node::default() });
        }
        node
    }

    fn visit(&mut self, text: &str) {
        // Beside each open object or array: its node, and the offset of the last key.
        let mut frames: Vec<Frame<(Option<usize>, usize)>> = Vec::new();
        for event in Scanner::new(text) {
            match event {
                Event::Key { raw, offset } => {
                    let Some(frame) = frames.last_mut() else { break };
                    frame.step = Step::Key(unescape(raw));
                    frame.of.1 = offset;
                }
                Event::Open { offset, object } => {
                    count(&mut frames);
                    let node = self.reach(&frames, offset);
                    frames.push(Frame::new(object, (node, offset)));
                }
                Event::Scalar { offset } => {
                    count(&mut frames);
                    self.reach(&frames, offset);
                }
                Event::Close => drop(frames.pop()),
            }
        }
    }

    /// Notes where the value at hand stands, and returns its node if anything is wanted there or below.
    fn reach(&mut self, frames: &[Frame<'_, (Option<usize>, usize)>], offset: usize) -> Option<usize> {
        let (node, offset) = match frames.last() {
            None => (0, offset),
            Some(Frame { of: (node, key_offset), step }) => {
                let children = &self.nodes[(*node)?].children;
                match step {
                    _ if children.is_empty() => return None,
                    Step::Key(key) => (*children.get(key.as_ref())?, *key_offset),
                    Step::Index(_) => (*children.get(&step.token())?, offset),
                }
            }
        };
        self.nodes[node].offset = Some(offset);
        Some(node)
    }

    /// Where a node stands, or else the nearest around it.
    fn offset(&self, node: usize) -> Option<usize> {
        let mut at = Some(node);
        while let Some(node) = at {
            if let Some(offset) = self.nodes[node].offset {
                return Some(offset);
            }
            at = self.nodes[node].parent;
        }
        None
    }
}

/// An open object or array, the step to its child at hand, and what the walk keeps beside it.
struct Frame<'t, T> {
    step: Step<'t>,
    of: T,
}

impl<T> Frame<'_, T> {
    fn new(object: bool, of: T) -> Self {
        Frame { step: if object { Step::Key(Cow::Borrowed("")) } else { Step::Index(None) }, of }
    }
}

enum Step<'t> {
    Key(Cow<'t, str>),
    /// None before the first element.
    Index(Option<usize>),
}

impl Step<'_> {
    fn token(&self) -> String {
        match self {
            Step::Key(key) => key.to_string(),
            Step::Index(index) => index.unwrap_or(0).to_string(),
        }
    }
}

/// A value begins: in an array that is the next element.
fn count<T>(frames: &mut [Frame<'_, T>]) {
    if let Some(Frame { step: Step::Index(index), .. }) = frames.last_mut() {
        *index = Some(index.map_or(0, |index| index + 1));
    }
}

fn pointer(steps: &[String]) -> String {
    let mut text = String::new();
    for step in steps {
        crate::parse::write_token(step, &mut text);
    }
    text
}

/// The text of a key as it stands between its quotes.
fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    match serde_json::from_str(&format!("\"{raw}\"")) {
        Ok(key) => Cow::Owned(key),
        Err(_) => Cow::Borrowed(raw),
    }
}

enum Event<'t> {
    Key { raw: &'t str, offset: usize },
    Open { offset: usize, object: bool },
    Scalar { offset: usize },
    Close,
}

/// The outline of a JSON text, event by event.
struct Scanner<'t> {
    text: &'t str,
    position: usize,
    /// For each open bracket: is it an object?
    open: Vec<bool>,
    key_next: bool,
}

impl<'t> Scanner<'t> {
    fn new(text: &'t str) -> Scanner<'t> {
        Scanner { text, position: 0, open: Vec::new(), key_next: false }
    }

    /// Reads a string; the position is at its opening quote.
    fn string(&mut self) -> Event<'t> {
        let offset = self.position;
        let bytes = self.text.as_bytes();
        let mut end = offset + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        self.position = end + 1;
        match self.text.get(offset + 1..end) {
            Some(raw) if self.key_next => Event::Key { raw, offset },
            _ => Event::Scalar { offset },
        }
    }

    fn scalar(&mut self) -> Event<'t> {
        let offset = self.position;
        let rest = &self.text.as_bytes()[offset..];
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:]}[{\"".contains(byte);
        self.position = offset + rest.iter().position(ends).unwrap_or(rest.len()).max(1);
        Event::Scalar { offset }
    }

    fn bracket(&mut self, byte: u8) -> Event<'t> {
        let offset = self.position;
        self.position += 1;
        if matches!(byte, b'}' | b']') {
            self.open.pop();
            return Event::Close;
        }
        let object = byte == b'{';
        self.open.push(object);
        self.key_next = object;
        Event::Open { offset, object }
    }
}

impl<'t> Iterator for Scanner<'t> {
    type Item = Event<'t>;

    fn next(&mut self) -> Option<Event<'t>> {
        loop {
            match *self.text.as_bytes().get(self.position)? {
                b',' => self.key_next = self.open.last() == Some(&true),
                b':' => self.key_next = false,
                byte if byte.is_ascii_whitespace() => {}
                b'"' => return Some(self.string()),
                byte @ (b'{' | b'}' | b'[' | b']') => return Some(self.bracket(byte)),
                _ => return Some(self.scalar()),
            }
            self.position += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_have_lines() {
        let text = "{\n  \"é\": 1, \"a/b\": [\n    10, {\"c\\u0041\": \"}\\\"{\"}\n  ],\n  \"d\": {}\n}";
        for (pointer, expected) in [
            ("", Some((1, 1))),
            ("/é", Some((2, 3))),
            ("/a~1b", Some((2, 11))),
            ("/a~1b/0", Some((3, 5))),
            ("/a~1b/1/cA", Some((3, 10))),
            ("/a~1b/7", Some((2, 11))),
            ("/d", Some((5, 3))),
            ("/d/nothing/here", Some((5, 3))),
        ] {
            assert_eq!(places(text, &[pointer]), [expected], "{pointer}");
        }
        assert_eq!(places("", &["/a"]), [None]);
    }

    #[test]
    fn repeated_keys_are_found_where_they_are() {
        for (text, expected) in [
            (r#"{"a":1,"b":{"a":2},"c":[{"a":1},{"a":1}]}"#, ""),
            (r#"{"a":1,"\u0061":2}"#, "/a"),
            (r#"{"x":[0,{"a":1,"a":2}]}"#, "/x/1/a"),
            (r#"{"States":{"A":{},"A":{}}}"#, "/States/A state"),
            (r#"{"States":{"States":{"Type":1,"Type":2}}}"#, "/States/States/Type"),
            (r#"{"States":{"P":{"Branches":[{"States":{"A":1,"A":1}}]}}}"#, "/States/P/Branches/0/States/A state"),
        ] {
            let found: Vec<String> = repeated_keys(text)
                .iter()
                .map(|found| found.pointer.clone() + if found.in_states() { " state" } else { "" })
                .collect();
            assert_eq!(found.join(", "), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_counted_outside_strings() {
        assert_eq!(deeper_than(r#"{"[[[":[{}]}"#, 3), None);
        assert_eq!(deeper_than(r#"{"[[[":[{}]}"#, 2), Some(8));
        assert_eq!(deeper_than("[][][][]", 1), None);
    }
}

//! Items of a JSON text: an array's elements, or an object's members as key and value.
//!
//! The text is gone through once, without a tree of it: what is not an item is only skipped by its brackets and
//! strings, and each item is parsed for itself. So a text of gigabytes costs the memory of its largest item. An
//! error past the last item that was asked for is not seen.

use std::sync::Arc;

use serde_json::Value;

use super::Item;
use super::input::Input;
use crate::Error;
use crate::limits::ITEM_BYTES_MAX;

/// AWS's words (observed).
const NO_SUCH_PATH: &str =
    "The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure.";
const NOT_ITERABLE: &str = "Attempting to map over non-iterable node.";

pub(super) struct Members {
    input: Input,
    kind: Kind,
    /// Does the text end with the items? (A pointer leads into the text, whose rest is not looked at.)
    is_whole: bool,
    is_first: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Object,
}

impl Kind {
    fn end(self) -> u8 {
        match self {
            Kind::Array => b']',
            Kind::Object => b'}',
        }
    }
}

impl Members {
    pub fn new(mut input: Input, pointer: &str) -> Result<Members, Error> {
        for token in tokens(pointer)? {
            descend(&mut input, &token)?;
        }
        let kind = match significant(&mut input)? {
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            Some(_) => return Err(Error::configuration(NOT_ITERABLE)),
            None => return Err(input.broken("it ends where its items should be")),
        };
        input.take(1);
        Ok(Members { input, kind, is_whole: pointer.is_empty(), is_first: true })
    }

    fn item(&mut self) -> Result<Option<Item>, Error> {
        if !next_member(&mut self.input, self.kind, &mut self.is_first)? {
            return self.end();
        }
        let key = match self.kind {
            Kind::Array => None,
            Kind::Object => Some(key(&mut self.input)?),
        };
        let mut text = Vec::new();
        value(&mut self.input, Some(&mut text))?;
        Ok(Some(Item { key, value: checked(&self.input, text)?, source: Arc::clone(&self.input.source) }))
    }

    fn end(&mut self) -> Result<Option<Item>, Error> {
        if self.is_whole && significant(&mut self.input)?.is_some() {
            return Err(self.input.broken(format!("line {}: something follows the end of the JSON", self.input.line)));
        }
        Ok(None)
    }
}

impl Iterator for Members {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Result<Item, Error>> {
        self.item().transpose()
    }
}

/// The tokens of a JSON pointer (RFC 6901). Nothing is the whole text.
fn tokens(pointer: &str) -> Result<Vec<String>, Error> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let rest = pointer.strip_prefix('/').ok_or_else(|| {
        Error::configuration(format!("ItemsPointer `{pointer}` is not a JSON pointer: it must begin with /"))
    })?;
    Ok(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
}

/// Goes from before a value to before the member of it that the token names.
fn descend(input: &mut Input, token: &str) -> Result<(), Error> {
    let missing = || Error::configuration(NO_SUCH_PATH);
    let kind = match significant(input)? {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        _ => return Err(missing()),
    };
    input.take(1);
    let mut is_first = true;
    let mut index = 0u64;
    while next_member(input, kind, &mut is_first)? {
        let is_it = match kind {
            Kind::Object => key(input)? == token,
            Kind::Array => index.to_string() == token,
        };
        if is_it {
            return Ok(());
        }
        value(input, None)?;
        index += 1;
    }
    Err(missing())
}

/// Stands the input before a member? Takes the comma before it, or the bracket that ends all.
fn next_member(input: &mut Input, kind: Kind, is_first: &mut bool) -> Result<bool, Error> {
    match significant(input)? {
        Some(byte) if byte == kind.end() => {
            input.take(1);
            return Ok(false);
        }
        Some(b',') if !*is_first => {
            input.take(1);
            significant(input)?;
        }
        Some(_) if *is_first => {}
        _ => return Err(unexpected(input)?),
    }
    *is_first = false;
    Ok(true)
}

fn key(input: &mut Input) -> Result<String, Error> {
    if input.peek()? != Some(b'"') {
        return Err(unexpected(input)?);
    }
    let mut text = Vec::new();
    value(input, Some(&mut text))?;
    let key = serde_json::from_slice(&text).map_err(|error| input.broken(format!("a key is not JSON: {error}")))?;
    if significant(input)? != Some(b':') {
        return Err(unexpected(input)?);
    }
    input.take(1);
    significant(input)?;
    Ok(key)
}

/// The next byte that is not white space, which is not taken.
fn significant(input: &mut Input) -> Result<Option<u8>, Error> {
    loop {
        match input.peek()? {
            Some(b' ' | b'\t' | b'\r' | b'\n') => drop(input.next()?),
            other => return Ok(other),
        }
    }
}

fn unexpected(input: &mut Input) -> Result<Error, Error> {
    let found = match input.peek()? {
        None => "it ends too early".to_owned(),
        Some(byte) => format!("`{}` is not expected here", byte.escape_ascii()),
    };
    Ok(input.broken(format!("line {}: this is not JSON: {found}", input.line)))
}

/// Where one is within a value that is being gone through.
#[derive(Default)]
struct Within {
    depth: usize,
    is_string: bool,
    is_escaped: bool,
    has_begun: bool,
}

/// Goes over one value, which begins here, by its brackets and strings; keeps its bytes if asked to.
fn value(input: &mut Input, mut keep: Option<&mut Vec<u8>>) -> Result<(), Error> {
    let mut within = Within::default();
    loop {
        let chunk = input.chunk()?;
        if chunk.is_empty() {
            return if within.has_begun && within.depth == 0 && !within.is_string {
                Ok(())
            } else {
                Err(unexpected(input)?)
            };
        }
        let (length, is_done) = within.pass(chunk);
        let lines = chunk[..length].iter().filter(|byte| **byte == b'\n').count();
        if let Some(kept) = &mut keep {
            kept.extend_from_slice(&chunk[..length]);
            if kept.len() > ITEM_BYTES_MAX {
                return Err(input.broken(format!(
                    "line {}: an item has more than the {ITEM_BYTES_MAX} bytes that one may have",
                    input.line
                )));
            }
        }
        input.take(length);
        input.line += lines as u64;
        if is_done {
            return if within.has_begun { Ok(()) } else { Err(unexpected(input)?) };
        }
    }
}

impl Within {
    /// How many bytes of the chunk belong to the value, and whether it ends with them.
    fn pass(&mut self, chunk: &[u8]) -> (usize, bool) {
        for (at, byte) in chunk.iter().enumerate() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_string => self.is_escaped = true,
                b'"' if self.is_string => {
                    self.is_string = false;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ if self.is_string => {}
                b'"' if self.depth == 0 && self.has_begun => return (at, true),
                b'"' => self.is_string = true,
                b'[' | b'{' if self.depth == 0 && self.has_begun => return (at, true),
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' if self.depth > 1 => self.depth -= 1,
                b']' | b'}' if self.depth == 1 => return (at + 1, true),
                // What ends a number or a word ends it without belonging to it.
                b']' | b'}' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => return (at, true),
                _ => {}
            }
            self.has_begun = true;
        }
        (chunk.len(), false)
    }
}

/// The text of an item, parsed to be sure, without the white space between its parts.
pub(super) fn checked(input: &Input, bytes: Vec<u8>) -> Result<String, Error> {
    let text =
        String::from_utf8(bytes).map_err(|_| input.broken(format!("line {}: an item is not UTF-8", input.line)))?;
    // Parsed as whoever looks into it will parse it: depth, numbers and escapes are looked at too.
    if let Err(error) = serde_json::from_str::<Value>(&text) {
        return Err(input.broken(format!("line {}: an item is not JSON: {error}", input.line)));
    }
    Ok(compact(text))
}

fn compact(text: String) -> String {
    let (mut is_string, mut is_escaped) = (false, false);
    let mut is_part = |byte: char| {
        match byte {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_string = !is_string,
            ' ' | '\t' | '\r' | '\n' => return is_string,
            _ => {}
        }
        true
    };
    let mut text = text;
    text.retain(&mut is_part);
    text
}

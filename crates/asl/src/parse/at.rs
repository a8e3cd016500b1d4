//! A place in the definition, as a chain of steps that is written out as a JSON pointer only on demand.
//!
//! A correct definition costs no pointer at all, and a state deep inside others costs no copy of their names.

use crate::definition::{BlockId, StateId};

use super::outline::Outline;

#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    Root,
    Block(&'a Outline<'a>, BlockId),
    State(&'a Outline<'a>, StateId),
    Key(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub fn key(&'a self, name: &'a str) -> At<'a> {
        At::Key(self, name)
    }

    pub fn index(&'a self, index: usize) -> At<'a> {
        At::Index(self, index)
    }

    /// The JSON pointer (RFC 6901); empty for the whole definition.
    pub fn pointer(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        match self {
            At::Root => {}
            At::Block(outline, id) => outline.write_block(*id, text),
            At::State(outline, id) => outline.write_state(*id, text),
            At::Key(parent, name) => {
                parent.write(text);
                write_token(name, text);
            }
            At::Index(parent, index) => {
                parent.write(text);
                write_token(&index.to_string(), text);
            }
        }
    }
}

/// Appends `/token`, escaped.
pub(crate) fn write_token(token: &str, text: &mut String) {
    text.push('/');
    for character in token.chars() {
        match character {
            '~' => text.push_str("~0"),
            '/' => text.push_str("~1"),
            other => text.push(other),
        }
    }
}

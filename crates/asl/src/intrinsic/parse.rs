//! Text to [`Call`]: `States.Name(argument, ...)` with quoted texts, JSON scalars, paths and calls as arguments.
//!
//! In a quoted text only `\'`, `\\`, `\{` and `\}` are escapes; AWS refuses every other backslash when the state
//! machine is created.

use serde_json::Value;

use super::{Argument, Call, FUNCTIONS, NESTING_MAX};
use crate::path::Path;

pub(super) fn call(text: &str) -> Result<Call, String> {
    let text = text.trim_end();
    let mut parser = Parser { text, at: text.len() - text.trim_start().len() };
    let call = parser.call(1)?;
    match parser.rest() {
        "" => Ok(call),
        rest => Err(parser.error(format!("nothing may follow the call, but there is '{rest}'"))),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn call(&mut self, depth: usize) -> Result<Call, String> {
        if depth > NESTING_MAX {
            return Err(self.error(format!("intrinsic functions nest at most {NESTING_MAX} deep")));
        }
        let start = self.at;
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
        let name = &self.rest()[..self.rest().bytes().take_while(|byte| is_name(byte)).count()];
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
            let known = FUNCTIONS.iter().map(|function| function.name).collect::<Vec<_>>().join(", ");
            return Err(self.error(format!("'{name}' is no intrinsic function; there are {known}")));
        };
        self.at += name.len();
        self.skip_blanks();
        self.expect('(')?;
        let arguments = self.arguments(depth)?;
        let text = self.text[start..self.at].into();
        Ok(Call { text, function, arguments })
    }

    fn arguments(&mut self, depth: usize) -> Result<Vec<Argument>, String> {
        let mut arguments = Vec::new();
        self.skip_blanks();
        if self.take(')') {
            return Ok(arguments);
        }
        loop {
            self.skip_blanks();
            arguments.push(self.argument(depth)?);
            self.skip_blanks();
            if self.take(')') {
                return Ok(arguments);
            }
            self.expect(',')?;
        }
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, String> {
        match self.rest().bytes().next() {
            Some(b'\'') => self.quoted(),
            Some(b'$') => self.path(),
            Some(b'S') => self.call(depth + 1).map(Argument::Call),
            _ => self.scalar(),
        }
    }

    fn quoted(&mut self) -> Result<Argument, String> {
        let open = self.at;
        self.at += 1;
        let mut value = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((offset, char)) = chars.next() {
            match char {
                '\'' => {
                    let written = self.text[self.at..self.at + offset].into();
                    self.at += offset + 1;
                    return Ok(Argument::Text { value: Value::String(value), written });
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('\'' | '\\' | '{' | '}'))) => value.push(escaped),
                    _ => {
                        self.at += offset;
                        return Err(self.error("a backslash escapes only ' \\ { and }; write '\\\\' for a backslash"));
                    }
                },
                char => value.push(char),
            }
        }
        self.at = open;
        Err(self.error("the quoted text is not closed"))
    }

    fn path(&mut self) -> Result<Argument, String> {
        let text = &self.rest()[..path_len(self.rest())];
        let path = Path::parse(text).map_err(|error| {
            let at = self.at + error.offset;
            Parser { text: self.text, at }.error(error.message)
        })?;
        self.at += text.len();
        Ok(Argument::Path(path))
    }

    fn scalar(&mut self) -> Result<Argument, String> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let word = &self.rest()[..self.rest().bytes().take_while(|byte| is_part(byte)).count()];
        match serde_json::from_str::<Value>(word) {
            Ok(value) => {
                self.at += word.len();
                Ok(Argument::Literal(value))
            }
            Err(_) => Err(self
                .error("expected an argument: a text in single quotes, a number, true, false, null, a path or a call")),
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, char: char) -> bool {
        let found = self.rest().starts_with(char);
        self.at += if found { char.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, char: char) -> Result<(), String> {
        if self.take(char) { Ok(()) } else { Err(self.error(format!("expected '{char}'"))) }
    }

    fn error(&self, message: impl AsRef<str>) -> String {
        format!("{} (at position {})", message.as_ref(), self.at)
    }
}

/// A path ends at a comma or a closing parenthesis outside its own brackets, parentheses and quotes.
fn path_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match (byte, quote) {
            _ if escaped => escaped = false,
            (b'\\', Some(_)) => escaped = true,
            (byte, Some(open)) if byte == open => quote = None,
            (_, Some(_)) => {}
            (b'\'' | b'"', None) if depth > 0 => quote = Some(byte),
            (b',' | b')', None) if depth == 0 => return at,
            (b'[' | b'(', None) => depth += 1,
            (b']' | b')', None) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

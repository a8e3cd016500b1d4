//! Text to [`Path`]: recursive descent over bytes, one character of look-ahead.
//!
//! Names are cut at ASCII characters only, so every slice of the text is on a character boundary.

use super::filter::Filter;
use super::function::Function;
use super::{Path, PathError, Root, STEPS_MAX, Step, Tail};
use crate::variables;

/// Filters and parentheses inside one another; the parser and the evaluator recurse once for each.
const NESTING_MAX: usize = 100;

pub(super) fn path(text: &str) -> Result<Path, PathError> {
    let trimmed = text.trim_end();
    let mut parser = Parser { text: trimmed, at: trimmed.len() - trimmed.trim_start().len(), nesting: 0 };
    if !parser.take(b'$') {
        return Err(parser.error("a path begins with '$'"));
    }
    let root = if parser.take(b'$') { Root::Context } else { parser.variable_or_input()? };
    let mut path = parser.steps(root)?;
    if parser.peek().is_some() {
        return Err(parser.error("expected '.' or '['"));
    }
    path.text = text.into();
    Ok(path)
}

pub(super) struct Parser<'t> {
    text: &'t str,
    at: usize,
    nesting: usize,
}

impl<'t> Parser<'t> {
    /// What follows `$`, `$$` or `@`, up to the end or, in a filter, to the end of the operand.
    pub(super) fn steps(&mut self, root: Root) -> Result<Path, PathError> {
        let start = self.at;
        if matches!(root, Root::Input) && variables::name_len(self.rest()) > 0 {
            return Err(self.error("variables ('$name') cannot be read inside a filter"));
        }
        let mut steps = Vec::new();
        let mut tail = None;
        while let Some(byte @ (b'.' | b'[')) = self.peek() {
            if tail.is_some() {
                return Err(self.error("a function can only stand at the end of a path"));
            }
            if steps.len() == STEPS_MAX {
                return Err(self.error(format!("a path has at most {STEPS_MAX} steps")));
            }
            match if byte == b'.' { self.dot()? } else { Part::Step(self.bracket()?) } {
                Part::Step(step) => steps.push(step),
                Part::Function(function) => tail = Some(Tail::Function(function)),
            }
        }
        if let Some(Step::Names(names)) = steps.pop_if(|step| matches!(step, Step::Names(_))) {
            tail = Some(Tail::Merge(names));
        }
        let sign = match root {
            Root::Input | Root::Variable(_) => "$",
            Root::Context => "$$",
            Root::Current => "@",
        };
        let definite = matches!(tail, Some(Tail::Function(_))) || steps.iter().all(Step::is_definite);
        let text = format!("{sign}{}", &self.text[start..self.at]).into();
        Ok(Path { text, root, steps, tail, definite })
    }

    /// Behind the `$`: the name of a variable, if there is one.
    fn variable_or_input(&mut self) -> Result<Root, PathError> {
        let name = &self.rest()[..variables::name_len(self.rest())];
        match name {
            "" => Ok(Root::Input),
            variables::RESERVED => Err(self.error("'$states' is there in JSONata only; a path reads '$' and '$$'")),
            name => {
                self.at += name.len();
                Ok(Root::Variable(name.into()))
            }
        }
    }

    fn dot(&mut self) -> Result<Part, PathError> {
        self.at += 1;
        if self.take(b'.') {
            let step = match self.peek() {
                Some(b'[') => self.bracket()?,
                _ => match self.name_or_function()? {
                    Part::Step(step) => step,
                    Part::Function(_) => return Err(self.error("a function cannot follow '..'")),
                },
            };
            return Ok(Part::Step(Step::Descend(Box::new(step))));
        }
        match self.peek() {
            // `$.[0]` is `$[0]`: the library takes it, and published definitions use it.
            Some(b'[') => self.bracket().map(Part::Step),
            _ => self.name_or_function(),
        }
    }

    fn name_or_function(&mut self) -> Result<Part, PathError> {
        if self.take(b'*') {
            return Ok(Part::Step(Step::Wildcard));
        }
        let start = self.at;
        let in_filter = self.nesting > 0;
        while self.peek().is_some_and(|byte| !ends_name(byte, in_filter)) {
            self.at += 1;
        }
        let name = &self.text[start..self.at];
        match self.peek() {
            _ if name.is_empty() => Err(self.error("a name is missing after '.'")),
            Some(b'(') => self.function(name).map(Part::Function),
            Some(b' ') if !in_filter => Err(self.error("a name with a blank is written in brackets: ['a name']")),
            _ => Ok(Part::Step(Step::Name(name.into()))),
        }
    }

    fn function(&mut self, name: &str) -> Result<Function, PathError> {
        let Some(function) = Function::named(name) else {
            return Err(self.error(format!("'{name}()' is not a function of paths; there are {}", Function::names())));
        };
        self.at += 1;
        self.skip_blanks();
        if !self.take(b')') {
            return Err(self.error(format!("'{name}()' takes no arguments")));
        }
        Ok(function)
    }

    fn bracket(&mut self) -> Result<Step, PathError> {
        self.at += 1;
        self.skip_blanks();
        let step = match self.peek() {
            Some(b'\'' | b'"') => self.names()?,
            Some(b'*') => {
                self.at += 1;
                Step::Wildcard
            }
            Some(b'?') => {
                self.at += 1;
                Step::Filter(self.filter()?)
            }
            Some(b'0'..=b'9' | b'-' | b':') => self.indexes()?,
            Some(b'(') => {
                return Err(self.error("script expressions '[(...)]' are not supported; use a filter '[?(...)]'"));
            }
            _ => return Err(self.error("expected a quoted name, an index, '*' or '?(...)' after '['")),
        };
        self.skip_blanks();
        if !self.take(b']') {
            return Err(self.error("expected ']'"));
        }
        Ok(step)
    }

    fn names(&mut self) -> Result<Step, PathError> {
        let mut names: Vec<Box<str>> = vec![self.quoted()?.into()];
        loop {
            self.skip_blanks();
            if !self.take(b',') {
                break;
            }
            self.skip_blanks();
            names.push(self.quoted()?.into());
        }
        Ok(if names.len() == 1 { Step::Name(names.remove(0)) } else { Step::Names(names) })
    }

    /// A string in single or double quotes, with Java's escapes.
    pub(super) fn quoted(&mut self) -> Result<String, PathError> {
        let quote = match self.peek() {
            Some(quote @ (b'\'' | b'"')) => char::from(quote),
            _ => return Err(self.error("expected a quoted name")),
        };
        let open = self.at;
        self.at += 1;
        let mut value = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((offset, char)) = chars.next() {
            if char == quote {
                self.at += offset + 1;
                return Ok(value);
            }
            value.push(match char {
                '\\' => match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    Some((_, 'r')) => '\r',
                    Some((_, 'b')) => '\u{8}',
                    Some((_, 'f')) => '\u{c}',
                    Some((offset, 'u')) => {
                        let digits = self.text[self.at + offset + 1..].get(..4);
                        let Some(char) = digits.and_then(unicode) else {
                            return Err(self.error("'\\u' takes four hexadecimal digits of a character"));
                        };
                        chars.nth(3);
                        char
                    }
                    Some((_, char)) => char,
                    None => break,
                },
                char => char,
            });
        }
        self.at = open;
        Err(self.error("the quote is not closed"))
    }

    /// `0`, `-1`, `0,2`, `1:`, `:3`, `1:3`, `0:6:2` (the step is ignored, as AWS does).
    fn indexes(&mut self) -> Result<Step, PathError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte != b']') {
            self.at += 1;
        }
        let content = &self.text[start..self.at];
        let parsed = if content.contains(':') { slice(content) } else { list(content) };
        parsed.ok_or_else(|| {
            let message = format!("'{content}' is neither an index nor a slice with a start or an end");
            PathError { message, offset: start }
        })
    }

    fn filter(&mut self) -> Result<Filter, PathError> {
        self.skip_blanks();
        if self.peek() != Some(b'(') {
            return Err(self.error("a filter is written '[?(...)]'"));
        }
        Filter::parse(self)
    }

    /// Runs `parse` one level deeper.
    pub(super) fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Parser<'t>) -> Result<T, PathError>,
    ) -> Result<T, PathError> {
        if self.nesting == NESTING_MAX {
            return Err(self.error(format!("filters nest at most {NESTING_MAX} deep")));
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> PathError {
        PathError { message: message.into(), offset: self.at }
    }
}

enum Part {
    Step(Step),
    Function(Function),
}

fn ends_name(byte: u8, in_filter: bool) -> bool {
    match byte {
        b'.' | b'[' | b']' | b'(' | b')' => true,
        b',' | b'=' | b'!' | b'<' | b'>' | b'~' | b'&' | b'|' => in_filter,
        _ => byte.is_ascii_whitespace(),
    }
}

fn unicode(digits: &str) -> Option<char> {
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

fn list(content: &str) -> Option<Step> {
    let mut indexes: Vec<i64> = content.split(',').map(number).collect::<Option<_>>()?;
    Some(if indexes.len() == 1 { Step::Index(indexes.remove(0)) } else { Step::Indexes(indexes) })
}

fn slice(content: &str) -> Option<Step> {
    let mut parts = content.split(':').map(|part| match part.trim() {
        "" => Some(None),
        part => number(part).map(Some),
    });
    let (from, to) = (parts.next()??, parts.next()??);
    let step = parts.next();
    let is_whole = step.is_none_or(|step| step.is_some()) && parts.next().is_none();
    (is_whole && (from.is_some() || to.is_some())).then_some(Step::Slice { from, to })
}

/// An index too large for the machine is still an index, of nothing.
fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if digits.len() == text.len() { i64::MAX } else { i64::MIN }))
}

//! Velocity as far as it is served: text, references, `#set`, `#if`, `#foreach`, comments. Anything else is an error that
//! names it, never text that was meant as something.

/// Depth of blocks, and of expressions in one another.
const DEPTH_MAX: usize = 32;
/// AWS's limit of a mapping template.
const TEMPLATE_BYTES_MAX: usize = 300 * 1024;

#[derive(Debug, PartialEq)]
pub enum Part {
    Text(String),
    Show(Reference),
    Set(Reference, Expression),
    /// Conditions with what they guard; the last may have none.
    If(Vec<(Option<Expression>, Vec<Part>)>),
    For {
        name: String,
        list: Expression,
        body: Vec<Part>,
    },
}

/// `$name.property.method(arguments)`, `$!name`, `${name}`.
#[derive(Debug, PartialEq)]
pub struct Reference {
    pub name: String,
    pub steps: Vec<Step>,
    pub is_quiet: bool,
    /// As it is written.
    pub source: String,
}

#[derive(Debug, PartialEq)]
pub enum Step {
    Property(String),
    Call(String, Vec<Expression>),
    Index(Expression),
}

#[derive(Debug, PartialEq)]
pub enum Expression {
    Null,
    True(bool),
    Number(i64),
    /// In single quotes.
    Text(String),
    /// In double quotes: references in it are filled in.
    Mixed(Vec<Part>),
    Reference(Reference),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Not(Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
}

pub fn parse(template: &str) -> Result<Vec<Part>, String> {
    if template.len() > TEMPLATE_BYTES_MAX {
        return Err(format!("it has {} bytes, the limit is {TEMPLATE_BYTES_MAX}", template.len()));
    }
    let mut parser = Parser { rest: template, depth: 0 };
    let (parts, end) = parser.block()?;
    match end {
        Close::Text => Ok(parts),
        _ => Err("there is an #end, #else or #elseif without an #if".to_owned()),
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

/// What ends a block.
#[derive(PartialEq)]
enum Close {
    Text,
    End,
    Else,
    ElseIf,
}

impl<'a> Parser<'a> {
    fn block(&mut self) -> Result<(Vec<Part>, Close), String> {
        self.deeper()?;
        let mut parts = Vec::new();
        let end = loop {
            let start = self.rest.find(['#', '$']).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(start);
            push_text(&mut parts, text);
            self.rest = rest;
            if rest.is_empty() {
                break Close::Text;
            }
            match self.special()? {
                Special::Part(part) => parts.push(part),
                Special::Text(text) => push_text(&mut parts, text),
                Special::Close(end) => break end,
            }
        };
        self.depth -= 1;
        Ok((parts, end))
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        match self.depth > DEPTH_MAX {
            true => Err(format!("it is nested deeper than {DEPTH_MAX}")),
            false => Ok(()),
        }
    }

    /// What begins with `#` or `$`.
    fn special(&mut self) -> Result<Special<'a>, String> {
        if self.rest.starts_with('$') {
            return match self.reference()? {
                Some(reference) => Ok(Special::Part(Part::Show(reference))),
                None => Ok(Special::Text(self.take(1))),
            };
        }
        if let Some(rest) = self.rest.strip_prefix("##") {
            self.rest = rest.split_once('\n').map_or("", |(_, after)| after);
            return Ok(Special::Text(""));
        }
        if let Some(rest) = self.rest.strip_prefix("#*") {
            let after = rest.split_once("*#").ok_or("a comment does not end")?;
            self.rest = after.1;
            return Ok(Special::Text(""));
        }
        let braced = self.rest[1..].starts_with('{');
        let word = &self.rest[1 + usize::from(braced)..];
        let word = &word[..word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len())];
        if word.is_empty() {
            return Ok(Special::Text(self.take(1)));
        }
        let length = 1 + word.len() + 2 * usize::from(braced);
        if braced && !self.rest[..length.min(self.rest.len())].ends_with('}') {
            return Ok(Special::Text(self.take(1)));
        }
        match word {
            "set" => {
                self.take(length);
                self.set().map(Special::Part)
            }
            "if" => {
                self.take(length);
                self.choice().map(Special::Part)
            }
            "foreach" => {
                self.take(length);
                self.repetition().map(Special::Part)
            }
            "end" | "else" | "elseif" => {
                self.take(length);
                let end = match word {
                    "end" => Close::End,
                    "else" => Close::Else,
                    _ => Close::ElseIf,
                };
                if end != Close::ElseIf {
                    self.end_line();
                }
                Ok(Special::Close(end))
            }
            "break" | "stop" | "macro" | "include" | "parse" | "define" | "evaluate" => {
                Err(format!("#{word} is not served"))
            }
            // A word after a hash is text, such as a colour.
            _ => Ok(Special::Text(self.take(1))),
        }
    }

    fn set(&mut self) -> Result<Part, String> {
        self.expect("(")?;
        self.spaces();
        let target = self.reference()?.ok_or("#set needs a reference")?;
        self.expect("=")?;
        let value = self.expression()?;
        self.expect(")")?;
        self.end_line();
        Ok(Part::Set(target, value))
    }

    fn choice(&mut self) -> Result<Part, String> {
        let mut branches = Vec::new();
        let mut condition = Some(self.condition()?);
        loop {
            let (body, end) = self.block()?;
            let has_condition = condition.is_some();
            branches.push((condition, body));
            condition = match end {
                Close::End => return Ok(Part::If(branches)),
                Close::ElseIf if has_condition => Some(self.condition()?),
                Close::Else if has_condition => None,
                Close::Text => return Err("an #if has no #end".to_owned()),
                _ => return Err("an #else is followed by another".to_owned()),
            };
        }
    }

    fn condition(&mut self) -> Result<Expression, String> {
        self.expect("(")?;
        let condition = self.expression()?;
        self.expect(")")?;
        self.end_line();
        Ok(condition)
    }

    fn repetition(&mut self) -> Result<Part, String> {
        self.expect("(")?;
        self.spaces();
        let item = self.reference()?.filter(|r| r.steps.is_empty()).ok_or("#foreach needs a name")?;
        self.expect("in ")?;
        let list = self.expression()?;
        self.expect(")")?;
        self.end_line();
        match self.block()? {
            (body, Close::End) => Ok(Part::For { name: item.name, list, body }),
            _ => Err("a #foreach has no #end".to_owned()),
        }
    }

    /// `$name...`; nothing if the dollar is just one.
    fn reference(&mut self) -> Result<Option<Reference>, String> {
        let start = self.rest;
        let Some(rest) = start.strip_prefix('$') else { return Ok(None) };
        let (rest, is_quiet) = match rest.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (rest, is_braced) = match rest.strip_prefix('{') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let name = word(rest);
        if name.is_empty() {
            return Ok(None);
        }
        self.rest = &rest[name.len()..];
        self.deeper()?;
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        self.depth -= 1;
        if is_braced {
            self.rest = self.rest.strip_prefix('}').ok_or_else(|| format!("${{{name} has no closing brace"))?;
        }
        let source = start[..start.len() - self.rest.len()].to_owned();
        Ok(Some(Reference { name: name.to_owned(), steps, is_quiet, source }))
    }

    fn step(&mut self) -> Result<Option<Step>, String> {
        if let Some(rest) = self.rest.strip_prefix('[') {
            let before = self.rest;
            self.rest = rest;
            let index = self.expression();
            self.spaces();
            // In text, a bracket after a reference may be text.
            return match (index, self.rest.strip_prefix(']')) {
                (Ok(index), Some(rest)) => {
                    self.rest = rest;
                    Ok(Some(Step::Index(index)))
                }
                _ => {
                    self.rest = before;
                    Ok(None)
                }
            };
        }
        let Some(rest) = self.rest.strip_prefix('.') else { return Ok(None) };
        let name = word(rest);
        if name.is_empty() {
            return Ok(None);
        }
        self.rest = &rest[name.len()..];
        let Some(rest) = self.rest.strip_prefix('(') else { return Ok(Some(Step::Property(name.to_owned()))) };
        self.rest = rest;
        let arguments = self.items(")")?;
        known_method(name, arguments.len())?;
        Ok(Some(Step::Call(name.to_owned(), arguments)))
    }

    /// Expressions with commas between them, to the closing mark.
    fn items(&mut self, close: &str) -> Result<Vec<Expression>, String> {
        let mut items = Vec::new();
        loop {
            self.spaces();
            if items.is_empty()
                && let Some(rest) = self.rest.strip_prefix(close)
            {
                self.rest = rest;
                return Ok(items);
            }
            items.push(self.expression()?);
            self.spaces();
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None => {
                    self.expect(close)?;
                    return Ok(items);
                }
            }
        }
    }

    fn expression(&mut self) -> Result<Expression, String> {
        self.deeper()?;
        let expression = self.binary(0)?;
        self.depth -= 1;
        Ok(expression)
    }

    fn binary(&mut self, level: usize) -> Result<Expression, String> {
        /// From the loosest to the tightest; longer marks before those they begin with.
        const LEVELS: &[&[(&str, &str)]] = &[
            &[("||", "||"), ("or ", "||")],
            &[("&&", "&&"), ("and ", "&&")],
            &[("==", "=="), ("!=", "!="), ("eq ", "=="), ("ne ", "!=")],
            &[
                ("<=", "<="),
                (">=", ">="),
                ("<", "<"),
                (">", ">"),
                ("le ", "<="),
                ("ge ", ">="),
                ("lt ", "<"),
                ("gt ", ">"),
            ],
            &[("+", "+"), ("-", "-")],
            &[("*", "*"), ("/", "/"), ("%", "%")],
        ];
        let Some(marks) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            self.spaces();
            let Some((mark, operator)) = marks.iter().find(|(mark, _)| self.rest.starts_with(mark)) else {
                return Ok(left);
            };
            self.take(mark.len());
            let right = self.binary(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.spaces();
        let negated = self.rest.strip_prefix('!').or_else(|| self.rest.strip_prefix("not "));
        if let Some(rest) = negated {
            self.rest = rest;
            self.deeper()?;
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(inner)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression, String> {
        let first = self.rest.chars().next().ok_or("an expression is missing")?;
        match first {
            '$' => match self.reference()? {
                Some(reference) => Ok(Expression::Reference(reference)),
                None => Err(self.unexpected()),
            },
            '(' => {
                self.take(1);
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            '[' => {
                self.take(1);
                Ok(Expression::List(self.items("]")?))
            }
            '{' => {
                self.take(1);
                self.map()
            }
            '\'' | '"' => self.quoted(first),
            '-' | '0'..='9' => self.number(),
            _ => {
                let name = word(self.rest);
                let value = match name {
                    "true" => Expression::True(true),
                    "false" => Expression::True(false),
                    "null" => Expression::Null,
                    _ => return Err(self.unexpected()),
                };
                self.take(name.len());
                Ok(value)
            }
        }
    }

    fn map(&mut self) -> Result<Expression, String> {
        let mut entries = Vec::new();
        loop {
            self.spaces();
            if let Some(rest) = self.rest.strip_prefix('}') {
                self.rest = rest;
                return Ok(Expression::Map(entries));
            }
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            self.spaces();
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
            }
        }
    }

    /// In single quotes a text, in double ones a template. A quote in it is written twice.
    fn quoted(&mut self, quote: char) -> Result<Expression, String> {
        let inner = &self.rest[1..];
        let mut text = String::new();
        let mut rest = inner;
        loop {
            let end = rest.find(quote).ok_or("a text has no closing quote")?;
            text.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix(quote) {
                Some(more) => {
                    text.push(quote);
                    rest = more;
                }
                None => break,
            }
        }
        self.rest = rest;
        if quote == '\'' {
            return Ok(Expression::Text(text));
        }
        let mut parser = Parser { rest: &text, depth: self.depth };
        let (parts, end) = parser.block()?;
        match end {
            Close::Text => Ok(Expression::Mixed(parts)),
            _ => Err("a text has an #end".to_owned()),
        }
    }

    fn number(&mut self) -> Result<Expression, String> {
        let sign = usize::from(self.rest.starts_with('-'));
        let digits = self.rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        let text = self.take(sign + digits);
        text.parse().map(Expression::Number).map_err(|_| format!("{text} is no number that is served"))
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn expect(&mut self, mark: &str) -> Result<(), String> {
        self.spaces();
        self.rest =
            self.rest.strip_prefix(mark).ok_or_else(|| format!("{} where {mark} should be", self.unexpected()))?;
        Ok(())
    }

    fn unexpected(&self) -> String {
        let shown: String = self.rest.chars().take(20).collect();
        format!("\"{shown}\" is not served")
    }

    /// A directive takes the rest of its line, if that is blank.
    fn end_line(&mut self) {
        let trimmed = self.rest.trim_start_matches([' ', '\t']);
        if let Some(rest) = trimmed.strip_prefix("\r\n").or_else(|| trimmed.strip_prefix('\n')) {
            self.rest = rest;
        }
    }
}

enum Special<'a> {
    Part(Part),
    Text(&'a str),
    Close(Close),
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

/// A name begins with a letter; what ends it is no part of any.
fn word(text: &str) -> &str {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return "";
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
    &text[..end]
}

/// Methods of `$input` and `$util`, with the number of their arguments.
const BUILT_IN: &[(&str, usize)] = &[
    ("json", 1),
    ("path", 1),
    ("params", 0),
    ("params", 1),
    ("escapeJavaScript", 1),
    ("parseJson", 1),
    ("urlEncode", 1),
    ("urlDecode", 1),
    ("base64Encode", 1),
    ("base64Decode", 1),
];

fn known_method(name: &str, arguments: usize) -> Result<(), String> {
    match super::value::METHODS.iter().chain(BUILT_IN).any(|known| *known == (name, arguments)) {
        true => Ok(()),
        false => Err(format!("{name}() with {arguments} arguments is not served")),
    }
}

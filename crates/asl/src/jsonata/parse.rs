//! From text to tree, and how AWS tells that there is none.

use std::fmt;

use jsonata_core::ast::AstNode;
use jsonata_core::parser::{self, ParserError};

use super::message::of_parser;

/// What stands inside the delimiters. None for any other text: AWS takes ` {% 1 %} ` as it is.
pub fn inside(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

/// AWS's message, which is that of the language without its code: `Unexpected end of expression`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub message: String,
}

impl ParseError {
    /// The code of the diagnostic.
    pub const CODE: &'static str = "INVALID_JSONATA_EXPRESSION";
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

pub(super) fn parse(text: &str) -> Result<AstNode, ParseError> {
    parser::parse(text).map_err(|error| {
        let message = match error {
            ParserError::UnclosedString if is_regex_open(text) => "No terminating / in regular expression".to_owned(),
            error => of_parser(&error),
        };
        ParseError { message }
    })
}

/// The parser has one error for a text and for a regular expression without an end; a slash ends only the latter.
fn is_regex_open(text: &str) -> bool {
    !matches!(parser::parse(&format!("{text}/")), Err(ParserError::UnclosedString))
}

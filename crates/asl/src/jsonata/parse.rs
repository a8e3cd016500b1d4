//! From text to tree, and how AWS tells that there is none.

use std::fmt;

use jsonata_core::ast::AstNode;
use jsonata_core::parser::{self, ParserError};

use super::message;

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
    parser::parse(text).map_err(|error| ParseError { message: message(&error) })
}

fn message(error: &ParserError) -> String {
    match error {
        ParserError::Expected { expected, found } if found == "Eof" => {
            format!("Expected {} before end of expression", quoted(expected))
        }
        ParserError::Expected { expected, found } => format!("Expected {}, got {}", quoted(expected), quoted(found)),
        other => message::without_code(&other.to_string()),
    }
}

fn quoted(token: &str) -> String {
    format!("\"{}\"", message::symbol(token))
}

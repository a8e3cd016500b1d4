//! The evaluator's errors in the words of the language, which AWS gives on.
//!
//! The evaluator has the codes of the reference implementation, but not always its words: here is a table of those.
//! What a text names and the evaluator does not tell (the function, the operator, the values), `blame` finds out.

use jsonata_core::evaluator::{EvaluatorError, error_code_prefix};
use jsonata_core::parser::ParserError;

use super::failure::{Limit, Reason};

pub(super) fn reason(error: &EvaluatorError) -> Reason {
    let message = error.message();
    if let Some(limit) = Limit::ALL.into_iter().find(|limit| limit.sentence() == message) {
        return limit.into();
    }
    // A signature that a function of the expression declares itself.
    let message = message.strip_prefix("Signature validation failed: ").unwrap_or(message);
    let Some((code, text)) = split(message) else { return Reason::Plain(message.to_owned()) };
    match LIMITS.iter().find(|(known, _)| *known == code) {
        Some((_, limit)) => (*limit).into(),
        None => Reason::Coded { code: code.to_owned(), text: reworded(code, text) },
    }
}

/// Code and text.
fn split(message: &str) -> Option<(&str, &str)> {
    let code = error_code_prefix(message)?;
    Some((code, message[code.len() + 1..].trim_start()))
}

/// The codes with which the evaluator tells that it reached a limit.
const LIMITS: [(&str, Limit); 6] = [
    ("D1011", Limit::Depth),
    ("U1001", Limit::Depth),
    ("U1002", Limit::Depth),
    ("D1012", Limit::Time),
    ("D2014", Limit::Memory),
    ("D2015", Limit::Memory),
];

/// Texts that name nothing of the expression.
const FIXED: &[(&str, &str)] = &[
    ("D3001", "Attempting to invoke string function on Infinity or NaN"),
    ("D3010", "Second argument of replace function cannot be an empty string"),
    ("D3012", "Attempted to replace a matched string with a non-string value"),
    ("D3020", "Third argument of split function must evaluate to a positive number"),
    ("D3080", "The picture string must only contain a maximum of two sub-pictures"),
    ("D3081", "The sub-picture must not contain more than one instance of the 'decimal-separator' character"),
    ("D3082", "The sub-picture must not contain more than one instance of the 'percent' character"),
    ("D3083", "The sub-picture must not contain more than one instance of the 'per-mille' character"),
    ("D3084", "The sub-picture must not contain both a 'percent' and a 'per-mille' character"),
    (
        "D3085",
        "The mantissa part of a sub-picture must contain at least one character that is either an 'optional digit \
         character' or a member of the 'decimal digit family'",
    ),
    (
        "D3086",
        "The sub-picture must not contain a passive character that is preceded by an active character and that is \
         followed by another active character",
    ),
    (
        "D3087",
        "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a \
         'decimal-separator' character",
    ),
    ("D3088", "The sub-picture must not contain a 'grouping-separator' at the end of the integer part"),
    ("D3089", "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character"),
    (
        "D3090",
        "The integer part of the sub-picture must not contain a member of the 'decimal digit family' that is \
         followed by an instance of the 'optional digit character'",
    ),
    (
        "D3091",
        "The fractional part of the sub-picture must not contain an instance of the 'optional digit character' that \
         is followed by a member of the 'decimal digit family'",
    ),
    (
        "D3092",
        "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character treated as \
         an 'exponent-separator'",
    ),
    (
        "D3093",
        "The exponent part of the sub-picture must comprise only of one or more characters that are members of the \
         'decimal digit family'",
    ),
    ("D3131", "In a decimal digit pattern, all digits must be from the same decimal group"),
    ("D3134", "The timezone integer format specifier cannot have more than four digits"),
    ("D3135", "No matching closing bracket ']' in date/time picture string"),
    ("D3136", "The date/time picture string is missing specifiers required to parse the timestamp"),
    ("D3138", "The $single() function expected exactly 1 matching result.  Instead it matched more."),
    ("T1006", "Attempted to invoke a non-function"),
    ("T2003", "The left side of the range operator (..) must evaluate to an integer"),
    ("T2004", "The right side of the range operator (..) must evaluate to an integer"),
    ("T2011", "The insert/update clause of the transform expression must evaluate to an object"),
    ("T2012", "The delete clause of the transform expression must evaluate to a string or array of strings"),
];

/// Texts around one thing: what the evaluator writes before and behind it, and the text in which it is put for `{}`,
/// written as JSON writes a text where it is `{:?}`.
const AROUND: &[(&str, &str, &str, &str)] = &[
    ("D3030", "Cannot convert '", "' to number", "Unable to cast value to a number: {:?}"),
    (
        "D3100",
        "Radix must be between 2 and 36, got ",
        "",
        "The radix of the formatBase function must be between 2 and 36.  It was given {}",
    ),
    (
        "D3130",
        "",
        "",
        "Formatting or parsing an integer as a sequence starting with {:?} is not supported by this implementation",
    ),
    ("D3132", "", "", "Unknown component specifier {:?} in date/time picture string"),
    (
        "D3133",
        "",
        "",
        "The 'name' modifier can only be applied to months and days in the date/time picture string, not {:?}",
    ),
    (
        "T1010",
        "The matcher function argument passed to function $",
        " does not return the correct object structure",
        "The matcher function argument passed to function {:?} does not return the correct object structure",
    ),
    (
        "T2001",
        "The left side of the ",
        " operator must evaluate to a number",
        "The left side of the {:?} operator must evaluate to a number",
    ),
    (
        "T2002",
        "The right side of the ",
        " operator must evaluate to a number",
        "The right side of the {:?} operator must evaluate to a number",
    ),
    ("S0102", "Number out of range: ", "", "Number out of range: {:?}"),
    ("S0103", "Unsupported escape sequence: \\", "", "Unsupported escape sequence: \\{:?}"),
    ("S0204", "Unknown operator: ", "", "Unknown operator: {:?}"),
];

fn reworded(code: &str, text: &str) -> String {
    if let Some((_, fixed)) = FIXED.iter().find(|(known, _)| *known == code) {
        return (*fixed).to_owned();
    }
    let around = AROUND.iter().find(|(known, ..)| *known == code).and_then(|(_, before, behind, form)| {
        let thing = text.strip_prefix(before)?.strip_suffix(behind)?;
        // A quoted thing is one that was reworded already.
        (!thing.starts_with('"')).then(|| match form.contains("{:?}") {
            true => form.replace("{:?}", &quoted(thing)),
            false => form.replace("{}", thing),
        })
    });
    around.unwrap_or_else(|| text.to_owned())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// AWS tells parse errors without their code.
pub(super) fn of_parser(error: &ParserError) -> String {
    match error {
        ParserError::Expected { expected, .. } if expected == "parameter name" => {
            "Parameter 1 of function definition must be a variable name (start with $)".to_owned()
        }
        ParserError::Expected { expected, .. } if expected.starts_with("a variable reference after ") => {
            let operator = expected.trim_start_matches("a variable reference after ");
            format!("The right side of \"{operator}\" must be a variable name (start with $)")
        }
        ParserError::Expected { expected, found } if found == "Eof" => {
            format!("Expected {} before end of expression", quoted(symbol(expected)))
        }
        ParserError::Expected { expected, found } => {
            format!("Expected {}, got {}", quoted(symbol(expected)), quoted(symbol(found)))
        }
        ParserError::UnclosedComment => "Comment has no closing tag".to_owned(),
        ParserError::InvalidSyntax(message) | ParserError::InvalidNumber(message) => coded(message),
        other => coded(&other.to_string()),
    }
}

fn coded(message: &str) -> String {
    let Some((code, text)) = split(message) else { return message.to_owned() };
    match code {
        "U1002" => Limit::Depth.sentence().to_owned(),
        "S0201" => format!("Syntax error: {}", quoted(symbol(text.trim_start_matches("Syntax error: ")))),
        "S0211" => {
            let token = text.trim_start_matches("The symbol ").trim_end_matches(" cannot be used as a unary operator");
            format!("The symbol {} cannot be used as a unary operator", quoted(symbol(token)))
        }
        code => reworded(code, text),
    }
}

/// The evaluator's parser shows tokens by its own names for them.
const SYMBOLS: &[(&str, &str)] = &[
    ("Ampersand", "&"),
    ("And", "and"),
    ("At", "@"),
    ("Caret", "^"),
    ("Colon", ":"),
    ("ColonEqual", ":="),
    ("Comma", ","),
    ("Dot", "."),
    ("DotDot", ".."),
    ("Equal", "="),
    ("False", "false"),
    ("GreaterThan", ">"),
    ("GreaterThanOrEqual", ">="),
    ("Hash", "#"),
    ("In", "in"),
    ("LeftBrace", "{"),
    ("LeftBracket", "["),
    ("LeftParen", "("),
    ("LessThan", "<"),
    ("LessThanOrEqual", "<="),
    ("Minus", "-"),
    ("NotEqual", "!="),
    ("Null", "null"),
    ("Or", "or"),
    ("Percent", "%"),
    ("Pipe", "|"),
    ("Plus", "+"),
    ("Question", "?"),
    ("QuestionColon", "?:"),
    ("QuestionQuestion", "??"),
    ("RightBrace", "}"),
    ("RightBracket", "]"),
    ("RightParen", ")"),
    ("Semicolon", ";"),
    ("Slash", "/"),
    ("Star", "*"),
    ("StarStar", "**"),
    ("TildeArrow", "~>"),
    ("True", "true"),
];

/// A token as it is written: `RightBracket` is `]`, `Identifier("a")` is `a`, `Number(1.0)` is `1`.
fn symbol(token: &str) -> &str {
    if let Ok(index) = SYMBOLS.binary_search_by_key(&token, |(name, _)| name) {
        return SYMBOLS[index].1;
    }
    let Some((kind, rest)) = token.split_once('(') else { return token };
    let inner = rest.strip_suffix(')').unwrap_or(rest);
    match kind {
        "Number" => inner.strip_suffix(".0").unwrap_or(inner),
        _ => inner.trim_matches('"'),
    }
}

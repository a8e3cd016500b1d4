//! The ways a caller may name a function: its name, a partial ARN, a full ARN, each with a qualifier.

use aws_protocol::{Arn, Error, Home};

use crate::error::{constraint, invalid, not_found};

/// The version that is not published: what is changed.
pub(crate) const LATEST: &str = "$LATEST";

/// AWS's bound on a function's name.
const NAME_CHARACTERS_MAX: usize = 64;

/// AWS's bound on a version or an alias.
const QUALIFIER_CHARACTERS_MAX: usize = 128;

const PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?\
                       (function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";

/// A name that a function of this home may have, and the version or alias that is meant: none for `$LATEST`. `qualifier` is
/// what the request says beside the name.
///
/// Refuses what is no name, and what belongs to another account or region.
pub(crate) fn resolve(text: &str, qualifier: Option<&str>, home: &Home) -> Result<(String, Option<String>), Error> {
    let named = Named::parse(text).ok_or_else(|| bad_name(text))?;
    if named.qualifier.is_some() && qualifier.is_some() && named.qualifier != qualifier {
        let text = "The derived qualifier from the function name does not match the specified qualifier.";
        return Err(invalid(text));
    }
    let foreign = named.account.is_some_and(|a| a != home.account) || named.region.is_some_and(|r| r != home.region);
    if foreign {
        return Err(not_found(format!("Function not found: {text}")));
    }
    let qualifier = named.qualifier.or(qualifier).filter(|q| *q != LATEST && !q.is_empty());
    if let Some(other) = qualifier.filter(|q| !is_word(q) || q.len() > QUALIFIER_CHARACTERS_MAX) {
        return Err(constraint(
            other,
            "qualifier",
            "Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)",
        ));
    }
    Ok((named.name.to_string(), qualifier.map(str::to_owned)))
}

/// A function's name without a qualifier.
pub(crate) fn is_name(text: &str) -> bool {
    is_word(text) && text.len() <= NAME_CHARACTERS_MAX
}

pub(crate) fn arn(name: &str, home: &Home) -> String {
    home.arn("lambda", &format!("function:{name}"))
}

pub(crate) fn bad_name(text: &str) -> Error {
    constraint(text, "functionName", &format!("Member must satisfy regular expression pattern: {PATTERN}"))
}

#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    name: &'a str,
    qualifier: Option<&'a str>,
    account: Option<&'a str>,
    region: Option<&'a str>,
}

impl<'a> Named<'a> {
    fn parse(text: &'a str) -> Option<Named<'a>> {
        if text.starts_with("arn:") {
            return Named::from_arn(text);
        }
        let parts: Vec<&str> = text.split(':').collect();
        let (account, rest) = match parts.as_slice() {
            [account, "function", rest @ ..] if is_account(account) => (Some(*account), rest),
            ["function", rest @ ..] if !rest.is_empty() => (None, rest),
            rest => (None, rest),
        };
        Named::from_tail(rest, account, None)
    }

    fn from_arn(text: &'a str) -> Option<Named<'a>> {
        let arn = Arn::parse(text).filter(|a| a.service == "lambda")?;
        let parts: Vec<&str> = arn.resource.split(':').collect();
        match parts.as_slice() {
            ["function", rest @ ..] => Named::from_tail(rest, Some(arn.account), Some(arn.region)),
            _ => None,
        }
    }

    fn from_tail(parts: &[&'a str], account: Option<&'a str>, region: Option<&'a str>) -> Option<Named<'a>> {
        let (name, qualifier) = match parts {
            [name] => (*name, None),
            [name, qualifier] if is_word(qualifier.trim_start_matches('$')) => (*name, Some(*qualifier)),
            _ => return None,
        };
        let fits = is_word(name) && name.len() <= NAME_CHARACTERS_MAX;
        fits.then_some(Named { name, qualifier, account, region })
    }
}

/// Letters, digits, `-` and `_`: also what makes a name safe as a folder.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let home = Home { region: "eu-west-1".into(), account: "123456789012".into() };
        let check = |text: &str, qualifier: Option<&str>, expect: Result<&str, &str>| {
            let got = resolve(text, qualifier, &home).map(|(name, qualifier)| match qualifier {
                Some(qualifier) => format!("{name} {qualifier}"),
                None => name,
            });
            assert_eq!(got.as_deref().map_err(|e| e.name), expect, "{text} {qualifier:?}");
        };
        check("f", None, Ok("f"));
        check("f:$LATEST", None, Ok("f"));
        check("f", Some("$LATEST"), Ok("f"));
        check("function:f", None, Ok("f"));
        check("function", None, Ok("function"));
        check("123456789012:function:f", None, Ok("f"));
        check("123456789012:function:f:$LATEST", None, Ok("f"));
        check("arn:aws:lambda:eu-west-1:123456789012:function:f", None, Ok("f"));
        check("arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST", None, Ok("f"));
        check("arn:aws:lambda:eu-west-1:123456789012:function:f:PROD", None, Ok("f PROD"));
        check("f", Some("1"), Ok("f 1"));
        check("f:1", Some("1"), Ok("f 1"));
        check("f", Some("a b"), Err("ValidationException"));
        check("f:1", Some("2"), Err("InvalidParameterValueException"));
        check("arn:aws:lambda:us-east-1:123456789012:function:f", None, Err("ResourceNotFoundException"));
        check("999999999999:function:f", None, Err("ResourceNotFoundException"));
        check("arn:aws:states:eu-west-1:123456789012:function:f", None, Err("ValidationException"));
        check("", None, Err("ValidationException"));
        check("../f", None, Err("ValidationException"));
        check("f:g:h", None, Err("ValidationException"));
        check(&"x".repeat(65), None, Err("ValidationException"));
    }
}

//! What a request may hold: names, ARNs, sizes. One rule, one function.

use aws_protocol::{Arn, Error};

use crate::errors;

/// "Names: 80 characters". Source: "Step Functions service quotas".
pub const NAME_CHARS_MAX: usize = 80;

/// The definition's quota: 1 MB. Source: the same page.
const DEFINITION_BYTES_MAX: usize = 1024 * 1024;

/// Characters AWS refuses in names, beside white space and control characters.
const NAME_REFUSED: &str = "?*<>{}[]\"#%\\^|~`$&,;:/";

pub fn name(name: &str) -> Result<(), Error> {
    let is_refused = |c: char| c.is_whitespace() || c.is_control() || NAME_REFUSED.contains(c) || !is_bmp_text(c);
    match name.chars().count() {
        0 => Err(errors::constraint("''", "name", "Member must have length greater than or equal to 1")),
        count if count > NAME_CHARS_MAX => {
            Err(errors::constraint(&format!("'{name}'"), "name", "Member must have length less than or equal to 80"))
        }
        _ if name.chars().any(is_refused) => Err(errors::invalid_name(name)),
        _ => Ok(()),
    }
}

/// AWS refuses the surrogate range and the two non-characters at the end of the first plane.
fn is_bmp_text(c: char) -> bool {
    !matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    StateMachine,
    Execution,
}

/// An ARN of Step Functions of the kind that is asked for.
pub fn arn(text: &str, kind: Kind) -> Result<(), Error> {
    let Some(arn) = Arn::parse(text) else {
        return Err(errors::invalid_arn(&format!("Invalid ARN prefix: {text}")));
    };
    let mut resource = arn.resource.split(':');
    let (type_name, parts) = match kind {
        Kind::StateMachine => ("stateMachine", 1),
        Kind::Execution => ("execution", 2),
    };
    let is_kind = resource.next() == Some(type_name);
    let names: Vec<&str> = resource.collect();
    if arn.service != "states" || !is_kind || names.len() < parts || names.iter().any(|name| name.is_empty()) {
        return Err(errors::invalid_arn(&format!("Resource type not valid in this context: {text}")));
    }
    Ok(())
}

pub fn definition_size(definition: &str) -> Result<(), Error> {
    if definition.is_empty() {
        return Err(errors::constraint("''", "definition", "Member must have length greater than or equal to 1"));
    }
    if definition.len() > DEFINITION_BYTES_MAX {
        return Err(errors::invalid_definition(format!(
            "Invalid State Machine Definition: 'DEFINITION_TOO_LARGE: the definition has {} bytes; the most is {DEFINITION_BYTES_MAX}'",
            definition.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(name(text).err().map(|error| error.name), expect, "{text:?}");
        };
        check("travel", None);
        check("name.with-dots_and-1", None);
        check(&"n".repeat(80), None);
        check(&"n".repeat(81), Some("ValidationException"));
        check("", Some("ValidationException"));
        for bad in ["a b", "a\u{0}", "a/b", "a:b", "a*", "a?", "{a}", "a\u{7f}"] {
            check(bad, Some("InvalidName"));
        }
    }

    #[test]
    fn arns() {
        let check = |text: &str, kind: Kind, expect: bool| assert_eq!(arn(text, kind).is_ok(), expect, "{text}");
        let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
        let execution = "arn:aws:states:us-east-1:000000000000:execution:m:e";
        check(machine, Kind::StateMachine, true);
        check(machine, Kind::Execution, false);
        check(execution, Kind::Execution, true);
        check(execution, Kind::StateMachine, false);
        check("arn:aws:states:us-east-1:000000000000:execution:m", Kind::Execution, false);
        check("arn:aws:lambda:us-east-1:000000000000:stateMachine:m", Kind::StateMachine, false);
        check("nonsense", Kind::StateMachine, false);
    }
}

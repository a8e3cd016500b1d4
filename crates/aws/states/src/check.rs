//! What a request may hold: names, ARNs, sizes. One rule, one function.

use aws_protocol::{Arn, Error};
use engine::{Qualifier, split_machine_arn};

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
    /// Of a state machine, one of its versions or one of its aliases.
    StateMachine,
    Execution,
    Activity,
    MapRun,
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
        Kind::Activity => ("activity", 1),
        Kind::MapRun => ("mapRun", 2),
    };
    let found = resource.next().unwrap_or_default();
    if arn.service == "states" && found != type_name {
        return Err(errors::invalid_arn(&format!("Resource type not valid in this context: {found}")));
    }
    let names: Vec<&str> = resource.collect();
    if arn.service != "states" || names.len() < parts || names.iter().any(|name| name.is_empty()) {
        return Err(errors::invalid_arn(&format!("Resource type not valid in this context: {text}")));
    }
    Ok(())
}

/// The ARN of a role. Nobody looks whether there is one.
pub fn role(text: &str) -> Result<(), Error> {
    match Arn::parse(text) {
        Some(arn) if arn.service == "iam" => Ok(()),
        Some(_) => Err(errors::invalid_arn(&format!("Resource type not valid in this context: {text}"))),
        None => Err(errors::invalid_arn(&format!("Invalid ARN prefix: {text}"))),
    }
}

/// An ARN of a state machine that names none of its Map states.
pub fn unlabelled(text: &str) -> Result<(), Error> {
    arn(text, Kind::StateMachine)?;
    match text.contains('/') {
        true => Err(errors::labelled(text)),
        false => Ok(()),
    }
}

/// The ARN of a version: the machine's ARN and the version's number.
pub fn version_arn(text: &str) -> Result<(&str, u32), Error> {
    arn(text, Kind::StateMachine)?;
    match split_machine_arn(text) {
        (machine, Some(Qualifier::Version(number))) => Ok((machine, number)),
        _ => Err(errors::invalid_arn(&format!("Resource type not valid in this context: {text}"))),
    }
}

/// The ARN of an alias: the machine's ARN and the alias' name.
pub fn alias_arn(text: &str) -> Result<(&str, &str), Error> {
    arn(text, Kind::StateMachine)?;
    match split_machine_arn(text) {
        (machine, Some(Qualifier::Alias(name))) => Ok((machine, name)),
        _ => Err(errors::invalid_arn(&format!("Resource type not valid in this context: {text}"))),
    }
}

/// The ARN of something that has tags: true for an activity, false for a state machine.
pub fn taggable(text: &str) -> Result<bool, Error> {
    if arn(text, Kind::Activity).is_ok() {
        return Ok(true);
    }
    arn(text, Kind::StateMachine).map(|()| false)
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
    fn qualified_arns() {
        let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
        let name = |text: &str| format!("{machine}{text}");
        assert_eq!(version_arn(&name(":7")).unwrap(), (machine, 7));
        assert_eq!(alias_arn(&name(":PROD")).unwrap(), (machine, "PROD"));
        for bad in ["", ":PROD", "/label"] {
            assert_eq!(version_arn(&name(bad)).unwrap_err().name, "InvalidArn", "{bad}");
        }
        for bad in ["", ":7"] {
            assert_eq!(alias_arn(&name(bad)).unwrap_err().name, "InvalidArn", "{bad}");
        }
        assert!(unlabelled(&name(":PROD")).is_ok());
        assert_eq!(unlabelled(&name("/label")).unwrap_err().name, "ValidationException");
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

//! `Resource` of a Task: a function, an activity, an integration, or no resource at all.

use std::sync::Arc;

use crate::definition::{Pattern, Resource};

use super::MachineType;
use super::report::{Problem, Read, Refused};
use super::state::{Here, Parser};

/// The optimized integrations and their actions (AWS Step Functions Developer Guide, "Integrating optimized
/// services"). A service that is not listed here may exist.
const ACTIONS: &[(&str, &[&str])] = &[
    ("apigateway", &["invoke"]),
    ("dynamodb", &["getItem", "putItem", "updateItem", "deleteItem"]),
    ("events", &["putEvents"]),
    ("http", &["invoke"]),
    ("lambda", &["invoke"]),
    ("sns", &["publish"]),
    ("sqs", &["sendMessage"]),
    ("states", &["startExecution"]),
];

/// The longest first: `.sync:2` ends otherwise than `.sync`.
const PATTERNS: &[Pattern] = &[Pattern::Sync2, Pattern::Sync, Pattern::Callback];

/// Services that answer at once, and never take `.sync`.
const NEVER_SYNC: &[&str] = &["apigateway", "aws-sdk", "dynamodb", "events", "lambda", "sns", "sqs"];

enum Class {
    Function,
    Service(Pattern),
    Activity,
    NotRecognized,
    NotAnArn,
}

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Resource> {
    let text = here.fields.string("Resource", p.report)?.ok_or(Refused)?;
    let at = here.fields.at.key("Resource");
    let arn: Arc<str> = Arc::from(text);
    if let Some(substitution) = unfilled(text) {
        let message = format!("Value is not a valid resource ARN: the substitution {substitution} was not filled in");
        let help = "give it a value in DefinitionSubstitutions, or write the ARN itself";
        return Err(p.report.add(Problem::schema(&at, message).help(help)));
    }
    let class = classify(text);
    let problem = match class {
        Class::Function => return Ok(Resource::Function { arn }),
        Class::Activity if p.machine == MachineType::Express => {
            Problem::schema(&at, "Express state machine does not support Activity ARN")
        }
        Class::Service(pattern) if p.machine == MachineType::Express && pattern != Pattern::RequestResponse => {
            let suffix = pattern.suffix();
            // The blank at the end is AWS's.
            Problem::schema(&at, format!("Express state machine does not support '{suffix}' service integration "))
        }
        Class::Activity => return Ok(Resource::Activity { arn }),
        Class::Service(pattern) => return Ok(service(arn, pattern)),
        Class::NotRecognized => Problem::schema(
            &at,
            format!(
                "The resource provided {text} is not recognized. The value is not a valid resource ARN, or the \
                 resource is not available in this region."
            ),
        ),
        Class::NotAnArn => Problem::schema(&at, "Value is not a valid resource ARN")
            .help("write arn:aws:lambda:REGION:ACCOUNT:function:NAME or arn:aws:states:::lambda:invoke"),
    };
    Err(p.report.add(problem))
}

/// `arn:aws:states:::SERVICE:ACTION`; the service of `aws-sdk:s3:getObject` has two parts.
fn service(arn: Arc<str>, pattern: Pattern) -> Resource {
    let rest = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let after = rest.strip_prefix("aws-sdk:").map_or(0, |_| "aws-sdk:".len());
    let (service, action) = match rest[after..].find(':') {
        Some(at) => (&rest[..after + at], &rest[after + at + 1..]),
        None => (rest, ""),
    };
    Resource::Service { service: service.into(), action: action.into(), pattern, arn: arn.clone() }
}

/// The first `${...}` of a text.
fn unfilled(text: &str) -> Option<&str> {
    let start = text.find("${")?;
    let end = text[start..].find('}')?;
    Some(&text[start..=start + end])
}

fn classify(text: &str) -> Class {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, service, region, account, rest] = parts[..] else { return Class::NotAnArn };
    match service {
        _ if !partition.starts_with("aws") => Class::NotAnArn,
        "lambda" if is_region(region) && is_account(account) && is_function(rest) => Class::Function,
        "states" if rest.starts_with("activity:") => Class::Activity,
        "states" => integration(rest),
        _ => Class::NotAnArn,
    }
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// AWS takes words too, as in the ARNs of examples: so recorded.
fn is_account(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// `function:NAME` or `function:NAME:QUALIFIER`.
fn is_function(rest: &str) -> bool {
    let word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    match rest.split(':').collect::<Vec<_>>()[..] {
        ["function", name] => word(name, b"-_"),
        ["function", name, qualifier] => word(name, b"-_") && word(qualifier, b"-_$"),
        _ => false,
    }
}

/// `SERVICE:ACTION`, `SERVICE:ACTION.PATTERN`, `aws-sdk:SERVICE:ACTION`.
fn integration(rest: &str) -> Class {
    let Some((service, action)) = rest.split_once(':') else { return Class::NotAnArn };
    let pattern = PATTERNS.iter().copied().find(|pattern| action.ends_with(pattern.suffix()));
    let pattern = pattern.unwrap_or(Pattern::RequestResponse);
    let base = action.strip_suffix(pattern.suffix()).unwrap_or(action);
    let known = ACTIONS.iter().find(|(name, _)| *name == service).map(|(_, actions)| *actions);
    match pattern {
        _ if base.is_empty() || (service == "aws-sdk" && !base.contains(':')) => Class::NotRecognized,
        _ if known.is_some_and(|actions| !actions.contains(&base)) => Class::NotRecognized,
        Pattern::Sync | Pattern::Sync2 if NEVER_SYNC.contains(&service) => Class::NotRecognized,
        pattern => Class::Service(pattern),
    }
}

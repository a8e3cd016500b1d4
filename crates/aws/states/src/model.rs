//! What a request may hold by AWS's service model, before any action looks at it: which members are required, of what
//! type, how long, how large, which of a set.
//!
//! A member of another type is a `SerializationException`. All other violations are told together, in one
//! `ValidationException`, as AWS's front does. What a member *means* is for its action.
//!
//! Source: the service model `stepfunctions` 2016-11-23; the forms of the texts are recorded.

use aws_protocol::Error;
use serde_json::{Map, Value};

use crate::errors;

/// What may stand in one place.
enum Shape {
    Text {
        min: usize,
        max: usize,
        pattern: Option<&'static Pattern>,
        /// Such a text is not repeated in errors.
        is_secret: bool,
    },
    OneOf(&'static [&'static str]),
    Whole(i64, i64),
    Number(f64, f64),
    Boolean,
    List {
        of: &'static Shape,
        min: usize,
        max: usize,
    },
    /// The name is AWS's, for its texts.
    Structure(&'static str, &'static [Member]),
}

struct Member {
    name: &'static str,
    is_required: bool,
    shape: &'static Shape,
}

struct Pattern {
    text: &'static str,
    matches: fn(&str) -> bool,
}

use Shape::{Boolean, List, Number, OneOf, Structure, Text, Whole};

const fn text(min: usize, max: usize) -> Shape {
    Text { min, max, pattern: None, is_secret: false }
}

const fn secret(min: usize, max: usize) -> Shape {
    Text { min, max, pattern: None, is_secret: true }
}

const fn patterned(min: usize, max: usize, pattern: &'static Pattern) -> Shape {
    Text { min, max, pattern: Some(pattern), is_secret: false }
}

const fn must(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, is_required: true, shape }
}

const fn may(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, is_required: false, shape }
}

const NAME: Shape = text(1, 80);
const ARN: Shape = text(1, 256);
const LONG_ARN: Shape = text(1, 2000);
const DEFINITION: Shape = secret(1, 1_048_576);
const DATA: Shape = secret(0, 262_144);
const ERROR: Shape = secret(0, 256);
const CAUSE: Shape = secret(0, 32_768);
const DESCRIPTION: Shape = secret(0, 256);
const TASK_TOKEN: Shape = text(1, 2048);
const PAGE_TOKEN: Shape = text(1, 1024);
const PAGE_SIZE: Shape = Whole(0, 1000);
const COUNT: Shape = Whole(0, i64::MAX);
const ANY_TEXT: Shape = text(0, usize::MAX);
const INCLUDED: Shape = OneOf(&["ALL_DATA", "METADATA_ONLY"]);
const MACHINE_TYPE: Shape = OneOf(&["STANDARD", "EXPRESS"]);

const ALIAS_NAME: Shape = patterned(
    1,
    80,
    &Pattern {
        text: r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$",
        matches: |text| {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            text.chars().all(is_allowed) && !text.chars().all(|c| c.is_ascii_digit())
        },
    },
);
const CLIENT_TOKEN: Shape =
    patterned(1, 64, &Pattern { text: "[!-~]+", matches: |text| text.bytes().all(|byte| byte.is_ascii_graphic()) });
const TRACE_HEADER: Shape = patterned(0, 256, &Pattern { text: r"\p{ASCII}*", matches: str::is_ascii });

const TAG_KEY: Shape = text(1, 128);
const TAG_KEYS: Shape = List { of: &TAG_KEY, min: 0, max: usize::MAX };
const TAGS: Shape =
    List { of: &Structure("Tag", &[may("key", &TAG_KEY), may("value", &text(0, 256))]), min: 0, max: usize::MAX };
const ENCRYPTION: Shape = Structure(
    "EncryptionConfiguration",
    &[
        may("kmsKeyId", &text(1, 2048)),
        may("kmsDataKeyReusePeriodSeconds", &Whole(60, 900)),
        must("type", &OneOf(&["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"])),
    ],
);
const LOGGING: Shape = Structure(
    "LoggingConfiguration",
    &[
        may("level", &OneOf(&["ALL", "ERROR", "FATAL", "OFF"])),
        may("includeExecutionData", &Boolean),
        may(
            "destinations",
            &List {
                of: &Structure(
                    "LogDestination",
                    &[may("cloudWatchLogsLogGroup", &Structure("CloudWatchLogsLogGroup", &[may("logGroupArn", &ARN)]))],
                ),
                min: 0,
                max: usize::MAX,
            },
        ),
    ],
);
const TRACING: Shape = Structure("TracingConfiguration", &[may("enabled", &Boolean)]);
const ROUTING: Shape = List {
    of: &Structure(
        "RoutingConfigurationListItem",
        &[must("stateMachineVersionArn", &ARN), must("weight", &Whole(0, 100))],
    ),
    min: 1,
    max: 2,
};
const MOCK: Shape = Structure(
    "MockInput",
    &[
        may("result", &DATA),
        may("errorOutput", &Structure("MockErrorOutput", &[may("error", &ERROR), may("cause", &CAUSE)])),
        may("fieldValidationMode", &OneOf(&["STRICT", "PRESENT", "NONE"])),
    ],
);
const TEST_CONFIGURATION: Shape = Structure(
    "TestStateConfiguration",
    &[
        may("retrierRetryCount", &COUNT),
        may("errorCausedByState", &secret(1, 80)),
        may("mapIterationFailureCount", &COUNT),
        may("mapItemReaderData", &DATA),
    ],
);

/// Operations that ask for one thing by its ARN and for a page of what belongs to it.
const fn page_of(arn: &'static str) -> [Member; 3] {
    [must(arn, &ARN), may("maxResults", &PAGE_SIZE), may("nextToken", &PAGE_TOKEN)]
}

const OF_MACHINE: &[Member] = &page_of("stateMachineArn");
const OF_EXECUTION: &[Member] = &page_of("executionArn");
const PAGE: &[Member] = &[may("maxResults", &PAGE_SIZE), may("nextToken", &PAGE_TOKEN)];

const OPERATIONS: &[(&str, &[Member])] = &[
    ("CreateActivity", &[must("name", &NAME), may("tags", &TAGS), may("encryptionConfiguration", &ENCRYPTION)]),
    (
        "CreateStateMachine",
        &[
            must("name", &NAME),
            must("definition", &DEFINITION),
            must("roleArn", &ARN),
            may("type", &MACHINE_TYPE),
            may("loggingConfiguration", &LOGGING),
            may("tags", &TAGS),
            may("tracingConfiguration", &TRACING),
            may("publish", &Boolean),
            may("versionDescription", &DESCRIPTION),
            may("encryptionConfiguration", &ENCRYPTION),
        ],
    ),
    (
        "CreateStateMachineAlias",
        &[may("description", &DESCRIPTION), must("name", &ALIAS_NAME), must("routingConfiguration", &ROUTING)],
    ),
    ("DeleteActivity", &[must("activityArn", &ARN)]),
    ("DeleteStateMachine", &[must("stateMachineArn", &ARN)]),
    ("DeleteStateMachineAlias", &[must("stateMachineAliasArn", &ARN)]),
    ("DeleteStateMachineVersion", &[must("stateMachineVersionArn", &LONG_ARN)]),
    ("DescribeActivity", &[must("activityArn", &ARN)]),
    ("DescribeExecution", &[must("executionArn", &ARN), may("includedData", &INCLUDED)]),
    ("DescribeMapRun", &[must("mapRunArn", &LONG_ARN)]),
    ("DescribeStateMachine", &[must("stateMachineArn", &ARN), may("includedData", &INCLUDED)]),
    ("DescribeStateMachineAlias", &[must("stateMachineAliasArn", &ARN)]),
    ("DescribeStateMachineForExecution", &[must("executionArn", &ARN), may("includedData", &INCLUDED)]),
    ("GetActivityTask", &[must("activityArn", &ARN), may("workerName", &NAME)]),
    (
        "GetExecutionHistory",
        &[
            must("executionArn", &ARN),
            may("maxResults", &PAGE_SIZE),
            may("reverseOrder", &Boolean),
            may("nextToken", &PAGE_TOKEN),
            may("includeExecutionData", &Boolean),
        ],
    ),
    ("ListActivities", PAGE),
    (
        "ListExecutions",
        &[
            may("stateMachineArn", &ARN),
            may("statusFilter", &OneOf(&["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"])),
            may("maxResults", &PAGE_SIZE),
            may("nextToken", &text(1, 3096)),
            may("mapRunArn", &LONG_ARN),
            may("redriveFilter", &OneOf(&["REDRIVEN", "NOT_REDRIVEN"])),
        ],
    ),
    ("ListMapRuns", OF_EXECUTION),
    ("ListStateMachineAliases", OF_MACHINE),
    ("ListStateMachineVersions", OF_MACHINE),
    ("ListStateMachines", PAGE),
    ("ListTagsForResource", &[must("resourceArn", &ARN)]),
    (
        "PublishStateMachineVersion",
        &[must("stateMachineArn", &ARN), may("revisionId", &ANY_TEXT), may("description", &DESCRIPTION)],
    ),
    ("RedriveExecution", &[must("executionArn", &ARN), may("clientToken", &CLIENT_TOKEN)]),
    ("SendTaskFailure", &[must("taskToken", &TASK_TOKEN), may("error", &ERROR), may("cause", &CAUSE)]),
    ("SendTaskHeartbeat", &[must("taskToken", &TASK_TOKEN)]),
    ("SendTaskSuccess", &[must("taskToken", &TASK_TOKEN), must("output", &DATA)]),
    (
        "StartExecution",
        &[must("stateMachineArn", &ARN), may("name", &NAME), may("input", &DATA), may("traceHeader", &TRACE_HEADER)],
    ),
    (
        "StartSyncExecution",
        &[
            must("stateMachineArn", &ARN),
            may("name", &NAME),
            may("input", &DATA),
            may("traceHeader", &TRACE_HEADER),
            may("includedData", &INCLUDED),
        ],
    ),
    ("StopExecution", &[must("executionArn", &ARN), may("error", &ERROR), may("cause", &CAUSE)]),
    ("TagResource", &[must("resourceArn", &ARN), must("tags", &TAGS)]),
    (
        "TestState",
        &[
            must("definition", &DEFINITION),
            may("roleArn", &ARN),
            may("input", &DATA),
            may("inspectionLevel", &OneOf(&["INFO", "DEBUG", "TRACE"])),
            may("revealSecrets", &Boolean),
            may("variables", &DATA),
            may("stateName", &secret(1, 80)),
            may("mock", &MOCK),
            may("context", &DATA),
            may("stateConfiguration", &TEST_CONFIGURATION),
        ],
    ),
    ("UntagResource", &[must("resourceArn", &ARN), must("tagKeys", &TAG_KEYS)]),
    (
        "UpdateMapRun",
        &[
            must("mapRunArn", &LONG_ARN),
            may("maxConcurrency", &COUNT),
            may("toleratedFailurePercentage", &Number(0.0, 100.0)),
            may("toleratedFailureCount", &COUNT),
        ],
    ),
    (
        "UpdateStateMachine",
        &[
            must("stateMachineArn", &ARN),
            may("definition", &DEFINITION),
            may("roleArn", &ARN),
            may("loggingConfiguration", &LOGGING),
            may("tracingConfiguration", &TRACING),
            may("publish", &Boolean),
            may("versionDescription", &DESCRIPTION),
            may("encryptionConfiguration", &ENCRYPTION),
        ],
    ),
    (
        "UpdateStateMachineAlias",
        &[must("stateMachineAliasArn", &ARN), may("description", &DESCRIPTION), may("routingConfiguration", &ROUTING)],
    ),
    (
        "ValidateStateMachineDefinition",
        &[
            must("definition", &DEFINITION),
            may("type", &MACHINE_TYPE),
            may("severity", &OneOf(&["ERROR", "WARNING"])),
            may("maxResults", &Whole(0, 100)),
        ],
    ),
];

/// A longer text is told by its length.
const SHOWN_CHARS_MAX: usize = 2048;

/// Violations told at once, at most: no answer grows with what is wrong.
const VIOLATIONS_MAX: usize = 100;

/// Checks the body of a request; an operation that is not in the model has nothing to break.
pub fn check(operation: &str, body: &Value) -> Result<(), Error> {
    let Some((_, members)) = OPERATIONS.iter().find(|(name, _)| *name == operation) else { return Ok(()) };
    let Value::Object(body) = body else { return Ok(()) };
    let mut violations = Vec::new();
    check_members(body, members, "", &mut violations)?;
    match violations.is_empty() {
        true => Ok(()),
        false => Err(errors::constraints(&violations)),
    }
}

fn check_members(
    found: &Map<String, Value>,
    members: &[Member],
    above: &str,
    violations: &mut Vec<String>,
) -> Result<(), Error> {
    for member in members {
        let place = || format!("{above}{}", member.name);
        match found.get(member.name).filter(|value| !value.is_null()) {
            Some(value) => check_value(value, member.shape, &place, violations)?,
            None if member.is_required => add(violations, "null", &place, "Member must not be null"),
            None => {}
        }
    }
    Ok(())
}

fn check_value(
    value: &Value,
    shape: &Shape,
    place: &dyn Fn() -> String,
    violations: &mut Vec<String>,
) -> Result<(), Error> {
    match (shape, value) {
        (Text { min, max, pattern, is_secret }, Value::String(text)) => {
            let count = text.chars().count();
            let rule = match pattern {
                _ if count < *min => Some(format!("Member must have length greater than or equal to {min}")),
                _ if count > *max => Some(format!("Member must have length less than or equal to {max}")),
                Some(pattern) if !(pattern.matches)(text) => {
                    Some(format!("Member must satisfy regular expression pattern: {}", pattern.text))
                }
                _ => None,
            };
            if let Some(rule) = rule {
                let shown = match is_secret {
                    true => String::new(),
                    false if count > SHOWN_CHARS_MAX => format!("of length {count}"),
                    false => format!("'{text}'"),
                };
                add(violations, &shown, place, &rule);
            }
        }
        (OneOf(names), Value::String(name)) => {
            if !names.contains(&name.as_str()) {
                let rule = format!("Member must satisfy enum value set: [{}]", names.join(", "));
                add(violations, &format!("'{name}'"), place, &rule);
            }
        }
        (Whole(min, max), Value::Number(number)) if number.is_i64() || number.is_u64() => {
            let number = number.as_i64().unwrap_or(i64::MAX);
            check_range(number, *min, *max, place, violations);
        }
        (Number(min, max), Value::Number(number)) => {
            check_range(number.as_f64().unwrap_or(f64::NAN), *min, *max, place, violations);
        }
        (Boolean, Value::Bool(_)) => {}
        (List { of, min, max }, Value::Array(items)) => {
            if items.len() < *min || items.len() > *max {
                let (words, bound) = if items.len() < *min { ("greater", min) } else { ("less", max) };
                let rule = format!("Member must have length {words} than or equal to {bound}");
                add(violations, &format!("'{}'", shown(value, shape)), place, &rule);
            }
            for (item, number) in items.iter().zip(1..) {
                let place = || format!("{}.{number}.member", place());
                check_value(item, of, &place, violations)?;
            }
        }
        (Structure(_, members), Value::Object(found)) => {
            check_members(found, members, &format!("{}.", place()), violations)?;
        }
        (Text { .. } | OneOf(_) | Whole(..) | Number(..) | Boolean | List { .. } | Structure(..), _) => {
            return Err(errors::serialization(mismatch(value, shape)));
        }
    }
    Ok(())
}

fn check_range<T: PartialOrd + std::fmt::Display>(
    number: T,
    min: T,
    max: T,
    place: &dyn Fn() -> String,
    violations: &mut Vec<String>,
) {
    let (words, bound) = match () {
        () if number < min => ("greater", min),
        () if number > max => ("less", max),
        () => return,
    };
    let rule = format!("Member must have value {words} than or equal to {bound}");
    add(violations, &format!("'{number}'"), place, &rule);
}

fn add(violations: &mut Vec<String>, value: &str, place: &dyn Fn() -> String, rule: &str) {
    if violations.len() < VIOLATIONS_MAX {
        violations.push(errors::violation(value, &place(), rule));
    }
}

/// A value as AWS writes it into its texts.
fn shown(value: &Value, shape: &Shape) -> String {
    match (value, shape) {
        (Value::Array(items), List { of, .. }) => {
            format!("[{}]", items.iter().map(|item| shown(item, of)).collect::<Vec<_>>().join(", "))
        }
        (Value::Object(found), Structure(name, members)) => {
            let member = |member: &Member| {
                let value = found.get(member.name).unwrap_or(&Value::Null);
                format!("{}={}", member.name, shown(value, member.shape))
            };
            format!("{name}({})", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        (Value::String(text), _) => text.clone(),
        (other, _) => other.to_string(),
    }
}

/// What was found where something else has to be, in the words of AWS's reader.
fn mismatch(found: &Value, expected: &Shape) -> String {
    let found = match found {
        Value::Object(_) => return "Start of structure or map found where not expected.".to_owned(),
        Value::Array(_) => return "Start of list found where not expected".to_owned(),
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
    };
    let expected = match expected {
        Text { .. } | OneOf(_) => "String",
        Whole(..) => "Integer",
        Number(..) => "Float",
        Boolean => "Boolean",
        List { .. } | Structure(..) => return "Unexpected field type".to_owned(),
    };
    format!("{found} cannot be converted to {expected}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests() {
        let check = |operation: &str, body: Value, expect: &str| {
            let found = super::check(operation, &body).err().map_or_else(String::new, |error| error.to_string());
            assert_eq!(found, expect, "{operation} {body}");
        };
        let at = |value: &str, member: &str, rule: &str| {
            let start = "ValidationException: 1 validation error detected: Value";
            format!("{start}{value} at '{member}' failed to satisfy constraint: Member must {rule}")
        };
        let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
        check("StartExecution", json!({ "stateMachineArn": arn, "input": "{}", "unknown": 1 }), "");
        check("StartExecution", json!({ "stateMachineArn": arn, "name": null }), "");
        check("ListStateMachines", json!({}), "");
        check("Other", json!({ "name": 1 }), "");
        check("StartExecution", json!({}), &at(" null", "stateMachineArn", "not be null"));
        let long = "x".repeat(257);
        let rule = "have length less than or equal to 256";
        check("DescribeActivity", json!({ "activityArn": long }), &at(&format!(" '{long}'"), "activityArn", rule));
        let secret = json!({ "executionArn": arn, "error": long });
        check("StopExecution", secret, &at("", "error", "have length less than or equal to 256"));
        let routes = |weight: Value| json!([{ "stateMachineVersionArn": arn, "weight": weight }]);
        let alias = |weight| json!({ "stateMachineAliasArn": arn, "routingConfiguration": routes(weight) });
        check("UpdateStateMachineAlias", alias(json!(100)), "");
        let place = "routingConfiguration.1.member.weight";
        check(
            "UpdateStateMachineAlias",
            alias(json!(101)),
            &at(" '101'", place, "have value less than or equal to 100"),
        );
        check("UpdateStateMachineAlias", alias(json!(null)), &at(" null", place, "not be null"));
        check(
            "UpdateStateMachineAlias",
            alias(json!("1")),
            "SerializationException: STRING_VALUE cannot be converted to Integer",
        );
        let many = json!({ "stateMachineAliasArn": arn, "routingConfiguration": vec![json!({ "stateMachineVersionArn": "v", "weight": 1 }); 3] });
        let item = "RoutingConfigurationListItem(stateMachineVersionArn=v, weight=1)";
        let value = format!(" '[{item}, {item}, {item}]'");
        check(
            "UpdateStateMachineAlias",
            many,
            &at(&value, "routingConfiguration", "have length less than or equal to 2"),
        );
        let both = json!({ "maxResults": -1, "nextToken": "" });
        check(
            "ListActivities",
            both,
            "ValidationException: 2 validation errors detected: Value '-1' at 'maxResults' failed to satisfy constraint: \
             Member must have value greater than or equal to 0; Value '' at 'nextToken' failed to satisfy constraint: \
             Member must have length greater than or equal to 1",
        );
        check(
            "UpdateMapRun",
            json!({ "mapRunArn": arn, "toleratedFailurePercentage": 100.5 }),
            &at(" '100.5'", "toleratedFailurePercentage", "have value less than or equal to 100"),
        );
        for (name, is_name) in
            [("PROD", true), ("1a", true), ("v-1.2_x", true), ("1", false), ("a b", false), ("a:b", false)]
        {
            let alias = json!({ "name": name, "routingConfiguration": routes(json!(100)) });
            assert_eq!(super::check("CreateStateMachineAlias", &alias).is_ok(), is_name, "{name}");
        }
        let token = json!({ "executionArn": arn, "clientToken": "a b" });
        check("RedriveExecution", token, &at(" 'a b'", "clientToken", "satisfy regular expression pattern: [!-~]+"));
        for (body, what) in [
            (json!({ "name": {} }), "Start of structure or map found where not expected."),
            (json!({ "name": [] }), "Start of list found where not expected"),
            (json!({ "name": 1 }), "NUMBER_VALUE cannot be converted to String"),
            (json!({ "name": "n", "tags": "t" }), "Unexpected field type"),
        ] {
            check("CreateActivity", body, &format!("SerializationException: {what}"));
        }
    }
}

//! What AWS services answer, and whether a mocked result could be such an answer.
//!
//! The shapes stand in `models/outputs.txt`, which tells their form and the services that are covered. Of a service or
//! an operation that is not covered nothing is known, so every result will do; the same holds for tasks whose result
//! somebody else decides: a function by its ARN, an activity, a task token, an HTTP endpoint.
//!
//! Members that a shape does not have are let through, as AWS does.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

/// How closely a result is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What is there must fit, and what is required must be there.
    Strict,
    /// What is there must fit.
    Present,
    None,
}

const TEXT: &str = include_str!("../../../models/outputs.txt");

/// Results and shapes nest no deeper than a payload may; this is ours, for shapes that name themselves.
const DEPTH_MAX: usize = 128;

/// Why this result cannot be the answer of this task, in AWS's words; none if it can, or if nobody knows.
pub fn misfit(resource: &str, result: &Value, mode: Mode) -> Option<String> {
    if mode == Mode::None {
        return None;
    }
    let (service, shape) = answer_of(resource)?;
    if !result.is_object() {
        return Some("Mocked result must be a JSON object.".into());
    }
    let check = Check { service, is_strict: mode == Mode::Strict };
    let wrong = check.value("", shape, result, 0).err()?;
    Some(format!("Mock result schema validation error: {wrong}"))
}

/// The shape that an integration answers with: `arn:aws:states:::lambda:invoke`, `...:::aws-sdk:s3:getObject`.
fn answer_of(resource: &str) -> Option<(&'static Service, &'static str)> {
    let integration = resource.splitn(6, ':').nth(5).filter(|_| resource.contains(":states:::"))?;
    let (name, operation) = integration.rsplit_once(':')?;
    let find = |wanted: &dyn Fn(&Service) -> bool| services().iter().find(|service| wanted(service));
    let service = match name.strip_prefix("aws-sdk:") {
        Some(sdk) => find(&|service| service.sdk == sdk)?,
        None => find(&|service| service.optimized == Some(name))?,
    };
    let mut letters = operation.chars();
    let operation = letters.next()?.to_uppercase().chain(letters).collect::<String>();
    Some((service, service.operations.get(operation.as_str())?))
}

struct Service {
    sdk: &'static str,
    optimized: Option<&'static str>,
    operations: HashMap<&'static str, &'static str>,
    shapes: HashMap<&'static str, Shape>,
}

enum Shape {
    Structure(Vec<Member>),
    List(&'static str),
    Map(&'static str),
    Words(Vec<&'static str>),
    Range(Option<f64>, Option<f64>),
}

struct Member {
    name: &'static str,
    shape: &'static str,
    is_required: bool,
}

fn services() -> &'static [Service] {
    static SERVICES: OnceLock<Vec<Service>> = OnceLock::new();
    SERVICES.get_or_init(|| {
        let mut services = Vec::new();
        TEXT.lines().for_each(|line| read(line, &mut services));
        services
    })
}

fn read(line: &'static str, services: &mut Vec<Service>) {
    let mut words = line.split(' ');
    let (Some(first), second) = (words.next(), words.next()) else { return };
    match (first, second, services.last_mut()) {
        ("#" | "", ..) => {}
        ("@", Some(sdk), _) => {
            let (operations, shapes) = Default::default();
            services.push(Service { sdk, optimized: words.next(), operations, shapes });
        }
        (">", Some(operation), Some(service)) => {
            service.operations.extend(words.next().map(|shape| (operation, shape)));
        }
        (name, Some(form), Some(service)) => {
            service.shapes.extend(shape(form, words).map(|shape| (name, shape)));
        }
        _ => unreachable!("INVARIANT: the table begins with a service, and every line of it has a form"),
    }
}

fn shape(form: &str, mut words: std::str::Split<'static, char>) -> Option<Shape> {
    let bound = |word: Option<&str>| word.and_then(|word| word.parse().ok());
    Some(match form {
        "=" => Shape::Structure(words.filter_map(member).collect()),
        "[" => Shape::List(words.next()?),
        "{" => Shape::Map(words.next()?),
        "|" => Shape::Words(words.collect()),
        "#" => Shape::Range(bound(words.next()), bound(words.next())),
        _ => unreachable!("INVARIANT: the table has these forms"),
    })
}

fn member(text: &'static str) -> Option<Member> {
    let (name, shape) = text.split_once(':')?;
    let required = name.strip_prefix('!');
    Some(Member { name: required.unwrap_or(name), shape, is_required: required.is_some() })
}

struct Check {
    service: &'static Service,
    is_strict: bool,
}

impl Check {
    /// `field` is the name of the member that the value belongs to.
    fn value(&self, field: &str, shape: &str, value: &Value, depth: usize) -> Result<(), String> {
        let must = |holds: bool, be: &str| if holds { Ok(()) } else { Err(format!("Field '{field}' must be {be}")) };
        if depth > DEPTH_MAX {
            return Ok(());
        }
        match (self.service.shapes.get(shape), shape) {
            (Some(Shape::Structure(members)), _) => {
                must(value.is_object(), "an object")?;
                self.structure(members, value, depth)
            }
            (Some(Shape::List(shape)), _) => {
                must(value.is_array(), "an array")?;
                value.as_array().into_iter().flatten().try_for_each(|item| self.value(field, shape, item, depth + 1))
            }
            (Some(Shape::Map(shape)), _) => {
                must(value.is_object(), "an object")?;
                let mut entries = value.as_object().into_iter().flatten();
                entries.try_for_each(|(key, value)| self.value(key, shape, value, depth + 1))
            }
            (Some(Shape::Words(words)), _) => {
                must(value.is_string(), "a string")?;
                match value.as_str().is_some_and(|word| words.contains(&word)) {
                    true => Ok(()),
                    false => Err(format!("Field '{field}' is not an expected value")),
                }
            }
            (Some(Shape::Range(min, max)), _) => {
                must(value.is_number(), "a number")?;
                range(field, value.as_f64().unwrap_or_default(), *min, *max)
            }
            (None, "String") => must(value.is_string(), "a string"),
            (None, "Number") => must(value.is_number(), "a number"),
            (None, "Boolean") => must(value.is_boolean(), "a boolean"),
            (None, "Timestamp") => must(value.is_string() || value.is_number(), "a valid timestamp"),
            // The bytes that a function answers with are shown as the JSON in them.
            (None, _) => Ok(()),
        }
    }

    fn structure(&self, members: &[Member], value: &Value, depth: usize) -> Result<(), String> {
        let is_missing = |member: &&Member| member.is_required && value.get(member.name).is_none_or(Value::is_null);
        if let Some(missing) = members.iter().find(is_missing).filter(|_| self.is_strict) {
            return Err(format!("Required field '{}' is missing", missing.name));
        }
        let present = members.iter().filter_map(|member| Some((member, value.get(member.name)?)));
        present
            .filter(|(_, value)| !value.is_null())
            .try_for_each(|(member, value)| self.value(member.name, member.shape, value, depth + 1))
    }
}

fn range(field: &str, number: f64, min: Option<f64>, max: Option<f64>) -> Result<(), String> {
    match () {
        () if min.is_some_and(|min| number < min) => Err(format!("Field '{field}' is less than the minimum value")),
        () if max.is_some_and(|max| number > max) => Err(format!("Field '{field}' exceeds the maximum value")),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(resource: &str, mode: Mode, result: Value, expect: Option<&str>) {
        let wrong = misfit(&format!("arn:aws:states:::{resource}"), &result, mode);
        let wrong = wrong.as_deref().map(|text| text.strip_prefix("Mock result schema validation error: ").unwrap());
        assert_eq!(wrong, expect, "{resource} {result}");
    }

    #[test]
    fn results_that_fit_and_that_do_not() {
        use Mode::{Present, Strict};
        let missing = Some("Required field 'ExecutionArn' is missing");
        check("states:startExecution", Strict, json!({}), missing);
        check("states:startExecution", Strict, json!({ "ExecutionArn": null, "StartDate": 1 }), missing);
        check("states:startExecution", Present, json!({}), None);
        check("states:startExecution", Mode::None, json!({ "ExecutionArn": 1 }), None);
        let timestamp = Some("Field 'StartDate' must be a valid timestamp");
        check("aws-sdk:sfn:startExecution", Strict, json!({ "ExecutionArn": "a", "StartDate": true }), timestamp);
        // Members that the answer does not have, and an operation and a service that are not known.
        check("sqs:sendMessage", Strict, json!({ "Colour": 1 }), None);
        check("aws-sdk:s3:makeCoffee", Strict, json!(1), None);
        check("aws-sdk:coffee:make", Strict, json!(1), None);
        check("http:invoke", Strict, json!("x"), None);
        // A token's holder and a function by its ARN answer what they like.
        check("sqs:sendMessage.waitForTaskToken", Strict, json!({ "MessageId": 1 }), None);
        assert_eq!(misfit("arn:aws:lambda:us-east-1:1:function:invoke", &json!(1), Strict), None);
    }

    #[test]
    fn shapes_within_shapes() {
        use Mode::Present;
        let put = |value: Value| json!({ "Attributes": { "id": value } });
        check("dynamodb:updateItem", Present, put(json!({ "S": "a" })), None);
        check("dynamodb:updateItem", Present, put(json!("a")), Some("Field 'id' must be an object"));
        check("dynamodb:updateItem", Present, put(json!({ "BOOL": "a" })), Some("Field 'BOOL' must be a boolean"));
        check("dynamodb:updateItem", Present, put(json!({ "SS": ["a", 1] })), Some("Field 'SS' must be a string"));
        let deep = put(json!({ "L": [{ "M": { "x": { "N": 1 } } }] }));
        check("dynamodb:updateItem", Present, deep, Some("Field 'N' must be a string"));
        check("lambda:invoke", Present, json!({ "Payload": [1] }), None);
    }

    #[test]
    fn every_shape_of_the_table_is_there() {
        let simple = ["String", "Number", "Boolean", "Timestamp", "Blob"];
        for service in services() {
            let known = |name: &str| simple.contains(&name) || service.shapes.contains_key(name);
            assert!(service.operations.values().all(|shape| known(shape)), "{}", service.sdk);
            for (name, shape) in &service.shapes {
                assert!(!simple.contains(name), "{} {name}", service.sdk);
                let is_whole = match shape {
                    Shape::Structure(members) => members.iter().all(|member| known(member.shape)),
                    Shape::List(shape) | Shape::Map(shape) => known(shape),
                    Shape::Words(words) => !words.is_empty(),
                    Shape::Range(min, max) => min.is_some() || max.is_some(),
                };
                assert!(is_whole, "{} {name}", service.sdk);
            }
        }
    }
}

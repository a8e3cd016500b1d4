//! What a request wants of a stack: its template, from wherever it is, and the values of its parameters.

use std::collections::BTreeMap;

use aws_protocol::Error;
use aws_protocol::query::Form;

use super::{CloudFormation, Wanted, invalid};
use crate::names;
use crate::stacks::{Said, Stack};
use crate::summary::{Summary, summary};

/// AWS's limits of a template: in a request, and of an object.
const BODY_BYTES_MAX: usize = 51_200;
const TAGS_MAX: usize = 50;

/// A request that was read.
pub struct Asked {
    pub wanted: Wanted,
    pub said: Said,
}

/// AWS's words for a name that it does not take.
pub fn check_stack_name(name: &str) -> Result<(), Error> {
    if names::is_stack_name(name) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    )))
}

/// The template that a request has, names, or means by the stack that is there.
pub fn template(door: &CloudFormation, form: &Form, before: Option<&Stack>) -> Result<String, Error> {
    match (form.get("TemplateBody"), form.get("TemplateURL"), before) {
        (Some(_), Some(_), _) => Err(invalid("Specify only one of TemplateBody and TemplateURL")),
        (Some(body), None, _) if body.len() > BODY_BYTES_MAX => Err(invalid(format!(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to {BODY_BYTES_MAX}"
        ))),
        (Some(body), None, _) => Ok(body.to_owned()),
        (None, Some(url), _) => door.0.deploys.text_at(url).map_err(|why| invalid(format!("TemplateURL {url}: {why}"))),
        (None, None, Some(stack)) if form.is_true("UsePreviousTemplate") => Ok(stack.template.clone()),
        (None, None, _) => Err(invalid("Either Template URL or Template Body must be specified.")),
    }
}

pub fn summarise(template: &str) -> Result<Summary, Error> {
    summary(template).map_err(|diagnostics| {
        let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        invalid(format!("Template format error: {}", texts.join("\n")))
    })
}

/// Reads what CreateStack, UpdateStack and CreateChangeSet have in common. A change set needs no leave for transforms.
pub fn read(door: &CloudFormation, form: &Form, before: Option<&Stack>, is_change_set: bool) -> Result<Asked, Error> {
    let template = template(door, form, before)?;
    let summary = summarise(&template)?;
    let given = form.texts("Capabilities");
    check_capabilities(&summary, &given, is_change_set)?;
    let parameters = parameters(form, &summary, before)?;
    let mut tags: BTreeMap<String, String> = form
        .list("Tags")
        .iter()
        .map(|tag| (tag.get("Key").unwrap_or_default().to_owned(), tag.get("Value").unwrap_or_default().to_owned()))
        .collect();
    if form.list("Tags").is_empty() {
        tags = before.map(|stack| stack.tags.clone()).unwrap_or_default();
    }
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!("A stack has at most {TAGS_MAX} tags")));
    }
    let name = super::name_of(form.required("StackName")?).to_owned();
    check_stack_name(&name)?;
    let said = Said {
        capabilities: given,
        notification_arns: form.texts("NotificationARNs"),
        role_arn: form.get("RoleARN").map(str::to_owned),
        disable_rollback: form.is_true("DisableRollback"),
        is_protected: before
            .map_or_else(|| form.is_true("EnableTerminationProtection"), |stack| stack.said.is_protected),
        change_set_id: before.and_then(|stack| stack.said.change_set_id.clone()),
    };
    Ok(Asked { wanted: Wanted { stack_name: name, template, parameters, tags }, said })
}

fn check_capabilities(summary: &Summary, given: &[String], is_change_set: bool) -> Result<(), Error> {
    let has = |name: &str| given.iter().any(|known| known == name);
    let is_missing = |needed: &&str| match *needed {
        "CAPABILITY_IAM" => !has("CAPABILITY_IAM") && !has("CAPABILITY_NAMED_IAM"),
        "CAPABILITY_AUTO_EXPAND" => !is_change_set && !has("CAPABILITY_AUTO_EXPAND"),
        other => !has(other),
    };
    let missing: Vec<&str> = summary.capabilities.iter().copied().filter(is_missing).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::client(
            "InsufficientCapabilitiesException",
            format!("Requires capabilities : [{}]", missing.join(", ")),
        )),
    }
}

/// What is given, as it is to be kept: a previous value that was a default stays one.
fn parameters(form: &Form, summary: &Summary, before: Option<&Stack>) -> Result<BTreeMap<String, String>, Error> {
    let mut values = BTreeMap::new();
    for parameter in form.list("Parameters") {
        let name = parameter.get("ParameterKey").unwrap_or_default().to_owned();
        let previous = || before.and_then(|stack| stack.parameters.get(&name)).cloned();
        let value = match parameter.is_true("UsePreviousValue") {
            true if before.is_none() => {
                return Err(invalid(format!("Parameters: [{name}] has no previous value: the stack is new")));
            }
            true => previous(),
            false => Some(parameter.get("ParameterValue").unwrap_or_default().to_owned()),
        };
        if let Some(value) = value {
            values.insert(name, value);
        }
    }
    let is_declared = |name: &String| summary.parameters.iter().any(|declared| declared.name == *name);
    let unknown: Vec<&str> = values.keys().filter(|name| !is_declared(name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(invalid(format!("Parameters: [{}] do not exist in the template", unknown.join(", "))));
    }
    let is_missing = |name: &str| !values.contains_key(name);
    let without = summary.parameters.iter().filter(|it| it.default.is_none() && is_missing(&it.name));
    let without: Vec<&str> = without.map(|declared| declared.name.as_str()).collect();
    if !without.is_empty() {
        return Err(invalid(format!("Parameters: [{}] must have values", without.join(", "))));
    }
    Ok(values)
}

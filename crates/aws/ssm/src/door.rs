//! The operations: one table, one function each.
//!
//! Source of shapes, names and limits: the service model `ssm` 2014-11-06.

use std::collections::BTreeMap;

use aws_protocol::{Error, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::parameters::{Failure, Kind, Parameter, Version};
use crate::{Ssm, TARGET_PREFIX, built_in, now_ms};

/// A value of the standard tier, and of the advanced one.
const VALUE_BYTES_MAX: usize = 4096;
const ADVANCED_BYTES_MAX: usize = 8192;
const NAME_CHARS_MAX: usize = 1011;
/// Parts of a name.
const DEPTH_MAX: usize = 15;
/// Names of one GetParameters or DeleteParameters, and entries of one page of a path.
const NAMES_MAX: usize = 10;
/// Entries of one page of DescribeParameters and of a history.
const PAGE_MAX: usize = 50;
const LABELS_MAX: usize = 10;
const TAGS_MAX: usize = 50;

type Operation = fn(&Ssm, Value) -> Result<Value, Error>;

const OPERATIONS: [(&str, Operation); 12] = [
    ("AddTagsToResource", add_tags),
    ("DeleteParameter", delete_parameter),
    ("DeleteParameters", delete_parameters),
    ("DescribeParameters", describe_parameters),
    ("GetParameter", get_parameter),
    ("GetParameterHistory", get_parameter_history),
    ("GetParameters", get_parameters),
    ("GetParametersByPath", get_parameters_by_path),
    ("LabelParameterVersion", label_parameter_version),
    ("ListTagsForResource", list_tags),
    ("PutParameter", put_parameter),
    ("RemoveTagsFromResource", remove_tags),
];

pub fn answer(ssm: &Ssm, request: &Request) -> Result<Value, Error> {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = target.strip_prefix(TARGET_PREFIX).unwrap_or(target);
    let Some((_, operation)) = OPERATIONS.iter().find(|(known, _)| *known == name) else {
        let served: Vec<&str> = OPERATIONS.iter().map(|(name, _)| *name).collect();
        return Err(Error::client(
            "UnknownOperationException",
            format!("Ithaca does not serve the operation '{name}' of Systems Manager. It serves {}", served.join(", ")),
        ));
    };
    let body = match request.body().trim_ascii() {
        b"" => json!({}),
        body => serde_json::from_slice(body)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| Error::client("SerializationException", "The request body must be a JSON object"))?,
    };
    operation(ssm, body)
}

fn members<T: DeserializeOwned>(body: Value) -> Result<T, Error> {
    serde_json::from_value(body).map_err(|error| Error::client("SerializationException", error.to_string()))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::client("ValidationException", message)
}

pub fn failed(failure: Failure) -> Error {
    match failure {
        Failure::Full => Error::client("ParameterLimitExceeded", failure.to_string()),
        Failure::Disk { .. } => Error::internal(failure.to_string()),
    }
}

fn not_found(name: &str) -> Error {
    Error::client("ParameterNotFound", format!("Parameter {name} not found."))
}

pub fn check_name(name: &str) -> Result<(), Error> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_allowed) || name.ends_with('/') {
        return Err(invalid(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_",
        ));
    }
    let first = name.trim_start_matches('/').split('/').next().unwrap_or_default().to_ascii_lowercase();
    if first.starts_with("aws") || first.starts_with("ssm") {
        return Err(invalid(format!("Parameter name: can't be prefixed with \"{}\" (case-insensitive)", &first[..3])));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    if name.trim_start_matches('/').split('/').count() > DEPTH_MAX {
        let message = format!("A parameter name can have up to {DEPTH_MAX} levels in its hierarchy");
        return Err(Error::client("HierarchyLevelLimitExceededException", message));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    name: Option<String>,
    value: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    overwrite: bool,
    #[serde(default)]
    allowed_pattern: String,
    #[serde(default)]
    tags: Vec<Tag>,
    tier: Option<String>,
    data_type: Option<String>,
    policies: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

fn put_parameter(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let request: Put = members(body)?;
    let name = own_name(ssm, required(request.name, "name")?);
    check_name(&name)?;
    let value = required(request.value, "value")?;
    let advanced = matches!(request.tier.as_deref(), Some("Advanced" | "Intelligent-Tiering"));
    let most = if advanced { ADVANCED_BYTES_MAX } else { VALUE_BYTES_MAX };
    if value.len() > most {
        return Err(invalid(format!(
            "Standard tier parameters support a maximum parameter value of {VALUE_BYTES_MAX} characters; advanced ones of {ADVANCED_BYTES_MAX}."
        )));
    }
    if request.policies.is_some_and(|policies| !matches!(policies.trim(), "" | "[]" | "{}")) {
        return Err(invalid("Ithaca does not serve Policies of parameters: leave them out"));
    }
    if !request.allowed_pattern.is_empty() {
        return Err(Error::client(
            "InvalidAllowedPatternException",
            "Ithaca does not hold values against AllowedPattern: leave it out",
        ));
    }
    if request.tags.len() > TAGS_MAX {
        return Err(Error::client("TooManyTagsError", format!("A parameter has at most {TAGS_MAX} tags")));
    }
    let mut parameters = ssm.lock();
    let known = parameters.get(&name);
    let kind = match (&request.kind, known) {
        (Some(kind), _) => Kind::parse(kind).ok_or_else(|| {
            invalid(format!(
                "1 validation error detected: Value '{kind}' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [SecureString, StringList, String]"
            ))
        })?,
        (None, Some(known)) => known.newest().kind,
        (None, None) => return Err(invalid("A parameter type is required when you create a parameter.")),
    };
    if known.is_some() && !request.overwrite {
        return Err(Error::client(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ));
    }
    if request.overwrite && known.is_some() && !request.tags.is_empty() {
        return Err(invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    let mut version = Version::new(kind, &value, &request.description, now_ms());
    version.data_type = request.data_type.unwrap_or(version.data_type);
    let number = parameters.put(&name, version).map_err(failed)?;
    if !request.tags.is_empty() {
        let mut parameter = parameters.get(&name).expect("it was put").clone();
        parameter.tags = request.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        parameters.save(parameter).map_err(failed)?;
    }
    Ok(json!({ "Version": number, "Tier": if advanced { "Advanced" } else { "Standard" } }))
}

fn required(value: Option<String>, member: &str) -> Result<String, Error> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// A name may be given as its ARN.
fn own_name(ssm: &Ssm, text: String) -> String {
    let prefix = ssm.home.arn("ssm", "parameter/");
    match text.strip_prefix(&prefix) {
        // The slash of a path is in the ARN only once.
        Some(rest) if rest.contains('/') => format!("/{rest}"),
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get {
    name: Option<String>,
    #[serde(default)]
    names: Vec<String>,
}

fn get_parameter(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let is_decrypted = body["WithDecryption"] == true;
    let request: Get = members(body)?;
    let name = required(request.name, "name")?;
    let found = find(ssm, &name, is_decrypted)?;
    Ok(json!({ "Parameter": found.ok_or_else(|| not_found(&name))? }))
}

fn get_parameters(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let is_decrypted = body["WithDecryption"] == true;
    let request: Get = members(body)?;
    check_names(&request.names)?;
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for name in request.names {
        match find(ssm, &name, is_decrypted)? {
            Some(parameter) => found.push(parameter),
            None => unknown.push(name),
        }
    }
    Ok(json!({ "Parameters": found, "InvalidParameters": unknown }))
}

fn check_names(names: &[String]) -> Result<(), Error> {
    if (1..=NAMES_MAX).contains(&names.len()) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length less than or equal to {NAMES_MAX}"
    )))
}

/// A parameter by `NAME`, `NAME:VERSION`, `NAME:LABEL` or its ARN.
fn find(ssm: &Ssm, text: &str, is_decrypted: bool) -> Result<Option<Value>, Error> {
    let text = own_name(ssm, text.to_owned());
    let (name, selector) = text.split_once(':').map_or((text.as_str(), None), |(name, rest)| (name, Some(rest)));
    let parameters = ssm.lock();
    let Some(parameter) = parameters.get(name) else {
        return Ok(built_in(name).map(|value| {
            let version = Version { number: 1, ..Version::new(Kind::String, value, "", 0) };
            shown(ssm, name, &version, None, true)
        }));
    };
    let version = match selector {
        None => Some(parameter.newest()),
        Some(selector) => match selector.parse::<u64>() {
            Ok(number) => parameter.version(number),
            Err(_) => parameter.labelled(selector),
        },
    };
    let version = version.ok_or_else(|| {
        let message = format!(
            "Systems Manager could not find version {} of {name}. Verify the version and try again.",
            selector.unwrap_or_default()
        );
        Error::client("ParameterVersionNotFound", message)
    })?;
    Ok(Some(shown(ssm, name, version, selector, is_decrypted)))
}

fn arn(ssm: &Ssm, name: &str) -> String {
    ssm.home.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')))
}

/// Seconds since 1970, as AWS JSON has times.
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// What stands for the value of a secure string that is not to be decrypted.
const HIDDEN: &str = "kms:ithaca:hidden";

fn shown(ssm: &Ssm, name: &str, version: &Version, selector: Option<&str>, is_decrypted: bool) -> Value {
    let is_hidden = version.kind == Kind::SecureString && !is_decrypted;
    let mut shown = json!({
        "Name": name,
        "Type": version.kind.name(),
        "Value": if is_hidden { HIDDEN } else { &version.value },
        "Version": version.number,
        "LastModifiedDate": seconds(version.modified_ms),
        "ARN": arn(ssm, name),
        "DataType": version.data_type,
    });
    if let Some(selector) = selector {
        shown["Selector"] = format!(":{selector}").into();
    }
    shown
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByPath {
    path: Option<String>,
    #[serde(default)]
    recursive: bool,
    #[serde(default)]
    with_decryption: bool,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: String,
    option: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

impl Filter {
    fn check(&self) -> Result<(), Error> {
        const KEYS: [&str; 5] = ["Name", "Type", "Path", "Label", "DataType"];
        let option = self.option.as_deref().unwrap_or("Equals");
        let known = KEYS.contains(&self.key.as_str()) || self.key.starts_with("tag:");
        if known && matches!(option, "Equals" | "BeginsWith" | "Contains" | "OneLevel" | "Recursive") {
            return Ok(());
        }
        let message = format!("Ithaca does not serve the filter {} with {option}", self.key);
        Err(Error::client("InvalidFilterKey", message))
    }

    fn takes(&self, parameter: &Parameter) -> bool {
        let version = parameter.newest();
        let option = self.option.as_deref().unwrap_or("Equals");
        let is = |text: &str| {
            self.values.iter().any(|value| match option {
                "BeginsWith" => text.starts_with(value.as_str()),
                "Contains" => text.contains(value.as_str()),
                _ => text == value,
            })
        };
        match self.key.as_str() {
            // With and without the first slash.
            "Name" => is(&parameter.name) || is(parameter.name.trim_start_matches('/')),
            "Type" => is(version.kind.name()),
            "DataType" => is(&version.data_type),
            "Label" => version.labels.iter().any(|label| is(label)),
            "Path" => self.values.iter().any(|path| is_below(&parameter.name, path, option == "Recursive")),
            key => parameter
                .tags
                .get(key.trim_start_matches("tag:"))
                .is_some_and(|value| self.values.is_empty() || is(value)),
        }
    }
}

fn is_below(name: &str, path: &str, deeper: bool) -> bool {
    let path = path.trim_end_matches('/');
    let rest = if name.starts_with('/') { name.strip_prefix(path) } else { path.is_empty().then_some(name) };
    let rest = rest.and_then(|rest| if name.starts_with('/') { rest.strip_prefix('/') } else { Some(rest) });
    rest.is_some_and(|rest| deeper || !rest.contains('/'))
}

fn get_parameters_by_path(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let request: ByPath = members(body)?;
    let path = required(request.path, "path")?;
    if !path.starts_with('/') {
        return Err(invalid(
            "The parameter path you specified is not valid. It must begin with a slash (/), as in /Production/Databases",
        ));
    }
    request.parameter_filters.iter().try_for_each(Filter::check)?;
    let limit = limit(request.max_results, NAMES_MAX)?;
    let parameters = ssm.lock();
    let wanted = |parameter: &&Parameter| {
        is_below(&parameter.name, &path, request.recursive)
            && request.parameter_filters.iter().all(|filter| filter.takes(parameter))
    };
    let (page, next) = page(parameters.all().filter(wanted), limit, request.next_token.as_deref());
    let page: Vec<Value> = page
        .iter()
        .map(|parameter| shown(ssm, &parameter.name, parameter.newest(), None, request.with_decryption))
        .collect();
    Ok(with_token(json!({ "Parameters": page }), next))
}

/// The entries after the one that the token names, and the next token.
fn page<'p>(
    all: impl Iterator<Item = &'p Parameter>,
    limit: usize,
    after: Option<&str>,
) -> (Vec<&'p Parameter>, Option<String>) {
    let mut rest = all.filter(|parameter| after.is_none_or(|after| parameter.name.as_str() > after));
    let page: Vec<&Parameter> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(page.last()).map(|last| last.name.clone());
    (page, next)
}

fn with_token(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    answer
}

fn limit(asked: Option<usize>, most: usize) -> Result<usize, Error> {
    match asked {
        None => Ok(most),
        Some(asked) if (1..=most).contains(&asked) => Ok(asked),
        Some(asked) => Err(invalid(format!(
            "1 validation error detected: Value '{asked}' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to {most}"
        ))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Describe {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

fn describe_parameters(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let mut request: Describe = members(body)?;
    // The older form: its names begin so.
    for filter in &mut request.filters {
        filter.option = Some(if filter.key == "Name" { "BeginsWith" } else { "Equals" }.into());
    }
    request.parameter_filters.append(&mut request.filters);
    request.parameter_filters.iter().try_for_each(Filter::check)?;
    let limit = limit(request.max_results, PAGE_MAX)?;
    let parameters = ssm.lock();
    let wanted = parameters.all().filter(|it| request.parameter_filters.iter().all(|filter| filter.takes(it)));
    let (page, next) = page(wanted, limit, request.next_token.as_deref());
    let page: Vec<Value> = page.iter().map(|parameter| about(ssm, parameter, parameter.newest())).collect();
    Ok(with_token(json!({ "Parameters": page }), next))
}

/// All of a version but its value.
fn about(ssm: &Ssm, parameter: &Parameter, version: &Version) -> Value {
    let mut about = Map::new();
    let mut set = |name: &str, value: Value| about.insert(name.to_owned(), value);
    set("Name", parameter.name.as_str().into());
    set("ARN", arn(ssm, &parameter.name).into());
    set("Type", version.kind.name().into());
    set("LastModifiedDate", seconds(version.modified_ms).into());
    set("LastModifiedUser", format!("arn:aws:iam::{}:root", ssm.home.account).into());
    set("Version", version.number.into());
    let is_advanced = version.value.len() > VALUE_BYTES_MAX;
    set("Tier", if is_advanced { "Advanced" } else { "Standard" }.into());
    set("Policies", json!([]));
    set("DataType", version.data_type.as_str().into());
    if !version.description.is_empty() {
        set("Description", version.description.as_str().into());
    }
    Value::Object(about)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct History {
    name: Option<String>,
    #[serde(default)]
    with_decryption: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

fn get_parameter_history(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let request: History = members(body)?;
    let name = own_name(ssm, required(request.name, "name")?);
    let limit = limit(request.max_results, PAGE_MAX)?;
    let after: u64 = request.next_token.as_deref().and_then(|token| token.parse().ok()).unwrap_or(0);
    let parameters = ssm.lock();
    let parameter = parameters.get(&name).ok_or_else(|| not_found(&name))?;
    let mut rest = parameter.versions.iter().filter(|version| version.number > after);
    let page: Vec<&Version> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(page.last()).map(|last| last.number.to_string());
    let entry = |version: &&Version| {
        let mut entry = about(ssm, parameter, version);
        let members = entry.as_object_mut().expect("it was made as an object");
        members.remove("ARN");
        let is_hidden = version.kind == Kind::SecureString && !request.with_decryption;
        members.insert("Value".into(), if is_hidden { HIDDEN } else { &version.value }.into());
        members.insert("Labels".into(), json!(version.labels));
        entry
    };
    Ok(with_token(json!({ "Parameters": page.iter().map(entry).collect::<Vec<_>>() }), next))
}

fn delete_parameter(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let request: Get = members(body)?;
    let name = own_name(ssm, required(request.name, "name")?);
    match ssm.lock().delete(&name).map_err(failed)? {
        true => Ok(json!({})),
        false => Err(not_found(&name)),
    }
}

fn delete_parameters(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let request: Get = members(body)?;
    check_names(&request.names)?;
    let mut parameters = ssm.lock();
    let (mut deleted, mut unknown) = (Vec::new(), Vec::new());
    for name in request.names {
        match parameters.delete(&own_name(ssm, name.clone())).map_err(failed)? {
            true => deleted.push(name),
            false => unknown.push(name),
        }
    }
    Ok(json!({ "DeletedParameters": deleted, "InvalidParameters": unknown }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Label {
    name: Option<String>,
    parameter_version: Option<u64>,
    #[serde(default)]
    labels: Vec<String>,
}

fn label_parameter_version(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let request: Label = members(body)?;
    let name = own_name(ssm, required(request.name, "name")?);
    let mut parameters = ssm.lock();
    let mut parameter = parameters.get(&name).ok_or_else(|| not_found(&name))?.clone();
    let number = request.parameter_version.unwrap_or(parameter.newest().number);
    let is_good = |label: &String| {
        let begins = label.starts_with(|c: char| !c.is_ascii_digit());
        let lower = label.to_ascii_lowercase();
        begins
            && label.len() <= 100
            && label.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
            && !lower.starts_with("aws")
            && !lower.starts_with("ssm")
    };
    let (good, bad): (Vec<String>, Vec<String>) = request.labels.into_iter().partition(is_good);
    // A label is of one version.
    parameter.versions.iter_mut().for_each(|version| version.labels.retain(|label| !good.contains(label)));
    let version = parameter.versions.iter_mut().find(|version| version.number == number).ok_or_else(|| {
        let message =
            format!("Systems Manager could not find version {number} of {name}. Verify the version and try again.");
        Error::client("ParameterVersionNotFound", message)
    })?;
    version.labels.extend(good);
    if version.labels.len() > LABELS_MAX {
        let message = format!("A parameter version can have at most {LABELS_MAX} labels");
        return Err(Error::client("ParameterVersionLabelLimitExceeded", message));
    }
    parameters.save(parameter).map_err(failed)?;
    Ok(json!({ "InvalidLabels": bad, "ParameterVersion": number }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagging {
    resource_type: Option<String>,
    resource_id: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// The parameter whose tags are meant, after they were changed.
fn tagged(ssm: &Ssm, body: Value, change: impl Fn(&mut BTreeMap<String, String>, Tagging)) -> Result<Parameter, Error> {
    let request: Tagging = members(body)?;
    if request.resource_type.as_deref() != Some("Parameter") {
        return Err(Error::client("InvalidResourceType", "The resource type is not valid: Ithaca has Parameter only"));
    }
    let name = own_name(ssm, request.resource_id.clone().unwrap_or_default());
    let mut parameters = ssm.lock();
    let mut parameter = parameters
        .get(&name)
        .ok_or_else(|| {
            Error::client(
                "InvalidResourceId",
                "The resource ID is not valid. Verify that you entered the correct ID and try again.",
            )
        })?
        .clone();
    let before = parameter.tags.clone();
    change(&mut parameter.tags, request);
    if parameter.tags.len() > TAGS_MAX {
        return Err(Error::client("TooManyTagsError", format!("A parameter has at most {TAGS_MAX} tags")));
    }
    if parameter.tags != before {
        parameters.save(parameter.clone()).map_err(failed)?;
    }
    Ok(parameter)
}

fn add_tags(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    tagged(ssm, body, |tags, request| tags.extend(request.tags.into_iter().map(|tag| (tag.key, tag.value))))?;
    Ok(json!({}))
}

fn remove_tags(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    tagged(ssm, body, |tags, request| tags.retain(|key, _| !request.tag_keys.contains(key)))?;
    Ok(json!({}))
}

fn list_tags(ssm: &Ssm, body: Value) -> Result<Value, Error> {
    let parameter = tagged(ssm, body, |_, _| {})?;
    let tags: Vec<Value> = parameter.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    Ok(json!({ "TagList": tags }))
}

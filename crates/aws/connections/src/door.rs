//! The operations: one table, one function each.
//!
//! Source of shapes, names and limits: the service model `events` 2015-10-07.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use aws_protocol::{Arn, Error, Home};
use serde_json::{Map, Value, json};

use crate::{All, Connection, Failure, Kind, key};

/// AWS's quota of an account.
const CONNECTIONS_MAX: usize = 3000;
const PAGE_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 64;
const DESCRIPTION_CHARS_MAX: usize = 512;
const SECRET_CHARS_MAX: usize = 512;
/// Of each list of parameters.
const PARAMETERS_MAX: usize = 100;

/// The ends of the variables that may hold secrets, and where those are in `AuthParameters`.
pub const SECRETS: &[(&str, &str)] = &[
    ("API_KEY_VALUE", "/ApiKeyAuthParameters/ApiKeyValue"),
    ("PASSWORD", "/BasicAuthParameters/Password"),
    ("CLIENT_SECRET", "/OAuthParameters/ClientParameters/ClientSecret"),
];

/// What each kind needs.
const NEEDS: &[(Kind, &str, &[&str])] = &[
    (Kind::ApiKey, "ApiKeyAuthParameters", &["/ApiKeyName", "/ApiKeyValue"]),
    (Kind::Basic, "BasicAuthParameters", &["/Username", "/Password"]),
    (
        Kind::OAuth,
        "OAuthParameters",
        &["/ClientParameters/ClientID", "/ClientParameters/ClientSecret", "/AuthorizationEndpoint", "/HttpMethod"],
    ),
];

const LISTS: &[&str] = &["HeaderParameters", "QueryStringParameters", "BodyParameters"];

type Operation = fn(&mut All, &Home, &Value, i64) -> Result<Value, Error>;

const OPERATIONS: &[(&str, Operation)] = &[
    ("CreateConnection", create),
    ("DeauthorizeConnection", deauthorize),
    ("DeleteConnection", delete),
    ("DescribeConnection", describe),
    ("ListConnections", list),
    ("UpdateConnection", update),
];

pub fn find(operation: &str) -> Option<Operation> {
    OPERATIONS.iter().find(|(name, _)| *name == operation).map(|(_, run)| *run)
}

fn invalid(why: impl Into<String>) -> Error {
    Error::client("ValidationException", why)
}

pub fn failed(failure: Failure) -> Error {
    Error::internal(format!("the connections cannot be written: {failure}"))
}

fn absent(name: &str) -> Error {
    Error::client(
        "ResourceNotFoundException",
        format!("Failed to describe the connection(s). Connection '{name}' does not exist."),
    )
}

fn name_of(body: &Value) -> Result<&str, Error> {
    let name = body["Name"].as_str().unwrap_or_default();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    match (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(is_name) {
        true => Ok(name),
        false => Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+ and have at most {NAME_CHARS_MAX} letters"
        ))),
    }
}

fn create(all: &mut All, home: &Home, body: &Value, now: i64) -> Result<Value, Error> {
    let name = name_of(body)?;
    if all.by_name.contains_key(&key_of(home, name)) {
        return Err(Error::client("ResourceAlreadyExistsException", format!("Connection {name} already exists.")));
    }
    if all.by_name.len() >= CONNECTIONS_MAX {
        return Err(Error::client("LimitExceededException", "The limit of connections for this account is reached."));
    }
    let arn = format!("{}/{}", key_of(home, name), uuid());
    let connection = read(&arn, body, None, now)?;
    let answer = told(&connection);
    all.change(key(&arn), Some(connection)).map_err(failed)?;
    Ok(answer)
}

pub fn key_of(home: &Home, name: &str) -> String {
    home.arn("events", &format!("connection/{name}"))
}

fn update(all: &mut All, home: &Home, body: &Value, now: i64) -> Result<Value, Error> {
    let before = one(all, home, body)?.clone();
    let connection = read(&before.arn.clone(), body, Some(before), now)?;
    let mut answer = told(&connection);
    answer["LastAuthorizedTime"] = seconds(connection.changed_at);
    all.change(key(&connection.arn.clone()), Some(connection)).map_err(failed)?;
    Ok(answer)
}

pub fn put(all: &mut All, arn: &str, body: &Value, now: i64) -> Result<(), Error> {
    name_of(body)?;
    let before = all.by_name.get(key(arn)).filter(|one| one.arn == arn).cloned();
    let is_same = |after: &Connection, before: &Connection| {
        (&after.parameters, after.kind, &after.description) == (&before.parameters, before.kind, &before.description)
    };
    let after = read(arn, body, None, now)?;
    match before {
        Some(before) if is_same(&after, &before) => Ok(()),
        Some(before) => {
            all.change(key(arn), Some(Connection { created_at: before.created_at, ..after })).map_err(failed)
        }
        None => all.change(key(arn), Some(after)).map_err(failed),
    }
}

/// A connection out of a request, on top of what it was before.
fn read(arn: &str, body: &Value, before: Option<Connection>, now: i64) -> Result<Connection, Error> {
    let name = name_of(body)?.to_owned();
    let kind = match (&body["AuthorizationType"], &before) {
        (Value::Null, Some(before)) => before.kind,
        (kind, _) => serde_json::from_value(kind.clone()).map_err(|_| {
            invalid("1 validation error detected: Value at 'authorizationType' failed to satisfy constraint: Member must satisfy enum value set: [BASIC, OAUTH_CLIENT_CREDENTIALS, API_KEY]")
        })?,
    };
    let description = match (body["Description"].as_str(), &before) {
        (Some(text), _) if text.chars().count() > DESCRIPTION_CHARS_MAX => {
            return Err(invalid(format!("Description must have at most {DESCRIPTION_CHARS_MAX} letters")));
        }
        (Some(text), _) => Some(text.to_owned()),
        (None, before) => before.as_ref().and_then(|before| before.description.clone()),
    };
    if !body["InvocationConnectivityParameters"].is_null() {
        return Err(invalid(
            "Ithaca has no private connectivity: leave InvocationConnectivityParameters out, the API is called directly",
        ));
    }
    let mut parameters = match &before {
        // Another kind has other secrets.
        Some(before) if before.kind == kind => before.parameters.clone(),
        _ => json!({}),
    };
    merge(&mut parameters, &body["AuthParameters"]);
    check(kind, &parameters)?;
    let created_at = before.map_or(now, |before| before.created_at);
    Ok(Connection {
        arn: arn.to_owned(),
        name,
        description,
        kind,
        parameters,
        is_authorized: true,
        created_at,
        changed_at: now,
    })
}

/// What is new wins; lists are replaced.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(name, value)| merge(into.entry(name.clone()).or_insert(Value::Null), value));
        }
        (into, from) => *into = from.clone(),
    }
}

fn check(kind: Kind, parameters: &Value) -> Result<(), Error> {
    let (_, group, needs) = NEEDS.iter().find(|(it, ..)| *it == kind).expect("INVARIANT: every kind has a row");
    for path in *needs {
        let value = parameters[*group].pointer(path).and_then(Value::as_str).unwrap_or_default();
        let member = path.rsplit('/').next().unwrap_or_default();
        if value.is_empty() {
            return Err(invalid(format!("Parameter {member} of {group} is required for this AuthorizationType")));
        }
        if member != "AuthorizationEndpoint" && value.len() > SECRET_CHARS_MAX {
            return Err(invalid(format!("Parameter {member} must have at most {SECRET_CHARS_MAX} letters")));
        }
    }
    if let Some((_, other, _)) = NEEDS.iter().find(|(it, other, _)| *it != kind && !parameters[*other].is_null()) {
        return Err(invalid(format!("{other} does not belong to this AuthorizationType")));
    }
    let method = parameters["OAuthParameters"]["HttpMethod"].as_str().unwrap_or("POST");
    if !["GET", "POST", "PUT"].contains(&method) {
        return Err(invalid("HttpMethod must be one of GET, POST, PUT"));
    }
    for group in [&parameters["InvocationHttpParameters"], &parameters["OAuthParameters"]["OAuthHttpParameters"]] {
        for list in LISTS {
            check_list(list, &group[*list])?;
        }
    }
    Ok(())
}

fn check_list(name: &str, list: &Value) -> Result<(), Error> {
    let list = match list {
        Value::Null => return Ok(()),
        Value::Array(list) => list,
        _ => return Err(invalid(format!("{name} must be a list"))),
    };
    if list.len() > PARAMETERS_MAX {
        return Err(invalid(format!("{name} must have at most {PARAMETERS_MAX} entries")));
    }
    match list.iter().all(|one| one["Key"].is_string() && one["Value"].is_string()) {
        true => Ok(()),
        false => Err(invalid(format!("Each entry of {name} must have a Key and a Value, which are strings"))),
    }
}

fn one<'a>(all: &'a All, home: &Home, body: &Value) -> Result<&'a Connection, Error> {
    let name = name_of(body)?;
    all.by_name.get(&key_of(home, name)).ok_or_else(|| absent(name))
}

fn state(connection: &Connection) -> &'static str {
    if connection.is_authorized { "AUTHORIZED" } else { "DEAUTHORIZED" }
}

fn seconds(ms: i64) -> Value {
    (ms as f64 / 1000.0).into()
}

/// What most operations answer.
fn told(connection: &Connection) -> Value {
    json!({
        "ConnectionArn": connection.arn,
        "ConnectionState": state(connection),
        "CreationTime": seconds(connection.created_at),
        "LastModifiedTime": seconds(connection.changed_at),
    })
}

fn describe(all: &mut All, home: &Home, body: &Value, _: i64) -> Result<Value, Error> {
    let connection = one(all, home, body)?;
    let mut answer = told(connection);
    answer["Name"] = connection.name.as_str().into();
    if let Some(description) = &connection.description {
        answer["Description"] = description.as_str().into();
    }
    answer["AuthorizationType"] = json!(connection.kind);
    answer["AuthParameters"] = without_secrets(&connection.parameters);
    answer["LastAuthorizedTime"] = seconds(connection.changed_at);
    answer["SecretArn"] = secret_arn(&connection.arn).into();
    Ok(answer)
}

fn secret_arn(arn: &str) -> String {
    let Some(parsed) = Arn::parse(arn) else { return String::new() };
    let rest = parsed.resource.strip_prefix("connection").unwrap_or(parsed.resource);
    format!("arn:aws:secretsmanager:{}:{}:secret:events!connection{rest}", parsed.region, parsed.account)
}

/// Secrets, and values that are called secret, are left out.
fn without_secrets(parameters: &Value) -> Value {
    match parameters {
        Value::Object(members) => {
            let is_secret = members.get("IsValueSecret") == Some(&Value::Bool(true));
            let hidden = |name: &str| {
                ["ApiKeyValue", "Password", "ClientSecret"].contains(&name) || is_secret && name == "Value"
            };
            let shown = members.iter().filter(|(name, _)| !hidden(name));
            Value::Object(shown.map(|(name, value)| (name.clone(), without_secrets(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        other => other.clone(),
    }
}

fn list(all: &mut All, home: &Home, body: &Value, _: i64) -> Result<Value, Error> {
    let limit = body["Limit"].as_u64().map_or(PAGE_MAX, |limit| (limit as usize).clamp(1, PAGE_MAX));
    let prefix = body["NamePrefix"].as_str().unwrap_or_default();
    let wanted = body["ConnectionState"].as_str();
    let beginning = key_of(home, prefix);
    let after = body["NextToken"].as_str().map(|name| key_of(home, name));
    let mut rest = all.by_name.iter().filter(|(key, one)| {
        key.starts_with(&beginning)
            && after.as_ref().is_none_or(|after| *key > after)
            && wanted.is_none_or(|wanted| wanted == state(one))
    });
    let page: Vec<&Connection> = rest.by_ref().take(limit).map(|(_, one)| one).collect();
    let shown: Vec<Value> = page
        .iter()
        .map(|one| {
            let mut shown = told(one);
            shown["Name"] = one.name.as_str().into();
            shown["AuthorizationType"] = json!(one.kind);
            shown["LastAuthorizedTime"] = seconds(one.changed_at);
            shown
        })
        .collect();
    let mut answer = json!({ "Connections": shown });
    if let (Some(last), Some(_)) = (page.last(), rest.next()) {
        answer["NextToken"] = last.name.as_str().into();
    }
    Ok(answer)
}

fn delete(all: &mut All, home: &Home, body: &Value, _: i64) -> Result<Value, Error> {
    let connection = one(all, home, body)?.clone();
    all.change(key(&connection.arn), None).map_err(failed)?;
    let mut answer = told(&connection);
    answer["ConnectionState"] = "DELETING".into();
    answer["LastAuthorizedTime"] = seconds(connection.changed_at);
    Ok(answer)
}

/// Forgets the secrets.
fn deauthorize(all: &mut All, home: &Home, body: &Value, now: i64) -> Result<Value, Error> {
    let mut connection = one(all, home, body)?.clone();
    connection.is_authorized = false;
    connection.parameters = without_secrets(&connection.parameters);
    connection.changed_at = now;
    let answer = told(&connection);
    all.change(key(&connection.arn.clone()), Some(connection)).map_err(failed)?;
    Ok(answer)
}

/// Unique, and not secret: the entropy is that of the standard library's hash maps.
fn uuid() -> String {
    let random = || RandomState::new().hash_one(0);
    let (high, low) = (random() & !0xf000 | 0x4000, random() & !(0b11 << 62) | (0b10 << 62));
    let [first, second, third] = [high >> 32, high >> 16 & 0xffff, high & 0xffff];
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

//! What a connection of EventBridge adds to a request: who asks, and parameters of its own.
//!
//! ```text
//!   API_KEY                    a header
//!   BASIC                      Authorization: Basic
//!   OAUTH_CLIENT_CREDENTIALS   Authorization: Bearer, with a token of the authorization endpoint: kept until it ends,
//!                              and fetched anew once when the API says 401 or 407
//! ```
//!
//! What the connection says wins over what the task says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_client::Origin;
use aws_connections::{Connection, Kind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, header};
use interpreter::Failure;
use serde_json::{Map, Value, json};

use super::http::Asked;
use super::{Shared, bad_parameters};

/// A token is not used any more when it ends so soon.
const SLACK: Duration = Duration::from_secs(30);

/// The connection that a task names, with its secrets.
pub async fn find(shared: &Shared, parameters: &Value) -> Result<Connection, Failure> {
    let named = [&parameters["InvocationConfig"], &parameters["Authentication"]];
    let arn = match named.map(|config| &config["ConnectionArn"]) {
        [Value::String(arn), Value::Null] | [Value::Null, Value::String(arn)] => arn,
        [Value::Null, Value::Null] => {
            let why = "The field \"InvocationConfig\" with a \"ConnectionArn\" is required but was missing";
            return Err(bad_parameters(parameters, why));
        }
        _ => {
            let why = "Either InvocationConfig or Authentication must have a ConnectionArn, which is a STRING";
            return Err(bad_parameters(parameters, why));
        }
    };
    let connection = shared.front().await?.connections.get(arn);
    let connection =
        connection.ok_or_else(|| refused("ResourceNotFound", format!("Connection {arn} does not exist")))?;
    if !connection.is_authorized {
        return Err(refused("InvalidConnectionState", format!("Connection {arn} is in the state DEAUTHORIZED")));
    }
    let connection = connection.with_environment(|name| std::env::var(name).ok());
    match is_left_open(&connection.parameters) {
        false => Ok(connection),
        true => Err(refused(
            "AccessDenied",
            format!(
                "A secret of the connection {} is a dynamic reference, which Ithaca does not look up. Start it with \
                 ITHACA_CONNECTION_NAME_API_KEY_VALUE, ..._PASSWORD or ..._CLIENT_SECRET in its environment, the \
                 connection's name in capitals.",
                connection.name
            ),
        )),
    }
}

fn refused(error: &str, why: String) -> Failure {
    Failure::new(format!("Events.ConnectionResource.{error}"), why)
}

/// It says what no request can have.
pub fn unusable(connection: &Connection) -> Failure {
    refused(
        "InvalidConnectionState",
        format!("The connection {} has parameters that no request can have", connection.name),
    )
}

/// Does a value refer to a secret of somewhere else?
fn is_left_open(parameters: &Value) -> bool {
    match parameters {
        Value::String(text) => text.contains("{{resolve:"),
        Value::Array(items) => items.iter().any(is_left_open),
        Value::Object(members) => members.values().any(is_left_open),
        _ => false,
    }
}

/// The parameters of a task with those of its connection.
pub fn merged(parameters: &Value, connection: &Connection) -> Result<Value, Failure> {
    let mut merged = parameters.clone();
    let own = &connection.parameters["InvocationHttpParameters"];
    let text = |name: &str| own[name].as_array().into_iter().flatten().filter_map(pair);
    set(&mut merged["Headers"], text("HeaderParameters"), |a, b| a.eq_ignore_ascii_case(b));
    set(&mut merged["QueryParameters"], text("QueryStringParameters"), |a, b| a == b);
    let mut body = text("BodyParameters").peekable();
    if body.peek().is_some() && !matches!(merged["RequestBody"], Value::Null | Value::Object(_)) {
        let why = "The RequestBody must be a JSON object, since the connection has body parameters";
        return Err(bad_parameters(parameters, why));
    }
    set(&mut merged["RequestBody"], body, |a, b| a == b);
    Ok(merged)
}

fn pair(parameter: &Value) -> Option<(String, String)> {
    Some((parameter["Key"].as_str()?.to_owned(), parameter["Value"].as_str()?.to_owned()))
}

fn set(members: &mut Value, pairs: impl Iterator<Item = (String, String)>, same: fn(&str, &str) -> bool) {
    for (name, value) in pairs {
        if members.is_null() {
            *members = Value::Object(Map::new());
        }
        if let Value::Object(members) = members {
            members.retain(|known, _| !same(known, &name));
            members.insert(name, value.into());
        }
    }
}

/// What says who asks.
pub async fn authorize(
    asked: &mut Asked,
    shared: &Shared,
    connection: &Connection,
    stale: Option<&str>,
) -> Result<Option<String>, Failure> {
    let text = |path: &str| connection.parameters.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (name, value, token) = match connection.kind {
        Kind::ApiKey => {
            (text("/ApiKeyAuthParameters/ApiKeyName"), text("/ApiKeyAuthParameters/ApiKeyValue").to_owned(), None)
        }
        Kind::Basic => {
            let who = format!("{}:{}", text("/BasicAuthParameters/Username"), text("/BasicAuthParameters/Password"));
            ("authorization", format!("Basic {}", STANDARD.encode(who)), None)
        }
        Kind::OAuth => {
            let token = shared.tokens.get(connection, stale).await?;
            ("authorization", format!("Bearer {token}"), Some(token))
        }
    };
    let parsed = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(&value).ok());
    // The value is a secret, and is not told.
    let (name, mut value) = parsed.ok_or_else(|| unusable(connection))?;
    value.set_sensitive(true);
    asked.headers.insert(name, value);
    Ok(token)
}

/// Tokens of OAuth, by the ARN of their connection.
#[derive(Default)]
pub struct Tokens(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Token>>>>>);

struct Token {
    value: String,
    /// When the connection was changed that it belongs to.
    of: i64,
    until: Option<Instant>,
}

impl Tokens {
    /// A token, other than the stale one. Who comes while one is fetched waits for it.
    async fn get(&self, connection: &Connection, stale: Option<&str>) -> Result<String, Failure> {
        let place =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(connection.arn.clone()).or_default().clone();
        let mut kept = place.lock().await;
        let is_good = |token: &&Token| {
            token.of == connection.changed_at
                && stale != Some(&token.value)
                && token.until.is_none_or(|until| until > Instant::now())
        };
        if let Some(token) = kept.as_ref().filter(is_good) {
            return Ok(token.value.clone());
        }
        let token = fetch(connection).await.map_err(|why| {
            refused("InvalidConnectionState", format!("The connection {} gets no token: {why}", connection.name))
        })?;
        let value = token.value.clone();
        *kept = Some(token);
        Ok(value)
    }
}

async fn fetch(connection: &Connection) -> Result<Token, String> {
    let parameters = &connection.parameters["OAuthParameters"];
    let endpoint = parameters["AuthorizationEndpoint"].as_str().unwrap_or_default();
    let (origin, path) = Origin::parse(endpoint).map_err(|why| format!("{endpoint} cannot be called: {why}"))?;
    let asked = token_request(parameters).map_err(|_| "its parameters are such as no request can have".to_owned())?;
    let answer = asked.below(&path).send(&origin).await.map_err(|why| format!("{endpoint}: {why}"))?;
    if !answer.status().is_success() {
        return Err(format!("{endpoint} answered {}", answer.status()));
    }
    let told: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let value = told["access_token"].as_str().ok_or_else(|| format!("{endpoint} answered without an access_token"))?;
    let seconds = told["expires_in"].as_u64().or_else(|| told["expires_in"].as_str()?.parse().ok());
    let until = seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds.min(u64::from(u32::MAX))).saturating_sub(SLACK));
    Ok(Token { value: value.to_owned(), of: connection.changed_at, until })
}

/// The request of client credentials: in the query of a GET, else in the body, as a form unless the connection's headers
/// say that it is JSON.
fn token_request(parameters: &Value) -> Result<Asked, Failure> {
    let own = &parameters["OAuthHttpParameters"];
    let list = |name: &str| own[name].as_array().into_iter().flatten().filter_map(pair);
    let mut fields = json!({
        "grant_type": "client_credentials",
        "client_id": parameters["ClientParameters"]["ClientID"],
        "client_secret": parameters["ClientParameters"]["ClientSecret"],
    });
    set(&mut fields, list("BodyParameters"), |a, b| a == b);
    let method = parameters["HttpMethod"].as_str().unwrap_or("POST");
    let mut request = json!({ "Method": method });
    set(&mut request["Headers"], list("HeaderParameters"), |a, b| a.eq_ignore_ascii_case(b));
    let is_json = list("HeaderParameters").any(|(name, value)| {
        name.eq_ignore_ascii_case(header::CONTENT_TYPE.as_str()) && value.starts_with("application/json")
    });
    let mut query = json!({});
    match method {
        "GET" => query = fields,
        _ => request["RequestBody"] = fields,
    }
    set(&mut query, list("QueryStringParameters"), |a, b| a == b);
    request["QueryParameters"] = query;
    if method != "GET" && !is_json {
        request["Transform"] = json!({ "RequestBodyEncoding": "URL_ENCODED" });
    }
    Asked::of(&request, "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(kind: Kind, parameters: Value) -> Connection {
        let arn = "arn:aws:events:us-east-1:000000000000:connection/c/id".to_owned();
        let name = "c".to_owned();
        Connection { arn, name, description: None, kind, parameters, is_authorized: true, created_at: 0, changed_at: 0 }
    }

    #[test]
    fn the_connection_wins() {
        let check = |own: Value, task: Value, expect: Result<Value, &str>| {
            let connection = connection(Kind::Basic, json!({ "InvocationHttpParameters": own }));
            let merged = merged(&task, &connection);
            match (merged, expect) {
                (Ok(merged), Ok(expect)) => assert_eq!(merged, expect),
                (Err(failure), Err(why)) => assert!(failure.cause.as_deref().unwrap().contains(why), "{failure:?}"),
                (merged, expect) => panic!("{merged:?} is not {expect:?}"),
            }
        };
        let one = |key: &str, value: &str| json!([{ "Key": key, "Value": value }]);
        check(
            json!({}),
            json!({ "Method": "GET" }),
            Ok(json!({ "Method": "GET", "Headers": null, "QueryParameters": null, "RequestBody": null })),
        );
        check(
            json!({ "HeaderParameters": one("A", "1"), "QueryStringParameters": one("q", "2"), "BodyParameters": one("b", "3") }),
            json!({ "Headers": { "a": "0", "c": "0" }, "QueryParameters": { "Q": "0" }, "RequestBody": { "b": 0, "d": 0 } }),
            Ok(
                json!({ "Headers": { "c": "0", "A": "1" }, "QueryParameters": { "Q": "0", "q": "2" }, "RequestBody": { "d": 0, "b": "3" } }),
            ),
        );
        check(
            json!({ "BodyParameters": one("b", "3") }),
            json!({ "RequestBody": "text" }),
            Err("must be a JSON object"),
        );
    }

    #[test]
    fn requests_for_tokens() {
        let check = |method: &str, http: Value, target: &str, body: &str| {
            let client = json!({ "ClientID": "id", "ClientSecret": "s&t" });
            let asked = token_request(
                &json!({ "HttpMethod": method, "ClientParameters": client, "OAuthHttpParameters": http }),
            );
            let asked = asked.unwrap();
            assert_eq!((asked.target.as_str(), std::str::from_utf8(&asked.body).unwrap()), (target, body));
        };
        let form = "grant_type=client_credentials&client_id=id&client_secret=s%26t";
        check("POST", json!(null), "/", form);
        check(
            "POST",
            json!({ "BodyParameters": [{ "Key": "scope", "Value": "a b" }] }),
            "/",
            &format!("{form}&scope=a%20b"),
        );
        check("GET", json!({ "QueryStringParameters": [{ "Key": "v", "Value": "1" }] }), &format!("/?{form}&v=1"), "");
        let as_json = json!({ "HeaderParameters": [{ "Key": "Content-Type", "Value": "application/json" }] });
        check("PUT", as_json, "/", r#"{"grant_type":"client_credentials","client_id":"id","client_secret":"s&t"}"#);
    }

    #[test]
    fn references_that_are_left() {
        let check = |parameters: Value, expect: bool| assert_eq!(is_left_open(&parameters), expect);
        check(json!({ "BasicAuthParameters": { "Password": "{{resolve:secretsmanager:x}}" } }), true);
        check(json!({ "BasicAuthParameters": { "Password": "x" }, "n": [1] }), false);
    }
}

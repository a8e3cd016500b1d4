//! The operations, what is on the disk behind them, and that no secret is told.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use bytes::Bytes;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("ithaca-connections-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn call(connections: &Connections, operation: &str, body: Value) -> Result<Value, String> {
    let request = http::Request::post("/").header("x-amz-target", format!("{TARGET_PREFIX}{operation}"));
    let answer = connections.handle(&request.body(Bytes::from(body.to_string())).unwrap());
    let told: Value = serde_json::from_slice(answer.body()).unwrap();
    match answer.status().is_success() {
        true => Ok(told),
        false => Err(format!("{}: {}", told["__type"].as_str().unwrap(), told["message"].as_str().unwrap())),
    }
}

fn key_auth(name: &str) -> Value {
    json!({
        "Name": name,
        "AuthorizationType": "API_KEY",
        "AuthParameters": {
            "ApiKeyAuthParameters": { "ApiKeyName": "x-key", "ApiKeyValue": "hush" },
            "InvocationHttpParameters": {
                "HeaderParameters": [
                    { "Key": "a", "Value": "hush", "IsValueSecret": true }, { "Key": "b", "Value": "shown" },
                ],
            },
        },
    })
}

#[test]
fn a_life() {
    let scratch = Scratch::new("life");
    let connections = Connections::open(&scratch.0, &Home::default()).unwrap();
    let created = call(&connections, "CreateConnection", key_auth("stripe")).unwrap();
    let arn = created["ConnectionArn"].as_str().unwrap().to_owned();
    assert!(arn.starts_with("arn:aws:events:us-east-1:000000000000:connection/stripe/"), "{arn}");
    assert_eq!(created["ConnectionState"], "AUTHORIZED");
    let again = call(&connections, "CreateConnection", key_auth("stripe")).unwrap_err();
    assert!(again.starts_with("ResourceAlreadyExistsException: "), "{again}");

    let described = call(&connections, "DescribeConnection", json!({ "Name": "stripe" })).unwrap();
    assert_eq!(described["AuthParameters"]["ApiKeyAuthParameters"], json!({ "ApiKeyName": "x-key" }));
    assert!(!described.to_string().contains("hush") && described.to_string().contains("shown"), "{described}");
    let listed = call(&connections, "ListConnections", json!({})).unwrap();
    assert_eq!(listed["Connections"][0]["ConnectionArn"], arn.as_str());
    assert!(!listed.to_string().contains("hush"), "{listed}");
    let mode = fs::metadata(scratch.0.join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let change = json!({ "Name": "stripe", "AuthParameters": { "ApiKeyAuthParameters": { "ApiKeyValue": "new" } } });
    call(&connections, "UpdateConnection", change).unwrap();
    // What a restart finds.
    let connections = Connections::open(&scratch.0, &Home::default()).unwrap();
    let kept = connections.get(&arn).unwrap();
    assert_eq!(kept.parameters["ApiKeyAuthParameters"], json!({ "ApiKeyName": "x-key", "ApiKeyValue": "new" }));
    let from_environment = |name: &str| (name == "ITHACA_CONNECTION_STRIPE_API_KEY_VALUE").then(|| "other".to_owned());
    let kept = kept.with_environment(from_environment);
    assert_eq!(kept.parameters["ApiKeyAuthParameters"]["ApiKeyValue"], "other");
    assert!(connections.get(&format!("{arn}x")).is_none());

    call(&connections, "DeauthorizeConnection", json!({ "Name": "stripe" })).unwrap();
    let kept = connections.get(&arn).unwrap();
    assert!(!kept.is_authorized && kept.parameters["ApiKeyAuthParameters"].get("ApiKeyValue").is_none());
    let deleted = call(&connections, "DeleteConnection", json!({ "Name": "stripe" })).unwrap();
    assert_eq!(deleted["ConnectionState"], "DELETING");
    let gone = call(&connections, "DescribeConnection", json!({ "Name": "stripe" })).unwrap_err();
    assert!(gone.starts_with("ResourceNotFoundException: "), "{gone}");
}

#[test]
fn a_stack_puts_and_removes() {
    let scratch = Scratch::new("stack");
    let connections = Connections::open(&scratch.0, &Home::default()).unwrap();
    let arn = "arn:aws:events:us-east-1:000000000000:connection/c/id";
    connections.put(arn, &key_auth("c")).unwrap();
    let first = connections.get(arn).unwrap();
    connections.put(arn, &key_auth("c")).unwrap();
    assert_eq!(connections.get(arn).unwrap().changed_at, first.changed_at);
    connections.remove("c").unwrap();
    connections.remove("c").unwrap();
    assert!(connections.get(arn).is_none());
}

#[test]
fn pages() {
    let scratch = Scratch::new("pages");
    let connections = Connections::open(&scratch.0, &Home::default()).unwrap();
    for name in ["a1", "a2", "b"] {
        call(&connections, "CreateConnection", key_auth(name)).unwrap();
    }
    let check = |body: Value, expect: &[&str], next: Option<&str>| {
        let listed = call(&connections, "ListConnections", body).unwrap();
        let names = listed["Connections"].as_array().unwrap().iter().map(|one| one["Name"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), expect);
        assert_eq!(listed["NextToken"].as_str(), next);
    };
    check(json!({}), &["a1", "a2", "b"], None);
    check(json!({ "Limit": 2 }), &["a1", "a2"], Some("a2"));
    check(json!({ "Limit": 2, "NextToken": "a2" }), &["b"], None);
    check(json!({ "NamePrefix": "a" }), &["a1", "a2"], None);
    check(json!({ "ConnectionState": "DEAUTHORIZED" }), &[], None);
}

#[test]
fn what_is_refused() {
    let scratch = Scratch::new("refused");
    let connections = Connections::open(&scratch.0, &Home::default()).unwrap();
    let check = |change: &dyn Fn(&mut Value), words: &str| {
        let mut body = key_auth("c");
        change(&mut body);
        let refused = call(&connections, "CreateConnection", body).unwrap_err();
        assert!(refused.starts_with("ValidationException: ") && refused.contains(words), "{refused}");
        assert!(!refused.contains("hush"), "{refused}");
    };
    check(&|body| body["Name"] = "a b".into(), "at 'name'");
    check(&|body| body["AuthorizationType"] = "NONE".into(), "enum value set");
    check(&|body| body["AuthorizationType"] = "BASIC".into(), "Username of BasicAuthParameters");
    check(&|body| body["AuthParameters"]["ApiKeyAuthParameters"]["ApiKeyValue"] = "".into(), "ApiKeyValue");
    check(&|body| body["AuthParameters"]["BasicAuthParameters"] = json!({}), "BasicAuthParameters does not belong");
    check(
        &|body| body["AuthParameters"]["InvocationHttpParameters"]["BodyParameters"] = json!([{ "Key": "a" }]),
        "Key and a Value",
    );
    check(&|body| body["InvocationConnectivityParameters"] = json!({}), "private connectivity");
    let unknown = call(&connections, "PutRule", json!({})).unwrap_err();
    assert!(unknown.starts_with("UnknownOperationException: ") && !Connections::serves("PutRule"), "{unknown}");
}

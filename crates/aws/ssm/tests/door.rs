//! The operations as a client makes them, and what is left after a restart.

use std::path::PathBuf;

use aws_protocol::Home;
use aws_ssm::Ssm;
use serde_json::{Value, json};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("ithaca-ssm-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Scratch(path)
    }

    fn open(&self) -> Ssm {
        Ssm::open(&self.0.join("parameters"), &Home::default()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn call(ssm: &Ssm, operation: &str, body: Value) -> Value {
    let request = http::Request::post("/").header("x-amz-target", format!("AmazonSSM.{operation}"));
    let answer = ssm.handle(request.body(body.to_string().into()).unwrap()).await;
    let mut value: Value = serde_json::from_slice(answer.body()).unwrap();
    strip(&mut value);
    value
}

/// Without times.
fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("LastModifiedDate");
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Calls one after the other, each with what its answer must have in it.
#[tokio::test]
async fn parameters_come_and_go() {
    let scratch = Scratch::new("all");
    let mut ssm = scratch.open();
    let arn = |name: &str| format!("arn:aws:ssm:us-east-1:000000000000:parameter{name}");
    let shown = |name: &str, kind: &str, value: &str, version: u64| json!({ "Name": name, "Type": kind, "Value": value, "Version": version, "ARN": arn(name), "DataType": "text" });
    let steps = [
        (
            "PutParameter",
            json!({ "Name": "/a/b", "Value": "1", "Type": "String" }),
            json!({ "Version": 1, "Tier": "Standard" }),
        ),
        ("PutParameter", json!({ "Name": "/a/b", "Value": "2" }), json!("ParameterAlreadyExists")),
        (
            "PutParameter",
            json!({ "Name": "/a/b", "Value": "2", "Overwrite": true }),
            json!({ "Version": 2, "Tier": "Standard" }),
        ),
        (
            "PutParameter",
            json!({ "Name": "/a/c/d", "Value": "x,y", "Type": "StringList" }),
            json!({ "Version": 1, "Tier": "Standard" }),
        ),
        (
            "PutParameter",
            json!({ "Name": "/a/s", "Value": "secret", "Type": "SecureString" }),
            json!({ "Version": 1, "Tier": "Standard" }),
        ),
        ("PutParameter", json!({ "Name": "new", "Value": "2" }), json!("ValidationException")),
        ("PutParameter", json!({ "Name": "/aws/x", "Value": "2", "Type": "String" }), json!("ValidationException")),
        ("PutParameter", json!({ "Name": "a/b", "Value": "2", "Type": "String" }), json!("ValidationException")),
        ("PutParameter", json!({ "Name": "/../../x y", "Value": "2", "Type": "String" }), json!("ValidationException")),
        (
            "PutParameter",
            json!({ "Name": "/l", "Value": "2".repeat(4097), "Type": "String" }),
            json!("ValidationException"),
        ),
        (
            "PutParameter",
            json!({ "Name": "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", "Value": "2", "Type": "String" }),
            json!("HierarchyLevelLimitExceededException"),
        ),
        ("GetParameter", json!({ "Name": "/a/b" }), json!({ "Parameter": shown("/a/b", "String", "2", 2) })),
        ("GetParameter", json!({ "Name": arn("/a/b") }), json!({ "Parameter": shown("/a/b", "String", "2", 2) })),
        ("GetParameter", json!({ "Name": "/a/b:9" }), json!("ParameterVersionNotFound")),
        ("GetParameter", json!({ "Name": "/a/none" }), json!("ParameterNotFound")),
        (
            "GetParameter",
            json!({ "Name": "/a/s" }),
            json!({ "Parameter": shown("/a/s", "SecureString", "kms:ithaca:hidden", 1) }),
        ),
        (
            "GetParameter",
            json!({ "Name": "/a/s", "WithDecryption": true }),
            json!({ "Parameter": shown("/a/s", "SecureString", "secret", 1) }),
        ),
        (
            "GetParameters",
            json!({ "Names": ["/a/c/d", "/a/none"] }),
            json!({ "Parameters": [shown("/a/c/d", "StringList", "x,y", 1)], "InvalidParameters": ["/a/none"] }),
        ),
        (
            "GetParametersByPath",
            json!({ "Path": "/a", "MaxResults": 1 }),
            json!({ "Parameters": [shown("/a/b", "String", "2", 2)], "NextToken": "/a/b" }),
        ),
        (
            "GetParametersByPath",
            json!({ "Path": "/a", "Recursive": true, "NextToken": "/a/b", "MaxResults": 1 }),
            json!({ "Parameters": [shown("/a/c/d", "StringList", "x,y", 1)], "NextToken": "/a/c/d" }),
        ),
        ("GetParametersByPath", json!({ "Path": "a" }), json!("ValidationException")),
        (
            "LabelParameterVersion",
            json!({ "Name": "/a/b", "ParameterVersion": 1, "Labels": ["old", "1bad"] }),
            json!({ "InvalidLabels": ["1bad"], "ParameterVersion": 1 }),
        ),
        (
            "AddTagsToResource",
            json!({ "ResourceType": "Parameter", "ResourceId": "/a/b", "Tags": [{ "Key": "k", "Value": "v" }] }),
            json!({}),
        ),
        (
            "ListTagsForResource",
            json!({ "ResourceType": "Parameter", "ResourceId": "/a/b" }),
            json!({ "TagList": [{ "Key": "k", "Value": "v" }] }),
        ),
        (
            "GetParameter",
            json!({ "Name": "/cdk-bootstrap/hnb659fds/version" }),
            json!({ "Parameter": shown("/cdk-bootstrap/hnb659fds/version", "String", "9999", 1) }),
        ),
        ("Other", json!({}), json!("UnknownOperationException")),
        ("GetParameter", json!({}), json!("ValidationException")),
    ];
    for (operation, body, expect) in steps {
        let found = call(&ssm, operation, body.clone()).await;
        let found = if expect.is_string() { found["__type"].clone() } else { found };
        assert_eq!(found, expect, "{operation} {body}");
    }

    // A restart finds all of it.
    ssm = scratch.open();
    let old = call(&ssm, "GetParameter", json!({ "Name": "/a/b:old" })).await;
    assert_eq!((&old["Parameter"]["Value"], &old["Parameter"]["Selector"]), (&json!("1"), &json!(":old")));
    let history = call(&ssm, "GetParameterHistory", json!({ "Name": "/a/b" })).await;
    let values: Vec<&Value> = history["Parameters"].as_array().unwrap().iter().map(|it| &it["Value"]).collect();
    assert_eq!(values, ["1", "2"]);
    let filter = json!({ "ParameterFilters": [{ "Key": "tag:k", "Values": ["v"] }] });
    let described = call(&ssm, "DescribeParameters", filter).await;
    assert_eq!(described["Parameters"][0]["Name"], "/a/b");
    assert_eq!(described["Parameters"].as_array().unwrap().len(), 1);
    let deleted = call(&ssm, "DeleteParameters", json!({ "Names": ["/a/b", "/a/none"] })).await;
    assert_eq!(deleted, json!({ "DeletedParameters": ["/a/b"], "InvalidParameters": ["/a/none"] }));
    assert_eq!(call(&ssm, "DeleteParameter", json!({ "Name": "/a/b" })).await["__type"], "ParameterNotFound");
    assert_eq!(call(&scratch.open(), "GetParameter", json!({ "Name": "/a/b" })).await["__type"], "ParameterNotFound");
}

#[test]
fn files_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("owner");
    scratch.open().declare("/s", aws_ssm::Kind::SecureString, "secret", "").unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = scratch.0.join("parameters");
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!((files.len(), mode(&files[0])), (1, 0o600));
    std::fs::write(folder.join("broken.json"), "{").unwrap();
    let opened = scratch.open();
    assert_eq!(
        (opened.unreadable().len(), opened.value("/s", None)),
        (1, Some((aws_ssm::Kind::SecureString, "secret".into())))
    );
}

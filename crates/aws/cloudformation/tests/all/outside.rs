//! What a template asks for that is neither in it nor beside it, and what one that came over a wire may not.

use std::path::{Path, PathBuf};

use aws_cloudformation::{Code, Options, Outside, OutsideValue, Plan, Source, World, plan};

use crate::common::{self, shown};

struct Known;

impl World for Known {
    fn has_objects(&self) -> bool {
        true
    }

    fn object(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        (bucket == "b").then(|| Path::new("/objects").join(key))
    }

    fn object_at(&self, url: &str) -> Option<PathBuf> {
        (url == "https://s3.amazonaws.com/b/inner.yaml").then(|| PathBuf::from("app/inner.yaml"))
    }

    fn parameter(&self, name: &str, version: Option<u64>) -> Option<OutsideValue> {
        match (name, version) {
            ("/limit", None) => Some(OutsideValue { text: "5".into(), is_secret: false }),
            ("/limit", Some(1)) => Some(OutsideValue { text: "4".into(), is_secret: false }),
            ("/secret", _) => Some(OutsideValue { text: "s".into(), is_secret: true }),
            _ => None,
        }
    }
}

fn read(text: &str) -> Result<Plan, String> {
    let options = Options { outside: Outside::new(Known), is_remote: true, ..Options::default() };
    let source = Source { path: Path::new("app/template.yaml"), text: text.as_bytes() };
    plan(source, &options, &common::read).map_err(|errors| shown(&errors).join("\n"))
}

#[test]
fn parameters_of_the_store() {
    let check = |value: &str, expect: Result<&str, &str>| {
        let text = format!(
            "Parameters:\n  P: {{Type: 'AWS::SSM::Parameter::Value<String>', Default: /limit}}\nResources:\n  \
             T: {{Type: 'AWS::SNS::Topic'}}\nOutputs:\n  O: {{Value: {value}}}\n"
        );
        match (read(&text), expect) {
            (Ok(plan), Ok(expect)) => assert_eq!(plan.outputs[0].value, expect, "{value}"),
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{value}: {found}"),
            (found, expect) => panic!("{value}: {found:?} is not {expect:?}"),
        }
    };
    check("!Ref P", Ok("5"));
    check("'{{resolve:ssm:/limit}}'", Ok("5"));
    check("'a {{resolve:ssm:/limit:1}} b {{resolve:ssm:/limit}}'", Ok("a 4 b 5"));
    check("!Sub '{{resolve:ssm:/limit:1}} ${P}'", Ok("4 5"));
    check("'{{resolve:ssm:/limit:2}}'", Err("the Parameter Store has no /limit:2"));
    check("'{{resolve:ssm:/limit:x}}'", Err("/limit:x names no version by its number"));
    check("'{{resolve:ssm:/secret}}'", Err("/secret is a SecureString"));
    check("'{{resolve:ssm-secure:/secret}}'", Err("{{resolve:ssm-secure:...}} is not supported"));
}

#[test]
fn objects_and_paths() {
    let check = |code: &str, expect: Result<&str, &str>| {
        let text = format!(
            "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    \
             Properties: {{Runtime: python3.11, Handler: a.b, CodeUri: {code}}}\n"
        );
        match (read(&text), expect) {
            (Ok(plan), Ok(expect)) => assert_eq!(plan.functions[0].code, Code::Path(expect.into()), "{code}"),
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{code}: {found}"),
            (found, expect) => panic!("{code}: {found:?} is not {expect:?}"),
        }
    };
    check("s3://b/code.zip", Ok("/objects/code.zip"));
    check("{Bucket: b, Key: code.zip}", Ok("/objects/code.zip"));
    check("s3://none/code.zip", Err("s3://none/code.zip is not on this machine"));
    check("{Bucket: none, Key: code.zip}", Err("the code is not on this machine"));
    check("src", Err("CodeUri is not an object in S3"));
    check("/etc/passwd", Err("CodeUri is not an object in S3"));
    check("../../etc", Err("CodeUri is not an object in S3"));
}

/// CDK says where its assets lie; over a wire that means nothing.
#[test]
fn metadata_names_no_path_over_a_wire() {
    let text = "Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Metadata: {'aws:asset:path': /etc}\n    \
                Properties: {Runtime: python3.11, Handler: a.b, Role: r, Code: {S3Bucket: b, S3Key: code.zip}}\n";
    assert_eq!(read(text).unwrap().functions[0].code, Code::Path("/objects/code.zip".into()));
    let other = text.replace("S3Bucket: b", "S3Bucket: none");
    assert!(read(&other).unwrap_err().contains("the code is not on this machine"));
}

#[test]
fn stacks_in_stacks_that_came_over_a_wire() {
    let check = |place: &str, expect: Result<usize, &str>| {
        let text = format!(
            "Resources:\n  I:\n    Type: AWS::CloudFormation::Stack\n    Properties: {{TemplateURL: {place}, Parameters: {{Names: a}}}}\n"
        );
        match (read(&text), expect) {
            (Ok(plan), Ok(expect)) => assert_eq!(plan.nested[0].plan.activities.len(), expect, "{place}"),
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{place}: {found}"),
            (found, expect) => panic!("{place}: {found:?} is not {expect:?}"),
        }
    };
    check("https://s3.amazonaws.com/b/inner.yaml", Ok(1));
    check("https://s3.amazonaws.com/b/other.yaml", Err("is not on this machine"));
    // A path of this machine means nothing.
    check("inner.yaml", Err("the template inner.yaml is not on this machine"));
}

#[test]
fn what_is_included_over_a_wire() {
    let check = |place: &str, expect: &str| {
        let text = format!(
            "Metadata:\n  Fn::Transform: {{Name: 'AWS::Include', Parameters: {{Location: '{place}'}}}}\nResources:\n  T: {{Type: 'AWS::SNS::Topic'}}\n"
        );
        let found = read(&text).err().unwrap_or_default();
        assert!(found.contains(expect) && found.is_empty() == expect.is_empty(), "{place}: {found}");
    };
    check("https://s3.amazonaws.com/b/inner.yaml", "");
    check("s3://b/api.yaml", "cannot read /objects/api.yaml");
    // Paths of this machine mean nothing.
    for place in ["api.yaml", "/etc/passwd", "../api.yaml", "file:///etc/passwd", "s3://b", "s3://none/api.yaml"] {
        check(place, "AWS::Include has no object in S3 as its Location");
    }
}

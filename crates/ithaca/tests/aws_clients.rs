//! The AWS CLI, boto3 and the SDK for JavaScript, unmodified, against the real binary: found by `--endpoint-url` or by
//! `AWS_ENDPOINT_URL`.
//!
//! They are installed once, in the versions of `aws_clients/requirements.txt` and `aws_clients/package-lock.json`, into
//! folders of their own below the target folder. All three make the calls of `aws_clients/scenarios.json`, every
//! operation of Step Functions and its errors; boto3 holds the answers against its service model and also breaks that
//! model wherever it can (`aws_clients/every_operation.py`). What a program does with the other services is in
//! `aws_clients/boto3_calls.py`.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::client::{ROLE, text};
use support::installed::{self, run};
use support::ithaca::Up;
use support::scratch::Scratch;
use support::wait::wait_for;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws_clients");

/// A program of the environment.
fn program(name: &str) -> Command {
    with_settings(Command::new(installed::python("aws-clients", Path::new(FOLDER)).join(name)))
}

/// The program with credentials that no AWS would take, and nothing of the user's settings.
fn with_settings(mut command: Command) -> Command {
    for setting in ["AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "PYTHONPATH"] {
        command.env_remove(setting);
    }
    let settings = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_PAGER", ""),
        ("NO_PROXY", "127.0.0.1"),
    ];
    command.envs(settings);
    command
}

/// How a client is told where Ithaca is.
#[derive(Clone, Copy)]
enum Told {
    Argument,
    Environment,
}

fn boto3_works(prefix: &str, told: Told) {
    let scratch = Scratch::new(prefix);
    let ithaca = Up::new(scratch.join("data")).start();
    let mut python = program("python");
    python.arg(Path::new(FOLDER).join("boto3_calls.py")).arg(prefix);
    match told {
        Told::Argument => python.arg(ithaca.endpoint()),
        Told::Environment => python.env("AWS_ENDPOINT_URL", ithaca.endpoint()),
    };
    run(&mut python).unwrap_or_else(|reason| panic!("{reason}"));
}

#[test]
fn boto3_by_its_argument() {
    boto3_works("boto3-argument", Told::Argument);
}

#[test]
fn boto3_by_the_environment() {
    boto3_works("boto3-environment", Told::Environment);
}

/// Runs a client of `aws_clients/scenarios.json` against an empty Ithaca; it is told a prefix and the endpoint.
fn scenarios(name: &str, mut client: Command) {
    let scratch = Scratch::new(name);
    let ithaca = Up::new(scratch.join("data")).start();
    client.args([name, &ithaca.endpoint()]).current_dir(FOLDER);
    run(&mut client).unwrap_or_else(|reason| panic!("{reason}"));
}

fn python(script: &str) -> Command {
    let mut python = program("python");
    python.args(["-B", script]);
    python
}

#[test]
fn every_operation_by_boto3() {
    scenarios("every-boto3", python("every_operation.py"));
}

#[test]
fn stores_by_boto3() {
    scenarios("stores", python("stores.py"));
}

#[test]
fn senders_by_boto3() {
    scenarios("senders", python("senders.py"));
}

#[test]
fn stacks_by_boto3() {
    scenarios("stacks", python("formation.py"));
}

/// What a README of an app on AWS says, word for word: package, deploy, deploy again, delete.
#[test]
fn the_aws_cli_deploys_an_app() {
    let scratch = Scratch::new("cli-deploys");
    let mut up = Up::new(scratch.join("data"));
    up.options.push("--ignore-unsupported".to_owned());
    let ithaca = up.start();
    fs::create_dir(scratch.join("src")).unwrap();
    let handler = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'hi'}\n";
    fs::write(scratch.join("src/app.py"), handler).unwrap();
    let template = "Transform: AWS::Serverless-2016-10-31\nResources:\n  Hello:\n    Type: AWS::Serverless::Function\n    \
                    Properties:\n      Runtime: python3.11\n      Handler: app.handler\n      CodeUri: src\n      Events:\n        \
                    Get: {Type: Api, Properties: {Path: /hi, Method: get}}\n  Vm: {Type: AWS::EC2::Instance}\nOutputs:\n  Url: {Value: !Sub \
                    'https://${ServerlessRestApi}.execute-api.${AWS::Region}.amazonaws.com/Prod/hi'}\n";
    fs::write(scratch.join("template.yaml"), template).unwrap();
    let aws = |arguments: &str| {
        let mut aws = program("aws");
        aws.env("AWS_ENDPOINT_URL", ithaca.endpoint()).current_dir(scratch.path()).args(arguments.split(' '));
        let Output { status, stdout, stderr } = aws.output().unwrap();
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert!(status.success(), "aws {arguments}: {said}");
        said
    };
    let deploy = "cloudformation deploy --template-file packaged.yaml --stack-name app --capabilities CAPABILITY_IAM";
    aws("s3 mb s3://code");
    aws("cloudformation package --template-file template.yaml --s3-bucket code --output-template-file packaged.yaml");
    assert!(aws(deploy).contains("Successfully created/updated stack - app"));
    let again = aws(&format!("{deploy} --no-fail-on-empty-changeset"));
    assert!(again.contains("No changes to deploy. Stack app is up to date"), "{again}");
    let output =
        "cloudformation describe-stacks --stack-name app --output text --query Stacks[0].Outputs[0].OutputValue";
    let url = aws(output);
    let address =
        url.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{url} is not an address of this machine"));
    let (host, path) = address.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let mut answer = String::new();
    use std::io::{Read, Write};
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hi"), "{answer}");
    aws("cloudformation delete-stack --stack-name app");
    aws("cloudformation wait stack-delete-complete --stack-name app");
    assert_eq!(aws("lambda list-functions --query Functions --output json").trim(), "[]");
}

#[test]
fn every_operation_by_the_aws_cli() {
    scenarios("every-cli", python("cli_calls.py"));
}

#[test]
fn every_operation_by_the_sdk_for_javascript() {
    let folder = installed::node("aws-clients-js", Path::new(FOLDER));
    let mut node = with_settings(Command::new("node"));
    node.arg("scenarios.mjs").arg(folder);
    scenarios("every-js", node);
}

#[test]
fn the_aws_cli() {
    let scratch = Scratch::new("aws-cli");
    let ithaca = Up::new(scratch.join("data")).start();
    let endpoint = ithaca.endpoint();
    let output = |told: Told, arguments: &[&str]| {
        let mut aws = program("aws");
        match told {
            Told::Argument => aws.args(["--endpoint-url", &endpoint]),
            Told::Environment => aws.env("AWS_ENDPOINT_URL", &endpoint),
        };
        aws.args(["--output", "json"]).args(arguments).output().unwrap()
    };
    let call = |told: Told, arguments: &[&str]| {
        let Output { status, stdout, stderr } = output(told, arguments);
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        serde_json::from_slice::<Value>(&stdout).unwrap_or(Value::Null)
    };

    let definition = json!({ "StartAt": "Only", "States": { "Only": { "Type": "Pass", "End": true } } }).to_string();
    let create =
        ["stepfunctions", "create-state-machine", "--name", "cli", "--role-arn", ROLE, "--definition", &definition];
    let machine = text(&call(Told::Argument, &create)["stateMachineArn"]);
    let start = ["stepfunctions", "start-execution", "--state-machine-arn", &machine, "--input", "{\"a\": 1}"];
    let execution = text(&call(Told::Environment, &start)["executionArn"]);
    wait_for("the execution's end", || {
        let described = ithaca.client().states("DescribeExecution", json!({ "executionArn": execution }));
        (described["status"] == "SUCCEEDED").then_some(())
    });
    let history = call(Told::Argument, &["stepfunctions", "get-execution-history", "--execution-arn", &execution]);
    let types: Vec<&str> =
        history["events"].as_array().unwrap().iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]);

    let keys = [
        "--key-schema",
        "AttributeName=pk,KeyType=HASH",
        "--attribute-definitions",
        "AttributeName=pk,AttributeType=S",
    ];
    let table = ["dynamodb", "create-table", "--table-name", "cli", "--billing-mode", "PAY_PER_REQUEST"];
    call(Told::Argument, &[&table[..], &keys].concat());
    call(Told::Environment, &["dynamodb", "put-item", "--table-name", "cli", "--item", r#"{"pk": {"S": "trip"}}"#]);
    let condition =
        ["--key-condition-expression", "pk = :pk", "--expression-attribute-values", r#"{":pk": {"S": "trip"}}"#];
    let found = call(Told::Environment, &[&["dynamodb", "query", "--table-name", "cli"], &condition[..]].concat());
    assert_eq!(found["Items"], json!([{ "pk": { "S": "trip" } }]));

    let refused =
        output(Told::Argument, &["stepfunctions", "describe-execution", "--execution-arn", &format!("{execution}x")]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("(ExecutionDoesNotExist) when calling the DescribeExecution operation"), "{said}");
}

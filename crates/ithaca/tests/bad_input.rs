//! Bad input of every kind, at every door: a clear error that names the place and the mend, and nothing else affected.

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use std::{fs, io, thread};

use serde_json::{Value, json};
use support::client::{Client, Refusal, text};
use support::functions;
use support::ithaca::{Ithaca, Said, Up, command};
use support::scratch::Scratch;

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:good";

/// A server with one good state machine and one execution that waits in it, to see that nothing happens to them.
struct Calm {
    ithaca: Ithaca,
    client: Client,
    waiting: String,
    _scratch: Scratch,
}

impl Calm {
    fn new(name: &str) -> Calm {
        let scratch = Scratch::new(name);
        let ithaca = Up::new(scratch.join("data")).start();
        let client = ithaca.client();
        let wait = json!({ "Type": "Wait", "SecondsPath": "$.seconds", "End": true });
        let machine = client.create_machine("good", &json!({ "StartAt": "Wait", "States": { "Wait": wait } }));
        assert_eq!(machine, MACHINE);
        let waiting = client.start(MACHINE, &json!({ "seconds": 3600 }));
        Calm { ithaca, client, waiting, _scratch: scratch }
    }

    /// It still serves, has what it had, and what was running runs.
    #[track_caller]
    fn check(&self, after: &str) {
        assert_eq!(self.client.get("/healthz").status, 200, "{after}");
        let waiting = self.client.states("DescribeExecution", json!({ "executionArn": self.waiting }));
        assert_eq!(waiting["status"], "RUNNING", "{after}");
        let next = self.client.start(MACHINE, &json!({ "seconds": 0 }));
        assert_eq!(self.client.ended(&next)["status"], "SUCCEEDED", "{after}");
    }
}

fn definition_with(state: Value) -> String {
    let definition = json!({ "StartAt": "A", "States": { "A": state } });
    json!({ "name": "bad", "roleArn": support::client::ROLE, "definition": definition.to_string() }).to_string()
}

fn start_with(input: &str) -> String {
    json!({ "stateMachineArn": MACHINE, "input": input }).to_string()
}

#[test]
fn aws_json_requests() {
    let calm = Calm::new("bad-json");
    let check = |target: &str, body: &str, status: u16, name: &str, says: &str| {
        let refusal = calm.client.refusal(target, body);
        let shown: String = body.chars().take(100).collect();
        assert_eq!((refusal.status, refusal.name.as_str()), (status, name), "{target} {shown}: {refusal:?}");
        assert!(refusal.message.contains(says), "{target} {shown}: {refusal:?} does not say {says:?}");
    };
    let create = "AWSStepFunctions.CreateStateMachine";
    let not_json = json!({ "name": "bad", "roleArn": support::client::ROLE, "definition": "{\"StartAt\"" }).to_string();
    check(create, &not_json, 400, "InvalidDefinition", "INVALID_JSON_DESCRIPTION");
    let nowhere = definition_with(json!({ "Type": "Pass", "Next": "B" }));
    check(
        create,
        &nowhere,
        400,
        "InvalidDefinition",
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next",
    );
    let odd = definition_with(json!({ "Type": "Odd", "End": true }));
    check(create, &odd, 400, "InvalidDefinition", "/States/A/Type");
    let no_resource = definition_with(json!({ "Type": "Task", "Resource": "nonsense", "End": true }));
    check(create, &no_resource, 400, "InvalidDefinition", "Value is not a valid resource ARN at /States/A/Resource");
    check(create, "{not json", 400, "SerializationException", "not JSON: key must be a string at line 1 column 2");
    check(create, "[]", 400, "SerializationException", "must be a JSON object");
    check(create, &"[".repeat(100_000), 400, "SerializationException", "not JSON");
    check(create, r#"{"name":7}"#, 400, "SerializationException", "NUMBER_VALUE cannot be converted to String");
    check(create, "{}", 400, "ValidationException", "'name' failed to satisfy constraint: Member must not be null");

    let start = "AWSStepFunctions.StartExecution";
    check(start, &start_with("x"), 400, "InvalidExecutionInput", "Invalid State Machine Execution Input");
    let large = format!("\"{}\"", "x".repeat(262_144));
    check(
        start,
        &start_with(&large),
        400,
        "ValidationException",
        "'input' failed to satisfy constraint: Member must have length less than or equal to 262144",
    );
    check(start, &start_with(&large.repeat(5)), 400, "RequestEntityTooLargeException", "the most is");
    check(start, r#"{"stateMachineArn":"nonsense"}"#, 400, "InvalidArn", "nonsense");
    let absent = MACHINE.replace("good", "absent");
    check(start, &json!({ "stateMachineArn": absent }).to_string(), 400, "StateMachineDoesNotExist", &absent);
    check(start, &json!({ "stateMachineArn": MACHINE, "name": "a b" }).to_string(), 400, "InvalidName", "a b");
    let list = json!({ "stateMachineArn": MACHINE, "nextToken": "made up" }).to_string();
    check("AWSStepFunctions.ListExecutions", &list, 400, "InvalidToken", "Invalid Token: 'Invalid token'");

    check("AWSStepFunctions.Fly", "{}", 400, "UnknownOperationException", "'Fly'");
    check("Route53.Fly", "{}", 404, "UnknownOperationException", "'Route53.Fly'");
    check("AmazonSSM.Fly", "{}", 400, "UnknownOperationException", "'Fly'");
    check("DynamoDB_20120810.Fly", "{}", 400, "UnknownOperationException", "Fly");
    check("DynamoDB_20120810.PutItem", "{not json", 400, "SerializationException", "not JSON");
    let put = json!({ "TableName": "absent", "Item": { "pk": { "S": "x" } } }).to_string();
    check("DynamoDB_20120810.PutItem", &put, 400, "ResourceNotFoundException", "not found");
    let much = json!({ "TableName": "absent", "Item": { "pk": { "S": "x".repeat((16 << 20) + 1) } } }).to_string();
    check("DynamoDB_20120810.PutItem", &much, 413, "RequestEntityTooLargeException", "DynamoDB takes 16777216");

    let machines = calm.client.all("ListStateMachines", json!({}), "stateMachines");
    assert_eq!(machines.len(), 1, "what was refused was not made: {machines:?}");
    calm.check("refused requests");
}

#[test]
fn other_requests() {
    let calm = Calm::new("bad-http");
    let check = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8], status: u16, says: &str| {
        let answer = calm.client.send(method, path, headers, body).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(answer.text().contains(says), "{method} {path}: {} does not say {says:?}", answer.text());
    };
    check("GET", "/", &[("host", "evil.example")], b"", 403, "--host");
    check(
        "POST",
        "/",
        &[("host", "evil.example:4566"), ("x-amz-target", "AWSStepFunctions.ListStateMachines")],
        b"{}",
        403,
        "--host",
    );
    let signed = |service: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        )
    };
    let (s3, efs) = (signed("s3"), signed("elasticfilesystem"));
    check("GET", "/bucket/key", &[("authorization", &s3)], b"", 404, "<Code>NoSuchBucket</Code>");
    // The console takes no bucket's place, and no page that lies in one is taken for the console's.
    let signed_for_s3 = [("authorization", s3.as_str()), ("content-type", "text/html")];
    check("PUT", "/console", &signed_for_s3, b"", 200, "");
    check("PUT", "/console/page.html", &signed_for_s3, b"<script>", 200, "");
    check("GET", "/console?list-type=2", &signed_for_s3, b"", 200, "<Key>page.html</Key>");
    let page = calm.client.send("GET", "/console/page.html", &signed_for_s3, b"").unwrap();
    assert_eq!(page.header("content-security-policy"), Some("sandbox allow-scripts"));
    // An address alone, which any page may load, changes nothing.
    let stacks = "Version=2010-05-15&StackName=s";
    check("GET", &format!("/?Action=DeleteStack&{stacks}"), &[], b"", 400, "asked for by POST");
    check("GET", &format!("/?Action=ListStacks&{stacks}"), &[], b"", 200, "ListStacksResult");
    check("GET", "/x", &[("authorization", &efs)], b"", 404, "does not serve the AWS service 'elasticfilesystem'");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    check("POST", "/", &form, b"Action=Fly&Version=2011-06-15", 400, "does not serve the action 'Fly' of STS");
    check("POST", "/", &form, b"Action=Fly&Version=1", 400, "does not serve Fly");
    check("PATCH", "/nothing", &[], b"", 404, "does not serve PATCH /nothing");
    check("POST", "/2015-03-31/functions/absent/invocations", &[], b"{}", 404, "Function not found");
    check("POST", "/2015-03-31/functions", &[], b"{not json", 400, "Could not parse request body into json");
    check("GET", "/restapis/absent/Prod/_user_request_/", &[], b"", 403, "");
    let no_zip = json!({ "FunctionName": "f", "Role": support::client::ROLE, "Runtime": "provided.al2023", "Handler": "bootstrap", "Code": { "ZipFile": "bm8gemlw" } });
    check("POST", "/2015-03-31/functions", &[], no_zip.to_string().as_bytes(), 400, "Could not unzip uploaded file");

    let check_raw = |request: &[u8], expect: &str| {
        let answer = exchange(&calm.client.address, request).unwrap();
        assert!(answer.starts_with(expect), "{answer}");
    };
    check_raw(b"nonsense\r\n\r\n", "HTTP/1.1 400 ");
    check_raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 the beginning of TLS", "HTTP/1.1 400 ");
    check_raw(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n", "HTTP/1.1 400 ");
    check_raw(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99000000\r\n\r\n", "HTTP/1.1 413 ");
    calm.check("requests for nobody");
}

/// Sends bytes and reads what comes first.
fn exchange(address: &str, request: &[u8]) -> io::Result<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request)?;
    let mut bytes = [0; 4096];
    let count = stream.read(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[..count]).into_owned())
}

/// The process of the functions below; see `support::functions`.
#[test]
#[ignore = "not a test: the functions of this file run in it"]
fn function() {
    functions::serve(|name, event| match name {
        "crash" => std::process::exit(3),
        "hang" => loop {
            thread::park();
        },
        "garbage" => b"not json".into(),
        "large" => json!("x".repeat(300_000)).to_string().into(),
        "huge" => json!("x".repeat(7_000_000)).to_string().into(),
        _ => event.body.clone(),
    });
}

#[test]
fn functions_that_fail() {
    let calm = Calm::new("bad-functions");
    let check = |name: &str, bootstrap: &str, error: &str, cause: &str| {
        let timeout_seconds = if name == "hang" { 1 } else { 60 };
        let arn = functions::create(&calm.client, name, bootstrap, timeout_seconds);
        let machine = calm.client.create_machine(name, &functions::one_task(&arn));
        let ended = calm.client.ended(&calm.client.start(&machine, &json!({ "a": 1 })));
        assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!(error)), "{name}: {ended}");
        assert!(text(&ended["cause"]).contains(cause), "{name}: {ended} does not say {cause:?}");
    };
    let own = functions::own_bootstrap();
    check("crash", &own, "Runtime.ExitError", "Runtime exited with error: exit status 3");
    check("hang", &own, "Sandbox.Timedout", "Task timed out after 1.00 seconds");
    check("garbage", &own, "Lambda.Unknown", "Returned payload is not JSON: not json");
    check("large", &own, "States.DataLimitExceeded", "size exceeding the maximum number of bytes service limit");
    check("huge", &own, "Function.ResponseSizeTooLarge", "6291556 bytes");
    check("quits", "#!/bin/sh\nexit 7\n", "Runtime.ExitError", "exit status 7");
    check("noise", "\u{1}\u{2}no program", "Runtime.InvalidEntrypoint", "Exec format error");

    let arn = functions::create(&calm.client, "good", &own, 60);
    let machine = calm.client.create_machine("calls-good", &functions::one_task(&arn));
    let ended = calm.client.ended(&calm.client.start(&machine, &json!({ "a": 1 })));
    assert_eq!(ended["output"], r#"{"a":1}"#, "{ended}");
    assert_eq!(
        functions::invoke(&calm.client, "large", &json!({})).unwrap(),
        json!("x".repeat(300_000)),
        "a task's limit is not Invoke's"
    );
    calm.check("functions that fail");
}

#[test]
fn starts_that_cannot_be() {
    let scratch = Scratch::new("bad-starts");
    let check = |up: &Up, says: &[&str]| {
        let said = up.fails();
        assert!(says.iter().all(|part| said.contains(part)), "{said} does not say {says:?}");
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let data = scratch.join("data");
    check(&Up::new(&data).port(port), &[&format!("127.0.0.1:{port} is in use"), "--port"]);

    let file = scratch.write("file", "");
    check(&Up::new(&file), &[file.to_str().unwrap(), "must be a folder"]);
    check(&Up::new(file.join("below")), &["file/below", "must be a folder"]);
    check(&Up::new("/proc/ithaca"), &["cannot create the data folder /proc/ithaca"]);

    let up = |template: &Path| Up::new(scratch.join("never")).template(template);
    check(&up(&scratch.join("absent.yaml")), &["absent.yaml: No such file"]);
    check(&up(scratch.path()), &["has no template: looked for template.yaml"]);
    check(&up(&scratch.write("broken.yaml", "a: [")), &["broken.yaml:2:1: error"]);
    check(&up(&scratch.write("binary.yaml", [0xff, 0xfe, 0])), &["binary.yaml:1:", "UTF-8"]);
    let queue = scratch.write("queue.yaml", "Resources:\n  Queue:\n    Type: AWS::Kinesis::Stream\n");
    check(&up(&queue), &["queue.yaml:3:11: error: Queue: the type AWS::Kinesis::Stream is not supported", "help: "]);
    check(&up(&queue).parameter("Rate"), &["--parameter Rate: write it as KEY=VALUE"]);
    let saga = saga_template(&scratch);
    check(&up(&saga).parameter("Rate=1"), &["declares no parameter \"Rate\""]);
    check(&up(&saga), &["saga.asl.json:4:35: error: Missing 'Next' target: Nowhere", "at /States/A/Next", "help: "]);
    let inline = scratch.write("inline.yaml", INLINE);
    check(&up(&inline), &["inline.yaml:9:34: error: Missing 'Next' target: Nowhere", "at /States/A/Next"]);
    check(&up(&scratch.write("unbuilt.yaml", UNBUILT)), &["could not be built"]);
    assert!(!scratch.join("never").exists(), "nothing is begun before all is checked");
}

const INLINE: &str = r#"Transform: AWS::Serverless-2016-10-31
Resources:
  Saga:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: A
        States:
          A: { Type: Pass, Next: Nowhere }
"#;

const UNBUILT: &str = r#"Transform: AWS::Serverless-2016-10-31
Resources:
  Step:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: none } }
    Properties: { Runtime: provided.al2023, Handler: bootstrap, CodeUri: . }
"#;

/// A template whose definition, in a file of its own, is not valid.
fn saga_template(scratch: &Scratch) -> std::path::PathBuf {
    let definition =
        "{\n  \"StartAt\": \"A\",\n  \"States\": {\n    \"A\": { \"Type\":\"Pass\", \"Next\": \"Nowhere\" }\n  }\n}\n";
    scratch.write("saga.asl.json", definition);
    let properties = "    Properties: { DefinitionUri: saga.asl.json }\n";
    let head = "Transform: AWS::Serverless-2016-10-31\nResources:\n  Saga:\n    Type: AWS::Serverless::StateMachine\n";
    scratch.write("saga.yaml", format!("{head}{properties}"))
}

#[test]
fn a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    // SAFETY: a system call without arguments.
    if unsafe { libc::geteuid() } == 0 {
        println!("skipped: root may write everywhere");
        return;
    }
    let scratch = Scratch::new("bad-permissions");
    let data = scratch.join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
    let said = Up::new(&data).fails();
    assert!(said.contains(data.to_str().unwrap()) && said.contains("Permission denied"), "{said}");
    assert!(said.contains("Let this user read and write"), "{said}");
}

/// The slowest of this file: a start gives the guard of a killed instance ten seconds to finish its work.
#[test]
fn a_data_folder_that_another_process_has() {
    let calm = Calm::new("bad-locked");
    let data = calm.ithaca.said()["data"].as_str().unwrap().to_owned();
    let said = Up::new(&data).fails();
    let holder = format!("{data} is in use by another Ithaca (process {}", calm.ithaca.id());
    assert!(said.contains(&holder) && said.contains("choose another data folder"), "{said}");
    calm.check("another instance tried to have its folder");
}

#[test]
fn damaged_files() {
    let Calm { ithaca, waiting, _scratch: scratch, .. } = Calm::new("bad-files");
    assert!(ithaca.stop().success());
    let up = Up::new(scratch.join("data"));
    let check = |name: &str, how: &str, damage: fn(&mut Vec<u8>)| {
        let file = up.data.join(name);
        let whole = fs::read(&file).unwrap();
        let mut damaged = whole.clone();
        damage(&mut damaged);
        fs::write(&file, &damaged).unwrap();
        let said = up.fails();
        let parts = [file.to_str().unwrap(), "damaged", "Nothing was"];
        assert!(parts.iter().all(|part| said.contains(part)), "{name} {how}: {said}");
        assert_eq!(fs::read(&file).unwrap(), damaged, "{name} {how} is left as it is");
        fs::write(&file, &whole).unwrap();
    };
    for name in ["ithaca.db", "dynamodb.db"] {
        check(name, "of noise", |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x5a));
        check(name, "with a good beginning", |bytes| bytes[4096..].iter_mut().for_each(|byte| *byte ^= 0x5a));
        check(name, "cut in half", |bytes| bytes.truncate(bytes.len() / 2));
    }
    let again = up.start();
    let waiting = again.client().states("DescribeExecution", json!({ "executionArn": waiting }));
    assert_eq!(waiting["status"], "RUNNING", "with its files back, all is as it was");
}

#[test]
fn commands_that_cannot_be() {
    let scratch = Scratch::new("bad-commands");
    let check = |arguments: &[&str], code: i32, says: &str| {
        let said = Said::of(command(arguments).current_dir(scratch.path()));
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert!(said.err.contains(says), "{arguments:?}: {said:?} does not say {says:?}");
    };
    saga_template(&scratch);
    scratch.write("broken.asl.json", "{\n  \"StartAt\": ,\n}");
    // Port 1 needs rights that no Ithaca has.
    let nobody = "http://127.0.0.1:1";
    for arguments in [&["start", "m"][..], &["executions"], &["show"], &["history"], &["stop", "e"]] {
        check(&[arguments, &["--endpoint", nobody]].concat(), 1, "no Ithaca answers at http://127.0.0.1:1");
    }
    check(&["executions", "--endpoint", "https://example.com"], 1, "must have the form http://HOST:PORT");
    check(&["up", "--account", "12"], 1, "an account has twelve digits");
    check(&["up", "--port", "65536"], 2, "65536");
    check(&["fly"], 2, "unrecognized subcommand 'fly'");
    check(&[], 2, "Usage: ithaca");
    check(&["graph", "absent"], 1, "absent: No such file");
    check(&["graph", "saga.asl.json"], 1, "saga.asl.json:4:27: error: Missing 'Next' target: Nowhere");
    check(&["graph", "broken.asl.json"], 1, "broken.asl.json:2:");
    check(&["validate", "absent"], 1, "absent: No such file");
    check(&["validate"], 2, "<FILES>");

    let check_invalid = |file: &str, says: &str| {
        let said = Said::of(command(&["validate", file]).current_dir(scratch.path()));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.out.contains(says) && said.out.contains("not valid"), "{said:?} does not say {says:?}");
    };
    check_invalid("saga.asl.json", "saga.asl.json:4:27: error: Missing 'Next' target: Nowhere");
    check_invalid("saga.yaml", "saga.asl.json:4:35: error: Missing 'Next' target: Nowhere");
    check_invalid("broken.asl.json", "broken.asl.json:2:");
}

#[test]
fn commands_about_what_is_not_there() {
    let calm = Calm::new("bad-names");
    let check = |arguments: &[&str], says: &str| {
        let said = calm.ithaca.run(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{arguments:?}: {said:?}");
        assert!(said.err.contains(says), "{arguments:?}: {said:?} does not say {says:?}");
    };
    check(&["start", "absent"], "there is no state machine absent; there are good");
    check(&["start", "good", "--input", "{x"], "--input is not JSON");
    check(&["start", "good", "--input", "@absent.json"], "the input file absent.json");
    check(&["start", "good", "--name", "a b"], "InvalidName");
    check(&["show", "absent"], "there is no execution absent");
    check(&["history", "absent"], "there is no execution absent");
    check(&["stop", "absent"], "there is no execution absent");
    check(&["executions", "absent"], "there is no state machine absent");
    calm.check("commands that failed");
}

/// Compared as a whole, so that a refusal's parts stay what clients look for.
#[test]
fn a_refusal_is_what_aws_clients_expect() {
    let calm = Calm::new("bad-refusal");
    let body = json!({ "executionArn": "arn:aws:states:us-east-1:000000000000:execution:good:absent" });
    let expect = Refusal {
        status: 400,
        name: "ExecutionDoesNotExist".into(),
        message: "Execution Does Not Exist: 'arn:aws:states:us-east-1:000000000000:execution:good:absent'".into(),
    };
    assert_eq!(calm.client.refusal("AWSStepFunctions.DescribeExecution", &body.to_string()), expect);
}

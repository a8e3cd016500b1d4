//! The command line as a person and as a program use it: help, files, executions, what `up` prints.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::functions;
use support::history::check_whole;
use support::ithaca::{Ithaca, Killed, Said, Up, command};
use support::scratch::Scratch;
use support::travel::{built_example, example};
use support::wait::wait_for;

const COMMANDS: [&str; 15] = [
    "new",
    "up",
    "down",
    "start",
    "executions",
    "show",
    "history",
    "stop",
    "answer",
    "redrive",
    "outbox",
    "backup",
    "validate",
    "graph",
    "bench",
];

#[test]
fn help() {
    let all = Said::of(&mut command(&["--help"])).expect_success().out;
    for name in COMMANDS {
        assert!(all.contains(&format!("\n  {name} ")), "{name} is not in {all}");
        let said = Said::of(&mut command(&[name, "--help"])).expect_success();
        assert!(said.out.contains(&format!("Usage: ithaca {name}")), "{}", said.out);
    }
    let listed = all.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap().trim().lines().count();
    assert_eq!(listed, COMMANDS.len() + 1, "a new command (beside help) is to be added here: {all}");
    let version = Said::of(&mut command(&["--version"])).expect_success().out;
    assert_eq!(version, format!("ithaca {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn validate() {
    let example = example();
    let (template, definition) = (example.join("template.yaml"), example.join("saga.asl.json"));
    let [folder, template, definition] = [example, template, definition].map(|path| path.to_str().unwrap().to_owned());
    for file in [&folder, &template, &definition] {
        let said = Said::of(&mut command(&["validate", file])).expect_success();
        assert_eq!(said.out, format!("{file}: valid\n"));
    }
    let scratch = Scratch::new("validate");
    let of_json = r#"{"Resources":{"Jobs":{"Type":"AWS::SQS::Queue"}}}"#;
    for (name, text, expect) in [
        ("plain.json", of_json, "plain.json: valid"),
        ("broken.json", &of_json[..40], "help: correct the YAML or JSON here"),
        (
            "saga.asl.yaml",
            "StartAt: A\nStates:\n  A: { Type: Succeed }\n",
            "is checked with the template that names it",
        ),
        ("empty.yaml", "", "the file is empty"),
    ] {
        let said = Said::of(command(&["validate"]).arg(scratch.write(name, text)));
        assert!(said.out.contains(expect), "{name}: {}", said.out);
        assert_eq!(said.code, Some(i32::from(!expect.ends_with(": valid"))), "{name}");
    }
    let bad = scratch.write("bad.json", r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"}}}"#);
    let said = Said::of(command(&["validate", "--json", &definition]).arg(&bad));
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let reports = said.json();
    let result = |index: usize| (reports[index]["file"].clone(), reports[index]["result"].clone());
    assert_eq!(result(0), (json!(definition), json!("OK")));
    assert_eq!(result(1), (json!(bad), json!("FAIL")));
    let first = &reports[1]["diagnostics"][0];
    assert_eq!(
        (&first["severity"], &first["code"], &first["location"], &first["line"]),
        (&json!("ERROR"), &json!("MISSING_TRANSITION_TARGET"), &json!("/States/A/Next"), &json!(1))
    );
}

#[test]
fn graph() {
    let scratch = Scratch::new("graph");
    let definition = example().join("saga.asl.json");
    let definition = definition.to_str().unwrap();
    let said = Said::of(command(&["graph"]).arg(example().join("template.yaml")));
    assert!(said.err.contains("is a template: name the definition"), "{}", said.err);
    for (format, begins) in [("svg", "<svg"), ("mermaid", "flowchart"), ("dot", "digraph")] {
        let drawn = Said::of(&mut command(&["graph", definition, "--format", format])).expect_success().out;
        assert!(drawn.starts_with(begins), "{format}: {drawn}");
        for state in ["ReserveHotel", "CancelFlightReservation"] {
            assert!(drawn.contains(state), "{format} without {state}: {drawn}");
        }
        let file = scratch.join(format);
        let said = Said::of(command(&["graph", definition, "--format", format, "-o"]).arg(&file)).expect_success();
        assert_eq!((said.out, fs::read_to_string(file).unwrap().trim_end()), (String::new(), drawn.trim_end()));
    }
}

/// A server with one state machine: `{"go": true}` is a success, `{"go": false}` a failure, `"wait"` lasts.
/// Every kind of task and every shape, briefly: what counts is that sagas end as they should, and that the result is whole.
#[test]
fn bench() {
    let scratch = Scratch::new("bench");
    let file = scratch.join("result.json");
    let measured = |tasks: &str, option: &str| {
        let shapes = "--shape=travel,compensated";
        let mut command = command(&["bench", "--tasks", tasks, shapes, "--concurrency=1,3", "--seconds=0.1"]);
        Said::of(command.arg("--scratch").arg(scratch.path()).arg(option).arg(&file)).expect_success()
    };
    measured("lambda,activity,local,pass", "--output");
    let result: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let sagas = result["sagas"].as_array().unwrap();
    assert_eq!(sagas.len(), 7, "Pass states have one shape: {result}");
    for run in sagas.iter().flat_map(|saga| saga["runs"].as_array().unwrap()) {
        for figure in ["sagasPerSecond", "p50Ms", "p99Ms", "engineCpuMs", "loadCpuMs"] {
            let of = |member: &str| run["figures"][figure][member].as_f64().unwrap();
            assert!(of("min") <= of("median") && of("median") <= of("max"), "{figure}: {run}");
        }
    }
    let compared = measured("pass", "--compare").out;
    assert!(compared.contains("Against the stored result"), "{compared}");
    let said = Said::of(command(&["bench", "--compare"]).arg(scratch.write("other.json", "{}")));
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("not a result"), "{}", said.err);
}

fn up(name: &str) -> (Scratch, Ithaca) {
    let scratch = Scratch::new(name);
    let ithaca = Up::new(scratch.join("data")).start();
    let choice = |value: Value, next: &str| match value {
        Value::Bool(value) => json!({ "Variable": "$.go", "BooleanEquals": value, "Next": next }),
        value => json!({ "Variable": "$.go", "StringEquals": value, "Next": next }),
    };
    let states = json!({
        "Prepare": { "Type": "Pass", "Next": "Go?" },
        "Go?": { "Type": "Choice", "Choices": [choice(json!(true), "Gone"), choice(json!("wait"), "Wait")], "Default": "Stay" },
        "Wait": { "Type": "Wait", "Seconds": 3600, "Next": "Gone" },
        "Gone": { "Type": "Succeed" },
        "Stay": { "Type": "Fail", "Error": "NoGo", "Cause": "told to stay" },
    });
    ithaca.client().create_machine("trip", &json!({ "StartAt": "Prepare", "States": states }));
    (scratch, ithaca)
}

#[test]
fn an_execution_from_start_to_end() {
    let (scratch, ithaca) = up("cli-start");
    let said =
        ithaca.run(&["start", "trip", "--wait", "--name", "good-1", "--input", r#"{"go": true}"#]).expect_success();
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with("SUCCEEDED  trip  good-1 in "), "{}", said.out);
    let visited: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("  ✓ ")?.split(' ').next()).collect();
    assert_eq!(visited, ["Prepare", "Go?", "Gone"], "{}", said.out);

    let said = ithaca.run(&["start", "trip", "--wait", "--name", "bad-1", "--input", r#"{"go": false}"#]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""), "a failure is told by the exit code");
    assert!(said.out.starts_with("FAILED  trip  bad-1") && said.out.contains("✗ Stay"), "{}", said.out);

    let shown =
        ithaca.run(&["start", "trip", "--wait", "--json", "--input", r#"{"go": true}"#]).expect_success().json();
    assert_eq!(shown["execution"]["status"], "SUCCEEDED");
    let visits: Vec<&str> =
        shown["visits"].as_array().unwrap().iter().filter_map(|visit| visit["state"].as_str()).collect();
    assert_eq!(visits, ["Prepare", "Go?", "Gone"]);

    let input = scratch.write("input.json", r#"{"go": "wait"}"#);
    let input = format!("@{}", input.display());
    let start = ["start", "trip", "--name", "long-1", "--input", &input];
    let first = ithaca.run(&start).expect_success().out;
    assert!(first.trim_end().ends_with(":execution:trip:long-1"), "{first}");
    assert_eq!(ithaca.run(&start).expect_success().out, first, "a name makes a start idempotent");
    let started = ithaca.run(&[&start[..], &["--json"]].concat()).expect_success().json();
    assert_eq!(started["executionArn"], first.trim_end());

    let piped = pipe_into(&ithaca, &["start", "trip", "--input", "-"], r#"{"go": true}"#);
    assert!(piped.contains(":execution:trip:"), "{piped}");
}

/// Runs a command with a text as its standard input and returns its output.
fn pipe_into(ithaca: &Ithaca, arguments: &[&str], text: &str) -> String {
    let mut command = command(arguments);
    // The other way to name the endpoint.
    command.env("ITHACA_ENDPOINT", ithaca.endpoint()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn looking_at_executions() {
    let (_scratch, ithaca) = up("cli-look");
    assert_eq!(ithaca.run(&["executions"]).expect_success().out, "no executions\n");
    let said = ithaca.run(&["show"]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), "error: there are no executions yet\n"));
    for (name, input) in [("good-1", r#"{"go": true}"#), ("bad-1", r#"{"go": false}"#), ("long-1", r#"{"go": "wait"}"#)]
    {
        ithaca.run(&["start", "trip", "--name", name, "--input", input]).expect_success();
    }

    let names = |arguments: &[&str]| -> Vec<String> {
        let listed = ithaca.run(&[&["executions", "--json"], arguments].concat()).expect_success().json();
        listed.as_array().unwrap().iter().map(|execution| text(&execution["name"])).collect()
    };
    assert_eq!(names(&[]), ["long-1", "bad-1", "good-1"], "newest first");
    assert_eq!(names(&["trip", "--limit", "2"]), ["long-1", "bad-1"]);
    assert_eq!(names(&["--status", "failed"]), ["bad-1"]);
    let table = ithaca.run(&["executions"]).expect_success().out;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(
        lines,
        [
            ["STATUS", "MACHINE", "NAME"],
            ["RUNNING", "trip", "long-1"],
            ["FAILED", "trip", "bad-1"],
            ["SUCCEEDED", "trip", "good-1"]
        ]
    );

    let newest = ithaca.run(&["show"]).expect_success().out;
    assert!(newest.starts_with("RUNNING  trip  long-1") && newest.contains("▸ Wait"), "{newest}");
    let by_prefix = ithaca.run(&["show", "good"]).expect_success().out;
    assert!(by_prefix.starts_with("SUCCEEDED  trip  good-1"), "{by_prefix}");

    let events = ithaca.run(&["history", "bad-1", "--json"]).expect_success().json();
    let events = events.as_array().unwrap();
    check_whole(events);
    let table = ithaca.run(&["history", "bad-1"]).expect_success().out;
    assert_eq!(table.lines().count(), events.len());
    assert!(table.lines().last().unwrap().contains("ExecutionFailed"), "{table}");

    let stop = ["stop", "long-1", "--error", "Enough", "--cause", "seen all"];
    assert!(ithaca.run(&stop).expect_success().out.starts_with("stopped arn:"));
    let stopped = ithaca.run(&["show", "long-1", "--json"]).expect_success().json();
    let execution = &stopped["execution"];
    assert_eq!(
        (&execution["status"], &execution["error"], &execution["cause"]),
        (&json!("ABORTED"), &json!("Enough"), &json!("seen all"))
    );
    let again = ithaca.run(&[&stop[..], &["--json"]].concat()).expect_success().json();
    assert!(again["stopDate"].is_number(), "{again}");
    for (name, status) in [("long-1", "ABORTED"), ("good-1", "SUCCEEDED"), ("bad-1", "FAILED")] {
        let said = ithaca.run(&["stop", name]).expect_success().out;
        assert!(said.ends_with(&format!(":{name} had already ended as {status}\n")), "{said}");
    }
}

/// What cannot be meant is refused before anything is made.
#[test]
fn arguments_that_make_no_sense() {
    let scratch = Scratch::new("cli-senseless");
    let check = |arguments: &[&str], expect: &str| {
        let said = Said::of(command(arguments).current_dir(scratch.path()));
        assert!(said.code.is_some_and(|code| code > 0), "{arguments:?}");
        assert!(said.err.contains(expect), "{arguments:?}: {}", said.err);
    };
    check(&["up", "--port", "0", "--parameter", "foo"], "there is no template to take it");
    check(&["up", "--port", "0", "--parameter", "a=b"], "there is no template to take it");
    for region in ["x$", "", "Us-East-1", "a b", "1a"] {
        check(&["up", "--port", "0", "--region", region], "a region has lower-case letters, digits and hyphens");
    }
    check(&["bench", "--concurrency", "0"], "at least 1");
    check(&["bench", "--concurrency", "1,0"], "at least 1");
    check(&["bench", "--repeat", "0"], "at least 1");
    check(&["bench", "--waiting", "0"], "at least 1");
    check(&["bench", "--seconds", "0"], "more than 0");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "something was made");
}

/// A command pointed at somebody else's port sends it nothing that could act.
#[test]
fn a_port_that_is_not_the_main_one() {
    let scratch = Scratch::new("cli-port");
    let travel = Up::new(scratch.join("data")).template(built_example()).start();
    let port = format!("http://{}", travel.api().address);
    let commands: [&[&str]; 7] = [
        &["executions"],
        &["show"],
        &["history"],
        &["start", "travel"],
        &["stop", "x"],
        &["redrive", "x"],
        &["backup", "b"],
    ];
    for arguments in commands {
        let said = Said::of(command(arguments).args(["--endpoint", &port]).current_dir(scratch.path()));
        assert_eq!(said.code, Some(1), "{arguments:?}: {}", said.out);
        assert!(said.err.contains("is not Ithaca's main port"), "{arguments:?}: {}", said.err);
    }
    assert_eq!(travel.run(&["executions"]).expect_success().out, "no executions\n", "nothing has reached the API");
}

#[test]
fn an_output_that_nobody_takes() {
    let (_scratch, ithaca) = up("cli-output");
    ithaca.run(&["start", "trip", "--wait", "--input", r#"{"go": true}"#]).expect_success();
    let history = |output: Stdio| {
        let mut command = command(&["history", "--endpoint", &ithaca.endpoint()]);
        command.stdout(output).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
    };
    // As in `ithaca history | head`, when head has gone.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let said = history(writer.into());
    assert_eq!((said.status.code(), said.stderr), (Some(0), Vec::new()), "nobody missed anything");
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    let said = history(full.into());
    let complaint = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{complaint}");
    assert!(complaint.starts_with("error: standard output cannot be written: No space left"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "told once: {complaint}");
}

/// The process of the function below; see `support::functions`.
#[test]
#[ignore = "not a test: the function of this file runs in it"]
fn function() {
    functions::serve(|name, _| json!({ "statusCode": 200, "body": format!("from {name}") }).to_string().into());
}

/// A state machine, a table, a function behind two APIs, an output; `WAIT` is what a second version changes.
const TEMPLATE: &str = r#"Transform: AWS::Serverless-2016-10-31
Resources:
  First: { Type: AWS::Serverless::Api, Properties: { StageName: live } }
  Second: { Type: AWS::Serverless::Api, Properties: { StageName: live } }
  Answer:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: code
      Events:
        One: { Type: Api, Properties: { Path: /one, Method: GET, RestApiId: !Ref First } }
        Two: { Type: Api, Properties: { Path: /two, Method: GET, RestApiId: !Ref Second } }
  Trips:
    Type: AWS::Serverless::SimpleTable
  Saga:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: Rest
        States:
          Rest: { Type: Wait, Seconds: WAIT, End: true }
Outputs:
  Saga: { Value: !Ref Saga }
"#;

struct App {
    scratch: Scratch,
    template: PathBuf,
}

impl App {
    fn new(name: &str) -> App {
        let scratch = Scratch::new(name);
        fs::create_dir_all(scratch.join("app/code")).unwrap();
        let bootstrap = scratch.write("app/code/bootstrap", functions::own_bootstrap());
        fs::set_permissions(bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
        // The folder gives the stack its name, and that begins the names of what is in it.
        let template = scratch.join("app/template.yaml");
        let app = App { scratch, template };
        app.write(0);
        app
    }

    fn write(&self, wait_seconds: u32) {
        self.scratch.write("app/template.yaml", TEMPLATE.replace("WAIT", &wait_seconds.to_string()));
    }

    fn up(&self) -> Up {
        Up::new(self.scratch.join("data")).template(&self.template)
    }
}

#[test]
fn each_api_has_a_port_of_its_own() {
    let app = App::new("cli-apis");
    let ithaca = app.up().start();
    let said = ithaca.said();
    let apis: Vec<Client> = said["apis"].as_array().unwrap().iter().map(|api| client_of(&text(&api["url"]))).collect();
    let ports: std::collections::BTreeSet<&str> = apis.iter().map(|api| api.address.as_str()).collect();
    assert_eq!((apis.len(), ports.len()), (2, 2), "{said}");
    for (path, answered_by) in [("/one", 0), ("/two", 1)] {
        for (index, api) in apis.iter().enumerate() {
            let answer = api.get(path);
            let expect = if index == answered_by { 200 } else { 403 };
            assert_eq!(answer.status, expect, "{path} of API {index}: {}", answer.text());
        }
    }
    assert!(apis[0].get("/one").text().starts_with("from app-Answer"));
}

fn client_of(url: &str) -> Client {
    Client { address: url.strip_prefix("http://").unwrap().to_owned() }
}

#[test]
fn what_up_tells_a_person() {
    let app = App::new("cli-up");
    let log = app.scratch.join("log");
    let mut up = command(&["up", "--port", "0", "--api-port", "0", "--data"]);
    up.arg(app.scratch.join("data")).arg(&app.template).stdout(File::create(&log).unwrap());
    let mut ithaca = Killed(up.spawn().unwrap());
    let said = || fs::read_to_string(&log).unwrap();
    let line_with = |part: &str| wait_for(part, || said().lines().find(|line| line.contains(part)).map(str::to_owned));
    line_with("Ctrl-C stops");
    assert!(line_with("Ithaca is up").ends_with(app.scratch.join("data").to_str().unwrap()));
    assert!(line_with("API app").contains("http://127.0.0.1:"), "{}", said());
    assert!(line_with("state machines").contains("app-Saga"));
    assert!(line_with("functions").contains("app-Answer"));
    assert!(line_with("tables").contains("app-Trips"));
    let saga = line_with("output Saga").split_whitespace().last().unwrap().to_owned();
    let endpoint = line_with("AWS endpoint").split_whitespace().last().unwrap().to_owned();

    let client = client_of(&endpoint);
    client.states("StartExecution", json!({ "stateMachineArn": saga, "name": "first" }));
    assert!(line_with("app-Saga:first").starts_with("  SUCCEEDED "), "{}", said());
    assert!(ithaca.interrupt().success());
    assert!(said().ends_with("stopping: what is running goes on at the next start\n"), "{}", said());
}

#[test]
fn a_template_deployed_again_is_an_update() {
    let app = App::new("cli-update");
    app.write(3600);
    let first = app.up().start();
    let client = first.client();
    let saga = text(&client.states("ListStateMachines", json!({}))["stateMachines"][0]["stateMachineArn"]);
    let table = text(&client.dynamo("ListTables", json!({}))["TableNames"][0]);
    client.dynamo("PutItem", json!({ "TableName": table, "Item": { "id": { "S": "kept" } } }));
    let waiting = client.start(&saga, &json!({}));
    assert!(first.stop().success());

    app.write(0);
    let second = app.up().start();
    let client = second.client();
    let next = client.start(&saga, &json!({}));
    assert_eq!(client.ended(&next)["status"], "SUCCEEDED", "a new execution has the new definition");
    let waiting = client.states("DescribeExecution", json!({ "executionArn": waiting }));
    assert_eq!(waiting["status"], "RUNNING", "a running execution keeps its own");
    assert_eq!(client.dynamo("Scan", json!({ "TableName": table }))["Count"], 1, "a table keeps its rows");
}

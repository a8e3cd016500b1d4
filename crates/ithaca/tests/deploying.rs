//! A template that changes: what is made, what stays, what goes; and a template that is watched.

mod support;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::functions;
use support::ithaca::{Ithaca, Said, Up, command};
use support::scratch::Scratch;
use support::wait::wait_for;

/// A template of these parts of it.
fn template(parts: &[&str]) -> String {
    let part = |name: &&str| match *name {
        "table" => "  Trips: { Type: AWS::Serverless::SimpleTable }\n",
        "kept" => {
            "  Kept: { Type: AWS::StepFunctions::Activity, DeletionPolicy: Retain, Properties: { Name: kept } }\n"
        }
        "activity" => "  Book: { Type: AWS::StepFunctions::Activity, Properties: { Name: book } }\n",
        "function" => {
            "  Hello:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: src\n      Handler: index.handler\n      Runtime: python3.11\n      Events:\n        Get: { Type: Api, Properties: { Path: /hello, Method: get } }\n"
        }
        "waits" => {
            "  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      Name: trip\n      Definition: { StartAt: A, States: { A: { Type: Wait, SecondsPath: $.seconds, End: true } } }\n"
        }
        "passes" => {
            "  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      Name: trip\n      Definition: { StartAt: B, States: { B: { Type: Pass, Result: new, End: true } } }\n"
        }
        "rocket" => "  Rocket: { Type: AWS::Space::Rocket, Properties: { Fuel: !GetAtt Book.Arn } }\n",
        other => panic!("no part {other}"),
    };
    let parts: String = parts.iter().map(part).collect();
    format!("Transform: AWS::Serverless-2016-10-31\nDescription: trips\nResources:\n{parts}")
}

/// An app in a folder, its data beside it.
struct App(Scratch);

impl App {
    fn new(name: &str) -> App {
        let app = App(Scratch::new(name));
        std::fs::create_dir_all(app.0.join("app/src")).unwrap();
        app.answers("one");
        app
    }

    fn answers(&self, text: &str) {
        let code = format!("def handler(event, context):\n    return {{'statusCode': 200, 'body': '{text}'}}\n");
        self.0.write("app/src/index.py", code);
    }

    fn has(&self, parts: &[&str]) {
        self.0.write("app/template.yaml", template(parts));
    }

    fn up(&self) -> Up {
        Up::new(self.0.join("data")).template(self.0.join("app"))
    }
}

/// Everything there is, in words.
fn there(client: &Client) -> Vec<String> {
    let names = |answer: Value, list: &str, name: &str| -> Vec<String> {
        answer[list].as_array().into_iter().flatten().map(|item| text(&item[name])).collect()
    };
    let functions = client.lambda("GET", "/2015-03-31/functions/", &Value::Null).unwrap();
    let mut there: Vec<String> = [
        names(client.states("ListActivities", json!({})), "activities", "name"),
        names(client.states("ListStateMachines", json!({})), "stateMachines", "name"),
        names(functions, "Functions", "FunctionName"),
        client.dynamo("ListTables", json!({}))["TableNames"].as_array().unwrap().iter().map(text).collect(),
    ]
    .concat();
    there.sort();
    there
}

#[test]
fn an_update_makes_what_is_new_and_removes_what_is_not_named() {
    let app = App::new("deploy-update");
    // The parts of a template; what is there after it was deployed.
    let rows: [(&[&str], &[&str]); 5] = [
        (&["activity", "kept"], &["book", "kept"]),
        (&["activity", "table", "function"], &["app-Hello", "app-Trips", "book", "kept"]),
        (&["activity", "function", "waits"], &["app-Hello", "app-Trips", "book", "kept", "trip"]),
        (&["activity", "table"], &["app-Trips", "book", "kept"]),
        (&["activity"], &["app-Trips", "book", "kept"]),
    ];
    for (parts, expect) in rows {
        app.has(parts);
        let ithaca = app.up().start();
        assert_eq!(there(&ithaca.client()), expect, "{parts:?}");
        let apis = ithaca.said()["apis"].as_array().unwrap().len();
        assert_eq!(apis, usize::from(parts.contains(&"function")), "{parts:?}");
    }
}

#[test]
fn down_removes_all_but_data() {
    let app = App::new("down");
    app.has(&["table", "kept", "activity", "function", "waits"]);
    let ithaca = app.up().start();
    let endpoint = ithaca.endpoint();
    let down = |arguments: &[&str], expect: &[&str]| {
        let said = Said::of(&mut command(&[&["down", "--endpoint", &endpoint], arguments].concat()));
        for expect in expect {
            assert!(format!("{}{}", said.out, said.err).contains(expect), "{arguments:?}: {said:?}");
        }
        said.code
    };
    assert_eq!(down(&["none"], &["there is no stack and no path none; deployed: app"]), Some(1));
    let path = app.0.join("app");
    let removed =
        ["removed  app", "removed  app-Hello (AWS::Lambda::Function)", "kept     app-Trips (AWS::DynamoDB::Table)"];
    assert_eq!(down(&[path.to_str().unwrap()], &removed), Some(0));
    assert_eq!(there(&ithaca.client()), ["app-Trips", "kept"]);
    assert_eq!(down(&[path.to_str().unwrap()], &["app is not deployed; nothing is deployed"]), Some(1));
    // What stayed is taken up again, and goes when it is said so.
    ithaca.stop();
    let ithaca = app.up().start();
    let endpoint = ithaca.endpoint();
    let said = Said::of(&mut command(&["down", "app", "--delete-data", "--json", "--endpoint", &endpoint]));
    let told: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!(
        (&told["kept"], &told["failure"]),
        (&json!(["arn:aws:states:us-east-1:000000000000:activity:kept (AWS::StepFunctions::Activity)"]), &Value::Null)
    );
    assert_eq!(there(&ithaca.client()), ["kept"]);
}

#[test]
fn an_execution_keeps_its_definition() {
    let app = App::new("deploy-running");
    let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:trip";
    app.has(&["waits"]);
    let ithaca = app.up().start();
    let running = ithaca.client().start(machine, &json!({ "seconds": 1 }));
    drop(ithaca);
    app.has(&["passes"]);
    let ithaca = app.up().start();
    let new = ithaca.client().start(machine, &json!({}));
    assert_eq!(ithaca.client().ended(&new)["output"], "\"new\"");
    assert_eq!(ithaca.client().ended(&running)["output"], r#"{"seconds":1}"#);
}

#[test]
fn a_state_machine_stays_while_executions_run() {
    let app = App::new("deploy-stays");
    let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:trip";
    app.has(&["waits"]);
    let ithaca = app.up().start();
    let running = ithaca.client().start(machine, &json!({ "seconds": 3600 }));
    let refused = Said::of(&mut command(&["down", "app", "--endpoint", &ithaca.endpoint()]));
    assert!(refused.code == Some(1) && refused.err.contains("executions of trip run"), "{refused:?}");
    drop(ithaca);
    app.has(&["activity"]);
    let ithaca = app.up().start();
    assert_eq!(there(&ithaca.client()), ["book", "trip"]);
    ithaca.client().states("StopExecution", json!({ "executionArn": running }));
    drop(ithaca);
    assert_eq!(there(&app.up().start().client()), ["book"]);
}

#[test]
fn two_apps_in_one_data_folder() {
    let (app, other) = (App::new("deploy-two"), App::new("deploy-two-other"));
    app.has(&["function", "activity"]);
    drop(app.up().start());
    // What one has, the other cannot have.
    other.has(&["function", "activity"]);
    std::fs::rename(other.0.join("app"), other.0.join("other")).unwrap();
    let up = Up::new(app.0.join("data")).template(other.0.join("other"));
    let refused = up.fails();
    assert!(
        refused.contains("Book: arn:aws:states:us-east-1:000000000000:activity:book belongs to the stack app"),
        "{refused}"
    );
    other.0.write("other/template.yaml", template(&["function"]));
    let ithaca = up.start();
    assert_eq!(there(&ithaca.client()), ["app-Hello", "book", "other-Hello"]);
    // Both have their API, also where nothing is deployed.
    drop(ithaca);
    let ithaca = up.without_template().start();
    let urls: Vec<String> = ithaca.said()["apis"].as_array().unwrap().iter().map(|api| text(&api["url"])).collect();
    assert_eq!(urls.len(), 2);
    for url in urls {
        let api = Client { address: url.trim_start_matches("http://").to_owned() };
        assert_eq!(api.get("/hello").text(), "one");
    }
}

#[test]
fn what_is_not_served_is_refused_or_left_out() {
    let app = App::new("deploy-unserved");
    app.has(&["activity", "rocket"]);
    let refused = app.up().fails();
    assert!(
        refused.contains("template.yaml:5:19: error: Rocket: the type AWS::Space::Rocket is not supported"),
        "{refused}"
    );
    assert!(refused.contains("go on without it: --ignore-unsupported"), "{refused}");
    let mut up = app.up();
    up.options.push("--ignore-unsupported".to_owned());
    assert_eq!(there(&up.start().client()), ["book"]);
}

fn watched(app: &App) -> Ithaca {
    let mut up = app.up();
    up.options.push("--watch".to_owned());
    up.start()
}

#[test]
fn a_watched_app_is_deployed_again() {
    let app = App::new("deploy-watch");
    app.has(&["function"]);
    let ithaca = watched(&app);
    let (client, api) = (ithaca.client(), ithaca.api());
    let invoked = || functions::invoke(&client, "app-Hello", &json!({})).unwrap();
    assert_eq!(api.get("/hello").text(), "one");
    app.answers("two");
    wait_for("the new code answers", || (invoked()["body"] == "two").then_some(()));
    assert_eq!(api.get("/hello").text(), "two");
    // A template that is wrong changes nothing, and the one that mends it is taken.
    app.0.write("app/template.yaml", "Resources: [");
    app.answers("three");
    app.has(&["function", "activity"]);
    wait_for("the activity is there", || (there(&client) == ["app-Hello", "book"]).then_some(()));
    wait_for("the newest code answers", || (invoked()["body"] == "three").then_some(()));
    app.has(&["activity"]);
    wait_for("the function is gone", || (there(&client) == ["book"]).then_some(()));
    assert!(api.send("GET", "/hello", &[], b"").is_err(), "its API's port is closed");
}

#[test]
fn what_others_removed_or_changed_is_brought_back() {
    let app = App::new("deploy-by-hand");
    app.has(&["function", "waits"]);
    let ithaca = watched(&app);
    let client = ithaca.client();
    let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:trip";
    let definition = |client: &Client| {
        text(&client.states("DescribeStateMachine", json!({ "stateMachineArn": machine }))["definition"])
    };
    let wanted = definition(&client);
    client.lambda("DELETE", "/2015-03-31/functions/app-Hello", &Value::Null).unwrap();
    let other = r#"{ "StartAt": "B", "States": { "B": { "Type": "Succeed" } } }"#;
    client.states("UpdateStateMachine", json!({ "stateMachineArn": machine, "definition": other }));
    app.has(&["function", "waits", "activity"]);
    wait_for("it is deployed again", || there(&client).contains(&"book".to_owned()).then_some(()));
    wait_for("all of it is there", || (there(&client) == ["app-Hello", "book", "trip"]).then_some(()));
    wait_for("the definition is the template's", || (definition(&client) == wanted).then_some(()));
}

#[test]
fn the_stacks_of_a_cdk_app() {
    let scratch = Scratch::new("deploy-stacks");
    let stack = |file: &str, needs: &str| json!({ "type": "aws:cloudformation:stack", "dependencies": [needs], "properties": { "templateFile": file } });
    let artifacts = json!({ "App": stack("app.json", "Base"), "Base": stack("base.json", "") });
    let activity = |name: Value| json!({ "Type": "AWS::StepFunctions::Activity", "Properties": { "Name": name } });
    let exported = json!({ "Value": { "Fn::GetAtt": ["Book", "Name"] }, "Export": { "Name": "base:book" } });
    let base = json!({ "Resources": { "Book": activity("book".into()) }, "Outputs": { "Book": exported } });
    let name = json!({ "Fn::Join": ["-", ["pay", { "Fn::ImportValue": "base:book" }]] });
    std::fs::create_dir_all(scratch.join("app/cdk.out")).unwrap();
    scratch.write("app/cdk.json", "{}");
    scratch.write("app/cdk.out/manifest.json", json!({ "artifacts": artifacts }).to_string());
    scratch.write("app/cdk.out/base.json", base.to_string());
    let importing = |name: Value| json!({ "Resources": { "Pay": activity(name) } }).to_string();
    scratch.write("app/cdk.out/app.json", importing(name.clone()));
    let ithaca = Up::new(scratch.join("data")).template(scratch.join("app")).start();
    assert_eq!(there(&ithaca.client()), ["book", "pay-book"]);
    drop(ithaca);
    std::fs::create_dir(scratch.join("later")).unwrap();
    // What was deployed before may be imported too, and what nobody exports is told.
    scratch.write("later/template.json", importing(json!({ "Fn::Sub": ["later-${x}", { "x": name }] })));
    let later = Up::new(scratch.join("data")).template(scratch.join("later"));
    assert_eq!(there(&later.start().client()), ["book", "later-pay-book", "pay-book"]);
    scratch.write("later/template.json", importing(json!({ "Fn::ImportValue": "none" })));
    let refused = later.fails();
    assert!(refused.contains("Pay: no stack exports \"none\""), "{refused}");
    assert!(refused.contains("there are base:book"), "{refused}");
}

#[test]
fn a_stack_in_a_stack_comes_and_goes() {
    let app = App::new("deploy-nested");
    let inner = |name: &str| {
        format!("Resources:\n  A: {{ Type: AWS::StepFunctions::Activity, Properties: {{ Name: {name} }} }}\n")
    };
    let outer = "  Inner: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: inner.yaml } }\n";
    app.0.write("app/inner.yaml", inner("one"));
    app.0.write("app/template.yaml", template(&["activity"]) + outer);
    let ithaca = app.up().start();
    assert_eq!(there(&ithaca.client()), ["book", "one"]);
    drop(ithaca);
    app.0.write("app/inner.yaml", inner("two"));
    let ithaca = app.up().start();
    assert_eq!(there(&ithaca.client()), ["book", "two"]);
    drop(ithaca);
    app.has(&["activity"]);
    assert_eq!(there(&app.up().start().client()), ["book"]);
}

#[test]
fn functions_are_built_as_their_metadata_says() {
    let scratch = Scratch::new("deploy-built");
    std::fs::create_dir_all(scratch.join("app/src/node_modules/.bin")).unwrap();
    let template = |method: &str| {
        format!(
            "Transform: AWS::Serverless-2016-10-31\nResources:\n  Made:\n    Type: AWS::Serverless::Function\n    Metadata: {{ {method} }}\n    Properties: {{ CodeUri: src, Handler: made.handler, Runtime: python3.11 }}\n"
        )
    };
    let up = || Up::new(scratch.join("data")).template(scratch.join("app"));
    scratch.write("app/template.yaml", template("BuildMethod: makefile"));
    scratch.write("app/src/source.txt", "def handler(event, context):\n    return 'made'\n");
    scratch.write("app/src/Makefile", "build-Made:\n\tcp source.txt \"$(ARTIFACTS_DIR)/made.py\"\n");
    let ithaca = up().start();
    let name =
        ithaca.client().lambda("GET", "/2015-03-31/functions/", &Value::Null).unwrap()["Functions"][0]["FunctionName"]
            .clone();
    let path = format!("/2015-03-31/functions/{}/invocations", text(&name));
    assert_eq!(ithaca.client().lambda("POST", &path, &json!({})).unwrap(), "made");
    ithaca.stop();
    // What the tool refuses is told with the place, and nothing is deployed.
    scratch.write("app/src/Makefile", "build-Other:\n\ttrue\n");
    let complaints = up().fails();
    assert!(
        complaints.contains("template.yaml:3: Made: ") && complaints.contains("see the messages of make above"),
        "{complaints}"
    );
    scratch.write(
        "app/template.yaml",
        template("BuildMethod: esbuild, BuildProperties: { EntryPoints: [app.ts], Minify: true, External: [pg] }"),
    );
    let complaints = up().fails();
    assert!(complaints.contains("run `npm install --save-dev esbuild` there"), "{complaints}");
    // What the app has installed is called as SAM calls it; this one writes down how.
    let esbuild = scratch.join("app/src/node_modules/.bin/esbuild");
    std::fs::write(&esbuild, "#!/bin/sh\nfor a in \"$@\"; do case $a in --outdir=*) out=${a#--outdir=};; esac; done\nprintf 'def handler(e, c):\\n    return \"%s\"\\n' \"$*\" > $out/made.py\n").unwrap();
    std::fs::set_permissions(&esbuild, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ithaca = up().start();
    let said = text(&ithaca.client().lambda("POST", &path, &json!({})).unwrap());
    assert!(
        said.starts_with("app.ts --bundle --platform=node --target=es2020 --minify --external:pg --outdir=/"),
        "{said}"
    );
}

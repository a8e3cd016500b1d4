//! Rules of EventBridge and schedules: what fires them, what their targets get, what a crash does to them.

mod support;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;
use support::wait::wait_for;

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters:
  At: { Type: String }
Resources:
  Trip:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: trip
      AutoPublishAlias: live
      Definition: { StartAt: A, States: { A: { Type: Fail, Error: NoSeat } } }
  Note:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: note
      Definition: { StartAt: A, States: { A: { Type: Pass, End: true } } }
      Events:
        Ended:
          Type: EventBridgeRule
          Properties:
            Pattern: { source: [aws.states], detail: { status: [FAILED], stateMachineArn: [!Ref Trip] } }
            InputTransformer:
              InputPathsMap: { status: $.detail.status, cause: $.detail.error }
              InputTemplate: '{"status": <status>, "text": "it was <cause>, says <aws.events.rule-name>"}'
        Once:
          Type: ScheduleV2
          Properties: { ScheduleExpression: !Sub 'at(${At})', Input: '{"by":"<aws.scheduler.schedule-arn>"}' }
  Own:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [shop], detail: { price: [{ numeric: ['>', 100] }] } }
      Targets: [{ Id: note, Arn: !Ref Note, InputPath: $.detail }]
  Old: { Type: AWS::StepFunctions::StateMachineVersion, Properties: { StateMachineArn: !Ref Note, Description: first } }
  Both:
    Type: AWS::StepFunctions::StateMachineAlias
    Properties: { Name: both, RoutingConfiguration: [{ StateMachineVersionArn: !Ref Old, Weight: 100 }] }
Outputs:
  Version: { Value: !Ref Old }
"#;

/// A moment some seconds from now, as a schedule writes it.
fn soon(seconds: u64) -> String {
    let output =
        std::process::Command::new("date").args(["-u", "-d", &format!("+{seconds} seconds"), "+%FT%T"]).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

/// The inputs of the executions of `note`, once there are so many.
fn notes(client: &Client, count: usize) -> Vec<Value> {
    let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:note";
    let executions = wait_for("notes", || {
        let executions = client.executions(machine);
        (executions.len() >= count).then_some(executions)
    });
    let mut inputs: Vec<Value> = executions
        .iter()
        .map(|execution| {
            let described = client.states("DescribeExecution", json!({ "executionArn": execution["executionArn"] }));
            serde_json::from_str(&text(&described["input"])).unwrap()
        })
        .collect();
    inputs.sort_by_key(Value::to_string);
    inputs
}

fn events(client: &Client, operation: &str, body: Value) -> Value {
    client
        .json(&format!("AWSEvents.{operation}"), &body.to_string())
        .unwrap_or_else(|error| panic!("{operation}: {error:?}"))
}

fn up(scratch: &Scratch, at: &str) -> Ithaca {
    let up = Up::new(scratch.join("data")).template(scratch.join("template.yaml"));
    up.parameter(&format!("At={at}")).start()
}

#[test]
fn rules_of_a_template_fire() {
    let scratch = Scratch::new("rules");
    scratch.write("template.yaml", TEMPLATE);
    let ithaca = up(&scratch, &soon(3));
    let client = ithaca.client();
    client.start("arn:aws:states:us-east-1:000000000000:stateMachine:trip:live", &json!({}));
    let entry =
        |price: u32| json!({ "Source": "shop", "DetailType": "sold", "Detail": format!("{{\"price\":{price}}}") });
    events(&client, "PutEvents", json!({ "Entries": [entry(7), entry(700)] }));
    let schedule = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/scratch-NoteOnce";
    let found = notes(&client, 3);
    assert_eq!(found[1], json!({ "price": 700 }));
    let by = text(&found[0]["by"]);
    assert!(by.ends_with("-NoteOnce") && by.starts_with(&schedule[..56]), "{by}");
    let told = text(&found[2]["text"]);
    assert!(
        found[2]["status"] == "FAILED" && told.starts_with("it was NoSeat, says ") && told.ends_with("-NoteEnded"),
        "{found:?}"
    );

    // Versions and aliases are those of the template.
    let machine = json!({ "stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:note" });
    let versions = client.states("ListStateMachineVersions", machine.clone());
    assert_eq!(versions["stateMachineVersions"].as_array().unwrap().len(), 1);
    let aliases = client.states("ListStateMachineAliases", machine);
    assert_eq!(
        aliases["stateMachineAliases"][0]["stateMachineAliasArn"],
        "arn:aws:states:us-east-1:000000000000:stateMachine:note:both"
    );

    // A rule that the template does not name any more fires no more, and what the API says is what there is.
    let rules = |client: &Client| -> Vec<String> {
        let listed = events(client, "ListRules", json!({}));
        listed["Rules"].as_array().unwrap().iter().map(|rule| text(&rule["Name"])).collect()
    };
    assert_eq!(rules(&client).len(), 2);
    ithaca.stop();
    scratch.write(
        "template.yaml",
        TEMPLATE
            .replace("  Own:\n", "  Gone:\n    Condition: Never\n")
            .replace("Resources:", "Conditions: { Never: !Equals [a, b] }\nResources:"),
    );
    let ithaca = up(&scratch, "2020-01-01T00:00:00");
    assert_eq!(rules(&ithaca.client()).len(), 1);
}

#[test]
fn the_api_of_rules_and_a_crash() {
    let scratch = Scratch::new("rules-crash");
    scratch.write("template.yaml", TEMPLATE);
    let mut ithaca = up(&scratch, "2020-01-01T00:00:00");
    let client = ithaca.client();
    let rule = json!({ "Name": "mine", "EventPattern": r#"{"source":[{"prefix":"my."}]}"#, "EventBusName": "orders" });
    let put = events(&client, "PutRule", rule);
    assert_eq!(put["RuleArn"], "arn:aws:events:us-east-1:000000000000:rule/orders/mine");
    let note = "arn:aws:states:us-east-1:000000000000:stateMachine:note";
    let target = json!({ "Id": "1", "Arn": note, "Input": r#"{"said":"so"}"# });
    events(&client, "PutTargets", json!({ "Rule": "mine", "EventBusName": "orders", "Targets": [target] }));
    let entry = json!({ "Source": "my.app", "DetailType": "d", "Detail": "{}", "EventBusName": "orders" });
    events(&client, "PutEvents", json!({ "Entries": [entry] }));
    assert_eq!(notes(&client, 1), [json!({ "said": "so" })]);
    client.start("arn:aws:states:us-east-1:000000000000:stateMachine:trip", &json!({}));
    assert_eq!(notes(&client, 2).len(), 2);
    let refused =
        client.json("AWSEvents.PutRule", r#"{"Name":"x","ScheduleExpression":"rate(1 minutes)"}"#).unwrap_err();
    assert!(format!("{refused:?}").contains("ValidationException"), "{refused:?}");
    // As if it had crashed before it wrote down that the end was told: it is told again, to the same rules.
    ithaca.kill();
    let file = scratch.join("data/rules.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    kept["progress"]["told"] = json!([]);
    std::fs::write(&file, kept.to_string()).unwrap();
    let ithaca = Up::new(scratch.join("data")).without_template().start();
    let client = ithaca.client();
    let found = notes(&client, 3);
    assert_eq!(found.iter().filter(|note| note["status"] == "FAILED").count(), 2, "{found:?}");
    // And the rule of the API is there as before.
    let named = json!({ "Name": "mine", "EventBusName": "orders" });
    assert_eq!(events(&client, "DescribeRule", named)["State"], "ENABLED");
}

#[test]
fn rules_that_cannot_be_carried_out_are_told() {
    let scratch = Scratch::new("rules-refused");
    let template = TEMPLATE.replace("{ numeric: ['>', 100] }", "{ regex: x }").replace("at(${At})", "every(${At})");
    scratch.write("template.yaml", template);
    let complaints = Up::new(scratch.join("data")).template(scratch.join("template.yaml")).parameter("At=x").fails();
    for expect in [
        "Event pattern is not valid. Reason: detail.price.regex: there is no such comparison",
        "help: correct it, or let a function decide",
        "\"every(x)\" is none of rate(...), cron(...), at(...) [ITHACA_RULE_NOT_SERVED] at NoteOnce",
    ] {
        assert!(complaints.contains(expect), "{complaints}");
    }
}

//! State machines: where a definition comes from, and the way back to it.

use aws_cloudformation::Position;
use serde_json::{Value, json};

use crate::common::{check_errors, plan_of, plan_with};

fn template(properties: &str) -> String {
    format!(
        "Transform: AWS::Serverless-2016-10-31\nResources:\n  M:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n{properties}"
    )
}

fn check(properties: &str, definition: Value, pointer: &str, place: (&str, u32, u32)) {
    let plan = plan_of(&template(properties));
    let found = &plan.state_machines[0].definition;
    assert_eq!(serde_json::from_str::<Value>(&found.text).expect("JSON"), definition, "{properties}");
    let (file, line, column) = place;
    assert_eq!((found.file.to_str(), found.locate(pointer)), (Some(file), Position { line, column }), "{properties}");
}

#[test]
fn a_definition_becomes_json_and_keeps_its_places() {
    let pay = json!({ "StartAt": "Pay", "States": { "Pay": { "Type": "Task", "Resource": "x", "End": true } } });
    let with_x = "      DefinitionSubstitutions: { Pay: x }\n";
    let pointer = "/States/Pay/Resource";
    check(&format!("{with_x}      DefinitionUri: saga.asl.json\n"), pay.clone(), pointer, ("app/saga.asl.json", 4, 17));
    check(
        &format!("{with_x}      DefinitionUri: ./saga.asl.yaml\n"),
        pay.clone(),
        pointer,
        ("app/saga.asl.yaml", 5, 15),
    );
    let inline = "      Definition:\n        StartAt: Pay\n        States:\n          Pay: { Type: Task, Resource: '${Pay}', End: true }\n";
    check(&format!("{with_x}{inline}"), pay, pointer, ("app/template.yaml", 10, 40));
    check(
        "      Definition: { A: !Ref AWS::Region, B: 030, C: 30, D: 1.5, E: ~, F: no, G: 'true', H: 2012-10-17, 'a/b': [1, { c: 2 }] }\n",
        json!({ "A": "us-east-1", "B": "030", "C": 30, "D": 1.5, "E": null, "F": "no", "G": "true", "H": "2012-10-17", "a/b": [1, { "c": 2 }] }),
        "/a~1b/1/c",
        ("app/template.yaml", 6, 120),
    );
}

#[test]
fn a_definition_in_a_string() {
    let text = "Resources:\n  M:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n      RoleArn: r\n      \
                StateMachineName: m\n      DefinitionSubstitutions: { Region: !Ref AWS::Region }\n      \
                DefinitionString: !Sub |\n        { \"Comment\": \"${AWS::AccountId} ${!Region}\" }\n";
    let machine = &plan_of(text).state_machines[0];
    assert_eq!(machine.definition.text, "{ \"Comment\": \"000000000000 us-east-1\" }\n");
    assert_eq!(machine.definition.locate("/Comment"), Position { line: 8, column: 25 });
    assert_eq!((machine.name.as_str(), machine.role_arn.as_str()), ("m", "r"));
}

#[test]
fn a_variable_without_a_value_is_noted() {
    let plan = plan_with(&template("      DefinitionUri: saga.asl.json\n"), &[]).expect("a plan");
    assert!(plan.notes[0].to_string().contains("${Pay} in the definition is not among DefinitionSubstitutions"));
}

#[test]
fn definitions_that_cannot_be_read() {
    for (properties, expect) in [
        ("      Name: x\n", (3, "M:", "M: the state machine has none of DefinitionUri, Definition")),
        (
            "      Definition: {}\n      DefinitionUri: x\n",
            (6, "{}", "M: the state machine has DefinitionUri and Definition"),
        ),
        ("      Definition: text\n", (6, "text", "M: Definition must be a map")),
        ("      DefinitionUri: gone.json\n", (6, "gone.json", "M: cannot read app/gone.json: entity not found")),
        ("      DefinitionUri: { Bucket: b, Key: k }\n", (6, "{", "M: the definition is not on this machine")),
        ("      DefinitionUri: broken.yaml\n", (2, "", "M: ")),
        ("      DefinitionUri: latin1.json\n", (2, "", "M: the file is not text in UTF-8")),
        ("      DefinitionUri: huge.json\n", (6, "huge.json", "M: app/huge.json has 1048577 bytes")),
        (
            "      Definition: {}\n      Type: FAST\n",
            (7, "FAST", "M: Type must be STANDARD or EXPRESS, this is \"FAST\""),
        ),
        (
            "      Definition: {}\n      Events: { E: { Type: HttpApi } }\n",
            (7, "HttpApi", "M: events of type HttpApi are not supported"),
        ),
    ] {
        check_errors(&template(properties), &[expect]);
    }
}

#[test]
fn an_activity_is_its_name() {
    let plan = plan_of(
        "Resources:\n  Pick: { Type: AWS::StepFunctions::Activity, Properties: { Name: pick } }\n  \
         Pack: { Type: AWS::StepFunctions::Activity }\nOutputs:\n  A: { Value: !Ref Pick }\n  B: { Value: !GetAtt Pack.Name }\n",
    );
    let activities: Vec<(&str, &str)> = plan.activities.iter().map(|it| (it.name.as_str(), it.arn.as_str())).collect();
    let arn = "arn:aws:states:us-east-1:000000000000:activity:";
    assert_eq!(activities, [("pick", &*format!("{arn}pick")), ("app-Pack", &*format!("{arn}app-Pack"))]);
    let outputs: Vec<&str> = plan.outputs.iter().map(|output| output.value.as_str()).collect();
    assert_eq!(outputs, [&*format!("{arn}pick"), "app-Pack"]);
}

#[test]
fn a_bucket_has_no_capitals() {
    let plan = plan_of(
        "Resources:\n  Trips: { Type: AWS::S3::Bucket }\n  Named: { Type: AWS::S3::Bucket, Properties: { BucketName: my-trips } }\n\
         Outputs:\n  A: { Value: !Ref Trips }\n  B: { Value: !GetAtt Named.Arn }\n",
    );
    let names: Vec<&str> = plan.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names, ["app-trips", "my-trips"]);
    let outputs: Vec<&str> = plan.outputs.iter().map(|output| output.value.as_str()).collect();
    assert_eq!(outputs, ["app-trips", "arn:aws:s3:::my-trips"]);
}

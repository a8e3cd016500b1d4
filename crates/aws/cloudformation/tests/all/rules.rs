//! Rules, schedules, and events of SAM that become them; versions and aliases of state machines.

use serde_json::{Value, json};

use crate::common::{check_errors, plan_of};

const HEAD: &str = "Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: a.b
      CodeUri: .
      Events:
";

/// The one rule of a function's event, as the API would be told.
fn check(event: &str, arn: &str, body: Value, targets: Value) {
    let plan = plan_of(&format!("{HEAD}        E: {{ {event} }}\n"));
    let [rule] = plan.rules.as_slice() else { panic!("{:?}", plan.rules) };
    assert_eq!((rule.arn.as_str(), &rule.body, &json!(rule.targets)), (arn, &body, &targets), "{event}");
    let listed = plan.resources.iter().find(|r| r.logical_id == "FE").unwrap();
    let kind = if rule.is_schedule { "AWS::Scheduler::Schedule" } else { "AWS::Events::Rule" };
    assert_eq!(listed.kind, kind);
}

#[test]
fn events_of_sam() {
    let function = "arn:aws:lambda:us-east-1:000000000000:function:app-F";
    let target = json!({ "Id": "Target", "Arn": function });
    let rule = |name: &str| format!("arn:aws:events:us-east-1:000000000000:rule/{name}");
    check(
        "Type: Schedule, Properties: { Schedule: rate(5 minutes), Enabled: false, Input: '{\"a\":1}' }",
        &rule("app-FE"),
        json!({ "ScheduleExpression": "rate(5 minutes)", "Name": "app-FE", "State": "DISABLED" }),
        json!([{ "Input": "{\"a\":1}", "Id": "Target", "Arn": function }]),
    );
    check(
        "Type: EventBridgeRule, Properties: { RuleName: r, Pattern: { source: [shop], detail: { n: [1, '2'] } }, InputPath: $.detail }",
        &rule("r"),
        json!({ "EventPattern": r#"{"source":["shop"],"detail":{"n":[1,"2"]}}"#, "Name": "r" }),
        json!([{ "InputPath": "$.detail", "Id": "Target", "Arn": function }]),
    );
    check(
        "Type: CloudWatchEvent, Properties: { EventBusName: orders, Pattern: { source: [shop] }, State: DISABLED, RetryPolicy: { MaximumRetryAttempts: 5 } }",
        &rule("orders/app-FE"),
        json!({ "State": "DISABLED", "EventBusName": "orders", "EventPattern": r#"{"source":["shop"]}"#, "Name": "app-FE" }),
        json!([{ "RetryPolicy": { "MaximumRetryAttempts": 5 }, "Id": "Target", "Arn": function }]),
    );
    check(
        "Type: ScheduleV2, Properties: { ScheduleExpression: 'at(2030-01-01T00:00:00)', GroupName: g, FlexibleTimeWindow: { Mode: OFF } }",
        "arn:aws:scheduler:us-east-1:000000000000:schedule/g/app-FE",
        json!({ "ScheduleExpression": "at(2030-01-01T00:00:00)", "Target": target, "Name": "app-FE" }),
        json!([]),
    );
}

#[test]
fn rules_and_schedules() {
    let plan = plan_of(
        "Resources:
  A: { Type: AWS::StepFunctions::Activity }
  R: { Type: AWS::Events::Rule, Properties: { Name: r, EventBusName: !GetAtt Bus.Arn, EventPattern: { source: [x] }, Targets: [{ Id: a, Arn: 'arn:aws:sqs:r:1:q', RoleArn: x }] } }
  S: { Type: AWS::Scheduler::Schedule, Properties: { ScheduleExpression: rate(1 hour), FlexibleTimeWindow: { Mode: OFF }, Target: { Arn: 'arn:aws:lambda:r:1:function:f', RoleArn: x, Input: '{}' } } }
  Bus: { Type: AWS::Events::EventBus, Properties: { Name: orders } }
Outputs:
  R: { Value: !Join [' ', [!Ref R, !GetAtt R.Arn, !Ref S, !GetAtt S.Arn]] }
",
    );
    let expect = "orders|r arn:aws:events:us-east-1:000000000000:rule/orders/r app-S arn:aws:scheduler:us-east-1:000000000000:schedule/default/app-S";
    assert_eq!(plan.outputs[0].value, expect);
    let rule = plan.rules.iter().find(|rule| rule.logical_id == "R").unwrap();
    assert_eq!(rule.targets, [json!({ "Id": "a", "Arn": "arn:aws:sqs:r:1:q" })]);
    let schedule = plan.rules.iter().find(|rule| rule.logical_id == "S").unwrap();
    assert_eq!(schedule.body["Target"], json!({ "Arn": "arn:aws:lambda:r:1:function:f", "Input": "{}" }));
    check_errors(
        &format!("{HEAD}        E: {{ Type: Kinesis, Properties: {{ Stream: s }} }}\n"),
        &[(10, "Kinesis", "F: events of type Kinesis are not supported")],
    );
}

const MACHINE: &str = "Definition: { StartAt: A, States: { A: { Type: Pass, End: true } } }";

#[test]
fn events_of_a_state_machine() {
    let plan = plan_of(&format!(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  M:
    Type: AWS::Serverless::StateMachine
    Properties:
      {MACHINE}
      AutoPublishAlias: live
      UseAliasAsEventTarget: true
      Events:
        Get: {{ Type: Api, Properties: {{ Path: /start, Method: post, UnescapeMappingTemplate: true }} }}
        Daily: {{ Type: Schedule, Properties: {{ Schedule: 'cron(0 9 * * ? *)' }} }}
"
    ));
    let alias = "arn:aws:states:us-east-1:000000000000:stateMachine:app-M:live";
    assert_eq!(plan.rules[0].targets[0]["Arn"], alias);
    assert_eq!(
        (plan.apis[0].logical_id.as_str(), plan.apis[0].routes[0].path.as_str()),
        ("ServerlessRestApi", "/start")
    );
    let aws_cloudformation::Integration::Action { service, operation, mapping, .. } =
        &plan.apis[0].routes[0].integration
    else {
        panic!("{:?}", plan.apis)
    };
    assert_eq!((service.as_str(), operation.as_str()), ("states", "StartExecution"));
    let template = format!(
        r#"{{"input": "$util.escapeJavaScript($input.json('$')).replaceAll("\\'","'")", "stateMachineArn": "{alias}"}}"#
    );
    assert_eq!(mapping.requests["application/json"], template);
    let version = "arn:aws:states:us-east-1:000000000000:stateMachine:app-M:MVersion".to_owned();
    assert_eq!(
        (plan.machine_versions[0].arn.as_str(), &plan.machine_aliases[0].routes),
        (version.as_str(), &vec![(version.clone(), 100)])
    );
}

#[test]
fn versions_and_aliases_of_a_state_machine() {
    let machine = format!(
        "  M: {{ Type: AWS::StepFunctions::StateMachine, Properties: {{ RoleArn: r, {MACHINE} }} }}\n  V: {{ Type: AWS::StepFunctions::StateMachineVersion, Properties: {{ StateMachineArn: !Ref M, StateMachineRevisionId: !GetAtt M.StateMachineRevisionId }} }}\n"
    );
    let plan = |alias: &str| {
        format!(
            "Resources:\n{machine}  A:\n    {{ Type: AWS::StepFunctions::StateMachineAlias, Properties: {{ {alias} }} }}\n"
        )
    };
    let check = |alias: &str, expect: &[(&str, u32)]| {
        let plan = plan_of(&plan(alias));
        let [found] = plan.machine_aliases.as_slice() else { panic!("{:?}", plan.machine_aliases) };
        let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:app-M";
        assert_eq!(found.arn, format!("{arn}:{}", found.name));
        let routes: Vec<_> = found.routes.iter().map(|(version, weight)| (&version[arn.len()..], *weight)).collect();
        assert_eq!(routes, expect);
    };
    check("Name: live, RoutingConfiguration: [{ StateMachineVersionArn: !Ref V, Weight: 100 }]", &[(":V", 100)]);
    check(
        "RoutingConfiguration: [{ StateMachineVersionArn: !Ref V, Weight: 90 }, { StateMachineVersionArn: !Sub '${M}:1', Weight: 10 }]",
        &[(":V", 90), (":1", 10)],
    );
    check(
        "Name: live, DeploymentPreference: { StateMachineVersionArn: !Ref V, Type: CANARY, Percentage: 10, Interval: 5 }",
        &[(":V", 100)],
    );
    check_errors(
        &plan("Name: live, RoutingConfiguration: [{ StateMachineVersionArn: !Ref V, Weight: 90 }]"),
        &[(5, "[{", "A: the weights do not make 100 of one or two versions")],
    );
}

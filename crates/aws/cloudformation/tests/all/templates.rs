//! Whole templates: what SAM's authors write, and what CDK synthesizes.

use crate::common::{SAGA, plan_of, plan_with, shown};
use aws_cloudformation::{Api, ApiKind, Architecture, Build, Code, Plan, Position, StateMachineKind};
use serde_json::json;

const LAMBDA: &str = "arn:aws:lambda:us-east-1:000000000000:function";

fn routes(api: &Api) -> Vec<(&str, &str, &str)> {
    api.routes.iter().map(|r| (r.method.as_str(), r.path.as_str(), r.function().unwrap_or_default())).collect()
}

fn notes(plan: &Plan) -> Vec<String> {
    plan.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_booking_saga_in_sam() {
    let plan = plan_of(include_str!("templates/travel.yaml"));
    assert_eq!(plan.stack_name, "app");
    let before = |a: &str, b: &str| {
        let place =
            |id: &str| plan.resources.iter().position(|r| r.logical_id == id).expect("every resource has its place");
        assert!(place(a) < place(b), "{a} before {b} in {:?}", plan.resources);
    };
    before("Bookings", "Pay");
    before("Pay", "Saga");
    before("Saga", "SagaFunction");

    let [table] = plan.tables.as_slice() else { panic!("{:?}", plan.tables) };
    assert_eq!(table.arn, "arn:aws:dynamodb:us-east-1:000000000000:table/bookings");
    assert_eq!(
        table.create,
        json!({
            "TableName": "bookings",
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" },
                { "AttributeName": "sk", "AttributeType": "S" }
            ],
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }],
            "ProvisionedThroughput": { "ReadCapacityUnits": 5, "WriteCapacityUnits": 5 },
            "SSESpecification": { "Enabled": true },
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" }
        })
    );
    assert_eq!(table.time_to_live, Some(json!({ "AttributeName": "expires", "Enabled": true })));

    let [pay, saga] = plan.functions.as_slice() else { panic!("{:?}", plan.functions) };
    assert_eq!((pay.name.as_str(), pay.memory_mb, pay.timeout_seconds), ("app-pay", 256, 10));
    assert_eq!(pay.build, Some(Build::Makefile { working_directory: None }));
    assert_eq!(pay.environment["RATE"], "0.4");
    assert_eq!((saga.name.as_str(), saga.arn.as_str()), ("app-SagaFunction", &*format!("{LAMBDA}:app-SagaFunction")));
    assert_eq!((saga.memory_mb, saga.reserved_concurrency), (128, Some(2)));
    assert_eq!((saga.runtime.as_str(), saga.handler.as_str()), ("provided.al2023", "bootstrap"));
    assert_eq!(saga.code, Code::Path("app/functions".into()));
    assert_eq!(saga.build, Some(Build::CargoLambda { binary: Some("saga".into()) }));
    assert_eq!(saga.architecture, Architecture::Arm64);
    assert_eq!(saga.role_arn, "arn:aws:iam::000000000000:role/app-SagaFunctionRole");
    let environment: Vec<_> = saga.environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let machine_arn = "arn:aws:states:us-east-1:000000000000:stateMachine:app-Saga";
    let expect = [("RATE", "0"), ("SINCE", "2021-07-10"), ("STATE_MACHINE", machine_arn), ("TABLE", "bookings")];
    assert_eq!(environment, expect);

    let [machine] = plan.state_machines.as_slice() else { panic!("{:?}", plan.state_machines) };
    assert_eq!((machine.arn.as_str(), machine.kind, machine.tracing), (machine_arn, StateMachineKind::Express, true));
    assert_eq!(machine.definition.text, SAGA.replace("${Pay}", &pay.arn));
    assert_eq!(machine.definition.file.to_str(), Some("app/saga.asl.json"));
    assert_eq!(machine.definition.locate("/States/Pay/Resource"), Position { line: 4, column: 17 });
    assert_eq!(machine.definition.locate("/States/Pay/Retry/0"), Position { line: 3, column: 22 });
    let log_group = "arn:aws:logs:us-east-1:000000000000:log-group:app-Logs:*";
    assert_eq!(
        machine.logging,
        Some(json!({
            "level": "ALL", "includeExecutionData": true,
            "destinations": [{ "cloudWatchLogsLogGroup": { "logGroupArn": log_group } }]
        }))
    );

    let [admin, implicit] = plan.apis.as_slice() else { panic!("{:?}", plan.apis) };
    assert_eq!((admin.logical_id.as_str(), admin.stages[0].name.as_str()), ("AdminApi", "live"));
    assert_eq!(admin.stages[0].variables["colour"], "blue");
    assert_eq!(routes(admin), [("GET", "/admin", "app-SagaFunction")]);
    assert_eq!((implicit.logical_id.as_str(), implicit.stages[0].name.as_str()), ("ServerlessRestApi", "Prod"));
    assert_eq!(routes(implicit), [("ANY", "/", "app-SagaFunction"), ("ANY", "/{proxy+}", "app-SagaFunction")]);

    let outputs: Vec<&str> = plan.outputs.iter().map(|o| o.value.as_str()).collect();
    let address = |api: &Api, path: &str| format!("https://{}.execute-api.us-east-1.amazonaws.com/{path}", api.id);
    let role = "arn:aws:iam::000000000000:role/app-SagaFunctionRole".to_owned();
    assert_eq!(outputs, [address(implicit, "Prod/"), address(admin, "live/admin"), role, "Prod".into()]);
    assert_eq!(plan.outputs[0].export_name.as_deref(), Some("app-url"));

    let local = |api: &Api, stage: &str| format!("http://localhost:3000/{}/{stage}", api.logical_id);
    let text = plan.localise(&format!("a {} b {}", outputs[0], outputs[1]), &local);
    assert_eq!(text, "a http://localhost:3000/ServerlessRestApi/Prod/ b http://localhost:3000/AdminApi/live/admin");
    for other in [address(implicit, "Prods/"), address(implicit, ""), "https://x.execute-api.y/Prod".into()] {
        assert_eq!(plan.localise(&other, &local), other);
    }

    assert_eq!(
        notes(&plan),
        [
            "app/template.yaml:30:7: note: SagaFunction: Policies: permissions are not enforced here",
            "app/template.yaml:39:5: note: Pay: unknown resource attribute \"Description\" has no effect",
            "app/template.yaml:44:7: note: Pay: Tags: no effect here",
            "app/template.yaml:56:3: note: Logs: AWS::Logs::LogGroup is not created: functions log to this machine",
        ]
    );
}

#[test]
fn a_saga_as_cdk_synthesizes_it() {
    let plan = plan_of(include_str!("templates/cdk.json"));
    let functions: Vec<_> = plan.functions.iter().map(|f| (f.logical_id.as_str(), &f.code)).collect();
    let inline = Code::Inline("exports.handler = async () => 1".into());
    assert_eq!(functions, [("step1", &inline), ("saga1", &Code::Path("app/asset.abc".into()))]);
    assert_eq!(plan.functions[0].role_arn, "arn:aws:iam::000000000000:role/app-sagaRole");
    assert_eq!(plan.functions[1].environment["MACHINE"], plan.state_machines[0].arn);
    let definition: serde_json::Value = serde_json::from_str(&plan.state_machines[0].definition.text).unwrap();
    assert_eq!(definition["States"]["A"]["Parameters"]["FunctionName"], format!("{LAMBDA}:app-step1"));
    let [api] = plan.apis.as_slice() else { panic!("{:?}", plan.apis) };
    assert_eq!((api.name.as_str(), api.stages[0].name.as_str()), ("sagaApi", "prod"));
    assert_eq!(routes(api), [("ANY", "/trips/{proxy+}", "app-saga1"), ("ANY", "/", "app-saga1:live")]);
    assert_eq!(plan.outputs[0].value, format!("https://{}.execute-api.us-east-1.amazonaws.com/prod/", api.id));
}

#[test]
fn the_same_template_gives_the_same_plan() {
    let text = include_str!("templates/travel.yaml");
    assert_eq!(plan_of(text), plan_of(text));
    assert_eq!(plan_of(text).apis[1].id.len(), 10);
}

#[test]
fn topics_and_queues() {
    let text = "
Resources:
  Booked:
    Type: AWS::SNS::Topic
    Properties:
      Subscription:
        - { Protocol: email, Endpoint: a@example.com }
  Told:
    Type: AWS::SNS::Subscription
    Properties: { TopicArn: !Ref Booked, Protocol: sqs, Endpoint: !GetAtt Work.Arn, RawMessageDelivery: true }
  Work:
    Type: AWS::SQS::Queue
    Properties: { QueueName: work.fifo, FifoQueue: true, RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 } }
  Dead:
    Type: AWS::SQS::Queue
Outputs:
  Url: { Value: !Ref Work }
  Name: { Value: !GetAtt Booked.TopicName }
";
    let plan = plan_of(text);
    let subscriptions: Vec<_> =
        plan.subscriptions.iter().map(|s| (s.protocol.as_str(), s.endpoint.as_str(), s.raw)).collect();
    assert_eq!(
        subscriptions,
        [("email", "a@example.com", false), ("sqs", "arn:aws:sqs:us-east-1:000000000000:work.fifo", true)]
    );
    assert_eq!(plan.subscriptions[1].topic_arn, plan.topics[0].arn);
    assert_eq!(plan.queues[0].dead_letters, None);
    let work = &plan.queues[1];
    assert_eq!((work.dead_letters.as_deref(), work.receives_max), (Some(plan.queues[0].arn.as_str()), Some(3)));
    assert_eq!(plan.outputs[0].value, "https://sqs.us-east-1.amazonaws.com/000000000000/work.fifo");
    assert_eq!(plan.outputs[1].value, "app-Booked");
    assert!(plan.notes.iter().any(|note| note.message.contains("messages for email stay in the outbox")));
}

#[test]
fn names_that_are_made_up_say_whether_an_order_is_kept() {
    let check = |fifo: &str, queue: &str, topic: &str| {
        let plan = plan_of(&format!(
            "
Resources:
  Work: {{ Type: AWS::SQS::Queue, Properties: {{ FifoQueue: {fifo} }} }}
  Told: {{ Type: AWS::SNS::Topic, Properties: {{ FifoTopic: {fifo} }} }}
"
        ));
        assert_eq!((&*plan.queues[0].name, &*plan.topics[0].name), (queue, topic), "{fifo}");
    };
    check("true", "app-Work.fifo", "app-Told.fifo");
    check("'true'", "app-Work.fifo", "app-Told.fifo");
    check("false", "app-Work", "app-Told");
}

#[test]
fn what_sam_has_built_is_not_built_again() {
    let built = |method: &str| {
        let plan = plan_of(&format!(
            "Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata: {{ BuildMethod: {method}, BuildProperties: {{ EntryPoints: [app.ts] }}, SamResourceId: F }}
    Properties: {{ CodeUri: F, Handler: app.handler, Runtime: nodejs22.x }}
  L:
    Type: AWS::Serverless::LayerVersion
    Metadata: {{ BuildMethod: {method}, SamResourceId: L }}
    Properties: {{ ContentUri: L }}
"
        ));
        (plan.functions[0].build.clone(), plan.layers[0].build_method.clone())
    };
    for method in ["esbuild", "rust-cargolambda", "makefile", "python-uv"] {
        assert_eq!(built(method), (None, None), "{method}");
    }
}

#[test]
fn layers_versions_and_aliases() {
    let plan = plan_of(
        r#"
Transform: AWS::Serverless-2016-10-31
Globals: { Function: { Runtime: nodejs22.x, Handler: a.b, Layers: [ !Ref Deps ] } }
Resources:
  Deps:
    Type: AWS::Serverless::LayerVersion
    Metadata: { BuildMethod: nodejs22.x }
    Properties: { ContentUri: deps, LayerName: deps, CompatibleRuntimes: [ nodejs22.x ], RetentionPolicy: Delete }
  Tools:
    Type: AWS::Lambda::LayerVersion
    Properties: { Content: tools.zip, Description: d, LicenseInfo: MIT }
  Live:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: live
      Layers: [ !Ref Tools, "arn:aws:lambda:us-east-1:017000801446:layer:Powertools:7" ]
      AutoPublishAlias: live
      Events: { Get: { Type: Api, Properties: { Path: /, Method: get } } }
  Plain: { Type: AWS::Lambda::Function, Properties: { Code: plain, Runtime: nodejs22.x, Handler: a.b, Role: r } }
  PlainV1: { Type: AWS::Lambda::Version, Properties: { FunctionName: !Ref Plain, Description: first } }
  PlainProd:
    Type: AWS::Lambda::Alias
    Properties:
      Name: prod
      FunctionName: !GetAtt Plain.Arn
      FunctionVersion: !GetAtt PlainV1.Version
      RoutingConfig: { AdditionalVersionWeights: [ { FunctionVersion: "7", FunctionWeight: 0.1 } ] }
Outputs:
  Alias: { Value: !Ref Live.Alias }
  Version: { Value: !Ref PlainV1 }
  Prod: { Value: !Ref PlainProd }
"#,
    );
    let layer = |name: &str| format!("arn:aws:lambda:us-east-1:000000000000:layer:{name}:1");
    let [deps, tools] = plan.layers.as_slice() else { panic!("{:?}", plan.layers) };
    assert_eq!(
        (deps.arn.as_str(), deps.content.to_str(), deps.build_method.as_deref()),
        (&*layer("deps"), Some("app/deps"), Some("nodejs22.x"))
    );
    assert_eq!(
        (tools.arn.as_str(), tools.content.to_str(), tools.license.as_str()),
        (&*layer("app-Tools"), Some("app/tools.zip"), "MIT")
    );
    let live = plan.functions.iter().find(|f| f.logical_id == "Live").unwrap();
    let foreign = "arn:aws:lambda:us-east-1:017000801446:layer:Powertools:7";
    assert_eq!(live.layers, [layer("deps"), layer("app-Tools"), foreign.into()], "global ones first");
    assert!(notes(&plan).iter().any(|note| note.contains(foreign)), "{:?}", notes(&plan));
    let [version] = plan.versions.as_slice() else { panic!("{:?}", plan.versions) };
    assert_eq!(
        (version.function.as_str(), version.arn.as_str()),
        ("app-Plain", &*format!("{LAMBDA}:app-Plain:PlainV1"))
    );
    let mut aliases: Vec<_> =
        plan.aliases.iter().map(|a| (a.function.as_str(), a.name.as_str(), a.version.as_deref())).collect();
    aliases.sort();
    assert_eq!(aliases, [("app-Live", "live", None), ("app-Plain", "prod", Some("PlainV1"))]);
    let weights = plan.aliases.iter().find(|a| a.name == "prod").unwrap().weights.clone();
    assert_eq!(weights, [("7".to_owned(), 0.1)].into());
    assert_eq!(routes(&plan.apis[0]), [("GET", "/", "app-Live:live")]);
    let outputs: Vec<&str> = plan.outputs.iter().map(|o| o.value.as_str()).collect();
    let expect = ["app-Live:live", "app-Plain:PlainV1", "app-Plain:prod"].map(|tail| format!("{LAMBDA}:{tail}"));
    assert_eq!(outputs, expect);
}

#[test]
fn messages_for_functions() {
    let text = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Work: { Type: AWS::SQS::Queue }
  Booked: { Type: AWS::SNS::Topic }
  F:
    Type: AWS::Serverless::Function
    Properties:
      { CodeUri: f, Handler: a.b, Runtime: nodejs20.x, Events: {
        Q: { Type: SQS, Properties: { Queue: !GetAtt Work.Arn, BatchSize: 1, FunctionResponseTypes: [ReportBatchItemFailures] } },
        Off: { Type: SQS, Properties: { Queue: !GetAtt Work.Arn, Enabled: false } },
        D: { Type: DynamoDB, Properties: { Stream: !GetAtt Trips.StreamArn, StartingPosition: TRIM_HORIZON, MaximumRetryAttempts: 2,
          FilterCriteria: { Filters: [{ Pattern: '{\"eventName\":[\"INSERT\"]}' }] } } },
        T: { Type: SNS, Properties: { Topic: !Ref Booked, FilterPolicy: { kind: [hotel] } } } } }
  Trips: { Type: AWS::DynamoDB::Table, Properties: { BillingMode: PAY_PER_REQUEST, StreamSpecification: { StreamViewType: NEW_IMAGE },
    KeySchema: [{ AttributeName: id, KeyType: HASH }], AttributeDefinitions: [{ AttributeName: id, AttributeType: S }] } }
";
    let plan = plan_of(text);
    let function = "arn:aws:lambda:us-east-1:000000000000:function:app-F";
    let [source, stream] = plan.event_sources.as_slice() else { panic!("{:?}", plan.event_sources) };
    assert_eq!((source.function_arn.as_str(), source.batch_max, source.reports_failures), (function, 1, true));
    assert_eq!(source.source_arn, plan.queues[0].arn);
    assert!(stream.source_arn.ends_with(":table/app-Trips/stream/latest"), "{}", stream.source_arn);
    assert_eq!((stream.batch_max, stream.from_the_oldest, stream.tries_max), (100, true, Some(3)));
    assert_eq!(stream.filters, [serde_json::json!({ "eventName": ["INSERT"] })]);
    assert_eq!(plan.subscriptions[0].filter, Some(serde_json::json!({ "kind": ["hotel"] })));
    let [told] = plan.subscriptions.as_slice() else { panic!("{:?}", plan.subscriptions) };
    assert_eq!((told.topic_arn.as_str(), told.endpoint.as_str()), (plan.topics[0].arn.as_str(), function));
}

#[test]
fn a_stack_in_a_stack() {
    let text = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: { TemplateURL: inner.yaml, Parameters: { Names: [a, b] } }
  Other:
    Type: AWS::Serverless::Application
    Properties: { Location: inner.yaml, Parameters: { Names: !GetAtt Inner.Outputs.First } }
Outputs:
  First: { Value: !GetAtt Inner.Outputs.First }
  Other: { Value: !GetAtt Other.Outputs.First }
  Id: { Value: !Ref Inner }
";
    let plan = plan_of(text);
    let values: Vec<&str> = plan.outputs.iter().map(|output| output.value.as_str()).collect();
    let arn = |name: &str| format!("arn:aws:states:us-east-1:000000000000:activity:{name}");
    assert_eq!(values[..2], [arn("app-Inner-a"), arn(&format!("app-Other-{}", arn("app-Inner-a")))]);
    assert!(values[2].starts_with("arn:aws:cloudformation:us-east-1:000000000000:stack/app-Inner/"), "{}", values[2]);
    let names: Vec<&str> = plan.all().iter().map(|plan| plan.stack_name.as_str()).collect();
    assert_eq!(names, ["app", "app-Inner", "app-Other"]);
    assert_eq!(plan.nested[0].parameters["Names"], "a,b");
    assert_eq!(plan.resources[0].kind, plan.resources[1].kind);
}

#[test]
fn what_a_stack_in_a_stack_gets_wrong() {
    let nested = |properties: &str| {
        format!(
            "Resources:\n  Inner:\n    Type: AWS::CloudFormation::Stack\n    Properties: {{ {properties} }}\nOutputs:\n  O: {{ Value: !GetAtt Inner.Outputs.Colour }}\n"
        )
    };
    for (properties, expect) in [
        ("TemplateURL: inner.yaml, Parameters: { Names: a }", "the stack \"Inner\" has no output \"Colour\""),
        ("TemplateURL: inner.yaml", "Names"),
        ("TemplateURL: none.yaml", "cannot read app/none.yaml"),
        ("TemplateURL: https://s3.amazonaws.com/b/k.yaml", "is not on this machine"),
        ("TemplateURL: circle.yaml", "nested 5 deep at most"),
        ("TemplateURL: strange.yaml", "2:16 Inner / Odd: the type Custom::Odd is not supported"),
    ] {
        let errors = plan_with(&nested(properties), &[]).unwrap_err();
        assert!(shown(&errors).iter().any(|error| error.contains(expect)), "{properties}: {:?}", shown(&errors));
    }
}

#[test]
fn urls_of_functions() {
    let plan = plan_of(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      { CodeUri: f, Runtime: nodejs22.x, Handler: a.b, AutoPublishAlias: live, FunctionUrlConfig: { AuthType: NONE, Cors: { AllowOrigins: ['*'] } } }
  G: { Type: AWS::Lambda::Function, Properties: { Code: g, Runtime: nodejs22.x, Handler: a.b, Role: r } }
  GUrl: { Type: AWS::Lambda::Url, Properties: { TargetFunctionArn: !Ref G, Qualifier: prod, AuthType: AWS_IAM, InvokeMode: RESPONSE_STREAM } }
Outputs:
  F: { Value: !GetAtt FUrl.FunctionUrl }
  G: { Value: !GetAtt GUrl.FunctionUrl }
",
    );
    let urls: Vec<_> = plan.apis.iter().map(|api| (api.logical_id.as_str(), api.kind, routes(api))).collect();
    let of = |id, function| (id, ApiKind::FunctionUrl, vec![("ANY", "$default", function)]);
    assert_eq!(urls, [of("FUrl", "app-F:live"), of("GUrl", "app-G:prod")]);
    assert_eq!(plan.apis[0].cors.as_ref().unwrap().allow_origins, ["*"]);
    for (api, output) in plan.apis.iter().zip(&plan.outputs) {
        assert_eq!(output.value, format!("https://{}.lambda-url.us-east-1.on.aws/", api.id));
        let listed = plan.resources.iter().find(|listed| listed.logical_id == api.logical_id).unwrap();
        assert_eq!((listed.kind.as_str(), &listed.physical_id), ("AWS::Lambda::Url", &api.id));
        assert_eq!(plan.localise(&output.value, &|_, _| "http://here".into()), "http://here/");
    }
}

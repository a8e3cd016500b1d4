//! What a template is told when it cannot be planned: every error at once, each with its place.

use crate::common::{Row, check_errors, ids, plan_of, plan_with, shown};

const SAM: &str = "Transform: AWS::Serverless-2016-10-31\n";

/// A function's properties in a line, so that columns are easy to count: they begin in line 4.
fn function(properties: &str) -> String {
    format!("{SAM}Resources:\n  F:\n    {{Type: AWS::Serverless::Function, Properties: {{{properties}}}}}\n")
}

const MINIMAL: &str = "Runtime: python3.12, Handler: a.b, CodeUri: .";

#[test]
fn all_errors_come_at_once_in_the_order_of_the_text() {
    check_errors(
        "\
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: { Type: String }
Globals:
  Function: { Timeout: 1000, FunctionName: x, FileSystemConfigs: [a] }
  Apy: {}
Resources:
  Queue: { Type: AWS::Kinesis::Stream }
  One:
    Type: AWS::Serverless::Function
    Properties: { Runtime: r, Handlr: h, CodeUri: s3://b/k }
  Two:
    Type: AWS::Serverless::Function
    Properties: { Runtime: r, Handler: h, CodeUri: ., MemorySize: [1], Environment: { Variables: { A: !Ref Missing } } }
Outputs:
  Url: { Value: !GetAtt Queue.Arn }
  Bad: { Value: !Sub '${Tow}' }
",
        &[
            (3, "Stage:", "the parameter \"Stage\" has no value"),
            (5, "1000", "One: Timeout must be a whole number from 1 to 900, this is \"1000\""),
            (5, "FunctionName:", "\"FunctionName\" cannot be global for Function"),
            (5, "FileSystemConfigs:", "One: FileSystemConfigs of AWS::Serverless::Function is not supported"),
            (6, "Apy:", "unknown section \"Apy\" of Globals"),
            (8, "AWS::Kinesis::Stream", "Queue: the type AWS::Kinesis::Stream is not supported"),
            (9, "One:", "One: AWS::Serverless::Function needs Handler"),
            (11, "Handlr:", "One: AWS::Serverless::Function has no property \"Handlr\""),
            (11, "s3://b/k", "One: CodeUri is not a local path"),
            (14, "[1],", "Two: MemorySize must be a whole number from 128 to 10240, this is a list"),
            (14, "!Ref", "Two: there is no parameter or resource \"Missing\""),
            (17, "!Sub", "there is no parameter or resource \"Tow\""),
        ],
    );
}

#[test]
fn an_error_says_how_to_mend_it() {
    let errors = plan_with(&function(&format!("{MINIMAL}, Enviroment: {{}}")), &[]).unwrap_err();
    let expect = "app/template.yaml:4:99: error: F: AWS::Serverless::Function has no property \"Enviroment\"\n  \
                  help: did you mean Environment?";
    assert_eq!(errors[0].to_string(), expect);
    for (kind, help) in [
        ("AWS::SQS::Quuee", "did you mean AWS::SQS::Queue? If not, remove it"),
        ("AWS::ApiGatewayV2::Model", "remove it"),
        ("AWS::Kinesis::Stream", "remove it"),
    ] {
        let errors = plan_with(&format!("Resources:\n  Odd: {{ Type: {kind} }}\n"), &[]).unwrap_err();
        assert!(errors[0].help.starts_with(help), "{kind}: {}", errors[0].help);
    }
}

#[test]
fn the_frame_of_a_template() {
    check_errors("", &[(1, "", "the file is empty")]);
    check_errors(
        "hello",
        &[(1, "hello", "a template must be a map, this is a string"), (1, "hello", "the template has no Resources")],
    );
    check_errors("Resources: [a]\n", &[(1, "[a]", "Resources must be a map, this is a list")]);
    check_errors("Resorces: {}\nResources: {}\n", &[(1, "Resorces:", "unknown section \"Resorces\"")]);
    check_errors(
        "Resources: {}\nTransform: [A, AWS::LanguageExtensions]\n",
        &[(2, "A", "the transform A is not supported")],
    );
    check_errors(
        "Resources:\n  A-b: { Typ: X }\n",
        &[
            (2, "A-b:", "A-b: the logical id \"A-b\" is not alphanumeric"),
            (2, "A-b:", "A-b: the resource has no Type"),
            (2, "Typ:", "A-b: unknown resource attribute \"Typ\""),
        ],
    );
    check_errors(
        "Resources:\n  A: { Type: AWS::Serverless::SimpleTable }\n",
        &[(2, "AWS::Serverless::SimpleTable", "A: AWS::Serverless::SimpleTable needs SAM's transform")],
    );
    check_errors("a: [\n", &[(2, "", "while parsing a node")]);
    check_errors("Resources:\n\tA: 1\n", &[(2, "A:", "tabs disallowed")]);
    check_errors("Resources: {}\n---\nResources: {}\n", &[(2, "---", "a second document begins here")]);
    check_errors(
        "Resources: {}\nResources: {}\nOutputs: { A: {Value: 1}, A: {Value: 2} }\n",
        &[(2, "Resources:", "\"Resources\" is given twice"), (3, "A:", "\"A\" is given twice")],
    );
    check_errors(
        "Resources: {}\nOutputs: { ? [a] : 1, B: !!binary aGk= }\n",
        &[(2, "[a]", "a key must be a string"), (2, "!!binary", "unknown tag")],
    );
    check_errors(
        "Resources: {}\nOutputs:\n  X: { Valu: 1 }\n  Y: { Value: 1, Condition: C }\n",
        &[
            (3, "X:", "the output \"X\" has no Value"),
            (3, "Valu:", "an output has no \"Valu\""),
            (4, "C }", "there is no condition \"C\""),
        ],
    );
}

#[test]
fn references_make_a_graph_without_cycles() {
    let table = "Type: AWS::Logs::LogGroup, Properties:";
    check_errors(
        &format!(
            "Resources:\n  A: {{ {table} {{ X: !Ref B }} }}\n  B: {{ {table} {{ X: !Sub '${{C}}' }} }}\n  C: {{ {table} {{ X: [!GetAtt A.Arn] }} }}\n"
        ),
        &[(2, "A:", "resources depend on each other: A -> B -> C -> A")],
    );
    check_errors(
        "Resources:\n  A: { Type: AWS::Logs::LogGroup, DependsOn: [A, B] }\n",
        &[(2, "A:", "resources depend on each other: A -> A"), (2, "B", "A: there is no parameter or resource \"B\"")],
    );
    // A reference in a branch that does not count, or to a resource that is not created, orders nothing.
    let plan = plan_of(
        "Conditions: { No: !Equals [a, b] }\nResources:\n  A: { Type: AWS::Logs::LogGroup, Properties: { X: !If [No, !Ref B, x] } }\n  \
         B: { Type: AWS::Logs::LogGroup, Properties: { X: !Ref A } }\n  C: { Type: AWS::Kinesis::Stream, Condition: No }\n",
    );
    assert_eq!(ids(&plan), ["A", "B"]);
    check_errors(
        "Resources:\n  A: { Type: AWS::IAM::Role, Properties: { Policies: [{ Resource: !GetAtt Gone.Arn }] } }\n",
        &[(2, "!GetAtt", "A: there is no parameter or resource \"Gone\"")],
    );
}

#[test]
fn two_resources_cannot_have_one_name() {
    let table = "Type: AWS::Serverless::SimpleTable, Properties: { TableName: same }";
    check_errors(
        &format!("{SAM}Resources:\n  A: {{ {table} }}\n  B: {{ {table} }}\n"),
        &[(4, "B:", "B: the name \"same\" is taken by A")],
    );
    check_errors(&function(&format!("{MINIMAL}, FunctionName: {}", "x".repeat(65))), &[(3, "F:", "F: the name \"xxx")]);
}

#[test]
fn functions() {
    let check =
        |properties: &str, expect: &[Row<'_>]| check_errors(&function(&format!("{MINIMAL}{properties}")), expect);
    check(", InlineCode: x", &[(4, "x", "F: the function has both CodeUri and InlineCode")]);
    check(", PackageType: Image", &[(4, "Image", "F: functions in container images are not supported")]);
    check(", Architectures: [arm64, x86_64]", &[(4, "[arm64,", "F: Architectures takes one of x86_64 and arm64")]);
    check(
        ", Environment: {Variables: {A: null, B: [x]}}",
        &[
            (4, "null", "F: Variables.A must be a string, this is null"),
            (4, "[x]}}}}", "F: Variables.B must be a string, this is a list"),
        ],
    );
    check(
        ", Timeout: !Ref AWS::NoValue, FileSystemConfigs: !If [C, [l], !Ref AWS::NoValue]",
        &[
            (4, "FileSystemConfigs:", "F: FileSystemConfigs of AWS::Serverless::Function is not supported"),
            (4, "C,", "F: there is no condition \"C\""),
        ],
    );
    check(", Events: {S: {Type: Schedule, Properties: {}}}", &[(4, "{}", "F: the event S.Properties needs Schedule")]);
    check(
        ", Events: {A: {Type: Api, Properties: {Path: a, Method: FETCH}}}",
        &[(4, "a", "F: the path \"a\" does not begin with /"), (4, "FETCH", "F: there is no method FETCH")],
    );
    check(
        ", Events: {A: {Type: Api, Properties: {Path: /, Method: GET, Auth: {}}}}",
        &[(4, "Auth:", "F: Auth of the event A.Properties is not supported")],
    );
    check(
        ", Events: {A: {Type: Api, Properties: {Path: /, Method: GET, RestApiId: other}}}",
        &[(4, "other", "F: \"other\" is no API of this template")],
    );
    let twice =
        "A: {Type: Api, Properties: {Path: /, Method: get}}, B: {Type: Api, Properties: {Path: /, Method: GET}}";
    check(&format!(", Events: {{{twice}}}"), &[(4, "B:", "F: GET / of ServerlessRestApi is taken by app-F")]);
    check_errors(
        &function(MINIMAL).replace("Properties:", "Metadata: {BuildMethod: webpack}, Properties:"),
        &[(4, "webpack", "F: BuildMethod webpack is not supported")],
    );
}

#[test]
fn tables() {
    let check = |properties: &str, expect: &[Row<'_>]| {
        check_errors(
            &format!("Resources:\n  T:\n    {{Type: AWS::DynamoDB::Table, Properties: {{{properties}}}}}\n"),
            expect,
        );
    };
    let pk = "KeySchema: [{AttributeName: pk, KeyType: HASH}]";
    check(
        "BillingMode: PAY_PER_REQUEST",
        &[
            (2, "T:", "T: AWS::DynamoDB::Table needs KeySchema"),
            (2, "T:", "T: AWS::DynamoDB::Table needs AttributeDefinitions"),
        ],
    );
    check(
        &format!("{pk}, AttributeDefinitions: [{{AttributeName: x, AttributeType: S}}]"),
        &[
            (2, "T:", "T: the table has no ProvisionedThroughput"),
            (3, "[{AttributeName:", "T: the key attribute \"pk\" is not in AttributeDefinitions"),
            (3, "[{AttributeName:", "T: the attribute \"x\" is defined and is no key"),
        ],
    );
    let defined = "BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]";
    check(
        &format!("{defined}, {pk}, KinesisStreamSpecification: {{}}"),
        &[(3, "KinesisStreamSpecification:", "T: KinesisStreamSpecification of")],
    );
    check(
        &format!("{defined}, KeySchema: [{{AttributeNam: pk}}]"),
        &[
            (3, "[{AttributeName:", "T: the attribute \"pk\" is defined and is no key"),
            (3, "AttributeNam:", "T: KeySchema has no member \"AttributeNam\""),
        ],
    );
    check(
        &format!("{defined}, {pk}, ProvisionedThroughput: {{ReadCapacityUnits: many}}"),
        &[
            (3, "{ReadCapacityUnits:", "T: ProvisionedThroughput contradicts BillingMode"),
            (3, "many", "T: ProvisionedThroughput.ReadCapacityUnits must be a whole number"),
        ],
    );
}

#[test]
fn rest_apis_in_pieces() {
    let api = "  A: { Type: AWS::ApiGateway::RestApi, Properties: { Name: a } }\n";
    let method = |more: &str| {
        format!(
            "Resources:\n{api}  M:\n    {{Type: AWS::ApiGateway::Method, Properties: {{RestApiId: !Ref A, ResourceId: !GetAtt A.RootResourceId, HttpMethod: GET, {more}}}}}\n"
        )
    };
    check_errors(
        &method("Integration: {Type: HTTP_PROXY}"),
        &[(4, "HTTP_PROXY", "M: integrations of type HTTP_PROXY are not supported")],
    );
    check_errors(
        &method("Integration: {Type: AWS_PROXY, Uri: 'http://x'}"),
        &[(4, "'http://x'", "M: \"http://x\" does not call a function")],
    );
    check_errors(
        &method("AuthorizationType: CUSTOM, Integration: {Type: AWS_PROXY, Uri: 'a/functions/f/invocations'}"),
        &[(4, "CUSTOM", "M: AuthorizationType CUSTOM is not supported")],
    );
    check_errors(
        &method("Integration: {Type: AWS_PROXY, Uri: 'a/functions/f/invocations'}"),
        &[(3, "M:", "M: \"f\" is no function of this template")],
    );
    let stage = "Type: AWS::ApiGateway::Stage, Properties: { RestApiId: !Ref A, StageName: s }";
    check_errors(
        &format!("Resources:\n{api}  S: {{ {stage} }}\n  T: {{ {stage} }}\n"),
        &[(4, "s", "the API A has two stages \"s\"")],
    );
}

#[test]
fn globals_that_a_resource_does_not_want() {
    let text = format!(
        "{SAM}Globals:\n  Function: {{ {MINIMAL}, Timeout: 9, MemorySize: 512, Architectures: [arm64] }}\nResources:\n  \
         F: {{ Type: AWS::Serverless::Function, IgnoreGlobals: [Timeout, Architectures] }}\n  \
         G: {{ Type: AWS::Serverless::Function, Properties: {{ Timeout: 1, MemorySize: !Ref AWS::NoValue }} }}\n"
    );
    let settings: Vec<_> = plan_of(&text).functions.iter().map(|f| (f.timeout_seconds, f.memory_mb)).collect();
    assert_eq!(settings, [(3, 512), (1, 128)]);
}

#[test]
fn notes_that_say_the_same_are_gathered() {
    let role = |id: &str| format!("  {id}: {{ Type: AWS::IAM::Role }}\n");
    let plan = plan_of(&format!("Resources:\n{}{}{}", role("A"), role("B"), role("C")));
    let expect = "2:3 A: AWS::IAM::Role is not created: permissions are not enforced here (and 2 more of the kind)";
    assert_eq!(shown(&plan.notes), [expect]);
}

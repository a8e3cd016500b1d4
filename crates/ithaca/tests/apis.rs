//! APIs over HTTP, as templates declare them: HTTP APIs, calls of Step Functions without a function, mocks.

mod support;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::ithaca::Up;
use support::scratch::Scratch;

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: { Runtime: python3.11, Handler: index.handler, CodeUri: src }
Resources:
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Trip: { Type: HttpApi, Properties: { Path: '/trips/{id}', Method: post } }
        Rest: { Type: HttpApi }
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Type: EXPRESS
      Definition: { StartAt: A, States: { A: { Type: Pass, Result: { done: true }, ResultPath: $.result, End: true } } }
  Starts:
    Type: AWS::ApiGatewayV2::Api
    Properties: { Name: starts, ProtocolType: HTTP, CorsConfiguration: { AllowOrigins: ['http://app'], AllowMethods: [POST] } }
  StartsStage: { Type: AWS::ApiGatewayV2::Stage, Properties: { ApiId: !Ref Starts, StageName: $default } }
  StartsCall:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Starts
      IntegrationType: AWS_PROXY
      IntegrationSubtype: StepFunctions-StartSyncExecution
      PayloadFormatVersion: '1.0'
      RequestParameters: { StateMachineArn: !Ref Machine, Input: $request.body }
  StartsRoute:
    Type: AWS::ApiGatewayV2::Route
    Properties: { ApiId: !Ref Starts, RouteKey: POST /start, Target: !Sub 'integrations/${StartsCall}' }
  Old:
    Type: AWS::ApiGateway::RestApi
    Properties:
      Name: old
      Body:
        openapi: 3.0.1
        paths:
          /start:
            post:
              x-amazon-apigateway-integration:
                type: aws
                httpMethod: POST
                uri: !Sub 'arn:aws:apigateway:${AWS::Region}:states:action/StartSyncExecution'
                requestTemplates:
                  application/json: !Sub |
                    {"stateMachineArn": "${Machine}", "input": "$util.escapeJavaScript($input.json('$')).replaceAll("\\'", "'")"}
                responses:
                  '200':
                    statusCode: '200'
                    responseTemplates:
                      application/json: "$input.path('$.output')"
                  '4\d{2}': { statusCode: '400', responseTemplates: { application/json: '{"bad":true}' } }
            options:
              x-amazon-apigateway-integration:
                type: mock
                requestTemplates: { application/json: '{ statusCode: 204 }' }
                responses: { default: { statusCode: '204', responseParameters: { method.response.header.Access-Control-Allow-Origin: "'*'" } } }
  OldDeployment: { Type: AWS::ApiGateway::Deployment, Properties: { RestApiId: !Ref Old, StageName: prod } }
Outputs:
  Url: { Value: !Sub 'https://${ServerlessHttpApi}.execute-api.${AWS::Region}.amazonaws.com/trips' }
  Id: { Value: !Ref ServerlessHttpApi }
"#;

const CODE: &str = "import json\ndef handler(event, context):\n    return event\n";

#[test]
fn apis_of_a_template_answer_over_http() {
    let scratch = Scratch::new("apis");
    std::fs::create_dir_all(scratch.join("app/src")).unwrap();
    scratch.write("app/template.yaml", TEMPLATE);
    scratch.write("app/src/index.py", CODE);
    let mut ithaca = Up::new(scratch.join("data")).template(scratch.join("app")).start();
    let check = |ithaca: &support::ithaca::Ithaca| {
        let apis = ithaca.said()["apis"].as_array().unwrap().clone();
        let api = |name: &str| -> Client {
            let url = apis.iter().find(|api| api["name"] == name).unwrap_or_else(|| panic!("no {name}: {apis:?}"));
            Client { address: text(&url["url"]).trim_start_matches("http://").to_owned() }
        };
        let headers = [("content-type", "application/json"), ("cookie", "a=1")];
        // The function gives its event back, which is no answer with a status: so it is the body.
        let event = api("app").send("POST", "/trips/7?a=1", &headers, br#"{"b":2}"#).unwrap().json();
        let found =
            [&event["routeKey"], &event["rawPath"], &event["pathParameters"], &event["cookies"], &event["body"]];
        let expect =
            [json!("POST /trips/{id}"), json!("/trips/7"), json!({ "id": "7" }), json!(["a=1"]), json!(r#"{"b":2}"#)];
        assert_eq!(found, expect.each_ref());
        assert_eq!(api("app").get("/else").json()["routeKey"], "$default");

        let started = api("starts").send("POST", "/start", &[("origin", "http://app")], br#"{"trip":1}"#).unwrap();
        assert_eq!(started.status, 200);
        assert_eq!(started.header("access-control-allow-origin"), Some("http://app"));
        let output: Value = serde_json::from_str(&text(&started.json()["output"])).unwrap();
        assert_eq!(output, json!({ "trip": 1, "result": { "done": true } }));
        let missing = api("starts").get("/start");
        assert_eq!((missing.status, missing.json()), (404, json!({ "message": "Not Found" })));

        let started = api("old").send("POST", "/start", &[], br#"{"trip":"O'Hare"}"#).unwrap();
        assert_eq!(started.json(), json!({ "trip": "O'Hare", "result": { "done": true } }));
        let preflight = api("old").send("OPTIONS", "/start", &[], b"").unwrap();
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some("*")));
    };
    check(&ithaca);
    // The AWS-like addresses of the main port: the stage $default has no name in them.
    let id = std::fs::read_to_string(scratch.join("data/apis.json")).unwrap();
    let id: Value = serde_json::from_str(&id).unwrap();
    let id =
        id["apis"].as_array().unwrap().iter().find(|api| api["name"] == "app").map(|api| text(&api["id"])).unwrap();
    let host = format!("{id}.execute-api.localhost:4566");
    let event = ithaca.client().send("GET", "/a/b", &[("host", &host)], b"").unwrap().json();
    assert_eq!((&event["rawPath"], &event["requestContext"]["domainPrefix"]), (&json!("/a/b"), &json!(id)));
    let event = ithaca.client().get(&format!("/_aws/execute-api/{id}/$default/a/b")).json();
    assert_eq!(event["rawPath"], "/a/b");
    ithaca.kill();
    check(&Up::new(scratch.join("data")).without_template().start());
}

#[test]
fn what_an_api_cannot_do_is_told_before_anything_is_done() {
    let scratch = Scratch::new("apis-refused");
    let template = TEMPLATE
        .replace("StepFunctions-StartSyncExecution", "SQS-SendMessage")
        .replace("$input.path('$.output')", "#parse('x')");
    scratch.write("template.yaml", template);
    let complaints = Up::new(scratch.join("data")).template(scratch.join("template.yaml")).fails();
    for expect in [
        "POST /start: IntegrationSubtype SQS-SendMessage is not supported; served are those of StepFunctions [ITHACA_API_NOT_SERVED] at Starts",
        "POST /start: a mapping template cannot be run: #parse is not served [ITHACA_API_NOT_SERVED] at Old",
        "help: do this in a function, and let it be called",
    ] {
        assert!(complaints.contains(expect), "{complaints}");
    }
}

//! APIs of all sorts: what routes they have, and what answers them.

use aws_cloudformation::{ApiKind, Integration, Plan};

use crate::common::{check_errors, plan_of, shown};

const SAM: &str = "Transform: AWS::Serverless-2016-10-31\n";
const FUNCTION: &str = "Type: AWS::Serverless::Function, Properties: { Runtime: python3.12, Handler: a.b, CodeUri: .";

/// Each route in a line: method, path, and what it calls.
fn routes(plan: &Plan, api: usize) -> Vec<String> {
    let target = |integration: &Integration| match integration {
        Integration::Function { function, payload_format, timeout_ms, .. } => {
            format!("{function} {payload_format}{}", timeout_ms.map_or(String::new(), |ms| format!(" {ms} ms")))
        }
        Integration::Subtype { subtype, parameters, .. } => {
            format!("{subtype} {}", parameters.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" "))
        }
        Integration::Action { service, operation, .. } => format!("{service}:{operation}"),
        Integration::Mock(mapping) => {
            let headers = mapping.responses.iter().flat_map(|r| r.headers.iter()).map(|(k, v)| format!("{k}={v}"));
            format!("mock {}", headers.collect::<Vec<_>>().join(" "))
        }
    };
    plan.apis[api].routes.iter().map(|r| format!("{} {} -> {}", r.method, r.path, target(&r.integration))).collect()
}

fn stages(plan: &Plan, api: usize) -> Vec<&str> {
    plan.apis[api].stages.iter().map(|stage| stage.name.as_str()).collect()
}

#[test]
fn an_http_api_of_events() {
    let plan = plan_of(&format!(
        "{SAM}Globals: {{ HttpApi: {{ CorsConfiguration: {{ AllowOrigins: ['https://a'], AllowMethods: [GET], MaxAge: 9 }} }} }}
Resources:
  Own: {{ Type: AWS::Serverless::HttpApi, Properties: {{ StageName: dev, CorsConfiguration: true, StageVariables: {{ v: 1 }} }} }}
  F:
    {{ {FUNCTION}, Events: {{
      All: {{ Type: HttpApi }},
      One: {{ Type: HttpApi, Properties: {{ Path: '/trips/{{id}}', Method: get, PayloadFormatVersion: '1.0', TimeoutInMillis: 900 }} }},
      Owned: {{ Type: HttpApi, Properties: {{ Path: /x, Method: any, ApiId: !Ref Own }} }} }} }} }}
Outputs:
  Url: {{ Value: !Sub 'https://${{ServerlessHttpApi}}.execute-api.${{AWS::Region}}.amazonaws.com/trips' }}
  Own: {{ Value: !Sub '${{Own.ApiEndpoint}}/dev/x' }}
  Stages: {{ Value: !Sub '${{ServerlessHttpApiApiGatewayDefaultStage}} ${{OwndevStage}}' }}
"
    ));
    let apis: Vec<_> = plan.apis.iter().map(|api| (api.logical_id.as_str(), api.kind)).collect();
    assert_eq!(apis, [("Own", ApiKind::Http), ("ServerlessHttpApi", ApiKind::Http)]);
    assert_eq!(stages(&plan, 0), ["dev"]);
    assert_eq!(stages(&plan, 1), ["$default"]);
    assert_eq!(plan.apis[0].stages[0].variables["v"], "1");
    assert_eq!(routes(&plan, 0), ["ANY /x -> app-F 2.0"]);
    assert_eq!(routes(&plan, 1), ["ANY $default -> app-F 2.0", "GET /trips/{id} -> app-F 1.0 900 ms"]);
    let cors = plan.apis[1].cors.as_ref().unwrap();
    assert_eq!(
        (&*cors.allow_origins, &*cors.allow_methods, cors.max_age_seconds),
        (&["https://a".to_owned()][..], &["GET".to_owned()][..], Some(9))
    );
    let local = |value: &str| plan.localise(value, &|api, stage| format!("http://{}/{stage}", api.logical_id));
    let values: Vec<String> = plan.outputs.iter().map(|output| local(&output.value)).collect();
    assert_eq!(values, ["http://ServerlessHttpApi/$default/trips", "http://Own/dev/x", "$default dev"]);
}

#[test]
fn an_http_api_in_pieces() {
    let plan = plan_of(
        "Resources:
  F: { Type: AWS::Lambda::Function, Properties: { Runtime: python3.12, Handler: a.b, Code: ., Role: r } }
  Api: { Type: AWS::ApiGatewayV2::Api, Properties: { Name: a, ProtocolType: HTTP } }
  Quick: { Type: AWS::ApiGatewayV2::Api, Properties: { Name: q, ProtocolType: HTTP, Target: !GetAtt F.Arn } }
  Stage: { Type: AWS::ApiGatewayV2::Stage, Properties: { ApiId: !Ref Api, StageName: $default, AutoDeploy: true } }
  Calls:
    Type: AWS::ApiGatewayV2::Integration
    Properties: { ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt F.Arn, PayloadFormatVersion: '2.0' }
  Starts:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationSubtype: StepFunctions-StartExecution
      PayloadFormatVersion: '1.0'
      CredentialsArn: arn
      RequestParameters: { StateMachineArn: 'arn:m', Input: $request.body }
  R: { Type: AWS::ApiGatewayV2::Route, Properties: { ApiId: !Ref Api, RouteKey: 'GET /a/{id}', Target: !Sub 'integrations/${Calls}' } }
  S: { Type: AWS::ApiGatewayV2::Route, Properties: { ApiId: !Ref Api, RouteKey: $default, Target: !Join [/, [integrations, !Ref Starts]] } }
",
    );
    let expect = [
        "GET /a/{id} -> app-F 2.0",
        "ANY $default -> StepFunctions-StartExecution Input=$request.body StateMachineArn=arn:m",
    ];
    assert_eq!(routes(&plan, 0), expect);
    assert_eq!(routes(&plan, 1), ["ANY $default -> app-F 2.0"]);
    assert_eq!((stages(&plan, 0), stages(&plan, 1)), (vec!["$default"], vec!["$default"]));
}

#[test]
fn an_openapi_document() {
    let document = "openapi: 3.0.1, x-amazon-apigateway-binary-media-types: [image/png], paths: {
        /trips: {
          get: { x-amazon-apigateway-integration: { type: aws_proxy, httpMethod: POST, uri: !Sub 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations' } },
          options: { security: [], x-amazon-apigateway-integration: { type: mock, requestTemplates: { application/json: '{statusCode: 200}' }, responses: { default: { statusCode: '204', responseParameters: { method.response.header.A: \"'*'\" } } } } } },
        '/start/{id}': { x-amazon-apigateway-any-method: { x-amazon-apigateway-integration: { type: aws, uri: !Sub 'arn:aws:apigateway:${AWS::Region}:states:action/StartExecution', requestTemplates: { application/json: '{}' }, responses: {} } } } }";
    let events = "Events: { E: { Type: Api, Properties: { Path: /trips, Method: get, RestApiId: !Ref Api } } }";
    let plan = plan_of(&format!(
        "{SAM}Resources:\n  Api: {{ Type: AWS::Serverless::Api, Properties: {{ StageName: s, DefinitionBody: {{ {document} }} }} }}\n  Raw: {{ Type: AWS::ApiGateway::RestApi, Properties: {{ Body: {{ info: {{ title: raw }}, {document} }} }} }}\n  F: {{ {FUNCTION}, {events} }} }}\n"
    ));
    for api in 0..2 {
        let expect =
            ["GET /trips -> app-F 1.0", "OPTIONS /trips -> mock A='*'", "ANY /start/{id} -> states:StartExecution"];
        assert_eq!(routes(&plan, api), expect);
        assert_eq!(plan.apis[api].binary_media_types, ["image/png"]);
    }
    assert_eq!(plan.apis[1].name, "raw");
}

#[test]
fn a_document_that_is_included() {
    let include =
        |location: &str| format!("Fn::Transform: {{ Name: AWS::Include, Parameters: {{ Location: {location} }} }}");
    let template = |body: &str| {
        format!(
            "{SAM}Resources:\n  F: {{ {FUNCTION} }} }}\n  Api: {{ Type: AWS::Serverless::Api, Properties: {{ StageName: s, DefinitionBody: {{ {body} }} }} }}\n"
        )
    };
    // Alone, and beside what is written in the template.
    for body in [include("api.yaml"), format!("openapi: 3.0.1, {}", include("./api.yaml"))] {
        assert_eq!(routes(&plan_of(&template(&body)), 0), ["GET /trips -> app-F 1.0"]);
    }
    let check = |location: &str, place: &str, message: &str| {
        check_errors(&template(&include(location)), &[(4, place, message)]);
    };
    check("other.yaml", "Fn::Transform", "cannot read app/other.yaml");
    check("s3://bucket/api.yaml", "s3:", "AWS::Include has no local Location");
    check("!Ref F", "!Ref F", "AWS::Include has no local Location");
    check("huge.json", "Fn::Transform", "app/huge.json has 1048577 bytes, the limit is 1048576");
    check("latin1.json", "Fn::Transform", "app/latin1.json:2:14: the file is not text in UTF-8");
    check_errors(
        &template("Fn::Transform: { Name: Mine }"),
        &[(4, "{ Fn::Transform", "Api: Fn::Transform is not supported")],
    );
}

#[test]
fn an_openapi_document_of_an_http_api() {
    let plan = plan_of(&format!(
        "{SAM}Resources:
  F: {{ {FUNCTION} }} }}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        openapi: 3.0.1
        x-amazon-apigateway-cors: {{ allowOrigins: ['*'], allowMethods: [GET] }}
        paths:
          /$default:
            x-amazon-apigateway-any-method: {{ isDefaultRoute: true, x-amazon-apigateway-integration: {{ $ref: '#/components/x-amazon-apigateway-integrations/f' }} }}
        components:
          x-amazon-apigateway-integrations:
            f: {{ type: AWS_PROXY, httpMethod: POST, payloadFormatVersion: '2.0', uri: !GetAtt F.Arn }}
"
    ));
    assert_eq!(routes(&plan, 0), ["ANY $default -> app-F 2.0"]);
    assert_eq!(plan.apis[0].cors.as_ref().unwrap().allow_methods, ["GET"]);
}

#[test]
fn preflights_as_sam_makes_them() {
    let check = |cors: &str, expect: &[&str]| {
        let events = "A: { Type: Api, Properties: { Path: /a, Method: get, RestApiId: !Ref Api } }, B: { Type: Api, Properties: { Path: /a, Method: post, RestApiId: !Ref Api } }, C: { Type: Api, Properties: { Path: /b, Method: options, RestApiId: !Ref Api } }";
        let plan = plan_of(&format!(
            "{SAM}Resources:\n  Api: {{ Type: AWS::Serverless::Api, Properties: {{ StageName: s, Cors: {cors} }} }}\n  F: {{ {FUNCTION}, Events: {{ {events} }} }} }}\n"
        ));
        assert_eq!(routes(&plan, 0)[3..], *expect);
    };
    let origin = "Access-Control-Allow-Origin='*'";
    check("\"'*'\"", &[&format!("OPTIONS /a -> mock Access-Control-Allow-Methods='GET,OPTIONS,POST' {origin}")]);
    check(
        "{ AllowOrigin: \"'*'\", AllowMethods: \"'GET'\", AllowHeaders: \"'x'\" }",
        &[&format!("OPTIONS /a -> mock Access-Control-Allow-Headers='x' Access-Control-Allow-Methods='GET' {origin}")],
    );
}

#[test]
fn what_is_not_served_of_apis() {
    let api = "  Api: { Type: AWS::ApiGatewayV2::Api, Properties: { Name: a, ProtocolType: HTTP } }\n";
    let check = |resource: &str, place: &str, message: &str| {
        let text = format!("Resources:\n{api}  X:\n    {{ {resource} }}\n");
        check_errors(&text, &[(4, place, message)]);
    };
    check(
        "Type: AWS::ApiGatewayV2::Api, Properties: { Name: a, ProtocolType: WEBSOCKET }",
        "WEBSOCKET",
        "X: APIs of the protocol WEBSOCKET are not supported",
    );
    check(
        "Type: AWS::ApiGatewayV2::Integration, Properties: { ApiId: !Ref Api, IntegrationType: HTTP_PROXY, IntegrationUri: 'http://x' }",
        "HTTP_PROXY",
        "X: integrations of type HTTP_PROXY are not supported",
    );
    check(
        "Type: AWS::ApiGatewayV2::Route, Properties: { ApiId: !Ref Api, RouteKey: 'GET x', Target: integrations/a }",
        "'GET x'",
        "X: \"GET x\" is no route key",
    );
    check(
        "Type: AWS::ApiGatewayV2::Route, Properties: { ApiId: !Ref Api, RouteKey: $default, Target: integrations/a, AuthorizationType: JWT }",
        "JWT",
        "X: AuthorizationType JWT is not supported",
    );
    check(
        "Type: AWS::ApiGatewayV2::Authorizer, Properties: { ApiId: !Ref Api }",
        "AWS::ApiGatewayV2::Authorizer",
        "X: the type AWS::ApiGatewayV2::Authorizer is not supported",
    );
    let route = "  X:\n    { Type: AWS::ApiGatewayV2::Route, Properties: { ApiId: !Ref Api, RouteKey: $default, Target: integrations/a } }\n";
    check_errors(&format!("Resources:\n{api}{route}"), &[(3, "X:", "X: \"a\" is no integration of this template")]);
    let body = "Type: AWS::ApiGateway::RestApi, Properties: { Name: n, Body: { paths: { /a: { get: { security: [{ cognito: [] }], x-amazon-apigateway-integration: { type: mock } } } } } }";
    check_errors(
        &format!("Resources:\n  X:\n    {{ {body} }}\n"),
        &[(3, "cognito:", "X: the authorizer cognito is not supported")],
    );
}

#[test]
fn what_is_not_asked_for_is_noted() {
    let plan = plan_of(
        "Resources:
  F: { Type: AWS::Lambda::Function, Properties: { Runtime: python3.12, Handler: a.b, Code: ., Role: r } }
  Api: { Type: AWS::ApiGateway::RestApi, Properties: { Name: a, BinaryMediaTypes: ['*/*'] } }
  M:
    Type: AWS::ApiGateway::Method
    Properties: { RestApiId: !Ref Api, ResourceId: !GetAtt Api.RootResourceId, HttpMethod: GET, ApiKeyRequired: true, AuthorizationType: AWS_IAM,
      Integration: { Type: AWS_PROXY, TimeoutInMillis: 1000, Uri: !Sub 'arn:aws:apigateway:r:lambda:path/2015-03-31/functions/${F.Arn}/invocations' } }
  Key: { Type: AWS::ApiGateway::ApiKey }
",
    );
    assert_eq!(routes(&plan, 0), ["GET / -> app-F 1.0 1000 ms"]);
    let notes = shown(&plan.notes).join("\n");
    for expect in [
        "AWS_IAM: signatures are not asked for here",
        "M: API keys are not asked for here",
        "AWS::ApiGateway::ApiKey is not created",
    ] {
        assert!(notes.contains(expect), "{notes}");
    }
}

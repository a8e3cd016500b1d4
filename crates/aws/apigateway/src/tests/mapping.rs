//! REST APIs that call services and answer themselves: templates, patterns, headers.

use std::collections::BTreeMap;

use aws_protocol::{Request, Response};
use serde_json::{Value, json};

use super::{Function, function, gives, handle, request};
use crate::{Api, Integration, InvokeAnswer, MappedResponse, Mapping, Method, Passthrough, Route, mapping_fault};

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn request_template(template: &str) -> Mapping {
    let default = MappedResponse { status: 200, ..MappedResponse::default() };
    Mapping { requests: texts(&[("application/json", template)]), responses: vec![default], ..Mapping::default() }
}

fn api(integration: Integration) -> Api {
    let route = Route { method: Method::Any, path: "/trips/{id}".into(), integration };
    let variables = texts(&[("machine", "arn:m")]);
    Api::new("abc123", "saga", "Prod", vec![route]).unwrap().with_variables(variables)
}

fn mapped(mapping: Mapping) -> Api {
    let (service, operation) = ("states".to_owned(), "StartExecution".to_owned());
    api(Integration::Mapped { service, operation, mapping, timeout_ms: None })
}

fn post(body: &str) -> Request {
    let headers = [("content-type", "application/json; charset=utf-8"), ("x-key", "k")];
    request("POST", "/trips/7?tag=a&tag=b", &headers, body.to_owned())
}

/// What the service is sent for a request.
async fn sent(template: &str, request: Request) -> Value {
    let function = gives("{}");
    let response = handle(&function, &mapped(request_template(template)), request).await;
    let events = function.events.lock().unwrap();
    assert_eq!(events.len(), 1, "{template}: {response:?}");
    events[0].1.clone()
}

#[tokio::test]
async fn requests() {
    let check = async |template: &str, expect: Value| {
        let body = r#"{"trip":{"to":"O'Hare \"x\"","legs":[1,2]},"n":3}"#;
        assert_eq!(sent(template, post(body)).await, expect, "{template}");
    };
    // What SAM makes of an Api event of a state machine.
    let sam =
        r#"{"input": "$util.escapeJavaScript($input.json('$')).replaceAll("\\'","'")", "stateMachineArn": "arn"}"#;
    let input = r#"{"trip":{"to":"O'Hare \"x\"","legs":[1,2]},"n":3}"#;
    check(sam, json!({ "input": input, "stateMachineArn": "arn" })).await;
    check(r#"{"a": $input.json('$.trip.legs'), "b": "$input.path('$.n')"}"#, json!({ "a": [1, 2], "b": "3" })).await;
    check(r#"{"a": $input.json('$.none'), "b": "$input.path('$.none')"}"#, json!({ "a": "", "b": "" })).await;
    let params = r#"{"a": "$input.params('id')", "b": "$input.params('tag')", "c": "$input.params('X-Key')", "d": "$input.params('z')"}"#;
    check(params, json!({ "a": "7", "b": "b", "c": "k", "d": "" })).await;
    check(r#"{"a": "$context.stage $stageVariables.machine $!none $none"}"#, json!({ "a": "Prod arn:m  $none" })).await;
    check(r#"{"a": "$5 #1 ${context.apiId}x"}"#, json!({ "a": "$5 #1 abc123x" })).await;
    check("#set($x = 2 + 3 * 2)## said\n{\"a\": $x #* more *#}", json!({ "a": 8 })).await;
    check("#if($input.path('$.n') == 3 && !$x){\"a\": 1}#elseif(true){}#else{}#end", json!({ "a": 1 })).await;
    check("#if($x)[1]#elseif(\"$context.stage\" != 'Prod')[2]#else[3]#end", json!([3])).await;
    check(
        "[#foreach($leg in $input.path('$.trip.legs'))$leg$foreach.index#if($foreach.hasNext),#end#end]",
        json!([10, 21]),
    )
    .await;
    check("#set($m = {'a': [1]})#set($m.b = $m.a.size()){\"b\": $m.b, \"c\": $m[\"a\"][0]}", json!({ "b": 1, "c": 1 }))
        .await;
    check(r#""$util.base64Encode('hi') $util.urlEncode('a b/') $util.base64Decode('aGk=')""#, json!("aGk= a+b%2F hi"))
        .await;
    // What CDK's StepFunctionsIntegration makes.
    let input = json!({
        "body": { "trip": { "to": "O'Hare \"x\"", "legs": [1, 2] }, "n": 3 },
        "querystring": { "tag": "b" },
        "path": { "id": "7" },
        "requestContext": { "stage": "Prod" },
    });
    let made = sent(CDK, post(r#"{"trip":{"to":"O'Hare \"x\"","legs":[1,2]},"n":3}"#)).await;
    assert_eq!(made["stateMachineArn"], "arn:m");
    assert_eq!(serde_json::from_str::<Value>(made["input"].as_str().unwrap()).unwrap(), input);
}

const CDK: &str = r#"
## A placeholder stands for a quote.
#set($inputString = '')
#set($includeHeaders = false)
#set($includeQueryString = true)
#set($includePath = true)
#set($includeAuthorizer = false)
#set($allParams = $input.params())
{
    "stateMachineArn": "arn:m",
    #set($inputString = "$inputString,@@body@@: $input.body")
    #if ($includeHeaders)
        #set($inputString = "$inputString, @@header@@:{")
        #foreach($paramName in $allParams.header.keySet())
            #set($inputString = "$inputString @@$paramName@@: @@$util.escapeJavaScript($allParams.header.get($paramName))@@")
            #if($foreach.hasNext)
                #set($inputString = "$inputString,")
            #end
        #end
        #set($inputString = "$inputString }")
    #end
    #if ($includeQueryString)
        #set($inputString = "$inputString, @@querystring@@:{")
        #foreach($paramName in $allParams.querystring.keySet())
            #set($inputString = "$inputString @@$paramName@@: @@$util.escapeJavaScript($allParams.querystring.get($paramName))@@")
            #if($foreach.hasNext)
                #set($inputString = "$inputString,")
            #end
        #end
        #set($inputString = "$inputString }")
    #end
    #if ($includePath)
        #set($inputString = "$inputString, @@path@@:{")
        #foreach($paramName in $allParams.path.keySet())
            #set($inputString = "$inputString @@$paramName@@: @@$util.escapeJavaScript($allParams.path.get($paramName))@@")
            #if($foreach.hasNext)
                #set($inputString = "$inputString,")
            #end
        #end
        #set($inputString = "$inputString }")
    #end
    #if ($includeAuthorizer)
        #foreach($paramName in $context.authorizer.keySet())
            #set($inputString = "$inputString @@$paramName@@")
        #end
    #end
    #set($requestContext = "{@@stage@@:@@$context.stage@@}")
    #if($requestContext && !$requestContext.empty)
        #set($inputString = "$inputString,")
        #set($inputString = "$inputString @@requestContext@@: $requestContext")
    #end
    #set($inputString = "$inputString}")
    #set($inputString = $inputString.replaceAll("@@",'"'))
    #set($len = $inputString.length() - 1)
    "input": "{$util.escapeJavaScript($inputString.substring(1,$len)).replaceAll("\\'","'")}"
}
"#;

#[tokio::test]
async fn which_template_and_which_body() {
    let check = async |passthrough: Passthrough, content_type: &str, expect: u16, sent: Option<Value>| {
        let mapping = Mapping { passthrough, ..request_template(r#"{"made":1}"#) };
        let headers: &[_] = if content_type.is_empty() { &[] } else { &[("content-type", content_type)] };
        let function = gives("{}");
        let response =
            handle(&function, &mapped(mapping), request("POST", "/trips/7", headers, r#"{"given":1}"#)).await;
        assert_eq!(response.status(), expect, "{passthrough:?} {content_type}");
        let events = function.events.lock().unwrap();
        assert_eq!(events.first().map(|(_, body)| body.clone()), sent, "{passthrough:?} {content_type}");
    };
    let (made, given) = (json!({ "made": 1 }), json!({ "given": 1 }));
    check(Passthrough::Never, "", 200, Some(made.clone())).await;
    check(Passthrough::Never, "application/json", 200, Some(made)).await;
    check(Passthrough::WhenNoMatch, "application/x-amz-json-1.0", 200, Some(given)).await;
    check(Passthrough::WhenNoTemplates, "application/xml", 415, None).await;
    check(Passthrough::Never, "application/xml", 415, None).await;
}

fn shown(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn responses() {
    let status = r#"#set($root = $input.path('$'))
#if($input.path('$.status').toString().equals("FAILED"))
#set($context.responseOverride.status = 500)
#set($context.responseOverride.header.X-Failed = "yes")
{"error": "$input.path('$.error')"}
#else
$root.output
#end"#;
    let response = |status: u16, pattern: &str, templates: &[(&str, &str)], headers: &[(&str, &str)]| MappedResponse {
        status,
        pattern: (!pattern.is_empty()).then(|| pattern.to_owned()),
        headers: texts(headers),
        templates: texts(templates),
    };
    let cors = [
        ("Access-Control-Allow-Origin", "'*'"),
        ("X-Arn", "integration.response.body.arn"),
        ("X-Type", "integration.response.header.content-type"),
    ];
    let responses = vec![
        response(200, "200", &[("application/json", status)], &cors),
        response(400, r"4\d{2}", &[("application/json", r#"{"error":"Bad request!"}"#)], &[]),
    ];
    let mapping = Mapping { responses, ..Mapping::default() };
    let check = async |function: &Function, status: u16, body: &str, headers: &[(&str, &str)]| {
        let response = handle(function, &mapped(mapping.clone()), post("{}")).await;
        let text = String::from_utf8_lossy(response.body()).trim().to_owned();
        assert_eq!((response.status().as_u16(), text.as_str()), (status, body), "{response:?}");
        headers.iter().for_each(|(name, value)| assert_eq!(shown(&response, name), *value, "{name}"));
    };
    let answers = |payload: &'static str, is_error: bool| {
        function(Some(Ok(InvokeAnswer { payload: payload.into(), function_error: is_error })))
    };
    let fine = answers(r#"{"status":"SUCCEEDED","output":"{\"a\":1}","arn":"arn:e"}"#, false);
    let headers = [
        ("access-control-allow-origin", "*"),
        ("x-arn", "arn:e"),
        ("x-type", "application/x-amz-json-1.0"),
        ("content-type", "application/json"),
    ];
    check(&fine, 200, r#"{"a":1}"#, &headers).await;
    let failed = answers(r#"{"status":"FAILED","error":"E"}"#, false);
    check(&failed, 500, r#"{"error": "E"}"#, &[("x-failed", "yes")]).await;
    check(&answers("{}", true), 400, r#"{"error":"Bad request!"}"#, &[]).await;
    // Nothing fits, and there is no default.
    let mapping = Mapping { responses: vec![response(200, "2..", &[], &[])], ..Mapping::default() };
    let response = handle(&answers("{}", true), &mapped(mapping), post("{}")).await;
    assert_eq!(response.status(), 500);
    assert!(shown(&response, "x-ithaca-reason").contains("there is no integration response for the status 400"));
}

#[tokio::test]
async fn mocks() {
    let check = async |template: &str, request: Request, status: u16, body: &str| {
        let headers = texts(&[("Access-Control-Allow-Methods", "'GET,OPTIONS'")]);
        let responses = vec![MappedResponse { status: 204, headers, ..MappedResponse::default() }];
        let mapping = Mapping { requests: texts(&[("application/json", template)]), responses, ..Mapping::default() };
        let response = handle(&function(None), &api(Integration::Mock(mapping)), request).await;
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (status, body.as_bytes()));
        assert_eq!(shown(&response, "access-control-allow-methods").is_empty(), status != 204);
    };
    let options = || request("OPTIONS", "/trips/1", &[], "");
    check("{ statusCode: 204 }", options(), 204, "").await;
    check(r#"{"statusCode": "200"}"#, options(), 204, "").await;
    check("{}", options(), 500, r#"{"message":"Internal server error"}"#).await;
}

#[test]
fn what_is_not_served_is_named() {
    let check = |template: &str, expect: &str| {
        let fault = mapping_fault(&request_template(template));
        assert_eq!(
            fault.as_deref().unwrap_or_default(),
            if expect.is_empty() { String::new() } else { format!("a mapping template cannot be run: {expect}") }
        );
    };
    check("{ statusCode: 200 }", "");
    check("#FFF $ #", "");
    check(CDK, "");
    check("#parse('x')", "#parse is not served");
    check("#if(true)", "an #if has no #end");
    check("#end", "there is an #end, #else or #elseif without an #if");
    check("#foreach($a in [1])", "a #foreach has no #end");
    check("$x.matchesAll('a')", "matchesAll() with 1 arguments is not served");
    check("#set($a = )", "\")\" is not served");
    check("#set($a = 'b)", "a text has no closing quote");
    check("#set($a 1)", "\"1)\" is not served where = should be");
    check(&"#if(true)".repeat(40), "it is nested deeper than 32");
    check(&format!("#set($a = {}1", "(".repeat(40)), "it is nested deeper than 32");
    let header = |value: &str| MappedResponse { headers: texts(&[("X", value)]), ..MappedResponse::default() };
    let fault = mapping_fault(&Mapping { responses: vec![header("text")], ..Mapping::default() });
    assert_eq!(fault.as_deref(), Some("text for the header X is not served"));
}

/// A template has to end, and to write no more than it may.
#[tokio::test]
async fn a_template_is_bounded() {
    let check = async |template: &str, reason: &str| {
        let response = handle(&gives("{}"), &mapped(request_template(template)), post("{}")).await;
        assert_eq!(response.status(), 500);
        let given = shown(&response, "x-ithaca-reason");
        assert!(given.contains(reason), "{given}");
    };
    let list = format!("[{}]", vec!["1"; 900].join(","));
    check(
        &format!("#set($l = {list})#foreach($a in $l)#foreach($b in $l)#foreach($c in $l)x#end#end#end"),
        "it takes over 100000 steps",
    )
    .await;
    let double = "#set($a = \"$a$a\")".repeat(40);
    check(&format!("#set($a = 'xxxxxxxx'){double}"), "it writes over 10485760 bytes").await;
    check("#set($context.stage = 1)", "#set($context.stage) is not served").await;
    check("$input.json('$..a')", "of the path $..a is not served").await;
}

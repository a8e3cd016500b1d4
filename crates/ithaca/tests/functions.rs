//! Functions of a template as an app has them on AWS: layers, versions, aliases; through the real binary, by the machine's Node.js.

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals: { Function: { Runtime: nodejs22.x, Handler: index.handler, Timeout: 20 } }
Resources:
  Words: { Type: AWS::Serverless::LayerVersion, Properties: { ContentUri: words } }
  Live:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: code, Layers: [ !Ref Words ], AutoPublishAlias: live }
  Plain: { Type: AWS::Serverless::Function, Properties: { CodeUri: code, Layers: [ !Ref Words ] } }
  PlainLABEL: { Type: AWS::Lambda::Version, Properties: { FunctionName: !Ref Plain } }
  PlainProd:
    Type: AWS::Lambda::Alias
    Properties: { Name: prod, FunctionName: !Ref Plain, FunctionVersion: !GetAtt PlainLABEL.Version }
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: Live
        States:
          Live: { Type: Task, Resource: !Ref Live.Alias, ResultPath: $.live, Next: Prod }
          Prod:
            Type: Task
            Resource: arn:aws:states:::lambda:invoke
            Parameters: { FunctionName: !Ref PlainProd, Payload: {} }
            ResultPath: $.prod
            End: true
Outputs:
  Version: { Value: !Ref PlainLABEL }
"#;

const HANDLER: &str = "const { word } = require('words');
exports.handler = async (e, c) => [word, CODE, c.functionVersion, c.invokedFunctionArn.split(':').slice(6).join(':')];";

fn write(scratch: &Scratch, label: &str, word: &str, code: &str) {
    let put = |path: &str, text: &str| {
        let path = scratch.join("app").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("template.yaml", &TEMPLATE.replace("LABEL", label));
    put("words/nodejs/node_modules/words/index.js", &format!("exports.word = '{word}'"));
    put("code/index.js", &HANDLER.replace("CODE", &format!("'{code}'")));
}

fn up(scratch: &Scratch) -> Ithaca {
    Up::new(scratch.join("data")).template(Path::new(&scratch.join("app")).join("template.yaml")).start()
}

/// What the two functions have answered in an execution, and the version that the second was told to be.
fn run(client: &Client) -> (Value, Value, Value) {
    let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:app-Machine";
    let ended = client.ended(&client.start(machine, &json!({})));
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let output: Value = serde_json::from_str(&text(&ended["output"])).unwrap();
    (output["live"].clone(), output["prod"]["Payload"].clone(), output["prod"]["ExecutedVersion"].clone())
}

#[test]
fn a_template_publishes() {
    let scratch = Scratch::new("functions-publish");
    write(&scratch, "V1", "a", "first");
    let ithaca = up(&scratch);
    let (live, prod) = (json!(["a", "first", "1", "app-Live:live"]), json!(["a", "first", "1", "app-Plain:prod"]));
    assert_eq!(run(&ithaca.client()), (live, prod, json!("1")));
    let prod = ithaca.client().lambda("GET", "/2015-03-31/functions/app-Plain/aliases/prod", &json!({})).unwrap();
    assert_eq!(prod["FunctionVersion"], "1");
    ithaca.stop();

    // SAM's alias follows the code; a version stays what it was under its logical id.
    write(&scratch, "V1", "b", "second");
    let ithaca = up(&scratch);
    let (live, prod) = (json!(["b", "second", "2", "app-Live:live"]), json!(["a", "first", "1", "app-Plain:prod"]));
    assert_eq!(run(&ithaca.client()), (live, prod, json!("1")));
    ithaca.stop();

    // As CDK does it: changed code has a version of another logical id.
    write(&scratch, "V2", "b", "second");
    let ithaca = up(&scratch);
    let (live, prod) = (json!(["b", "second", "2", "app-Live:live"]), json!(["b", "second", "2", "app-Plain:prod"]));
    assert_eq!(run(&ithaca.client()), (live, prod, json!("2")));
    ithaca.stop();
}

const URLS: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals: { Function: { Runtime: nodejs22.x, Handler: index.handler, Timeout: 20 } }
Resources:
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      AutoPublishAlias: live
      FunctionUrlConfig: { AuthType: NONE, Cors: { AllowOrigins: [ "https://app.example" ], AllowMethods: [ GET ] } }
  Streams: { Type: AWS::Serverless::Function, Properties: { CodeUri: code, Handler: index.streams } }
  StreamsUrl:
    Type: AWS::Lambda::Url
    Properties: { TargetFunctionArn: !GetAtt Streams.Arn, AuthType: NONE, InvokeMode: RESPONSE_STREAM }
  Caller:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Handler: index.caller
      Environment: { Variables: { ECHO: !GetAtt EchoUrl.FunctionUrl, STREAMS: !GetAtt StreamsUrl.FunctionUrl } }
"#;

const URL_HANDLERS: &str = r#"
exports.handler = async (e, c) => ({ version: e.version, path: e.rawPath, query: e.rawQueryString, method: e.requestContext.http.method,
    domain: e.requestContext.domainName, body: e.body, arn: c.invokedFunctionArn.split(':').slice(6).join(':') });
exports.streams = awslambda.streamifyResponse(async (event, out) => {
    out = awslambda.HttpResponseStream.from(out, { statusCode: 418, headers: { 'content-type': 'text/x', 'x-a': 'b' }, cookies: ['c=d'] });
    out.write('part ');
    out.end('whole');
});
const get = (url) => new Promise((done) => require('http').get(url, (answer) => {
    let text = ''; answer.on('data', (chunk) => { text += chunk }); answer.on('end', () => done([answer.statusCode, text]));
}));
exports.caller = async () => [process.env.ECHO, (await get(process.env.ECHO + 'inner'))[0], await get(process.env.STREAMS)];
"#;

#[test]
fn functions_have_addresses() {
    let scratch = Scratch::new("functions-urls");
    let put = |path: &str, text: &str| {
        let path = scratch.join("app").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("template.yaml", URLS);
    put("code/index.js", URL_HANDLERS);
    let ithaca = up(&scratch);
    let client = ithaca.client();
    let called = client.lambda("POST", "/2015-03-31/functions/app-Caller/invocations", &json!({})).unwrap();
    let address = text(&called[0]);
    let id = address.split('/').nth_back(1).unwrap();
    assert!(id.len() == 32 && address.ends_with("/"), "{address}");
    assert_eq!((&called[1], &called[2]), (&json!(200), &json!([418, "part whole"])));

    let host = format!("{id}.lambda-url.localhost:{}", ithaca.port());
    let headers = [("host", host.as_str()), ("content-type", "text/plain")];
    let answer = client.send("POST", "/a%20b?x=1", &headers, b"hello").unwrap();
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    let expect = json!({ "version": "2.0", "path": "/a%20b", "query": "x=1", "method": "POST", "domain": told["domain"],
        "body": "hello", "arn": "app-Echo:live" });
    assert_eq!(told, expect);
    // Pages of others ask the port of its own, as with every API.
    let apis = ithaca.said()["apis"].as_array().unwrap().clone();
    let own = apis.iter().find(|api| api["name"] == "URL of app-Echo:live").unwrap();
    let address = text(&own["url"]).trim_start_matches("http://").to_owned();
    let headers = [("origin", "https://app.example")];
    let answer = Client { address }.send("GET", "/", &headers, b"").unwrap();
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    ithaca.stop();

    // What the template does not have any more is gone.
    let lines = URLS.lines().filter(|line| !line.contains("FunctionUrlConfig"));
    put("template.yaml", &lines.collect::<Vec<_>>().join("\n").replace("ECHO: !GetAtt EchoUrl.FunctionUrl, ", ""));
    let ithaca = up(&scratch);
    let host = format!("{id}.lambda-url.localhost:{}", ithaca.port());
    assert_eq!(ithaca.client().send("GET", "/", &[("host", host.as_str())], b"").unwrap().status, 403);
    ithaca.stop();
}

/// As tools send it that upload code first.
#[test]
fn code_comes_out_of_a_bucket() {
    let scratch = Scratch::new("functions-s3");
    let bucket = scratch.join("data").join("objects/code");
    fs::create_dir_all(&bucket).unwrap();
    let mut zip = zip::ZipWriter::new(fs::File::create(bucket.join("app.zip")).unwrap());
    zip.start_file("index.js", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, b"exports.handler = async () => 'from S3'").unwrap();
    zip.finish().unwrap();
    let ithaca = Up::new(scratch.join("data")).start();
    let client = ithaca.client();
    let create = |key: &str| {
        let code = json!({ "S3Bucket": "code", "S3Key": key });
        let body = json!({ "FunctionName": "f", "Runtime": "nodejs22.x", "Handler": "index.handler", "Code": code,
            "Role": "arn:aws:iam::000000000000:role/r" });
        client.lambda("POST", "/2015-03-31/functions", &body)
    };
    let refused = format!("{:?}", create("gone.zip").unwrap_err());
    assert!(refused.contains("status: 400") && refused.contains("GetObject"), "{refused}");
    create("app.zip").unwrap();
    let answer = client.lambda("POST", "/2015-03-31/functions/f/invocations", &json!({})).unwrap();
    assert_eq!(answer, "from S3");
    ithaca.stop();
}

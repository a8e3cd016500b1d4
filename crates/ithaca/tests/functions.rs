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

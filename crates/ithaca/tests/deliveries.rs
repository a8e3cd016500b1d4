//! Messages that reach functions: a callback over a queue, tries and a dead-letter queue, a topic with two subscribers, and a crash.

mod support;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;
use support::wait::wait_for;

const TEMPLATE: &str = r#"
Resources:
  Work: { Type: AWS::SQS::Queue, Properties: { VisibilityTimeout: 0, RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 } } }
  Dead: { Type: AWS::SQS::Queue }
  Ordered: { Type: AWS::SQS::Queue, Properties: { FifoQueue: true, VisibilityTimeout: 1 } }
  TakesOrdered:
    Type: AWS::Lambda::EventSourceMapping
    Properties: { EventSourceArn: !GetAtt Ordered.Arn, FunctionName: !Ref Worker, BatchSize: 1 }
  Copies: { Type: AWS::SQS::Queue }
  Seen: { Type: AWS::SQS::Queue }
  Booked:
    Type: AWS::SNS::Topic
    Properties:
      Subscription: [{ Protocol: sqs, Endpoint: !GetAtt Copies.Arn }, { Protocol: lambda, Endpoint: !GetAtt Worker.Arn }]
  Worker:
    Type: AWS::Lambda::Function
    Properties: { Code: src, Handler: index.handler, Runtime: python3.11, Environment: { Variables: { SEEN: !Ref Seen } }, Role: "arn:aws:iam::000000000000:role/any", Timeout: 10 }
  Takes:
    Type: AWS::Lambda::EventSourceMapping
    Properties: { EventSourceArn: !GetAtt Work.Arn, FunctionName: !Ref Worker, BatchSize: 1 }
  Trips:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: { StreamViewType: NEW_IMAGE }
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
  Follows:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Trips.StreamArn
      FunctionName: !GetAtt Worker.Arn
      StartingPosition: TRIM_HORIZON
      FilterCriteria: { Filters: [{ Pattern: '{ "eventName": ["INSERT"], "dynamodb": { "NewImage": { "kind": { "S": ["hotel"] } } } }' }] }
  Asks:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: asks
      RoleArn: "arn:aws:iam::000000000000:role/any"
      DefinitionString: !Sub |
        { "StartAt": "Ask", "States": { "Ask": { "Type": "Task", "End": true,
          "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
          "Retry": [{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1 }],
          "Parameters": { "QueueUrl": "${Work}", "MessageBody": { "token.$": "$$.Task.Token", "do.$": "$.do" } } } } }
  Tells:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: tells
      RoleArn: "arn:aws:iam::000000000000:role/any"
      DefinitionString: !Sub |
        { "StartAt": "Tell", "States": { "Tell": { "Type": "Task", "End": true,
          "Resource": "arn:aws:states:::sns:publish", "Parameters": { "TopicArn": "${Booked}", "Message.$": "$.text" } } } }
"#;

/// Answers a token; fails when told to; writes down what a topic says.
const WORKER: &str = r#"
import json, os, urllib.request

def call(target, body):
    request = urllib.request.Request(os.environ['AWS_ENDPOINT_URL'], json.dumps(body).encode(), {'X-Amz-Target': target})
    urllib.request.urlopen(request).read()

def handler(event, context):
    for record in event['Records']:
        if 'Sns' in record:
            call('AmazonSQS.SendMessage', {'QueueUrl': os.environ['SEEN'], 'MessageBody': record['Sns']['Message']})
            continue
        if 'dynamodb' in record:
            image = record['dynamodb']['NewImage']
            if image['id']['S'] == 'h2' and not os.path.exists(os.environ['TMPDIR'] + '/once'):
                open(os.environ['TMPDIR'] + '/once', 'w').close()
                raise ValueError('not now')
            call('AmazonSQS.SendMessage', {'QueueUrl': os.environ['SEEN'], 'MessageBody': image['id']['S'] + ' ' + record['eventName']})
            continue
        if record['eventSourceARN'].endswith('.fifo'):
            if record['body'] == 'a1' and record['attributes']['ApproximateReceiveCount'] == '1':
                raise ValueError('not now')
            call('AmazonSQS.SendMessage', {'QueueUrl': os.environ['SEEN'], 'MessageBody': record['body']})
            continue
        message = json.loads(record['body'])
        count = int(record['attributes']['ApproximateReceiveCount'])
        if message['do'] == 'fail' or (message['do'] == 'fail once' and count == 1):
            raise ValueError('not now')
        call('AWSStepFunctions.SendTaskSuccess', {'taskToken': message['token'], 'output': json.dumps(count)})
"#;

struct App(Scratch);

impl App {
    fn new(name: &str) -> App {
        let app = App(Scratch::new(name));
        std::fs::create_dir_all(app.0.join("app/src")).unwrap();
        app.0.write("app/template.yaml", TEMPLATE);
        app.0.write("app/src/index.py", WORKER);
        app
    }

    fn up(&self) -> Ithaca {
        Up::new(self.0.join("data")).template(self.0.join("app")).start()
    }
}

fn start(client: &Client, machine: &str, input: Value) -> String {
    client.start(&format!("arn:aws:states:us-east-1:000000000000:stateMachine:{machine}"), &input)
}

/// The bodies of what was sent to a queue.
fn sent_to(client: &Client, queue: &str) -> Vec<Value> {
    let messages = client.get(&format!("/ithaca/outbox?service=sqs&destination=/{queue}")).json();
    messages["messages"].as_array().unwrap().iter().map(|message| message["message"]["MessageBody"].clone()).collect()
}

#[test]
fn a_queue_brings_work_to_a_function() {
    let app = App::new("deliver-queue");
    let ithaca = app.up();
    let client = ithaca.client();
    // What is asked for; the output: how often the message was received.
    for (what, expect) in [("answer", "1"), ("fail once", "2")] {
        let execution = start(&client, "asks", json!({ "do": what }));
        assert_eq!(client.ended(&execution)["output"], expect, "{what}");
    }
    start(&client, "asks", json!({ "do": "fail" }));
    let dead = wait_for("the message is given up", || sent_to(&client, "app-Dead").pop());
    assert!(text(&dead).contains(r#""do":"fail""#), "{dead}");
}

#[test]
fn a_topic_tells_all_who_subscribed() {
    let app = App::new("deliver-topic");
    let ithaca = app.up();
    let client = ithaca.client();
    let execution = start(&client, "tells", json!({ "text": "trip-1 is booked" }));
    assert_eq!(client.ended(&execution)["status"], "SUCCEEDED");
    let seen = wait_for("the function is told", || sent_to(&client, "app-Seen").pop());
    assert_eq!(seen, "trip-1 is booked");
    // A function is told where a queue is here, for SDKs that send to the address itself.
    let message = &client.get("/ithaca/outbox?service=sqs&destination=/app-Seen").json()["messages"][0];
    assert_eq!(message["destination"], format!("{}/000000000000/app-Seen", ithaca.endpoint()));
    let copy = wait_for("the queue has a copy", || sent_to(&client, "app-Copies").pop());
    let copy: Value = serde_json::from_str(&text(&copy)).unwrap();
    assert_eq!((&copy["Type"], &copy["Message"]), (&json!("Notification"), &json!("trip-1 is booked")));
}

#[test]
fn a_group_of_a_fifo_queue_keeps_its_order() {
    let app = App::new("deliver-fifo");
    let ithaca = app.up();
    let client = ithaca.client();
    let url = format!("{}/000000000000/app-Ordered.fifo", ithaca.endpoint());
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")] {
        let sent =
            json!({ "QueueUrl": url, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": body });
        client.json("AmazonSQS.SendMessage", &sent.to_string()).unwrap();
    }
    let mut seen = wait_for("all have arrived", || {
        let seen = sent_to(&client, "app-Seen");
        (seen.len() == 5).then_some(seen)
    });
    seen.reverse();
    // The first of one group fails once: what comes after it in its group waits, and the other group does not.
    assert_eq!(seen, ["b1", "b2", "a1", "a2", "a3"]);
}

#[test]
fn a_crash_loses_no_message() {
    let app = App::new("deliver-crash");
    let mut ithaca = app.up();
    let executions: Vec<String> = (0..20).map(|_| start(&ithaca.client(), "asks", json!({ "do": "answer" }))).collect();
    ithaca.kill();
    let ithaca = app.up();
    for execution in &executions {
        assert_eq!(ithaca.client().ended(execution)["status"], "SUCCEEDED");
    }
}

#[test]
fn a_table_tells_what_is_written_to_it() {
    let app = App::new("deliver-stream");
    let ithaca = app.up();
    let client = ithaca.client();
    // Only hotels are asked for, and the second one fails once: nothing is lost or out of order.
    let put = |id: &str, kind: &str| {
        let item = json!({ "id": { "S": id }, "kind": { "S": kind } });
        client.dynamo("PutItem", json!({ "TableName": "app-Trips", "Item": item }));
    };
    [("h1", "hotel"), ("f1", "flight"), ("h2", "hotel"), ("h1", "flight"), ("h3", "hotel")]
        .iter()
        .for_each(|(id, kind)| put(id, kind));
    let all = wait_for("all are told", || {
        let seen = sent_to(&client, "app-Seen");
        seen.contains(&"h3 INSERT".into()).then_some(seen)
    });
    let mut first: Vec<String> = Vec::new();
    for body in all.iter().rev().map(text) {
        if !first.contains(&body) {
            first.push(body);
        }
    }
    assert_eq!(first, ["h1 INSERT", "h2 INSERT", "h3 INSERT"]);
}

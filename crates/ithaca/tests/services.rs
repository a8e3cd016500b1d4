//! What tasks do, through the real binary: each served integration in a machine of its own, our own doors behind some,
//! a server of this test as AWS behind the others.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::functions;
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;
use support::server::{self, Asked, Reply};
use support::wait::{BOUND, wait_for};

/// A task with these parameters, whose failure is the output.
fn task(resource: &str, parameters: Value) -> Value {
    json!({
        "StartAt": "Call",
        "States": {
            "Call": {
                "Type": "Task",
                "Resource": format!("arn:aws:states:::{resource}"),
                "Parameters": parameters,
                "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Failed" }],
                "End": true,
            },
            "Failed": { "Type": "Pass", "End": true },
        },
    })
}

/// The output of a machine of this definition, run once.
fn output_of(client: &Client, definition: &Value) -> Value {
    let machine = client.create_machine(&name(), definition);
    let ended = client.ended(&client.start(&machine, &json!({})));
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    serde_json::from_str(&text(&ended["output"])).unwrap()
}

fn call(client: &Client, resource: &str, parameters: Value) -> Value {
    output_of(client, &task(resource, parameters))
}

/// Of what a task has failed with: the error, and the cause up to what differs from call to call.
fn failed(client: &Client, resource: &str, parameters: Value) -> (String, String) {
    let output = call(client, resource, parameters);
    let cause = text(&output["Cause"]);
    (text(&output["Error"]), cause.split(" (Service").next().unwrap().to_owned())
}

/// Of a task whose failure nothing catches.
fn broken(client: &Client, resource: &str, parameters: Value) -> (String, String) {
    let machine = client.create_machine(&name(), &task(resource, parameters));
    let ended = client.ended(&client.start(&machine, &json!({})));
    assert_eq!(ended["status"], "FAILED", "{ended}");
    (text(&ended["error"]), text(&ended["cause"]))
}

/// An operation of EventBridge.
fn events(client: &Client, target: &str, body: Value) -> Value {
    client.json(target, &body.to_string()).unwrap_or_else(|error| panic!("{target}: {error:?}"))
}

/// A name that no machine of this program has.
fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("m{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn up(name: &str) -> (Scratch, Ithaca) {
    let scratch = Scratch::new(name);
    let ithaca = Up::new(scratch.join("data")).start();
    (scratch, ithaca)
}

#[test]
fn executions_start_executions() {
    let (_scratch, ithaca) = up("services-states");
    let client = ithaca.client();
    let child = json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "Result": { "b": [1] }, "End": true } } });
    let child = client.create_machine("child", &child);
    let broken = json!({ "StartAt": "A", "States": { "A": { "Type": "Fail", "Error": "E", "Cause": "why" } } });
    let broken = client.create_machine("broken", &broken);
    let start = |machine: &str| json!({ "StateMachineArn": machine, "Input": { "trip": 1 } });

    let done = call(&client, "states:startExecution.sync:2", start(&child));
    assert_eq!((&done["Output"], &done["Status"]), (&json!({ "b": [1] }), &json!("SUCCEEDED")));
    assert_eq!(done["Input"], json!({ "trip": 1 }));
    let done = call(&client, "states:startExecution.sync", start(&child));
    assert_eq!((&done["Output"], &done["Input"]), (&json!(r#"{"b":[1]}"#), &json!(r#"{"trip":1}"#)));
    let (error, cause) = failed(&client, "states:startExecution.sync", start(&broken));
    let cause: Value = serde_json::from_str(&cause).unwrap();
    assert_eq!((error.as_str(), &cause["Error"], &cause["Cause"]), ("States.TaskFailed", &json!("E"), &json!("why")));

    let started = call(&client, "states:startExecution", json!({ "StateMachineArn": child, "Name": "named" }));
    let execution = text(&started["ExecutionArn"]);
    assert!(execution.ends_with(":named") && started["StartDate"].as_i64() > Some(1_600_000_000_000), "{started}");
    assert_eq!(started["SdkHttpMetadata"]["HttpStatusCode"], 200);
    let gone = format!("{child}-gone");
    assert_eq!(
        failed(&client, "states:startExecution", start(&gone)),
        ("StepFunctions.StateMachineDoesNotExistException".into(), format!("State Machine Does Not Exist: '{gone}'"))
    );
    let error = failed(&client, "states:startExecution.sync", start(&gone)).0;
    assert_eq!(error, "StepFunctions.StateMachineDoesNotExistException");

    client.ended(&execution);
    let described = call(&client, "aws-sdk:sfn:describeExecution", json!({ "ExecutionArn": execution }));
    assert_eq!((&described["Status"], described.get("SdkHttpMetadata")), (&json!("SUCCEEDED"), None));
    assert!(text(&described["StartDate"]).ends_with('Z'), "{described}");
    assert_eq!(
        failed(&client, "aws-sdk:sfn:sendTaskFailure", json!({ "TaskToken": "NoSuchTaskToken" })),
        ("Sfn.InvalidTokenException".into(), "Invalid Token: 'Invalid token'".into())
    );
}

/// A task that asks again after a crash is answered with the execution it has started, though that has ended: here
/// somebody else has started it, under the name that only the task gives.
#[test]
fn an_execution_that_was_started_and_has_ended_is_not_started_again() {
    let (_scratch, ithaca) = up("services-again");
    let client = ithaca.client();
    let child = json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } });
    let child = client.create_machine("child", &child);
    let activity = text(&client.states("CreateActivity", json!({ "name": "a" }))["activityArn"]);
    let start = |next: Value| {
        let parameters = json!({ "StateMachineArn": child });
        let mut state =
            json!({ "Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "Parameters": parameters });
        state.as_object_mut().unwrap().extend(next.as_object().unwrap().clone());
        state
    };
    let parent = json!({
        "StartAt": "First",
        "States": {
            "First": start(json!({ "Next": "Wait" })),
            "Wait": { "Type": "Task", "Resource": activity, "Next": "Second" },
            "Second": start(json!({ "End": true })),
        },
    });
    let execution = client.start(&client.create_machine("parent", &parent), &json!({}));
    let task = client.states("GetActivityTask", json!({ "activityArn": activity }));
    let first: Value = serde_json::from_str(&text(&task["input"])).unwrap();
    // EXECUTION-FRAME-ATTEMPT, and the activity's attempt lies between.
    let first = text(&first["ExecutionArn"]);
    let (prefix, attempt) = first.rsplit(':').next().unwrap().rsplit_once('-').unwrap();
    let name = format!("{prefix}-{:x}", u64::from_str_radix(attempt, 16).unwrap() + 2);
    let body = json!({ "stateMachineArn": child, "name": name, "input": r#"{"other":1}"# });
    let earlier = client.states("StartExecution", body);
    client.ended(&text(&earlier["executionArn"]));

    client.states("SendTaskSuccess", json!({ "taskToken": task["taskToken"], "output": "{}" }));
    let ended = client.ended(&execution);
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let second: Value = serde_json::from_str(&text(&ended["output"])).unwrap();
    assert_eq!(second["ExecutionArn"], earlier["executionArn"]);
    let started_at = (earlier["startDate"].as_f64().unwrap() * 1000.0).round();
    assert_eq!(second["StartDate"].as_f64(), Some(started_at));
    assert_eq!(second["SdkHttpMetadata"]["HttpStatusCode"], 200);
    assert_eq!(client.executions(&child).len(), 2);

    // An author's own name may be anybody's.
    let (error, _) = failed(&client, "states:startExecution", json!({ "StateMachineArn": child, "Name": name }));
    assert_eq!(error, "StepFunctions.ExecutionAlreadyExistsException");
}

/// The process of the functions below; see `support::functions`. The one of the template answers a request. The other
/// gives its token back before it answers, or while it does.
#[test]
#[ignore = "not a test: the function of this file runs in it"]
fn function() {
    functions::serve(|name, event| {
        if name.starts_with("app-") {
            let headers = json!({ "content-type": "application/json" });
            let answer = json!({ "statusCode": 200, "headers": headers, "body": "{\"booked\":true}" });
            return answer.to_string().into();
        }
        let trace = event.header("lambda-runtime-trace-id").unwrap_or_default();
        let event = event.json();
        if event.get("trace").is_some() {
            return json!(trace).to_string().into();
        }
        if event.get("plain").is_some() {
            return event.to_string().into();
        }
        let is_early = event["when"] == "early";
        let send = move || {
            let client = Client { address: std::env::var("AWS_ENDPOINT_URL").unwrap().replace("http://", "") };
            client.states("SendTaskHeartbeat", json!({ "taskToken": event["token"] }));
            client.states("SendTaskSuccess", json!({ "taskToken": event["token"], "output": r#"{"by":"token"}"# }));
        };
        match is_early {
            true => send(),
            false => drop(thread::spawn(send)),
        }
        b"{}".to_vec()
    });
}

#[test]
fn functions_give_tokens_back() {
    let (_scratch, ithaca) = up("services-lambda");
    let client = ithaca.client();
    functions::create(&client, "approve", &functions::own_bootstrap(), 30);
    for when in ["early", "meanwhile"] {
        let payload = json!({ "token.$": "$$.Task.Token", "when": when });
        let parameters = json!({ "FunctionName": "approve", "Payload": payload });
        let output = call(&client, "lambda:invoke.waitForTaskToken", parameters);
        assert_eq!(output, json!({ "by": "token" }), "{when}");
    }
    let answer =
        call(&client, "aws-sdk:lambda:invoke", json!({ "FunctionName": "approve", "Payload": { "plain": 1 } }));
    assert_eq!(answer, json!({ "ExecutedVersion": "$LATEST", "Payload": "{\"plain\":1}", "StatusCode": 200 }));
    let parameters = json!({ "FunctionName": "approve", "Payload": { "trace": 1 } });
    let machine = client.create_machine(&name(), &task("lambda:invoke", parameters));
    for header in ["Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "not\na header"] {
        let start = json!({ "stateMachineArn": machine, "traceHeader": header });
        let ended = client.ended(&text(&client.states("StartExecution", start)["executionArn"]));
        let output: Value = serde_json::from_str(&text(&ended["output"])).unwrap();
        let trace = text(&output["Payload"]);
        assert_eq!(trace == header, header.starts_with("Root"), "{trace}");
        assert!(trace.starts_with("Root=1-"), "{trace}");
    }
    let none = json!({ "FunctionName": "none" });
    assert_eq!(failed(&client, "aws-sdk:lambda:invoke", none).0, "Lambda.ResourceNotFoundException");
    let error = failed(&client, "lambda:invoke.waitForTaskToken", json!({ "FunctionName": "none", "Payload": {} })).0;
    assert_eq!(error, "Lambda.ResourceNotFoundException");
}

#[test]
fn workers_take_tasks_of_activities() {
    let (_scratch, ithaca) = up("services-activity");
    let client = ithaca.client();
    let activity = text(&client.states("CreateActivity", json!({ "name": "pick" }))["activityArn"]);
    let worker = {
        let (client, activity) = (client.clone(), activity.clone());
        thread::spawn(move || {
            for _ in 0..2 {
                let ask = json!({ "activityArn": activity, "workerName": "w" });
                let task = client.states("GetActivityTask", ask);
                let input: Value = serde_json::from_str(&text(&task["input"])).unwrap();
                let (operation, answer) = match input["good"] == true {
                    true => ("SendTaskSuccess", json!({ "output": "[1]" })),
                    false => ("SendTaskFailure", json!({ "error": "Broken", "cause": "why" })),
                };
                let mut answer = answer;
                answer["taskToken"] = task["taskToken"].clone();
                client.states(operation, answer);
            }
        })
    };
    let of = |good: bool| {
        let mut definition = task("x", json!({ "good": good }));
        definition["States"]["Call"]["Resource"] = activity.clone().into();
        output_of(&client, &definition)
    };
    assert_eq!(of(true), json!([1]));
    assert_eq!(of(false), json!({ "Error": "Broken", "Cause": "why" }));
    worker.join().unwrap();
}

#[test]
fn items_of_tables() {
    let (_scratch, ithaca) = up("services-dynamodb");
    let client = ithaca.client();
    client.dynamo(
        "CreateTable",
        json!({
            "TableName": "trips",
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        }),
    );
    let key = json!({ "pk": { "S": "a" } });
    let item = json!({ "pk": { "S": "a" }, "Seats": { "N": "2" } });
    let put = json!({ "TableName": "trips", "Item": item, "ConditionExpression": "attribute_not_exists(pk)" });
    let output = call(&client, "dynamodb:putItem", put.clone());
    assert_eq!((output.get("Attributes"), &output["SdkHttpMetadata"]["HttpStatusCode"]), (None, &json!(200)));
    assert_eq!(output["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"], "2");
    let condition = "The conditional request failed".to_owned();
    assert_eq!(
        failed(&client, "dynamodb:putItem", put.clone()),
        ("DynamoDB.ConditionalCheckFailedException".into(), condition.clone())
    );
    assert_eq!(
        failed(&client, "aws-sdk:dynamodb:putItem", put),
        ("DynamoDb.ConditionalCheckFailedException".into(), condition)
    );
    assert_eq!(call(&client, "dynamodb:getItem", json!({ "TableName": "trips", "Key": key }))["Item"], item);
    let update = json!({
        "TableName": "trips", "Key": key, "UpdateExpression": "SET Seats = :n", "ReturnValues": "UPDATED_NEW",
        "ExpressionAttributeValues": { ":n": { "N": "3" } },
    });
    assert_eq!(call(&client, "dynamodb:updateItem", update)["Attributes"], json!({ "Seats": { "N": "3" } }));
    let query = json!({
        "TableName": "trips", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": { ":pk": { "S": "a" } },
    });
    let found = call(&client, "aws-sdk:dynamodb:query", query);
    assert_eq!((&found["Count"], found.get("SdkHttpMetadata")), (&json!(1), None));
    call(&client, "dynamodb:deleteItem", json!({ "TableName": "trips", "Key": key }));
    assert_eq!(call(&client, "dynamodb:getItem", json!({ "TableName": "trips", "Key": key })).get("Item"), None);
    let error = failed(&client, "dynamodb:getItem", json!({ "TableName": "/trips", "Key": key })).0;
    assert_eq!(error, "DynamoDB.AmazonDynamoDBException");
    let error = failed(&client, "dynamodb:getItem", json!({ "TableName": "none", "Key": key })).0;
    assert_eq!(error, "DynamoDB.ResourceNotFoundException");
}

#[test]
fn maps_over_objects() {
    let scratch = Scratch::new("services-objects");
    let objects = scratch.join("objects");
    fs::create_dir_all(objects.join("trips")).unwrap();
    let rows: String = (0..500).map(|number| format!("t{number},{}\n", number % 7)).collect();
    fs::write(objects.join("trips/in.csv"), format!("id,seats\n{rows}")).unwrap();
    let up = Up::new(scratch.join("data")).option("--objects", objects.to_str().unwrap());
    let ithaca = up.start();
    let client = ithaca.client();
    let map = |key: &str, max_items: u64, writer: &Value| {
        let reader = json!({ "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": max_items });
        let mut definition = json!({
            "StartAt": "Each",
            "States": {
                "Each": {
                    "Type": "Map",
                    "ItemReader": {
                        "Resource": "arn:aws:states:::s3:getObject",
                        "ReaderConfig": reader,
                        "Parameters": { "Bucket": "trips", "Key": key },
                    },
                    "ItemProcessor": {
                        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
                        "StartAt": "Id",
                        "States": { "Id": { "Type": "Pass", "OutputPath": "$.id", "End": true } },
                    },
                    "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Failed" }],
                    "End": true,
                },
                "Failed": { "Type": "Pass", "End": true },
            },
        });
        if !writer.is_null() {
            definition["States"]["Each"]["ResultWriter"] = writer.clone();
        }
        output_of(&client, &definition)
    };
    let to = |bucket: &str| {
        let destination = json!({ "Bucket": bucket, "Prefix": "out" });
        json!({ "Resource": "arn:aws:states:::s3:putObject", "Parameters": destination })
    };
    assert_eq!(map("in.csv", 3, &Value::Null), json!(["t0", "t1", "t2"]));
    let written = map("in.csv", 500, &to("trips"));
    let details = &written["ResultWriterDetails"];
    let get = |key: &Value| {
        let object = call(&client, "aws-sdk:s3:getObject", json!({ "Bucket": details["Bucket"], "Key": key }));
        serde_json::from_str::<Value>(&text(&object["Body"])).unwrap()
    };
    let manifest = get(&details["Key"]);
    assert_eq!((&manifest["MapRunArn"], &manifest["ResultFiles"]["FAILED"]), (&written["MapRunArn"], &json!([])));
    let file = objects.join("trips").join(text(&manifest["ResultFiles"]["SUCCEEDED"][0]["Key"]));
    let results: Vec<Value> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let outputs: Vec<String> = results.iter().map(|result| text(&result["Output"])).collect();
    assert_eq!(outputs, (0..500).map(|number| format!("\"t{number}\"")).collect::<Vec<_>>());

    fs::write(objects.join("trips/large"), "x".repeat(300 * 1024)).unwrap();
    let error = failed(&client, "aws-sdk:s3:getObject", json!({ "Bucket": "trips", "Key": "large" })).0;
    assert_eq!(error, "States.DataLimitExceeded");

    let missing = map("none.csv", 1, &Value::Null);
    assert_eq!(missing["Error"], "States.ItemReaderFailed", "{missing}");
    assert!(text(&missing["Cause"]).contains("The specified key does not exist."), "{missing}");
    let unwritten = map("in.csv", 1, &to("none"));
    assert_eq!(unwritten["Error"], "States.ResultWriterFailed", "{unwritten}");
    assert!(text(&unwritten["Cause"]).contains("The specified bucket does not exist"), "{unwritten}");
}

/// As AWS would answer, as far as it goes.
fn aws(asked: &Asked) -> Reply {
    let json = |body: Value| (200, "application/x-amz-json-1.0", body.to_string());
    match asked.header("x-amz-target") {
        "AmazonSQS.SendMessage" if asked.body.contains("no-queue") => {
            let error = json!({ "__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "No such queue." });
            (400, "application/x-amz-json-1.0", error.to_string())
        }
        "AmazonSQS.SendMessage" => json(json!({ "MD5OfMessageBody": "5", "MessageId": "M" })),
        "AWSEvents.PutEvents" if asked.body.contains("refused") => {
            json(json!({ "Entries": [{ "ErrorCode": "MalformedDetail" }], "FailedEntryCount": 1 }))
        }
        "AWSEvents.PutEvents" => json(json!({ "Entries": [{ "EventId": "E" }], "FailedEntryCount": 0 })),
        "secretsmanager.ListSecrets" => json(json!({ "SecretList": [{ "Name": "s", "CreatedDate": 1.5 }] })),
        _ if asked.body.starts_with("Action=Publish") => {
            let body = "<PublishResponse><PublishResult><MessageId>M</MessageId></PublishResult></PublishResponse>";
            (200, "text/xml", body.to_owned())
        }
        _ if asked.path == "/teapot" => (418, "application/json", "{\"message\":\"short\"}".to_owned()),
        _ => (200, "application/json", json!({ "path": asked.path, "body": asked.body }).to_string()),
    }
}

/// A server as AWS, and what it was asked.
fn elsewhere() -> (String, Receiver<Asked>) {
    let (sender, received): (Sender<Asked>, _) = mpsc::channel();
    let address = server::serve(move |asked| {
        sender.send(asked.clone()).unwrap();
        aws(asked)
    });
    (address, received)
}

#[test]
fn services_elsewhere() {
    let scratch = Scratch::new("services-elsewhere");
    let (address, received) = elsewhere();
    let url = format!("http://{address}");
    let up = Up::new(scratch.join("data"))
        .option("--aws-endpoint", "http://127.0.0.1:9")
        .environment("AWS_ENDPOINT_URL_SQS", &url)
        .environment("AWS_ENDPOINT_URL_SNS", &url)
        .environment("AWS_ENDPOINT_URL_EVENTBRIDGE", &url)
        .environment("AWS_ENDPOINT_URL_SECRETS_MANAGER", &url)
        .environment("AWS_ACCESS_KEY_ID", "AK");
    let ithaca = up.start();
    let client = ithaca.client();
    let asked = || received.recv_timeout(BOUND).expect("the service was asked");

    let message = json!({ "QueueUrl": "q", "MessageBody": { "a": 1 } });
    let output = call(&client, "sqs:sendMessage", message.clone());
    assert_eq!((&output["MessageId"], &output["SdkResponseMetadata"]["RequestId"]), (&json!("M"), &json!("REQUEST")));
    let sent = asked();
    assert_eq!(sent.body, r#"{"QueueUrl":"q","MessageBody":"{\"a\":1}"}"#);
    assert!(sent.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AK/"), "{sent:?}");
    assert!(sent.header("authorization").contains("/us-east-1/sqs/aws4_request"), "{sent:?}");
    assert_eq!(call(&client, "aws-sdk:sqs:sendMessage", message).get("SdkHttpMetadata"), None);
    asked();
    assert_eq!(
        failed(&client, "sqs:sendMessage", json!({ "QueueUrl": "no-queue", "MessageBody": "" })),
        ("SQS.QueueDoesNotExistException".into(), "No such queue.".into())
    );
    asked();

    let topic = json!({ "TopicArn": "t", "Message": { "a": 1 } });
    assert_eq!(call(&client, "sns:publish", topic)["MessageId"], "M");
    assert!(asked().body.ends_with("TopicArn=t&Message=%7B%22a%22%3A1%7D"));

    let event = |source: &str| json!({ "Entries": [{ "Source": source, "DetailType": "d", "Detail": { "a": 1 } }] });
    let output = call(&client, "events:putEvents", event("x"));
    assert_eq!(output, json!({ "Entries": [{ "EventId": "E" }], "FailedEntryCount": 0 }));
    let sent: Value = serde_json::from_str(&asked().body).unwrap();
    assert_eq!(sent["Entries"][0]["Detail"], r#"{"a":1}"#);
    assert_eq!(sent["Entries"][0]["Resources"].as_array().map(Vec::len), Some(2), "{sent}");
    assert_eq!(failed(&client, "events:putEvents", event("refused")).0, "EventBridge.FailedEntry");
    asked();

    let secrets = call(&client, "aws-sdk:secretsmanager:listSecrets", json!({}));
    assert_eq!(secrets, json!({ "SecretList": [{ "Name": "s", "CreatedDate": "1970-01-01T00:00:01.500Z" }] }));
    asked();
    // Nobody listens there.
    let (error, cause) = failed(&client, "aws-sdk:kms:encrypt", json!({ "KeyId": "k" }));
    assert_eq!(error, "Kms.SdkClientException");
    assert!(cause.starts_with("Unable to execute HTTP request: "), "{cause}");

    // A token in a message comes back from whoever got the message.
    let message = json!({ "QueueUrl": "q", "MessageBody": { "token.$": "$$.Task.Token" } });
    let machine = client.create_machine(&name(), &task("sqs:sendMessage.waitForTaskToken", message));
    let execution = client.start(&machine, &json!({}));
    let sent: Value = serde_json::from_str(&asked().body).unwrap();
    let body: Value = serde_json::from_str(&text(&sent["MessageBody"])).unwrap();
    let answer = json!({ "taskToken": body["token"], "error": "Late", "cause": "too late" });
    client.states("SendTaskFailure", answer);
    assert_eq!(text(&client.ended(&execution)["output"]), r#"{"Error":"Late","Cause":"too late"}"#);
}

/// One call for each protocol: what goes over the wire, what comes back, and how an error is named.
#[test]
fn any_service_of_aws() {
    let scratch = Scratch::new("services-any");
    let (sender, received): (Sender<Asked>, _) = mpsc::channel();
    let address = server::serve(move |asked| {
        sender.send(asked.clone()).unwrap();
        let (json, xml) = (
            |body: Value| (200, "application/json", body.to_string()),
            |status, body: &str| (status, "text/xml", body.to_owned()),
        );
        match (asked.header("x-amz-target"), asked.path.as_str(), asked.body.as_str()) {
            ("AmazonEC2ContainerServiceV20141113.RunTask", ..) => {
                json(json!({ "tasks": [{ "taskArn": "t", "createdAt": 1.5 }] }))
            }
            (_, "/v1/submitjob", _) => json(json!({ "jobName": "j", "jobId": "i" })),
            (_, path, _) if path.starts_with("/2013-04-01/") => {
                xml(200, "<GetHostedZoneResponse><HostedZone><Id>Z</Id></HostedZone></GetHostedZoneResponse>")
            }
            (_, _, body) if body.starts_with("Action=StartDBInstance") => xml(
                404,
                "<ErrorResponse><Error><Code>DBInstanceNotFound</Code><Message>No</Message></Error></ErrorResponse>",
            ),
            (_, _, body) if body.starts_with("Action=DescribeInstances") => xml(
                200,
                "<DescribeInstancesResponse><reservationSet><item><ownerId>o</ownerId></item></reservationSet></DescribeInstancesResponse>",
            ),
            _ => xml(500, "<html>"),
        }
    });
    let up = Up::new(scratch.join("data")).option("--aws-endpoint", &format!("http://{address}"));
    let ithaca = up.environment("AWS_ACCESS_KEY_ID", "AK").start();
    let client = ithaca.client();
    let check = |resource: &str, parameters: Value, line: &str, sent: &str, signed_as: &str, expect: Value| {
        let output = call(&client, resource, parameters);
        let asked = received.recv_timeout(BOUND).expect("the service was asked");
        assert_eq!((format!("{} {}", asked.method, asked.path).as_str(), asked.body.as_str()), (line, sent));
        let scope = format!("/us-east-1/{signed_as}/aws4_request");
        assert!(asked.header("authorization").contains(&scope), "{asked:?}");
        match expect {
            Value::String(error) => assert_eq!(output["Error"], error, "{output}"),
            expect => assert_eq!(output, expect),
        }
    };
    check(
        "aws-sdk:ecs:runTask",
        json!({ "TaskDefinition": "d", "ClientToken": "c" }),
        "POST /",
        r#"{"taskDefinition":"d","clientToken":"c"}"#,
        "ecs",
        json!({ "Tasks": [{ "TaskArn": "t", "CreatedAt": "1970-01-01T00:00:01.500Z" }] }),
    );
    check(
        "aws-sdk:batch:submitJob",
        json!({ "JobName": "j", "JobQueue": "q", "JobDefinition": "d" }),
        "POST /v1/submitjob",
        r#"{"jobName":"j","jobQueue":"q","jobDefinition":"d"}"#,
        "batch",
        json!({ "JobName": "j", "JobId": "i" }),
    );
    check(
        "aws-sdk:route53:getHostedZone",
        json!({ "Id": "Z" }),
        "GET /2013-04-01/hostedzone/Z",
        "",
        "route53",
        json!({ "HostedZone": { "Id": "Z" } }),
    );
    check(
        "aws-sdk:rds:startDBInstance",
        json!({ "DbInstanceIdentifier": "d" }),
        "POST /",
        "Action=StartDBInstance&Version=2014-10-31&DBInstanceIdentifier=d",
        "rds",
        json!("Rds.DbInstanceNotFoundException"),
    );
    check(
        "aws-sdk:ec2:describeInstances",
        json!({ "InstanceIds": ["i"] }),
        "POST /",
        "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i",
        "ec2",
        json!({ "Reservations": [{ "OwnerId": "o" }] }),
    );
    check(
        "aws-sdk:iam:listRoles",
        json!({}),
        "POST /",
        "Action=ListRoles&Version=2010-05-08",
        "iam",
        json!("Iam.IamException"),
    );
    let (error, cause) = broken(&client, "aws-sdk:ecs:runTask", json!({ "Nonsense": 1 }));
    assert!(error == "States.Runtime" && cause.contains("The field \"Nonsense\" is not supported"), "{error}: {cause}");

    // What has a door here goes there all the same.
    call(&client, "aws-sdk:s3:createBucket", json!({ "Bucket": "made" }));
    assert!(scratch.join("data/objects/made").is_dir());
    let tags = json!({ "TagSet": [{ "Key": "k", "Value": "v" }] });
    call(&client, "aws-sdk:s3:putBucketTagging", json!({ "Bucket": "made", "Tagging": tags }));
    assert_eq!(call(&client, "aws-sdk:s3:getBucketTagging", json!({ "Bucket": "made" })), tags);
    call(&client, "aws-sdk:ssm:putParameter", json!({ "Name": "/a", "Value": "v", "Type": "String" }));
    assert_eq!(call(&client, "aws-sdk:ssm:getParameter", json!({ "Name": "/a" }))["Parameter"]["Value"], "v");
    assert_eq!(
        failed(&client, "aws-sdk:ssm:getParameter", json!({ "Name": "/b" })).0,
        "Ssm.ParameterNotFoundException"
    );
    functions::create(&client, "pay", &functions::own_bootstrap(), 30);
    let got = call(&client, "aws-sdk:lambda:getFunctionConfiguration", json!({ "FunctionName": "pay" }));
    assert_eq!((&got["FunctionName"], &got["Timeout"]), (&json!("pay"), &json!(30)));
    assert_eq!(call(&client, "aws-sdk:lambda:listFunctions", json!({}))["Functions"][0]["FunctionName"], "pay");
    let timeout = json!({ "FunctionName": "pay", "Timeout": 5 });
    assert_eq!(call(&client, "aws-sdk:lambda:updateFunctionConfiguration", timeout)["Timeout"], 5);
    assert_eq!(
        failed(&client, "aws-sdk:lambda:getFunction", json!({ "FunctionName": "no" })).0,
        "Lambda.ResourceNotFoundException"
    );
    assert_eq!(call(&client, "aws-sdk:sts:getCallerIdentity", json!({}))["Account"], "000000000000");
    let stacks = call(&client, "aws-sdk:cloudformation:describeStacks", json!({}));
    assert_eq!(stacks, json!({ "Stacks": [] }));
    let none = json!({ "StackName": "none" });
    assert_eq!(
        failed(&client, "aws-sdk:cloudformation:describeStacks", none).0,
        "CloudFormation.CloudFormationException"
    );
    let connections = call(&client, "aws-sdk:eventbridge:listConnections", json!({}));
    assert_eq!(connections, json!({ "Connections": [] }));
    let rule = json!({ "Name": "told", "EventPattern": { "source": ["app"] } });
    let arn = call(&client, "aws-sdk:eventbridge:putRule", rule)["RuleArn"].clone();
    let rules = call(&client, "aws-sdk:eventbridge:listRules", json!({}));
    assert_eq!(
        (&rules["Rules"][0]["Arn"], &rules["Rules"][0]["EventPattern"]),
        (&arn, &json!(r#"{"source":["app"]}"#))
    );
    assert!(received.try_recv().is_err(), "none of these was sent elsewhere");
}

/// Without an endpoint: what is sent is kept when the task succeeds, whatever comes then.
#[test]
fn what_is_sent_is_kept() {
    let scratch = Scratch::new("services-outbox");
    let up = Up::new(scratch.join("data"));
    let mut ithaca = up.start();
    let client = ithaca.client();
    let queue = "http://localhost:4566/000000000000/orders";
    let topic = "arn:aws:sns:us-east-1:000000000000:told";

    let message = json!({ "QueueUrl": queue, "MessageBody": { "a": 1 } });
    let output = call(&client, "sqs:sendMessage", message.clone());
    // Of `{"a":1}`.
    assert_eq!(output["MD5OfMessageBody"], "bb6cb5c68df4652941caf652a366f2d8", "{output}");
    assert_eq!(output["SdkHttpMetadata"]["HttpStatusCode"], 200);
    let fifo = json!({ "QueueUrl": format!("{queue}.fifo"), "MessageBody": "m", "MessageGroupId": "g" });
    assert_eq!(text(&call(&client, "aws-sdk:sqs:sendMessage", fifo)["SequenceNumber"]).len(), 20);
    assert!(
        text(&call(&client, "sns:publish", json!({ "TopicArn": topic, "Message": { "b": 2 } }))["MessageId"]).len()
            == 36
    );
    let event = json!({ "Entries": [{ "Source": "s", "DetailType": "d", "Detail": { "c": 3 } }] });
    assert_eq!(call(&client, "events:putEvents", event)["FailedEntryCount"], 0);
    let mail = json!({ "Source": "s@x", "Destination": { "ToAddresses": ["a@x"] }, "Message": { "Subject": { "Data": "s" }, "Body": { "Text": { "Data": { "d": 4 } } } } });
    assert!(text(&call(&client, "aws-sdk:ses:sendEmail", mail)["MessageId"]).ends_with("-000000"));
    let content = json!({ "Simple": { "Subject": { "Data": "s" }, "Body": { "Text": { "Data": "t" } } } });
    let mail = json!({ "FromEmailAddress": "s@x", "Destination": { "ToAddresses": ["a@x"] }, "Content": content });
    call(&client, "aws-sdk:sesv2:sendEmail", mail);
    let batch = json!([{ "Id": "a", "Message": "m" }, { "Id": "b", "Message": "" }]);
    let output =
        call(&client, "aws-sdk:sns:publishBatch", json!({ "TopicArn": topic, "PublishBatchRequestEntries": batch }));
    assert_eq!(
        (&output["Successful"][0]["Id"], &output["Failed"][0]["Code"]),
        (&json!("a"), &json!("InvalidParameter"))
    );
    let (error, cause) = failed(&client, "sqs:sendMessage", json!({ "MessageBody": "m" }));
    assert_eq!(
        (error.as_str(), cause.as_str()),
        ("SQS.AmazonSQSException", "The request must contain the parameter QueueUrl.")
    );
    let (error, cause) = failed(&client, "sns:publish", json!({ "TopicArn": topic, "Message": "" }));
    assert_eq!((error.as_str(), cause.as_str()), ("SNS.InvalidParameterException", "Invalid parameter: Empty message"));
    let malformed = json!({ "Entries": [{ "Source": "s", "DetailType": "d", "Detail": "no" }] });
    assert_eq!(failed(&client, "events:putEvents", malformed).0, "EventBridge.FailedEntry");

    // A token in a message comes back from whoever looks into the outbox.
    let message = json!({ "QueueUrl": queue, "MessageBody": { "token.$": "$$.Task.Token" } });
    let waiting =
        client.start(&client.create_machine("waits", &task("sqs:sendMessage.waitForTaskToken", message)), &json!({}));
    let sent = |ithaca: &Ithaca, query: &str| {
        let answer = ithaca.client().send("GET", &format!("/ithaca/outbox?{query}"), &[], b"").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_str::<Value>(&answer.text()).unwrap()["messages"].as_array().unwrap().clone()
    };
    let kept = wait_for("the message is sent", || {
        sent(&ithaca, "service=sqs").into_iter().find(|message| message["execution"] == waiting)
    });
    assert_eq!((&kept["state"], &kept["destination"]), (&json!("Call"), &json!(queue)));
    // Somebody who is no execution.
    let body = json!({ "QueueUrl": queue, "MessageBody": "by hand" }).to_string();
    let headers = [("x-amz-target", "AmazonSQS.SendMessage"), ("content-type", "application/x-amz-json-1.0")];
    let answer = client.send("POST", "/", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    ithaca.kill();
    let ithaca = up.start();
    let all = sent(&ithaca, "");
    let services: Vec<String> = all.iter().map(|message| text(&message["service"])).collect();
    assert_eq!(services, ["sqs", "sqs", "sns", "sesv2", "ses", "events", "sns", "sqs", "sqs"]);
    assert_eq!((&all[0]["message"]["MessageBody"], all[0].get("execution")), (&json!("by hand"), None));
    let body: Value = serde_json::from_str(&text(&kept["message"]["MessageBody"])).unwrap();
    let client = ithaca.client();
    client.states("SendTaskSuccess", json!({ "taskToken": body["token"], "output": "{\"late\":true}" }));
    assert_eq!(text(&client.ended(&waiting)["output"]), r#"{"late":true}"#);

    let outbox = |arguments: &[&str]| {
        let endpoint = format!("http://{}", client.address);
        let command = Command::new(env!("CARGO_BIN_EXE_ithaca"))
            .args(["outbox", "--endpoint", &endpoint])
            .args(arguments)
            .output();
        String::from_utf8(command.unwrap().stdout).unwrap()
    };
    let lines = outbox(&["--destination", "told"]);
    assert!(lines.lines().count() == 3 && lines.contains("Call of ") && lines.contains(r#"{"b":2}"#), "{lines}");
    let told: Value = serde_json::from_str(&outbox(&["--json", "--service", "events", "--limit", "1"])).unwrap();
    assert_eq!(told[0]["message"]["Detail"], r#"{"c":3}"#);
    let endpoint = format!("http://{}", client.address);
    let mut follow = Command::new(env!("CARGO_BIN_EXE_ithaca"));
    follow.args(["outbox", "--follow", "--json", "--limit", "1", "--endpoint", &endpoint]).stdout(Stdio::piped());
    let mut follow = follow.spawn().unwrap();
    let mut followed = BufReader::new(follow.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(followed.next().unwrap().contains("by hand"));
    call(&client, "sns:publish", json!({ "TopicArn": topic, "Message": "later" }));
    assert!(followed.next().unwrap().contains("later"));
    follow.kill().unwrap();
    follow.wait().unwrap();
    let page = client.send("GET", "/console/outbox?of=told", &[("accept", "text/html")], b"").unwrap();
    assert!(page.text().contains("data-sent"), "{}", page.text());
    let number = &told[0]["number"];
    let page = client.send("GET", &format!("/console/outbox/{number}"), &[("accept", "text/html")], b"").unwrap();
    assert!(page.text().contains("event-bus/default"), "{}", page.text());
}

/// A parent waits for its child, the child for a token in a message; Ithaca is killed meanwhile.
#[test]
fn who_waits_outlives_a_crash() {
    let scratch = Scratch::new("services-crash");
    let (address, received) = elsewhere();
    let up = Up::new(scratch.join("data")).option("--aws-endpoint", &format!("http://{address}"));
    let mut ithaca = up.start();
    let client = ithaca.client();
    let message = json!({ "QueueUrl": "q", "MessageBody": { "token.$": "$$.Task.Token" } });
    let child = client.create_machine("child", &task("sqs:sendMessage.waitForTaskToken", message));
    let parent = task("states:startExecution.sync:2", json!({ "StateMachineArn": child, "Input": {} }));
    let parent = client.start(&client.create_machine("parent", &parent), &json!({}));
    let sent: Value = serde_json::from_str(&received.recv_timeout(BOUND).unwrap().body).unwrap();
    let body: Value = serde_json::from_str(&text(&sent["MessageBody"])).unwrap();
    // Both calls have their answers, so neither is lost.
    wait_for("both wait", || {
        let is_submitted =
            |execution: &str| client.history(execution).iter().any(|event| event["type"] == "TaskSubmitted");
        let child = text(&client.executions(&child)[0]["executionArn"]);
        (is_submitted(&parent) && is_submitted(&child)).then_some(())
    });
    ithaca.kill();
    let ithaca = up.start();
    let client = ithaca.client();
    client.states("SendTaskSuccess", json!({ "taskToken": body["token"], "output": "{\"late\":true}" }));
    let ended = client.ended(&parent);
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let output: Value = serde_json::from_str(&text(&ended["output"])).unwrap();
    assert_eq!(output["Output"], json!({ "late": true }));
    assert!(received.try_recv().is_err(), "no message is sent twice");
}

#[test]
fn what_is_not_served_can_be_caught() {
    let (_scratch, ithaca) = up("services-none");
    let client = ithaca.client();
    let check = |resource: &str, parameters: Value, words: &str| {
        let (error, cause) = failed(&client, resource, parameters);
        assert_eq!(error, "States.TaskFailed", "{cause}");
        assert!(cause.contains(words), "{cause}");
    };
    check("aws-sdk:ec2:describeNothing", json!({}), "arn:aws:states:::aws-sdk:ec2:describeNothing");
    check("ecs:runTask.sync", json!({}), "begin it with aws-sdk:SERVICE:runTask");
    check("aws-sdk:ec2:describeInstances", json!({}), "AWS_ENDPOINT_URL_EC2");
    check("aws-sdk:kms:encrypt", json!({ "KeyId": "k" }), "AWS_ENDPOINT_URL_KMS");
    check("aws-sdk:sqs:receiveMessage", json!({ "QueueUrl": "q" }), "AWS_ENDPOINT_URL_SQS");
}

const TEMPLATE: &str = r#"Transform: AWS::Serverless-2016-10-31
Resources:
  Trips: { Type: AWS::S3::Bucket }
  Key:
    Type: AWS::Events::Connection
    Properties:
      AuthorizationType: API_KEY
      AuthParameters: { ApiKeyAuthParameters: { ApiKeyName: X-Key, ApiKeyValue: hush } }
  Pick: { Type: AWS::StepFunctions::Activity, Properties: { Name: pick } }
  Front: { Type: AWS::Serverless::Api, Properties: { StageName: live } }
  Answer:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: code
      Events:
        Book: { Type: Api, Properties: { Path: /book, Method: POST, RestApiId: !Ref Front } }
"#;

#[test]
fn requests_to_apis_of_a_template() {
    let scratch = Scratch::new("services-http");
    fs::create_dir_all(scratch.join("app/code")).unwrap();
    let bootstrap = scratch.write("app/code/bootstrap", functions::own_bootstrap());
    fs::set_permissions(bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    scratch.write("app/template.yaml", TEMPLATE);
    let ithaca = Up::new(scratch.join("data")).template(scratch.join("app")).start();
    let client = ithaca.client();
    let (address, received) = elsewhere();
    let asked = || received.recv_timeout(BOUND).expect("the server was asked");

    assert!(scratch.join("data/objects/app-trips").is_dir());
    let activities = client.states("ListActivities", json!({}));
    assert_eq!(activities["activities"][0]["name"], "pick");

    let apis: Value = serde_json::from_slice(&fs::read(scratch.join("data/apis.json")).unwrap()).unwrap();
    let own = format!("{}.execute-api.us-east-1.amazonaws.com", text(&apis["apis"][0]["id"]));
    let book = |endpoint: &str, stage: &str, path: &str| json!({ "ApiEndpoint": endpoint, "Stage": stage, "Path": path, "Method": "POST", "RequestBody": { "a": 1 } });
    let output = call(&client, "apigateway:invoke", book(&own, "live", "book"));
    assert_eq!((&output["ResponseBody"], &output["StatusText"]), (&json!({ "booked": true }), &json!("OK")));
    assert_eq!(output["Headers"]["Content-Type"], json!(["application/json"]));
    assert_eq!(failed(&client, "apigateway:invoke", book(&own, "live", "none")).0, "ApiGateway.403");

    let output = call(&client, "apigateway:invoke", book(&address, "prod", "/a/b"));
    assert_eq!(output["ResponseBody"], json!({ "path": "/prod/a/b", "body": r#"{"a":1}"# }));
    asked();
    let get = |path: &str, connection: &str| {
        json!({
            "ApiEndpoint": format!("http://{address}{path}"), "Method": "GET",
            "InvocationConfig": { "ConnectionArn": connection },
            "QueryParameters": { "q": "a b" }, "Headers": { "custom": "c" },
        })
    };
    let connections = events(&client, "AWSEvents.ListConnections", json!({}));
    let connection = text(&connections["Connections"][0]["ConnectionArn"]);
    let get = |path: &str| get(path, &connection);
    let output = call(&client, "http:invoke", get("/path?x=y"));
    assert_eq!(output["ResponseBody"]["path"], "/path?x=y&q=a%20b");
    assert_eq!(
        (&output["StatusCode"], &output["Headers"]["content-type"]),
        (&json!(200), &json!(["application/json"]))
    );
    let sent = asked();
    assert_eq!((sent.method.as_str(), sent.header("custom"), sent.header("x-key")), ("GET", "c", "hush"));
    assert_eq!(sent.header("user-agent"), "Amazon|StepFunctions|HttpInvoke|us-east-1");
    let mut teapot = get("/teapot");
    teapot.as_object_mut().unwrap().remove("QueryParameters");
    assert_eq!(
        failed(&client, "http:invoke", teapot),
        ("States.Http.StatusCode.418".into(), "{\"message\":\"short\"}".into())
    );
    let nobody = |connection: &str| json!({ "ApiEndpoint": "http://127.0.0.1:9", "Method": "GET", "Authentication": { "ConnectionArn": connection } });
    assert_eq!(failed(&client, "http:invoke", nobody(&connection)).0, "States.Http.Socket");
    let (error, cause) = failed(&client, "http:invoke", nobody("arn:none"));
    assert_eq!(error, "Events.ConnectionResource.ResourceNotFound", "{cause}");
    let secrets = events(&client, "AWSEvents.DescribeConnection", json!({ "Name": "app-Key" }));
    assert_eq!(secrets["AuthParameters"]["ApiKeyAuthParameters"], json!({ "ApiKeyName": "X-Key" }));
}

/// What each kind of connection sends, by https too, and that a token is fetched once and again when it is refused.
#[test]
fn connections_say_who_asks() {
    let scratch = Scratch::new("services-connections");
    let authority = format!("{}/tests/fixtures/tls/authority.pem", env!("CARGO_MANIFEST_DIR"));
    let up = Up::new(scratch.join("data"));
    let ithaca = up
        .environment("SSL_CERT_FILE", &authority)
        .environment("ITHACA_CONNECTION_BY_ENV_PASSWORD", "from-env")
        .start();
    let client = ithaca.client();
    let (sender, received): (Sender<Asked>, _) = mpsc::channel();
    let tokens = Arc::new(AtomicU32::new(0));
    let address = server::serve_tls(move |asked| {
        sender.send(asked.clone()).unwrap();
        let token = tokens.load(Ordering::SeqCst);
        let (status, body) = match asked.path.as_str() {
            "/token" => {
                let token = tokens.fetch_add(1, Ordering::SeqCst) + 1;
                (200, json!({ "access_token": format!("t{token}"), "expires_in": 3600 }))
            }
            // The first token is good for one call.
            "/once" if asked.header("authorization") != format!("Bearer t{token}") || token < 2 => (401, json!({})),
            "/image" => return (200, "image/png", "x".to_owned()),
            _ => (200, json!({ "ok": true })),
        };
        (status, "application/json", body.to_string())
    });
    let create = |name: &str, kind: &str, parameters: Value| {
        let body = json!({ "Name": name, "AuthorizationType": kind, "AuthParameters": parameters });
        text(&events(&client, "AWSEvents.CreateConnection", body)["ConnectionArn"])
    };
    let invoke = |connection: &str, path: &str| {
        json!({
            "ApiEndpoint": format!("https://{address}{path}"), "Method": "POST", "RequestBody": { "a": 1 },
            "InvocationConfig": { "ConnectionArn": connection },
        })
    };
    let basic = json!({ "BasicAuthParameters": { "Username": "u", "Password": "{{resolve:secretsmanager:p}}" } });
    let by_env = create("by.env", "BASIC", basic.clone());
    assert_eq!(call(&client, "http:invoke", invoke(&by_env, "/"))["ResponseBody"], json!({ "ok": true }));
    assert_eq!(received.recv().unwrap().header("authorization"), "Basic dTpmcm9tLWVudg==");
    let left_open = create("open", "BASIC", basic);
    let (error, cause) = failed(&client, "http:invoke", invoke(&left_open, "/"));
    assert_eq!(error, "Events.ConnectionResource.AccessDenied", "{cause}");

    let http = json!({ "BodyParameters": [{ "Key": "b", "Value": "own" }], "QueryStringParameters": [{ "Key": "q", "Value": "1" }] });
    let key = json!({ "ApiKeyAuthParameters": { "ApiKeyName": "X-Key", "ApiKeyValue": "hush" }, "InvocationHttpParameters": http });
    let key = create("key", "API_KEY", key);
    call(&client, "http:invoke", invoke(&key, "/keyed"));
    let sent = received.recv().unwrap();
    assert_eq!(
        (sent.path.as_str(), sent.header("x-key"), sent.body.as_str()),
        ("/keyed?q=1", "hush", r#"{"a":1,"b":"own"}"#)
    );
    assert_eq!(broken(&client, "http:invoke", invoke(&by_env, "/image")).0, "States.Runtime");
    received.recv().unwrap();

    let oauth = json!({ "OAuthParameters": {
        "AuthorizationEndpoint": format!("https://{address}/token"), "HttpMethod": "POST",
        "ClientParameters": { "ClientID": "id", "ClientSecret": "hush" },
    } });
    let oauth = create("oauth", "OAUTH_CLIENT_CREDENTIALS", oauth);
    for path in ["/twice", "/twice", "/once"] {
        assert_eq!(call(&client, "http:invoke", invoke(&oauth, path))["StatusCode"], 200);
    }
    let asked: Vec<(String, String)> =
        received.try_iter().map(|asked| (asked.path.clone(), asked.header("authorization").to_owned())).collect();
    let asked: Vec<(&str, &str)> = asked.iter().map(|(path, token)| (path.as_str(), token.as_str())).collect();
    let expect = [
        ("/token", ""),
        ("/twice", "Bearer t1"),
        ("/twice", "Bearer t1"),
        ("/once", "Bearer t1"),
        ("/token", ""),
        ("/once", "Bearer t2"),
    ];
    assert_eq!(asked, expect);
    events(&client, "AWSEvents.DeleteConnection", json!({ "Name": "oauth" }));
    assert_eq!(failed(&client, "http:invoke", invoke(&oauth, "/")).0, "Events.ConnectionResource.ResourceNotFound");

    // Errors of the author, which nobody catches.
    for (change, words) in [
        (json!({ "Method": "TRACE" }), "Method must be one of"),
        (json!({ "Headers": { "Authorization": "x" } }), "The header Authorization is not allowed here"),
        (json!({ "InvocationConfig": null }), "is required but was missing"),
    ] {
        let mut parameters = invoke(&key, "/");
        parameters.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (error, cause) = broken(&client, "http:invoke", parameters);
        assert!(error == "States.Runtime" && cause.contains(words), "{error} {cause}");
    }
    // A certificate that nobody has vouched for.
    drop(ithaca);
    let ithaca = Up::new(scratch.join("data")).start();
    let (error, cause) = failed(&ithaca.client(), "http:invoke", invoke(&key, "/"));
    assert!(error == "States.Http.Socket" && cause.contains("certificate"), "{error}: {cause}");
}
